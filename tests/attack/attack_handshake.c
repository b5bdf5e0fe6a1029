/* attack_handshake.c - attacks on the attested handshake of a serving aggregator: relayed,
 * diverted, reflected and replayed evidence, wrong guests, and a live session's name taken (A1 to
 * A4, A39). */
#include <signal.h>

#include "tests/attack/cases.h"
#include "tests/attack/duel.h"

enum { ROLE_C_AT = 5, ROLE_S_AT = 6 }; /* in M1 */

/* ---- A1: evidence of a genuine, live TEE forwarded into the attacker's own session ---- */

struct loot {
    uint8_t ev[2048], endorsements[16384], key_block[TALLY_KEY_BLOCK_BYTES_MAX], sig[64];
    size_t ev_len, endorsements_len, key_block_len;
    struct tally_snp_report report;
};

static void take_loot(struct attacker *a, struct tally_proof *p)
{
    struct loot *l = a->tricks.ctx;

    memcpy(l->ev, p->ev.at, l->ev_len = p->ev.len);
    memcpy(l->endorsements, p->endorsements.at, l->endorsements_len = p->endorsements.len);
    memcpy(l->key_block, p->key_block.at, l->key_block_len = p->key_block.len);
    memcpy(l->sig, p->sig, sizeof l->sig);
}

static void take_report(struct attacker *a, struct tally_snp_report *r)
{
    ((struct loot *)a->tricks.ctx)->report = *r;
}

static void give_loot(struct attacker *a, struct tally_proof *p)
{
    const struct loot *l = a->tricks.ctx;

    p->ev = tally_slice_of(l->ev, l->ev_len);
    p->endorsements = tally_slice_of(l->endorsements, l->endorsements_len);
    p->key_block = tally_slice_of(l->key_block, l->key_block_len);
    memcpy(p->sig, l->sig, sizeof l->sig);
}

static void give_report(struct attacker *a, struct tally_snp_report *r)
{
    *r = ((struct loot *)a->tricks.ctx)->report;
}

/* The genuine node is in a handshake of its own; what it says there is the loot. */
static void rob(struct stage *s, struct attacker *genuine, struct loot *l)
{
    load(s, genuine, "bank-1");
    genuine->tricks = (struct attacker_tricks){.proof = take_loot, .report = take_report, .ctx = l};
    hello(genuine);
    attacker_prove(genuine);
    EXPECT(attacker_established(genuine, ATTACKER_WAIT_MS), "the genuine node is not served");
    memcpy(s->evil.kb_bytes, genuine->kb_bytes, sizeof s->evil.kb_bytes);
    s->evil.kb_len = genuine->kb_len;
}

static void relay_without_the_session_key(void)
{
    struct stage s;
    struct attacker genuine;
    struct loot l;

    begin(&s);
    rob(&s, &genuine, &l);
    s.evil.tricks = (struct attacker_tricks){.proof = give_loot, .ctx = &l};
    refused(&s, "E_AUTH");
    attacker_free(&genuine);
    end(&s);
}

static void relay_with_the_session_key(void)
{
    struct stage s;
    struct attacker genuine;
    struct loot l;

    begin(&s);
    rob(&s, &genuine, &l);
    s.evil.tricks = (struct attacker_tricks){.report = give_report, .ctx = &l};
    refused(&s, "E_CHANNEL_BINDING");
    attacker_free(&genuine);
    end(&s);
}

/* ---- A2: genuine chips of others ---- */

static void another_chip_of_the_same_root(void)
{
    struct stage s;

    begin(&s);
    /* bank-2 with all that is its own, over bank-1's connection and under its name */
    s.evil.tricks.chip = s.good.chip;
    s.evil.tricks.session_key = &s.good.keys.session;
    refused(&s, "E_AUTH");
    /* bank-2's own connection, chip and key, and bank-1's key block */
    memcpy(s.good.kb_bytes, s.evil.kb_bytes, sizeof s.good.kb_bytes);
    s.good.kb_len = s.evil.kb_len;
    hello(&s.good);
    attacker_prove(&s.good);
    arena_expect_refused(&s.arena, "refused", "E_IDENTITY");
    attacker_new_instance(&s.good);
    attacker_connect(&s.good, s.arena.port);
    end(&s);
}

static void a_leaked_session_key_on_another_chip(void)
{
    struct stage s;
    struct tally_sim_chip *chip;

    begin(&s);
    s.evil.tricks.chip = s.good.chip; /* listed, for another node */
    refused(&s, "E_CHIP");
    chip = new_chip(&s); /* never listed */
    s.evil.tricks.chip = chip;
    refused(&s, "E_CHIP");
    tally_sim_chip_free(&chip);
    end(&s);
}

/* ---- A3: what the peer said, said back ---- */

static void give_m3(struct attacker *a, uint8_t *frame, size_t *len)
{
    memcpy(frame, a->m3, *len = a->m3_len);
}

static void give_m3_as_m4(struct attacker *a, uint8_t *frame, size_t *len)
{
    give_m3(a, frame, len);
    frame[0] = TALLY_FRAME_M4;
}

/* Its proof, opened and sealed again as ours. */
static uint8_t mirror_room[TALLY_SEALED_FRAME_BYTES_MAX];
static void give_their_proof(struct attacker *a, struct tally_proof *p)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    const uint8_t *t2 = a->tricks.ctx;
    uint8_t aad[33] = {TALLY_FRAME_M3};

    memcpy(aad + 1, t2, 32);
    EXPECT_OK(tally_aead_init(&aead, a->hs.hs_s));
    EXPECT_OK(tally_aead_open(&aead, a->hs.hs_s + TALLY_AEAD_KEY_BYTES, TALLY_SLICE(aad),
                              tally_slice_of(a->m3 + 1, a->m3_len - 1), mirror_room));
    EXPECT_OK(
        tally_proof_decode(tally_slice_of(mirror_room, a->m3_len - 1 - TALLY_AEAD_TAG_BYTES), p));
}

static void give_their_proof_with_our_key_block(struct attacker *a, struct tally_proof *p)
{
    struct tally_slice kb = p->key_block;

    give_their_proof(a, p);
    p->key_block = kb;
}

static void reflection(void)
{
    struct stage s;

    begin(&s);
    s.evil.tricks.m4 = give_m3;
    refused(&s, "E_FORMAT");
    s.evil.tricks.m4 = give_m3_as_m4;
    refused(&s, "E_AUTH");
    attacker_handshake(&s.good);
    s.evil.tricks = (struct attacker_tricks){.proof = give_their_proof, .ctx = s.evil.t2};
    refused(&s, "E_IDENTITY");
    knocks_come_back(&s);
    attacker_connect(&s.good, s.arena.port);
    end(&s);
}

static void reflection_under_our_key_block(void)
{
    struct stage s;

    begin(&s);
    s.evil.tricks =
        (struct attacker_tricks){.proof = give_their_proof_with_our_key_block, .ctx = s.evil.t2};
    refused(&s, "E_AUTH");
    end(&s);
}

/* type, version, suite (2), mode, role of the client, role of the server it wants */
static void claim_the_other_role(struct attacker *a, uint8_t *frame, size_t *len)
{
    EXPECT(*len > ROLE_S_AT && frame[ROLE_C_AT] == (uint8_t)a->self->role, "the layout of M1");
    frame[ROLE_C_AT] = TALLY_ROLE_AGGREGATOR;
}

static void want_an_agent(struct attacker *a, uint8_t *frame, size_t *len)
{
    claim_the_other_role(a, frame, len);
    frame[ROLE_S_AT] = TALLY_ROLE_AGENT;
}

static void as_a_server(struct attacker *a, struct tally_proof *p)
{
    static const uint8_t zeros[32];
    struct tally_binding b = {.side = TALLY_SIDE_SERVER,
                              .mode = a->federation->mode,
                              .role = a->self->role,
                              .federation = a->federation->digest,
                              .job = a->job,
                              .krp = zeros,
                              .binder = zeros,
                              .peer_nonce = a->server_nonce,
                              .t = a->t};

    EXPECT_OK(tally_session_sign(&a->keys.session, &b, p->ev, p->key_block, p->sig));
}

static void role_swap(void)
{
    struct stage s;
    enum tally_refusal r;

    begin(&s);
    s.evil.tricks.m1 = claim_the_other_role;
    EXPECT(!attacker_hello(&s.evil, &r) && r == TALLY_REFUSED_ROLE, "M1 of another role was taken");
    arena_expect_refused(&s.arena, "refused", "E_IDENTITY");
    arena_mark(&s.arena);
    s.evil.tricks.m1 = want_an_agent;
    s.evil.wait_ms = ATTACKER_QUIET_MS;
    EXPECT(!attacker_hello(&s.evil, &r), "M1 to an agent was taken");
    arena_expect_refused(&s.arena, "refused", "E_FORMAT");
    arena_mark(&s.arena);
    s.evil.wait_ms = ATTACKER_WAIT_MS;
    s.evil.tricks = (struct attacker_tricks){.proof = as_a_server};
    refused(&s, "E_AUTH");
    knocks_come_back(&s);
    end(&s);
}

/* ---- A4: replay ---- */

struct recording {
    uint8_t m1[TALLY_M1_BYTES_MAX], m4[65536];
    size_t m1_len, m4_len;
};

static void record(struct attacker *a, struct recording *r)
{
    attacker_handshake(a);
    EXPECT(a->m4_len <= sizeof r->m4, "M4 of %zu bytes", a->m4_len);
    memcpy(r->m1, a->m1, r->m1_len = a->m1_len);
    memcpy(r->m4, a->m4, r->m4_len = a->m4_len);
}

static void replay(struct stage *s, const struct recording *r)
{
    arena_mark(&s->arena);
    attacker_connect(&s->evil, s->arena.port);
    attacker_send(&s->evil, r->m1, r->m1_len);
    EXPECT(attacker_receive(&s->evil, ATTACKER_WAIT_MS) > 0 && s->evil.frame[0] == TALLY_FRAME_M2,
           "no M2");
    EXPECT(attacker_receive(&s->evil, ATTACKER_WAIT_MS) > 0 && s->evil.frame[0] == TALLY_FRAME_M3,
           "no M3");
    attacker_send(&s->evil, r->m4, r->m4_len);
    arena_expect_refused(&s->arena, "refused", "E_AUTH");
    EXPECT(attacker_receive(&s->evil, ATTACKER_QUIET_MS) == 0, "an answer nevertheless");
}

static void replay_at_once(void)
{
    struct stage s;
    struct recording *r = malloc(sizeof *r);

    EXPECT(r != NULL, "memory");
    begin(&s);
    record(&s.evil, r);
    replay(&s, r);
    if (attack_long) { /* nonces and half-open state are long gone */
        (void)sleep(130);
        replay(&s, r);
    }
    free(r);
    end(&s);
}

static void replay_after_a_restart(void)
{
    struct stage s;
    struct recording *r = malloc(sizeof *r);

    EXPECT(r != NULL, "memory");
    begin(&s);
    record(&s.evil, r);
    arena_stop(&s.arena, SIGTERM);
    arena_serve(&s.arena);
    replay(&s, r);
    free(r);
    attacker_connect(&s.good, s.arena.port);
    end(&s);
}

/* ---- evidence of the wrong guest (A31 in a session) ---- */

static void debug(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->policy |= TALLY_SNP_POLICY_DEBUG;
}

static void migratable(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->policy |= TALLY_SNP_POLICY_MIGRATE_MA;
}

static void other_program(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->measurement[47] ^= 1;
}

static void higher_vmpl(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->vmpl = 1;
}

static void one_report(void (*change)(struct attacker *, struct tally_snp_report *),
                       const char *reason)
{
    struct stage s;

    begin(&s);
    s.evil.tricks.report = change;
    refused(&s, reason);
    end(&s);
}

static void debug_guest(void)
{
    one_report(debug, "E_POLICY_DEBUG");
}

static void migratable_guest(void)
{
    one_report(migratable, "E_POLICY_MIGRATION");
}

static void another_measurement(void)
{
    one_report(other_program, "E_MEASUREMENT");
}

static void another_vmpl(void)
{
    one_report(higher_vmpl, "E_VMPL");
}

static void another_federations_guest(void)
{
    struct stage s;
    struct tally_slice out;

    begin(&s);
    s.evil.kb.federation_id[0] ^= 1;
    struct tally_wr w = tally_wr_to(s.evil.kb_bytes, sizeof s.evil.kb_bytes);
    EXPECT_OK(tally_key_block_encode(&s.evil.kb, &w, &out));
    refused(&s, "E_FEDERATION");
    attacker_new_instance(&s.evil);
    end(&s);
}

/* ---- A39: a live session under attack from its own node's name ---- */

static void a_new_m1_leaves_the_live_session(void)
{
    struct stage s;
    struct attacker thief;

    begin(&s);
    attacker_join(&s.evil, NULL); /* here the rightful one */
    load(&s, &thief, "bank-1");
    hello(&thief);
    EXPECT(!arena_logged(&s.arena, 300, "session_end", NULL, NULL), "the live session ended");
    attacker_free(&thief);
    end(&s);
}

static void m4_of_another_machine_leaves_the_live_session(void)
{
    struct stage s;
    struct attacker thief;
    struct tally_sim_chip *chip;

    begin(&s);
    attacker_join(&s.evil, NULL);
    load(&s, &thief, "bank-1");
    chip = new_chip(&s);
    thief.tricks.chip = chip;
    hello(&thief);
    attacker_prove(&thief);
    arena_expect_refused(&s.arena, "refused", "E_CHIP");
    struct tally_message m = {.type = TALLY_MSG_GRANT, .body = tally_slice_str("{}")};
    attacker_send_message(&s.evil, &m); /* answered: the session lives */
    EXPECT(attacker_await(&s.evil, TALLY_MSG_REFUSED, &m, ATTACKER_WAIT_MS),
           "the live session is gone");
    tally_sim_chip_free(&chip);
    attacker_free(&thief);
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(relay_without_the_session_key),
        CASE(relay_with_the_session_key),
        CASE(another_chip_of_the_same_root),
        CASE(a_leaked_session_key_on_another_chip),
        CASE(reflection),
        CASE(reflection_under_our_key_block),
        CASE(role_swap),
        CASE(replay_at_once),
        CASE(replay_after_a_restart),
        CASE(debug_guest),
        CASE(migratable_guest),
        CASE(another_measurement),
        CASE(another_vmpl),
        CASE(another_federations_guest),
        CASE(a_new_m1_leaves_the_live_session),
        CASE(m4_of_another_machine_leaves_the_live_session),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
