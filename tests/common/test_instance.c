/* test_instance.c - common/instance.c over a simulated chip: the keys of an instance come back to
 * the program that made them and to nobody else (DESIGN.md, Restart). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx.h"
#include "common/file.h"
#include "common/instance.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"

enum { FILE_BYTES = 16 + 32 + 32 + TALLY_SEAL_EXTRA_BYTES };

static char chip_file[64], other_chip_file[64], machine_file[64], path[64], lost[80];
static struct tally_seal_name name;
static struct tally_sim_guest guest;
static const char *chip;
static struct tally_instance got;
static struct tally_instance_held held;

static void set_up(void)
{
    (void)snprintf(path, sizeof path, "instance_test_%d", (int)getpid());
    (void)snprintf(lost, sizeof lost, "%s.lost", path);
    name = (struct tally_seal_name){.mode = 'T',
                                    .role = 1,
                                    .federation_id = {1},
                                    .org = tally_slice_str("bank-1"),
                                    .node = tally_slice_str("agent-1")};
    guest = (struct tally_sim_guest){.policy = TALLY_SIM_GUEST_POLICY, .measurement = {1}};
    chip = chip_file;
}

static void tear_down(void)
{
    (void)unlink(path);
    (void)unlink(lost);
    tally_instance_held_free(&held);
}

/* A start of the program: a device, the instance, and what was found. */
static enum tally_status start(bool *fresh)
{
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_boot(chip, &guest, &d) == TALLY_OK, "%s", tally_why());
    enum tally_instance_origin origin = TALLY_INSTANCE_KEPT;
    enum tally_status s = tally_instance_open(path, d, &name, &held, &got, &origin);
    *fresh = origin == TALLY_INSTANCE_FRESH;
    tally_device_close(&d);
    return s;
}

static struct tally_instance started(bool want_fresh)
{
    bool fresh = !want_fresh;

    tally_instance_held_free(&held); /* another process */
    ck_assert_msg(start(&fresh) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(fresh, want_fresh);
    return got;
}

static bool alike(const struct tally_instance *a, const struct tally_instance *b)
{
    bool same_id = memcmp(a->id, b->id, 16) == 0;
    bool same_key = memcmp(a->attested.bytes, b->attested.bytes, sizeof a->attested.bytes) == 0;
    bool same_kem = memcmp(a->kem_secret, b->kem_secret, 32) == 0;

    ck_assert(same_id == same_key && same_key == same_kem); /* all or nothing */
    return same_id;
}

static uint8_t *contents(const char *file)
{
    static uint8_t bytes[FILE_BYTES];

    ck_assert_msg(tally_file_read_exact(file, bytes, sizeof bytes) == TALLY_OK, "%s", tally_why());
    return bytes;
}

START_TEST(the_same_keys_come_back_after_a_restart)
{
    uint8_t kem_public[32];
    struct stat st;
    struct tally_instance first = started(true);

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    for (int i = 0; i < 3; i++) {
        struct tally_instance again = started(false);
        ck_assert(alike(&first, &again));
        ck_assert_mem_eq(again.kem_public, first.kem_public, 32);
    }
    tally_kex_public(first.kem_secret, kem_public);
    ck_assert_mem_eq(first.kem_public, kem_public, 32);
    ck_assert(!tally_file_exists(lost));
}
END_TEST

START_TEST(no_two_instances_have_the_same_keys)
{
    struct tally_instance a = started(true);

    ck_assert_int_eq(unlink(path), 0);
    struct tally_instance b = started(true);
    ck_assert(!alike(&a, &b));
    ck_assert(!tally_file_exists(lost));
}
END_TEST

static void another(int i)
{
    switch (i) {
    case 0: guest.measurement[0]++; break;
    case 1: guest.policy |= TALLY_SNP_POLICY_DEBUG; break;
    case 2: guest.vmpl = 1; break;
    case 3: chip = other_chip_file; break;
    case 4: name.federation_id[31] ^= 1; break;
    case 5: name.node = tally_slice_str("agent-2"); break;
    case 6: name.org = tally_slice_str("bank-2"); break;
    case 7: name.role = 2; break;
    default: name.mode = 'P'; break;
    }
}
enum { OTHERS = 9 };

START_TEST(anyone_else_starts_afresh_and_keeps_the_old_file_aside)
{
    uint8_t old[FILE_BYTES];
    struct tally_instance first = started(true);

    memcpy(old, contents(path), sizeof old);
    another(_i);
    struct tally_instance second = started(true);
    ck_assert(!alike(&first, &second));
    ck_assert_mem_eq(contents(lost), old, sizeof old);
    second = started(false); /* and goes on with its own */
    ck_assert(!alike(&first, &second));
    ck_assert_mem_eq(contents(lost), old, sizeof old);
    ck_assert_int_eq(rename(lost, path), 0); /* nothing of the first is gone */
    set_up();
    second = started(false);
    ck_assert(alike(&first, &second));
}
END_TEST

START_TEST(a_cut_or_lengthened_file_is_put_aside)
{
    static uint8_t old[FILE_BYTES + 1];
    struct tally_instance first = started(true);

    memcpy(old, contents(path), FILE_BYTES);
    for (size_t n = 0; n <= sizeof old; n += n + 9 < FILE_BYTES ? 9 : 1) {
        uint8_t *aside = NULL;
        size_t len = 0;
        if (n == FILE_BYTES) continue;
        ck_assert_int_eq(tally_file_write(path, tally_slice_of(old, n), 0600), TALLY_OK);
        struct tally_instance second = started(true);
        ck_assert(!alike(&first, &second));
        ck_assert_int_eq(tally_file_read(lost, sizeof old, &aside, &len), TALLY_OK);
        ck_assert(tally_slice_equal(tally_slice_of(aside, len), tally_slice_of(old, n)));
        free(aside);
    }
}
END_TEST

START_TEST(a_changed_file_is_put_aside)
{
    uint8_t old[FILE_BYTES];
    struct tally_instance first = started(true);

    memcpy(old, contents(path), sizeof old);
    for (size_t at = 0; at < sizeof old; at += 5) {
        old[at] ^= 0x10;
        ck_assert_int_eq(tally_file_write(path, TALLY_SLICE(old), 0600), TALLY_OK);
        struct tally_instance second = started(true);
        ck_assert(!alike(&first, &second));
        ck_assert_mem_eq(contents(lost), old, sizeof old);
        old[at] ^= 0x10;
    }
}
END_TEST

START_TEST(no_secret_stands_plain_in_the_file)
{
    struct tally_instance first = started(true);
    const uint8_t *file = contents(path);
    enum { PART = 8 };

    for (size_t at = 0; at + PART <= 32; at++) {
        ck_assert_ptr_null(memmem(file, FILE_BYTES, first.attested.bytes + at, PART));
        ck_assert_ptr_null(memmem(file, FILE_BYTES, first.kem_secret + at, PART));
        ck_assert_ptr_null(memmem(file, FILE_BYTES, first.kem_public + at, PART));
    }
    ck_assert_ptr_null(memmem(file, FILE_BYTES, first.id, PART));
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_not_taken_for_lost)
{
    bool fresh;

    ck_assert_int_eq(mkdir(path, 0700), 0); /* in its place */
    ck_assert_int_eq(start(&fresh), TALLY_E_IO);
    ck_assert(!tally_file_exists(lost));
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(keys_that_cannot_be_kept_are_not_given)
{
    bool fresh;

    (void)snprintf(path, sizeof path, "no_such_folder_%d/keys", (int)getpid());
    memset(&got, 0, sizeof got);
    ck_assert_int_eq(start(&fresh), TALLY_E_IO);
    ck_assert_uint_eq(got.kem_public[0] | got.kem_public[1] | got.kem_public[2], 0);
}
END_TEST

/* A tour of a process on a TDX machine: how its instance came to be. */
static enum tally_instance_origin toured(const struct tally_sim_td *td)
{
    enum tally_instance_origin origin = TALLY_INSTANCE_KEPT;
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_tdx_boot(machine_file, td, &d) == TALLY_OK, "%s", tally_why());
    ck_assert_msg(tally_instance_open(path, d, &name, &held, &got, &origin) == TALLY_OK, "%s",
                  tally_why());
    tally_device_close(&d);
    ck_assert(!tally_file_exists(path) && !tally_file_exists(lost));
    return origin;
}

START_TEST(without_a_sealing_key_an_instance_lasts_as_long_as_its_process)
{
    const struct tally_sim_td td = {.mrtd = {1}};

    ck_assert_int_eq(toured(&td), TALLY_INSTANCE_PASSING);
    struct tally_instance first = got;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(toured(&td), TALLY_INSTANCE_HELD);
        ck_assert(alike(&first, &got));
        ck_assert_mem_eq(got.kem_public, first.kem_public, 32);
    }
    tally_instance_held_free(&held); /* the process ends */
    ck_assert_int_eq(toured(&td), TALLY_INSTANCE_PASSING);
    ck_assert(!alike(&first, &got));
}
END_TEST

START_TEST(what_a_process_holds_is_for_nobody_else)
{
    struct tally_sim_td td = {.mrtd = {1}};

    ck_assert_int_eq(toured(&td), TALLY_INSTANCE_PASSING);
    struct tally_instance first = got;
    if (_i == 0)
        td.mrtd[47] ^= 1; /* another program */
    else
        another(_i + 3); /* another federation, node, organisation, role, mode */
    ck_assert_int_eq(toured(&td), TALLY_INSTANCE_PASSING);
    ck_assert(!alike(&first, &got));
}
END_TEST

static void write_machine(void)
{
    struct tally_sim_tdx_root *root = NULL;
    struct tally_sim_tdx_chip *machine = NULL;

    (void)snprintf(machine_file, sizeof machine_file, "instance_test_tdx_%d", (int)getpid());
    if (tally_sim_tdx_root_new(SIM_NOW_S, &root) != TALLY_OK ||
        tally_sim_tdx_chip_new(root, SIM_NOW_S, &machine) != TALLY_OK ||
        tally_sim_tdx_chip_save(machine, machine_file) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
    tally_sim_tdx_root_free(&root);
    tally_sim_tdx_chip_free(&machine);
}

static void write_chips(void)
{
    struct tally_sim_chip *other = NULL;

    (void)snprintf(chip_file, sizeof chip_file, "instance_test_chip_%d", (int)getpid());
    (void)snprintf(other_chip_file, sizeof other_chip_file, "instance_test_other_%d",
                   (int)getpid());
    if (tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK ||
        tally_sim_chip_new(simulated_root(), SIM_NOW_S, &other) != TALLY_OK ||
        tally_sim_chip_save(other, other_chip_file) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
    tally_sim_chip_free(&other);
}

int main(void)
{
    TCase *t = tcase_create("instance");

    simulated_setup();
    write_chips();
    write_machine();
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_same_keys_come_back_after_a_restart);
    tcase_add_test(t, no_two_instances_have_the_same_keys);
    tcase_add_loop_test(t, anyone_else_starts_afresh_and_keeps_the_old_file_aside, 0, OTHERS);
    tcase_add_test(t, a_cut_or_lengthened_file_is_put_aside);
    tcase_add_test(t, a_changed_file_is_put_aside);
    tcase_add_test(t, no_secret_stands_plain_in_the_file);
    tcase_add_test(t, a_file_that_cannot_be_read_is_not_taken_for_lost);
    tcase_add_test(t, keys_that_cannot_be_kept_are_not_given);
    tcase_add_test(t, without_a_sealing_key_an_instance_lasts_as_long_as_its_process);
    tcase_add_loop_test(t, what_a_process_holds_is_for_nobody_else, 0, OTHERS - 3);
    int rc = tally_suite_run("common/instance", t);
    (void)unlink(chip_file);
    (void)unlink(other_chip_file);
    (void)unlink(machine_file);
    return rc;
}
