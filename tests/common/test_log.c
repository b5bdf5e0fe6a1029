/* test_log.c - common/log.c: what a line looks like, that no value can forge one, and that a flood
 * costs bounded log. */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/status.h"
#include "tests/lib/suite.h"

static int out[2];

static void set_up(void)
{
    ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
    tally_log_setup(TALLY_LOG_TEXT, TALLY_LOG_INFO, out[1]);
}

static const char *said(void)
{
    static char text[1 << 16];
    ssize_t n = read(out[0], text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++) n += *text == '\n';
    return n;
}

START_TEST(a_line_of_text_has_time_level_event_and_fields)
{
    const uint8_t digest[2] = {0xab, 0x01};

    TALLY_LOG(TALLY_LOG_WARN, "round_open", tally_log_str("peer", "bank1/n1"),
              tally_log_str("why", "two words"), tally_log_u64("round", UINT64_MAX),
              tally_log_hex("digest", digest, 2), tally_log_str("empty", NULL));
    const char *text = said();
    ck_assert_str_eq(strchr(text, ' '), " warn  round_open peer=bank1/n1 why=\"two words\" "
                                        "round=18446744073709551615 digest=ab01 empty=\"\"\n");
    ck_assert_int_eq(text[23], 'Z');
}
END_TEST

START_TEST(a_json_line_is_one_object_whatever_the_value)
{
    char nasty[256] = "a\"b\\c\n\r\t\x01\x7f\xff\xc3\xa9{}";
    const size_t n = strlen(nasty);

    tally_log_setup(TALLY_LOG_JSON, TALLY_LOG_INFO, out[1]);
    TALLY_LOG(TALLY_LOG_ERROR, "odd", tally_log_str("v", nasty), tally_log_u64("n", 7));
    const char *text = said();
    ck_assert_uint_eq(lines(text), 1);
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_str_eq(json_string_value(json_object_get(j, "level")), "error");
    ck_assert_str_eq(json_string_value(json_object_get(j, "event")), "odd");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "n")), 7);
    ck_assert_int_eq(strncmp(json_string_value(json_object_get(j, "v")), nasty, n - 5), 0);
    json_decref(j);
}
END_TEST

START_TEST(no_value_can_forge_a_second_line_of_text)
{
    TALLY_LOG(TALLY_LOG_INFO, "e", tally_log_str("v", "x\n2026-01-01T00:00:00.000Z error forged"));
    const char *text = said();
    ck_assert_uint_eq(lines(text), 1);
    ck_assert_ptr_nonnull(strstr(text, "\\u000a"));
}
END_TEST

START_TEST(a_line_is_cut_at_its_limit_and_stays_whole)
{
    char big[4096];
    struct tally_log_field fields[9];

    memset(big, _i ? '\x02' : 'y', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (size_t i = 0; i < 9; i++) fields[i] = tally_log_str("k", big);
    tally_log_setup(TALLY_LOG_JSON, TALLY_LOG_INFO, out[1]);
    tally_log_write(TALLY_LOG_INFO, "big", fields, 9);
    const char *text = said();
    ck_assert_uint_eq(lines(text), 1);
    ck_assert_uint_le(strlen(text), TALLY_LOG_LINE_MAX);
    json_t *j = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "cut")), 1);
    json_decref(j);
}
END_TEST

START_TEST(a_level_below_the_setting_says_nothing)
{
    TALLY_LOG(TALLY_LOG_DEBUG, "quiet", tally_log_u64("n", 1));
    ck_assert_str_eq(said(), "");
    tally_log_setup(TALLY_LOG_TEXT, TALLY_LOG_DEBUG, out[1]);
    TALLY_LOG(TALLY_LOG_DEBUG, "quiet", tally_log_u64("n", 1));
    ck_assert_uint_eq(lines(said()), 1);
}
END_TEST

START_TEST(a_flood_of_one_event_is_bounded_and_silences_no_other)
{
    for (uint64_t i = 0; i < 10000; i++) TALLY_LOG(TALLY_LOG_WARN, "flood", tally_log_u64("i", i));
    size_t n = lines(said());
    ck_assert_uint_ge(n, TALLY_LOG_BURST);
    ck_assert_uint_le(n, TALLY_LOG_BURST + TALLY_LOG_PER_S * 2);
    TALLY_LOG(TALLY_LOG_WARN, "other", tally_log_u64("i", 1));
    ck_assert_uint_eq(lines(said()), 1);
    (void)usleep(300 * 1000);
    TALLY_LOG(TALLY_LOG_WARN, "flood", tally_log_u64("i", 1));
    const char *at = strstr(said(), "suppressed=");
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_ge(strtoul(at + strlen("suppressed="), NULL, 10), 9000);
}
END_TEST

START_TEST(more_events_than_budgets_share_one)
{
    static char names[TALLY_LOG_EVENTS_MAX + 200][8];
    size_t n = 0;

    for (size_t i = 0; i < TALLY_LOG_EVENTS_MAX + 200; i++) {
        (void)snprintf(names[i], sizeof names[i], "e%zu", i);
        TALLY_LOG(TALLY_LOG_INFO, names[i], tally_log_u64("i", i));
        n += lines(said());
    }
    ck_assert_uint_ge(n, TALLY_LOG_EVENTS_MAX + TALLY_LOG_BURST);
    ck_assert_uint_le(n, TALLY_LOG_EVENTS_MAX + TALLY_LOG_BURST + TALLY_LOG_PER_S * 2);
}
END_TEST

static enum tally_status refuse(void)
{
    return TALLY_REFUSE(TALLY_R_E_CHIP, "chip is not in the list");
}

START_TEST(a_failure_is_said_with_status_reason_and_why)
{
    enum tally_status s = refuse();

    TALLY_LOG_WHY(TALLY_LOG_WARN, "refused", s, tally_log_str("peer", "a/b"));
    const char *text = said();
    ck_assert_ptr_nonnull(strstr(text, "status=TALLY_E_UNTRUSTED reason=E_CHIP"));
    ck_assert_ptr_nonnull(strstr(text, "chip is not in the list"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("log");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_line_of_text_has_time_level_event_and_fields);
    tcase_add_test(t, a_json_line_is_one_object_whatever_the_value);
    tcase_add_test(t, no_value_can_forge_a_second_line_of_text);
    tcase_add_loop_test(t, a_line_is_cut_at_its_limit_and_stays_whole, 0, 2);
    tcase_add_test(t, a_level_below_the_setting_says_nothing);
    tcase_add_test(t, a_flood_of_one_event_is_bounded_and_silences_no_other);
    tcase_add_test(t, more_events_than_budgets_share_one);
    tcase_add_test(t, a_failure_is_said_with_status_reason_and_why);
    return tally_suite_run("common/log", t);
}
