/* network.h - forward and backward passes of a model on a backend: the arithmetic under train.h
 * and model.h. All memory is taken once, by init.
 *
 * act[0] is the batch (rows, inputs); act[l + 1] the output of layer l (rows, out) after its ReLU,
 * the last one the logits; dz[l] the gradient before the ReLU of layer l.
 *
 * A pass has two phases, each cut into tasks for a pool's threads. First ranges of rows go through
 * all layers, forward and back, so that what a layer wrote is read while it is near. Then ranges
 * of units get the gradients of their weights, each summed over all rows; such a range may take
 * its optimiser step at once (`finish`). Batches larger than a block, which is sized for the
 * caches, go block by block. Ranges and blocks depend on the shapes alone, never on the number of
 * threads: the same bits for any pool. */
#pragma once

#include <stdbool.h>

#include "kernels/backend.h"
#include "kernels/model.h"
#include "kernels/pool.h"

/* Units first to first + units of a layer. */
struct tally_units {
    uint32_t layer;
    size_t first, units;
};

struct tally_network {
    const struct tally_backend *backend;
    struct tally_pool *pool; /* borrowed; NULL: the caller's thread does everything */
    struct tally_layer layer[TALLY_LAYERS_MAX];
    uint32_t layers;
    size_t params, block; /* block: most rows of one go through the two phases */
    const void *w;        /* the parameters; see prepare */
    void *w_t;            /* every layer's w^T at the layer's offset; NULL: backend needs none */
    void *memory;         /* act and dz point into it */
    void *act[TALLY_LAYERS_MAX + 1];
    void *dz[TALLY_LAYERS_MAX]; /* NULL: forward only */
    double *loss;               /* one per range of rows */
    double *norm, *factor;      /* of a block's rows, for clipping */
    uint64_t lost;              /* units of the last pass that contributed 0 */
    struct tally_units *slices; /* the largest layers first */
    uint32_t slice_count;
};

/* Clipping of each unit's gradient to `norm` by ghost norms: the gradient of the batch becomes the
 * sum over units of min(1, norm / |g_u|) g_u, times the batch's scale; g_u is the sum over the
 * unit's rows without the scale (weights and `positive` count). Exact up to rounding, and no
 * unit's gradient is ever stored. A unit whose norm is not finite contributes 0. */
struct tally_clip {
    double norm;           /* > 0 */
    const uint32_t *start; /* (units + 1) first rows of units of consecutive rows, start[units] = */
    uint32_t units;        /* rows; each at most TALLY_UNIT_ROWS. NULL: every row is a unit */
};
enum { TALLY_UNIT_ROWS = 256 };

/* One pass: where its rows come from and what becomes of the gradient. */
struct tally_pass {
    const struct tally_batch *batch;
    const float *table;   /* (any, inputs); row r of the batch is row rows[r] of it. NULL: the */
    const uint32_t *rows; /* caller has filled act[0], which holds `block` rows */
    const struct tally_dropout *dropout; /* of hidden layers, `layer` set by the pass; NULL: none */
    const struct tally_clip *clip;       /* NULL: none */
    /* Called when the gradient of parameters first to first + n is there, once for every
     * parameter, at the same time from several threads for different ones; `part` numbers the
     * calls, below tally_network_parts. It may change those parameters. NULL: nothing to do. */
    void (*finish)(void *context, uint32_t part, size_t first, size_t n);
    void *context;
};

/* batch: the most rows that a caller will ask for; the block is as large or smaller.
 * TALLY_E_CONFIG for a bad shape, TALLY_E_NOMEM. *net must be zero or freed. */
TALLY_RESULT tally_network_init(struct tally_network *net, const struct tally_backend *backend,
                                const struct tally_model *model, size_t batch, bool backward);
void tally_network_free(struct tally_network *net);

/* From now on the network computes with these parameters (borrowed; reals as model.h lays them
 * out). To be called again whenever they changed, except by a pass's finish. */
void tally_network_prepare(struct tally_network *net, const void *params);

/* The logits (rows) of the rows in act[0]; rows <= block. */
const void *tally_network_forward(struct tally_network *net, size_t rows);

/* grad: every parameter's gradient of the batch's loss (backend.h, bce), overwritten; returns the
 * loss. The network was made with backward. Without a table the batch has at most `block` rows. */
double tally_network_gradient(struct tally_network *net, void *grad, const struct tally_pass *pass);
/* Parameters are finished in this many parts, the same for every pass. */
uint32_t tally_network_parts(const struct tally_network *net);

/* Calls `update` as a pass does finish, for a step that has to wait for the whole gradient. */
void tally_network_update(struct tally_network *net,
                          void (*update)(void *context, uint32_t part, size_t first, size_t n),
                          void *context);
