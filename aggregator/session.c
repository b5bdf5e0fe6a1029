/* session.c - connections: who may knock, handshakes, sessions, messages in and out (hub.h). */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "common/log.h"

static struct tally_handshake *handshake_of(const struct tally_session *l)
{
    return (struct tally_handshake *)(void *)l->handshake.at;
}

static struct tally_records *records_of(const struct tally_session *l)
{
    return (struct tally_records *)(void *)l->records.at;
}

static void name_of(const struct tally_guest *g, char out[2 * TALLY_NAME_MAX + 2])
{
    (void)snprintf(out, 2 * TALLY_NAME_MAX + 2, "%s/%s", g->node->org, g->node->node);
}

static struct tally_guest *guest_named(struct tally_hub *h, const char *user)
{
    char name[2 * TALLY_NAME_MAX + 2];

    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        name_of(&h->guests[i], name);
        if (strcmp(name, user) == 0) return &h->guests[i];
    }
    return NULL;
}

static struct tally_session *find(struct tally_hub *h,
                                  bool (*is)(const struct tally_session *, uint64_t), uint64_t key)
{
    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        struct tally_guest *g = &h->guests[i];
        if (g->live != NULL && is(g->live, key)) return g->live;
        for (int p = 0; p < TALLY_PENDING_PER_NODE_MAX; p++) {
            if (g->pending[p] != NULL && is(g->pending[p], key)) return g->pending[p];
        }
    }
    return NULL;
}

static bool has_id(const struct tally_session *l, uint64_t id)
{
    return l->id == id;
}

static bool has_peer(const struct tally_session *l, uint64_t peer)
{
    return l->peer == peer;
}

struct tally_session *tally_session_by_id(struct tally_hub *h, uint64_t id)
{
    return find(h, has_id, id);
}

void tally_session_end(struct tally_session *l, const char *why)
{
    struct tally_guest *g = l->guest;
    char name[2 * TALLY_NAME_MAX + 2];

    name_of(g, name);
    TALLY_LOG(TALLY_LOG_INFO, "session_end", tally_log_str("node", name),
              tally_log_str("why", why));
    tally_intake_leave(l);
    tally_outgo_end(l);
    if (g->live == l) {
        g->live = NULL;
        g->phase = TALLY_PHASE_IDLE;
    }
    for (int i = 0; i < TALLY_PENDING_PER_NODE_MAX; i++) {
        if (g->pending[i] == l) g->pending[i] = NULL;
    }
    if (l->handshake.at != NULL) tally_handshake_wipe(handshake_of(l));
    if (l->records.at != NULL) tally_records_end(records_of(l));
    tally_secret_free(&l->handshake);
    tally_secret_free(&l->records);
    free(l);
}

/* ---- who may knock (ZEROMQ.md): a bucket of knocks for each node, few half-open at once ---- */

static bool may_knock(struct tally_guest *g, uint64_t now_ms)
{
    double gained = (double)(now_ms - g->knocks_ms) * TALLY_KNOCKS_PER_MINUTE / 60000.0;

    g->knocks += gained;
    if (g->knocks > TALLY_KNOCKS_BURST) g->knocks = TALLY_KNOCKS_BURST;
    g->knocks_ms = now_ms;
    if (g->knocks < 1) return false;
    g->knocks -= 1;
    return true;
}

static uint32_t pending_n(const struct tally_hub *h)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        for (int p = 0; p < TALLY_PENDING_PER_NODE_MAX; p++) n += h->guests[i].pending[p] != NULL;
    }
    return n;
}

static enum tally_status begin(struct tally_hub *h, struct tally_guest *g, struct tally_session *l)
{
    struct tally_handshake_fresh fresh;
    struct tally_handshake_params p = {
        .side = TALLY_SIDE_SERVER,
        .federation = h->federation,
        .self = h->self,
        .session_key = (const struct tally_sign_key *)(const void *)h->session_key.at,
        .key_block = tally_slice_of(h->kb, h->kb_len),
        .peer = g->node,
        .revoked = h->documents,
        .appraiser = {tally_peer_appraise, h->verified},
    };

    TALLY_TRY(tally_secret_new(&l->handshake, sizeof(struct tally_handshake)));
    randombytes_buf(&fresh, sizeof fresh);
    enum tally_status s = tally_handshake_init(handshake_of(l), &p, &fresh);
    sodium_memzero(&fresh, sizeof fresh);
    return s;
}

/* A place among the pending of its node for a first frame. NULL: busy. */
static struct tally_session *knock(struct tally_hub *h, struct tally_guest *g, uint32_t peer)
{
    int at = 0;

    while (at < TALLY_PENDING_PER_NODE_MAX && g->pending[at] != NULL) at++;
    if (at == TALLY_PENDING_PER_NODE_MAX || pending_n(h) >= TALLY_PENDING_MAX ||
        !may_knock(g, tally_loop_now_ms(h->loop))) {
        uint8_t busy[TALLY_REFUSAL_BYTES];
        tally_refusal_encode(TALLY_REFUSED_BUSY, busy);
        (void)!tally_server_send(h->server, peer, TALLY_SLICE(busy));
        return NULL;
    }
    struct tally_session *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct tally_session){.hub = h, .guest = g, .id = ++h->next_link, .peer = peer};
    l->outgo.fd = -1;
    g->pending[at] = l;
    if (begin(h, g, l) != TALLY_OK) {
        tally_session_end(l, tally_why());
        return NULL;
    }
    return l;
}

/* ---- handshake ---- */

/* A quote is asked of the device actor; the answer finds its link again by id. */
struct quote_job {
    struct tally_task task;
    struct tally_hub *hub;
    uint64_t link;
    uint8_t body[TALLY_BINDING_BYTES];
    size_t body_len;
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    struct tally_slice ev_out, endorsements_out;
};

static enum tally_status quote_run(struct tally_task *task)
{
    struct quote_job *q = (struct quote_job *)task;
    const struct tally_quote_ask ask = {TALLY_QUOTE_SESSION, {q->body, q->body_len},
                                        q->body + TALLY_BINDING_NONCE_AT,
                                        {q->hub->kb, q->hub->kb_len}};
    struct tally_wr ev = tally_wr_to(q->ev, sizeof q->ev);
    struct tally_wr endorsements = tally_wr_to(q->endorsements, sizeof q->endorsements);

    TALLY_TRY(tally_device_quote(q->hub->device, &ask, &ev, &endorsements));
    TALLY_TRY(tally_wr_end(&ev, &q->ev_out));
    return tally_wr_end(&endorsements, &q->endorsements_out);
}

static void step(struct tally_session *l, struct tally_handshake_event *ev);

static void quote_done(struct tally_task *task)
{
    struct quote_job *q = (struct quote_job *)task;
    struct tally_session *l = tally_session_by_id(q->hub, q->link);

    if (l != NULL && task->status != TALLY_OK) {
        tally_session_end(l, task->why);
    } else if (l != NULL && l->handshake.at != NULL) {
        struct tally_handshake_event ev = {
            .type = TALLY_HANDSHAKE_QUOTED, .ev = q->ev_out, .endorsements = q->endorsements_out};
        step(l, &ev);
    }
    free(q);
}

static enum tally_status ask_quote(struct tally_session *l, struct tally_slice body)
{
    struct quote_job *q = calloc(1, sizeof *q);

    TALLY_ENSURE(q != NULL && body.len <= sizeof q->body, TALLY_E_NOMEM, "quote");
    q->task.run = quote_run;
    q->task.done = quote_done;
    q->hub = l->hub;
    q->link = l->id;
    memcpy(q->body, body.at, body.len);
    q->body_len = body.len;
    struct tally_task *task = &q->task;
    enum tally_status s = tally_mailbox_post(l->hub->device_box, &task);
    if (s != TALLY_OK) free(q);
    return s;
}

/* Evidence of a member was judged and refused: that is the node's answer until a better one. */
static void note_refusal(struct tally_session *l, enum tally_reason reason, const char *why)
{
    struct tally_guest *g = l->guest;
    char name[2 * TALLY_NAME_MAX + 2];

    name_of(g, name);
    TALLY_LOG(TALLY_LOG_WARN, "refused", tally_log_str("node", name),
              tally_log_str("reason", tally_reason_name(reason)), tally_log_str("why", why));
    switch ((int)reason) { /* what anybody with the CURVE key alone could cause */
    case TALLY_R_NONE:
    case TALLY_R_E_AUTH:
    case TALLY_R_E_IDENTITY:
    case TALLY_R_E_FORMAT:
    case TALLY_R_E_VERSION:
    case TALLY_R_E_ALGORITHM:
    case TALLY_R_E_FEDERATION: return;
    default: break;
    }
    if (g->live != NULL) return; /* a live session is replaced only by a good one */
    g->refused = reason;
    (void)snprintf(g->why, sizeof g->why, "%s", why);
    tally_course_refused(l->hub, g);
}

static void established(struct tally_session *l)
{
    struct tally_hub *h = l->hub;
    struct tally_guest *g = l->guest;
    uint8_t none[32] = {0};

    if (tally_secret_new(&l->records, sizeof(struct tally_records)) != TALLY_OK) {
        tally_session_end(l, tally_why());
        return;
    }
    tally_handshake_take(handshake_of(l), records_of(l), &l->who);
    tally_secret_free(&l->handshake);
    h->verified_n++;
    for (int i = 0; i < TALLY_PENDING_PER_NODE_MAX; i++) {
        if (g->pending[i] == l) g->pending[i] = NULL;
    }
    if (g->live != NULL) tally_session_end(g->live, "replaced by a newer session of this node");
    g->live = l;
    g->refused = TALLY_R_NONE;
    g->why[0] = '\0';
    g->knocks = TALLY_KNOCKS_BURST;
    if (memcmp(l->who.job, none, 32) != 0) {
        l->course = tally_course_by_digest(h, l->who.job);
        l->site = l->course ? tally_course_site(l->course, g) : 0;
        if (l->course == NULL || l->site == l->course->sites_n) {
            tally_session_end(l, "it asked for a job that it has no part in");
            return;
        }
    }
    struct tally_message hello = {.type = TALLY_MSG_HELLO,
                                  .time_ms = tally_hub_now_ms(h),
                                  .text = tally_slice_str(TALLY_SOFTWARE)};
    if (l->course != NULL && l->course->has_version) {
        hello.round = l->course->version_round;
        memcpy(hello.digest, l->course->version, 32);
    }
    (void)tally_session_send(l, &hello);
}

static void step(struct tally_session *l, struct tally_handshake_event *ev)
{
    struct tally_hub *h = l->hub;
    struct tally_handshake_effects e;
    struct tally_handshake *hs = handshake_of(l);

    ev->now_ms = tally_hub_now_ms(h);
    ev->out = h->out;
    ev->out_cap = TALLY_HUB_FRAME_MAX;
    enum tally_status s = tally_handshake_step(hs, ev, &e);
    if (e.send.len != 0 && tally_server_send(h->server, l->peer, e.send) != TALLY_SENT &&
        s == TALLY_OK) {
        tally_session_end(l, "its connection is gone");
        return;
    }
    if (s != TALLY_OK) {
        note_refusal(l, hs->reason, tally_why_text());
        tally_session_end(l, tally_why());
        return;
    }
    if (e.quote.len != 0 && ask_quote(l, e.quote) != TALLY_OK) {
        tally_session_end(l, tally_why());
        return;
    }
    if (e.established) established(l);
}

/* ---- sessions ---- */

static bool send_record(struct tally_session *l, enum tally_record_kind kind, size_t body_len)
{
    struct tally_hub *h = l->hub;
    size_t len;

    if (tally_record_seal(records_of(l), kind, tally_hub_now_ms(h), h->out, body_len, &len) !=
        TALLY_OK) {
        tally_session_end(l, tally_why());
        return false;
    }
    if (tally_server_send(h->server, l->peer, tally_slice_of(h->out, len)) == TALLY_SENT)
        return true;
    tally_session_end(l, "it does not take what is sent");
    return false;
}

bool tally_session_send(struct tally_session *l, const struct tally_message *m)
{
    struct tally_wr w = tally_wr_to(l->hub->out + TALLY_RECORD_BODY_AT, TALLY_MESSAGE_BYTES_MAX);
    struct tally_slice body;

    tally_message_encode(&w, m);
    if (tally_wr_end(&w, &body) != TALLY_OK) {
        tally_session_end(l, tally_why());
        return false;
    }
    return send_record(l, TALLY_RECORD_MESSAGE, body.len);
}

bool tally_session_send_chunk(struct tally_session *l, const uint8_t digest[32], uint32_t index,
                              struct tally_slice bytes)
{
    uint8_t *body = l->hub->out + TALLY_RECORD_BODY_AT;

    tally_chunk_head(digest, index, body);
    memcpy(body + TALLY_CHUNK_HEAD_BYTES, bytes.at, bytes.len);
    return send_record(l, TALLY_RECORD_CHUNK, TALLY_CHUNK_HEAD_BYTES + bytes.len);
}

void tally_session_refuse(struct tally_session *l, const uint8_t digest[32])
{
    char text[TALLY_HUB_WHY_MAX], name[2 * TALLY_NAME_MAX + 2];
    struct tally_message m = {.type = TALLY_MSG_REFUSED,
                              .reason = tally_slice_str(tally_reason_name(tally_reason()))};

    (void)snprintf(text, sizeof text, "%s", tally_why_text());
    m.text = tally_slice_str(text);
    memcpy(m.digest, digest, 32);
    name_of(l->guest, name);
    TALLY_LOG(TALLY_LOG_WARN, "update_refused", tally_log_str("node", name),
              tally_log_str("reason", tally_reason_name(tally_reason())),
              tally_log_str("why", text));
    (void)tally_session_send(l, &m);
}

static void hello(struct tally_session *l, const struct tally_message *m)
{
    uint64_t now_ms = tally_hub_now_ms(l->hub);
    uint64_t apart = now_ms > m->time_ms ? now_ms - m->time_ms : m->time_ms - now_ms;

    l->greeted = true;
    if (apart > TALLY_CLOCK_APART_MS) {
        tally_session_end(l, "its clock is more than five minutes from ours");
        return;
    }
    if (!tally_papers_revocations(l)) return;
    if (l->course == NULL)
        tally_papers_greet(l);
    else
        tally_course_join(l);
}

static void status(struct tally_session *l, const struct tally_message *m)
{
    l->guest->phase = m->kind;
    l->guest->first = m->first;
    l->guest->total = m->total > UINT32_MAX ? UINT32_MAX : (uint32_t)m->total;
}

static void message(struct tally_session *l, const struct tally_message *m)
{
    if (m->type == TALLY_MSG_HELLO && !l->greeted) {
        hello(l, m);
        return;
    }
    if (l->greeted && l->course == NULL && m->type == TALLY_MSG_GRANT) {
        tally_papers_grant(l, m);
        return;
    }
    if (!l->greeted || l->course == NULL) {
        tally_session_end(l, "a message out of order");
        return;
    }
    switch ((int)m->type) {
    case TALLY_MSG_FETCH: tally_outgo_fetch(l, m); break;
    case TALLY_MSG_CREDIT: tally_outgo_credit(l, m); break;
    case TALLY_MSG_UPLOAD: tally_intake_head(l, m); break;
    case TALLY_MSG_REWRAP: tally_intake_rewrap(l, m); break;
    case TALLY_MSG_VOTE: tally_course_vote(l, m); break;
    case TALLY_MSG_REFUSED: tally_course_agent_refuses(l, m); break;
    case TALLY_MSG_STATUS: status(l, m); break;
    default: tally_session_end(l, "a message that is not the agent's to send"); break;
    }
}

static void record(struct tally_session *l, uint8_t *frame, size_t len)
{
    enum tally_record_kind kind;
    struct tally_slice body;
    struct tally_message m;

    if (tally_record_open(records_of(l), tally_hub_now_ms(l->hub), frame, len, &kind, &body) !=
        TALLY_OK) {
        tally_session_end(l, tally_why());
        return;
    }
    l->guest->seen_ms = tally_hub_now_ms(l->hub);
    if (kind == TALLY_RECORD_CHUNK && l->greeted && l->course != NULL) {
        tally_intake_chunk(l, body);
        return;
    }
    if (kind != TALLY_RECORD_MESSAGE || tally_message_decode(body, &m) != TALLY_OK) {
        tally_session_end(l, kind == TALLY_RECORD_MESSAGE ? tally_why() : "a chunk out of order");
        return;
    }
    message(l, &m);
}

void tally_session_arrival(void *hub, const struct tally_arrival *a)
{
    struct tally_hub *h = hub;
    struct tally_guest *g = guest_named(h, a->user);
    struct tally_session *l = find(h, has_peer, a->peer);

    if (g == NULL || a->bytes.len > TALLY_HUB_FRAME_MAX) return;
    if (l != NULL && l->guest != g) return;   /* cannot be: a connection has one key */
    memcpy(h->in, a->bytes.at, a->bytes.len); /* frames are opened in place */
    if (l == NULL) {
        if (a->bytes.at[0] != TALLY_FRAME_M1) return; /* of a session that is over */
        l = knock(h, g, a->peer);
        if (l == NULL) return;
    }
    if (l->records.at != NULL) {
        record(l, h->in, a->bytes.len);
        return;
    }
    struct tally_handshake_event ev = {
        .type = TALLY_HANDSHAKE_FRAME, .frame = h->in, .frame_len = a->bytes.len};
    step(l, &ev);
}

void tally_session_gone(void *hub, uint32_t peer)
{
    struct tally_session *l = find(hub, has_peer, peer);

    if (l != NULL) tally_session_end(l, "its connection ended");
}

void tally_session_report(void *hub, const struct tally_link_report *r)
{
    (void)hub;
    TALLY_LOG(r->link == TALLY_LINK_UP || r->link == TALLY_LINK_DOWN ? TALLY_LOG_DEBUG
                                                                     : TALLY_LOG_WARN,
              "connection", tally_log_str("what", tally_link_name(r->link)),
              tally_log_str("node", r->user), tally_log_u64("detail", r->detail),
              tally_log_u64("left_out", r->suppressed));
}

void tally_session_sweep(struct tally_hub *h)
{
    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        struct tally_guest *g = &h->guests[i];
        for (int p = 0; p < TALLY_PENDING_PER_NODE_MAX; p++) {
            struct tally_handshake_event tick = {.type = TALLY_HANDSHAKE_TICK};
            if (g->pending[p] != NULL && g->pending[p]->handshake.at != NULL)
                step(g->pending[p], &tick);
        }
        if (g->live != NULL && tally_hub_now_ms(h) >= records_of(g->live)->ends_ms)
            tally_session_end(g->live, "its time is up; a new handshake follows");
    }
}
