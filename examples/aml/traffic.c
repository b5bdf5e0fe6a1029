#include "examples/aml/traffic.h"

#include <math.h>

enum { ALL_DAYS = TALLY_WORLD_WARM_DAYS + TALLY_WORLD_DAYS };

/* Saturdays and Sundays are quieter; the start is a Monday. */
static double season(uint32_t day)
{
    return day % 7 >= 5 ? 0.6 : 1.16;
}

uint32_t tally_traffic_contact(const struct tally_world *w, struct tally_rng *r, uint32_t account)
{
    double u = tally_rng_unit(r);
    return w->accounts[account].contact[(int)(TALLY_WORLD_CONTACTS * u * sqrt(u))];
}

uint32_t tally_traffic_stranger(const struct tally_world *w, struct tally_rng *r, uint32_t account)
{
    uint32_t to;
    do to = tally_world_pick(w, r, tally_world_pick_bank(w, r));
    while (to == account);
    return to;
}

enum tally_status tally_traffic_pay(struct tally_world *w, struct tally_rng *r,
                                    const struct tally_world_tx *tx)
{
    struct tally_world_tx t = *tx;
    TALLY_TRY(tally_world_push(w, &t));
    for (int hop = 0; hop < 2; hop++) {
        int person = w->accounts[t.payee].kind == TALLY_KIND_PERSON;
        if (t.cents < 40000 || !person || !tally_rng_chance(r, 0.22)) break;
        t.payer = t.payee;
        t.payee = tally_rng_chance(r, 0.8) ? tally_traffic_contact(w, r, t.payer)
                                           : tally_traffic_stranger(w, r, t.payer);
        if (t.payee == t.payer) break;
        int64_t later = t.ts + 60 + (int64_t)(TALLY_WORLD_DAY_S * tally_rng_unit(r));
        t.cents = tally_world_cents(r, (double)t.cents / 100 * tally_rng_range(r, 0.8, 1.0));
        t.ts = tally_world_daylight(r, later, t.ts + 60);
        t.channel = tally_rng_chance(r, 0.4) ? TALLY_CHANNEL_INSTANT : TALLY_CHANNEL_TRANSFER;
        TALLY_TRY(tally_world_push(w, &t));
    }
    return TALLY_OK;
}

static enum tally_status transfer(struct tally_world *w, struct tally_rng *r, uint32_t i,
                                  uint32_t day)
{
    const struct tally_world_account *a = &w->accounts[i];
    struct tally_world_tx t = {.payer = i, .ts = tally_world_moment(r, day)};
    t.payee = tally_rng_chance(r, 0.85) ? tally_traffic_contact(w, r, i)
                                        : tally_traffic_stranger(w, r, i);
    double units = tally_rng_chance(r, 0.15) ? tally_rng_lognormal(r, 1700, 0.8)
                                             : tally_rng_lognormal(r, a->median, 1.0);
    t.cents = tally_world_cents(r, fmin(units, 250000));
    t.channel = tally_rng_chance(r, 0.3) ? TALLY_CHANNEL_INSTANT : TALLY_CHANNEL_TRANSFER;
    return tally_traffic_pay(w, r, &t);
}

static enum tally_status card(struct tally_world *w, struct tally_rng *r, uint32_t i, uint32_t day)
{
    const struct tally_world_account *a = &w->accounts[i];
    struct tally_world_tx t = {.payer = i, .channel = TALLY_CHANNEL_CARD};
    t.payee = tally_rng_chance(r, 0.7) ? a->shop[tally_rng_below(r, TALLY_WORLD_SHOPS)]
                                       : tally_world_pick_merchant(w, r);
    double units = tally_rng_lognormal(r, 0.35 * a->median, 0.8);
    if (tally_rng_chance(r, 0.06)) units *= 5;
    t.cents = tally_world_cents(r, fmin(units, 20000));
    t.ts = tally_world_moment(r, day);
    TALLY_TRY(tally_world_push(w, &t));
    if (!tally_rng_chance(r, 0.05)) return TALLY_OK; /* something was forgotten */
    t.ts += tally_rng_between(r, 120, 3600);
    t.cents = tally_world_cents(r, tally_rng_lognormal(r, 0.35 * a->median, 0.8));
    return tally_world_push(w, &t);
}

/* Takings of shops and firms, now and then someone's car money. */
static enum tally_status deposit(struct tally_world *w, struct tally_rng *r, uint32_t i,
                                 uint32_t day)
{
    const struct tally_world_account *a = &w->accounts[i];
    struct tally_world_tx t = {
        .payer = TALLY_WORLD_CASH_DESK, .payee = i, .channel = TALLY_CHANNEL_CASH};
    double units = a->kind == TALLY_KIND_PERSON ? tally_rng_lognormal(r, 700, 1.1)
                                                : tally_rng_lognormal(r, 15 * a->median, 0.8);
    t.cents = tally_world_cents(r, fmin(units, 30000));
    t.ts = tally_world_moment(r, day);
    return tally_world_push(w, &t);
}

static enum tally_status live_day(struct tally_world *w, struct tally_rng *r, uint32_t i,
                                  uint32_t day)
{
    const struct tally_world_account *a = &w->accounts[i];
    double cash = a->kind == TALLY_KIND_PERSON ? 0.006 : i % 5 < 2 ? 0.35 : 0;
    uint32_t n = tally_rng_poisson(r, a->transfers_day * season(day));
    for (uint32_t k = 0; k < n; k++) TALLY_TRY(transfer(w, r, i, day));
    n = tally_rng_poisson(r, a->cards_day);
    for (uint32_t k = 0; k < n; k++) TALLY_TRY(card(w, r, i, day));
    n = tally_rng_poisson(r, cash * season(day));
    for (uint32_t k = 0; k < n; k++) TALLY_TRY(deposit(w, r, i, day));
    return TALLY_OK;
}

enum tally_status tally_traffic_add(struct tally_world *w)
{
    for (uint32_t i = 1; i < w->accounts_n; i++) {
        struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_TRAFFIC, i);
        for (uint32_t day = 0; day < ALL_DAYS; day++) TALLY_TRY(live_day(w, &r, i, day));
    }
    return TALLY_OK;
}
