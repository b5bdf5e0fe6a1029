/* test_cmd_evidence_policy.c - `evidence policy new|sign|show` and `verify --policy FILE` by such a
 * document, over genuine evidence and its built-in root. */
#include "tests/agent/evidence_policy_fixture.h"

/* ---- making a policy ---- */

START_TEST(new_prints_what_sign_takes)
{
    ck_assert_int_eq(RUN("policy", "new", "--name", "audit-2026", "--days", "7"), 0);
    json_t *j = out_json();
    ck_assert_str_eq(text(j, "type"), "policy");
    ck_assert_str_eq(text(j, "name"), "audit-2026");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "expires")) -
                         json_integer_value(json_object_get(j, "issued")),
                     7 * 86400);
    ck_assert_uint_eq(json_array_size(json_object_get(j, "measurements")), 0);
    sign(j, "new.json", 1);
    ck_assert_int_eq(RUN("policy", "new"), 2);
    ck_assert_int_eq(RUN("policy", "new", "--name", "A b"), 2);
    ck_assert_int_eq(RUN("policy", "new", "--name", "a", "--days", "0"), 2);
    ck_assert_int_eq(RUN("policy", "new", "--name", "a", "more"), 2);
}
END_TEST

START_TEST(sign_adds_and_show_counts)
{
    char digest[80];

    sign(payload(), "two.json", 1);
    ck_assert_int_eq(RUN("policy", "show", in_dir("two.json"), "--json"), 0);
    json_t *j = out_json();
    ck_assert_int_eq(json_integer_value(json_object_get(j, "signatures")), 1);
    ck_assert_str_eq(text(json_object_get(j, "payload"), "name"), "audit");
    (void)snprintf(digest, sizeof digest, "%s", text(j, "digest"));
    ck_assert(strncmp(digest, "sha256:", 7) == 0 && strlen(digest) == 71);
    json_decref(j);

    ck_assert_int_eq(RUN("policy", "sign", in_dir("two.json"), "--key", in_dir("b.key"), "--out",
                         in_dir("two.json"), "--json"),
                     0);
    j = out_json();
    ck_assert_int_eq(json_integer_value(json_object_get(j, "signatures")), 2);
    ck_assert_str_eq(text(j, "digest"), digest); /* the same bytes */
    ck_assert_str_eq(text(j, "key"), keys[1]);
    json_decref(j);
    ck_assert_int_eq(RUN("policy", "sign", in_dir("two.json"), "--key", in_dir("a.key"), "--out",
                         in_dir("two.json"), "--json"),
                     0);
    j = out_json();
    ck_assert_int_eq(json_integer_value(json_object_get(j, "signatures")), 2); /* not twice */
    json_decref(j);
    ck_assert_int_eq(RUN("policy", "show", in_dir("two.json")), 0);
}
END_TEST

START_TEST(what_is_no_policy_is_not_signed)
{
    json_t *j = payload();

    (void)json_object_set_new(snp_of(j), "debug", json_true());
    ck_assert_int_eq(json_dump_file(j, in_dir("bad.json"), 0), 0);
    json_decref(j);
    ck_assert_int_eq(RUN("policy", "sign", in_dir("bad.json"), "--key", in_dir("a.key"), "--out",
                         in_dir("never.json")),
                     1);
    write_text("bad.json", "{}");
    ck_assert_int_eq(RUN("policy", "sign", in_dir("bad.json"), "--key", in_dir("a.key"), "--out",
                         in_dir("never.json")),
                     1);
    ck_assert_int_eq(RUN("policy", "show", in_dir("bad.json"), "--json"), 1);
    ck_assert_int_eq(RUN("policy", "sign", in_dir("absent.json"), "--key", in_dir("a.key"), "--out",
                         in_dir("never.json")),
                     1);
    ck_assert_int_ne(access(in_dir("never.json"), F_OK), 0);
}
END_TEST

START_TEST(a_key_of_a_test_party_or_of_another_kind_signs_no_policy)
{
    static const char *const bad[] = {"test.key", "session.key", "absent.key"};

    sign(payload(), "good.json", 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(RUN("policy", "sign", in_dir("good.json"), "--key", in_dir(bad[i]),
                             "--out", in_dir("never.json")),
                         1);
    ck_assert_int_ne(access(in_dir("never.json"), F_OK), 0);
    ck_assert_int_eq(RUN("policy", "sign", in_dir("good.json"), "--out", in_dir("x.json")), 2);
    ck_assert_int_eq(RUN("policy", "sign", "--key", in_dir("a.key"), "--out", in_dir("x.json")), 2);
}
END_TEST

/* ---- judging by it ---- */

static int verify(const char *policy, const char *at, const char *key, const char *second)
{
    const char *words[ARGS];
    size_t n = 0;

    words_of(words, at);
    while (words[n] != NULL) n++;
    words[n++] = "--policy";
    words[n++] = in_dir(policy);
    if (key != NULL) {
        words[n++] = "--policy-key";
        words[n++] = key;
    }
    if (second != NULL) {
        words[n++] = "--policy-key";
        words[n] = second;
    }
    return run(words);
}

START_TEST(evidence_is_judged_by_a_signed_policy)
{
    sign(payload(), "p.json", 1);
    ck_assert_int_eq(verify("p.json", AT, keys[0], NULL), 0);
    json_t *j = out_json();
    ck_assert_str_eq(text(j, "verdict"), "trusted");
    ck_assert_str_eq(text(json_object_get(j, "claims"), "trust"), "hardware");
    json_decref(j);
}
END_TEST

START_TEST(every_key_that_is_asked_for_must_have_signed)
{
    sign(payload(), "a.json", 1);
    sign(payload(), "ab.json", 3);
    ck_assert_int_eq(verify("ab.json", AT, keys[0], keys[1]), 0);
    ck_assert_int_eq(verify("ab.json", AT, keys[1], NULL), 0);
    ck_assert_int_eq(verify("a.json", AT, keys[0], keys[1]), 1);
    ck_assert(says("E_AUTH"));
    ck_assert_int_eq(verify("a.json", AT, keys[1], NULL), 1);
    ck_assert(says("E_AUTH"));
    ck_assert_int_eq(verify("a.json", AT, NULL, NULL), 1); /* nobody's */
    ck_assert(says("E_AUTH"));
    ck_assert_int_eq(verify("payload.json", AT, keys[0], NULL), 1); /* not signed at all */
    ck_assert_int_ne(verify("a.json", AT, "AAAA", NULL), 0);        /* no key */
    ck_assert_int_ne(verify("absent.json", AT, keys[0], NULL), 0);
}
END_TEST

START_TEST(a_policy_holds_from_its_beginning_to_its_end)
{
    sign(payload(), "p.json", 1);
    ck_assert_int_eq(verify("p.json", "2025-08-31T23:59:59Z", keys[0], NULL), 1);
    ck_assert(says("E_CERT_NOT_YET_VALID"));
    ck_assert_int_eq(verify("p.json", "2025-12-01T00:00:01Z", keys[0], NULL), 1);
    ck_assert(says("E_CERT_EXPIRED"));
}
END_TEST

START_TEST(its_rules_and_its_measurements_are_what_counts)
{
    json_t *j = payload();
    json_t *products = json_pack("[s]", "turin");

    (void)json_object_set_new(snp_of(j), "products", products);
    sign(j, "turin.json", 1);
    ck_assert_int_eq(verify("turin.json", AT, keys[0], NULL), 1);
    ck_assert(says("E_PRODUCT"));

    j = payload();
    measurement[0] = measurement[0] == '0' ? '1' : '0'; /* a forked test's own copy */
    (void)json_object_set_new(j, "measurements",
                              json_pack("[{s:s, s:s}]", "tee", "snp", "digest", measurement));
    sign(j, "other.json", 1);
    ck_assert_int_eq(verify("other.json", AT, keys[0], NULL), 1);
    ck_assert(says("E_MEASUREMENT"));

    j = payload();
    (void)json_array_clear(json_object_get(j, "measurements"));
    sign(j, "none.json", 1);
    ck_assert_int_eq(verify("none.json", AT, keys[0], NULL), 3); /* nothing to compare with */
    ck_assert(says("E_MEASUREMENT"));

    j = payload();
    (void)json_object_del(json_object_get(j, "policy"), "snp");
    sign(j, "tdx.json", 1);
    ck_assert_int_eq(verify("tdx.json", AT, keys[0], NULL), 1);
    ck_assert(says("E_TEE_TYPE"));
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("cmd_evidence_policy");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, new_prints_what_sign_takes);
    tcase_add_test(t, sign_adds_and_show_counts);
    tcase_add_test(t, what_is_no_policy_is_not_signed);
    tcase_add_test(t, a_key_of_a_test_party_or_of_another_kind_signs_no_policy);
    tcase_add_test(t, evidence_is_judged_by_a_signed_policy);
    tcase_add_test(t, every_key_that_is_asked_for_must_have_signed);
    tcase_add_test(t, a_policy_holds_from_its_beginning_to_its_end);
    tcase_add_test(t, its_rules_and_its_measurements_are_what_counts);
    return tally_suite_run("agent/cmd_evidence_policy", t);
}
