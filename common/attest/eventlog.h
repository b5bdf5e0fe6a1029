/* eventlog.h - event logs of measured boot, replayed to the registers they explain (C4.3): the CCEL
 * of a TDX guest to RTMR0 to 3, the TCG2 log of a TPM to its PCRs.
 *
 * Both are the crypto-agile form of the TCG PC Client specification: one event with the name "Spec
 * ID Event03" lists the hashes; every later event is {index, type, a digest per hash, data}. A log
 * proves nothing: what it replays to must equal what a TEE or TPM signed. Then its digests are
 * true, and its data where the digest is over the data. For types whose digest is by definition
 * over the data (separators, UEFI variables, actions, partition tables, GRUB's commands) the data
 * is hashed again and an event that differs is refused; of other types the data is ignored.
 *
 * Strict: all hashes of the header in every event and no others, known indexes, after the last
 * event nothing but bytes 0xff. Whatever is wrong, and a log over 1 MiB, is E_EVENTLOG. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_EVENTLOG_BYTES_MAX = 1024 * 1024,
    TALLY_RTMRS = 4,
    TALLY_RTMR_BYTES = 48,
    TALLY_PCRS = 24,
    TALLY_PCR_BYTES = 32,
};

/* log: the bytes that the CCEL ACPI table points to. */
TALLY_RESULT tally_eventlog_ccel_replay(struct tally_slice log,
                                        uint8_t rtmr[TALLY_RTMRS][TALLY_RTMR_BYTES]);

/* The SHA-256 bank. PCRs without an event have their value after reset: zeros, and all ones for
 * PCR 17 to 22. */
TALLY_RESULT tally_eventlog_tpm_replay(struct tally_slice log,
                                       uint8_t pcr[TALLY_PCRS][TALLY_PCR_BYTES]);

enum tally_eventlog_kind { TALLY_EVENTLOG_CCEL, TALLY_EVENTLOG_TPM };

/* One event; slices point into the log. */
struct tally_event {
    size_t at, size;           /* where it stands in the log, bytes */
    uint32_t index;            /* CCEL: 0 is MRTD, 1 to 4 are RTMR0 to 3; TPM: the PCR */
    uint32_t type;             /* TALLY_EV_... and others */
    struct tally_slice digest; /* SHA-384 (CCEL) or SHA-256 (TPM) */
    struct tally_slice data;
    bool vouched; /* the digest is over the data: it may be believed once the log replays */
};

enum {
    TALLY_EV_NO_ACTION = 3,
    TALLY_EV_SEPARATOR = 4,
    TALLY_EV_ACTION = 5,
    TALLY_EV_IPL = 13,
};
#define TALLY_EV_EFI_VARIABLE_DRIVER_CONFIG UINT32_C(0x80000001)
#define TALLY_EV_EFI_VARIABLE_BOOT          UINT32_C(0x80000002)
#define TALLY_EV_EFI_GPT_EVENT              UINT32_C(0x80000006)
#define TALLY_EV_EFI_ACTION                 UINT32_C(0x80000007)
#define TALLY_EV_EFI_VARIABLE_BOOT2         UINT32_C(0x8000000c)
#define TALLY_EV_EFI_VARIABLE_AUTHORITY     UINT32_C(0x800000e0)
const char *tally_event_type_name(uint32_t type); /* "EV_SEPARATOR"; "EV_?" if unknown */

/* Every event after the header, in order, then the status of the whole. */
TALLY_RESULT tally_eventlog_walk(struct tally_slice log, enum tally_eventlog_kind kind,
                                 void (*each)(void *ctx, const struct tally_event *e), void *ctx);
/* What kind of log its header says this is: with SHA-256 a TPM's, with SHA-384 alone a CCEL. */
TALLY_RESULT tally_eventlog_kind_of(struct tally_slice log, enum tally_eventlog_kind *kind);
