/* attack_agent.c - attacks on a running agent by whoever sits on its network with the aggregator's
 * CURVE key: a man in the middle who relays the genuine aggregator's evidence, and an aggregator
 * that is not the one of the document (A1, A2, A3 from the other side). */
#include <signal.h>
#include <sodium.h>
#include <zmq.h>

#include "common/loop.h"
#include "tests/attack/arena.h"
#include "tests/attack/cases.h"

enum trick { RELAYED, RELAYED_AND_SIGNED, OTHER_CHIP, DEBUG_GUEST, OTHER_PROGRAM, REFLECTED };

struct stage {
    struct arena arena;
    struct attacker client; /* towards the aggregator, as bank-1 */
    struct attacker server; /* the aggregator's keys and chip, stolen */
    void *context, *socket;
    uint8_t id[32]; /* of the agent's connection */
    size_t id_len;
    struct tally_m1 m1;
    struct tally_handshake_keys hs;
    uint8_t t2[32];
};

static void listen_as_the_aggregator(struct stage *s)
{
    int one = 1, linger = 0, wait_ms = ATTACKER_WAIT_MS * 2;
    char address[64];
    size_t len;
    char *port = arena_text(&s->arena, "port", &len);

    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%lu", strtoul(port, NULL, 10));
    free(port);
    s->context = zmq_ctx_new();
    s->socket = zmq_socket(s->context, ZMQ_ROUTER);
    EXPECT(
        s->socket != NULL && zmq_setsockopt(s->socket, ZMQ_CURVE_SERVER, &one, sizeof one) == 0 &&
            zmq_setsockopt(s->socket, ZMQ_CURVE_SECRETKEY, s->server.keys.curve_secret, 32) == 0 &&
            zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
            zmq_setsockopt(s->socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms) == 0 &&
            zmq_bind(s->socket, address) == 0,
        "%s: %s", address, zmq_strerror(zmq_errno()));
}

static void begin(struct stage *s)
{
    char dir[1024];

    arena_open(&s->arena);
    arena_serve(&s->arena); /* on a port that no agent knows */
    arena_path(&s->arena, "bank-1", dir);
    attacker_load(&s->client, dir, "bank-1", "agent-1");
    attacker_connect(&s->client, s->arena.port);
    arena_path(&s->arena, "owner", dir);
    attacker_load(&s->server, dir, "owner", "aggregator");
    listen_as_the_aggregator(s);
}

static void end(struct stage *s)
{
    (void)zmq_close(s->socket);
    (void)zmq_ctx_term(s->context);
    attacker_free(&s->client);
    attacker_free(&s->server);
    arena_close(&s->arena);
}

static void tell(struct stage *s, const uint8_t *at, size_t len)
{
    EXPECT(zmq_send(s->socket, s->id, s->id_len, ZMQ_SNDMORE) == (int)s->id_len &&
               zmq_send(s->socket, at, len, 0) == (int)len,
           "%s", zmq_strerror(zmq_errno()));
}

/* The agent's M1, and our M2 to it with our own ephemeral key. */
static void meet(struct stage *s, const uint8_t instance[16])
{
    uint8_t frame[TALLY_M1_BYTES_MAX], secret[32], m2_bytes[TALLY_M2_BYTES_MAX];
    struct tally_wr w = tally_wr_to(m2_bytes, sizeof m2_bytes);
    struct tally_m2 m2 = {.mode = TALLY_MODE_TEST, .role_s = TALLY_ROLE_AGGREGATOR};
    struct tally_slice out;

    int n = zmq_recv(s->socket, s->id, sizeof s->id, 0);
    EXPECT(n > 0, "no agent comes: %s", s->arena.agent_log[0]);
    s->id_len = (size_t)n;
    n = zmq_recv(s->socket, frame, sizeof frame, 0);
    EXPECT(n > 0 && (size_t)n <= sizeof frame, "an M1 of %d bytes", n);
    EXPECT_OK(tally_m1_decode(tally_slice_of(frame, (size_t)n), &s->m1));
    randombytes_buf(secret, sizeof secret);
    tally_kex_public(secret, m2.e_s);
    randombytes_buf(m2.nonce_s, sizeof m2.nonce_s);
    memcpy(m2.instance_s, instance, sizeof m2.instance_s);
    (void)snprintf(m2.org_s, sizeof m2.org_s, "owner");
    EXPECT_OK(tally_m2_encode(&m2, &w, &out));
    tally_transcript_start(s->t2);
    tally_transcript_add(s->t2, tally_slice_of(frame, (size_t)n), s->t2);
    tally_transcript_add(s->t2, out, s->t2);
    EXPECT_OK(tally_keys_derive(secret, s->m1.e_c, s->t2, &s->hs));
    tell(s, out.at, out.len);
}

static struct tally_binding binding_of(const struct stage *s, const uint8_t binder[32])
{
    return (struct tally_binding){.side = TALLY_SIDE_SERVER,
                                  .mode = TALLY_MODE_TEST,
                                  .role = TALLY_ROLE_AGGREGATOR,
                                  .federation = s->server.federation->digest,
                                  .job = s->m1.job,
                                  .krp = s->m1.krp,
                                  .binder = binder,
                                  .peer_nonce = s->m1.nonce_c,
                                  .t = s->t2};
}

/* Evidence of our own making, right in all but what the trick changes. */
struct made {
    uint8_t ev[2048], endorsements[16384];
};

static void make_evidence(struct stage *s, enum trick t, struct made *m, struct tally_proof *p)
{
    const struct tally_sim_chip *chip = t == OTHER_CHIP ? s->client.chip : s->server.chip;
    uint8_t binder[32], body[TALLY_BINDING_BYTES], bytes[TALLY_SNP_REPORT_BYTES];
    struct tally_wr we = tally_wr_to(m->ev, sizeof m->ev),
                    wn = tally_wr_to(m->endorsements, sizeof m->endorsements);
    struct tally_binding b = binding_of(s, binder);
    struct tally_snp_report r;

    p->key_block = tally_slice_of(s->server.kb_bytes, s->server.kb_len);
    tally_keys_binder(&s->hs, TALLY_SIDE_SERVER, s->t2, binder);
    tally_binding_body(&b, body);
    tally_sim_report_init(chip, &r);
    memcpy(r.measurement, s->server.measurement, sizeof r.measurement);
    tally_report_data(TALLY_QUOTE_SESSION, &TALLY_SLICE(body), 1, p->key_block, r.report_data);
    if (t == DEBUG_GUEST) r.policy |= TALLY_SNP_POLICY_DEBUG;
    if (t == OTHER_PROGRAM) r.measurement[0] ^= 1;
    EXPECT_OK(tally_sim_report_sign(chip, &r, bytes));
    tally_evidence_encode(
        &we, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(chip, &wn);
    EXPECT_OK(tally_wr_end(&we, &p->ev));
    EXPECT_OK(tally_wr_end(&wn, &p->endorsements));
}

static void send_m3(struct stage *s, const struct tally_proof *p)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    struct tally_wr w = tally_wr_to(s->server.m3, ATTACKER_FRAME_MAX - TALLY_AEAD_TAG_BYTES);
    uint8_t aad[33] = {TALLY_FRAME_M3};
    struct tally_slice plain;

    memcpy(aad + 1, s->t2, 32);
    tally_wr_u8(&w, TALLY_FRAME_M3);
    tally_proof_write(p, &w);
    EXPECT_OK(tally_wr_end(&w, &plain));
    EXPECT_OK(tally_aead_init(&aead, s->hs.hs_s));
    EXPECT_OK(tally_aead_seal(&aead, s->hs.hs_s + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(aad),
                              tally_slice_of(plain.at + 1, plain.len - 1), s->server.m3 + 1));
    tell(s, s->server.m3, plain.len + TALLY_AEAD_TAG_BYTES);
}

static void attack(enum trick t, const char *reason)
{
    static struct made made;
    struct stage s = {0};
    enum tally_refusal r;
    char text[64];

    begin(&s);
    EXPECT(arena_agent(&s.arena, 1), "this build's agent does not run");
    EXPECT(attacker_hello(&s.client, &r), "the aggregator refuses: %s", tally_refusal_text(r));
    struct tally_proof p = s.client.server_proof;
    bool relayed = t == RELAYED || t == RELAYED_AND_SIGNED;
    meet(&s, relayed ? s.client.server_kb.instance : s.server.kb.instance);
    if (!relayed) make_evidence(&s, t, &made, &p);
    if (t != RELAYED) {
        uint8_t binder[32] = {0};
        struct tally_binding b = binding_of(&s, binder);
        if (t == REFLECTED) b.side = TALLY_SIDE_CLIENT;
        EXPECT_OK(tally_session_sign(&s.server.keys.session, &b, p.ev, p.key_block, p.sig));
    }
    send_m3(&s, &p);
    (void)snprintf(text, sizeof text, "\"reason\":\"%s\"", reason);
    EXPECT(arena_file_has(s.arena.agent_log[0], ARENA_LOG_MS, "\"event\":\"aggregator_refused\"",
                          text),
           "the agent does not say %s: %s", reason, s.arena.agent_log[0]);
    EXPECT(!arena_file_has(s.arena.agent_log[0], 0, "\"event\":\"session\"", NULL), "a session");
    end(&s);
}

static void agents_relayed_evidence(void)
{
    attack(RELAYED, "E_AUTH");
}

static void agents_relayed_evidence_with_the_session_key(void)
{
    attack(RELAYED_AND_SIGNED, "E_CHANNEL_BINDING");
}

static void agents_aggregator_on_another_chip(void)
{
    attack(OTHER_CHIP, "E_CHIP");
}

static void agents_aggregator_under_debug(void)
{
    attack(DEBUG_GUEST, "E_POLICY_DEBUG");
}

static void agents_another_aggregator_program(void)
{
    attack(OTHER_PROGRAM, "E_MEASUREMENT");
}

static void agents_signature_of_the_other_side(void)
{
    attack(REFLECTED, "E_AUTH");
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(agents_relayed_evidence),           CASE(agents_relayed_evidence_with_the_session_key),
        CASE(agents_aggregator_on_another_chip), CASE(agents_aggregator_under_debug),
        CASE(agents_another_aggregator_program), CASE(agents_signature_of_the_other_side),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
