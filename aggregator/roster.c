/* roster.c - a course as such: its sites in identity order, made and found again (hub.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "common/log.h"

static int by_name(const void *a, const void *b)
{
    const struct tally_node *x = (*(struct tally_guest *const *)a)->node,
                            *y = (*(struct tally_guest *const *)b)->node;
    int org = strcmp(x->org, y->org);

    return org != 0 ? org : strcmp(x->node, y->node);
}

/* Sites in byte order of organisation, then node; organisations numbered along. */
static enum tally_status make_sites(struct tally_course *c)
{
    const struct tally_federation *f = c->hub->federation;
    uint32_t orgs[TALLY_ROUND_SITES_MAX], org = 0;

    for (uint32_t i = 0; i < f->nodes_n; i++) {
        if (f->nodes[i].role != TALLY_ROLE_AGENT || !tally_job_has(&c->job, f->nodes[i].org))
            continue;
        c->guests[c->sites_n++] = &c->hub->guests[i];
    }
    TALLY_ENSURE(c->sites_n > 0, TALLY_E_CONFIG, "no participant of the job has an agent");
    qsort(c->guests, c->sites_n, sizeof c->guests[0], by_name);
    for (uint32_t i = 0; i < c->sites_n; i++) {
        if (i > 0 && strcmp(c->guests[i]->node->org, c->guests[i - 1]->node->org) != 0) org++;
        orgs[i] = org;
    }
    TALLY_ENSURE(org + 1 == c->job.participants_n, TALLY_E_CONFIG,
                 "%u of %u participants have an agent in the federation", org + 1,
                 c->job.participants_n);
    TALLY_ENSURE(tally_quorum_ok(f->quorum, org + 1, f->tolerated), TALLY_E_CONFIG,
                 "a quorum of %u with %u tolerated does not fit %u organisations: two different "
                 "sets could both be voted",
                 f->quorum, f->tolerated, org + 1);
    return tally_round_init(&c->round, orgs, c->sites_n, c->job.cohort_min, f->quorum);
}

enum tally_status tally_course_new(struct tally_hub *h, struct tally_slice payload,
                                   struct tally_course **out)
{
    struct tally_course *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL, TALLY_E_NOMEM, "course");
    c->hub = h;
    c->history = calloc(TALLY_HISTORY_MAX, sizeof *c->history);
    enum tally_status s = c->history == NULL ? TALLY_FAIL(TALLY_E_NOMEM, "course")
                                             : tally_job_parse(payload, &c->job);
    if (s == TALLY_OK) s = make_sites(c);
    if (s != TALLY_OK) {
        tally_course_free(&c);
        return s;
    }
    *out = c;
    return TALLY_OK;
}

void tally_course_free(struct tally_course **c)
{
    if (*c == NULL) return;
    for (uint32_t i = 0; i < (*c)->history_n; i++) free((*c)->history[i].rows);
    free((*c)->history);
    tally_job_free(&(*c)->job);
    free(*c);
    *c = NULL;
}

struct tally_course *tally_course_by_digest(struct tally_hub *h, const uint8_t digest[32])
{
    for (uint32_t i = 0; i < h->courses_n; i++) {
        if (memcmp(h->courses[i]->job.digest, digest, 32) == 0) return h->courses[i];
    }
    return NULL;
}

uint32_t tally_course_site(const struct tally_course *c, const struct tally_guest *g)
{
    uint32_t i = 0;

    while (i < c->sites_n && c->guests[i] != g) i++;
    return i;
}

void tally_course_stop(struct tally_course *c, const char *why)
{
    c->stopped = true;
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    TALLY_LOG(TALLY_LOG_ERROR, "job_stopped", tally_log_str("job", c->job.name),
              tally_log_str("why", why));
}
