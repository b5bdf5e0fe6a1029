/* test_tdx_pck.c - common/attest/tdx_pck.c, and cert.h over Intel's certificates and lists with
 * OpenSSL as second opinion: what is read here it reads too, and to the same values. */
#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/builtin.h"
#include "common/attest/tdx_pck.h"
#include "common/ecdsa.h"
#include "common/secret.h"
#include "common/x509.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

enum { CERTS_MAX = 80, CHAIN = 3 };

/* Every certificate of every quote and signing chain. */
static struct tally_slice certs[CERTS_MAX];
static size_t certs_n;

static void take(struct tally_slice pem)
{
    static uint8_t der[CHAIN * TALLY_CERT_BYTES_MAX];
    struct tally_slice list[CHAIN];
    size_t n = 0;

    if (pem.at[pem.len - 1] == 0) pem.len--;
    ck_assert_int_eq(tally_pem_chain(pem, der, sizeof der, list, CHAIN, &n), TALLY_OK);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_lt(certs_n, CERTS_MAX);
        certs[certs_n++] = tdx_copy(list[i]);
    }
}

static void collect(void)
{
    size_t n;
    const struct tdx_row *rows = tdx_rows(&n);

    certs_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct tally_tdx_quote q;
        if (rows[i].version == 3) continue;
        ck_assert_int_eq(tally_tdx_quote_decode(rows[i].quote, &q), TALLY_OK);
        take(q.pck_pem);
    }
    const struct tdx_bundle *bundles = tdx_bundles(&n);
    for (size_t i = 0; i < n; i++) take(bundles[i].collateral.tcb_sign_chain);
}

static uint64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;

    ck_assert_int_eq(ASN1_TIME_to_tm(t, &tm), 1);
    return (uint64_t)timegm(&tm);
}

static bool same_bytes(struct tally_slice a, const uint8_t *b, int n)
{
    return n >= 0 && tally_slice_equal(a, tally_slice_of(b, (size_t)n));
}

START_TEST(every_published_certificate_reads_as_openssl_reads_it)
{
    collect();
    ck_assert_uint_eq(certs_n, 15 * 3 + 7 * 2);
    for (size_t i = 0; i < certs_n; i++) {
        const uint8_t *p = certs[i].at;
        X509 *x = d2i_X509(NULL, &p, (long)certs[i].len);
        TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
        uint8_t *key = NULL;
        ck_assert_msg(x != NULL && tally_cert_parse(certs[i], &c) == TALLY_OK, "%zu: %s", i,
                      tally_why());
        ck_assert_uint_eq(c.not_before_s, seconds(X509_get0_notBefore(x)));
        ck_assert_uint_eq(c.not_after_s, seconds(X509_get0_notAfter(x)));
        const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
        struct tally_slice s = tally_cert_serial(&c);
        while (s.len > 1 && s.at[0] == 0) s = tally_slice_of(s.at + 1, s.len - 1);
        ck_assert(same_bytes(s, ASN1_STRING_get0_data(serial), ASN1_STRING_length(serial)));
        int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
        ck_assert(same_bytes(tally_cert_spki(&c), key, n));
        ck_assert_int_eq(tally_cert_alg_is(&c, TALLY_ALG_ECDSA_SHA256), TALLY_OK);
        ck_assert_int_eq(tally_cert_key_is(&c, TALLY_KEY_P256), TALLY_OK);
        bool ca = (X509_get_extension_flags(x) & EXFLAG_CA) != 0;
        int pathlen = (int)X509_get_pathlen(x);
        ck_assert_int_eq(tally_cert_is_ca(&c, pathlen, TALLY_KU_CERT_SIGN) == TALLY_OK, ca);
        ck_assert_int_ne(tally_cert_is_ca(&c, pathlen + 2, TALLY_KU_CERT_SIGN), TALLY_OK);
        ck_assert_int_eq(tally_cert_is_leaf(&c, TALLY_KU_SIGN) == TALLY_OK, !ca);
        OPENSSL_free(key);
        X509_free(x);
    }
}
END_TEST

START_TEST(every_prefix_of_a_list_is_refused_and_bytes_behind_it)
{
    struct tally_slice crl = tdx_bundle_named("2025-10_00806f05")->collateral.pck_crl;
    uint8_t *longer = calloc(1, crl.len + 1);
    struct tally_crl list;

    ck_assert_ptr_nonnull(longer);
    memcpy(longer, crl.at, crl.len);
    for (size_t n = 0; n < crl.len; n += 5) {
        ck_assert_int_ne(tally_crl_parse(tdx_copy(tally_slice_of(crl.at, n)), &list), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    }
    ck_assert_int_ne(tally_crl_parse(tally_slice_of(longer, crl.len + 1), &list), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NONCANONICAL);
    free(longer);
}
END_TEST

START_TEST(other_vendors_certificates_are_refused_by_algorithm)
{
    size_t n;
    TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
    uint8_t *der = tally_vectors_bytes("vectors/snp/roots/genoa_ark.der", &n);

    ck_assert_int_eq(tally_cert_parse(tally_slice_of(der, n), &c), TALLY_OK);
    ck_assert_int_eq(tally_cert_alg_is(&c, TALLY_ALG_PSS_SHA384), TALLY_OK);
    ck_assert_int_ne(tally_cert_alg_is(&c, TALLY_ALG_ECDSA_SHA256), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_ALG);
    free(der);
}
END_TEST

/* Is it this serial number that the list revokes? */
static bool lists(const struct tally_crl *crl, struct tally_slice serial)
{
    struct tally_x509 x = {.serial = serial};
    const struct tally_cert c = {.x509 = &x};

    return tally_crl_clears(crl, &c) != TALLY_OK && tally_reason() == TALLY_R_E_REVOKED;
}

START_TEST(every_published_list_reads_as_openssl_reads_it)
{
    size_t n, rows_n = 0;
    const struct tdx_bundle *bundles = tdx_bundles(&n);

    for (size_t i = 0; i < n * 2; i++) {
        struct tally_slice der =
            i % 2 ? bundles[i / 2].collateral.pck_crl : bundles[i / 2].collateral.root_crl;
        const uint8_t *p = der.at;
        X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);
        TALLY_CLEANUP(tally_crl_free) struct tally_crl c = {0};
        ck_assert(x != NULL && tally_crl_parse(der, &c) == TALLY_OK);
        ck_assert_uint_eq(c.this_update_s, seconds(X509_CRL_get0_lastUpdate(x)));
        ck_assert_uint_eq(c.next_update_s, seconds(X509_CRL_get0_nextUpdate(x)));
        STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(x);
        for (int k = 0; k < sk_X509_REVOKED_num(rows); k++, rows_n++) {
            const ASN1_INTEGER *s = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(rows, k));
            uint8_t *full = NULL;
            int len = i2d_ASN1_INTEGER(s, &full); /* tag and length are one byte each */
            ck_assert_int_gt(len, 2);
            ck_assert(lists(&c, tally_slice_of(full + 2, (size_t)len - 2)));
            full[len - 1] ^= 0x55;
            ck_assert(!lists(&c, tally_slice_of(full + 2, (size_t)len - 2)));
            OPENSSL_free(full);
        }
        X509_CRL_free(x);
    }
    ck_assert_uint_gt(rows_n, 50);
}
END_TEST

START_TEST(every_pck_certificate_says_its_platform)
{
    size_t n, seen = 0;
    const struct tdx_row *rows = tdx_rows(&n);

    collect();
    for (size_t i = 0; i < n; i++) {
        TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
        struct tally_tdx_pck p;
        if (rows[i].results_n == 0) continue;
        ck_assert_int_eq(tally_cert_parse(certs[3 * seen++], &c), TALLY_OK);
        ck_assert_int_eq(tally_tdx_pck_decode(&c, &p), TALLY_OK);
        ck_assert_mem_eq(p.fmspc, rows[i].results[0].bundle->fmspc, sizeof p.fmspc);
        ck_assert(p.pce_svn == 11 || p.pce_svn == 13);
        ck_assert(p.has_instance && p.has_configuration && p.smt);
        ck_assert(p.pce_id[0] == 0 && p.pce_id[1] == 0 && p.sgx_type == 1);
    }
    TALLY_CLEANUP(tally_cert_free) struct tally_cert ca = {0};
    struct tally_tdx_pck p;
    ck_assert_int_eq(tally_cert_parse(certs[1], &ca), TALLY_OK);
    ck_assert_int_ne(tally_tdx_pck_decode(&ca, &p), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXT_MISSING);
}
END_TEST

static enum tally_status signed_by(const struct tally_cert *c, const struct tally_cert *issuer)
{
    return tally_cert_signed_by(c, issuer, TALLY_ALG_ECDSA_SHA256);
}

START_TEST(names_constraints_and_signatures_are_those_of_the_chain)
{
    TALLY_CLEANUP(tally_ecdsa_free) struct tally_ecdsa place = {0};
    struct tally_cert c[CHAIN];

    collect();
    for (size_t i = 0; i < CHAIN; i++) {
        ck_assert_int_eq(tally_cert_parse(certs[i], &c[i]), TALLY_OK);
        if (_i == 1) tally_cert_place(&c[i], &place);
    }
    ck_assert_int_eq(tally_cert_is_leaf(&c[0], TALLY_KU_SIGN), TALLY_OK);
    ck_assert_int_ne(tally_cert_is_leaf(&c[1], TALLY_KU_CERT_SIGN), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_CONSTRAINT);
    ck_assert_int_eq(tally_cert_is_ca(&c[1], 0, TALLY_KU_CERT_SIGN | TALLY_KU_CRL_SIGN), TALLY_OK);
    ck_assert_int_ne(tally_cert_is_ca(&c[2], 0, TALLY_KU_CERT_SIGN), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_CONSTRAINT);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(signed_by(&c[0], &c[1]), TALLY_OK);
        ck_assert_int_eq(signed_by(&c[1], &c[2]), TALLY_OK);
        ck_assert_int_eq(signed_by(&c[2], &c[2]), TALLY_OK);
        ck_assert_int_ne(signed_by(&c[0], &c[2]), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
        c[0].x509->issuer = c[2].x509->subject; /* as if the root had signed it */
        ck_assert_int_ne(signed_by(&c[0], &c[2]), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
        c[0].x509->issuer = c[1].x509->subject;
    }
    ck_assert((c[1].x509->key == NULL) == (_i == 1)); /* in the place, or its own */
    for (size_t i = 0; i < CHAIN; i++) tally_cert_free(&c[i]);
}
END_TEST

/* Points of one curve are none of the other, though the place has a key of that. */
START_TEST(a_place_takes_keys_of_either_curve_and_points_of_none)
{
    static const char *const roots[] = {"intel_sgx_root", "nvidia_device_root"};
    static const enum tally_cert_key curves[] = {TALLY_KEY_P256, TALLY_KEY_P384};
    TALLY_CLEANUP(tally_ecdsa_free) struct tally_ecdsa place = {0};

    for (int i = 0; i < 4; i++) {
        TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
        ck_assert_int_eq(tally_cert_parse(tally_builtin(roots[i % 2]), &c), TALLY_OK);
        tally_cert_place(&c, &place);
        struct tally_slice bits = c.x509->key_bits;
        uint8_t *y = (uint8_t *)(uintptr_t)(bits.at + bits.len - 1);
        ck_assert_int_eq(tally_cert_key_is(&c, curves[i % 2]), TALLY_OK);
        *y ^= 1;
        ck_assert_int_ne(tally_cert_key_is(&c, curves[i % 2]), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_KEY);
        *y ^= 1;
        ck_assert_int_eq(tally_cert_key_is(&c, curves[i % 2]), TALLY_OK);
        c.x509->key_bits = tally_slice_of(bits.at, i % 2 ? 65 : 97); /* longer: never read */
        ck_assert_int_ne(tally_cert_key_is(&c, curves[i % 2]), TALLY_OK);
        ck_assert_int_ne(tally_cert_key_is(&c, curves[1 - i % 2]), TALLY_OK);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_pck");

    tcase_add_test(t, every_published_certificate_reads_as_openssl_reads_it);
    tcase_add_test(t, every_prefix_of_a_list_is_refused_and_bytes_behind_it);
    tcase_add_test(t, other_vendors_certificates_are_refused_by_algorithm);
    tcase_add_test(t, every_published_list_reads_as_openssl_reads_it);
    tcase_add_test(t, every_pck_certificate_says_its_platform);
    tcase_add_loop_test(t, names_constraints_and_signatures_are_those_of_the_chain, 0, 2);
    tcase_add_test(t, a_place_takes_keys_of_either_curve_and_points_of_none);
    return tally_suite_run("common/tdx_pck", t);
}
