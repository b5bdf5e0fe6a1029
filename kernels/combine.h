/* combine.h - many sites' deltas into one: the weighted mean, slice by slice.
 *
 * x' = base + (sum of weight_i delta_i) / (sum of weight_i), per coordinate: products and sums in
 * float64 in the order of the sites given (the caller orders them by identity, never by arrival),
 * one division, rounded once to float32, added to the base in float64, rounded once. A weight is
 * below 2^29, so weight times float32 is exact in float64 and fused multiply-add changes nothing:
 * the bits are the same on every backend, compiler and number of threads, and however the
 * coordinates are cut into slices. -0 in an input counts as +0, and so does the result; the mean
 * without a base keeps the sign of a value too small for float32. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/backend.h"
#include "kernels/shares.h"

enum {
    TALLY_COMBINE_SITES_MAX = 1024,
    TALLY_COMBINE_WEIGHT_END = 1 << 29, /* weights are below */
    TALLY_COMBINE_THREADS_MAX = TALLY_SHARES_THREADS_MAX,
    TALLY_COMBINE_THREAD_MIN = 1 << 15, /* coordinates that are worth a thread */
};

struct tally_combine {
    const struct tally_backend *backend;
    const float *const *deltas; /* sites pointers to n floats each, in canonical order */
    const uint32_t *weights;    /* sites */
    uint32_t sites;             /* 1 to TALLY_COMBINE_SITES_MAX */
    const float *base;          /* n floats; NULL: the mean alone */
    uint32_t threads;           /* 1 to TALLY_COMBINE_THREADS_MAX; fewer run for a short slice */
};

/* out: n floats, may be the base itself. TALLY_E_LIMIT for a weight of 2^29 or more, no site or
 * too many; TALLY_E_STATE when all weights are zero, or base or sum is not finite in float32.
 * A value of a site that is not finite is refused as E_UPDATE, the whole slice with it, and *site
 * (may be NULL) is the lowest index that has one. out is meaningless after a failure. n may be
 * 0. */
TALLY_RESULT tally_combine_mean(float *out, uint32_t *site, const struct tally_combine *c,
                                size_t n);

/* Who is to blame for a result that is not finite: E_UPDATE with the lowest site that has such a
 * value among its n, or TALLY_E_STATE for the base or the sum. Never TALLY_OK. */
TALLY_RESULT tally_combine_blame(uint32_t *site, const float *const *deltas, uint32_t sites,
                                 size_t n);
