/* tdx_der.h - what else Intel's certificates need of DER (der.h): nested values, and times. */
#pragma once

#include "common/der.h"

/* A reader over the next element's value. */
struct tally_rd tally_tdx_der_into(struct tally_rd *r, uint8_t tag, const char *field);
/* UTCTime or GeneralizedTime of the one form DER has, as seconds since 1970. */
uint64_t tally_tdx_der_time(struct tally_rd *r, const char *field);

/* Seconds since 1970 of a date and time in UTC: {month, day, hour, minute, second}. False unless
 * it is one of the calendar, from 1970 on. */
bool tally_tdx_seconds(unsigned year, const unsigned rest[5], uint64_t *out);
