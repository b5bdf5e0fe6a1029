/* message.h - what travels in kind-1 records: one MessagePack array each, [type, fields...].
 *
 * One struct holds the fields of all types and one table says which type has which, so the
 * table is the wire format (docs/WIRE.md). Slices point into the bytes decoded. */
#pragma once

#include "common/bytes.h"

enum tally_message_type {
    TALLY_MSG_HELLO = 1, /* both, first record: time_ms, round, digest (newest version), text */
    TALLY_MSG_DOCUMENT,  /* S: kind, body (DSSE envelope) */
    TALLY_MSG_GRANT,     /* C: digest (job), body (the job's envelope with the bank's signature) */
    TALLY_MSG_OPEN,      /* S: body (OPEN), signature */
    TALLY_MSG_FETCH,     /* C: kind, digest, first (piece), count (credit) */
    TALLY_MSG_OBJECT,    /* S: kind, digest, total (bytes); its chunks follow under credit */
    TALLY_MSG_CREDIT,    /* receiver of chunks: digest, count (pieces more) */
    TALLY_MSG_REFUSED,   /* both: digest (of what), reason, text */
    TALLY_MSG_UPLOAD,    /* C: body (ST), evidence, endorsements, signature, wrap */
    TALLY_MSG_GO,        /* S: digest (seal), first (piece wanted), count (credit) */
    TALLY_MSG_ACK,       /* S: digest (of ST), signature */
    TALLY_MSG_REWRAP,    /* C: digest (of ST), key_id, wrap */
    TALLY_MSG_SET,       /* S: body (SET), signature */
    TALLY_MSG_VOTE,      /* C: digest (of SET), signature */
    TALLY_MSG_VERSION,   /* S: round, digest (model), total (bytes), done (last of the job) */
    TALLY_MSG_STATUS,    /* both: round, kind (phase), first (done), total, text */
    TALLY_MSG_TYPES,
};

/* DOCUMENT.kind */
enum tally_document_kind {
    TALLY_DOC_FEDERATION = 1,
    TALLY_DOC_REVOCATION,
    TALLY_DOC_JOB,   /* signed by all it needs: may be joined */
    TALLY_DOC_OFFER, /* a job that still wants signatures */
};
/* FETCH.kind */
enum tally_object_kind {
    TALLY_OBJECT_MODEL = 1, /* by the digest of its file */
    TALLY_OBJECT_LINEAGE,   /* LP envelope, LP KB, LP EV, LP endorsements of the signer; by the
                               model's   digest */
};
/* STATUS.kind */
enum tally_phase {
    TALLY_PHASE_IDLE,
    TALLY_PHASE_TRAINING, /* first of total batches */
    TALLY_PHASE_UPLOADING,
    TALLY_PHASE_VOTING,
    TALLY_PHASE_WAITING, /* the text says for what: "waiting for votes 2/3" */
};

enum {
    TALLY_MSG_TEXT_MAX = 256,
    TALLY_MSG_DOCUMENT_MAX = 400 * 1024, /* an envelope in one record */
};

struct tally_message {
    enum tally_message_type type;
    uint64_t time_ms, round, total;
    uint32_t kind, first, count;
    bool done;
    uint8_t digest[32], key_id[32], signature[64], wrap[80];
    struct tally_slice body, evidence, endorsements;
    struct tally_slice reason, text; /* strings, not terminated */
};

/* Appends the message to w; a full writer is w's sticky failure. */
void tally_message_encode(struct tally_wr *w, const struct tally_message *m);

/* TALLY_E_WIRE unless the bytes are exactly one message of a known type. */
TALLY_RESULT tally_message_decode(struct tally_slice in, struct tally_message *m);

const char *tally_message_name(enum tally_message_type t); /* "UPLOAD" */
