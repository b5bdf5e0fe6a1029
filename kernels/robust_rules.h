/* robust_rules.h - the rules of robust.h on distances alone: what coefficients they give.
 *
 * Points are the sites and, last, the centre. A vector of coefficients with sum 1 stands for the
 * same combination of the points, z. */
#pragma once

#include <stdint.h>

struct tally_points {
    uint32_t sites;
    const double *distance2; /* (sites + 1, sites + 1) */
    const double *weight;    /* (sites) sum 1 */
    double *work;            /* 2 (sites + 1) */
};

/* distance2[i] = |z - point i|^2, at least 0. */
void tally_rules_distances(double *distance2, const double *z, const struct tally_points *p);

/* z: `rounds` iterations from the centre. */
void tally_rules_clip(double *z, const struct tally_points *p, double tau, uint32_t rounds);

/* z: so many steps of Weiszfeld with distances of at least nu; 0 rounds: the exact median. */
void tally_rules_median(double *z, const struct tally_points *p, double nu, uint32_t rounds);

/* score: (sites), the sum of the squared distances to the `count` nearest other sites. */
void tally_rules_krum(double *score, const struct tally_points *p, uint32_t count);

/* order: the sites by value, then by number. */
void tally_rules_order(uint32_t *order, const double *value, uint32_t sites);

/* The median, in any order. work: (n). */
double tally_rules_middle(const double *x, double *work, uint32_t n);
