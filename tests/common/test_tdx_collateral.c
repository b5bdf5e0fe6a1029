/* test_tdx_collateral.c - common/attest/tdx_collateral.c: files to parts, by exact bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

static enum tally_status put(struct tally_tdx_collateral *c, const char *name, const char *text)
{
    return tally_tdx_collateral_put(c, tally_slice_str(name), tdx_copy(tally_slice_str(text)));
}

START_TEST(a_response_gives_the_bytes_that_were_signed)
{
    size_t n;
    const struct tdx_bundle *list = tdx_bundles(&n);
    static const char *const files[][3] = {
        {"tcb_info_response.json",    "tcb_info.json",    "tcb_info.sig.hex"   },
        {"qe_identity_response.json", "qe_identity.json", "qe_identity.sig.hex"}
    };

    for (size_t i = 0; i < n * 2; i++) {
        struct tally_tdx_collateral c = {0};
        struct tally_slice f[3];
        char path[160];
        for (size_t k = 0; k < 3; k++) {
            (void)snprintf(path, sizeof path, "collateral/%.31s/%s", list[i / 2].name,
                           files[i % 2][k]);
            f[k] = tdx_file(path);
        }
        ck_assert_int_eq(tally_tdx_collateral_put(&c, tally_slice_str(files[i % 2][0]), f[0]),
                         TALLY_OK);
        ck_assert(tally_slice_equal(i % 2 ? c.qe_identity : c.tcb_info, f[1]));
        ck_assert(tally_slice_equal(i % 2 ? c.qe_identity_sig : c.tcb_info_sig, f[2]));
        ck_assert(i % 2 ? c.tcb_info.at == NULL : c.qe_identity.at == NULL);
    }
}
END_TEST

START_TEST(both_forms_must_agree)
{
    struct tally_tdx_collateral c = tdx_bundle_named("2025-10_00806f05")->collateral;
    const struct tally_tdx_collateral other = tdx_bundle_named("2025-07_00806f05")->collateral;

    ck_assert_int_ne(tally_tdx_collateral_put(&c, tally_slice_str("tcb_info.json"), other.tcb_info),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
    ck_assert_int_ne(
        tally_tdx_collateral_put(&c, tally_slice_str("qe_identity.sig.hex"), other.qe_identity_sig),
        TALLY_OK);
    ck_assert_int_eq(
        tally_tdx_collateral_put(&c, tally_slice_str("tcb_info.json"), tdx_copy(c.tcb_info)),
        TALLY_OK);
    ck_assert_int_ne(tally_tdx_collateral_put(&c, tally_slice_str("pck_crl.der"), other.root_crl),
                     TALLY_OK);
}
END_TEST

START_TEST(names_are_the_last_part_of_a_path_and_others_are_no_matter)
{
    struct tally_tdx_collateral c = {0};

    ck_assert_int_eq(put(&c, "a/b/pck_crl.der", "x"), TALLY_OK);
    ck_assert_uint_eq(c.pck_crl.len, 1);
    ck_assert_int_eq(put(&c, "README", "x"), TALLY_OK);
    ck_assert_int_eq(put(&c, "", "x"), TALLY_OK);
    ck_assert_int_eq(put(&c, "pck_crl.der/", "y"), TALLY_OK);
    ck_assert_int_eq(put(&c, "xpck_crl.der", "y"), TALLY_OK);
    ck_assert_uint_eq(c.pck_crl.at[0], 'x');
}
END_TEST

START_TEST(a_signature_file_may_end_in_one_newline)
{
    struct tally_tdx_collateral c = {0}, d = {0};

    ck_assert_int_eq(put(&c, "tcb_info.sig.hex", "ab\n"), TALLY_OK);
    ck_assert_uint_eq(c.tcb_info_sig.len, 2);
    ck_assert_int_eq(put(&d, "tcb_info.sig.hex", "ab\n\n"), TALLY_OK);
    ck_assert_uint_eq(d.tcb_info_sig.len, 3); /* and is then no signature */
}
END_TEST

static const struct {
    const char *text;
    bool good;
} responses[] = {
    {"{\"tcbInfo\":{},\"signature\":\"00\"}",                        true },
    {" {\n\"signature\" : \"00\" , \"tcbInfo\" : { \"a\" : 1 } }\n", true },
    {"",                                                             false},
    {"{}",                                                           false},
    {"[]",                                                           false},
    {"{\"tcbInfo\":{}}",                                             false},
    {"{\"signature\":\"00\"}",                                       false},
    {"{\"tcbInfo\":{},\"signature\":\"00\",\"tcbInfo\":{}}",         false},
    {"{\"tcbInfo\":{},\"signature\":\"00\",\"signature\":\"00\"}",   false},
    {"{\"tcbInfo\":{},\"signature\":\"00\",\"x\":1}",                false},
    {"{\"tcbInfo\":{},\"signature\":0}",                             false},
    {"{\"tcbInfo\":[],\"signature\":\"00\"}",                        false},
    {"{\"tcbInfo\":\"{}\",\"signature\":\"00\"}",                    false},
    {"{\"tcbInfo\":{},\"signature\":\"00\"}x",                       false},
    {"{\"tcbInfo\":{},\"signature\":\"00\"}{}",                      false},
    {"{\"tcbInfo\":{\"signature\":\"00\"}",                          false},
    {"{\"enclaveIdentity\":{},\"signature\":\"00\"}",                false},
    {"{\"tcbInfo\":{\"a\":[[[[[[[[1]]]]]]]]},\"signature\":\"00\"}", false},
    {"{\"tcbInfo\":{\"a\":\"\\u007d,\"},\"signature\":\"00\"}",      true },
    {"{\"tcbInfo\":{\"a\":\"}\\\"\"},\"signature\":\"00\"}",         true },
};

START_TEST(a_response_has_two_keys_and_nothing_else)
{
    struct tally_tdx_collateral c = {0};
    enum tally_status s = put(&c, "tcb_info_response.json", responses[_i].text);

    ck_assert_msg((s == TALLY_OK) == responses[_i].good, "%s", responses[_i].text);
    if (s == TALLY_OK) {
        ck_assert(c.tcb_info.at[0] == '{' && c.tcb_info.at[c.tcb_info.len - 1] == '}');
        ck_assert_uint_eq(c.tcb_info_sig.len, 2);
    } else {
        ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
        ck_assert(c.tcb_info.at == NULL && c.tcb_info_sig.at == NULL);
    }
}
END_TEST

START_TEST(files_have_limits)
{
    static uint8_t big[TALLY_TDX_JSON_BYTES_MAX + 1];
    static const struct {
        const char *name;
        size_t max;
    } rows[] = {
        {"tcb_info_response.json", TALLY_TDX_JSON_BYTES_MAX},
        {"qe_identity.json",       TALLY_TDX_JSON_BYTES_MAX},
        {"tcb_info.sig.hex",       TALLY_TDX_SIG_HEX + 1   },
        {"tcb_sign_chain.pem",     TALLY_TDX_PEM_BYTES_MAX },
        {"root_ca_crl.der",        64 * 1024               },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_tdx_collateral c = {0};
        ck_assert_int_ne(tally_tdx_collateral_put(&c, tally_slice_str(rows[i].name),
                                                  tally_slice_of(big, rows[i].max + 1)),
                         TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
        ck_assert_int_ne(put(&c, rows[i].name, ""), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_collateral");

    tcase_add_test(t, a_response_gives_the_bytes_that_were_signed);
    tcase_add_test(t, both_forms_must_agree);
    tcase_add_test(t, names_are_the_last_part_of_a_path_and_others_are_no_matter);
    tcase_add_test(t, a_signature_file_may_end_in_one_newline);
    tcase_add_loop_test(t, a_response_has_two_keys_and_nothing_else, 0,
                        (int)(sizeof responses / sizeof responses[0]));
    tcase_add_test(t, files_have_limits);
    return tally_suite_run("common/tdx_collateral", t);
}
