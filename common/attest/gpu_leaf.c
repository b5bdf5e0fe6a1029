/* gpu_leaf.c - see gpu_leaf.h. */
#include "common/attest/gpu_leaf.h"

#include <stdio.h>
#include <string.h>

#include "common/der.h"
#include "common/text.h"

enum { SEQUENCE = 0x30, INTEGER = 2, OCTETS = 4, OID = 6, UTF8 = 0x0c, CONTEXT0 = 0xa0 };
enum { FWIDS = 0xa6 }; /* [6] IMPLICIT SEQUENCE OF in DiceTcbInfo */
static const uint8_t oid_sha384[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
static const uint8_t oid_name[] = {0x2b, 6, 1, 4, 1, 0x83, 0x1c, 0x82, 0x12, 1};

/* The next value with its tag; der.h has seen that lengths are right. */
static struct tally_slice next(struct tally_rd *r, uint8_t *tag)
{
    *tag = tally_rd_u8(r, "tag");
    size_t n = tally_rd_u8(r, "length");
    if (n == 0x81)
        n = tally_rd_u8(r, "length");
    else if (n == 0x82)
        n = tally_rd_be16(r, "length");
    else if (n > 0x82)
        tally_rd_fail(r, "length");
    return tally_rd_bytes(r, n, "value");
}

static struct tally_slice take(struct tally_rd *r, uint8_t tag)
{
    uint8_t have;
    struct tally_slice v = next(r, &have);

    if (have != tag) tally_rd_fail(r, "tag");
    return v;
}

static void done(const struct tally_rd *inner, struct tally_rd *outer)
{
    if (inner->bad != NULL || inner->left != 0) tally_rd_fail(outer, "value");
}

/* SEQUENCE { OID sha384, OCTET STRING of 48 }. */
static struct tally_slice take_digest(struct tally_rd *r)
{
    struct tally_rd in = tally_rd_from(take(r, SEQUENCE));
    bool sha384 = tally_slice_equal(take(&in, OID), TALLY_SLICE(oid_sha384));
    struct tally_slice digest = take(&in, OCTETS);

    if (!sha384 || digest.len != TALLY_GPU_FWID_BYTES) tally_rd_fail(&in, "digest");
    done(&in, r);
    return digest;
}

/* SEQUENCE { INTEGER 1, SubjectPublicKeyInfo, digest }. */
static struct tally_slice composite(struct tally_rd *r)
{
    static const uint8_t one[] = {1};
    struct tally_rd in = tally_rd_from(take(r, SEQUENCE));

    if (!tally_slice_equal(take(&in, INTEGER), TALLY_SLICE(one))) tally_rd_fail(&in, "version");
    (void)take(&in, SEQUENCE);
    struct tally_slice digest = take_digest(&in);
    done(&in, r);
    return digest;
}

/* SEQUENCE of tagged values, in the order of their tags; the digests are [6]. */
static struct tally_slice tcb_info(struct tally_rd *r)
{
    struct tally_rd in = tally_rd_from(take(r, SEQUENCE));
    struct tally_slice digest = {0};
    unsigned last = 0;

    while (in.left > 0 && in.bad == NULL) {
        uint8_t tag;
        struct tally_rd fwids = tally_rd_from(next(&in, &tag));
        unsigned number = (tag & 0x1fU) + 1;
        if ((tag & 0xc0) != 0x80 || number <= last) tally_rd_fail(&in, "tag");
        last = number;
        if (tag == FWIDS) digest = take_digest(&fwids);
        if (fwids.bad != NULL) tally_rd_fail(&in, "digest");
    }
    if (digest.at == NULL) tally_rd_fail(&in, "digest");
    done(&in, r);
    return digest;
}

enum tally_status tally_gpu_leaf_fwid(const struct tally_cert *leaf, bool *has,
                                      uint8_t out[TALLY_GPU_FWID_BYTES])
{
    struct tally_slice hopper = tally_cert_ext(leaf, "2.23.133.5.4.1");
    struct tally_slice dice = tally_cert_ext(leaf, "2.23.133.5.4.1.1");

    TALLY_REFUSE_UNLESS(hopper.at == NULL || dice.at == NULL, TALLY_R_E_CERT_EXT_DUP,
                        "two extensions that name the firmware");
    *has = hopper.at != NULL || dice.at != NULL;
    if (!*has) return TALLY_OK;
    TALLY_TRY(tally_der_check(hopper.at != NULL ? hopper : dice));
    struct tally_rd r = tally_rd_from(hopper.at != NULL ? hopper : dice);
    struct tally_slice digest = hopper.at != NULL ? composite(&r) : tcb_info(&r);
    TALLY_REFUSE_UNLESS(r.bad == NULL && r.left == 0 && digest.len == TALLY_GPU_FWID_BYTES,
                        TALLY_R_E_CERT_PARSE, "the extension that names the firmware");
    memcpy(out, digest.at, TALLY_GPU_FWID_BYTES);
    return TALLY_OK;
}

static enum tally_status read_name(struct tally_slice ext, struct tally_slice *name)
{
    TALLY_TRY(tally_der_check(ext));
    struct tally_rd r = tally_rd_from(ext), names = tally_rd_from(take(&r, SEQUENCE));
    struct tally_rd other = tally_rd_from(take(&names, CONTEXT0));
    bool ours = tally_slice_equal(take(&other, OID), TALLY_SLICE(oid_name));
    struct tally_rd value = tally_rd_from(take(&other, CONTEXT0));
    *name = take(&value, UTF8);
    done(&value, &other);
    done(&other, &names);
    done(&names, &r);
    TALLY_REFUSE_UNLESS(ours && r.bad == NULL && r.left == 0, TALLY_R_E_CERT_PARSE,
                        "the leaf's alternative name");
    return TALLY_OK;
}

enum tally_status tally_gpu_leaf_device_id(const struct tally_cert *leaf, const char *chip,
                                           uint8_t out[TALLY_GPU_ID_BYTES])
{
    char head[32], hex[2 * TALLY_GPU_ID_BYTES + 1] = {0};
    struct tally_slice ext = tally_cert_ext(leaf, "2.5.29.17"), name = {0};

    TALLY_REFUSE_UNLESS(ext.at != NULL, TALLY_R_E_CERT_EXT_MISSING,
                        "the leaf has no alternative name");
    TALLY_TRY(read_name(ext, &name));
    size_t n = (size_t)snprintf(head, sizeof head, "NVIDIA:%s:", chip);
    TALLY_REFUSE_UNLESS(name.len == n + sizeof hex - 1 && memcmp(name.at, head, n) == 0,
                        TALLY_R_E_CERT_SHAPE, "the leaf's alternative name is not of a %s", chip);
    memcpy(hex, name.at + n, sizeof hex - 1);
    TALLY_REFUSE_UNLESS(strspn(hex, "0123456789ABCDEF") == sizeof hex - 1, TALLY_R_E_CERT_PARSE,
                        "the leaf's device id is not upper-case hex");
    return tally_unhex(hex, out, TALLY_GPU_ID_BYTES);
}
