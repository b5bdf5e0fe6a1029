/* test_gpu_set.c - common/attest/gpu_set.c: the published part of an eight-GPU node, whole nodes
 * of our own, and what binds a set to the CPU's evidence (ATTESTATION.md C3.1, C5.1, D.5). */
#include "common/attest/gpu_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/verdict.h"
#include "common/hash.h"
#include "common/secret.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { DEVICES = SIM_GPUS + SIM_SWITCHES };

static struct simulated_evidence node[DEVICES]; /* GPUs, then switches */
static struct tally_gpu_input input[TALLY_GPU_SET_MAX + 1];
static uint32_t input_n;
static struct tally_verdict verdict;
static struct tally_gpu_policy policy;
static struct tally_expect expect;
static struct tally_attest_cache *cache;

/* A node of this many GPUs and switches, all linked to all, in PPCIE mode where it has switches. */
static void assemble(size_t gpus, size_t switches)
{
    const struct tally_sim_gpu *g[SIM_GPUS], *s[SIM_SWITCHES];

    for (size_t i = 0; i < gpus; i++) g[i] = simulated_gpu(i);
    for (size_t i = 0; i < switches; i++) s[i] = simulated_switch(i);
    input_n = 0;
    for (size_t i = 0; i < gpus + switches; i++, input_n++) {
        bool nvswitch = i >= gpus;
        simulated_evidence_init(&node[i], nvswitch ? simulated_switch(i - gpus) : simulated_gpu(i));
        if (nvswitch)
            tally_sim_gpu_link(&node[i].made, g, gpus);
        else if (switches > 0)
            tally_sim_gpu_link(&node[i].made, s, switches);
    }
    tally_gpu_policy_strict(&policy);
    expect = simulated_gpu_expect();
    expect.cache = cache;
}

static enum tally_status judge(void)
{
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    for (uint32_t i = 0; i < input_n; i++) {
        simulated_evidence_sign(&node[i]);
        input[i] = node[i].in;
    }
    return tally_verify_gpu_set(input, input_n, anchors, n, &policy, &expect, &verdict);
}

/* Judges what is in `input` as it stands. */
static enum tally_status judge_as_is(void)
{
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    return tally_verify_gpu_set(input, input_n, anchors, n, &policy, &expect, &verdict);
}

static void refused(enum tally_status s, enum tally_reason reason)
{
    ck_assert_int_eq(s, TALLY_E_UNTRUSTED);
    ck_assert_msg(tally_reason() == reason, "%s, not %s: %s", tally_reason_name(tally_reason()),
                  tally_reason_name(reason), tally_why());
}

static unsigned claims(const char *name)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < verdict.claims_n; i++) n += strcmp(verdict.claims[i].name, name) == 0;
    return n;
}

START_TEST(whole_nodes_are_trusted)
{
    static const size_t sizes[][2] = {
        {1, 0},
        {2, 0},
        {8, 4},
        {4, 1},
        {1, 1}
    };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assemble(sizes[i][0], sizes[i][1]);
        ck_assert_msg(judge() == TALLY_OK, "%s", tally_why());
        ck_assert_uint_eq(claims("chip"), sizes[i][0] + sizes[i][1]);
        ck_assert_uint_eq(claims("driver_version"), sizes[i][0]);
        ck_assert_uint_eq(claims("gpu_set_hash"), 1);
        policy.count_gpus = policy.count_switches = true;
        policy.gpus = (uint32_t)sizes[i][0];
        policy.switches = (uint32_t)sizes[i][1];
        ck_assert_int_eq(judge(), TALLY_OK);
        policy.gpus++;
        refused(judge(), TALLY_R_E_GPU_COUNT);
        policy.gpus--;
        policy.switches++;
        refused(judge(), TALLY_R_E_GPU_COUNT);
    }
}
END_TEST

/* The order in which devices are given does not matter. */
START_TEST(switches_may_come_first)
{
    uint8_t hash[2][TALLY_SHA384_BYTES];

    assemble(4, 2);
    for (unsigned round = 0; round < 2; round++) {
        if (round == 0) ck_assert_int_eq(judge(), TALLY_OK);
        for (uint32_t i = 0; round == 1 && i < input_n; i++) input[i] = node[5 - i].in;
        ck_assert_int_eq(judge_as_is(), TALLY_OK);
        for (uint32_t i = 0; i < verdict.claims_n; i++) {
            if (strcmp(verdict.claims[i].name, "gpu_set_hash") == 0)
                memcpy(hash[round], verdict.claims[i].bytes, sizeof hash[round]);
        }
    }
    ck_assert_mem_eq(hash[0], hash[1], sizeof hash[0]);
}
END_TEST

START_TEST(a_device_that_is_missing_is_noticed)
{
    for (size_t gone = 0; gone < DEVICES; gone++) {
        assemble(8, 4);
        ck_assert_int_eq(judge(), TALLY_OK);
        memmove(&input[gone], &input[gone + 1], (DEVICES - 1 - gone) * sizeof input[0]);
        input_n--;
        refused(judge_as_is(), TALLY_R_E_GPU_COUNT);
    }
    assemble(8, 4); /* all switches */
    ck_assert_int_eq(judge(), TALLY_OK);
    input_n = 8;
    refused(judge_as_is(), TALLY_R_E_GPU_COUNT);
    assemble(8, 4); /* all GPUs */
    ck_assert_int_eq(judge(), TALLY_OK);
    memmove(input, input + 8, 4 * sizeof input[0]);
    input_n = 4;
    refused(judge_as_is(), TALLY_R_E_GPU_COUNT);
}
END_TEST

START_TEST(a_device_that_stands_there_twice_is_noticed)
{
    for (size_t twice = 0; twice < DEVICES; twice += 3) {
        assemble(8, 4);
        ck_assert_int_eq(judge(), TALLY_OK);
        input[input_n++] = input[twice];
        ck_assert_int_eq(judge_as_is(), TALLY_E_UNTRUSTED);
        ck_assert(gpu_failed(&verdict, TALLY_R_E_GPU_TOPOLOGY));
        input_n--; /* in another's place, the number being right */
        input[(twice + 1) % 8] = input[twice % 8];
        refused(judge_as_is(), TALLY_R_E_GPU_TOPOLOGY);
    }
}
END_TEST

/* Every device is genuine, and one of them is of another node. */
START_TEST(a_device_of_another_node_is_noticed)
{
    const struct tally_sim_gpu *three[3], *other[1] = {simulated_switch(3)};

    assemble(4, 1);
    for (size_t i = 0; i < 3; i++) three[i] = simulated_gpu(i);
    simulated_evidence_init(&node[4], simulated_switch(3)); /* a switch that names three of four */
    tally_sim_gpu_link(&node[4].made, three, 3);
    for (size_t i = 0; i < 4; i++) tally_sim_gpu_link(&node[i].made, other, 1);
    refused(judge(), TALLY_R_E_GPU_COUNT);
    assemble(4, 1); /* a switch in the place of the one that the GPUs name */
    const struct tally_sim_gpu *four[4] = {three[0], three[1], three[2], simulated_gpu(3)};
    simulated_evidence_init(&node[4], simulated_switch(3));
    tally_sim_gpu_link(&node[4].made, four, 4);
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
    assemble(4, 1); /* a GPU in the place of one that the switch names */
    const struct tally_sim_gpu *own[1] = {simulated_switch(0)};
    simulated_evidence_init(&node[2], simulated_gpu(7));
    tally_sim_gpu_link(&node[2].made, own, 1);
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
    assemble(4, 2); /* one GPU names but one of the switches */
    tally_sim_gpu_link(&node[1].made, own, 1);
    refused(judge(), TALLY_R_E_GPU_COUNT);
}
END_TEST

START_TEST(a_switch_speaks_for_its_own_chip)
{
    assemble(4, 1);
    tally_sim_gpu_set(&node[4].made, TALLY_GPU_SWITCHES, tally_slice_of("12345678", 8));
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
}
END_TEST

START_TEST(modes_are_not_mixed)
{
    static const uint8_t off[] = {TALLY_GPU_OFF}, single[] = {0, 0};

    assemble(4, 1);
    tally_sim_gpu_set(&node[2].made, TALLY_GPU_PPCIE, TALLY_SLICE(off));
    tally_sim_gpu_set(&node[2].made, TALLY_GPU_FEATURE, TALLY_SLICE(single));
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
    for (size_t i = 0; i < 4; i++) { /* all of them, beside a switch */
        tally_sim_gpu_set(&node[i].made, TALLY_GPU_PPCIE, TALLY_SLICE(off));
        tally_sim_gpu_set(&node[i].made, TALLY_GPU_FEATURE, TALLY_SLICE(single));
    }
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
    assemble(2, 0); /* protected PCIe without a switch */
    const struct tally_sim_gpu *s[1] = {simulated_switch(0)};
    tally_sim_gpu_link(&node[0].made, s, 1);
    refused(judge(), TALLY_R_E_GPU_TOPOLOGY);
    tally_sim_gpu_link(&node[1].made, s, 1);
    refused(judge(), TALLY_R_E_GPU_COUNT);
}
END_TEST

START_TEST(one_nonce_for_all)
{
    assemble(2, 0);
    node[1].made.report.request.nonce[31] ^= 1;
    refused(judge(), TALLY_R_E_REPORT_DATA);
    ck_assert_int_eq(strncmp(verdict.failed[0].why, "gpu 1: ", 7), 0);
    expect.nonce = (struct tally_slice){0}; /* none to compare with: with each other all the same */
    tally_gpu_policy_integrity(&policy);
    refused(judge(), TALLY_R_E_REPORT_DATA);
    node[1].made.report.request.nonce[31] ^= 1;
    ck_assert_int_eq(judge(), TALLY_OK);
}
END_TEST

START_TEST(a_device_that_fails_is_named)
{
    assemble(3, 2);
    node[4].made.report.digests[0][0] ^= 1;
    refused(judge(), TALLY_R_E_MEASUREMENT);
    ck_assert_int_eq(strncmp(verdict.failed[0].why, "switch 1: ", 10), 0);
    ck_assert(verdict.authentic);
    assemble(3, 2);
    ck_assert_int_eq(judge(), TALLY_OK);
    node[1].bytes[120] ^= 1; /* not authentic: the set is not looked at, nothing is claimed */
    ck_assert_int_eq(judge_as_is(), TALLY_E_AUTH);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    ck_assert_int_eq(strncmp(verdict.failed[0].why, "gpu 1: ", 7), 0);
    ck_assert(!verdict.authentic && verdict.claims_n == 0);
    assemble(2, 0);
    node[0].in.rims_n = 1;
    ck_assert_int_eq(judge(), TALLY_E_UNDECIDED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_MISSING);
}
END_TEST

/* Every device failing in every way fits the verdict, and the set's own failures still do. */
START_TEST(a_verdict_holds_the_failures_of_a_whole_node)
{
    assemble(8, 4);
    policy.modes[TALLY_GPU_PPCIE_MODE] = false;
    policy.gpus = 1;
    policy.count_gpus = true;
    expect.trust = TALLY_TRUST_HARDWARE;
    for (size_t i = 0; i < DEVICES; i++) {
        for (size_t k = 0; k < 20; k++) node[i].made.report.digests[k][0] ^= 1;
    }
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    ck_assert_uint_gt(verdict.failed_n, TALLY_FAILURES_MAX / 2);
    ck_assert(gpu_failed(&verdict, TALLY_R_E_GPU_COUNT));
    for (size_t i = 0; i < DEVICES; i++) input[i].rims_n = 0;
    policy.count_gpus = false;
    ck_assert_int_eq(judge_as_is(), TALLY_E_UNTRUSTED);
    ck_assert_uint_eq(verdict.missing_n, TALLY_MISSING_MAX);
}
END_TEST

START_TEST(no_device_and_too_many_are_refused)
{
    assemble(2, 0);
    ck_assert_int_eq(judge(), TALLY_OK);
    input_n = 0;
    refused(judge_as_is(), TALLY_R_E_GPU_COUNT);
    for (input_n = 0; input_n <= TALLY_GPU_SET_MAX; input_n++) input[input_n] = node[0].in;
    refused(judge_as_is(), TALLY_R_E_GPU_COUNT);
    ck_assert(!verdict.authentic);
}
END_TEST

/* Four of the eight GPUs and one of the four switches of a real node. */
START_TEST(a_part_of_a_real_node_is_no_node)
{
    static const char *const names[] = {"hopper_590_12_ppcie8_0", "hopper_590_12_ppcie8_1",
                                        "hopper_590_12_ppcie8_2", "hopper_590_12_ppcie8_3",
                                        "switch_ls10_ppcie_0",    "hopper_590_12_multi_0"};
    uint32_t n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&n);
    struct tally_expect e = {.now_s = SIM_GPU_NOW_S,
                             .nonce = TALLY_SLICE(gpu_vector(names[0])->nonce)};

    tally_gpu_policy_integrity(&policy);
    for (size_t i = 0; i < 5; i++) input[i] = gpu_vector(names[i])->in;
    refused(tally_verify_gpu_set(input, 5, anchors, n, &policy, &e, &verdict), TALLY_R_E_GPU_COUNT);
    ck_assert(verdict.authentic);
    ck_assert_uint_eq(verdict.failed_n, 2); /* the GPUs' switches and the switch's GPUs */
    refused(tally_verify_gpu_set(input, 4, anchors, n, &policy, &e, &verdict), TALLY_R_E_GPU_COUNT);
    input[1] = gpu_vector(names[5])->in; /* the same GPU over another nonce */
    ck_assert_int_eq(tally_verify_gpu_set(input, 2, anchors, n, &policy, &e, &verdict),
                     TALLY_E_UNTRUSTED);
    ck_assert(gpu_failed(&verdict, TALLY_R_E_REPORT_DATA));
    ck_assert(gpu_failed(&verdict, TALLY_R_E_GPU_TOPOLOGY));
    input[0] = gpu_vector("hopper_580_95_05_coco")->in; /* alone it is a node of one */
    e.nonce = TALLY_SLICE(gpu_vector("hopper_580_95_05_coco")->nonce);
    e.padded = true;
    ck_assert_int_eq(tally_verify_gpu_set(input, 1, anchors, n, &policy, &e, &verdict), TALLY_OK);
}
END_TEST

START_TEST(the_nonce_of_gpus_commits_to_both_sides)
{
    /* SHA-256("tally/v1/gpu" 0x00 || 32 times 01 || SHA-512("key block")), by another program. */
    static const char want[] = "f80faf03bbc8c33aece64b5946d4888b1065406477de834dc5f2685c61c0548d";
    uint8_t verifier[32], nonce[32];
    char hex[65];

    memset(verifier, 1, sizeof verifier);
    tally_gpu_nonce(verifier, tally_slice_str("key block"), nonce);
    tally_hex(TALLY_SLICE(nonce), hex);
    ck_assert_str_eq(hex, want);
}
END_TEST

START_TEST(the_hash_of_a_set_is_over_every_device_once)
{
    struct tally_gpu_device list[3];
    uint8_t a[TALLY_SHA384_BYTES], b[TALLY_SHA384_BYTES];

    assemble(3, 0);
    ck_assert_int_eq(judge(), TALLY_OK);
    for (size_t i = 0; i < 3; i++) {
        list[i].report = node[i].in.report;
        memcpy(list[i].chain, node[i].in.chain, sizeof list[i].chain);
    }
    ck_assert_int_eq(tally_gpu_set_hash(list, 3, a), TALLY_OK);
    struct tally_gpu_device swap = list[0];
    list[0] = list[2];
    list[2] = swap;
    ck_assert_int_eq(tally_gpu_set_hash(list, 3, b), TALLY_OK);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_int_eq(tally_gpu_set_hash(list, 2, b), TALLY_OK);
    ck_assert_mem_ne(a, b, sizeof a);
    list[1].chain[0] = list[0].chain[0];
    ck_assert_int_eq(tally_gpu_set_hash(list, 3, b), TALLY_OK);
    ck_assert_mem_ne(a, b, sizeof a);
    list[1] = list[0];
    ck_assert_int_ne(tally_gpu_set_hash(list, 3, b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_GPU_TOPOLOGY);
    ck_assert_int_ne(tally_gpu_set_hash(list, 0, b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_GPU_COUNT);
    ck_assert_int_ne(tally_gpu_set_hash(list, TALLY_GPU_SET_MAX + 1, b), TALLY_OK);
}
END_TEST

/* The two real reports of one node, by another program. */
START_TEST(the_hash_of_a_real_set_is_as_specified)
{
    static const char want[] = "4d23eecff925af33d84b7d95a99944ee3937908bab6ee126"
                               "536ae7115f46a89ed3cc3bf112805b7fd0570aef085da193";
    static const char *const names[] = {"hopper_590_12_ppcie8_0", "hopper_590_12_ppcie8_1",
                                        "switch_ls10_ppcie_0"};
    struct tally_gpu_device list[3];
    uint8_t hash[TALLY_SHA384_BYTES];
    char hex[2 * TALLY_SHA384_BYTES + 1];

    for (size_t i = 0; i < 3; i++) {
        list[i].report = gpu_vector(names[i])->in.report;
        memcpy(list[i].chain, gpu_vector(names[i])->in.chain, sizeof list[i].chain);
    }
    ck_assert_int_eq(tally_gpu_set_hash(list, 3, hash), TALLY_OK);
    tally_hex(TALLY_SLICE(hash), hex);
    ck_assert_str_eq(hex, want);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_gpu_setup();
    if (tally_attest_cache_new(&cache) != TALLY_OK) return 1;
    TCase *t = tcase_create("gpu_set");

    tcase_add_test(t, whole_nodes_are_trusted);
    tcase_add_test(t, switches_may_come_first);
    tcase_add_test(t, a_device_that_is_missing_is_noticed);
    tcase_add_test(t, a_device_that_stands_there_twice_is_noticed);
    tcase_add_test(t, a_device_of_another_node_is_noticed);
    tcase_add_test(t, a_switch_speaks_for_its_own_chip);
    tcase_add_test(t, modes_are_not_mixed);
    tcase_add_test(t, one_nonce_for_all);
    tcase_add_test(t, a_device_that_fails_is_named);
    tcase_add_test(t, a_verdict_holds_the_failures_of_a_whole_node);
    tcase_add_test(t, no_device_and_too_many_are_refused);
    tcase_add_test(t, a_part_of_a_real_node_is_no_node);
    tcase_add_test(t, the_nonce_of_gpus_commits_to_both_sides);
    tcase_add_test(t, the_hash_of_a_set_is_over_every_device_once);
    tcase_add_test(t, the_hash_of_a_real_set_is_as_specified);
    int result = tally_suite_run("common/gpu_set", t);
    tally_attest_cache_destroy(&cache);
    return result;
}
