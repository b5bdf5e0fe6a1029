/* test_cmd_collect.c - agent/cmd_collect.c and agent/collect_files.c: what is written, under which
 * names, and what is not. The command with a device is tests/programs/collect.sh. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cmd_collect.h"
#include "agent/collect_files.h"
#include "common/cert.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static char dir[64];
static uint8_t ev[TALLY_EV_MAX], list[TALLY_ENDORSEMENTS_MAX], chain[TALLY_DEVICE_CHAIN_MAX];
static size_t chain_len;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/tally_collect.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f)
{
    (void)s, (void)kind, (void)f;
    return remove(path);
}

static void teardown(void)
{
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *below(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void file_is(const char *name, struct tally_slice want)
{
    uint8_t *bytes = NULL;
    size_t len = 0;

    ck_assert_msg(tally_file_read(below(name), 1 << 20, &bytes, &len) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_uint_eq(len, want.len);
    ck_assert_mem_eq(bytes, want.at, len);
    free(bytes);
}

/* A genuine chain, DER, as EV carries it. */
static struct tally_slice genuine_chain(void)
{
    size_t len, n = 0;
    struct tally_slice der[8];
    uint8_t *pem =
        tally_vectors_bytes("vectors/nvgpu/reports/hopper_590_12_multi_0/cert_chain.pem", &len);

    ck_assert_int_eq(tally_pem_chain(tally_slice_of(pem, len), chain, sizeof chain, der, 8, &n),
                     TALLY_OK);
    chain_len = 0;
    for (size_t i = 0; i < n; i++) chain_len += der[i].len;
    free(pem);
    return tally_slice_of(chain, chain_len);
}

static struct tally_slice encode(const struct tally_evidence *e)
{
    struct tally_wr w = tally_wr_to(ev, sizeof ev);

    tally_evidence_encode(&w, e);
    ck_assert(!w.full);
    return tally_slice_of(ev, w.used);
}

static struct tally_slice encode_list(const struct tally_endorsement *items, size_t n)
{
    struct tally_wr w = tally_wr_to(list, sizeof list);

    for (size_t i = 0; i < n; i++) tally_endorsement_encode(&w, &items[i]);
    ck_assert(!w.full);
    return tally_slice_of(list, w.used);
}

static struct tally_endorsement item(enum tally_endorsement_kind kind, const char *name,
                                     const char *bytes)
{
    return (struct tally_endorsement){kind, tally_slice_str(name), tally_slice_str(bytes)};
}

START_TEST(every_part_becomes_a_file_of_its_own)
{
    const struct tally_slice certs = genuine_chain();
    const struct tally_evidence e = {
        .kind = TALLY_EVIDENCE_SNP,
        .report = tally_slice_str("the report"),
        .devices = {{TALLY_DEVICE_GPU, tally_slice_str("first gpu"), certs},
                    {TALLY_DEVICE_NVSWITCH, tally_slice_str("a switch"), certs},
                    {TALLY_DEVICE_GPU, tally_slice_str("second gpu"), certs}},
        .devices_n = 3
    };
    const struct tally_endorsement items[] = {
        item(TALLY_ENDORSEMENT_CRL, "", "crl a"), item(TALLY_ENDORSEMENT_VEK, "x", "vek"),
        item(TALLY_ENDORSEMENT_ISSUER, "../../y", "ask"), item(TALLY_ENDORSEMENT_CRL, "", "crl b"),
        item(TALLY_ENDORSEMENT_MANIFEST, "/etc/passwd", "<xml/>")};
    struct tally_slice all = encode(&e), ends = encode_list(items, 5);
    struct collect_files c = {0};

    ck_assert_msg(collect_files_write(below("out"), all, ends, &c) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(json_array_size(c.names), 14);
    file_is("out/ev.bin", all);
    file_is("out/endorsements.bin", ends);
    file_is("out/report.bin", e.report);
    file_is("out/vek.der", tally_slice_str("vek"));
    file_is("out/issuer.der", tally_slice_str("ask"));
    file_is("out/crl-0.der", tally_slice_str("crl a"));
    file_is("out/crl-1.der", tally_slice_str("crl b"));
    file_is("out/manifest-0.xml", tally_slice_str("<xml/>"));
    file_is("out/gpu-0-report.bin", tally_slice_str("first gpu"));
    file_is("out/gpu-1-report.bin", tally_slice_str("second gpu"));
    file_is("out/switch-0-report.bin", tally_slice_str("a switch"));
    ck_assert(collect_files_has(&c, "gpu-1-chain.pem") &&
              !collect_files_has(&c, "gpu-2-chain.pem"));
    collect_files_free(&c);
    collect_files_free(&c);
}
END_TEST

START_TEST(a_chain_written_as_pem_reads_back_as_it_was)
{
    const struct tally_slice certs = genuine_chain();
    const struct tally_evidence e = {.kind = TALLY_EVIDENCE_SNP,
                                     .report = tally_slice_str("r"),
                                     .devices = {{TALLY_DEVICE_GPU, tally_slice_str("g"), certs}},
                                     .devices_n = 1};
    struct collect_files c = {0};
    struct tally_slice der[8];
    uint8_t *pem = NULL, back[TALLY_DEVICE_CHAIN_MAX];
    size_t len = 0, n = 0;

    ck_assert_int_eq(collect_files_write(below("out"), encode(&e), encode_list(NULL, 0), &c),
                     TALLY_OK);
    collect_files_free(&c);
    ck_assert_int_eq(tally_file_read(below("out/gpu-0-chain.pem"), 1 << 20, &pem, &len), TALLY_OK);
    ck_assert_int_eq(tally_pem_chain(tally_slice_of(pem, len), back, sizeof back, der, 8, &n),
                     TALLY_OK);
    free(pem);
    ck_assert_uint_eq(n, 5);
    ck_assert_mem_eq(back, certs.at, certs.len);
    uint8_t *real =
        tally_vectors_bytes("vectors/nvgpu/reports/hopper_590_12_multi_0/cert_chain.pem", &len);
    file_is("out/gpu-0-chain.pem", tally_slice_of(real, len));
    free(real);
}
END_TEST

START_TEST(tdx_collateral_keeps_its_names_in_a_folder)
{
    const struct tally_evidence e = {.kind = TALLY_EVIDENCE_TDX,
                                     .report = tally_slice_str("quote")};
    const struct tally_endorsement items[] = {
        item(TALLY_ENDORSEMENT_TDX_COLLATERAL, "tcb_info.json", "{}"),
        item(TALLY_ENDORSEMENT_TDX_COLLATERAL, "pck_crl.der", "crl")};
    struct collect_files c = {0};

    ck_assert_msg(collect_files_write(below("out"), encode(&e), encode_list(items, 2), &c) ==
                      TALLY_OK,
                  "%s", tally_why());
    file_is("out/quote.bin", tally_slice_str("quote"));
    file_is("out/collateral/tcb_info.json", tally_slice_str("{}"));
    file_is("out/collateral/pck_crl.der", tally_slice_str("crl"));
    ck_assert(!tally_file_exists(below("out/report.bin")));
    collect_files_free(&c);
}
END_TEST

START_TEST(a_name_that_is_no_plain_file_is_refused)
{
    static const char *const names[] = {
        "", ".", "..", ".hidden", "../x", "a/b", "/etc/x", "a b", "a\nb", "caf\xc3\xa9",
    };
    const struct tally_evidence e = {.kind = TALLY_EVIDENCE_TDX,
                                     .report = tally_slice_str("quote")};
    struct collect_files c = {0};
    char out[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct tally_endorsement bad = item(TALLY_ENDORSEMENT_TDX_COLLATERAL, names[i], "x");
        (void)snprintf(out, sizeof out, "out%zu", i);
        ck_assert_int_ne(collect_files_write(below(out), encode(&e), encode_list(&bad, 1), &c),
                         TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
        ck_assert_ptr_null(c.names);
        (void)snprintf(out, sizeof out, "out%zu/ev.bin", i);
        ck_assert(!tally_file_exists(below(out)));
    }
    const struct tally_endorsement zero = {TALLY_ENDORSEMENT_TDX_COLLATERAL,
                                           tally_slice_of("a\0b", 3), tally_slice_str("x")};
    ck_assert_int_ne(collect_files_write(below("z"), encode(&e), encode_list(&zero, 1), &c),
                     TALLY_OK);
    ck_assert(!tally_file_exists(below("x")) && !tally_file_exists(below("b")));
}
END_TEST

START_TEST(no_file_is_ever_replaced)
{
    const struct tally_evidence e = {.kind = TALLY_EVIDENCE_SNP, .report = tally_slice_str("one")};
    const struct tally_evidence other = {.kind = TALLY_EVIDENCE_SNP,
                                         .report = tally_slice_str("two")};
    const struct tally_endorsement twice[] = {item(TALLY_ENDORSEMENT_VEK, "", "a"),
                                              item(TALLY_ENDORSEMENT_VEK, "", "b")};
    struct collect_files c = {0};

    ck_assert_int_eq(collect_files_write(below("out"), encode(&e), encode_list(NULL, 0), &c),
                     TALLY_OK);
    collect_files_free(&c);
    ck_assert_int_eq(collect_files_write(below("out"), encode(&other), encode_list(NULL, 0), &c),
                     TALLY_E_STATE);
    file_is("out/report.bin", tally_slice_str("one"));
    ck_assert_int_eq(collect_files_write(below("two"), encode(&e), encode_list(twice, 2), &c),
                     TALLY_E_STATE);
    file_is("two/vek.der", tally_slice_str("a"));
    ck_assert(!tally_file_exists(below("two/ev.bin")));
}
END_TEST

START_TEST(bytes_that_are_no_evidence_write_nothing)
{
    const struct tally_evidence e = {
        .kind = TALLY_EVIDENCE_SNP,
        .report = tally_slice_str("report"),
        .devices = {{TALLY_DEVICE_GPU, tally_slice_str("g"), tally_slice_str("0\x03xx")}},
        .devices_n = 1};
    struct tally_slice whole = encode(&e), none = encode_list(NULL, 0);
    struct collect_files c = {0};

    for (size_t n = 0; n < whole.len; n++)
        ck_assert_int_ne(collect_files_write(below("out"), tally_slice_of(whole.at, n), none, &c),
                         TALLY_OK);
    ck_assert_int_ne(collect_files_write(below("out"), whole, tally_slice_str("\x09"), &c),
                     TALLY_OK);
    ck_assert(!tally_file_exists(below("out")));
    /* A chain that is none is found on the way; then there is no ev.bin. */
    ck_assert_int_ne(collect_files_write(below("out"), whole, none, &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    ck_assert(!tally_file_exists(below("out/ev.bin")));
}
END_TEST

START_TEST(the_gpu_nonce_commits_to_the_nonce_and_no_key)
{
    static const char label[] = "tally/v1/gpu";
    uint8_t nonce[32], got[32], want[32], none[64];

    memset(nonce, 0x21, sizeof nonce);
    tally_hash(TALLY_SHA512, NULL, 0, none);
    TALLY_SHA256_OF(want, TALLY_SLICE(label), TALLY_SLICE(nonce), TALLY_SLICE(none));
    collect_gpu_nonce(nonce, got);
    ck_assert_mem_eq(got, want, 32);
}
END_TEST

/* The command with these words after its name. */
static int run(const char *a, const char *b, const char *c, const char *d)
{
    char words[5][160], *argv[6] = {0};
    const char *all[] = {"tally-agent evidence collect", a, b, c, d};
    int argc = 0;

    for (; argc < 5 && all[argc] != NULL; argc++) {
        (void)snprintf(words[argc], sizeof words[0], "%s", all[argc]);
        argv[argc] = words[argc];
    }
    return tally_cmd_evidence_collect(argc, argv);
}

START_TEST(only_a_nonce_of_32_bytes_is_taken)
{
    char hex[160];

    for (int n = 0; n <= 130; n++) {
        if (n == 64) continue;
        memset(hex, '0', sizeof hex);
        hex[n] = '\0';
        ck_assert_int_eq(run("--dir", dir, "--nonce", hex), 2);
    }
    memset(hex, 'g', 64);
    hex[64] = '\0';
    ck_assert_int_eq(run("--dir", dir, "--nonce", hex), 2);
    memset(hex, 'a', 64);
    ck_assert_int_eq(run("--dir", dir, "--nonce", hex), 1); /* no configuration in that folder */
    ck_assert_int_eq(run("--report-data", hex, NULL, NULL), 2);
    ck_assert_int_eq(run("extra", NULL, NULL, NULL), 2);
    ck_assert_int_eq(run("--dir", dir, "--json", NULL), 1);
    ck_assert(!tally_file_exists("evidence"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cmd_collect");

    tally_vectors_need();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_part_becomes_a_file_of_its_own);
    tcase_add_test(t, a_chain_written_as_pem_reads_back_as_it_was);
    tcase_add_test(t, tdx_collateral_keeps_its_names_in_a_folder);
    tcase_add_test(t, a_name_that_is_no_plain_file_is_refused);
    tcase_add_test(t, no_file_is_ever_replaced);
    tcase_add_test(t, bytes_that_are_no_evidence_write_nothing);
    tcase_add_test(t, the_gpu_nonce_commits_to_the_nonce_and_no_key);
    tcase_add_test(t, only_a_nonce_of_32_bytes_is_taken);
    return tally_suite_run("agent/cmd_collect", t);
}
