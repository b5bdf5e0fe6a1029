/* verify_azure_claims.c - what an authentic HCL report says, beside the claims of the hardware
 * (verify_snp_claims.c, verify_tdx_claims.c) and of the quote (verify_tpm_claims.c).
 *
 *   hcl_version                number
 *   hcl_user_data              hex[64], where there is any
 *   hcl_secure_boot            boolean, as the next six: where the paravisor says it
 *   hcl_console                has the host a serial console into the guest
 *   hcl_interactive_console
 *   hcl_ipmi
 *   hcl_tpm
 *   hcl_tpm_persisted
 *   hcl_filtered_vpci
 *   hcl_vm_id                  text, as the next three
 *   hcl_root_thumbprint
 *   hcl_tpm_version
 *   hcl_sealing_policy
 *   hcl_time_s                 number, the host's time when the key was certified */
#include "common/attest/verdict.h"
#include "common/attest/verify_azure.h"

static void fact(struct tally_verdict *v, const char *name, enum tally_hcl_fact f)
{
    if (f != TALLY_HCL_UNSAID) tally_claim_bool(v, name, f == TALLY_HCL_YES);
}

static void text(struct tally_verdict *v, const char *name, const char *s)
{
    if (*s != '\0') tally_claim_word(v, name, s);
}

void tally_verify_azure_claims(const struct tally_hcl *hcl, struct tally_verdict *v)
{
    const struct tally_hcl_config *c = &hcl->config;

    tally_claim_number(v, "hcl_version", hcl->version);
    if (hcl->has_user_data) tally_claim_hex(v, "hcl_user_data", TALLY_SLICE(hcl->user_data));
    fact(v, "hcl_secure_boot", c->secure_boot);
    fact(v, "hcl_console", c->console);
    fact(v, "hcl_interactive_console", c->interactive_console);
    fact(v, "hcl_ipmi", c->ipmi);
    fact(v, "hcl_tpm", c->tpm);
    fact(v, "hcl_tpm_persisted", c->tpm_persisted);
    fact(v, "hcl_filtered_vpci", c->filtered_vpci);
    text(v, "hcl_vm_id", c->vm_id);
    text(v, "hcl_root_thumbprint", c->root_thumbprint);
    text(v, "hcl_tpm_version", c->tpm_version);
    text(v, "hcl_sealing_policy", c->sealing_policy);
    if (c->current_time_s != 0) tally_claim_number(v, "hcl_time_s", c->current_time_s);
}
