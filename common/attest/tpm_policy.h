/* tpm_policy.h - what a TPM quote, and the paravisor's report under it, must say.
 *
 * The policy object of a document, "tpm": {...}; every key may be absent, unknown keys are refused:
 *
 *   "pcrs"              the PCRs that the quote selects, no more and no fewer: a list of numbers
 *                       (default all 24; the bank is always SHA-256)
 *   "values"            what PCRs must hold: {"4":["64 hex digits",...],...}, any one of a PCR's
 *                       list; each must be among "pcrs". Without any a verdict is undecided: a
 *                       quote of unknown values says nothing of what was booted
 *   "quote"             "required" (default) or "optional": may Azure evidence come without one
 *   "eventlog"          "required" or "optional" (default)
 *   "eventlog_pcrs"     the PCRs that a log given must replay to (default 0 to 9: firmware and boot
 *                       loader; above, programs extend PCRs that no log shows)
 *   "secure_boot"       required, as the paravisor reports it       (default true)
 *   "console"           may the host have a serial console           (false)
 *   "unrestricted_key"  may the key sign what is no TPM's own        (false)
 *   "unsafe_clock"      may the TPM's clock have run backwards       (false) */
#pragma once

#include <jansson.h>

#include "common/attest/eventlog.h"

enum { TALLY_PCR_VALUES_MAX = 64 };

/* One value that a PCR may have; several of one PCR are alternatives. */
struct tally_pcr_value {
    uint8_t pcr;
    uint8_t value[TALLY_PCR_BYTES];
};

/* Filled by the functions below, never by hand. */
struct tally_tpm_policy {
    uint32_t pcrs;          /* mask the quote must select exactly; 0: any but none */
    uint32_t eventlog_pcrs; /* mask */
    struct tally_pcr_value values[TALLY_PCR_VALUES_MAX];
    uint32_t values_n;
    bool require_secure_boot, require_eventlog;
    bool allow_console, allow_unrestricted_key, allow_unsafe_clock, allow_missing_quote;
    bool integrity_only; /* no opinion on what was booted; never in a federation */
};

/* TALLY_E_CONFIG says which key is wrong. */
TALLY_RESULT tally_tpm_policy_from_json(const json_t *object, struct tally_tpm_policy *policy);
/* The rules that the object names, and no others; what fails changes nothing. */
TALLY_RESULT tally_tpm_policy_change(const json_t *object, struct tally_tpm_policy *policy);
/* The same object with every key spelled out; the caller owns it, NULL when out of memory. */
json_t *tally_tpm_policy_to_json(const struct tally_tpm_policy *policy);
/* As an empty object says. */
void tally_tpm_policy_strict(struct tally_tpm_policy *policy);
/* Structure, signatures, chain, bindings and a key that signs nothing but a TPM's own; the rest
 * where there is something to compare. */
void tally_tpm_policy_integrity(struct tally_tpm_policy *policy);
