/* test_device_snp_describe.c - common/attest/device_snp_describe.c: what `tally-agent check` says
 * of an SNP machine, and what to do about what it lacks. */
#include "tests/common/snp_device_fixture.h"

struct lines {
    char text[8192];
    int good, bad;
};

static void take_line(void *ctx, bool good, const char *what, const char *fix)
{
    struct lines *l = ctx;
    size_t used = strlen(l->text);

    (void)snprintf(l->text + used, sizeof l->text - used, "%d %s | %s\n", good, what, fix);
    ck_assert_int_eq(good, *fix == '\0');
    if (good)
        l->good++;
    else
        l->bad++;
}

static struct lines described(void)
{
    struct lines l = {.text = ""};
    const struct tally_describe to = {take_line, &l};
    struct tally_device *d = booted();

    tally_device_describe(d, &to);
    tally_device_close(&d);
    return l;
}

static void says(const struct lines *l, const char *words)
{
    ck_assert_msg(strstr(l->text, words) != NULL, "\"%s\" is not in\n%s", words, l->text);
}

START_TEST(a_machine_that_lacks_nothing_is_described)
{
    struct lines l = described();

    ck_assert_msg(l.bad == 0, "%s", l.text);
    says(&l, "AMD SEV-SNP, through configfs-tsm");
    says(&l, "processor Genoa (family 19h, model 11h), report version 3, firmware 1.55.40");
    says(&l, "SNP 23, microcode 84; signed by its VCEK");
    says(&l, "debugging off, migration off, VMPL 0");
    says(&l, "the chip's certificate: the host's, of this chip and TCB");
    says(&l, "a sealing key");
    tee_kernel()->tsm = false;
    l = described();
    says(&l, "through /dev/sev-guest");
}
END_TEST

START_TEST(what_is_missing_comes_with_what_to_do)
{
    struct tee_kernel *k = tee_kernel();
    char want[256];

    k->certs = (struct tally_slice){0};
    k->sev_guest = false;
    k->guest.platform_info = 1;
    k->guest.policy |= TALLY_SNP_POLICY_MIGRATE_MA;
    k->guest.current.raw[6]++;
    struct lines l = described();
    ck_assert_int_eq(l.bad, 5);
    says(&l, "0 no certificate of this chip");
    (void)snprintf(want, sizeof want, "https://kdsintf.amd.com/vcek/v1/Genoa/%02x%02x",
                   simulated_chip()->chip_id[0], simulated_chip()->chip_id[1]);
    says(&l, want);
    says(&l, "?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84 and name the file in device.vek");
    says(&l, "0 no sealing key | no sealing key without /dev/sev-guest");
    says(&l, "BadRAM");
    says(&l, "without MIGRATE_MA");
    says(&l, "must commit it");
}
END_TEST

/* AMD's server keeps the genuine certificates under exactly this address. */
START_TEST(the_address_of_a_turin_certificate_has_its_own_form)
{
    tee_kernel()->captured = snp_vector_file("turin_v5_oak/report.bin");
    tee_kernel()->report_data_at = 0x50;
    tee_kernel()->certs = (struct tally_slice){0};
    struct lines l = described();

    says(&l, "processor Turin");
    says(&l, "/vcek/v1/Turin/");
    says(&l, "?fmcSPL=");
    char *id = strstr(l.text, "/vcek/v1/Turin/") + strlen("/vcek/v1/Turin/");
    ck_assert_uint_eq(strcspn(id, "?"), 16);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    write_files();
    TCase *t = tcase_create("device_snp_describe");

    tcase_add_checked_fixture(t, set_up, tee_kernel_reset);
    tcase_add_test(t, a_machine_that_lacks_nothing_is_described);
    tcase_add_test(t, what_is_missing_comes_with_what_to_do);
    tcase_add_test(t, the_address_of_a_turin_certificate_has_its_own_form);
    int rc = tally_suite_run("common/device_snp_describe", t);
    remove_files();
    return rc;
}
