/* tdx_tcb.h - TCB info and QE identity as values, and Intel's evaluation of a platform by them
 * (ATTESTATION.md C2.3, 8 and 10 to 13): levels matched by what the quote and its PCK certificate
 * say, and the words converged as Intel does. */
#pragma once

#include "common/attest/tdx_pck.h"
#include "common/attest/tdx_quote.h"

/* Intel's words. The first seven stand in collateral; the next two come of converging; the last
 * is where no level matches. */
#define TALLY_TDX_STATUS_LIST(X)                                       \
    X(UP_TO_DATE, "UpToDate")                                          \
    X(SW_HARDENING, "SWHardeningNeeded")                               \
    X(CONFIGURATION, "ConfigurationNeeded")                            \
    X(CONFIGURATION_SW_HARDENING, "ConfigurationAndSWHardeningNeeded") \
    X(OUT_OF_DATE, "OutOfDate")                                        \
    X(OUT_OF_DATE_CONFIGURATION, "OutOfDateConfigurationNeeded")       \
    X(REVOKED, "Revoked")                                              \
    X(RELAUNCH, "TDRelaunchAdvised")                                   \
    X(RELAUNCH_CONFIGURATION, "TDRelaunchAdvisedConfigurationNeeded")  \
    X(NOT_SUPPORTED, "NotSupported")

#define TALLY_TDX_STATUS_ENUM_(name, word) TALLY_TDX_##name,
enum tally_tdx_status { TALLY_TDX_STATUS_LIST(TALLY_TDX_STATUS_ENUM_) TALLY_TDX_STATUSES };
#undef TALLY_TDX_STATUS_ENUM_

const char *tally_tdx_status_word(enum tally_tdx_status s);
/* The status of that word; false if it is none. */
bool tally_tdx_status_named(struct tally_slice word, enum tally_tdx_status *out);

enum {
    TALLY_TDX_LEVELS_MAX = 64,      /* of the platform */
    TALLY_TDX_SVN_LEVELS_MAX = 128, /* of all modules together; of the QE */
    TALLY_TDX_MODULES_MAX = 16,
    TALLY_TDX_LEVEL_ADVISORIES_MAX = 128, /* Intel's levels name up to 19 */
};

/* What a matched level says. */
struct tally_tdx_said {
    enum tally_tdx_status status;
    uint64_t date_s;               /* tcbDate */
    struct tally_slice advisories; /* a JSON list of texts; at == NULL: none */
};

struct tally_tdx_level {
    uint8_t sgx[16], tdx[16]; /* least SVN of each component */
    uint16_t pce_svn;
    struct tally_tdx_said said;
};

struct tally_tdx_svn_level {
    uint16_t isv_svn;
    struct tally_tdx_said said;
};

/* A TDX module as TCB info knows it; id 0 is "tdxModule". */
struct tally_tdx_module {
    uint8_t id; /* of "TDX_01": 1 */
    uint8_t mr_signer[TALLY_TDX_DIGEST_BYTES], attributes[8], attributes_mask[8];
    uint16_t first, n; /* its levels in svn_levels */
};

/* Slices borrow the JSON. */
struct tally_tdx_tcb_info {
    uint64_t issue_s, next_s;
    uint8_t fmspc[6], pce_id[2];
    uint32_t evaluation; /* tcbEvaluationDataNumber */
    struct tally_tdx_module modules[TALLY_TDX_MODULES_MAX];
    struct tally_tdx_svn_level svn_levels[TALLY_TDX_SVN_LEVELS_MAX];
    struct tally_tdx_level levels[TALLY_TDX_LEVELS_MAX];
    uint16_t modules_n, svn_levels_n, levels_n;
};

struct tally_tdx_qe_identity {
    uint64_t issue_s, next_s;
    uint32_t evaluation;
    uint8_t misc_select[4], misc_select_mask[4]; /* as bytes lie in the report */
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    struct tally_tdx_svn_level levels[TALLY_TDX_SVN_LEVELS_MAX];
    uint16_t levels_n;
};

/* The inner objects, after their signatures verified: TCB info version 3 with id "TDX", QE identity
 * version 2 with id "TD_QE". E_VERSION, E_COLLATERAL_MISMATCH (id), E_FORMAT, E_OVERSIZE (more
 * levels or modules than the limits). */
TALLY_RESULT tally_tdx_tcb_info_read(struct tally_slice json, struct tally_tdx_tcb_info *out);
TALLY_RESULT tally_tdx_qe_identity_read(struct tally_slice json, struct tally_tdx_qe_identity *out);

/* Is this report by the enclave of the identity, and not under debug? E_QE_IDENTITY. */
TALLY_RESULT tally_tdx_qe_check(const struct tally_tdx_qe_identity *id,
                                const struct tally_tdx_qe_report *qe);
/* Is the TDX module that MRSIGNERSEAM, SEAMATTRIBUTES and TEE_TCB_SVN speak of (and, in a TD
 * report 1.5, TEE_TCB_SVN2) one that the TCB info knows? E_MODULE_IDENTITY. */
TALLY_RESULT tally_tdx_module_check(const struct tally_tdx_tcb_info *info,
                                    const struct tally_tdx_quote *q);

/* The evaluation. Where a level is missing, status is NOT_SUPPORTED and the rest is not set. */
struct tally_tdx_evaluation {
    enum tally_tdx_status status;                        /* converged */
    const struct tally_tdx_said *platform, *module, *qe; /* module: NULL where there is none */
    bool has_svn2;
    enum tally_tdx_status svn2; /* the same for the module that runs now, TD report 1.5 */
    bool qe_below;              /* the QE's SVN is below every level */
    uint64_t date_s;            /* the earliest tcbDate of the three */
};
struct tally_tdx_evaluation tally_tdx_evaluate(const struct tally_tdx_tcb_info *info,
                                               const struct tally_tdx_qe_identity *qe,
                                               const struct tally_tdx_pck *pck,
                                               const struct tally_tdx_quote *q);

/* Calls `each` for every advisory of the three levels, once for each name, in their order. */
void tally_tdx_advisories(const struct tally_tdx_evaluation *e,
                          void (*each)(void *to, struct tally_slice name), void *to);
