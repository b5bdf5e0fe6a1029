/* test_decay.c - kernels/decay.c: known digits, long double, and itself at twice the precision. */
#include "kernels/decay.h"

#include <math.h>
#include <string.h>

#include "kernels/random.h"
#include "tests/lib/suite.h"

enum { LIMBS = TALLY_DECAY_LIMBS_MAX };

/* |a - b| in units of the last place; both below 2^64 apart. */
static uint64_t apart(const uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t borrow = 0;
    uint64_t diff[LIMBS + 1];

    for (size_t i = 0; i < n; i++) {
        diff[i] = a[i] - b[i] - borrow;
        borrow = a[i] < b[i] || (a[i] == b[i] && borrow != 0);
    }
    if (borrow == 0) {
        for (size_t i = 1; i < n; i++) ck_assert_uint_eq(diff[i], 0);
        return diff[0];
    }
    for (size_t i = 1; i < n; i++) ck_assert_uint_eq(diff[i], UINT64_MAX);
    return 0 - diff[0];
}

START_TEST(digits_are_those_of_an_arbitrary_precision_library)
{
    static const struct {
        uint64_t num;
        uint32_t shift;
        uint64_t want[5];
    } known[] = {
        {1,           0,  {0x3024b9d0a507daed, 0xda9805aab56c7733, 0xbadec7829054f90d, 0x5e2d58d8b3bcdf1a, 0}},
        {1,           63, {0xaaaaaaaaaaaaaaab, 0xfffffffffffffffe, 0x1, 0xfffffffffffffffe, 0}               },
        {40000000001, 30, {0x194fe8ff6956cc2, 0x58cf065f10d606da, 0x553c9228f63ae2b3, 0x4c6, 0}              },
        {16383,       0,  {0, 0, 0, 0, 0}                                                                    },
        {0,           13, {0, 0, 0, 0, 1}                                                                    },
    };
    uint64_t f[LIMBS + 1];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        tally_decay(f, known[i].num, known[i].shift, 4);
        ck_assert_uint_lt(apart(f, known[i].want, 5), TALLY_DECAY_ERROR);
    }
}
END_TEST

START_TEST(every_precision_agrees_with_the_highest)
{
    struct tally_random r = tally_random_from(1, 2, 3);
    uint64_t best[LIMBS + 1];
    uint64_t f[LIMBS + 1];

    for (int i = 0; i < 400; i++) {
        uint32_t shift = tally_random_below(&r, 64);
        uint32_t bits = tally_random_below(&r, shift + 14) + 1; /* t < 2^14 */
        tally_wide num = (tally_wide)tally_random_u64(&r) << 32 | tally_random_u64(&r) >> 32;
        num >>= 96 - bits;
        long double t = ldexpl((long double)num, -(int)shift);
        tally_decay(best, num, shift, LIMBS);
        for (size_t limbs = TALLY_DECAY_LIMBS_MIN; limbs < LIMBS; limbs++) {
            tally_decay(f, num, shift, limbs);
            ck_assert_uint_le(apart(f, best + LIMBS - limbs, limbs + 1), TALLY_DECAY_ERROR);
        }
        long double near = (long double)best[LIMBS] + ldexpl((long double)best[LIMBS - 1], -64) +
                           ldexpl((long double)best[LIMBS - 2], -128);
        ck_assert(fabsl(near - expl(-t)) <= 0x1p-62L * (1 + t) * expl(-t) + 0x1p-127L);
    }
}
END_TEST

START_TEST(powers_of_one_factor_multiply)
{
    /* e^-t squared is e^-2t: through another path, as the halvings differ */
    uint64_t one[3];
    uint64_t two[3];

    for (uint64_t num = 1; num < 3000; num += 7) {
        tally_decay(one, num, 10, 2);
        tally_decay(two, 2 * num, 10, 2);
        tally_wide square = (tally_wide)one[1] * one[1];
        tally_wide cross = ((tally_wide)one[1] * one[0]) >> 63;
        tally_wide got = (tally_wide)two[1] << 64 | two[0];
        tally_wide diff = square + cross > got ? square + cross - got : got - square - cross;
        ck_assert(diff < 16);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("decay");

    tcase_add_test(t, digits_are_those_of_an_arbitrary_precision_library);
    tcase_add_test(t, every_precision_agrees_with_the_highest);
    tcase_add_test(t, powers_of_one_factor_multiply);
    return tally_suite_run("decay", t);
}
