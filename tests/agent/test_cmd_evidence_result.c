/* test_cmd_evidence_result.c - `evidence verify --ear` and `evidence result`: what a relying party
 * believes of a token. */
#include "tests/agent/evidence_policy_fixture.h"

/* As verify, with a token; measured: with the right measurement, else another. */
static int token(const char *key, const char *audience, bool measured)
{
    const char *words[ARGS];
    char other[sizeof measurement];
    size_t n = 0;

    memcpy(other, measurement, sizeof other);
    if (!measured) other[5] = other[5] == '0' ? '1' : '0';
    words_of(words, AT);
    while (words[n] != NULL) n++;
    words[n++] = "--measurement";
    words[n++] = other;
    words[n++] = "--ear";
    words[n++] = in_dir("token.jwt");
    words[n++] = "--ear-key";
    words[n++] = in_dir(key);
    if (audience != NULL) {
        words[n++] = "--audience";
        words[n] = audience;
    }
    return run(words);
}

#define RESULT(key, ...) \
    RUN("result", in_dir("token.jwt"), "--key", in_dir(key), "--json", __VA_ARGS__)
#define SOON  "2025-10-01T00:30:00Z"
#define LATER "2025-10-01T01:00:01Z"

static bool result_is(const char *status)
{
    json_t *j = out_json();
    bool same = strcmp(text(j, "status"), status) == 0;

    json_decref(j);
    return same;
}

START_TEST(a_good_verdict_makes_an_affirming_token)
{
    static const char *const names[] = {"ed", "p384"};

    for (size_t i = 0; i < 2; i++) {
        char secret[16], open_key[16];
        (void)snprintf(secret, sizeof secret, "%s.pem", names[i]);
        (void)snprintf(open_key, sizeof open_key, "%s.pub", names[i]);
        ck_assert_int_eq(token(secret, "relying.example", true), 0);
        ck_assert_int_eq(RESULT(open_key, "--at", SOON, "--audience", "relying.example"), 0);
        json_t *j = out_json();
        const json_t *cpu =
            json_object_get(json_object_get(json_object_get(j, "claims"), "submods"), "cpu");
        ck_assert_str_eq(text(j, "status"), "affirming");
        ck_assert_str_eq(text(cpu, "ear_status"), "affirming");
        ck_assert_str_eq(
            json_string_value(json_array_get(json_object_get(cpu, "ear_appraisal_policy_ids"), 0)),
            "strict");
        json_decref(j);
    }
}
END_TEST

START_TEST(a_token_is_for_whom_and_when_it_says)
{
    ck_assert_int_eq(token("ed.pem", "relying.example", true), 0);
    ck_assert_int_eq(RESULT("ed.pub", "--at", SOON, "--audience", "another.example"), 1);
    ck_assert(says("E_IDENTITY"));
    ck_assert_int_eq(RESULT("ed.pub", "--at", SOON), 1);
    ck_assert(says("E_IDENTITY"));
    ck_assert_int_eq(RESULT("ed.pub", "--at", LATER, "--audience", "relying.example"), 1);
    ck_assert(says("E_CERT_EXPIRED"));
    ck_assert_int_eq(
        RESULT("ed.pub", "--at", "2025-09-30T23:00:00Z", "--audience", "relying.example"), 1);
    ck_assert(says("E_CERT_NOT_YET_VALID"));
    ck_assert_int_eq(
        RESULT("ed.pub", "--at", SOON, "--audience", "relying.example", "--nonce", "0011"), 1);
    ck_assert(says("E_REPORT_DATA"));
}
END_TEST

START_TEST(a_token_of_another_key_or_algorithm_is_refused)
{
    ck_assert_int_eq(token("ed.pem", NULL, true), 0);
    ck_assert_int_eq(RESULT("ed2.pub", "--at", SOON), 1);
    ck_assert(says("E_SIGNATURE"));
    ck_assert_int_eq(RESULT("p384.pub", "--at", SOON), 1);
    ck_assert(says("E_ALGORITHM"));
    ck_assert_int_eq(RESULT("absent.pub", "--at", SOON), 1);
    ck_assert_int_eq(RUN("result", in_dir("token.jwt"), "--json"), 2);
    write_text("token.jwt", "a.b");
    ck_assert_int_eq(RESULT("ed.pub", "--at", SOON), 1);
}
END_TEST

START_TEST(a_refusal_is_a_token_too_and_never_an_affirming_one)
{
    ck_assert_int_eq(token("ed.pem", NULL, false), 1);
    ck_assert(says("E_MEASUREMENT"));
    ck_assert_int_eq(RESULT("ed.pub", "--at", SOON), 1);
    ck_assert(result_is("contraindicated"));
}
END_TEST

START_TEST(a_token_names_the_policy_by_its_digest)
{
    const char *words[ARGS];
    char digest[80] = "";
    size_t n = 0;

    sign(payload(), "p.json", 1);
    ck_assert_int_eq(RUN("policy", "show", in_dir("p.json"), "--json"), 0);
    json_t *j = out_json();
    (void)snprintf(digest, sizeof digest, "%s", text(j, "digest"));
    json_decref(j);
    words_of(words, AT);
    while (words[n] != NULL) n++;
    const char *const more[] = {"--policy", in_dir("p.json"),    "--policy-key", keys[0],
                                "--ear",    in_dir("token.jwt"), "--ear-key",    in_dir("ed.pem")};
    memcpy(words + n, more, sizeof more);
    ck_assert_int_eq(run(words), 0);
    ck_assert_int_eq(RESULT("ed.pub", "--at", SOON), 0);
    j = out_json();
    const json_t *cpu =
        json_object_get(json_object_get(json_object_get(j, "claims"), "submods"), "cpu");
    ck_assert_str_eq(
        json_string_value(json_array_get(json_object_get(cpu, "ear_appraisal_policy_ids"), 0)),
        digest + strlen("sha256:"));
    json_decref(j);
}
END_TEST

START_TEST(a_key_that_cannot_sign_a_token_fails_the_call)
{
    ck_assert_int_eq(token("p256.pem", NULL, true), 1);
    ck_assert_int_eq(token("ed.pub", NULL, true), 1);
    ck_assert_int_eq(token("absent.pem", NULL, true), 1);
    ck_assert_int_ne(access(in_dir("token.jwt"), F_OK), 0);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("cmd_evidence_result");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_good_verdict_makes_an_affirming_token);
    tcase_add_test(t, a_token_is_for_whom_and_when_it_says);
    tcase_add_test(t, a_token_of_another_key_or_algorithm_is_refused);
    tcase_add_test(t, a_refusal_is_a_token_too_and_never_an_affirming_one);
    tcase_add_test(t, a_token_names_the_policy_by_its_digest);
    tcase_add_test(t, a_key_that_cannot_sign_a_token_fails_the_call);
    return tally_suite_run("agent/cmd_evidence_result", t);
}
