/* quote_tpm_parts.h - shared by quote_tpm*.c alone. */
#pragma once

#include <tss2/tss2_esys.h>

#include "common/attest/quote_tpm.h"

struct tally_vtpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

/* A response of the TPM or of the way to it as a status: TALLY_E_IO with `what` and tpm2-tss's own
 * words. */
TALLY_RESULT tally_vtpm_judge_(const char *what, TSS2_RC rc);

/* An object of the TPM by its handle, closed with tally_vtpm_object_free_; it is the TPM's own
 * (persistent or NV), so nothing is loaded and nothing must be flushed. TALLY_E_STATE if the TPM
 * has none; `what` names it. */
struct tally_vtpm_object {
    ESYS_CONTEXT *esys;
    ESYS_TR tr;
};
TALLY_RESULT tally_vtpm_object_(struct tally_vtpm *t, uint32_t handle, const char *what,
                                struct tally_vtpm_object *out);
void tally_vtpm_object_free_(struct tally_vtpm_object *o);

/* Frees what tpm2-tss returned; for TALLY_CLEANUP on any pointer. */
void tally_vtpm_free_(void *pointer_to_pointer);

/* The quote and the 24 values it is over, consistent with each other. */
TALLY_RESULT tally_vtpm_quote_(struct tally_vtpm *t, const uint8_t extra[32],
                               struct tally_vtpm_evidence *out);
