/* merkle.c - see merkle.h. */
#include "common/merkle.h"

#include <string.h>

#include "common/hash.h"

void tally_merkle_leaf(struct tally_slice bytes, uint8_t out[TALLY_MERKLE_BYTES])
{
    static const uint8_t zero[1] = {0};

    TALLY_SHA256_OF(out, TALLY_SLICE(zero), bytes);
}

void tally_merkle_node(const uint8_t left[TALLY_MERKLE_BYTES],
                       const uint8_t right[TALLY_MERKLE_BYTES], uint8_t out[TALLY_MERKLE_BYTES])
{
    static const uint8_t one[1] = {1};

    TALLY_SHA256_OF(out, TALLY_SLICE(one), tally_slice_of(left, TALLY_MERKLE_BYTES),
                    tally_slice_of(right, TALLY_MERKLE_BYTES));
}

/* The binary digits of `leaves` are the full subtrees: adding one leaf is a carry. */
void tally_merkle_add(struct tally_merkle *m, const uint8_t leaf_hash[TALLY_MERKLE_BYTES])
{
    uint8_t h[TALLY_MERKLE_BYTES];
    int top = __builtin_popcountll(m->leaves);

    TALLY_ASSERT(m->leaves < UINT64_MAX);
    memcpy(h, leaf_hash, sizeof h);
    for (uint64_t n = m->leaves; n & 1; n >>= 1) tally_merkle_node(m->full[--top], h, h);
    memcpy(m->full[top], h, sizeof h);
    m->leaves++;
}

void tally_merkle_root(const struct tally_merkle *m, uint8_t out[TALLY_MERKLE_BYTES])
{
    int top = __builtin_popcountll(m->leaves);

    if (top == 0) {
        TALLY_SHA256_OF(out, tally_slice_of("", 0));
        return;
    }
    memcpy(out, m->full[--top], TALLY_MERKLE_BYTES);
    while (top > 0) tally_merkle_node(m->full[--top], out, out);
}
