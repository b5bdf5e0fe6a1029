/* quote_tpm_describe.c - see describe.h. */
#include <stdio.h>

#include "common/attest/describe.h"
#include "common/attest/quote_tpm.h"
#include "common/secret.h"

enum { LINE = 512, TYPE_AT = 1224, TYPE_SNP = 2, TYPE_TDX = 4 };

/* What the blob says it carries (ATTESTATION.md C4.1), for people. */
static const char *kind_of(struct tally_slice blob)
{
    struct tally_rd r = tally_rd_from(blob);

    (void)tally_rd_bytes(&r, TYPE_AT, "before the report's type");
    uint32_t type = tally_rd_le32(&r, "the report's type");
    if (r.bad != NULL) return "an unknown";
    return type == TYPE_SNP ? "a SEV-SNP" : type == TYPE_TDX ? "a TDX" : "an unknown";
}

static void say_paravisor(const struct tally_describe *to, struct tally_vtpm *t, const char *maker)
{
    uint8_t blob[TALLY_VTPM_HCL_MAX], key[TALLY_VTPM_PUBLIC_MAX];
    size_t len = 0, key_len = 0;
    char line[LINE];

    enum tally_status s = tally_vtpm_nv_read(t, TALLY_VTPM_HCL_INDEX, blob, sizeof blob, &len);
    if (s == TALLY_E_STATE) {
        (void)snprintf(line, sizeof line,
                       "TPM by %s, with no paravisor behind it: it proves nothing of the processor",
                       maker);
        to->say(to->ctx, true, line, "");
        return;
    }
    if (s == TALLY_OK) s = tally_vtpm_ak_public(t, key, &key_len);
    if (s != TALLY_OK) {
        (void)snprintf(line, sizeof line, "TPM by %s cannot be used: %s", maker, tally_why_text());
        to->say(to->ctx, false, line,
                "the machine must be a confidential VM whose vTPM is untouched");
        return;
    }
    (void)snprintf(line, sizeof line,
                   "vTPM by %s can be proved: %s report is over its attestation key", maker,
                   kind_of(tally_slice_of(blob, len)));
    to->say(to->ctx, true, line, "");
}

void tally_tpm_describe(const struct tally_describe *to, const char *tcti)
{
    TALLY_CLEANUP(tally_vtpm_close) struct tally_vtpm *t = NULL;
    char maker[TALLY_VTPM_MAKER_SIZE], line[LINE];
    enum tally_status s = tally_vtpm_open(tcti, &t);

    if (s == TALLY_OK) s = tally_vtpm_maker(t, maker);
    if (s == TALLY_OK) {
        say_paravisor(to, t, maker);
        return;
    }
    (void)snprintf(line, sizeof line, "%s", tally_why_text());
    to->say(to->ctx, s == TALLY_E_STATE, line, s == TALLY_E_STATE ? "" : "mend the way to the TPM");
}
