/* test_handshake.c - proto/handshake.c and its steps: the honest course, every event out of its
 * turn, every changed frame, and time. Who may talk to whom: test_handshake_hello.c. Evidence:
 * test_handshake_proof.c. */
#include <stdlib.h>
#include <string.h>

#include "proto/handshake_steps.h"
#include "tests/lib/pair.h"
#include "tests/lib/suite.h"

static struct pair p;
static struct tally_handshake before;

static void set_up(void)
{
    pair_init(&p);
    pair_begin(&p);
}

/* ---- the honest course ---- */

START_TEST(both_sides_learn_whom_they_talk_to)
{
    set_up();
    pair_finish(&p);
    ck_assert_mem_eq(p.c.peer.kb_bytes, p.s.key_block.at, p.s.key_block.len);
    ck_assert(tally_slice_equal(tally_peer_key_block(&p.s.peer), p.c.key_block));
    ck_assert_str_eq(p.c.peer.kb.node, "aggregator");
    ck_assert_str_eq(p.s.peer.kb.org, "bank-1");
    ck_assert_mem_eq(p.s.peer.job, p.job, 32);
    ck_assert_mem_eq(p.s.peer.krp, p.krp, 32);
    ck_assert_mem_eq(p.s.peer.session_key, p.c.node->session_key, 32);
    ck_assert_mem_eq(p.s.peer.federation, p.f.digest, 32);
    ck_assert_uint_eq(p.s.peer.appraised_s, PAIR_NOW_S);
    ck_assert_uint_eq(p.s.peer.not_after_s, PAIR_NOW_S + 86400);
    ck_assert_int_eq(p.s.peer.trust, TALLY_TRUST_TEST);
    ck_assert_mem_eq(p.s.peer.chip, p.c.node->chips[0], TALLY_CHIP_DIGEST_BYTES);
    ck_assert_mem_eq(p.c.peer.measurement, p.f.measurements[0].digest, TALLY_MEASUREMENT_BYTES);
    pair_end(&p);
}
END_TEST

START_TEST(the_peers_evidence_is_given_out_once_and_whole)
{
    uint8_t digest[32];

    set_up();
    pair_run(&p, PAIR_M4);
    ck_assert(p.c.did.peer_ev.len == 0);
    ck_assert_int_eq(pair_pass(&p, &p.s, PAIR_M4), TALLY_OK);
    ck_assert(tally_slice_equal(p.s.did.peer_ev, p.c.ev));
    TALLY_SHA256_OF(digest, p.c.ev);
    ck_assert_mem_eq(p.s.h.peer.ev_digest, digest, 32);
    pair_end(&p);
}
END_TEST

START_TEST(no_secret_outlives_its_use)
{
    static const uint8_t zeros[sizeof p.c.h.keys];

    set_up();
    pair_run(&p, PAIR_M3);
    ck_assert_mem_eq(&p.s.h.fresh, zeros, sizeof p.s.h.fresh);
    ck_assert_mem_eq(&p.c.h.fresh, zeros, sizeof p.c.h.fresh);
    ck_assert_int_eq(pair_pass(&p, &p.c, PAIR_M3), TALLY_OK);
    ck_assert_int_eq(pair_quoted(&p, &p.c), TALLY_OK);
    ck_assert_mem_eq(&p.c.h.keys, zeros, sizeof p.c.h.keys);
    ck_assert_int_eq(pair_give(&p, &p.s, p.c.did.send.at, p.c.did.send.len), TALLY_OK);
    ck_assert_mem_eq(&p.s.h.keys, zeros, sizeof p.s.h.keys);
    ck_assert_mem_eq(&p.s.h.session_keys, zeros, sizeof p.s.h.session_keys);
    ck_assert_mem_eq(p.s.h.binder, zeros, 32);
    ck_assert_int_eq(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_OK);
    ck_assert_mem_eq(&p.c.h.session_keys, zeros, sizeof p.c.h.session_keys);
    tally_handshake_take(&p.c.h, &p.c.records, &p.c.peer);
    ck_assert_uint_eq(p.c.h.state, TALLY_HANDSHAKE_FAILED);
    tally_handshake_wipe(&p.c.h);
    pair_end(&p);
}
END_TEST

START_TEST(a_session_for_documents_alone_has_no_job)
{
    static const uint8_t zeros[32];

    pair_init(&p);
    memset(p.job, 0, 32);
    pair_begin(&p);
    pair_finish(&p);
    ck_assert_mem_eq(p.s.peer.job, zeros, 32);
    pair_end(&p);
}
END_TEST

/* ---- events out of turn ---- */

enum { AT_IDLE, AT_M2, AT_M3, AT_QUOTE_C, AT_FIN, AT_DONE_C, AT_FAILED_C, PLACES_C };
enum { START, TICK, QUOTED, M1, M2, M3, M4, FIN, REFUSAL, RECORD, NOTHING, OTHER, EVENTS };

/* The client at one place of the honest course, all frames of which are on the wire. */
static void client_at(int place)
{
    set_up();
    pair_run(&p, PAIR_FIN);
    pair_again(&p, 0);
    if (place >= AT_M2) ck_assert_int_eq(pair_start(&p, &p.c), TALLY_OK);
    if (place >= AT_M3) ck_assert_int_eq(pair_pass(&p, &p.c, PAIR_M2), TALLY_OK);
    if (place >= AT_QUOTE_C) ck_assert_int_eq(pair_pass(&p, &p.c, PAIR_M3), TALLY_OK);
    if (place >= AT_FIN) ck_assert_int_eq(pair_quoted(&p, &p.c), TALLY_OK);
    if (place == AT_DONE_C) ck_assert_int_eq(pair_pass(&p, &p.c, PAIR_FIN), TALLY_OK);
    if (place == AT_FAILED_C) ck_assert_int_ne(pair_pass(&p, &p.c, PAIR_M1), TALLY_OK);
}

/* The same for the server: IDLE, WAIT_QUOTE, WAIT_M4, DONE, FAILED. */
enum { AT_QUOTE_S = 1, AT_M4, AT_DONE_S, AT_FAILED_S, PLACES_S };
static void server_at(int place)
{
    set_up();
    pair_run(&p, PAIR_FIN);
    pair_again(&p, 0);
    if (place >= AT_QUOTE_S) ck_assert_int_eq(pair_pass(&p, &p.s, PAIR_M1), TALLY_OK);
    if (place >= AT_M4) ck_assert_int_eq(pair_quoted(&p, &p.s), TALLY_OK);
    if (place == AT_DONE_S) ck_assert_int_eq(pair_pass(&p, &p.s, PAIR_M4), TALLY_OK);
    if (place == AT_FAILED_S) ck_assert_int_ne(pair_pass(&p, &p.s, PAIR_M1), TALLY_OK);
}

static enum tally_status event(struct pair_side *to, int e)
{
    static const uint8_t refusal[] = {6, 0, TALLY_REFUSED_BUSY}, record[40] = {5}, other[40] = {7};

    switch (e) {
    case START: return pair_start(&p, to);
    case TICK: return pair_tick(&p, to);
    case QUOTED: return pair_quoted(&p, to);
    case REFUSAL: return pair_give(&p, to, refusal, sizeof refusal);
    case RECORD: return pair_give(&p, to, record, sizeof record);
    case NOTHING: return pair_give(&p, to, record, 0);
    case OTHER: return pair_give(&p, to, other, sizeof other);
    default: return pair_pass(&p, to, e - M1 + PAIR_M1);
    }
}

/* What goes on from each place; everything else is refused. A tick is always welcome until the
 * end. */
static void judge_event(struct pair_side *to, int e, int welcome, bool over)
{
    unsigned was = to->h.state;
    enum tally_status s = event(to, e);

    if (e == welcome || (e == TICK && !over)) {
        ck_assert_msg(s == TALLY_OK, "event %d in %s: %s", e, tally_handshake_table[was].name,
                      tally_why());
        return;
    }
    ck_assert_msg(s != TALLY_OK, "event %d in %s", e, tally_handshake_table[was].name);
    if (e <= QUOTED || over) {
        ck_assert_int_eq(s, TALLY_E_STATE);
        ck_assert_uint_eq(to->h.state, was); /* ours, or too late: changes nothing */
        return;
    }
    pair_check_ended(to);
    for (int again = 0; again < EVENTS; again++) ck_assert_int_eq(event(to, again), TALLY_E_STATE);
}

START_TEST(the_client_refuses_every_event_out_of_turn)
{
    static const int welcome[PLACES_C] = {START, M2, M3, QUOTED, FIN, -1, -1};
    static const enum tally_handshake_state want[PLACES_C] = {
        TALLY_HANDSHAKE_IDLE,       TALLY_HANDSHAKE_WAIT_M2,  TALLY_HANDSHAKE_WAIT_M3,
        TALLY_HANDSHAKE_WAIT_QUOTE, TALLY_HANDSHAKE_WAIT_FIN, TALLY_HANDSHAKE_DONE,
        TALLY_HANDSHAKE_FAILED};

    for (int e = 0; e < EVENTS; e++) {
        client_at(_i);
        ck_assert_uint_eq(p.c.h.state, want[_i]);
        judge_event(&p.c, e, welcome[_i], _i >= AT_DONE_C);
        pair_end(&p);
    }
}
END_TEST

START_TEST(the_server_refuses_every_event_out_of_turn)
{
    static const int welcome[PLACES_S] = {M1, QUOTED, M4, -1, -1};
    static const enum tally_handshake_state want[PLACES_S] = {
        TALLY_HANDSHAKE_IDLE, TALLY_HANDSHAKE_WAIT_QUOTE, TALLY_HANDSHAKE_WAIT_M4,
        TALLY_HANDSHAKE_DONE, TALLY_HANDSHAKE_FAILED};

    for (int e = 0; e < EVENTS; e++) {
        server_at(_i);
        ck_assert_uint_eq(p.s.h.state, want[_i]);
        judge_event(&p.s, e, welcome[_i], _i >= AT_DONE_S);
        pair_end(&p);
    }
}
END_TEST

/* ---- frames cut, lengthened and changed ---- */

static bool all_bits(void)
{
    return getenv("TALLY_LONG") != NULL;
}

/* `to`, as it was before it got frame n, gets these bytes instead and refuses. */
static void refuses(struct pair_side *to, int n, const uint8_t *frame, size_t len, const char *how,
                    size_t where)
{
    to->h = before;
    if (n == PAIR_FIN) /* whose cipher is not a plain value */
        ck_assert_int_eq(tally_records_init(&to->h.records, to->side, &to->h.session_keys, p.now_ms,
                                            to->h.peer.not_after_s),
                         TALLY_OK);
    ck_assert_msg(pair_give(&p, to, frame, len) != TALLY_OK, "frame %d %s at %zu", n, how, where);
    pair_check_ended(to);
}

static struct pair_side *receiver(int n)
{
    return n == PAIR_M1 || n == PAIR_M4 ? &p.s : &p.c;
}

static void at_frame(int n)
{
    set_up();
    pair_run(&p, n);
    if (n == PAIR_FIN) tally_records_end(&p.c.h.records);
    before = receiver(n)->h;
}

START_TEST(every_cut_and_lengthened_frame_is_refused)
{
    static uint8_t longer[TALLY_SEALED_FRAME_BYTES_MAX];
    struct pair_side *to;
    size_t len;

    at_frame(_i);
    to = receiver(_i);
    len = p.wire[_i].len;
    for (size_t n = 0; n < len; n++) refuses(to, _i, p.wire[_i].at, n, "cut", n);
    memcpy(longer, p.wire[_i].at, len);
    refuses(to, _i, longer, len + 1, "lengthened", len);
    refuses(to, _i, longer, len + 16, "lengthened", len);
    refuses(to, _i, longer, sizeof longer, "lengthened", len);
    to->h = before;
    pair_end(&p);
}
END_TEST

START_TEST(every_changed_bit_of_a_sealed_frame_is_refused)
{
    size_t step = all_bits() || _i == PAIR_FIN ? 1 : 3;

    at_frame(_i);
    for (size_t bit = 0; bit < 8 * p.wire[_i].len; bit += step) {
        p.wire[_i].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        refuses(receiver(_i), _i, p.wire[_i].at, p.wire[_i].len, "changed", bit);
        p.wire[_i].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    receiver(_i)->h = before;
    pair_end(&p);
}
END_TEST

/* ---- time ---- */

START_TEST(a_handshake_may_be_half_open_for_thirty_seconds_and_no_longer)
{
    uint64_t started;

    set_up();
    started = p.now_ms;
    pair_run(&p, PAIR_M4);
    ck_assert_uint_eq(p.c.did.wake_ms, started + 30000);
    ck_assert_uint_eq(p.s.h.started_ms + TALLY_HALF_OPEN_MS, started + 30000);
    p.now_ms = started + 29999;
    ck_assert_int_eq(pair_tick(&p, &p.c), TALLY_OK);
    ck_assert_int_eq(pair_tick(&p, &p.s), TALLY_OK);
    ck_assert_uint_eq(p.s.did.wake_ms, started + 30000);
    p.now_ms = started + 30000;
    PAIR_REFUSED(pair_tick(&p, &p.c), TALLY_R_deadline);
    pair_check_ended(&p.c);
    PAIR_REFUSED(pair_pass(&p, &p.s, PAIR_M4), TALLY_R_deadline); /* good, but too late */
    pair_check_ended(&p.s);
    ck_assert_int_eq(p.s.h.reason, TALLY_R_deadline);
    pair_end(&p);
}
END_TEST

START_TEST(a_quote_that_took_too_long_is_not_sent)
{
    set_up();
    pair_run(&p, PAIR_M2);
    p.now_ms += 30000;
    PAIR_REFUSED(pair_quoted(&p, &p.s), TALLY_R_deadline);
    pair_check_ended(&p.s);
    ck_assert_uint_eq(p.s.did.send.len, 0);
    pair_end(&p);
}
END_TEST

START_TEST(waiting_for_a_client_has_no_time_limit_of_its_own)
{
    set_up();
    ck_assert_int_eq(pair_tick(&p, &p.s), TALLY_OK);
    ck_assert_uint_eq(p.s.did.wake_ms, 0);
    p.now_ms += 3600 * 1000;
    pair_finish(&p);
    pair_end(&p);
}
END_TEST

/* ---- what the caller can get wrong ---- */

START_TEST(params_that_do_not_fit_each_other_are_refused)
{
    struct tally_handshake_params x;

    set_up();
    x = p.c.h.p;
    x.session_key = &p.s.session;
    ck_assert_int_eq(tally_handshake_init(&p.c.h, &x, &p.c.fresh), TALLY_E_CONFIG);
    x = p.c.h.p;
    x.key_block = p.s.key_block;
    ck_assert_int_eq(tally_handshake_init(&p.c.h, &x, &p.c.fresh), TALLY_E_CONFIG);
    x.key_block = tally_slice_of(p.c.key_block.at, p.c.key_block.len - 1);
    ck_assert_int_eq(tally_handshake_init(&p.c.h, &x, &p.c.fresh), TALLY_E_CONFIG);
    x = p.s.h.p;
    x.side = TALLY_SIDE_CLIENT; /* of an agent, which does not serve */
    ck_assert_int_eq(tally_handshake_init(&p.s.h, &x, &p.s.fresh), TALLY_E_CONFIG);
    p.f.mode = TALLY_MODE_PRODUCTION; /* while the key block says test */
    x = p.c.h.p;
    ck_assert_int_eq(tally_handshake_init(&p.c.h, &x, &p.c.fresh), TALLY_E_CONFIG);
    pair_end(&p);
}
END_TEST

START_TEST(evidence_that_no_peer_would_take_ends_the_handshake)
{
    static uint8_t big[TALLY_EV_MAX + 1];
    struct tally_handshake_event ev = {.type = TALLY_HANDSHAKE_QUOTED,
                                       .ev = TALLY_SLICE(big),
                                       .out = p.s.out,
                                       .out_cap = sizeof p.s.out};

    set_up();
    pair_run(&p, PAIR_M2);
    ev.now_ms = p.now_ms;
    ck_assert_int_eq(tally_handshake_step(&p.s.h, &ev, &p.s.did), TALLY_E_LIMIT);
    pair_check_ended(&p.s);
    pair_begin(&p);
    pair_run(&p, PAIR_M2);
    ev.ev = tally_slice_of(big, TALLY_EV_MAX); /* and the largest fits */
    ev.endorsements = tally_slice_of(big, TALLY_ENDORSEMENTS_MAX);
    ck_assert_int_eq(tally_handshake_step(&p.s.h, &ev, &p.s.did), TALLY_OK);
    ck_assert_uint_le(p.s.did.send.len, TALLY_SEALED_FRAME_BYTES_MAX);
    pair_end(&p);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("handshake");

    tcase_add_test(t, both_sides_learn_whom_they_talk_to);
    tcase_add_test(t, the_peers_evidence_is_given_out_once_and_whole);
    tcase_add_test(t, no_secret_outlives_its_use);
    tcase_add_test(t, a_session_for_documents_alone_has_no_job);
    tcase_add_loop_test(t, the_client_refuses_every_event_out_of_turn, 0, PLACES_C);
    tcase_add_loop_test(t, the_server_refuses_every_event_out_of_turn, 0, PLACES_S);
    tcase_add_loop_test(t, every_cut_and_lengthened_frame_is_refused, PAIR_M1, PAIR_FRAMES);
    tcase_add_loop_test(t, every_changed_bit_of_a_sealed_frame_is_refused, PAIR_M3, PAIR_FRAMES);
    tcase_add_test(t, a_handshake_may_be_half_open_for_thirty_seconds_and_no_longer);
    tcase_add_test(t, a_quote_that_took_too_long_is_not_sent);
    tcase_add_test(t, waiting_for_a_client_has_no_time_limit_of_its_own);
    tcase_add_test(t, params_that_do_not_fit_each_other_are_refused);
    tcase_add_test(t, evidence_that_no_peer_would_take_ends_the_handshake);
    return tally_suite_run("proto/handshake", t);
}
