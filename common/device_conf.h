/* device_conf.h - the part of a program's configuration that says which TEE it runs in, the same in
 * every program, and the device that follows from it. */
#pragma once

#include <stddef.h>

#include "common/attest/device.h"
#include "common/conf.h"
#include "common/federation.h"

struct tally_device_conf {
    char kind[TALLY_CONF_TEXT_SIZE]; /* "hardware", in test mode also "simulated" */
    char chip[TALLY_CONF_PATH_SIZE]; /* of a simulated one */
    /* of hardware; "" where there is none */
    char vek[TALLY_CONF_PATH_SIZE], issuer[TALLY_CONF_PATH_SIZE], crl[TALLY_CONF_PATH_SIZE];
    char collateral[TALLY_CONF_PATH_SIZE];
    char gpus[TALLY_CONF_TEXT_SIZE]; /* "none", "nvidia" */
    char manifests[TALLY_CONF_PATH_SIZE];
};

extern const char *const tally_device_conf_kinds[], *const tally_device_conf_gpus[];

/* The keys, for a program's table; `at` is the offset of the struct in the program's values. */
/* clang-format off */
#define TALLY_DEVICE_CONF_KEY_(name, type, at, member, choices, fallback, comment) \
    TALLY_CONF_KEY("device." name, type, (at) + offsetof(struct tally_device_conf, member), 0, 0, \
                   choices, fallback, comment)
#define TALLY_DEVICE_CONF_KEYS(at) \
    TALLY_DEVICE_CONF_KEY_("kind", TALLY_CONF_CHOICE, at, kind, tally_device_conf_kinds, "hardware", \
        "The TEE that makes the evidence: hardware (SEV-SNP or TDX), or in test mode simulated."), \
    TALLY_DEVICE_CONF_KEY_("chip", TALLY_CONF_PATH, at, chip, NULL, "chip", \
        "A simulated chip, as the test federation's owner issued it."), \
    TALLY_DEVICE_CONF_KEY_("vek", TALLY_CONF_PATH, at, vek, NULL, "", \
        "SEV-SNP: the chip's certificate (VCEK, VLEK), where the host gives none that fits."), \
    TALLY_DEVICE_CONF_KEY_("issuer", TALLY_CONF_PATH, at, issuer, NULL, "", \
        "SEV-SNP: its issuer's certificate (ASK, ASVK), where the host gives none."), \
    TALLY_DEVICE_CONF_KEY_("crl", TALLY_CONF_PATH, at, crl, NULL, "", \
        "SEV-SNP: AMD's revocation list for this line of processors, as new as possible."), \
    TALLY_DEVICE_CONF_KEY_("collateral", TALLY_CONF_PATH, at, collateral, NULL, "", \
        "TDX: the folder of Intel's collateral for this platform."), \
    TALLY_DEVICE_CONF_KEY_("gpus", TALLY_CONF_CHOICE, at, gpus, tally_device_conf_gpus, "none", \
        "nvidia: this machine's GPUs are part of its evidence, all of them."), \
    TALLY_DEVICE_CONF_KEY_("manifests", TALLY_CONF_PATH, at, manifests, NULL, "", \
        "GPUs: the folder of NVIDIA's reference manifests for this driver and VBIOS.")
/* clang-format on */

/* A production program runs in hardware: TALLY_E_CONFIG otherwise, before anything is opened. A test
 * program may run in hardware too; no peer takes its evidence unless it is under the one root of
 * its test federation, which is no vendor's. */
TALLY_RESULT tally_device_conf_check(const struct tally_device_conf *c, const char *mode,
                                     const char *file);

/* The device. A simulated one gets this program's digest as measurement and the federation's id as
 * HOST_DATA, and is refused in any other federation than a test one. f: NULL where none is in force,
 * which is enough for hardware. */
TALLY_RESULT tally_device_conf_open(const struct tally_device_conf *c,
                                    const struct tally_federation *f, struct tally_device **out);
