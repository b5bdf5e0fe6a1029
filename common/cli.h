/* cli.h - the command line of all programs: one table of commands, one table of options each.
 *
 * Help, usage errors and "did you mean" come from the same tables that the parsing uses, so they
 * cannot drift. Exit codes: 0 done, 1 refused or failed (one line on stderr saying why and what to
 * do), 2 wrong usage, 3 could not decide. With --json, stdout is exactly one object and a newline,
 * {"error": "..."} on failure; everything else goes to stderr. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum tally_exit { TALLY_EXIT_DONE, TALLY_EXIT_FAILED, TALLY_EXIT_USAGE, TALLY_EXIT_UNDECIDED };

/* ---- commands ---- */

/* A command runs with argv[0] = the whole way to it ("tally-agent federation sign"), and gives
 * back an exit code. It calls tally_cli_options() first, which also answers --help. */
struct tally_cli_command {
    const char *name;
    int (*run)(int argc, char **argv);   /* NULL: a group */
    const char *help;                    /* one line */
    const struct tally_cli_command *sub; /* of a group: its commands */
    size_t sub_n;
};

/* Rows of a table of commands. */
#define TALLY_CLI_COMMAND(name_, run_, help_)           \
    {                                                   \
        .name = (name_), .run = (run_), .help = (help_) \
    }
#define TALLY_CLI_GROUP(name_, sub_, help_)                                                        \
    {                                                                                              \
        .name = (name_), .sub = (sub_), .sub_n = sizeof(sub_) / sizeof((sub_)[0]), .help = (help_) \
    }

struct tally_cli_program {
    const char *name;  /* "tally-agent" */
    const char *about; /* one line */
    const struct tally_cli_command *commands;
    size_t commands_n;
};

/* Finds the command of argv and runs it; --help and --version at every level that is no command.
 * Returns the exit code. */
int tally_cli_main(const struct tally_cli_program *program, int argc, char **argv);

/* ---- options of one command ---- */

enum tally_cli_type {
    TALLY_CLI_FLAG, /* bool */
    TALLY_CLI_TEXT, /* const char *, NULL if not given */
    TALLY_CLI_INT,  /* int64_t in min..max; the values' own content is the default */
    TALLY_CLI_LIST, /* struct tally_cli_list: may be given more than once */
};

enum { TALLY_CLI_LIST_MAX = 64 };
struct tally_cli_list {
    const char *items[TALLY_CLI_LIST_MAX];
    size_t n;
};

struct tally_cli_option {
    const char *name;  /* without dashes */
    const char *value; /* what the value is, for help: "FILE"; NULL for a flag */
    enum tally_cli_type type;
    size_t at;        /* offsetof in the command's values */
    int64_t min, max; /* of an integer */
    bool required;
    const char *help;
};

/* Rows of the table, for the member of the command's struct of values. */
#define TALLY_CLI_ROW_(n, v, t, at_, lo, hi, must, text)                               \
    {                                                                                  \
        .name = (n), .value = (v), .type = (t), .at = (at_), .min = (lo), .max = (hi), \
        .required = (must), .help = (text)                                             \
    }
#define TALLY_CLI_OPT_FLAG(name, at, help) \
    TALLY_CLI_ROW_(name, NULL, TALLY_CLI_FLAG, at, 0, 0, false, help)
#define TALLY_CLI_OPT_TEXT(name, value, at, help) \
    TALLY_CLI_ROW_(name, value, TALLY_CLI_TEXT, at, 0, 0, false, help)
#define TALLY_CLI_OPT_NEED(name, value, at, help) /* text that must be given */ \
    TALLY_CLI_ROW_(name, value, TALLY_CLI_TEXT, at, 0, 0, true, help)
#define TALLY_CLI_OPT_INT(name, value, at, lo, hi, help) \
    TALLY_CLI_ROW_(name, value, TALLY_CLI_INT, at, lo, hi, false, help)
#define TALLY_CLI_OPT_LIST(name, value, at, help) \
    TALLY_CLI_ROW_(name, value, TALLY_CLI_LIST, at, 0, 0, false, help)

struct tally_cli_spec {
    const char *about; /* what the command does */
    const struct tally_cli_option *options;
    size_t options_n;
    const char *operands; /* for help: "FILE..."; NULL: none */
    size_t operands_min, operands_max;
};

enum { TALLY_CLI_GO = -1 };

/* Fills the caller's values (defaults already in place). `--name VALUE`, `--name=VALUE`, `--` ends
 * the options; the operands are moved behind argv[0] in order, NULL after the last, their number
 * in *operands_n (may be NULL if there can be none). TALLY_CLI_GO to go on; else the exit code to
 * return: help was printed, or one line saying what is wrong. */
int tally_cli_options(int argc, char **argv, const struct tally_cli_spec *spec, void *values,
                      size_t *operands_n);

/* ---- results ---- */

/* Prints the object and a newline on stdout and frees it; the exit code TALLY_EXIT_DONE, or
 * TALLY_EXIT_FAILED when stdout cannot be written. */
int tally_cli_json(json_t *object);

/* Ends an error: "tally-agent: what: why; remedy" on stderr, and {"error": ...,"reason": ...} on
 * stdout if json. why is this thread's tally_why_text(); remedy may be NULL. The exit code for the
 * status: TALLY_EXIT_UNDECIDED for TALLY_E_UNDECIDED, else TALLY_EXIT_FAILED. */
int tally_cli_fail(enum tally_status status, bool json, const char *what, const char *remedy);

/* A line for people: on stdout, or on stderr when stdout belongs to --json. */
void tally_cli_say(bool json, const char *fmt, ...) TALLY_PRINTF(2, 3);

/* One line on stderr: "tally-agent: warning: ...". */
void tally_cli_warn(const char *fmt, ...) TALLY_PRINTF(1, 2);
