/* tdx_case.h - one appraisal of a published quote, with everything to compare, for a test to change
 * one thing in. */
#pragma once

#include "tests/lib/tdx_rows.h"

struct tdx_case {
    const struct tdx_row *row;
    struct tally_tdx_quote quote; /* decoded; what tdx_case_encode() writes */
    struct tally_tdx_input in;
    struct tally_tdx_policy policy;
    struct tally_expect expect;
    struct tally_anchor anchor;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    struct tally_td_measurement td;
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES];
    struct tally_verdict v;
};

/* The quote of that name with a bundle it has a result for, in the middle of its window; strict or
 * integrity, padding allowed, all expectations the quote's own. Text after the quote is left out.
 */
void tdx_case_init(struct tdx_case *c, const char *name, size_t result, bool strict);
/* in.quote becomes the encoding of `quote`. */
void tdx_case_encode(struct tdx_case *c);
TALLY_RESULT tdx_case_judge(struct tdx_case *c);
/* Judges, and the first failure (or what is missing) must be this; NONE: trusted. Never trusted
 * otherwise. */
void tdx_case_must(struct tdx_case *c, enum tally_reason reason);
/* A failure of this reason whose text holds these words. */
bool tdx_case_says(const struct tdx_case *c, enum tally_reason reason, const char *words);
/* The claim's value; NULL if there is none. */
const struct tally_claim *tdx_case_claim(const struct tdx_case *c, const char *name);
