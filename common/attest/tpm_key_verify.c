/* tpm_key_verify.c - see tpm_key.h: what a key signed. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "common/attest/tpm_key.h"
#include "common/ecdsa.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

enum { COORDINATE_MAX = 48, P256_BYTES = 32 };

/* The scheme of a bare signature. */
static void set_default(const struct tally_tpm_key *k, struct tally_tpm_signature *s)
{
    s->scheme = k->rsa ? TALLY_TPM_RSASSA : TALLY_TPM_ECDSA;
    s->hash = k->rsa || k->bytes == P256_BYTES ? TALLY_TPM_SHA256 : TALLY_TPM_SHA384;
    if (k->scheme == TALLY_TPM_NULL) return;
    s->scheme = k->scheme;
    s->hash = k->scheme_hash;
}

enum tally_status tally_tpm_key_signature(const struct tally_tpm_key *k, struct tally_slice in,
                                          struct tally_tpm_signature *out)
{
    struct tally_tpm_signature s = {0};
    bool bare = in.len == (k->rsa ? k->bytes : 2 * k->bytes);

    if (bare) {
        set_default(k, &s);
        if (k->rsa) s.rsa = in;
        if (!k->rsa) s.r = tally_slice_of(in.at, k->bytes);
        if (!k->rsa) s.s = tally_slice_of(in.at + k->bytes, k->bytes);
    } else {
        TALLY_TRY(tally_tpm_signature_decode(in, &s));
    }
    TALLY_REFUSE_UNLESS(
        k->rsa == (s.scheme != TALLY_TPM_ECDSA) &&
            (k->scheme == TALLY_TPM_NULL || (k->scheme == s.scheme && k->scheme_hash == s.hash)),
        R_(ALGORITHM), "the key is not for scheme %04x with hash %04x", s.scheme, s.hash);
    *out = s;
    return TALLY_OK;
}

static void free_md(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

static const char *hash_name(uint16_t hash)
{
    switch (hash) {
    case TALLY_TPM_SHA384: return "SHA384";
    case TALLY_TPM_SHA512: return "SHA512";
    default: return "SHA256";
    }
}

/* PSS: a TPM takes the longest salt or the hash's length, so it is read from the signature. */
static bool set_padding(EVP_PKEY_CTX *p, uint16_t scheme)
{
    if (scheme == TALLY_TPM_RSASSA) return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_AUTO) == 1;
}

static enum tally_status verify_rsa(const struct tally_tpm_key *k,
                                    const struct tally_tpm_signature *s, struct tally_slice text)
{
    TALLY_CLEANUP(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;

    TALLY_ENSURE(ctx != NULL, TALLY_E_NOMEM, "verification");
    TALLY_REFUSE_UNLESS(s->rsa.len == k->bytes, R_(FORMAT), "a signature of %zu bytes", s->rsa.len);
    int good =
        EVP_DigestVerifyInit_ex(ctx, &p, hash_name(s->hash), NULL, NULL, k->key, NULL) == 1 &&
                set_padding(p, s->scheme)
            ? EVP_DigestVerify(ctx, s->rsa.at, s->rsa.len, text.at, text.len)
            : 0;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, R_(SIGNATURE), "the signature does not verify");
    return TALLY_OK;
}

static bool pad(struct tally_slice in, size_t n, uint8_t *out)
{
    if (in.len == 0 || in.len > n) return false;
    memset(out, 0, n);
    memcpy(out + n - in.len, in.at, in.len);
    return true;
}

/* The curve fixes the hash, as everywhere here. */
static enum tally_status verify_ecdsa(const struct tally_tpm_key *k,
                                      const struct tally_tpm_signature *s, struct tally_slice text)
{
    uint8_t r_s[2 * COORDINATE_MAX];
    bool p256 = k->bytes == P256_BYTES;

    TALLY_REFUSE_UNLESS(s->hash == (p256 ? TALLY_TPM_SHA256 : TALLY_TPM_SHA384), R_(ALGORITHM),
                        "ECDSA with hash %04x", s->hash);
    TALLY_REFUSE_UNLESS(pad(s->r, k->bytes, r_s) && pad(s->s, k->bytes, r_s + k->bytes), R_(FORMAT),
                        "r and s of %zu and %zu bytes", s->r.len, s->s.len);
    return tally_ecdsa_verify(k->key, p256 ? TALLY_KEY_P256 : TALLY_KEY_P384, text,
                              tally_slice_of(r_s, 2 * k->bytes));
}

enum tally_status tally_tpm_key_verify(const struct tally_tpm_key *k,
                                       const struct tally_tpm_signature *s, struct tally_slice text)
{
    return k->rsa ? verify_rsa(k, s, text) : verify_ecdsa(k, s, text);
}
