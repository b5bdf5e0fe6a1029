/* rim_read.c - the document of a manifest, hashed and read in one pass; see rim.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/rim_parts.h"
#include "common/attest/xml_c14n.h"
#include "common/secret.h"

#define SWID_URI "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define HASH_URI "http://www.w3.org/2001/04/xmlenc#sha384"
#define DS_URI   "http://www.w3.org/2000/09/xmldsig#"
#define C14N11   "http://www.w3.org/2006/12/xml-c14n11"
#define MORE     "http://www.w3.org/2001/04/xmldsig-more#"

#define FORM_UNLESS(cond, ...) TALLY_REFUSE_UNLESS(cond, TALLY_R_E_RIM_FORMAT, __VA_ARGS__)

struct pass {
    struct tally_xml x;
    struct tally_hasher hasher;
    struct tally_c14n document, signed_info;
    bool in_signature, in_signed_info; /* what the next event belongs to */
    struct tally_rim_file *f;
};

static void free_pass(struct pass *p)
{
    tally_hasher_free(&p->hasher);
}

/* The only way to the next event: nothing is read that is not hashed. The enveloped Signature is
 * cut out, wherever it stands; that it stands at its one place is checked where it is expected. */
static enum tally_status next(struct pass *p)
{
    struct tally_xml *x = &p->x;

    TALLY_TRY(tally_xml_next(x));
    if (x->kind == TALLY_XML_OPEN && tally_xml_is(x, DS_URI, "Signature")) p->in_signature = true;
    if (!p->in_signature) tally_c14n_event(&p->document, x, false);
    if (p->in_signed_info) tally_c14n_event(&p->signed_info, x, false);
    return TALLY_OK;
}

static enum tally_status open(struct pass *p, const char *uri, const char *local)
{
    TALLY_TRY(next(p));
    FORM_UNLESS(p->x.kind == TALLY_XML_OPEN && tally_xml_is(&p->x, uri, local),
                "XML at byte %zu: no %s where it belongs", p->x.offset, local);
    return TALLY_OK;
}

static enum tally_status shut(struct pass *p)
{
    TALLY_TRY(next(p));
    FORM_UNLESS(p->x.kind == TALLY_XML_CLOSE, "XML at byte %zu: something inside <%.*s>",
                p->x.offset, (int)p->x.open[p->x.depth - 1].written.len,
                (const char *)p->x.open[p->x.depth - 1].written.at);
    return TALLY_OK;
}

/* Indentation, if any, and the event after it. */
static enum tally_status next_past_gap(struct pass *p)
{
    TALLY_TRY(next(p));
    if (p->x.kind != TALLY_XML_TEXT) return TALLY_OK;
    for (size_t i = 0; i < p->x.text.len; i++)
        FORM_UNLESS(p->x.text.at[i] == ' ' || p->x.text.at[i] == '\n',
                    "XML at byte %zu: text where none belongs", p->x.offset);
    return next(p);
}

static enum tally_status open_past_gap(struct pass *p, const char *uri, const char *local)
{
    TALLY_TRY(next_past_gap(p));
    FORM_UNLESS(p->x.kind == TALLY_XML_OPEN && tally_xml_is(&p->x, uri, local),
                "XML at byte %zu: no %s where it belongs", p->x.offset, local);
    return TALLY_OK;
}

static enum tally_status word(const struct tally_xml *x, const char *attr,
                              char out[TALLY_RIM_TEXT_SIZE])
{
    struct tally_slice s = tally_xml_value(x, "", attr);

    FORM_UNLESS(s.at != NULL && s.len > 0 && s.len < TALLY_RIM_TEXT_SIZE, "no %s, or one too long",
                attr);
    memcpy(out, s.at, s.len);
    out[s.len] = '\0';
    return TALLY_OK;
}

/* Decimal, at most two digits, without a leading zero. */
static enum tally_status number(const struct tally_xml *x, const char *attr, uint32_t *out)
{
    struct tally_slice s = tally_xml_value(x, "", attr);
    bool good = s.at != NULL && (s.len == 1 || (s.len == 2 && s.at[0] != '0'));

    *out = 0;
    for (size_t i = 0; good && i < s.len; i++) {
        good = s.at[i] >= '0' && s.at[i] <= '9';
        *out = 10 * *out + (uint32_t)(s.at[i] - '0');
    }
    FORM_UNLESS(good, "%s is no number of one or two digits", attr);
    return TALLY_OK;
}

static bool says(const struct tally_xml *x, const char *attr, const char *value)
{
    struct tally_slice s = tally_xml_value(x, "", attr);

    return s.at != NULL && tally_slice_equal(s, tally_slice_str(value));
}

/* -1 for what is no hex digit. */
static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* HashK, of either case. There are a hundred of them in a manifest. */
static enum tally_status read_hash(const struct tally_xml *x, uint32_t k,
                                   uint8_t out[TALLY_RIM_HASH_BYTES])
{
    char name[] = "Hash\0\0";

    if (k >= 10) name[4] = (char)('0' + k / 10);
    name[k >= 10 ? 5 : 4] = (char)('0' + k % 10);
    struct tally_slice s = tally_xml_value(x, HASH_URI, name);
    FORM_UNLESS(s.at != NULL && s.len == 2UL * TALLY_RIM_HASH_BYTES,
                "%s is missing or not of 48 bytes", name);
    for (size_t i = 0; i < TALLY_RIM_HASH_BYTES; i++) {
        int high = nibble(s.at[2 * i]), low = nibble(s.at[2 * i + 1]);
        FORM_UNLESS(high >= 0 && low >= 0, "%s is not hex", name);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return TALLY_OK;
}

/* One Resource: six attributes, and exactly as many hashes as it says. */
static enum tally_status read_resource(struct pass *p)
{
    enum { ATTRS = 6 };
    const struct tally_xml *x = &p->x;
    uint32_t index, alternatives;

    FORM_UNLESS(says(x, "type", "Measurement") && says(x, "size", "48") &&
                    tally_xml_value(x, "", "name").at != NULL &&
                    (says(x, "active", "True") || says(x, "active", "False")),
                "XML at byte %zu: not a measurement of 48 bytes", x->offset);
    TALLY_TRY(number(x, "index", &index));
    TALLY_TRY(number(x, "alternatives", &alternatives));
    FORM_UNLESS(index < TALLY_RIM_MEASUREMENTS, "measurement %u", (unsigned)index);
    FORM_UNLESS(alternatives > 0 && alternatives <= TALLY_RIM_ALTERNATIVES_MAX &&
                    x->attrs_n == ATTRS + alternatives,
                "measurement %u: %u alternatives", (unsigned)index, (unsigned)alternatives);
    struct tally_rim_measurement *m = &p->f->claimed->measurements[index];
    FORM_UNLESS(!m->present, "measurement %u stands twice", (unsigned)index);
    m->present = true;
    m->active = says(x, "active", "True");
    m->alternatives = (uint8_t)alternatives;
    for (uint32_t k = 0; k < alternatives; k++) TALLY_TRY(read_hash(x, k, m->hashes[k]));
    return shut(p);
}

static enum tally_status read_payload(struct pass *p)
{
    TALLY_TRY(open_past_gap(p, SWID_URI, "Payload"));
    FORM_UNLESS(p->x.attrs_n == 0, "attributes of Payload");
    for (;;) {
        TALLY_TRY(next_past_gap(p));
        if (p->x.kind == TALLY_XML_CLOSE) return TALLY_OK;
        FORM_UNLESS(p->x.kind == TALLY_XML_OPEN && tally_xml_is(&p->x, SWID_URI, "Resource"),
                    "XML at byte %zu: Payload holds more than Resources", p->x.offset);
        TALLY_TRY(read_resource(p));
    }
}

/* n groups of `digits` upper-case hex digits or, with digits 0, of one to four decimal ones. */
static bool groups(const char *s, size_t n, size_t digits)
{
    const char *set = digits != 0 ? "0123456789ABCDEF" : "0123456789";

    for (size_t i = 0; i < n; i++) {
        size_t len = strspn(s, set);
        if (digits != 0 ? len != digits : len < 1 || len > 4) return false;
        s += len;
        if (i + 1 < n && *s++ != '.') return false;
    }
    return *s == '\0';
}

static enum tally_status read_meta(struct pass *p)
{
    struct tally_rim *r = p->f->claimed;

    TALLY_TRY(open_past_gap(p, SWID_URI, "Meta"));
    TALLY_TRY(word(&p->x, "colloquialVersion", r->version));
    TALLY_TRY(word(&p->x, "product", r->product));
    TALLY_TRY(word(&p->x, "edition", r->edition));
    bool vbios = groups(r->version, 5, 2);
    FORM_UNLESS(vbios || groups(r->version, 2, 0) || groups(r->version, 3, 0),
                "version \"%s\" is neither a driver's nor a VBIOS's", r->version);
    r->kind = vbios ? TALLY_RIM_VBIOS : TALLY_RIM_DRIVER;
    return shut(p);
}

/* ds: elements are all the same: known attributes, nothing declared, no text between them. */
static enum tally_status ds_open(struct pass *p, const char *local, uint32_t attrs_n)
{
    TALLY_TRY(open(p, DS_URI, local));
    FORM_UNLESS(p->x.attrs_n == attrs_n && p->x.declared_n == 0,
                "attributes or namespaces of <ds:%s>", local);
    return TALLY_OK;
}

static enum tally_status ds_algorithm(struct pass *p, const char *local, const char *uri)
{
    TALLY_TRY(ds_open(p, local, 1));
    FORM_UNLESS(says(&p->x, "Algorithm", uri), "<ds:%s> is not %s", local, uri);
    return shut(p);
}

/* Text alone, of base64 with no other character but those of `ignore`. */
static enum tally_status ds_base64(struct pass *p, const char *ignore, struct tally_slice *out,
                                   uint8_t *to, size_t cap)
{
    const char *end = NULL;
    size_t len = 0;

    TALLY_TRY(next(p));
    FORM_UNLESS(p->x.kind == TALLY_XML_TEXT, "XML at byte %zu: no base64", p->x.offset);
    const char *text = (const char *)p->x.text.at;
    FORM_UNLESS(sodium_base642bin(to, cap, text, p->x.text.len, ignore, &len, &end,
                                  sodium_base64_VARIANT_ORIGINAL) == 0 &&
                    end == text + p->x.text.len,
                "XML at byte %zu: not base64, or too long", p->x.offset);
    *out = tally_slice_of(to, len);
    return shut(p);
}

static enum tally_status read_reference(struct pass *p)
{
    struct tally_slice digest;

    TALLY_TRY(ds_open(p, "Reference", 1));
    FORM_UNLESS(says(&p->x, "URI", ""), "<ds:Reference> is not to the whole document");
    TALLY_TRY(ds_open(p, "Transforms", 0));
    TALLY_TRY(ds_algorithm(p, "Transform", DS_URI "enveloped-signature"));
    TALLY_TRY(ds_algorithm(p, "Transform", C14N11));
    TALLY_TRY(shut(p));
    TALLY_TRY(ds_algorithm(p, "DigestMethod", MORE "sha384"));
    TALLY_TRY(ds_open(p, "DigestValue", 0));
    TALLY_TRY(ds_base64(p, NULL, &digest, p->f->claimed_digest, sizeof p->f->claimed_digest));
    FORM_UNLESS(digest.len == TALLY_RIM_HASH_BYTES, "a digest of %zu bytes", digest.len);
    return shut(p);
}

static enum tally_status read_signed_info(struct pass *p)
{
    struct tally_wr w = tally_wr_to(p->f->signed_info, sizeof p->f->signed_info);
    struct tally_slice s;

    TALLY_TRY(ds_open(p, "SignedInfo", 0));
    tally_c14n_to_buffer(&p->signed_info, &w);
    tally_c14n_event(&p->signed_info, &p->x, true);
    p->in_signed_info = true;
    TALLY_TRY(ds_algorithm(p, "CanonicalizationMethod", C14N11));
    TALLY_TRY(ds_algorithm(p, "SignatureMethod", MORE "ecdsa-sha384"));
    TALLY_TRY(read_reference(p));
    TALLY_TRY(shut(p));
    p->in_signed_info = false;
    FORM_UNLESS(tally_wr_end(&w, &s) == TALLY_OK, "SignedInfo is too long");
    p->f->signed_info_bytes = s.len;
    return TALLY_OK;
}

static enum tally_status read_certs(struct pass *p)
{
    uint8_t beyond[TALLY_RIM_CERT_BYTES_MAX] = {0};
    struct tally_slice der;

    TALLY_TRY(ds_open(p, "KeyInfo", 0));
    TALLY_TRY(ds_open(p, "X509Data", 0));
    for (;;) {
        TALLY_TRY(next(p));
        if (p->x.kind == TALLY_XML_CLOSE) return shut(p);
        uint32_t i = p->f->certs_n++;
        FORM_UNLESS(p->x.kind == TALLY_XML_OPEN && tally_xml_is(&p->x, DS_URI, "X509Certificate") &&
                        p->x.attrs_n == 0 && p->x.declared_n == 0,
                    "XML at byte %zu: X509Data holds more than certificates", p->x.offset);
        TALLY_TRY(ds_base64(p, "\n", &der, i < TALLY_RIM_CERTS ? p->f->der[i] : beyond,
                            TALLY_RIM_CERT_BYTES_MAX));
        if (i < TALLY_RIM_CERTS) p->f->der_bytes[i] = der.len;
    }
}

static enum tally_status read_signature(struct pass *p)
{
    struct tally_slice sig;

    TALLY_TRY(open_past_gap(p, DS_URI, "Signature"));
    FORM_UNLESS(p->x.attrs_n == 0, "attributes of <ds:Signature>");
    TALLY_TRY(read_signed_info(p));
    TALLY_TRY(ds_open(p, "SignatureValue", 0));
    TALLY_TRY(ds_base64(p, NULL, &sig, p->f->signature, sizeof p->f->signature));
    FORM_UNLESS(sig.len == TALLY_RIM_SIGNATURE_BYTES, "a signature of %zu bytes", sig.len);
    TALLY_TRY(read_certs(p));
    TALLY_TRY(shut(p));
    p->in_signature = false;
    return TALLY_OK;
}

static enum tally_status read_document(struct pass *p)
{
    TALLY_TRY(open(p, SWID_URI, "SoftwareIdentity"));
    TALLY_TRY(word(&p->x, "name", p->f->claimed->name));
    TALLY_TRY(open_past_gap(p, SWID_URI, "Entity"));
    TALLY_TRY(shut(p));
    TALLY_TRY(read_meta(p));
    TALLY_TRY(read_payload(p));
    TALLY_TRY(read_signature(p));
    TALLY_TRY(shut(p));
    TALLY_TRY(next(p));
    TALLY_ASSERT(p->x.kind == TALLY_XML_END);
    return TALLY_OK;
}

enum tally_status tally_rim_parse(struct tally_slice xml, struct tally_rim_file *f)
{
    TALLY_CLEANUP(free_pass) struct pass p = {.f = f};

    TALLY_REFUSE_UNLESS(xml.len <= TALLY_RIM_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "a manifest of %zu bytes", xml.len);
    tally_xml_init(&p.x, xml);
    tally_hasher_init(&p.hasher, TALLY_SHA384);
    tally_c14n_to_hasher(&p.document, &p.hasher);
    TALLY_TRY(read_document(&p));
    tally_c14n_flush(&p.document);
    tally_hasher_end(&p.hasher, f->digest);
    return TALLY_OK;
}

struct scratch {
    struct tally_rim_file file;
    struct tally_rim rim;
};

static void free_scratch(struct scratch **s)
{
    free(*s);
}

enum tally_status tally_rim_read(struct tally_slice xml, struct tally_rim *claimed)
{
    TALLY_CLEANUP(free_scratch) struct scratch *s = calloc(1, sizeof *s);

    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "reading a manifest");
    s->file.claimed = &s->rim;
    TALLY_TRY(tally_rim_parse(xml, &s->file));
    *claimed = s->rim;
    return TALLY_OK;
}
