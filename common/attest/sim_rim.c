/* sim_rim.c - the document and its signature; see sim_rim.h. */
#include "common/attest/sim_rim.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"

#define SWID_URI "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define HASH_URI "http://www.w3.org/2001/04/xmlenc#sha384"
#define DS_URI   "http://www.w3.org/2000/09/xmldsig#"
#define C14N11   "http://www.w3.org/2006/12/xml-c14n11"
#define MORE     "http://www.w3.org/2001/04/xmldsig-more#"

enum { DIGEST_CHARS = 64, SIGNATURE_CHARS = 128, R_S_BYTES = 96 };

static void put(struct tally_wr *w, const char *text)
{
    tally_wr_bytes(w, tally_slice_str(text));
}

static void put_attr(struct tally_wr *w, const char *name, const char *value)
{
    put(w, " ");
    put(w, name);
    put(w, "=\"");
    put(w, value);
    put(w, "\"");
}

static void put_head(struct tally_wr *w, const struct tally_rim *rim)
{
    uint8_t tag[TALLY_SHA384_BYTES];
    char hex[2 * TALLY_SHA384_BYTES + 1];

    tally_hash(TALLY_SHA384,
               TALLY_SLICES(tally_slice_str(rim->product), tally_slice_str(rim->version)), 2, tag);
    tally_hex(TALLY_SLICE(tag), hex);
    put(w, "<SoftwareIdentity xmlns=\"" SWID_URI "\" xmlns:ns0=\"" SWID_URI
           "\" xmlns:ns2=\"" HASH_URI "\" corpus=\"false\"");
    put_attr(w, "name", rim->name);
    put(w, " patch=\"false\" supplemental=\"false\"");
    put_attr(w, "tagId", hex);
    put(w, " tagVersion=\"0\" version=\"1.0\">\n    <ns0:Entity name=\"Test federation\" "
           "role=\"softwareCreator tagCreator\"></ns0:Entity>\n    <ns0:Meta "
           "PayloadType=\"direct\"");
    put_attr(w, "colloquialVersion", rim->version);
    put_attr(w, "edition", rim->edition);
    put_attr(w, "product", rim->product);
    put(w, " revision=\"r1\"></ns0:Meta>\n    <ns0:Payload>\n");
}

static void put_hash(struct tally_wr *w, unsigned k, const uint8_t hash[TALLY_RIM_HASH_BYTES])
{
    char name[16], hex[2 * TALLY_RIM_HASH_BYTES + 1];

    (void)snprintf(name, sizeof name, "ns2:Hash%u", k);
    tally_hex(tally_slice_of(hash, TALLY_RIM_HASH_BYTES), hex);
    put_attr(w, name, hex);
}

/* Canonical order is that of text: Hash10 stands between Hash1 and Hash2. */
static void put_resource(struct tally_wr *w, unsigned index, const struct tally_rim_measurement *m)
{
    char text[128];

    (void)snprintf(text, sizeof text,
                   "        <ns0:Resource active=\"%s\" alternatives=\"%u\" index=\"%u\" "
                   "name=\"Measurement_%u\" size=\"48\" type=\"Measurement\"",
                   m->active ? "True" : "False", (unsigned)m->alternatives, index, index);
    put(w, text);
    for (unsigned k = 0; k < 10 && k < m->alternatives; k++) {
        put_hash(w, k, m->hashes[k]);
        for (unsigned ten = 10 * k; ten > 0 && ten < 10 * k + 10 && ten < m->alternatives; ten++)
            put_hash(w, ten, m->hashes[ten]);
    }
    put(w, "></ns0:Resource>\n");
}

static void put_filler(struct tally_wr *w, size_t n)
{
    for (size_t i = 0; i < n; i++) tally_wr_u8(w, 'A');
}

/* As NVIDIA writes them: lines of 64 characters, each with its line feed. */
static void put_cert(struct tally_wr *w, struct tally_slice der)
{
    enum { LINE = 64 };
    char text[TALLY_BASE64_SIZE(TALLY_SIM_RIM_CERT_BYTES_MAX)];

    tally_base64(der, text);
    put(w, "<ds:X509Certificate>");
    for (size_t at = 0, n = strlen(text); at < n; at += LINE) {
        tally_wr_put(w, text + at, n - at < LINE ? n - at : LINE);
        put(w, "\n");
    }
    put(w, "</ds:X509Certificate>");
}

static void put_signature(struct tally_wr *w, const struct tally_sim_rim_signer *s)
{
    put(w, "<ds:Signature xmlns:ds=\"" DS_URI "\"><ds:SignedInfo>"
           "<ds:CanonicalizationMethod Algorithm=\"" C14N11 "\"></ds:CanonicalizationMethod>"
           "<ds:SignatureMethod Algorithm=\"" MORE "ecdsa-sha384\"></ds:SignatureMethod>"
           "<ds:Reference URI=\"\"><ds:Transforms>"
           "<ds:Transform Algorithm=\"" DS_URI "enveloped-signature\"></ds:Transform>"
           "<ds:Transform Algorithm=\"" C14N11 "\"></ds:Transform></ds:Transforms>"
           "<ds:DigestMethod Algorithm=\"" MORE "sha384\"></ds:DigestMethod><ds:DigestValue>");
    put_filler(w, DIGEST_CHARS);
    put(w, "</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>");
    put_filler(w, SIGNATURE_CHARS);
    put(w, "</ds:SignatureValue><ds:KeyInfo><ds:X509Data>");
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++)
        put_cert(w, tally_slice_of(s->der[i], s->der_bytes[i]));
    put(w, "</ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>\n");
}

enum tally_status tally_sim_rim_write(const struct tally_rim *rim,
                                      const struct tally_sim_rim_signer *s, struct tally_wr *out)
{
    size_t from = out->used;

    put_head(out, rim);
    for (unsigned i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        if (rim->measurements[i].present) put_resource(out, i, &rim->measurements[i]);
    }
    put(out, "    </ns0:Payload>\n");
    put_signature(out, s);
    TALLY_ENSURE(!out->full, TALLY_E_LIMIT, "no room for a manifest");
    return tally_sim_rim_sign(s, out->to + from, out->used - from);
}

/* What stands between two texts; at == NULL where they do not both stand there. */
static struct tally_slice between(struct tally_slice in, const char *from, const char *to)
{
    const uint8_t *a = memmem(in.at, in.len, from, strlen(from));

    if (a == NULL) return tally_slice_of(NULL, 0);
    a += strlen(from);
    const uint8_t *b = memmem(a, (size_t)(in.at + in.len - a), to, strlen(to));
    return tally_slice_of(b == NULL ? NULL : a, b == NULL ? 0 : (size_t)(b - a));
}

/* r || s of the DER that OpenSSL gives. */
static bool raw_signature(EVP_PKEY *key, struct tally_slice text, uint8_t r_s[R_S_BYTES])
{
    uint8_t der[128];
    const uint8_t *p = der;
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, der, &len, text.at, text.len) == 1;
    ECDSA_SIG *sig = good ? d2i_ECDSA_SIG(NULL, &p, (long)len) : NULL;

    good = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), r_s, R_S_BYTES / 2) > 0 &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), r_s + R_S_BYTES / 2, R_S_BYTES / 2) > 0;
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    return good;
}

/* SignedInfo as it is signed: with the namespaces that it inherits. */
static enum tally_status sign_info(const struct tally_sim_rim_signer *s, struct tally_slice info,
                                   uint8_t r_s[R_S_BYTES])
{
    uint8_t text[4096];
    struct tally_wr w = tally_wr_to(text, sizeof text);
    struct tally_slice canonical;

    put(&w, "<ds:SignedInfo xmlns=\"" SWID_URI "\" xmlns:ds=\"" DS_URI "\" xmlns:ns0=\"" SWID_URI
            "\" xmlns:ns2=\"" HASH_URI "\">");
    tally_wr_bytes(&w, info);
    put(&w, "</ds:SignedInfo>");
    TALLY_TRY(tally_wr_end(&w, &canonical));
    TALLY_ENSURE(raw_signature(s->keys[0], canonical, r_s), TALLY_E_LIB, "signing a manifest");
    return TALLY_OK;
}

enum tally_status tally_sim_rim_sign(const struct tally_sim_rim_signer *s, uint8_t *document,
                                     size_t bytes)
{
    static const char open[] = "<ds:Signature ", shut[] = "</ds:Signature>";
    static const char end[] = "</SoftwareIdentity>";
    struct tally_slice all = tally_slice_of(document, bytes);
    struct tally_slice digest = between(all, "<ds:DigestValue>", "</ds:DigestValue>");
    struct tally_slice info = between(all, "<ds:SignedInfo>", "</ds:SignedInfo>");
    struct tally_slice sig = between(all, "<ds:SignatureValue>", "</ds:SignatureValue>");
    const uint8_t *from = memmem(document, bytes, open, sizeof open - 1);
    const uint8_t *until = memmem(document, bytes, shut, sizeof shut - 1);
    const uint8_t *last = memmem(document, bytes, end, sizeof end - 1);
    uint8_t hash[TALLY_SHA384_BYTES], r_s[R_S_BYTES];
    char text[SIGNATURE_CHARS + 1];

    TALLY_ENSURE(digest.len == DIGEST_CHARS && sig.len == SIGNATURE_CHARS && info.at != NULL &&
                     from != NULL && until > from && last > until,
                 TALLY_E_CONFIG, "no Signature to fill in");
    until += sizeof shut - 1;
    const struct tally_slice parts[] = {
        tally_slice_of(document, (size_t)(from - document)),
        tally_slice_of(until, (size_t)(last - until) + sizeof end - 1)};
    tally_hash(TALLY_SHA384, parts, 2, hash);
    tally_base64(TALLY_SLICE(hash), text);
    memcpy(document + (digest.at - document), text, DIGEST_CHARS);
    TALLY_TRY(sign_info(s, info, r_s));
    tally_base64(TALLY_SLICE(r_s), text);
    memcpy(document + (sig.at - document), text, SIGNATURE_CHARS);
    return TALLY_OK;
}
