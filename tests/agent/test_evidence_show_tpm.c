/* test_evidence_show_tpm.c - agent/evidence_show_{tpm,azure,eventlog}.c over every published file.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

static const char *value(const json_t *fields, const char *name)
{
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *f = json_array_get(fields, i);
        if (strcmp(json_string_value(json_object_get(f, "field")), name) == 0)
            return json_string_value(json_object_get(f, "value"));
    }
    return "";
}

/* Every field lies in the file and has a value. */
static void check_fields(const json_t *fields, size_t file_len, size_t least)
{
    ck_assert_uint_ge(json_array_size(fields), least);
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *f = json_array_get(fields, i);
        size_t at = (size_t)json_integer_value(json_object_get(f, "offset"));
        size_t size = (size_t)json_integer_value(json_object_get(f, "size"));
        ck_assert_msg(at + (at == 0 ? 0 : size) <= file_len, "%s",
                      json_string_value(json_object_get(f, "field")));
        ck_assert_ptr_nonnull(json_object_get(f, "value"));
    }
}

START_TEST(every_real_quote_and_blob_is_shown)
{
    size_t n;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        json_t *fields = json_array(), *blob = json_array();
        if (v[i].in.attest.at != NULL) {
            ck_assert_int_eq(evidence_show_tpm(v[i].in.attest, fields), TALLY_OK);
            check_fields(fields, v[i].in.attest.len, 12);
            ck_assert_str_eq(value(fields, "pcrSelect"), "SHA-256: 0-23");
            ck_assert_str_eq(value(fields, "type"), "0x8018");
        }
        if (v[i].hcl.at != NULL) {
            ck_assert_int_eq(evidence_show_azure(v[i].hcl, blob), TALLY_OK);
            check_fields(blob, v[i].hcl.len, 14);
            ck_assert_str_eq(value(blob, "tpm-enabled"), "yes");
        }
        json_decref(fields);
        json_decref(blob);
    }
}
END_TEST

START_TEST(both_real_logs_are_shown_event_by_event)
{
    json_t *tpm = json_array(), *ccel = json_array();
    struct tally_slice log = tpm_vector_named("gce_cos85_no_nonce")->in.eventlog;
    struct tally_slice area = tpm_vector_file("tdx/extra/gcp_cos113_ccel_data.bin");

    ck_assert_int_eq(evidence_show_eventlog(log, tpm), TALLY_OK);
    check_fields(tpm, log.len, 1 + 44 + 24);
    ck_assert_ptr_nonnull(strstr(value(tpm, "PCR 4 EV_EFI_ACTION"), "Calling EFI Application"));
    ck_assert_ptr_nonnull(strstr(value(tpm, "PCR 0 EV_S_CRTM_VERSION"), "GCE Virtual Firmware v1"));
    ck_assert_int_eq(evidence_show_eventlog(area, ccel), TALLY_OK);
    check_fields(ccel, area.len, 1 + 43 + 4);
    ck_assert_ptr_nonnull(strstr(value(ccel, "RTMR1 EV_EFI_ACTION"), "Calling EFI Application"));
    ck_assert_ptr_nonnull(strstr(value(ccel, "log"), "CCEL"));
    ck_assert_uint_eq(strlen(value(ccel, "RTMR0")), 96);
    json_decref(tpm);
    json_decref(ccel);
}
END_TEST

START_TEST(what_does_not_parse_gives_the_verifiers_refusal)
{
    struct tally_slice quote = tpm_vector_named("azure_tdx_v1")->in.attest;
    struct tally_slice blob = tpm_vector_named("azure_tdx_v1")->hcl;
    json_t *fields = json_array();

    ck_assert_int_ne(evidence_show_tpm(blob, fields), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    ck_assert_int_ne(evidence_show_azure(quote, fields), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUNCATED);
    ck_assert_int_ne(evidence_show_eventlog(quote, fields), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    ck_assert_uint_eq(json_array_size(fields), 0);
    json_decref(fields);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("evidence_show_tpm");

    tally_vectors_need();
    tcase_add_test(t, every_real_quote_and_blob_is_shown);
    tcase_add_test(t, both_real_logs_are_shown_event_by_event);
    tcase_add_test(t, what_does_not_parse_gives_the_verifiers_refusal);
    return tally_suite_run("evidence_show_tpm", t);
}
