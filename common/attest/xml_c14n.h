/* xml_c14n.h - Canonical XML 1.1 (W3C, xml-c14n11, without comments) of the subset in xml.h, event
 * by event, into a hasher or a caller's buffer: declarations of namespaces sorted by prefix, then
 * attributes by namespace and local name, empty elements as a pair of tags. What is to be left out,
 * such as an enveloped signature, is simply not passed on. */
#pragma once

#include "common/attest/xml.h"
#include "common/hash.h"

struct tally_c14n {
    struct tally_hasher *hasher; /* one of the two is set */
    struct tally_wr *wr;
    uint8_t held[1024]; /* for the hasher: it is slow on small pieces */
    size_t held_n;
};

void tally_c14n_to_hasher(struct tally_c14n *c, struct tally_hasher *hasher);
/* A buffer too small is the writer's own sticky failure. */
void tally_c14n_to_buffer(struct tally_c14n *c, struct tally_wr *wr);

/* The current event of x. apex: this OPEN is the top of a part of the document, and so gets the
 * namespaces that it inherits as well (section 2.4 of the specification). */
void tally_c14n_event(struct tally_c14n *c, const struct tally_xml *x, bool apex);
/* Once, before the hasher ends. */
void tally_c14n_flush(struct tally_c14n *c);
