/* cell.h - what one field of a bank's table may mean: a number, a time, a text, or nothing.
 *
 * Exact and independent of the process's locale: a number is the double nearest to the decimal
 * written (IEEE 754, round to even), whatever its zero padding or decimal mark. Nothing is
 * guessed: thousands separators, currency signs, per cent, hexadecimal and infinities are not
 * numbers. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_CELL_TEXT_MAX = 127,    /* bytes of a category value or of a column's name */
    TALLY_CELL_NUMBER_MAX = 1024, /* bytes of a number as written */
};

/* A number's magnitude is at most this, so that a sum of squares over any table stays finite. */
#define TALLY_CELL_NUMBER_ABS_MAX 1e100

enum tally_cell {
    TALLY_CELL_OK,
    TALLY_CELL_MISSING,    /* empty, or NA, N/A, NULL, NaN in any case */
    TALLY_CELL_BAD,        /* something else */
    TALLY_CELL_OTHER_MARK, /* a number, but with the other decimal mark */
};

/* How a table writes its fractions. It is found out at the first fraction and holds from then on:
 * 1,5 and 1.5 in one table are two conventions, of which one would be read wrongly. */
enum tally_mark { TALLY_MARK_UNKNOWN = 0, TALLY_MARK_POINT = '.', TALLY_MARK_COMMA = ',' };

/* Without leading and trailing spaces and tabs. */
struct tally_slice tally_cell_trim(struct tally_slice s);

/* Is this one of the spellings of "nothing"? s is trimmed. */
bool tally_cell_missing(struct tally_slice s);

/* A decimal number: sign, digits, at most one mark with digits on at least one side, exponent.
 * *mark is read and, on the first fraction, set. On OK alone *out is set. s is trimmed. */
enum tally_cell tally_cell_number(struct tally_slice s, enum tally_mark *mark, double *out);

/* Seconds since 1970-01-01T00:00:00 UTC: a number of seconds (decimal point), or
 * YYYY-MM-DD, YYYY-MM-DD hh:mm[:ss[.fraction]] with ' ' or 'T' between and an optional 'Z';
 * '/' may stand for '-'. A time without a zone is taken as UTC: only the order matters here. */
enum tally_cell tally_cell_time(struct tally_slice s, double *out);

/* 1 to TALLY_CELL_TEXT_MAX bytes of UTF-8 without control characters. */
bool tally_cell_text_ok(struct tally_slice s);
bool tally_cell_utf8_ok(struct tally_slice s);

/* The two spellings name one value: equal bytes, or both numbers and equal ("1", "1.0", "01").
 * Numbers use `mark`; UNKNOWN takes either. */
bool tally_cell_same(struct tally_slice a, struct tally_slice b);

/* At most cap - 1 bytes of s for a message, control and non-ASCII bytes shown as '?'. */
const char *tally_cell_show(struct tally_slice s, char *out, size_t cap);
