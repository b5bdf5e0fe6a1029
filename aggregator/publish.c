/* publish.c - from a combined set to a version (hub.h): the lineage is signed, and the store actor
 * keeps model, lineage and the round's end in one commit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/combine.h"

struct publish_task {
    struct tally_task task;
    struct tally_course *course;
    struct tally_combining *combined; /* NULL: an abort */
    char *lineage;                    /* the signed envelope */
    uint64_t round;
    bool has_parent;
    uint8_t parent[32];
};

static enum tally_status publish_run(struct tally_task *task)
{
    struct publish_task *p = (struct publish_task *)task;
    const struct tally_course *c = p->course;
    struct tally_store *store = c->hub->store;
    struct tally_store_version v = {.round = p->round, .published_ms = tally_wall_ms()};

    if (p->combined == NULL)
        return tally_store_round_end(store, c->job.digest, p->round, TALLY_ROUND_ABORT, NULL);
    memcpy(v.digest, p->combined->digest, 32);
    memcpy(v.job, c->job.digest, 32);
    if (p->has_parent) memcpy(v.parent, p->parent, 32);
    v.path = p->combined->path;
    v.lineage = tally_slice_str(p->lineage);
    TALLY_TRY(tally_store_begin(store));
    enum tally_status s = tally_store_version_add(store, &v);
    if (s == TALLY_OK)
        s = tally_store_round_end(store, c->job.digest, p->round, TALLY_ROUND_VERSION, v.digest);
    if (s == TALLY_OK) return tally_store_commit(store);
    tally_store_rollback(store);
    return s;
}

/* What was written is the version now; whoever reads the file next compares its digest. */
static void adopt(struct tally_course *c, const struct tally_combining *t)
{
    c->model = t->model;
    c->params = t->params;
    c->has_version = true;
    c->version_round = t->round;
    c->version_bytes = t->bytes;
    memcpy(c->version, t->digest, sizeof c->version);
    (void)snprintf(c->version_path, sizeof c->version_path, "%s", t->path);
}

static void publish_done(struct tally_task *task)
{
    struct publish_task *p = (struct publish_task *)task;
    struct tally_course *c = p->course;
    struct tally_combining *t = p->combined;

    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(c->hub, "a version cannot be kept", task->why);
    } else if (task->status != TALLY_OK) {
        tally_course_stop(c, task->why);
    } else {
        if (t != NULL) adopt(c, t);
        tally_course_event(c, (struct tally_round_event){.type = TALLY_ROUND_EV_PUBLISHED});
    }
    if (t != NULL) tally_combining_free(t);
    free(p->lineage);
    free(p);
}

static void copy_name(char to[TALLY_NAME_MAX + 1], const char *from)
{
    (void)snprintf(to, TALLY_NAME_MAX + 1, "%s", from);
}

static void lineage_sites(const struct tally_course *c, const struct tally_combining *t,
                          struct tally_lineage *l)
{
    for (uint32_t i = 0; i < c->set.rows_n; i++) {
        const struct tally_set_row *row = &c->set.rows[i];
        struct tally_lineage_site *s = &l->sites[i];
        copy_name(s->org, row->org);
        copy_name(s->node, row->node);
        s->status = (enum tally_lineage_status)row->status;
        (void)snprintf(s->reason, sizeof s->reason, "%s", tally_reason_name(row->reason));
        if (row->status != TALLY_ROW_COUNTED) continue;
        memcpy(s->statement, row->statement, 32);
        memcpy(s->seal, c->accepted[i].seal, 32);
        memcpy(s->evidence, c->accepted[i].ev_digest, 32);
        s->examples = row->examples;
        s->weight = row->weight;
    }
    for (uint32_t i = 0; i < t->sites_n; i++) {
        struct tally_lineage_site *s = &l->sites[t->sites[i].site];
        if (t->sites[i].histogram == NULL) continue;
        s->histogram = json_incref(t->sites[i].histogram);
        s->rows = t->sites[i].rows;
        s->positives = t->sites[i].positives;
    }
}

static void lineage_votes(const struct tally_course *c, struct tally_lineage *l)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->sites_n; i++) {
        const struct tally_ballot *b = &c->ballots[i];
        if (!b->cast || !c->round.sites[i].voted) continue;
        struct tally_lineage_vote *v = &l->votes[n++];
        copy_name(v->org, c->guests[i]->node->org);
        copy_name(v->node, c->guests[i]->node->node);
        v->key_block_bytes = (uint32_t)b->kb_len;
        memcpy(v->key_block, b->kb, b->kb_len);
        memcpy(v->evidence, b->ev_digest, 32);
        memcpy(v->signature, b->signature, 64);
    }
    l->votes_n = n;
}

/* The lineage, signed: payload to envelope text. */
static enum tally_status sign_lineage(const struct tally_course *c, const struct tally_combining *t,
                                      char **envelope)
{
    const struct tally_hub *h = c->hub;
    struct tally_lineage l;
    struct tally_dsse d = {0};
    char *json = NULL;

    TALLY_TRY(tally_lineage_init(&l, c->set.rows_n, c->sites_n));
    memcpy(l.federation, c->set.federation, 32);
    memcpy(l.job, c->job.digest, 32);
    l.round = t->round;
    l.has_parent = c->has_version;
    memcpy(l.parent, c->version, 32);
    memcpy(l.model, t->digest, 32);
    memcpy(l.set, c->set_digest, 32);
    l.key_block_bytes = (uint32_t)h->kb_len;
    memcpy(l.key_block, h->kb, h->kb_len);
    TALLY_SHA256_OF(l.evidence, tally_slice_of(h->own_ev, h->own_ev_len));
    lineage_sites(c, t, &l);
    lineage_votes(c, &l);
    enum tally_status s = tally_lineage_encode(&l, &json);
    tally_lineage_free(&l);
    if (s == TALLY_OK)
        s = tally_dsse_new(tally_lineage_type(h->federation->mode), tally_slice_str(json), &d);
    if (s == TALLY_OK) s = tally_dsse_sign(&d, &tally_hub_instance(h)->attested);
    if (s == TALLY_OK) s = tally_dsse_text(&d, envelope);
    tally_dsse_free(&d);
    free(json);
    return s;
}

/* Metrics of the round's base over all held-out rows that reported, for people. */
static void note_metrics(struct tally_course *c, const struct tally_combining *t)
{
    struct tally_metrics m;

    c->base_known = t->evaluated_n != 0 && tally_metrics_histogram(&m, &t->sum, 0.01) == TALLY_OK;
    if (!c->base_known) return;
    c->base_auc_pr = m.auc_pr;
    c->base_roc_auc = m.roc_auc;
    c->base_recall = m.recall;
}

void tally_publish_version(struct tally_course *c)
{
    struct publish_task *p = calloc(1, sizeof *p);
    struct tally_combining *t = c->combined;

    c->combined = NULL;
    c->base_known = false;
    enum tally_status s =
        p != NULL ? TALLY_OK : TALLY_FAIL(TALLY_E_NOMEM, "a version cannot be published");
    if (s == TALLY_OK && !c->round.abort) s = sign_lineage(c, t, &p->lineage);
    if (s == TALLY_OK) {
        if (t != NULL) note_metrics(c, t);
        p->task.run = publish_run;
        p->task.done = publish_done;
        p->course = c;
        p->combined = t;
        p->round = c->round.number;
        p->has_parent = c->has_version;
        memcpy(p->parent, c->version, 32);
        struct tally_task *task = &p->task;
        s = tally_mailbox_post(c->hub->store_box, &task);
        if (s == TALLY_OK) return;
    }
    tally_course_stop(c, tally_why());
    if (t != NULL) tally_combining_free(t);
    if (p != NULL) free(p->lineage);
    free(p);
}
