/* fuzz_cert.c - certificates, CRLs and what AMD writes into them. What passes, OpenSSL reads too
 * and writes to the same bytes. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/attest/snp_vek.h"
#include "common/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void agree_cert(const uint8_t *p, size_t n)
{
    const uint8_t *at = p;
    uint8_t *again = NULL;
    X509 *x = d2i_X509(NULL, &at, (long)n);

    TALLY_ASSERT(x != NULL && at == p + n);
    (void)i2d_re_X509_tbs(x, NULL);
    int len = i2d_X509(x, &again);
    TALLY_ASSERT(len > 0 &&
                 tally_slice_equal(tally_slice_of(p, n), tally_slice_of(again, (size_t)len)));
    OPENSSL_free(again);
    X509_free(x);
    ERR_clear_error();
}

static void agree_crl(const uint8_t *p, size_t n)
{
    const uint8_t *at = p;
    uint8_t *again = NULL;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)n);

    if (x != NULL) { /* it reads some extensions of rows that nobody asks for */
        (void)i2d_re_X509_CRL_tbs(x, NULL);
        int len = i2d_X509_CRL(x, &again);
        TALLY_ASSERT(at == p + n && len > 0 &&
                     tally_slice_equal(tally_slice_of(p, n), tally_slice_of(again, (size_t)len)));
    }
    OPENSSL_free(again);
    X509_CRL_free(x);
    ERR_clear_error();
}

static void ask_all(const struct tally_cert *c)
{
    struct tally_snp_vek vek;
    char cn[TALLY_CERT_CN_SIZE], oid[64];
    uint8_t digest[32];
    unsigned good = 0;

    good += tally_snp_vek_decode(c, &vek) == TALLY_OK;
    good += tally_cert_subject_cn(c, cn) == TALLY_OK;
    good += tally_cert_issuer_cn(c, cn) == TALLY_OK;
    for (int kind = TALLY_KEY_P256; kind <= TALLY_KEY_RSA2048_UP; kind++)
        good += tally_cert_key_is(c, (enum tally_cert_key)kind) == TALLY_OK;
    for (int alg = TALLY_ALG_PSS_SHA384; alg <= TALLY_ALG_RSA_SHA384; alg++)
        good += tally_cert_signed_by(c, c, (enum tally_cert_alg)alg) == TALLY_OK;
    good += tally_cert_is_ca(c, 0, TALLY_KU_CERT_SIGN) == TALLY_OK;
    good += tally_cert_is_leaf(c, TALLY_KU_SIGN) == TALLY_OK;
    for (int i = 0; tally_cert_ext_oid(c, i, oid, sizeof oid); i++)
        good += tally_cert_ext(c, oid).at != NULL;
    tally_cert_spki_digest(c, digest);
    (void)good;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct tally_cert c;
    struct tally_crl crl;

    if (tally_cert_parse(tally_slice_of(p, n), &c) == TALLY_OK) {
        agree_cert(p, n);
        ask_all(&c);
        tally_cert_free(&c);
    }
    if (tally_crl_parse(tally_slice_of(p, n), &crl) == TALLY_OK) {
        agree_crl(p, n);
        tally_crl_free(&crl);
    }
    return 0;
}
