/* verify_tdx_claims.c - what an authentic TDX quote says. In hex but where said:
 *
 *   tee ("tdx"), trust ("hardware", "test", "given"), product ("tdx"), version, body_type (numbers)
 *   mrtd, rtmr0 to rtmr3, report_data, mr_seam, mr_signer_seam, mr_config_id, mr_owner,
 *   mr_owner_config, mr_service_td (body type 3)
 *   tee_tcb_svn, tee_tcb_svn2 (body type 3)
 *   td_attributes, xfam, seam_attributes (masks)
 *   debug, migration, sept_ve_disable, service_td (booleans)
 *   chip (as federation documents list it), fmspc, pce_id, cpu_svn; pce_svn (number)
 *   platform_instance, smt, dynamic_platform (booleans): where the PCK certificate says them
 *   qe_mr_enclave; qe_isv_svn (number)
 *   evaluation (number), tcb_date (a time), svn2_status (a word; body type 3), advisory (text; one
 *   claim for each): with collateral of this platform, the last four where a level matches */
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_tdx.h"
#include "common/text.h"

static void claim_guest(const struct tally_tdx_quote *q, struct tally_verdict *v)
{
    static const char *const rtmrs[4] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    static const uint8_t none[TALLY_TDX_DIGEST_BYTES];

    tally_claim_hex(v, "mrtd", TALLY_SLICE(q->mrtd));
    for (size_t i = 0; i < 4; i++) tally_claim_hex(v, rtmrs[i], TALLY_SLICE(q->rtmr[i]));
    tally_claim_hex(v, "report_data", TALLY_SLICE(q->report_data));
    tally_claim_hex(v, "mr_config_id", TALLY_SLICE(q->mr_config_id));
    tally_claim_hex(v, "mr_owner", TALLY_SLICE(q->mr_owner));
    tally_claim_hex(v, "mr_owner_config", TALLY_SLICE(q->mr_owner_config));
    tally_claim_mask(v, "td_attributes", q->td_attributes);
    tally_claim_mask(v, "xfam", q->xfam);
    tally_claim_bool(v, "debug", (q->td_attributes & TALLY_TDX_ATTR_TUD) != 0);
    tally_claim_bool(v, "migration", (q->td_attributes & TALLY_TDX_ATTR_MIGRATABLE) != 0);
    tally_claim_bool(v, "sept_ve_disable",
                     (q->td_attributes & TALLY_TDX_ATTR_SEPT_VE_DISABLE) != 0);
    tally_claim_bool(v, "service_td", memcmp(q->mr_service_td, none, sizeof none) != 0);
}

static void claim_module(const struct tally_tdx_quote *q, struct tally_verdict *v)
{
    tally_claim_hex(v, "mr_seam", TALLY_SLICE(q->mr_seam));
    tally_claim_hex(v, "mr_signer_seam", TALLY_SLICE(q->mr_signer_seam));
    tally_claim_mask(v, "seam_attributes", q->seam_attributes);
    tally_claim_hex(v, "tee_tcb_svn", TALLY_SLICE(q->tee_tcb_svn));
    if (q->body_type == TALLY_TDX_TYPE_TD15) {
        tally_claim_hex(v, "tee_tcb_svn2", TALLY_SLICE(q->tee_tcb_svn2));
        tally_claim_hex(v, "mr_service_td", TALLY_SLICE(q->mr_service_td));
    }
    tally_claim_hex(v, "qe_mr_enclave", TALLY_SLICE(q->qe.mr_enclave));
    tally_claim_number(v, "qe_isv_svn", q->qe.isv_svn);
}

static void claim_platform(const struct tally_tdx_pck *p, struct tally_verdict *v)
{
    tally_claim_hex(v, "chip", TALLY_SLICE(v->chip));
    tally_claim_hex(v, "fmspc", TALLY_SLICE(p->fmspc));
    tally_claim_hex(v, "pce_id", TALLY_SLICE(p->pce_id));
    tally_claim_hex(v, "cpu_svn", TALLY_SLICE(p->svn));
    tally_claim_number(v, "pce_svn", p->pce_svn);
    if (p->has_instance) tally_claim_hex(v, "platform_instance", TALLY_SLICE(p->instance));
    if (!p->has_configuration) return;
    tally_claim_bool(v, "smt", p->smt);
    tally_claim_bool(v, "dynamic_platform", p->dynamic_platform);
}

static void claim_advisory(void *to, struct tally_slice name)
{
    tally_claim_text(to, "advisory", name);
}

static void claim_tcb(const struct tally_tdx_content *c, struct tally_verdict *v)
{
    char date[TALLY_TIME_TEXT_SIZE];

    if (c->info == NULL) return;
    tally_claim_number(v, "evaluation", c->info->evaluation);
    if (c->tcb.has_svn2) tally_claim_word(v, "svn2_status", tally_tdx_status_word(c->tcb.svn2));
    if (c->tcb.platform == NULL) return;
    tally_time_text(c->tcb.date_s, date);
    tally_claim_word(v, "tcb_date", date);
    tally_tdx_advisories(&c->tcb, claim_advisory, v);
}

void tally_verify_tdx_claims(const struct tally_tdx_content *c, struct tally_verdict *v)
{
    tally_claim_word(v, "tee", "tdx");
    tally_claim_word(v, "trust", tally_trust_class_name(v->trust));
    tally_claim_word(v, "product", v->product);
    tally_claim_number(v, "version", c->quote->version);
    tally_claim_number(v, "body_type", c->quote->body_type);
    claim_guest(c->quote, v);
    claim_module(c->quote, v);
    claim_platform(c->pck, v);
    claim_tcb(c, v);
}
