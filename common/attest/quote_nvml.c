/* quote_nvml.c - see quote_nvml.h. */
#include "common/attest/quote_nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/nvml_abi.h"
#include "common/cert.h"
#include "common/secret.h"

/* The library's functions, NULL where it has none, and their names. */
struct calls {
#define X(member, symbol, parameters) int(*member) parameters;
    TALLY_NVML_SYMBOLS(X)
#undef X
};
static const struct names {
#define X(member, symbol, parameters) const char *member;
    TALLY_NVML_SYMBOLS(X)
#undef X
} names = {
#define X(member, symbol, parameters) .member = #symbol,
    TALLY_NVML_SYMBOLS(X)
#undef X
};

struct tally_nvml {
    void *library;
    struct calls call;
    bool started, collected;
};

static const struct meaning {
    int rc;
    enum tally_status code;
    const char *text;
} meanings[] = {
    {NVML_UNINITIALIZED,      TALLY_E_IO,    "the library is not started"                   },
    {NVML_INVALID_ARGUMENT,   TALLY_E_IO,    "an argument is wrong"                         },
    {NVML_NOT_SUPPORTED,      TALLY_E_STATE, "this GPU or driver does not support it"       },
    {NVML_NO_PERMISSION,      TALLY_E_IO,    "not permitted: run as root"                   },
    {NVML_NOT_FOUND,          TALLY_E_STATE, "there is none"                                },
    {NVML_INSUFFICIENT_SIZE,  TALLY_E_IO,    "the answer is larger than may be"             },
    {NVML_DRIVER_NOT_LOADED,  TALLY_E_STATE, "the NVIDIA kernel driver is not loaded"       },
    {NVML_TIMEOUT,            TALLY_E_IO,    "the GPU did not answer in time: try again"    },
    {NVML_LIBRARY_NOT_FOUND,  TALLY_E_STATE, "a library of the driver is missing"           },
    {NVML_FUNCTION_NOT_FOUND, TALLY_E_STATE, "this driver is too old to have it"            },
    {NVML_GPU_IS_LOST,        TALLY_E_IO,    "the GPU is lost: restart the machine"         },
    {NVML_RESET_REQUIRED,     TALLY_E_IO,    "the GPU must be reset: restart the machine"   },
    {NVML_IN_USE,             TALLY_E_IO,    "the GPU is in use: try again"                 },
    {NVML_MEMORY,             TALLY_E_IO,    "the driver is out of memory"                  },
    {NVML_VERSION_MISMATCH,   TALLY_E_STATE, "this driver has another version of the struct"},
    {NVML_NOT_READY,          TALLY_E_IO,    "the driver is not ready: try again"           },
};

static enum tally_status judge(const char *symbol, int rc)
{
    struct meaning m = {rc, TALLY_E_IO, "the driver failed"};

    if (rc == NVML_OK) return TALLY_OK;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].rc == rc) m = meanings[i];
    return TALLY_FAIL(m.code, "%s: %s (NVML code %d)", symbol, m.text, rc);
}

/* One call's result as a status; a function that is not there is one that it cannot do. */
#define ASK(n, member, ...) \
    judge(names.member,     \
          (n)->call.member == NULL ? (int)NVML_FUNCTION_NOT_FOUND : (n)->call.member(__VA_ARGS__))

static void resolve(struct tally_nvml *n)
{
    void *at;

    /* A pointer to a function cannot be cast from a pointer to an object in ISO C. */
#define X(member, symbol, parameters) \
    at = dlsym(n->library, #symbol);  \
    memcpy(&n->call.member, &at, sizeof at);
    TALLY_NVML_SYMBOLS(X)
#undef X
}

void tally_nvml_close(struct tally_nvml **n)
{
    if (*n == NULL) return;
    if ((*n)->started && (*n)->call.shutdown != NULL) (void)(*n)->call.shutdown();
    if ((*n)->library != NULL) (void)dlclose((*n)->library);
    free(*n);
    *n = NULL;
}

enum tally_status tally_nvml_open(struct tally_nvml **out)
{
    TALLY_CLEANUP(tally_nvml_close) struct tally_nvml *n = calloc(1, sizeof *n);

    TALLY_ENSURE(n != NULL, TALLY_E_NOMEM, "NVML");
    n->library = dlopen(TALLY_NVML_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (n->library == NULL) {
        const char *why = dlerror();
        return TALLY_FAIL(TALLY_E_STATE, "no NVIDIA driver here: %s", why == NULL ? "" : why);
    }
    resolve(n);
    TALLY_TRY(
        judge(names.init, n->call.init == NULL ? (int)NVML_FUNCTION_NOT_FOUND : n->call.init()));
    n->started = true;
    *out = n;
    n = NULL;
    return TALLY_OK;
}

/* The newer call says more; drivers without it have the older one. */
static enum tally_status settings(struct tally_nvml *n, struct nvml_cc_settings *s)
{
    struct nvml_cc_state old = {0};

    *s = (struct nvml_cc_settings){.version = NVML_CC_SETTINGS_V1};
    enum tally_status got = ASK(n, cc_settings, s);
    if (got != TALLY_E_STATE) return got;
    TALLY_TRY(ASK(n, cc_state, &old));
    *s = (struct nvml_cc_settings){
        .environment = old.environment, .cc_feature = old.cc_feature, .dev_tools = old.dev_tools};
    return TALLY_OK;
}

enum tally_status tally_nvml_state(struct tally_nvml *n, struct tally_nvml_state *out)
{
    struct tally_nvml_state s = {.gpus = 0};
    struct nvml_cc_settings cc;
    unsigned ready = 0;

    TALLY_TRY(ASK(n, driver_version, s.driver, sizeof s.driver));
    s.driver[sizeof s.driver - 1] = '\0';
    TALLY_TRY(ASK(n, count, &s.gpus));
    TALLY_ENSURE(s.gpus <= TALLY_DEVICES_MAX, TALLY_E_LIMIT, "%u GPUs, more than %d", s.gpus,
                 TALLY_DEVICES_MAX);
    if (s.gpus > 0) {
        TALLY_TRY(settings(n, &cc));
        s.environment = cc.environment;
        s.multi_gpu = cc.multi_gpu;
        s.cc_on = cc.cc_feature == 1;
        s.dev_tools = cc.dev_tools != 0;
        s.ready = ASK(n, get_ready, &ready) == TALLY_OK && ready == 1;
    }
    *out = s;
    return TALLY_OK;
}

struct tally_nvml_trouble tally_nvml_trouble(const struct tally_nvml_state *s)
{
    if (s->gpus == 0)
        return (struct tally_nvml_trouble){TALLY_R_E_GPU_COUNT, "the driver sees no GPU",
                                           "pass a GPU through to this machine"};
    if (!s->cc_on)
        return (struct tally_nvml_trouble){
            TALLY_R_E_POLICY_FLAG, "confidential computing is off on the GPUs",
            "the host turns it on (nvidia_gpu_tools.py --set-cc-mode=on), then resets the GPU"};
    if (s->dev_tools)
        return (struct tally_nvml_trouble){
            TALLY_R_E_POLICY_DEBUG,
            "the GPUs are in developer mode: nothing on them is confidential",
            "the host sets --set-cc-mode=on in place of devtools, then resets the GPU"};
    if (s->environment != NVML_ENVIRONMENT_PROD)
        return (struct tally_nvml_trouble){TALLY_R_E_TRUST_CLASS,
                                           s->environment == NVML_ENVIRONMENT_SIM
                                               ? "the GPUs run in a simulated environment"
                                               : "the GPUs are in no production environment",
                                           "use a GPU and a driver of production"};
    return (struct tally_nvml_trouble){TALLY_R_NONE, "", ""};
}

enum tally_status tally_nvml_gpu(struct tally_nvml *n, uint32_t i, struct tally_nvml_gpu *out)
{
    struct tally_nvml_gpu g = {.architecture = "unknown"};
    struct nvml_device *device = NULL;
    unsigned architecture = 0;

    TALLY_TRY(ASK(n, handle, i, &device));
    TALLY_TRY(ASK(n, uuid, device, g.uuid, sizeof g.uuid));
    TALLY_TRY(ASK(n, vbios, device, g.vbios, sizeof g.vbios));
    TALLY_TRY(ASK(n, architecture, device, &architecture));
    g.uuid[sizeof g.uuid - 1] = g.vbios[sizeof g.vbios - 1] = '\0';
    if (architecture == NVML_ARCH_HOPPER) g.architecture = "Hopper";
    if (architecture == NVML_ARCH_BLACKWELL) g.architecture = "Blackwell";
    *out = g;
    return TALLY_OK;
}

void tally_gpu_evidence_free(struct tally_gpu_evidence *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        free(list[i].owned);
        list[i] = (struct tally_gpu_evidence){0};
    }
}

/* What one GPU answers; large: on the heap. */
struct answer {
    struct nvml_certificate certificate;
    struct nvml_report report;
};

static void free_answer(struct answer **a)
{
    free(*a);
}

/* The request at the front of the report: version, code, two parameters, nonce (C3.1). */
enum { NONCE_AT = 4, REQUEST_BYTES = 37 };

static enum tally_status check_answer(const struct answer *a, uint32_t i,
                                      const uint8_t nonce[TALLY_NVML_NONCE_BYTES])
{
    const struct nvml_report *r = &a->report;
    uint32_t chain = a->certificate.attestation_chain_size;

    TALLY_ENSURE(r->report_size > REQUEST_BYTES && r->report_size <= sizeof r->report, TALLY_E_LIB,
                 "GPU %u: the driver gives a report of %u bytes", i, r->report_size);
    TALLY_ENSURE(chain > 0 && chain <= sizeof a->certificate.attestation_chain, TALLY_E_LIB,
                 "GPU %u: the driver gives a certificate chain of %u bytes", i, chain);
    TALLY_ENSURE(memcmp(r->report + NONCE_AT, nonce, TALLY_NVML_NONCE_BYTES) == 0, TALLY_E_LIB,
                 "GPU %u: the driver's report is over another nonce", i);
    return TALLY_OK;
}

static enum tally_status take_answer(const struct answer *a, struct tally_gpu_evidence *out)
{
    const struct nvml_certificate *c = &a->certificate;
    struct tally_slice certs[TALLY_NVML_CERTS_MAX];
    uint32_t report = a->report.report_size, text = c->attestation_chain_size;
    size_t n = 0, chain = 0;

    while (text > 0 && c->attestation_chain[text - 1] == '\0') text--; /* the string's end */
    uint8_t *owned = malloc(report + sizeof c->attestation_chain);
    TALLY_ENSURE(owned != NULL, TALLY_E_NOMEM, "GPU evidence");
    memcpy(owned, a->report.report, report);
    enum tally_status s =
        tally_pem_chain(tally_slice_of(c->attestation_chain, text), owned + report,
                        sizeof c->attestation_chain, certs, TALLY_NVML_CERTS_MAX, &n);
    if (s != TALLY_OK) {
        free(owned);
        return s;
    }
    for (size_t i = 0; i < n; i++) chain += certs[i].len; /* one behind the other */
    *out = (struct tally_gpu_evidence){
        .device = {.kind = TALLY_DEVICE_GPU,
                   .report = tally_slice_of(owned, report),
                   .chain = tally_slice_of(owned + report, chain)},
        .owned = owned
    };
    return TALLY_OK;
}

static enum tally_status collect_one(struct tally_nvml *n, uint32_t i, struct answer *a,
                                     const uint8_t nonce[TALLY_NVML_NONCE_BYTES],
                                     struct tally_gpu_evidence *out)
{
    struct nvml_device *device = NULL;

    memset(a, 0, sizeof *a);
    memcpy(a->report.nonce, nonce, sizeof a->report.nonce);
    TALLY_TRY(ASK(n, handle, i, &device));
    TALLY_TRY(ASK(n, certificate, device, &a->certificate));
    TALLY_TRY(ASK(n, report, device, &a->report));
    TALLY_TRY(check_answer(a, i, nonce));
    return take_answer(a, out);
}

enum tally_status tally_nvml_collect(struct tally_nvml *nvml,
                                     const uint8_t nonce[TALLY_NVML_NONCE_BYTES],
                                     struct tally_gpu_evidence *out, uint32_t max, uint32_t *n)
{
    TALLY_CLEANUP(free_answer) struct answer *a = malloc(sizeof *a);
    struct tally_gpu_evidence got[TALLY_DEVICES_MAX] = {0};
    struct tally_nvml_state state;
    enum tally_status s = TALLY_OK;

    TALLY_ENSURE(a != NULL, TALLY_E_NOMEM, "GPU evidence");
    nvml->collected = false;
    TALLY_TRY(tally_nvml_state(nvml, &state));
    struct tally_nvml_trouble t = tally_nvml_trouble(&state);
    TALLY_REFUSE_UNLESS(t.reason == TALLY_R_NONE, t.reason, "%s: %s", t.what, t.fix);
    TALLY_ENSURE(state.gpus <= max, TALLY_E_LIMIT, "%u GPUs, room for %u", state.gpus, max);
    for (uint32_t i = 0; s == TALLY_OK && i < state.gpus; i++)
        s = collect_one(nvml, i, a, nonce, &got[i]);
    if (s != TALLY_OK) {
        tally_gpu_evidence_free(got, state.gpus);
        return s;
    }
    memcpy(out, got, state.gpus * sizeof got[0]);
    *n = state.gpus;
    nvml->collected = true;
    return TALLY_OK;
}

enum tally_status tally_nvml_set_ready(struct tally_nvml *n)
{
    unsigned ready = 0;

    TALLY_ENSURE(n->collected, TALLY_E_STATE,
                 "the GPUs may take work only after their evidence was collected and verified");
    TALLY_TRY(ASK(n, set_ready, 1));
    TALLY_TRY(ASK(n, get_ready, &ready));
    TALLY_ENSURE(ready == 1, TALLY_E_LIB, "the driver took the ready state but did not keep it");
    return TALLY_OK;
}
