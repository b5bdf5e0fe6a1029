/* tdx_json.c - see tdx_json.h. */
#include "common/attest/tdx_json.h"

#include <string.h>

#include "common/text.h"

struct tally_tdx_json tally_tdx_json_from(struct tally_slice text)
{
    return (struct tally_tdx_json){.r = tally_rd_from(text)};
}

void tally_tdx_json_fail(struct tally_tdx_json *j, const char *what)
{
    tally_rd_fail(&j->r, what);
}

/* The next byte, zero at the end and after a failure. */
static uint8_t peek(const struct tally_tdx_json *j)
{
    return j->r.bad == NULL && j->r.left > 0 ? j->r.at[0] : 0;
}

/* Passes the byte that peek gave: there is one. */
static void pass(struct tally_tdx_json *j)
{
    j->r.at++;
    j->r.left--;
}

static void space(struct tally_tdx_json *j)
{
    for (uint8_t c = peek(j); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = peek(j)) pass(j);
}

/* Takes c, after white space, if it is there. */
static bool take(struct tally_tdx_json *j, char c)
{
    space(j);
    if (peek(j) != (uint8_t)c) return false;
    pass(j);
    return true;
}

static void need(struct tally_tdx_json *j, char c, const char *what)
{
    if (!take(j, c)) tally_tdx_json_fail(j, what);
}

enum tally_status tally_tdx_json_end(struct tally_tdx_json *j, const char *what)
{
    space(j);
    TALLY_REFUSE_UNLESS(j->r.bad == NULL && j->r.left == 0, TALLY_R_E_FORMAT,
                        "%s is not as Intel writes it: %s", what,
                        j->r.bad == NULL ? "more follows" : j->r.bad);
    return TALLY_OK;
}

static void down(struct tally_tdx_json *j)
{
    if (++j->depth > TALLY_TDX_JSON_DEPTH_MAX) tally_tdx_json_fail(j, "too many levels");
}

void tally_tdx_json_open(struct tally_tdx_json *j, struct tally_tdx_json_object *o)
{
    down(j);
    need(j, '{', "an object");
    o->n = 0;
}

bool tally_tdx_json_next(struct tally_tdx_json *j, struct tally_tdx_json_object *o,
                         struct tally_slice *key)
{
    if (j->r.bad != NULL) return false;
    if (take(j, '}')) {
        j->depth--;
        return false;
    }
    if (o->n > 0) need(j, ',', "a comma");
    space(j);
    *key = tally_tdx_json_text(j);
    need(j, ':', "a colon");
    for (unsigned i = 0; i < o->n; i++) {
        if (tally_slice_equal(o->keys[i], *key)) tally_tdx_json_fail(j, "a key that stands twice");
    }
    if (o->n == TALLY_TDX_JSON_KEYS_MAX) tally_tdx_json_fail(j, "too many keys");
    if (j->r.bad != NULL) return false;
    o->keys[o->n++] = *key;
    return true;
}

bool tally_tdx_json_is(struct tally_slice key, const char *name)
{
    return tally_slice_equal(key, tally_slice_str(name));
}

void tally_tdx_json_list(struct tally_tdx_json *j)
{
    down(j);
    need(j, '[', "a list");
}

bool tally_tdx_json_item(struct tally_tdx_json *j, unsigned *n)
{
    if (j->r.bad != NULL) return false;
    if (take(j, ']')) {
        j->depth--;
        return false;
    }
    if (*n > 0) need(j, ',', "a comma");
    (*n)++;
    return j->r.bad == NULL;
}

struct tally_slice tally_tdx_json_text(struct tally_tdx_json *j)
{
    size_t n = 0;

    need(j, '"', "text");
    if (j->r.bad != NULL) return (struct tally_slice){0};
    const uint8_t *p = j->r.at;
    while (n < j->r.left && p[n] >= 0x20 && p[n] < 0x7f && p[n] != '"' && p[n] != '\\') n++;
    struct tally_slice text = tally_rd_bytes(&j->r, n, "text");
    if (peek(j) != '"') {
        tally_tdx_json_fail(j, "plain text");
        return (struct tally_slice){0};
    }
    pass(j);
    return text;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

uint32_t tally_tdx_json_uint(struct tally_tdx_json *j, uint32_t max)
{
    uint64_t n = 0;
    unsigned digits = 0;

    space(j);
    uint8_t first = peek(j);
    for (uint8_t c = first; digit(c) && n <= max; c = peek(j), digits++) {
        n = n * 10 + (uint64_t)(c - '0');
        pass(j);
    }
    uint8_t after = peek(j);
    bool whole = digits > 0 && (first != '0' || digits == 1) && after != '.' && after != 'e' &&
                 after != 'E' && !digit(after);
    if (!whole || n > max) tally_tdx_json_fail(j, "a number that is not too large");
    return n > max ? 0 : (uint32_t)n;
}

void tally_tdx_json_hex(struct tally_tdx_json *j, uint8_t *out, size_t n)
{
    struct tally_slice t = tally_tdx_json_text(j);

    if (!tally_unhex_slice(t, out, n)) tally_tdx_json_fail(j, "hex of that length");
}

/* The number in digits [at, at + n) of a time; fails on anything else. */
static int part(struct tally_tdx_json *j, struct tally_slice t, size_t at, size_t n)
{
    int v = 0;

    for (size_t i = at; i < at + n; i++) {
        if (!digit(t.at[i])) tally_tdx_json_fail(j, "a time");
        v = v * 10 + (t.at[i] - '0');
    }
    return v;
}

uint64_t tally_tdx_json_time(struct tally_tdx_json *j)
{
    static const char form[] = "....-..-..T..:..:..Z";
    struct tally_slice t = tally_tdx_json_text(j);
    uint64_t s = 0;

    if (t.at == NULL || t.len != sizeof form - 1) {
        tally_tdx_json_fail(j, "a time");
        return 0;
    }
    for (size_t i = 0; i < t.len; i++) {
        if (form[i] != '.' && form[i] != (char)t.at[i]) tally_tdx_json_fail(j, "a time");
    }
    if (j->r.bad != NULL) return 0;
    const int parts[6] = {part(j, t, 0, 4),  part(j, t, 5, 2),  part(j, t, 8, 2),
                          part(j, t, 11, 2), part(j, t, 14, 2), part(j, t, 17, 2)};
    if (!tally_time_of(parts, &s)) tally_tdx_json_fail(j, "a time");
    return s;
}

/* The rest of an escape, after its backslash. */
static void skip_escape(struct tally_tdx_json *j)
{
    uint8_t c = tally_rd_u8(&j->r, "an escape"), code[2];

    if (c == 0 || strchr("\"\\/bfnrtu", c) == NULL) tally_tdx_json_fail(j, "an escape");
    if (c == 'u' && !tally_unhex_slice(tally_rd_bytes(&j->r, 4, "an escape"), code, sizeof code))
        tally_tdx_json_fail(j, "an escape");
}

/* Any text, with escapes: it is only passed over. */
static void skip_text(struct tally_tdx_json *j)
{
    need(j, '"', "text");
    for (uint8_t c = peek(j); c != '"'; c = peek(j)) {
        if (c < 0x20) {
            tally_tdx_json_fail(j, "text");
            return;
        }
        pass(j);
        if (c == '\\') skip_escape(j);
    }
    pass(j);
}

static unsigned digits(struct tally_tdx_json *j)
{
    unsigned n = 0;

    for (; digit(peek(j)); n++) pass(j);
    return n;
}

static void skip_number(struct tally_tdx_json *j)
{
    if (peek(j) == '-') pass(j);
    bool zero = peek(j) == '0';
    unsigned n = digits(j);
    if (n == 0 || (zero && n > 1)) tally_tdx_json_fail(j, "a value");
    if (peek(j) == '.') {
        pass(j);
        if (digits(j) == 0) tally_tdx_json_fail(j, "a fraction");
    }
    if (peek(j) != 'e' && peek(j) != 'E') return;
    pass(j);
    if (peek(j) == '+' || peek(j) == '-') pass(j);
    if (digits(j) == 0) tally_tdx_json_fail(j, "an exponent");
}

static void skip_scalar(struct tally_tdx_json *j)
{
    static const char *const words[] = {"true", "false", "null"};

    space(j);
    if (peek(j) == '"') {
        skip_text(j);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (peek(j) != (uint8_t)words[i][0]) continue;
        struct tally_slice w = tally_rd_bytes(&j->r, n, "a word");
        if (w.len != n || memcmp(w.at, words[i], n) != 0) tally_tdx_json_fail(j, "a word");
        return;
    }
    skip_number(j);
}

static void skip_key(struct tally_tdx_json *j)
{
    space(j);
    skip_text(j);
    need(j, ':', "a colon");
}

/* Passes ends of lists and objects, then a comma if the innermost open one goes on; false when none
 * is open any more. `open` has the closing sign of each. */
static bool go_on(struct tally_tdx_json *j, const char *open, unsigned *n)
{
    while (*n > 0 && j->r.bad == NULL) {
        char close = open[*n - 1];
        if (take(j, close)) {
            (*n)--;
            continue;
        }
        need(j, ',', "a comma");
        if (close == '}') skip_key(j);
        return j->r.bad == NULL;
    }
    return false;
}

/* Begins a value; true if that leaves the cursor on the first value inside it. */
static bool opens(struct tally_tdx_json *j, char *open, unsigned *n)
{
    char close = '\0';

    if (take(j, '{'))
        close = '}';
    else if (take(j, '['))
        close = ']';
    if (close == '\0') {
        skip_scalar(j);
        return false;
    }
    if (*n + j->depth >= TALLY_TDX_JSON_DEPTH_MAX) tally_tdx_json_fail(j, "too many levels");
    if (take(j, close) || j->r.bad != NULL) return false;
    open[(*n)++] = close;
    if (close == '}') skip_key(j);
    return j->r.bad == NULL;
}

struct tally_slice tally_tdx_json_skip(struct tally_tdx_json *j)
{
    char open[TALLY_TDX_JSON_DEPTH_MAX];
    unsigned n = 0;

    space(j);
    const uint8_t *from = j->r.at;
    do {
        while (opens(j, open, &n)) {
        }
    } while (go_on(j, open, &n));
    return tally_slice_of(from, (size_t)(j->r.at - from));
}
