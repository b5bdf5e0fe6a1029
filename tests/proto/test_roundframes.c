/* test_roundframes.c - proto/roundframes.c: OPEN, SH, ST and the head of an upload are what they
 * say to the byte, answer each other, and are signed by whom they name. */
#include <string.h>

#include "common/chunked.h"
#include "common/sealtree.h"
#include "tests/lib/codec.h"
#include "tests/lib/suite.h"
#include "tests/lib/update_data.h"
#include "tests/proto/codecs.h"

static const uint8_t modes[] = {'P', 'T'}, kinds[] = {2, 3, 4, 5} /* of those that have a base */,
                     one[] = {1}, zero[] = {0};
static uint8_t buf[CODEC_BYTES_MAX];

static struct tally_opening an_opening(void)
{
    struct tally_opening o = {.kind = TALLY_PAYLOAD_DELTA,
                              .mode = TALLY_MODE_TEST,
                              .round = 7,
                              .opened_ms = 1795000000000,
                              .deadline_ms = 1795000600000};

    memset(o.federation, 1, 32);
    memset(o.job, 2, 32);
    memset(o.krp, 3, 32);
    memset(o.instance, 4, 16);
    memset(o.challenge, 5, 32);
    memset(o.base, 6, 32);
    return o;
}

static struct tally_statement a_statement(void)
{
    struct tally_opening o = an_opening();
    struct tally_statement s = {.kind = o.kind,
                                .mode = o.mode,
                                .round = o.round,
                                .plaintext_bytes = 600000,
                                .sealed_bytes = 600648,
                                .examples = 12345,
                                .org = "bank-1",
                                .node = "agent-1"};

    memcpy(s.federation, o.federation, 32);
    memcpy(s.job, o.job, 32);
    memcpy(s.krp, o.krp, 32);
    memcpy(s.challenge, o.challenge, 32);
    memcpy(s.base, o.base, 32);
    memset(s.seal_digest, 7, 32);
    return s;
}

static struct tally_slice opening_bytes(const struct tally_opening *o)
{
    ck_assert_int_eq(tally_opening_encode(o, buf), TALLY_OK);
    return tally_slice_of(buf, TALLY_OPENING_BYTES);
}

static struct tally_slice statement_bytes(const struct tally_statement *s)
{
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    ck_assert_int_eq(tally_statement_encode(s, &w, &out), TALLY_OK);
    return out;
}

static struct tally_slice header_bytes(const struct tally_payload_header *h)
{
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    ck_assert_int_eq(tally_payload_header_encode(h, &w, &out), TALLY_OK);
    return out;
}

static struct tally_sign_key key_of(uint8_t n)
{
    struct tally_sign_key k;

    tally_sign_key_from_seed(&k, (uint8_t[32]){n});
    return k;
}

/* ---- OPEN ---- */

enum { OPEN_ROUND_AT = 4 + 3 * 32 + 16, OPEN_BASE_AT = OPEN_ROUND_AT + 8 + 32 };

START_TEST(an_opening_of_any_other_length_or_kind_is_refused)
{
    struct tally_opening o = an_opening();
    struct tally_slice good = opening_bytes(&o);

    ck_assert_uint_eq(good.len, 204);
    codec_check_lengths(codec_opening, good);
    codec_check_byte(codec_opening, good, 0, one, 1);
    codec_check_byte(codec_opening, good, 1, kinds, sizeof kinds);
    codec_check_byte(codec_opening, good, 2, modes, sizeof modes);
    codec_check_byte(codec_opening, good, 3, zero, 1);
    ck_assert_uint_ge(codec_check_bits(codec_opening, good, good.len), 24);
}
END_TEST

START_TEST(an_opening_has_a_base_but_for_moments_and_a_deadline_after_its_start)
{
    struct tally_opening o = an_opening();
    uint8_t out[TALLY_OPENING_BYTES];

    o.kind = TALLY_PAYLOAD_MOMENTS;
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_E_WIRE);
    memset(o.base, 0, 32);
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_OK);
    o.round = 1; /* round 0 was aborted */
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_OK);
    o.kind = TALLY_PAYLOAD_DELTA;
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_E_WIRE);
    o = an_opening();
    o.deadline_ms = o.opened_ms;
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_E_WIRE);
    o.deadline_ms++;
    ck_assert_int_eq(tally_opening_encode(&o, out), TALLY_OK);
}
END_TEST

START_TEST(only_the_signed_opening_verifies_and_only_for_its_key)
{
    struct tally_sign_key k = key_of(1), other = key_of(2);
    struct tally_opening o = an_opening();
    struct tally_slice text = opening_bytes(&o);
    uint8_t sig[TALLY_SIGNATURE_BYTES], set_sig[TALLY_SIGNATURE_BYTES];

    ck_assert_int_eq(tally_opening_sign(&k, text, sig), TALLY_OK);
    ck_assert_int_eq(tally_opening_verify(tally_sign_public(&k), text, sig), TALLY_OK);
    ck_assert_int_eq(tally_opening_verify(tally_sign_public(&other), text, sig), TALLY_E_AUTH);
    for (size_t bit = 0; bit < 8 * text.len; bit += 5) {
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tally_opening_verify(tally_sign_public(&k), text, sig), TALLY_E_AUTH);
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof sig; bit++) {
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tally_opening_verify(tally_sign_public(&k), text, sig), TALLY_E_AUTH);
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert_int_eq(tally_vote_sign(&k, text.at, set_sig), TALLY_OK); /* another label */
    ck_assert_int_eq(tally_opening_verify(tally_sign_public(&k), tally_slice_of(buf, 32), set_sig),
                     TALLY_E_AUTH);
}
END_TEST

static void change_opening(struct tally_opening *o, int field)
{
    switch (field) {
    case 0: o->kind = TALLY_PAYLOAD_EVALUATION; break;
    case 1: o->mode = TALLY_MODE_PRODUCTION; break;
    case 2: o->federation[31] ^= 1; break;
    case 3: o->job[31] ^= 1; break;
    case 4: o->krp[31] ^= 1; break;
    case 5: o->round++; break;
    case 6: o->challenge[31] ^= 1; break;
    case 7: o->base[31] ^= 1; break;
    case 8: o->opened_ms++; break;
    default: o->deadline_ms++; break;
    }
}
enum { OPENING_CHANGES = 10 };

START_TEST(a_new_instance_continues_a_round_and_nothing_else_does)
{
    struct tally_opening a = an_opening(), b;

    for (int i = 0; i < OPENING_CHANGES; i++) {
        b = a;
        change_opening(&b, i);
        ck_assert_msg(!tally_opening_same(&a, &b), "change %d", i);
    }
    b = a;
    b.instance[0] ^= 1;
    ck_assert(tally_opening_same(&a, &b));
}
END_TEST

/* ---- SH ---- */

START_TEST(a_payload_header_of_any_other_length_or_kind_is_refused)
{
    struct tally_statement s = a_statement();
    struct tally_payload_header h, got;

    tally_statement_header(&s, &h);
    struct tally_slice good = header_bytes(&h);
    codec_check_lengths(codec_payload_header, good);
    codec_check_byte(codec_payload_header, good, 0, one, 1);
    codec_check_byte(codec_payload_header, good, 1, kinds, sizeof kinds);
    codec_check_byte(codec_payload_header, good, 2, zero, 1); /* suite */
    codec_check_byte(codec_payload_header, good, 3, one, 1);
    codec_check_byte(codec_payload_header, good, 4, modes, sizeof modes);
    for (size_t at = 5; at < 8; at++) codec_check_byte(codec_payload_header, good, at, zero, 1);
    codec_check_length_lies(codec_payload_header, good, 120);
    codec_check_length_lies(codec_payload_header, good, 120 + 4 + 6);
    ck_assert_uint_ge(codec_check_bits(codec_payload_header, good, good.len), 48);
    ck_assert_int_eq(tally_payload_header_decode(good, &got), TALLY_OK);
    ck_assert_str_eq(got.org, "bank-1");
    ck_assert_str_eq(got.node, "agent-1");
    ck_assert(got.round == s.round && got.plaintext_bytes == 600000 && got.kind == s.kind);
    ck_assert_mem_eq(got.job, s.job, 32);
}
END_TEST

START_TEST(a_payload_header_has_its_limits)
{
    struct tally_statement s = a_statement();
    struct tally_payload_header h;
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    tally_statement_header(&s, &h);
    memset(h.org, 'a', TALLY_NAME_MAX);
    memset(h.node, 'b', TALLY_NAME_MAX);
    h.plaintext_bytes = TALLY_PAYLOAD_BYTES_MAX;
    ck_assert_uint_eq(header_bytes(&h).len, TALLY_PAYLOAD_HEADER_BYTES_MAX);
    h.plaintext_bytes++;
    ck_assert_int_eq(tally_payload_header_encode(&h, &w, &out), TALLY_E_WIRE);
}
END_TEST

/* ---- ST ---- */

enum { ST_SIZES_AT = 4 + 3 * 32 + 8 + 3 * 32, ST_NAMES_AT = ST_SIZES_AT + 8 + 8 + 4 };

START_TEST(a_statement_of_any_other_length_or_kind_is_refused)
{
    struct tally_statement s = a_statement();
    struct tally_slice good = statement_bytes(&s);

    codec_check_lengths(codec_statement, good);
    codec_check_byte(codec_statement, good, 0, one, 1);
    codec_check_byte(codec_statement, good, 1, kinds, sizeof kinds);
    codec_check_byte(codec_statement, good, 2, modes, sizeof modes);
    codec_check_byte(codec_statement, good, 3, zero, 1);
    codec_check_length_lies(codec_statement, good, ST_NAMES_AT);
    codec_check_length_lies(codec_statement, good, ST_NAMES_AT + 4 + 6);
    for (size_t at = ST_SIZES_AT; at < ST_SIZES_AT + 16; at++) /* one size names the other */
        codec_check_byte(codec_statement, good, at, good.at + at, 1);
    ck_assert_uint_ge(codec_check_bits(codec_statement, good, good.len), 128 + 24);
}
END_TEST

START_TEST(a_statement_speaks_for_some_and_not_for_too_many_examples)
{
    static const struct {
        uint32_t examples;
        enum tally_status want;
    } cases[] = {
        {0,                      TALLY_E_WIRE},
        {1,                      TALLY_OK    },
        {TALLY_EXAMPLES_MAX,     TALLY_OK    },
        {TALLY_EXAMPLES_MAX + 1, TALLY_E_WIRE},
        {UINT32_MAX,             TALLY_E_WIRE}
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally_statement s = a_statement();
        struct tally_wr w = tally_wr_to(buf, sizeof buf);
        struct tally_slice out;
        s.examples = cases[i].examples;
        ck_assert_int_eq(tally_statement_encode(&s, &w, &out), cases[i].want);
    }
}
END_TEST

START_TEST(the_sealed_size_is_that_of_the_chunked_file)
{
    static const uint64_t sizes[] = {0,     1,     16383,   16384,
                                     16385, 32767, 1 << 20, TALLY_PAYLOAD_BYTES_MAX};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t want;
        ck_assert_int_eq(tally_chunked_file_bytes(sizes[i], &want), TALLY_OK);
        ck_assert_uint_eq(tally_statement_sealed_bytes(sizes[i]), want);
    }
    ck_assert_uint_eq(TALLY_PIECE_BYTES_MAX, TALLY_SEALTREE_PIECE_BYTES);
}
END_TEST

START_TEST(the_largest_statement_fits_its_limit)
{
    struct tally_statement s = a_statement();

    memset(s.org, 'a', TALLY_NAME_MAX);
    memset(s.node, 'b', TALLY_NAME_MAX);
    s.plaintext_bytes = TALLY_PAYLOAD_BYTES_MAX;
    s.sealed_bytes = tally_statement_sealed_bytes(s.plaintext_bytes);
    struct tally_slice out = statement_bytes(&s);
    ck_assert_uint_eq(out.len, TALLY_STATEMENT_BYTES_MAX);
    codec_check_lengths(codec_statement, out);
    s.plaintext_bytes++;
    s.sealed_bytes++;
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    ck_assert_int_eq(tally_statement_encode(&s, &w, &out), TALLY_E_WIRE);
}
END_TEST

START_TEST(a_statement_answers_its_opening_and_no_other)
{
    static const enum tally_reason why[OPENING_CHANGES] = {
        TALLY_R_E_UPDATE, TALLY_R_E_IDENTITY, TALLY_R_E_FEDERATION, TALLY_R_E_UPDATE,
        TALLY_R_E_UPDATE, TALLY_R_E_UPDATE,   TALLY_R_E_UPDATE,     TALLY_R_E_UPDATE};
    struct tally_statement s = a_statement();
    struct tally_opening o = an_opening();

    ck_assert_int_eq(tally_statement_check(&s, &o, "bank-1", "agent-1"), TALLY_OK);
    for (int i = 0; i < OPENING_CHANGES; i++) {
        o = an_opening();
        change_opening(&o, i);
        enum tally_status status = tally_statement_check(&s, &o, "bank-1", "agent-1");
        ck_assert_msg((status == TALLY_OK) == (why[i] == TALLY_R_NONE), "change %d", i);
        if (status != TALLY_OK) ck_assert_int_eq(tally_reason(), why[i]);
    }
    o = an_opening();
    o.instance[0] ^= 1; /* of a restarted aggregator */
    ck_assert_int_eq(tally_statement_check(&s, &o, "bank-1", "agent-1"), TALLY_OK);
    ck_assert_int_ne(tally_statement_check(&s, &o, "bank-2", "agent-1"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_IDENTITY);
    ck_assert_int_ne(tally_statement_check(&s, &o, "bank-1", "agent-2"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_IDENTITY);
}
END_TEST

/* ---- signatures, REPORT_DATA, wrap ---- */

START_TEST(an_update_is_signed_over_its_statement_and_evidence)
{
    struct tally_sign_key k = key_of(1), other = key_of(2);
    struct tally_statement s = a_statement();
    struct tally_slice st = statement_bytes(&s), ev = tally_slice_str("evidence");
    uint8_t sig[TALLY_SIGNATURE_BYTES];
    const uint8_t *public_key = tally_sign_public(&k);

    ck_assert_int_eq(tally_update_sign(&k, st, ev, sig), TALLY_OK);
    ck_assert_int_eq(tally_update_verify(public_key, st, ev, sig), TALLY_OK);
    ck_assert_int_eq(tally_update_verify(public_key, st, tally_slice_str("Evidence"), sig),
                     TALLY_E_AUTH);
    ck_assert_int_eq(tally_update_verify(tally_sign_public(&other), st, ev, sig), TALLY_E_AUTH);
    for (size_t bit = 0; bit < 8 * st.len; bit += 7) {
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tally_update_verify(public_key, st, ev, sig), TALLY_E_AUTH);
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

START_TEST(an_ack_is_for_one_statement_and_one_evidence)
{
    struct tally_sign_key k = key_of(1), other = key_of(2);
    const uint8_t st[32] = {1}, ev[32] = {2}, no[32] = {3}, *public_key = tally_sign_public(&k);
    uint8_t sig[TALLY_SIGNATURE_BYTES];

    ck_assert_int_eq(tally_ack_sign(&k, st, ev, sig), TALLY_OK);
    ck_assert_int_eq(tally_ack_verify(public_key, st, ev, sig), TALLY_OK);
    ck_assert_int_eq(tally_ack_verify(public_key, no, ev, sig), TALLY_E_AUTH);
    ck_assert_int_eq(tally_ack_verify(public_key, st, no, sig), TALLY_E_AUTH);
    ck_assert_int_eq(tally_ack_verify(public_key, ev, st, sig), TALLY_E_AUTH);
    ck_assert_int_eq(tally_ack_verify(tally_sign_public(&other), st, ev, sig), TALLY_E_AUTH);
    ck_assert_int_eq(tally_vote_verify(public_key, st, sig), TALLY_E_AUTH);
}
END_TEST

START_TEST(an_updates_report_data_names_its_statement_and_key_block)
{
    struct tally_statement s = a_statement();
    struct tally_slice st = statement_bytes(&s), kb = tally_slice_str("key block");
    uint8_t want[TALLY_REPORT_DATA_BYTES], got[TALLY_REPORT_DATA_BYTES];

    update_data(st, kb, want);
    update_data(st, tally_slice_str("Key block"), got);
    ck_assert_mem_eq(got, want, 32);
    ck_assert_mem_ne(got + 32, want + 32, 32);
    for (size_t bit = 0; bit < 8 * st.len; bit++) {
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        update_data(st, kb, got);
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_mem_ne(got, want, 32);
        ck_assert_mem_eq(got + 32, want + 32, 32);
    }
}
END_TEST

/* ---- the head of an upload ---- */

START_TEST(the_head_of_an_upload_of_any_other_length_is_refused)
{
    struct tally_upload_head u = {.st = tally_slice_str("statement"),
                                  .ev = tally_slice_str("evidence"),
                                  .endorsements = tally_slice_str("hints")};
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice good;

    memset(u.sig, 1, sizeof u.sig);
    memset(u.wrap, 2, sizeof u.wrap);
    ck_assert_int_eq(tally_upload_head_encode(&u, &w, &good), TALLY_OK);
    ck_assert_uint_eq(good.len, 12 + 9 + 8 + 5 + 64 + 80);
    codec_check_lengths(codec_upload_head, good);
    codec_check_length_lies(codec_upload_head, good, 0);
    codec_check_length_lies(codec_upload_head, good, 13);
    codec_check_length_lies(codec_upload_head, good, 25);
    ck_assert_uint_ge(codec_check_bits(codec_upload_head, good, good.len), 90);
}
END_TEST

START_TEST(each_part_of_an_upload_head_has_its_limit)
{
    static uint8_t part[TALLY_EV_MAX + 1], bytes[TALLY_UPLOAD_HEAD_BYTES_MAX];
    static const size_t max[] = {TALLY_STATEMENT_BYTES_MAX, TALLY_EV_MAX, TALLY_ENDORSEMENTS_MAX};
    struct tally_slice out;

    for (int over = -1; over < 3; over++) {
        struct tally_slice parts[3];
        struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
        for (int i = 0; i < 3; i++) parts[i] = tally_slice_of(part, max[i] + (i == over));
        struct tally_upload_head u = {.st = parts[0], .ev = parts[1], .endorsements = parts[2]};
        enum tally_status s = tally_upload_head_encode(&u, &w, &out);
        ck_assert_int_eq(s, over < 0 ? TALLY_OK : TALLY_E_LIMIT);
        if (over < 0) ck_assert_uint_eq(out.len, TALLY_UPLOAD_HEAD_BYTES_MAX);
        if (over < 0) ck_assert_int_eq(tally_upload_head_decode(out, &u), TALLY_OK);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("roundframes");

    tcase_add_test(t, an_opening_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, an_opening_has_a_base_but_for_moments_and_a_deadline_after_its_start);
    tcase_add_test(t, only_the_signed_opening_verifies_and_only_for_its_key);
    tcase_add_test(t, a_new_instance_continues_a_round_and_nothing_else_does);
    tcase_add_test(t, a_payload_header_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, a_payload_header_has_its_limits);
    tcase_add_test(t, a_statement_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, a_statement_speaks_for_some_and_not_for_too_many_examples);
    tcase_add_test(t, the_sealed_size_is_that_of_the_chunked_file);
    tcase_add_test(t, the_largest_statement_fits_its_limit);
    tcase_add_test(t, a_statement_answers_its_opening_and_no_other);
    tcase_add_test(t, an_update_is_signed_over_its_statement_and_evidence);
    tcase_add_test(t, an_ack_is_for_one_statement_and_one_evidence);
    tcase_add_test(t, an_updates_report_data_names_its_statement_and_key_block);
    tcase_add_test(t, the_head_of_an_upload_of_any_other_length_is_refused);
    tcase_add_test(t, each_part_of_an_upload_head_has_its_limit);
    return tally_suite_run("proto/roundframes", t);
}
