/* instance.h - the keys that are made inside the TEE at first start and sealed by its device: the
 * instance's id, its attested Ed25519 key and its KEM key (DESIGN.md, Restart). There is no plain
 * file: who cannot unseal starts as a new instance. */
#pragma once

#include "common/attest/device.h"
#include "common/secret.h"
#include "common/sign.h"

/* Guarded memory (tally_secret), one for each process. */
struct tally_instance {
    uint8_t id[16];
    struct tally_sign_key attested;
    uint8_t kem_secret[TALLY_KEX_BYTES], kem_public[TALLY_KEX_BYTES];
};

/* How its keys came to be. */
enum tally_instance_origin {
    TALLY_INSTANCE_KEPT,    /* unsealed */
    TALLY_INSTANCE_FRESH,   /* new, and sealed */
    TALLY_INSTANCE_PASSING, /* new, and gone with the process: this TEE has no sealing key */
    TALLY_INSTANCE_HELD,    /* such ones, made earlier in this process */
};

/* What is left to the process where the TEE has no sealing key: zero at its start, one for all
 * times that it opens its instance, so that only its end makes another one. */
struct tally_instance_held {
    struct tally_secret keys;
    uint8_t of[32]; /* whose they are: name, machine and program */
};
void tally_instance_held_free(struct tally_instance_held *h); /* wipes; idempotent */

/* Unseals the file's keys, or makes new ones and seals them to the file before it returns. New
 * ones: no file, or one that this device, program, policy, mode, role, federation or node cannot
 * open, which is kept beside it under a ".lost" name. A file that cannot be read is TALLY_E_IO and
 * stays as it is; so does every file where the TEE has no sealing key (TDX): there *held has the
 * keys. */
TALLY_RESULT tally_instance_open(const char *path, struct tally_device *d,
                                 const struct tally_seal_name *name,
                                 struct tally_instance_held *held, struct tally_instance *out,
                                 enum tally_instance_origin *origin);
