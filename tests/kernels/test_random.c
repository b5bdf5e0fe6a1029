/* test_random.c - kernels/random.c: the same numbers everywhere, in range, every item once. */
#include <math.h>
#include <stdbool.h>

#include "kernels/random.h"
#include "tests/lib/suite.h"

START_TEST(outputs_are_splitmix64)
{
    /* SplitMix64 from state 1234567: the first outputs of its published C source. */
    static const uint64_t want[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                    UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                    UINT64_C(16408922859458223821)};
    struct tally_random r = {.key = 1234567};

    for (size_t i = 0; i < 5; i++) ck_assert_uint_eq(tally_random_u64(&r), want[i]);
}
END_TEST

START_TEST(every_part_of_the_name_changes_the_sequence)
{
    struct tally_random a = tally_random_from(1, 2, 3);
    struct tally_random b = tally_random_from(2, 2, 3);
    struct tally_random c = tally_random_from(1, 3, 3);
    struct tally_random d = tally_random_from(1, 2, 4);
    struct tally_random again = tally_random_from(1, 2, 3);

    ck_assert_uint_ne(a.key, b.key);
    ck_assert_uint_ne(a.key, c.key);
    ck_assert_uint_ne(a.key, d.key);
    ck_assert_uint_eq(a.key, again.key);
}
END_TEST

START_TEST(numbers_below_a_bound_are_below_and_even)
{
    struct tally_random r = tally_random_from(7, 0, 0);
    uint32_t seen[5] = {0};

    for (int i = 0; i < 50000; i++) {
        uint32_t v = tally_random_below(&r, 5);
        ck_assert_uint_lt(v, 5);
        seen[v]++;
    }
    for (int i = 0; i < 5; i++) ck_assert_uint_gt(seen[i], 9600); /* 4.5 deviations */
    for (int i = 0; i < 5; i++) ck_assert_uint_lt(seen[i], 10400);
    ck_assert_uint_eq(tally_random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(tally_random_below(&r, 0x80000001U), 0x80000001U);
}
END_TEST

START_TEST(symmetric_numbers_lie_in_the_open_interval)
{
    struct tally_random r = tally_random_from(7, 0, 1);
    double sum = 0;

    for (int i = 0; i < 100000; i++) {
        float v = tally_random_symmetric(&r);
        ck_assert(v > -1.0F && v < 1.0F && (v < 0 || v > 0));
        sum += (double)v;
    }
    ck_assert(fabs(sum / 100000) < 0.01);
}
END_TEST

START_TEST(a_shuffle_keeps_every_item_once)
{
    enum { N = 1000 };
    uint32_t items[N];
    bool seen[N] = {0};
    uint32_t moved = 0;
    struct tally_random r = tally_random_from(1, 2, 3);

    for (uint32_t i = 0; i < N; i++) items[i] = i;
    tally_random_shuffle(&r, items, N);
    for (uint32_t i = 0; i < N; i++) {
        ck_assert_uint_lt(items[i], N);
        ck_assert(!seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    ck_assert_uint_gt(moved, N - 10);
    tally_random_shuffle(&r, items, 0);
    tally_random_shuffle(&r, items, 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("random");

    tcase_add_test(t, outputs_are_splitmix64);
    tcase_add_test(t, every_part_of_the_name_changes_the_sequence);
    tcase_add_test(t, numbers_below_a_bound_are_below_and_even);
    tcase_add_test(t, symmetric_numbers_lie_in_the_open_interval);
    tcase_add_test(t, a_shuffle_keeps_every_item_once);
    return tally_suite_run("random", t);
}
