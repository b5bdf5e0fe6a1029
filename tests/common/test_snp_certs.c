/* test_snp_certs.c - common/attest/snp_certs.c: the table of a real host, and tables that lie
 * (ATTESTATION.md D.3, last paragraph). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/snp_certs.h"
#include "common/cert.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { ENTRY = 24, TABLE = 8192 };

/* A table under construction: the list has room for as many entries as `entries` says. */
struct made {
    uint8_t bytes[TABLE];
    size_t entries, n, used;
};

static void put32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(v >> 8 * i);
}

static void entry(struct made *m, const uint8_t *guid, uint32_t offset, uint32_t length)
{
    uint8_t *at = m->bytes + ENTRY * m->n++;

    ck_assert_uint_le(m->n, m->entries);
    memcpy(at, guid, TALLY_SNP_GUID_BYTES);
    put32(at + 16, offset);
    put32(at + 20, length);
}

static struct made table(size_t entries)
{
    return (struct made){.entries = entries, .used = ENTRY * (entries + 1)};
}

static void add(struct made *m, const uint8_t *guid, struct tally_slice content)
{
    entry(m, guid, (uint32_t)m->used, (uint32_t)content.len);
    ck_assert_uint_le(m->used + content.len, TABLE);
    memcpy(m->bytes + m->used, content.at, content.len);
    m->used += content.len;
}

/* From an exact-size copy. */
static enum tally_reason decode(const void *bytes, size_t len)
{
    struct tally_snp_table t;
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    if (len > 0) memcpy(exact, bytes, len);
    enum tally_status s = tally_snp_table_decode(tally_slice_of(exact, len), &t);
    free(exact);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

static enum tally_reason decode_made(const struct made *m)
{
    return decode(m->bytes, m->used);
}

START_TEST(the_table_of_a_real_host_holds_the_published_certificates_in_pem)
{
    struct tally_slice blob = snp_vector_file("genoa_v3_veraison/tsm_auxblob.bin"), der;
    uint8_t out[TALLY_CERT_BYTES_MAX];
    struct tally_snp_table t;

    ck_assert_int_eq(tally_snp_table_decode(blob, &t), TALLY_OK);
    ck_assert_ptr_null(t.vlek.at);
    const struct {
        struct tally_slice content;
        const char *file;
    } rows[] = {
        {t.vcek,   "genoa_v3_veraison/vek.der"},
        {t.issuer, "roots/genoa_ask.der"      },
        {t.ark,    "roots/genoa_ark.der"      }
    };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_mem_eq(rows[i].content.at, "-----BEGIN", 10);
        ck_assert_msg(tally_snp_table_der(rows[i].content, out, sizeof out, &der) == TALLY_OK, "%s",
                      tally_why());
        ck_assert(tally_slice_equal(der, snp_vector_file(rows[i].file)));
    }
}
END_TEST

START_TEST(der_and_pem_and_unknown_entries_may_stand_side_by_side)
{
    struct tally_slice vek = snp_vector_file("genoa_v5_oak/vek.der"), der;
    struct tally_slice pem = snp_vector_file("roots/genoa_ask.pem");
    static const uint8_t other[TALLY_SNP_GUID_BYTES] = {1};
    uint8_t out[TALLY_CERT_BYTES_MAX];
    struct made m = table(4);
    struct tally_snp_table t;

    add(&m, other, tally_slice_of("anything", 8));
    add(&m, tally_snp_guid_vlek, vek);
    add(&m, tally_snp_guid_issuer, pem);
    add(&m, other, tally_slice_of("anything", 8));
    m.used += 100; /* zeros to the end of a page */
    ck_assert_int_eq(tally_snp_table_decode(tally_slice_of(m.bytes, m.used), &t), TALLY_OK);
    ck_assert(t.vcek.at == NULL && t.ark.at == NULL && tally_slice_equal(t.vlek, vek));
    ck_assert_int_eq(tally_snp_table_der(t.vlek, out, sizeof out, &der), TALLY_OK);
    ck_assert(tally_slice_equal(der, vek));
    ck_assert_int_eq(tally_snp_table_der(t.issuer, out, sizeof out, &der), TALLY_OK);
    ck_assert(tally_slice_equal(der, snp_vector_file("roots/genoa_ask.der")));
    m = table(0);
    ck_assert_int_eq(decode_made(&m), TALLY_R_NONE); /* nothing but its end */
}
END_TEST

START_TEST(every_prefix_of_a_real_table_is_refused)
{
    struct tally_slice blob = snp_vector_file("genoa_v3_veraison/tsm_auxblob.bin");
    size_t end = blob.len;

    while (end > 0 && blob.at[end - 1] == 0) end--;
    for (size_t len = 0; len < end; len++) {
        enum tally_reason want = len < 4 * ENTRY ? TALLY_R_E_TRUNCATED : TALLY_R_E_FORMAT;
        ck_assert_int_eq(decode(blob.at, len), want);
    }
}
END_TEST

/* One entry of an offset and a length over 64 bytes of contents behind the list. */
START_TEST(an_entry_that_points_elsewhere_is_refused)
{
    enum { BODY = 2 * ENTRY, END = BODY + 64 };
    static const struct {
        uint32_t offset, length;
        enum tally_reason reason;
    } rows[] = {
        {BODY,       64,         TALLY_R_NONE    },
        {END,        0,          TALLY_R_NONE    }, /* empty, at the very end */
        {0,          64,         TALLY_R_E_FORMAT},
        {BODY - 1,   64,         TALLY_R_E_FORMAT}, /* in the list */
        {ENTRY,      1,          TALLY_R_E_FORMAT},
        {BODY,       65,         TALLY_R_E_FORMAT},
        {BODY + 1,   64,         TALLY_R_E_FORMAT},
        {END,        1,          TALLY_R_E_FORMAT},
        {END + 1,    0,          TALLY_R_E_FORMAT},
        {0xfffffff0, 0x20,       TALLY_R_E_FORMAT}, /* their sum is 0x10 in 32 bits */
        {BODY,       0xffffffff, TALLY_R_E_FORMAT},
        {BODY,       0x80000000, TALLY_R_E_FORMAT},
        {0x80000000, 0x80000000, TALLY_R_E_FORMAT},
        {0xffffffff, 0xffffffff, TALLY_R_E_FORMAT}
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int known = 0; known < 2; known++) { /* what the entry is makes no difference */
            static const uint8_t other[TALLY_SNP_GUID_BYTES] = {1};
            struct made m = table(1);
            entry(&m, known ? tally_snp_guid_vcek : other, rows[i].offset, rows[i].length);
            m.used = END;
            ck_assert_msg(decode_made(&m) == rows[i].reason, "row %zu: %s", i, tally_why());
        }
    }
}
END_TEST

START_TEST(entries_that_overlap_are_refused)
{
    enum { BODY = 3 * ENTRY };
    static const struct {
        uint32_t a, a_len, b, b_len;
        enum tally_reason reason;
    } rows[] = {
        {BODY,      8,  BODY + 8, 8,  TALLY_R_NONE    },
        {BODY + 8,  8,  BODY,     8,  TALLY_R_NONE    },
        {BODY,      8,  BODY + 7, 8,  TALLY_R_E_FORMAT},
        {BODY + 7,  8,  BODY,     8,  TALLY_R_E_FORMAT},
        {BODY,      16, BODY + 4, 4,  TALLY_R_E_FORMAT},
        {BODY,      8,  BODY,     8,  TALLY_R_E_FORMAT},
        {BODY + 15, 1,  BODY,     16, TALLY_R_E_FORMAT}
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct made m = table(2);
        entry(&m, tally_snp_guid_vcek, rows[i].a, rows[i].a_len);
        entry(&m, tally_snp_guid_issuer, rows[i].b, rows[i].b_len);
        m.used = BODY + 16;
        ck_assert_msg(decode_made(&m) == rows[i].reason, "row %zu: %s", i, tally_why());
    }
}
END_TEST

START_TEST(two_of_one_kind_are_refused)
{
    const uint8_t *const guids[] = {tally_snp_guid_vcek, tally_snp_guid_vlek, tally_snp_guid_issuer,
                                    tally_snp_guid_ark};

    for (size_t i = 0; i < 4; i++) {
        struct made m = table(3);
        add(&m, guids[i], tally_slice_of("a", 1));
        add(&m, guids[(i + 1) % 4], tally_slice_of("b", 1));
        add(&m, guids[i], tally_slice_of("c", 1));
        ck_assert_int_eq(decode_made(&m), TALLY_R_E_CERT_SHAPE);
    }
}
END_TEST

START_TEST(a_list_without_end_or_with_too_many_entries_is_refused)
{
    static uint8_t big[TALLY_SNP_TABLE_MAX + 1];
    struct made m = table(1);

    add(&m, tally_snp_guid_vcek, tally_slice_of("abcdefghijklmnopqrstuvwxyz", 26));
    m.bytes[ENTRY + 3] = 1; /* the last entry is not of zeros */
    ck_assert_int_eq(decode_made(&m), TALLY_R_E_TRUNCATED);
    m.bytes[ENTRY + 3] = 0;
    ck_assert_int_eq(decode_made(&m), TALLY_R_NONE);
    m.bytes[2 * ENTRY - 1] = 1;
    ck_assert_int_eq(decode_made(&m), TALLY_R_E_TRUNCATED);

    memset(big, 0xff, sizeof big);
    ck_assert_int_eq(decode(big, TALLY_SNP_TABLE_MAX), TALLY_R_E_OVERSIZE); /* 2730 entries */
    ck_assert_int_eq(decode(big, sizeof big), TALLY_R_E_OVERSIZE);
    memset(big, 0, sizeof big);
    for (int n = TALLY_SNP_TABLE_ENTRIES_MAX; n <= TALLY_SNP_TABLE_ENTRIES_MAX + 1; n++) {
        for (int i = 0; i < n; i++) {
            memset(big + ENTRY * i, 1, TALLY_SNP_GUID_BYTES);
            put32(big + ENTRY * i + 16, TALLY_SNP_TABLE_MAX);
        }
        ck_assert_int_eq(decode(big, TALLY_SNP_TABLE_MAX),
                         n > TALLY_SNP_TABLE_ENTRIES_MAX ? TALLY_R_E_OVERSIZE : TALLY_R_NONE);
    }
}
END_TEST

static enum tally_reason der_of(const void *bytes, size_t len, size_t cap)
{
    uint8_t out[TALLY_CERT_BYTES_MAX];
    struct tally_slice der;
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    if (len > 0) memcpy(exact, bytes, len);
    enum tally_status s = tally_snp_table_der(tally_slice_of(exact, len), out, cap, &der);
    free(exact);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(an_entry_holds_one_certificate)
{
    struct tally_slice ask = snp_vector_file("roots/genoa_ask.pem");
    static char two[TABLE];
    size_t n = ask.len;

    memcpy(two, ask.at, n);
    memcpy(two + n, ask.at, n);
    ck_assert_int_eq(der_of(two, n, TALLY_CERT_BYTES_MAX), TALLY_R_NONE);
    ck_assert_int_eq(der_of(two, 2 * n, TALLY_CERT_BYTES_MAX), TALLY_R_E_CERT_SHAPE);
    ck_assert_int_eq(der_of(two, n, 100), TALLY_R_E_OVERSIZE);
    ck_assert_int_eq(der_of(two, n - 30, TALLY_CERT_BYTES_MAX), TALLY_R_E_CERT_PARSE);
    ck_assert_int_eq(der_of("", 0, TALLY_CERT_BYTES_MAX), TALLY_R_E_CERT_PARSE);
    two[n] = 'x';
    ck_assert_int_ne(der_of(two, n + 1, TALLY_CERT_BYTES_MAX), TALLY_R_NONE);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("snp_certs");

    tcase_add_test(t, the_table_of_a_real_host_holds_the_published_certificates_in_pem);
    tcase_add_test(t, der_and_pem_and_unknown_entries_may_stand_side_by_side);
    tcase_add_test(t, every_prefix_of_a_real_table_is_refused);
    tcase_add_test(t, an_entry_that_points_elsewhere_is_refused);
    tcase_add_test(t, entries_that_overlap_are_refused);
    tcase_add_test(t, two_of_one_kind_are_refused);
    tcase_add_test(t, a_list_without_end_or_with_too_many_entries_is_refused);
    tcase_add_test(t, an_entry_holds_one_certificate);
    return tally_suite_run("common/snp_certs", t);
}
