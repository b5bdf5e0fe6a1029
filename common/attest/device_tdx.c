/* device_tdx.c - an Intel TDX guest as a device: quotes through configfs-tsm, Intel's collateral
 * from a folder. There is no key to seal with: what a program would seal lives as long as it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/describe.h"
#include "common/attest/device_ops.h"
#include "common/attest/quote_tsm.h"
#include "common/attest/tdx_pck.h"
#include "common/attest/tdx_quote.h"
#include "common/file.h"
#include "common/secret.h"
#include "common/text.h"

enum { FILE_MAX = 64 * 1024, CERTS = 3, LINE_SIZE = 512 };

/* What one quote says of this guest. */
struct self {
    uint16_t version;
    uint64_t td_attributes;
    uint8_t mrtd[TALLY_TDX_DIGEST_BYTES];
    bool has_pck;
    struct tally_tdx_pck pck;
};

struct tdx {
    const struct tally_quote_sys *sys;
    struct tally_device_paths paths;
    struct self self;
};

static void stop(void *self)
{
    free(self);
}

/* ---- one quote ---- */

/* Over these bytes, of a guest that its host may not look into; *len without the kernel's padding.
 */
static enum tally_status check_quote(const struct tally_tsm_answer *a,
                                     const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                     struct tally_tdx_quote *q, size_t *len)
{
    TALLY_ENSURE(a->provider == TALLY_TSM_TDX_GUEST, TALLY_E_IO,
                 "configfs-tsm: %s answers, tdx_guest did before",
                 tally_tsm_provider_name(a->provider));
    size_t n = a->out_len; /* some kernels give their whole buffer */
    while (n > TALLY_TDX_QUOTE_BYTES_MAX && a->out[n - 1] == 0) n--;
    TALLY_TRY(tally_tdx_quote_decode(tally_slice_of(a->out, n), q));
    TALLY_TRY(tally_tdx_quote_padding(q, true));
    TALLY_REFUSE_UNLESS((q->td_attributes & TALLY_TDX_ATTR_TUD) == 0, TALLY_R_E_POLICY_DEBUG,
                        "this guest was started with debugging allowed: its host reads its memory. "
                        "Have it started without");
    TALLY_ENSURE(memcmp(q->report_data, report_data, sizeof q->report_data) == 0, TALLY_E_IO,
                 "the kernel gave a quote over other bytes than were asked for");
    *len = n - q->padding.len;
    return TALLY_OK;
}

/* ---- collateral ---- */

/* By the names that a verifier knows; the second of a pair is left out where the first is there,
 * for it holds the same. */
static const struct {
    const char *name, *instead_of;
} files[] = {
    {"tcb_info_response.json",    NULL                       },
    {"tcb_info.json",             "tcb_info_response.json"   },
    {"tcb_info.sig.hex",          "tcb_info_response.json"   },
    {"qe_identity_response.json", NULL                       },
    {"qe_identity.json",          "qe_identity_response.json"},
    {"qe_identity.sig.hex",       "qe_identity_response.json"},
    {"tcb_sign_chain.pem",        NULL                       },
    {"root_ca_crl.der",           NULL                       },
    {"pck_crl.der",               NULL                       },
};
enum { FILES = sizeof files / sizeof files[0], PATH_SIZE = TALLY_DEVICE_PATH_SIZE + 64 };

static bool there(const struct tdx *d, const char *name, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", d->paths.collateral, name);
    return *d->paths.collateral != '\0' && tally_file_exists(path);
}

static bool wanted(const struct tdx *d, size_t i, char path[PATH_SIZE])
{
    if (files[i].instead_of != NULL && there(d, files[i].instead_of, path)) return false;
    return there(d, files[i].name, path);
}

static void free_bytes(uint8_t **p)
{
    free(*p);
}

static enum tally_status put_file(const char *path, const char *name, struct tally_wr *w)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(path, FILE_MAX, &bytes, &len));
    const struct tally_endorsement e = {TALLY_ENDORSEMENT_TDX_COLLATERAL, tally_slice_str(name),
                                        tally_slice_of(bytes, len)};
    tally_endorsement_encode(w, &e);
    return TALLY_OK;
}

static enum tally_status put_collateral(const struct tdx *d, struct tally_wr *w)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < FILES; i++) {
        if (wanted(d, i, path)) TALLY_TRY(put_file(path, files[i].name, w));
    }
    return TALLY_OK;
}

/* ---- the device ---- */

static enum tally_status quote(void *self, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                               struct tally_wr *ev, struct tally_wr *endorsements)
{
    TALLY_CLEANUP(tally_tsm_answer_free) struct tally_tsm_answer a = {0};
    const struct tdx *d = self;
    struct tally_tdx_quote q = {0};
    size_t len = 0;

    TALLY_TRY(tally_tsm_quote(d->sys, report_data, &a));
    TALLY_TRY(check_quote(&a, report_data, &q, &len));
    TALLY_ENSURE(memcmp(q.mrtd, d->self.mrtd, sizeof q.mrtd) == 0, TALLY_E_STATE,
                 "MRTD is not that of the start: start the program anew");
    tally_evidence_encode(ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_TDX,
                                                       .report = tally_slice_of(a.out, len)});
    TALLY_TRY(put_collateral(d, endorsements));
    TALLY_ENSURE(!ev->full && !endorsements->full, TALLY_E_LIMIT, "no room for the evidence");
    return TALLY_OK;
}

static enum tally_status derived_key(void *self, uint8_t key[TALLY_DERIVED_KEY_BYTES])
{
    (void)self;
    (void)key;
    return TALLY_FAIL(TALLY_E_STATE, "no sealing key here: TDX has none");
}

static void chip_of(const struct tdx *d, uint8_t chip[TALLY_CHIP_DIGEST_BYTES])
{
    memset(chip, 0, TALLY_CHIP_DIGEST_BYTES);
    if (d->self.has_pck) tally_chip_digest("tdx", TALLY_SLICE(d->self.pck.ppid), chip);
}

static void identity(void *self, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                     uint8_t measurement[TALLY_MEASUREMENT_BYTES])
{
    const struct tdx *d = self;

    chip_of(d, chip);
    memcpy(measurement, d->self.mrtd, TALLY_MEASUREMENT_BYTES);
}

/* ---- what it can prove ---- */

static void describe_self(const struct tdx *d, const struct tally_describe *to)
{
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES];
    char hex[2 * TALLY_MEASUREMENT_BYTES + 1];
    bool migrates = (d->self.td_attributes & TALLY_TDX_ATTR_MIGRATABLE) != 0;
    bool sept = (d->self.td_attributes & TALLY_TDX_ATTR_SEPT_VE_DISABLE) != 0;

    chip_of(d, chip);
    tally_describe_say(to, true, "",
                       "the TEE is Intel TDX, through configfs-tsm (provider tdx_guest), quote "
                       "version %u",
                       d->self.version);
    tally_describe_say(to, !migrates, "have it started without MIGRATABLE",
                       "debugging off, migration %s",
                       migrates ? "allowed: federations refuse that by default" : "off");
    tally_describe_say(to, sept, "have it started with SEPT_VE_DISABLE",
                       sept ? "SEPT_VE_DISABLE is set"
                            : "SEPT_VE_DISABLE is not set: federations demand it by default");
    tally_hex(TALLY_SLICE(chip), hex);
    if (d->self.has_pck)
        tally_describe_say(to, true, "", "chip for the federation document: %s", hex);
    else
        tally_describe_say(
            to, false, "the quoting service of this host must put the PCK chain into its quotes",
            "the quote has no PCK certificate that can be read");
    tally_hex(TALLY_SLICE(d->self.mrtd), hex);
    tally_describe_say(to, true, "", "MRTD for the federation document: %s", hex);
}

static void describe_collateral(const struct tdx *d, const struct tally_describe *to)
{
    char path[PATH_SIZE], fmspc[2 * sizeof d->self.pck.fmspc + 1], fix[LINE_SIZE];
    uint32_t missing = 0;

    for (size_t i = 0; i < FILES; i++) {
        /* a response alone will do, and so will object and signature */
        bool pair = i == 0 || i == 3;
        bool have = pair ? there(d, files[i].name, path) || (there(d, files[i + 1].name, path) &&
                                                             there(d, files[i + 2].name, path))
                         : files[i].instead_of != NULL || there(d, files[i].name, path);
        if (!have) missing++;
    }
    tally_hex(TALLY_SLICE(d->self.pck.fmspc), fmspc);
    (void)snprintf(fix, sizeof fix,
                   "fetch it from Intel's provisioning service for FMSPC %s and name its folder in "
                   "device.collateral (docs/HARDWARE.md)",
                   fmspc);
    if (missing == 0)
        tally_describe_say(to, true, "", "Intel's collateral is complete");
    else
        tally_describe_say(to, false, fix, "Intel's collateral: %u of 5 parts missing", missing);
}

static void describe(void *self, const struct tally_describe *to)
{
    const struct tdx *d = self;

    describe_self(d, to);
    describe_collateral(d, to);
    tally_describe_say(to, true, "",
                       "no sealing key: TDX has none, so each start is a new instance");
}

static const struct tally_device_ops ops = {quote, derived_key, identity, describe, stop};

/* ---- opening ---- */

static bool read_pck(const struct tally_tdx_quote *q, struct tally_tdx_pck *out)
{
    uint8_t bytes[CERTS * TALLY_CERT_BYTES_MAX];
    struct tally_slice der[CERTS], pem = q->pck_pem;
    TALLY_CLEANUP(tally_cert_free) struct tally_cert leaf = {0};
    size_t n = 0;

    if (pem.len != 0 && pem.at[pem.len - 1] == '\0') pem.len--;
    return tally_pem_chain(pem, bytes, sizeof bytes, der, CERTS, &n) == TALLY_OK && n == CERTS &&
           tally_cert_parse(der[0], &leaf) == TALLY_OK &&
           tally_tdx_pck_decode(&leaf, out) == TALLY_OK;
}

/* Who this guest is. */
static enum tally_status look(struct tdx *d)
{
    TALLY_CLEANUP(tally_tsm_answer_free) struct tally_tsm_answer a = {0};
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    struct tally_tdx_quote q = {0};
    size_t len = 0;

    tally_device_self_data(report_data);
    TALLY_TRY(tally_tsm_quote(d->sys, report_data, &a));
    TALLY_TRY(check_quote(&a, report_data, &q, &len));
    d->self.version = q.version;
    d->self.td_attributes = q.td_attributes;
    memcpy(d->self.mrtd, q.mrtd, sizeof d->self.mrtd);
    d->self.has_pck = read_pck(&q, &d->self.pck);
    return TALLY_OK;
}

enum tally_status tally_device_tdx_open(const struct tally_quote_sys *sys,
                                        const struct tally_device_paths *paths,
                                        struct tally_device **out)
{
    struct tdx *d = calloc(1, sizeof *d);

    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "device");
    d->sys = sys;
    d->paths = *paths;
    enum tally_status s = look(d);
    if (s != TALLY_OK) {
        free(d);
        return s;
    }
    return tally_device_new(&ops, d, out);
}
