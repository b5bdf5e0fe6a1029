/* verify_snp.c - see verify_snp.h: structure, chain, binding, signature. */
#include "common/attest/verify_snp.h"

#include <stdio.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/cert.h"
#include "common/secret.h"

/* One appraisal: what was given, and what is known so far. */
struct job {
    const struct tally_snp_input *in;
    const struct tally_snp_policy *policy;
    const struct tally_expect *expect;
    struct tally_verdict *v;
    struct tally_snp_report report;
    struct tally_snp_vek vek;
    struct tally_cert vek_cert, issuer_cert, root_cert;
};

static void free_job(struct job *j)
{
    tally_cert_free(&j->vek_cert);
    tally_cert_free(&j->issuer_cert);
    tally_cert_free(&j->root_cert);
}

/* Steps 1 to 3. */
static bool check_structure(struct job *j)
{
    if (!tally_verdict_note(j->v, tally_snp_report_decode(j->in->report, &j->report))) return false;
    if (j->report.version >= 3) {
        enum tally_snp_product p =
            tally_snp_product_of(j->report.cpuid_family, j->report.cpuid_model);
        if (p == TALLY_SNP_UNKNOWN) {
            tally_verdict_fail(j->v, TALLY_R_E_PRODUCT, "unknown product: family %02x model %02x",
                               j->report.cpuid_family, j->report.cpuid_model);
            return false;
        }
        j->v->product = tally_snp_product_name(p);
    } else if (!j->policy->allow_v2 && !j->policy->integrity_only) {
        tally_verdict_fail(j->v, TALLY_R_E_VERSION, "report version 2 names no model");
    }
    return true;
}

/* Step 4. */
static bool check_vek(struct job *j)
{
    bool vlek = TALLY_SNP_SIGNING_KEY(j->report.key_flags) == TALLY_SNP_KEY_VLEK;

    if (j->in->vek.at == NULL) {
        tally_verdict_miss(j->v, TALLY_R_E_CERT_SHAPE, "no VCEK or VLEK certificate was given");
        return false;
    }
    if (!tally_verdict_note(j->v, tally_cert_parse(j->in->vek, &j->vek_cert)) ||
        !tally_verdict_note(j->v, tally_snp_vek_decode(&j->vek_cert, &j->vek)))
        return false;
    if (vlek != j->vek.vlek) {
        tally_verdict_fail(j->v, TALLY_R_E_CERT_TYPE, "the report is signed by a %s, this is a %s",
                           vlek ? "VLEK" : "VCEK", j->vek.vlek ? "VLEK" : "VCEK");
        return false;
    }
    if (vlek && !j->policy->allow_vlek && !j->policy->integrity_only)
        tally_verdict_fail(j->v, TALLY_R_E_CERT_TYPE, "the policy does not allow a VLEK");
    return true;
}

/* The product of the chain, and of the report where it says so. */
static bool check_product(struct job *j)
{
    const char *chain = tally_snp_product_name(j->vek.product);

    if (j->v->product != NULL && strcmp(j->v->product, chain) != 0) {
        tally_verdict_fail(j->v, TALLY_R_E_PRODUCT, "the report is of %s, the certificate of %s",
                           j->v->product, chain);
        return false;
    }
    j->v->product = chain;
    return true;
}

static enum tally_status check_root(const struct tally_cert *root)
{
    TALLY_TRY(tally_cert_key_is(root, TALLY_KEY_RSA4096));
    return tally_cert_is_ca(root, -1, TALLY_KU_CERT_SIGN | TALLY_KU_CRL_SIGN);
}

/* Finds the anchor by the product's name; it is pinned, so its own signature says nothing. */
static bool find_root(struct job *j, const struct tally_anchor *anchors, uint32_t n)
{
    char want[TALLY_CERT_CN_SIZE], cn[TALLY_CERT_CN_SIZE];

    (void)snprintf(want, sizeof want, "ARK-%s", j->v->product);
    for (uint32_t i = 0; i < n; i++) {
        if (!tally_verdict_note(j->v, tally_cert_parse(anchors[i].root, &j->root_cert)) ||
            !tally_verdict_note(j->v, tally_cert_subject_cn(&j->root_cert, cn)))
            return false;
        if (strcmp(cn, want) == 0) {
            j->v->trust = anchors[i].trust;
            return tally_verdict_note(j->v, check_root(&j->root_cert));
        }
        tally_cert_free(&j->root_cert);
    }
    tally_verdict_fail(j->v, TALLY_R_E_ROOT_UNTRUSTED, "no root of trust for %s", j->v->product);
    return false;
}

static enum tally_status check_issuer(struct job *j)
{
    char want[TALLY_CERT_CN_SIZE], cn[TALLY_CERT_CN_SIZE];
    const struct tally_cert *issuer = &j->issuer_cert;

    (void)snprintf(want, sizeof want, j->vek.vlek ? "SEV-VLEK-%s" : "SEV-%s", j->v->product);
    TALLY_TRY(tally_cert_subject_cn(issuer, cn));
    TALLY_REFUSE_UNLESS(strcmp(cn, want) == 0, TALLY_R_E_CERT_SHAPE,
                        "the issuer is \"%s\", not \"%s\"", cn, want);
    TALLY_TRY(tally_cert_key_is(issuer, TALLY_KEY_RSA4096));
    TALLY_TRY(tally_cert_is_ca(issuer, 0, TALLY_KU_CERT_SIGN));
    TALLY_TRY(tally_cert_signed_by(issuer, &j->root_cert, TALLY_ALG_PSS_SHA384));
    return tally_cert_signed_by(&j->vek_cert, issuer, TALLY_ALG_PSS_SHA384);
}

/* Step 5 and the signatures of step 6. */
static bool check_chain(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (!check_product(j)) return false;
    if (!find_root(j, anchors, anchors_n)) return false;
    if (j->in->issuer.at == NULL) {
        tally_verdict_miss(j->v, TALLY_R_E_CERT_SHAPE, "no issuer certificate was given");
        return false;
    }
    return tally_verdict_note(j->v, tally_cert_parse(j->in->issuer, &j->issuer_cert)) &&
           tally_verdict_note(j->v, check_issuer(j));
}

static void check_dates(struct job *j)
{
    const struct tally_cert *chain[] = {&j->vek_cert, &j->issuer_cert, &j->root_cert};

    for (size_t i = 0; i < 3; i++) {
        tally_verdict_window(j->v, chain[i]->not_before_s, chain[i]->not_after_s);
        (void)tally_verdict_note(j->v, tally_cert_valid_at(chain[i], j->expect->now_s));
    }
}

/* What the CRLs say together: one that lists the issuer refuses, one that is fresh is enough. */
struct crl_sum {
    bool named, fresh;
    uint64_t from, until;
};

static bool read_crl(struct job *j, struct tally_slice der, struct crl_sum *sum)
{
    TALLY_CLEANUP(tally_crl_free) struct tally_crl crl = {0};

    if (!tally_verdict_note(j->v, tally_crl_parse(der, &crl))) return false;
    if (!tally_crl_names(&crl, &j->root_cert)) return true;
    sum->named = true;
    if (!tally_verdict_note(j->v, tally_crl_signed_by(&crl, &j->root_cert, TALLY_ALG_PSS_SHA384)) ||
        !tally_verdict_note(j->v, tally_crl_clears(&crl, &j->issuer_cert)))
        return false;
    bool fresh = tally_crl_valid_at(&crl, j->expect->now_s) == TALLY_OK;
    if (!fresh || (sum->fresh && crl.next_update_s <= sum->until)) return true;
    *sum = (struct crl_sum){true, true, crl.this_update_s, crl.next_update_s};
    return true;
}

static void check_revocation(struct job *j)
{
    struct crl_sum sum = {0};

    if (j->in->crls_n == 0) {
        if (!j->policy->allow_missing_crl && !j->policy->integrity_only)
            tally_verdict_miss(j->v, TALLY_R_E_CRL_MISSING, "no revocation list was given");
        return;
    }
    for (uint32_t i = 0; i < j->in->crls_n; i++) {
        if (!read_crl(j, j->in->crls[i], &sum)) return;
    }
    if (!sum.named) {
        tally_verdict_fail(j->v, TALLY_R_E_CRL_ISSUER, "no revocation list is ARK-%s's",
                           j->v->product);
    } else if (!sum.fresh) {
        tally_verdict_fail(j->v, TALLY_R_E_CRL_EXPIRED,
                           "no revocation list is in force at this time");
    } else {
        tally_verdict_window(j->v, sum.from, sum.until);
    }
}

/* Step 7: certificates of chips carry no serial number, so a chip is revoked by its id. */
static void check_denied(struct job *j)
{
    size_t n =
        j->vek.product == TALLY_SNP_TURIN ? TALLY_SNP_TURIN_ID_BYTES : TALLY_SNP_CHIP_ID_BYTES;

    if (j->vek.vlek) return;
    tally_chip_digest(j->v->product, tally_slice_of(j->vek.hwid, n), j->v->chip);
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
    bool no_id = memcmp(r->chip_id, zero, sizeof zero) == 0;

    if (memcmp(j->vek.tcb.raw, r->reported.raw, TALLY_SNP_TCB_BYTES) != 0)
        tally_verdict_fail(j->v, TALLY_R_E_TCB_BINDING,
                           "REPORTED_TCB is not the one the certificate was issued for");
    if (j->vek.vlek) {
        if (!no_id)
            tally_verdict_fail(j->v, TALLY_R_E_CHIP_BINDING, "CHIP_ID in a report under a VLEK");
        return;
    }
    bool masked = TALLY_SNP_MASK_CHIP_KEY(r->key_flags) && no_id;
    if (masked && j->policy->allow_masked_chip_id) return;
    if (no_id || memcmp(j->vek.hwid, r->chip_id, TALLY_SNP_CHIP_ID_BYTES) != 0)
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
    return tally_cert_ecdsa_verify(&j->vek_cert, TALLY_KEY_P384,
                                   tally_slice_of(j->in->report.at, TALLY_SNP_SIGNED_BYTES),
                                   TALLY_SLICE(r_s));
}

static void judge(struct job *j, const struct tally_anchor *anchors, uint32_t anchors_n)
{
    if (!check_structure(j) || !check_vek(j) || !check_chain(j, anchors, anchors_n)) return;
    check_dates(j);
    check_revocation(j);
    check_denied(j);
    check_binding(j);
    if (!tally_verdict_note(j->v, check_signature(j))) return;
    j->v->authentic = true;
    memcpy(j->v->measurement, j->report.measurement, TALLY_MEASUREMENT_BYTES);
    const struct tally_snp_content c = {&j->report, j->vek.product, j->vek.vlek};
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
