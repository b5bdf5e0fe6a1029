/* test_appraise.c - common/attest/appraise.c: CPU, GPUs and their manifests as one verdict, each
 * part able to refuse it alone. */
#include <string.h>

#include "common/attest/appraise.h"
#include "common/attest/device_ops.h"
#include "common/attest/gpu_set.h"
#include "common/attest/policy.h"
#include "tests/lib/session_ask.h"
#include "tests/lib/simulated.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"

enum { GPUS = 2, RIMS = 2 };

/* A node with an SNP chip and two GPUs, and what its verifier expects of it. */
static struct node {
    struct tally_policy policy;
    struct tally_anchor anchors[TALLY_ANCHORS_MAX];
    uint32_t anchors_n;
    struct tally_expect expect;
    uint8_t asked[SESSION_ASK_BYTES], report_data[TALLY_REPORT_DATA_BYTES], gpu_nonce[32];
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES], measurement[1][TALLY_MEASUREMENT_BYTES];
    struct simulated_evidence gpus[GPUS];
    uint8_t chains[GPUS][TALLY_DEVICE_CHAIN_MAX];
    struct tally_device_evidence devices[GPUS];
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    size_t ev_len, endorsements_len;
} node;
static struct tally_verdict verdict;

static void add_devices(struct node *n, const uint8_t nonce[32])
{
    for (uint32_t i = 0; i < GPUS; i++) {
        struct simulated_evidence *g = &n->gpus[i];
        struct tally_wr w = tally_wr_to(n->chains[i], sizeof n->chains[i]);
        simulated_evidence_init(g, simulated_gpu(i));
        tally_sim_gpu_report_init(simulated_gpu(i), nonce, &g->made);
        simulated_evidence_sign(g);
        for (uint32_t k = 0; k < g->in.chain_n; k++) tally_wr_bytes(&w, g->in.chain[k]);
        n->devices[i] = (struct tally_device_evidence){TALLY_DEVICE_GPU, g->in.report,
                                                       tally_slice_of(n->chains[i], w.used)};
    }
}

/* The CPU's report over this session and these devices. */
static void quote(struct node *n, const struct tally_device_evidence *devices, uint32_t devices_n)
{
    const struct tally_quote_ask ask = session_ask("a session", n->asked);
    struct tally_wr ev = tally_wr_to(n->ev, sizeof n->ev);
    struct tally_wr end = tally_wr_to(n->endorsements, sizeof n->endorsements);
    uint8_t set_hash[TALLY_GPU_SET_HASH_BYTES], bytes[TALLY_SNP_REPORT_BYTES];
    struct tally_snp_report r;

    tally_sim_report_init(simulated_chip(), &r);
    memset(r.measurement, 7, sizeof r.measurement);
    ck_assert_int_eq(tally_devices_hash(devices, devices_n, set_hash), TALLY_OK);
    tally_quote_data(&ask, set_hash, r.report_data);
    ck_assert_int_eq(tally_sim_report_sign(simulated_chip(), &r, bytes), TALLY_OK);
    tally_evidence_encode(
        &ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_evidence_add_devices(&ev, devices, devices_n);
    tally_sim_endorsements(simulated_chip(), &end);
    for (int i = 0; i < RIMS; i++)
        tally_endorsement_encode(
            &end, &(struct tally_endorsement){TALLY_ENDORSEMENT_MANIFEST, tally_slice_str("rim"),
                                              simulated_rim(TALLY_GPU_GH100, i == 0)});
    ck_assert(!ev.full && !end.full);
    n->ev_len = ev.used;
    n->endorsements_len = end.used;
}

static void begin(struct node *n)
{
    uint32_t more = 0;
    const struct tally_anchor *gpu_anchors = simulated_gpu_anchors(&more);
    const struct tally_quote_ask ask = session_ask("a session", n->asked);

    tally_policy_strict(&n->policy);
    n->policy.parts = TALLY_POLICY_SNP | TALLY_POLICY_GPU;
    n->anchors[0] = *simulated_anchor();
    memcpy(n->anchors + 1, gpu_anchors, more * sizeof *gpu_anchors);
    n->anchors_n = 1 + more;
    tally_gpu_nonce(ask.nonce, ask.key_block, n->gpu_nonce);
    add_devices(n, n->gpu_nonce);
    quote(n, n->devices, GPUS);
    tally_sim_chip_digest(simulated_chip(), n->chip[0]);
    memset(n->measurement[0], 7, sizeof n->measurement[0]);
    n->expect = (struct tally_expect){.now_s = SIM_NOW_S,
                                      .trust = TALLY_TRUST_TEST,
                                      .report_data = n->report_data,
                                      .measurements = (const uint8_t(*)[48])n->measurement,
                                      .measurements_n = 1,
                                      .chips = (const uint8_t(*)[32])n->chip,
                                      .chips_n = 1};
}

static enum tally_reason judge(struct node *n)
{
    const struct tally_quote_ask ask = session_ask("a session", n->asked);
    struct tally_slice ev = tally_slice_of(n->ev, n->ev_len);

    if (tally_quote_expected(&ask, ev, n->report_data, n->gpu_nonce) != TALLY_OK)
        return tally_reason();
    n->expect.nonce = TALLY_SLICE(n->gpu_nonce);
    enum tally_status s =
        tally_appraise(ev, tally_slice_of(n->endorsements, n->endorsements_len), n->anchors,
                       n->anchors_n, &n->policy, &n->expect, &verdict);
    ck_assert_int_eq(s == TALLY_OK, verdict.failed_n == 0 && !verdict.undecided);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

static bool failed(enum tally_reason reason, const char *words)
{
    for (uint32_t i = 0; i < verdict.failed_n; i++) {
        if (verdict.failed[i].reason == reason && strstr(verdict.failed[i].why, words) != NULL)
            return true;
    }
    return false;
}

START_TEST(a_chip_with_its_gpus_is_trusted_in_the_narrowest_window)
{
    static struct tally_verdict cpu;

    begin(&node);
    ck_assert_msg(judge(&node) == TALLY_R_NONE, "%s", tally_why());
    ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_TEST);
    cpu = verdict;
    node.policy.parts = TALLY_POLICY_SNP;
    quote(&node, NULL, 0);
    ck_assert_int_eq(judge(&node), TALLY_R_NONE);
    ck_assert(cpu.not_before_s >= verdict.not_before_s && cpu.not_after_s <= verdict.not_after_s);
}
END_TEST

START_TEST(a_part_that_the_policy_names_cannot_be_missing)
{
    begin(&node);
    quote(&node, NULL, 0);
    ck_assert_int_eq(judge(&node), TALLY_R_E_GPU_COUNT);
    begin(&node);
    node.policy.gpu.count_gpus = true;
    node.policy.gpu.gpus = GPUS + 1;
    ck_assert_int_eq(judge(&node), TALLY_R_E_GPU_COUNT);
    begin(&node);
    node.policy.parts = TALLY_POLICY_SNP; /* nobody asked for GPUs: no rules to judge them by */
    ck_assert_int_eq(judge(&node), TALLY_R_E_TEE_TYPE);
    begin(&node);
    node.policy.parts = TALLY_POLICY_TDX | TALLY_POLICY_GPU;
    ck_assert_int_eq(judge(&node), TALLY_R_E_TEE_TYPE);
}
END_TEST

START_TEST(gpus_of_another_node_or_session_are_refused)
{
    const uint8_t other[32] = {9};

    begin(&node);
    add_devices(&node, other);
    quote(&node, node.devices, GPUS);
    ck_assert_int_eq(judge(&node), TALLY_R_E_REPORT_DATA);
    ck_assert(failed(TALLY_R_E_REPORT_DATA, "gpu 0: ") && failed(TALLY_R_E_REPORT_DATA, "gpu 1: "));
}
END_TEST

START_TEST(the_cpu_vouches_for_these_gpus_and_no_others)
{
    static uint8_t kept[TALLY_EV_MAX];
    struct tally_wr w = tally_wr_to(kept, sizeof kept);
    struct tally_evidence e;

    begin(&node);
    ck_assert_int_eq(tally_evidence_decode(tally_slice_of(node.ev, node.ev_len), &e), TALLY_OK);
    e.devices_n = 1; /* one GPU taken away behind the chip's back */
    tally_evidence_encode(&w, &e);
    memcpy(node.ev, kept, w.used);
    node.ev_len = w.used;
    ck_assert_int_eq(judge(&node), TALLY_R_E_CHANNEL_BINDING);
    begin(&node);
    node.devices[1] = node.devices[0]; /* one GPU counted twice */
    struct tally_wr twice = tally_wr_to(node.ev, sizeof node.ev);
    ck_assert_int_eq(tally_evidence_decode(tally_slice_of(kept, w.used), &e), TALLY_OK);
    e.devices_n = 0;
    tally_evidence_encode(&twice, &e);
    tally_evidence_add_devices(&twice, node.devices, GPUS);
    node.ev_len = twice.used;
    ck_assert_int_eq(judge(&node), TALLY_R_E_GPU_TOPOLOGY);
}
END_TEST

START_TEST(one_bad_part_is_enough_and_all_are_named)
{
    begin(&node);
    tally_sim_gpu_set(&node.gpus[1].made, TALLY_GPU_DRIVER, tally_slice_str("999.99"));
    simulated_evidence_sign(&node.gpus[1]);
    node.devices[1].report = node.gpus[1].in.report;
    quote(&node, node.devices, GPUS);
    ck_assert_int_eq(judge(&node), TALLY_R_E_RIM_VERSION);
    begin(&node);
    node.measurement[0][0] ^= 1; /* the CPU's alone */
    node.policy.gpu.count_gpus = true;
    node.policy.gpu.gpus = 1;
    ck_assert_int_eq(judge(&node), TALLY_R_E_MEASUREMENT);
    ck_assert(failed(TALLY_R_E_GPU_COUNT, ""));
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_refused)
{
    begin(&node);
    size_t step = node.ev_len / 200;

    for (size_t i = 0; i < node.ev_len; i += step) {
        node.ev[i] ^= 1;
        ck_assert_msg(judge(&node) != TALLY_R_NONE, "byte %zu", i);
        node.ev[i] ^= 1;
    }
    ck_assert_int_eq(judge(&node), TALLY_R_NONE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("appraise");

    simulated_setup();
    simulated_gpu_setup();
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_chip_with_its_gpus_is_trusted_in_the_narrowest_window);
    tcase_add_test(t, a_part_that_the_policy_names_cannot_be_missing);
    tcase_add_test(t, gpus_of_another_node_or_session_are_refused);
    tcase_add_test(t, the_cpu_vouches_for_these_gpus_and_no_others);
    tcase_add_test(t, one_bad_part_is_enough_and_all_are_named);
    tcase_add_test(t, a_flipped_bit_anywhere_is_refused);
    return tally_suite_run("common/attest/appraise", t);
}
