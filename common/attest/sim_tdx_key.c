/* sim_tdx_key.c - keys and raw signatures; see sim_tdx_cert.h. */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "common/attest/sim_tdx_cert.h"
#include "common/hash.h"

enum { SCALAR = 32 };

/* ECPrivateKey (RFC 5915) of P-256 without the public key, which the library then computes: a
 * version, the scalar, the curve. */
static const uint8_t head[] = {0x30, 49, 2, 1, 1, 4, SCALAR};
static const uint8_t tail[] = {0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};

/* The order of P-256 begins with 32 one bits, then 32 zero bits: a number with another beginning
 * is below it. */
static bool is_scalar(const uint8_t d[SCALAR])
{
    static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};

    return memcmp(d, ones, sizeof ones) != 0 && !sodium_is_zero(d, SCALAR);
}

enum tally_status tally_sim_tdx_key(struct tally_slice seed, const char *label, EVP_PKEY **out)
{
    uint8_t prk[TALLY_SHA256_BYTES], info[128], der[sizeof head + SCALAR + sizeof tail];
    uint8_t *scalar = der + sizeof head;
    struct tally_wr w = tally_wr_to(info, sizeof info);
    const uint8_t *at = der;

    tally_wr_bytes(&w, tally_slice_str("tally/sim/tdx/v1"));
    tally_wr_vec(&w, tally_slice_str(label));
    tally_wr_u8(&w, 0);
    TALLY_ASSERT(!w.full);
    tally_hkdf_extract(TALLY_SHA256, (struct tally_slice){0}, seed, prk);
    memcpy(der, head, sizeof head);
    memcpy(scalar + SCALAR, tail, sizeof tail);
    do {
        tally_hkdf_expand(TALLY_SHA256, TALLY_SLICE(prk), tally_slice_of(info, w.used), scalar,
                          SCALAR);
        info[w.used - 1]++;
    } while (!is_scalar(scalar));
    *out = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, sizeof der);
    sodium_memzero(prk, sizeof prk);
    sodium_memzero(der, sizeof der);
    TALLY_ENSURE(*out != NULL, TALLY_E_LIB, "deriving the key of %s", label);
    return TALLY_OK;
}

void tally_sim_tdx_key_id(EVP_PKEY *key, uint8_t out[TALLY_SIM_TDX_KEY_ID_BYTES])
{
    uint8_t *spki = NULL;
    int n = i2d_PUBKEY(key, &spki);

    TALLY_ASSERT(n > 0 && EVP_Digest(spki, (size_t)n, out, NULL, EVP_sha1(), NULL) == 1);
    OPENSSL_free(spki);
}

void tally_sim_tdx_point(EVP_PKEY *key, uint8_t out[64])
{
    uint8_t *point = NULL;
    size_t n = EVP_PKEY_get1_encoded_public_key(key, &point);

    TALLY_ASSERT(n == 65 && point[0] == 4);
    memcpy(out, point + 1, 64);
    OPENSSL_free(point);
}

enum tally_status tally_sim_tdx_sign(EVP_PKEY *key, struct tally_slice text, uint8_t out[64])
{
    uint8_t der[80];
    const uint8_t *at = der;
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, der, &len, text.at, text.len) == 1;

    EVP_MD_CTX_free(ctx);
    ECDSA_SIG *sig = good ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
    good = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    TALLY_ENSURE(good, TALLY_E_LIB, "signing");
    return TALLY_OK;
}
