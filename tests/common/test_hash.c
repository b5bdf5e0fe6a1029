/* test_hash.c - common/hash.c against C2SP/wycheproof's HMAC and HKDF vectors and RFC 6234's
 * digests. */
#include "common/hash.h"

#include <string.h>

#include "common/secret.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

static enum tally_hash_alg alg;
static size_t alg_bytes;
static unsigned valid, invalid;

/* Truncated tags are compared by their length. */
static void check_hmac(const json_t *group, const json_t *test)
{
    struct tally_slice key = tally_test_field(test, "key"), msg = tally_test_field(test, "msg");
    struct tally_slice tag = tally_test_field(test, "tag");
    uint8_t got[TALLY_SHA512_BYTES];

    ck_assert_uint_eq(8 * tag.len, (size_t)json_integer_value(json_object_get(group, "tagSize")));
    tally_hmac(alg, key, msg, got);
    bool same = tally_secret_equal(tag, tally_slice_of(got, tag.len));
    ck_assert_msg(same == tally_test_is(test, "valid"), "test %lld",
                  (long long)tally_test_id(test));
    *(same ? &valid : &invalid) += 1;
    tally_test_drop(key);
    tally_test_drop(msg);
    tally_test_drop(tag);
}

static const struct {
    const char *hmac, *hkdf;
    enum tally_hash_alg alg;
    size_t bytes;
} files[] = {
    {"vectors/wycheproof/hmac_sha256_test.json", "vectors/wycheproof/hkdf_sha256_test.json",
     TALLY_SHA256, TALLY_SHA256_BYTES},
    {"vectors/wycheproof/hmac_sha384_test.json", "vectors/wycheproof/hkdf_sha384_test.json",
     TALLY_SHA384, TALLY_SHA384_BYTES},
    {"vectors/wycheproof/hmac_sha512_test.json", "vectors/wycheproof/hkdf_sha512_test.json",
     TALLY_SHA512, TALLY_SHA512_BYTES},
};

START_TEST(every_hmac_vector_holds)
{
    alg = files[_i].alg;
    ck_assert_uint_eq(tally_wycheproof_each(files[_i].hmac, check_hmac), valid + invalid);
    ck_assert_uint_eq(valid, 66);
    ck_assert_uint_eq(invalid, 108);
}
END_TEST

/* A size over 255 hashes cannot come from a peer: it is a broken invariant, tested below. */
static void check_hkdf(const json_t *group, const json_t *test)
{
    struct tally_slice ikm = tally_test_field(test, "ikm"), salt = tally_test_field(test, "salt");
    struct tally_slice info = tally_test_field(test, "info"), okm = tally_test_field(test, "okm");
    size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
    uint8_t prk[TALLY_SHA512_BYTES], *got = malloc(size ? size : 1);

    (void)group;
    if (tally_test_is(test, "valid")) {
        tally_hkdf_extract(alg, salt, ikm, prk);
        tally_hkdf_expand(alg, tally_slice_of(prk, alg_bytes), info, got, size);
        ck_assert_msg(tally_slice_equal(okm, tally_slice_of(got, size)), "test %lld",
                      (long long)tally_test_id(test));
        valid++;
    } else {
        ck_assert_uint_gt(size, 255 * alg_bytes);
        invalid++;
    }
    free(got);
    tally_test_drop(ikm);
    tally_test_drop(salt);
    tally_test_drop(info);
    tally_test_drop(okm);
}

START_TEST(every_hkdf_vector_holds)
{
    alg = files[_i].alg;
    alg_bytes = files[_i].bytes;
    ck_assert_uint_eq(tally_wycheproof_each(files[_i].hkdf, check_hkdf), valid + invalid);
    ck_assert_uint_ge(valid, 80);
    ck_assert_uint_eq(invalid, 3);
}
END_TEST

START_TEST(more_than_255_hashes_is_a_broken_invariant)
{
    static uint8_t out[255 * TALLY_SHA256_BYTES + 1];

    tally_hkdf_expand(TALLY_SHA256, tally_slice_str("prk"), tally_slice_str(""), out, sizeof out);
}
END_TEST

static void digest_is(enum tally_hash_alg a, size_t bytes, const char *text, const char *hex)
{
    uint8_t got[TALLY_SHA512_BYTES];
    char as_hex[2 * TALLY_SHA512_BYTES + 1];
    struct tally_slice s = tally_slice_str(text);

    tally_hash(a, &s, 1, got);
    tally_hex(tally_slice_of(got, bytes), as_hex);
    ck_assert_str_eq(as_hex, hex);
}

/* RFC 6234 and FIPS 180-4: "abc". */
START_TEST(known_digests_are_reproduced)
{
    digest_is(TALLY_SHA256, TALLY_SHA256_BYTES, "abc",
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_is(TALLY_SHA384, TALLY_SHA384_BYTES, "abc",
              "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358ba"
              "eca134c825a7");
    digest_is(TALLY_SHA512, TALLY_SHA512_BYTES, "abc",
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba"
              "3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    digest_is(TALLY_SHA256, TALLY_SHA256_BYTES, "",
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(parts_and_pieces_give_the_digest_of_the_whole)
{
    uint8_t whole[TALLY_SHA256_BYTES], parts[TALLY_SHA256_BYTES], pieces[TALLY_SHA256_BYTES];
    struct tally_hasher h;

    TALLY_SHA256_OF(whole, tally_slice_str("abcdef"));
    TALLY_SHA256_OF(parts, tally_slice_str("ab"), tally_slice_of(NULL, 0), tally_slice_str("cdef"));
    ck_assert_mem_eq(whole, parts, sizeof whole);
    tally_hasher_init(&h, TALLY_SHA256);
    tally_hasher_add(&h, tally_slice_str("abcde"));
    tally_hasher_add(&h, tally_slice_str("f"));
    tally_hasher_end(&h, pieces);
    ck_assert_mem_eq(whole, pieces, sizeof whole);
    tally_hasher_free(&h);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hash");

    tally_vectors_need();
    tcase_add_loop_test(t, every_hmac_vector_holds, 0, 3);
    tcase_add_loop_test(t, every_hkdf_vector_holds, 0, 3);
    tcase_add_test_raise_signal(t, more_than_255_hashes_is_a_broken_invariant, 6);
    tcase_add_test(t, known_digests_are_reproduced);
    tcase_add_test(t, parts_and_pieces_give_the_digest_of_the_whole);
    return tally_suite_run("common/hash", t);
}
