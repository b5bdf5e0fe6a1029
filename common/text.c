/* text.c - see text.h. */
#include "common/text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void tally_hex(struct tally_slice in, char *out)
{
    (void)sodium_bin2hex(out, 2 * in.len + 1, in.at, in.len);
}

bool tally_unhex_slice(struct tally_slice text, uint8_t *out, size_t out_len)
{
    const char *in = (const char *)text.at, *end = in;
    size_t len = 0;

    return text.len == 2 * out_len &&
           sodium_hex2bin(out, out_len, in, text.len, NULL, &len, &end) == 0 && len == out_len &&
           end == in + text.len;
}

enum tally_status tally_unhex(const char *text, uint8_t *out, size_t out_len)
{
    TALLY_ENSURE(tally_unhex_slice(tally_slice_str(text), out, out_len), TALLY_E_WIRE,
                 "expected %zu hex digits", 2 * out_len);
    return TALLY_OK;
}

void tally_base64(struct tally_slice in, char *out)
{
    (void)sodium_bin2base64(out, TALLY_BASE64_SIZE(in.len), in.at, in.len,
                            sodium_base64_VARIANT_ORIGINAL);
}

enum tally_status tally_unbase64(const char *text, size_t text_len, uint8_t *out, size_t cap,
                                 size_t *len)
{
    const char *end = NULL;
    size_t n;

    TALLY_ENSURE(sodium_base642bin(out, cap, text, text_len, NULL, &n, &end,
                                   sodium_base64_VARIANT_ORIGINAL) == 0 &&
                     end == text + text_len,
                 TALLY_E_WIRE, "not standard base64, or longer than %zu bytes", cap);
    *len = n;
    return TALLY_OK;
}

void tally_time_text(uint64_t unix_s, char out[TALLY_TIME_TEXT_SIZE])
{
    time_t t = (time_t)(unix_s > 253402300799 ? 253402300799 : unix_s); /* year 9999 */
    struct tm tm;

    TALLY_ASSERT(gmtime_r(&t, &tm) != NULL);
    (void)strftime(out, TALLY_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar, year from 1970 on. */
static uint64_t days(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int y = month > 2 ? year : year - 1;
    int leaps = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);

    return (uint64_t)(365 * (year - 1970) + leaps + before[month - 1] + day - 1);
}

static bool is_day(int year, int month, int day)
{
    static const int in_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (month < 1 || month > 12) return false;
    return day >= 1 && day <= in_month[month - 1] + (month == 2 && leap);
}

bool tally_time_of(const int part[6], uint64_t *unix_s)
{
    if (part[0] < 1970 || part[0] > 9999 || !is_day(part[0], part[1], part[2]) || part[3] > 23 ||
        part[4] > 59 || part[5] > 59)
        return false;
    *unix_s = days(part[0], part[1], part[2]) * 86400 +
              (uint64_t)(part[3] * 3600 + part[4] * 60 + part[5]);
    return true;
}

enum tally_status tally_time_parse(const char *text, uint64_t *unix_s)
{
    struct tm tm = {0};
    char again[TALLY_TIME_TEXT_SIZE];
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

    TALLY_ENSURE(end != NULL && *end == '\0', TALLY_E_WIRE,
                 "\"%s\" is not a time like 2026-01-31T00:00:00Z", text);
    time_t t = timegm(&tm);
    TALLY_ENSURE(t >= 0, TALLY_E_WIRE, "\"%s\" is before 1970", text);
    tally_time_text((uint64_t)t, again);
    TALLY_ENSURE(strcmp(again, text) == 0, TALLY_E_WIRE, "\"%s\" is no day of the calendar", text);
    *unix_s = (uint64_t)t;
    return TALLY_OK;
}

bool tally_name_ok(struct tally_slice s)
{
    if (s.len < 1 || s.len > TALLY_NAME_MAX) return false;
    if (s.at[0] == '.' && (s.len == 1 || (s.len == 2 && s.at[1] == '.'))) return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\0' || strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", s.at[i]) == NULL)
            return false;
    }
    return true;
}
