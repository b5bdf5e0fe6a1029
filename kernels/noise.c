/* noise.c - see noise.h. */
#include "kernels/noise.h"

#include <sodium.h>
#include <string.h>

#include "kernels/decay.h"
#include "kernels/noise_parts.h"

enum {
    SIDE_BITS = 9,   /* log2 of the columns of a half-line, from k = CUT_BITS on */
    CUT_BITS = 6,    /* log2 of the columns per sigma */
    MARGIN = 16,     /* in units of 2^-64: judge's arithmetic is off by less than 12 */
    TERMS = 13,      /* of e^-d, d < 0.14: what is left out is below 2^-64 */
    TAIL_MAX = 128,  /* sigmas that the tail is followed for */
    LONG_LIMBS = 22, /* of the products that judge_long compares: 16 + 1 + 2 and some air */
    FIRST_LIMBS = 2, /* that an exact judgement begins with */
};

const struct tally_noise_loops *tally_noise_loops(enum tally_isa isa)
{
    if (isa == TALLY_ISA_AVX512) return &tally_noise_avx512;
    return isa == TALLY_ISA_AVX2 ? &tally_noise_avx2 : &tally_noise_base;
}

/* The least |x| in a column. */
static uint64_t nearest(const struct tally_noise *t, uint32_t column)
{
    return ((uint64_t)(column >> 1) << t->place_bits) + (column & 1);
}

static bool in_tail(const struct tally_noise *t, uint32_t column)
{
    return column >> 1 == (UINT32_C(1) << (t->column_bits - 1)) - 1;
}

/* f(x) 2^96 is between *low and *high. */
static void bound(tally_wide *low, tally_wide *high, const struct tally_noise *t, uint64_t x)
{
    uint64_t f[TALLY_DECAY_LIMBS_MIN + 1];

    tally_decay(f, (tally_wide)x * x, 2 * t->k + 1, TALLY_DECAY_LIMBS_MIN);
    tally_wide floor = (tally_wide)f[2] << 96 | (tally_wide)f[1] << 32 | f[0] >> 32;
    *low = floor > 0 ? floor - 1 : 0;
    *high = floor + 2;
}

/* C as large as the sum of the weights allows, then the weights; what is left goes to column 0. */
static void weigh(struct tally_noise *t, const tally_wide *high, uint32_t columns)
{
    tally_wide sum = 0;
    uint64_t left = UINT64_C(1) << 32;

    for (uint32_t c = 0; c < columns; c++) sum += high[c];
    t->scale = (uint32_t)(((tally_wide)(left - columns) << 96) / sum);
    for (uint32_t c = 0; c < columns; c++) {
        t->weight[c] = (uint32_t)(high[c] * t->scale >> 96) + 1;
        left -= t->weight[c];
    }
    t->weight[0] += (uint32_t)left;
}

/* What is kept at once, and the exact odds at a column's edge. The least f of a column is above
 * that of the edge of the next. */
static void judge_columns(struct tally_noise *t, const tally_wide *low, uint32_t columns)
{
    for (uint32_t c = 0; c < columns; c++) {
        tally_wide edge = low[c] * t->scale / t->weight[c];
        tally_wide least =
            t->place_bits > 0 && c + 2 < columns ? low[c + 2] * t->scale / t->weight[c] : edge;
        t->ratio[c] = (uint64_t)(edge >> 32);
        t->sure[c] = in_tail(t, c) ? 0 : (uint32_t)(least >> 64) >> t->place_bits << t->place_bits;
    }
}

/* Walker's alias table by Vose's method: every column's share is `full`, so what one lacks another
 * gives, and nothing is rounded. */
static void alias(struct tally_noise *t, uint32_t columns)
{
    const uint32_t full = UINT32_C(1) << (32 - t->column_bits);
    uint32_t mass[TALLY_NOISE_COLUMNS_MAX];
    uint32_t small[TALLY_NOISE_COLUMNS_MAX];
    uint32_t large[TALLY_NOISE_COLUMNS_MAX];
    uint32_t smalls = 0;
    uint32_t larges = 0;

    for (uint32_t c = 0; c < columns; c++) {
        mass[c] = t->weight[c];
        t->choice[c] = c; /* no number is below 0: the "other" column, itself */
        if (mass[c] < full) small[smalls++] = c;
        if (mass[c] > full) large[larges++] = c;
    }
    while (smalls > 0) {
        TALLY_ASSERT(larges > 0);
        uint32_t lacks = small[--smalls];
        uint32_t gives = large[larges - 1];
        t->choice[lacks] = mass[lacks] << t->column_bits | gives;
        mass[gives] -= full - mass[lacks];
        if (mass[gives] <= full) larges--;
        if (mass[gives] < full) small[smalls++] = gives;
    }
    TALLY_ASSERT(larges == 0);
}

TALLY_RESULT tally_noise_init(struct tally_noise *t, uint32_t k)
{
    tally_wide low[TALLY_NOISE_COLUMNS_MAX];
    tally_wide high[TALLY_NOISE_COLUMNS_MAX];

    TALLY_ENSURE(k <= TALLY_NOISE_K_MAX, TALLY_E_LIMIT, "noise of sigma 2^%u: at most 2^%d", k,
                 TALLY_NOISE_K_MAX);
    memset(t, 0, sizeof *t);
    t->k = k;
    t->place_bits = k > CUT_BITS ? k - CUT_BITS : 0;
    t->column_bits = 1 + (k > CUT_BITS ? SIDE_BITS : SIDE_BITS - CUT_BITS + k);
    uint32_t columns = UINT32_C(1) << t->column_bits;
    for (uint32_t c = 0; c < columns; c++) bound(&low[c], &high[c], t, nearest(t, c));
    weigh(t, high, columns);
    judge_columns(t, low, columns);
    alias(t, columns);
    return TALLY_OK;
}

static uint64_t high_half(uint64_t a, uint64_t b)
{
    return (uint64_t)((tally_wide)a * b >> 64);
}

/* 2^64 e^-d for d 2^-64 < 0.14, less than 7 off. */
static uint64_t decay64(uint64_t d)
{
    uint64_t sum = UINT64_MAX;

    for (uint32_t i = TERMS; i > 1; i--)
        sum = UINT64_MAX - high_half(high_half(d, UINT64_MAX / i), sum);
    return UINT64_MAX - high_half(d, sum);
}

enum tally_noise_answer tally_noise_judge(const struct tally_noise *t,
                                          const struct tally_noise_odds *odds, uint64_t u)
{
    uint64_t edge = nearest(t, odds->column);
    tally_wide d = (tally_wide)(odds->x - edge) * (odds->x + edge) << (63 - 2 * t->k);
    uint64_t p = high_half(t->ratio[odds->column], decay64((uint64_t)d));

    if (t->place_bits == 0) p = t->ratio[odds->column];
    if (p > MARGIN && u < p - MARGIN) return TALLY_NOISE_KEEP;
    return p < UINT64_MAX - MARGIN && u >= p + MARGIN ? TALLY_NOISE_DROP : TALLY_NOISE_UNKNOWN;
}

/* out: (LONG_LIMBS) = a: (n) times m, then times 2^up. */
static void scale(uint64_t *out, const uint64_t *a, size_t n, uint32_t m, uint32_t up)
{
    size_t limb = up / 64;
    uint32_t bit = up % 64;
    uint64_t carry = 0;
    uint64_t below = 0;

    memset(out, 0, LONG_LIMBS * sizeof *out);
    for (size_t i = 0; i <= n + 1; i++) {
        tally_wide product = (tally_wide)(i < n ? a[i] : 0) * m + carry;
        uint64_t now = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
        out[limb + i] = now << bit | (bit > 0 ? below >> (64 - bit) : 0);
        below = now;
    }
}

/* a += b; the sum has room. */
static void increase(uint64_t *a, uint64_t b, size_t n)
{
    for (size_t i = 0; i < n && b > 0; i++) {
        a[i] += b;
        b = a[i] < b;
    }
}

/* a -= b, but 0 at least. */
static void decrease(uint64_t *a, uint64_t b, size_t n)
{
    for (size_t i = 0; i < n && b > 0; i++) {
        uint64_t before = a[i];
        a[i] -= b;
        b = before < b;
    }
    if (b > 0) memset(a, 0, n * sizeof *a);
}

static bool at_least(const uint64_t *a, const uint64_t *b)
{
    for (size_t i = LONG_LIMBS; i-- > 0;) {
        if (a[i] != b[i]) return a[i] > b[i];
    }
    return true;
}

enum tally_noise_answer tally_noise_judge_long(const struct tally_noise *t,
                                               const struct tally_noise_odds *odds,
                                               const uint64_t *u, size_t limbs)
{
    uint64_t f[TALLY_DECAY_LIMBS_MAX + 1];
    uint64_t left[LONG_LIMBS];  /* U w */
    uint64_t right[LONG_LIMBS]; /* C 2^up f */
    uint32_t w = t->weight[odds->column];

    TALLY_ASSERT(limbs <= TALLY_DECAY_LIMBS_MAX && odds->up <= TAIL_MAX + CUT_BITS);
    tally_decay(f, (tally_wide)odds->x * odds->x, 2 * t->k + 1, limbs);
    increase(f, TALLY_DECAY_ERROR, limbs + 1);
    scale(right, f, limbs + 1, t->scale, odds->up);
    scale(left, u, limbs, w, 0);
    if (at_least(left, right)) return TALLY_NOISE_DROP;
    decrease(f, 2 * TALLY_DECAY_ERROR, limbs + 1);
    scale(right, f, limbs + 1, t->scale, odds->up);
    increase(left, w, LONG_LIMBS); /* U is less than one unit above u */
    return at_least(right, left) ? TALLY_NOISE_KEEP : TALLY_NOISE_UNKNOWN;
}

TALLY_RESULT tally_noise_judge_exact(bool *keep, const struct tally_noise *t,
                                     const struct tally_noise_odds *odds, uint64_t u,
                                     struct tally_stream *s)
{
    uint64_t limbs[TALLY_DECAY_LIMBS_MAX];
    size_t have = 1;
    enum tally_noise_answer answer = TALLY_NOISE_UNKNOWN;

    limbs[TALLY_DECAY_LIMBS_MAX - 1] = u;
    for (size_t want = FIRST_LIMBS; want <= TALLY_DECAY_LIMBS_MAX; want *= 2) {
        while (have < want) {
            have++;
            TALLY_TRY(tally_stream_next(&limbs[TALLY_DECAY_LIMBS_MAX - have], s));
        }
        answer = tally_noise_judge_long(t, odds, limbs + TALLY_DECAY_LIMBS_MAX - have, have);
        if (answer != TALLY_NOISE_UNKNOWN) break;
    }
    TALLY_ENSURE(answer != TALLY_NOISE_UNKNOWN, TALLY_E_LIMIT, "1024 bits do not settle a sample");
    *keep = answer == TALLY_NOISE_KEEP;
    return TALLY_OK;
}

/* A proposal in the tail: v leading zeros of random bits, then a place in the sigma at v. */
static TALLY_RESULT settle_tail(bool *keep, struct tally_noise_odds *odds,
                                const struct tally_noise *t, struct tally_stream *s)
{
    uint64_t word = 0;
    uint32_t v = 0;

    for (; v < TAIL_MAX; v += 64) {
        TALLY_TRY(tally_stream_next(&word, s));
        if (word != 0) break;
    }
    TALLY_ENSURE(word != 0, TALLY_E_LIMIT, "a sample beyond %d sigma", TAIL_MAX);
    v += (uint32_t)__builtin_clzll(word);
    TALLY_TRY(tally_stream_next(&word, s));
    uint64_t place = word >> 32 >> (32 - t->k);
    odds->x = nearest(t, odds->column) + ((uint64_t)v << t->k) + place;
    odds->up = v + 1 + t->k - t->place_bits;
    TALLY_TRY(tally_stream_next(&word, s));
    return tally_noise_judge_exact(keep, t, odds, word, s);
}

/* What `word` proposed: the uniform number goes on with the bits of the next word. */
static TALLY_RESULT settle_body(bool *keep, struct tally_noise_odds *odds,
                                const struct tally_noise *t, uint64_t word, struct tally_stream *s)
{
    uint64_t known = word >> 32 >> t->place_bits;
    uint32_t known_bits = 32 - t->place_bits;
    uint64_t more;

    TALLY_TRY(tally_stream_next(&more, s));
    uint64_t u = known << (64 - known_bits) | more >> known_bits;
    enum tally_noise_answer answer = tally_noise_judge(t, odds, u);
    if (answer == TALLY_NOISE_UNKNOWN) return tally_noise_judge_exact(keep, t, odds, u, s);
    *keep = answer == TALLY_NOISE_KEEP;
    return TALLY_OK;
}

/* What a block is made of. */
struct work {
    const struct tally_noise *t;
    const struct tally_noise_loops *loops;
    struct tally_stream *s;
    struct tally_noise_first first, again;
    uint64_t words[TALLY_NOISE_BLOCK];
};

/* A sample from its first proposal on: *out in this column, of this word, not sure to be kept. */
static TALLY_RESULT settle(int64_t *out, struct work *k, uint32_t column, uint64_t word)
{
    for (;;) {
        uint64_t x = (uint64_t)*out;
        struct tally_noise_odds odds = {.x = column & 1 ? 0 - x : x, .column = column};
        bool keep;
        if (in_tail(k->t, column)) {
            TALLY_TRY(settle_tail(&keep, &odds, k->t, k->s));
            *out = (int64_t)(column & 1 ? 0 - odds.x : odds.x);
        } else {
            TALLY_TRY(settle_body(&keep, &odds, k->t, word, k->s));
        }
        if (keep) return TALLY_OK;
        TALLY_TRY(tally_stream_next(&word, k->s));
        k->loops->propose(out, &k->again, k->t, &word, 1);
        if (k->again.open[0] == 0) return TALLY_OK;
        column = k->again.columns[0];
    }
}

static TALLY_RESULT fill_block(int64_t *out, struct work *k, size_t n)
{
    TALLY_TRY(tally_stream_fill(k->words, k->s, n));
    memset(k->first.open + n, 0, TALLY_NOISE_BLOCK - n);
    k->loops->propose(out, &k->first, k->t, k->words, n);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t eight; /* flags at once */
        memcpy(&eight, k->first.open + i, sizeof eight);
        for (; eight != 0; eight &= eight - 1) {
            size_t at = i + (size_t)__builtin_ctzll(eight) / 8;
            TALLY_TRY(settle(out + at, k, k->first.columns[at], k->words[at]));
        }
    }
    return TALLY_OK;
}

TALLY_RESULT tally_noise_fill_with(int64_t *out, const struct tally_noise *t,
                                   struct tally_stream *s, size_t n,
                                   const struct tally_noise_loops *loops)
{
    struct work k = {.t = t, .loops = loops, .s = s};
    enum tally_status done = TALLY_OK;

    for (size_t at = 0; at < n && done == TALLY_OK; at += TALLY_NOISE_BLOCK) {
        size_t len = n - at < TALLY_NOISE_BLOCK ? n - at : TALLY_NOISE_BLOCK;
        done = fill_block(out + at, &k, len);
    }
    sodium_memzero(&k, sizeof k);
    if (done != TALLY_OK) sodium_memzero(out, n * sizeof *out);
    return done;
}

TALLY_RESULT tally_noise_fill(int64_t *out, const struct tally_noise *t, struct tally_stream *s,
                              size_t n)
{
    return tally_noise_fill_with(out, t, s, n, tally_noise_loops(tally_isa_best()));
}
