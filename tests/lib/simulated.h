/* simulated.h - a test root and a chip under it, made once per test program, at a fixed time. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/sim_cert.h"
#include "common/attest/sim_chip.h"
#include "common/attest/verify_snp.h"

enum { SIM_NOW_S = 1795000000 };

/* First line of main() after tally_vectors_need(): two RSA-4096 keys take seconds, and every
 * forked test shares them. */
void simulated_setup(void);
struct tally_sim_root *simulated_root(void);
struct tally_sim_chip *simulated_chip(void);
const struct tally_anchor *simulated_anchor(void);

/* An appraisal that is good: a report with these values and everything to compare with. */
struct simulated {
    struct tally_snp_report report;
    struct tally_snp_policy policy;
    struct tally_expect expect;
    struct tally_snp_input in; /* report is filled by simulated_judge */
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES];
    uint8_t measurement[1][TALLY_MEASUREMENT_BYTES];
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    uint8_t signed_report[TALLY_SNP_REPORT_BYTES];
};
void simulated_init(struct simulated *s);
/* Signs the report by the chip as it now is and judges it. */
TALLY_RESULT simulated_judge(struct simulated *s, struct tally_verdict *v);
