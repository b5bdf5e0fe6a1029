/* device_snp_papers.h - which certificates go with an SNP report: the host's table and the files
 * that a configuration names, and of these the ones that fit. Hints all of them: whoever judges
 * the evidence judges them too. For device_snp.c. */
#pragma once

#include "common/attest/device_ops.h"
#include "common/attest/snp_vek.h"

enum tally_paper_from { TALLY_PAPER_NONE, TALLY_PAPER_HOST, TALLY_PAPER_FILE };

struct tally_paper {
    enum tally_paper_from from;
    size_t len;
    uint8_t der[TALLY_CERT_BYTES_MAX];
};

struct tally_snp_papers {
    struct tally_paper vek, issuer;
    bool vek_fits;                  /* its TCB, chip and kind are the report's */
    enum tally_snp_product product; /* of the VEK; UNKNOWN without one that fits */
    size_t crl_len;                 /* 0: no file named */
    uint8_t crl[TALLY_CRL_BYTES_MAX];
};

/* host: its certificate table, empty where it gave none. Its certificate comes before the file's,
 * but one that fits before one that does not: hosts often keep the VCEK of the firmware before. An
 * issuer is taken only if it is the VEK's; without one the verifier's own stands in. A file that is
 * named and needed but cannot be read is an error. */
TALLY_RESULT tally_snp_papers_choose(const struct tally_snp_report *r, struct tally_slice host,
                                     const struct tally_device_paths *paths,
                                     struct tally_snp_papers *out);

/* As endorsements. */
void tally_snp_papers_encode(const struct tally_snp_papers *p, struct tally_wr *w);
