/* test_golden.c - two complete handshakes and rounds of another implementation, reproduced byte for
 * byte: vectors/channel/golden.json (CHANNEL.md). Whatever the state machine makes by itself is
 * taken from it. */
#include <string.h>

#include "common/chunked.h"
#include "common/hpke.h"
#include "common/sealtree.h"
#include "common/text.h"
#include "proto/set.h"
#include "tests/lib/pair.h"
#include "tests/lib/suite.h"
#include "tests/lib/update_data.h"
#include "tests/lib/vectors.h"

enum { CASES = 2, PLAIN_BYTES = 600000 };

static json_t *all, *inputs, *values, *round_;
static struct pair p;

static const char *text(const json_t *from, const char *name)
{
    const char *s = json_string_value(json_object_get(from, name));

    ck_assert_msg(s != NULL, "no %s", name);
    return s;
}

static uint64_t number(const char *name)
{
    const json_t *n = json_object_get(round_, name);

    ck_assert_msg(json_is_integer(n), "no %s", name);
    return (uint64_t)json_integer_value(n);
}

static void input(const char *name, void *to, size_t len)
{
    ck_assert_uint_eq(strlen(text(inputs, name)), 2 * len);
    ck_assert_int_eq(tally_unhex(text(inputs, name), to, len), TALLY_OK);
}

/* Compares and takes the value out, so that the end can see that none was left. */
static void same(json_t *where, const char *name, struct tally_slice got)
{
    size_t len;
    uint8_t *want = tally_test_unhex(text(where, name), &len);

    ck_assert_msg(len == got.len && memcmp(want, got.at, len) == 0, "%s differs", name);
    free(want);
    ck_assert_int_eq(json_object_del(where, name), 0);
}

static void none_left(json_t *where)
{
    const char *name = json_object_iter_key(json_object_iter(where));

    ck_assert_msg(name == NULL, "%s was not reproduced", name);
}

#define SAME(where, name, array) same(where, name, TALLY_SLICE(array))

static void seed(const char *name, struct tally_sign_key *k)
{
    uint8_t bytes[32];

    input(name, bytes, 32);
    tally_sign_key_from_seed(k, bytes);
}

static void name_of(const char *name, char to[TALLY_NAME_MAX + 1])
{
    const char *s = text(inputs, name);

    ck_assert_uint_le(strlen(s), TALLY_NAME_MAX);
    memset(to, 0, TALLY_NAME_MAX + 1);
    memcpy(to, s, strlen(s));
}

static void load(int i)
{
    all = tally_vectors_json("vectors/channel/golden.json");
    const json_t *one = json_array_get(json_object_get(all, "cases"), (size_t)i);
    ck_assert_uint_eq(json_array_size(json_object_get(all, "cases")), CASES);
    inputs = json_object_get(one, "inputs");
    values = json_object_get(one, "values");
    round_ = json_object_get(one, "round");
    pair_init(&p);
    p.f.mode = (enum tally_mode)text(inputs, "mode")[0];
    input("federation", p.f.digest, 32);
    input("federation_id", p.f.id, 32);
    input("job", p.job, 32);
    input("krp", p.krp, 32);
    name_of("org_c", p.c.node->org);
    name_of("node_c", p.c.node->node);
    name_of("org_s", p.s.node->org);
    name_of("node_s", p.s.node->node);
    seed("session_seed_c", &p.c.session);
    seed("session_seed_s", &p.s.session);
    seed("attested_seed_c", &p.c.attested);
    seed("attested_seed_s", &p.s.attested);
    input("kem_secret_c", p.c.kem_secret, 32);
    input("kem_secret_s", p.s.kem_secret, 32);
    input("instance_c", p.c.kb.instance, 16);
    input("instance_s", p.s.kb.instance, 16);
    input("ephemeral_secret_c", p.c.fresh.ephemeral, 32);
    input("ephemeral_secret_s", p.s.fresh.ephemeral, 32);
    input("nonce_c", p.c.fresh.nonce, 32);
    input("nonce_s", p.s.fresh.nonce, 32);
    ck_assert_str_eq(text(inputs, "version"), p.c.kb.software);
    pair_begin(&p);
}

static void sent(const char *name, const struct pair_side *by)
{
    same(values, name, by->did.send);
}

/* What a side's evidence is, and the P that carries it. */
static void proof(const struct pair_side *by, const struct pair_side *to, const char *report_data,
                  const char *ev, const char *proof_name)
{
    uint8_t rd[TALLY_REPORT_DATA_BYTES];

    pair_report_data(by, rd);
    SAME(values, report_data, rd);
    same(values, ev, by->ev);
    same(values, proof_name,
         pair_proof(to, by->ev, by->endorsements, by->key_block, &by->session, NULL));
}

static void first_half(void)
{
    uint8_t t0[32];
    const struct tally_handshake_keys *k = &p.c.h.keys;

    tally_transcript_start(t0);
    SAME(values, "T0", t0);
    same(values, "KB_s", p.s.key_block);
    same(values, "KB_c", p.c.key_block);
    ck_assert_int_eq(pair_start(&p, &p.c), TALLY_OK);
    sent("M1", &p.c);
    SAME(values, "T1", p.c.h.t);
    ck_assert_int_eq(pair_give(&p, &p.s, p.c.did.send.at, p.c.did.send.len), TALLY_OK);
    sent("M2", &p.s);
    SAME(values, "T2", p.s.h.t);
    SAME(values, "bind_s", p.s.h.binder);
    ck_assert_int_eq(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_OK);
    SAME(values, "dh", k->dh);
    SAME(values, "prk1", k->prk1);
    SAME(values, "hs_s", k->hs_s);
    SAME(values, "hs_c", k->hs_c);
    SAME(values, "bk", k->bk);
    SAME(values, "nx", k->nx);
    ck_assert_mem_eq(k, &p.s.h.keys, sizeof *k);
}

static void second_half(void)
{
    uint8_t fin[32];

    ck_assert_int_eq(pair_quoted(&p, &p.s), TALLY_OK);
    proof(&p.s, &p.c, "REPORT_DATA_s", "EV_s", "P_s");
    sent("M3", &p.s);
    SAME(values, "T3", p.s.h.t);
    ck_assert_int_eq(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_OK);
    SAME(values, "bind_c", p.c.h.binder);
    ck_assert_int_eq(pair_quoted(&p, &p.c), TALLY_OK);
    proof(&p.c, &p.s, "REPORT_DATA_c", "EV_c", "P_c");
    sent("M4", &p.c);
    SAME(values, "T4", p.c.h.t);
    SAME(values, "prk2", p.c.h.session_keys.prk2);
    SAME(values, "ap_s", p.c.h.session_keys.ap_s);
    SAME(values, "ap_c", p.c.h.session_keys.ap_c);
    SAME(values, "fin", p.c.h.session_keys.fin);
    tally_session_keys_fin(&p.c.h.session_keys, p.c.h.t, fin);
    SAME(values, "FIN", fin);
    ck_assert_int_eq(pair_give(&p, &p.s, p.c.did.send.at, p.c.did.send.len), TALLY_OK);
    ck_assert_mem_eq(p.c.h.t, p.s.h.t, 32);
    sent("record_s0", &p.s);
    ck_assert_int_eq(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_OK);
    ck_assert(p.c.did.established);
    ck_assert_uint_eq(p.appraisals, 2);
}

static void record(const char *name, const char *body)
{
    uint8_t frame[64];
    size_t len, n = strlen(body);
    enum tally_record_kind kind;
    struct tally_slice got;

    memcpy(frame + TALLY_RECORD_BODY_AT, body, n);
    ck_assert_int_eq(
        tally_record_seal(&p.c.records, TALLY_RECORD_MESSAGE, p.now_ms, frame, n, &len), TALLY_OK);
    same(values, name, tally_slice_of(frame, len));
    ck_assert_int_eq(tally_record_open(&p.s.records, p.now_ms, frame, len, &kind, &got), TALLY_OK);
    ck_assert_int_eq(kind, TALLY_RECORD_MESSAGE);
    ck_assert(tally_slice_equal(got, tally_slice_str(body)));
}

START_TEST(every_value_of_a_handshake_and_its_records_is_that_of_the_document)
{
    load(_i);
    first_half();
    second_half();
    tally_handshake_take(&p.c.h, &p.c.records, &p.c.peer);
    tally_handshake_take(&p.s.h, &p.s.records, &p.s.peer);
    record("record_c0", "hello");
    record("record_c1", "again");
    none_left(values);
    pair_end(&p);
    json_decref(all);
}
END_TEST

/* ---- a round ---- */

static void opening(struct tally_opening *o)
{
    size_t len;
    uint8_t *bytes = tally_test_unhex(text(round_, "OPEN"), &len), again[TALLY_OPENING_BYTES];
    uint8_t sig[TALLY_SIGNATURE_BYTES], challenge[32], base[32];

    ck_assert_int_eq(tally_opening_decode(tally_slice_of(bytes, len), o), TALLY_OK);
    ck_assert_int_eq(tally_opening_encode(o, again), TALLY_OK);
    SAME(round_, "OPEN", again);
    ck_assert_int_eq(tally_unhex(text(round_, "challenge"), challenge, 32), TALLY_OK);
    ck_assert_int_eq(tally_unhex(text(round_, "base"), base, 32), TALLY_OK);
    ck_assert(o->kind == TALLY_PAYLOAD_DELTA && o->mode == p.f.mode &&
              o->round == number("round") && memcmp(o->federation, p.f.digest, 32) == 0 &&
              memcmp(o->job, p.job, 32) == 0 && memcmp(o->krp, p.krp, 32) == 0 &&
              memcmp(o->instance, p.s.kb.instance, 16) == 0 &&
              memcmp(o->challenge, challenge, 32) == 0 && memcmp(o->base, base, 32) == 0);
    ck_assert_uint_eq(o->deadline_ms - o->opened_ms, 600000);
    ck_assert_int_eq(tally_opening_sign(&p.s.attested, TALLY_SLICE(again), sig), TALLY_OK);
    SAME(round_, "open_signature", sig);
    ck_assert_int_eq(tally_opening_verify(p.s.kb.attested_key, TALLY_SLICE(again), sig), TALLY_OK);
    free(bytes);
}

/* ST but for its seal digest, whose SH is made from it. */
static struct tally_statement statement(const struct tally_opening *o)
{
    struct tally_statement st = {
        .kind = o->kind,
        .mode = o->mode,
        .round = o->round,
        .plaintext_bytes = PLAIN_BYTES,
        .sealed_bytes = tally_statement_sealed_bytes(PLAIN_BYTES),
        .examples = (uint32_t)number("examples"),
    };

    memcpy(st.federation, o->federation, 32);
    memcpy(st.job, o->job, 32);
    memcpy(st.krp, o->krp, 32);
    memcpy(st.challenge, o->challenge, 32);
    memcpy(st.base, o->base, 32);
    memcpy(st.org, p.c.node->org, sizeof st.org);
    memcpy(st.node, p.c.node->node, sizeof st.node);
    return st;
}

static void seal(struct tally_statement *st)
{
    static uint8_t plain[PLAIN_BYTES], file[PLAIN_BYTES + 1024];
    uint8_t header[TALLY_PAYLOAD_HEADER_BYTES_MAX], context[32], digest[32];
    uint8_t key[TALLY_CHUNKED_KEY_BYTES], salt[TALLY_CHUNKED_SALT_BYTES];
    struct tally_wr w = tally_wr_to(header, sizeof header);
    struct tally_payload_header h;
    struct tally_slice sh;

    for (size_t i = 0; i < PLAIN_BYTES; i++) plain[i] = (uint8_t)(7 * i + 3);
    tally_statement_header(st, &h);
    ck_assert_int_eq(tally_payload_header_encode(&h, &w, &sh), TALLY_OK);
    same(round_, "SH", sh);
    ck_assert_int_eq(tally_unhex(text(round_, "content_key"), key, sizeof key), TALLY_OK);
    ck_assert_int_eq(tally_unhex(text(round_, "salt"), salt, sizeof salt), TALLY_OK);
    TALLY_SHA256_OF(context, sh);
    ck_assert_int_eq(tally_chunked_seal(key, TALLY_SLICE(context), salt, TALLY_SLICE(plain), file),
                     TALLY_OK);
    same(round_, "file_first_72", tally_slice_of(file, 72));
    struct tally_slice whole = tally_slice_of(file, st->sealed_bytes);
    TALLY_SHA256_OF(digest, whole);
    SAME(round_, "file_sha256", digest);
    tally_sealtree_digest(sh, whole, st->seal_digest);
    SAME(round_, "seal_digest", st->seal_digest);
}

/* The update's evidence and signatures; its two digests for the ack. */
static void update(struct tally_slice st, uint8_t st_digest[32])
{
    uint8_t rd[TALLY_REPORT_DATA_BYTES], made[TALLY_REPORT_DATA_BYTES], gpu_nonce[32];
    uint8_t no_devices[16], zero[32] = {0};
    uint8_t sig[TALLY_SIGNATURE_BYTES], ev_digest[32];
    struct tally_wr w = tally_wr_to(no_devices, sizeof no_devices);

    update_data(st, p.c.key_block, rd);
    SAME(round_, "REPORT_DATA_update", rd);
    tally_evidence_encode(&w, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP});
    ck_assert_int_eq(tally_update_expected(
                         &(struct tally_update_quote){st, p.c.key_block,
                                                      tally_slice_of(no_devices, w.used), zero},
                         made, gpu_nonce),
                     TALLY_OK);
    ck_assert_mem_eq(rd, made, sizeof rd); /* what the device is asked is what is compared */
    pair_quote(&p.c, rd);
    same(round_, "EV_update", p.c.ev);
    ck_assert_int_eq(tally_update_sign(&p.c.attested, st, p.c.ev, sig), TALLY_OK);
    SAME(round_, "update_signature", sig);
    ck_assert_int_eq(tally_update_verify(p.c.kb.attested_key, st, p.c.ev, sig), TALLY_OK);
    TALLY_SHA256_OF(st_digest, st);
    TALLY_SHA256_OF(ev_digest, p.c.ev);
    ck_assert_int_eq(tally_ack_sign(&p.s.attested, st_digest, ev_digest, sig), TALLY_OK);
    SAME(round_, "ack_signature", sig);
    ck_assert_int_eq(tally_ack_verify(p.s.kb.attested_key, st_digest, ev_digest, sig), TALLY_OK);
}

static void wrap(const struct tally_statement *st)
{
    uint8_t id[32], info[TALLY_WRAP_INFO_BYTES], wrapped[TALLY_WRAP_BYTES];
    uint8_t key[TALLY_CHUNKED_KEY_BYTES], ephemeral[32], opened[TALLY_CHUNKED_KEY_BYTES];

    tally_key_id(p.s.key_block, id);
    SAME(round_, "key_id", id);
    tally_wrap_info(id, info);
    ck_assert_int_eq(tally_unhex(text(round_, "content_key"), key, sizeof key), TALLY_OK);
    ck_assert_int_eq(tally_unhex(text(round_, "wrap_ephemeral_secret"), ephemeral, 32), TALLY_OK);
    ck_assert_int_eq(tally_hpke_seal(p.s.kb.kem_key, ephemeral, TALLY_SLICE(info),
                                     TALLY_SLICE(st->seal_digest), TALLY_SLICE(key), wrapped),
                     TALLY_OK);
    SAME(round_, "wrap", wrapped);
    ck_assert_int_eq(tally_hpke_open(p.s.kem_secret, TALLY_SLICE(info),
                                     TALLY_SLICE(st->seal_digest), TALLY_SLICE(wrapped), opened),
                     TALLY_OK);
    ck_assert_mem_eq(opened, key, sizeof key);
}

static void set_and_vote(const struct tally_statement *st, const uint8_t st_digest[32])
{
    static struct tally_set s, again;
    static uint8_t bytes[TALLY_SET_BYTES_MAX];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice out;
    uint8_t digest[32], sig[TALLY_SIGNATURE_BYTES];

    s = (struct tally_set){
        .kind = st->kind, .mode = st->mode, .combine = true, .round = st->round, .rows_n = 2};
    memcpy(s.federation, st->federation, 32);
    memcpy(s.job, st->job, 32);
    memcpy(s.challenge, st->challenge, 32);
    memcpy(s.base, st->base, 32);
    s.rows[0].status = TALLY_ROW_COUNTED;
    s.rows[0].examples = st->examples;
    memcpy(s.rows[0].org, st->org, sizeof st->org);
    memcpy(s.rows[0].node, st->node, sizeof st->node);
    memcpy(s.rows[0].statement, st_digest, 32);
    s.rows[1].status = TALLY_ROW_EXCLUDED;
    s.rows[1].reason = TALLY_R_deadline;
    memcpy(s.rows[1].org, "bank-2", 7);
    memcpy(s.rows[1].node, "agent-1", 8);
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
    ck_assert_int_eq(tally_set_encode(&s, &w, &out), TALLY_OK);
    same(round_, "SET", out);
    ck_assert_int_eq(tally_set_decode(out, &again), TALLY_OK);
    ck_assert_uint_eq(again.rows[0].weight, st->examples);
    ck_assert_int_eq(again.rows[1].reason, TALLY_R_deadline);
    TALLY_SHA256_OF(digest, out);
    ck_assert_int_eq(tally_vote_sign(&p.c.attested, digest, sig), TALLY_OK);
    SAME(round_, "vote_signature", sig);
    ck_assert_int_eq(tally_vote_verify(p.c.kb.attested_key, digest, sig), TALLY_OK);
}

static void collected(void)
{
    struct tally_slice nonce = TALLY_SLICE(p.c.fresh.nonce);
    uint8_t rd[TALLY_REPORT_DATA_BYTES];

    tally_report_data(TALLY_QUOTE_COLLECT, &nonce, 1, p.c.key_block, rd);
    SAME(round_, "REPORT_DATA_collect_nonce_c", rd);
}

/* What a round starts from. */
static const char *const given[] = {"round", "challenge", "base",     "content_key",
                                    "salt",  "plaintext", "examples", "wrap_ephemeral_secret"};

START_TEST(every_value_of_a_round_is_that_of_the_document)
{
    uint8_t bytes[TALLY_STATEMENT_BYTES_MAX], st_digest[32];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_opening o;
    struct tally_slice encoded;

    load(_i);
    opening(&o);
    struct tally_statement st = statement(&o);
    seal(&st);
    ck_assert_int_eq(tally_statement_encode(&st, &w, &encoded), TALLY_OK);
    same(round_, "ST", encoded);
    ck_assert_int_eq(tally_statement_check(&st, &o, p.c.node->org, p.c.node->node), TALLY_OK);
    update(encoded, st_digest);
    wrap(&st);
    set_and_vote(&st, st_digest);
    collected();
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        ck_assert_int_eq(json_object_del(round_, given[i]), 0);
    ck_assert_uint_eq(number("file_bytes"), st.sealed_bytes);
    ck_assert_int_eq(json_object_del(round_, "file_bytes"), 0);
    none_left(round_);
    pair_end(&p);
    json_decref(all);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("golden");

    tally_vectors_need();
    tcase_add_loop_test(t, every_value_of_a_handshake_and_its_records_is_that_of_the_document, 0,
                        CASES);
    tcase_add_loop_test(t, every_value_of_a_round_is_that_of_the_document, 0, CASES);
    return tally_suite_run("proto/golden", t);
}
