/* federation.h - the federation document: who takes part, with which keys, programs, machines and
 * roots of trust (DOCUMENTS.md). One decoded value, no pointers into JSON; look-ups by name.
 *
 * A decoded document is well formed and consistent in itself, no more: who signed it, whether it
 * follows what is in force and whether it has expired is fedstore.h's business. The value is about
 * 300 KB and its anchors point into it, so it is decoded in place and never copied. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/evidence.h"
#include "common/attest/policy.h"
#include "common/bytes.h"
#include "common/text.h"

enum {
    TALLY_PARTIES_MAX = 64,
    TALLY_NODES_MAX = 128, /* over all parties */
    TALLY_CURVE_KEYS_MAX = 2,
    TALLY_MEASUREMENTS_MAX = 32,
    TALLY_FEDERATION_BYTES_MAX = 512 * 1024,
    TALLY_TEST_ROOTS = 4,
};

enum tally_mode { TALLY_MODE_PRODUCTION = 'P', TALLY_MODE_TEST = 'T' };
enum tally_role { TALLY_ROLE_AGENT = 1, TALLY_ROLE_AGGREGATOR, TALLY_ROLE_KMS, TALLY_ROLE_AUDITOR };

struct tally_node {
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    enum tally_role role;
    char endpoint[128]; /* "" for agents */
    uint8_t session_key[32];
    char curve_keys[TALLY_CURVE_KEYS_MAX][41]; /* Z85 */
    uint32_t curve_keys_n;
    uint8_t chips[TALLY_CHIPS_MAX][TALLY_CHIP_DIGEST_BYTES];
    uint32_t chips_n;
    uint8_t id_keys[TALLY_CHIPS_MAX][48];
    uint32_t id_keys_n;
    bool any_chip; /* spelled out as "any"; every program warns */
};

struct tally_party {
    char name[TALLY_NAME_MAX + 1];
    uint8_t document_key[32];
};

struct tally_measurement {
    enum tally_role role;
    enum tally_evidence_kind tee;
    uint8_t digest[TALLY_MEASUREMENT_BYTES]; /* SNP's MEASUREMENT, TDX's MRTD */
    struct tally_td_measurement td;          /* TDX: MRTD again, and RTMRs */
    char software[64];
};

/* Are they the same program on the same kind of TEE? */
bool tally_measurement_same(const struct tally_measurement *a, const struct tally_measurement *b);

struct tally_federation {
    enum tally_mode mode;
    char name[TALLY_NAME_MAX + 1];
    uint32_t version;
    uint8_t digest[32]; /* of the payload as signed: the document in force */
    uint8_t id[32];     /* digest of version 1 */
    uint8_t prev[32];   /* zeros in version 1 */
    uint64_t issued_s, expires_s;
    struct tally_party parties[TALLY_PARTIES_MAX];
    uint32_t parties_n;
    struct tally_node nodes[TALLY_NODES_MAX];
    uint32_t nodes_n;
    struct tally_measurement measurements[TALLY_MEASUREMENTS_MAX];
    uint32_t measurements_n;
    struct tally_policy policy; /* rules for an absent part: such evidence is refused */
    struct tally_anchor anchors[TALLY_ANCHORS_MAX]; /* roots point into test_roots or built-ins */
    uint32_t anchors_n;
    /* DER; a production document has no field that can hold one. The first is "test_root", SNP's;
     * "test_roots" may add those of simulated TDX, devices and manifests. */
    uint8_t test_roots[TALLY_TEST_ROOTS][2048];
    uint32_t owner;         /* index of the party that runs the aggregator */
    uint32_t organisations; /* parties with agents: those who vote */
    uint32_t quorum, tolerated;
    char needs[TALLY_PARTIES_MAX][TALLY_NAME_MAX + 1]; /* who signs a change */
    uint32_t needs_n;
};

/* "application/vnd.tally.<type>+json", in test mode "...<type>-test+json". out: 64 bytes. */
enum { TALLY_DOCUMENT_TYPE_SIZE = 64 };
void tally_document_type(const char *type, enum tally_mode mode,
                         char out[TALLY_DOCUMENT_TYPE_SIZE]);
/* The mode that a payloadType of this type says; TALLY_E_CONFIG for any other payloadType. */
TALLY_RESULT tally_document_mode(const char *type, const char *payload_type, enum tally_mode *mode);

/* Decodes and checks the payload bytes of a federation document: shape, names, unique nodes and
 * keys, chips or id keys or "any" on every node, anchors by compiled-in name (production) or one
 * test root (test), quorum (2 x quorum > organisations + tolerated), who signs changes.
 * TALLY_E_CONFIG with the JSON path otherwise; *out is then zero. */
TALLY_RESULT tally_federation_decode(const char *payload_type, struct tally_slice payload,
                                     struct tally_federation *out);

/* One entry of "parties" by itself, before there is a document round it. */
TALLY_RESULT tally_federation_check_party(const json_t *party);

/* An envelope file, for judging what was kept: decoded as above, and signed by the parties that
 * it names itself: all of them for version 1, else all of its changes.needs. That says nothing on
 * whether it is in force anywhere. */
TALLY_RESULT tally_federation_load_file(const char *path, struct tally_federation *out);

/* Entry of org/node, NULL if there is none. */
const struct tally_node *tally_federation_node(const struct tally_federation *f, const char *org,
                                               const char *node);
const struct tally_party *tally_federation_party(const struct tally_federation *f,
                                                 const char *name);
/* The node that listens: the first aggregator of the document. */
const struct tally_node *tally_federation_aggregator(const struct tally_federation *f);
/* The node with this CURVE key (Z85), NULL if there is none. */
const struct tally_node *tally_federation_curve_key(const struct tally_federation *f,
                                                    const char *z85);

const char *tally_mode_name(enum tally_mode mode); /* "production", "test" */
const char *tally_role_name(enum tally_role role); /* "agent" ... */
/* NULL-ended, in the order of enum tally_role, from TALLY_ROLE_AGENT on. */
extern const char *const tally_role_names[];
