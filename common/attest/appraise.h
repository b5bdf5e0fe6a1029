/* appraise.h - evidence in, verdict out. Pure: bytes, time, anchors, policy and expectations are
 * all passed in. */
#pragma once

#include "common/attest/trust.h"
#include "common/reason.h"

/* As many as one report can earn: every check adds at most a fixed number. */
enum { TALLY_FAILURES_MAX = 64, TALLY_MISSING_MAX = 16, TALLY_FAILURE_TEXT = 160 };

/* What one appraisal compares with. What is not set is not compared, and then no policy but
 * integrity gives a good verdict: it is undecided. A node's appraisal sets trust, report_data,
 * measurements and one of chips, id_keys, any_chip. */
struct tally_expect {
    uint64_t now_s;
    enum tally_trust_class trust; /* what the federation's mode demands; else E_TRUST_CLASS */
    const uint8_t
        *report_data;       /* 64 bytes: a session's or update's, whose halves have a reason each */
    bool whole_report_data; /* no more than 64 bytes: E_REPORT_DATA whichever half differs */
    const uint8_t (*measurements)[TALLY_MEASUREMENT_BYTES]; /* any of them */
    uint32_t measurements_n;
    const uint8_t (*revoked_measurements)[TALLY_MEASUREMENT_BYTES]; /* E_REVOKED */
    uint32_t revoked_measurements_n;
    const uint8_t (*chips)[TALLY_CHIP_DIGEST_BYTES]; /* the node's list; else E_CHIP */
    uint32_t chips_n;
    const uint8_t (*revoked_chips)[TALLY_CHIP_DIGEST_BYTES]; /* E_DENYLIST */
    uint32_t revoked_chips_n;
    const uint8_t (*id_keys)[TALLY_ID_KEY_BYTES]; /* ID_KEY_DIGEST list; else E_ID_BLOCK */
    uint32_t id_keys_n;
    bool any_chip;            /* the document says "any" */
    const uint8_t *host_data; /* 32 bytes; NULL: not compared, under no policy needed */
    struct tally_slice nonce; /* of a GPU report (32 bytes) or a TPM quote; at == NULL: none */
    const struct tally_td_measurement *td_measurements; /* any of them */
    uint32_t td_measurements_n;
    bool padded;                      /* zeros after a quote or report are no failure */
    struct tally_attest_cache *cache; /* NULL: everything is verified anew (cache.h) */
};

/* What a TDX node may have been built and started from. */
struct tally_td_measurement {
    uint8_t mrtd[TALLY_MEASUREMENT_BYTES];
    uint8_t rtmr[4][TALLY_MEASUREMENT_BYTES]; /* the first rtmr_n are compared */
    uint8_t rtmr_n;
};

struct tally_failure {
    enum tally_reason reason;
    char why[TALLY_FAILURE_TEXT];
};

/* One thing that authentic evidence says. A name that comes twice is a list. */
enum tally_claim_kind {
    TALLY_CLAIM_TEXT,
    TALLY_CLAIM_HEX,
    TALLY_CLAIM_NUMBER,
    TALLY_CLAIM_MASK, /* shown as 0x... */
    TALLY_CLAIM_BOOL,
};
enum { TALLY_CLAIMS_MAX = 96, TALLY_CLAIM_BYTES_MAX = 64 };
struct tally_claim {
    const char *name; /* a literal; the list of names is in cmd_evidence.h */
    enum tally_claim_kind kind;
    uint32_t len; /* of text or bytes */
    union {
        uint64_t number;
        uint8_t bytes[TALLY_CLAIM_BYTES_MAX];
        char text[TALLY_CLAIM_BYTES_MAX]; /* not zero-terminated */
    };
};

/* Intel's words for a TCB ("UpToDate"); NULL where there is none. */
struct tally_tcb_status {
    const char *platform, *module, *qe, *status;
};

struct tally_verdict {
    struct tally_failure failed[TALLY_FAILURES_MAX]; /* in the fixed order of checks */
    uint32_t failed_n;
    struct tally_failure missing[TALLY_MISSING_MAX]; /* what could not be compared */
    uint32_t missing_n;
    bool undecided; /* something needed was missing and nothing failed */
    bool authentic; /* a genuine chip under the anchor signed this report: its content counts */
    enum tally_trust_class trust;
    uint64_t not_before_s, not_after_s;    /* the verdict holds in this window; 0, 0: none */
    const char *product;                   /* "Genoa"; NULL until it is known */
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES]; /* zeros where the report names none */
    uint8_t measurement[TALLY_MEASUREMENT_BYTES];
    struct tally_tcb_status tcb;
    struct tally_claim claims[TALLY_CLAIMS_MAX]; /* none unless authentic */
    uint32_t claims_n;
};

struct tally_policy; /* policy.h */

/* Judges EV (CHANNEL.md section 2) with its endorsements. TALLY_OK only when every check passed;
 * otherwise TALLY_E_UNTRUSTED or TALLY_E_AUTH with the first failure as tally_reason(), and all in
 * *v; TALLY_E_UNDECIDED with the first missing piece. Content is never appraised after a failed
 * signature. */
TALLY_RESULT tally_appraise(struct tally_slice ev, struct tally_slice endorsements,
                            const struct tally_anchor *anchors, uint32_t anchors_n,
                            const struct tally_policy *policy, const struct tally_expect *expect,
                            struct tally_verdict *v);
