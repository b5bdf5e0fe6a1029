/* robust_rules.c - see robust_rules.h. */
#include "kernels/robust_rules.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MEDIAN_ROUNDS = 3000 };
#define MEDIAN_STEP  1e-11  /* of each coefficient: no further */
#define LEAST_LENGTH 1e-290 /* its inverse is finite */

static const double *row(const struct tally_points *p, uint32_t i)
{
    return p->distance2 + (size_t)i * (p->sites + 1);
}

void tally_rules_distances(double *distance2, const double *z, const struct tally_points *p)
{
    double spread = 0;

    for (uint32_t i = 0; i <= p->sites; i++) {
        const double *d = row(p, i);
        double sum = 0;
        for (uint32_t j = 0; j <= p->sites; j++) sum += z[j] * d[j];
        distance2[i] = sum;
        spread += z[i] * sum;
    }
    for (uint32_t i = 0; i <= p->sites; i++) {
        double d = distance2[i] - spread / 2;
        distance2[i] = d > 0 ? d : 0;
    }
}

void tally_rules_clip(double *z, const struct tally_points *p, double tau, uint32_t rounds)
{
    double *distance2 = p->work;

    memset(z, 0, (p->sites + 1) * sizeof *z);
    z[p->sites] = 1;
    for (uint32_t t = 0; t < rounds; t++) {
        double moved = 0;
        tally_rules_distances(distance2, z, p);
        for (uint32_t i = 0; i < p->sites; i++) {
            double d = sqrt(distance2[i]);
            distance2[i] = p->weight[i] * (d > tau ? tau / d : 1);
            moved += distance2[i];
        }
        for (uint32_t i = 0; i <= p->sites; i++)
            z[i] = z[i] * (1 - moved) + (i < p->sites ? distance2[i] : 0);
    }
}

/* One step; returns how far a coefficient went, as a share of itself: even a tiny one may belong
 * to an enormous delta. */
static double step(double *z, const struct tally_points *p, double nu)
{
    double *pull = p->work;
    double sum = 0;
    double most = 0;

    tally_rules_distances(pull, z, p);
    for (uint32_t i = 0; i < p->sites; i++) {
        double d = sqrt(pull[i]);
        pull[i] = p->weight[i] / fmax(fmax(d, nu), LEAST_LENGTH);
        sum += pull[i];
    }
    for (uint32_t i = 0; i < p->sites; i++) {
        double to = pull[i] / sum;
        most = fmax(most, fabs(to - z[i]) / fmax(to, LEAST_LENGTH));
        z[i] = to;
    }
    return most;
}

/* Is site k's delta the median? So it is if the unit pulls of all the others, by their weights,
 * are no more than the weight of all that lie where k does (Vardi and Zhang 2000). */
static bool is_median(const struct tally_points *p, uint32_t k)
{
    const double *from = row(p, k);
    double *pull = p->work;
    double here = 0;
    double force2 = 0;

    for (uint32_t i = 0; i < p->sites; i++) {
        bool apart = from[i] > 0;
        if (!apart) here += p->weight[i];
        pull[i] = apart ? p->weight[i] / fmax(sqrt(from[i]), LEAST_LENGTH) : 0;
    }
    for (uint32_t i = 0; i < p->sites; i++) {
        const double *d = row(p, i);
        double sum = 0;
        for (uint32_t j = 0; j < p->sites; j++) sum += pull[j] * (from[i] + from[j] - d[j]);
        force2 += pull[i] * sum / 2;
    }
    return force2 <= here * here;
}

void tally_rules_median(double *z, const struct tally_points *p, double nu, uint32_t rounds)
{
    uint32_t most = rounds > 0 ? rounds : MEDIAN_ROUNDS;

    z[p->sites] = 0;
    for (uint32_t k = 0; rounds == 0 && k < p->sites; k++) {
        if (!is_median(p, k)) continue;
        memset(z, 0, p->sites * sizeof *z);
        z[k] = 1;
        return;
    }
    memcpy(z, p->weight, p->sites * sizeof *z);
    for (uint32_t t = 0; t < most; t++) {
        double far = step(z, p, nu);
        if (rounds == 0 && far <= MEDIAN_STEP) return;
    }
}

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

void tally_rules_krum(double *score, const struct tally_points *p, uint32_t count)
{
    double *near = p->work;

    for (uint32_t i = 0; i < p->sites; i++) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < p->sites; j++)
            if (j != i) near[n++] = row(p, i)[j];
        qsort(near, n, sizeof *near, ascending);
        score[i] = 0;
        for (uint32_t j = 0; j < count; j++) score[i] += near[j];
    }
}

void tally_rules_order(uint32_t *order, const double *value, uint32_t sites)
{
    for (uint32_t i = 0; i < sites; i++) {
        uint32_t at = i;
        for (; at > 0 && value[order[at - 1]] > value[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

double tally_rules_middle(const double *x, double *work, uint32_t n)
{
    memcpy(work, x, n * sizeof *x);
    qsort(work, n, sizeof *work, ascending);
    return n % 2 == 1 ? work[n / 2] : (work[n / 2 - 1] + work[n / 2]) / 2;
}
