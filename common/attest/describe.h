/* describe.h - what this machine's GPUs and TPM could prove, in lines for `tally-agent check`.
 *
 * Nothing is quoted and nothing is written. A machine without the thing is told of in one good
 * line: whether it is needed is the federation's to say. */
#pragma once

#include <stdbool.h>

#include "common/status.h"

/* One line each: `what` is a fact, `fix` what to do about it if it is not good ("" otherwise).
 * Both live until the call returns. */
struct tally_describe {
    void (*say)(void *ctx, bool good, const char *what, const char *fix);
    void *ctx;
};
/* One line; the fix is said only where it is not good. */
void tally_describe_say(const struct tally_describe *to, bool good, const char *fix,
                        const char *fmt, ...) TALLY_PRINTF(4, 5);

/* Driver, GPUs with architecture, VBIOS and UUID, and whether confidential computing is on. */
void tally_nvml_describe(const struct tally_describe *to);

/* tcti: how the TPM is reached, as tpm2-tss writes it; NULL: the kernel's /dev/tpmrm0. Maker,
 * whether a paravisor's report (Azure) is in it with its kind, and its attestation key. */
void tally_tpm_describe(const struct tally_describe *to, const char *tcti);
