/* cert_key.c - the keys in certificates; see cert.h. */
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/cert.h"
#include "common/secret.h"

static const X509_ALGOR *key_alg(const struct tally_cert *c)
{
    X509_ALGOR *alg = NULL;

    (void)X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg, X509_get_X509_PUBKEY(c->x509));
    return alg;
}

enum tally_status tally_cert_key_is_p384(const struct tally_cert *c)
{
    const ASN1_OBJECT *o = NULL;
    const void *curve = NULL;
    int type = V_ASN1_UNDEF;

    X509_ALGOR_get0(&o, &type, &curve, key_alg(c));
    TALLY_REFUSE_UNLESS(OBJ_obj2nid(o) == NID_X9_62_id_ecPublicKey && type == V_ASN1_OBJECT &&
                            OBJ_obj2nid(curve) == NID_secp384r1 &&
                            X509_get0_pubkey(c->x509) != NULL,
                        TALLY_R_E_KEY, "the key is not one of the named curve P-384");
    ERR_clear_error();
    return TALLY_OK;
}

enum tally_status tally_cert_key_is_rsa4096(const struct tally_cert *c)
{
    enum { BITS = 4096, EXPONENT = 65537 };
    const ASN1_OBJECT *o = NULL;
    BIGNUM *e = NULL;
    EVP_PKEY *key = X509_get0_pubkey(c->x509);

    X509_ALGOR_get0(&o, NULL, NULL, key_alg(c));
    bool good = OBJ_obj2nid(o) == NID_rsaEncryption && key != NULL &&
                EVP_PKEY_get_bits(key) == BITS && EVP_PKEY_get_bn_param(key, "e", &e) == 1 &&
                BN_is_word(e, EXPONENT);
    BN_free(e);
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_KEY, "the key is not RSA of 4096 bits");
    ERR_clear_error();
    return TALLY_OK;
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

enum tally_status tally_cert_p384_verify(const struct tally_cert *c, struct tally_slice text,
                                         const uint8_t r[48], const uint8_t s[48])
{
    /* Order of secp384r1 (FIPS 186-4, D.1.2.4). */
    static const uint8_t order[48] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37,
                                      0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a,
                                      0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};
    static const uint8_t zero[48];
    TALLY_CLEANUP(free_sig) ECDSA_SIG *sig = ECDSA_SIG_new();
    TALLY_CLEANUP(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    TALLY_CLEANUP(free_der) uint8_t *der = NULL;
    BIGNUM *bn_r = BN_bin2bn(r, 48, NULL), *bn_s = BN_bin2bn(s, 48, NULL);

    if (sig == NULL || ctx == NULL || ECDSA_SIG_set0(sig, bn_r, bn_s) != 1) {
        BN_free(bn_r);
        BN_free(bn_s);
        return TALLY_FAIL(TALLY_E_NOMEM, "ECDSA signature");
    }
    TALLY_REFUSE_UNLESS(memcmp(r, zero, 48) != 0 && memcmp(s, zero, 48) != 0 &&
                            memcmp(r, order, 48) < 0 && memcmp(s, order, 48) < 0,
                        TALLY_R_E_SIG_RANGE, "r or s is out of range");
    int len = i2d_ECDSA_SIG(sig, &der);
    int good = len > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL,
                                               X509_get0_pubkey(c->x509)) == 1
                   ? EVP_DigestVerify(ctx, der, (size_t)len, text.at, text.len)
                   : 0;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_SIGNATURE, "the signature does not verify");
    return TALLY_OK;
}
