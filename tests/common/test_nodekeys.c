/* test_nodekeys.c - common/nodekeys.c: a key file is of one kind, one mode and one federation. */
#include "common/nodekeys.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/secret.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { FILE_BYTES = 80 };

static char dir[64], path[256];
static const uint8_t here[32] = {1}, elsewhere[32] = {2};

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", tally_test_dir());
    (void)snprintf(path, sizeof path, "%s/document.key", dir);
}

START_TEST(a_document_key_signs_as_its_public_key_says)
{
    uint8_t pub[32], sig[64];
    struct tally_sign_key k;
    struct stat st;

    ck_assert_int_eq(tally_key_make(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, pub), TALLY_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(st.st_size, FILE_BYTES);
    ck_assert_int_eq(tally_document_key_load(path, TALLY_MODE_TEST, NULL, &k), TALLY_OK);
    ck_assert_int_eq(tally_sign(&k, TALLY_SLICES(tally_slice_str("text")), 1, sig), TALLY_OK);
    ck_assert_int_eq(tally_sign_verify(pub, TALLY_SLICES(tally_slice_str("text")), 1, sig),
                     TALLY_OK);
    ck_assert_int_eq(tally_key_make(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, pub), TALLY_E_STATE);
}
END_TEST

START_TEST(another_kind_mode_or_federation_is_refused)
{
    uint8_t pub[32];
    struct tally_sign_key k;

    ck_assert_int_eq(tally_key_make(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, pub), TALLY_OK);
    ck_assert_int_eq(tally_document_key_load(path, TALLY_MODE_PRODUCTION, NULL, &k),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FEDERATION);
    ck_assert_int_eq(tally_key_bind(path, TALLY_KEY_SESSION, TALLY_MODE_TEST, here),
                     TALLY_E_CONFIG);
    ck_assert_int_eq(tally_document_key_load(path, TALLY_MODE_TEST, here, &k), TALLY_OK);
    ck_assert_int_eq(tally_key_bind(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, here), TALLY_OK);
    ck_assert_int_eq(tally_key_bind(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, here), TALLY_OK);
    ck_assert_int_eq(tally_document_key_load(path, TALLY_MODE_TEST, here, &k), TALLY_OK);
    ck_assert_int_eq(tally_document_key_load(path, TALLY_MODE_TEST, elsewhere, &k),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_key_bind(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, elsewhere),
                     TALLY_E_UNTRUSTED);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "belongs to another federation"));
}
END_TEST

START_TEST(node_keys_load_only_once_bound_and_match_the_document)
{
    struct tally_nodekeys_public made, shown;
    struct tally_node n = {.org = "bank-1", .node = "agent-1", .curve_keys_n = 2};
    TALLY_CLEANUP(tally_nodekeys_wipe) struct tally_nodekeys k = {0};

    ck_assert_int_eq(tally_nodekeys_make(dir, TALLY_MODE_TEST, &made), TALLY_OK);
    ck_assert_int_eq(tally_nodekeys_make(dir, TALLY_MODE_TEST, &made), TALLY_E_STATE);
    ck_assert_int_eq(tally_nodekeys_show(dir, TALLY_MODE_TEST, &shown), TALLY_OK);
    ck_assert_mem_eq(&shown, &made, sizeof made);
    ck_assert_int_eq(tally_nodekeys_load(dir, TALLY_MODE_TEST, here, &k), TALLY_E_UNTRUSTED);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "bound to no federation yet"));
    ck_assert_int_eq(tally_nodekeys_bind(dir, TALLY_MODE_TEST, here), TALLY_OK);
    ck_assert_int_eq(tally_nodekeys_load(dir, TALLY_MODE_TEST, elsewhere, &k), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_nodekeys_load(dir, TALLY_MODE_TEST, here, &k), TALLY_OK);
    ck_assert_mem_eq(tally_sign_public(&k.session), made.session, 32);
    ck_assert_str_eq(k.curve_public, made.curve);
    uint8_t base[32], listed[32];
    crypto_scalarmult_base(base, k.curve_secret); /* as libzmq sees the pair */
    ck_assert_int_eq(tally_z85_key_parse(made.curve, listed), TALLY_OK);
    ck_assert_mem_eq(base, listed, 32);

    memcpy(n.session_key, made.session, 32);
    memset(n.curve_keys[0], 'a', TALLY_Z85_KEY_CHARS);
    memcpy(n.curve_keys[1], made.curve, sizeof made.curve);
    ck_assert_int_eq(tally_nodekeys_listed(&made, &n), TALLY_OK);
    n.curve_keys_n = 1;
    ck_assert_int_eq(tally_nodekeys_listed(&made, &n), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_IDENTITY);
    n.session_key[0] ^= 1;
    ck_assert_int_eq(tally_nodekeys_listed(&made, &n), TALLY_E_UNTRUSTED);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "another session key"));
}
END_TEST

START_TEST(a_damaged_or_shortened_key_file_is_refused)
{
    uint8_t pub[32], *bytes = NULL;
    struct tally_sign_key k;
    size_t len = 0;

    ck_assert_int_eq(tally_key_make(path, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, pub), TALLY_OK);
    ck_assert_int_eq(tally_file_read(path, 4096, &bytes, &len), TALLY_OK);
    for (size_t n = 0; n < len; n++) {
        ck_assert_int_eq(tally_file_write(path, tally_slice_of(bytes, n), 0600), TALLY_OK);
        ck_assert_int_ne(tally_document_key_load(path, TALLY_MODE_TEST, NULL, &k), TALLY_OK);
    }
    for (size_t i = 0; i < 16; i++) { /* magic, kind, mode, reserved */
        bytes[i] ^= 0x40;
        ck_assert_int_eq(tally_file_write(path, tally_slice_of(bytes, len), 0600), TALLY_OK);
        ck_assert_int_ne(tally_document_key_load(path, TALLY_MODE_TEST, NULL, &k), TALLY_OK);
        bytes[i] ^= 0x40;
    }
    free(bytes);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("nodekeys");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_document_key_signs_as_its_public_key_says);
    tcase_add_test(t, another_kind_mode_or_federation_is_refused);
    tcase_add_test(t, node_keys_load_only_once_bound_and_match_the_document);
    tcase_add_test(t, a_damaged_or_shortened_key_file_is_refused);
    return tally_suite_run("common/nodekeys", t);
}
