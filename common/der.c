/* der.c - see der.h. */
#include "common/der.h"

enum { NONE, EARLY, BER };
enum { BOOLEAN = 1, INTEGER = 2, BITS = 3, NOTHING = 5, ENUMERATED = 10, SEQUENCE = 16, SET = 17 };

static int value_fault(uint8_t tag, struct tally_slice v)
{
    switch (tag) {
    case BOOLEAN: return v.len == 1 && (v.at[0] == 0 || v.at[0] == 0xff) ? NONE : BER;
    case NOTHING: return v.len == 0 ? NONE : BER;
    case INTEGER:
    case ENUMERATED:
        if (v.len == 0) return BER;
        if (v.len == 1) return NONE;
        return (v.at[0] == 0 && v.at[1] < 0x80) || (v.at[0] == 0xff && v.at[1] >= 0x80) ? BER
                                                                                        : NONE;
    case BITS:
        if (v.len == 0 || v.at[0] > 7 || (v.len == 1 && v.at[0] != 0)) return BER;
        return (v.at[v.len - 1] & ((1U << v.at[0]) - 1U)) == 0 || v.len == 1 ? NONE : BER;
    default: return NONE;
    }
}

/* The length octets; SIZE_MAX where they are not minimal and definite. */
static size_t length(struct tally_rd *r)
{
    enum { OCTETS_MAX = 3 };
    uint8_t first = tally_rd_u8(r, "length");
    size_t n = 0, octets = first & 0x7fU;

    if (first < 0x80) return first;
    if (octets == 0 || octets > OCTETS_MAX) return SIZE_MAX;
    for (size_t i = 0; i < octets; i++) {
        n = n << 8 | tally_rd_u8(r, "length");
        if (i == 0 && n == 0 && r->bad == NULL) return SIZE_MAX;
    }
    return n < 0x80 && r->bad == NULL ? SIZE_MAX : n;
}

static int fault(struct tally_rd *r, unsigned depth)
{
    uint8_t tag = tally_rd_u8(r, "tag");
    bool universal = (tag & 0xc0) == 0, constructed = (tag & 0x20) != 0;
    uint8_t number = tag & 0x1f;

    if (number == 0x1f) return BER;
    size_t n = length(r);
    if (n == SIZE_MAX) return BER;
    struct tally_slice v = tally_rd_bytes(r, n, "value");
    if (r->bad != NULL) return EARLY;
    bool must = universal && (number == SEQUENCE || number == SET);
    if (universal && constructed != must) return BER;
    if (!constructed) return universal ? value_fault(number, v) : NONE;
    if (depth == 0) return BER;
    struct tally_rd inner = tally_rd_from(v);
    int f = NONE;
    while (f == NONE && inner.left > 0) f = fault(&inner, depth - 1);
    return f;
}

enum tally_status tally_der_check(struct tally_slice in)
{
    struct tally_rd r = tally_rd_from(in);
    int f = fault(&r, TALLY_DER_DEPTH_MAX);

    TALLY_REFUSE_UNLESS(f != EARLY, TALLY_R_E_CERT_PARSE, "DER ends early");
    TALLY_REFUSE_UNLESS(f != BER, TALLY_R_E_CERT_NONCANONICAL, "not the canonical encoding");
    TALLY_REFUSE_UNLESS(r.left == 0, TALLY_R_E_CERT_NONCANONICAL, "bytes after the DER value");
    return TALLY_OK;
}

bool tally_der_next_is(const struct tally_rd *r, uint8_t tag)
{
    return r->bad == NULL && r->left > 0 && r->at[0] == tag;
}

struct tally_slice tally_der_value(struct tally_rd *r, uint8_t tag, const char *field)
{
    if (!tally_der_next_is(r, tag)) tally_rd_fail(r, field);
    (void)tally_rd_u8(r, field);
    size_t n = length(r);
    if (n == SIZE_MAX) tally_rd_fail(r, field);
    return tally_rd_bytes(r, n, field);
}

struct tally_rd tally_der_into(struct tally_rd *r, uint8_t tag, const char *field)
{
    struct tally_rd in = tally_rd_from(tally_der_value(r, tag, field));

    in.bad = r->bad;
    return in;
}

struct tally_slice tally_der_whole(struct tally_rd *r, uint8_t tag, const char *field)
{
    const uint8_t *from = r->at;
    struct tally_slice value = tally_der_value(r, tag, field);

    if (value.at == NULL) return value;
    return tally_slice_of(from, (size_t)(value.at - from) + value.len);
}
