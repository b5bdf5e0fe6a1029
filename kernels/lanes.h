/* lanes.h - the vector loops of the cpu backend, compiled from one source (lanes.inc) for three
 * instruction sets. Plain loops with independent elements: the compiler vectorises them, and no
 * option lets it reorder a sum. */
#pragma once

#include "kernels/backend.h"

struct tally_lanes {
    const char *name;
    /* z (rows, out) += bias, then max(z, 0) if relu. */
    void (*bias_relu)(float *z, const float *bias, size_t rows, size_t out, bool relu);
    /* sums[i] = sum over rows of a (rows, n). */
    void (*columns)(float *sums, const float *a, size_t rows, size_t n);
    /* dx = 0 where x <= 0. */
    void (*mask)(float *dx, const float *x, size_t n);
    /* dx (rows, n) = dz (rows) times w (n) where x > 0, else 0: a layer with one unit. */
    void (*outer_mask)(float *dx, const float *dz, const float *w, const float *x,
                       struct tally_dense s);
    double (*bce)(float *dz, const float *z, const struct tally_batch *b);
    void (*prox)(float *g, const float *w, const float *base, float mu, size_t n);
    void (*step)(struct tally_step_arrays a, const struct tally_step *s, size_t n);
    bool (*mean)(float *out, const struct tally_mean *in, size_t first, size_t n);
};

extern const struct tally_lanes tally_lanes_base, tally_lanes_avx2, tally_lanes_avx512;
