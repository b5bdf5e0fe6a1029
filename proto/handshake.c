/* handshake.c - see handshake.h. */
#include "proto/handshake.h"

#include <sodium.h>
#include <string.h>

#include "proto/handshake_steps.h"

#define ROW(s, ...) [TALLY_HANDSHAKE_##s] = {#s, __VA_ARGS__}
#define TO(s)       TALLY_SM_TO(TALLY_HANDSHAKE_##s)

const struct tally_sm_row tally_handshake_table[TALLY_HANDSHAKE_STATES] = {
    ROW(IDLE, TO(WAIT_M2) | TO(WAIT_QUOTE) | TO(FAILED)),
    ROW(WAIT_M2, TO(WAIT_M3) | TO(FAILED)),
    ROW(WAIT_M3, TO(WAIT_QUOTE) | TO(FAILED)),
    ROW(WAIT_QUOTE, TO(WAIT_M4) | TO(WAIT_FIN) | TO(FAILED)),
    ROW(WAIT_M4, TO(DONE) | TO(FAILED)),
    ROW(WAIT_FIN, TO(DONE) | TO(FAILED)),
    ROW(DONE, 0),
    ROW(FAILED, 0),
};

static void move(struct tally_handshake *h, unsigned next)
{
    tally_sm_move(tally_handshake_table, &h->state, next);
}

static bool listed(const struct tally_federation *f, const struct tally_node *n)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        if (&f->nodes[i] == n) return true;
    }
    return false;
}

enum tally_status tally_handshake_init(struct tally_handshake *h,
                                       const struct tally_handshake_params *p,
                                       const struct tally_handshake_fresh *fresh)
{
    struct tally_key_block kb;
    enum tally_role serving = p->side == TALLY_SIDE_SERVER ? p->self->role : p->peer->role;

    TALLY_ASSERT(p->appraiser.appraise != NULL && p->revoked != NULL);
    TALLY_ASSERT(listed(p->federation, p->self) && listed(p->federation, p->peer));
    TALLY_ENSURE(serving == TALLY_ROLE_AGGREGATOR || serving == TALLY_ROLE_KMS, TALLY_E_CONFIG,
                 "role %d does not serve", (int)serving);
    TALLY_ENSURE(memcmp(tally_sign_public(p->session_key), p->self->session_key,
                        TALLY_SIGN_PUBLIC_BYTES) == 0,
                 TALLY_E_CONFIG, "the session key is not the one that the federation lists");
    TALLY_ENSURE(tally_key_block_decode(p->key_block, &kb) == TALLY_OK &&
                     tally_handshake_key_block_fits(&kb, p->federation, p->self) == TALLY_OK,
                 TALLY_E_CONFIG, "our own key block: %s", tally_why_text());
    *h = (struct tally_handshake){.p = *p, .fresh = *fresh};
    if (p->side == TALLY_SIDE_SERVER) {
        tally_kex_public(fresh->ephemeral, h->e_s);
        memcpy(h->nonce_s, fresh->nonce, sizeof h->nonce_s);
        memcpy(h->instance_s, kb.instance, sizeof h->instance_s);
    } else {
        tally_kex_public(fresh->ephemeral, h->e_c);
        memcpy(h->nonce_c, fresh->nonce, sizeof h->nonce_c);
        memcpy(h->job, p->job, sizeof h->job);
        memcpy(h->krp, p->krp, sizeof h->krp);
    }
    return TALLY_OK;
}

static void wipe_secrets(struct tally_handshake *h)
{
    sodium_memzero(&h->fresh, sizeof h->fresh);
    sodium_memzero(h->binder, sizeof h->binder);
    sodium_memzero(h->body, sizeof h->body);
    tally_keys_wipe(&h->keys);
    tally_session_keys_wipe(&h->session_keys);
}

void tally_handshake_wipe(struct tally_handshake *h)
{
    tally_records_end(&h->records);
    sodium_memzero(h, sizeof *h);
    h->state = TALLY_HANDSHAKE_FAILED;
}

static void ask_quote(struct tally_handshake *h, struct tally_handshake_effects *out)
{
    tally_keys_binder(&h->keys, h->p.side, h->t, h->binder);
    struct tally_binding b = tally_handshake_binding(h, h->p.side, h->binder);
    tally_binding_body(&b, h->body);
    out->quote = TALLY_SLICE(h->body);
    move(h, TALLY_HANDSHAKE_WAIT_QUOTE);
}

/* T4 stands: the session's keys, and an end to the handshake's. */
static enum tally_status start_session(struct tally_handshake *h, uint64_t now_ms)
{
    tally_session_keys_derive(h->keys.nx, h->t, &h->session_keys);
    tally_keys_wipe(&h->keys);
    return tally_records_init(&h->records, h->p.side, &h->session_keys, now_ms,
                              h->peer.not_after_s);
}

static enum tally_status on_start(struct tally_handshake *h, const struct tally_handshake_event *ev,
                                  struct tally_handshake_effects *out)
{
    struct tally_wr w = tally_wr_to(ev->out, ev->out_cap);

    h->started_ms = ev->now_ms;
    TALLY_TRY(tally_handshake_send_m1(h, &w, &out->send));
    move(h, TALLY_HANDSHAKE_WAIT_M2);
    return TALLY_OK;
}

static enum tally_status on_m1(struct tally_handshake *h, const struct tally_handshake_event *ev,
                               struct tally_handshake_effects *out)
{
    struct tally_wr w = tally_wr_to(ev->out, ev->out_cap);
    enum tally_refusal code = TALLY_REFUSED_NOT;

    TALLY_ENSURE(tally_handshake_is_server(h), TALLY_E_STATE, "a frame before ours");
    h->started_ms = ev->now_ms;
    enum tally_status s =
        tally_handshake_read_m1(h, tally_slice_of(ev->frame, ev->frame_len), &code);
    if (s != TALLY_OK && code != TALLY_REFUSED_NOT && ev->out_cap >= TALLY_REFUSAL_BYTES) {
        tally_refusal_encode(code, ev->out);
        out->send = tally_slice_of(ev->out, TALLY_REFUSAL_BYTES);
    }
    TALLY_TRY(s);
    TALLY_TRY(tally_handshake_send_m2(h, &w, &out->send));
    TALLY_TRY(tally_handshake_derive(h));
    ask_quote(h, out);
    return TALLY_OK;
}

static enum tally_status on_m2(struct tally_handshake *h, const struct tally_handshake_event *ev)
{
    TALLY_TRY(tally_handshake_read_m2(h, tally_slice_of(ev->frame, ev->frame_len)));
    TALLY_TRY(tally_handshake_derive(h));
    move(h, TALLY_HANDSHAKE_WAIT_M3);
    return TALLY_OK;
}

static enum tally_status on_m4(struct tally_handshake *h, const struct tally_handshake_event *ev,
                               struct tally_handshake_effects *out)
{
    uint8_t fin[32];

    TALLY_TRY(tally_handshake_read_proof(h, ev, out));
    TALLY_ENSURE(ev->out_cap >= TALLY_FIN_FRAME_BYTES, TALLY_E_LIMIT, "no room for FIN");
    TALLY_TRY(start_session(h, ev->now_ms));
    tally_session_keys_fin(&h->session_keys, h->t, fin);
    TALLY_TRY(tally_record_seal_fin(&h->records, ev->now_ms, fin, ev->out));
    out->send = tally_slice_of(ev->out, TALLY_FIN_FRAME_BYTES);
    out->established = true;
    move(h, TALLY_HANDSHAKE_DONE);
    wipe_secrets(h);
    return TALLY_OK;
}

static enum tally_status on_fin(struct tally_handshake *h, const struct tally_handshake_event *ev,
                                struct tally_handshake_effects *out)
{
    uint8_t fin[32];

    tally_session_keys_fin(&h->session_keys, h->t, fin);
    TALLY_TRY(tally_record_open_fin(&h->records, ev->now_ms, fin, ev->frame, ev->frame_len));
    out->established = true;
    move(h, TALLY_HANDSHAKE_DONE);
    wipe_secrets(h);
    return TALLY_OK;
}

static enum tally_status on_frame(struct tally_handshake *h, const struct tally_handshake_event *ev,
                                  struct tally_handshake_effects *out)
{
    switch (h->state) {
    case TALLY_HANDSHAKE_IDLE: return on_m1(h, ev, out);
    case TALLY_HANDSHAKE_WAIT_M2: return on_m2(h, ev);
    case TALLY_HANDSHAKE_WAIT_M3:
        TALLY_TRY(tally_handshake_read_proof(h, ev, out));
        ask_quote(h, out);
        return TALLY_OK;
    case TALLY_HANDSHAKE_WAIT_M4: return on_m4(h, ev, out);
    case TALLY_HANDSHAKE_WAIT_FIN: return on_fin(h, ev, out);
    default: return TALLY_FAIL(TALLY_E_STATE, "a frame out of turn");
    }
}

static enum tally_status on_quoted(struct tally_handshake *h,
                                   const struct tally_handshake_event *ev,
                                   struct tally_handshake_effects *out)
{
    TALLY_TRY(tally_handshake_send_proof(h, ev, &out->send));
    if (tally_handshake_is_server(h)) {
        move(h, TALLY_HANDSHAKE_WAIT_M4);
        return TALLY_OK;
    }
    TALLY_TRY(start_session(h, ev->now_ms));
    move(h, TALLY_HANDSHAKE_WAIT_FIN);
    return TALLY_OK;
}

/* ---- the step ---- */

/* Events of our own that do not belong are a caller's mistake, not the peer's. */
static bool belongs(const struct tally_handshake *h, enum tally_handshake_event_type type)
{
    switch (type) {
    case TALLY_HANDSHAKE_START:
        return h->state == TALLY_HANDSHAKE_IDLE && !tally_handshake_is_server(h);
    case TALLY_HANDSHAKE_QUOTED: return h->state == TALLY_HANDSHAKE_WAIT_QUOTE;
    case TALLY_HANDSHAKE_FRAME:
    case TALLY_HANDSHAKE_TICK:
        return h->state != TALLY_HANDSHAKE_DONE && h->state != TALLY_HANDSHAKE_FAILED;
    }
    return false;
}

static enum tally_status dispatch(struct tally_handshake *h, const struct tally_handshake_event *ev,
                                  struct tally_handshake_effects *out)
{
    bool waiting = h->state != TALLY_HANDSHAKE_IDLE;

    TALLY_REFUSE_UNLESS(!waiting || ev->now_ms < h->started_ms + TALLY_HALF_OPEN_MS,
                        TALLY_R_deadline, "half open for %d s", TALLY_HALF_OPEN_MS / 1000);
    switch (ev->type) {
    case TALLY_HANDSHAKE_START: return on_start(h, ev, out);
    case TALLY_HANDSHAKE_FRAME: return on_frame(h, ev, out);
    case TALLY_HANDSHAKE_QUOTED: return on_quoted(h, ev, out);
    case TALLY_HANDSHAKE_TICK: break;
    }
    return TALLY_OK;
}

static void fail(struct tally_handshake *h, enum tally_status s,
                 struct tally_handshake_effects *out)
{
    struct tally_slice hint = {0};

    h->reason = tally_reason();
    if (h->reason == TALLY_R_NONE && (s == TALLY_E_WIRE || s == TALLY_E_STATE))
        h->reason = TALLY_R_E_FORMAT;
    if (out->send.len != 0 && out->send.at[0] == TALLY_FRAME_REFUSAL) hint = out->send;
    *out = (struct tally_handshake_effects){.send = hint};
    wipe_secrets(h);
    tally_records_end(&h->records);
    move(h, TALLY_HANDSHAKE_FAILED);
}

enum tally_status tally_handshake_step(struct tally_handshake *h,
                                       const struct tally_handshake_event *ev,
                                       struct tally_handshake_effects *out)
{
    *out = (struct tally_handshake_effects){0};
    TALLY_ENSURE(belongs(h, ev->type), TALLY_E_STATE, "event %d in state %s", (int)ev->type,
                 tally_handshake_table[h->state].name);
    enum tally_status s = dispatch(h, ev, out);
    if (s != TALLY_OK) {
        fail(h, s, out);
        return s;
    }
    if (h->state != TALLY_HANDSHAKE_IDLE && h->state != TALLY_HANDSHAKE_DONE)
        out->wake_ms = h->started_ms + TALLY_HALF_OPEN_MS;
    return TALLY_OK;
}

void tally_handshake_take(struct tally_handshake *h, struct tally_records *records,
                          struct tally_peer *peer)
{
    TALLY_ASSERT(h->state == TALLY_HANDSHAKE_DONE);
    *records = h->records;
    *peer = h->peer;
    h->records = (struct tally_records){.ended = true};
    tally_handshake_wipe(h);
}
