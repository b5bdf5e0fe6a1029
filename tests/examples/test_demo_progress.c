/* test_demo_progress.c - examples/aml/demo_progress.c: from status objects to lines. */
#include "examples/aml/demo_progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/suite.h"

static char *text;
static size_t len;
static struct tally_demo_progress p;

static void begin(bool tty)
{
    FILE *f = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(f);
    tally_demo_progress_init(&p, f, false);
    p.tty = tty;
    p.width = 120;
}

static void end(void)
{
    (void)fclose(p.to);
    free(text);
}

static void show(const char *status)
{
    json_t *j = json_loads(status, 0, NULL);
    ck_assert_ptr_nonnull(j);
    tally_demo_progress_show(&p, j);
    json_decref(j);
    (void)fflush(p.to);
}

static unsigned count(const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) n++;
    return n;
}

#define NODE(name, up, phase, done, reason)                                               \
    "{\"agent\":\"" name "\",\"connected\":" up ",\"phase\":\"" phase "\",\"done\":" done \
    ",\"total\":100,\"reason\":\"" reason "\",\"why\":\"because\"}"
#define JOB(history)                                                                     \
    "\"jobs\":[{\"state\":\"COLLECTING\",\"round\":2,\"kind\":\"delta\",\"done\":false," \
    "\"accepted\":[\"a/1\"],\"history\":[" history "]}]"
#define ROUND                                                                                 \
    "{\"round\":1,\"kind\":\"delta\",\"outcome\":\"version\",\"seconds\":0.5,\"accepted\":"   \
    "[\"a/1\",\"b/1\"],\"excluded\":[{\"agent\":\"b/2\",\"reason\":\"E_MEASUREMENT\"}],"      \
    "\"absent\":[\"c/1\"],\"base\":{\"auc_pr\":0.25,\"roc_auc\":0.75,\"recall_at_1pct_fpr\":" \
    "0.125}}"

static const char busy[] = "{\"nodes\":[" NODE("a/1", "true", "waiting", "0", "") "," NODE(
    "b/1", "true", "training", "50", "") "," NODE("b/2", "false", "idle", "0",
                                                  "E_MEASUREMENT") "]," JOB(ROUND) "}";

START_TEST(everything_is_said_once)
{
    begin(false);
    show(busy);
    show(busy);
    ck_assert_uint_eq(count("a/1 connected"), 1);
    ck_assert_uint_eq(count("b/1 connected"), 1);
    ck_assert_uint_eq(count("b/2 connected"), 0);
    ck_assert_uint_eq(count("b/2 REFUSED: E_MEASUREMENT: because"), 1);
    ck_assert_uint_eq(count("round   1 delta"), 1);
    ck_assert_ptr_nonnull(strstr(text, "2 accepted, b/2 E_MEASUREMENT, 1 absent  0.50 s"));
    ck_assert_ptr_nonnull(strstr(text, "AUC-PR 0.2500  ROC-AUC 0.7500  recall 0.1250"));
    end();
}
END_TEST

START_TEST(without_a_terminal_no_line_changes)
{
    begin(false);
    show(busy);
    tally_demo_progress_work(&p, "work", 1, 2);
    tally_demo_progress_end(&p);
    ck_assert_ptr_null(strchr(text, '\r'));
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_null(strstr(text, "round   2"));
    end();
}
END_TEST

START_TEST(on_a_terminal_the_open_round_has_a_bar)
{
    begin(true);
    show(busy);
    ck_assert_ptr_nonnull(strstr(text, "round   2 delta      [==="));
    ck_assert_ptr_nonnull(strstr(text, "1 training  1 accepted  1 refused"));
    /* One at 95 %, one half through training: 5 + 37 = 42 %; 68 % of 24 cells. */
    const char *bar = strstr(text, "round   2");
    ck_assert_ptr_nonnull(bar);
    bar = strchr(bar, '[');
    ck_assert_ptr_nonnull(bar);
    ck_assert_uint_eq(strspn(bar + 1, "="), 68 * 24 / 100);
    end();
}
END_TEST

START_TEST(an_aborted_round_says_so)
{
    begin(false);
    show("{\"nodes\":[]," JOB("{\"round\":1,\"kind\":\"delta\",\"outcome\":\"abort\",\"seconds\":2,"
                              "\"accepted\":[],\"excluded\":[],\"absent\":[],\"base\":null}") "}");
    ck_assert_ptr_nonnull(strstr(text, "0 accepted, ABORTED  2.00 s\n"));
    end();
}
END_TEST

START_TEST(a_status_without_its_fields_is_passed_over)
{
    static const char *const odd[] = {"{}", "{\"nodes\":1,\"jobs\":{}}", "{\"jobs\":[]}",
                                      "{\"nodes\":[1,\"x\",{}],\"jobs\":[{\"history\":[{}]}]}"};

    begin(true);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) show(odd[i]);
    end();
}
END_TEST

/* A server that answers each connection with `bytes` and ends. */
static pid_t serve(const char *path, const char *bytes)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int c = accept(fd, NULL, NULL);
        for (size_t i = 0; bytes[i] != '\0'; i++) (void)!write(c, bytes + i, 1);
        _exit(0);
    }
    (void)close(fd);
    return pid;
}

START_TEST(the_status_comes_over_the_socket)
{
    char dir[] = "/tmp/tally-progress-XXXXXX", path[64];
    json_t *j = NULL;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/s", dir);
    ck_assert_int_eq(tally_demo_status(path, &j), TALLY_E_IO);
    pid_t pid = serve(path, "{\"jobs\":[]}");
    ck_assert_int_eq(tally_demo_status(path, &j), TALLY_OK);
    ck_assert(json_is_array(json_object_get(j, "jobs")));
    json_decref(j);
    (void)waitpid(pid, NULL, 0);
    (void)unlink(path);
    pid = serve(path, "{\"jobs\":[");
    ck_assert_int_eq(tally_demo_status(path, &j), TALLY_E_IO);
    (void)waitpid(pid, NULL, 0);
    (void)unlink(path);
    (void)rmdir(dir);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("demo_progress");
    tcase_add_test(t, everything_is_said_once);
    tcase_add_test(t, without_a_terminal_no_line_changes);
    tcase_add_test(t, on_a_terminal_the_open_round_has_a_bar);
    tcase_add_test(t, an_aborted_round_says_so);
    tcase_add_test(t, a_status_without_its_fields_is_passed_over);
    tcase_add_test(t, the_status_comes_over_the_socket);
    return tally_suite_run("demo_progress", t);
}
