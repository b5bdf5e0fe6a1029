/* test_verify_snp_sim.c - chains of each product and signer under a test root, each with one thing
 * wrong that no published evidence shows (ATTESTATION.md D.3). */
#include <string.h>

#include "tests/lib/simworld.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"

#define AMD "1.3.6.1.4.1.3704.1"

static struct tally_verdict verdict;

START_TEST(a_chain_of_each_product_and_signer_passes)
{
    for (int line = 0; line < SIM_LINES; line++) {
        struct sim_world w;
        sim_world(&w, line);
        ck_assert_msg(sim_world_judge(&w, &verdict) == TALLY_R_NONE, "%s: %s", sim_lines[line].name,
                      tally_why());
        ck_assert_str_eq(verdict.product, sim_lines[line].name);
        sim_world_vlek(&w, line);
        ck_assert_msg(sim_world_judge(&w, &verdict) == TALLY_R_NONE, "%s VLEK: %s",
                      sim_lines[line].name, tally_why());
    }
}
END_TEST

START_TEST(a_report_of_one_product_under_anothers_chain_is_refused)
{
    for (int chain = 0; chain < SIM_LINES; chain++) {
        for (int report = 0; report < SIM_LINES; report++) {
            struct sim_world w;
            sim_world(&w, chain);
            w.s.report.cpuid_family = sim_lines[report].family;
            w.s.report.cpuid_model = sim_lines[report].model;
            ck_assert_int_eq(sim_world_judge(&w, &verdict),
                             chain == report ? TALLY_R_NONE : TALLY_R_E_PRODUCT);
            ck_assert(verdict.authentic == (chain == report));
        }
    }
}
END_TEST

START_TEST(a_vcek_and_a_vlek_are_never_taken_for_each_other)
{
    for (int line = 0; line < SIM_LINES; line++) {
        struct sim_world w;
        sim_world(&w, line);
        w.s.policy.allow_vlek = true;
        w.s.report.key_flags = TALLY_SNP_KEY_VLEK << 2;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_TYPE);
        sim_world_vlek(&w, line);
        w.s.report.key_flags = 0; /* a VLEK's whole chain where a VCEK's belongs */
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_TYPE);
        sim_world_vlek(&w, line);
        w.vek.subject = "SEV-VCEK"; /* the other name under the same issuer */
        w.s.report.key_flags = 0;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_TYPE);
        sim_world_vlek(&w, line);
        w.ask.subject = sim_lines[line].name; /* an ASVK of another name */
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_SHAPE);
        sim_world_vlek(&w, line);
        w.s.report.chip_id[63] = 1;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CHIP_BINDING);
    }
}
END_TEST

START_TEST(a_vlek_is_of_a_provider_that_the_policy_lists)
{
    struct sim_world w;

    sim_world_vlek(&w, SIM_GENOA);
    w.s.policy.csp.n = 1;
    memcpy(w.s.policy.csp.items[0], "CN=cc.ne", 9);
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_TYPE);
    ck_assert(verdict.failed_n == 1 && verdict.authentic);
    w.s.policy.csp.n = 2;
    memcpy(w.s.policy.csp.items[1], "CN=cc.net", 10);
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
    simulated_ext_set(&w.exts, AMD ".5",
                      tally_slice_of("\x16\x0a"
                                     "CN=cc.nets",
                                     12));
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_TYPE);
    sim_exts_drop(&w.exts, AMD ".5");
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_EXT_MISSING);
    sim_world(&w, SIM_GENOA); /* a VCEK has no provider to compare */
    w.s.policy.csp.n = 1;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
}
END_TEST

START_TEST(a_providers_name_is_one_short_text)
{
    static const struct {
        const char *value;
        size_t len;
        enum tally_reason reason;
    } rows[] = {
        {"\x16\x01x",    3, TALLY_R_NONE        },
        {"\x0c\x01x",    3, TALLY_R_NONE        },
        {"\x16\x00",     2, TALLY_R_E_CERT_PARSE},
        {"\x16\x02x",    3, TALLY_R_E_CERT_PARSE},
        {"\x16\x01xy",   4, TALLY_R_E_CERT_PARSE},
        {"\x04\x01x",    3, TALLY_R_E_CERT_PARSE},
        {"\x16\x01\x00", 3, TALLY_R_E_CERT_PARSE},
        {"\x16\x01\x80", 3, TALLY_R_E_CERT_PARSE},
        {"x",            1, TALLY_R_E_CERT_PARSE},
        {"",             0, TALLY_R_E_CERT_PARSE}
    };
    uint8_t longest[66] = {0x16, 63};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sim_world w;
        sim_world_vlek(&w, SIM_GENOA);
        simulated_ext_set(&w.exts, AMD ".5", tally_slice_of(rows[i].value, rows[i].len));
        ck_assert_msg(sim_world_judge(&w, &verdict) == rows[i].reason, "row %zu: %s", i,
                      tally_why());
    }
    memset(longest + 2, 'x', 64);
    struct sim_world w;
    sim_world_vlek(&w, SIM_GENOA);
    simulated_ext_set(&w.exts, AMD ".5", tally_slice_of(longest, 65));
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
    longest[1] = 64;
    simulated_ext_set(&w.exts, AMD ".5", tally_slice_of(longest, 66));
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_PARSE);
}
END_TEST

START_TEST(each_product_has_its_own_extensions)
{
    for (int line = 0; line < SIM_LINES; line++) {
        struct sim_world w, all;
        sim_world(&all, line);
        for (size_t k = 0; k < all.exts.n; k++) { /* none may be missing */
            sim_world(&w, line);
            sim_exts_drop(&w.exts, all.exts.list[k].oid);
            ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_EXT_MISSING);
        }
        sim_world(&w, line); /* and not the other line's beside them */
        sim_exts_add_number(&w.exts, line == SIM_TURIN ? AMD ".3.4" : AMD ".3.9", 0);
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_EXT_MISSING);
    }
}
END_TEST

START_TEST(a_turin_chip_id_is_of_eight_bytes_and_zeros)
{
    uint8_t id[66] = {4, 8};
    struct sim_world w;

    sim_world(&w, SIM_TURIN);
    w.s.report.chip_id[8] = 1;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CHIP_BINDING);
    sim_world(&w, SIM_TURIN);
    w.s.report.chip_id[63] = 1;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CHIP_BINDING);
    sim_world(&w, SIM_TURIN);
    w.s.report.chip_id[7] ^= 1;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CHIP_BINDING);
    sim_world(&w, SIM_TURIN);
    memcpy(id + 2, w.s.report.chip_id, 8);
    simulated_ext_set(&w.exts, AMD ".4", tally_slice_of(id, 10));
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE); /* an OCTET STRING is the same */
    for (size_t n = 0; n <= 66; n++) {
        if (n == 8 || n == 10) continue;
        simulated_ext_set(&w.exts, AMD ".4", tally_slice_of(id, n));
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_PARSE);
    }
    simulated_ext_set(&w.exts, AMD ".4", tally_slice_of(id, 8)); /* raw, beginning 04 08 */
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CHIP_BINDING);
}
END_TEST

START_TEST(the_reported_tcb_is_the_certificates_byte_for_byte)
{
    for (int line = 0; line < SIM_LINES; line++) {
        for (int i = 0; i < TALLY_SNP_TCB_BYTES; i++) {
            struct sim_world w;
            sim_world(&w, line);
            w.s.report.reported.raw[i] ^= 1;
            ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_TCB_BINDING);
        }
    }
}
END_TEST

START_TEST(a_vlek_needs_its_own_issuer_and_the_policys_leave)
{
    static const uint8_t csp[] = "\x16\x09"
                                 "CN=cc.net";
    struct tally_sim_exts all, e = {.n = 0}, a;
    struct simulated s;

    simulated_exts(&all);
    for (size_t i = 0; i + 1 < all.n; i++)
        tally_sim_exts_add(&e, all.list[i].oid, false, all.list[i].value);
    tally_sim_exts_add(&e, AMD ".5", false, tally_slice_of(csp, sizeof csp - 1));
    struct tally_sim_cert vlek = simulated_vcek(&e), asvk = simulated_ask(&a);
    vlek.subject = "SEV-VLEK";
    vlek.issuer = asvk.subject = "SEV-VLEK-Genoa";
    simulated_init(&s);
    s.in.vek = simulated_cert(0, &vlek);
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK); /* SIGNING_KEY says VCEK */
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_TYPE);
    s.report.key_flags = TALLY_SNP_KEY_VLEK << 2;
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK); /* under the ASK of VCEKs */
    ck_assert(snp_failed(&verdict, TALLY_R_E_CERT_SHAPE));
    s.in.issuer = simulated_cert(1, &asvk);
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_TYPE);
    s.policy.allow_vlek = true;
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK); /* a VLEK names no chip */
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP_BINDING);
    memset(s.report.chip_id, 0, sizeof s.report.chip_id);
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP);
    s.expect.chips_n = 0;
    s.expect.any_chip = true;
    ck_assert_msg(simulated_judge(&s, &verdict) == TALLY_OK, "%s", tally_why());
}
END_TEST

int main(void)
{
    simulated_setup();
    TCase *t = tcase_create("verify_snp_sim");

    tcase_add_test(t, a_chain_of_each_product_and_signer_passes);
    tcase_add_test(t, a_report_of_one_product_under_anothers_chain_is_refused);
    tcase_add_test(t, a_vcek_and_a_vlek_are_never_taken_for_each_other);
    tcase_add_test(t, a_vlek_is_of_a_provider_that_the_policy_lists);
    tcase_add_test(t, a_providers_name_is_one_short_text);
    tcase_add_test(t, each_product_has_its_own_extensions);
    tcase_add_test(t, a_turin_chip_id_is_of_eight_bytes_and_zeros);
    tcase_add_test(t, the_reported_tcb_is_the_certificates_byte_for_byte);
    tcase_add_test(t, a_vlek_needs_its_own_issuer_and_the_policys_leave);
    return tally_suite_run("common/verify_snp_sim", t);
}
