/* test_trainer.c - agent/trainer.c: a table and a job to moments, deltas and evaluations; the same
 * bits each time, and alone the same as one site in rounds. */
#include "agent/trainer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "kernels/combine.h"
#include "kernels/metrics.h"
#include "tests/common/schema_for_tests.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { ROWS = 400, PARAMS_MAX = 512 };

static char path[128];
static struct tally_column columns[TEST_COLUMNS];
static struct tally_job job;
static struct tally_points points;
static struct tally_trainer t;
static struct tally_prep prep;
static struct tally_model model;
static float params[PARAMS_MAX];
static size_t params_n;

static void write_table(unsigned rows)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    (void)fputs("amount,age,channel,country,w,fraud\n", f);
    for (unsigned i = 0; i < rows; i++)
        (void)fprintf(f, "%u.25,%s,%s,%s,%s,%d\n", i * 37 % 1000, i % 5 ? "40" : "",
                      i % 3 ? "web" : "atm", i % 4 ? "DE" : "XX", i % 8 ? "2.5" : "0.1",
                      i * 37 % 1000 > 880);
    ck_assert_int_eq(fclose(f), 0);
}

static void load(struct tally_trainer *out)
{
    ck_assert_msg(tally_trainer_load(&job, path, &points, out) == TALLY_OK, "%s", tally_why());
}

/* Round 0 with one site, and a first model. */
static void first_model(void)
{
    struct tally_moments m;
    uint8_t *bytes;
    uint32_t examples;
    size_t len;

    ck_assert_int_eq(tally_trainer_moments(&t, &bytes, &len, &examples), TALLY_OK);
    ck_assert_msg(tally_moments_decode(tally_slice_of(bytes, len), &job.schema, &m) == TALLY_OK,
                  "%s", tally_why());
    ck_assert_uint_eq(m.rows, examples);
    ck_assert_msg(tally_prep_make(&job.schema, &m, job.digest, &prep) == TALLY_OK, "%s",
                  tally_why());
    model = tally_trainer_model(&job, prep.features);
    ck_assert_int_eq(tally_model_layers(&model, NULL, &params_n), TALLY_OK);
    ck_assert_uint_le(params_n, PARAMS_MAX);
    ck_assert_int_eq(tally_model_init(params, &model, prep.prior, job.training.seed), TALLY_OK);
    tally_moments_free(&m);
    free(bytes);
}

static void set_up(void)
{
    static char ignore[1][TALLY_CELL_TEXT_MAX + 1] = {"w"};

    (void)snprintf(path, sizeof path, "%s/table.csv", tally_test_dir());
    job = (struct tally_job){.rounds = 3, .share_cap_permille = 1000};
    memset(job.digest, 0x11, 32);
    job.schema = tally_test_schema(columns);
    job.schema.ignore = ignore;
    job.schema.ignore_n = 1;
    job.model.kind = TALLY_MODEL_MLP;
    job.model.hidden[0] = 6;
    job.model.hidden[1] = 4;
    job.model.hidden_n = 2;
    job.training.rule = TALLY_TRAINING_FEDAVG;
    job.training.optimizer = TALLY_JOB_ADAM;
    job.training.learning_rate = 0.01;
    job.training.batch = 32;
    job.training.local_epochs = 2;
    job.training.seed = 77;
    job.training.positive_weight = 1;
    write_table(ROWS);
    load(&t);
    first_model();
}

static void tear_down(void)
{
    tally_trainer_free(&t);
    tally_prep_free(&prep);
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

static struct tally_trainer_base base(void)
{
    return (struct tally_trainer_base){&model, &prep, params};
}

static void delta(struct tally_trainer *by, uint64_t round, float *out, uint32_t *examples)
{
    struct tally_trainer_base b = base();

    ck_assert_msg(tally_trainer_delta(by, &b, round, NULL, out, examples) == TALLY_OK, "%s",
                  tally_why());
}

START_TEST(moments_are_those_of_the_training_rows_and_the_same_each_time)
{
    struct tally_trainer again = {0};
    uint8_t *a, *b;
    size_t a_len, b_len;
    uint32_t examples;

    load(&again);
    ck_assert_int_eq(tally_trainer_moments(&t, &a, &a_len, &examples), TALLY_OK);
    ck_assert_uint_eq(examples, t.data.rows - t.data.held_rows);
    ck_assert_uint_gt(t.data.held_rows, 0);
    ck_assert_int_eq(tally_trainer_moments(&again, &b, &b_len, &examples), TALLY_OK);
    ck_assert_uint_eq(a_len, b_len);
    ck_assert_mem_eq(a, b, a_len);
    tally_trainer_free(&again);
    tally_trainer_free(&again);
    free(a);
    free(b);
}
END_TEST

START_TEST(a_delta_is_the_same_bits_each_time_and_others_in_another_round)
{
    static float a[PARAMS_MAX], b[PARAMS_MAX], c[PARAMS_MAX];
    struct tally_trainer again = {0};
    uint32_t examples;

    load(&again);
    delta(&t, 1, a, &examples);
    ck_assert_uint_eq(examples, t.data.rows - t.data.held_rows);
    delta(&t, 2, c, &examples); /* and no state is left over of a round */
    delta(&t, 1, b, &examples);
    ck_assert_mem_eq(a, b, params_n * sizeof *a);
    ck_assert_int_ne(memcmp(a, c, params_n * sizeof *a), 0);
    delta(&again, 1, b, &examples);
    ck_assert_mem_eq(a, b, params_n * sizeof *a);
    job.training.seed++;
    delta(&t, 1, b, &examples);
    ck_assert_int_ne(memcmp(a, b, params_n * sizeof *a), 0);
    tally_trainer_free(&again);
}
END_TEST

START_TEST(rows_are_laid_out_once_for_each_preprocessing)
{
    static float a[PARAMS_MAX], b[PARAMS_MAX];
    struct tally_trainer_base other = base();
    struct tally_prep changed = prep;
    uint32_t examples;

    delta(&t, 1, a, &examples);
    const float *x = t.train.x;
    float first = x[0];
    delta(&t, 2, b, &examples);
    ck_assert_ptr_eq(t.train.x, x);
    double mean = prep.columns[0].mean;
    prep.columns[0].mean += 1;
    other.prep = &changed;
    ck_assert_int_eq(tally_trainer_delta(&t, &other, 1, NULL, b, &examples), TALLY_OK);
    ck_assert_int_ne(memcmp(&first, t.train.x, sizeof first), 0);
    ck_assert_int_ne(memcmp(a, b, params_n * sizeof *a), 0);
    prep.columns[0].mean = mean;
    delta(&t, 1, b, &examples);
    ck_assert_mem_eq(a, b, params_n * sizeof *a);
}
END_TEST

/* A round of one site, as the aggregator makes it. */
static void combine_one(float *x, const float *d, uint32_t weight)
{
    const float *deltas[1] = {d};
    struct tally_combine c = {.backend = tally_backend_named("cpu"),
                              .deltas = deltas,
                              .weights = &weight,
                              .sites = 1,
                              .base = x,
                              .threads = 2};
    static float out[PARAMS_MAX];

    ck_assert_int_eq(tally_combine_mean(out, NULL, &c, params_n), TALLY_OK);
    memcpy(x, out, params_n * sizeof *x);
}

START_TEST(alone_is_the_same_bits_as_rounds_with_one_site)
{
    static float alone[PARAMS_MAX], d[PARAMS_MAX], start[PARAMS_MAX];
    uint32_t examples = 0;

    if (_i == 1) {
        job.training.rule = TALLY_TRAINING_FEDPROX;
        job.training.prox_mu = 0.1;
        job.training.optimizer = TALLY_JOB_MOMENTUM;
        job.training.positive_weight = 3;
    }
    memcpy(alone, params, sizeof alone);
    memcpy(start, params, sizeof start);
    for (uint64_t round = 1; round <= job.rounds; round++) {
        delta(&t, round, d, &examples);
        combine_one(params, d, examples);
    }
    ck_assert_msg(tally_trainer_rounds(&job, &model, &t.train, NULL, alone) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_mem_eq(alone, params, params_n * sizeof *alone);
    ck_assert_int_ne(memcmp(alone, start, params_n * sizeof *alone), 0);
}
END_TEST

START_TEST(weights_count_in_training_and_never_in_the_number_of_examples)
{
    static float plain[PARAMS_MAX], d[PARAMS_MAX];
    uint32_t examples, weighted;

    delta(&t, 1, plain, &examples);
    tally_trainer_free(&t);
    job.schema.ignore_n = 0;
    (void)snprintf(job.schema.weight, sizeof job.schema.weight, "w");
    load(&t);
    delta(&t, 1, d, &weighted); /* under the same preprocessing */
    ck_assert_uint_eq(weighted, t.data.rows - t.data.held_rows);
    ck_assert_int_ne(memcmp(plain, d, params_n * sizeof *d), 0);
}
END_TEST

START_TEST(an_evaluation_counts_the_held_out_rows_by_their_scores)
{
    static struct tally_evaluation e;
    static uint8_t bytes[TALLY_EVALUATION_BYTES_MAX];
    static float logits[ROWS];
    struct tally_trainer_base b = base();
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_scoring in = {
        .backend = tally_backend_named("cpu"), .model = &model, .params = params};

    ck_assert_int_eq(tally_trainer_evaluate(&t, &b, &e), TALLY_OK);
    ck_assert_uint_eq(e.rows, t.data.held_rows);
    ck_assert_uint_eq(e.positives, t.data.held_positives);
    ck_assert_uint_gt(e.positives, 0);
    in.x = t.held.x;
    in.rows = t.held.rows;
    ck_assert_int_eq(tally_model_score(logits, &in), TALLY_OK);
    tally_evaluation_encode(&w, &e);
    for (size_t i = 0; i < t.held.rows; i++) {
        uint32_t bin = tally_histogram_bin((double)logits[i]);
        uint32_t *at = t.held.y[i] > 0.5F ? &e.positive[bin] : &e.negative[bin];
        ck_assert_uint_gt(*at, 0);
        (*at)--;
    }
    for (uint32_t i = 0; i < TALLY_EVALUATION_BINS; i++)
        ck_assert_uint_eq(e.positive[i] + e.negative[i], 0);
    ck_assert_int_eq(tally_evaluation_decode(tally_slice_of(bytes, w.used), &e), TALLY_OK);
}
END_TEST

START_TEST(no_held_out_rows_are_an_evaluation_of_none)
{
    static struct tally_evaluation e;
    struct tally_trainer_base b = base();

    job.schema.held_out_permille = 1;
    write_table(3);
    tally_trainer_free(&t);
    load(&t);
    ck_assert_uint_eq(t.data.held_rows, 0);
    e.rows = 9;
    ck_assert_msg(tally_trainer_evaluate(&t, &b, &e) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(e.rows + e.positives, 0);
}
END_TEST

START_TEST(a_plan_says_what_the_job_says)
{
    static const int want[] = {TALLY_SGD, TALLY_MOMENTUM, TALLY_ADAM};
    struct tally_plan p;

    for (int i = 0; i < 3; i++) {
        job.training.optimizer = (enum tally_job_optimizer)(TALLY_JOB_SGD + i);
        ck_assert_int_eq(tally_trainer_plan(&job, UINT32_MAX, &p), TALLY_OK);
        ck_assert_int_eq((int)p.optimizer, want[i]);
    }
    ck_assert_uint_eq(p.batch, 32);
    ck_assert_uint_eq(p.epochs, 2);
    ck_assert_uint_eq(p.seed, 77);
    ck_assert_uint_eq(p.round, UINT32_MAX);
    job.training.prox_mu = 0.5; /* of no rule but FedProx */
    ck_assert_int_eq(tally_trainer_plan(&job, 1, &p), TALLY_OK);
    ck_assert(!(p.prox_mu > 0));
    job.training.rule = TALLY_TRAINING_FEDPROX;
    ck_assert_int_eq(tally_trainer_plan(&job, 1, &p), TALLY_OK);
    ck_assert(p.prox_mu > 0.4);
    ck_assert_int_eq(tally_trainer_plan(&job, UINT64_C(1) << 32, &p), TALLY_E_LIMIT);
}
END_TEST

/* A version of the job with its own columns to change. */
static struct tally_version version(struct tally_prep_column copy[TEST_COLUMNS])
{
    struct tally_version v = {.mode = TALLY_MODE_TEST, .model = model, .prep = prep};

    memcpy(v.job, job.digest, 32);
    memcpy(copy, prep.columns, TEST_COLUMNS * sizeof *copy);
    v.prep.columns = copy;
    v.params = params;
    v.params_n = params_n;
    return v;
}

START_TEST(a_version_of_another_job_shape_or_reading_is_refused)
{
    static struct tally_prep_column copy[TEST_COLUMNS];
    struct tally_version v = version(copy);
    struct tally_trainer_base b = {0};

    switch (_i) {
    case 0: v.job[0] ^= 1; break;
    case 1: v.prep.job[31] ^= 1; break;
    case 2: v.prep.columns_n--; break;
    case 3: copy[3].name[0] = 'C'; break;
    case 4: copy[0].kind = TALLY_COLUMN_CATEGORY; break;
    case 5: copy[2].hash_buckets = 16; break;
    case 6: v.model.inputs++; break;
    case 7: v.model.n--; break;
    case 8: v.model.hidden[1]++; break;
    case 9: v.model.hidden[v.model.n++] = 2; break;
    case 10: copy[1].missing = TALLY_MISSING_MEAN; break;
    case 11: copy[0].transform = TALLY_TRANSFORM_NONE; break;
    default: copy[3].values_n--; break;
    }
    ck_assert_msg(tally_trainer_base(&t, &v, &b) == TALLY_E_UNTRUSTED, "%d", _i);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    ck_assert_ptr_null(b.model);
}
END_TEST

START_TEST(a_version_of_the_job_is_a_base)
{
    static struct tally_prep_column copy[TEST_COLUMNS];
    struct tally_version v = version(copy);
    struct tally_trainer_base b;

    ck_assert_msg(tally_trainer_base(&t, &v, &b) == TALLY_OK, "%s", tally_why());
    ck_assert_ptr_eq(b.params, params);
    ck_assert_ptr_eq(b.model, &v.model);
    ck_assert_ptr_eq(b.prep, &v.prep);
}
END_TEST

START_TEST(parameters_that_are_not_finite_and_a_cancelled_round_give_no_delta)
{
    static float d[PARAMS_MAX];
    static struct tally_evaluation e;
    atomic_bool cancel = true;
    struct tally_watch watch = {.cancel = &cancel};
    struct tally_trainer_base b = base();
    uint32_t examples = 99;

    ck_assert_int_eq(tally_trainer_delta(&t, &b, 1, &watch, d, &examples), TALLY_E_STATE);
    memset(&params[1], 0xff, sizeof params[1]);
    e.rows = 9;
    ck_assert_int_eq(tally_trainer_delta(&t, &b, 1, NULL, d, &examples), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_trainer_evaluate(&t, &b, &e), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_trainer_rounds(&job, &model, &t.train, NULL, params), TALLY_E_CONFIG);
    ck_assert_uint_eq(e.rows, 9);
    ck_assert_uint_eq(examples, 99);
    for (size_t i = 0; i < params_n; i++) ck_assert_int_eq(memcmp(&d[i], &(float){0}, 4), 0);
}
END_TEST

START_TEST(a_model_that_does_not_fit_its_preprocessing_is_refused)
{
    static float d[PARAMS_MAX];
    struct tally_trainer_base b = base();
    uint32_t examples;

    model.inputs--;
    ck_assert_int_eq(tally_trainer_delta(&t, &b, 1, NULL, d, &examples), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_trainer_rounds(&job, &model, &t.train, NULL, params), TALLY_E_CONFIG);
    model.inputs = 0;
    ck_assert_int_eq(tally_trainer_delta(&t, &b, 1, NULL, d, &examples), TALLY_E_CONFIG);
}
END_TEST

START_TEST(a_table_that_does_not_fit_is_refused_with_its_points)
{
    struct tally_trainer got = {0};

    write_table(0);
    ck_assert_int_eq(tally_trainer_load(&job, path, &points, &got), TALLY_E_CONFIG);
    ck_assert_uint_gt(tally_points_bad(&points), 0);
    ck_assert_ptr_null(got.job);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_ne(tally_trainer_load(&job, path, &points, &got), TALLY_OK);
    ck_assert_ptr_null(got.data.series);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("trainer");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, moments_are_those_of_the_training_rows_and_the_same_each_time);
    tcase_add_test(c, a_delta_is_the_same_bits_each_time_and_others_in_another_round);
    tcase_add_test(c, rows_are_laid_out_once_for_each_preprocessing);
    tcase_add_loop_test(c, alone_is_the_same_bits_as_rounds_with_one_site, 0, 2);
    tcase_add_test(c, weights_count_in_training_and_never_in_the_number_of_examples);
    tcase_add_test(c, an_evaluation_counts_the_held_out_rows_by_their_scores);
    tcase_add_test(c, no_held_out_rows_are_an_evaluation_of_none);
    tcase_add_test(c, a_plan_says_what_the_job_says);
    tcase_add_loop_test(c, a_version_of_another_job_shape_or_reading_is_refused, 0, 13);
    tcase_add_test(c, a_version_of_the_job_is_a_base);
    tcase_add_test(c, parameters_that_are_not_finite_and_a_cancelled_round_give_no_delta);
    tcase_add_test(c, a_model_that_does_not_fit_its_preprocessing_is_refused);
    tcase_add_test(c, a_table_that_does_not_fit_is_refused_with_its_points);
    return tally_suite_run("trainer", c);
}
