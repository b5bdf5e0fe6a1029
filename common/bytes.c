/* bytes.c - see bytes.h. */
#include "common/bytes.h"

#include <string.h>

/* Every read goes through here: the one bounds check of the reader. */
static const uint8_t *take(struct tally_rd *r, size_t n, const char *field)
{
    if (r->bad != NULL || n > r->left) {
        tally_rd_fail(r, field);
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    r->left -= n;
    return p;
}

static uint64_t take_be(struct tally_rd *r, size_t n, const char *field)
{
    const uint8_t *p = take(r, n, field);
    uint64_t v = 0;

    for (size_t i = 0; p != NULL && i < n; i++) v = v << 8 | p[i];
    return v;
}

static uint64_t take_le(struct tally_rd *r, size_t n, const char *field)
{
    const uint8_t *p = take(r, n, field);
    uint64_t v = 0;

    for (size_t i = n; p != NULL && i-- > 0;) v = v << 8 | p[i];
    return v;
}

struct tally_slice tally_slice_str(const char *s)
{
    return tally_slice_of(s, strlen(s));
}

bool tally_slice_equal(struct tally_slice a, struct tally_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct tally_rd tally_rd_from(struct tally_slice in)
{
    static const uint8_t nothing; /* NULL + 0 is undefined */
    return (struct tally_rd){.at = in.len ? in.at : &nothing, .left = in.len};
}

uint8_t tally_rd_u8(struct tally_rd *r, const char *field)
{
    return (uint8_t)take_be(r, 1, field);
}

uint16_t tally_rd_be16(struct tally_rd *r, const char *field)
{
    return (uint16_t)take_be(r, 2, field);
}

uint32_t tally_rd_be32(struct tally_rd *r, const char *field)
{
    return (uint32_t)take_be(r, 4, field);
}

uint64_t tally_rd_be64(struct tally_rd *r, const char *field)
{
    return take_be(r, 8, field);
}

uint16_t tally_rd_le16(struct tally_rd *r, const char *field)
{
    return (uint16_t)take_le(r, 2, field);
}

uint32_t tally_rd_le32(struct tally_rd *r, const char *field)
{
    return (uint32_t)take_le(r, 4, field);
}

uint64_t tally_rd_le64(struct tally_rd *r, const char *field)
{
    return take_le(r, 8, field);
}

void tally_rd_zero(struct tally_rd *r, size_t n, const char *field)
{
    const uint8_t *p = take(r, n, field);
    uint8_t any = 0;

    for (size_t i = 0; p != NULL && i < n; i++) any |= p[i];
    if (any != 0) tally_rd_fail(r, field);
}

void tally_rd_copy(struct tally_rd *r, void *to, size_t n, const char *field)
{
    const uint8_t *p = take(r, n, field);

    if (p != NULL)
        memcpy(to, p, n);
    else
        memset(to, 0, n);
}

struct tally_slice tally_rd_bytes(struct tally_rd *r, size_t n, const char *field)
{
    const uint8_t *p = take(r, n, field);
    return (struct tally_slice){.at = p, .len = p ? n : 0};
}

struct tally_slice tally_rd_vec(struct tally_rd *r, size_t max, const char *field)
{
    uint32_t n = tally_rd_be32(r, field);

    if (n > max) tally_rd_fail(r, field);
    return tally_rd_bytes(r, n, field);
}

uint32_t tally_rd_count(struct tally_rd *r, uint32_t max, size_t item_min, const char *field)
{
    TALLY_ASSERT(item_min >= 1);
    uint32_t n = tally_rd_be32(r, field);

    if (n > max || n > r->left / item_min) tally_rd_fail(r, field);
    return r->bad ? 0 : n;
}

void tally_rd_fail(struct tally_rd *r, const char *field)
{
    if (r->bad == NULL) r->bad = field;
    r->left = 0;
}

enum tally_status tally_rd_end(const struct tally_rd *r)
{
    TALLY_ENSURE(r->bad == NULL, TALLY_E_WIRE, "bad field: %s", r->bad);
    TALLY_ENSURE(r->left == 0, TALLY_E_WIRE, "%zu bytes after the last field", r->left);
    return TALLY_OK;
}

static void put(struct tally_wr *w, const uint8_t *p, size_t n)
{
    if (w->full || n > w->cap - w->used) {
        w->full = true;
        return;
    }
    if (n != 0) memcpy(w->to + w->used, p, n);
    w->used += n;
}

static void put_be(struct tally_wr *w, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++) b[i] = (uint8_t)(v >> 8 * (n - 1 - i));
    put(w, b, n);
}

struct tally_wr tally_wr_to(void *to, size_t cap)
{
    return (struct tally_wr){.to = to, .cap = cap};
}

void tally_wr_u8(struct tally_wr *w, uint8_t v)
{
    put_be(w, v, 1);
}

void tally_wr_be16(struct tally_wr *w, uint16_t v)
{
    put_be(w, v, 2);
}

void tally_wr_le32(struct tally_wr *w, uint32_t v)
{
    put_be(w, __builtin_bswap32(v), 4);
}

void tally_wr_le64(struct tally_wr *w, uint64_t v)
{
    put_be(w, __builtin_bswap64(v), 8);
}

void tally_wr_put(struct tally_wr *w, const void *p, size_t n)
{
    put(w, p, n);
}

void tally_wr_be32(struct tally_wr *w, uint32_t v)
{
    put_be(w, v, 4);
}

void tally_wr_be64(struct tally_wr *w, uint64_t v)
{
    put_be(w, v, 8);
}

void tally_wr_bytes(struct tally_wr *w, struct tally_slice s)
{
    put(w, s.at, s.len);
}

void tally_wr_vec(struct tally_wr *w, struct tally_slice s)
{
    if (s.len > UINT32_MAX) w->full = true;
    tally_wr_be32(w, (uint32_t)s.len);
    tally_wr_bytes(w, s);
}

enum tally_status tally_wr_end(const struct tally_wr *w, struct tally_slice *out)
{
    *out = (struct tally_slice){0};
    TALLY_ENSURE(!w->full, TALLY_E_LIMIT, "needs more than %zu bytes", w->cap);
    *out = (struct tally_slice){.at = w->to, .len = w->used};
    return TALLY_OK;
}
