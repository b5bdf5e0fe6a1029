/* test_scorer.c - kernels/scorer.c: rows alone and together, and what it refuses. */
#include "kernels/scorer.h"

#include <math.h>
#include <string.h>

#include "kernels/random.h"
#include "tests/lib/suite.h"

enum { ROWS = 1100, INPUTS = 30, PARAMS = 30 * 40 + 40 + 40 * 7 + 7 + 7 + 1 };

static const struct tally_model NET = {
    .inputs = INPUTS, .hidden = {40, 7},
         .n = 2
};
static const char *const NAMES[] = {"ref", "ref64", "cpu"};

static float params[PARAMS], x[ROWS * INPUTS], logits[ROWS];

static void fresh(void)
{
    struct tally_random r = tally_random_from(4, 4, 4);

    for (size_t i = 0; i < ROWS * INPUTS; i++) x[i] = tally_random_symmetric(&r);
    ck_assert_int_eq(tally_model_init(params, &NET, 0.2, 9), TALLY_OK);
}

START_TEST(a_row_alone_has_the_logit_it_has_among_others)
{
    struct tally_scorer s = {0};
    static double first[INPUTS];

    fresh();
    ck_assert_int_eq(tally_scorer_init(&s, tally_backend_named(NAMES[_i]), &NET, params), TALLY_OK);
    ck_assert_int_eq(tally_scorer_run(&s, logits, x, ROWS), TALLY_OK);
    for (size_t i = 0; i < ROWS; i += 13) {
        float alone = NAN;
        ck_assert_int_eq(tally_scorer_run(&s, &alone, x + i * INPUTS, 1), TALLY_OK);
        ck_assert_mem_eq(&alone, &logits[i], sizeof alone);
    }
    ck_assert_int_eq(tally_scorer_run(&s, NULL, NULL, 0), TALLY_OK);
    for (size_t k = 0; k < INPUTS; k++) first[k] = (double)x[k];
    double sum = 0; /* the first row by hand */
    double hidden[40];
    double second[7];
    for (size_t o = 0; o < 40; o++) {
        hidden[o] = (double)params[30 * 40 + o];
        for (size_t k = 0; k < INPUTS; k++) hidden[o] += first[k] * (double)params[o * INPUTS + k];
        hidden[o] = fmax(hidden[o], 0);
    }
    const float *w = params + 30 * 40 + 40;
    for (size_t o = 0; o < 7; o++) {
        second[o] = (double)w[280 + o];
        for (size_t k = 0; k < 40; k++) second[o] += hidden[k] * (double)w[o * 40 + k];
        sum += fmax(second[o], 0) * (double)w[287 + o];
    }
    ck_assert_double_eq_tol((double)logits[0], sum + (double)w[294], 1e-5);
    tally_scorer_free(&s);
    tally_scorer_free(&s);
}
END_TEST

START_TEST(what_is_not_finite_is_refused_by_place)
{
    struct tally_scorer s = {0};

    fresh();
    params[77] = NAN;
    ck_assert_int_eq(tally_scorer_init(&s, tally_backend_named("cpu"), &NET, params),
                     TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "parameter 77"));
    ck_assert_ptr_null(s.params);
    params[77] = 0;
    ck_assert_int_eq(tally_scorer_init(&s, tally_backend_named("cpu"), &NET, params), TALLY_OK);
    x[900 * INPUTS + 3] = INFINITY;
    ck_assert_int_eq(tally_scorer_run(&s, logits, x, ROWS), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "row 900, feature 3"));
    for (size_t k = 0; k < INPUTS; k++) x[900 * INPUTS + k] = params[k] > 0 ? 3e38F : -3e38F;
    ck_assert_int_eq(tally_scorer_run(&s, logits, x, ROWS), TALLY_E_STATE);
    tally_scorer_free(&s);
}
END_TEST

static int allocations_left;

static void *scarce(size_t n)
{
    return allocations_left-- > 0 ? tally_backend_ref.alloc(n) : NULL;
}

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct tally_backend poor = tally_backend_ref;
    struct tally_scorer s = {0};

    fresh();
    poor.alloc = scarce;
    for (int have = 0; have < 2; have++) {
        allocations_left = have;
        ck_assert_int_eq(tally_scorer_init(&s, &poor, &NET, params), TALLY_E_NOMEM);
        ck_assert_ptr_null(s.params);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("scorer");

    tcase_add_loop_test(t, a_row_alone_has_the_logit_it_has_among_others, 0, 3);
    tcase_add_test(t, what_is_not_finite_is_refused_by_place);
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    return tally_suite_run("scorer", t);
}
