/* test_loop.c - common/loop.c: timers, sources and signals, and what callbacks may do to them. */
#include <signal.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/lib/suite.h"

static struct tally_loop *loop;
static int calls;
static uint64_t id;

static void set_up(void)
{
    ck_assert_int_eq(tally_loop_new(&loop), TALLY_OK);
    calls = 0;
}

static void tear_down(void)
{
    tally_loop_destroy(&loop);
    ck_assert_ptr_null(loop);
}

static void stop(void *ctx)
{
    (void)ctx;
    tally_loop_stop(loop);
}

static void count(void *ctx)
{
    (void)ctx;
    calls++;
}

static void after(uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
    uint64_t unused;
    const struct tally_loop_timer t = {.delay_ms = ms, .fn = fn, .ctx = ctx};
    ck_assert_int_eq(tally_loop_timer(loop, &t, &unused), TALLY_OK);
}

START_TEST(a_one_shot_fires_once_and_a_period_again)
{
    const struct tally_loop_timer t = {.delay_ms = 5, .period_ms = 10, .fn = count};

    after(1, count, NULL);
    ck_assert_int_eq(tally_loop_timer(loop, &t, &id), TALLY_OK);
    after(60, stop, NULL);
    uint64_t before = tally_loop_now_ms(loop);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_uint_ge(tally_loop_now_ms(loop) - before, 60);
    ck_assert_int_ge(calls, 3); /* a busy machine may lose some, never gain */
    ck_assert_int_le(calls, 7);
}
END_TEST

START_TEST(a_cancelled_timer_does_not_fire)
{
    const struct tally_loop_timer t = {.delay_ms = 5, .fn = count};

    ck_assert_int_eq(tally_loop_timer(loop, &t, &id), TALLY_OK);
    tally_loop_cancel(loop, &id);
    ck_assert_uint_eq(id, 0);
    tally_loop_cancel(loop, &id); /* again is fine */
    after(20, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(calls, 0);
}
END_TEST

static void again(void *ctx)
{
    calls++;
    after(0, again, ctx);
}

START_TEST(a_timer_that_starts_itself_at_once_starves_nobody)
{
    after(0, again, NULL);
    after(20, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_gt(calls, 1);
}
END_TEST

static void read_one(void *ctx)
{
    char c;

    calls++;
    ck_assert_int_eq(read(*(int *)ctx, &c, 1), 1);
    if (c == 'q') tally_loop_stop(loop);
}

START_TEST(a_readable_descriptor_runs_its_source_until_it_is_empty)
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    const struct tally_loop_source s = {.fd = p[0], .run = read_one, .ctx = &p[0]};
    ck_assert_int_eq(tally_loop_add(loop, &s, &id), TALLY_OK);
    ck_assert_int_eq(write(p[1], "abq", 3), 3);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(calls, 3);
    tally_loop_remove(loop, &id);
    ck_assert_int_eq(write(p[1], "x", 1), 1);
    after(10, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(calls, 3);
}
END_TEST

START_TEST(a_descriptor_that_failed_keeps_its_source_until_that_removes_itself)
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(close(p[1]), 0); /* POLLHUP from now on */
    const struct tally_loop_source s = {.fd = p[0], .run = count};
    ck_assert_int_eq(tally_loop_add(loop, &s, &id), TALLY_OK);
    after(5, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_gt(calls, 1);
}
END_TEST

static uint64_t two[2];

static void remove_both(void *ctx)
{
    (void)ctx;
    calls++;
    tally_loop_remove(loop, &two[0]);
    tally_loop_remove(loop, &two[1]);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

START_TEST(a_source_removed_by_another_in_the_same_turn_is_not_run)
{
    const struct tally_loop_source s = {.fd = -1, .ready = always, .run = remove_both};

    ck_assert_int_eq(tally_loop_add(loop, &s, &two[0]), TALLY_OK);
    ck_assert_int_eq(tally_loop_add(loop, &s, &two[1]), TALLY_OK);
    after(10, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(more_sources_or_timers_than_there_is_room_for_are_refused)
{
    const struct tally_loop_source s = {.fd = -1, .run = count};
    const struct tally_loop_timer t = {.delay_ms = 1000, .fn = count};

    for (int i = 0; i < TALLY_LOOP_SOURCES_MAX; i++)
        ck_assert_int_eq(tally_loop_add(loop, &s, &id), TALLY_OK);
    uint64_t last = id;
    ck_assert_int_eq(tally_loop_add(loop, &s, &id), TALLY_E_LIMIT);
    ck_assert_uint_eq(id, last);
    for (int i = 0; i < TALLY_LOOP_TIMERS_MAX; i++)
        ck_assert_int_eq(tally_loop_timer(loop, &t, &id), TALLY_OK);
    ck_assert_int_eq(tally_loop_timer(loop, &t, &id), TALLY_E_LIMIT);
}
END_TEST

static void on_signal(void *ctx, int number)
{
    *(int *)ctx = number;
    tally_loop_stop(loop);
}

static void kill_self(void *ctx)
{
    ck_assert_int_eq(raise(*(int *)ctx), 0);
}

START_TEST(a_signal_is_an_event_of_the_loop)
{
    int numbers[] = {SIGINT, SIGTERM}, seen = 0;

    ck_assert_int_eq(tally_loop_signals(loop, on_signal, &seen), TALLY_OK);
    ck_assert_int_eq(tally_loop_signals(loop, on_signal, &seen), TALLY_E_STATE);
    after(5, kill_self, &numbers[_i]);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(seen, numbers[_i]);
}
END_TEST

START_TEST(a_stop_before_the_run_is_kept_and_used_up)
{
    tally_loop_stop(loop);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    after(5, count, NULL);
    after(10, stop, NULL);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(calls, 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_one_shot_fires_once_and_a_period_again);
    tcase_add_test(t, a_cancelled_timer_does_not_fire);
    tcase_add_test(t, a_timer_that_starts_itself_at_once_starves_nobody);
    tcase_add_test(t, a_readable_descriptor_runs_its_source_until_it_is_empty);
    tcase_add_test(t, a_descriptor_that_failed_keeps_its_source_until_that_removes_itself);
    tcase_add_test(t, a_source_removed_by_another_in_the_same_turn_is_not_run);
    tcase_add_test(t, more_sources_or_timers_than_there_is_room_for_are_refused);
    tcase_add_loop_test(t, a_signal_is_an_event_of_the_loop, 0, 2);
    tcase_add_test(t, a_stop_before_the_run_is_kept_and_used_up);
    return tally_suite_run("common/loop", t);
}
