/* vtpm.h - a vTPM as Azure's confidential VMs have it: a software TPM (swtpm), and between it and
 * the caller a process that plays the paravisor. When user data was written to its index, that
 * makes the report anew, signed by the simulated chip, and puts it where Azure does; and it can be
 * told to answer wrongly. Both listen on the loopback alone, in a folder of their own. */
#pragma once

#include "common/bytes.h"

/* What the process in between does; shared with it, so it may be changed at any time. */
struct vtpm_play {
    uint32_t late;       /* reads of the report before the new one is there */
    bool frozen;         /* it never is */
    bool no_report;      /* there is no paravisor */
    bool upper_case;     /* the user data in the report is spelt in capitals */
    uint32_t fail_cc;    /* this TPM command ... */
    uint32_t fail_rc;    /* ... is answered with this code (0: not) */
    uint32_t fail_times; /* so many times */
    uint32_t cut_cc;     /* the connection breaks at this command */
    uint32_t garble_cc;  /* the answer to this command is `garble` bytes of 0xff behind a header */
    uint32_t garble;
    uint32_t moving_pcrs;     /* so many quotes are followed by an extended PCR */
    uint32_t commands[0x200]; /* how many of each code below 0x200 came */
};

/* Starts both and provisions them: an attestation key (RSA-2048, RSASSA, SHA-256, restricted), a
 * blob of 2600 bytes. After simulated_setup(). Exits 77 saying so if swtpm is not installed. */
void vtpm_start(void);
void vtpm_stop(void); /* by process id; removes the folder */

const char *vtpm_tcti(void); /* for tally_vtpm_open */
struct vtpm_play *vtpm_play(void);
void vtpm_remove_index(uint32_t index); /* as an owner would */
void vtpm_define_index(uint32_t index, uint16_t bytes);
void vtpm_remove_ak(void);
void vtpm_make_ak(bool with_scheme);

/* The blob over this user data for an attestation key (TPMT_PUBLIC's modulus): exactly 2600 bytes,
 * zeros at the end. */
enum { VTPM_BLOB_BYTES = 2600 };
void vtpm_blob(struct tally_slice modulus, const uint8_t user_data[64], bool upper_case,
               uint8_t out[VTPM_BLOB_BYTES]);
