/* test_verify_snp.c - common/attest/verify_snp.c over every published report, each with every
 * certificate (ATTESTATION.md D.2, G7). The benchmark runs with TALLY_BENCH=1. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/cache.h"
#include "common/text.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static struct tally_verdict verdict;

START_TEST(every_real_report_gets_its_expected_integrity_verdict)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);
    unsigned judged = 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].integrity, "trusted") != 0) continue;
        ck_assert_msg(snp_vector_judge(&v[i], v[i].report, NULL, v[i].at_s, &verdict) == TALLY_OK,
                      "%s: %s: %s", v[i].name, tally_reason_name(tally_reason()), tally_why());
        ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_HARDWARE);
        ck_assert_uint_le(verdict.not_before_s, v[i].at_s);
        ck_assert_uint_ge(verdict.not_after_s, v[i].at_s);
        judged++;
    }
    ck_assert_uint_eq(judged, 22);
}
END_TEST

/* What the strict policy has against each report, all of it and in this order. */
/* clang-format off */
#define V2_MILAN "E_VERSION E_PRODUCT E_TCB_MIN E_PLATFORM_FLAG "
#define V2_PROVISIONAL "E_VERSION E_TCB_ORDER E_PRODUCT E_TCB_MIN E_PLATFORM_FLAG "
#define V3_MILAN "E_PRODUCT E_TCB_MIN "
static const struct {
    const char *name, *failed;
} strict_refusals[] = {
    {"milan_v2_google_debug", "E_VERSION E_PRODUCT E_TCB_MIN E_POLICY_DEBUG E_PLATFORM_FLAG "},
    {"milan_v2_virtee", V2_MILAN},
    {"milan_v2_azure_coco", V2_PROVISIONAL},
    {"milan_v2_azure_hcl", V2_PROVISIONAL},
    {"milan_v2_kms_ccf", V2_PROVISIONAL},
    {"milan_v2_oak_fcp", V2_MILAN},
    {"milan_v3_ccf", V3_MILAN},
    {"milan_v3_dstack", V3_MILAN},
    {"milan_v3_azure_v2", V3_MILAN},
    {"milan_v3_azure_v0", V3_MILAN},
    {"milan_v3_scitt_20250617", V3_MILAN},
    {"milan_v3_scitt_20250925", V3_MILAN},
    {"milan_v3_oak_oc_release", V3_MILAN},
    {"milan_v3_oak_oc_staging", V3_MILAN},
    {"milan_v3_oak_rk_staging", V3_MILAN},
    {"milan_v3_vlek_aws_vmpl1", "E_CERT_TYPE E_TCB_ORDER E_PRODUCT E_TCB_MIN E_VMPL "},
    {"genoa_v2_oak_dice", "E_VERSION E_TCB_MIN E_PLATFORM_FLAG "},
    {"genoa_v3_ccf", ""},
    {"genoa_v3_veraison", ""},
    {"genoa_v3_azure_openpcc", ""},
    {"genoa_v5_oak", ""},
    {"turin_v5_oak", ""},
};
/* clang-format on */

START_TEST(the_strict_policy_says_why_and_what_is_missing)
{
    const struct snp_vector *v = snp_vector_named(strict_refusals[_i].name);
    const char *want = strict_refusals[_i].failed;
    struct tally_snp_policy strict;

    tally_snp_policy_strict(&strict);
    ck_assert_int_eq(snp_vector_judge(v, v->report, &strict, v->at_s, &verdict),
                     *want == '\0' ? TALLY_E_UNDECIDED : TALLY_E_UNTRUSTED);
    ck_assert_str_eq(snp_reasons(verdict.failed, verdict.failed_n), want);
    ck_assert_str_eq(snp_reasons(verdict.missing, verdict.missing_n),
                     "E_CRL_MISSING E_TRUST_CLASS E_REPORT_DATA E_MEASUREMENT E_CHIP ");
    ck_assert(verdict.authentic && verdict.undecided == (*want == '\0'));
    if (v->strict_fails != NULL) ck_assert_ptr_nonnull(strstr(want, v->strict_fails));
}
END_TEST

START_TEST(every_report_with_a_certificate_has_its_row)
{
    size_t n, rows = sizeof strict_refusals / sizeof strict_refusals[0];
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < rows && strcmp(strict_refusals[k].name, v[i].name) != 0) k++;
        ck_assert_msg((k < rows) == (v[i].vek.at != NULL), "%s", v[i].name);
    }
}
END_TEST

/* Reports whose certificate nobody published: their structure is sound, and no certificate of
 * another chip makes them authentic. */
START_TEST(a_report_without_its_certificate_is_undecided)
{
    size_t n, seen = 0;
    const struct snp_vector *v = snp_vectors(&n), *other = snp_vector_named("milan_v3_ccf");

    for (size_t i = 0; i < n; i++) {
        if (v[i].vek.at != NULL) continue;
        ck_assert_int_eq(snp_vector_judge(&v[i], v[i].report, NULL, other->at_s, &verdict),
                         TALLY_E_UNDECIDED);
        ck_assert_str_eq(snp_reasons(verdict.missing, verdict.missing_n), "E_CERT_SHAPE ");
        ck_assert_int_ne(snp_vector_judge(other, v[i].report, NULL, other->at_s, &verdict),
                         TALLY_OK);
        ck_assert_str_eq(snp_reasons(verdict.failed, verdict.failed_n),
                         "E_TCB_BINDING E_CHIP_BINDING E_SIGNATURE ");
        ck_assert(!verdict.authentic && verdict.claims_n == 0);
        seen++;
    }
    ck_assert_uint_eq(seen, 4);
}
END_TEST

START_TEST(a_strict_verdict_is_good_with_everything_to_compare)
{
    const struct snp_vector *v = snp_vector_named("genoa_v5_oak");
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

/* What a certificate of another machine can be refused for first. */
static bool is_swap(enum tally_reason r)
{
    return r == TALLY_R_E_PRODUCT || r == TALLY_R_E_CERT_TYPE || r == TALLY_R_E_TCB_BINDING ||
           r == TALLY_R_E_CHIP_BINDING || r == TALLY_R_E_CERT_NOT_YET_VALID ||
           r == TALLY_R_E_CERT_EXPIRED;
}

START_TEST(of_all_pairs_only_reports_of_one_certificate_pass)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);
    unsigned passed = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (i == k || v[i].vek.at == NULL || v[k].vek.at == NULL) continue;
            enum tally_status s = snp_vector_judge(&v[k], v[i].report, NULL, v[k].at_s, &verdict);
            bool same = tally_slice_equal(v[i].vek, v[k].vek);
            ck_assert_msg((s == TALLY_OK) == same, "%s with the certificate of %s", v[i].name,
                          v[k].name);
            ck_assert_msg(same || is_swap(verdict.failed[0].reason), "%s with that of %s: %s",
                          v[i].name, v[k].name, tally_why());
            ck_assert(verdict.authentic == same);
            passed += s == TALLY_OK;
        }
    }
    ck_assert_uint_eq(passed, 2); /* milan_v3_oak_oc_release and _staging, both ways */
}
END_TEST

/* ---- TALLY_BENCH=1: how many a second, beside the signatures that cannot be avoided ---- */

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct bench {
    struct tally_snp_input in;
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    struct tally_snp_policy policy;
    struct tally_expect expect;
    EVP_PKEY_CTX *primitive; /* of a key that made sig over digest */
    uint8_t digest[48], sig[512];
    size_t sig_len;
};

static void appraise(struct bench *b)
{
    ck_assert_int_eq(
        tally_verify_snp(&b->in, b->anchors, b->anchors_n, &b->policy, &b->expect, &verdict),
        TALLY_OK);
}

static void primitive(struct bench *b)
{
    ck_assert_int_eq(EVP_PKEY_verify(b->primitive, b->sig, b->sig_len, b->digest, 48), 1);
}

/* As `openssl speed` measures it: one context, the signature alone. */
static void prepare(struct bench *b, EVP_PKEY *key)
{
    EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new(key, NULL);

    memset(b->digest, 0xa5, sizeof b->digest);
    b->sig_len = sizeof b->sig;
    b->primitive = EVP_PKEY_CTX_new(key, NULL);
    ck_assert(EVP_PKEY_sign_init(sign) == 1 &&
              EVP_PKEY_sign(sign, b->sig, &b->sig_len, b->digest, 48) == 1 &&
              EVP_PKEY_verify_init(b->primitive) == 1);
    EVP_PKEY_CTX_free(sign);
    EVP_PKEY_free(key);
}

/* Microseconds of one call: the best of five rounds of a fifth of a second. */
static double time_of(void (*what)(struct bench *), struct bench *b)
{
    double best = 1e9;

    for (int round = 0; round < 5; round++) {
        double from = seconds(), now = from;
        unsigned n = 0;
        for (; now - from < 0.2; now = seconds()) {
            for (int i = 0; i < 16; i++, n++) what(b);
        }
        if ((now - from) / n < best) best = (now - from) / n;
    }
    return 1e6 * best;
}

static void bench_one(const char *name, const char *crl, const char *at, double p384, double rsa)
{
    const struct snp_vector *v = snp_vector_named(name);
    struct bench b = {
        .in = {.report = v->report, .vek = v->vek, .issuer = v->issuer}
    };

    b.anchors = snp_vector_anchors(&b.anchors_n);
    tally_snp_policy_integrity(&b.policy);
    ck_assert_int_eq(tally_time_parse(at, &b.expect.now_s), TALLY_OK);
    if (crl != NULL) b.in.crls[b.in.crls_n++] = snp_vector_file(crl);
    double cold = time_of(appraise, &b);
    ck_assert_int_eq(tally_attest_cache_new(&b.expect.cache), TALLY_OK);
    double warm = time_of(appraise, &b);
    double least = p384 + (crl != NULL ? 3 : 2) * rsa;
    (void)fprintf(stderr,
                  "%s%s: cold %.0f a second, %.2f x (1 P-384 + %d RSA-4096); warm %.0f a second, "
                  "%.2f x 1 P-384\n",
                  name, crl != NULL ? " and CRL" : "", 1e6 / cold, cold / least,
                  crl != NULL ? 3 : 2, 1e6 / warm, warm / p384);
    tally_attest_cache_destroy(&b.expect.cache);
}

START_TEST(appraisals_per_second)
{
    struct bench b = {.sig_len = 0};

    if (getenv("TALLY_BENCH") == NULL) return;
    prepare(&b, EVP_EC_gen("P-384"));
    double p384 = time_of(primitive, &b);
    EVP_PKEY_CTX_free(b.primitive);
    prepare(&b, EVP_RSA_gen(4096));
    double rsa = time_of(primitive, &b);
    EVP_PKEY_CTX_free(b.primitive);
    (void)fprintf(stderr, "ecdsap384 %.0f verify/s, rsa4096 %.0f verify/s, one thread\n",
                  1e6 / p384, 1e6 / rsa);
    bench_one("genoa_v5_oak", NULL, "2026-07-01T00:00:00Z", p384, rsa);
    bench_one("genoa_v5_oak", "roots/genoa_vcek_crl.der", "2025-10-01T00:00:00Z", p384, rsa);
    bench_one("milan_v3_vlek_aws_vmpl1", NULL, "2024-12-28T00:00:00Z", p384, rsa);
    bench_one("turin_v5_oak", NULL, "2026-07-01T00:00:00Z", p384, rsa);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_snp");

    tcase_add_test(t, every_real_report_gets_its_expected_integrity_verdict);
    tcase_add_loop_test(t, the_strict_policy_says_why_and_what_is_missing, 0,
                        (int)(sizeof strict_refusals / sizeof strict_refusals[0]));
    tcase_add_test(t, every_report_with_a_certificate_has_its_row);
    tcase_add_test(t, a_report_without_its_certificate_is_undecided);
    tcase_add_test(t, a_strict_verdict_is_good_with_everything_to_compare);
    tcase_add_test(t, of_all_pairs_only_reports_of_one_certificate_pass);
    tcase_add_test(t, appraisals_per_second);
    return tally_suite_run("common/verify_snp", t);
}
