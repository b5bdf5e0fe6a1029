/* quote_sev_guest.h - what the SEV-SNP firmware answers through /dev/sev-guest (ATTESTATION.md
 * C6.2; Linux 5.19 and later): reports where there is no configfs-tsm, and the key that only this
 * chip gives to this guest, which has no other way.
 *
 * Messages to the firmware are sealed with a key that the host does not have: what the firmware
 * says of itself (status) is true, what the host says (fw_error, vmm_error) is a hint. A busy host
 * is sent the same message up to TALLY_SEV_GUEST_TRIES times, waiting longer each time, 3 s at
 * most.
 *
 * Only device_*.c includes this header: REPORT_DATA is what device.c derived and nothing else.
 *
 * Codes: TALLY_E_STATE where there is no such device; TALLY_E_IO where it is there and failed, with
 * what to do about it in the text. */
#pragma once

#include "common/attest/quote_sys.h"
#include "common/attest/snp_report.h"
#include "common/attest/trust.h"

#define TALLY_SEV_GUEST_FILE "/dev/sev-guest"

enum {
    TALLY_SEV_GUEST_TRIES = 8,
    TALLY_SEV_GUEST_CERTS_MAX = 64 * 1024, /* the host's certificate table; Linux takes 16 KiB */
    TALLY_SEV_GUEST_KEY_BYTES = 32,
};

struct tally_sev_guest_answer {
    uint8_t report[TALLY_SNP_REPORT_BYTES];
    uint8_t *certs; /* the host's certificate table, with zeros after it; NULL: none given */
    size_t certs_len;
};
void tally_sev_guest_answer_free(struct tally_sev_guest_answer *a); /* idempotent */

/* Is the device there? TALLY_OK, TALLY_E_STATE, or TALLY_E_IO where it is and cannot be opened. */
TALLY_RESULT tally_sev_guest_there(const struct tally_quote_sys *sys);

/* A report over these bytes for VMPL 0, with the host's certificates if it gives any: a host that
 * has none, or more than fits, does not keep us from the report. Nothing in it is judged here. */
TALLY_RESULT tally_sev_guest_quote(const struct tally_quote_sys *sys,
                                   const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                   struct tally_sev_guest_answer *out);

/* MSG_KEY_REQ (DESIGN.md, Restart): root VCEK, mixing GUEST_POLICY and MEASUREMENT, VMPL 0. The
 * VCEK is named outright, for a VLEK is the same on many machines; only firmware that knows no
 * VLEK, and says so itself, is asked without. */
TALLY_RESULT tally_sev_guest_key(const struct tally_quote_sys *sys,
                                 uint8_t key[TALLY_SEV_GUEST_KEY_BYTES]);
