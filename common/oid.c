/* oid.c - see oid.h. */
#include "common/oid.h"

#include <inttypes.h>
#include <stdio.h>

/* A decimal number without sign or leading zero; *text moves behind it. */
static bool take_number(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t n = 0;

    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9')) return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > (UINT64_MAX >> 1) / 10 - 1) return false;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    *text = p;
    *out = n;
    return true;
}

/* Seven bits a byte, the most significant first, all but the last with the high bit. */
static void put_number(struct tally_wr *w, uint64_t n)
{
    int shift = 63;

    while (shift > 0 && n >> shift == 0) shift -= 7;
    for (; shift > 0; shift -= 7) tally_wr_u8(w, (uint8_t)(0x80 | (n >> shift & 0x7f)));
    tally_wr_u8(w, (uint8_t)(n & 0x7f));
}

bool tally_oid_from_text(const char *text, uint8_t out[TALLY_OID_BYTES_MAX], size_t *len)
{
    struct tally_wr w = tally_wr_to(out, TALLY_OID_BYTES_MAX);
    uint64_t first = 0, n = 0;

    if (!take_number(&text, &first) || first > 2 || *text++ != '.') return false;
    if (!take_number(&text, &n) || (first < 2 && n >= 40)) return false;
    put_number(&w, first * 40 + n);
    while (*text == '.') {
        text++;
        if (!take_number(&text, &n)) return false;
        put_number(&w, n);
    }
    *len = w.used;
    return *text == '\0' && !w.full;
}

bool tally_oid_is_sound(struct tally_slice oid)
{
    bool begins = true;

    for (size_t i = 0; i < oid.len; i++) {
        if (begins && oid.at[i] == 0x80) return false;
        begins = (oid.at[i] & 0x80) == 0;
    }
    return oid.len > 0 && begins;
}

bool tally_oid_to_text(struct tally_slice oid, char *out, size_t size)
{
    uint64_t n = 0;
    size_t used = 0;
    bool first = true;

    if (!tally_oid_is_sound(oid)) return false;
    for (size_t i = 0; i < oid.len; i++) {
        if (n >> 56 != 0) return false;
        n = n << 7 | (oid.at[i] & 0x7fU);
        if (oid.at[i] & 0x80) continue;
        uint64_t root = n < 80 ? n / 40 : 2;
        int k = first
                    ? snprintf(out + used, size - used, "%" PRIu64 ".%" PRIu64, root, n - 40 * root)
                    : snprintf(out + used, size - used, ".%" PRIu64, n);
        if (k < 0 || (size_t)k >= size - used) return false;
        used += (size_t)k;
        first = false;
        n = 0;
    }
    return true;
}
