/* test_robust_lanes.c - kernels/robust*.inc by way of kernels/robust.c: the same bits on every
 * instruction set, slice and number of threads, whatever sites send; and what is refused. */
#include "tests/kernels/robust_fixture.inc"

#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/fault.h"

/* ---- the same bits ---- */

/* rule, bad, picks, rounds, tau, mix */
static const struct tally_robust_settings EVERY[] = {
    {TALLY_ROBUST_MEAN,              0, 0, 0, 0, false},
    {TALLY_ROBUST_NORM_BOUND,        0, 0, 0, 0, false},
    {TALLY_ROBUST_MEDIAN,            0, 0, 0, 0, false},
    {TALLY_ROBUST_TRIMMED_MEAN,      2, 0, 0, 0, false},
    {TALLY_ROBUST_GEOMETRIC_MEDIAN,  0, 0, 0, 0, false},
    {TALLY_ROBUST_GEOMETRIC_MEDIAN,  0, 0, 6, 0, false},
    {TALLY_ROBUST_CENTERED_CLIPPING, 0, 0, 0, 0, false},
    {TALLY_ROBUST_KRUM,              2, 0, 0, 0, false},
    {TALLY_ROBUST_MULTI_KRUM,        2, 0, 0, 0, false},
    {TALLY_ROBUST_MEAN,              2, 0, 0, 0, true },
    {TALLY_ROBUST_MEDIAN,            2, 0, 0, 0, true },
    {TALLY_ROBUST_GEOMETRIC_MEDIAN,  2, 0, 0, 0, true },
    {TALLY_ROBUST_MULTI_KRUM,        2, 0, 0, 0, true },
};
enum { EVERY_N = sizeof EVERY / sizeof EVERY[0] };

START_TEST(every_instruction_set_slice_and_number_of_threads_gives_the_same_bits)
{
    struct fixture *f = make(11, 2 * TALLY_COMBINE_THREAD_MIN + 77);
    const struct tally_robust_lanes *lanes[3];
    size_t sets = lanes_here(lanes);
    float *want = malloc(f->n * sizeof *want);

    f->x.base = f->values;
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    memcpy(want, f->out, f->n * sizeof *want);
    for (size_t k = 0; k < sets; k++) {
        f->lanes = lanes[k];
        f->slice = k == 0 ? 3 * TALLY_GRAM_BLOCK : f->n;
        f->setup.threads = 1 + (uint32_t)k;
        ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
        ck_assert_mem_eq(f->out, want, f->n * sizeof *want);
    }
    free(want);
    drop(f);
}
END_TEST

/* Of each of EVERY on make(11, WIDE): the first bytes of the result's SHA-256, which every compiler
 * and processor must reach. */
static const char *const WRITTEN[EVERY_N] = {
    "30c034427a4719e5", "f15d76482e315613", "02c80582e9eeca21", "764e563287e80304",
    "16cdd5f5afc4a05b", "44f7371f4144a36c", "c1df7b7c7eb34f49", "cffdc2cab2261f6c",
    "3b3f49d63e02296a", "5912f997f8e74595", "a03342db43439512", "2d40a7d4373b547a",
    "d8a4be0fcb897102",
};

START_TEST(the_bits_are_those_written_down_here)
{
    struct fixture *f = make(11, WIDE);
    uint8_t digest[32];
    char hex[17];

    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    TALLY_SHA256_OF(digest, tally_slice_of(f->out, f->n * sizeof *f->out));
    tally_hex(tally_slice_of(digest, 8), hex);
    ck_assert_str_eq(hex, WRITTEN[_i]);
    drop(f);
}
END_TEST

START_TEST(unaligned_deltas_give_the_same_bits)
{
    struct fixture *f = make(12, WIDE);
    float *moved = malloc((12 * (WIDE + 1) + 1) * sizeof *moved);
    float *want = malloc(f->n * sizeof *want);

    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    memcpy(want, f->out, f->n * sizeof *want);
    for (uint32_t s = 0; s < 12; s++) {
        float *row = moved + 1 + s * (f->n + 1);
        memcpy(row, f->deltas[s], f->n * sizeof *row);
        f->deltas[s] = row;
    }
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    ck_assert_mem_eq(f->out, want, f->n * sizeof *want);
    free(moved);
    free(want);
    drop(f);
}
END_TEST

START_TEST(the_base_may_be_overwritten_in_place)
{
    struct fixture *f = make(10, 3001);
    float *base = malloc(f->n * sizeof *base);
    float *out = f->out;

    memcpy(base, f->values, f->n * sizeof *base);
    f->x.base = base;
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    struct tally_robust r = {0};
    ck_assert_int_eq(tally_robust_init(&r, &f->setup), TALLY_OK);
    f->out = base;
    ck_assert_int_eq(passes(f, &r), TALLY_OK);
    ck_assert_mem_eq(base, out, f->n * sizeof *base);
    tally_robust_free(&r);
    f->out = out;
    free(base);
    drop(f);
}
END_TEST

/* ---- what sites may send ---- */

START_TEST(a_value_that_is_not_finite_is_refused_with_the_lowest_site)
{
    const float bad[] = {INFINITY, -INFINITY, NAN};

    for (size_t k = 0; k < 3; k++) {
        struct fixture *f = make(11, 5000);
        f->slice = TALLY_GRAM_BLOCK;
        f->weights[4] = 0;
        f->values[7 * f->n + 3] = bad[k];
        f->values[4 * f->n + 9] = bad[k];
        ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
        ck_assert_uint_eq(f->bad_site, 4);
        f->values[4 * f->n + 9] = 0;
        f->values[7 * f->n + 3] = 0;
        f->values[10 * f->n + f->n - 1] = bad[k];
        ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_E_UNTRUSTED);
        ck_assert_uint_eq(f->bad_site, 10);
        drop(f);
    }
}
END_TEST

START_TEST(huge_tiny_and_equal_values_leave_a_finite_result)
{
    static const float extremes[] = {
        0x1.fffffep127F, -0x1.fffffep127F, 0x1p-149F, -0x1p-149F, 0x1p-126F, 0.0F, -0.0F};
    struct fixture *f = make(11, 300);

    for (size_t e = 0; e < sizeof extremes / sizeof extremes[0]; e++) {
        for (size_t i = 0; i < 11 * f->n; i++) f->values[i] = extremes[e];
        ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
        for (size_t i = 0; i < f->n; i++)
            ck_assert_double_le(fabs((double)f->out[i] - (double)extremes[e]),
                                fabs((double)extremes[e]) * 1e-6);
    }
    drop(f);
}
END_TEST

START_TEST(two_enormous_deltas_of_eleven_do_not_carry_the_result_away)
{
    struct fixture *f = make(11, 500);
    enum tally_robust_rule rule = EVERY[_i].rule;

    for (size_t i = 0; i < 2 * f->n; i++) f->values[i] = i % 2 == 0 ? 1e30F : -1e30F;
    for (uint32_t s = 0; s < 11; s++) f->weights[s] = 100;
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    double norm2 = 0;
    for (size_t i = 0; i < f->n; i++) norm2 += (double)f->out[i] * (double)f->out[i];
    if (rule == TALLY_ROBUST_MEAN || EVERY[_i].rounds > 0)
        ck_assert_double_gt(sqrt(norm2), 1e3); /* what the others are for; six steps are too few */
    else
        ck_assert_double_lt(sqrt(norm2), 30); /* an honest delta has about 15 */
    drop(f);
}
END_TEST

START_TEST(a_base_or_result_beyond_float_is_no_site_s_fault)
{
    struct fixture *f = make(11, 100);
    float *base = calloc(f->n, sizeof *base);

    f->x.base = base;
    base[99] = NAN;
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_E_STATE);
    base[99] = 0x1.fffffep127F;
    for (size_t i = 0; i < 11 * f->n; i++) f->values[i] = 0x1.fffffep127F;
    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_E_STATE);
    ck_assert_uint_eq(f->bad_site, 99);
    free(base);
    drop(f);
}
END_TEST

START_TEST(nothing_to_combine_is_fine)
{
    struct fixture *f = make(11, 0);

    ck_assert_int_eq(combine(f, EVERY[_i]), TALLY_OK);
    drop(f);
}
END_TEST

/* ---- refusals ---- */

static const struct refusal {
    int rule;
    uint32_t bad, picks, rounds;
    double tau;
    bool mix;
    uint32_t sites;
    enum tally_status want;
} REFUSALS[] = {
    {0,                             0,          0, 0,    0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_MULTI_KRUM + 1,   0,          0, 0,    0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_TRIMMED_MEAN,     2,          0, 0,    0,           false, 4,    TALLY_E_CONFIG},
    {TALLY_ROBUST_TRIMMED_MEAN,     2,          0, 0,    0,           false, 5,    TALLY_OK      },
    {TALLY_ROBUST_TRIMMED_MEAN,     UINT32_MAX, 0, 0,    0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_KRUM,             1,          0, 0,    0,           false, 4,    TALLY_E_CONFIG},
    {TALLY_ROBUST_KRUM,             1,          0, 0,    0,           false, 5,    TALLY_OK      },
    {TALLY_ROBUST_KRUM,             UINT32_MAX, 0, 0,    0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_MULTI_KRUM,       0,          6, 0,    0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_GEOMETRIC_MEDIAN, 0,          0, 1001, 0,           false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_NORM_BOUND,       0,          0, 0,    -1,          false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_NORM_BOUND,       0,          0, 0,    HUGE_VAL,    false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_NORM_BOUND,       0,          0, 0,    (double)NAN, false, 5,    TALLY_E_CONFIG},
    {TALLY_ROBUST_MEAN,             3,          0, 0,    0,           true,  6,    TALLY_E_CONFIG},
    {TALLY_ROBUST_MEDIAN,           0,          0, 0,    0,           false, 0,    TALLY_E_LIMIT },
    {TALLY_ROBUST_MEDIAN,           0,          0, 0,    0,           false, 65,   TALLY_E_LIMIT },
    {TALLY_ROBUST_MEAN,             0,          0, 0,    0,           true,  65,   TALLY_E_LIMIT },
    {TALLY_ROBUST_KRUM,             0,          0, 0,    0,           false, 257,  TALLY_E_LIMIT },
    {TALLY_ROBUST_KRUM,             0,          0, 0,    0,           false, 256,  TALLY_OK      },
    {TALLY_ROBUST_MEAN,             0,          0, 0,    0,           false, 1025, TALLY_E_LIMIT },
    {TALLY_ROBUST_MEAN,             0,          0, 0,    0,           false, 1024, TALLY_OK      },
};

START_TEST(settings_that_make_no_sense_are_refused)
{
    static uint32_t weights[1025];
    struct tally_robust r = {0};

    for (size_t i = 0; i < 1025; i++) weights[i] = 1;
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        const struct refusal *x = &REFUSALS[i];
        struct tally_robust_setup setup = {
            .settings = {.rule = (enum tally_robust_rule)x->rule,
                         .bad = x->bad,
                         .picks = x->picks,
                         .rounds = x->rounds,
                         .tau = x->tau,
                         .mix = x->mix},
            .sites = x->sites,
            .weights = weights,
            .threads = 1
        };
        enum tally_status s = tally_robust_init(&r, &setup);
        ck_assert_msg(s == x->want, "%zu: %s", i, tally_status_name(s));
        tally_robust_free(&r);
    }
}
END_TEST

START_TEST(weights_threads_and_centres_out_of_place_are_refused)
{
    struct fixture *f = make(4, 10);
    const struct tally_robust_settings norm = {.rule = TALLY_ROBUST_NORM_BOUND};
    const struct tally_robust_settings median = {.rule = TALLY_ROBUST_MEDIAN};

    f->weights[1] = TALLY_COMBINE_WEIGHT_END;
    ck_assert_int_eq(combine(f, norm), TALLY_E_LIMIT);
    memset(f->weights, 0, sizeof f->weights);
    ck_assert_int_eq(combine(f, norm), TALLY_E_STATE);
    ck_assert_int_eq(combine(f, median), TALLY_OK);
    f->setup.centre = true;
    ck_assert_int_eq(combine(f, median), TALLY_E_CONFIG);
    f->setup.centre = false;
    f->setup.threads = 0;
    ck_assert_int_eq(combine(f, median), TALLY_E_LIMIT);
    f->setup.threads = TALLY_SHARES_THREADS_MAX + 1;
    ck_assert_int_eq(combine(f, median), TALLY_E_LIMIT);
    drop(f);
}
END_TEST

START_TEST(memory_that_is_missing_is_an_error_and_leaks_nothing)
{
    struct fixture *f = make(5, 10);
    struct tally_robust r = {0};

    f->setup.settings = EVERY[_i];
    f->setup.settings.bad = 1;
    f->setup.weights = f->weights;
    TALLY_EACH_FAULT(tally_robust_init(&r, &f->setup), tally_robust_free(&r));
    drop(f);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("robust_lanes");

    tcase_add_loop_test(t, every_instruction_set_slice_and_number_of_threads_gives_the_same_bits, 0,
                        EVERY_N);
    tcase_add_loop_test(t, the_bits_are_those_written_down_here, 0, EVERY_N);
    tcase_add_loop_test(t, unaligned_deltas_give_the_same_bits, 0, EVERY_N);
    tcase_add_loop_test(t, the_base_may_be_overwritten_in_place, 0, EVERY_N);
    tcase_add_loop_test(t, a_value_that_is_not_finite_is_refused_with_the_lowest_site, 0, EVERY_N);
    tcase_add_loop_test(t, huge_tiny_and_equal_values_leave_a_finite_result, 0, EVERY_N);
    tcase_add_loop_test(t, two_enormous_deltas_of_eleven_do_not_carry_the_result_away, 0, EVERY_N);
    tcase_add_loop_test(t, a_base_or_result_beyond_float_is_no_site_s_fault, 0, EVERY_N);
    tcase_add_loop_test(t, nothing_to_combine_is_fine, 0, EVERY_N);
    tcase_add_test(t, settings_that_make_no_sense_are_refused);
    tcase_add_test(t, weights_threads_and_centres_out_of_place_are_refused);
    tcase_add_loop_test(t, memory_that_is_missing_is_an_error_and_leaks_nothing, 0, EVERY_N);
    return tally_suite_run("robust_lanes", t);
}
