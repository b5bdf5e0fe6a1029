/* verify_azure.c - see verify_azure.h. */
#include "common/attest/verify_azure.h"

#include <string.h>

#include "common/attest/verdict.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

void tally_azure_bind(const struct tally_hcl *hcl, const uint8_t report_data[64],
                      struct tally_verdict *v)
{
    uint8_t want[64];

    tally_hcl_report_data(hcl, want);
    if (!tally_secret_equal(tally_slice_of(report_data, 64), TALLY_SLICE(want)))
        tally_verdict_fail(v, R_(REPORT_DATA),
                           "REPORT_DATA is not the hash of the paravisor's runtime data");
}

static void check_user_data(const struct tally_hcl *h, const struct tally_expect *e, bool needed,
                            struct tally_verdict *v)
{
    if (e->report_data == NULL) {
        if (needed) tally_verdict_miss(v, R_(REPORT_DATA), "no user-data to compare with");
    } else if (!h->has_user_data ||
               !tally_secret_equal(TALLY_SLICE(h->user_data),
                                   tally_slice_of(e->report_data, TALLY_REPORT_DATA_BYTES))) {
        tally_verdict_fail(v, R_(REPORT_DATA), "user-data is not what was asked for");
    }
}

void tally_azure_content(const struct tally_hcl *hcl, const struct tally_tpm_policy *policy,
                         const struct tally_expect *expect, struct tally_verdict *v)
{
    const struct tally_hcl_config *c = &hcl->config;
    bool strict = !policy->integrity_only;

    check_user_data(hcl, expect, strict, v);
    if (!strict) return;
    if (!hcl->ak_signs) tally_verdict_fail(v, R_(KEY), "HCLAkPub is not a key for signing");
    if (policy->require_secure_boot && c->secure_boot != TALLY_HCL_YES)
        tally_verdict_fail(v, R_(POLICY_FLAG), "secure boot is off");
    bool console = c->console != TALLY_HCL_NO || c->interactive_console == TALLY_HCL_YES ||
                   c->ipmi == TALLY_HCL_YES;
    if (console && !policy->allow_console)
        tally_verdict_fail(v, R_(POLICY_FLAG), "the host has a console into the guest");
}

/* A key given beside the blob has to be the blob's; with a certificate, its chain has to hold too.
 * False where the key is another or its chain fails: then nothing is known of the quote. A chain
 * that cannot be followed to its end leaves the quote to be judged: the blob vouches for the key.
 */
static bool check_given_key(const struct tally_azure_input *in, const struct tally_tpm_key *ak,
                            const struct tally_azure_judge *j, const struct tally_expect *expect,
                            struct tally_verdict *part)
{
    TALLY_CLEANUP(tally_tpm_key_free) struct tally_tpm_key given = {0};
    uint32_t before = part->failed_n;

    if (in->tpm.ak.at == NULL) return true;
    bool whole = tally_verify_tpm_key(&in->tpm, j->anchors, j->anchors_n, expect, &given, part);
    if (given.key != NULL && !tally_tpm_key_equal(&given, ak)) {
        tally_verdict_fail(part, R_(KEY), "the attestation key is not the paravisor's HCLAkPub");
        return false;
    }
    if (!whole && part->failed_n > before) return false;
    tally_verify_tpm_attributes(&given, j->policy, part);
    return true;
}

void tally_azure_keys(const struct tally_azure_input *in, const struct tally_hcl *hcl,
                      const struct tally_azure_judge *judge, const struct tally_expect *expect,
                      struct tally_verdict *part)
{
    TALLY_CLEANUP(tally_tpm_key_free) struct tally_tpm_key ak = {0};
    const struct tally_slice n = {hcl->ak_n, hcl->ak_n_len}, e = TALLY_SLICE(hcl->ak_e);
    struct tally_tpm_quote quote;

    if (!tally_verdict_note(part, tally_tpm_key_rsa(n, e, &ak)) ||
        !check_given_key(in, &ak, judge, expect, part))
        return;
    if (in->tpm.attest.at == NULL) {
        if (!judge->policy->allow_missing_quote)
            tally_verdict_miss(part, R_(MEASUREMENT), "no TPM quote says what was booted");
        return;
    }
    if (!tally_verdict_note(part, tally_tpm_quote_decode(in->tpm.attest, &quote))) return;
    const struct tally_tpm_quoted q = {&in->tpm, &ak, &quote, true};
    tally_verify_tpm_quote(&q, judge->policy, expect, part);
}

/* Appends what there is room for: one failure is enough to refuse. */
static void add(struct tally_verdict *v, const struct tally_verdict *part)
{
    for (uint32_t i = 0; i < part->failed_n && v->failed_n < TALLY_FAILURES_MAX; i++)
        v->failed[v->failed_n++] = part->failed[i];
    for (uint32_t i = 0; i < part->missing_n && v->missing_n < TALLY_MISSING_MAX; i++)
        v->missing[v->missing_n++] = part->missing[i];
    for (uint32_t i = 0; i < part->claims_n && v->claims_n < TALLY_CLAIMS_MAX; i++)
        v->claims[v->claims_n++] = part->claims[i];
    tally_verdict_window(v, part->not_before_s, part->not_after_s);
}

/* Both halves of REPORT_DATA are the paravisor's. True where neither differs. */
static bool carried(struct tally_verdict *v)
{
    bool same = true;

    for (uint32_t i = 0; i < v->failed_n; i++) {
        struct tally_failure *f = &v->failed[i];
        if (f->reason == R_(CHANNEL_BINDING)) f->reason = R_(REPORT_DATA);
        same = same && f->reason != R_(REPORT_DATA);
    }
    return same;
}

static enum tally_status check_structure(const struct tally_azure_input *in, struct tally_hcl *hcl)
{
    TALLY_TRY(tally_hcl_decode(in->hcl, hcl));
    TALLY_REFUSE_UNLESS(in->tdx == (hcl->type == TALLY_HCL_TDX), R_(TEE_TYPE),
                        "the paravisor's report is of the other TEE");
    return TALLY_OK;
}

/* What the paravisor says is believed when the hardware signed its hash. */
static void judge_paravisor(const struct tally_azure_input *in, const struct tally_hcl *hcl,
                            const struct tally_azure_judge *judge,
                            const struct tally_expect *expect, struct tally_verdict *part)
{
    tally_verdict_init(part);
    tally_azure_bind(hcl, hcl->report_data.at, part);
    if (part->failed_n > 0) return;
    tally_verify_azure_claims(hcl, part);
    tally_azure_content(hcl, judge->policy, expect, part);
    tally_azure_keys(in, hcl, judge, expect, part);
}

enum tally_status tally_verify_azure_with(const struct tally_azure_input *in,
                                          const struct tally_azure_judge *judge,
                                          const struct tally_expect *expect,
                                          struct tally_verdict *v)
{
    uint8_t report_data[64];
    struct tally_hcl hcl;
    struct tally_verdict part;

    tally_verdict_init(v);
    if (!tally_verdict_note(v, check_structure(in, &hcl))) return tally_verdict_end(v);
    tally_hcl_report_data(&hcl, report_data);
    enum tally_status hardware = judge->hardware(judge->ctx, &hcl, report_data, v);
    bool bound = carried(v);
    if (!v->authentic) return hardware == TALLY_OK ? TALLY_E_STATE : tally_verdict_end(v);
    if (bound) {
        judge_paravisor(in, &hcl, judge, expect, &part);
        add(v, &part);
    }
    return tally_verdict_end(v);
}

/* What tally_verify_snp takes beside the report. */
struct snp {
    const struct tally_azure_input *in;
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    const struct tally_snp_policy *policy;
    const struct tally_expect *expect;
};

static enum tally_status judge_snp(void *ctx, const struct tally_hcl *hcl,
                                   const uint8_t report_data[64], struct tally_verdict *v)
{
    const struct snp *s = ctx;
    struct tally_snp_input in = s->in->snp;
    struct tally_expect expect = *s->expect;

    in.report = hcl->hardware;
    expect.report_data = report_data;
    return tally_verify_snp(&in, s->anchors, s->anchors_n, s->policy, &expect, v);
}

enum tally_status tally_verify_azure_snp(const struct tally_azure_input *in,
                                         const struct tally_anchor *anchors, uint32_t anchors_n,
                                         const struct tally_azure_snp_policy *policy,
                                         const struct tally_expect *expect, struct tally_verdict *v)
{
    struct tally_azure_input snp_in = *in;
    struct snp ctx = {in, anchors, anchors_n, policy->snp, expect};
    const struct tally_azure_judge judge = {.hardware = judge_snp,
                                            .ctx = &ctx,
                                            .anchors = anchors,
                                            .anchors_n = anchors_n,
                                            .policy = policy->tpm};

    snp_in.tdx = false;
    return tally_verify_azure_with(&snp_in, &judge, expect, v);
}
