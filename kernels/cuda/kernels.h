/* kernels.h - the backend's own kernels (kernels.cu): names, arguments, launch.
 *
 * No kernel uses shared memory, barriers, atomics or warps: every element of an output belongs to
 * one thread, and sums run in an order that the arguments fix. So a kernel gives the same bits in
 * whatever order its threads run, and loops over blocks and threads on the host are an execution
 * that the device could have made, too. Included by C and by CUDA C++. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tally_kernel {
    TALLY_K_GATHER,
    TALLY_K_BIAS_RELU,
    TALLY_K_COLUMNS,
    TALLY_K_COLUMNS_SUM,
    TALLY_K_MASK,
    TALLY_K_BCE,
    TALLY_K_DROPOUT,
    TALLY_K_SQUARES,
    TALLY_K_GHOST,
    TALLY_K_CLIP,
    TALLY_K_SCALE_ROWS,
    TALLY_K_SCALE,
    TALLY_K_SQUARE,
    TALLY_K_ADD_UP,
    TALLY_K_PROX,
    TALLY_K_STEP,
    TALLY_K_MEAN,
};

struct tally_launch {
    enum tally_kernel kernel;
    unsigned grid, block; /* blocks; threads of a block */
    const void *args;     /* the kernel's struct below, copied before the call returns */
    size_t args_bytes;
    void *stream;
};

/* cudaError_t of the launch, TALLY_CUDA's numbers. */
int tally_kernels_launch(const struct tally_launch *l);

/* One optimiser step of an epoch: which rows and with what constants (backend.h, tally_step). */
struct tally_k_turn {
    uint32_t first, rows; /* places in the source's order */
    uint32_t source;      /* 0 or 1 */
    uint32_t kind;        /* enum tally_optimizer */
    uint64_t number;      /* of the step, for dropout */
    double scale;         /* of gradients */
    float rate, momentum, keep1, keep2, add1, add2, root_v, epsilon, keep_w;
};

/* Where a kernel of an epoch finds its turn: turns[at[1]], or `one` if turns is NULL. GATHER
 * begins turn at[0] by setting at[1] to it; BCE, which runs after, sets at[0] one further. A
 * recorded step can so be replayed without a change to its arguments. */
struct tally_k_now {
    const struct tally_k_turn *turns;
    uint32_t *at;
    struct tally_k_turn one;
};

struct tally_k_source {
    const float *x, *y, *weight; /* (any, width), (any), (any) or NULL */
};

/* One block per row of the batch: x (rows, width), y (rows), cost (rows) = weight, times
 * `positive` where y is 1. order NULL: row i of the turn is row first + i of the source. */
struct tally_k_gather {
    struct tally_k_now now;
    struct tally_k_source from[2];
    const uint32_t *order;
    size_t width;
    double positive;
    float *x, *y;
    double *cost;
};

/* One block per row: z (rows, n), rows `stride` apart, += bias, then max(z, 0) if relu. */
struct tally_k_bias_relu {
    float *z;
    const float *bias;
    size_t n, stride;
    int relu;
};

/* Column sums of a (rows, n), rows `stride` apart, in two launches: slice s of `slices` adds its
 * rows to part (slices, n), then sums (n) adds the slices, to what is there if `add`. */
struct tally_k_columns {
    const float *a;
    float *part, *sums;
    size_t rows, n, stride, slices;
    int add;
};

/* dx = 0 where x <= 0, gain times dx elsewhere. */
struct tally_k_mask {
    float *dx;
    const float *x;
    size_t n;
    float gain;
};

/* dz, with the turn's scale if `scaled`, and, added to loss (rows), cost times loss without it. */
struct tally_k_bce {
    struct tally_k_now now;
    const float *z, *y;
    const double *cost;
    float *dz;
    double *loss;
    float focal;
    int scaled;
};

/* One block per row: row r of x (rows, n), `stride` apart, is row first + r of the mask, and gain
 * is 65536 / (65536 - below) (backend.h, tally_dropout). */
struct tally_k_dropout {
    struct tally_k_now now;
    float *x;
    size_t n, stride, first;
    uint64_t seed;
    uint32_t below, layer;
    float gain;
};

/* Squares of each row of a (rows, n), `stride` apart, in TALLY_K_LANES partial sums: part (rows,
 * lanes), lane s adding elements s, s + lanes, ... */
enum { TALLY_K_LANES = 32 };
struct tally_k_squares {
    const float *a;
    float *part;
    size_t rows, n, stride;
};

/* square (rows) += sum of dz's partial sums times (sum of x's + 1). */
struct tally_k_ghost {
    const float *dz, *x; /* (rows, TALLY_K_LANES) */
    double *square;
    size_t rows;
};

/* factor (rows) = the turn's scale, times norm / sqrt(square) where that is below 1; 0, and one
 * more in lost, where the root is not finite. */
struct tally_k_clip {
    struct tally_k_now now;
    const double *square;
    double *factor;
    uint64_t *lost;
    double norm;
};

/* One block per row: dz (rows, n), `stride` apart, times factor (rows); 0 where that is 0. */
struct tally_k_scale_rows {
    float *dz;
    const double *factor;
    size_t n, stride;
};

struct tally_k_scale {
    float *g;
    float factor;
    size_t n;
};

/* part (parts) = sums of squares of g (n): part p adds elements p, p + parts, ... */
struct tally_k_square {
    const float *g;
    double *part;
    size_t n, parts;
};

/* to (n): each the sum of `each` neighbours of from (n each). */
struct tally_k_add_up {
    const double *from;
    double *to;
    size_t n, each;
};

struct tally_k_prox {
    float *g;
    const float *w, *base;
    float mu;
    size_t n;
};

struct tally_k_step {
    struct tally_k_now now;
    float *w, *m, *v;
    const float *g;
    const double *square; /* of g; NULL: no clipping to norm `clip` */
    double clip;
    size_t n;
};

/* One thread per coordinate, sites in order, sums in float64. deltas: (sites, n). */
struct tally_k_mean {
    const float *deltas, *base; /* base (n) or NULL */
    const double *weights;      /* (sites) */
    float *out;
    uint32_t *bad; /* set to 1 when a result is not finite */
    double total;
    size_t n;
    uint32_t sites;
};

#ifdef __cplusplus
}
#endif
