/* network.c - see network.h. */
#include "kernels/network.h"

#include <string.h>

enum { ALIGN_REALS = 16 }; /* 64 bytes of floats: every array starts a cache line */

static size_t aligned(size_t n)
{
    return (n + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
}

/* Hands out the arrays; with memory NULL it only counts the reals. */
static size_t carve(struct tally_network *net, bool backward)
{
    size_t used = 0;
    size_t widest = 1;

    for (uint32_t i = 0; i <= net->layers; i++) {
        size_t width = i == 0 ? net->layer[0].in : net->layer[i - 1].out;
        if (i > 0 && width > widest) widest = width;
        if (net->memory != NULL) net->act[i] = tally_real_at(net->backend, net->memory, used);
        used += aligned(net->batch * width);
    }
    for (int i = 0; backward && i < 2; i++) {
        if (net->memory != NULL) net->back[i] = tally_real_at(net->backend, net->memory, used);
        used += aligned(net->batch * widest);
    }
    return used;
}

enum tally_status tally_network_init(struct tally_network *net, const struct tally_backend *backend,
                                     const struct tally_model *model, size_t batch, bool backward)
{
    struct tally_network made = {.backend = backend, .layers = model->n + 1, .batch = batch};

    TALLY_TRY(tally_model_layers(model, made.layer, &made.params));
    size_t reals = carve(&made, backward);
    made.memory = backend->alloc(reals);
    TALLY_ENSURE(made.memory != NULL, TALLY_E_NOMEM, "%zu numbers for batches of %zu rows", reals,
                 batch);
    (void)carve(&made, backward);
    *net = made;
    return TALLY_OK;
}

void tally_network_free(struct tally_network *net)
{
    if (net->backend != NULL) net->backend->release(net->memory);
    *net = (struct tally_network){0};
}

static struct tally_dense shape(const struct tally_layer *l, size_t rows)
{
    return (struct tally_dense){.rows = rows, .in = l->in, .out = l->out};
}

const void *tally_network_forward(struct tally_network *net, const void *params, size_t rows)
{
    const struct tally_backend *b = net->backend;

    TALLY_ASSERT(rows <= net->batch);
    for (uint32_t i = 0; i < net->layers; i++) {
        const struct tally_layer *l = &net->layer[i];
        b->dense(net->act[i + 1], net->act[i], tally_real_of(b, params, l->w),
                 tally_real_of(b, params, l->b), shape(l, rows), i + 1 < net->layers);
    }
    return net->act[net->layers];
}

double tally_network_gradient(struct tally_network *net, void *grad, const void *params,
                              const struct tally_batch *batch)
{
    const struct tally_backend *b = net->backend;
    void *dz = net->back[0];
    void *dx = net->back[1];

    TALLY_ASSERT(dz != NULL);
    double loss = b->bce(dz, tally_network_forward(net, params, batch->rows), batch);
    for (uint32_t i = net->layers; i-- > 0;) {
        const struct tally_layer *l = &net->layer[i];
        struct tally_dense s = shape(l, batch->rows);
        b->dense_dw(tally_real_at(b, grad, l->w), tally_real_at(b, grad, l->b), dz, net->act[i], s);
        if (i == 0) break;
        b->dense_dx(dx, dz, tally_real_of(b, params, l->w), net->act[i], s);
        void *next = dx;
        dx = dz;
        dz = next;
    }
    return loss;
}
