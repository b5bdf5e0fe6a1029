/* test_gpu_ocsp.c - common/attest/gpu_ocsp.c: responses that a simulated issuer signed about a
 * simulated GPU, and what becomes of each that should not count (ATTESTATION.md C3.2, D.5). */
#include "common/attest/gpu_ocsp.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/secret.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"

enum { NOW = SIM_GPU_NOW_S, HOUR_S = 3600, WEEK_S = 7 * 24 * HOUR_S };

static struct tally_gpu_ocsp sum;
static uint8_t store[TALLY_OCSP_BYTES_MAX];

static struct tally_sim_ocsp says(size_t place)
{
    return (struct tally_sim_ocsp){.place = place,
                                   .signer = TALLY_SIM_OCSP_DELEGATE,
                                   .this_update_s = NOW - HOUR_S,
                                   .next_update_s = NOW + WEEK_S,
                                   .signer_until_s = NOW + WEEK_S,
                                   .id_hash = "SHA384"};
}

static struct tally_slice make(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o)
{
    struct tally_wr w = tally_wr_to(store, sizeof store);

    ck_assert_msg(tally_sim_gpu_ocsp(g, o, &w) == TALLY_OK, "%s", tally_why());
    return tally_slice_of(store, w.used);
}

/* From an exact-size copy, against the first simulated GPU's chain. */
static enum tally_status check_bytes(const uint8_t *bytes, size_t len, uint64_t now_s)
{
    TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain chain = {0};
    struct tally_slice der[TALLY_GPU_CERTS];
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    if (len > 0) memcpy(exact, bytes, len);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) der[i] = tally_sim_gpu_der(simulated_gpu(0), i);
    ck_assert_int_eq(tally_gpu_chain_verify(der, TALLY_GPU_CERTS, anchors, n, NULL, &chain),
                     TALLY_OK);
    sum = (struct tally_gpu_ocsp){.until_s = UINT64_MAX};
    enum tally_status s = tally_gpu_ocsp_check(tally_slice_of(exact, len), &chain, now_s, &sum);
    free(exact);
    return s;
}

static enum tally_status check(const struct tally_sim_ocsp *o, uint64_t now_s)
{
    struct tally_slice der = make(simulated_gpu(0), o);

    return check_bytes(der.at, der.len, now_s);
}

START_TEST(a_good_response_counts_for_its_certificate)
{
    static const char *const hashes[] = {"SHA1", "SHA256", "SHA384"};

    for (size_t place = 1; place <= 3; place++) {
        for (size_t k = 0; k < 6; k++) {
            struct tally_sim_ocsp o = says(place);
            o.id_hash = hashes[k / 2];
            o.by_key = k % 2 == 1;
            o.signer = k < 3 ? TALLY_SIM_OCSP_ISSUER : TALLY_SIM_OCSP_DELEGATE;
            ck_assert_msg(check(&o, NOW) == TALLY_OK, "%s", tally_why());
            for (size_t i = 0; i < TALLY_GPU_CERTS; i++) ck_assert(sum.good[i] == (i == place));
            ck_assert_uint_eq(sum.from_s, NOW - HOUR_S);
            ck_assert_uint_eq(sum.until_s, NOW + WEEK_S);
        }
    }
}
END_TEST

/* clang-format off */
static const struct {
    enum tally_sim_ocsp_status status;
    enum tally_sim_ocsp_signer signer;
    enum tally_reason reason;
} bad[] = {
    {TALLY_SIM_OCSP_HOLD, TALLY_SIM_OCSP_DELEGATE, TALLY_R_E_OCSP_STATUS},
    {TALLY_SIM_OCSP_UNKNOWN, TALLY_SIM_OCSP_DELEGATE, TALLY_R_E_OCSP_STATUS},
    {TALLY_SIM_OCSP_REVOKED, TALLY_SIM_OCSP_DELEGATE, TALLY_R_E_REVOKED},
    {TALLY_SIM_OCSP_REVOKED, TALLY_SIM_OCSP_ISSUER, TALLY_R_E_REVOKED},
    {TALLY_SIM_OCSP_GOOD, TALLY_SIM_OCSP_NO_EKU, TALLY_R_E_OCSP_SIG},
    {TALLY_SIM_OCSP_GOOD, TALLY_SIM_OCSP_CA, TALLY_R_E_OCSP_SIG},
    {TALLY_SIM_OCSP_GOOD, TALLY_SIM_OCSP_ELSEWHERE, TALLY_R_E_OCSP_SIG},
    {TALLY_SIM_OCSP_GOOD, TALLY_SIM_OCSP_FORGED, TALLY_R_E_OCSP_SIG},
    {TALLY_SIM_OCSP_REVOKED, TALLY_SIM_OCSP_FORGED, TALLY_R_E_OCSP_SIG},
};
/* clang-format on */

START_TEST(a_status_or_signer_that_is_not_good_is_refused_by_name)
{
    struct tally_sim_ocsp o = says(1);

    o.status = bad[_i].status;
    o.signer = bad[_i].signer;
    ck_assert_int_ne(check(&o, NOW), TALLY_OK);
    ck_assert_msg(tally_reason() == bad[_i].reason, "%s", tally_why());
    ck_assert(!sum.good[1] && sum.until_s == UINT64_MAX);
}
END_TEST

/* The answer holds no longer than its signer's certificate. */
START_TEST(a_responder_that_expires_first_ends_the_window)
{
    struct tally_sim_ocsp o = says(2);

    o.signer_until_s = NOW + HOUR_S;
    ck_assert_msg(check(&o, NOW) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(sum.until_s, NOW + HOUR_S);
    o.signer = TALLY_SIM_OCSP_ISSUER;
    ck_assert_msg(check(&o, NOW) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(sum.until_s, NOW + WEEK_S);
}
END_TEST

START_TEST(dates_hold_to_the_second)
{
    struct tally_sim_ocsp o = says(2);

    ck_assert_int_eq(check(&o, o.this_update_s), TALLY_OK);
    ck_assert_int_eq(check(&o, o.next_update_s), TALLY_OK);
    ck_assert_int_ne(check(&o, o.this_update_s - 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_EXPIRED);
    o.signer = TALLY_SIM_OCSP_ISSUER;
    ck_assert_int_ne(check(&o, o.next_update_s + 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_EXPIRED);
    o.next_update_s = 0;
    ck_assert_int_ne(check(&o, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_EXPIRED);
    o = says(2);
    o.signer_until_s = NOW - 1;
    ck_assert_int_ne(check(&o, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_SIG);
    o.signer_until_s = NOW;
    ck_assert_int_eq(check(&o, NOW), TALLY_OK);
}
END_TEST

START_TEST(a_response_about_another_device_is_refused)
{
    struct tally_sim_ocsp o = says(1);
    struct tally_slice der = make(simulated_gpu(1), &o);

    ck_assert_int_ne(check_bytes(der.at, der.len, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
    o.place = 0; /* of the device's own leaf nobody answers */
    der = make(simulated_gpu(0), &o);
    ck_assert_int_ne(check_bytes(der.at, der.len, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
    o = says(1);
    o.id_hash = "SHA512";
    ck_assert_int_ne(check(&o, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
    o = says(1);
    o.response_status = 3; /* tryLater */
    ck_assert_int_ne(check(&o, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
}
END_TEST

START_TEST(a_response_cut_short_changed_or_lengthened_is_refused)
{
    struct tally_sim_ocsp o = says(1);
    struct tally_slice der = make(simulated_gpu(0), &o);
    uint8_t copy[TALLY_OCSP_BYTES_MAX + 1] = {0};
    size_t step = getenv("TALLY_LONG") ? 1 : 29;

    for (size_t len = 0; len < der.len; len++) {
        ck_assert_int_ne(check_bytes(der.at, len, NOW), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
    }
    memcpy(copy, der.at, der.len);
    ck_assert_int_ne(check_bytes(copy, der.len + 1, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_FORMAT);
    ck_assert_int_ne(check_bytes(copy, sizeof copy, NOW), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    for (size_t bit = 0; bit < 8 * der.len; bit += step) {
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(check_bytes(copy, der.len, NOW) != TALLY_OK, "bit %zu", bit);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

/* In an appraisal: required for every certificate that NVIDIA issued, judged where given. */
START_TEST(an_appraisal_takes_what_is_stapled)
{
    static struct simulated_evidence e;
    static struct tally_verdict v;
    static uint8_t bytes[3][TALLY_OCSP_BYTES_MAX];
    struct tally_expect expect = simulated_gpu_expect();
    struct tally_gpu_policy policy;
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    simulated_evidence_init(&e, simulated_gpu(0));
    tally_gpu_policy_strict(&policy);
    policy.require_ocsp = true;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(tally_verify_gpu(&e.in, anchors, n, &policy, &expect, &v),
                         TALLY_E_UNDECIDED);
        ck_assert(gpu_missing(&v, TALLY_R_E_OCSP_MISSING));
        struct tally_sim_ocsp o = says(i + 1);
        struct tally_slice der = make(simulated_gpu(0), &o);
        memcpy(bytes[i], der.at, der.len);
        e.in.ocsp[e.in.ocsp_n++] = tally_slice_of(bytes[i], der.len);
    }
    ck_assert_msg(tally_verify_gpu(&e.in, anchors, n, &policy, &expect, &v) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_uint_eq(v.not_after_s, NOW + WEEK_S);
    ck_assert_uint_eq(v.not_before_s, NOW - HOUR_S);
    struct tally_sim_ocsp hold = says(3);
    hold.status = TALLY_SIM_OCSP_HOLD;
    e.in.ocsp[2] = make(simulated_gpu(0), &hold);
    tally_gpu_policy_integrity(&policy);
    ck_assert_int_ne(tally_verify_gpu(&e.in, anchors, n, &policy, &expect, &v), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OCSP_STATUS);
    ck_assert_uint_eq(v.failed_n, 1);
}
END_TEST

int main(void)
{
    simulated_gpu_setup();
    TCase *t = tcase_create("gpu_ocsp");

    tcase_add_test(t, a_good_response_counts_for_its_certificate);
    tcase_add_loop_test(t, a_status_or_signer_that_is_not_good_is_refused_by_name, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(t, dates_hold_to_the_second);
    tcase_add_test(t, a_responder_that_expires_first_ends_the_window);
    tcase_add_test(t, a_response_about_another_device_is_refused);
    tcase_add_test(t, a_response_cut_short_changed_or_lengthened_is_refused);
    tcase_add_test(t, an_appraisal_takes_what_is_stapled);
    return tally_suite_run("common/gpu_ocsp", t);
}
