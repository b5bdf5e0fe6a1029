/* aead.h - AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags.
 * Whoever holds a key holds its nonce rule: nothing here chooses a nonce. */
#pragma once

#include "common/bytes.h"

enum { TALLY_AEAD_KEY_BYTES = 32, TALLY_AEAD_NONCE_BYTES = 12, TALLY_AEAD_TAG_BYTES = 16 };

/* A key schedule kept between calls; one thread at a time. */
struct tally_aead {
    void *ctx; /* NULL: empty */
};
TALLY_RESULT tally_aead_init(struct tally_aead *a, const uint8_t key[TALLY_AEAD_KEY_BYTES]);
void tally_aead_free(struct tally_aead *a); /* wipes; idempotent */

/* out: plain.len + 16 bytes, ciphertext || tag; may be plain.at itself. */
TALLY_RESULT tally_aead_seal(struct tally_aead *a, const uint8_t nonce[TALLY_AEAD_NONCE_BYTES],
                             struct tally_slice aad, struct tally_slice plain, uint8_t *out);

/* out: sealed.len - 16 bytes; may be sealed.at itself. E_AUTH leaves out wiped. */
TALLY_RESULT tally_aead_open(struct tally_aead *a, const uint8_t nonce[TALLY_AEAD_NONCE_BYTES],
                             struct tally_slice aad, struct tally_slice sealed, uint8_t *out);
