/* rng.h - random numbers that are the same on every compiler and C library.
 *
 * A stream is a 64-bit key and a counter; the n-th number is SplitMix64's mix of the two
 * (Steele, Lea, Flood 2014), so streams of one seed need no common state. Real numbers use
 * only + - * / and sqrt, which IEEE 754 rounds exactly; exp and log are our own series over
 * them, never libm's, whose last bits differ. For simulation, never for keys. */
#pragma once

#include <stdint.h>

struct tally_rng {
    uint64_t key, n;
};

/* What a stream is for: streams of one seed with another use or index are independent. */
enum tally_rng_use {
    TALLY_RNG_WORLD,
    TALLY_RNG_BANK,
    TALLY_RNG_ACCOUNT,
    TALLY_RNG_TRAFFIC,
    TALLY_RNG_EVENT,
    TALLY_RNG_PATTERN
};

struct tally_rng tally_rng_of(uint64_t seed, enum tally_rng_use use, uint64_t index);
uint64_t tally_rng_u64(struct tally_rng *r);
double tally_rng_unit(struct tally_rng *r);                                /* [0, 1) */
double tally_rng_range(struct tally_rng *r, double lo, double hi);         /* [lo, hi) */
uint32_t tally_rng_below(struct tally_rng *r, uint32_t n);                 /* 0 .. n-1, n >= 1 */
uint32_t tally_rng_between(struct tally_rng *r, uint32_t lo, uint32_t hi); /* lo .. hi */
int tally_rng_chance(struct tally_rng *r, double p); /* 1 with probability p */
double tally_rng_normal(struct tally_rng *r);        /* mean 0, deviation 1 */
double tally_rng_lognormal(struct tally_rng *r, double median, double sigma);
double tally_rng_pareto(struct tally_rng *r, double shape, double max); /* 1 .. max */
uint32_t tally_rng_poisson(struct tally_rng *r, double mean);           /* mean <= 30 */

double tally_rng_exp(double x); /* |x| <= 700 */
double tally_rng_log(double x); /* x > 0, normal */
