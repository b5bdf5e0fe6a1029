/* robust.h - combining sites' deltas by a rule that a few bad ones cannot carry away (ALGORITHMS
 * sections 2.1 and 2.4), in one or two passes over the slices.
 *
 * A rule is either a weighted sum of the deltas, whose weights depend on nothing but the products
 * of every two of them (gram.h), or a statistic of each coordinate by itself. So however many
 * iterations a rule makes, the deltas are read twice: once to measure, once to combine, and the
 * memory is a slice of each site and a matrix. With x any slice of all sites' deltas:
 *
 *     tally_robust_init(&r, &setup)
 *     if (tally_robust_measures(&r)) for each slice: tally_robust_measure(&r, &site, x, n)
 *     tally_robust_decide(&r)                          norms, scores and coefficients are there
 *     for each slice: tally_robust_combine(out, &site, &r, x, n)
 *     tally_robust_free(&r)
 *
 * The caller orders the sites by identity; ties go to the lowest site. Any value that is not
 * finite refuses its site's whole update by name: begin again without the site. Slices are the
 * same in both passes and multiples of TALLY_GRAM_BLOCK coordinates, all but the last; then the
 * bits are the same on every processor, compiler and number of threads.
 *
 * Against the rule in exact arithmetic, a result is off by at most 1e-6 of the largest value of
 * the deltas that have a part in it; the mean, median, trimmed mean and Krum by one rounding to
 * float32 (of each mixed delta, too). Slices of different sites are read fastest where they do not
 * all start at the same offset of a page: 64 times an odd number of bytes apart is good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "kernels/gram.h"

enum tally_robust_rule {
    TALLY_ROBUST_MEAN = 1,          /* weighted; the bits of tally_combine_mean */
    TALLY_ROBUST_NORM_BOUND,        /* weighted mean of deltas cut to the norm tau */
    TALLY_ROBUST_MEDIAN,            /* per coordinate; of an even number the middle two's mean */
    TALLY_ROBUST_TRIMMED_MEAN,      /* per coordinate without the `bad` lowest and highest */
    TALLY_ROBUST_GEOMETRIC_MEDIAN,  /* weighted: least sum of distances (RFA, Pillutla 2022) */
    TALLY_ROBUST_CENTERED_CLIPPING, /* weighted (Karimireddy 2021) */
    TALLY_ROBUST_KRUM,              /* the delta nearest its neighbours (Blanchard 2017) */
    TALLY_ROBUST_MULTI_KRUM,        /* the plain mean of the best `picks` of them */
};

enum {
    TALLY_ROBUST_RANKED_MAX = TALLY_LANES_SORT_MAX, /* sites of median, trimmed mean, mixing */
    TALLY_ROBUST_ROUNDS_MAX = 1000,
};

/* What decides; 0 in a field is its default. */
struct tally_robust_settings {
    enum tally_robust_rule rule;
    uint32_t bad;   /* trimmed mean: 2 bad < sites; Krum and Multi-Krum: 2 bad + 3 <= sites */
    uint32_t picks; /* Multi-Krum: at most sites; default sites - bad */
    /* Steps of smoothed Weiszfeld from the weighted mean, where a distance counts at least 1e-6
     * of the median norm; default: to the exact median (Vardi and Zhang 2000), also where that
     * is a site's delta. Centered clipping: iterations, default 3. */
    uint32_t rounds;
    double tau; /* of norm bound and centered clipping; default the median of the norms */
    /* Nearest-neighbour mixing (Allouah 2023): every delta is first replaced by the plain mean of
     * the sites - bad nearest, its own among them; 2 bad < sites <= TALLY_ROBUST_RANKED_MAX. */
    bool mix;
};

struct tally_robust_setup {
    struct tally_robust_settings settings;
    uint32_t sites;          /* 1 to 256; rules on mean only: 1 to 1024 */
    const uint32_t *weights; /* sites, each < 2^29, copied; median, trimmed mean and Krum ignore */
    uint32_t threads;        /* 1 to TALLY_SHARES_THREADS_MAX */
    bool centre;             /* clip around a vector that comes with the slices, not around zero */
};

struct tally_robust {
    struct tally_robust_settings settings;
    uint32_t sites, threads;
    bool centre, decided;
    const struct tally_robust_lanes *lanes; /* the widest; a test may choose another */
    struct tally_gram gram;
    double *weight; /* (sites) */
    /* After decide, of rules that measure: (sites) each. score is Krum's, else 0. */
    double *norm, *score;
    /* After decide, of rules that are a sum: out = sum of coefficient delta / divisor. The centre
     * is the last of sites + 1. Each has at most 29 significant bits. */
    double *coefficient;
    double divisor;
    uint64_t *near;     /* (sites) mixing: whose mean stands for a site */
    double *distance2;  /* (sites + 1, sites + 1) after mixing; the last is the centre */
    double *work;       /* 4 (sites + 1) */
    const float **used; /* (sites + 1) of measure */
};

/* Slices of deltas, sites pointers to n floats each, and of what comes with them. */
struct tally_robust_slice {
    const float *const *deltas;
    const float *centre; /* n floats where setup.centre, else not read */
    const float *base;   /* combine: n floats that the result is added to, or NULL */
};

/* TALLY_E_CONFIG names a setting that is wrong for the rule and number of sites, TALLY_E_LIMIT a
 * count or weight, TALLY_E_STATE when a weighted rule has weights of zero only, TALLY_E_NOMEM.
 * *r must be zero or freed. */
TALLY_RESULT tally_robust_init(struct tally_robust *r, const struct tally_robust_setup *setup);
void tally_robust_free(struct tally_robust *r);

/* Must the slices be measured before tally_robust_decide? */
bool tally_robust_measures(const struct tally_robust *r);

/* E_UPDATE as tally_combine_mean (the centre is site `sites`); r is then good for free only. */
TALLY_RESULT tally_robust_measure(struct tally_robust *r, uint32_t *site,
                                  const struct tally_robust_slice *x, size_t n);

void tally_robust_decide(struct tally_robust *r);

/* out: n floats, may be the base; failures as tally_combine_mean. Decided before. */
TALLY_RESULT tally_robust_combine(float *out, uint32_t *site, const struct tally_robust *r,
                                  const struct tally_robust_slice *x, size_t n);
