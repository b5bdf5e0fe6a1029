/* verify_tdx.c - see verify_tdx.h: structure, chain, collateral, quote. */
#include "common/attest/verify_tdx.h"

#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/tdx_chain.h"
#include "common/attest/verdict.h"
#include "common/hash.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

/* One appraisal: what was given, and what is known so far. */
struct job {
    const struct tally_tdx_input *in;
    const struct tally_tdx_policy *policy;
    const struct tally_expect *expect;
    struct tally_verdict *v;
    struct tally_tdx_quote quote;
    struct tally_tdx_collateral collateral; /* what of it is complete */
    struct tally_tdx_chain *chain;
    struct tally_tdx_endorsed *endorsed;
    uint8_t chain_digest[32], endorsed_digest[32];
    bool chain_new, endorsed_new; /* not the cache's */
    bool chain_good, endorsed_good;
    bool for_platform; /* the collateral is this platform's */
};

/* What verified goes to the cache, where there is one; what did not is never kept. */
static void settle(struct job *j)
{
    struct tally_attest_cache *c = j->expect->cache;

    if (j->chain_new)
        tally_attest_cache_put(j->chain_good ? c : NULL, j->chain_digest, tally_tdx_chain_free,
                               j->chain);
    if (j->endorsed_new)
        tally_attest_cache_put(j->endorsed_good ? c : NULL, j->endorsed_digest,
                               tally_tdx_endorsed_free, j->endorsed);
}

static bool strict(const struct job *j)
{
    return !j->policy->integrity_only;
}

/* Step 1. */
static bool check_structure(struct job *j)
{
    if (!tally_verdict_note(j->v, tally_tdx_quote_decode(j->in->quote, &j->quote))) return false;
    j->v->product = "tdx";
    return tally_verdict_note(j->v, tally_tdx_quote_padding(&j->quote, j->expect->padded));
}

/* The root is pinned, so its own signature says nothing. */
static bool find_root(struct job *j, const struct tally_anchor *anchors, uint32_t n)
{
    const struct tally_slice root = tally_cert_der(&j->chain->certs[TALLY_TDX_ROOT]);

    for (uint32_t i = 0; i < n; i++) {
        if (!tally_slice_equal(anchors[i].root, root)) continue;
        j->v->trust = anchors[i].trust;
        return true;
    }
    tally_verdict_fail(j->v, R_(ROOT_UNTRUSTED), "the root of the PCK chain is no root of trust");
    return false;
}

/* Step 2 without its dates. */
static bool get_chain(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (j->expect->cache != NULL) {
        tally_tdx_chain_digest(j->quote.pck_pem, j->chain_digest);
        j->chain = tally_attest_cache_find(j->expect->cache, j->chain_digest, tally_tdx_chain_free);
        if (j->chain != NULL) return find_root(j, anchors, anchors_n);
    }
    j->chain_new = true;
    if (!tally_verdict_note(j->v, tally_tdx_chain_read(j->quote.pck_pem, &j->chain)) ||
        !find_root(j, anchors, anchors_n) ||
        !tally_verdict_note(j->v, tally_tdx_chain_verify(j->chain)))
        return false;
    j->chain_good = true;
    return true;
}

static void check_cert_dates(struct job *j, const struct tally_cert *c, const char *name)
{
    uint64_t now = j->expect->now_s;

    tally_verdict_window(j->v, c->not_before_s, c->not_after_s);
    if (now < c->not_before_s)
        tally_verdict_fail(j->v, R_(CERT_NOT_YET_VALID), "the %s certificate begins later", name);
    if (now > c->not_after_s)
        tally_verdict_fail(j->v, R_(CERT_EXPIRED), "the %s certificate has expired", name);
}

/* What the chip is called, and who must not be it. */
static void check_denied(struct job *j)
{
    bool denied = false;

    tally_chip_digest("tdx", TALLY_SLICE(j->chain->pck.ppid), j->v->chip);
    for (uint32_t i = 0; i < j->expect->revoked_chips_n; i++)
        denied =
            denied || memcmp(j->v->chip, j->expect->revoked_chips[i], TALLY_CHIP_DIGEST_BYTES) == 0;
    for (uint32_t i = 0; i < j->policy->denied_n; i++)
        denied = denied || memcmp(j->v->chip, j->policy->denied[i], TALLY_CHIP_DIGEST_BYTES) == 0;
    if (denied) tally_verdict_fail(j->v, R_(DENYLIST), "this chip has been revoked");
}

/* Takes what was given; what is needed and is not there leaves the verdict undecided. */
static bool select_collateral(struct job *j)
{
    struct tally_tdx_collateral *c = &j->collateral;
    bool crls = strict(j) && !j->policy->allow_missing_crl;

    *c = j->in->collateral;
    int parts = (c->tcb_info.at != NULL) + (c->tcb_info_sig.at != NULL) +
                (c->qe_identity.at != NULL) + (c->qe_identity_sig.at != NULL) +
                (c->tcb_sign_chain.at != NULL);
    if (parts > 0 && parts < 5)
        tally_verdict_miss(
            j->v, R_(COLLATERAL_MISSING),
            "of TCB info, QE identity, their signatures and signer some are missing");
    else if (parts == 0 && strict(j))
        tally_verdict_miss(j->v, R_(COLLATERAL_MISSING), "no TCB info and QE identity were given");
    if (c->root_crl.at == NULL && crls)
        tally_verdict_miss(j->v, R_(CRL_MISSING), "no revocation list of the root was given");
    if (c->pck_crl.at == NULL && crls)
        tally_verdict_miss(j->v, R_(CRL_MISSING), "no revocation list of the PCK's CA was given");
    if (parts < 5)
        *c = (struct tally_tdx_collateral){.root_crl = c->root_crl, .pck_crl = c->pck_crl};
    return parts == 5 || c->root_crl.at != NULL || c->pck_crl.at != NULL;
}

/* Step 3 and the signatures of step 4. */
static bool get_endorsed(struct job *j)
{
    if (j->expect->cache != NULL) {
        tally_tdx_endorsed_digest(&j->collateral, j->chain, j->endorsed_digest);
        j->endorsed =
            tally_attest_cache_find(j->expect->cache, j->endorsed_digest, tally_tdx_endorsed_free);
        if (j->endorsed != NULL) return true;
    }
    j->endorsed_new = true;
    j->endorsed_good =
        tally_verdict_note(j->v, tally_tdx_endorsed_verify(&j->collateral, j->chain, &j->endorsed));
    return j->endorsed_good;
}

static void check_crl(struct job *j, const struct tally_crl *crl,
                      const struct tally_cert *const certs[2], const char *name)
{
    uint64_t now = j->expect->now_s;

    tally_verdict_window(j->v, crl->this_update_s, crl->next_update_s);
    if (now < crl->this_update_s)
        tally_verdict_fail(j->v, R_(CRL_EXPIRED), "the %s's revocation list is from the future",
                           name);
    if (now > crl->next_update_s)
        tally_verdict_fail(j->v, R_(CRL_EXPIRED), "the %s's revocation list has expired", name);
    for (int i = 0; i < 2 && certs[i] != NULL; i++) {
        if (tally_crl_clears(crl, certs[i]) != TALLY_OK)
            tally_verdict_fail(j->v, R_(REVOKED), "the %s has revoked a certificate of this chain",
                               name);
    }
}

/* Step 4, after the signatures. */
static void check_revocation(struct job *j)
{
    const struct tally_tdx_endorsed *e = j->endorsed;
    const struct tally_cert *certs = j->chain->certs;
    const struct tally_cert *of_root[2] = {&certs[TALLY_TDX_CA], e->has_json ? &e->signer : NULL};
    const struct tally_cert *of_ca[2] = {&certs[TALLY_TDX_LEAF], NULL};

    if (e->has_root_crl) check_crl(j, &e->root_crl, of_root, "root");
    if (e->has_pck_crl) check_crl(j, &e->pck_crl, of_ca, "PCK's CA");
}

static void check_json_dates(struct job *j, uint64_t issue_s, uint64_t next_s, const char *name)
{
    tally_verdict_window(j->v, issue_s, next_s);
    if (j->expect->now_s < issue_s)
        tally_verdict_fail(j->v, R_(COLLATERAL_FUTURE), "the %s is from the future", name);
    if (j->expect->now_s > next_s)
        tally_verdict_fail(j->v, R_(COLLATERAL_EXPIRED), "the %s has expired", name);
}

static void check_evaluation(struct job *j, uint32_t number, const char *name)
{
    if (strict(j) && number < j->policy->evaluation_min)
        tally_verdict_fail(j->v, R_(COLLATERAL_ROLLBACK),
                           "the %s has evaluation number %u, below the policy's %u", name, number,
                           j->policy->evaluation_min);
}

/* Steps 5 and 6. */
static void check_collateral(struct job *j)
{
    const struct tally_tdx_endorsed *e = j->endorsed;
    const struct tally_tdx_pck *pck = &j->chain->pck;

    if (!e->has_json) return;
    check_cert_dates(j, &e->signer, "TCB signing");
    check_json_dates(j, e->info.issue_s, e->info.next_s, "TCB info");
    check_json_dates(j, e->qe.issue_s, e->qe.next_s, "QE identity");
    check_evaluation(j, e->info.evaluation, "TCB info");
    check_evaluation(j, e->qe.evaluation, "QE identity");
    bool fmspc = memcmp(e->info.fmspc, pck->fmspc, sizeof pck->fmspc) == 0;
    bool pce_id = memcmp(e->info.pce_id, pck->pce_id, sizeof pck->pce_id) == 0;
    if (!fmspc || !pce_id)
        tally_verdict_fail(j->v, R_(COLLATERAL_MISMATCH), "the TCB info is of another %s",
                           fmspc ? "PCE" : "platform family");
    j->for_platform = fmspc && pce_id;
}

/* Step 7: the PCK vouches for the quoting enclave, which vouches for the attestation key. */
static enum tally_status check_qe(const struct job *j)
{
    const struct tally_tdx_quote *q = &j->quote;
    uint8_t bound[sizeof q->qe.report_data] = {0};

    TALLY_TRY(tally_cert_ecdsa_verify(&j->chain->certs[TALLY_TDX_LEAF], TALLY_KEY_P256, q->qe_part,
                                      TALLY_SLICE(q->qe_signature)));
    TALLY_SHA256_OF(bound, TALLY_SLICE(q->ak), q->auth);
    TALLY_REFUSE_UNLESS(memcmp(bound, q->qe.report_data, sizeof bound) == 0, R_(QE_BINDING),
                        "the quoting enclave did not vouch for this attestation key");
    return TALLY_OK;
}

/* Step 8, but for the SVN: that is with the levels. */
static void check_qe_identity(struct job *j)
{
    enum { DEBUG = 2 };

    if (j->quote.qe.attributes[0] & DEBUG)
        tally_verdict_fail(j->v, R_(QE_IDENTITY), "the quoting enclave is under debug");
    if (j->endorsed != NULL && j->endorsed->has_json)
        (void)tally_verdict_note(j->v, tally_tdx_qe_check(&j->endorsed->qe, &j->quote.qe));
}

/* Step 9. */
static enum tally_status check_signature(const struct job *j)
{
    return tally_ecdsa_verify_at(&j->chain->place, TALLY_KEY_P256, TALLY_SLICE(j->quote.ak),
                                 j->quote.signed_part, TALLY_SLICE(j->quote.signature));
}

/* Steps 10 to 13 before the judgement on them. */
static void evaluate(struct job *j, struct tally_tdx_content *c)
{
    struct tally_tcb_status *t = &j->v->tcb;

    if (!j->for_platform) return;
    c->info = &j->endorsed->info;
    c->tcb = tally_tdx_evaluate(&j->endorsed->info, &j->endorsed->qe, &j->chain->pck, &j->quote);
    t->status = tally_tdx_status_word(c->tcb.status);
    if (c->tcb.platform != NULL) t->platform = tally_tdx_status_word(c->tcb.platform->status);
    if (c->tcb.module != NULL) t->module = tally_tdx_status_word(c->tcb.module->status);
    if (c->tcb.qe != NULL) t->qe = tally_tdx_status_word(c->tcb.qe->status);
}

static void judge(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    static const char *const names[TALLY_TDX_CHAIN] = {"PCK", "PCK CA", "root"};

    if (!check_structure(j) || !get_chain(j, anchors, anchors_n)) return;
    for (size_t i = 0; i < TALLY_TDX_CHAIN; i++) check_cert_dates(j, &j->chain->certs[i], names[i]);
    check_denied(j);
    if (select_collateral(j)) {
        if (!get_endorsed(j)) return;
        check_revocation(j);
        check_collateral(j);
    }
    if (!tally_verdict_note(j->v, check_qe(j))) return;
    check_qe_identity(j);
    if (!tally_verdict_note(j->v, check_signature(j))) return;
    j->v->authentic = true;
    memcpy(j->v->measurement, j->quote.mrtd, TALLY_MEASUREMENT_BYTES);
    struct tally_tdx_content c = {
        .quote = &j->quote, .pck = &j->chain->pck, .eventlog = j->in->eventlog};
    evaluate(j, &c);
    tally_verify_tdx_claims(&c, j->v);
    tally_verify_tdx_content(&c, j->policy, j->expect, j->v);
}

enum tally_status tally_verify_tdx(const struct tally_tdx_input *in,
                                   const struct tally_anchor *anchors, uint32_t anchors_n,
                                   const struct tally_tdx_policy *policy,
                                   const struct tally_expect *expect, struct tally_verdict *v)
{
    TALLY_CLEANUP(settle)
    struct job j = {.in = in, .policy = policy, .expect = expect, .v = v};

    tally_verdict_init(v);
    judge(&j, anchors, anchors_n);
    return tally_verdict_end(v);
}
