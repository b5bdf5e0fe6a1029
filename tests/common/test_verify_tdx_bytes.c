/* test_verify_tdx_bytes.c - common/attest/verify_tdx.c where bytes of a published quote are other
 * bytes (ATTESTATION.md D.2 and D.4). Every bit is tried with TALLY_LONG=1. */
#include <stdlib.h>
#include <string.h>

#include "common/ecdsa.h"
#include "common/secret.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_case.h"
#include "tests/lib/vectors.h"

static struct tdx_case c;

/* The case's quote with byte `at` changed; gives the reason, NONE if it is trusted. */
static enum tally_reason flipped(size_t at, uint8_t x)
{
    struct tally_slice was = c.in.quote;
    uint8_t *bytes = malloc(was.len);

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, was.at, was.len);
    bytes[at] ^= x;
    c.in.quote = tally_slice_of(bytes, was.len);
    enum tally_status s = tdx_case_judge(&c);
    c.in.quote = was;
    free(bytes);
    ck_assert_msg(s != TALLY_OK, "byte %zu ^ %02x is trusted", at, x);
    return tally_reason();
}

static void flip_all(const char *name)
{
    tdx_case_init(&c, name, 0, false);
    size_t signed_end = c.quote.signed_part.len, ak = signed_end + 4 + 64;
    size_t qe = ak + 64 + 6, auth = qe + 384 + 64 + 2, auth_end = auth + c.quote.auth.len;
    size_t step = getenv("TALLY_LONG") != NULL ? 1 : 7;

    for (size_t bit = 0; bit < c.row->quote_len * 8; bit += step) {
        size_t at = bit / 8;
        enum tally_reason r = flipped(at, (uint8_t)(1U << bit % 8));
        ck_assert_int_ne(r, TALLY_R_NONE);
        ck_assert(!c.v.authentic && c.v.claims_n == 0 && c.v.tcb.status == NULL);
        if (at >= 54 && at < signed_end) ck_assert_int_eq(r, TALLY_R_E_SIGNATURE);
        if (at >= ak && at < ak + 64) ck_assert_int_eq(r, TALLY_R_E_QE_BINDING);
        if (at >= auth && at < auth_end) ck_assert_int_eq(r, TALLY_R_E_QE_BINDING);
        if (at >= qe && at < qe + 384)
            ck_assert(r == TALLY_R_E_SIGNATURE || r == TALLY_R_E_RESERVED_NONZERO);
        if (at >= qe + 384 && at < qe + 448) ck_assert_int_eq(r, TALLY_R_E_SIGNATURE);
    }
}

START_TEST(a_flipped_bit_never_passes)
{
    flip_all(_i == 0 ? "spr_v4_oak" : "emr_v5_google");
}
END_TEST

START_TEST(a_quote_cut_short_or_lengthened_is_refused)
{
    tdx_case_init(&c, "spr_v4_oak", 0, false);
    struct tally_slice whole = c.in.quote;
    size_t step = getenv("TALLY_LONG") != NULL ? 1 : 13;
    static uint8_t longer[80 * 1024];

    for (size_t len = 0; len < whole.len; len += step) {
        uint8_t *exact = malloc(len > 0 ? len : 1);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, whole.at, len);
        c.in.quote = tally_slice_of(exact, len);
        tdx_case_must(&c, TALLY_R_E_TRUNCATED);
        free(exact);
    }
    memcpy(longer, whole.at, whole.len);
    c.in.quote = tally_slice_of(longer, whole.len + 1);
    tdx_case_must(&c, TALLY_R_NONE);
    c.expect.padded = false;
    tdx_case_must(&c, TALLY_R_E_TRAILING);
    c.expect.padded = true;
    longer[whole.len] = 1;
    tdx_case_must(&c, TALLY_R_E_TRAILING);
    longer[whole.len] = 0;
    c.in.quote.len = whole.len + 64 * 1024;
    tdx_case_must(&c, TALLY_R_E_OVERSIZE);
    c.in.quote = tdx_row_named("spr_v4_google_e4")->quote;
    tdx_case_must(&c, TALLY_R_E_TRAILING);
}
END_TEST

static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

START_TEST(r_and_s_out_of_range_are_refused)
{
    for (int k = 0; k < 16; k++) {
        tdx_case_init(&c, "spr_v4_oak", 0, false);
        uint8_t *number = (k & 8 ? c.quote.qe_signature : c.quote.signature) + (k & 4 ? 32 : 0);
        memcpy(number, order, 32);
        if ((k & 3) == 0) memset(number, 0, 32);
        if ((k & 3) == 2) number[31]++;
        if ((k & 3) == 3) memset(number, 0xff, 32);
        tdx_case_encode(&c);
        tdx_case_must(&c, TALLY_R_E_SIG_RANGE);
    }
}
END_TEST

/* Why a signature's bytes are never an identity: there are two for every text. */
START_TEST(the_other_root_of_s_still_verifies)
{
    tdx_case_init(&c, "spr_v4_oak", 0, false);
    for (int k = 0; k < 2; k++) {
        uint8_t *s = (k == 0 ? c.quote.signature : c.quote.qe_signature) + 32;
        int borrow = 0;
        for (int i = 31; i >= 0; i--) {
            int d = order[i] - s[i] - borrow;
            borrow = d < 0;
            s[i] = (uint8_t)(d & 0xff);
        }
    }
    tdx_case_encode(&c);
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

static void swap_halves(uint8_t sig[64])
{
    uint8_t r[32];

    memcpy(r, sig, 32);
    memcpy(sig, sig + 32, 32);
    memcpy(sig + 32, r, 32);
}

START_TEST(r_and_s_swapped_are_refused)
{
    for (int k = 0; k < 2; k++) {
        tdx_case_init(&c, "spr_v4_oak", 0, false);
        swap_halves(k == 0 ? c.quote.signature : c.quote.qe_signature);
        tdx_case_encode(&c);
        tdx_case_must(&c, TALLY_R_E_SIGNATURE);
    }
}
END_TEST

/* Whose part is put into the quote, and the name of the refusal. */
START_TEST(parts_of_another_quote_are_refused)
{
    static struct tdx_case other;
    static const enum tally_reason reasons[] = {TALLY_R_E_QE_BINDING, TALLY_R_E_SIGNATURE,
                                                TALLY_R_E_SIGNATURE,  TALLY_R_E_SIGNATURE,
                                                TALLY_R_E_QE_BINDING, TALLY_R_E_QE_BINDING};

    for (size_t i = 0; i < 6; i++) {
        tdx_case_init(&c, "spr_v4_oak", 0, false);
        tdx_case_init(&other, "spr_v4_gcp_cos113", 0, false);
        struct tally_tdx_quote *q = &c.quote, *o = &other.quote;
        if (i == 0 || i == 5) memcpy(q->ak, o->ak, sizeof q->ak);
        if (i == 1 || i == 4) q->qe = o->qe;
        if (i == 4) memcpy(q->qe_signature, o->qe_signature, sizeof q->qe_signature);
        if (i == 2 || i == 4) q->pck_pem = o->pck_pem;
        if (i == 3) memcpy(q->signature, o->signature, sizeof q->signature);
        if (i == 5) memcpy(q->signature, o->signature, sizeof q->signature);
        tdx_case_encode(&c);
        tdx_case_must(&c, reasons[i]);
    }
}
END_TEST

static enum tally_status verify(struct tally_ecdsa *at, const uint8_t key[64],
                                struct tally_slice text, const uint8_t sig[64])
{
    return tally_ecdsa_verify_at(at, TALLY_KEY_P256, tally_slice_of(key, 64), text,
                                 tally_slice_of(sig, 64));
}

/* Where the point cannot be the attestation key that the QE vouched for, the curve is not asked;
 * so the curve is asked here. */
START_TEST(a_key_off_the_curve_is_no_key)
{
    TALLY_CLEANUP(tally_ecdsa_free) struct tally_ecdsa at = {0};
    uint8_t key[64] = {0}, sig[64] = {[31] = 1, [63] = 1};

    for (int used = 0; used < 2; used++) {
        memset(key, 0, sizeof key);
        ck_assert_int_ne(verify(&at, key, TALLY_SLICE(sig), sig), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_KEY);
        memset(key, 0xff, sizeof key); /* x and y above the field's prime */
        ck_assert_int_ne(verify(&at, key, TALLY_SLICE(sig), sig), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_KEY);
        tdx_case_init(&c, "spr_v4_oak", 0, false);
        ck_assert_int_eq(verify(&at, c.quote.ak, c.quote.signed_part, c.quote.signature), TALLY_OK);
    }
}
END_TEST

/* The chain in the quote, made of these PEM blocks and what stands round them. */
static struct tally_slice block(struct tally_slice pem, unsigned i)
{
    static const char end[] = "-----END CERTIFICATE-----\n";
    const uint8_t *from = pem.at, *stop = pem.at + pem.len;

    for (;; i--) {
        const uint8_t *e = memmem(from, (size_t)(stop - from), end, sizeof end - 1);
        ck_assert_ptr_nonnull(e);
        e += sizeof end - 1;
        if (i == 0) return tally_slice_of(from, (size_t)(e - from));
        from = e;
    }
}

enum { OTHER_ROOT = 3, TEXT, ZERO, CR };
static const struct {
    int parts[6]; /* 0 to 2: leaf, CA, root; -1: the end */
    enum tally_reason reason;
} chains[] = {
    {{0, 1, 2, -1},             TALLY_R_NONE            },
    {{0, 1, 2, ZERO, -1},       TALLY_R_NONE            },
    {{0, 1, 2, ZERO, ZERO, -1}, TALLY_R_E_CERT_SHAPE    },
    {{-1},                      TALLY_R_E_CERT_SHAPE    },
    {{0, -1},                   TALLY_R_E_CERT_SHAPE    },
    {{0, 1, -1},                TALLY_R_E_CERT_SHAPE    },
    {{0, 1, 2, 2, -1},          TALLY_R_E_CERT_SHAPE    },
    {{0, 0, 1, 2, -1},          TALLY_R_E_CERT_SHAPE    },
    {{2, 1, 0, -1},             TALLY_R_E_CERT_SHAPE    },
    {{1, 0, 2, -1},             TALLY_R_E_CERT_SHAPE    },
    {{0, 0, 2, -1},             TALLY_R_E_CERT_SHAPE    },
    {{0, 1, 1, -1},             TALLY_R_E_CERT_SHAPE    },
    {{0, 1, OTHER_ROOT, -1},    TALLY_R_E_ROOT_UNTRUSTED},
    {{TEXT, 0, 1, 2, -1},       TALLY_R_E_CERT_PARSE    },
    {{0, TEXT, 1, 2, -1},       TALLY_R_E_CERT_PARSE    },
    {{0, 1, 2, TEXT, -1},       TALLY_R_E_CERT_SHAPE    },
    {{0, ZERO, 1, 2, -1},       TALLY_R_E_CERT_PARSE    },
    {{0, CR, 1, 2, -1},         TALLY_R_E_CERT_PARSE    },
};

START_TEST(a_chain_of_another_make_is_refused_by_name)
{
    static uint8_t pem[8192];
    struct tally_wr w = tally_wr_to(pem, sizeof pem);

    tdx_case_init(&c, "spr_v4_oak", 0, false);
    for (size_t i = 0; chains[_i].parts[i] >= 0; i++) {
        switch (chains[_i].parts[i]) {
        case OTHER_ROOT:
            tally_wr_bytes(&w, block(tdx_file("extra/intel_qvl_sample_testroot/"
                                              "trustedRootCaCert.pem"),
                                     0));
            break;
        case TEXT: tally_wr_bytes(&w, tally_slice_str("subject: a name\n")); break;
        case ZERO: tally_wr_u8(&w, 0); break;
        case CR: tally_wr_bytes(&w, tally_slice_str("\r\n")); break;
        default: tally_wr_bytes(&w, block(c.quote.pck_pem, (unsigned)chains[_i].parts[i]));
        }
    }
    c.quote.pck_pem = tally_slice_of(pem, w.used);
    tdx_case_encode(&c);
    tdx_case_must(&c, chains[_i].reason);
}
END_TEST

START_TEST(lines_that_end_otherwise_are_refused)
{
    static uint8_t pem[8192];
    struct tally_wr w = tally_wr_to(pem, sizeof pem);

    tdx_case_init(&c, "spr_v4_oak", 0, false);
    for (size_t i = 0; i < c.quote.pck_pem.len; i++) {
        if (c.quote.pck_pem.at[i] == '\n') tally_wr_u8(&w, '\r');
        tally_wr_u8(&w, c.quote.pck_pem.at[i]);
    }
    c.quote.pck_pem = tally_slice_of(pem, w.used);
    tdx_case_encode(&c);
    tdx_case_must(&c, TALLY_R_E_CERT_PARSE);
}
END_TEST

START_TEST(another_root_of_trust_trusts_none_of_these)
{
    uint8_t der[4096];
    struct tally_slice pem = tdx_file("extra/intel_qvl_sample_testroot/trustedRootCaCert.pem");
    size_t len = 0, n;
    const struct tdx_row *rows = tdx_rows(&n);

    ck_assert_int_eq(tally_cert_from_file(pem, "CERTIFICATE", der, sizeof der, &len), TALLY_OK);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].results_n == 0) continue;
        tdx_case_init(&c, rows[i].name, 0, false);
        c.anchor.root = tally_slice_of(der, len);
        tdx_case_must(&c, TALLY_R_E_ROOT_UNTRUSTED);
        ck_assert(!c.v.authentic && c.v.trust == 0);
    }
    tdx_case_init(&c, "spr_v4_oak", 0, false);
    ck_assert_int_ne(tally_verify_tdx(&c.in, &c.anchor, 0, &c.policy, &c.expect, &c.v), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_tdx_bytes");

    tcase_add_loop_test(t, a_flipped_bit_never_passes, 0, 2);
    tcase_add_test(t, a_quote_cut_short_or_lengthened_is_refused);
    tcase_add_test(t, r_and_s_out_of_range_are_refused);
    tcase_add_test(t, the_other_root_of_s_still_verifies);
    tcase_add_test(t, r_and_s_swapped_are_refused);
    tcase_add_test(t, parts_of_another_quote_are_refused);
    tcase_add_test(t, a_key_off_the_curve_is_no_key);
    tcase_add_loop_test(t, a_chain_of_another_make_is_refused_by_name, 0,
                        (int)(sizeof chains / sizeof chains[0]));
    tcase_add_test(t, lines_that_end_otherwise_are_refused);
    tcase_add_test(t, another_root_of_trust_trusts_none_of_these);
    return tally_suite_run("common/verify_tdx_bytes", t);
}
