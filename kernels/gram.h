/* gram.h - the products of every two sites' deltas, slice by slice: what distances, norms and
 * every rule that weighs sites by them are made of (ALGORITHMS section 2.4).
 *
 * A product of two float32 is exact in float64, where all sums are made, in an order fixed by the
 * coordinates alone: the bits are the same on every processor, compiler and number of threads,
 * and however the coordinates are cut into slices, if every slice but the last is a multiple of
 * TALLY_GRAM_BLOCK coordinates. Feed deltas, not models: a distance is a difference of products,
 * off by at most 1e-14 of the larger norm squared. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "kernels/robust_lanes.h"

enum {
    TALLY_GRAM_SITES_MAX = 256,
    TALLY_GRAM_BLOCK = TALLY_LANES_GRAM_BLOCK,
};

struct tally_gram {
    const struct tally_robust_lanes *lanes; /* the widest; a test may choose another */
    uint32_t sites, threads;
    bool norms_only;  /* the diagonal alone, at memory speed; its last bits may differ */
    double *products; /* (sites, sites), the lower triangle */
    double *parts, *room;
    uint32_t blocks; /* summed before they are added up */
};

/* sites: 1 to TALLY_GRAM_SITES_MAX, threads: 1 to TALLY_SHARES_THREADS_MAX, or TALLY_E_LIMIT;
 * TALLY_E_NOMEM. *g must be zero or freed, and needs tally_gram_free only after TALLY_OK. */
TALLY_RESULT tally_gram_init(struct tally_gram *g, uint32_t sites, uint32_t threads,
                             bool norms_only);
void tally_gram_free(struct tally_gram *g);

/* Adds one slice: deltas, sites pointers to n floats each. A value that is not finite is refused
 * as E_UPDATE and *site (may be NULL) is the lowest site with one; g is then meaningless. */
TALLY_RESULT tally_gram_add(struct tally_gram *g, uint32_t *site, const float *const *deltas,
                            size_t n);

double tally_gram_product(const struct tally_gram *g, uint32_t i, uint32_t j);
/* Squared, never negative, 0 for a site and itself or its exact copy. */
double tally_gram_distance2(const struct tally_gram *g, uint32_t i, uint32_t j);
