/* tdx_sig.h - many ECDSA P-256 signatures by many keys, at the price of the arithmetic alone: one
 * OpenSSL key whose point is replaced, where a new one each time costs a third of a signature. */
#pragma once

#include "common/attest/tdx_quote.h"

struct evp_pkey_st;

/* A place for one public key at a time; zeroed: empty. */
struct tally_tdx_sig {
    struct evp_pkey_st *key;
};

/* r || s of x || y over SHA-256 of the text. E_KEY (no point of the curve), E_SIG_RANGE (r or s not
 * in [1, n-1]), E_SIGNATURE. */
TALLY_RESULT tally_tdx_sig_verify(struct tally_tdx_sig *with,
                                  const uint8_t x_y[TALLY_TDX_KEY_BYTES], struct tally_slice text,
                                  const uint8_t r_s[TALLY_TDX_SIG_BYTES]);
void tally_tdx_sig_free(struct tally_tdx_sig *with); /* idempotent */
