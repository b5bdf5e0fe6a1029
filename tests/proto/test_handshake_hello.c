/* test_handshake_hello.c - proto/handshake_hello.c: M1 and M2 arrive as they were sent or not at
 * all, and nobody talks to anybody but whom the federation document and the connection name, in
 * the hellos and in the key block alike. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pair.h"
#include "tests/lib/suite.h"

static struct pair p;
static struct tally_handshake before;

static void set_up(void)
{
    pair_init(&p);
    pair_begin(&p);
}

/* ---- on their way ---- */

/* The server refuses a changed M1 at once, or its M3 does not open. */
START_TEST(no_bit_of_m1_can_change_on_its_way)
{
    unsigned at_once = 0;

    set_up();
    pair_run(&p, PAIR_M1);
    before = p.c.h;
    struct tally_handshake server = p.s.h;
    for (size_t bit = 0; bit < 8 * p.wire[PAIR_M1].len; bit++) {
        p.s.h = server;
        p.c.h = before;
        p.wire[PAIR_M1].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum tally_status s = pair_pass(&p, &p.s, PAIR_M1);
        p.wire[PAIR_M1].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        at_once += s != TALLY_OK;
        if (s != TALLY_OK) continue;
        ck_assert_int_eq(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_OK);
        ck_assert_int_eq(pair_quoted(&p, &p.s), TALLY_OK);
        PAIR_REFUSED(pair_give(&p, &p.c, p.s.did.send.at, p.s.did.send.len), TALLY_R_E_AUTH);
    }
    /* All but job, krp, ephemeral and nonce; and an ephemeral's top bit, which X25519 ignores,
     * is caught by the transcript. */
    ck_assert_uint_eq(at_once, 8 * (p.wire[PAIR_M1].len - 4 * 32));
    ck_assert_uint_eq(p.appraisals, 0);
    pair_end(&p);
}
END_TEST

START_TEST(no_bit_of_m2_can_change_on_its_way)
{
    unsigned at_once = 0;

    set_up();
    pair_run(&p, PAIR_M2);
    ck_assert_int_eq(pair_quoted(&p, &p.s), TALLY_OK);
    memcpy(p.wire[PAIR_M3].at, p.s.did.send.at, p.s.did.send.len);
    p.wire[PAIR_M3].len = p.s.did.send.len;
    before = p.c.h;
    for (size_t bit = 0; bit < 8 * p.wire[PAIR_M2].len; bit++) {
        p.c.h = before;
        p.wire[PAIR_M2].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum tally_status s = pair_pass(&p, &p.c, PAIR_M2);
        p.wire[PAIR_M2].at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        at_once += s != TALLY_OK;
        if (s == TALLY_OK) PAIR_REFUSED(pair_pass(&p, &p.c, PAIR_M3), TALLY_R_E_AUTH);
    }
    ck_assert_uint_eq(at_once, 8 * (p.wire[PAIR_M2].len - 2 * 32 - 16));
    pair_end(&p);
}
END_TEST

START_TEST(a_low_order_ephemeral_is_refused_by_both_sides)
{
    enum { M1_E_C = 8 + 3 * 32, M2_E_S = 8 };

    set_up();
    pair_run(&p, PAIR_M1);
    memset(p.wire[PAIR_M1].at + M1_E_C, 0, 32);
    PAIR_REFUSED(pair_pass(&p, &p.s, PAIR_M1), TALLY_R_E_AUTH);
    pair_check_ended(&p.s);
    ck_assert_uint_eq(p.s.did.send.len, 0); /* no M2 */
    pair_begin(&p);
    pair_run(&p, PAIR_M2);
    memset(p.wire[PAIR_M2].at + M2_E_S, 0, 32);
    PAIR_REFUSED(pair_pass(&p, &p.c, PAIR_M2), TALLY_R_E_AUTH);
    pair_check_ended(&p.c);
    pair_end(&p);
}
END_TEST

/* ---- who may talk to whom ---- */

/* An honest M1 with one thing else. */
struct odd_m1 {
    void (*change)(struct tally_m1 *m);
    enum tally_reason why;
    enum tally_refusal hint;
};
static void m1_mode(struct tally_m1 *m)
{
    m->mode = TALLY_MODE_PRODUCTION;
}
static void m1_federation(struct tally_m1 *m)
{
    m->federation[31] ^= 1;
}
static void m1_role_c(struct tally_m1 *m)
{
    m->role_c = TALLY_ROLE_AUDITOR;
}
static void m1_role_s(struct tally_m1 *m)
{
    m->role_s = TALLY_ROLE_KMS;
}
static void m1_org_c(struct tally_m1 *m)
{
    memcpy(m->org_c, "bank-2", 7);
}
static void m1_node_c(struct tally_m1 *m)
{
    memcpy(m->node_c, "agent-2", 8);
}
static void m1_org_s(struct tally_m1 *m)
{
    memcpy(m->org_s, "other", 6);
}
static void m1_pin(struct tally_m1 *m)
{
    m->pin_size = 1;
}
static void m1_pin_root(struct tally_m1 *m)
{
    m->pin_root[0] = 1;
}
static const struct odd_m1 odd_m1s[] = {
    {m1_mode,       TALLY_R_E_IDENTITY,         TALLY_REFUSED_MODE      },
    {m1_federation, TALLY_R_E_FEDERATION,       TALLY_REFUSED_FEDERATION},
    {m1_role_c,     TALLY_R_E_IDENTITY,         TALLY_REFUSED_ROLE      },
    {m1_role_s,     TALLY_R_E_IDENTITY,         TALLY_REFUSED_ROLE      },
    {m1_org_c,      TALLY_R_E_IDENTITY,         TALLY_REFUSED_NAME      },
    {m1_node_c,     TALLY_R_E_IDENTITY,         TALLY_REFUSED_NAME      },
    {m1_org_s,      TALLY_R_E_IDENTITY,         TALLY_REFUSED_NAME      },
    {m1_pin,        TALLY_R_E_RESERVED_NONZERO, TALLY_REFUSED_NOT       },
    {m1_pin_root,   TALLY_R_E_RESERVED_NONZERO, TALLY_REFUSED_NOT       },
};

/* The hint reaches the client, says the same to it, and ends its attempt. */
static void heard(enum tally_refusal hint)
{
    uint8_t want[TALLY_REFUSAL_BYTES];

    tally_refusal_encode(hint, want);
    ck_assert(tally_slice_equal(p.s.did.send, TALLY_SLICE(want)));
    ck_assert_int_ne(pair_give(&p, &p.c, want, sizeof want), TALLY_OK);
    pair_check_ended(&p.c);
    ck_assert_int_eq(p.c.h.refused, hint);
}

START_TEST(an_m1_of_someone_else_is_refused_with_a_hint)
{
    const struct odd_m1 *odd = &odd_m1s[_i];
    struct tally_wr w = tally_wr_to(p.wire[0].at, sizeof p.wire[0].at);
    struct tally_slice frame;
    struct tally_m1 m;

    set_up();
    pair_run(&p, PAIR_M1);
    ck_assert_int_eq(tally_m1_decode(tally_slice_of(p.wire[PAIR_M1].at, p.wire[PAIR_M1].len), &m),
                     TALLY_OK);
    odd->change(&m);
    ck_assert_int_eq(tally_m1_encode(&m, &w, &frame), TALLY_OK);
    PAIR_REFUSED(pair_give(&p, &p.s, frame.at, frame.len), odd->why);
    pair_check_ended(&p.s);
    ck_assert_int_eq(p.s.h.reason, odd->why);
    if (odd->hint == TALLY_REFUSED_NOT)
        ck_assert_uint_eq(p.s.did.send.len, 0);
    else
        heard(odd->hint);
    pair_end(&p);
}
END_TEST

START_TEST(another_version_and_suite_are_refused_with_a_hint)
{
    for (size_t at = 1; at <= 3; at += 2) {
        set_up();
        pair_run(&p, PAIR_M1);
        p.wire[PAIR_M1].at[at] = 9;
        ck_assert_int_ne(pair_pass(&p, &p.s, PAIR_M1), TALLY_OK);
        heard(TALLY_REFUSED_VERSION);
        ck_assert_int_eq(p.c.h.reason, TALLY_R_E_VERSION);
        pair_end(&p);
    }
}
END_TEST

static void m2_mode(struct tally_m2 *m)
{
    m->mode = TALLY_MODE_PRODUCTION;
}
static void m2_role(struct tally_m2 *m)
{
    m->role_s = TALLY_ROLE_KMS;
}
static void m2_org(struct tally_m2 *m)
{
    memcpy(m->org_s, "other", 6);
}
static void (*const odd_m2s[])(struct tally_m2 *m) = {m2_mode, m2_role, m2_org};

START_TEST(an_m2_of_someone_else_is_refused)
{
    struct tally_wr w = tally_wr_to(p.wire[0].at, sizeof p.wire[0].at);
    struct tally_slice frame;
    struct tally_m2 m;

    set_up();
    pair_run(&p, PAIR_M2);
    ck_assert_int_eq(tally_m2_decode(tally_slice_of(p.wire[PAIR_M2].at, p.wire[PAIR_M2].len), &m),
                     TALLY_OK);
    odd_m2s[_i](&m);
    ck_assert_int_eq(tally_m2_encode(&m, &w, &frame), TALLY_OK);
    PAIR_REFUSED(pair_give(&p, &p.c, frame.at, frame.len), TALLY_R_E_IDENTITY);
    pair_check_ended(&p.c);
    pair_end(&p);
}
END_TEST

/* ---- key blocks ---- */

static void kb_mode(struct tally_key_block *kb)
{
    kb->mode = TALLY_MODE_PRODUCTION;
}
static void kb_role(struct tally_key_block *kb)
{
    kb->role = TALLY_ROLE_AUDITOR;
}
static void kb_federation(struct tally_key_block *kb)
{
    kb->federation_id[0] ^= 1;
}
static void kb_org(struct tally_key_block *kb)
{
    memcpy(kb->org, "bank-7", 7);
}
static void kb_node(struct tally_key_block *kb)
{
    memcpy(kb->node, "agent-7", 8);
}
static void kb_instance(struct tally_key_block *kb)
{
    kb->instance[0] ^= 1;
}

static const struct {
    void (*change)(struct tally_key_block *kb);
    enum tally_reason why;
} odd_kbs[] = {
    {kb_mode,       TALLY_R_E_IDENTITY  },
    {kb_role,       TALLY_R_E_IDENTITY  },
    {kb_org,        TALLY_R_E_IDENTITY  },
    {kb_federation, TALLY_R_E_FEDERATION},
    {kb_node,       TALLY_R_E_IDENTITY  },
    {kb_instance,   TALLY_R_E_IDENTITY  },
};

static struct tally_slice encoded(const struct tally_key_block *kb)
{
    static uint8_t bytes[TALLY_KEY_BLOCK_BYTES_MAX];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice out;

    ck_assert_int_eq(tally_key_block_encode(kb, &w, &out), TALLY_OK);
    return out;
}

/* In genuine evidence, and signed. A client's instance is free: no frame named it before. */
START_TEST(a_key_block_of_another_name_is_refused)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        set_up();
        struct pair_side *to = pair_waiting(&p, side), *by = pair_other(&p, to);
        struct tally_key_block kb = by->kb;
        odd_kbs[_i].change(&kb);
        p.appraisals = 0;
        enum tally_status s = pair_prove(&p, to, encoded(&kb), &by->session);
        bool free_instance = side == PAIR_SERVER && odd_kbs[_i].change == kb_instance;
        ck_assert_int_eq(s == TALLY_OK, free_instance);
        if (!free_instance) {
            ck_assert_int_eq(tally_reason(), odd_kbs[_i].why);
            ck_assert_uint_eq(p.appraisals, 0);
            pair_check_ended(to);
        }
        pair_end(&p);
    }
}
END_TEST

/* ---- the proof inside the frame ---- */

/* Whoever knows the frame's key but not the session key changes nothing of what it holds. The
 * endorsements alone are free: hints, trusted for nothing. */
START_TEST(no_bit_of_a_signed_proof_can_change)
{
    size_t step = getenv("TALLY_LONG") != NULL ? 1 : 11;
    struct pair_side *to, *by;
    struct tally_slice plain;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], *changed;

    set_up();
    to = pair_waiting(&p, _i);
    by = pair_other(&p, to);
    before = to->h;
    pair_wanted(to, by->key_block, report_data);
    p.quote(by, report_data);
    plain = pair_proof(to, by->ev, (struct tally_slice){0}, by->key_block, &by->session, NULL);
    changed = malloc(plain.len);
    ck_assert_ptr_nonnull(changed);
    memcpy(changed, plain.at, plain.len);
    p.appraisals = 0;
    for (size_t bit = 0; bit < 8 * plain.len; bit += step) {
        to->h = before;
        changed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(pair_forge(&p, to, tally_slice_of(changed, plain.len)) != TALLY_OK, "%zu",
                      bit);
        changed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert_uint_eq(p.appraisals, 0);
    for (size_t n = 0; n < plain.len; n++) {
        to->h = before;
        ck_assert_int_ne(pair_forge(&p, to, tally_slice_of(changed, n)), TALLY_OK);
    }
    free(changed);
    pair_end(&p);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("handshake_hello");
    const int m1s = sizeof odd_m1s / sizeof *odd_m1s, m2s = sizeof odd_m2s / sizeof *odd_m2s;

    tcase_add_test(t, no_bit_of_m1_can_change_on_its_way);
    tcase_add_test(t, no_bit_of_m2_can_change_on_its_way);
    tcase_add_test(t, a_low_order_ephemeral_is_refused_by_both_sides);
    tcase_add_loop_test(t, an_m1_of_someone_else_is_refused_with_a_hint, 0, m1s);
    tcase_add_test(t, another_version_and_suite_are_refused_with_a_hint);
    tcase_add_loop_test(t, an_m2_of_someone_else_is_refused, 0, m2s);
    tcase_add_loop_test(t, a_key_block_of_another_name_is_refused, 0,
                        sizeof odd_kbs / sizeof *odd_kbs);
    tcase_add_loop_test(t, no_bit_of_a_signed_proof_can_change, 0, PAIR_SIDES);
    return tally_suite_run("proto/handshake_hello", t);
}
