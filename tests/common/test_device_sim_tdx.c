/* test_device_sim_tdx.c - common/attest/device.c over a simulated TDX machine: evidence that an
 * appraisal accepts for its own binding alone, no sealing key, and chip files told apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attest/device.h"
#include "common/attest/evidence.h"
#include "common/hash.h"
#include "tests/lib/session_ask.h"
#include "tests/lib/simulated.h"
#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

static char chip_file[64], root_file[64], snp_file[64];
static const uint8_t federation[32] = {1, 2, 3};
static struct tally_verdict verdict;

static struct tally_device *boot(const char *file, uint64_t attributes, uint8_t program)
{
    const struct tally_sim_td td = {.attributes = attributes, .mrtd = {program}};
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_tdx_boot(file, &td, &d) == TALLY_OK, "%s", tally_why());
    return d;
}

/* The pieces, as an appraisal takes them out of EV and endorsements. */
static void take(struct tally_slice ev, struct tally_slice endorsements, struct tally_tdx_input *in)
{
    static struct tally_endorsements list;
    struct tally_rd r = tally_rd_from(ev);

    ck_assert_uint_eq(tally_rd_u8(&r, "kind"), TALLY_EVIDENCE_TDX);
    *in = (struct tally_tdx_input){.quote = tally_rd_vec(&r, TALLY_EV_MAX, "report")};
    ck_assert_uint_eq(tally_rd_u8(&r, "devices"), 0);
    ck_assert_int_eq(tally_rd_end(&r), TALLY_OK);
    ck_assert_int_eq(tally_endorsements_decode(endorsements, &list), TALLY_OK);
    ck_assert_uint_eq(list.n, TALLY_SIM_TDX_FILES);
    for (uint32_t i = 0; i < list.n; i++) {
        ck_assert_int_eq(list.items[i].kind, TALLY_ENDORSEMENT_TDX_COLLATERAL);
        ck_assert_int_eq(
            tally_tdx_collateral_put(&in->collateral, list.items[i].name, list.items[i].bytes),
            TALLY_OK);
    }
}

/* Evidence of d over `nonce`, appraised as a node would that expects `expected`. */
static enum tally_status appraise(struct tally_device *d, const char *nonce, const char *expected)
{
    static uint8_t ev[TALLY_EV_MAX], end[TALLY_ENDORSEMENTS_MAX];
    const struct tally_sim_bytes *root = &simulated_tdx_root()->certs[TALLY_SIM_TDX_ROOT];
    const struct tally_anchor anchor = {TALLY_TRUST_TEST, "test",
                                        tally_slice_of(root->at, root->len)};
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES], report_data[TALLY_REPORT_DATA_BYTES];
    struct tally_td_measurement td = {.rtmr_n = 4};
    uint8_t asked[SESSION_ASK_BYTES], other[SESSION_ASK_BYTES], gpu_nonce[32];
    const struct tally_quote_ask ask = session_ask(nonce, asked),
                                 want = session_ask(expected, other);
    struct tally_wr w = tally_wr_to(ev, sizeof ev), e = tally_wr_to(end, sizeof end);
    static struct tally_tdx_policy policy;
    struct tally_tdx_input in;

    ck_assert_int_eq(tally_device_quote(d, &ask, &w, &e), TALLY_OK);
    ck_assert_int_eq(tally_device_identity(d, chip[0], td.mrtd), TALLY_OK);
    ck_assert_int_eq(
        tally_quote_expected(&want, tally_slice_of(ev, w.used), report_data, gpu_nonce), TALLY_OK);
    tally_tdx_policy_strict(&policy);
    take(tally_slice_of(ev, w.used), tally_slice_of(end, e.used), &in);
    const struct tally_expect x = {.now_s = SIM_TDX_NOW_S,
                                   .trust = TALLY_TRUST_TEST,
                                   .report_data = report_data,
                                   .td_measurements = &td,
                                   .td_measurements_n = 1,
                                   .chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])chip,
                                   .chips_n = 1};
    return tally_verify_tdx(&in, &anchor, 1, &policy, &x, &verdict);
}

START_TEST(a_quote_is_accepted_for_its_own_binding_alone)
{
    struct tally_device *d = boot(chip_file, TALLY_TDX_ATTR_SEPT_VE_DISABLE, 1);

    ck_assert_msg(appraise(d, "nonce", "nonce") == TALLY_OK, "%s", tally_why());
    ck_assert_int_ne(appraise(d, "nonce", "another"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHANNEL_BINDING);
    tally_device_close(&d);
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(a_td_under_debug_is_refused)
{
    struct tally_device *d =
        boot(chip_file, TALLY_TDX_ATTR_SEPT_VE_DISABLE | TALLY_TDX_ATTR_DEBUG, 1);

    ck_assert_int_ne(appraise(d, "nonce", "nonce"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_POLICY_DEBUG);
    tally_device_close(&d);
}
END_TEST

START_TEST(mrtd_is_the_programs_digest)
{
    struct tally_device *d = NULL;
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], m[TALLY_MEASUREMENT_BYTES], want[48];
    const char *file = "device_sim_tdx_program";
    FILE *f = fopen(file, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite("program", 1, 7, f), 7);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(tally_device_open_simulated(chip_file, file, federation, &d), TALLY_OK);
    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    struct tally_slice text = tally_slice_str("program");
    tally_hash(TALLY_SHA384, &text, 1, want);
    ck_assert_mem_eq(m, want, sizeof want);
    tally_sim_tdx_chip_digest(simulated_tdx_chip(), want);
    ck_assert_mem_eq(chip, want, sizeof chip);
    ck_assert_msg(appraise(d, "nonce", "nonce") == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
    (void)unlink(file);
}
END_TEST

START_TEST(there_is_no_sealing_key)
{
    struct tally_device *d = boot(chip_file, TALLY_TDX_ATTR_SEPT_VE_DISABLE, 1);
    const struct tally_seal_name n = {.mode = 'T',
                                      .role = 1,
                                      .org = tally_slice_str("bank-1"),
                                      .node = tally_slice_str("agent-1")};
    uint8_t sealed[5 + TALLY_SEAL_EXTRA_BYTES], plain[5];

    ck_assert_int_eq(tally_device_seal(d, &n, tally_slice_str("plain"), sealed), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why(), "no sealing key here"));
    memset(sealed, 1, sizeof sealed);
    ck_assert_int_eq(tally_device_unseal(d, &n, TALLY_SLICE(sealed), plain), TALLY_E_STATE);
    tally_device_close(&d);
}
END_TEST

START_TEST(a_chip_file_says_which_kind_it_is)
{
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], want[TALLY_CHIP_DIGEST_BYTES];
    uint8_t m[TALLY_MEASUREMENT_BYTES];
    struct tally_device *d = NULL;
    struct tally_sim_chip *snp = NULL;
    struct tally_sim_tdx_chip *tdx = NULL;

    ck_assert_int_eq(tally_device_open_simulated(snp_file, "/proc/self/exe", federation, &d),
                     TALLY_OK);
    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    tally_sim_chip_digest(simulated_chip(), want);
    ck_assert_mem_eq(chip, want, sizeof chip);
    tally_device_close(&d);
    ck_assert_int_eq(tally_sim_chip_load(chip_file, &snp), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_sim_tdx_chip_load(snp_file, &tdx), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_device_open_simulated(root_file, "/proc/self/exe", federation, &d),
                     TALLY_E_CONFIG);
    ck_assert_int_eq(tally_device_open_simulated("no such file", "/proc/self/exe", federation, &d),
                     TALLY_E_IO);
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(chip_and_root_files_are_secret_never_overwritten_and_complete)
{
    struct stat st;
    struct tally_sim_tdx_chip *c = NULL;
    struct tally_sim_tdx_root *r = NULL;

    ck_assert_int_eq(stat(chip_file, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(tally_sim_tdx_chip_save(simulated_tdx_chip(), chip_file), TALLY_E_IO);
    ck_assert_int_eq(tally_sim_tdx_root_load(chip_file, &r), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_sim_tdx_chip_load(root_file, &c), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_sim_tdx_root_load(root_file, &r), TALLY_OK);
    /* A machine made from the root as it was read back is one of the federation's, and so is one
     * with fresh collateral. */
    ck_assert_int_eq(tally_sim_tdx_chip_new(r, SIM_TDX_NOW_S, &c), TALLY_OK);
    ck_assert_int_eq(tally_sim_tdx_chip_save(c, "device_sim_tdx_new"), TALLY_OK);
    struct tally_device *d = boot("device_sim_tdx_new", TALLY_TDX_ATTR_SEPT_VE_DISABLE, 1);
    (void)unlink("device_sim_tdx_new");
    ck_assert_msg(appraise(d, "nonce", "nonce") == TALLY_OK, "%s", tally_why());
    tally_device_close(&d);
    ck_assert_int_eq(tally_sim_tdx_chip_renew(c, r, SIM_TDX_NOW_S - 800 * 86400), TALLY_OK);
    ck_assert_int_eq(tally_sim_tdx_chip_save(c, "device_sim_tdx_old"), TALLY_OK);
    d = boot("device_sim_tdx_old", TALLY_TDX_ATTR_SEPT_VE_DISABLE, 1);
    (void)unlink("device_sim_tdx_old");
    ck_assert_int_ne(appraise(d, "nonce", "nonce"), TALLY_OK);
    tally_device_close(&d);
    tally_sim_tdx_chip_free(&c);
    tally_sim_tdx_root_free(&r);
}
END_TEST

static void copy_prefix(size_t len, const char *to)
{
    static uint8_t bytes[64 * 1024];
    FILE *f = fopen(chip_file, "rb"), *g = fopen(to, "wb");

    ck_assert(f != NULL && g != NULL);
    size_t all = fread(bytes, 1, sizeof bytes, f);
    ck_assert_uint_le(len, all);
    ck_assert_uint_eq(fwrite(bytes, 1, len, g), len);
    (void)fclose(f);
    (void)fclose(g);
}

START_TEST(no_part_of_a_chip_file_opens)
{
    struct stat st;
    struct tally_sim_tdx_chip *c = NULL;

    ck_assert_int_eq(stat(chip_file, &st), 0);
    for (size_t len = 0; len < (size_t)st.st_size; len += len < 200 ? 1 : 97) {
        copy_prefix(len, "device_sim_tdx_part");
        ck_assert_int_eq(tally_sim_tdx_chip_load("device_sim_tdx_part", &c), TALLY_E_CONFIG);
        ck_assert_ptr_null(c);
    }
    (void)unlink("device_sim_tdx_part");
}
END_TEST

static void write_files(void)
{
    (void)snprintf(chip_file, sizeof chip_file, "device_sim_tdx_chip_%d", (int)getpid());
    (void)snprintf(root_file, sizeof root_file, "device_sim_tdx_root_%d", (int)getpid());
    (void)snprintf(snp_file, sizeof snp_file, "device_sim_tdx_snp_%d", (int)getpid());
    if (tally_sim_tdx_chip_save(simulated_tdx_chip(), chip_file) != TALLY_OK ||
        tally_sim_tdx_root_save(simulated_tdx_root(), root_file) != TALLY_OK ||
        tally_sim_chip_save(simulated_chip(), snp_file) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
}

int main(void)
{
    simulated_setup();
    simulated_tdx_setup();
    write_files();
    TCase *t = tcase_create("device_sim_tdx");

    tcase_add_test(t, a_quote_is_accepted_for_its_own_binding_alone);
    tcase_add_test(t, a_td_under_debug_is_refused);
    tcase_add_test(t, mrtd_is_the_programs_digest);
    tcase_add_test(t, there_is_no_sealing_key);
    tcase_add_test(t, a_chip_file_says_which_kind_it_is);
    tcase_add_test(t, chip_and_root_files_are_secret_never_overwritten_and_complete);
    tcase_add_test(t, no_part_of_a_chip_file_opens);
    int rc = tally_suite_run("common/device_sim_tdx", t);
    (void)unlink(chip_file);
    (void)unlink(root_file);
    (void)unlink(snp_file);
    return rc;
}
