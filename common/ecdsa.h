/* ecdsa.h - raw ECDSA keys and signatures as TEE formats carry them (in cert_key.c, beside the keys
 * of certificates). Signatures are malleable (s and n - s both verify): never use one as an
 * identity. */
#pragma once

#include "common/cert.h"

/* As tally_cert_ecdsa_verify, for a bare key. */
TALLY_RESULT tally_ecdsa_verify(struct evp_pkey_st *key, enum tally_key_kind curve,
                                struct tally_slice text, struct tally_slice sig);

/* x || y, big-endian, 32 or 48 bytes each; E_KEY unless it is a point of the curve. */
TALLY_RESULT tally_ecdsa_key(enum tally_key_kind curve, struct tally_slice x_y,
                             struct evp_pkey_st **out);
void tally_ecdsa_key_free(struct evp_pkey_st **key); /* for TALLY_CLEANUP; idempotent */
