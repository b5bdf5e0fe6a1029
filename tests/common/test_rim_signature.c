/* test_rim_signature.c - common/attest/rim_signature.c and the cache in rim.c: chains, keys and
 * dates of manifests of our own (ATTESTATION.md D.5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "tests/lib/simulated_rim.h"
#include "tests/lib/suite.h"

#define DRIVER "580.95.05"
static const uint64_t driver_mask = 0x0000fff000000f80;

static struct tally_rim rim, out;

static struct simulated_rim document(void)
{
    struct simulated_rim d;

    simulated_rim_init(&rim, DRIVER, driver_mask, 2);
    simulated_rim_write(&rim, simulated_rim_signer(), &d);
    return d;
}

/* The n-th certificate element of a document. */
static char *certificate(const struct simulated_rim *d, int n)
{
    char *from = d->at, *until;

    for (int i = 0; i <= n; i++) from = strstr(from + 1, "<ds:X509Certificate>");
    until = strstr(from, "</ds:X509Certificate>") + 21;
    char *copy = strndup(from, (size_t)(until - from));
    ck_assert_ptr_nonnull(copy);
    return copy;
}

/* The certificates of a document in this order, e.g. "3210"; '-' ends it. */
static void reorder(struct simulated_rim *d, const char *order)
{
    char *certs[4], all[16384] = "";

    for (int i = 0; i < 4; i++) certs[i] = certificate(d, i);
    for (const char *p = order; *p != '\0'; p++) strcat(all, certs[*p - '0']);
    strcat(all, "</ds:X509Data>");
    for (int i = 0; i < 4; i++) {
        simulated_rim_replace(d, certs[i], "");
        free(certs[i]);
    }
    simulated_rim_replace(d, "</ds:X509Data>", all);
}

START_TEST(only_four_certificates_in_their_order_are_a_chain)
{
    static const struct {
        const char *order;
        enum tally_reason reason;
    } orders[] = {
        {"0123",  TALLY_R_NONE            },
        {"3210",  TALLY_R_E_RIM_CHAIN     },
        {"0213",  TALLY_R_E_RIM_CHAIN     },
        {"1023",  TALLY_R_E_RIM_CHAIN     },
        {"012",   TALLY_R_E_RIM_CHAIN     },
        {"123",   TALLY_R_E_RIM_CHAIN     },
        {"013",   TALLY_R_E_RIM_CHAIN     },
        {"01233", TALLY_R_E_RIM_CHAIN     },
        {"00123", TALLY_R_E_RIM_CHAIN     },
        {"",      TALLY_R_E_RIM_CHAIN     },
        {"0122",  TALLY_R_E_ROOT_UNTRUSTED},
        {"0120",  TALLY_R_E_ROOT_UNTRUSTED},
        {"1123",  TALLY_R_E_RIM_CHAIN     },
        {"0023",  TALLY_R_E_RIM_CHAIN     }
    };

    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct simulated_rim d = document();
        reorder(&d, orders[i].order);
        simulated_rim_sign(&d, simulated_rim_signer());
        simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, orders[i].reason, &out);
    }
}
END_TEST

/* A signer of its own, to be changed. */
static struct tally_sim_rim_signer *fresh(void)
{
    struct tally_sim_rim_signer *s;

    ck_assert_int_eq(tally_sim_rim_signer_new(SIM_RIM_NOW_S, &s), TALLY_OK);
    return s;
}

static void expect_signer(struct tally_sim_rim_signer *s, enum tally_reason reason)
{
    struct simulated_rim d;

    ck_assert_msg(tally_sim_rim_signer_issue(s) == TALLY_OK, "%s", tally_why());
    simulated_rim_init(&rim, DRIVER, driver_mask, 1);
    simulated_rim_write(&rim, s, &d);
    simulated_rim_expect(&d, s, SIM_RIM_NOW_S, reason, &out);
    tally_sim_rim_signer_free(&s);
}

START_TEST(names_of_a_chain_are_nvidias)
{
    static const struct {
        size_t at;
        const char *cn;
        enum tally_reason reason;
    } names[] = {
        {0, "RIM L4 Signer",                        TALLY_R_NONE            },
        {0, "NVIDIA Reference Value L4 LS10",       TALLY_R_NONE            },
        {0, "GH100 A01 GSP FMC LF",                 TALLY_R_E_RIM_CHAIN     },
        {0, "NVIDIA Reference Value L3 GH100 001",  TALLY_R_E_RIM_CHAIN     },
        {0, "HCC RIM L4 Signer 2",                  TALLY_R_E_RIM_CHAIN     },
        {1, "NVIDIA Reference Value L3 GB100-CC 1", TALLY_R_NONE            },
        {1, "NVIDIA GH100 Provisioner ICA 1",       TALLY_R_E_RIM_CHAIN     },
        {1, "NVIDIA Reference Value GH100 CA",      TALLY_R_E_RIM_CHAIN     },
        {2, "NVIDIA Reference Value GB1XX CA 001",  TALLY_R_NONE            },
        {2, "NVIDIA GH100 Identity",                TALLY_R_E_RIM_CHAIN     },
        {3, "NVIDIA Device Identity CA",            TALLY_R_E_ROOT_UNTRUSTED},
        {3, "NVIDIA CoRIM L1 Root CA Debug Only",   TALLY_R_E_ROOT_UNTRUSTED}
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct tally_sim_rim_signer *s = fresh();
        s->says[names[i].at].cn = names[i].cn;
        expect_signer(s, names[i].reason);
    }
}
END_TEST

START_TEST(keys_algorithms_and_constraints_of_a_chain_are_checked)
{
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        struct tally_sim_rim_signer *s = fresh();
        s->says[i].curve = "P-256";
        expect_signer(s, TALLY_R_E_RIM_CHAIN);
        s = fresh();
        s->says[i].ca = !s->says[i].ca;
        s->says[i].pathlen = -1;
        expect_signer(s, TALLY_R_E_RIM_CHAIN);
        s = fresh();
        s->says[i].hash = "SHA256";
        /* The root is pinned: its own signature says nothing. */
        expect_signer(s, i + 1 < TALLY_RIM_CERTS ? TALLY_R_E_RIM_CHAIN : TALLY_R_NONE);
    }
    struct tally_sim_rim_signer *s = fresh();
    s->says[1].pathlen = 1;
    expect_signer(s, TALLY_R_E_RIM_CHAIN);
    s = fresh();
    s->says[2].pathlen = 0;
    expect_signer(s, TALLY_R_E_RIM_CHAIN);
    s = fresh();
    s->says[2].pathlen = 1;
    expect_signer(s, TALLY_R_NONE);
    s = fresh();
    s->says[1].pathlen = -1;
    expect_signer(s, TALLY_R_E_RIM_CHAIN);
}
END_TEST

START_TEST(every_certificate_has_to_be_in_its_time)
{
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        struct tally_sim_rim_signer *s = fresh();
        s->says[i].not_after_s = SIM_RIM_NOW_S;
        expect_signer(s, TALLY_R_NONE);
        s = fresh();
        s->says[i].not_after_s = SIM_RIM_NOW_S - 1;
        expect_signer(s, TALLY_R_E_RIM_EXPIRED);
        s = fresh();
        s->says[i].not_before_s = SIM_RIM_NOW_S;
        expect_signer(s, TALLY_R_NONE);
        s = fresh();
        s->says[i].not_before_s = SIM_RIM_NOW_S + 1;
        expect_signer(s, TALLY_R_E_CERT_NOT_YET_VALID);
    }
}
END_TEST

/* Key confusion: a proper chain shown beside a signature by another key, and each link replaced
 * by one of the same name under another key. */
START_TEST(the_leaf_of_the_chain_is_the_key_that_signed)
{
    struct tally_sim_rim_signer *other = fresh(), *s = simulated_rim_signer();
    struct simulated_rim d = document();
    enum tally_reason reasons[] = {TALLY_R_E_RIM_CHAIN, TALLY_R_E_RIM_CHAIN, TALLY_R_E_RIM_CHAIN,
                                   TALLY_R_E_ROOT_UNTRUSTED};

    simulated_rim_sign(&d, other);
    simulated_rim_expect(&d, s, SIM_RIM_NOW_S, TALLY_R_E_RIM_SIG, &out);
    for (int i = 0; i < (int)TALLY_RIM_CERTS; i++) {
        struct simulated_rim theirs;
        d = document();
        simulated_rim_write(&rim, other, &theirs);
        char *mine = certificate(&d, i), *their = certificate(&theirs, i);
        simulated_rim_replace(&d, mine, their);
        if (i == 0) simulated_rim_sign(&d, other);
        simulated_rim_expect(&d, s, SIM_RIM_NOW_S, reasons[i], &out);
        simulated_rim_free(&theirs);
        free(mine);
        free(their);
    }
    d = document();
    simulated_rim_expect(&d, other, SIM_RIM_NOW_S, TALLY_R_E_ROOT_UNTRUSTED, &out);
    tally_sim_rim_signer_free(&other);
}
END_TEST

START_TEST(r_and_s_out_of_range_are_refused)
{
    static const char *const values[] = {
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "////////////////////////////////////////////////////////////////"};

    for (int k = 0; k < 4; k++) {
        struct simulated_rim d = document();
        char *sig = strstr(d.at, "<ds:SignatureValue>") + strlen("<ds:SignatureValue>");
        memcpy(sig + (k % 2 ? 64 : 0), values[k / 2], 64);
        simulated_rim_expect(&d, simulated_rim_signer(), SIM_RIM_NOW_S, TALLY_R_E_RIM_SIG, &out);
    }
}
END_TEST

static struct tally_attest_cache *cache;

static enum tally_status cached(const struct simulated_rim *d, const struct tally_anchor *anchor,
                                uint64_t now_s)
{
    const struct tally_expect e = {.now_s = now_s, .cache = cache};

    return tally_rim_verify(tally_slice_of(d->at, d->len), anchor, 1, &e, false, &out);
}

START_TEST(a_cached_manifest_still_has_dates_content_and_a_root)
{
    struct simulated_rim d = document();
    struct tally_sim_rim_signer *s = simulated_rim_signer(), *other = fresh();
    struct tally_anchor mine = simulated_rim_anchor(s), theirs = simulated_rim_anchor(other);
    uint64_t until = s->says[0].not_after_s;

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    ck_assert_int_ne(cached(&d, &mine, until + 1), TALLY_OK); /* kept, though expired */
    ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_EXPIRED);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(cached(&d, &mine, until), TALLY_OK);
        ck_assert_str_eq(out.version, DRIVER);
        ck_assert_mem_eq(out.measurements, rim.measurements, sizeof rim.measurements);
        ck_assert_uint_eq(out.not_after_s, until);
        ck_assert_int_eq(out.trust, TALLY_TRUST_TEST);
        ck_assert_int_ne(cached(&d, &mine, until + 1), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_EXPIRED);
        ck_assert_int_ne(cached(&d, &mine, s->says[0].not_before_s - 1), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NOT_YET_VALID);
        ck_assert_int_ne(cached(&d, &theirs, until), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    }
    mine.trust = TALLY_TRUST_GIVEN; /* the class is the anchor's of today */
    ck_assert_int_eq(cached(&d, &mine, until), TALLY_OK);
    ck_assert_int_eq(out.trust, TALLY_TRUST_GIVEN);
    d.at[100] ^= 1;
    ck_assert_int_ne(cached(&d, &mine, until), TALLY_OK);
    tally_attest_cache_destroy(&cache);
    tally_sim_rim_signer_free(&other);
    simulated_rim_free(&d);
}
END_TEST

START_TEST(what_did_not_verify_is_not_kept)
{
    struct simulated_rim d = document();
    struct tally_anchor mine = simulated_rim_anchor(simulated_rim_signer());

    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    simulated_rim_replace(&d, "580.95.05", "580.95.06");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ne(cached(&d, &mine, SIM_RIM_NOW_S), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_RIM_SIG);
    }
    tally_attest_cache_destroy(&cache);
    simulated_rim_free(&d);
}
END_TEST

int main(void)
{
    simulated_rim_setup();
    TCase *t = tcase_create("rim_signature");

    tcase_add_test(t, only_four_certificates_in_their_order_are_a_chain);
    tcase_add_test(t, names_of_a_chain_are_nvidias);
    tcase_add_test(t, keys_algorithms_and_constraints_of_a_chain_are_checked);
    tcase_add_test(t, every_certificate_has_to_be_in_its_time);
    tcase_add_test(t, the_leaf_of_the_chain_is_the_key_that_signed);
    tcase_add_test(t, r_and_s_out_of_range_are_refused);
    tcase_add_test(t, a_cached_manifest_still_has_dates_content_and_a_root);
    tcase_add_test(t, what_did_not_verify_is_not_kept);
    int failed = tally_suite_run("common/rim_signature", t);
    struct tally_sim_rim_signer *s = simulated_rim_signer();
    tally_sim_rim_signer_free(&s);
    return failed;
}
