/* trust.c - see trust.h: the built-in policies, and names of classes and chips. */
#include "common/attest/trust.h"

#include <string.h>

#include "common/hash.h"

const char *tally_trust_class_name(enum tally_trust_class c)
{
    static const char *const names[] = {"", "hardware", "test", "given"};
    return names[c];
}

void tally_snp_policy_strict(struct tally_snp_policy *policy)
{
    static const struct tally_tcb_floor seen[] = {
        {.family = 25,
         .model_first = 16,
         .model_last = 31,
         .boot_loader = 10,
         .snp = 23,
         .microcode = 0x54},
        {.family = 25,
         .model_first = 160,
         .model_last = 175,
         .boot_loader = 10,
         .snp = 23,
         .microcode = 0x19},
        {.family = 26,
         .model_first = 0,
         .model_last = 17,
         .boot_loader = 1,
         .snp = 2,
         .microcode = 0x47}
    };

    *policy = (struct tally_snp_policy){.allow_smt = true,
                                        .allow_vcek = true,
                                        .require_alias_check = true,
                                        .products = TALLY_SNP_PRODUCTS_STRICT,
                                        .versions = TALLY_SNP_VERSIONS_STRICT};
    memcpy(policy->floors, seen, sizeof seen);
    policy->floors_n = sizeof seen / sizeof seen[0];
}

void tally_snp_policy_integrity(struct tally_snp_policy *policy)
{
    *policy = (struct tally_snp_policy){.integrity_only = true,
                                        .allow_smt = true,
                                        .allow_debug = true,
                                        .allow_migration = true,
                                        .allow_provisional = true,
                                        .allow_vcek = true,
                                        .allow_vlek = true,
                                        .allow_missing_crl = true,
                                        .allow_cxl = true,
                                        .vmpl_max = TALLY_SNP_VMPL_MAX,
                                        .products = TALLY_SNP_PRODUCTS_ALL,
                                        .versions = TALLY_SNP_VERSIONS_ALL};
}

void tally_chip_digest(const char *product, struct tally_slice chip_id,
                       uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    uint8_t buf[128];
    struct tally_wr w = tally_wr_to(buf, sizeof buf);

    tally_wr_vec(&w, tally_slice_str(product));
    tally_wr_vec(&w, chip_id);
    TALLY_ASSERT(!w.full);
    TALLY_SHA256_OF(out, tally_slice_of(buf, w.used));
}
