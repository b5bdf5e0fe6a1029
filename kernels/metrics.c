/* metrics.c - see metrics.h. */
#include "kernels/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/values.h"

static const double COUNT_MAX = 0x1p53; /* exact in double */

/* The one walk over thresholds from the highest score down, fed one group of ties at a time. */
struct walk {
    double positives, negatives; /* of all */
    double allowed;              /* false positives */
    double tp, fp;               /* down to this threshold */
    double auc_pr, auc_pairs, tied_pairs, recalled;
    bool within; /* no threshold so far had too many false positives */
};

static enum tally_status start(struct walk *w, double positives, double negatives, double fpr)
{
    TALLY_ENSURE(fpr >= 0 && fpr <= 1, TALLY_E_CONFIG,
                 "the false positive rate is %g: it lies between 0 and 1", fpr);
    TALLY_ENSURE(positives > 0 && negatives > 0, TALLY_E_UNDECIDED,
                 "metrics need rows of both classes: %g positive, %g negative", positives,
                 negatives);
    /* .29 * 100 is 28.999...: a share that means a whole number of rows gets them all. */
    double allowed = fpr * negatives * (1 + 1e-12);
    *w = (struct walk){
        .positives = positives, .negatives = negatives, .allowed = allowed, .within = true};
    return TALLY_OK;
}

static void group(struct walk *w, double pos, double neg)
{
    double below = w->negatives - w->fp - neg;

    w->tp += pos;
    w->fp += neg;
    if (pos > 0) w->auc_pr += pos / w->positives * (w->tp / (w->tp + w->fp));
    w->auc_pairs += pos * (below + neg / 2);
    w->tied_pairs += pos * neg;
    w->within = w->within && w->fp <= w->allowed;
    if (w->within) w->recalled = w->tp;
}

static struct tally_metrics end(const struct walk *w, bool exact)
{
    double pairs = w->positives * w->negatives;

    return (struct tally_metrics){.auc_pr = w->auc_pr,
                                  .roc_auc = w->auc_pairs / pairs,
                                  .recall = w->recalled / w->positives,
                                  .roc_auc_error = exact ? 0 : w->tied_pairs / (2 * pairs),
                                  .positives = w->positives,
                                  .negatives = w->negatives};
}

/* An order-preserving key: sign-magnitude to two's complement, higher score first. */
static uint32_t key_of(float score)
{
    uint32_t bits;

    score += 0.0F; /* -0 ties with +0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits & 0x80000000U ? ~bits : bits | 0x80000000U);
}

static float weight_of(const struct tally_scored *s, size_t r)
{
    return s->weight != NULL ? s->weight[r] : 1.0F;
}

static enum tally_status check(const struct tally_scored *s)
{
    TALLY_ENSURE(s->rows <= TALLY_METRICS_ROWS_MAX, TALLY_E_CONFIG, "%zu rows: at most %d", s->rows,
                 TALLY_METRICS_ROWS_MAX);
    for (size_t r = 0; r < s->rows; r++)
        TALLY_ENSURE(!isnan(s->logit[r]), TALLY_E_CONFIG, "row %zu: the score is not a number", r);
    return tally_values_rows(s->y, s->weight, s->rows);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void free_keys(uint64_t **keys)
{
    free(*keys);
}

static void walk_rows(struct walk *w, const struct tally_scored *s, const uint64_t *keys)
{
    double pos = 0;
    double neg = 0;

    for (size_t i = 0; i < s->rows; i++) {
        size_t r = (uint32_t)keys[i];
        if (s->y[r] > 0)
            pos += (double)weight_of(s, r);
        else
            neg += (double)weight_of(s, r);
        if (i + 1 < s->rows && keys[i + 1] >> 32 == keys[i] >> 32) continue;
        if (pos + neg > 0) group(w, pos, neg);
        pos = neg = 0;
    }
}

enum tally_status tally_metrics_exact(struct tally_metrics *out, const struct tally_scored *s,
                                      double fpr)
{
    uint64_t *keys __attribute__((cleanup(free_keys))) = NULL;
    double sums[2] = {0};
    struct walk w;

    TALLY_TRY(check(s));
    for (size_t r = 0; r < s->rows; r++) sums[s->y[r] > 0] += (double)weight_of(s, r);
    TALLY_TRY(start(&w, sums[1], sums[0], fpr));
    keys = malloc(s->rows * sizeof *keys);
    TALLY_ENSURE(keys != NULL, TALLY_E_NOMEM, "%zu rows to sort", s->rows);
    for (size_t r = 0; r < s->rows; r++) keys[r] = (uint64_t)key_of(s->logit[r]) << 32 | r;
    qsort(keys, s->rows, sizeof *keys, by_key);
    walk_rows(&w, s, keys);
    *out = end(&w, true);
    return TALLY_OK;
}

uint32_t tally_histogram_bin(double logit)
{
    if (logit < TALLY_HISTOGRAM_LOW) return 0;
    if (logit >= TALLY_HISTOGRAM_HIGH) return TALLY_HISTOGRAM_BINS - 1;
    double width = (TALLY_HISTOGRAM_HIGH - TALLY_HISTOGRAM_LOW) / TALLY_HISTOGRAM_BINS;
    uint32_t bin = (uint32_t)((logit - TALLY_HISTOGRAM_LOW) / width);
    /* The number just below 16, plus 16, rounds to 32. */
    return bin < TALLY_HISTOGRAM_BINS ? bin : TALLY_HISTOGRAM_BINS - 1;
}

enum tally_status tally_histogram_count(struct tally_histogram *h, const struct tally_scored *s)
{
    TALLY_TRY(check(s));
    for (size_t r = 0; r < s->rows; r++) {
        if (!(weight_of(s, r) > 0)) continue;
        uint32_t bin = tally_histogram_bin((double)s->logit[r]);
        uint64_t *counts = s->y[r] > 0 ? h->pos : h->neg;
        counts[bin]++;
    }
    return TALLY_OK;
}

/* Sums in double round only beyond 2^53, which is refused anyway. */
static enum tally_status total(double *sum, const uint64_t *counts, size_t n)
{
    *sum = 0;
    for (size_t i = 0; i < n; i++) *sum += (double)counts[i];
    TALLY_ENSURE(*sum < COUNT_MAX, TALLY_E_LIMIT, "a histogram of %g rows", *sum);
    return TALLY_OK;
}

enum tally_status tally_histogram_add(struct tally_histogram *into,
                                      const struct tally_histogram *from)
{
    const struct tally_histogram *both[2] = {into, from};
    double all = 0;

    for (int i = 0; i < 2; i++) {
        double pos;
        double neg;
        TALLY_TRY(total(&pos, both[i]->pos, TALLY_HISTOGRAM_BINS));
        TALLY_TRY(total(&neg, both[i]->neg, TALLY_HISTOGRAM_BINS));
        all += pos + neg;
    }
    TALLY_ENSURE(all < COUNT_MAX, TALLY_E_LIMIT, "histograms of %g rows together", all);
    for (size_t i = 0; i < TALLY_HISTOGRAM_BINS; i++) {
        into->pos[i] += from->pos[i];
        into->neg[i] += from->neg[i];
    }
    return TALLY_OK;
}

enum tally_status tally_metrics_bins(struct tally_metrics *out, struct tally_bins b, double fpr)
{
    struct walk w;
    double pos;
    double neg;

    TALLY_TRY(total(&pos, b.pos, b.bins));
    TALLY_TRY(total(&neg, b.neg, b.bins));
    TALLY_TRY(start(&w, pos, neg, fpr));
    for (size_t i = b.bins; i-- > 0;) {
        if (b.pos[i] + b.neg[i] > 0) group(&w, (double)b.pos[i], (double)b.neg[i]);
    }
    *out = end(&w, false);
    return TALLY_OK;
}

enum tally_status tally_metrics_histogram(struct tally_metrics *out,
                                          const struct tally_histogram *h, double fpr)
{
    return tally_metrics_bins(
        out, (struct tally_bins){.pos = h->pos, .neg = h->neg, .bins = TALLY_HISTOGRAM_BINS}, fpr);
}
