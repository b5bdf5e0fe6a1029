/* verify_azure.h - judges an Azure confidential VM: the hardware vouches for what the paravisor
 * wrote (hcl.h), that for the vTPM's key, and that for the quote. In the order of ATTESTATION.md
 * C4:
 *
 *   structure   of the HCL blob and its JSON; the TEE that was declared (E_TEE_TYPE)
 *   hardware    the SNP report in the blob, or the TDX quote beside it, by its own verifier;
 *               where it is not authentic, all ends
 *   binding     the report carries the JSON's hash (E_REPORT_DATA), in the TDREPORT as well
 *   content     user-data is what was asked for (E_REPORT_DATA), secure boot, console
 *               (E_POLICY_FLAG)
 *   key         a key given beside the blob is HCLAkPub (E_KEY), a certificate given holds
 *   quote       as verify_tpm.h, under HCLAkPub; a quote by another key is E_SIGNATURE
 *
 * All of REPORT_DATA belongs to the paravisor, so both halves that differ are E_REPORT_DATA. What
 * the guest wants bound stands in user-data: expect->report_data is compared with that. */
#pragma once

#include "common/attest/hcl.h"
#include "common/attest/verify_snp.h"
#include "common/attest/verify_tpm.h"

struct tally_azure_input {
    struct tally_slice hcl;     /* NV index 0x01400001, with the zeros at its end */
    bool tdx;                   /* declared TEE; false: SNP */
    struct tally_snp_input snp; /* SNP: certificates and CRLs; report is taken from the blob */
    struct tally_tpm_input tpm; /* attest.at == NULL: no quote; ak may be left out */
};

struct tally_azure_judge {
    /* Judges the hardware's evidence with its own policy and anchors, by a verifier that fills *v
     * from the start as tally_verify_snp does. report_data: the 64 bytes that it has to carry. */
    enum tally_status (*hardware)(void *ctx, const struct tally_hcl *hcl,
                                  const uint8_t report_data[64], struct tally_verdict *v);
    void *ctx;
    const struct tally_anchor *anchors; /* for the key's certificate */
    uint32_t anchors_n;
    const struct tally_tpm_policy *policy;
};

/* TALLY_OK only when every layer passed; as tally_appraise. The window is that of the hardware and
 * of the key's certificate, the trust class that of the hardware. */
TALLY_RESULT tally_verify_azure_with(const struct tally_azure_input *in,
                                     const struct tally_azure_judge *judge,
                                     const struct tally_expect *expect, struct tally_verdict *v);

/* SNP: the same with tally_verify_snp as the hardware's verifier; in->tdx counts as false. */
struct tally_azure_snp_policy {
    const struct tally_snp_policy *snp;
    const struct tally_tpm_policy *tpm;
};
TALLY_RESULT tally_verify_azure_snp(const struct tally_azure_input *in,
                                    const struct tally_anchor *anchors, uint32_t anchors_n,
                                    const struct tally_azure_snp_policy *policy,
                                    const struct tally_expect *expect, struct tally_verdict *v);

/* The layers alone; hardware that signed REPORT_DATA is judged before. */
void tally_azure_bind(const struct tally_hcl *hcl, const uint8_t report_data[64],
                      struct tally_verdict *v);
void tally_azure_content(const struct tally_hcl *hcl, const struct tally_tpm_policy *policy,
                         const struct tally_expect *expect, struct tally_verdict *v);
/* Key and quote. `part` is no verdict of its own: tally_verdict_init by the caller, who adds what
 * it then holds to that of the hardware. */
void tally_azure_keys(const struct tally_azure_input *in, const struct tally_hcl *hcl,
                      const struct tally_azure_judge *judge, const struct tally_expect *expect,
                      struct tally_verdict *part);

/* What the blob says, for an authentic verdict; in verify_azure_claims.c. */
void tally_verify_azure_claims(const struct tally_hcl *hcl, struct tally_verdict *v);
