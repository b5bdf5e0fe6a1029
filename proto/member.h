/* member.h - the agent's memory of a job and what it refuses because of it, as a pure state
 * machine. The aggregator's host may restore any disk it likes; what stops a second set of one
 * round, a forgotten update or a rewritten history is that agents remember (DESIGN.md, The set
 * and Restart). Whoever drives it keeps the memory durable before he acts on a changed one:
 * above all the vote, once for each (job, round), before it is sent. */
#pragma once

#include "common/lineage.h"
#include "proto/set.h"

/* All of it, encoded: one small file for each job. */
struct tally_member {
    uint8_t job[32];
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    bool has_open; /* the newest round opened to us */
    uint64_t round;
    uint8_t kind;
    uint8_t challenge[32], base[32];
    bool has_statement; /* what we made for it; from here on only these bytes are sent */
    uint8_t statement[32];
    uint32_t examples;
    bool acked; /* the aggregator answered for it with its key */
    bool voted; /* for this set of this round and for no other, ever */
    bool voted_combine;
    uint8_t voted_set[32];
    bool settled;     /* the version with that set was seen */
    bool has_version; /* newest version whose lineage was verified */
    uint64_t version_round;
    uint8_t version[32];
};

enum {
    TALLY_MEMBER_BYTES =
        1 + 32 + 2 * (1 + TALLY_NAME_MAX) + 8 + 8 + 1 + 32 + 32 + 32 + 4 + 32 + 8 + 32
};

void tally_member_init(struct tally_member *m, const uint8_t job[32], const char *org,
                       const char *node);
/* Fixed size, written with a final checksum of ours by the caller's file layer. */
void tally_member_encode(const struct tally_member *m, uint8_t out[TALLY_MEMBER_BYTES]);
TALLY_RESULT tally_member_decode(struct tally_slice in, struct tally_member *m);

/* A verified OPEN. TALLY_OK: ours to answer; `m` is the new memory (the same round again changes
 * nothing). ROUND_REUSED for a round at or below the last with another challenge, base or kind;
 * AGGREGATOR_ROLLED_BACK for a base that is not our newest version; SET_CONFLICT while a set we
 * voted to combine has no version that we have seen (a voted abort is settled by the next OPEN). */
TALLY_RESULT tally_member_open(struct tally_member *m, const struct tally_opening *o);

/* Our statement for the open round, before it is sent. */
TALLY_RESULT tally_member_statement(struct tally_member *m, const uint8_t statement[32],
                                    uint32_t examples);
TALLY_RESULT tally_member_acked(struct tally_member *m, const uint8_t statement[32]);

/* A verified SET, with its digest. TALLY_OK: vote for it, once `m` is durable (or again, for the
 * same one). SET_CONFLICT: we have voted for another. E_UPDATE: our own row is not what we sent,
 * an acknowledged update is missing, or the weights are not the formula's. */
TALLY_RESULT tally_member_set(struct tally_member *m, const struct tally_set *s,
                              const uint8_t digest[32], uint32_t share_cap_permille);

/* A version whose lineage signature is good, oldest first. SET_CONFLICT if it is of a round we
 * voted in with another set; AGGREGATOR_ROLLED_BACK if it does not descend from our newest, or our
 * acknowledged update is missing from it or has another digest. */
TALLY_RESULT tally_member_version(struct tally_member *m, const struct tally_lineage *l);
