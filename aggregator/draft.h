/* draft.h - the federation document while the owner still works on it: plain JSON in
 * federation.draft.json, open to an editor, checked whole when it is signed.
 *
 * A draft has the fields of the document with issued and expires 0. Votes and changes.needs follow
 * the parties as they are added (the least quorum that is allowed; everybody signs changes) until
 * somebody sets them otherwise. */
#pragma once

#include <jansson.h>

#include "common/cmd_documents.h"

#define TALLY_DRAFT_FILE "federation.draft.json"

/* Version 1 with the owner's party entry alone. test_root: DER; empty in production, where the
 * anchors are all vendors' roots that documents can name. The caller owns *draft. */
TALLY_RESULT tally_draft_new(enum tally_mode mode, const char *name, json_t *party,
                             struct tally_slice test_root, json_t **draft);

/* <dir>/federation.draft.json; or, where there is none, the next version of what is in force. */
TALLY_RESULT tally_draft_open(const struct tally_place *p, const char *dir, json_t **draft);
TALLY_RESULT tally_draft_save(const char *dir, const json_t *draft);

/* Puts a party entry in, in place of one of the same name. */
TALLY_RESULT tally_draft_add_party(json_t *draft, json_t *party, enum tally_mode mode);

/* "snp", "tdx"; TALLY_E_CONFIG for any other name. NULL: SNP. */
TALLY_RESULT tally_draft_tee(const char *name, enum tally_evidence_kind *out);

/* Lets nodes be TDX machines, once: rules (the strict ones), root, and in a test federation the
 * measurements of programs that are there: what a simulated SNP chip and a simulated TDX machine
 * measure is the same. test_root: DER; production names Intel's. */
TALLY_RESULT tally_draft_add_tdx(json_t *draft, enum tally_mode mode, struct tally_slice test_root);

/* Asks every node for GPUs, once: rules (the strict ones). */
TALLY_RESULT tally_draft_add_gpus(json_t *draft);
/* A further root of a test federation (DER), once. */
TALLY_RESULT tally_draft_add_root(json_t *draft, struct tally_slice test_root);

/* Puts a measurement in, once. `what`: "ROLE:FILE" (a program, measured as the simulated chip
 * does) or "ROLE:<96 hex>". In production it is one of `tee`; in a test federation of every kind of
 * TEE that the draft has rules for. */
TALLY_RESULT tally_draft_add_measurement(json_t *draft, enum tally_mode mode,
                                         enum tally_evidence_kind tee, const char *what,
                                         const char *software);

/* The document with its dates, unsigned; refused as tally_federation_decode refuses it. */
TALLY_RESULT tally_draft_freeze(const json_t *draft, enum tally_mode mode, uint64_t now_s,
                                uint64_t valid_s, struct tally_dsse *d, struct tally_federation *f);
