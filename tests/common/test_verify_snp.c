/* test_verify_snp.c - common/attest/verify_snp.c over every published report, and what becomes
 * of each when something in it or beside it is another (ATTESTATION.md D.2 and D.3). The forms
 * that take minutes run with TALLY_LONG=1, the benchmark with TALLY_BENCH=1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_snp.h"
#include "common/cert.h"
#include "common/text.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

/* Order of P-384, little-endian as a report holds r and s. */
static const uint8_t order[48] = {
    0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7, 0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58,
    0xdf, 0x2d, 0x37, 0xf4, 0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
enum { R_AT = 0x2a0, S_AT = 0x2e8 };

static struct tally_verdict verdict;

static enum tally_status verify(const struct snp_vector *v, struct tally_slice report,
                                const struct tally_snp_policy *policy, uint64_t at_s)
{
    struct tally_snp_policy integrity;
    uint32_t n;
    const struct tally_anchor *anchors = snp_vector_anchors(&n);
    const struct tally_snp_input in = {.report = report, .vek = v->vek, .issuer = v->issuer};
    const struct tally_expect expect = {.now_s = at_s};

    tally_snp_policy_integrity(&integrity);
    return tally_verify_snp(&in, anchors, n, policy ? policy : &integrity, &expect, &verdict);
}

/* The input with other bytes, from an exact-size copy. */
static enum tally_status verify_bytes(const struct snp_vector *v, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, len);
    enum tally_status s = verify(v, tally_slice_of(exact, len), NULL, v->at_s);
    free(exact);
    return s;
}

static const struct snp_vector *named(const char *name)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) == 0) return &v[i];
    }
    ck_abort_msg("no vector %s", name);
}

START_TEST(every_real_report_gets_its_expected_integrity_verdict)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);
    unsigned judged = 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].integrity, "trusted") != 0) continue;
        ck_assert_msg(verify(&v[i], v[i].report, NULL, v[i].at_s) == TALLY_OK, "%s: %s: %s",
                      v[i].name, tally_reason_name(tally_reason()), tally_why());
        ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_HARDWARE);
        ck_assert_uint_le(verdict.not_before_s, v[i].at_s);
        ck_assert_uint_ge(verdict.not_after_s, v[i].at_s);
        judged++;
    }
    ck_assert_uint_eq(judged, 22);
}
END_TEST

START_TEST(the_strict_policy_says_why_and_what_is_missing)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);
    struct tally_snp_policy strict;

    tally_snp_policy_strict(&strict);
    for (size_t i = 0; i < n; i++) {
        if (v[i].vek.at == NULL) continue;
        ck_assert_int_ne(verify(&v[i], v[i].report, &strict, v[i].at_s), TALLY_OK);
        ck_assert(snp_missing(&verdict, TALLY_R_E_CRL_MISSING) &&
                  snp_missing(&verdict, TALLY_R_E_REPORT_DATA) &&
                  snp_missing(&verdict, TALLY_R_E_MEASUREMENT));
        if (v[i].strict_fails != NULL)
            ck_assert_msg(snp_failed(&verdict, tally_reason_named(v[i].strict_fails)), "%s",
                          v[i].name);
        /* Version 2 names no model; Milan is no default; the newest Genoa and Turin lack nothing.
         */
        bool v2 = strstr(v[i].name, "_v2_") != NULL, milan = strstr(v[i].name, "milan") != NULL;
        ck_assert_int_eq(snp_failed(&verdict, TALLY_R_E_VERSION), v2);
        ck_assert_int_eq(snp_failed(&verdict, TALLY_R_E_PLATFORM_FLAG), v2);
        ck_assert(!milan || snp_failed(&verdict, TALLY_R_E_TCB_MIN));
        ck_assert_msg(v2 || milan || (verdict.failed_n == 0 && verdict.undecided), "%s: %s",
                      v[i].name, verdict.failed[0].why);
    }
}
END_TEST

START_TEST(a_strict_verdict_is_good_with_everything_to_compare)
{
    const struct snp_vector *v = named("genoa_v5_oak");
    struct tally_snp_policy strict;
    struct tally_snp_report r;
    uint32_t n;
    const struct tally_anchor *anchors = snp_vector_anchors(&n);
    struct tally_snp_input in = {.report = v->report, .vek = v->vek, .issuer = v->issuer};
    uint64_t in_crl;

    tally_snp_policy_strict(&strict);
    ck_assert_int_eq(tally_time_parse("2025-10-01T00:00:00Z", &in_crl), TALLY_OK);
    ck_assert_int_eq(tally_snp_report_decode(v->report, &r), TALLY_OK);
    in.crls[in.crls_n++] = snp_vector_file("roots/genoa_vcek_crl.der");
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES];
    tally_chip_digest("Genoa", TALLY_SLICE(r.chip_id), chip[0]);
    struct tally_expect e = {.now_s = in_crl,
                             .trust = TALLY_TRUST_HARDWARE,
                             .report_data = r.report_data,
                             .measurements = (const uint8_t(*)[48])r.measurement,
                             .measurements_n = 1,
                             .chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])chip,
                             .chips_n = 1};
    ck_assert_msg(tally_verify_snp(&in, anchors, n, &strict, &e, &verdict) == TALLY_OK, "%s",
                  tally_why());
    uint64_t until;
    ck_assert_int_eq(tally_time_parse("2025-11-03T01:00:00Z", &until), TALLY_OK);
    ck_assert_uint_eq(verdict.not_after_s, until); /* the CRL's nextUpdate bounds it */

    e.trust = TALLY_TRUST_TEST;
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &strict, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUST_CLASS);
    e.trust = TALLY_TRUST_HARDWARE;
    e.now_s = until + 1;
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &strict, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CRL_EXPIRED);
    in.crls[0] = snp_vector_file("roots/milan_vcek_crl.der");
    e.now_s = in_crl;
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &strict, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CRL_ISSUER);
}
END_TEST

START_TEST(a_flipped_bit_never_passes)
{
    const struct snp_vector *v = named("genoa_v3_ccf");
    unsigned step = getenv("TALLY_LONG") ? 1 : 37;
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    memcpy(b, v->report.at, sizeof b);
    for (unsigned bit = 0; bit < 8 * TALLY_SNP_SIGNED_BYTES; bit += step) {
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(verify_bytes(v, b, sizeof b) != TALLY_OK, "bit %u", bit);
        ck_assert(!verdict.authentic && verdict.failed_n > 0);
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (unsigned at = TALLY_SNP_SIGNED_BYTES; at < sizeof b; at += step) {
        b[at] ^= 0x10;
        ck_assert_msg(verify_bytes(v, b, sizeof b) != TALLY_OK, "byte %x", at);
        b[at] ^= 0x10;
    }
    ck_assert_int_eq(verify_bytes(v, b, sizeof b), TALLY_OK);
}
END_TEST

START_TEST(a_report_cut_short_or_lengthened_is_refused)
{
    const struct snp_vector *v = named("turin_v5_oak");
    static uint8_t b[TALLY_SNP_REPORT_BYTES + 65536];

    memcpy(b, v->report.at, TALLY_SNP_REPORT_BYTES);
    for (size_t len = 0; len < TALLY_SNP_REPORT_BYTES; len++) {
        ck_assert_int_ne(verify_bytes(v, b, len), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUNCATED);
    }
    ck_assert_int_ne(verify_bytes(v, b, TALLY_SNP_REPORT_BYTES + 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
}
END_TEST

/* order + add at the place of r or s. */
static void set_order(uint8_t *at, uint8_t add)
{
    memset(at, 0, 72);
    memcpy(at, order, 48);
    at[0] = (uint8_t)(at[0] + add);
}

START_TEST(r_and_s_out_of_range_are_refused)
{
    const struct snp_vector *v = named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    for (int k = 0; k < 8; k++) {
        memcpy(b, v->report.at, sizeof b);
        uint8_t *at = b + (k % 2 ? S_AT : R_AT);
        if (k / 2 == 0) memset(at, 0, 72);
        if (k / 2 == 1) set_order(at, 0);
        if (k / 2 == 2) set_order(at, 1);
        if (k / 2 == 3) memset(at, 0xff, 72);
        ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
    }
}
END_TEST

/* Why a signature's bytes are never an identity: there are two for every text. */
START_TEST(the_other_root_of_s_still_verifies)
{
    const struct snp_vector *v = named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];
    int borrow = 0;

    memcpy(b, v->report.at, sizeof b);
    for (int i = 0; i < 48; i++) {
        int d = order[i] - b[S_AT + i] - borrow;
        borrow = d < 0;
        b[S_AT + i] = (uint8_t)(d & 0xff);
    }
    ck_assert_int_eq(verify_bytes(v, b, sizeof b), TALLY_OK);
}
END_TEST

START_TEST(r_and_s_swapped_or_big_endian_are_refused)
{
    const struct snp_vector *v = named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    memcpy(b, v->report.at, sizeof b);
    memcpy(b + R_AT, v->report.at + S_AT, 72);
    memcpy(b + S_AT, v->report.at + R_AT, 72);
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);

    for (int i = 0; i < 72; i++) {
        b[R_AT + i] = v->report.at[R_AT + 71 - i];
        b[S_AT + i] = v->report.at[S_AT + 71 - i];
    }
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
}
END_TEST

START_TEST(of_all_pairs_only_reports_of_one_certificate_pass)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);
    unsigned passed = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (i == k || v[i].vek.at == NULL || v[k].vek.at == NULL) continue;
            enum tally_status s = verify(&v[k], v[i].report, NULL, v[k].at_s);
            bool same = tally_slice_equal(v[i].vek, v[k].vek);
            ck_assert_msg((s == TALLY_OK) == same, "%s with the certificate of %s", v[i].name,
                          v[k].name);
            passed += s == TALLY_OK;
        }
    }
    ck_assert_uint_eq(passed, 2); /* milan_v3_oak_oc_release and _staging, both ways */
}
END_TEST

START_TEST(dates_hold_to_the_second)
{
    const struct snp_vector *v = named("genoa_v3_ccf");
    struct tally_cert c;

    ck_assert_int_eq(tally_cert_parse(v->vek, &c), TALLY_OK);
    uint64_t from = c.not_before_s, until = c.not_after_s;
    tally_cert_free(&c);
    ck_assert_int_ne(verify(v, v->report, NULL, from - 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NOT_YET_VALID);
    ck_assert_int_eq(verify(v, v->report, NULL, from), TALLY_OK);
    ck_assert_int_eq(verify(v, v->report, NULL, from + 1), TALLY_OK);
    ck_assert_int_eq(verify(v, v->report, NULL, until - 1), TALLY_OK);
    ck_assert_int_eq(verify(v, v->report, NULL, until), TALLY_OK);
    ck_assert_uint_eq(verdict.not_before_s, from);
    ck_assert_uint_eq(verdict.not_after_s, until);
    ck_assert_int_ne(verify(v, v->report, NULL, until + 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXPIRED);
    ck_assert(verdict.not_before_s == from && verdict.not_after_s == until);
}
END_TEST

/* What is put in the certificates' places, and the name of the refusal. */
/* clang-format off */
static const struct {
    const char *vector, *vek, *issuer; /* NULL: the vector's own; "": none */
    enum tally_reason reason;
} swaps[] = {
    {"genoa_v3_ccf", NULL, "roots/milan_ask.der", TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", NULL, "roots/genoa_asvk.der", TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", NULL, "roots/genoa_ark.der", TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", NULL, "genoa_v3_ccf/vek.der", TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", "roots/genoa_ask.der", NULL, TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", "milan_v3_ccf/vek.der", NULL, TALLY_R_E_PRODUCT},
    {"genoa_v3_ccf", "milan_v3_vlek_aws_vmpl1/vek.der", NULL, TALLY_R_E_CERT_TYPE},
    {"milan_v3_vlek_aws_vmpl1", "milan_v3_ccf/vek.der", NULL, TALLY_R_E_CERT_TYPE},
    {"milan_v3_ccf", "extra_certs/milan_vcek_invalid_sig_hwid_octetstring.der", NULL,
     TALLY_R_E_SIGNATURE},
    {"milan_v3_ccf", "extra_certs/milan_vcek_invalid_sig_legacy_hwid_raw.der", NULL,
     TALLY_R_E_SIGNATURE},
    {"turin_v5_oak", "extra_certs/turin_vcek_virtee.der", NULL, TALLY_R_E_TCB_BINDING},
    {"genoa_v5_oak", "genoa_v2_oak_dice/vek.der", NULL, TALLY_R_E_TCB_BINDING},
    {"genoa_v3_ccf", "roots/genoa_vcek_crl.der", NULL, TALLY_R_E_CERT_PARSE},
};
/* clang-format on */

START_TEST(another_certificate_in_the_chain_is_refused_by_name)
{
    struct snp_vector v = *named(swaps[_i].vector);

    if (swaps[_i].vek != NULL) v.vek = snp_vector_file(swaps[_i].vek);
    if (swaps[_i].issuer != NULL) v.issuer = snp_vector_file(swaps[_i].issuer);
    ck_assert_int_ne(verify(&v, v.report, NULL, v.at_s), TALLY_OK);
    ck_assert_msg(tally_reason() == swaps[_i].reason, "%s", tally_why());
    ck_assert(!verdict.authentic);
}
END_TEST

START_TEST(a_root_or_certificate_that_is_absent_is_no_verdict)
{
    struct snp_vector v = *named("genoa_v3_ccf");
    struct tally_snp_policy integrity;
    struct tally_snp_input in = {.report = v.report, .vek = v.vek, .issuer = v.issuer};
    struct tally_expect e = {.now_s = v.at_s};
    uint32_t n;
    const struct tally_anchor *anchors = snp_vector_anchors(&n);

    tally_snp_policy_integrity(&integrity);
    ck_assert_int_eq(tally_verify_snp(&in, anchors, 1, &integrity, &e, &verdict),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    in.issuer.at = NULL;
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict),
                     TALLY_E_UNDECIDED);
    in.vek.at = NULL;
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict),
                     TALLY_E_UNDECIDED);
    ck_assert(verdict.undecided && !verdict.authentic);
}
END_TEST

START_TEST(appraisals_per_second)
{
    enum { RUNS = 2000 };
    const struct snp_vector *v = named("genoa_v5_oak");
    struct timespec a, b;

    if (getenv("TALLY_BENCH") == NULL) return;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < RUNS; i++) ck_assert_int_eq(verify(v, v->report, NULL, v->at_s), TALLY_OK);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    (void)fprintf(stderr, "%.0f appraisals per second, cold, one thread\n", RUNS / s);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_snp");

    tcase_add_test(t, every_real_report_gets_its_expected_integrity_verdict);
    tcase_add_test(t, the_strict_policy_says_why_and_what_is_missing);
    tcase_add_test(t, a_strict_verdict_is_good_with_everything_to_compare);
    tcase_add_test(t, a_flipped_bit_never_passes);
    tcase_add_test(t, a_report_cut_short_or_lengthened_is_refused);
    tcase_add_test(t, r_and_s_out_of_range_are_refused);
    tcase_add_test(t, the_other_root_of_s_still_verifies);
    tcase_add_test(t, r_and_s_swapped_or_big_endian_are_refused);
    tcase_add_test(t, of_all_pairs_only_reports_of_one_certificate_pass);
    tcase_add_test(t, dates_hold_to_the_second);
    tcase_add_loop_test(t, another_certificate_in_the_chain_is_refused_by_name, 0,
                        (int)(sizeof swaps / sizeof swaps[0]));
    tcase_add_test(t, a_root_or_certificate_that_is_absent_is_no_verdict);
    tcase_add_test(t, appraisals_per_second);
    return tally_suite_run("common/verify_snp", t);
}
