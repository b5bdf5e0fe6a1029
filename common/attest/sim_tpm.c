/* sim_tpm.c - see sim_tpm.h: the TPM. */
#include "common/attest/sim_tpm.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

enum { SIGNATURE_MAX = 1024, COORDINATE_MAX = 48, QUALIFIED_NAME = 34 };

static enum tally_status new_key(uint16_t kind, struct tally_tpm_key *k)
{
    EVP_PKEY *key = kind == TALLY_TPM_RSA ? EVP_RSA_gen(TALLY_SIM_TPM_RSA_BITS)
                                          : EVP_EC_gen(kind == TALLY_TPM_P256 ? "P-256" : "P-384");

    TALLY_ENSURE(key != NULL, TALLY_E_LIB, "making a key");
    enum tally_status s = tally_tpm_key_of(key, k);
    EVP_PKEY_free(key);
    return s;
}

enum tally_status tally_sim_tpm_new(uint16_t kind, struct tally_sim_tpm **out)
{
    TALLY_CLEANUP(tally_sim_tpm_free) struct tally_sim_tpm *t = calloc(1, sizeof *t);

    TALLY_ENSURE(t != NULL, TALLY_E_NOMEM, "a simulated TPM");
    TALLY_TRY(new_key(kind, &t->ak));
    TALLY_TRY(new_key(kind, &t->ek));
    for (size_t i = 0; i < TALLY_PCRS; i++) memset(t->pcrs[i], (int)i, TALLY_PCR_BYTES);
    *out = t;
    t = NULL;
    return TALLY_OK;
}

void tally_sim_tpm_free(struct tally_sim_tpm **t)
{
    if (*t == NULL) return;
    tally_tpm_key_free(&(*t)->ak);
    tally_tpm_key_free(&(*t)->ek);
    free(*t);
    *t = NULL;
}

void tally_sim_quote_digest(const struct tally_sim_tpm *t, uint16_t hash,
                            uint8_t digest[TALLY_TPM_DIGEST_MAX], struct tally_tpm_quote *q)
{
    static const enum tally_hash_alg algs[] = {TALLY_SHA256, TALLY_SHA384, TALLY_SHA512};
    struct tally_hasher h;

    TALLY_ASSERT(tally_tpm_hash_bytes(hash) != 0);
    tally_hasher_init(&h, algs[hash - TALLY_TPM_SHA256]);
    for (uint32_t i = 0; i < q->selections_n; i++) {
        for (unsigned k = 0; k < TALLY_PCRS; k++) {
            if (q->selections[i].mask & 1U << k) tally_hasher_add(&h, TALLY_SLICE(t->pcrs[k]));
        }
    }
    tally_hasher_end(&h, digest);
    q->digest = tally_slice_of(digest, tally_tpm_hash_bytes(hash));
}

void tally_sim_quote_init(const struct tally_sim_tpm *t, uint8_t digest[TALLY_TPM_DIGEST_MAX],
                          struct tally_tpm_quote *q)
{
    static const uint8_t name[QUALIFIED_NAME] = {0, TALLY_TPM_SHA256, 0x54, 0x53};

    *q = (struct tally_tpm_quote){.magic = TALLY_TPM_GENERATED,
                                  .type = TALLY_TPM_ST_QUOTE,
                                  .signer = TALLY_SLICE(name),
                                  .clock_ms = 3600000,
                                  .reset_count = 3,
                                  .safe = 1,
                                  .firmware = UINT64_C(0x2020031200120003),
                                  .selections = {{TALLY_TPM_SHA256, 3, 0xffffff}},
                                  .selections_n = 1};
    tally_sim_quote_digest(t, TALLY_TPM_SHA256, digest, q);
}

static const char *hash_name(uint16_t hash)
{
    switch (hash) {
    case TALLY_TPM_SHA1: return "SHA1";
    case TALLY_TPM_SHA384: return "SHA384";
    case TALLY_TPM_SHA512: return "SHA512";
    default: return "SHA256";
    }
}

/* OpenSSL's signature: n bytes, or the DER of r and s. */
static bool sign(EVP_PKEY *key, uint16_t scheme, uint16_t hash, struct tally_slice text,
                 uint8_t out[SIGNATURE_MAX], size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    bool pss = scheme == TALLY_TPM_RSAPSS;

    *len = SIGNATURE_MAX;
    bool good = ctx != NULL &&
                EVP_DigestSignInit_ex(ctx, &p, hash_name(hash), NULL, NULL, key, NULL) == 1 &&
                (!pss || (EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
                          EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
                EVP_DigestSign(ctx, out, len, text.at, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static void put_r_s(const struct tally_sim_tpm *t, const uint8_t *der, size_t len,
                    struct tally_tpm_signature *s, uint8_t room[2 * COORDINATE_MAX])
{
    const uint8_t *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
    int n = (int)t->ak.bytes;

    TALLY_ASSERT(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), room, n) == n &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(sig), room + n, n) == n);
    ECDSA_SIG_free(sig);
    s->r = tally_slice_of(room, (size_t)n);
    s->s = tally_slice_of(room + n, (size_t)n);
}

enum tally_status tally_sim_tpm_sign(const struct tally_sim_tpm *t, uint16_t scheme, uint16_t hash,
                                     struct tally_slice text, struct tally_wr *sig)
{
    uint8_t bytes[SIGNATURE_MAX], r_s[2 * COORDINATE_MAX];
    struct tally_tpm_signature s = {.scheme = scheme, .hash = hash};
    size_t len = 0;

    TALLY_ENSURE(sign(t->ak.key, scheme, hash, text, bytes, &len), TALLY_E_LIB, "signing a quote");
    if (t->ak.rsa)
        s.rsa = tally_slice_of(bytes, len);
    else
        put_r_s(t, bytes, len, &s, r_s);
    tally_tpm_signature_encode(&s, sig);
    return TALLY_OK;
}

/* A number of the key, big-endian, in n bytes. */
static struct tally_slice number(const struct tally_tpm_key *k, const char *name, uint8_t *room,
                                 size_t n)
{
    BIGNUM *b = NULL;

    TALLY_ASSERT(EVP_PKEY_get_bn_param(k->key, name, &b) == 1 &&
                 BN_bn2binpad(b, room, (int)n) == (int)n);
    BN_free(b);
    return tally_slice_of(room, n);
}

void tally_sim_tpm_public(const struct tally_sim_tpm *t, uint32_t attributes, uint16_t scheme,
                          struct tally_wr *w)
{
    uint8_t a[TALLY_HCL_KEY_BYTES_MAX], b[COORDINATE_MAX];
    struct tally_tpm_public p = {.type = t->ak.rsa ? TALLY_TPM_RSA : TALLY_TPM_ECC,
                                 .name_hash = TALLY_TPM_SHA256,
                                 .attributes = attributes,
                                 .scheme = scheme,
                                 .scheme_hash = TALLY_TPM_SHA256};

    if (t->ak.rsa) {
        p.bits_or_curve = (uint16_t)(8 * t->ak.bytes);
        p.n = number(&t->ak, OSSL_PKEY_PARAM_RSA_N, a, t->ak.bytes);
    } else {
        p.bits_or_curve = t->ak.bytes == 32 ? TALLY_TPM_P256 : TALLY_TPM_P384;
        p.x = number(&t->ak, OSSL_PKEY_PARAM_EC_PUB_X, a, t->ak.bytes);
        p.y = number(&t->ak, OSSL_PKEY_PARAM_EC_PUB_Y, b, t->ak.bytes);
    }
    tally_tpm_public_encode(&p, w);
}

void tally_sim_tpm_spki(const struct tally_sim_tpm *t, struct tally_wr *w)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(t->ak.key, &der);

    TALLY_ASSERT(len > 0);
    tally_wr_put(w, der, (size_t)len);
    OPENSSL_free(der);
}
