/* tdx_case.c - see tdx_case.h. */
#include "tests/lib/tdx_case.h"

#include <check.h>
#include <string.h>

#include "common/anchors.h"

static void expect_own(struct tdx_case *c)
{
    const struct tally_tdx_quote *q = &c->quote;

    memcpy(c->report_data, q->report_data, sizeof c->report_data);
    memcpy(c->td.mrtd, q->mrtd, sizeof c->td.mrtd);
    memcpy(c->td.rtmr, q->rtmr, sizeof c->td.rtmr);
    c->td.rtmr_n = 4;
    c->expect = (struct tally_expect){.trust = TALLY_TRUST_HARDWARE,
                                      .report_data = c->report_data,
                                      .td_measurements = &c->td,
                                      .td_measurements_n = 1,
                                      .any_chip = true,
                                      .padded = true};
}

void tdx_case_init(struct tdx_case *c, const char *name, size_t result, bool strict)
{
    *c = (struct tdx_case){.row = tdx_row_named(name)};
    struct tally_slice quote = c->row->quote;

    if (c->row->text_follows) quote.len = c->row->quote_len;
    ck_assert_int_eq(tally_tdx_quote_decode(quote, &c->quote), TALLY_OK);
    ck_assert_int_eq(tally_anchor_named("intel-sgx", &c->anchor), TALLY_OK);
    expect_own(c);
    c->in.quote = quote;
    if (strict)
        tally_tdx_policy_strict(&c->policy);
    else
        tally_tdx_policy_integrity(&c->policy);
    ck_assert_uint_lt(result, c->row->results_n);
    const struct tdx_result *r = &c->row->results[result];
    c->in.collateral = r->bundle->collateral;
    c->expect.now_s = (r->from_s + r->until_s) / 2;
}

void tdx_case_encode(struct tdx_case *c)
{
    static uint8_t out[TALLY_TDX_QUOTE_BYTES_MAX + 1024];
    struct tally_wr w = tally_wr_to(out, sizeof out);

    tally_tdx_quote_encode(&c->quote, &w);
    ck_assert(!w.full);
    c->in.quote = tdx_copy(tally_slice_of(out, w.used));
}

enum tally_status tdx_case_judge(struct tdx_case *c)
{
    return tally_verify_tdx(&c->in, &c->anchor, 1, &c->policy, &c->expect, &c->v);
}

void tdx_case_must(struct tdx_case *c, enum tally_reason reason)
{
    enum tally_status s = tdx_case_judge(c);

    if (reason == TALLY_R_NONE) {
        ck_assert_msg(s == TALLY_OK, "%s: %s", c->row->name, tally_why());
        return;
    }
    ck_assert_msg(s != TALLY_OK, "%s: trusted, not %s", c->row->name, tally_reason_name(reason));
    ck_assert_msg(tally_reason() == reason, "%s: %s, not %s: %s", c->row->name,
                  tally_reason_name(tally_reason()), tally_reason_name(reason), tally_why());
}

bool tdx_case_says(const struct tdx_case *c, enum tally_reason reason, const char *words)
{
    for (uint32_t i = 0; i < c->v.failed_n; i++) {
        if (c->v.failed[i].reason == reason && strstr(c->v.failed[i].why, words) != NULL)
            return true;
    }
    return false;
}

const struct tally_claim *tdx_case_claim(const struct tdx_case *c, const char *name)
{
    for (uint32_t i = 0; i < c->v.claims_n; i++) {
        if (strcmp(c->v.claims[i].name, name) == 0) return &c->v.claims[i];
    }
    return NULL;
}
