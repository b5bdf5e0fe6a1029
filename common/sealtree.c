/* sealtree.c - see sealtree.h. */
#include "common/sealtree.h"

#include "common/secret.h"

static const uint8_t leaf_prefix[1] = {0};

void tally_sealtree_init(struct tally_sealtree *t, struct tally_slice seal_header)
{
    uint8_t leaf[TALLY_MERKLE_BYTES];

    *t = (struct tally_sealtree){0};
    tally_merkle_leaf(seal_header, leaf);
    tally_merkle_add(&t->tree, leaf);
}

static void end_piece(struct tally_sealtree *t)
{
    uint8_t leaf[TALLY_MERKLE_BYTES];

    if (t->piece_used == 0) return;
    tally_hasher_end(&t->piece, leaf);
    tally_merkle_add(&t->tree, leaf);
    t->piece_used = 0;
}

void tally_sealtree_add(struct tally_sealtree *t, struct tally_slice file_bytes)
{
    struct tally_rd r = tally_rd_from(file_bytes);

    while (r.left > 0) {
        size_t room = TALLY_SEALTREE_PIECE_BYTES - t->piece_used;
        if (t->piece_used == 0) {
            tally_hasher_init(&t->piece, TALLY_SHA256);
            tally_hasher_add(&t->piece, TALLY_SLICE(leaf_prefix));
        }
        struct tally_slice part = tally_rd_bytes(&r, r.left < room ? r.left : room, "piece");
        tally_hasher_add(&t->piece, part);
        t->piece_used += part.len;
        if (t->piece_used == TALLY_SEALTREE_PIECE_BYTES) end_piece(t);
    }
}

void tally_sealtree_end(struct tally_sealtree *t, uint8_t digest[TALLY_MERKLE_BYTES])
{
    end_piece(t);
    tally_merkle_root(&t->tree, digest);
    tally_sealtree_free(t);
}

void tally_sealtree_free(struct tally_sealtree *t)
{
    tally_hasher_free(&t->piece);
    *t = (struct tally_sealtree){0};
}

void tally_sealtree_digest(struct tally_slice seal_header, struct tally_slice file,
                           uint8_t digest[TALLY_MERKLE_BYTES])
{
    TALLY_CLEANUP(tally_sealtree_free) struct tally_sealtree t;

    tally_sealtree_init(&t, seal_header);
    tally_sealtree_add(&t, file);
    tally_sealtree_end(&t, digest);
}
