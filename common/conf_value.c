/* conf_value.c - values of the table's types: read, described, written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_parts.h"
#include "common/text.h"

void tally_conf_expected(const struct tally_conf_key *k, char out[TALLY_CONF_EXPECTED_SIZE])
{
    size_t used = 0;

    switch (k->type) {
    case TALLY_CONF_NAME:
        (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "a name: 1 to %d of a-z 0-9 . _ -",
                       TALLY_NAME_MAX);
        break;
    case TALLY_CONF_INT:
        (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "an integer from %lld to %lld",
                       (long long)k->min, (long long)k->max);
        break;
    case TALLY_CONF_BOOL: (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "true or false"); break;
    case TALLY_CONF_PATH: (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "a path"); break;
    case TALLY_CONF_LIST:
        (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "a list of %lld to %lld texts",
                       (long long)k->min, (long long)k->max);
        break;
    case TALLY_CONF_CHOICE:
        for (size_t i = 0; k->choices[i] != NULL && used < TALLY_CONF_EXPECTED_SIZE - 64; i++)
            used += (size_t)snprintf(out + used, TALLY_CONF_EXPECTED_SIZE - used, "%s%.40s",
                                     i > 0 ? " or " : "", k->choices[i]);
        break;
    case TALLY_CONF_STRING: (void)snprintf(out, TALLY_CONF_EXPECTED_SIZE, "text"); break;
    }
}

static enum tally_status unexpected(const struct tally_conf_key *k, const char *text)
{
    char expected[TALLY_CONF_EXPECTED_SIZE];

    tally_conf_expected(k, expected);
    return TALLY_FAIL(TALLY_E_CONFIG, "expected %s, not \"%.60s\"", expected, text);
}

static bool printable(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    }
    return true;
}

static enum tally_status store_int(const struct tally_conf_key *k, const char *text, void *to)
{
    char *end = NULL;

    errno = 0;
    long long v = strtoll(text, &end, 10);
    bool digits = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    if (!digits || *end != '\0' || errno != 0 || v < k->min || v > k->max)
        return unexpected(k, text);
    int64_t stored = v;
    memcpy(to, &stored, sizeof stored);
    return TALLY_OK;
}

static enum tally_status store_path(const struct tally_conf_key *k, const char *folder,
                                    const char *text, char *to)
{
    bool relative = *text != '\0' && *text != '/';
    int n = snprintf(to, TALLY_CONF_PATH_SIZE, "%s%s%s", relative ? folder : "",
                     relative && *folder != '\0' ? "/" : "", text);

    if (n < 0 || n >= TALLY_CONF_PATH_SIZE) return unexpected(k, text);
    return TALLY_OK;
}

static bool among(const char *text, const char *const *choices)
{
    size_t i = 0;

    while (choices[i] != NULL && strcmp(choices[i], text) != 0) i++;
    return choices[i] != NULL;
}

static enum tally_status store_text(const struct tally_conf_key *k, const char *text, char *to)
{
    if (strlen(text) >= TALLY_CONF_TEXT_SIZE) return unexpected(k, text);
    memcpy(to, text, strlen(text) + 1);
    return TALLY_OK;
}

enum tally_status tally_conf_store(const struct tally_conf_key *k, const char *folder,
                                   const char *text, bool plain, void *values)
{
    char *to = (char *)values + k->at;
    bool may_be_empty = k->fallback != NULL && *k->fallback == '\0';

    if (!printable(text)) return unexpected(k, "(control characters)");
    /* What YAML calls null is no text; who means the word quotes it. */
    if (plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0)) return unexpected(k, text);
    if (*text == '\0' && !may_be_empty) return unexpected(k, text);
    switch (k->type) {
    case TALLY_CONF_INT: return plain ? store_int(k, text, to) : unexpected(k, text);
    case TALLY_CONF_BOOL:
        if (!plain || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
            return unexpected(k, text);
        *(bool *)(void *)to = *text == 't';
        return TALLY_OK;
    case TALLY_CONF_PATH: return store_path(k, folder, text, to);
    case TALLY_CONF_CHOICE:
        return among(text, k->choices) ? store_text(k, text, to) : unexpected(k, text);
    case TALLY_CONF_NAME:
        return tally_name_ok(tally_slice_str(text)) ? store_text(k, text, to) : unexpected(k, text);
    case TALLY_CONF_LIST: {
        struct tally_conf_list *list = (void *)to;
        if (list->n == TALLY_CONF_LIST_MAX || list->n == k->max) return unexpected(k, text);
        return store_text(k, text, list->items[list->n++]);
    }
    case TALLY_CONF_STRING: return store_text(k, text, to);
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "expected another type");
}

void tally_conf_defaults(const struct tally_conf_table *t, void *values)
{
    memset(values, 0, t->values_bytes);
    for (size_t i = 0; i < t->keys_n; i++) {
        const struct tally_conf_key *k = &t->keys[i];
        if (k->type == TALLY_CONF_LIST || k->fallback == NULL) continue;
        TALLY_ASSERT(tally_conf_store(k, "", k->fallback, true, values) == TALLY_OK);
    }
}

/* Double quotes; printable() left nothing else to escape. */
static void print_quoted(FILE *f, const char *s)
{
    (void)fputc('"', f);
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') (void)fputc('\\', f);
        (void)fputc(*s, f);
    }
    (void)fputc('"', f);
}

static void print_text(FILE *f, const char *s)
{
    static const char simple[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    bool plain =
        *s != '\0' && *s != '-' && strspn(s, simple) == strlen(s) && strcmp(s, "null") != 0;

    if (plain)
        (void)fputs(s, f);
    else
        print_quoted(f, s);
}

static void print_value(FILE *f, const struct tally_conf_key *k, const void *values)
{
    const char *at = (const char *)values + k->at;

    if (k->type == TALLY_CONF_INT) {
        int64_t v = 0;
        memcpy(&v, at, sizeof v);
        (void)fprintf(f, "%lld", (long long)v);
    } else if (k->type == TALLY_CONF_BOOL) {
        (void)fputs(*(const bool *)(const void *)at ? "true" : "false", f);
    } else if (k->type == TALLY_CONF_LIST) {
        const struct tally_conf_list *list = (const void *)at;
        (void)fputc('[', f);
        for (uint32_t i = 0; i < list->n; i++) {
            if (i > 0) (void)fputs(", ", f);
            print_quoted(f, list->items[i]);
        }
        (void)fputc(']', f);
    } else {
        print_text(f, at);
    }
}

static void print_key(FILE *f, const struct tally_conf_key *k, char *map, const void *values)
{
    char expected[TALLY_CONF_EXPECTED_SIZE];
    const char *dot = strchr(k->key, '.');
    size_t prefix = dot != NULL ? (size_t)(dot - k->key) : 0;

    (void)fputc('\n', f);
    if (dot != NULL && (strlen(map) != prefix || strncmp(map, k->key, prefix) != 0)) {
        (void)snprintf(map, TALLY_CONF_TEXT_SIZE, "%.*s", (int)prefix, k->key);
        (void)fprintf(f, "%s:\n", map);
    }
    const char *indent = dot != NULL ? "  " : "";
    tally_conf_expected(k, expected);
    (void)fprintf(f, "%s# %s\n%s# Expected: %s", indent, k->comment, indent, expected);
    if (k->fallback != NULL && *k->fallback != '\0') (void)fprintf(f, ". Default: %s", k->fallback);
    (void)fprintf(f, ".\n%s%s: ", indent, dot != NULL ? dot + 1 : k->key);
    print_value(f, k, values);
    (void)fputc('\n', f);
}

enum tally_status tally_conf_text(const struct tally_conf_table *t, const void *values, char **text)
{
    char *buf = NULL, map[TALLY_CONF_TEXT_SIZE] = "";
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "no memory for a configuration");
    (void)fprintf(f, "# %s\n", t->about);
    for (size_t i = 0; i < t->keys_n; i++) print_key(f, &t->keys[i], map, values);
    if (fclose(f) != 0) {
        free(buf);
        return TALLY_FAIL(TALLY_E_NOMEM, "no memory for a configuration");
    }
    *text = buf;
    return TALLY_OK;
}
