/* verify_tpm_content.c - see verify_tpm.h: what an authentic quote says. */
#include <stdio.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_tpm.h"
#include "common/hash.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

enum { SELECT_BYTES = TALLY_PCRS / 8, PCR_TEXT = 96 };

static const uint8_t *pcr(const struct tally_tpm_content *c, unsigned i)
{
    return c->in->pcrs.at + (size_t)i * TALLY_PCR_BYTES;
}

static void check_nonce(const struct tally_tpm_quote *q, const struct tally_expect *e, bool needed,
                        struct tally_verdict *v)
{
    if (e->nonce.at == NULL) {
        if (needed) tally_verdict_miss(v, R_(REPORT_DATA), "no nonce to compare with");
    } else if (!tally_secret_equal(q->extra, e->nonce)) {
        tally_verdict_fail(v, R_(REPORT_DATA), "the quote's extraData is not the nonce");
    }
}

/* One bank, SHA-256, and exactly the policy's PCRs: over others a quote proves nothing of these.
 * Gives the mask, 0 where the selection was refused. */
static uint32_t check_selection(const struct tally_tpm_quote *q, uint32_t want,
                                struct tally_verdict *v)
{
    const struct tally_tpm_selection *s = &q->selections[0];

    if (q->selections_n != 1) {
        tally_verdict_fail(v, R_(PCR_SELECTION), "PCRs of %u banks are selected", q->selections_n);
    } else if (s->hash != TALLY_TPM_SHA256) {
        tally_verdict_fail(v, R_(PCR_SELECTION), "the bank of hash %04x is selected", s->hash);
    } else if (s->bytes != SELECT_BYTES || s->mask == 0) {
        tally_verdict_fail(v, R_(PCR_SELECTION), "PCR mask %x in %u bytes", s->mask, s->bytes);
    } else if (want != 0 && s->mask != want) {
        tally_verdict_fail(v, R_(PCR_SELECTION), "PCRs %06x are selected, not %06x", s->mask, want);
    } else {
        return s->mask;
    }
    return 0;
}

/* Do the values given hash to what was signed? By number, ascending, as the TPM did. */
static bool check_digest(const struct tally_tpm_content *c, uint32_t mask, bool needed,
                         struct tally_verdict *v)
{
    static const enum tally_hash_alg algs[] = {TALLY_SHA256, TALLY_SHA384, TALLY_SHA512};
    size_t bytes = tally_tpm_hash_bytes(c->hash), n = 0;
    struct tally_slice selected[TALLY_PCRS];
    uint8_t digest[TALLY_SHA512_BYTES];

    if (c->in->pcrs.at == NULL) {
        if (needed) tally_verdict_miss(v, R_(PCR_DIGEST), "no PCR values were given");
        return false;
    }
    if (c->in->pcrs.len != TALLY_PCR_LIST_BYTES) {
        bool less = c->in->pcrs.len < TALLY_PCR_LIST_BYTES;
        tally_verdict_fail(v, less ? R_(TRUNCATED) : R_(TRAILING), "%zu bytes of PCR values",
                           c->in->pcrs.len);
        return false;
    }
    for (unsigned i = 0; i < TALLY_PCRS; i++) {
        if (mask & 1U << i) selected[n++] = tally_slice_of(pcr(c, i), TALLY_PCR_BYTES);
    }
    tally_hash(algs[c->hash - TALLY_TPM_SHA256], selected, n, digest);
    bool same = tally_slice_equal(c->quote->digest, tally_slice_of(digest, bytes));
    if (!same)
        tally_verdict_fail(v, R_(PCR_DIGEST), "the PCR values are not those that were quoted");
    return same;
}

/* " 4 7", cut at the text's end. */
static void name_pcrs(uint32_t mask, char out[PCR_TEXT])
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < TALLY_PCRS; i++) {
        if (mask & 1U << i) used += (size_t)snprintf(out + used, PCR_TEXT - used, " %u", i);
    }
}

static void check_values(const struct tally_tpm_content *c, const struct tally_tpm_policy *p,
                         uint32_t mask, struct tally_verdict *v)
{
    uint32_t listed = 0, good = 0;
    char text[PCR_TEXT];

    for (uint32_t i = 0; i < p->values_n; i++) {
        const struct tally_pcr_value *want = &p->values[i];
        listed |= 1U << want->pcr;
        if ((mask & 1U << want->pcr) != 0 &&
            memcmp(pcr(c, want->pcr), want->value, TALLY_PCR_BYTES) == 0)
            good |= 1U << want->pcr;
    }
    if (listed == good) return;
    name_pcrs(listed & ~good, text);
    tally_verdict_fail(v, R_(MEASUREMENT), "PCR%s: none of the values that were agreed on", text);
}

/* The log must explain every PCR of the policy's list that was quoted, and at least one. */
static void check_log(const struct tally_tpm_content *c, uint32_t pcrs, struct tally_verdict *v)
{
    uint8_t replayed[TALLY_PCRS][TALLY_PCR_BYTES];
    uint32_t others = 0;
    char text[PCR_TEXT];

    if (!tally_verdict_note(v, tally_eventlog_tpm_replay(c->in->eventlog, replayed))) return;
    for (unsigned i = 0; i < TALLY_PCRS; i++) {
        if ((pcrs & 1U << i) != 0 && memcmp(replayed[i], pcr(c, i), TALLY_PCR_BYTES) != 0)
            others |= 1U << i;
    }
    name_pcrs(others, text);
    if (pcrs == 0)
        tally_verdict_fail(v, R_(EVENTLOG), "an event log, and none of its PCRs was quoted");
    else if (others != 0)
        tally_verdict_fail(v, R_(EVENTLOG), "the event log does not replay to PCR%s", text);
    else if (v->authentic)
        tally_claim_bool(v, "tpm_eventlog", true);
}

static void check_eventlog(const struct tally_tpm_content *c, const struct tally_tpm_policy *p,
                           uint32_t mask, struct tally_verdict *v)
{
    if (c->in->eventlog.at != NULL)
        check_log(c, mask & p->eventlog_pcrs, v);
    else if (p->require_eventlog)
        tally_verdict_miss(v, R_(EVENTLOG), "no event log was given");
}

uint32_t tally_verify_tpm_content(const struct tally_tpm_content *c,
                                  const struct tally_tpm_policy *policy,
                                  const struct tally_expect *expect, struct tally_verdict *v)
{
    bool strict = !policy->integrity_only;

    check_nonce(c->quote, expect, strict, v);
    uint32_t mask = check_selection(c->quote, policy->pcrs, v);
    if (mask != 0 && !check_digest(c, mask, strict || c->in->eventlog.at != NULL, v)) mask = 0;
    if (mask != 0) {
        check_values(c, policy, mask, v);
        check_eventlog(c, policy, mask, v);
    }
    if (policy->values_n == 0 && strict)
        tally_verdict_miss(v, R_(MEASUREMENT), "no PCR values to compare with");
    if (c->quote->safe == 0 && strict && !policy->allow_unsafe_clock)
        tally_verdict_fail(v, R_(POLICY_FLAG), "the TPM's clock is not safe");
    return mask;
}
