/* der.h - is it DER? One value with definite minimal lengths and minimal integers all the way
 * down, and no byte after it (X.690, 8 and 10 to 11). Says nothing about what the value means. */
#pragma once

#include "common/bytes.h"

enum { TALLY_DER_DEPTH_MAX = 16 };

/* E_CERT_PARSE where the bytes end early, E_CERT_NONCANONICAL for what only BER allows. */
TALLY_RESULT tally_der_check(struct tally_slice in);
