#include "examples/aml/patterns.h"

#include <string.h>

enum { DRAWS_MAX = 2000 };
static const double inside_max = 0.85; /* of members are the federation's customers */
static const double left_out_weight = 0.15;
static const double train_member_share = 0.35; /* of a pattern's members, per bank that knows it */

/* Amounts, members and times of published typologies; test windows bound the longest ones. */
/* clang-format off */
static const struct tally_shape_spec specs[TALLY_TYPOLOGIES] = {
    [TALLY_TYPOLOGY_FAN_IN] = {5, 15, 600, 2950, 0.5, 4, 0.1, 1.5, 0.90, 0.98, 3, 7},
    [TALLY_TYPOLOGY_FAN_OUT] = {5, 15, 700, 2950, 0.1, 2, 0, 0, 0, 0, 3, 3},
    [TALLY_TYPOLOGY_SCATTER_GATHER] = {4, 10, 900, 9500, 0.1, 1.5, 0.2, 3, 0.90, 0.98, 3, 6},
    [TALLY_TYPOLOGY_GATHER_SCATTER] = {3, 7, 600, 4500, 9, 16, 0.2, 6, 0.88, 0.94, 3, 23},
    [TALLY_TYPOLOGY_CYCLE] = {4, 8, 2000, 15000, 0, 0, 0.1, 1.5, 0.90, 0.99, 3, 13},
    [TALLY_TYPOLOGY_CHAIN] = {4, 7, 2000, 20000, 0, 0, 0.003, 0.6, 0.90, 0.98, 3, 5},
    [TALLY_TYPOLOGY_STRUCTURING] = {5, 15, 7500, 9990, 1, 5, 0, 0, 0, 0, 3, 6},
    [TALLY_TYPOLOGY_MERCHANT] = {4, 8, 0, 0, 18, 24, 0, 0, 0, 0, 3, 24.5},
};
/* clang-format on */

int tally_patterns_present(uint32_t banks, uint32_t bank, enum tally_typology t)
{
    /* Neighbours in this order look alike least, and one bank gets neighbours. */
    static const enum tally_typology order[TALLY_TYPOLOGIES] = {
        TALLY_TYPOLOGY_FAN_IN,         TALLY_TYPOLOGY_CYCLE,    TALLY_TYPOLOGY_STRUCTURING,
        TALLY_TYPOLOGY_FAN_OUT,        TALLY_TYPOLOGY_MERCHANT, TALLY_TYPOLOGY_SCATTER_GATHER,
        TALLY_TYPOLOGY_GATHER_SCATTER, TALLY_TYPOLOGY_CHAIN};
    uint32_t first = banks == 2 ? 4 * bank : (5 * bank + 1) / 2; /* 3, 2, 3, 2, ... each */
    uint32_t n = banks == 2 ? 4 : bank % 2 ? 2 : 3;
    for (uint32_t i = 0; i < n; i++)
        if (order[(first + i) % TALLY_TYPOLOGIES] == t) return 1;
    return 0;
}

static int64_t day_s(int day)
{
    return TALLY_WORLD_ROWS_START_S + (int64_t)day * TALLY_WORLD_DAY_S;
}

int64_t tally_patterns_start_s(int test)
{
    return day_s(test ? TALLY_WORLD_TEST_START_DAY : 0);
}

int64_t tally_patterns_end_s(int test)
{
    return day_s(test ? TALLY_WORLD_DAYS : TALLY_WORLD_TRAIN_END_DAY);
}

/* What one typology has come to in one part. */
struct quota {
    enum tally_typology typology;
    int test;
    double target; /* rows */
    size_t made, of[TALLY_WORLD_BANKS_MAX];
};

static int due(const struct tally_world *w, const struct quota *q, uint32_t bank)
{
    return q->test || tally_patterns_present(w->config.banks, bank, q->typology);
}

static int all_met(const struct tally_world *w, const struct quota *q)
{
    for (uint32_t b = 0; b < w->config.banks; b++)
        if (due(w, q, b) && !q->of[b]) return 0;
    return 1;
}

/* A bank's weight: its size; in the second half, more for a bank that was left out so far. */
static double weigh(const struct tally_world *w, const struct quota *q, uint32_t b)
{
    double size = w->bank_share[b] - (b ? w->bank_share[b - 1] : 0);
    int late = (double)q->made > q->target / 2;
    return late && !q->of[b] && size < left_out_weight ? left_out_weight : size;
}

/* Where members of a pattern come from, cumulative over the institutions. */
static void spread(const struct tally_world *w, const struct quota *q, double *share)
{
    double member[TALLY_WORLD_INSTITUTIONS] = {0}, sum = 0, run = 0, inside;
    uint32_t banks = w->config.banks, known = 0;
    for (uint32_t b = 0; b < banks; b++) {
        if (!due(w, q, b)) continue;
        member[b] = weigh(w, q, b);
        known++;
        sum += member[b];
    }
    inside = known * train_member_share;
    if (q->test || inside > inside_max) inside = inside_max;
    for (uint32_t b = 0; b < w->institutions; b++) {
        run += b < banks ? inside * member[b] / sum : (1 - inside) / TALLY_WORLD_OUTSIDE;
        share[b] = run;
    }
}

/* Rows of the tables in one part of the time, per bank. */
static void count_rows(const struct tally_world *w, int test, size_t *rows)
{
    int64_t cut = (tally_patterns_end_s(0) + tally_patterns_start_s(1)) / 2;
    memset(rows, 0, TALLY_WORLD_BANKS_MAX * sizeof *rows);
    for (size_t i = 0; i < w->tx_n; i++) {
        const struct tally_world_tx *tx = &w->tx[i];
        if (tx->ts < TALLY_WORLD_ROWS_START_S || (tx->ts >= cut) != test) continue;
        uint32_t from = w->accounts[tx->payer].bank, to = w->accounts[tx->payee].bank;
        if (from < w->config.banks) rows[from]++;
        if (to < w->config.banks && to != from) rows[to]++;
    }
}

/* How many illicit rows of typology t one part should have. */
static double wanted(const struct tally_world *w, enum tally_typology t, int test,
                     const size_t *rows)
{
    double sum = 0;
    for (uint32_t b = 0; b < w->config.banks; b++) {
        int kinds = 0;
        for (uint32_t k = 0; k < TALLY_TYPOLOGIES; k++)
            kinds += test || tally_patterns_present(w->config.banks, b, (enum tally_typology)k);
        if (test || tally_patterns_present(w->config.banks, b, t))
            sum += TALLY_PATTERNS_PREVALENCE * (double)rows[b] / kinds;
    }
    return sum;
}

/* Adds the draft's legs as one pattern and counts the table rows they make. */
static enum tally_status commit(struct tally_world *w, const struct tally_shape *s, struct quota *q)
{
    uint32_t pattern = ++w->patterns_n;
    for (uint32_t i = 0; i < s->legs_n; i++) {
        const struct tally_shape_leg *leg = &s->leg[i];
        struct tally_world_tx tx = {.ts = leg->ts,
                                    .cents = leg->cents,
                                    .payer = leg->payer,
                                    .payee = leg->payee,
                                    .pattern = pattern,
                                    .channel = leg->channel,
                                    .typology = (uint8_t)q->typology,
                                    .phase = leg->phase};
        for (uint32_t b = 0; b < w->config.banks; b++) {
            size_t seen = (size_t)tally_world_sees(w, &tx, b);
            q->of[b] += seen;
            q->made += seen;
        }
        TALLY_TRY(tally_world_push(w, &tx));
    }
    return TALLY_OK;
}

static enum tally_status add_part(struct tally_world *w, enum tally_typology t, int test)
{
    size_t rows[TALLY_WORLD_BANKS_MAX];
    double share[TALLY_WORLD_INSTITUTIONS];
    struct quota q = {.typology = t, .test = test};
    struct tally_rng r =
        tally_rng_of(w->config.seed, TALLY_RNG_PATTERN, 2 * (uint64_t)t + (uint64_t)test);
    count_rows(w, test, rows);
    q.target = wanted(w, t, test, rows);
    int64_t lo = tally_patterns_start_s(test), end = tally_patterns_end_s(test);
    int64_t room = end - lo - (int64_t)(specs[t].days_max * TALLY_WORLD_DAY_S);
    for (int draws = 0; (double)q.made < q.target || !all_met(w, &q); draws++) {
        TALLY_ENSURE(draws < DRAWS_MAX * (1 + (int)w->config.scale), TALLY_E_STATE,
                     "no room for patterns of %s", tally_typology_name(t));
        spread(w, &q, share);
        struct tally_shape s = {.world = w,
                                .rng = &r,
                                .bank_share = share,
                                .criminal = 1,
                                .start = lo + (int64_t)((double)room * tally_rng_unit(&r)),
                                .end = end};
        if (tally_shape_draw(&s, t, &specs[t])) TALLY_TRY(commit(w, &s, &q));
    }
    return TALLY_OK;
}

enum tally_status tally_patterns_add(struct tally_world *w)
{
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++)
        for (int test = 0; test <= 1; test++) TALLY_TRY(add_part(w, (enum tally_typology)t, test));
    return TALLY_OK;
}
