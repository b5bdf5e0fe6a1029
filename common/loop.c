/* loop.c - see loop.h. */
#include "common/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct source {
    uint64_t id; /* 0: free */
    struct tally_loop_source what;
};

struct timer {
    uint64_t id; /* 0: free */
    uint64_t at_ms;
    struct tally_loop_timer what;
};

struct tally_loop {
    struct source sources[TALLY_LOOP_SOURCES_MAX];
    struct timer timers[TALLY_LOOP_TIMERS_MAX];
    uint64_t next_id, now_ms;
    int wake_fd;
    atomic_bool stop;
    bool takes_signals;
    void (*on_signal)(void *ctx, int signal);
    void *signal_ctx;
    struct sigaction old_int, old_term, old_pipe;
};

/* The handler may run in any thread, so it only leaves a bit and wakes the loop. */
static atomic_int signal_fd = -1;
static atomic_uint signals_seen;

static void on_signal(int number)
{
    const uint64_t one = 1;
    int saved = errno;

    atomic_fetch_or(&signals_seen, 1U << (unsigned)number);
    if (write(atomic_load(&signal_fd), &one, sizeof one) < 0) {
        /* full: the loop is awake already */
    }
    errno = saved;
}

static uint64_t clock_ms(clockid_t id)
{
    struct timespec t;

    TALLY_ASSERT(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t tally_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

enum tally_status tally_loop_new(struct tally_loop **loop)
{
    struct tally_loop *l = calloc(1, sizeof *l);

    TALLY_ENSURE(l != NULL, TALLY_E_NOMEM, "event loop");
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0) {
        free(l);
        return TALLY_FAIL(TALLY_E_IO, "eventfd: %s", strerror(errno));
    }
    l->next_id = 1;
    l->now_ms = clock_ms(CLOCK_MONOTONIC);
    *loop = l;
    return TALLY_OK;
}

void tally_loop_destroy(struct tally_loop **loop)
{
    struct tally_loop *l = *loop;

    if (!l) return;
    if (l->takes_signals) {
        (void)sigaction(SIGINT, &l->old_int, NULL);
        (void)sigaction(SIGTERM, &l->old_term, NULL);
        (void)sigaction(SIGPIPE, &l->old_pipe, NULL);
        atomic_store(&signal_fd, -1);
    }
    (void)close(l->wake_fd);
    free(l);
    *loop = NULL;
}

void tally_loop_stop(struct tally_loop *loop)
{
    const uint64_t one = 1;

    atomic_store(&loop->stop, true);
    if (write(loop->wake_fd, &one, sizeof one) < 0) {
        TALLY_ASSERT(errno == EAGAIN); /* the counter is full: awake already */
    }
}

uint64_t tally_loop_now_ms(const struct tally_loop *loop)
{
    return loop->now_ms;
}

enum tally_status tally_loop_add(struct tally_loop *loop, const struct tally_loop_source *source,
                                 uint64_t *id)
{
    for (size_t i = 0; i < TALLY_LOOP_SOURCES_MAX; i++) {
        if (loop->sources[i].id != 0) continue;
        loop->sources[i] = (struct source){.id = loop->next_id++, .what = *source};
        *id = loop->sources[i].id;
        return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_LIMIT, "the loop has %d sources", TALLY_LOOP_SOURCES_MAX);
}

void tally_loop_remove(struct tally_loop *loop, uint64_t *id)
{
    for (size_t i = 0; i < TALLY_LOOP_SOURCES_MAX && *id != 0; i++) {
        if (loop->sources[i].id == *id) loop->sources[i].id = 0;
    }
    *id = 0;
}

enum tally_status tally_loop_timer(struct tally_loop *loop, const struct tally_loop_timer *timer,
                                   uint64_t *id)
{
    for (size_t i = 0; i < TALLY_LOOP_TIMERS_MAX; i++) {
        if (loop->timers[i].id != 0) continue;
        loop->timers[i] = (struct timer){.id = loop->next_id++,
                                         .at_ms = clock_ms(CLOCK_MONOTONIC) + timer->delay_ms,
                                         .what = *timer};
        *id = loop->timers[i].id;
        return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_LIMIT, "the loop has %d timers", TALLY_LOOP_TIMERS_MAX);
}

void tally_loop_cancel(struct tally_loop *loop, uint64_t *id)
{
    for (size_t i = 0; i < TALLY_LOOP_TIMERS_MAX && *id != 0; i++) {
        if (loop->timers[i].id == *id) loop->timers[i].id = 0;
    }
    *id = 0;
}

/* The earliest timer with an id below `before`, NULL if there is none. */
static struct timer *earliest(struct tally_loop *l, uint64_t before)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < TALLY_LOOP_TIMERS_MAX; i++) {
        struct timer *t = &l->timers[i];
        if (t->id == 0 || t->id >= before) continue;
        if (!first || t->at_ms < first->at_ms) first = t;
    }
    return first;
}

/* Timers started by these callbacks wait for the next turn, so that none starves the readers. */
static void run_timers(struct tally_loop *l)
{
    const uint64_t before = l->next_id;

    for (struct timer *t; (t = earliest(l, before)) != NULL && t->at_ms <= l->now_ms;) {
        struct tally_loop_timer what = t->what;
        if (what.period_ms > 0) {
            t->at_ms = l->now_ms + what.period_ms;
        } else {
            t->id = 0;
        }
        what.fn(what.ctx);
    }
}

static void take_signals(struct tally_loop *l)
{
    unsigned seen = l->takes_signals ? atomic_exchange(&signals_seen, 0) : 0;

    if (seen & 1U << SIGINT) l->on_signal(l->signal_ctx, SIGINT);
    if (seen & 1U << SIGTERM) l->on_signal(l->signal_ctx, SIGTERM);
}

static int wait_ms(struct tally_loop *l)
{
    const struct timer *t = earliest(l, UINT64_MAX);
    enum { LONGEST_MS = 60 * 1000 };

    if (!t) return LONGEST_MS;
    if (t->at_ms <= l->now_ms) return 0;
    return t->at_ms - l->now_ms < LONGEST_MS ? (int)(t->at_ms - l->now_ms) : LONGEST_MS;
}

static enum tally_status turn(struct tally_loop *l)
{
    struct pollfd fds[TALLY_LOOP_SOURCES_MAX + 1];
    uint64_t ids[TALLY_LOOP_SOURCES_MAX];
    bool due[TALLY_LOOP_SOURCES_MAX];
    int timeout = wait_ms(l);

    for (size_t i = 0; i < TALLY_LOOP_SOURCES_MAX; i++) {
        const struct source *s = &l->sources[i];
        ids[i] = s->id;
        fds[i] = (struct pollfd){.fd = s->id ? s->what.fd : -1, .events = POLLIN};
        due[i] = s->id != 0 && s->what.ready && s->what.ready(s->what.ctx);
        if (due[i]) timeout = 0;
    }
    fds[TALLY_LOOP_SOURCES_MAX] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
    int n = poll(fds, TALLY_LOOP_SOURCES_MAX + 1, timeout);
    TALLY_ENSURE(n >= 0 || errno == EINTR, TALLY_E_IO, "poll: %s", strerror(errno));
    l->now_ms = clock_ms(CLOCK_MONOTONIC);
    if (n > 0 && fds[TALLY_LOOP_SOURCES_MAX].revents) {
        uint64_t count;
        (void)!read(l->wake_fd, &count, sizeof count);
    }
    take_signals(l);
    for (size_t i = 0; i < TALLY_LOOP_SOURCES_MAX; i++) {
        const struct source *s = &l->sources[i];
        TALLY_ASSERT(n <= 0 || !(fds[i].revents & POLLNVAL) || s->id != ids[i]);
        if (ids[i] == 0 || s->id != ids[i]) continue; /* removed meanwhile */
        if (due[i] || (n > 0 && fds[i].revents)) s->what.run(s->what.ctx);
    }
    return TALLY_OK;
}

enum tally_status tally_loop_run(struct tally_loop *loop)
{
    while (!atomic_exchange(&loop->stop, false)) {
        loop->now_ms = clock_ms(CLOCK_MONOTONIC);
        run_timers(loop);
        if (!atomic_load(&loop->stop)) TALLY_TRY(turn(loop));
    }
    return TALLY_OK;
}

enum tally_status tally_loop_signals(struct tally_loop *loop, void (*fn)(void *ctx, int signal),
                                     void *ctx)
{
    struct sigaction handle = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int none = -1;

    TALLY_ENSURE(atomic_compare_exchange_strong(&signal_fd, &none, loop->wake_fd), TALLY_E_STATE,
                 "a loop of this process takes the signals already");
    atomic_store(&signals_seen, 0);
    loop->on_signal = fn;
    loop->signal_ctx = ctx;
    loop->takes_signals = true;
    TALLY_ENSURE(sigaction(SIGINT, &handle, &loop->old_int) == 0 &&
                     sigaction(SIGTERM, &handle, &loop->old_term) == 0 &&
                     sigaction(SIGPIPE, &ignore, &loop->old_pipe) == 0,
                 TALLY_E_IO, "sigaction: %s", strerror(errno));
    return TALLY_OK;
}
