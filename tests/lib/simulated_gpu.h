/* simulated_gpu.h - a test root, a node's GPUs and switches under it and manifests that fit them,
 * made once per test program, at a fixed time. */
#pragma once

#include "common/attest/sim_gpu.h"
#include "common/attest/verify_gpu.h"

enum {
    SIM_GPU_NOW_S = 1795000000,
    SIM_GPUS = 8, /* Hopper */
    SIM_SWITCHES = 4,
    SIM_GPU_BYTES = TALLY_GPU_REPORT_BYTES_MAX,
};

/* First line of main() after tally_vectors_need(): every forked test shares the keys. */
void simulated_gpu_setup(void);
struct tally_sim_gpu_root *simulated_gpu_root(void);
struct tally_sim_gpu *simulated_gpu(size_t i);    /* GH100 */
struct tally_sim_gpu *simulated_switch(size_t i); /* LS10 */
struct tally_sim_gpu *simulated_blackwell(void);
/* The root of devices and that of manifests, of class TEST. */
const struct tally_anchor *simulated_gpu_anchors(uint32_t *n);
/* A driver's or VBIOS's manifest for simulated reports as they are made; of a switch, NULL driver.
 */
struct tally_slice simulated_rim(enum tally_gpu_chip chip, bool driver);

/* The driver's or VBIOS's manifest for every device of g's kind, signed by s. */
struct tally_sim_rim_signer;
void simulated_manifest(const struct tally_sim_gpu *g, bool driver,
                        const struct tally_sim_rim_signer *s, struct tally_wr *w);

/* Evidence that the strict policy accepts with simulated_gpu_expect. */
struct simulated_evidence {
    struct tally_sim_gpu *device;
    struct tally_sim_gpu_report made; /* may be changed before it is signed */
    struct tally_gpu_input in;
    uint8_t bytes[SIM_GPU_BYTES];
};
void simulated_evidence_init(struct simulated_evidence *e, struct tally_sim_gpu *device);
/* Signs what was made and points in.report at it. */
void simulated_evidence_sign(struct simulated_evidence *e);
struct tally_expect simulated_gpu_expect(void);
