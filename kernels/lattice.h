/* lattice.h - float32 updates as integers, so that noise is added without a rounding that tells
 * (ALGORITHMS.md 3.4; Mironov 2012 and Haney et al. 2022 on what floats tell).
 *
 * The lattice's step is g = z C / 2^k: z the noise multiplier, C the clip norm of one unit (record,
 * customer or site). Noise of standard deviation z C is then noise of sigma 2^k in steps
 * (noise.h). A site rounds its sum once,
 *     r = the integer nearest to x factor / g, ties to even,
 * computed in float64 with one product and one quotient, so that r is within 1/2 + 2^-4 of the real
 * number as long as |r| <= 2^48. The aggregator adds integers and noise, exactly, and goes back to
 * floats once; that is after the mechanism and costs no privacy.
 *
 * Sensitivity: when one unit changes a site's sum by at most C in L2 norm, it changes the D
 * integers by at most C / g + 2 (1/2 + 2^-4) sqrt(D) steps: both roundings may move. Accounting
 * uses that times g: tally_lattice_sensitivity(). At k = 28 and D = 10^9 it is C (1 + 1.3e-4 z). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum { TALLY_LATTICE_K_MAX = 31 };
/* |r| of one site, and |sum| that goes back. */
#define TALLY_LATTICE_VALUE_MAX (INT64_C(1) << 48)
#define TALLY_LATTICE_SUM_MAX   (INT64_C(1) << 62)

struct tally_lattice {
    double step;       /* g, rounded up: the noise is never less than z C */
    double multiplier; /* z */
    double clip;       /* C */
    uint32_t k;
};

/* TALLY_E_CONFIG unless both numbers are 2^-100 to 2^100, and k at most TALLY_LATTICE_K_MAX. */
TALLY_RESULT tally_lattice_init(struct tally_lattice *l, double multiplier, double clip,
                                uint32_t k);

/* The L2 norm, in the units of x, by which a unit of norm C changes what tally_lattice_put gives
 * for `dim` coordinates; rounded up. */
double tally_lattice_sensitivity(const struct tally_lattice *l, size_t dim);

/* The factor, at most 1, that brings x: (n) to a norm of at most C (1 - 2^-10); the margin is for
 * the rounding of the norm (float64, 16 sums side by side) and of the product. For site-level
 * noise, where x is the whole update; sums of clipped records have factor 1. 0 if x is not finite.
 * The same bits on every machine and compiler. */
double tally_lattice_factor(const struct tally_lattice *l, const float *x, size_t n);

/* out: (n) = x factor / g, rounded as above. A value that is not finite or beyond
 * TALLY_LATTICE_VALUE_MAX is refused as E_UPDATE with its index; out is then wiped. */
TALLY_RESULT tally_lattice_put(int64_t *out, const struct tally_lattice *l, const float *x,
                               double factor, size_t n);

/* Exact check of a site's integers when the site is the unit: that their L2 norm is at most
 * C / g + (1/2 + 2^-4) sqrt(n), so that the noise covers them whatever the site computed.
 * TALLY_E_UNTRUSTED, E_UPDATE. */
TALLY_RESULT tally_lattice_check(const struct tally_lattice *l, const int64_t *r, size_t n);

/* out: (n) = (sum + noise) g / divisor, in float32, rounded to 64 and then 32 bits. |sum| up to
 * TALLY_LATTICE_SUM_MAX and |noise| to half of it, divisor finite and > 0, else TALLY_E_LIMIT, also
 * when a result is not finite; out is then meaningless. */
TALLY_RESULT tally_lattice_get(float *out, const struct tally_lattice *l, const int64_t *sum,
                               const int64_t *noise, double divisor, size_t n);
