/* test_sign.c - common/sign.c against C2SP/wycheproof's X25519 and Ed25519 vectors and C2SP/CCTV's
 * odd Ed25519 signatures. */
#include "common/sign.h"

#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

static unsigned right, refused, other_length;

static void check_kex(const json_t *group, const json_t *test)
{
    static const uint8_t untouched[TALLY_KEX_BYTES] = {0xa5, 0xa5};
    struct tally_slice secret = tally_test_field(test, "private");
    struct tally_slice peer = tally_test_field(test, "public");
    struct tally_slice want = tally_test_field(test, "shared");
    uint8_t got[TALLY_KEX_BYTES];
    bool zero = tally_test_flag(test, "ZeroSharedSecret");

    (void)group;
    ck_assert_uint_eq(secret.len, 32);
    ck_assert_uint_eq(peer.len, 32);
    memcpy(got, untouched, sizeof got);
    enum tally_status s = tally_kex(secret.at, peer.at, got);
    ck_assert_msg(s == (zero ? TALLY_E_AUTH : TALLY_OK), "test %lld",
                  (long long)tally_test_id(test));
    ck_assert_mem_eq(got, zero ? untouched : want.at, sizeof got);
    *(zero ? &refused : &right) += 1;
    tally_test_drop(secret);
    tally_test_drop(peer);
    tally_test_drop(want);
}

START_TEST(every_x25519_vector_is_right_or_a_refused_zero)
{
    (void)tally_wycheproof_each("vectors/wycheproof/x25519_test.json", check_kex);
    ck_assert_uint_eq(right, 487);
    ck_assert_uint_eq(refused, 31);
}
END_TEST

static void check_ed25519(const json_t *group, const json_t *test)
{
    struct tally_slice key = tally_test_field(json_object_get(group, "publicKey"), "pk");
    struct tally_slice msg = tally_test_field(test, "msg"), sig = tally_test_field(test, "sig");
    bool good = tally_test_is(test, "valid");

    ck_assert_uint_eq(key.len, TALLY_SIGN_PUBLIC_BYTES);
    if (sig.len != TALLY_SIGNATURE_BYTES) { /* cannot be said in our interface */
        ck_assert(!good);
        other_length++;
    } else {
        ck_assert_msg(tally_sign_verify(key.at, &msg, 1, sig.at) ==
                          (good ? TALLY_OK : TALLY_E_AUTH),
                      "test %lld", (long long)tally_test_id(test));
        *(good ? &right : &refused) += 1;
    }
    tally_test_drop(key);
    tally_test_drop(msg);
    tally_test_drop(sig);
}

START_TEST(every_ed25519_vector_holds)
{
    ck_assert_uint_eq(tally_wycheproof_each("vectors/wycheproof/ed25519_test.json", check_ed25519),
                      right + refused + other_length);
    ck_assert_uint_eq(right, 88);
    ck_assert_uint_eq(right + refused + other_length, 151);
    ck_assert_uint_ge(refused, 40);
}
END_TEST

/* 914 signatures that libraries disagree on: what we accept, and that none of it has a key of low
 * order or another spelling of a key. */
START_TEST(of_914_odd_signatures_43_are_accepted_and_none_with_a_bad_key)
{
    json_t *all = tally_vectors_json("vectors/wycheproof/cctv-ed25519vectors.json"), *test;
    size_t i;

    ck_assert_uint_eq(json_array_size(all), 914);
    json_array_foreach(all, i, test)
    {
        struct tally_slice key = tally_test_field(test, "key");
        struct tally_slice sig = tally_test_field(test, "sig");
        struct tally_slice msg = tally_slice_str(json_string_value(json_object_get(test, "msg")));
        ck_assert_uint_eq(key.len, TALLY_SIGN_PUBLIC_BYTES);
        ck_assert_uint_eq(sig.len, TALLY_SIGNATURE_BYTES);
        if (tally_sign_verify(key.at, &msg, 1, sig.at) == TALLY_OK) {
            ck_assert(!tally_test_flag(test, "low_order_A"));
            ck_assert(!tally_test_flag(test, "non_canonical_A"));
            right++;
        } else {
            refused++;
        }
        tally_test_drop(key);
        tally_test_drop(sig);
    }
    ck_assert_uint_eq(right, 43);
    ck_assert_uint_eq(refused, 871);
    json_decref(all);
}
END_TEST

START_TEST(a_signature_is_over_the_parts_in_order)
{
    const uint8_t seed[TALLY_SIGN_SEED_BYTES] = {3};
    const struct tally_slice parts[] = {tally_slice_str("ab"), tally_slice_of(NULL, 0),
                                        tally_slice_str("c")};
    const struct tally_slice whole = tally_slice_str("abc"), less = tally_slice_str("ab");
    uint8_t sig[TALLY_SIGNATURE_BYTES];
    struct tally_sign_key k;

    tally_sign_key_from_seed(&k, seed);
    ck_assert_int_eq(tally_sign(&k, parts, 3, sig), TALLY_OK);
    ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), &whole, 1, sig), TALLY_OK);
    ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), &less, 1, sig), TALLY_E_AUTH);
    for (size_t bit = 0; bit < 8 * sizeof sig; bit++) {
        sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), &whole, 1, sig), TALLY_E_AUTH);
        sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    tally_sign_key_wipe(&k);
    for (size_t i = 0; i < sizeof k.bytes; i++) ck_assert_uint_eq(k.bytes[i], 0);
}
END_TEST

START_TEST(a_text_over_the_limit_is_refused)
{
    const uint8_t seed[TALLY_SIGN_SEED_BYTES] = {3};
    uint8_t *big = calloc(1, TALLY_SIGN_TEXT_MAX + 1), sig[TALLY_SIGNATURE_BYTES];
    struct tally_slice parts[] = {tally_slice_of(big, TALLY_SIGN_TEXT_MAX), tally_slice_of(big, 1)};
    struct tally_sign_key k;

    tally_sign_key_from_seed(&k, seed);
    ck_assert_int_eq(tally_sign(&k, parts, 1, sig), TALLY_OK);
    ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), parts, 1, sig), TALLY_OK);
    ck_assert_int_eq(tally_sign(&k, parts, 2, sig), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), parts, 2, sig), TALLY_E_LIMIT);
    free(big);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sign");

    tally_vectors_need();
    tcase_add_test(t, every_x25519_vector_is_right_or_a_refused_zero);
    tcase_add_test(t, every_ed25519_vector_holds);
    tcase_add_test(t, of_914_odd_signatures_43_are_accepted_and_none_with_a_bad_key);
    tcase_add_test(t, a_signature_is_over_the_parts_in_order);
    tcase_add_test(t, a_text_over_the_limit_is_refused);
    return tally_suite_run("common/sign", t);
}
