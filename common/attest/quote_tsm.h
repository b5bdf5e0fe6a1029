/* quote_tsm.h - evidence from the kernel's configfs-tsm (ATTESTATION.md C6.1): Linux 6.7 and later,
 * the same few files for every kind of TEE.
 *
 * One request is one folder under /sys/kernel/config/tsm/report, made under a name of its own and
 * always removed. A counter ("generation") rises by one with each write that took effect, so it
 * shows both a write of ours that was lost (binary files are taken in at close, whose failure
 * nobody is told) and a write of somebody else's in between: then what was read is thrown away and
 * the request made anew. What the kernel calls busy or interrupted is tried again too: up to
 * TALLY_TSM_TRIES times, waiting longer each time, 3 s in all at most.
 *
 * Only device_*.c includes this header: REPORT_DATA is what device.c derived and nothing else.
 *
 * Codes: TALLY_E_STATE where this machine has no such interface or no TEE behind it (another one
 * may do); TALLY_E_IO where it is there and failed, TALLY_E_LIMIT where an answer is over its cap:
 * each with what to do about it in the text. */
#pragma once

#include "common/attest/quote_sys.h"
#include "common/attest/trust.h"
#include "common/bytes.h"

#define TALLY_TSM_FOLDER "/sys/kernel/config/tsm/report"

enum {
    TALLY_TSM_TRIES = 8,
    TALLY_TSM_OUT_MAX = 128 * 1024, /* of outblob */
    TALLY_TSM_AUX_MAX = 64 * 1024,  /* of auxblob */
};

enum tally_tsm_provider { TALLY_TSM_SEV_GUEST = 1, TALLY_TSM_TDX_GUEST };
const char *tally_tsm_provider_name(enum tally_tsm_provider p); /* "sev_guest" */

struct tally_tsm_answer {
    enum tally_tsm_provider provider;
    uint8_t *out, *aux; /* evidence; the host's certificates (NULL: none given) */
    size_t out_len, aux_len;
};
void tally_tsm_answer_free(struct tally_tsm_answer *a); /* idempotent */

/* Who answers here, asking for no evidence. */
TALLY_RESULT tally_tsm_provider(const struct tally_quote_sys *sys, enum tally_tsm_provider *out);

/* Evidence over these bytes; of SNP for VMPL 0. Nothing in it is judged here. */
TALLY_RESULT tally_tsm_quote(const struct tally_quote_sys *sys,
                             const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                             struct tally_tsm_answer *out);
