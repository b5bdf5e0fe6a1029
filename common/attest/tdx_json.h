/* tdx_json.h - Intel's JSON read in place: a bounded cursor that pulls one value after the other,
 * makes no objects and does not recurse. Strict: RFC 8259 and no more, at most 8 levels, no key
 * twice in an object, integers without sign, fraction or exponent, and in what is read (not
 * skipped) plain text without escapes.
 *
 * The first failure is sticky and asked for once, at the end. A reader of an object looks so:
 *
 *     tally_tdx_json_open(j, &o);
 *     while (tally_tdx_json_next(j, &o, &key)) {
 *         if (tally_tdx_json_is(key, "version")) version = tally_tdx_json_uint(j, 255);
 *         else tally_tdx_json_skip(j);
 *     } */
#pragma once

#include "common/bytes.h"

enum { TALLY_TDX_JSON_DEPTH_MAX = 8, TALLY_TDX_JSON_KEYS_MAX = 24 };

struct tally_tdx_json {
    struct tally_rd r;
    unsigned depth;
};

struct tally_tdx_json tally_tdx_json_from(struct tally_slice text);
void tally_tdx_json_fail(struct tally_tdx_json *j, const char *what);
/* TALLY_OK if nothing failed and nothing but white space is left; else E_FORMAT. */
TALLY_RESULT tally_tdx_json_end(struct tally_tdx_json *j, const char *what);

struct tally_tdx_json_object {
    struct tally_slice keys[TALLY_TDX_JSON_KEYS_MAX]; /* seen so far */
    unsigned n;
};
void tally_tdx_json_open(struct tally_tdx_json *j, struct tally_tdx_json_object *o);
/* The next key, with the cursor on its value; false at the object's end, or after a failure. */
bool tally_tdx_json_next(struct tally_tdx_json *j, struct tally_tdx_json_object *o,
                         struct tally_slice *key);
bool tally_tdx_json_is(struct tally_slice key, const char *name);

/* Arrays: open, then next until it is false, with the cursor on an item; n counts the items. */
void tally_tdx_json_list(struct tally_tdx_json *j);
bool tally_tdx_json_item(struct tally_tdx_json *j, unsigned *n);

struct tally_slice tally_tdx_json_text(struct tally_tdx_json *j);
uint32_t tally_tdx_json_uint(struct tally_tdx_json *j, uint32_t max);
/* Exactly n bytes of hex, either case. */
void tally_tdx_json_hex(struct tally_tdx_json *j, uint8_t *out, size_t n);
/* "2026-01-31T00:00:00Z" as seconds since 1970. */
uint64_t tally_tdx_json_time(struct tally_tdx_json *j);
/* Any value; gives its exact bytes, without the white space round it. */
struct tally_slice tally_tdx_json_skip(struct tally_tdx_json *j);
