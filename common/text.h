/* text.h - bytes as text: hex, standard base64 (RFC 4648 section 4, padded), UTC times, names.
 * Strict: one spelling each, nothing skipped. */
#pragma once

#include "common/bytes.h"

/* Lower-case hex; out: 2 * len + 1 bytes. */
void tally_hex(struct tally_slice in, char *out);
/* Exactly out_len bytes from 2 * out_len hex digits, either case. */
TALLY_RESULT tally_unhex(const char *text, uint8_t *out, size_t out_len);

/* The same of bytes; false where they are something else. */
bool tally_unhex_slice(struct tally_slice text, uint8_t *out, size_t out_len);

/* out: TALLY_BASE64_SIZE(len) bytes with the final zero. */
#define TALLY_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void tally_base64(struct tally_slice in, char *out);
/* At most cap bytes; *len is how many. Refuses other alphabets, spaces, missing padding and
 * non-zero spare bits. */
TALLY_RESULT tally_unbase64(const char *text, size_t text_len, uint8_t *out, size_t cap,
                            size_t *len);

/* "2026-01-31T00:00:00Z" and seconds since 1970. */
enum { TALLY_TIME_TEXT_SIZE = 21 };
void tally_time_text(uint64_t unix_s, char out[TALLY_TIME_TEXT_SIZE]);
/* Of {year, month, day, hour, minute, second}; false unless the calendar has it, from 1970 on. */
bool tally_time_of(const int part[6], uint64_t *unix_s);
TALLY_RESULT tally_time_parse(const char *text, uint64_t *unix_s);

/* 1 to 63 of [a-z0-9._-]: organisations, nodes, jobs, federations. Not "." and "..": names become
 * parts of paths. */
enum { TALLY_NAME_MAX = 63 };
bool tally_name_ok(struct tally_slice s);
