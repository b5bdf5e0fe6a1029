/* chi2.c - see chi2.h. */
#include "tests/lib/chi2.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    REACH = 6,       /* deviations on each side */
    PER_SIGMA = 16,  /* cells of a wide distribution */
    WIDE_SIGMA = 32, /* from here on a cell is many integers */
    CELLS_MAX = 2 * REACH * WIDE_SIGMA + 3,
};

double chi2_mass(double x, double variance)
{
    double sum = 1;

    for (double k = 1; k * k < 1500 * variance; k++) sum += 2 * exp(-k * k / (2 * variance));
    return exp(-x * x / (2 * variance)) / sum;
}

/* Cell i holds the integers from first + i width on, so many. */
struct cells {
    double first, width;
    size_t n;
};

static struct cells cut(double sigma)
{
    double width = sigma > WIDE_SIGMA ? floor(sigma / PER_SIGMA) : 1;
    double side = ceil(REACH * sigma / width);

    return (struct cells){.first = -side * width, .width = width, .n = (size_t)(2 * side) + 1};
}

static double expected(const struct cells *c, size_t i, double variance)
{
    double from = c->first + (double)i * c->width;

    if (sqrt(variance) <= WIDE_SIGMA) return chi2_mass(from, variance);
    double low = (from - 0.5) / sqrt(2 * variance);
    double high = (from + c->width - 0.5) / sqrt(2 * variance);
    return from < 0 ? (erfc(-high) - erfc(-low)) / 2 : (erfc(low) - erfc(high)) / 2;
}

double chi2_gaussian(const int64_t *samples, size_t n, double variance)
{
    const struct cells c = cut(sqrt(variance));
    double *seen = calloc(c.n, sizeof *seen);
    double sum = 0;
    double cells = 0;
    double held_want = 0; /* of cells too small to stand alone */
    double held_seen = 0;
    double outside = (double)n;
    double outside_want = (double)n;

    ck_assert_ptr_nonnull(seen);
    for (size_t i = 0; i < n; i++) {
        double at = floor(((double)samples[i] - c.first) / c.width);
        if (at >= 0 && at < (double)c.n) seen[(size_t)at]++;
    }
    for (size_t i = 0; i < c.n; i++) {
        held_want += (double)n * expected(&c, i, variance);
        held_seen += seen[i];
        if (held_want < 5) continue;
        sum += (held_seen - held_want) * (held_seen - held_want) / held_want;
        outside -= held_seen;
        outside_want -= held_want;
        held_want = 0;
        held_seen = 0;
        cells++;
    }
    free(seen);
    outside_want = fmax(outside_want, 1e-3); /* the last cell: what no other has */
    if (outside_want >= 1 || outside > 0) {
        sum += (outside - outside_want) * (outside - outside_want) / outside_want;
        cells++;
    }
    double free_cells = fmax(cells - 1, 1);
    double part = 2 / (9 * free_cells);
    return (cbrt(sum / free_cells) - (1 - part)) / sqrt(part);
}
