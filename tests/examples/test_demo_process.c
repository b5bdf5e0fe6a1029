/* test_demo_process.c - examples/aml/demo_process.c: commands and daemons, and that none stays. */
#include "examples/aml/demo_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/suite.h"

static char dir[64], log_file[96];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/tally-process-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(log_file, sizeof log_file, "%s/log", dir);
}

static void teardown(void)
{
    (void)unlink(log_file);
    (void)rmdir(dir);
}

static enum tally_status sh(const char *script, char **out)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    return tally_process_run(argv, log_file, out);
}

START_TEST(a_command_gives_its_output)
{
    char *out = NULL;
    ck_assert_int_eq(sh("echo one; echo two >&2; echo three", &out), TALLY_OK);
    ck_assert_str_eq(out, "one\nthree\n");
    free(out);
}
END_TEST

START_TEST(a_failed_command_is_quoted)
{
    char *out = NULL;
    ck_assert_int_eq(sh("echo first >&2; echo 'the last line' >&2; exit 1", &out), TALLY_E_STATE);
    ck_assert_str_eq(tally_why_text(), "/bin/sh: the last line");
    ck_assert_int_eq(sh("echo '{\"error\":\"its own words\"}'; exit 1", &out), TALLY_E_STATE);
    ck_assert_str_eq(tally_why_text(), "/bin/sh: its own words");
    ck_assert_int_eq(sh("kill -9 $$", &out), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "ended by signal 9"));
    ck_assert_ptr_null(out);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_named)
{
    const char *argv[] = {"/nonexistent/program", NULL};
    char *out = NULL;
    ck_assert_int_eq(tally_process_run(argv, log_file, &out), TALLY_E_STATE);
    ck_assert_str_eq(tally_why_text(), "/nonexistent/program cannot be started");
}
END_TEST

START_TEST(endless_output_is_cut_off)
{
    char *out = NULL;
    ck_assert_int_eq(sh("exec yes", &out), TALLY_E_LIMIT);
    ck_assert_ptr_null(out);
}
END_TEST

static void start(const char *script, struct tally_process *p)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    ck_assert_int_eq(tally_process_start(argv, log_file, p), TALLY_OK);
}

static void wait_for_log(const char *word)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    char text[256] = "";

    for (int i = 0; i < 1000 && strstr(text, word) == NULL; i++) {
        FILE *f = fopen(log_file, "re");
        size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = '\0';
        if (f != NULL) (void)fclose(f);
        (void)nanosleep(&pause, NULL);
    }
    ck_assert_ptr_nonnull(strstr(text, word));
}

START_TEST(daemons_are_stopped_the_deaf_ones_too)
{
    struct tally_process p[3] = {0};

    start("echo up; exec sleep 1000", &p[0]);
    start("trap '' TERM; echo deaf; while :; do sleep 1; done", &p[1]);
    wait_for_log("up");
    wait_for_log("deaf");
    ck_assert(!tally_process_ended(&p[0]));
    tally_process_stop_all(p, 3);
    ck_assert(p[0].ended && WIFSIGNALED(p[0].status) && WTERMSIG(p[0].status) == SIGTERM);
    ck_assert(p[1].ended && WIFSIGNALED(p[1].status) && WTERMSIG(p[1].status) == SIGKILL);
    ck_assert_int_eq(kill(p[0].pid, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    tally_process_stop_all(p, 3);
}
END_TEST

START_TEST(how_a_daemon_ended_can_be_told)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    struct tally_process p = {0};
    char words[300];

    start("echo 'a last word'; exit 3", &p);
    while (!tally_process_ended(&p)) (void)nanosleep(&pause, NULL);
    tally_process_last_words(&p, words, sizeof words);
    ck_assert_ptr_nonnull(strstr(words, "ended with 3: a last word ("));
    ck_assert_ptr_nonnull(strstr(words, log_file));
}
END_TEST

START_TEST(a_signal_ends_the_waiting_for_a_command)
{
    char *out = NULL;

    tally_process_signals();
    ck_assert_int_eq(tally_process_go_on(), TALLY_OK);
    /* The command's parent is this process. */
    ck_assert_int_eq(sh("kill -INT $PPID; exec sleep 1000", &out), TALLY_E_STATE);
    ck_assert_str_eq(tally_why_text(), "interrupted");
    ck_assert(tally_process_interrupted());
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("demo_process");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_command_gives_its_output);
    tcase_add_test(t, a_failed_command_is_quoted);
    tcase_add_test(t, a_program_that_is_not_there_is_named);
    tcase_add_test(t, endless_output_is_cut_off);
    tcase_add_test(t, daemons_are_stopped_the_deaf_ones_too);
    tcase_add_test(t, how_a_daemon_ended_can_be_told);
    tcase_add_test(t, a_signal_ends_the_waiting_for_a_command);
    return tally_suite_run("demo_process", t);
}
