/* test_verify_snp_bytes.c - common/attest/verify_snp.c over a real report of which some bytes are
 * others (ATTESTATION.md D.2, G1 to G5 and G8). TALLY_LONG=1 flips every bit. */
#include <stdlib.h>
#include <string.h>

#include "common/cert.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

/* Order of P-384, little-endian as a report holds r and s. */
static const uint8_t order[48] = {
    0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7, 0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58,
    0xdf, 0x2d, 0x37, 0xf4, 0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
enum { R_AT = 0x2a0, S_AT = 0x2e8 };

static struct tally_verdict verdict;

/* The input with other bytes, from an exact-size copy. */
static enum tally_status verify_bytes(const struct snp_vector *v, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, len);
    enum tally_status s = snp_vector_judge(v, tally_slice_of(exact, len), NULL, v->at_s, &verdict);
    free(exact);
    return s;
}

/* What may be the first refusal of a bit flipped from here on; E_SIGNATURE is in every row. */
/* clang-format off */
static const struct {
    size_t from;
    enum tally_reason also[2];
} flips[] = {
    {0x000, {TALLY_R_E_VERSION, TALLY_R_E_RESERVED_NONZERO}}, /* 2 has no CPUID fields */
    {0x004, {0}},
    {0x008, {TALLY_R_E_FORMAT, TALLY_R_E_RESERVED_NONZERO}}, /* POLICY */
    {0x010, {0}},
    {0x030, {TALLY_R_E_VMPL}},
    {0x034, {TALLY_R_E_ALGORITHM}},
    {0x038, {0}},
    {0x048, {TALLY_R_E_CERT_TYPE, TALLY_R_E_RESERVED_NONZERO}},
    {0x04c, {TALLY_R_E_RESERVED_NONZERO}},
    {0x050, {0}},
    {0x110, {TALLY_R_E_FORMAT}}, /* an author key's digest without author key */
    {0x140, {0}},
    {0x180, {TALLY_R_E_TCB_BINDING}},
    {0x188, {TALLY_R_E_PRODUCT}},
    {0x18a, {0}}, /* stepping */
    {0x18b, {TALLY_R_E_RESERVED_NONZERO}},
    {0x1a0, {TALLY_R_E_CHIP_BINDING}},
    {0x1e0, {0}},
    {0x1eb, {TALLY_R_E_RESERVED_NONZERO}},
    {0x1ec, {0}},
    {0x1ef, {TALLY_R_E_RESERVED_NONZERO}},
    {0x1f0, {0}},
    {0x1f8, {TALLY_R_E_RESERVED_NONZERO}},
    {0x2a0, {TALLY_R_E_SIG_RANGE}},
    {0x330, {TALLY_R_E_RESERVED_NONZERO}},
};
/* clang-format on */

static bool may_be(size_t at, enum tally_reason r)
{
    size_t i = 0;

    while (i + 1 < sizeof flips / sizeof flips[0] && flips[i + 1].from <= at) i++;
    return r != TALLY_R_NONE &&
           (r == TALLY_R_E_SIGNATURE || r == flips[i].also[0] || r == flips[i].also[1]);
}

START_TEST(a_flipped_bit_never_passes)
{
    const struct snp_vector *v = snp_vector_named("genoa_v3_ccf");
    unsigned step = getenv("TALLY_LONG") ? 1 : 37;
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    memcpy(b, v->report.at, sizeof b);
    for (unsigned bit = 0; bit < 8 * sizeof b; bit += step) {
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(verify_bytes(v, b, sizeof b) != TALLY_OK, "bit %u", bit);
        ck_assert_msg(may_be(bit / 8, verdict.failed[0].reason), "bit %u: %s", bit, tally_why());
        ck_assert(!verdict.authentic && verdict.claims_n == 0);
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert_int_eq(verify_bytes(v, b, sizeof b), TALLY_OK);
}
END_TEST

START_TEST(a_report_cut_short_or_lengthened_is_refused)
{
    const struct snp_vector *v = snp_vector_named("turin_v5_oak");
    static uint8_t b[TALLY_SNP_REPORT_BYTES + 65536];

    memcpy(b, v->report.at, TALLY_SNP_REPORT_BYTES);
    for (size_t len = 0; len < TALLY_SNP_REPORT_BYTES; len++) {
        ck_assert_int_ne(verify_bytes(v, b, len), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUNCATED);
    }
    ck_assert_int_ne(verify_bytes(v, b, TALLY_SNP_REPORT_BYTES + 1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
}
END_TEST

START_TEST(zeros_behind_a_report_pass_where_they_are_allowed)
{
    static uint8_t b[TALLY_SNP_REPORT_BYTES + 4096];
    struct snp_vector v = *snp_vector_named("turin_v5_oak");
    struct tally_snp_policy integrity;
    struct tally_expect e = {.now_s = v.at_s, .padded = true};
    uint32_t n;
    const struct tally_anchor *anchors = snp_vector_anchors(&n);
    struct tally_snp_input in = {.report = TALLY_SLICE(b), .vek = v.vek, .issuer = v.issuer};

    tally_snp_policy_integrity(&integrity);
    memcpy(b, v.report.at, TALLY_SNP_REPORT_BYTES);
    ck_assert_int_eq(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict), TALLY_OK);
    b[sizeof b - 1] = 1;
    ck_assert_int_ne(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
    b[sizeof b - 1] = 0;
    b[TALLY_SNP_REPORT_BYTES] = 1;
    ck_assert_int_ne(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
    in.report.len = TALLY_SNP_REPORT_BYTES - 1; /* padding is behind, never inside */
    ck_assert_int_ne(tally_verify_snp(&in, anchors, n, &integrity, &e, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUNCATED);
}
END_TEST

/* order + add at the place of r or s. */
static void set_order(uint8_t *at, uint8_t add)
{
    memset(at, 0, 72);
    memcpy(at, order, 48);
    at[0] = (uint8_t)(at[0] + add);
}

START_TEST(r_and_s_out_of_range_are_refused)
{
    const struct snp_vector *v = snp_vector_named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    for (int k = 0; k < 8; k++) {
        memcpy(b, v->report.at, sizeof b);
        uint8_t *at = b + (k % 2 ? S_AT : R_AT);
        if (k / 2 == 0) memset(at, 0, 72);
        if (k / 2 == 1) set_order(at, 0);
        if (k / 2 == 2) set_order(at, 1);
        if (k / 2 == 3) memset(at, 0xff, 72);
        ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
    }
}
END_TEST

/* Why a signature's bytes are never an identity: there are two for every text. */
START_TEST(the_other_root_of_s_still_verifies)
{
    const struct snp_vector *v = snp_vector_named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];
    int borrow = 0;

    memcpy(b, v->report.at, sizeof b);
    for (int i = 0; i < 48; i++) {
        int d = order[i] - b[S_AT + i] - borrow;
        borrow = d < 0;
        b[S_AT + i] = (uint8_t)(d & 0xff);
    }
    ck_assert_int_eq(verify_bytes(v, b, sizeof b), TALLY_OK);
}
END_TEST

START_TEST(r_and_s_swapped_or_big_endian_are_refused)
{
    const struct snp_vector *v = snp_vector_named("genoa_v3_ccf");
    uint8_t b[TALLY_SNP_REPORT_BYTES];

    memcpy(b, v->report.at, sizeof b);
    memcpy(b + R_AT, v->report.at + S_AT, 72);
    memcpy(b + S_AT, v->report.at + R_AT, 72);
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);

    for (int i = 0; i < 72; i++) {
        b[R_AT + i] = v->report.at[R_AT + 71 - i];
        b[S_AT + i] = v->report.at[S_AT + 71 - i];
    }
    ck_assert_int_ne(verify_bytes(v, b, sizeof b), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
}
END_TEST

START_TEST(dates_hold_to_the_second)
{
    const struct snp_vector *v = snp_vector_named("genoa_v3_ccf");
    struct tally_cert c;

    ck_assert_int_eq(tally_cert_parse(v->vek, &c), TALLY_OK);
    uint64_t from = c.not_before_s, until = c.not_after_s;
    tally_cert_free(&c);
    ck_assert_int_ne(snp_vector_judge(v, v->report, NULL, from - 1, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NOT_YET_VALID);
    ck_assert_int_eq(snp_vector_judge(v, v->report, NULL, from, &verdict), TALLY_OK);
    ck_assert_int_eq(snp_vector_judge(v, v->report, NULL, from + 1, &verdict), TALLY_OK);
    ck_assert_int_eq(snp_vector_judge(v, v->report, NULL, until - 1, &verdict), TALLY_OK);
    ck_assert_int_eq(snp_vector_judge(v, v->report, NULL, until, &verdict), TALLY_OK);
    ck_assert_uint_eq(verdict.not_before_s, from);
    ck_assert_uint_eq(verdict.not_after_s, until);
    ck_assert_int_ne(snp_vector_judge(v, v->report, NULL, until + 1, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXPIRED);
    ck_assert(verdict.not_before_s == from && verdict.not_after_s == until);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_snp_bytes");

    tcase_add_test(t, a_flipped_bit_never_passes);
    tcase_add_test(t, a_report_cut_short_or_lengthened_is_refused);
    tcase_add_test(t, zeros_behind_a_report_pass_where_they_are_allowed);
    tcase_add_test(t, r_and_s_out_of_range_are_refused);
    tcase_add_test(t, the_other_root_of_s_still_verifies);
    tcase_add_test(t, r_and_s_swapped_or_big_endian_are_refused);
    tcase_add_test(t, dates_hold_to_the_second);
    return tally_suite_run("common/verify_snp_bytes", t);
}
