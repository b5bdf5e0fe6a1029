/* spool.h - sealed updates on disk while they arrive, and where they rest afterwards.
 *
 * An upload is DIR/spool/<seal digest hex>.part, filled from the front in pieces of
 * TALLY_SPOOL_PIECE; complete and fsynced it is renamed to DIR/sealed/<seal digest hex>. After a
 * restart the contiguous length is the file's size rounded down to whole pieces. That is a hint
 * for resuming: after a power failure the bytes may be wrong, so whoever finishes an upload
 * compares the whole file with its seal digest first and drops it if it differs.
 *
 * Room is reserved for the whole announced size when an upload begins, for the node and in total,
 * so nothing a peer sends can fill the disk past the caps. One thread at a time (the store actor).
 * E_IO is fatal as store.h says. */
#pragma once

#include "common/bytes.h"
#include "common/text.h"

enum {
    TALLY_SPOOL_PIECE = 512 * 1024,
    TALLY_SPOOL_PARTS_MAX = 512,
    TALLY_SPOOL_OWNER_MAX = 2 * TALLY_NAME_MAX + 1, /* "org/node" */
    TALLY_SPOOL_PATH_SIZE = 80,                     /* "sealed/<64 hex>" and its end */
};

struct tally_spool;
struct tally_spool_caps {
    uint64_t total_bytes, node_bytes; /* of unfinished uploads */
};

/* Makes DIR/spool and DIR/sealed, and finds the parts there; they have no owner until begun again
 * and count in total. What is no part is removed. */
TALLY_RESULT tally_spool_open(struct tally_spool **spool, const char *dir,
                              struct tally_spool_caps caps);
void tally_spool_close(struct tally_spool **spool); /* parts stay on disk */

struct tally_spool_part {
    uint8_t digest[32];
    const char *owner;     /* "" until begun again after a restart */
    uint64_t have_bytes;   /* contiguous from the front */
    uint64_t sealed_bytes; /* announced; 0 with no owner */
};

/* Begins or resumes; *have_bytes: where to go on. Parts without an owner give way, oldest first,
 * when the total needs room. E_LIMIT if a cap or TALLY_SPOOL_PARTS_MAX would be passed. E_STATE
 * when another owner has begun that digest or the size differs from what was announced. */
TALLY_RESULT tally_spool_begin(struct tally_spool *spool, const uint8_t digest[32],
                               const char *owner, uint64_t sealed_bytes, uint64_t *have_bytes);

/* The next piece: offset = have_bytes, TALLY_SPOOL_PIECE bytes or, for the last, what is left;
 * anything else is E_STATE and changes nothing. Not durable until finished. */
TALLY_RESULT tally_spool_append(struct tally_spool *spool, const uint8_t digest[32],
                                uint64_t offset, struct tally_slice bytes);

/* len bytes at offset of what is there, for hashing and opening: E_STATE past have_bytes. */
TALLY_RESULT tally_spool_read(struct tally_spool *spool, const uint8_t digest[32], uint64_t offset,
                              void *to, size_t len);

/* All there (E_STATE otherwise): fsync, rename, fsync of both folders; path, relative to DIR, is
 * what the store keeps. The part is then gone from the spool. */
TALLY_RESULT tally_spool_finish(struct tally_spool *spool, const uint8_t digest[32],
                                char path[TALLY_SPOOL_PATH_SIZE]);

/* Removes the part and its file; TALLY_OK if there is none. */
TALLY_RESULT tally_spool_drop(struct tally_spool *spool, const uint8_t digest[32]);
/* Removes a finished file, for example after its round ended; TALLY_OK if there is none. */
TALLY_RESULT tally_spool_remove_sealed(struct tally_spool *spool, const uint8_t digest[32]);

/* fn for each part, in no order; fn must not change the spool. */
void tally_spool_parts(const struct tally_spool *spool,
                       void (*fn)(void *ctx, const struct tally_spool_part *part), void *ctx);
