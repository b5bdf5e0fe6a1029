/* test_fedstore.c - common/fedstore.c and federation_change.c: what is taken into use, what is
 * refused and kept as proof, and that nothing on the disk is believed. */
#include "common/fedstore.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "common/federation_change.h"
#include "common/file.h"
#include "common/hash.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { OWNER = 1, BANK1 = 2, BANK2 = 4, BANK3 = 8, BANK4 = 16, ALL = 15 };
enum { NOW = TALLY_TEST_ISSUED + 1000 };

static struct tally_federation fed, other;
static struct tally_revocations revoked;
static struct tally_fedstore store;
static uint8_t id[32];

static void setup(void)
{
    store = (struct tally_fedstore){.mode = TALLY_MODE_TEST, .org = "bank-1"};
    (void)snprintf(store.dir, sizeof store.dir, "%s", tally_test_dir());
}

static void digest_of(const json_t *j, uint8_t out[32])
{
    char *text = tally_test_payload(j);
    TALLY_SHA256_OF(out, tally_slice_str(text));
    free(text);
}

static enum tally_status take_as(enum tally_mode mode, const json_t *j, unsigned signers,
                                 const uint8_t *expect)
{
    char *text = tally_test_envelope_text("federation", mode, j, signers);
    enum tally_status s = tally_fedstore_take(&store, tally_slice_str(text), expect, NOW, &fed);
    free(text);
    return s;
}

static enum tally_status take(const json_t *j, unsigned signers)
{
    return take_as(TALLY_MODE_TEST, j, signers, NULL);
}

/* Takes version 1 and gives back what comes next, unchanged but for its number. */
static json_t *founded(void)
{
    json_t *j = tally_test_federation(3);

    digest_of(j, id);
    ck_assert_msg(take_as(TALLY_MODE_TEST, j, ALL, id) == TALLY_OK, "%s", tally_why());
    tally_test_next(j, id, id);
    return j;
}

static int conflicts(void)
{
    char path[TALLY_FEDSTORE_PATH_MAX];
    int n = 0;

    (void)snprintf(path, sizeof path, "%s/conflicts", store.dir);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    if (d != NULL) closedir(d);
    return n;
}

static void refused(enum tally_status s, enum tally_reason reason, const char *why)
{
    ck_assert_int_ne(s, TALLY_OK);
    ck_assert_msg(strstr(tally_why_text(), why) != NULL, "%s", tally_why_text());
    ck_assert_int_eq(tally_reason(), reason);
}

static uint32_t in_force(void)
{
    ck_assert_msg(tally_fedstore_load(&store, NOW, &other, NULL) == TALLY_OK, "%s", tally_why());
    return other.version;
}

START_TEST(version_1_needs_the_digest_given_by_hand)
{
    json_t *j = tally_test_federation(3);
    uint8_t wrong[32] = {0};

    refused(take(j, ALL), TALLY_R_E_FEDERATION, "given by hand");
    refused(take_as(TALLY_MODE_TEST, j, ALL, wrong), TALLY_R_E_FEDERATION, "not the expected one");
    ck_assert(!tally_fedstore_has(&store));
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_E_STATE);
    digest_of(j, id);
    ck_assert_int_eq(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_OK);
    ck_assert_uint_eq(in_force(), 1);
    ck_assert_mem_eq(other.digest, id, 32);
    ck_assert_int_eq(take(j, ALL), TALLY_OK); /* again: no effect */
    json_decref(j);
}
END_TEST

START_TEST(version_1_needs_every_party)
{
    json_t *j = tally_test_federation(3);
    static const struct {
        unsigned signers;
        const char *missing;
    } rows[] = {
        {ALL & ~(unsigned)OWNER,            "owner has not signed" },
        {ALL & ~(unsigned)BANK2,            "bank-2 has not signed"},
        {(ALL & ~(unsigned)BANK3) | 1 << 9, "bank-3 has not signed"},
        {0,                                 "owner has not signed" }
    };

    digest_of(j, id);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(take_as(TALLY_MODE_TEST, j, rows[i].signers, id), TALLY_R_E_SIGNATURE,
                rows[i].missing);
    ck_assert(!tally_fedstore_has(&store));
    json_decref(j);
}
END_TEST

START_TEST(one_partys_signature_twice_is_one_signature)
{
    json_t *j = tally_test_federation(3);
    struct tally_dsse d =
        tally_test_envelope("federation", TALLY_MODE_TEST, j, ALL & ~(unsigned)BANK3);
    char *text = NULL;

    digest_of(j, id);
    d.signatures[d.signatures_n] = d.signatures[1]; /* bank-1 again, under bank-3's keyid */
    memset(d.signatures[d.signatures_n++].keyid, 'a', 64);
    ck_assert_int_eq(tally_dsse_text(&d, &text), TALLY_OK);
    refused(tally_fedstore_take(&store, tally_slice_str(text), id, NOW, &fed), TALLY_R_E_SIGNATURE,
            "bank-3 has not signed");
    free(text);
    tally_dsse_free(&d);
    json_decref(j);
}
END_TEST

START_TEST(a_document_of_the_other_mode_is_refused)
{
    json_t *j = tally_test_federation(3);

    digest_of(j, id);
    store.mode = TALLY_MODE_PRODUCTION;
    refused(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_R_E_FEDERATION,
            "it is a test document, and the configuration says mode: production");
    store.mode = TALLY_MODE_TEST;
    refused(take_as(TALLY_MODE_PRODUCTION, j, ALL, id), TALLY_R_E_FEDERATION,
            "it is a production document, and the configuration says mode: test");
    ck_assert_int_eq(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_OK);
    store.mode = TALLY_MODE_PRODUCTION; /* a state directory of the other mode, too */
    refused(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_R_E_FEDERATION, "mode");
    json_decref(j);
}
END_TEST

START_TEST(a_party_that_the_document_does_not_name_does_not_take_it)
{
    json_t *j = tally_test_federation(3);

    digest_of(j, id);
    (void)snprintf(store.org, sizeof store.org, "bank-9");
    refused(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_R_E_FEDERATION, "bank-9 is no party");
    store.org[0] = '\0'; /* an auditor */
    ck_assert_int_eq(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_OK);
    json_decref(j);
}
END_TEST

START_TEST(the_next_version_needs_what_the_last_one_demands)
{
    json_t *j = founded();

    refused(take(j, ALL & ~(unsigned)BANK2), TALLY_R_E_SIGNATURE,
            "bank-2 has not signed, and version 1 needs it");
    ck_assert_uint_eq(in_force(), 1);
    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    ck_assert_uint_eq(in_force(), 2);
    ck_assert_mem_eq(other.id, id, 32);
    json_decref(j);
}
END_TEST

START_TEST(a_version_of_another_place_is_refused)
{
    json_t *j = founded();
    uint8_t zero[32] = {0};
    char hex[65];

    json_object_set_new(j, "version", json_integer(3));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "it is version 3; version 2 comes next");
    json_object_set_new(j, "version", json_integer(2));
    tally_hex(TALLY_SLICE(zero), hex);
    json_object_set_new(j, "id", json_string(hex));
    json_object_set_new(j, "prev", json_string(hex));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "another federation");
    tally_hex(TALLY_SLICE(id), hex);
    json_object_set_new(j, "id", json_string(hex));
    json_object_set_new(j, "prev", json_string(hex));
    json_object_set_new(j, "issued", json_integer(TALLY_TEST_ISSUED - 1));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "issued before version 1");
    json_decref(j);
}
END_TEST

START_TEST(a_later_version_follows_the_very_digest_in_force)
{
    json_t *j = founded();
    uint8_t digest[32], wrong[32] = {1};

    digest_of(j, digest);
    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    tally_test_next(j, id, wrong);
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "follows another version 2");
    json_object_set_new(j, "version", json_integer(2));
    tally_test_next(j, id, digest);
    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    ck_assert_uint_eq(in_force(), 3);
    json_decref(j);
}
END_TEST

START_TEST(a_lower_version_is_refused_and_both_are_kept)
{
    json_t *j = founded(), *one = tally_test_federation(3);

    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    json_object_set_new(one, "name", json_string("again"));
    refused(take(one, ALL), TALLY_R_E_FEDERATION, "another federation"); /* its own id */
    ck_assert_int_eq(conflicts(), 0);
    json_decref(one);
    one = tally_test_federation(3);
    refused(take(one, ALL), TALLY_R_E_FEDERATION, "version 2 is in force: rolled back");
    ck_assert_int_eq(conflicts(), 2);
    ck_assert_uint_eq(in_force(), 2);
    json_decref(one);
    json_decref(j);
}
END_TEST

START_TEST(a_second_document_of_one_version_is_refused_and_both_are_kept)
{
    json_t *j = founded();

    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    json_object_set_new(j, "name", json_string("twin"));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "second document of version 2");
    ck_assert_int_eq(conflicts(), 2);
    ck_assert_uint_eq(in_force(), 2);
    ck_assert_str_eq(other.name, "test");
    json_decref(j);
}
END_TEST

START_TEST(what_no_party_signed_proves_nothing_and_is_not_kept)
{
    json_t *j = founded();

    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    json_object_set_new(j, "name", json_string("twin"));
    refused(take(j, 1 << 9), TALLY_R_E_FEDERATION, "second document");
    ck_assert_int_eq(conflicts(), 0);
    json_decref(j);
}
END_TEST

START_TEST(an_expired_document_is_refused_kept_and_never_loaded)
{
    json_t *j = founded();

    json_object_set_new(j, "expires", json_integer(NOW));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "version 2 of the federation expired on 2026-");
    ck_assert_int_eq(conflicts(), 2);
    ck_assert_uint_eq(in_force(), 1);
    refused(tally_fedstore_load(&store, TALLY_TEST_EXPIRES, &other, NULL), TALLY_R_E_FEDERATION,
            "version 1 of the federation expired on 2027-11-18");
    ck_assert_int_eq(tally_fedstore_load(&store, TALLY_TEST_EXPIRES - 1, &other, NULL), TALLY_OK);
    ck_assert_int_eq(tally_fedstore_latest(&store, &other, NULL), TALLY_OK); /* to renew it */
    json_decref(j);
}
END_TEST

START_TEST(a_document_from_the_future_is_refused)
{
    json_t *j = founded();

    json_object_set_new(j, "issued", json_integer(NOW + TALLY_CLOCK_SLACK_S + 1));
    refused(take(j, ALL), TALLY_R_E_FEDERATION, "issued in the future");
    json_object_set_new(j, "issued", json_integer(NOW + TALLY_CLOCK_SLACK_S));
    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    json_decref(j);
}
END_TEST

/* A federation whose changes the owner alone may sign. */
static json_t *founded_with_needs_of_the_owner(void)
{
    json_t *j = tally_test_federation(3);

    json_object_set_new(j, "changes", json_pack("{s:[s]}", "needs", "owner"));
    digest_of(j, id);
    ck_assert_int_eq(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_OK);
    tally_test_next(j, id, id);
    return j;
}

static json_t *at(json_t *j, const char *list, size_t i)
{
    return json_array_get(json_object_get(j, list), i);
}

static void add_measurement(json_t *j)
{
    json_t *m = json_deep_copy(at(j, "measurements", 0));
    char digest[97];

    memset(digest, 'f', 96);
    digest[96] = '\0';
    json_object_set_new(m, "digest", json_string(digest));
    json_array_append_new(json_object_get(j, "measurements"), m);
}

static void change_root(json_t *j)
{
    json_object_set_new(j, "test_root", json_string("b3RoZXI="));
}

static void add_chip(json_t *j)
{
    char chip[65];

    memset(chip, 'e', 64);
    chip[64] = '\0';
    json_array_append_new(json_object_get(tally_test_node(j, 2), "chips"), json_string(chip));
}

static void any_chip(json_t *j)
{
    json_object_set_new(tally_test_node(j, 2), "chips", json_string("any"));
}

static void change_session_key(json_t *j)
{
    json_object_set_new(tally_test_node(j, 0), "session_key",
                        json_string("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="));
}

static void change_endpoint(json_t *j)
{
    json_object_set_new(tally_test_node(j, 0), "endpoint", json_string("tcp://evil:1"));
}

static void rename_node(json_t *j)
{
    json_object_set_new(tally_test_node(j, 0), "name", json_string("aggregator-2"));
}

static void loosen_policy(json_t *j)
{
    json_t *snp = json_object_get(json_object_get(j, "policy"), "snp");
    json_object_set_new(snp, "crl", json_string("optional"));
}

static void lower_floor(json_t *j)
{
    json_t *snp = json_object_get(json_object_get(j, "policy"), "snp");
    json_object_set_new(json_array_get(json_object_get(snp, "tcb"), 0), "microcode",
                        json_integer(83));
}

static void drop_a_bank_and_its_vote(json_t *j)
{
    json_array_remove(json_object_get(j, "parties"), 3);
    json_object_set_new(json_object_get(j, "votes"), "quorum", json_integer(2));
}

static void raise_quorum(json_t *j)
{
    json_object_set_new(json_object_get(j, "votes"), "quorum", json_integer(3));
}

static void tighten_policy(json_t *j)
{
    json_t *snp = json_object_get(json_object_get(j, "policy"), "snp");
    json_object_set_new(snp, "smt", json_false());
    json_object_set_new(json_array_get(json_object_get(snp, "tcb"), 0), "microcode",
                        json_integer(85));
}

static void nothing(json_t *j)
{
    json_object_set_new(j, "expires", json_integer(TALLY_TEST_EXPIRES + 9));
}

/* What the owner alone changes: does bank-1, which did not sign, adopt it? */
static const struct {
    void (*change)(json_t *j);
    const char *why; /* NULL: adopted */
} widenings[] = {
    {add_measurement,          "a measurement for the role \"agent\" is new"},
    {change_root,              "the root of trust \"test\" is new"          },
    {add_chip,                 "a machine of bank-2/agent-1 is new"         },
    {any_chip,                 "bank-2/agent-1 may run on any machine"      },
    {change_session_key,       "the session key of owner/aggregator is new" },
    {change_endpoint,          "the endpoint of owner/aggregator is new"    },
    {rename_node,              "the node owner/aggregator-2 is new"         },
    {loosen_policy,            "the policy for SNP evidence is looser"      },
    {lower_floor,              "the policy for SNP evidence is looser"      },
    {drop_a_bank_and_its_vote, NULL                                         },
    {raise_quorum,             NULL                                         },
    {tighten_policy,           NULL                                         },
    {nothing,                  NULL                                         },
};
enum { WIDENINGS = sizeof widenings / sizeof widenings[0] };

START_TEST(what_widens_access_needs_the_own_organisations_signature)
{
    json_t *j = founded_with_needs_of_the_owner();

    widenings[_i].change(j);
    if (widenings[_i].why == NULL) {
        ck_assert_msg(take(j, OWNER) == TALLY_OK, "%s", tally_why());
    } else {
        refused(take(j, OWNER), TALLY_R_E_FEDERATION, widenings[_i].why);
        refused(take(j, OWNER | BANK2 | BANK3), TALLY_R_E_FEDERATION, "bank-1 has not signed it");
        ck_assert_uint_eq(in_force(), 1);
        ck_assert_msg(take(j, OWNER | BANK1) == TALLY_OK, "%s", tally_why());
    }
    ck_assert_uint_eq(in_force(), 2);
    json_decref(j);
}
END_TEST

START_TEST(lower_thresholds_widen_too)
{
    json_t *j = tally_test_federation(3);

    json_object_set_new(j, "changes", json_pack("{s:[s,s]}", "needs", "owner", "bank-2"));
    json_object_set_new(j, "votes", json_pack("{s:i,s:i}", "quorum", 3, "tolerated", 1));
    digest_of(j, id);
    ck_assert_int_eq(take_as(TALLY_MODE_TEST, j, ALL, id), TALLY_OK);
    tally_test_next(j, id, id);
    json_t *fewer = json_deep_copy(j), *quorum = json_deep_copy(j), *tolerated = json_deep_copy(j);
    json_object_set_new(fewer, "changes", json_pack("{s:[s]}", "needs", "owner"));
    refused(take(fewer, OWNER | BANK2), TALLY_R_E_FEDERATION, "changes no longer need bank-2");
    json_object_set_new(quorum, "votes", json_pack("{s:i,s:i}", "quorum", 2, "tolerated", 0));
    refused(take(quorum, OWNER | BANK2), TALLY_R_E_FEDERATION, "the quorum falls from 3 to 2");
    json_object_set_new(tolerated, "votes", json_pack("{s:i,s:i}", "quorum", 3, "tolerated", 0));
    refused(take(tolerated, OWNER | BANK2), TALLY_R_E_FEDERATION, "tolerated organisations falls");
    json_decref(fewer);
    json_decref(quorum);
    json_decref(tolerated);
    json_decref(j);
}
END_TEST

/* The new document key of party i is that of number k. */
static void new_document_key(json_t *j, size_t i, unsigned k)
{
    struct tally_sign_key key = tally_test_document_key(k);
    char text[TALLY_BASE64_SIZE(32)];

    tally_base64(tally_slice_of(tally_sign_public(&key), 32), text);
    json_object_set_new(at(j, "parties", i), "document_key", json_string(text));
}

START_TEST(a_new_document_key_signs_for_itself)
{
    json_t *j = founded();

    new_document_key(j, 2, 9);
    refused(take(j, ALL), TALLY_R_E_SIGNATURE, "the new document key of bank-2 has not signed");
    refused(take(j, (ALL & ~(unsigned)BANK2) | 1 << 9), TALLY_R_E_SIGNATURE,
            "bank-2 has not signed, and version 1 needs it");
    ck_assert_int_eq(take(j, ALL | 1 << 9), TALLY_OK);
    json_decref(j);
}
END_TEST

START_TEST(a_new_party_signs_for_itself)
{
    json_t *j = founded(), *four = tally_test_federation(4);

    json_object_set(j, "parties", json_object_get(four, "parties"));
    json_object_set_new(j, "votes", json_pack("{s:i,s:i}", "quorum", 3, "tolerated", 0));
    refused(take(j, ALL), TALLY_R_E_SIGNATURE, "the new document key of bank-4 has not signed");
    ck_assert_int_eq(take(j, ALL | BANK4), TALLY_OK);
    json_decref(four);
    json_decref(j);
}
END_TEST

static void damage(const char *path, size_t at_byte)
{
    uint8_t *bytes = NULL;
    size_t len = 0;

    ck_assert_int_eq(tally_file_read(path, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len), TALLY_OK);
    bytes[at_byte % len] ^= 1;
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(bytes, len), TALLY_FILE_MODE_PUBLIC),
                     TALLY_OK);
    free(bytes);
}

START_TEST(nothing_on_the_disk_is_believed)
{
    json_t *j = founded();
    char path[TALLY_FEDSTORE_PATH_MAX], *weak = NULL;
    uint8_t two[32];

    digest_of(j, two);
    ck_assert_int_eq(take(j, ALL), TALLY_OK);
    tally_fedstore_path(&store, 2, two, path);
    for (size_t i = 0; i < 2500; i += 131) { /* type and payload; keyids are hints */
        damage(path, i);
        ck_assert_int_ne(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_OK);
        damage(path, i);
    }
    ck_assert_uint_eq(in_force(), 2);
    weak = tally_test_envelope_text("federation", TALLY_MODE_TEST, j, OWNER | BANK1);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str(weak), TALLY_FILE_MODE_PUBLIC),
                     TALLY_OK);
    refused(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_R_E_SIGNATURE,
            "bank-2 has not signed");
    free(weak);
    tally_fedstore_path(&store, 1, id, path);
    ck_assert_int_eq(tally_file_remove(path), TALLY_OK);
    refused(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_R_E_SIGNATURE,
            "bank-2 has not signed"); /* now it stands first, and needs all */
    json_decref(j);
}
END_TEST

START_TEST(a_damaged_pointer_is_refused)
{
    static const char *const texts[] = {"", "2\n", "0 00\n", "x", "1 zz\n"};
    char path[TALLY_FEDSTORE_PATH_MAX + 32];
    json_t *j = founded();

    (void)snprintf(path, sizeof path, "%s/federation/current", store.dir);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_int_eq(tally_file_write(path, tally_slice_str(texts[i]), TALLY_FILE_MODE_PUBLIC),
                         TALLY_OK);
        ck_assert_int_ne(tally_fedstore_load(&store, NOW, &other, NULL), TALLY_OK);
    }
    json_decref(j);
}
END_TEST

static enum tally_status revoke(enum tally_revocation_kind kind, const char *value,
                                unsigned signers, bool *binds)
{
    char *payload = NULL, *text = NULL, type[TALLY_DOCUMENT_TYPE_SIZE];
    struct tally_revocation r;
    struct tally_dsse d = {0};

    ck_assert_int_eq(tally_fedstore_latest(&store, &other, NULL), TALLY_OK);
    ck_assert_int_eq(tally_revocation_make(&other, kind, value, "stolen", NOW, &payload), TALLY_OK);
    tally_document_type("revocation", TALLY_MODE_TEST, type);
    ck_assert_int_eq(tally_dsse_new(type, tally_slice_str(payload), &d), TALLY_OK);
    for (unsigned i = 0; i < 16; i++) {
        struct tally_sign_key k = tally_test_document_key(i);
        if ((signers >> i & 1) != 0) ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    }
    ck_assert_int_eq(tally_dsse_text(&d, &text), TALLY_OK);
    enum tally_status s = tally_fedstore_revoke(&store, tally_slice_str(text), &r, binds);
    free(text);
    free(payload);
    tally_dsse_free(&d);
    return s;
}

START_TEST(a_revocation_is_kept_and_applied_on_every_load)
{
    json_t *j = founded();
    bool binds = false;

    refused(revoke(TALLY_REVOKE_NODE, "bank-2/agent-1", OWNER | BANK1 | BANK3, &binds),
            TALLY_R_E_SIGNATURE, "neither the owner of this node");
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, &revoked), TALLY_OK);
    ck_assert_uint_eq(revoked.nodes_n, 0);
    ck_assert_int_eq(revoke(TALLY_REVOKE_NODE, "bank-2/agent-1", BANK2, &binds), TALLY_OK);
    ck_assert(binds);
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, &revoked), TALLY_OK);
    ck_assert_uint_eq(revoked.nodes_n, 1);
    ck_assert_uint_eq(revoked.session_keys_n, 1); /* by name is by key, too */
    ck_assert_mem_eq(revoked.session_keys[0],
                     tally_federation_node(&other, "bank-2", "agent-1")->session_key, 32);
    ck_assert(tally_revocations_node(&revoked, tally_federation_node(&other, "bank-2", "agent-1")));
    ck_assert_int_eq(take(j, ALL), TALLY_OK); /* it stays in later versions */
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, &revoked), TALLY_OK);
    ck_assert_uint_eq(revoked.nodes_n, 1);
    json_decref(j);
}
END_TEST

START_TEST(another_partys_doubt_about_a_measurement_does_not_bind_us)
{
    json_t *j = founded();
    char m[97];
    bool binds = true;

    memset(m, 'a', 96);
    m[96] = '\0';
    ck_assert_int_eq(revoke(TALLY_REVOKE_MEASUREMENT, m, BANK2, &binds), TALLY_OK);
    ck_assert(!binds);
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, &revoked), TALLY_OK);
    ck_assert_uint_eq(revoked.measurements_n, 0);
    ck_assert_int_eq(revoke(TALLY_REVOKE_MEASUREMENT, m, BANK1, &binds), TALLY_OK);
    ck_assert(binds);
    ck_assert_int_eq(tally_fedstore_load(&store, NOW, &other, &revoked), TALLY_OK);
    ck_assert_uint_eq(revoked.measurements_n, 1);
    json_decref(j);
}
END_TEST

START_TEST(a_revoked_document_key_no_longer_counts_and_can_be_replaced)
{
    json_t *j = founded();
    char text[TALLY_BASE64_SIZE(32)];
    bool binds = false;
    uint8_t two[32];

    ck_assert_int_eq(tally_fedstore_latest(&store, &other, NULL), TALLY_OK);
    tally_base64(TALLY_SLICE(other.parties[2].document_key), text);
    ck_assert_int_eq(revoke(TALLY_REVOKE_DOCUMENT_KEY, text, BANK2, &binds), TALLY_OK);
    json_object_set_new(j, "issued", json_integer(NOW));
    refused(take(j, ALL), TALLY_R_E_SIGNATURE, "bank-2 has not signed");
    new_document_key(j, 2, 9);
    refused(take(j, ALL), TALLY_R_E_SIGNATURE, "the new document key of bank-2 has not signed");
    refused(take(j, 1 << 9), TALLY_R_E_SIGNATURE, "owner has not signed");
    digest_of(j, two);
    ck_assert_int_eq(take(j, (ALL & ~(unsigned)BANK2) | 1 << 9), TALLY_OK);
    ck_assert_uint_eq(in_force(), 2);
    ck_assert_mem_eq(other.digest, two, 32);
    json_decref(j);
}
END_TEST

START_TEST(an_envelope_file_is_judged_by_its_own_parties)
{
    json_t *j = tally_test_federation(3);
    char path[TALLY_FEDSTORE_PATH_MAX + 16];

    (void)snprintf(path, sizeof path, "%s/f.json", store.dir);
    for (unsigned signers = 0; signers <= ALL; signers++) {
        char *text = tally_test_envelope_text("federation", TALLY_MODE_TEST, j, signers);
        ck_assert_int_eq(tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC),
                         TALLY_OK);
        ck_assert_int_eq(tally_federation_load_file(path, &fed),
                         signers == ALL ? TALLY_OK : TALLY_E_AUTH);
        free(text);
    }
    ck_assert_int_eq(tally_federation_load_file("/nonexistent", &fed), TALLY_E_IO);
    json_decref(j);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("fedstore");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, version_1_needs_the_digest_given_by_hand);
    tcase_add_test(t, version_1_needs_every_party);
    tcase_add_test(t, one_partys_signature_twice_is_one_signature);
    tcase_add_test(t, a_document_of_the_other_mode_is_refused);
    tcase_add_test(t, a_party_that_the_document_does_not_name_does_not_take_it);
    tcase_add_test(t, the_next_version_needs_what_the_last_one_demands);
    tcase_add_test(t, a_version_of_another_place_is_refused);
    tcase_add_test(t, a_later_version_follows_the_very_digest_in_force);
    tcase_add_test(t, a_lower_version_is_refused_and_both_are_kept);
    tcase_add_test(t, a_second_document_of_one_version_is_refused_and_both_are_kept);
    tcase_add_test(t, what_no_party_signed_proves_nothing_and_is_not_kept);
    tcase_add_test(t, an_expired_document_is_refused_kept_and_never_loaded);
    tcase_add_test(t, a_document_from_the_future_is_refused);
    tcase_add_loop_test(t, what_widens_access_needs_the_own_organisations_signature, 0, WIDENINGS);
    tcase_add_test(t, lower_thresholds_widen_too);
    tcase_add_test(t, a_new_document_key_signs_for_itself);
    tcase_add_test(t, a_new_party_signs_for_itself);
    tcase_add_test(t, nothing_on_the_disk_is_believed);
    tcase_add_test(t, a_damaged_pointer_is_refused);
    tcase_add_test(t, a_revocation_is_kept_and_applied_on_every_load);
    tcase_add_test(t, another_partys_doubt_about_a_measurement_does_not_bind_us);
    tcase_add_test(t, a_revoked_document_key_no_longer_counts_and_can_be_replaced);
    tcase_add_test(t, an_envelope_file_is_judged_by_its_own_parties);
    return tally_suite_run("common/fedstore", t);
}
