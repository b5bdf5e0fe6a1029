#include "examples/aml/rng.h"

#include <math.h>

#include "common/status.h"

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct tally_rng tally_rng_of(uint64_t seed, enum tally_rng_use use, uint64_t index)
{
    uint64_t key = mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    key = mix(key ^ ((uint64_t)use + 1) * UINT64_C(0xd1342543de82ef95));
    return (struct tally_rng){.key = mix(key ^ (index + 1) * UINT64_C(0x2545f4914f6cdd1d)), .n = 0};
}

uint64_t tally_rng_u64(struct tally_rng *r)
{
    return mix(r->key + ++r->n * UINT64_C(0x9e3779b97f4a7c15));
}

double tally_rng_unit(struct tally_rng *r)
{
    return (double)(tally_rng_u64(r) >> 11) * 0x1p-53;
}

double tally_rng_range(struct tally_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * tally_rng_unit(r);
}

uint32_t tally_rng_below(struct tally_rng *r, uint32_t n)
{
    return (uint32_t)(((tally_rng_u64(r) >> 32) * n) >> 32);
}

uint32_t tally_rng_between(struct tally_rng *r, uint32_t lo, uint32_t hi)
{
    return lo + tally_rng_below(r, hi - lo + 1);
}

int tally_rng_chance(struct tally_rng *r, double p)
{
    return tally_rng_unit(r) < p;
}

/* Marsaglia's polar method; the second number is dropped so that a stream stays one counter. */
double tally_rng_normal(struct tally_rng *r)
{
    for (;;) {
        double a = tally_rng_range(r, -1, 1), b = tally_rng_range(r, -1, 1);
        double s = a * a + b * b;
        if (s < 1 && s > 1e-30) return a * sqrt(-2 * tally_rng_log(s) / s);
    }
}

double tally_rng_lognormal(struct tally_rng *r, double median, double sigma)
{
    return median * tally_rng_exp(sigma * tally_rng_normal(r));
}

double tally_rng_pareto(struct tally_rng *r, double shape, double max)
{
    double x = tally_rng_exp(-tally_rng_log(1 - tally_rng_unit(r)) / shape);
    return x < max ? x : max;
}

/* Knuth's product method, in at most a few dozen steps for such means. */
uint32_t tally_rng_poisson(struct tally_rng *r, double mean)
{
    TALLY_ASSERT(mean >= 0 && mean <= 30);
    double stop = tally_rng_exp(-mean), p = tally_rng_unit(r);
    uint32_t n = 0;
    for (; p > stop; n++) p *= tally_rng_unit(r);
    return n;
}

double tally_rng_exp(double x)
{
    static const double ln2 = 0.69314718055994530942;
    double k = floor(x / ln2 + 0.5), r = x - k * ln2, sum = 1;
    for (int i = 14; i >= 1; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

/* log(m * 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)), m near 1. */
double tally_rng_log(double x)
{
    static const double ln2 = 0.69314718055994530942;
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = 1.0 / k + s2 * sum;
    return e * ln2 + 2 * s * sum;
}
