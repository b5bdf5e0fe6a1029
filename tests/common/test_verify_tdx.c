/* test_verify_tdx.c - common/attest/verify_tdx.c over every published quote and bundle of
 * collateral. The benchmark runs with TALLY_BENCH=1. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/cache.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_case.h"
#include "tests/lib/vectors.h"

static struct tdx_case c;

static void same_word(const char *name, const char *have, const char *want)
{
    ck_assert_msg((have == NULL) == (want == NULL) && (have == NULL || strcmp(have, want) == 0),
                  "%s: %s, not %s", name, have == NULL ? "-" : have, want == NULL ? "-" : want);
}

static void check_advisories(const struct tdx_result *r)
{
    size_t n = 0;

    for (uint32_t i = 0; i < c.v.claims_n; i++) {
        const struct tally_claim *k = &c.v.claims[i];
        if (strcmp(k->name, "advisory") != 0) continue;
        bool listed = false;
        for (size_t a = 0; a < json_array_size(r->advisories); a++) {
            const char *want = json_string_value(json_array_get(r->advisories, a));
            listed =
                listed || tally_slice_equal(tally_slice_of(k->text, k->len), tally_slice_str(want));
        }
        ck_assert(listed);
        n++;
    }
    ck_assert_uint_eq(n, json_array_size(r->advisories));
}

static void check_words(const struct tdx_result *r)
{
    const struct tally_claim *date = tdx_case_claim(&c, "tcb_date");
    const struct tally_claim *svn2 = tdx_case_claim(&c, "svn2_status");

    same_word(c.row->name, c.v.tcb.status, r->final);
    same_word(c.row->name, c.v.tcb.platform, r->platform);
    same_word(c.row->name, c.v.tcb.module, r->module);
    same_word(c.row->name, c.v.tcb.qe, r->qe);
    ck_assert((date != NULL) == (r->tcb_date != NULL));
    if (date != NULL)
        ck_assert(
            tally_slice_equal(tally_slice_of(date->text, date->len), tally_slice_str(r->tcb_date)));
    ck_assert((svn2 != NULL) == (r->svn2 != NULL));
    if (svn2 != NULL)
        ck_assert(
            tally_slice_equal(tally_slice_of(svn2->text, svn2->len), tally_slice_str(r->svn2)));
    check_advisories(r);
}

START_TEST(every_published_quote_gets_its_expected_verdict_and_words)
{
    size_t n, pairs = 0;
    const struct tdx_row *rows = tdx_rows(&n);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < rows[i].results_n; k++, pairs++) {
            const struct tdx_result *r = &rows[i].results[k];
            tdx_case_init(&c, rows[i].name, k, false);
            tdx_case_must(&c, r->pck_in_window ? TALLY_R_NONE : TALLY_R_E_CERT_NOT_YET_VALID);
            ck_assert_uint_eq(c.v.failed_n, r->pck_in_window ? 0 : 1);
            ck_assert(c.v.authentic && c.v.trust == TALLY_TRUST_HARDWARE);
            ck_assert_str_eq(c.v.product, "tdx");
            ck_assert_mem_eq(c.v.measurement, c.quote.mrtd, sizeof c.v.measurement);
            if (r->pck_in_window) {
                ck_assert_uint_eq(c.v.not_before_s, r->from_s);
                ck_assert_uint_eq(c.v.not_after_s, r->until_s);
            }
            check_words(r);
        }
    }
    ck_assert_uint_eq(pairs, 19);
}
END_TEST

/* What strict says first of each pair that it does not trust, and all that it says. */
static const struct {
    const char *name;
    enum tally_reason first, others[3];
} stricts[] = {
    {"spr_v4_google_e4",
     TALLY_R_E_COLLATERAL_ROLLBACK,                           {TALLY_R_E_COLLATERAL_ROLLBACK, TALLY_R_E_TCB_NOT_SUPPORTED, TALLY_R_E_POLICY_FLAG}},
    {"emr_v5_outdated",         TALLY_R_E_TCB_NOT_SUPPORTED,  {0}                                                                                },
    {"emr_v4_tappd",            TALLY_R_E_TCB_NOT_SUPPORTED,  {0}                                                                                },
    {"spr_v4_debug_coco",
     TALLY_R_E_COLLATERAL_ROLLBACK,                           {TALLY_R_E_COLLATERAL_ROLLBACK, TALLY_R_E_POLICY_DEBUG}                            },
    {"emr_v5_servtd_coco",      TALLY_R_E_TCB_NOT_SUPPORTED,  {TALLY_R_E_POLICY_MIGRATION}                                                       },
    {"spr_v4_azure_coco",       TALLY_R_E_TCB_STATUS,         {TALLY_R_E_POLICY_FLAG}                                                            },
    {"spr_v4_automata",         TALLY_R_E_TCB_STATUS,         {0}                                                                                },
    {"emr_v4_automata",         TALLY_R_E_TCB_NOT_SUPPORTED,  {TALLY_R_E_POLICY_FLAG}                                                            },
    {"emr_v4_dstack_simulator", TALLY_R_E_CERT_NOT_YET_VALID, {0}                                                                                },
    {"emr_v4_dstack_lite",      TALLY_R_E_CERT_NOT_YET_VALID, {0}                                                                                },
};

START_TEST(strict_trusts_what_is_up_to_date_and_says_why_of_the_rest)
{
    size_t n, trusted = 0;
    const struct tdx_row *rows = tdx_rows(&n);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < rows[i].results_n; k++) {
            size_t s = 0, failed = 0;
            while (s < sizeof stricts / sizeof stricts[0] &&
                   strcmp(stricts[s].name, rows[i].name) != 0)
                s++;
            tdx_case_init(&c, rows[i].name, k, true);
            if (s == sizeof stricts / sizeof stricts[0]) {
                tdx_case_must(&c, TALLY_R_NONE);
                trusted++;
                continue;
            }
            tdx_case_must(&c, stricts[s].first);
            for (failed = 0; failed < 3 && stricts[s].others[failed] != 0; failed++)
                ck_assert_msg(c.v.failed[failed + 1].reason == stricts[s].others[failed], "%s",
                              rows[i].name);
            ck_assert_uint_eq(c.v.failed_n, failed + 1);
            ck_assert_uint_eq(c.v.missing_n, 0);
            same_word(rows[i].name, c.v.tcb.status, rows[i].results[k].final);
        }
    }
    ck_assert_uint_eq(trusted, 7);
}
END_TEST

START_TEST(collateral_of_another_platform_family_is_a_mismatch)
{
    size_t n, bundles_n, matches = 0, mismatches = 0;
    const struct tdx_row *rows = tdx_rows(&n);
    const struct tdx_bundle *bundles = tdx_bundles(&bundles_n);

    for (size_t i = 0; i < n; i++) {
        for (size_t b = 0; b < bundles_n && rows[i].results_n > 0; b++) {
            tdx_case_init(&c, rows[i].name, 0, false);
            bool own = memcmp(bundles[b].fmspc, rows[i].results[0].bundle->fmspc, 6) == 0;
            c.in.collateral = bundles[b].collateral;
            enum tally_status s = tdx_case_judge(&c);
            ck_assert_msg(tdx_failed(&c.v, TALLY_R_E_COLLATERAL_MISMATCH) == !own, "%s with %s",
                          rows[i].name, bundles[b].name);
            ck_assert(c.v.authentic);
            ck_assert(own || (s != TALLY_OK && c.v.tcb.status == NULL));
            matches += own;
            mismatches += !own;
        }
    }
    ck_assert_uint_eq(matches, 19);
    ck_assert_uint_eq(mismatches, 15 * 7 - 19);
}
END_TEST

START_TEST(an_sgx_quote_is_no_td)
{
    tdx_case_init(&c, "spr_v4_oak", 0, false);
    c.in.quote = tdx_row_named("sgx_v3_phala")->quote;
    tdx_case_must(&c, TALLY_R_E_TEE_TYPE);
    ck_assert(!c.v.authentic && c.v.claims_n == 0);
}
END_TEST

START_TEST(a_quote_alone_is_enough_for_integrity_and_undecided_for_strict)
{
    tdx_case_init(&c, "spr_v4_oak", 0, false);
    c.in.collateral = (struct tally_tdx_collateral){0};
    tdx_case_must(&c, TALLY_R_NONE);
    ck_assert(c.v.tcb.status == NULL && c.v.tcb.platform == NULL && c.v.not_after_s != 0);
    tally_tdx_policy_strict(&c.policy);
    ck_assert_int_eq(tdx_case_judge(&c), TALLY_E_UNDECIDED);
    ck_assert(c.v.undecided && c.v.failed_n == 0 && c.v.authentic);
    ck_assert_uint_eq(c.v.missing_n, 3);
    ck_assert_int_eq(c.v.missing[0].reason, TALLY_R_E_COLLATERAL_MISSING);
    ck_assert_int_eq(c.v.missing[1].reason, TALLY_R_E_CRL_MISSING);
    ck_assert_int_eq(c.v.missing[2].reason, TALLY_R_E_CRL_MISSING);
}
END_TEST

START_TEST(each_missing_part_leaves_strict_undecided)
{
    tdx_case_init(&c, "spr_v4_oak", 0, true);
    struct tally_slice *const parts[] = {
        &c.in.collateral.tcb_info,       &c.in.collateral.tcb_info_sig,
        &c.in.collateral.qe_identity,    &c.in.collateral.qe_identity_sig,
        &c.in.collateral.tcb_sign_chain, &c.in.collateral.root_crl,
        &c.in.collateral.pck_crl};

    for (size_t i = 0; i < 7; i++) {
        struct tally_slice was = *parts[i];
        enum tally_reason r = i < 5 ? TALLY_R_E_COLLATERAL_MISSING : TALLY_R_E_CRL_MISSING;
        *parts[i] = (struct tally_slice){0};
        tally_tdx_policy_strict(&c.policy);
        ck_assert_int_eq(tdx_case_judge(&c), TALLY_E_UNDECIDED);
        ck_assert_uint_eq(c.v.missing_n, 1);
        ck_assert_int_eq(c.v.missing[0].reason, r);
        ck_assert((c.v.tcb.status == NULL) == (i < 5));
        /* What is there in part cannot be judged by anyone; a list alone may be left out. */
        tally_tdx_policy_integrity(&c.policy);
        ck_assert_int_eq(tdx_case_judge(&c), i < 5 ? TALLY_E_UNDECIDED : TALLY_OK);
        tally_tdx_policy_strict(&c.policy);
        c.policy.allow_missing_crl = true;
        ck_assert_int_eq(tdx_case_judge(&c), i < 5 ? TALLY_E_UNDECIDED : TALLY_OK);
        *parts[i] = was;
    }
}
END_TEST

static double since_us(const struct timespec *a, int runs)
{
    struct timespec b;

    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    return ((double)(b.tv_sec - a->tv_sec) * 1e6 + 1e-3 * (double)(b.tv_nsec - a->tv_nsec)) / runs;
}

static double appraisals_us(int runs)
{
    struct timespec a;

    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < runs; i++) ck_assert_int_eq(tdx_case_judge(&c), TALLY_OK);
    return since_us(&a, runs);
}

/* One verification by OpenSSL alone, as `openssl speed ecdsap256` has it. */
static double verification_us(int runs)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t digest[32] = {1}, sig[80];
    size_t len = sizeof sig;
    struct timespec a;

    ck_assert(EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, sig, &len, digest, 32) == 1);
    ck_assert_int_eq(EVP_PKEY_verify_init(ctx), 1);
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < runs; i++) ck_assert_int_eq(EVP_PKEY_verify(ctx, sig, len, digest, 32), 1);
    double us = since_us(&a, runs);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return us;
}

START_TEST(appraisals_per_second)
{
    enum { RUNS = 5000 };
    struct tally_attest_cache *cache = NULL;

    if (getenv("TALLY_BENCH") == NULL) return;
    tdx_case_init(&c, "spr_v4_gcp_cos113", 0, true);
    double one = verification_us(RUNS), cold = appraisals_us(RUNS);
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    c.expect.cache = cache;
    double warm = appraisals_us(RUNS);
    tally_attest_cache_destroy(&cache);
    (void)fprintf(stderr,
                  "a P-256 verification %.1f us; cold %.0f us, %.0f a second, %.2f of 9; "
                  "warm %.0f us, %.0f a second, %.2f of 2\n",
                  one, cold, 1e6 / cold, cold / (9 * one), warm, 1e6 / warm, warm / (2 * one));
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_tdx");

    tcase_add_test(t, every_published_quote_gets_its_expected_verdict_and_words);
    tcase_add_test(t, strict_trusts_what_is_up_to_date_and_says_why_of_the_rest);
    tcase_add_test(t, collateral_of_another_platform_family_is_a_mismatch);
    tcase_add_test(t, an_sgx_quote_is_no_td);
    tcase_add_test(t, a_quote_alone_is_enough_for_integrity_and_undecided_for_strict);
    tcase_add_test(t, each_missing_part_leaves_strict_undecided);
    tcase_add_test(t, appraisals_per_second);
    return tally_suite_run("common/verify_tdx", t);
}
