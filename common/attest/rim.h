/* rim.h - NVIDIA's reference integrity manifests: which measurements a driver, a VBIOS or a switch
 * firmware may show (ATTESTATION.md C3.3). A manifest is a SWID document in XML with an enveloped
 * XMLDSig signature and four certificates, signing key first, root last:
 *
 *   SoftwareIdentity @name          the chip, "GH100"
 *     Entity
 *     Meta                          @colloquialVersion, @product, @edition "GPU" or "SWITCH"
 *     Payload
 *       Resource ...                @index, @active, @alternatives, @size, Hash0 .. HashN
 *     ds:Signature                  the last child
 *
 * One pass over the bytes (xml.h) both hashes and reads: what was read is what was signed. Exactly
 * this shape is taken and nothing beside it, so there is nothing to wrap, refer to or expand.
 * Judged in this order; the first that fails is the reason:
 *
 *   size        E_OVERSIZE        more than TALLY_RIM_BYTES_MAX
 *   form        E_RIM_FORMAT      XML outside the subset, another shape or another algorithm
 *   chain       E_RIM_CHAIN       not four certificates, names, keys, constraints, signatures
 *               E_ROOT_UNTRUSTED  the last one is not, byte for byte, an anchor for manifests
 *   dates       E_RIM_EXPIRED, E_CERT_NOT_YET_VALID    of all four
 *   signature   E_RIM_SIG         digest of the document, signature by the leaf of that very chain
 *   content     E_RIM_VERSION     @name and @product differ
 *               E_RIM_EMPTY       no measurement is active
 *
 * Pure: no clock, no file, no network. */
#pragma once

#include "common/attest/appraise.h"

enum {
    TALLY_RIM_BYTES_MAX = 128 * 1024, /* real ones: 18 to 26 KB */
    TALLY_RIM_MEASUREMENTS = 64,
    TALLY_RIM_HASH_BYTES = 48,
    TALLY_RIM_ALTERNATIVES_MAX = 16, /* real ones: 4 at most */
    TALLY_RIM_TEXT_SIZE = 32,        /* with the final zero */
    TALLY_RIM_CERTS = 4,
    TALLY_RIM_MISMATCHES_MAX = 8, /* named in a verdict, one failure each */
};

/* By the form of the version: "96.00.74.00.1A" is a VBIOS's (or a switch's firmware's),
 * "550.144.03" a driver's; the documents say it nowhere else. */
enum tally_rim_kind { TALLY_RIM_DRIVER = 1, TALLY_RIM_VBIOS };

struct tally_rim_measurement {
    bool present, active;
    uint8_t alternatives; /* hashes, any of which is good; 1 .. max where present */
    uint8_t hashes[TALLY_RIM_ALTERNATIVES_MAX][TALLY_RIM_HASH_BYTES];
};

/* About 50 KB: keep it off small stacks. */
struct tally_rim {
    enum tally_rim_kind kind;
    enum tally_trust_class trust;      /* of the anchor; 0 where only read */
    char product[TALLY_RIM_TEXT_SIZE]; /* "GH100", "LS10" */
    char name[TALLY_RIM_TEXT_SIZE];    /* of the SoftwareIdentity; equal to product once verified */
    char version[TALLY_RIM_TEXT_SIZE];
    char edition[TALLY_RIM_TEXT_SIZE]; /* "GPU", "SWITCH" */
    struct tally_rim_measurement measurements[TALLY_RIM_MEASUREMENTS];
    uint64_t not_before_s, not_after_s; /* of its four certificates; 0, 0 where only read */
};

/* Form alone: what an unverified manifest says. E_OVERSIZE, E_RIM_FORMAT. For showing it. */
TALLY_RESULT tally_rim_read(struct tally_slice xml, struct tally_rim *claimed);

/* Everything above. Of expect only now_s and cache count; with a cache a manifest is read and its
 * signatures verified once, its dates every time. allow_expired: the signing leaf may have expired
 * (nothing else may), and then its end does not end the window. *out is filled on success. */
TALLY_RESULT tally_rim_verify(struct tally_slice xml, const struct tally_anchor *anchors,
                              uint32_t anchors_n, const struct tally_expect *expect,
                              bool allow_expired, struct tally_rim *out);
/* The same into a verdict: every failure is added (an expired manifest may also be a forged one)
 * and the window narrowed. True if there was none. v->trust is left alone: compare out->trust. */
struct tally_rim_terms {
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    const struct tally_expect *expect;
    bool allow_expired;
};
bool tally_rim_appraise(struct tally_slice xml, const struct tally_rim_terms *terms,
                        struct tally_rim *out, struct tally_verdict *v);

/* What an authentic report measured: digests[i] is block i + 1. */
struct tally_rim_report {
    const uint8_t (*digests)[TALLY_RIM_HASH_BYTES];
    uint32_t n;
    bool nvdec_disabled; /* measurement 35 is then not compared */
    struct tally_slice driver_version, vbios_version, product; /* text, without padding */
};

/* Compares a report with its verified manifests and adds every failure, in this order:
 * E_RIM_VERSION (kind, product, version), E_RIM_CONFLICT (a measurement active in both),
 * E_RIM_EMPTY (none active in one), E_MEASUREMENT (at most TALLY_RIM_MISMATCHES_MAX, then how many
 * more). Measurements are named by the manifests' index, from 0. A switch has one manifest:
 * driver == NULL. Either may be NULL where only the other is at hand; that one is missing is the
 * caller's to say. At least one must be given. */
void tally_rim_compare(const struct tally_rim *driver, const struct tally_rim *vbios,
                       const struct tally_rim_report *r, struct tally_verdict *v);
