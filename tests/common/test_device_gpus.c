/* test_device_gpus.c - common/attest/device_gpus.c: a simulated chip beside simulated GPUs behind
 * the driver's library, bound to each other in both directions (ATTESTATION.md C5.1). */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/attest/device_gpus.h"
#include "common/attest/gpu_set.h"
#include "tests/lib/simulated.h"
#include "tests/lib/stub_nvml.h"
#include "tests/lib/suite.h"

static char chip_file[64], folder[64], root_file[64];
static uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
static struct tally_wr ev_w, end_w;

static struct tally_device *boot(void)
{
    const struct tally_sim_guest g = {.policy = TALLY_SIM_GUEST_POLICY};
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_boot(chip_file, &g, &d) == TALLY_OK, "%s", tally_why());
    return d;
}

static struct tally_device *boot_with_gpus(const char *names, struct tally_device_gpus **g)
{
    struct tally_device *d = boot();

    stub_nvml_load(TALLY_STUB_NVML);
    stub_nvml_set("TALLY_STUB_SIM", names);
    stub_nvml_set("TALLY_STUB_SIM_ROOT", root_file);
    ck_assert_msg(tally_device_add_nvidia(d, folder, g) == TALLY_OK, "%s", tally_why());
    return d;
}

/* A session's question: a body that ends in the place of the set hash. */
static struct tally_quote_ask ask_with(uint8_t *body, uint8_t first, const char *keys)
{
    memset(body, 0, 96);
    body[0] = first;
    return (struct tally_quote_ask){TALLY_QUOTE_SESSION, tally_slice_of(body, 96), body,
                                    tally_slice_str(keys)};
}

static enum tally_status quote(struct tally_device *d, const struct tally_quote_ask *ask)
{
    ev_w = tally_wr_to(ev, sizeof ev);
    end_w = tally_wr_to(endorsements, sizeof endorsements);
    return tally_device_quote(d, ask, &ev_w, &end_w);
}

/* The GPUs' verdict over this nonce, under the root that the library wrote. */
static enum tally_status judge_gpus(const struct tally_evidence *e, const uint8_t nonce[32])
{
    static struct tally_gpu_input in[TALLY_DEVICES_MAX];
    static struct tally_verdict v;
    static uint8_t root[2048];
    struct tally_anchor anchor = {.trust = TALLY_TRUST_TEST, .name = "test"};
    struct tally_gpu_policy policy;
    FILE *f = fopen(root_file, "rbe");

    ck_assert_ptr_nonnull(f);
    anchor.root = tally_slice_of(root, fread(root, 1, sizeof root, f));
    (void)fclose(f);
    for (uint32_t i = 0; i < e->devices_n; i++) {
        in[i] = (struct tally_gpu_input){.report = e->devices[i].report};
        ck_assert_int_eq(
            tally_chain_split(e->devices[i].chain, in[i].chain, TALLY_GPU_CERTS, &in[i].chain_n),
            TALLY_OK);
    }
    tally_gpu_policy_strict(&policy);
    policy.require_rim = false;
    const struct tally_expect x = {.now_s = (uint64_t)time(NULL),
                                   .trust = TALLY_TRUST_TEST,
                                   .nonce = tally_slice_of(nonce, 32)};
    return tally_verify_gpu_set(in, e->devices_n, &anchor, 1, &policy, &x, &v);
}

/* Is the CPU's report over what this question and these devices make? */
static bool bound(const struct tally_quote_ask *ask, struct tally_slice bytes)
{
    uint8_t want[TALLY_REPORT_DATA_BYTES], nonce[32];
    struct tally_snp_report r;
    struct tally_evidence e;

    ck_assert_int_eq(tally_quote_expected(ask, bytes, want, nonce), TALLY_OK);
    ck_assert_int_eq(tally_evidence_decode(bytes, &e), TALLY_OK);
    ck_assert_int_eq(tally_snp_report_decode(e.report, &r), TALLY_OK);
    return memcmp(r.report_data, want, sizeof want) == 0;
}

START_TEST(cpu_and_gpus_vouch_for_each_other)
{
    struct tally_device *d = boot_with_gpus("GH100,GH100", NULL);
    uint8_t body[96], other[96], data[TALLY_REPORT_DATA_BYTES], nonce[32];
    const struct tally_quote_ask ask = ask_with(body, 1, "keys");
    const struct tally_quote_ask wrong[] = {ask_with(other, 2, "keys"), ask_with(other, 1, "kegs")};
    struct tally_evidence e;

    ck_assert_msg(quote(d, &ask) == TALLY_OK, "%s", tally_why());
    struct tally_slice bytes = tally_slice_of(ev, ev_w.used);
    ck_assert_int_eq(tally_evidence_decode(bytes, &e), TALLY_OK);
    ck_assert_uint_eq(e.devices_n, 2);
    ck_assert(bound(&ask, bytes));
    ck_assert_int_eq(tally_quote_expected(&ask, bytes, data, nonce), TALLY_OK);
    ck_assert_msg(judge_gpus(&e, nonce) == TALLY_OK, "%s", tally_why());
    for (int i = 0; i < 2; i++) { /* another verifier's nonce; other keys */
        (void)ask_with(other, i == 0 ? 2 : 1, "");
        ck_assert_int_eq(tally_quote_expected(&wrong[i], bytes, data, nonce), TALLY_OK);
        ck_assert_int_ne(judge_gpus(&e, nonce), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_REPORT_DATA);
        ck_assert(!bound(&wrong[i], bytes));
    }
    /* One GPU left out, and one byte of a GPU's report. */
    static uint8_t cut[TALLY_EV_MAX];
    struct tally_wr w = tally_wr_to(cut, sizeof cut);
    e.devices_n = 1;
    tally_evidence_encode(&w, &e);
    ck_assert(!bound(&ask, tally_slice_of(cut, w.used)));
    e.devices_n = 2;
    w = tally_wr_to(cut, sizeof cut);
    tally_evidence_encode(&w, &e);
    ck_assert(bound(&ask, tally_slice_of(cut, w.used)));
    cut[w.used - e.devices[1].chain.len - 10] ^= 1; /* in its signature, or just before */
    ck_assert(!bound(&ask, tally_slice_of(cut, w.used)));
    tally_device_close(&d);
}
END_TEST

static uint32_t manifests_in_quote(char names[4][TALLY_ENDORSEMENT_NAME_MAX + 1])
{
    static struct tally_endorsements list;
    uint32_t n = 0;

    ck_assert_int_eq(tally_endorsements_decode(tally_slice_of(endorsements, end_w.used), &list),
                     TALLY_OK);
    for (uint32_t i = 0; i < list.n; i++) {
        const struct tally_endorsement *x = &list.items[i];
        if (x->kind != TALLY_ENDORSEMENT_MANIFEST) continue;
        ck_assert_uint_lt(n, 4);
        (void)snprintf(names[n++], TALLY_ENDORSEMENT_NAME_MAX + 1, "%.*s", (int)x->name.len,
                       (const char *)x->name.at);
    }
    return n;
}

static void put(const char *name, size_t bytes)
{
    char path[192];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wbe");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < bytes; i++) (void)fputc('x', f);
    (void)fclose(f);
}

static void drop(const char *name)
{
    char path[192];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

START_TEST(manifests_of_the_folder_travel_with_it)
{
    struct tally_device *d = boot_with_gpus("GH100", NULL);
    char names[4][TALLY_ENDORSEMENT_NAME_MAX + 1];
    uint8_t body[96];
    const struct tally_quote_ask ask = ask_with(body, 1, "keys");

    ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    ck_assert_uint_eq(manifests_in_quote(names), 0);
    put("driver.xml", 10), put("vbios.swidtag", 20), put("notes.txt", 5), put(".hidden.xml", 5);
    ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    ck_assert_uint_eq(manifests_in_quote(names), 2);
    ck_assert(strcmp(names[0], "driver.xml") == 0 || strcmp(names[1], "driver.xml") == 0);
    put("large.xml", 100 * 1024), put("larger.xml", 60 * 1024);
    ck_assert_int_eq(quote(d, &ask), TALLY_E_LIMIT);
    put("large.xml", 129 * 1024);
    drop("larger.xml");
    ck_assert_int_eq(quote(d, &ask), TALLY_E_LIMIT);
    drop("large.xml"), drop("driver.xml"), drop("vbios.swidtag");
    drop("notes.txt"), drop(".hidden.xml");
    ck_assert_int_eq(rmdir(folder), 0);
    ck_assert_int_eq(quote(d, &ask), TALLY_E_IO);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    tally_device_close(&d);
}
END_TEST

START_TEST(gpus_that_prove_nothing_are_not_added)
{
    static const struct {
        const char *name, *value;
        enum tally_reason reason;
    } cases[] = {
        {"TALLY_STUB_CC",    "2,1,1,0", TALLY_R_E_POLICY_DEBUG},
        {"TALLY_STUB_CC",    "2,0,0,0", TALLY_R_E_POLICY_FLAG },
        {"TALLY_STUB_CC",    "1,1,0,0", TALLY_R_E_TRUST_CLASS },
        {"TALLY_STUB_COUNT", "0",       TALLY_R_E_GPU_COUNT   },
    };
    struct tally_device *d = boot();
    uint8_t body[96];
    const struct tally_quote_ask ask = ask_with(body, 1, "keys");
    struct tally_evidence e;

    stub_nvml_load(TALLY_STUB_NVML);
    stub_nvml_set("TALLY_STUB_SIM", "GH100");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stub_nvml_set(cases[i].name, cases[i].value);
        ck_assert_int_eq(tally_device_add_nvidia(d, NULL, NULL), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), cases[i].reason);
        ck_assert_int_eq(unsetenv(cases[i].name), 0);
    }
    ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    ck_assert_int_eq(tally_evidence_decode(tally_slice_of(ev, ev_w.used), &e), TALLY_OK);
    ck_assert_uint_eq(e.devices_n, 0);
    tally_device_close(&d);
}
END_TEST

START_TEST(a_gpu_that_fails_later_leaves_no_half_evidence)
{
    static const struct {
        const char *name, *value;
        enum tally_status code;
    } cases[] = {
        {"TALLY_STUB_FAIL",  "nvmlDeviceGetConfComputeGpuAttestationReport=15", TALLY_E_IO       },
        {"TALLY_STUB_FAIL",  "nvmlDeviceGetConfComputeGpuCertificate=999",      TALLY_E_IO       },
        {"TALLY_STUB_CC",    "2,1,1,0",                                         TALLY_E_UNTRUSTED},
        {"TALLY_STUB_COUNT", "3",                                               TALLY_E_IO       },
        {"TALLY_STUB_COUNT", "0",                                               TALLY_E_UNTRUSTED},
    };
    struct tally_device *d = boot_with_gpus("GH100,GH100", NULL);
    uint8_t body[96];
    const struct tally_quote_ask ask = ask_with(body, 1, "keys");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stub_nvml_set(cases[i].name, cases[i].value);
        ck_assert_int_eq(quote(d, &ask), cases[i].code);
        ck_assert_uint_eq(ev_w.used, 0);
        ck_assert_int_eq(unsetenv(cases[i].name), 0);
        ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    }
    tally_device_close(&d);
}
END_TEST

START_TEST(gpus_take_work_only_after_a_quote)
{
    struct tally_device_gpus *g = NULL;
    struct tally_device *d = boot_with_gpus("GH100", &g);
    uint8_t body[96];
    const struct tally_quote_ask ask = ask_with(body, 1, "keys");

    stub_nvml_calls_begin();
    ck_assert_int_eq(tally_device_gpus_ready(g), TALLY_E_STATE);
    stub_nvml_calls_were("");
    ck_assert_int_eq(quote(d, &ask), TALLY_OK);
    ck_assert_int_eq(tally_device_gpus_ready(g), TALLY_OK);
    tally_device_close(&d);
    stub_nvml_calls_were("certificate 0\nreport 0\nready 1\nshutdown 0\n");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("device_gpus");

    simulated_setup();
    (void)snprintf(chip_file, sizeof chip_file, "/tmp/tally_gpus_chip.%d", (int)getpid());
    (void)snprintf(root_file, sizeof root_file, "/tmp/tally_gpus_root.%d", (int)getpid());
    (void)snprintf(folder, sizeof folder, "/tmp/tally_gpus_rims.%d", (int)getpid());
    if (mkdir(folder, 0700) != 0 || tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK)
        return EXIT_FAILURE;
    tcase_add_test(t, cpu_and_gpus_vouch_for_each_other);
    tcase_add_test(t, manifests_of_the_folder_travel_with_it);
    tcase_add_test(t, gpus_that_prove_nothing_are_not_added);
    tcase_add_test(t, a_gpu_that_fails_later_leaves_no_half_evidence);
    tcase_add_test(t, gpus_take_work_only_after_a_quote);
    int rc = tally_suite_run("common/device_gpus", t);
    (void)unlink(chip_file);
    (void)unlink(root_file);
    (void)rmdir(folder);
    return rc;
}
