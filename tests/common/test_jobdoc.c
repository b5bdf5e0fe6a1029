/* test_jobdoc.c - common/jobdoc.c: a job is judged against the federation in force. */
#include "common/jobdoc.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/documents.h"
#include "tests/lib/jobs.h"
#include "tests/lib/suite.h"

enum { OWNER = 1, BANK1 = 2, BANK2 = 4, NOW = TALLY_TEST_ISSUED + 100 };

static struct tally_federation fed;

static void setup(void)
{
    json_t *j = tally_test_federation(3);
    char *text = tally_test_payload(j);

    ck_assert_int_eq(tally_federation_decode("application/vnd.tally.federation-test+json",
                                             tally_slice_str(text), &fed),
                     TALLY_OK);
    free(text);
    json_decref(j);
}

static enum tally_status open_as(enum tally_mode mode, const json_t *j, unsigned signers,
                                 uint64_t now_s)
{
    struct tally_dsse d = tally_test_envelope("job", mode, j, signers);
    struct tally_job job = {0};

    enum tally_status s = tally_job_open(&d, &fed, NULL, now_s, &job);
    tally_job_free(&job);
    tally_dsse_free(&d);
    return s;
}

static void refused(const json_t *j, enum tally_reason reason, const char *why)
{
    ck_assert_int_ne(open_as(TALLY_MODE_TEST, j, OWNER, NOW), TALLY_OK);
    ck_assert_msg(strstr(tally_why_text(), why) != NULL, "%s", tally_why_text());
    ck_assert_int_eq(tally_reason(), reason);
}

START_TEST(the_owners_signature_opens_a_job_and_nobody_elses)
{
    json_t *j = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);

    ck_assert_msg(open_as(TALLY_MODE_TEST, j, OWNER, NOW) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(open_as(TALLY_MODE_TEST, j, BANK1 | BANK2, NOW), TALLY_E_AUTH);
    ck_assert_str_eq(tally_why_text(), "owner, the owner, has not signed the job");
    ck_assert_int_eq(open_as(TALLY_MODE_TEST, j, 0, NOW), TALLY_E_AUTH);
    ck_assert_int_eq(open_as(TALLY_MODE_PRODUCTION, j, OWNER, NOW), TALLY_E_UNTRUSTED);
    json_decref(j);
}
END_TEST

START_TEST(a_job_that_does_not_fit_the_federation_is_refused)
{
    uint8_t other[32] = {7};
    json_t *j = tally_test_job(other, 3, TALLY_TEST_ISSUED);

    refused(j, TALLY_R_E_FEDERATION, "another federation; this one's id is ");
    json_decref(j);
    j = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);
    json_object_set_new(j, "federation_version", json_integer(2));
    refused(j, TALLY_R_E_FEDERATION, "needs version 2, and version 1 is in force");
    json_decref(j);
    j = tally_test_job(fed.id, 4, TALLY_TEST_ISSUED);
    refused(j, TALLY_R_NONE, "participants[3]: bank-4 has no agent");
    json_decref(j);
    j = tally_test_job(fed.id, 1, TALLY_TEST_ISSUED);
    json_object_set_new(j, "cohort_min", json_integer(1));
    refused(j, TALLY_R_NONE, "1 can never give the 2 votes");
    json_decref(j);
}
END_TEST

START_TEST(a_job_counts_in_its_time_only)
{
    json_t *j = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);

    ck_assert_int_eq(open_as(TALLY_MODE_TEST, j, OWNER, TALLY_TEST_ISSUED + 86399), TALLY_OK);
    ck_assert_int_eq(open_as(TALLY_MODE_TEST, j, OWNER, TALLY_TEST_ISSUED + 86400),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(open_as(TALLY_MODE_TEST, j, OWNER, TALLY_TEST_ISSUED - TALLY_CLOCK_SLACK_S),
                     TALLY_OK);
    ck_assert_int_eq(
        open_as(TALLY_MODE_TEST, j, OWNER, TALLY_TEST_ISSUED - TALLY_CLOCK_SLACK_S - 1),
        TALLY_E_UNTRUSTED);
    json_decref(j);
}
END_TEST

START_TEST(a_revoked_owners_key_signs_no_job)
{
    static struct tally_revocations revoked;
    struct tally_revocation r = {.kind = TALLY_REVOKE_DOCUMENT_KEY, .issued_s = NOW};
    json_t *j = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, j, OWNER);
    struct tally_job job = {0};

    memcpy(r.value, fed.parties[0].document_key, 32);
    ck_assert_int_eq(tally_revocations_add(&revoked, &r), TALLY_OK);
    ck_assert_int_eq(tally_job_open(&d, &fed, &revoked, NOW, &job), TALLY_E_AUTH);
    tally_dsse_free(&d);
    json_decref(j);
}
END_TEST

START_TEST(a_summary_says_who_signed_and_who_did_not)
{
    json_t *j = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, j, OWNER | BANK2);
    struct tally_job job = {0};

    ck_assert_int_eq(tally_job_open(&d, &fed, NULL, NOW, &job), TALLY_OK);
    json_t *s = tally_job_summary(&job, &d, &fed, NULL);
    json_t *have = json_object_get(s, "signed"), *missing = json_object_get(s, "missing");
    ck_assert_uint_eq(json_array_size(have), 1);
    ck_assert_str_eq(json_string_value(json_array_get(have, 0)), "bank-2");
    ck_assert_uint_eq(json_array_size(missing), 2);
    ck_assert(json_equal(json_object_get(s, "document"), j));
    json_decref(s);
    tally_job_free(&job);
    tally_dsse_free(&d);
    json_decref(j);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jobdoc");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, the_owners_signature_opens_a_job_and_nobody_elses);
    tcase_add_test(t, a_job_that_does_not_fit_the_federation_is_refused);
    tcase_add_test(t, a_job_counts_in_its_time_only);
    tcase_add_test(t, a_revoked_owners_key_signs_no_job);
    tcase_add_test(t, a_summary_says_who_signed_and_who_did_not);
    return tally_suite_run("common/jobdoc", t);
}
