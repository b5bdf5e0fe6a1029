/* bytes.h - bounded reader and writer: the only code that does pointer
 * arithmetic on bytes from outside.
 *
 * A reader never runs past its end. Its first failure is sticky: from then on
 * every read yields zero or an empty slice, so a decoder reads like a schema
 * and asks once, at the end, with tally_rd_end(). A slice points into the bytes
 * being read: it lives as long as they do, and nobody frees it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct tally_slice {
    const uint8_t *at;
    size_t len; /* bytes */
};

/* Slices of a whole array and of a string without its end. */
#define TALLY_SLICE(array) ((struct tally_slice){(const uint8_t *)(array), sizeof(array)})
static inline struct tally_slice tally_slice_of(const void *at, size_t len)
{
    return (struct tally_slice){(const uint8_t *)at, len};
}
struct tally_slice tally_slice_str(const char *s);
bool tally_slice_equal(struct tally_slice a, struct tally_slice b); /* not for secrets */

struct tally_rd {
    const uint8_t *at; /* next unread byte */
    size_t left;       /* bytes unread */
    const char *bad;   /* first failure: the field's name; NULL while good */
};

struct tally_rd tally_rd_from(struct tally_slice in);
uint8_t tally_rd_u8(struct tally_rd *r, const char *field);
uint16_t tally_rd_be16(struct tally_rd *r, const char *field);
uint32_t tally_rd_be32(struct tally_rd *r, const char *field);
uint64_t tally_rd_be64(struct tally_rd *r, const char *field);
uint16_t tally_rd_le16(struct tally_rd *r, const char *field);
uint32_t tally_rd_le32(struct tally_rd *r, const char *field);
uint64_t tally_rd_le64(struct tally_rd *r, const char *field);

/* n zero bytes: reserved fields. */
void tally_rd_zero(struct tally_rd *r, size_t n, const char *field);

/* Exactly n bytes copied to `to`; zeros on failure. */
void tally_rd_copy(struct tally_rd *r, void *to, size_t n, const char *field);

/* Exactly n bytes. */
struct tally_slice tally_rd_bytes(struct tally_rd *r, size_t n, const char *field);

/* A 32-bit big-endian length, at most max, then that many bytes. */
struct tally_slice tally_rd_vec(struct tally_rd *r, size_t max, const char *field);

/* A count of items of at least item_min bytes each (>= 1): fails unless the
 * bytes left could hold them, so it is safe to size an allocation with. */
uint32_t tally_rd_count(struct tally_rd *r, uint32_t max, size_t item_min, const char *field);

void tally_rd_fail(struct tally_rd *r, const char *field); /* a decoder's own check failed */

/* TALLY_OK if nothing failed and no byte is left over; else TALLY_E_WIRE. */
TALLY_RESULT tally_rd_end(const struct tally_rd *r);

/* The writer fills a caller's buffer; running out of room is sticky too. */
struct tally_wr {
    uint8_t *to;
    size_t used, cap; /* bytes */
    bool full;
};

struct tally_wr tally_wr_to(void *to, size_t cap);
void tally_wr_u8(struct tally_wr *w, uint8_t v);
void tally_wr_be16(struct tally_wr *w, uint16_t v);
void tally_wr_be32(struct tally_wr *w, uint32_t v);
void tally_wr_be64(struct tally_wr *w, uint64_t v);
void tally_wr_le32(struct tally_wr *w, uint32_t v);
void tally_wr_le64(struct tally_wr *w, uint64_t v);
void tally_wr_put(struct tally_wr *w, const void *p, size_t n);
void tally_wr_bytes(struct tally_wr *w, struct tally_slice s);
void tally_wr_vec(struct tally_wr *w, struct tally_slice s);

/* The written part in *out, or TALLY_E_LIMIT if the buffer was too small. */
TALLY_RESULT tally_wr_end(const struct tally_wr *w, struct tally_slice *out);
