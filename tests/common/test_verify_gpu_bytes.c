/* test_verify_gpu_bytes.c - common/attest/verify_gpu.c over published reports in which bits,
 * lengths or signatures are others, and under each other's certificates (ATTESTATION.md D.2). All
 * bits are flipped with TALLY_LONG=1. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/verify_gpu.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

/* Order of P-384, big-endian as a report holds r and s. */
static const uint8_t order[48] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};
static struct tally_verdict verdict;
static struct gpu_vector_terms terms = {.at_s = 1717243200}; /* June 2024 */

/* The input with other bytes, from an exact-size copy. */
static enum tally_status verify_bytes(const struct gpu_vector *v, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    struct tally_gpu_input in = v->in;

    ck_assert_ptr_nonnull(exact);
    if (len > 0) memcpy(exact, bytes, len);
    in.report = tally_slice_of(exact, len);
    enum tally_status s = gpu_vector_judge(v, &in, &terms, &verdict);
    free(exact);
    return s;
}

/* No flipped bit passes; what is not structure is the signature's or the nonce's. */
static void flip(const struct gpu_vector *v, size_t bit)
{
    uint8_t copy[TALLY_GPU_REPORT_BYTES_MAX];

    memcpy(copy, v->in.report.at, v->in.report.len);
    copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
    ck_assert_msg(verify_bytes(v, copy, v->in.report.len) != TALLY_OK, "bit %zu", bit);
    ck_assert(!verdict.authentic && verdict.claims_n == 0);
    enum tally_reason r = tally_reason();
    ck_assert_msg(r == TALLY_R_E_SIGNATURE || r == TALLY_R_E_FORMAT || r == TALLY_R_E_VERSION ||
                      r == TALLY_R_E_TRUNCATED || r == TALLY_R_E_RESERVED_NONZERO ||
                      r == TALLY_R_E_REPORT_DATA || r == TALLY_R_E_SIG_RANGE ||
                      r == TALLY_R_E_TRAILING,
                  "bit %zu: %s", bit, tally_why());
}

START_TEST(a_flipped_bit_never_passes)
{
    const struct gpu_vector *gpu = gpu_vector("hopper_590_12_multi_0");
    const struct gpu_vector *nvswitch = gpu_vector("switch_ls10_ppcie_0");
    size_t step = getenv("TALLY_LONG") ? 1 : 127;

    ck_assert_int_eq(tally_attest_cache_new(&terms.cache), TALLY_OK);
    for (size_t bit = 0; bit < 8 * gpu->in.report.len; bit += step) flip(gpu, bit);
    for (size_t bit = 0; bit < 8 * nvswitch->in.report.len; bit += step) flip(nvswitch, bit);
    tally_attest_cache_destroy(&terms.cache);
}
END_TEST

START_TEST(a_report_cut_short_or_lengthened_is_refused)
{
    const struct gpu_vector *v = gpu_vector("switch_ls10_full_rim_match");
    uint8_t copy[TALLY_GPU_REPORT_BYTES_MAX] = {0};

    for (size_t len = 0; len < v->in.report.len; len++) {
        ck_assert_int_ne(verify_bytes(v, v->in.report.at, len), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUNCATED);
    }
    memcpy(copy, v->in.report.at, v->in.report.len);
    ck_assert_int_eq(verify_bytes(v, copy, v->in.report.len + 1), TALLY_OK); /* a zero: padding */
    copy[v->in.report.len] = 1;
    ck_assert_int_ne(verify_bytes(v, copy, v->in.report.len + 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
}
END_TEST

/* Big-endian: out = a - b. */
static void subtract(const uint8_t a[48], const uint8_t b[48], uint8_t out[48])
{
    int borrow = 0;

    for (size_t i = 48; i-- > 0;) {
        int d = a[i] - b[i] - borrow;
        borrow = d < 0;
        out[i] = (uint8_t)(d & 0xff);
    }
}

START_TEST(r_and_s_at_their_limits)
{
    const struct gpu_vector *v = gpu_vector("hopper_590_12_multi_0");
    uint8_t copy[TALLY_GPU_REPORT_BYTES_MAX], more[48], all[48], zero[48] = {0};
    size_t len = v->in.report.len, r_at = len - 96;
    const uint8_t *bad[] = {zero, order, more, all};

    memcpy(more, order, sizeof more);
    more[47]++;
    memset(all, 0xff, sizeof all);
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
            memcpy(copy, v->in.report.at, len);
            memcpy(copy + r_at + 48 * i, bad[k], 48);
            ck_assert_int_ne(verify_bytes(v, copy, len), TALLY_OK);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
        }
    }
    memcpy(copy, v->in.report.at, len); /* s := n - s is the same signature */
    subtract(order, v->in.report.at + r_at + 48, copy + r_at + 48);
    ck_assert_int_eq(verify_bytes(v, copy, len), TALLY_OK);
    memcpy(copy + r_at, v->in.report.at + r_at + 48, 48); /* r and s swapped */
    memcpy(copy + r_at + 48, v->in.report.at + r_at, 48);
    ck_assert_int_ne(verify_bytes(v, copy, len), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    subtract(order, all, more);
    memcpy(copy, v->in.report.at, len);
    memset(copy + r_at, 0, 96);
    copy[r_at + 47] = copy[r_at + 95] = 1; /* least values: in range, and wrong */
    ck_assert_int_ne(verify_bytes(v, copy, len), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
}
END_TEST

/* Only reports of one device's key pass under another's chain. */
START_TEST(of_all_pairs_only_reports_of_one_device_pass)
{
    size_t n, passed = 0;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            struct tally_gpu_input in = v[i].in;
            memcpy(in.chain, v[k].in.chain, sizeof in.chain);
            if (i == k || gpu_vector_judge(&v[i], &in, &terms, &verdict) != TALLY_OK) {
                enum tally_reason r = i == k ? TALLY_R_E_SIGNATURE : tally_reason();
                ck_assert(r == (v[i].in.nvswitch == v[k].in.nvswitch ? TALLY_R_E_SIGNATURE
                                                                     : TALLY_R_E_PRODUCT));
                continue;
            }
            passed++;
            ck_assert(tally_slice_equal(v[i].in.chain[0], v[k].in.chain[0]));
        }
    }
    /* multi_0 and ppcie8_0 are of one GPU; 535 and the refused 560 share a chain. */
    ck_assert_uint_eq(passed, 3);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_gpu_bytes");

    tcase_add_test(t, a_flipped_bit_never_passes);
    tcase_add_test(t, a_report_cut_short_or_lengthened_is_refused);
    tcase_add_test(t, r_and_s_at_their_limits);
    tcase_add_test(t, of_all_pairs_only_reports_of_one_device_pass);
    return tally_suite_run("common/verify_gpu_bytes", t);
}
