/* wycheproof.h - runs over the files of C2SP/wycheproof (testvectors_v1) and like-shaped ones. */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/vectors.h"

/* Calls one(group, test) for every test of the file; returns how many there were. */
static inline unsigned tally_wycheproof_each(const char *name,
                                             void (*one)(const json_t *group, const json_t *test))
{
    json_t *file = tally_vectors_json(name), *group, *test;
    size_t i, j;
    unsigned n = 0;

    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            one(group, test);
            n++;
        }
    }
    json_decref(file);
    return n;
}

/* A hex field as fresh exact-size bytes; free with tally_test_drop. */
static inline struct tally_slice tally_test_field(const json_t *test, const char *key)
{
    const char *hex = json_string_value(json_object_get(test, key));
    size_t len;

    ck_assert_msg(hex != NULL, "no field %s", key);
    uint8_t *at = tally_test_unhex(hex, &len);
    return tally_slice_of(at, len);
}

static inline void tally_test_drop(struct tally_slice s)
{
    union {
        const uint8_t *at;
        void *p;
    } u = {.at = s.at};

    free(u.p);
}

static inline json_int_t tally_test_id(const json_t *test)
{
    return json_integer_value(json_object_get(test, "tcId"));
}

static inline bool tally_test_is(const json_t *test, const char *result)
{
    return strcmp(json_string_value(json_object_get(test, "result")), result) == 0;
}

static inline bool tally_test_flag(const json_t *test, const char *flag)
{
    json_t *f;
    size_t i;

    json_array_foreach(json_object_get(test, "flags"), i, f)
    {
        if (strcmp(json_string_value(f), flag) == 0) return true;
    }
    return false;
}
