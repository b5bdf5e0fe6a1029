/* test_dictionary.c - agent/dictionary.c: codes are given in order and found again. */
#include "agent/dictionary.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"

START_TEST(every_text_keeps_its_code_through_all_growth)
{
    enum { N = 50000 };
    struct tally_dictionary *d = NULL;
    char text[32];
    uint32_t code = 0;

    ck_assert_int_eq(tally_dictionary_new(&d), TALLY_OK);
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(text, sizeof text, "value %u", i);
        ck_assert_uint_eq(tally_dictionary_find(d, tally_slice_str(text)), 0);
        ck_assert_int_eq(tally_dictionary_add(d, tally_slice_str(text), N, &code), TALLY_OK);
        ck_assert_uint_eq(code, i + 1);
    }
    ck_assert_int_eq(tally_dictionary_add(d, tally_slice_str("one more"), N, &code), TALLY_E_LIMIT);
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(text, sizeof text, "value %u", i);
        ck_assert_uint_eq(tally_dictionary_find(d, tally_slice_str(text)), i + 1);
        ck_assert(tally_slice_equal(tally_dictionary_text(d, i + 1), tally_slice_str(text)));
    }
    ck_assert_uint_eq(tally_dictionary_size(d), N);
    tally_dictionary_free(&d);
    tally_dictionary_free(&d);
}
END_TEST

START_TEST(the_empty_text_and_prefixes_are_texts_of_their_own)
{
    struct tally_dictionary *d = NULL;
    uint32_t code = 0;

    ck_assert_int_eq(tally_dictionary_new(&d), TALLY_OK);
    ck_assert_int_eq(tally_dictionary_add(d, tally_slice_str("ab"), 9, &code), TALLY_OK);
    ck_assert_int_eq(tally_dictionary_add(d, tally_slice_str(""), 9, &code), TALLY_OK);
    ck_assert_uint_eq(tally_dictionary_find(d, tally_slice_str("a")), 0);
    ck_assert_uint_eq(tally_dictionary_find(d, tally_slice_str("")), 2);
    tally_dictionary_free(&d);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("dictionary");

    tcase_add_test(t, every_text_keeps_its_code_through_all_growth);
    tcase_add_test(t, the_empty_text_and_prefixes_are_texts_of_their_own);
    return tally_suite_run("dictionary", t);
}
