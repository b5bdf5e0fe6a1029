/* simulated_gpu.c - see simulated_gpu.h. */
#include "tests/lib/simulated_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/appraise.h"
#include "common/attest/sim_rim.h"

enum { MANIFESTS = 2 * TALLY_GPU_CHIPS, MANIFEST_BYTES = 64 * 1024, VBIOS_FIRST = 21 };

static struct tally_sim_gpu_root *root;
static struct tally_sim_rim_signer *signer;
static struct tally_sim_gpu *gpus[SIM_GPUS], *switches[SIM_SWITCHES], *blackwell;
static uint8_t manifests[MANIFESTS][MANIFEST_BYTES];
static size_t manifest_bytes[MANIFESTS];
static const uint8_t nonce[TALLY_GPU_NONCE_BYTES] = {0x4e, 0x6f, 0x6e, 0x63, 0x65};

static void must(enum tally_status s)
{
    if (s == TALLY_OK) return;
    (void)fprintf(stderr, "%s\n", tally_why());
    exit(1);
}

/* Measurements 0 to 20 are the driver's, the rest the VBIOS's; a switch has one for all. */
void simulated_manifest(const struct tally_sim_gpu *g, bool driver,
                        const struct tally_sim_rim_signer *s, struct tally_wr *w)
{
    static struct tally_sim_gpu_report r;
    struct tally_rim *rim = calloc(1, sizeof *rim);
    bool nvswitch = g->chip == TALLY_GPU_LS10;
    char vbios[TALLY_GPU_TEXT_SIZE];

    if (rim == NULL) exit(1);
    tally_sim_gpu_report_init(g, nonce, &r);
    tally_gpu_vbios(&r.report, vbios);
    (void)snprintf(rim->product, sizeof rim->product, "%s", tally_gpu_chip_name(g->chip));
    (void)snprintf(rim->name, sizeof rim->name, "%s", rim->product);
    (void)snprintf(rim->version, sizeof rim->version, "%s", driver ? "580.95.05" : vbios);
    (void)snprintf(rim->edition, sizeof rim->edition, "%s", nvswitch ? "SWITCH" : "GPU");
    for (unsigned i = 0; i < r.report.blocks_n; i++) {
        struct tally_rim_measurement *m = &rim->measurements[i];
        m->present = true;
        m->active = nvswitch || (i < VBIOS_FIRST) == driver;
        m->alternatives = 1;
        memcpy(m->hashes[0], r.report.digests[i], sizeof m->hashes[0]);
    }
    must(tally_sim_rim_write(rim, s, w));
    free(rim);
}

static void write_manifest(const struct tally_sim_gpu *g, bool driver)
{
    size_t at = 2U * g->chip + driver;
    struct tally_wr w = tally_wr_to(manifests[at], MANIFEST_BYTES);

    simulated_manifest(g, driver, signer, &w);
    manifest_bytes[at] = w.used;
}

static void drop(void)
{
    for (size_t i = 0; i < SIM_GPUS; i++) tally_sim_gpu_free(&gpus[i]);
    for (size_t i = 0; i < SIM_SWITCHES; i++) tally_sim_gpu_free(&switches[i]);
    tally_sim_gpu_free(&blackwell);
    tally_sim_gpu_root_free(&root);
    tally_sim_rim_signer_free(&signer);
}

void simulated_gpu_setup(void)
{
    must(tally_sim_gpu_root_new(SIM_GPU_NOW_S, NULL, &root));
    must(tally_sim_rim_signer_new(SIM_GPU_NOW_S, &signer));
    for (size_t i = 0; i < SIM_GPUS; i++)
        must(tally_sim_gpu_new(root, TALLY_GPU_GH100, SIM_GPU_NOW_S, &gpus[i]));
    for (size_t i = 0; i < SIM_SWITCHES; i++)
        must(tally_sim_gpu_new(root, TALLY_GPU_LS10, SIM_GPU_NOW_S, &switches[i]));
    must(tally_sim_gpu_new(root, TALLY_GPU_GB100, SIM_GPU_NOW_S, &blackwell));
    write_manifest(gpus[0], true);
    write_manifest(gpus[0], false);
    write_manifest(blackwell, true);
    write_manifest(blackwell, false);
    write_manifest(switches[0], false);
    (void)atexit(drop);
}

struct tally_sim_gpu_root *simulated_gpu_root(void)
{
    return root;
}

struct tally_sim_gpu *simulated_gpu(size_t i)
{
    return gpus[i];
}

struct tally_sim_gpu *simulated_switch(size_t i)
{
    return switches[i];
}

struct tally_sim_gpu *simulated_blackwell(void)
{
    return blackwell;
}

const struct tally_anchor *simulated_gpu_anchors(uint32_t *n)
{
    static struct tally_anchor list[] = {
        {.trust = TALLY_TRUST_TEST, .name = "test"    },
        {.trust = TALLY_TRUST_TEST, .name = "test-rim"}
    };

    list[0].root = tally_sim_gpu_root_der(root);
    list[1].root = tally_sim_rim_root(signer);
    *n = 2;
    return list;
}

struct tally_slice simulated_rim(enum tally_gpu_chip chip, bool driver)
{
    size_t at = 2U * chip + driver;

    return tally_slice_of(manifests[at], manifest_bytes[at]);
}

void simulated_evidence_init(struct simulated_evidence *e, struct tally_sim_gpu *device)
{
    memset(&e->in, 0, sizeof e->in);
    e->device = device;
    e->in.nvswitch = device->chip == TALLY_GPU_LS10;
    e->in.chain_n = TALLY_GPU_CERTS;
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) e->in.chain[i] = tally_sim_gpu_der(device, i);
    if (!e->in.nvswitch) e->in.rims[e->in.rims_n++] = simulated_rim(device->chip, true);
    e->in.rims[e->in.rims_n++] = simulated_rim(device->chip, false);
    tally_sim_gpu_report_init(device, nonce, &e->made);
    simulated_evidence_sign(e);
}

void simulated_evidence_sign(struct simulated_evidence *e)
{
    struct tally_wr w = tally_wr_to(e->bytes, sizeof e->bytes);

    must(tally_sim_gpu_report_sign(e->device, &e->made, &w));
    e->in.report = tally_slice_of(e->bytes, w.used);
}

struct tally_expect simulated_gpu_expect(void)
{
    return (struct tally_expect){
        .now_s = SIM_GPU_NOW_S, .trust = TALLY_TRUST_TEST, .nonce = TALLY_SLICE(nonce)};
}
