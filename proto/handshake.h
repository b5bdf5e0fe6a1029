/* handshake.h - the attested handshake of both sides, as a pure state machine (CHANNEL.md
 * section 2). One struct is one attempt on one connection.
 *
 *   client   IDLE -START-> WAIT_M2 -M2-> WAIT_M3 -M3-> WAIT_QUOTE -QUOTED-> WAIT_FIN -FIN-> DONE
 *   server   IDLE -M1-> WAIT_QUOTE -QUOTED-> WAIT_M4 -M4-> DONE
 *
 * It owns no socket, clock, device or randomness: it is told what happened (an event, with the
 * time) and answers what must be done (effects). Checks come in the order of CHANNEL.md; the
 * first failure ends the attempt for good, with its reason, and wipes the keys. Nothing of the
 * peer is to be believed before `established`.
 *
 * Storage is the caller's. The struct holds ephemeral and session keys: guarded memory, and
 * tally_handshake_wipe() when done. Frames are decrypted in place, and frames to send are built
 * in `out`: both up to TALLY_SEALED_FRAME_BYTES_MAX (384 KiB). Times are milliseconds since 1970
 * of the caller's clock that never runs back. */
#pragma once

#include "common/sm.h"
#include "proto/keys.h"
#include "proto/peer.h"
#include "proto/record.h"

enum tally_handshake_state {
    TALLY_HANDSHAKE_IDLE,
    TALLY_HANDSHAKE_WAIT_M2,    /* client */
    TALLY_HANDSHAKE_WAIT_M3,    /* client */
    TALLY_HANDSHAKE_WAIT_QUOTE, /* both: the TEE device is asked */
    TALLY_HANDSHAKE_WAIT_M4,    /* server */
    TALLY_HANDSHAKE_WAIT_FIN,   /* client */
    TALLY_HANDSHAKE_DONE,
    TALLY_HANDSHAKE_FAILED,
    TALLY_HANDSHAKE_STATES,
};
extern const struct tally_sm_row tally_handshake_table[TALLY_HANDSHAKE_STATES];

/* Who we are and whom we expect. Everything pointed to outlives the handshake. */
struct tally_handshake_params {
    enum tally_side side;
    const struct tally_federation *federation; /* in force */
    const struct tally_node *self;             /* our entry in it */
    const struct tally_sign_key *session_key;  /* self->session_key's secret */
    struct tally_slice key_block;              /* our KB */
    /* The CURVE identity: User-Id at the server; at the client the entry whose CURVE key it
     * pinned. Its role is the one the client wants. */
    const struct tally_node *peer;
    uint8_t job[32], krp[32]; /* client; zeros: none. The server learns them from M1. */
    const struct tally_revocations *revoked;
    struct tally_appraiser appraiser; /* {tally_peer_appraise, NULL} but in tests; never NULL */
};

/* Fresh random bytes for one attempt; the caller wipes his copy. */
struct tally_handshake_fresh {
    uint8_t ephemeral[TALLY_KEX_BYTES], nonce[32];
};

enum tally_handshake_event_type {
    TALLY_HANDSHAKE_START,  /* client: connected */
    TALLY_HANDSHAKE_FRAME,  /* a frame came */
    TALLY_HANDSHAKE_QUOTED, /* the answer to effects.quote */
    TALLY_HANDSHAKE_TICK,   /* only time passed */
};

struct tally_handshake_event {
    enum tally_handshake_event_type type;
    uint64_t now_ms;
    uint8_t *frame; /* FRAME; M3, M4 and FIN are decrypted in place */
    size_t frame_len;
    struct tally_slice ev, endorsements; /* QUOTED */
    uint8_t *out;                        /* room for a frame to send */
    size_t out_cap;                      /* TALLY_SEALED_FRAME_BYTES_MAX is always enough */
};

/* What the caller must do, in this order. */
struct tally_handshake_effects {
    struct tally_slice send; /* a frame, in `out`; empty: none */
    /* Ask the device for a TALLY_QUOTE_SESSION over this body (in the handshake) and our key
     * block; answer with QUOTED. Empty: do not. */
    struct tally_slice quote;
    /* The peer's evidence, just found good, in the event's frame: to be kept. Empty: none yet. */
    struct tally_slice peer_ev, peer_endorsements;
    bool established; /* tally_handshake_take() gives the session */
    uint64_t wake_ms; /* send TICK at this time; 0: no timer */
};

struct tally_handshake {
    unsigned state; /* enum tally_handshake_state */
    struct tally_handshake_params p;
    struct tally_handshake_fresh fresh;
    struct tally_handshake_keys keys;
    struct tally_session_keys session_keys;
    struct tally_records records;
    uint8_t e_c[32], e_s[32], nonce_c[32], nonce_s[32], instance_s[16];
    uint8_t job[32], krp[32]; /* of the session under way; the server may judge them after M1 */
    uint8_t t[32];            /* transcript so far */
    uint8_t binder[32];       /* ours, while quoting */
    uint8_t body[TALLY_BINDING_BYTES];
    uint64_t started_ms;
    struct tally_verdict verdict; /* of the peer's evidence, for people */
    struct tally_peer peer;
    enum tally_reason reason;   /* why it FAILED; E_FORMAT for malformed bytes */
    enum tally_refusal refused; /* the peer's hint */
};

/* The params must fit each other (KB decodes and names self, modes agree): TALLY_E_CONFIG. */
TALLY_RESULT tally_handshake_init(struct tally_handshake *h, const struct tally_handshake_params *p,
                                  const struct tally_handshake_fresh *fresh);

/* On failure *out is empty but for `send`, a refusal hint that a server may owe. An event of
 * ours that does not belong is TALLY_E_STATE and changes nothing; a peer's frame that does not
 * belong, and any other failure, leaves FAILED. */
TALLY_RESULT tally_handshake_step(struct tally_handshake *h, const struct tally_handshake_event *ev,
                                  struct tally_handshake_effects *out);

/* Moves the session out of a DONE handshake, and wipes it. */
void tally_handshake_take(struct tally_handshake *h, struct tally_records *records,
                          struct tally_peer *peer);
void tally_handshake_wipe(struct tally_handshake *h); /* idempotent */
