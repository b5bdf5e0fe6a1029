/* snp_vek.h - what AMD's VCEK and VLEK certificates say about the chip (ATTESTATION.md C1.2).
 *
 * The extensions under 1.3.6.1.4.1.3704.1 are exactly those of the product: none missing, none
 * extra. Nothing here is true before the chain verified. */
#pragma once

#include "common/attest/snp_report.h"
#include "common/cert.h"

struct tally_snp_vek {
    enum tally_snp_product product; /* of the issuer's name, and productName agrees */
    bool vlek;
    struct tally_snp_tcb tcb;              /* assembled in the product's layout */
    uint8_t hwid[TALLY_SNP_CHIP_ID_BYTES]; /* zero-padded like CHIP_ID; zeros in a VLEK */
    char csp[64];                          /* cspID of a VLEK, the rest zeros; "" in a VCEK */
};

/* Subject SEV-VCEK issued by SEV-<Product>, or SEV-VLEK by SEV-VLEK-<Product>; a P-384 key.
 * E_CERT_SHAPE, E_PRODUCT, E_CERT_TYPE (the other kind's issuer), E_KEY, E_CERT_EXT_MISSING
 * (absent, or not of this product), E_CERT_NONCANONICAL and E_CERT_PARSE for their values. */
TALLY_RESULT tally_snp_vek_decode(const struct tally_cert *c, struct tally_snp_vek *out);
