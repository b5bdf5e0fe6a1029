/* model.h - the models: logistic regression and the multilayer perceptron (ReLU between layers,
 * one logit out). A model is its shape; its parameters are one flat array of floats in the order
 * W0 (out, in) row-major, b0 (out), W1, b1, ... with out = 1 in the last layer. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct tally_backend;

enum {
    TALLY_HIDDEN_MAX = 16, /* hidden layers */
    TALLY_LAYERS_MAX = TALLY_HIDDEN_MAX + 1,
    TALLY_WIDTH_MAX = 1 << 16,  /* units of a hidden layer */
    TALLY_INPUTS_MAX = 1 << 20, /* features */
    TALLY_PARAMS_MAX = 1 << 28, /* 1 GiB of floats */
};

struct tally_model {
    uint32_t inputs;
    uint32_t hidden[TALLY_HIDDEN_MAX]; /* units, in order from the input */
    uint32_t n;                        /* hidden layers; 0 is logistic regression */
};

/* One layer of the flat array: w at offset `w`, (out, in); bias at offset `b`, (out). */
struct tally_layer {
    size_t in, out, w, b;
};

/* The layers (m->n + 1 of them) and how many parameters there are; either may be NULL.
 * TALLY_E_CONFIG names what is zero or beyond its limit. */
TALLY_RESULT tally_model_layers(const struct tally_model *m,
                                struct tally_layer layers[TALLY_LAYERS_MAX], size_t *params);

/* params: as many floats as tally_model_layers says. Hidden layers He-uniform (He et al. 2015),
 * the last one Glorot-uniform, biases zero; logistic regression has zero weights. The output bias
 * is the logit of `prior`, the share of positives, clamped to [1e-6, 1 - 1e-6], so the first
 * epochs do not go into learning how rare positives are. The same seed gives the same bits
 * everywhere. TALLY_E_CONFIG for a bad shape or a prior outside [0, 1]. */
TALLY_RESULT tally_model_init(float *params, const struct tally_model *m, double prior,
                              uint64_t seed);

/* logits: (rows), from x: (rows, inputs) row-major, in batches of TALLY_SCORE_BATCH rows.
 * TALLY_E_CONFIG when a parameter or a feature is not finite, TALLY_E_STATE when a logit is not,
 * TALLY_E_NOMEM; nothing is promised about logits then. rows may be 0. */
enum { TALLY_SCORE_BATCH = 512 };
struct tally_scoring {
    const struct tally_backend *backend;
    const struct tally_model *model;
    const float *params;
    const float *x;
    size_t rows;
};
TALLY_RESULT tally_model_score(float *logits, const struct tally_scoring *s);
