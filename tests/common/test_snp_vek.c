/* test_snp_vek.c - chains with one thing wrong, made under a test root (ATTESTATION.md D.3). */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"

#define AMD "1.3.6.1.4.1.3704.1"

static struct tally_verdict verdict;

static enum tally_reason judge(struct tally_slice vek, struct tally_slice ask)
{
    struct simulated s;

    simulated_init(&s);
    if (vek.at != NULL) s.in.vek = vek;
    if (ask.at != NULL) s.in.issuer = ask;
    return simulated_judge(&s, &verdict) == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

static enum tally_reason judge_vek(const struct tally_sim_cert *c)
{
    return judge(simulated_cert(0, c), (struct tally_slice){0});
}

static enum tally_reason judge_ask(const struct tally_sim_cert *c)
{
    return judge((struct tally_slice){0}, simulated_cert(0, c));
}

START_TEST(made_certificates_pass_as_they_are)
{
    struct tally_sim_exts e, a;

    simulated_exts(&e);
    struct tally_sim_cert vek = simulated_vcek(&e), ask = simulated_ask(&a);
    ck_assert_int_eq(judge(simulated_cert(0, &vek), simulated_cert(1, &ask)), TALLY_R_NONE);
}
END_TEST

START_TEST(each_missing_or_doubled_extension_is_refused)
{
    struct tally_sim_exts all;

    simulated_exts(&all);
    for (size_t k = 0; k < all.n; k++) {
        struct tally_sim_exts e = {.n = 0};
        for (size_t i = 0; i < all.n; i++) {
            if (i != k) tally_sim_exts_add(&e, all.list[i].oid, false, all.list[i].value);
        }
        struct tally_sim_cert c = simulated_vcek(&e);
        ck_assert_int_eq(judge_vek(&c), TALLY_R_E_CERT_EXT_MISSING);
        tally_sim_exts_add(&e, all.list[k].oid, false, all.list[k].value);
        tally_sim_exts_add(&e, all.list[k].oid, false, all.list[k].value);
        c = simulated_vcek(&e);
        ck_assert_int_eq(judge_vek(&c), TALLY_R_E_CERT_EXT_DUP);
    }
}
END_TEST

START_TEST(extensions_of_another_product_or_unknown_ones_are_refused)
{
    static const uint8_t zero[] = {2, 1, 0};
    const struct {
        const char *oid;
        bool critical;
        enum tally_reason reason;
    } more[] = {
        {AMD ".3.9",  false, TALLY_R_E_CERT_EXT_MISSING }, /* Turin's */
        {AMD ".5",    false, TALLY_R_E_CERT_EXT_MISSING }, /* a VLEK's */
        {AMD ".3.10", false, TALLY_R_E_CERT_EXT_MISSING },
        {"1.2.3.4",   true,  TALLY_R_E_CERT_CRITICAL_EXT},
        {"1.2.3.4",   false, TALLY_R_NONE               }
    };

    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        struct tally_sim_exts e;
        simulated_exts(&e);
        tally_sim_exts_add(&e, more[i].oid, more[i].critical, TALLY_SLICE(zero));
        struct tally_sim_cert c = simulated_vcek(&e);
        ck_assert_int_eq(judge_vek(&c), more[i].reason);
    }
}
END_TEST

/* The value of one extension replaced. */
static enum tally_reason judge_value(const char *oid, const void *value, size_t len)
{
    struct tally_sim_exts e;

    simulated_exts(&e);
    for (size_t i = 0; i < e.n; i++) {
        if (strcmp(e.list[i].oid, oid) == 0) e.list[i].value = tally_slice_of(value, len);
    }
    struct tally_sim_cert c = simulated_vcek(&e);
    return judge_vek(&c);
}

START_TEST(component_values_are_one_byte_and_minimal)
{
    const struct {
        uint8_t value[6];
        size_t len;
        enum tally_reason reason;
    } rows[] = {
        {{2, 2, 1, 0},    4, TALLY_R_E_CERT_PARSE       }, /* 256 */
        {{2, 1, 0xff},    3, TALLY_R_E_CERT_PARSE       }, /* -1 */
        {{2, 2, 0, 0x54}, 4, TALLY_R_E_CERT_NONCANONICAL}, /* 2 bytes for 84 */
        {{2, 2, 0},       3, TALLY_R_E_CERT_PARSE       },
        {{2, 1, 0x54, 0}, 4, TALLY_R_E_CERT_PARSE       },
        {{4, 1, 0x54},    3, TALLY_R_E_CERT_PARSE       },
        {{2, 0},          2, TALLY_R_E_CERT_PARSE       },
        {{2, 1, 0x53},    3, TALLY_R_E_TCB_BINDING      },
        {{2, 1, 0x54},    3, TALLY_R_NONE               }
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(judge_value(AMD ".3.8", rows[i].value, rows[i].len), rows[i].reason);
    ck_assert_int_eq(judge_value(AMD ".3.5", "\2\1\1", 3), TALLY_R_E_TCB_BINDING);
}
END_TEST

START_TEST(the_products_name_is_that_of_the_chain)
{
    ck_assert_int_eq(judge_value(AMD ".2", "\x16\x08Genoa-B1", 10), TALLY_R_NONE);
    ck_assert_int_eq(judge_value(AMD ".2", "\x16\x05Milan", 7), TALLY_R_E_PRODUCT);
    ck_assert_int_eq(judge_value(AMD ".2", "\x16\x06Genoax", 8), TALLY_R_E_PRODUCT);
    ck_assert_int_eq(judge_value(AMD ".2", "\x16\x04Geno", 6), TALLY_R_E_PRODUCT);
    ck_assert_int_eq(judge_value(AMD ".2", "\x0c\x05Genoa", 7), TALLY_R_E_CERT_PARSE);
    ck_assert_int_eq(judge_value(AMD ".2", "\x16\x06Genoa", 7), TALLY_R_E_CERT_PARSE);
}
END_TEST

START_TEST(a_hwid_is_raw_or_an_octet_string_by_its_length_alone)
{
    uint8_t v[67] = {4, 64};
    struct tally_sim_chip *c = simulated_chip();

    memcpy(v + 2, c->chip_id, 64);
    ck_assert_int_eq(judge_value(AMD ".4", v, 66), TALLY_R_NONE);
    ck_assert_int_eq(judge_value(AMD ".4", v + 2, 64), TALLY_R_NONE);
    ck_assert_int_eq(judge_value(AMD ".4", v + 2, 63), TALLY_R_E_CERT_PARSE);
    ck_assert_int_eq(judge_value(AMD ".4", v + 2, 65), TALLY_R_E_CERT_PARSE);
    ck_assert_int_eq(judge_value(AMD ".4", v, 67), TALLY_R_E_CERT_PARSE);
    v[1] = 63;
    ck_assert_int_eq(judge_value(AMD ".4", v, 66), TALLY_R_E_CERT_PARSE);

    memcpy(c->chip_id, "\x04\x40", 2); /* a raw id that looks like a header */
    ck_assert_int_eq(judge_value(AMD ".4", c->chip_id, 64), TALLY_R_NONE);
    c->chip_id[5] ^= 1;
    memcpy(v, c->chip_id, 64);
    v[5] ^= 1;
    ck_assert_int_eq(judge_value(AMD ".4", v, 64), TALLY_R_E_CHIP_BINDING);
}
END_TEST

START_TEST(names_are_exact)
{
    const struct {
        const char *subject, *issuer;
        enum tally_reason reason;
    } rows[] = {
        {"SEV-VLEK", "SEV-VLEK-Genoa", TALLY_R_E_CERT_EXT_MISSING},
        {"SEV-VLEK", "SEV-Genoa",      TALLY_R_E_CERT_TYPE       },
        {"SEV-VCEK", "SEV-VLEK-Genoa", TALLY_R_E_CERT_TYPE       },
        {"SEV-VCEK", "SEV-VLEK-Milan", TALLY_R_E_CERT_TYPE       },
        {"SEV-VLEK", "SEV-VLEK-Genox", TALLY_R_E_PRODUCT         },
        {"VCEK",     "SEV-Genoa",      TALLY_R_E_CERT_SHAPE      },
        {"SEV-VCEK", "ARK-Genoa",      TALLY_R_E_CERT_SHAPE      },
        {"SEV-VCEK", "SEV-Venice",     TALLY_R_E_PRODUCT         },
        {"SEV-VCEK", "SEV-Milan",      TALLY_R_E_PRODUCT         },
        {"SEV-VCEK", "SEV-genoa",      TALLY_R_E_PRODUCT         }
    };
    struct tally_sim_exts e;

    simulated_exts(&e);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_sim_cert c = simulated_vcek(&e);
        c.subject = rows[i].subject;
        c.issuer = rows[i].issuer;
        ck_assert_msg(judge_vek(&c) == rows[i].reason, "%s, %s: %s", c.subject, c.issuer,
                      tally_why());
    }
}
END_TEST

START_TEST(other_signature_algorithms_are_refused)
{
    const struct tally_sim_pss rows[] = {
        {.salt = 32      },
        {.hash = "SHA256"},
        {.hash = "SHA384", .mgf1 = "SHA1"},
        {.hash = "SHA512"               }
    };
    struct tally_sim_exts e, a;

    simulated_exts(&e);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_sim_cert vek = simulated_vcek(&e), ask = simulated_ask(&a);
        vek.pss = ask.pss = rows[i];
        ck_assert_int_eq(judge_vek(&vek), TALLY_R_E_CERT_ALG);
        ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_CERT_ALG);
    }
}
END_TEST

static EVP_PKEY *explicit_p384(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    ck_assert(EVP_PKEY_keygen_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_secp384r1) == 1 &&
              EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE) == 1 &&
              EVP_PKEY_keygen(ctx, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

START_TEST(other_keys_are_refused)
{
    struct tally_sim_exts e, a;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-521"), explicit_p384(),
                        EVP_RSA_gen(2048)};

    simulated_exts(&e);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct tally_sim_cert vek = simulated_vcek(&e), ask = simulated_ask(&a);
        vek.key = ask.key = keys[i];
        ck_assert_int_eq(judge_vek(&vek), TALLY_R_E_KEY);
        ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_KEY);
        EVP_PKEY_free(keys[i]);
    }
}
END_TEST

START_TEST(an_issuer_must_be_allowed_to_sign_certificates)
{
    static const uint8_t no_ca[] = {0x30, 0}, deep[] = {0x30, 6, 1, 1, 0xff, 2, 1, 1};
    static const uint8_t unlimited[] = {0x30, 3, 1, 1, 0xff}, crl_only[] = {3, 2, 1, 2};
    static const uint8_t ber[] = {0x30, 6, 1, 1, 0x01, 2, 1, 0};
    const struct {
        const char *oid;
        struct tally_slice value;
        enum tally_reason reason;
    } rows[] = {
        {"2.5.29.19", TALLY_SLICE(no_ca),     TALLY_R_E_CERT_CONSTRAINT  },
        {"2.5.29.19", TALLY_SLICE(deep),      TALLY_R_E_CERT_CONSTRAINT  },
        {"2.5.29.19", TALLY_SLICE(unlimited), TALLY_R_E_CERT_CONSTRAINT  },
        {"2.5.29.19", TALLY_SLICE(ber),       TALLY_R_E_CERT_NONCANONICAL},
        {"2.5.29.15", TALLY_SLICE(crl_only),  TALLY_R_E_CERT_CONSTRAINT  }
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally_sim_exts a;
        struct tally_sim_cert ask = simulated_ask(&a);
        for (size_t k = 0; k < a.n; k++) {
            if (strcmp(a.list[k].oid, rows[i].oid) == 0) a.list[k].value = rows[i].value;
        }
        ck_assert_msg(judge_ask(&ask) == rows[i].reason, "%zu: %s", i, tally_why());
    }
}
END_TEST

START_TEST(a_chain_signed_by_others_is_refused)
{
    struct tally_sim_exts e, a;
    EVP_PKEY *fake = EVP_RSA_gen(4096);

    simulated_exts(&e);
    struct tally_sim_cert vek = simulated_vcek(&e), ask = simulated_ask(&a);
    ask.signer = fake; /* a false ARK of the right name */
    ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_SIGNATURE);
    ask = simulated_ask(&a);
    ask.key = fake; /* a genuine ASK over another key */
    ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_SIGNATURE);
    vek.signer = fake;
    ck_assert_int_eq(judge_vek(&vek), TALLY_R_E_SIGNATURE);
    vek = simulated_vcek(&e);
    vek.signer = simulated_root()->ark_key;
    vek.issuer = "ARK-Genoa"; /* one level short */
    ck_assert_int_eq(judge_vek(&vek), TALLY_R_E_CERT_SHAPE);
    EVP_PKEY_free(fake);
}
END_TEST

START_TEST(dates_of_the_issuer_count_too)
{
    struct tally_sim_exts a;
    struct tally_sim_cert ask = simulated_ask(&a);

    ask.not_after_s = SIM_NOW_S - 1;
    ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_CERT_EXPIRED);
    ask.not_after_s = SIM_NOW_S;
    ck_assert_int_eq(judge_ask(&ask), TALLY_R_NONE);
    ck_assert_uint_eq(verdict.not_after_s, SIM_NOW_S);
    ask.not_before_s = SIM_NOW_S + 1;
    ask.not_after_s = SIM_NOW_S + 2;
    ck_assert_int_eq(judge_ask(&ask), TALLY_R_E_CERT_NOT_YET_VALID);
}
END_TEST

int main(void)
{
    simulated_setup();
    TCase *t = tcase_create("snp_vek");

    tcase_add_test(t, made_certificates_pass_as_they_are);
    tcase_add_test(t, each_missing_or_doubled_extension_is_refused);
    tcase_add_test(t, extensions_of_another_product_or_unknown_ones_are_refused);
    tcase_add_test(t, component_values_are_one_byte_and_minimal);
    tcase_add_test(t, the_products_name_is_that_of_the_chain);
    tcase_add_test(t, a_hwid_is_raw_or_an_octet_string_by_its_length_alone);
    tcase_add_test(t, names_are_exact);
    tcase_add_test(t, other_signature_algorithms_are_refused);
    tcase_add_test(t, other_keys_are_refused);
    tcase_add_test(t, an_issuer_must_be_allowed_to_sign_certificates);
    tcase_add_test(t, a_chain_signed_by_others_is_refused);
    tcase_add_test(t, dates_of_the_issuer_count_too);
    return tally_suite_run("common/snp_vek", t);
}
