/* test_handshake_proof.c - proto/handshake_proof.c against attackers, with the real appraisal over
 * evidence of simulated chips: relay, diversion, reflection, replay, every bit of REPORT_DATA,
 * other guests, revocation, foreign key blocks. An attacker here is a member: he knows all keys
 * of his own sessions, and where it says so the victim's session key. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pair_chips.h"
#include "tests/lib/suite.h"

static struct pair p, victim;

static void set_up(void)
{
    pair_chips_init(&p);
    pair_begin(&p);
}

static enum tally_status prove_as_is(struct pair_side *to)
{
    struct pair_side *by = pair_other(&p, to);

    return pair_prove(&p, to, by->key_block, &by->session);
}

/* ---- the honest course ---- */

static void talk(struct pair_side *from, struct pair_side *to, const char *words)
{
    uint8_t frame[64];
    size_t len;
    enum tally_record_kind kind;
    struct tally_slice body;

    memcpy(frame + TALLY_RECORD_BODY_AT, words, strlen(words));
    ck_assert_int_eq(tally_record_seal(&from->records, TALLY_RECORD_MESSAGE, p.now_ms, frame,
                                       strlen(words), &len),
                     TALLY_OK);
    ck_assert_int_eq(tally_record_open(&to->records, p.now_ms, frame, len, &kind, &body), TALLY_OK);
    ck_assert(tally_slice_equal(body, tally_slice_str(words)));
}

START_TEST(genuine_evidence_gives_a_session)
{
    set_up();
    pair_finish(&p);
    ck_assert_uint_eq(pair_chips_appraised, 2);
    ck_assert_int_eq(p.c.peer.trust, TALLY_TRUST_TEST);
    ck_assert_mem_eq(p.c.peer.chip, p.s.node->chips[0], TALLY_CHIP_DIGEST_BYTES);
    ck_assert_mem_eq(p.s.peer.measurement, p.f.measurements[1].digest, TALLY_MEASUREMENT_BYTES);
    for (int i = 0; i < 3; i++) {
        talk(&p.c, &p.s, "to the server");
        talk(&p.s, &p.c, "to the client");
    }
    pair_end(&p);
}
END_TEST

/* The attacker's tools make what an honest side makes: what is refused below is refused for what
 * was made otherwise. */
START_TEST(a_proof_made_by_hand_is_accepted)
{
    set_up();
    ck_assert_msg(prove_as_is(pair_waiting(&p, _i)) == TALLY_OK, "%s", tally_why());
    pair_end(&p);
}
END_TEST

/* ---- A1: relay ---- */

/* Evidence that a genuine node made for its session with the attacker. */
static struct pair_side *relayed(int side)
{
    pair_chips_init(&victim);
    pair_begin(&victim);
    pair_again(&victim, 1);
    pair_run(&victim, side == PAIR_CLIENT ? PAIR_M3 : PAIR_M4);
    return side == PAIR_CLIENT ? &victim.s : &victim.c;
}

START_TEST(relayed_evidence_without_the_session_key_is_refused_before_it_is_looked_at)
{
    struct pair_side *to, *genuine;
    struct tally_proof proof;

    set_up();
    to = pair_waiting(&p, _i);
    genuine = relayed(_i);
    pair_chips_appraised = 0;
    struct tally_slice plain =
        pair_proof(pair_other(&victim, genuine), genuine->ev, genuine->endorsements,
                   genuine->key_block, &genuine->session, NULL);
    ck_assert_int_eq(tally_proof_decode(plain, &proof), TALLY_OK);
    PAIR_REFUSED(pair_forge(&p, to, plain), TALLY_R_E_AUTH); /* with the genuine signature */
    pair_check_ended(to);
    ck_assert_uint_eq(pair_chips_appraised, 0);
    pair_end(&victim);
    pair_end(&p);
}
END_TEST

START_TEST(relayed_evidence_with_the_session_key_is_of_another_channel)
{
    struct pair_side *to, *genuine;

    set_up();
    to = pair_waiting(&p, _i);
    genuine = relayed(_i);
    PAIR_REFUSED(pair_forge(&p, to,
                            pair_proof(to, genuine->ev, genuine->endorsements, genuine->key_block,
                                       &genuine->session, NULL)),
                 TALLY_R_E_CHANNEL_BINDING);
    pair_check_ended(to);
    ck_assert_int_eq(to->h.reason, TALLY_R_E_CHANNEL_BINDING);
    ck_assert_uint_eq(to->h.verdict.failed_n, 1); /* and all else was right */
    pair_end(&victim);
    pair_end(&p);
}
END_TEST

/* ---- A2: diversion ---- */

START_TEST(another_chip_with_the_leaked_session_key_is_refused)
{
    struct pair_side *to;
    struct tally_handshake before;
    struct tally_sign_key own;

    set_up();
    to = pair_waiting(&p, _i);
    before = to->h;
    pair_guest(pair_other(&p, to))->chip = pair_strange_chip();
    PAIR_REFUSED(prove_as_is(to), TALLY_R_E_CHIP);
    ck_assert_uint_eq(to->h.verdict.failed_n, 1);
    pair_check_ended(to);
    to->h = before; /* without the session key it does not come to that */
    pair_chips_appraised = 0;
    tally_sign_key_from_seed(&own, (uint8_t[32]){99});
    PAIR_REFUSED(pair_prove(&p, to, pair_other(&p, to)->key_block, &own), TALLY_R_E_AUTH);
    ck_assert_uint_eq(pair_chips_appraised, 0);
    pair_end(&p);
}
END_TEST

/* ---- A3: reflection ---- */

START_TEST(a_frame_sent_back_is_refused)
{
    set_up();
    pair_run(&p, PAIR_M1);
    ck_assert_int_ne(pair_pass(&p, &p.c, PAIR_M1), TALLY_OK);
    pair_check_ended(&p.c);
    for (int as_m4 = 0; as_m4 < 2; as_m4++) {
        pair_begin(&p);
        pair_run(&p, PAIR_M3);
        if (as_m4) p.wire[PAIR_M3].at[0] = TALLY_FRAME_M4;
        ck_assert_int_ne(pair_pass(&p, &p.s, PAIR_M3), TALLY_OK);
        pair_check_ended(&p.s);
    }
    pair_begin(&p);
    pair_run(&p, PAIR_M4);
    ck_assert_int_ne(pair_pass(&p, &p.c, PAIR_M4), TALLY_OK);
    pair_check_ended(&p.c);
    pair_begin(&p);
    pair_run(&p, PAIR_FIN);
    ck_assert_int_ne(pair_pass(&p, &p.c, PAIR_M3), TALLY_OK);
    pair_check_ended(&p.c);
    pair_end(&p);
}
END_TEST

/* A side's own evidence, sealed by one who knows the session's keys. */
START_TEST(a_side_does_not_believe_its_own_proof)
{
    struct pair_side *to;

    set_up();
    to = pair_waiting(&p, _i);
    p.quote(to, (uint8_t[TALLY_REPORT_DATA_BYTES]){0});
    PAIR_REFUSED(
        pair_forge(&p, to,
                   pair_proof(to, to->ev, to->endorsements, to->key_block, &to->session, NULL)),
        TALLY_R_E_IDENTITY);
    pair_check_ended(to);
    pair_end(&p);
}
END_TEST

/* ---- A4: replay ---- */

START_TEST(a_recorded_handshake_is_worth_nothing_later)
{
    static const uint64_t later_ms[] = {0, 130 * 1000, 3600 * 1000};

    set_up();
    pair_run(&p, PAIR_FIN);
    p.now_ms += later_ms[_i];
    pair_again(&p, 1); /* to the server */
    ck_assert_int_eq(pair_pass(&p, &p.s, PAIR_M1), TALLY_OK);
    ck_assert_int_eq(pair_quoted(&p, &p.s), TALLY_OK);
    PAIR_REFUSED(pair_pass(&p, &p.s, PAIR_M4), TALLY_R_E_AUTH);
    pair_check_ended(&p.s);
    ck_assert_int_eq(pair_start(&p, &p.c), TALLY_OK); /* and to the client */
    ck_assert_int_eq(pair_pass(&p, &p.c, PAIR_M2), TALLY_OK);
    PAIR_REFUSED(pair_pass(&p, &p.c, PAIR_M3), TALLY_R_E_AUTH);
    pair_check_ended(&p.c);
    pair_end(&p);
}
END_TEST

START_TEST(an_old_fin_and_an_old_record_open_no_new_session)
{
    uint8_t frame[64], fin[TALLY_FIN_FRAME_BYTES];
    size_t len;
    enum tally_record_kind kind;
    struct tally_slice body;

    set_up();
    pair_finish(&p);
    memcpy(fin, p.wire[PAIR_FIN].at, sizeof fin);
    ck_assert_int_eq(
        tally_record_seal(&p.c.records, TALLY_RECORD_MESSAGE, p.now_ms, frame, 5, &len), TALLY_OK);
    tally_records_end(&p.c.records);
    tally_records_end(&p.s.records);
    pair_again(&p, 1);
    pair_finish(&p);
    PAIR_REFUSED(tally_record_open(&p.s.records, p.now_ms, frame, len, &kind, &body),
                 TALLY_R_E_AUTH);
    tally_records_end(&p.c.records);
    pair_again(&p, 2);
    pair_run(&p, PAIR_FIN);
    PAIR_REFUSED(pair_give(&p, &p.c, fin, sizeof fin), TALLY_R_E_AUTH);
    pair_check_ended(&p.c);
    pair_end(&p);
}
END_TEST

/* ---- A5: REPORT_DATA ---- */

/* All of them at the client; at the server, the same code, one of 8 unless TALLY_LONG is set. */
START_TEST(each_of_the_512_bits_of_report_data_counts)
{
    unsigned step = _i == PAIR_CLIENT || getenv("TALLY_LONG") != NULL ? 1 : 8;
    struct pair_side *to, *by;
    struct tally_handshake before;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];

    set_up();
    to = pair_waiting(&p, _i);
    by = pair_other(&p, to);
    before = to->h;
    pair_wanted(to, by->key_block, report_data);
    for (unsigned bit = 0; bit < 8 * TALLY_REPORT_DATA_BYTES; bit += step) {
        to->h = before;
        report_data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        p.quote(by, report_data); /* signed by the chip, and the frame by the session key */
        report_data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum tally_status s = pair_forge(
            &p, to, pair_proof(to, by->ev, by->endorsements, by->key_block, &by->session, NULL));
        ck_assert_msg(s == TALLY_E_UNTRUSTED, "bit %u", bit);
        ck_assert_int_eq(tally_reason(),
                         bit < 256 ? TALLY_R_E_CHANNEL_BINDING : TALLY_R_E_REPORT_DATA);
    }
    pair_end(&p);
}
END_TEST

/* ---- other guests ---- */

START_TEST(a_guest_that_is_not_the_agreed_one_is_refused)
{
    static const struct {
        struct pair_guest guest;
        enum tally_reason why;
    } odd[] = {
        {{NULL, TALLY_SNP_POLICY_DEBUG, 0},      TALLY_R_E_POLICY_DEBUG    },
        {{NULL, TALLY_SNP_POLICY_MIGRATE_MA, 0}, TALLY_R_E_POLICY_MIGRATION},
        {{NULL, 0, 0x55},                        TALLY_R_E_MEASUREMENT     },
        {{NULL, 0, 0x77},                        TALLY_R_E_MEASUREMENT     }, /* the other role's program */
    };

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        set_up();
        struct pair_side *to = pair_waiting(&p, _i);
        struct pair_guest *g = pair_guest(pair_other(&p, to));
        g->policy = odd[i].guest.policy;
        if (odd[i].guest.measurement == 0x77)
            g->measurement = _i == PAIR_CLIENT ? 0x44 : 0x33;
        else if (odd[i].guest.measurement != 0)
            g->measurement = odd[i].guest.measurement;
        PAIR_REFUSED(prove_as_is(to), odd[i].why);
        pair_check_ended(to);
        pair_end(&p);
    }
}
END_TEST

START_TEST(evidence_without_its_certificates_is_not_trusted)
{
    struct pair_side *to, *by;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];

    set_up();
    to = pair_waiting(&p, _i);
    by = pair_other(&p, to);
    pair_wanted(to, by->key_block, report_data);
    p.quote(by, report_data);
    ck_assert_int_ne(pair_forge(&p, to,
                                pair_proof(to, by->ev, (struct tally_slice){0}, by->key_block,
                                           &by->session, NULL)),
                     TALLY_OK);
    pair_check_ended(to);
    pair_end(&p);
}
END_TEST

/* What the federation or its revocations say of the one who proves himself. */
static void revoke_measurement(const struct tally_node *n)
{
    memset(p.revoked.measurements[0], n->role == TALLY_ROLE_AGENT ? 0x44 : 0x33,
           TALLY_MEASUREMENT_BYTES);
    p.revoked.measurements_n = 1;
}
static void revoke_chip(const struct tally_node *n)
{
    memcpy(p.revoked.chips[0], n->chips[0], TALLY_CHIP_DIGEST_BYTES);
    p.revoked.chips_n = 1;
}
static void revoke_node(const struct tally_node *n)
{
    memcpy(p.revoked.nodes[0].org, n->org, sizeof n->org);
    memcpy(p.revoked.nodes[0].node, n->node, sizeof n->node);
    p.revoked.nodes_n = 1;
}
static void revoke_session_key(const struct tally_node *n)
{
    memcpy(p.revoked.session_keys[0], n->session_key, 32);
    p.revoked.session_keys_n = 1;
}
static void expire(const struct tally_node *n)
{
    (void)n;
    p.f.expires_s = PAIR_NOW_S;
}
static void list_no_chip(const struct tally_node *n)
{
    p.f.nodes[n - p.f.nodes].chips_n = 0;
}
static void list_no_measurement(const struct tally_node *n)
{
    p.f.measurements[n - p.f.nodes].role = TALLY_ROLE_KMS;
}
static void demand_hardware(const struct tally_node *n)
{
    p.f.anchors[0].trust = TALLY_TRUST_HARDWARE; /* under a test document */
    (void)n;
}

static const struct {
    void (*say)(const struct tally_node *n);
    enum tally_reason why;
} sayings[] = {
    {revoke_measurement,  TALLY_R_E_REVOKED    },
    {revoke_chip,         TALLY_R_E_DENYLIST   },
    {revoke_node,         TALLY_R_E_REVOKED    },
    {revoke_session_key,  TALLY_R_E_REVOKED    },
    {expire,              TALLY_R_E_FEDERATION },
    {list_no_chip,        TALLY_R_E_CHIP       },
    {list_no_measurement, TALLY_R_E_MEASUREMENT},
    {demand_hardware,     TALLY_R_E_TRUST_CLASS},
};

START_TEST(what_is_revoked_or_not_listed_is_refused)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        set_up();
        struct pair_side *to = pair_waiting(&p, side);
        sayings[_i].say(pair_other(&p, to)->node);
        PAIR_REFUSED(prove_as_is(to), sayings[_i].why);
        pair_check_ended(to);
        pair_end(&p);
    }
}
END_TEST

START_TEST(a_simulated_chip_is_no_member_of_a_production_federation)
{
    set_up();
    p.f.mode = TALLY_MODE_PRODUCTION;
    pair_begin(&p);
    PAIR_REFUSED(prove_as_is(pair_waiting(&p, _i)), TALLY_R_E_TRUST_CLASS);
    pair_end(&p);
}
END_TEST

/* ---- key blocks ---- */

static struct tally_slice encoded(const struct tally_key_block *kb)
{
    static uint8_t bytes[TALLY_KEY_BLOCK_BYTES_MAX];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice out;

    ck_assert_int_eq(tally_key_block_encode(kb, &w, &out), TALLY_OK);
    return out;
}

/* A18: the host puts its own KEM key in place of the one in the evidence. */
START_TEST(a_key_block_that_the_evidence_does_not_name_is_refused)
{
    struct pair_side *to, *by;
    struct tally_key_block kb;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];

    set_up();
    to = pair_waiting(&p, _i);
    by = pair_other(&p, to);
    kb = by->kb;
    kb.kem_key[0] ^= 1;
    pair_wanted(to, by->key_block, report_data);
    p.quote(by, report_data);
    PAIR_REFUSED(
        pair_forge(&p, to,
                   pair_proof(to, by->ev, by->endorsements, encoded(&kb), &by->session, NULL)),
        TALLY_R_E_REPORT_DATA);
    pair_check_ended(to);
    pair_end(&p);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("handshake_proof");

    pair_chips_setup();
    tcase_add_test(t, genuine_evidence_gives_a_session);
    tcase_add_loop_test(t, a_proof_made_by_hand_is_accepted, 0, PAIR_SIDES);
    tcase_add_loop_test(t,
                        relayed_evidence_without_the_session_key_is_refused_before_it_is_looked_at,
                        0, PAIR_SIDES);
    tcase_add_loop_test(t, relayed_evidence_with_the_session_key_is_of_another_channel, 0,
                        PAIR_SIDES);
    tcase_add_loop_test(t, another_chip_with_the_leaked_session_key_is_refused, 0, PAIR_SIDES);
    tcase_add_test(t, a_frame_sent_back_is_refused);
    tcase_add_loop_test(t, a_side_does_not_believe_its_own_proof, 0, PAIR_SIDES);
    tcase_add_loop_test(t, a_recorded_handshake_is_worth_nothing_later, 0, 3);
    tcase_add_test(t, an_old_fin_and_an_old_record_open_no_new_session);
    tcase_add_loop_test(t, each_of_the_512_bits_of_report_data_counts, 0, PAIR_SIDES);
    tcase_add_loop_test(t, a_guest_that_is_not_the_agreed_one_is_refused, 0, PAIR_SIDES);
    tcase_add_loop_test(t, evidence_without_its_certificates_is_not_trusted, 0, PAIR_SIDES);
    tcase_add_loop_test(t, what_is_revoked_or_not_listed_is_refused, 0,
                        sizeof sayings / sizeof *sayings);
    tcase_add_loop_test(t, a_simulated_chip_is_no_member_of_a_production_federation, 0, PAIR_SIDES);
    tcase_add_loop_test(t, a_key_block_that_the_evidence_does_not_name_is_refused, 0, PAIR_SIDES);
    return tally_suite_run("proto/handshake_proof", t);
}
