/* test_device.c - common/attest/device.c over the simulated chip: evidence that a node's appraisal
 * accepts, and secrets that nobody else opens (DESIGN.md, Restart). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attest/device.h"
#include "common/attest/policy.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/session_ask.h"
#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"

static char chip_file[64], other_file[64], root_file[64];
static struct tally_verdict verdict;
static const uint8_t federation[32] = {1, 2, 3};

static struct tally_device *boot(const char *file, uint64_t policy, uint32_t vmpl, uint8_t program)
{
    struct tally_sim_guest g = {.policy = policy, .vmpl = vmpl, .measurement = {program}};
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_boot(file, &g, &d) == TALLY_OK, "%s", tally_why());
    return d;
}

/* Evidence of d over `nonce`, appraised as a node would. */
static enum tally_status appraise(struct tally_device *d, const char *nonce, const char *expected)
{
    static uint8_t ev[TALLY_EV_MAX], end[TALLY_ENDORSEMENTS_MAX];
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES], program[1][TALLY_MEASUREMENT_BYTES];
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], gpu_nonce[32], asked[96], other[96];
    const struct tally_quote_ask ask = session_ask(nonce, asked),
                                 want = session_ask(expected, other);
    struct tally_wr w = tally_wr_to(ev, sizeof ev), e = tally_wr_to(end, sizeof end);
    struct tally_policy policy;

    ck_assert_int_eq(tally_device_quote(d, &ask, &w, &e), TALLY_OK);
    ck_assert_int_eq(tally_device_identity(d, chip[0], program[0]), TALLY_OK);
    ck_assert_int_eq(
        tally_quote_expected(&want, tally_slice_of(ev, w.used), report_data, gpu_nonce), TALLY_OK);
    tally_policy_strict(&policy);
    policy.parts = TALLY_POLICY_SNP;
    const struct tally_expect x = {.now_s = SIM_NOW_S,
                                   .trust = TALLY_TRUST_TEST,
                                   .report_data = report_data,
                                   .measurements = (const uint8_t(*)[48])program,
                                   .measurements_n = 1,
                                   .chips = (const uint8_t(*)[32])chip,
                                   .chips_n = 1,
                                   .host_data = NULL};
    return tally_appraise(tally_slice_of(ev, w.used), tally_slice_of(end, e.used),
                          simulated_anchor(), 1, &policy, &x, &verdict);
}

START_TEST(a_quote_is_accepted_for_its_own_binding_alone)
{
    struct tally_device *d = boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 1);

    ck_assert_msg(appraise(d, "nonce", "nonce") == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(appraise(d, "nonce", "another"), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHANNEL_BINDING);
    tally_device_close(&d);
    ck_assert_ptr_null(d);
    tally_device_close(&d);
}
END_TEST

START_TEST(the_three_labels_give_three_bindings)
{
    uint8_t rd[3][TALLY_REPORT_DATA_BYTES], want[32];
    const struct tally_slice body[] = {tally_slice_str("ab"), tally_slice_str("c")};
    struct tally_slice kb = tally_slice_str("kb");

    for (int i = 0; i < 3; i++) tally_report_data((enum tally_quote_label)i, body, 2, kb, rd[i]);
    TALLY_SHA256_OF(want, tally_slice_of("tally/rd/v1", 12), tally_slice_str("abc"));
    ck_assert_mem_eq(rd[TALLY_QUOTE_SESSION], want, 32);
    TALLY_SHA256_OF(want, tally_slice_of("tally/up/v1", 12), tally_slice_str("abc"));
    ck_assert_mem_eq(rd[TALLY_QUOTE_UPDATE], want, 32);
    TALLY_SHA256_OF(want, tally_slice_of("tally/ev/v1", 12), tally_slice_str("abc"));
    ck_assert_mem_eq(rd[TALLY_QUOTE_COLLECT], want, 32);
    TALLY_SHA256_OF(want, tally_slice_of("tally/kb/v1", 12), kb);
    for (int i = 0; i < 3; i++) ck_assert_mem_eq(rd[i] + 32, want, 32);
}
END_TEST

START_TEST(the_measurement_is_the_programs_digest)
{
    struct tally_device *d = NULL;
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], m[TALLY_MEASUREMENT_BYTES], want[48];
    const char *file = "device_test_program";
    FILE *f = fopen(file, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite("program", 1, 7, f), 7);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(tally_device_open_simulated(chip_file, file, federation, &d), TALLY_OK);
    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    struct tally_slice text = tally_slice_str("program");
    tally_hash(TALLY_SHA384, &text, 1, want);
    ck_assert_mem_eq(m, want, sizeof want);
    tally_sim_chip_digest(simulated_chip(), want);
    ck_assert_mem_eq(chip, want, sizeof chip);
    tally_device_close(&d);
    (void)unlink(file);
    ck_assert_int_eq(tally_device_open_simulated(chip_file, file, federation, &d), TALLY_E_IO);
}
END_TEST

static const char secret[] = "instance keys";
enum { SEALED = sizeof secret + TALLY_SEAL_EXTRA_BYTES };

static struct tally_seal_name a_name(void)
{
    return (struct tally_seal_name){.mode = 'T',
                                    .role = 1,
                                    .federation_id = {1},
                                    .org = tally_slice_str("bank-1"),
                                    .node = tally_slice_str("agent-1")};
}

static enum tally_status unseal(struct tally_device *d, const struct tally_seal_name *n,
                                const uint8_t *sealed, size_t len)
{
    uint8_t plain[sizeof secret] = {0}, *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, sealed, len);
    enum tally_status s = tally_device_unseal(d, n, tally_slice_of(exact, len), plain);
    if (s == TALLY_OK)
        ck_assert_mem_eq(plain, secret, sizeof secret);
    else
        ck_assert_mem_ne(plain, secret, sizeof secret);
    free(exact);
    return s;
}

START_TEST(the_same_guest_opens_its_seal_after_a_restart)
{
    struct tally_device *d = boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 1);
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED], again[SEALED];

    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(secret), sealed), TALLY_OK);
    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(secret), again), TALLY_OK);
    ck_assert_mem_ne(sealed, again, SEALED); /* a fresh salt each time */
    tally_device_close(&d);
    d = boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 1);
    ck_assert_int_eq(unseal(d, &n, sealed, SEALED), TALLY_OK);
    for (size_t len = 0; len < SEALED; len++)
        ck_assert_int_eq(unseal(d, &n, sealed, len), TALLY_E_AUTH);
    for (size_t i = 0; i < SEALED; i++) {
        sealed[i] ^= 1;
        ck_assert_int_eq(unseal(d, &n, sealed, SEALED), TALLY_E_AUTH);
        sealed[i] ^= 1;
    }
    tally_device_close(&d);
}
END_TEST

/* A37: debug, another program, another VMPL, another chip. */
START_TEST(no_other_guest_opens_the_seal)
{
    struct tally_device *d = boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 1);
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED];

    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(secret), sealed), TALLY_OK);
    tally_device_close(&d);
    struct tally_device *others[] = {
        boot(chip_file, TALLY_SIM_GUEST_POLICY | TALLY_SNP_POLICY_DEBUG, 0, 1),
        boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 2),
        boot(chip_file, TALLY_SIM_GUEST_POLICY, 1, 1),
        boot(other_file, TALLY_SIM_GUEST_POLICY, 0, 1)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_int_eq(unseal(others[i], &n, sealed, SEALED), TALLY_E_AUTH);
        tally_device_close(&others[i]);
    }
}
END_TEST

START_TEST(no_other_name_or_federation_opens_the_seal)
{
    struct tally_device *d = boot(chip_file, TALLY_SIM_GUEST_POLICY, 0, 1);
    struct tally_seal_name n = a_name();
    uint8_t sealed[SEALED];

    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(secret), sealed), TALLY_OK);
    for (int k = 0; k < 6; k++) {
        n = a_name();
        if (k == 0) n.mode = 'P';
        if (k == 1) n.role = 2;
        if (k == 2) n.federation_id[31] = 1;
        if (k == 3) n.org = tally_slice_str("bank-2");
        if (k == 4) n.node = tally_slice_str("agent-2");
        if (k == 5) n.org = tally_slice_str("bank-1agent-1"), n.node = (struct tally_slice){0};
        ck_assert_int_eq(unseal(d, &n, sealed, SEALED), TALLY_E_AUTH);
    }
    tally_device_close(&d);
}
END_TEST

START_TEST(chip_and_root_files_are_secret_never_overwritten_and_told_apart)
{
    struct stat st;
    struct tally_sim_chip *c = NULL;
    struct tally_sim_root *r = NULL;

    ck_assert_int_eq(stat(chip_file, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(tally_sim_chip_save(simulated_chip(), chip_file), TALLY_E_IO);
    ck_assert_int_eq(tally_sim_chip_load(root_file, &c), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_sim_root_load(chip_file, &r), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_sim_chip_load(chip_file, &c), TALLY_OK);
    ck_assert_mem_eq(c->chip_id, simulated_chip()->chip_id, sizeof c->chip_id);
    ck_assert_mem_eq(c->vcek.at, simulated_chip()->vcek.at, c->vcek.len);
    ck_assert_int_eq(tally_sim_root_load(root_file, &r), TALLY_OK);
    tally_sim_chip_free(&c);
    /* A chip made from the root as it was read back is one of the federation's. */
    ck_assert_int_eq(tally_sim_chip_new(r, SIM_NOW_S, &c), TALLY_OK);
    ck_assert_int_eq(tally_sim_chip_save(c, "device_test_new_chip"), TALLY_OK);
    struct tally_device *d = boot("device_test_new_chip", TALLY_SIM_GUEST_POLICY, 0, 1);
    (void)unlink("device_test_new_chip");
    ck_assert_int_eq(appraise(d, "nonce", "nonce"), TALLY_OK);
    tally_device_close(&d);
    tally_sim_chip_free(&c);
    tally_sim_root_free(&r);
}
END_TEST

static void write_files(void)
{
    struct tally_sim_chip *other = NULL;

    (void)snprintf(chip_file, sizeof chip_file, "device_test_chip_%d", (int)getpid());
    (void)snprintf(other_file, sizeof other_file, "device_test_other_%d", (int)getpid());
    (void)snprintf(root_file, sizeof root_file, "device_test_root_%d", (int)getpid());
    if (tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK ||
        tally_sim_root_save(simulated_root(), root_file) != TALLY_OK ||
        tally_sim_chip_new(simulated_root(), SIM_NOW_S, &other) != TALLY_OK ||
        tally_sim_chip_save(other, other_file) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
    tally_sim_chip_free(&other);
}

int main(void)
{
    simulated_setup();
    write_files();
    TCase *t = tcase_create("device");

    tcase_add_test(t, a_quote_is_accepted_for_its_own_binding_alone);
    tcase_add_test(t, the_three_labels_give_three_bindings);
    tcase_add_test(t, the_measurement_is_the_programs_digest);
    tcase_add_test(t, the_same_guest_opens_its_seal_after_a_restart);
    tcase_add_test(t, no_other_guest_opens_the_seal);
    tcase_add_test(t, no_other_name_or_federation_opens_the_seal);
    tcase_add_test(t, chip_and_root_files_are_secret_never_overwritten_and_told_apart);
    int rc = tally_suite_run("common/device", t);
    (void)unlink(chip_file);
    (void)unlink(other_file);
    (void)unlink(root_file);
    return rc;
}
