/* documents.c - see documents.h. */
#include "tests/lib/documents.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/z85.h"

struct tally_sign_key tally_test_document_key(unsigned party)
{
    uint8_t seed[32];
    struct tally_sign_key k;

    memset(seed, (int)party + 1, sizeof seed);
    tally_sign_key_from_seed(&k, seed);
    return k;
}

static json_t *base64_of(const uint8_t *p, size_t n)
{
    char text[TALLY_BASE64_SIZE(64)];

    tally_base64(tally_slice_of(p, n), text);
    return json_string(text);
}

static json_t *node(unsigned party, const char *name, const char *role)
{
    uint8_t session[32], curve[32];
    char z85[TALLY_Z85_KEY_CHARS + 1], chip[65];

    memset(session, 0x80 + (int)party, sizeof session);
    memset(curve, 0x40 + (int)party, sizeof curve);
    tally_z85_key(curve, z85);
    memset(chip, "0123456789abcdef"[party % 16], 64);
    chip[64] = '\0';
    return json_pack("{s:s, s:s, s:o, s:[s], s:[s]}", "name", name, "role", role, "session_key",
                     base64_of(session, 32), "curve_keys", z85, "chips", chip);
}

static json_t *party(unsigned i)
{
    char name[16] = "owner";
    struct tally_sign_key k = tally_test_document_key(i);
    json_t *n = node(i, i == 0 ? "aggregator" : "agent-1", i == 0 ? "aggregator" : "agent");

    if (i > 0) (void)snprintf(name, sizeof name, "bank-%u", i);
    if (i == 0) json_object_set_new(n, "endpoint", json_string("tcp://127.0.0.1:7700"));
    return json_pack("{s:s, s:o, s:[o]}", "name", name, "document_key",
                     base64_of(tally_sign_public(&k), 32), "nodes", n);
}

static json_t *measurement(const char *role, char digit)
{
    char digest[97];

    memset(digest, digit, 96);
    digest[96] = '\0';
    return json_pack("{s:s, s:s, s:s, s:s}", "role", role, "tee", "snp", "digest", digest,
                     "software", "1.0.0");
}

json_t *tally_test_federation(unsigned banks)
{
    json_t *parties = json_array(), *needs = json_array();

    for (unsigned i = 0; i <= banks; i++) {
        json_t *p = party(i);
        json_array_append(needs, json_object_get(p, "name"));
        json_array_append_new(parties, p);
    }
    json_t *j = json_pack(
        "{s:s, s:s, s:i, s:I, s:I, s:o, s:[o,o], s:{s:{s:[{s:i,s:[i,i],s:i,s:i,s:i,s:i}],s:b}}, "
        "s:s, s:{s:i, s:i}, s:{s:o}}",
        "type", "federation", "name", "test", "version", 1, "issued", (json_int_t)TALLY_TEST_ISSUED,
        "expires", (json_int_t)TALLY_TEST_EXPIRES, "parties", parties, "measurements",
        measurement("agent", 'a'), measurement("aggregator", 'b'), "policy", "snp", "tcb", "family",
        25, "models", 16, 31, "boot_loader", 9, "tee", 0, "snp", 23, "microcode", 84, "smt", 1,
        "test_root", "cm9vdA==", "votes", "quorum", (int)banks / 2 + 1, "tolerated", 0, "changes",
        "needs", needs);
    ck_assert_ptr_nonnull(j);
    return j;
}

char *tally_test_payload(const json_t *j)
{
    char *text = json_dumps(j, JSON_INDENT(1));

    ck_assert_ptr_nonnull(text);
    return text;
}

struct tally_dsse tally_test_envelope(const char *type, enum tally_mode mode, const json_t *j,
                                      unsigned signers)
{
    char *payload = tally_test_payload(j), payload_type[TALLY_DOCUMENT_TYPE_SIZE];
    struct tally_dsse d = {0};

    tally_document_type(type, mode, payload_type);
    ck_assert_int_eq(tally_dsse_new(payload_type, tally_slice_str(payload), &d), TALLY_OK);
    free(payload);
    for (unsigned i = 0; i < 32; i++) {
        struct tally_sign_key k = tally_test_document_key(i);
        if ((signers >> i & 1) != 0) ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    }
    return d;
}

char *tally_test_envelope_text(const char *type, enum tally_mode mode, const json_t *j,
                               unsigned signers)
{
    struct tally_dsse d = tally_test_envelope(type, mode, j, signers);
    char *text = NULL;

    ck_assert_int_eq(tally_dsse_text(&d, &text), TALLY_OK);
    tally_dsse_free(&d);
    return text;
}

void tally_test_next(json_t *j, const uint8_t id[32], const uint8_t prev[32])
{
    char hex[65];
    json_int_t version = json_integer_value(json_object_get(j, "version"));

    json_object_set_new(j, "version", json_integer(version + 1));
    tally_hex(tally_slice_of(id, 32), hex);
    json_object_set_new(j, "id", json_string(hex));
    tally_hex(tally_slice_of(prev, 32), hex);
    json_object_set_new(j, "prev", json_string(hex));
}

json_t *tally_test_node(json_t *j, unsigned i)
{
    json_t *p = json_array_get(json_object_get(j, "parties"), i);
    return json_array_get(json_object_get(p, "nodes"), 0);
}

const char *tally_test_dir(void)
{
    static char dir[64];

    (void)snprintf(dir, sizeof dir, "/tmp/tally-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}
