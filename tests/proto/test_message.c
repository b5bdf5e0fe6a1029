/* test_message.c - proto/message.c and proto/payload.c: one round trip per type, nothing else read.
 */
#include <string.h>

#include "proto/message.h"
#include "proto/payload.h"
#include "tests/lib/suite.h"

static struct tally_message sample(int type)
{
    struct tally_message m = {.type = (enum tally_message_type)type,
                              .time_ms = 1795000000000,
                              .round = 7,
                              .total = UINT64_C(1) << 33,
                              .kind = 2,
                              .first = 300,
                              .count = 70000,
                              .done = true,
                              .body = tally_slice_str("body"),
                              .evidence = tally_slice_str("evidence"),
                              .endorsements = tally_slice_str("endorsements"),
                              .reason = tally_slice_str("E_CHIP"),
                              .text = tally_slice_str("some text")};

    memset(m.digest, 1, sizeof m.digest);
    memset(m.key_id, 2, sizeof m.key_id);
    memset(m.signature, 3, sizeof m.signature);
    memset(m.wrap, 4, sizeof m.wrap);
    return m;
}

static struct tally_slice encode(int type, uint8_t *buf, size_t cap)
{
    struct tally_message m = sample(type);
    struct tally_wr w = tally_wr_to(buf, cap);
    struct tally_slice out;

    tally_message_encode(&w, &m);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    return out;
}

START_TEST(every_type_comes_back_as_it_went)
{
    uint8_t buf[1024], again[1024];
    struct tally_slice out = encode(_i, buf, sizeof buf), second;
    struct tally_message m;
    struct tally_wr w = tally_wr_to(again, sizeof again);

    ck_assert_int_eq(tally_message_decode(out, &m), TALLY_OK);
    ck_assert_int_eq((int)m.type, _i);
    tally_message_encode(&w, &m);
    ck_assert_int_eq(tally_wr_end(&w, &second), TALLY_OK);
    ck_assert(tally_slice_equal(out, second));
}
END_TEST

START_TEST(every_prefix_and_extension_of_every_type_is_refused)
{
    uint8_t buf[1024];
    struct tally_slice out = encode(_i, buf, sizeof buf);
    struct tally_message m;

    for (size_t n = 0; n < out.len; n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, buf, n);
        ck_assert_int_eq(tally_message_decode(tally_slice_of(exact, n), &m), TALLY_E_WIRE);
        free(exact);
    }
    buf[out.len] = 0xc2;
    ck_assert_int_eq(tally_message_decode(tally_slice_of(buf, out.len + 1), &m), TALLY_E_WIRE);
}
END_TEST

START_TEST(changed_bytes_never_read_past_the_end)
{
    uint8_t buf[1024];
    struct tally_slice out = encode(_i, buf, sizeof buf);
    struct tally_message m;

    for (size_t i = 0; i < out.len; i++) {
        for (unsigned v = 1; v < 256; v += 3) {
            uint8_t *exact = malloc(out.len);
            memcpy(exact, buf, out.len);
            exact[i] = (uint8_t)(exact[i] ^ v);
            enum tally_status s = tally_message_decode(tally_slice_of(exact, out.len), &m);
            ck_assert(s == TALLY_OK || s == TALLY_E_WIRE);
            free(exact);
        }
    }
}
END_TEST

START_TEST(unknown_types_are_refused)
{
    static const uint8_t zero[] = {0x91, 0}, large[] = {0x91, 0x7f};
    struct tally_message m;

    ck_assert_int_eq(tally_message_decode(TALLY_SLICE(zero), &m), TALLY_E_WIRE);
    ck_assert_int_eq(tally_message_decode(TALLY_SLICE(large), &m), TALLY_E_WIRE);
}
END_TEST

static struct tally_slice sample_evaluation(uint8_t *buf, size_t cap)
{
    struct tally_evaluation e = {.rows = 10, .positives = 3};
    struct tally_wr w = tally_wr_to(buf, cap);
    struct tally_slice out;

    e.negative[0] = 7;
    e.positive[100] = 2;
    e.positive[4095] = 1;
    tally_evaluation_encode(&w, &e);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    return out;
}

START_TEST(an_evaluation_comes_back_and_must_add_up)
{
    uint8_t buf[256];
    struct tally_slice out = sample_evaluation(buf, sizeof buf);
    struct tally_evaluation e;

    ck_assert_int_eq(tally_evaluation_decode(out, &e), TALLY_OK);
    ck_assert_uint_eq(e.negative[0], 7);
    ck_assert_uint_eq(e.positive[4095], 1);
    for (size_t n = 0; n < out.len; n++)
        ck_assert_int_eq(tally_evaluation_decode(tally_slice_of(buf, n), &e), TALLY_E_WIRE);
    for (size_t i = 0; i < 20; i++) { /* rows, positives and the count of entries */
        buf[i] ^= 1;
        ck_assert_int_eq(tally_evaluation_decode(out, &e), TALLY_E_WIRE);
        buf[i] ^= 1;
    }
}
END_TEST

START_TEST(a_delta_payload_tells_where_its_values_begin)
{
    uint8_t buf[512], eval[256];
    struct tally_payload p = {.kind = TALLY_PAYLOAD_DELTA, .values = 25}, got;
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;
    size_t head;

    p.evaluation = sample_evaluation(eval, sizeof eval);
    tally_payload_encode_head(&w, &p);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    ck_assert_int_eq(tally_payload_decode_head(out, out.len + 100, &got, &head), TALLY_OK);
    ck_assert_uint_eq(head, out.len);
    ck_assert_uint_eq(got.values, 25);
    ck_assert(tally_slice_equal(got.evaluation, p.evaluation));
    ck_assert_int_eq(tally_payload_decode_head(out, out.len + 99, &got, &head), TALLY_E_WIRE);
    ck_assert_int_eq(tally_payload_decode_head(out, out.len + 104, &got, &head), TALLY_E_WIRE);
    ck_assert_int_eq(tally_payload_decode_head(out, 3, &got, &head), TALLY_E_WIRE);
    for (size_t n = 0; n < out.len; n++)
        ck_assert_int_eq(
            tally_payload_decode_head(tally_slice_of(buf, n), out.len + 100, &got, &head),
            TALLY_E_WIRE);
    buf[1] = TALLY_PAYLOAD_MOMENTS; /* another kind's parts */
    ck_assert_int_eq(tally_payload_decode_head(out, out.len + 100, &got, &head), TALLY_E_WIRE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("message");

    tcase_add_loop_test(t, every_type_comes_back_as_it_went, TALLY_MSG_HELLO, TALLY_MSG_TYPES);
    tcase_add_loop_test(t, every_prefix_and_extension_of_every_type_is_refused, TALLY_MSG_HELLO,
                        TALLY_MSG_TYPES);
    tcase_add_loop_test(t, changed_bytes_never_read_past_the_end, TALLY_MSG_HELLO, TALLY_MSG_TYPES);
    tcase_add_test(t, unknown_types_are_refused);
    tcase_add_test(t, an_evaluation_comes_back_and_must_add_up);
    tcase_add_test(t, a_delta_payload_tells_where_its_values_begin);
    return tally_suite_run("proto/message", t);
}
