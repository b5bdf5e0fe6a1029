/* ecdsa.h - raw ECDSA keys and signatures as TEE formats carry them (in cert_key.c, beside the keys
 * of certificates). Signatures are malleable (s and n - s both verify): never use one as an
 * identity. */
#pragma once

#include "common/cert.h"

struct evp_pkey_st;

/* As tally_cert_ecdsa_verify, for a bare key. */
TALLY_RESULT tally_ecdsa_verify(struct evp_pkey_st *key, enum tally_cert_key curve,
                                struct tally_slice text, struct tally_slice sig);

/* x || y, big-endian, 32 or 48 bytes each; E_KEY unless it is a point of the curve. */
TALLY_RESULT tally_ecdsa_key(enum tally_cert_key curve, struct tally_slice x_y,
                             struct evp_pkey_st **out);
void tally_ecdsa_key_free(struct evp_pkey_st **key); /* for TALLY_CLEANUP; idempotent */

/* Many signatures by many keys at the price of the arithmetic alone: one OpenSSL key whose point
 * is replaced, where a new one each time costs a third of a P-256 signature. Zeroed: empty. For one
 * thread. */
struct tally_ecdsa {
    struct evp_pkey_st *key;
    enum tally_cert_key curve;
    uint8_t point[1 + 96]; /* 4, x, y */
};
/* As tally_ecdsa_key and tally_ecdsa_verify, with the key made in `at`. */
TALLY_RESULT tally_ecdsa_verify_at(struct tally_ecdsa *at, enum tally_cert_key curve,
                                   struct tally_slice x_y, struct tally_slice text,
                                   struct tally_slice sig);
void tally_ecdsa_free(struct tally_ecdsa *at); /* for TALLY_CLEANUP; idempotent */
