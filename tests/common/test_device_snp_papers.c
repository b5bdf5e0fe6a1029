/* test_device_snp_papers.c - common/attest/device_snp_papers.c: which certificates go with a
 * report, from the host's table and from files (A36). */
#include "tests/common/snp_device_fixture.h"

START_TEST(files_stand_in_where_the_host_gives_nothing)
{
    tee_kernel()->certs = (struct tally_slice){0};
    struct tally_device *d = booted();
    ck_assert_int_eq(appraise(d, "nonce"), TALLY_E_UNDECIDED); /* without a certificate */
    tally_device_close(&d);
    files.vek = vek_file;
    files.issuer = issuer_file;
    d = booted();
    ck_assert_msg(appraise(d, "nonce") == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
}
END_TEST

START_TEST(a_host_with_an_old_certificate_gives_way_to_the_file_that_fits)
{
    struct tally_sim_chip *old = NULL;
    static uint8_t stale[TEE_CERTS_MAX];
    struct tally_snp_tcb tcb = simulated_chip()->tcb;

    ck_assert_int_eq(tally_sim_chip_new(simulated_root(), SIM_NOW_S, &old), TALLY_OK);
    memcpy(old->chip_id, simulated_chip()->chip_id, sizeof old->chip_id);
    tcb.raw[6]--;
    ck_assert_int_eq(tally_sim_chip_set_tcb(old, simulated_root(), &tcb, SIM_NOW_S), TALLY_OK);
    tee_kernel()->certs = tally_slice_of(stale, tee_kernel_certs(old, stale));
    struct tally_device *d = booted();
    ck_assert_int_eq(appraise(d, "nonce"), TALLY_E_UNTRUSTED); /* A36: REPORTED is not its TCB */
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_BINDING);
    tally_device_close(&d);
    files.vek = vek_file;
    d = booted();
    ck_assert_msg(appraise(d, "nonce") == TALLY_OK, "%s", tally_why());
    ck_assert(is(endorsed(TALLY_ENDORSEMENT_VEK), &simulated_chip()->vcek));
    tally_device_close(&d);
    tally_sim_chip_free(&old);
}
END_TEST

START_TEST(a_table_that_makes_no_sense_is_no_table)
{
    static const uint8_t junk[64] = {1};

    files.vek = vek_file;
    files.issuer = issuer_file;
    tee_kernel()->certs = TALLY_SLICE(junk);
    struct tally_device *d = booted();
    ck_assert_msg(appraise(d, "nonce") == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
    /* entries that are no certificates */
    memset(table + 4 * 24, 0x55, 512);
    tee_kernel()->certs = tally_slice_of(table, TEE_CERTS_MAX);
    d = booted();
    ck_assert_msg(appraise(d, "nonce") == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
}
END_TEST

START_TEST(files_that_are_wrong_are_told_at_the_start)
{
    tee_kernel()->certs = (struct tally_slice){0};
    files.vek = "no_such_file";
    refused(TALLY_E_IO, "no_such_file");
    files.vek = crl_file;
    refused(TALLY_E_CONFIG, crl_file);
    files.vek = vek_file;
    files.issuer = vek_file;
    refused(TALLY_E_CONFIG, "did not issue");
    files.issuer = issuer_file;
    files.crl = "no_such_list";
    refused(TALLY_E_IO, "no_such_list");
    char path[1100];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    files.crl = path;
    refused(TALLY_E_CONFIG, "too long a path");
}
END_TEST

START_TEST(a_renewed_file_needs_no_restart)
{
    char path[64];
    size_t ev_len = 0, end_len = 0;

    (void)snprintf(path, sizeof path, "snp_test_renewed_%d", (int)getpid());
    struct tally_slice crl = tally_slice_of(simulated_chip()->crl.at, simulated_chip()->crl.len);
    ck_assert_int_eq(tally_file_write(path, crl, 0644), TALLY_OK);
    files.crl = path;
    struct tally_device *d = booted();
    struct tally_slice other = snp_vector_file("roots/genoa_vcek_crl.der");
    ck_assert_int_eq(tally_file_write(path, other, 0644), TALLY_OK);
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_OK);
    ck_assert(tally_slice_equal(endorsed(TALLY_ENDORSEMENT_CRL), other));
    (void)unlink(path);
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_E_IO);
    tally_device_close(&d);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    write_files();
    TCase *t = tcase_create("device_snp_papers");

    tcase_add_checked_fixture(t, set_up, tee_kernel_reset);
    tcase_add_test(t, files_stand_in_where_the_host_gives_nothing);
    tcase_add_test(t, a_host_with_an_old_certificate_gives_way_to_the_file_that_fits);
    tcase_add_test(t, a_table_that_makes_no_sense_is_no_table);
    tcase_add_test(t, files_that_are_wrong_are_told_at_the_start);
    tcase_add_test(t, a_renewed_file_needs_no_restart);
    int rc = tally_suite_run("common/device_snp_papers", t);
    remove_files();
    return rc;
}
