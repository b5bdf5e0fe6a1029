/* sim_x509.c - see sim_x509.h. */
#include "common/attest/sim_x509.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

bool tally_sim_set_name(X509_NAME *name, const struct tally_sim_name_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool printable =
            strcmp(parts[i].field, "C") == 0 || strcmp(parts[i].field, "serialNumber") == 0;
        if (X509_NAME_add_entry_by_txt(name, parts[i].field,
                                       printable ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING,
                                       (const unsigned char *)parts[i].value, -1, -1, 0) != 1)
            return false;
    }
    return true;
}

bool tally_sim_set_serial(ASN1_INTEGER *to, struct tally_slice serial)
{
    BIGNUM *n = BN_bin2bn(serial.at, (int)serial.len, NULL);
    bool good = n != NULL && BN_to_ASN1_INTEGER(n, to) != NULL;

    BN_free(n);
    return good;
}

bool tally_sim_cert_begin(X509 *x, uint64_t not_before_s, uint64_t not_after_s, EVP_PKEY *key)
{
    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after_s) != NULL &&
           X509_set_pubkey(x, key) == 1;
}

bool tally_sim_crl_begin(X509_CRL *crl, uint64_t this_update_s, uint64_t next_update_s)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)this_update_s);
    ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)next_update_s);
    bool good = from != NULL && until != NULL &&
                X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                X509_CRL_set1_lastUpdate(crl, from) == 1 &&
                (next_update_s == 0 || X509_CRL_set1_nextUpdate(crl, until) == 1);

    ASN1_TIME_free(until);
    ASN1_TIME_free(from);
    return good;
}

static X509_EXTENSION *new_ext(const char *oid, bool critical, struct tally_slice value)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *v = ASN1_OCTET_STRING_new();
    X509_EXTENSION *e = NULL;

    if (o != NULL && v != NULL && ASN1_OCTET_STRING_set(v, value.at, (int)value.len) == 1)
        e = X509_EXTENSION_create_by_OBJ(NULL, o, critical, v);
    ASN1_OCTET_STRING_free(v);
    ASN1_OBJECT_free(o);
    return e;
}

bool tally_sim_cert_ext(X509 *x, const char *oid, bool critical, struct tally_slice value)
{
    X509_EXTENSION *e = new_ext(oid, critical, value);
    bool good = e != NULL && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return good;
}

bool tally_sim_cert_constraints(X509 *x, bool ca, int pathlen)
{
    uint8_t v[8] = {0x30};
    struct tally_wr w = tally_wr_to(v + 2, sizeof v - 2);

    if (ca) tally_wr_put(&w, "\x01\x01\xff", 3);
    if (pathlen >= 0) tally_wr_put(&w, "\x02\x01", 2);
    if (pathlen >= 0) tally_wr_u8(&w, (uint8_t)pathlen);
    v[1] = (uint8_t)w.used;
    return pathlen < 0x80 &&
           tally_sim_cert_ext(x, "2.5.29.19", true, tally_slice_of(v, 2 + w.used));
}

bool tally_sim_cert_usage(X509 *x, uint8_t usage)
{
    uint8_t unused = 0;

    while (unused < 7 && !(usage >> unused & 1)) unused++;
    const uint8_t v[] = {3, 2, unused, usage};
    return tally_sim_cert_ext(x, "2.5.29.15", true, TALLY_SLICE(v));
}

bool tally_sim_crl_number(X509_CRL *crl, uint32_t number)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    bool good = n != NULL && ASN1_INTEGER_set_uint64(n, number) == 1 &&
                X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;

    ASN1_INTEGER_free(n);
    return good;
}

bool tally_sim_crl_key_id(X509_CRL *crl, const uint8_t id[20])
{
    uint8_t aki[24] = {0x30, 22, 0x80, 20};

    memcpy(aki + 4, id, 20);
    X509_EXTENSION *e = new_ext("2.5.29.35", false, TALLY_SLICE(aki));
    bool good = e != NULL && X509_CRL_add_ext(crl, e, -1) == 1;
    X509_EXTENSION_free(e);
    return good;
}

static bool add_reason(X509_REVOKED *row)
{
    ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
    bool good = reason != NULL && ASN1_ENUMERATED_set(reason, CRL_REASON_KEY_COMPROMISE) == 1 &&
                X509_REVOKED_add1_ext_i2d(row, NID_crl_reason, reason, 0, 0) == 1;

    ASN1_ENUMERATED_free(reason);
    return good;
}

bool tally_sim_crl_revoke(X509_CRL *crl, struct tally_slice serial, uint64_t when_s, bool reason)
{
    X509_REVOKED *row = X509_REVOKED_new();
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)when_s);
    bool good = row != NULL && n != NULL && t != NULL && tally_sim_set_serial(n, serial) &&
                X509_REVOKED_set_serialNumber(row, n) == 1 &&
                X509_REVOKED_set_revocationDate(row, t) == 1 && (!reason || add_reason(row)) &&
                X509_CRL_add0_revoked(crl, row) == 1;

    if (!good) X509_REVOKED_free(row);
    ASN1_TIME_free(t);
    ASN1_INTEGER_free(n);
    return good;
}

void tally_sim_key_id(EVP_PKEY *key, uint8_t out[20])
{
    X509 *x = X509_new();
    unsigned n = 0;

    TALLY_ASSERT(x != NULL && X509_set_pubkey(x, key) == 1 &&
                 X509_pubkey_digest(x, EVP_sha1(), out, &n) == 1 && n == 20);
    X509_free(x);
}

static enum tally_status put(uint8_t *bytes, int len, const char *what, const char *cn,
                             struct tally_wr *der)
{
    if (len > 0) tally_wr_put(der, bytes, (size_t)len);
    OPENSSL_free(bytes);
    TALLY_ENSURE(len > 0, TALLY_E_LIB, "making a %s for %s", what, cn);
    TALLY_ENSURE(!der->full, TALLY_E_LIMIT, "no room for a %s", what);
    return TALLY_OK;
}

enum tally_status tally_sim_cert_end(X509 *x, bool good, const char *cn, struct tally_wr *der)
{
    uint8_t *bytes = NULL;
    int len = good ? i2d_X509(x, &bytes) : -1;

    X509_free(x);
    return put(bytes, len, "certificate", cn, der);
}

enum tally_status tally_sim_crl_end(X509_CRL *crl, bool good, const char *cn, struct tally_wr *der)
{
    uint8_t *bytes = NULL;
    int len = good ? i2d_X509_CRL(crl, &bytes) : -1;

    X509_CRL_free(crl);
    return put(bytes, len, "revocation list", cn, der);
}
