/* course.c - a job's rounds (hub.h): drives proto/round.h. Each effect is made durable in the
 * store actor before what depends on it is sent. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "common/log.h"

/* ---- telling the agents ---- */

static void send_version(struct tally_session *l)
{
    const struct tally_course *c = l->course;
    struct tally_message m = {.type = TALLY_MSG_VERSION,
                              .round = c->version_round,
                              .total = c->version_bytes,
                              .done = c->done};

    memcpy(m.digest, c->version, 32);
    (void)tally_session_send(l, &m);
}

static void send_open(struct tally_session *l)
{
    struct tally_message m = {.type = TALLY_MSG_OPEN,
                              .body = TALLY_SLICE(l->course->opening_bytes)};

    memcpy(m.signature, l->course->opening_sig, sizeof m.signature);
    (void)tally_session_send(l, &m);
}

static void send_set(struct tally_session *l)
{
    struct tally_message m = {
        .type = TALLY_MSG_SET, .body = {l->course->set_bytes, l->course->set_len}
    };

    memcpy(m.signature, l->course->set_sig, sizeof m.signature);
    (void)tally_session_send(l, &m);
}

/* A send may end its link, so each is looked up again. */
static void broadcast(struct tally_course *c, void (*send)(struct tally_session *))
{
    for (uint32_t i = 0; i < c->sites_n; i++) {
        struct tally_session *l = c->guests[i]->live;
        if (l != NULL && l->course == c && l->greeted) send(l);
    }
}

void tally_course_join(struct tally_session *l)
{
    struct tally_course *c = l->course;
    struct tally_guest *g = l->guest;
    struct tally_round_event ev = {.type = TALLY_ROUND_EV_RETURNED, .site = l->site};

    if (c->has_version) send_version(l);
    if (g->live != l) return;
    if (c->round.state == TALLY_ROUND_COLLECTING) {
        if (c->round.sites[l->site].status == TALLY_SITE_REFUSED) tally_course_event(c, ev);
        if (g->live == l && c->round.state == TALLY_ROUND_COLLECTING) send_open(l);
    } else if (c->round.state == TALLY_ROUND_FREEZING) {
        send_open(l); /* its set follows as soon as it is durable */
    } else if (c->round.state == TALLY_ROUND_VOTING || c->round.state == TALLY_ROUND_WRAPPING) {
        send_open(l); /* who was away needs to know the round to judge its set */
        if (g->live == l) send_set(l);
    }
}

void tally_course_refused(struct tally_hub *h, const struct tally_guest *g)
{
    for (uint32_t i = 0; i < h->courses_n; i++) {
        struct tally_course *c = h->courses[i];
        uint32_t site = tally_course_site(c, g);
        if (site == c->sites_n || c->round.state != TALLY_ROUND_COLLECTING) continue;
        tally_course_event(c, (struct tally_round_event){.type = TALLY_ROUND_EV_REFUSED,
                                                         .site = site,
                                                         .reason = g->refused});
    }
}

/* ---- what comes next ---- */

static enum tally_payload_kind next_kind(const struct tally_course *c)
{
    if (!c->has_version) return TALLY_PAYLOAD_MOMENTS;
    return c->deltas_done < c->job.rounds ? TALLY_PAYLOAD_DELTA : TALLY_PAYLOAD_EVALUATION;
}

void tally_course_start(struct tally_course *c)
{
    uint64_t now_ms = tally_hub_now_ms(c->hub);
    bool first = c->round.state == TALLY_ROUND_IDLE;

    if (c->done || c->stopped) return;
    if (now_ms / 1000 >= c->job.expires_s) {
        tally_course_stop(c, "the job has expired: the banks sign a new one");
        return;
    }
    if (c->aborts >= TALLY_ABORTS_MAX) {
        tally_course_stop(c, "too many rounds in a row were aborted: see which banks are missing");
        return;
    }
    tally_course_event(c, (struct tally_round_event){
                              .type = TALLY_ROUND_EV_OPEN,
                              .number = first ? 0 : c->round.number + 1,
                              .kind = next_kind(c),
                              .deadline_ms = now_ms + (uint64_t)c->job.round_seconds * 1000});
}

/* ---- store jobs ---- */

struct course_job {
    struct tally_task task;
    struct tally_course *course;
    uint64_t round;
    uint8_t record[TALLY_SET_BYTES_MAX + 64];
    size_t record_len;
    uint8_t set_digest[32];
    struct tally_store_round open;
    struct tally_store_vote vote;
    struct tally_peer who;
    struct tally_round_event then; /* once durable */
    bool has_then;
};

static void course_done(struct tally_task *task)
{
    struct course_job *j = (struct course_job *)task;
    struct tally_course *c = j->course;

    if (task->status == TALLY_E_IO)
        tally_hub_fatal(c->hub, "a round's record cannot be kept", task->why);
    else if (task->status != TALLY_OK)
        tally_course_stop(c, task->why);
    else if (j->has_then && c->round.number == j->round &&
             (j->then.type != TALLY_ROUND_EV_VOTE || c->round.state == TALLY_ROUND_VOTING))
        tally_course_event(c, j->then); /* a vote beyond the quorum changes nothing */
    free(j);
}

static struct course_job *new_job(struct tally_course *c,
                                  enum tally_status (*run)(struct tally_task *),
                                  enum tally_round_event_type then)
{
    struct course_job *j = calloc(1, sizeof *j);

    if (j == NULL) {
        tally_hub_fatal(c->hub, "a round cannot go on", "out of memory");
        return NULL;
    }
    j->task.run = run;
    j->task.done = course_done;
    j->course = c;
    j->round = c->round.number;
    j->then = (struct tally_round_event){.type = then};
    j->has_then = true;
    return j;
}

static void post(struct course_job *j)
{
    struct tally_task *task = &j->task;

    if (tally_mailbox_post(j->course->hub->store_box, &task) == TALLY_OK) return;
    tally_hub_fatal(j->course->hub, "a round cannot go on", tally_why());
    free(j);
}

static enum tally_status open_run(struct tally_task *task)
{
    struct course_job *j = (struct course_job *)task;

    j->open.open = tally_slice_of(j->record, j->record_len);
    return tally_store_round_open(j->course->hub->store, &j->open);
}

/* OPEN as kept: its bytes and our signature. */
static enum tally_status sign_open(struct tally_course *c)
{
    TALLY_TRY(tally_opening_encode(&c->opening, c->opening_bytes));
    return tally_opening_sign(&tally_hub_instance(c->hub)->attested, TALLY_SLICE(c->opening_bytes),
                              c->opening_sig);
}

static void store_open(struct tally_course *c)
{
    struct tally_opening *o = &c->opening;
    struct course_job *j = new_job(c, open_run, TALLY_ROUND_EV_OPEN_STORED);

    if (j == NULL) return;
    memset(o, 0, sizeof *o);
    o->kind = c->round.kind;
    o->mode = c->hub->federation->mode;
    memcpy(o->federation, c->hub->federation->digest, 32);
    memcpy(o->job, c->job.digest, 32);
    memcpy(o->instance, tally_hub_instance(c->hub)->id, 16);
    o->round = c->round.number;
    randombytes_buf(o->challenge, sizeof o->challenge);
    if (c->has_version) memcpy(o->base, c->version, 32);
    o->opened_ms = tally_hub_now_ms(c->hub);
    o->deadline_ms = c->round.deadline_ms;
    c->opened_mono_ms = tally_loop_now_ms(c->hub->loop);
    memset(c->accepted, 0, sizeof c->accepted);
    memset(c->ballots, 0, sizeof c->ballots);
    c->why[0] = '\0';
    if (sign_open(c) != TALLY_OK) {
        tally_course_stop(c, tally_why());
        free(j);
        return;
    }
    j->open = (struct tally_store_round){.round = o->round,
                                         .kind = (uint8_t)o->kind,
                                         .opened_ms = o->opened_ms,
                                         .deadline_ms = o->deadline_ms};
    memcpy(j->open.job, c->job.digest, 32);
    memcpy(j->open.open_key_id, c->hub->key_id, 32);
    memcpy(j->record, c->opening_bytes, TALLY_OPENING_BYTES);
    memcpy(j->record + TALLY_OPENING_BYTES, c->opening_sig, 64);
    j->record_len = TALLY_OPENING_BYTES + 64;
    post(j);
}

static void set_row(const struct tally_course *c, uint32_t i, struct tally_set_row *row)
{
    const struct tally_round_site *s = &c->round.sites[i];
    const struct tally_node *n = c->guests[i]->node;

    memcpy(row->org, n->org, sizeof row->org);
    memcpy(row->node, n->node, sizeof row->node);
    row->status = s->status == TALLY_SITE_ACCEPTED  ? TALLY_ROW_COUNTED
                  : s->status == TALLY_SITE_REFUSED ? TALLY_ROW_EXCLUDED
                                                    : TALLY_ROW_ABSENT;
    if (row->status == TALLY_ROW_EXCLUDED) row->reason = s->reason;
    if (row->status != TALLY_ROW_COUNTED) return;
    memcpy(row->statement, s->statement, 32);
    row->examples = s->examples;
}

/* What the frozen set is signed as: no other structure begins with this label. */
enum tally_status tally_course_sign_set(const struct tally_sign_key *key, const uint8_t digest[32],
                                        uint8_t sig[64])
{
    static const char label[] = "tally/frozen/v1";

    return tally_sign(key, TALLY_SLICES(TALLY_SLICE(label), tally_slice_of(digest, 32)), 2, sig);
}

static enum tally_status build_set(struct tally_course *c)
{
    struct tally_set *s = &c->set;
    struct tally_wr w = tally_wr_to(c->set_bytes, sizeof c->set_bytes);
    struct tally_slice out;

    memset(s, 0, sizeof *s);
    s->kind = c->opening.kind;
    s->mode = c->opening.mode;
    s->combine = !c->round.abort;
    memcpy(s->federation, c->opening.federation, 32);
    memcpy(s->job, c->opening.job, 32);
    s->round = c->opening.round;
    memcpy(s->challenge, c->opening.challenge, 32);
    memcpy(s->base, c->opening.base, 32);
    for (uint32_t i = 0; s->combine && i < c->sites_n; i++) set_row(c, i, &s->rows[s->rows_n++]);
    if (s->combine) TALLY_TRY(tally_set_weigh(s, c->job.share_cap_permille));
    TALLY_TRY(tally_set_encode(s, &w, &out));
    c->set_len = out.len;
    TALLY_SHA256_OF(c->set_digest, out);
    return tally_course_sign_set(&tally_hub_instance(c->hub)->attested, c->set_digest, c->set_sig);
}

static enum tally_status freeze_run(struct tally_task *task)
{
    struct course_job *j = (struct course_job *)task;

    return tally_store_round_freeze(j->course->hub->store, j->course->job.digest, j->round,
                                    j->set_digest, tally_slice_of(j->record, j->record_len),
                                    tally_wall_ms());
}

static void store_set(struct tally_course *c)
{
    struct course_job *j = new_job(c, freeze_run, TALLY_ROUND_EV_SET_STORED);

    if (j == NULL) return;
    if (build_set(c) != TALLY_OK) {
        tally_course_stop(c, tally_why());
        free(j);
        return;
    }
    memcpy(j->record, c->set_bytes, c->set_len);
    memcpy(j->record + c->set_len, c->set_sig, 64);
    j->record_len = c->set_len + 64;
    memcpy(j->set_digest, c->set_digest, 32);
    post(j);
}

/* ---- votes ---- */

static enum tally_status vote_run(struct tally_task *task)
{
    struct course_job *j = (struct course_job *)task;

    j->vote.key.org = j->who.kb.org;
    j->vote.key.node = j->who.kb.node;
    j->vote.key_block = tally_peer_key_block(&j->who);
    j->vote.ev = TALLY_SLICE(j->who.ev_digest);
    return tally_store_vote_add(j->course->hub->store, &j->vote);
}

void tally_course_vote(struct tally_session *l, const struct tally_message *m)
{
    struct tally_course *c = l->course;
    struct tally_ballot *b = &c->ballots[l->site];

    if (c->round.state != TALLY_ROUND_VOTING || memcmp(m->digest, c->set_digest, 32) != 0)
        return;          /* late, or of a round that is over */
    if (b->cast) return; /* once: each more would be a task of the store's */
    if (tally_vote_verify(l->who.kb.attested_key, m->digest, m->signature) != TALLY_OK) {
        tally_session_end(l, "its vote does not verify");
        return;
    }
    struct course_job *j = new_job(c, vote_run, TALLY_ROUND_EV_VOTE);
    if (j == NULL) return;
    b->cast = true;
    b->kb_len = l->who.kb_len;
    memcpy(b->kb, l->who.kb_bytes, l->who.kb_len);
    memcpy(b->ev_digest, l->who.ev_digest, 32);
    memcpy(b->signature, m->signature, sizeof b->signature);
    j->then.site = l->site;
    j->who = l->who;
    j->vote.key.round = c->round.number;
    memcpy(j->vote.key.job, c->job.digest, 32);
    memcpy(j->vote.set_digest, c->set_digest, 32);
    memcpy(j->vote.signature, m->signature, 64);
    j->vote.at_ms = tally_wall_ms();
    post(j);
}

void tally_course_agent_refuses(struct tally_session *l, const struct tally_message *m)
{
    struct tally_course *c = l->course;
    uint8_t opening[32];
    char text[TALLY_HUB_WHY_MAX];

    (void)snprintf(text, sizeof text, "%.*s: %.*s", (int)m->reason.len, (const char *)m->reason.at,
                   (int)m->text.len, (const char *)m->text.at);
    TALLY_LOG(TALLY_LOG_WARN, "agent_refuses", tally_log_str("org", l->guest->node->org),
              tally_log_str("node", l->guest->node->node), tally_log_str("why", text));
    TALLY_SHA256_OF(opening, TALLY_SLICE(c->opening_bytes));
    if (c->round.state == TALLY_ROUND_VOTING && memcmp(m->digest, c->set_digest, 32) == 0)
        tally_course_event(
            c, (struct tally_round_event){.type = TALLY_ROUND_EV_VOTE_REFUSED, .site = l->site});
    else if (c->round.state == TALLY_ROUND_COLLECTING && memcmp(m->digest, opening, 32) == 0)
        tally_course_event(c, (struct tally_round_event){.type = TALLY_ROUND_EV_REFUSED,
                                                         .site = l->site,
                                                         .reason = TALLY_R_E_UPDATE});
}

/* ---- a round's end ---- */

static void remember(struct tally_course *c)
{
    struct tally_history *h;

    if (c->history_n == TALLY_HISTORY_MAX) return;
    h = &c->history[c->history_n++];
    h->round = c->round.number;
    h->kind = (uint8_t)c->round.kind;
    h->aborted = c->round.abort;
    h->seconds = (double)(tally_loop_now_ms(c->hub->loop) - c->opened_mono_ms) / 1000.0;
    h->base_known = c->base_known;
    h->base_auc_pr = c->base_auc_pr;
    h->base_roc_auc = c->base_roc_auc;
    h->base_recall = c->base_recall;
    h->rows = calloc(c->sites_n, sizeof *h->rows);
    if (h->rows == NULL) return;
    h->rows_n = c->sites_n;
    for (uint32_t i = 0; i < c->sites_n; i++) set_row(c, i, &h->rows[i]);
}

static void announce(struct tally_course *c)
{
    remember(c);
    if (c->round.abort) {
        c->aborts++;
    } else {
        c->aborts = 0;
        if (c->round.kind == TALLY_PAYLOAD_DELTA) c->deltas_done++;
        c->done = c->round.kind == TALLY_PAYLOAD_EVALUATION;
        broadcast(c, send_version);
    }
    TALLY_LOG(TALLY_LOG_INFO, c->round.abort ? "round_aborted" : "round_published",
              tally_log_str("job", c->job.name), tally_log_u64("round", c->round.number),
              tally_log_hex("version", c->version, 32));
    tally_course_start(c);
}

/* Nodes whose evidence is refused already are answered from the start. */
static void repeat_refusals(struct tally_course *c)
{
    for (uint32_t i = 0; i < c->sites_n; i++) {
        const struct tally_guest *g = c->guests[i];
        if (g->refused == TALLY_R_NONE || g->live != NULL ||
            c->round.state != TALLY_ROUND_COLLECTING)
            continue;
        tally_course_event(c, (struct tally_round_event){
                                  .type = TALLY_ROUND_EV_REFUSED, .site = i, .reason = g->refused});
    }
}

void tally_course_effects(struct tally_course *c, const struct tally_round_effects *e)
{
    if (e->store_open) store_open(c);
    if (e->send_open) {
        broadcast(c, send_open);
        repeat_refusals(c);
    }
    if (e->store_set) store_set(c);
    if (e->send_set) broadcast(c, send_set);
    if (e->combine) tally_combine_start(c);
    if (e->publish) tally_publish_version(c);
    if (e->announce) announce(c);
    if (e->stuck)
        tally_course_stop(c, "SET_QUORUM: too many banks have voted for another set of this round; "
                             "the banks look at their agents' logs and sign a new job");
}

void tally_course_event(struct tally_course *c, struct tally_round_event ev)
{
    struct tally_round_effects e;

    ev.now_ms = tally_hub_now_ms(c->hub);
    if (tally_round_step(&c->round, &ev, &e) != TALLY_OK) {
        TALLY_LOG(TALLY_LOG_WARN, "event_refused", tally_log_str("job", c->job.name),
                  tally_log_str("why", tally_why()));
        return;
    }
    tally_course_effects(c, &e);
}

void tally_course_tick(struct tally_hub *h)
{
    for (uint32_t i = 0; i < h->courses_n; i++) {
        struct tally_course *c = h->courses[i];
        if (c->stopped || c->round.state != TALLY_ROUND_COLLECTING ||
            tally_hub_now_ms(h) < c->round.deadline_ms)
            continue;
        tally_course_event(c, (struct tally_round_event){.type = TALLY_ROUND_EV_TICK});
    }
}
