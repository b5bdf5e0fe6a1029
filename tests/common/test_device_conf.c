/* test_device_conf.c - common/device_conf.c: mode and device agree, and a configuration that names
 * hardware gets hardware or nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/device_conf.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"

static struct tally_device_conf conf;
static char chip_file[64];
static struct tally_federation federation;

static void set_up(void)
{
    memset(&conf, 0, sizeof conf);
    (void)snprintf(conf.kind, sizeof conf.kind, "simulated");
    (void)snprintf(conf.chip, sizeof conf.chip, "%s", chip_file);
    federation.mode = TALLY_MODE_TEST;
}

START_TEST(production_is_hardware_alone)
{
    ck_assert_int_eq(tally_device_conf_check(&conf, "test", "a.yaml"), TALLY_OK);
    ck_assert_int_eq(tally_device_conf_check(&conf, "production", "a.yaml"), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "a.yaml: device.kind: expected hardware, for simulated is "
                                       "allowed in test mode only");
    (void)snprintf(conf.kind, sizeof conf.kind, "hardware");
    ck_assert_int_eq(tally_device_conf_check(&conf, "test", "a.yaml"), TALLY_OK);
    ck_assert_int_eq(tally_device_conf_check(&conf, "production", "a.yaml"), TALLY_OK);
}
END_TEST

START_TEST(a_simulated_chip_serves_a_test_federation_alone)
{
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_conf_open(&conf, &federation, &d) == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
    federation.mode = TALLY_MODE_PRODUCTION;
    ck_assert_int_eq(tally_device_conf_open(&conf, &federation, &d), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_device_conf_open(&conf, NULL, &d), TALLY_E_CONFIG);
    ck_assert_ptr_null(d);
}
END_TEST

/* A chip file beside a program that was told to use hardware is no way out. */
START_TEST(hardware_that_is_not_there_is_replaced_by_nothing)
{
    struct tally_device *d = NULL;

    (void)snprintf(conf.kind, sizeof conf.kind, "hardware");
    if (access("/dev/sev-guest", F_OK) == 0 || access("/sys/kernel/config/tsm/report", F_OK) == 0)
        return; /* a machine that has a TEE */
    ck_assert_int_eq(tally_device_conf_open(&conf, &federation, &d), TALLY_E_STATE);
    ck_assert_int_eq(tally_device_conf_open(&conf, NULL, &d), TALLY_E_STATE);
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(the_keys_read_back_from_what_is_written)
{
    static const struct tally_conf_key keys[] = {TALLY_DEVICE_CONF_KEYS(0)};
    static const struct tally_conf_table table = {.about = "Devices.",
                                                  .keys = keys,
                                                  .keys_n = sizeof keys / sizeof keys[0],
                                                  .values_bytes = sizeof(struct tally_device_conf)};
    struct tally_device_conf back;
    char *text = NULL;

    tally_conf_defaults(&table, &conf);
    ck_assert_str_eq(conf.kind, "hardware"); /* where nothing is said */
    ck_assert_str_eq(conf.vek, "");
    (void)snprintf(conf.vek, sizeof conf.vek, "vcek.der");
    (void)snprintf(conf.collateral, sizeof conf.collateral, "/etc/tdx");
    ck_assert_int_eq(tally_conf_text(&table, &conf, &text), TALLY_OK);
    ck_assert_int_eq(tally_conf_parse(&table, "dir/a.yaml", tally_slice_str(text), &back),
                     TALLY_OK);
    ck_assert_str_eq(back.kind, "hardware");
    ck_assert_str_eq(back.vek, "dir/vcek.der");
    ck_assert_str_eq(back.collateral, "/etc/tdx");
    ck_assert_str_eq(back.crl, "");
    free(text);
}
END_TEST

int main(void)
{
    simulated_setup();
    (void)snprintf(chip_file, sizeof chip_file, "device_conf_test_chip_%d", (int)getpid());
    if (tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK) return EXIT_FAILURE;
    TCase *t = tcase_create("device_conf");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, production_is_hardware_alone);
    tcase_add_test(t, a_simulated_chip_serves_a_test_federation_alone);
    tcase_add_test(t, hardware_that_is_not_there_is_replaced_by_nothing);
    tcase_add_test(t, the_keys_read_back_from_what_is_written);
    int rc = tally_suite_run("common/device_conf", t);
    (void)unlink(chip_file);
    return rc;
}
