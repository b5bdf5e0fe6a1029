/* evidence_show.h - every field of evidence, decoded, with its offset and meaning; for
 * cmd_evidence.c. One function per kind, in evidence_show_<kind>.c; a file that does not parse
 * gives the verifier's own refusal. */
#pragma once

#include <jansson.h>

#include "common/bytes.h"

/* Appends {"offset","size","field","value","meaning"} to the list; value is at most 255 bytes. */
void evidence_field(json_t *fields, size_t offset, size_t size, const char *name,
                    const char *meaning, const char *fmt, ...) TALLY_PRINTF(6, 7);
/* The value in hex, cut with ".." after 64 bytes. */
void evidence_field_hex(json_t *fields, size_t offset, const char *name, const char *meaning,
                        struct tally_slice bytes);

TALLY_RESULT evidence_show_snp(struct tally_slice file, json_t *fields);
TALLY_RESULT evidence_show_tdx(struct tally_slice file, json_t *fields);
/* A GPU's or switch's SPDM report. */
TALLY_RESULT evidence_show_nvgpu(struct tally_slice file, json_t *fields);
/* A reference manifest: what it says of driver or VBIOS, and every measurement. */
TALLY_RESULT evidence_show_rim(struct tally_slice file, json_t *fields);
/* A TPMS_ATTEST. */
TALLY_RESULT evidence_show_tpm(struct tally_slice file, json_t *fields);
/* An HCL blob with the runtime data in it. */
TALLY_RESULT evidence_show_azure(struct tally_slice file, json_t *fields);
TALLY_RESULT evidence_show_eventlog(struct tally_slice file, json_t *fields);
