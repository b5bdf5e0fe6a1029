/* session.c - see attacker.h: messages, updates and votes inside a session. */
#include <sodium.h>
#include <string.h>

#include "common/chunked.h"
#include "common/hpke.h"
#include "common/loop.h"
#include "common/moments.h"
#include "common/sealtree.h"
#include "tests/attack/attacker.h"
#include "tests/attack/expect.h"
#include "tests/lib/update_data.h"

void attacker_send_record(struct attacker *a, enum tally_record_kind kind, struct tally_slice body)
{
    uint8_t *frame = malloc(body.len + TALLY_RECORD_EXTRA_BYTES);
    size_t n;

    EXPECT(frame != NULL, "memory");
    memcpy(frame + TALLY_RECORD_BODY_AT, body.at, body.len);
    EXPECT_OK(tally_record_seal(&a->records, kind, tally_wall_ms(), frame, body.len, &n));
    attacker_send(a, frame, n);
    free(frame);
}

void attacker_send_message(struct attacker *a, const struct tally_message *m)
{
    uint8_t *bytes = malloc(TALLY_MESSAGE_BYTES_MAX);
    struct tally_wr w = tally_wr_to(bytes, TALLY_MESSAGE_BYTES_MAX);
    struct tally_slice body;

    EXPECT(bytes != NULL, "memory");
    tally_message_encode(&w, m);
    EXPECT_OK(tally_wr_end(&w, &body));
    attacker_send_record(a, TALLY_RECORD_MESSAGE, body);
    free(bytes);
}

bool attacker_await(struct attacker *a, enum tally_message_type type, struct tally_message *m,
                    int wait_ms)
{
    return attacker_await_any(a, ATTACKER_TYPE(type), m, wait_ms);
}

bool attacker_await_any(struct attacker *a, uint32_t types, struct tally_message *m, int wait_ms)
{
    uint64_t until_ms = tally_wall_ms() + (uint64_t)wait_ms;

    for (;;) {
        enum tally_record_kind kind;
        struct tally_slice body;
        uint64_t now_ms = tally_wall_ms();
        size_t n = now_ms < until_ms ? attacker_receive(a, (int)(until_ms - now_ms)) : 0;
        if (n == 0) return false;
        if (tally_record_open(&a->records, now_ms, a->frame, n, &kind, &body) != TALLY_OK)
            return false;
        if (kind != TALLY_RECORD_MESSAGE) continue;
        EXPECT_OK(tally_message_decode(body, m));
        if (types & ATTACKER_TYPE(m->type)) return true;
    }
}

void attacker_join(struct attacker *a, const uint8_t *job)
{
    struct tally_message hello = {.type = TALLY_MSG_HELLO, .text = tally_slice_str("attacker")}, m;

    if (job != NULL)
        memcpy(a->job, job, 32);
    else
        memset(a->job, 0, 32);
    attacker_handshake(a);
    EXPECT(attacker_await(a, TALLY_MSG_HELLO, &m, ATTACKER_WAIT_MS), "no HELLO");
    hello.time_ms = tally_wall_ms();
    attacker_send_message(a, &hello);
}

bool attacker_session_lives(struct attacker *a)
{
    struct tally_message m = {.type = TALLY_MSG_FETCH, .kind = TALLY_OBJECT_MODEL, .count = 1};

    memset(m.digest, 0xa5, 32);
    attacker_send_message(a, &m);
    return attacker_await(a, TALLY_MSG_REFUSED, &m, ATTACKER_WAIT_MS);
}

/* ---- updates ---- */

struct tally_slice attacker_moments(const struct tally_job *job, uint64_t rows)
{
    struct tally_moments m;
    struct tally_wr w;
    struct tally_payload p = {.kind = TALLY_PAYLOAD_MOMENTS};
    uint8_t *bytes, *out;
    size_t len;

    EXPECT_OK(tally_moments_init(&job->schema, &m));
    m.rows = rows;
    m.positives = rows / 4;
    m.weight = (double)rows;
    m.positive_weight = (double)(rows / 4);
    m.sites = 1;
    for (uint32_t i = 0; i < m.columns_n; i++) {
        m.columns[i].n = rows;
        m.columns[i].m2 = (double)rows;
    }
    EXPECT_OK(tally_moments_encode(&m, &bytes, &len));
    out = malloc(len + TALLY_PAYLOAD_HEAD_MAX);
    EXPECT(out != NULL, "memory");
    w = tally_wr_to(out, len + TALLY_PAYLOAD_HEAD_MAX);
    p.moments = tally_slice_of(bytes, len);
    tally_payload_encode_head(&w, &p);
    struct tally_slice all;
    EXPECT_OK(tally_wr_end(&w, &all));
    free(bytes);
    tally_moments_free(&m);
    return all;
}

struct tally_slice attacker_delta(size_t params, float value)
{
    size_t cap = TALLY_PAYLOAD_HEAD_MAX + 4 * params;
    struct tally_evaluation *e = calloc(1, sizeof *e);
    uint8_t *room = malloc(TALLY_EVALUATION_BYTES_MAX), *out = malloc(cap);
    struct tally_payload p = {.kind = TALLY_PAYLOAD_DELTA, .values = params};

    EXPECT(e != NULL && room != NULL && out != NULL, "memory");
    struct tally_wr we = tally_wr_to(room, TALLY_EVALUATION_BYTES_MAX), w = tally_wr_to(out, cap);
    e->rows = 20;
    e->positives = 10;
    e->positive[3000] = e->negative[1000] = 10;
    tally_evaluation_encode(&we, e);
    EXPECT_OK(tally_wr_end(&we, &p.evaluation));
    tally_payload_encode_head(&w, &p);
    for (size_t i = 0; i < params; i++) tally_wr_put(&w, &value, sizeof value);
    struct tally_slice all;
    EXPECT_OK(tally_wr_end(&w, &all));
    free(e);
    free(room);
    return all;
}

void attacker_update_make(struct attacker *a, const struct tally_opening *o,
                          struct tally_slice plain, uint32_t examples, struct attacker_update *u)
{
    uint8_t salt[TALLY_CHUNKED_SALT_BYTES], context[32], sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_slice sh;

    *u = (struct attacker_update){0};
    u->st = (struct tally_statement){.kind = o->kind,
                                     .mode = o->mode,
                                     .round = o->round,
                                     .plaintext_bytes = plain.len,
                                     .sealed_bytes = tally_statement_sealed_bytes(plain.len),
                                     .examples = examples};
    memcpy(u->st.federation, o->federation, 32);
    memcpy(u->st.job, o->job, 32);
    memcpy(u->st.krp, o->krp, 32);
    memcpy(u->st.challenge, o->challenge, 32);
    memcpy(u->st.base, o->base, 32);
    (void)snprintf(u->st.org, sizeof u->st.org, "%s", a->self->org);
    (void)snprintf(u->st.node, sizeof u->st.node, "%s", a->self->node);
    randombytes_buf(u->key, sizeof u->key);
    randombytes_buf(salt, sizeof salt);
    tally_statement_header(&u->st, &h);
    EXPECT_OK(tally_payload_header_encode(&h, &w, &sh));
    TALLY_SHA256_OF(context, sh);
    u->sealed_len = u->st.sealed_bytes;
    u->sealed = malloc(u->sealed_len);
    EXPECT(u->sealed != NULL, "memory");
    EXPECT_OK(tally_chunked_seal(u->key, TALLY_SLICE(context), salt, plain, u->sealed));
    tally_sealtree_digest(sh, tally_slice_of(u->sealed, u->sealed_len), u->st.seal_digest);
}

void attacker_update_free(struct attacker_update *u)
{
    free(u->sealed);
    *u = (struct attacker_update){0};
}

void attacker_wrap(struct attacker *a, const uint8_t key[32], const uint8_t seal_digest[32],
                   uint8_t wrap[TALLY_WRAP_BYTES])
{
    uint8_t info[TALLY_WRAP_INFO_BYTES], ephemeral[32];

    tally_wrap_info(a->server_key_id, info);
    randombytes_buf(ephemeral, sizeof ephemeral);
    EXPECT_OK(tally_hpke_seal(a->server_kb.kem_key, ephemeral, TALLY_SLICE(info),
                              tally_slice_of(seal_digest, 32), tally_slice_of(key, 32), wrap));
}

void attacker_update_head(struct attacker *a, struct attacker_update *u)
{
    uint8_t st_bytes[TALLY_STATEMENT_BYTES_MAX], bytes[TALLY_SNP_REPORT_BYTES], ev[2048],
        endorsements[16384];
    struct tally_wr w = tally_wr_to(st_bytes, sizeof st_bytes), we = tally_wr_to(ev, sizeof ev),
                    wn = tally_wr_to(endorsements, sizeof endorsements);
    struct tally_message m = {.type = TALLY_MSG_UPLOAD};
    struct tally_snp_report r;

    EXPECT_OK(tally_statement_encode(&u->st, &w, &m.body));
    TALLY_SHA256_OF(u->st_digest, m.body);
    tally_sim_report_init(a->chip, &r);
    memcpy(r.measurement, a->measurement, sizeof r.measurement);
    memcpy(r.host_data, a->federation->id, sizeof r.host_data);
    update_data(m.body, tally_slice_of(a->kb_bytes, a->kb_len), r.report_data);
    if (u->report != NULL) u->report(a, &r);
    EXPECT_OK(tally_sim_report_sign(a->chip, &r, bytes));
    tally_evidence_encode(
        &we, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(a->chip, &wn);
    EXPECT_OK(tally_wr_end(&we, &m.evidence));
    EXPECT_OK(tally_wr_end(&wn, &m.endorsements));
    EXPECT_OK(tally_update_sign(&a->attested, m.body, m.evidence, m.signature));
    if (!u->wrapped) attacker_wrap(a, u->key, u->st.seal_digest, u->wrap);
    memcpy(m.wrap, u->wrap, sizeof m.wrap);
    attacker_send_message(a, &m);
}

void attacker_send_chunk(struct attacker *a, const uint8_t digest[32], uint32_t index,
                         struct tally_slice piece)
{
    uint8_t *body = malloc(TALLY_CHUNK_HEAD_BYTES + piece.len);

    EXPECT(body != NULL, "memory");
    tally_chunk_head(digest, index, body);
    memcpy(body + TALLY_CHUNK_HEAD_BYTES, piece.at, piece.len);
    attacker_send_record(a, TALLY_RECORD_CHUNK,
                         tally_slice_of(body, TALLY_CHUNK_HEAD_BYTES + piece.len));
    free(body);
}

void attacker_send_pieces(struct attacker *a, const struct attacker_update *u,
                          const struct tally_message *go)
{
    uint32_t credit = go->count, index = go->first;
    struct tally_message m;

    while ((uint64_t)index * TALLY_PIECE_BYTES_MAX < u->sealed_len) {
        size_t at = (size_t)index * TALLY_PIECE_BYTES_MAX, left = u->sealed_len - at;
        if (credit == 0) {
            EXPECT(attacker_await(a, TALLY_MSG_CREDIT, &m, ATTACKER_WAIT_MS), "no credit");
            credit += m.count;
        }
        attacker_send_chunk(a, u->st.seal_digest, index,
                            tally_slice_of(u->sealed + at, left < TALLY_PIECE_BYTES_MAX
                                                               ? left
                                                               : TALLY_PIECE_BYTES_MAX));
        credit--;
        index++;
    }
}

void attacker_upload(struct attacker *a, struct attacker_update *u)
{
    struct tally_message m;

    attacker_update_head(a, u);
    EXPECT(attacker_await(a, TALLY_MSG_GO, &m, ATTACKER_WAIT_MS), "no GO");
    attacker_send_pieces(a, u, &m);
    EXPECT(attacker_await(a, TALLY_MSG_ACK, &m, ATTACKER_WAIT_MS), "no ACK");
    EXPECT(memcmp(m.digest, u->st_digest, 32) == 0, "an ACK of something else");
}

void attacker_await_open(struct attacker *a, struct tally_opening *o)
{
    struct tally_message m;

    EXPECT(attacker_await(a, TALLY_MSG_OPEN, &m, ATTACKER_WAIT_MS), "no OPEN");
    EXPECT_OK(tally_opening_verify(a->server_kb.attested_key, m.body, m.signature));
    EXPECT_OK(tally_opening_decode(m.body, o));
}

void attacker_vote(struct attacker *a, struct tally_set *set)
{
    struct tally_message m, vote = {.type = TALLY_MSG_VOTE};

    EXPECT(attacker_await(a, TALLY_MSG_SET, &m, ATTACKER_WAIT_MS), "no SET");
    EXPECT_OK(tally_set_decode(m.body, set));
    TALLY_SHA256_OF(vote.digest, m.body);
    EXPECT_OK(tally_vote_sign(&a->attested, vote.digest, vote.signature));
    attacker_send_message(a, &vote);
}
