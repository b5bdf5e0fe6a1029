/* tpm_quoted.c - see tpm_quoted.h. */
#include "tests/lib/tpm_quoted.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tpm_vectors.h"

struct tally_sim_tpm *quoted_tpm, *quoted_other;
struct tally_verdict quoted_verdict;

void quoted_setup(void)
{
    if (tally_sim_tpm_new(TALLY_TPM_RSA, &quoted_tpm) != TALLY_OK ||
        tally_sim_tpm_new(TALLY_TPM_RSA, &quoted_other) != TALLY_OK)
        exit(1);
}

enum tally_status quoted_judge(const struct tally_tpm_input *in,
                               const struct tally_tpm_policy *policy, struct tally_slice nonce)
{
    const struct tally_expect e = {.now_s = QUOTED_NOW_S, .nonce = nonce};
    uint32_t n;
    const struct tally_anchor *anchors = tpm_vector_anchors(&n);

    return tally_verify_tpm(in, anchors, n, policy, &e, &quoted_verdict);
}

void quoted_begin(struct quoted *s)
{
    struct tally_wr w = tally_wr_to(s->ak, sizeof s->ak);

    s->in = (struct tally_tpm_input){.pcrs = TALLY_SLICE(s->pcrs)};
    s->scheme = TALLY_TPM_RSASSA;
    s->hash = TALLY_TPM_SHA256;
    s->nonce = tally_slice_str("thirty-two bytes chosen by you..");
    tally_tpm_policy_integrity(&s->policy);
    s->policy.pcrs = 0xffffff;
    memcpy(s->pcrs, quoted_tpm->pcrs, sizeof s->pcrs);
    tally_sim_quote_init(quoted_tpm, s->digest, &s->q);
    s->q.extra = s->nonce;
    tally_sim_tpm_spki(quoted_tpm, &w);
    s->in.ak = tally_slice_of(s->ak, w.used);
}

enum tally_status quoted_finish(struct quoted *s)
{
    struct tally_wr a = tally_wr_to(s->attest, sizeof s->attest);
    struct tally_wr g = tally_wr_to(s->sig, sizeof s->sig);

    tally_tpm_quote_encode(&s->q, &a);
    s->in.attest = tally_slice_of(s->attest, a.used);
    ck_assert_int_eq(tally_sim_tpm_sign(quoted_tpm, s->scheme, s->hash, s->in.attest, &g),
                     TALLY_OK);
    s->in.sig = tally_slice_of(s->sig, g.used);
    return quoted_judge(&s->in, &s->policy, s->nonce);
}

void quoted_refused(struct quoted *s, enum tally_reason want)
{
    ck_assert_int_ne(quoted_finish(s), TALLY_OK);
    ck_assert_msg(quoted_verdict.failed_n == 1 && quoted_verdict.failed[0].reason == want,
                  "%u: %s, not %s", quoted_verdict.failed_n,
                  tally_reason_name(quoted_verdict.failed[0].reason), tally_reason_name(want));
}

void quoted_good(struct quoted *s)
{
    ck_assert_msg(quoted_finish(s) == TALLY_OK, "%s", tally_why());
    ck_assert(quoted_verdict.authentic);
}
