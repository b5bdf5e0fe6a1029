/* payload.c - see payload.h. */
#include "proto/payload.h"

#include <string.h>

void tally_evaluation_encode(struct tally_wr *w, const struct tally_evaluation *e)
{
    uint32_t entries = 0;

    for (uint32_t b = 0; b < TALLY_EVALUATION_BINS; b++)
        entries += (e->negative[b] | e->positive[b]) != 0;
    tally_wr_be64(w, e->rows);
    tally_wr_be64(w, e->positives);
    tally_wr_be32(w, entries);
    for (uint32_t b = 0; b < TALLY_EVALUATION_BINS; b++) {
        if ((e->negative[b] | e->positive[b]) == 0) continue;
        tally_wr_be16(w, (uint16_t)b);
        tally_wr_be32(w, e->negative[b]);
        tally_wr_be32(w, e->positive[b]);
    }
}

enum tally_status tally_evaluation_decode(struct tally_slice in, struct tally_evaluation *e)
{
    struct tally_rd r = tally_rd_from(in);
    uint64_t rows = 0, positives = 0;
    uint32_t next = 0;

    memset(e, 0, sizeof *e);
    e->rows = tally_rd_be64(&r, "rows");
    e->positives = tally_rd_be64(&r, "positives");
    uint32_t n = tally_rd_count(&r, TALLY_EVALUATION_BINS, 10, "entries");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = tally_rd_be16(&r, "bin");
        if (b < next || b >= TALLY_EVALUATION_BINS) {
            tally_rd_fail(&r, "bin");
            break;
        }
        next = b + 1;
        e->negative[b] = tally_rd_be32(&r, "negatives");
        e->positive[b] = tally_rd_be32(&r, "positives");
        if ((e->negative[b] | e->positive[b]) == 0) tally_rd_fail(&r, "empty bin");
        rows += (uint64_t)e->negative[b] + e->positive[b];
        positives += e->positive[b];
    }
    if (rows != e->rows || positives != e->positives) tally_rd_fail(&r, "sum of bins");
    enum tally_status s = tally_rd_end(&r);
    if (s != TALLY_OK) memset(e, 0, sizeof *e);
    return s;
}

void tally_payload_encode_head(struct tally_wr *w, const struct tally_payload *p)
{
    tally_wr_u8(w, 1);
    tally_wr_u8(w, (uint8_t)p->kind);
    tally_wr_be16(w, 0);
    tally_wr_vec(w, p->evaluation);
    tally_wr_vec(w, p->moments);
    tally_wr_be64(w, p->values);
}

enum tally_status tally_payload_decode_head(struct tally_slice prefix, uint64_t plaintext_bytes,
                                            struct tally_payload *p, size_t *head_bytes)
{
    struct tally_rd r = tally_rd_from(prefix);
    struct tally_payload got = {0};

    if (tally_rd_u8(&r, "payload version") != 1) tally_rd_fail(&r, "payload version");
    uint8_t kind = tally_rd_u8(&r, "kind");
    if (kind < TALLY_PAYLOAD_MOMENTS || kind > TALLY_PAYLOAD_EVALUATION) tally_rd_fail(&r, "kind");
    tally_rd_zero(&r, 2, "reserved");
    got.kind = (enum tally_payload_kind)kind;
    got.evaluation = tally_rd_vec(&r, TALLY_EVALUATION_BYTES_MAX, "evaluation");
    got.moments = tally_rd_vec(&r, TALLY_MOMENTS_BYTES_MAX, "moments");
    got.values = tally_rd_be64(&r, "values");
    TALLY_ENSURE(r.bad == NULL, TALLY_E_WIRE, "bad field: %s", r.bad);
    size_t head = prefix.len - r.left;
    bool moments = kind == TALLY_PAYLOAD_MOMENTS, delta = kind == TALLY_PAYLOAD_DELTA;
    TALLY_ENSURE(moments == (got.moments.len != 0) && delta == (got.values != 0) &&
                     (kind != TALLY_PAYLOAD_EVALUATION || got.evaluation.len != 0),
                 TALLY_E_WIRE, "payload kind %u with another kind's parts", kind);
    TALLY_ENSURE(plaintext_bytes >= head && (plaintext_bytes - head) % 4 == 0 &&
                     (plaintext_bytes - head) / 4 == got.values,
                 TALLY_E_WIRE, "%llu values in %llu bytes", (unsigned long long)got.values,
                 (unsigned long long)plaintext_bytes);
    *p = got;
    *head_bytes = head;
    return TALLY_OK;
}
