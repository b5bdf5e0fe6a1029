/* test_trust.c - common/attest/trust.c: the policy object of a federation document. */
#include <string.h>

#include "common/attest/trust.h"
#include "common/text.h"
#include "tests/lib/suite.h"

static enum tally_status read_policy(const char *text, struct tally_snp_policy *p)
{
    json_t *j = json_loads(text, 0, NULL);
    ck_assert_msg(j != NULL, "%s", text);
    enum tally_status s = tally_snp_policy_from_json(j, p);
    json_decref(j);
    return s;
}

#define FLOOR                                                                        \
    "{\"family\":25,\"models\":[16,31],\"boot_loader\":9,\"tee\":0,\"snp\":23,\"mic" \
    "rocode\":84}"

START_TEST(what_a_document_leaves_out_is_strict)
{
    struct tally_snp_policy p;

    ck_assert_int_eq(read_policy("{\"tcb\":[" FLOOR "]}", &p), TALLY_OK);
    ck_assert_uint_eq(p.floors_n, 1);
    ck_assert(p.floors[0].family == 25 && p.floors[0].model_first == 16 &&
              p.floors[0].model_last == 31 && p.floors[0].boot_loader == 9 &&
              p.floors[0].snp == 23 && p.floors[0].microcode == 84);
    ck_assert(p.require_alias_check && !p.allow_smt && !p.allow_missing_crl && p.versions == 0x38 &&
              p.products == 0xc && p.allow_vcek && !p.allow_vlek && !p.allow_provisional &&
              !p.allow_masked_chip_id && !p.allow_debug && !p.allow_migration &&
              !p.integrity_only && p.vmpl_max == 0);
}
END_TEST

static void fill(struct tally_snp_list *list, size_t bytes, uint32_t n)
{
    for (list->n = 0; list->n < n; list->n++)
        memset(list->items[list->n], (int)(0xa0 + list->n), bytes);
}

START_TEST(a_policy_written_out_reads_back_the_same)
{
    struct tally_snp_policy p, again;

    tally_snp_policy_strict(&p);
    p.allow_vlek = p.require_rapl_disable = true;
    p.vmpl_max = 2;
    p.abi_min = 0x0137;
    p.platform_required = 0x24;
    p.mit_vector = 1;
    p.products = TALLY_SNP_PRODUCTS_ALL;
    p.versions = TALLY_SNP_VERSIONS_ALL;
    p.crl_max_age_days = 30;
    p.require_launch_tcb = true;
    p.allow_vcek = false;
    fill(&p.family_ids, 16, 2);
    fill(&p.image_ids, 16, TALLY_SNP_LIST_MAX);
    fill(&p.id_keys, 48, 1);
    fill(&p.author_keys, 48, 1);
    fill(&p.host_data, 32, 1);
    fill(&p.deny_keys, 32, 3);
    fill(&p.deny_chips, 32, 1);
    p.csp.n = 1;
    memcpy(p.csp.items[0], "CN=cc-us-east-2.amazonaws.com", 30);
    json_t *j = tally_snp_policy_to_json(&p);
    ck_assert_ptr_nonnull(j);
    ck_assert_int_eq(tally_snp_policy_from_json(j, &again), TALLY_OK);
    json_t *k = tally_snp_policy_to_json(&again);
    ck_assert(json_equal(j, k));
    ck_assert(again.allow_vlek && again.require_rapl_disable && again.vmpl_max == 2 &&
              again.floors_n == 3 && again.floors[2].family == 26);
    ck_assert(again.products == p.products && again.versions == p.versions &&
              again.crl_max_age_days == 30 && again.require_launch_tcb && !again.allow_vcek);
    ck_assert_mem_eq(&again.family_ids, &p.family_ids, sizeof p.family_ids);
    ck_assert_mem_eq(&again.image_ids, &p.image_ids, sizeof p.image_ids);
    ck_assert_mem_eq(&again.id_keys, &p.id_keys, sizeof p.id_keys);
    ck_assert_mem_eq(&again.author_keys, &p.author_keys, sizeof p.author_keys);
    ck_assert_mem_eq(&again.host_data, &p.host_data, sizeof p.host_data);
    ck_assert_mem_eq(&again.csp, &p.csp, sizeof p.csp);
    ck_assert_mem_eq(&again.deny_keys, &p.deny_keys, sizeof p.deny_keys);
    ck_assert_mem_eq(&again.deny_chips, &p.deny_chips, sizeof p.deny_chips);
    json_decref(j);
    json_decref(k);
}
END_TEST

static const char *const bad[] = {
    "[]",
    "{}",
    "{\"tcb\":[]}",
    "{\"tcb\":{}}",
    "{\"tcb\":[1]}",
    "{\"tcb\":[{}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16,31],\"boot_loader\":9,\"tee\":0,\"snp\":23}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[31,16],\"boot_loader\":9,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16,256],\"boot_loader\":9,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16],\"boot_loader\":9,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16,31],\"boot_loader\":-1,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16,31],\"boot_loader\":9.0,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[{\"family\":25,\"models\":[16,31],\"boot_loader\":9,\"tee\":0,\"snp\":23,"
    "\"microcode\":84,\"fmc\":0}]}",
    "{\"tcb\":[{\"family\":26,\"models\":[0,17],\"boot_loader\":9,\"tee\":0,\"snp\":23,"
    "\"microcode\":84}]}",
    "{\"tcb\":[" FLOOR "],\"smt\":1}",
    "{\"tcb\":[" FLOOR "],\"crl\":true}",
    "{\"tcb\":[" FLOOR "],\"crl\":\"none\"}",
    "{\"tcb\":[" FLOOR "],\"vmpl_max\":4}",
    "{\"tcb\":[" FLOOR "],\"vmpl_max\":\"0\"}",
    "{\"tcb\":[" FLOOR "],\"platform_required\":-1}",
    "{\"tcb\":[" FLOOR "],\"debug\":true}",
    "{\"tcb\":[" FLOOR "],\"allow_debug\":true}",
    "{\"tcb\":[" FLOOR "],\"migration\":true}",
    "{\"tcb\":[" FLOOR "],\"integrity_only\":true}",
    "{\"tcb\":[" FLOOR "],\"SMT\":true}",
    "{\"tcb\":[" FLOOR "],\"v2\":true}",
    "{\"tcb\":[" FLOOR "],\"products\":[]}",
    "{\"tcb\":[" FLOOR "],\"products\":\"genoa\"}",
    "{\"tcb\":[" FLOOR "],\"products\":[\"Genoa\"]}",
    "{\"tcb\":[" FLOOR "],\"products\":[\"genoa\",\"venice\"]}",
    "{\"tcb\":[" FLOOR "],\"products\":[\"unknown\"]}",
    "{\"tcb\":[" FLOOR "],\"products\":[1]}",
    "{\"tcb\":[" FLOOR "],\"versions\":[]}",
    "{\"tcb\":[" FLOOR "],\"versions\":3}",
    "{\"tcb\":[" FLOOR "],\"versions\":[1,3]}",
    "{\"tcb\":[" FLOOR "],\"versions\":[6]}",
    "{\"tcb\":[" FLOOR "],\"versions\":[259]}",
    "{\"tcb\":[" FLOOR "],\"crl_max_age_days\":-1}",
    "{\"tcb\":[" FLOOR "],\"crl_max_age_days\":3651}",
    "{\"tcb\":[" FLOOR "],\"launch_tcb\":0}",
    "{\"tcb\":[" FLOOR "],\"vcek\":\"no\"}",
    "{\"tcb\":[" FLOOR "],\"family_ids\":[]}",
    "{\"tcb\":[" FLOOR "],\"family_ids\":\"00000000000000000000000000000000\"}",
    "{\"tcb\":[" FLOOR "],\"family_ids\":[\"0000000000000000000000000000000\"]}",
    "{\"tcb\":[" FLOOR "],\"family_ids\":[\"000000000000000000000000000000000000\"]}",
    "{\"tcb\":[" FLOOR "],\"image_ids\":[\"0000000000000000000000000000000g\"]}",
    "{\"tcb\":[" FLOOR "],\"host_data\":[\"00\"]}",
    "{\"tcb\":[" FLOOR "],\"id_keys\":[null]}",
    "{\"tcb\":[" FLOOR "],\"deny_chips\":[\"Genoa\"]}",
    "{\"tcb\":[" FLOOR "],\"csp\":[\"\"]}",
    "{\"tcb\":[" FLOOR
    "],\"csp\":[\"0123456789012345678901234567890123456789012345678901234567890123\"]}",
};

START_TEST(each_wrong_policy_is_refused)
{
    struct tally_snp_policy p;
    ck_assert_msg(read_policy(bad[_i], &p) == TALLY_E_CONFIG, "%s", bad[_i]);
}
END_TEST

START_TEST(more_floors_than_fit_are_refused)
{
    struct tally_snp_policy p;
    json_t *one = json_loads(FLOOR, 0, NULL), *o = json_object(), *list = json_array();

    for (int i = 0; i <= TALLY_FLOORS_MAX; i++) (void)json_array_append(list, one);
    (void)json_object_set_new(o, "tcb", list);
    ck_assert_int_eq(tally_snp_policy_from_json(o, &p), TALLY_E_CONFIG);
    (void)json_array_remove(list, 0);
    ck_assert_int_eq(tally_snp_policy_from_json(o, &p), TALLY_OK);
    json_decref(one);
    json_decref(o);
}
END_TEST

/* SHA-256(00000005 "Genoa" 00000002 abcd), by another program. */
START_TEST(a_chips_digest_hashes_product_and_id_with_their_lengths)
{
    uint8_t out[TALLY_CHIP_DIGEST_BYTES];
    char hex[65];
    const uint8_t id[] = {0xab, 0xcd};

    tally_chip_digest("Genoa", TALLY_SLICE(id), out);
    tally_hex(TALLY_SLICE(out), hex);
    ck_assert_str_eq(hex, "e726c716b22d8da58e929add71e0f05f5738d51cd2a47eda6dd6cfc9b5052354");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("trust");

    tcase_add_test(t, what_a_document_leaves_out_is_strict);
    tcase_add_test(t, a_policy_written_out_reads_back_the_same);
    tcase_add_loop_test(t, each_wrong_policy_is_refused, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(t, more_floors_than_fit_are_refused);
    tcase_add_test(t, a_chips_digest_hashes_product_and_id_with_their_lengths);
    return tally_suite_run("common/trust", t);
}
