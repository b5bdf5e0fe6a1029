/* conf.c - see conf.h: a strict reading of YAML's events. */
#include "common/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/conf_parts.h"
#include "common/file.h"
#include "common/secret.h"
#include "common/suggest.h"

struct reading {
    const struct tally_conf_table *table;
    const char *file;
    char folder[TALLY_CONF_PATH_SIZE];
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool have_event;
    char map[TALLY_CONF_TEXT_SIZE]; /* "device" while inside that map */
    char maps_seen[TALLY_CONF_KEYS_MAX][TALLY_CONF_TEXT_SIZE];
    size_t maps_seen_n;
    size_t line_of[TALLY_CONF_KEYS_MAX]; /* where key i stands; 0: not yet */
    void *values;
};

static size_t line_of_event(const struct reading *r)
{
    return r->event.start_mark.line + 1;
}

/* The next event, or what YAML itself has against the text; what no configuration needs. */
static enum tally_status next(struct reading *r)
{
    if (r->have_event) yaml_event_delete(&r->event);
    r->have_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    TALLY_ENSURE(r->have_event, TALLY_E_CONFIG, "%s:%zu: not YAML: %s", r->file,
                 r->parser.problem_mark.line + 1,
                 r->parser.problem != NULL ? r->parser.problem : "bad characters");
    const yaml_event_t *e = &r->event;
    const char *found = NULL;
    if (e->type == YAML_ALIAS_EVENT) found = "an alias (*)";
    if (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor != NULL) found = "an anchor (&)";
    if (e->type == YAML_SCALAR_EVENT && e->data.scalar.tag != NULL) found = "a tag (!)";
    if (e->type == YAML_SEQUENCE_START_EVENT &&
        (e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL))
        found = "an anchor (&) or tag (!)";
    if (e->type == YAML_MAPPING_START_EVENT &&
        (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL))
        found = "an anchor (&) or tag (!)";
    if (e->type == YAML_DOCUMENT_START_EVENT &&
        (e->data.document_start.version_directive != NULL ||
         e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end))
        found = "a directive (%)";
    TALLY_ENSURE(found == NULL, TALLY_E_CONFIG, "%s:%zu: %s: expected plain keys and values",
                 r->file, line_of_event(r), found);
    return TALLY_OK;
}

/* The text of the current scalar; a zero byte inside it would cut what is compared. */
static enum tally_status scalar(const struct reading *r, const char **text)
{
    *text = (const char *)r->event.data.scalar.value;
    TALLY_ENSURE(strlen(*text) == r->event.data.scalar.length, TALLY_E_CONFIG,
                 "%s:%zu: a zero byte: expected text", r->file, line_of_event(r));
    return TALLY_OK;
}

static enum tally_status unknown_key(const struct reading *r, const char *key)
{
    const char *words[TALLY_CONF_KEYS_MAX];

    for (size_t i = 0; i < r->table->keys_n; i++) words[i] = r->table->keys[i].key;
    const char *near = tally_suggest(key, words, r->table->keys_n);
    return TALLY_FAIL(TALLY_E_CONFIG, "%s:%zu: %.60s: unknown key%s%s%s", r->file, line_of_event(r),
                      key, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* The full name of the current scalar as a key: "kind" inside device is "device.kind". */
static enum tally_status key_name(const struct reading *r, char name[TALLY_CONF_TEXT_SIZE])
{
    const char *text = NULL;

    TALLY_ENSURE(r->event.type == YAML_SCALAR_EVENT, TALLY_E_CONFIG, "%s:%zu: expected a key",
                 r->file, line_of_event(r));
    TALLY_TRY(scalar(r, &text));
    TALLY_ENSURE(strchr(text, '.') == NULL, TALLY_E_CONFIG,
                 "%s:%zu: %.60s: unknown key; keys of a map stand indented below its name", r->file,
                 line_of_event(r), text);
    int n = snprintf(name, TALLY_CONF_TEXT_SIZE, "%s%s%s", r->map, *r->map ? "." : "", text);
    if (n < 0 || n >= TALLY_CONF_TEXT_SIZE) return unknown_key(r, text);
    return TALLY_OK;
}

static bool is_map(const struct tally_conf_table *t, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < t->keys_n; i++) {
        if (strncmp(t->keys[i].key, name, len) == 0 && t->keys[i].key[len] == '.') return true;
    }
    return false;
}

static enum tally_status read_scalar(struct reading *r, const struct tally_conf_key *k)
{
    const char *text = NULL;

    TALLY_TRY(scalar(r, &text));
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (tally_conf_store(k, r->folder, text, plain, r->values) != TALLY_OK)
        return TALLY_FAIL(TALLY_E_CONFIG, "%s:%zu: %s: %s", r->file, line_of_event(r), k->key,
                          tally_why_text());
    return TALLY_OK;
}

static enum tally_status read_list(struct reading *r, const struct tally_conf_key *k)
{
    const struct tally_conf_list *list = (const void *)((const char *)r->values + k->at);
    size_t line = line_of_event(r);

    TALLY_TRY(next(r));
    while (r->event.type == YAML_SCALAR_EVENT) {
        TALLY_TRY(read_scalar(r, k));
        TALLY_TRY(next(r));
    }
    TALLY_ENSURE(r->event.type == YAML_SEQUENCE_END_EVENT, TALLY_E_CONFIG,
                 "%s:%zu: %s: expected a list of texts", r->file, line_of_event(r), k->key);
    TALLY_ENSURE(list->n >= k->min, TALLY_E_CONFIG,
                 "%s:%zu: %s: expected a list of %lld to %lld texts", r->file, line, k->key,
                 (long long)k->min, (long long)k->max);
    return TALLY_OK;
}

static enum tally_status read_value(struct reading *r, const struct tally_conf_key *k)
{
    char expected[TALLY_CONF_EXPECTED_SIZE];
    bool list = k->type == TALLY_CONF_LIST;

    TALLY_TRY(next(r));
    if (list && r->event.type == YAML_SEQUENCE_START_EVENT) return read_list(r, k);
    if (!list && r->event.type == YAML_SCALAR_EVENT) return read_scalar(r, k);
    tally_conf_expected(k, expected);
    return TALLY_FAIL(TALLY_E_CONFIG, "%s:%zu: %s: expected %s", r->file, line_of_event(r), k->key,
                      expected);
}

/* Enters the map of that name; its end is seen by read_keys. */
static enum tally_status enter_map(struct reading *r, const char *name)
{
    for (size_t i = 0; i < r->maps_seen_n; i++)
        TALLY_ENSURE(strcmp(r->maps_seen[i], name) != 0, TALLY_E_CONFIG,
                     "%s:%zu: %s: is there twice", r->file, line_of_event(r), name);
    (void)snprintf(r->maps_seen[r->maps_seen_n++], TALLY_CONF_TEXT_SIZE, "%s", name);
    TALLY_TRY(next(r));
    TALLY_ENSURE(r->event.type == YAML_MAPPING_START_EVENT, TALLY_E_CONFIG,
                 "%s:%zu: %s: expected keys, indented below it", r->file, line_of_event(r), name);
    (void)snprintf(r->map, sizeof r->map, "%s", name);
    return TALLY_OK;
}

static enum tally_status read_key(struct reading *r)
{
    char name[TALLY_CONF_TEXT_SIZE];
    size_t i = 0;

    TALLY_TRY(key_name(r, name));
    if (*r->map == '\0' && is_map(r->table, name)) return enter_map(r, name);
    while (i < r->table->keys_n && strcmp(r->table->keys[i].key, name) != 0) i++;
    if (i == r->table->keys_n) return unknown_key(r, name);
    TALLY_ENSURE(r->line_of[i] == 0, TALLY_E_CONFIG,
                 "%s:%zu: %s: is there twice (first in line %zu)", r->file, line_of_event(r), name,
                 r->line_of[i]);
    r->line_of[i] = line_of_event(r);
    return read_value(r, &r->table->keys[i]);
}

static enum tally_status read_keys(struct reading *r)
{
    for (;;) {
        TALLY_TRY(next(r));
        if (r->event.type != YAML_MAPPING_END_EVENT) {
            TALLY_TRY(read_key(r));
        } else if (*r->map != '\0') {
            *r->map = '\0';
        } else {
            return TALLY_OK;
        }
    }
}

static enum tally_status check_missing(const struct reading *r)
{
    char expected[TALLY_CONF_EXPECTED_SIZE];

    for (size_t i = 0; i < r->table->keys_n; i++) {
        const struct tally_conf_key *k = &r->table->keys[i];
        if (r->line_of[i] != 0 || k->fallback != NULL) continue;
        tally_conf_expected(k, expected);
        return TALLY_FAIL(TALLY_E_CONFIG, "%s:%zu: %s: is missing; expected %s", r->file,
                          line_of_event(r), k->key, expected);
    }
    return TALLY_OK;
}

static enum tally_status read_stream(struct reading *r)
{
    TALLY_TRY(next(r)); /* start of the stream */
    TALLY_TRY(next(r));
    TALLY_ENSURE(r->event.type == YAML_DOCUMENT_START_EVENT, TALLY_E_CONFIG,
                 "%s:1: is empty; expected keys and values", r->file);
    TALLY_TRY(next(r));
    TALLY_ENSURE(r->event.type == YAML_MAPPING_START_EVENT, TALLY_E_CONFIG,
                 "%s:%zu: expected keys and values", r->file, line_of_event(r));
    TALLY_TRY(read_keys(r));
    TALLY_TRY(next(r)); /* end of the document */
    TALLY_TRY(check_missing(r));
    TALLY_TRY(next(r));
    TALLY_ENSURE(r->event.type == YAML_STREAM_END_EVENT, TALLY_E_CONFIG,
                 "%s:%zu: a second document: expected one", r->file, line_of_event(r));
    return TALLY_OK;
}

static void folder_of(const char *file, char out[TALLY_CONF_PATH_SIZE])
{
    const char *slash = strrchr(file, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - file);

    if (slash == file) len = 1; /* "/agent.yaml" */
    (void)snprintf(out, TALLY_CONF_PATH_SIZE, "%.*s", (int)len, file);
}

enum tally_status tally_conf_parse(const struct tally_conf_table *t, const char *file,
                                   struct tally_slice text, void *values)
{
    struct reading *r = calloc(1, sizeof *r);
    void *own = calloc(1, t->values_bytes);
    enum tally_status s = TALLY_OK;

    TALLY_ASSERT(t->keys_n <= TALLY_CONF_KEYS_MAX);
    if (r == NULL || own == NULL || yaml_parser_initialize(&r->parser) == 0) {
        free(r);
        free(own);
        return TALLY_FAIL(TALLY_E_NOMEM, "no memory to read %s", file);
    }
    r->table = t;
    r->file = file;
    r->values = own;
    folder_of(file, r->folder);
    tally_conf_defaults(t, own);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, text.at, text.len);
    if (text.len > TALLY_CONF_BYTES_MAX)
        s = TALLY_FAIL(TALLY_E_LIMIT, "%s: is larger than %d bytes", file, TALLY_CONF_BYTES_MAX);
    else
        s = read_stream(r);
    if (s == TALLY_OK) memcpy(values, own, t->values_bytes);
    if (r->have_event) yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    free(own);
    free(r);
    return s;
}

enum tally_status tally_conf_load(const struct tally_conf_table *t, const char *file, void *values)
{
    uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(file, TALLY_CONF_BYTES_MAX, &bytes, &len));
    enum tally_status s = tally_conf_parse(t, file, tally_slice_of(bytes, len), values);
    free(bytes);
    return s;
}
