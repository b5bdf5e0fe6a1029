/* ear.h - a verdict as an EAT Attestation Result (draft-ietf-rats-ear-04) in a JWT, for relying
 * parties that are not ours.
 *
 *   { "eat_profile": "tag:ietf.org,2026:rats/ear#04", "iat": s, "exp": s, "aud"?, "eat_nonce"?,
 *     "ear_verifier_id": {"developer","build"}, "ear_raw_evidence_digest": "<sha-256, hex>",
 *     "submods": { "<name>": { "ear_status", "ear_trustworthiness_vector": {...},
 *                              "ear_appraisal_policy_ids": [...], "ear_verifier_claims": {...} } }
 * }
 *
 * The vector has AR4SI's eight dimensions as numbers: 2 affirming, 32 to 95 warning, 96 to 127
 * contraindicated, 0 no claim. Hardware under a root that is no vendor's is a warning. A refused
 * verdict always has a contraindicated one, an undecided
 * verdict claims nothing; ear_status is the worst tier. ear_verifier_claims holds our own verdict:
 * "verdict", "failed" by name, "claims". Signed with Ed25519 (EdDSA) or P-384 (ES384). */
#pragma once

#include <jansson.h>

#include "common/attest/appraise.h"

enum { TALLY_EAR_TEXT_MAX = 64 * 1024, TALLY_EAR_TTL_S = 3600 };

/* One part of what was appraised. */
struct tally_ear_part {
    const char *name;   /* "cpu", "gpu0" */
    const char *policy; /* its id: "strict", "integrity", or a document's digest in hex */
    const struct tally_verdict *verdict;
    bool measured;  /* what runs was compared with reference values */
    bool integrity; /* nothing was asked of TCB, platform and guest: nothing is said of them */
};

struct tally_ear_request {
    uint64_t now_s;
    const char *build;           /* version of the program that judged */
    const char *audience;        /* NULL: none */
    struct tally_slice nonce;    /* of the relying party; at == NULL: none */
    struct tally_slice evidence; /* what was judged: its digest goes in */
    const struct tally_ear_part *parts;
    uint32_t parts_n;
};

/* A verdict's claims as JSON; a name that comes twice is a list. NULL: out of memory. */
json_t *tally_claims_json(const struct tally_verdict *v);

/* The claims set; the caller owns it, NULL when out of memory. exp is the end of the narrowest
 * window, TALLY_EAR_TTL_S after now at the latest. */
json_t *tally_ear_claims(const struct tally_ear_request *r);

/* The claims as a compact JWT under a private key in PEM: Ed25519 or P-384, nothing else
 * (TALLY_E_CONFIG). The caller frees *jwt. */
TALLY_RESULT tally_ear_sign(const json_t *claims, struct tally_slice key_pem, char **jwt);

/* What a relying party asks of a token. The algorithm is the key's, whatever the header says. */
struct tally_ear_expect {
    uint64_t now_s;
    const char *audience;       /* NULL: not compared; a token with one is then refused */
    struct tally_slice nonce;   /* at == NULL: not compared */
    struct tally_slice key_pem; /* public key */
};

/* E_SIGNATURE, E_ALGORITHM (header names another algorithm than the key's), E_FORMAT, E_VERSION
 * (another profile), E_CERT_EXPIRED, E_CERT_NOT_YET_VALID, E_IDENTITY (audience), E_REPORT_DATA
 * (nonce). TALLY_OK says that the token is genuine and fresh, and *status what it says: "affirming"
 * or worse; *claims is the caller's. */
TALLY_RESULT tally_ear_check(struct tally_slice jwt, const struct tally_ear_expect *expect,
                             json_t **claims, const char **status);
