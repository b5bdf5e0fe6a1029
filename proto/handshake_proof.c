/* handshake_proof.c - M3 and M4: evidence made and judged; see handshake.h. */
#include <sodium.h>
#include <string.h>

#include "common/secret.h"
#include "proto/handshake_steps.h"

/* KB names the entry, in this federation and mode. */
enum tally_status tally_handshake_key_block_fits(const struct tally_key_block *kb,
                                                 const struct tally_federation *f,
                                                 const struct tally_node *entry)
{
    TALLY_REFUSE_UNLESS(kb->mode == f->mode, TALLY_R_E_IDENTITY, "key block of another mode");
    TALLY_REFUSE_UNLESS(memcmp(kb->federation_id, f->id, sizeof f->id) == 0, TALLY_R_E_FEDERATION,
                        "key block of another federation");
    TALLY_REFUSE_UNLESS(kb->role == entry->role && tally_handshake_same_name(kb->org, entry->org) &&
                            tally_handshake_same_name(kb->node, entry->node),
                        TALLY_R_E_IDENTITY, "key block of %s/%s, not %s/%s", kb->org, kb->node,
                        entry->org, entry->node);
    return TALLY_OK;
}

/* What the evidence of `side` is bound to, at the transcript as it stands. */
struct tally_binding tally_handshake_binding(const struct tally_handshake *h, enum tally_side side,
                                             const uint8_t binder[32])
{
    return (struct tally_binding){
        .side = side,
        .mode = h->p.federation->mode,
        .role = side == h->p.side ? h->p.self->role : h->p.peer->role,
        .federation = h->p.federation->digest,
        .job = h->job,
        .krp = h->krp,
        .binder = binder,
        .peer_nonce = side == TALLY_SIDE_SERVER ? h->nonce_c : h->nonce_s,
        .t = h->t,
    };
}

/* type || T: what M3 and M4 authenticate besides P. */
struct sealing {
    const uint8_t *key;
    uint8_t aad[1 + 32];
};

static struct sealing sealing_of(const struct tally_handshake *h, enum tally_side side)
{
    bool server = side == TALLY_SIDE_SERVER;
    struct sealing s = {.key = server ? h->keys.hs_s : h->keys.hs_c};

    s.aad[0] = server ? TALLY_FRAME_M3 : TALLY_FRAME_M4;
    memcpy(s.aad + 1, h->t, 32);
    return s;
}

enum tally_status tally_handshake_send_proof(struct tally_handshake *h,
                                             const struct tally_handshake_event *ev,
                                             struct tally_slice *frame)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    struct tally_proof p = {
        .ev = ev->ev, .endorsements = ev->endorsements, .key_block = h->p.key_block};
    struct tally_binding b = tally_handshake_binding(h, h->p.side, h->binder);
    struct sealing s = sealing_of(h, h->p.side);
    struct tally_wr w = tally_wr_to(ev->out, ev->out_cap);
    struct tally_slice plain;

    TALLY_ENSURE(p.ev.len <= TALLY_EV_MAX && p.endorsements.len <= TALLY_ENDORSEMENTS_MAX,
                 TALLY_E_LIMIT, "evidence of %zu and %zu bytes", p.ev.len, p.endorsements.len);
    TALLY_TRY(tally_session_sign(h->p.session_key, &b, p.ev, p.key_block, p.sig));
    tally_wr_u8(&w, s.aad[0]);
    tally_proof_write(&p, &w);
    TALLY_TRY(tally_wr_end(&w, &plain));
    TALLY_ENSURE(plain.len + TALLY_AEAD_TAG_BYTES <= ev->out_cap, TALLY_E_LIMIT,
                 "no room for the tag");
    TALLY_TRY(tally_aead_init(&aead, s.key));
    TALLY_TRY(tally_aead_seal(&aead, s.key + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(s.aad),
                              tally_slice_of(plain.at + 1, plain.len - 1), ev->out + 1));
    *frame = tally_slice_of(ev->out, plain.len + TALLY_AEAD_TAG_BYTES);
    tally_handshake_add(h, *frame);
    return TALLY_OK;
}

/* M3 or M4 to P, in place; t_after is the transcript with the frame. */
static enum tally_status open_proof(const struct tally_handshake *h,
                                    const struct tally_handshake_event *ev, struct tally_proof *p,
                                    uint8_t t_after[32])
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    struct sealing s =
        sealing_of(h, tally_handshake_is_server(h) ? TALLY_SIDE_CLIENT : TALLY_SIDE_SERVER);

    TALLY_REFUSE_UNLESS(ev->frame_len <= TALLY_SEALED_FRAME_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "frame of %zu bytes", ev->frame_len);
    TALLY_REFUSE_UNLESS(ev->frame_len > 1 + TALLY_AEAD_TAG_BYTES, TALLY_R_E_TRUNCATED,
                        "frame of %zu bytes", ev->frame_len);
    TALLY_ENSURE(ev->frame[0] == s.aad[0], TALLY_E_WIRE, "frame of type %u, not %u", ev->frame[0],
                 s.aad[0]);
    tally_transcript_add(h->t, tally_slice_of(ev->frame, ev->frame_len), t_after);
    TALLY_TRY(tally_aead_init(&aead, s.key));
    TALLY_TRY(tally_aead_open(&aead, s.key + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(s.aad),
                              tally_slice_of(ev->frame + 1, ev->frame_len - 1), ev->frame + 1));
    return tally_proof_decode(
        tally_slice_of(ev->frame + 1, ev->frame_len - 1 - TALLY_AEAD_TAG_BYTES), p);
}

static void accept(struct tally_handshake *h, const struct tally_proof *p,
                   const struct tally_key_block *kb, uint64_t now_s)
{
    struct tally_peer *peer = &h->peer;
    const struct tally_verdict *v = &h->verdict;

    *peer = (struct tally_peer){.kb = *kb,
                                .kb_len = p->key_block.len,
                                .trust = v->trust,
                                .appraised_s = now_s,
                                .not_before_s = v->not_before_s,
                                .not_after_s = v->not_after_s};
    memcpy(peer->kb_bytes, p->key_block.at, p->key_block.len);
    TALLY_SHA256_OF(peer->key_id, TALLY_SLICE("tally/kb/v1"), p->key_block);
    TALLY_SHA256_OF(peer->ev_digest, p->ev);
    memcpy(peer->session_key, h->p.peer->session_key, sizeof peer->session_key);
    memcpy(peer->federation, h->p.federation->digest, sizeof peer->federation);
    memcpy(peer->job, h->job, sizeof peer->job);
    memcpy(peer->krp, h->krp, sizeof peer->krp);
    memcpy(peer->chip, v->chip, sizeof peer->chip);
    memcpy(peer->measurement, v->measurement, sizeof peer->measurement);
}

/* Names, then the session signature (so that only members cost us chain checks), then evidence
 * with REPORT_DATA, measurement, chip and revocation. */
static enum tally_status check_proof(struct tally_handshake *h, const struct tally_proof *p,
                                     uint64_t now_s)
{
    enum tally_side side = tally_handshake_is_server(h) ? TALLY_SIDE_CLIENT : TALLY_SIDE_SERVER;
    struct tally_peer_question q = {.by = h->p.appraiser,
                                    .federation = h->p.federation,
                                    .entry = h->p.peer,
                                    .revoked = h->p.revoked,
                                    .now_s = now_s};
    uint8_t binder[32], body[TALLY_BINDING_BYTES];
    struct tally_binding b = tally_handshake_binding(h, side, binder);
    struct tally_key_block kb;

    TALLY_TRY(tally_key_block_decode(p->key_block, &kb));
    TALLY_TRY(tally_handshake_key_block_fits(&kb, h->p.federation, h->p.peer));
    TALLY_REFUSE_UNLESS(side == TALLY_SIDE_CLIENT ||
                            memcmp(kb.instance, h->instance_s, sizeof kb.instance) == 0,
                        TALLY_R_E_IDENTITY, "key block of another instance than M2's");
    TALLY_TRY(tally_session_verify(h->p.peer->session_key, &b, p->ev, p->key_block, p->sig));
    tally_keys_binder(&h->keys, side, h->t, binder);
    tally_binding_body(&b, body);
    enum tally_status s = tally_quote_expected(
        &(struct tally_quote_ask){TALLY_QUOTE_SESSION, TALLY_SLICE(body),
                                  body + TALLY_BINDING_NONCE_AT, p->key_block},
        p->ev, q.report_data, q.gpu_nonce);
    sodium_memzero(binder, sizeof binder);
    sodium_memzero(body, sizeof body);
    TALLY_TRY(s);
    TALLY_TRY(tally_peer_judge(&q, p->ev, p->endorsements, &h->verdict));
    accept(h, p, &kb, now_s);
    return TALLY_OK;
}

enum tally_status tally_handshake_read_proof(struct tally_handshake *h,
                                             const struct tally_handshake_event *ev,
                                             struct tally_handshake_effects *out)
{
    struct tally_proof p;
    uint8_t t_after[32];

    TALLY_TRY(open_proof(h, ev, &p, t_after));
    TALLY_TRY(check_proof(h, &p, ev->now_ms / 1000));
    memcpy(h->t, t_after, sizeof h->t);
    out->peer_ev = p.ev;
    out->peer_endorsements = p.endorsements;
    return TALLY_OK;
}
