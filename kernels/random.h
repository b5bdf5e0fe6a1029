/* random.h - a small counter-based generator for initial weights and shuffles: SplitMix64's
 * output function (Steele, Lea, Flood 2014) over key + counter. The same numbers on every
 * compiler and machine. Not for keys, nonces or noise. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tally_random {
    uint64_t key, counter;
};

/* Distinct (seed, stream, index) give unrelated sequences. */
struct tally_random tally_random_from(uint64_t seed, uint64_t stream, uint64_t index);
uint64_t tally_random_u64(struct tally_random *r);
/* Uniform in [0, n), without bias; n > 0. */
uint32_t tally_random_below(struct tally_random *r, uint32_t n);
/* Uniform in (-1, 1): odd multiples of 2^-24, so exact in float and symmetric. */
float tally_random_symmetric(struct tally_random *r);
/* Fisher-Yates (Durstenfeld's order, last to first). */
void tally_random_shuffle(struct tally_random *r, uint32_t *items, uint32_t n);
