/* test_quote_tpm_faults.c - common/attest/quote_tpm.c: every way in which the TPM and the
 * connection to it can fail, each a clean failure, and what passes by itself. */
#include <tss2/tss2_tpm2_types.h>

#include "tests/common/quote_tpm_fixture.h"

static struct tally_verdict verdict;

START_TEST(pcrs_that_move_are_quoted_again_and_given_up_at_last)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();

    for (uint32_t times = 1; times <= 3; times++) {
        p->moving_pcrs = times;
        ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "%s", tally_why());
        ck_assert_int_eq(judge(data, &verdict), TALLY_OK);
    }
    p->moving_pcrs = 4;
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "PCRs move"));
    ck_assert_uint_eq(e.attest_len, 0);
    tally_vtpm_close(&t);
}
END_TEST

/* Every command that collecting takes. */
static const uint32_t used[] = {TPM2_CC_NV_ReadPublic, TPM2_CC_NV_Read, TPM2_CC_NV_Write,
                                TPM2_CC_ReadPublic,    TPM2_CC_Quote,   TPM2_CC_PCR_Read};
enum { USED = sizeof used / sizeof used[0] };

START_TEST(every_code_of_every_command_is_a_clean_failure)
{
    static const uint32_t codes[] = {TPM2_RC_FAILURE,
                                     TPM2_RC_LOCKOUT,
                                     TPM2_RC_NV_RATE,
                                     TPM2_RC_NV_AUTHORIZATION,
                                     TPM2_RC_NV_LOCKED,
                                     TPM2_RC_NV_UNINITIALIZED,
                                     TPM2_RC_NV_UNAVAILABLE,
                                     TPM2_RC_COMMAND_CODE,
                                     TPM2_RC_INITIALIZE,
                                     TPM2_RC_AUTH_FAIL | 0x100 | TPM2_RC_S,
                                     TPM2_RC_BAD_AUTH | TPM2_RC_S,
                                     TPM2_RC_SCHEME | TPM2_RC_P,
                                     TPM2_RC_OBJECT_MEMORY,
                                     TPM2_RC_CANCELED,
                                     TPM2_RC_REBOOT,
                                     TPM2_RC_TESTING,
                                     TPM2_RC_RETRY,
                                     TPM2_RC_YIELDED,
                                     0x80000001,
                                     0xffffffff};
    struct vtpm_play *p = vtpm_play();

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct tally_vtpm *t = opened();
        p->fail_cc = used[_i];
        p->fail_rc = codes[i];
        p->fail_times = 1000;
        enum tally_status s = tally_vtpm_collect(t, data, &e);
        p->fail_times = 0;
        ck_assert_msg(s == TALLY_E_IO, "command 0x%x, code 0x%x: %s", used[_i], codes[i],
                      tally_why());
        ck_assert_uint_eq(e.attest_len, 0);
        /* The same connection goes on once the trouble is over, but for a code that is none. */
        if (codes[i] == UINT32_MAX) {
            tally_vtpm_close(&t);
            t = opened();
        }
        ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "after 0x%x: %s", codes[i],
                      tally_why());
        tally_vtpm_close(&t);
    }
}
END_TEST

START_TEST(a_passing_retry_is_no_failure)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();

    p->fail_cc = used[_i];
    p->fail_rc = TPM2_RC_RETRY;
    p->fail_times = 2;
    ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(p->fail_times, 0);
    ck_assert_int_eq(judge(data, &verdict), TALLY_OK);
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(a_broken_connection_is_a_clean_failure)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();

    p->cut_cc = used[_i];
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_E_IO);
    ck_assert_uint_eq(e.attest_len, 0);
    p->cut_cc = 0;
    ck_assert_int_ne(tally_vtpm_collect(t, data, &e), TALLY_OK);
    tally_vtpm_close(&t);
    t = opened();
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(garbage_for_an_answer_is_a_clean_failure)
{
    static const uint32_t lengths[] = {0, 1, 4, 10, 64, 1000, 4086};
    struct vtpm_play *p = vtpm_play();

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct tally_vtpm *t = opened();
        p->garble_cc = used[_i];
        p->garble = lengths[i];
        ck_assert_int_ne(tally_vtpm_collect(t, data, &e), TALLY_OK);
        ck_assert_uint_eq(e.attest_len, 0);
        p->garble_cc = 0;
        tally_vtpm_close(&t);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quote_tpm_faults");

    simulated_setup();
    vtpm_start();
    tcase_add_test(t, pcrs_that_move_are_quoted_again_and_given_up_at_last);
    tcase_add_loop_test(t, every_code_of_every_command_is_a_clean_failure, 0, USED);
    tcase_add_loop_test(t, a_passing_retry_is_no_failure, 0, USED);
    tcase_add_loop_test(t, a_broken_connection_is_a_clean_failure, 0, USED);
    tcase_add_loop_test(t, garbage_for_an_answer_is_a_clean_failure, 0, USED);
    return tally_suite_run("quote_tpm_faults", t);
}
