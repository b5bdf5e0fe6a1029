/* evidence_show_tpm.c - see evidence_show.h: a TPMS_ATTEST. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/evidence_show.h"
#include "common/attest/tpm_quote.h"

static const char *hash_name(uint16_t hash)
{
    switch (hash) {
    case TALLY_TPM_SHA1: return "SHA-1";
    case TALLY_TPM_SHA256: return "SHA-256";
    case TALLY_TPM_SHA384: return "SHA-384";
    case TALLY_TPM_SHA512: return "SHA-512";
    default: return "an unknown hash";
    }
}

/* "0-7 14", the PCRs of a mask. */
static void pcr_text(uint32_t mask, char *text, size_t size)
{
    enum { PCRS = 32 };
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < PCRS; i++) {
        if (!(mask & 1U << i)) continue;
        unsigned last = i;
        while (last + 1 < PCRS && (mask & 1U << (last + 1))) last++;
        used += (size_t)snprintf(text + used, size - used, last > i ? "%s%u-%u" : "%s%u",
                                 used > 0 ? " " : "", i, last);
        i = last;
    }
    if (used == 0) (void)snprintf(text, size, "none");
}

/* Gives where the fields after it begin. */
static size_t add_selections(json_t *fields, size_t at, const struct tally_tpm_quote *q)
{
    enum { HEAD = 3, COUNT = 4 };
    char text[128];

    evidence_field(fields, at, COUNT, "pcrSelect.count", "banks of PCRs that are quoted",
                   "%" PRIu32, q->selections_n);
    at += COUNT;
    for (uint32_t i = 0; i < q->selections_n; i++) {
        const struct tally_tpm_selection *s = &q->selections[i];
        pcr_text(s->mask, text, sizeof text);
        evidence_field(fields, at, HEAD + (size_t)s->bytes, "pcrSelect", "bank, and PCRs of it",
                       "%s: %s", hash_name(s->hash), text);
        at += HEAD + (size_t)s->bytes;
    }
    return at;
}

enum tally_status evidence_show_tpm(struct tally_slice file, json_t *fields)
{
    enum { LENGTH = 2, SIGNER_AT = 6 };
    struct tally_tpm_quote q;

    TALLY_TRY(tally_tpm_quote_decode(file, &q));
    evidence_field(fields, 0, 4, "magic", "made by a TPM itself", "0x%08" PRIx32, q.magic);
    evidence_field(fields, 4, 2, "type", "8018: a quote", "0x%04x", q.type);
    evidence_field_hex(fields, SIGNER_AT + LENGTH, "qualifiedSigner", "name of the key", q.signer);
    size_t at = SIGNER_AT + LENGTH + q.signer.len + LENGTH;
    evidence_field_hex(fields, at, "extraData", "the nonce of whoever asked", q.extra);
    at += q.extra.len;
    evidence_field(fields, at, 8, "clock", "milliseconds that the TPM was on", "%" PRIu64,
                   q.clock_ms);
    evidence_field(fields, at + 8, 4, "resetCount", "boots of the machine", "%" PRIu32,
                   q.reset_count);
    evidence_field(fields, at + 12, 4, "restartCount", "resumes since the last boot", "%" PRIu32,
                   q.restart_count);
    evidence_field(fields, at + 16, 1, "safe", "the clock never ran backwards", "%s",
                   q.safe ? "yes" : "no");
    evidence_field(fields, at + 17, 8, "firmwareVersion", "of the TPM; its vendor's numbers",
                   "0x%016" PRIx64, q.firmware);
    at = add_selections(fields, at + 25, &q);
    evidence_field_hex(fields, at + LENGTH, "pcrDigest", "hash of the PCRs' values, ascending",
                       q.digest);
    return TALLY_OK;
}
