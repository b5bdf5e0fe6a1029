/* network.h - forward and backward passes of a model on a backend: the arithmetic under train.h
 * and model.h. All memory is taken once, by init.
 *
 * act[0] is the batch (rows, inputs), filled by the caller; act[l + 1] the output of layer l
 * (rows, out) after its ReLU, the last one the logits. */
#pragma once

#include <stdbool.h>

#include "kernels/backend.h"
#include "kernels/model.h"

struct tally_network {
    const struct tally_backend *backend;
    struct tally_layer layer[TALLY_LAYERS_MAX];
    uint32_t layers;
    size_t params, batch; /* batch: most rows of one pass */
    void *memory;         /* act and back point into it */
    void *act[TALLY_LAYERS_MAX + 1];
    void *back[2]; /* gradients before the ReLU, of two neighbouring layers; NULL: forward only */
};

/* TALLY_E_CONFIG for a bad shape, TALLY_E_NOMEM. *net must be zero or freed. */
TALLY_RESULT tally_network_init(struct tally_network *net, const struct tally_backend *backend,
                                const struct tally_model *model, size_t batch, bool backward);
void tally_network_free(struct tally_network *net);

/* The logits (rows) of the rows in act[0]; params as model.h lays them out, as reals. */
const void *tally_network_forward(struct tally_network *net, const void *params, size_t rows);

/* grad: every parameter's gradient of the batch's loss (backend.h, bce), overwritten; returns the
 * loss. The network was made with backward. */
double tally_network_gradient(struct tally_network *net, void *grad, const void *params,
                              const struct tally_batch *batch);
