/* test_verify_tpm.c - common/attest/verify_tpm.c over every published quote, and over simulated
 * ones in which one thing is another (ATTESTATION.md C4.2, D.6). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_tpm.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_quoted.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

static struct tally_tpm_policy integrity(void)
{
    struct tally_tpm_policy p;

    tally_tpm_policy_integrity(&p);
    return p;
}

START_TEST(every_real_quote_gets_its_expected_verdict)
{
    const struct tally_tpm_policy p = integrity();
    size_t n, good = 0;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (!v[i].quoted) continue;
        ck_assert_msg(quoted_judge(&v[i].in, &p, v[i].nonce) == TALLY_OK, "%s: %s", v[i].name,
                      tally_why());
        ck_assert(quoted_verdict.authentic && quoted_verdict.trust == TALLY_TRUST_GIVEN);
        ck_assert(quoted_verdict.not_before_s == QUOTED_NOW_S &&
                  quoted_verdict.not_after_s == QUOTED_NOW_S);
        ck_assert_uint_eq(tpm_claim(&quoted_verdict, "tpm_firmware")->number, v[i].firmware);
        ck_assert_uint_eq(tpm_claim(&quoted_verdict, "tpm_pcrs")->number, 0xffffff);
        ck_assert_mem_eq(tpm_claim(&quoted_verdict, "tpm_pcr_7")->bytes, v[i].in.pcrs.at + 7 * 32,
                         32);
        ck_assert_int_eq(tpm_claim(&quoted_verdict, "tpm_eventlog") != NULL,
                         v[i].in.eventlog.at != NULL);
        good++;
    }
    ck_assert_uint_eq(good, 6);
}
END_TEST

START_TEST(strictly_a_bare_key_is_undecided_and_the_rest_is_judged)
{
    size_t n;
    const struct tpm_vector *v = tpm_vectors(&n);
    struct tally_tpm_policy p;

    tally_tpm_policy_strict(&p);
    for (size_t i = 0; i < n; i++) {
        if (!v[i].quoted) continue;
        ck_assert_int_eq(quoted_judge(&v[i].in, &p, v[i].nonce), TALLY_E_UNDECIDED);
        ck_assert(quoted_verdict.undecided && !quoted_verdict.authentic &&
                  quoted_verdict.claims_n == 0);
        ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_ROOT_UNTRUSTED) &&
                  tpm_missing(&quoted_verdict, TALLY_R_E_MEASUREMENT) &&
                  tpm_missing(&quoted_verdict, TALLY_R_E_TRUST_CLASS));
        ck_assert_uint_eq(quoted_verdict.missing_n, 3);
        /* Whichever class of root is asked for, there is none here that has another. */
        const struct tally_expect e = {
            .now_s = 1, .trust = TALLY_TRUST_HARDWARE, .nonce = v[i].nonce};
        ck_assert_int_eq(tally_verify_tpm(&v[i].in, NULL, 0, &p, &e, &quoted_verdict),
                         TALLY_E_UNDECIDED);
        ck_assert_uint_eq(quoted_verdict.missing_n, 2);
        const struct tally_slice wrong = TALLY_SLICE("challenge"); /* with its zero */
        ck_assert_int_eq(quoted_judge(&v[i].in, &p, wrong), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
    }
}
END_TEST

START_TEST(every_byte_of_a_real_quote_counts)
{
    const struct tpm_vector *v = tpm_vector_named("azure_snp_milan_v1");
    const struct tally_tpm_policy p = integrity();
    struct tally_tpm_input in = v->in;
    size_t step = getenv("TALLY_LONG") ? 1 : 5;
    uint8_t *attest = tpm_copy(v->in.attest), *sig = tpm_copy(v->in.sig),
            *pcrs = tpm_copy(v->in.pcrs);

    in.attest.at = attest;
    in.sig.at = sig;
    in.pcrs.at = pcrs;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_OK);
    for (size_t bit = 0; bit < 8 * in.attest.len; bit += step) {
        attest[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_ne(quoted_judge(&in, &p, v->nonce), TALLY_OK);
        ck_assert(!quoted_verdict.authentic && quoted_verdict.failed_n == 1 &&
                  quoted_verdict.claims_n == 0);
        attest[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * in.sig.len; bit += step) {
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_AUTH);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * in.pcrs.len; bit += 8 * step) {
        pcrs[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_PCR_DIGEST);
        ck_assert_ptr_null(tpm_claim(&quoted_verdict, "tpm_pcr_0"));
        pcrs[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(attest);
    free(sig);
    free(pcrs);
}
END_TEST

START_TEST(a_quote_of_every_scheme_and_hash_is_good)
{
    const uint16_t hashes[] = {TALLY_TPM_SHA256, TALLY_TPM_SHA384, TALLY_TPM_SHA512};
    struct quoted s;

    for (size_t i = 0; i < 3; i++) {
        quoted_begin(&s);
        s.hash = hashes[i];
        s.scheme = i == 1 ? TALLY_TPM_RSAPSS : TALLY_TPM_RSASSA;
        tally_sim_quote_digest(quoted_tpm, s.hash, s.digest, &s.q); /* of the signature's hash */
        quoted_good(&s);
        tally_sim_quote_digest(quoted_tpm, hashes[(i + 1) % 3], s.digest, &s.q);
        quoted_refused(&s, TALLY_R_E_PCR_DIGEST);
    }
    quoted_begin(&s);
    s.hash = TALLY_TPM_SHA1;
    quoted_refused(&s, TALLY_R_E_ALGORITHM);
}
END_TEST

START_TEST(what_is_signed_but_is_no_quote_is_refused)
{
    struct quoted s;

    quoted_begin(&s);
    s.q.magic = 0xff544348;
    quoted_refused(&s, TALLY_R_E_FORMAT);
    quoted_begin(&s);
    s.q.type = TALLY_TPM_ST_CERTIFY;
    quoted_refused(&s, TALLY_R_E_FORMAT);
    quoted_begin(&s);
    s.q.safe = 2;
    quoted_refused(&s, TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(a_key_that_may_sign_what_is_no_tpms_own_is_refused)
{
    const uint32_t bad[] = {TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_RESTRICTED,
                            TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_SIGN,
                            TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_FIXED_TPM,
                            TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_FIXED_PARENT,
                            TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_ORIGIN,
                            TALLY_TPM_AK_ATTRIBUTES | TALLY_TPM_DECRYPT};
    struct quoted s;

    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        bool good = i == sizeof bad / sizeof bad[0];
        quoted_begin(&s);
        struct tally_wr w = tally_wr_to(s.ak, sizeof s.ak);
        tally_sim_tpm_public(quoted_tpm, good ? TALLY_TPM_AK_ATTRIBUTES : bad[i], TALLY_TPM_RSASSA,
                             &w);
        s.in.ak = tally_slice_of(s.ak, w.used);
        if (good) {
            quoted_good(&s);
            ck_assert_uint_eq(tpm_claim(&quoted_verdict, "tpm_ak_attributes")->number,
                              TALLY_TPM_AK_ATTRIBUTES);
            s.scheme = TALLY_TPM_RSAPSS; /* not the key's own */
            quoted_refused(&s, TALLY_R_E_ALGORITHM);
            continue;
        }
        quoted_refused(&s, TALLY_R_E_KEY);
        s.policy.allow_unrestricted_key = true;
        quoted_good(&s);
    }
}
END_TEST

START_TEST(another_key_and_missing_parts)
{
    struct quoted s;

    quoted_begin(&s);
    struct tally_wr w = tally_wr_to(s.ak, sizeof s.ak);
    tally_sim_tpm_spki(quoted_other, &w);
    s.in.ak = tally_slice_of(s.ak, w.used);
    quoted_refused(&s, TALLY_R_E_SIGNATURE);
    quoted_begin(&s);
    s.in.ak = (struct tally_slice){0};
    ck_assert_int_eq(quoted_finish(&s), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_KEY));
    quoted_begin(&s);
    ck_assert_int_eq(quoted_finish(&s), TALLY_OK);
    s.in.sig = (struct tally_slice){0};
    ck_assert_int_eq(quoted_judge(&s.in, &s.policy, s.nonce), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_SIGNATURE));
    s.in.attest = (struct tally_slice){0};
    ck_assert_int_eq(quoted_judge(&s.in, &s.policy, s.nonce), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_MEASUREMENT));
    quoted_begin(&s);
    s.in.pcrs = (struct tally_slice){0};
    quoted_good(&s); /* integrity compares what is given */
    ck_assert_uint_eq(tpm_claim(&quoted_verdict, "tpm_pcrs")->number, 0);
    s.policy.integrity_only = false;
    ck_assert_int_eq(quoted_finish(&s), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_PCR_DIGEST));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verify_tpm");

    tally_vectors_need();
    quoted_setup();
    tcase_add_test(t, every_real_quote_gets_its_expected_verdict);
    tcase_add_test(t, strictly_a_bare_key_is_undecided_and_the_rest_is_judged);
    tcase_add_test(t, every_byte_of_a_real_quote_counts);
    tcase_add_test(t, a_quote_of_every_scheme_and_hash_is_good);
    tcase_add_test(t, what_is_signed_but_is_no_quote_is_refused);
    tcase_add_test(t, a_key_that_may_sign_what_is_no_tpms_own_is_refused);
    tcase_add_test(t, another_key_and_missing_parts);
    return tally_suite_run("verify_tpm", t);
}
