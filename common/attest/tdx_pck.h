/* tdx_pck.h - what Intel writes into a PCK certificate about the platform (OID
 * 1.2.840.113741.1.13.1; ATTESTATION.md C2.1). */
#pragma once

#include "common/cert.h"

struct tally_tdx_pck {
    uint8_t ppid[16];
    uint8_t svn[16]; /* the platform's components */
    uint16_t pce_svn;
    uint8_t pce_id[2], fmspc[6];
    uint8_t sgx_type;     /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_instance;    /* of the Platform CA alone, as is the configuration */
    uint8_t instance[16]; /* PlatformInstanceID */
    bool has_configuration, dynamic_platform, cached_keys, smt;
};

/* E_CERT_EXT_MISSING (the extension, or one of its parts), E_CERT_EXT_DUP, E_CERT_PARSE,
 * E_CERT_NONCANONICAL. */
TALLY_RESULT tally_tdx_pck_decode(const struct tally_cert *leaf, struct tally_tdx_pck *out);
