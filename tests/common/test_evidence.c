/* test_evidence.c - common/attest/evidence.c and appraise.c: EV and endorsements on the wire. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/appraise.h"
#include "common/attest/evidence.h"
#include "common/attest/policy.h"
#include "tests/lib/suite.h"

static enum tally_reason decode_ev(const void *p, size_t len)
{
    struct tally_evidence e;
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, p, len);
    enum tally_status s = tally_evidence_decode(tally_slice_of(exact, len), &e);
    free(exact);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(evidence_round_trips_and_every_prefix_is_refused)
{
    uint8_t b[64];
    struct tally_wr w = tally_wr_to(b, sizeof b);
    struct tally_evidence e;

    tally_evidence_encode(
        &w, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = tally_slice_str("abc")});
    ck_assert_uint_eq(w.used, 1 + 4 + 3 + 1);
    ck_assert_int_eq(tally_evidence_decode(tally_slice_of(b, w.used), &e), TALLY_OK);
    ck_assert(e.kind == TALLY_EVIDENCE_SNP && e.devices_n == 0 &&
              tally_slice_equal(e.report, tally_slice_str("abc")));
    for (size_t len = 0; len < w.used; len++) ck_assert_int_eq(decode_ev(b, len), TALLY_R_E_FORMAT);
    b[w.used] = 0;
    ck_assert_int_eq(decode_ev(b, w.used + 1), TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(devices_round_trip_and_every_prefix_is_refused)
{
    uint8_t b[128];
    struct tally_wr w = tally_wr_to(b, sizeof b);
    struct tally_evidence e,
        sent = {
            .kind = TALLY_EVIDENCE_TDX,
            .report = tally_slice_str("quote"),
            .devices = {{TALLY_DEVICE_GPU, tally_slice_str("r"), tally_slice_str("chain")},
                        {TALLY_DEVICE_NVSWITCH, tally_slice_str("rr"), tally_slice_str("")}},
            .devices_n = 2
    };

    tally_evidence_encode(&w, &sent);
    ck_assert_int_eq(tally_evidence_decode(tally_slice_of(b, w.used), &e), TALLY_OK);
    ck_assert(e.kind == TALLY_EVIDENCE_TDX && e.devices_n == 2 &&
              e.devices[1].kind == TALLY_DEVICE_NVSWITCH &&
              tally_slice_equal(e.devices[0].chain, tally_slice_str("chain")) &&
              tally_slice_equal(e.devices[1].report, tally_slice_str("rr")));
    for (size_t len = 0; len < w.used; len++) ck_assert_int_eq(decode_ev(b, len), TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(other_tees_and_devices_are_refused_by_name)
{
    ck_assert_int_eq(decode_ev("\3\0\0\0\1x\0", 7), TALLY_R_E_TEE_TYPE);
    ck_assert_int_eq(decode_ev("\0\0\0\0\1x\0", 7), TALLY_R_E_TEE_TYPE);
    ck_assert_int_eq(decode_ev("\1\0\0\0\1x\1\3\0\0\0\1y\0\0\0\1z", 18), TALLY_R_E_TEE_TYPE);
    ck_assert_int_eq(decode_ev("\1\0\0\0\1x\x11\1", 8), TALLY_R_E_OVERSIZE);
    ck_assert_int_eq(decode_ev("\1\xff\xff\xff\xff\0", 6), TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(a_chain_is_split_at_its_lengths_and_nowhere_else)
{
    static const char two[] = "\x30\x01x\x30\x82\x00\x81";
    uint8_t b[7 + 0x81];
    struct tally_slice der[2];
    uint32_t n = 0;

    memset(b, 'y', sizeof b);
    memcpy(b, two, 7);
    ck_assert_int_eq(tally_chain_split(TALLY_SLICE(b), der, 2, &n), TALLY_OK);
    ck_assert(n == 2 && der[0].len == 3 && der[1].len == 4 + 0x81 && der[1].at == b + 3);
    ck_assert_int_ne(tally_chain_split(TALLY_SLICE(b), der, 1, &n), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
    for (size_t len = 1; len < sizeof b; len++) {
        if (len == 3) continue;
        ck_assert_int_ne(tally_chain_split(tally_slice_of(b, len), der, 2, &n), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    }
    ck_assert_int_ne(tally_chain_split(tally_slice_of(b, 0), der, 2, &n), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
}
END_TEST

START_TEST(endorsements_round_trip_and_every_prefix_is_refused)
{
    uint8_t b[128];
    struct tally_wr w = tally_wr_to(b, sizeof b);
    struct tally_endorsements list;
    const struct tally_endorsement items[] = {
        {TALLY_ENDORSEMENT_VEK,      tally_slice_str("vcek"), tally_slice_str("der")},
        {TALLY_ENDORSEMENT_MANIFEST, tally_slice_str(""),     tally_slice_str("")   }
    };
    size_t ends[] = {0, 0, 0};

    for (size_t i = 0; i < 2; i++) {
        tally_endorsement_encode(&w, &items[i]);
        ends[i + 1] = w.used;
    }
    ck_assert_int_eq(tally_endorsements_decode(tally_slice_of(b, w.used), &list), TALLY_OK);
    ck_assert_uint_eq(list.n, 2);
    ck_assert(list.items[0].kind == TALLY_ENDORSEMENT_VEK &&
              tally_slice_equal(list.items[0].name, items[0].name) &&
              tally_slice_equal(list.items[0].bytes, items[0].bytes) &&
              list.items[1].kind == TALLY_ENDORSEMENT_MANIFEST);
    for (size_t len = 0; len < w.used; len++) {
        bool whole = len == ends[0] || len == ends[1];
        enum tally_status s = tally_endorsements_decode(tally_slice_of(b, len), &list);
        ck_assert_int_eq(s, whole ? TALLY_OK : TALLY_E_UNTRUSTED);
    }
    b[0] = 6;
    ck_assert_int_ne(tally_endorsements_decode(tally_slice_of(b, w.used), &list), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(more_than_64_endorsements_are_refused)
{
    static uint8_t b[65 * 9];
    struct tally_wr w = tally_wr_to(b, sizeof b);
    struct tally_endorsements list;

    for (int i = 0; i < 65; i++)
        tally_endorsement_encode(&w, &(struct tally_endorsement){.kind = TALLY_ENDORSEMENT_CRL});
    ck_assert_int_eq(tally_endorsements_decode(tally_slice_of(b, 64 * 9), &list), TALLY_OK);
    ck_assert_int_ne(tally_endorsements_decode(tally_slice_of(b, w.used), &list), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
}
END_TEST

/* An appraisal of this list beside any report. */
static enum tally_reason appraise(const struct tally_endorsement *items, size_t n)
{
    static struct tally_verdict v;
    uint8_t b[256];
    struct tally_wr w = tally_wr_to(b, sizeof b);
    struct tally_policy p;
    const struct tally_expect x = {.now_s = 1};

    tally_policy_integrity(&p);
    p.parts = TALLY_POLICY_SNP;
    for (size_t i = 0; i < n; i++) tally_endorsement_encode(&w, &items[i]);
    enum tally_status s = tally_appraise(tally_slice_of("\1\0\0\0\0\0", 6),
                                         tally_slice_of(b, w.used), NULL, 0, &p, &x, &v);
    ck_assert_int_ne(s, TALLY_OK);
    ck_assert(v.failed_n == 1 && !v.authentic && v.not_after_s == 0);
    return tally_reason();
}

START_TEST(two_leaves_or_too_many_lists_are_refused)
{
    const struct tally_endorsement vek = {TALLY_ENDORSEMENT_VEK, {0}, tally_slice_str("x")};
    const struct tally_endorsement ask = {TALLY_ENDORSEMENT_ISSUER, {0}, tally_slice_str("x")};
    const struct tally_endorsement crl = {TALLY_ENDORSEMENT_CRL, {0}, tally_slice_str("x")};
    const struct tally_endorsement none = {TALLY_ENDORSEMENT_VEK, {0}, {0}};

    ck_assert_int_eq(appraise((struct tally_endorsement[]){vek, vek}, 2), TALLY_R_E_CERT_SHAPE);
    ck_assert_int_eq(appraise((struct tally_endorsement[]){ask, ask}, 2), TALLY_R_E_CERT_SHAPE);
    ck_assert_int_eq(appraise(&none, 1), TALLY_R_E_CERT_PARSE);
    ck_assert_int_eq(
        appraise((struct tally_endorsement[]){crl, crl, crl, crl, crl, crl, crl, crl, crl}, 9),
        TALLY_R_E_OVERSIZE);
    ck_assert_int_eq(appraise((struct tally_endorsement[]){vek, ask, crl}, 3),
                     TALLY_R_E_TRUNCATED); /* and the empty report then speaks for itself */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("evidence");

    tcase_add_test(t, evidence_round_trips_and_every_prefix_is_refused);
    tcase_add_test(t, devices_round_trip_and_every_prefix_is_refused);
    tcase_add_test(t, a_chain_is_split_at_its_lengths_and_nowhere_else);
    tcase_add_test(t, other_tees_and_devices_are_refused_by_name);
    tcase_add_test(t, endorsements_round_trip_and_every_prefix_is_refused);
    tcase_add_test(t, more_than_64_endorsements_are_refused);
    tcase_add_test(t, two_leaves_or_too_many_lists_are_refused);
    return tally_suite_run("common/evidence", t);
}
