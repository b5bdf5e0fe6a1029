/* evidence_verdict.h - a verdict for people, as JSON and as a token; for cmd_evidence.c. */
#pragma once

#include <jansson.h>

#include "agent/evidence_case.h"

/* The exit code that a status of evidence_case_judge stands for; USAGE: no verdict was reached. */
int evidence_exit(enum tally_status s);
const char *evidence_word(int rc); /* "trusted", "refused", "undecided" */

/* The object of cmd_evidence.h; the caller owns it. */
json_t *evidence_verdict_json(const struct evidence_case *c, int rc, const struct tally_verdict *v);
void evidence_verdict_print(const struct evidence_case *c, int rc, const struct tally_verdict *v);

/* Every rule of the policy's part: [{"rule","wants","saw","check","ok"}]; saw is null where nothing
 * authentic was seen. */
json_t *evidence_explain(const struct evidence_case *c, const struct tally_verdict *v);

/* Does the table of rules know this key? For the test that holds it against the policies. */
bool evidence_explains(enum tally_policy_part part, const char *key);

/* Writes the verdict as a token (common/attest/ear.h) where --ear says. */
TALLY_RESULT evidence_write_ear(const struct evidence_case *c, const struct tally_verdict *v);
