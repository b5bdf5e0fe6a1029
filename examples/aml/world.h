/* world.h - the country that the demo's banks live in: banks, accounts, who knows whom, and the
 * list of transactions that traffic, look-alikes and laundering patterns are added to.
 *
 * Banks 0 .. banks-1 take part in the federation, their sizes falling as 1/i^0.7. Four outside
 * institutions follow: their customers pay and are paid, and no one has their tables. Account 0
 * is the cash desk of every bank. Accounts of one bank are one range of numbers.
 *
 * Time: DAYS days have rows in the tables; WARM_DAYS days before them only fill the windows of
 * the features. Patterns of the training part end by TRAIN_END_DAY and those of the test part
 * start at TEST_START_DAY, so a cut anywhere between splits by pattern and by time; the traffic
 * is even enough that the last 30 % of every table's rows begin in that gap. */
#pragma once

#include <stddef.h>

#include "common/status.h"
#include "examples/aml/rng.h"

enum {
    TALLY_WORLD_BANKS_MIN = 2,
    TALLY_WORLD_BANKS_MAX = 20,
    TALLY_WORLD_OUTSIDE = 4, /* institutions beyond the federation */
    TALLY_WORLD_INSTITUTIONS = TALLY_WORLD_BANKS_MAX + TALLY_WORLD_OUTSIDE,
    TALLY_WORLD_CONTACTS = 8,
    TALLY_WORLD_SHOPS = 5,
    TALLY_WORLD_WARM_DAYS = 30,
    TALLY_WORLD_DAYS = 90,
    TALLY_WORLD_TRAIN_END_DAY = 61, /* counted from the first day with rows */
    TALLY_WORLD_TEST_START_DAY = 65,
    TALLY_WORLD_DAY_S = 86400,
    TALLY_WORLD_START_S = 1764547200, /* Monday 2025-12-01 00:00 UTC: the warm-up's first second */
    TALLY_WORLD_ROWS_START_S = TALLY_WORLD_START_S + TALLY_WORLD_WARM_DAYS * TALLY_WORLD_DAY_S,
    TALLY_WORLD_END_S = TALLY_WORLD_ROWS_START_S + TALLY_WORLD_DAYS * TALLY_WORLD_DAY_S,
    TALLY_WORLD_ACCOUNTS = 10000, /* of the federation's banks, at scale 1 */
    TALLY_WORLD_TX_MAX = 20 * 1000 * 1000,
    TALLY_WORLD_CASH_DESK = 0 /* the account number that stands for notes and coins */
};
#define TALLY_WORLD_SCALE_MIN 0.02
#define TALLY_WORLD_SCALE_MAX 20.0

enum tally_world_kind {
    TALLY_KIND_CASH,
    TALLY_KIND_PERSON,
    TALLY_KIND_BUSINESS,
    TALLY_KIND_MERCHANT
};
enum tally_world_channel {
    TALLY_CHANNEL_TRANSFER,
    TALLY_CHANNEL_INSTANT,
    TALLY_CHANNEL_CARD,
    TALLY_CHANNEL_CASH
};
enum { TALLY_WORLD_TRADES = 8 }; /* what merchants sell: 0 .. 7 */

struct tally_world_config {
    uint32_t banks; /* BANKS_MIN .. BANKS_MAX */
    uint64_t seed;
    double scale; /* of the number of accounts; SCALE_MIN .. SCALE_MAX */
};

struct tally_world_account {
    uint32_t contact[TALLY_WORLD_CONTACTS];
    uint32_t shop[TALLY_WORLD_SHOPS];
    double transfers_day, cards_day; /* means */
    double median;                   /* usual amount, in currency units */
    uint8_t bank, kind, trade;
};

struct tally_world_tx {
    int64_t ts;    /* unix seconds */
    int64_t cents; /* > 0 */
    uint32_t id;   /* place in time, from 1; set by tally_world_sort */
    uint32_t payer, payee;
    uint32_t pattern; /* 0: legitimate */
    uint8_t channel, typology, phase;
};

struct tally_world {
    struct tally_world_config config;
    uint32_t institutions;                           /* banks + OUTSIDE */
    uint32_t first[TALLY_WORLD_INSTITUTIONS + 1];    /* bank b: accounts first[b] .. first[b+1]-1 */
    double bank_share[TALLY_WORLD_INSTITUTIONS + 1]; /* cumulative share of the accounts */
    struct tally_world_account *accounts;
    double *popularity; /* cumulative over accounts, for choosing contacts */
    uint32_t *merchants;
    double *merchant_popularity; /* cumulative over merchants */
    struct tally_world_tx *tx;
    size_t tx_n, tx_cap;
    uint32_t accounts_n, merchants_n, patterns_n;
};

/* Banks and accounts without transactions. TALLY_E_CONFIG for settings out of range. `w` is
 * freed with tally_world_free, also after a failure. */
TALLY_RESULT tally_world_build(const struct tally_world_config *c, struct tally_world *w);
void tally_world_free(struct tally_world *w);

/* Adds a transaction. One that no bank of the federation could see, or outside the simulated
 * days, is dropped: that is no failure. */
TALLY_RESULT tally_world_push(struct tally_world *w, const struct tally_world_tx *tx);

/* Orders by time (ties: order of adding) and numbers them from 1. */
TALLY_RESULT tally_world_sort(struct tally_world *w);

/* Is bank `bank` a member, and does its table have this transaction? */
int tally_world_sees(const struct tally_world *w, const struct tally_world_tx *tx, uint32_t bank);

/* A random account: of institution `bank` by popularity, any kind but the cash desk. */
uint32_t tally_world_pick(const struct tally_world *w, struct tally_rng *r, uint32_t bank);
/* A random institution by size. */
uint32_t tally_world_pick_bank(const struct tally_world *w, struct tally_rng *r);
uint32_t tally_world_pick_merchant(const struct tally_world *w, struct tally_rng *r);

/* Money as people pay it: cents, >= 1.00, 30 % rounded to 10 and 3 % to 1,000 units. */
int64_t tally_world_cents(struct tally_rng *r, double units);

/* A second of day `day` (from the warm-up's first) as people choose it: hour N(14, 4). */
int64_t tally_world_moment(struct tally_rng *r, uint32_t day);
/* The same moment, moved into waking hours four times of five but never below `earliest`. */
int64_t tally_world_daylight(struct tally_rng *r, int64_t ts, int64_t earliest);
