/* mailbox.c - see mailbox.h. The lock covers two lists and lives nowhere else. */
#include "common/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct list {
    struct tally_task *first, **end;
};

struct tally_mailbox {
    struct tally_loop *loop;
    uint64_t source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list waiting, finished; /* under lock */
    bool closing;                  /* under lock */
    bool draining;                 /* the loop's thread only */
    size_t pending, jobs_max;      /* the loop's thread only */
    int done_fd;
};

static void empty(struct list *l)
{
    *l = (struct list){.first = NULL};
    l->end = &l->first;
}

static void put(struct list *l, struct tally_task *job)
{
    job->next = NULL;
    *l->end = job;
    l->end = &job->next;
}

static struct tally_task *take(struct list *l)
{
    struct tally_task *job = l->first;

    if (!job) return NULL;
    l->first = job->next;
    if (!l->first) l->end = &l->first;
    job->next = NULL;
    return job;
}

/* NULL when the mailbox is closing and empty. */
static struct tally_task *next(struct tally_mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    while (!m->waiting.first && !m->closing) pthread_cond_wait(&m->more, &m->lock);
    struct tally_task *job = take(&m->waiting);
    pthread_mutex_unlock(&m->lock);
    return job;
}

static void *actor(void *arg)
{
    struct tally_mailbox *m = arg;
    const uint64_t one = 1;

    for (struct tally_task *job; (job = next(m)) != NULL;) {
        job->status = job->run(job);
        if (job->status != TALLY_OK) {
            job->reason = tally_reason();
            (void)strncat(job->why, tally_why(), sizeof job->why - 1);
        }
        pthread_mutex_lock(&m->lock);
        put(&m->finished, job);
        pthread_mutex_unlock(&m->lock);
        TALLY_ASSERT(write(m->done_fd, &one, sizeof one) == sizeof one);
    }
    return NULL;
}

static void hand_back(void *ctx)
{
    struct tally_mailbox *m = ctx;
    uint64_t count;

    (void)!read(m->done_fd, &count, sizeof count);
    pthread_mutex_lock(&m->lock);
    struct tally_task *job = m->finished.first;
    empty(&m->finished);
    pthread_mutex_unlock(&m->lock);
    while (job) {
        struct tally_task *after = job->next;
        job->next = NULL;
        m->pending--;
        job->done(job);
        job = after;
    }
}

/* Signals are the loop's business: an actor blocked in fsync is not to be interrupted. */
static int start(struct tally_mailbox *m, const char *name)
{
    sigset_t all, old;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&m->thread, NULL, actor, m);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) {
        char shown[16] = "";
        (void)strncat(shown, name, sizeof shown - 1);
        (void)pthread_setname_np(m->thread, shown);
    }
    return rc;
}

static void discard(struct tally_mailbox *m)
{
    tally_loop_remove(m->loop, &m->source);
    if (m->done_fd >= 0) (void)close(m->done_fd);
    pthread_cond_destroy(&m->more);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static enum tally_status set_up(struct tally_mailbox *m, const char *name)
{
    struct tally_loop_source source = {.run = hand_back, .ctx = m};

    m->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    TALLY_ENSURE(m->done_fd >= 0, TALLY_E_IO, "eventfd: %s", strerror(errno));
    source.fd = m->done_fd;
    TALLY_TRY(tally_loop_add(m->loop, &source, &m->source));
    int rc = start(m, name);
    TALLY_ENSURE(rc == 0, TALLY_E_IO, "thread %s: %s", name, strerror(rc));
    return TALLY_OK;
}

enum tally_status tally_mailbox_new(struct tally_mailbox **mailbox, struct tally_loop *loop,
                                    const char *name, size_t jobs_max)
{
    struct tally_mailbox *m = calloc(1, sizeof *m);

    TALLY_ENSURE(m != NULL, TALLY_E_NOMEM, "mailbox %s", name);
    m->loop = loop;
    m->jobs_max = jobs_max;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->more, NULL);
    empty(&m->waiting);
    empty(&m->finished);
    enum tally_status s = set_up(m, name);
    if (s != TALLY_OK) {
        discard(m);
        return s;
    }
    *mailbox = m;
    return TALLY_OK;
}

enum tally_status tally_mailbox_post(struct tally_mailbox *m, struct tally_task **job)
{
    TALLY_ENSURE(!m->draining, TALLY_E_STATE, "the mailbox is closing");
    TALLY_ENSURE(m->pending < m->jobs_max, TALLY_E_LIMIT, "%zu jobs are under way", m->pending);
    m->pending++;
    (*job)->status = TALLY_OK;
    (*job)->reason = TALLY_R_NONE;
    (*job)->why[0] = '\0';
    pthread_mutex_lock(&m->lock);
    put(&m->waiting, *job);
    pthread_cond_signal(&m->more);
    pthread_mutex_unlock(&m->lock);
    *job = NULL;
    return TALLY_OK;
}

size_t tally_mailbox_pending(const struct tally_mailbox *m)
{
    return m->pending;
}

void tally_mailbox_destroy(struct tally_mailbox **mailbox)
{
    struct tally_mailbox *m = *mailbox;

    if (!m) return;
    m->draining = true;
    pthread_mutex_lock(&m->lock);
    m->closing = true;
    pthread_cond_signal(&m->more);
    pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->thread, NULL);
    hand_back(m);
    TALLY_ASSERT(m->pending == 0);
    discard(m);
    *mailbox = NULL;
}
