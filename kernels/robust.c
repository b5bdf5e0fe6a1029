/* robust.c - see robust.h. */
#include "kernels/robust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/combine.h"
#include "kernels/robust_rules.h"
#include "kernels/shares.h"

enum { CLIP_ROUNDS = 3, COEFFICIENT_BITS = 29 };
#define SMOOTH            1e-6     /* of the median norm */
#define COEFFICIENT_LEAST 0x1p-700 /* smaller counts as 0, so that no product is subnormal */

static bool is_ranked(enum tally_robust_rule rule)
{
    return rule == TALLY_ROBUST_MEDIAN || rule == TALLY_ROBUST_TRIMMED_MEAN;
}

static bool is_krum(enum tally_robust_rule rule)
{
    return rule == TALLY_ROBUST_KRUM || rule == TALLY_ROBUST_MULTI_KRUM;
}

static bool is_weighted(enum tally_robust_rule rule)
{
    return !is_ranked(rule) && !is_krum(rule);
}

bool tally_robust_measures(const struct tally_robust *r)
{
    return r->settings.mix ||
           !(is_ranked(r->settings.rule) || r->settings.rule == TALLY_ROBUST_MEAN);
}

/* ---- set up ---- */

static enum tally_status check_settings(const struct tally_robust_settings *s, uint32_t sites)
{
    TALLY_ENSURE(s->rule >= TALLY_ROBUST_MEAN && s->rule <= TALLY_ROBUST_MULTI_KRUM, TALLY_E_CONFIG,
                 "combining has no rule %d", (int)s->rule);
    TALLY_ENSURE(!(s->mix || s->rule == TALLY_ROBUST_TRIMMED_MEAN) ||
                     (s->bad < sites && 2 * (uint64_t)s->bad < sites),
                 TALLY_E_CONFIG, "%u bad sites of %u leave no majority", s->bad, sites);
    TALLY_ENSURE(!is_krum(s->rule) || 2 * (uint64_t)s->bad + 3 <= sites, TALLY_E_CONFIG,
                 "Krum with %u bad sites needs %llu, there are %u", s->bad,
                 (unsigned long long)s->bad * 2 + 3, sites);
    TALLY_ENSURE(s->picks <= sites, TALLY_E_CONFIG, "%u picks of %u sites", s->picks, sites);
    TALLY_ENSURE(s->rounds <= TALLY_ROBUST_ROUNDS_MAX, TALLY_E_CONFIG,
                 "%u rounds: at most %d are possible", s->rounds, TALLY_ROBUST_ROUNDS_MAX);
    TALLY_ENSURE(isfinite(s->tau) && s->tau >= 0, TALLY_E_CONFIG,
                 "tau is %g: a finite number from 0 is possible", s->tau);
    return TALLY_OK;
}

static enum tally_status check_counts(const struct tally_robust_setup *s)
{
    bool ranked = is_ranked(s->settings.rule) || s->settings.mix;
    bool plain = s->settings.rule == TALLY_ROBUST_MEAN && !s->settings.mix;
    uint32_t most = ranked  ? TALLY_ROBUST_RANKED_MAX
                    : plain ? TALLY_COMBINE_SITES_MAX
                            : TALLY_GRAM_SITES_MAX - (s->centre ? 1 : 0);

    TALLY_ENSURE(s->sites >= 1 && s->sites <= most, TALLY_E_LIMIT,
                 "%u sites: 1 to %u can be combined so", s->sites, most);
    TALLY_ENSURE(s->threads >= 1 && s->threads <= TALLY_SHARES_THREADS_MAX, TALLY_E_LIMIT,
                 "%u threads: 1 to %d are possible", s->threads, TALLY_SHARES_THREADS_MAX);
    TALLY_ENSURE(!s->centre || s->settings.rule == TALLY_ROBUST_CENTERED_CLIPPING, TALLY_E_CONFIG,
                 "only centered clipping has a centre");
    return TALLY_OK;
}

static enum tally_status weigh(struct tally_robust *r, const uint32_t *weights)
{
    double total = 0;

    for (uint32_t s = 0; s < r->sites; s++) {
        TALLY_ENSURE(weights[s] < TALLY_COMBINE_WEIGHT_END, TALLY_E_LIMIT,
                     "site %u weighs %u: less than 2^29 is exact", s, weights[s]);
        r->weight[s] = weights[s];
        total += weights[s];
    }
    TALLY_ENSURE(total > 0 || !is_weighted(r->settings.rule), TALLY_E_STATE,
                 "every site weighs nothing");
    r->divisor = total;
    return TALLY_OK;
}

static enum tally_status take_memory(struct tally_robust *r)
{
    size_t points = (size_t)r->sites + 1;
    bool measures = tally_robust_measures(r);
    bool distances = measures && (r->settings.rule != TALLY_ROBUST_NORM_BOUND || r->settings.mix);

    r->weight = calloc(r->sites, sizeof *r->weight);
    r->norm = calloc(r->sites, sizeof *r->norm);
    r->score = calloc(r->sites, sizeof *r->score);
    r->coefficient = calloc(points, sizeof *r->coefficient);
    r->near = calloc(r->sites, sizeof *r->near);
    r->distance2 = calloc(measures ? points * points : 1, sizeof *r->distance2);
    r->work = calloc(4 * points, sizeof *r->work);
    r->used = calloc(points, sizeof *r->used);
    TALLY_ENSURE(r->weight != NULL && r->norm != NULL && r->score != NULL &&
                     r->coefficient != NULL && r->near != NULL && r->distance2 != NULL &&
                     r->work != NULL && r->used != NULL,
                 TALLY_E_NOMEM, "combining %u sites", r->sites);
    if (!measures) return TALLY_OK;
    TALLY_TRY(tally_gram_init(&r->gram, r->sites + r->centre, r->threads, !distances));
    r->gram.lanes = r->lanes;
    return TALLY_OK;
}

enum tally_status tally_robust_init(struct tally_robust *r, const struct tally_robust_setup *setup)
{
    struct tally_robust made = {.settings = setup->settings,
                                .sites = setup->sites,
                                .threads = setup->threads,
                                .centre = setup->centre,
                                .lanes = tally_robust_lanes()};

    TALLY_TRY(check_settings(&setup->settings, setup->sites));
    TALLY_TRY(check_counts(setup));
    enum tally_status s = take_memory(&made);
    if (s == TALLY_OK) s = weigh(&made, setup->weights);
    if (s == TALLY_OK)
        *r = made;
    else
        tally_robust_free(&made);
    return s;
}

void tally_robust_free(struct tally_robust *r)
{
    tally_gram_free(&r->gram);
    free(r->weight);
    free(r->norm);
    free(r->score);
    free(r->coefficient);
    free(r->near);
    free(r->distance2);
    free(r->work);
    free(r->used);
    *r = (struct tally_robust){0};
}

enum tally_status tally_robust_measure(struct tally_robust *r, uint32_t *site,
                                       const struct tally_robust_slice *x, size_t n)
{
    TALLY_ASSERT(tally_robust_measures(r) && !r->decided);
    if (!r->centre) return tally_gram_add(&r->gram, site, x->deltas, n);
    memcpy(r->used, x->deltas, r->sites * sizeof *r->used);
    r->used[r->sites] = x->centre;
    return tally_gram_add(&r->gram, site, r->used, n);
}

/* ---- decide ---- */

/* Distances as they were measured; the centre is the origin where none came. */
static void measure_points(struct tally_robust *r)
{
    uint32_t points = r->sites + 1;

    for (uint32_t i = 0; i < r->sites; i++) {
        double *row = r->distance2 + (size_t)i * points;
        for (uint32_t j = 0; j < r->sites && !r->gram.norms_only; j++)
            row[j] = tally_gram_distance2(&r->gram, i, j);
        row[r->sites] = r->centre ? tally_gram_distance2(&r->gram, i, r->sites)
                                  : tally_gram_product(&r->gram, i, i);
        r->distance2[(size_t)r->sites * points + i] = row[r->sites];
        r->norm[i] = sqrt(tally_gram_product(&r->gram, i, i));
    }
}

static void find_neighbours(struct tally_robust *r)
{
    uint32_t order[TALLY_ROBUST_RANKED_MAX];

    for (uint32_t i = 0; i < r->sites; i++) {
        tally_rules_order(order, r->distance2 + (size_t)i * (r->sites + 1), r->sites);
        r->near[i] = 0;
        for (uint32_t k = 0; k < r->sites - r->settings.bad; k++)
            r->near[i] |= (uint64_t)1 << order[k];
    }
}

/* |y_i - y_j|^2 of two mixed deltas (or of one and the origin, j = sites) from the products. */
static double mixed_distance2(const struct tally_robust *r, uint32_t i, uint32_t j)
{
    double each = 1.0 / (r->sites - r->settings.bad);
    uint64_t plus = r->near[i] & ~(j < r->sites ? r->near[j] : 0);
    uint64_t minus = j < r->sites ? r->near[j] & ~r->near[i] : 0;
    double sum = 0;

    for (uint64_t a = plus | minus; a != 0; a &= a - 1) {
        uint32_t s = (uint32_t)__builtin_ctzll(a);
        double row = 0;
        for (uint64_t b = plus | minus; b != 0; b &= b - 1) {
            uint32_t t = (uint32_t)__builtin_ctzll(b);
            double product = tally_gram_product(&r->gram, s, t);
            row += (minus >> t & 1) != 0 ? -product : product;
        }
        sum += (minus >> s & 1) != 0 ? -row : row;
    }
    return sum > 0 ? sum * each * each : 0;
}

/* From the deltas' points to the mixed ones'. */
static void mix_points(struct tally_robust *r)
{
    uint32_t points = r->sites + 1;

    find_neighbours(r);
    for (uint32_t i = 0; i < points; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double d = i == j ? 0 : mixed_distance2(r, j, i);
            r->distance2[(size_t)i * points + j] = d;
            r->distance2[(size_t)j * points + i] = d;
        }
    }
}

static void pick(struct tally_robust *r, const struct tally_points *p, double *z)
{
    uint32_t order[TALLY_GRAM_SITES_MAX];
    uint32_t picks = r->settings.picks > 0 ? r->settings.picks : r->sites - r->settings.bad;

    if (r->settings.rule == TALLY_ROBUST_KRUM) picks = 1;
    tally_rules_krum(r->score, p, r->sites - r->settings.bad - 2);
    tally_rules_order(order, r->score, r->sites);
    for (uint32_t k = 0; k < picks; k++) z[order[k]] = 1;
    r->divisor = picks;
}

/* At most 29 significant bits: times a float32, exact in float64. */
static double shorten(double x)
{
    int exponent;
    double f = frexp(x, &exponent);

    if (x < COEFFICIENT_LEAST) return 0;
    return ldexp(rint(ldexp(f, COEFFICIENT_BITS)), exponent - COEFFICIENT_BITS);
}

/* Coefficients of the mixed deltas to those of the deltas. */
static void unmix(struct tally_robust *r, const double *z)
{
    double each = 1.0 / (r->sites - r->settings.bad);

    for (uint32_t i = 0; i < r->sites; i++) {
        for (uint64_t near = r->near[i]; near != 0; near &= near - 1)
            r->coefficient[__builtin_ctzll(near)] += z[i] * each;
    }
}

static void decide_sum(struct tally_robust *r)
{
    double *z = r->work;
    double *weight = r->work + r->sites + 1;
    struct tally_points p = {.sites = r->sites,
                             .distance2 = r->distance2,
                             .weight = weight,
                             .work = r->work + 2 * ((size_t)r->sites + 1)};
    double middle = tally_rules_middle(r->norm, p.work, r->sites);
    double tau = r->settings.tau > 0 ? r->settings.tau : middle;
    uint32_t rounds = r->settings.rounds;

    memset(z, 0, (r->sites + 1) * sizeof *z);
    for (uint32_t i = 0; i < r->sites; i++) weight[i] = r->weight[i] / r->divisor;
    switch (r->settings.rule) {
    case TALLY_ROBUST_NORM_BOUND: tally_rules_clip(z, &p, tau, 1); break;
    case TALLY_ROBUST_CENTERED_CLIPPING:
        tally_rules_clip(z, &p, tau, rounds > 0 ? rounds : CLIP_ROUNDS);
        break;
    case TALLY_ROBUST_GEOMETRIC_MEDIAN: tally_rules_median(z, &p, SMOOTH * middle, rounds); break;
    case TALLY_ROBUST_KRUM:
    case TALLY_ROBUST_MULTI_KRUM: pick(r, &p, z); break;
    case TALLY_ROBUST_MEAN: memcpy(z, weight, r->sites * sizeof *z); break;
    case TALLY_ROBUST_MEDIAN:
    case TALLY_ROBUST_TRIMMED_MEAN: break;
    }
    if (!is_krum(r->settings.rule)) r->divisor = 1;
    if (r->settings.mix)
        unmix(r, z);
    else
        memcpy(r->coefficient, z, r->sites * sizeof *z);
    r->coefficient[r->sites] = r->centre ? z[r->sites] : 0;
    for (uint32_t i = 0; i <= r->sites; i++) r->coefficient[i] = shorten(r->coefficient[i]);
}

void tally_robust_decide(struct tally_robust *r)
{
    TALLY_ASSERT(!r->decided);
    r->decided = true;
    if (!tally_robust_measures(r)) {
        memcpy(r->coefficient, r->weight, r->sites * sizeof *r->coefficient);
        return;
    }
    measure_points(r);
    if (r->settings.mix) mix_points(r);
    if (!is_ranked(r->settings.rule)) decide_sum(r);
}

/* ---- combine ---- */

struct work {
    const struct tally_robust *r;
    const struct tally_linear *linear;
    const struct tally_ranks *ranks;
    float *out;
};

static bool run(void *context, uint32_t share, size_t first, size_t n)
{
    const struct work *w = context;

    (void)share;
    if (w->ranks != NULL) return w->r->lanes->ranks(w->out, w->ranks, first, n);
    return w->r->lanes->linear(w->out, w->linear, first, n);
}

static bool run_ranks(float *out, const struct tally_robust *r, const struct tally_robust_slice *x,
                      size_t n)
{
    uint32_t drop = r->settings.rule == TALLY_ROBUST_MEDIAN ? (r->sites - 1) / 2 : r->settings.bad;
    const struct tally_ranks ranks = {.deltas = x->deltas,
                                      .sites = r->sites,
                                      .low = drop,
                                      .high = r->sites - drop,
                                      .near = r->settings.mix ? r->near : NULL,
                                      .base = x->base};
    struct work w = {.r = r, .ranks = &ranks, .out = out};

    return tally_shares_run(run, &w, n, TALLY_COMBINE_THREAD_MIN, r->threads);
}

/* A delta that was found finite and has no part is not read again. */
static bool run_sum(float *out, const struct tally_robust *r, const struct tally_robust_slice *x,
                    size_t n)
{
    const float *used[TALLY_COMBINE_SITES_MAX];
    double coefficient[TALLY_COMBINE_SITES_MAX];
    struct tally_linear linear = {
        .deltas = used, .coefficients = coefficient, .divisor = r->divisor, .base = x->base};
    struct work w = {.r = r, .linear = &linear, .out = out};
    uint32_t all = tally_robust_measures(r) ? r->sites + r->centre : r->sites;

    for (uint32_t i = 0; i < all; i++) {
        if (tally_robust_measures(r) && !(r->coefficient[i] > 0)) continue;
        used[linear.sites] = i < r->sites ? x->deltas[i] : x->centre;
        coefficient[linear.sites++] = r->coefficient[i];
    }
    return tally_shares_run(run, &w, n, TALLY_COMBINE_THREAD_MIN, r->threads);
}

enum tally_status tally_robust_combine(float *out, uint32_t *site, const struct tally_robust *r,
                                       const struct tally_robust_slice *x, size_t n)
{
    TALLY_ASSERT(r->decided);
    bool ranked = is_ranked(r->settings.rule);
    if (ranked ? run_ranks(out, r, x, n) : run_sum(out, r, x, n)) return TALLY_OK;
    return tally_combine_blame(site, x->deltas, r->sites, n);
}
