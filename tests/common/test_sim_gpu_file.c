/* test_sim_gpu_file.c - common/attest/sim_gpu_file.c: a simulated GPU comes back from its file as
 * the GPU that it was, and no other bytes are one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attest/gpu_set.h"
#include "common/attest/sim_gpu.h"
#include "common/file.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"

static char path[64];
static struct tally_sim_gpu *loaded;

static void set_up(void)
{
    (void)snprintf(path, sizeof path, "sim_gpu_test_%d", (int)getpid());
}

static void tear_down(void)
{
    tally_sim_gpu_free(&loaded);
    (void)unlink(path);
}

static struct tally_sim_gpu *one(int i)
{
    return i == 0 ? simulated_gpu(0) : i == 1 ? simulated_blackwell() : simulated_switch(0);
}

START_TEST(a_loaded_device_is_the_saved_one_and_answers_any_nonce)
{
    static struct simulated_evidence e;
    static struct tally_verdict v;
    uint8_t saved[TALLY_CHIP_DIGEST_BYTES], got[TALLY_CHIP_DIGEST_BYTES];
    struct tally_expect expect = simulated_gpu_expect();
    struct tally_gpu_policy strict;
    uint32_t n;
    struct stat st;

    ck_assert_msg(tally_sim_gpu_save(one(_i), path) == TALLY_OK, "%s", tally_why());
    ck_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    ck_assert_msg(tally_sim_gpu_load(path, &loaded) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(loaded->chip, one(_i)->chip);
    ck_assert_mem_eq(loaded->chip_id, one(_i)->chip_id, sizeof loaded->chip_id);
    tally_sim_gpu_digest(one(_i), saved);
    tally_sim_gpu_digest(loaded, got);
    ck_assert_mem_eq(saved, got, sizeof saved);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        ck_assert(tally_slice_equal(tally_sim_gpu_der(loaded, i), tally_sim_gpu_der(one(_i), i)));

    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);
    tally_gpu_policy_strict(&strict);
    simulated_evidence_init(&e, loaded); /* signed by the loaded key */
    ck_assert_msg(tally_verify_gpu(&e.in, anchors, n, &strict, &expect, &v) == TALLY_OK, "%s",
                  tally_why());
}
END_TEST

START_TEST(a_file_is_never_overwritten)
{
    ck_assert_int_eq(tally_sim_gpu_save(one(0), path), TALLY_OK);
    ck_assert_int_eq(tally_sim_gpu_save(one(1), path), TALLY_E_IO);
    ck_assert_int_eq(tally_sim_gpu_load(path, &loaded), TALLY_OK);
    ck_assert_int_eq(loaded->chip, TALLY_GPU_GH100);
}
END_TEST

static enum tally_status load_bytes(const uint8_t *at, size_t len)
{
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(at, len), 0600), TALLY_OK);
    return tally_sim_gpu_load(path, &loaded);
}

START_TEST(no_prefix_and_nothing_longer_is_a_device)
{
    uint8_t *bytes = NULL;
    size_t len = 0;

    ck_assert_int_eq(tally_sim_gpu_save(one(0), path), TALLY_OK);
    ck_assert_int_eq(tally_file_read(path, 32768, &bytes, &len), TALLY_OK);
    bytes = realloc(bytes, len + 1);
    bytes[len] = 0;
    for (size_t n = 0; n <= len + 1; n += n < 128 || n > len - 8 ? 1 : 61) {
        if (n == len) continue;
        ck_assert_int_eq(load_bytes(bytes, n), TALLY_E_CONFIG);
        ck_assert_ptr_null(loaded);
    }
    /* the kind of file, the chip, the length of the key, its first byte */
    const size_t changed[] = {0, 14, 21, 21 + 1 + 8 + 48, 21 + 1 + 8 + 48 + 4};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        bytes[changed[i]] ^= 0x55;
        ck_assert_int_eq(load_bytes(bytes, len), TALLY_E_CONFIG);
        bytes[changed[i]] ^= 0x55;
    }
    ck_assert_int_eq(load_bytes(bytes, len), TALLY_OK);
    free(bytes);
}
END_TEST

START_TEST(a_missing_file_is_said)
{
    ck_assert_int_eq(tally_sim_gpu_load("no_such_gpu", &loaded), TALLY_E_IO);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sim_gpu_file");

    simulated_gpu_setup();
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_loaded_device_is_the_saved_one_and_answers_any_nonce, 0, 3);
    tcase_add_test(t, a_file_is_never_overwritten);
    tcase_add_test(t, no_prefix_and_nothing_longer_is_a_device);
    tcase_add_test(t, a_missing_file_is_said);
    return tally_suite_run("common/sim_gpu_file", t);
}
