/* nodekeys.h - a party's keys on disk.
 *
 *   document.key       Ed25519, signs documents and nothing else; meant to be kept offline
 *   keys/session.key   Ed25519, signs handshakes and nothing else
 *   keys/curve.key     Curve25519 for ZeroMQ
 *
 * A key file is 80 bytes, mode 0600, never overwritten by making one:
 *   "tally-key/1\n" | kind u8 | mode u8 | 00 00 | federation id[32] (zeros: not known yet) |
 *   secret[32] (Ed25519 seed or Curve25519 scalar)
 * It is refused as another kind, in another mode, and in another federation than it is bound to. */
#pragma once

#include "common/federation.h"
#include "common/sign.h"
#include "common/z85.h"

enum { TALLY_KEY_PATH_MAX = 1200 };

enum tally_key_kind { TALLY_KEY_DOCUMENT = 'D', TALLY_KEY_SESSION = 'S', TALLY_KEY_CURVE = 'C' };

/* A new key file. TALLY_E_STATE if there is one already. public_key: what others may know. */
TALLY_RESULT tally_key_make(const char *path, enum tally_key_kind kind, enum tally_mode mode,
                            uint8_t public_key[32]);

/* Writes the federation's id into the file. E_FEDERATION if it has another one already. */
TALLY_RESULT tally_key_bind(const char *path, enum tally_key_kind kind, enum tally_mode mode,
                            const uint8_t federation_id[32]);

/* A document key, to sign with. federation_id: the federation it is used for, NULL before there is
 * one; a key bound to another is refused, one that is not bound yet is not. The caller wipes. */
TALLY_RESULT tally_document_key_load(const char *path, enum tally_mode mode,
                                     const uint8_t *federation_id, struct tally_sign_key *out);

/* What a serving program holds of them. Wiped by its owner. */
struct tally_nodekeys {
    struct tally_sign_key session;
    uint8_t curve_secret[TALLY_CURVE_KEY_BYTES];
    char curve_public[TALLY_Z85_KEY_CHARS + 1];
};
void tally_nodekeys_wipe(struct tally_nodekeys *k); /* for TALLY_CLEANUP; idempotent */

/* Makes <dir>/session.key and <dir>/curve.key; the public parts in *out, no secret. */
struct tally_nodekeys_public {
    uint8_t session[TALLY_SIGN_PUBLIC_BYTES];
    char curve[TALLY_Z85_KEY_CHARS + 1];
};
TALLY_RESULT tally_nodekeys_make(const char *dir, enum tally_mode mode,
                                 struct tally_nodekeys_public *out);
TALLY_RESULT tally_nodekeys_bind(const char *dir, enum tally_mode mode,
                                 const uint8_t federation_id[32]);
/* Loads both; they must be bound to this federation. */
TALLY_RESULT tally_nodekeys_load(const char *dir, enum tally_mode mode,
                                 const uint8_t federation_id[32], struct tally_nodekeys *out);
/* The public parts alone, whatever they are bound to: to compare with a document. */
TALLY_RESULT tally_nodekeys_show(const char *dir, enum tally_mode mode,
                                 struct tally_nodekeys_public *out);

/* Are these the keys that the document lists for this node? E_IDENTITY says which is not. */
TALLY_RESULT tally_nodekeys_listed(const struct tally_nodekeys_public *k,
                                   const struct tally_node *n);
