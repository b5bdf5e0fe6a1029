/* federation_show.c - see federation_show.h. */
#include "common/federation_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

enum { KEY_TEXT = TALLY_BASE64_SIZE(32), HEX_TEXT = 2 * TALLY_MEASUREMENT_BYTES + 1 };

static void print_hex(FILE *out, const char *before, const void *at, size_t len)
{
    char hex[HEX_TEXT];

    tally_hex(tally_slice_of(at, len), hex);
    (void)fprintf(out, "%s%s", before, hex);
}

static void print_key(FILE *out, const char *before, const uint8_t key[32])
{
    char text[KEY_TEXT];

    tally_base64(tally_slice_of(key, 32), text);
    (void)fprintf(out, "%s%s", before, text);
}

static void print_head(FILE *out, const struct tally_federation *f)
{
    char issued[TALLY_TIME_TEXT_SIZE], expires[TALLY_TIME_TEXT_SIZE];

    tally_time_text(f->issued_s, issued);
    tally_time_text(f->expires_s, expires);
    (void)fprintf(out, "federation %s, version %u, mode %s\n", f->name, f->version,
                  tally_mode_name(f->mode));
    print_hex(out, "digest sha256:", f->digest, sizeof f->digest);
    print_hex(out, "\nid sha256:", f->id, sizeof f->id);
    (void)fprintf(out, "\nissued %s, expires %s\n", issued, expires);
}

static void print_node(FILE *out, const struct tally_node *n)
{
    (void)fprintf(out, "node %s/%s: %s", n->org, n->node, tally_role_name(n->role));
    if (*n->endpoint != '\0') (void)fprintf(out, " at %s", n->endpoint);
    print_key(out, ", session key ", n->session_key);
    for (uint32_t i = 0; i < n->curve_keys_n; i++)
        (void)fprintf(out, ", CURVE key %s", n->curve_keys[i]);
    for (uint32_t i = 0; i < n->chips_n; i++)
        print_hex(out, ", chip ", n->chips[i], sizeof n->chips[i]);
    for (uint32_t i = 0; i < n->id_keys_n; i++)
        print_hex(out, ", id key ", n->id_keys[i], sizeof n->id_keys[i]);
    (void)fprintf(out, "%s\n", n->any_chip ? ", on ANY machine" : "");
}

static void print_policy(FILE *out, const struct tally_federation *f)
{
    json_t *policy = tally_policy_to_json(&f->policy), *rules = NULL, *value = NULL;
    const char *part = NULL, *key = NULL;

    json_object_foreach(policy, part, rules)
    {
        json_object_foreach(rules, key, value)
        {
            char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            (void)fprintf(out, "policy %s %s: %s\n", part, key, text != NULL ? text : "?");
            free(text);
        }
    }
    json_decref(policy);
}

/* All but the head: what one version is compared by with the next. */
static void print_body(FILE *out, const struct tally_federation *f)
{
    uint8_t root[32];

    for (uint32_t i = 0; i < f->parties_n; i++) {
        (void)fprintf(out, "party %s%s", f->parties[i].name, i == f->owner ? " (the owner)" : "");
        print_key(out, ": document key ", f->parties[i].document_key);
        (void)fputc('\n', out);
    }
    for (uint32_t i = 0; i < f->nodes_n; i++) print_node(out, &f->nodes[i]);
    for (uint32_t i = 0; i < f->measurements_n; i++) {
        const struct tally_measurement *m = &f->measurements[i];
        (void)fprintf(out, "program %s %s", tally_role_name(m->role), m->software);
        print_hex(out, m->tee == TALLY_EVIDENCE_SNP ? ": SNP measurement " : ": TDX MRTD ",
                  m->digest, sizeof m->digest);
        for (uint32_t k = 0; k < m->td.rtmr_n; k++)
            print_hex(out, ", RTMR ", m->td.rtmr[k], sizeof m->td.rtmr[k]);
        (void)fputc('\n', out);
    }
    for (uint32_t i = 0; i < f->anchors_n; i++) {
        TALLY_SHA256_OF(root, f->anchors[i].root);
        (void)fprintf(out, "root of trust %s", f->anchors[i].name);
        print_hex(out, ": sha256:", root, sizeof root);
        (void)fputc('\n', out);
    }
    print_policy(out, f);
    (void)fprintf(out, "votes: quorum %u of %u organisations, %u tolerated\n", f->quorum,
                  f->organisations, f->tolerated);
    for (uint32_t i = 0; i < f->needs_n; i++) (void)fprintf(out, "changes need %s\n", f->needs[i]);
}

static enum tally_status text_of(const struct tally_federation *f, bool head, char **text)
{
    char *buf = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&buf, &len);

    TALLY_ENSURE(out != NULL, TALLY_E_NOMEM, "no memory to show a document");
    if (head) print_head(out, f);
    print_body(out, f);
    if (fclose(out) != 0) {
        free(buf);
        return TALLY_FAIL(TALLY_E_NOMEM, "no memory to show a document");
    }
    *text = buf;
    return TALLY_OK;
}

enum tally_status tally_federation_text(const struct tally_federation *f, char **text)
{
    return text_of(f, true, text);
}

static bool has_line(const char *text, const char *line, size_t len)
{
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncmp(at, line, len) == 0 && at[len] == '\n') return true;
    }
    return false;
}

/* Each line of `text` that `other` lacks. */
static void add_lines(json_t *list, char sign, const char *text, const char *other)
{
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        size_t len = (size_t)(strchr(at, '\n') - at);
        if (!has_line(other, at, len))
            (void)json_array_append_new(list, json_sprintf("%c %.*s", sign, (int)len, at));
    }
}

json_t *tally_federation_changes(const struct tally_federation *prev,
                                 const struct tally_federation *next)
{
    char *before = NULL, *after = NULL;
    json_t *list = NULL;

    if (text_of(prev, false, &before) == TALLY_OK && text_of(next, false, &after) == TALLY_OK)
        list = json_array();
    if (list != NULL) {
        add_lines(list, '-', before, after);
        add_lines(list, '+', after, before);
    }
    free(before);
    free(after);
    return list;
}

json_t *tally_federation_warnings(const struct tally_federation *f)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list != NULL && i < f->nodes_n; i++) {
        if (f->nodes[i].any_chip)
            (void)json_array_append_new(
                list, json_sprintf("%s/%s may run on any machine: a leaked session key would let "
                                   "another machine in",
                                   f->nodes[i].org, f->nodes[i].node));
    }
    return list;
}
