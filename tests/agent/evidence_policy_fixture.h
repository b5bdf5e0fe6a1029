/* evidence_policy_fixture.h - for the tests of policy documents and of result tokens: a folder with
 * keys of every kind, the command run with its words, genuine evidence to judge. */
#pragma once

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cmd_evidence.h"
#include "common/attest/appraise.h"
#include "common/nodekeys.h"
#include "common/policydoc.h"
#include "common/secret.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { ARGS = 40, PATH = 512, KEYS = 2 };
#define AT      "2025-10-01T00:00:00Z"
#define ISSUED  1756684800 /* 2025-09-01 */
#define EXPIRES 1764547200 /* 2025-12-01 */

static char dir[64] = "evidence_policy_XXXXXX";
static char keys[KEYS][TALLY_BASE64_SIZE(TALLY_SIGN_PUBLIC_BYTES)];
static char measurement[2 * TALLY_MEASUREMENT_BYTES + 1];
static char report_data[2 * TALLY_REPORT_DATA_BYTES + 1];

static inline const char *in_dir(const char *name)
{
    static char paths[32][PATH];
    static unsigned next;
    char *p = paths[next++ % 32];

    (void)snprintf(p, PATH, "%s/%s", dir, name);
    return p;
}

static inline const char *vector(const char *name)
{
    static char paths[16][PATH];
    static unsigned next;
    char *p = paths[next++ % 16], below[256];

    (void)snprintf(below, sizeof below, "vectors/snp/%.200s", name);
    (void)snprintf(p, PATH, "%.500s", tally_vectors_path(below));
    return p;
}

static inline void write_text(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

/* Runs `evidence` with these words; its stdout goes to the file "out". */
static inline int run(const char *const *words)
{
    char *argv[ARGS + 1], *own[ARGS]; /* the command moves its words about */
    int argc = 0;

    for (; words[argc] != NULL; argc++) {
        ck_assert_int_lt(argc, ARGS);
        argv[argc] = own[argc] = strdup(words[argc]);
        ck_assert_ptr_nonnull(argv[argc]);
    }
    argv[argc] = NULL;
    int fd = open(in_dir("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600), keep = dup(1);
    ck_assert(fd >= 0 && keep >= 0 && dup2(fd, 1) == 1);
    int rc = tally_cmd_evidence(argc, argv);
    ck_assert_int_eq(fflush(stdout), 0);
    ck_assert_int_eq(dup2(keep, 1), 1);
    (void)close(fd);
    (void)close(keep);
    for (int i = 0; i < argc; i++) free(own[i]);
    return rc;
}

#define RUN(...) run((const char *const[]){"evidence", __VA_ARGS__, NULL})

static inline json_t *out_json(void)
{
    json_error_t e;
    json_t *j = json_load_file(in_dir("out"), JSON_REJECT_DUPLICATES, &e);

    ck_assert_msg(j != NULL, "%s", e.text);
    return j;
}

static inline const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

/* Does the JSON in "out" say so, as a failed check or as the reason of an error? */
static inline bool says(const char *reason)
{
    json_t *j = out_json();
    const json_t *list = json_object_get(j, "failed");
    bool found = strcmp(text(j, "reason"), reason) == 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        found = found || strcmp(text(json_array_get(list, i), "check"), reason) == 0;
    json_decref(j);
    return found;
}

/* What `new` prints, of another time, with the report's measurement: a payload to be changed. */
static inline json_t *payload(void)
{
    ck_assert_int_eq(RUN("policy", "new", "--name", "audit"), 0);
    json_t *j = out_json();

    (void)json_object_set_new(j, "issued", json_integer(ISSUED));
    (void)json_object_set_new(j, "expires", json_integer(EXPIRES));
    (void)json_array_append_new(json_object_get(j, "measurements"),
                                json_pack("{s:s, s:s}", "tee", "snp", "digest", measurement));
    return j;
}

static inline json_t *snp_of(json_t *j)
{
    return json_object_get(json_object_get(j, "policy"), "snp");
}

/* Takes j: signed by the keys whose bits are set, in the file `name`. */
static inline void sign(json_t *j, const char *name, unsigned signers)
{
    const char *from = in_dir("payload.json");
    static const char *const files[KEYS] = {"a.key", "b.key"};

    ck_assert_int_eq(json_dump_file(j, from, JSON_INDENT(1)), 0);
    json_decref(j);
    for (unsigned i = 0; i < KEYS; i++) {
        if ((signers >> i & 1) == 0) continue;
        ck_assert_int_eq(
            RUN("policy", "sign", from, "--key", in_dir(files[i]), "--out", in_dir(name)), 0);
        from = in_dir(name);
    }
}

/* Words that verify genuine evidence with everything but a policy; more may follow. */
static inline void words_of(const char *words[ARGS], const char *at)
{
    const char *const all[] = {"evidence",
                               "verify",
                               "snp",
                               "--report",
                               vector("genoa_v5_oak/report.bin"),
                               "--vek",
                               vector("genoa_v5_oak/vek.der"),
                               "--crl",
                               vector("roots/genoa_vcek_crl.der"),
                               "--report-data",
                               report_data,
                               "--at",
                               at,
                               "--json"};

    memset(words, 0, ARGS * sizeof *words);
    memcpy(words, all, sizeof all);
}

static inline void write_pem(const char *name, EVP_PKEY *key, bool is_private)
{
    FILE *f = fopen(in_dir(name), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(is_private ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_PUBKEY(f, key),
                     1);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void make_ear_key(const char *name, EVP_PKEY *key)
{
    char file[64];

    ck_assert_ptr_nonnull(key);
    (void)snprintf(file, sizeof file, "%s.pem", name);
    write_pem(file, key, true);
    (void)snprintf(file, sizeof file, "%s.pub", name);
    write_pem(file, key, false);
    EVP_PKEY_free(key);
}

static inline void make_keys(void)
{
    static const char *const files[KEYS] = {"a.key", "b.key"};
    uint8_t key[TALLY_SIGN_PUBLIC_BYTES];

    for (int i = 0; i < KEYS; i++) {
        ck_assert_int_eq(
            tally_key_make(in_dir(files[i]), TALLY_KEY_DOCUMENT, TALLY_MODE_PRODUCTION, key),
            TALLY_OK);
        tally_base64(TALLY_SLICE(key), keys[i]);
    }
    ck_assert_int_eq(tally_key_make(in_dir("test.key"), TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, key),
                     TALLY_OK);
    ck_assert_int_eq(
        tally_key_make(in_dir("session.key"), TALLY_KEY_SESSION, TALLY_MODE_PRODUCTION, key),
        TALLY_OK);
    make_ear_key("ed", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    make_ear_key("ed2", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    make_ear_key("p384", EVP_EC_gen("P-384"));
    make_ear_key("p256", EVP_EC_gen("P-256"));
}

static inline void set_up(void)
{
    json_t *all = tally_vectors_json("vectors/snp/expected.json"), *v = NULL;
    size_t i;

    ck_assert_int_eq(tally_secret_setup(), TALLY_OK);
    json_array_foreach(all, i, v)
    {
        if (strcmp(text(v, "name"), "genoa_v5_oak") != 0) continue;
        (void)snprintf(measurement, sizeof measurement, "%s", text(v, "meas"));
        (void)snprintf(report_data, sizeof report_data, "%s", text(v, "rd"));
    }
    json_decref(all);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    make_keys();
}

static inline void tear_down(void)
{
    static const char *const names[] = {
        "a.key",    "b.key",    "test.key", "session.key",  "ed.pem",     "ed.pub",     "ed2.pem",
        "ed2.pub",  "p384.pem", "p384.pub", "p256.pem",     "p256.pub",   "out",        "token.jwt",
        "p.json",   "a.json",   "ab.json",  "payload.json", "turin.json", "other.json", "none.json",
        "tdx.json", "new.json", "two.json", "good.json",    "bad.json"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)unlink(in_dir(names[i]));
    (void)rmdir(dir);
}
