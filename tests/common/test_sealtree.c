/* test_sealtree.c - common/sealtree.c: the golden round's file, seal digest and wrap, made from
 * its keys (CHANNEL.md section 3). */
#include "common/sealtree.h"

#include <string.h>

#include "common/chunked.h"
#include "common/hpke.h"
#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

enum { PLAIN = 600000 };

struct update {
    struct tally_slice header, key, salt;
    uint8_t *file;
    size_t file_len;
};

static void make(const json_t *round, struct update *u)
{
    uint8_t *plain = malloc(PLAIN), context[TALLY_SHA256_BYTES];
    uint64_t bytes;

    for (size_t i = 0; i < PLAIN; i++) plain[i] = (uint8_t)(7 * i + 3);
    u->header = tally_test_field(round, "SH");
    u->key = tally_test_field(round, "content_key");
    u->salt = tally_test_field(round, "salt");
    ck_assert_int_eq(tally_chunked_file_bytes(PLAIN, &bytes), TALLY_OK);
    u->file_len = bytes;
    u->file = malloc(u->file_len);
    TALLY_SHA256_OF(context, u->header);
    ck_assert_int_eq(tally_chunked_seal(u->key.at, TALLY_SLICE(context), u->salt.at,
                                        tally_slice_of(plain, PLAIN), u->file),
                     TALLY_OK);
    free(plain);
}

static void drop(struct update *u)
{
    tally_test_drop(u->header);
    tally_test_drop(u->key);
    tally_test_drop(u->salt);
    free(u->file);
}

static void same(const json_t *round, const char *field, struct tally_slice got)
{
    struct tally_slice want = tally_test_field(round, field);

    ck_assert_msg(tally_slice_equal(want, got), "%s", field);
    tally_test_drop(want);
}

/* Fed in pieces of `step` bytes. */
static void digest_by(const struct update *u, size_t step, uint8_t digest[TALLY_MERKLE_BYTES])
{
    struct tally_sealtree t;

    tally_sealtree_init(&t, u->header);
    for (size_t i = 0; i < u->file_len; i += step) {
        size_t n = u->file_len - i < step ? u->file_len - i : step;
        tally_sealtree_add(&t, tally_slice_of(u->file + i, n));
    }
    tally_sealtree_end(&t, digest);
}

static void check_round(const json_t *round)
{
    struct update u;
    uint8_t sha[TALLY_SHA256_BYTES], digest[TALLY_MERKLE_BYTES];
    static const size_t steps[] = {1000, 16400, 524287, 524288, 524289, 600648};

    make(round, &u);
    ck_assert_int_eq((json_int_t)u.file_len,
                     json_integer_value(json_object_get(round, "file_bytes")));
    TALLY_SHA256_OF(sha, tally_slice_of(u.file, u.file_len));
    same(round, "file_sha256", TALLY_SLICE(sha));
    same(round, "file_first_72", tally_slice_of(u.file, 72));
    tally_sealtree_digest(u.header, tally_slice_of(u.file, u.file_len), digest);
    same(round, "seal_digest", TALLY_SLICE(digest));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        digest_by(&u, steps[i], digest);
        same(round, "seal_digest", TALLY_SLICE(digest));
    }
    drop(&u);
}

/* info = "tally/wrap/v1" || 00 || key id, aad = seal digest. */
static void check_wrap(const json_t *round, const json_t *inputs)
{
    uint8_t receiver[32], info[14 + 32] = "tally/wrap/v1", wrap[80], key[32];
    struct tally_slice secret = tally_test_field(inputs, "kem_secret_s");
    struct tally_slice ephemeral = tally_test_field(round, "wrap_ephemeral_secret");
    struct tally_slice id = tally_test_field(round, "key_id");
    struct tally_slice aad = tally_test_field(round, "seal_digest");
    struct tally_slice content = tally_test_field(round, "content_key");

    memcpy(info + 14, id.at, id.len);
    tally_kex_public(secret.at, receiver);
    ck_assert_int_eq(tally_hpke_seal(receiver, ephemeral.at, TALLY_SLICE(info), aad, content, wrap),
                     TALLY_OK);
    same(round, "wrap", TALLY_SLICE(wrap));
    ck_assert_int_eq(tally_hpke_open(secret.at, TALLY_SLICE(info), aad, TALLY_SLICE(wrap), key),
                     TALLY_OK);
    ck_assert_mem_eq(key, content.at, sizeof key);
    tally_test_drop(secret);
    tally_test_drop(ephemeral);
    tally_test_drop(id);
    tally_test_drop(aad);
    tally_test_drop(content);
}

START_TEST(the_golden_rounds_are_reproduced)
{
    json_t *j = tally_vectors_json("vectors/channel/golden.json"), *one;
    size_t i;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "cases")), 2);
    json_array_foreach(json_object_get(j, "cases"), i, one)
    {
        check_round(json_object_get(one, "round"));
        check_wrap(json_object_get(one, "round"), json_object_get(one, "inputs"));
    }
    json_decref(j);
}
END_TEST

START_TEST(pieces_hashed_apart_give_the_same_digest)
{
    size_t len = 3 * TALLY_SEALTREE_PIECE_BYTES; /* no short piece at the end */
    uint8_t *file = calloc(1, len), leaf[TALLY_MERKLE_BYTES], one[TALLY_MERKLE_BYTES],
            two[TALLY_MERKLE_BYTES];
    struct tally_slice header = tally_slice_str("header");
    struct tally_merkle m = {0};

    for (size_t i = 0; i < len; i += 4096) file[i] = (uint8_t)(i >> 12);
    tally_merkle_leaf(header, leaf);
    tally_merkle_add(&m, leaf);
    for (size_t i = 0; i < len; i += TALLY_SEALTREE_PIECE_BYTES) {
        tally_merkle_leaf(tally_slice_of(file + i, TALLY_SEALTREE_PIECE_BYTES), leaf);
        tally_merkle_add(&m, leaf);
    }
    tally_merkle_root(&m, one);
    tally_sealtree_digest(header, tally_slice_of(file, len), two);
    ck_assert_mem_eq(one, two, sizeof one);
    free(file);
}
END_TEST

START_TEST(header_and_every_piece_count)
{
    size_t len = TALLY_SEALTREE_PIECE_BYTES + 10;
    uint8_t *file = calloc(1, len), want[TALLY_MERKLE_BYTES], got[TALLY_MERKLE_BYTES];
    const size_t places[] = {0, TALLY_SEALTREE_PIECE_BYTES - 1, TALLY_SEALTREE_PIECE_BYTES,
                             len - 1};

    tally_sealtree_digest(tally_slice_str("SH"), tally_slice_of(file, len), want);
    tally_sealtree_digest(tally_slice_str("Sh"), tally_slice_of(file, len), got);
    ck_assert(memcmp(got, want, sizeof got) != 0);
    tally_sealtree_digest(tally_slice_str("SH"), tally_slice_of(file, len - 1), got);
    ck_assert(memcmp(got, want, sizeof got) != 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        file[places[i]] ^= 1;
        tally_sealtree_digest(tally_slice_str("SH"), tally_slice_of(file, len), got);
        ck_assert(memcmp(got, want, sizeof got) != 0);
        file[places[i]] ^= 1;
    }
    free(file);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sealtree");

    tally_vectors_need();
    tcase_add_test(t, the_golden_rounds_are_reproduced);
    tcase_add_test(t, pieces_hashed_apart_give_the_same_digest);
    tcase_add_test(t, header_and_every_piece_count);
    return tally_suite_run("common/sealtree", t);
}
