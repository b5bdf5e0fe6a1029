/* test_verify_tdx_collateral.c - common/attest/verify_tdx.c where the collateral is another, late,
 * early or tampered with (ATTESTATION.md D.4), and what the cache may and may not do about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/tdx_chain.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_case.h"
#include "tests/lib/vectors.h"

static struct tdx_case c;
static const char base[] = "spr_v4_oak";

static struct tally_slice changed(struct tally_slice s, size_t at, uint8_t x)
{
    struct tally_slice copy = tdx_copy(s);
    uint8_t *bytes = malloc(s.len);

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, copy.at, s.len);
    bytes[at] ^= x;
    struct tally_slice out = tdx_copy(tally_slice_of(bytes, s.len));
    free(bytes);
    return out;
}

START_TEST(a_changed_byte_of_tcb_info_or_identity_is_refused)
{
    for (int k = 0; k < 2; k++) {
        tdx_case_init(&c, base, 0, false);
        struct tally_slice *part =
            k == 0 ? &c.in.collateral.tcb_info : &c.in.collateral.qe_identity;
        struct tally_slice was = *part;
        for (size_t at = 0; at < was.len; at += k == 0 ? 61 : 7) {
            *part = changed(was, at, 1);
            tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
            ck_assert(!c.v.authentic && c.v.tcb.status == NULL);
        }
        *part = tally_slice_of(was.at, was.len - 1);
        tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
    }
}
END_TEST

START_TEST(the_same_json_in_other_bytes_is_refused)
{
    static char text[16384];
    tdx_case_init(&c, base, 0, false);
    struct tally_slice was = c.in.collateral.tcb_info;

    int n = snprintf(text, sizeof text, "{ %.*s", (int)was.len - 1, (const char *)was.at + 1);
    c.in.collateral.tcb_info = tally_slice_of(text, (size_t)n);
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
    c.in.collateral.tcb_info = was;
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

START_TEST(a_signature_of_the_other_object_is_refused)
{
    tdx_case_init(&c, base, 0, false);
    struct tally_slice tcb = c.in.collateral.tcb_info_sig;

    c.in.collateral.tcb_info_sig = c.in.collateral.qe_identity_sig;
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
    c.in.collateral.tcb_info_sig = tcb;
    c.in.collateral.qe_identity_sig = tcb;
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
}
END_TEST

/* An identity that nobody signed (CVE-2026-22696): whatever it says, it is not believed. */
START_TEST(an_identity_without_a_good_signature_is_refused)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000"
                                "0000000000000000000000000000000000000000000000000000000000000000";
    tdx_case_init(&c, base, 0, false);
    struct tally_slice was = c.in.collateral.qe_identity_sig;

    c.in.collateral.qe_identity_sig = tally_slice_str(zeros);
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
    c.in.collateral.qe_identity_sig = tally_slice_of(was.at, was.len - 1);
    tdx_case_must(&c, TALLY_R_E_FORMAT);
    c.in.collateral.qe_identity_sig = changed(was, 5, 0x40); /* '0'..'9' to 'p'.. */
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    ck_assert(!c.v.authentic);
}
END_TEST

START_TEST(hex_digits_of_either_case_are_the_same)
{
    char upper[TALLY_TDX_SIG_HEX];

    tdx_case_init(&c, base, 0, false);
    for (size_t i = 0; i < sizeof upper; i++) {
        char d = (char)c.in.collateral.tcb_info_sig.at[i];
        upper[i] = d >= 'a' && d <= 'f' ? (char)(d - 'a' + 'A') : d;
    }
    c.in.collateral.tcb_info_sig = tally_slice_of(upper, sizeof upper);
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

START_TEST(collateral_for_sgx_is_a_mismatch)
{
    tdx_case_init(&c, base, 0, false);
    c.in.collateral.tcb_info = tdx_file("extra/sgx_collateral_2025-06/tcb_info.json");
    c.in.collateral.tcb_info_sig = tdx_file("extra/sgx_collateral_2025-06/tcb_info.sig.hex");
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_MISMATCH);
    tdx_case_init(&c, base, 0, false);
    c.in.collateral.qe_identity = tdx_file("extra/sgx_collateral_2025-06/qe_identity.json");
    c.in.collateral.qe_identity_sig = tdx_file("extra/sgx_collateral_2025-06/qe_identity.sig.hex");
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_MISMATCH);
}
END_TEST

START_TEST(a_signing_chain_of_another_make_is_refused)
{
    static const struct {
        const char *file;
        enum tally_reason reason;
    } rows[] = {
        {"extra/intel_qvl_sample_testroot/tcbSignChain.pem",      TALLY_R_E_ROOT_UNTRUSTED},
        {"extra/sgx_collateral_2025-06/pck_crl_issuer_chain.pem", TALLY_R_E_CERT_SHAPE    },
        {"roots/intel_sgx_root_ca.pem",                           TALLY_R_E_CERT_SHAPE    },
    };

    for (size_t i = 0; i < 3; i++) {
        tdx_case_init(&c, base, 0, false);
        c.in.collateral.tcb_sign_chain = tdx_file(rows[i].file);
        tdx_case_must(&c, rows[i].reason);
    }
    tdx_case_init(&c, base, 0, false);
    c.in.collateral.tcb_sign_chain = c.quote.pck_pem;
    tdx_case_must(&c, TALLY_R_E_CERT_SHAPE);
}
END_TEST

START_TEST(a_revocation_list_of_another_is_refused)
{
    tdx_case_init(&c, base, 0, false);
    struct tally_slice root = c.in.collateral.root_crl, pck = c.in.collateral.pck_crl;

    c.in.collateral.pck_crl = root;
    tdx_case_must(&c, TALLY_R_E_CRL_ISSUER);
    c.in.collateral.pck_crl = tdx_file("extra/sgx_collateral_2025-06/pck_crl.der");
    tdx_case_must(&c, TALLY_R_E_CRL_ISSUER); /* the Processor CA's */
    c.in.collateral.pck_crl = pck;
    c.in.collateral.root_crl = pck;
    tdx_case_must(&c, TALLY_R_E_CRL_ISSUER);
    c.in.collateral.root_crl = tdx_file("extra/intel_qvl_sample_testroot/rootCaCrl.der");
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
}
END_TEST

START_TEST(a_changed_byte_of_a_list_or_chain_never_passes)
{
    tdx_case_init(&c, base, 0, false);
    struct tally_slice *const parts[] = {&c.in.collateral.root_crl, &c.in.collateral.pck_crl,
                                         &c.in.collateral.tcb_sign_chain};

    for (size_t i = 0; i < 3; i++) {
        struct tally_slice was = *parts[i];
        for (size_t at = 0; at < was.len; at += 17) {
            *parts[i] = changed(was, at, (uint8_t)(1U << at % 8));
            ck_assert_msg(tdx_case_judge(&c) != TALLY_OK, "part %zu byte %zu", i, at);
            *parts[i] = tally_slice_of(was.at, at);
            ck_assert_msg(tdx_case_judge(&c) != TALLY_OK, "part %zu of %zu bytes", i, at);
        }
        *parts[i] = was;
    }
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

/* Each validity that a verdict depends on, by the words of its refusal. */
struct validity {
    uint64_t from, until;
    enum tally_reason early, late;
    const char *words;
};

static void check_edges(const struct validity *k)
{
    const struct {
        uint64_t now;
        bool early, late;
    } times[] = {
        {k->from - 1,  true,  false},
        {k->from,      false, false},
        {k->from + 1,  false, false},
        {k->until - 1, false, false},
        {k->until,     false, false},
        {k->until + 1, false, true },
    };

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        c.expect.now_s = times[i].now;
        enum tally_status s = tdx_case_judge(&c);
        bool early = tdx_case_says(&c, k->early, k->words) && times[i].now < k->from;
        bool late = tdx_case_says(&c, k->late, k->words) && times[i].now > k->until;
        ck_assert_msg(early == times[i].early && late == times[i].late, "%s, time %zu", k->words,
                      i);
        ck_assert((s == TALLY_OK) == (c.v.failed_n == 0));
        ck_assert((s != TALLY_OK) ||
                  (times[i].now >= c.v.not_before_s && times[i].now <= c.v.not_after_s));
    }
}

START_TEST(every_date_holds_to_the_second)
{
    struct tally_tdx_chain *chain = NULL;
    struct tally_tdx_endorsed *e = NULL;
    const enum tally_reason early = TALLY_R_E_CERT_NOT_YET_VALID, late = TALLY_R_E_CERT_EXPIRED;
    const enum tally_reason crl = TALLY_R_E_CRL_EXPIRED;

    tdx_case_init(&c, base, 0, false);
    ck_assert_int_eq(tally_tdx_chain_read(c.quote.pck_pem, &chain), TALLY_OK);
    ck_assert_int_eq(tally_tdx_endorsed_verify(&c.in.collateral, chain, &e), TALLY_OK);
    const struct tally_cert *certs = chain->certs;
    const struct validity all[] = {
        {certs[0].not_before_s,     certs[0].not_after_s,      early,                       late,                         "the PCK certificate"        },
        {certs[1].not_before_s,     certs[1].not_after_s,      early,                       late,                         "the PCK CA certificate"     },
        {certs[2].not_before_s,     certs[2].not_after_s,      early,                       late,                         "the root certificate"       },
        {e->signer.not_before_s,    e->signer.not_after_s,     early,                       late,                         "the TCB signing certificate"},
        {e->root_crl.this_update_s, e->root_crl.next_update_s, crl,                         crl,                          "the root's"                 },
        {e->pck_crl.this_update_s,  e->pck_crl.next_update_s,  crl,                         crl,                          "the PCK's CA's"             },
        {e->info.issue_s,           e->info.next_s,            TALLY_R_E_COLLATERAL_FUTURE, TALLY_R_E_COLLATERAL_EXPIRED,
         "the TCB info"                                                                                                                                },
        {e->qe.issue_s,             e->qe.next_s,              TALLY_R_E_COLLATERAL_FUTURE, TALLY_R_E_COLLATERAL_EXPIRED,
         "the QE identity"                                                                                                                             },
    };
    uint64_t from = 0, until = UINT64_MAX;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        check_edges(&all[i]);
        if (all[i].from > from) from = all[i].from;
        if (all[i].until < until) until = all[i].until;
    }
    ck_assert(c.v.not_before_s == from && c.v.not_after_s == until);
    for (int strict = 0; strict < 2; strict++) {
        if (strict) tally_tdx_policy_strict(&c.policy);
        c.expect.now_s = from;
        tdx_case_must(&c, TALLY_R_NONE);
        c.expect.now_s = until;
        tdx_case_must(&c, TALLY_R_NONE);
        c.expect.now_s = from - 1;
        ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
        c.expect.now_s = until + 1;
        ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    }
    tally_tdx_chain_free(chain);
    tally_tdx_endorsed_free(e);
}
END_TEST

static bool same_verdict(const struct tally_verdict *a, const struct tally_verdict *b)
{
    bool same = a->failed_n == b->failed_n && a->missing_n == b->missing_n &&
                a->claims_n == b->claims_n && a->not_before_s == b->not_before_s &&
                a->not_after_s == b->not_after_s && a->trust == b->trust &&
                a->authentic == b->authentic && a->tcb.status == b->tcb.status &&
                a->tcb.platform == b->tcb.platform && a->tcb.module == b->tcb.module &&
                a->tcb.qe == b->tcb.qe && memcmp(a->chip, b->chip, sizeof a->chip) == 0;

    for (uint32_t i = 0; same && i < a->failed_n; i++)
        same = a->failed[i].reason == b->failed[i].reason;
    for (uint32_t i = 0; same && i < a->claims_n; i++)
        same = memcmp(&a->claims[i], &b->claims[i], sizeof a->claims[i]) == 0;
    return same;
}

START_TEST(with_a_cache_every_verdict_is_the_same)
{
    static struct tally_verdict cold;
    struct tally_attest_cache *cache = NULL;
    size_t n;
    const struct tdx_row *rows = tdx_rows(&n);

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    for (int strict = 0; strict < 2; strict++) {
        for (size_t i = 0; i < n * 2; i++) {
            const struct tdx_row *row = &rows[i % n];
            for (size_t k = 0; k < row->results_n; k++) {
                tdx_case_init(&c, row->name, k, strict == 1);
                enum tally_status s = tdx_case_judge(&c);
                cold = c.v;
                for (int again = 0; again < 2; again++) {
                    c.expect.cache = cache;
                    ck_assert_int_eq(tdx_case_judge(&c), s);
                    ck_assert_msg(same_verdict(&cold, &c.v), "%s", row->name);
                }
            }
        }
    }
    tally_attest_cache_destroy(&cache);
}
END_TEST

START_TEST(a_cached_chain_is_judged_by_its_dates_anchor_and_policy_again)
{
    struct tally_attest_cache *cache = NULL;
    struct tally_anchor was;

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    tdx_case_init(&c, base, 0, true);
    c.expect.cache = cache;
    tdx_case_must(&c, TALLY_R_NONE);
    const uint64_t now = c.expect.now_s;

    c.expect.now_s = c.v.not_after_s + 1;
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    c.expect.now_s = now;
    c.policy.evaluation_min = 18;
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_ROLLBACK);
    c.policy.evaluation_min = 17;
    was = c.anchor;
    c.anchor.root = tdx_file("extra/gcp_cos113_nonce.bin");
    tdx_case_must(&c, TALLY_R_E_ROOT_UNTRUSTED);
    c.anchor = was;
    c.in.collateral.tcb_info = changed(c.in.collateral.tcb_info, 100, 1);
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG);
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_SIG); /* a failure is not kept, nor made good */
    c.in.collateral = c.row->results[0].bundle->collateral;
    c.quote.signature[40] ^= 1;
    tdx_case_encode(&c);
    tdx_case_must(&c, TALLY_R_E_SIGNATURE);
    c.quote.signature[40] ^= 1;
    tdx_case_encode(&c);
    tdx_case_must(&c, TALLY_R_NONE);
    tally_attest_cache_destroy(&cache);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_tdx_collateral");

    tcase_add_test(t, a_changed_byte_of_tcb_info_or_identity_is_refused);
    tcase_add_test(t, the_same_json_in_other_bytes_is_refused);
    tcase_add_test(t, a_signature_of_the_other_object_is_refused);
    tcase_add_test(t, an_identity_without_a_good_signature_is_refused);
    tcase_add_test(t, hex_digits_of_either_case_are_the_same);
    tcase_add_test(t, collateral_for_sgx_is_a_mismatch);
    tcase_add_test(t, a_signing_chain_of_another_make_is_refused);
    tcase_add_test(t, a_revocation_list_of_another_is_refused);
    tcase_add_test(t, a_changed_byte_of_a_list_or_chain_never_passes);
    tcase_add_test(t, every_date_holds_to_the_second);
    tcase_add_test(t, with_a_cache_every_verdict_is_the_same);
    tcase_add_test(t, a_cached_chain_is_judged_by_its_dates_anchor_and_policy_again);
    return tally_suite_run("common/verify_tdx_collateral", t);
}
