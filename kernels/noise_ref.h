/* noise_ref.h - the discrete Gaussian the plain way: what is right, and slow.
 *
 * Canonne, Kamath and Steinke 2020 (arXiv 2004.00010), algorithms 1 to 3: a candidate from the
 * discrete Laplace distribution, made of Bernoulli(e^-x) trials by the product series, kept with
 * probability exp(-(|y| - s)^2 / (2 sigma^2)). Every trial compares integers. */
#pragma once

#include "kernels/stream.h"

enum {
    TALLY_NOISE_REF_K_MAX = 31,
    TALLY_NOISE_REF_PART_MAX = 1 << 20,
};

/* n samples with sigma = 2^k; about 15 words each (trace: dp/dgauss_pow2_trace). TALLY_E_LIMIT for
 * k above the maximum or when the stream ends; out is then meaningless. */
TALLY_RESULT tally_noise_ref(int64_t *out, struct tally_stream *s, uint32_t k, size_t n);

/* n samples with sigma^2 = num / den, both 1 to TALLY_NOISE_REF_PART_MAX, for counts that are
 * released with little noise (trace: dp/discrete_gaussian). TALLY_E_LIMIT as above. */
TALLY_RESULT tally_noise_ref_rational(int64_t *out, struct tally_stream *s, uint64_t num,
                                      uint64_t den, size_t n);
