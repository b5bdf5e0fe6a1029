/* conf.h - a program's configuration: one commented YAML file, read strictly from a table.
 *
 * The table says key, type, range, default and comment; the file that `init` writes is made from
 * the same table, so the two cannot drift. Only plain YAML is read: one document, a map of keys to
 * scalars or lists, one level of maps inside ("device.kind" in the table); no anchors, aliases,
 * tags or directives, no repeated or unknown keys. Refusals are TALLY_E_CONFIG as
 * "agent.yaml:7: threads: expected ...". */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

enum {
    TALLY_CONF_BYTES_MAX = 64 * 1024,
    TALLY_CONF_KEYS_MAX = 64,
    TALLY_CONF_LIST_MAX = 16,
    TALLY_CONF_TEXT_SIZE = 256,
    TALLY_CONF_PATH_SIZE = 1024,
};

enum tally_conf_type {
    TALLY_CONF_STRING, /* char[TALLY_CONF_TEXT_SIZE] */
    TALLY_CONF_NAME,   /* char[TALLY_CONF_TEXT_SIZE], a name (text.h) */
    TALLY_CONF_CHOICE, /* char[TALLY_CONF_TEXT_SIZE], one of `choices` */
    TALLY_CONF_PATH,   /* char[TALLY_CONF_PATH_SIZE]; a relative one starts at the file's folder */
    TALLY_CONF_INT,    /* int64_t, min to max */
    TALLY_CONF_BOOL,   /* bool */
    TALLY_CONF_LIST,   /* struct tally_conf_list: strings, min to max of them */
};

struct tally_conf_list {
    char items[TALLY_CONF_LIST_MAX][TALLY_CONF_TEXT_SIZE];
    uint32_t n;
};

struct tally_conf_key {
    const char *key; /* "threads" or "device.kind"; keys of one map stand together */
    enum tally_conf_type type;
    size_t at; /* offsetof in the program's values */
    int64_t min, max;
    const char *const *choices; /* NULL-ended */
    const char *fallback;       /* as written in YAML; NULL: the key must be there; "": a text or
                                   path may be left empty, a list is empty */
    const char *comment;        /* one line */
};

#define TALLY_CONF_KEY(key_, type_, at_, min_, max_, choices_, fallback_, comment_) \
    {                                                                               \
        .key = (key_), .type = (type_), .at = (at_), .min = (min_), .max = (max_),  \
        .choices = (choices_), .fallback = (fallback_), .comment = (comment_)       \
    }

struct tally_conf_table {
    const char *about; /* the file's first comment line */
    const struct tally_conf_key *keys;
    size_t keys_n;
    size_t values_bytes; /* of the program's values */
};

/* The text of `file` (its name is for messages and for relative paths) into *values, defaults for
 * what is absent. *values is filled only on success. */
TALLY_RESULT tally_conf_parse(const struct tally_conf_table *t, const char *file,
                              struct tally_slice text, void *values);
/* The same from the file itself. */
TALLY_RESULT tally_conf_load(const struct tally_conf_table *t, const char *file, void *values);

/* All defaults; keys without one are left zero. */
void tally_conf_defaults(const struct tally_conf_table *t, void *values);

/* The commented file with these values (paths as they stand); parse reads them back. The caller
 * frees *text. */
TALLY_RESULT tally_conf_text(const struct tally_conf_table *t, const void *values, char **text);
