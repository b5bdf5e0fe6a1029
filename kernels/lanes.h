/* lanes.h - the vector loops of the cpu backend, compiled from one source (lanes.inc) for three
 * instruction sets. Plain loops with independent elements: the compiler vectorises them, and no
 * option lets it reorder a sum. */
#pragma once

#include "kernels/backend.h"
#include "kernels/gemm.h"

struct tally_lanes {
    const char *name;
    void (*gemm)(const struct tally_gemm *g);
    /* sums[i] = sum over rows of a, added to what is there if `add`. */
    void (*columns)(float *sums, const float *a, struct tally_grid s, bool add);
    /* z[r] = row r of x times w, plus bias. */
    void (*dots)(float *z, const float *x, const float *w, float bias, struct tally_grid s);
    /* to[j to_row + r] = from[r, j]. */
    void (*transpose)(float *to, size_t to_row, const float *from, struct tally_grid s);
    /* dx (rows, n) = dz (rows) times w (n) where x > 0, else 0: a layer with one unit. */
    void (*outer_mask)(float *dx, const float *dz, const float *w, const float *x,
                       struct tally_dense s);
    /* As the operations of backend.h; s.out_row is set. */
    void (*dropout)(float *x, const struct tally_dropout *d, size_t first, struct tally_dense s);
    void (*ghost_rows)(double *square, const float *dz, const float *x, struct tally_dense s);
    double (*ghost_group)(const float *dz, const float *x, struct tally_dense s);
    void (*scale_rows)(float *dz, const double *factor, struct tally_dense s);
    double (*square)(const float *g, size_t n);
    void (*scale)(float *g, float factor, size_t n);
    double (*bce)(float *dz, const float *z, const struct tally_batch *b);
    void (*prox)(float *g, const float *w, const float *base, float mu, size_t n);
    void (*step)(struct tally_step_arrays a, const struct tally_step *s, size_t n);
    bool (*mean)(float *out, const struct tally_mean *in, size_t first, size_t n);
};

/* The fastest that this processor runs. */
const struct tally_lanes *tally_lanes_here(void);

extern const struct tally_lanes tally_lanes_base, tally_lanes_avx2, tally_lanes_avx512;
