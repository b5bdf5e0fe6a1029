/* z85.h - Z85 (ZeroMQ RFC 32), the text form of a 32-byte CURVE key: 40 characters. */
#pragma once

#include "common/bytes.h"

enum { TALLY_CURVE_KEY_BYTES = 32, TALLY_Z85_KEY_CHARS = 40 };

void tally_z85_key(const uint8_t key[TALLY_CURVE_KEY_BYTES], char out[TALLY_Z85_KEY_CHARS + 1]);

/* Exactly 40 characters of the alphabet, each group of five below 2^32: E_WIRE otherwise. */
TALLY_RESULT tally_z85_key_parse(const char *text, uint8_t key[TALLY_CURVE_KEY_BYTES]);
