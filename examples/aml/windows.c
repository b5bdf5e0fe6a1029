#include "examples/aml/windows.h"

#include <stdlib.h>

#define DAYS(n) (INT64_C(n) * TALLY_WORLD_DAY_S)
static const int64_t length_s[TALLY_WINDOWS] = {3600,    DAYS(1),  DAYS(3),
                                                DAYS(7), DAYS(30), DAYS(37)};

/* Each account's events are one run of the common array, as long as the bank's table needs. */
static size_t share_events(struct tally_windows *v, const struct tally_world *w, uint32_t bank)
{
    size_t rows = 0, used = 0;
    for (size_t i = 0; i < w->tx_n; i++) {
        if (!tally_world_sees(w, &w->tx[i], bank)) continue;
        v->out[w->tx[i].payer].n++;
        v->in[w->tx[i].payee].n++;
        rows++;
    }
    v->events = calloc(2 * rows + 1, sizeof *v->events);
    if (!v->events) return rows;
    for (uint32_t a = 0; a < w->accounts_n; a++) {
        v->out[a].events = v->events + used;
        used += v->out[a].n;
        v->in[a].events = v->events + used;
        used += v->in[a].n;
        v->out[a].n = v->in[a].n = 0;
    }
    return rows;
}

enum tally_status tally_windows_init(struct tally_windows *v, const struct tally_world *w,
                                     uint32_t bank)
{
    *v = (struct tally_windows){0};
    v->out = calloc(w->accounts_n, sizeof *v->out);
    v->in = calloc(w->accounts_n, sizeof *v->in);
    TALLY_ENSURE(v->out && v->in, TALLY_E_NOMEM, "windows of %u accounts", w->accounts_n);
    size_t rows = share_events(v, w, bank);
    for (v->pairs_cap = 16; v->pairs_cap < 2 * rows; v->pairs_cap *= 2) continue;
    v->pairs = calloc(v->pairs_cap, sizeof *v->pairs);
    TALLY_ENSURE(v->events && v->pairs, TALLY_E_NOMEM, "windows of %zu rows", rows);
    return TALLY_OK;
}

void tally_windows_free(struct tally_windows *v)
{
    free(v->out);
    free(v->in);
    free(v->events);
    free(v->pairs);
    *v = (struct tally_windows){0};
}

/* A party leaves a window when its latest event does. */
static void drop(const struct tally_window_side *s, uint32_t event, int w, uint32_t *d7,
                 uint32_t *d30)
{
    if (s->events[event].next != TALLY_WINDOW_NONE) return;
    if (w == TALLY_WINDOW_7D) --*d7;
    if (w == TALLY_WINDOW_30D) --*d30;
}

void tally_windows_advance(struct tally_window_side *s, int64_t now)
{
    for (int w = 0; w < TALLY_WINDOWS; w++) {
        uint32_t t = s->tail[w];
        for (; t < s->n && s->events[t].ts <= now - length_s[w]; t++)
            drop(s, t, w, &s->distinct7, &s->distinct30);
        s->tail[w] = t;
    }
}

static size_t slot(const struct tally_windows *v, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 20) & (v->pairs_cap - 1);
    while (v->pairs[i].n && v->pairs[i].key != key) i = (i + 1) & (v->pairs_cap - 1);
    return i;
}

static uint64_t key_of(uint32_t payer, uint32_t payee)
{
    return (uint64_t)payer << 32 | payee;
}

const struct tally_window_pair *tally_windows_pair(const struct tally_windows *v, uint32_t payer,
                                                   uint32_t payee)
{
    return &v->pairs[slot(v, key_of(payer, payee))];
}

/* `last`: this side's latest event with the same party, or NONE; becomes the new event. */
static void append(struct tally_window_side *s, const struct tally_world_tx *tx, uint32_t *last)
{
    struct tally_window_event *e = &s->events[s->n];
    uint32_t before = *last;
    *e = (struct tally_window_event){
        .ts = tx->ts, .cents = tx->cents, .next = TALLY_WINDOW_NONE, .before = s->total};
    s->total.cents += tx->cents;
    s->total.cash_cents += tx->channel == TALLY_CHANNEL_CASH ? tx->cents : 0;
    s->total.near_limit += (uint32_t)tally_window_near_limit(tx->cents);
    s->total.illicit += tx->pattern != 0;
    int fresh = before == TALLY_WINDOW_NONE;
    s->distinct7 += fresh || before < s->tail[TALLY_WINDOW_7D];
    s->distinct30 += fresh || before < s->tail[TALLY_WINDOW_30D];
    if (!fresh) s->events[before].next = s->n;
    *last = s->n++;
}

void tally_windows_add(struct tally_windows *v, const struct tally_world_tx *tx)
{
    struct tally_window_pair *p = &v->pairs[slot(v, key_of(tx->payer, tx->payee))];
    if (!p->n)
        *p = (struct tally_window_pair){.key = key_of(tx->payer, tx->payee),
                                        .last_out = TALLY_WINDOW_NONE,
                                        .last_in = TALLY_WINDOW_NONE};
    p->n++;
    if (tx->payer != TALLY_WORLD_CASH_DESK) append(&v->out[tx->payer], tx, &p->last_out);
    if (tx->payee != TALLY_WORLD_CASH_DESK) append(&v->in[tx->payee], tx, &p->last_in);
}

uint32_t tally_window_count(const struct tally_window_side *s, enum tally_window w)
{
    return s->n - s->tail[w];
}

int64_t tally_window_cents(const struct tally_window_side *s, enum tally_window w)
{
    return tally_window_sums(s, w).cents;
}

struct tally_window_sums tally_window_sums(const struct tally_window_side *s, enum tally_window w)
{
    struct tally_window_sums t = s->total;
    if (s->tail[w] == s->n) return (struct tally_window_sums){0};
    const struct tally_window_sums *b = &s->events[s->tail[w]].before;
    return (struct tally_window_sums){t.cents - b->cents, t.cash_cents - b->cash_cents,
                                      t.near_limit - b->near_limit, t.illicit - b->illicit};
}

uint32_t tally_window_same(const struct tally_window_side *s, enum tally_window w, int64_t cents)
{
    uint32_t same = 0;
    for (uint32_t i = s->tail[w]; i < s->n; i++) same += s->events[i].cents == cents;
    return same;
}

int64_t tally_window_match(const struct tally_window_side *s, int64_t cents)
{
    for (uint32_t i = s->n; i > s->tail[TALLY_WINDOW_3D]; i--) {
        int64_t credit = s->events[i - 1].cents;
        if (10 * cents >= 8 * credit && 10 * cents <= 13 * credit) return s->events[i - 1].ts;
    }
    return -1;
}

int tally_window_near_limit(int64_t cents)
{
    static const int64_t limits[] = {100000, 300000, 1000000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (cents < limits[i] && 10 * cents >= 9 * limits[i]) return 1;
    return 0;
}
