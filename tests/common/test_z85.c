/* test_z85.c - common/z85.c against ZeroMQ's own coder and the key of its CURVE tests. */
#include <sodium.h>
#include <string.h>
#include <zmq.h>

#include "common/z85.h"
#include "tests/lib/suite.h"

static const char known[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

START_TEST(a_published_key_reads_as_its_bytes)
{
    static const uint8_t want[] = {0x54, 0xfc, 0xba, 0x24, 0xe9, 0x32, 0x49, 0x96, 0x93, 0x16, 0xfb,
                                   0x61, 0x7c, 0x87, 0x2b, 0xb0, 0xc1, 0xd1, 0xff, 0x14, 0x80, 0x04,
                                   0x27, 0xc5, 0x94, 0xcb, 0xfa, 0xcf, 0x1b, 0xc2, 0xd6, 0x52};
    uint8_t key[TALLY_CURVE_KEY_BYTES];
    char text[TALLY_Z85_KEY_CHARS + 1];

    ck_assert_int_eq(tally_z85_key_parse(known, key), TALLY_OK);
    ck_assert_mem_eq(key, want, sizeof want);
    tally_z85_key(want, text);
    ck_assert_str_eq(text, known);
}
END_TEST

START_TEST(random_keys_agree_with_zeromq)
{
    uint8_t key[TALLY_CURVE_KEY_BYTES], back[TALLY_CURVE_KEY_BYTES];
    char ours[TALLY_Z85_KEY_CHARS + 1], theirs[TALLY_Z85_KEY_CHARS + 1];

    for (int i = 0; i < 1000; i++) {
        randombytes_buf(key, sizeof key);
        tally_z85_key(key, ours);
        ck_assert_ptr_nonnull(zmq_z85_encode(theirs, key, sizeof key));
        ck_assert_str_eq(ours, theirs);
        ck_assert_int_eq(tally_z85_key_parse(ours, back), TALLY_OK);
        ck_assert_mem_eq(back, key, sizeof key);
    }
}
END_TEST

START_TEST(other_text_is_refused_and_fills_nothing)
{
    uint8_t key[TALLY_CURVE_KEY_BYTES] = {7};
    char text[64] = "";

    for (size_t n = 0; n < TALLY_Z85_KEY_CHARS; n++) { /* every prefix */
        memcpy(text, known, n);
        text[n] = '\0';
        ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_E_WIRE);
    }
    (void)snprintf(text, sizeof text, "%s0", known);
    ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_E_WIRE);
    for (size_t i = 0; i < TALLY_Z85_KEY_CHARS; i++) {
        (void)snprintf(text, sizeof text, "%s", known);
        text[i] = "~ \"\x80"[i % 4];
        ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_E_WIRE);
    }
    (void)snprintf(text, sizeof text, "%%nSc1%s", known + 5); /* 2^32 */
    ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_E_WIRE);
    (void)snprintf(text, sizeof text, "#####%s", known + 5);
    ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_E_WIRE);
    ck_assert_uint_eq(key[0], 7);
    (void)snprintf(text, sizeof text, "%%nSc0%s", known + 5); /* 2^32 - 1 */
    ck_assert_int_eq(tally_z85_key_parse(text, key), TALLY_OK);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("z85");

    tcase_add_test(t, a_published_key_reads_as_its_bytes);
    tcase_add_test(t, random_keys_agree_with_zeromq);
    tcase_add_test(t, other_text_is_refused_and_fills_nothing);
    return tally_suite_run("common/z85", t);
}
