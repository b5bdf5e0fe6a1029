/* network.c - see network.h. */
#include "kernels/cut.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGN_REALS = 16,      /* 64 bytes of floats: every array starts a cache line */
    RANGE_ROWS = 32,       /* of a task in the first phase: weights stay near, rows too */
    SLICE_UNITS = 32,      /* of a task in the second */
    BLOCK_STEP = 512,      /* rows: the depth of the product that sums over rows */
    BLOCK_BYTES = 8 << 20, /* of a block's activations and gradients */
};

static size_t aligned(size_t n)
{
    return (n + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
}

static size_t width(const struct tally_network *net, uint32_t act)
{
    return act == 0 ? net->layer[0].in : net->layer[act - 1].out;
}

static size_t block_rows(const struct tally_network *net, size_t batch)
{
    size_t row = 0;

    for (uint32_t i = 0; i <= net->layers; i++) row += 2 * width(net, i) * net->backend->real_bytes;
    size_t rows = BLOCK_BYTES / row / BLOCK_STEP * BLOCK_STEP;
    if (rows < BLOCK_STEP) rows = BLOCK_STEP;
    return net->backend->threads && rows < batch ? rows : batch;
}

/* Hands out the arrays; with memory NULL it only counts the reals. */
static size_t carve(struct tally_network *net, bool backward)
{
    size_t used = 0;

    for (uint32_t i = 0; i <= net->layers; i++) {
        if (net->memory != NULL) net->act[i] = tally_cut_at(net, net->memory, used);
        used += aligned(net->block * width(net, i));
        if (!backward || i == 0) continue;
        if (net->memory != NULL) net->dz[i - 1] = tally_cut_at(net, net->memory, used);
        used += aligned(net->block * width(net, i));
    }
    if (net->backend->transpose != NULL) {
        if (net->memory != NULL) net->w_t = tally_cut_at(net, net->memory, used);
        used += aligned(net->params);
    }
    return used;
}

/* The largest of the layers not yet taken. */
static uint32_t take_largest(const struct tally_network *net, bool *taken)
{
    uint32_t best = 0;
    size_t size = 0;

    for (uint32_t i = 0; i < net->layers; i++) {
        if (taken[i] || net->layer[i].in * net->layer[i].out <= size) continue;
        best = i;
        size = net->layer[i].in * net->layer[i].out;
    }
    taken[best] = true;
    return best;
}

/* A device has no use for parts: one task is a whole block or layer. */
size_t tally_cut_rows(const struct tally_network *net)
{
    return net->backend->threads ? RANGE_ROWS : net->block;
}

static size_t slice_units(const struct tally_network *net, uint32_t layer)
{
    return net->backend->threads ? SLICE_UNITS : net->layer[layer].out;
}

/* Large layers come first so that the threads end together. */
static void slice_layers(struct tally_network *net)
{
    bool taken[TALLY_LAYERS_MAX] = {false};
    struct tally_units *s = net->slices;

    for (uint32_t i = 0; i < net->layers; i++) {
        uint32_t l = take_largest(net, taken);
        size_t out = net->layer[l].out;
        size_t step = slice_units(net, l);
        for (size_t first = 0; first < out; first += step)
            *s++ = (struct tally_units){
                .layer = l, .first = first, .units = out - first < step ? out - first : step};
    }
    net->slice_count = (uint32_t)(s - net->slices);
}

static enum tally_status take_memory(struct tally_network *net, bool backward)
{
    size_t reals = carve(net, backward);
    size_t slices = 0;

    for (uint32_t i = 0; i < net->layers; i++)
        slices += tally_cut_tasks(net->layer[i].out, slice_units(net, i));
    net->memory = net->backend->alloc(reals);
    net->slices = calloc(slices, sizeof *net->slices);
    net->loss = calloc(tally_cut_tasks(net->block, tally_cut_rows(net)) + 1, sizeof *net->loss);
    net->norm = calloc(net->block + 1, sizeof *net->norm);
    net->factor = calloc(net->block + 1, sizeof *net->factor);
    if (net->memory == NULL) TALLY_TRY(tally_backend_check(net->backend));
    TALLY_ENSURE(net->memory != NULL && net->slices != NULL && net->loss != NULL &&
                     net->norm != NULL && net->factor != NULL,
                 TALLY_E_NOMEM, "%zu numbers for batches of %zu rows", reals, net->block);
    (void)carve(net, backward);
    slice_layers(net);
    return TALLY_OK;
}

enum tally_status tally_network_init(struct tally_network *net, const struct tally_backend *backend,
                                     const struct tally_model *model, size_t batch, bool backward)
{
    struct tally_network made = {.backend = backend, .layers = model->n + 1};

    TALLY_TRY(tally_model_layers(model, made.layer, &made.params));
    made.block = block_rows(&made, batch);
    enum tally_status status = take_memory(&made, backward);
    if (status != TALLY_OK)
        tally_network_free(&made);
    else
        *net = made;
    return status;
}

void tally_network_free(struct tally_network *net)
{
    if (net->backend != NULL) net->backend->release(net->memory);
    free(net->slices);
    free(net->loss);
    free(net->norm);
    free(net->factor);
    *net = (struct tally_network){0};
}

void tally_cut_share(const struct tally_network *net, void (*work)(void *context, uint32_t task),
                     void *context, uint32_t tasks)
{
    if (net->pool != NULL && net->backend->threads && tasks > 1) {
        tally_pool_run(net->pool, work, context, tasks);
        return;
    }
    for (uint32_t t = 0; t < tasks; t++) work(context, t);
}

struct tally_weights tally_cut_weights(const struct tally_network *net, uint32_t layer)
{
    const struct tally_backend *b = net->backend;
    const struct tally_layer *l = &net->layer[layer];

    return (struct tally_weights){.w = tally_real_of(b, net->w, l->w),
                                  .w_t = net->w_t != NULL ? tally_real_of(b, net->w_t, l->w) : NULL,
                                  .bias = tally_real_of(b, net->w, l->b)};
}

void tally_cut_transpose(void *context, uint32_t task)
{
    struct tally_network *net = context;
    const struct tally_units *s = &net->slices[task];
    const struct tally_layer *l = &net->layer[s->layer];

    if (l->out == 1) return;
    net->backend->transpose(tally_cut_at(net, net->w_t, l->w + s->first),
                            tally_real_of(net->backend, net->w, l->w + s->first * l->in),
                            (struct tally_dense){.in = l->in, .out = s->units, .out_row = l->out});
}

void tally_network_prepare(struct tally_network *net, const void *params)
{
    net->w = params;
    if (net->w_t != NULL) tally_cut_share(net, tally_cut_transpose, net, net->slice_count);
}

/* Rows from to from + n through all layers. */
void tally_cut_forward(struct tally_network *net, size_t from, size_t n, struct tally_masks m)
{
    for (uint32_t i = 0; i < net->layers; i++) {
        const struct tally_layer *l = &net->layer[i];
        void *out = tally_cut_at(net, net->act[i + 1], from * l->out);
        bool hidden = i + 1 < net->layers;
        net->backend->dense(out, tally_cut_at(net, net->act[i], from * l->in),
                            tally_cut_weights(net, i), tally_cut_shape(l, n), hidden);
        if (m.dropout == NULL || !hidden) continue;
        struct tally_dropout d = *m.dropout;
        d.layer = i;
        net->backend->dropout(out, &d, m.row, tally_cut_shape(l, n));
    }
}

struct forward_run {
    struct tally_network *net;
    size_t rows;
};

static void forward_range(void *context, uint32_t task)
{
    const struct forward_run *f = context;
    size_t step = tally_cut_rows(f->net);
    size_t from = task * step;

    tally_cut_forward(f->net, from, f->rows - from < step ? f->rows - from : step,
                      (struct tally_masks){0});
}

const void *tally_network_forward(struct tally_network *net, size_t rows)
{
    struct forward_run f = {.net = net, .rows = rows};

    TALLY_ASSERT(rows <= net->block && net->w != NULL);
    tally_cut_share(net, forward_range, &f, tally_cut_tasks(rows, tally_cut_rows(net)));
    return net->act[net->layers];
}
