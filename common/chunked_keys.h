/* chunked_keys.h - one chunk under its number's nonce; for chunked.c and chunked_open.c alone. */
#pragma once

#include "common/chunked.h"

TALLY_RESULT tally_chunked_seal_chunk_(struct tally_chunked *c, uint64_t k,
                                       struct tally_slice plain, uint8_t *sealed);
TALLY_RESULT tally_chunked_open_chunk_(struct tally_chunked *c, uint64_t k,
                                       struct tally_slice sealed, uint8_t *plain);
