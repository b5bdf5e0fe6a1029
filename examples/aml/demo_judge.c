/* demo_judge.c - see demo_judge.h. */
#include "examples/aml/demo_judge.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/trainer.h"
#include "common/secret.h"
#include "kernels/metrics.h"

enum { THREADS = 2, WHY_MAX = 512 };

const char *const tally_demo_model_names[TALLY_DEMO_MODELS] = {"alone", "federated", "pooled"};

/* A model with what it reads rows by. */
struct scorer {
    struct tally_prep prep;
    struct tally_model model;
    float *params; /* owned */
};

struct bank {
    struct tally_trainer trainer;
    struct tally_moments moments;
    struct scorer alone;
    float *logits[TALLY_DEMO_MODELS]; /* (held-out rows) */
    float *y;                         /* (held-out rows) */
};

struct court {
    const struct tally_demo_case *c;
    struct bank *banks;
    struct scorer federated, pooled;
    atomic_uint next, done;
    atomic_bool failed;
    enum tally_status status; /* of the first failure */
    char why[WHY_MAX];
    enum tally_status (*task)(struct court *t, uint32_t i);
    uint32_t tasks_n;
    bool shown; /* tasks count as trainings */
};

static void free_floats(float **p)
{
    free(*p);
}

static void scorer_free(struct scorer *s)
{
    tally_prep_free(&s->prep);
    free(s->params);
}

static void court_free(struct court *t)
{
    for (uint32_t i = 0; t->banks != NULL && i < t->c->banks_n; i++) {
        struct bank *b = &t->banks[i];
        tally_trainer_free(&b->trainer);
        tally_moments_free(&b->moments);
        scorer_free(&b->alone);
        for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++) free(b->logits[m]);
        free(b->y);
    }
    free(t->banks);
    scorer_free(&t->federated);
    scorer_free(&t->pooled);
}

/* ---- tasks on threads ---- */

static void *worker(void *arg)
{
    struct court *t = arg;

    for (uint32_t i; !t->failed && (i = atomic_fetch_add(&t->next, 1)) < t->tasks_n;) {
        enum tally_status s = t->task(t, i);
        if (s == TALLY_OK) {
            (void)atomic_fetch_add(&t->done, 1);
        } else if (!atomic_exchange(&t->failed, true)) {
            t->status = s;
            (void)snprintf(t->why, sizeof t->why, "%s", tally_why_text());
        }
    }
    return NULL;
}

/* Runs task(t, 0 .. n-1). The caller's thread only looks on. */
static enum tally_status run_tasks(struct court *t, uint32_t n, bool shown,
                                   enum tally_status (*task)(struct court *t, uint32_t i))
{
    static const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    pthread_t threads[THREADS];
    uint32_t started = 0;

    t->task = task;
    t->tasks_n = n;
    atomic_store(&t->next, 0);
    atomic_store(&t->done, 0);
    while (started < THREADS && started < n &&
           pthread_create(&threads[started], NULL, worker, t) == 0)
        started++;
    TALLY_ENSURE(started > 0 || n == 0, TALLY_E_IO, "no thread can be started");
    while (shown && t->c->progress != NULL && !t->failed && t->done < n) {
        t->c->progress(t->c->context, t->done, n);
        (void)nanosleep(&pause, NULL);
    }
    for (uint32_t i = 0; i < started; i++) (void)pthread_join(threads[i], NULL);
    if (shown && t->c->progress != NULL) t->c->progress(t->c->context, t->done, n);
    TALLY_ENSURE(!t->failed, t->status, "%s", t->why);
    return TALLY_OK;
}

/* ---- models ---- */

static enum tally_status first_model(const struct tally_job *job, struct scorer *s)
{
    size_t n;

    s->model = tally_trainer_model(job, s->prep.features);
    TALLY_TRY(tally_model_layers(&s->model, NULL, &n));
    s->params = malloc(n * sizeof *s->params);
    TALLY_ENSURE(s->params != NULL, TALLY_E_NOMEM, "%zu parameters", n);
    return tally_model_init(s->params, &s->model, s->prep.prior, job->training.seed);
}

static enum tally_status load_bank(struct court *t, uint32_t i)
{
    struct bank *b = &t->banks[i];
    struct tally_points points;

    TALLY_TRY(tally_trainer_load(t->c->job, t->c->tables[i], &points, &b->trainer));
    return tally_dataset_moments(&b->trainer.data, &t->c->job->schema, &b->moments);
}

static enum tally_status train_alone(struct court *t, struct bank *b)
{
    TALLY_CLEANUP(tally_table_free) struct tally_table rows = {0};
    const struct tally_job *job = t->c->job;

    TALLY_TRY(tally_prep_make(&job->schema, &b->moments, job->digest, &b->alone.prep));
    TALLY_TRY(first_model(job, &b->alone));
    TALLY_TRY(tally_dataset_design(&b->trainer.data, &b->alone.prep, TALLY_HALF_TRAIN, &rows));
    return tally_trainer_rounds(job, &b->alone.model, &rows, NULL, b->alone.params);
}

/* Room for everybody's training rows. */
static enum tally_status pool_new(const struct court *t, struct tally_table *all)
{
    size_t rows = 0, features = t->pooled.prep.features;
    bool weighted = false;

    for (uint32_t i = 0; i < t->c->banks_n; i++) {
        const struct tally_dataset *d = &t->banks[i].trainer.data;
        rows += d->rows - d->held_rows;
        weighted = weighted || d->weight != NULL;
    }
    all->features = features;
    all->x = malloc(rows * features * sizeof *all->x);
    all->y = malloc(rows * sizeof *all->y);
    if (weighted) all->weight = malloc(rows * sizeof *all->weight);
    TALLY_ENSURE(all->x != NULL && all->y != NULL && (!weighted || all->weight != NULL),
                 TALLY_E_NOMEM, "%zu rows of %zu features", rows, features);
    return TALLY_OK;
}

static void pool_add(struct tally_table *all, const struct tally_table *one)
{
    memcpy(all->x + all->rows * all->features, one->x, one->rows * one->features * sizeof *one->x);
    memcpy(all->y + all->rows, one->y, one->rows * sizeof *one->y);
    if (all->weight != NULL)
        memcpy(all->weight + all->rows, one->weight, one->rows * sizeof *one->weight);
    all->rows += one->rows;
}

static enum tally_status train_pooled(struct court *t)
{
    TALLY_CLEANUP(tally_table_free) struct tally_table all = {0};
    const struct tally_job *job = t->c->job;

    TALLY_TRY(pool_new(t, &all));
    for (uint32_t i = 0; i < t->c->banks_n; i++) {
        TALLY_CLEANUP(tally_table_free) struct tally_table one = {0};
        TALLY_TRY(tally_dataset_design(&t->banks[i].trainer.data, &t->pooled.prep, TALLY_HALF_TRAIN,
                                       &one));
        pool_add(&all, &one);
    }
    TALLY_TRY(first_model(job, &t->pooled));
    return tally_trainer_rounds(job, &t->pooled.model, &all, NULL, t->pooled.params);
}

/* The longest first, so that the two threads end together. */
static enum tally_status train(struct court *t, uint32_t i)
{
    return i == 0 ? train_pooled(t) : train_alone(t, &t->banks[i - 1]);
}

/* What the aggregator makes of round 0, if every bank is in it. */
static enum tally_status merge(struct court *t)
{
    struct tally_moments all;

    TALLY_TRY(tally_moments_init(&t->c->job->schema, &all));
    enum tally_status s = TALLY_OK;
    for (uint32_t i = 0; s == TALLY_OK && i < t->c->banks_n; i++)
        s = tally_moments_merge(&all, &t->banks[i].moments);
    if (s == TALLY_OK)
        s = tally_prep_make(&t->c->job->schema, &all, t->c->job->digest, &t->pooled.prep);
    tally_moments_free(&all);
    return s;
}

static enum tally_status read_version(struct court *t)
{
    struct tally_version v;
    struct tally_trainer_base base;
    size_t n;

    TALLY_TRY(tally_version_read(t->c->version, &v));
    enum tally_status s = tally_trainer_base(&t->banks[0].trainer, &v, &base);
    if (s == TALLY_OK) s = tally_model_layers(&v.model, NULL, &n);
    if (s == TALLY_OK && (t->federated.params = malloc(n * sizeof(float))) == NULL)
        s = TALLY_FAIL(TALLY_E_NOMEM, "%zu parameters", n);
    if (s == TALLY_OK) {
        memcpy(t->federated.params, v.params, n * sizeof(float));
        t->federated.model = v.model;
        t->federated.prep = v.prep;
        v.prep = (struct tally_prep){0};
    }
    tally_version_free(&v);
    return s;
}

/* ---- scores ---- */

static enum tally_status score_one(struct bank *b, uint32_t which, const struct scorer *s)
{
    TALLY_CLEANUP(tally_table_free) struct tally_table rows = {0};

    TALLY_TRY(tally_dataset_design(&b->trainer.data, &s->prep, TALLY_HALF_HELD_OUT, &rows));
    b->logits[which] = malloc((rows.rows + 1) * sizeof(float));
    TALLY_ENSURE(b->logits[which] != NULL, TALLY_E_NOMEM, "%zu scores", rows.rows);
    struct tally_scoring in = {.backend = tally_backend_named("cpu"),
                               .model = &s->model,
                               .params = s->params,
                               .x = rows.x,
                               .rows = rows.rows};
    TALLY_TRY(tally_model_score(b->logits[which], &in));
    if (b->y == NULL) {
        b->y = rows.y;
        rows.y = NULL;
    }
    return TALLY_OK;
}

static enum tally_status score(struct court *t, uint32_t i)
{
    struct bank *b = &t->banks[i];

    TALLY_TRY(score_one(b, TALLY_DEMO_ALONE, &b->alone));
    TALLY_TRY(score_one(b, TALLY_DEMO_FEDERATED, &t->federated));
    return score_one(b, TALLY_DEMO_POOLED, &t->pooled);
}

/* One class alone has no such figures. */
static enum tally_status measure(const struct tally_scored *rows, struct tally_demo_scores *out)
{
    const double none = (double)NAN;
    struct tally_metrics m = {.auc_pr = none, .roc_auc = none, .recall = none};

    enum tally_status s =
        rows->rows == 0 ? TALLY_E_UNDECIDED : tally_metrics_exact(&m, rows, TALLY_DEMO_FPR);
    if (s != TALLY_E_UNDECIDED) TALLY_TRY(s);
    *out = (struct tally_demo_scores){m.auc_pr, m.roc_auc, m.recall};
    return TALLY_OK;
}

/* Recall of the unknown kinds alone: the other positives have weight 0, so the threshold, which
 * stands on the negatives, is the same. */
static enum tally_status measure_lacking(const struct court *t, uint32_t i,
                                         struct tally_demo_judgement *out)
{
    const struct bank *b = &t->banks[i];
    const struct tally_dataset *d = &b->trainer.data;
    TALLY_CLEANUP(free_floats) float *weight = malloc((d->held_rows + 1) * sizeof *weight);
    uint64_t positives = 0;
    size_t n = 0;

    TALLY_ENSURE(weight != NULL, TALLY_E_NOMEM, "weights");
    TALLY_ENSURE(t->c->unknown_n[i] == d->rows, TALLY_E_STATE, "%s has %llu rows, its truth %llu",
                 t->c->tables[i], (unsigned long long)d->rows,
                 (unsigned long long)t->c->unknown_n[i]);
    for (uint64_t r = 0; r < d->rows; r++) {
        if (!d->held_out[r]) continue;
        bool unknown = t->c->unknown[i][r] != 0;
        weight[n++] = d->label[r] == 0 || unknown ? 1 : 0;
        positives += unknown;
    }
    for (uint32_t m = 0; m < TALLY_DEMO_MODELS && positives > 0; m++) {
        struct tally_scored rows = {.rows = n, .logit = b->logits[m], .y = b->y, .weight = weight};
        struct tally_demo_scores s;
        TALLY_TRY(measure(&rows, &s));
        out->lacking.recall[m] += s.recall * (double)positives;
    }
    out->lacking.positives += positives;
    return TALLY_OK;
}

static void add_mean(struct tally_demo_judgement *j, const struct tally_demo_bank *b,
                     uint32_t scored)
{
    for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++) {
        j->mean[m].auc_pr += (b->of[m].auc_pr - j->mean[m].auc_pr) / scored;
        j->mean[m].roc_auc += (b->of[m].roc_auc - j->mean[m].roc_auc) / scored;
        j->mean[m].recall += (b->of[m].recall - j->mean[m].recall) / scored;
    }
}

static enum tally_status conclude(const struct court *t, struct tally_demo_judgement *j)
{
    const struct tally_demo_scores none = {(double)NAN, (double)NAN, (double)NAN};
    uint32_t scored = 0;

    j->banks_n = t->c->banks_n;
    for (uint32_t i = 0; i < j->banks_n; i++) {
        const struct tally_dataset *d = &t->banks[i].trainer.data;
        struct tally_demo_bank *b = &j->bank[i];
        *b = (struct tally_demo_bank){.train = d->rows - d->held_rows,
                                      .test = d->held_rows,
                                      .test_positives = d->held_positives};
        for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++) {
            struct tally_scored rows = {
                .rows = d->held_rows, .logit = t->banks[i].logits[m], .y = t->banks[i].y};
            TALLY_TRY(measure(&rows, &b->of[m]));
        }
        if (!isnan(b->of[0].auc_pr)) add_mean(j, b, ++scored);
        if (t->c->unknown != NULL) TALLY_TRY(measure_lacking(t, i, j));
    }
    for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++) {
        if (j->lacking.positives > 0) j->lacking.recall[m] /= (double)j->lacking.positives;
        if (scored == 0) j->mean[m] = none;
    }
    return TALLY_OK;
}

enum tally_status tally_demo_judge(const struct tally_demo_case *c,
                                   struct tally_demo_judgement *out)
{
    TALLY_CLEANUP(court_free) struct court t = {.c = c};
    struct tally_demo_judgement j = {0};

    TALLY_ENSURE(c->banks_n > 0 && c->banks_n <= TALLY_PARTIES_MAX, TALLY_E_LIMIT, "%u banks",
                 c->banks_n);
    t.banks = calloc(c->banks_n, sizeof *t.banks);
    TALLY_ENSURE(t.banks != NULL, TALLY_E_NOMEM, "banks");
    TALLY_TRY(run_tasks(&t, c->banks_n, false, load_bank));
    TALLY_TRY(read_version(&t));
    TALLY_TRY(merge(&t));
    TALLY_TRY(run_tasks(&t, c->banks_n + 1, true, train));
    TALLY_TRY(run_tasks(&t, c->banks_n, false, score));
    TALLY_TRY(conclude(&t, &j));
    *out = j;
    return TALLY_OK;
}
