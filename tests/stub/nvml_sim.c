/* nvml_sim.c - see nvml_sim.h. */
#include "tests/stub/nvml_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/sim_gpu.h"
#include "common/text.h"

enum { LINE = 48 };

static struct tally_sim_gpu_root *top;

static void keep(const char *path, struct tally_slice bytes)
{
    FILE *f = path == NULL ? NULL : fopen(path, "wbe");

    if (f == NULL) return;
    (void)fwrite(bytes.at, 1, bytes.len, f);
    (void)fclose(f);
}

/* A file's GPU, or one of its own. */
static int plug(const char *name, uint64_t now_s, struct tally_sim_gpu **gpu)
{
    enum { PATH = 1024 };
    char path[PATH];
    enum tally_gpu_chip chip = strncmp(name, "GB100", 5) == 0 ? TALLY_GPU_GB100 : TALLY_GPU_GH100;

    (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(name, ","), name);
    if (strchr(path, '/') != NULL) return tally_sim_gpu_load(path, gpu) == TALLY_OK;
    return tally_sim_gpu_new(top, chip, now_s, gpu) == TALLY_OK;
}

unsigned stub_sim_start(const char *names, const char *root, struct tally_sim_gpu **gpus,
                        unsigned max)
{
    uint64_t now_s = (uint64_t)time(NULL);
    unsigned n = 0;

    if (tally_sim_gpu_root_new(now_s, NULL, &top) != TALLY_OK) return 0;
    keep(root, tally_sim_gpu_root_der(top));
    for (const char *at = names; *at != '\0' && n < max; at += strcspn(at, ",")) {
        at += *at == ',';
        if (!plug(at, now_s, &gpus[n])) break;
        n++;
    }
    return n;
}

void stub_sim_stop(struct tally_sim_gpu **gpus, unsigned n)
{
    for (unsigned i = 0; i < n; i++) tally_sim_gpu_free(&gpus[i]);
    tally_sim_gpu_root_free(&top);
}

static void pem(struct tally_wr *w, struct tally_slice der)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
    static const char end[] = "-----END CERTIFICATE-----\n";
    char line[TALLY_BASE64_SIZE(LINE)];

    tally_wr_put(w, begin, sizeof begin - 1);
    for (size_t at = 0; at < der.len; at += LINE) {
        tally_base64(tally_slice_of(der.at + at, der.len - at < LINE ? der.len - at : LINE), line);
        tally_wr_put(w, line, strlen(line));
        tally_wr_u8(w, '\n');
    }
    tally_wr_put(w, end, sizeof end - 1);
}

int stub_sim_certificate(const struct tally_sim_gpu *g, struct nvml_certificate *c)
{
    struct tally_wr w = tally_wr_to(c->attestation_chain, sizeof c->attestation_chain);

    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) pem(&w, tally_sim_gpu_der(g, i));
    c->attestation_chain_size = (uint32_t)w.used;
    return w.full ? NVML_UNKNOWN : NVML_OK;
}

int stub_sim_report(const struct tally_sim_gpu *g, struct nvml_report *r)
{
    struct tally_wr w = tally_wr_to(r->report, sizeof r->report);
    struct tally_sim_gpu_report *made = calloc(1, sizeof *made);
    enum tally_status s = TALLY_E_NOMEM;

    if (made != NULL) {
        tally_sim_gpu_report_init(g, r->nonce, made);
        s = tally_sim_gpu_report_sign(g, made, &w);
    }
    free(made);
    r->report_size = (uint32_t)w.used;
    return s == TALLY_OK && !w.full ? NVML_OK : NVML_UNKNOWN;
}
