/* merkle.h - the Merkle tree hash of RFC 6962 section 2.1 over SHA-256, built leaf by leaf.
 *
 * leaf = SHA-256(00 || bytes), node = SHA-256(01 || left || right); a tree of n leaves splits at
 * the largest power of two below n. Plain data of O(log n) size: copy it to keep a point to go on
 * from. Leaf hashes may be made elsewhere, in parallel, and added in order. */
#pragma once

#include "common/bytes.h"

enum { TALLY_MERKLE_BYTES = 32, TALLY_MERKLE_DEPTH_MAX = 64 };

/* Starts as {0}: the empty tree. */
struct tally_merkle {
    uint64_t leaves;
    uint8_t full[TALLY_MERKLE_DEPTH_MAX]
                [TALLY_MERKLE_BYTES]; /* roots of full subtrees, large first */
};

void tally_merkle_leaf(struct tally_slice bytes, uint8_t out[TALLY_MERKLE_BYTES]);
void tally_merkle_node(const uint8_t left[TALLY_MERKLE_BYTES],
                       const uint8_t right[TALLY_MERKLE_BYTES], uint8_t out[TALLY_MERKLE_BYTES]);

void tally_merkle_add(struct tally_merkle *m, const uint8_t leaf_hash[TALLY_MERKLE_BYTES]);

/* Root over the leaves so far; of none: SHA-256 of nothing. The tree goes on. */
void tally_merkle_root(const struct tally_merkle *m, uint8_t out[TALLY_MERKLE_BYTES]);
