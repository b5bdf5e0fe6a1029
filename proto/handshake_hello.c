/* handshake_hello.c - M1, M2 and the refusal: who talks to whom; see handshake.h. */
#include <sodium.h>
#include <string.h>

#include "proto/handshake_steps.h"

static const uint8_t zeros[32];

enum tally_status tally_handshake_send_m1(struct tally_handshake *h, struct tally_wr *w,
                                          struct tally_slice *frame)
{
    struct tally_m1 m = {
        .mode = h->p.federation->mode, .role_c = h->p.self->role, .role_s = h->p.peer->role};

    memcpy(m.federation, h->p.federation->digest, sizeof m.federation);
    memcpy(m.job, h->job, sizeof m.job);
    memcpy(m.krp, h->krp, sizeof m.krp);
    memcpy(m.e_c, h->e_c, sizeof m.e_c);
    memcpy(m.nonce_c, h->nonce_c, sizeof m.nonce_c);
    memcpy(m.org_c, h->p.self->org, sizeof m.org_c);
    memcpy(m.node_c, h->p.self->node, sizeof m.node_c);
    memcpy(m.org_s, h->p.peer->org, sizeof m.org_s);
    TALLY_TRY(tally_m1_encode(&m, w, frame));
    tally_transcript_start(h->t);
    tally_handshake_add(h, *frame);
    return TALLY_OK;
}

/* M1 against the document and the CURVE identity; *code is the hint for the peer. All of it
 * comes before a TEE report is spent on this peer. */
static enum tally_status check_m1(const struct tally_handshake *h, const struct tally_m1 *m,
                                  enum tally_refusal *code)
{
    const struct tally_federation *f = h->p.federation;
    const struct tally_node *self = h->p.self, *peer = h->p.peer;

    *code = TALLY_REFUSED_MODE;
    TALLY_REFUSE_UNLESS(m->mode == f->mode, TALLY_R_E_IDENTITY, "M1 of mode %c", (char)m->mode);
    *code = TALLY_REFUSED_FEDERATION;
    TALLY_REFUSE_UNLESS(memcmp(m->federation, f->digest, sizeof f->digest) == 0,
                        TALLY_R_E_FEDERATION, "M1 under another federation document");
    *code = TALLY_REFUSED_ROLE;
    TALLY_REFUSE_UNLESS(m->role_c == peer->role && m->role_s == self->role, TALLY_R_E_IDENTITY,
                        "M1 from role %d to role %d", (int)m->role_c, (int)m->role_s);
    *code = TALLY_REFUSED_NAME;
    TALLY_REFUSE_UNLESS(tally_handshake_same_name(m->org_c, peer->org) &&
                            tally_handshake_same_name(m->node_c, peer->node),
                        TALLY_R_E_IDENTITY, "M1 of %s/%s over the connection of %s/%s", m->org_c,
                        m->node_c, peer->org, peer->node);
    TALLY_REFUSE_UNLESS(tally_handshake_same_name(m->org_s, self->org), TALLY_R_E_IDENTITY,
                        "M1 to %s", m->org_s);
    *code = TALLY_REFUSED_NOT;
    TALLY_REFUSE_UNLESS(m->pin_size == 0 && memcmp(m->pin_root, zeros, sizeof m->pin_root) == 0,
                        TALLY_R_E_RESERVED_NONZERO, "a ledger pin without a ledger");
    return TALLY_OK;
}

enum tally_status tally_handshake_read_m1(struct tally_handshake *h, struct tally_slice frame,
                                          enum tally_refusal *code)
{
    struct tally_m1 m;
    enum tally_status s = tally_m1_decode(frame, &m);
    enum tally_reason why = s == TALLY_OK ? TALLY_R_NONE : tally_reason();

    if (why == TALLY_R_E_VERSION || why == TALLY_R_E_ALGORITHM) *code = TALLY_REFUSED_VERSION;
    TALLY_TRY(s);
    TALLY_TRY(check_m1(h, &m, code));
    memcpy(h->e_c, m.e_c, sizeof h->e_c);
    memcpy(h->nonce_c, m.nonce_c, sizeof h->nonce_c);
    memcpy(h->job, m.job, sizeof h->job);
    memcpy(h->krp, m.krp, sizeof h->krp);
    tally_transcript_start(h->t);
    tally_handshake_add(h, frame);
    return TALLY_OK;
}

enum tally_status tally_handshake_send_m2(struct tally_handshake *h, struct tally_wr *w,
                                          struct tally_slice *frame)
{
    struct tally_m2 m = {.mode = h->p.federation->mode, .role_s = h->p.self->role};

    memcpy(m.e_s, h->e_s, sizeof m.e_s);
    memcpy(m.nonce_s, h->nonce_s, sizeof m.nonce_s);
    memcpy(m.instance_s, h->instance_s, sizeof m.instance_s);
    memcpy(m.org_s, h->p.self->org, sizeof m.org_s);
    TALLY_TRY(tally_m2_encode(&m, w, frame));
    tally_handshake_add(h, *frame);
    return TALLY_OK;
}

/* A hint of an unauthenticated peer: it ends this attempt and nothing else. */
static enum tally_status hear_refusal(struct tally_handshake *h, struct tally_slice frame)
{
    enum tally_refusal code;

    TALLY_TRY(tally_refusal_decode(frame, &code));
    h->refused = code;
    TALLY_ENSURE(code != TALLY_REFUSED_BUSY, TALLY_E_LIMIT, "the peer is busy");
    enum tally_reason why = code == TALLY_REFUSED_VERSION      ? TALLY_R_E_VERSION
                            : code == TALLY_REFUSED_FEDERATION ? TALLY_R_E_FEDERATION
                                                               : TALLY_R_E_IDENTITY;
    return TALLY_REFUSE(why, "the peer refused: %s", tally_refusal_text(code));
}

enum tally_status tally_handshake_read_m2(struct tally_handshake *h, struct tally_slice frame)
{
    struct tally_m2 m;

    if (frame.len != 0 && frame.at[0] == TALLY_FRAME_REFUSAL) return hear_refusal(h, frame);
    TALLY_TRY(tally_m2_decode(frame, &m));
    TALLY_REFUSE_UNLESS(m.mode == h->p.federation->mode, TALLY_R_E_IDENTITY, "M2 of mode %c",
                        (char)m.mode);
    TALLY_REFUSE_UNLESS(m.role_s == h->p.peer->role &&
                            tally_handshake_same_name(m.org_s, h->p.peer->org),
                        TALLY_R_E_IDENTITY, "M2 of role %d of %s", (int)m.role_s, m.org_s);
    memcpy(h->e_s, m.e_s, sizeof h->e_s);
    memcpy(h->nonce_s, m.nonce_s, sizeof h->nonce_s);
    memcpy(h->instance_s, m.instance_s, sizeof h->instance_s);
    tally_handshake_add(h, frame);
    return TALLY_OK;
}

enum tally_status tally_handshake_derive(struct tally_handshake *h)
{
    enum tally_status s = tally_keys_derive(
        h->fresh.ephemeral, tally_handshake_is_server(h) ? h->e_c : h->e_s, h->t, &h->keys);

    sodium_memzero(&h->fresh, sizeof h->fresh);
    return s;
}
