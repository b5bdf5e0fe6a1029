/* nodefile.c - see nodefile.h. */
#include "common/nodefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/jsonread.h"

static json_t *key_json(const uint8_t key[32])
{
    char text[TALLY_BASE64_SIZE(32)];

    tally_base64(tally_slice_of(key, 32), text);
    return json_string(text);
}

static json_t *strings(const char *const *items, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) (void)json_array_append_new(list, json_string(items[i]));
    return list;
}

json_t *tally_nodefile_json(const struct tally_nodefile *n)
{
    json_t *node =
        json_pack("{s:s, s:s, s:o, s:[s]}", "name", n->node, "role", tally_role_name(n->role),
                  "session_key", key_json(n->keys.session), "curve_keys", n->keys.curve);

    if (node == NULL) return NULL;
    if (n->endpoint != NULL) (void)json_object_set_new(node, "endpoint", json_string(n->endpoint));
    if (n->any_chip) (void)json_object_set_new(node, "chips", json_string("any"));
    if (n->chips_n > 0) (void)json_object_set_new(node, "chips", strings(n->chips, n->chips_n));
    if (n->id_keys_n > 0)
        (void)json_object_set_new(node, "id_keys", strings(n->id_keys, n->id_keys_n));
    return json_pack("{s:s, s:s, s:s, s:o, s:[o]}", "type", "node", "mode",
                     tally_mode_name(n->mode), "organisation", n->org, "document_key",
                     key_json(n->document_key), "nodes", node);
}

enum tally_status tally_json_write(const char *path, const json_t *j)
{
    char *text = json_dumps(j, JSON_INDENT(2));

    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "no memory to write %s", path);
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of the final zero */
    enum tally_status s =
        tally_file_write(path, tally_slice_of(text, len + 1), TALLY_FILE_MODE_PUBLIC);
    free(text);
    return s;
}

static enum tally_status check(const struct tally_json_at *root, enum tally_mode mode)
{
    struct tally_json_at type = tally_json_member(root, "type");
    struct tally_json_at file_mode = tally_json_member(root, "mode");
    struct tally_json_at org = tally_json_member(root, "organisation");
    struct tally_json_at nodes = tally_json_member(root, "nodes");
    char name[TALLY_NAME_MAX + 1];
    size_t n = 0;

    TALLY_TRY(tally_json_keys(
        root, TALLY_JSON_KEYS("type", "mode", "organisation", "document_key", "nodes")));
    TALLY_TRY(tally_json_exact(&type, "node"));
    TALLY_TRY(tally_json_exact(&file_mode, tally_mode_name(mode)));
    TALLY_TRY(tally_json_name(&org, name));
    TALLY_TRY(tally_json_array(&nodes, 1, TALLY_NODES_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at node = tally_json_item(&nodes, i);
        TALLY_TRY(tally_json_keys(&node, TALLY_JSON_KEYS("name", "role", "endpoint?", "session_key",
                                                         "curve_keys", "chips?", "id_keys?")));
        struct tally_json_at node_name = tally_json_member(&node, "name");
        TALLY_TRY(tally_json_name(&node_name, name));
    }
    return TALLY_OK;
}

enum tally_status tally_nodefile_read(struct tally_slice text, const char *what,
                                      enum tally_mode mode, json_t **party)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;

    TALLY_TRY(tally_json_parse(text, TALLY_NODEFILE_BYTES_MAX, what, &j));
    struct tally_json_at root = tally_json_root(j);
    TALLY_TRY(check(&root, mode));
    json_t *out =
        json_pack("{s:O, s:O, s:O}", "name", json_object_get(j, "organisation"), "document_key",
                  json_object_get(j, "document_key"), "nodes", json_object_get(j, "nodes"));
    TALLY_ENSURE(out != NULL, TALLY_E_NOMEM, "no memory to read %s", what);
    *party = out;
    return TALLY_OK;
}
