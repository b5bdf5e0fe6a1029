/* test_mailbox.c - common/mailbox.c: order, ownership, the bound, and draining. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "common/mailbox.h"
#include "tests/lib/suite.h"

struct work {
    struct tally_task job; /* first */
    int number, wait_ms;
};

static struct tally_loop *loop;
static struct tally_mailbox *box;
static pthread_t loop_thread;
static int ran[1024], ran_n, done[1024], done_n, stop_after;

static enum tally_status run(struct tally_task *job)
{
    struct work *w = (struct work *)job;

    ck_assert(!pthread_equal(pthread_self(), loop_thread));
    if (w->wait_ms) (void)usleep((unsigned)w->wait_ms * 1000);
    ran[ran_n++] = w->number; /* the actor's alone until it was joined */
    if (w->number == 13) return TALLY_REFUSE(TALLY_R_UPDATE_CONFLICT, "number %d", w->number);
    return TALLY_OK;
}

static void finish(struct tally_task *job)
{
    struct work *w = (struct work *)job;

    ck_assert(pthread_equal(pthread_self(), loop_thread));
    done[done_n++] = w->number;
    free(w);
    if (done_n == stop_after) tally_loop_stop(loop);
}

static enum tally_status post(int number, int wait_ms)
{
    struct work *w = calloc(1, sizeof *w);
    struct tally_task *job = &w->job;

    *w = (struct work){
        .job = {.run = run, .done = finish},
          .number = number, .wait_ms = wait_ms
    };
    enum tally_status s = tally_mailbox_post(box, &job);
    ck_assert(s == TALLY_OK ? job == NULL : job == &w->job);
    if (s != TALLY_OK) free(w);
    return s;
}

static void set_up(void)
{
    loop_thread = pthread_self();
    ran_n = done_n = stop_after = 0;
    ck_assert_int_eq(tally_loop_new(&loop), TALLY_OK);
    ck_assert_int_eq(tally_mailbox_new(&box, loop, "worker", 500), TALLY_OK);
}

static void tear_down(void)
{
    tally_mailbox_destroy(&box);
    ck_assert_ptr_null(box);
    tally_loop_destroy(&loop);
}

START_TEST(jobs_run_in_order_and_come_back_in_order)
{
    stop_after = 300;
    for (int i = 0; i < 300; i++) ck_assert_int_eq(post(i, 0), TALLY_OK);
    ck_assert_uint_eq(tally_mailbox_pending(box), 300);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_uint_eq(tally_mailbox_pending(box), 0);
    for (int i = 0; i < 300; i++) ck_assert(ran[i] == i && done[i] == i);
}
END_TEST

START_TEST(a_full_mailbox_refuses_and_the_job_stays_with_its_owner)
{
    ck_assert_int_eq(post(0, 50), TALLY_OK);
    for (int i = 1; i < 500; i++) ck_assert_int_eq(post(i, 0), TALLY_OK);
    ck_assert_int_eq(post(500, 0), TALLY_E_LIMIT);
    stop_after = 500;
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(done_n, 500);
    ck_assert_int_eq(post(500, 0), TALLY_OK); /* room again */
}
END_TEST

START_TEST(destroying_runs_and_hands_back_everything_posted)
{
    ck_assert_int_eq(post(0, 20), TALLY_OK);
    for (int i = 1; i < 100; i++) ck_assert_int_eq(post(i, 0), TALLY_OK);
    tally_mailbox_destroy(&box);
    ck_assert_int_eq(ran_n, 100);
    ck_assert_int_eq(done_n, 100);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(done[i], i);
}
END_TEST

static void check_failure(struct tally_task *job)
{
    ck_assert_int_eq(job->status, TALLY_E_UNTRUSTED);
    ck_assert_int_eq(job->reason, TALLY_R_UPDATE_CONFLICT);
    ck_assert_ptr_nonnull(strstr(job->why, "number 13"));
    finish(job);
}

START_TEST(a_failure_crosses_threads_with_its_reason)
{
    struct work *w = calloc(1, sizeof *w);
    struct tally_task *job = &w->job;

    *w = (struct work){
        .job = {.run = run, .done = check_failure},
          .number = 13
    };
    stop_after = 1;
    ck_assert_int_eq(tally_mailbox_post(box, &job), TALLY_OK);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    ck_assert_int_eq(done_n, 1);
}
END_TEST

static enum tally_status late;

static void post_again(struct tally_task *job)
{
    free(job);
    done_n++;
    late = post(7, 0);
    tally_loop_stop(loop);
}

START_TEST(done_may_post_again_but_not_while_draining)
{
    for (int draining = 0; draining < 2; draining++) {
        struct work *w = calloc(1, sizeof *w);
        struct tally_task *job = &w->job;
        *w = (struct work){
            .job = {.run = run, .done = post_again},
              .number = 1
        };
        ck_assert_int_eq(tally_mailbox_post(box, &job), TALLY_OK);
        if (draining) {
            tally_mailbox_destroy(&box);
        } else {
            ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
        }
        ck_assert_int_eq(late, draining ? TALLY_E_STATE : TALLY_OK);
    }
    ck_assert_int_eq(done_n, 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("mailbox");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, jobs_run_in_order_and_come_back_in_order);
    tcase_add_test(t, a_full_mailbox_refuses_and_the_job_stays_with_its_owner);
    tcase_add_test(t, destroying_runs_and_hands_back_everything_posted);
    tcase_add_test(t, a_failure_crosses_threads_with_its_reason);
    tcase_add_test(t, done_may_post_again_but_not_while_draining);
    return tally_suite_run("common/mailbox", t);
}
