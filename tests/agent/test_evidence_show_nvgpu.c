/* test_evidence_show_nvgpu.c - agent/evidence_show_nvgpu.c over every published report. */
#include <stdio.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static const char *value_of(const json_t *fields, const char *name)
{
    size_t i;
    json_t *f;

    json_array_foreach(fields, i, f)
    {
        if (strcmp(json_string_value(json_object_get(f, "field")), name) == 0)
            return json_string_value(json_object_get(f, "value"));
    }
    return "";
}

static struct tally_slice trimmed(const struct gpu_vector *v)
{
    struct tally_slice s = v->in.report;

    if (strcmp(v->name, "hopper_580_95_05_coco") == 0) s.len--; /* a stray byte */
    return s;
}

START_TEST(every_report_is_shown_as_the_table_has_it)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        json_t *fields = json_array();
        ck_assert_int_eq(evidence_show_nvgpu(trimmed(&v[i]), fields), TALLY_OK);
        ck_assert_str_eq(value_of(fields, "DRIVER_VERSION"), gpu_vector_text(&v[i], "driver"));
        ck_assert_str_eq(value_of(fields, "VBIOS_VERSION"), gpu_vector_text(&v[i], "vbios"));
        ck_assert_str_eq(value_of(fields, "REQUEST_NONCE"), gpu_vector_text(&v[i], "nonce"));
        ck_assert_uint_eq(strlen(value_of(fields, "MEASUREMENT_31")), 96);
        ck_assert_str_eq(value_of(fields, "UNKNOWN"), "");
        json_decref(fields);
    }
}
END_TEST

/* Fields follow each other, and what is shown in hex stands where it is said to. */
START_TEST(a_value_stands_at_its_offset)
{
    size_t n, i;
    const struct gpu_vector *v = gpu_vectors(&n);
    json_t *f;

    for (size_t k = 0; k < n; k++) {
        struct tally_slice in = trimmed(&v[k]);
        json_t *fields = json_array();
        size_t end = 0, hexes = 0;
        ck_assert_int_eq(evidence_show_nvgpu(in, fields), TALLY_OK);
        json_array_foreach(fields, i, f)
        {
            const char *value = json_string_value(json_object_get(f, "value"));
            size_t at = (size_t)json_integer_value(json_object_get(f, "offset"));
            size_t size = (size_t)json_integer_value(json_object_get(f, "size"));
            uint8_t bytes[64];
            ck_assert(at >= end && at + size <= in.len);
            end = at + size;
            if (size < 5 || size > sizeof bytes || strlen(value) != 2 * size) continue;
            ck_assert_int_eq(tally_unhex(value, bytes, size), TALLY_OK);
            ck_assert_mem_eq(bytes, in.at + at, size);
            hexes++;
        }
        ck_assert_uint_eq(end, in.len);
        ck_assert_uint_gt(hexes, 31);
        json_decref(fields);
    }
}
END_TEST

START_TEST(links_and_modes_are_shown_in_words)
{
    json_t *fields = json_array();

    ck_assert_int_eq(evidence_show_nvgpu(gpu_vector("hopper_590_12_ppcie8_0")->in.report, fields),
                     TALLY_OK);
    ck_assert_str_eq(value_of(fields, "FEATURE_FLAG"), "ppcie");
    ck_assert_str_eq(value_of(fields, "PROTECTED_PCIE_STATUS"), "on");
    ck_assert_str_eq(value_of(fields, "NVDEC0_STATUS"), "off");
    ck_assert_uint_eq(strlen(value_of(fields, "SWITCH_ID")), 4 * 17 - 1);
    json_array_clear(fields);
    ck_assert_int_eq(evidence_show_nvgpu(gpu_vector("switch_ls10_ppcie_0")->in.report, fields),
                     TALLY_OK);
    ck_assert_str_eq(value_of(fields, "SWITCH_ID"), "666e93e19dec7d2d");
    ck_assert_uint_eq(strlen(value_of(fields, "GPU_IDS")), 8 * 17 - 1);
    json_decref(fields);
}
END_TEST

START_TEST(what_is_no_report_is_refused_as_the_verifier_does)
{
    const struct gpu_vector *v = gpu_vector("hopper_580_95_05_coco");
    json_t *fields = json_array();

    ck_assert_int_ne(evidence_show_nvgpu(v->in.report, fields), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
    ck_assert_uint_eq(json_array_size(fields), 0);
    json_decref(fields);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("evidence_show_nvgpu");

    tcase_add_test(t, every_report_is_shown_as_the_table_has_it);
    tcase_add_test(t, a_value_stands_at_its_offset);
    tcase_add_test(t, links_and_modes_are_shown_in_words);
    tcase_add_test(t, what_is_no_report_is_refused_as_the_verifier_does);
    return tally_suite_run("agent/evidence_show_nvgpu", t);
}
