/* noise_ref.c - see noise_ref.h. */
#include "kernels/noise_ref.h"

#include <stdbool.h>

#include "common/status.h"
#include "kernels/wide.h"

/* The top `count` bits of a word; none is drawn for none. */
static TALLY_RESULT draw_bits(uint64_t *out, struct tally_stream *s, uint32_t count)
{
    uint64_t word = 0;

    if (count > 0) TALLY_TRY(tally_stream_next(&word, s));
    *out = count > 0 ? word >> (64 - count) : 0;
    return TALLY_OK;
}

/* True with probability 1/m: as many bits as m needs, again while they are m or more. */
static TALLY_RESULT one_in(bool *yes, struct tally_stream *s, uint64_t m)
{
    uint32_t count = m > 1 ? 64 - (uint32_t)__builtin_clzll(m - 1) : 0;
    uint64_t v;

    do TALLY_TRY(draw_bits(&v, s, count));
    while (v >= m);
    *yes = v == 0;
    return TALLY_OK;
}

/* True with probability e^-(num / 2^bits), num <= 2^bits: the first K at which a trial of
 * probability num / (K 2^bits) fails is odd. */
static TALLY_RESULT trial_unit(bool *yes, struct tally_stream *s, uint64_t num, uint32_t bits)
{
    for (uint64_t k = 1;; k++) {
        bool one;
        uint64_t v;
        TALLY_TRY(one_in(&one, s, k));
        TALLY_TRY(draw_bits(&v, s, bits));
        *yes = k % 2 == 1;
        if (!one || v >= num) return TALLY_OK;
    }
}

/* The same for any num: e^-1 as often as it goes. */
static TALLY_RESULT trial(bool *yes, struct tally_stream *s, tally_wide num, uint32_t bits)
{
    const tally_wide one = (tally_wide)1 << bits;

    for (; num > one; num -= one) {
        TALLY_TRY(trial_unit(yes, s, (uint64_t)one, bits));
        if (!*yes) return TALLY_OK;
    }
    return trial_unit(yes, s, (uint64_t)num, bits);
}

/* A candidate from the discrete Laplace distribution of scale 2^k, kept or not. */
static TALLY_RESULT attempt(int64_t *out, bool *keep, struct tally_stream *s, uint32_t k)
{
    uint64_t u;
    uint64_t negative;
    bool more;

    TALLY_TRY(draw_bits(&u, s, k));
    TALLY_TRY(trial(keep, s, u, k));
    if (!*keep) return TALLY_OK;
    uint64_t size = u;
    for (;;) {
        TALLY_TRY(trial_unit(&more, s, 1, 0));
        if (!more) break;
        size += UINT64_C(1) << k;
    }
    TALLY_TRY(draw_bits(&negative, s, 1));
    *keep = size > 0 || negative == 0; /* 0 once, not twice */
    if (!*keep) return TALLY_OK;
    uint64_t sigma = UINT64_C(1) << k;
    uint64_t off = size > sigma ? size - sigma : sigma - size;
    *out = negative != 0 ? -(int64_t)size : (int64_t)size;
    return trial(keep, s, (tally_wide)off * off, 2 * k + 1);
}

TALLY_RESULT tally_noise_ref(int64_t *out, struct tally_stream *s, uint32_t k, size_t n)
{
    TALLY_ENSURE(k <= TALLY_NOISE_REF_K_MAX, TALLY_E_LIMIT, "noise of sigma 2^%u: at most 2^%d", k,
                 TALLY_NOISE_REF_K_MAX);
    for (size_t i = 0; i < n; i++) {
        bool keep = false;
        while (!keep) TALLY_TRY(attempt(out + i, &keep, s, k));
    }
    return TALLY_OK;
}

struct fraction {
    tally_wide num, den;
};

static struct fraction reduced(tally_wide num, tally_wide den)
{
    tally_wide a = den;
    tally_wide b = num;

    while (b > 0) {
        tally_wide rest = a % b;
        a = b;
        b = rest;
    }
    return (struct fraction){num / a, den / a};
}

/* Uniform below m; a word again in the few cases that would bias it. */
static TALLY_RESULT below(uint64_t *out, struct tally_stream *s, uint64_t m)
{
    uint64_t excess = (0 - m) % m; /* 2^64 mod m */
    uint64_t word;

    do TALLY_TRY(tally_stream_next(&word, s));
    while (word > UINT64_MAX - excess);
    *out = word % m;
    return TALLY_OK;
}

/* True with probability e^-(num / den), num <= den. */
static TALLY_RESULT trial_unit_of(bool *yes, struct tally_stream *s, tally_wide num, tally_wide den)
{
    for (uint32_t k = 1;; k++) {
        struct fraction p = reduced(num, den * k);
        uint64_t v;
        TALLY_ASSERT(p.den >> 64 == 0);
        TALLY_TRY(below(&v, s, (uint64_t)p.den));
        *yes = k % 2 == 1;
        if (v >= p.num) return TALLY_OK;
    }
}

static TALLY_RESULT trial_of(bool *yes, struct tally_stream *s, tally_wide num, tally_wide den)
{
    for (; num > den; num -= den) {
        TALLY_TRY(trial_unit_of(yes, s, 1, 1));
        if (!*yes) return TALLY_OK;
    }
    return trial_unit_of(yes, s, num, den);
}

/* Discrete Laplace of scale t: *negative is drawn before the size. */
static TALLY_RESULT laplace(uint64_t *size, uint64_t *negative, struct tally_stream *s, uint64_t t)
{
    bool more = false;
    uint64_t u;

    TALLY_TRY(below(&u, s, 2));
    *negative = u == 0; /* Bernoulli(1/2) is a number below 2 that is below 1 */
    do {
        TALLY_TRY(below(&u, s, t));
        TALLY_TRY(trial_of(&more, s, u, t));
    } while (!more);
    *size = u;
    for (;;) {
        TALLY_TRY(trial_unit_of(&more, s, 1, 1));
        if (!more) return TALLY_OK;
        *size += t;
    }
}

static TALLY_RESULT attempt_of(int64_t *out, bool *keep, struct tally_stream *s,
                               const struct fraction *variance, uint64_t t)
{
    uint64_t size;
    uint64_t negative;

    TALLY_TRY(laplace(&size, &negative, s, t));
    *keep = size > 0 || negative == 0;
    if (!*keep) return TALLY_OK;
    tally_wide a = (tally_wide)size * t * variance->den;
    tally_wide off = a > variance->num ? a - variance->num : variance->num - a;
    struct fraction odds = reduced(off * off, 2 * variance->num * variance->den * t * t);
    *out = negative != 0 ? -(int64_t)size : (int64_t)size;
    return trial_of(keep, s, odds.num, odds.den);
}

TALLY_RESULT tally_noise_ref_rational(int64_t *out, struct tally_stream *s, uint64_t num,
                                      uint64_t den, size_t n)
{
    const struct fraction variance = {num, den};
    uint64_t t = 1; /* floor(sigma) + 1 */

    TALLY_ENSURE(num > 0 && num <= TALLY_NOISE_REF_PART_MAX && den > 0 &&
                     den <= TALLY_NOISE_REF_PART_MAX,
                 TALLY_E_LIMIT, "a variance of %llu / %llu: parts of 1 to 2^20 are possible",
                 (unsigned long long)num, (unsigned long long)den);
    while (t * t * den <= num) t++;
    for (size_t i = 0; i < n; i++) {
        bool keep = false;
        while (!keep) TALLY_TRY(attempt_of(out + i, &keep, s, &variance, t));
    }
    return TALLY_OK;
}
