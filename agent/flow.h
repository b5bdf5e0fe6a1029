/* flow.h - a sealed file going up under credit (docs/WIRE.md, section 2), as plain arithmetic:
 * which piece may be sent next. What a receiver may not ask for is TALLY_E_WIRE: a piece beyond the
 * end, or more credit than the window. */
#pragma once

#include <stdbool.h>

#include "common/status.h"
#include "proto/limits.h"

enum { TALLY_FLOW_WINDOW = 8 }; /* pieces */

struct tally_flow {
    uint64_t bytes; /* of the file; 0: nothing goes up */
    uint32_t pieces, next, credit;
};

struct tally_flow_piece {
    uint32_t index;
    uint64_t offset;
    size_t len; /* TALLY_PIECE_BYTES_MAX but for the last */
};

/* A file of 1 byte to 2^32 - 2 pieces; no credit yet. */
TALLY_RESULT tally_flow_begin(struct tally_flow *f, uint64_t bytes);
/* GO: begin at piece `first` with this credit. */
TALLY_RESULT tally_flow_go(struct tally_flow *f, uint64_t first, uint64_t credit);
TALLY_RESULT tally_flow_credit(struct tally_flow *f, uint64_t more);
/* The next piece to send, which uses up one credit; false: none now. */
bool tally_flow_take(struct tally_flow *f, struct tally_flow_piece *out);
