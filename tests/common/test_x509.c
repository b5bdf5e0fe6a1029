/* test_x509.c - common/x509.c piece by piece, and whole certificates and CRLs of every vendor with
 * bytes changed, against OpenSSL's parser and encoder: what passes here has one spelling. */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/builtin.h"
#include "common/x509.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static enum tally_reason read_time(uint8_t tag, const char *text, uint64_t *out)
{
    uint8_t b[64] = {tag, (uint8_t)strlen(text)};

    memcpy(b + 2, text, strlen(text));
    struct tally_rd r = tally_rd_from(tally_slice_of(b, 2 + strlen(text)));
    return tally_x509_time(&r, out) == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

enum { UTC = 0x17, LONG = 0x18 };

START_TEST(every_day_of_four_centuries_is_timegms)
{
    for (time_t day = 0; day < 400L * 366; day += getenv("TALLY_LONG") ? 1 : 17) {
        time_t t = day * 86400 + day % 86400;
        struct tm tm;
        char text[32];
        uint64_t got = 0;
        ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
        ck_assert_uint_gt(strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm), 0);
        ck_assert_int_eq(read_time(LONG, text, &got), TALLY_R_NONE);
        ck_assert_uint_eq(got, (uint64_t)t);
        if (tm.tm_year + 1900 >= 2050) continue;
        ck_assert_int_eq(read_time(UTC, text + 2, &got), TALLY_R_NONE);
        ck_assert_uint_eq(got, (uint64_t)t);
    }
}
END_TEST

START_TEST(a_time_has_one_form)
{
    static const struct {
        uint8_t tag;
        const char *text;
        bool good;
    } rows[] = {
        {LONG, "99991231235959Z",   true },
        {LONG, "20240229000000Z",   true },
        {LONG, "20000229000000Z",   true },
        {UTC,  "491231235959Z",     true },
        {UTC,  "700101000000Z",     true },
        {UTC,  "691231235959Z",     false}, /* before 1970 */
        {LONG, "19691231235959Z",   false},
        {LONG, "20230229000000Z",   false},
        {LONG, "21000229000000Z",   false},
        {LONG, "20240001000000Z",   false},
        {LONG, "20241301000000Z",   false},
        {LONG, "20240100000000Z",   false},
        {LONG, "20240431000000Z",   false},
        {LONG, "20240101240000Z",   false},
        {LONG, "20240101006000Z",   false},
        {LONG, "20240101000060Z",   false},
        {LONG, "20240101000000",    false},
        {LONG, "202401010000Z",     false},
        {LONG, "20240101000000.5Z", false},
        {LONG, "20240101000000+00", false},
        {LONG, "2024010100000 Z",   false},
        {LONG, "2024010100000-Z",   false},
        {LONG, "240101000000Z",     false},
        {UTC,  "20240101000000Z",   false},
        {UTC,  "240101000000+0000", false},
        {UTC,  "2401010000Z",       false},
        {0x16, "240101000000Z",     false}
    };
    uint64_t got;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(read_time(rows[i].tag, rows[i].text, &got) ==
                          (rows[i].good ? TALLY_R_NONE : TALLY_R_E_CERT_PARSE),
                      "%s", rows[i].text);
}
END_TEST

/* Whole names: SEQUENCE OF SET OF SEQUENCE {OID, string}. */
START_TEST(a_name_is_sets_of_pairs_in_order)
{
#define CN "\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"
#define OU "\x30\x08\x06\x03\x55\x04\x0b\x0c\x01x"
    static const struct {
        const char *bytes;
        size_t len;
        bool good, sorted;
    } rows[] = {
        {"\x30\x00",                                                      2,  true,  true },
        {"\x30\x0c\x31\x0a" CN,                                           14, true,  true },
        {"\x30\x18\x31\x0a" OU "\x31\x0a" CN,                             26, true,  true }, /* sets stand as they are */
        {"\x30\x16\x31\x14" CN OU,                                        24, true,  true },
        {"\x30\x16\x31\x14" OU CN,                                        24, true,  false},
        {"\x30\x02\x31\x00",                                              4,  true,  false},
        {"\x30\x0c\x30\x0a" CN,                                           14, false, true }, /* no SET */
        {"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x84\x03\x0c\x01x",         14, true,  true },
        {"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x83\x0c\x01x",         14, false, true }, /* OID */
        {"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\x80",      14, false, true },
        {"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x02\x01x",         14, false, true }, /* INTEGER */
        {"\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03",                  11, false, true }, /* no value */
        {"\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x01x\x05\x00", 16, false, true },
        {"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x02x",         14, false, true },
        {"\x31\x00",                                                      2,  false, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_rd r = tally_rd_from(tally_slice_of(rows[i].bytes, rows[i].len));
        bool sorted = true;
        (void)tally_x509_name(&r, "name", &sorted);
        ck_assert_msg((r.bad == NULL) == rows[i].good, "row %zu", i);
        ck_assert_msg(!rows[i].good || sorted == rows[i].sorted, "row %zu", i);
    }
}
END_TEST

START_TEST(extensions_are_read_as_they_stand)
{
#define EXT "\x30\x09\x06\x03\x55\x1d\x0e\x04\x02\x04\x00"
    static const struct {
        const char *bytes;
        size_t len;
        enum tally_reason reason;
        bool plain;
    } rows[] = {
        {"\x30\x0b" EXT,                                                     13, TALLY_R_NONE,         true},
        {"\x30\x0e\x30\x0c\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x02\x03\x00", 16, TALLY_R_NONE,
         true                                                                                              },
        {"\x30\x0e\x30\x0c\x06\x03\x55\x1d\x0f\x01\x01\x00\x04\x02\x03\x00", 16, TALLY_R_NONE,
         false                                                                                             }, /* FALSE is never written */
        {"\x30\x00",                                                         2,  TALLY_R_NONE,         true},
        {"\x30\x0b" EXT "\x05\x00",                                          15, TALLY_R_E_CERT_PARSE, true},
        {"\x31\x0b" EXT,                                                     13, TALLY_R_E_CERT_PARSE, true},
        {"\x30\x07\x30\x05\x06\x03\x55\x1d\x0e",                             9,  TALLY_R_E_CERT_PARSE, true},
        {"\x30\x0b\x30\x09\x06\x03\x55\x1d\x8e\x04\x02\x04\x00",             13, TALLY_R_E_CERT_PARSE, true},
        {"\x30\x0b\x30\x09\x06\x03\x55\x1d\x0e\x03\x02\x04\x00",             13, TALLY_R_E_CERT_PARSE, true},
        {"\x30\x0d\x30\x0b\x06\x03\x55\x1d\x0e\x04\x02\x04\x00\x05\x00",     15, TALLY_R_E_CERT_PARSE,
         true                                                                                              },
    };
    struct tally_cert_ext exts[TALLY_CERT_EXTS_MAX];
    uint8_t many[4 + 11 * (TALLY_CERT_EXTS_MAX + 1)] = {0x30, 0x82};
    int n;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool plain = true;
        enum tally_status s =
            tally_x509_exts(tally_slice_of(rows[i].bytes, rows[i].len), exts, &n, &plain);
        ck_assert_msg((s == TALLY_OK ? TALLY_R_NONE : tally_reason()) == rows[i].reason, "row %zu",
                      i);
        ck_assert_msg(s != TALLY_OK || plain == rows[i].plain, "row %zu", i);
    }
    for (size_t k = TALLY_CERT_EXTS_MAX; k <= TALLY_CERT_EXTS_MAX + 1; k++) {
        bool plain = true;
        many[2] = (uint8_t)(11 * k >> 8);
        many[3] = (uint8_t)(11 * k);
        for (size_t i = 0; i < k; i++) memcpy(many + 4 + 11 * i, EXT, 11);
        enum tally_status s = tally_x509_exts(tally_slice_of(many, 4 + 11 * k), exts, &n, &plain);
        ck_assert_int_eq(s == TALLY_OK, k <= TALLY_CERT_EXTS_MAX);
        ck_assert(s == TALLY_OK || tally_reason() == TALLY_R_E_OVERSIZE);
    }
}
END_TEST

/* ---- the second opinion ---- */

/* Does OpenSSL read these bytes whole, and write the same when it encodes them anew? */
static bool openssl_agrees(struct tally_slice der, bool crl)
{
    const uint8_t *at = der.at;
    uint8_t *again = NULL;
    int len = -1;

    if (crl) {
        X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)der.len);
        if (x != NULL) (void)i2d_re_X509_CRL_tbs(x, NULL);
        if (x != NULL) len = i2d_X509_CRL(x, &again);
        X509_CRL_free(x);
    } else {
        X509 *x = d2i_X509(NULL, &at, (long)der.len);
        if (x != NULL) (void)i2d_re_X509_tbs(x, NULL);
        if (x != NULL) len = i2d_X509(x, &again);
        X509_free(x);
    }
    bool same = at == der.at + der.len && len >= 0 &&
                tally_slice_equal(der, tally_slice_of(again, (size_t)len));
    OPENSSL_free(again);
    ERR_clear_error();
    return same;
}

/* True if it parsed. */
static bool compare(struct tally_slice der, const char *name)
{
    struct tally_cert c;
    struct tally_crl l;
    bool cert = tally_cert_parse(der, &c) == TALLY_OK;
    bool crl = tally_crl_parse(der, &l) == TALLY_OK;

    ck_assert_msg(!cert || openssl_agrees(der, false), "%s", name);
    ck_assert_msg(!crl || openssl_agrees(der, true), "%s", name);
    tally_cert_free(&c);
    tally_crl_free(&l);
    return cert || crl;
}

static const char *const files[] = {
    "milan_ark",    "milan_ask",      "milan_asvk",         "genoa_ark",       "genoa_ask",
    "turin_ark",    "turin_asvk",     "genoa_crl",          "milan_crl",       "intel_sgx_root",
    "gce_tpm_root", "azure_tpm_root", "nvidia_device_root", "nvidia_rim_root",
};

START_TEST(what_parses_after_changes_has_one_spelling)
{
    struct tally_slice der = tally_builtin(files[_i]);
    uint8_t *b = malloc(der.len);
    unsigned rounds = getenv("TALLY_LONG") ? 200000 : 1000, parsed = 0, seed = 1;
    static const uint8_t tags[] = {0x30, 0x31, 2, 1, 0, 0xff, 0x80, 5, 4, 3, 0xa0, 0xa3, 6, 0x13};

    ck_assert_ptr_nonnull(b);
    ck_assert(compare(der, files[_i]));
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(b, der.at, der.len);
        for (int k = 1 + rand_r(&seed) % 3; k > 0; k--) {
            size_t at = (size_t)rand_r(&seed) % der.len;
            unsigned how = (unsigned)rand_r(&seed) % 3;
            if (how == 0) b[at] = (uint8_t)rand_r(&seed);
            if (how == 1) b[at] ^= (uint8_t)(1U << rand_r(&seed) % 8);
            if (how == 2) b[at] = tags[(size_t)rand_r(&seed) % sizeof tags];
        }
        parsed += compare(tally_slice_of(b, der.len), files[_i]);
    }
    ck_assert_uint_gt(parsed, rounds / 20); /* keys and signatures are most of the bytes */
    free(b);
}
END_TEST

START_TEST(an_algorithm_has_its_own_parameters)
{
    static const uint8_t ecdsa[] = {0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};
    static const uint8_t null[] = {0x30, 0x0c, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0};
    static const uint8_t rsa[] = {0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 1, 1, 0x0b, 5,    0};
    const struct tally_slice e = TALLY_SLICE(ecdsa), n = TALLY_SLICE(null), r = TALLY_SLICE(rsa);

    ck_assert_int_eq(tally_x509_alg_is(e, e, TALLY_ALG_ECDSA_SHA256), TALLY_OK);
    ck_assert_int_eq(tally_x509_alg_is(r, r, TALLY_ALG_RSA_SHA256), TALLY_OK);
    const struct tally_slice bad[][2] = {
        {n, n},
        {e, n},
        {n, e},
        {e, r},
        {r, e}
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_ne(tally_x509_alg_is(bad[i][0], bad[i][1], TALLY_ALG_ECDSA_SHA256), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_ALG);
    }
    ck_assert_int_ne(tally_x509_alg_is(e, e, TALLY_ALG_ECDSA_SHA384), TALLY_OK);
}
END_TEST

/* CA and path length, as the extension's value says them. */
START_TEST(a_path_length_is_a_cas_and_small)
{
    static const struct {
        uint8_t value[12];
        bool ca, leaf;
    } rows[] = {
        {{0x30, 6, 1, 1, 0xff, 2, 1, 0},    true,  false},
        {{0x30, 3, 1, 1, 0xff},             true,  false},
        {{0x30, 0},                         false, true },
        {{0x30, 3, 2, 1, 0},                false, false},
        {{0x30, 7, 1, 1, 0xff, 2, 2, 1, 0}, false, false},
        {{0x30, 6, 1, 1, 0xff, 2, 1, 0x80}, false, false},
        {{0x30, 6, 1, 1, 0xff, 4, 1, 0},    false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_x509 x = {.exts_n = 1};
        const struct tally_cert c = {.x509 = &x};
        x.exts[0].oid = TALLY_SLICE(tally_oid_basic_constraints);
        x.exts[0].value = tally_slice_of(rows[i].value, 2U + rows[i].value[1]);
        static const uint8_t usage[] = {3, 2, 0, 0x84};
        x.exts[x.exts_n++] = (struct tally_cert_ext){.oid = TALLY_SLICE(tally_oid_key_usage),
                                                     .value = TALLY_SLICE(usage)};
        ck_assert_int_eq(tally_cert_is_ca(&c, -1, TALLY_KU_CERT_SIGN) == TALLY_OK, rows[i].ca);
        ck_assert_int_eq(tally_cert_is_leaf(&c, TALLY_KU_SIGN) == TALLY_OK, rows[i].leaf);
    }
}
END_TEST

START_TEST(a_revocation_has_a_date)
{
    struct tally_slice der = tally_builtin("genoa_crl");
    static const char tag_len[] = {0x17, 13};
    uint8_t *b = malloc(der.len), *at = b;
    struct tally_crl l;

    ck_assert_ptr_nonnull(b);
    memcpy(b, der.at, der.len);
    for (int i = 0; i < 3; i++) { /* thisUpdate, nextUpdate, the first row's */
        at = memmem(at, der.len - (size_t)(at - b), tag_len, sizeof tag_len);
        ck_assert_ptr_nonnull(at);
        at += sizeof tag_len;
    }
    at[2] = '9';
    ck_assert_int_ne(tally_crl_parse(tally_slice_of(b, der.len), &l), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    free(b);
}
END_TEST

/* Each byte of the outer structure to every length that lies (ATTESTATION.md D.2, G6). */
START_TEST(lengths_that_lie_are_refused)
{
    static const uint8_t lies[] = {0, 1, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xfe, 0xff};
    struct tally_slice der = tally_builtin(files[_i]);
    uint8_t b[4096];

    memcpy(b, der.at, der.len);
    for (size_t at = 0; at < der.len; at += at < 64 || getenv("TALLY_LONG") ? 1 : 17) {
        for (size_t k = 0; k < sizeof lies + 2; k++) {
            b[at] = k < sizeof lies ? lies[k] : (uint8_t)(der.at[at] + (k == sizeof lies ? 1 : -1));
            bool parsed = compare(tally_slice_of(b, der.len), files[_i]);
            ck_assert(!parsed || at >= 4 || b[at] == der.at[at]);
        }
        b[at] = der.at[at];
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("x509");
    int n = (int)(sizeof files / sizeof files[0]);

    tcase_add_test(t, every_day_of_four_centuries_is_timegms);
    tcase_add_test(t, a_time_has_one_form);
    tcase_add_test(t, a_name_is_sets_of_pairs_in_order);
    tcase_add_test(t, extensions_are_read_as_they_stand);
    tcase_add_loop_test(t, what_parses_after_changes_has_one_spelling, 0, n);
    tcase_add_loop_test(t, lengths_that_lie_are_refused, 0, n);
    tcase_add_test(t, an_algorithm_has_its_own_parameters);
    tcase_add_test(t, a_path_length_is_a_cas_and_small);
    tcase_add_test(t, a_revocation_has_a_date);
    return tally_suite_run("common/x509", t);
}
