/* verify_gpu.c - see verify_gpu.h. */
#include "common/attest/verify_gpu.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/gpu_ocsp.h"
#include "common/attest/rim.h"
#include "common/attest/verdict.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

/* One appraisal: what was given, and what is known so far. */
struct job {
    const struct tally_gpu_input *in;
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    const struct tally_gpu_policy *policy;
    const struct tally_expect *expect;
    struct tally_gpu_report *report;
    struct tally_gpu_chain *chain;
    struct tally_verdict *v;
    bool strict;
};

static const char *kind(const struct job *j)
{
    return j->in->nvswitch ? "switch" : "GPU";
}

/* Step 1. */
static bool check_structure(struct job *j)
{
    if (!tally_verdict_note(j->v,
                            tally_gpu_report_decode(j->in->report, j->expect->padded, j->report)))
        return false;
    if (tally_gpu_is_switch(j->report) != j->in->nvswitch) {
        tally_verdict_fail(j->v, R_(PRODUCT), "this is not the report of a %s", kind(j));
        return false;
    }
    return true;
}

/* Step 2. The response's own nonce is the device's, and nobody's to compare. */
static void check_nonce(struct job *j)
{
    struct tally_slice want = j->expect->nonce;

    if (want.at == NULL) {
        if (j->strict) tally_verdict_miss(j->v, R_(REPORT_DATA), "no nonce to compare with");
    } else if (!tally_secret_equal(want, TALLY_SLICE(j->report->request.nonce))) {
        tally_verdict_fail(j->v, R_(REPORT_DATA), "the report answers another nonce");
    }
}

/* Step 3: five certificates, and of the kind that was asked for. */
static bool check_chain(struct job *j)
{
    if (j->in->chain_n == 0) {
        tally_verdict_miss(j->v, R_(CERT_SHAPE), "no certificate chain was given");
        return false;
    }
    if (!tally_verdict_note(j->v, tally_gpu_chain_verify(j->in->chain, j->in->chain_n, j->anchors,
                                                         j->anchors_n, j->expect->cache, j->chain)))
        return false;
    j->v->trust = j->chain->trust;
    j->v->product = tally_gpu_chip_name(j->chain->chip);
    memcpy(j->v->chip, j->chain->brom, sizeof j->v->chip);
    if ((j->chain->chip == TALLY_GPU_LS10) != j->in->nvswitch) {
        tally_verdict_fail(j->v, R_(PRODUCT), "a %s is not a %s", j->v->product, kind(j));
        return false;
    }
    return true;
}

static void check_dates(struct job *j)
{
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) {
        const struct tally_cert *c = &j->chain->certs[i];
        tally_verdict_window(j->v, c->not_before_s, c->not_after_s);
        (void)tally_verdict_note(j->v, tally_cert_valid_at(c, j->expect->now_s));
    }
}

static bool listed(const uint8_t digest[TALLY_CHIP_DIGEST_BYTES],
                   const uint8_t (*list)[TALLY_CHIP_DIGEST_BYTES], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(digest, list[i], TALLY_CHIP_DIGEST_BYTES) == 0) return true;
    }
    return false;
}

static void check_denied(struct job *j)
{
    if (listed(j->chain->brom, j->expect->revoked_chips, j->expect->revoked_chips_n) ||
        listed(j->chain->brom, (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])j->policy->denied,
               j->policy->denied_n))
        tally_verdict_fail(j->v, R_(DENYLIST), "this chip has been revoked");
}

static void check_ocsp(struct job *j)
{
    struct tally_gpu_ocsp sum = {.until_s = UINT64_MAX};
    bool all = true;

    TALLY_ASSERT(j->in->ocsp_n <= TALLY_GPU_OCSP_MAX);
    for (uint32_t i = 0; i < j->in->ocsp_n; i++) {
        if (!tally_verdict_note(
                j->v, tally_gpu_ocsp_check(j->in->ocsp[i], j->chain, j->expect->now_s, &sum)))
            return;
    }
    tally_verdict_window(j->v, sum.from_s, sum.until_s);
    for (size_t i = 1; i + 1 < TALLY_GPU_CERTS; i++) all = all && sum.good[i];
    if (!all && j->policy->require_ocsp)
        tally_verdict_miss(j->v, R_(OCSP_MISSING),
                           "no good OCSP response for every certificate of the chain");
}

/* Step 4. */
static bool check_signature(struct job *j)
{
    return tally_verdict_note(j->v, tally_cert_ecdsa_verify(&j->chain->certs[0], TALLY_KEY_P384,
                                                            j->report->signed_part,
                                                            TALLY_SLICE(j->report->signature)));
}

/* Step 5. Switches do not report it. */
static void check_fwid(struct job *j)
{
    struct tally_slice have = tally_gpu_field(j->report, TALLY_GPU_FWID);

    if (have.at == NULL) {
        if (j->policy->require_fwid && !j->in->nvswitch)
            tally_verdict_fail(j->v, R_(FWID), "the report does not name its firmware");
    } else if (!j->chain->has_fwid || !tally_slice_equal(have, TALLY_SLICE(j->chain->fwid))) {
        tally_verdict_fail(j->v, R_(FWID),
                           "the firmware in the report is not the one that the key was made for");
    }
}

/* Step 6. A report of an older driver has no feature flag. */
static void check_mode(struct job *j)
{
    enum tally_gpu_mode mode = tally_gpu_mode(j->report);
    bool said = tally_gpu_field(j->report, TALLY_GPU_FEATURE).at != NULL, any = true;
    bool on = tally_gpu_is_on(j->report, TALLY_GPU_PPCIE);

    if (j->strict && !j->in->nvswitch && !j->policy->architectures[j->chain->chip])
        tally_verdict_fail(j->v, R_(PRODUCT), "the policy accepts no %s",
                           tally_gpu_architecture(j->chain->chip));
    if (said && (mode == TALLY_GPU_PPCIE_MODE) != on)
        tally_verdict_fail(j->v, R_(GPU_TOPOLOGY),
                           "the feature flag says %s and protected PCIe is %s",
                           tally_gpu_mode_name(mode), on ? "on" : "off");
    if (!j->strict || j->in->nvswitch) return;
    for (size_t i = 0; i < TALLY_GPU_MODES; i++) any = any && j->policy->modes[i];
    if (mode == TALLY_GPU_MODE_UNKNOWN ? said || !any : !j->policy->modes[mode])
        tally_verdict_fail(j->v, R_(POLICY_FLAG), "the policy does not accept a GPU in %s mode",
                           tally_gpu_mode_name(mode));
}

/* Manifests that verified, the better of each kind: one of this version before any other. */
struct manifests {
    struct tally_rim driver, vbios, one;
    bool has_driver, has_vbios;
};

static void sort(struct manifests *m, const struct tally_rim_report *r)
{
    bool driver = m->one.kind == TALLY_RIM_DRIVER;
    bool *has = driver ? &m->has_driver : &m->has_vbios;
    struct tally_slice version = driver ? r->driver_version : r->vbios_version;

    if (*has && !tally_slice_equal(tally_slice_str(m->one.version), version)) return;
    *(driver ? &m->driver : &m->vbios) = m->one;
    *has = true;
}

static void miss_manifests(struct job *j, bool has_driver, bool has_vbios)
{
    if (!j->policy->require_rim) return;
    if (!has_driver && !j->in->nvswitch)
        tally_verdict_miss(j->v, R_(RIM_MISSING), "no manifest of the driver was given");
    if (!has_vbios)
        tally_verdict_miss(j->v, R_(RIM_MISSING), "no manifest of the %s was given",
                           j->in->nvswitch ? "switch's firmware" : "VBIOS");
}

/* Steps 7 to 9. The first manifest that fails ends the reading of others: a verdict has room for
 * so many failures only. */
static enum tally_status check_manifests(struct job *j)
{
    char vbios[TALLY_GPU_TEXT_SIZE];
    bool good = true, same = true;
    struct tally_slice nvdec = tally_gpu_field(j->report, TALLY_GPU_NVDEC0);

    tally_gpu_vbios(j->report, vbios);
    const struct tally_rim_report r = {
        .digests = (const uint8_t(*)[TALLY_RIM_HASH_BYTES])j->report->digests,
        .n = j->report->blocks_n,
        .nvdec_disabled = nvdec.len == 1 && nvdec.at[0] == TALLY_GPU_OFF,
        .driver_version = tally_gpu_text(j->report, TALLY_GPU_DRIVER),
        .vbios_version = tally_slice_str(vbios),
        .product = tally_slice_str(j->v->product)};
    const struct tally_rim_terms terms = {j->anchors, j->anchors_n, j->expect,
                                          j->policy->allow_expired_rim};
    struct manifests *m = calloc(1, sizeof *m);
    TALLY_ENSURE(m != NULL, TALLY_E_NOMEM, "reference manifests");
    for (uint32_t i = 0; good && i < j->in->rims_n; i++) {
        good = tally_rim_appraise(j->in->rims[i], &terms, &m->one, j->v);
        if (good) sort(m, &r);
        same = same && (!good || m->one.trust == j->chain->trust);
    }
    if (!same)
        tally_verdict_fail(j->v, R_(TRUST_CLASS), "device and manifest are of other classes");
    if (m->has_driver || m->has_vbios)
        tally_rim_compare(m->has_driver ? &m->driver : NULL, m->has_vbios ? &m->vbios : NULL, &r,
                          j->v);
    if (good) miss_manifests(j, m->has_driver, m->has_vbios);
    free(m);
    return TALLY_OK;
}

/* Step 10. */
static void check_versions(struct job *j)
{
    const struct tally_gpu_policy *p = j->policy;
    struct tally_slice driver = tally_gpu_text(j->report, TALLY_GPU_DRIVER);
    char vbios[TALLY_GPU_TEXT_SIZE], sku[TALLY_GPU_TEXT_SIZE];

    if (j->in->nvswitch) return;
    tally_gpu_vbios(j->report, vbios);
    tally_gpu_sku(j->report, sku);
    if (p->driver_min[0] != '\0' && !tally_gpu_version_at_least(driver, p->driver_min))
        tally_verdict_fail(j->v, R_(SVN), "driver %.*s is below %s", (int)driver.len,
                           (const char *)driver.at, p->driver_min);
    if (!tally_gpu_named(&p->drivers, driver))
        tally_verdict_fail(j->v, R_(SVN), "driver %.*s is not in the policy's list",
                           (int)driver.len, (const char *)driver.at);
    if (!tally_gpu_named(&p->vbioses, tally_slice_str(vbios)))
        tally_verdict_fail(j->v, R_(SVN), "VBIOS %s is not in the policy's list", vbios);
    if (!tally_gpu_named(&p->skus, tally_slice_str(sku)))
        tally_verdict_fail(j->v, R_(PRODUCT), "SKU %s is not in the policy's list", sku);
}

static void check_trust(struct job *j)
{
    if (j->expect->trust == 0) {
        if (j->strict) tally_verdict_miss(j->v, R_(TRUST_CLASS), "no class of trust was asked for");
    } else if (j->expect->trust != j->v->trust) {
        tally_verdict_fail(j->v, R_(TRUST_CLASS), "the root is of another class of trust");
    }
}

static void judge(struct job *j)
{
    if (!check_structure(j)) return;
    check_nonce(j);
    if (!check_chain(j)) return;
    check_dates(j);
    check_denied(j);
    check_ocsp(j);
    if (!check_signature(j)) return;
    j->v->authentic = true;
    tally_verify_gpu_claims(j->report, j->chain, j->v);
    check_fwid(j);
    check_mode(j);
    (void)tally_verdict_note(j->v, check_manifests(j));
    if (j->strict) check_versions(j);
    check_trust(j);
}

enum tally_status tally_verify_gpu_device(const struct tally_gpu_input *in,
                                          const struct tally_gpu_terms *terms,
                                          struct tally_gpu_device_state *state,
                                          struct tally_verdict *v)
{
    struct job j = {.in = in,
                    .anchors = terms->anchors,
                    .anchors_n = terms->anchors_n,
                    .policy = terms->policy,
                    .expect = terms->expect,
                    .report = &state->report,
                    .chain = &state->chain,
                    .v = v,
                    .strict = !terms->policy->integrity_only};

    TALLY_ASSERT(in->rims_n <= TALLY_GPU_RIMS_MAX && in->ocsp_n <= TALLY_GPU_OCSP_MAX);
    *state = (struct tally_gpu_device_state){0};
    tally_verdict_init(v);
    judge(&j);
    return tally_verdict_end(v);
}

enum tally_status tally_verify_gpu(const struct tally_gpu_input *in,
                                   const struct tally_anchor *anchors, uint32_t anchors_n,
                                   const struct tally_gpu_policy *policy,
                                   const struct tally_expect *expect, struct tally_verdict *v)
{
    const struct tally_gpu_terms terms = {anchors, anchors_n, policy, expect};
    struct tally_gpu_device_state state;
    enum tally_status s = tally_verify_gpu_device(in, &terms, &state, v);

    tally_gpu_chain_free(&state.chain);
    return s;
}
