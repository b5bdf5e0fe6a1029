/* test_tdx_json.c - common/attest/tdx_json.c: what is JSON and what only looks like it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/tdx_json.h"
#include "tests/lib/suite.h"

static bool skips(const char *text)
{
    size_t n = strlen(text);
    uint8_t *exact = malloc(n > 0 ? n : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, n);
    struct tally_tdx_json j = tally_tdx_json_from(tally_slice_of(exact, n));
    struct tally_slice s = tally_tdx_json_skip(&j);
    bool good = tally_tdx_json_end(&j, "text") == TALLY_OK;
    ck_assert(!good || s.len <= n);
    free(exact);
    return good;
}

START_TEST(every_json_value_is_passed_over_and_nothing_else)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [ ] ",
                                       "0",
                                       "-0",
                                       "10",
                                       "1.5",
                                       "1e9",
                                       "-1.25E+3",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "\"a\\n\\u00ff\\\"\"",
                                       "{\"a\":1}",
                                       "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":[]}",
                                       "[[[[[[[[1]]]]]]]]",
                                       "\t{\r\n\"a\" : [ 1 , 2 ]\n}\n",
                                       "[{},{}]",
                                       "{\"a\":[],\"b\":{}}"};
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{a:1}",
                                      "{1:2}",
                                      "[1 2]",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "+1",
                                      "tru",
                                      "truex",
                                      "nul",
                                      "\"",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "[1]]",
                                      "{}{}",
                                      "[}",
                                      "{]",
                                      "[[[[[[[[[1]]]]]]]]]",
                                      "1 2",
                                      "/**/1",
                                      "'a'",
                                      "NaN"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(skips(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!skips(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(ten_thousand_levels_are_refused_without_harm)
{
    static char text[20001];

    memset(text, '[', 10000);
    memset(text + 10000, ']', 10000);
    ck_assert(!skips(text));
    for (size_t i = 0; i + 5 <= 10000; i += 5) memcpy(text + i, "{\"a\":", 5);
    ck_assert(!skips(text));
}
END_TEST

START_TEST(every_prefix_of_a_value_is_refused)
{
    static const char text[] = "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":\"x\\u0041\"}";
    char copy[sizeof text];

    for (size_t n = 0; n < sizeof text - 1; n++) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        ck_assert_msg(!skips(copy), "%s", copy);
    }
    ck_assert(skips(text));
}
END_TEST

static enum tally_status two_keys(const char *text)
{
    struct tally_tdx_json j = tally_tdx_json_from(tally_slice_str(text));
    struct tally_tdx_json_object o;
    struct tally_slice key;

    tally_tdx_json_open(&j, &o);
    while (tally_tdx_json_next(&j, &o, &key)) (void)tally_tdx_json_skip(&j);
    return tally_tdx_json_end(&j, "object");
}

START_TEST(a_key_stands_once_in_an_object)
{
    ck_assert_int_eq(two_keys("{\"a\":1,\"b\":{\"a\":2}}"), TALLY_OK);
    ck_assert_int_ne(two_keys("{\"a\":1,\"b\":2,\"a\":1}"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
    ck_assert_int_ne(two_keys("{\"a\\u0061\":1}"), TALLY_OK); /* keys have no escapes */
    ck_assert_int_ne(two_keys("[]"), TALLY_OK);
    ck_assert_int_ne(two_keys("{\"a\":1}x"), TALLY_OK);
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
    char text[1024] = "{";

    for (int i = 0; i <= TALLY_TDX_JSON_KEYS_MAX; i++) {
        char pair[16];
        (void)snprintf(pair, sizeof pair, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
        strcat(text, pair);
    }
    strcat(text, "}");
    ck_assert_int_ne(two_keys(text), TALLY_OK);
}
END_TEST

static bool number(const char *text, uint32_t max, uint32_t want)
{
    struct tally_tdx_json j = tally_tdx_json_from(tally_slice_str(text));
    uint32_t n = tally_tdx_json_uint(&j, max);

    return tally_tdx_json_end(&j, "number") == TALLY_OK && n == want;
}

START_TEST(numbers_are_plain_and_within_their_range)
{
    static const char *const bad[] = {
        "256", "-1", "1.0",   "1e1", "01",
        "00",  "+1", "\"1\"", "",    "99999999999999999999999999999999",
        "0x1", "1a"};

    ck_assert(number("0", 255, 0) && number(" 255 ", 255, 255));
    ck_assert(number("4294967295", UINT32_MAX, UINT32_MAX));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tally_tdx_json j = tally_tdx_json_from(tally_slice_str(bad[i]));
        (void)tally_tdx_json_uint(&j, UINT8_MAX);
        ck_assert_msg(tally_tdx_json_end(&j, "number") != TALLY_OK, "%s", bad[i]);
    }
}
END_TEST

static uint64_t time_of(const char *text)
{
    struct tally_tdx_json j = tally_tdx_json_from(tally_slice_str(text));
    uint64_t s = tally_tdx_json_time(&j);

    return tally_tdx_json_end(&j, "time") == TALLY_OK ? s : UINT64_MAX;
}

START_TEST(times_are_of_the_calendar)
{
    static const char *const bad[] = {"\"2025-02-29T00:00:00Z\"", "\"2024-02-30T00:00:00Z\"",
                                      "\"2100-02-29T00:00:00Z\"", "\"2025-13-01T00:00:00Z\"",
                                      "\"2025-00-01T00:00:00Z\"", "\"2025-01-00T00:00:00Z\"",
                                      "\"2025-04-31T00:00:00Z\"", "\"2025-01-01T24:00:00Z\"",
                                      "\"2025-01-01T00:60:00Z\"", "\"2025-01-01T00:00:60Z\"",
                                      "\"1969-12-31T23:59:59Z\"", "\"2025-01-01 00:00:00Z\"",
                                      "\"2025-01-01T00:00:00\"",  "\"2025-01-01T00:00:00z\"",
                                      "\"2025-1-01T00:00:00ZZ\"", "1"};

    ck_assert_uint_eq(time_of("\"1970-01-01T00:00:00Z\""), 0);
    ck_assert_uint_eq(time_of("\"2000-02-29T23:59:59Z\""), 951868799);
    ck_assert_uint_eq(time_of("\"2024-03-13T00:00:00Z\""), 1710288000);
    ck_assert_uint_eq(time_of("\"9999-12-31T23:59:59Z\""), 253402300799);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(time_of(bad[i]) == UINT64_MAX, "%s", bad[i]);
}
END_TEST

START_TEST(hex_has_its_length_and_either_case)
{
    uint8_t out[2];
    struct tally_tdx_json j = tally_tdx_json_from(tally_slice_str("\"aBCd\""));

    tally_tdx_json_hex(&j, out, 2);
    ck_assert_int_eq(tally_tdx_json_end(&j, "hex"), TALLY_OK);
    ck_assert(out[0] == 0xab && out[1] == 0xcd);
    static const char *const bad[] = {"\"abc\"",  "\"abcde\"", "\"abcg\"",
                                      "\"ab d\"", "abcd",      "\"\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        j = tally_tdx_json_from(tally_slice_str(bad[i]));
        tally_tdx_json_hex(&j, out, 2);
        ck_assert_int_ne(tally_tdx_json_end(&j, "hex"), TALLY_OK);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tdx_json");

    tcase_add_test(t, every_json_value_is_passed_over_and_nothing_else);
    tcase_add_test(t, ten_thousand_levels_are_refused_without_harm);
    tcase_add_test(t, every_prefix_of_a_value_is_refused);
    tcase_add_test(t, a_key_stands_once_in_an_object);
    tcase_add_test(t, too_many_keys_are_refused);
    tcase_add_test(t, numbers_are_plain_and_within_their_range);
    tcase_add_test(t, times_are_of_the_calendar);
    tcase_add_test(t, hex_has_its_length_and_either_case);
    return tally_suite_run("common/tdx_json", t);
}
