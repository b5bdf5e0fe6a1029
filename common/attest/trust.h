/* trust.h - what evidence is judged against: anchors and policy. Plain values, filled from a
 * federation document or from a command line; borrowed bytes live as long as their owner.
 *
 * The policy object of a federation document, "snp": {...}; every key but "tcb" may be absent,
 * unknown keys are refused:
 *
 *   "tcb"                 list, at least one: {"family":25,"models":[16,31],"boot_loader":9,
 *                         "tee":0,"snp":23,"microcode":84}; family 26 (Turin) also has "fmc"
 *   "launch_tcb"          does the floor hold for LAUNCH_TCB too (default false)
 *   "products"            list of "milan", "genoa" (Bergamo and Siena too), "turin"
 *                         (default genoa and turin: Milan's root secrets can be extracted)
 *   "versions"            list of 2 to 5: of the report (default 3, 4, 5; 2 names no model)
 *   "crl"                 "required" (default) or "optional"
 *   "crl_max_age_days"    a CRL is in force for so long after thisUpdate (0: until nextUpdate)
 *   "smt"                 may the machine run with SMT          (default false)
 *   "provisional"         may firmware be uncommitted           (false)
 *   "vcek", "vlek"        may such a key have signed            (true, false)
 *   "csp"                 list of cspIDs, "CN=cc-us-east-2.amazonaws.com": a VLEK is one of theirs
 *   "masked_chip_id"      may the report hide its chip          (false)
 *   "alias_check"         ALIAS_CHECK_COMPLETE is required      (default true; BadRAM)
 *   "ciphertext_hiding"   required in policy and platform       (false)
 *   "single_socket", "page_swap_disable", "aes_256_xts", "rapl_disable"   required   (false)
 *   "cxl"                 may the guest use CXL                 (false)
 *   "vmpl_max"            0 to 3                                (0)
 *   "guest_svn_min", "abi_min" (major * 256 + minor)            (0)
 *   "platform_required", "platform_forbidden", "mit_vector"     bit masks (0); what no mask names
 *                         of PLATFORM_INFO may be set: new firmware sets new bits
 *   "family_ids", "image_ids" (32 hex digits), "host_data" (64), "id_keys", "author_keys" (96)
 *                         lists of 1 to 32: the report's value is one of them (default: any)
 *   "deny_keys", "deny_chips"   lists of 64 hex digits: SHA-256 of the public key of a VCEK or
 *                         VLEK (SubjectPublicKeyInfo), and chips as chip lists name them
 *
 * What no document can say: accept a guest under debug or migration, or judge integrity alone. */
#pragma once

#include <jansson.h>

#include "common/attest/snp_report.h"

enum {
    TALLY_MEASUREMENT_BYTES = 48,
    TALLY_REPORT_DATA_BYTES = 64,
    TALLY_CHIP_DIGEST_BYTES = 32,
    TALLY_ID_KEY_BYTES = 48,
    TALLY_ANCHORS_MAX = 8,
    TALLY_FLOORS_MAX = 16,
    TALLY_ROLE_MEASUREMENTS_MAX = 32,
    TALLY_CHIPS_MAX = 16,
    TALLY_SNP_LIST_MAX = 32,
    TALLY_SNP_ITEM_BYTES = 64, /* of a list; texts have their final zero in it */
};

/* The class of trust comes from the anchor, never from the evidence. GIVEN is a root that a person
 * named on a command line: nothing is known of it, and no federation has one. */
enum tally_trust_class { TALLY_TRUST_HARDWARE = 1, TALLY_TRUST_TEST, TALLY_TRUST_GIVEN };
const char *tally_trust_class_name(enum tally_trust_class c); /* "hardware", "test", "given" */

/* A root of trust: AMD's for one product line, or the one root of a test federation. */
struct tally_anchor {
    enum tally_trust_class trust;
    char name[32];           /* "amd-genoa"; "test" */
    struct tally_slice root; /* the ARK certificate, DER */
};

/* Least TCB of one family and range of models; component-wise (ATTESTATION.md C1.3, 12). */
struct tally_tcb_floor {
    uint8_t family, model_first, model_last;
    uint8_t fmc, boot_loader, tee, snp, microcode; /* fmc: Turin and later */
};

/* What the strict policy takes, and all there is: of products and versions of reports. */
enum {
    TALLY_SNP_VMPL_MAX = 3,
    TALLY_SNP_PRODUCTS_STRICT = 1 << TALLY_SNP_GENOA | 1 << TALLY_SNP_TURIN,
    TALLY_SNP_PRODUCTS_ALL = TALLY_SNP_PRODUCTS_STRICT | 1 << TALLY_SNP_MILAN,
    TALLY_SNP_VERSIONS_STRICT = 1 << 3 | 1 << 4 | 1 << 5,
    TALLY_SNP_VERSIONS_ALL = TALLY_SNP_VERSIONS_STRICT | 1 << 2,
};

/* Values of one size; what an item does not fill is zero. */
struct tally_snp_list {
    uint32_t n;
    uint8_t items[TALLY_SNP_LIST_MAX][TALLY_SNP_ITEM_BYTES];
};

/* Rules for SNP reports; a knob that allows is named so. Filled by the functions below, never by
 * hand: some things are required or allowed unless a document says otherwise. */
struct tally_snp_policy {
    struct tally_tcb_floor floors[TALLY_FLOORS_MAX];
    uint32_t floors_n; /* a report whose model no floor names is refused: E_TCB_MIN */
    bool allow_smt, allow_debug, allow_migration, allow_provisional, allow_vcek, allow_vlek;
    bool allow_masked_chip_id, allow_missing_crl, allow_cxl;
    bool require_alias_check, require_ciphertext_hiding, require_single_socket;
    bool require_page_swap_disable, require_aes_256_xts, require_rapl_disable;
    bool require_launch_tcb; /* the floors hold for LAUNCH_TCB too */
    bool integrity_only; /* no opinion on products, floors or the guest; never in a federation */
    uint8_t vmpl_max;
    uint8_t products; /* 1 << enum tally_snp_product: E_PRODUCT */
    uint8_t versions; /* 1 << version: E_VERSION */
    uint16_t abi_min; /* major << 8 | minor */
    uint32_t guest_svn_min;
    uint32_t crl_max_age_days;                      /* 0: until nextUpdate */
    uint64_t platform_required, platform_forbidden; /* masks over PLATFORM_INFO */
    uint64_t mit_vector; /* bits that both mitigation vectors must have (version 5) */
    /* Any of them, where there is one: E_ID_BLOCK, E_HOST_DATA; csp (texts): E_CERT_TYPE. */
    struct tally_snp_list family_ids, image_ids, id_keys, author_keys, host_data, csp;
    struct tally_snp_list deny_keys, deny_chips; /* none of them: E_DENYLIST */
};

/* The policy object of a federation document. TALLY_E_CONFIG says which key is wrong. */
TALLY_RESULT tally_snp_policy_from_json(const json_t *object, struct tally_snp_policy *policy);
/* The rules that the object names, and no others; what fails changes nothing. */
TALLY_RESULT tally_snp_policy_change(const json_t *object, struct tally_snp_policy *policy);
/* The same object with every key spelled out but lists that compare nothing; the caller owns it,
 * NULL when out of memory. */
json_t *tally_snp_policy_to_json(const struct tally_snp_policy *policy);
/* Strict: Genoa, Siena and Turin with the TCBs seen in fleets in 2025 and 2026 as floors (observed
 * values, not AMD's minimums), SMT allowed, everything else as an object with "tcb" alone says. */
void tally_snp_policy_strict(struct tally_snp_policy *policy);
/* Structure, signatures, chain and bindings; the rest where there is something to compare: lists
 * and masks count as soon as they are set. */
void tally_snp_policy_integrity(struct tally_snp_policy *policy);

/* A chip as documents name it: SHA-256(LP product || LP id), product "Milan", "Genoa", "Turin". */
void tally_chip_digest(const char *product, struct tally_slice chip_id,
                       uint8_t out[TALLY_CHIP_DIGEST_BYTES]);
