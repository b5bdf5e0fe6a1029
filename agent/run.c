/* run.c - `tally-agent run` (desk.h): one tour after another. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/commands.h"
#include "agent/desk.h"
#include "common/cli.h"
#include "common/file.h"
#include "common/log.h"

struct options {
    const char *dir;
    bool until_done;
};

/* One process has the state folder: two would each remember their own vote, and overwrite the
 * other's. Held until the process ends. */
static enum tally_status lock(const struct tally_agent_conf *conf, int *fd)
{
    char path[TALLY_DESK_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/lock", conf->state_dir);
    TALLY_TRY(tally_file_make_dirs(conf->state_dir, TALLY_FILE_DIR_MODE_PRIVATE));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, TALLY_FILE_MODE_SECRET);
    TALLY_ENSURE(*fd >= 0, TALLY_E_IO, "%s: %s", path, strerror(errno));
    TALLY_ENSURE(flock(*fd, LOCK_EX | LOCK_NB) == 0, TALLY_E_STATE,
                 "another tally-agent runs with %s: end it first", conf->state_dir);
    return TALLY_OK;
}

/* A fresh desk for each tour; *outcome is how it ended. */
static enum tally_status tour(struct tally_agent_conf *conf, struct tally_held *held,
                              const struct options *o, enum tally_outcome *outcome)
{
    struct tally_desk *d = tally_desk_new(conf, held);
    uint8_t job[32];

    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "agent");
    d->until_done = o->until_done;
    d->federation = calloc(1, sizeof *d->federation);
    d->revoked = calloc(1, sizeof *d->revoked);
    enum tally_status s =
        d->federation && d->revoked ? TALLY_OK : TALLY_FAIL(TALLY_E_NOMEM, "agent");
    bool has = false;
    if (s == TALLY_OK)
        s = tally_fedstore_load(&d->place.store, tally_wall_ms() / 1000, d->federation, d->revoked);
    if (s == TALLY_OK) has = tally_papers_choose(d, job);
    free(d->federation);
    free(d->revoked);
    d->federation = NULL;
    d->revoked = NULL;
    if (s == TALLY_OK) s = tally_tour(d, has ? job : NULL);
    *outcome = d->outcome;
    tally_desk_free(d);
    return s;
}

int tally_cmd_run(int argc, char **argv)
{
    static const struct tally_cli_option options[] = {
        {.name = "dir",
         .value = "DIR",
         .type = TALLY_CLI_TEXT,
         .at = offsetof(struct options, dir),
         .help = "the agent's folder (default: here)"},
        {.name = "until-done",
         .type = TALLY_CLI_FLAG,
         .at = offsetof(struct options, until_done),
         .help = "end when a job's last version is taken"}
    };
    static const struct tally_cli_spec spec = {
        .about = "Take part in the federation's jobs until stopped (SIGTERM, Ctrl-C).",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    struct options o = {.dir = "."};
    struct tally_held held = {.instance = {.of = {0}}};
    struct tally_agent_conf *conf = calloc(1, sizeof *conf);
    enum tally_outcome outcome = TALLY_OUTCOME_AGAIN;
    uint64_t files;
    int locked = -1, code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code == TALLY_CLI_GO) {
        TALLY_ASSERT(conf != NULL);
        enum tally_status s = tally_agent_conf_load(o.dir, conf);
        if (s == TALLY_OK) tally_log_setup_named(conf->log_level, conf->log_format);
        if (s == TALLY_OK) s = lock(conf, &locked);
        if (s == TALLY_OK) s = tally_transport_start(&files);
        while (s == TALLY_OK && outcome == TALLY_OUTCOME_AGAIN) s = tour(conf, &held, &o, &outcome);
        tally_held_free(&held);
        tally_transport_stop();
        code = s == TALLY_OK ? TALLY_EXIT_DONE
                             : tally_cli_fail(s, false, "run",
                                              "what was acknowledged is kept; start again when "
                                              "this is mended");
    }
    if (locked >= 0) (void)close(locked);
    free(conf);
    return code;
}
