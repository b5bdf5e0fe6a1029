/* test_verify_snp_policy.c - the rules of a policy over reports that a simulated chip signed, each
 * one turned on or off alone (ATTESTATION.md C1.3, 12 to 15; common/attest/trust.h). */
#include <string.h>

#include "common/cert.h"
#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static struct tally_verdict verdict;

static enum tally_reason judge(struct simulated *s)
{
    return simulated_judge(s, &verdict) == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

static void put(struct tally_snp_list *list, const void *item, size_t n)
{
    ck_assert(list->n < TALLY_SNP_LIST_MAX && n <= TALLY_SNP_ITEM_BYTES);
    memcpy(list->items[list->n++], item, n);
}

START_TEST(a_product_must_be_one_of_the_policys)
{
    struct simulated s;

    simulated_init(&s);
    s.policy.products = 1 << TALLY_SNP_GENOA;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.policy.products = TALLY_SNP_PRODUCTS_ALL & ~(1 << TALLY_SNP_GENOA);
    ck_assert_int_eq(judge(&s), TALLY_R_E_PRODUCT);
    ck_assert(verdict.failed_n == 1 && verdict.authentic);
    s.policy.products = 0;
    ck_assert_int_eq(judge(&s), TALLY_R_E_PRODUCT);
}
END_TEST

START_TEST(a_version_must_be_one_of_the_policys)
{
    struct simulated s;

    simulated_init(&s);
    for (uint32_t version = 3; version <= 5; version++) {
        s.report.version = version;
        s.policy.versions = TALLY_SNP_VERSIONS_STRICT;
        ck_assert_int_eq(judge(&s), TALLY_R_NONE);
        s.policy.versions = (uint8_t)(TALLY_SNP_VERSIONS_ALL & ~(1 << version));
        ck_assert_int_eq(judge(&s), TALLY_R_E_VERSION);
        ck_assert_uint_eq(verdict.failed_n, 1);
    }
    s.report.version = 2; /* and no model */
    s.report.cpuid_family = s.report.cpuid_model = s.report.cpuid_step = 0;
    s.policy.versions = TALLY_SNP_VERSIONS_STRICT;
    ck_assert_int_eq(judge(&s), TALLY_R_E_VERSION);
    s.policy.versions = TALLY_SNP_VERSIONS_ALL;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.policy.floors[0].microcode++; /* any floor of the product counts then */
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_MIN);
}
END_TEST

START_TEST(a_vcek_may_be_refused)
{
    struct simulated s;

    simulated_init(&s);
    s.policy.allow_vcek = false;
    ck_assert_int_eq(judge(&s), TALLY_R_E_CERT_TYPE);
    ck_assert_uint_eq(verdict.failed_n, 1);
}
END_TEST

START_TEST(the_floor_may_hold_for_the_launch_too)
{
    struct simulated s;

    simulated_init(&s);
    s.report.launch.raw[7]--; /* launched before microcode was updated */
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.policy.require_launch_tcb = true;
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_MIN);
    ck_assert_uint_eq(verdict.failed_n, 1);
    s.report.launch.raw[7]++;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
}
END_TEST

/* A lower boot loader and a higher microcode: more, as one number. */
START_TEST(components_of_a_tcb_do_not_make_up_for_each_other)
{
    const struct tally_snp_tcb trap = {
        {9, 0, 0, 0, 0, 0, 23, 99}
    };
    struct simulated s;

    ck_assert_int_eq(tally_sim_chip_set_tcb(simulated_chip(), simulated_root(), &trap, SIM_NOW_S),
                     TALLY_OK);
    simulated_init(&s);
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_MIN);
    ck_assert_uint_eq(verdict.failed_n, 1);
    s.policy.floors[0].boot_loader = 9;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.report.committed.raw[0] = 10; /* REPORTED and CURRENT stay at 9 */
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_ORDER);
}
END_TEST

/* The lists, the field each one is for, and the reason. */
static struct tally_snp_list *list_of(struct simulated *s, int k, uint8_t **field, size_t *n)
{
    struct tally_snp_report *r = &s->report;
    struct tally_snp_policy *p = &s->policy;
    struct tally_snp_list *lists[] = {&p->family_ids, &p->image_ids, &p->id_keys, &p->author_keys,
                                      &p->host_data};
    uint8_t *fields[] = {r->family_id, r->image_id, r->id_key_digest, r->author_key_digest,
                         r->host_data};
    const size_t sizes[] = {16, 16, 48, 48, 32};

    *field = fields[k];
    *n = sizes[k];
    return lists[k];
}

START_TEST(a_value_of_the_launch_must_be_in_its_list)
{
    enum tally_reason want = _i == 4 ? TALLY_R_E_HOST_DATA : TALLY_R_E_ID_BLOCK;
    struct simulated s;
    uint8_t other[TALLY_SNP_ITEM_BYTES] = {0}, *field;
    size_t n;

    simulated_init(&s);
    struct tally_snp_list *list = list_of(&s, _i, &field, &n);
    s.report.key_flags |= 1; /* AUTHOR_KEY_EN */
    memset(field, 0x77, n);
    ck_assert_int_eq(judge(&s), TALLY_R_NONE); /* no list, no opinion */
    memset(other, 0x77, n);
    other[n - 1] ^= 1;
    put(list, other, n);
    ck_assert_int_eq(judge(&s), want);
    ck_assert_uint_eq(verdict.failed_n, 1);
    put(list, field, n); /* the second one is it */
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    field[0] ^= 0x80;
    ck_assert_int_eq(judge(&s), want);
    tally_snp_policy_integrity(&s.policy); /* a list counts under integrity as well */
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    put(list, other, n);
    ck_assert_int_eq(judge(&s), want);
}
END_TEST

START_TEST(no_author_key_is_none_of_the_list)
{
    static const uint8_t zeros[TALLY_ID_KEY_BYTES];
    struct simulated s;

    simulated_init(&s);
    put(&s.policy.author_keys, zeros, sizeof zeros);
    ck_assert_int_eq(judge(&s), TALLY_R_E_ID_BLOCK);
}
END_TEST

START_TEST(denied_keys_and_chips_are_refused)
{
    struct tally_cert c;
    struct simulated s;
    uint8_t key[32];

    simulated_init(&s);
    ck_assert_int_eq(tally_cert_parse(s.in.vek, &c), TALLY_OK);
    tally_cert_spki_digest(&c, key);
    tally_cert_free(&c);
    for (int k = 0; k < 2; k++) {
        struct tally_snp_list *list = k ? &s.policy.deny_chips : &s.policy.deny_keys;
        simulated_init(&s);
        put(list, k ? key : s.chip[0], 32); /* each in the other's list: nothing */
        ck_assert_int_eq(judge(&s), TALLY_R_NONE);
        put(list, k ? s.chip[0] : key, 32);
        ck_assert_int_eq(judge(&s), TALLY_R_E_DENYLIST);
        ck_assert_uint_eq(verdict.failed_n, 1);
    }
    s.policy.allow_masked_chip_id = true; /* the certificate still says which chip it is */
    memset(s.report.chip_id, 0, sizeof s.report.chip_id);
    s.report.key_flags |= 2;
    ck_assert_int_eq(judge(&s), TALLY_R_E_DENYLIST);
}
END_TEST

START_TEST(what_no_mask_names_of_the_platform_is_allowed)
{
    struct simulated s;

    simulated_init(&s);
    s.report.platform_info |= ~UINT64_C(0x3f);
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    for (int bit = 0; bit < 64; bit++) {
        s.report.platform_info = UINT64_C(0x25) ^ UINT64_C(1) << bit;
        s.policy.platform_required = s.policy.platform_forbidden = 0;
        enum tally_reason plain = bit == 5 ? TALLY_R_E_PLATFORM_FLAG : TALLY_R_NONE; /* ALIAS */
        ck_assert_int_eq(judge(&s), plain);
        bool set = (s.report.platform_info >> bit & 1) != 0;
        *(set ? &s.policy.platform_forbidden : &s.policy.platform_required) = UINT64_C(1) << bit;
        ck_assert_int_eq(judge(&s), TALLY_R_E_PLATFORM_FLAG);
    }
}
END_TEST

START_TEST(smt_is_not_on_where_the_guest_forbids_it)
{
    struct simulated s;

    simulated_init(&s);
    s.report.policy &= ~TALLY_SNP_POLICY_SMT;
    ck_assert_int_eq(judge(&s), TALLY_R_E_PLATFORM_FLAG);
    ck_assert_uint_eq(verdict.failed_n, 1);
    s.report.platform_info &= ~TALLY_SNP_PLATFORM_SMT;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.policy.allow_smt = false;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
}
END_TEST

/* Rules that are good once the report has what they ask for. */
START_TEST(a_guest_with_everything_meets_everything)
{
    struct simulated s;

    simulated_init(&s);
    s.report.version = 5;
    s.report.policy = 0x0137 | TALLY_SNP_POLICY_ONE | TALLY_SNP_POLICY_SINGLE_SOCKET |
                      TALLY_SNP_POLICY_AES_256_XTS | TALLY_SNP_POLICY_RAPL_DISABLE |
                      TALLY_SNP_POLICY_CIPHERTEXT | TALLY_SNP_POLICY_SWAP_DISABLE;
    s.report.platform_info = 0x3e;
    s.report.guest_svn = 7;
    s.report.launch_mit = s.report.current_mit = 3;
    s.policy.allow_smt = false;
    s.policy.require_ciphertext_hiding = s.policy.require_single_socket = true;
    s.policy.require_page_swap_disable = s.policy.require_aes_256_xts = true;
    s.policy.require_rapl_disable = true;
    s.policy.abi_min = 0x0137;
    s.policy.guest_svn_min = 7;
    s.policy.mit_vector = 3;
    s.policy.platform_required = 0x3e;
    s.policy.platform_forbidden = 1;
    ck_assert_msg(judge(&s) == TALLY_R_NONE, "%s", tally_why());
    s.report.launch_mit = 1; /* mitigated since, not when it was launched */
    ck_assert_int_eq(judge(&s), TALLY_R_E_MIT_VECTOR);
    s.report.launch_mit = 3;
    s.report.current_mit = 2;
    ck_assert_int_eq(judge(&s), TALLY_R_E_MIT_VECTOR);
    s.report.current_mit = 3;
    s.report.platform_info &= ~TALLY_SNP_PLATFORM_CIPHERTEXT; /* allowed, but not on */
    ck_assert_int_eq(judge(&s), TALLY_R_E_PLATFORM_FLAG);
}
END_TEST

START_TEST(a_migratable_or_provisional_guest_needs_leave)
{
    struct simulated s;

    simulated_init(&s);
    s.report.policy |= TALLY_SNP_POLICY_MIGRATE_MA;
    memset(s.report.report_id_ma, 9, sizeof s.report.report_id_ma);
    ck_assert_int_eq(judge(&s), TALLY_R_E_POLICY_MIGRATION);
    ck_assert_uint_eq(verdict.failed_n, 1);
    s.policy.allow_migration = true;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);

    simulated_init(&s);
    s.report.current_fw.build++;
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_ORDER);
    s.policy.allow_provisional = true;
    ck_assert_int_eq(judge(&s), TALLY_R_NONE);
    s.report.committed_fw.minor++; /* never the other way round */
    ck_assert_int_eq(judge(&s), TALLY_R_E_TCB_ORDER);
}
END_TEST

static bool claims(const char *name, const char *word)
{
    for (uint32_t i = 0; i < verdict.claims_n; i++) {
        const struct tally_claim *c = &verdict.claims[i];
        if (strcmp(c->name, name) == 0 && c->len == strlen(word) &&
            memcmp(c->text, word, c->len) == 0)
            return true;
    }
    return false;
}

START_TEST(every_milan_report_carries_its_warning_and_no_other)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (v[i].vek.at == NULL) continue;
        ck_assert_int_eq(snp_vector_judge(&v[i], v[i].report, NULL, v[i].at_s, &verdict), TALLY_OK);
        ck_assert_int_eq(claims("warning", "milan-seed-extraction"),
                         strncmp(v[i].name, "milan", 5) == 0);
        ck_assert_int_eq(claims("csp", "CN=cc-us-east-2.amazonaws.com"),
                         strstr(v[i].name, "vlek") != NULL);
    }
}
END_TEST

/* A report that is old in every way: Milan must be named, and then the rest still counts. */
START_TEST(milan_passes_only_where_it_is_named)
{
    const struct snp_vector *v = snp_vector_named("milan_v3_ccf");
    struct tally_snp_policy p;

    tally_snp_policy_strict(&p);
    ck_assert_int_ne(snp_vector_judge(v, v->report, &p, v->at_s, &verdict), TALLY_OK);
    ck_assert_str_eq(snp_reasons(verdict.failed, verdict.failed_n), "E_PRODUCT E_TCB_MIN ");
    p.floors[p.floors_n++] = (struct tally_tcb_floor){
        .family = 0x19, .model_last = 0x0f, .boot_loader = 4, .snp = 0x18, .microcode = 0xdb};
    ck_assert_int_ne(snp_vector_judge(v, v->report, &p, v->at_s, &verdict), TALLY_OK);
    ck_assert_str_eq(snp_reasons(verdict.failed, verdict.failed_n), "E_PRODUCT ");
    p.products |= 1 << TALLY_SNP_MILAN;
    ck_assert_int_eq(snp_vector_judge(v, v->report, &p, v->at_s, &verdict), TALLY_E_UNDECIDED);
    ck_assert_uint_eq(verdict.failed_n, 0);
}
END_TEST

/* The same chip before and after its firmware was updated: a real rollback. */
START_TEST(an_older_tcb_of_the_same_chip_is_below_the_newers_floor)
{
    const struct snp_vector *old = snp_vector_named("genoa_v2_oak_dice");
    const struct snp_vector *now = snp_vector_named("genoa_v5_oak");
    struct tally_snp_report r;
    struct tally_snp_policy p;

    ck_assert_int_eq(tally_snp_report_decode(now->report, &r), TALLY_OK);
    tally_snp_policy_integrity(&p);
    p.floors_n = 1;
    p.floors[0] = (struct tally_tcb_floor){.family = 0x19,
                                           .model_first = 0x10,
                                           .model_last = 0x1f,
                                           .boot_loader = r.reported.raw[0],
                                           .snp = r.reported.raw[6],
                                           .microcode = r.reported.raw[7]};
    ck_assert_int_eq(snp_vector_judge(now, now->report, &p, now->at_s, &verdict), TALLY_OK);
    ck_assert_int_ne(snp_vector_judge(old, old->report, &p, old->at_s, &verdict), TALLY_OK);
    ck_assert_str_eq(snp_reasons(verdict.failed, verdict.failed_n), "E_TCB_MIN ");
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    TCase *t = tcase_create("verify_snp_policy");

    tcase_add_test(t, a_product_must_be_one_of_the_policys);
    tcase_add_test(t, a_version_must_be_one_of_the_policys);
    tcase_add_test(t, a_vcek_may_be_refused);
    tcase_add_test(t, the_floor_may_hold_for_the_launch_too);
    tcase_add_test(t, components_of_a_tcb_do_not_make_up_for_each_other);
    tcase_add_loop_test(t, a_value_of_the_launch_must_be_in_its_list, 0, 5);
    tcase_add_test(t, no_author_key_is_none_of_the_list);
    tcase_add_test(t, denied_keys_and_chips_are_refused);
    tcase_add_test(t, what_no_mask_names_of_the_platform_is_allowed);
    tcase_add_test(t, smt_is_not_on_where_the_guest_forbids_it);
    tcase_add_test(t, a_guest_with_everything_meets_everything);
    tcase_add_test(t, a_migratable_or_provisional_guest_needs_leave);
    tcase_add_test(t, every_milan_report_carries_its_warning_and_no_other);
    tcase_add_test(t, milan_passes_only_where_it_is_named);
    tcase_add_test(t, an_older_tcb_of_the_same_chip_is_below_the_newers_floor);
    return tally_suite_run("common/verify_snp_policy", t);
}
