/* test_cache.c - common/attest/cache.c. */
#include <stdlib.h>

#include "common/attest/cache.h"
#include "common/secret.h"
#include "tests/lib/suite.h"

static int freed;

static void drop(void *value)
{
    freed++;
    free(value);
}

static void drop_other(void *value)
{
    drop(value);
}

static void put(struct tally_attest_cache *c, uint8_t name, void (*kind)(void *))
{
    uint8_t digest[32] = {name, 1};
    uint8_t *value = malloc(1);

    ck_assert_ptr_nonnull(value);
    *value = name;
    tally_attest_cache_put(c, digest, kind, value);
}

static int find(struct tally_attest_cache *c, uint8_t name, void (*kind)(void *))
{
    uint8_t digest[32] = {name, 1};
    uint8_t *value = tally_attest_cache_find(c, digest, kind);

    return value == NULL ? -1 : *value;
}

START_TEST(a_value_is_found_by_digest_and_kind_and_freed_once)
{
    struct tally_attest_cache *c = NULL;

    freed = 0;
    ck_assert_int_eq(tally_attest_cache_new(&c), TALLY_OK);
    put(c, 7, drop);
    ck_assert_int_eq(find(c, 7, drop), 7);
    ck_assert_int_eq(find(c, 7, drop_other), -1);
    ck_assert_int_eq(find(c, 8, drop), -1);
    put(c, 7, drop); /* replaces */
    ck_assert_int_eq(freed, 1);
    tally_attest_cache_destroy(&c);
    tally_attest_cache_destroy(&c);
    ck_assert_int_eq(freed, 2);
    put(NULL, 1, drop);
    ck_assert_int_eq(freed, 3);
    ck_assert_int_eq(find(NULL, 1, drop), -1);
}
END_TEST

START_TEST(the_value_unused_for_longest_goes_first)
{
    struct tally_attest_cache *c = NULL;

    ck_assert_int_eq(tally_attest_cache_new(&c), TALLY_OK);
    for (int i = 0; i < TALLY_CACHE_VALUES_MAX; i++) put(c, (uint8_t)i, drop);
    ck_assert_int_eq(find(c, 0, drop), 0);
    put(c, 9, drop_other);
    ck_assert_int_eq(find(c, 0, drop), 0);
    ck_assert_int_eq(find(c, 1, drop), -1);
    ck_assert_int_eq(find(c, 9, drop), 9);
    ck_assert_int_eq(find(c, 9, drop_other), 9);
    tally_attest_cache_destroy(&c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cache");

    tcase_add_test(t, a_value_is_found_by_digest_and_kind_and_freed_once);
    tcase_add_test(t, the_value_unused_for_longest_goes_first);
    return tally_suite_run("common/attest/cache", t);
}
