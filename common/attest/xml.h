/* xml.h - the part of XML that signed manifests are written in, read event by event: elements,
 * attributes, namespaces and text. Everything else is refused with E_RIM_FORMAT where it stands:
 *
 *   bytes        printable ASCII and line feed; no BOM, NUL, tab, carriage return, UTF-8 or -16
 *   markup       no declaration, DOCTYPE, comment, CDATA, processing instruction
 *   text         no '&' and no '>': nothing to expand and nothing to escape
 *   tags         one space before each attribute and none elsewhere; values in double quotes,
 *                without '<', '>', '&' and line feeds
 *   namespaces   a prefix in scope, and the default, is never declared again or undeclared; no
 *                "xml:" and nothing that touches the reserved prefixes and names; an attribute
 *                stands once, by its written name and by namespace and local name
 *   document     begins with the root element; after it nothing but line feeds
 *
 * So a canonical form (xml_c14n.h) differs from the source in the order of attributes and in empty
 * elements alone. Bounded by the enum below, without heap and recursion. Everything that is given
 * out borrows from the input. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_XML_DEPTH_MAX = 8,
    TALLY_XML_ELEMENTS_MAX = 512,
    TALLY_XML_ATTRS_MAX = 32,
    TALLY_XML_NAMESPACES_MAX = 16, /* in scope at once */
    TALLY_XML_NAME_MAX = 64,
    TALLY_XML_VALUE_MAX = 256,
};

enum tally_xml_kind { TALLY_XML_OPEN, TALLY_XML_CLOSE, TALLY_XML_TEXT, TALLY_XML_END };

struct tally_xml_name {
    struct tally_slice written; /* "ns0:Payload" */
    struct tally_slice prefix;  /* "ns0"; len 0: none */
    struct tally_slice local;   /* "Payload" */
    struct tally_slice uri;     /* its namespace; len 0: none */
};

struct tally_xml_attr {
    struct tally_xml_name name;
    struct tally_slice value;
};

struct tally_xml_namespace {
    struct tally_slice prefix; /* len 0: the default */
    struct tally_slice uri;
};

struct tally_xml {
    /* The current event; name, attrs and declared belong to OPEN, name.written to CLOSE as well. */
    enum tally_xml_kind kind;
    struct tally_xml_name name;
    struct tally_slice text; /* of TEXT: never empty, never followed by another */
    struct tally_xml_attr attrs[TALLY_XML_ATTRS_MAX]; /* without declarations of namespaces */
    uint32_t attrs_n;
    struct tally_xml_namespace scope[TALLY_XML_NAMESPACES_MAX]; /* outermost first */
    uint32_t scope_n, declared_n; /* the last declared_n of scope are this element's own */

    struct tally_slice rest; /* the reader's own from here on */
    size_t offset;
    uint32_t depth, elements;
    struct {
        struct tally_slice written;
        uint32_t declared_n;
    } open[TALLY_XML_DEPTH_MAX];
    bool closing, empty;
};

void tally_xml_init(struct tally_xml *x, struct tally_slice document);

/* The next event. After the root's CLOSE comes END, and then END again. */
TALLY_RESULT tally_xml_next(struct tally_xml *x);

/* Of an OPEN: is it this element? uri "" means no namespace. */
bool tally_xml_is(const struct tally_xml *x, const char *uri, const char *local);
/* The value of an attribute of an OPEN; at == NULL where there is none. */
struct tally_slice tally_xml_value(const struct tally_xml *x, const char *uri, const char *local);
