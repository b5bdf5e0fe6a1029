/* pair.c - see pair.h. */
#include "tests/lib/pair.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/snp_report.h"
#include "proto/handshake_steps.h"

static void keys_of(struct pair_side *s, uint8_t n)
{
    uint8_t seed[32];

    memset(seed, n, sizeof seed);
    tally_sign_key_from_seed(&s->session, seed);
    memset(seed, n + 1, sizeof seed);
    tally_sign_key_from_seed(&s->attested, seed);
    memset(s->kem_secret, n + 2, sizeof s->kem_secret);
    memset(s->kb.instance, n + 3, sizeof s->kb.instance);
    memcpy(s->kb.software, "1.0.0", 6);
}

static void node_of(struct tally_node *n, enum tally_role role, const char *org, const char *node)
{
    *n = (struct tally_node){.role = role, .chips_n = 1};
    memcpy(n->org, org, strlen(org));
    memcpy(n->node, node, strlen(node));
    memset(n->chips[0], 0xc0 + (int)role, sizeof n->chips[0]);
}

static void fresh(struct pair *p, uint8_t n)
{
    memset(&p->c.fresh.ephemeral, 0x10 + n, 32);
    memset(&p->c.fresh.nonce, 0x40 + n, 32);
    memset(&p->s.fresh.ephemeral, 0x80 + n, 32);
    memset(&p->s.fresh.nonce, 0xc0 + n, 32);
}

void pair_init(struct pair *p)
{
    struct tally_federation *f = &p->f;

    memset(p, 0, sizeof *p);
    f->mode = TALLY_MODE_TEST;
    f->version = 1;
    memset(f->digest, 0xd1, sizeof f->digest);
    memset(f->id, 0x1d, sizeof f->id);
    f->expires_s = PAIR_NOW_S + 365 * 86400;
    f->nodes_n = f->measurements_n = 2;
    node_of(&f->nodes[0], TALLY_ROLE_AGGREGATOR, "owner", "aggregator");
    node_of(&f->nodes[1], TALLY_ROLE_AGENT, "bank-1", "agent-1");
    f->measurements[0].role = TALLY_ROLE_AGGREGATOR;
    f->measurements[1].role = TALLY_ROLE_AGENT;
    memset(f->measurements[0].digest, 0x33, TALLY_MEASUREMENT_BYTES);
    memset(f->measurements[1].digest, 0x44, TALLY_MEASUREMENT_BYTES);
    p->s.side = TALLY_SIDE_SERVER;
    p->c.side = TALLY_SIDE_CLIENT;
    p->s.node = &f->nodes[0];
    p->c.node = &f->nodes[1];
    keys_of(&p->s, 1);
    keys_of(&p->c, 11);
    fresh(p, 0);
    memset(p->job, 7, sizeof p->job);
    p->now_ms = (uint64_t)PAIR_NOW_S * 1000;
    p->appraiser = (struct tally_appraiser){pair_appraise, p};
    p->quote = pair_quote;
}

static void list(const struct pair *p, struct pair_side *s)
{
    struct tally_wr w = tally_wr_to(s->kb_bytes, sizeof s->kb_bytes);

    memcpy(s->node->session_key, tally_sign_public(&s->session), 32);
    s->kb.mode = p->f.mode;
    s->kb.role = s->node->role;
    memcpy(s->kb.federation_id, p->f.id, 32);
    memcpy(s->kb.attested_key, tally_sign_public(&s->attested), 32);
    tally_kex_public(s->kem_secret, s->kb.kem_key);
    memcpy(s->kb.org, s->node->org, sizeof s->kb.org);
    memcpy(s->kb.node, s->node->node, sizeof s->kb.node);
    ck_assert_int_eq(tally_key_block_encode(&s->kb, &w, &s->key_block), TALLY_OK);
}

static void open_side(struct pair *p, struct pair_side *s)
{
    struct tally_handshake_params x = {.side = s->side,
                                       .federation = &p->f,
                                       .self = s->node,
                                       .session_key = &s->session,
                                       .key_block = s->key_block,
                                       .peer = pair_other(p, s)->node,
                                       .revoked = &p->revoked,
                                       .appraiser = p->appraiser};

    if (s->side == TALLY_SIDE_CLIENT) {
        memcpy(x.job, p->job, 32);
        memcpy(x.krp, p->krp, 32);
    }
    tally_handshake_wipe(&s->h);
    ck_assert_msg(tally_handshake_init(&s->h, &x, &s->fresh) == TALLY_OK, "%s", tally_why());
}

void pair_begin(struct pair *p)
{
    list(p, &p->s);
    list(p, &p->c);
    open_side(p, &p->s);
    open_side(p, &p->c);
}

void pair_again(struct pair *p, uint8_t n)
{
    fresh(p, n);
    open_side(p, &p->s);
    open_side(p, &p->c);
}

static void end_side(struct pair_side *s)
{
    tally_handshake_wipe(&s->h);
    tally_records_end(&s->records);
    free(s->frame);
    s->frame = NULL;
}

void pair_end(struct pair *p)
{
    end_side(&p->c);
    end_side(&p->s);
}

struct pair_side *pair_other(struct pair *p, const struct pair_side *to)
{
    return to == &p->c ? &p->s : &p->c;
}

static enum tally_status step(struct pair *p, struct pair_side *to,
                              struct tally_handshake_event *ev)
{
    ev->now_ms = p->now_ms;
    ev->out = to->out;
    ev->out_cap = sizeof to->out;
    return tally_handshake_step(&to->h, ev, &to->did);
}

enum tally_status pair_start(struct pair *p, struct pair_side *to)
{
    return step(p, to, &(struct tally_handshake_event){.type = TALLY_HANDSHAKE_START});
}

enum tally_status pair_tick(struct pair *p, struct pair_side *to)
{
    return step(p, to, &(struct tally_handshake_event){.type = TALLY_HANDSHAKE_TICK});
}

enum tally_status pair_give(struct pair *p, struct pair_side *to, const uint8_t *frame, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, frame, len);
    free(to->frame);
    to->frame = copy;
    return step(p, to,
                &(struct tally_handshake_event){
                    .type = TALLY_HANDSHAKE_FRAME, .frame = copy, .frame_len = len});
}

enum tally_status pair_pass(struct pair *p, struct pair_side *to, int n)
{
    return pair_give(p, to, p->wire[n].at, p->wire[n].len);
}

void pair_report_data(const struct pair_side *side, uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    struct tally_slice body = TALLY_SLICE(side->h.body);

    tally_report_data(TALLY_QUOTE_SESSION, &body, 1, side->key_block, out);
}

enum tally_status pair_quoted(struct pair *p, struct pair_side *to)
{
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];

    pair_report_data(to, report_data);
    p->quote(to, report_data);
    return step(p, to,
                &(struct tally_handshake_event){.type = TALLY_HANDSHAKE_QUOTED,
                                                .ev = to->ev,
                                                .endorsements = to->endorsements});
}

/* What one step sent. */
static void sent(struct pair *p, const struct pair_side *by, int n, enum tally_status s)
{
    ck_assert_msg(s == TALLY_OK, "frame %d: %s", n, tally_why());
    ck_assert_uint_ne(by->did.send.len, 0);
    memcpy(p->wire[n].at, by->did.send.at, by->did.send.len);
    p->wire[n].len = by->did.send.len;
}

static void asked(const struct pair_side *by)
{
    ck_assert_uint_eq(by->did.quote.len, TALLY_BINDING_BYTES);
    ck_assert_uint_eq(by->h.state, TALLY_HANDSHAKE_WAIT_QUOTE);
}

void pair_run(struct pair *p, int last)
{
    sent(p, &p->c, PAIR_M1, pair_start(p, &p->c));
    if (last >= PAIR_M2) {
        sent(p, &p->s, PAIR_M2, pair_pass(p, &p->s, PAIR_M1));
        asked(&p->s);
    }
    if (last >= PAIR_M3) {
        ck_assert_msg(pair_pass(p, &p->c, PAIR_M2) == TALLY_OK, "M2: %s", tally_why());
        sent(p, &p->s, PAIR_M3, pair_quoted(p, &p->s));
    }
    if (last >= PAIR_M4) {
        ck_assert_msg(pair_pass(p, &p->c, PAIR_M3) == TALLY_OK, "M3: %s", tally_why());
        asked(&p->c);
        sent(p, &p->c, PAIR_M4, pair_quoted(p, &p->c));
    }
    if (last >= PAIR_FIN) sent(p, &p->s, PAIR_FIN, pair_pass(p, &p->s, PAIR_M4));
}

void pair_finish(struct pair *p)
{
    pair_run(p, PAIR_FIN);
    ck_assert(p->s.did.established);
    ck_assert_msg(pair_pass(p, &p->c, PAIR_FIN) == TALLY_OK, "FIN: %s", tally_why());
    ck_assert(p->c.did.established);
    tally_handshake_take(&p->s.h, &p->s.records, &p->s.peer);
    tally_handshake_take(&p->c.h, &p->c.records, &p->c.peer);
}

void pair_check_ended(const struct pair_side *s)
{
    static const struct tally_handshake_keys no_keys;
    static const struct tally_session_keys no_session_keys;

    ck_assert_uint_eq(s->h.state, TALLY_HANDSHAKE_FAILED);
    ck_assert(!s->did.established && s->did.quote.len == 0 && s->did.peer_ev.len == 0);
    ck_assert_mem_eq(&s->h.keys, &no_keys, sizeof no_keys);
    ck_assert_mem_eq(&s->h.session_keys, &no_session_keys, sizeof no_session_keys);
    ck_assert(s->h.records.ended);
}

/* ---- what an attacker can make ---- */

static enum tally_side peer_side(const struct pair_side *to)
{
    return to->side == TALLY_SIDE_SERVER ? TALLY_SIDE_CLIENT : TALLY_SIDE_SERVER;
}

void pair_wanted(const struct pair_side *to, struct tally_slice key_block,
                 uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    uint8_t binder[32], body[TALLY_BINDING_BYTES];

    tally_keys_binder(&to->h.keys, peer_side(to), to->h.t, binder);
    struct tally_binding b = tally_handshake_binding(&to->h, peer_side(to), binder);
    tally_binding_body(&b, body);
    tally_report_data(TALLY_QUOTE_SESSION, &TALLY_SLICE(body), 1, key_block, out);
}

struct tally_slice pair_proof(const struct pair_side *to, struct tally_slice ev,
                              struct tally_slice endorsements, struct tally_slice key_block,
                              const struct tally_sign_key *key, const uint8_t *sig)
{
    static uint8_t bytes[TALLY_SEALED_FRAME_BYTES_MAX];
    static const uint8_t none[32];
    struct tally_proof proof = {.ev = ev, .endorsements = endorsements, .key_block = key_block};
    struct tally_binding b = tally_handshake_binding(&to->h, peer_side(to), none);
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice plain;

    if (sig != NULL)
        memcpy(proof.sig, sig, sizeof proof.sig);
    else
        ck_assert_int_eq(tally_session_sign(key, &b, ev, key_block, proof.sig), TALLY_OK);
    tally_proof_write(&proof, &w);
    ck_assert_int_eq(tally_wr_end(&w, &plain), TALLY_OK);
    return plain;
}

enum tally_status pair_forge(struct pair *p, struct pair_side *to, struct tally_slice plain)
{
    static uint8_t frame[TALLY_SEALED_FRAME_BYTES_MAX];
    bool by_server = peer_side(to) == TALLY_SIDE_SERVER;
    const uint8_t *key = by_server ? to->h.keys.hs_s : to->h.keys.hs_c;
    uint8_t aad[1 + 32] = {by_server ? TALLY_FRAME_M3 : TALLY_FRAME_M4};
    struct tally_aead aead = {0};

    memcpy(aad + 1, to->h.t, 32);
    frame[0] = aad[0];
    ck_assert_int_eq(tally_aead_init(&aead, key), TALLY_OK);
    ck_assert_int_eq(
        tally_aead_seal(&aead, key + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(aad), plain, frame + 1),
        TALLY_OK);
    tally_aead_free(&aead);
    return pair_give(p, to, frame, 1 + plain.len + TALLY_AEAD_TAG_BYTES);
}

struct pair_side *pair_waiting(struct pair *p, int side)
{
    if (side == PAIR_SERVER) {
        pair_run(p, PAIR_M3);
        return &p->s;
    }
    pair_run(p, PAIR_M2);
    ck_assert_int_eq(pair_pass(p, &p->c, PAIR_M2), TALLY_OK);
    return &p->c;
}

enum tally_status pair_prove(struct pair *p, struct pair_side *to, struct tally_slice key_block,
                             const struct tally_sign_key *key)
{
    struct pair_side *by = pair_other(p, to);
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];

    pair_wanted(to, key_block, report_data);
    p->quote(by, report_data);
    return pair_forge(p, to, pair_proof(to, by->ev, by->endorsements, key_block, key, NULL));
}

/* ---- evidence that means nothing but its REPORT_DATA ---- */

enum { REPORT_DATA_AT = 0x50 }; /* in an SNP report */

void pair_quote(struct pair_side *side, const uint8_t report_data[TALLY_REPORT_DATA_BYTES])
{
    uint8_t report[TALLY_SNP_REPORT_BYTES] = {0};
    struct tally_wr w = tally_wr_to(side->ev_bytes, sizeof side->ev_bytes);

    memcpy(report + REPORT_DATA_AT, report_data, TALLY_REPORT_DATA_BYTES);
    tally_evidence_encode(
        &w, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(report)});
    ck_assert_int_eq(tally_wr_end(&w, &side->ev), TALLY_OK);
    side->endorsements = (struct tally_slice){0};
}

enum tally_status pair_appraise(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                                const struct tally_federation *f, const struct tally_expect *expect,
                                struct tally_verdict *v)
{
    struct pair *p = ctx;
    struct tally_evidence e;

    (void)endorsements;
    ck_assert_ptr_eq(f, &p->f);
    p->appraisals++;
    TALLY_TRY(tally_evidence_decode(ev, &e));
    TALLY_REFUSE_UNLESS(e.report.len == TALLY_SNP_REPORT_BYTES, TALLY_R_E_FORMAT, "report");
    const uint8_t *got = e.report.at + REPORT_DATA_AT;
    TALLY_REFUSE_UNLESS(memcmp(got, expect->report_data, 32) == 0, TALLY_R_E_CHANNEL_BINDING,
                        "first half");
    TALLY_REFUSE_UNLESS(memcmp(got + 32, expect->report_data + 32, 32) == 0, TALLY_R_E_REPORT_DATA,
                        "second half");
    *v = (struct tally_verdict){.trust = expect->trust,
                                .not_before_s = expect->now_s - 60,
                                .not_after_s = expect->now_s + 86400};
    memcpy(v->chip, expect->chips[0], sizeof v->chip);
    memcpy(v->measurement, expect->measurements[0], sizeof v->measurement);
    return TALLY_OK;
}
