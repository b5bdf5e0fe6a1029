/* tpm_key.c - see tpm_key.h: reading keys. */
#include "common/attest/tpm_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/attest/tpm_cert.h"
#include "common/der.h"
#include "common/ecdsa.h"
#include "common/hash.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

enum { BITS_MIN = 2048, BITS_MAX = 8192, EXPONENT = 65537, SPKI_MAX = 4096 };

void tally_tpm_key_free(struct tally_tpm_key *k)
{
    EVP_PKEY_free(k->key);
    *k = (struct tally_tpm_key){0};
}

/* Is it RSA or a curve as we take it? Fills rsa and bytes. */
static bool measure(struct tally_tpm_key *k)
{
    BIGNUM *e = NULL;
    char curve[32] = "";
    int bits = EVP_PKEY_get_bits(k->key);

    k->rsa = EVP_PKEY_get_base_id(k->key) == EVP_PKEY_RSA;
    k->bytes = (size_t)(bits + 7) / 8;
    if (k->rsa) {
        bool good = bits >= BITS_MIN && bits <= BITS_MAX && bits % 8 == 0 &&
                    EVP_PKEY_get_bn_param(k->key, "e", &e) == 1 && BN_is_word(e, EXPONENT);
        BN_free(e);
        return good;
    }
    return EVP_PKEY_get_base_id(k->key) == EVP_PKEY_EC &&
           EVP_PKEY_get_utf8_string_param(k->key, "group", curve, sizeof curve, NULL) == 1 &&
           (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0);
}

/* Takes over key. */
static enum tally_status take(EVP_PKEY *key, struct tally_tpm_key *k)
{
    *k = (struct tally_tpm_key){.key = key, .scheme = TALLY_TPM_NULL};
    bool good = key != NULL && measure(k);
    ERR_clear_error();
    if (!good) tally_tpm_key_free(k);
    TALLY_REFUSE_UNLESS(good, R_(KEY),
                        "no RSA key of 2048 bits or more with exponent 65537, nor of P-256 or "
                        "P-384");
    return TALLY_OK;
}

enum tally_status tally_tpm_key_of(EVP_PKEY *key, struct tally_tpm_key *k)
{
    return take(key != NULL && EVP_PKEY_up_ref(key) == 1 ? key : NULL, k);
}

enum tally_status tally_tpm_key_rsa(struct tally_slice n, struct tally_slice e,
                                    struct tally_tpm_key *k)
{
    static const uint8_t exponent[] = {1, 0, 1};
    EVP_PKEY *key = NULL;

    TALLY_REFUSE_UNLESS(n.len >= BITS_MIN / 8 && n.len <= BITS_MAX / 8 && (n.at[0] & 0x80) != 0 &&
                            (n.at[n.len - 1] & 1) != 0 &&
                            tally_slice_equal(e, TALLY_SLICE(exponent)),
                        R_(KEY), "no RSA key of 2048 bits or more with exponent 65537");
    BIGNUM *n_bn = BN_bin2bn(n.at, (int)n.len, NULL), *e_bn = BN_bin2bn(e.at, (int)e.len, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool good = n_bn != NULL && e_bn != NULL && b != NULL && ctx != NULL &&
                OSSL_PARAM_BLD_push_BN(b, "n", n_bn) == 1 &&
                OSSL_PARAM_BLD_push_BN(b, "e", e_bn) == 1 &&
                (params = OSSL_PARAM_BLD_to_param(b)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(e_bn);
    BN_free(n_bn);
    return take(good ? key : NULL, k);
}

/* Left-padded to the curve's size: a TPM may leave out leading zeros. */
static bool coordinate(struct tally_slice in, size_t n, uint8_t *out)
{
    if (in.len > n) return false;
    memset(out, 0, n);
    memcpy(out + n - in.len, in.at, in.len);
    return true;
}

static enum tally_status read_ecc(const struct tally_tpm_public *p, struct tally_tpm_key *k)
{
    uint8_t x_y[96];
    size_t n = p->bits_or_curve == TALLY_TPM_P256 ? 32 : 48;
    EVP_PKEY *key = NULL;

    TALLY_REFUSE_UNLESS(p->bits_or_curve == TALLY_TPM_P256 || p->bits_or_curve == TALLY_TPM_P384,
                        R_(KEY), "a key of curve %04x", p->bits_or_curve);
    TALLY_REFUSE_UNLESS(p->x.len > 0 && p->y.len > 0 && coordinate(p->x, n, x_y) &&
                            coordinate(p->y, n, x_y + n),
                        R_(KEY), "coordinates of %zu and %zu bytes", p->x.len, p->y.len);
    TALLY_TRY(tally_ecdsa_key(n == 32 ? TALLY_KEY_P256 : TALLY_KEY_P384, tally_slice_of(x_y, 2 * n),
                              &key));
    return take(key, k);
}

static enum tally_status read_tpmt(struct tally_slice in, struct tally_tpm_key *k)
{
    static const uint8_t exponent[] = {1, 0, 1};
    struct tally_tpm_public p;

    TALLY_TRY(tally_tpm_public_decode(in, &p));
    if (p.type == TALLY_TPM_RSA) {
        TALLY_REFUSE_UNLESS((p.exponent == 0 || p.exponent == EXPONENT) &&
                                p.n.len == p.bits_or_curve / 8U && p.bits_or_curve % 8 == 0,
                            R_(KEY), "exponent %u and %zu bytes for a key of %u bits", p.exponent,
                            p.n.len, p.bits_or_curve);
        TALLY_TRY(tally_tpm_key_rsa(p.n, TALLY_SLICE(exponent), k));
    } else {
        TALLY_TRY(read_ecc(&p, k));
    }
    k->described = true;
    k->attributes = p.attributes;
    k->scheme = p.scheme;
    k->scheme_hash = p.scheme_hash;
    return TALLY_OK;
}

/* Canonical DER of a key by plain algorithm: re-encoding it gives the same bytes. A curve by its
 * parameters re-encodes too, so curves are asked for by their OID. */
static enum tally_status read_spki(struct tally_slice der, struct tally_tpm_key *k)
{
    const uint8_t *at = der.at;
    uint8_t *again = NULL;
    X509_ALGOR *alg = NULL;
    int type = V_ASN1_UNDEF;

    TALLY_REFUSE_UNLESS(der.len <= SPKI_MAX, R_(OVERSIZE), "a key of %zu bytes", der.len);
    TALLY_TRY(tally_der_check(der));
    X509_PUBKEY *pub = d2i_X509_PUBKEY(NULL, &at, (long)der.len);
    int len = pub == NULL ? -1 : i2d_X509_PUBKEY(pub, &again);
    bool same = len >= 0 && tally_slice_equal(der, tally_slice_of(again, (size_t)len));
    if (pub != NULL) (void)X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg, pub);
    if (alg != NULL) X509_ALGOR_get0(NULL, &type, NULL, alg);
    EVP_PKEY *key =
        same && (type == V_ASN1_OBJECT || type == V_ASN1_NULL) ? X509_PUBKEY_get(pub) : NULL;
    OPENSSL_free(again);
    X509_PUBKEY_free(pub);
    return take(key, k);
}

/* In DER, the first thing in a certificate's first part is its version, in a public key's an
 * algorithm: a SEQUENCE in a SEQUENCE, and then tag a0 or an OID. */
static bool is_spki(struct tally_slice der)
{
    enum { SEQUENCE = 0x30, OID = 6, LONG = 0x80 };
    struct tally_rd r = tally_rd_from(der);

    for (int i = 0; i < 2; i++) {
        if (tally_rd_u8(&r, "tag") != SEQUENCE) return false;
        uint8_t n = tally_rd_u8(&r, "length");
        if (n > LONG) (void)tally_rd_bytes(&r, (size_t)n - LONG, "length");
    }
    return tally_rd_u8(&r, "tag") == OID && r.bad == NULL;
}

static enum tally_status read_cert(struct tally_slice in, struct tally_tpm_key *k,
                                   struct tally_cert *cert)
{
    static const enum tally_cert_key kinds[] = {TALLY_KEY_RSA2048_UP, TALLY_KEY_P256,
                                                TALLY_KEY_P384};
    enum tally_status s = TALLY_OK;

    TALLY_TRY(tally_tpm_cert_parse(in, cert));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        s = tally_cert_key_is(cert, kinds[i]);
        if (s == TALLY_OK) break;
    }
    if (s == TALLY_OK) s = read_spki(tally_cert_spki(cert), k);
    if (s != TALLY_OK) tally_cert_free(cert);
    return s;
}

enum tally_status tally_tpm_key_read(struct tally_slice ak, struct tally_tpm_key *k,
                                     struct tally_cert *cert)
{
    enum { SEQUENCE = 0x30 };
    static const char pem_key[] = "-----BEGIN PUBLIC KEY-----", pem[] = "-----";
    uint8_t der[SPKI_MAX];
    size_t len = 0;

    *k = (struct tally_tpm_key){0};
    *cert = (struct tally_cert){0};
    TALLY_REFUSE_UNLESS(ak.len > 0, R_(KEY), "an empty key");
    if (ak.len > sizeof pem_key && memcmp(ak.at, pem_key, sizeof pem_key - 1) == 0) {
        TALLY_REFUSE_UNLESS(ak.len <= SPKI_MAX, R_(OVERSIZE), "a key of %zu characters", ak.len);
        TALLY_TRY(tally_cert_from_file(ak, "PUBLIC KEY", der, sizeof der, &len));
        return read_spki(tally_slice_of(der, len), k);
    }
    if (ak.len > sizeof pem && memcmp(ak.at, pem, sizeof pem - 1) == 0)
        return read_cert(ak, k, cert);
    if (is_spki(ak)) return read_spki(ak, k);
    if (ak.at[0] == SEQUENCE) return read_cert(ak, k, cert);
    return read_tpmt(ak, k);
}

bool tally_tpm_key_equal(const struct tally_tpm_key *a, const struct tally_tpm_key *b)
{
    bool same = EVP_PKEY_eq(a->key, b->key) == 1;

    ERR_clear_error();
    return same;
}

void tally_tpm_key_digest(const struct tally_tpm_key *k, uint8_t out[32])
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(k->key, &der);

    TALLY_ASSERT(len > 0);
    TALLY_SHA256_OF(out, tally_slice_of(der, (size_t)len));
    OPENSSL_free(der);
}
