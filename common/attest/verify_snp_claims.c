/* verify_snp_claims.c - what an authentic SNP report says, by names that cmd_evidence.h lists too:
 *
 *   tee, trust, product, signer (VCEK, VLEK)    words
 *   csp                 whose VLEK it is, as its certificate says
 *   warning             "milan-seed-extraction": whoever runs a Milan machine may know its chip's
 *                       secrets and sign what they like; no TCB helps
 *   version, family, model, stepping, vmpl, guest_svn    numbers
 *   policy, platform_info, launch_mit_vector, current_mit_vector    masks
 *   debug, migration, smt    of the policy
 *   measurement, report_data, host_data, family_id, image_id, id_key_digest, author_key_digest,
 *   report_id, chip (the digest that chip lists have), reported_tcb, committed_tcb, current_tcb,
 *   launch_tcb (8 bytes as the report has them)    bytes
 *   current_firmware, committed_firmware    "1.55.40" */
#include <stdio.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_snp.h"

static void claim_firmware(struct tally_verdict *v, const char *name,
                           const struct tally_snp_firmware *f)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%u.%u.%u", f->major, f->minor, f->build);
    tally_claim_word(v, name, text);
}

static void claim_identity(const struct tally_snp_report *r, struct tally_verdict *v)
{
    static const uint8_t none[TALLY_CHIP_DIGEST_BYTES];

    tally_claim_hex(v, "measurement", TALLY_SLICE(r->measurement));
    tally_claim_hex(v, "report_data", TALLY_SLICE(r->report_data));
    tally_claim_hex(v, "host_data", TALLY_SLICE(r->host_data));
    tally_claim_hex(v, "family_id", TALLY_SLICE(r->family_id));
    tally_claim_hex(v, "image_id", TALLY_SLICE(r->image_id));
    tally_claim_hex(v, "id_key_digest", TALLY_SLICE(r->id_key_digest));
    tally_claim_hex(v, "author_key_digest", TALLY_SLICE(r->author_key_digest));
    tally_claim_hex(v, "report_id", TALLY_SLICE(r->report_id));
    if (memcmp(v->chip, none, sizeof none) != 0) tally_claim_hex(v, "chip", TALLY_SLICE(v->chip));
}

static void claim_tcb(const struct tally_snp_report *r, struct tally_verdict *v)
{
    tally_claim_hex(v, "reported_tcb", TALLY_SLICE(r->reported.raw));
    tally_claim_hex(v, "committed_tcb", TALLY_SLICE(r->committed.raw));
    tally_claim_hex(v, "current_tcb", TALLY_SLICE(r->current.raw));
    tally_claim_hex(v, "launch_tcb", TALLY_SLICE(r->launch.raw));
    claim_firmware(v, "current_firmware", &r->current_fw);
    claim_firmware(v, "committed_firmware", &r->committed_fw);
    tally_claim_mask(v, "launch_mit_vector", r->launch_mit);
    tally_claim_mask(v, "current_mit_vector", r->current_mit);
}

void tally_verify_snp_claims(const struct tally_snp_content *c, struct tally_verdict *v)
{
    const struct tally_snp_report *r = c->report;

    tally_claim_word(v, "tee", "snp");
    tally_claim_word(v, "trust", tally_trust_class_name(v->trust));
    tally_claim_word(v, "product", v->product);
    tally_claim_number(v, "version", r->version);
    tally_claim_word(v, "signer", c->vek->vlek ? "VLEK" : "VCEK");
    if (c->vek->vlek) tally_claim_word(v, "csp", c->vek->csp);
    if (c->vek->product == TALLY_SNP_MILAN)
        tally_claim_word(v, "warning", "milan-seed-extraction"); /* ATTESTATION.md D.8 */
    tally_claim_number(v, "family", r->cpuid_family);
    tally_claim_number(v, "model", r->cpuid_model);
    tally_claim_number(v, "stepping", r->cpuid_step);
    tally_claim_number(v, "vmpl", r->vmpl);
    tally_claim_number(v, "guest_svn", r->guest_svn);
    tally_claim_mask(v, "policy", r->policy);
    tally_claim_bool(v, "debug", (r->policy & TALLY_SNP_POLICY_DEBUG) != 0);
    tally_claim_bool(v, "migration", (r->policy & TALLY_SNP_POLICY_MIGRATE_MA) != 0);
    tally_claim_bool(v, "smt", (r->policy & TALLY_SNP_POLICY_SMT) != 0);
    tally_claim_mask(v, "platform_info", r->platform_info);
    claim_identity(r, v);
    claim_tcb(r, v);
}
