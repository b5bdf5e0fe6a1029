/* loop.h - the event loop: one thread owns every socket, file descriptor, timer and state machine
 * and runs short callbacks, one at a time.
 *
 * Callbacks return nothing: a reader that meets an error handles it itself (and may remove itself);
 * the loop never drops a reader. Everything here is called from the loop's own thread, except
 * tally_loop_stop. Work that takes more than a few milliseconds belongs into a mailbox. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct tally_loop;

enum {
    TALLY_LOOP_SOURCES_MAX = 64,
    TALLY_LOOP_TIMERS_MAX = 1024,
};

TALLY_RESULT tally_loop_new(struct tally_loop **loop);
/* Sources and timers still there are forgotten, not called; file descriptors stay the owner's. */
void tally_loop_destroy(struct tally_loop **loop);

/* Runs until tally_loop_stop; a stop before the run makes it return at once, and is then used up.
 * E_IO if the loop itself cannot wait any more. */
TALLY_RESULT tally_loop_run(struct tally_loop *loop);
void tally_loop_stop(struct tally_loop *loop); /* any thread */

/* Milliseconds of the monotonic clock, as of this turn of the loop: never goes back. */
uint64_t tally_loop_now_ms(const struct tally_loop *loop);
/* Milliseconds since 1970 of the system's clock; the shells' only way to ask. */
uint64_t tally_wall_ms(void);

/* `run(ctx)` when fd is readable or has failed, at most once a turn. `ready` may be NULL; else it
 * is asked before every wait and true means "run me without waiting", for descriptors that report
 * changes only (ZeroMQ's). run should do a bounded piece of work and return. The id is never 0.
 * E_LIMIT with TALLY_LOOP_SOURCES_MAX sources. */
struct tally_loop_source {
    int fd; /* -1: none, only `ready` */
    bool (*ready)(void *ctx);
    void (*run)(void *ctx);
    void *ctx;
};
TALLY_RESULT tally_loop_add(struct tally_loop *loop, const struct tally_loop_source *source,
                            uint64_t *id);
/* From any callback, also its own; sets *id to 0. 0 and ids already gone are accepted. */
void tally_loop_remove(struct tally_loop *loop, uint64_t *id);

/* fn(ctx) once after delay_ms, then every period_ms (0: once only). A late loop runs a periodic
 * timer once, not once for each period missed. After a one-shot has fired its id means nothing.
 * E_LIMIT with TALLY_LOOP_TIMERS_MAX timers. */
struct tally_loop_timer {
    uint64_t delay_ms, period_ms;
    void (*fn)(void *ctx);
    void *ctx;
};
TALLY_RESULT tally_loop_timer(struct tally_loop *loop, const struct tally_loop_timer *timer,
                              uint64_t *id);
void tally_loop_cancel(struct tally_loop *loop, uint64_t *id); /* as tally_loop_remove */

/* SIGINT and SIGTERM become fn(ctx, signal) in the loop, and SIGPIPE is ignored. One loop of a
 * process at a time (E_STATE); destroying the loop gives the old handlers back. */
TALLY_RESULT tally_loop_signals(struct tally_loop *loop, void (*fn)(void *ctx, int signal),
                                void *ctx);
