/* evidence_show_rim.c - a reference manifest's fields; see evidence_show.h. The offset is that of
 * the value in the file. */
#include <sodium.h>
#include <stdio.h>

#include "agent/evidence_show.h"
#include "common/attest/rim.h"
#include "common/attest/xml.h"
#include "common/cert.h"
#include "common/text.h"

#define HASH_URI "http://www.w3.org/2001/04/xmlenc#sha384"

struct show {
    struct tally_slice file;
    const struct tally_rim *rim;
    json_t *fields;
    uint32_t certs;
};

static size_t offset_of(const struct show *s, struct tally_slice value)
{
    return (size_t)(value.at - s->file.at);
}

static void add_text(const struct show *s, struct tally_slice value, const char *name,
                     const char *meaning)
{
    evidence_field(s->fields, offset_of(s, value), value.len, name, meaning, "%.*s", (int)value.len,
                   (const char *)value.at);
}

static void add_attr(const struct show *s, const struct tally_xml *x, const char *attr,
                     const char *name, const char *meaning)
{
    struct tally_slice value = tally_xml_value(x, "", attr);

    if (value.at != NULL) add_text(s, value, name, meaning);
}

/* What the file says in its own words, and every hash of what is active. */
static void add_measurement(const struct show *s, const struct tally_xml *x)
{
    char name[32], hash[16];
    struct tally_slice at = tally_xml_value(x, "", "index");
    struct tally_slice words = tally_xml_value(x, "", "name");
    unsigned i = 0;

    /* The verifier's own reader has seen that these are one or two digits, below 64. */
    for (size_t k = 0; k < at.len; k++) i = 10 * i + (unsigned)(at.at[k] - '0');
    TALLY_ASSERT(i < TALLY_RIM_MEASUREMENTS);
    const struct tally_rim_measurement *m = &s->rim->measurements[i];
    (void)snprintf(name, sizeof name, "measurement %u", i);
    evidence_field(s->fields, offset_of(s, words), words.len, name,
                   "its name; what a report shows at this index, from 0", "%.*s, %s",
                   (int)words.len, (const char *)words.at, m->active ? "active" : "not active");
    for (unsigned k = 0; m->active && k < m->alternatives; k++) {
        (void)snprintf(hash, sizeof hash, "Hash%u", k);
        (void)snprintf(name, sizeof name, "measurement %u, %u of %u", i, k + 1,
                       (unsigned)m->alternatives);
        add_text(s, tally_xml_value(x, HASH_URI, hash), name, "SHA-384 that is good here");
    }
}

/* A certificate of X509Data, as far as it can be read. */
static void add_certificate(struct show *s, struct tally_slice base64)
{
    uint8_t der[TALLY_CERT_BYTES_MAX];
    char name[32], cn[TALLY_CERT_CN_SIZE], from[TALLY_TIME_TEXT_SIZE], until[TALLY_TIME_TEXT_SIZE];
    static const char meaning[] = "signing key first, root last";
    struct tally_cert c;
    size_t len = 0;

    (void)snprintf(name, sizeof name, "X509Certificate %u", (unsigned)++s->certs);
    bool read = sodium_base642bin(der, sizeof der, (const char *)base64.at, base64.len, "\n", &len,
                                  NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
                tally_cert_parse(tally_slice_of(der, len), &c) == TALLY_OK;
    if (!read) {
        evidence_field(s->fields, offset_of(s, base64), base64.len, name, meaning,
                       "not a certificate");
        return;
    }
    if (tally_cert_subject_cn(&c, cn) != TALLY_OK) (void)snprintf(cn, sizeof cn, "no name");
    tally_time_text(c.not_before_s, from);
    tally_time_text(c.not_after_s, until);
    tally_cert_free(&c);
    evidence_field(s->fields, offset_of(s, base64), base64.len, name, meaning, "%s, %s to %s", cn,
                   from, until);
}

static void add_open(const struct show *s, const struct tally_xml *x)
{
    struct tally_slice local = x->name.local;

    if (tally_slice_equal(local, tally_slice_str("SoftwareIdentity"))) {
        add_attr(s, x, "name", "name", "the chip");
        add_attr(s, x, "tagId", "tagId", "of this document");
    } else if (tally_slice_equal(local, tally_slice_str("Meta"))) {
        add_attr(s, x, "colloquialVersion", "colloquialVersion",
                 s->rim->kind == TALLY_RIM_DRIVER ? "version of the driver"
                                                  : "version of the VBIOS or switch firmware");
        add_attr(s, x, "edition", "edition", "GPU or SWITCH");
        add_attr(s, x, "product", "product", "the chip");
    } else if (tally_slice_equal(local, tally_slice_str("Resource"))) {
        add_measurement(s, x);
    }
}

static void add_signed(struct show *s, struct tally_slice element, struct tally_slice text)
{
    if (tally_slice_equal(element, tally_slice_str("DigestValue")))
        add_text(s, text, "DigestValue", "SHA-384 of the document without its Signature, base64");
    else if (tally_slice_equal(element, tally_slice_str("SignatureValue")))
        add_text(s, text, "SignatureValue", "ECDSA with P-384 over SignedInfo, r || s, base64");
    else if (tally_slice_equal(element, tally_slice_str("X509Certificate")))
        add_certificate(s, text);
}

enum tally_status evidence_show_rim(struct tally_slice file, json_t *fields)
{
    struct tally_rim rim;
    struct tally_xml x;
    struct tally_slice element = {0};
    struct show s = {.file = file, .rim = &rim, .fields = fields};

    TALLY_TRY(tally_rim_read(file, &rim));
    tally_xml_init(&x, file);
    for (;;) {
        TALLY_TRY(tally_xml_next(&x));
        if (x.kind == TALLY_XML_END) return TALLY_OK;
        if (x.kind == TALLY_XML_OPEN) {
            element = x.name.local;
            add_open(&s, &x);
        } else if (x.kind == TALLY_XML_TEXT) {
            add_signed(&s, element, x.text);
        }
    }
}
