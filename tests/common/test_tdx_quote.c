/* test_tdx_quote.c - common/attest/tdx_quote.c over every published quote. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

/* Offsets in a version 4 quote: where its parts begin. */
enum {
    BODY = 48,
    AUTH_SIZE = BODY + TALLY_TDX_BODY_BYTES,
    CERT_TYPE = AUTH_SIZE + 4 + 128,
    CERT_SIZE = CERT_TYPE + 2,
    QE_REPORT = CERT_SIZE + 4,
    QE_AUTH_SIZE = QE_REPORT + 384 + 64,
    INNER_TYPE = QE_AUTH_SIZE + 2 + 32,
    INNER_SIZE = INNER_TYPE + 2,
};

static const char base[] = "spr_v4_oak", base5[] = "emr_v5_google";

static enum tally_status decode_exact(const uint8_t *bytes, size_t len, struct tally_tdx_quote *q)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, len);
    enum tally_status s = tally_tdx_quote_decode(tally_slice_of(exact, len), q);
    free(exact);
    return s;
}

START_TEST(every_published_quote_comes_out_again_byte_for_byte)
{
    size_t n, tds = 0;
    const struct tdx_row *rows = tdx_rows(&n);
    uint8_t out[TALLY_TDX_QUOTE_BYTES_MAX];

    for (size_t i = 0; i < n; i++) {
        struct tally_tdx_quote q;
        struct tally_wr w = tally_wr_to(out, sizeof out);
        if (rows[i].version == 3) {
            ck_assert_int_eq(tally_tdx_quote_decode(rows[i].quote, &q), TALLY_E_UNTRUSTED);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_TEE_TYPE);
            continue;
        }
        ck_assert_msg(tally_tdx_quote_decode(rows[i].quote, &q) == TALLY_OK, "%s: %s", rows[i].name,
                      tally_why());
        tally_tdx_quote_encode(&q, &w);
        ck_assert(!w.full);
        ck_assert_uint_eq(w.used, rows[i].quote_len);
        ck_assert_mem_eq(out, rows[i].quote.at, w.used);
        ck_assert_uint_eq(q.padding.len, rows[i].quote.len - rows[i].quote_len);
        ck_assert_uint_eq(q.version, rows[i].version);
        tds++;
    }
    ck_assert_uint_eq(tds, 15);
}
END_TEST

START_TEST(padding_is_zeros_that_were_allowed_or_nothing)
{
    struct tally_tdx_quote q;
    uint8_t bytes[8192] = {0};
    const struct tdx_row *row = tdx_row_named(base);

    memcpy(bytes, row->quote.at, row->quote_len);
    ck_assert_int_eq(decode_exact(bytes, row->quote_len, &q), TALLY_OK);
    ck_assert_int_eq(tally_tdx_quote_padding(&q, false), TALLY_OK);
    for (size_t more = 1; more < 100; more += 33) {
        struct tally_slice in = tally_slice_of(bytes, row->quote_len + more);
        ck_assert_int_eq(tally_tdx_quote_decode(in, &q), TALLY_OK);
        ck_assert_int_eq(tally_tdx_quote_padding(&q, true), TALLY_OK);
        ck_assert_int_ne(tally_tdx_quote_padding(&q, false), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
        bytes[row->quote_len + more - 1] = 1;
        ck_assert_int_ne(tally_tdx_quote_padding(&q, true), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
        bytes[row->quote_len + more - 1] = 0;
    }
    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named("spr_v4_google_e4")->quote, &q),
                     TALLY_OK);
    ck_assert_int_ne(tally_tdx_quote_padding(&q, true), TALLY_OK);
}
END_TEST

START_TEST(every_proper_prefix_is_refused)
{
    const char *names[] = {base, base5};

    for (size_t k = 0; k < 2; k++) {
        const struct tdx_row *row = tdx_row_named(names[k]);
        for (size_t len = 0; len < row->quote_len; len++) {
            struct tally_tdx_quote q;
            ck_assert_int_ne(decode_exact(row->quote.at, len, &q), TALLY_OK);
            ck_assert_msg(tally_reason() == TALLY_R_E_TRUNCATED, "%zu bytes: %s", len, tally_why());
        }
    }
}
END_TEST

START_TEST(a_quote_has_at_most_16_kib)
{
    static uint8_t bytes[TALLY_TDX_QUOTE_BYTES_MAX + 1];
    const struct tdx_row *row = tdx_row_named(base);
    struct tally_tdx_quote q;

    memcpy(bytes, row->quote.at, row->quote_len);
    ck_assert_int_eq(decode_exact(bytes, sizeof bytes - 1, &q), TALLY_OK);
    ck_assert_int_ne(decode_exact(bytes, sizeof bytes, &q), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
}
END_TEST

#define R_(x) TALLY_R_E_##x
/* Little-endian bytes put at a place. */
/* clang-format off */
static const struct {
    bool v5;
    size_t at, n;
    uint64_t value;
    enum tally_reason reason;
} edits[] = {
    {false, 0, 2, 0, R_(VERSION)}, {false, 0, 2, 3, R_(TEE_TYPE)}, {false, 0, 2, 6, R_(VERSION)},
    {false, 0, 2, 0xffff, R_(VERSION)}, {false, 2, 2, 3, R_(ALGORITHM)},
    {false, 2, 2, 0, R_(ALGORITHM)}, {false, 4, 4, 0, R_(TEE_TYPE)}, {false, 4, 4, 0x82, R_(TEE_TYPE)},
    {false, 4, 4, 0x81000000, R_(TEE_TYPE)}, {false, 12, 1, 0x92, R_(VENDOR)},
    {false, 27, 1, 0x87, R_(VENDOR)},
    {true, 48, 2, 0, R_(VERSION)}, {true, 48, 2, 1, R_(TEE_TYPE)}, {true, 48, 2, 4, R_(VERSION)},
    {true, 48, 2, 5, R_(VERSION)}, {true, 48, 2, 2, R_(FORMAT)}, {true, 50, 4, 584, R_(FORMAT)},
    {true, 50, 4, 647, R_(FORMAT)}, {true, 50, 4, 649, R_(FORMAT)}, {true, 50, 4, 0, R_(FORMAT)},
    {true, 50, 4, 0xffffffff, R_(FORMAT)},
    {false, AUTH_SIZE, 4, 0, R_(FORMAT)}, {false, AUTH_SIZE, 4, 1, R_(FORMAT)},
    {false, AUTH_SIZE, 4, 127, R_(FORMAT)}, {false, AUTH_SIZE, 4, 0xffffffff, R_(TRUNCATED)},
    {false, AUTH_SIZE, 4, 0x80000000, R_(TRUNCATED)},
    {false, CERT_TYPE, 2, 5, R_(FORMAT)}, {false, CERT_TYPE, 2, 0, R_(FORMAT)},
    {false, CERT_SIZE, 4, 0, R_(FORMAT)}, {false, CERT_SIZE, 4, 0xffffffff, R_(FORMAT)},
    {false, CERT_SIZE, 4, 0x80000000, R_(FORMAT)},
    {false, QE_REPORT + 20, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_REPORT + 47, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_REPORT + 96, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_REPORT + 255, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_REPORT + 260, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_REPORT + 319, 1, 1, R_(RESERVED_NONZERO)},
    {false, QE_AUTH_SIZE, 2, 0, R_(FORMAT)}, {false, QE_AUTH_SIZE, 2, 31, R_(FORMAT)},
    {false, QE_AUTH_SIZE, 2, 33, R_(FORMAT)}, {false, QE_AUTH_SIZE, 2, 65535, R_(FORMAT)},
    {false, INNER_TYPE, 2, 1, R_(FORMAT)}, {false, INNER_TYPE, 2, 2, R_(FORMAT)},
    {false, INNER_TYPE, 2, 3, R_(FORMAT)}, {false, INNER_TYPE, 2, 4, R_(FORMAT)},
    {false, INNER_TYPE, 2, 6, R_(FORMAT)}, {false, INNER_TYPE, 2, 7, R_(FORMAT)},
    {false, INNER_SIZE, 4, 0, R_(FORMAT)}, {false, INNER_SIZE, 4, 0xffffffff, R_(FORMAT)},
    {false, INNER_SIZE, 4, 0x80000000, R_(FORMAT)},
};
/* clang-format on */

static enum tally_status edited(const char *name, size_t at, size_t n, uint64_t value)
{
    const struct tdx_row *row = tdx_row_named(name);
    uint8_t *bytes = malloc(row->quote_len);
    struct tally_tdx_quote q;

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, row->quote.at, row->quote_len);
    for (size_t i = 0; i < n; i++) bytes[at + i] = (uint8_t)(value >> 8 * i & 0xff);
    enum tally_status s = tally_tdx_quote_decode(tally_slice_of(bytes, row->quote_len), &q);
    free(bytes);
    return s;
}

START_TEST(a_field_that_lies_is_refused_by_name)
{
    ck_assert_int_ne(
        edited(edits[_i].v5 ? base5 : base, edits[_i].at, edits[_i].n, edits[_i].value), TALLY_OK);
    ck_assert_msg(tally_reason() == edits[_i].reason, "%s", tally_why());
}
END_TEST

START_TEST(a_length_that_is_one_off_is_refused)
{
    static const size_t places[] = {AUTH_SIZE, CERT_SIZE, INNER_SIZE};
    const struct tdx_row *row = tdx_row_named(base);

    for (size_t k = 0; k < 3; k++) {
        const uint8_t *p = row->quote.at + places[k];
        uint64_t is = (uint64_t)p[0] | (uint64_t)p[1] << 8;
        ck_assert_int_ne(edited(base, places[k], 4, is - 1), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
        ck_assert_int_ne(edited(base, places[k], 4, is + 1), TALLY_OK);
        ck_assert_int_eq(tally_reason(), k == 0 ? TALLY_R_E_TRUNCATED : TALLY_R_E_FORMAT);
    }
}
END_TEST

START_TEST(a_type_6_inside_a_type_6_is_refused)
{
    ck_assert_int_ne(edited(base, INNER_TYPE, 2, 6), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(body_type_4_is_refused_by_its_name)
{
    ck_assert_int_ne(edited(base5, 48, 2, 4), TALLY_OK);
    ck_assert_ptr_nonnull(strstr(tally_why(), "body type 4"));
}
END_TEST

START_TEST(fields_are_where_the_format_has_them)
{
    struct tally_tdx_quote q;

    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named(base5)->quote, &q), TALLY_OK);
    ck_assert_uint_eq(q.body_type, TALLY_TDX_TYPE_TD15);
    ck_assert(q.tee_tcb_svn[0] == 0x0b && q.tee_tcb_svn[1] == 1 && q.tee_tcb_svn[2] == 4);
    ck_assert(q.tee_tcb_svn2[0] == 0x0d && q.tee_tcb_svn2[1] == 1 && q.tee_tcb_svn2[2] == 4);
    ck_assert_uint_eq(q.td_attributes, TALLY_TDX_ATTR_SEPT_VE_DISABLE);
    ck_assert_uint_eq(q.xfam, 0x602e7);
    ck_assert_uint_eq(q.mrtd[0], 0x73);
    ck_assert_uint_eq(q.report_data[0], 0x94);
    ck_assert_uint_eq(q.signed_part.len, 48 + 6 + TALLY_TDX_BODY_15_BYTES);
    ck_assert_uint_eq(q.qe.isv_prod_id, 2);
    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named("spr_v4_debug_coco")->quote, &q),
                     TALLY_OK);
    ck_assert(q.td_attributes & TALLY_TDX_ATTR_DEBUG);
    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named("emr_v4_automata")->quote, &q), TALLY_OK);
    ck_assert(q.td_attributes & TALLY_TDX_ATTR_PERFMON);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_quote");

    tcase_add_test(t, every_published_quote_comes_out_again_byte_for_byte);
    tcase_add_test(t, padding_is_zeros_that_were_allowed_or_nothing);
    tcase_add_test(t, every_proper_prefix_is_refused);
    tcase_add_test(t, a_quote_has_at_most_16_kib);
    tcase_add_loop_test(t, a_field_that_lies_is_refused_by_name, 0,
                        (int)(sizeof edits / sizeof edits[0]));
    tcase_add_test(t, a_length_that_is_one_off_is_refused);
    tcase_add_test(t, a_type_6_inside_a_type_6_is_refused);
    tcase_add_test(t, body_type_4_is_refused_by_its_name);
    tcase_add_test(t, fields_are_where_the_format_has_them);
    return tally_suite_run("common/tdx_quote", t);
}
