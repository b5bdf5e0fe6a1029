/* test_rim_compare.c - common/attest/rim_compare.c on values of our own; test_rim.c has the real
 * reports and manifests. */
#include <string.h>

#include "common/attest/verdict.h"
#include "tests/lib/simulated_rim.h"
#include "tests/lib/suite.h"

#define DRIVER "580.95.05"
#define VBIOS  "96.00.74.00.1A"
static const uint64_t driver_mask = 0x0000fff000000f80, vbios_mask = 0x0000000000000067;

static struct {
    struct tally_rim driver, vbios;
    uint8_t digests[TALLY_RIM_MEASUREMENTS][TALLY_RIM_HASH_BYTES];
    struct tally_rim_report report;
    struct tally_verdict v;
} c;

static void compare_init(void)
{
    simulated_rim_init(&c.driver, DRIVER, driver_mask, 3);
    simulated_rim_init(&c.vbios, VBIOS, vbios_mask, 2);
    for (uint32_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) simulated_rim_hash(i, 1, c.digests[i]);
    c.report = (struct tally_rim_report){.digests = (const uint8_t(*)[48])c.digests,
                                         .n = TALLY_RIM_MEASUREMENTS,
                                         .driver_version = tally_slice_str(DRIVER),
                                         .vbios_version = tally_slice_str(VBIOS),
                                         .product = tally_slice_str("GH100")};
    tally_verdict_init(&c.v);
}

static void compare(void)
{
    tally_verdict_init(&c.v);
    tally_rim_compare(&c.driver, &c.vbios, &c.report, &c.v);
}

static void only(enum tally_reason reason, const char *why)
{
    compare();
    ck_assert_uint_eq(c.v.failed_n, 1);
    ck_assert_int_eq(c.v.failed[0].reason, reason);
    ck_assert_str_eq(c.v.failed[0].why, why);
}

START_TEST(any_alternative_is_good_and_no_other_value)
{
    compare_init();
    compare();
    ck_assert_uint_eq(c.v.failed_n, 0);
    simulated_rim_hash(8, 2, c.digests[8]);
    compare();
    ck_assert_uint_eq(c.v.failed_n, 0);
    simulated_rim_hash(8, 3, c.digests[8]);
    only(TALLY_R_E_MEASUREMENT, "measurement 8 is none of the manifest's");
    simulated_rim_hash(8, 0, c.digests[8]);
    simulated_rim_hash(5, 2, c.digests[5]); /* the VBIOS manifest has two */
    only(TALLY_R_E_MEASUREMENT, "measurement 5 is none of the manifest's");
    simulated_rim_hash(6, 0, c.digests[5]); /* another index's value */
    only(TALLY_R_E_MEASUREMENT, "measurement 5 is none of the manifest's");
    simulated_rim_hash(5, 0, c.digests[5]);
    memset(c.digests[63], 0, 48); /* active nowhere */
    compare();
    ck_assert_uint_eq(c.v.failed_n, 0);
}
END_TEST

START_TEST(at_most_eight_mismatches_are_named)
{
    compare_init();
    memset(c.digests, 0, sizeof c.digests);
    compare();
    ck_assert_uint_eq(c.v.failed_n, TALLY_RIM_MISMATCHES_MAX + 1);
    ck_assert_str_eq(c.v.failed[0].why, "measurement 0 is none of the manifest's");
    ck_assert_str_eq(c.v.failed[8].why, "and 14 measurements more");
    for (uint32_t i = 0; i < c.v.failed_n; i++)
        ck_assert_int_eq(c.v.failed[i].reason, TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(a_report_with_fewer_measurements_does_not_match)
{
    compare_init();
    c.report.n = 47;
    only(TALLY_R_E_MEASUREMENT, "measurement 47 of the manifest is not in the report");
    c.report.n = 48;
    compare();
    ck_assert_uint_eq(c.v.failed_n, 0);
    c.report.n = 0;
    compare();
    ck_assert_uint_eq(c.v.failed_n, TALLY_RIM_MISMATCHES_MAX + 1);
}
END_TEST

START_TEST(a_measurement_active_in_both_is_a_conflict)
{
    compare_init();
    c.vbios.measurements[7].active = true;
    only(TALLY_R_E_RIM_CONFLICT, "measurement 7 is active in both manifests");
}
END_TEST

START_TEST(each_manifest_has_to_have_something_active)
{
    compare_init();
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) c.vbios.measurements[i].active = false;
    only(TALLY_R_E_RIM_EMPTY, "the VBIOS manifest has no active measurement");
    compare_init();
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) c.driver.measurements[i].active = false;
    only(TALLY_R_E_RIM_EMPTY, "the driver manifest has no active measurement");
}
END_TEST

START_TEST(versions_products_and_places_are_the_reports)
{
    compare_init();
    c.report.driver_version = tally_slice_str("580.95.0");
    only(TALLY_R_E_RIM_VERSION, "the manifest is of driver 580.95.05, the report of 580.95.0");
    compare_init();
    c.report.vbios_version = tally_slice_of(VBIOS "\0", sizeof VBIOS);
    compare();
    ck_assert_uint_eq(c.v.failed_n, 1);
    ck_assert_int_eq(c.v.failed[0].reason, TALLY_R_E_RIM_VERSION);
    compare_init();
    c.report.product = tally_slice_str("GB100");
    compare();
    ck_assert_uint_eq(c.v.failed_n, 2);
    ck_assert_int_eq(c.v.failed[1].reason, TALLY_R_E_RIM_VERSION);
    compare_init();
    struct tally_rim swap = c.driver;
    c.driver = c.vbios;
    c.vbios = swap;
    compare();
    ck_assert_uint_eq(c.v.failed_n, 2);
    ck_assert_str_eq(c.v.failed[0].why, "a manifest of a VBIOS where that of a driver belongs");
    ck_assert_int_eq(c.v.failed[1].reason, TALLY_R_E_RIM_VERSION);
}
END_TEST

START_TEST(one_manifest_alone_is_compared)
{
    compare_init();
    tally_rim_compare(NULL, &c.vbios, &c.report, &c.v);
    ck_assert_uint_eq(c.v.failed_n, 0);
    tally_rim_compare(&c.driver, NULL, &c.report, &c.v);
    ck_assert_uint_eq(c.v.failed_n, 0);
    memset(c.digests[0], 0, 48);
    tally_rim_compare(&c.driver, NULL, &c.report, &c.v);
    ck_assert_uint_eq(c.v.failed_n, 0);
    tally_rim_compare(NULL, &c.vbios, &c.report, &c.v);
    ck_assert_uint_eq(c.v.failed_n, 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rim_compare");

    tcase_add_test(t, any_alternative_is_good_and_no_other_value);
    tcase_add_test(t, at_most_eight_mismatches_are_named);
    tcase_add_test(t, a_report_with_fewer_measurements_does_not_match);
    tcase_add_test(t, a_measurement_active_in_both_is_a_conflict);
    tcase_add_test(t, each_manifest_has_to_have_something_active);
    tcase_add_test(t, versions_products_and_places_are_the_reports);
    tcase_add_test(t, one_manifest_alone_is_compared);
    return tally_suite_run("common/rim_compare", t);
}
