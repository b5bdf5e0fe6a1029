/* backend.h - the table of operations that training and combining stand on.
 *
 * A backend owns its element type, called a real, and the memory of arrays of reals; the rest of
 * kernels/ moves and offsets such arrays but never looks inside, so one trainer serves floats,
 * doubles and, behind the same table, a device.
 *
 *   ref    plain C, float: what is right (one source, kernels/ref.inc)
 *   ref64  the same source compiled for double: published vectors and finite differences
 *   cpu    float, OpenBLAS on one thread, vector instructions chosen once from the processor's
 *
 * Tolerance: for the same inputs, cpu differs from ref by at most 2e-6 of the sum of the absolute
 * terms of each dot product, loss and gradient. `mean` gives the same bits on every backend.
 * ref and ref64 give the same bits on every compiler that evaluates float as float (no FMA is
 * contracted on baseline x86-64) with the same libm; cpu does on one processor and one OpenBLAS.
 *
 * Shapes: x (rows, in), w (out, in), bias (out), all row-major. Outputs first, sizes last. No
 * operation allocates but `alloc`; outputs never overlap inputs unless said so. Nothing here
 * refuses NaN or infinity (they pass through, ReLU included); callers check at the ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum tally_optimizer { TALLY_SGD = 1, TALLY_MOMENTUM, TALLY_ADAM };

struct tally_dense {
    size_t rows, in, out;
};

/* Labels of a batch, in host memory. */
struct tally_batch {
    const float *y;      /* (rows) 0 or 1 */
    const float *weight; /* (rows), finite, >= 0; NULL: all 1 */
    double positive;     /* factor on the loss of rows with y = 1 */
    double scale;        /* on every gradient and on the loss: 1 / sum of weights for a mean */
    size_t rows;
};

/* One optimiser step with every constant worked out; t counts from 1 (see train.h). */
struct tally_step {
    enum tally_optimizer kind;
    double rate;         /* sgd, momentum: learning rate; Adam: learning rate / (1 - beta1^t) */
    double momentum;     /* m = momentum m + g; w -= rate m */
    double beta1, beta2; /* m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2 */
    double root_v;       /* 1 / sqrt(1 - beta2^t) */
    double epsilon;      /* w -= rate m / (sqrt(v) root_v + epsilon) */
};

/* Arrays of one parameter vector: w is updated from g; m and v are the optimiser's memory. */
struct tally_step_arrays {
    void *w;
    const void *g;
    void *m, *v; /* momentum uses m, Adam both, SGD neither (may be NULL) */
};

/* A weighted mean over sites; see combine.h. */
struct tally_mean {
    const float *const *deltas; /* sites pointers, each to n floats */
    const uint32_t *weights;    /* sites, each < 2^29 */
    uint32_t sites;
    uint64_t total;    /* sum of weights, > 0 */
    const float *base; /* n floats, or NULL for the mean alone */
};

struct tally_backend {
    const char *name;
    size_t real_bytes;

    /* n zeroed reals aligned to 64 bytes, or NULL. release accepts NULL. */
    void *(*alloc)(size_t n);
    void (*release)(void *reals);

    void (*put)(void *to, const float *from, size_t n);  /* host floats to reals, exact */
    void (*get)(double *to, const void *from, size_t n); /* reals to host doubles, exact */

    /* x[i] = table[rows[i]]; x: (n, width) reals, table: (any, width) host floats. */
    void (*gather)(void *x, const float *table, const uint32_t *rows, size_t n, size_t width);

    /* z = x w^T + bias, then max(z, 0) if relu. z: (rows, out). */
    void (*dense)(void *z, const void *x, const void *w, const void *bias, struct tally_dense s,
                  bool relu);
    /* dw = dz^T x (out, in) and dbias = column sums of dz; both overwritten. dz: (rows, out). */
    void (*dense_dw)(void *dw, void *dbias, const void *dz, const void *x, struct tally_dense s);
    /* dx = dz w where x > 0, else 0: the gradient before the ReLU that made x. dx: (rows, in). */
    void (*dense_dx)(void *dx, const void *dz, const void *w, const void *x, struct tally_dense s);

    /* Weighted logistic loss on logits, max(z,0) - zy + log1p(e^-|z|), stable at any finite z.
     * dz: (rows) gradient; returns the loss, both times weight, positive and scale. */
    double (*bce)(void *dz, const void *z, const struct tally_batch *b);

    void (*prox)(void *g, const void *w, const void *base, double mu,
                 size_t n); /* g += mu(w-base) */
    void (*step)(struct tally_step_arrays a, const struct tally_step *s, size_t n);

    /* Coordinates first to first + n of out = base + mean (or the mean). False if any result is
     * not finite; out is then meaningless. Host memory, float32, same bits on every backend. */
    bool (*mean)(float *out, const struct tally_mean *in, size_t first, size_t n);
};

/* "ref", "ref64", "cpu"; NULL for any other name. Never freed. cpu sets OpenBLAS, which is one per
 * process, to one thread. */
const struct tally_backend *tally_backend_named(const char *name);

/* The real at `index` of an array of b's. */
static inline void *tally_real_at(const struct tally_backend *b, void *reals, size_t index)
{
    return (char *)reals + index * b->real_bytes;
}
static inline const void *tally_real_of(const struct tally_backend *b, const void *reals,
                                        size_t index)
{
    return (const char *)reals + index * b->real_bytes;
}

extern const struct tally_backend tally_backend_ref, tally_backend_ref64, tally_backend_cpu;
