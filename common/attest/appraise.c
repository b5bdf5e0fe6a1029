/* appraise.c - see appraise.h: EV and endorsements to the pieces that verifiers want, and their
 * verdicts to one. */
#include "common/attest/appraise.h"

#include "common/attest/evidence.h"
#include "common/attest/gpu_set.h"
#include "common/attest/policy.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_snp.h"
#include "common/attest/verify_tdx.h"

/* One appraisal: what was given, taken apart. */
struct parts {
    struct tally_evidence e;
    struct tally_endorsements list;
    struct tally_snp_input snp;
    struct tally_tdx_input tdx;
    struct tally_slice rims[TALLY_GPU_RIMS_MAX];
    uint32_t rims_n;
};

static enum tally_status put_once(struct tally_slice *to, struct tally_slice from, const char *what)
{
    TALLY_REFUSE_UNLESS(to->at == NULL, TALLY_R_E_CERT_SHAPE, "two %s certificates", what);
    TALLY_REFUSE_UNLESS(from.len != 0, TALLY_R_E_CERT_PARSE, "an empty %s certificate", what);
    *to = from;
    return TALLY_OK;
}

static enum tally_status put_more(struct tally_slice *list, uint32_t max, uint32_t *n,
                                  struct tally_slice from)
{
    TALLY_REFUSE_UNLESS(*n < max, TALLY_R_E_OVERSIZE, "more than %u endorsements of a kind", max);
    list[(*n)++] = from;
    return TALLY_OK;
}

static enum tally_status sort(struct parts *p)
{
    for (uint32_t i = 0; i < p->list.n; i++) {
        const struct tally_endorsement *e = &p->list.items[i];
        switch (e->kind) {
        case TALLY_ENDORSEMENT_VEK: TALLY_TRY(put_once(&p->snp.vek, e->bytes, "chip")); break;
        case TALLY_ENDORSEMENT_ISSUER:
            TALLY_TRY(put_once(&p->snp.issuer, e->bytes, "issuer"));
            break;
        case TALLY_ENDORSEMENT_CRL:
            TALLY_TRY(put_more(p->snp.crls, TALLY_SNP_CRLS_MAX, &p->snp.crls_n, e->bytes));
            break;
        case TALLY_ENDORSEMENT_TDX_COLLATERAL:
            TALLY_TRY(tally_tdx_collateral_put(&p->tdx.collateral, e->name, e->bytes));
            break;
        case TALLY_ENDORSEMENT_MANIFEST:
            TALLY_TRY(put_more(p->rims, TALLY_GPU_RIMS_MAX, &p->rims_n, e->bytes));
            break;
        }
    }
    return TALLY_OK;
}

static enum tally_status check_kind(const struct tally_evidence *e, unsigned rules)
{
    unsigned cpu = e->kind == TALLY_EVIDENCE_SNP ? TALLY_POLICY_SNP : TALLY_POLICY_TDX;

    TALLY_REFUSE_UNLESS((rules & cpu) != 0, TALLY_R_E_TEE_TYPE,
                        "the policy has no rules for evidence of this kind of TEE");
    TALLY_REFUSE_UNLESS(e->devices_n == 0 || (rules & TALLY_POLICY_GPU) != 0, TALLY_R_E_TEE_TYPE,
                        "the policy has no rules for the %u devices", e->devices_n);
    TALLY_REFUSE_UNLESS(e->devices_n != 0 || (rules & TALLY_POLICY_GPU) == 0, TALLY_R_E_GPU_COUNT,
                        "the policy asks for GPUs, the evidence has none");
    return TALLY_OK;
}

static void fold(struct tally_verdict *v, const struct tally_verdict *devices)
{
    for (uint32_t i = 0; i < devices->failed_n && v->failed_n < TALLY_FAILURES_MAX; i++)
        v->failed[v->failed_n++] = devices->failed[i];
    for (uint32_t i = 0; i < devices->missing_n && v->missing_n < TALLY_MISSING_MAX; i++)
        v->missing[v->missing_n++] = devices->missing[i];
    if (devices->authentic) tally_verdict_window(v, devices->not_before_s, devices->not_after_s);
}

/* The devices as one set; AND into v. */
static void judge_devices(const struct parts *p, const struct tally_anchor *anchors,
                          uint32_t anchors_n, const struct tally_gpu_policy *policy,
                          const struct tally_expect *expect, struct tally_verdict *v)
{
    struct tally_gpu_input in[TALLY_DEVICES_MAX];
    struct tally_verdict devices;

    for (uint32_t i = 0; i < p->e.devices_n; i++) {
        const struct tally_device_evidence *d = &p->e.devices[i];
        in[i] = (struct tally_gpu_input){
            .report = d->report, .rims_n = p->rims_n, .nvswitch = d->kind == TALLY_DEVICE_NVSWITCH};
        for (uint32_t k = 0; k < p->rims_n; k++) in[i].rims[k] = p->rims[k];
        if (!tally_verdict_note(
                v, tally_chain_split(d->chain, in[i].chain, TALLY_GPU_CERTS, &in[i].chain_n)))
            return;
    }
    enum tally_status s =
        tally_verify_gpu_set(in, p->e.devices_n, anchors, anchors_n, policy, expect, &devices);
    fold(v, &devices);
    if (s != TALLY_OK && devices.failed_n + devices.missing_n == 0) (void)tally_verdict_note(v, s);
}

/* The CPU's verdict is kept as it is, and reopened for the devices'. */
static enum tally_status judge_cpu(struct parts *p, const struct tally_anchor *anchors,
                                   uint32_t anchors_n, const struct tally_policy *policy,
                                   const struct tally_expect *expect, struct tally_verdict *v)
{
    if (p->e.kind == TALLY_EVIDENCE_TDX) {
        p->tdx.quote = p->e.report;
        return tally_verify_tdx(&p->tdx, anchors, anchors_n, &policy->tdx, expect, v);
    }
    p->snp.report = p->e.report;
    return tally_verify_snp(&p->snp, anchors, anchors_n, &policy->snp, expect, v);
}

enum tally_status tally_appraise(struct tally_slice ev, struct tally_slice endorsements,
                                 const struct tally_anchor *anchors, uint32_t anchors_n,
                                 const struct tally_policy *policy,
                                 const struct tally_expect *expect, struct tally_verdict *v)
{
    struct parts p = {0};
    struct tally_expect cpu = *expect;

    tally_verdict_init(v);
    if (!tally_verdict_note(v, tally_evidence_decode(ev, &p.e)) ||
        !tally_verdict_note(v, tally_endorsements_decode(endorsements, &p.list)) ||
        !tally_verdict_note(v, sort(&p)) || !tally_verdict_note(v, check_kind(&p.e, policy->parts)))
        return tally_verdict_end(v);
    cpu.padded = false; /* what travels was cut to its length by who sent it */
    enum tally_status s = judge_cpu(&p, anchors, anchors_n, policy, &cpu, v);
    if (p.e.devices_n == 0) return s;
    judge_devices(&p, anchors, anchors_n, &policy->gpu, expect, v);
    return tally_verdict_end(v);
}
