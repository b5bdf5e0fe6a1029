/* attacker.c - see attacker.h: identity and connection. */
#include "tests/attack/attacker.h"

#include <sodium.h>
#include <string.h>

#include "common/loop.h"
#include <zmq.h>

#include "common/fedstore.h"
#include "common/transport.h"
#include "tests/attack/expect.h"

static void dealer_send(struct attacker *a, const uint8_t *at, size_t len)
{
    EXPECT(zmq_send(a->socket, at, len, 0) == (int)len, "%s", zmq_strerror(zmq_errno()));
}

static size_t dealer_receive(struct attacker *a, uint8_t *to, size_t cap, int wait_ms)
{
    EXPECT(zmq_setsockopt(a->socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms) == 0, "timeout");
    int n = zmq_recv(a->socket, to, cap, 0);

    EXPECT(n <= (int)cap, "a frame of %d bytes", n);
    return n > 0 ? (size_t)n : 0;
}

void attacker_new_instance(struct attacker *a)
{
    uint8_t seed[32], kem_secret[32];
    struct tally_wr w = tally_wr_to(a->kb_bytes, sizeof a->kb_bytes);
    struct tally_slice out;

    randombytes_buf(seed, sizeof seed);
    tally_sign_key_from_seed(&a->attested, seed);
    randombytes_buf(kem_secret, sizeof kem_secret);
    a->kb = (struct tally_key_block){.mode = a->federation->mode, .role = a->self->role};
    memcpy(a->kb.federation_id, a->federation->id, 32);
    randombytes_buf(a->kb.instance, sizeof a->kb.instance);
    memcpy(a->kb.attested_key, tally_sign_public(&a->attested), 32);
    tally_kex_public(kem_secret, a->kb.kem_key);
    (void)snprintf(a->kb.org, sizeof a->kb.org, "%s", a->self->org);
    (void)snprintf(a->kb.node, sizeof a->kb.node, "%s", a->self->node);
    (void)snprintf(a->kb.software, sizeof a->kb.software, "attacker");
    EXPECT_OK(tally_key_block_encode(&a->kb, &w, &out));
    a->kb_len = out.len;
}

static void open_chip(struct attacker *a)
{
    const struct tally_sim_td td = {.attributes = TALLY_TDX_ATTR_SEPT_VE_DISABLE};
    bool tdx;

    EXPECT_OK(tally_sim_tdx_chip_is(a->chip_file, &tdx));
    if (tdx)
        a->machine = attacker_boot(a, &td);
    else
        EXPECT_OK(tally_sim_chip_load(a->chip_file, &a->chip));
}

void attacker_load(struct attacker *a, const char *dir, const char *org, const char *node)
{
    struct tally_fedstore store = {.mode = TALLY_MODE_TEST};
    struct tally_revocations *none = calloc(1, sizeof *none);
    char path[1024];

    *a = (struct attacker){
        .wait_ms = ATTACKER_WAIT_MS, .wire = {dealer_send, dealer_receive, NULL}
    };
    a->federation = calloc(1, sizeof *a->federation);
    a->frame = malloc(ATTACKER_FRAME_MAX);
    a->m3 = malloc(ATTACKER_FRAME_MAX);
    a->m4 = malloc(ATTACKER_FRAME_MAX);
    a->m3_plain = malloc(ATTACKER_FRAME_MAX);
    EXPECT(a->federation != NULL && a->frame != NULL && a->m3 != NULL && a->m4 != NULL &&
               a->m3_plain != NULL && none != NULL,
           "memory");
    (void)snprintf(store.dir, sizeof store.dir, "%s/state", dir);
    (void)snprintf(store.org, sizeof store.org, "%s", org);
    EXPECT_OK(tally_fedstore_latest(&store, a->federation, none));
    free(none);
    a->self = tally_federation_node(a->federation, org, node);
    a->server = tally_federation_aggregator(a->federation);
    EXPECT(a->self != NULL && a->server != NULL, "no node %s/%s", org, node);
    (void)snprintf(path, sizeof path, "%s/keys", dir);
    EXPECT_OK(tally_nodekeys_load(path, a->federation->mode, a->federation->id, &a->keys));
    for (uint32_t i = 0; i < a->federation->measurements_n; i++) {
        if (a->federation->measurements[i].role == a->self->role)
            memcpy(a->measurement, a->federation->measurements[i].digest, sizeof a->measurement);
    }
    (void)snprintf(a->chip_file, sizeof a->chip_file, "%s/chip", dir);
    open_chip(a);
    attacker_new_instance(a);
}

struct tally_device *attacker_boot(const struct attacker *a, const struct tally_sim_td *td)
{
    struct tally_device *d;
    struct tally_sim_td own = *td;

    for (size_t i = 0; i < sizeof own.mrtd; i++) own.mrtd[i] ^= a->measurement[i];
    EXPECT_OK(tally_device_sim_tdx_boot(a->chip_file, &own, &d));
    return d;
}

void attacker_disconnect(struct attacker *a)
{
    if (a->socket != NULL) (void)zmq_close(a->socket);
    if (a->context != NULL) (void)zmq_ctx_term(a->context);
    a->socket = NULL;
    a->context = NULL;
    tally_records_end(&a->records);
}

void attacker_connect(struct attacker *a, unsigned port)
{
    char address[64];
    int linger = 0, queue = 10000;

    attacker_disconnect(a);
    a->context = zmq_ctx_new();
    a->socket = zmq_socket(a->context, ZMQ_DEALER);
    EXPECT(a->socket != NULL, "socket");
    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
    EXPECT(zmq_setsockopt(a->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
               zmq_setsockopt(a->socket, ZMQ_SNDHWM, &queue, sizeof queue) == 0 &&
               zmq_setsockopt(a->socket, ZMQ_CURVE_SERVERKEY, a->server->curve_keys[0], 41) == 0 &&
               zmq_setsockopt(a->socket, ZMQ_CURVE_PUBLICKEY, a->keys.curve_public, 41) == 0 &&
               zmq_setsockopt(a->socket, ZMQ_CURVE_SECRETKEY, a->keys.curve_secret, 32) == 0 &&
               zmq_connect(a->socket, address) == 0,
           "%s", zmq_strerror(zmq_errno()));
}

void attacker_free(struct attacker *a)
{
    attacker_disconnect(a);
    tally_nodekeys_wipe(&a->keys);
    tally_sim_chip_free(&a->chip);
    tally_device_close(&a->machine);
    free(a->federation);
    free(a->frame);
    free(a->m3);
    free(a->m4);
    free(a->m3_plain);
}

void attacker_send(struct attacker *a, const uint8_t *at, size_t len)
{
    a->wire.send(a, at, len);
}

size_t attacker_receive(struct attacker *a, int wait_ms)
{
    return a->wire.receive(a, a->frame, ATTACKER_FRAME_MAX, wait_ms);
}

/* ---- the handshake ---- */

void attacker_send_m1(struct attacker *a)
{
    struct tally_m1 m = {
        .mode = a->federation->mode, .role_c = a->self->role, .role_s = a->server->role};
    struct tally_wr w = tally_wr_to(a->m1, sizeof a->m1);
    struct tally_slice out;

    randombytes_buf(a->e_secret, sizeof a->e_secret);
    randombytes_buf(a->nonce, sizeof a->nonce);
    memcpy(m.federation, a->federation->digest, 32);
    memcpy(m.job, a->job, 32);
    tally_kex_public(a->e_secret, m.e_c);
    memcpy(m.nonce_c, a->nonce, 32);
    (void)snprintf(m.org_c, sizeof m.org_c, "%s", a->self->org);
    (void)snprintf(m.node_c, sizeof m.node_c, "%s", a->self->node);
    (void)snprintf(m.org_s, sizeof m.org_s, "%s", a->server->org);
    EXPECT_OK(tally_m1_encode(&m, &w, &out));
    a->m1_len = out.len;
    if (a->tricks.m1 != NULL) a->tricks.m1(a, a->m1, &a->m1_len);
    attacker_send(a, a->m1, a->m1_len);
}

/* Opens M3 and keeps what a session needs of it; nothing of it is judged. */
static void open_m3(struct attacker *a)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    uint8_t aad[33] = {TALLY_FRAME_M3};
    struct tally_proof p;
    size_t n = a->m3_len - 1;
    uint8_t *plain = a->m3_plain;

    memcpy(aad + 1, a->t2, 32);
    EXPECT_OK(tally_aead_init(&aead, a->hs.hs_s));
    EXPECT_OK(tally_aead_open(&aead, a->hs.hs_s + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(aad),
                              tally_slice_of(a->m3 + 1, n), plain));
    EXPECT_OK(tally_proof_decode(tally_slice_of(plain, n - TALLY_AEAD_TAG_BYTES), &p));
    EXPECT_OK(tally_key_block_decode(p.key_block, &a->server_kb));
    tally_key_id(p.key_block, a->server_key_id);
    a->server_proof = p;
}

bool attacker_take_m2_m3(struct attacker *a, enum tally_refusal *refused)
{
    struct tally_m2 m2;
    size_t n = attacker_receive(a, a->wait_ms);

    *refused = TALLY_REFUSED_NOT;
    if (n == 0) return false;
    if (a->frame[0] == TALLY_FRAME_REFUSAL) {
        EXPECT_OK(tally_refusal_decode(tally_slice_of(a->frame, n), refused));
        return false;
    }
    EXPECT_OK(tally_m2_decode(tally_slice_of(a->frame, n), &m2));
    tally_transcript_start(a->t);
    tally_transcript_add(a->t, tally_slice_of(a->m1, a->m1_len), a->t);
    tally_transcript_add(a->t, tally_slice_of(a->frame, n), a->t);
    memcpy(a->t2, a->t, 32);
    memcpy(a->server_nonce, m2.nonce_s, 32);
    EXPECT_OK(tally_keys_derive(a->e_secret, m2.e_s, a->t, &a->hs));
    a->m3_len = a->wire.receive(a, a->m3, ATTACKER_FRAME_MAX, a->wait_ms);
    if (a->m3_len == 0) return false;
    tally_transcript_add(a->t, tally_slice_of(a->m3, a->m3_len), a->t);
    open_m3(a);
    return true;
}

bool attacker_hello(struct attacker *a, enum tally_refusal *refused)
{
    attacker_send_m1(a);
    return attacker_take_m2_m3(a, refused);
}

static struct tally_binding binding_of(const struct attacker *a, const uint8_t binder[32])
{
    static const uint8_t zeros[32];

    return (struct tally_binding){.side = TALLY_SIDE_CLIENT,
                                  .mode = a->federation->mode,
                                  .role = a->self->role,
                                  .federation = a->federation->digest,
                                  .job = a->job,
                                  .krp = zeros,
                                  .binder = binder,
                                  .peer_nonce = a->server_nonce,
                                  .t = a->t};
}

void attacker_report(struct attacker *a, struct tally_snp_report *r)
{
    const struct tally_sim_chip *chip = a->tricks.chip != NULL ? a->tricks.chip : a->chip;
    uint8_t binder[32], body[TALLY_BINDING_BYTES];
    struct tally_binding b = binding_of(a, binder);

    tally_keys_binder(&a->hs, TALLY_SIDE_CLIENT, a->t, binder);
    tally_binding_body(&b, body);
    tally_sim_report_init(chip, r);
    memcpy(r->measurement, a->measurement, sizeof r->measurement);
    memcpy(r->host_data, a->federation->id, sizeof r->host_data);
    tally_report_data(TALLY_QUOTE_SESSION, &TALLY_SLICE(body), 1,
                      tally_slice_of(a->kb_bytes, a->kb_len), r->report_data);
}

static void seal_m4(struct attacker *a, const struct tally_proof *p)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    struct tally_wr w = tally_wr_to(a->m4, ATTACKER_FRAME_MAX - TALLY_AEAD_TAG_BYTES);
    uint8_t aad[33] = {TALLY_FRAME_M4};
    struct tally_slice plain;

    memcpy(aad + 1, a->t, 32);
    tally_wr_u8(&w, TALLY_FRAME_M4);
    tally_proof_write(p, &w);
    EXPECT_OK(tally_wr_end(&w, &plain));
    EXPECT_OK(tally_aead_init(&aead, a->hs.hs_c));
    EXPECT_OK(tally_aead_seal(&aead, a->hs.hs_c + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(aad),
                              tally_slice_of(plain.at + 1, plain.len - 1), a->m4 + 1));
    a->m4_len = plain.len + TALLY_AEAD_TAG_BYTES;
}

static void quote_chip(struct attacker *a, struct tally_wr *ev, struct tally_wr *endorsements)
{
    const struct tally_sim_chip *chip = a->tricks.chip != NULL ? a->tricks.chip : a->chip;
    uint8_t bytes[TALLY_SNP_REPORT_BYTES];
    struct tally_snp_report r;

    attacker_report(a, &r);
    if (a->tricks.report != NULL) a->tricks.report(a, &r);
    EXPECT_OK(tally_sim_report_sign(chip, &r, bytes));
    tally_evidence_encode(
        ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(chip, endorsements);
}

static void quote_machine(const struct attacker *a, struct tally_device *d, struct tally_wr *ev,
                          struct tally_wr *endorsements)
{
    uint8_t binder[32], body[TALLY_BINDING_BYTES];
    struct tally_binding b = binding_of(a, binder);

    tally_keys_binder(&a->hs, TALLY_SIDE_CLIENT, a->t, binder);
    tally_binding_body(&b, body);
    EXPECT_OK(tally_device_quote(d,
                                 &(struct tally_quote_ask){TALLY_QUOTE_SESSION, TALLY_SLICE(body),
                                                           a->server_nonce,
                                                           tally_slice_of(a->kb_bytes, a->kb_len)},
                                 ev, endorsements));
}

void attacker_prove(struct attacker *a)
{
    static uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    const struct tally_sign_key *key =
        a->tricks.session_key != NULL ? a->tricks.session_key : &a->keys.session;
    struct tally_device *device = a->tricks.device != NULL ? a->tricks.device : a->machine;
    uint8_t binder[32] = {0};
    struct tally_wr we = tally_wr_to(ev, sizeof ev),
                    wn = tally_wr_to(endorsements, sizeof endorsements);
    struct tally_binding b = binding_of(a, binder);
    struct tally_proof p = {.key_block = tally_slice_of(a->kb_bytes, a->kb_len)};

    if (device != NULL)
        quote_machine(a, device, &we, &wn);
    else
        quote_chip(a, &we, &wn);
    EXPECT_OK(tally_wr_end(&we, &p.ev));
    EXPECT_OK(tally_wr_end(&wn, &p.endorsements));
    EXPECT_OK(tally_session_sign(key, &b, p.ev, p.key_block, p.sig));
    if (a->tricks.proof != NULL) a->tricks.proof(a, &p);
    seal_m4(a, &p);
    if (a->tricks.m4 != NULL) a->tricks.m4(a, a->m4, &a->m4_len);
    tally_transcript_add(a->t, tally_slice_of(a->m4, a->m4_len), a->t);
    attacker_send(a, a->m4, a->m4_len);
}

bool attacker_established(struct attacker *a, int wait_ms)
{
    struct tally_session_keys k;
    uint8_t fin[32];
    size_t n = attacker_receive(a, wait_ms);

    if (n == 0 || a->frame[0] != TALLY_FRAME_RECORD) return false;
    tally_session_keys_derive(a->hs.nx, a->t, &k);
    tally_session_keys_fin(&k, a->t, fin);
    tally_records_end(&a->records);
    EXPECT_OK(
        tally_records_init(&a->records, TALLY_SIDE_CLIENT, &k, tally_wall_ms(), UINT64_MAX / 2000));
    tally_session_keys_wipe(&k);
    return tally_record_open_fin(&a->records, tally_wall_ms(), fin, a->frame, n) == TALLY_OK;
}

void attacker_handshake(struct attacker *a)
{
    enum tally_refusal refused;

    EXPECT(attacker_hello(a, &refused), "M1 was refused: %s", tally_refusal_text(refused));
    attacker_prove(a);
    EXPECT(attacker_established(a, ATTACKER_WAIT_MS), "no FIN");
}
