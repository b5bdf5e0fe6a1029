/* fuzz_rim.c - XML and manifests: what is taken has one canonical form, which is its own, and says
 * nothing outside its bounds; comparing with it holds. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/rim.h"
#include "common/attest/verdict.h"
#include "common/attest/xml_c14n.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Two bytes of source give at most seven of canonical form: "/>" of an empty element's name. */
enum { ROOM = 4 * TALLY_RIM_BYTES_MAX };
static uint8_t once[ROOM], twice[ROOM];

static bool canonical(struct tally_slice in, uint8_t *to, struct tally_slice *out)
{
    static struct tally_xml x;
    static struct tally_c14n c;
    struct tally_wr w = tally_wr_to(to, ROOM);

    tally_xml_init(&x, in);
    tally_c14n_to_buffer(&c, &w);
    do {
        if (tally_xml_next(&x) != TALLY_OK) return false;
        TALLY_ASSERT(x.depth <= TALLY_XML_DEPTH_MAX && x.attrs_n <= TALLY_XML_ATTRS_MAX &&
                     x.scope_n <= TALLY_XML_NAMESPACES_MAX);
        tally_c14n_event(&c, &x, false);
    } while (x.kind != TALLY_XML_END);
    return tally_wr_end(&w, out) == TALLY_OK;
}

static void check_rim(const struct tally_rim *r)
{
    static const uint8_t digests[TALLY_RIM_MEASUREMENTS][TALLY_RIM_HASH_BYTES];
    static struct tally_verdict v;
    const struct tally_rim_report report = {
        .digests = digests, .n = TALLY_RIM_MEASUREMENTS, .product = tally_slice_str(r->product)};

    TALLY_ASSERT(r->kind == TALLY_RIM_DRIVER || r->kind == TALLY_RIM_VBIOS);
    TALLY_ASSERT(memchr(r->version, 0, sizeof r->version) != NULL);
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        const struct tally_rim_measurement *m = &r->measurements[i];
        TALLY_ASSERT(m->alternatives <= TALLY_RIM_ALTERNATIVES_MAX);
        TALLY_ASSERT(m->present == (m->alternatives > 0) && (m->present || !m->active));
    }
    tally_verdict_init(&v);
    tally_rim_compare(r, r, &report, &v);
    TALLY_ASSERT(v.failed_n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct tally_rim r;
    const struct tally_expect e = {.now_s = 1750000000};
    struct tally_slice in = tally_slice_of(p, n), a, b;

    if (n <= TALLY_RIM_BYTES_MAX && canonical(in, once, &a)) {
        TALLY_ASSERT(canonical(a, twice, &b));
        TALLY_ASSERT(tally_slice_equal(a, b));
    }
    if (tally_rim_read(in, &r) == TALLY_OK) check_rim(&r);
    TALLY_ASSERT(tally_rim_verify(in, NULL, 0, &e, true, &r) != TALLY_OK);
    return 0;
}
