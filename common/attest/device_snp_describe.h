/* device_snp_describe.h - what an SNP guest can prove, in lines. For device_snp.c. */
#pragma once

#include "common/attest/device_snp_papers.h"

/* What a device knows of itself. */
struct tally_device_snp_self {
    bool tsm;                       /* through configfs-tsm, else /dev/sev-guest */
    enum tally_snp_product product; /* UNKNOWN: of a kind that this program does not know */
    struct tally_snp_report report; /* of the start */
    struct tally_snp_papers papers; /* of the newest report */
};

/* As a federation document lists the chip; zeros where the report names none. */
void tally_device_snp_chip(const struct tally_device_snp_self *me,
                           uint8_t out[TALLY_CHIP_DIGEST_BYTES]);

/* unsealed: why there is no sealing key, "" where there is one. */
void tally_device_snp_describe(const struct tally_device_snp_self *me, const char *unsealed,
                               const struct tally_describe *to);
