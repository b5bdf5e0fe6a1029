/* moments.h - payload kind 1: what round 0 learns about the columns, and nothing about a row.
 *
 * Per numeric column: count, mean and sum of squared deviations (M2) after the transform, over
 * the training rows (Welford locally, Chan's formula between sites; ALGORITHMS.md section 10). The
 * mean is kept as the sum of two doubles: with one, deviations of a thousandth of an offset of a
 * million lose half their digits, locally and between sites.
 * Per category whose values the job neither lists nor hashes: the values that at least
 * TALLY_MOMENTS_COUNT_MIN training rows of the site have, at most TALLY_MOMENTS_VALUES_MAX of
 * them (the most frequent; ties: the smaller bytes first). Labels: rows and positives.
 *
 * Bytes (big-endian; f64 as its IEEE 754 bits):
 *   01 | rows u64 | positives u64 | weight f64 | positive weight f64 | columns u32
 *   | per column: 01 | n u64 | mean f64 | mean low f64 | M2 f64      numeric; mean + mean low is
 * mean | 02 | n u64 | count u32 | per value: LP value | rows u64     category, values open | 03
 * category, values fixed Values are UTF-8 of 1 to 127 bytes, strictly ascending by bytes. */
#pragma once

#include <float.h>

#include "common/schema.h"

enum {
    TALLY_MOMENTS_VERSION = 1,
    TALLY_MOMENTS_COUNT_MIN = 10,   /* rows of a site that a value must have to leave it */
    TALLY_MOMENTS_VALUES_MAX = 256, /* of a column, from one site */
    TALLY_MOMENTS_SITES_MAX = 4096, /* merged in one process */
};
#define TALLY_MOMENTS_ROWS_MAX (UINT64_C(1) << 40)

/* A row's weight is above 0 and at most this. */
#define TALLY_WEIGHT_MAX 1e6

struct tally_value_count {
    char value[TALLY_CELL_TEXT_MAX + 1];
    uint64_t rows;
    uint32_t sites; /* 1 in a site's own */
};

struct tally_column_moments {
    enum tally_column_kind kind;
    uint64_t n; /* training rows that have a value; numeric, or category with open values */
    double mean, mean_low, m2; /* the mean is mean + mean_low; |mean_low| <= half an ulp of mean */
    struct tally_value_count *values; /* ascending; NULL: the column's values are fixed */
    uint32_t values_n;
};

struct tally_moments {
    uint64_t rows, positives;       /* training rows */
    double weight, positive_weight; /* their sums of weights; = rows, positives without weights */
    uint32_t sites;                 /* merged so far; 1 in a site's own */
    struct tally_column_moments *columns; /* one per column of the schema, in its order */
    uint32_t columns_n;
};

/* Empty columns of the schema's kinds, no rows. The caller frees *out. */
TALLY_RESULT tally_moments_init(const struct tally_schema *s, struct tally_moments *out);
void tally_moments_free(struct tally_moments *m); /* idempotent */

/* Welford's step: one more value of a numeric column. x is finite and transformed. */
void tally_moments_add(struct tally_column_moments *c, double x);

/* Does the job leave this column's values to round 0? */
bool tally_moments_open(const struct tally_column *c);

/* Fresh bytes; the caller frees out->at with free(). */
TALLY_RESULT tally_moments_encode(const struct tally_moments *m, uint8_t **bytes, size_t *len);
/* A site's payload. TALLY_E_WIRE: not of this layout, not of this schema's kinds, a number that is
 * not finite or out of range, a count that cannot be true. The caller frees *out. */
TALLY_RESULT tally_moments_decode(struct tally_slice in, const struct tally_schema *s,
                                  struct tally_moments *out);

/* into += site. Called in the canonical order of the sites (org, then node, by bytes), so that the
 * sums have the same bits everywhere. TALLY_E_CONFIG if the columns differ; then, and on
 * TALLY_E_NOMEM, `into` is good for nothing but free. */
TALLY_RESULT tally_moments_merge(struct tally_moments *into, const struct tally_moments *site);
