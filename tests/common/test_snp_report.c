/* test_snp_report.c - common/attest/snp_report.c over every published report. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/snp_report.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static enum tally_reason refusal(const uint8_t *bytes, size_t len)
{
    struct tally_snp_report r;
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, len);
    enum tally_status s = tally_snp_report_decode(tally_slice_of(exact, len), &r);
    free(exact);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

/* A real version 3 report (Genoa) to change. */
static void base(uint8_t out[TALLY_SNP_REPORT_BYTES + 1], const char *name)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) == 0) memcpy(out, v[i].report.at, TALLY_SNP_REPORT_BYTES);
    }
    out[TALLY_SNP_REPORT_BYTES] = 0;
}

START_TEST(real_reports_decode_and_encode_to_the_same_bytes)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        struct tally_snp_report r;
        uint8_t again[TALLY_SNP_REPORT_BYTES];
        ck_assert_msg(tally_snp_report_decode(v[i].report, &r) == TALLY_OK, "%s: %s", v[i].name,
                      tally_why());
        tally_snp_report_encode(&r, again);
        ck_assert_msg(memcmp(again, v[i].report.at, sizeof again) == 0, "%s", v[i].name);
    }
}
END_TEST

START_TEST(every_prefix_and_every_added_byte_is_refused)
{
    uint8_t b[TALLY_SNP_REPORT_BYTES + 1];

    base(b, "genoa_v3_ccf");
    for (size_t len = 0; len < TALLY_SNP_REPORT_BYTES; len++)
        ck_assert_int_eq(refusal(b, len), TALLY_R_E_TRUNCATED);
    ck_assert_int_eq(refusal(b, sizeof b), TALLY_R_E_TRAILING);
    b[TALLY_SNP_REPORT_BYTES] = 1;
    ck_assert_int_eq(refusal(b, sizeof b), TALLY_R_E_TRAILING);
}
END_TEST

static const struct {
    size_t at;
    uint8_t value;
    enum tally_reason reason;
} changes[] = {
    {0x000, 0,      TALLY_R_E_VERSION         },
    {0x000, 1,      TALLY_R_E_VERSION         },
    {0x000, 6,      TALLY_R_E_VERSION         },
    {0x003, 0xff,   TALLY_R_E_VERSION         },
    {0x000, 2,      TALLY_R_E_RESERVED_NONZERO}, /* CPUID fields in version 2 */
    {0x00a, 0x01,   TALLY_R_E_FORMAT          }, /* POLICY bit 17 */
    {0x00b, 0x04,   TALLY_R_E_RESERVED_NONZERO},
    {0x00f, 0x80,   TALLY_R_E_RESERVED_NONZERO},
    {0x030, 4,      TALLY_R_E_VMPL            },
    {0x033, 0xff,   TALLY_R_E_VMPL            },
    {0x034, 0,      TALLY_R_E_ALGORITHM       },
    {0x034, 2,      TALLY_R_E_ALGORITHM       },
    {0x048, 2 << 2, TALLY_R_E_CERT_TYPE       },
    {0x048, 7 << 2, TALLY_R_E_CERT_TYPE       },
    {0x048, 0x20,   TALLY_R_E_RESERVED_NONZERO},
    {0x04b, 0x80,   TALLY_R_E_RESERVED_NONZERO},
    {0x04c, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x110, 1,      TALLY_R_E_FORMAT          }, /* author key digest without author key */
    {0x18b, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x19f, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x1eb, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x1ef, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x1f8, 1,      TALLY_R_E_RESERVED_NONZERO}, /* mitigation vectors are version 5's */
    {0x200, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x208, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x29f, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x330, 1,      TALLY_R_E_RESERVED_NONZERO},
    {0x49f, 1,      TALLY_R_E_RESERVED_NONZERO},
};

START_TEST(each_structural_rule_refuses_by_its_name)
{
    uint8_t b[TALLY_SNP_REPORT_BYTES + 1];

    base(b, "genoa_v3_ccf");
    ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES), TALLY_R_NONE);
    b[changes[_i].at] = changes[_i].value;
    ck_assert_msg(refusal(b, TALLY_SNP_REPORT_BYTES) == changes[_i].reason, "byte %zx: %s",
                  changes[_i].at, tally_why());
}
END_TEST

/* Every bit that must be zero, in the version that has the fewest and the most of them. */
START_TEST(each_reserved_bit_is_refused)
{
    static const struct {
        size_t from, until; /* bytes */
        uint32_t version_max;
    } zeros[] = {
        {0x00c, 0x010, 5},
        {0x049, 0x050, 5},
        {0x18b, 0x1a0, 5},
        {0x1eb, 0x1ec, 5},
        {0x1ef, 0x1f0, 5},
        {0x1f8, 0x208, 4},
        {0x208, 0x2a0, 5},
        {0x330, 0x4a0, 5},
        {0x188, 0x18b, 2}
    };
    uint8_t b[TALLY_SNP_REPORT_BYTES + 1];

    for (uint8_t version = 2; version <= 5; version++) {
        base(b, version == 2 ? "milan_v2_virtee" : "genoa_v3_ccf");
        b[0] = version;
        ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES), TALLY_R_NONE);
        for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++) {
            for (size_t bit = 8 * zeros[i].from; bit < 8 * zeros[i].until; bit++) {
                b[bit / 8] ^= (uint8_t)(1U << bit % 8);
                bool reserved = version <= zeros[i].version_max;
                ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES),
                                 reserved ? TALLY_R_E_RESERVED_NONZERO : TALLY_R_NONE);
                b[bit / 8] ^= (uint8_t)(1U << bit % 8);
            }
        }
    }
}
END_TEST

START_TEST(no_version_but_two_to_five)
{
    uint8_t b[TALLY_SNP_REPORT_BYTES + 1];

    base(b, "genoa_v3_ccf");
    memset(b, 0xff, 4);
    ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES), TALLY_R_E_VERSION);
    for (unsigned i = 0; i < 256; i++) {
        if (i >= 2 && i <= 5) continue;
        memset(b, 0, 4);
        b[0] = (uint8_t)i;
        ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES), TALLY_R_E_VERSION);
    }
    memset(b, 0, 4);
    b[0] = 3;
    b[1] = 1; /* 259 */
    ck_assert_int_eq(refusal(b, TALLY_SNP_REPORT_BYTES), TALLY_R_E_VERSION);
}
END_TEST

START_TEST(a_turin_tcb_has_another_layout)
{
    const struct tally_snp_tcb t = {
        {1, 2, 3, 4, 0, 0, 0, 8}
    };
    struct tally_snp_tcb_parts turin = tally_snp_tcb_parts(TALLY_SNP_TURIN, &t);
    struct tally_snp_tcb_parts genoa = tally_snp_tcb_parts(TALLY_SNP_GENOA, &t);

    ck_assert(turin.fmc == 1 && turin.boot_loader == 2 && turin.tee == 3 && turin.snp == 4 &&
              turin.microcode == 8 && turin.reserved_zero);
    ck_assert(genoa.fmc == 0 && genoa.boot_loader == 1 && genoa.tee == 2 && genoa.snp == 0 &&
              genoa.microcode == 8 && !genoa.reserved_zero);
}
END_TEST

START_TEST(a_tcb_is_compared_component_by_component)
{
    const struct tally_snp_tcb low = {
        {9, 0, 0, 0, 0, 0, 23, 84}
    };
    const struct tally_snp_tcb trap = {
        {8, 0, 0, 0, 0, 0, 23, 90}
    }; /* larger as one number */

    ck_assert(!tally_snp_tcb_at_most(TALLY_SNP_GENOA, &low, &trap));
    ck_assert(tally_snp_tcb_at_most(TALLY_SNP_GENOA, &low, &low));
}
END_TEST

START_TEST(products_follow_from_family_and_model)
{
    ck_assert_int_eq(tally_snp_product_of(0x19, 0x01), TALLY_SNP_MILAN);
    ck_assert_int_eq(tally_snp_product_of(0x19, 0x11), TALLY_SNP_GENOA);
    ck_assert_int_eq(tally_snp_product_of(0x19, 0xa0), TALLY_SNP_GENOA);
    ck_assert_int_eq(tally_snp_product_of(0x1a, 0x02), TALLY_SNP_TURIN);
    ck_assert_int_eq(tally_snp_product_of(0x19, 0x20), TALLY_SNP_UNKNOWN);
    ck_assert_int_eq(tally_snp_product_of(0x1a, 0x12), TALLY_SNP_UNKNOWN);
    ck_assert_int_eq(tally_snp_product_of(0x00, 0x00), TALLY_SNP_UNKNOWN);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("snp_report");

    tcase_add_test(t, real_reports_decode_and_encode_to_the_same_bytes);
    tcase_add_test(t, every_prefix_and_every_added_byte_is_refused);
    tcase_add_loop_test(t, each_structural_rule_refuses_by_its_name, 0,
                        (int)(sizeof changes / sizeof changes[0]));
    tcase_add_test(t, each_reserved_bit_is_refused);
    tcase_add_test(t, no_version_but_two_to_five);
    tcase_add_test(t, a_turin_tcb_has_another_layout);
    tcase_add_test(t, a_tcb_is_compared_component_by_component);
    tcase_add_test(t, products_follow_from_family_and_model);
    return tally_suite_run("common/snp_report", t);
}
