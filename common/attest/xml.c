/* xml.c - see xml.h. */
#include "common/attest/xml.h"

#include <string.h>

#define XML_URI   "http://www.w3.org/XML/1998/namespace"
#define XMLNS_URI "http://www.w3.org/2000/xmlns/"

/* Most names differ in length or in their first byte. */
static inline bool same(struct tally_slice a, struct tally_slice b)
{
    if (a.len != b.len) return false;
    return a.len == 0 || (a.at[0] == b.at[0] && memcmp(a.at, b.at, a.len) == 0);
}

static bool is(struct tally_slice s, const char *word)
{
    return same(s, tally_slice_of(word, strlen(word)));
}

static enum tally_status refuse(const struct tally_xml *x, const char *what)
{
    return TALLY_REFUSE(TALLY_R_E_RIM_FORMAT, "XML at byte %zu: %s", x->offset, what);
}

/* The cursor: the only code that moves. peek gives -1 at the end. */
static int peek(const struct tally_xml *x)
{
    return x->rest.len > 0 ? x->rest.at[0] : -1;
}

static struct tally_slice take(struct tally_xml *x, size_t n)
{
    TALLY_ASSERT(n <= x->rest.len);
    struct tally_slice s = tally_slice_of(x->rest.at, n);
    x->rest = tally_slice_of(x->rest.at + n, x->rest.len - n);
    x->offset += n;
    return s;
}

static bool skip(struct tally_xml *x, char c)
{
    if (peek(x) != c) return false;
    (void)take(x, 1);
    return true;
}

void tally_xml_init(struct tally_xml *x, struct tally_slice document)
{
    static const uint8_t nothing; /* NULL + 0 is undefined */

    *x = (struct tally_xml){.rest = document};
    if (document.len == 0) x->rest.at = &nothing;
}

static bool starts_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool in_name(uint8_t c)
{
    return starts_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* A name with at most one colon, not at an end of it. */
static enum tally_status read_name(struct tally_xml *x, struct tally_xml_name *name)
{
    const uint8_t *p = x->rest.at;
    size_t n = 0, colon = 0;

    for (bool first = true; n < x->rest.len; n++) {
        if (p[n] == ':' && colon == 0 && !first) {
            colon = n;
            first = true;
            continue;
        }
        if (!(first ? starts_name(p[n]) : in_name(p[n]))) break;
        first = false;
    }
    if (n == 0 || n > TALLY_XML_NAME_MAX || (colon != 0 && colon == n - 1))
        return refuse(x, "no name, or one too long");
    *name = (struct tally_xml_name){.written = take(x, n)};
    name->prefix = tally_slice_of(p, colon);
    name->local = colon != 0 ? tally_slice_of(p + colon + 1, n - colon - 1) : name->written;
    return TALLY_OK;
}

static enum tally_status read_value(struct tally_xml *x, struct tally_slice *value)
{
    size_t n = 0;

    if (!skip(x, '=') || !skip(x, '"')) return refuse(x, "an attribute without =\"");
    while (n < x->rest.len && x->rest.at[n] != '"') {
        uint8_t c = x->rest.at[n];
        if (c < 0x20 || c > 0x7e || c == '<' || c == '>' || c == '&')
            return refuse(x, "a character that no value may have");
        n++;
    }
    if (n > TALLY_XML_VALUE_MAX) return refuse(x, "a value too long");
    *value = take(x, n);
    if (!skip(x, '"')) return refuse(x, "a value without an end");
    return TALLY_OK;
}

static enum tally_status declare(struct tally_xml *x, struct tally_slice prefix,
                                 struct tally_slice uri)
{
    if (uri.len == 0 || is(uri, XML_URI) || is(uri, XMLNS_URI) || is(prefix, "xml") ||
        is(prefix, "xmlns"))
        return refuse(x, "a reserved or empty namespace");
    for (uint32_t i = 0; i < x->scope_n; i++) {
        if (same(x->scope[i].prefix, prefix)) return refuse(x, "a prefix is declared again");
    }
    if (x->scope_n == TALLY_XML_NAMESPACES_MAX) return refuse(x, "too many namespaces");
    x->scope[x->scope_n++] = (struct tally_xml_namespace){prefix, uri};
    x->declared_n++;
    return TALLY_OK;
}

static enum tally_status read_attr(struct tally_xml *x)
{
    struct tally_xml_attr a;

    TALLY_TRY(read_name(x, &a.name));
    TALLY_TRY(read_value(x, &a.value));
    if (is(a.name.written, "xmlns")) return declare(x, a.name.prefix, a.value);
    if (is(a.name.prefix, "xmlns")) return declare(x, a.name.local, a.value);
    if (x->attrs_n == TALLY_XML_ATTRS_MAX) return refuse(x, "too many attributes");
    x->attrs[x->attrs_n++] = a;
    return TALLY_OK;
}

/* The default namespace is for elements alone. */
static enum tally_status resolve(const struct tally_xml *x, struct tally_xml_name *name,
                                 bool element)
{
    if (name->prefix.len == 0 && !element) return TALLY_OK;
    for (uint32_t i = 0; i < x->scope_n; i++) {
        if (!same(x->scope[i].prefix, name->prefix)) continue;
        name->uri = x->scope[i].uri;
        return TALLY_OK;
    }
    return name->prefix.len == 0 ? TALLY_OK : refuse(x, "a prefix without a namespace");
}

static enum tally_status resolve_all(struct tally_xml *x)
{
    TALLY_TRY(resolve(x, &x->name, true));
    for (uint32_t i = 0; i < x->attrs_n; i++) {
        struct tally_xml_name *a = &x->attrs[i].name;
        TALLY_TRY(resolve(x, a, false));
        for (uint32_t k = 0; k < i; k++) {
            const struct tally_xml_name *b = &x->attrs[k].name;
            if (same(a->local, b->local) && same(a->uri, b->uri))
                return refuse(x, "an attribute stands twice");
        }
    }
    return TALLY_OK;
}

/* After "<". */
static enum tally_status read_open(struct tally_xml *x)
{
    if (x->depth == TALLY_XML_DEPTH_MAX) return refuse(x, "nested too deeply");
    if (x->elements++ == TALLY_XML_ELEMENTS_MAX) return refuse(x, "too many elements");
    x->attrs_n = 0;
    x->declared_n = 0;
    TALLY_TRY(read_name(x, &x->name));
    while (skip(x, ' ')) TALLY_TRY(read_attr(x));
    x->empty = skip(x, '/');
    if (!skip(x, '>')) return refuse(x, "a tag that does not end");
    TALLY_TRY(resolve_all(x));
    x->open[x->depth].written = x->name.written;
    x->open[x->depth].declared_n = x->declared_n;
    x->depth++;
    x->kind = TALLY_XML_OPEN;
    return TALLY_OK;
}

/* The scope shrinks with the next event, so that whoever sees CLOSE sees the element's own. */
static void close_element(struct tally_xml *x)
{
    x->name = (struct tally_xml_name){.written = x->open[x->depth - 1].written};
    x->attrs_n = 0;
    x->empty = false;
    x->closing = true;
    x->kind = TALLY_XML_CLOSE;
}

/* After "</". */
static enum tally_status read_close(struct tally_xml *x)
{
    struct tally_xml_name name;

    TALLY_TRY(read_name(x, &name));
    if (!skip(x, '>')) return refuse(x, "a tag that does not end");
    if (x->depth == 0 || !same(name.written, x->open[x->depth - 1].written))
        return refuse(x, "a tag that closes nothing");
    close_element(x);
    return TALLY_OK;
}

static enum tally_status read_text(struct tally_xml *x)
{
    size_t n = 0;

    while (n < x->rest.len && x->rest.at[n] != '<') {
        uint8_t c = x->rest.at[n];
        if ((c < 0x20 && c != '\n') || c > 0x7e || c == '>' || c == '&') {
            (void)take(x, n);
            return refuse(x, "a character that no text may have");
        }
        n++;
    }
    x->text = take(x, n);
    x->kind = TALLY_XML_TEXT;
    return TALLY_OK;
}

static enum tally_status read_end(struct tally_xml *x)
{
    while (skip(x, '\n')) continue;
    if (x->rest.len > 0) return refuse(x, "something after the root element");
    x->kind = TALLY_XML_END;
    return TALLY_OK;
}

enum tally_status tally_xml_next(struct tally_xml *x)
{
    if (x->empty) {
        close_element(x);
        return TALLY_OK;
    }
    if (x->closing) {
        x->scope_n -= x->open[--x->depth].declared_n;
        x->closing = false;
    }
    x->declared_n = 0;
    if (x->depth == 0 && x->elements > 0) return read_end(x);
    if (peek(x) != '<') {
        if (x->depth == 0 || x->rest.len == 0)
            return refuse(x, x->depth == 0 ? "no root element" : "the document ends early");
        return read_text(x);
    }
    (void)take(x, 1);
    return skip(x, '/') ? read_close(x) : read_open(x);
}

bool tally_xml_is(const struct tally_xml *x, const char *uri, const char *local)
{
    return is(x->name.local, local) && is(x->name.uri, uri);
}

struct tally_slice tally_xml_value(const struct tally_xml *x, const char *uri, const char *local)
{
    struct tally_slice in = tally_slice_of(uri, strlen(uri));
    struct tally_slice name = tally_slice_of(local, strlen(local));

    for (uint32_t i = 0; i < x->attrs_n; i++) {
        const struct tally_xml_attr *a = &x->attrs[i];
        if (same(a->name.local, name) && same(a->name.uri, in)) return a->value;
    }
    return (struct tally_slice){0};
}
