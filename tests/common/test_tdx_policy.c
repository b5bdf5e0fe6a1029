/* test_tdx_policy.c - common/attest/tdx_policy.c: documents to rules and back. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/tdx_policy.h"
#include "common/attest/tdx_quote.h"
#include "tests/lib/suite.h"

static enum tally_status read_text(const char *text, struct tally_tdx_policy *p)
{
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

    ck_assert_msg(j != NULL, "%s", text);
    enum tally_status s = tally_tdx_policy_from_json(j, p);
    json_decref(j);
    return s;
}

/* By what they say: a struct's padding says nothing. */
static void same_policy(const struct tally_tdx_policy *a, const struct tally_tdx_policy *b)
{
    json_t *x = tally_tdx_policy_to_json(a), *y = tally_tdx_policy_to_json(b);

    ck_assert(x != NULL && json_equal(x, y) == 1);
    json_decref(x);
    json_decref(y);
}

START_TEST(an_empty_object_is_the_strict_policy)
{
    struct tally_tdx_policy p, strict;

    tally_tdx_policy_strict(&strict);
    ck_assert_int_eq(read_text("{}", &p), TALLY_OK);
    same_policy(&p, &strict);
    ck_assert_uint_eq(p.accepted, 1U << TALLY_TDX_UP_TO_DATE);
    ck_assert_uint_eq(p.evaluation_min, 17);
    ck_assert(!p.allow_debug && !p.allow_migration && !p.allow_service_td && !p.integrity_only);
    ck_assert(!p.allow_missing_crl && p.allow_smt && p.allow_dynamic_platform);
    ck_assert_uint_eq(p.attributes_required, TALLY_TDX_ATTR_SEPT_VE_DISABLE);
    ck_assert_uint_eq(p.attributes_forbidden & TALLY_TDX_ATTR_TUD, TALLY_TDX_ATTR_TUD);
    ck_assert(p.attributes_forbidden & TALLY_TDX_ATTR_MIGRATABLE);
    ck_assert(p.attributes_forbidden & TALLY_TDX_ATTR_PERFMON);
    ck_assert(p.attributes_forbidden & UINT64_C(1) << 20);
    ck_assert(!(p.attributes_forbidden & TALLY_TDX_ATTR_PKS));
}
END_TEST

#define M48                                                            \
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20" \
    "2122232425262728292a2b2c2d2e2f30"
#define M32 "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"

START_TEST(every_key_is_read_and_written_again)
{
    static const char text[] =
        "{\"status\":[\"UpToDate\",\"SWHardeningNeeded\",\"TDRelaunchAdvised\"],"
        "\"advisories\":[\"INTEL-SA-00960\"],\"grace_days\":30,\"evaluation_min\":19,"
        "\"crl\":\"optional\",\"attributes_required\":\"0x0\","
        "\"attributes_forbidden\":\"0xffffffffffffffff\",\"xfam\":\"0x3\",\"mr_seam\":[\"" M48
        "\"],\"mr_config_id\":\"" M48 "\",\"mr_owner\":\"" M48 "\",\"mr_owner_config\":\"" M48
        "\",\"service_td\":true,\"smt\":false,\"dynamic_platform\":false,"
        "\"fmspc\":[\"00806f050000\",\"90c06f000000\"],\"denied\":[\"" M32 "\"]}";
    struct tally_tdx_policy p, again;

    ck_assert_int_eq(read_text(text, &p), TALLY_OK);
    ck_assert_uint_eq(p.accepted, 1U << TALLY_TDX_UP_TO_DATE | 1U << TALLY_TDX_SW_HARDENING |
                                      1U << TALLY_TDX_RELAUNCH);
    ck_assert(p.has_advisories && p.advisories_n == 1);
    ck_assert_str_eq(p.advisories[0], "INTEL-SA-00960");
    ck_assert(p.grace_days == 30 && p.evaluation_min == 19 && p.allow_missing_crl);
    ck_assert(p.attributes_required == 0 && p.attributes_forbidden == UINT64_MAX && p.xfam == 3);
    ck_assert(p.seams_n == 1 && p.seams[0][47] == 0x30 && p.has_config_id && p.config_id[0] == 1);
    ck_assert(p.has_owner && p.has_owner_config && p.allow_service_td && !p.allow_smt);
    ck_assert(!p.allow_dynamic_platform && p.fmspcs_n == 2 && p.fmspcs[1][0] == 0x90);
    ck_assert(p.denied_n == 1 && p.denied[0][31] == 0x20);
    json_t *j = tally_tdx_policy_to_json(&p);
    ck_assert_uint_eq(json_object_size(j), 17);
    ck_assert_int_eq(tally_tdx_policy_from_json(j, &again), TALLY_OK);
    same_policy(&p, &again);
    json_decref(j);
    tally_tdx_policy_strict(&p);
    j = tally_tdx_policy_to_json(&p);
    ck_assert_int_eq(tally_tdx_policy_from_json(j, &again), TALLY_OK);
    same_policy(&p, &again);
    json_decref(j);
}
END_TEST

static const char *const wrong[] = {
    "[]",
    "1",
    "{\"x\":1}",
    "{\"debug\":true}",
    "{\"migration\":true}",
    "{\"integrity\":true}",
    "{\"allow_debug\":true}",
    "{\"status\":[]}",
    "{\"status\":\"UpToDate\"}",
    "{\"status\":[\"Revoked\"]}",
    "{\"status\":[\"NotSupported\"]}",
    "{\"status\":[\"uptodate\"]}",
    "{\"status\":[1]}",
    "{\"advisories\":[1]}",
    "{\"advisories\":[\"\"]}",
    "{\"advisories\":[\"INTEL-SA-0000000000000000\"]}",
    "{\"grace_days\":-1}",
    "{\"grace_days\":1000000}",
    "{\"grace_days\":\"1\"}",
    "{\"evaluation_min\":4294967296}",
    "{\"crl\":\"never\"}",
    "{\"crl\":false}",
    "{\"attributes_required\":1}",
    "{\"attributes_required\":\"10\"}",
    "{\"attributes_required\":\"0x\"}",
    "{\"attributes_required\":\"0xG\"}",
    "{\"attributes_required\":\"0xAB\"}",
    "{\"attributes_required\":\"0x11111111111111111\"}",
    "{\"xfam\":\"\"}",
    "{\"mr_seam\":[]}",
    "{\"mr_seam\":[\"00\"]}",
    "{\"mr_seam\":\"" M48 "\"}",
    "{\"mr_owner\":\"" M32 "\"}",
    "{\"mr_owner\":[\"" M48 "\"]}",
    "{\"smt\":1}",
    "{\"service_td\":\"yes\"}",
    "{\"fmspc\":[\"00806F050000\"]}",
    "{\"fmspc\":[\"00806f05\"]}",
    "{\"denied\":[\"" M48 "\"]}",
};

START_TEST(a_wrong_document_is_refused_and_changes_nothing)
{
    struct tally_tdx_policy p, was;

    tally_tdx_policy_integrity(&p);
    was = p;
    ck_assert_msg(read_text(wrong[_i], &p) == TALLY_E_CONFIG, "%s", wrong[_i]);
    ck_assert_mem_eq(&p, &was, sizeof p);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tdx_policy");

    tcase_add_test(t, an_empty_object_is_the_strict_policy);
    tcase_add_test(t, every_key_is_read_and_written_again);
    tcase_add_loop_test(t, a_wrong_document_is_refused_and_changes_nothing, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    return tally_suite_run("common/tdx_policy", t);
}
