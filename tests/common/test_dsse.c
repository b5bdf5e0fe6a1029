/* test_dsse.c - common/dsse.c: signed bytes stay as they are, and nothing loose is parsed. */
#include "common/dsse.h"

#include <string.h>

#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/suite.h"

static const char TYPE[] = "application/vnd.tally.job-test+json";
static const char BODY[] = "{\"type\":\"job\",  \"odd\":1}\n";

static struct tally_sign_key key_of(uint8_t seed_byte)
{
    uint8_t seed[TALLY_SIGN_SEED_BYTES];
    struct tally_sign_key k;

    memset(seed, seed_byte, sizeof seed);
    tally_sign_key_from_seed(&k, seed);
    return k;
}

static void make(struct tally_dsse *d, uint8_t keys)
{
    ck_assert_int_eq(tally_dsse_new(TYPE, tally_slice_str(BODY), d), TALLY_OK);
    for (uint8_t i = 1; i <= keys; i++) {
        struct tally_sign_key k = key_of(i);
        ck_assert_int_eq(tally_dsse_sign(d, &k), TALLY_OK);
    }
}

static char *text_of(const struct tally_dsse *d)
{
    char *text = NULL;

    ck_assert_int_eq(tally_dsse_text(d, &text), TALLY_OK);
    return text;
}

/* Parses an exact-size copy, so that a sanitizer sees one byte too far. */
static enum tally_status parse_n(const char *text, size_t len, struct tally_dsse *d)
{
    uint8_t *exact = malloc(len ? len : 1);

    memcpy(exact, text, len);
    enum tally_status s = tally_dsse_parse(tally_slice_of(exact, len), 1024, d);
    free(exact);
    return s;
}

/* Texts with ' for ". */
static enum tally_status parse_quoted(const char *text, struct tally_dsse *d)
{
    char *json = strdup(text);

    for (char *c = json; *c != '\0'; c++) {
        if (*c == '\'') *c = '"';
    }
    enum tally_status s = parse_n(json, strlen(json), d);
    free(json);
    return s;
}

static enum tally_status parse(const char *text, struct tally_dsse *d)
{
    return parse_n(text, strlen(text), d);
}

/* The example of the DSSE specification's protocol.md. */
START_TEST(the_specifications_pae_is_what_is_signed)
{
    struct tally_dsse d;
    struct tally_sign_key k = key_of(9);

    ck_assert_int_eq(
        tally_dsse_new("http://example.com/HelloWorld", tally_slice_str("hello world"), &d),
        TALLY_OK);
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    struct tally_slice pae =
        tally_slice_str("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    ck_assert_int_eq(tally_sign_verify(tally_sign_public(&k), &pae, 1, d.signatures[0].sig),
                     TALLY_OK);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(an_envelope_comes_back_with_its_exact_bytes)
{
    struct tally_dsse d, again;
    uint8_t digest[32];

    make(&d, 2);
    char *text = text_of(&d);
    ck_assert_int_eq(parse(text, &again), TALLY_OK);
    ck_assert_str_eq(again.payload_type, TYPE);
    ck_assert_uint_eq(again.payload_len, strlen(BODY));
    ck_assert_mem_eq(again.payload, BODY, strlen(BODY));
    TALLY_SHA256_OF(digest, tally_slice_str(BODY));
    ck_assert_mem_eq(again.digest, digest, 32);
    ck_assert_uint_eq(again.signatures_n, 2);
    char *twice = text_of(&again);
    ck_assert_str_eq(text, twice);
    free(twice);
    free(text);
    tally_dsse_free(&again);
    tally_dsse_free(&d);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(only_the_keys_that_signed_have_signed)
{
    struct tally_dsse d;

    make(&d, 3);
    for (uint8_t i = 1; i <= 4; i++) {
        struct tally_sign_key k = key_of(i);
        ck_assert_int_eq(tally_dsse_signed_by(&d, tally_sign_public(&k)), i <= 3);
    }
    d.payload[0] ^= 1;
    struct tally_sign_key k = key_of(1);
    ck_assert(!tally_dsse_signed_by(&d, tally_sign_public(&k)));
    d.payload[0] ^= 1;
    d.payload_type[0] ^= 1;
    ck_assert(!tally_dsse_signed_by(&d, tally_sign_public(&k)));
    tally_dsse_free(&d);
}
END_TEST

START_TEST(the_keyid_is_a_hint_only)
{
    struct tally_dsse d;
    struct tally_sign_key one = key_of(1), two = key_of(2);

    make(&d, 2);
    char keyid[TALLY_DSSE_KEYID_SIZE];
    memcpy(keyid, d.signatures[0].keyid, sizeof keyid);
    memcpy(d.signatures[0].keyid, d.signatures[1].keyid, sizeof keyid);
    memcpy(d.signatures[1].keyid, keyid, sizeof keyid);
    ck_assert(tally_dsse_signed_by(&d, tally_sign_public(&one)));
    ck_assert(tally_dsse_signed_by(&d, tally_sign_public(&two)));
    d.signatures[0].keyid[0] = '\0';
    memset(d.signatures[1].sig, 0, sizeof d.signatures[1].sig); /* keyid of one, no signature */
    ck_assert(tally_dsse_signed_by(&d, tally_sign_public(&one)));
    ck_assert(!tally_dsse_signed_by(&d, tally_sign_public(&two)));
    tally_dsse_free(&d);
}
END_TEST

START_TEST(signing_twice_leaves_one_signature)
{
    struct tally_dsse d;
    struct tally_sign_key k = key_of(1);

    make(&d, 2);
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    ck_assert_uint_eq(d.signatures_n, 2);
    memset(d.signatures[0].keyid, 'x', 10); /* found by its signature too */
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    ck_assert_uint_eq(d.signatures_n, 2);
    memset(d.signatures[0].sig, 7, 8); /* a false signature under our name gives way */
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    ck_assert_uint_eq(d.signatures_n, 2);
    ck_assert(tally_dsse_signed_by(&d, tally_sign_public(&k)));
    tally_dsse_free(&d);
}
END_TEST

START_TEST(the_sixty_fifth_signature_is_refused)
{
    struct tally_dsse d, again;
    struct tally_sign_key last = key_of(65);

    make(&d, 64);
    ck_assert_int_eq(tally_dsse_sign(&d, &last), TALLY_E_LIMIT);
    ck_assert_uint_eq(d.signatures_n, 64);
    char *text = text_of(&d);
    ck_assert_int_eq(parse(text, &again), TALLY_OK);
    tally_dsse_free(&again);

    char *more = calloc(1, strlen(text) + 400);
    char *open = strchr(text, '[');
    const char *close = strchr(open, '}');
    size_t one = (size_t)(close - open); /* the first signature object */
    memcpy(more, text, (size_t)(open - text) + 1);
    memcpy(more + strlen(more), open + 1, one);
    memcpy(more + strlen(more), ",", 1);
    memcpy(more + strlen(more), open + 1, strlen(open + 1));
    ck_assert_int_eq(parse(more, &again), TALLY_E_WIRE);
    ck_assert_ptr_nonnull(strstr(tally_why(), "65 signatures"));
    free(more);
    free(text);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    struct tally_dsse d, out;

    make(&d, 1);
    char *text = text_of(&d);
    size_t len = strlen(text) - 1; /* without the newline it is still whole */
    ck_assert_int_eq(parse_n(text, len, &out), TALLY_OK);
    tally_dsse_free(&out);
    for (size_t n = 0; n < len; n++) ck_assert_int_ne(parse_n(text, n, &out), TALLY_OK);
    free(text);
    tally_dsse_free(&d);
}
END_TEST

/* Whatever still parses after a change must no longer be signed, unless only the hint changed. */
START_TEST(every_changed_byte_is_refused_or_unsigned)
{
    struct tally_dsse d, out;
    struct tally_sign_key k = key_of(1);

    make(&d, 1);
    char *text = text_of(&d), *hint = strstr(text, d.signatures[0].keyid);
    for (size_t i = 0; i < strlen(text) - 1; i++) {
        if (text + i >= hint && text + i < hint + 64) continue;
        text[i] ^= 0x04;
        if (parse(text, &out) == TALLY_OK) {
            ck_assert_msg(!tally_dsse_signed_by(&out, tally_sign_public(&k)), "byte %zu", i);
            tally_dsse_free(&out);
        }
        text[i] ^= 0x04;
    }
    free(text);
    tally_dsse_free(&d);
}
END_TEST

#define SIG                                                                                  \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "=="

static const struct {
    enum tally_status want;
    const char *json;
} texts[] = {
    {TALLY_OK,     "{'payloadType':'t','payload':'e30=','signatures':[]}"                       },
    {TALLY_OK,     " {'signatures':[{'sig':'" SIG "'}],'payload':'','payloadType':'t'} "        },
    {TALLY_E_WIRE, ""                                                                           },
    {TALLY_E_WIRE, "[]"                                                                         },
    {TALLY_E_WIRE, "{}"                                                                         },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30='}"                                       },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':{}}"                       },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':[],'x':1}"                 },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':[]}x"                      },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','payload':'e30=','signatures':[]}"      },
    {TALLY_E_WIRE, "{'payloadType':'','payload':'e30=','signatures':[]}"                        },
    {TALLY_E_WIRE, "{'payloadType':7,'payload':'e30=','signatures':[]}"                         },
    {TALLY_E_WIRE, "{'payloadType':'t\\u0000','payload':'e30=','signatures':[]}"                },
    {TALLY_E_WIRE, "{'payloadType':'t\\n','payload':'e30=','signatures':[]}"                    },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30','signatures':[]}"                        },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e31=','signatures':[]}"                       },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e3 0','signatures':[]}"                       },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=e30=','signatures':[]}"                   },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'==','signatures':[]}"                         },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'-_-_','signatures':[]}"                       },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':[7]}"                      },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':[{}]}"                     },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'e30=','signatures':[{'sig':'AAAA'}]}"         },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'','signatures':[{'sig':'AAAA" SIG "'}]}"      },
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'','signatures':[{'sig':'" SIG "','cert':''}]}"},
    {TALLY_E_WIRE, "{'payloadType':'t','payload':'','signatures':[{'sig':'" SIG "','keyid':1}]}"},
};

START_TEST(loose_envelopes_are_refused)
{
    struct tally_dsse d = {0};

    ck_assert_msg(parse_quoted(texts[_i].json, &d) == texts[_i].want, "%s: %s", texts[_i].json,
                  tally_why());
    if (texts[_i].want != TALLY_OK) ck_assert_ptr_null(d.payload);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(limits_hold)
{
    struct tally_dsse d = {0};
    char type[TALLY_DSSE_TYPE_SIZE + 1];
    size_t big = TALLY_DSSE_PAYLOAD_MAX + 1;
    uint8_t *bytes = calloc(1, big);
    struct tally_sign_key k = key_of(1);

    memset(type, 'a', sizeof type);
    type[TALLY_DSSE_TYPE_SIZE] = '\0';
    ck_assert_int_eq(tally_dsse_new(type, tally_slice_str("x"), &d), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_dsse_new("", tally_slice_str("x"), &d), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_dsse_new("t\xc3\xa4", tally_slice_str("x"), &d), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_dsse_new("t", tally_slice_of(bytes, big), &d), TALLY_E_LIMIT);
    type[TALLY_DSSE_TYPE_SIZE - 1] = '\0';
    ck_assert_int_eq(tally_dsse_new(type, tally_slice_of(bytes, big - 1), &d), TALLY_OK);
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    ck_assert(tally_dsse_signed_by(&d, tally_sign_public(&k)));

    char *text = text_of(&d);
    struct tally_dsse again = {0};
    ck_assert_int_eq(tally_dsse_parse(tally_slice_str(text), big, &again), TALLY_OK);
    tally_dsse_free(&again);
    ck_assert_int_eq(tally_dsse_parse(tally_slice_str(text), big - 2, &again), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_dsse_parse(tally_slice_str(text), 100, &again), TALLY_E_LIMIT);
    free(text);
    free(bytes);
    tally_dsse_free(&d);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("dsse");

    tcase_add_test(t, the_specifications_pae_is_what_is_signed);
    tcase_add_test(t, an_envelope_comes_back_with_its_exact_bytes);
    tcase_add_test(t, only_the_keys_that_signed_have_signed);
    tcase_add_test(t, the_keyid_is_a_hint_only);
    tcase_add_test(t, signing_twice_leaves_one_signature);
    tcase_add_test(t, the_sixty_fifth_signature_is_refused);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, every_changed_byte_is_refused_or_unsigned);
    tcase_add_loop_test(t, loose_envelopes_are_refused, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_test(t, limits_hold);
    return tally_suite_run("common/dsse", t);
}
