/* test_policy.c - common/attest/policy.c: one rule changed for one call. */
#include <string.h>

#include "common/attest/policy.h"
#include "tests/lib/suite.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* A setting of every part that is not what strict or integrity have, and where it shows. */
START_TEST(one_rule_changes_and_no_other)
{
    struct tally_policy p, want;

    tally_policy_integrity(&p);
    want = p;
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "smt=false"), TALLY_OK);
    want.snp.allow_smt = false;
    ck_assert_mem_eq(&p, &want, sizeof p);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "products=[\"genoa\"]"), TALLY_OK);
    want.snp.products = 1 << TALLY_SNP_GENOA;
    ck_assert_mem_eq(&p, &want, sizeof p);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_GPU, "rim=required"), TALLY_OK);
    want.gpu.require_rim = true;
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_TPM, "pcrs=[4,7]"), TALLY_OK);
    want.tpm.pcrs = 0x90;
    ck_assert_mem_eq(&p, &want, sizeof p);

    tally_policy_strict(&p);
    want = p;
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_TDX, "evaluation_min=3"), TALLY_OK);
    want.tdx.evaluation_min = 3;
    ck_assert_mem_eq(&p, &want, sizeof p);
}
END_TEST

/* The value that strict has changes integrity too. */
START_TEST(a_strict_value_counts_under_integrity)
{
    struct tally_policy p;

    tally_policy_integrity(&p);
    ck_assert(p.snp.allow_missing_crl && p.snp.vmpl_max == 3);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "crl=required"), TALLY_OK);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "vmpl_max=0"), TALLY_OK);
    ck_assert(!p.snp.allow_missing_crl && p.snp.vmpl_max == 0);
    ck_assert(p.snp.allow_debug && p.snp.integrity_only && p.snp.floors_n == 0);
}
END_TEST

/* Lists that compare nothing have no key in the written form, and can be set all the same. */
START_TEST(every_rule_can_be_set)
{
    static const struct {
        enum tally_policy_part part;
        const char *setting;
    } rows[] = {
        {TALLY_POLICY_SNP, "host_data=[\"" DIGEST "\"]"       },
        {TALLY_POLICY_SNP, "deny_chips=[\"" DIGEST "\"]"      },
        {TALLY_POLICY_SNP, "csp=[\"CN=cc-us-east-2.example\"]"},
        {TALLY_POLICY_TDX, "fmspc=[\"00806f050000\"]"         },
        {TALLY_POLICY_TDX, "advisories=[]"                    },
        {TALLY_POLICY_TDX, "denied=[\"" DIGEST "\"]"          },
        {TALLY_POLICY_GPU, "driver_min=550.90"                },
        {TALLY_POLICY_GPU, "drivers=[\"550.90.07\"]"          },
        {TALLY_POLICY_TPM, "values={\"4\":[\"" DIGEST "\"]}"  },
    };
    struct tally_policy p, strict;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tally_policy_strict(&p);
        strict = p;
        ck_assert_msg(tally_policy_set(&p, rows[i].part, rows[i].setting) == TALLY_OK, "%s: %s",
                      rows[i].setting, tally_why());
        ck_assert_msg(memcmp(&p, &strict, sizeof p) != 0, "%s", rows[i].setting);
    }
}
END_TEST

START_TEST(a_list_is_replaced_whole)
{
    struct tally_policy p, want;

    tally_policy_strict(&p);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "csp=[\"a\"]"), TALLY_OK);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_TPM, "values={\"4\":[\"" DIGEST "\"]}"),
                     TALLY_OK);
    want = p;
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "csp=[\"a longer name\"]"), TALLY_OK);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_SNP, "csp=[\"a\"]"), TALLY_OK);
    ck_assert_int_eq(tally_policy_set(&p, TALLY_POLICY_TPM, "values={\"4\":[\"" DIGEST "\"]}"),
                     TALLY_OK);
    ck_assert_mem_eq(&p, &want, sizeof p);
}
END_TEST

START_TEST(what_is_no_rule_or_would_do_nothing_is_refused)
{
    static const struct {
        bool integrity;
        enum tally_policy_part part;
        const char *setting;
    } rows[] = {
        {false, TALLY_POLICY_SNP, "smt"                  },
        {false, TALLY_POLICY_SNP, "=false"               },
        {false, TALLY_POLICY_SNP, "nothing=false"        },
        {false, TALLY_POLICY_SNP, "debug=true"           },
        {false, TALLY_POLICY_SNP, "smt=maybe"            },
        {false, TALLY_POLICY_SNP, "tcb=[]"               },
        {false, TALLY_POLICY_TDX, "status=[\"Revoked\"]" },
        {false, TALLY_POLICY_TDX, "smt=[1,1"             },
        {false, TALLY_POLICY_TPM, "pcrs=[]"              },
        {true,  TALLY_POLICY_TDX, "evaluation_min=18"    },
        {true,  TALLY_POLICY_TDX, "status=[\"UpToDate\"]"},
        {true,  TALLY_POLICY_GPU, "driver_min=550.90.07" },
        {true,  TALLY_POLICY_TPM, "secure_boot=true"     },
    };
    struct tally_policy p;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].integrity)
            tally_policy_integrity(&p);
        else
            tally_policy_strict(&p);
        ck_assert_msg(tally_policy_set(&p, rows[i].part, rows[i].setting) == TALLY_E_CONFIG, "%s",
                      rows[i].setting);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("policy");

    tcase_add_test(t, one_rule_changes_and_no_other);
    tcase_add_test(t, a_strict_value_counts_under_integrity);
    tcase_add_test(t, every_rule_can_be_set);
    tcase_add_test(t, a_list_is_replaced_whole);
    tcase_add_test(t, what_is_no_rule_or_would_do_nothing_is_refused);
    return tally_suite_run("policy", t);
}
