/* sign.h - Ed25519 (RFC 8032) and X25519 (RFC 7748) by libsodium, which refuses low-order
 * and non-canonical keys that OpenSSL 3.0 accepts. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_SIGN_SEED_BYTES = 32,
    TALLY_SIGN_PUBLIC_BYTES = 32,
    TALLY_SIGNATURE_BYTES = 64,
    TALLY_KEX_BYTES = 32,
};

/* A signing key: seed || public key. Lives in guarded memory or is wiped by its owner. */
struct tally_sign_key {
    uint8_t bytes[64];
};

void tally_sign_key_from_seed(struct tally_sign_key *k, const uint8_t seed[TALLY_SIGN_SEED_BYTES]);
const uint8_t *tally_sign_public(const struct tally_sign_key *k); /* 32 bytes inside k */
void tally_sign_key_wipe(struct tally_sign_key *k);

/* Signature over the concatenation of the parts. The whole text is hashed as PureEd25519
 * wants it, so the parts are gathered: at most TALLY_SIGN_TEXT_MAX bytes. */
enum { TALLY_SIGN_TEXT_MAX = 1 << 20 };
TALLY_RESULT tally_sign(const struct tally_sign_key *k, const struct tally_slice *parts, size_t n,
                        uint8_t sig[TALLY_SIGNATURE_BYTES]);

/* E_AUTH unless sig is public_key's over the parts. */
TALLY_RESULT tally_sign_verify(const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES],
                               const struct tally_slice *parts, size_t n,
                               const uint8_t sig[TALLY_SIGNATURE_BYTES]);

/* X25519. The shared secret of a low-order point is all zero and refused: E_AUTH. */
void tally_kex_public(const uint8_t secret[TALLY_KEX_BYTES], uint8_t public_key[TALLY_KEX_BYTES]);
TALLY_RESULT tally_kex(const uint8_t secret[TALLY_KEX_BYTES],
                       const uint8_t peer_public[TALLY_KEX_BYTES], uint8_t shared[TALLY_KEX_BYTES]);
