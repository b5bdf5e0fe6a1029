/* cert.c - see cert.h. */
#include "common/cert.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/der.h"

/* DER has one spelling of a time: seconds, no fraction, Z. */
static enum tally_status seconds(const ASN1_TIME *t, uint64_t *out)
{
    struct tm tm = {0};
    int len = t == NULL ? 0 : ASN1_STRING_length(t), want = 15;

    if (t != NULL && ASN1_STRING_type(t) == V_ASN1_UTCTIME) want = 13;
    TALLY_REFUSE_UNLESS(len == want && ASN1_STRING_get0_data(t)[len - 1] == 'Z' &&
                            ASN1_TIME_to_tm(t, &tm) == 1,
                        TALLY_R_E_CERT_PARSE, "time");
    time_t s = timegm(&tm);
    TALLY_REFUSE_UNLESS(s >= 0, TALLY_R_E_CERT_PARSE, "time before 1970");
    *out = (uint64_t)s;
    return TALLY_OK;
}

static enum tally_status same_bytes(struct tally_slice der, uint8_t *again, int len)
{
    bool same = len >= 0 && tally_slice_equal(der, tally_slice_of(again, (size_t)len));

    OPENSSL_free(again);
    TALLY_REFUSE_UNLESS(same, TALLY_R_E_CERT_NONCANONICAL, "re-encodes to other bytes");
    return TALLY_OK;
}

static enum tally_status check_exts(const STACK_OF(X509_EXTENSION) * exts, bool ca_exts)
{
    int n = exts == NULL ? 0 : X509v3_get_ext_count(exts);

    TALLY_REFUSE_UNLESS(n <= TALLY_CERT_EXTS_MAX, TALLY_R_E_OVERSIZE, "%d extensions", n);
    for (int i = 0; i < n; i++) {
        X509_EXTENSION *e = X509v3_get_ext(exts, i);
        const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);
        int nid = OBJ_obj2nid(o);
        bool known = ca_exts && (nid == NID_basic_constraints || nid == NID_key_usage);
        TALLY_REFUSE_UNLESS(known || X509_EXTENSION_get_critical(e) == 0,
                            TALLY_R_E_CERT_CRITICAL_EXT, "unknown critical extension");
        TALLY_REFUSE_UNLESS(X509v3_get_ext_by_OBJ(exts, o, i) < 0, TALLY_R_E_CERT_EXT_DUP,
                            "an extension stands twice");
        const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);
        if (known)
            TALLY_TRY(tally_der_check(
                tally_slice_of(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v))));
    }
    return TALLY_OK;
}

static enum tally_status parse_cert(struct tally_slice der, struct tally_cert *c)
{
    const uint8_t *at = der.at;
    uint8_t *again = NULL;

    TALLY_REFUSE_UNLESS(der.len <= TALLY_CERT_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "certificate of %zu bytes", der.len);
    TALLY_TRY(tally_der_check(der));
    c->x509 = d2i_X509(NULL, &at, (long)der.len);
    TALLY_REFUSE_UNLESS(c->x509 != NULL && at == der.at + der.len, TALLY_R_E_CERT_PARSE,
                        "not an X.509 certificate");
    /* Drops the cached bytes of the signed part, so that the next encoding is a real one. */
    (void)i2d_re_X509_tbs(c->x509, NULL);
    int len = i2d_X509(c->x509, &again);
    TALLY_TRY(same_bytes(der, again, len));
    TALLY_REFUSE_UNLESS(X509_get_version(c->x509) == X509_VERSION_3, TALLY_R_E_CERT_SHAPE,
                        "not a version 3 certificate");
    TALLY_TRY(check_exts(X509_get0_extensions(c->x509), true));
    TALLY_TRY(seconds(X509_get0_notBefore(c->x509), &c->not_before_s));
    return seconds(X509_get0_notAfter(c->x509), &c->not_after_s);
}

/* OpenSSL's own queue of errors is never read: keep it from growing. */
static enum tally_status quiet(enum tally_status s)
{
    ERR_clear_error();
    return s;
}

enum tally_status tally_cert_parse(struct tally_slice der, struct tally_cert *c)
{
    *c = (struct tally_cert){0};
    enum tally_status s = quiet(parse_cert(der, c));

    if (s != TALLY_OK) tally_cert_free(c);
    return s;
}

void tally_cert_free(struct tally_cert *c)
{
    X509_free(c->x509);
    *c = (struct tally_cert){0};
}

static enum tally_status common_name(X509_NAME *name, char out[TALLY_CERT_CN_SIZE])
{
    int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

    TALLY_REFUSE_UNLESS(i >= 0 && X509_NAME_get_index_by_NID(name, NID_commonName, i) < 0,
                        TALLY_R_E_CERT_SHAPE, "a name without exactly one CN");
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
    const uint8_t *p = ASN1_STRING_get0_data(s);
    int len = ASN1_STRING_length(s), type = ASN1_STRING_type(s);
    TALLY_REFUSE_UNLESS(len > 0 && len < TALLY_CERT_CN_SIZE &&
                            (type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING),
                        TALLY_R_E_CERT_SHAPE, "CN of %d bytes", len);
    for (int k = 0; k < len; k++)
        TALLY_REFUSE_UNLESS(p[k] >= 0x20 && p[k] < 0x7f, TALLY_R_E_CERT_SHAPE, "CN not ASCII");
    memcpy(out, p, (size_t)len);
    out[len] = '\0';
    return TALLY_OK;
}

enum tally_status tally_cert_subject_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE])
{
    return common_name(X509_get_subject_name(c->x509), out);
}

enum tally_status tally_cert_issuer_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE])
{
    return common_name(X509_get_issuer_name(c->x509), out);
}

enum tally_status tally_cert_valid_at(const struct tally_cert *c, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(now_s >= c->not_before_s, TALLY_R_E_CERT_NOT_YET_VALID,
                        "the certificate begins later");
    TALLY_REFUSE_UNLESS(now_s <= c->not_after_s, TALLY_R_E_CERT_EXPIRED,
                        "the certificate has expired");
    return TALLY_OK;
}

static bool key_usages(const struct tally_cert *c, unsigned usages)
{
    static const struct {
        unsigned usage;
        int bit;
    } bits[] = {
        {TALLY_KU_SIGN,      0},
        {TALLY_KU_CERT_SIGN, 5},
        {TALLY_KU_CRL_SIGN,  6}
    };
    ASN1_BIT_STRING *ku = X509_get_ext_d2i(c->x509, NID_key_usage, NULL, NULL);
    bool may = ku != NULL;

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        may = may && (!(usages & bits[i].usage) || ASN1_BIT_STRING_get_bit(ku, bits[i].bit) == 1);
    ASN1_BIT_STRING_free(ku);
    return may;
}

enum tally_status tally_cert_is_ca(const struct tally_cert *c, int pathlen, unsigned usages)
{
    BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(c->x509, NID_basic_constraints, NULL, NULL);
    long len = bc != NULL && bc->pathlen != NULL ? ASN1_INTEGER_get(bc->pathlen) : -1;
    bool ca = bc != NULL && bc->ca != 0 && (pathlen < 0 || len == pathlen);

    BASIC_CONSTRAINTS_free(bc);
    ca = ca && key_usages(c, usages);
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(ca, TALLY_R_E_CERT_CONSTRAINT,
                        "basicConstraints or keyUsage do not allow what it signed");
    return TALLY_OK;
}

enum tally_status tally_cert_is_leaf(const struct tally_cert *c, unsigned usages)
{
    int critical = 0;
    BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(c->x509, NID_basic_constraints, &critical, NULL);
    bool leaf = (bc == NULL && critical == -1) || (bc != NULL && bc->ca == 0);

    BASIC_CONSTRAINTS_free(bc);
    leaf = leaf && key_usages(c, usages);
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(leaf, TALLY_R_E_CERT_CONSTRAINT,
                        "a CA's certificate, or a key that may not sign");
    return TALLY_OK;
}

static bool same_name(const X509_NAME *a, const X509_NAME *b)
{
    const uint8_t *p, *q;
    size_t p_len, q_len;

    return X509_NAME_get0_der(a, &p, &p_len) == 1 && X509_NAME_get0_der(b, &q, &q_len) == 1 &&
           tally_slice_equal(tally_slice_of(p, p_len), tally_slice_of(q, q_len));
}

bool tally_cert_names(const struct tally_cert *c, const struct tally_cert *issuer)
{
    return same_name(X509_get_issuer_name(c->x509), X509_get_subject_name(issuer->x509));
}

static bool is_hash(const X509_ALGOR *alg, int nid)
{
    const ASN1_OBJECT *o = NULL;
    int type = V_ASN1_UNDEF;

    if (alg == NULL) return false;
    X509_ALGOR_get0(&o, &type, NULL, alg);
    return OBJ_obj2nid(o) == nid && (type == V_ASN1_NULL || type == V_ASN1_UNDEF);
}

static bool is_mgf1(const X509_ALGOR *alg, int nid)
{
    const ASN1_OBJECT *o = NULL;
    const void *value = NULL;
    int type = V_ASN1_UNDEF;

    if (alg == NULL) return false;
    X509_ALGOR_get0(&o, &type, &value, alg);
    if (OBJ_obj2nid(o) != NID_mgf1 || type != V_ASN1_SEQUENCE) return false;
    const uint8_t *p = ASN1_STRING_get0_data(value);
    X509_ALGOR *hash = d2i_X509_ALGOR(NULL, &p, ASN1_STRING_length(value));
    bool good = is_hash(hash, nid);
    X509_ALGOR_free(hash);
    return good;
}

/* Two encodings are in use, with trailerField 1 and without: the decoded values count. */
static enum tally_status check_pss(const X509_ALGOR *alg)
{
    enum { SALT = 48 };
    const ASN1_OBJECT *o = NULL;
    const void *value = NULL;
    int type = V_ASN1_UNDEF;
    RSA_PSS_PARAMS *pss = NULL;

    X509_ALGOR_get0(&o, &type, &value, alg);
    if (OBJ_obj2nid(o) == NID_rsassaPss && type == V_ASN1_SEQUENCE) {
        const uint8_t *p = ASN1_STRING_get0_data(value);
        pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(value));
    }
    bool good = pss != NULL && is_hash(pss->hashAlgorithm, NID_sha384) &&
                is_mgf1(pss->maskGenAlgorithm, NID_sha384) && pss->saltLength != NULL &&
                ASN1_INTEGER_get(pss->saltLength) == SALT &&
                (pss->trailerField == NULL || ASN1_INTEGER_get(pss->trailerField) == 1);
    RSA_PSS_PARAMS_free(pss);
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_CERT_ALG,
                        "signed otherwise than with RSASSA-PSS, SHA-384 and a salt of 48");
    return TALLY_OK;
}

static enum tally_status check_alg(const X509_ALGOR *have, enum tally_cert_alg want)
{
    static const int nids[] = {NID_rsassaPss, NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA384,
                               NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption};
    static const char *const names[] = {"RSASSA-PSS with SHA-384", "ECDSA with SHA-256",
                                        "ECDSA with SHA-384", "RSA with SHA-256",
                                        "RSA with SHA-384"};
    const ASN1_OBJECT *o = NULL;
    int type = V_ASN1_UNDEF;

    if (want == TALLY_ALG_PSS_SHA384) return check_pss(have);
    X509_ALGOR_get0(&o, &type, NULL, have);
    TALLY_REFUSE_UNLESS(OBJ_obj2nid(o) == nids[want] &&
                            (type == V_ASN1_UNDEF || type == V_ASN1_NULL),
                        TALLY_R_E_CERT_ALG, "signed otherwise than with %s", names[want]);
    return TALLY_OK;
}

enum tally_status tally_cert_signed_by(const struct tally_cert *c, const struct tally_cert *issuer,
                                       enum tally_cert_alg want)
{
    const X509_ALGOR *alg = NULL;

    TALLY_REFUSE_UNLESS(tally_cert_names(c, issuer), TALLY_R_E_CERT_SHAPE,
                        "the issuer's name is another one");
    X509_get0_signature(NULL, &alg, c->x509);
    TALLY_TRY(quiet(check_alg(alg, want)));
    int good = X509_verify(c->x509, X509_get0_pubkey(issuer->x509));
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_SIGNATURE,
                        "the certificate's signature does not verify");
    return TALLY_OK;
}

struct tally_slice tally_cert_ext(const struct tally_cert *c, const char *oid)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    int i = o == NULL ? -1 : X509_get_ext_by_OBJ(c->x509, o, -1);

    ASN1_OBJECT_free(o);
    if (i < 0) return (struct tally_slice){0};
    const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(X509_get_ext(c->x509, i));
    return tally_slice_of(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v));
}

bool tally_cert_ext_oid(const struct tally_cert *c, int i, char *out, size_t size)
{
    if (i >= X509_get_ext_count(c->x509)) return false;
    int n = OBJ_obj2txt(out, (int)size, X509_EXTENSION_get_object(X509_get_ext(c->x509, i)), 1);
    if (n < 0 || (size_t)n >= size) out[0] = '\0';
    return true;
}

static enum tally_status check_crl_exts(X509_CRL *crl)
{
    STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(crl);

    TALLY_TRY(check_exts(X509_CRL_get0_extensions(crl), false));
    for (int i = 0; i < sk_X509_REVOKED_num(rows); i++)
        TALLY_TRY(check_exts(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(rows, i)), false));
    return TALLY_OK;
}

static enum tally_status parse_crl(struct tally_slice der, struct tally_crl *c)
{
    const uint8_t *at = der.at;
    uint8_t *again = NULL;

    TALLY_REFUSE_UNLESS(der.len <= TALLY_CRL_BYTES_MAX, TALLY_R_E_OVERSIZE, "CRL of %zu bytes",
                        der.len);
    TALLY_TRY(tally_der_check(der));
    c->crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    TALLY_REFUSE_UNLESS(c->crl != NULL && at == der.at + der.len, TALLY_R_E_CERT_PARSE,
                        "not a CRL");
    (void)i2d_re_X509_CRL_tbs(c->crl, NULL);
    int len = i2d_X509_CRL(c->crl, &again);
    TALLY_TRY(same_bytes(der, again, len));
    TALLY_TRY(check_crl_exts(c->crl));
    TALLY_REFUSE_UNLESS(X509_CRL_get0_nextUpdate(c->crl) != NULL, TALLY_R_E_CRL_EXPIRED,
                        "the CRL does not say until when it holds");
    TALLY_TRY(seconds(X509_CRL_get0_lastUpdate(c->crl), &c->this_update_s));
    return seconds(X509_CRL_get0_nextUpdate(c->crl), &c->next_update_s);
}

enum tally_status tally_crl_parse(struct tally_slice der, struct tally_crl *c)
{
    *c = (struct tally_crl){0};
    enum tally_status s = quiet(parse_crl(der, c));

    if (s != TALLY_OK) tally_crl_free(c);
    return s;
}

void tally_crl_free(struct tally_crl *c)
{
    X509_CRL_free(c->crl);
    *c = (struct tally_crl){0};
}

bool tally_crl_names(const struct tally_crl *c, const struct tally_cert *issuer)
{
    return same_name(X509_CRL_get_issuer(c->crl), X509_get_subject_name(issuer->x509));
}

enum tally_status tally_crl_signed_by(const struct tally_crl *c, const struct tally_cert *issuer,
                                      enum tally_cert_alg want)
{
    const X509_ALGOR *alg = NULL;

    TALLY_REFUSE_UNLESS(tally_crl_names(c, issuer), TALLY_R_E_CRL_ISSUER,
                        "the CRL is another issuer's");
    X509_CRL_get0_signature(c->crl, NULL, &alg);
    TALLY_TRY(quiet(check_alg(alg, want)));
    int good = X509_CRL_verify(c->crl, X509_get0_pubkey(issuer->x509));
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good == 1, TALLY_R_E_SIGNATURE, "the CRL's signature does not verify");
    return TALLY_OK;
}

enum tally_status tally_crl_valid_at(const struct tally_crl *c, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(now_s >= c->this_update_s, TALLY_R_E_CRL_EXPIRED,
                        "the CRL is from the future");
    TALLY_REFUSE_UNLESS(now_s <= c->next_update_s, TALLY_R_E_CRL_EXPIRED, "the CRL has expired");
    return TALLY_OK;
}

enum tally_status tally_crl_clears(const struct tally_crl *c, const struct tally_cert *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509);
    STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(c->crl);

    for (int i = 0; i < sk_X509_REVOKED_num(rows); i++) {
        const X509_REVOKED *row = sk_X509_REVOKED_value(rows, i);
        TALLY_REFUSE_UNLESS(ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(row), serial) != 0,
                            TALLY_R_E_REVOKED, "the CRL lists the issuer's certificate");
    }
    return TALLY_OK;
}
