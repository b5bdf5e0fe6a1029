/* shares.h - one piece of work on several threads, which end with the call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TALLY_SHARES_THREADS_MAX = 64,
    TALLY_SHARES_ALIGN = 64, /* a share of so many items or more starts at a multiple of this */
};

/* Items first to first + n of the work; `share` counts the shares from 0. False ends nothing: the
 * others run, and the whole is false. */
typedef bool tally_share_fn(void *context, uint32_t share, size_t first, size_t n);

/* Cuts n items into at most `threads` (1 to TALLY_SHARES_THREADS_MAX) shares of at least `least`
 * and runs them side by side, the first on the caller's thread; true if all were. A thread that
 * cannot be started costs time, not the result: its share is done here. */
bool tally_shares_run(tally_share_fn *run, void *context, size_t n, size_t least, uint32_t threads);
