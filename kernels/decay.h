/* decay.h - e^-t to any precision, in integers, with a proven error. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/wide.h"

enum {
    TALLY_DECAY_LIMBS_MIN = 2,
    TALLY_DECAY_LIMBS_MAX = 16,
    TALLY_DECAY_ERROR = 2, /* of the result, in units of its last place */
};

/* f: (limbs + 1) 64-bit limbs, least first, the last the integer part: |f - e^-t 2^(64 limbs)| is
 * below TALLY_DECAY_ERROR, and exactly 0 for t = 0. t = num / 2^shift < 2^14, num < 2^96,
 * shift < 64. */
void tally_decay(uint64_t *f, tally_wide num, uint32_t shift, size_t limbs);
