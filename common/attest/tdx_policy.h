/* tdx_policy.h - rules for TDX quotes. The policy object of a federation document, "tdx": {...};
 * every key may be absent, unknown keys are refused:
 *
 *   "status"               list of Intel's words that are accepted        (default ["UpToDate"]);
 *                          "Revoked" and "NotSupported" are accepted by no document
 *   "advisories"           list: a level that is accepted may name these advisories and no others;
 *                          absent: any
 *   "grace_days"           an OutOfDate level is accepted as if it were not, until this many days
 *                          after its tcbDate                               (0: never)
 *   "evaluation_min"       least tcbEvaluationDataNumber                   (17)
 *   "crl"                  "required" (default) or "optional"
 *   "attributes_required"  mask over TDATTRIBUTES, "0x...": all must be set
 *                          (default "0x10000000": SEPT_VE_DISABLE)
 *   "attributes_forbidden" mask: none may be set (default: every bit but ICSSD, LASS,
 *                          SEPT_VE_DISABLE, PKS, KL and TPA)
 *   "xfam"                 mask: no other bit of XFAM may be set; x87 and SSE always are
 *                          (default "0x6dbe7": what is defined today)
 *   "mr_seam"              list of MRSEAM that are accepted; absent: any that the TCB info covers
 *   "mr_config_id", "mr_owner", "mr_owner_config"   exactly this; absent: any
 *   "service_td"           may a service TD be bound (MRSERVICETD)         (false)
 *   "smt"                  may the platform run with SMT                   (true)
 *   "dynamic_platform"     may the platform change, as multi-package ones do  (true)
 *   "fmspc"                list of platform families that are accepted; absent: any
 *   "denied"               list of PPID digests (as in a node's list of chips) that are refused
 *
 * What no document can say: accept a TD under debug, one that can be migrated, or judge integrity
 * alone.
 *
 * Refusals: E_TCB_STATUS, E_COLLATERAL_ROLLBACK, E_POLICY_DEBUG (low byte of TDATTRIBUTES),
 * E_POLICY_MIGRATION (MIGRATABLE, MRSERVICETD), E_POLICY_FLAG (other attributes, XFAM),
 * E_POLICY_SMT, E_PLATFORM_FLAG (dynamic platform), E_PRODUCT (FMSPC), E_MODULE_IDENTITY (MRSEAM),
 * E_ID_BLOCK (MRCONFIGID, MROWNER, MROWNERCONFIG), E_DENYLIST. */
#pragma once

#include "common/attest/tdx_tcb.h"
#include "common/attest/trust.h"

enum {
    TALLY_TDX_ADVISORIES_MAX = 64,
    TALLY_TDX_ADVISORY_SIZE = 24, /* with the final zero */
    TALLY_TDX_SEAMS_MAX = 16,
    TALLY_TDX_FMSPCS_MAX = 32,
    TALLY_TDX_DENIED_MAX = 64,
    TALLY_TDX_FMSPC_BYTES = 6,
    TALLY_TDX_EVALUATION_MIN = 17,
};

/* Filled by the functions below, never by hand. */
struct tally_tdx_policy {
    bool integrity_only; /* no opinion on TCB, platform or guest; never in a federation */
    uint32_t accepted;   /* 1 << enum tally_tdx_status */
    bool has_advisories; /* else any advisory will do */
    char advisories[TALLY_TDX_ADVISORIES_MAX][TALLY_TDX_ADVISORY_SIZE];
    uint32_t advisories_n;
    uint32_t grace_days, evaluation_min;
    bool allow_missing_crl, allow_service_td, allow_smt, allow_dynamic_platform;
    bool allow_debug, allow_migration; /* no document sets them */
    uint64_t attributes_required, attributes_forbidden, xfam;
    uint8_t seams[TALLY_TDX_SEAMS_MAX][TALLY_MEASUREMENT_BYTES];
    uint32_t seams_n; /* 0: any */
    bool has_config_id, has_owner, has_owner_config;
    uint8_t config_id[TALLY_MEASUREMENT_BYTES], owner[TALLY_MEASUREMENT_BYTES];
    uint8_t owner_config[TALLY_MEASUREMENT_BYTES];
    uint8_t fmspcs[TALLY_TDX_FMSPCS_MAX][TALLY_TDX_FMSPC_BYTES];
    uint32_t fmspcs_n; /* 0: any */
    uint8_t denied[TALLY_TDX_DENIED_MAX][TALLY_CHIP_DIGEST_BYTES];
    uint32_t denied_n;
};

/* The policy object of a federation document. TALLY_E_CONFIG says which key is wrong. */
TALLY_RESULT tally_tdx_policy_from_json(const json_t *object, struct tally_tdx_policy *policy);
/* The rules that the object names, and no others; what fails changes nothing. */
TALLY_RESULT tally_tdx_policy_change(const json_t *object, struct tally_tdx_policy *policy);
/* The same object with every key that means something spelled out; the caller owns it, NULL when
 * out of memory. */
json_t *tally_tdx_policy_to_json(const struct tally_tdx_policy *policy);
/* What an empty object says. */
void tally_tdx_policy_strict(struct tally_tdx_policy *policy);
/* Structure, signatures, chains, bindings, revocation, dates; TCB reported and not judged (but
 * Revoked is refused); the rest where there is something to compare. */
void tally_tdx_policy_integrity(struct tally_tdx_policy *policy);
