/* tdx_collateral.h - what Intel says of its platforms, as files (ATTESTATION.md C2.2): TCB info,
 * QE identity, the chain that signs both, and two revocation lists.
 *
 * The signature of TCB info and QE identity is over the exact bytes of the inner object, so those
 * bytes are found in the response without decoding it, verified, and only then read. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_TDX_JSON_BYTES_MAX = 256 * 1024,
    TALLY_TDX_PEM_BYTES_MAX = 16 * 1024,
    TALLY_TDX_SIG_HEX = 128, /* r || s in hex, either case */
};

/* Slices borrow the files' bytes; at == NULL: not given. */
struct tally_tdx_collateral {
    struct tally_slice tcb_info, tcb_info_sig;       /* the inner object; 128 hex characters */
    struct tally_slice qe_identity, qe_identity_sig; /* likewise */
    struct tally_slice tcb_sign_chain;               /* PEM: TCB signing, root */
    struct tally_slice root_crl, pck_crl;            /* DER */
};

/* Takes one file by its name, and files of no known name with TALLY_OK. Names (a path in front is
 * no matter): tcb_info_response.json, qe_identity_response.json (two keys: the object and its
 * signature), tcb_info.json with tcb_info.sig.hex, qe_identity.json with qe_identity.sig.hex (one
 * newline may end them), tcb_sign_chain.pem, root_ca_crl.der, pck_crl.der. A part that came before
 * must have the same bytes. E_OVERSIZE, E_FORMAT. */
TALLY_RESULT tally_tdx_collateral_put(struct tally_tdx_collateral *c, struct tally_slice name,
                                      struct tally_slice bytes);
