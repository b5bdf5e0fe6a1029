/* evidence.c - see evidence.h. */
#include "common/attest/evidence.h"

static enum tally_status read_device(struct tally_rd *r, struct tally_device_evidence *d)
{
    uint8_t kind = tally_rd_u8(r, "kind of device");

    d->report = tally_rd_vec(r, TALLY_EV_MAX, "device report");
    d->chain = tally_rd_vec(r, TALLY_DEVICE_CHAIN_MAX, "device chain");
    TALLY_REFUSE_UNLESS(r->bad == NULL, TALLY_R_E_FORMAT, "evidence: bad field: %s", r->bad);
    TALLY_REFUSE_UNLESS(kind == TALLY_DEVICE_GPU || kind == TALLY_DEVICE_NVSWITCH,
                        TALLY_R_E_TEE_TYPE, "no verifier for a device of kind %u", kind);
    d->kind = (enum tally_device_kind)kind;
    return TALLY_OK;
}

enum tally_status tally_evidence_decode(struct tally_slice ev, struct tally_evidence *out)
{
    struct tally_rd r = tally_rd_from(ev);
    struct tally_evidence got = {0};

    *out = got;
    TALLY_REFUSE_UNLESS(ev.len <= TALLY_EV_MAX, TALLY_R_E_OVERSIZE, "evidence of %zu bytes",
                        ev.len);
    uint8_t kind = tally_rd_u8(&r, "kind of evidence");
    got.report = tally_rd_vec(&r, TALLY_EV_MAX, "report");
    uint8_t devices = tally_rd_u8(&r, "number of devices");
    TALLY_REFUSE_UNLESS(r.bad == NULL, TALLY_R_E_FORMAT, "evidence: bad field: %s", r.bad);
    TALLY_REFUSE_UNLESS(kind == TALLY_EVIDENCE_SNP || kind == TALLY_EVIDENCE_TDX,
                        TALLY_R_E_TEE_TYPE, "no verifier for evidence of kind %u", kind);
    TALLY_REFUSE_UNLESS(devices <= TALLY_DEVICES_MAX, TALLY_R_E_OVERSIZE, "%u devices", devices);
    for (; got.devices_n < devices; got.devices_n++)
        TALLY_TRY(read_device(&r, &got.devices[got.devices_n]));
    TALLY_REFUSE_UNLESS(r.left == 0, TALLY_R_E_FORMAT, "%zu bytes after the evidence", r.left);
    got.kind = (enum tally_evidence_kind)kind;
    *out = got;
    return TALLY_OK;
}

void tally_evidence_add_devices(struct tally_wr *w, const struct tally_device_evidence *devices,
                                uint32_t n)
{
    TALLY_ASSERT(n <= TALLY_DEVICES_MAX);
    if (w->full) return;
    TALLY_ASSERT(w->used > 0 && w->to[w->used - 1] == 0);
    w->to[w->used - 1] = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++) {
        tally_wr_u8(w, (uint8_t)devices[i].kind);
        tally_wr_vec(w, devices[i].report);
        tally_wr_vec(w, devices[i].chain);
    }
}

void tally_evidence_encode(struct tally_wr *w, const struct tally_evidence *e)
{
    tally_wr_u8(w, (uint8_t)e->kind);
    tally_wr_vec(w, e->report);
    tally_wr_u8(w, 0);
    tally_evidence_add_devices(w, e->devices, e->devices_n);
}

/* Length of the DER value at the front, 0 where it does not fit (X.690, 8.1.3). */
static size_t der_len(struct tally_slice s)
{
    enum { SEQUENCE = 0x30, LONG_FORM = 0x80, HEAD = 4 };

    if (s.len < 2 || s.at[0] != SEQUENCE) return 0;
    if (s.at[1] < LONG_FORM) return s.len - 2 >= s.at[1] ? 2U + s.at[1] : 0;
    if (s.at[1] != (LONG_FORM | 2) || s.len < HEAD) return 0;
    size_t len = (size_t)s.at[2] << 8 | s.at[3];
    return s.len - HEAD >= len ? HEAD + len : 0;
}

enum tally_status tally_chain_split(struct tally_slice chain, struct tally_slice *der, uint32_t max,
                                    uint32_t *n)
{
    uint32_t got = 0;

    *n = 0;
    while (chain.len > 0) {
        size_t len = der_len(chain);
        TALLY_REFUSE_UNLESS(len != 0, TALLY_R_E_CERT_PARSE, "certificate %u of a chain", got);
        TALLY_REFUSE_UNLESS(got < max, TALLY_R_E_CERT_SHAPE, "more than %u certificates", max);
        der[got++] = tally_slice_of(chain.at, len);
        chain = tally_slice_of(chain.at + len, chain.len - len);
    }
    TALLY_REFUSE_UNLESS(got > 0, TALLY_R_E_CERT_SHAPE, "a chain without certificates");
    *n = got;
    return TALLY_OK;
}

enum tally_status tally_endorsements_decode(struct tally_slice in, struct tally_endorsements *out)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_endorsements got = {.n = 0};

    out->n = 0;
    TALLY_REFUSE_UNLESS(in.len <= TALLY_ENDORSEMENTS_MAX, TALLY_R_E_OVERSIZE,
                        "endorsements of %zu bytes", in.len);
    while (r.bad == NULL && r.left > 0) {
        TALLY_REFUSE_UNLESS(got.n < TALLY_ENDORSEMENTS_ITEMS_MAX, TALLY_R_E_OVERSIZE,
                            "more than %d endorsements", TALLY_ENDORSEMENTS_ITEMS_MAX);
        struct tally_endorsement *e = &got.items[got.n++];
        uint8_t kind = tally_rd_u8(&r, "kind of endorsement");
        if (kind < TALLY_ENDORSEMENT_VEK || kind > TALLY_ENDORSEMENT_MANIFEST)
            tally_rd_fail(&r, "kind of endorsement");
        e->kind = (enum tally_endorsement_kind)kind;
        e->name = tally_rd_vec(&r, TALLY_ENDORSEMENT_NAME_MAX, "name of an endorsement");
        e->bytes = tally_rd_vec(&r, TALLY_ENDORSEMENTS_MAX, "bytes of an endorsement");
    }
    TALLY_REFUSE_UNLESS(r.bad == NULL, TALLY_R_E_FORMAT, "endorsements: bad field: %s", r.bad);
    *out = got;
    return TALLY_OK;
}

void tally_endorsement_encode(struct tally_wr *w, const struct tally_endorsement *e)
{
    tally_wr_u8(w, (uint8_t)e->kind);
    tally_wr_vec(w, e->name);
    tally_wr_vec(w, e->bytes);
}
