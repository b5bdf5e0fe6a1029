/* pool.h - a few threads that share numbered tasks and sleep in between.
 *
 * The caller of run is one of the threads. Task t is thread t mod threads' own, so that what a task
 * reads and writes run after run stays in that core's cache; tasks are claimed one by one, and who
 * has none of his own left takes the others', so a thread that the system delays holds back one
 * task and not a share. Whoever finds none left sleeps on a futex and never spins. The order in
 * which tasks run is not defined: results must not depend on it. One thread at a time may use a
 * pool. */
#pragma once

#include <stdint.h>

#include "common/status.h"

enum { TALLY_THREADS_MAX = 256 };

struct tally_pool;

/* The processors this process may use: its affinity, cut down to what the control group's quota
 * pays for (version 2 or 1), rounded up; at least 1, at most TALLY_THREADS_MAX. */
uint32_t tally_pool_cores(void);

/* threads: 1 to TALLY_THREADS_MAX, the caller included; 0 asks tally_pool_cores. The threads take
 * no signals. TALLY_E_CONFIG, TALLY_E_NOMEM. */
TALLY_RESULT tally_pool_new(struct tally_pool **out, uint32_t threads);
/* Waits for the threads to end. *pool may be NULL and becomes NULL. */
void tally_pool_destroy(struct tally_pool **pool);
uint32_t tally_pool_threads(const struct tally_pool *pool);

/* work(context, t) once for every t below `tasks`; returns when all have returned. What a task
 * wrote is then visible to the caller and to every later task. */
void tally_pool_run(struct tally_pool *pool, void (*work)(void *context, uint32_t task),
                    void *context, uint32_t tasks);
