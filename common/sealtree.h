/* sealtree.h - the seal digest of an update (CHANNEL.md section 3): the RFC 6962 root whose leaf 0
 * is the seal header SH and whose leaf i is the i-th piece of 524,288 bytes of the sealed file (the
 * last one shorter). One digest names header and file; pieces can be hashed in parallel, and a
 * broken upload goes on from any piece. */
#pragma once

#include "common/hash.h"
#include "common/merkle.h"

enum { TALLY_SEALTREE_PIECE_BYTES = 524288 };

/* A digest fed by bytes of any lengths; init, add, end (or free on early exits). */
struct tally_sealtree {
    struct tally_merkle tree;
    struct tally_hasher piece; /* of the piece not full yet */
    size_t piece_used;         /* bytes in it */
};

void tally_sealtree_init(struct tally_sealtree *t, struct tally_slice seal_header);
void tally_sealtree_add(struct tally_sealtree *t, struct tally_slice file_bytes);
void tally_sealtree_end(struct tally_sealtree *t, uint8_t digest[TALLY_MERKLE_BYTES]); /* frees */
void tally_sealtree_free(struct tally_sealtree *t); /* idempotent */

/* The same over a file in memory. Piece by piece instead: tally_merkle_leaf() of SH and of each
 * piece, tally_merkle_add(), tally_merkle_root(). */
void tally_sealtree_digest(struct tally_slice seal_header, struct tally_slice file,
                           uint8_t digest[TALLY_MERKLE_BYTES]);
