/* test_values.c - kernels/values.c: every bad number is found, where it is, and nothing else. */
#include "kernels/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"

START_TEST(the_finite_check_finds_the_first_bad_value_anywhere)
{
    enum { N = 600 };
    float *x = calloc(N, sizeof *x); /* exact size: a sanitizer sees one too far */
    size_t at;

    x[3] = 0x1.fffffep127F;
    x[4] = 0x1p-149F;
    x[5] = -0.0F;
    ck_assert(tally_values_finite(x, N, &at));
    ck_assert(tally_values_finite(x, 0, &at));
    for (size_t i = N; i-- > 0;) {
        x[i] = i % 2 == 0 ? NAN : -INFINITY;
        ck_assert(!tally_values_finite(x, N, &at));
        ck_assert_uint_eq(at, i);
        ck_assert(tally_values_finite(x, i, NULL));
    }
    free(x);
}
END_TEST

START_TEST(labels_are_zero_or_one_and_weights_finite)
{
    static const float labels[] = {0.5F, -1, 2, 0x1.000002p0F, 0x1p-149F, NAN, INFINITY, -INFINITY};
    static const float weights[] = {-0x1p-149F, -1, NAN, INFINITY, -INFINITY};
    float y[] = {0, 1, -0.0F};
    float weight[] = {0, 0x1p-149F, 0x1.fffffep127F};

    ck_assert_int_eq(tally_values_rows(y, weight, 3), TALLY_OK);
    ck_assert_int_eq(tally_values_rows(y, NULL, 3), TALLY_OK);
    ck_assert_int_eq(tally_values_rows(NULL, NULL, 0), TALLY_OK);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        y[2] = labels[i];
        ck_assert_int_eq(tally_values_rows(y, weight, 3), TALLY_E_CONFIG);
        ck_assert_ptr_nonnull(strstr(tally_why(), "row 2: the label"));
        ck_assert_int_eq(tally_values_rows(y, weight, 2), TALLY_OK);
    }
    y[2] = 1;
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        weight[2] = weights[i];
        ck_assert_int_eq(tally_values_rows(y, weight, 3), TALLY_E_CONFIG);
        ck_assert_ptr_nonnull(strstr(tally_why(), "row 2: the weight"));
        ck_assert_int_eq(tally_values_rows(y, NULL, 3), TALLY_OK);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("values");

    tcase_add_test(t, the_finite_check_finds_the_first_bad_value_anywhere);
    tcase_add_test(t, labels_are_zero_or_one_and_weights_finite);
    return tally_suite_run("values", t);
}
