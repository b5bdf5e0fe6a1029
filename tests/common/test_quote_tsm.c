/* test_quote_tsm.c - common/attest/quote_tsm.c over a played kernel (tests/lib/tee_kernel.h): the
 * evidence, each error of ATTESTATION.md C6.1 with what it tells the operator, and that nothing is
 * ever left behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/quote_tsm.h"
#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/tee_kernel.h"
#include "tests/lib/vectors.h"

static uint8_t report_data[TALLY_REPORT_DATA_BYTES], certs[TEE_CERTS_MAX];
static struct tally_tsm_answer answer;

static void set_up(void)
{
    struct tee_kernel *k = tee_kernel();

    tee_kernel_reset();
    k->tsm = true;
    (void)snprintf(k->provider, sizeof k->provider, "sev_guest");
    k->chip = simulated_chip();
    tally_sim_report_init(k->chip, &k->guest);
    k->certs = tally_slice_of(certs, tee_kernel_certs(k->chip, certs));
    memset(report_data, 0x41, sizeof report_data);
    answer = (struct tally_tsm_answer){0};
}

static void tear_down(void)
{
    tally_tsm_answer_free(&answer);
    tee_kernel_reset();
}

static enum tally_status quote(void)
{
    enum tally_status s = tally_tsm_quote(&tee_kernel_sys, report_data, &answer);

    ck_assert_uint_eq(tee_kernel()->files_open, 0);
    if (s != TALLY_OK) ck_assert(answer.out == NULL && answer.aux == NULL);
    return s;
}

/* Refused with this status, these words for the operator, and no folder left. */
static void refused(enum tally_status status, const char *words)
{
    ck_assert_int_eq(quote(), status);
    ck_assert_msg(strstr(tally_why_text(), words) != NULL, "\"%s\" lacks \"%s\"", tally_why_text(),
                  words);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
}

static void good(unsigned reports)
{
    ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(tee_kernel()->reports, reports);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
    ck_assert_uint_eq(answer.out_len, TALLY_SNP_REPORT_BYTES);
    ck_assert_mem_eq(answer.out + 0x50, report_data, sizeof report_data);
}

START_TEST(a_report_over_the_bytes_asked_for_with_the_hosts_certificates)
{
    good(1);
    ck_assert_int_eq(answer.provider, TALLY_TSM_SEV_GUEST);
    ck_assert_uint_eq(answer.aux_len, tee_kernel()->certs.len);
    ck_assert_mem_eq(answer.aux, certs, answer.aux_len);
    ck_assert_uint_eq(tee_kernel()->slept_ms, 0);
    tally_tsm_answer_free(&answer);
    tally_tsm_answer_free(&answer);
    ck_assert_ptr_null(answer.out);
}
END_TEST

START_TEST(the_provider_is_told_without_asking_for_evidence)
{
    enum tally_tsm_provider p = 0;

    ck_assert_int_eq(tally_tsm_provider(&tee_kernel_sys, &p), TALLY_OK);
    ck_assert_int_eq(p, TALLY_TSM_SEV_GUEST);
    (void)snprintf(tee_kernel()->provider, sizeof tee_kernel()->provider, "tdx_guest");
    ck_assert_int_eq(tally_tsm_provider(&tee_kernel_sys, &p), TALLY_OK);
    ck_assert_int_eq(p, TALLY_TSM_TDX_GUEST);
    ck_assert_uint_eq(tee_kernel()->reports, 0);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
    tee_kernel_fault("mkdir", EEXIST, 3);
    ck_assert_int_eq(tally_tsm_provider(&tee_kernel_sys, &p), TALLY_OK);
    tee_kernel_fault("mkdir", ENXIO, 1);
    ck_assert_int_eq(tally_tsm_provider(&tee_kernel_sys, &p), TALLY_E_STATE);
    tee_kernel_fault("provider", EINTR, -1);
    ck_assert_int_eq(tally_tsm_provider(&tee_kernel_sys, &p), TALLY_E_IO);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
    ck_assert_uint_eq(tee_kernel()->files_open, 0);
}
END_TEST

START_TEST(genuine_evidence_passes_through_unchanged)
{
    struct tee_kernel *k = tee_kernel();
    size_t n = 0;

    k->captured = snp_vector_file("genoa_v3_veraison/report.bin");
    k->certs = snp_vector_file("genoa_v3_veraison/tsm_auxblob.bin");
    memcpy(report_data, k->captured.at + 0x50, sizeof report_data);
    good(1);
    ck_assert_mem_eq(answer.out, k->captured.at, answer.out_len);
    ck_assert_uint_eq(answer.aux_len, k->certs.len);
    ck_assert_mem_eq(answer.aux, k->certs.at, answer.aux_len);
    tally_tsm_answer_free(&answer);
    /* and a TDX quote, which has no certificates beside it, nor levels */
    uint8_t *tdx = tally_vectors_bytes("vectors/tdx/quotes/emr_v4_phala.bin", &n);
    k->captured = tally_slice_of(tdx, n);
    k->certs = (struct tally_slice){0};
    k->privlevel_floor = -1;
    (void)snprintf(k->provider, sizeof k->provider, "tdx_guest");
    for (int i = 0; i < 3; i++) {
        k->no_auxblob = i == 1;
        if (i == 2) tee_kernel_fault("auxblob", ENXIO, 1);
        ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
        ck_assert_int_eq(answer.provider, TALLY_TSM_TDX_GUEST);
        ck_assert_uint_eq(answer.out_len, n);
        ck_assert_mem_eq(answer.out, tdx, n);
        ck_assert_ptr_null(answer.aux);
        tally_tsm_answer_free(&answer);
    }
    free(tdx);
}
END_TEST

START_TEST(a_host_without_certificates_is_no_failure)
{
    for (int i = 0; i < 3; i++) {
        tee_kernel()->certs = (struct tally_slice){0};
        tee_kernel()->no_auxblob = i == 1;
        if (i == 2) tee_kernel_fault("auxblob", ENXIO, 1);
        good((unsigned)i + 1);
        ck_assert_ptr_null(answer.aux);
        ck_assert_uint_eq(answer.aux_len, 0);
        tally_tsm_answer_free(&answer);
    }
}
END_TEST

START_TEST(short_reads_are_put_together)
{
    static const size_t sizes[] = {1, 7, 64, 1183, 4096};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tee_kernel()->read_max = sizes[i];
        good((unsigned)i + 1); /* one report each: read in one open file */
        ck_assert_mem_eq(answer.aux, certs, answer.aux_len);
        tally_tsm_answer_free(&answer);
    }
}
END_TEST

START_TEST(what_passes_is_tried_again_under_another_name)
{
    static const struct {
        const char *step;
        int number;
    } rows[] = {
        {"mkdir",           EEXIST},
        {"mkdir",           EBUSY },
        {"mkdir",           EINTR },
        {"inblob",          EBUSY },
        {"inblob",          EINTR },
        {"inblob.close",    EBUSY },
        {"privlevel",       EBUSY },
        {"outblob",         EBUSY },
        {"outblob",         EINTR },
        {"outblob",         EAGAIN},
        {"auxblob",         EBUSY },
        {"auxblob",         EINTR },
        {"provider",        EINTR },
        {"generation",      EINTR },
        {"outblob.open",    EINTR },
        {"inblob.open",     EBUSY },
        {"privlevel_floor", EINTR },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int times = 1; times < TALLY_TSM_TRIES; times += 3) {
            tear_down();
            set_up();
            tee_kernel_fault(rows[i].step, rows[i].number, times);
            ck_assert_msg(quote() == TALLY_OK, "%s: %s", rows[i].step, tally_why());
            ck_assert_uint_eq(tee_kernel()->folders, 0);
            ck_assert_uint_gt(tee_kernel()->slept_ms, 0);
        }
        tear_down();
        set_up();
        tee_kernel_fault(rows[i].step, rows[i].number, -1);
        ck_assert_int_eq(quote(), TALLY_E_IO);
        ck_assert_uint_eq(tee_kernel()->folders, 0);
        ck_assert_uint_le(tee_kernel()->requests, TALLY_TSM_TRIES);
        ck_assert_uint_le(tee_kernel()->slept_ms, 3000);
    }
}
END_TEST

START_TEST(every_other_error_ends_it_and_says_what_to_do)
{
    static const struct {
        const char *step;
        int number;
        enum tally_status status;
        const char *words;
    } rows[] = {
        {"mkdir",           ENXIO,     TALLY_E_STATE, "load its module"                          },
        {"mkdir",           ENODEV,    TALLY_E_STATE, "load its module"                          },
        {"mkdir",           EPERM,     TALLY_E_IO,    "run as root"                              },
        {"mkdir",           EACCES,    TALLY_E_IO,    "run as root"                              },
        {"mkdir",           EROFS,     TALLY_E_IO,    "mounted writable"                         },
        {"mkdir",           ENOMEM,    TALLY_E_NOMEM, "no memory"                                },
        {"mkdir",           ENOSPC,    TALLY_E_IO,    "No space"                                 },
        {"base",            EACCES,    TALLY_E_IO,    "run as root"                              },
        {"base",            ENOTDIR,   TALLY_E_STATE, "CONFIG_TSM_REPORTS"                       },
        {"base",            EMFILE,    TALLY_E_IO,    "Too many open files"                      },
        {"inblob",          EINVAL,    TALLY_E_IO,    "a version that this program does not know"},
        {"inblob",          0,         TALLY_E_IO,    "32 of 64 bytes"                           },
        {"inblob.open",     EACCES,    TALLY_E_IO,    "run as root"                              },
        {"privlevel",       EINVAL,    TALLY_E_IO,    "privlevel: this kernel does not take"     },
        {"outblob",         ETIMEDOUT, TALLY_E_IO,    "its quoting service"                      },
        {"outblob",         EIO,       TALLY_E_IO,    "dmesg"                                    },
        {"outblob",         EINVAL,    TALLY_E_IO,    "outblob: this kernel does not take"       },
        {"outblob",         EFBIG,     TALLY_E_LIMIT, "a newer kernel has more"                  },
        {"outblob",         ENXIO,     TALLY_E_STATE, "load its module"                          },
        {"outblob",         ENOMEM,    TALLY_E_NOMEM, "no memory"                                },
        {"outblob.open",    ENOENT,    TALLY_E_IO,    "no such file"                             },
        {"auxblob",         EIO,       TALLY_E_IO,    "dmesg"                                    },
        {"provider",        EIO,       TALLY_E_IO,    "provider"                                 },
        {"provider.open",   ENOENT,    TALLY_E_IO,    "no such file"                             },
        {"generation",      EIO,       TALLY_E_IO,    "generation"                               },
        {"generation.open", ENOENT,    TALLY_E_IO,    "no such file"                             },
        {"privlevel_floor", EIO,       TALLY_E_IO,    "privlevel_floor"                          },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tear_down();
        set_up();
        tee_kernel_fault(rows[i].step, rows[i].number, -1);
        refused(rows[i].status, rows[i].words);
        ck_assert_uint_le(tee_kernel()->requests, 1); /* once is enough */
        ck_assert_uint_eq(tee_kernel()->slept_ms, 0);
    }
}
END_TEST

START_TEST(no_interface_is_told_from_a_broken_one)
{
    tee_kernel()->tsm = false;
    refused(TALLY_E_STATE, "Linux 6.7 with CONFIG_TSM_REPORTS");
}
END_TEST

START_TEST(what_another_writer_touched_is_thrown_away)
{
    struct tee_kernel *k = tee_kernel();

    k->other_writers = 3;
    good(2 * 3 + 1); /* the certificates of a touched request ask the TEE anew */
    tally_tsm_answer_free(&answer);
    k->other_writers = -1;
    refused(TALLY_E_IO, "somebody else writes to our request");
    ck_assert_uint_eq(k->reports, 7 + 2 * TALLY_TSM_TRIES);
}
END_TEST

START_TEST(a_write_that_was_lost_at_close_asks_for_nothing)
{
    tee_kernel_fault("inblob.close", EBUSY, -1);
    refused(TALLY_E_IO, "a write of ours was lost");
    ck_assert_uint_eq(tee_kernel()->reports, 0);
}
END_TEST

START_TEST(odd_answers_are_refused)
{
    static const char *const numbers[] = {
        "x", "-1", "1x", "4294967296", "99999999999999999999999", " 1", "0x1", "1 1"};
    static const char *const providers[] = {"arm_cca_guest", "sev_guest2", "SEV_GUEST", "sev", "",
                                            "sev guest",     "sev\033[2J"};
    struct tee_kernel *k = tee_kernel();

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)snprintf(k->odd_number, sizeof k->odd_number, "%s", numbers[i]);
        refused(TALLY_E_IO, "generation");
    }
    k->odd_number[0] = '\0';
    for (size_t i = 0; i < sizeof providers / sizeof providers[0]; i++) {
        (void)snprintf(k->provider, sizeof k->provider, "%s", providers[i]);
        bool text = strpbrk(providers[i], " \033") == NULL;
        refused(text ? TALLY_E_STATE : TALLY_E_IO, "provider");
    }
    (void)memset(k->provider, 'a', sizeof k->provider - 1);
    refused(TALLY_E_LIMIT, "provider: more than");
}
END_TEST

START_TEST(an_answer_over_its_cap_is_refused)
{
    static uint8_t big[TALLY_TSM_OUT_MAX + 1];
    struct tee_kernel *k = tee_kernel();

    k->endless = true;
    refused(TALLY_E_LIMIT, "outblob: more than 131072 bytes");
    k->endless = false;
    k->captured = tally_slice_of(big, TALLY_TSM_OUT_MAX + 1);
    refused(TALLY_E_LIMIT, "outblob: more than");
    k->captured.len--;
    ck_assert_msg(quote() == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(answer.out_len, TALLY_TSM_OUT_MAX);
    tally_tsm_answer_free(&answer);
    k->certs = tally_slice_of(big, TALLY_TSM_AUX_MAX + 1);
    refused(TALLY_E_LIMIT, "auxblob: more than");
}
END_TEST

START_TEST(zeros_after_the_evidence_are_passed_on)
{
    tee_kernel()->padded = 100;
    ck_assert_int_eq(quote(), TALLY_OK);
    ck_assert_uint_eq(answer.out_len, TALLY_SNP_REPORT_BYTES + 100);
}
END_TEST

START_TEST(a_kernel_above_vmpl_0_cannot_prove_vmpl_0)
{
    for (int i = 1; i <= 3; i++) {
        tee_kernel()->privlevel_floor = i;
        refused(TALLY_E_IO, "SVSM or paravisor");
    }
    tee_kernel()->privlevel_floor = -1; /* a kernel without the file */
    good(1);
}
END_TEST

START_TEST(a_folder_that_will_not_go_is_tried_again_and_no_failure)
{
    tee_kernel_fault("rmdir", EBUSY, 2);
    good(1);
    tally_tsm_answer_free(&answer);
    tee_kernel_fault("rmdir", EPERM, -1);
    ck_assert_int_eq(quote(), TALLY_OK);
    ck_assert_uint_eq(tee_kernel()->folders, 1);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    TCase *t = tcase_create("quote_tsm");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_report_over_the_bytes_asked_for_with_the_hosts_certificates);
    tcase_add_test(t, the_provider_is_told_without_asking_for_evidence);
    tcase_add_test(t, genuine_evidence_passes_through_unchanged);
    tcase_add_test(t, a_host_without_certificates_is_no_failure);
    tcase_add_test(t, short_reads_are_put_together);
    tcase_add_test(t, what_passes_is_tried_again_under_another_name);
    tcase_add_test(t, every_other_error_ends_it_and_says_what_to_do);
    tcase_add_test(t, no_interface_is_told_from_a_broken_one);
    tcase_add_test(t, what_another_writer_touched_is_thrown_away);
    tcase_add_test(t, a_write_that_was_lost_at_close_asks_for_nothing);
    tcase_add_test(t, odd_answers_are_refused);
    tcase_add_test(t, an_answer_over_its_cap_is_refused);
    tcase_add_test(t, zeros_after_the_evidence_are_passed_on);
    tcase_add_test(t, a_kernel_above_vmpl_0_cannot_prove_vmpl_0);
    tcase_add_test(t, a_folder_that_will_not_go_is_tried_again_and_no_failure);
    return tally_suite_run("common/quote_tsm", t);
}
