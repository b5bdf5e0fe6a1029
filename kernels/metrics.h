/* metrics.h - how well scores rank rows: from the rows themselves, and from histograms of logits,
 * which is all that leaves a site (ALGORITHMS section 9).
 *
 * auc_pr is average precision, sum over thresholds of precision times the recall gained, as
 * scikit-learn's average_precision_score; roc_auc counts ties half; recall is the share of
 * positives above the lowest threshold whose false positives are at most a given share of the
 * negatives. Equal scores are one threshold and never split. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum { TALLY_METRICS_ROWS_MAX = 1 << 30, TALLY_HISTOGRAM_BINS = 4096 };
#define TALLY_HISTOGRAM_LOW  (-16.0)
#define TALLY_HISTOGRAM_HIGH 16.0

struct tally_metrics {
    double auc_pr, roc_auc, recall;
    double roc_auc_error;        /* |roc_auc - exact| is at most this; 0 from rows */
    double positives, negatives; /* sums of weights */
};

struct tally_scored {
    size_t rows;
    const float *logit;  /* (rows) any increasing score; not NaN */
    const float *y;      /* (rows) 0 or 1 */
    const float *weight; /* (rows) finite, >= 0; NULL: all 1 */
};

/* fpr: the share of negatives that may be false positives, 0 to 1. TALLY_E_CONFIG for a bad
 * value, TALLY_E_UNDECIDED when positives or negatives are missing (weight zero in all counts as
 * missing), TALLY_E_NOMEM. */
TALLY_RESULT tally_metrics_exact(struct tally_metrics *out, const struct tally_scored *s,
                                 double fpr);

/* Counts of positives and negatives per bin of width 1/128 over [-16, 16); what lies outside
 * counts in the first or last bin. Rows of weight 0 do not count, any other weight counts 1. */
struct tally_histogram {
    uint64_t pos[TALLY_HISTOGRAM_BINS], neg[TALLY_HISTOGRAM_BINS];
};

uint32_t tally_histogram_bin(double logit); /* not NaN */
/* Adds the rows to h; h is unchanged on failure. */
TALLY_RESULT tally_histogram_count(struct tally_histogram *h, const struct tally_scored *s);
/* into += from; TALLY_E_LIMIT and unchanged if a bin, or all together, would reach 2^53. */
TALLY_RESULT tally_histogram_add(struct tally_histogram *into, const struct tally_histogram *from);

/* As tally_metrics_exact on rows that score their bin: the same ties, so a bin is one threshold. */
struct tally_bins {
    const uint64_t *pos, *neg; /* (bins), from the lowest score */
    size_t bins;
};
TALLY_RESULT tally_metrics_bins(struct tally_metrics *out, struct tally_bins b, double fpr);
TALLY_RESULT tally_metrics_histogram(struct tally_metrics *out, const struct tally_histogram *h,
                                     double fpr);
