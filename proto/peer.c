/* peer.c - see peer.h. */
#include "proto/peer.h"

#include <string.h>

#include "common/attest/device.h"
#include "common/hash.h"

/* The measurements that the document allows one role, for each kind of TEE. */
struct allowed {
    uint8_t snp[TALLY_MEASUREMENTS_MAX][TALLY_MEASUREMENT_BYTES];
    struct tally_td_measurement tdx[TALLY_MEASUREMENTS_MAX];
    uint32_t snp_n, tdx_n;
};

static void allow(const struct tally_federation *f, enum tally_role role, struct allowed *out)
{
    out->snp_n = out->tdx_n = 0;
    for (uint32_t i = 0; i < f->measurements_n; i++) {
        const struct tally_measurement *m = &f->measurements[i];
        if (m->role != role) continue;
        if (m->tee == TALLY_EVIDENCE_TDX)
            out->tdx[out->tdx_n++] = m->td;
        else
            memcpy(out->snp[out->snp_n++], m->digest, TALLY_MEASUREMENT_BYTES);
    }
}

/* What must hold beside an appraisal that said yes. */
static enum tally_status confirm(const struct tally_peer_question *q, const struct tally_verdict *v)
{
    TALLY_ENSURE(v->failed_n == 0 && !v->undecided, TALLY_E_UNTRUSTED,
                 "a good status with a bad verdict");
    TALLY_REFUSE_UNLESS(v->not_before_s <= q->now_s && q->now_s <= v->not_after_s,
                        TALLY_R_E_CERT_EXPIRED, "the verdict does not hold now");
    TALLY_REFUSE_UNLESS(!tally_revocations_node(q->revoked, q->entry), TALLY_R_E_REVOKED,
                        "%s/%s is revoked", q->entry->org, q->entry->node);
    return TALLY_OK;
}

/* A federation whose lists are empty allows nothing: an empty list never means "not compared". */
static enum tally_status answerable(const struct tally_peer_question *q, uint32_t measurements_n)
{
    const struct tally_node *e = q->entry;

    TALLY_REFUSE_UNLESS(q->now_s < q->federation->expires_s, TALLY_R_E_FEDERATION,
                        "the federation document has expired");
    TALLY_REFUSE_UNLESS(measurements_n != 0, TALLY_R_E_MEASUREMENT,
                        "the document allows no measurement for role %d", (int)e->role);
    TALLY_REFUSE_UNLESS(e->chips_n + e->id_keys_n != 0 || e->any_chip, TALLY_R_E_CHIP,
                        "the document lists no chip for %s/%s", e->org, e->node);
    return TALLY_OK;
}

enum tally_status tally_peer_judge(const struct tally_peer_question *q, struct tally_slice ev,
                                   struct tally_slice endorsements, struct tally_verdict *v)
{
    struct allowed allowed;
    const struct tally_node *e = q->entry;
    struct tally_expect expect = {
        .now_s = q->now_s,
        .trust = q->federation->mode == TALLY_MODE_TEST ? TALLY_TRUST_TEST : TALLY_TRUST_HARDWARE,
        .report_data = q->report_data,
        .nonce = TALLY_SLICE(q->gpu_nonce),
        .measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])allowed.snp,
        .td_measurements = allowed.tdx,
        .revoked_measurements = q->revoked->measurements,
        .revoked_measurements_n = q->revoked->measurements_n,
        .chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])e->chips,
        .chips_n = e->chips_n,
        .revoked_chips = q->revoked->chips,
        .revoked_chips_n = q->revoked->chips_n,
        .id_keys = (const uint8_t(*)[48])e->id_keys,
        .id_keys_n = e->id_keys_n,
        .any_chip = e->any_chip,
    };

    *v = (struct tally_verdict){0};
    allow(q->federation, e->role, &allowed);
    expect.measurements_n = allowed.snp_n;
    expect.td_measurements_n = allowed.tdx_n;
    TALLY_TRY(answerable(q, allowed.snp_n + allowed.tdx_n));
    TALLY_TRY(q->by.appraise(q->by.ctx, ev, endorsements, q->federation, &expect, v));
    return confirm(q, v);
}

struct tally_slice tally_peer_key_block(const struct tally_peer *p)
{
    return tally_slice_of(p->kb_bytes, p->kb_len);
}

enum tally_status tally_own_expected(struct tally_slice key_block, struct tally_slice ev,
                                     uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                     uint8_t gpu_nonce[32])
{
    uint8_t nonce[TALLY_SHA256_BYTES];

    TALLY_SHA256_OF(nonce, key_block);
    const struct tally_quote_ask ask = {TALLY_QUOTE_COLLECT, TALLY_SLICE(nonce), nonce, key_block};
    return tally_quote_expected(&ask, ev, report_data, gpu_nonce);
}
