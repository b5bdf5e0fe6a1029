/* test_verdict.c - common/attest/verdict.c: what a filled verdict means, whatever fills it. */
#include "common/attest/verdict.h"

#include "tests/lib/suite.h"

static struct tally_verdict v;

static void begin(void)
{
    tally_verdict_init(&v);
    v.authentic = true;
    tally_verdict_window(&v, 10, 20);
}

START_TEST(a_failure_beats_what_is_missing)
{
    begin();
    ck_assert_int_eq(tally_verdict_end(&v), TALLY_OK);
    tally_verdict_miss(&v, TALLY_R_E_CRL_MISSING, "x");
    ck_assert_int_eq(tally_verdict_end(&v), TALLY_E_UNDECIDED);
    ck_assert(v.undecided && tally_reason() == TALLY_R_E_CRL_MISSING);
    tally_verdict_fail(&v, TALLY_R_E_VMPL, "x");
    ck_assert_int_eq(tally_verdict_end(&v), TALLY_E_UNTRUSTED);
    ck_assert(!v.undecided && tally_reason() == TALLY_R_E_VMPL);
}
END_TEST

START_TEST(full_lists_lose_no_verdict)
{
    begin();
    for (int i = 0; i < 2 * TALLY_MISSING_MAX; i++)
        tally_verdict_miss(&v, TALLY_R_E_CRL_MISSING, "%d", i);
    ck_assert_int_eq(tally_verdict_end(&v), TALLY_E_UNDECIDED);
    for (int i = 0; i < 2 * TALLY_FAILURES_MAX; i++)
        tally_verdict_fail(&v, TALLY_R_E_VMPL, "%d", i);
    ck_assert_int_eq(tally_verdict_end(&v), TALLY_E_UNTRUSTED);
    ck_assert_uint_eq(v.failed_n, TALLY_FAILURES_MAX);
    ck_assert_uint_eq(v.missing_n, TALLY_MISSING_MAX);
}
END_TEST

/* Without an end, with an end before its beginning, and at the first second of 1970, which is how a
 * window that is none is written. */
START_TEST(a_window_that_is_none_is_no_good_verdict)
{
    static const uint64_t windows[][2] = {
        {0,  0         },
        {30, UINT64_MAX},
        {0,  5         }
    };

    for (size_t i = 0; i < 3; i++) {
        tally_verdict_init(&v);
        v.authentic = true;
        if (i == 2) tally_verdict_window(&v, 10, 20);
        tally_verdict_window(&v, windows[i][0], windows[i][1]);
        ck_assert_int_eq(tally_verdict_end(&v), TALLY_E_UNTRUSTED);
        ck_assert(v.failed_n == 1 && v.failed[0].reason == TALLY_R_E_CERT_EXPIRED);
        ck_assert(v.not_before_s == 0 && v.not_after_s == 0);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verdict");

    tcase_add_test(t, a_failure_beats_what_is_missing);
    tcase_add_test(t, full_lists_lose_no_verdict);
    tcase_add_test(t, a_window_that_is_none_is_no_good_verdict);
    return tally_suite_run("verdict", t);
}
