/* windows.h - what one bank has seen of each account, as exact sliding windows.
 *
 * An account has two sides: what it paid and what it was paid. A side is the list of its
 * transactions in order of time with running sums, so count and sum over any window are two
 * subtractions, and a window's lower end only moves forward. "In the window of w seconds before
 * now" means: seen earlier in the bank's table, with a time > now - w. Distinct counterparties
 * are counted by their latest transaction. Everything is exact and O(1) per transaction, apart
 * from the two searches that say so. */
#pragma once

#include "examples/aml/world.h"

enum tally_window {
    TALLY_WINDOW_1H,
    TALLY_WINDOW_1D,
    TALLY_WINDOW_3D,
    TALLY_WINDOW_7D,
    TALLY_WINDOW_30D,
    TALLY_WINDOW_37D, /* with 7D: labels confirmed after 7 days, over 30 days */
    TALLY_WINDOWS
};
#define TALLY_WINDOW_NONE UINT32_MAX

/* Running sums before an event, over its side. */
struct tally_window_sums {
    int64_t cents, cash_cents;
    uint32_t near_limit, illicit;
};

struct tally_window_event {
    int64_t ts, cents;
    uint32_t next; /* this side's next event with the same other party, or NONE */
    struct tally_window_sums before;
};

struct tally_window_side {
    struct tally_window_event *events;
    uint32_t n;                     /* events so far */
    uint32_t tail[TALLY_WINDOWS];   /* first event inside each window */
    uint32_t distinct7, distinct30; /* other parties inside 7 and 30 days */
    struct tally_window_sums total;
};

/* Of one (payer, payee): the latest events on the two sides. */
struct tally_window_pair {
    uint64_t key;
    uint32_t n; /* transactions; 0: an empty slot */
    uint32_t last_out, last_in;
};

struct tally_windows {
    struct tally_window_side *out, *in; /* by account */
    struct tally_window_event *events;
    struct tally_window_pair *pairs;
    size_t pairs_cap; /* a power of two */
};

/* Room for the transactions that `bank` sees. Freed with tally_windows_free, also on failure. */
TALLY_RESULT tally_windows_init(struct tally_windows *v, const struct tally_world *w,
                                uint32_t bank);
void tally_windows_free(struct tally_windows *v);

/* Moves the side's windows to `now`, which never goes back. */
void tally_windows_advance(struct tally_window_side *s, int64_t now);

/* After the features were taken: the transaction is now past. Both sides were advanced to its
 * time. Sides of the cash desk are not kept. */
void tally_windows_add(struct tally_windows *v, const struct tally_world_tx *tx);

/* The pair's record; its n is 0 if there was no transaction. */
const struct tally_window_pair *tally_windows_pair(const struct tally_windows *v, uint32_t payer,
                                                   uint32_t payee);

uint32_t tally_window_count(const struct tally_window_side *s, enum tally_window w);
int64_t tally_window_cents(const struct tally_window_side *s, enum tally_window w);
/* Sums over the window; searches below walk the window itself. */
struct tally_window_sums tally_window_sums(const struct tally_window_side *s, enum tally_window w);
/* Events of exactly this amount inside w. */
uint32_t tally_window_same(const struct tally_window_side *s, enum tally_window w, int64_t cents);
/* Time of the latest event inside 3 days of which `cents` is .8 to 1.3; -1 if there is none. */
int64_t tally_window_match(const struct tally_window_side *s, int64_t cents);

/* Is the amount less than a tenth below 1,000, 3,000 or 10,000? */
int tally_window_near_limit(int64_t cents);
