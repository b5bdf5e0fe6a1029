/* der.h - is it DER? One value with definite minimal lengths and minimal integers all the way
 * down, and no byte after it (X.690, 8 and 10 to 11). Says nothing about what the value means;
 * for that it is read value by value through tally_rd. */
#pragma once

#include "common/bytes.h"

enum { TALLY_DER_DEPTH_MAX = 16 };

/* E_CERT_PARSE where the bytes end early, E_CERT_NONCANONICAL for what only BER allows. */
TALLY_RESULT tally_der_check(struct tally_slice in);

/* Tags as DER writes them: constructed where it must be. */
enum {
    TALLY_DER_BOOLEAN = 0x01,
    TALLY_DER_INTEGER = 0x02,
    TALLY_DER_BITS = 0x03,
    TALLY_DER_OCTETS = 0x04,
    TALLY_DER_NULL = 0x05,
    TALLY_DER_OID = 0x06,
    TALLY_DER_UTF8 = 0x0c,
    TALLY_DER_PRINTABLE = 0x13,
    TALLY_DER_IA5 = 0x16,
    TALLY_DER_UTC_TIME = 0x17,
    TALLY_DER_TIME = 0x18,
    TALLY_DER_SEQUENCE = 0x30,
    TALLY_DER_SET = 0x31,
    TALLY_DER_CONTEXT = 0xa0, /* + n: [n] EXPLICIT */
};

/* Is the next value of this tag? False at the end. */
bool tally_der_next_is(const struct tally_rd *r, uint8_t tag);
/* The contents of the next value, which must be of this tag: else the reader fails, as for any
 * field. */
struct tally_slice tally_der_value(struct tally_rd *r, uint8_t tag, const char *field);
/* The same as a reader, which has failed where r has. */
struct tally_rd tally_der_into(struct tally_rd *r, uint8_t tag, const char *field);
/* The same with its tag and length. */
struct tally_slice tally_der_whole(struct tally_rd *r, uint8_t tag, const char *field);
