/* jsonread.c - see jsonread.h. */
#include "common/jsonread.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

/* jansson's own limit of 2048 levels is far above any document of ours, and its recursion is
 * on the stack; so depth is counted first. */
static bool too_deep(struct tally_slice text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        if (depth > TALLY_JSON_DEPTH_MAX) return true;
    }
    return false;
}

enum tally_status tally_json_parse(struct tally_slice text, size_t bytes_max, const char *what,
                                   json_t **out)
{
    json_error_t err;

    TALLY_ENSURE(text.len <= bytes_max, TALLY_E_LIMIT, "%s: %zu bytes, at most %zu are allowed",
                 what, text.len, bytes_max);
    TALLY_ENSURE(!too_deep(text), TALLY_E_CONFIG, "%s: nested deeper than %d levels", what,
                 TALLY_JSON_DEPTH_MAX);
    json_t *j = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, &err);
    TALLY_ENSURE(j != NULL, TALLY_E_CONFIG, "%s:%d:%d: not JSON as documents use it: %s", what,
                 err.line, err.column, err.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return TALLY_FAIL(TALLY_E_CONFIG, "%s: expected one JSON object", what);
    }
    *out = j;
    return TALLY_OK;
}

void tally_json_free(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

struct tally_json_at tally_json_root(const json_t *document)
{
    return (struct tally_json_at){.value = document};
}

static void path_step(const struct tally_json_at *at, char *out, size_t *used)
{
    int n = 0;

    if (at->parent == NULL) return;
    path_step(at->parent, out, used);
    size_t left = TALLY_JSON_PATH_MAX - *used;
    if (at->key != NULL)
        n = snprintf(out + *used, left, "%s%s", *used > 0 ? "." : "", at->key);
    else
        n = snprintf(out + *used, left, "[%zu]", at->index);
    *used = n < 0 || (size_t)n >= left ? TALLY_JSON_PATH_MAX - 1 : *used + (size_t)n;
}

void tally_json_path(const struct tally_json_at *at, char out[TALLY_JSON_PATH_MAX])
{
    size_t used = 0;

    path_step(at, out, &used);
    if (used == 0) (void)snprintf(out, TALLY_JSON_PATH_MAX, "the document");
}

enum tally_status tally_json_refuse(const struct tally_json_at *at, const char *fmt, ...)
{
    char path[TALLY_JSON_PATH_MAX], text[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tally_json_path(at, path);
    return TALLY_FAIL(TALLY_E_CONFIG, "%s: %s", path, text);
}

/* "digest?" names the key "digest". */
static bool key_is(const char *listed, const char *key)
{
    size_t n = strlen(listed);

    if (n > 0 && listed[n - 1] == '?') n--;
    return strlen(key) == n && strncmp(listed, key, n) == 0;
}

/* Only the message needs the name, and jansson iterates over objects that it may change. */
static enum tally_status refuse_unknown(const struct tally_json_at *at, const char *const *keys)
{
    TALLY_CLEANUP(tally_json_free) json_t *copy = json_deep_copy(at->value);
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach(copy, key, value)
    {
        size_t i = 0;
        while (keys[i] != NULL && !key_is(keys[i], key)) i++;
        if (keys[i] == NULL) return tally_json_refuse(at, "has an unknown key \"%.40s\"", key);
    }
    return tally_json_refuse(at, "has an unknown key");
}

enum tally_status tally_json_keys(const struct tally_json_at *at, const char *const *keys)
{
    size_t known = 0;

    if (at->value == NULL) return tally_json_refuse(at, "is missing; expected an object");
    if (!json_is_object(at->value)) return tally_json_refuse(at, "expected an object");
    for (size_t i = 0; keys[i] != NULL; i++) {
        char key[TALLY_JSON_KEY_MAX + 1];
        size_t len = strcspn(keys[i], "?");
        TALLY_ASSERT(len <= TALLY_JSON_KEY_MAX);
        memcpy(key, keys[i], len);
        key[len] = '\0';
        bool there = json_object_get(at->value, key) != NULL;
        if (!there && keys[i][len] == '\0') return tally_json_refuse(at, "lacks \"%s\"", key);
        known += there;
    }
    return known == json_object_size(at->value) ? TALLY_OK : refuse_unknown(at, keys);
}

struct tally_json_at tally_json_member(const struct tally_json_at *at, const char *key)
{
    return (struct tally_json_at){
        .value = json_object_get(at->value, key), .parent = at, .key = key};
}

enum tally_status tally_json_array(const struct tally_json_at *at, size_t min, size_t max,
                                   size_t *n)
{
    if (!json_is_array(at->value)) return tally_json_refuse(at, "expected a list");
    size_t size = json_array_size(at->value);
    if (size < min || size > max)
        return tally_json_refuse(at, "has %zu items; expected %zu to %zu", size, min, max);
    *n = size;
    return TALLY_OK;
}

struct tally_json_at tally_json_item(const struct tally_json_at *at, size_t index)
{
    return (struct tally_json_at){
        .value = json_array_get(at->value, index), .parent = at, .index = index};
}

enum tally_status tally_json_uint(const struct tally_json_at *at, uint64_t min, uint64_t max,
                                  uint64_t *out)
{
    if (!json_is_integer(at->value)) return tally_json_refuse(at, "expected an integer");
    json_int_t v = json_integer_value(at->value);
    if (v < 0 || (uint64_t)v < min || (uint64_t)v > max)
        return tally_json_refuse(at, "is %lld; expected %llu to %llu", (long long)v,
                                 (unsigned long long)min, (unsigned long long)max);
    *out = (uint64_t)v;
    return TALLY_OK;
}

enum tally_status tally_json_bool(const struct tally_json_at *at, bool *out)
{
    if (!json_is_boolean(at->value)) return tally_json_refuse(at, "expected true or false");
    *out = json_is_true(at->value);
    return TALLY_OK;
}

enum tally_status tally_json_text(const struct tally_json_at *at, char *out, size_t cap)
{
    size_t len = json_string_length(at->value);

    if (!json_is_string(at->value) || len < 1 || len >= cap)
        return tally_json_refuse(at, "expected text of 1 to %zu bytes", cap - 1);
    const char *s = json_string_value(at->value);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return tally_json_refuse(at, "has a control character at byte %zu", i);
    }
    memcpy(out, s, len + 1);
    return TALLY_OK;
}

enum tally_status tally_json_name(const struct tally_json_at *at, char *out)
{
    const char *s = json_string_value(at->value);

    if (s == NULL || !tally_name_ok(tally_slice_of(s, json_string_length(at->value))))
        return tally_json_refuse(at, "expected a name: 1 to %d of a-z 0-9 . _ -", TALLY_NAME_MAX);
    memcpy(out, s, strlen(s) + 1);
    return TALLY_OK;
}

enum tally_status tally_json_exact(const struct tally_json_at *at, const char *expected)
{
    const char *s = json_string_value(at->value);

    if (s == NULL || strcmp(s, expected) != 0)
        return tally_json_refuse(at, "expected \"%s\"", expected);
    return TALLY_OK;
}

enum tally_status tally_json_choice(const struct tally_json_at *at, const char *const *words,
                                    size_t n, size_t *which)
{
    const char *s = json_string_value(at->value);
    char all[160] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (s != NULL && strcmp(s, words[i]) == 0) {
            *which = i;
            return TALLY_OK;
        }
        int k = snprintf(all + used, sizeof all - used, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
        if (k > 0 && (size_t)k < sizeof all - used) used += (size_t)k;
    }
    return tally_json_refuse(at, "expected one of %s", all);
}

enum tally_status tally_json_hex(const struct tally_json_at *at, uint8_t *out, size_t len)
{
    const char *s = json_string_value(at->value);

    if (s == NULL || strspn(s, "0123456789abcdef") != 2 * len || s[2 * len] != '\0' ||
        tally_unhex(s, out, len) != TALLY_OK)
        return tally_json_refuse(at, "expected %zu lower-case hex digits", 2 * len);
    return TALLY_OK;
}

enum tally_status tally_json_base64(const struct tally_json_at *at, uint8_t *out, size_t len)
{
    const char *s = json_string_value(at->value);
    uint8_t bytes[256];
    size_t got = 0;

    TALLY_ASSERT(len <= sizeof bytes);
    if (s == NULL || tally_unbase64(s, strlen(s), bytes, len, &got) != TALLY_OK || got != len)
        return tally_json_refuse(at, "expected standard base64 of %zu bytes", len);
    memcpy(out, bytes, len);
    return TALLY_OK;
}

enum tally_status tally_json_blob(const struct tally_json_at *at, uint8_t *out, size_t cap,
                                  size_t *len)
{
    const char *s = json_string_value(at->value);

    if (s == NULL || *s == '\0' || tally_unbase64(s, strlen(s), out, cap, len) != TALLY_OK)
        return tally_json_refuse(at, "expected standard base64 of 1 to %zu bytes", cap);
    return TALLY_OK;
}
