/* test_verify_gpu.c - common/attest/verify_gpu.c over every published report of a GPU or switch,
 * and what becomes of each when something beside it is another (ATTESTATION.md D.5). The benchmark
 * runs with TALLY_BENCH=1. Other bytes: test_verify_gpu_bytes.c; evidence of our own:
 * test_verify_gpu_sim.c. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/cache.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_gpu.h"
#include "common/secret.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static const uint64_t june_2024 = 1717243200; /* within the windows of the oldest manifests */

static struct tally_verdict verdict;

static enum tally_status verify_in(const struct gpu_vector *v, const struct tally_gpu_input *in,
                                   const struct tally_gpu_policy *policy, uint64_t at_s,
                                   struct tally_attest_cache *cache)
{
    const struct gpu_vector_terms t = {policy, at_s, cache};

    return gpu_vector_judge(v, in, &t, &verdict);
}

static enum tally_status verify(const struct gpu_vector *v, const struct tally_gpu_policy *policy)
{
    return verify_in(v, &v->in, policy, june_2024, NULL);
}

static const struct tally_claim *claim(const char *name)
{
    for (uint32_t i = 0; i < verdict.claims_n; i++) {
        if (strcmp(verdict.claims[i].name, name) == 0) return &verdict.claims[i];
    }
    return NULL;
}

static bool claims_text(const char *name, const char *text)
{
    const struct tally_claim *c = claim(name);

    if (c == NULL) return *text == '\0';
    return tally_slice_equal(tally_slice_of(c->text, c->len), tally_slice_str(text));
}

START_TEST(every_real_report_gets_its_expected_integrity_verdict)
{
    size_t n, good = 0, bad = 0;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        enum tally_status s = verify(&v[i], NULL);
        ck_assert_msg((s == TALLY_OK) == v[i].good, "%s: %s", v[i].name, tally_why());
        ck_assert(verdict.authentic == v[i].good && verdict.trust == TALLY_TRUST_HARDWARE);
        if (!v[i].good) {
            ck_assert_uint_eq(verdict.failed_n, 1);
            ck_assert_int_eq(verdict.failed[0].reason, TALLY_R_E_SIGNATURE);
            ck_assert_uint_eq(verdict.claims_n, 0);
            bad++;
            continue;
        }
        good++;
        ck_assert_uint_eq(verdict.not_after_s, 253402300799);
        ck_assert(claims_text("driver_version", gpu_vector_text(&v[i], "driver")));
        ck_assert(claims_text("vbios_version", gpu_vector_text(&v[i], "vbios")));
        ck_assert(claims_text("sku", v[i].in.nvswitch ? "" : gpu_vector_text(&v[i], "proj")));
        ck_assert(claims_text("tee", v[i].in.nvswitch ? "nvswitch" : "nvgpu"));
        ck_assert_int_eq(strncmp(verdict.product, gpu_vector_text(&v[i], "leaf"), 2), 0);
        /* The chip's number in the table ends with the id by which switches name it. */
        char hex[2 * TALLY_GPU_ID_BYTES + 1];
        tally_hex(tally_slice_of(claim("chip_id")->bytes, TALLY_GPU_ID_BYTES), hex);
        ck_assert_str_eq(gpu_vector_text(&v[i], "brom_serial") + 2, hex);
        const char *fwid = gpu_vector_text(&v[i], "fwid");
        ck_assert((claim("fwid") == NULL) == (strcmp(fwid, "absent") == 0));
    }
    ck_assert_uint_eq(good, 13);
    ck_assert_uint_eq(bad, 1);
}
END_TEST

START_TEST(claims_are_those_of_the_vendors_own_service)
{
    json_t *all = tally_vectors_json("vectors/nvgpu/expected_claims/hopperClaimsv3_decoded.json");
    const json_t *gpu = json_object_get(all, "GPU-0");
    char hex[2 * TALLY_GPU_NONCE_BYTES + 1];

    ck_assert_int_eq(verify(gpu_vector("hopper_550_90_07"), NULL), TALLY_OK);
    ck_assert(claims_text("driver_version",
                          json_string_value(json_object_get(gpu, "x-nvidia-gpu-driver-version"))));
    ck_assert(claims_text("vbios_version",
                          json_string_value(json_object_get(gpu, "x-nvidia-gpu-vbios-version"))));
    tally_hex(tally_slice_of(claim("nonce")->bytes, TALLY_GPU_NONCE_BYTES), hex);
    ck_assert_str_eq(hex, json_string_value(json_object_get(gpu, "eat_nonce")));
    json_decref(all);
    all = tally_vectors_json("vectors/nvgpu/expected_claims/switch_decoded.json");
    gpu = json_object_get(all, "SWITCH-0");
    ck_assert_int_eq(verify(gpu_vector("switch_ls10_full_rim_match"), NULL), TALLY_OK);
    ck_assert(claims_text("vbios_version",
                          json_string_value(json_object_get(gpu, "x-nvidia-switch-bios-version"))));
    ck_assert(claims_text("architecture", "LS10"));
    json_decref(all);
}
END_TEST

/* Manifests beside a report, and what comes of it. */
/* clang-format off */
static const struct {
    const char *vector, *rims[3];
    uint64_t at_s;
    bool strict;
    enum tally_status status;
    enum tally_reason reason; /* the only one that fails; NONE: none */
} with_rims[] = {
    {"hopper_545_full_rim_match", {"Driver_RIM_test_no_gpu.swidtag",
     "1010_0200_882_96005E0001_test_no_gpu.swidtag"}, 1717243200, false, TALLY_OK, TALLY_R_NONE},
    {"hopper_545_full_rim_match", {"1010_0200_882_96005E0001_test_no_gpu.swidtag",
     "Driver_RIM_test_no_gpu.swidtag"}, 1717243200, false, TALLY_OK, TALLY_R_NONE},
    /* Strict: but for the firmware's digest, which drivers before 550 do not report. */
    {"hopper_545_full_rim_match", {"Driver_RIM_test_no_gpu.swidtag",
     "1010_0200_882_96005E0001_test_no_gpu.swidtag"}, 1717243200, true, TALLY_E_UNTRUSTED,
     TALLY_R_E_FWID},
    {"hopper_545_full_rim_match", {"Driver_RIM_test_no_gpu.swidtag",
     "1010_0200_882_96005E0001_test_no_gpu.swidtag"}, 1795305600, false, TALLY_E_UNTRUSTED,
     TALLY_R_E_RIM_EXPIRED},
    {"hopper_545_full_rim_match", {"NV_GPU_DRIVER_GH100_550.144.03.xml"}, 1750000000, false,
     TALLY_E_UNTRUSTED, TALLY_R_E_RIM_VERSION},
    {"switch_ls10_full_rim_match",
     {"switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml"}, 1795305600, true, TALLY_OK,
     TALLY_R_NONE},
    {"switch_ls10_full_rim_match", {NULL}, 1795305600, true, TALLY_E_UNDECIDED,
     TALLY_R_E_RIM_MISSING},
    {"hopper_535_86_09", {"1010_0200_882_96005E0001_PROD.swidtag"}, 1717243200, false, TALLY_OK,
     TALLY_R_NONE},
    {"hopper_535_86_09", {"1010_0200_882_96005E0003_PROD.swidtag"}, 1717243200, false,
     TALLY_E_UNTRUSTED, TALLY_R_E_RIM_VERSION},
    {"hopper_580_95_05_coco", {"1010_0200_882_960074001A_PROD.swidtag"}, 1717243200, false,
     TALLY_E_UNTRUSTED, TALLY_R_E_MEASUREMENT},
    {"hopper_550_90_07", {NULL}, 1795305600, true, TALLY_E_UNDECIDED, TALLY_R_E_RIM_MISSING},
};
/* clang-format on */

START_TEST(manifests_are_judged_with_the_report)
{
    const struct gpu_vector *v = gpu_vector(with_rims[_i].vector);
    struct tally_gpu_input in = v->in;
    struct tally_gpu_policy strict;
    char path[256];

    for (; in.rims_n < 3 && with_rims[_i].rims[in.rims_n] != NULL; in.rims_n++) {
        (void)snprintf(path, sizeof path, "rims/%s", with_rims[_i].rims[in.rims_n]);
        in.rims[in.rims_n] = gpu_vector_file(path);
    }
    tally_gpu_policy_strict(&strict);
    enum tally_status s =
        verify_in(v, &in, with_rims[_i].strict ? &strict : NULL, with_rims[_i].at_s, NULL);
    ck_assert_msg(s == with_rims[_i].status, "%s", tally_why());
    if (s != TALLY_OK) ck_assert_msg(tally_reason() == with_rims[_i].reason, "%s", tally_why());
    if (s == TALLY_OK) ck_assert(verdict.not_after_s < 253402300799); /* the manifests' window */
    ck_assert(verdict.authentic);
}
END_TEST

START_TEST(the_strict_policy_says_what_is_missing)
{
    struct tally_gpu_policy strict;
    struct tally_expect none = {.now_s = june_2024};
    const struct gpu_vector *v = gpu_vector("hopper_590_12_multi_0");
    uint32_t n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&n);

    tally_gpu_policy_strict(&strict);
    ck_assert_int_eq(tally_verify_gpu(&v->in, anchors, n, &strict, &none, &verdict),
                     TALLY_E_UNDECIDED);
    ck_assert(verdict.undecided && verdict.authentic && verdict.failed_n == 0);
    ck_assert(gpu_missing(&verdict, TALLY_R_E_REPORT_DATA));
    ck_assert(gpu_missing(&verdict, TALLY_R_E_RIM_MISSING));
    ck_assert(gpu_missing(&verdict, TALLY_R_E_TRUST_CLASS));
    strict.require_ocsp = true;
    ck_assert_int_eq(verify(v, &strict), TALLY_E_UNDECIDED);
    ck_assert(gpu_missing(&verdict, TALLY_R_E_OCSP_MISSING));
    struct tally_gpu_input in = v->in;
    in.chain_n = 0;
    ck_assert_int_eq(verify_in(v, &in, NULL, june_2024, NULL), TALLY_E_UNDECIDED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
}
END_TEST

START_TEST(a_nonce_off_by_one_bit_is_refused)
{
    struct gpu_vector v = *gpu_vector("hopper_550_90_07");
    uint8_t response[TALLY_GPU_NONCE_BYTES];

    for (size_t bit = 0; bit < 8 * sizeof v.nonce; bit += 5) {
        v.nonce[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(verify(&v, NULL), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
        ck_assert(verdict.failed_n == 1 && verdict.authentic);
        v.nonce[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    /* The response's nonce is the device's: it is not the one that is compared. */
    memcpy(response, v.in.report.at + 45 + 64 * 55, sizeof response);
    memcpy(v.nonce, response, sizeof response);
    ck_assert_int_eq(verify(&v, NULL), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
}
END_TEST

START_TEST(a_nonce_of_another_length_is_refused)
{
    const struct gpu_vector *v = gpu_vector("hopper_550_90_07");
    struct tally_gpu_policy integrity;
    uint32_t n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&n);
    struct tally_expect e = {.now_s = june_2024, .nonce = tally_slice_of(v->nonce, 31)};

    tally_gpu_policy_integrity(&integrity);
    ck_assert_int_eq(tally_verify_gpu(&v->in, anchors, n, &integrity, &e, &verdict),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
}
END_TEST

START_TEST(a_gpu_is_no_switch)
{
    struct gpu_vector v = *gpu_vector("hopper_550_90_07");
    struct tally_gpu_input in = v.in;

    in.nvswitch = true;
    ck_assert_int_ne(verify_in(&v, &in, NULL, june_2024, NULL), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_PRODUCT);
    v = *gpu_vector("switch_ls10_ppcie_0");
    in = v.in;
    in.nvswitch = false;
    ck_assert_int_ne(verify_in(&v, &in, NULL, june_2024, NULL), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_PRODUCT);
}
END_TEST

/* Not before the youngest certificate of the chain. */
START_TEST(dates_hold_to_the_second)
{
    const struct gpu_vector *v = gpu_vector("hopper_545_full_rim_match");
    uint64_t from;

    ck_assert_int_eq(tally_time_parse("2022-03-01T00:00:00Z", &from), TALLY_OK);
    ck_assert_int_eq(verify_in(v, &v->in, NULL, from, NULL), TALLY_OK);
    ck_assert_uint_eq(verdict.not_before_s, from);
    ck_assert_int_ne(verify_in(v, &v->in, NULL, from - 1, NULL), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NOT_YET_VALID);
    ck_assert_int_eq(verify_in(v, &v->in, NULL, 253402300799, NULL), TALLY_OK);
    ck_assert_int_ne(verify_in(v, &v->in, NULL, 253402300800, NULL), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXPIRED);
}
END_TEST

static void drop_cache(struct tally_attest_cache **c)
{
    tally_attest_cache_destroy(c);
}

START_TEST(a_cached_chain_gives_the_same_verdict_and_keeps_no_report)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);
    TALLY_CLEANUP(drop_cache) struct tally_attest_cache *cache = NULL;

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            enum tally_status s = verify_in(&v[i], &v[i].in, NULL, june_2024, cache);
            ck_assert_int_eq(s == TALLY_OK, v[i].good);
            ck_assert(v[i].good || tally_reason() == TALLY_R_E_SIGNATURE);
        }
    }
    /* The dates of a cached chain and its root are looked at again. */
    ck_assert_int_ne(verify_in(v, &v->in, NULL, 253402300800, cache), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXPIRED);
    struct tally_gpu_policy integrity;
    const struct tally_expect e = {.now_s = june_2024, .cache = cache};
    tally_gpu_policy_integrity(&integrity);
    ck_assert_int_ne(tally_verify_gpu(&v->in, NULL, 0, &integrity, &e, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
}
END_TEST

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(const struct gpu_vector *v, const struct tally_gpu_input *in, int runs,
                         struct tally_attest_cache *cache)
{
    double from = now_s();

    for (int i = 0; i < runs; i++)
        ck_assert_int_eq(verify_in(v, in, NULL, june_2024, cache), TALLY_OK);
    return (now_s() - from) / runs;
}

/* What `openssl speed ecdsap384` measures: one verification, of a digest, under a ready key. */
static double seconds_of_p384(int runs)
{
    uint8_t sig[128], digest[48];
    size_t len = sizeof sig;
    EVP_PKEY *key = EVP_EC_gen("P-384");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

    memset(digest, 0xa7, sizeof digest);
    ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_sign(ctx, sig, &len, digest, sizeof digest), 1);
    ck_assert_int_eq(EVP_PKEY_verify_init(ctx), 1);
    double from = now_s();
    for (int i = 0; i < runs; i++)
        ck_assert_int_eq(EVP_PKEY_verify(ctx, sig, len, digest, sizeof digest), 1);
    double one = (now_s() - from) / runs;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return one;
}

START_TEST(appraisals_per_second)
{
    enum { RUNS = 500 };
    const struct gpu_vector *v = gpu_vector("hopper_545_full_rim_match");
    struct tally_gpu_input with = v->in;
    TALLY_CLEANUP(drop_cache) struct tally_attest_cache *cache = NULL;

    if (getenv("TALLY_BENCH") == NULL) return;
    with.rims[0] = gpu_vector_file("rims/Driver_RIM_test_no_gpu.swidtag");
    with.rims[1] = gpu_vector_file("rims/1010_0200_882_96005E0001_test_no_gpu.swidtag");
    with.rims_n = 2;
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    double one = seconds_of_p384(RUNS);
    double cold = seconds_of(v, &v->in, RUNS, NULL), full = seconds_of(v, &with, RUNS, NULL);
    double warm = seconds_of(v, &v->in, RUNS, cache), both = seconds_of(v, &with, RUNS, cache);
    (void)fprintf(stderr, "one thread; in brackets: times the P-384 signatures in it at %.0f/s\n",
                  1 / one);
    (void)fprintf(stderr, "cold %.0f/s (%.2f of 5), with two manifests %.0f/s (%.2f of 13)\n",
                  1 / cold, cold / one / 5, 1 / full, full / one / 13);
    (void)fprintf(stderr, "chain cached %.0f/s (%.2f of 1), manifests too %.0f/s (%.2f of 1)\n",
                  1 / warm, warm / one, 1 / both, both / one);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_gpu");

    tcase_add_test(t, every_real_report_gets_its_expected_integrity_verdict);
    tcase_add_test(t, claims_are_those_of_the_vendors_own_service);
    tcase_add_loop_test(t, manifests_are_judged_with_the_report, 0,
                        (int)(sizeof with_rims / sizeof with_rims[0]));
    tcase_add_test(t, the_strict_policy_says_what_is_missing);
    tcase_add_test(t, a_nonce_off_by_one_bit_is_refused);
    tcase_add_test(t, a_nonce_of_another_length_is_refused);
    tcase_add_test(t, a_gpu_is_no_switch);
    tcase_add_test(t, dates_hold_to_the_second);
    tcase_add_test(t, a_cached_chain_gives_the_same_verdict_and_keeps_no_report);
    tcase_add_test(t, appraisals_per_second);
    return tally_suite_run("common/verify_gpu", t);
}
