/* line.c - the connection to the aggregator: handshake, session, messages in and out (desk.h). */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/desk.h"
#include "common/log.h"

static struct tally_handshake *handshake_of(const struct tally_desk *d)
{
    return (struct tally_handshake *)(void *)d->line.handshake.at;
}

static struct tally_records *records_of(const struct tally_desk *d)
{
    return (struct tally_records *)(void *)d->line.records.at;
}

void tally_line_wipe(struct tally_desk *d)
{
    struct tally_line *l = &d->line;

    if (l->handshake.at != NULL) tally_handshake_wipe(handshake_of(d));
    if (l->records.at != NULL) tally_records_end(records_of(d));
    tally_secret_free(&l->handshake);
    tally_secret_free(&l->records);
    l->established = l->greeted = false;
}

void tally_line_end(struct tally_desk *d, const char *why)
{
    TALLY_LOG(TALLY_LOG_WARN, "session_end", tally_log_str("why", why),
              tally_log_str("reason", strcmp(why, tally_why_text()) == 0
                                          ? tally_reason_name(tally_reason())
                                          : ""));
    tally_line_wipe(d);
    tally_client_drop(d->client); /* on_down follows */
}

/* ---- handshake ---- */

static void step(struct tally_desk *d, struct tally_handshake_event *ev);

struct quote_task {
    struct tally_task task;
    struct tally_desk *desk;
    uint64_t line;
    uint8_t body[TALLY_BINDING_BYTES];
    size_t body_len;
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    struct tally_slice ev_out, endorsements_out;
};

static enum tally_status quote_run(struct tally_task *task)
{
    struct quote_task *q = (struct quote_task *)task;
    const struct tally_quote_ask ask = {TALLY_QUOTE_SESSION, {q->body, q->body_len},
                                        q->body + TALLY_BINDING_NONCE_AT,
                                        {q->desk->kb, q->desk->kb_len}};
    struct tally_wr ev = tally_wr_to(q->ev, sizeof q->ev);
    struct tally_wr endorsements = tally_wr_to(q->endorsements, sizeof q->endorsements);

    TALLY_TRY(tally_device_quote(q->desk->device, &ask, &ev, &endorsements));
    TALLY_TRY(tally_wr_end(&ev, &q->ev_out));
    return tally_wr_end(&endorsements, &q->endorsements_out);
}

static void quote_done(struct tally_task *task)
{
    struct quote_task *q = (struct quote_task *)task;
    struct tally_desk *d = q->desk;

    if (task->status != TALLY_OK) {
        tally_desk_fatal(d, "this machine's TEE gives no evidence", task->why);
    } else if (q->line == d->line.id && d->line.handshake.at != NULL) {
        struct tally_handshake_event ev = {
            .type = TALLY_HANDSHAKE_QUOTED, .ev = q->ev_out, .endorsements = q->endorsements_out};
        step(d, &ev);
    }
    free(q);
}

static void ask_quote(struct tally_desk *d, struct tally_slice body)
{
    struct quote_task *q = calloc(1, sizeof *q);

    TALLY_ASSERT(body.len <= sizeof q->body);
    if (q == NULL) {
        tally_desk_fatal(d, "handshake", "out of memory");
        return;
    }
    q->task.run = quote_run;
    q->task.done = quote_done;
    q->desk = d;
    q->line = d->line.id;
    memcpy(q->body, body.at, body.len);
    q->body_len = body.len;
    struct tally_task *task = &q->task;
    if (tally_mailbox_post(d->device_box, &task) == TALLY_OK) return;
    free(q);
    tally_line_end(d, tally_why_text());
}

static void established(struct tally_desk *d)
{
    struct tally_line *l = &d->line;
    struct tally_message hello = {.type = TALLY_MSG_HELLO,
                                  .time_ms = tally_desk_now_ms(d),
                                  .text = tally_slice_str(TALLY_SOFTWARE)};

    if (tally_secret_new(&l->records, sizeof(struct tally_records)) != TALLY_OK) {
        tally_desk_fatal(d, "session", tally_why());
        return;
    }
    tally_handshake_take(handshake_of(d), records_of(d), &l->peer);
    tally_secret_free(&l->handshake);
    l->established = true;
    d->checked.proven = true;
    tally_hex(TALLY_SLICE(l->peer.measurement), d->checked.measurement);
    tally_hex(TALLY_SLICE(l->peer.key_id), d->checked.key_id);
    TALLY_LOG(TALLY_LOG_INFO, "session", tally_log_str("aggregator", l->peer.kb.org),
              tally_log_hex("measurement", l->peer.measurement, 16),
              tally_log_hex("key_id", l->peer.key_id, 8));
    if (d->has_job && d->memory.member.has_version) {
        hello.round = d->memory.member.version_round;
        memcpy(hello.digest, d->memory.member.version, 32);
    }
    (void)tally_line_send(d, &hello);
}

static void step(struct tally_desk *d, struct tally_handshake_event *ev)
{
    struct tally_handshake *hs = handshake_of(d);
    struct tally_handshake_effects e;

    ev->now_ms = tally_desk_now_ms(d);
    ev->out = d->out;
    ev->out_cap = TALLY_DESK_FRAME_MAX;
    enum tally_status s = tally_handshake_step(hs, ev, &e);
    if (s != TALLY_OK) {
        TALLY_LOG(TALLY_LOG_ERROR, "aggregator_refused",
                  tally_log_str("reason", tally_reason_name(hs->reason)),
                  tally_log_str("why", tally_why_text()));
        if (d->checking)
            tally_points_add(d->points, false, "ask the model owner; do not go on",
                             "the aggregator was refused: %s: %s", tally_reason_name(hs->reason),
                             tally_why_text());
        if (hs->refused == TALLY_REFUSED_FEDERATION && tally_papers_stale(d))
            tally_desk_end(d, TALLY_OUTCOME_AGAIN);
        tally_line_end(d, hs->refused != TALLY_REFUSED_NOT ? tally_refusal_text(hs->refused)
                                                           : "the handshake failed");
        return;
    }
    if (e.send.len != 0 && tally_client_send(d->client, e.send) != TALLY_SENT) {
        tally_line_end(d, "the connection does not take the handshake");
        return;
    }
    if (e.quote.len != 0) ask_quote(d, e.quote);
    if (e.established) established(d);
}

static enum tally_status begin(struct tally_desk *d)
{
    struct tally_handshake_fresh fresh;
    struct tally_handshake_params p = {
        .side = TALLY_SIDE_CLIENT,
        .federation = d->federation,
        .self = d->self,
        .session_key = (const struct tally_sign_key *)(const void *)d->session_key.at,
        .key_block = tally_slice_of(d->kb, d->kb_len),
        .peer = d->aggregator,
        .revoked = d->revoked,
        .appraiser = {tally_peer_appraise, d->verified},
    };

    if (d->has_job) memcpy(p.job, d->job.digest, 32);
    TALLY_TRY(tally_secret_new(&d->line.handshake, sizeof(struct tally_handshake)));
    randombytes_buf(&fresh, sizeof fresh);
    enum tally_status s = tally_handshake_init(handshake_of(d), &p, &fresh);
    sodium_memzero(&fresh, sizeof fresh);
    return s;
}

/* A handshake, once the line is up and nothing holds us back. */
static void start(void *desk)
{
    struct tally_desk *d = desk;
    struct tally_handshake_event ev = {.type = TALLY_HANDSHAKE_START};

    d->line.retry = 0;
    if (!d->line.up || d->line.handshake.at != NULL || d->line.records.at != NULL) return;
    d->line.id++;
    d->line.began_ms = d->line.heard_ms = tally_loop_now_ms(d->loop);
    if (begin(d) != TALLY_OK) {
        tally_desk_fatal(d, "handshake", tally_why());
        return;
    }
    step(d, &ev);
}

void tally_line_up(void *desk)
{
    struct tally_desk *d = desk;
    struct tally_loop_timer t = {.delay_ms = d->line.hold_ms, .fn = start, .ctx = d};

    d->line.up = true;
    d->checked.connected = true;
    if (d->line.hold_ms == 0) {
        start(d);
    } else if (d->line.retry == 0) {
        if (tally_loop_timer(d->loop, &t, &d->line.retry) != TALLY_OK)
            tally_desk_fatal(d, "timer", tally_why());
    }
    d->line.hold_ms = d->line.hold_ms == 0 ? TALLY_HOLD_MIN_MS : 2 * d->line.hold_ms;
    if (d->line.hold_ms > TALLY_HOLD_MAX_MS) d->line.hold_ms = TALLY_HOLD_MAX_MS;
}

void tally_line_down(void *desk)
{
    struct tally_desk *d = desk;

    d->line.up = false;
    tally_line_wipe(d);
    tally_rounds_lost(d);
}

void tally_line_tick(struct tally_desk *d)
{
    struct tally_line *l = &d->line;
    uint64_t now = tally_loop_now_ms(d->loop), age = now - l->began_ms;

    if (d->checking && ((l->greeted && now - d->checked.greeted_ms > TALLY_CHECK_OFFERS_MS) ||
                        now - d->checked.began_ms > TALLY_CHECK_MS)) {
        d->checked.proven = l->greeted;
        tally_desk_end(d, TALLY_OUTCOME_DONE);
        return;
    }

    if (l->handshake.at != NULL && age > TALLY_ATTEMPT_MS)
        tally_line_end(d, "the aggregator does not answer the handshake: it may have refused this "
                          "agent's evidence; its status says why");
    else if (l->established && tally_desk_now_ms(d) >= records_of(d)->ends_ms)
        tally_line_end(d, "the session's time is up");
    else if (l->established && !l->greeted && age > TALLY_HELLO_MS)
        tally_line_end(d, "the aggregator does not say HELLO: it may not have this job");
    else if (l->greeted && d->work == NULL && now - l->heard_ms > TALLY_SILENCE_MS)
        tally_line_end(d, "nothing was heard for five minutes; a new handshake follows");
}

/* ---- session ---- */

static bool send_record(struct tally_desk *d, enum tally_record_kind kind, size_t body_len)
{
    size_t len;

    if (!d->line.established) return false;
    if (tally_record_seal(records_of(d), kind, tally_desk_now_ms(d), d->out, body_len, &len) !=
        TALLY_OK) {
        tally_line_end(d, tally_why_text());
        return false;
    }
    if (tally_client_send(d->client, tally_slice_of(d->out, len)) == TALLY_SENT) return true;
    tally_line_end(d, "the connection does not take what is sent");
    return false;
}

bool tally_line_send(struct tally_desk *d, const struct tally_message *m)
{
    struct tally_wr w = tally_wr_to(d->out + TALLY_RECORD_BODY_AT, TALLY_MESSAGE_BYTES_MAX);
    struct tally_slice body;

    tally_message_encode(&w, m);
    if (tally_wr_end(&w, &body) != TALLY_OK) {
        tally_line_end(d, tally_why_text());
        return false;
    }
    return send_record(d, TALLY_RECORD_MESSAGE, body.len);
}

uint8_t *tally_line_piece(struct tally_desk *d)
{
    return d->out + TALLY_RECORD_BODY_AT + TALLY_CHUNK_HEAD_BYTES;
}

bool tally_line_send_chunk(struct tally_desk *d, const uint8_t digest[32], uint32_t index,
                           size_t len)
{
    tally_chunk_head(digest, index, d->out + TALLY_RECORD_BODY_AT);
    return send_record(d, TALLY_RECORD_CHUNK, TALLY_CHUNK_HEAD_BYTES + len);
}

bool tally_line_refuse(struct tally_desk *d, const char *event, const uint8_t digest[32])
{
    char text[TALLY_DESK_WHY_MAX];
    struct tally_message m = {.type = TALLY_MSG_REFUSED,
                              .reason = tally_slice_str(tally_reason_name(tally_reason()))};

    (void)snprintf(text, sizeof text, "%s", tally_why_text());
    m.text = tally_slice_str(text);
    memcpy(m.digest, digest, 32);
    TALLY_LOG(TALLY_LOG_ERROR, event, tally_log_str("reason", tally_reason_name(tally_reason())),
              tally_log_str("why", text));
    return tally_line_send(d, &m);
}

void tally_line_status(struct tally_desk *d, enum tally_phase phase, uint32_t first, uint32_t total)
{
    struct tally_message m = {.type = TALLY_MSG_STATUS,
                              .round = d->memory.member.round,
                              .kind = phase,
                              .first = first,
                              .total = total};

    if (d->line.greeted) (void)tally_line_send(d, &m);
}

void tally_line_good(struct tally_desk *d)
{
    d->line.hold_ms = 0;
}

static void hello(struct tally_desk *d, const struct tally_message *m)
{
    uint64_t now_ms = tally_desk_now_ms(d);
    uint64_t apart = now_ms > m->time_ms ? now_ms - m->time_ms : m->time_ms - now_ms;

    if (apart > TALLY_CLOCK_APART_MS) {
        tally_line_end(d, "the aggregator's clock is more than five minutes from ours: set the "
                          "clocks right");
        return;
    }
    d->line.greeted = true;
    d->checked.greeted_ms = tally_loop_now_ms(d->loop);
    if (!d->has_job) tally_line_good(d);
}

static void message(struct tally_desk *d, const struct tally_message *m)
{
    if (!d->line.greeted) {
        if (m->type == TALLY_MSG_HELLO)
            hello(d, m);
        else
            tally_line_end(d, "the aggregator does not begin with HELLO");
        return;
    }
    switch ((int)m->type) {
    case TALLY_MSG_DOCUMENT: tally_papers_document(d, m); break;
    case TALLY_MSG_OPEN:
    case TALLY_MSG_SET:
    case TALLY_MSG_VERSION:
    case TALLY_MSG_REFUSED: tally_rounds_message(d, m); break;
    case TALLY_MSG_OBJECT: tally_download_object(d, m); break;
    case TALLY_MSG_GO:
    case TALLY_MSG_CREDIT:
    case TALLY_MSG_ACK: tally_upload_message(d, m); break;
    case TALLY_MSG_STATUS: break;
    default: tally_line_end(d, "a message that is not the aggregator's to send"); break;
    }
}

void tally_line_bytes(void *desk, struct tally_slice bytes)
{
    struct tally_desk *d = desk;
    enum tally_record_kind kind;
    struct tally_slice body;
    struct tally_message m;

    /* A tour that is over (a revocation, a disk that failed) takes nothing more. */
    if (bytes.len > TALLY_DESK_FRAME_MAX || d->outcome != TALLY_OUTCOME_NONE) return;
    memcpy(d->in, bytes.at, bytes.len); /* frames are opened in place */
    if (d->line.handshake.at != NULL) {
        struct tally_handshake_event ev = {
            .type = TALLY_HANDSHAKE_FRAME, .frame = d->in, .frame_len = bytes.len};
        step(d, &ev);
        return;
    }
    if (!d->line.established) return; /* of a session that is over */
    d->line.heard_ms = tally_loop_now_ms(d->loop);
    if (tally_record_open(records_of(d), tally_desk_now_ms(d), d->in, bytes.len, &kind, &body) !=
        TALLY_OK) {
        tally_line_end(d, tally_why_text());
    } else if (kind == TALLY_RECORD_CHUNK) {
        tally_download_chunk(d, body);
    } else if (tally_message_decode(body, &m) != TALLY_OK) {
        tally_line_end(d, tally_why_text());
    } else {
        message(d, &m);
    }
}

void tally_line_report(void *desk, const struct tally_link_report *r)
{
    struct tally_desk *d = desk;

    if (d->checking && r->link == TALLY_LINK_AUTH_FAILED)
        tally_points_add(d->points, false, "compare the CURVE keys in the federation document",
                         "the aggregator does not admit this node's CURVE key");
    TALLY_LOG(r->link == TALLY_LINK_UP || r->link == TALLY_LINK_DOWN ? TALLY_LOG_DEBUG
                                                                     : TALLY_LOG_WARN,
              "connection", tally_log_str("what", tally_link_name(r->link)),
              tally_log_u64("detail", r->detail), tally_log_u64("left_out", r->suppressed));
}
