/* xml_c14n.c - see xml_c14n.h. */
#include "common/attest/xml_c14n.h"

#include <string.h>

void tally_c14n_to_hasher(struct tally_c14n *c, struct tally_hasher *hasher)
{
    c->hasher = hasher;
    c->wr = NULL;
    c->held_n = 0;
}

void tally_c14n_to_buffer(struct tally_c14n *c, struct tally_wr *wr)
{
    c->hasher = NULL;
    c->wr = wr;
    c->held_n = 0;
}

void tally_c14n_flush(struct tally_c14n *c)
{
    if (c->hasher != NULL && c->held_n > 0)
        tally_hasher_add(c->hasher, tally_slice_of(c->held, c->held_n));
    c->held_n = 0;
}

static void put(struct tally_c14n *c, struct tally_slice s)
{
    if (c->wr != NULL) {
        tally_wr_bytes(c->wr, s);
        return;
    }
    if (s.len > sizeof c->held - c->held_n) tally_c14n_flush(c);
    if (s.len > sizeof c->held) {
        tally_hasher_add(c->hasher, s);
        return;
    }
    if (s.len > 0) memcpy(c->held + c->held_n, s.at, s.len);
    c->held_n += s.len;
}

#define PUT_WORD(c, word) put((c), tally_slice_of((word), sizeof(word) - 1))

/* By code points, which are bytes here; a prefix of a text comes before it. */
static int order(struct tally_slice a, struct tally_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int by_bytes = n > 0 ? memcmp(a.at, b.at, n) : 0;

    return by_bytes != 0 ? by_bytes : (a.len > b.len) - (a.len < b.len);
}

static int order_attrs(const struct tally_xml_attr *a, const struct tally_xml_attr *b)
{
    int by_uri = order(a->name.uri, b->name.uri);

    return by_uri != 0 ? by_uri : order(a->name.local, b->name.local);
}

static void put_namespaces(struct tally_c14n *c, const struct tally_xml *x, uint32_t n)
{
    const struct tally_xml_namespace *sorted[TALLY_XML_NAMESPACES_MAX];
    const struct tally_xml_namespace *from = &x->scope[x->scope_n - n];

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i;
        for (; at > 0 && order(from[i].prefix, sorted[at - 1]->prefix) < 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &from[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        if (sorted[i]->prefix.len > 0)
            PUT_WORD(c, " xmlns:");
        else
            PUT_WORD(c, " xmlns");
        put(c, sorted[i]->prefix);
        PUT_WORD(c, "=\"");
        put(c, sorted[i]->uri);
        PUT_WORD(c, "\"");
    }
}

static void put_attrs(struct tally_c14n *c, const struct tally_xml *x)
{
    const struct tally_xml_attr *sorted[TALLY_XML_ATTRS_MAX];

    for (uint32_t i = 0; i < x->attrs_n; i++) {
        uint32_t at = i;
        for (; at > 0 && order_attrs(&x->attrs[i], sorted[at - 1]) < 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &x->attrs[i];
    }
    for (uint32_t i = 0; i < x->attrs_n; i++) {
        PUT_WORD(c, " ");
        put(c, sorted[i]->name.written);
        PUT_WORD(c, "=\"");
        put(c, sorted[i]->value);
        PUT_WORD(c, "\"");
    }
}

void tally_c14n_event(struct tally_c14n *c, const struct tally_xml *x, bool apex)
{
    switch (x->kind) {
    case TALLY_XML_OPEN:
        PUT_WORD(c, "<");
        put(c, x->name.written);
        put_namespaces(c, x, apex ? x->scope_n : x->declared_n);
        put_attrs(c, x);
        PUT_WORD(c, ">");
        break;
    case TALLY_XML_CLOSE:
        PUT_WORD(c, "</");
        put(c, x->name.written);
        PUT_WORD(c, ">");
        break;
    case TALLY_XML_TEXT: put(c, x->text); break;
    case TALLY_XML_END: break;
    }
}
