/* test_gpu_report.c - common/attest/gpu_report.c over every published report of a GPU or switch,
 * and what becomes of each when a count, length or field is another (ATTESTATION.md D.2, D.5). */
#include "common/attest/gpu_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/gpu_links.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { RESPONSE_AT = 37, BLOCKS_AT = 41, LENGTH_AT = 42, RECORD_AT = 45, BLOCK = 55 };
enum { GPU_NONCE_AT = RECORD_AT + 64 * BLOCK, GPU_OPAQUE_AT = GPU_NONCE_AT + 32 };

static struct tally_gpu_report report;

/* From an exact-size copy. */
static enum tally_status decode(const uint8_t *bytes, size_t len, bool padded)
{
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    if (len > 0) memcpy(exact, bytes, len);
    enum tally_status s = tally_gpu_report_decode(tally_slice_of(exact, len), padded, &report);
    free(exact);
    return s;
}

static void refused(const uint8_t *bytes, size_t len, enum tally_reason reason)
{
    ck_assert_int_ne(decode(bytes, len, false), TALLY_OK);
    ck_assert_msg(tally_reason() == reason, "%s, not %s", tally_why(), tally_reason_name(reason));
}

/* A report without the stray byte that one of them has. */
static struct tally_slice trimmed(const struct gpu_vector *v)
{
    struct tally_slice s = v->in.report;

    if (strcmp(v->name, "hopper_580_95_05_coco") == 0) s.len--;
    return s;
}

START_TEST(every_real_report_reads_as_expected_and_encodes_to_its_bytes)
{
    size_t n, judged = 0;
    const struct gpu_vector *v = gpu_vectors(&n);
    uint8_t again[TALLY_GPU_REPORT_BYTES_MAX];
    char text[TALLY_GPU_TEXT_SIZE], hex[2 * TALLY_GPU_NONCE_BYTES + 1];

    for (size_t i = 0; i < n; i++, judged++) {
        struct tally_slice in = trimmed(&v[i]), out;
        struct tally_wr w = tally_wr_to(again, sizeof again);
        ck_assert_msg(tally_gpu_report_decode(in, false, &report) == TALLY_OK, "%s: %s", v[i].name,
                      tally_why());
        tally_gpu_report_encode(&report, &w);
        ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
        ck_assert(tally_slice_equal(out, in));
        ck_assert_uint_eq(report.signed_part.len, in.len - TALLY_GPU_SIG_BYTES);
        ck_assert_int_eq(report.blocks_n, json_integer_value(json_object_get(v[i].row, "nblk")));
        tally_hex(TALLY_SLICE(report.request.nonce), hex);
        ck_assert_str_eq(hex, gpu_vector_text(&v[i], "nonce"));
        tally_gpu_vbios(&report, text);
        ck_assert_str_eq(text, gpu_vector_text(&v[i], "vbios"));
        ck_assert(tally_slice_equal(tally_gpu_text(&report, TALLY_GPU_DRIVER),
                                    tally_slice_str(gpu_vector_text(&v[i], "driver"))));
        tally_gpu_sku(&report, text);
        ck_assert_str_eq(text, v[i].in.nvswitch ? "" : gpu_vector_text(&v[i], "proj"));
    }
    ck_assert_uint_eq(judged, 14);
}
END_TEST

/* Opaque fields as the table has them, in hex. */
START_TEST(opaque_fields_are_those_of_the_table)
{
    static const struct {
        const char *key;
        enum tally_gpu_field field;
    } keys[] = {
        {"feat",  TALLY_GPU_FEATURE},
        {"ppcie", TALLY_GPU_PPCIE  },
        {"nvdec", TALLY_GPU_NVDEC0 }
    };
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(tally_gpu_report_decode(trimmed(&v[i]), false, &report), TALLY_OK);
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            char hex[64] = "";
            struct tally_slice f = tally_gpu_field(&report, keys[k].field);
            if (f.at != NULL) tally_hex(f, hex);
            ck_assert_str_eq(hex, gpu_vector_text(&v[i], keys[k].key));
        }
        const char *feat = gpu_vector_text(&v[i], "feat");
        ck_assert_int_eq(tally_gpu_mode(&report), *feat == '\0'
                                                      ? TALLY_GPU_MODE_UNKNOWN
                                                      : (enum tally_gpu_mode)(feat[1] - '0'));
    }
}
END_TEST

static struct tally_slice unhex(const char *hex, uint8_t *store)
{
    size_t n = strlen(hex) / 2;

    ck_assert(strncmp(hex, "0x", 2) == 0);
    ck_assert_int_eq(tally_unhex(hex + 2, store, n - 1), TALLY_OK);
    return tally_slice_of(store, n - 1);
}

/* Opaque field `type` of another reader's; its counts are a list of numbers. */
static void put_field(const json_t *fields, const char *name, uint16_t type)
{
    static uint8_t store[TALLY_GPU_REPORT_BYTES_MAX];
    static size_t used;
    char key[64];
    struct tally_slice v = tally_slice_of(store + used, 0);

    (void)snprintf(key, sizeof key, "OPAQUE_FIELD_ID_%s", name);
    const json_t *j = json_object_get(fields, key);
    if (json_is_string(j)) v = unhex(json_string_value(j), store + used);
    for (size_t i = 0; i < json_array_size(j); i++, v.len += 4)
        store[used + v.len] = (uint8_t)json_integer_value(json_array_get(j, i));
    if (j == NULL) v.len = 2; /* newer than that reader */
    used += v.len;
    report.opaque[report.opaque_n++] = (struct tally_gpu_opaque){type, v};
}

static void put_blocks(const json_t *blocks)
{
    uint8_t digest[TALLY_GPU_DIGEST_BYTES];
    char key[8];

    for (unsigned b = 0; b < report.blocks_n; b++) {
        (void)snprintf(key, sizeof key, "%u", b + 1);
        const json_t *value =
            json_object_get(json_object_get(blocks, key), "DMTFSpecMeasurementValue");
        ck_assert_uint_eq(unhex(json_string_value(value), digest).len, sizeof digest);
        memcpy(report.digests[b], digest, sizeof digest);
        report.types[b] = 1;
    }
}

/* expected_claims/spdm_parsed_output_hopper.json is what NVIDIA's reader saw in a report that is
 * not at hand: made again from that, it has the lengths that it had. */
START_TEST(a_report_made_from_what_another_reader_saw_is_whole)
{
    static const struct {
        const char *name;
        uint16_t type;
    } order[] = {
        {"VBIOS_VERSION",         6 },
        {"BOARD_ID",              14},
        {"CHIP_SKU",              15},
        {"CHIP_SKU_MOD",          16},
        {"PROJECT",               17},
        {"PROJECT_SKU",           18},
        {"PROJECT_SKU_MOD",       19},
        {"DRIVER_VERSION",        3 },
        {"GPU_INFO",              4 },
        {"MSRSCNT",               12},
        {"CPRINFO",               13},
        {"NVDEC0_STATUS",         11},
        {"FWID",                  20},
        {"PROTECTED_PCIE_STATUS", 21},
        {"",                      34},
        {"",                      36},
    };
    json_t *want =
        tally_vectors_json("vectors/nvgpu/expected_claims/spdm_parsed_output_hopper.json");
    const json_t *fields = json_object_get(json_object_get(want, "OpaqueData"), "OpaqueDataField");
    const json_t *record = json_object_get(want, "MeasurementRecord");
    uint8_t store[TALLY_GPU_REPORT_BYTES_MAX], sig[TALLY_GPU_SIG_BYTES];
    struct tally_wr w = tally_wr_to(store, sizeof store);
    char text[TALLY_GPU_TEXT_SIZE];

    report = (struct tally_gpu_report){
        .request = {0x11, 0xe0, 1,   0xff,  {0}, 0},
        .response = {0x11,    0x60,     0, 0, {0}  },
        .blocks_n = TALLY_GPU_BLOCKS
    };
    put_blocks(json_object_get(record, "MeasurementBlocks"));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        put_field(fields, order[i].name, order[i].type);
    ck_assert_uint_eq(unhex(json_string_value(json_object_get(want, "Signature")), sig).len,
                      sizeof sig);
    memcpy(report.signature, sig, sizeof sig);
    tally_gpu_report_encode(&report, &w);
    ck_assert_int_eq(tally_gpu_report_decode(tally_slice_of(store, w.used), false, &report),
                     TALLY_OK);
    ck_assert_uint_eq(w.used,
                      RECORD_AT + 3520 + 32 + 2 +
                          (size_t)json_integer_value(json_object_get(want, "OpaqueLength")) + 96);
    tally_gpu_vbios(&report, text);
    ck_assert_str_eq(text, "96.00.74.00.20");
    tally_gpu_sku(&report, text);
    ck_assert_str_eq(text, "1010_0205_862");
    json_decref(want);
}
END_TEST

START_TEST(links_are_read_as_the_other_side_has_them)
{
    static const uint8_t own[] = {0x66, 0x6e, 0x93, 0xe1, 0x9d, 0xec, 0x7d, 0x2d};
    static const uint8_t gpu[] = {0x29, 0x21, 0xce, 0x55, 0x1e, 0x4e, 0xed, 0xa3};
    struct tally_gpu_links links;

    ck_assert_int_eq(
        tally_gpu_report_decode(gpu_vector("hopper_590_12_ppcie8_0")->in.report, false, &report),
        TALLY_OK);
    tally_gpu_links(&report, &links);
    ck_assert_uint_eq(links.n, 4);
    ck_assert(tally_gpu_links_has(&links, own));
    ck_assert_int_eq(
        tally_gpu_report_decode(gpu_vector("switch_ls10_ppcie_0")->in.report, false, &report),
        TALLY_OK);
    ck_assert(tally_slice_equal(tally_gpu_field(&report, TALLY_GPU_SWITCHES), TALLY_SLICE(own)));
    tally_gpu_links(&report, &links);
    ck_assert_uint_eq(links.n, 8);
    ck_assert(tally_gpu_links_has(&links, gpu) && !tally_gpu_links_has(&links, own));
}
END_TEST

START_TEST(every_prefix_is_refused_as_cut_short)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        struct tally_slice in = trimmed(&v[i]);
        for (size_t len = 0; len < in.len; len++) {
            /* Decoding never looks at bytes that it has no need of: a prefix is read as far. */
            if (i > 2 && len % 7 != 0 && len + 100 < in.len) continue;
            refused(in.at, len, TALLY_R_E_TRUNCATED);
        }
    }
}
END_TEST

START_TEST(bytes_after_the_signature_are_refused_but_zeros_on_request)
{
    const struct gpu_vector *v = gpu_vector("hopper_580_95_05_coco");
    uint8_t big[TALLY_GPU_REPORT_BYTES_MAX + 1] = {0};
    size_t len = v->in.report.len - 1;

    refused(v->in.report.at, v->in.report.len, TALLY_R_E_TRAILING);
    ck_assert_int_eq(decode(v->in.report.at, v->in.report.len, true), TALLY_OK);
    memcpy(big, v->in.report.at, v->in.report.len);
    refused(big, len + 1, TALLY_R_E_TRAILING);
    refused(big, TALLY_GPU_REPORT_BYTES_MAX, TALLY_R_E_TRAILING);
    ck_assert_int_eq(decode(big, TALLY_GPU_REPORT_BYTES_MAX, true), TALLY_OK);
    ck_assert_int_eq(decode(big, sizeof big, true), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    big[len + 1000] = 1;
    ck_assert_int_eq(decode(big, TALLY_GPU_REPORT_BYTES_MAX, true), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
}
END_TEST

/* One byte of a Hopper report set to a value. */
/* clang-format off */
static const struct {
    size_t at;
    uint8_t value;
    enum tally_reason reason;
} bytes[] = {
    {0, 0x10, TALLY_R_E_VERSION}, {0, 0x12, TALLY_R_E_VERSION},
    {RESPONSE_AT, 0x12, TALLY_R_E_VERSION},
    {1, 0xe1, TALLY_R_E_FORMAT}, {2, 0x00, TALLY_R_E_FORMAT}, {2, 0x03, TALLY_R_E_FORMAT},
    {3, 0x01, TALLY_R_E_FORMAT}, {3, 0xfe, TALLY_R_E_FORMAT}, {36, 0x01, TALLY_R_E_FORMAT},
    {36, 0x07, TALLY_R_E_FORMAT}, {RESPONSE_AT + 1, 0x7f, TALLY_R_E_FORMAT},
    {RESPONSE_AT + 2, 0x01, TALLY_R_E_RESERVED_NONZERO}, {RESPONSE_AT + 3, 0x01, TALLY_R_E_FORMAT},
    {BLOCKS_AT, 0, TALLY_R_E_FORMAT}, {BLOCKS_AT, 1, TALLY_R_E_FORMAT},
    {BLOCKS_AT, 63, TALLY_R_E_FORMAT}, {BLOCKS_AT, 65, TALLY_R_E_FORMAT},
    {BLOCKS_AT, 31, TALLY_R_E_FORMAT}, {BLOCKS_AT, 255, TALLY_R_E_FORMAT},
    {LENGTH_AT, 0xbf, TALLY_R_E_FORMAT}, {LENGTH_AT, 0xc1, TALLY_R_E_FORMAT},
    {LENGTH_AT + 2, 0xff, TALLY_R_E_TRUNCATED}, {LENGTH_AT + 1, 0xff, TALLY_R_E_TRUNCATED},
    {LENGTH_AT + 1, 0x00, TALLY_R_E_FORMAT},
    {RECORD_AT, 0, TALLY_R_E_FORMAT}, {RECORD_AT, 2, TALLY_R_E_FORMAT},
    {RECORD_AT + BLOCK, 1, TALLY_R_E_FORMAT}, {RECORD_AT + 1, 2, TALLY_R_E_FORMAT},
    {RECORD_AT + 2, 0x32, TALLY_R_E_FORMAT}, {RECORD_AT + 3, 0x01, TALLY_R_E_FORMAT},
    {RECORD_AT + 4, 0x81, TALLY_R_E_FORMAT}, {RECORD_AT + 5, 0x31, TALLY_R_E_FORMAT},
    {RECORD_AT + 6, 0xff, TALLY_R_E_FORMAT},
    {GPU_OPAQUE_AT + 1, 0xff, TALLY_R_E_TRUNCATED}, {GPU_OPAQUE_AT + 1, 0x00, TALLY_R_E_FORMAT},
    {GPU_OPAQUE_AT + 2, 14, TALLY_R_E_FORMAT}, {GPU_OPAQUE_AT + 2, 255, TALLY_R_E_FORMAT},
    {GPU_OPAQUE_AT + 2, 200, TALLY_R_E_FORMAT}, {GPU_OPAQUE_AT + 4, 9, TALLY_R_E_FORMAT},
    {GPU_OPAQUE_AT + 5, 0xff, TALLY_R_E_FORMAT},
};
/* clang-format on */

START_TEST(a_count_length_or_head_byte_that_lies_is_refused_by_name)
{
    struct tally_slice in = gpu_vector("hopper_550_90_07")->in.report;
    uint8_t copy[TALLY_GPU_REPORT_BYTES_MAX];

    memcpy(copy, in.at, in.len);
    ck_assert_uint_ne(copy[bytes[_i].at], bytes[_i].value);
    copy[bytes[_i].at] = bytes[_i].value;
    refused(copy, in.len, bytes[_i].reason);
}
END_TEST

/* The decoded report with one field put in, replaced or taken out, encoded and decoded again. */
static enum tally_status with_field(uint16_t type, struct tally_slice value, bool twice)
{
    static uint8_t store[TALLY_GPU_REPORT_BYTES_MAX];
    struct tally_gpu_report r;
    struct tally_wr w = tally_wr_to(store, sizeof store);
    uint32_t i = 0;

    ck_assert_int_eq(
        tally_gpu_report_decode(gpu_vector("hopper_590_12_multi_0")->in.report, false, &r),
        TALLY_OK);
    while (i < r.opaque_n && r.opaque[i].type != type) i++;
    if (twice) i = r.opaque_n;
    if (i == r.opaque_n) r.opaque_n++;
    r.opaque[i] = (struct tally_gpu_opaque){type, value};
    if (value.at == NULL) {
        r.opaque[i].type = 300; /* no longer there */
        r.opaque[i].value = (struct tally_slice){0};
    }
    tally_gpu_report_encode(&r, &w);
    ck_assert(!w.full);
    return decode(store, w.used, false);
}

/* clang-format off */
static const struct {
    uint16_t type;
    const char *hex; /* NULL: absent */
    bool twice, good;
} values[] = {
    {TALLY_GPU_DRIVER, NULL, false, false}, {TALLY_GPU_VBIOS, NULL, false, false},
    {TALLY_GPU_DRIVER, "3539302e3132", true, false}, {TALLY_GPU_FEATURE, "0200", true, false},
    {TALLY_GPU_DRIVER, "3539302e3132", false, true}, {TALLY_GPU_DRIVER, "00", false, false},
    {TALLY_GPU_DRIVER, "3539302e00313200", false, false}, {TALLY_GPU_DRIVER, "35ff", false, false},
    {TALLY_GPU_DRIVER, "3030303030303030303030303030303030303030303030303030303030303030", false,
     false},
    {TALLY_GPU_VBIOS, "00a500960100", false, false},
    {TALLY_GPU_PPCIE, "00", false, false}, {TALLY_GPU_PPCIE, "55", false, true},
    {TALLY_GPU_PPCIE, "5500", false, false}, {TALLY_GPU_PPCIE, "", false, false},
    {TALLY_GPU_NVDEC0, "ab", false, false}, {TALLY_GPU_NVDEC0, NULL, false, true},
    {TALLY_GPU_FWID, "00", false, false}, {TALLY_GPU_FEATURE, "02", false, false},
    {TALLY_GPU_FEATURE, "0300", false, true}, {TALLY_GPU_FEATURE, NULL, false, true},
    {TALLY_GPU_SWITCHES, "0102030405060708", false, true},
    {TALLY_GPU_SWITCHES, "01020304050607", false, false}, {TALLY_GPU_SWITCHES, "", false, false},
    {TALLY_GPU_INVALID, "00", false, false}, {33, "00", false, true}, {37, "00", false, true},
    {0xffff, "", true, true},
};
/* clang-format on */

START_TEST(an_opaque_field_has_its_form_and_stands_once)
{
    uint8_t store[64];
    struct tally_slice v = {0};

    if (values[_i].hex != NULL) {
        v = tally_slice_of(store, strlen(values[_i].hex) / 2);
        ck_assert_int_eq(tally_unhex(values[_i].hex, store, v.len), TALLY_OK);
    }
    enum tally_status s = with_field(values[_i].type, v, values[_i].twice);
    ck_assert_msg((s == TALLY_OK) == values[_i].good, "%s", tally_why());
    ck_assert(values[_i].good || tally_reason() == TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(more_fields_than_fit_are_refused)
{
    static uint8_t store[TALLY_GPU_REPORT_BYTES_MAX];
    struct tally_slice in = gpu_vector("hopper_550_90_07")->in.report;
    struct tally_wr w = tally_wr_to(store, sizeof store);
    uint8_t tlv[4] = {200, 0, 0, 0};
    size_t opaque = in.len - GPU_OPAQUE_AT - 2 - TALLY_GPU_SIG_BYTES;

    tally_wr_put(&w, in.at, GPU_OPAQUE_AT);
    tally_wr_u8(&w, (opaque + 256) & 0xff);
    tally_wr_u8(&w, (opaque + 256) >> 8 & 0xff);
    for (unsigned i = 0; i < 64; i++) tally_wr_put(&w, tlv, sizeof tlv);
    tally_wr_put(&w, in.at + GPU_OPAQUE_AT + 2, opaque + TALLY_GPU_SIG_BYTES);
    refused(store, w.used, TALLY_R_E_FORMAT);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("gpu_report");

    tcase_add_test(t, every_real_report_reads_as_expected_and_encodes_to_its_bytes);
    tcase_add_test(t, opaque_fields_are_those_of_the_table);
    tcase_add_test(t, a_report_made_from_what_another_reader_saw_is_whole);
    tcase_add_test(t, links_are_read_as_the_other_side_has_them);
    tcase_add_test(t, every_prefix_is_refused_as_cut_short);
    tcase_add_test(t, bytes_after_the_signature_are_refused_but_zeros_on_request);
    tcase_add_loop_test(t, a_count_length_or_head_byte_that_lies_is_refused_by_name, 0,
                        (int)(sizeof bytes / sizeof bytes[0]));
    tcase_add_loop_test(t, an_opaque_field_has_its_form_and_stands_once, 0,
                        (int)(sizeof values / sizeof values[0]));
    tcase_add_test(t, more_fields_than_fit_are_refused);
    return tally_suite_run("common/gpu_report", t);
}
