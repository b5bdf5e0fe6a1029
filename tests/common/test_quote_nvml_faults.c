/* test_quote_nvml_faults.c - common/attest/quote_nvml.c: everything that the driver's library and
 * its answers can have wrong, each a clean failure that fills nothing and lets no GPU take work. */
#include "common/attest/nvml_abi.h"
#include "tests/common/quote_nvml_fixture.h"

static const char one[] = "hopper_545_full_rim_match", other[] = "hopper_590_12_ppcie8_0";

/* Collects from two GPUs with this in the environment: must fail so, and fill nothing. */
static void fails(const char *name, const char *value, enum tally_status code,
                  enum tally_reason reason)
{
    const char *two[] = {other, other};
    struct tally_gpu_evidence e[TALLY_DEVICES_MAX] = {0};
    uint8_t nonce[32];
    uint32_t got = 99;

    gpus_are(two, 2);
    ck_assert_int_eq(setenv(name, value, 1), 0);
    struct tally_nvml *n = opened();
    nonce_of(other, nonce);
    enum tally_status s = tally_nvml_collect(n, nonce, e, TALLY_DEVICES_MAX, &got);
    ck_assert_msg(s == code, "%s=%s gives %s: %s", name, value, tally_status_name(s), tally_why());
    ck_assert_int_eq(tally_reason(), reason);
    ck_assert_uint_gt(strlen(tally_why_text()), 20);
    ck_assert_uint_eq(got, 99);
    ck_assert_ptr_null(e[0].owned);
    stub_nvml_calls_begin();
    ck_assert_int_eq(tally_nvml_set_ready(n), TALLY_E_STATE);
    stub_nvml_calls_were("");
    ck_assert_int_eq(unsetenv(name), 0);
    tally_nvml_close(&n);
}

START_TEST(gpus_in_no_state_to_prove_anything_are_refused_by_name)
{
    static const struct {
        const char *modes;
        enum tally_reason reason;
    } cases[] = {
        {"2,0,0,0", TALLY_R_E_POLICY_FLAG },
        {"2,2,0,0", TALLY_R_E_POLICY_FLAG },
        {"2,1,1,0", TALLY_R_E_POLICY_DEBUG},
        {"2,1,2,0", TALLY_R_E_POLICY_DEBUG},
        {"1,1,0,0", TALLY_R_E_TRUST_CLASS },
        {"0,1,0,0", TALLY_R_E_TRUST_CLASS },
        {"3,1,0,0", TALLY_R_E_TRUST_CLASS },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fails("TALLY_STUB_CC", cases[i].modes, TALLY_E_UNTRUSTED, cases[i].reason);
        /* The same from a driver that has the older call alone. */
        ck_assert_int_eq(setenv("TALLY_STUB_FAIL", "nvmlSystemGetConfComputeSettings=3", 1), 0);
        fails("TALLY_STUB_CC", cases[i].modes, TALLY_E_UNTRUSTED, cases[i].reason);
        ck_assert_int_eq(unsetenv("TALLY_STUB_FAIL"), 0);
    }
    fails("TALLY_STUB_COUNT", "0", TALLY_E_UNTRUSTED, TALLY_R_E_GPU_COUNT);
}
END_TEST

static const int codes[] = {1, 2, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 19, 20, 25, 27, 31, 999, -1};
enum { CODES = sizeof codes / sizeof codes[0] };

/* "not here" for what this machine does not have, a failure of the driver for everything else. */
static enum tally_status code_of(int rc)
{
    static const int not_here[] = {3, 6, 9, 12, 13, 25};

    for (size_t i = 0; i < sizeof not_here / sizeof not_here[0]; i++)
        if (not_here[i] == rc) return TALLY_E_STATE;
    return TALLY_E_IO;
}

START_TEST(every_code_of_every_call_is_a_clean_failure)
{
    static const char *const needed[] = {
        "nvmlSystemGetDriverVersion",
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetConfComputeGpuCertificate",
        "nvmlDeviceGetConfComputeGpuAttestationReport",
    };
    char set[160];

    for (size_t k = 0; k < sizeof needed / sizeof needed[0]; k++) {
        (void)snprintf(set, sizeof set, "%s=%d", needed[k], codes[_i]);
        fails("TALLY_STUB_FAIL", set, code_of(codes[_i]), TALLY_R_NONE);
        ck_assert_ptr_nonnull(strstr(tally_why_text(), "evidence was collected"));
    }
    (void)snprintf(set, sizeof set,
                   "nvmlSystemGetConfComputeSettings=3,nvmlSystemGetConfComputeState=%d",
                   codes[_i]);
    fails("TALLY_STUB_FAIL", set, code_of(codes[_i]), TALLY_R_NONE);
    /* The newer call failing, not missing: the older one is no way round it. */
    (void)snprintf(set, sizeof set, "nvmlSystemGetConfComputeSettings=%d", codes[_i]);
    if (code_of(codes[_i]) == TALLY_E_IO) fails("TALLY_STUB_FAIL", set, TALLY_E_IO, TALLY_R_NONE);
}
END_TEST

START_TEST(a_library_that_does_not_start_is_a_clean_failure)
{
    struct tally_nvml *n = NULL;
    char set[64];

    stub_nvml_load(TALLY_STUB_NVML);
    for (int i = 0; i < CODES; i++) {
        (void)snprintf(set, sizeof set, "nvmlInit_v2=%d", codes[i]);
        ck_assert_int_eq(setenv("TALLY_STUB_FAIL", set, 1), 0);
        ck_assert_int_eq(tally_nvml_open(&n), code_of(codes[i]));
        ck_assert_ptr_null(n);
    }
}
END_TEST

START_TEST(sizes_beyond_the_interface_are_refused)
{
    static const char *const report[] = {"0", "1", "37", "0x2001", "0x80000000", "0xffffffff"};
    static const char *const chain[] = {"0", "0x1401", "0x80000000", "0xffffffff"};

    for (size_t i = 0; i < sizeof report / sizeof report[0]; i++)
        fails("TALLY_STUB_REPORT_SIZE", report[i], TALLY_E_LIB, TALLY_R_NONE);
    for (size_t i = 0; i < sizeof chain / sizeof chain[0]; i++)
        fails("TALLY_STUB_CHAIN_SIZE", chain[i], TALLY_E_LIB, TALLY_R_NONE);
    fails("TALLY_STUB_COUNT", "17", TALLY_E_LIMIT, TALLY_R_NONE);
    fails("TALLY_STUB_COUNT", "0xffffffff", TALLY_E_LIMIT, TALLY_R_NONE);
    fails("TALLY_STUB_COUNT", "3", TALLY_E_IO, TALLY_R_NONE); /* no handle for the third */
}
END_TEST

START_TEST(a_chain_that_is_no_pem_is_refused)
{
    static const char *const chains[] = {
        "garbage",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n",
        "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nmore",
    };

    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++)
        fails("TALLY_STUB_CHAIN", chains[i], TALLY_E_UNTRUSTED, TALLY_R_E_CERT_PARSE);
    char many[2048] = "";
    for (int i = 0; i < TALLY_NVML_CERTS_MAX + 1; i++)
        (void)strcat(many, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    fails("TALLY_STUB_CHAIN", many, TALLY_E_UNTRUSTED, TALLY_R_E_CERT_SHAPE);
    /* Every cut through a genuine one, and zeros behind it, which end a string. */
    fails("TALLY_STUB_CHAIN_SIZE", "4800", TALLY_E_UNTRUSTED, TALLY_R_E_CERT_PARSE);
    fails("TALLY_STUB_CHAIN_SIZE", "1000", TALLY_E_UNTRUSTED, TALLY_R_E_CERT_PARSE);
}
END_TEST

/* A copy of the library in which this name is spelt otherwise: the loader does not find it. */
static void library_without(const char *symbol, char path[64])
{
    FILE *f = fopen(TALLY_STUB_NVML, "rbe");
    size_t cap = 1 << 24, n, len = strlen(symbol) + 1;
    char *bytes = malloc(cap);
    int found = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(bytes);
    n = fread(bytes, 1, cap, f);
    (void)fclose(f);
    for (char *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), symbol, len)) != NULL; at++) {
        *at = 'x';
        found++;
    }
    ck_assert_int_ge(found, 1);
    (void)snprintf(path, 64, "/tmp/tally_nvml.%d.so.1", (int)getpid());
    f = fopen(path, "wbe");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    (void)fclose(f);
    free(bytes);
}

static const struct {
    const char *symbol;
    enum tally_status open, collect, ready;
} symbols[] = {
    {"nvmlInit_v2",                                  TALLY_E_STATE, TALLY_OK,      TALLY_OK     },
    {"nvmlShutdown",                                 TALLY_OK,      TALLY_OK,      TALLY_OK     },
    {"nvmlSystemGetDriverVersion",                   TALLY_OK,      TALLY_E_STATE, TALLY_E_STATE},
    {"nvmlDeviceGetCount_v2",                        TALLY_OK,      TALLY_E_STATE, TALLY_E_STATE},
    {"nvmlDeviceGetHandleByIndex_v2",                TALLY_OK,      TALLY_E_STATE, TALLY_E_STATE},
    {"nvmlSystemGetConfComputeState",                TALLY_OK,      TALLY_OK,      TALLY_OK     },
    {"nvmlSystemGetConfComputeSettings",             TALLY_OK,      TALLY_OK,      TALLY_OK     },
    {"nvmlSystemGetConfComputeGpusReadyState",       TALLY_OK,      TALLY_OK,      TALLY_E_STATE},
    {"nvmlSystemSetConfComputeGpusReadyState",       TALLY_OK,      TALLY_OK,      TALLY_E_STATE},
    {"nvmlDeviceGetConfComputeGpuCertificate",       TALLY_OK,      TALLY_E_STATE, TALLY_E_STATE},
    {"nvmlDeviceGetConfComputeGpuAttestationReport", TALLY_OK,      TALLY_E_STATE, TALLY_E_STATE},
    {"nvmlDeviceGetUUID",                            TALLY_OK,      TALLY_OK,      TALLY_OK     },
    {"nvmlDeviceGetVbiosVersion",                    TALLY_OK,      TALLY_OK,      TALLY_OK     },
    {"nvmlDeviceGetArchitecture",                    TALLY_OK,      TALLY_OK,      TALLY_OK     },
};
enum { SYMBOLS = sizeof symbols / sizeof symbols[0] };

START_TEST(a_library_without_one_call_is_one_that_cannot_do_it)
{
    struct tally_nvml *n = NULL;
    struct tally_gpu_evidence e[1] = {0};
    uint8_t nonce[32];
    uint32_t got = 0;
    char path[64];

    gpus_are((const char *[]){one}, 1);
    nonce_of(one, nonce);
    library_without(symbols[_i].symbol, path);
    stub_nvml_load(path);
    (void)unlink(path);
    ck_assert_int_eq(tally_nvml_open(&n), symbols[_i].open);
    if (n == NULL) return;
    ck_assert_int_eq(tally_nvml_collect(n, nonce, e, 1, &got), symbols[_i].collect);
    if (symbols[_i].collect != TALLY_OK)
        ck_assert_ptr_nonnull(strstr(tally_why_text(), symbols[_i].symbol));
    ck_assert_int_eq(tally_nvml_set_ready(n), symbols[_i].ready);
    tally_gpu_evidence_free(e, got);
    tally_nvml_close(&n);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quote_nvml_faults");

    tally_vectors_need();
    tcase_add_test(t, gpus_in_no_state_to_prove_anything_are_refused_by_name);
    tcase_add_test(t, a_library_that_does_not_start_is_a_clean_failure);
    tcase_add_test(t, sizes_beyond_the_interface_are_refused);
    tcase_add_test(t, a_chain_that_is_no_pem_is_refused);
    tcase_add_loop_test(t, every_code_of_every_call_is_a_clean_failure, 0, CODES);
    tcase_add_loop_test(t, a_library_without_one_call_is_one_that_cannot_do_it, 0, SYMBOLS);
    return tally_suite_run("quote_nvml_faults", t);
}
