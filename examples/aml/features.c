#include "examples/aml/features.h"

#include <math.h>

static const char *const channel_words[] = {"transfer", "instant", "card", "cash", NULL};
static const char *const direction_words[] = {"out", "in", "internal", NULL};
static const char *const payer_kind_words[] = {"cash",     "person",  "business",
                                               "merchant", "outside", NULL};
#define payee_kind_words payer_kind_words
static const char *const trade_words[] = {"none",   "food",    "fuel",    "travel", "fashion",
                                          "online", "tickets", "jewelry", "health", NULL};
enum { OUT, IN, INTERNAL, OUTSIDE = 4 };

#define WORDS_N(name) NULL
#define WORDS_C(name) name##_words
#define LOG_L         1
#define LOG_P         0
#define COLUMN(name, decimals, kind, transform) \
    {#name, decimals, LOG_##transform, WORDS_##kind(name)},
static const struct tally_feature_column columns[] = {TALLY_FEATURE_LIST(COLUMN)};
#undef COLUMN

const struct tally_feature_column *tally_feature_column(enum tally_feature f)
{
    TALLY_ASSERT(f < TALLY_FEATURES);
    return &columns[f];
}

enum tally_status tally_features_init(struct tally_features *f, const struct tally_world *w,
                                      uint32_t bank)
{
    TALLY_ASSERT(bank < w->config.banks);
    *f = (struct tally_features){.world = w, .bank = bank};
    return tally_windows_init(&f->windows, w, bank);
}

void tally_features_free(struct tally_features *f)
{
    tally_windows_free(&f->windows);
}

static int64_t fixed3(double x, double max)
{
    return (int64_t)floor(fmin(x, max) * 1000 + 0.5);
}

/* The amount against the mean of the last 30 days. */
static int64_t ratio(const struct tally_window_side *s, int64_t cents)
{
    double n = tally_window_count(s, TALLY_WINDOW_30D);
    int64_t sum = tally_window_cents(s, TALLY_WINDOW_30D);
    return sum > 0 ? fixed3((double)cents * n / (double)sum, 100) : 1000;
}

/* Hours with two decimals since `then`, `max_h` at most. */
static int64_t hours(int64_t now, int64_t then, int64_t max_h)
{
    int64_t h = (now - then) * 100 / 3600;
    return h < max_h * 100 ? h : max_h * 100;
}

static int64_t gap(const struct tally_window_side *s, int64_t now)
{
    return s->n ? hours(now, s->events[s->n - 1].ts, 720) : 72000;
}

/* Of the account's transactions 7 to 37 days ago: those now known as crimes. */
static int64_t risk(const struct tally_windows *w, uint32_t account)
{
    const struct tally_window_side *both[] = {&w->out[account], &w->in[account]};
    uint32_t n = 0, illicit = 0;
    for (int i = 0; i < 2; i++) {
        const struct tally_window_side *s = both[i];
        n += s->tail[TALLY_WINDOW_7D] - s->tail[TALLY_WINDOW_37D];
        illicit += tally_window_sums(s, TALLY_WINDOW_37D).illicit -
                   tally_window_sums(s, TALLY_WINDOW_7D).illicit;
    }
    return n ? fixed3((double)illicit / n, 1) : 0;
}

static int64_t roundness(int64_t cents)
{
    return cents % 100000 == 0 ? 3 : cents % 10000 == 0 ? 2 : cents % 1000 == 0 ? 1 : 0;
}

static int64_t kind_seen(const struct tally_features *f, uint32_t account)
{
    const struct tally_world_account *a = &f->world->accounts[account];
    return a->kind == TALLY_KIND_CASH || a->bank == f->bank ? a->kind : OUTSIDE;
}

static void describe(const struct tally_features *f, const struct tally_world_tx *tx, int64_t *v)
{
    const struct tally_world_account *accounts = f->world->accounts;
    int64_t s = tx->ts - TALLY_WORLD_START_S, hour = s / 3600 % 24;
    int from = accounts[tx->payer].bank == f->bank, to = accounts[tx->payee].bank == f->bank;
    v[TALLY_FEATURE_amount] = tx->cents;
    v[TALLY_FEATURE_hour] = hour;
    v[TALLY_FEATURE_weekend] = s / TALLY_WORLD_DAY_S % 7 >= 5;
    v[TALLY_FEATURE_night] = hour < 6 || hour >= 22;
    v[TALLY_FEATURE_channel] = tx->channel;
    v[TALLY_FEATURE_direction] = from && to ? INTERNAL : from ? OUT : IN;
    v[TALLY_FEATURE_payer_kind] = kind_seen(f, tx->payer);
    v[TALLY_FEATURE_payee_kind] = kind_seen(f, tx->payee);
    v[TALLY_FEATURE_trade] = tx->channel == TALLY_CHANNEL_CARD ? 1 + accounts[tx->payee].trade : 0;
    v[TALLY_FEATURE_roundness] = roundness(tx->cents);
    v[TALLY_FEATURE_near_limit] = tally_window_near_limit(tx->cents);
}

static void velocity(const struct tally_window_side *s, int64_t *n, int64_t *sum)
{
    static const enum tally_window counts[] = {TALLY_WINDOW_1H, TALLY_WINDOW_1D, TALLY_WINDOW_7D,
                                               TALLY_WINDOW_30D};
    for (int i = 0; i < 4; i++) n[i] = tally_window_count(s, counts[i]);
    for (int i = 1; i < 4; i++) sum[i - 1] = tally_window_cents(s, counts[i]);
}

static void flow(const struct tally_features *f, const struct tally_world_tx *tx, int64_t *v)
{
    const struct tally_windows *w = &f->windows;
    const struct tally_window_side *in = &w->in[tx->payer], *out = &w->out[tx->payer];
    int64_t got = tally_window_cents(in, TALLY_WINDOW_3D);
    int64_t spent = tally_window_cents(out, TALLY_WINDOW_3D) + tx->cents;
    int64_t match = tally_window_match(in, tx->cents);
    v[TALLY_FEATURE_payer_in_sum_3d] = got;
    v[TALLY_FEATURE_payer_pass] = got > 0 ? fixed3((double)spent / (double)got, 100) : 100000;
    v[TALLY_FEATURE_payer_match_h] = match < 0 ? 7200 : hours(tx->ts, match, 72);
    v[TALLY_FEATURE_payer_same_7d] = tally_window_same(out, TALLY_WINDOW_7D, tx->cents);
    v[TALLY_FEATURE_payer_payers_7d] = in->distinct7;
    v[TALLY_FEATURE_pair_n] = tally_windows_pair(w, tx->payer, tx->payee)->n;
    v[TALLY_FEATURE_pair_back] = tally_windows_pair(w, tx->payee, tx->payer)->n > 0;
}

static void sides(const struct tally_features *f, const struct tally_world_tx *tx, int64_t *v)
{
    const struct tally_windows *w = &f->windows;
    const struct tally_window_side *out = &w->out[tx->payer], *in = &w->in[tx->payee];
    velocity(out, &v[TALLY_FEATURE_payer_out_n_1h], &v[TALLY_FEATURE_payer_out_sum_1d]);
    velocity(in, &v[TALLY_FEATURE_payee_in_n_1h], &v[TALLY_FEATURE_payee_in_sum_1d]);
    v[TALLY_FEATURE_payer_ratio] = ratio(out, tx->cents);
    v[TALLY_FEATURE_payee_ratio] = ratio(in, tx->cents);
    v[TALLY_FEATURE_payer_gap_h] = gap(out, tx->ts);
    v[TALLY_FEATURE_payee_gap_h] = gap(in, tx->ts);
    v[TALLY_FEATURE_payer_payees_7d] = out->distinct7;
    v[TALLY_FEATURE_payer_payees_30d] = out->distinct30;
    v[TALLY_FEATURE_payee_payers_7d] = in->distinct7;
    v[TALLY_FEATURE_payee_payers_30d] = in->distinct30;
    v[TALLY_FEATURE_payee_payees_7d] = w->out[tx->payee].distinct7;
    v[TALLY_FEATURE_payee_out_sum_3d] = tally_window_cents(&w->out[tx->payee], TALLY_WINDOW_3D);
    v[TALLY_FEATURE_payee_near_7d] = tally_window_sums(in, TALLY_WINDOW_7D).near_limit;
    v[TALLY_FEATURE_payee_cash_7d] = tally_window_sums(in, TALLY_WINDOW_7D).cash_cents;
    v[TALLY_FEATURE_payer_risk] = risk(w, tx->payer);
    v[TALLY_FEATURE_payee_risk] = risk(w, tx->payee);
}

int tally_features_next(struct tally_features *f, struct tally_features_row *row)
{
    while (f->next < f->world->tx_n) {
        const struct tally_world_tx *tx = &f->world->tx[f->next++];
        if (!tally_world_sees(f->world, tx, f->bank)) continue;
        const uint32_t parties[] = {tx->payer, tx->payee};
        for (int i = 0; i < 2; i++) {
            tally_windows_advance(&f->windows.out[parties[i]], tx->ts);
            tally_windows_advance(&f->windows.in[parties[i]], tx->ts);
        }
        int is_row = tx->ts >= TALLY_WORLD_ROWS_START_S;
        if (is_row) {
            row->tx = tx;
            describe(f, tx, row->v);
            sides(f, tx, row->v);
            flow(f, tx, row->v);
        }
        tally_windows_add(&f->windows, tx);
        if (is_row) return 1;
    }
    return 0;
}
