/* fixed.h - the weighted sum as integers: the same bits in any order of arrival, on any number of
 * threads, processor and compiler, and a site can be taken out again exactly (ALGORITHMS section
 * 1.1, plan b).
 *
 * Each product of weight and value, exact in float64, is rounded once to a multiple of 2^-60 (ties
 * to even) and added to two 64-bit limbs; sums of integers commute. The mean is the exact quotient
 * rounded once to float32. So it is the correctly rounded weighted mean whenever every product is
 * a multiple of 2^-60, and otherwise off by at most 2^-61 per site before that rounding.
 *
 * Range: a product is below 2^43 in size (for a weight of 10^6, a value below 8.7 million), and
 * at most TALLY_FIXED_SITES_MAX sites are in a sum at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "kernels/robust_lanes.h"

enum { TALLY_FIXED_SITES_MAX = 1024 };

struct tally_fixed {
    const struct tally_robust_lanes *lanes; /* the widest; a test may choose another */
    struct tally_limbs sum;                 /* (n) each */
    size_t n;
};

/* n coordinates, all 0. TALLY_E_NOMEM; *f must be zero or freed. */
TALLY_RESULT tally_fixed_init(struct tally_fixed *f, size_t n);
void tally_fixed_free(struct tally_fixed *f);

/* Part of a site's delta: n floats for coordinates first to first + n. */
struct tally_fixed_part {
    const float *delta;
    uint32_t weight; /* < 2^29, or TALLY_E_LIMIT */
    size_t first, n; /* within f->n, or TALLY_E_LIMIT */
};

/* Adds it, or takes it out. Refused as E_UPDATE, the sum as before, when a value is not finite or
 * its product out of range. Parts of different coordinates may be added side by side. */
TALLY_RESULT tally_fixed_add(struct tally_fixed *f, const struct tally_fixed_part *part);
TALLY_RESULT tally_fixed_remove(struct tally_fixed *f, const struct tally_fixed_part *part);

/* out = base + sum / weight for coordinates first to first + n: out and base (or NULL: without)
 * have n floats, and out may be the base. weight: of all sites in the sum, 1 to 2^39 or
 * TALLY_E_STATE, which a base or result that is not finite is too. */
struct tally_fixed_mean {
    const float *base;
    uint64_t weight;
    size_t first, n;
};
TALLY_RESULT tally_fixed_mean(float *out, const struct tally_fixed *f,
                              const struct tally_fixed_mean *m);
