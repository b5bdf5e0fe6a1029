/* test_quote_sev_guest.c - common/attest/quote_sev_guest.c over a played kernel and firmware:
 * reports, certificates, the sealing key and what it depends on, and each error of ATTESTATION.md
 * C6.2. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/quote_sev_guest.h"
#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/tee_kernel.h"
#include "tests/lib/vectors.h"

enum { INVALID_LEN = 1, BUSY = 2, INVALID_PARAMS = 0x16 };

static uint8_t report_data[TALLY_REPORT_DATA_BYTES], certs[TEE_CERTS_MAX];
static struct tally_sev_guest_answer answer;

static void set_up(void)
{
    struct tee_kernel *k = tee_kernel();

    tee_kernel_reset();
    k->sev_guest = true;
    k->knows_vlek = true;
    k->chip = simulated_chip();
    tally_sim_report_init(k->chip, &k->guest);
    k->certs = tally_slice_of(certs, tee_kernel_certs(k->chip, certs));
    memset(report_data, 0x42, sizeof report_data);
    memset(&answer, 0, sizeof answer);
}

static void tear_down(void)
{
    tally_sev_guest_answer_free(&answer);
    tee_kernel_reset();
}

static enum tally_status quote(void)
{
    enum tally_status s = tally_sev_guest_quote(&tee_kernel_sys, report_data, &answer);

    ck_assert_uint_eq(tee_kernel()->files_open, 0);
    if (s != TALLY_OK) ck_assert_ptr_null(answer.certs);
    return s;
}

static void good(bool with_certs)
{
    ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
    ck_assert_mem_eq(answer.report + 0x50, report_data, sizeof report_data);
    ck_assert_int_eq(answer.certs != NULL, with_certs);
    if (with_certs) ck_assert_mem_eq(answer.certs, certs, tee_kernel()->certs.len);
}

static void refused(enum tally_status status, const char *words)
{
    ck_assert_int_eq(quote(), status);
    ck_assert_msg(strstr(tally_why_text(), words) != NULL, "\"%s\" lacks \"%s\"", tally_why_text(),
                  words);
}

START_TEST(a_report_with_the_hosts_certificates)
{
    good(true);
    ck_assert_uint_eq(answer.certs_len % 4096, 0);
    for (size_t i = tee_kernel()->certs.len; i < answer.certs_len; i++)
        ck_assert_uint_eq(answer.certs[i], 0);
    ck_assert_uint_eq(tee_kernel()->slept_ms, 0);
}
END_TEST

START_TEST(a_genuine_report_passes_through_unchanged)
{
    struct tee_kernel *k = tee_kernel();

    k->captured = snp_vector_file("genoa_v3_veraison/report.bin");
    k->certs = snp_vector_file("genoa_v3_veraison/tsm_auxblob.bin");
    ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
    ck_assert_mem_eq(answer.report, k->captured.at, sizeof answer.report);
    ck_assert_mem_eq(answer.certs, k->certs.at, k->certs.len);
}
END_TEST

START_TEST(a_larger_table_is_asked_for_once_more)
{
    static uint8_t table[60 * 1024];
    struct tee_kernel *k = tee_kernel();

    memset(table, 0x11, sizeof table);
    k->certs = TALLY_SLICE(table);
    ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(answer.certs_len, sizeof table);
    ck_assert_mem_eq(answer.certs, table, sizeof table);
    ck_assert_uint_eq(k->reports, 2);
}
END_TEST

START_TEST(a_host_whose_table_makes_no_sense_does_not_keep_us_from_the_report)
{
    static const uint32_t sizes[] = {1,     4096,   16384,      16385,      20480,
                                     65536, 131072, 0x80000000, 0xffffffff, 0xfffff000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tee_kernel()->wants_certs_len = sizes[i];
        good(false);
        tally_sev_guest_answer_free(&answer);
    }
}
END_TEST

START_TEST(a_kernel_without_extended_reports_gives_the_report)
{
    tee_kernel_fault("ext", ENOTTY, -1);
    good(false);
}
END_TEST

START_TEST(what_is_busy_is_asked_again)
{
    static const int numbers[] = {EAGAIN, EBUSY, EINTR};
    static const char *const steps[] = {"ext", "report", "key"};
    uint8_t key[TALLY_SEV_GUEST_KEY_BYTES];

    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            tear_down();
            set_up();
            if (k == 1) tee_kernel_fault("ext", ENOTTY, -1);
            tee_kernel_fault(steps[k], numbers[i], TALLY_SEV_GUEST_TRIES - 1);
            if (k == 2)
                ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_OK);
            else
                good(k == 0);
            ck_assert_uint_gt(tee_kernel()->slept_ms, 100);
            ck_assert_uint_le(tee_kernel()->slept_ms, 3000);
        }
    }
    tear_down();
    set_up();
    tee_kernel()->vmm_error = BUSY; /* said by the host, with an errno of its own */
    tee_kernel_fault("ext", EIO, 3);
    good(true);
}
END_TEST

START_TEST(a_host_that_stays_busy_is_given_up)
{
    uint8_t key[TALLY_SEV_GUEST_KEY_BYTES];

    tee_kernel_fault("ext", EAGAIN, -1);
    tee_kernel_fault("report", EAGAIN, -1);
    tee_kernel_fault("key", EBUSY, -1);
    refused(TALLY_E_IO, "the host is busy");
    ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "the host is busy"));
    ck_assert_uint_eq(tee_kernel()->files_open, 0);
}
END_TEST

START_TEST(every_other_error_ends_it_and_says_what_to_do)
{
    static const struct {
        int number;
        const char *words;
    } rows[] = {
        {ENOTTY,    "the VM must be started anew"},
        {EIO,       "dmesg"                      },
        {EINVAL,    "Invalid argument"           },
        {EFAULT,    "Bad address"                },
        {ETIMEDOUT, "the host is busy"           },
        {ENOMEM,    "Cannot allocate"            },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tear_down();
        set_up();
        tee_kernel()->fw_error = 0x26;
        tee_kernel_fault("ext", rows[i].number, -1);
        tee_kernel_fault("report", rows[i].number, -1);
        refused(TALLY_E_IO, rows[i].words);
        ck_assert_ptr_nonnull(strstr(tally_why_text(), "firmware 0x26"));
        ck_assert_uint_eq(tee_kernel()->slept_ms, 0);
    }
}
END_TEST

START_TEST(the_firmwares_own_refusal_is_told)
{
    tee_kernel()->status = 0x27;
    refused(TALLY_E_IO, "status 0x27");
    tee_kernel()->status = 0;
    tee_kernel()->privlevel_floor = 1;
    refused(TALLY_E_IO, "VMPL 0");
}
END_TEST

START_TEST(a_report_of_another_size_is_refused)
{
    static uint8_t other[2000];

    for (size_t len = TALLY_SNP_REPORT_BYTES - 1; len <= TALLY_SNP_REPORT_BYTES + 1; len += 2) {
        tee_kernel()->captured = tally_slice_of(other, len);
        refused(TALLY_E_IO, "bytes, not 1184");
    }
}
END_TEST

START_TEST(no_device_is_told_from_one_that_may_not_be_opened)
{
    uint8_t key[TALLY_SEV_GUEST_KEY_BYTES];

    ck_assert_int_eq(tally_sev_guest_there(&tee_kernel_sys), TALLY_OK);
    tee_kernel_fault("dev", EACCES, 2);
    refused(TALLY_E_IO, "run as root");
    ck_assert_int_eq(tally_sev_guest_there(&tee_kernel_sys), TALLY_E_IO);
    tee_kernel()->sev_guest = false;
    refused(TALLY_E_STATE, "Linux 5.19");
    ck_assert_int_eq(tally_sev_guest_there(&tee_kernel_sys), TALLY_E_STATE);
    ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_E_STATE);
}
END_TEST

/* ---- the key ---- */

struct key {
    uint8_t bytes[TALLY_SEV_GUEST_KEY_BYTES];
};

static struct key key_now(void)
{
    struct key k = {{0}};

    ck_assert_msg(tally_sev_guest_key(&tee_kernel_sys, k.bytes) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(tee_kernel()->files_open, 0);
    return k;
}

static bool same(struct key a, struct key b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

START_TEST(the_key_is_the_chips_and_the_guests)
{
    struct tee_kernel *k = tee_kernel();
    struct key first = key_now();
    struct tally_sim_chip *other = NULL;

    k->guest.report_id[0]++; /* another start of the same guest */
    k->guest.host_data[0]++;
    ck_assert(same(first, key_now()));
    k->guest.policy |= TALLY_SNP_POLICY_DEBUG;
    ck_assert(!same(first, key_now()));
    k->guest.policy &= ~TALLY_SNP_POLICY_DEBUG;
    k->guest.measurement[47] ^= 1;
    ck_assert(!same(first, key_now()));
    k->guest.measurement[47] ^= 1;
    ck_assert(same(first, key_now()));
    ck_assert_int_eq(tally_sim_chip_new(simulated_root(), SIM_NOW_S, &other), TALLY_OK);
    k->chip = other;
    ck_assert(!same(first, key_now()));
    tally_sim_chip_free(&other);
}
END_TEST

/* A VLEK is the same on many machines: a key of it would open on all of them. */
START_TEST(the_key_is_never_a_vleks)
{
    struct key first = key_now();

    tee_kernel()->has_vlek = true;
    ck_assert(same(first, key_now()));
}
END_TEST

START_TEST(firmware_that_knows_no_vlek_is_asked_as_it_understands)
{
    tee_kernel()->knows_vlek = false;
    struct key first = key_now();
    ck_assert(same(first, key_now()));
    /* but not when the host says no in the firmware's place */
    tee_kernel()->knows_vlek = true;
    tee_kernel()->has_vlek = true;
    tee_kernel()->fw_error = INVALID_PARAMS;
    tee_kernel_fault("key", EIO, 1);
    uint8_t key[TALLY_SEV_GUEST_KEY_BYTES] = {0}, zero[TALLY_SEV_GUEST_KEY_BYTES] = {0};
    ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_E_IO);
    ck_assert_mem_eq(key, zero, sizeof key);
}
END_TEST

START_TEST(a_key_that_is_refused_is_none)
{
    uint8_t key[TALLY_SEV_GUEST_KEY_BYTES] = {0}, zero[TALLY_SEV_GUEST_KEY_BYTES] = {0};

    tee_kernel()->status = 0x27;
    ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "status 0x27"));
    tee_kernel()->status = 0;
    tee_kernel()->privlevel_floor = 1; /* a guest above VMPL 0 */
    ck_assert_int_eq(tally_sev_guest_key(&tee_kernel_sys, key), TALLY_E_IO);
    ck_assert_mem_eq(key, zero, sizeof key);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    TCase *t = tcase_create("quote_sev_guest");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_report_with_the_hosts_certificates);
    tcase_add_test(t, a_genuine_report_passes_through_unchanged);
    tcase_add_test(t, a_larger_table_is_asked_for_once_more);
    tcase_add_test(t, a_host_whose_table_makes_no_sense_does_not_keep_us_from_the_report);
    tcase_add_test(t, a_kernel_without_extended_reports_gives_the_report);
    tcase_add_test(t, what_is_busy_is_asked_again);
    tcase_add_test(t, a_host_that_stays_busy_is_given_up);
    tcase_add_test(t, every_other_error_ends_it_and_says_what_to_do);
    tcase_add_test(t, the_firmwares_own_refusal_is_told);
    tcase_add_test(t, a_report_of_another_size_is_refused);
    tcase_add_test(t, no_device_is_told_from_one_that_may_not_be_opened);
    tcase_add_test(t, the_key_is_the_chips_and_the_guests);
    tcase_add_test(t, the_key_is_never_a_vleks);
    tcase_add_test(t, firmware_that_knows_no_vlek_is_asked_as_it_understands);
    tcase_add_test(t, a_key_that_is_refused_is_none);
    return tally_suite_run("common/quote_sev_guest", t);
}
