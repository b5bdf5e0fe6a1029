/* device_snp.c - an AMD SEV-SNP guest as a device: reports through configfs-tsm or /dev/sev-guest,
 * the sealing key through /dev/sev-guest. What the kernel hands out is compared with what was asked
 * for and with who this guest was at the start; it is not judged: peers do that. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/device_snp_describe.h"
#include "common/attest/quote_sev_guest.h"
#include "common/attest/quote_tsm.h"
#include "common/secret.h"

enum { WHY_SIZE = 256 };

struct snp {
    const struct tally_quote_sys *sys;
    struct tally_device_paths paths;
    struct tally_device_snp_self self;
};

static void stop(void *self)
{
    free(self);
}

/* ---- one report ---- */

static enum tally_status ask_tsm(const struct tally_quote_sys *sys,
                                 const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                 struct tally_sev_guest_answer *out)
{
    TALLY_CLEANUP(tally_tsm_answer_free) struct tally_tsm_answer a = {0};

    TALLY_TRY(tally_tsm_quote(sys, report_data, &a));
    TALLY_ENSURE(a.provider == TALLY_TSM_SEV_GUEST && a.out_len == TALLY_SNP_REPORT_BYTES,
                 TALLY_E_IO, "configfs-tsm: %zu bytes of %s where a report of SEV-SNP was",
                 a.out_len, tally_tsm_provider_name(a.provider));
    memcpy(out->report, a.out, sizeof out->report);
    out->certs = a.aux;
    out->certs_len = a.aux_len;
    a.aux = NULL;
    return TALLY_OK;
}

/* The report is over these bytes, of VMPL 0 of a guest that its host may not look into. */
static enum tally_status check_report(const struct tally_snp_report *r,
                                      const uint8_t report_data[TALLY_REPORT_DATA_BYTES])
{
    TALLY_REFUSE_UNLESS((r->policy & TALLY_SNP_POLICY_DEBUG) == 0, TALLY_R_E_POLICY_DEBUG,
                        "this guest was started with debugging allowed: its host reads its memory. "
                        "Have it started with a policy without DEBUG");
    TALLY_ENSURE(memcmp(r->report_data, report_data, sizeof r->report_data) == 0, TALLY_E_IO,
                 "the kernel gave a report over other bytes than were asked for");
    TALLY_ENSURE(r->vmpl == 0, TALLY_E_IO, "the kernel gave a report of VMPL %u, not 0", r->vmpl);
    return TALLY_OK;
}

static enum tally_status ask(const struct snp *d,
                             const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                             struct tally_sev_guest_answer *a, struct tally_snp_report *r)
{
    if (d->self.tsm)
        TALLY_TRY(ask_tsm(d->sys, report_data, a));
    else
        TALLY_TRY(tally_sev_guest_quote(d->sys, report_data, a));
    TALLY_TRY(tally_snp_report_decode(TALLY_SLICE(a->report), r));
    return check_report(r, report_data);
}

/* What cannot change while a guest lives; a guest that was moved is another one. */
static enum tally_status check_same(const struct tally_snp_report *r,
                                    const struct tally_snp_report *own)
{
    TALLY_ENSURE(memcmp(r->chip_id, own->chip_id, sizeof r->chip_id) == 0 &&
                     memcmp(r->measurement, own->measurement, sizeof r->measurement) == 0 &&
                     r->policy == own->policy,
                 TALLY_E_STATE,
                 "chip, measurement or policy are not those of the start: the guest was moved to "
                 "another machine; start the program anew");
    return TALLY_OK;
}

/* ---- the device ---- */

static enum tally_status quote(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements)
{
    TALLY_CLEANUP(tally_sev_guest_answer_free) struct tally_sev_guest_answer a = {{0}, NULL, 0};
    struct snp *d = self;
    struct tally_snp_report r;
    struct tally_snp_papers *papers = &d->self.papers;

    TALLY_TRY(ask(d, report_data, &a, &r));
    TALLY_TRY(check_same(&r, &d->self.report));
    TALLY_TRY(tally_snp_papers_choose(&r, tally_slice_of(a.certs, a.certs_len), &d->paths, papers));
    tally_evidence_encode(
        ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(a.report)});
    tally_snp_papers_encode(papers, endorsements);
    TALLY_ENSURE(!ev->full && !endorsements->full, TALLY_E_LIMIT, "no room for the evidence");
    return TALLY_OK;
}

static enum tally_status derived_key(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES])
{
    const struct snp *d = self;
    enum tally_status s = tally_sev_guest_key(d->sys, key);

    /* SNP always has such a key: a missing device is a fault of the set-up, not of the machine. */
    if (s == TALLY_E_STATE)
        return TALLY_FAIL(TALLY_E_IO, "no sealing key without %s: give this program the device",
                          TALLY_SEV_GUEST_FILE);
    return s;
}

static void identity(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES])
{
    const struct snp *d = self;

    tally_device_snp_chip(&d->self, chip);
    memcpy(measurement, d->self.report.measurement, TALLY_MEASUREMENT_BYTES);
}

static void describe(void *self, const struct tally_describe *to)
{
    const struct snp *d = self;
    uint8_t key[TALLY_DERIVED_KEY_BYTES];
    char unsealed[WHY_SIZE] = "";

    if (derived_key(self, key) != TALLY_OK)
        (void)snprintf(unsealed, sizeof unsealed, "%s", tally_why_text());
    sodium_memzero(key, sizeof key);
    tally_device_snp_describe(&d->self, unsealed, to);
}

static const struct tally_device_ops ops = {quote, derived_key, identity, describe, stop};

/* Who this guest is. */
static enum tally_status look(struct snp *d)
{
    TALLY_CLEANUP(tally_sev_guest_answer_free) struct tally_sev_guest_answer a = {{0}, NULL, 0};
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    struct tally_device_snp_self *me = &d->self;

    tally_device_self_data(report_data);
    TALLY_TRY(ask(d, report_data, &a, &me->report));
    TALLY_TRY(tally_snp_papers_choose(&me->report, tally_slice_of(a.certs, a.certs_len), &d->paths,
                                      &me->papers));
    me->product = me->report.version >= 3
                      ? tally_snp_product_of(me->report.cpuid_family, me->report.cpuid_model)
                      : me->papers.product;
    return TALLY_OK;
}

enum tally_status tally_device_snp_open(const struct tally_quote_sys *sys, bool tsm,
                                        const struct tally_device_paths *paths,
                                        struct tally_device **out)
{
    struct snp *d = calloc(1, sizeof *d);

    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "device");
    d->sys = sys;
    d->self.tsm = tsm;
    d->paths = *paths;
    enum tally_status s = look(d);
    if (s != TALLY_OK) {
        free(d);
        return s;
    }
    return tally_device_new(&ops, d, out);
}
