/* evidence_case.h - what one `evidence verify` judges and against what; for cmd_evidence.c. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/policy.h"
#include "common/cli.h"
#include "common/federation.h"
#include "common/policydoc.h"

enum evidence_kind {
    EVIDENCE_SNP,
    EVIDENCE_TDX,
    EVIDENCE_NVGPU,
    EVIDENCE_NVSWITCH,
    EVIDENCE_AZURE,
    EVIDENCE_TPM,
    EVIDENCE_KINDS
};

/* The command line; NULL: not given. */
struct evidence_options {
    const char *at, *federation, *policy, *measurement, *report_data, *nonce;
    const char *ear, *ear_key, *audience;
    const char *report, *vek, *issuer, *quote, *collateral, *eventlog, *chain, *hcl;
    const char *attest, *sig, *pcrs, *ak;
    struct tally_cli_list anchors, sets, policy_keys, crls, rims, ocsps, ak_issuers;
    bool json, padded, explain;
};

enum {
    EVIDENCE_FILE_MAX = 1 << 20,  /* of any one file */
    EVIDENCE_ARENA = 8 << 20,     /* of all files of one call */
    EVIDENCE_COLLATERAL_MAX = 16, /* files of a collateral directory that are read */
    EVIDENCE_NONCE_MAX = 64,
};

/* Everything an appraisal takes, with the bytes it borrows; large: on the heap. */
struct evidence_case {
    enum evidence_kind kind;
    const struct evidence_options *options;
    struct tally_policy policy;
    char policy_id[2 * 32 + 1]; /* "strict", "integrity", or the digest of a document */
    struct tally_anchor anchors[TALLY_ANCHORS_MAX];
    uint32_t anchors_n;
    struct tally_expect expect;
    struct tally_slice subject; /* the report, quote, HCL blob or TPMS_ATTEST: what is judged */
    struct tally_federation federation;
    struct tally_policydoc document;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], nonce[EVIDENCE_NONCE_MAX];
    uint8_t measurements[TALLY_POLICY_MEASUREMENTS_MAX][TALLY_MEASUREMENT_BYTES];
    struct tally_td_measurement td[TALLY_POLICY_MEASUREMENTS_MAX];
    size_t arena_used;
    uint8_t arena[EVIDENCE_ARENA];
};

/* Values from options; TALLY_E_WIRE or TALLY_E_CONFIG for one that is none: wrong usage. Before any
 * file. */
TALLY_RESULT evidence_case_values(struct evidence_case *c);
/* Policy, anchors and expectations, with the files that they need. */
TALLY_RESULT evidence_case_rules(struct evidence_case *c);
/* Judges; the evidence's own files are read first. Refusals and undecided as tally_appraise;
 * another status where a file cannot be read. */
TALLY_RESULT evidence_case_judge(struct evidence_case *c, struct tally_verdict *v);
/* The part of the policy that --set changes. */
enum tally_policy_part evidence_case_part(enum evidence_kind kind);
/* The parts that the evidence is judged by: Azure's by two. */
unsigned evidence_case_parts(const struct evidence_case *c);
/* Is this the machine of one of the federation's nodes, by what its entry lists? The
 * command is not told whose evidence it is, so any node will do. *v is a verdict of a kind that
 * names its machine, and `s` what it means; id_key: ID_KEY_DIGEST, NULL where there is none. Gives
 * what it means then. E_CHIP, E_ID_BLOCK. */
TALLY_RESULT evidence_case_machine(const struct evidence_case *c, const uint8_t *id_key,
                                   enum tally_status s, struct tally_verdict *v);

/* A file into the case's arena. TALLY_E_IO, TALLY_E_LIMIT. */
TALLY_RESULT evidence_file(struct evidence_case *c, const char *path, struct tally_slice *out);
/* The same, decoded if it is one PEM block of this label. */
TALLY_RESULT evidence_file_der(struct evidence_case *c, const char *path, const char *label,
                               struct tally_slice *out);
