/* test_testchips.c - aggregator/testchips.c: who issues which simulated machine, once. */
#include "aggregator/testchips.h"

#include <string.h>
#include <sys/stat.h>

#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx.h"
#include "common/secret.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { NOW = 1795000000 };
static const char *dir;
static struct tally_testroot snp;
static struct tally_testchip chip;

static void must(enum tally_status s)
{
    ck_assert_msg(s == TALLY_OK, "%s", tally_why());
}

static const char *in_dir(const char *name)
{
    static char path[TALLY_KEY_PATH_MAX + 64];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static bool exists(const char *name)
{
    struct stat st;

    return stat(in_dir(name), &st) == 0;
}

/* Two RSA-4096 keys take seconds: one root for all cases. */
static void found(void)
{
    must(tally_secret_setup());
    dir = tally_test_dir();
    must(tally_testchips_found(dir, NOW, &snp));
}

START_TEST(a_federation_begins_with_snps_root_alone)
{
    struct stat st;

    ck_assert_uint_gt(snp.len, 1000);
    ck_assert(exists("test-root.key") && !exists("test-root-tdx.key"));
    ck_assert(stat(in_dir("test-root.key"), &st) == 0 && (st.st_mode & 0777) == 0600);
    ck_assert_int_eq(tally_testchips_found(dir, NOW, &snp), TALLY_E_IO); /* never another */
}
END_TEST

START_TEST(tdxs_root_comes_with_the_first_machine_and_stays)
{
    struct tally_testroot again;

    must(tally_testchips_issue(dir, "bank-1", "a", TALLY_EVIDENCE_TDX, NOW, &chip));
    ck_assert(exists("test-root-tdx.key") && exists("chips/bank-1.a.chip"));
    must(tally_testchips_tdx_root(dir, NOW + 1, &again));
    ck_assert_uint_eq(again.len, chip.root.len);
    ck_assert_mem_eq(again.at, chip.root.at, again.len);
    ck_assert(again.len != snp.len || memcmp(again.at, snp.at, snp.len) != 0);
}
END_TEST

START_TEST(each_kind_is_the_file_and_the_digest_that_a_document_lists)
{
    static const enum tally_evidence_kind kinds[] = {TALLY_EVIDENCE_SNP, TALLY_EVIDENCE_TDX};
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];
    char hex[2 * sizeof digest + 1];

    for (size_t i = 0; i < 2; i++) {
        struct tally_sim_chip *c = NULL;
        struct tally_sim_tdx_chip *t = NULL;
        bool tdx;
        must(tally_testchips_issue(dir, "bank-2", i == 0 ? "s" : "t", kinds[i], NOW, &chip));
        ck_assert_int_eq(chip.tee, kinds[i]);
        must(tally_sim_tdx_chip_is(chip.path, &tdx));
        ck_assert_int_eq(tdx, i == 1);
        if (tdx) {
            must(tally_sim_tdx_chip_load(chip.path, &t));
            tally_sim_tdx_chip_digest(t, digest);
        } else {
            must(tally_sim_chip_load(chip.path, &c));
            tally_sim_chip_digest(c, digest);
            ck_assert_mem_eq(chip.root.at, snp.at, snp.len);
        }
        tally_hex(TALLY_SLICE(digest), hex);
        ck_assert_str_eq(hex, chip.digest);
        tally_sim_chip_free(&c);
        tally_sim_tdx_chip_free(&t);
    }
}
END_TEST

START_TEST(a_node_gets_its_machine_once)
{
    static const enum tally_evidence_kind kinds[] = {TALLY_EVIDENCE_SNP, TALLY_EVIDENCE_TDX};
    enum tally_evidence_kind kind = kinds[_i], other = kinds[1 - _i];
    const char *node = _i == 0 ? "once-s" : "once-t";
    struct tally_testchip again;

    must(tally_testchips_issue(dir, "bank-3", node, kind, NOW, &chip));
    must(tally_testchips_issue(dir, "bank-3", node, kind, NOW + 9, &again));
    ck_assert_str_eq(again.digest, chip.digest);
    ck_assert_str_eq(again.path, chip.path);
    ck_assert_mem_eq(again.root.at, chip.root.at, chip.root.len);
    ck_assert_int_eq(tally_testchips_issue(dir, "bank-3", node, other, NOW, &again), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "another kind of machine"));
}
END_TEST

START_TEST(the_owners_own_machine_is_beside_its_configuration)
{
    must(tally_testchips_own(dir, TALLY_EVIDENCE_TDX, NOW, &chip));
    ck_assert(exists("chip"));
    ck_assert_int_eq(chip.tee, TALLY_EVIDENCE_TDX);
    ck_assert_int_eq(tally_testchips_own(dir, TALLY_EVIDENCE_TDX, NOW, &chip), TALLY_E_IO);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("testchips");

    tcase_add_unchecked_fixture(t, found, NULL);
    tcase_add_test(t, a_federation_begins_with_snps_root_alone);
    tcase_add_test(t, tdxs_root_comes_with_the_first_machine_and_stays);
    tcase_add_test(t, each_kind_is_the_file_and_the_digest_that_a_document_lists);
    tcase_add_loop_test(t, a_node_gets_its_machine_once, 0, 2);
    tcase_add_test(t, the_owners_own_machine_is_beside_its_configuration);
    return tally_suite_run("aggregator/testchips", t);
}
