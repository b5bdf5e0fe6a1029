/* roundframes.c - see roundframes.h. */
#include "proto/roundframes.h"

#include <string.h>

#include "common/attest/device.h"
#include "common/chunked.h"

enum { VERSION = 1 };

static const uint8_t zeros[64];

/* The fields that OPEN, SH and ST have alike. */
static void write_start(struct tally_wr *w, enum tally_payload_kind kind)
{
    tally_wr_u8(w, VERSION);
    tally_wr_u8(w, (uint8_t)kind);
}

static enum tally_payload_kind read_start(struct tally_rd *r)
{
    if (tally_rd_u8(r, "version") != VERSION) tally_rd_fail(r, "version");
    uint8_t kind = tally_rd_u8(r, "kind");
    if (kind < TALLY_PAYLOAD_MOMENTS || kind > TALLY_PAYLOAD_COUNTERS) tally_rd_fail(r, "kind");
    return r->bad == NULL ? (enum tally_payload_kind)kind : TALLY_PAYLOAD_MOMENTS;
}

/* A round of moments has no base yet (round 0, and the next ones if it is aborted); every other
 * round has one. */
static bool base_fits(enum tally_payload_kind kind, const uint8_t base[32])
{
    return (memcmp(base, zeros, 32) == 0) == (kind == TALLY_PAYLOAD_MOMENTS);
}

static void read_base(struct tally_rd *r, enum tally_payload_kind kind, uint8_t base[32])
{
    tally_rd_copy(r, base, 32, "base");
    if (r->bad == NULL && !base_fits(kind, base)) tally_rd_fail(r, "base");
}

static enum tally_status written(const struct tally_wr *w, size_t from, struct tally_slice *out)
{
    struct tally_slice all;

    TALLY_TRY(tally_wr_end(w, &all));
    *out = tally_slice_of(all.at + from, all.len - from);
    return TALLY_OK;
}

/* ---- OPEN ---- */

enum tally_status tally_opening_encode(const struct tally_opening *o,
                                       uint8_t out[TALLY_OPENING_BYTES])
{
    struct tally_wr w = tally_wr_to(out, TALLY_OPENING_BYTES);
    struct tally_opening again;

    write_start(&w, o->kind);
    tally_wr_u8(&w, (uint8_t)o->mode);
    tally_wr_u8(&w, 0);
    tally_wr_bytes(&w, TALLY_SLICE(o->federation));
    tally_wr_bytes(&w, TALLY_SLICE(o->job));
    tally_wr_bytes(&w, TALLY_SLICE(o->krp));
    tally_wr_bytes(&w, TALLY_SLICE(o->instance));
    tally_wr_be64(&w, o->round);
    tally_wr_bytes(&w, TALLY_SLICE(o->challenge));
    tally_wr_bytes(&w, TALLY_SLICE(o->base));
    tally_wr_be64(&w, o->opened_ms);
    tally_wr_be64(&w, o->deadline_ms);
    TALLY_ASSERT(!w.full && w.used == TALLY_OPENING_BYTES);
    return tally_opening_decode(tally_slice_of(out, TALLY_OPENING_BYTES), &again);
}

enum tally_status tally_opening_decode(struct tally_slice in, struct tally_opening *o)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_opening got = {.kind = read_start(&r)};

    got.mode = tally_rd_mode(&r);
    tally_rd_zero(&r, 1, "reserved");
    tally_rd_copy(&r, got.federation, sizeof got.federation, "federation");
    tally_rd_copy(&r, got.job, sizeof got.job, "job");
    tally_rd_copy(&r, got.krp, sizeof got.krp, "krp");
    tally_rd_copy(&r, got.instance, sizeof got.instance, "instance");
    got.round = tally_rd_be64(&r, "round");
    tally_rd_copy(&r, got.challenge, sizeof got.challenge, "challenge");
    read_base(&r, got.kind, got.base);
    got.opened_ms = tally_rd_be64(&r, "opened");
    got.deadline_ms = tally_rd_be64(&r, "deadline");
    if (got.opened_ms >= got.deadline_ms) tally_rd_fail(&r, "deadline");
    TALLY_TRY(tally_rd_end(&r));
    *o = got;
    return TALLY_OK;
}

bool tally_opening_same(const struct tally_opening *a, const struct tally_opening *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->round == b->round &&
           a->opened_ms == b->opened_ms && a->deadline_ms == b->deadline_ms &&
           memcmp(a->federation, b->federation, 32) == 0 && memcmp(a->job, b->job, 32) == 0 &&
           memcmp(a->krp, b->krp, 32) == 0 && memcmp(a->challenge, b->challenge, 32) == 0 &&
           memcmp(a->base, b->base, 32) == 0;
}

/* ---- SH ---- */

enum tally_status tally_payload_header_encode(const struct tally_payload_header *h,
                                              struct tally_wr *w, struct tally_slice *out)
{
    struct tally_payload_header again;
    struct tally_slice bytes;
    size_t from = w->used;

    write_start(w, h->kind);
    tally_wr_be16(w, TALLY_SUITE);
    tally_wr_u8(w, (uint8_t)h->mode);
    tally_wr_put(w, zeros, 3);
    tally_wr_bytes(w, TALLY_SLICE(h->federation));
    tally_wr_bytes(w, TALLY_SLICE(h->job));
    tally_wr_be64(w, h->round);
    tally_wr_bytes(w, TALLY_SLICE(h->base));
    tally_wr_be64(w, h->plaintext_bytes);
    tally_wr_name(w, h->org);
    tally_wr_name(w, h->node);
    TALLY_TRY(written(w, from, &bytes));
    TALLY_TRY(tally_payload_header_decode(bytes, &again));
    *out = bytes;
    return TALLY_OK;
}

enum tally_status tally_payload_header_decode(struct tally_slice in, struct tally_payload_header *h)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_payload_header got = {.kind = read_start(&r)};

    if (tally_rd_be16(&r, "suite") != TALLY_SUITE) tally_rd_fail(&r, "suite");
    got.mode = tally_rd_mode(&r);
    tally_rd_zero(&r, 3, "reserved");
    tally_rd_copy(&r, got.federation, sizeof got.federation, "federation");
    tally_rd_copy(&r, got.job, sizeof got.job, "job");
    got.round = tally_rd_be64(&r, "round");
    read_base(&r, got.kind, got.base);
    got.plaintext_bytes = tally_rd_be64(&r, "plaintext bytes");
    if (got.plaintext_bytes > TALLY_PAYLOAD_BYTES_MAX) tally_rd_fail(&r, "plaintext bytes");
    tally_rd_name(&r, got.org, "org");
    tally_rd_name(&r, got.node, "node");
    TALLY_TRY(tally_rd_end(&r));
    *h = got;
    return TALLY_OK;
}

/* ---- ST ---- */

/* Chunks and tags, the last chunk strictly shorter, maybe empty. */
uint64_t tally_statement_sealed_bytes(uint64_t plaintext_bytes)
{
    TALLY_ASSERT(plaintext_bytes <= TALLY_PAYLOAD_BYTES_MAX);
    uint64_t chunks = plaintext_bytes / TALLY_CHUNK_BYTES + 1;
    return TALLY_CHUNKED_HEADER_BYTES + plaintext_bytes + TALLY_AEAD_TAG_BYTES * chunks;
}

enum tally_status tally_statement_encode(const struct tally_statement *s, struct tally_wr *w,
                                         struct tally_slice *out)
{
    struct tally_statement again;
    struct tally_slice bytes;
    size_t from = w->used;

    write_start(w, s->kind);
    tally_wr_u8(w, (uint8_t)s->mode);
    tally_wr_u8(w, 0);
    tally_wr_bytes(w, TALLY_SLICE(s->federation));
    tally_wr_bytes(w, TALLY_SLICE(s->job));
    tally_wr_bytes(w, TALLY_SLICE(s->krp));
    tally_wr_be64(w, s->round);
    tally_wr_bytes(w, TALLY_SLICE(s->challenge));
    tally_wr_bytes(w, TALLY_SLICE(s->base));
    tally_wr_bytes(w, TALLY_SLICE(s->seal_digest));
    tally_wr_be64(w, s->sealed_bytes);
    tally_wr_be64(w, s->plaintext_bytes);
    tally_wr_be32(w, s->examples);
    tally_wr_name(w, s->org);
    tally_wr_name(w, s->node);
    TALLY_TRY(written(w, from, &bytes));
    TALLY_TRY(tally_statement_decode(bytes, &again));
    *out = bytes;
    return TALLY_OK;
}

static void read_sizes(struct tally_rd *r, struct tally_statement *s)
{
    s->sealed_bytes = tally_rd_be64(r, "sealed bytes");
    s->plaintext_bytes = tally_rd_be64(r, "plaintext bytes");
    if (s->plaintext_bytes > TALLY_PAYLOAD_BYTES_MAX)
        tally_rd_fail(r, "plaintext bytes");
    else if (s->sealed_bytes != tally_statement_sealed_bytes(s->plaintext_bytes))
        tally_rd_fail(r, "sealed bytes");
    s->examples = tally_rd_be32(r, "examples");
    if (s->examples == 0 || s->examples > TALLY_EXAMPLES_MAX) tally_rd_fail(r, "examples");
}

enum tally_status tally_statement_decode(struct tally_slice in, struct tally_statement *s)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_statement got = {.kind = read_start(&r)};

    got.mode = tally_rd_mode(&r);
    tally_rd_zero(&r, 1, "reserved");
    tally_rd_copy(&r, got.federation, sizeof got.federation, "federation");
    tally_rd_copy(&r, got.job, sizeof got.job, "job");
    tally_rd_copy(&r, got.krp, sizeof got.krp, "krp");
    got.round = tally_rd_be64(&r, "round");
    tally_rd_copy(&r, got.challenge, sizeof got.challenge, "challenge");
    read_base(&r, got.kind, got.base);
    tally_rd_copy(&r, got.seal_digest, sizeof got.seal_digest, "seal digest");
    read_sizes(&r, &got);
    tally_rd_name(&r, got.org, "org");
    tally_rd_name(&r, got.node, "node");
    TALLY_TRY(tally_rd_end(&r));
    *s = got;
    return TALLY_OK;
}

void tally_statement_header(const struct tally_statement *s, struct tally_payload_header *h)
{
    *h = (struct tally_payload_header){
        .kind = s->kind, .mode = s->mode, .round = s->round, .plaintext_bytes = s->plaintext_bytes};
    memcpy(h->federation, s->federation, sizeof h->federation);
    memcpy(h->job, s->job, sizeof h->job);
    memcpy(h->base, s->base, sizeof h->base);
    memcpy(h->org, s->org, sizeof h->org);
    memcpy(h->node, s->node, sizeof h->node);
}

enum tally_status tally_statement_check(const struct tally_statement *s,
                                        const struct tally_opening *o, const char *org,
                                        const char *node)
{
    TALLY_REFUSE_UNLESS(strcmp(s->org, org) == 0 && strcmp(s->node, node) == 0, TALLY_R_E_IDENTITY,
                        "statement of %s/%s, not %s/%s", s->org, s->node, org, node);
    TALLY_REFUSE_UNLESS(memcmp(s->federation, o->federation, 32) == 0, TALLY_R_E_FEDERATION,
                        "statement under another federation document");
    TALLY_REFUSE_UNLESS(memcmp(s->job, o->job, 32) == 0 && memcmp(s->krp, o->krp, 32) == 0,
                        TALLY_R_E_UPDATE, "statement for another job or key release policy");
    TALLY_REFUSE_UNLESS(s->mode == o->mode, TALLY_R_E_IDENTITY, "statement of another mode");
    TALLY_REFUSE_UNLESS(s->kind == o->kind, TALLY_R_E_UPDATE, "statement of kind %d, not %d",
                        (int)s->kind, (int)o->kind);
    TALLY_REFUSE_UNLESS(memcmp(s->challenge, o->challenge, 32) == 0, TALLY_R_E_UPDATE,
                        "statement for another challenge");
    TALLY_REFUSE_UNLESS(memcmp(s->base, o->base, 32) == 0, TALLY_R_E_UPDATE,
                        "statement on another base");
    TALLY_REFUSE_UNLESS(s->round == o->round, TALLY_R_E_UPDATE,
                        "statement for round %llu, not %llu", (unsigned long long)s->round,
                        (unsigned long long)o->round);
    return TALLY_OK;
}

/* ---- what is quoted, signed and wrapped ---- */

struct tally_slice tally_update_body(struct tally_slice st, uint8_t buf[TALLY_UPDATE_BODY_MAX])
{
    struct tally_wr w = tally_wr_to(buf, TALLY_UPDATE_BODY_MAX);

    tally_wr_vec(&w, st);
    tally_wr_put(&w, zeros, TALLY_GPU_SET_HASH_BYTES);
    TALLY_ASSERT(!w.full);
    return tally_slice_of(buf, w.used);
}

enum tally_status tally_update_expected(const struct tally_update_quote *u,
                                        uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                        uint8_t gpu_nonce[32])
{
    uint8_t buf[TALLY_UPDATE_BODY_MAX];
    const struct tally_quote_ask ask = {TALLY_QUOTE_UPDATE, tally_update_body(u->st, buf),
                                        u->challenge, u->key_block};

    return tally_quote_expected(&ask, u->ev, report_data, gpu_nonce);
}

/* Labels end in their zero byte. */
enum tally_status tally_opening_sign(const struct tally_sign_key *attested,
                                     struct tally_slice opening, uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign(attested, TALLY_SLICES(TALLY_SLICE("tally/open/v1"), opening), 2, sig);
}

enum tally_status tally_opening_verify(const uint8_t attested[32], struct tally_slice opening,
                                       const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign_verify(attested, TALLY_SLICES(TALLY_SLICE("tally/open/v1"), opening), 2, sig);
}

enum { UPDATE_TEXT_MAX = 16 + 4 + TALLY_STATEMENT_BYTES_MAX + 32 };

static struct tally_slice update_text(struct tally_slice st, struct tally_slice ev,
                                      uint8_t buf[UPDATE_TEXT_MAX])
{
    struct tally_wr w = tally_wr_to(buf, UPDATE_TEXT_MAX);
    uint8_t ev_digest[32];

    TALLY_SHA256_OF(ev_digest, ev);
    tally_wr_bytes(&w, TALLY_SLICE("tally/up/v1 sig"));
    tally_wr_vec(&w, st);
    tally_wr_bytes(&w, TALLY_SLICE(ev_digest));
    TALLY_ASSERT(!w.full);
    return tally_slice_of(buf, w.used);
}

enum tally_status tally_update_sign(const struct tally_sign_key *attested, struct tally_slice st,
                                    struct tally_slice ev, uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    uint8_t buf[UPDATE_TEXT_MAX];

    return tally_sign(attested, TALLY_SLICES(update_text(st, ev, buf)), 1, sig);
}

enum tally_status tally_update_verify(const uint8_t attested[32], struct tally_slice st,
                                      struct tally_slice ev,
                                      const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    uint8_t buf[UPDATE_TEXT_MAX];

    return tally_sign_verify(attested, TALLY_SLICES(update_text(st, ev, buf)), 1, sig);
}

enum tally_status tally_ack_sign(const struct tally_sign_key *attested, const uint8_t st_digest[32],
                                 const uint8_t ev_digest[32], uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign(attested,
                      TALLY_SLICES(TALLY_SLICE("tally/ack/v1"), tally_slice_of(st_digest, 32),
                                   tally_slice_of(ev_digest, 32)),
                      3, sig);
}

enum tally_status tally_ack_verify(const uint8_t attested[32], const uint8_t st_digest[32],
                                   const uint8_t ev_digest[32],
                                   const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign_verify(attested,
                             TALLY_SLICES(TALLY_SLICE("tally/ack/v1"),
                                          tally_slice_of(st_digest, 32),
                                          tally_slice_of(ev_digest, 32)),
                             3, sig);
}

void tally_key_id(struct tally_slice key_block, uint8_t id[32])
{
    TALLY_SHA256_OF(id, TALLY_SLICE("tally/kb/v1"), key_block);
}

void tally_wrap_info(const uint8_t key_id[32], uint8_t info[TALLY_WRAP_INFO_BYTES])
{
    struct tally_wr w = tally_wr_to(info, TALLY_WRAP_INFO_BYTES);

    tally_wr_bytes(&w, TALLY_SLICE("tally/wrap/v1"));
    tally_wr_put(&w, key_id, 32);
    TALLY_ASSERT(!w.full && w.used == TALLY_WRAP_INFO_BYTES);
}

/* ---- upload head ---- */

enum tally_status tally_upload_head_encode(const struct tally_upload_head *u, struct tally_wr *w,
                                           struct tally_slice *out)
{
    size_t from = w->used;

    TALLY_ENSURE(u->st.len <= TALLY_STATEMENT_BYTES_MAX && u->ev.len <= TALLY_EV_MAX &&
                     u->endorsements.len <= TALLY_ENDORSEMENTS_MAX,
                 TALLY_E_LIMIT, "head of an upload");
    tally_wr_vec(w, u->st);
    tally_wr_vec(w, u->ev);
    tally_wr_vec(w, u->endorsements);
    tally_wr_bytes(w, TALLY_SLICE(u->sig));
    tally_wr_bytes(w, TALLY_SLICE(u->wrap));
    return written(w, from, out);
}

enum tally_status tally_upload_head_decode(struct tally_slice in, struct tally_upload_head *u)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_upload_head got = {0};

    got.st = tally_rd_vec(&r, TALLY_STATEMENT_BYTES_MAX, "statement");
    got.ev = tally_rd_vec(&r, TALLY_EV_MAX, "evidence");
    got.endorsements = tally_rd_vec(&r, TALLY_ENDORSEMENTS_MAX, "endorsements");
    tally_rd_copy(&r, got.sig, sizeof got.sig, "signature");
    tally_rd_copy(&r, got.wrap, sizeof got.wrap, "wrap");
    TALLY_TRY(tally_rd_end(&r));
    *u = got;
    return TALLY_OK;
}
