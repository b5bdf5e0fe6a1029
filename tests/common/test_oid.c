/* test_oid.c - common/oid.c against OpenSSL's reading of the same identifiers. */
#include <openssl/objects.h>
#include <string.h>

#include "common/oid.h"
#include "tests/lib/suite.h"

static const char *const texts[] = {"0.0",
                                    "0.39",
                                    "1.0",
                                    "1.2.840.113549.1.1.10",
                                    "1.3.6.1.4.1.3704.1.3.9",
                                    "1.3.132.0.34",
                                    "2.5.29.19",
                                    "2.16.840.1.101.3.4.2.2",
                                    "2.40.1",
                                    "2.999.1234567890123",
                                    "1.2.127.128.16383.16384.2097151.2097152",
                                    "1.2.922337203685477579"};

START_TEST(text_and_bytes_are_the_same_identifier)
{
    ASN1_OBJECT *o = OBJ_txt2obj(texts[_i], 1);
    uint8_t der[TALLY_OID_BYTES_MAX];
    char text[128];
    size_t len = 0;

    ck_assert_ptr_nonnull(o);
    ck_assert(tally_oid_from_text(texts[_i], der, &len));
    ck_assert_uint_eq(len, OBJ_length(o));
    ck_assert_mem_eq(der, OBJ_get0_data(o), len);
    ck_assert(tally_oid_is_sound(tally_slice_of(der, len)));
    ck_assert(tally_oid_to_text(tally_slice_of(der, len), text, sizeof text));
    ck_assert_str_eq(text, texts[_i]);
    size_t room = strlen(text);
    ck_assert(!tally_oid_to_text(tally_slice_of(der, len), text, room)); /* no room for the zero */
    ck_assert(tally_oid_to_text(tally_slice_of(der, len), text, room + 1));
    ASN1_OBJECT_free(o);
}
END_TEST

START_TEST(what_is_no_identifier_is_refused)
{
    static const char *const bad[] = {
        "",     "1",     "1.",  "1..2", ".1.2", "3.1",   "1.40",   "0.99",
        "1.2.", "1.2.x", "a.b", "1.02", "-1.2", "1.2 3", "1.2.+3", "1.2.99999999999999999999"};
    uint8_t der[TALLY_OID_BYTES_MAX];
    char longest[256] = "1.2";
    size_t len;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!tally_oid_from_text(bad[i], der, &len), "%s", bad[i]);
    for (int i = 1; i < TALLY_OID_BYTES_MAX; i++) strcat(longest, ".1");
    ck_assert(tally_oid_from_text(longest, der, &len) && len == TALLY_OID_BYTES_MAX);
    ck_assert(!tally_oid_from_text(strcat(longest, ".1"), der, &len));
}
END_TEST

START_TEST(bytes_must_be_minimal_and_ended)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool sound, text;
    } rows[] = {
        {"\x2a",                                         1,  true,  true },
        {"",                                             0,  false, false},
        {"\x80\x01",                                     2,  false, false},
        {"\x2a\x80\x01",                                 3,  false, false},
        {"\x2a\x81",                                     2,  false, false},
        {"\x2a\x81\x80\x01",                             4,  true,  true },
        {"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",     10, true,  true }, /* 2^63 - 1 */
        {"\x2a\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, true,  false},
    };
    char text[64];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_slice s = tally_slice_of(rows[i].bytes, rows[i].len);
        ck_assert_msg(tally_oid_is_sound(s) == rows[i].sound, "row %zu", i);
        ck_assert_msg(tally_oid_to_text(s, text, sizeof text) == rows[i].text, "row %zu", i);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("oid");

    tcase_add_loop_test(t, text_and_bytes_are_the_same_identifier, 0,
                        (int)(sizeof texts / sizeof texts[0]));
    tcase_add_test(t, what_is_no_identifier_is_refused);
    tcase_add_test(t, bytes_must_be_minimal_and_ended);
    return tally_suite_run("common/oid", t);
}
