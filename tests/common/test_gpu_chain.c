/* test_gpu_chain.c - common/attest/gpu_chain.c and gpu_leaf.c over every published device chain,
 * whole, in parts and mixed (ATTESTATION.md C3.2, D.5). Chains of our own: test_gpu_chain_sim.c. */
#include "common/attest/gpu_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/anchors.h"
#include "common/attest/builtin.h"
#include "common/secret.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

/* The reason of the refusal; NONE if it was good. */
static enum tally_reason judge(const struct tally_slice *der, uint32_t n)
{
    TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain c = {0};
    uint32_t anchors_n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&anchors_n);

    return tally_gpu_chain_verify(der, n, anchors, anchors_n, NULL, &c) == TALLY_OK
               ? TALLY_R_NONE
               : tally_reason();
}

static void refused(const struct tally_slice *der, uint32_t n, enum tally_reason reason)
{
    enum tally_reason r = judge(der, n);

    ck_assert_msg(r == reason, "%s, not %s: %s", tally_reason_name(r), tally_reason_name(reason),
                  tally_why());
}

START_TEST(every_real_chain_verifies_and_names_its_chip)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);
    uint32_t anchors_n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&anchors_n);

    for (size_t i = 0; i < n; i++) {
        TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain c = {0};
        char hex[2 * TALLY_GPU_ID_BYTES + 1], number[40];
        ck_assert_msg(tally_gpu_chain_verify(v[i].in.chain, 5, anchors, anchors_n, NULL, &c) ==
                          TALLY_OK,
                      "%s: %s", v[i].name, tally_why());
        ck_assert_int_eq(c.trust, TALLY_TRUST_HARDWARE);
        ck_assert_int_eq(c.chip, strncmp(gpu_vector_text(&v[i], "leaf"), "GH", 2) == 0 ? 0
                                 : v[i].in.nvswitch                                    ? 2
                                                                                       : 1);
        ck_assert(c.has_fwid);
        tally_hex(TALLY_SLICE(c.chip_id), hex);
        (void)snprintf(number, sizeof number, "%s%s", v[i].in.nvswitch ? "50" : "41", hex);
        ck_assert_str_eq(number, gpu_vector_text(&v[i], "brom_serial"));
    }
}
END_TEST

START_TEST(chains_that_lack_or_swap_a_certificate_are_refused)
{
    static const char *const files[] = {"missing_intermediate", "missing_leaf", "only_root",
                                        "incorrect_rim_root"};
    struct tally_slice c[6], own[6];
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "neg_chains/%s.pem", files[i]);
        refused(c, gpu_vector_chain(path, c, 6), TALLY_R_E_CERT_SHAPE);
    }
    memcpy(own, gpu_vector("hopper_550_90_07")->in.chain, 5 * sizeof own[0]);
    own[5] = own[4];
    refused(own, 0, TALLY_R_E_CERT_SHAPE);
    refused(own, 4, TALLY_R_E_CERT_SHAPE); /* the root is given, not completed */
    refused(own, 6, TALLY_R_E_CERT_SHAPE);
    for (size_t i = 0; i < 5; i++) c[i] = own[4 - i]; /* root first */
    refused(c, 5, TALLY_R_E_CERT_SHAPE);
    for (size_t i = 0; i < 4; i++) {
        memcpy(c, own, sizeof c);
        c[i] = own[i + 1]; /* one stands twice, one is missing */
        refused(c, 5, TALLY_R_E_CERT_SHAPE);
        if (i == 3) continue;
        c[i + 1] = own[i]; /* two neighbours changed places */
        refused(c, 5, TALLY_R_E_CERT_SHAPE);
    }
}
END_TEST

START_TEST(a_certificate_of_another_chain_is_refused)
{
    const struct gpu_vector *hopper = gpu_vector("hopper_550_90_07");
    const struct gpu_vector *blackwell = gpu_vector("blackwell_575_32");
    const struct gpu_vector *other = gpu_vector("hopper_570_86_10_cert_hold");
    struct tally_slice c[5];

    for (size_t i = 0; i < 4; i++) {
        memcpy(c, hopper->in.chain, sizeof c);
        c[i] = blackwell->in.chain[i];
        refused(c, 5, TALLY_R_E_CERT_SHAPE);
        memcpy(c, hopper->in.chain, sizeof c); /* the lower part of one, the upper of the other */
        for (size_t k = 0; k <= i; k++) c[k] = blackwell->in.chain[k];
        if (i < 3) refused(c, 5, TALLY_R_E_CERT_SHAPE);
    }
    /* Another device's leaf: names its own BROM by number. */
    memcpy(c, hopper->in.chain, sizeof c);
    c[0] = other->in.chain[0];
    refused(c, 5, TALLY_R_E_CERT_SHAPE);
}
END_TEST

START_TEST(the_root_of_manifests_is_none_of_devices)
{
    struct tally_slice c[5];
    struct tally_anchor device, rim;
    TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain out = {0};

    memcpy(c, gpu_vector("hopper_550_90_07")->in.chain, sizeof c);
    ck_assert_int_eq(tally_anchor_named("nvidia-device", &device), TALLY_OK);
    ck_assert_int_eq(tally_anchor_named("nvidia-rim", &rim), TALLY_OK);
    c[4] = rim.root;
    refused(c, 5, TALLY_R_E_ROOT_UNTRUSTED);
    c[4] = device.root;
    ck_assert_int_ne(tally_gpu_chain_verify(c, 5, &rim, 1, NULL, &out), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    c[4] = tally_builtin("intel_sgx_root");
    refused(c, 5, TALLY_R_E_ROOT_UNTRUSTED);
    c[4] = tally_sim_gpu_root_der(simulated_gpu_root()); /* the name alone says nothing */
    refused(c, 5, TALLY_R_E_ROOT_UNTRUSTED);
}
END_TEST

START_TEST(a_changed_certificate_is_refused)
{
    const struct gpu_vector *v = gpu_vector("blackwell_575_32");
    size_t step = getenv("TALLY_LONG") ? 1 : 97;
    struct tally_slice c[5];

    for (size_t place = 0; place < 5; place++) {
        size_t len = v->in.chain[place].len;
        uint8_t *copy = malloc(len);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, v->in.chain[place].at, len);
        memcpy(c, v->in.chain, sizeof c);
        c[place].at = copy;
        for (size_t bit = place; bit < 8 * len; bit += step) {
            copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
            ck_assert_int_ne(judge(c, 5), TALLY_R_NONE);
            copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (c[place].len = 0; c[place].len < len; c[place].len += 7)
            ck_assert_int_ne(judge(c, 5), TALLY_R_NONE);
        free(copy);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_gpu_setup();
    TCase *t = tcase_create("gpu_chain");

    tcase_add_test(t, every_real_chain_verifies_and_names_its_chip);
    tcase_add_test(t, chains_that_lack_or_swap_a_certificate_are_refused);
    tcase_add_test(t, a_certificate_of_another_chain_is_refused);
    tcase_add_test(t, the_root_of_manifests_is_none_of_devices);
    tcase_add_test(t, a_changed_certificate_is_refused);
    return tally_suite_run("common/gpu_chain", t);
}
