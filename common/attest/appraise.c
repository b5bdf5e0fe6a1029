/* appraise.c - see appraise.h: EV and endorsements to the pieces that a verifier wants. */
#include "common/attest/appraise.h"

#include "common/attest/evidence.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_snp.h"

static enum tally_status put_once(struct tally_slice *to, struct tally_slice from, const char *what)
{
    TALLY_REFUSE_UNLESS(to->at == NULL, TALLY_R_E_CERT_SHAPE, "two %s certificates", what);
    TALLY_REFUSE_UNLESS(from.len != 0, TALLY_R_E_CERT_PARSE, "an empty %s certificate", what);
    *to = from;
    return TALLY_OK;
}

static enum tally_status sort(const struct tally_endorsements *list, struct tally_snp_input *in)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct tally_endorsement *e = &list->items[i];
        switch (e->kind) {
        case TALLY_ENDORSEMENT_VEK: TALLY_TRY(put_once(&in->vek, e->bytes, "chip")); break;
        case TALLY_ENDORSEMENT_ISSUER: TALLY_TRY(put_once(&in->issuer, e->bytes, "issuer")); break;
        case TALLY_ENDORSEMENT_CRL:
            TALLY_REFUSE_UNLESS(in->crls_n < TALLY_SNP_CRLS_MAX, TALLY_R_E_OVERSIZE,
                                "more than %d revocation lists", TALLY_SNP_CRLS_MAX);
            in->crls[in->crls_n++] = e->bytes;
            break;
        case TALLY_ENDORSEMENT_TDX_COLLATERAL:
        case TALLY_ENDORSEMENT_MANIFEST: break;
        }
    }
    return TALLY_OK;
}

enum tally_status tally_appraise(struct tally_slice ev, struct tally_slice endorsements,
                                 const struct tally_anchor *anchors, uint32_t anchors_n,
                                 const struct tally_snp_policy *policy,
                                 const struct tally_expect *expect, struct tally_verdict *v)
{
    struct tally_evidence e;
    struct tally_endorsements list;
    struct tally_snp_input in = {0};

    tally_verdict_init(v);
    if (!tally_verdict_note(v, tally_evidence_decode(ev, &e)) ||
        !tally_verdict_note(v, tally_endorsements_decode(endorsements, &list)) ||
        !tally_verdict_note(v, sort(&list, &in)))
        return tally_verdict_end(v);
    if (e.kind != TALLY_EVIDENCE_SNP || e.devices_n != 0) {
        tally_verdict_fail(v, TALLY_R_E_TEE_TYPE, "the policy has no rules for this evidence");
        return tally_verdict_end(v);
    }
    in.report = e.report;
    return tally_verify_snp(&in, anchors, anchors_n, policy, expect, v);
}
