/* trainer.c - see trainer.h. */
#include "agent/trainer.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "kernels/combine.h"
#include "kernels/metrics.h"

static void free_floats(float **p)
{
    free(*p);
}

static void free_text(char **p)
{
    free(*p);
}

enum tally_status tally_trainer_plan(const struct tally_job *job, uint64_t round,
                                     struct tally_plan *out)
{
    struct tally_plan p = tally_plan_default();

    TALLY_ENSURE(round <= UINT32_MAX, TALLY_E_LIMIT, "round %llu", (unsigned long long)round);
    switch (job->training.optimizer) {
    case TALLY_JOB_SGD: p.optimizer = TALLY_SGD; break;
    case TALLY_JOB_MOMENTUM: p.optimizer = TALLY_MOMENTUM; break;
    case TALLY_JOB_ADAM: p.optimizer = TALLY_ADAM; break;
    }
    p.learning_rate = job->training.learning_rate;
    p.prox_mu = job->training.rule == TALLY_TRAINING_FEDPROX ? job->training.prox_mu : 0;
    p.positive_weight = job->training.positive_weight;
    p.batch = job->training.batch;
    p.epochs = job->training.local_epochs;
    p.seed = job->training.seed;
    p.round = (uint32_t)round;
    *out = p;
    return TALLY_OK;
}

struct tally_model tally_trainer_model(const struct tally_job *job, uint32_t features)
{
    struct tally_model m = {.inputs = features, .n = job->model.hidden_n};

    memcpy(m.hidden, job->model.hidden, job->model.hidden_n * sizeof m.hidden[0]);
    return m;
}

enum tally_status tally_trainer_load(const struct tally_job *job, const char *path,
                                     struct tally_points *points, struct tally_trainer *out)
{
    struct tally_trainer t = {.job = job};

    TALLY_TRY(tally_dataset_load(path, &job->schema, job->digest, points, &t.data));
    *out = t;
    return TALLY_OK;
}

void tally_trainer_free(struct tally_trainer *t)
{
    tally_dataset_free(&t->data);
    tally_table_free(&t->train);
    tally_table_free(&t->held);
    *t = (struct tally_trainer){0};
}

static enum tally_status count_examples(uint64_t rows, uint32_t *examples)
{
    TALLY_ENSURE(rows >= 1 && rows <= TALLY_EXAMPLES_MAX, TALLY_E_LIMIT,
                 "%llu rows to train on: 1 to %d are possible", (unsigned long long)rows,
                 TALLY_EXAMPLES_MAX);
    *examples = (uint32_t)rows;
    return TALLY_OK;
}

enum tally_status tally_trainer_moments(const struct tally_trainer *t, uint8_t **bytes, size_t *len,
                                        uint32_t *examples)
{
    struct tally_moments m;

    TALLY_TRY(tally_dataset_moments(&t->data, &t->job->schema, &m));
    enum tally_status s = count_examples(m.rows, examples);
    if (s == TALLY_OK) s = tally_moments_encode(&m, bytes, len);
    tally_moments_free(&m);
    return s;
}

static bool same_values(const struct tally_prep_column *c, const struct tally_column *want)
{
    if (want->values_n == 0) return true; /* found in round 0, or hashed */
    if (c->values_n != want->values_n) return false;
    for (uint32_t i = 0; i < want->values_n; i++) {
        uint32_t j = 0;
        while (j < c->values_n && strcmp(c->values[j], want->values[i]) != 0) j++;
        if (j == c->values_n) return false;
    }
    return true;
}

static bool same_column(const struct tally_prep_column *c, const struct tally_column *want)
{
    if (strcmp(c->name, want->name) != 0 || c->kind != want->kind) return false;
    if (c->kind == TALLY_COLUMN_NUMERIC)
        return c->missing == want->missing && c->transform == want->transform;
    return c->hash_buckets == want->hash_buckets && same_values(c, want);
}

/* The preprocessing keeps every column as the job's schema has it. */
static enum tally_status prep_fits(const struct tally_job *job, const struct tally_prep *p)
{
    const struct tally_schema *s = &job->schema;

    TALLY_REFUSE_UNLESS(memcmp(p->job, job->digest, 32) == 0 && p->columns_n == s->columns_n,
                        TALLY_R_E_UPDATE, "the version's preprocessing is of another job");
    for (uint32_t i = 0; i < s->columns_n; i++) {
        TALLY_REFUSE_UNLESS(same_column(&p->columns[i], &s->columns[i]), TALLY_R_E_UPDATE,
                            "the version reads column %s in another way than the job",
                            s->columns[i].name);
    }
    return TALLY_OK;
}

enum tally_status tally_trainer_base(const struct tally_trainer *t, const struct tally_version *v,
                                     struct tally_trainer_base *out)
{
    struct tally_model want = tally_trainer_model(t->job, v->prep.features);

    TALLY_REFUSE_UNLESS(memcmp(v->job, t->job->digest, 32) == 0, TALLY_R_E_UPDATE,
                        "the version is of another job");
    TALLY_TRY(prep_fits(t->job, &v->prep));
    TALLY_REFUSE_UNLESS(v->model.n == want.n && v->model.inputs == want.inputs &&
                            memcmp(v->model.hidden, want.hidden, want.n * sizeof want.hidden[0]) ==
                                0,
                        TALLY_R_E_UPDATE, "the version's model has another shape than the job's");
    *out = (struct tally_trainer_base){&v->model, &v->prep, v->params};
    return TALLY_OK;
}

static const struct tally_backend *backend_of(const struct tally_trainer *t)
{
    return t->backend != NULL ? t->backend : tally_backend_named("cpu");
}

/* Lays the rows out, unless they already are for this preprocessing. */
static enum tally_status lay_out(struct tally_trainer *t, const struct tally_prep *p)
{
    TALLY_CLEANUP(free_text) char *text = NULL;
    uint8_t digest[32];

    TALLY_TRY(tally_prep_write(p, &text));
    TALLY_SHA256_OF(digest, tally_slice_str(text));
    if (t->laid_out && memcmp(digest, t->prep, sizeof digest) == 0) return TALLY_OK;
    t->laid_out = false;
    tally_table_free(&t->train);
    tally_table_free(&t->held);
    TALLY_TRY(tally_dataset_design(&t->data, p, TALLY_HALF_TRAIN, &t->train));
    TALLY_TRY(tally_dataset_design(&t->data, p, TALLY_HALF_HELD_OUT, &t->held));
    memcpy(t->prep, digest, sizeof digest);
    t->laid_out = true;
    return TALLY_OK;
}

enum tally_status tally_trainer_delta(struct tally_trainer *t,
                                      const struct tally_trainer_base *base, uint64_t round,
                                      const struct tally_watch *watch, float *delta,
                                      uint32_t *examples)
{
    struct tally_plan plan;
    struct tally_trained trained;
    struct tally_training in = {.backend = backend_of(t),
                                .model = base->model,
                                .base = base->params,
                                .table = &t->train,
                                .plan = &plan,
                                .watch = watch};

    TALLY_TRY(tally_trainer_plan(t->job, round, &plan));
    TALLY_TRY(lay_out(t, base->prep));
    TALLY_TRY(tally_train(delta, &trained, &in));
    return count_examples(trained.examples, examples);
}

/* *out is filled only when all rows are counted. */
static enum tally_status evaluate_rows(const struct tally_table *held, const float *logits,
                                       struct tally_evaluation *out)
{
    struct tally_scored rows = {
        .rows = held->rows, .logit = logits, .y = held->y, .weight = held->weight};
    struct tally_histogram *h = calloc(1, sizeof *h);

    TALLY_ENSURE(h != NULL, TALLY_E_NOMEM, "evaluation");
    enum tally_status s = tally_histogram_count(h, &rows);
    if (s == TALLY_OK) memset(out, 0, sizeof *out);
    for (uint32_t b = 0; s == TALLY_OK && b < TALLY_EVALUATION_BINS; b++) {
        out->negative[b] = (uint32_t)h->neg[b];
        out->positive[b] = (uint32_t)h->pos[b];
        out->rows += h->neg[b] + h->pos[b];
        out->positives += h->pos[b];
    }
    free(h);
    return s;
}

enum tally_status tally_trainer_evaluate(struct tally_trainer *t,
                                         const struct tally_trainer_base *base,
                                         struct tally_evaluation *out)
{
    _Static_assert((int)TALLY_EVALUATION_BINS == (int)TALLY_HISTOGRAM_BINS, "one kind of bins");
    TALLY_CLEANUP(free_floats) float *logits = NULL;

    TALLY_TRY(lay_out(t, base->prep));
    if (t->held.rows == 0) {
        memset(out, 0, sizeof *out);
        return TALLY_OK;
    }
    struct tally_scoring in = {.backend = backend_of(t),
                               .model = base->model,
                               .params = base->params,
                               .x = t->held.x,
                               .rows = t->held.rows};
    logits = malloc(t->held.rows * sizeof *logits);
    TALLY_ENSURE(logits != NULL, TALLY_E_NOMEM, "scores of %zu rows", t->held.rows);
    TALLY_TRY(tally_model_score(logits, &in));
    return evaluate_rows(&t->held, logits, out);
}

/* What the aggregator does with one site's update. */
static enum tally_status add_delta(float *params, const float *delta, size_t n, uint64_t examples)
{
    const float *deltas[1] = {delta};
    uint32_t weight = examples < TALLY_EXAMPLES_MAX ? (uint32_t)examples : TALLY_EXAMPLES_MAX;
    struct tally_combine c = {.backend = tally_backend_named("cpu"),
                              .deltas = deltas,
                              .weights = &weight,
                              .sites = 1,
                              .base = params,
                              .threads = 1};

    return tally_combine_mean(params, NULL, &c, n);
}

enum tally_status tally_trainer_rounds(const struct tally_job *job, const struct tally_model *model,
                                       const struct tally_table *table,
                                       const struct tally_watch *watch, float *params)
{
    TALLY_CLEANUP(free_floats) float *delta = NULL;
    struct tally_plan plan;
    struct tally_trained trained;
    struct tally_training in = {.backend = tally_backend_named("cpu"),
                                .model = model,
                                .base = params,
                                .table = table,
                                .plan = &plan,
                                .watch = watch};
    size_t n;

    TALLY_TRY(tally_model_layers(model, NULL, &n));
    delta = malloc(n * sizeof *delta);
    TALLY_ENSURE(delta != NULL, TALLY_E_NOMEM, "%zu parameters", n);
    for (uint64_t round = 1; round <= job->rounds; round++) {
        TALLY_TRY(tally_trainer_plan(job, round, &plan));
        TALLY_TRY(tally_train(delta, &trained, &in));
        TALLY_TRY(add_delta(params, delta, n, trained.examples));
    }
    return TALLY_OK;
}
