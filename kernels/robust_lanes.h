/* robust_lanes.h - the vector loops that combine sites' deltas, compiled from one source
 * (robust.inc) for three instruction sets.
 *
 * All three give the same bits: a sum runs over the sites in their order or over coordinates in
 * eight fixed lanes, a product is of numbers short enough to be exact in float64 (so it does not
 * matter where it is fused with an addition), and a sorting network only moves values. -0 in an
 * input counts as +0.
 *
 * A function works on coordinates first to first + n of every array, at any alignment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TALLY_LANES_SORT_MAX = 64,     /* sites of a rank */
    TALLY_LANES_GRAM_BLOCK = 4096, /* coordinates of one sum of products */
    TALLY_LANES_GRAM_STEP = 128,   /* of these, converted at a time */
    TALLY_LANES_GRAM_TILE = 4,     /* sites, on each side of a tile of products */
};

/* (sum over sites of coefficient delta) / divisor, in float64 in the order of sites, rounded to
 * float32; then added to the base in float64 and rounded again. */
struct tally_linear {
    const float *const *deltas;
    const double *coefficients; /* sites, each with at most 29 significant bits, none subnormal */
    uint32_t sites;
    double divisor;
    const float *base; /* NULL: without */
};

/* Per coordinate the mean of the values of rank low to high - 1, summed in float64 from the
 * lowest, of at most TALLY_LANES_SORT_MAX sites; divided, rounded and added as above. */
struct tally_ranks {
    const float *const *deltas;
    uint32_t sites, low, high;
    const uint64_t *near; /* NULL, or sites masks: the mean of these sites stands for a site */
    const float *base;
};

/* Memory of one thread's sum of products, in doubles, for so many sites. */
#define TALLY_LANES_ROUND(sites) \
    (((size_t)(sites) + TALLY_LANES_GRAM_TILE - 1) / TALLY_LANES_GRAM_TILE * TALLY_LANES_GRAM_TILE)
#define TALLY_LANES_GRAM_ROOM(sites) \
    (TALLY_LANES_ROUND(sites) * (TALLY_LANES_GRAM_STEP + 8 * TALLY_LANES_ROUND(sites)))

/* Two limbs per coordinate; see fixed.h. */
struct tally_limbs {
    int64_t *high, *low;
};
struct tally_limbs_part {
    double weight;
    size_t n;
    bool remove;
};

struct tally_robust_lanes {
    const char *name;
    /* False if a value of out is not finite: so it is where a value of a site is not. */
    bool (*linear)(float *out, const struct tally_linear *in, size_t first, size_t n);
    /* False if a value of a site or of out is not finite. */
    bool (*ranks)(float *out, const struct tally_ranks *in, size_t first, size_t n);
    /* products (sites, sites): the lower triangle = sum of delta_i delta_j over n <= GRAM_BLOCK
     * coordinates, not finite for a site with such a value. room: TALLY_LANES_GRAM_ROOM doubles,
     * aligned to 64 bytes. */
    void (*gram)(double *products, double *room, const float *const *deltas, uint32_t sites,
                 size_t first, size_t n);
    /* sums: (sites) of squares over n <= GRAM_BLOCK coordinates: gram's diagonal, but for the
     * last bits. */
    void (*squares)(double *sums, const float *const *deltas, uint32_t sites, size_t first,
                    size_t n);
    /* Adds weight times delta, or takes it out; false if a product is out of range or no number,
     * and then the opposite brings the old sum back. */
    bool (*fixed)(struct tally_limbs sum, const float *delta, struct tally_limbs_part part);
};

extern const struct tally_robust_lanes tally_robust_base, tally_robust_avx2, tally_robust_avx512;

/* The widest that this processor has. */
const struct tally_robust_lanes *tally_robust_lanes(void);
