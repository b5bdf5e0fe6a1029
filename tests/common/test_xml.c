/* test_xml.c - common/attest/xml.c and xml_c14n.c: what is read, what is written in canonical
 * form, and everything that is refused (ATTESTATION.md D.5, XML). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/xml_c14n.h"
#include "tests/lib/suite.h"

enum { ROOM = 4096 };

/* The canonical form of an exact-size copy of a whole document; apex: from that element on, alone.
 * NULL where it is refused. */
static const char *canonical(struct tally_slice in, const char *apex)
{
    static char out[ROOM + 1];
    static struct tally_xml x;
    struct tally_wr w = tally_wr_to(out, ROOM);
    struct tally_slice s;
    struct tally_c14n c;
    uint8_t *exact = malloc(in.len ? in.len : 1);
    enum tally_status status;
    bool on = apex == NULL;

    ck_assert_ptr_nonnull(exact);
    if (in.len > 0) memcpy(exact, in.at, in.len);
    tally_xml_init(&x, tally_slice_of(exact, in.len));
    tally_c14n_to_buffer(&c, &w);
    while ((status = tally_xml_next(&x)) == TALLY_OK && x.kind != TALLY_XML_END) {
        bool edge = apex != NULL && tally_slice_equal(x.name.written, tally_slice_str(apex));
        bool top = edge && x.kind == TALLY_XML_OPEN;
        on |= top;
        if (on) tally_c14n_event(&c, &x, top);
        if (edge && x.kind == TALLY_XML_CLOSE) on = false;
    }
    free(exact);
    if (status != TALLY_OK) return NULL;
    ck_assert_int_eq(tally_wr_end(&w, &s), TALLY_OK);
    out[s.len] = '\0';
    return out;
}

static void becomes(const char *in, const char *want)
{
    const char *got = canonical(tally_slice_str(in), NULL);

    ck_assert_msg(got != NULL, "%s: %s", in, tally_why());
    ck_assert_str_eq(got, want);
}

static void refused(struct tally_slice in)
{
    const char *got = canonical(in, NULL);

    ck_assert_msg(got == NULL, "%.*s was taken", (int)in.len, (const char *)in.at);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_FORMAT);
}

START_TEST(empty_elements_become_pairs_and_line_feeds_at_the_end_go)
{
    becomes("<a/>", "<a></a>");
    becomes("<a></a>\n\n", "<a></a>");
    becomes("<a>\n  <b/>x<c></c>\n</a>", "<a>\n  <b></b>x<c></c>\n</a>");
}
END_TEST

/* Cases of Canonical XML 1.1, sections 2.3 and 3.3, in the subset. */
START_TEST(attributes_are_sorted_by_namespace_and_name)
{
    becomes("<e b=\"2\" a=\"1\" A=\"3\" ab=\"4\"/>", "<e A=\"3\" a=\"1\" ab=\"4\" b=\"2\"></e>");
    becomes("<e xmlns:b=\"http://a\" xmlns:a=\"http://b\" xmlns=\"http://z\" b:attr=\"x\" "
            "a:attr=\"y\" attr2=\"z\" attr=\"w\"/>",
            "<e xmlns=\"http://z\" xmlns:a=\"http://b\" xmlns:b=\"http://a\" attr=\"w\" "
            "attr2=\"z\" b:attr=\"x\" a:attr=\"y\"></e>");
    becomes("<a xmlns:p=\"u\"><p:b p:y=\"1\" x=\"2\" p:x=\"3\"/></a>",
            "<a xmlns:p=\"u\"><p:b x=\"2\" p:x=\"3\" p:y=\"1\"></p:b></a>");
}
END_TEST

START_TEST(declarations_stay_where_they_stand)
{
    becomes("<a><b xmlns:z=\"1\" xmlns:y=\"2\"/><b xmlns:z=\"3\"/></a>",
            "<a><b xmlns:y=\"2\" xmlns:z=\"1\"></b><b xmlns:z=\"3\"></b></a>");
}
END_TEST

START_TEST(the_top_of_a_part_inherits_what_is_in_scope)
{
    const char *in = "<a xmlns=\"d\" xmlns:z=\"1\"><n:b xmlns:n=\"2\"><n:c x=\"y\"><n:d/></n:c>"
                     "</n:b><z:e xmlns:n=\"3\"/></a>";

    ck_assert_str_eq(canonical(tally_slice_str(in), "n:c"),
                     "<n:c xmlns=\"d\" xmlns:n=\"2\" xmlns:z=\"1\" x=\"y\"><n:d></n:d></n:c>");
    ck_assert_str_eq(canonical(tally_slice_str(in), "z:e"),
                     "<z:e xmlns=\"d\" xmlns:n=\"3\" xmlns:z=\"1\"></z:e>");
}
END_TEST

START_TEST(names_are_resolved)
{
    static struct tally_xml x;

    tally_xml_init(&x,
                   tally_slice_str("<a xmlns=\"d\" xmlns:p=\"u\" k=\"1\" p:k=\"2\"><p:b/></a>"));
    ck_assert_int_eq(tally_xml_next(&x), TALLY_OK);
    ck_assert(tally_xml_is(&x, "d", "a") && !tally_xml_is(&x, "", "a"));
    ck_assert(tally_slice_equal(tally_xml_value(&x, "", "k"), tally_slice_str("1")));
    ck_assert(tally_slice_equal(tally_xml_value(&x, "u", "k"), tally_slice_str("2")));
    ck_assert_ptr_null(tally_xml_value(&x, "d", "k").at);
    ck_assert_int_eq(tally_xml_next(&x), TALLY_OK);
    ck_assert(tally_xml_is(&x, "u", "b"));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(tally_xml_next(&x), TALLY_OK);
    ck_assert_int_eq(x.kind, TALLY_XML_END);
}
END_TEST

static const char *const refusals[] = {
    "",
    "\n<a/>",
    " <a/>",
    "x<a/>",
    "a",
    /* more than one root, or something after it */
    "<a/><b/>",
    "<a/> ",
    "<a/>x",
    "<a/><!--c-->",
    "<a></a></a>",
    /* markup */
    "<?xml version=\"1.0\"?><a/>",
    "<!DOCTYPE a><a/>",
    "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
    "<a><!-- c --></a>",
    "<a><![CDATA[x]]></a>",
    "<a><?pi x?></a>",
    "<a>&lt;</a>",
    "<a>&#65;</a>",
    "<a>&amp;</a>",
    "<a>x>y</a>",
    "<a>]]></a>",
    /* tags */
    "<a",
    "<a>",
    "<a/",
    "<a></b>",
    "<a></a",
    "<a></a >",
    "<a ></a>",
    "<a />",
    "< a/>",
    "<a/ >",
    "</a>",
    "<a><b></a></b>",
    "<1a/>",
    "<-a/>",
    "<:a/>",
    "<a:/>",
    "<a:b:c/>",
    "<>",
    "<a/b/>",
    /* attributes */
    "<a b/>",
    "<a b=/>",
    "<a b=c/>",
    "<a b='c'/>",
    "<a b = \"c\"/>",
    "<a  b=\"c\"/>",
    "<a\nb=\"c\"/>",
    "<a b=\"c\"d=\"e\"/>",
    "<a b=\"c/>",
    "<a b=\"<\"/>",
    "<a b=\">\"/>",
    "<a b=\"&amp;\"/>",
    "<a b=\"x\ny\"/>",
    "<a b=\"x\ty\"/>",
    "<a b=\"1\" b=\"1\"/>",
    "<a xmlns:p=\"u\" xmlns:q=\"u\" p:b=\"1\" q:b=\"2\"/>",
    /* namespaces */
    "<p:a/>",
    "<a p:b=\"1\"/>",
    "<a><p:b xmlns:p=\"u\"/><p:c/></a>",
    "<a xmlns:p=\"u\"><b xmlns:p=\"v\"/></a>",
    "<a xmlns:p=\"u\"><b xmlns:p=\"u\"/></a>",
    "<a xmlns=\"u\"><b xmlns=\"v\"/></a>",
    "<a xmlns=\"u\"><b xmlns=\"\"/></a>",
    "<a xmlns=\"u\" xmlns=\"v\"/>",
    "<a xmlns:p=\"u\" xmlns:p=\"u\"/>",
    "<a xmlns=\"\"/>",
    "<a xmlns:p=\"\"/>",
    "<a xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"/>",
    "<a xmlns:xml=\"u\"/>",
    "<a xmlns:p=\"http://www.w3.org/XML/1998/namespace\"/>",
    "<a xmlns=\"http://www.w3.org/XML/1998/namespace\"/>",
    "<a xmlns:xmlns=\"u\"/>",
    "<a xmlns:p=\"http://www.w3.org/2000/xmlns/\"/>",
    "<a xml:lang=\"en\"/>",
    "<a xml:id=\"x\"/>",
    "<xmlns:a/>",
    "<xml:a/>",
    /* characters */
    "\xef\xbb\xbf<a/>",
    "<a>\r\n</a>",
    "<a>\t</a>",
    "<a>\x01</a>",
    "<a>\x7f</a>",
    "<a>\xc3\xa9</a>",
    "<a b=\"\xc3\xa9\"/>",
    "<\xc3\xa9/>",
};

START_TEST(everything_outside_the_subset_is_refused)
{
    refused(tally_slice_str(refusals[_i]));
}
END_TEST

START_TEST(nul_bytes_and_utf_16_are_refused)
{
    refused(TALLY_SLICE("<a>\0</a>"));
    refused(TALLY_SLICE("<a b=\"\0\"/>"));
    refused(TALLY_SLICE("<a\0/>"));
    refused(tally_slice_of("<a/>\0", 5));
    refused(tally_slice_of("\xff\xfe<\0a\0/\0>\0", 10));
    refused(tally_slice_of("\0<\0a\0/\0>", 8));
}
END_TEST

/* n times `part`, between head and tail; the caller frees. */
static struct tally_slice repeated(const char *head, const char *part, size_t n, const char *tail)
{
    size_t len = strlen(part), cap = strlen(head) + n * len + strlen(tail);
    uint8_t *b = malloc(cap);

    ck_assert_ptr_nonnull(b);
    struct tally_wr w = tally_wr_to(b, cap);
    tally_wr_bytes(&w, tally_slice_str(head));
    for (size_t i = 0; i < n; i++) tally_wr_put(&w, part, len);
    tally_wr_bytes(&w, tally_slice_str(tail));
    ck_assert(!w.full && w.used == cap);
    return tally_slice_of(b, cap);
}

static enum tally_status drain(struct tally_slice in)
{
    static struct tally_xml x;
    enum tally_status s;

    tally_xml_init(&x, in);
    while ((s = tally_xml_next(&x)) == TALLY_OK && x.kind != TALLY_XML_END) continue;
    return s;
}

static void at_limit(const char *head, const char *part, size_t n, const char *tail, bool good)
{
    struct tally_slice in = repeated(head, part, n, tail);

    ck_assert_msg((drain(in) == TALLY_OK) == good, "%s%s x %zu", head, part, n);
    if (!good) ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_FORMAT);
    free((void *)(uintptr_t)in.at);
}

START_TEST(every_limit_holds_to_the_one)
{
    at_limit("", "<a>", 100000, "", false);
    becomes("<a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a>",
            "<a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a>");
    refused(tally_slice_str("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>"));
    at_limit("<a>", "<a/>", TALLY_XML_ELEMENTS_MAX - 1, "</a>", true);
    at_limit("<a>", "<a/>", TALLY_XML_ELEMENTS_MAX, "</a>", false);
    at_limit("<", "a", TALLY_XML_NAME_MAX, "/>", true);
    at_limit("<", "a", TALLY_XML_NAME_MAX + 1, "/>", false);
    at_limit("<a b=\"", "c", TALLY_XML_VALUE_MAX, "\"/>", true);
    at_limit("<a b=\"", "c", TALLY_XML_VALUE_MAX + 1, "\"/>", false);
}
END_TEST

/* A tag with n attributes or declarations with different names. */
static bool many(const char *before, unsigned n)
{
    char text[2048] = "<a";
    size_t used = 2;

    for (unsigned i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%c=\"1\"", before,
                                 (char)('a' + i / 26), (char)('a' + i % 26));
    (void)snprintf(text + used, sizeof text - used, "/>");
    return drain(tally_slice_str(text)) == TALLY_OK;
}

START_TEST(attributes_and_namespaces_are_counted)
{
    ck_assert(many(" ", TALLY_XML_ATTRS_MAX));
    ck_assert(!many(" ", TALLY_XML_ATTRS_MAX + 1));
    ck_assert(many(" xmlns:", TALLY_XML_NAMESPACES_MAX));
    ck_assert(!many(" xmlns:", TALLY_XML_NAMESPACES_MAX + 1));
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_FORMAT);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    const char *in = "<a xmlns:p=\"u\">\n <p:b c=\"d\" p:e=\"\"/>text</a>";

    for (size_t len = 0; len < strlen(in); len++) refused(tally_slice_of(in, len));
    ck_assert_ptr_nonnull(canonical(tally_slice_str(in), NULL));
}
END_TEST

/* In pieces of every size, the hasher sees what the buffer sees. */
START_TEST(the_hasher_and_the_buffer_agree)
{
    struct tally_slice in = repeated("<a b=\"1\">", "some text and <b c=\"2\"/>", 400, "</a>");
    static uint8_t text[32768];
    static struct tally_xml x;
    struct tally_wr w = tally_wr_to(text, sizeof text);
    struct tally_hasher h;
    struct tally_c14n to_hasher, to_buffer;
    uint8_t a[48], b[48];

    tally_hasher_init(&h, TALLY_SHA384);
    tally_c14n_to_hasher(&to_hasher, &h);
    tally_c14n_to_buffer(&to_buffer, &w);
    tally_xml_init(&x, in);
    while (tally_xml_next(&x) == TALLY_OK && x.kind != TALLY_XML_END) {
        tally_c14n_event(&to_hasher, &x, false);
        tally_c14n_event(&to_buffer, &x, false);
    }
    ck_assert_int_eq(x.kind, TALLY_XML_END);
    tally_c14n_flush(&to_hasher);
    tally_hasher_end(&h, a);
    ck_assert(!w.full && w.used > in.len);
    tally_hash(TALLY_SHA384, TALLY_SLICES(tally_slice_of(text, w.used)), 1, b);
    ck_assert_mem_eq(a, b, sizeof a);
    free((void *)(uintptr_t)in.at);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("xml");

    tcase_add_test(t, empty_elements_become_pairs_and_line_feeds_at_the_end_go);
    tcase_add_test(t, attributes_are_sorted_by_namespace_and_name);
    tcase_add_test(t, declarations_stay_where_they_stand);
    tcase_add_test(t, the_top_of_a_part_inherits_what_is_in_scope);
    tcase_add_test(t, names_are_resolved);
    tcase_add_loop_test(t, everything_outside_the_subset_is_refused, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    tcase_add_test(t, nul_bytes_and_utf_16_are_refused);
    tcase_add_test(t, every_limit_holds_to_the_one);
    tcase_add_test(t, attributes_and_namespaces_are_counted);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, the_hasher_and_the_buffer_agree);
    return tally_suite_run("common/xml", t);
}
