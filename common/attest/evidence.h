/* evidence.h - EV and the list of endorsements as they travel (CHANNEL.md section 2).
 *
 *   EV            kind u8 | LP report | devices u8 | for each: kind u8 | LP report | LP chain
 *   endorsements  items of  kind u8 | LP name | LP bytes,  to the end, at most 64
 *
 * A device's chain is its certificates one after the other, DER, leaf first. Decoded values borrow
 * the bytes they were decoded from. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_EV_MAX = 160 * 1024,           /* EV: CPU report and device reports */
    TALLY_ENDORSEMENTS_MAX = 128 * 1024, /* certificates and CRLs beside it */
    TALLY_ENDORSEMENTS_ITEMS_MAX = 64,
    TALLY_ENDORSEMENT_NAME_MAX = 63,
};

enum tally_evidence_kind { TALLY_EVIDENCE_SNP = 1, TALLY_EVIDENCE_TDX };

enum tally_device_kind { TALLY_DEVICE_GPU = 1, TALLY_DEVICE_NVSWITCH };
enum { TALLY_DEVICES_MAX = 16, TALLY_DEVICE_CHAIN_MAX = 24 * 1024 };
struct tally_device_evidence {
    enum tally_device_kind kind;
    struct tally_slice report, chain;
};

struct tally_evidence {
    enum tally_evidence_kind kind;
    struct tally_slice report;
    struct tally_device_evidence devices[TALLY_DEVICES_MAX];
    uint32_t devices_n;
};

/* E_OVERSIZE, E_FORMAT; E_TEE_TYPE for another kind of TEE or device. */
TALLY_RESULT tally_evidence_decode(struct tally_slice ev, struct tally_evidence *out);
void tally_evidence_encode(struct tally_wr *w, const struct tally_evidence *e);

enum tally_endorsement_kind {
    TALLY_ENDORSEMENT_VEK = 1,
    TALLY_ENDORSEMENT_ISSUER,
    TALLY_ENDORSEMENT_CRL,
    TALLY_ENDORSEMENT_TDX_COLLATERAL,
    TALLY_ENDORSEMENT_MANIFEST,
};

struct tally_endorsement {
    enum tally_endorsement_kind kind;
    struct tally_slice name, bytes;
};

struct tally_endorsements {
    struct tally_endorsement items[TALLY_ENDORSEMENTS_ITEMS_MAX];
    uint32_t n;
};

/* Puts devices into an EV that was written without: its last byte, their number, is replaced. */
void tally_evidence_add_devices(struct tally_wr *w, const struct tally_device_evidence *devices,
                                uint32_t n);

/* The certificates of a chain, at most max; E_CERT_PARSE where a length does not fit, E_CERT_SHAPE
 * for more or none. What they are is for whoever parses them. */
TALLY_RESULT tally_chain_split(struct tally_slice chain, struct tally_slice *der, uint32_t max,
                               uint32_t *n);

/* E_OVERSIZE, E_FORMAT. Names are 0 to 63 bytes and mean nothing to a verifier. */
TALLY_RESULT tally_endorsements_decode(struct tally_slice in, struct tally_endorsements *out);
void tally_endorsement_encode(struct tally_wr *w, const struct tally_endorsement *e);
