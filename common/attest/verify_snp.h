/* verify_snp.h - judges one SEV-SNP report, in the order of ATTESTATION.md C1.3:
 *
 *   structure   length, version, must-be-zero fields, product
 *   chain       VEK <- issuer (ASK or ASVK) <- anchor (ARK), dates, CRL, deny-lists
 *   binding     the VEK's TCB and chip are the report's
 *   signature   of the report by the VEK
 *   content     TCB order and floors, guest policy, platform, VMPL, id block, expected values
 *
 * A signature, structure or chain that fails ends it; dates, revocation, bindings and everything
 * in the content are collected. Without an issuer or a CRL the built-in ones stand in where the
 * anchor is the vendor's own root; a given one is used alone. A built-in CRL that is not in force
 * counts as none. With expect->cache a chain is verified once; reports always are. Pure: no clock,
 * no file, no network. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/snp_report.h"
#include "common/attest/snp_vek.h"

enum { TALLY_SNP_CRLS_MAX = 8 };

struct tally_snp_input {
    struct tally_slice report, vek, issuer; /* at == NULL: not given */
    struct tally_slice crls[TALLY_SNP_CRLS_MAX];
    uint32_t crls_n;
};

/* As tally_appraise, for the pieces one by one. */
TALLY_RESULT tally_verify_snp(const struct tally_snp_input *in, const struct tally_anchor *anchors,
                              uint32_t anchors_n, const struct tally_snp_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);

/* The last step alone, over a report whose signature verified; for tally_verify_snp. */
struct tally_snp_content {
    const struct tally_snp_report *report;
    const struct tally_snp_vek *vek;
};
void tally_verify_snp_claims(const struct tally_snp_content *c, struct tally_verdict *v);
void tally_verify_snp_content(const struct tally_snp_content *c,
                              const struct tally_snp_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);
