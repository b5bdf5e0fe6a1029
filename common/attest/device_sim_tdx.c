/* device_sim_tdx.c - the simulated TDX machine as a device: the program is its TD. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/sim_tdx.h"

struct sim {
    struct tally_sim_tdx_chip *chip;
    struct tally_tdx_quote values; /* of this TD; REPORTDATA is set for each quote */
};

static void stop(void *self)
{
    struct sim *d = self;

    tally_sim_tdx_chip_free(&d->chip);
    free(d);
}

static enum tally_status quote(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements)
{
    const struct sim *d = self;
    struct tally_tdx_quote q = d->values;
    uint8_t bytes[8 * 1024];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice made;

    memcpy(q.report_data, report_data, sizeof q.report_data);
    TALLY_TRY(tally_sim_tdx_quote(d->chip, &q, &w));
    TALLY_TRY(tally_wr_end(&w, &made));
    tally_evidence_encode(ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_TDX, .report = made});
    tally_sim_tdx_endorsements(d->chip, endorsements);
    TALLY_ENSURE(!ev->full && !endorsements->full, TALLY_E_LIMIT, "no room for the evidence");
    return TALLY_OK;
}

/* TDX gives a TD no key that outlives it. */
static enum tally_status derived_key(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES])
{
    (void)self;
    (void)key;
    return TALLY_FAIL(TALLY_E_STATE, "no sealing key here: TDX has none");
}

static void identity(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES])
{
    const struct sim *d = self;

    tally_sim_tdx_chip_digest(d->chip, chip);
    memcpy(measurement, d->values.mrtd, TALLY_MEASUREMENT_BYTES);
}

static void describe(void *self, const struct tally_describe *to)
{
    (void)self;
    to->say(
        to->ctx, true,
        "the TEE is a simulated TDX machine: it proves nothing outside its test federation, and "
        "has no sealing key",
        "");
}

static const struct tally_device_ops ops = {quote, derived_key, identity, describe, stop};

enum tally_status tally_device_sim_tdx_boot(const char *chip_file, const struct tally_sim_td *td,
                                            struct tally_device **out)
{
    TALLY_CLEANUP(tally_sim_tdx_chip_free) struct tally_sim_tdx_chip *chip = NULL;

    TALLY_TRY(tally_sim_tdx_chip_load(chip_file, &chip));
    struct sim *d = calloc(1, sizeof *d);
    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "simulated device");
    d->chip = chip;
    chip = NULL;
    tally_sim_tdx_quote_init(&d->chip->pck, &d->values);
    d->values.td_attributes = td->attributes;
    memcpy(d->values.mrtd, td->mrtd, sizeof d->values.mrtd);
    memcpy(d->values.rtmr, td->rtmr, sizeof d->values.rtmr);
    return tally_device_new(&ops, d, out);
}
