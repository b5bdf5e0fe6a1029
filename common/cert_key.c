/* cert_key.c - the keys in certificates; see cert.h. */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "common/der.h"
#include "common/ecdsa.h"
#include "common/hash.h"
#include "common/secret.h"
#include "common/x509.h"

/* Contents of the key's AlgorithmIdentifier: id-ecPublicKey and a named curve, or rsaEncryption
 * and NULL. */
/* clang-format off */
static const uint8_t alg_p256[] = {
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_p384[] = {
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t alg_rsa[] = {
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
/* clang-format on */

enum { RSA_BITS_MIN = 1024, RSA_BITS_MAX = 8192, EXPONENT_BYTES_MAX = 4 };

/* A positive INTEGER's bytes, least first, as OSSL_PARAM has numbers on this machine. */
static size_t number(struct tally_rd *r, uint8_t *out, size_t max)
{
    struct tally_slice n = tally_der_value(r, TALLY_DER_INTEGER, "RSA key");

    if (n.len > 1 && n.at[0] == 0)
        n = tally_slice_of(n.at + 1, n.len - 1);
    else if (n.len == 0 || n.at[0] == 0 || n.at[0] >= 0x80)
        return 0;
    if (n.len > max) return 0;
    for (size_t i = 0; i < n.len; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        out[i] = n.at[n.len - 1 - i];
#else
        out[i] = n.at[i];
#endif
    }
    return n.len;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *rsa_key(struct tally_slice bits)
{
    uint8_t n[RSA_BITS_MAX / 8], e[EXPONENT_BYTES_MAX];
    struct tally_rd file = tally_rd_from(bits);
    struct tally_rd r = tally_der_into(&file, TALLY_DER_SEQUENCE, "RSA key");

    if (tally_der_check(bits) != TALLY_OK) return NULL;
    size_t n_len = number(&r, n, sizeof n), e_len = number(&r, e, sizeof e);
    if (n_len < RSA_BITS_MIN / 8 || e_len == 0 || r.bad != NULL || r.left > 0) return NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN("n", n, n_len),
                           OSSL_PARAM_construct_BN("e", e, e_len), OSSL_PARAM_construct_end()};
    return from_params("RSA", params);
}

static EVP_PKEY *ec_key(enum tally_cert_key curve, uint8_t *point, size_t len)
{
    char group[] = "prime256v1", group384[] = "secp384r1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("group", curve == TALLY_KEY_P256 ? group : group384, 0),
        OSSL_PARAM_construct_octet_string("pub", point, len), OSSL_PARAM_construct_end()};

    return from_params("EC", params);
}

/* A key of the same curve gets the new point. Decoding a point checks that it lies on the curve;
 * both curves have cofactor 1. */
static EVP_PKEY *ec_key_at(struct tally_ecdsa *at, enum tally_cert_key curve,
                           struct tally_slice point)
{
    size_t len = curve == TALLY_KEY_P256 ? 1 + 2 * 32 : 1 + 2 * 48;
    bool same = at->key != NULL && at->curve == curve;

    if (point.len != len || point.at[0] != 0x04) return NULL; /* uncompressed */
    if (same && memcmp(at->point, point.at, len) == 0) return at->key;
    if (same && EVP_PKEY_set1_encoded_public_key(at->key, point.at, len) != 1) same = false;
    if (!same) tally_ecdsa_free(at);
    at->curve = curve;
    memcpy(at->point, point.at, len);
    if (!same) at->key = ec_key(curve, at->point, len);
    return at->key;
}

static EVP_PKEY *cert_ec_key(struct tally_x509 *c, enum tally_cert_key curve)
{
    struct tally_ecdsa own = {0};

    if (c->place != NULL) return ec_key_at(c->place, curve, c->key_bits);
    c->key = ec_key_at(&own, curve, c->key_bits);
    return c->key;
}

EVP_PKEY *tally_x509_key(struct tally_x509 *c)
{
    if (c->key != NULL) return c->key;
    if (tally_slice_equal(c->key_alg, TALLY_SLICE(alg_rsa)))
        c->key = rsa_key(c->key_bits);
    else if (tally_slice_equal(c->key_alg, TALLY_SLICE(alg_p384)))
        return cert_ec_key(c, TALLY_KEY_P384);
    else if (tally_slice_equal(c->key_alg, TALLY_SLICE(alg_p256)))
        return cert_ec_key(c, TALLY_KEY_P256);
    return c->key;
}

static bool is_rsa(const struct tally_cert *c, int bits_min, int bits_max)
{
    enum { EXPONENT = 65537 };
    BIGNUM *e = NULL;
    EVP_PKEY *key = tally_x509_key(c->x509);

    if (key == NULL || EVP_PKEY_is_a(key, "RSA") != 1) return false;
    bool good = EVP_PKEY_get_bits(key) >= bits_min && EVP_PKEY_get_bits(key) <= bits_max &&
                EVP_PKEY_get_bn_param(key, "e", &e) == 1 && BN_is_word(e, EXPONENT);
    BN_free(e);
    return good;
}

static bool is_curve(const struct tally_cert *c, struct tally_slice alg)
{
    return tally_slice_equal(c->x509->key_alg, alg) && tally_x509_key(c->x509) != NULL;
}

enum tally_status tally_cert_key_is(const struct tally_cert *c, enum tally_cert_key kind)
{
    static const char *const names[] = {"of the named curve P-256", "of the named curve P-384",
                                        "RSA of 4096 bits", "RSA of 2048 bits or more"};
    bool good = false;

    switch (kind) {
    case TALLY_KEY_P256: good = is_curve(c, TALLY_SLICE(alg_p256)); break;
    case TALLY_KEY_P384: good = is_curve(c, TALLY_SLICE(alg_p384)); break;
    case TALLY_KEY_RSA4096: good = is_rsa(c, 4096, 4096); break;
    case TALLY_KEY_RSA2048_UP: good = is_rsa(c, 2048, 8192); break;
    }
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_KEY, "the key is not %s", names[kind]);
    return TALLY_OK;
}

void tally_cert_spki_digest(const struct tally_cert *c, uint8_t out[32])
{
    TALLY_SHA256_OF(out, c->x509->spki);
}

static void free_ctx(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
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

/* An INTEGER of n big-endian bytes that are not all zero. */
static void put_integer(struct tally_wr *w, const uint8_t *x, size_t n)
{
    size_t skip = 0;

    while (x[skip] == 0) skip++;
    bool pad = x[skip] >= 0x80;
    tally_wr_u8(w, TALLY_DER_INTEGER);
    tally_wr_u8(w, (uint8_t)(n - skip + pad));
    if (pad) tally_wr_u8(w, 0);
    tally_wr_put(w, x + skip, n - skip);
}

/* r || s as the DER that OpenSSL takes: less than 128 bytes inside. */
static struct tally_slice to_der(const uint8_t *r_s, size_t n, uint8_t out[128])
{
    struct tally_wr w = tally_wr_to(out + 2, 126);

    put_integer(&w, r_s, n);
    put_integer(&w, r_s + n, n);
    TALLY_ASSERT(!w.full && w.used < 128);
    out[0] = TALLY_DER_SEQUENCE;
    out[1] = (uint8_t)w.used;
    return tally_slice_of(out, 2 + w.used);
}

enum tally_status tally_ecdsa_verify(struct evp_pkey_st *key, enum tally_cert_key curve,
                                     struct tally_slice text, struct tally_slice sig)
{
    bool p256 = curve == TALLY_KEY_P256;
    size_t n = p256 ? sizeof order256 : sizeof order384;
    const uint8_t *order = p256 ? order256 : order384;
    uint8_t der[128], digest[TALLY_SHA384_BYTES];

    TALLY_REFUSE_UNLESS(sig.len == 2 * n, TALLY_R_E_FORMAT, "a signature of %zu bytes", sig.len);
    TALLY_REFUSE_UNLESS(in_range(sig.at, order, n) && in_range(sig.at + n, order, n),
                        TALLY_R_E_SIG_RANGE, "r or s is out of range");
    TALLY_CLEANUP(free_ctx) EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    struct tally_slice s = to_der(sig.at, n, der);
    tally_hash(p256 ? TALLY_SHA256 : TALLY_SHA384, &text, 1, digest);
    bool good = ctx != NULL && EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_verify(ctx, s.at, s.len, digest,
                                p256 ? TALLY_SHA256_BYTES : TALLY_SHA384_BYTES) == 1;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_SIGNATURE, "the signature does not verify");
    return TALLY_OK;
}

enum tally_status tally_cert_ecdsa_verify(const struct tally_cert *c, enum tally_cert_key curve,
                                          struct tally_slice text, struct tally_slice sig)
{
    return tally_ecdsa_verify(tally_x509_key(c->x509), curve, text, sig);
}

static enum tally_status bare_key(struct tally_ecdsa *at, enum tally_cert_key curve,
                                  struct tally_slice x_y)
{
    size_t n = curve == TALLY_KEY_P256 ? sizeof order256 : sizeof order384;
    uint8_t point[sizeof at->point] = {0x04};

    TALLY_ASSERT(x_y.len == 2 * n);
    memcpy(point + 1, x_y.at, 2 * n);
    bool good = ec_key_at(at, curve, tally_slice_of(point, 1 + 2 * n)) != NULL;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_KEY, "no point of the curve");
    return TALLY_OK;
}

enum tally_status tally_ecdsa_key(enum tally_cert_key curve, struct tally_slice x_y,
                                  struct evp_pkey_st **out)
{
    struct tally_ecdsa at = {0};
    enum tally_status s = bare_key(&at, curve, x_y);

    *out = at.key;
    return s;
}

enum tally_status tally_ecdsa_verify_at(struct tally_ecdsa *at, enum tally_cert_key curve,
                                        struct tally_slice x_y, struct tally_slice text,
                                        struct tally_slice sig)
{
    TALLY_TRY(bare_key(at, curve, x_y));
    return tally_ecdsa_verify(at->key, curve, text, sig);
}

void tally_ecdsa_free(struct tally_ecdsa *at)
{
    EVP_PKEY_free(at->key);
    *at = (struct tally_ecdsa){0};
}

void tally_ecdsa_key_free(struct evp_pkey_st **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}
