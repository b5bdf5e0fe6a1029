/* rim_parts.h - between the steps of verifying a manifest; for rim*.c alone. */
#pragma once

#include "common/attest/rim.h"
#include "common/cert.h"

enum {
    TALLY_RIM_CERT_BYTES_MAX = 2048,  /* real ones: 520 to 750 */
    TALLY_RIM_SIGNED_INFO_MAX = 2048, /* canonical; real ones: 1185 */
    TALLY_RIM_SIGNATURE_BYTES = 96,   /* r || s */
};

/* What one pass over the bytes gives. */
struct tally_rim_file {
    struct tally_rim *claimed;                    /* the caller's, all zero */
    uint8_t digest[TALLY_RIM_HASH_BYTES];         /* of the document without its Signature */
    uint8_t claimed_digest[TALLY_RIM_HASH_BYTES]; /* DigestValue */
    uint8_t signed_info[TALLY_RIM_SIGNED_INFO_MAX];
    size_t signed_info_bytes;
    uint8_t signature[TALLY_RIM_SIGNATURE_BYTES];
    uint8_t der[TALLY_RIM_CERTS][TALLY_RIM_CERT_BYTES_MAX];
    size_t der_bytes[TALLY_RIM_CERTS];
    uint32_t certs_n; /* may be more than are kept: the chain's check refuses that */
};
TALLY_RESULT tally_rim_parse(struct tally_slice xml, struct tally_rim_file *f);

/* The verified chain; key first, root last. */
struct tally_rim_chain {
    struct tally_cert certs[TALLY_RIM_CERTS];
    enum tally_trust_class trust;
};
void tally_rim_chain_free(struct tally_rim_chain *c);
/* The anchor that these bytes are; E_ROOT_UNTRUSTED. */
TALLY_RESULT tally_rim_root(struct tally_slice der, const struct tally_anchor *anchors,
                            uint32_t anchors_n, enum tally_trust_class *trust);
TALLY_RESULT tally_rim_chain_verify(const struct tally_rim_file *f,
                                    const struct tally_anchor *anchors, uint32_t anchors_n,
                                    struct tally_rim_chain *c);
/* E_RIM_SIG. */
TALLY_RESULT tally_rim_signature_verify(const struct tally_rim_file *f,
                                        const struct tally_cert *leaf);
