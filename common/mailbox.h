/* mailbox.h - an actor: one thread that runs jobs in the order in which they were posted, and
 * hands each back to the loop's thread when it is done. Work moves by pointer with ownership, so
 * nothing is shared: the poster gives the job away, the actor has it alone while `run` works, and
 * `done` receives it in the loop's thread.
 *
 * A job is a struct of the caller's with a `struct tally_task` as its first member:
 *     struct put { struct tally_task job; struct tally_store *store; ... };
 *     run:  return tally_store_round_open(p->store, &p->round);
 *     done: look at job->status, job->reason, job->why; then free the job. */
#pragma once

#include <stddef.h>

#include "common/loop.h"
#include "common/status.h"

enum { TALLY_TASK_WHY_MAX = 256 };

struct tally_task {
    enum tally_status (*run)(struct tally_task *job); /* in the actor */
    void (*done)(struct tally_task *job);             /* in the loop; owns the job from here on */
    enum tally_status status;                         /* what run returned */
    enum tally_reason reason;                         /* with status not OK: tally_reason() */
    char why[TALLY_TASK_WHY_MAX];                     /* with status not OK: tally_why() */
    struct tally_task *next;                          /* the mailbox's own */
};

struct tally_mailbox;

/* An actor named `name` (15 bytes are shown by ps) with at most `jobs_max` jobs posted and not yet
 * done. The loop must outlive it. */
TALLY_RESULT tally_mailbox_new(struct tally_mailbox **m, struct tally_loop *loop, const char *name,
                               size_t jobs_max);

/* Gives *job away and sets it to NULL. E_LIMIT when jobs_max are under way: the caller keeps the
 * job. Called in the loop's thread, from `done` too; never from `run`. */
TALLY_RESULT tally_mailbox_post(struct tally_mailbox *m, struct tally_task **job);

/* Jobs posted whose `done` has not begun. */
size_t tally_mailbox_pending(const struct tally_mailbox *m);

/* Drains: every job posted is run, the thread ends, then every `done` is called here, in order.
 * A `done` that posts again while draining gets E_STATE. Called in the loop's thread. */
void tally_mailbox_destroy(struct tally_mailbox **m);
