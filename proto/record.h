/* record.h - the records of a session (CHANNEL.md section 2): AES-256-GCM frames in order, with
 * a sequence that is never sent.
 *
 *   frame   05 | kind u8 | body | tag      kind and body encrypted, in place in the caller's buffer
 *
 * A session ends at the first of: a record that does not open, 2^32 records or 64 GiB in a
 * direction, 1 hour, the end of the verdict's window, or tally_records_end(). The end is sticky:
 * every later call is TALLY_E_STATE, and the keys are gone. Time is milliseconds since 1970. */
#pragma once

#include "proto/keys.h"
#include "proto/limits.h"

enum tally_record_kind {
    TALLY_RECORD_FIN = 0, /* the server's record 0 and no other */
    TALLY_RECORD_MESSAGE, /* one MessagePack message */
    TALLY_RECORD_CHUNK,   /* struct tally_chunk */
};

struct tally_direction {
    struct tally_aead aead;
    uint8_t iv[TALLY_AEAD_NONCE_BYTES];
    uint64_t seq;   /* of the next record */
    uint64_t bytes; /* of frames so far */
};

/* Holds keys: guarded memory, and tally_records_end() at the end. */
struct tally_records {
    struct tally_direction send, receive;
    uint64_t ends_ms; /* no record at or after it */
    bool ended;
};

/* By side: the client sends with ap_c. The window ends at the earlier of an hour from now_ms and
 * the second after not_after_s, the verdict's. */
TALLY_RESULT tally_records_init(struct tally_records *r, enum tally_side side,
                                const struct tally_session_keys *k, uint64_t now_ms,
                                uint64_t not_after_s);
/* Wipes; idempotent. For revocations, a new federation version, a lost connection. */
void tally_records_end(struct tally_records *r);

/* The body lies at frame + TALLY_RECORD_BODY_AT, with TALLY_RECORD_EXTRA_BYTES of room beside
 * it in all; *frame_len is body_len + TALLY_RECORD_EXTRA_BYTES. TALLY_E_LIMIT for a body too
 * large, which leaves the session as it was; TALLY_E_STATE when the session is over. */
TALLY_RESULT tally_record_seal(struct tally_records *r, enum tally_record_kind kind,
                               uint64_t now_ms, uint8_t *frame, size_t body_len, size_t *frame_len);

/* Opens in place: *body points into frame. Any failure ends the session; E_AUTH for a frame that
 * does not open or has another kind than message or chunk. */
TALLY_RESULT tally_record_open(struct tally_records *r, uint64_t now_ms, uint8_t *frame,
                               size_t frame_len, enum tally_record_kind *kind,
                               struct tally_slice *body);

/* The server's record 0, sealed by the handshake, and its check by the client. */
enum { TALLY_FIN_FRAME_BYTES = 32 + TALLY_RECORD_EXTRA_BYTES };
TALLY_RESULT tally_record_seal_fin(struct tally_records *r, uint64_t now_ms, const uint8_t fin[32],
                                   uint8_t frame[TALLY_FIN_FRAME_BYTES]);
TALLY_RESULT tally_record_open_fin(struct tally_records *r, uint64_t now_ms, const uint8_t fin[32],
                                   uint8_t *frame, size_t frame_len);

/* Body of a chunk: one piece of a sealed file. Pieces are TALLY_PIECE_BYTES_MAX but for the
 * last; never empty. */
struct tally_chunk {
    uint8_t seal_digest[32];
    uint32_t index;           /* of the piece, from 0 */
    struct tally_slice bytes; /* inside the body */
};
/* The head; the piece follows at to + TALLY_CHUNK_HEAD_BYTES. */
void tally_chunk_head(const uint8_t seal_digest[32], uint32_t index,
                      uint8_t to[TALLY_CHUNK_HEAD_BYTES]);
TALLY_RESULT tally_chunk_decode(struct tally_slice body, struct tally_chunk *c);
