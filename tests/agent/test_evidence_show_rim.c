/* test_evidence_show_rim.c - agent/evidence_show_rim.c over every published manifest. */
#include <stdlib.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "tests/lib/rim_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

#define DRIVER "NV_GPU_DRIVER_GH100_550.144.03.xml"

static const char *value_of(const json_t *fields, const char *name)
{
    size_t i;
    json_t *f;

    json_array_foreach(fields, i, f)
    {
        if (strcmp(json_string_value(json_object_get(f, "field")), name) == 0)
            return json_string_value(json_object_get(f, "value"));
    }
    return NULL;
}

START_TEST(every_manifest_is_shown_with_its_measurements)
{
    size_t i;
    json_t *row;

    json_array_foreach(rim_vectors_table("rims"), i, row)
    {
        struct tally_slice xml = rim_vector(json_string_value(json_object_get(row, "name")));
        json_t *fields = json_array();
        ck_assert_int_eq(evidence_show_rim(xml, fields), TALLY_OK);
        ck_assert_str_eq(value_of(fields, "colloquialVersion"),
                         json_string_value(json_object_get(row, "ver")));
        ck_assert_str_eq(value_of(fields, "product"),
                         json_string_value(json_object_get(row, "product")));
        ck_assert_ptr_nonnull(value_of(fields, "measurement 63"));
        ck_assert_ptr_nonnull(strstr(value_of(fields, "X509Certificate 1"), "L4"));
        json_decref(fields);
        rim_vector_drop(xml);
    }
}
END_TEST

START_TEST(a_value_stands_at_its_offset)
{
    struct tally_slice xml = rim_vector(DRIVER);
    json_t *fields = json_array(), *f;
    unsigned hashes = 0;
    size_t i;

    ck_assert_int_eq(evidence_show_rim(xml, fields), TALLY_OK);
    json_array_foreach(fields, i, f)
    {
        const char *name = json_string_value(json_object_get(f, "field"));
        const char *value = json_string_value(json_object_get(f, "value"));
        size_t at = (size_t)json_integer_value(json_object_get(f, "offset"));
        size_t size = (size_t)json_integer_value(json_object_get(f, "size"));
        ck_assert_uint_le(at + size, xml.len);
        hashes += strstr(name, " of ") != NULL;
        if (strstr(name, "X509") == NULL) ck_assert_mem_eq(xml.at + at, value, size);
    }
    ck_assert_uint_ge(hashes, 21);
    ck_assert_str_eq(value_of(fields, "X509Certificate 4"),
                     "NVIDIA CoRIM signing Root CA, 2023-03-16T15:37:34Z to 2053-03-08T15:37:34Z");
    json_decref(fields);
    rim_vector_drop(xml);
}
END_TEST

START_TEST(what_is_no_manifest_is_refused_as_the_verifier_does)
{
    struct tally_slice xml = rim_vector(DRIVER);
    json_t *fields = json_array();

    ck_assert_int_ne(evidence_show_rim(tally_slice_of(xml.at, xml.len / 2), fields), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_FORMAT);
    ck_assert_uint_eq(json_array_size(fields), 0);
    json_decref(fields);
    rim_vector_drop(xml);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("evidence_show_rim");

    tcase_add_checked_fixture(t, rim_vectors_setup, rim_vectors_teardown);
    tcase_add_test(t, every_manifest_is_shown_with_its_measurements);
    tcase_add_test(t, a_value_stands_at_its_offset);
    tcase_add_test(t, what_is_no_manifest_is_refused_as_the_verifier_does);
    return tally_suite_run("agent/evidence_show_rim", t);
}
