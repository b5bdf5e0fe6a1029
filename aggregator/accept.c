/* accept.c - the end of an upload (hub.h): the file is opened once, and only what opens, adds up
 * and is finite becomes durable and is acknowledged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/intake.h"
#include "aggregator/sealed.h"

/* Combining stops at moments that do not decode, so they never get that far. */
static enum tally_status check_moments(const struct tally_payload *p, const struct tally_schema *s)
{
    struct tally_moments m;

    TALLY_REFUSE_UNLESS(tally_moments_decode(p->moments, s, &m) == TALLY_OK, TALLY_R_E_UPDATE,
                        "its moments: %s", tally_why_text());
    tally_moments_free(&m);
    return TALLY_OK;
}

static enum tally_status open_once(struct tally_intake *in)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret key = {0};
    struct tally_sealed s;
    char path[2 * TALLY_HUB_PATH_MAX], hex[65];
    uint8_t digest[32];

    tally_merkle_root(&in->tree, digest);
    TALLY_REFUSE_UNLESS(memcmp(digest, in->st.seal_digest, 32) == 0, TALLY_R_E_UPDATE,
                        "the pieces are not those of the seal digest");
    TALLY_TRY(tally_sealed_key(tally_hub_instance(in->hub)->kem_secret, in->hub->key_id,
                               in->parts.wrap, in->st.seal_digest, &key));
    tally_hex(tally_slice_of(in->st.seal_digest, 32), hex);
    (void)snprintf(path, sizeof path, "%s/spool/%s.part", in->hub->dir, hex);
    TALLY_TRY(tally_sealed_open(path, &key, &in->st, &s));
    enum tally_status status = TALLY_OK;
    if (in->st.kind == TALLY_PAYLOAD_DELTA && s.parts.values != in->params)
        status = TALLY_REFUSE(TALLY_R_E_UPDATE, "%llu values for a model of %zu",
                              (unsigned long long)s.parts.values, in->params);
    if (status == TALLY_OK) status = tally_sealed_check(&s);
    if (status == TALLY_OK && in->st.kind == TALLY_PAYLOAD_MOMENTS)
        status = check_moments(&s.parts, in->schema);
    tally_sealed_close(&s);
    return status;
}

static enum tally_status keep(struct tally_intake *in, struct intake_job *j)
{
    struct tally_store_update u = {
        .key = {.round = in->st.round, .org = in->st.org, .node = in->st.node},
        .head = {in->head,                     in->head_len                              },
        .key_block = {in->kb,                     in->kb_len  },
        .appraised_ms = in->appraised_ms,
        .wrap = {in->parts.wrap,                     TALLY_WRAP_BYTES                      },
        .path = in->path,
        .sealed_bytes = in->st.sealed_bytes,
        .examples = in->st.examples,
        .accepted_ms = tally_wall_ms()
    };

    memcpy(u.key.job, in->st.job, 32);
    memcpy(u.st_digest, in->st_digest, 32);
    memcpy(u.ev_digest, in->ev_digest, 32);
    memcpy(u.seal_digest, in->st.seal_digest, 32);
    memcpy(u.wrap_key_id, in->hub->key_id, 32);
    memcpy(u.ack_key_id, in->hub->key_id, 32);
    TALLY_TRY(tally_ack_sign(&tally_hub_instance(in->hub)->attested, in->st_digest, in->ev_digest,
                             u.ack));
    memcpy(j->ack, u.ack, sizeof j->ack);
    return tally_store_update_add(in->hub->store, &u, &j->found);
}

enum tally_status tally_intake_finish_run(struct tally_task *task)
{
    struct intake_job *j = (struct intake_job *)task;
    struct tally_intake *in = j->in;
    enum tally_status s = open_once(in);

    if (s != TALLY_OK) {
        char why[TALLY_TASK_WHY_MAX];
        enum tally_reason r = tally_reason();
        (void)snprintf(why, sizeof why, "%s", tally_why_text());
        (void)!tally_spool_drop(in->hub->spool, in->st.seal_digest);
        return r == TALLY_R_NONE ? TALLY_FAIL(s, "%s", why) : TALLY_REFUSE(r, "%s", why);
    }
    TALLY_TRY(tally_spool_finish(in->hub->spool, in->st.seal_digest, in->path));
    return keep(in, j);
}

void tally_intake_acknowledge(struct tally_session *l, const uint8_t st_digest[32],
                              const uint8_t ack[TALLY_SIGNATURE_BYTES])
{
    struct tally_message m = {.type = TALLY_MSG_ACK};

    memcpy(m.digest, st_digest, 32);
    memcpy(m.signature, ack, sizeof m.signature);
    (void)tally_session_send(l, &m);
}

/* What the round needs to know of an update that is durable. */
static void count(struct tally_course *c, uint32_t site, const struct tally_intake *in)
{
    struct tally_accepted *a = &c->accepted[site];
    struct tally_round_event ev = {.type = TALLY_ROUND_EV_ACCEPTED,
                                   .site = site,
                                   .statement = in->st_digest,
                                   .examples = in->st.examples};

    a->st_len = in->parts.st.len;
    memcpy(a->st, in->parts.st.at, a->st_len);
    memcpy(a->seal, in->st.seal_digest, 32);
    memcpy(a->ev_digest, in->ev_digest, 32);
    memcpy(a->wrap, in->parts.wrap, sizeof a->wrap);
    memcpy(a->path, in->path, sizeof a->path);
    tally_course_event(c, ev);
}

/* Whether its round counts it, now or since before. The set may have been frozen while the file was
 * being opened: then it is kept but not in the set, and an ack would be a lie. */
static bool counted(const struct tally_intake *in)
{
    struct tally_course *c = tally_course_by_digest(in->hub, in->st.job);
    uint32_t site = 0;

    while (c != NULL && site < c->sites_n &&
           (strcmp(c->guests[site]->node->org, in->st.org) != 0 ||
            strcmp(c->guests[site]->node->node, in->st.node) != 0))
        site++;
    if (c == NULL || site == c->sites_n || c->round.number != in->st.round) return false;
    const struct tally_round_site *row = &c->round.sites[site];
    if (c->round.state == TALLY_ROUND_COLLECTING && row->status != TALLY_SITE_ACCEPTED)
        count(c, site, in);
    return row->status == TALLY_SITE_ACCEPTED && memcmp(row->statement, in->st_digest, 32) == 0;
}

void tally_intake_finish_done(struct tally_task *task)
{
    struct intake_job *j = (struct intake_job *)task;
    struct tally_intake *in = j->in;
    struct tally_session *l = tally_intake_session(in);
    uint8_t digest[32];

    memcpy(digest, in->st_digest, 32);
    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(in->hub, "an update cannot be kept", task->why);
    } else if (task->status != TALLY_OK) {
        tally_intake_fail_as(task);
        if (l != NULL) tally_intake_refuse(l, digest, task->status != TALLY_E_STATE);
    } else {
        bool in_time = counted(in);
        l = tally_intake_session(in);
        if (l != NULL && in_time) {
            tally_intake_leave(l);
            tally_intake_acknowledge(l, digest, j->ack);
        } else if (l != NULL) {
            (void)!TALLY_REFUSE(TALLY_R_deadline, "round %llu was closed before it was opened",
                                (unsigned long long)in->st.round);
            tally_intake_refuse(l, digest, false);
        }
    }
    tally_intake_release(in);
    free(j);
}
