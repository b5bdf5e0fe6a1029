/* fuzz_tdx_quote.c - what decodes encodes to the same bytes; chains, certificates and CRLs. */
#include <string.h>

#include "common/attest/tdx_chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_chain(struct tally_slice pem)
{
    struct tally_tdx_chain *chain = NULL;

    if (tally_tdx_chain_read(pem, &chain) == TALLY_OK)
        TALLY_ASSERT(tally_cert_der(&chain->certs[TALLY_TDX_LEAF]).len > 0);
    tally_tdx_chain_free(chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static uint8_t again[TALLY_TDX_QUOTE_BYTES_MAX];
    struct tally_slice in = tally_slice_of(p, n);
    struct tally_tdx_quote q;
    struct tally_cert c;
    struct tally_tdx_pck pck;

    if (tally_tdx_quote_decode(in, &q) == TALLY_OK) {
        struct tally_wr w = tally_wr_to(again, sizeof again);
        tally_tdx_quote_encode(&q, &w);
        TALLY_ASSERT(!w.full && w.used + q.padding.len == n && memcmp(again, p, w.used) == 0);
        read_chain(q.pck_pem);
    }
    if (n > 0 && p[0] == '-') read_chain(in);
    if (tally_cert_parse(in, &c) == TALLY_OK) {
        enum tally_status s = tally_tdx_pck_decode(&c, &pck);
        (void)s;
    }
    tally_cert_free(&c);
    return 0;
}
