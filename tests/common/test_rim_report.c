/* test_rim_report.c - common/attest/rim_compare.c over every published report that has a manifest
 * (vectors/nvgpu, expected.json). */
#include <stdio.h>
#include <string.h>

#include "common/attest/rim.h"
#include "common/attest/verdict.h"
#include "tests/lib/rim_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

/* The 64 or 31 digests of a report whose format others judge (C3.1). */
static void digests_of(struct tally_slice report, uint32_t n, uint8_t out[][48])
{
    enum { REQUEST = 37, HEAD = 8, BLOCK = 55, VALUE = 7 };

    ck_assert_uint_ge(report.len, REQUEST + HEAD + n * BLOCK);
    ck_assert_uint_eq(report.at[REQUEST + 4], n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *b = report.at + REQUEST + HEAD + i * BLOCK;
        ck_assert_uint_eq(b[0], i + 1);
        memcpy(out[i], b + VALUE, 48);
    }
}

static struct tally_slice word(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));

    return tally_slice_str(s != NULL ? s : "");
}

struct measured {
    uint8_t digests[64][48];
    struct tally_rim_report report;
};

static void measure(const json_t *row, struct measured *m)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    bool gpu = strcmp(json_string_value(json_object_get(row, "kind")), "gpu") == 0;
    uint32_t n = (uint32_t)json_integer_value(json_object_get(row, "nblk"));
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%.100s/report.bin", gpu ? "reports" : "switch", name);
    struct tally_slice bytes = rim_vector_load(path);
    digests_of(bytes, n, m->digests);
    rim_vector_drop(bytes);
    m->report = (struct tally_rim_report){
        .digests = (const uint8_t(*)[48])m->digests,
        .n = n,
        .nvdec_disabled = tally_slice_equal(word(row, "nvdec"), tally_slice_str("55")),
        .driver_version = word(row, "driver"),
        .vbios_version = word(row, "vbios"),
        .product = tally_slice_str(gpu ? "GH100" : "LS10")};
}

/* A manifest by the name in a report's row, where the tampered ones have no "NEG_". */
static void read_named(const char *name, struct tally_rim *r)
{
    char path[256];

    (void)snprintf(path, sizeof path, "vectors/nvgpu/rims/NEG_%s", name);
    FILE *f = fopen(tally_vectors_path(path), "rb");
    if (f != NULL) (void)fclose(f);
    (void)snprintf(path, sizeof path, "%s%s", f != NULL ? "NEG_" : "", name);
    struct tally_slice xml = rim_vector(path);
    ck_assert_int_eq(tally_rim_read(xml, r), TALLY_OK);
    rim_vector_drop(xml);
}

static void check_mismatches(const json_t *want, const struct tally_verdict *v, const char *name)
{
    size_t n = 0;

    for (uint32_t i = 0; i < v->failed_n; i++) {
        unsigned index;
        if (v->failed[i].reason != TALLY_R_E_MEASUREMENT) continue;
        ck_assert_int_eq(
            sscanf(v->failed[i].why, "measurement %u is none of the manifest's", &index), 1);
        ck_assert_msg(index == json_integer_value(json_array_get(want, n)), "%s: %u", name, index);
        n++;
    }
    ck_assert_uint_eq(n, json_array_size(want));
}

START_TEST(every_report_differs_from_each_manifest_exactly_where_the_table_says)
{
    static struct tally_rim r;
    static struct tally_verdict v;
    static struct measured m;
    unsigned pairs = 0;
    size_t i;
    json_t *row, *list;
    const char *name;

    json_array_foreach(rim_vectors_table("rows"), i, row)
    {
        if (json_object_size(json_object_get(row, "rims")) == 0) continue;
        measure(row, &m);
        json_object_foreach(json_object_get(row, "rims"), name, list)
        {
            read_named(name, &r);
            bool driver = r.kind == TALLY_RIM_DRIVER;
            tally_verdict_init(&v);
            tally_rim_compare(driver ? &r : NULL, driver ? NULL : &r, &m.report, &v);
            check_mismatches(list, &v, name);
            bool other =
                strcmp(r.product, (const char *)m.report.product.at) != 0 ||
                !tally_slice_equal(tally_slice_str(r.version),
                                   driver ? m.report.driver_version : m.report.vbios_version);
            bool said = v.failed_n > 0 && v.failed[0].reason == TALLY_R_E_RIM_VERSION;
            ck_assert_msg(said == other, "%s", name);
            pairs++;
        }
    }
    ck_assert_uint_eq(pairs, 14);
}
END_TEST

static const json_t *row_named(const char *name)
{
    size_t i;
    json_t *row;

    json_array_foreach(rim_vectors_table("rows"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0) return row;
    }
    ck_abort_msg("no report %s", name);
}

static void verified(const char *name, const char *when, struct tally_rim *r)
{
    struct tally_slice xml = rim_vector(name);

    ck_assert_msg(rim_vector_verify(xml, rim_vector_time(when), r) == TALLY_OK, "%s: %s", name,
                  tally_why());
    rim_vector_drop(xml);
}

START_TEST(a_gpu_and_a_switch_match_from_end_to_end)
{
    static struct tally_rim driver, vbios;
    static struct tally_verdict v;
    static struct measured m;

    measure(row_named("hopper_545_full_rim_match"), &m);
    verified("Driver_RIM_test_no_gpu.swidtag", "2024-06-01T00:00:00Z", &driver);
    verified("1010_0200_882_96005E0001_test_no_gpu.swidtag", "2024-06-01T00:00:00Z", &vbios);
    tally_verdict_init(&v);
    tally_rim_compare(&driver, &vbios, &m.report, &v);
    ck_assert_msg(v.failed_n == 0, "%s", v.failed[0].why);
    measure(row_named("switch_ls10_full_rim_match"), &m);
    verified("switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml", "2026-06-01T00:00:00Z",
             &vbios);
    tally_rim_compare(NULL, &vbios, &m.report, &v);
    ck_assert_msg(v.failed_n == 0, "%s", v.failed[0].why);
}
END_TEST

/* With the unit on, index 35 counts: what these manifests say of it is another value. */
START_TEST(only_a_disabled_decoder_excuses_measurement_35)
{
    static struct tally_rim driver, vbios;
    static struct tally_verdict v;
    static struct measured m;

    measure(row_named("hopper_545_full_rim_match"), &m);
    verified("Driver_RIM_test_no_gpu.swidtag", "2024-06-01T00:00:00Z", &driver);
    verified("1010_0200_882_96005E0001_test_no_gpu.swidtag", "2024-06-01T00:00:00Z", &vbios);
    memset(m.digests[35], 0x5a, 48);
    tally_verdict_init(&v);
    tally_rim_compare(&driver, &vbios, &m.report, &v);
    ck_assert_uint_eq(v.failed_n, 0);
    m.report.nvdec_disabled = false;
    tally_rim_compare(&driver, &vbios, &m.report, &v);
    ck_assert_uint_eq(v.failed_n, 1);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_MEASUREMENT);
    ck_assert_str_eq(v.failed[0].why, "measurement 35 is none of the manifest's");
}
END_TEST

START_TEST(the_manifest_of_another_version_or_place_is_refused)
{
    static struct tally_rim driver, vbios;
    static struct tally_verdict v;
    static struct measured m;

    measure(row_named("hopper_545_full_rim_match"), &m);
    verified("NV_GPU_DRIVER_GH100_550.144.03.xml", "2025-06-01T00:00:00Z", &driver);
    verified("1010_0200_882_96005E0001_test_no_gpu.swidtag", "2024-06-01T00:00:00Z", &vbios);
    tally_verdict_init(&v);
    tally_rim_compare(&driver, &vbios, &m.report, &v);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_RIM_VERSION);
    ck_assert_str_eq(v.failed[0].why, "the manifest is of driver 550.144.03, the report of 545.00");
    tally_verdict_init(&v);
    tally_rim_compare(&vbios, &vbios, &m.report, &v);
    ck_assert_uint_eq(v.failed_n, 2);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_RIM_VERSION);
    ck_assert_int_eq(v.failed[1].reason, TALLY_R_E_RIM_CONFLICT);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("rim_report");

    tcase_add_checked_fixture(t, rim_vectors_setup, rim_vectors_teardown);
    tcase_add_test(t, every_report_differs_from_each_manifest_exactly_where_the_table_says);
    tcase_add_test(t, a_gpu_and_a_switch_match_from_end_to_end);
    tcase_add_test(t, only_a_disabled_decoder_excuses_measurement_35);
    tcase_add_test(t, the_manifest_of_another_version_or_place_is_refused);
    return tally_suite_run("common/rim_report", t);
}
