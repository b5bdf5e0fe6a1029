/* verify_snp.c - see verify_snp.h: structure, chain, binding, signature. */
#include "common/attest/verify_snp.h"

#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_snp_chain.h"
#include "common/secret.h"

/* One appraisal: what was given, and what is known so far. */
struct job {
    const struct tally_snp_input *in;
    const struct tally_snp_policy *policy;
    const struct tally_expect *expect;
    struct tally_verdict *v;
    struct tally_slice bytes; /* the report without padding */
    struct tally_snp_report report;
    struct tally_snp_chain *chain;
    bool kept;                    /* the chain is the cache's */
    enum tally_trust_class trust; /* of the chain's root; the verdict's once it is linked */
};

static void free_job(struct job *j)
{
    if (!j->kept) tally_snp_chain_free(j->chain);
}

/* The report's own bytes; zeros behind them are left out where the caller allows that. */
static struct tally_slice without_padding(struct tally_slice report, bool padded)
{
    size_t end = report.len;

    while (padded && end > TALLY_SNP_REPORT_BYTES && report.at[end - 1] == 0) end--;
    return tally_slice_of(report.at, end);
}

/* Steps 1 to 3. */
static bool check_structure(struct job *j)
{
    j->bytes = without_padding(j->in->report, j->expect->padded);
    if (!tally_verdict_note(j->v, tally_snp_report_decode(j->bytes, &j->report))) return false;
    if (j->report.version >= 3) {
        enum tally_snp_product p =
            tally_snp_product_of(j->report.cpuid_family, j->report.cpuid_model);
        if (p == TALLY_SNP_UNKNOWN) {
            tally_verdict_fail(j->v, TALLY_R_E_PRODUCT, "unknown product: family %02x model %02x",
                               j->report.cpuid_family, j->report.cpuid_model);
            return false;
        }
        j->v->product = tally_snp_product_name(p);
    }
    if (!(j->policy->versions & 1U << j->report.version))
        tally_verdict_fail(j->v, TALLY_R_E_VERSION, "the policy takes no report of version %u%s",
                           j->report.version, j->report.version == 2 ? ": it names no model" : "");
    return true;
}

/* The chain as it was verified before, or a new one of which only the VEK is known. */
static bool open_chain(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (j->in->vek.at == NULL) {
        tally_verdict_miss(j->v, TALLY_R_E_CERT_SHAPE, "no VCEK or VLEK certificate was given");
        return false;
    }
    j->chain = tally_snp_chain_kept(j->in, anchors, anchors_n, j->expect->cache, &j->trust);
    j->kept = j->chain != NULL;
    return j->kept || tally_verdict_note(j->v, tally_snp_chain_start(j->in, &j->chain));
}

static bool holds(const struct tally_snp_list *list, struct tally_slice item)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (memcmp(list->items[i], item.at, item.len) == 0) return true;
    }
    return false;
}

/* Step 4. */
static bool check_type(struct job *j)
{
    bool vlek = TALLY_SNP_SIGNING_KEY(j->report.key_flags) == TALLY_SNP_KEY_VLEK;
    const struct tally_snp_vek *says = &j->chain->says;
    const struct tally_snp_policy *p = j->policy;

    if (vlek != says->vlek) {
        tally_verdict_fail(j->v, TALLY_R_E_CERT_TYPE, "the report is signed by a %s, this is a %s",
                           vlek ? "VLEK" : "VCEK", says->vlek ? "VLEK" : "VCEK");
        return false;
    }
    if (vlek ? !p->allow_vlek : !p->allow_vcek)
        tally_verdict_fail(j->v, TALLY_R_E_CERT_TYPE, "the policy does not allow a %s",
                           vlek ? "VLEK" : "VCEK");
    if (vlek && p->csp.n > 0 && !holds(&p->csp, TALLY_SLICE(says->csp)))
        tally_verdict_fail(j->v, TALLY_R_E_CERT_TYPE, "the VLEK is one of \"%s\"", says->csp);
    return true;
}

/* The product of the chain, and of the report where it says so. */
static bool check_product(struct job *j)
{
    const char *chain = tally_snp_product_name(j->chain->says.product);

    if (j->v->product != NULL && strcmp(j->v->product, chain) != 0) {
        tally_verdict_fail(j->v, TALLY_R_E_PRODUCT, "the report is of %s, the certificate of %s",
                           j->v->product, chain);
        return false;
    }
    j->v->product = chain;
    return true;
}

/* Step 5 and the signatures of step 6. */
static bool link_chain(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (!j->kept && !tally_verdict_note(
                        j->v, tally_snp_chain_link(j->in, anchors, anchors_n, j->chain, &j->trust)))
        return false;
    j->v->trust = j->trust;
    if (j->chain->issuer.x509 != NULL) return true;
    tally_verdict_miss(j->v, TALLY_R_E_CERT_SHAPE, "no issuer certificate was given");
    return false;
}

static void check_dates(struct job *j)
{
    const struct tally_cert *chain[] = {&j->chain->vek, &j->chain->issuer, &j->chain->root};

    for (size_t i = 0; i < 3; i++) {
        tally_verdict_window(j->v, chain[i]->not_before_s, chain[i]->not_after_s);
        (void)tally_verdict_note(j->v, tally_cert_valid_at(chain[i], j->expect->now_s));
    }
}

/* When this CRL is in force under the policy, and is it now? */
static bool in_force(const struct job *j, const struct tally_snp_crl *crl, uint64_t *until)
{
    enum { DAY_S = 86400 };
    uint64_t oldest = (uint64_t)j->policy->crl_max_age_days * DAY_S;

    *until = crl->next_update_s;
    if (oldest > 0 && crl->this_update_s + oldest < *until) *until = crl->this_update_s + oldest;
    return j->expect->now_s >= crl->this_update_s && j->expect->now_s <= *until;
}

/* One CRL in force is enough; of several, the one that holds longest bounds the verdict. */
static bool fresh_crl(struct job *j)
{
    uint64_t from = 0, until = 0, end = 0;

    for (uint32_t i = 0; i < j->chain->crls_n; i++) {
        if (!in_force(j, &j->chain->crls[i], &end) || end <= until) continue;
        from = j->chain->crls[i].this_update_s;
        until = end;
    }
    if (until > 0) tally_verdict_window(j->v, from, until);
    return until > 0;
}

/* Integrity looks at the lists it is given and no others. */
static bool given_only(const struct job *j)
{
    return j->policy->integrity_only && j->policy->allow_missing_crl;
}

static bool read_crls(struct job *j)
{
    struct tally_attest_cache *cache = j->expect->cache;

    if (!j->kept && !tally_verdict_note(j->v, tally_snp_chain_crls(j->in, j->chain))) return false;
    if (j->in->crls_n == 0 && !given_only(j) &&
        !tally_verdict_note(j->v, tally_snp_chain_own_crl(j->chain, j->expect->now_s)))
        return false;
    if (!j->kept && cache != NULL) {
        tally_snp_chain_keep(cache, j->chain);
        j->kept = true;
    }
    return true;
}

static void check_revocation(struct job *j)
{
    if (!read_crls(j)) return;
    if (j->in->crls_n == 0 && given_only(j)) return;
    if (fresh_crl(j)) return;
    if (j->in->crls_n == 0) {
        if (!j->policy->allow_missing_crl)
            tally_verdict_miss(j->v, TALLY_R_E_CRL_MISSING,
                               "no revocation list was given, and no built-in one is in force");
    } else if (j->chain->crls_n == 0) {
        tally_verdict_fail(j->v, TALLY_R_E_CRL_ISSUER, "no revocation list is ARK-%s's",
                           j->v->product);
    } else {
        tally_verdict_fail(j->v, TALLY_R_E_CRL_EXPIRED,
                           "no revocation list is in force at this time");
    }
}

/* Step 7: certificates of chips carry no serial number, so a chip is revoked by its id or key. */
static void check_denied(struct job *j)
{
    const struct tally_snp_vek *says = &j->chain->says;
    size_t n =
        says->product == TALLY_SNP_TURIN ? TALLY_SNP_TURIN_ID_BYTES : TALLY_SNP_CHIP_ID_BYTES;
    uint8_t key[32];

    if (j->policy->deny_keys.n > 0) {
        tally_cert_spki_digest(&j->chain->vek, key);
        if (holds(&j->policy->deny_keys, TALLY_SLICE(key)))
            tally_verdict_fail(j->v, TALLY_R_E_DENYLIST, "the policy denies this key");
    }
    if (says->vlek) return;
    tally_chip_digest(j->v->product, tally_slice_of(says->hwid, n), j->v->chip);
    if (holds(&j->policy->deny_chips, TALLY_SLICE(j->v->chip)))
        tally_verdict_fail(j->v, TALLY_R_E_DENYLIST, "the policy denies this chip");
    for (uint32_t i = 0; i < j->expect->revoked_chips_n; i++) {
        if (memcmp(j->v->chip, j->expect->revoked_chips[i], TALLY_CHIP_DIGEST_BYTES) != 0) continue;
        tally_verdict_fail(j->v, TALLY_R_E_DENYLIST, "this chip has been revoked");
        break;
    }
}

/* Steps 8 and 9. */
static void check_binding(struct job *j)
{
    static const uint8_t zero[TALLY_SNP_CHIP_ID_BYTES];
    const struct tally_snp_report *r = &j->report;
    const struct tally_snp_vek *says = &j->chain->says;
    bool no_id = memcmp(r->chip_id, zero, sizeof zero) == 0;

    if (memcmp(says->tcb.raw, r->reported.raw, TALLY_SNP_TCB_BYTES) != 0)
        tally_verdict_fail(j->v, TALLY_R_E_TCB_BINDING,
                           "REPORTED_TCB is not the one the certificate was issued for");
    if (says->vlek) {
        if (!no_id)
            tally_verdict_fail(j->v, TALLY_R_E_CHIP_BINDING, "CHIP_ID in a report under a VLEK");
        return;
    }
    bool masked = TALLY_SNP_MASK_CHIP_KEY(r->key_flags) && no_id;
    if (masked && j->policy->allow_masked_chip_id) return;
    if (no_id || memcmp(says->hwid, r->chip_id, TALLY_SNP_CHIP_ID_BYTES) != 0)
        tally_verdict_fail(j->v, TALLY_R_E_CHIP_BINDING,
                           no_id ? "the report hides its CHIP_ID"
                                 : "CHIP_ID is not the one the certificate was issued for");
}

/* A 72-byte little-endian number as 48 big-endian bytes. */
static enum tally_status number(const uint8_t in[TALLY_SNP_NUMBER_BYTES], uint8_t out[48])
{
    uint8_t above = 0;

    for (size_t i = 48; i < TALLY_SNP_NUMBER_BYTES; i++) above |= in[i];
    TALLY_REFUSE_UNLESS(above == 0, TALLY_R_E_SIG_RANGE, "r or s is longer than 384 bits");
    for (size_t i = 0; i < 48; i++) out[i] = in[47 - i];
    return TALLY_OK;
}

/* Step 10. */
static enum tally_status check_signature(const struct job *j)
{
    uint8_t r_s[96];

    TALLY_TRY(number(j->report.r, r_s));
    TALLY_TRY(number(j->report.s, r_s + 48));
    return tally_cert_ecdsa_verify(&j->chain->vek, TALLY_KEY_P384,
                                   tally_slice_of(j->bytes.at, TALLY_SNP_SIGNED_BYTES),
                                   TALLY_SLICE(r_s));
}

static void judge(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (!check_structure(j) || !open_chain(j, anchors, anchors_n) || !check_type(j) ||
        !check_product(j) || !link_chain(j, anchors, anchors_n))
        return;
    check_dates(j);
    check_revocation(j);
    check_denied(j);
    check_binding(j);
    if (!tally_verdict_note(j->v, check_signature(j))) return;
    j->v->authentic = true;
    memcpy(j->v->measurement, j->report.measurement, TALLY_MEASUREMENT_BYTES);
    const struct tally_snp_content c = {&j->report, &j->chain->says};
    tally_verify_snp_claims(&c, j->v);
    tally_verify_snp_content(&c, j->policy, j->expect, j->v);
}

enum tally_status tally_verify_snp(const struct tally_snp_input *in,
                                   const struct tally_anchor *anchors, uint32_t anchors_n,
                                   const struct tally_snp_policy *policy,
                                   const struct tally_expect *expect, struct tally_verdict *v)
{
    TALLY_CLEANUP(free_job)
    struct job j = {.in = in, .policy = policy, .expect = expect, .v = v};

    tally_verdict_init(v);
    judge(&j, anchors, anchors_n);
    return tally_verdict_end(v);
}
