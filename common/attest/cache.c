/* cache.c - see cache.h: so few values that looking at each is cheap beside one signature. */
#include "common/attest/cache.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t digest[32];
    void (*kind)(void *value);
    void *value;   /* NULL: free */
    uint64_t used; /* when last asked for, in calls */
};

struct tally_attest_cache {
    struct entry entries[TALLY_CACHE_VALUES_MAX];
    uint64_t calls;
};

enum tally_status tally_attest_cache_new(struct tally_attest_cache **out)
{
    *out = calloc(1, sizeof **out);
    TALLY_ENSURE(*out != NULL, TALLY_E_NOMEM, "cache of verified chains");
    return TALLY_OK;
}

static void empty(struct entry *e)
{
    if (e->value != NULL) e->kind(e->value);
    *e = (struct entry){0};
}

void tally_attest_cache_destroy(struct tally_attest_cache **c)
{
    if (*c == NULL) return;
    for (size_t i = 0; i < TALLY_CACHE_VALUES_MAX; i++) empty(&(*c)->entries[i]);
    free(*c);
    *c = NULL;
}

static struct entry *named(struct tally_attest_cache *c, const uint8_t digest[32],
                           void (*kind)(void *value))
{
    for (size_t i = 0; i < TALLY_CACHE_VALUES_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (e->value != NULL && e->kind == kind && memcmp(e->digest, digest, 32) == 0) return e;
    }
    return NULL;
}

void *tally_attest_cache_find(struct tally_attest_cache *c, const uint8_t digest[32],
                              void (*kind)(void *value))
{
    struct entry *e = c == NULL ? NULL : named(c, digest, kind);

    if (e == NULL) return NULL;
    e->used = ++c->calls;
    return e->value;
}

void tally_attest_cache_put(struct tally_attest_cache *c, const uint8_t digest[32],
                            void (*kind)(void *value), void *value)
{
    if (c == NULL) {
        kind(value);
        return;
    }
    struct entry *e = named(c, digest, kind);
    if (e == NULL) {
        e = &c->entries[0];
        for (size_t i = 1; i < TALLY_CACHE_VALUES_MAX; i++) {
            if (c->entries[i].used < e->used) e = &c->entries[i];
        }
    }
    empty(e);
    *e = (struct entry){.kind = kind, .value = value, .used = ++c->calls};
    memcpy(e->digest, digest, 32);
}
