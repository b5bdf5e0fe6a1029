/* cell.c - see cell.h. */
#include "common/cell.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "the exact short way needs products rounded to double");

enum {
    DIGITS_MAX = 19,      /* decimal digits that always fit 64 bits */
    POW10_EXACT_MAX = 22, /* 10^22 is the largest power of ten that is a double */
    EXP_MAX = 100000,     /* beyond any double and any mantissa of a cell */
};

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

struct tally_slice tally_cell_trim(struct tally_slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) s.at++, s.len--;
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t')) s.len--;
    return s;
}

bool tally_cell_missing(struct tally_slice s)
{
    static const char *const words[] = {"na", "n/a", "null", "nan"};

    if (s.len == 0) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]), k = 0;
        while (k < n && k < s.len && (s.at[k] | 0x20) == (words[i][k] | 0x20)) k++;
        if (k == n && s.len == n) return true;
    }
    return false;
}

struct decimal {
    uint64_t digits;          /* the first DIGITS_MAX significant ones */
    int exp10;                /* of the last digit kept */
    bool negative, more, any; /* more: digits were left out */
    uint8_t mark;             /* 0: no fraction */
};

/* Digits from *i on; true if there was one. */
static bool take_digits(struct tally_slice s, size_t *i, struct decimal *d, bool fraction)
{
    size_t from = *i;

    for (; *i < s.len && (unsigned)(s.at[*i] - '0') <= 9; (*i)++) {
        if (d->digits < UINT64_C(1000000000000000000)) {
            d->digits = d->digits * 10 + (uint64_t)(s.at[*i] - '0');
            d->exp10 -= fraction;
        } else {
            d->more = true;
            d->exp10 += !fraction;
        }
    }
    return *i > from;
}

static bool take_exponent(struct tally_slice s, size_t *i, struct decimal *d)
{
    bool minus = false;
    int e = 0;

    (*i)++;
    if (*i < s.len && (s.at[*i] == '+' || s.at[*i] == '-')) minus = s.at[(*i)++] == '-';
    size_t from = *i;
    for (; *i < s.len && (unsigned)(s.at[*i] - '0') <= 9; (*i)++)
        if (e < EXP_MAX) e = e * 10 + (s.at[*i] - '0');
    d->exp10 += minus ? -e : e;
    return *i > from;
}

static bool scan(struct tally_slice s, struct decimal *d)
{
    size_t i = 0;

    if (s.len > TALLY_CELL_NUMBER_MAX) return false;
    if (i < s.len && (s.at[i] == '-' || s.at[i] == '+')) d->negative = s.at[i++] == '-';
    d->any = take_digits(s, &i, d, false);
    if (i < s.len && (s.at[i] == '.' || s.at[i] == ',')) {
        d->mark = s.at[i++];
        if (take_digits(s, &i, d, true)) d->any = true;
    }
    if (!d->any) return false;
    if (i < s.len && (s.at[i] | 0x20) == 'e' && !take_exponent(s, &i, d)) return false;
    return i == s.len;
}

/* Any number that the short way below cannot do exactly. */
static double slow(struct tally_slice s)
{
    char text[TALLY_CELL_NUMBER_MAX + 1];

    (void)pthread_once(&locale_once, locale_make);
    TALLY_ASSERT(c_locale != (locale_t)0);
    for (size_t i = 0; i < s.len; i++) text[i] = (char)(s.at[i] == ',' ? '.' : s.at[i]);
    text[s.len] = '\0';
    return strtod_l(text, NULL, c_locale);
}

/* Clinger: two exact doubles and one operation, so one rounding. */
static double value(const struct decimal *d, struct tally_slice s)
{
    static const double pow10s[POW10_EXACT_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (d->more || d->digits > UINT64_C(1) << 53 || d->exp10 > POW10_EXACT_MAX ||
        d->exp10 < -POW10_EXACT_MAX)
        return slow(s);
    double m = (double)d->digits;
    m = d->exp10 < 0 ? m / pow10s[-d->exp10] : m * pow10s[d->exp10];
    return d->negative ? -m : m;
}

enum tally_cell tally_cell_number(struct tally_slice s, enum tally_mark *mark, double *out)
{
    struct decimal d = {0};

    if (s.len == 0) return TALLY_CELL_MISSING;
    if (!scan(s, &d)) return tally_cell_missing(s) ? TALLY_CELL_MISSING : TALLY_CELL_BAD;
    if (d.mark != 0 && *mark != TALLY_MARK_UNKNOWN && (uint8_t)*mark != d.mark)
        return TALLY_CELL_OTHER_MARK;
    double x = value(&d, s);
    if (!(fabs(x) <= TALLY_CELL_NUMBER_ABS_MAX)) return TALLY_CELL_BAD;
    if (d.mark != 0) *mark = d.mark == '.' ? TALLY_MARK_POINT : TALLY_MARK_COMMA;
    *out = x;
    return TALLY_CELL_OK;
}

/* n digits at *i, then one byte of `after` unless that is empty. */
static bool part(struct tally_slice s, size_t *i, unsigned n, const char *after, unsigned *out)
{
    unsigned v = 0;

    for (; n > 0; n--, (*i)++) {
        if (*i >= s.len || (unsigned)(s.at[*i] - '0') > 9) return false;
        v = v * 10 + (unsigned)(s.at[*i] - '0');
    }
    *out = v;
    if (*after == '\0') return true;
    return *i < s.len && s.at[*i] != '\0' && strchr(after, s.at[(*i)++]) != NULL;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, from 1600 on. */
static int64_t days(unsigned y, unsigned m, unsigned d)
{
    int64_t yy = (int64_t)y - (m <= 2), era = yy / 400, of_era = yy - era * 400;
    int64_t of_year = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + (int64_t)d - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool date_ok(unsigned y, unsigned m, unsigned d)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    if (y < 1600 || m < 1 || m > 12 || d < 1) return false;
    return d <= lengths[m - 1] + (unsigned)(m == 2 && leap);
}

/* ":ss" and ".fraction", both optional. */
static bool take_seconds(struct tally_slice s, size_t *i, double *sec)
{
    unsigned whole = 0;
    double scale = 0.1;

    if (*i >= s.len || s.at[*i] != ':') return true;
    (*i)++;
    if (!part(s, i, 2, "", &whole) || whole > 60) return false;
    *sec = whole;
    if (*i >= s.len || s.at[*i] != '.') return true;
    for ((*i)++; *i < s.len && (unsigned)(s.at[*i] - '0') <= 9; (*i)++) {
        *sec += scale * (s.at[*i] - '0');
        scale /= 10;
    }
    return true;
}

enum tally_cell tally_cell_time(struct tally_slice s, double *out)
{
    enum tally_mark mark = TALLY_MARK_POINT;
    unsigned y = 0, m = 0, d = 0, hh = 0, mm = 0;
    double ss = 0;
    size_t i = 0;

    if (s.len < 10 || (s.at[4] != '-' && s.at[4] != '/')) {
        enum tally_cell number = tally_cell_number(s, &mark, out);
        return number == TALLY_CELL_OTHER_MARK ? TALLY_CELL_BAD : number;
    }
    const char sep[2] = {(char)s.at[4], '\0'};
    if (!part(s, &i, 4, sep, &y) || !part(s, &i, 2, sep, &m) || !part(s, &i, 2, "", &d) ||
        !date_ok(y, m, d))
        return TALLY_CELL_BAD;
    if (i < s.len) {
        if (s.at[i] != ' ' && s.at[i] != 'T') return TALLY_CELL_BAD;
        i++;
        if (!part(s, &i, 2, ":", &hh) || !part(s, &i, 2, "", &mm) || !take_seconds(s, &i, &ss))
            return TALLY_CELL_BAD;
        if (i < s.len && s.at[i] == 'Z') i++;
    }
    if (i != s.len || hh > 23 || mm > 59) return TALLY_CELL_BAD;
    *out = (double)(days(y, m, d) * 86400 + (int64_t)hh * 3600 + (int64_t)mm * 60) + ss;
    return TALLY_CELL_OK;
}

/* Bytes of the UTF-8 character at s.at[i] (RFC 3629); 0: none. */
static size_t utf8_len(struct tally_slice s, size_t i)
{
    uint8_t c = s.at[i];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;

    if (c >= 0xf0 && c <= 0xf4) n = 4;
    if (n == 0 || n > s.len - i) return 0;
    for (size_t k = 1; k < n; k++)
        if ((s.at[i + k] & 0xc0) != 0x80) return 0;
    if (c == 0xe0 && s.at[i + 1] < 0xa0) return 0; /* overlong */
    if (c == 0xed && s.at[i + 1] > 0x9f) return 0; /* surrogates */
    if (c == 0xf0 && s.at[i + 1] < 0x90) return 0;
    if (c == 0xf4 && s.at[i + 1] > 0x8f) return 0; /* beyond U+10FFFF */
    return n;
}

bool tally_cell_utf8_ok(struct tally_slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_len(s, i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

bool tally_cell_text_ok(struct tally_slice s)
{
    if (s.len < 1 || s.len > TALLY_CELL_TEXT_MAX || !tally_cell_utf8_ok(s)) return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < 0x20 || s.at[i] == 0x7f) return false;
    return true;
}

bool tally_cell_same(struct tally_slice a, struct tally_slice b)
{
    enum tally_mark any_a = TALLY_MARK_UNKNOWN, any_b = TALLY_MARK_UNKNOWN;
    double x = 0, y = 0;

    if (tally_slice_equal(a, b)) return true;
    return tally_cell_number(a, &any_a, &x) == TALLY_CELL_OK &&
           tally_cell_number(b, &any_b, &y) == TALLY_CELL_OK && !(x < y) && !(x > y);
}

const char *tally_cell_show(struct tally_slice s, char *out, size_t cap)
{
    size_t n = s.len < cap ? s.len : cap - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(s.at[i] >= 0x20 && s.at[i] < 0x7f ? s.at[i] : '?');
    out[n] = '\0';
    if (n < s.len && n >= 3) memcpy(out + n - 3, "...", 3);
    return out;
}
