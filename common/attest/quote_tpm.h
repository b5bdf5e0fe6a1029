/* quote_tpm.h - evidence of a vTPM behind a paravisor, as Azure's confidential VMs have it
 * (ATTESTATION.md C4.1, C5.1, C6.5), through tpm2-tss.
 *
 * There the guest cannot ask the processor for a report: a layer below it does, and puts the report
 * into the TPM with the TPM's own attestation key and 64 bytes of the guest's inside what the
 * report is over. So: REPORT_DATA goes into NV index 0x01400002; reading index 0x01400001 gives the
 * report made anew; and the key 0x81000003 quotes all 24 SHA-256 PCRs over SHA-256(REPORT_DATA).
 *
 * Only device_*.c includes this header: REPORT_DATA is what device.c derived and nothing else. What
 * a program may ask is in describe.h. Certificates for the report come from elsewhere (a file, the
 * cloud's own address); nothing here uses a network.
 *
 * Codes: TALLY_E_STATE where this machine has no such TPM, index or key; TALLY_E_IO where the TPM
 * or the way to it failed, with tpm2-tss's own words and what to do; TALLY_E_LIB where an answer
 * makes no sense. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_VTPM_REPORT_DATA_BYTES = 64,
    TALLY_VTPM_HCL_MAX = 8192, /* ATTESTATION.md C0.2; Azure's index holds 2600 */
    TALLY_VTPM_PCRS = 24,
    TALLY_VTPM_PCR_BYTES = 32,
    TALLY_VTPM_ATTEST_MAX = 2048,
    TALLY_VTPM_SIGNATURE_MAX = 1024,
    TALLY_VTPM_CERT_MAX = 4096,
    TALLY_VTPM_HCL_INDEX = 0x01400001,
    TALLY_VTPM_USER_DATA_INDEX = 0x01400002,
    TALLY_VTPM_AK_CERT_INDEX = 0x01c101d0,
};
#define TALLY_VTPM_AK_HANDLE    0x81000003u
#define TALLY_VTPM_TCTI_DEFAULT "device:/dev/tpmrm0"

struct tally_vtpm;

/* tcti: as tpm2-tss writes it; NULL: TALLY_VTPM_TCTI_DEFAULT. Its logging is off unless the
 * environment asks for it. */
TALLY_RESULT tally_vtpm_open(const char *tcti, struct tally_vtpm **out);
void tally_vtpm_close(struct tally_vtpm **t); /* idempotent; leaves nothing loaded in the TPM */

/* Everything that a verifier takes. */
struct tally_vtpm_evidence {
    uint8_t hcl[TALLY_VTPM_HCL_MAX]; /* the paravisor's blob with the hardware report */
    size_t hcl_len;
    uint8_t attest[TALLY_VTPM_ATTEST_MAX]; /* TPMS_ATTEST, the bytes that are signed */
    size_t attest_len;
    uint8_t signature[TALLY_VTPM_SIGNATURE_MAX]; /* TPMT_SIGNATURE */
    size_t signature_len;
    uint8_t pcrs[TALLY_VTPM_PCRS][TALLY_VTPM_PCR_BYTES]; /* SHA-256 bank, by number */
};

/* All of it over this REPORT_DATA. Waits up to ten seconds for the paravisor to take up the new
 * user data, and quotes again when a PCR moved between quote and reading. *out is zeros after a
 * failure. */
TALLY_RESULT tally_vtpm_collect(struct tally_vtpm *t,
                                const uint8_t report_data[TALLY_VTPM_REPORT_DATA_BYTES],
                                struct tally_vtpm_evidence *out);

/* Its parts. Reads an NV index whole; TALLY_E_STATE if there is none, TALLY_E_LIMIT if it is larger
 * than cap. */
TALLY_RESULT tally_vtpm_nv_read(struct tally_vtpm *t, uint32_t index, uint8_t *out, size_t cap,
                                size_t *len);
/* The attestation key's public area, TPMT_PUBLIC. */
enum { TALLY_VTPM_PUBLIC_MAX = 1024 };
TALLY_RESULT tally_vtpm_ak_public(struct tally_vtpm *t, uint8_t out[TALLY_VTPM_PUBLIC_MAX],
                                  size_t *len);
/* The maker's name of this TPM ("MSFT"), printable. */
enum { TALLY_VTPM_MAKER_SIZE = 5 };
TALLY_RESULT tally_vtpm_maker(struct tally_vtpm *t, char out[TALLY_VTPM_MAKER_SIZE]);
