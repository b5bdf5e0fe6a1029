/* test_record.c - proto/record.c: records open once, in order, unchanged, in one direction, within
 * the limits of a session, or the session ends. */
#include <stdlib.h>
#include <string.h>

#include "common/sealtree.h"
#include "proto/frames.h"
#include "proto/record.h"
#include "tests/lib/codec.h"
#include "tests/lib/suite.h"
#include "tests/proto/codecs.h"

#define NOW_MS    UINT64_C(1795000000000)
#define LONG_TIME UINT64_MAX /* s: a verdict that holds for ever */

static struct tally_records c, s;
static const uint8_t fin[32] = "the right FIN";

/* Both ends, FIN not sent yet. */
static void set_up_before_fin(uint64_t not_after_s)
{
    struct tally_session_keys k;

    memset(&k, 0x11, sizeof k);
    memset(k.ap_c, 0x22, sizeof k.ap_c);
    ck_assert_int_eq(tally_records_init(&c, TALLY_SIDE_CLIENT, &k, NOW_MS, not_after_s), TALLY_OK);
    ck_assert_int_eq(tally_records_init(&s, TALLY_SIDE_SERVER, &k, NOW_MS, not_after_s), TALLY_OK);
}

static void set_up(void)
{
    uint8_t frame[TALLY_FIN_FRAME_BYTES];

    set_up_before_fin(LONG_TIME);
    ck_assert_int_eq(tally_record_seal_fin(&s, NOW_MS, fin, frame), TALLY_OK);
    ck_assert_int_eq(tally_record_open_fin(&c, NOW_MS, fin, frame, sizeof frame), TALLY_OK);
}

static void tear_down(void)
{
    tally_records_end(&c);
    tally_records_end(&s);
}

struct frame {
    uint8_t at[96];
    size_t len;
};

static struct frame sealed(struct tally_records *by, const char *text)
{
    struct frame f = {0};

    memcpy(f.at + TALLY_RECORD_BODY_AT, text, strlen(text));
    ck_assert_int_eq(
        tally_record_seal(by, TALLY_RECORD_MESSAGE, NOW_MS, f.at, strlen(text), &f.len), TALLY_OK);
    ck_assert_uint_eq(f.len, strlen(text) + TALLY_RECORD_EXTRA_BYTES);
    return f;
}

/* From a heap block of its exact size. */
static enum tally_status open_bytes(struct tally_records *by, const uint8_t *at, size_t len,
                                    const char *want)
{
    uint8_t *exact = malloc(len ? len : 1);
    enum tally_record_kind kind;
    struct tally_slice body;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, at, len);
    enum tally_status status = tally_record_open(by, NOW_MS, exact, len, &kind, &body);
    if (status == TALLY_OK && want != NULL) {
        ck_assert_int_eq(kind, TALLY_RECORD_MESSAGE);
        ck_assert(tally_slice_equal(body, tally_slice_str(want)));
    }
    free(exact);
    return status;
}

static enum tally_status open_frame(struct tally_records *by, const struct frame *f,
                                    const char *want)
{
    return open_bytes(by, f->at, f->len, want);
}

/* Over, for good, and nothing of the keys left. */
static void is_over(struct tally_records *r)
{
    static const uint8_t zeros[TALLY_AEAD_NONCE_BYTES];
    uint8_t frame[64];
    size_t len;

    ck_assert(r->ended);
    ck_assert_ptr_null(r->send.aead.ctx);
    ck_assert_ptr_null(r->receive.aead.ctx);
    ck_assert_mem_eq(r->send.iv, zeros, sizeof zeros);
    ck_assert_int_eq(tally_record_seal(r, TALLY_RECORD_MESSAGE, NOW_MS, frame, 1, &len),
                     TALLY_E_STATE);
    ck_assert_int_eq(open_bytes(r, frame, 40, NULL), TALLY_E_STATE);
    tally_records_end(r);
}

START_TEST(records_go_both_ways_in_order)
{
    set_up();
    for (int i = 0; i < 300; i++) {
        struct frame a = sealed(&c, "from the client"), b = sealed(&c, "again");
        struct frame d = sealed(&s, "from the server"), e = sealed(&s, "");
        ck_assert_mem_ne(a.at, d.at, a.len);
        ck_assert_int_eq(open_frame(&s, &a, "from the client"), TALLY_OK);
        ck_assert_int_eq(open_frame(&c, &d, "from the server"), TALLY_OK);
        ck_assert_int_eq(open_frame(&s, &b, "again"), TALLY_OK);
        ck_assert_int_eq(open_frame(&c, &e, ""), TALLY_OK);
    }
    ck_assert_uint_eq(c.send.seq, 600);
    ck_assert_uint_eq(s.send.seq, 601); /* FIN was its first */
    ck_assert_uint_eq(s.receive.bytes, c.send.bytes);
}
END_TEST

START_TEST(a_replayed_skipped_or_swapped_record_ends_the_session)
{
    set_up();
    struct frame a = sealed(&c, "a");
    ck_assert_int_eq(open_frame(&s, &a, "a"), TALLY_OK);
    ck_assert_int_eq(open_frame(&s, &a, NULL), TALLY_E_AUTH);
    is_over(&s);
    tear_down();
    set_up();
    a = sealed(&c, "a");
    struct frame b = sealed(&c, "b");
    ck_assert_int_eq(open_frame(&s, &b, NULL), TALLY_E_AUTH);
    is_over(&s);
    ck_assert_int_eq(open_frame(&s, &a, NULL), TALLY_E_STATE);
}
END_TEST

START_TEST(a_record_sent_back_ends_the_session)
{
    set_up();
    struct frame a = sealed(&c, "a");
    ck_assert_int_eq(open_frame(&c, &a, NULL), TALLY_E_AUTH);
    is_over(&c);
}
END_TEST

START_TEST(every_cut_lengthened_and_changed_record_ends_the_session)
{
    set_up();
    struct frame good = sealed(&c, "some text"), f;
    struct tally_session_keys k;

    memset(&k, 0x11, sizeof k);
    memset(k.ap_c, 0x22, sizeof k.ap_c);
    for (size_t i = 0; i < 10 * good.len; i++) {
        size_t bit = i - 2 * good.len; /* first the lengths, then the bits */
        size_t len = i < 2 * good.len ? i : good.len;
        if (i == good.len) continue;
        f = good;
        if (i >= 2 * good.len) f.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        tally_records_end(&s);
        ck_assert_int_eq(tally_records_init(&s, TALLY_SIDE_SERVER, &k, NOW_MS, LONG_TIME),
                         TALLY_OK);
        ck_assert_int_eq(open_bytes(&s, f.at, len, NULL), TALLY_E_AUTH);
        is_over(&s);
    }
    ck_assert_int_eq(tally_records_init(&s, TALLY_SIDE_SERVER, &k, NOW_MS, LONG_TIME), TALLY_OK);
    ck_assert_int_eq(open_frame(&s, &good, "some text"), TALLY_OK);
}
END_TEST

/* ---- FIN ---- */

START_TEST(only_the_right_fin_opens_a_session)
{
    static const uint8_t wrong[32] = "another FIN";
    uint8_t frame[TALLY_FIN_FRAME_BYTES];

    set_up_before_fin(LONG_TIME);
    ck_assert_int_eq(tally_record_seal_fin(&s, NOW_MS, wrong, frame), TALLY_OK);
    ck_assert_int_eq(tally_record_open_fin(&c, NOW_MS, fin, frame, sizeof frame), TALLY_E_AUTH);
    is_over(&c);
    tear_down();
    set_up_before_fin(LONG_TIME);
    struct frame f = sealed(&s, "a message of 32 bytes, not a FIN"); /* as the first record */
    ck_assert_int_eq(tally_record_open_fin(&c, NOW_MS,
                                           (const uint8_t *)"a message of 32 bytes, "
                                                            "not a FIN",
                                           f.at, f.len),
                     TALLY_E_AUTH);
    is_over(&c);
}
END_TEST

START_TEST(a_fin_is_no_record_for_later)
{
    uint8_t frame[TALLY_FIN_FRAME_BYTES];
    enum tally_record_kind kind;
    struct tally_slice body;

    set_up_before_fin(LONG_TIME);
    ck_assert_int_eq(tally_record_seal_fin(&s, NOW_MS, fin, frame), TALLY_OK);
    ck_assert_int_eq(tally_record_open(&c, NOW_MS, frame, sizeof frame, &kind, &body),
                     TALLY_E_AUTH);
    is_over(&c);
}
END_TEST

/* A record of any kind byte, sealed with the sender's keys. */
static enum tally_status open_kind(uint8_t kind_byte)
{
    uint8_t frame[2 + 4 + TALLY_AEAD_TAG_BYTES] = {TALLY_FRAME_RECORD, kind_byte}, aad[9] = {5};

    set_up();
    ck_assert_int_eq(tally_aead_seal(&c.send.aead, c.send.iv, TALLY_SLICE(aad),
                                     tally_slice_of(frame + 1, 5), frame + 1),
                     TALLY_OK);
    enum tally_status status = open_bytes(&s, frame, sizeof frame, NULL);
    tear_down();
    return status;
}

START_TEST(kinds_that_nobody_sends_end_the_session)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        bool known = kind == TALLY_RECORD_MESSAGE || kind == TALLY_RECORD_CHUNK;
        ck_assert_int_eq(open_kind((uint8_t)kind), known ? TALLY_OK : TALLY_E_AUTH);
    }
}
END_TEST

/* ---- limits ---- */

START_TEST(a_body_has_its_largest_size)
{
    static uint8_t frame[TALLY_RECORD_BYTES_MAX + 1];
    enum tally_record_kind kind;
    struct tally_slice body;
    size_t len;

    set_up();
    ck_assert_int_eq(
        tally_record_seal(&c, TALLY_RECORD_CHUNK, NOW_MS, frame, TALLY_RECORD_BODY_MAX + 1, &len),
        TALLY_E_LIMIT);
    ck_assert_int_eq(
        tally_record_seal(&c, TALLY_RECORD_CHUNK, NOW_MS, frame, TALLY_RECORD_BODY_MAX, &len),
        TALLY_OK); /* the session is as it was */
    ck_assert_uint_eq(len, TALLY_RECORD_BYTES_MAX);
    ck_assert_int_eq(tally_record_open(&s, NOW_MS, frame, len, &kind, &body), TALLY_OK);
    ck_assert_int_eq(kind, TALLY_RECORD_CHUNK);
    ck_assert_uint_eq(body.len, TALLY_RECORD_BODY_MAX);
    ck_assert_int_ne(tally_record_open(&s, NOW_MS, frame, len + 1, &kind, &body), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    is_over(&s);
}
END_TEST

START_TEST(a_session_has_two_to_the_32_records_in_a_direction)
{
    uint8_t frame[64];
    size_t len;

    set_up();
    c.send.seq = s.receive.seq = TALLY_SESSION_RECORDS_MAX - 1;
    struct frame last = sealed(&c, "the last");
    ck_assert_int_eq(open_frame(&s, &last, "the last"), TALLY_OK);
    ck_assert_int_eq(tally_record_seal(&c, TALLY_RECORD_MESSAGE, NOW_MS, frame, 1, &len),
                     TALLY_E_STATE);
    is_over(&c);
    ck_assert_int_eq(open_frame(&s, &last, NULL), TALLY_E_STATE);
    is_over(&s);
}
END_TEST

START_TEST(a_session_has_64_gib_in_a_direction)
{
    uint8_t frame[64];
    size_t len;

    set_up();
    ck_assert_uint_eq(TALLY_SESSION_BYTES_MAX, UINT64_C(68719476736));
    c.send.bytes = s.receive.bytes = TALLY_SESSION_BYTES_MAX - 1 - TALLY_RECORD_EXTRA_BYTES;
    struct frame last = sealed(&c, "1"); /* exactly the last byte */
    ck_assert_int_eq(open_frame(&s, &last, "1"), TALLY_OK);
    ck_assert_int_eq(tally_record_seal(&c, TALLY_RECORD_MESSAGE, NOW_MS, frame, 0, &len),
                     TALLY_E_STATE);
    is_over(&c);
    ck_assert_int_eq(open_frame(&s, &last, NULL), TALLY_E_STATE);
    is_over(&s);
}
END_TEST

/* Times at which one can still send; c is alive at good_ms and over at good_ms + 1. */
static void lives_until(uint64_t good_ms)
{
    uint8_t frame[64];
    enum tally_record_kind kind;
    struct tally_slice body;
    size_t len;

    ck_assert_int_eq(tally_record_seal(&c, TALLY_RECORD_MESSAGE, good_ms, frame, 1, &len),
                     TALLY_OK);
    ck_assert_int_eq(tally_record_open(&s, good_ms, frame, len, &kind, &body), TALLY_OK);
    ck_assert_int_eq(tally_record_seal(&c, TALLY_RECORD_MESSAGE, good_ms, frame, 1, &len),
                     TALLY_OK);
    ck_assert_int_eq(tally_record_open(&s, good_ms + 1, frame, len, &kind, &body), TALLY_E_STATE);
    is_over(&s);
    ck_assert_int_eq(tally_record_seal(&c, TALLY_RECORD_MESSAGE, good_ms + 1, frame, 1, &len),
                     TALLY_E_STATE);
    is_over(&c);
}

START_TEST(a_session_lasts_an_hour_or_as_long_as_the_verdict)
{
    const uint64_t hour = 3600 * 1000;

    set_up();
    lives_until(NOW_MS + hour - 1);
    set_up_before_fin(NOW_MS / 1000 + 3600);
    lives_until(NOW_MS + hour - 1);
    set_up_before_fin(NOW_MS / 1000 + 3599);
    lives_until(NOW_MS + hour - 1);
    set_up_before_fin(NOW_MS / 1000 + 60); /* until the end of the verdict's last second */
    lives_until(NOW_MS + 60 * 1000 + 999);
    set_up_before_fin(NOW_MS / 1000);
    lives_until(NOW_MS + 999);
}
END_TEST

START_TEST(a_verdict_that_has_ended_gives_no_session)
{
    uint8_t frame[TALLY_FIN_FRAME_BYTES];

    set_up_before_fin(NOW_MS / 1000 - 1);
    ck_assert_int_eq(tally_record_seal_fin(&s, NOW_MS, fin, frame), TALLY_E_STATE);
    is_over(&s);
}
END_TEST

START_TEST(a_session_that_is_ended_stays_so)
{
    set_up();
    tally_records_end(&c);
    is_over(&c);
    tally_records_end(&c);
    is_over(&c);
}
END_TEST

/* ---- chunks ---- */

START_TEST(a_chunk_of_any_other_length_is_refused)
{
    static uint8_t body[TALLY_RECORD_BODY_MAX + 1];
    struct tally_chunk got;
    uint8_t digest[32];

    memset(digest, 7, sizeof digest);
    tally_chunk_head(digest, 0x01020304, body);
    ck_assert_mem_eq(body + 32, ((uint8_t[]){1, 2, 3, 4}), 4);
    for (size_t n = 0; n <= TALLY_CHUNK_HEAD_BYTES; n++)
        ck_assert_int_eq(tally_chunk_decode(tally_slice_of(body, n), &got), TALLY_E_WIRE);
    ck_assert_int_eq(tally_chunk_decode(tally_slice_of(body, 37), &got), TALLY_OK);
    ck_assert_mem_eq(got.seal_digest, digest, 32);
    ck_assert(got.index == 0x01020304 && got.bytes.len == 1 && got.bytes.at == body + 36);
    ck_assert_int_eq(tally_chunk_decode(tally_slice_of(body, sizeof body - 1), &got), TALLY_OK);
    ck_assert_uint_eq(got.bytes.len, TALLY_SEALTREE_PIECE_BYTES);
    ck_assert_int_eq(tally_chunk_decode(TALLY_SLICE(body), &got), TALLY_E_WIRE);
    codec_check_bits(codec_chunk, tally_slice_of(body, 40), 40);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("record");

    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, records_go_both_ways_in_order);
    tcase_add_test(t, a_replayed_skipped_or_swapped_record_ends_the_session);
    tcase_add_test(t, a_record_sent_back_ends_the_session);
    tcase_add_test(t, every_cut_lengthened_and_changed_record_ends_the_session);
    tcase_add_test(t, only_the_right_fin_opens_a_session);
    tcase_add_test(t, a_fin_is_no_record_for_later);
    tcase_add_test(t, kinds_that_nobody_sends_end_the_session);
    tcase_add_test(t, a_body_has_its_largest_size);
    tcase_add_test(t, a_session_has_two_to_the_32_records_in_a_direction);
    tcase_add_test(t, a_session_has_64_gib_in_a_direction);
    tcase_add_test(t, a_session_lasts_an_hour_or_as_long_as_the_verdict);
    tcase_add_test(t, a_verdict_that_has_ended_gives_no_session);
    tcase_add_test(t, a_session_that_is_ended_stays_so);
    tcase_add_test(t, a_chunk_of_any_other_length_is_refused);
    return tally_suite_run("proto/record", t);
}
