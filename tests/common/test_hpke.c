/* test_hpke.c - common/hpke.c against RFC 9180's vectors (mode Base, X25519, HKDF-SHA256,
 * AES-256-GCM) as published by cloudflare/circl and google/boringssl. */
#include "common/hpke.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

struct message {
    struct tally_slice receiver_secret, receiver_public, ephemeral_secret, info, aad, plain, enc,
        ct;
};

static void drop(const struct message *m)
{
    const struct tally_slice *all = &m->receiver_secret;

    for (size_t i = 0; i < sizeof *m / sizeof *all; i++) tally_test_drop(all[i]);
}

/* enc || ct, exact size. */
static uint8_t *sealed_of(const struct message *m)
{
    uint8_t *sealed = malloc(m->enc.len + m->ct.len);

    memcpy(sealed, m->enc.at, m->enc.len);
    memcpy(sealed + m->enc.len, m->ct.at, m->ct.len);
    return sealed;
}

static void check(const struct message *m)
{
    size_t len = m->plain.len + TALLY_HPKE_OVERHEAD_BYTES;
    uint8_t *want = sealed_of(m), *got = malloc(len), *plain = malloc(m->plain.len + 1);

    ck_assert_uint_eq(m->enc.len + m->ct.len, len);
    ck_assert_int_eq(tally_hpke_seal(m->receiver_public.at, m->ephemeral_secret.at, m->info, m->aad,
                                     m->plain, got),
                     TALLY_OK);
    ck_assert_mem_eq(got, want, len);
    ck_assert_int_eq(
        tally_hpke_open(m->receiver_secret.at, m->info, m->aad, tally_slice_of(want, len), plain),
        TALLY_OK);
    ck_assert_mem_eq(plain, m->plain.at, m->plain.len);
    free(plain);
    free(got);
    free(want);
}

static bool ours(const json_t *v)
{
    return json_integer_value(json_object_get(v, "mode")) == 0 &&
           json_integer_value(json_object_get(v, "kem_id")) == 0x20 &&
           json_integer_value(json_object_get(v, "kdf_id")) == 1 &&
           json_integer_value(json_object_get(v, "aead_id")) == 2;
}

/* The suite's vector; fails the test if it is not there. */
static struct message rfc_message(void)
{
    json_t *all = tally_vectors_json("vectors/hpke/rfc9180-subset-x25519-p256.json"), *v;
    struct message m = {0};
    size_t i;

    json_array_foreach(all, i, v)
    {
        if (!ours(v)) continue;
        ck_assert_ptr_null(m.enc.at);
        const json_t *first = json_array_get(json_object_get(v, "encryptions"), 0);
        m.receiver_secret = tally_test_field(v, "skRm");
        m.receiver_public = tally_test_field(v, "pkRm");
        m.ephemeral_secret = tally_test_field(v, "skEm");
        m.info = tally_test_field(v, "info");
        m.enc = tally_test_field(v, "enc");
        m.aad = tally_test_field(first, "aad");
        m.plain = tally_test_field(first, "pt");
        m.ct = tally_test_field(first, "ct");
    }
    ck_assert_ptr_nonnull(m.enc.at);
    json_decref(all);
    return m;
}

START_TEST(the_vector_of_rfc_9180_is_reproduced)
{
    struct message m = rfc_message();

    check(&m);
    drop(&m);
}
END_TEST

/* "name = hex" of one block of BoringSSL's file, the first after `from`. */
static struct tally_slice line_of(const char *from, const char *name)
{
    char want[64], hex[4096] = "";
    size_t len;

    (void)snprintf(want, sizeof want, "\n%s = ", name);
    const char *at = strstr(from, want);
    ck_assert_ptr_nonnull(at);
    at += strlen(want);
    size_t n = strcspn(at, "\n");
    ck_assert_uint_lt(n, sizeof hex);
    memcpy(hex, at, n);
    uint8_t *bytes = tally_test_unhex(hex, &len);
    return tally_slice_of(bytes, len);
}

START_TEST(the_vector_of_boringssl_is_reproduced)
{
    size_t len;
    char *text = (char *)tally_vectors_bytes("vectors/hpke/boringssl_hpke_test_vectors.txt", &len);
    text[len] = '\0';
    const char *at = strstr(text, "mode = 0\nkem_id = 32\nkdf_id = 1\naead_id = 2\n");
    ck_assert_ptr_nonnull(at);
    struct message m = {
        .receiver_secret = line_of(at, "skRm"),
        .receiver_public = line_of(at, "pkRm"),
        .ephemeral_secret = line_of(at, "sender_seed"),
        .info = line_of(at, "info"),
        .aad = line_of(at, "aad"),
        .plain = line_of(at, "pt"),
        .enc = line_of(at, "enc"),
        .ct = line_of(at, "ct"),
    };

    check(&m);
    drop(&m);
    free(text);
}
END_TEST

static enum tally_status open_it(const struct message *m, const uint8_t *sealed, size_t len)
{
    uint8_t *plain = malloc(m->plain.len + 1);

    memset(plain, 0xa5, m->plain.len);
    enum tally_status s =
        tally_hpke_open(m->receiver_secret.at, m->info, m->aad, tally_slice_of(sealed, len), plain);
    if (s != TALLY_OK) ck_assert(memcmp(plain, m->plain.at, m->plain.len) != 0);
    free(plain);
    return s;
}

START_TEST(every_changed_byte_of_enc_and_ciphertext_is_refused)
{
    struct message m = rfc_message();
    uint8_t *sealed = sealed_of(&m);
    size_t len = m.enc.len + m.ct.len;

    for (size_t bit = 0; bit < 8 * len; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(open_it(&m, sealed, len), TALLY_E_AUTH);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(sealed);
    drop(&m);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    struct message m = rfc_message();
    uint8_t *sealed = sealed_of(&m);

    for (size_t n = 0; n < m.enc.len + m.ct.len; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, sealed, n);
        ck_assert_int_eq(open_it(&m, exact, n), TALLY_E_AUTH);
        free(exact);
    }
    free(sealed);
    drop(&m);
}
END_TEST

START_TEST(another_aad_info_or_key_is_refused)
{
    struct message m = rfc_message(), other = m;
    uint8_t *sealed = sealed_of(&m), secret[32];
    size_t len = m.enc.len + m.ct.len;

    other.aad = tally_slice_of(m.aad.at, m.aad.len - 1);
    ck_assert_int_eq(open_it(&other, sealed, len), TALLY_E_AUTH);
    other = m;
    other.info = tally_slice_of(m.info.at, m.info.len - 1);
    ck_assert_int_eq(open_it(&other, sealed, len), TALLY_E_AUTH);
    other = m;
    memcpy(secret, m.receiver_secret.at, sizeof secret);
    secret[5] ^= 1;
    other.receiver_secret = TALLY_SLICE(secret);
    ck_assert_int_eq(open_it(&other, sealed, len), TALLY_E_AUTH);
    ck_assert_int_eq(open_it(&m, sealed, len), TALLY_OK);
    free(sealed);
    drop(&m);
}
END_TEST

/* Points of small order and their non-canonical spellings (RFC 7748 section 7). */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

START_TEST(points_of_low_order_are_refused)
{
    struct message m = rfc_message();
    uint8_t *sealed = sealed_of(&m), *out = malloc(m.plain.len + TALLY_HPKE_OVERHEAD_BYTES);
    size_t n;
    uint8_t *point = tally_test_unhex(low_order[_i], &n);

    memcpy(sealed, point, n);
    ck_assert_int_eq(open_it(&m, sealed, m.enc.len + m.ct.len), TALLY_E_AUTH);
    ck_assert_int_eq(tally_hpke_seal(point, m.ephemeral_secret.at, m.info, m.aad, m.plain, out),
                     TALLY_E_AUTH);
    free(point);
    free(out);
    free(sealed);
    drop(&m);
}
END_TEST

START_TEST(a_longer_info_is_refused)
{
    uint8_t info[TALLY_HPKE_INFO_MAX + 1] = {0}, key[32] = {9}, secret[32] = {7};
    uint8_t sealed[TALLY_HPKE_OVERHEAD_BYTES], plain[1];
    struct tally_slice none = {(const uint8_t *)"", 0};

    tally_kex_public(secret, key);
    ck_assert_int_eq(tally_hpke_seal(key, secret, TALLY_SLICE(info), none, none, sealed),
                     TALLY_E_LIMIT);
    ck_assert_int_eq(
        tally_hpke_seal(key, secret, tally_slice_of(info, sizeof info - 1), none, none, sealed),
        TALLY_OK);
    ck_assert_int_eq(tally_hpke_open(secret, TALLY_SLICE(info), none, TALLY_SLICE(sealed), plain),
                     TALLY_E_LIMIT);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hpke");

    tally_vectors_need();
    tcase_add_test(t, the_vector_of_rfc_9180_is_reproduced);
    tcase_add_test(t, the_vector_of_boringssl_is_reproduced);
    tcase_add_test(t, every_changed_byte_of_enc_and_ciphertext_is_refused);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, another_aad_info_or_key_is_refused);
    tcase_add_loop_test(t, points_of_low_order_are_refused, 0,
                        (int)(sizeof low_order / sizeof *low_order));
    tcase_add_test(t, a_longer_info_is_refused);
    return tally_suite_run("common/hpke", t);
}
