/* test_text.c - common/text.c: one spelling for everything. */
#include "common/text.h"

#include <string.h>

#include "tests/lib/suite.h"

START_TEST(hex_goes_both_ways)
{
    const uint8_t bytes[] = {0x00, 0x7f, 0x80, 0xff, 0x1a};
    char text[2 * sizeof bytes + 1];
    uint8_t back[sizeof bytes];

    tally_hex(TALLY_SLICE(bytes), text);
    ck_assert_str_eq(text, "007f80ff1a");
    ck_assert_int_eq(tally_unhex(text, back, sizeof back), TALLY_OK);
    ck_assert_mem_eq(back, bytes, sizeof bytes);
    ck_assert_int_eq(tally_unhex("007F80fF1A", back, sizeof back), TALLY_OK);
    ck_assert_mem_eq(back, bytes, sizeof bytes);
    ck_assert_int_eq(tally_unhex("", back, 0), TALLY_OK);
}
END_TEST

START_TEST(loose_hex_is_refused)
{
    static const char *const bad[] = {".",      "..",    "",     "0",         "000",   "00000",
                                      "000000", "0g00",  "00 0", " 0000",     "0000 ", "00:0",
                                      "0x00",   "000\n", "-000", "00\xc3\xa4"};
    uint8_t out[2];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(tally_unhex(bad[i], out, sizeof out) == TALLY_E_WIRE, "%s", bad[i]);
    ck_assert_int_eq(tally_unhex("0", out, 0), TALLY_E_WIRE);
}
END_TEST

static enum tally_status decode(const char *text, uint8_t *out, size_t cap, size_t *len)
{
    return tally_unbase64(text, strlen(text), out, cap, len);
}

/* RFC 4648 section 10. */
START_TEST(base64_goes_both_ways)
{
    static const char *const pairs[][2] = {
        {"",       ""        },
        {"f",      "Zg=="    },
        {"fo",     "Zm8="    },
        {"foo",    "Zm9v"    },
        {"foob",   "Zm9vYg=="},
        {"fooba",  "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    char text[TALLY_BASE64_SIZE(6)];
    uint8_t back[6];
    size_t len = 99;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        tally_base64(tally_slice_str(pairs[i][0]), text);
        ck_assert_str_eq(text, pairs[i][1]);
        ck_assert_uint_eq(TALLY_BASE64_SIZE(strlen(pairs[i][0])), strlen(text) + 1);
        ck_assert_int_eq(decode(text, back, sizeof back, &len), TALLY_OK);
        ck_assert_uint_eq(len, strlen(pairs[i][0]));
        ck_assert_mem_eq(back, pairs[i][0], len);
    }
}
END_TEST

START_TEST(loose_base64_is_refused)
{
    static const char *const bad[] = {
        ".",     "..",   "Zg",       "Zg=",   "Zg===",    "Zh==",   "Zm9=",
        "Z",     "=",    "==",       "====",  "Zm 8=",    "Zm8=\n", " Zm8=",
        "Zm8= ", "-_-_", "Zm8=Zg==", "Zm9v=", "Zg==Zg==", "Zm9*",   "Zm9vY"};
    uint8_t out[16];
    size_t len = 99;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(decode(bad[i], out, sizeof out, &len) == TALLY_E_WIRE, "%s", bad[i]);
    ck_assert_int_eq(tally_unbase64("Zm9v\0Zm9v", 9, out, sizeof out, &len), TALLY_E_WIRE);
    ck_assert_int_eq(decode("Zm9vYmFy", out, 5, &len), TALLY_E_WIRE);
    ck_assert_uint_eq(len, 99);
}
END_TEST

START_TEST(times_go_both_ways)
{
    static const struct {
        uint64_t s;
        const char *text;
    } times[] = {
        {0,            "1970-01-01T00:00:00Z"},
        {951782400,    "2000-02-29T00:00:00Z"},
        {1767225599,   "2025-12-31T23:59:59Z"},
        {4102444800,   "2100-01-01T00:00:00Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
    };
    char text[TALLY_TIME_TEXT_SIZE];
    uint64_t back;

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        tally_time_text(times[i].s, text);
        ck_assert_str_eq(text, times[i].text);
        ck_assert_int_eq(tally_time_parse(text, &back), TALLY_OK);
        ck_assert_uint_eq(back, times[i].s);
    }
    tally_time_text(UINT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
}
END_TEST

START_TEST(loose_times_are_refused)
{
    static const char *const bad[] = {".",
                                      "..",
                                      "",
                                      "2026-01-31",
                                      "2026-01-31T00:00:00",
                                      "2026-01-31 00:00:00Z",
                                      "2026-01-31T00:00:00z",
                                      "2026-01-31T00:00:00Z ",
                                      " 2026-01-31T00:00:00Z",
                                      "2026-1-31T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-02-30T00:00:00Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-01-31T24:00:00Z",
                                      "2026-01-31T00:00:60Z",
                                      "2026-01-31T00:00:00.5Z",
                                      "2026-01-31T00:00:00+00:00",
                                      "1969-12-31T23:59:59Z",
                                      "-026-01-31T00:00:00Z",
                                      "+2026-01-31T00:00:00Z",
                                      "10000-01-01T00:00:00Z"};
    uint64_t s = 7;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(tally_time_parse(bad[i], &s) == TALLY_E_WIRE, "%s", bad[i]);
    ck_assert_uint_eq(s, 7);
}
END_TEST

START_TEST(names_are_1_to_63_of_their_alphabet)
{
    static const char *const good[] = {"a", "bank-1", "a.b_c-9", "-", "0"};
    static const char *const bad[] = {".",   "..",  "",         "A",   "bank 1",
                                      "a/b", "a\n", "\xc3\xa4", "a\\", "a:b"};
    char text[TALLY_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(tally_name_ok(tally_slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!tally_name_ok(tally_slice_str(bad[i])), "%s", bad[i]);
    memset(text, 'a', sizeof text);
    ck_assert(tally_name_ok(tally_slice_of(text, TALLY_NAME_MAX)));
    ck_assert(!tally_name_ok(tally_slice_of(text, TALLY_NAME_MAX + 1)));
    ck_assert(!tally_name_ok(tally_slice_of("a\0b", 3)));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("text");

    tcase_add_test(t, hex_goes_both_ways);
    tcase_add_test(t, loose_hex_is_refused);
    tcase_add_test(t, base64_goes_both_ways);
    tcase_add_test(t, loose_base64_is_refused);
    tcase_add_test(t, times_go_both_ways);
    tcase_add_test(t, loose_times_are_refused);
    tcase_add_test(t, names_are_1_to_63_of_their_alphabet);
    return tally_suite_run("common/text", t);
}
