/* test_tpm_policy.c - common/attest/tpm_policy.c. */
#include <string.h>

#include "common/attest/tpm_policy.h"
#include "tests/lib/suite.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static enum tally_status read_text(const char *text, struct tally_tpm_policy *p)
{
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

    ck_assert_msg(j != NULL, "%s", text);
    enum tally_status s = tally_tpm_policy_from_json(j, p);
    json_decref(j);
    return s;
}

START_TEST(an_empty_object_is_the_strict_policy)
{
    struct tally_tpm_policy p, strict;

    tally_tpm_policy_strict(&strict);
    ck_assert_int_eq(read_text("{}", &p), TALLY_OK);
    ck_assert_mem_eq(&p, &strict, sizeof p);
    ck_assert_uint_eq(p.pcrs, 0xffffff);
    ck_assert_uint_eq(p.eventlog_pcrs, 0x3ff);
    ck_assert(p.require_secure_boot && !p.allow_console && !p.allow_missing_quote &&
              !p.require_eventlog && !p.integrity_only);
}
END_TEST

START_TEST(every_key_is_read_and_written)
{
    static const char text[] =
        "{\"pcrs\":[0,4,7,23],\"values\":{\"4\":[\"" HEX64 "\",\"" HEX64 "\"],\"23\":[\"" HEX64
        "\"]},\"quote\":\"optional\",\"eventlog\":\"required\",\"eventlog_pcrs\":[4],"
        "\"secure_boot\":false,\"console\":true,\"unrestricted_key\":true,\"unsafe_clock\":true}";
    struct tally_tpm_policy p, again;

    ck_assert_msg(read_text(text, &p) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(p.pcrs, 0x800091);
    ck_assert_uint_eq(p.eventlog_pcrs, 0x10);
    ck_assert_uint_eq(p.values_n, 3);
    ck_assert(p.values[0].pcr == 4 && p.values[2].pcr == 23 && p.values[2].value[1] == 0x11);
    ck_assert(p.allow_missing_quote && p.require_eventlog && !p.require_secure_boot &&
              p.allow_console && p.allow_unrestricted_key && p.allow_unsafe_clock);
    json_t *j = tally_tpm_policy_to_json(&p);
    ck_assert_int_eq(tally_tpm_policy_from_json(j, &again), TALLY_OK);
    ck_assert_mem_eq(&p, &again, sizeof p);
    ck_assert_uint_eq(json_object_size(j), 9);
    json_decref(j);
}
END_TEST

START_TEST(what_is_no_policy_is_refused)
{
    static const char *const bad[] = {
        "[]",
        "1",
        "{\"pcr\":[0]}",
        "{\"integrity_only\":true}",
        "{\"pcrs\":[]}",
        "{\"pcrs\":[24]}",
        "{\"pcrs\":[-1]}",
        "{\"pcrs\":[1,1]}",
        "{\"pcrs\":7}",
        "{\"pcrs\":\"any\"}",
        "{\"values\":[]}",
        "{\"values\":{\"24\":[\"" HEX64 "\"]}}",
        "{\"values\":{\"07\":[\"" HEX64 "\"]}}",
        "{\"values\":{\"4\":\"" HEX64 "\"}}",
        "{\"values\":{\"4\":[]}}",
        "{\"values\":{\"4\":[\"00\"]}}",
        "{\"pcrs\":[7],\"values\":{\"4\":[\"" HEX64 "\"]}}",
        "{\"quote\":true}",
        "{\"quote\":\"never\"}",
        "{\"eventlog\":\"no\"}",
        "{\"eventlog_pcrs\":[]}",
        "{\"secure_boot\":1}",
        "{\"console\":null}",
    };
    struct tally_tpm_policy p;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&p, 0x77, sizeof p);
        ck_assert_msg(read_text(bad[i], &p) == TALLY_E_CONFIG, "%s", bad[i]);
        ck_assert_uint_eq(p.pcrs, 0x77777777); /* untouched */
    }
}
END_TEST

START_TEST(more_values_than_there_is_room_for_are_refused)
{
    json_t *values = json_object(), *o = json_pack("{s:o}", "values", values);
    struct tally_tpm_policy p;

    for (int pcr = 0; pcr < 5; pcr++) {
        json_t *list = json_array();
        char key[4];
        for (int i = 0; i < (pcr == 4 ? 1 : 16); i++)
            (void)json_array_append_new(list, json_string(HEX64));
        (void)snprintf(key, sizeof key, "%d", pcr);
        (void)json_object_set_new(values, key, list);
        ck_assert_int_eq(tally_tpm_policy_from_json(o, &p), pcr < 4 ? TALLY_OK : TALLY_E_CONFIG);
    }
    json_decref(o);
}
END_TEST

START_TEST(integrity_asks_for_nothing_but_a_key_that_is_one)
{
    struct tally_tpm_policy p;

    tally_tpm_policy_integrity(&p);
    ck_assert(p.integrity_only && p.pcrs == 0 && p.allow_missing_quote);
    ck_assert(!p.allow_unrestricted_key && p.values_n == 0 && !p.require_secure_boot);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpm_policy");

    tcase_add_test(t, an_empty_object_is_the_strict_policy);
    tcase_add_test(t, every_key_is_read_and_written);
    tcase_add_test(t, what_is_no_policy_is_refused);
    tcase_add_test(t, more_values_than_there_is_room_for_are_refused);
    tcase_add_test(t, integrity_asks_for_nothing_but_a_key_that_is_one);
    return tally_suite_run("tpm_policy", t);
}
