/* device_conf.c - see device_conf.h. */
#include "common/device_conf.h"

#include <string.h>

#include "common/attest/device_gpus.h"
#include "common/secret.h"

static const char simulated[] = "simulated";

const char *const tally_device_conf_kinds[] = {"hardware", simulated, NULL};
const char *const tally_device_conf_gpus[] = {"none", "nvidia", NULL};

enum tally_status tally_device_conf_check(const struct tally_device_conf *c, const char *mode,
                                          const char *file)
{
    TALLY_ENSURE(strcmp(c->kind, simulated) != 0 || strcmp(mode, "test") == 0, TALLY_E_CONFIG,
                 "%s: device.kind: expected hardware, for simulated is allowed in test mode only",
                 file);
    return TALLY_OK;
}

static enum tally_status open_tee(const struct tally_device_conf *c,
                                  const struct tally_federation *f, struct tally_device **out)
{
    const struct tally_device_files files = {
        .vek = c->vek, .issuer = c->issuer, .crl = c->crl, .collateral = c->collateral};

    if (strcmp(c->kind, simulated) != 0) return tally_device_open_hardware(&files, out);
    TALLY_ENSURE(f != NULL && f->mode == TALLY_MODE_TEST, TALLY_E_CONFIG,
                 "a simulated chip is for a test federation, and none is in force here");
    return tally_device_open_simulated(c->chip, "/proc/self/exe", f->id, out);
}

enum tally_status tally_device_conf_open(const struct tally_device_conf *c,
                                         const struct tally_federation *f,
                                         struct tally_device **out)
{
    TALLY_CLEANUP(tally_device_close) struct tally_device *d = NULL;

    TALLY_TRY(open_tee(c, f, &d));
    if (strcmp(c->gpus, "nvidia") == 0) TALLY_TRY(tally_device_add_nvidia(d, c->manifests, NULL));
    *out = d;
    d = NULL;
    return TALLY_OK;
}
