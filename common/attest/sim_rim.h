/* sim_rim.h - reference manifests of our own, for simulated GPUs and switches and for tests of the
 * verifier (ATTESTATION.md C7): NVIDIA's document and signature, written in canonical form, under
 * four certificates in NVIDIA's shapes of which the last is a test federation's root. */
#pragma once

#include "common/attest/rim.h"

struct evp_pkey_st;

enum { TALLY_SIM_RIM_CERT_BYTES_MAX = 1024 };

/* What one certificate says. */
struct tally_sim_rim_cert {
    const char *cn;
    bool ca;
    int pathlen;       /* -1: none */
    const char *curve; /* "P-384" */
    const char *hash;  /* that its issuer signs with: "SHA384" */
    uint64_t not_before_s, not_after_s;
};

/* Key first, root last: certs[3] is the anchor. */
struct tally_sim_rim_signer {
    struct tally_sim_rim_cert says[TALLY_RIM_CERTS];
    struct evp_pkey_st *keys[TALLY_RIM_CERTS];
    uint8_t der[TALLY_RIM_CERTS][TALLY_SIM_RIM_CERT_BYTES_MAX];
    size_t der_bytes[TALLY_RIM_CERTS];
};

/* New keys and certificates: the leaf for two years from a day before now_s, its issuers for four
 * and ten, the root for thirty. */
TALLY_RESULT tally_sim_rim_signer_new(uint64_t now_s, struct tally_sim_rim_signer **out);
/* Makes keys and certificates anew from what `says` says, after a change. */
TALLY_RESULT tally_sim_rim_signer_issue(struct tally_sim_rim_signer *s);
void tally_sim_rim_signer_free(struct tally_sim_rim_signer **s);
struct tally_slice tally_sim_rim_root(const struct tally_sim_rim_signer *s); /* DER */

/* Writes and signs: name, product, version, edition and every present measurement of *rim.
 * TALLY_E_LIMIT where out is too small. */
TALLY_RESULT tally_sim_rim_write(const struct tally_rim *rim, const struct tally_sim_rim_signer *s,
                                 struct tally_wr *out);
/* Puts a fresh DigestValue and SignatureValue into a document that tally_sim_rim_write wrote and
 * that was changed since, without using the verifier's canonical form: it has to be canonical.
 * TALLY_E_CONFIG where there is no Signature of the old lengths. */
TALLY_RESULT tally_sim_rim_sign(const struct tally_sim_rim_signer *s, uint8_t *document,
                                size_t bytes);
