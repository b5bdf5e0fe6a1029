/* train.c - see train.h. */
#include "kernels/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/away.h"
#include "kernels/network.h"
#include "kernels/random.h"
#include "kernels/values.h"

enum { SHUFFLE_STREAM = 2, DROPOUT_STREAM = 3, WATCH_EVERY = 64, CHUNK = 1024 };

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
    TALLY_TRY(tally_plan_check(t->plan));
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
    struct tally_pool *pool;
    struct tally_network net;
    struct tally_step step; /* the one being made */
    double gradient_scale;  /* before it, with clip_norm */
    uint64_t lost;
    void *w, *g, *m, *v, *base; /* params reals each; m, v and base only where needed */
    uint32_t *order;            /* rows, shuffled anew in every epoch */
    float *y, *weight;          /* of the batch; weight NULL if the table has none */
    double *square;             /* of every part of the gradient, for clip_norm */
    struct tally_dropout dropout;
    size_t batch;            /* plan's, at most rows */
    double beta1_t, beta2_t; /* powers of Adam's betas */
    struct tally_progress at;
    double loss_sum, weight_sum;  /* over this epoch */
    struct tally_away_run device; /* where the backend has epochs; most of the above is NULL then */
};

static void release(struct run *r)
{
    const struct tally_backend *b = r->backend;

    tally_away_close(&r->device);
    tally_pool_destroy(&r->pool);
    tally_network_free(&r->net);
    b->release(r->w);
    b->release(r->g);
    b->release(r->m);
    b->release(r->v);
    b->release(r->base);
    free(r->order);
    free(r->y);
    free(r->weight);
    free(r->square);
}

static bool adaptive(const struct tally_plan *p)
{
    return p->optimizer == TALLY_ADAM || p->optimizer == TALLY_ADAMW;
}

static enum tally_status take_memory(struct run *r)
{
    const struct tally_backend *b = r->backend;
    const struct tally_training *in = r->in;
    size_t params = r->net.params;
    bool has_m = in->plan->optimizer != TALLY_SGD;
    bool has_v = adaptive(in->plan);
    bool has_base = in->plan->prox_mu > 0;
    bool has_weight = in->table->weight != NULL;

    r->w = b->alloc(params);
    r->g = b->alloc(params);
    if (has_m) r->m = b->alloc(params);
    if (has_v) r->v = b->alloc(params);
    if (has_base) r->base = b->alloc(params);
    r->order = calloc(in->table->rows, sizeof *r->order);
    r->y = calloc(r->batch, sizeof *r->y);
    r->square = calloc(tally_network_parts(&r->net), sizeof *r->square);
    if (has_weight) r->weight = calloc(r->batch, sizeof *r->weight);
    bool reals = r->w != NULL && r->g != NULL && (!has_m || r->m != NULL) &&
                 (!has_v || r->v != NULL) && (!has_base || r->base != NULL);
    bool rows =
        r->order != NULL && r->y != NULL && r->square != NULL && (!has_weight || r->weight != NULL);
    TALLY_TRY(tally_backend_check(b));
    TALLY_ENSURE(reals && rows, TALLY_E_NOMEM, "training %zu parameters on %zu rows", params,
                 in->table->rows);
    return TALLY_OK;
}

static enum tally_status prepare_device(struct run *r)
{
    r->order = calloc(r->in->table->rows, sizeof *r->order);
    TALLY_ENSURE(r->order != NULL, TALLY_E_NOMEM, "%zu rows", r->in->table->rows);
    TALLY_TRY(tally_away_open(&r->device, r->in, r->batch, &r->dropout));
    r->net.params = r->device.params;
    return TALLY_OK;
}

static enum tally_status prepare(struct run *r)
{
    const struct tally_training *in = r->in;
    size_t rows = in->table->rows;

    r->batch = in->plan->batch < rows ? in->plan->batch : rows;
    r->beta1_t = r->beta2_t = 1;
    r->dropout.seed = tally_random_from(in->plan->seed, DROPOUT_STREAM, in->plan->round).key;
    r->dropout.below = (uint32_t)fmin(rint(in->plan->dropout * 65536), 65535);
    r->at.epochs = in->plan->epochs;
    r->at.steps = (uint64_t)in->plan->epochs * ((rows + r->batch - 1) / r->batch);
    if (r->backend->epochs != NULL) return prepare_device(r);
    TALLY_TRY(tally_network_init(&r->net, r->backend, in->model, r->batch, true));
    TALLY_TRY(take_memory(r));
    TALLY_TRY(tally_pool_new(&r->pool, r->backend->threads ? in->plan->threads : 1));
    r->net.pool = r->pool;
    r->backend->put(r->w, in->base, r->net.params);
    if (r->base != NULL) r->backend->put(r->base, in->base, r->net.params);
    tally_network_prepare(&r->net, r->w);
    return TALLY_OK;
}

/* Copies the batch's labels and weights side by side; returns the sum of the weights. */
static double load(struct run *r, const uint32_t *rows, size_t n)
{
    const struct tally_table *t = r->in->table;
    double sum = 0;

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
                           .epsilon = p->epsilon,
                           .decay = p->learning_rate * p->weight_decay};

    if (adaptive(p)) {
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

/* The optimiser's step on parameters first to first + n, whose gradient is there. */
static void step_part(void *context, uint32_t part, size_t first, size_t n)
{
    struct run *r = context;
    const struct tally_backend *b = r->backend;
    struct tally_step_arrays a = {.w = tally_real_at(b, r->w, first),
                                  .g = tally_real_at(b, r->g, first)};

    (void)part;
    if (r->m != NULL) a.m = tally_real_at(b, r->m, first);
    if (r->v != NULL) a.v = tally_real_at(b, r->v, first);
    b->step(a, &r->step, n);
}

static void add_prox(struct run *r, size_t first, size_t n)
{
    const struct tally_backend *b = r->backend;

    if (r->base == NULL) return;
    b->prox(tally_real_at(b, r->g, first), tally_real_of(b, r->w, first),
            tally_real_of(b, r->base, first), r->in->plan->prox_mu, n);
}

static void finish(void *context, uint32_t part, size_t first, size_t n)
{
    add_prox(context, first, n);
    step_part(context, part, first, n);
}

/* With clip_norm the step has to wait for the norm of the whole gradient. */
static void measure(void *context, uint32_t part, size_t first, size_t n)
{
    struct run *r = context;

    add_prox(r, first, n);
    r->square[part] = r->backend->square(tally_real_of(r->backend, r->g, first), n);
}

static void scale_and_step(void *context, uint32_t part, size_t first, size_t n)
{
    struct run *r = context;

    r->backend->scale(tally_real_at(r->backend, r->g, first), r->gradient_scale, n);
    step_part(r, part, first, n);
}

static void clip_and_step(struct run *r)
{
    double square = 0;

    for (uint32_t i = 0; i < tally_network_parts(&r->net); i++) square += r->square[i];
    double norm = sqrt(square);
    r->gradient_scale = r->in->plan->clip_norm / norm;
    tally_network_update(&r->net, norm > r->in->plan->clip_norm ? scale_and_step : step_part, r);
}

static double gradient(struct run *r, const struct tally_batch *batch, const uint32_t *rows)
{
    const struct tally_plan *p = r->in->plan;
    const struct tally_clip clip = {.norm = p->clip_row};
    const struct tally_pass pass = {.batch = batch,
                                    .table = r->in->table->x,
                                    .rows = rows,
                                    .dropout = r->dropout.below > 0 ? &r->dropout : NULL,
                                    .clip = p->clip_row > 0 ? &clip : NULL,
                                    .finish = p->clip_norm > 0 ? measure : finish,
                                    .context = r};

    r->dropout.step = r->at.step;
    double loss = tally_network_gradient(&r->net, r->g, &pass);
    r->lost += r->net.lost;
    if (p->clip_norm > 0) clip_and_step(r);
    return loss;
}

static enum tally_status train_batch(struct run *r, const uint32_t *rows, size_t n)
{
    const struct tally_plan *p = r->in->plan;
    double weight = load(r, rows, n);

    r->at.step++;
    if (!(weight > 0)) return TALLY_OK;
    struct tally_batch batch = {.y = r->y,
                                .weight = r->weight,
                                .positive = p->positive_weight,
                                .scale = 1 / weight,
                                .focal = p->focal_gamma,
                                .rows = n};
    r->step = next_step(r);
    double loss = gradient(r, &batch, rows);
    if (!isfinite(loss)) return diverged(r, "the loss");
    r->loss_sum += loss * weight;
    r->weight_sum += weight;
    return TALLY_OK;
}

static void report(struct run *r, bool end_of_epoch)
{
    const struct tally_watch *w = r->in->watch;

    if (w == NULL || w->progress == NULL) return;
    uint32_t every = w->every != 0 ? w->every : WATCH_EVERY;
    if (!end_of_epoch && r->at.step % every != 0) return;
    if (r->weight_sum > 0) r->at.loss = r->loss_sum / r->weight_sum;
    w->progress(w->context, &r->at);
}

static bool cancelled(const struct run *r)
{
    const struct tally_watch *w = r->in->watch;

    return w != NULL && w->cancel != NULL && atomic_load_explicit(w->cancel, memory_order_relaxed);
}

static enum tally_status begin_on_device(struct run *r)
{
    size_t n = tally_away_plan(&r->device, r->order, r->at.step);

    for (size_t i = 0; i < n; i++) r->device.turns[i].step = next_step(r);
    return tally_away_begin(&r->device, r->order);
}

/* The loss is known when the last batch is done, not before. */
static enum tally_status batch_on_device(struct run *r, size_t from, bool last)
{
    r->at.step++;
    TALLY_TRY(tally_away_batch(&r->device, from));
    if (!last) return TALLY_OK;
    TALLY_TRY(tally_away_end(&r->device, &r->loss_sum, &r->lost));
    if (!isfinite(r->loss_sum)) return diverged(r, "the loss");
    r->weight_sum = r->device.weight;
    return TALLY_OK;
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
    bool away = r->backend->epochs != NULL;
    if (away) TALLY_TRY(begin_on_device(r));
    for (size_t from = 0; from < rows; from += r->batch) {
        size_t n = rows - from < r->batch ? rows - from : r->batch;
        TALLY_ENSURE(!cancelled(r), TALLY_E_STATE, "cancelled in epoch %u of %u, after step %llu",
                     r->at.epoch, r->at.epochs, (unsigned long long)r->at.step);
        TALLY_TRY(away ? batch_on_device(r, from, from + n == rows)
                       : train_batch(r, r->order + from, n));
        report(r, from + n == rows);
    }
    return TALLY_OK;
}

static void get(double *to, const struct run *r, size_t first, size_t n)
{
    if (r->device.epochs != NULL)
        r->backend->epochs->get(r->device.epochs, to, first, n);
    else
        r->backend->get(to, tally_real_of(r->backend, r->w, first), n);
}

/* trained - base, rounded once; to NULL only asks whether it fits. */
static bool difference(float *to, const struct run *r)
{
    double w[CHUNK];
    bool finite = true;

    for (size_t from = 0; from < r->net.params; from += CHUNK) {
        size_t n = r->net.params - from < CHUNK ? r->net.params - from : CHUNK;
        get(w, r, from, n);
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
    bool finite = difference(r->device.delta, r);
    TALLY_TRY(tally_backend_check(r->backend));
    if (!finite) return diverged(r, "a weight");
    out->steps = r->at.step;
    out->lost = r->lost;
    return TALLY_OK;
}

enum tally_status tally_train(float *delta, struct tally_trained *out,
                              const struct tally_training *t)
{
    struct tally_trained trained;

    TALLY_TRY(check(&trained, t));
    struct run r __attribute__((cleanup(release))) = {.in = t, .backend = t->backend};
    TALLY_TRY(train_all(&trained, &r));
    if (r.device.delta != NULL)
        memcpy(delta, r.device.delta, r.net.params * sizeof *delta);
    else
        (void)difference(delta, &r);
    *out = trained;
    return TALLY_OK;
}
