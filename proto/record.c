/* record.c - see record.h. */
#include "proto/record.h"

#include <sodium.h>
#include <string.h>

#include "common/secret.h"
#include "proto/frames.h"

static enum tally_status start(struct tally_direction *d,
                               const uint8_t key[TALLY_DIRECTION_KEY_BYTES])
{
    memcpy(d->iv, key + TALLY_AEAD_KEY_BYTES, sizeof d->iv);
    return tally_aead_init(&d->aead, key);
}

static uint64_t end_of(uint64_t now_ms, uint64_t not_after_s)
{
    uint64_t hour = now_ms + TALLY_SESSION_MS_MAX;

    if (not_after_s >= hour / 1000) return hour;
    return (not_after_s + 1) * 1000;
}

enum tally_status tally_records_init(struct tally_records *r, enum tally_side side,
                                     const struct tally_session_keys *k, uint64_t now_ms,
                                     uint64_t not_after_s)
{
    bool client = side == TALLY_SIDE_CLIENT;

    TALLY_ENSURE(now_ms <= UINT64_MAX - TALLY_SESSION_MS_MAX, TALLY_E_LIMIT, "the time");
    *r = (struct tally_records){.ends_ms = end_of(now_ms, not_after_s)};
    enum tally_status s = start(&r->send, client ? k->ap_c : k->ap_s);
    if (s == TALLY_OK) s = start(&r->receive, client ? k->ap_s : k->ap_c);
    if (s != TALLY_OK) tally_records_end(r);
    return s;
}

void tally_records_end(struct tally_records *r)
{
    tally_aead_free(&r->send.aead);
    tally_aead_free(&r->receive.aead);
    sodium_memzero(r, sizeof *r);
    r->ended = true;
}

/* Room for one more frame in time, records and bytes; else the session is over. */
static enum tally_status admit(struct tally_records *r, const struct tally_direction *d,
                               uint64_t now_ms, size_t frame_len)
{
    const char *over = NULL;

    if (r->ended)
        over = "";
    else if (now_ms >= r->ends_ms)
        over = ": its time is up";
    else if (d->seq >= TALLY_SESSION_RECORDS_MAX)
        over = ": all records are used";
    else if (frame_len > TALLY_SESSION_BYTES_MAX - d->bytes)
        over = ": all bytes are used";
    if (over == NULL) return TALLY_OK;
    tally_records_end(r);
    return TALLY_FAIL(TALLY_E_STATE, "the session is over%s", over);
}

/* nonce = iv XOR seq, aad = 05 || seq; both count up at once. */
struct position {
    uint8_t nonce[TALLY_AEAD_NONCE_BYTES], aad[1 + 8];
};

static void advance(struct tally_direction *d, size_t frame_len, struct position *p)
{
    struct tally_wr w = tally_wr_to(p->aad, sizeof p->aad);

    tally_wr_u8(&w, TALLY_FRAME_RECORD);
    tally_wr_be64(&w, d->seq);
    memcpy(p->nonce, d->iv, sizeof p->nonce);
    for (size_t i = 0; i < 8; i++) p->nonce[4 + i] ^= p->aad[1 + i];
    d->seq++;
    d->bytes += frame_len;
}

static enum tally_status seal(struct tally_records *r, enum tally_record_kind kind, uint64_t now_ms,
                              uint8_t *frame, size_t body_len)
{
    struct position p;
    size_t frame_len = body_len + TALLY_RECORD_EXTRA_BYTES;

    TALLY_TRY(admit(r, &r->send, now_ms, frame_len));
    advance(&r->send, frame_len, &p);
    frame[0] = TALLY_FRAME_RECORD;
    frame[1] = (uint8_t)kind;
    enum tally_status s = tally_aead_seal(&r->send.aead, p.nonce, TALLY_SLICE(p.aad),
                                          tally_slice_of(frame + 1, 1 + body_len), frame + 1);
    if (s != TALLY_OK) tally_records_end(r);
    return s;
}

static enum tally_status try_open(struct tally_records *r, uint8_t *frame, size_t frame_len)
{
    struct position p;

    TALLY_REFUSE_UNLESS(frame_len <= TALLY_RECORD_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "record of %zu bytes", frame_len);
    TALLY_REFUSE_UNLESS(frame_len >= TALLY_RECORD_EXTRA_BYTES && frame[0] == TALLY_FRAME_RECORD,
                        TALLY_R_E_AUTH, "not a record");
    advance(&r->receive, frame_len, &p);
    return tally_aead_open(&r->receive.aead, p.nonce, TALLY_SLICE(p.aad),
                           tally_slice_of(frame + 1, frame_len - 1), frame + 1);
}

/* The kind lies at frame[1] afterwards. */
static enum tally_status open_any(struct tally_records *r, uint64_t now_ms, uint8_t *frame,
                                  size_t frame_len)
{
    TALLY_TRY(admit(r, &r->receive, now_ms, frame_len));
    enum tally_status s = try_open(r, frame, frame_len);
    if (s != TALLY_OK) tally_records_end(r);
    return s;
}

enum tally_status tally_record_seal(struct tally_records *r, enum tally_record_kind kind,
                                    uint64_t now_ms, uint8_t *frame, size_t body_len,
                                    size_t *frame_len)
{
    TALLY_ASSERT(kind == TALLY_RECORD_MESSAGE || kind == TALLY_RECORD_CHUNK);
    TALLY_ENSURE(body_len <= TALLY_RECORD_BODY_MAX, TALLY_E_LIMIT, "record body of %zu bytes",
                 body_len);
    TALLY_TRY(seal(r, kind, now_ms, frame, body_len));
    *frame_len = body_len + TALLY_RECORD_EXTRA_BYTES;
    return TALLY_OK;
}

enum tally_status tally_record_open(struct tally_records *r, uint64_t now_ms, uint8_t *frame,
                                    size_t frame_len, enum tally_record_kind *kind,
                                    struct tally_slice *body)
{
    TALLY_TRY(open_any(r, now_ms, frame, frame_len));
    uint8_t got = frame[1];
    if (got != TALLY_RECORD_MESSAGE && got != TALLY_RECORD_CHUNK) {
        tally_records_end(r);
        return TALLY_REFUSE(TALLY_R_E_AUTH, "record of kind %u", got);
    }
    *kind = (enum tally_record_kind)got;
    *body = tally_slice_of(frame + TALLY_RECORD_BODY_AT, frame_len - TALLY_RECORD_EXTRA_BYTES);
    return TALLY_OK;
}

enum tally_status tally_record_seal_fin(struct tally_records *r, uint64_t now_ms,
                                        const uint8_t fin[32], uint8_t frame[TALLY_FIN_FRAME_BYTES])
{
    TALLY_ASSERT(r->ended || r->send.seq == 0);
    memcpy(frame + TALLY_RECORD_BODY_AT, fin, 32);
    return seal(r, TALLY_RECORD_FIN, now_ms, frame, 32);
}

enum tally_status tally_record_open_fin(struct tally_records *r, uint64_t now_ms,
                                        const uint8_t fin[32], uint8_t *frame, size_t frame_len)
{
    TALLY_ASSERT(r->ended || r->receive.seq == 0);
    TALLY_TRY(open_any(r, now_ms, frame, frame_len));
    struct tally_slice body =
        tally_slice_of(frame + TALLY_RECORD_BODY_AT, frame_len - TALLY_RECORD_EXTRA_BYTES);
    if (frame[1] == TALLY_RECORD_FIN && tally_secret_equal(body, tally_slice_of(fin, 32)))
        return TALLY_OK;
    tally_records_end(r);
    return TALLY_REFUSE(TALLY_R_E_AUTH, "the first record is not the right FIN");
}

void tally_chunk_head(const uint8_t seal_digest[32], uint32_t index,
                      uint8_t to[TALLY_CHUNK_HEAD_BYTES])
{
    struct tally_wr w = tally_wr_to(to, TALLY_CHUNK_HEAD_BYTES);

    tally_wr_put(&w, seal_digest, 32);
    tally_wr_be32(&w, index);
}

enum tally_status tally_chunk_decode(struct tally_slice body, struct tally_chunk *c)
{
    struct tally_rd r = tally_rd_from(body);
    struct tally_chunk got = {0};

    tally_rd_copy(&r, got.seal_digest, sizeof got.seal_digest, "seal digest");
    got.index = tally_rd_be32(&r, "index");
    if (r.left == 0 || r.left > TALLY_PIECE_BYTES_MAX) tally_rd_fail(&r, "piece");
    got.bytes = tally_rd_bytes(&r, r.left, "piece");
    TALLY_TRY(tally_rd_end(&r));
    *c = got;
    return TALLY_OK;
}
