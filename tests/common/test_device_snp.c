/* test_device_snp.c - common/attest/device_snp.c and device_hardware.c over a played kernel:
 * evidence that a peer takes, what is no TEE, and secrets that nobody else opens (A37). */
#include "tests/common/snp_device_fixture.h"

START_TEST(both_ways_give_evidence_that_a_peer_takes)
{
    for (int i = 0; i < 2; i++) {
        tee_kernel()->tsm = i == 0;
        struct tally_device *d = booted();
        ck_assert_msg(appraise(d, "nonce") == TALLY_OK, "%s", tally_why());
        ck_assert(is(endorsed(TALLY_ENDORSEMENT_VEK), &simulated_chip()->vcek));
        ck_assert(is(endorsed(TALLY_ENDORSEMENT_ISSUER), &simulated_chip()->ask));
        ck_assert(is(endorsed(TALLY_ENDORSEMENT_CRL), &simulated_chip()->crl));
        tally_device_close(&d);
        ck_assert_uint_eq(tee_kernel()->folders, 0);
    }
}
END_TEST

START_TEST(the_identity_is_the_one_that_a_document_lists)
{
    struct tally_device *d = booted();
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], want[TALLY_CHIP_DIGEST_BYTES], m[48];

    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    tally_sim_chip_digest(simulated_chip(), want);
    ck_assert_mem_eq(chip, want, sizeof chip);
    ck_assert_mem_eq(m, tee_kernel()->guest.measurement, sizeof m);
    tally_device_close(&d);
}
END_TEST

START_TEST(a_genuine_report_tells_who_its_guest_is)
{
    struct tee_kernel *k = tee_kernel();
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], want[TALLY_CHIP_DIGEST_BYTES], m[48];
    size_t ev_len = 0, end_len = 0;

    k->captured = snp_vector_file("genoa_v3_veraison/report.bin");
    k->certs = snp_vector_file("genoa_v3_veraison/tsm_auxblob.bin");
    k->report_data_at = 0x50;
    struct tally_device *d = booted();
    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    tally_chip_digest("Genoa", tally_slice_of(k->captured.at + 0x1a0, 64), want);
    ck_assert_mem_eq(chip, want, sizeof chip);
    ck_assert_mem_eq(m, k->captured.at + 0x90, sizeof m);
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_OK);
    struct tally_slice vek = snp_vector_file("genoa_v3_veraison/vek.der");
    struct tally_slice ask = snp_vector_file("roots/genoa_ask.der");
    ck_assert(tally_slice_equal(endorsed(TALLY_ENDORSEMENT_VEK), vek)); /* PEM at the host */
    ck_assert(tally_slice_equal(endorsed(TALLY_ENDORSEMENT_ISSUER), ask));
    tally_device_close(&d);
    /* A real kernel's answer over other bytes than were asked for is none. */
    k->report_data_at = 0;
    refused(TALLY_E_IO, "over other bytes");
}
END_TEST

/* ---- which TEE, and what is none ---- */

START_TEST(what_is_missing_is_said_for_both_ways)
{
    tee_kernel()->tsm = tee_kernel()->sev_guest = false;
    refused(TALLY_E_STATE, "no TEE on this machine: no /sys/kernel/config/tsm/report");
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "and no /dev/sev-guest"));
    tee_kernel()->tsm = true;
    tee_kernel_fault("mkdir", ENXIO, -1);
    refused(TALLY_E_STATE, "load its module");
    tee_kernel()->sev_guest = true; /* an older kernel's way */
    struct tally_device *d = booted();
    tally_device_close(&d);
}
END_TEST

START_TEST(a_broken_interface_is_not_taken_for_a_missing_one)
{
    tee_kernel_fault("mkdir", EPERM, -1);
    refused(TALLY_E_IO, "run as root");
    ck_assert_uint_eq(tee_kernel()->reports, 0);
    tee_kernel_reset();
    set_up();
    tee_kernel()->tsm = false;
    tee_kernel_fault("dev", EACCES, -1);
    refused(TALLY_E_IO, "run as root");
}
END_TEST

START_TEST(a_provider_that_is_not_known_is_no_tee_of_ours)
{
    tee_kernel()->sev_guest = false;
    (void)snprintf(tee_kernel()->provider, sizeof tee_kernel()->provider, "arm_cca_guest");
    refused(TALLY_E_STATE, "arm_cca_guest");
}
END_TEST

START_TEST(no_device_under_a_debug_policy)
{
    struct tally_device *d = NULL;

    for (int i = 0; i < 2; i++) {
        tee_kernel()->tsm = i == 0;
        tee_kernel()->guest.policy |= TALLY_SNP_POLICY_DEBUG;
        ck_assert_int_eq(boot(&d), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_POLICY_DEBUG);
    }
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(another_length_or_version_of_report_is_refused)
{
    tee_kernel()->padded = 16;
    refused(TALLY_E_IO, "1200 bytes");
    tee_kernel()->padded = 0;
    tee_kernel()->guest.version = 6;
    struct tally_device *d = NULL;
    ck_assert_int_eq(boot(&d), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_VERSION);
}
END_TEST

START_TEST(a_guest_that_was_moved_is_another)
{
    struct tally_device *d = booted();
    struct tally_snp_report *g = &tee_kernel()->guest;
    size_t ev_len = 0, end_len = 0;

    g->chip_id[0] ^= 1;
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_E_STATE);
    g->chip_id[0] ^= 1;
    g->measurement[0] ^= 1;
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_E_STATE);
    g->measurement[0] ^= 1;
    g->policy ^= TALLY_SNP_POLICY_SMT;
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_E_STATE);
    g->policy ^= TALLY_SNP_POLICY_SMT;
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_OK);
    g->current.raw[6]++; /* firmware may be updated while it runs */
    ck_assert_int_eq(quote(d, "nonce", &ev_len, &end_len), TALLY_OK);
    tally_device_close(&d);
}
END_TEST

/* ---- sealing ---- */

static const char secret[] = "instance keys";
enum { SEALED = sizeof secret + TALLY_SEAL_EXTRA_BYTES };

static struct tally_seal_name a_name(void)
{
    return (struct tally_seal_name){.mode = 'P',
                                    .role = 1,
                                    .federation_id = {1},
                                    .org = tally_slice_str("bank-1"),
                                    .node = tally_slice_str("agent-1")};
}

static void seal(uint8_t sealed[SEALED])
{
    struct tally_device *d = booted();
    struct tally_seal_name n = a_name();

    ck_assert_msg(tally_device_seal(d, &n, TALLY_SLICE(secret), sealed) == TALLY_OK, "%s",
                  tally_why());
    tally_device_close(&d);
}

/* What a start of the program as things now are makes of it. */
static enum tally_status unseal(const uint8_t sealed[SEALED], const struct tally_seal_name *n)
{
    struct tally_device *d = NULL;
    uint8_t plain[sizeof secret] = {0};
    enum tally_status s = boot(&d);

    if (s == TALLY_OK) s = tally_device_unseal(d, n, tally_slice_of(sealed, SEALED), plain);
    if (d != NULL) tally_device_close(&d);
    if (s == TALLY_OK)
        ck_assert_mem_eq(plain, secret, sizeof secret);
    else
        ck_assert_mem_ne(plain, secret, sizeof secret);
    return s;
}

START_TEST(the_same_guest_opens_its_seal_whichever_way_it_is_reached)
{
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED];

    seal(sealed);
    ck_assert_int_eq(unseal(sealed, &n), TALLY_OK);
    tee_kernel()->tsm = false;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_OK);
    tee_kernel()->guest.current.raw[6]++; /* newer firmware, another start, another host's word */
    tee_kernel()->guest.report_id[0]++;
    tee_kernel()->guest.host_data[0]++;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_OK);
    tee_kernel()->has_vlek = true; /* the host loads a VLEK */
    ck_assert_int_eq(unseal(sealed, &n), TALLY_OK);
}
END_TEST

/* A37 */
START_TEST(no_other_guest_opens_the_seal)
{
    struct tally_seal_name n = a_name();
    struct tally_sim_chip *other = NULL;
    struct tee_kernel *k = tee_kernel();
    uint8_t sealed[SEALED];

    seal(sealed);
    ck_assert_int_eq(tally_sim_chip_new(simulated_root(), SIM_NOW_S, &other), TALLY_OK);
    k->guest.policy |= TALLY_SNP_POLICY_DEBUG; /* does not even start */
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_POLICY_DEBUG);
    k->guest.policy = TALLY_SIM_GUEST_POLICY | TALLY_SNP_POLICY_MIGRATE_MA;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    k->guest.policy = TALLY_SIM_GUEST_POLICY ^ TALLY_SNP_POLICY_SMT;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    k->guest.policy = TALLY_SIM_GUEST_POLICY;
    k->guest.measurement[0] ^= 1;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    k->guest.measurement[0] ^= 1;
    k->privlevel_floor = 1; /* a kernel at another VMPL */
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_IO);
    k->tsm = false;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_IO);
    k->tsm = true;
    k->privlevel_floor = 0;
    k->chip = other;
    memcpy(k->guest.chip_id, other->chip_id, sizeof other->chip_id);
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    memcpy(k->guest.chip_id, simulated_chip()->chip_id, sizeof other->chip_id); /* it lies */
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    k->chip = simulated_chip();
    ck_assert_int_eq(unseal(sealed, &n), TALLY_OK);
    tally_sim_chip_free(&other);
}
END_TEST

/* Debugging switched on is seen by the key itself, not only by our own refusal. */
START_TEST(the_key_of_a_debug_guest_is_another)
{
    struct tally_device *d = booted();
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED], plain[sizeof secret];

    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(secret), sealed), TALLY_OK);
    tee_kernel()->guest.policy |= TALLY_SNP_POLICY_DEBUG;
    ck_assert_int_eq(tally_device_unseal(d, &n, TALLY_SLICE(sealed), plain), TALLY_E_AUTH);
    tally_device_close(&d);
}
END_TEST

START_TEST(no_other_name_mode_role_or_federation_opens_the_seal)
{
    uint8_t sealed[SEALED];

    seal(sealed);
    for (int i = 0; i < 5; i++) {
        struct tally_seal_name n = a_name();
        if (i == 0) n.mode = 'T';
        if (i == 1) n.role = 2;
        if (i == 2) n.federation_id[31] = 1;
        if (i == 3) n.org = tally_slice_str("bank-2");
        if (i == 4) n.node = tally_slice_str("agent-2");
        ck_assert_int_eq(unseal(sealed, &n), TALLY_E_AUTH);
    }
}
END_TEST

/* A new instance where there is none: only where there can be none. */
START_TEST(a_missing_device_is_a_failure_and_not_another_instance)
{
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED];

    seal(sealed);
    tee_kernel()->sev_guest = false;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "no sealing key without /dev/sev-guest"));
    tee_kernel()->sev_guest = true;
    tee_kernel()->status = 0x27; /* refused by the firmware */
    tee_kernel()->tsm = false;
    ck_assert_int_eq(unseal(sealed, &n), TALLY_E_IO);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    write_files();
    TCase *t = tcase_create("device_snp");

    tcase_add_checked_fixture(t, set_up, tee_kernel_reset);
    tcase_add_test(t, both_ways_give_evidence_that_a_peer_takes);
    tcase_add_test(t, the_identity_is_the_one_that_a_document_lists);
    tcase_add_test(t, a_genuine_report_tells_who_its_guest_is);
    tcase_add_test(t, what_is_missing_is_said_for_both_ways);
    tcase_add_test(t, a_broken_interface_is_not_taken_for_a_missing_one);
    tcase_add_test(t, a_provider_that_is_not_known_is_no_tee_of_ours);
    tcase_add_test(t, no_device_under_a_debug_policy);
    tcase_add_test(t, another_length_or_version_of_report_is_refused);
    tcase_add_test(t, a_guest_that_was_moved_is_another);
    tcase_add_test(t, the_same_guest_opens_its_seal_whichever_way_it_is_reached);
    tcase_add_test(t, no_other_guest_opens_the_seal);
    tcase_add_test(t, the_key_of_a_debug_guest_is_another);
    tcase_add_test(t, no_other_name_mode_role_or_federation_opens_the_seal);
    tcase_add_test(t, a_missing_device_is_a_failure_and_not_another_instance);
    int rc = tally_suite_run("common/device_snp", t);
    remove_files();
    return rc;
}
