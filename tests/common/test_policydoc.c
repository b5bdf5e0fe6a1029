/* test_policydoc.c - common/policydoc.c: a policy is what its keys signed, for as long as it says,
 * and nothing in it is passed over. */
#include "common/policydoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/dsse.h"
#include "common/hash.h"
#include "common/reason.h"
#include "tests/lib/suite.h"

enum { ISSUED = 1795000000, EXPIRES = 1803000000, KEYS = 3 };
static const char type[] = "application/vnd.tally.policy+json";
static const char hex48[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                            "202122232425262728292a2b2c2d2e2f";
static struct tally_sign_key keys[KEYS];
static uint8_t public_keys[KEYS][TALLY_SIGN_PUBLIC_BYTES];
static struct tally_policydoc doc; /* large */

static void make_keys(void)
{
    uint8_t seed[TALLY_SIGN_SEED_BYTES];

    for (uint8_t i = 0; i < KEYS; i++) {
        memset(seed, i + 1, sizeof seed);
        tally_sign_key_from_seed(&keys[i], seed);
        memcpy(public_keys[i], tally_sign_public(&keys[i]), sizeof public_keys[i]);
    }
}

static json_t *strict(void)
{
    json_t *j = tally_policydoc_strict("audit-2026", ISSUED, EXPIRES);

    ck_assert_ptr_nonnull(j);
    return j;
}

/* Takes j; decodes an exact-size copy of its text. */
static enum tally_status decode(json_t *j)
{
    char *text = json_dumps(j, 0);
    size_t len = strlen(text);
    uint8_t *exact = malloc(len);

    memcpy(exact, text, len);
    enum tally_status s = tally_policydoc_decode(tally_slice_of(exact, len), &doc);
    free(exact);
    free(text);
    json_decref(j);
    return s;
}

/* An envelope round j (taken) with the signatures of the keys whose bits are set. */
static char *sealed(json_t *j, const char *payload_type, unsigned signers)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    char *text = json_dumps(j, 0), *out = NULL;

    ck_assert_int_eq(tally_dsse_new(payload_type, tally_slice_str(text), &d), TALLY_OK);
    for (unsigned i = 0; i < KEYS; i++)
        if (signers >> i & 1) ck_assert_int_eq(tally_dsse_sign(&d, &keys[i]), TALLY_OK);
    ck_assert_int_eq(tally_dsse_text(&d, &out), TALLY_OK);
    free(text);
    json_decref(j);
    return out;
}

/* Takes the envelope; asks for the first n keys. */
static enum tally_status open_with(char *envelope, size_t n, uint64_t now_s)
{
    size_t len = strlen(envelope);
    uint8_t *exact = malloc(len);

    memcpy(exact, envelope, len);
    free(envelope);
    enum tally_status s = tally_policydoc_open(
        tally_slice_of(exact, len), (const uint8_t(*)[TALLY_SIGN_PUBLIC_BYTES])public_keys, n,
        now_s, &doc);
    free(exact);
    return s;
}

static bool empty(void)
{
    static const struct tally_policydoc zero;

    return memcmp(&doc, &zero, sizeof doc) == 0;
}

START_TEST(the_strict_policy_comes_back_as_it_was)
{
    struct tally_policy built_in;
    json_t *j = strict(), *want, *got;

    json_array_append_new(json_object_get(j, "measurements"),
                          json_pack("{s:s, s:s}", "tee", "snp", "digest", hex48));
    json_array_append_new(
        json_object_get(j, "measurements"),
        json_pack("{s:s, s:s, s:[s, s]}", "tee", "tdx", "mrtd", hex48, "rtmr", hex48, hex48));
    ck_assert_msg(decode(j) == TALLY_OK, "%s", tally_why());
    ck_assert_str_eq(doc.name, "audit-2026");
    ck_assert_uint_eq(doc.issued_s, ISSUED);
    ck_assert_uint_eq(doc.expires_s, EXPIRES);
    tally_policy_strict(&built_in);
    want = tally_policy_to_json(&built_in);
    got = tally_policy_to_json(&doc.policy);
    ck_assert(json_equal(want, got));
    ck_assert(!doc.policy.integrity && !doc.policy.snp.integrity_only);
    ck_assert_uint_eq(doc.snp_n, 1);
    ck_assert_uint_eq(doc.snp[0][47], 0x2f);
    ck_assert_uint_eq(doc.tdx_n, 1);
    ck_assert_uint_eq(doc.tdx[0].rtmr_n, 2);
    ck_assert_uint_eq(doc.tdx[0].rtmr[1][1], 1);
    json_decref(want);
    json_decref(got);
}
END_TEST

START_TEST(its_name_is_the_digest_of_the_very_bytes)
{
    static const char *const around[3][2] = {
        {"",  ""  },
        {"",  "\n"},
        {" ", ""  }
    };
    json_t *j = strict();
    char *plain = json_dumps(j, JSON_COMPACT), text[16384];
    uint8_t want[32], seen[3][32];

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "%s%s%s", around[i][0], plain, around[i][1]);
        ck_assert_int_eq(tally_policydoc_decode(tally_slice_str(text), &doc), TALLY_OK);
        struct tally_slice bytes = tally_slice_str(text);
        TALLY_SHA256_OF(want, bytes);
        ck_assert_mem_eq(doc.digest, want, 32);
        memcpy(seen[i], doc.digest, 32);
    }
    ck_assert_mem_ne(seen[0], seen[1], 32);
    ck_assert_mem_ne(seen[0], seen[2], 32);
    free(plain);
    json_decref(j);
}
END_TEST

/* What is set at a path ("" for the document), as JSON text; NULL: the key is removed. */
static const struct {
    const char *in, *key, *value, *says;
} wrong[] = {
    {"",       "type",         "\"federation\"",             "type"        },
    {"",       "type",         "7",                          "type"        },
    {"",       "type",         NULL,                         "type"        },
    {"",       "name",         "\"\"",                       "name"        },
    {"",       "name",         "\"A B\"",                    "name"        },
    {"",       "name",         "\"..\"",                     "name"        },
    {"",       "name",         NULL,                         "name"        },
    {"",       "issued",       "0",                          "issued"      },
    {"",       "issued",       "-1",                         "issued"      },
    {"",       "issued",       "1.5",                        "issued"      },
    {"",       "issued",       "\"1795000000\"",             "issued"      },
    {"",       "issued",       "253402300800",               "issued"      },
    {"",       "issued",       NULL,                         "issued"      },
    {"",       "expires",      "1795000000",                 "expires"     },
    {"",       "expires",      "1",                          "expires"     },
    {"",       "expires",      "253402300800",               "expires"     },
    {"",       "expires",      NULL,                         "expires"     },
    {"",       "policy",       "{}",                         "policy"      },
    {"",       "policy",       "[]",                         "policy"      },
    {"",       "policy",       "\"strict\"",                 "policy"      },
    {"",       "policy",       NULL,                         "policy"      },
    {"",       "measurements", "{}",                         "measurements"},
    {"",       "measurements", NULL,                         "measurements"},
    {"",       "integrity",    "true",                       "integrity"   },
    {"",       "anchors",      "[\"amd-genoa\"]",            "anchors"     },
    {"policy", "integrity",    "true",                       "policy"      },
    {"policy", "sgx",          "{}",                         "policy"      },
    {"policy", "snp",          "{\"debug\":true}",           "debug"       },
    {"policy", "snp",          "null",                       "snp"         },
    {"policy", "tdx",          "{\"allow_debug\":true}",     "allow_debug" },
    {"policy", "tdx",          "{\"status\":[\"Revoked\"]}", "status"      },
    {"policy", "nvgpu",        "{\"rim\":\"never\"}",        "rim"         },
    {"policy", "tpm",          "[]",                         "object"      },
};
enum { WRONG = sizeof wrong / sizeof wrong[0] };

START_TEST(every_wrong_field_is_refused_by_name)
{
    json_t *j = strict();
    json_t *in = *wrong[_i].in == '\0' ? j : json_object_get(j, wrong[_i].in);

    if (wrong[_i].value == NULL)
        (void)json_object_del(in, wrong[_i].key);
    else
        (void)json_object_set_new(in, wrong[_i].key,
                                  json_loads(wrong[_i].value, JSON_DECODE_ANY, NULL));
    ck_assert_msg(decode(j) == TALLY_E_CONFIG, "%s %s: %s", wrong[_i].key,
                  wrong[_i].value ? wrong[_i].value : "", tally_why());
    ck_assert_msg(strstr(tally_why_text(), wrong[_i].says) != NULL, "%s", tally_why_text());
    ck_assert(empty());
}
END_TEST

/* # stands for 96 digits, @ for 95. */
static const char *const no_measurements[] = {
    "{\"tee\":\"snp\"}",
    "{\"digest\":\"#\"}",
    "{\"tee\":\"sgx\",\"digest\":\"#\"}",
    "{\"tee\":\"snp\",\"mrtd\":\"#\"}",
    "{\"tee\":\"snp\",\"digest\":\"#\",\"rtmr\":[]}",
    "{\"tee\":\"snp\",\"digest\":\"#00\"}",
    "{\"tee\":\"snp\",\"digest\":\"0x#\"}",
    "{\"tee\":\"snp\",\"digest\":\"@\"}",
    "{\"tee\":\"tdx\",\"digest\":\"#\"}",
    "{\"tee\":\"tdx\",\"mrtd\":\"#\",\"rtmr\":[]}",
    "{\"tee\":\"tdx\",\"mrtd\":\"#\",\"rtmr\":[\"00\"]}",
    "{\"tee\":\"tdx\",\"mrtd\":\"#\",\"rtmr\":[\"#\",\"#\",\"#\",\"#\",\"#\"]}",
    "{\"tee\":\"tdx\",\"mrtd\":\"#\",\"more\":1}",
    "\"#\"",
};
enum { NO_MEASUREMENTS = sizeof no_measurements / sizeof no_measurements[0] };

static json_t *no_measurement(int i)
{
    char text[1024] = "";
    size_t n = 0;

    for (const char *p = no_measurements[i]; *p != '\0'; p++) {
        if (*p == '#' || *p == '@')
            n += (size_t)snprintf(text + n, sizeof text - n, "%.*s", *p == '#' ? 96 : 95, hex48);
        else
            text[n++] = *p;
    }
    json_t *m = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(m != NULL, "%s", text);
    return m;
}

START_TEST(every_wrong_measurement_is_refused)
{
    json_t *j = strict();

    (void)json_array_append_new(json_object_get(j, "measurements"), no_measurement(_i));
    ck_assert_int_eq(decode(j), TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why_text(), "measurements[0]") != NULL, "%s", tally_why_text());
    ck_assert(empty());
}
END_TEST

START_TEST(measurements_are_bounded)
{
    json_t *j = strict(), *list = json_object_get(j, "measurements");

    for (int i = 0; i < TALLY_POLICY_MEASUREMENTS_MAX; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "tee", i % 2 ? "tdx" : "snp",
                                                    i % 2 ? "mrtd" : "digest", hex48));
    ck_assert_int_eq(decode(json_incref(j)), TALLY_OK);
    ck_assert_uint_eq(doc.snp_n + doc.tdx_n, TALLY_POLICY_MEASUREMENTS_MAX);
    (void)json_array_append_new(list, json_pack("{s:s, s:s}", "tee", "snp", "digest", hex48));
    ck_assert_int_eq(decode(j), TALLY_E_CONFIG);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    json_t *j = strict();
    char *text = json_dumps(j, JSON_COMPACT);
    size_t len = strlen(text);

    for (size_t n = 0; n < len; n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, text, n);
        ck_assert_int_ne(tally_policydoc_decode(tally_slice_of(exact, n), &doc), TALLY_OK);
        free(exact);
    }
    free(text);
    json_decref(j);
}
END_TEST

START_TEST(one_key_or_two_but_all_that_are_asked_for)
{
    for (unsigned signers = 0; signers < 1U << KEYS; signers++) {
        for (size_t n = 1; n <= KEYS; n++) {
            unsigned asked = (1U << n) - 1;
            enum tally_status s = open_with(sealed(strict(), type, signers), n, ISSUED);
            if ((signers & asked) == asked) {
                ck_assert_msg(s == TALLY_OK, "%s", tally_why());
                ck_assert_str_eq(doc.name, "audit-2026");
            } else {
                ck_assert_int_eq(s, TALLY_E_AUTH);
                ck_assert_int_eq(tally_reason(), TALLY_R_E_AUTH);
                ck_assert(empty());
            }
        }
    }
}
END_TEST

START_TEST(no_key_is_nobodys_policy)
{
    ck_assert_int_eq(open_with(sealed(strict(), type, 7), 0, ISSUED), TALLY_E_AUTH);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_AUTH);
    ck_assert(empty());
}
END_TEST

START_TEST(a_changed_payload_or_signature_is_refused)
{
    char *good = sealed(strict(), type, 1);
    char *payload = strstr(good, "\"payload\""), *sig = strstr(good, "\"sig\"");

    ck_assert(payload != NULL && sig != NULL);
    char *places[] = {payload + 30, payload + 200, sig + 20, sig + 80};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char was = *places[i];
        *places[i] = was == 'A' ? 'B' : 'A';
        ck_assert_int_ne(open_with(strdup(good), 1, ISSUED), TALLY_OK);
        ck_assert(empty());
        *places[i] = was;
    }
    ck_assert_int_eq(open_with(good, 1, ISSUED), TALLY_OK);
}
END_TEST

START_TEST(a_document_of_another_type_is_no_policy)
{
    static const char *const types[] = {"application/vnd.tally.federation+json",
                                        "application/vnd.tally.policy-test+json",
                                        "application/vnd.tally.policy+json2"};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(open_with(sealed(strict(), types[i], 1), 1, ISSUED), TALLY_E_CONFIG);
        ck_assert_ptr_nonnull(strstr(tally_why_text(), "not a policy"));
    }
}
END_TEST

START_TEST(it_holds_to_the_second)
{
    static const struct {
        uint64_t now_s;
        enum tally_reason reason;
    } cases[] = {
        {0,           TALLY_R_E_CERT_NOT_YET_VALID},
        {ISSUED - 1,  TALLY_R_E_CERT_NOT_YET_VALID},
        {ISSUED,      TALLY_R_NONE                },
        {EXPIRES,     TALLY_R_NONE                },
        {EXPIRES + 1, TALLY_R_E_CERT_EXPIRED      },
        {UINT64_MAX,  TALLY_R_E_CERT_EXPIRED      },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum tally_status s = open_with(sealed(strict(), type, 1), 1, cases[i].now_s);
        ck_assert_int_eq(s == TALLY_OK, cases[i].reason == TALLY_R_NONE);
        if (s != TALLY_OK) ck_assert_int_eq(tally_reason(), cases[i].reason);
        ck_assert_int_eq(empty(), s != TALLY_OK);
    }
}
END_TEST

START_TEST(what_nobody_signed_is_not_looked_at)
{
    json_t *j = strict();

    (void)json_object_set_new(j, "type", json_string("nonsense"));
    ck_assert_int_eq(open_with(sealed(j, type, 2), 1, ISSUED), TALLY_E_AUTH);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("policydoc");

    make_keys();
    tcase_add_test(t, the_strict_policy_comes_back_as_it_was);
    tcase_add_test(t, its_name_is_the_digest_of_the_very_bytes);
    tcase_add_loop_test(t, every_wrong_field_is_refused_by_name, 0, WRONG);
    tcase_add_loop_test(t, every_wrong_measurement_is_refused, 0, NO_MEASUREMENTS);
    tcase_add_test(t, measurements_are_bounded);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, one_key_or_two_but_all_that_are_asked_for);
    tcase_add_test(t, no_key_is_nobodys_policy);
    tcase_add_test(t, a_changed_payload_or_signature_is_refused);
    tcase_add_test(t, a_document_of_another_type_is_no_policy);
    tcase_add_test(t, it_holds_to_the_second);
    tcase_add_test(t, what_nobody_signed_is_not_looked_at);
    return tally_suite_run("common/policydoc", t);
}
