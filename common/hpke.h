/* hpke.h - HPKE (RFC 9180), single shot, mode Base, DHKEM(X25519, HKDF-SHA256) 0x0020,
 * HKDF-SHA256 0x0001, AES-256-GCM 0x0002: bytes for whoever holds one X25519 secret.
 *
 * Sealed bytes are enc[32] || ciphertext || tag[16], one message per ephemeral secret (sequence 0).
 * Pure: the ephemeral secret is passed in, 32 fresh random bytes for each call; using one twice for
 * the same receiver and info loses both messages. */
#pragma once

#include "common/bytes.h"
#include "common/sign.h"

enum {
    TALLY_HPKE_ENC_BYTES = TALLY_KEX_BYTES,
    TALLY_HPKE_OVERHEAD_BYTES = TALLY_HPKE_ENC_BYTES + 16,
    TALLY_HPKE_INFO_MAX = 256, /* bytes */
};

/* sealed: plain.len + TALLY_HPKE_OVERHEAD_BYTES, apart from plain. E_AUTH for a receiver's key of
 * low order, TALLY_E_LIMIT for a longer info. */
TALLY_RESULT tally_hpke_seal(const uint8_t receiver_public[TALLY_KEX_BYTES],
                             const uint8_t ephemeral_secret[TALLY_KEX_BYTES],
                             struct tally_slice info, struct tally_slice aad,
                             struct tally_slice plain, uint8_t *sealed);

/* plain: sealed.len - TALLY_HPKE_OVERHEAD_BYTES. E_AUTH for anything not sealed to this key with
 * this info and aad, low-order enc and too few bytes included; plain is then wiped. */
TALLY_RESULT tally_hpke_open(const uint8_t receiver_secret[TALLY_KEX_BYTES],
                             struct tally_slice info, struct tally_slice aad,
                             struct tally_slice sealed, uint8_t *plain);
