/* test_device_tdx.c - common/attest/device_tdx.c over a played kernel and genuine quotes: the quote
 * without its padding, collateral by file name, what is refused, and a TEE that cannot seal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attest/device_ops.h"
#include "common/attest/quote_sys.h"
#include "common/attest/tdx_collateral.h"
#include "common/attest/tdx_quote.h"
#include "common/file.h"
#include "common/instance.h"
#include "tests/lib/session_ask.h"
#include "tests/lib/suite.h"
#include "tests/lib/tee_kernel.h"
#include "tests/lib/vectors.h"

enum { DATA_V4 = 48 + TALLY_TDX_BODY_REPORT_DATA, DATA_V5 = DATA_V4 + 6, MRTD_V4 = 48 + 136 };

static uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
static uint8_t *bytes;
static struct tally_device_files files;
static char folder[512];

/* The machine gives this quote, over whatever is asked. */
static void play(const char *name, size_t report_data_at)
{
    struct tee_kernel *k = tee_kernel();
    char path[256];
    size_t len = 0;

    free(bytes);
    (void)snprintf(path, sizeof path, "vectors/tdx/quotes/%s.bin", name);
    bytes = tally_vectors_bytes(path, &len);
    k->captured = tally_slice_of(bytes, len);
    k->report_data_at = report_data_at;
}

static void set_up(void)
{
    struct tee_kernel *k = tee_kernel();

    tee_kernel_reset();
    k->tsm = k->no_auxblob = true;
    k->privlevel_floor = -1;
    (void)snprintf(k->provider, sizeof k->provider, "tdx_guest");
    (void)snprintf(folder, sizeof folder, "%s",
                   tally_vectors_path("vectors/tdx/collateral/2025-07_00806f05"));
    files = (struct tally_device_files){.collateral = folder};
    play("emr_v4_phala", DATA_V4);
}

static void tear_down(void)
{
    tee_kernel_reset();
    free(bytes);
    bytes = NULL;
}

static enum tally_status boot(struct tally_device **d)
{
    enum tally_status s = tally_device_open_on(&tee_kernel_sys, &files, d);

    ck_assert_uint_eq(tee_kernel()->files_open, 0);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
    return s;
}

static struct tally_device *booted(void)
{
    struct tally_device *d = NULL;

    ck_assert_msg(boot(&d) == TALLY_OK, "%s", tally_why());
    return d;
}

static enum tally_status quote(struct tally_device *d, struct tally_evidence *e,
                               struct tally_endorsements *list)
{
    uint8_t body[SESSION_ASK_BYTES];
    const struct tally_quote_ask ask = session_ask("nonce", body);
    struct tally_wr w = tally_wr_to(ev, sizeof ev);
    struct tally_wr n = tally_wr_to(endorsements, sizeof endorsements);

    TALLY_TRY(tally_device_quote(d, &ask, &w, &n));
    TALLY_TRY(tally_evidence_decode(tally_slice_of(ev, w.used), e));
    return tally_endorsements_decode(tally_slice_of(endorsements, n.used), list);
}

static void refused(enum tally_reason reason)
{
    struct tally_device *d = NULL;

    ck_assert_int_ne(boot(&d), TALLY_OK);
    ck_assert_msg(tally_reason() == reason, "%s: %s", tally_reason_name(tally_reason()),
                  tally_why());
    ck_assert_ptr_null(d);
}

START_TEST(a_quote_over_what_was_asked_without_the_kernels_padding)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
        {"emr_v4_phala",  DATA_V4},
        {"emr_v5_google", DATA_V5},
        {"spr_v4_oak",    DATA_V4},
        {"srf_v4_near",   DATA_V4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t padded = 0; padded <= 100000; padded += 50000) {
            struct tally_evidence e;
            struct tally_endorsements list;
            struct tally_tdx_quote q;
            uint8_t want[TALLY_REPORT_DATA_BYTES];
            uint8_t body[SESSION_ASK_BYTES];
            const struct tally_quote_ask ask = session_ask("nonce", body);
            play(rows[i].name, rows[i].at);
            tee_kernel()->padded = padded;
            struct tally_device *d = booted();
            ck_assert_msg(quote(d, &e, &list) == TALLY_OK, "%s", tally_why());
            ck_assert_int_eq(e.kind, TALLY_EVIDENCE_TDX);
            ck_assert_int_eq(tally_tdx_quote_decode(e.report, &q), TALLY_OK);
            ck_assert_int_eq(tally_tdx_quote_padding(&q, false), TALLY_OK);
            tally_report_data(ask.label, &ask.body, 1, ask.key_block, want);
            ck_assert_mem_eq(q.report_data, want, sizeof want);
            tally_device_close(&d);
        }
    }
}
END_TEST

START_TEST(the_collateral_goes_with_it_by_file_name)
{
    struct tally_evidence e;
    struct tally_endorsements list;
    struct tally_tdx_collateral c = {0};
    struct tally_device *d = booted();

    ck_assert_int_eq(quote(d, &e, &list), TALLY_OK);
    ck_assert_uint_eq(list.n, 5); /* a response holds what its two parts hold */
    for (uint32_t i = 0; i < list.n; i++) {
        ck_assert_int_eq(list.items[i].kind, TALLY_ENDORSEMENT_TDX_COLLATERAL);
        ck_assert_int_eq(tally_tdx_collateral_put(&c, list.items[i].name, list.items[i].bytes),
                         TALLY_OK);
    }
    ck_assert(c.tcb_info.at && c.tcb_info_sig.at && c.qe_identity.at && c.qe_identity_sig.at);
    ck_assert(c.tcb_sign_chain.at && c.root_crl.at && c.pck_crl.at);
    tally_device_close(&d);
    files.collateral = "";
    d = booted();
    ck_assert_int_eq(quote(d, &e, &list), TALLY_OK);
    ck_assert_uint_eq(list.n, 0);
    tally_device_close(&d);
}
END_TEST

START_TEST(a_file_that_cannot_be_sent_is_told)
{
    static uint8_t large[70 * 1024];
    struct tally_evidence e;
    struct tally_endorsements list;
    char dir[64], path[128];

    (void)snprintf(dir, sizeof dir, "tdx_test_%d", (int)getpid());
    (void)snprintf(path, sizeof path, "%s/pck_crl.der", dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    files.collateral = dir;
    struct tally_device *d = booted();
    ck_assert_int_eq(tally_file_write(path, TALLY_SLICE(large), 0644), TALLY_OK);
    ck_assert_int_eq(quote(d, &e, &list), TALLY_E_LIMIT);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* in its place */
    ck_assert_int_eq(quote(d, &e, &list), TALLY_E_IO);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(quote(d, &e, &list), TALLY_OK);
    tally_device_close(&d);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(the_identity_is_mrtd_and_platform)
{
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], zero[TALLY_CHIP_DIGEST_BYTES] = {0}, m[48];
    struct tally_device *d = booted();

    ck_assert_int_eq(tally_device_identity(d, chip, m), TALLY_OK);
    ck_assert_mem_eq(m, bytes + MRTD_V4, sizeof m);
    ck_assert_mem_ne(chip, zero, sizeof chip);
    tally_device_close(&d);
}
END_TEST

START_TEST(what_is_no_quote_of_this_td_is_refused)
{
    play("spr_v4_debug_coco", DATA_V4); /* A37 */
    refused(TALLY_R_E_POLICY_DEBUG);
    play("sgx_v3_phala", 0);
    refused(TALLY_R_E_TEE_TYPE);
    play("emr_v4_phala", DATA_V4);
    static uint8_t large[20 * 1024];
    memcpy(large, bytes, tee_kernel()->captured.len);
    large[sizeof large - 1] = 1;
    tee_kernel()->captured = TALLY_SLICE(large);
    refused(TALLY_R_E_OVERSIZE);
    play("emr_v4_phala", DATA_V4);
    tee_kernel()->captured.len = 1184;
    refused(TALLY_R_E_TRUNCATED);
    play("emr_v4_phala", 0); /* over other bytes */
    refused(TALLY_R_NONE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "over other bytes"));
    play("spr_v4_google_e4", DATA_V4); /* text after it */
    refused(TALLY_R_E_TRAILING);
}
END_TEST

START_TEST(every_bit_of_debugging_is_seen)
{
    for (int bit = 0; bit < 8; bit++) {
        play("emr_v4_phala", DATA_V4);
        bytes[48 + 120] = (uint8_t)(1U << bit);
        refused(TALLY_R_E_POLICY_DEBUG);
    }
}
END_TEST

START_TEST(another_td_is_not_this_one)
{
    struct tally_evidence e;
    struct tally_endorsements list;
    struct tally_device *d = booted();

    bytes[MRTD_V4] ^= 1;
    ck_assert_int_eq(quote(d, &e, &list), TALLY_E_STATE);
    bytes[MRTD_V4] ^= 1;
    (void)snprintf(tee_kernel()->provider, sizeof tee_kernel()->provider, "sev_guest");
    ck_assert_int_eq(quote(d, &e, &list), TALLY_E_IO);
    tally_device_close(&d);
}
END_TEST

/* ---- no sealing key ---- */

START_TEST(nothing_is_sealed_and_each_start_is_a_new_instance)
{
    const struct tally_seal_name n = {
        .mode = 'P', .role = 1, .org = tally_slice_str("bank-1"), .node = tally_slice_str("a")};
    struct tally_instance_held held = {.of = {0}};
    struct tally_instance i[2];
    enum tally_instance_origin origin = TALLY_INSTANCE_KEPT;
    uint8_t sealed[64 + TALLY_SEAL_EXTRA_BYTES] = {1}, plain[64] = {0};
    char path[64], lost[80];
    struct tally_device *d = booted();

    ck_assert_int_eq(tally_secret_setup(), TALLY_OK);
    (void)snprintf(path, sizeof path, "tdx_test_instance_%d", (int)getpid());
    (void)snprintf(lost, sizeof lost, "%s.lost", path);
    ck_assert_int_eq(tally_device_seal(d, &n, TALLY_SLICE(plain), sealed), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "no sealing key here"));
    ck_assert_int_eq(tally_device_unseal(d, &n, TALLY_SLICE(sealed), plain), TALLY_E_STATE);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(tally_instance_open(path, d, &n, &held, &i[k], &origin), TALLY_OK);
        ck_assert_int_eq(origin, TALLY_INSTANCE_PASSING);
        ck_assert(!tally_file_exists(path));
        tally_instance_held_free(&held); /* the process ends */
    }
    ck_assert_mem_ne(i[0].kem_secret, i[1].kem_secret, sizeof i[0].kem_secret);
    ck_assert_mem_ne(i[0].id, i[1].id, sizeof i[0].id);
    /* What another machine sealed here stays for it. */
    ck_assert_int_eq(tally_file_write(path, TALLY_SLICE(sealed), 0600), TALLY_OK);
    ck_assert_int_eq(truncate(path, 80 + TALLY_SEAL_EXTRA_BYTES), 0);
    ck_assert_int_eq(tally_instance_open(path, d, &n, &held, &i[0], &origin), TALLY_OK);
    ck_assert_int_eq(origin, TALLY_INSTANCE_PASSING);
    ck_assert(tally_file_exists(path) && !tally_file_exists(lost));
    (void)unlink(path);
    tally_instance_held_free(&held);
    tally_device_close(&d);
}
END_TEST

/* ---- what check says ---- */

static void take_line(void *ctx, bool good, const char *what, const char *fix)
{
    char *text = ctx;
    size_t used = strlen(text);

    ck_assert_int_eq(good, *fix == '\0');
    (void)snprintf(text + used, 4096 - used, "%d %s | %s\n", good, what, fix);
}

static const char *described(void)
{
    static char text[4096];
    const struct tally_describe to = {take_line, text};
    struct tally_device *d = booted();

    text[0] = '\0';
    tally_device_describe(d, &to);
    tally_device_close(&d);
    return text;
}

static void says(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" is not in\n%s", words, text);
}

START_TEST(what_it_can_prove_and_lacks_is_described)
{
    const char *text = described();

    says(text,
         "1 the TEE is Intel TDX, through configfs-tsm (provider tdx_guest), quote version 4");
    says(text, "1 debugging off, migration off");
    says(text, "1 SEPT_VE_DISABLE is set");
    says(text, "1 chip for the federation document: ");
    says(text, "1 Intel's collateral is complete");
    says(text, "1 no sealing key: TDX has none");
    files.collateral = "no_such_folder";
    text = described();
    says(text, "0 Intel's collateral: 5 of 5 parts missing | fetch it");
    says(text, "for FMSPC b0c06f000000");
    play("spr_v4_azure_coco", DATA_V4);
    says(described(), "0 SEPT_VE_DISABLE is not set");
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("device_tdx");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_quote_over_what_was_asked_without_the_kernels_padding);
    tcase_add_test(t, the_collateral_goes_with_it_by_file_name);
    tcase_add_test(t, a_file_that_cannot_be_sent_is_told);
    tcase_add_test(t, the_identity_is_mrtd_and_platform);
    tcase_add_test(t, what_is_no_quote_of_this_td_is_refused);
    tcase_add_test(t, every_bit_of_debugging_is_seen);
    tcase_add_test(t, another_td_is_not_this_one);
    tcase_add_test(t, nothing_is_sealed_and_each_start_is_a_new_instance);
    tcase_add_test(t, what_it_can_prove_and_lacks_is_described);
    return tally_suite_run("common/device_tdx", t);
}
