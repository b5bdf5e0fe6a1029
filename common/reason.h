/* reason.h - why something from outside was refused, by the one name that people,
 * JSON, SET rows and tests see (ATTESTATION.md D.1 and the protocol's own). */
#pragma once

/* clang-format off */
#define TALLY_REASON_LIST(X)                                                                       \
    X(NONE)                                                                                        \
    /* structure */                                                                                \
    X(E_TRUNCATED) X(E_TRAILING) X(E_OVERSIZE) X(E_FORMAT) X(E_RESERVED_NONZERO) X(E_VERSION)      \
    X(E_ALGORITHM) X(E_PRODUCT) X(E_TEE_TYPE) X(E_VENDOR) X(E_SIGNATURE) X(E_SIG_RANGE) X(E_KEY)   \
    /* certificates and revocation */                                                              \
    X(E_CERT_PARSE) X(E_CERT_NONCANONICAL) X(E_CERT_SHAPE) X(E_CERT_TYPE) X(E_CERT_CONSTRAINT)     \
    X(E_CERT_CRITICAL_EXT) X(E_CERT_ALG) X(E_CERT_EXPIRED) X(E_CERT_NOT_YET_VALID)                 \
    X(E_ROOT_UNTRUSTED) X(E_CERT_EXT_MISSING) X(E_CERT_EXT_DUP) X(E_REVOKED) X(E_CRL_MISSING)      \
    X(E_CRL_EXPIRED) X(E_CRL_ISSUER) X(E_OCSP_MISSING) X(E_OCSP_FORMAT) X(E_OCSP_SIG)              \
    X(E_OCSP_EXPIRED) X(E_OCSP_STATUS)                                                             \
    /* TDX collateral and TCB */                                                                   \
    X(E_COLLATERAL_MISSING) X(E_COLLATERAL_SIG) X(E_COLLATERAL_EXPIRED) X(E_COLLATERAL_FUTURE)     \
    X(E_COLLATERAL_MISMATCH) X(E_COLLATERAL_ROLLBACK) X(E_TCB_BINDING) X(E_CHIP_BINDING)           \
    X(E_TCB_ORDER) X(E_TCB_MIN) X(E_TCB_NOT_SUPPORTED) X(E_TCB_STATUS) X(E_QE_BINDING)             \
    X(E_QE_IDENTITY) X(E_MODULE_IDENTITY)                                                          \
    /* policy over what is signed */                                                               \
    X(E_POLICY_DEBUG) X(E_POLICY_MIGRATION) X(E_POLICY_SMT) X(E_POLICY_FLAG) X(E_PLATFORM_FLAG)    \
    X(E_VMPL) X(E_MEASUREMENT) X(E_HOST_DATA) X(E_ID_BLOCK) X(E_SVN) X(E_MIT_VECTOR) X(E_DENYLIST) \
    X(E_REPORT_DATA) X(E_CHANNEL_BINDING) X(E_TRUST_CLASS)                                         \
    /* GPUs, switches and their reference manifests */                                             \
    X(E_FWID) X(E_RIM_MISSING) X(E_RIM_FORMAT) X(E_RIM_SIG) X(E_RIM_CHAIN) X(E_RIM_EXPIRED)        \
    X(E_RIM_VERSION) X(E_RIM_CONFLICT) X(E_RIM_EMPTY) X(E_GPU_TOPOLOGY) X(E_GPU_COUNT)             \
    /* vTPMs and event logs */                                                                     \
    X(E_PCR_SELECTION) X(E_PCR_DIGEST) X(E_EVENTLOG)                                               \
    /* the protocol's own */                                                                       \
    X(E_AUTH) X(E_IDENTITY) X(E_FEDERATION) X(E_CHIP) X(E_UPDATE) X(SET_QUORUM) X(SET_CONFLICT)    \
    X(UPDATE_CONFLICT) X(ROUND_REUSED) X(AGGREGATOR_ROLLED_BACK) X(deadline) X(key_lost)
/* clang-format on */

#define TALLY_REASON_ENUM_(name) TALLY_R_##name,
enum tally_reason { TALLY_REASON_LIST(TALLY_REASON_ENUM_) TALLY_REASONS };
#undef TALLY_REASON_ENUM_

enum { TALLY_REASON_NAME_MAX = 32 };

/* "E_SIGNATURE"; "" for NONE. */
const char *tally_reason_name(enum tally_reason r);

/* The reason of that name, NONE if there is none. */
enum tally_reason tally_reason_named(const char *name);
