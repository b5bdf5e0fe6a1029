/* cert_alg.c - how certificates and CRLs are signed; see cert.h. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "common/der.h"
#include "common/hash.h"
#include "common/secret.h"
#include "common/x509.h"

static const uint8_t mgf1[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};
static const uint8_t sha384[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};

/* By enum tally_cert_alg, in cert.h's order. */
/* clang-format off */
static const struct {
    const char *oid;
    uint8_t oid_bytes;
    enum tally_hash_alg hash;
    int padding; /* of RSA; 0: ECDSA */
    const char *name;
} algs[] = {
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9, TALLY_SHA384, RSA_PKCS1_PSS_PADDING,
     "RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x02", 8, TALLY_SHA256, 0, "ECDSA with SHA-256"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x03", 8, TALLY_SHA384, 0, "ECDSA with SHA-384"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9, TALLY_SHA256, RSA_PKCS1_PADDING,
     "RSA with SHA-256"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 9, TALLY_SHA384, RSA_PKCS1_PADDING,
     "RSA with SHA-384"},
};
/* clang-format on */

/* The contents of an AlgorithmIdentifier, behind its OID; a reader that failed for another OID. */
static struct tally_rd parameters(struct tally_slice alg, struct tally_slice oid)
{
    struct tally_rd file = tally_rd_from(alg);
    struct tally_rd r = tally_der_into(&file, TALLY_DER_SEQUENCE, "algorithm");
    struct tally_slice have = tally_der_value(&r, TALLY_DER_OID, "algorithm");

    if (file.bad != NULL || file.left > 0 || !tally_slice_equal(have, oid))
        tally_rd_fail(&r, "algorithm");
    return r;
}

/* NULL or nothing at all. */
static bool none(struct tally_rd *r)
{
    if (r->left > 0) (void)tally_der_value(r, TALLY_DER_NULL, "parameters");
    return r->bad == NULL && r->left == 0;
}

static bool is_sha384(struct tally_slice alg)
{
    struct tally_rd r = parameters(alg, TALLY_SLICE(sha384));
    return none(&r);
}

static bool is_mgf1_sha384(struct tally_slice alg)
{
    struct tally_rd r = parameters(alg, TALLY_SLICE(mgf1));
    struct tally_slice hash = tally_der_whole(&r, TALLY_DER_SEQUENCE, "mask generation");

    return r.bad == NULL && r.left == 0 && is_sha384(hash);
}

static bool is_number(struct tally_slice explicit_integer, uint8_t want)
{
    struct tally_rd r = tally_rd_from(explicit_integer);
    struct tally_slice n = tally_der_value(&r, TALLY_DER_INTEGER, "number");

    return r.bad == NULL && r.left == 0 && n.len == 1 && n.at[0] == want;
}

/* Two encodings are in use, with trailerField 1 and without: the decoded values count. */
static bool is_pss_sha384(struct tally_rd *r)
{
    enum { SALT = 48, TRAILER = 1 };
    struct tally_rd p = tally_der_into(r, TALLY_DER_SEQUENCE, "PSS");
    struct tally_slice hash = tally_der_value(&p, TALLY_DER_CONTEXT, "hashAlgorithm");
    struct tally_slice mask = tally_der_value(&p, TALLY_DER_CONTEXT + 1, "maskGenAlgorithm");
    struct tally_slice salt = tally_der_value(&p, TALLY_DER_CONTEXT + 2, "saltLength");
    bool trailer = p.left == 0 ||
                   is_number(tally_der_value(&p, TALLY_DER_CONTEXT + 3, "trailerField"), TRAILER);

    return r->bad == NULL && r->left == 0 && p.bad == NULL && p.left == 0 && trailer &&
           is_sha384(hash) && is_mgf1_sha384(mask) && is_number(salt, SALT);
}

static bool good_parameters(struct tally_rd *r, enum tally_cert_alg alg)
{
    if (r->bad != NULL) return false;
    if (alg == TALLY_ALG_PSS_SHA384) return is_pss_sha384(r);
    return algs[alg].padding == 0 ? r->left == 0 : none(r); /* ECDSA's: RFC 5758, 3.2 */
}

static enum tally_status check_alg(struct tally_slice have, enum tally_cert_alg want)
{
    struct tally_rd r = parameters(have, tally_slice_of(algs[want].oid, algs[want].oid_bytes));
    bool good = good_parameters(&r, want);

    TALLY_REFUSE_UNLESS(good, TALLY_R_E_CERT_ALG, "signed otherwise than with %s", algs[want].name);
    return TALLY_OK;
}

enum tally_status tally_x509_alg_is(struct tally_slice outer, struct tally_slice inner,
                                    enum tally_cert_alg alg)
{
    TALLY_TRY(check_alg(outer, alg));
    return check_alg(inner, alg);
}

static void free_ctx(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum tally_cert_alg alg)
{
    enum { SALT = 48 };

    if (algs[alg].padding == 0) return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, algs[alg].padding) == 1 &&
           EVP_PKEY_CTX_set_signature_md(ctx, algs[alg].hash == TALLY_SHA384 ? EVP_sha384()
                                                                             : EVP_sha256()) == 1 &&
           (alg != TALLY_ALG_PSS_SHA384 || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, SALT) == 1);
}

/* MGF1's hash is the signature's where nothing else is set. */
static bool verifies(EVP_PKEY *key, const struct tally_x509_signed *s, enum tally_cert_alg alg)
{
    uint8_t digest[TALLY_SHA384_BYTES];
    bool rsa = algs[alg].padding != 0;

    if (key == NULL || EVP_PKEY_is_a(key, rsa ? "RSA" : "EC") != 1) return false;
    if (rsa && s->signature.len != (size_t)EVP_PKEY_get_size(key)) return false;
    TALLY_CLEANUP(free_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    tally_hash(algs[alg].hash, &s->tbs, 1, digest);
    return ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && set_padding(ctx, alg) &&
           EVP_PKEY_verify(ctx, s->signature.at, s->signature.len, digest,
                           algs[alg].hash == TALLY_SHA384 ? TALLY_SHA384_BYTES
                                                          : TALLY_SHA256_BYTES) == 1;
}

enum tally_status tally_x509_verify(const struct tally_x509_signed *s, struct tally_x509 *issuer,
                                    enum tally_cert_alg alg)
{
    TALLY_TRY(check_alg(s->alg, alg));
    bool good = tally_slice_equal(s->alg, s->inner_alg) && s->signature.len > 0 &&
                verifies(tally_x509_key(issuer), s, alg);
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_SIGNATURE, "the signature does not verify");
    return TALLY_OK;
}
