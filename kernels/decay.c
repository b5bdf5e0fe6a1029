/* decay.c - see decay.h.
 *
 * With n = limbs + 1 limbs and t = y 2^r, y < 2^-8: 1 - e^-y by Horner's rule, then r times
 * 1 - e^-2y = 2h - h^2 from h = 1 - e^-y. In units of the last of the n limbs: Horner's steps cut a
 * product and a quotient, each by less than 1, and shrink what came before by y/i < 2^-8, so that
 * their error stays below 3; the terms left out are below y^8n <= 2^-64n, one unit; a doubling at
 * most doubles the error and adds 2. With r <= 22 that is less than 2^25, and the limb dropped at
 * the end has 2^64. Working with h, not with 1 - h, keeps every number below 1. */
#include "kernels/decay.h"

#include <string.h>

#include "common/status.h"

enum { LIMBS = TALLY_DECAY_LIMBS_MAX + 1, HALVINGS_MAX = 22, SMALL_BITS = 8 };

/* The upper n limbs of a b. */
static void multiply(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t product[2 * LIMBS];

    memset(product, 0, 2 * n * sizeof *product);
    for (size_t i = 0; i < n; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < n; j++) {
            tally_wide sum = (tally_wide)a[i] * b[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        product[i + n] = carry;
    }
    memcpy(out, product + n, n * sizeof *out);
}

/* a -= b + borrow; gives the borrow. */
static uint64_t subtract(uint64_t *a, const uint64_t *b, uint64_t borrow, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tally_wide diff = (tally_wide)a[i] - b[i] - borrow;
        a[i] = (uint64_t)diff;
        borrow = (uint64_t)(diff >> 64) & 1;
    }
    return borrow;
}

static void add(uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < n; i++) {
        tally_wide sum = (tally_wide)a[i] + b[i] + carry;
        a[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
}

/* a /= d, in halves of limbs: no 128-bit division. */
static void divide(uint64_t *a, uint32_t d, size_t n)
{
    uint64_t rest = 0;

    for (size_t i = n; i-- > 0;) {
        uint64_t high = rest << 32 | a[i] >> 32;
        uint64_t low = (high % d) << 32 | (a[i] & UINT32_MAX);
        a[i] = (high / d) << 32 | low / d;
        rest = low % d;
    }
}

static uint32_t bits_of(tally_wide num)
{
    uint64_t high = (uint64_t)(num >> 64);
    uint64_t low = (uint64_t)num;

    if (high != 0) return 128 - (uint32_t)__builtin_clzll(high);
    return low != 0 ? 64 - (uint32_t)__builtin_clzll(low) : 0;
}

/* y = num / 2^down as n limbs of fraction; exact, as down <= 64 n. */
static void place(uint64_t *y, tally_wide num, uint32_t down, size_t n)
{
    size_t up = 64 * n - down;
    size_t limb = up / 64;
    uint32_t bit = (uint32_t)(up % 64);
    tally_wide low = num << bit;
    uint64_t parts[3] = {(uint64_t)low, (uint64_t)(low >> 64), 0};

    if (bit > 0) parts[2] = (uint64_t)(num >> (128 - bit));
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < 3 && limb + i < n; i++) y[limb + i] = parts[i];
}

void tally_decay(uint64_t *f, tally_wide num, uint32_t shift, size_t limbs)
{
    uint64_t y[LIMBS];
    uint64_t h[LIMBS];
    uint64_t product[LIMBS];
    size_t n = limbs + 1;
    uint32_t bits = bits_of(num);
    uint32_t halvings = bits + SMALL_BITS > shift ? bits + SMALL_BITS - shift : 0;

    TALLY_ASSERT(limbs >= TALLY_DECAY_LIMBS_MIN && limbs <= TALLY_DECAY_LIMBS_MAX);
    TALLY_ASSERT(halvings <= HALVINGS_MAX && bits <= 96 && shift < 64);
    memset(f, 0, n * sizeof *f);
    f[limbs] = 1;
    if (num == 0) return;
    place(y, num, shift + halvings, n);
    memset(h, 0, sizeof h);
    for (uint32_t i = SMALL_BITS * (uint32_t)n; i > 0; i--) {
        multiply(product, y, h, n);
        memcpy(h, y, n * sizeof *h);
        (void)subtract(h, product, 0, n); /* y h < y */
        divide(h, i, n);
    }
    for (uint32_t i = 0; i < halvings; i++) {
        multiply(product, h, h, n);
        memcpy(y, h, n * sizeof *h);
        (void)subtract(h, product, 1, n); /* the square rounded up keeps h below 1 */
        add(h, y, n);
    }
    f[limbs] -= subtract(f, h + 1, 1, limbs); /* 1 - h, h rounded up to `limbs` */
}
