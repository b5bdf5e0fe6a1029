/* device_ops.h - what a kind of TEE provides, for device.c alone: programs use device.h.
 * Only device.c computes REPORT_DATA, so only it hands 64 bytes to a producer. */
#pragma once

#include "common/attest/device.h"

enum { TALLY_DERIVED_KEY_BYTES = 32, TALLY_DEVICE_PATH_SIZE = 1024 };

struct tally_device_ops {
    enum tally_status (*quote)(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements);
    /* A key that only this chip gives to this guest: policy, measurement and VMPL mixed in.
     * TALLY_E_STATE where the hardware has none. */
    enum tally_status (*derived_key)(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES]);
    void (*identity)(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES]);
    void (*describe)(void *self, const struct tally_describe *to);
    void (*close)(void *self); /* wipes and frees */
};

/* Where the GPUs' evidence comes from: NVML (quote_nvml.h), or a simulation. */
struct tally_gpu_list {
    struct tally_device_evidence devices[TALLY_DEVICES_MAX];
    uint32_t n;
    void *owned; /* holds their bytes; free() */
};
struct tally_gpu_source {
    enum tally_status (*collect)(void *ctx, const uint8_t nonce[32], struct tally_gpu_list *out);
    /* Appends the reference manifests that it knows; may be NULL. */
    enum tally_status (*manifests)(void *ctx, struct tally_wr *endorsements);
    void (*close)(void *ctx); /* may be NULL */
    void *ctx;
};
/* From now on every quote has their evidence too. The device closes the source. */
void tally_device_add_gpus(struct tally_device *d, const struct tally_gpu_source *gpus);

/* REPORT_DATA for a question, with the GPUs' set hash in the place that its body keeps for it. */
void tally_quote_data(const struct tally_quote_ask *ask,
                      const uint8_t set_hash[TALLY_GPU_SET_HASH_BYTES],
                      uint8_t out[TALLY_REPORT_DATA_BYTES]);
/* tally_gpu_set_hash of devices as EV carries them; zeros where there are none. */
TALLY_RESULT tally_devices_hash(const struct tally_device_evidence *devices, uint32_t n,
                                uint8_t out[TALLY_GPU_SET_HASH_BYTES]);

/* Takes over self, also on failure. */
TALLY_RESULT tally_device_new(const struct tally_device_ops *ops, void *self,
                              struct tally_device **out);

/* ---- real TEEs ---- */

struct tally_quote_sys;

/* struct tally_device_files, kept. */
struct tally_device_paths {
    char vek[TALLY_DEVICE_PATH_SIZE], issuer[TALLY_DEVICE_PATH_SIZE];
    char crl[TALLY_DEVICE_PATH_SIZE], collateral[TALLY_DEVICE_PATH_SIZE];
};

/* As tally_device_open_hardware, for this kernel; and for each kind by itself. tsm: through
 * configfs-tsm, else through /dev/sev-guest. */
TALLY_RESULT tally_device_open_on(const struct tally_quote_sys *sys,
                                  const struct tally_device_files *files,
                                  struct tally_device **out);
TALLY_RESULT tally_device_snp_open(const struct tally_quote_sys *sys, bool tsm,
                                   const struct tally_device_paths *paths,
                                   struct tally_device **out);
TALLY_RESULT tally_device_tdx_open(const struct tally_quote_sys *sys,
                                   const struct tally_device_paths *paths,
                                   struct tally_device **out);

/* REPORT_DATA for a report that tells a device who it is: label tally/ev/v1 over a fresh nonce and
 * an empty key block, good for nothing else. */
void tally_device_self_data(uint8_t out[TALLY_REPORT_DATA_BYTES]);
