/* device_sim.c - the simulated SNP chip as a device: the program is its guest; a simulated TDX
 * machine is device_sim_tdx.c. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx.h"
#include "common/hash.h"

struct sim {
    struct tally_sim_chip *chip;
    struct tally_snp_report report; /* of this guest; REPORT_DATA is set for each quote */
};

static void stop(void *self)
{
    struct sim *d = self;

    tally_sim_chip_free(&d->chip);
    free(d);
}

static enum tally_status quote(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements)
{
    const struct sim *d = self;
    struct tally_snp_report r = d->report;
    uint8_t bytes[TALLY_SNP_REPORT_BYTES];

    memcpy(r.report_data, report_data, sizeof r.report_data);
    TALLY_TRY(tally_sim_report_sign(d->chip, &r, bytes));
    tally_evidence_encode(
        ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(d->chip, endorsements);
    TALLY_ENSURE(!ev->full && !endorsements->full, TALLY_E_LIMIT, "no room for the evidence");
    return TALLY_OK;
}

/* As MSG_KEY_REQ mixes GUEST_POLICY, MEASUREMENT and VMPL into a key of the chip's. */
static enum tally_status derived_key(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES])
{
    static const char label[] = "tally/sim/derived key/v1";
    const struct sim *d = self;
    uint8_t info[128], prk[TALLY_SHA256_BYTES];
    struct tally_wr w = tally_wr_to(info, sizeof info);

    tally_wr_put(&w, label, sizeof label);
    tally_wr_be64(&w, d->report.policy);
    tally_wr_put(&w, d->report.measurement, sizeof d->report.measurement);
    tally_wr_be32(&w, d->report.vmpl);
    TALLY_ASSERT(!w.full);
    tally_hkdf_extract(TALLY_SHA256, (struct tally_slice){0},
                       tally_slice_of(d->chip->seed.at, d->chip->seed.len), prk);
    tally_hkdf_expand(TALLY_SHA256, TALLY_SLICE(prk), tally_slice_of(info, w.used), key,
                      TALLY_DERIVED_KEY_BYTES);
    sodium_memzero(prk, sizeof prk);
    return TALLY_OK;
}

static void identity(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES])
{
    const struct sim *d = self;

    tally_sim_chip_digest(d->chip, chip);
    memcpy(measurement, d->report.measurement, TALLY_MEASUREMENT_BYTES);
}

static void describe(void *self, const struct tally_describe *to)
{
    const struct sim *d = self;
    char text[128];

    (void)snprintf(text, sizeof text,
                   "the TEE is a simulated %s chip: it proves nothing outside its test federation",
                   tally_snp_product_name(d->chip->product));
    to->say(to->ctx, true, text, "");
}

static const struct tally_device_ops ops = {quote, derived_key, identity, describe, stop};

enum tally_status tally_device_sim_boot(const char *chip_file, const struct tally_sim_guest *guest,
                                        struct tally_device **out)
{
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *chip = NULL;

    TALLY_TRY(tally_sim_chip_load(chip_file, &chip));
    struct sim *d = calloc(1, sizeof *d);
    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "simulated device");
    d->chip = chip;
    chip = NULL;
    tally_sim_report_init(d->chip, &d->report);
    d->report.policy = guest->policy;
    d->report.vmpl = guest->vmpl;
    memcpy(d->report.measurement, guest->measurement, sizeof d->report.measurement);
    memcpy(d->report.host_data, guest->host_data, sizeof d->report.host_data);
    return tally_device_new(&ops, d, out);
}

static void close_file(FILE **f)
{
    if (*f != NULL) (void)fclose(*f);
}

/* The launch digest: SHA-384 of the executable. */
static enum tally_status measure(const char *program, uint8_t out[TALLY_MEASUREMENT_BYTES])
{
    enum { PIECE = 64 * 1024 };
    static _Thread_local uint8_t piece[PIECE];
    TALLY_CLEANUP(close_file) FILE *f = fopen(program, "rbe");
    TALLY_CLEANUP(tally_hasher_free) struct tally_hasher h = {0};
    size_t n;

    TALLY_ENSURE(f != NULL, TALLY_E_IO, "opening %s: %s", program, strerror(errno));
    tally_hasher_init(&h, TALLY_SHA384);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        tally_hasher_add(&h, tally_slice_of(piece, n));
    TALLY_ENSURE(ferror(f) == 0, TALLY_E_IO, "reading %s", program);
    tally_hasher_end(&h, out);
    return TALLY_OK;
}

enum tally_status tally_device_open_simulated(const char *chip_file, const char *program,
                                              const uint8_t host_data[32],
                                              struct tally_device **out)
{
    struct tally_sim_guest guest = {.policy = TALLY_SIM_GUEST_POLICY};
    struct tally_sim_td td = {.attributes = TALLY_TDX_ATTR_SEPT_VE_DISABLE};
    bool tdx;

    TALLY_TRY(measure(program, guest.measurement));
    TALLY_TRY(tally_sim_tdx_chip_is(chip_file, &tdx));
    if (tdx) {
        memcpy(td.mrtd, guest.measurement, sizeof td.mrtd);
        return tally_device_sim_tdx_boot(chip_file, &td, out);
    }
    memcpy(guest.host_data, host_data, sizeof guest.host_data);
    return tally_device_sim_boot(chip_file, &guest, out);
}
