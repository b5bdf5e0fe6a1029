/* test_verify_gpu_sim.c - common/attest/verify_gpu.c over evidence of our own, under the strict
 * policy: good as it is made, and refused by name for each thing that is another (ATTESTATION.md
 * C3.4, D.5). */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_gpu.h"
#include "common/secret.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"

static struct simulated_evidence evidence;
static struct tally_verdict verdict;
static struct tally_gpu_policy policy;
static struct tally_expect expect;

static void setup(struct tally_sim_gpu *device)
{
    simulated_evidence_init(&evidence, device);
    tally_gpu_policy_strict(&policy);
    expect = simulated_gpu_expect();
}

static enum tally_status judge(void)
{
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    simulated_evidence_sign(&evidence);
    return tally_verify_gpu(&evidence.in, anchors, n, &policy, &expect, &verdict);
}

static void refused(enum tally_reason reason)
{
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    ck_assert_msg(tally_reason() == reason, "%s", tally_why());
    ck_assert_uint_eq(verdict.failed_n, 1);
}

static void set(uint16_t type, struct tally_slice value)
{
    tally_sim_gpu_set(&evidence.made, type, value);
}

START_TEST(simulated_devices_of_every_kind_are_trusted)
{
    struct tally_sim_gpu *devices[] = {simulated_gpu(0), simulated_blackwell(),
                                       simulated_switch(0)};

    for (size_t i = 0; i < 3; i++) {
        uint8_t digest[TALLY_CHIP_DIGEST_BYTES];
        setup(devices[i]);
        ck_assert_msg(judge() == TALLY_OK, "%s", tally_why());
        ck_assert_int_eq(verdict.trust, TALLY_TRUST_TEST);
        ck_assert_str_eq(verdict.product, tally_gpu_chip_name(devices[i]->chip));
        tally_sim_gpu_digest(devices[i], digest);
        ck_assert_mem_eq(verdict.chip, digest, sizeof digest);
    }
}
END_TEST

START_TEST(the_policy_names_what_it_refuses)
{
    uint8_t digest[1][TALLY_CHIP_DIGEST_BYTES];

    setup(simulated_gpu(0));
    policy.architectures[TALLY_GPU_GH100] = false;
    refused(TALLY_R_E_PRODUCT);
    setup(simulated_switch(0)); /* a switch is of no architecture that a list names */
    policy.architectures[TALLY_GPU_GH100] = policy.architectures[TALLY_GPU_GB100] = false;
    ck_assert_int_eq(judge(), TALLY_OK);
    setup(simulated_gpu(0));
    policy.modes[TALLY_GPU_SINGLE] = false;
    refused(TALLY_R_E_POLICY_FLAG);
    setup(simulated_gpu(0));
    (void)snprintf(policy.driver_min, sizeof policy.driver_min, "580.95.06");
    refused(TALLY_R_E_SVN);
    (void)snprintf(policy.driver_min, sizeof policy.driver_min, "580.95.05");
    ck_assert_int_eq(judge(), TALLY_OK);
    policy.drivers.n = 1;
    (void)snprintf(policy.drivers.items[0], TALLY_GPU_TEXT_SIZE, "580.95");
    refused(TALLY_R_E_SVN);
    (void)snprintf(policy.drivers.items[0], TALLY_GPU_TEXT_SIZE, "580.95.05");
    ck_assert_int_eq(judge(), TALLY_OK);
    policy.vbioses.n = 1;
    refused(TALLY_R_E_SVN);
    (void)snprintf(policy.vbioses.items[0], TALLY_GPU_TEXT_SIZE, "96.00.5E.00.01");
    policy.skus.n = 1;
    refused(TALLY_R_E_PRODUCT);
    (void)snprintf(policy.skus.items[0], TALLY_GPU_TEXT_SIZE, "1010_0200_882");
    ck_assert_int_eq(judge(), TALLY_OK);
    set(TALLY_GPU_PROJECT, (struct tally_slice){0}); /* no SKU is none of a list's */
    refused(TALLY_R_E_PRODUCT);
    setup(simulated_gpu(0));
    tally_sim_gpu_digest(simulated_gpu(0), digest[0]);
    memcpy(policy.denied[policy.denied_n++], digest[0], sizeof digest[0]);
    refused(TALLY_R_E_DENYLIST);
    setup(simulated_gpu(0));
    expect.revoked_chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])digest;
    expect.revoked_chips_n = 1;
    refused(TALLY_R_E_DENYLIST);
    setup(simulated_gpu(1));
    expect.revoked_chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])digest;
    expect.revoked_chips_n = 1;
    ck_assert_int_eq(judge(), TALLY_OK);
}
END_TEST

START_TEST(another_class_of_trust_is_refused)
{
    setup(simulated_gpu(0));
    expect.trust = TALLY_TRUST_HARDWARE;
    refused(TALLY_R_E_TRUST_CLASS);
}
END_TEST

START_TEST(the_firmware_is_the_one_that_the_key_was_made_for)
{
    uint8_t other[TALLY_GPU_FWID_BYTES] = {1};
    struct tally_sim_gpu *g = NULL;

    setup(simulated_gpu(0));
    set(TALLY_GPU_FWID, TALLY_SLICE(other));
    refused(TALLY_R_E_FWID);
    policy.require_fwid = false; /* what is there is compared all the same */
    refused(TALLY_R_E_FWID);
    set(TALLY_GPU_FWID, (struct tally_slice){0});
    ck_assert_int_eq(judge(), TALLY_OK);
    policy.require_fwid = true;
    refused(TALLY_R_E_FWID);
    ck_assert_int_eq(tally_sim_gpu_new(simulated_gpu_root(), TALLY_GPU_GH100, SIM_GPU_NOW_S, &g),
                     TALLY_OK);
    g->says[0].fwid_style = TALLY_SIM_FWID_NONE;
    ck_assert_int_eq(tally_sim_gpu_issue(g), TALLY_OK);
    setup(g); /* the report names it, the certificate does not */
    refused(TALLY_R_E_FWID);
    tally_sim_gpu_free(&g);
}
END_TEST

START_TEST(feature_flag_and_protected_pcie_agree)
{
    static const uint8_t on[] = {TALLY_GPU_ON}, ppcie[] = {2, 0}, unknown[] = {3, 0};
    static const uint8_t high[] = {0, 1};

    setup(simulated_gpu(0));
    set(TALLY_GPU_PPCIE, TALLY_SLICE(on));
    refused(TALLY_R_E_GPU_TOPOLOGY);
    set(TALLY_GPU_FEATURE, TALLY_SLICE(ppcie));
    ck_assert_int_eq(judge(), TALLY_OK);
    set(TALLY_GPU_PPCIE, (struct tally_slice){0});
    refused(TALLY_R_E_GPU_TOPOLOGY);
    setup(simulated_gpu(0));
    set(TALLY_GPU_FEATURE, TALLY_SLICE(unknown));
    refused(TALLY_R_E_POLICY_FLAG);
    set(TALLY_GPU_FEATURE, TALLY_SLICE(high));
    refused(TALLY_R_E_POLICY_FLAG);
    set(TALLY_GPU_FEATURE, (struct tally_slice){0}); /* older drivers */
    ck_assert_int_eq(judge(), TALLY_OK);
    policy.modes[TALLY_GPU_PPCIE_MODE] = false; /* but then no mode can be told from another */
    refused(TALLY_R_E_POLICY_FLAG);
}
END_TEST

START_TEST(measurements_are_the_manifests)
{
    setup(simulated_gpu(0));
    evidence.made.report.digests[3][0] ^= 1;
    refused(TALLY_R_E_MEASUREMENT);
    evidence.made.report.digests[3][0] ^= 1;
    evidence.made.report.digests[35][0] ^= 1; /* of a unit that is off */
    ck_assert_int_eq(judge(), TALLY_OK);
    set(TALLY_GPU_NVDEC0, tally_slice_of("\xaa", 1));
    refused(TALLY_R_E_MEASUREMENT);
    set(TALLY_GPU_NVDEC0, (struct tally_slice){0});
    refused(TALLY_R_E_MEASUREMENT);
    setup(simulated_switch(0));
    evidence.made.report.digests[30][47] ^= 1;
    refused(TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(manifests_are_required_unless_the_policy_says_otherwise)
{
    setup(simulated_gpu(0));
    evidence.in.rims_n = 1;
    ck_assert_int_eq(judge(), TALLY_E_UNDECIDED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_MISSING);
    evidence.in.rims[0] = simulated_rim(TALLY_GPU_GH100, false);
    ck_assert_int_eq(judge(), TALLY_E_UNDECIDED);
    ck_assert_uint_eq(verdict.missing_n, 1);
    evidence.in.rims_n = 0;
    ck_assert_int_eq(judge(), TALLY_E_UNDECIDED);
    ck_assert_uint_eq(verdict.missing_n, 2);
    policy.require_rim = false;
    ck_assert_int_eq(judge(), TALLY_OK);
    evidence.in.rims[0] = simulated_rim(TALLY_GPU_GB100, true); /* what is given is judged */
    evidence.in.rims_n = 1;
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_VERSION);
    setup(simulated_gpu(0)); /* the right one among others */
    evidence.in.rims[2] = evidence.in.rims[1];
    evidence.in.rims[3] = evidence.in.rims[0];
    evidence.in.rims[0] = simulated_rim(TALLY_GPU_GB100, false);
    evidence.in.rims[1] = simulated_rim(TALLY_GPU_LS10, false);
    evidence.in.rims_n = 4;
    ck_assert_msg(judge() == TALLY_OK, "%s", tally_why());
}
END_TEST

START_TEST(content_is_not_appraised_after_a_signature_that_failed)
{
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    setup(simulated_gpu(0));
    policy.modes[TALLY_GPU_SINGLE] = false;
    evidence.made.report.digests[3][0] ^= 1;
    expect.trust = TALLY_TRUST_HARDWARE;
    simulated_evidence_sign(&evidence);
    evidence.bytes[200] ^= 1;
    ck_assert_int_eq(tally_verify_gpu(&evidence.in, anchors, n, &policy, &expect, &verdict),
                     TALLY_E_AUTH);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    ck_assert(verdict.failed_n == 1 && verdict.claims_n == 0 && !verdict.authentic);
    evidence.bytes[200] ^= 1; /* and every failure of content together */
    ck_assert_int_eq(tally_verify_gpu(&evidence.in, anchors, n, &policy, &expect, &verdict),
                     TALLY_E_UNTRUSTED);
    ck_assert_uint_eq(verdict.failed_n, 3);
    ck_assert_int_eq(verdict.failed[0].reason, TALLY_R_E_POLICY_FLAG);
    ck_assert_int_eq(verdict.failed[1].reason, TALLY_R_E_MEASUREMENT);
    ck_assert_int_eq(verdict.failed[2].reason, TALLY_R_E_TRUST_CLASS);
}
END_TEST

/* Everything that can fail at once fits the verdict. */
START_TEST(a_verdict_holds_every_failure_at_once)
{
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];

    setup(simulated_gpu(0));
    expect.nonce.len = 1;
    expect.trust = TALLY_TRUST_HARDWARE;
    expect.now_s = 1;
    tally_sim_gpu_digest(simulated_gpu(0), digest);
    memcpy(policy.denied[policy.denied_n++], digest, sizeof digest);
    memset(policy.architectures, 0, sizeof policy.architectures);
    memset(policy.modes, 0, sizeof policy.modes);
    policy.drivers.n = policy.vbioses.n = policy.skus.n = 1;
    (void)snprintf(policy.driver_min, sizeof policy.driver_min, "999");
    set(TALLY_GPU_FWID, (struct tally_slice){0});
    set(TALLY_GPU_PPCIE, tally_slice_of("\xaa", 1));
    set(TALLY_GPU_DRIVER, tally_slice_of("1.0", 4));
    for (size_t i = 0; i < TALLY_GPU_BLOCKS; i++) evidence.made.report.digests[i][0] ^= 1;
    while (evidence.in.rims_n < TALLY_GPU_RIMS_MAX)
        evidence.in.rims[evidence.in.rims_n++] = simulated_rim(TALLY_GPU_GB100, false);
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
    ck_assert_uint_ge(verdict.failed_n, 17);
    expect.now_s = SIM_GPU_NOW_S;
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    ck_assert_uint_ge(verdict.failed_n, 20);
}
END_TEST

/* A cached chain of one key does not speak for another's report. */
START_TEST(the_cache_keeps_chains_apart)
{
    struct tally_attest_cache *cache = NULL;
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    for (size_t i = 0; i < 6; i++) {
        setup(simulated_gpu(i % 3));
        expect.cache = cache;
        ck_assert_int_eq(judge(), TALLY_OK);
        for (size_t k = 0; k < TALLY_GPU_CERTS; k++)
            evidence.in.chain[k] = tally_sim_gpu_der(simulated_gpu((i + 1) % 3), k);
        ck_assert_int_eq(tally_verify_gpu(&evidence.in, anchors, n, &policy, &expect, &verdict),
                         TALLY_E_AUTH);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    }
    tally_attest_cache_destroy(&cache);
}
END_TEST

int main(void)
{
    simulated_gpu_setup();
    TCase *t = tcase_create("verify_gpu_sim");

    tcase_add_test(t, simulated_devices_of_every_kind_are_trusted);
    tcase_add_test(t, the_policy_names_what_it_refuses);
    tcase_add_test(t, another_class_of_trust_is_refused);
    tcase_add_test(t, the_firmware_is_the_one_that_the_key_was_made_for);
    tcase_add_test(t, feature_flag_and_protected_pcie_agree);
    tcase_add_test(t, measurements_are_the_manifests);
    tcase_add_test(t, manifests_are_required_unless_the_policy_says_otherwise);
    tcase_add_test(t, content_is_not_appraised_after_a_signature_that_failed);
    tcase_add_test(t, a_verdict_holds_every_failure_at_once);
    tcase_add_test(t, the_cache_keeps_chains_apart);
    return tally_suite_run("common/verify_gpu_sim", t);
}
