/* device_ops.h - what a kind of TEE provides, for device.c alone: programs use device.h.
 * Only device.c computes REPORT_DATA, so only it hands 64 bytes to a producer. */
#pragma once

#include "common/attest/device.h"

enum { TALLY_DERIVED_KEY_BYTES = 32 };

struct tally_device_ops {
    enum tally_status (*quote)(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements);
    /* A key that only this chip gives to this guest: policy, measurement and VMPL mixed in.
     * TALLY_E_STATE where the hardware has none. */
    enum tally_status (*derived_key)(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES]);
    void (*identity)(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES]);
    void (*close)(void *self); /* wipes and frees */
};

/* Takes over self, also on failure. */
TALLY_RESULT tally_device_new(const struct tally_device_ops *ops, void *self,
                              struct tally_device **out);
