/* nvml_sim.h - simulated GPUs for libnvidia_ml.c: they answer the nonce that is asked. */
#pragma once

#include "common/attest/nvml_abi.h"

struct tally_sim_gpu;

/* A root of their own and one GPU per name of the list ("GH100,GB100"), at most max; a name with a
 * slash in it is a file that tally_sim_gpu_save wrote, under a root of its own. The new root's
 * certificate goes to the file `root`, if not NULL. Gives their number. */
unsigned stub_sim_start(const char *names, const char *root, struct tally_sim_gpu **gpus,
                        unsigned max);
void stub_sim_stop(struct tally_sim_gpu **gpus, unsigned n);

/* NVML_OK, or NVML_UNKNOWN where something failed or does not fit. */
int stub_sim_certificate(const struct tally_sim_gpu *g, struct nvml_certificate *c);
int stub_sim_report(const struct tally_sim_gpu *g, struct nvml_report *r);
