/* limits.h - every limit of the protocol by name. What a peer can make us hold is the sum of
 * these, and a test that sends one more is refused. Bytes, milliseconds or counts, as the name
 * says. Limits of evidence are in common/attest/device.h, of documents in common/federation.h. */
#pragma once

#include "common/attest/device.h"
#include "common/text.h"

enum {
    /* Handshake frames (CHANNEL.md section 2). */
    TALLY_NAME_FIELD_MAX = 4 + TALLY_NAME_MAX, /* LP name */
    TALLY_M1_BYTES_MAX = 208 + 3 * TALLY_NAME_FIELD_MAX,
    TALLY_M2_BYTES_MAX = 88 + TALLY_NAME_FIELD_MAX,
    TALLY_SEALED_FRAME_BYTES_MAX = 384 * 1024, /* M3 and M4 */
    TALLY_SOFTWARE_MAX = 63,
    TALLY_KEY_BLOCK_BYTES_MAX = 118 + 3 * TALLY_NAME_FIELD_MAX,
    TALLY_REFUSAL_BYTES = 3,
    TALLY_HALF_OPEN_MS = 30 * 1000, /* nonces and half-open state live this long */

    /* Who may knock (ZEROMQ.md); kept by whoever owns the sockets. */
    TALLY_PENDING_PER_NODE_MAX = 2,
    TALLY_PENDING_MAX = 64,
    TALLY_KNOCKS_PER_MINUTE = 6,
    TALLY_KNOCKS_BURST = 3,

    /* Records and sessions. */
    TALLY_PIECE_BYTES_MAX = 512 * 1024,   /* one piece of a sealed file */
    TALLY_CHUNK_HEAD_BYTES = 32 + 4,      /* seal digest, index */
    TALLY_MESSAGE_BYTES_MAX = 512 * 1024, /* one MessagePack message */
    TALLY_RECORD_BODY_MAX = TALLY_CHUNK_HEAD_BYTES + TALLY_PIECE_BYTES_MAX,
    TALLY_RECORD_BODY_AT = 1 + 1,          /* type and kind before the body */
    TALLY_RECORD_EXTRA_BYTES = 1 + 1 + 16, /* type, kind and tag */
    TALLY_RECORD_BYTES_MAX = TALLY_RECORD_BODY_MAX + TALLY_RECORD_EXTRA_BYTES,
    TALLY_SESSION_MS_MAX = 60 * 60 * 1000,
    TALLY_CLOCK_APART_MS = 5 * 60 * 1000, /* clocks of two sides; more: stop and say so */

    /* Round structures (CHANNEL.md section 3). */
    TALLY_OPENING_BYTES = 204,
    TALLY_PAYLOAD_HEADER_BYTES_MAX = 120 + 2 * TALLY_NAME_FIELD_MAX,
    TALLY_STATEMENT_BYTES_MAX = 224 + 2 * TALLY_NAME_FIELD_MAX,
    TALLY_WRAP_BYTES = 32 + 48,
    TALLY_WRAP_INFO_BYTES = 14 + 32,
    TALLY_EXAMPLES_MAX = (1 << 29) - 1,
    TALLY_SHARE_CAP_MAX = 1000, /* permille */
    TALLY_SET_ROWS_MAX = 128,
    TALLY_SET_BYTES_MAX = 144 + TALLY_SET_ROWS_MAX * (45 + 2 * TALLY_NAME_FIELD_MAX + 36),
    TALLY_UPLOAD_HEAD_BYTES_MAX = 12 + TALLY_STATEMENT_BYTES_MAX + TALLY_EV_MAX +
                                  TALLY_ENDORSEMENTS_MAX + 64 + TALLY_WRAP_BYTES,
};

/* Too large for an enum constant. */
#define TALLY_SESSION_RECORDS_MAX (UINT64_C(1) << 32)  /* in one direction */
#define TALLY_SESSION_BYTES_MAX   (UINT64_C(64) << 30) /* of frames, in one direction */
#define TALLY_PAYLOAD_BYTES_MAX   (UINT64_C(32) << 30) /* plaintext of one update */
