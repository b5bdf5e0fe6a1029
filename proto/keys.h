/* keys.h - the key schedule, the binding that REPORT_DATA commits to, and the session signature
 * (CHANNEL.md section 2). Pure functions of bytes; T is a transcript hash of 32 bytes.
 *
 *   T0 -> T1 (M1) -> T2 (M2): dh, prk1, hs_s, hs_c, bk, nx, bind_s
 *      -> T3 (M3): bind_c -> T4 (M4): prk2, ap_s, ap_c, fin */
#pragma once

#include "common/attest/device.h"
#include "common/aead.h"
#include "common/federation.h"
#include "common/hash.h"
#include "common/sign.h"

enum tally_side { TALLY_SIDE_CLIENT = 'C', TALLY_SIDE_SERVER = 'S' };

enum {
    TALLY_DIRECTION_KEY_BYTES = TALLY_AEAD_KEY_BYTES + TALLY_AEAD_NONCE_BYTES, /* key || iv */
    TALLY_BINDING_BYTES = 3 + 6 * 32 + TALLY_GPU_SET_HASH_BYTES,
    TALLY_BINDING_NONCE_AT = 3 + 4 * 32, /* the peer's nonce in it */
};

void tally_transcript_start(uint8_t t0[32]);
/* T(i) from T(i-1) and the whole frame i. `to` may be `from`. */
void tally_transcript_add(const uint8_t from[32], struct tally_slice frame, uint8_t to[32]);

/* Keys of a handshake under way; wiped at FIN. */
struct tally_handshake_keys {
    uint8_t dh[32], prk1[32];
    uint8_t hs_s[TALLY_DIRECTION_KEY_BYTES], hs_c[TALLY_DIRECTION_KEY_BYTES];
    uint8_t bk[32], nx[32];
};
/* E_AUTH if the peer's ephemeral gives a zero secret; *k is then wiped. */
TALLY_RESULT tally_keys_derive(const uint8_t e_secret[32], const uint8_t e_peer[32],
                               const uint8_t t2[32], struct tally_handshake_keys *k);
void tally_keys_wipe(struct tally_handshake_keys *k);

/* bind_s (T = T2) or bind_c (T = T3), by side. */
void tally_keys_binder(const struct tally_handshake_keys *k, enum tally_side side,
                       const uint8_t t[32], uint8_t binder[32]);

struct tally_session_keys {
    uint8_t prk2[32];
    uint8_t ap_s[TALLY_DIRECTION_KEY_BYTES], ap_c[TALLY_DIRECTION_KEY_BYTES];
    uint8_t fin[32];
};
void tally_session_keys_derive(const uint8_t nx[32], const uint8_t t4[32],
                               struct tally_session_keys *k);
void tally_session_keys_wipe(struct tally_session_keys *k);
/* FIN = HMAC-SHA-256(fin, T4). */
void tally_session_keys_fin(const struct tally_session_keys *k, const uint8_t t4[32],
                            uint8_t fin[32]);

/* What a side's evidence is bound to. */
struct tally_binding {
    enum tally_side side;
    enum tally_mode mode;
    enum tally_role role;                                            /* of this side */
    const uint8_t *federation, *job, *krp, *binder, *peer_nonce, *t; /* 32 bytes each */
};
/* The body of a TALLY_QUOTE_SESSION quote: everything after "tally/rd/v1" || 00. It
 * ends in the place of the GPUs' set hash, zeros here (device.h, tally_quote_ask). */
void tally_binding_body(const struct tally_binding *b, uint8_t body[TALLY_BINDING_BYTES]);

/* The session key's signature over side, mode, role, T, EV and KB. */
TALLY_RESULT tally_session_sign(const struct tally_sign_key *key, const struct tally_binding *b,
                                struct tally_slice ev, struct tally_slice key_block,
                                uint8_t sig[TALLY_SIGNATURE_BYTES]);
/* E_AUTH unless it is public_key's. */
TALLY_RESULT tally_session_verify(const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES],
                                  const struct tally_binding *b, struct tally_slice ev,
                                  struct tally_slice key_block,
                                  const uint8_t sig[TALLY_SIGNATURE_BYTES]);
