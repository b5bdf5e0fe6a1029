/* test_evidence_show_tdx.c - agent/evidence_show_tdx.c over every published quote. */
#include <stdlib.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

static const char *value(const json_t *fields, const char *name, size_t *offset, size_t *size)
{
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *f = json_array_get(fields, i);
        if (strcmp(json_string_value(json_object_get(f, "field")), name) != 0) continue;
        *offset = (size_t)json_integer_value(json_object_get(f, "offset"));
        *size = (size_t)json_integer_value(json_object_get(f, "size"));
        return json_string_value(json_object_get(f, "value"));
    }
    return NULL;
}

/* The value in hex is the file's own bytes at that offset. */
static void check_place(const json_t *fields, const char *name, struct tally_slice quote)
{
    char hex[2 * 64 + 1];
    size_t at = 0, size = 0;
    const char *v = value(fields, name, &at, &size);

    ck_assert_msg(v != NULL && size > 0 && size <= 64 && at + size <= quote.len, "%s", name);
    tally_hex(tally_slice_of(quote.at + at, size), hex);
    ck_assert_msg(strcmp(hex, v) == 0, "%s", name);
}

START_TEST(every_field_shown_is_where_it_is_said_to_be)
{
    static const char *const names[] = {
        "QE_VENDOR_ID", "TEE_TCB_SVN", "MRSEAM",          "MRSIGNERSEAM", "MRTD",
        "MRCONFIGID",   "MROWNER",     "MROWNERCONFIG",   "RTMR0",        "RTMR3",
        "REPORTDATA",   "SIGNATURE",   "ATTESTATION_KEY", "QE_CPUSVN",    "QE_ATTRIBUTES",
        "QE_MRENCLAVE", "QE_MRSIGNER", "QE_REPORTDATA",   "QE_SIGNATURE", "QE_AUTH_DATA"};
    size_t n, shown = 0;
    const struct tdx_row *rows = tdx_rows(&n);

    for (size_t i = 0; i < n; i++) {
        json_t *fields = json_array();
        enum tally_status s = evidence_show_tdx(rows[i].quote, fields);
        ck_assert_msg((s == TALLY_OK) == (rows[i].version != 3), "%s: %s", rows[i].name,
                      tally_why());
        if (s == TALLY_OK) {
            size_t at, size;
            for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
                check_place(fields, names[k], rows[i].quote);
            if (rows[i].version == 5) check_place(fields, "MRSERVICETD", rows[i].quote);
            ck_assert_ptr_nonnull(value(fields, "FMSPC", &at, &size));
            ck_assert_ptr_nonnull(value(fields, "PCK_CHAIN", &at, &size));
            ck_assert_mem_eq(rows[i].quote.at + at, "-----BEGIN", 10);
            ck_assert_uint_eq(at + size, rows[i].quote_len);
            shown++;
        }
        json_decref(fields);
    }
    ck_assert_uint_eq(shown, 15);
}
END_TEST

START_TEST(attributes_are_named)
{
    json_t *fields = json_array();
    size_t found = 0;

    ck_assert_int_eq(evidence_show_tdx(tdx_row_named("spr_v4_debug_coco")->quote, fields),
                     TALLY_OK);
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *f = json_array_get(fields, i);
        if (strcmp(json_string_value(json_object_get(f, "field")), "TDATTRIBUTES") != 0) continue;
        const char *meaning = json_string_value(json_object_get(f, "meaning"));
        ck_assert(strstr(meaning, " DEBUG") != NULL && strstr(meaning, "SEPT_VE_DISABLE") != NULL);
        ck_assert_ptr_null(strstr(meaning, "PERFMON"));
        found++;
    }
    ck_assert_uint_eq(found, 1);
    json_decref(fields);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("evidence_show_tdx");

    tcase_add_test(t, every_field_shown_is_where_it_is_said_to_be);
    tcase_add_test(t, attributes_are_named);
    return tally_suite_run("agent/evidence_show_tdx", t);
}
