/* test_demo_judge.c - examples/aml/demo_judge.c: three small banks, figures worked out anew. */
#include "examples/aml/demo_judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/trainer.h"
#include "kernels/metrics.h"
#include "tests/lib/suite.h"

enum { BANKS = 3, ROWS = 400 };

static char dir[64], paths[BANKS][96];
static const char *tables[BANKS];
static struct tally_job job;
static uint8_t *version;
static size_t version_len;

static const char job_text[] =
    "{\"type\":\"job\",\"name\":\"small\",\"federation\":"
    "\"0000000000000000000000000000000000000000000000000000000000000000\","
    "\"federation_version\":1,\"issued\":1,\"expires\":2,\"participants\":[\"a\",\"b\",\"c\"],"
    "\"cohort_min\":2,\"share_cap_permille\":400,\"rounds\":30,\"round_seconds\":10,\"schema\":{"
    "\"label\":{\"column\":\"y\",\"positive\":\"1\"},\"ignore\":[\"id\"],\"held_out\":{\"by\":"
    "\"hash\",\"permille\":300},\"bad_rows\":\"refuse\",\"columns\":[{\"name\":\"x\",\"kind\":"
    "\"numeric\",\"missing\":\"mean\"}]},\"model\":{\"kind\":\"mlp\",\"hidden\":[4]},\"training\":{"
    "\"rule\":\"fedavg\",\"optimizer\":\"adam\",\"learning_rate\":0.02,\"batch\":32,"
    "\"local_epochs\":1,\"seed\":7},\"combine\":{\"rule\":\"mean\"}}";

/* x rises with the row; the label follows x but for every 7th row. */
static void write_table(uint32_t bank)
{
    (void)snprintf(paths[bank], sizeof paths[bank], "%s/%c.csv", dir, (char)('a' + bank));
    tables[bank] = paths[bank];
    FILE *f = fopen(paths[bank], "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs("id,x,y\n", f);
    for (uint32_t i = 0; i < ROWS; i++)
        (void)fprintf(f, "%u,%u.5,%d\n", bank * ROWS + i, i, (i > ROWS * 3 / 4) != (i % 7 == bank));
    (void)fclose(f);
}

/* A version with a first model, of the first bank's moments. */
static void make_version(void)
{
    struct tally_points points;
    struct tally_trainer t;
    struct tally_moments m;
    struct tally_safetensors_head head = {0};
    struct tally_version v = {.mode = TALLY_MODE_TEST, .round = 1};

    ck_assert_int_eq(tally_trainer_load(&job, tables[0], &points, &t), TALLY_OK);
    ck_assert_int_eq(tally_dataset_moments(&t.data, &job.schema, &m), TALLY_OK);
    ck_assert_int_eq(tally_prep_make(&job.schema, &m, job.digest, &v.prep), TALLY_OK);
    memcpy(v.job, job.digest, sizeof v.job);
    v.model = tally_trainer_model(&job, v.prep.features);
    ck_assert_int_eq(tally_model_layers(&v.model, NULL, &v.params_n), TALLY_OK);
    float *params = calloc(v.params_n, sizeof *params);
    ck_assert_int_eq(tally_model_init(params, &v.model, v.prep.prior, 3), TALLY_OK);
    ck_assert_int_eq(tally_version_head(&v, &head), TALLY_OK);
    version_len = head.len + v.params_n * sizeof *params;
    version = malloc(version_len);
    memcpy(version, head.bytes, head.len);
    memcpy(version + head.len, params, v.params_n * sizeof *params);
    free(params);
    tally_safetensors_head_free(&head);
    tally_prep_free(&v.prep);
    tally_moments_free(&m);
    tally_trainer_free(&t);
}

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/tally-judge-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(tally_job_parse(tally_slice_str(job_text), &job), TALLY_OK);
    for (uint32_t b = 0; b < BANKS; b++) write_table(b);
    make_version();
}

static void teardown(void)
{
    for (uint32_t b = 0; b < BANKS; b++) (void)unlink(paths[b]);
    (void)rmdir(dir);
    tally_job_free(&job);
    free(version);
}

static struct tally_demo_case whole(void)
{
    return (struct tally_demo_case){.job = &job,
                                    .tables = tables,
                                    .banks_n = BANKS,
                                    .version = tally_slice_of(version, version_len)};
}

/* The held-out rows of bank 0 under the version, and their scores. */
struct rows {
    struct tally_trainer t;
    struct tally_version v;
    struct tally_table held;
    float *logits;
};

static void score(struct rows *r)
{
    struct tally_points points;

    ck_assert_int_eq(tally_version_read(tally_slice_of(version, version_len), &r->v), TALLY_OK);
    ck_assert_int_eq(tally_trainer_load(&job, tables[0], &points, &r->t), TALLY_OK);
    ck_assert_int_eq(tally_dataset_design(&r->t.data, &r->v.prep, TALLY_HALF_HELD_OUT, &r->held),
                     TALLY_OK);
    r->logits = calloc(r->held.rows, sizeof *r->logits);
    struct tally_scoring s = {.backend = tally_backend_named("cpu"),
                              .model = &r->v.model,
                              .params = r->v.params,
                              .x = r->held.x,
                              .rows = r->held.rows};
    ck_assert_int_eq(tally_model_score(r->logits, &s), TALLY_OK);
}

static void rows_free(struct rows *r)
{
    tally_trainer_free(&r->t);
    tally_version_free(&r->v);
    tally_table_free(&r->held);
    free(r->logits);
}

START_TEST(the_federated_figures_are_those_of_the_version_on_the_banks_own_rows)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *j = calloc(1, sizeof *j);
    struct tally_metrics m;
    struct rows r = {0};

    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_OK);
    score(&r);
    struct tally_scored s = {.rows = r.held.rows, .logit = r.logits, .y = r.held.y};
    ck_assert_int_eq(tally_metrics_exact(&m, &s, 0.01), TALLY_OK);
    ck_assert_double_eq_tol(j->bank[0].of[TALLY_DEMO_FEDERATED].auc_pr, m.auc_pr, 1e-15);
    ck_assert_double_eq_tol(j->bank[0].of[TALLY_DEMO_FEDERATED].roc_auc, m.roc_auc, 1e-15);
    ck_assert_double_eq_tol(j->bank[0].of[TALLY_DEMO_FEDERATED].recall, m.recall, 1e-15);
    ck_assert_uint_eq(j->bank[0].test, r.held.rows);
    ck_assert_uint_eq(j->bank[0].train + j->bank[0].test, ROWS);
    ck_assert_uint_eq(j->bank[0].test_positives, (uint64_t)m.positives);
    ck_assert_uint_eq(j->lacking.positives, 0);
    rows_free(&r);
    free(j);
}
END_TEST

START_TEST(models_learn_and_the_mean_is_over_the_banks)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *j = calloc(1, sizeof *j);
    double sum = 0;

    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_OK);
    for (uint32_t b = 0; b < BANKS; b++) {
        ck_assert_double_gt(j->bank[b].of[TALLY_DEMO_ALONE].roc_auc, 0.6);
        ck_assert_double_gt(j->bank[b].of[TALLY_DEMO_POOLED].roc_auc, 0.6);
        sum += j->bank[b].of[TALLY_DEMO_POOLED].auc_pr;
    }
    ck_assert_double_eq_tol(j->mean[TALLY_DEMO_POOLED].auc_pr, sum / BANKS, 1e-12);
    free(j);
}
END_TEST

START_TEST(the_same_case_gives_the_same_bits)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);

    ck_assert_int_eq(tally_demo_judge(&c, a), TALLY_OK);
    ck_assert_int_eq(tally_demo_judge(&c, b), TALLY_OK);
    ck_assert_mem_eq(a->bank, b->bank, BANKS * sizeof a->bank[0]);
    free(a);
    free(b);
}
END_TEST

/* By hand: the threshold leaves 1 % of the negatives above it. */
static double recall_of(const struct rows *r, const uint8_t *unknown)
{
    size_t negatives = 0, found = 0, all = 0;

    for (size_t i = 0; i < r->held.rows; i++) negatives += r->held.y[i] < 0.5F;
    for (uint64_t row = 0, i = 0; row < ROWS; row++) {
        if (!r->t.data.held_out[row]) continue;
        size_t above = 0; /* negatives at or above this row's score */
        for (size_t k = 0; k < r->held.rows; k++)
            above += r->held.y[k] < 0.5F && r->logits[k] >= r->logits[i];
        if (unknown[row]) found += (double)above <= 0.01 * (double)negatives;
        all += unknown[row];
        i++;
    }
    return (double)found / (double)all;
}

START_TEST(lacking_counts_the_unknown_crimes_alone)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *j = calloc(1, sizeof *j);
    uint8_t mask[BANKS][ROWS] = {{0}};
    const uint8_t *unknown[BANKS] = {mask[0], mask[1], mask[2]};
    uint64_t rows[BANKS] = {ROWS, ROWS, ROWS}, expected = 0;
    struct rows r = {0};

    score(&r);
    for (uint32_t i = 0; i < ROWS; i += 2) {
        mask[0][i] = r.t.data.label[i];
        expected += r.t.data.label[i] && r.t.data.held_out[i];
    }
    c.unknown = unknown;
    c.unknown_n = rows;
    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_OK);
    ck_assert_uint_gt(expected, 0);
    ck_assert_uint_eq(j->lacking.positives, expected);
    ck_assert_double_eq_tol(j->lacking.recall[TALLY_DEMO_FEDERATED], recall_of(&r, mask[0]), 1e-12);
    rows[1] = ROWS - 1;
    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_E_STATE);
    rows_free(&r);
    free(j);
}
END_TEST

START_TEST(a_table_or_a_version_that_does_not_fit_is_refused)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *j = calloc(1, sizeof *j);

    c.version.len--;
    ck_assert_int_ne(tally_demo_judge(&c, j), TALLY_OK);
    c = whole();
    tables[1] = "/nonexistent/b.csv";
    ck_assert_int_ne(tally_demo_judge(&c, j), TALLY_OK);
    ck_assert_ptr_nonnull(strstr(tally_why(), "/nonexistent/b.csv"));
    c.banks_n = 0;
    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_E_LIMIT);
    free(j);
}
END_TEST

START_TEST(a_bank_without_held_out_positives_has_no_figures)
{
    struct tally_demo_case c = whole();
    struct tally_demo_judgement *j = calloc(1, sizeof *j);
    FILE *f = fopen(paths[2], "w");

    (void)fputs("id,x,y\n", f);
    for (int i = 0; i < ROWS; i++) (void)fprintf(f, "%d,%d.5,0\n", i, i);
    (void)fclose(f);
    ck_assert_int_eq(tally_demo_judge(&c, j), TALLY_OK);
    ck_assert(isnan(j->bank[2].of[TALLY_DEMO_ALONE].auc_pr));
    ck_assert_double_eq_tol(
        j->mean[TALLY_DEMO_ALONE].auc_pr,
        (j->bank[0].of[TALLY_DEMO_ALONE].auc_pr + j->bank[1].of[TALLY_DEMO_ALONE].auc_pr) / 2,
        1e-12);
    free(j);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("demo_judge");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_federated_figures_are_those_of_the_version_on_the_banks_own_rows);
    tcase_add_test(t, models_learn_and_the_mean_is_over_the_banks);
    tcase_add_test(t, the_same_case_gives_the_same_bits);
    tcase_add_test(t, lacking_counts_the_unknown_crimes_alone);
    tcase_add_test(t, a_table_or_a_version_that_does_not_fit_is_refused);
    tcase_add_test(t, a_bank_without_held_out_positives_has_no_figures);
    return tally_suite_run("demo_judge", t);
}
