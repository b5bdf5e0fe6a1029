/* test_pool.c - kernels/pool.c: every task once, results seen, nobody spins. */
#include "kernels/pool.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/lib/suite.h"

enum { TASKS = 1000 };

struct marks {
    uint32_t done[TASKS];
    uint32_t round;
};

static void mark(void *context, uint32_t task)
{
    struct marks *w = context;

    ck_assert_uint_lt(task, TASKS);
    ck_assert_uint_eq(w->done[task], w->round); /* what the round before wrote is seen */
    w->done[task]++;
}

static const uint32_t THREADS[] = {1, 2, 3, 8};

START_TEST(every_task_runs_once_in_every_run)
{
    static const uint32_t tasks[] = {0, 1, 2, 3, 7, 8, 9, TASKS};
    struct tally_pool *pool = NULL;

    ck_assert_int_eq(tally_pool_new(&pool, THREADS[_i]), TALLY_OK);
    ck_assert_uint_eq(tally_pool_threads(pool), THREADS[_i]);
    for (size_t n = 0; n < sizeof tasks / sizeof tasks[0]; n++) {
        struct marks w = {.round = 0};
        for (; w.round < 50; w.round++) tally_pool_run(pool, mark, &w, tasks[n]);
        for (uint32_t t = 0; t < TASKS; t++)
            ck_assert_uint_eq(w.done[t], t < tasks[n] ? w.round : 0);
    }
    tally_pool_destroy(&pool);
    ck_assert_ptr_null(pool);
    tally_pool_destroy(&pool);
}
END_TEST

static void wait_a_little(void *context, uint32_t task)
{
    const struct timespec t = {.tv_nsec = 200000};

    (void)task;
    (void)nanosleep(&t, NULL);
    atomic_fetch_add((_Atomic uint32_t *)context, 1);
}

static double processor_seconds(void)
{
    struct rusage u;

    ck_assert_int_eq(getrusage(RUSAGE_SELF, &u), 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Eight threads, one task at a time that sleeps: seven idle threads use no time, nor does the one
 * that waits. */
START_TEST(threads_without_work_use_no_processor)
{
    struct tally_pool *pool = NULL;
    _Atomic uint32_t count = 0;

    ck_assert_int_eq(tally_pool_new(&pool, 8), TALLY_OK);
    double before = processor_seconds();
    for (int i = 0; i < 1000; i++) tally_pool_run(pool, wait_a_little, &count, 2);
    double used = processor_seconds() - before;
    ck_assert_uint_eq(count, 2000);
    ck_assert_double_lt(used,
                        0.15); /* the runs take 0.25 s at the least, a spin would use it all */
    tally_pool_destroy(&pool);
}
END_TEST

START_TEST(too_many_threads_are_refused)
{
    struct tally_pool *pool = NULL;

    ck_assert_int_eq(tally_pool_new(&pool, TALLY_THREADS_MAX + 1), TALLY_E_CONFIG);
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(the_default_follows_the_affinity)
{
    cpu_set_t all;
    cpu_set_t one;
    struct tally_pool *pool = NULL;

    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_uint_ge(tally_pool_cores(), 1);
    ck_assert_uint_le(tally_pool_cores(), (uint32_t)CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(tally_pool_cores(), 1);
    ck_assert_int_eq(tally_pool_new(&pool, 0), TALLY_OK);
    ck_assert_uint_eq(tally_pool_threads(pool), 1);
    tally_pool_destroy(&pool);
    ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pool");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_task_runs_once_in_every_run, 0, sizeof THREADS / sizeof *THREADS);
    tcase_add_test(t, threads_without_work_use_no_processor);
    tcase_add_test(t, too_many_threads_are_refused);
    tcase_add_test(t, the_default_follows_the_affinity);
    return tally_suite_run("pool", t);
}
