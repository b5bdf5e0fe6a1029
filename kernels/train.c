/* train.c - see train.h. */
#include "kernels/train.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/network.h"
#include "kernels/random.h"
#include "kernels/values.h"

enum { SHUFFLE_STREAM = 2, WATCH_EVERY = 64, CHUNK = 1024 };

struct tally_plan tally_plan_default(void)
{
    return (struct tally_plan){.optimizer = TALLY_ADAM,
                               .learning_rate = 1e-3,
                               .momentum = 0.9,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .positive_weight = 1,
                               .batch = 1024,
                               .epochs = 1};
}

static enum tally_status check_positive(const char *name, double value)
{
    TALLY_ENSURE(isfinite(value) && value > 0, TALLY_E_CONFIG, "%s is %g: it must be above 0", name,
                 value);
    return TALLY_OK;
}

static enum tally_status check_fraction(const char *name, double value)
{
    TALLY_ENSURE(value >= 0 && value < 1, TALLY_E_CONFIG, "%s is %g: 0 to below 1 is possible",
                 name, value);
    return TALLY_OK;
}

static enum tally_status check_steps(const struct tally_plan *p)
{
    TALLY_TRY(check_positive("learning_rate", p->learning_rate));
    TALLY_TRY(check_fraction("momentum", p->momentum));
    TALLY_TRY(check_fraction("beta1", p->beta1));
    TALLY_TRY(check_fraction("beta2", p->beta2));
    return check_positive("epsilon", p->epsilon);
}

static enum tally_status check_loss(const struct tally_plan *p)
{
    TALLY_ENSURE(isfinite(p->prox_mu) && p->prox_mu >= 0, TALLY_E_CONFIG,
                 "prox_mu is %g: 0 or more is possible", p->prox_mu);
    return check_positive("positive_weight", p->positive_weight);
}

static enum tally_status check_plan(const struct tally_plan *p)
{
    TALLY_ENSURE(p->optimizer >= TALLY_SGD && p->optimizer <= TALLY_ADAM, TALLY_E_CONFIG,
                 "no optimizer has number %d", (int)p->optimizer);
    TALLY_ENSURE(p->batch >= 1 && p->batch <= TALLY_BATCH_MAX, TALLY_E_CONFIG,
                 "batch is %u: 1 to %d rows are possible", p->batch, TALLY_BATCH_MAX);
    TALLY_ENSURE(p->epochs >= 1 && p->epochs <= TALLY_EPOCHS_MAX, TALLY_E_CONFIG,
                 "%u epochs: 1 to %d are possible", p->epochs, TALLY_EPOCHS_MAX);
    TALLY_TRY(check_steps(p));
    return check_loss(p);
}

/* *out counts what training will use. */
static enum tally_status count_rows(struct tally_trained *out, const struct tally_table *t)
{
    *out = (struct tally_trained){0};
    for (size_t r = 0; r < t->rows; r++) {
        bool used = t->weight == NULL || t->weight[r] > 0;
        out->examples += used;
        out->positives += used && t->y[r] > 0;
    }
    TALLY_ENSURE(out->examples > 0, TALLY_E_CONFIG, "every row has weight 0");
    return TALLY_OK;
}

static enum tally_status check_table(struct tally_trained *out, const struct tally_table *t,
                                     const struct tally_model *m)
{
    size_t at;

    TALLY_ENSURE(t->rows >= 1 && t->rows <= TALLY_ROWS_MAX, TALLY_E_CONFIG,
                 "the table has %zu rows: 1 to %d are possible", t->rows, TALLY_ROWS_MAX);
    TALLY_ENSURE(t->features == m->inputs, TALLY_E_CONFIG,
                 "the table has %zu features, the model %u", t->features, m->inputs);
    TALLY_ENSURE(tally_values_finite(t->x, t->rows * t->features, &at), TALLY_E_CONFIG,
                 "row %zu, feature %zu is not a finite number", at / t->features, at % t->features);
    TALLY_TRY(tally_values_rows(t->y, t->weight, t->rows));
    return count_rows(out, t);
}

static enum tally_status check(struct tally_trained *out, const struct tally_training *t)
{
    size_t params;
    size_t at;

    TALLY_TRY(tally_model_layers(t->model, NULL, &params));
    TALLY_TRY(check_plan(t->plan));
    TALLY_ENSURE(tally_values_finite(t->base, params, &at), TALLY_E_CONFIG,
                 "parameter %zu of the base is not a finite number", at);
    return check_table(out, t->table, t->model);
}

enum tally_status tally_train_check(const struct tally_training *t)
{
    struct tally_trained counted;

    return check(&counted, t);
}

/* Everything a training run owns; one release() for all of it. */
struct run {
    const struct tally_training *in;
    const struct tally_backend *backend;
    struct tally_network net;
    void *w, *g, *m, *v, *base; /* params reals each; m, v and base only where needed */
    uint32_t *order;            /* rows, shuffled anew in every epoch */
    float *y, *weight;          /* of the batch; weight NULL if the table has none */
    size_t batch;               /* plan's, at most rows */
    double beta1_t, beta2_t;    /* powers of Adam's betas */
    struct tally_progress at;
    double loss_sum, weight_sum; /* over this epoch */
};

static void release(struct run *r)
{
    const struct tally_backend *b = r->backend;

    tally_network_free(&r->net);
    b->release(r->w);
    b->release(r->g);
    b->release(r->m);
    b->release(r->v);
    b->release(r->base);
    free(r->order);
    free(r->y);
    free(r->weight);
}

static enum tally_status take_memory(struct run *r)
{
    const struct tally_backend *b = r->backend;
    const struct tally_training *in = r->in;
    size_t params = r->net.params;
    bool has_m = in->plan->optimizer != TALLY_SGD;
    bool has_v = in->plan->optimizer == TALLY_ADAM;
    bool has_base = in->plan->prox_mu > 0;
    bool has_weight = in->table->weight != NULL;

    r->w = b->alloc(params);
    r->g = b->alloc(params);
    if (has_m) r->m = b->alloc(params);
    if (has_v) r->v = b->alloc(params);
    if (has_base) r->base = b->alloc(params);
    r->order = calloc(in->table->rows, sizeof *r->order);
    r->y = calloc(r->batch, sizeof *r->y);
    if (has_weight) r->weight = calloc(r->batch, sizeof *r->weight);
    bool reals = r->w != NULL && r->g != NULL && (!has_m || r->m != NULL) &&
                 (!has_v || r->v != NULL) && (!has_base || r->base != NULL);
    bool rows = r->order != NULL && r->y != NULL && (!has_weight || r->weight != NULL);
    TALLY_ENSURE(reals && rows, TALLY_E_NOMEM, "training %zu parameters on %zu rows", params,
                 in->table->rows);
    return TALLY_OK;
}

static enum tally_status prepare(struct run *r)
{
    const struct tally_training *in = r->in;
    size_t rows = in->table->rows;

    r->batch = in->plan->batch < rows ? in->plan->batch : rows;
    r->beta1_t = r->beta2_t = 1;
    r->at.epochs = in->plan->epochs;
    r->at.steps = (uint64_t)in->plan->epochs * ((rows + r->batch - 1) / r->batch);
    TALLY_TRY(tally_network_init(&r->net, r->backend, in->model, r->batch, true));
    TALLY_TRY(take_memory(r));
    r->backend->put(r->w, in->base, r->net.params);
    if (r->base != NULL) r->backend->put(r->base, in->base, r->net.params);
    return TALLY_OK;
}

/* Copies the batch's rows, labels and weights side by side; returns the sum of the weights. */
static double load(struct run *r, const uint32_t *rows, size_t n)
{
    const struct tally_table *t = r->in->table;
    double sum = 0;

    r->backend->gather(r->net.act[0], t->x, rows, n, t->features);
    for (size_t i = 0; i < n; i++) r->y[i] = t->y[rows[i]];
    if (r->weight == NULL) return (double)n;
    for (size_t i = 0; i < n; i++) {
        r->weight[i] = t->weight[rows[i]];
        sum += (double)r->weight[i];
    }
    return sum;
}

static struct tally_step next_step(struct run *r)
{
    const struct tally_plan *p = r->in->plan;
    struct tally_step s = {.kind = p->optimizer,
                           .rate = p->learning_rate,
                           .momentum = p->momentum,
                           .beta1 = p->beta1,
                           .beta2 = p->beta2,
                           .root_v = 1,
                           .epsilon = p->epsilon};

    if (p->optimizer == TALLY_ADAM) {
        r->beta1_t *= p->beta1;
        r->beta2_t *= p->beta2;
        s.rate = p->learning_rate / (1 - r->beta1_t);
        s.root_v = 1 / sqrt(1 - r->beta2_t);
    }
    return s;
}

static enum tally_status diverged(const struct run *r, const char *what)
{
    return TALLY_FAIL(TALLY_E_STATE,
                      "%s is no longer finite in epoch %u of %u, step %llu of %llu: lower "
                      "learning_rate (%g) or scale the features",
                      what, r->at.epoch, r->at.epochs, (unsigned long long)r->at.step,
                      (unsigned long long)r->at.steps, r->in->plan->learning_rate);
}

static enum tally_status train_batch(struct run *r, const uint32_t *rows, size_t n)
{
    const struct tally_backend *b = r->backend;
    const struct tally_plan *p = r->in->plan;
    double weight = load(r, rows, n);

    r->at.step++;
    if (!(weight > 0)) return TALLY_OK;
    struct tally_batch batch = {.y = r->y,
                                .weight = r->weight,
                                .positive = p->positive_weight,
                                .scale = 1 / weight,
                                .rows = n};
    double loss = tally_network_gradient(&r->net, r->g, r->w, &batch);
    if (!isfinite(loss)) return diverged(r, "the loss");
    r->loss_sum += loss * weight;
    r->weight_sum += weight;
    if (r->base != NULL) b->prox(r->g, r->w, r->base, p->prox_mu, r->net.params);
    struct tally_step s = next_step(r);
    b->step((struct tally_step_arrays){.w = r->w, .g = r->g, .m = r->m, .v = r->v}, &s,
            r->net.params);
    return TALLY_OK;
}

static void report(struct run *r, bool end_of_epoch)
{
    const struct tally_watch *w = r->in->watch;

    if (w == NULL || w->progress == NULL) return;
    uint32_t every = w->every != 0 ? w->every : WATCH_EVERY;
    if (!end_of_epoch && r->at.step % every != 0) return;
    r->at.loss = r->weight_sum > 0 ? r->loss_sum / r->weight_sum : 0;
    w->progress(w->context, &r->at);
}

static bool cancelled(const struct run *r)
{
    const struct tally_watch *w = r->in->watch;

    return w != NULL && w->cancel != NULL && atomic_load_explicit(w->cancel, memory_order_relaxed);
}

static enum tally_status train_epoch(struct run *r)
{
    const struct tally_plan *p = r->in->plan;
    uint32_t rows = (uint32_t)r->in->table->rows;
    struct tally_random random =
        tally_random_from(p->seed, SHUFFLE_STREAM, ((uint64_t)p->round << 32) | (r->at.epoch));

    r->loss_sum = r->weight_sum = 0;
    for (uint32_t i = 0; i < rows; i++) r->order[i] = i;
    tally_random_shuffle(&random, r->order, rows);
    for (size_t from = 0; from < rows; from += r->batch) {
        size_t n = rows - from < r->batch ? rows - from : r->batch;
        TALLY_ENSURE(!cancelled(r), TALLY_E_STATE, "cancelled in epoch %u of %u, after step %llu",
                     r->at.epoch, r->at.epochs, (unsigned long long)r->at.step);
        TALLY_TRY(train_batch(r, r->order + from, n));
        report(r, from + n == rows);
    }
    return TALLY_OK;
}

/* trained - base, rounded once; to NULL only asks whether it fits. */
static bool difference(float *to, const struct run *r)
{
    double w[CHUNK];
    bool finite = true;

    for (size_t from = 0; from < r->net.params; from += CHUNK) {
        size_t n = r->net.params - from < CHUNK ? r->net.params - from : CHUNK;
        r->backend->get(w, tally_real_of(r->backend, r->w, from), n);
        for (size_t i = 0; i < n; i++) {
            float d = (float)(w[i] - (double)r->in->base[from + i]) + 0.0F; /* no -0 */
            finite = finite && isfinite(d);
            if (to != NULL) to[from + i] = d;
        }
    }
    return finite;
}

static enum tally_status train_all(struct tally_trained *out, struct run *r)
{
    TALLY_TRY(prepare(r));
    for (r->at.epoch = 1; r->at.epoch <= r->at.epochs; r->at.epoch++) {
        TALLY_TRY(train_epoch(r));
        out->last_loss = r->loss_sum / r->weight_sum;
        if (r->at.epoch == 1) out->first_loss = out->last_loss;
    }
    r->at.epoch = r->at.epochs;
    if (!difference(NULL, r)) return diverged(r, "a weight");
    out->steps = r->at.step;
    return TALLY_OK;
}

enum tally_status tally_train(float *delta, struct tally_trained *out,
                              const struct tally_training *t)
{
    struct tally_trained trained;

    TALLY_TRY(check(&trained, t));
    struct run r __attribute__((cleanup(release))) = {.in = t, .backend = t->backend};
    TALLY_TRY(train_all(&trained, &r));
    (void)difference(delta, &r);
    *out = trained;
    return TALLY_OK;
}
