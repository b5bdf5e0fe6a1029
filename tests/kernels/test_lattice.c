/* test_lattice.c - kernels/lattice.c: rounding within its bound, what is refused, the check of the
 * norm at its edge, and a whole mechanism. */
#include "kernels/lattice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/noise_parts.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"

static struct tally_lattice lattice(double multiplier, double clip, uint32_t k)
{
    struct tally_lattice l;

    ck_assert_int_eq(tally_lattice_init(&l, multiplier, clip, k), TALLY_OK);
    return l;
}

START_TEST(the_step_gives_at_least_the_noise_asked_for)
{
    struct tally_random r = tally_random_from(1, 0, 0);

    for (int i = 0; i < 1000; i++) {
        double z = ldexp((double)tally_random_u64(&r), -60);
        double c = ldexp((double)tally_random_u64(&r), -63);
        uint32_t k = tally_random_below(&r, TALLY_LATTICE_K_MAX + 1);
        struct tally_lattice l = lattice(z, c, k);
        long double noise = ldexpl((long double)l.step, (int)k);
        long double want = (long double)z * (long double)c;
        ck_assert(noise >= want && noise <= want * (1 + 0x1p-51L));
        ck_assert(tally_lattice_sensitivity(&l, 0) >= c);
        ck_assert(tally_lattice_sensitivity(&l, 1 << 20) >=
                  c + 1.125 * l.step * 1024); /* 2 (1/2 + 2^-4) sqrt(D) */
        ck_assert(tally_lattice_sensitivity(&l, 1 << 20) <= (c + 1.126 * l.step * 1024) * 1.001);
    }
}
END_TEST

START_TEST(numbers_without_a_lattice_are_refused)
{
    static const double bad[] = {0, -1, (double)NAN, (double)INFINITY, 0x1p-101, 0x1.8p100};
    struct tally_lattice l;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(tally_lattice_init(&l, bad[i], 1, 28), TALLY_E_CONFIG);
        ck_assert_int_eq(tally_lattice_init(&l, 1, bad[i], 28), TALLY_E_CONFIG);
    }
    ck_assert_int_eq(tally_lattice_init(&l, 1, 1, TALLY_LATTICE_K_MAX + 1), TALLY_E_CONFIG);
}
END_TEST

START_TEST(rounding_stays_within_its_bound_on_every_instruction_set)
{
    enum { N = 333 };
    struct tally_random r = tally_random_from(2, 0, 0);
    float *x = malloc((N + 1) * sizeof *x);
    int64_t want[N];
    int64_t *out = malloc((N + 1) * sizeof *out);

    for (int round = 0; round < 300; round++) {
        double factor = round % 3 == 0 ? 1 : fabs((double)tally_random_symmetric(&r));
        double step = ldexp(1 + fabs((double)tally_random_symmetric(&r)), -28);
        size_t n = (size_t)round % N + 1;
        for (size_t i = 0; i < n; i++)
            x[i + 1] = ldexpf(tally_random_symmetric(&r), (int)tally_random_below(&r, 60) - 40);
        x[1] = round % 2 == 0 ? -0.0F : 0x1p-149F;
        for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
            ck_assert(tally_noise_loops(isa)->put(out + 1, x + 1, factor, step, n));
            if (isa == TALLY_ISA_BASE) memcpy(want, out + 1, n * sizeof *out);
            ck_assert_int_eq(memcmp(out + 1, want, n * sizeof *out), 0);
        }
        for (size_t i = 0; i < n; i++) {
            long double real = (long double)x[i + 1] * (long double)factor / (long double)step;
            long double bound = fabsl(real) < 0x1p40L ? 0.501L : 0.5L + 0x1p-4L;
            ck_assert(fabsl((long double)want[i] - real) <= bound);
        }
    }
    free(x);
    free(out);
}
END_TEST

START_TEST(halves_go_to_even)
{
    struct tally_lattice l = lattice(1, 1, 10);
    const double g = l.step = 0x1p-10;
    const float x[] = {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 0.499F, -3.501F};
    const int64_t want[] = {0, 2, 2, 0, -2, -2, 0, -4};
    int64_t out[8];

    ck_assert_int_eq(tally_lattice_put(out, &l, x, g, 8), TALLY_OK);
    ck_assert_mem_eq(out, want, sizeof want);
    ck_assert_int_eq(tally_lattice_put(NULL, &l, NULL, 1, 0), TALLY_OK);
}
END_TEST

START_TEST(values_off_the_lattice_are_refused_wherever_they_are)
{
    enum { N = 70 };
    static const float bad[] = {NAN,      INFINITY,       -INFINITY, 0x1.000002p48F,
                                -0x1p60F, 0x1.fffffep127F};
    struct tally_lattice l = lattice(1, 1, 0);
    float x[N];
    int64_t out[N];
    static const int64_t zero[N];

    l.step = 1;
    for (size_t i = 0; i < N; i++) x[i] = i % 2 == 0 ? 0x1p48F : -0x1p48F;
    ck_assert_int_eq(tally_lattice_put(out, &l, x, 1, N), TALLY_OK);
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(out[i], i % 2 == 0 ? TALLY_LATTICE_VALUE_MAX : -TALLY_LATTICE_VALUE_MAX);
    }
    for (size_t i = 0; i < N; i++) {
        char place[32];
        float was = x[i];
        x[i] = bad[i % 6];
        ck_assert_int_eq(tally_lattice_put(out, &l, x, 1, N), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
        (void)snprintf(place, sizeof place, "value %zu is", i);
        ck_assert_ptr_nonnull(strstr(tally_why(), place));
        ck_assert_mem_eq(out, zero, sizeof zero);
        for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++)
            ck_assert(!tally_noise_loops(isa)->put(out, x, 1, 1, N));
        x[i] = was;
    }
    ck_assert_int_eq(tally_lattice_put(out, &l, x, (double)NAN, N), TALLY_E_UNTRUSTED);
}
END_TEST

START_TEST(a_clipped_update_passes_the_check_and_a_larger_one_does_not)
{
    enum { N = 1003 };
    struct tally_random r = tally_random_from(3, 0, 0);
    struct tally_lattice l = lattice(0.7, 1.3, 28);
    static float x[N];
    static int64_t out[N];

    for (int round = 0; round < 200; round++) {
        double norm = 0;
        int scale = (int)tally_random_below(&r, 40) - 20;
        for (size_t i = 0; i < N; i++) {
            x[i] = ldexpf(tally_random_symmetric(&r), scale);
            norm += (double)x[i] * (double)x[i];
        }
        norm = sqrt(norm);
        double factor = tally_lattice_factor(&l, x, N);
        for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
            double same = tally_noise_loops(isa)->squares(x, N);
            ck_assert(fabs(sqrt(same) - norm) < norm * 1e-12);
            ck_assert_mem_eq(&same, &(double){tally_noise_base.squares(x, N)}, sizeof same);
        }
        ck_assert(factor <= 1 && factor * norm <= 1.3 * (1 - 0x1p-11));
        if (norm < 1.29) ck_assert(factor >= 1);
        ck_assert_int_eq(tally_lattice_put(out, &l, x, factor, N), TALLY_OK);
        ck_assert_int_eq(tally_lattice_check(&l, out, N), TALLY_OK);
        double over = 1.3 * 1.001 / norm;
        ck_assert_int_eq(tally_lattice_put(out, &l, x, over, N), TALLY_OK);
        ck_assert_int_eq(tally_lattice_check(&l, out, N), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    }
    x[N - 1] = INFINITY;
    ck_assert(!(tally_lattice_factor(&l, x, N) > 0));
    x[N - 1] = NAN;
    ck_assert(!(tally_lattice_factor(&l, x, N) > 0));
    ck_assert(tally_lattice_factor(&l, x, 0) >= 1);
}
END_TEST

START_TEST(the_check_is_exact_at_its_edge_and_never_overflows)
{
    struct tally_lattice l = lattice(1, 1, 20);
    /* C / g is a little below 2^20, and n = 4 adds 1.125 */
    int64_t r[4] = {0, 0, 0, (1 << 20) + 1};
    const int64_t extremes[] = {INT64_MIN, INT64_MAX, TALLY_LATTICE_VALUE_MAX,
                                -TALLY_LATTICE_VALUE_MAX};

    ck_assert_int_eq(tally_lattice_check(&l, r, 4), TALLY_OK);
    r[3] = -r[3];
    ck_assert_int_eq(tally_lattice_check(&l, r, 4), TALLY_OK);
    r[0] = 1 << 11; /* norm^2 grows by 2^22 > 2^21 + 3 = up to the next integer */
    ck_assert_int_eq(tally_lattice_check(&l, r, 4), TALLY_E_UNTRUSTED);
    r[0] = 0;
    r[3] = (1 << 20) + 2;
    ck_assert_int_eq(tally_lattice_check(&l, r, 4), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_lattice_check(&l, r, 0), TALLY_OK);
    for (size_t i = 0; i < 4; i++) {
        r[3] = extremes[i];
        ck_assert_int_eq(tally_lattice_check(&l, r, 4), TALLY_E_UNTRUSTED);
    }
    l = lattice(0x1p-100, 1, 31); /* C / g is beyond what a value may be */
    ck_assert_int_eq(tally_lattice_check(&l, extremes + 2, 1), TALLY_OK);
    ck_assert_int_eq(tally_lattice_check(&l, extremes + 2, 2), TALLY_E_UNTRUSTED);
}
END_TEST

START_TEST(sums_come_back_as_floats)
{
    enum { N = 37 };
    struct tally_lattice l = lattice(1, 3, 28);
    int64_t sum[N];
    int64_t noise[N];
    float out[N + 1];
    static const int64_t half = INT64_C(1) << 61;

    for (size_t i = 0; i < N; i++) {
        sum[i] = ((int64_t)i - 18) << i;
        noise[i] = 5 - (int64_t)i;
    }
    for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
        ck_assert(tally_noise_loops(isa)->get(out + 1, sum, noise, l.step / 7, N));
        for (size_t i = 0; i < N; i++) {
            double v = (double)(sum[i] + noise[i]) * (l.step / 7);
            ck_assert(fabs((double)out[i + 1] - v) <= fabs(v) * 0x1p-24);
        }
    }
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, 0, N), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, -1, N), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, (double)NAN, N), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, (double)INFINITY, N), TALLY_E_LIMIT);
    for (size_t i = 0; i < N; i++) {
        int64_t was = sum[i];
        sum[i] = i % 2 == 0 ? TALLY_LATTICE_SUM_MAX : -TALLY_LATTICE_SUM_MAX - 1;
        ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, 1, N), TALLY_E_LIMIT);
        sum[i] = was;
        was = noise[i];
        noise[i] = i % 2 == 0 ? half : -half - 1;
        ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, 1, N), TALLY_E_LIMIT);
        noise[i] = was;
    }
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, 0x1p-127, N), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, 1, N), TALLY_OK);
    ck_assert_int_eq(tally_lattice_get(NULL, &l, NULL, NULL, 1, 0), TALLY_OK);
}
END_TEST

START_TEST(a_mean_with_noise_has_the_deviation_promised)
{
    enum { N = 20000, SITES = 5 };
    struct tally_lattice l = lattice(0.5, 2, 28); /* z C = 1 */
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {5};
    struct tally_stream *s = NULL;
    static struct tally_noise t;
    static float x[N], out[N];
    static int64_t sum[N], r[N], noise[N];
    double off = 0;

    ck_assert_int_eq(tally_stream_new(&s, key, key, 2 * N), TALLY_OK);
    ck_assert_int_eq(tally_noise_init(&t, l.k), TALLY_OK);
    ck_assert_int_eq(tally_noise_fill(noise, &t, s, N), TALLY_OK);
    for (size_t i = 0; i < N; i++) x[i] = (float)(i % 7) * 1e-3F;
    for (int site = 0; site < SITES; site++) {
        ck_assert_int_eq(tally_lattice_put(r, &l, x, 1, N), TALLY_OK);
        for (size_t i = 0; i < N; i++) sum[i] += r[i];
    }
    ck_assert_int_eq(tally_lattice_get(out, &l, sum, noise, SITES, N), TALLY_OK);
    for (size_t i = 0; i < N; i++) {
        double error = ((double)out[i] - (double)x[i]) * SITES;
        off += error * error;
    }
    ck_assert(fabs(sqrt(off / N) - 1) < 5 / sqrt(2.0 * N));
    tally_stream_destroy(&s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("lattice");

    tcase_add_test(t, the_step_gives_at_least_the_noise_asked_for);
    tcase_add_test(t, numbers_without_a_lattice_are_refused);
    tcase_add_test(t, rounding_stays_within_its_bound_on_every_instruction_set);
    tcase_add_test(t, halves_go_to_even);
    tcase_add_test(t, values_off_the_lattice_are_refused_wherever_they_are);
    tcase_add_test(t, a_clipped_update_passes_the_check_and_a_larger_one_does_not);
    tcase_add_test(t, the_check_is_exact_at_its_edge_and_never_overflows);
    tcase_add_test(t, sums_come_back_as_floats);
    tcase_add_test(t, a_mean_with_noise_has_the_deviation_promised);
    return tally_suite_run("lattice", t);
}
