/* cert_key.c - the keys in certificates; see cert.h. */
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/ecdsa.h"
#include "common/hash.h"
#include "common/secret.h"

static const X509_ALGOR *key_alg(const struct tally_cert *c)
{
    X509_ALGOR *alg = NULL;

    (void)X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg, X509_get_X509_PUBKEY(c->x509));
    return alg;
}

static bool is_curve(const struct tally_cert *c, int nid)
{
    const ASN1_OBJECT *o = NULL;
    const void *curve = NULL;
    int type = V_ASN1_UNDEF;

    X509_ALGOR_get0(&o, &type, &curve, key_alg(c));
    return OBJ_obj2nid(o) == NID_X9_62_id_ecPublicKey && type == V_ASN1_OBJECT &&
           OBJ_obj2nid(curve) == nid && X509_get0_pubkey(c->x509) != NULL;
}

static bool is_rsa(const struct tally_cert *c, int bits_min, int bits_max)
{
    enum { EXPONENT = 65537 };
    const ASN1_OBJECT *o = NULL;
    BIGNUM *e = NULL;
    EVP_PKEY *key = X509_get0_pubkey(c->x509);

    X509_ALGOR_get0(&o, NULL, NULL, key_alg(c));
    bool good = OBJ_obj2nid(o) == NID_rsaEncryption && key != NULL &&
                EVP_PKEY_get_bits(key) >= bits_min && EVP_PKEY_get_bits(key) <= bits_max &&
                EVP_PKEY_get_bn_param(key, "e", &e) == 1 && BN_is_word(e, EXPONENT);
    BN_free(e);
    return good;
}

enum tally_status tally_cert_key_is(const struct tally_cert *c, enum tally_key_kind kind)
{
    static const char *const names[] = {"of the named curve P-256", "of the named curve P-384",
                                        "RSA of 4096 bits", "RSA of 2048 bits or more"};
    bool good = false;

    switch (kind) {
    case TALLY_KEY_P256: good = is_curve(c, NID_X9_62_prime256v1); break;
    case TALLY_KEY_P384: good = is_curve(c, NID_secp384r1); break;
    case TALLY_KEY_RSA4096: good = is_rsa(c, 4096, 4096); break;
    case TALLY_KEY_RSA2048_UP: good = is_rsa(c, 2048, 8192); break;
    }
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_KEY, "the key is not %s", names[kind]);
    return TALLY_OK;
}

void tally_cert_spki_digest(const struct tally_cert *c, uint8_t out[32])
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x509), &der);

    TALLY_ASSERT(len > 0);
    TALLY_SHA256_OF(out, tally_slice_of(der, (size_t)len));
    OPENSSL_free(der);
}

static void free_sig(ECDSA_SIG **s)
{
    ECDSA_SIG_free(*s);
}

static void free_der(uint8_t **p)
{
    OPENSSL_free(*p);
}

static void free_md(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

/* Orders of secp256r1 and secp384r1 (FIPS 186-4, D.1.2.3 and D.1.2.4). */
static const uint8_t order256[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t order384[48] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};

static bool in_range(const uint8_t *x, const uint8_t *order, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) any |= x[i];
    return any != 0 && memcmp(x, order, n) < 0;
}

/* r || s as the DER that OpenSSL takes; *der is the caller's. */
static enum tally_status to_der(const uint8_t *r_s, size_t n, uint8_t **der, size_t *len)
{
    TALLY_CLEANUP(free_sig) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(r_s, (int)n, NULL), *s = BN_bin2bn(r_s + n, (int)n, NULL);

    if (sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return TALLY_FAIL(TALLY_E_NOMEM, "ECDSA signature");
    }
    int n_der = i2d_ECDSA_SIG(sig, der);
    TALLY_ENSURE(n_der > 0, TALLY_E_NOMEM, "ECDSA signature");
    *len = (size_t)n_der;
    return TALLY_OK;
}

enum tally_status tally_ecdsa_verify(struct evp_pkey_st *key, enum tally_key_kind curve,
                                     struct tally_slice text, struct tally_slice sig)
{
    size_t n = curve == TALLY_KEY_P256 ? sizeof order256 : sizeof order384;
    const uint8_t *order = curve == TALLY_KEY_P256 ? order256 : order384;
    TALLY_CLEANUP(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    TALLY_CLEANUP(free_der) uint8_t *der = NULL;
    size_t len = 0;

    TALLY_ENSURE(ctx != NULL, TALLY_E_NOMEM, "ECDSA verification");
    TALLY_REFUSE_UNLESS(sig.len == 2 * n, TALLY_R_E_FORMAT, "a signature of %zu bytes", sig.len);
    TALLY_REFUSE_UNLESS(in_range(sig.at, order, n) && in_range(sig.at + n, order, n),
                        TALLY_R_E_SIG_RANGE, "r or s is out of range");
    TALLY_TRY(to_der(sig.at, n, &der, &len));
    const EVP_MD *md = curve == TALLY_KEY_P256 ? EVP_sha256() : EVP_sha384();
    int good = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1
                   ? EVP_DigestVerify(ctx, der, len, text.at, text.len)
                   : 0;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_SIGNATURE, "the signature does not verify");
    return TALLY_OK;
}

enum tally_status tally_cert_ecdsa_verify(const struct tally_cert *c, enum tally_key_kind curve,
                                          struct tally_slice text, struct tally_slice sig)
{
    return tally_ecdsa_verify(X509_get0_pubkey(c->x509), curve, text, sig);
}

enum tally_status tally_ecdsa_key(enum tally_key_kind curve, struct tally_slice x_y,
                                  struct evp_pkey_st **out)
{
    size_t n = curve == TALLY_KEY_P256 ? sizeof order256 : sizeof order384;
    uint8_t point[1 + 2 * sizeof order384] = {0x04}; /* uncompressed */
    char group[] = "prime256v1", group384[] = "secp384r1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("group", curve == TALLY_KEY_P256 ? group : group384, 0),
        OSSL_PARAM_construct_octet_string("pub", point, 1 + 2 * n), OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

    *out = NULL;
    TALLY_ASSERT(x_y.len == 2 * n);
    memcpy(point + 1, x_y.at, 2 * n);
    /* Decoding a point checks that it lies on the curve; both curves have cofactor 1. */
    bool good = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_KEY, "no point of the curve");
    return TALLY_OK;
}

void tally_ecdsa_key_free(struct evp_pkey_st **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}
