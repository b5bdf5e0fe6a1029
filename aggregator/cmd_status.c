/* cmd_status.c - `status` and `watch`: what the running aggregator says of itself. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/status.h"
#include "common/cli.h"

struct options {
    const char *dir;
    bool json;
};

static const struct tally_cli_option dir_and_json[] = {
    {.name = "dir",
     .value = "DIR",
     .type = TALLY_CLI_TEXT,
     .at = offsetof(struct options, dir),
     .help = "the aggregator's folder (default: here)"},
    {.name = "json",
     .type = TALLY_CLI_FLAG,
     .at = offsetof(struct options, json),
     .help = "one JSON object on stdout"},
};

static enum tally_status ask(const char *dir, json_t **status)
{
    struct tally_aggregator_conf *conf = calloc(1, sizeof *conf);

    TALLY_ENSURE(conf != NULL, TALLY_E_NOMEM, "configuration");
    enum tally_status s = tally_aggregator_conf_load(dir, conf);
    if (s == TALLY_OK) s = tally_status_ask(conf->status_socket, status);
    free(conf);
    return s;
}

int tally_cmd_status(int argc, char **argv)
{
    static const struct tally_cli_spec spec = {
        .about = "Show who is connected, what each job's round is at, and the last rounds.",
        .options = dir_and_json,
        .options_n = 2};
    struct options o = {.dir = "."};
    json_t *status;
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = ask(o.dir, &status);
    if (s != TALLY_OK) return tally_cli_fail(s, o.json, "status", NULL);
    if (o.json) return tally_cli_json(status);
    tally_status_print(status);
    json_decref(status);
    return TALLY_EXIT_DONE;
}

/* Every job done or stopped: 1; no job yet, or one under way: 0. */
static bool all_over(const json_t *status)
{
    const json_t *jobs = json_object_get(status, "jobs"), *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        const char *stopped = json_string_value(json_object_get(job, "stopped"));
        if (!json_is_true(json_object_get(job, "done")) && (stopped == NULL || *stopped == '\0'))
            return false;
    }
    return json_array_size(jobs) != 0;
}

int tally_cmd_watch(int argc, char **argv)
{
    static const struct tally_cli_spec spec = {
        .about = "Show the status again and again until every job is over (Ctrl-C ends it).",
        .options = dir_and_json,
        .options_n = 1};
    static const struct timespec pause = {.tv_nsec = 500000000};
    struct options o = {.dir = "."};
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code != TALLY_CLI_GO) return code;
    for (bool over = false; !over; (void)nanosleep(&pause, NULL)) {
        json_t *status;
        enum tally_status s = ask(o.dir, &status);
        if (s != TALLY_OK) return tally_cli_fail(s, false, "watch", NULL);
        if (isatty(STDOUT_FILENO)) (void)fputs("\033[H\033[2J", stdout);
        tally_status_print(status);
        (void)fflush(stdout);
        over = all_over(status);
        json_decref(status);
    }
    return TALLY_EXIT_DONE;
}
