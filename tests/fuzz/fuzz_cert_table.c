/* fuzz_cert_table.c - a host's certificate table, and the certificates in it. */
#include "common/attest/snp_certs.h"
#include "common/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void look(struct tally_slice in, struct tally_slice table)
{
    uint8_t out[TALLY_CERT_BYTES_MAX];
    struct tally_slice der;
    struct tally_cert c;

    if (in.at == NULL) return;
    TALLY_ASSERT(in.at >= table.at && in.at + in.len <= table.at + table.len);
    if (tally_snp_table_der(in, out, sizeof out, &der) != TALLY_OK) return;
    if (tally_cert_parse(der, &c) == TALLY_OK) tally_cert_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct tally_slice in = tally_slice_of(p, n);
    struct tally_snp_table t;

    if (tally_snp_table_decode(in, &t) != TALLY_OK) return 0;
    look(t.vcek, in);
    look(t.vlek, in);
    look(t.issuer, in);
    look(t.ark, in);
    return 0;
}
