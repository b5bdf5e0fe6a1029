/* gradient.c - passes with gradients: see network.h. */
#include <math.h>

#include "kernels/cut.h"

/* A gradient in the making: the rows first to first + rows of the batch are in the block. */
struct gradient_run {
    struct tally_network *net;
    const struct tally_pass *pass;
    void *grad;
    size_t first, rows;
};

/* The gate of dense_dx is shut where dropout made a unit 0; the gain is what is left to do. */
static void backward(struct tally_network *net, size_t from, size_t n,
                     const struct tally_dropout *dropout)
{
    for (uint32_t i = net->layers - 1; i > 0; i--) {
        const struct tally_layer *l = &net->layer[i];
        void *dx = tally_cut_at(net, net->dz[i - 1], from * l->in);
        net->backend->dense_dx(dx, tally_cut_at(net, net->dz[i], from * l->out),
                               tally_cut_weights(net, i).w,
                               tally_cut_at(net, net->act[i], from * l->in), tally_cut_shape(l, n));
        if (dropout != NULL) net->backend->scale(dx, tally_dropout_gain(dropout->below), n * l->in);
    }
}

/* The first unit that begins at this row of the batch or later. */
static uint32_t unit_at(const struct tally_clip *clip, size_t row)
{
    uint32_t low = 0;
    uint32_t high = clip->units;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (clip->start[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Squared norms of rows from to from + n of one unit, at norm[from]. */
static void square_unit(struct tally_network *net, size_t from, size_t n)
{
    net->norm[from] = 0;
    for (uint32_t i = 0; i < net->layers; i++) {
        const struct tally_layer *l = &net->layer[i];
        net->norm[from] += net->backend->ghost_group(tally_cut_at(net, net->dz[i], from * l->out),
                                                     tally_cut_at(net, net->act[i], from * l->in),
                                                     tally_cut_shape(l, n));
    }
    for (size_t r = 1; r < n; r++) net->norm[from + r] = net->norm[from];
}

static void square_rows(struct tally_network *net, size_t from, size_t n)
{
    for (size_t r = from; r < from + n; r++) net->norm[r] = 0;
    for (uint32_t i = 0; i < net->layers; i++) {
        const struct tally_layer *l = &net->layer[i];
        net->backend->ghost_rows(net->norm + from, tally_cut_at(net, net->dz[i], from * l->out),
                                 tally_cut_at(net, net->act[i], from * l->in),
                                 tally_cut_shape(l, n));
    }
}

/* Rows from to from + n of the block are whole units. */
static void clip_range(const struct gradient_run *g, size_t from, size_t n)
{
    struct tally_network *net = g->net;
    const struct tally_clip *clip = g->pass->clip;

    if (clip->start == NULL) {
        square_rows(net, from, n);
    } else {
        uint32_t end = unit_at(clip, g->first + from + n);
        for (uint32_t u = unit_at(clip, g->first + from); u < end; u++)
            square_unit(net, clip->start[u] - g->first, clip->start[u + 1] - clip->start[u]);
    }
    for (size_t r = from; r < from + n; r++) {
        double norm = sqrt(net->norm[r]);
        net->factor[r] = isfinite(norm) ? g->pass->batch->scale : 0;
        if (norm > clip->norm) net->factor[r] *= clip->norm / norm;
    }
    for (uint32_t i = 0; i < net->layers; i++) {
        const struct tally_layer *l = &net->layer[i];
        net->backend->scale_rows(tally_cut_at(net, net->dz[i], from * l->out), net->factor + from,
                                 tally_cut_shape(l, n));
    }
}

/* The rows of a task of the first phase, in the block: with units those that begin in its range. */
static void range_of(const struct gradient_run *g, uint32_t task, size_t *from, size_t *n)
{
    const struct tally_clip *clip = g->pass->clip;
    size_t step = tally_cut_rows(g->net);
    size_t end = (task + 1) * step < g->rows ? (task + 1) * step : g->rows;

    *from = task * step;
    if (clip != NULL && clip->start != NULL) {
        *from = clip->start[unit_at(clip, g->first + *from)] - g->first;
        end = clip->start[unit_at(clip, g->first + end)] - g->first;
    }
    *n = end - *from;
}

static void row_range(void *context, uint32_t task)
{
    const struct gradient_run *g = context;
    struct tally_network *net = g->net;
    const struct tally_pass *pass = g->pass;
    struct tally_batch part = *pass->batch;
    size_t from;
    size_t n;

    range_of(g, task, &from, &n);
    if (pass->table != NULL)
        net->backend->gather(tally_cut_at(net, net->act[0], from * net->layer[0].in), pass->table,
                             pass->rows + g->first + from, n, net->layer[0].in);
    tally_cut_forward(net, from, n,
                      (struct tally_masks){.dropout = pass->dropout, .row = g->first + from});
    part.y += g->first + from;
    if (part.weight != NULL) part.weight += g->first + from;
    part.rows = n;
    if (pass->clip != NULL) part.scale = 1;
    net->loss[task] = net->backend->bce(tally_cut_at(net, net->dz[net->layers - 1], from),
                                        tally_cut_at(net, net->act[net->layers], from), &part);
    backward(net, from, n, pass->dropout);
    if (pass->clip == NULL) return;
    net->loss[task] *= pass->batch->scale;
    clip_range(g, from, n);
}

typedef void part_work(void *context, uint32_t part, size_t first, size_t n);

/* Two parts a slice: its weights and its biases. */
static void finish_slice(struct tally_network *net, uint32_t task, part_work *work, void *context)
{
    const struct tally_units *s = &net->slices[task];
    const struct tally_layer *l = &net->layer[s->layer];

    work(context, 2 * task, l->w + s->first * l->in, s->units * l->in);
    work(context, 2 * task + 1, l->b + s->first, s->units);
    if (net->w_t != NULL) tally_cut_transpose(net, task);
}

uint32_t tally_network_parts(const struct tally_network *net)
{
    return 2 * net->slice_count;
}

struct update_run {
    struct tally_network *net;
    part_work *work;
    void *context;
};

static void update_slice(void *context, uint32_t task)
{
    const struct update_run *u = context;

    finish_slice(u->net, task, u->work, u->context);
}

void tally_network_update(struct tally_network *net,
                          void (*update)(void *context, uint32_t part, size_t first, size_t n),
                          void *context)
{
    struct update_run u = {.net = net, .work = update, .context = context};

    tally_cut_share(net, update_slice, &u, net->slice_count);
}

static void unit_slice(void *context, uint32_t task)
{
    const struct gradient_run *g = context;
    struct tally_network *net = g->net;
    const struct tally_units *s = &net->slices[task];
    const struct tally_layer *l = &net->layer[s->layer];
    size_t w = l->w + s->first * l->in;
    size_t b = l->b + s->first;

    net->backend->dense_dw(
        tally_cut_at(net, g->grad, w), tally_cut_at(net, g->grad, b),
        tally_cut_at(net, net->dz[s->layer], s->first), net->act[s->layer],
        (struct tally_dense){.rows = g->rows, .in = l->in, .out = s->units, .out_row = l->out},
        g->first > 0);
    if (g->first + g->rows < g->pass->batch->rows || g->pass->finish == NULL) return;
    finish_slice(net, task, g->pass->finish, g->pass->context);
}

/* As many rows from g->first on as the block holds, cut between units. */
static size_t next_rows(const struct gradient_run *g)
{
    const struct tally_clip *clip = g->pass->clip;
    size_t rows = g->pass->batch->rows - g->first;

    if (rows <= g->net->block) return rows;
    if (clip == NULL || clip->start == NULL) return g->net->block;
    uint32_t unit = unit_at(clip, g->first + g->net->block + 1) - 1;
    TALLY_ASSERT(clip->start[unit] > g->first);
    return clip->start[unit] - g->first;
}

static uint64_t count_lost(const struct gradient_run *g)
{
    const struct tally_clip *clip = g->pass->clip;
    uint64_t lost = 0;

    if (clip == NULL) return 0;
    for (size_t r = 0; r < g->rows; r++) {
        bool begins =
            clip->start == NULL || clip->start[unit_at(clip, g->first + r)] == g->first + r;
        lost += begins && !isfinite(g->net->norm[r]);
    }
    return lost;
}

double tally_network_gradient(struct tally_network *net, void *grad, const struct tally_pass *pass)
{
    struct gradient_run g = {.net = net, .pass = pass, .grad = grad};
    size_t rows = pass->batch->rows;
    double loss = 0;

    TALLY_ASSERT(net->dz[0] != NULL && net->w != NULL);
    TALLY_ASSERT(pass->table != NULL || rows <= net->block);
    net->lost = 0;
    do {
        g.rows = next_rows(&g);
        uint32_t tasks = tally_cut_tasks(g.rows, tally_cut_rows(net));
        tally_cut_share(net, row_range, &g, tasks);
        for (uint32_t t = 0; t < tasks; t++) loss += net->loss[t];
        net->lost += count_lost(&g);
        tally_cut_share(net, unit_slice, &g, net->slice_count);
        g.first += g.rows;
    } while (g.first < rows);
    return loss;
}
