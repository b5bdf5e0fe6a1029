/* test_rng.c - examples/aml/rng.c: known numbers, and series as good as libm's. */
#include "examples/aml/rng.h"

#include <math.h>

#include "tests/lib/suite.h"

/* First outputs of SplitMix64 from state 0, as published with the Java and C versions. */
START_TEST(the_published_numbers_come_out)
{
    struct tally_rng r = {.key = 0, .n = 0};
    ck_assert_uint_eq(tally_rng_u64(&r), UINT64_C(0xe220a8397b1dcdaf));
    ck_assert_uint_eq(tally_rng_u64(&r), UINT64_C(0x6e789e6aa1b965f4));
    ck_assert_uint_eq(tally_rng_u64(&r), UINT64_C(0x06c45d188009454f));
}
END_TEST

START_TEST(streams_of_another_seed_use_or_index_differ)
{
    struct tally_rng a = tally_rng_of(1, TALLY_RNG_WORLD, 7),
                     b = tally_rng_of(2, TALLY_RNG_WORLD, 7),
                     c = tally_rng_of(1, TALLY_RNG_BANK, 7),
                     d = tally_rng_of(1, TALLY_RNG_WORLD, 8);
    uint64_t first = tally_rng_u64(&a);
    ck_assert_uint_ne(first, tally_rng_u64(&b));
    ck_assert_uint_ne(first, tally_rng_u64(&c));
    ck_assert_uint_ne(first, tally_rng_u64(&d));
}
END_TEST

START_TEST(exp_and_log_agree_with_libm)
{
    struct tally_rng r = tally_rng_of(1, TALLY_RNG_WORLD, 0);
    for (int i = 0; i < 20000; i++) {
        double x = tally_rng_range(&r, -40, 40), y = exp(x);
        ck_assert_double_le(fabs(tally_rng_exp(x) / y - 1), 2e-14);
        ck_assert_double_le(fabs(tally_rng_log(y) - x), 1e-13);
    }
}
END_TEST

START_TEST(distributions_have_their_moments)
{
    enum { N = 200000 };
    struct tally_rng r = tally_rng_of(3, TALLY_RNG_WORLD, 0);
    double sum = 0, square = 0, counts = 0, above = 0;
    for (int i = 0; i < N; i++) {
        double z = tally_rng_normal(&r);
        sum += z;
        square += z * z;
        counts += tally_rng_poisson(&r, 1.5);
        above += tally_rng_pareto(&r, 1.3, 40) > 2;
        ck_assert_uint_lt(tally_rng_below(&r, 3), 3);
        uint32_t k = tally_rng_between(&r, 5, 7);
        ck_assert(k >= 5 && k <= 7);
    }
    ck_assert_double_le(fabs(sum / N), 0.01);
    ck_assert_double_le(fabs(square / N - 1), 0.02);
    ck_assert_double_le(fabs(counts / N - 1.5), 0.02);
    ck_assert_double_le(fabs(above / N - pow(2, -1.3)), 0.01);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rng");
    tcase_add_test(t, the_published_numbers_come_out);
    tcase_add_test(t, streams_of_another_seed_use_or_index_differ);
    tcase_add_test(t, exp_and_log_agree_with_libm);
    tcase_add_test(t, distributions_have_their_moments);
    return tally_suite_run("rng", t);
}
