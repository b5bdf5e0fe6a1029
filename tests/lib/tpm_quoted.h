/* tpm_quoted.h - a simulated quote in which any one thing may be another, signed and judged. */
#pragma once

#include "common/attest/sim_tpm.h"
#include "common/attest/verify_tpm.h"

enum { QUOTED_NOW_S = 1795000000, QUOTED_BUF = 2048 };

extern struct tally_sim_tpm *quoted_tpm, *quoted_other; /* RSA */
extern struct tally_verdict quoted_verdict;             /* of the last quoted_judge */

/* First in main(): keys are made once for every forked test. */
void quoted_setup(void);

struct quoted {
    struct tally_tpm_quote q;
    struct tally_tpm_input in;
    struct tally_tpm_policy policy; /* integrity, over all 24 PCRs */
    struct tally_slice nonce;
    uint16_t scheme, hash;
    uint8_t digest[TALLY_TPM_DIGEST_MAX], attest[QUOTED_BUF], sig[QUOTED_BUF], ak[QUOTED_BUF];
    uint8_t pcrs[TALLY_PCR_LIST_BYTES];
};
/* A good one by quoted_tpm under its bare key. */
void quoted_begin(struct quoted *s);
/* Encodes, signs and judges it as it now is. */
TALLY_RESULT quoted_finish(struct quoted *s);
/* quoted_finish, and it is good, or refused for this one reason. */
void quoted_good(struct quoted *s);
void quoted_refused(struct quoted *s, enum tally_reason want);

/* At QUOTED_NOW_S under the vendors' roots, into quoted_verdict. */
TALLY_RESULT quoted_judge(const struct tally_tpm_input *in, const struct tally_tpm_policy *policy,
                          struct tally_slice nonce);
