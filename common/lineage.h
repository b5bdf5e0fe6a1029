/* lineage.h - how a model version came to be (DOCUMENTS.md, lineage): a JSON payload that the
 * aggregator's attested key signs in a DSSE envelope. Strict both ways: unknown, missing or
 * repeated keys are refused. Whoever holds the federation document, the kept statements and the
 * kept evidence can check it offline. */
#pragma once

#include <jansson.h>

#include "common/federation.h"

enum {
    TALLY_LINEAGE_BYTES_MAX = 1 << 20, /* what one Ed25519 signature covers here */
    TALLY_LINEAGE_KB_MAX = 319,
    /* Below this many positives a site's evaluation stays out of the lineage: a count of one is a
     * disclosure (ALGORITHMS.md section 9). */
    TALLY_LINEAGE_POSITIVES_MIN = 10,
};

enum tally_lineage_status { TALLY_LINEAGE_COUNTED, TALLY_LINEAGE_EXCLUDED, TALLY_LINEAGE_ABSENT };

struct tally_lineage_site {
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    enum tally_lineage_status status;
    uint8_t statement[32], seal[32], evidence[32]; /* zeros unless counted */
    uint32_t examples, weight;
    char reason[TALLY_REASON_NAME_MAX]; /* excluded: why */
    /* Its evaluation of the base; NULL: none, or withheld. Triples [bin, negatives, positives],
     * flat. Owned by the lineage. */
    json_t *histogram;
    uint64_t rows, positives;
};

struct tally_lineage_vote {
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    uint8_t key_block[TALLY_LINEAGE_KB_MAX];
    uint32_t key_block_bytes;
    uint8_t evidence[32], signature[64];
};

struct tally_lineage {
    uint8_t federation[32], job[32], parent[32], model[32], set[32];
    bool has_parent;
    uint64_t round;
    struct tally_lineage_site *sites; /* by organisation, then node */
    struct tally_lineage_vote *votes;
    uint32_t sites_n, votes_n;
    uint8_t key_block[TALLY_LINEAGE_KB_MAX]; /* the aggregator's */
    uint32_t key_block_bytes;
    uint8_t evidence[32];
};

/* Room for that many sites and votes, all zero; free what an earlier one held first. */
TALLY_RESULT tally_lineage_init(struct tally_lineage *l, uint32_t sites_n, uint32_t votes_n);
void tally_lineage_free(struct tally_lineage *l); /* idempotent */

/* The payload to sign; the caller frees *json. */
TALLY_RESULT tally_lineage_encode(const struct tally_lineage *l, char **json);
/* On failure (TALLY_E_WIRE) *l is empty. */
TALLY_RESULT tally_lineage_decode(struct tally_slice payload, struct tally_lineage *l);

/* payloadType of a lineage in that mode. */
const char *tally_lineage_type(enum tally_mode mode);
