/* test_metrics.c - kernels/metrics.c against vectors/eval/histogram_auc.json (scikit-learn 1.2),
 * small cases worked out by hand, and a quadratic count of pairs. */
#include <math.h>
#include <string.h>

#include "kernels/metrics.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static void check_equal(double got, double want)
{
    ck_assert_msg(!(got < want) && !(got > want), "%.17g, wanted %.17g", got, want);
}

enum { ROWS_MAX = 600 };
static const double TOLERANCE = 1e-12;

static void check_near(double got, double want)
{
    ck_assert_msg(fabs(got - want) <= TOLERANCE, "%.17g, wanted %.17g", got, want);
}

static double field(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

struct rows {
    float logit[ROWS_MAX], y[ROWS_MAX];
    size_t n;
};

static struct rows published(const json_t *j)
{
    struct rows r = {0};

    r.n = json_array_size(json_object_get(j, "logit"));
    ck_assert_uint_eq(r.n, ROWS_MAX);
    for (size_t i = 0; i < r.n; i++) {
        r.logit[i] = (float)json_number_value(json_array_get(json_object_get(j, "logit"), i));
        r.y[i] = (float)json_number_value(json_array_get(json_object_get(j, "y"), i));
    }
    return r;
}

START_TEST(exact_metrics_match_scikit_learn)
{
    json_t *j = tally_vectors_json("vectors/eval/histogram_auc.json");
    struct rows r = published(j);
    struct tally_metrics m;

    ck_assert_int_eq(tally_metrics_exact(
                         &m, &(struct tally_scored){.rows = r.n, .logit = r.logit, .y = r.y}, 0.01),
                     TALLY_OK);
    check_near(m.roc_auc, field(json_object_get(j, "exact"), "roc_auc"));
    check_near(m.auc_pr, field(json_object_get(j, "exact"), "average_precision"));
    check_equal(m.positives, 33);
    check_equal(m.negatives, 567);
    check_equal(m.roc_auc_error, 0);
    json_decref(j);
}
END_TEST

static size_t bin_of(const char *name, double logit, size_t bins)
{
    double at = strncmp(name, "uniform_prob", 12) == 0 ? 1 / (1 + exp(-logit)) * (double)bins
                                                       : (logit + 8) / 16 * (double)bins;

    return (size_t)fmin(fmax(floor(at), 0), (double)(bins - 1));
}

static void check_binned(const json_t *b, const struct rows *r)
{
    const char *name = json_string_value(json_object_get(b, "name"));
    size_t bins = (size_t)field(b, "bins");
    uint64_t pos[TALLY_HISTOGRAM_BINS] = {0};
    uint64_t neg[TALLY_HISTOGRAM_BINS] = {0};
    struct tally_metrics m;
    size_t i;
    json_t *pair;

    for (i = 0; i < r->n; i++) (r->y[i] > 0 ? pos : neg)[bin_of(name, (double)r->logit[i], bins)]++;
    json_array_foreach(json_object_get(b, "nz_pos"), i, pair)
        ck_assert_uint_eq(pos[json_integer_value(json_array_get(pair, 0))],
                          (uint64_t)json_integer_value(json_array_get(pair, 1)));
    ck_assert_int_eq(
        tally_metrics_bins(&m, (struct tally_bins){.pos = pos, .neg = neg, .bins = bins}, 0.01),
        TALLY_OK);
    check_near(m.roc_auc, field(b, "auc"));
    check_near(m.auc_pr, field(b, "ap"));
    check_near(m.roc_auc_error, field(b, "auc_abs_error_bound"));
    check_equal(m.negatives, field(b, "sum_neg"));
}

START_TEST(binned_metrics_match_scikit_learn_on_bin_numbers)
{
    json_t *j = tally_vectors_json("vectors/eval/histogram_auc.json");
    struct rows r = published(j);
    size_t i;
    json_t *b;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "binned")), 3);
    json_array_foreach(json_object_get(j, "binned"), i, b) check_binned(b, &r);
    json_decref(j);
}
END_TEST

/* Doubling the logits turns the published grid of 4096 bins over [-8, 8) into ours. */
START_TEST(the_histogram_counts_into_the_published_bins)
{
    json_t *j = tally_vectors_json("vectors/eval/histogram_auc.json");
    const json_t *want = json_array_get(json_object_get(j, "binned"), 2);
    struct rows r = published(j);
    struct tally_histogram h = {0};
    struct tally_metrics m;
    size_t i;
    json_t *pair;

    for (i = 0; i < r.n; i++) r.logit[i] *= 2;
    ck_assert_int_eq(
        tally_histogram_count(&h, &(struct tally_scored){.rows = r.n, .logit = r.logit, .y = r.y}),
        TALLY_OK);
    json_array_foreach(json_object_get(want, "nz_pos"), i, pair)
        ck_assert_uint_eq(h.pos[json_integer_value(json_array_get(pair, 0))],
                          (uint64_t)json_integer_value(json_array_get(pair, 1)));
    ck_assert_int_eq(tally_metrics_histogram(&m, &h, 0.01), TALLY_OK);
    check_near(m.roc_auc, field(want, "auc"));
    check_near(m.auc_pr, field(want, "ap"));
    json_decref(j);
}
END_TEST

START_TEST(a_small_case_with_ties_is_as_worked_out_by_hand)
{
    /* Groups from the top: (1 pos), (1 pos, 1 neg), (1 neg), (1 pos, 1 neg). */
    const float logit[] = {3, 2, 2, 1, -0.0F, 0.0F};
    const float y[] = {1, 1, 0, 0, 1, 0};
    const struct tally_scored s = {.rows = 6, .logit = logit, .y = y};
    struct tally_metrics m;

    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0), TALLY_OK);
    check_near(m.auc_pr, (1.0 + 2.0 / 3 + 3.0 / 6) / 3);
    check_near(m.roc_auc, (3 + 2.5 + 0.5) / 9);
    check_near(m.recall, 1.0 / 3);
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.33), TALLY_OK);
    check_near(m.recall, 1.0 / 3); /* one of three negatives is .333 */
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.34), TALLY_OK);
    check_near(m.recall, 2.0 / 3);
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 1), TALLY_OK);
    check_near(m.recall, 1);
}
END_TEST

START_TEST(ties_at_the_threshold_are_not_split)
{
    const float logit[] = {1, 1, 1, 0};
    const float y[] = {1, 0, 0, 0};
    struct tally_metrics m;

    ck_assert_int_eq(
        tally_metrics_exact(&m, &(struct tally_scored){.rows = 4, .logit = logit, .y = y}, 0.34),
        TALLY_OK);
    check_equal(m.recall, 0);
}
END_TEST

START_TEST(a_share_that_means_whole_rows_allows_them_all)
{
    float logit[101];
    float y[101] = {0};
    struct tally_metrics m;

    for (int i = 0; i < 101; i++) logit[i] = (float)-i;
    y[29] = 1; /* 29 negatives above it; .29 * 100 is 28.999... in float64 */
    const struct tally_scored s = {.rows = 101, .logit = logit, .y = y};
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.29), TALLY_OK);
    check_equal(m.recall, 1);
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.2899), TALLY_OK);
    check_equal(m.recall, 0);
}
END_TEST

START_TEST(a_weight_counts_as_so_many_rows)
{
    const float logit[] = {2, 1, 1, 0, -1, 5};
    const float y[] = {1, 0, 1, 0, 1, 0};
    const float weight[] = {1, 2, 3, 1, 1, 0};
    const float many_logit[] = {2, 1, 1, 1, 1, 1, 0, -1};
    const float many_y[] = {1, 0, 0, 1, 1, 1, 0, 1};
    struct tally_metrics a;
    struct tally_metrics b;

    ck_assert_int_eq(
        tally_metrics_exact(
            &a, &(struct tally_scored){.rows = 6, .logit = logit, .y = y, .weight = weight}, 0.7),
        TALLY_OK);
    ck_assert_int_eq(
        tally_metrics_exact(&b, &(struct tally_scored){.rows = 8, .logit = many_logit, .y = many_y},
                            0.7),
        TALLY_OK);
    check_near(a.auc_pr, b.auc_pr);
    check_near(a.roc_auc, b.roc_auc);
    check_near(a.recall, b.recall);
}
END_TEST

static double pairs_won(const struct rows *r)
{
    double won = 0;

    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->n; k++) {
            if (!(r->y[i] > 0) || r->y[k] > 0) continue;
            if (r->logit[i] > r->logit[k]) won += 1;
            if (!(r->logit[i] > r->logit[k]) && !(r->logit[i] < r->logit[k])) won += 0.5;
        }
    }
    return won;
}

START_TEST(the_area_counts_pairs_and_the_histogram_keeps_its_bound)
{
    struct tally_random random = tally_random_from(3, 0, (uint64_t)_i);
    struct rows r = {.n = 300 + (size_t)_i};
    struct tally_metrics m;
    struct tally_metrics binned;
    struct tally_histogram h = {0};

    for (size_t i = 0; i < r.n; i++) {
        r.y[i] = tally_random_below(&random, 4) == 0 ? 1.0F : 0.0F;
        r.logit[i] = tally_random_symmetric(&random) * 0.2F + r.y[i] * 0.1F;
        if (_i % 2 == 0) r.logit[i] = roundf(r.logit[i] * 50) / 50 * 100; /* ties, clamping */
    }
    const struct tally_scored s = {.rows = r.n, .logit = r.logit, .y = r.y};
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.05), TALLY_OK);
    check_near(m.roc_auc, pairs_won(&r) / (m.positives * m.negatives));
    ck_assert_int_eq(tally_histogram_count(&h, &s), TALLY_OK);
    ck_assert_int_eq(tally_metrics_histogram(&binned, &h, 0.05), TALLY_OK);
    ck_assert(binned.roc_auc_error > 0);
    ck_assert(fabs(binned.roc_auc - m.roc_auc) <= binned.roc_auc_error + 1e-15);
}
END_TEST

START_TEST(bins_are_clamped_at_both_ends)
{
    ck_assert_uint_eq(tally_histogram_bin(-(double)INFINITY), 0);
    ck_assert_uint_eq(tally_histogram_bin(-16.5), 0);
    ck_assert_uint_eq(tally_histogram_bin(-16), 0);
    ck_assert_uint_eq(tally_histogram_bin(-16 + 1.0 / 128), 1);
    ck_assert_uint_eq(tally_histogram_bin(0), 2048);
    ck_assert_uint_eq(tally_histogram_bin(-1e-9), 2047);
    ck_assert_uint_eq(tally_histogram_bin(nextafter(16, 0)), 4095);
    ck_assert_uint_eq(tally_histogram_bin(16), 4095);
    ck_assert_uint_eq(tally_histogram_bin((double)INFINITY), 4095);
}
END_TEST

START_TEST(rows_without_weight_are_not_counted)
{
    const float logit[] = {0, 0, 0};
    const float y[] = {1, 0, 1};
    const float weight[] = {0, 2.5F, 0.5F};
    const struct tally_scored s = {.rows = 3, .logit = logit, .y = y, .weight = weight};
    struct tally_histogram h = {0};

    ck_assert_int_eq(tally_histogram_count(&h, &s), TALLY_OK);
    ck_assert_uint_eq(h.pos[2048], 1);
    ck_assert_uint_eq(h.neg[2048], 1);
}
END_TEST

START_TEST(missing_classes_are_undecided)
{
    const float logit[] = {1, 2, 3};
    const float none[] = {0, 0, 0};
    const float all[] = {1, 1, 1};
    const float mixed[] = {1, 0, 0};
    const float weight[] = {0, 1, 1};
    const struct tally_histogram empty = {0};
    const struct tally_scored bad[] = {
        {.rows = 3, .logit = logit, .y = none,  .weight = NULL  },
        {.rows = 3, .logit = logit, .y = all,   .weight = NULL  },
        {.rows = 0, .logit = NULL,  .y = NULL,  .weight = NULL  },
        {.rows = 3, .logit = logit, .y = mixed, .weight = weight},
    };
    struct tally_metrics m;

    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(tally_metrics_exact(&m, &bad[i], 0.01), TALLY_E_UNDECIDED);
    ck_assert_int_eq(tally_metrics_histogram(&m, &empty, 0.01), TALLY_E_UNDECIDED);
}
END_TEST

START_TEST(bad_values_are_refused_and_change_nothing)
{
    const float good_logit[] = {1, 2};
    const float good_y[] = {0, 1};
    const float bad_logit[] = {1, NAN};
    const float bad_y[][2] = {
        {0,  0.5F},
        {0,  NAN },
        {0,  2   },
        {-1, 1   }
    };
    const float bad_weight[][2] = {
        {1, -1      },
        {1, NAN     },
        {1, INFINITY}
    };
    struct tally_histogram h = {0};
    const struct tally_histogram zero = {0};
    struct tally_scored s = {.rows = 2, .logit = bad_logit, .y = good_y};
    struct tally_metrics m;

    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.01), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_histogram_count(&h, &s), TALLY_E_CONFIG);
    s.logit = good_logit;
    for (size_t i = 0; i < 4; i++) {
        s.y = bad_y[i];
        ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.01), TALLY_E_CONFIG);
        ck_assert_int_eq(tally_histogram_count(&h, &s), TALLY_E_CONFIG);
    }
    s.y = good_y;
    for (size_t i = 0; i < 3; i++) {
        s.weight = bad_weight[i];
        ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.01), TALLY_E_CONFIG);
        ck_assert_int_eq(tally_histogram_count(&h, &s), TALLY_E_CONFIG);
    }
    s.weight = NULL;
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 1.5), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_metrics_exact(&m, &s, (double)NAN), TALLY_E_CONFIG);
    ck_assert_mem_eq(&h, &zero, sizeof h);
}
END_TEST

START_TEST(histograms_add_exactly_and_refuse_what_no_double_holds)
{
    struct tally_histogram a = {0};
    struct tally_histogram b = {0};

    a.pos[7] = 5;
    b.pos[7] = 6;
    b.neg[4095] = 1;
    ck_assert_int_eq(tally_histogram_add(&a, &b), TALLY_OK);
    ck_assert_uint_eq(a.pos[7], 11);
    ck_assert_uint_eq(a.neg[4095], 1);
    const uint64_t too_many[] = {UINT64_C(1) << 53, UINT64_MAX, (UINT64_C(1) << 53) - 12};
    for (size_t i = 0; i < 3; i++) {
        struct tally_histogram before = a;
        struct tally_metrics m;
        b.neg[0] = too_many[i];
        ck_assert_int_eq(tally_histogram_add(&a, &b), TALLY_E_LIMIT);
        ck_assert_mem_eq(&a, &before, sizeof a);
        if (i < 2) ck_assert_int_eq(tally_metrics_histogram(&m, &b, 0.01), TALLY_E_LIMIT);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("metrics");

    tcase_add_test(t, exact_metrics_match_scikit_learn);
    tcase_add_test(t, binned_metrics_match_scikit_learn_on_bin_numbers);
    tcase_add_test(t, the_histogram_counts_into_the_published_bins);
    tcase_add_test(t, a_small_case_with_ties_is_as_worked_out_by_hand);
    tcase_add_test(t, ties_at_the_threshold_are_not_split);
    tcase_add_test(t, a_share_that_means_whole_rows_allows_them_all);
    tcase_add_test(t, a_weight_counts_as_so_many_rows);
    tcase_add_loop_test(t, the_area_counts_pairs_and_the_histogram_keeps_its_bound, 0, 10);
    tcase_add_test(t, bins_are_clamped_at_both_ends);
    tcase_add_test(t, rows_without_weight_are_not_counted);
    tcase_add_test(t, missing_classes_are_undecided);
    tcase_add_test(t, bad_values_are_refused_and_change_nothing);
    tcase_add_test(t, histograms_add_exactly_and_refuse_what_no_double_holds);
    return tally_suite_run("metrics", t);
}
