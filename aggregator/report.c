/* report.c - what the aggregator is doing, as one JSON object for whoever connects to the status
 * socket (hub.h): `status` and `watch` print it. Read-only: nothing is read from a connection. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aggregator/hub.h"
#include "aggregator/status.h"

enum { BACKLOG = 16, SEND_BUFFER = 4 << 20, HISTORY_SHOWN = 2000 };

static json_t *hex_json(const uint8_t *at, size_t n)
{
    char text[65];

    tally_hex(tally_slice_of(at, n), text);
    return json_string(text);
}

static json_t *name_json(const char *org, const char *node)
{
    return json_sprintf("%s/%s", org, node);
}

static const char *const phases[] = {"idle", "training", "uploading", "voting", "waiting"};
static const char *const kinds[] = {"", "moments", "delta", "evaluation"};

static json_t *node_json(const struct tally_guest *g)
{
    uint32_t phase = g->phase < sizeof phases / sizeof phases[0] ? g->phase : 0;

    return json_pack("{s:o, s:b, s:s, s:I, s:I, s:s, s:s}", "agent",
                     name_json(g->node->org, g->node->node), "connected", g->live != NULL, "phase",
                     phases[phase], "done", (json_int_t)g->first, "total", (json_int_t)g->total,
                     "reason", tally_reason_name(g->refused), "why", g->why);
}

/* The rows of one status in a finished round. */
static json_t *rows_json(const struct tally_history *h, enum tally_row_status status)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < h->rows_n; i++) {
        const struct tally_set_row *r = &h->rows[i];
        if (r->status != status) continue;
        json_t *name = name_json(r->org, r->node);
        if (status == TALLY_ROW_EXCLUDED)
            name = json_pack("{s:o, s:s}", "agent", name, "reason", tally_reason_name(r->reason));
        (void)json_array_append_new(list, name);
    }
    return list;
}

static json_t *history_json(const struct tally_history *h)
{
    json_t *base = json_null();

    if (h->base_known)
        base = json_pack("{s:f, s:f, s:f}", "auc_pr", h->base_auc_pr, "roc_auc", h->base_roc_auc,
                         "recall_at_1pct_fpr", h->base_recall);
    return json_pack("{s:I, s:s, s:s, s:f, s:o, s:o, s:o, s:o}", "round", (json_int_t)h->round,
                     "kind", kinds[h->kind & 3], "outcome", h->aborted ? "abort" : "version",
                     "seconds", h->seconds, "accepted", rows_json(h, TALLY_ROW_COUNTED), "excluded",
                     rows_json(h, TALLY_ROW_EXCLUDED), "absent", rows_json(h, TALLY_ROW_ABSENT),
                     "base", base);
}

static json_t *version_json(const struct tally_course *c)
{
    if (!c->has_version) return json_null();
    return json_pack("{s:o, s:I, s:o}", "digest", hex_json(c->version, 32), "round",
                     (json_int_t)c->version_round, "file",
                     json_sprintf("%s/%s", c->hub->dir, c->version_path));
}

/* What an open round waits for, for people. */
static json_t *waiting_json(const struct tally_course *c)
{
    const struct tally_round *r = &c->round;

    if (c->stopped || c->done) return json_string("");
    if (r->state == TALLY_ROUND_COLLECTING)
        return json_sprintf("waiting for updates %u/%u", tally_round_orgs_accepted(r), r->orgs_n);
    if (r->state == TALLY_ROUND_VOTING)
        return json_sprintf("waiting for votes %u/%u", tally_round_orgs_voted(r), r->quorum);
    if (r->state != TALLY_ROUND_WRAPPING) return json_string("");
    for (uint32_t i = 0; i < c->sites_n; i++) {
        if (r->sites[i].status == TALLY_SITE_ACCEPTED && r->sites[i].wrap_lost)
            return json_sprintf("waiting for wrap %s/%s", c->guests[i]->node->org,
                                c->guests[i]->node->node);
    }
    return json_string("");
}

static json_t *course_json(const struct tally_course *c)
{
    json_t *accepted = json_array(), *history = json_array();
    uint32_t first = c->history_n > HISTORY_SHOWN ? c->history_n - HISTORY_SHOWN : 0;

    for (uint32_t i = 0; i < c->sites_n; i++) {
        if (c->round.sites[i].status != TALLY_SITE_ACCEPTED) continue;
        (void)json_array_append_new(accepted,
                                    name_json(c->guests[i]->node->org, c->guests[i]->node->node));
    }
    for (uint32_t i = first; i < c->history_n; i++)
        (void)json_array_append_new(history, history_json(&c->history[i]));
    return json_pack("{s:s, s:o, s:s, s:I, s:s, s:I, s:I, s:b, s:s, s:o, s:o, s:o, s:o}", "name",
                     c->job.name, "digest", hex_json(c->job.digest, 32), "state",
                     tally_round_table[c->round.state].name, "round", (json_int_t)c->round.number,
                     "kind", kinds[c->round.kind & 3], "rounds", (json_int_t)c->job.rounds,
                     "rounds_done", (json_int_t)c->deltas_done, "done", c->done, "stopped",
                     c->stopped ? c->why : "", "waiting", waiting_json(c), "version",
                     version_json(c), "accepted", accepted, "history", history);
}

static char *report(const struct tally_hub *h)
{
    json_t *nodes = json_array(), *jobs = json_array();

    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        if (h->guests[i].node->role == TALLY_ROLE_AGENT)
            (void)json_array_append_new(nodes, node_json(&h->guests[i]));
    }
    for (uint32_t i = 0; i < h->courses_n; i++)
        (void)json_array_append_new(jobs, course_json(h->courses[i]));
    json_t *root =
        json_pack("{s:{s:s, s:I, s:o}, s:s, s:I, s:o, s:o}", "federation", "name",
                  h->federation->name, "version", (json_int_t)h->federation->version, "digest",
                  hex_json(h->federation->digest, 32), "software", TALLY_SOFTWARE,
                  "evidence_verified", (json_int_t)h->verified_n, "nodes", nodes, "jobs", jobs);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* One object and the end. Whoever does not read it in time gets less, and delays nobody. */
static void answer(void *hub)
{
    struct tally_hub *h = hub;
    int fd = accept4(h->status_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), size = SEND_BUFFER;
    char *text;

    if (fd < 0) return;
    text = report(h);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    for (size_t at = 0, len = text != NULL ? strlen(text) : 0; at < len;) {
        ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) break;
        at += (size_t)n;
    }
    free(text);
    (void)close(fd);
}

enum tally_status tally_report_open(struct tally_hub *h, const char *path)
{
    struct sockaddr_un a;
    int dir;

    TALLY_TRY(tally_status_address(path, &a, &dir));
    (void)unlink(path);
    h->status_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = h->status_fd >= 0 && bind(h->status_fd, (const struct sockaddr *)&a, sizeof a) == 0 &&
              chmod(path, 0600) == 0 && listen(h->status_fd, BACKLOG) == 0;
    int why = errno;
    (void)close(dir);
    TALLY_ENSURE(ok, TALLY_E_IO, "%s: %s", path, strerror(why));
    struct tally_loop_source source = {.fd = h->status_fd, .run = answer, .ctx = h};
    return tally_loop_add(h->loop, &source, &h->status_source);
}

void tally_report_close(struct tally_hub *h)
{
    tally_loop_remove(h->loop, &h->status_source);
    if (h->status_fd > 0) (void)close(h->status_fd);
    h->status_fd = 0;
}
