/* cmd_init.c - see cmd_init.h. */
#include "common/cmd_init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/jsonread.h"

enum tally_status tally_init_keys(const char *dir, const char *conf_file,
                                  struct tally_nodefile *node)
{
    char path[TALLY_KEY_PATH_MAX];

    TALLY_ENSURE(tally_name_ok(tally_slice_str(node->org)), TALLY_E_CONFIG,
                 "\"%.70s\" is no name for a party: 1 to %d of a-z 0-9 . _ -", node->org,
                 TALLY_NAME_MAX);
    TALLY_ENSURE(tally_name_ok(tally_slice_str(node->node)), TALLY_E_CONFIG,
                 "\"%.70s\" is no name for a node: 1 to %d of a-z 0-9 . _ -", node->node,
                 TALLY_NAME_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", dir, conf_file);
    TALLY_ENSURE(!tally_file_exists(path), TALLY_E_STATE, "%s is there already", path);
    TALLY_TRY(tally_file_make_dirs(dir, TALLY_FILE_DIR_MODE_PRIVATE));
    (void)snprintf(path, sizeof path, "%s/document.key", dir);
    TALLY_TRY(tally_key_make(path, TALLY_KEY_DOCUMENT, node->mode, node->document_key));
    (void)snprintf(path, sizeof path, "%s/keys", dir);
    return tally_nodekeys_make(path, node->mode, &node->keys);
}

static enum tally_status write_conf(const struct tally_init *in)
{
    char path[TALLY_KEY_PATH_MAX], *text = NULL;
    void *check = malloc(in->table->values_bytes);

    TALLY_ENSURE(check != NULL, TALLY_E_NOMEM, "no memory for a configuration");
    (void)snprintf(path, sizeof path, "%s/%s", in->dir, in->conf_file);
    enum tally_status s = tally_conf_text(in->table, in->values, &text);
    if (s == TALLY_OK) s = tally_conf_parse(in->table, path, tally_slice_str(text), check);
    if (s == TALLY_OK) s = tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
    free(text);
    free(check);
    return s;
}

enum tally_status tally_init_files(const struct tally_init *in)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = tally_nodefile_json(in->node);
    char path[TALLY_KEY_PATH_MAX];

    TALLY_ENSURE(j != NULL, TALLY_E_NOMEM, "no memory for %s", in->node_file);
    (void)snprintf(path, sizeof path, "%s/%s", in->dir, in->node_file);
    TALLY_TRY(tally_json_write(path, j));
    return write_conf(in);
}
