/* fuzz_cert.c - certificates, CRLs and what AMD writes into them. */
#include "common/attest/snp_vek.h"
#include "common/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct tally_cert c;
    struct tally_crl crl;
    struct tally_snp_vek vek;

    if (tally_cert_parse(tally_slice_of(p, n), &c) == TALLY_OK) {
        enum tally_status s = tally_snp_vek_decode(&c, &vek);
        (void)s;
        tally_cert_free(&c);
    }
    if (tally_crl_parse(tally_slice_of(p, n), &crl) == TALLY_OK) tally_crl_free(&crl);
    return 0;
}
