/* libnvidia_ml.c - libnvidia-ml.so.1 as a machine with NVIDIA GPUs has it, for tests alone: the
 * calls of nvml_abi.h, answered from files and from the environment, read anew at each call.
 *
 *   TALLY_STUB_GPUS      folders with report.bin and cert_chain.pem, separated by ':', one per GPU;
 *                        the report answers its own nonce whatever was asked
 *   TALLY_STUB_SIM       in place of folders, simulated GPUs ("GH100,GB100", or files of them) that
 *                        answer any nonce
 *   TALLY_STUB_SIM_ROOT  a file that gets their root's certificate
 *   TALLY_STUB_CC        environment,ccFeature,devToolsMode,multiGpuMode (default 2,1,0,0)
 *   TALLY_STUB_FAIL      symbol=code,... : those calls return these codes
 *   TALLY_STUB_COUNT     how many GPUs the driver says there are
 *   TALLY_STUB_REPORT_SIZE, TALLY_STUB_CHAIN_SIZE   the sizes it says, whatever it filled in
 *   TALLY_STUB_CHAIN     text in place of the certificate chain
 *   TALLY_STUB_CALLS     a file that gets each call that changes something or asks a GPU, a line
 * each TALLY_STUB_STUCK     set: the ready state does not change */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/stub/nvml_sim.h"

enum { GPUS = 20, PATH = 1024 };

struct nvml_device {
    char folder[PATH];
    struct tally_sim_gpu *sim; /* NULL: answers from the folder */
};

static struct nvml_device gpus[GPUS];
static struct tally_sim_gpu *simulated[GPUS];
static unsigned gpus_n, is_ready;
static int started;

#define X(member, symbol, parameters) int symbol parameters;
TALLY_NVML_SYMBOLS(X)
#undef X

/* The code to return in place of doing it; 0: do it. */
static int injected(const char *symbol)
{
    const char *list = getenv("TALLY_STUB_FAIL");
    size_t len = strlen(symbol);

    for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ',')) {
        if (*at == ',') at++;
        if (strncmp(at, symbol, len) == 0 && at[len] == '=') return atoi(at + len + 1);
    }
    return started || strcmp(symbol, "nvmlInit_v2") == 0 ? NVML_OK : NVML_UNINITIALIZED;
}

static void note(const char *what, unsigned value)
{
    const char *path = getenv("TALLY_STUB_CALLS");
    FILE *f = path == NULL ? NULL : fopen(path, "ae");

    if (f == NULL) return;
    (void)fprintf(f, "%s %u\n", what, value);
    (void)fclose(f);
}

static void number(const char *name, uint32_t *to)
{
    const char *text = getenv(name);

    if (text != NULL) *to = (uint32_t)strtoul(text, NULL, 0);
}

int nvmlInit_v2(void)
{
    const char *list = getenv("TALLY_STUB_GPUS"), *names = getenv("TALLY_STUB_SIM");
    int rc = injected("nvmlInit_v2");

    if (rc != NVML_OK) return rc;
    started = 1;
    is_ready = 0;
    for (gpus_n = 0; list != NULL && *list != '\0' && gpus_n < GPUS; gpus_n++) {
        size_t n = strcspn(list, ":");
        (void)snprintf(gpus[gpus_n].folder, PATH, "%.*s", (int)n, list);
        list += n + (list[n] == ':');
    }
    if (names == NULL) return NVML_OK;
    gpus_n = stub_sim_start(names, getenv("TALLY_STUB_SIM_ROOT"), simulated, GPUS);
    for (unsigned i = 0; i < gpus_n; i++) gpus[i].sim = simulated[i];
    return NVML_OK;
}

int nvmlShutdown(void)
{
    started = 0;
    if (simulated[0] != NULL) stub_sim_stop(simulated, gpus_n);
    memset(gpus, 0, sizeof gpus);
    gpus_n = 0;
    note("shutdown", 0);
    return NVML_OK;
}

static int text(const char *symbol, const char *value, char *to, unsigned size)
{
    int rc = injected(symbol);

    if (rc != NVML_OK) return rc;
    if (strlen(value) >= size) return NVML_INSUFFICIENT_SIZE;
    memcpy(to, value, strlen(value) + 1);
    return NVML_OK;
}

int nvmlSystemGetDriverVersion(char *to, unsigned size)
{
    return text("nvmlSystemGetDriverVersion", "590.12", to, size);
}

int nvmlDeviceGetUUID(struct nvml_device *d, char *to, unsigned size)
{
    return d == NULL ? NVML_INVALID_ARGUMENT
                     : text("nvmlDeviceGetUUID", "GPU-6b1c0d3e-0001", to, size);
}

int nvmlDeviceGetVbiosVersion(struct nvml_device *d, char *to, unsigned size)
{
    return d == NULL ? NVML_INVALID_ARGUMENT
                     : text("nvmlDeviceGetVbiosVersion", "96.00.5E.00.01", to, size);
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
    int rc = injected("nvmlDeviceGetCount_v2");

    if (rc != NVML_OK) return rc;
    *n = gpus_n;
    number("TALLY_STUB_COUNT", n);
    return NVML_OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, struct nvml_device **d)
{
    int rc = injected("nvmlDeviceGetHandleByIndex_v2");

    if (rc != NVML_OK) return rc;
    if (i >= gpus_n) return NVML_INVALID_ARGUMENT;
    *d = &gpus[i];
    return NVML_OK;
}

int nvmlDeviceGetArchitecture(struct nvml_device *d, unsigned *a)
{
    int rc = injected("nvmlDeviceGetArchitecture");

    if (rc != NVML_OK) return rc;
    if (d == NULL) return NVML_INVALID_ARGUMENT;
    *a = NVML_ARCH_HOPPER;
    return NVML_OK;
}

static void modes(unsigned m[4])
{
    const char *set = getenv("TALLY_STUB_CC");

    m[0] = NVML_ENVIRONMENT_PROD, m[1] = 1, m[2] = m[3] = 0;
    if (set != NULL) (void)sscanf(set, "%u,%u,%u,%u", &m[0], &m[1], &m[2], &m[3]);
}

int nvmlSystemGetConfComputeState(struct nvml_cc_state *s)
{
    int rc = injected("nvmlSystemGetConfComputeState");
    unsigned m[4];

    if (rc != NVML_OK) return rc;
    modes(m);
    *s = (struct nvml_cc_state){m[0], m[1], m[2]};
    return NVML_OK;
}

int nvmlSystemGetConfComputeSettings(struct nvml_cc_settings *s)
{
    int rc = injected("nvmlSystemGetConfComputeSettings");
    unsigned m[4];

    if (rc != NVML_OK) return rc;
    if (s->version != (20u | 1u << 24)) return NVML_VERSION_MISMATCH;
    modes(m);
    *s = (struct nvml_cc_settings){s->version, m[0], m[1], m[2], m[3]};
    return NVML_OK;
}

int nvmlSystemGetConfComputeGpusReadyState(unsigned *r)
{
    int rc = injected("nvmlSystemGetConfComputeGpusReadyState");

    if (rc == NVML_OK) *r = is_ready;
    return rc;
}

int nvmlSystemSetConfComputeGpusReadyState(unsigned r)
{
    int rc = injected("nvmlSystemSetConfComputeGpusReadyState");

    if (rc != NVML_OK) return rc;
    note("ready", r);
    if (getenv("TALLY_STUB_STUCK") == NULL) is_ready = r;
    return NVML_OK;
}

/* Bytes of the file, at most cap; 0 if it cannot be read. */
static uint32_t load(const struct nvml_device *d, const char *name, uint8_t *to, size_t cap)
{
    char path[PATH + 32];

    (void)snprintf(path, sizeof path, "%s/%s", d->folder, name);
    FILE *f = fopen(path, "rbe");
    if (f == NULL) return 0;
    size_t n = fread(to, 1, cap, f);
    (void)fclose(f);
    return (uint32_t)n;
}

int nvmlDeviceGetConfComputeGpuCertificate(struct nvml_device *d, struct nvml_certificate *c)
{
    const char *chain = getenv("TALLY_STUB_CHAIN");
    int rc = injected("nvmlDeviceGetConfComputeGpuCertificate");

    if (rc != NVML_OK) return rc;
    if (d == NULL) return NVML_INVALID_ARGUMENT;
    note("certificate", (unsigned)(d - gpus));
    if (d->sim != NULL) return stub_sim_certificate(d->sim, c);
    c->attestation_chain_size =
        load(d, "cert_chain.pem", c->attestation_chain, sizeof c->attestation_chain);
    if (chain != NULL) {
        c->attestation_chain_size = (uint32_t)strlen(chain);
        memcpy(c->attestation_chain, chain, strlen(chain));
    }
    number("TALLY_STUB_CHAIN_SIZE", &c->attestation_chain_size);
    return NVML_OK;
}

int nvmlDeviceGetConfComputeGpuAttestationReport(struct nvml_device *d, struct nvml_report *r)
{
    int rc = injected("nvmlDeviceGetConfComputeGpuAttestationReport");

    if (rc != NVML_OK) return rc;
    if (d == NULL) return NVML_INVALID_ARGUMENT;
    note("report", (unsigned)(d - gpus));
    if (d->sim != NULL) return stub_sim_report(d->sim, r);
    r->report_size = load(d, "report.bin", r->report, sizeof r->report);
    number("TALLY_STUB_REPORT_SIZE", &r->report_size);
    return NVML_OK;
}
