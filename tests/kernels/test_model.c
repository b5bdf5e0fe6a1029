/* test_model.c - kernels/model.c: shapes and their limits, the same start everywhere, scoring. */
#include "kernels/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"
#include "kernels/backend.h"
#include "tests/lib/suite.h"

static void check_equal(double got, double want)
{
    ck_assert_msg(!(got < want) && !(got > want), "%.17g, wanted %.17g", got, want);
}

enum { SMALL_PARAMS = 50 * 64 + 64 + 64 * 32 + 32 + 32 + 1 };
static const struct tally_model SMALL = {
    .inputs = 50, .hidden = {64, 32},
         .n = 2
};

START_TEST(layers_lie_one_after_the_other)
{
    struct tally_layer l[TALLY_LAYERS_MAX];
    size_t params;

    ck_assert_int_eq(tally_model_layers(&SMALL, l, &params), TALLY_OK);
    ck_assert_uint_eq(params, SMALL_PARAMS);
    ck_assert_uint_eq(l[0].w, 0);
    ck_assert_uint_eq(l[0].b, 3200);
    ck_assert_uint_eq(l[1].w, 3264);
    ck_assert_uint_eq(l[1].b, 3264 + 2048);
    ck_assert_uint_eq(l[2].in, 32);
    ck_assert_uint_eq(l[2].out, 1);
    ck_assert_uint_eq(l[2].b, params - 1);
    ck_assert_int_eq(tally_model_layers(&(struct tally_model){.inputs = 7}, NULL, &params),
                     TALLY_OK);
    ck_assert_uint_eq(params, 8);
}
END_TEST

START_TEST(shapes_beyond_the_limits_are_refused)
{
    const struct tally_model bad[] = {
        {.inputs = 0,                    .n = 0                   },
        {.inputs = TALLY_INPUTS_MAX + 1, .n = 0                   },
        {.inputs = UINT32_MAX,           .n = 0                   },
        {.inputs = 4,                    .n = TALLY_HIDDEN_MAX + 1},
        {.inputs = 4,                    .n = UINT32_MAX          },
        {.inputs = 4,                    .n = 1                   },
    };
    const struct tally_model wide[] = {
        {.inputs = 4,                .hidden = {TALLY_WIDTH_MAX + 1},              .n = 1},
        {.inputs = 4,                .hidden = {UINT32_MAX, UINT32_MAX},           .n = 2},
        {.inputs = TALLY_INPUTS_MAX, .hidden = {TALLY_WIDTH_MAX},                  .n = 1},
        {.inputs = 4,                .hidden = {TALLY_WIDTH_MAX, TALLY_WIDTH_MAX}, .n = 2},
    };
    size_t params = 77;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(tally_model_layers(&bad[i], NULL, &params), TALLY_E_CONFIG);
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        ck_assert_int_eq(tally_model_layers(&wide[i], NULL, &params), TALLY_E_CONFIG);
    ck_assert_uint_eq(params, 77);
    struct tally_model deep = {.inputs = 1, .n = TALLY_HIDDEN_MAX};
    for (uint32_t i = 0; i < deep.n; i++) deep.hidden[i] = 1;
    ck_assert_int_eq(tally_model_layers(&deep, NULL, &params), TALLY_OK);
    ck_assert_uint_eq(params, 2 * TALLY_LAYERS_MAX);
}
END_TEST

/* Bits, so that a compiler, a processor or a careless change that starts elsewhere is seen. */
START_TEST(the_same_seed_gives_the_same_bits_everywhere)
{
    float *p = calloc(SMALL_PARAMS, sizeof *p);
    uint8_t d[32];
    char hex[65];

    ck_assert_int_eq(tally_model_init(p, &SMALL, 0.5, 42), TALLY_OK);
    TALLY_SHA256_OF(d, tally_slice_of(p, SMALL_PARAMS * sizeof *p));
    tally_hex(tally_slice_of(d, sizeof d), hex);
    ck_assert_str_eq(hex, "8ac7b3d95b5b3409ba6ce090e45a62e0d088f6ccf9de56d31bda5233f7658a07");
    ck_assert_int_eq(tally_model_init(p, &SMALL, 0.5, 43), TALLY_OK);
    TALLY_SHA256_OF(d, tally_slice_of(p, SMALL_PARAMS * sizeof *p));
    tally_hex(tally_slice_of(d, sizeof d), hex);
    ck_assert_str_ne(hex, "8ac7b3d95b5b3409ba6ce090e45a62e0d088f6ccf9de56d31bda5233f7658a07");
    free(p);
}
END_TEST

START_TEST(weights_fill_their_interval_and_biases_start_at_zero)
{
    struct tally_layer l[TALLY_LAYERS_MAX];
    float p[SMALL_PARAMS];

    ck_assert_int_eq(tally_model_layers(&SMALL, l, NULL), TALLY_OK);
    ck_assert_int_eq(tally_model_init(p, &SMALL, 0.1, 1), TALLY_OK);
    for (uint32_t k = 0; k < 3; k++) {
        double bound = sqrt(6.0 / (double)(k < 2 ? l[k].in : l[k].in + 1));
        double most = 0;
        for (size_t i = 0; i < l[k].in * l[k].out; i++)
            most = fmax(most, fabs((double)p[l[k].w + i]));
        ck_assert(most <= bound && most > 0.85 * bound);
        for (size_t i = 0; k < 2 && i < l[k].out; i++)
            ck_assert(!(p[l[k].b + i] < 0) && !(p[l[k].b + i] > 0));
    }
    ck_assert(fabs((double)p[SMALL_PARAMS - 1] - log(0.1 / 0.9)) < 1e-6);
}
END_TEST

START_TEST(logistic_regression_starts_at_the_prior_alone)
{
    const struct tally_model m = {.inputs = 3};
    static const double priors[] = {0, 0.002, 0.5, 1};
    static const double logits[] = {-13.815509557963774, -6.212606095751519, 0,
                                    13.815509557963774}; /* clamped at 1e-6 */
    const float zeros[3] = {0};
    float p[4];

    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(tally_model_init(p, &m, priors[i], 9), TALLY_OK);
        ck_assert_mem_eq(p, zeros, sizeof zeros);
        ck_assert(fabs((double)p[3] - logits[i]) < 2e-6);
    }
    static const double bad[] = {-0.1, 1.1, (double)NAN};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(tally_model_init(p, &m, bad[i], 9), TALLY_E_CONFIG);
}
END_TEST

enum { ROWS = TALLY_SCORE_BATCH * 2 + 3 };

START_TEST(scores_are_the_formula_s_over_several_batches)
{
    static const char *const names[] = {"ref", "cpu"};
    const struct tally_model m = {.inputs = 2, .hidden = {2}, .n = 1};
    const float params[] = {1, 2, -1, 1, 0.5F, 0, 3, -2, 0.25F};
    float *x = malloc(sizeof(float) * 2 * ROWS);
    float *z = malloc(sizeof(float) * ROWS);
    struct tally_scoring s = {.backend = tally_backend_named(names[_i]),
                              .model = &m,
                              .params = params,
                              .x = x,
                              .rows = ROWS};

    for (size_t i = 0; i < ROWS; i++) {
        x[2 * i] = (float)(i % 17) - 8;
        x[2 * i + 1] = (float)(i % 5) - 2;
    }
    ck_assert_int_eq(tally_model_score(z, &s), TALLY_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double a = (double)x[2 * i];
        double b = (double)x[2 * i + 1];
        double want = 3 * fmax(a + 2 * b + 0.5, 0) - 2 * fmax(b - a, 0) + 0.25;
        check_equal((double)z[i], want); /* small integers and quarters are exact */
    }
    s.rows = 0;
    z[0] = 7;
    ck_assert_int_eq(tally_model_score(z, &s), TALLY_OK);
    check_equal((double)z[0], 7);
    s.rows = ROWS;
    x[2 * ROWS - 1] = NAN;
    ck_assert_int_eq(tally_model_score(z, &s), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "row 1026, feature 1"));
    free(x);
    free(z);
}
END_TEST

START_TEST(models_that_are_not_finite_or_run_over_are_refused)
{
    const struct tally_model m = {.inputs = 1};
    float params[] = {0, 0};
    const float x[] = {1e30F};
    float z;
    const struct tally_scoring s = {
        .backend = tally_backend_named("cpu"), .model = &m, .params = params, .x = x, .rows = 1};

    params[1] = INFINITY;
    ck_assert_int_eq(tally_model_score(&z, &s), TALLY_E_CONFIG);
    params[1] = 0;
    params[0] = 1e30F;
    ck_assert_int_eq(tally_model_score(&z, &s), TALLY_E_STATE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("model");

    tcase_add_test(t, layers_lie_one_after_the_other);
    tcase_add_test(t, shapes_beyond_the_limits_are_refused);
    tcase_add_test(t, the_same_seed_gives_the_same_bits_everywhere);
    tcase_add_test(t, weights_fill_their_interval_and_biases_start_at_zero);
    tcase_add_test(t, logistic_regression_starts_at_the_prior_alone);
    tcase_add_loop_test(t, scores_are_the_formula_s_over_several_batches, 0, 2);
    tcase_add_test(t, models_that_are_not_finite_or_run_over_are_refused);
    return tally_suite_run("model", t);
}
