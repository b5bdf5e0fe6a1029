/* backend.h - the table of operations that training and combining stand on.
 *
 * A backend owns its element type, called a real, and the memory of arrays of reals; the rest of
 * kernels/ moves and offsets such arrays but never looks inside, so one trainer serves floats,
 * doubles and, behind the same table, a device.
 *
 *   ref    plain C, float: what is right (one source, kernels/ref.inc)
 *   ref64  the same source compiled for double: published vectors and finite differences
 *   cpu    float, our own matrix product (gemm.h), vector instructions chosen by the processor
 *   cuda   float on an NVIDIA GPU, from a shared object of its own (module.h; docs/GPU.md)
 *
 * A device runs behind its caller and can be lost. Its operations return at once, `failed` tells,
 * from the first failure on none of them does anything, and the arrays hold anything then; what
 * get, bce, ghost_rows, ghost_group and square give is to be used only while `failed` is NULL.
 * A device needs memory for these, too; that there is none is such a failure.
 *
 * Tolerance: for the same inputs, cpu differs from ref by at most 2e-6 of the sum of the absolute
 * terms of each dot product, loss and gradient, and so does cuda, except that its ReLU may make 0
 * of NaN (cuBLASLt does not say). `mean` gives the same bits on every backend.
 * ref and ref64 give the same bits on every compiler that evaluates float as float (no FMA is
 * contracted on baseline x86-64) with the same libm; cpu does on one instruction set.
 *
 * Shapes: x (rows, in), w (out, in), bias (out), all row-major. Outputs first, sizes last. No
 * operation allocates but `alloc`; outputs never overlap inputs unless said so. Nothing here
 * refuses NaN or infinity (they pass through, ReLU included); callers check at the ends.
 *
 * Threads: operations of a backend whose `threads` is true run on the thread that calls them and
 * touch nothing but their arguments, so the caller may cut a layer into ranges of rows or, in
 * dense_dw and transpose, of outputs, and run them at the same time. Every element has the same
 * bits however it was cut (network.c does that). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct tally_layer;

enum tally_optimizer { TALLY_SGD = 1, TALLY_MOMENTUM, TALLY_ADAM, TALLY_ADAMW };

/* out_row: reals from one row of z or dz to the next, for a range of a layer's outputs; 0: out. */
struct tally_dense {
    size_t rows, in, out, out_row;
};

/* A layer's parameters. w_t: w^T (in, out) from `transpose`; NULL where the backend has none. */
struct tally_weights {
    const void *w, *w_t, *bias;
};

/* Labels of a batch, in host memory. */
struct tally_batch {
    const float *y;      /* (rows) 0 or 1 */
    const float *weight; /* (rows), finite, >= 0; NULL: all 1 */
    double positive;     /* factor on the loss of rows with y = 1 */
    double scale;        /* on every gradient and on the loss: 1 / sum of weights for a mean */
    double focal;        /* gamma >= 0 of the focal loss; 0: plain logistic */
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
    double decay;        /* AdamW: w -= decay w before that (learning rate times weight decay) */
};

/* A dropout mask. Element i of row r of a layer is kept unless the 16-bit number that Philox gives
 * for (seed, step, layer, r, i) is below `below`; what is kept is multiplied by
 * 65536 / (65536 - below). */
struct tally_dropout {
    uint64_t seed, step; /* step < 2^56 */
    uint32_t layer;      /* < 256 */
    uint32_t below;      /* < 65536: the share of units dropped, times 65536 */
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

/* One optimiser step of an epoch: the rows order[first] to order[first + rows - 1]. */
struct tally_turn {
    uint32_t first, rows; /* rows <= batch */
    double scale;         /* as a batch's */
    struct tally_step step;
    uint64_t number; /* of the step in its training: dropout's */
};

/* A training as a device takes it over. What is pointed to stays as it is until close. */
struct tally_takeover {
    const struct tally_layer *layers; /* model.h */
    uint32_t layer_count;
    size_t params;
    const float *base;           /* (params): where training starts, and what prox pulls to */
    const float *x, *y, *weight; /* (rows, width), (rows), (rows) or NULL: all 1; finite */
    size_t rows, width;
    size_t batch; /* most rows of a turn */
    enum tally_optimizer optimizer;
    double positive, focal;       /* as a batch's */
    double prox_mu;               /* 0: none */
    double clip_row, clip_norm;   /* train.h; 0: none */
    struct tally_dropout dropout; /* of hidden layers: seed and below; below 0: none */
};

/* What an epoch came to. */
struct tally_epoch {
    double loss;   /* weight times loss, added up over the turns */
    uint64_t lost; /* rows that clip_row left out because their gradient was not finite */
};

/* How a device trains: a whole epoch is handed over and nothing waits inside it.
 *
 *   e = open(task)                rows and parameters go to the device; rows that do not fit are
 *                                 streamed, one buffer filling while the other is computed with
 *   begin(e, order, turns, n)     one epoch; order (rows) and turns (n) may change afterwards,
 *                                 order not before end
 *     turn(e, i)                  for i = 0 .. n - 1, returns before the step is done
 *   end(e, &epoch)                waits
 *   get(e, to, first, n)          parameters, as the table's get
 *   close(e)                      accepts NULL; leaves nothing on the device
 *
 * A step is the table's operations in the order gather, dense and dropout.., bce, dense_dx..,
 * ghost_rows.., scale_rows.., dense_dw.., prox, square, scale, step, with their tolerance. open
 * returns NULL without memory and when `failed`. */
struct tally_epochs {
    void *(*open)(const struct tally_takeover *task);
    void (*close)(void *epochs);
    void (*begin)(void *epochs, const uint32_t *order, const struct tally_turn *turns, size_t n);
    void (*turn)(void *epochs, size_t i);
    void (*end)(void *epochs, struct tally_epoch *out);
    void (*get)(void *epochs, double *to, size_t first, size_t n);
};

struct tally_backend {
    const char *name;
    size_t real_bytes;
    bool threads; /* see above */

    /* NULL, or which call of a device failed and with which error, e.g.
     * "cudaErrorECCUncorrectable from copy". The pointer itself is NULL where nothing can fail.
     * The next alloc after everything was released tries the device anew. */
    const char *(*failed)(void);
    const struct tally_epochs *epochs; /* NULL: the caller runs the steps (train.c) */

    /* n zeroed reals aligned to 64 bytes, or NULL. release accepts NULL. */
    void *(*alloc)(size_t n);
    void (*release)(void *reals);

    void (*put)(void *to, const float *from, size_t n);  /* host floats to reals, exact */
    void (*get)(double *to, const void *from, size_t n); /* reals to host doubles, exact */

    /* x[i] = table[rows[i]]; x: (n, width) reals, table: (any, width) host floats. */
    void (*gather)(void *x, const float *table, const uint32_t *rows, size_t n, size_t width);

    /* z = x w^T + bias, then max(z, 0) if relu. z: (rows, out). */
    void (*dense)(void *z, const void *x, struct tally_weights w, struct tally_dense s, bool relu);
    /* The first s.out columns of w_t (in, out_row) from as many rows of w (out, in); s.rows is not
     * used. NULL in a backend whose dense needs no w_t; may be left out for a layer of one unit. */
    void (*transpose)(void *w_t, const void *w, struct tally_dense s);
    /* dw = dz^T x (out, in) and dbias = column sums of dz, added to what is there if `add`. */
    void (*dense_dw)(void *dw, void *dbias, const void *dz, const void *x, struct tally_dense s,
                     bool add);
    /* dx = dz w where x > 0, else 0: the gradient before the ReLU that made x. dx: (rows, in). */
    void (*dense_dx)(void *dx, const void *dz, const void *w, const void *x, struct tally_dense s);

    /* Weighted logistic loss on logits, max(z,0) - zy + log1p(e^-|z|), stable at any finite z,
     * times (1 - p)^focal where p is the probability given to the row's label (Lin et al. 2017).
     * dz: (rows) gradient; returns the loss, both times weight, positive and scale. */
    double (*bce)(void *dz, const void *z, const struct tally_batch *b);

    /* Rows first to first + s.rows of a batch; x (rows, out), with s.out_row as in dense. */
    void (*dropout)(void *x, const struct tally_dropout *d, size_t first, struct tally_dense s);

    /* Clipping by ghost norms. A row's gradient of a layer is dz (x, 1)^T, so its squared norm is
     * |dz|^2 (|x|^2 + 1): added to square[r] in ghost_rows. The gradient of several rows together
     * has sum over pairs of (dz . dz')(x . x' + 1): returned by ghost_group. scale_rows multiplies
     * row r of dz by factor[r]; 0 makes the row 0 whatever it was. cpu sums in float: |dz|^2 or
     * |x|^2 beyond 3e38 is infinity. */
    void (*ghost_rows)(double *square, const void *dz, const void *x, struct tally_dense s);
    double (*ghost_group)(const void *dz, const void *x, struct tally_dense s);
    void (*scale_rows)(void *dz, const double *factor, struct tally_dense s);

    double (*square)(const void *g, size_t n);       /* sum of squares */
    void (*scale)(void *g, double factor, size_t n); /* g *= factor */
    void (*prox)(void *g, const void *w, const void *base, double mu,
                 size_t n); /* g += mu(w-base) */
    void (*step)(struct tally_step_arrays a, const struct tally_step *s, size_t n);

    /* Coordinates first to first + n of out = base + mean (or the mean). False if any result is
     * not finite; out is then meaningless. Host memory, float32, same bits on every backend; from
     * any thread. A device that is lost does not show: the rest is computed without it. */
    bool (*mean)(float *out, const struct tally_mean *in, size_t first, size_t n);
};

/* TALLY_E_STATE with the device's error if b has failed. */
TALLY_RESULT tally_backend_check(const struct tally_backend *b);

/* 65536 / (65536 - below). */
static inline double tally_dropout_gain(uint32_t below)
{
    return 65536.0 / (65536.0 - (double)below);
}

/* "ref", "ref64", "cpu"; NULL for any other name. Never freed. */
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
