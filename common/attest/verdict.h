/* verdict.h - how verifiers fill a verdict: every failure in order. What is beyond the lists' ends
 * (a set of broken devices) is dropped; the verdict is refused all the same. */
#pragma once

#include "common/attest/appraise.h"

/* Empty, with an unbounded window. */
void tally_verdict_init(struct tally_verdict *v);
void tally_verdict_fail(struct tally_verdict *v, enum tally_reason reason, const char *fmt, ...)
    TALLY_PRINTF(3, 4);
void tally_verdict_miss(struct tally_verdict *v, enum tally_reason reason, const char *fmt, ...)
    TALLY_PRINTF(3, 4);

/* True for TALLY_OK; else the thread's last refusal is added and false given. `s` without a
 * reason (no memory) counts as E_FORMAT: nothing is trusted because something else broke. */
bool tally_verdict_note(struct tally_verdict *v, enum tally_status s);

/* Narrows the window. */
void tally_verdict_window(struct tally_verdict *v, uint64_t not_before_s, uint64_t not_after_s);

/* Adds a claim, once the evidence is authentic. Text and bytes beyond 64 are cut; more than
 * TALLY_CLAIMS_MAX are dropped: claims inform, nothing is decided by them. */
void tally_claim_text(struct tally_verdict *v, const char *name, struct tally_slice text);
void tally_claim_word(struct tally_verdict *v, const char *name, const char *word);
void tally_claim_hex(struct tally_verdict *v, const char *name, struct tally_slice bytes);
void tally_claim_number(struct tally_verdict *v, const char *name, uint64_t number);
void tally_claim_mask(struct tally_verdict *v, const char *name, uint64_t bits);
void tally_claim_bool(struct tally_verdict *v, const char *name, bool b);

/* Compares REPORT_DATA (64 bytes): E_CHANNEL_BINDING for the first half, which names the session or
 * update, E_REPORT_DATA for the second, the key block's. needed: without one to compare with,
 * undecided. */
void tally_verdict_report_data(struct tally_verdict *v, const uint8_t report_data[64],
                               const struct tally_expect *expect, bool needed);

/* What the verdict means; sets undecided. */
TALLY_RESULT tally_verdict_end(struct tally_verdict *v);
