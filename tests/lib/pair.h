/* pair.h - two nodes of one federation in one process, a client C and a server S, and the frames
 * between them: for golden traces, and for attackers who own what stands between the two.
 *
 * All keys are fixed. Evidence and its appraisal are replaceable: by default a report that is zero
 * but for REPORT_DATA, and an appraiser that compares REPORT_DATA and nothing else. */
#pragma once

#include <check.h>

#include "proto/handshake.h"

enum { PAIR_NOW_S = 1795000000, PAIR_EVIDENCE_MAX = 16 * 1024 };

/* Frames of a handshake by number: M1 to M4, FIN. */
enum { PAIR_M1 = 1, PAIR_M2, PAIR_M3, PAIR_M4, PAIR_FIN, PAIR_FRAMES };

struct pair;

struct pair_side {
    enum tally_side side;
    struct tally_node *node; /* in the federation */
    struct tally_sign_key session, attested;
    uint8_t kem_secret[TALLY_KEX_BYTES];
    struct tally_key_block kb; /* keys and names are set by pair_begin */
    uint8_t kb_bytes[TALLY_KEY_BLOCK_BYTES_MAX];
    struct tally_slice key_block;
    struct tally_handshake_fresh fresh;
    struct tally_handshake h;
    struct tally_handshake_effects did; /* in the last step */
    uint8_t out[TALLY_SEALED_FRAME_BYTES_MAX];
    uint8_t *frame; /* the last one given, on the heap at its exact size */
    uint8_t ev_bytes[PAIR_EVIDENCE_MAX], endorsement_bytes[PAIR_EVIDENCE_MAX];
    struct tally_slice ev, endorsements; /* of the last quote */
    void *chip;                          /* whatever pair.quote wants */
    struct tally_records records;        /* after pair_finish */
    struct tally_peer peer;
};

struct pair {
    struct tally_federation f; /* nodes 0: server, 1: client */
    struct tally_revocations revoked;
    struct pair_side c, s;
    uint8_t job[32], krp[32];
    uint64_t now_ms;
    struct tally_appraiser appraiser;
    unsigned appraisals; /* by pair_appraise */
    /* Fills side->ev and side->endorsements for this REPORT_DATA. */
    void (*quote)(struct pair_side *side, const uint8_t report_data[TALLY_REPORT_DATA_BYTES]);
    struct {
        uint8_t at[TALLY_SEALED_FRAME_BYTES_MAX];
        size_t len;
    } wire[PAIR_FRAMES]; /* as sent */
};

/* A test federation of owner/aggregator (S) and bank-1/agent-1 (C), a job, no krp. */
void pair_init(struct pair *p);
/* Writes names and keys into the federation and the key blocks and starts both handshakes. What a
 * test wants otherwise it changes before. */
void pair_begin(struct pair *p);
/* New ephemerals and nonces, derived from `n`, and both handshakes anew. */
void pair_again(struct pair *p, uint8_t n);
/* Wipes and frees. */
void pair_end(struct pair *p);

/* The honest course until frame `last` was sent; it was not given to its receiver yet. */
void pair_run(struct pair *p, int last);
/* All of it, and the sessions taken. */
void pair_finish(struct pair *p);

/* One event each, effects in side->did. Frames are copied to the heap at their exact size. */
TALLY_RESULT pair_start(struct pair *p, struct pair_side *to);
TALLY_RESULT pair_give(struct pair *p, struct pair_side *to, const uint8_t *frame, size_t len);
TALLY_RESULT pair_quoted(struct pair *p, struct pair_side *to); /* quotes and answers */
TALLY_RESULT pair_tick(struct pair *p, struct pair_side *to);
/* What `to` would be given next as frame n of the wire. */
TALLY_RESULT pair_pass(struct pair *p, struct pair_side *to, int n);

/* `call` is refused for this reason. */
#define PAIR_REFUSED(call, why)                                               \
    do {                                                                      \
        ck_assert_int_ne((call), TALLY_OK);                                   \
        ck_assert_msg(tally_reason() == (why), "%s, not " #why, tally_why()); \
    } while (0)
/* The attempt is over for good: nothing to do, no keys, no session. */
void pair_check_ended(const struct pair_side *s);

/* The REPORT_DATA that side's handshake, at its quote, binds. */
void pair_report_data(const struct pair_side *side, uint8_t out[TALLY_REPORT_DATA_BYTES]);

/* M3 or M4 as whoever knows the handshake's keys can make it: P sealed for `to`, who waits for it.
 * Gives the frame to `to`. */
TALLY_RESULT pair_forge(struct pair *p, struct pair_side *to, struct tally_slice plain);
/* P of these parts, signed by `key` for what `to` waits for; sig NULL: sign. */
struct tally_slice pair_proof(const struct pair_side *to, struct tally_slice ev,
                              struct tally_slice endorsements, struct tally_slice key_block,
                              const struct tally_sign_key *key, const uint8_t *sig);
/* The side that `to` talks with. */
struct pair_side *pair_other(struct pair *p, const struct pair_side *to);
/* Runs until the client (PAIR_CLIENT) waits for M3, or the server for M4; gives that side. */
enum { PAIR_CLIENT, PAIR_SERVER, PAIR_SIDES };
struct pair_side *pair_waiting(struct pair *p, int side);
/* A proof for the waiting `to` in which all is right but perhaps the arguments: a fresh quote for
 * this key block, signed by this key. */
TALLY_RESULT pair_prove(struct pair *p, struct pair_side *to, struct tally_slice key_block,
                        const struct tally_sign_key *key);
/* The REPORT_DATA that `to` will want of its peer's evidence over this key block. */
void pair_wanted(const struct pair_side *to, struct tally_slice key_block,
                 uint8_t out[TALLY_REPORT_DATA_BYTES]);

/* The default quote and appraiser (ctx: the pair). */
void pair_quote(struct pair_side *side, const uint8_t report_data[TALLY_REPORT_DATA_BYTES]);
TALLY_RESULT pair_appraise(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                           const struct tally_federation *f, const struct tally_expect *expect,
                           struct tally_verdict *v);
