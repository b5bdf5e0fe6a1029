/* instance.h - the keys that are made inside the TEE at first start and sealed by its device: the
 * instance's id, its attested Ed25519 key and its KEM key (DESIGN.md, Restart). There is no plain
 * file: who cannot unseal starts as a new instance. */
#pragma once

#include "common/attest/device.h"
#include "common/sign.h"

/* Guarded memory (tally_secret), one for each process. */
struct tally_instance {
    uint8_t id[16];
    struct tally_sign_key attested;
    uint8_t kem_secret[TALLY_KEX_BYTES], kem_public[TALLY_KEX_BYTES];
};

/* Unseals the file's keys, or makes new ones and seals them to the file before it returns.
 * *fresh says that they are new: no file, or one that this device, program, policy, mode, role,
 * federation or node cannot open, which is kept beside it under a ".lost" name. A file that
 * cannot be read is TALLY_E_IO and stays as it is. */
TALLY_RESULT tally_instance_open(const char *path, struct tally_device *d,
                                 const struct tally_seal_name *name, struct tally_instance *out,
                                 bool *fresh);
