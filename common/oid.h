/* oid.h - object identifiers as text, "1.3.6.1.4.1.3704.1.4", and as the contents of their DER. */
#pragma once

#include "common/bytes.h"

enum { TALLY_OID_BYTES_MAX = 64 };

/* out[0 .. *len) for a dotted text; false unless it is one of at least two numbers that fits. */
bool tally_oid_from_text(const char *text, uint8_t out[TALLY_OID_BYTES_MAX], size_t *len);
/* The dotted text with its final zero; false where it does not fit, a number is above 2^63, or
 * the bytes are no identifier in minimal form. */
bool tally_oid_to_text(struct tally_slice oid, char *out, size_t size);
/* At least one byte, every number minimal, the last one ended. */
bool tally_oid_is_sound(struct tally_slice oid);
