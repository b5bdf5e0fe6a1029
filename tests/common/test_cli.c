/* test_cli.c - common/cli.c and common/suggest.c: one table for parsing, help and mistakes. */
#include "common/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/suggest.h"
#include "tests/lib/suite.h"

struct values {
    bool json, dry_run;
    const char *in;
    int64_t rounds;
    struct tally_cli_list extra;
};

static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_FLAG("json", offsetof(struct values, json), "print JSON"),
    TALLY_CLI_OPT_FLAG("dry-run", offsetof(struct values, dry_run), "do nothing"),
    TALLY_CLI_OPT_NEED("in", "FILE", offsetof(struct values, in), "what to read"),
    TALLY_CLI_OPT_INT("rounds", "N", offsetof(struct values, rounds), 1, 40, "how many"),
    TALLY_CLI_OPT_LIST("extra", "X", offsetof(struct values, extra), "more"),
};
static const struct tally_cli_spec spec = {.about = "Signs things.",
                                           .options = options,
                                           .options_n = sizeof options / sizeof options[0],
                                           .operands = "FILE...",
                                           .operands_min = 0,
                                           .operands_max = 2};

static struct values got;
static size_t operands;
static char first_operand[32];

static int run_sign(int argc, char **argv)
{
    got = (struct values){.rounds = 7};
    int code = tally_cli_options(argc, argv, &spec, &got, &operands);
    if (code != TALLY_CLI_GO) return code;
    (void)snprintf(first_operand, sizeof first_operand, "%s", operands > 0 ? argv[1] : "");
    return TALLY_EXIT_DONE;
}

static const struct tally_cli_command sub[] = {
    TALLY_CLI_COMMAND("sign", run_sign, "signs"),
    TALLY_CLI_COMMAND("show", run_sign, "shows"),
};
static const struct tally_cli_command commands[] = {
    TALLY_CLI_GROUP("federation", sub, "the document"),
    TALLY_CLI_COMMAND("status", run_sign, "how it goes"),
};
static const struct tally_cli_program program = {"tally-test", "a test", commands, 2};

static char out_text[4096], err_text[4096];

static void slurp(FILE *f, char *to, size_t cap)
{
    rewind(f);
    size_t n = fread(to, 1, cap - 1, f);
    to[n] = '\0';
}

/* Runs a command line (words parted by spaces) with stdout and stderr caught. */
static int run(const char *line)
{
    static char buf[512]; /* the values point into it */
    char *argv[32] = {0};
    int argc = 0, saved_out = dup(1), saved_err = dup(2);
    FILE *o = tmpfile(), *e = tmpfile();

    (void)snprintf(buf, sizeof buf, "%s", line);
    for (char *save = NULL, *w = strtok_r(buf, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    ck_assert(dup2(fileno(o), 1) == 1 && dup2(fileno(e), 2) == 2);
    int code = tally_cli_main(&program, argc, argv);
    (void)fflush(stdout);
    (void)fflush(stderr);
    ck_assert(dup2(saved_out, 1) == 1 && dup2(saved_err, 2) == 2);
    close(saved_out);
    close(saved_err);
    slurp(o, out_text, sizeof out_text);
    slurp(e, err_text, sizeof err_text);
    fclose(o);
    fclose(e);
    return code;
}

/* Rows as calls, which the formatter keeps within the page. */
#define ROW(...)    \
    {               \
        __VA_ARGS__ \
    }

START_TEST(a_right_line_fills_the_values)
{
    ck_assert_int_eq(run("t federation sign a --in=x --rounds 40 --extra 1 --extra=2 --dry-run b"),
                     TALLY_EXIT_DONE);
    ck_assert_str_eq(got.in, "x");
    ck_assert_int_eq(got.rounds, 40);
    ck_assert(got.dry_run && !got.json);
    ck_assert_uint_eq(got.extra.n, 2);
    ck_assert_str_eq(got.extra.items[1], "2");
    ck_assert_uint_eq(operands, 2);
    ck_assert_str_eq(first_operand, "a");
    ck_assert_int_eq(run("t status --in x -- --json"), TALLY_EXIT_DONE);
    ck_assert_int_eq(got.rounds, 7);
    ck_assert_str_eq(first_operand, "--json");
}
END_TEST

static const struct {
    const char *line, *err;
} wrong[] = {
    ROW("t", "tally-test: a command is missing; see tally-test --help\n"),
    ROW("t federation", "tally-test: a command is missing; see tally-test federation --help\n"),
    ROW("t statsu",
        "tally-test: \"statsu\" is no command of tally-test; did you mean \"status\"?\n"),
    ROW("t fed", "tally-test: \"fed\" is no command of tally-test; did you mean \"federation\"?\n"),
    ROW("t federation xyzzy",
        "tally-test: \"xyzzy\" is no command of tally-test federation; see tally-test federation "
        "--help\n"),
    ROW("t status --jsno --in x",
        "tally-test: --jsno is no option of tally-test status; did you mean --json?\n"),
    ROW("t status --wobble=1", "tally-test: --wobble is no option of tally-test status; see "
                               "tally-test status --help\n"),
    ROW("t status -j", "tally-test: \"-j\": options are written --name\n"),
    ROW("t status", "tally-test: --in FILE is missing; see tally-test status --help\n"),
    ROW("t status --in", "tally-test: --in needs a value: FILE\n"),
    ROW("t status --in x --in y", "tally-test: --in is given twice\n"),
    ROW("t status --in x --dry-run=1", "tally-test: --dry-run takes no value\n"),
    ROW("t status --in x --rounds 41",
        "tally-test: --rounds \"41\": expected an integer from 1 to 40\n"),
    ROW("t status --in x --rounds 4x",
        "tally-test: --rounds \"4x\": expected an integer from 1 to 40\n"),
    ROW("t status --in x --rounds 99999999999999999999",
        "tally-test: --rounds \"99999999999999999999\": expected an integer from 1 to 40\n"),
    ROW("t status --in x a b c",
        "tally-test: tally-test status takes at most 2 operands; 3 are given\n"),
};

START_TEST(wrong_usage_is_one_line_and_exit_2)
{
    ck_assert_int_eq(run(wrong[_i].line), TALLY_EXIT_USAGE);
    ck_assert_str_eq(err_text, wrong[_i].err);
    ck_assert_str_eq(out_text, "");
}
END_TEST

START_TEST(help_is_there_at_every_level)
{
    ck_assert_int_eq(run("t --help"), TALLY_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "  federation  the document\n"));
    ck_assert_int_eq(run("t federation --help"), TALLY_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "  sign  signs\n"));
    ck_assert_int_eq(run("t federation sign --help"), TALLY_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "usage: tally-test federation sign [--json]"));
    ck_assert_ptr_nonnull(strstr(out_text, " --in FILE "));
    ck_assert_ptr_nonnull(strstr(out_text, "how many"));
    ck_assert_str_eq(err_text, "");
}
END_TEST

START_TEST(in_json_mode_stdout_is_one_object_even_for_mistakes)
{
    ck_assert_int_eq(run("t status --json"), TALLY_EXIT_USAGE);
    json_t *j = json_loads(out_text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(json_object_get(j, "error"));
    ck_assert_ptr_eq(strchr(out_text, '\n'), out_text + strlen(out_text) - 1);
    json_decref(j);
}
END_TEST

static int failing(int argc, char **argv)
{
    enum tally_status s = argc > 1 && strcmp(argv[1], "late") == 0
                              ? TALLY_FAIL(TALLY_E_UNDECIDED, "no CRL")
                              : TALLY_REFUSE(TALLY_R_E_CHIP, "chip %d", 7);
    return tally_cli_fail(s, argc > 2, "check", "list it");
}

START_TEST(a_failure_is_one_line_with_its_reason_and_what_to_do)
{
    static const struct tally_cli_command one[] = {
        {"check", failing, "fails", NULL, 0}
    };
    static const struct tally_cli_program p = {"tally-test", "a test", one, 1};
    int saved_err = dup(2), saved_out = dup(1);
    FILE *e = tmpfile(), *o = tmpfile();
    char t[] = "t", check[] = "check", now[] = "now", late_word[] = "late", x[] = "x";
    char *argv[] = {t, check, now, NULL}, *late[] = {t, check, late_word, x, NULL};

    ck_assert(dup2(fileno(e), 2) == 2 && dup2(fileno(o), 1) == 1);
    int code = tally_cli_main(&p, 3, argv), code_late = tally_cli_main(&p, 4, late);
    (void)fflush(stdout);
    ck_assert(dup2(saved_err, 2) == 2 && dup2(saved_out, 1) == 1);
    slurp(e, err_text, sizeof err_text);
    slurp(o, out_text, sizeof out_text);
    ck_assert_int_eq(code, TALLY_EXIT_FAILED);
    ck_assert_int_eq(code_late, TALLY_EXIT_UNDECIDED);
    ck_assert_str_eq(err_text, "tally-test: check: E_CHIP: chip 7; list it\n"
                               "tally-test: check: no CRL; list it\n");
    ck_assert_str_eq(out_text, "{\"error\":\"check: no CRL; list it\"}\n");
    fclose(e);
    fclose(o);
    close(saved_err);
    close(saved_out);
}
END_TEST

START_TEST(near_words_are_suggested_and_far_ones_are_not)
{
    const char *words[] = {"state_dir", "mode", NULL, "threads"};

    ck_assert_str_eq(tally_suggest("statedir", words, 4), "state_dir");
    ck_assert_str_eq(tally_suggest("thraeds", words, 4), "threads");
    ck_assert_str_eq(tally_suggest("mod", words, 4), "mode");
    ck_assert_str_eq(tally_suggest("thr", words, 4), "threads");
    ck_assert_ptr_null(tally_suggest("org", words, 4));
    ck_assert_ptr_null(tally_suggest("", words, 4));
    ck_assert_ptr_null(tally_suggest("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", words, 4));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cli");

    tcase_add_test(t, a_right_line_fills_the_values);
    tcase_add_loop_test(t, wrong_usage_is_one_line_and_exit_2, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, help_is_there_at_every_level);
    tcase_add_test(t, in_json_mode_stdout_is_one_object_even_for_mistakes);
    tcase_add_test(t, a_failure_is_one_line_with_its_reason_and_what_to_do);
    tcase_add_test(t, near_words_are_suggested_and_far_ones_are_not);
    return tally_suite_run("common/cli", t);
}
