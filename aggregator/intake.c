/* intake.c - uploads (hub.h): the head is judged whole before the first chunk; chunks go to the
 * spool under credit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/intake.h"
#include "common/log.h"
#include "common/moments.h"

void tally_intake_release(struct tally_intake *in)
{
    if (--in->users != 0) return;
    free(in->head);
    free(in);
}

void tally_intake_leave(struct tally_session *l)
{
    if (l->intake != NULL) tally_intake_release(l->intake);
    l->intake = NULL;
}

enum tally_status tally_intake_post(struct tally_intake *in,
                                    enum tally_status (*run)(struct tally_task *),
                                    void (*done)(struct tally_task *), struct tally_slice bytes)
{
    struct intake_job *j = malloc(sizeof *j + bytes.len);

    TALLY_ENSURE(j != NULL, TALLY_E_NOMEM, "upload");
    memset(j, 0, sizeof *j);
    j->task.run = run;
    j->task.done = done;
    j->in = in;
    j->len = bytes.len;
    if (bytes.len != 0) memcpy(j->bytes, bytes.at, bytes.len);
    struct tally_task *task = &j->task;
    enum tally_status s = tally_mailbox_post(in->hub->store_box, &task);
    if (s == TALLY_OK)
        in->users++;
    else
        free(j);
    return s;
}

struct tally_session *tally_intake_session(const struct tally_intake *in)
{
    struct tally_session *l = tally_session_by_id(in->hub, in->link);

    return l != NULL && l->intake == in ? l : NULL;
}

void tally_intake_fail_as(const struct tally_task *task)
{
    const char *text = strstr(task->why, ": ");

    (void)!TALLY_REFUSE(task->reason == TALLY_R_NONE ? TALLY_R_E_UPDATE : task->reason, "%s",
                        text ? text + 2 : task->why);
}

void tally_intake_refuse(struct tally_session *l, const uint8_t st_digest[32], bool of_round)
{
    struct tally_course *c = l->course;
    uint8_t digest[32];
    struct tally_round_event ev = {.type = TALLY_ROUND_EV_REFUSED,
                                   .site = l->site,
                                   .reason = tally_reason() == TALLY_R_NONE ? TALLY_R_E_UPDATE
                                                                            : tally_reason()};

    memcpy(digest, st_digest, 32);
    if (tally_reason() == TALLY_R_NONE)
        (void)!TALLY_REFUSE(TALLY_R_E_UPDATE, "%s", tally_why_text());
    tally_intake_leave(l);
    tally_session_refuse(l, digest);
    if (of_round && c->round.state == TALLY_ROUND_COLLECTING) tally_course_event(c, ev);
}

/* ---- chunks ---- */

static enum tally_status append_run(struct tally_task *task)
{
    struct intake_job *j = (struct intake_job *)task;
    struct tally_intake *in = j->in;
    uint8_t leaf[32];

    TALLY_TRY(tally_spool_append(in->hub->spool, in->st.seal_digest, in->have_bytes,
                                 tally_slice_of(j->bytes, j->len)));
    in->have_bytes += j->len;
    tally_merkle_leaf(tally_slice_of(j->bytes, j->len), leaf);
    tally_merkle_add(&in->tree, leaf);
    return TALLY_OK;
}

static void append_done(struct tally_task *task)
{
    struct intake_job *j = (struct intake_job *)task;
    struct tally_intake *in = j->in;
    struct tally_session *l = tally_intake_session(in);

    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(in->hub, "an upload cannot be spooled", task->why);
    } else if (l != NULL && task->status != TALLY_OK) {
        uint8_t digest[32];
        memcpy(digest, in->st_digest, 32);
        tally_intake_fail_as(task);
        tally_intake_refuse(l, digest, false);
    } else if (l != NULL && (uint64_t)in->next * TALLY_PIECE_BYTES_MAX < in->st.sealed_bytes) {
        struct tally_message m = {.type = TALLY_MSG_CREDIT, .count = 1};
        memcpy(m.digest, in->st.seal_digest, 32);
        in->credit++;
        (void)tally_session_send(l, &m);
    }
    tally_intake_release(in);
    free(j);
}

void tally_intake_chunk(struct tally_session *l, struct tally_slice body)
{
    struct tally_intake *in = l->intake;
    struct tally_chunk chunk;

    if (in == NULL || tally_chunk_decode(body, &chunk) != TALLY_OK ||
        memcmp(chunk.seal_digest, in->st.seal_digest, 32) != 0) {
        if (in != NULL || tally_chunk_decode(body, &chunk) != TALLY_OK)
            tally_session_end(l, "a chunk of no upload");
        return; /* of an upload that was refused meanwhile */
    }
    uint64_t at = (uint64_t)in->next * TALLY_PIECE_BYTES_MAX;
    uint64_t left = at < in->st.sealed_bytes ? in->st.sealed_bytes - at : 0;
    uint64_t want = left < TALLY_PIECE_BYTES_MAX ? left : TALLY_PIECE_BYTES_MAX;
    if (in->credit == 0 || chunk.index != in->next || chunk.bytes.len != want || want == 0) {
        tally_session_end(l, "a chunk without credit, out of order or of another size");
        return;
    }
    in->credit--;
    in->next++;
    enum tally_status s = tally_intake_post(in, append_run, append_done, chunk.bytes);
    if (s == TALLY_OK && left == want)
        s = tally_intake_post(in, tally_intake_finish_run, tally_intake_finish_done,
                              (struct tally_slice){0});
    if (s != TALLY_OK) tally_session_end(l, tally_why());
}

/* ---- the head ---- */

/* Rebuilds the tree over what an earlier connection or process left in the spool. */
static enum tally_status resume(struct tally_intake *in)
{
    uint8_t *piece = malloc(TALLY_PIECE_BYTES_MAX), leaf[32];
    enum tally_status s = TALLY_OK;

    TALLY_ENSURE(piece != NULL, TALLY_E_NOMEM, "upload");
    for (uint64_t at = 0; s == TALLY_OK && at < in->have_bytes; at += TALLY_PIECE_BYTES_MAX) {
        uint64_t left = in->have_bytes - at;
        size_t n = left < TALLY_PIECE_BYTES_MAX ? (size_t)left : TALLY_PIECE_BYTES_MAX;
        s = tally_spool_read(in->hub->spool, in->st.seal_digest, at, piece, n);
        tally_merkle_leaf(tally_slice_of(piece, n), leaf);
        tally_merkle_add(&in->tree, leaf);
    }
    free(piece);
    return s;
}

struct left_over {
    const char *owner;
    const uint8_t *but;
    bool found;
    uint8_t digest[32];
};

static void look_for_left_over(void *ctx, const struct tally_spool_part *p)
{
    struct left_over *o = ctx;

    if (strcmp(p->owner, o->owner) != 0 || memcmp(p->digest, o->but, 32) == 0) return;
    o->found = true;
    memcpy(o->digest, p->digest, 32);
}

/* A node has one session and in it one upload: what it began before and left would hold its room,
 * and places that all share, until the next start. */
static enum tally_status drop_left_over(struct tally_spool *spool, const char *owner,
                                        const uint8_t but[32])
{
    for (int i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        struct left_over o = {.owner = owner, .but = but};
        tally_spool_parts(spool, look_for_left_over, &o);
        if (!o.found) break;
        TALLY_TRY(tally_spool_drop(spool, o.digest));
    }
    return TALLY_OK;
}

static enum tally_status begin_run(struct tally_task *task)
{
    struct tally_intake *in = ((struct intake_job *)task)->in;
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX], leaf[32];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    char owner[TALLY_SPOOL_OWNER_MAX + 1];
    struct tally_slice sh;

    tally_statement_header(&in->st, &h);
    TALLY_TRY(tally_payload_header_encode(&h, &w, &sh));
    in->tree = (struct tally_merkle){0};
    tally_merkle_leaf(sh, leaf);
    tally_merkle_add(&in->tree, leaf);
    (void)snprintf(owner, sizeof owner, "%s/%s", in->st.org, in->st.node);
    TALLY_TRY(drop_left_over(in->hub->spool, owner, in->st.seal_digest));
    TALLY_TRY(tally_spool_begin(in->hub->spool, in->st.seal_digest, owner, in->st.sealed_bytes,
                                &in->have_bytes));
    return resume(in);
}

static void begin_done(struct tally_task *task)
{
    struct tally_intake *in = ((struct intake_job *)task)->in;
    struct tally_session *l = tally_intake_session(in);

    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(in->hub, "an upload cannot begin", task->why);
    } else if (l != NULL && task->status != TALLY_OK) {
        uint8_t digest[32];
        memcpy(digest, in->st_digest, 32);
        tally_intake_fail_as(task);
        tally_intake_refuse(l, digest, false);
    } else if (l != NULL) {
        struct tally_message m = {.type = TALLY_MSG_GO};
        in->next = (uint32_t)((in->have_bytes + TALLY_PIECE_BYTES_MAX - 1) / TALLY_PIECE_BYTES_MAX);
        in->credit = TALLY_WINDOW_DEFAULT;
        memcpy(m.digest, in->st.seal_digest, 32);
        m.first = in->next;
        m.count = in->credit;
        if (in->have_bytes == in->st.sealed_bytes &&
            tally_intake_post(in, tally_intake_finish_run, tally_intake_finish_done,
                              (struct tally_slice){0}) != TALLY_OK)
            tally_session_end(l, tally_why());
        else
            (void)tally_session_send(l, &m);
    }
    tally_intake_release(in);
    free(task);
}

/* Statement, signature and evidence against the open round and the session (CHANNEL.md 3). */
static enum tally_status judge(struct tally_session *l, struct tally_intake *in)
{
    struct tally_hub *h = l->hub;
    struct tally_peer_question q = {
        .by = {tally_peer_appraise, h->verified},
        .federation = h->federation,
        .entry = l->guest->node,
        .revoked = h->documents,
        .now_s = tally_hub_now_ms(h) / 1000
    };
    struct tally_verdict *v = calloc(1, sizeof *v);
    uint64_t most = TALLY_PAYLOAD_HEAD_MAX + 4 * (uint64_t)l->course->params;

    TALLY_ENSURE(v != NULL, TALLY_E_NOMEM, "verdict");
    if (in->st.kind == TALLY_PAYLOAD_MOMENTS) most += TALLY_MOMENTS_BYTES_MAX;
    const struct tally_update_quote quote = {in->parts.st, tally_peer_key_block(&l->who),
                                             in->parts.ev, in->st.challenge};
    enum tally_status s = tally_statement_check(&in->st, &l->course->opening, l->guest->node->org,
                                                l->guest->node->node);
    if (s == TALLY_OK && in->st.plaintext_bytes > most)
        s = TALLY_REFUSE(TALLY_R_E_OVERSIZE, "%llu bytes for a model of %zu parameters",
                         (unsigned long long)in->st.plaintext_bytes, l->course->params);
    if (s == TALLY_OK)
        s = tally_update_verify(l->who.kb.attested_key, in->parts.st, in->parts.ev, in->parts.sig);
    if (s == TALLY_OK) s = tally_update_expected(&quote, q.report_data, q.gpu_nonce);
    if (s == TALLY_OK) s = tally_peer_judge(&q, in->parts.ev, in->parts.endorsements, v);
    if (s == TALLY_OK) h->verified_n++;
    free(v);
    return s;
}

static enum tally_status take_head(struct tally_session *l, const struct tally_message *m,
                                   struct tally_intake *in)
{
    struct tally_upload_head u = {
        .st = m->body, .ev = m->evidence, .endorsements = m->endorsements};
    struct tally_slice kb = tally_peer_key_block(&l->who), out;
    size_t cap = m->body.len + m->evidence.len + m->endorsements.len + 256;

    memcpy(u.sig, m->signature, sizeof u.sig);
    memcpy(u.wrap, m->wrap, sizeof u.wrap);
    in->head = malloc(cap);
    TALLY_ENSURE(in->head != NULL, TALLY_E_NOMEM, "upload");
    struct tally_wr w = tally_wr_to(in->head, cap);
    TALLY_TRY(tally_upload_head_encode(&u, &w, &out));
    in->head_len = out.len;
    TALLY_TRY(tally_upload_head_decode(out, &in->parts));
    TALLY_REFUSE_UNLESS(tally_statement_decode(in->parts.st, &in->st) == TALLY_OK, TALLY_R_E_FORMAT,
                        "the statement: %s", tally_why_text());
    TALLY_SHA256_OF(in->st_digest, in->parts.st);
    TALLY_SHA256_OF(in->ev_digest, in->parts.ev);
    memcpy(in->kb, kb.at, kb.len);
    in->kb_len = kb.len;
    in->params = l->course->params;
    in->schema = &l->course->job.schema;
    in->appraised_ms = tally_hub_now_ms(l->hub);
    return TALLY_OK;
}

/* The answer to a statement that this round already counts, or to another of the same site. */
static bool answered_before(struct tally_session *l, const struct tally_intake *in)
{
    const struct tally_round_site *site = &l->course->round.sites[l->site];
    uint8_t ack[TALLY_SIGNATURE_BYTES];

    if (in->st.round != l->course->round.number || site->status != TALLY_SITE_ACCEPTED)
        return false;
    if (memcmp(site->statement, in->st_digest, 32) != 0) {
        (void)!TALLY_REFUSE(TALLY_R_UPDATE_CONFLICT,
                            "this node's update of round %llu is another one",
                            (unsigned long long)in->st.round);
        tally_session_refuse(l, in->st_digest);
    } else if (tally_ack_sign(&tally_hub_instance(l->hub)->attested, in->st_digest,
                              l->course->accepted[l->site].ev_digest, ack) == TALLY_OK) {
        tally_intake_acknowledge(l, in->st_digest, ack);
    }
    return true;
}

void tally_intake_head(struct tally_session *l, const struct tally_message *m)
{
    struct tally_intake *in = calloc(1, sizeof *in);

    if (in == NULL || l->intake != NULL) {
        free(in);
        tally_session_end(l, "an upload while another is under way");
        return;
    }
    in->hub = l->hub;
    in->link = l->id;
    in->users = 1;
    enum tally_status s = take_head(l, m, in);
    if (s == TALLY_OK && answered_before(l, in)) {
        tally_intake_release(in);
        return;
    }
    uint8_t digest[32];
    memcpy(digest, in->st_digest, 32);
    if (s == TALLY_OK && (l->course->round.state != TALLY_ROUND_COLLECTING ||
                          in->st.round < l->course->round.number)) /* a straggler's */
        s = TALLY_REFUSE(TALLY_R_deadline, "round %llu takes no more updates",
                         (unsigned long long)in->st.round);
    if (s == TALLY_OK) s = judge(l, in);
    if (s == TALLY_OK) {
        l->intake = in;
        s = tally_intake_post(in, begin_run, begin_done, (struct tally_slice){0});
        if (s == TALLY_OK) return;
        l->intake = NULL;
    }
    tally_intake_release(in);
    tally_intake_refuse(l, digest, tally_reason() != TALLY_R_deadline);
}
