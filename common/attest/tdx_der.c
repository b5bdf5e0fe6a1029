/* tdx_der.c - see tdx_der.h. */
#include "common/attest/tdx_der.h"

struct tally_rd tally_tdx_der_into(struct tally_rd *r, uint8_t tag, const char *field)
{
    struct tally_rd inner = tally_rd_from(tally_der_value(r, tag, field));

    inner.bad = r->bad;
    return inner;
}

static bool leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool tally_tdx_seconds(unsigned year, const unsigned rest[5], uint64_t *out)
{
    enum { EPOCH = 1970, YEAR_MAX = 9999 };
    static const uint16_t before[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    unsigned month = rest[0], day = rest[1], y = year - 1;

    if (year < EPOCH || year > YEAR_MAX || month < 1 || month > 12 || day < 1) return false;
    unsigned last = (unsigned)(before[month] - before[month - 1]);
    if (day > last + (month == 2 && leap(year) ? 1U : 0U)) return false;
    if (rest[2] > 23 || rest[3] > 59 || rest[4] > 59) return false;
    uint64_t days = (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 - 719162; /* to 1970 */
    days += before[month - 1] + (month > 2 && leap(year) ? 1U : 0U) + day - 1;
    *out = ((days * 24 + rest[2]) * 60 + rest[3]) * 60 + rest[4];
    return true;
}

/* Two digits. */
static unsigned pair(const uint8_t *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

uint64_t tally_tdx_der_time(struct tally_rd *r, const char *field)
{
    enum { UTC_LEN = 13, FULL_LEN = 15, CENTURY_TURNS = 50 };
    bool utc = tally_der_next_is(r, TALLY_DER_UTC_TIME);
    size_t want = utc ? UTC_LEN : FULL_LEN;
    struct tally_slice t = tally_der_value(r, utc ? TALLY_DER_UTC_TIME : TALLY_DER_TIME, field);
    uint64_t s = 0;

    if (t.at == NULL || t.len != want || t.at[want - 1] != 'Z') {
        tally_rd_fail(r, field);
        return 0;
    }
    for (size_t i = 0; i < want - 1; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') tally_rd_fail(r, field);
    }
    const uint8_t *p = t.at + (utc ? 2 : 4); /* behind the year */
    unsigned year = pair(t.at);
    if (utc)
        year += year < CENTURY_TURNS ? 2000 : 1900;
    else
        year = year * 100 + pair(t.at + 2);
    const unsigned rest[5] = {pair(p), pair(p + 2), pair(p + 4), pair(p + 6), pair(p + 8)};
    if (r->bad == NULL && !tally_tdx_seconds(year, rest, &s)) tally_rd_fail(r, field);
    return s;
}
