/* cmd_check.c - `tally-agent check`: everything short of training. Connects, verifies the
 * aggregator's evidence, takes what jobs are offered, reads the local table against each job's
 * schema, and reports each point with its fix. */
#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/check_device.h"
#include "agent/commands.h"
#include "agent/desk.h"
#include "common/cli.h"
#include "common/log.h"

struct options {
    const char *dir;
    bool json;
};

/* The report being made: points in order, good ones too. */
struct report {
    json_t *list;
    bool json;
    uint32_t bad;
};

static void say(struct report *r, bool good, const char *what, const char *fix)
{
    (void)json_array_append_new(
        r->list, json_pack("{s:b, s:s, s:s}", "ok", good, "what", what, "fix", good ? "" : fix));
    if (!good) r->bad++;
    if (r->json) return;
    (void)printf("%s  %s\n", good ? "ok     " : "PROBLEM", what);
    if (!good && *fix != '\0') (void)printf("         %s\n", fix);
}

static void say_points(struct report *r, const struct tally_points *p, const char *good)
{
    if (tally_points_bad(p) == 0) say(r, true, good, "");
    for (uint32_t i = 0; i < p->n; i++) say(r, p->list[i].note, p->list[i].what, p->list[i].fix);
}

/* What is in force here, while it is checked. */
struct papers {
    struct tally_federation f;
    struct tally_revocations revoked;
    const struct tally_node *self;
};

static void say_device(void *report, bool good, const char *what, const char *fix)
{
    say(report, good, what, fix);
}

/* The machine, before any connection; without a document too, for the document is to name it. */
static void check_device(struct report *r, const struct tally_desk *d, const struct papers *p)
{
    const struct tally_describe to = {say_device, r};
    struct tally_check_device c = {.conf = d->conf};

    if (p != NULL) {
        c.federation = &p->f;
        c.revoked = &p->revoked;
        c.self = p->self;
    }
    tally_check_device(&c, &to);
}

/* The document, before any connection. */
static bool load_documents(struct report *r, struct tally_desk *d, struct papers *p)
{
    char text[TALLY_DESK_WHY_MAX];
    bool good = tally_fedstore_load(&d->place.store, tally_wall_ms() / 1000, &p->f, &p->revoked) ==
                    TALLY_OK &&
                tally_revocations_resolve(&p->revoked, &p->f) == TALLY_OK;

    if (good)
        (void)snprintf(text, sizeof text, "federation %s, version %u, is in force", p->f.name,
                       p->f.version);
    else
        (void)snprintf(text, sizeof text, "%s", tally_why_text());
    say(r, good, text, "take it into use with `tally-agent federation sign`");
    if (!good) return false;
    p->self = tally_federation_node(&p->f, d->place.store.org, d->place.node);
    (void)snprintf(text, sizeof text, "this node is %s/%s%s", d->place.store.org, d->place.node,
                   p->self == NULL ? ", which the federation does not list" : "");
    say(r, p->self != NULL, text, "send agent.pub.json to the model owner");
    if (p->self != NULL && p->self->any_chip)
        say(r, true, "warning: the federation lets this node run on any machine", "");
    return true;
}

static bool check_documents(struct report *r, struct tally_desk *d)
{
    struct papers *p = calloc(1, sizeof *p);

    if (p == NULL) {
        say(r, false, "out of memory", "");
        return false;
    }
    bool good = load_documents(r, d, p);
    check_device(r, d, good ? p : NULL);
    good = good && p->self != NULL;
    free(p);
    return good;
}

/* Evidence and offers: one session without a job. */
static void check_aggregator(struct report *r, struct tally_desk *d)
{
    char text[TALLY_DESK_WHY_MAX];
    enum tally_status s = tally_tour(d, NULL);

    if (s != TALLY_OK) {
        say(r, false, tally_why_text(), "mend this first; then check again");
        return;
    }
    if (tally_points_bad(d->points) != 0) {
        say_points(r, d->points, "");
    } else if (!d->checked.proven) {
        (void)snprintf(text, sizeof text, "no session with the aggregator at %s",
                       d->checked.endpoint);
        say(r, false, text,
            d->checked.connected
                ? "it is reached but refuses: its `status` says why (evidence, chip, program)"
                : "is it serving there, and may this machine connect out to it?");
    } else {
        (void)snprintf(text, sizeof text,
                       "the aggregator at %s proved itself: measurement %.16s..., key id %.16s...",
                       d->checked.endpoint, d->checked.measurement, d->checked.key_id);
        say(r, true, text, "");
        say(r, true, "it accepted this node's evidence", "");
    }
}

static void check_table(struct report *r, struct tally_desk *d, const char *path)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse e = {0};
    TALLY_CLEANUP(tally_job_free) struct tally_job job = {0};
    struct tally_trainer t = {0};
    char text[TALLY_CONF_PATH_SIZE + TALLY_DESK_WHY_MAX];

    if (tally_envelope_read(path, TALLY_JOB_BYTES_MAX, &e) != TALLY_OK ||
        tally_job_parse(tally_slice_of(e.payload, e.payload_len), &job) != TALLY_OK) {
        say(r, false, tally_why_text(), "ask the model owner for a job that can be read");
        return;
    }
    memset(d->points, 0, sizeof *d->points);
    if (tally_trainer_load(&job, d->conf->data, d->points, &t) != TALLY_OK &&
        tally_points_bad(d->points) == 0)
        tally_points_add(d->points, false, "see `data` in agent.yaml", "%s", tally_why_text());
    (void)snprintf(text, sizeof text, "job %s: %s fits: %llu rows, %llu held out, %llu positives",
                   job.name, d->conf->data, (unsigned long long)t.data.rows,
                   (unsigned long long)t.data.held_rows, (unsigned long long)t.data.positives);
    say_points(r, d->points, text);
    tally_trainer_free(&t);
}

static void check_jobs(struct report *r, struct tally_desk *d)
{
    char dir[TALLY_DESK_PATH_MAX], path[TALLY_DESK_PATH_MAX + 300];
    struct dirent *entry;
    uint32_t found = 0;

    (void)snprintf(dir, sizeof dir, "%s/jobs", d->conf->state_dir);
    DIR *list = opendir(dir);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (strlen(entry->d_name) != 69) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        check_table(r, d, path);
        found++;
    }
    if (list != NULL) (void)closedir(list);
    if (found == 0) say(r, true, "no job has been offered to this bank yet", "");
}

static enum tally_status check(struct tally_agent_conf *conf, struct report *r)
{
    struct tally_held held = {.instance = {.of = {0}}};
    struct tally_desk *d = tally_desk_new(conf, &held);
    uint64_t files;

    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "check");
    d->points = calloc(1, sizeof *d->points);
    d->checking = true;
    enum tally_status s =
        d->points ? tally_transport_start(&files) : TALLY_FAIL(TALLY_E_NOMEM, "check");
    if (s == TALLY_OK) {
        tally_log_setup(TALLY_LOG_TEXT, TALLY_LOG_ERROR + 1, 2);
        if (check_documents(r, d)) {
            check_aggregator(r, d);
            check_jobs(r, d);
        }
        tally_transport_stop();
    }
    free(d->points);
    tally_desk_free(d);
    tally_held_free(&held);
    return s;
}

int tally_cmd_check(int argc, char **argv)
{
    static const struct tally_cli_option options[] = {
        {.name = "dir",
         .value = "DIR",
         .type = TALLY_CLI_TEXT,
         .at = offsetof(struct options, dir),
         .help = "the agent's folder (default: here)"},
        {.name = "json",
         .type = TALLY_CLI_FLAG,
         .at = offsetof(struct options, json),
         .help = "one JSON object on stdout"}
    };
    static const struct tally_cli_spec spec = {
        .about = "Check documents, connection, both sides' evidence and the local table, without "
                 "training.",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    struct options o = {.dir = "."};
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code != TALLY_CLI_GO) return code;
    struct report r = {.list = json_array(), .json = o.json};
    struct tally_agent_conf *conf = calloc(1, sizeof *conf);
    enum tally_status s =
        conf ? tally_agent_conf_load(o.dir, conf) : TALLY_FAIL(TALLY_E_NOMEM, "check");
    if (s == TALLY_OK) s = check(conf, &r);
    free(conf);
    if (s != TALLY_OK) {
        json_decref(r.list);
        return tally_cli_fail(s, o.json, "check", NULL);
    }
    if (o.json) (void)tally_cli_json(json_pack("{s:b, s:O}", "ok", r.bad == 0, "points", r.list));
    json_decref(r.list);
    return r.bad == 0 ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
}
