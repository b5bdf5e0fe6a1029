/* versions.h - is this version what the banks voted for? A lineage object (docs/WIRE.md, section 3)
 * is judged on its own: who signed it, whether that was an aggregator's program in a TEE, and
 * whether enough organisations voted for its set. Whether it follows what we remember is
 * proto/member.h's question. No sockets and no files. */
#pragma once

#include "common/job.h"
#include "common/lineage.h"
#include "proto/peer.h"

enum {
    TALLY_LINEAGE_TEXT_MAX = 2 * TALLY_LINEAGE_BYTES_MAX, /* the envelope, base64 and all */
    TALLY_LINEAGE_OBJECT_MAX = TALLY_LINEAGE_TEXT_MAX + TALLY_EV_MAX + TALLY_ENDORSEMENTS_MAX +
                               TALLY_KEY_BLOCK_BYTES_MAX + 16,
};

/* LP envelope | LP KB | LP EV | LP endorsements; slices into the object. */
struct tally_lineage_object {
    struct tally_slice envelope, key_block, ev, endorsements;
};
TALLY_RESULT tally_lineage_object_decode(struct tally_slice in, struct tally_lineage_object *out);

/* What is claimed, before anything is judged: enough to find the parent. The caller frees *out. */
TALLY_RESULT tally_lineage_claimed(const struct tally_lineage_object *o, enum tally_mode mode,
                                   struct tally_lineage *out);

struct tally_lineage_question {
    struct tally_appraiser by; /* never NULL */
    const struct tally_federation *federation;
    const struct tally_revocations *revoked;
    const struct tally_job *job;
    struct tally_slice
        key_block; /* of the aggregator in the session: judged already; empty: none */
    uint64_t now_s;
    const uint8_t *model; /* 32 bytes: the version asked about */
};

/* TALLY_OK: signed by an aggregator of the federation whose evidence is good (that of the session,
 * or kept with the object: REPORT_DATA's second half is its key block's hash, the first taken as
 * it is), of this job and federation, and with valid votes of at least the quorum of organisations,
 * each counted once: SET_QUORUM otherwise. The caller frees *out. */
TALLY_RESULT tally_lineage_judge(const struct tally_lineage_question *q, struct tally_slice object,
                                 struct tally_lineage *out);
