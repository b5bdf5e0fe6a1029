/* test_noise.c - kernels/noise.c: the tables are what the proof in noise.h needs, every comparison
 * is right where it is hardest, and the samples are a discrete Gaussian's. */
#include "kernels/noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/hash.h"
#include "common/text.h"
#include "kernels/decay.h"
#include "kernels/noise_parts.h"
#include "kernels/noise_ref.h"
#include "kernels/random.h"
#include "tests/lib/chi2.h"
#include "tests/lib/suite.h"

static struct tally_noise table; /* of the test at hand: each runs in its own process */

static struct tally_stream *fresh(uint8_t first)
{
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {first, 1};
    const uint8_t nonce[TALLY_STREAM_NONCE_BYTES] = {2};
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_stream_new(&s, key, nonce, TALLY_STREAM_WORDS_MAX), TALLY_OK);
    return s;
}

static struct tally_stream *given(const uint64_t *words, size_t n)
{
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_stream_given(&s, words, n), TALLY_OK);
    return s;
}

static uint32_t columns(void)
{
    return UINT32_C(1) << table.column_bits;
}

static uint64_t nearest(uint32_t column)
{
    return ((uint64_t)(column >> 1) << table.place_bits) + (column & 1);
}

static bool in_tail(uint32_t column)
{
    return column + 2 >= columns();
}

static long double decay(uint64_t x)
{
    return expl(-ldexpl((long double)x * (long double)x, -(int)(2 * table.k + 1)));
}

/* A first word that proposes this column at this place, with U's first bits. */
static uint64_t word_for(uint32_t column, uint32_t place)
{
    uint32_t full = UINT32_C(1) << (32 - table.column_bits);

    for (uint32_t c = 0; c < columns(); c++) {
        uint32_t least = table.choice[c] >> table.column_bits;
        uint32_t number = least - 1; /* below it: the column itself */
        if (c != column || least == 0) number = least;
        bool here = c == column && least > 0;
        if (!here && ((table.choice[c] & (columns() - 1)) != column || least == full)) continue;
        return (uint64_t)place << 32 | number << table.column_bits | c;
    }
    ck_abort_msg("no word proposes column %u", column);
    return 0;
}

START_TEST(weights_cover_the_density_and_the_alias_table_is_them)
{
    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k++) {
        uint64_t sum = 0;
        uint64_t mass[TALLY_NOISE_COLUMNS_MAX] = {0};
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        ck_assert_uint_ge(table.scale, UINT32_C(1) << 24);
        for (uint32_t c = 0; c < columns(); c++) {
            uint32_t least = table.choice[c] >> table.column_bits;
            mass[c] += least;
            mass[table.choice[c] & (columns() - 1)] += (UINT64_C(1) << 32) / columns() - least;
            sum += table.weight[c];
            long double p = (long double)table.scale * decay(nearest(c)) / table.weight[c];
            ck_assert(p <= 1); /* the odds of the most likely x of the column */
            long double ratio = ldexpl((long double)table.ratio[c], -64);
            ck_assert(ratio <= p * (1 + 0x1p-60L) && ratio >= p * (1 - 0x1p-58L) - 0x1p-62L);
            if (in_tail(c)) {
                ck_assert_uint_eq(table.sure[c], 0);
                ck_assert(p * ldexpl(1, 1 + (int)(k - table.place_bits)) < 0.5L);
                continue;
            }
            uint64_t last = nearest(c) + (UINT64_C(1) << table.place_bits) - 1;
            p = (long double)table.scale * decay(last) / table.weight[c];
            ck_assert(ldexpl((long double)table.sure[c], -32) <= p);
            ck_assert_uint_eq(table.sure[c] % (UINT32_C(1) << table.place_bits), 0);
        }
        ck_assert_uint_eq(sum, UINT64_C(1) << 32);
        for (uint32_t c = 0; c < columns(); c++) ck_assert_uint_eq(mass[c], table.weight[c]);
    }
}
END_TEST

START_TEST(columns_hold_every_integer_once)
{
    enum { K = 9 };
    ck_assert_int_eq(tally_noise_init(&table, K), TALLY_OK);
    uint32_t width = UINT32_C(1) << table.place_bits;
    int64_t end = (int64_t)(columns() / 2 - 1) * width;
    uint8_t *seen = calloc((size_t)(2 * end), 1);

    ck_assert_ptr_nonnull(seen);
    for (uint32_t c = 0; c < columns() - 2; c++) {
        for (uint32_t place = 0; place < width; place++) {
            static struct tally_noise_first first;
            uint64_t word = word_for(c, place);
            int64_t x;
            tally_noise_loops(TALLY_ISA_BASE)->propose(&x, &first, &table, &word, 1);
            ck_assert_int_ge(x, -end);
            ck_assert_int_lt(x, end);
            ck_assert_uint_eq(seen[x + end]++, 0);
        }
    }
    ck_assert_ptr_null(memchr(seen, 0, (size_t)(2 * end)));
    free(seen);
}
END_TEST

/* The first 1024 bits of p, found by halving with judge_long. u: least limb first. */
static void digits_of(uint64_t *u, const struct tally_noise_odds *odds, size_t limbs)
{
    memset(u, 0, limbs * sizeof *u);
    for (size_t bit = 64 * limbs; bit-- > 0;) {
        u[bit / 64] |= UINT64_C(1) << bit % 64;
        if (tally_noise_judge_long(&table, odds, u, limbs) == TALLY_NOISE_DROP)
            u[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    }
}

static struct tally_noise_odds any_odds(struct tally_random *r)
{
    struct tally_noise_odds odds = {.column = tally_random_below(r, columns() - 2)};

    odds.x = nearest(odds.column) + (tally_random_u64(r) & ((UINT64_C(1) << table.place_bits) - 1));
    return odds;
}

START_TEST(short_comparisons_never_contradict_long_ones)
{
    struct tally_random r = tally_random_from(5, 6, 7);
    unsigned known = 0;

    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k += k < 8 ? 1 : 4) {
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        for (int i = 0; i < 60; i++) {
            struct tally_noise_odds odds = any_odds(&r);
            uint64_t p[3];
            digits_of(p, &odds, 3);
            long double want = (long double)table.scale * decay(odds.x) / table.weight[odds.column];
            ck_assert(fabsl(ldexpl((long double)p[2], -64) - want) < 0x1p-58L);
            for (uint64_t off = 0; off < 80; off++) {
                uint64_t u[2] = {0, p[2] + off - 40};
                if (u[1] - p[2] + 40 != off || (off < 40) != (u[1] < p[2])) continue;
                enum tally_noise_answer fast = tally_noise_judge(&table, &odds, u[1]);
                enum tally_noise_answer slow = tally_noise_judge_long(&table, &odds, u, 2);
                if (off != 40 && off != 39) ck_assert_int_ne(slow, TALLY_NOISE_UNKNOWN);
                if (off < 39) ck_assert_int_eq(slow, TALLY_NOISE_KEEP);
                if (off > 40) ck_assert_int_eq(slow, TALLY_NOISE_DROP);
                if (off < 8) ck_assert_int_eq(fast, TALLY_NOISE_KEEP);
                if (off > 72) ck_assert_int_eq(fast, TALLY_NOISE_DROP);
                if (fast == TALLY_NOISE_UNKNOWN) continue;
                ck_assert_int_eq(fast, slow);
                known++;
            }
        }
    }
    ck_assert_uint_gt(known, 10000);
}
END_TEST

START_TEST(a_tie_is_followed_until_it_breaks_and_1024_bits_at_most)
{
    struct tally_random r = tally_random_from(8, 9, 10);
    const size_t limbs = 16;
    uint64_t p[16];
    uint64_t words[16];
    bool keep;

    ck_assert_int_eq(tally_noise_init(&table, 28), TALLY_OK);
    for (int i = 0; i < 4; i++) {
        struct tally_noise_odds odds = any_odds(&r);
        digits_of(p, &odds, limbs);
        for (size_t at = 1; at < limbs; at++) words[at - 1] = p[limbs - 1 - at];
        struct tally_stream *s = given(words, limbs - 1);
        ck_assert_int_eq(tally_noise_judge_exact(&keep, &table, &odds, p[limbs - 1], s),
                         TALLY_E_LIMIT);
        ck_assert_uint_eq(tally_stream_drawn(s), limbs - 1);
        tally_stream_destroy(&s);
        for (size_t at = 0; at + 1 < limbs; at++) {
            for (int up = 0; up < 2; up++) {
                uint64_t was = words[at];
                words[at] += up ? UINT64_C(1) << 40 : 0 - (UINT64_C(1) << 40);
                bool wrapped = up ? words[at] < was : words[at] > was;
                s = given(words, limbs - 1);
                keep = up;
                ck_assert_int_eq(tally_noise_judge_exact(&keep, &table, &odds, p[limbs - 1], s),
                                 TALLY_OK);
                ck_assert(wrapped || keep == !up);
                ck_assert_uint_le(tally_stream_drawn(s), 2 * at + 3);
                tally_stream_destroy(&s);
                words[at] = was;
            }
        }
    }
}
END_TEST

START_TEST(the_tail_is_reached_and_left_as_it_should_be)
{
    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k += 7) {
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        uint32_t side = columns() - 2;
        int64_t edge = (int64_t)nearest(side);
        uint64_t sigma = UINT64_C(1) << k;
        uint64_t last = k > 0 ? (sigma - 1) << (64 - k) : 0;
        int64_t out;
        /* v = 0 and the first place; v = 2 and the last, below 0; dropped, then 0 at once */
        const uint64_t words[] = {word_for(side, 0),     UINT64_MAX,        0,    0,          0,
                                  word_for(side + 1, 0), UINT64_C(1) << 61, last, 0,          0,
                                  word_for(side, 0),     UINT64_MAX,        0,    UINT64_MAX, 0,
                                  word_for(0, 0)};
        struct tally_stream *s = given(words, 16);
        ck_assert_int_eq(tally_noise_fill(&out, &table, s, 1), TALLY_OK);
        ck_assert_int_eq(out, edge);
        ck_assert_int_eq(tally_noise_fill(&out, &table, s, 1), TALLY_OK);
        ck_assert_int_eq(out, -edge - (int64_t)(3 * sigma));
        ck_assert_int_eq(tally_noise_fill(&out, &table, s, 1), TALLY_OK);
        ck_assert_int_eq(out, 0);
        ck_assert_uint_eq(tally_stream_drawn(s), 16);
        tally_stream_destroy(&s);
        const uint64_t beyond[] = {word_for(side, 0), 0, 0, 1, 1, 1};
        s = given(beyond, 6);
        ck_assert_int_eq(tally_noise_fill(&out, &table, s, 1), TALLY_E_LIMIT);
        tally_stream_destroy(&s);
    }
}
END_TEST

START_TEST(a_tail_sample_is_kept_just_below_its_odds)
{
    static const uint64_t zeros[] = {0, 1, 5, 40, 64, 70}; /* leading zeros: sigmas further out */

    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k += 4) {
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        uint32_t side = columns() - 1; /* below 0 */
        for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++) {
            uint32_t v = (uint32_t)zeros[i];
            struct tally_noise_odds odds = {.x = nearest(side) + ((uint64_t)v << k),
                                            .column = side,
                                            .up = v + 1 + k - table.place_bits};
            uint64_t p[TALLY_DECAY_LIMBS_MAX];
            digits_of(p, &odds, TALLY_DECAY_LIMBS_MAX);
            for (int over = 0; over < 2; over++) {
                uint64_t words[24] = {word_for(side, 0)};
                size_t n = 1;
                if (v >= 64) words[n++] = 0;
                words[n++] = UINT64_C(1) << (63 - v % 64);
                words[n++] = 0; /* the first place */
                size_t at = TALLY_DECAY_LIMBS_MAX;
                while (at > 0 && p[at - 1] == 0) words[n++] = p[--at];
                if (at < 3) continue; /* too unlikely for 1024 bits */
                words[n++] = p[--at];
                words[n++] = p[--at] / 2 + (over ? UINT64_C(1) << 63 : 0);
                n += 3; /* zeros, should the comparison take up more */
                struct tally_stream *s = given(words, n);
                int64_t out;
                enum tally_status made = tally_noise_fill(&out, &table, s, 1);
                if (over == 0) ck_assert_int_eq(made, TALLY_OK);
                if (over == 0) ck_assert_int_eq(out, -(int64_t)odds.x);
                if (over != 0) ck_assert(made != TALLY_OK || out != -(int64_t)odds.x);
                tally_stream_destroy(&s);
            }
        }
    }
}
END_TEST

START_TEST(odds_in_the_tail_join_those_of_the_body)
{
    /* mass of an integer: proposal times odds, the same multiple of f on both sides of the edge */
    for (uint32_t k = 0; k <= 12; k += 4) {
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        uint32_t side = columns() - 2;
        uint64_t p[4];
        for (uint32_t v = 0; v < 3; v++) {
            struct tally_noise_odds tail = {.x = nearest(side) + ((uint64_t)v << k),
                                            .column = side,
                                            .up = v + 1 + k - table.place_bits};
            digits_of(p, &tail, 4);
            long double odds = ldexpl((long double)p[3], -64) + ldexpl((long double)p[2], -128);
            long double mass = odds * table.weight[side] * ldexpl(1, -32 - (int)(v + 1 + k));
            long double want =
                (long double)table.scale * decay(tail.x) * ldexpl(1, -32 - (int)table.place_bits);
            ck_assert(fabsl(mass / want - 1) < 1e-9L);
        }
    }
}
END_TEST

START_TEST(samples_are_a_discrete_gaussian)
{
    enum { N = 1 << 20 };
    int64_t *out = calloc(N, sizeof *out);

    ck_assert_ptr_nonnull(out);
    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k++) {
        struct tally_stream *s = fresh((uint8_t)k);
        double variance = ldexp(1, (int)(2 * k));
        double sum = 0;
        double pairs = 0;
        double odd = 0;
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        ck_assert_int_eq(tally_noise_fill(out, &table, s, N), TALLY_OK);
        double z = chi2_gaussian(out, N, variance);
        ck_assert_msg(fabs(z) < 5, "k %u: chi-square at %g deviations", k, z);
        ck_assert(chi2_gaussian(out, N, variance * 1.02) > 5); /* it can tell */
        for (size_t i = 0; i < N; i++) {
            sum += (double)out[i];
            odd += (double)(out[i] & 1);
            if (i > 0) pairs += (double)out[i] * (double)out[i - 1];
        }
        ck_assert(fabs(sum) < 5 * sqrt(N * variance));
        ck_assert(fabs(pairs) < 5 * sqrt(N) * variance);
        if (k > 0) ck_assert(fabs(odd - N / 2.0) < 5 * sqrt(N) / 2);
        ck_assert_uint_lt(tally_stream_drawn(s), N + N / 40);
        tally_stream_destroy(&s);
    }
    free(out);
}
END_TEST

START_TEST(every_instruction_set_gives_the_same_samples)
{
    static const size_t sizes[] = {0, 1, 2, 7, 63, 64, 65, 1023, 1024, 1025, 3001};
    static int64_t want[3001];

    for (uint32_t k = 0; k <= TALLY_NOISE_K_MAX; k += 3) {
        ck_assert_int_eq(tally_noise_init(&table, k), TALLY_OK);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t n = sizes[i];
            uint64_t drawn = 0;
            for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
                int64_t *out = malloc((n + 1) * sizeof *out); /* not aligned to a vector */
                struct tally_stream *s = fresh(9);
                ck_assert_int_eq(
                    tally_noise_fill_with(out + 1, &table, s, n, tally_noise_loops(isa)), TALLY_OK);
                if (isa == TALLY_ISA_BASE) {
                    memcpy(want, out + 1, n * sizeof *out);
                    drawn = tally_stream_drawn(s);
                }
                ck_assert_int_eq(memcmp(out + 1, want, n * sizeof *out), 0);
                ck_assert_uint_eq(tally_stream_drawn(s), drawn);
                free(out);
                tally_stream_destroy(&s);
            }
        }
    }
}
END_TEST

/* The samples as a program in Python works them out, with every comparison in 120 decimal digits.
 */
START_TEST(samples_have_the_same_bits_on_every_compiler)
{
    static const struct {
        uint32_t k;
        const char *sha256; /* of 4096 samples, little-endian */
    } fixed[] = {
        {0,  "0e32d34e73e90fd6530a2c5dc4428bfb8b20b3c00f24b4c5d6924549f3635a6c"},
        {5,  "a260ee9ff9a518c0664f9805610dae9d9988232545a479f964cf1ac0d5fff2f2"},
        {6,  "e7b1697d4225ad1f5002f42dc901a8616d66273997673649a402f3f91d87f954"},
        {7,  "cab3da78f76a1319812bc49fa598e8aab1f08cb169f18d5552401b66547340b1"},
        {28, "16d39d07af31484e69c53980da1d7f02e80cb57e086cb95511c110d52234cea0"},
        {31, "6de1ef6955066d515d7d39ec78bd5bfc49895276e0518324e249bac8f0b0424c"}
    };
    static int64_t out[4096];
    uint8_t digest[32];
    char hex[65];

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        struct tally_stream *s = fresh(11);
        ck_assert_int_eq(tally_noise_init(&table, fixed[i].k), TALLY_OK);
        ck_assert_int_eq(tally_noise_fill(out, &table, s, 4096), TALLY_OK);
        TALLY_SHA256_OF(digest, tally_slice_of(out, sizeof out));
        tally_hex(tally_slice_of(digest, sizeof digest), hex);
        ck_assert_str_eq(hex, fixed[i].sha256);
        tally_stream_destroy(&s);
    }
}
END_TEST

START_TEST(noise_that_runs_short_is_an_error_and_wiped)
{
    enum { N = 1500 };
    static int64_t out[N];
    static const int64_t zero[N];
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {4};
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_noise_init(&table, TALLY_NOISE_K_MAX + 1), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_init(&table, 20), TALLY_OK);
    for (uint64_t words = 1; words < N + 10; words += 100) {
        ck_assert_int_eq(tally_stream_new(&s, key, key, words), TALLY_OK);
        memset(out, 0x5a, sizeof out);
        ck_assert_int_eq(tally_noise_fill(out, &table, s, N), TALLY_E_LIMIT);
        ck_assert_mem_eq(out, zero, sizeof out);
        ck_assert_int_eq(tally_noise_fill(out, &table, s, 1), TALLY_E_LIMIT);
        tally_stream_destroy(&s);
    }
}
END_TEST

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

START_TEST(bench)
{
    enum { N = 1 << 20, TIMES = 9 };
    int64_t *out = calloc(N, sizeof *out);
    struct tally_stream *s = fresh(1);

    ck_assert_int_eq(tally_noise_init(&table, 28), TALLY_OK);
    for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
        double best = 1e9;
        double words = 1e9;
        for (int i = 0; i < TIMES; i++) {
            double at = seconds();
            ck_assert_int_eq(tally_noise_fill_with(out, &table, s, N, tally_noise_loops(isa)),
                             TALLY_OK);
            best = fmin(best, seconds() - at);
            at = seconds();
            ck_assert_int_eq(tally_stream_fill((uint64_t *)out, s, N), TALLY_OK);
            words = fmin(words, seconds() - at);
        }
        (void)printf("noise 2^28 %s: %.0f million/s, %.2f ns; its words alone %.2f ns\n",
                     tally_noise_loops(isa)->name, N / best / 1e6, best / N * 1e9, words / N * 1e9);
    }
    double at = seconds();
    ck_assert_int_eq(tally_noise_ref(out, s, 28, N / 16), TALLY_OK);
    (void)printf("noise 2^28 plain: %.1f million/s\n", N / 16 / (seconds() - at) / 1e6);
    tally_stream_destroy(&s);
    free(out);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("noise");

    tcase_add_test(t, weights_cover_the_density_and_the_alias_table_is_them);
    tcase_add_test(t, columns_hold_every_integer_once);
    tcase_add_test(t, short_comparisons_never_contradict_long_ones);
    tcase_add_test(t, a_tie_is_followed_until_it_breaks_and_1024_bits_at_most);
    tcase_add_test(t, the_tail_is_reached_and_left_as_it_should_be);
    tcase_add_test(t, a_tail_sample_is_kept_just_below_its_odds);
    tcase_add_test(t, odds_in_the_tail_join_those_of_the_body);
    tcase_add_test(t, samples_are_a_discrete_gaussian);
    tcase_add_test(t, every_instruction_set_gives_the_same_samples);
    tcase_add_test(t, samples_have_the_same_bits_on_every_compiler);
    tcase_add_test(t, noise_that_runs_short_is_an_error_and_wiped);
    if (getenv("TALLY_BENCH") != NULL) tcase_add_test(t, bench);
    return tally_suite_run("noise", t);
}
