#include "examples/aml/world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double own_bank_share = 0.40, outside_share = 0.12;

/* Sizes fall as 1/i^0.7; the outside institutions share a tenth of all customers evenly. */
static void share_out(struct tally_world *w)
{
    double weight[TALLY_WORLD_INSTITUTIONS] = {0}, sum = 0, run = 0;
    for (uint32_t b = 0; b < w->config.banks; b++) {
        weight[b] = tally_rng_exp(-0.7 * tally_rng_log(b + 1.0));
        sum += weight[b];
    }
    double people = floor(TALLY_WORLD_ACCOUNTS * w->config.scale);
    w->first[0] = 1;
    for (uint32_t b = 0; b < w->institutions; b++) {
        double share = b < w->config.banks ? weight[b] / sum : 0.1 / TALLY_WORLD_OUTSIDE;
        run += share;
        w->bank_share[b] = run;
        w->first[b + 1] = w->first[b] + (uint32_t)(people * share) + 1;
    }
    w->accounts_n = w->first[w->institutions];
}

static void describe(const struct tally_world *w, uint32_t bank, double level, uint32_t i)
{
    struct tally_world_account *a = &w->accounts[i];
    struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_WORLD, i);
    double kind = tally_rng_unit(&r);
    a->bank = (uint8_t)bank;
    a->kind = kind < 0.024  ? TALLY_KIND_MERCHANT
              : kind < 0.08 ? TALLY_KIND_BUSINESS
                            : TALLY_KIND_PERSON;
    a->trade = (uint8_t)tally_rng_below(&r, TALLY_WORLD_TRADES);
    a->median = level * tally_rng_lognormal(&r, 120, 0.7);
    double activity = fmin(tally_rng_lognormal(&r, 0.102, 0.9), 2.5);
    a->transfers_day = activity * (a->kind == TALLY_KIND_PERSON ? 1 : 7);
    a->cards_day =
        a->kind == TALLY_KIND_PERSON ? fmin(tally_rng_lognormal(&r, 0.075, 0.9), 2.5) : 0;
}

static void populate(struct tally_world *w)
{
    for (uint32_t b = 0; b < w->institutions; b++) {
        struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_BANK, b);
        double level = tally_rng_lognormal(&r, 1, 0.25); /* banks' customers differ in wealth */
        for (uint32_t i = w->first[b]; i < w->first[b + 1]; i++) {
            describe(w, b, level, i);
            w->popularity[i] = w->popularity[i - 1] + tally_rng_pareto(&r, 1.3, 40);
            if (w->accounts[i].kind != TALLY_KIND_MERCHANT) continue;
            double last = w->merchants_n ? w->merchant_popularity[w->merchants_n - 1] : 0;
            w->merchant_popularity[w->merchants_n] = last + tally_rng_pareto(&r, 1.3, 40);
            w->merchants[w->merchants_n++] = i;
        }
    }
}

/* The bank of someone that a customer of `bank` pays. */
static uint32_t pick_contact_bank(const struct tally_world *w, struct tally_rng *r, uint32_t bank)
{
    double u = tally_rng_unit(r);
    int member = bank < w->config.banks;
    if (member && u < own_bank_share) return bank;
    if (member && u < own_bank_share + outside_share)
        return w->config.banks + tally_rng_below(r, TALLY_WORLD_OUTSIDE);
    uint32_t b;
    do b = tally_world_pick_bank(w, r);
    while (b >= w->config.banks || (b == bank && w->config.banks > 1));
    return b;
}

static void acquaint(struct tally_world *w)
{
    for (uint32_t i = 1; i < w->accounts_n; i++) {
        struct tally_world_account *a = &w->accounts[i];
        struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_ACCOUNT, i);
        for (int c = 0; c < TALLY_WORLD_CONTACTS; c++) {
            uint32_t to = tally_world_pick(w, &r, pick_contact_bank(w, &r, a->bank));
            a->contact[c] = to == i ? (i > 1 ? i - 1 : i + 1) : to;
        }
        for (int c = 0; c < TALLY_WORLD_SHOPS; c++) a->shop[c] = tally_world_pick_merchant(w, &r);
    }
}

enum tally_status tally_world_build(const struct tally_world_config *c, struct tally_world *w)
{
    *w = (struct tally_world){.config = *c};
    TALLY_ENSURE(c->banks >= TALLY_WORLD_BANKS_MIN && c->banks <= TALLY_WORLD_BANKS_MAX,
                 TALLY_E_CONFIG, "banks: %u is not in %d..%d", c->banks, TALLY_WORLD_BANKS_MIN,
                 TALLY_WORLD_BANKS_MAX);
    TALLY_ENSURE(c->scale >= TALLY_WORLD_SCALE_MIN && c->scale <= TALLY_WORLD_SCALE_MAX,
                 TALLY_E_CONFIG, "scale: %g is not in %g..%g", c->scale, TALLY_WORLD_SCALE_MIN,
                 TALLY_WORLD_SCALE_MAX);
    w->institutions = c->banks + TALLY_WORLD_OUTSIDE;
    share_out(w);
    w->accounts = calloc(w->accounts_n, sizeof *w->accounts);
    w->popularity = calloc(w->accounts_n, sizeof *w->popularity);
    w->merchants = calloc(w->accounts_n, sizeof *w->merchants);
    w->merchant_popularity = calloc(w->accounts_n, sizeof *w->merchant_popularity);
    TALLY_ENSURE(w->accounts && w->popularity && w->merchants && w->merchant_popularity,
                 TALLY_E_NOMEM, "%u accounts", w->accounts_n);
    w->accounts[TALLY_WORLD_CASH_DESK] =
        (struct tally_world_account){.bank = TALLY_WORLD_INSTITUTIONS, .kind = TALLY_KIND_CASH};
    populate(w);
    TALLY_ENSURE(w->merchants_n > 0, TALLY_E_CONFIG, "scale: %g leaves no merchant", c->scale);
    acquaint(w);
    return TALLY_OK;
}

void tally_world_free(struct tally_world *w)
{
    free(w->accounts);
    free(w->popularity);
    free(w->merchants);
    free(w->merchant_popularity);
    free(w->tx);
    *w = (struct tally_world){.config = w->config};
}

int tally_world_sees(const struct tally_world *w, const struct tally_world_tx *tx, uint32_t bank)
{
    return bank < w->config.banks &&
           (w->accounts[tx->payer].bank == bank || w->accounts[tx->payee].bank == bank);
}

enum tally_status tally_world_push(struct tally_world *w, const struct tally_world_tx *tx)
{
    TALLY_ASSERT(tx->payer < w->accounts_n && tx->payee < w->accounts_n && tx->cents > 0);
    TALLY_ASSERT(tx->payer != tx->payee);
    int seen = tally_world_sees(w, tx, w->accounts[tx->payer].bank) ||
               tally_world_sees(w, tx, w->accounts[tx->payee].bank);
    if (!seen || tx->ts < TALLY_WORLD_START_S || tx->ts >= TALLY_WORLD_END_S) return TALLY_OK;
    if (w->tx_n == w->tx_cap) {
        size_t cap = w->tx_cap ? 2 * w->tx_cap : 65536;
        TALLY_ENSURE(cap <= TALLY_WORLD_TX_MAX, TALLY_E_LIMIT, "%zu transactions", cap);
        struct tally_world_tx *more = realloc(w->tx, cap * sizeof *more);
        TALLY_ENSURE(more, TALLY_E_NOMEM, "%zu transactions", cap);
        w->tx = more;
        w->tx_cap = cap;
    }
    w->tx[w->tx_n] = *tx;
    w->tx[w->tx_n].id = (uint32_t)w->tx_n;
    w->tx_n++;
    return TALLY_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct tally_world_tx *x = a, *y = b;
    if (x->ts != y->ts) return x->ts < y->ts ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

enum tally_status tally_world_sort(struct tally_world *w)
{
    TALLY_ENSURE(w->tx_n, TALLY_E_STATE, "a world without transactions");
    qsort(w->tx, w->tx_n, sizeof *w->tx, by_time);
    for (size_t i = 0; i < w->tx_n; i++) w->tx[i].id = (uint32_t)i + 1;
    return TALLY_OK;
}

/* The first of cumulative[lo..hi-1] above u. */
static uint32_t find(const double *cumulative, uint32_t lo, uint32_t hi, double u)
{
    while (lo + 1 < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (cumulative[mid - 1] <= u)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

uint32_t tally_world_pick(const struct tally_world *w, struct tally_rng *r, uint32_t bank)
{
    uint32_t lo = w->first[bank], hi = w->first[bank + 1];
    double u = tally_rng_range(r, w->popularity[lo - 1], w->popularity[hi - 1]);
    return find(w->popularity, lo, hi, u);
}

uint32_t tally_world_pick_bank(const struct tally_world *w, struct tally_rng *r)
{
    double u = tally_rng_unit(r) * w->bank_share[w->institutions - 1];
    return find(w->bank_share, 0, w->institutions, u);
}

uint32_t tally_world_pick_merchant(const struct tally_world *w, struct tally_rng *r)
{
    double u = tally_rng_unit(r) * w->merchant_popularity[w->merchants_n - 1];
    return w->merchants[find(w->merchant_popularity, 0, w->merchants_n, u)];
}

int64_t tally_world_cents(struct tally_rng *r, double units)
{
    double u = tally_rng_unit(r), step = u < 0.03 ? 1000 : u < 0.33 ? 10 : 0;
    if (step > 0 && units > step) return (int64_t)floor(units / step + 0.5) * (int64_t)step * 100;
    return (int64_t)floor(fmax(units, 1) * 100 + 0.5);
}

/* Seconds into a day. */
static int64_t day_second(struct tally_rng *r)
{
    double s;
    do s = (14 + 4 * tally_rng_normal(r)) * 3600;
    while (s < 0 || s >= TALLY_WORLD_DAY_S);
    return (int64_t)s;
}

int64_t tally_world_moment(struct tally_rng *r, uint32_t day)
{
    return TALLY_WORLD_START_S + (int64_t)day * TALLY_WORLD_DAY_S + day_second(r);
}

int64_t tally_world_daylight(struct tally_rng *r, int64_t ts, int64_t earliest)
{
    int64_t day = ts - ts % TALLY_WORLD_DAY_S, moved = day + day_second(r);
    if (tally_rng_chance(r, 0.2) || moved < earliest) return ts;
    return moved;
}
