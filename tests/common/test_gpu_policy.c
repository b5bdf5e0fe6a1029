/* test_gpu_policy.c - common/attest/gpu_policy.c: what a document may say of GPUs. */
#include "common/attest/gpu_policy.h"

#include <string.h>

#include "tests/lib/suite.h"

static enum tally_status read(const char *text, struct tally_gpu_policy *p)
{
    json_error_t e;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);

    ck_assert_msg(j != NULL, "%s: %s", text, e.text);
    enum tally_status s = tally_gpu_policy_from_json(j, p);
    json_decref(j);
    return s;
}

START_TEST(an_empty_object_is_the_strict_policy)
{
    struct tally_gpu_policy p, strict;

    tally_gpu_policy_strict(&strict);
    ck_assert_int_eq(read("{}", &p), TALLY_OK);
    ck_assert_mem_eq(&p, &strict, sizeof p);
    ck_assert(p.require_fwid && p.require_rim && !p.require_ocsp && !p.allow_expired_rim);
    ck_assert(!p.integrity_only && !p.count_gpus && !p.count_switches);
    ck_assert(p.modes[TALLY_GPU_SINGLE] && p.modes[TALLY_GPU_PPCIE_MODE]);
    tally_gpu_policy_integrity(&p);
    ck_assert(p.integrity_only && !p.require_fwid && !p.require_rim);
}
END_TEST

static const char full[] =
    "{\"architectures\":[\"BLACKWELL\"],\"modes\":[\"single\",\"ppcie\"],\"fwid\":false,"
    "\"rim\":\"optional\",\"rim_expired\":true,\"ocsp\":\"required\",\"drivers\":[\"575.32\","
    "\"580.95.05\"],\"vbioses\":[\"97.00.88.00.0F\"],\"driver_min\":\"575\",\"skus\":"
    "[\"G525_0220_886\"],\"gpus\":8,\"switches\":0,\"denied\":["
    "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"]}";

START_TEST(what_is_written_reads_the_same)
{
    struct tally_gpu_policy p, again, strict;

    ck_assert_msg(read(full, &p) == TALLY_OK, "%s", tally_why());
    ck_assert(!p.architectures[TALLY_GPU_GH100] && p.architectures[TALLY_GPU_GB100]);
    ck_assert(p.modes[0] && !p.modes[1] && p.modes[2] && !p.require_fwid && !p.require_rim);
    ck_assert(p.allow_expired_rim && p.require_ocsp && p.drivers.n == 2 && p.skus.n == 1);
    ck_assert(p.count_gpus && p.gpus == 8 && p.count_switches && p.switches == 0);
    ck_assert(p.denied_n == 1 && p.denied[0][1] == 0x11);
    json_t *j = tally_gpu_policy_to_json(&p);
    ck_assert_int_eq(tally_gpu_policy_from_json(j, &again), TALLY_OK);
    ck_assert_mem_eq(&p, &again, sizeof p);
    json_decref(j);
    tally_gpu_policy_strict(&strict);
    j = tally_gpu_policy_to_json(&strict);
    ck_assert_int_eq(tally_gpu_policy_from_json(j, &again), TALLY_OK);
    ck_assert_mem_eq(&strict, &again, sizeof strict);
    json_decref(j);
}
END_TEST

/* clang-format off */
static const char *const bad[] = {
    "{\"fwidd\":true}", "{\"fwid\":1}", "{\"rim\":true}", "{\"rim\":\"never\"}",
    "{\"ocsp\":null}", "{\"architectures\":[]}", "{\"architectures\":[\"AMPERE\"]}",
    "{\"architectures\":\"HOPPER\"}", "{\"modes\":[\"multi\",\"none\"]}", "{\"drivers\":[]}",
    "{\"drivers\":[580]}", "{\"drivers\":[\"\"]}",
    "{\"drivers\":[\"123456789012345678901234567890123\"]}", "{\"driver_min\":\"new\"}",
    "{\"driver_min\":\"580.\"}", "{\"driver_min\":\"\"}", "{\"gpus\":0}", "{\"gpus\":16}",
    "{\"gpus\":-1}", "{\"switches\":16}", "{\"switches\":1.5}", "{\"denied\":[\"00\"]}",
    "{\"denied\":\"00\"}", "{\"integrity\":true}", "[]",
};
/* clang-format on */

START_TEST(another_key_or_value_is_refused)
{
    struct tally_gpu_policy p;

    memset(&p, 0x5a, sizeof p);
    const struct tally_gpu_policy before = p;
    ck_assert_msg(read(bad[_i], &p) == TALLY_E_CONFIG, "%s", bad[_i]);
    ck_assert_mem_eq(&p, &before, sizeof p);
}
END_TEST

/* clang-format off */
static const struct {
    const char *version, *min;
    bool good;
} versions[] = {
    {"550.90.07", "550.90.07", true}, {"550.90.07", "550.90.7", true}, {"550.90.07", "550", true},
    {"550.144.03", "550.90.07", true}, {"550.90.07", "550.144.03", false},
    {"545.00", "550", false}, {"1000", "550.90.07", true}, {"550", "550.0.0", true},
    {"550", "550.0.1", false}, {"550.90", "550.90.07", false}, {"99999999", "99999998", true},
    {"999999999", "1", false}, {"550.x", "1", false}, {"550x", "1", false}, {"", "", true},
    {".5", "1", false}, {"5.", "1", false}, {"600.beta", "550.1", false}, {"5..5", "1", false},
};
/* clang-format on */

START_TEST(versions_compare_by_their_numbers)
{
    ck_assert_msg(tally_gpu_version_at_least(tally_slice_str(versions[_i].version),
                                             versions[_i].min) == versions[_i].good,
                  "%s, %s", versions[_i].version, versions[_i].min);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("gpu_policy");

    tcase_add_test(t, an_empty_object_is_the_strict_policy);
    tcase_add_test(t, what_is_written_reads_the_same);
    tcase_add_loop_test(t, another_key_or_value_is_refused, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_loop_test(t, versions_compare_by_their_numbers, 0,
                        (int)(sizeof versions / sizeof versions[0]));
    return tally_suite_run("common/gpu_policy", t);
}
