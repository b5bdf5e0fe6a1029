/* verdict.c - see verdict.h. */
#include "common/attest/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"

void tally_verdict_init(struct tally_verdict *v)
{
    *v = (struct tally_verdict){.not_after_s = UINT64_MAX};
}

TALLY_PRINTF(3, 0)
static void set(struct tally_failure *f, enum tally_reason reason, const char *fmt, va_list ap)
{
    f->reason = reason;
    (void)vsnprintf(f->why, sizeof f->why, fmt, ap);
}

void tally_verdict_fail(struct tally_verdict *v, enum tally_reason reason, const char *fmt, ...)
{
    va_list ap;

    if (v->failed_n == TALLY_FAILURES_MAX) return;
    va_start(ap, fmt);
    set(&v->failed[v->failed_n++], reason, fmt, ap);
    va_end(ap);
}

void tally_verdict_miss(struct tally_verdict *v, enum tally_reason reason, const char *fmt, ...)
{
    va_list ap;

    if (v->missing_n == TALLY_MISSING_MAX) return;
    va_start(ap, fmt);
    set(&v->missing[v->missing_n++], reason, fmt, ap);
    va_end(ap);
}

bool tally_verdict_note(struct tally_verdict *v, enum tally_status s)
{
    if (s == TALLY_OK) return true;
    enum tally_reason r = tally_reason();
    tally_verdict_fail(v, r == TALLY_R_NONE ? TALLY_R_E_FORMAT : r, "%s", tally_why_text());
    return false;
}

void tally_verdict_window(struct tally_verdict *v, uint64_t not_before_s, uint64_t not_after_s)
{
    if (not_before_s > v->not_before_s) v->not_before_s = not_before_s;
    if (not_after_s < v->not_after_s) v->not_after_s = not_after_s;
}

enum tally_status tally_verdict_end(struct tally_verdict *v)
{
    if (v->not_after_s == UINT64_MAX || v->not_before_s > v->not_after_s)
        v->not_before_s = v->not_after_s = 0;
    if (v->failed_n + v->missing_n == 0 && v->not_after_s == 0)
        tally_verdict_fail(v, TALLY_R_E_CERT_EXPIRED, "the verdict holds at no time");
    v->undecided = v->failed_n == 0 && v->missing_n > 0;
    if (v->failed_n > 0) return TALLY_REFUSE(v->failed[0].reason, "%s", v->failed[0].why);
    if (v->missing_n > 0) {
        enum tally_status s = TALLY_REFUSE(v->missing[0].reason, "%s", v->missing[0].why);
        return s == TALLY_OK ? s : TALLY_E_UNDECIDED;
    }
    TALLY_ASSERT(v->authentic);
    return TALLY_OK;
}

void tally_verdict_report_data(struct tally_verdict *v, const uint8_t report_data[64],
                               const struct tally_expect *e, bool needed)
{
    enum { HALF = TALLY_REPORT_DATA_BYTES / 2 };

    if (e->report_data == NULL) {
        if (needed) tally_verdict_miss(v, TALLY_R_E_REPORT_DATA, "no REPORT_DATA to compare with");
        return;
    }
    bool first =
        tally_secret_equal(tally_slice_of(report_data, HALF), tally_slice_of(e->report_data, HALF));
    bool second = tally_secret_equal(tally_slice_of(report_data + HALF, HALF),
                                     tally_slice_of(e->report_data + HALF, HALF));
    if (e->whole_report_data) {
        if (!first || !second)
            tally_verdict_fail(v, TALLY_R_E_REPORT_DATA, "REPORT_DATA is not what was asked for");
        return;
    }
    if (!first)
        tally_verdict_fail(v, TALLY_R_E_CHANNEL_BINDING,
                           "the first half of REPORT_DATA is not this session's");
    if (!second)
        tally_verdict_fail(v, TALLY_R_E_REPORT_DATA,
                           "the second half of REPORT_DATA is not this key block's");
}

static struct tally_claim *claim(struct tally_verdict *v, const char *name,
                                 enum tally_claim_kind kind)
{
    static _Thread_local struct tally_claim nowhere;
    struct tally_claim *c = v->claims_n < TALLY_CLAIMS_MAX ? &v->claims[v->claims_n++] : &nowhere;

    *c = (struct tally_claim){.name = name, .kind = kind};
    return c;
}

static void put_bytes(struct tally_claim *c, struct tally_slice s)
{
    c->len = s.len < TALLY_CLAIM_BYTES_MAX ? (uint32_t)s.len : TALLY_CLAIM_BYTES_MAX;
    if (c->len > 0) memcpy(c->bytes, s.at, c->len);
}

void tally_claim_text(struct tally_verdict *v, const char *name, struct tally_slice text)
{
    put_bytes(claim(v, name, TALLY_CLAIM_TEXT), text);
}

void tally_claim_word(struct tally_verdict *v, const char *name, const char *word)
{
    tally_claim_text(v, name, tally_slice_str(word));
}

void tally_claim_hex(struct tally_verdict *v, const char *name, struct tally_slice bytes)
{
    put_bytes(claim(v, name, TALLY_CLAIM_HEX), bytes);
}

void tally_claim_number(struct tally_verdict *v, const char *name, uint64_t number)
{
    claim(v, name, TALLY_CLAIM_NUMBER)->number = number;
}

void tally_claim_mask(struct tally_verdict *v, const char *name, uint64_t bits)
{
    claim(v, name, TALLY_CLAIM_MASK)->number = bits;
}

void tally_claim_bool(struct tally_verdict *v, const char *name, bool b)
{
    claim(v, name, TALLY_CLAIM_BOOL)->number = b;
}
