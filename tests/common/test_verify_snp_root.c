/* test_verify_snp_root.c - roots, issuers, dates and revocation under a test root, and other
 * spellings of a good certificate (ATTESTATION.md D.2, G8; D.3). */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "tests/lib/simworld.h"
#include "tests/lib/suite.h"

static struct tally_verdict verdict;

/* ---- the root ---- */

static enum tally_reason judge_root(void (*change)(struct sim_world *w, EVP_PKEY *other),
                                    EVP_PKEY *key)
{
    struct sim_world w;

    sim_world(&w, SIM_GENOA);
    change(&w, key);
    return sim_world_judge(&w, &verdict);
}

static void fake_root(struct sim_world *w, EVP_PKEY *key)
{
    w->ark.key = w->ark.signer = key; /* of the right name, under which the ASK does not verify */
}

static void fake_chain(struct sim_world *w, EVP_PKEY *key)
{
    w->ask.signer = key; /* an ASK that another ARK signed */
}

static void no_ca(struct sim_world *w, EVP_PKEY *key)
{
    static const uint8_t no[] = {0x30, 0};
    (void)key;
    simulated_ext_set(&w->ark_exts, "2.5.29.19", TALLY_SLICE(no));
}

static void no_crl_sign(struct sim_world *w, EVP_PKEY *key)
{
    static const uint8_t certs_only[] = {3, 2, 2, 4};
    (void)key;
    simulated_ext_set(&w->ark_exts, "2.5.29.15", TALLY_SLICE(certs_only));
}

static void other_name(struct sim_world *w, EVP_PKEY *key)
{
    (void)key;
    w->ark.subject = "ARK-Genoa2";
}

static void from_sub_ca(struct sim_world *w, EVP_PKEY *key)
{
    w->ask.issuer = "SEV-Genoa"; /* the ASK signing another CA */
    w->ask.signer = simulated_root()->ask_key;
    (void)key;
}

START_TEST(the_root_is_a_ca_of_its_name_and_signed_the_issuer)
{
    EVP_PKEY *rsa = EVP_RSA_gen(4096), *small = EVP_RSA_gen(2048);

    ck_assert_int_eq(judge_root(fake_root, rsa), TALLY_R_E_SIGNATURE);
    ck_assert_int_eq(judge_root(fake_root, small), TALLY_R_E_KEY);
    ck_assert_int_eq(judge_root(fake_chain, rsa), TALLY_R_E_SIGNATURE);
    ck_assert_int_eq(judge_root(no_ca, NULL), TALLY_R_E_CERT_CONSTRAINT);
    ck_assert_int_eq(judge_root(no_crl_sign, NULL), TALLY_R_E_CERT_CONSTRAINT);
    ck_assert_int_eq(judge_root(other_name, NULL), TALLY_R_E_ROOT_UNTRUSTED);
    ck_assert_int_eq(judge_root(from_sub_ca, NULL), TALLY_R_E_CERT_SHAPE);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(small);
}
END_TEST

START_TEST(dates_of_every_certificate_hold_to_the_second)
{
    for (int which = 0; which < 3; which++) {
        struct sim_world w;
        sim_world(&w, SIM_GENOA);
        struct tally_sim_cert *c = which == 0 ? &w.vek : which == 1 ? &w.ask : &w.ark;
        const struct {
            uint64_t from, until;
            enum tally_reason reason;
        } rows[] = {
            {SIM_NOW_S - 1, SIM_NOW_S - 1, TALLY_R_E_CERT_EXPIRED      },
            {SIM_NOW_S - 1, SIM_NOW_S,     TALLY_R_NONE                },
            {SIM_NOW_S,     SIM_NOW_S + 1, TALLY_R_NONE                },
            {SIM_NOW_S + 1, SIM_NOW_S + 1, TALLY_R_E_CERT_NOT_YET_VALID}
        };
        for (size_t i = 0; i < 4; i++) {
            c->not_before_s = rows[i].from;
            c->not_after_s = rows[i].until;
            ck_assert_int_eq(sim_world_judge(&w, &verdict), rows[i].reason);
            ck_assert(rows[i].reason != TALLY_R_NONE || (verdict.not_before_s == rows[i].from ||
                                                         verdict.not_after_s == rows[i].until));
        }
    }
}
END_TEST

START_TEST(nothing_built_in_stands_in_under_a_test_root)
{
    struct sim_world w;

    sim_world(&w, SIM_GENOA);
    w.s.in.issuer = (struct tally_slice){0};
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CERT_SHAPE);
    ck_assert(verdict.undecided && !verdict.authentic);

    sim_world(&w, SIM_GENOA); /* at a time at which Genoa's built-in list is in force */
    ck_assert_int_eq(tally_time_parse("2025-06-01T00:00:00Z", &w.s.expect.now_s), TALLY_OK);
    w.ark.not_before_s = w.ask.not_before_s = w.vek.not_before_s = w.s.expect.now_s;
    w.s.in.crls_n = 0;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CRL_MISSING);
    ck_assert(verdict.undecided && verdict.authentic);
    w.s.in.crls_n = 1;
    w.crl.this_update_s = w.s.expect.now_s;
    ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
}
END_TEST

/* ---- revocation ---- */

static enum tally_reason judge_crl(struct tally_slice one, struct tally_slice two)
{
    struct simulated s;

    simulated_init(&s);
    s.in.crls[0] = one;
    s.in.crls[1] = two;
    s.in.crls_n = two.at == NULL ? 1 : 2;
    return simulated_judge(&s, &verdict) == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(each_wrong_revocation_list_is_refused_by_its_name)
{
    static const uint32_t ask[] = {0x20001, 0x20002}, other[] = {0x20001, 0x20003};
    const struct tally_slice none = {0};
    struct tally_sim_crl good = {.issuer = "ARK-Genoa",
                                 .signer = simulated_root()->ark_key,
                                 .this_update_s = SIM_NOW_S,
                                 .next_update_s = SIM_NOW_S,
                                 .revoked = other,
                                 .revoked_n = 2};
    struct tally_sim_crl c = good;

    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_NONE);
    ck_assert(verdict.not_before_s == SIM_NOW_S && verdict.not_after_s == SIM_NOW_S);
    c.revoked = ask;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_REVOKED);
    ck_assert_int_eq(judge_crl(simulated_crl(1, &good), simulated_crl(0, &c)), TALLY_R_E_REVOKED);
    c.this_update_s = c.next_update_s = SIM_NOW_S - 1;
    ck_assert_int_eq(judge_crl(simulated_crl(1, &good), simulated_crl(0, &c)), TALLY_R_E_REVOKED);
    c.revoked_n = 0;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_CRL_EXPIRED);
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), simulated_crl(1, &good)), TALLY_R_NONE);
    c.this_update_s = c.next_update_s = SIM_NOW_S + 1;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_CRL_EXPIRED);
    c = good;
    c.next_update_s = 0;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_CRL_EXPIRED);
    c = good;
    c.issuer = "ARK-Milan";
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_CRL_ISSUER);
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), simulated_crl(1, &good)), TALLY_R_NONE);
    c = good;
    c.signer = simulated_root()->ask_key;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_SIGNATURE);
    c = good;
    c.pss.salt = 20;
    ck_assert_int_eq(judge_crl(simulated_crl(0, &c), none), TALLY_R_E_CERT_ALG);
    ck_assert_int_eq(judge_crl(tally_slice_of("junk", 4), none), TALLY_R_E_CERT_PARSE);
}
END_TEST

/* As of Genoa's first ASK, 020001, which AMD's list revokes. */
START_TEST(the_first_issuer_is_revoked_and_its_successor_is_not)
{
    static const uint32_t first[] = {0x20001};

    for (int line = 0; line < SIM_LINES; line++) {
        struct sim_world w;
        sim_world(&w, line);
        w.crl.revoked = first;
        w.crl.revoked_n = 1;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
        w.ask.serial = 0x20001;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_REVOKED);
        w.ask.serial = 0x120001; /* the whole number counts */
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_NONE);
        sim_world_vlek(&w, line);
        w.ask.serial = 0x20001;
        w.crl.revoked = first;
        w.crl.revoked_n = 1;
        ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_REVOKED);
        for (int other = 0; other < SIM_LINES; other++) { /* a list of another product is none */
            char cn[32];
            if (other == line) continue;
            (void)snprintf(cn, sizeof cn, "ARK-%s", sim_lines[other].name);
            w.crl.issuer = cn;
            ck_assert_int_eq(sim_world_judge(&w, &verdict), TALLY_R_E_CRL_ISSUER);
        }
    }
}
END_TEST

/* ---- other spellings of a good certificate ---- */

/* The chip's VCEK, in bytes that mean the same. */
static enum tally_reason judge_spelling(int form)
{
    struct simulated s;
    uint8_t b[2048], *at = b;
    const uint8_t *der;

    simulated_init(&s);
    der = s.in.vek.at;
    size_t len = s.in.vek.len, inner = len - 4;
    ck_assert(der[0] == 0x30 && der[1] == 0x82 && der[4] == 0x30 && der[5] == 0x82);
    ck_assert_mem_eq(der + 8, "\xa0\x03\x02\x01\x02\x02\x01\x00", 8); /* version 3, serial 0 */
    if (form == 0) {                                                  /* indefinite length */
        memcpy(at, "\x30\x80", 2);
        memcpy(at + 2, der + 4, inner);
        memcpy(at + 2 + inner, "\0", 2);
        len = inner + 4;
    } else if (form == 1) { /* a length of three bytes */
        memcpy(at, "\x30\x83\x00", 3);
        memcpy(at + 3, der + 2, len - 2);
        len++;
    } else if (form == 2) { /* 00 00 for the serial number 0 */
        size_t tbs = (size_t)(der[6] << 8 | der[7]) + 1;
        memcpy(at, der, 13);
        memcpy(at + 13, "\x02\x02\x00\x00", 4);
        memcpy(at + 17, der + 16, len - 16);
        at[2] = (uint8_t)((inner + 1) >> 8);
        at[3] = (uint8_t)(inner + 1);
        at[6] = (uint8_t)(tbs >> 8);
        at[7] = (uint8_t)tbs;
        len++;
    } else { /* a byte behind it */
        memcpy(at, der, len);
        at[len++] = form == 3 ? 0 : 0x30;
    }
    s.in.vek = tally_slice_of(b, len);
    return simulated_judge(&s, &verdict) == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(another_spelling_of_a_certificate_is_refused)
{
    for (int form = 0; form < 5; form++)
        ck_assert_int_eq(judge_spelling(form), TALLY_R_E_CERT_NONCANONICAL);
}
END_TEST

int main(void)
{
    simulated_setup();
    TCase *t = tcase_create("verify_snp_root");

    tcase_add_test(t, the_root_is_a_ca_of_its_name_and_signed_the_issuer);
    tcase_add_test(t, dates_of_every_certificate_hold_to_the_second);
    tcase_add_test(t, nothing_built_in_stands_in_under_a_test_root);
    tcase_add_test(t, each_wrong_revocation_list_is_refused_by_its_name);
    tcase_add_test(t, the_first_issuer_is_revoked_and_its_successor_is_not);
    tcase_add_test(t, another_spelling_of_a_certificate_is_refused);
    return tally_suite_run("common/verify_snp_root", t);
}
