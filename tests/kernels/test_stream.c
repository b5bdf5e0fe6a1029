/* test_stream.c - kernels/stream.c: RFC 8439's keystream, each word once, and an end. */
#include "kernels/stream.h"

#include <sodium.h>
#include <string.h>

#include "tests/lib/fault.h"
#include "tests/lib/suite.h"

static struct tally_stream *fresh(uint8_t first, uint64_t words_max)
{
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {first};
    const uint8_t nonce[TALLY_STREAM_NONCE_BYTES] = {first, 2, 3};
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_stream_new(&s, key, nonce, words_max), TALLY_OK);
    return s;
}

START_TEST(words_are_the_keystream_of_rfc_8439)
{
    /* appendix A.1, test vector 1: zero key and nonce, counter 0 */
    static const uint8_t want[16] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                     0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
    const uint8_t zero[TALLY_STREAM_KEY_BYTES] = {0};
    uint64_t words[2];
    struct tally_stream *s;

    ck_assert_int_eq(tally_stream_new(&s, zero, zero, 2), TALLY_OK);
    ck_assert_int_eq(tally_stream_fill(words, s, 2), TALLY_OK);
    ck_assert_mem_eq(words, want, sizeof want);
    tally_stream_destroy(&s);
    ck_assert_ptr_null(s);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(key_and_nonce_are_used_as_libsodium_does)
{
    enum { N = 5000 };
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {9};
    const uint8_t nonce[TALLY_STREAM_NONCE_BYTES] = {9, 2, 3};
    static uint64_t words[N];
    static uint64_t want[N];
    struct tally_stream *s = fresh(9, N);

    ck_assert_int_eq(crypto_stream_chacha20_ietf((unsigned char *)want, sizeof want, nonce, key),
                     0);
    ck_assert_int_eq(tally_stream_fill(words, s, N), TALLY_OK);
    ck_assert_mem_eq(words, want, sizeof want);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(words_come_in_order_however_they_are_asked_for)
{
    enum { N = 8000 };
    static uint64_t want[N];
    static uint64_t words[N];
    struct tally_stream *all = fresh(1, N);
    struct tally_stream *given = NULL;

    ck_assert_int_eq(tally_stream_fill(want, all, N), TALLY_OK);
    tally_stream_destroy(&all);
    ck_assert_int_eq(tally_stream_given(&given, want, N), TALLY_OK);
    struct tally_stream *streams[2] = {fresh(1, N), given};
    for (int k = 0; k < 2; k++) {
        size_t at = 0;
        memset(words, 0, sizeof words);
        for (size_t step = 1; at < N; step = step * 5 % 1031 + 1) {
            size_t n = step < N - at ? step : N - at;
            if (step % 3 == 0) n = 1;
            if (step % 3 == 0) {
                ck_assert_int_eq(tally_stream_next(words + at, streams[k]), TALLY_OK);
            } else {
                ck_assert_int_eq(tally_stream_fill(words + at, streams[k], n), TALLY_OK);
            }
            at += n;
            ck_assert_uint_eq(tally_stream_drawn(streams[k]), at);
        }
        ck_assert_mem_eq(words, want, sizeof want);
        ck_assert_int_eq(tally_stream_next(words, streams[k]), TALLY_E_LIMIT);
        tally_stream_destroy(&streams[k]);
    }
}
END_TEST

START_TEST(a_stream_that_ends_gives_nothing_and_stays_ended)
{
    uint64_t words[700];
    uint64_t one = 5;
    struct tally_stream *s = fresh(3, 600);

    ck_assert_int_eq(tally_stream_next(&one, s), TALLY_OK); /* makes words ahead */
    memset(words, 0x11, sizeof words);
    ck_assert_int_eq(tally_stream_fill(words, s, 600), TALLY_E_LIMIT);
    ck_assert_uint_eq(words[0], UINT64_C(0x1111111111111111));
    ck_assert_int_eq(tally_stream_fill(words, s, 1), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_stream_next(&one, s), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_stream_fill(words, s, 0), TALLY_OK);
    ck_assert_uint_eq(tally_stream_drawn(s), 1);
    tally_stream_destroy(&s);

    ck_assert_int_eq(tally_stream_given(&s, NULL, 0), TALLY_OK);
    ck_assert_int_eq(tally_stream_next(&one, s), TALLY_E_LIMIT);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(lengths_a_counter_cannot_count_are_refused)
{
    const uint8_t zero[TALLY_STREAM_KEY_BYTES] = {0};
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_stream_new(&s, zero, zero, 0), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_stream_new(&s, zero, zero, TALLY_STREAM_WORDS_MAX + 1), TALLY_E_LIMIT);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(tally_stream_new(&s, zero, zero, TALLY_STREAM_WORDS_MAX), TALLY_OK);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(without_memory_there_is_no_stream)
{
    const uint8_t zero[TALLY_STREAM_KEY_BYTES] = {0};
    const uint64_t word = 7;
    struct tally_stream *s = NULL;

    TALLY_EACH_FAULT(tally_stream_new(&s, zero, zero, 1), tally_stream_destroy(&s))
    ck_assert_ptr_null(s);
    TALLY_EACH_FAULT(tally_stream_given(&s, &word, 1), tally_stream_destroy(&s))
    ck_assert_ptr_null(s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("stream");

    tcase_add_test(t, words_are_the_keystream_of_rfc_8439);
    tcase_add_test(t, key_and_nonce_are_used_as_libsodium_does);
    tcase_add_test(t, words_come_in_order_however_they_are_asked_for);
    tcase_add_test(t, a_stream_that_ends_gives_nothing_and_stays_ended);
    tcase_add_test(t, lengths_a_counter_cannot_count_are_refused);
    tcase_add_test(t, without_memory_there_is_no_stream);
    return tally_suite_run("stream", t);
}
