/* gpu_ocsp.c - see gpu_ocsp.h. OpenSSL parses; who may speak for whom is decided here. */
#include "common/attest/gpu_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/der.h"
#include "common/secret.h"

enum { FIRST = 1, LAST = 3 }; /* certificates that NVIDIA issued, root excepted */

static void free_response(OCSP_RESPONSE **r)
{
    OCSP_RESPONSE_free(*r);
}

static void free_basic(OCSP_BASICRESP **b)
{
    OCSP_BASICRESP_free(*b);
}

static bool seconds(const ASN1_TIME *t, uint64_t *out)
{
    struct tm tm = {0};

    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1) return false;
    time_t s = timegm(&tm);
    *out = (uint64_t)s;
    return s >= 0;
}

/* The inner structure is what the signature covers, and OpenSSL encodes it anew to verify: so it
 * must be, byte for byte, what was given. It is the last thing in the response. */
static bool canonical(struct tally_slice der, OCSP_BASICRESP *basic)
{
    uint8_t *again = NULL;
    int n = i2d_OCSP_BASICRESP(basic, &again);
    size_t len = n > 0 ? (size_t)n : 0;
    bool same = len > 0 && len <= der.len && memcmp(der.at + der.len - len, again, len) == 0 &&
                tally_der_check(tally_slice_of(again, len)) == TALLY_OK;

    OPENSSL_free(again);
    return same;
}

static enum tally_status parse(struct tally_slice der, OCSP_BASICRESP **out)
{
    const uint8_t *at = der.at;

    TALLY_REFUSE_UNLESS(der.len <= TALLY_OCSP_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "OCSP response of %zu bytes", der.len);
    TALLY_REFUSE_UNLESS(tally_der_check(der) == TALLY_OK, TALLY_R_E_OCSP_FORMAT,
                        "an OCSP response that is not DER");
    TALLY_CLEANUP(free_response) OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    TALLY_REFUSE_UNLESS(r != NULL && at == der.at + der.len, TALLY_R_E_OCSP_FORMAT,
                        "not an OCSP response");
    TALLY_REFUSE_UNLESS(OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL,
                        TALLY_R_E_OCSP_FORMAT, "the OCSP responder says %d: no answer",
                        OCSP_response_status(r));
    *out = OCSP_response_get1_basic(r);
    TALLY_REFUSE_UNLESS(*out != NULL && canonical(der, *out), TALLY_R_E_OCSP_FORMAT,
                        "not a basic OCSP response in its canonical form");
    TALLY_REFUSE_UNLESS(OCSP_BASICRESP_get_ext_by_critical(*out, 1, -1) < 0, TALLY_R_E_OCSP_FORMAT,
                        "an unknown critical extension");
    return TALLY_OK;
}

/* The same certificate as OpenSSL's OCSP functions take it. */
static X509 *openssl_cert(const struct tally_cert *c)
{
    struct tally_slice der = tally_cert_der(c);

    return d2i_X509(NULL, &der.at, (long)der.len);
}

static void free_x509(X509 **x)
{
    X509_free(*x);
}

static void free_id(OCSP_CERTID **id)
{
    OCSP_CERTID_free(*id);
}

/* Is this id the one of certificate i? */
static bool same_id(OCSP_CERTID *have, int nid, const struct tally_gpu_chain *chain, size_t i)
{
    X509 *x = openssl_cert(&chain->certs[i]), *issuer = openssl_cert(&chain->certs[i + 1]);
    TALLY_CLEANUP(free_id) OCSP_CERTID *want = NULL;

    if (x != NULL && issuer != NULL) want = OCSP_cert_to_id(EVP_get_digestbynid(nid), x, issuer);
    X509_free(x);
    X509_free(issuer);
    return want != NULL && OCSP_id_cmp(have, want) == 0;
}

/* Is this single response about certificate i? The hash in it is an identifier: SHA-1 will do. */
static bool is_about(const OCSP_SINGLERESP *one, const struct tally_gpu_chain *chain, size_t i)
{
    ASN1_OBJECT *hash = NULL;
    TALLY_CLEANUP(free_id) OCSP_CERTID *have = OCSP_CERTID_dup(OCSP_SINGLERESP_get0_id(one));

    if (have == NULL || OCSP_id_get0_info(NULL, &hash, NULL, NULL, have) != 1) return false;
    int nid = OBJ_obj2nid(hash);
    return (nid == NID_sha1 || nid == NID_sha256 || nid == NID_sha384) &&
           same_id(have, nid, chain, i);
}

/* Does the response name this certificate as its signer, by subject or by key? */
static bool is_signer(const OCSP_BASICRESP *basic, const X509 *x)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;
    uint8_t digest[20];
    unsigned n = 0;

    if (OCSP_resp_get0_id(basic, &key, &name) != 1) return false;
    if (name != NULL) return X509_NAME_cmp(name, X509_get_subject_name(x)) == 0;
    return X509_pubkey_digest(x, EVP_sha1(), digest, &n) == 1 &&
           tally_slice_equal(
               tally_slice_of(digest, n),
               tally_slice_of(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key)));
}

/* The signature itself, by this certificate's key and with no other algorithm. */
static bool verifies(OCSP_BASICRESP *basic, X509 *signer)
{
    STACK_OF(X509) *only = sk_X509_new_null();
    int alg = OBJ_obj2nid(OCSP_resp_get0_tbs_sigalg(basic)->algorithm);
    bool good = (alg == NID_ecdsa_with_SHA384 || alg == NID_ecdsa_with_SHA256) && only != NULL &&
                sk_X509_push(only, signer) > 0 &&
                OCSP_basic_verify(basic, only, NULL, OCSP_NOINTERN | OCSP_NOVERIFY) == 1;

    sk_X509_free(only);
    return good;
}

static bool is_curve(EVP_PKEY *key)
{
    char group[32] = "";

    return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           (strcmp(group, SN_secp384r1) == 0 || strcmp(group, SN_X9_62_prime256v1) == 0);
}

static void narrow(struct tally_gpu_ocsp *sum, uint64_t from_s, uint64_t until_s)
{
    if (from_s > sum->from_s) sum->from_s = from_s;
    if (until_s < sum->until_s) sum->until_s = until_s;
}

/* A responder that this issuer made, for this and nothing else. Unlike the vendor's certificates
 * it may have a critical extendedKeyUsage, so it is asked of OpenSSL and not of cert.h. */
static enum tally_status check_delegate(X509 *x, X509 *issuer, uint64_t now_s,
                                        struct tally_gpu_ocsp *sum)
{
    uint32_t flags = X509_get_extension_flags(x);
    uint64_t from = 0, until = 0;
    bool for_it = (flags & (EXFLAG_CA | EXFLAG_CRITICAL | EXFLAG_INVALID)) == 0 &&
                  (flags & EXFLAG_XKUSAGE) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
                  (X509_get_extended_key_usage(x) & XKU_OCSP_SIGN) != 0 &&
                  (X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE) != 0;
    bool dated = seconds(X509_get0_notBefore(x), &from) && seconds(X509_get0_notAfter(x), &until);

    TALLY_REFUSE_UNLESS(for_it && dated && is_curve(X509_get0_pubkey(x)), TALLY_R_E_OCSP_SIG,
                        "the responder's certificate is not for signing OCSP responses");
    TALLY_REFUSE_UNLESS(
        X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) == 0 &&
            X509_get_signature_nid(x) == NID_ecdsa_with_SHA384 &&
            X509_verify(x, X509_get0_pubkey(issuer)) == 1,
        TALLY_R_E_OCSP_SIG, "the responder is not one that this issuer delegated to");
    TALLY_REFUSE_UNLESS(from <= now_s && now_s <= until, TALLY_R_E_OCSP_SIG,
                        "the responder's certificate is not in force");
    narrow(sum, from, until);
    return TALLY_OK;
}

static enum tally_status check_signer(OCSP_BASICRESP *basic, const struct tally_cert *issuer,
                                      uint64_t now_s, struct tally_gpu_ocsp *sum)
{
    const STACK_OF(X509) *certs = OCSP_resp_get0_certs(basic);
    TALLY_CLEANUP(free_x509) X509 *own = openssl_cert(issuer);
    X509 *signer = own != NULL && is_signer(basic, own) ? own : NULL;

    TALLY_ENSURE(own != NULL, TALLY_E_NOMEM, "the issuer's certificate");
    TALLY_REFUSE_UNLESS(sk_X509_num(certs) <= TALLY_OCSP_CERTS_MAX, TALLY_R_E_OCSP_FORMAT,
                        "more than %d certificates in an OCSP response", TALLY_OCSP_CERTS_MAX);
    for (int i = 0; signer == NULL && i < sk_X509_num(certs); i++) {
        X509 *x = sk_X509_value(certs, i);
        if (is_signer(basic, x)) signer = x;
    }
    TALLY_REFUSE_UNLESS(signer != NULL, TALLY_R_E_OCSP_SIG,
                        "an OCSP response without its signer's certificate");
    if (signer != own) TALLY_TRY(check_delegate(signer, own, now_s, sum));
    TALLY_REFUSE_UNLESS(verifies(basic, signer), TALLY_R_E_OCSP_SIG,
                        "the OCSP response's signature does not verify");
    return TALLY_OK;
}

static enum tally_status check_single(OCSP_SINGLERESP *one, uint64_t now_s,
                                      struct tally_gpu_ocsp *sum)
{
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    uint64_t from = 0, until = 0;
    int reason = -1,
        status = OCSP_single_get0_status(one, &reason, NULL, &this_update, &next_update);

    TALLY_REFUSE_UNLESS(OCSP_SINGLERESP_get_ext_by_critical(one, 1, -1) < 0, TALLY_R_E_OCSP_FORMAT,
                        "an unknown critical extension");
    TALLY_REFUSE_UNLESS(seconds(this_update, &from) &&
                            (next_update == NULL || seconds(next_update, &until)),
                        TALLY_R_E_OCSP_FORMAT, "a time in an OCSP response");
    TALLY_REFUSE_UNLESS(next_update != NULL && from <= now_s && now_s <= until,
                        TALLY_R_E_OCSP_EXPIRED, "the OCSP response is not in force");
    TALLY_REFUSE_UNLESS(status != V_OCSP_CERTSTATUS_REVOKED ||
                            reason == OCSP_REVOKED_STATUS_CERTIFICATEHOLD,
                        TALLY_R_E_REVOKED, "OCSP: the certificate has been revoked");
    TALLY_REFUSE_UNLESS(status == V_OCSP_CERTSTATUS_GOOD, TALLY_R_E_OCSP_STATUS,
                        "OCSP: the certificate is %s",
                        status == V_OCSP_CERTSTATUS_REVOKED ? "on hold" : "unknown");
    narrow(sum, from, until);
    return TALLY_OK;
}

/* One single response; *any becomes true where it is about a certificate of the chain. */
static enum tally_status check_one(OCSP_BASICRESP *basic, OCSP_SINGLERESP *one,
                                   const struct tally_gpu_chain *chain, uint64_t now_s,
                                   struct tally_gpu_ocsp *sum, bool *any)
{
    for (size_t i = FIRST; i <= LAST; i++) {
        if (!is_about(one, chain, i)) continue;
        TALLY_TRY(check_signer(basic, &chain->certs[i + 1], now_s, sum));
        TALLY_TRY(check_single(one, now_s, sum));
        sum->good[i] = *any = true;
    }
    return TALLY_OK;
}

static enum tally_status check(struct tally_slice response, const struct tally_gpu_chain *chain,
                               uint64_t now_s, struct tally_gpu_ocsp *sum)
{
    TALLY_CLEANUP(free_basic) OCSP_BASICRESP *basic = NULL;
    bool any = false;

    TALLY_TRY(parse(response, &basic));
    TALLY_REFUSE_UNLESS(OCSP_resp_count(basic) <= TALLY_OCSP_SINGLES_MAX, TALLY_R_E_OCSP_FORMAT,
                        "an OCSP response about more than %d certificates", TALLY_OCSP_SINGLES_MAX);
    for (int k = 0; k < OCSP_resp_count(basic); k++)
        TALLY_TRY(check_one(basic, OCSP_resp_get0(basic, k), chain, now_s, sum, &any));
    TALLY_REFUSE_UNLESS(any, TALLY_R_E_OCSP_FORMAT,
                        "an OCSP response about no certificate of this chain");
    return TALLY_OK;
}

enum tally_status tally_gpu_ocsp_check(struct tally_slice response,
                                       const struct tally_gpu_chain *chain, uint64_t now_s,
                                       struct tally_gpu_ocsp *sum)
{
    struct tally_gpu_ocsp s = *sum;
    enum tally_status result = check(response, chain, now_s, &s);

    ERR_clear_error();
    if (result == TALLY_OK) *sum = s;
    return result;
}
