/* evidence.c - see evidence.h. */
#include "common/attest/evidence.h"

enum tally_status tally_evidence_decode(struct tally_slice ev, struct tally_evidence *out)
{
    struct tally_rd r = tally_rd_from(ev);

    *out = (struct tally_evidence){0};
    TALLY_REFUSE_UNLESS(ev.len <= TALLY_EV_MAX, TALLY_R_E_OVERSIZE, "evidence of %zu bytes",
                        ev.len);
    uint8_t kind = tally_rd_u8(&r, "kind of evidence");
    struct tally_slice report = tally_rd_vec(&r, TALLY_EV_MAX, "report");
    uint8_t devices = tally_rd_u8(&r, "number of devices");
    TALLY_REFUSE_UNLESS(r.bad == NULL, TALLY_R_E_FORMAT, "evidence: bad field: %s", r.bad);
    TALLY_REFUSE_UNLESS(kind == TALLY_EVIDENCE_SNP, TALLY_R_E_TEE_TYPE,
                        "no verifier for evidence of kind %u", kind);
    TALLY_REFUSE_UNLESS(devices == 0, TALLY_R_E_TEE_TYPE, "no verifier for %u devices", devices);
    TALLY_REFUSE_UNLESS(r.left == 0, TALLY_R_E_FORMAT, "%zu bytes after the evidence", r.left);
    *out = (struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = report};
    return TALLY_OK;
}

void tally_evidence_encode(struct tally_wr *w, const struct tally_evidence *e)
{
    tally_wr_u8(w, (uint8_t)e->kind);
    tally_wr_vec(w, e->report);
    tally_wr_u8(w, 0);
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
