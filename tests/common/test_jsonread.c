/* test_jsonread.c - common/jsonread.c: what is read is exactly what was asked for. */
#include <string.h>

#include "common/jsonread.h"
#include "common/text.h"
#include "tests/lib/suite.h"

static enum tally_status parse(const char *text, json_t **j)
{
    /* An exact-size copy: the sanitizer sees one byte too far. */
    size_t n = strlen(text);
    uint8_t *exact = malloc(n + (n == 0));

/* Rows as calls, which the formatter keeps within the page. */
#define ROW(...) {__VA_ARGS__}

    memcpy(exact, text, n);
    enum tally_status s = tally_json_parse(tally_slice_of(exact, n), 4096, "doc", j);
    free(exact);
    return s;
}

static const struct {
    const char *text, *why;
} bad_texts[] = {
    ROW("", "doc:"),
    ROW("[1]", "one JSON object"),
    ROW("{\"a\":1,\"a\":2}", "duplicate"),
    ROW("{\"a\":1} x", "end of file expected"),
    ROW("{\"a\":\"\\u0000\"}", "not JSON"),
    ROW("{\"a\":\"\xff\"}", "not JSON"),
    ROW("{\"a\":01}", "not JSON"),
    ROW("{\"a\":[[[[[[[[[[[[1]]]]]]]]]]]]}", "nested deeper than 12"),
    ROW("{\"a\":9223372036854775808}", "too big integer"),
    ROW("{'a':1}", "doc:1:"),
};

START_TEST(a_text_that_is_not_strict_json_is_refused_with_its_reason)
{
    json_t *j = NULL;

    ck_assert_int_eq(parse(bad_texts[_i].text, &j), TALLY_E_CONFIG);
    ck_assert_ptr_null(j);
    ck_assert_msg(strstr(tally_why_text(), bad_texts[_i].why) != NULL, "%s", tally_why_text());
}
END_TEST

START_TEST(a_document_over_its_size_is_refused_unread)
{
    static uint8_t big[4097];
    json_t *j = NULL;

    memset(big, ' ', sizeof big);
    ck_assert_int_eq(tally_json_parse(TALLY_SLICE(big), 4096, "doc", &j), TALLY_E_LIMIT);
}
END_TEST

START_TEST(brackets_inside_strings_are_no_depth)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    ck_assert_int_eq(parse("{\"a\":\"[[[[[[[[[[[[[[[[[[\\\"[[\"}", &j), TALLY_OK);
}
END_TEST

static const char good[] =
    "{\"name\":\"bank-1\",\"n\":7,\"list\":[{\"hex\":\"0aff\"},{\"hex\":\"0AFF\"}],\"yes\":true,"
    "\"key\":\"AAECAw==\",\"role\":\"agent\",\"text\":\"a\\tb\",\"real\":1.5,\"long\":\"abcdefgh\"}";

START_TEST(exactly_the_listed_keys_are_accepted)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    ck_assert_int_eq(parse("{\"a\":{\"b\":1,\"c\":2}}", &j), TALLY_OK);
    struct tally_json_at root = tally_json_root(j), a = tally_json_member(&root, "a");

    ck_assert_int_eq(tally_json_keys(&a, TALLY_JSON_KEYS("b", "c")), TALLY_OK);
    ck_assert_int_eq(tally_json_keys(&a, TALLY_JSON_KEYS("b", "c?", "d?")), TALLY_OK);
    ck_assert_int_eq(tally_json_keys(&a, TALLY_JSON_KEYS("b")), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "a: has an unknown key \"c\"");
    ck_assert_int_eq(tally_json_keys(&a, TALLY_JSON_KEYS("b", "c", "d")), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "a: lacks \"d\"");
    ck_assert_int_eq(tally_json_keys(&a, TALLY_JSON_KEYS("b", "cc?")), TALLY_E_CONFIG);
    struct tally_json_at none = tally_json_member(&root, "zz");
    ck_assert_int_eq(tally_json_keys(&none, TALLY_JSON_KEYS("b")), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "zz: is missing; expected an object");
}
END_TEST

START_TEST(values_are_read_as_asked_and_nothing_else)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    ck_assert_int_eq(parse(good, &j), TALLY_OK);
    struct tally_json_at root = tally_json_root(j);
    struct tally_json_at n = tally_json_member(&root, "n"), list = tally_json_member(&root, "list");
    struct tally_json_at name = tally_json_member(&root, "name");
    struct tally_json_at key = tally_json_member(&root, "key");
    struct tally_json_at role = tally_json_member(&root, "role");
    uint64_t v = 0;
    size_t len = 0, which = 9;
    uint8_t bytes[4];
    char text[64 + 1];
    bool yes = false;

    ck_assert_int_eq(tally_json_uint(&n, 7, 7, &v), TALLY_OK);
    ck_assert_uint_eq(v, 7);
    ck_assert_int_eq(tally_json_uint(&n, 8, 9, &v), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "n: is 7; expected 8 to 9");
    ck_assert_int_eq(tally_json_uint(&name, 0, 9, &v), TALLY_E_CONFIG);
    struct tally_json_at real = tally_json_member(&root, "real");
    ck_assert_int_eq(tally_json_uint(&real, 0, 9, &v), TALLY_E_CONFIG);
    struct tally_json_at b = tally_json_member(&root, "yes");
    ck_assert_int_eq(tally_json_bool(&b, &yes), TALLY_OK);
    ck_assert(yes);
    ck_assert_int_eq(tally_json_bool(&n, &yes), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_name(&name, text), TALLY_OK);
    ck_assert_str_eq(text, "bank-1");
    ck_assert_int_eq(tally_json_name(&n, text), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_base64(&key, bytes, 4), TALLY_OK);
    ck_assert_mem_eq(bytes, "\0\1\2\3", 4);
    ck_assert_int_eq(tally_json_base64(&key, bytes, 3), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_blob(&key, bytes, 4, &len), TALLY_OK);
    ck_assert_uint_eq(len, 4);
    ck_assert_int_eq(tally_json_blob(&key, bytes, 3, &len), TALLY_E_CONFIG);
    const char *words[] = {"kms", "agent"};
    ck_assert_int_eq(tally_json_choice(&role, words, 2, &which), TALLY_OK);
    ck_assert_uint_eq(which, 1);
    ck_assert_int_eq(tally_json_choice(&role, words, 1, &which), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "role: expected one of \"kms\"");
    ck_assert_int_eq(tally_json_exact(&role, "agent"), TALLY_OK);
    ck_assert_int_eq(tally_json_exact(&role, "agen"), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_array(&list, 1, 2, &len), TALLY_OK);
    ck_assert_uint_eq(len, 2);
    ck_assert_int_eq(tally_json_array(&list, 3, 9, &len), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_array(&n, 0, 9, &len), TALLY_E_CONFIG);
}
END_TEST

START_TEST(the_path_says_where_it_is_wrong)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    ck_assert_int_eq(parse(good, &j), TALLY_OK);
    struct tally_json_at root = tally_json_root(j), list = tally_json_member(&root, "list");
    struct tally_json_at first = tally_json_item(&list, 0), second = tally_json_item(&list, 1);
    struct tally_json_at hex = tally_json_member(&first, "hex");
    struct tally_json_at upper = tally_json_member(&second, "hex");
    struct tally_json_at tab = tally_json_member(&root, "text");
    struct tally_json_at longer = tally_json_member(&root, "long");
    uint8_t bytes[2];
    char text[8];

    ck_assert_int_eq(tally_json_hex(&hex, bytes, 2), TALLY_OK);
    ck_assert_mem_eq(bytes, "\x0a\xff", 2);
    ck_assert_int_eq(tally_json_hex(&hex, bytes, 1), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_hex(&upper, bytes, 2), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "list[1].hex: expected 4 lower-case hex digits");
    ck_assert_int_eq(tally_json_text(&tab, text, sizeof text), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "control character"));
    ck_assert_int_eq(tally_json_text(&longer, text, sizeof text), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_json_refuse(&root, "is %d", 3), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "the document: is 3");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jsonread");

    tcase_add_loop_test(t, a_text_that_is_not_strict_json_is_refused_with_its_reason, 0,
                        sizeof bad_texts / sizeof bad_texts[0]);
    tcase_add_test(t, a_document_over_its_size_is_refused_unread);
    tcase_add_test(t, brackets_inside_strings_are_no_depth);
    tcase_add_test(t, exactly_the_listed_keys_are_accepted);
    tcase_add_test(t, values_are_read_as_asked_and_nothing_else);
    tcase_add_test(t, the_path_says_where_it_is_wrong);
    return tally_suite_run("common/jsonread", t);
}
