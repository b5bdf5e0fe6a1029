/* test_quote_nvml.c - common/attest/quote_nvml.c against a library that answers as the driver's
 * does (tests/stub/libnvidia_ml.c), with genuine reports and with everything that can go wrong. */
#include <time.h>

#include "common/attest/describe.h"
#include "common/attest/gpu_set.h"
#include "common/attest/nvml_abi.h"
#include "common/cert.h"
#include "tests/common/quote_nvml_fixture.h"

static const char *const folders[] = {
    "hopper_545_full_rim_match", "hopper_535_86_09",           "hopper_550_90_07",
    "hopper_590_12_multi_0",     "hopper_570_86_10_cert_hold", "hopper_580_95_05_coco",
    "blackwell_575_32",          "hopper_590_12_ppcie8_0",
};
enum { FOLDERS = sizeof folders / sizeof folders[0] };

START_TEST(genuine_evidence_comes_as_the_driver_has_it)
{
    gpus_are(&folders[_i], 1);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[2] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;
    size_t len;

    nonce_of(folders[_i], nonce);
    ck_assert_msg(tally_nvml_collect(n, nonce, e, 2, &got) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(got, 1);
    ck_assert_int_eq(e[0].device.kind, TALLY_DEVICE_GPU);
    uint8_t *want = part(folders[_i], "report.bin", &len);
    ck_assert_uint_eq(e[0].device.report.len, len);
    ck_assert_mem_eq(e[0].device.report.at, want, len);
    free(want);
    struct tally_slice certs[TALLY_NVML_CERTS_MAX];
    uint32_t certs_n = 0;
    ck_assert_int_eq(tally_chain_split(e[0].device.chain, certs, TALLY_NVML_CERTS_MAX, &certs_n),
                     TALLY_OK);
    ck_assert_uint_eq(certs_n, 5);
    for (uint32_t i = 0; i < 5; i++) {
        struct tally_cert c = {0};
        ck_assert_msg(tally_cert_parse(certs[i], &c) == TALLY_OK, "%s", tally_why());
        tally_cert_free(&c);
    }
    tally_gpu_evidence_free(e, got);
    ck_assert_ptr_null(e[0].owned);
    tally_gpu_evidence_free(e, got);
    tally_nvml_close(&n);
    ck_assert_ptr_null(n);
    tally_nvml_close(&n);
}
END_TEST

START_TEST(several_gpus_are_asked_one_after_the_other)
{
    const char *same[] = {folders[7], folders[7], folders[7]};
    gpus_are(same, 3);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[TALLY_DEVICES_MAX] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;

    nonce_of(folders[7], nonce);
    stub_nvml_calls_begin();
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, TALLY_DEVICES_MAX, &got), TALLY_OK);
    ck_assert_uint_eq(got, 3);
    stub_nvml_calls_were(
        "certificate 0\nreport 0\ncertificate 1\nreport 1\ncertificate 2\nreport 2\n");
    tally_gpu_evidence_free(e, got);
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 2, &got), TALLY_E_LIMIT);
    tally_nvml_close(&n);
}
END_TEST

START_TEST(a_machine_without_the_library_says_so)
{
    struct tally_nvml *n = NULL;

    /* A machine with GPUs has a real one, and then it opens or says why not. */
    void *real = dlopen(TALLY_NVML_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    enum tally_status s = tally_nvml_open(&n);
    ck_assert(real != NULL || s == TALLY_E_STATE);
    if (real == NULL) ck_assert_ptr_nonnull(strstr(tally_why_text(), "no NVIDIA driver here"));
    tally_nvml_close(&n);
}
END_TEST

START_TEST(zeros_behind_the_chain_are_the_end_of_a_string)
{
    gpus_are(&folders[0], 1);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[1] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;

    ck_assert_int_eq(setenv("TALLY_STUB_CHAIN_SIZE", "0x1400", 1), 0);
    nonce_of(folders[0], nonce);
    ck_assert_msg(tally_nvml_collect(n, nonce, e, 1, &got) == TALLY_OK, "%s", tally_why());
    struct tally_slice certs[TALLY_NVML_CERTS_MAX];
    uint32_t certs_n = 0;
    ck_assert_int_eq(tally_chain_split(e[0].device.chain, certs, TALLY_NVML_CERTS_MAX, &certs_n),
                     TALLY_OK);
    ck_assert_uint_eq(certs_n, 5);
    tally_gpu_evidence_free(e, got);
    tally_nvml_close(&n);
}
END_TEST

START_TEST(a_report_over_another_nonce_is_refused)
{
    gpus_are(&folders[0], 1);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[1] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;

    for (int bit = 0; bit < 256; bit++) {
        nonce_of(folders[0], nonce);
        nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 1, &got), TALLY_E_LIB);
    }
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "another nonce"));
    tally_nvml_close(&n);
}
END_TEST

START_TEST(gpus_take_work_only_after_their_evidence)
{
    gpus_are(&folders[0], 1);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[1] = {0};
    struct tally_nvml_state state;
    uint8_t nonce[32];
    uint32_t got = 0;

    stub_nvml_calls_begin();
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_STATE);
    nonce_of(folders[0], nonce);
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 1, &got), TALLY_OK);
    stub_nvml_calls_were("certificate 0\nreport 0\n");
    ck_assert_int_eq(tally_nvml_state(n, &state), TALLY_OK);
    ck_assert(!state.ready && state.cc_on && !state.dev_tools);
    ck_assert_str_eq(state.driver, "590.12");
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_OK);
    stub_nvml_calls_were("ready 1\n");
    ck_assert_int_eq(tally_nvml_state(n, &state), TALLY_OK);
    ck_assert(state.ready);
    /* A later failure takes the right back. */
    tally_gpu_evidence_free(e, got);
    nonce[0] ^= 1;
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 1, &got), TALLY_E_LIB);
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_STATE);
    tally_nvml_close(&n);
}
END_TEST

START_TEST(a_ready_state_that_does_not_take_is_a_failure)
{
    gpus_are(&folders[0], 1);
    struct tally_nvml *n = opened();
    struct tally_gpu_evidence e[1] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;

    nonce_of(folders[0], nonce);
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 1, &got), TALLY_OK);
    ck_assert_int_eq(setenv("TALLY_STUB_STUCK", "1", 1), 0);
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_LIB);
    ck_assert_int_eq(unsetenv("TALLY_STUB_STUCK"), 0);
    ck_assert_int_eq(setenv("TALLY_STUB_FAIL", "nvmlSystemSetConfComputeGpusReadyState=4", 1), 0);
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "run as root"));
    ck_assert_int_eq(setenv("TALLY_STUB_FAIL", "nvmlSystemGetConfComputeGpusReadyState=15", 1), 0);
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "restart the machine"));
    tally_gpu_evidence_free(e, got);
    tally_nvml_close(&n);
}
END_TEST

/* What was said, and how many of the lines were problems. */
struct said {
    char text[4096];
    int lines, bad;
};
static void hear(void *ctx, bool good, const char *what, const char *fix)
{
    struct said *s = ctx;

    (void)snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "%s|%s\n", what,
                   fix);
    ck_assert_uint_gt(strlen(what), 0);
    ck_assert(!good || *fix == '\0');
    s->lines++;
    s->bad += !good;
}
static void described(struct said *s)
{
    const struct tally_describe to = {hear, s};

    memset(s, 0, sizeof *s);
    tally_nvml_describe(&to);
}

START_TEST(check_tells_what_the_gpus_can_prove)
{
    struct said s;

    stub_nvml_load(TALLY_STUB_NVML);
    gpus_are(folders, 2);
    described(&s);
    ck_assert_int_eq(s.bad, 0);
    ck_assert_int_eq(s.lines, 3);
    ck_assert_ptr_nonnull(strstr(s.text, "GPU 1: Hopper, VBIOS 96.00.5E.00.01, GPU-6b1c0d3e-0001"));
    ck_assert_ptr_nonnull(strstr(s.text, "2 GPUs under NVIDIA driver 590.12 can be proved"));
    ck_assert_int_eq(setenv("TALLY_STUB_CC", "2,1,1,0", 1), 0);
    described(&s);
    ck_assert_int_eq(s.bad, 1);
    ck_assert_ptr_nonnull(strstr(s.text, "developer mode"));
    ck_assert_int_eq(setenv("TALLY_STUB_CC", "2,1,0,1", 1), 0);
    described(&s);
    ck_assert_ptr_nonnull(strstr(s.text, "protected PCIe"));
    ck_assert_int_eq(setenv("TALLY_STUB_COUNT", "0", 1), 0);
    described(&s);
    ck_assert_int_eq(s.bad, 0);
    ck_assert_ptr_nonnull(strstr(s.text, "sees no GPU"));
    ck_assert_int_eq(unsetenv("TALLY_STUB_COUNT"), 0);
    ck_assert_int_eq(setenv("TALLY_STUB_FAIL", "nvmlDeviceGetUUID=15", 1), 0);
    described(&s);
    ck_assert_int_eq(s.bad, 2);
    ck_assert_int_eq(setenv("TALLY_STUB_FAIL",
                            "nvmlSystemGetConfComputeSettings=3,nvmlSystemGetConfComputeState=3",
                            1),
                     0);
    described(&s);
    ck_assert_int_eq(s.bad, 1);
    ck_assert_ptr_nonnull(strstr(s.text, "can prove nothing"));
    ck_assert_int_eq(setenv("TALLY_STUB_FAIL", "nvmlInit_v2=4", 1), 0);
    described(&s);
    ck_assert_int_eq(s.bad, 1);
}
END_TEST

/* Evidence that a node's own appraisal takes, and for this nonce alone. */
START_TEST(simulated_gpus_are_verified_over_the_nonce_asked)
{
    static struct tally_gpu_input in[3];
    static struct tally_verdict v;
    struct tally_gpu_evidence e[3] = {0};
    struct tally_gpu_policy policy;
    uint8_t root[2048], nonce[32], other[32] = {0};
    char file[64];
    uint32_t got = 0;

    (void)snprintf(file, sizeof file, "/tmp/tally_gpu_root.%d", (int)getpid());
    ck_assert_int_eq(setenv("TALLY_STUB_SIM_ROOT", file, 1), 0);
    ck_assert_int_eq(setenv("TALLY_STUB_SIM", "GH100,GH100,GH100", 1), 0);
    struct tally_nvml *n = opened();
    FILE *f = fopen(file, "rbe");
    ck_assert_ptr_nonnull(f);
    struct tally_anchor anchor = {.trust = TALLY_TRUST_TEST, .name = "test"};
    anchor.root = tally_slice_of(root, fread(root, 1, sizeof root, f));
    (void)fclose(f);
    (void)unlink(file);
    memset(nonce, 0x77, sizeof nonce);
    ck_assert_msg(tally_nvml_collect(n, nonce, e, 3, &got) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(got, 3);
    for (uint32_t i = 0; i < got; i++) {
        in[i].report = e[i].device.report;
        ck_assert_int_eq(
            tally_chain_split(e[i].device.chain, in[i].chain, TALLY_GPU_CERTS, &in[i].chain_n),
            TALLY_OK);
    }
    tally_gpu_policy_strict(&policy);
    policy.require_rim = false; /* as "rim": "optional" says; sim_rim.h has its own tests */
    struct tally_expect x = {
        .now_s = (uint64_t)time(NULL), .trust = TALLY_TRUST_TEST, .nonce = TALLY_SLICE(nonce)};
    ck_assert_msg(tally_verify_gpu_set(in, got, &anchor, 1, &policy, &x, &v) == TALLY_OK, "%s",
                  tally_why());
    x.nonce = TALLY_SLICE(other);
    ck_assert_int_eq(tally_verify_gpu_set(in, got, &anchor, 1, &policy, &x, &v), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_REPORT_DATA);
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_OK);
    tally_gpu_evidence_free(e, got);
    tally_nvml_close(&n);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quote_nvml");

    tally_vectors_need();
    tcase_add_loop_test(t, genuine_evidence_comes_as_the_driver_has_it, 0, FOLDERS);
    tcase_add_test(t, simulated_gpus_are_verified_over_the_nonce_asked);
    tcase_add_test(t, several_gpus_are_asked_one_after_the_other);
    tcase_add_test(t, a_machine_without_the_library_says_so);
    tcase_add_test(t, zeros_behind_the_chain_are_the_end_of_a_string);
    tcase_add_test(t, a_report_over_another_nonce_is_refused);
    tcase_add_test(t, gpus_take_work_only_after_their_evidence);
    tcase_add_test(t, a_ready_state_that_does_not_take_is_a_failure);
    tcase_add_test(t, check_tells_what_the_gpus_can_prove);
    return tally_suite_run("quote_nvml", t);
}
