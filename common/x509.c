/* x509.c - see x509.h: the pieces of certificates and CRLs. */
#include "common/x509.h"

#include <string.h>

#include "common/der.h"
#include "common/oid.h"
#include "common/text.h"

const uint8_t tally_oid_basic_constraints[3] = {0x55, 0x1d, 0x13};
const uint8_t tally_oid_key_usage[3] = {0x55, 0x1d, 0x0f};

struct tally_slice tally_x509_bits(struct tally_rd *r, const char *field)
{
    struct tally_slice bits = tally_der_value(r, TALLY_DER_BITS, field);

    if (bits.len < 2 || bits.at[0] != 0) return (struct tally_slice){0};
    return tally_slice_of(bits.at + 1, bits.len - 1);
}

struct tally_slice tally_x509_alg(struct tally_rd *r, const char *field)
{
    struct tally_slice whole = tally_der_whole(r, TALLY_DER_SEQUENCE, field);
    struct tally_rd file = tally_rd_from(whole);
    struct tally_rd in = tally_der_into(&file, TALLY_DER_SEQUENCE, field);

    if (!tally_oid_is_sound(tally_der_value(&in, TALLY_DER_OID, field))) tally_rd_fail(r, field);
    if (tally_der_next_is(&in, TALLY_DER_OID)) {
        if (!tally_oid_is_sound(tally_der_value(&in, TALLY_DER_OID, field)))
            tally_rd_fail(r, field);
    } else if (in.left > 0) {
        uint8_t tag = in.at[0] == TALLY_DER_NULL ? TALLY_DER_NULL : TALLY_DER_SEQUENCE;
        (void)tally_der_value(&in, tag, field);
    }
    if (in.bad != NULL || in.left > 0) tally_rd_fail(r, field);
    return whole;
}

struct tally_slice tally_x509_outer(struct tally_slice der, struct tally_slice *tbs,
                                    struct tally_slice *alg, struct tally_slice *signature)
{
    struct tally_rd file = tally_rd_from(der);
    struct tally_rd r = tally_der_into(&file, TALLY_DER_SEQUENCE, "outer");

    *tbs = tally_der_whole(&r, TALLY_DER_SEQUENCE, "signed part");
    *alg = tally_x509_alg(&r, "signatureAlgorithm");
    *signature = tally_x509_bits(&r, "signature");
    if (file.bad != NULL || r.bad != NULL || r.left > 0) return (struct tally_slice){0};
    struct tally_rd in = tally_rd_from(*tbs);
    return tally_der_value(&in, TALLY_DER_SEQUENCE, "signed part");
}

/* The order of a SET OF: as strings of bytes, a shorter one first (X.690, 11.6). */
static bool in_order(struct tally_slice a, struct tally_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int d = memcmp(a.at, b.at, n);

    return d < 0 || (d == 0 && a.len <= b.len);
}

/* One string of any kind but BMPString and UniversalString, which nobody's names use. */
static bool is_string(uint8_t tag)
{
    static const uint8_t tags[] = {TALLY_DER_UTF8, TALLY_DER_PRINTABLE, TALLY_DER_IA5, 0x14, 0x12};

    return memchr(tags, tag, sizeof tags) != NULL;
}

/* No vendor's names have another character, and so nothing has to be told apart. */
static bool is_ascii(struct tally_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] >= 0x80) return false;
    }
    return true;
}

static void name_part(struct tally_slice pair, struct tally_rd *outer, const char *field)
{
    struct tally_rd r = tally_rd_from(pair);
    struct tally_slice type = tally_der_value(&r, TALLY_DER_OID, field);

    if (r.bad != NULL || !tally_oid_is_sound(type) || r.left == 0 || !is_string(r.at[0]))
        tally_rd_fail(outer, field);
    bool utf8 = tally_der_next_is(&r, TALLY_DER_UTF8);
    struct tally_slice text = tally_der_value(&r, r.left > 0 ? r.at[0] : 0, field);
    if (r.bad != NULL || r.left > 0 || (utf8 && !is_ascii(text))) tally_rd_fail(outer, field);
}

struct tally_slice tally_x509_name(struct tally_rd *r, const char *field, bool *sorted)
{
    struct tally_slice whole = tally_der_whole(r, TALLY_DER_SEQUENCE, field);
    struct tally_rd in = tally_rd_from(whole);
    struct tally_rd sets = tally_der_into(&in, TALLY_DER_SEQUENCE, field);

    while (sets.left > 0 && r->bad == NULL) {
        struct tally_rd set = tally_der_into(&sets, TALLY_DER_SET, field);
        struct tally_slice before = {0};
        if (set.left == 0) *sorted = false;
        while (set.left > 0) {
            struct tally_rd pair = set;
            struct tally_slice now = tally_der_whole(&set, TALLY_DER_SEQUENCE, field);
            if (now.at != NULL && before.at != NULL && !in_order(before, now)) *sorted = false;
            before = now;
            name_part(tally_der_value(&pair, TALLY_DER_SEQUENCE, field), r, field);
        }
        if (set.bad != NULL) tally_rd_fail(r, field);
    }
    if (in.bad != NULL || sets.bad != NULL) tally_rd_fail(r, field);
    return whole;
}

/* Two digits at *p; -1 where they are none. */
static int two(const uint8_t **p)
{
    int hi = (*p)[0] - '0', lo = (*p)[1] - '0';

    *p += 2;
    return hi < 0 || hi > 9 || lo < 0 || lo > 9 ? -1 : 10 * hi + lo;
}

enum tally_status tally_x509_time(struct tally_rd *r, uint64_t *out_s)
{
    enum { UTC = 13, LONG = 15, CENTURY = 100 };
    bool utc = tally_der_next_is(r, TALLY_DER_UTC_TIME);
    struct tally_slice t = tally_der_value(r, utc ? TALLY_DER_UTC_TIME : TALLY_DER_TIME, "time");
    const uint8_t *p = t.at;
    int part[6] = {0}, year = 0;

    TALLY_REFUSE_UNLESS(t.len == (utc ? UTC : LONG) && t.at[t.len - 1] == 'Z', TALLY_R_E_CERT_PARSE,
                        "time");
    if (!utc) year = CENTURY * two(&p);
    for (size_t i = 0; i < 6; i++) {
        part[i] = two(&p);
        TALLY_REFUSE_UNLESS(part[i] >= 0 && year >= 0, TALLY_R_E_CERT_PARSE, "time");
    }
    part[0] += utc ? (part[0] < 50 ? 2000 : 1900) : year;
    TALLY_REFUSE_UNLESS(tally_time_of(part, out_s), TALLY_R_E_CERT_PARSE,
                        "a time that is none, or before 1970");
    return TALLY_OK;
}

static bool read_ext(struct tally_slice in, struct tally_cert_ext *e, bool *plain)
{
    struct tally_rd r = tally_rd_from(in);

    *e = (struct tally_cert_ext){.oid = tally_der_value(&r, TALLY_DER_OID, "extension")};
    if (tally_der_next_is(&r, TALLY_DER_BOOLEAN)) {
        struct tally_slice b = tally_der_value(&r, TALLY_DER_BOOLEAN, "critical");
        e->critical = b.len == 1 && b.at[0] != 0;
        *plain = *plain && e->critical;
    }
    e->value = tally_der_value(&r, TALLY_DER_OCTETS, "extension");
    return r.bad == NULL && r.left == 0 && tally_oid_is_sound(e->oid);
}

enum tally_status tally_x509_exts(struct tally_slice list, struct tally_cert_ext *out, int *n,
                                  bool *plain)
{
    struct tally_rd in = tally_rd_from(list);
    struct tally_rd r = tally_der_into(&in, TALLY_DER_SEQUENCE, "extensions");

    TALLY_REFUSE_UNLESS(in.bad == NULL && in.left == 0, TALLY_R_E_CERT_PARSE, "extensions");
    for (*n = 0; r.left > 0; (*n)++) {
        TALLY_REFUSE_UNLESS(*n < TALLY_CERT_EXTS_MAX, TALLY_R_E_OVERSIZE, "more than %d extensions",
                            TALLY_CERT_EXTS_MAX);
        struct tally_slice one = tally_der_value(&r, TALLY_DER_SEQUENCE, "extension");
        TALLY_REFUSE_UNLESS(r.bad == NULL && read_ext(one, &out[*n], plain), TALLY_R_E_CERT_PARSE,
                            "an extension");
    }
    return TALLY_OK;
}

enum tally_status tally_x509_check_exts(const struct tally_cert_ext *exts, int n, bool cert)
{
    for (int i = 0; i < n; i++) {
        const struct tally_cert_ext *e = &exts[i];
        bool known = cert && (tally_slice_equal(e->oid, TALLY_SLICE(tally_oid_basic_constraints)) ||
                              tally_slice_equal(e->oid, TALLY_SLICE(tally_oid_key_usage)));
        TALLY_REFUSE_UNLESS(known || !e->critical, TALLY_R_E_CERT_CRITICAL_EXT,
                            "unknown critical extension");
        for (int k = 0; k < n; k++)
            TALLY_REFUSE_UNLESS(k == i || !tally_slice_equal(e->oid, exts[k].oid),
                                TALLY_R_E_CERT_EXT_DUP, "an extension stands twice");
        if (known) TALLY_TRY(tally_der_check(e->value));
    }
    return TALLY_OK;
}
