/* evidence_show.h - an SNP report in words and as JSON; for cmd_evidence.c. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "common/attest/appraise.h"
#include "common/attest/snp_report.h"

/* Every field of a decoded report with offset, size and meaning. */
json_t *evidence_fields_json(const struct tally_snp_report *r);
void evidence_fields_print(FILE *to, const struct tally_snp_report *r);

/* "claims" and "tcb" of cmd_evidence.h. */
json_t *evidence_claims_json(const struct tally_snp_report *r, const struct tally_verdict *v);
json_t *evidence_tcb_json(const struct tally_snp_report *r, enum tally_snp_product p);
