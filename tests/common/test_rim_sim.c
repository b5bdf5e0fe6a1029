/* test_rim_sim.c - common/attest/rim*.c on manifests of our own (sim_rim.c): signed properly, and
 * with everything wrong that ATTESTATION.md D.5 lists under RIM and XML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/simulated_rim.h"
#include "tests/lib/suite.h"

#define DRIVER  "580.95.05"
#define C14N11  "http://www.w3.org/2006/12/xml-c14n11"
#define MORE    "http://www.w3.org/2001/04/xmldsig-more#"
#define PAYLOAD "    <ns0:Payload>\n"
enum { DAY_S = 86400, YEAR_S = 365 * DAY_S };
static const uint64_t driver_mask = 0x0000fff000000f80;

static struct tally_rim rim, out;

static struct simulated_rim document(void)
{
    struct simulated_rim d;

    simulated_rim_init(&rim, DRIVER, driver_mask, 2);
    simulated_rim_write(&rim, simulated_rim_signer(), &d);
    return d;
}

static void same_rim(const struct tally_rim *a, const struct tally_rim *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_str_eq(a->product, b->product);
    ck_assert_str_eq(a->name, b->name);
    ck_assert_str_eq(a->version, b->version);
    ck_assert_str_eq(a->edition, b->edition);
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        const struct tally_rim_measurement *m = &a->measurements[i], *n = &b->measurements[i];
        ck_assert(m->present == n->present && m->active == n->active);
        ck_assert_uint_eq(m->alternatives, n->alternatives);
        ck_assert_mem_eq(m->hashes, n->hashes, m->alternatives * sizeof m->hashes[0]);
    }
}

START_TEST(what_is_written_is_read_and_trusted_as_a_test)
{
    static const char *const versions[] = {DRIVER, "96.00.74.00.1A", "545.00"};

    for (uint8_t k = 1; k <= TALLY_RIM_ALTERNATIVES_MAX; k++) {
        struct simulated_rim d;
        simulated_rim_init(&rim, versions[k % 3], driver_mask, k);
        rim.measurements[63] = (struct tally_rim_measurement){0};
        simulated_rim_write(&rim, simulated_rim_signer(), &d);
        ck_assert_uint_le(d.len, TALLY_RIM_BYTES_MAX);
        simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_NONE, &out);
        same_rim(&out, &rim);
        ck_assert_int_eq(out.trust, TALLY_TRUST_TEST);
        ck_assert_uint_eq(out.not_before_s, SIM_RIM_NOW_S - DAY_S);
        ck_assert_uint_eq(out.not_after_s, SIM_RIM_NOW_S - DAY_S + 2 * YEAR_S);
    }
}
END_TEST

/* A change to a properly written document, signed again unless said otherwise. */
/* clang-format off */
static const struct {
    const char *find, *with;
    enum tally_reason reason;
    bool unsigned_change;
} changes[] = {
    /* the signed text */
    {"version=\"1.0\"", "version=\"1.1\"", TALLY_R_NONE, false},
    {"version=\"1.0\"", "version=\"1.1\"", TALLY_R_E_RIM_SIG, true},
    {"580.95.05", "580.95.06", TALLY_R_E_RIM_SIG, true},
    {"active=\"False\"", "active=\"True\"", TALLY_R_E_RIM_SIG, true},
    {"</ns0:Payload>\n", "</ns0:Payload>\n\n", TALLY_R_E_RIM_SIG, true},
    {"</ns0:Payload>\n", "</ns0:Payload>\n\n", TALLY_R_NONE, false},
    /* XML outside the subset */
    {"<SoftwareIdentity ",
     "<?xml version=\"1.0\"?><SoftwareIdentity ", TALLY_R_E_RIM_FORMAT, false},
    {"<SoftwareIdentity ", "<!DOCTYPE S><SoftwareIdentity ", TALLY_R_E_RIM_FORMAT, false},
    {"<SoftwareIdentity ",
     "<!DOCTYPE S [<!ENTITY a \"&b;&b;\"><!ENTITY b \"x\">]><SoftwareIdentity ",
     TALLY_R_E_RIM_FORMAT, false},
    {"<SoftwareIdentity ",
     "<!DOCTYPE S SYSTEM \"file:///etc/passwd\"><SoftwareIdentity ", TALLY_R_E_RIM_FORMAT, false},
    {"Test federation", "&xxe;", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:DigestValue>", "<ds:DigestValue><!---->", TALLY_R_E_RIM_FORMAT, true},
    {"</ds:DigestValue>", "<!-- x --></ds:DigestValue>", TALLY_R_E_RIM_FORMAT, true},
    {PAYLOAD, PAYLOAD "<![CDATA[]]>", TALLY_R_E_RIM_FORMAT, false},
    {PAYLOAD, PAYLOAD "<?pi?>", TALLY_R_E_RIM_FORMAT, false},
    {"<SoftwareIdentity ", "\xef\xbb\xbf<SoftwareIdentity ", TALLY_R_E_RIM_FORMAT, false},
    {"Test federation", "F\xc3\xb6" "deration", TALLY_R_E_RIM_FORMAT, false},
    {PAYLOAD, "    <ns0:Payload>\r\n", TALLY_R_E_RIM_FORMAT, false},
    {"name=\"GH100\"", "name=\"GH100\" name=\"GH100\"", TALLY_R_E_RIM_FORMAT, false},
    {"product=\"GH100\"", "product=\"GB100\" product=\"GH100\"", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns:ns2=",
     "xmlns:xml=\"http://www.w3.org/XML/1998/namespace\" xmlns:ns2=", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns:ns2=", "xmlns:xml=\"http://evil\" xmlns:ns2=", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns:ns0=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\"",
     "xmlns:ns0=\"http://evil\"", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns:ns2=\"http://www.w3.org/2001/04/xmlenc#sha384\"",
     "xmlns:ns2=\"http://evil\"", TALLY_R_E_RIM_FORMAT, false},
    {"<ns0:Payload>", "<ns0:Payload xmlns:ns0=\"http://evil\">", TALLY_R_E_RIM_FORMAT, false},
    {"<ns0:Payload>", "<ns0:Payload xmlns:ns2=\"http://evil\">", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\"",
     "xmlns=\"http://evil\"", TALLY_R_E_RIM_FORMAT, false},
    {"xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"",
     "xmlns:ds=\"http://evil\"", TALLY_R_E_RIM_FORMAT, false},
    {"</SoftwareIdentity>", "</SoftwareIdentity><x/>", TALLY_R_E_RIM_FORMAT, false},
    {"</SoftwareIdentity>", "</SoftwareIdentity>x", TALLY_R_E_RIM_FORMAT, false},
    /* another shape */
    {"<ns0:Entity ", "<ns0:Link></ns0:Link><ns0:Entity ", TALLY_R_E_RIM_FORMAT, false},
    {"<ns0:Entity ", "text<ns0:Entity ", TALLY_R_E_RIM_FORMAT, false},
    {"</ns0:Entity>", "x</ns0:Entity>", TALLY_R_E_RIM_FORMAT, false},
    {"</ns0:Meta>", "<ns0:Meta></ns0:Meta></ns0:Meta>", TALLY_R_E_RIM_FORMAT, false},
    {"<ns0:Payload>", "<ns0:Payload></ns0:Payload><ns0:Payload>", TALLY_R_E_RIM_FORMAT, false},
    {"</ns0:Payload>", "</ns0:Payload><ns0:Payload></ns0:Payload>", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:Signature>", "</ds:Signature><ns0:Payload></ns0:Payload>", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:Signature>", "</ds:Signature>\n", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:Signature>",
     "</ds:Signature><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"></ds:Signature>",
     TALLY_R_E_RIM_FORMAT, true},
    {"<ds:Signature ",
     "<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"></ds:Object><ds:Signature ",
     TALLY_R_E_RIM_FORMAT, false},
    {PAYLOAD, PAYLOAD "<ns0:Directory></ns0:Directory>", TALLY_R_E_RIM_FORMAT, false},
    {"<ns0:Payload>", "<ns0:Payload Id=\"p\">", TALLY_R_E_RIM_FORMAT, false},
    {"></ns0:Resource>",
     "><ns0:Resource></ns0:Resource></ns0:Resource>", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Signature ", "<ds:Signature Id=\"s\" ", TALLY_R_E_RIM_FORMAT, false},
    /* the signature's parts */
    {"<ds:Reference URI=\"\">", "<ds:Reference URI=\"#id\">", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Reference URI=\"\">", "<ds:Reference>", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Reference URI=\"\">", "<ds:Reference Type=\"t\" URI=\"\">", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:Reference>",
     "</ds:Reference><ds:Reference URI=\"\"></ds:Reference>", TALLY_R_E_RIM_FORMAT, false},
    {MORE "sha384", "http://www.w3.org/2000/09/xmldsig#sha1", TALLY_R_E_RIM_FORMAT, false},
    {MORE "sha384", "http://www.w3.org/2001/04/xmlenc#sha256", TALLY_R_E_RIM_FORMAT, false},
    {MORE "ecdsa-sha384", MORE "rsa-sha384", TALLY_R_E_RIM_FORMAT, false},
    {MORE "ecdsa-sha384", MORE "hmac-sha384", TALLY_R_E_RIM_FORMAT, false},
    {MORE "ecdsa-sha384", MORE "ecdsa-sha256", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:CanonicalizationMethod Algorithm=\"" C14N11 "\">",
     "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
     TALLY_R_E_RIM_FORMAT, false},
    {"<ds:CanonicalizationMethod Algorithm=\"" C14N11 "\">",
     "<ds:CanonicalizationMethod Algorithm=\"" C14N11 "#WithComments\">",
     TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Transform Algorithm=\"" C14N11 "\">",
     "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
     TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Transform Algorithm=\"" C14N11 "\">",
     "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"></ds:Transform><d"
     "s:Transform Algorithm=\"" C14N11 "\">",
     TALLY_R_E_RIM_FORMAT, false},
    {"</ds:Transforms>",
     "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"></ds:Transform></d"
     "s:Transforms>",
     TALLY_R_E_RIM_FORMAT, false},
    {"<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\">"
     "</ds:Transform>",
     "", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyValue></ds:KeyValue>", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:X509Data>", "</ds:X509Data><ds:KeyValue></ds:KeyValue>", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:X509Data>", "</ds:X509Data><ds:X509Data></ds:X509Data>", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:X509Data>",
     "<ds:X509Data><ds:X509SubjectName></ds:X509SubjectName>", TALLY_R_E_RIM_FORMAT, false},
    {"</ds:KeyInfo>", "</ds:KeyInfo><ds:Object></ds:Object>", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:X509Certificate>MII", "<ds:X509Certificate>M*I", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:X509Certificate>MII", "<ds:X509Certificate>MI", TALLY_R_E_RIM_FORMAT, false},
    {"<ds:SignatureValue>", "<ds:SignatureValue>AAAA", TALLY_R_E_RIM_FORMAT, true},
    {"<ds:SignatureValue>", "<ds:SignatureValue>\n", TALLY_R_E_RIM_FORMAT, true},
    {"<ds:DigestValue>", "<ds:DigestValue>AAAA", TALLY_R_E_RIM_FORMAT, true},
    {"<ds:DigestValue>", "<ds:DigestValue> ", TALLY_R_E_RIM_FORMAT, true},
    {"<ds:SignedInfo>", "<ds:SignedInfo>\n", TALLY_R_E_RIM_FORMAT, false},
    /* measurements */
    {"alternatives=\"2\"", "alternatives=\"0\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"1\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"3\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"17\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"1000000000\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"-1\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"02\"", TALLY_R_E_RIM_FORMAT, false},
    {"alternatives=\"2\"", "alternatives=\"\"", TALLY_R_E_RIM_FORMAT, false},
    {" alternatives=\"2\"", "", TALLY_R_E_RIM_FORMAT, false},
    {"size=\"48\"", "size=\"32\"", TALLY_R_E_RIM_FORMAT, false},
    {"size=\"48\"", "size=\"048\"", TALLY_R_E_RIM_FORMAT, false},
    {"index=\"63\"", "index=\"64\"", TALLY_R_E_RIM_FORMAT, false},
    {"index=\"63\"", "index=\"62\"", TALLY_R_E_RIM_FORMAT, false},
    {"index=\"63\"", "index=\"4294967295\"", TALLY_R_E_RIM_FORMAT, false},
    {"index=\"7\"", "index=\"07\"", TALLY_R_E_RIM_FORMAT, false},
    {"active=\"True\"", "active=\"true\"", TALLY_R_E_RIM_FORMAT, false},
    {"type=\"Measurement\"", "type=\"File\"", TALLY_R_E_RIM_FORMAT, false},
    {"name=\"Measurement_0\" ", "", TALLY_R_E_RIM_FORMAT, false},
    {" ns2:Hash0=\"", " ns2:Hash0=\"0", TALLY_R_E_RIM_FORMAT, false},
    {" ns2:Hash0=\"", " ns2:Hash2=\"", TALLY_R_E_RIM_FORMAT, false},
    {" ns2:Hash0=\"", " Hash0=\"", TALLY_R_E_RIM_FORMAT, false},
    /* versions and names */
    {"580.95.05", "580", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "580.95.05.1", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "580.95.", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "96.00.74.00.1a", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "96.00.74.00.1", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "", TALLY_R_E_RIM_FORMAT, false},
    {"580.95.05", "580.95.0555555555555555555555555", TALLY_R_E_RIM_FORMAT, false},
    {" product=\"GH100\"", "", TALLY_R_E_RIM_FORMAT, false},
    {"product=\"GH100\"", "product=\"GB100\"", TALLY_R_E_RIM_VERSION, false},
    {"name=\"GH100\"", "name=\"GB100\"", TALLY_R_E_RIM_VERSION, false},
};
/* clang-format on */

START_TEST(a_changed_document_is_refused_by_name)
{
    struct simulated_rim d = document();

    simulated_rim_replace(&d, changes[_i].find, changes[_i].with);
    /* What the signer cannot find any more stays as it was: the form is refused before that. */
    if (!changes[_i].unsigned_change)
        (void)(tally_sim_rim_sign(simulated_rim_signer(), (uint8_t *)d.at, d.len) == TALLY_OK);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, changes[_i].reason, &out);
}
END_TEST

/* From "<ds:Signature " to its end, cut out of d; the caller frees. */
static char *cut_signature(struct simulated_rim *d)
{
    char *from = strstr(d->at, "<ds:Signature "), *until = strstr(d->at, "</ds:Signature>") + 15;
    char *copy = strndup(from, (size_t)(until - from));

    ck_assert_ptr_nonnull(copy);
    simulated_rim_replace(d, copy, "");
    return copy;
}

/* The classic wrapping: the signature moved to where its document is not the signed one. */
START_TEST(a_signature_at_another_place_is_refused)
{
    static const char *const places[] = {"<ns0:Entity ", PAYLOAD, "        <ns0:Resource ",
                                         "    <ns0:Payload>"};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct simulated_rim d = document();
        char *sig = cut_signature(&d);
        char *with = malloc(strlen(sig) + 64);
        ck_assert_ptr_nonnull(with);
        bool after = strcmp(places[i], PAYLOAD) == 0;
        (void)sprintf(with, "%s%s%s", after ? places[i] : "", sig, after ? "" : places[i]);
        simulated_rim_replace(&d, places[i], with);
        simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
        free(with);
        free(sig);
    }
    struct simulated_rim d = document();
    free(cut_signature(&d));
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
}
END_TEST

START_TEST(a_signed_document_inside_another_is_refused)
{
    struct simulated_rim d = document();

    simulated_rim_replace(&d, "<SoftwareIdentity ", "<Wrapper><SoftwareIdentity ");
    simulated_rim_replace(&d, "</SoftwareIdentity>", "</SoftwareIdentity></Wrapper>");
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
}
END_TEST

START_TEST(two_signatures_of_one_document_are_refused)
{
    struct simulated_rim d = document(), twin = document();
    char *sig = cut_signature(&twin), *twice = malloc(2 * strlen(sig) + 32);

    ck_assert_ptr_nonnull(twice);
    (void)sprintf(twice, "%s</SoftwareIdentity>", sig);
    simulated_rim_replace(&d, "</SoftwareIdentity>", twice);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
    simulated_rim_free(&twin);
    free(twice);
    free(sig);
}
END_TEST

START_TEST(a_hundred_thousand_nested_elements_are_refused)
{
    enum { N = 100000 };
    struct simulated_rim d = {.cap = 4 * N, .len = 3 * N};

    d.at = malloc(d.cap);
    ck_assert_ptr_nonnull(d.at);
    for (size_t i = 0; i < d.len; i++) d.at[i] = "<a>"[i % 3];
    struct simulated_rim small = {.at = malloc(TALLY_RIM_BYTES_MAX), .len = TALLY_RIM_BYTES_MAX};
    ck_assert_ptr_nonnull(small.at);
    memcpy(small.at, d.at, small.len);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_OVERSIZE, &out);
    simulated_rim_expect(&small, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
}
END_TEST

START_TEST(utf_16_and_nul_bytes_are_refused)
{
    struct simulated_rim d = document(), wide = {.at = malloc(2 * d.len), .len = 2 * d.len};

    ck_assert_ptr_nonnull(wide.at);
    for (size_t i = 0; i < d.len; i++) {
        wide.at[2 * i] = d.at[i];
        wide.at[2 * i + 1] = '\0';
    }
    wide.len = wide.len < TALLY_RIM_BYTES_MAX ? wide.len : TALLY_RIM_BYTES_MAX;
    simulated_rim_expect(&wide, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
    d.at[d.len++] = '\0';
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_FORMAT, &out);
}
END_TEST

START_TEST(hashes_may_be_in_either_case)
{
    struct simulated_rim d = document();
    char *at = strstr(d.at, "ns2:Hash0=\"") + strlen("ns2:Hash0=\"");

    for (size_t i = 0; i < 96; i++)
        if (at[i] >= 'a') at[i] = (char)(at[i] - 'a' + 'A');
    simulated_rim_sign(&d, simulated_rim_signer());
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_NONE, &out);
    ck_assert_mem_eq(out.measurements[0].hashes[0], rim.measurements[0].hashes[0], 48);
}
END_TEST

START_TEST(a_manifest_without_an_active_measurement_is_refused)
{
    struct simulated_rim d;

    simulated_rim_init(&rim, DRIVER, 0, 1);
    simulated_rim_write(&rim, simulated_rim_signer(), &d);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_EMPTY, &out);
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) rim.measurements[i].present = false;
    simulated_rim_write(&rim, simulated_rim_signer(), &d);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_EMPTY, &out);
}
END_TEST

START_TEST(the_largest_legal_manifest_is_taken)
{
    struct simulated_rim d;

    simulated_rim_init(&rim, DRIVER, UINT64_MAX, TALLY_RIM_ALTERNATIVES_MAX);
    simulated_rim_write(&rim, simulated_rim_signer(), &d);
    ck_assert_uint_le(d.len, TALLY_RIM_BYTES_MAX);
    simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_NONE, &out);
}
END_TEST

START_TEST(nothing_is_given_out_on_failure)
{
    struct simulated_rim d = document();

    simulated_rim_replace(&d, "580.95.05", "580.95.06");
    memset(&out, 0xa5, sizeof out);
    ck_assert_int_ne(simulated_rim_verify(&d, simulated_rim_signer(), SIM_RIM_NOW_S, &out),
                     TALLY_OK);
    for (size_t i = 0; i < sizeof out; i++) ck_assert_uint_eq(((const uint8_t *)&out)[i], 0xa5);
    simulated_rim_free(&d);
}
END_TEST

int main(void)
{
    simulated_rim_setup();
    TCase *t = tcase_create("rim_sim");

    tcase_add_test(t, what_is_written_is_read_and_trusted_as_a_test);
    tcase_add_loop_test(t, a_changed_document_is_refused_by_name, 0,
                        (int)(sizeof changes / sizeof changes[0]));
    tcase_add_test(t, a_signature_at_another_place_is_refused);
    tcase_add_test(t, a_signed_document_inside_another_is_refused);
    tcase_add_test(t, two_signatures_of_one_document_are_refused);
    tcase_add_test(t, a_hundred_thousand_nested_elements_are_refused);
    tcase_add_test(t, utf_16_and_nul_bytes_are_refused);
    tcase_add_test(t, hashes_may_be_in_either_case);
    tcase_add_test(t, a_manifest_without_an_active_measurement_is_refused);
    tcase_add_test(t, the_largest_legal_manifest_is_taken);
    tcase_add_test(t, nothing_is_given_out_on_failure);
    int failed = tally_suite_run("common/rim_sim", t);
    struct tally_sim_rim_signer *s = simulated_rim_signer();
    tally_sim_rim_signer_free(&s);
    return failed;
}
