/* test_aead.c - common/aead.c against C2SP/wycheproof's AES-GCM vectors with 256-bit keys, 96-bit
 * nonces and 128-bit tags. */
#include "common/aead.h"

#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

static unsigned valid, invalid, skipped;

static bool group_is(const json_t *group, const char *key, json_int_t want)
{
    return json_integer_value(json_object_get(group, key)) == want;
}

static uint8_t *joined(struct tally_slice a, struct tally_slice b)
{
    uint8_t *p = malloc(a.len + b.len + 1);

    if (a.len != 0) memcpy(p, a.at, a.len);
    memcpy(p + a.len, b.at, b.len);
    return p;
}

static void check(const json_t *test, const struct tally_slice f[6])
{
    const struct tally_slice key = f[0], iv = f[1], aad = f[2], msg = f[3], ct = f[4], tag = f[5];
    struct tally_aead a;
    uint8_t *want = joined(ct, tag), *sealed = malloc(msg.len + TALLY_AEAD_TAG_BYTES);
    uint8_t *plain = malloc(ct.len + 1), *zeros = calloc(1, ct.len + 1);
    bool good = tally_test_is(test, "valid");

    ck_assert_int_eq(tally_aead_init(&a, key.at), TALLY_OK);
    enum tally_status s =
        tally_aead_open(&a, iv.at, aad, tally_slice_of(want, ct.len + tag.len), plain);
    ck_assert_msg(s == (good ? TALLY_OK : TALLY_E_AUTH), "test %lld",
                  (long long)tally_test_id(test));
    ck_assert(memcmp(plain, good ? msg.at : zeros, ct.len) == 0);
    ck_assert_int_eq(tally_aead_seal(&a, iv.at, aad, msg, sealed), TALLY_OK);
    ck_assert((memcmp(sealed, want, ct.len + tag.len) == 0) == good);
    *(good ? &valid : &invalid) += 1;
    tally_aead_free(&a);
    free(zeros);
    free(plain);
    free(sealed);
    free(want);
}

static void check_gcm(const json_t *group, const json_t *test)
{
    static const char *const names[] = {"key", "iv", "aad", "msg", "ct", "tag"};
    struct tally_slice f[6];

    if (!group_is(group, "keySize", 256) || !group_is(group, "ivSize", 96) ||
        !group_is(group, "tagSize", 128)) {
        skipped++;
        return;
    }
    for (size_t i = 0; i < 6; i++) f[i] = tally_test_field(test, names[i]);
    check(test, f);
    for (size_t i = 0; i < 6; i++) tally_test_drop(f[i]);
}

START_TEST(every_vector_of_our_sizes_holds)
{
    ck_assert_uint_eq(tally_wycheproof_each("vectors/wycheproof/aes_gcm_test.json", check_gcm),
                      valid + invalid + skipped);
    ck_assert_uint_eq(valid + invalid, 66);
    ck_assert_uint_ge(invalid, 20);
}
END_TEST

static const uint8_t KEY[TALLY_AEAD_KEY_BYTES] = {1};
static const uint8_t NONCE[TALLY_AEAD_NONCE_BYTES] = {2};

START_TEST(in_place_is_the_same)
{
    uint8_t apart[5 + TALLY_AEAD_TAG_BYTES], place[5 + TALLY_AEAD_TAG_BYTES] = "hello";
    struct tally_slice aad = tally_slice_str("aad");
    struct tally_aead a;

    ck_assert_int_eq(tally_aead_init(&a, KEY), TALLY_OK);
    ck_assert_int_eq(tally_aead_seal(&a, NONCE, aad, tally_slice_str("hello"), apart), TALLY_OK);
    ck_assert_int_eq(tally_aead_seal(&a, NONCE, aad, tally_slice_of(place, 5), place), TALLY_OK);
    ck_assert_mem_eq(apart, place, sizeof apart);
    ck_assert_int_eq(tally_aead_open(&a, NONCE, aad, TALLY_SLICE(place), place), TALLY_OK);
    ck_assert_mem_eq(place, "hello", 5);
    tally_aead_free(&a);
    tally_aead_free(&a);
}
END_TEST

START_TEST(every_prefix_and_every_changed_bit_is_refused)
{
    uint8_t sealed[20 + TALLY_AEAD_TAG_BYTES], plain[20], aad[3] = {7, 8, 9};
    struct tally_aead a;

    ck_assert_int_eq(tally_aead_init(&a, KEY), TALLY_OK);
    ck_assert_int_eq(tally_aead_seal(&a, NONCE, TALLY_SLICE(aad),
                                     tally_slice_str("twenty bytes of text"), sealed),
                     TALLY_OK);
    for (size_t n = 0; n < sizeof sealed; n++) {
        ck_assert_int_eq(
            tally_aead_open(&a, NONCE, TALLY_SLICE(aad), tally_slice_of(sealed, n), plain),
            TALLY_E_AUTH);
    }
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(tally_aead_open(&a, NONCE, TALLY_SLICE(aad), TALLY_SLICE(sealed), plain),
                         TALLY_E_AUTH);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t i = 0; i < sizeof aad; i++) {
        aad[i] ^= 1;
        ck_assert_int_eq(tally_aead_open(&a, NONCE, TALLY_SLICE(aad), TALLY_SLICE(sealed), plain),
                         TALLY_E_AUTH);
        aad[i] ^= 1;
    }
    ck_assert_int_eq(tally_aead_open(&a, NONCE, TALLY_SLICE(aad), TALLY_SLICE(sealed), plain),
                     TALLY_OK); /* a refusal leaves the context usable */
    tally_aead_free(&a);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("aead");

    tally_vectors_need();
    tcase_add_test(t, every_vector_of_our_sizes_holds);
    tcase_add_test(t, in_place_is_the_same);
    tcase_add_test(t, every_prefix_and_every_changed_bit_is_refused);
    return tally_suite_run("common/aead", t);
}
