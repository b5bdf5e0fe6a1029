/* test_verify_snp_chain.c - common/attest/verify_snp_chain.c: the certificates of a real report
 * exchanged, left out for the built-in ones, and kept (ATTESTATION.md D.3; C1.3, 4 to 6). */
#include <stdio.h>
#include <string.h>

#include "common/anchors.h"
#include "common/attest/builtin.h"
#include "common/attest/cache.h"
#include "common/attest/verify_snp_chain.h"
#include "common/text.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static struct tally_verdict verdict;

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
    {"genoa_v3_ccf", "roots/genoa_ark.der", "genoa_v3_ccf/vek.der", TALLY_R_E_CERT_SHAPE},
    {"genoa_v3_ccf", "genoa_v5_oak/vek.der", "genoa_v3_ccf/vek.der", TALLY_R_E_CERT_SHAPE},
    {"milan_v3_ccf", NULL, "roots/genoa_ask.der", TALLY_R_E_CERT_SHAPE},
    {"milan_v3_ccf", "genoa_v3_ccf/vek.der", "roots/genoa_ask.der", TALLY_R_E_PRODUCT},
    {"milan_v3_ccf", "milan_v3_vlek_aws_vmpl1/vek.der", "roots/milan_asvk.der",
     TALLY_R_E_CERT_TYPE},
    {"milan_v3_vlek_aws_vmpl1", NULL, "roots/milan_ask.der", TALLY_R_E_CERT_SHAPE},
    {"milan_v3_vlek_aws_vmpl1", NULL, "roots/genoa_asvk.der", TALLY_R_E_CERT_SHAPE},
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
    struct snp_vector v = *snp_vector_named(swaps[_i].vector);

    if (swaps[_i].vek != NULL) v.vek = snp_vector_file(swaps[_i].vek);
    if (swaps[_i].issuer != NULL) v.issuer = snp_vector_file(swaps[_i].issuer);
    ck_assert_int_ne(snp_vector_judge(&v, v.report, NULL, v.at_s, &verdict), TALLY_OK);
    ck_assert_msg(tally_reason() == swaps[_i].reason, "%s", tally_why());
    ck_assert(!verdict.authentic);
}
END_TEST

/* A report with its VEK alone, under every vendor's root. */
struct alone {
    struct tally_snp_input in;
    struct tally_anchor anchors[TALLY_ANCHORS_MAX];
    uint32_t anchors_n;
    struct tally_snp_policy policy;
    struct tally_expect expect;
};

static uint64_t at(const char *text)
{
    uint64_t s;

    ck_assert_int_eq(tally_time_parse(text, &s), TALLY_OK);
    return s;
}

static struct alone alone(const char *name)
{
    const struct snp_vector *v = snp_vector_named(name);
    struct alone a = {
        .in = {.report = v->report, .vek = v->vek},
          .expect = {.now_s = v->at_s                  }
    };

    a.anchors_n = tally_anchors_all(a.anchors);
    tally_snp_policy_integrity(&a.policy);
    return a;
}

static enum tally_reason judge(const struct alone *a)
{
    enum tally_status s =
        tally_verify_snp(&a->in, a->anchors, a->anchors_n, &a->policy, &a->expect, &verdict);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(the_built_in_issuer_stands_in_for_each_product_and_signer)
{
    static const char *const names[] = {"milan_v3_ccf", "milan_v3_vlek_aws_vmpl1", "genoa_v3_ccf",
                                        "genoa_v2_oak_dice", "turin_v5_oak"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct alone a = alone(names[i]);
        ck_assert_msg(judge(&a) == TALLY_R_NONE, "%s: %s", names[i], tally_why());
        ck_assert(verdict.trust == TALLY_TRUST_HARDWARE && verdict.authentic);
    }
}
END_TEST

START_TEST(what_is_absent_is_no_verdict)
{
    struct alone a = alone("genoa_v3_ccf");

    a.anchors_n = 1; /* Milan's */
    ck_assert_int_eq(judge(&a), TALLY_R_E_ROOT_UNTRUSTED);
    a.anchors_n = 0;
    ck_assert_int_eq(judge(&a), TALLY_R_E_ROOT_UNTRUSTED);
    a = alone("genoa_v3_ccf");
    a.in.vek = (struct tally_slice){0};
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_SHAPE);
    ck_assert(verdict.undecided && !verdict.authentic);
}
END_TEST

START_TEST(a_given_issuer_is_used_alone)
{
    struct alone a = alone("genoa_v3_ccf");

    a.in.issuer = snp_vector_file("roots/milan_ask.der");
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_SHAPE);
    ck_assert(!verdict.undecided);
    a.in.issuer = tally_slice_of("", 0);
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_PARSE);
}
END_TEST

/* Their windows: Genoa's to 2025-11-03T01:00:00Z, Milan's to 2026-05-12; Turin has none. */
START_TEST(the_built_in_list_stands_in_while_it_is_in_force)
{
    struct alone a = alone("genoa_v5_oak");
    struct tally_snp_policy strict;

    tally_snp_policy_strict(&strict);
    a.policy = strict;
    a.expect.now_s = at("2025-11-03T01:00:00Z");
    ck_assert_int_ne(judge(&a), TALLY_R_NONE);
    ck_assert(verdict.failed_n == 0 && !snp_missing(&verdict, TALLY_R_E_CRL_MISSING));
    ck_assert_uint_eq(verdict.not_after_s, a.expect.now_s);
    a.expect.now_s++;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CRL_MISSING);
    ck_assert(verdict.failed_n == 0 && verdict.undecided);
    a.policy.allow_missing_crl = true;
    ck_assert_int_eq(judge(&a), TALLY_R_E_TRUST_CLASS); /* the next thing that is missing */
    a.policy.allow_missing_crl = false;
    a.in.crls[a.in.crls_n++] = snp_vector_file("roots/milan_vcek_crl.der");
    a.expect.now_s = at("2025-10-01T00:00:00Z"); /* a given list is used alone */
    ck_assert_int_eq(judge(&a), TALLY_R_E_CRL_ISSUER);

    a = alone("turin_v5_oak");
    a.policy = strict;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CRL_MISSING);
}
END_TEST

START_TEST(a_list_counts_as_long_as_the_policy_says)
{
    struct alone a = alone("genoa_v5_oak");
    uint64_t this_update = at("2024-10-23T04:36:24Z");

    a.in.crls[a.in.crls_n++] = snp_vector_file("roots/genoa_vcek_crl.der");
    a.expect.now_s = at("2025-10-01T00:00:00Z");
    a.policy.crl_max_age_days = 400;
    ck_assert_msg(judge(&a) == TALLY_R_NONE, "%s", tally_why());
    ck_assert_uint_eq(verdict.not_after_s, at("2025-11-03T01:00:00Z"));
    a.policy.crl_max_age_days = 350;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    ck_assert_uint_eq(verdict.not_after_s, this_update + 350 * 86400ULL);
    a.policy.crl_max_age_days = 300;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CRL_EXPIRED);
    a.policy.allow_missing_crl = false;
    a.in.crls_n = 0; /* the built-in one is as old, and then none */
    ck_assert_int_eq(judge(&a), TALLY_R_E_CRL_MISSING);
}
END_TEST

START_TEST(real_lists_hold_to_the_second)
{
    static const struct {
        const char *crl, *at;
        enum tally_reason reason;
    } rows[] = {
        {"roots/milan_vcek_crl.der", "2025-05-06T12:39:05Z", TALLY_R_E_CRL_EXPIRED}, /* future */
        {"roots/milan_vcek_crl.der", "2025-05-06T12:39:06Z", TALLY_R_NONE         },
        {"roots/milan_vcek_crl.der", "2026-05-12T00:00:00Z", TALLY_R_NONE         },
        {"roots/milan_vcek_crl.der", "2026-05-12T00:00:01Z", TALLY_R_E_CRL_EXPIRED},
        {"roots/milan_vcek_crl.der", "2026-06-01T00:00:00Z", TALLY_R_E_CRL_EXPIRED},
        {"roots/genoa_vcek_crl.der", "2025-06-01T00:00:00Z", TALLY_R_E_CRL_ISSUER },
    };
    struct alone a = alone("milan_v2_virtee"); /* its VCEK is old enough */

    a.in.crls_n = 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        a.in.crls[0] = snp_vector_file(rows[i].crl);
        a.expect.now_s = at(rows[i].at);
        ck_assert_msg(judge(&a) == rows[i].reason, "row %zu: %s", i, tally_why());
    }
}
END_TEST

START_TEST(a_broken_list_is_no_list)
{
    struct alone a = alone("milan_v2_virtee");
    struct tally_slice crl = snp_vector_file("roots/milan_vcek_crl.der");
    uint8_t b[4096];

    memcpy(b, crl.at, crl.len);
    b[crl.len - 1] ^= 1;
    a.expect.now_s = at("2025-06-01T00:00:00Z");
    a.in.crls_n = 1;
    a.in.crls[0] = tally_slice_of(b, crl.len);
    ck_assert_int_eq(judge(&a), TALLY_R_E_SIGNATURE);
    a.in.crls[0] = tally_slice_of(crl.at, crl.len - 1);
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_PARSE);
    memcpy(b, crl.at, crl.len);
    b[crl.len] = 0;
    a.in.crls[0] = tally_slice_of(b, crl.len + 1);
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_NONCANONICAL);
}
END_TEST

START_TEST(anchors_of_any_kind_may_stand_in_any_order)
{
    static const uint8_t noise[] = "ARK-Genoa, but no certificate";
    struct alone a = alone("genoa_v3_ccf");

    for (uint32_t i = 0; i < a.anchors_n / 2; i++) {
        struct tally_anchor t = a.anchors[i];
        a.anchors[i] = a.anchors[a.anchors_n - 1 - i];
        a.anchors[a.anchors_n - 1 - i] = t;
    }
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    a.anchors[0].root = (struct tally_slice){0};
    a.anchors[1].root = tally_slice_of("junk", 4);
    a.anchors[2].root = TALLY_SLICE(noise);
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    a.anchors[3].root = snp_vector_file("genoa_v3_ccf/vek.der"); /* no root at all */
    a.anchors[4].root = snp_vector_file("roots/genoa_ask.der");  /* names ARK-Genoa, is another */
    a.anchors[4].trust = TALLY_TRUST_TEST;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    ck_assert_int_eq(verdict.trust, TALLY_TRUST_HARDWARE);
}
END_TEST

/* ---- the cache ---- */

static bool same_verdict(const struct tally_verdict *a, const struct tally_verdict *b)
{
    if (a->failed_n != b->failed_n || a->missing_n != b->missing_n || a->claims_n != b->claims_n ||
        a->not_before_s != b->not_before_s || a->not_after_s != b->not_after_s ||
        a->trust != b->trust || a->product != b->product || a->authentic != b->authentic ||
        memcmp(a->chip, b->chip, sizeof a->chip) != 0)
        return false;
    for (uint32_t i = 0; i < a->failed_n; i++) {
        if (a->failed[i].reason != b->failed[i].reason) return false;
    }
    for (uint32_t i = 0; i < a->missing_n; i++) {
        if (a->missing[i].reason != b->missing[i].reason) return false;
    }
    return true;
}

/* Every report with every certificate, twice over one cache, at several times and under both
 * policies: nothing differs from a judgement without it. */
START_TEST(a_kept_chain_changes_no_verdict)
{
    static const char *const times[] = {"2024-12-28T00:00:00Z", "2025-10-01T00:00:00Z",
                                        "2026-07-01T00:00:00Z", "2040-01-01T00:00:00Z"};
    static struct tally_verdict plain;
    struct tally_snp_policy strict;
    struct tally_attest_cache *cache;
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    tally_snp_policy_strict(&strict);
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    for (size_t k = 0; k < 8 * n; k++) {
        if (v[k / 8].vek.at == NULL) continue;
        struct alone a = alone(v[k / 8].name);
        a.in.report = v[(k / 8 + k % 2) % n].report; /* its own, and its neighbour's */
        if (k % 2) a.policy = strict;
        a.expect.now_s = at(times[k / 2 % 4]);
        enum tally_reason want = judge(&a);
        plain = verdict;
        a.expect.cache = cache;
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(judge(&a), want);
            ck_assert_msg(same_verdict(&plain, &verdict), "%s at %s", v[k / 8].name,
                          times[k / 2 % 4]);
        }
    }
    tally_attest_cache_destroy(&cache);
}
END_TEST

START_TEST(a_kept_chain_is_only_for_its_own_bytes)
{
    struct alone a = alone("milan_v2_virtee");
    struct tally_snp_input good;
    struct tally_slice crl = snp_vector_file("roots/milan_vcek_crl.der");
    struct tally_attest_cache *cache;
    uint8_t b[4096];

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    a.expect.cache = cache;
    a.expect.now_s = at("2025-06-01T00:00:00Z");
    a.in.issuer = snp_vector_file("roots/milan_ask.der");
    a.in.crls[a.in.crls_n++] = crl;
    good = a.in;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);

    for (int part = 0; part < 3; part++) { /* the last bit of VEK, issuer, CRL: the signatures */
        struct tally_slice *s = part == 0 ? &a.in.vek : part == 1 ? &a.in.issuer : &a.in.crls[0];
        a.in = good;
        memcpy(b, s->at, s->len);
        b[s->len - 1] ^= 1;
        s->at = b;
        ck_assert_int_eq(judge(&a), TALLY_R_E_SIGNATURE);
        ck_assert_int_eq(judge(&a), TALLY_R_E_SIGNATURE); /* failures are not kept either */
    }
    a.in = good;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    a.in.crls[0] = a.in.issuer; /* the same bytes in other places */
    a.in.issuer = crl;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_PARSE);
    a.in = good;
    for (uint32_t i = 0; i < a.anchors_n; i++) {
        if (strcmp(a.anchors[i].name, "amd-milan") == 0) a.anchors[i].root.len--;
    }
    ck_assert_int_eq(judge(&a), TALLY_R_E_ROOT_UNTRUSTED);
    a.anchors_n = 0;
    ck_assert_int_eq(judge(&a), TALLY_R_E_ROOT_UNTRUSTED);
    tally_attest_cache_destroy(&cache);
}
END_TEST

START_TEST(dates_and_reports_are_judged_anew_over_a_kept_chain)
{
    struct alone a = alone("genoa_v3_ccf");
    struct tally_attest_cache *cache;
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    a.expect.cache = cache;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    uint64_t from = verdict.not_before_s, until = verdict.not_after_s;
    a.expect.now_s = from - 1;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_NOT_YET_VALID);
    a.expect.now_s = until + 1;
    ck_assert_int_eq(judge(&a), TALLY_R_E_CERT_EXPIRED);
    a.expect.now_s = until;
    ck_assert_int_eq(judge(&a), TALLY_R_NONE);
    memcpy(b, a.in.report.at, sizeof b);
    b[0x90] ^= 1;
    a.in.report = TALLY_SLICE(b);
    ck_assert_int_eq(judge(&a), TALLY_R_E_SIGNATURE);
    ck_assert(!verdict.authentic && verdict.claims_n == 0);
    tally_attest_cache_destroy(&cache);
}
END_TEST

/* More chains than the cache holds: the oldest go, verdicts stay. */
START_TEST(a_full_cache_forgets_and_judges_on)
{
    struct alone a = alone("genoa_v3_ccf");
    struct tally_slice crl = snp_vector_file("roots/genoa_vcek_crl.der");
    struct tally_slice other = snp_vector_file("roots/milan_vcek_crl.der");
    struct tally_attest_cache *cache;

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    a.expect.cache = cache;
    a.expect.now_s = at("2025-10-01T00:00:00Z");
    for (int i = 0; i < 2 * TALLY_CACHE_VALUES_MAX + 10; i++) {
        a.in.crls_n = 0; /* other bytes each time: the list once or more, or another one beside */
        for (int k = 0; k < 8; k++) a.in.crls[a.in.crls_n++] = i >> k & 1 ? other : crl;
        enum tally_reason want = i % 256 == 255 ? TALLY_R_E_CRL_ISSUER : TALLY_R_NONE;
        ck_assert_int_eq(judge(&a), want);
    }
    tally_attest_cache_destroy(&cache);
}
END_TEST

/* Genoa's first ASK was 020001, which AMD's list revokes: its number alone is put into today's. */
static void revoked_issuer(struct tally_snp_chain *c)
{
    static const uint8_t serial[] = {2, 3, 2, 0, 2};
    struct tally_slice ask = snp_vector_file("roots/genoa_ask.der");
    uint8_t der[4096];

    ck_assert_uint_le(ask.len, sizeof der);
    memcpy(der, ask.at, ask.len);
    uint8_t *at = memmem(der, ask.len, serial, sizeof serial);
    ck_assert_ptr_nonnull(at);
    at[4] = 1;
    *c = (struct tally_snp_chain){.vendor = true};
    c->says.product = TALLY_SNP_GENOA;
    ck_assert_int_eq(tally_cert_parse(tally_slice_of(der, ask.len), &c->issuer), TALLY_OK);
}

START_TEST(what_the_built_in_list_revokes_stays_so_when_asked_again)
{
    static const uint64_t times[] = {0, UINT64_C(4000000000)}; /* outside the list's dates */
    struct tally_snp_chain c;

    for (size_t i = 0; i < 2; i++) {
        revoked_issuer(&c);
        for (int again = 0; again < 3; again++) {
            ck_assert_int_ne(tally_snp_chain_own_crl(&c, times[i]), TALLY_OK);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_REVOKED);
        }
        tally_cert_free(&c.issuer);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_snp_chain");

    tcase_add_loop_test(t, another_certificate_in_the_chain_is_refused_by_name, 0,
                        (int)(sizeof swaps / sizeof swaps[0]));
    tcase_add_test(t, the_built_in_issuer_stands_in_for_each_product_and_signer);
    tcase_add_test(t, what_is_absent_is_no_verdict);
    tcase_add_test(t, a_given_issuer_is_used_alone);
    tcase_add_test(t, the_built_in_list_stands_in_while_it_is_in_force);
    tcase_add_test(t, a_list_counts_as_long_as_the_policy_says);
    tcase_add_test(t, real_lists_hold_to_the_second);
    tcase_add_test(t, a_broken_list_is_no_list);
    tcase_add_test(t, anchors_of_any_kind_may_stand_in_any_order);
    tcase_add_test(t, a_kept_chain_changes_no_verdict);
    tcase_add_test(t, a_kept_chain_is_only_for_its_own_bytes);
    tcase_add_test(t, dates_and_reports_are_judged_anew_over_a_kept_chain);
    tcase_add_test(t, what_the_built_in_list_revokes_stays_so_when_asked_again);
    tcase_add_test(t, a_full_cache_forgets_and_judges_on);
    return tally_suite_run("common/verify_snp_chain", t);
}
