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

/* The parts that the chip's own certificates are made of, each to be changed before use: its
 * VCEK's extensions, a VCEK over its key with these, an ASK over the root's. Good for a day round
 * SIM_NOW_S. */
void simulated_exts(struct tally_sim_exts *e);
struct tally_sim_cert simulated_vcek(const struct tally_sim_exts *e);
struct tally_sim_cert simulated_ask(struct tally_sim_exts *e);
/* The value of one of the extensions replaced, borrowed. */
void simulated_ext_set(struct tally_sim_exts *e, const char *oid, struct tally_slice value);
/* DER in one of SIM_SLOTS buffers. */
enum { SIM_SLOTS = 4 };
struct tally_slice simulated_cert(int slot, const struct tally_sim_cert *c);
struct tally_slice simulated_crl(int slot, const struct tally_sim_crl *c);
