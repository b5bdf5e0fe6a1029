/* codecs.h - every structure of proto as bytes -> value -> bytes, for tests and fuzzers: what is
 * accepted must come out as it went in, so nothing is ignored and nothing has two forms. */
#pragma once

#include "proto/member.h"
#include "proto/message.h"
#include "proto/payload.h"
#include "proto/record.h"
#include "proto/set.h"

/* Decodes `in` and encodes the value to w. The decoder's status; TALLY_E_LIMIT or TALLY_E_CONFIG
 * only if the encoder refuses what the decoder took. */
struct codec {
    const char *name;
    enum tally_status (*again)(struct tally_slice in, struct tally_wr *w);
};

static inline enum tally_status codec_m1(struct tally_slice in, struct tally_wr *w)
{
    struct tally_m1 m;
    struct tally_slice out;

    TALLY_TRY(tally_m1_decode(in, &m));
    return tally_m1_encode(&m, w, &out);
}

static inline enum tally_status codec_m2(struct tally_slice in, struct tally_wr *w)
{
    struct tally_m2 m;
    struct tally_slice out;

    TALLY_TRY(tally_m2_decode(in, &m));
    return tally_m2_encode(&m, w, &out);
}

static inline enum tally_status codec_key_block(struct tally_slice in, struct tally_wr *w)
{
    struct tally_key_block kb;
    struct tally_slice out;

    TALLY_TRY(tally_key_block_decode(in, &kb));
    return tally_key_block_encode(&kb, w, &out);
}

static inline enum tally_status codec_proof(struct tally_slice in, struct tally_wr *w)
{
    struct tally_proof p;

    TALLY_TRY(tally_proof_decode(in, &p));
    tally_proof_write(&p, w);
    return TALLY_OK;
}

static inline enum tally_status codec_refusal(struct tally_slice in, struct tally_wr *w)
{
    enum tally_refusal code;
    uint8_t frame[TALLY_REFUSAL_BYTES];

    TALLY_TRY(tally_refusal_decode(in, &code));
    tally_refusal_encode(code, frame);
    tally_wr_put(w, frame, sizeof frame);
    return TALLY_OK;
}

static inline enum tally_status codec_chunk(struct tally_slice in, struct tally_wr *w)
{
    struct tally_chunk c;
    uint8_t head[TALLY_CHUNK_HEAD_BYTES];

    TALLY_TRY(tally_chunk_decode(in, &c));
    tally_chunk_head(c.seal_digest, c.index, head);
    tally_wr_put(w, head, sizeof head);
    tally_wr_bytes(w, c.bytes);
    return TALLY_OK;
}

static inline enum tally_status codec_opening(struct tally_slice in, struct tally_wr *w)
{
    struct tally_opening o;
    uint8_t out[TALLY_OPENING_BYTES];

    TALLY_TRY(tally_opening_decode(in, &o));
    TALLY_TRY(tally_opening_encode(&o, out));
    tally_wr_put(w, out, sizeof out);
    return TALLY_OK;
}

static inline enum tally_status codec_payload_header(struct tally_slice in, struct tally_wr *w)
{
    struct tally_payload_header h;
    struct tally_slice out;

    TALLY_TRY(tally_payload_header_decode(in, &h));
    return tally_payload_header_encode(&h, w, &out);
}

static inline enum tally_status codec_statement(struct tally_slice in, struct tally_wr *w)
{
    struct tally_statement s;
    struct tally_slice out;

    TALLY_TRY(tally_statement_decode(in, &s));
    return tally_statement_encode(&s, w, &out);
}

static inline enum tally_status codec_upload_head(struct tally_slice in, struct tally_wr *w)
{
    struct tally_upload_head u;
    struct tally_slice out;

    TALLY_TRY(tally_upload_head_decode(in, &u));
    return tally_upload_head_encode(&u, w, &out);
}

static inline enum tally_status codec_set(struct tally_slice in, struct tally_wr *w)
{
    static struct tally_set s;
    struct tally_slice out;

    TALLY_TRY(tally_set_decode(in, &s));
    return tally_set_encode(&s, w, &out);
}

static inline enum tally_status codec_evaluation(struct tally_slice in, struct tally_wr *w)
{
    static struct tally_evaluation e;

    TALLY_TRY(tally_evaluation_decode(in, &e));
    tally_evaluation_encode(w, &e);
    return TALLY_OK;
}

/* A head with its values after it, so that the whole length is known. */
static inline enum tally_status codec_payload(struct tally_slice in, struct tally_wr *w)
{
    struct tally_payload p;
    size_t head;

    TALLY_TRY(tally_payload_decode_head(in, in.len, &p, &head));
    tally_payload_encode_head(w, &p);
    tally_wr_put(w, in.at + head, in.len - head);
    return TALLY_OK;
}
