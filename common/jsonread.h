/* jsonread.h - strict reading of JSON documents (DOCUMENTS.md) on jansson.
 *
 * A place is a value with the way to it, so that every refusal names the path and what was
 * expected: "parties[1].nodes[0].session_key: expected base64 of 32 bytes". Places live on the
 * caller's stack and borrow the parsed document. Nothing here guesses: an object has exactly the
 * keys listed, a number is an integer within its range, text is of the one form asked for.
 * Failures are TALLY_E_CONFIG. */
#pragma once

#include <jansson.h>

#include "common/bytes.h"
#include "common/secret.h"

enum {
    TALLY_JSON_DEPTH_MAX = 12,
    TALLY_JSON_PATH_MAX = 160, /* of a path in a message */
    TALLY_JSON_KEY_MAX = 63,   /* of a key in a list of keys */
};

struct tally_json_at {
    const json_t *value;                /* NULL: absent */
    const struct tally_json_at *parent; /* NULL: the document itself */
    const char *key;                    /* member of the parent; NULL: element `index` of it */
    size_t index;
};

/* Parses the whole of `text` (at most bytes_max): one object, no repeated keys, no \u0000, UTF-8,
 * at most TALLY_JSON_DEPTH_MAX deep, nothing behind it. `what` names the document in messages.
 * The caller frees *out. */
TALLY_RESULT tally_json_parse(struct tally_slice text, size_t bytes_max, const char *what,
                              json_t **out);
void tally_json_free(json_t **j); /* for TALLY_CLEANUP; idempotent */

struct tally_json_at tally_json_root(const json_t *document);

/* An object with exactly these keys; a key that ends in '?' may be absent. NULL ends the list. */
TALLY_RESULT tally_json_keys(const struct tally_json_at *at, const char *const *keys);
#define TALLY_JSON_KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A member of an object; value NULL where it is absent. */
struct tally_json_at tally_json_member(const struct tally_json_at *at, const char *key);

/* An array of min to max items, and one of them. */
TALLY_RESULT tally_json_array(const struct tally_json_at *at, size_t min, size_t max, size_t *n);
struct tally_json_at tally_json_item(const struct tally_json_at *at, size_t index);

TALLY_RESULT tally_json_uint(const struct tally_json_at *at, uint64_t min, uint64_t max,
                             uint64_t *out);
TALLY_RESULT tally_json_bool(const struct tally_json_at *at, bool *out);

/* Printable text of 1 to cap - 1 bytes, copied with its final zero. */
TALLY_RESULT tally_json_text(const struct tally_json_at *at, char *out, size_t cap);
/* A name (text.h); out: TALLY_NAME_MAX + 1 bytes. */
TALLY_RESULT tally_json_name(const struct tally_json_at *at, char *out);
/* Exactly this text. */
TALLY_RESULT tally_json_exact(const struct tally_json_at *at, const char *expected);
/* One of n words; *which is its index. */
TALLY_RESULT tally_json_choice(const struct tally_json_at *at, const char *const *words, size_t n,
                               size_t *which);
/* len bytes as lower-case hex, or as standard base64. */
TALLY_RESULT tally_json_hex(const struct tally_json_at *at, uint8_t *out, size_t len);
TALLY_RESULT tally_json_base64(const struct tally_json_at *at, uint8_t *out, size_t len);

/* 1 to cap bytes as standard base64; *len is how many. */
TALLY_RESULT tally_json_blob(const struct tally_json_at *at, uint8_t *out, size_t cap, size_t *len);

/* Refuses the value at `at`: "<path>: <text>". */
TALLY_RESULT tally_json_refuse(const struct tally_json_at *at, const char *fmt, ...)
    TALLY_PRINTF(2, 3);
/* "parties[1].name"; "the document" for the root. */
void tally_json_path(const struct tally_json_at *at, char out[TALLY_JSON_PATH_MAX]);
