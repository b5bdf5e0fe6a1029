/* pool.c - see pool.h. */
#include "kernels/pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One thread's own tasks: how many, and the next unclaimed one, packed so that a claim is one
 * exchange. A thread that wakes late claims from the run that is on or from none, and a claim keeps
 * that run, and so work and context, alive until the task is counted off `left`. */
struct lot {
    _Alignas(64) _Atomic uint64_t claim;
};

struct server {
    struct tally_pool *pool;
    uint32_t index;
    pthread_t thread;
};

struct tally_pool {
    struct lot lot[TALLY_THREADS_MAX];
    _Alignas(64) _Atomic uint32_t left; /* tasks not yet done; the caller sleeps on it */
    _Atomic uint32_t round;             /* changes with every run; the other threads sleep on it */
    atomic_bool stop;
    void (*work)(void *context, uint32_t task);
    void *context;
    uint32_t threads; /* with the caller, who is number 0 */
    struct server server[TALLY_THREADS_MAX];
};

static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, uint32_t sleepers)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
}

/* Task k of lot i is number i + k threads of the run. False when the lot is empty. */
static bool claim(struct tally_pool *p, uint32_t lot, uint32_t *task)
{
    _Atomic uint64_t *word = &p->lot[lot].claim;
    uint64_t seen = atomic_load(word);

    for (;;) {
        uint32_t next = (uint32_t)seen;
        if (next >= (uint32_t)(seen >> 32)) return false;
        if (!atomic_compare_exchange_weak(word, &seen, seen + 1)) continue;
        *task = lot + next * p->threads;
        return true;
    }
}

/* The thread's own tasks first, then what the others have left. */
static void work_off(struct tally_pool *p, uint32_t me)
{
    uint32_t task;

    for (uint32_t i = 0; i < p->threads; i++) {
        while (claim(p, (me + i) % p->threads, &task)) {
            p->work(p->context, task);
            if (atomic_fetch_sub(&p->left, 1) == 1) wake(&p->left, 1);
        }
    }
}

static void *serve(void *arg)
{
    const struct server *me = arg;
    struct tally_pool *p = me->pool;

    for (;;) {
        uint32_t round = atomic_load(&p->round);
        if (atomic_load(&p->stop)) return NULL;
        work_off(p, me->index);
        sleep_while(&p->round, round);
    }
}

/* "quota period" as cores, the period .1 s where it is missing; -1 without a quota or a file. */
static double quota_in(const char *path)
{
    double quota = -1;
    double period = 1e5;
    FILE *f = fopen(path, "re");

    if (f == NULL) return -1;
    int got = fscanf(f, "%lf %lf", &quota, &period);
    (void)fclose(f);
    return got >= 1 && quota > 0 && period > 0 ? quota / period : -1;
}

/* The tightest quota on the way from this process's group to the root of the hierarchy; inside a
 * container the root is the container's own. */
static double quota_cores(void)
{
    char line[512] = "";
    char path[640];
    FILE *f = fopen("/proc/self/cgroup", "re");
    double least = -1;

    if (f != NULL) {
        while (fgets(line, sizeof line, f) != NULL && strncmp(line, "0::", 3) != 0) line[0] = '\0';
        (void)fclose(f);
    }
    line[strcspn(line, "\n")] = '\0';
    char *group = line[0] != '\0' ? line + 3 : line;
    for (;;) {
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        double cores = quota_in(path);
        if (cores > 0 && (least < 0 || cores < least)) least = cores;
        char *slash = strrchr(group, '/');
        if (slash == NULL) break;
        *slash = '\0';
    }
    if (least > 0) return least;
    double quota = quota_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    double period = quota_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    return quota > 0 && period > 0 ? quota / period : -1;
}

uint32_t tally_pool_cores(void)
{
    cpu_set_t set;
    double quota = quota_cores();
    uint32_t cores = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (uint32_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (quota > 0 && quota < cores) cores = (uint32_t)quota + (quota > (uint32_t)quota);
    if (cores > TALLY_THREADS_MAX) cores = TALLY_THREADS_MAX;
    return cores > 0 ? cores : 1;
}

/* `threads` is what the servers count with, so it is set before the first of them starts. */
static enum tally_status start_threads(struct tally_pool *p, uint32_t *started)
{
    sigset_t all;
    sigset_t before;
    int error = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 1; i < p->threads && error == 0; i++) {
        struct server *s = &p->server[i];
        *s = (struct server){.pool = p, .index = i};
        error = pthread_create(&s->thread, NULL, serve, s);
        *started += error == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    TALLY_ENSURE(error == 0, TALLY_E_NOMEM, "%u of %u threads: %s", *started + 1, p->threads,
                 strerror(error));
    return TALLY_OK;
}

static void stop_threads(struct tally_pool *p, uint32_t started)
{
    atomic_store(&p->stop, true);
    atomic_fetch_add(&p->round, 1);
    wake(&p->round, TALLY_THREADS_MAX);
    for (uint32_t i = 1; i <= started; i++) (void)pthread_join(p->server[i].thread, NULL);
    free(p);
}

enum tally_status tally_pool_new(struct tally_pool **out, uint32_t threads)
{
    uint32_t started = 0;

    TALLY_ENSURE(threads <= TALLY_THREADS_MAX, TALLY_E_CONFIG, "%u threads: at most %d", threads,
                 TALLY_THREADS_MAX);
    struct tally_pool *p = aligned_alloc(_Alignof(struct tally_pool), sizeof *p);
    TALLY_ENSURE(p != NULL, TALLY_E_NOMEM, "a pool of %u threads", threads);
    memset(p, 0, sizeof *p);
    p->threads = threads != 0 ? threads : tally_pool_cores();
    enum tally_status status = start_threads(p, &started);
    if (status == TALLY_OK)
        *out = p;
    else
        stop_threads(p, started);
    return status;
}

void tally_pool_destroy(struct tally_pool **pool)
{
    if (*pool != NULL) stop_threads(*pool, (*pool)->threads - 1);
    *pool = NULL;
}

uint32_t tally_pool_threads(const struct tally_pool *pool)
{
    return pool->threads;
}

void tally_pool_run(struct tally_pool *pool, void (*work)(void *context, uint32_t task),
                    void *context, uint32_t tasks)
{
    if (tasks == 0) return;
    uint32_t others = tasks < pool->threads ? tasks - 1 : pool->threads - 1;

    pool->work = work;
    pool->context = context;
    atomic_store(&pool->left, tasks);
    for (uint32_t i = 0; i < pool->threads; i++) {
        uint64_t own = tasks > i ? (tasks - i - 1) / pool->threads + 1 : 0;
        atomic_store(&pool->lot[i].claim, own << 32);
    }
    if (others > 0) {
        atomic_fetch_add(&pool->round, 1);
        wake(&pool->round, others);
    }
    work_off(pool, 0);
    for (;;) {
        uint32_t left = atomic_load(&pool->left);
        if (left == 0) return;
        sleep_while(&pool->left, left);
    }
}
