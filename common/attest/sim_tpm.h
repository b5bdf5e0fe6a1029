/* sim_tpm.h - a simulated vTPM and Azure's paravisor above it (ATTESTATION.md C7): byte-exact
 * quotes, public keys and HCL blobs, every field of which may be another. A verifier treats them as
 * any: only who vouches for the key is another. For tests and for evidence under a test root. */
#pragma once

#include "common/attest/hcl.h"
#include "common/attest/tpm_key.h"
#include "common/attest/tpm_policy.h"

enum { TALLY_SIM_TPM_RSA_BITS = 2048, TALLY_SIM_JSON_MAX = 4096 };

struct tally_sim_tpm {
    struct tally_tpm_key ak;
    struct tally_tpm_key ek; /* of the same kind; named in the HCL's JSON alone */
    uint8_t pcrs[TALLY_PCRS][TALLY_PCR_BYTES];
};

/* Which key: TALLY_TPM_RSA (RSA-2048), TALLY_TPM_P256 or TALLY_TPM_P384. PCR i holds bytes i. */
TALLY_RESULT tally_sim_tpm_new(uint16_t kind, struct tally_sim_tpm **out);
void tally_sim_tpm_free(struct tally_sim_tpm **t); /* idempotent */

/* A quote over all 24 PCRs of the SHA-256 bank that any policy accepts but for its nonce, which is
 * empty. digest: room that q->digest points to. Fields may be changed before it is signed. */
void tally_sim_quote_init(const struct tally_sim_tpm *t, uint8_t digest[TALLY_TPM_DIGEST_MAX],
                          struct tally_tpm_quote *q);
/* Sets q->digest to what the selections, of whatever bank, select among t->pcrs, hashed by hash. */
void tally_sim_quote_digest(const struct tally_sim_tpm *t, uint16_t hash,
                            uint8_t digest[TALLY_TPM_DIGEST_MAX], struct tally_tpm_quote *q);

/* A TPMT_SIGNATURE over the bytes; hash: SHA-256, 384 or 512 (or SHA-1, which none accepts). */
TALLY_RESULT tally_sim_tpm_sign(const struct tally_sim_tpm *t, uint16_t scheme, uint16_t hash,
                                struct tally_slice text, struct tally_wr *sig);
/* Its attestation key as TPMT_PUBLIC with these attributes and scheme (TALLY_TPM_NULL: none). */
void tally_sim_tpm_public(const struct tally_sim_tpm *t, uint32_t attributes, uint16_t scheme,
                          struct tally_wr *w);
/* Its attestation key as SubjectPublicKeyInfo, DER. */
void tally_sim_tpm_spki(const struct tally_sim_tpm *t, struct tally_wr *w);

/* What the paravisor of an Azure VM with an RSA vTPM writes; strings are true or false in JSON. */
struct tally_sim_hcl_config {
    bool secure_boot, console;
    uint8_t user_data[TALLY_HCL_USER_DATA_BYTES];
};
/* The runtime data, as Azure orders it, without its end. */
void tally_sim_hcl_json(const struct tally_sim_tpm *t, const struct tally_sim_hcl_config *c,
                        struct tally_wr *w);

/* The blob's fields round report and JSON; filled by init, any may be changed. */
struct tally_sim_hcl {
    uint32_t version, size, request, status, data_size, data_version, type, hash, json_size;
    struct tally_slice report, json; /* report: at most 1184 bytes, zeros after it */
    size_t nv_bytes;                 /* of the whole, zeros at the end: 2600 */
};
void tally_sim_hcl_init(enum tally_hcl_report type, struct tally_slice report,
                        struct tally_slice json, struct tally_sim_hcl *h);
void tally_sim_hcl_encode(const struct tally_sim_hcl *h, struct tally_wr *w);

/* A TDREPORT with this REPORTDATA: hashes of its parts are right, no MAC can be. */
void tally_sim_tdreport(const uint8_t report_data[64], uint8_t out[TALLY_TDREPORT_BYTES]);
