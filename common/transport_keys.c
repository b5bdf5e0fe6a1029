/* transport_keys.c - see transport_keys.h. */
#include "common/transport_keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static bool user_ok(const char *user)
{
    const size_t len = strnlen(user, TALLY_USER_MAX + 1);
    const char *slash = memchr(user, '/', len);

    if (len > TALLY_USER_MAX || !slash) return false;
    const size_t org = (size_t)(slash - user);
    return tally_name_ok(tally_slice_of(user, org)) &&
           tally_name_ok(tally_slice_of(slash + 1, len - org - 1));
}

static enum tally_status fill(struct tally_keys *k, const struct tally_curve_entry *entries,
                              size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tally_keys_row *row = &k->rows[i];
        TALLY_ENSURE(user_ok(entries[i].user), TALLY_E_CONFIG, "CURVE entry %zu has no org/node",
                     i + 1);
        TALLY_ENSURE(tally_z85_key_parse(entries[i].key, row->key) == TALLY_OK, TALLY_E_CONFIG,
                     "%s has a bad CURVE key", entries[i].user);
        TALLY_ENSURE(tally_keys_find(k, row->key) == NULL, TALLY_E_CONFIG,
                     "%s has a CURVE key that is listed already", entries[i].user);
        row->entry = entries[i];
        k->n = i + 1;
    }
    return TALLY_OK;
}

enum tally_status tally_keys_new(struct tally_keys **keys, const struct tally_curve_entry *entries,
                                 size_t n)
{
    TALLY_ENSURE(n <= TALLY_CURVE_ENTRIES_MAX, TALLY_E_LIMIT, "%zu CURVE keys, at most %d", n,
                 TALLY_CURVE_ENTRIES_MAX);
    struct tally_keys *k = calloc(1, sizeof *k);
    TALLY_ENSURE(k != NULL, TALLY_E_NOMEM, "table of CURVE keys");
    enum tally_status s = fill(k, entries, n);
    if (s != TALLY_OK) {
        free(k);
        return s;
    }
    *keys = k;
    return TALLY_OK;
}

const struct tally_keys_row *tally_keys_find(const struct tally_keys *keys, const uint8_t *key)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (memcmp(keys->rows[i].key, key, TALLY_CURVE_KEY_BYTES) == 0) return &keys->rows[i];
    }
    return NULL;
}

const struct tally_keys_row *tally_keys_find_text(const struct tally_keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (strcmp(keys->rows[i].entry.key, key) == 0) return &keys->rows[i];
    }
    return NULL;
}

enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY };

static bool part_is(const struct tally_zap *q, size_t i, const char *text)
{
    return i < q->n && q->parts[i].len == strlen(text) &&
           memcmp(q->parts[i].bytes, text, q->parts[i].len) == 0;
}

const struct tally_curve_entry *tally_keys_judge(const struct tally_keys *keys,
                                                 const struct tally_zap *request)
{
    if (request->n != ZAP_KEY + 1 || !part_is(request, ZAP_VERSION, "1.0") ||
        !part_is(request, ZAP_DOMAIN, TALLY_ZAP_DOMAIN) ||
        !part_is(request, ZAP_MECHANISM, "CURVE") ||
        request->parts[ZAP_KEY].len != TALLY_CURVE_KEY_BYTES)
        return NULL;
    const struct tally_keys_row *row = tally_keys_find(keys, request->parts[ZAP_KEY].bytes);
    return row ? &row->entry : NULL;
}

struct tally_slice tally_zap_id(const struct tally_zap *request)
{
    if (request->n <= ZAP_ID || request->parts[ZAP_ID].len > TALLY_ZAP_PART_MAX)
        return tally_slice_str("");
    return tally_slice_of(request->parts[ZAP_ID].bytes, request->parts[ZAP_ID].len);
}

struct tally_slice tally_keys_properties(const struct tally_curve_entry *entry,
                                         uint8_t to[TALLY_ZAP_PROPERTIES_MAX])
{
    struct tally_wr w = tally_wr_to(to, TALLY_ZAP_PROPERTIES_MAX);
    struct tally_slice all;

    tally_wr_u8(&w, sizeof TALLY_ZAP_KEY_PROPERTY - 1);
    tally_wr_put(&w, TALLY_ZAP_KEY_PROPERTY, sizeof TALLY_ZAP_KEY_PROPERTY - 1);
    tally_wr_vec(&w, tally_slice_str(entry->key));
    TALLY_ASSERT(tally_wr_end(&w, &all) == TALLY_OK);
    return all;
}
