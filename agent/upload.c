/* upload.c - the update of the open round going up (desk.h): its head, its pieces under credit, a
 * new wrap for a new key, and the aggregator's signature for it. Only what is durable is ever sent.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/desk.h"
#include "common/hpke.h"
#include "common/log.h"

void tally_upload_end(struct tally_desk *d)
{
    if (d->upload.live && d->upload.fd >= 0) (void)close(d->upload.fd);
    d->upload = (struct tally_upload){.fd = -1};
}

/* The content key wrapped for the aggregator of this session (CHANNEL.md section 3). */
static enum tally_status wrap(const struct tally_desk *d, const struct tally_update *u,
                              uint8_t out[TALLY_WRAP_BYTES])
{
    uint8_t info[TALLY_WRAP_INFO_BYTES], ephemeral[32];

    TALLY_ENSURE(u->key.at != NULL, TALLY_E_STATE,
                 "the update's content key cannot be unsealed on this machine");
    tally_wrap_info(d->line.peer.key_id, info);
    randombytes_buf(ephemeral, sizeof ephemeral);
    enum tally_status s =
        tally_hpke_seal(d->line.peer.kb.kem_key, ephemeral, TALLY_SLICE(info),
                        TALLY_SLICE(u->st.seal_digest), tally_slice_of(u->key.at, u->key.len), out);
    sodium_memzero(ephemeral, sizeof ephemeral);
    return s;
}

enum tally_status tally_upload_wrap(const struct tally_desk *d, struct tally_update *u)
{
    uint8_t fresh[TALLY_WRAP_BYTES];

    TALLY_TRY(wrap(d, u, fresh));
    memcpy(u->wrap, fresh, sizeof u->wrap);
    memcpy(u->wrap_key_id, d->line.peer.key_id, sizeof u->wrap_key_id);
    return TALLY_OK;
}

static void send_head(struct tally_desk *d)
{
    struct tally_update *u = &d->update;
    struct tally_message m = {
        .type = TALLY_MSG_UPLOAD,
        .body = {u->st_bytes,     u->st_len          },
        .evidence = {u->ev,           u->ev_len          },
        .endorsements = {u->endorsements, u->endorsements_len}
    };

    memcpy(m.signature, u->sig, sizeof m.signature);
    memcpy(m.wrap, d->upload.wrap, sizeof m.wrap);
    tally_line_status(d, TALLY_PHASE_UPLOADING, 0, 1);
    (void)tally_line_send(d, &m);
}

static void send_rewrap(struct tally_desk *d)
{
    struct tally_message m = {.type = TALLY_MSG_REWRAP};

    memcpy(m.digest, d->update.st_digest, 32);
    memcpy(m.key_id, d->line.peer.key_id, 32);
    memcpy(m.wrap, d->upload.wrap, sizeof m.wrap);
    d->upload.rewrapping = true;
    TALLY_LOG(TALLY_LOG_INFO, "rewrap", tally_log_hex("key_id", m.key_id, 8));
    (void)tally_line_send(d, &m);
}

/* The wrap becomes the one that is kept. It does so only when the aggregator surely has it, or none
 * before: until then every session owes it again. */
static void keep_wrap(struct tally_desk *d)
{
    struct tally_update *u = &d->update;

    memcpy(u->wrap, d->upload.wrap, sizeof u->wrap);
    memcpy(u->wrap_key_id, d->line.peer.key_id, 32);
    if (tally_memory_keep(&d->memory, u) != TALLY_OK)
        tally_desk_fatal(d, "the update cannot be kept", tally_why_text());
}

/* This session's wrap; false where there can be none. */
static bool choose_wrap(struct tally_desk *d)
{
    static const uint8_t none[32];
    const struct tally_update *u = &d->update;
    bool first = memcmp(u->wrap_key_id, none, 32) == 0;

    memcpy(d->upload.wrap, u->wrap, sizeof d->upload.wrap);
    if (memcmp(u->wrap_key_id, d->line.peer.key_id, 32) == 0) return true;
    if (wrap(d, u, d->upload.wrap) != TALLY_OK) {
        TALLY_LOG(TALLY_LOG_ERROR, "rewrap_failed", tally_log_str("why", tally_why_text()));
        return false;
    }
    d->upload.owed = !first;
    if (first) keep_wrap(d);
    return true;
}

void tally_upload_start(struct tally_desk *d)
{
    char path[TALLY_MEMORY_PATH_MAX];

    if (d->upload.live) return;
    tally_memory_sealed_path(&d->memory, d->memory.member.round, path);
    d->upload = (struct tally_upload){.live = true, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (d->upload.fd < 0 ||
        tally_flow_begin(&d->upload.flow, d->update.st.sealed_bytes) != TALLY_OK) {
        tally_desk_fatal(d, "the sealed update is gone", path);
        return;
    }
    if (!choose_wrap(d) || d->outcome == TALLY_OUTCOME_FATAL) return;
    if (d->upload.owed && d->memory.member.acked)
        send_rewrap(d);
    else
        send_head(d);
}

static void rolled_back(const struct tally_desk *d)
{
    TALLY_LOG(TALLY_LOG_ERROR, "AGGREGATOR_ROLLED_BACK",
              tally_log_u64("round", d->memory.member.round),
              tally_log_str("why", "it acknowledged this update and does not know it now; the same "
                                   "bytes are sent again"));
}

void tally_upload_refused(struct tally_desk *d)
{
    struct tally_upload *u = &d->upload;

    u->flow = (struct tally_flow){0}; /* not sent again in this session */
    if (!u->rewrapping || !u->owed) return;
    u->owed = u->rewrapping = false;
    rolled_back(d);
    if (tally_flow_begin(&u->flow, d->update.st.sealed_bytes) == TALLY_OK) send_head(d);
}

/* Now and then: a word for each piece would fill the queue that the pieces need. */
static void say_how_far(struct tally_desk *d)
{
    uint64_t now = tally_loop_now_ms(d->loop);

    if (now - d->said_ms < TALLY_STATUS_EVERY_MS) return;
    d->said_ms = now;
    tally_line_status(d, TALLY_PHASE_UPLOADING, d->upload.flow.next, d->upload.flow.pieces);
}

static void pump(struct tally_desk *d)
{
    struct tally_flow_piece p;
    uint8_t *to = tally_line_piece(d);

    while (d->upload.live && tally_flow_take(&d->upload.flow, &p)) {
        if (pread(d->upload.fd, to, p.len, (off_t)p.offset) != (ssize_t)p.len) {
            tally_desk_fatal(d, "the sealed update cannot be read", "see the disk");
            return;
        }
        if (!tally_line_send_chunk(d, d->update.st.seal_digest, p.index, p.len)) return;
    }
    if (d->upload.live) say_how_far(d);
}

static void acknowledged(struct tally_desk *d, const struct tally_message *m)
{
    struct tally_member next = d->memory.member;

    if (tally_ack_verify(d->line.peer.kb.attested_key, d->update.st_digest, d->update.ev_digest,
                         m->signature) != TALLY_OK) {
        tally_line_end(d, "the aggregator's acknowledgement does not verify");
        return;
    }
    enum tally_status s =
        tally_memory_keep_ack(&d->memory, &d->update, d->line.peer.key_id, m->signature);
    if (s == TALLY_OK) s = tally_member_acked(&next, d->update.st_digest);
    if (s == TALLY_OK) s = tally_memory_save(&d->memory, &next, d->memory.done);
    if (s != TALLY_OK) {
        tally_desk_fatal(d, "the acknowledgement cannot be kept", tally_why_text());
        return;
    }
    TALLY_LOG(TALLY_LOG_INFO, "acknowledged", tally_log_u64("round", next.round),
              tally_log_hex("statement", d->update.st_digest, 8));
    if (d->upload.owed && !d->upload.rewrapping) { /* it may have been there, under the old key */
        send_rewrap(d);
        return;
    }
    if (d->upload.owed) {
        d->upload.owed = false;
        keep_wrap(d);
    }
    tally_line_status(d, TALLY_PHASE_WAITING, 0, 0);
    tally_rounds_advance(d);
}

void tally_upload_message(struct tally_desk *d, const struct tally_message *m)
{
    struct tally_upload *u = &d->upload;
    bool ack = m->type == TALLY_MSG_ACK;

    if (!u->live || memcmp(m->digest, ack ? d->update.st_digest : d->update.st.seal_digest, 32))
        return; /* of an update that is over */
    if (ack) {
        acknowledged(d, m);
        return;
    }
    if (m->type == TALLY_MSG_GO && d->memory.member.acked) rolled_back(d);
    enum tally_status s = m->type == TALLY_MSG_GO ? tally_flow_go(&u->flow, m->first, m->count)
                                                  : tally_flow_credit(&u->flow, m->count);
    if (s != TALLY_OK)
        tally_line_end(d, tally_why_text());
    else
        pump(d);
}
