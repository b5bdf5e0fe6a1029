/* test_federation_change.c - common/federation_change.c: what makes a policy for SNP evidence
 * looser, knob by knob. */
#include <stddef.h>
#include <string.h>

#include "common/federation_change.h"
#include "tests/lib/suite.h"

#define AT(f) offsetof(struct tally_snp_policy, f)

static struct tally_snp_policy strict(void)
{
    struct tally_snp_policy p;

    tally_snp_policy_strict(&p);
    return p;
}

static bool *knob(struct tally_snp_policy *p, size_t at)
{
    return (bool *)((char *)p + at);
}

START_TEST(a_policy_is_within_itself)
{
    struct tally_snp_policy p = strict();
    ck_assert(tally_snp_policy_within(&p, &p));
}
END_TEST

START_TEST(what_allows_may_not_appear_and_what_requires_may_not_go)
{
    static const struct {
        size_t at;
        bool looser; /* the value that accepts more */
    } rows[] = {
        {AT(allow_smt),                 true },
        {AT(allow_debug),               true },
        {AT(allow_migration),           true },
        {AT(allow_provisional),         true },
        {AT(allow_vcek),                true },
        {AT(allow_vlek),                true },
        {AT(allow_masked_chip_id),      true },
        {AT(allow_missing_crl),         true },
        {AT(allow_cxl),                 true },
        {AT(integrity_only),            true },
        {AT(require_alias_check),       false},
        {AT(require_ciphertext_hiding), false},
        {AT(require_single_socket),     false},
        {AT(require_page_swap_disable), false},
        {AT(require_aes_256_xts),       false},
        {AT(require_rapl_disable),      false},
        {AT(require_launch_tcb),        false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_snp_policy loose = strict(), tight = strict();
        *knob(&loose, rows[i].at) = rows[i].looser;
        *knob(&tight, rows[i].at) = !rows[i].looser;
        ck_assert_msg(!tally_snp_policy_within(&tight, &loose), "row %zu", i);
        ck_assert_msg(tally_snp_policy_within(&loose, &tight), "row %zu", i);
    }
}
END_TEST

static void both_ways(const struct tally_snp_policy *tight, const struct tally_snp_policy *loose)
{
    ck_assert(tally_snp_policy_within(loose, tight));
    ck_assert(!tally_snp_policy_within(tight, loose));
}

START_TEST(numbers_and_masks_have_a_direction)
{
    for (int k = 0; k < 11; k++) {
        struct tally_snp_policy loose = strict(), tight = strict();
        if (k == 0) loose.vmpl_max = 1;
        if (k == 1) tight.abi_min = 1;
        if (k == 2) tight.guest_svn_min = 1;
        if (k == 3) tight.platform_required = 4;
        if (k == 4) tight.platform_forbidden = 4;
        if (k == 5) tight.mit_vector = 1;
        if (k == 6) loose.products |= 1 << TALLY_SNP_MILAN;
        if (k == 7) loose.versions |= 1 << 2;
        if (k == 8) tight.crl_max_age_days = 30;
        if (k == 9) tight.crl_max_age_days = 30, loose.crl_max_age_days = 31;
        if (k == 10) tight.floors[0].microcode++;
        both_ways(&tight, &loose);
    }
}
END_TEST

static void put(struct tally_snp_policy *p, size_t at, uint8_t value)
{
    struct tally_snp_list *list = (struct tally_snp_list *)(void *)((char *)p + at);

    list->items[list->n++][0] = value;
}

START_TEST(a_list_of_what_may_be_only_shrinks)
{
    static const size_t lists[] = {AT(family_ids),  AT(image_ids), AT(id_keys),
                                   AT(author_keys), AT(host_data), AT(csp)};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct tally_snp_policy any = strict(), two = strict(), one = strict(), other = strict();
        put(&two, lists[i], 1);
        put(&two, lists[i], 2);
        put(&one, lists[i], 2);
        put(&other, lists[i], 3);
        both_ways(&two, &any);
        both_ways(&one, &two);
        ck_assert(!tally_snp_policy_within(&two, &other));
    }
}
END_TEST

START_TEST(a_list_of_what_may_not_be_only_grows)
{
    static const size_t lists[] = {AT(deny_keys), AT(deny_chips)};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct tally_snp_policy none = strict(), two = strict(), one = strict(), other = strict();
        put(&two, lists[i], 1);
        put(&two, lists[i], 2);
        put(&one, lists[i], 2);
        put(&other, lists[i], 3);
        both_ways(&one, &none);
        both_ways(&two, &one);
        ck_assert(!tally_snp_policy_within(&one, &other));
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("federation_change");

    tcase_add_test(t, a_policy_is_within_itself);
    tcase_add_test(t, what_allows_may_not_appear_and_what_requires_may_not_go);
    tcase_add_test(t, numbers_and_masks_have_a_direction);
    tcase_add_test(t, a_list_of_what_may_be_only_shrinks);
    tcase_add_test(t, a_list_of_what_may_not_be_only_grows);
    return tally_suite_run("common/federation_change", t);
}
