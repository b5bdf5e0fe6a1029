/* test_cell.c - common/cell.c: what a field means, to the last bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/cell.h"
#include "tests/lib/suite.h"

static enum tally_cell number(const char *text, enum tally_mark *mark, double *x)
{
    return tally_cell_number(tally_slice_str(text), mark, x);
}

START_TEST(every_decimal_is_the_double_nearest_to_it)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "+7",
                                        "007",
                                        "000000000012.95",
                                        "-1.5",
                                        ".5",
                                        "5.",
                                        "1e5",
                                        "1E-3",
                                        "1e+22",
                                        "123456789012345678",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "0.1",
                                        "0.30000000000000004",
                                        "1.7976931348623157e-300",
                                        "4.9e-324",
                                        "2.2250738585072011e-308",
                                        "1e-400",
                                        "1e23",
                                        "8.41e21",
                                        "9e99",
                                        "179769313486231570.814527423731704356798070",
                                        "3.14159265358979323846",
                                        "100000000000000000000000000000000000000000",
                                        "0.00000000000000000000000000000000000000001",
                                        "6929495644600919.5",
                                        "-2.5000000000000000000000000000001",
                                        "0e999999999999"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum tally_mark mark = TALLY_MARK_UNKNOWN;
        double x = -1, want = strtod(texts[i], NULL);
        ck_assert_int_eq(number(texts[i], &mark, &x), TALLY_CELL_OK);
        ck_assert_msg(memcmp(&x, &want, sizeof x) == 0, "%s: %.17g, not %.17g", texts[i], x, want);
    }
}
END_TEST

START_TEST(random_decimals_are_read_as_the_c_library_reads_them)
{
    uint64_t state = 88172645463325252ULL;

    for (int i = 0; i < 200000; i++) {
        char text[64];
        enum tally_mark mark = TALLY_MARK_UNKNOWN;
        double x = -1;
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        int digits = 1 + (int)(state % 20), exponent = (int)(state >> 8 & 63) - 32;
        (void)snprintf(text, sizeof text, "%.*ge%d", digits, (double)(state >> 11) * 1e-9,
                       exponent);
        if (strchr(strchr(text, 'e') + 1, 'e') != NULL) continue;
        double want = strtod(text, NULL);
        ck_assert_int_eq(number(text, &mark, &x), TALLY_CELL_OK);
        ck_assert_msg(memcmp(&x, &want, sizeof x) == 0, "%s", text);
    }
}
END_TEST

START_TEST(what_is_no_number_is_refused)
{
    static const char *const texts[] = {
        "abc",   "1,234.5", "1.234,5", "1 000", "0x10", "inf",   "Infinity", "1e", "e5",
        ".",     ",",       "-",       "+",     "--1",  "1.2.3", "12%",      "$5", "1_000",
        "1e5.5", "1e101",   "-1e300",  "1f",    "NaN1", "1'000", "(5)",      "5-"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum tally_mark mark = TALLY_MARK_UNKNOWN;
        double x = 42;
        ck_assert_msg(number(texts[i], &mark, &x) == TALLY_CELL_BAD, "%s", texts[i]);
        ck_assert_msg(x > 41 && x < 43 && mark == TALLY_MARK_UNKNOWN, "%s left a trace", texts[i]);
    }
}
END_TEST

START_TEST(nothing_has_several_spellings)
{
    static const char *const texts[] = {"", "NA", "na", "N/A", "NULL", "null", "NaN", "nan"};
    enum tally_mark mark = TALLY_MARK_UNKNOWN;
    double x = 0;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_int_eq(number(texts[i], &mark, &x), TALLY_CELL_MISSING);
    ck_assert(!tally_cell_missing(tally_slice_str("NAN0")));
    ck_assert(!tally_cell_missing(tally_slice_str("n")));
    ck_assert(!tally_cell_missing(tally_slice_str("0")));
}
END_TEST

START_TEST(the_first_fraction_settles_the_decimal_mark)
{
    enum tally_mark mark = TALLY_MARK_UNKNOWN;
    double x = 0;

    ck_assert_int_eq(number("12", &mark, &x), TALLY_CELL_OK);
    ck_assert_int_eq(mark, TALLY_MARK_UNKNOWN);
    ck_assert_int_eq(number("-3,25", &mark, &x), TALLY_CELL_OK);
    ck_assert_double_eq_tol(x, -3.25, 1e-12);
    ck_assert_int_eq(mark, TALLY_MARK_COMMA);
    ck_assert_int_eq(number("3.25", &mark, &x), TALLY_CELL_OTHER_MARK);
    ck_assert_int_eq(number("1,5e3", &mark, &x), TALLY_CELL_OK);
    ck_assert_double_eq_tol(x, 1500, 1e-12);
}
END_TEST

START_TEST(a_number_of_any_length_is_read_or_refused)
{
    char text[TALLY_CELL_NUMBER_MAX + 2];
    enum tally_mark mark = TALLY_MARK_UNKNOWN;
    double x = 0;

    memset(text, '0', sizeof text);
    text[TALLY_CELL_NUMBER_MAX - 1] = '7';
    ck_assert_int_eq(tally_cell_number(tally_slice_of(text, TALLY_CELL_NUMBER_MAX), &mark, &x),
                     TALLY_CELL_OK);
    ck_assert_double_eq_tol(x, 7, 1e-12);
    ck_assert_int_eq(tally_cell_number(tally_slice_of(text, TALLY_CELL_NUMBER_MAX + 1), &mark, &x),
                     TALLY_CELL_BAD);
}
END_TEST

START_TEST(times_are_seconds_since_1970)
{
    static const struct {
        const char *text;
        double want;
    } good[] = {
        {"1970-01-01",            0         },
        {"1970-01-01T00:00:01Z",  1         },
        {"2018-04-01 00:00:31",   1522540831},
        {"2000-02-29T23:59",      951868740 },
        {"2022/09/01 00:20",      1661991600},
        {"1969-12-31 23:59:59.5", -0.5      },
        {"1522540831",            1522540831},
        {"86400.25",              86400.25  }
    };
    static const char *const bad[] = {"2018-02-29",
                                      "2018-13-01",
                                      "2018-00-10",
                                      "2018-01-32",
                                      "2018-1-1",
                                      "01.02.2018",
                                      "2018-01-01T24:00",
                                      "2018-01-01 1",
                                      "2018-01-01T10:60",
                                      "2018-01-01 10:00+02:00",
                                      "12:00",
                                      "2018-01-01x",
                                      "2018-01/01",
                                      "yesterday",
                                      "1,5"};
    double x = 0;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(tally_cell_time(tally_slice_str(good[i].text), &x) == TALLY_CELL_OK, "%s",
                      good[i].text);
        ck_assert_msg(fabs(x - good[i].want) < 1e-6, "%s: %f", good[i].text, x);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(tally_cell_time(tally_slice_str(bad[i]), &x) == TALLY_CELL_BAD, "%s", bad[i]);
    ck_assert_int_eq(tally_cell_time(tally_slice_str(""), &x), TALLY_CELL_MISSING);
}
END_TEST

START_TEST(only_utf8_without_control_characters_is_text)
{
    static const char *const bad[] = {"",
                                      "\xff",
                                      "\xc0\xaf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xc3",
                                      "a\x01",
                                      "a\nb",
                                      "\x7f",
                                      "Z\xfcrich"};
    char longest[TALLY_CELL_TEXT_MAX + 2];

    ck_assert(tally_cell_text_ok(tally_slice_str("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x99\x82")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!tally_cell_text_ok(tally_slice_str(bad[i])), "%zu", i);
    memset(longest, 'a', sizeof longest);
    ck_assert(tally_cell_text_ok(tally_slice_of(longest, TALLY_CELL_TEXT_MAX)));
    ck_assert(!tally_cell_text_ok(tally_slice_of(longest, TALLY_CELL_TEXT_MAX + 1)));
}
END_TEST

START_TEST(one_value_may_be_spelt_in_several_ways)
{
    ck_assert(tally_cell_same(tally_slice_str("1"), tally_slice_str("1.0")));
    ck_assert(tally_cell_same(tally_slice_str("01"), tally_slice_str("1,0")));
    ck_assert(tally_cell_same(tally_slice_str("fraud"), tally_slice_str("fraud")));
    ck_assert(!tally_cell_same(tally_slice_str("fraud"), tally_slice_str("Fraud")));
    ck_assert(!tally_cell_same(tally_slice_str("1"), tally_slice_str("10")));
    ck_assert(!tally_cell_same(tally_slice_str("1"), tally_slice_str("one")));
    ck_assert(!tally_cell_same(tally_slice_str(""), tally_slice_str("0")));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cell");

    tcase_add_test(t, every_decimal_is_the_double_nearest_to_it);
    tcase_add_test(t, random_decimals_are_read_as_the_c_library_reads_them);
    tcase_add_test(t, what_is_no_number_is_refused);
    tcase_add_test(t, nothing_has_several_spellings);
    tcase_add_test(t, the_first_fraction_settles_the_decimal_mark);
    tcase_add_test(t, a_number_of_any_length_is_read_or_refused);
    tcase_add_test(t, times_are_seconds_since_1970);
    tcase_add_test(t, only_utf8_without_control_characters_is_text);
    tcase_add_test(t, one_value_may_be_spelt_in_several_ways);
    return tally_suite_run("cell", t);
}
