/* verify_tpm.h - judges one TPM quote, in the order of ATTESTATION.md C4.2:
 *
 *   structure   TPMS_ATTEST: magic, type, lengths
 *   key         the attestation key, its chain up to an anchor, what a TPMT_PUBLIC says of it
 *   signature   of the quote by the key
 *   content     nonce, PCR selection, PCR digest, PCR values, event log, clock
 *
 * A structure, key, chain or signature that fails ends it; dates and the content are collected.
 * PCR values are taken by the quote's selection and never by their place in some list.
 *
 * Classes: E_FORMAT (magic, type), E_KEY (curve, size, a key that may sign what is no TPM's own),
 * E_ROOT_UNTRUSTED (missing: nothing vouches for a bare key), E_SIGNATURE, E_REPORT_DATA (nonce),
 * E_PCR_SELECTION, E_PCR_DIGEST (values), E_MEASUREMENT (values that the policy does not list),
 * E_EVENTLOG, E_POLICY_FLAG (clock). Pure: no clock, no file, no network. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/tpm_cert.h"
#include "common/attest/tpm_key.h"
#include "common/attest/tpm_policy.h"

enum { TALLY_PCR_LIST_BYTES = TALLY_PCRS * TALLY_PCR_BYTES };

struct tally_tpm_input {
    struct tally_slice attest; /* TPMS_ATTEST; at == NULL: not given, as below */
    struct tally_slice sig;    /* bare or TPMT_SIGNATURE */
    struct tally_slice pcrs;   /* 24 x 32 bytes, SHA-256 bank, by the PCR's number */
    struct tally_slice ak;     /* PEM or DER: SubjectPublicKeyInfo, certificate; or TPMT_PUBLIC */
    struct tally_slice ak_issuers[TALLY_TPM_ISSUERS_MAX]; /* the certificate's issuer first */
    struct tally_slice eventlog;                          /* TCG2 */
};

/* As tally_verify_snp. expect->nonce is compared with all of extraData. A key without a certificate
 * has nobody who vouches for it: undecided, but under integrity it is believed as given, with trust
 * class GIVEN and the moment of the appraisal as the window. */
TALLY_RESULT tally_verify_tpm(const struct tally_tpm_input *in, const struct tally_anchor *anchors,
                              uint32_t anchors_n, const struct tally_tpm_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);

/* Key and chain alone, into *k: for evidence whose key something else may vouch for; k->vouched
 * says whether a chain to an anchor does. False where the failure or what is missing in *v ends it.
 * The caller frees the key. */
bool tally_verify_tpm_key(const struct tally_tpm_input *in, const struct tally_anchor *anchors,
                          uint32_t anchors_n, const struct tally_expect *expect,
                          struct tally_tpm_key *k, struct tally_verdict *v);
/* What a TPMT_PUBLIC says of the key. */
void tally_verify_tpm_attributes(const struct tally_tpm_key *k,
                                 const struct tally_tpm_policy *policy, struct tally_verdict *v);
/* Signature and content of a quote under a key that is vouched for or taken as given, to a verdict
 * whose window the caller sets. Claims have the prefix "tpm_"; there are none unless v->authentic,
 * which becomes `authentic` when the signature verifies. */
struct tally_tpm_quoted {
    const struct tally_tpm_input *in;
    const struct tally_tpm_key *key;
    const struct tally_tpm_quote *quote; /* in->attest, decoded */
    bool authentic;
};
void tally_verify_tpm_quote(const struct tally_tpm_quoted *q, const struct tally_tpm_policy *policy,
                            const struct tally_expect *expect, struct tally_verdict *v);

/* The last steps alone, over a quote whose signature verified; for tally_verify_tpm_quote. */
struct tally_tpm_content {
    const struct tally_tpm_input *in;
    const struct tally_tpm_key *key;
    const struct tally_tpm_quote *quote;
    uint16_t hash; /* of the signature, and so of the PCR digest */
};
/* Gives the PCRs whose given values are those quoted, as a mask. */
uint32_t tally_verify_tpm_content(const struct tally_tpm_content *c,
                                  const struct tally_tpm_policy *policy,
                                  const struct tally_expect *expect, struct tally_verdict *v);
void tally_verify_tpm_claims(const struct tally_tpm_content *c, uint32_t pcrs,
                             struct tally_verdict *v);
