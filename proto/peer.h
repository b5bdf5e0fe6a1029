/* peer.h - whom evidence makes trustworthy: one question ("is this evidence, over this
 * REPORT_DATA, good for that entry of the federation document?"), asked in a handshake and for
 * every update, and the identity that a good answer gives. */
#pragma once

#include "common/attest/appraise.h"
#include "common/revocation.h"
#include "proto/frames.h"

/* Judges evidence against expectations already filled: tally_peer_appraise, or a test's own
 * where the evidence cannot be genuine. */
struct tally_appraiser {
    enum tally_status (*appraise)(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                                  const struct tally_federation *f,
                                  const struct tally_expect *expect, struct tally_verdict *v);
    void *ctx;
};

/* The real one: tally_appraise under the document's anchors and policy. ctx is the thread's own
 * struct tally_attest_cache, or NULL: what was verified before is then verified anew. */
TALLY_RESULT tally_peer_appraise(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                                 const struct tally_federation *f,
                                 const struct tally_expect *expect, struct tally_verdict *v);

struct tally_peer_question {
    struct tally_appraiser by; /* never NULL */
    const struct tally_federation *federation;
    const struct tally_node *entry; /* of the peer, in that document */
    const struct tally_revocations *revoked;
    uint64_t now_s; /* appraisal time, never before what is already known (DESIGN.md, Time) */
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], gpu_nonce[32]; /* tally_quote_expected */
};

/* The same for what an instance keeps of itself, made at its start: a TALLY_QUOTE_COLLECT over the
 * SHA-256 of its key block. */
TALLY_RESULT tally_own_expected(struct tally_slice key_block, struct tally_slice ev,
                                uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                uint8_t gpu_nonce[32]);

/* TALLY_OK only for evidence that is good for this entry now: measurement allowed for its role,
 * chip or id key of its list, nothing revoked. Otherwise the first failure is tally_reason() and
 * *v, if it got that far, holds all. */
TALLY_RESULT tally_peer_judge(const struct tally_peer_question *q, struct tally_slice ev,
                              struct tally_slice endorsements, struct tally_verdict *v);

/* A verified peer. Plain values; nothing points elsewhere. */
struct tally_peer {
    struct tally_key_block kb; /* verified: org, node, role, instance, keys */
    uint8_t kb_bytes[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    uint8_t key_id[32];                           /* SHA-256("tally/kb/v1" || 00 || KB) */
    uint8_t session_key[TALLY_SIGN_PUBLIC_BYTES]; /* from the document */
    uint8_t federation[32];                       /* digest that was in force */
    uint8_t job[32], krp[32];                     /* of the session; zeros: none */
    uint8_t ev_digest[32];                        /* SHA-256(EV) */
    enum tally_trust_class trust;
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], measurement[TALLY_MEASUREMENT_BYTES];
    uint64_t appraised_s, not_before_s, not_after_s; /* the verdict's window */
};
/* KB as a slice of p. */
struct tally_slice tally_peer_key_block(const struct tally_peer *p);
