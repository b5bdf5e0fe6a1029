/* test_rim.c - common/attest/rim*.c over every published manifest (vectors/nvgpu,
 * expected.json). Slow forms run with TALLY_LONG=1, the benchmark with
 * TALLY_BENCH=1; what needs manifests of our own is in test_rim_sim.c. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/anchors.h"
#include "common/attest/cache.h"
#include "common/attest/rim.h"
#include "common/attest/verdict.h"
#include "common/attest/xml_c14n.h"
#include "common/cert.h"
#include "common/text.h"
#include "tests/lib/rim_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

#define DRIVER "NV_GPU_DRIVER_GH100_550.144.03.xml"
#define DS_URI "http://www.w3.org/2000/09/xmldsig#"
enum { FILES = 35 };

static unsigned count_active(const struct tally_rim *r)
{
    unsigned n = 0;

    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) n += r->measurements[i].active;
    return n;
}

static bool true_in(const json_t *row, const char *key)
{
    return json_is_true(json_object_get(row, key));
}

/* What the table says of a file at a time when nothing has expired. */
static enum tally_reason expected_reason(const json_t *row)
{
    if (!true_in(row, "chain")) return TALLY_R_E_RIM_CHAIN;
    return true_in(row, "digest") && true_in(row, "sig") ? TALLY_R_NONE : TALLY_R_E_RIM_SIG;
}

START_TEST(every_real_manifest_gets_its_expected_result)
{
    static struct tally_rim r;
    unsigned good = 0, judged = 0;
    size_t i;
    json_t *row;

    json_array_foreach(rim_vectors_table("rims"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        struct tally_slice xml = rim_vector(name);
        enum tally_reason want = expected_reason(row);
        enum tally_status s = rim_vector_verify(xml, rim_vector_in_force(row), &r);
        ck_assert_msg((s == TALLY_OK) == (want == TALLY_R_NONE), "%s: %s", name, tally_why());
        if (s != TALLY_OK) ck_assert_msg(tally_reason() == want, "%s: %s", name, tally_why());
        judged++;
        good += s == TALLY_OK;
        ck_assert_int_eq(tally_rim_read(xml, &r), TALLY_OK);
        ck_assert_str_eq(r.version, json_string_value(json_object_get(row, "ver")));
        ck_assert_str_eq(r.product, json_string_value(json_object_get(row, "product")));
        ck_assert_str_eq(r.name, r.product);
        ck_assert_int_eq(count_active(&r), json_integer_value(json_object_get(row, "active")));
        ck_assert_int_eq(r.kind, strlen(r.version) == 14 ? TALLY_RIM_VBIOS : TALLY_RIM_DRIVER);
        rim_vector_drop(xml);
    }
    ck_assert_uint_eq(judged, FILES);
    ck_assert_uint_eq(good, 29);
}
END_TEST

/* Today's date: all but the three newest leaves are out of date, which is said before the
 * signature is; a chain that is wrong is said before that. */
START_TEST(in_november_2026_most_have_expired)
{
    static struct tally_rim r;
    uint64_t now_s = rim_vector_time("2026-11-22T00:00:00Z");
    unsigned good = 0, expired = 0;
    size_t i;
    json_t *row;

    json_array_foreach(rim_vectors_table("rims"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *until = json_string_value(json_array_get(json_object_get(row, "leaf"), 2));
        enum tally_reason want = expected_reason(row);
        struct tally_slice xml = rim_vector(name);
        if (want != TALLY_R_E_RIM_CHAIN && strcmp(until, "2026-11-22") < 0)
            want = TALLY_R_E_RIM_EXPIRED;
        enum tally_status s = rim_vector_verify(xml, now_s, &r);
        ck_assert_msg(want == TALLY_R_NONE ? s == TALLY_OK : tally_reason() == want, "%s: %s", name,
                      tally_why());
        good += s == TALLY_OK;
        expired += s != TALLY_OK && tally_reason() == TALLY_R_E_RIM_EXPIRED;
        rim_vector_drop(xml);
    }
    ck_assert_uint_eq(good, 2); /* the driver's of 2024-12-30 and the switch's */
    ck_assert_uint_eq(expired, 30);
}
END_TEST

static bool appraise(struct tally_slice xml, const struct tally_expect *e, bool allow_expired,
                     struct tally_rim *r, struct tally_verdict *v)
{
    const struct tally_rim_terms terms = {rim_vector_anchors, rim_vector_anchors_n, e,
                                          allow_expired};

    return tally_rim_appraise(xml, &terms, r, v);
}

START_TEST(an_expired_manifest_may_be_a_forged_one_too)
{
    static struct tally_rim r;
    static struct tally_verdict v;
    struct tally_slice xml = rim_vector("NEG_NV_GPU_DRIVER_GH100_570.124.03_expired.xml");
    const struct tally_expect e = {.now_s = rim_vector_time("2026-11-22T00:00:00Z")};

    tally_verdict_init(&v);
    ck_assert(!appraise(xml, &e, false, &r, &v));
    ck_assert_uint_eq(v.failed_n, 2);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_RIM_EXPIRED);
    ck_assert_int_eq(v.failed[1].reason, TALLY_R_E_RIM_SIG);
    tally_verdict_init(&v);
    ck_assert(!appraise(xml, &e, true, &r, &v));
    ck_assert_uint_eq(v.failed_n, 1);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_RIM_SIG);
    rim_vector_drop(xml);
}
END_TEST

START_TEST(an_expired_leaf_alone_may_be_allowed)
{
    static struct tally_rim r;
    struct tally_slice xml =
        rim_vector("NEG_NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml");
    struct tally_expect e = {.now_s = rim_vector_time("2026-11-22T00:00:00Z")};

    ck_assert_int_ne(tally_rim_verify(xml, rim_vector_anchors, rim_vector_anchors_n, &e, false, &r),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_EXPIRED);
    ck_assert_msg(tally_rim_verify(xml, rim_vector_anchors, rim_vector_anchors_n, &e, true, &r) ==
                      TALLY_OK,
                  "%s", tally_why());
    ck_assert_uint_gt(r.not_after_s, e.now_s); /* its issuer's end */
    e.now_s = r.not_after_s + 1;
    ck_assert_int_ne(tally_rim_verify(xml, rim_vector_anchors, rim_vector_anchors_n, &e, true, &r),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_EXPIRED);
    rim_vector_drop(xml);
}
END_TEST

START_TEST(dates_hold_to_the_second)
{
    static struct tally_rim r;
    struct tally_slice xml = rim_vector(DRIVER);

    ck_assert_int_eq(rim_vector_verify(xml, rim_vector_time("2025-06-01T00:00:00Z"), &r), TALLY_OK);
    ck_assert_int_eq(r.trust, TALLY_TRUST_HARDWARE);
    uint64_t from = r.not_before_s, until = r.not_after_s;
    ck_assert_uint_eq(from, rim_vector_time("2024-12-30T16:56:50Z"));
    ck_assert_uint_eq(until, rim_vector_time("2026-12-30T16:56:50Z"));
    ck_assert_int_ne(rim_vector_verify(xml, from - 1, &r), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NOT_YET_VALID);
    ck_assert_int_eq(rim_vector_verify(xml, from, &r), TALLY_OK);
    ck_assert_int_eq(rim_vector_verify(xml, until, &r), TALLY_OK);
    ck_assert_int_ne(rim_vector_verify(xml, until + 1, &r), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_EXPIRED);
    rim_vector_drop(xml);
}
END_TEST

START_TEST(another_root_is_no_root_of_trust)
{
    static struct tally_rim r;
    struct tally_slice xml = rim_vector(DRIVER);
    const struct tally_expect e = {.now_s = rim_vector_time("2025-06-01T00:00:00Z")};
    struct tally_anchor device;

    ck_assert_int_eq(tally_anchor_named("nvidia-device", &device), TALLY_OK);
    ck_assert_int_ne(tally_rim_verify(xml, &device, 1, &e, false, &r), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    ck_assert_int_ne(tally_rim_verify(xml, NULL, 0, &e, false, &r), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    rim_vector_drop(xml);
}
END_TEST

/* The canonical form of a document without its Signature, as text. */
static struct tally_slice canonical(struct tally_slice in, uint8_t *out, size_t cap)
{
    struct tally_xml x;
    struct tally_c14n c;
    struct tally_wr w = tally_wr_to(out, cap);
    struct tally_slice s;
    bool cut = false;

    tally_xml_init(&x, in);
    tally_c14n_to_buffer(&c, &w);
    for (;;) {
        ck_assert_msg(tally_xml_next(&x) == TALLY_OK, "%s", tally_why());
        if (x.kind == TALLY_XML_END) break;
        bool edge = tally_slice_equal(x.name.written, tally_slice_str("ds:Signature"));
        if (x.kind == TALLY_XML_OPEN && edge) cut = true;
        if (!cut) tally_c14n_event(&c, &x, false);
        if (x.kind == TALLY_XML_CLOSE && edge) cut = false;
    }
    ck_assert_int_eq(tally_wr_end(&w, &s), TALLY_OK);
    return s;
}

/* OpenSSL hashes what the canonicaliser wrote out, and the document's own DigestValue is the
 * second opinion: right for the files whose digest the table calls right, and for no other. */
START_TEST(the_canonical_form_has_the_digest_that_the_document_says)
{
    static uint8_t text[TALLY_RIM_BYTES_MAX], again[TALLY_RIM_BYTES_MAX];
    unsigned right = 0;
    size_t i;
    json_t *row;

    json_array_foreach(rim_vectors_table("rims"), i, row)
    {
        struct tally_slice xml = rim_vector(json_string_value(json_object_get(row, "name")));
        struct tally_slice c = canonical(xml, text, sizeof text);
        uint8_t digest[48];
        char said[65] = {0}, base64[65];
        const char *value = memmem(xml.at, xml.len, "<ds:DigestValue>", 16);
        ck_assert_ptr_nonnull(value);
        memcpy(said, value + 16, 64);
        ck_assert_int_eq(EVP_Digest(c.at, c.len, digest, NULL, EVP_sha384(), NULL), 1);
        tally_base64(TALLY_SLICE(digest), base64);
        ck_assert_int_eq(strcmp(said, base64) == 0, true_in(row, "digest"));
        right += strcmp(said, base64) == 0;
        ck_assert(tally_slice_equal(canonical(c, again, sizeof again), c));
        rim_vector_drop(xml);
    }
    ck_assert_uint_eq(right, 31);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    static struct tally_rim r;
    struct tally_slice xml = rim_vector(DRIVER);
    uint64_t now_s = rim_vector_time("2025-06-01T00:00:00Z");
    size_t root_end = xml.len - 2; /* two line feeds may be missing */

    for (size_t len = 0; len < root_end; len += len < 2000 || getenv("TALLY_LONG") ? 1 : 13) {
        uint8_t *exact = malloc(len ? len : 1);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, xml.at, len);
        enum tally_status s = rim_vector_verify(tally_slice_of(exact, len), now_s, &r);
        free(exact);
        ck_assert_msg(s != TALLY_OK && tally_reason() == TALLY_R_E_RIM_FORMAT, "%zu: %s", len,
                      tally_why());
    }
    ck_assert_int_eq(rim_vector_verify(tally_slice_of(xml.at, root_end), now_s, &r), TALLY_OK);
    rim_vector_drop(xml);
}
END_TEST

/* Anything changed before, in and after the signed part; line feeds inside a certificate's base64
 * and after the root are the only bytes that carry nothing. */
START_TEST(a_flipped_bit_never_passes)
{
    static struct tally_rim r;
    struct tally_slice xml = rim_vector(DRIVER);
    uint64_t now_s = rim_vector_time("2025-06-01T00:00:00Z");
    uint8_t *b = malloc(xml.len);

    ck_assert_ptr_nonnull(b);
    memcpy(b, xml.at, xml.len);
    bool all = getenv("TALLY_LONG") != NULL;
    for (size_t i = all ? 0 : (size_t)(11 * _i); i < xml.len; i += all ? 1 : 88) {
        if (b[i] == '\n') continue;
        b[i] ^= (uint8_t)(1U << _i);
        ck_assert_msg(rim_vector_verify(tally_slice_of(b, xml.len), now_s, &r) != TALLY_OK,
                      "byte %zu bit %d", i, _i);
        b[i] ^= (uint8_t)(1U << _i);
    }
    ck_assert_int_eq(rim_vector_verify(tally_slice_of(b, xml.len), now_s, &r), TALLY_OK);
    free(b);
    rim_vector_drop(xml);
}
END_TEST

START_TEST(a_manifest_of_more_than_128_kib_is_refused)
{
    static struct tally_rim r;
    struct tally_slice xml = rim_vector(DRIVER);
    uint8_t *b = malloc(TALLY_RIM_BYTES_MAX + 1);

    ck_assert_ptr_nonnull(b);
    memset(b, '\n', TALLY_RIM_BYTES_MAX + 1);
    memcpy(b, xml.at, xml.len);
    uint64_t now_s = rim_vector_time("2025-06-01T00:00:00Z");
    ck_assert_int_ne(rim_vector_verify(tally_slice_of(b, TALLY_RIM_BYTES_MAX + 1), now_s, &r),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    ck_assert_int_eq(rim_vector_verify(tally_slice_of(b, TALLY_RIM_BYTES_MAX), now_s, &r),
                     TALLY_OK);
    free(b);
    rim_vector_drop(xml);
}
END_TEST

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One P-384 verification alone, with a decoded key, as `openssl speed ecdsap384` does it. */
static double one_signature(struct tally_slice cert_der)
{
    enum { RUNS = 1000 };
    struct tally_cert c;
    uint8_t sig[96], text[64] = {0};

    for (size_t i = 0; i < sizeof sig; i++) sig[i] = (uint8_t)(0x11 + 7 * i); /* r and s in range */
    ck_assert_int_eq(tally_cert_parse(cert_der, &c), TALLY_OK);
    double from = seconds();
    for (int i = 0; i < RUNS; i++)
        ck_assert_int_ne(
            tally_cert_ecdsa_verify(&c, TALLY_KEY_P384, TALLY_SLICE(text), TALLY_SLICE(sig)),
            TALLY_OK);
    double each = (seconds() - from) / RUNS;
    tally_cert_free(&c);
    return each;
}

START_TEST(manifests_per_second)
{
    enum { RUNS = 1000 };
    static struct tally_rim r;
    struct tally_attest_cache *cache;
    struct tally_anchor rim;

    if (getenv("TALLY_BENCH") == NULL) return;
    struct tally_slice xml = rim_vector(DRIVER);
    struct tally_expect e = {.now_s = rim_vector_time("2025-06-01T00:00:00Z")};
    ck_assert_int_eq(tally_anchor_named("nvidia-rim", &rim), TALLY_OK);
    double one = one_signature(rim.root), from = seconds();
    for (int i = 0; i < RUNS; i++)
        ck_assert_int_eq(tally_rim_verify(xml, &rim, 1, &e, false, &r), TALLY_OK);
    double cold = (seconds() - from) / RUNS;
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    e.cache = cache;
    from = seconds();
    for (int i = 0; i < RUNS; i++)
        ck_assert_int_eq(tally_rim_verify(xml, &rim, 1, &e, false, &r), TALLY_OK);
    double warm = (seconds() - from) / RUNS;
    from = seconds();
    for (int i = 0; i < RUNS; i++) ck_assert_int_eq(tally_rim_read(xml, &r), TALLY_OK);
    double read = (seconds() - from) / RUNS;
    (void)fprintf(stderr,
                  "P-384 verification %.0f us; manifest cold %.0f us (%.2f x 4 verifications), "
                  "cached %.0f us, reading and hashing alone %.0f us\n",
                  1e6 * one, 1e6 * cold, cold / (4 * one), 1e6 * warm, 1e6 * read);
    tally_attest_cache_destroy(&cache);
    rim_vector_drop(xml);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("rim");

    tcase_add_checked_fixture(t, rim_vectors_setup, rim_vectors_teardown);
    tcase_add_test(t, every_real_manifest_gets_its_expected_result);
    tcase_add_test(t, in_november_2026_most_have_expired);
    tcase_add_test(t, an_expired_manifest_may_be_a_forged_one_too);
    tcase_add_test(t, an_expired_leaf_alone_may_be_allowed);
    tcase_add_test(t, dates_hold_to_the_second);
    tcase_add_test(t, another_root_is_no_root_of_trust);
    tcase_add_test(t, the_canonical_form_has_the_digest_that_the_document_says);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_loop_test(t, a_flipped_bit_never_passes, 0, 8);
    tcase_add_test(t, a_manifest_of_more_than_128_kib_is_refused);
    tcase_add_test(t, manifests_per_second);
    return tally_suite_run("common/rim", t);
}
