/* evidence_case.h - what one `evidence verify` judges and against what; for cmd_evidence.c. */
#pragma once

#include "common/attest/verify_snp.h"
#include "common/cert.h"
#include "common/federation.h"

/* The command line; NULL: not given. */
struct evidence_options {
    const char *report, *vek, *issuer, *federation, *anchor, *at, *policy;
    const char *measurement, *report_data;
    const char *crls[TALLY_SNP_CRLS_MAX];
    uint32_t crls_n;
    bool json;
};

/* One byte more than may be, so that what is too large gets the verifier's own name for it. */
enum {
    EVIDENCE_CERT_MAX = TALLY_CERT_BYTES_MAX + 1,
    EVIDENCE_CRL_MAX = TALLY_CRL_BYTES_MAX + 1,
    EVIDENCE_REPORT_MAX = 128 * 1024,
    EVIDENCE_TEXT_MAX = 4 * TALLY_CERT_BYTES_MAX + 4 * TALLY_CRL_BYTES_MAX,
    EVIDENCE_MACHINES_MAX = TALLY_NODES_MAX * TALLY_CHIPS_MAX,
};

/* Everything an appraisal takes, with the bytes it borrows; large: on the heap. */
struct evidence_case {
    struct tally_snp_input in;
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    struct tally_snp_policy policy;
    struct tally_expect expect;
    uint8_t report[EVIDENCE_REPORT_MAX], vek[EVIDENCE_CERT_MAX], issuer[EVIDENCE_CERT_MAX];
    uint8_t crls[TALLY_SNP_CRLS_MAX][EVIDENCE_CRL_MAX], root[EVIDENCE_CERT_MAX];
    uint8_t file[EVIDENCE_TEXT_MAX]; /* as it lies on the disk */
    struct tally_anchor anchor;
    struct tally_federation federation;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    uint8_t measurements[TALLY_MEASUREMENTS_MAX][TALLY_MEASUREMENT_BYTES];
    uint8_t chips[EVIDENCE_MACHINES_MAX][TALLY_CHIP_DIGEST_BYTES];
    uint8_t id_keys[EVIDENCE_MACHINES_MAX][TALLY_ID_KEY_BYTES];
};

/* At most cap bytes; TALLY_E_IO, TALLY_E_LIMIT. */
TALLY_RESULT evidence_read_file(const char *path, uint8_t *to, size_t cap, size_t *len);

/* Values from options; TALLY_E_WIRE for a time or hex digits that are none. Before any file. */
TALLY_RESULT evidence_case_values(struct evidence_case *c, const struct evidence_options *o);
/* The files, then policy, anchors and expectations. */
TALLY_RESULT evidence_case_load(struct evidence_case *c, const struct evidence_options *o);
