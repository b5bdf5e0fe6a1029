/* tdx_sig.c - see tdx_sig.h. */
#include "common/attest/tdx_sig.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/ecdsa.h"
#include "common/hash.h"
#include "common/secret.h"

enum { HALF = TALLY_TDX_SIG_BYTES / 2, POINT = 1 + TALLY_TDX_KEY_BYTES };

/* Order of secp256r1 (FIPS 186-4, D.1.2.3). */
static const uint8_t order[HALF] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

static bool in_range(const uint8_t *x)
{
    uint8_t any = 0;

    for (size_t i = 0; i < HALF; i++) any |= x[i];
    return any != 0 && memcmp(x, order, HALF) < 0;
}

static void put_integer(struct tally_wr *w, const uint8_t *x)
{
    size_t n = HALF;

    while (n > 1 && *x == 0) {
        x++;
        n--;
    }
    bool high = (*x & 0x80) != 0;
    tally_wr_u8(w, 2);
    tally_wr_u8(w, (uint8_t)(n + high));
    if (high) tally_wr_u8(w, 0);
    tally_wr_put(w, x, n);
}

/* The point replaces the last one; decoding it checks that it lies on the curve. */
static enum tally_status set_key(struct tally_tdx_sig *with, const uint8_t *x_y)
{
    uint8_t point[POINT] = {4}; /* uncompressed */

    if (with->key == NULL)
        return tally_ecdsa_key(TALLY_KEY_P256, tally_slice_of(x_y, TALLY_TDX_KEY_BYTES),
                               &with->key);
    memcpy(point + 1, x_y, TALLY_TDX_KEY_BYTES);
    int good = EVP_PKEY_set1_encoded_public_key(with->key, point, sizeof point);
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_KEY, "no point of the curve");
    return TALLY_OK;
}

static void free_ctx(EVP_PKEY_CTX **c)
{
    EVP_PKEY_CTX_free(*c);
}

enum tally_status tally_tdx_sig_verify(struct tally_tdx_sig *with,
                                       const uint8_t x_y[TALLY_TDX_KEY_BYTES],
                                       struct tally_slice text,
                                       const uint8_t r_s[TALLY_TDX_SIG_BYTES])
{
    uint8_t digest[TALLY_SHA256_BYTES], der[2 + 2 * (2 + 1 + HALF)];
    struct tally_wr w = tally_wr_to(der + 2, sizeof der - 2);

    TALLY_REFUSE_UNLESS(in_range(r_s) && in_range(r_s + HALF), TALLY_R_E_SIG_RANGE,
                        "r or s is out of range");
    TALLY_TRY(set_key(with, x_y));
    put_integer(&w, r_s);
    put_integer(&w, r_s + HALF);
    der[0] = 0x30;
    der[1] = (uint8_t)w.used;
    TALLY_SHA256_OF(digest, text);
    TALLY_CLEANUP(free_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(with->key, NULL);
    int good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1
                   ? EVP_PKEY_verify(ctx, der, 2 + w.used, digest, sizeof digest)
                   : 0;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_SIGNATURE, "the signature does not verify");
    return TALLY_OK;
}

void tally_tdx_sig_free(struct tally_tdx_sig *with)
{
    tally_ecdsa_key_free(&with->key);
}
