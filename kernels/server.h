/* server.h - what the aggregator does with the mean of the sites' deltas, d: one step for all
 * server optimisers, which differ in coefficients only (ALGORITHMS section 1.3; Reddi 2021,
 * algorithm 2, without the bias correction that some libraries add to Adam).
 *
 *     m = keep_m m + add_m d
 *     v = keep_v v + add_v d^2            Yogi: v = keep_v v - add_v d^2 sign(v - d^2)
 *     x = x + rate m / (sqrt(v) + tau)    or x + rate m, where not adaptive
 *
 * Computed in float64 from x, m and v of float32 and rounded once each; the bits are the same on
 * every processor and compiler. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum tally_server_rule {
    TALLY_SERVER_FEDAVG = 1, /* rate 1 */
    TALLY_SERVER_FEDAVGM,    /* rate .3, m = .9 m + d */
    TALLY_SERVER_FEDADAGRAD, /* rate .1, m = d, v = v + d^2, tau 1e-3 */
    TALLY_SERVER_FEDADAM,    /* rate .01, beta .9 and .99, tau 1e-3 */
    TALLY_SERVER_FEDYOGI,    /* the same */
};

struct tally_server {
    double rate;
    double keep_m, add_m;
    double keep_v, add_v;
    double tau; /* > 0 where adaptive */
    bool adaptive, yogi;
};

/* The rule with the defaults named above; v starts at 0. Any field may be changed then. */
struct tally_server tally_server_of(enum tally_server_rule rule);

/* One coordinate, which the step below rounds to float32. */
static inline void tally_server_one(double *x, double *m, double *v, double d,
                                    const struct tally_server *s)
{
    double square = d * d;
    double toward = s->yogi ? (double)(*v < square) - (double)(*v > square) : 1.0;
    double old_v = *v;

    *m = s->keep_m * *m + s->add_m * d;
    *v = s->keep_v * old_v + s->add_v * square * toward;
    *x += s->adaptive ? s->rate * *m / (sqrt(*v) + s->tau) : s->rate * *m;
}

/* Arrays of n floats. m may be NULL where keep_m is 0, v where not adaptive. */
struct tally_server_arrays {
    float *x, *m, *v;
    const float *d;
};

/* TALLY_E_CONFIG for a coefficient that is not finite or negative, an adaptive step without tau or
 * an array that is missing; nothing is changed then. TALLY_E_STATE when a result is not finite:
 * x, m and v are then meaningless. n may be 0. */
TALLY_RESULT tally_server_step(struct tally_server_arrays a, const struct tally_server *s,
                               size_t n);

/* FedNova (Wang 2020), for sites that ran different numbers of local steps with plain SGD or heavy
 * ball momentum rho: the weighted mean of the deltas with these weights, then FedAvg's step with
 * this rate. a_i = (steps - rho (1 - rho^steps) / (1 - rho)) / (1 - rho); weight_i = p_i / a_i over
 * their sum; rate = (sum p_i a_i) (sum p_i / a_i). */
struct tally_nova {
    const uint32_t *examples, *steps; /* (sites); a site without examples has no say */
    uint32_t sites;
    double momentum; /* rho, 0 <= rho < 1 */
};
/* weight: (sites), sum 1. TALLY_E_CONFIG for a momentum out of range, or no steps where there are
 * examples; TALLY_E_STATE without any examples. */
TALLY_RESULT tally_server_nova(double *weight, double *rate, const struct tally_nova *nova);

/* Weights as tally_combine_mean takes them, each off by at most 2^-29 of the largest: one smaller
 * than that may become 0. weight: (sites) finite, >= 0. */
void tally_server_weights(uint32_t *to, const double *weight, uint32_t sites);
