/* test_gram.c - kernels/gram.c against the products written out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gram.h"
#include "kernels/random.h"
#include "tests/lib/fault.h"
#include "tests/lib/suite.h"

enum { SITES = 13 };

struct fixture {
    float *values;
    const float *deltas[SITES];
    size_t n;
};

static struct fixture make(size_t n)
{
    struct fixture f = {.values = malloc((SITES * n + 1) * sizeof(float)), .n = n};
    struct tally_random r = tally_random_from(3, n, 0);

    ck_assert(f.values != NULL);
    for (size_t i = 0; i < SITES * n; i++)
        f.values[i] = (float)((double)(tally_random_u64(&r) >> 40) * 0x1p-23 - 1);
    for (size_t s = 0; s < SITES; s++) f.deltas[s] = f.values + s * n;
    return f;
}

static double product(const struct fixture *f, uint32_t i, uint32_t j)
{
    long double sum = 0;

    for (size_t k = 0; k < f->n; k++)
        sum += (long double)f->deltas[i][k] * (long double)f->deltas[j][k];
    return (double)sum;
}

static const size_t SIZES[] = {0, 1, 7, 127, 129, 4096, 4097, 100001};

START_TEST(products_are_those_written_out)
{
    struct fixture f = make(SIZES[_i]);

    for (uint32_t sites = 1; sites <= SITES; sites += 3) {
        struct tally_gram g = {0};
        ck_assert_int_eq(tally_gram_init(&g, sites, 1, false), TALLY_OK);
        ck_assert_int_eq(tally_gram_add(&g, NULL, f.deltas, f.n), TALLY_OK);
        for (uint32_t i = 0; i < sites; i++) {
            for (uint32_t j = 0; j < sites; j++) {
                double tolerance = 1e-14 * (1 + (double)f.n);
                ck_assert_double_eq_tol(tally_gram_product(&g, i, j), product(&f, i, j), tolerance);
                ck_assert(tally_gram_distance2(&g, i, j) >= 0);
            }
            ck_assert(!(tally_gram_distance2(&g, i, i) > 0));
        }
        tally_gram_free(&g);
    }
    free(f.values);
}
END_TEST

static void same_bits(const struct tally_gram *a, const struct tally_gram *b)
{
    for (uint32_t i = 0; i < SITES; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double x = tally_gram_product(a, i, j);
            double y = tally_gram_product(b, i, j);
            ck_assert_mem_eq(&x, &y, sizeof x);
        }
    }
}

START_TEST(instruction_sets_threads_and_slices_give_the_same_bits)
{
    const struct tally_robust_lanes *lanes[] = {&tally_robust_base, &tally_robust_avx2,
                                                &tally_robust_avx512};
    const bool here[] = {true, __builtin_cpu_supports("avx2") != 0,
                         __builtin_cpu_supports("avx512f") != 0};
    struct fixture f = make(300007);
    struct tally_gram whole = {0};

    ck_assert_int_eq(tally_gram_init(&whole, SITES, 1, false), TALLY_OK);
    ck_assert_int_eq(tally_gram_add(&whole, NULL, f.deltas, f.n), TALLY_OK);
    for (size_t k = 0; k < 3; k++) {
        struct tally_gram g = {0};
        if (!here[k]) continue;
        ck_assert_int_eq(tally_gram_init(&g, SITES, 1 + (uint32_t)k, false), TALLY_OK);
        g.lanes = lanes[k];
        size_t slice = (5 + 60 * k) * TALLY_GRAM_BLOCK;
        for (size_t at = 0; at < f.n; at += slice) {
            const float *deltas[SITES];
            for (size_t s = 0; s < SITES; s++) deltas[s] = f.deltas[s] + at;
            ck_assert_int_eq(tally_gram_add(&g, NULL, deltas, f.n - at < slice ? f.n - at : slice),
                             TALLY_OK);
        }
        same_bits(&g, &whole);
        tally_gram_free(&g);
    }
    tally_gram_free(&whole);
    free(f.values);
}
END_TEST

START_TEST(norms_alone_are_the_diagonal)
{
    const struct tally_robust_lanes *lanes[] = {&tally_robust_base, &tally_robust_avx2,
                                                &tally_robust_avx512};
    const bool here[] = {true, __builtin_cpu_supports("avx2") != 0,
                         __builtin_cpu_supports("avx512f") != 0};
    struct fixture f = make(SIZES[_i]);
    double first[SITES];

    for (size_t k = 0; k < 3; k++) {
        struct tally_gram g = {0};
        if (!here[k]) continue;
        ck_assert_int_eq(tally_gram_init(&g, SITES, 2, true), TALLY_OK);
        g.lanes = lanes[k];
        ck_assert_int_eq(tally_gram_add(&g, NULL, f.deltas, f.n), TALLY_OK);
        for (uint32_t i = 0; i < SITES; i++) {
            double got = tally_gram_product(&g, i, i);
            if (k == 0) first[i] = got;
            ck_assert_mem_eq(&got, &first[i], sizeof got);
            ck_assert_double_eq_tol(got, product(&f, i, i), 1e-14 * (1 + (double)f.n));
        }
        tally_gram_free(&g);
    }
    free(f.values);
}
END_TEST

/* Models near each other and far from zero, as vectors/robust/gram_cancellation.json describes:
 * where float32 products give 0 or 4, these keep the distance. */
START_TEST(distances_between_neighbours_far_from_zero_survive)
{
    enum { N = 1000 };
    static float model[2][N];
    const float *deltas[] = {model[0], model[1]};
    struct tally_random r = tally_random_from(8, 0, 0);
    struct tally_gram g = {0};
    double want = 0;

    for (size_t i = 0; i < N; i++) {
        double u = (double)(tally_random_u64(&r) >> 40) * 0x1p-24;
        model[0][i] = (float)(100 + u);
        model[1][i] = (float)(100 + u + 1e-3 * ((double)(i % 5) - 2));
        want += pow((double)model[1][i] - (double)model[0][i], 2);
    }
    ck_assert_int_eq(tally_gram_init(&g, 2, 1, false), TALLY_OK);
    ck_assert_int_eq(tally_gram_add(&g, NULL, deltas, N), TALLY_OK);
    ck_assert_double_eq_tol(tally_gram_distance2(&g, 0, 1), want, 1e-14 * 1e7);
    ck_assert_double_eq_tol(tally_gram_distance2(&g, 1, 0) / want, 1, 1e-4);
    tally_gram_free(&g);
}
END_TEST

START_TEST(copies_are_at_no_distance_and_tie_with_each_other)
{
    struct fixture f = make(5003);
    struct tally_gram g = {0};

    f.deltas[11] = f.deltas[2];
    ck_assert_int_eq(tally_gram_init(&g, SITES, 1, false), TALLY_OK);
    ck_assert_int_eq(tally_gram_add(&g, NULL, f.deltas, f.n), TALLY_OK);
    ck_assert(!(tally_gram_distance2(&g, 2, 11) > 0));
    for (uint32_t i = 0; i < SITES; i++) {
        double a = tally_gram_distance2(&g, 2, i);
        double b = tally_gram_distance2(&g, 11, i);
        ck_assert_mem_eq(&a, &b, sizeof a);
    }
    tally_gram_free(&g);
    free(f.values);
}
END_TEST

START_TEST(the_lowest_site_that_is_not_finite_is_named)
{
    for (int norms = 0; norms < 2; norms++) {
        struct fixture f = make(9001);
        struct tally_gram g = {0};
        uint32_t site = 99;
        f.values[9 * f.n] = NAN;
        f.values[6 * f.n + 9000] = _i == 0 ? INFINITY : NAN;
        ck_assert_int_eq(tally_gram_init(&g, SITES, 1, norms == 1), TALLY_OK);
        ck_assert_int_eq(tally_gram_add(&g, &site, f.deltas, f.n), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
        ck_assert_uint_eq(site, 6);
        tally_gram_free(&g);
        free(f.values);
    }
}
END_TEST

START_TEST(the_largest_floats_do_not_overflow)
{
    static float huge[2][TALLY_GRAM_BLOCK];
    const float *deltas[] = {huge[0], huge[1]};
    struct tally_gram g = {0};

    for (size_t i = 0; i < TALLY_GRAM_BLOCK; i++) {
        huge[0][i] = 0x1.fffffep127F;
        huge[1][i] = -huge[0][i];
    }
    ck_assert_int_eq(tally_gram_init(&g, 2, 1, false), TALLY_OK);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(tally_gram_add(&g, NULL, deltas, TALLY_GRAM_BLOCK), TALLY_OK);
    ck_assert(isfinite(tally_gram_distance2(&g, 0, 1)));
    tally_gram_free(&g);
}
END_TEST

START_TEST(counts_beyond_the_limits_and_missing_memory_are_refused)
{
    struct tally_gram g = {0};

    ck_assert_int_eq(tally_gram_init(&g, 0, 1, false), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_gram_init(&g, TALLY_GRAM_SITES_MAX + 1, 1, false), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_gram_init(&g, 3, 0, false), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_gram_init(&g, 3, 65, false), TALLY_E_LIMIT);
    TALLY_EACH_FAULT(tally_gram_init(&g, 5, 2, false), tally_gram_free(&g));
    ck_assert_int_eq(tally_gram_init(&g, TALLY_GRAM_SITES_MAX, 2, false), TALLY_OK);
    tally_gram_free(&g);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("gram");

    tcase_add_loop_test(t, products_are_those_written_out, 0, 8);
    tcase_add_test(t, instruction_sets_threads_and_slices_give_the_same_bits);
    tcase_add_loop_test(t, norms_alone_are_the_diagonal, 0, 8);
    tcase_add_test(t, distances_between_neighbours_far_from_zero_survive);
    tcase_add_test(t, copies_are_at_no_distance_and_tie_with_each_other);
    tcase_add_loop_test(t, the_lowest_site_that_is_not_finite_is_named, 0, 2);
    tcase_add_test(t, the_largest_floats_do_not_overflow);
    tcase_add_test(t, counts_beyond_the_limits_and_missing_memory_are_refused);
    return tally_suite_run("gram", t);
}
