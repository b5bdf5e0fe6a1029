/* verify_tpm_claims.c - what an authentic TPM quote says.
 *
 *   tee                 "tpm", of a quote that stands alone
 *   trust               "hardware", "test" or "given", likewise
 *   tpm_eventlog        true: the event log replays to the quoted PCRs
 *   tpm_ak              hex, SHA-256 of the attestation key's SubjectPublicKeyInfo
 *   tpm_ak_attributes   mask, where a TPMT_PUBLIC was given
 *   tpm_nonce           hex, extraData
 *   tpm_signer          hex, the key's qualified name
 *   tpm_firmware        mask, firmwareVersion
 *   tpm_clock_ms        number
 *   tpm_clock_safe      boolean
 *   tpm_reset_count     number
 *   tpm_restart_count   number
 *   tpm_pcrs            mask of the PCRs that are quoted and whose values are true
 *   tpm_pcr_digest      hex
 *   tpm_pcr_0 .. 23     hex, of these PCRs */
#include "common/attest/verdict.h"
#include "common/attest/verify_tpm.h"

static const char *const pcr_names[TALLY_PCRS] = {
    "tpm_pcr_0",  "tpm_pcr_1",  "tpm_pcr_2",  "tpm_pcr_3",  "tpm_pcr_4",  "tpm_pcr_5",
    "tpm_pcr_6",  "tpm_pcr_7",  "tpm_pcr_8",  "tpm_pcr_9",  "tpm_pcr_10", "tpm_pcr_11",
    "tpm_pcr_12", "tpm_pcr_13", "tpm_pcr_14", "tpm_pcr_15", "tpm_pcr_16", "tpm_pcr_17",
    "tpm_pcr_18", "tpm_pcr_19", "tpm_pcr_20", "tpm_pcr_21", "tpm_pcr_22", "tpm_pcr_23"};

void tally_verify_tpm_claims(const struct tally_tpm_content *c, uint32_t pcrs,
                             struct tally_verdict *v)
{
    const struct tally_tpm_quote *q = c->quote;
    uint8_t digest[32];

    tally_tpm_key_digest(c->key, digest);
    tally_claim_hex(v, "tpm_ak", TALLY_SLICE(digest));
    if (c->key->described) tally_claim_mask(v, "tpm_ak_attributes", c->key->attributes);
    tally_claim_hex(v, "tpm_nonce", q->extra);
    tally_claim_hex(v, "tpm_signer", q->signer);
    tally_claim_mask(v, "tpm_firmware", q->firmware);
    tally_claim_number(v, "tpm_clock_ms", q->clock_ms);
    tally_claim_bool(v, "tpm_clock_safe", q->safe != 0);
    tally_claim_number(v, "tpm_reset_count", q->reset_count);
    tally_claim_number(v, "tpm_restart_count", q->restart_count);
    tally_claim_mask(v, "tpm_pcrs", pcrs);
    tally_claim_hex(v, "tpm_pcr_digest", q->digest);
    for (unsigned i = 0; i < TALLY_PCRS; i++) {
        if ((pcrs & 1U << i) == 0) continue;
        const uint8_t *at = c->in->pcrs.at + (size_t)i * TALLY_PCR_BYTES;
        tally_claim_hex(v, pcr_names[i], tally_slice_of(at, TALLY_PCR_BYTES));
    }
}
