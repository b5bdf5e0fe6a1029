/* set.h - SET, the votes on it, and the weights (CHANNEL.md section 3).
 *
 * One row for each agent node of the job's participants, in byte order of org, then node.
 * What a SET may say is checked on encoding and on decoding alike:
 *   counted    digest, examples; no reason; weight at most examples
 *   excluded   a reason name; weight 0
 *   absent     nothing but the names
 *   decision 1 has a counted row; decision 0, the voted abort, has no rows */
#pragma once

#include "common/reason.h"
#include "proto/roundframes.h"

enum tally_row_status { TALLY_ROW_COUNTED = 0, TALLY_ROW_EXCLUDED, TALLY_ROW_ABSENT };

struct tally_set_row {
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    enum tally_row_status status;
    uint8_t statement[32]; /* SHA-256(ST); zeros: none */
    uint32_t examples, weight;
    enum tally_reason reason; /* NONE unless excluded */
};

/* About 23 KiB: the caller's storage. */
struct tally_set {
    enum tally_payload_kind kind;
    enum tally_mode mode;
    bool combine; /* decision 1; false: abort */
    uint8_t federation[32], job[32];
    uint64_t round;
    uint8_t challenge[32], base[32];
    uint32_t rows_n;
    struct tally_set_row rows[TALLY_SET_ROWS_MAX];
};
/* At most TALLY_SET_BYTES_MAX. E_WIRE for a set that breaks the rules above, both ways. */
TALLY_RESULT tally_set_encode(const struct tally_set *s, struct tally_wr *w,
                              struct tally_slice *out);
TALLY_RESULT tally_set_decode(struct tally_slice in, struct tally_set *s);
/* The row of org/node, NULL if there is none. */
const struct tally_set_row *tally_set_find(const struct tally_set *s, const char *org,
                                           const char *node);

/* An agent's attested key over SHA-256(SET). */
TALLY_RESULT tally_vote_sign(const struct tally_sign_key *attested, const uint8_t set_digest[32],
                             uint8_t sig[TALLY_SIGNATURE_BYTES]);
TALLY_RESULT tally_vote_verify(const uint8_t attested[32], const uint8_t set_digest[32],
                               const uint8_t sig[TALLY_SIGNATURE_BYTES]);

/* Fills the weights of the counted rows (0 elsewhere): an organisation's share of the sum is at
 * most p permille, p = max(share_cap_permille, ceil(1000 / counted organisations)), and its
 * nodes divide it by their examples. Integers only, so every site finds the same. TALLY_E_WIRE
 * for rows out of order or without counted examples; share_cap_permille is 1 to 1000. */
TALLY_RESULT tally_set_weigh(struct tally_set *s, uint32_t share_cap_permille);
/* E_UPDATE unless the weights are those. */
TALLY_RESULT tally_set_check_weights(const struct tally_set *s, uint32_t share_cap_permille);

/* L: the largest integer with 1000 L <= p x sum of min(examples[o], L). examples: (orgs), each
 * at least 1; their sum is below 2^37. */
uint64_t tally_set_bound(const uint64_t *examples, uint32_t orgs, uint32_t share_cap_permille);
