/* test_cmd_evidence.c - agent/cmd_evidence.c: exit codes and JSON over real and simulated files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cmd_evidence.h"
#include "agent/evidence_case.h"
#include "common/attest/verdict.h"
#include "common/text.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { ARGS = 32, PATH = 512 };
static char dir[64] = "evidence_test_XXXXXX";
static struct tally_federation federation; /* what "federation.json" holds */

/* In place of the documents' loader (the linker's --wrap): the file's name is all that is read. */
TALLY_RESULT __wrap_tally_federation_load_file(const char *path, struct tally_federation *out);
enum tally_status __wrap_tally_federation_load_file(const char *path, struct tally_federation *out)
{
    TALLY_ENSURE(strstr(path, "federation.json") != NULL, TALLY_E_CONFIG, "no federation");
    *out = federation;
    return TALLY_OK;
}

static const char *in_dir(const char *name)
{
    static char paths[16][PATH];
    static unsigned next;
    char *p = paths[next++ % 16];

    (void)snprintf(p, PATH, "%s/%s", dir, name);
    return p;
}

static const char *vector(const char *name)
{
    static char paths[16][PATH];
    static unsigned next;
    char *p = paths[next++ % 16], below[256];

    (void)snprintf(below, sizeof below, "vectors/snp/%.200s", name);
    (void)snprintf(p, PATH, "%.500s", tally_vectors_path(below));
    return p;
}

static void write_file(const char *name, const void *p, size_t n)
{
    FILE *f = fopen(in_dir(name), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Runs `evidence` with these words; its stdout goes to a file. */
static int run(const char *const *words)
{
    char *argv[ARGS + 1], *own[ARGS]; /* the command moves its words about */
    int argc = 0;

    for (; words[argc] != NULL; argc++) {
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

static json_t *out_json(void)
{
    json_error_t e;
    json_t *j = json_load_file(in_dir("out"), JSON_REJECT_DUPLICATES, &e);

    ck_assert_msg(j != NULL, "%s", e.text);
    return j;
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static bool checked(const json_t *j, const char *name)
{
    const json_t *list = json_object_get(j, "failed");

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(text(json_array_get(list, i), "check"), name) == 0) return true;
    }
    return false;
}

START_TEST(a_real_report_is_trusted_for_its_integrity)
{
    ck_assert_int_eq(RUN("verify", "snp", "--report", vector("genoa_v5_oak/report.bin"), "--vek",
                         vector("genoa_v5_oak/vek.der"), "--issuer", vector("roots/genoa_ask.pem"),
                         "--anchor", vector("roots/genoa_ark.pem"), "--at", "2026-07-01T00:00:00Z",
                         "--policy", "integrity", "--json"),
                     0);
    json_t *j = out_json(), *claims = json_object_get(j, "claims");
    ck_assert_uint_eq(json_object_size(j), 5);
    ck_assert_str_eq(text(j, "verdict"), "trusted");
    ck_assert_uint_eq(json_array_size(json_object_get(j, "failed")), 0);
    ck_assert_str_eq(text(claims, "product"), "Genoa");
    ck_assert_str_eq(text(claims, "signer"), "VCEK");
    ck_assert_str_eq(text(claims, "trust"), "given");
    ck_assert_uint_eq(strlen(text(claims, "measurement")), 96);
    ck_assert_str_eq(text(claims, "reported_tcb"), "0a00000000001954");
    ck_assert(json_is_null(json_object_get(j, "tcb")));
    ck_assert_str_eq(text(json_object_get(j, "valid"), "from"), "2025-08-07T17:21:41Z");
    json_decref(j);
}
END_TEST

START_TEST(strict_is_undecided_without_something_to_compare)
{
    ck_assert_int_eq(RUN("verify", "snp", "--report", vector("genoa_v5_oak/report.bin"), "--vek",
                         vector("genoa_v5_oak/vek.der"), "--issuer", vector("roots/genoa_ask.der"),
                         "--anchor", vector("roots/genoa_ark.der"), "--at", "2026-07-01T00:00:00Z",
                         "--json"),
                     3);
    json_t *j = out_json();
    ck_assert_str_eq(text(j, "verdict"), "undecided");
    ck_assert(checked(j, "E_CRL_MISSING") && checked(j, "E_MEASUREMENT") &&
              checked(j, "E_REPORT_DATA"));
    json_decref(j);
}
END_TEST

START_TEST(a_failure_beats_what_is_missing)
{
    ck_assert_int_eq(RUN("verify", "snp", "--report", vector("milan_v2_google_debug/report.bin"),
                         "--vek", vector("milan_v2_google_debug/vek.der"), "--issuer",
                         vector("roots/milan_ask.der"), "--anchor", vector("roots/milan_ark.der"),
                         "--at", "2026-07-01T00:00:00Z", "--json"),
                     1);
    json_t *j = out_json();
    ck_assert_str_eq(text(j, "verdict"), "refused");
    ck_assert(checked(j, "E_POLICY_DEBUG") && !checked(j, "E_CRL_MISSING"));
    json_decref(j);
}
END_TEST

START_TEST(strict_with_everything_given_is_trusted)
{
    json_t *all = tally_vectors_json("vectors/snp/expected.json"), *v = NULL;
    size_t i;

    json_array_foreach(all, i, v)
    {
        if (strcmp(text(v, "name"), "genoa_v5_oak") == 0) break;
    }
    const char *const words[] = {"evidence",
                                 "verify",
                                 "snp",
                                 "--report",
                                 vector("genoa_v5_oak/report.bin"),
                                 "--vek",
                                 vector("genoa_v5_oak/vek.der"),
                                 "--issuer",
                                 vector("roots/genoa_ask.der"),
                                 "--crl",
                                 vector("roots/milan_vcek_crl.der"),
                                 "--crl",
                                 vector("roots/genoa_vcek_crl.der"),
                                 "--anchor",
                                 vector("roots/genoa_ark.der"),
                                 "--at",
                                 "2025-10-01T00:00:00Z",
                                 "--measurement",
                                 text(v, "meas"),
                                 "--report-data",
                                 text(v, "rd"),
                                 NULL};
    ck_assert_int_eq(run(words), 0);
    json_decref(all);
}
END_TEST

/* The demo's kept files, with the federation alone to judge them by. */
static int verify_kept(const char *report, const char *at, const char *report_data)
{
    const char *words[ARGS] = {"evidence",
                               "verify",
                               "snp",
                               "--report",
                               in_dir(report),
                               "--vek",
                               in_dir("vcek.der"),
                               "--issuer",
                               in_dir("ask.der"),
                               "--crl",
                               in_dir("crl.der"),
                               "--federation",
                               in_dir("federation.json"),
                               "--at",
                               at,
                               "--json"};

    if (report_data != NULL) {
        words[16] = "--report-data";
        words[17] = report_data;
    }
    return run(words);
}

START_TEST(kept_evidence_is_judged_by_the_federation_alone)
{
    char now[TALLY_TIME_TEXT_SIZE], rd[2 * TALLY_REPORT_DATA_BYTES + 1];
    uint8_t bytes[TALLY_REPORT_DATA_BYTES];

    tally_time_text(SIM_NOW_S, now);
    memset(bytes, 0x5a, sizeof bytes);
    tally_hex(TALLY_SLICE(bytes), rd);
    ck_assert_int_eq(verify_kept("report.bin", now, NULL), 0);
    json_t *j = out_json();
    ck_assert_str_eq(text(json_object_get(j, "claims"), "trust"), "test");
    json_decref(j);
    ck_assert_int_eq(verify_kept("report.bin", now, rd), 0);
    rd[127] = rd[127] == 'a' ? 'b' : 'a';
    ck_assert_int_eq(verify_kept("report.bin", now, rd), 1);
    j = out_json();
    ck_assert(checked(j, "E_REPORT_DATA"));
    json_decref(j);
    ck_assert_int_eq(verify_kept("report.bin", "2050-01-01T00:00:00Z", NULL), 1);
    j = out_json();
    ck_assert(checked(j, "E_CERT_EXPIRED") && checked(j, "E_CRL_EXPIRED"));
    json_decref(j);

    federation.nodes[0].chips[0][0] ^= 1;
    federation.measurements[0].digest[0] ^= 1;
    ck_assert_int_eq(verify_kept("report.bin", now, NULL), 1);
    j = out_json();
    ck_assert(checked(j, "E_CHIP") && checked(j, "E_MEASUREMENT"));
    json_decref(j);
    federation.mode = TALLY_MODE_PRODUCTION;
    ck_assert_int_eq(verify_kept("report.bin", now, NULL), 1);
    j = out_json();
    ck_assert(checked(j, "E_TRUST_CLASS"));
    json_decref(j);
}
END_TEST

START_TEST(a_byte_round_the_report_is_refused)
{
    uint8_t b[TALLY_SNP_REPORT_BYTES + 2] = {0};
    char now[TALLY_TIME_TEXT_SIZE];

    tally_time_text(SIM_NOW_S, now);
    FILE *f = fopen(in_dir("report.bin"), "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(b + 1, 1, sizeof b - 1, f), TALLY_SNP_REPORT_BYTES);
    ck_assert_int_eq(fclose(f), 0);
    write_file("longer.bin", b + 1, TALLY_SNP_REPORT_BYTES + 1);
    ck_assert_int_eq(verify_kept("longer.bin", now, NULL), 1);
    json_t *j = out_json();
    ck_assert(checked(j, "E_TRAILING"));
    ck_assert_uint_eq(json_object_size(json_object_get(j, "claims")), 0);
    ck_assert(json_is_null(json_object_get(j, "tcb")));
    ck_assert(json_is_null(json_object_get(json_object_get(j, "valid"), "from")));
    json_decref(j);
    write_file("before.bin", b, TALLY_SNP_REPORT_BYTES + 1);
    ck_assert_int_eq(verify_kept("before.bin", now, NULL), 1);
    write_file("shorter.bin", b + 1, TALLY_SNP_REPORT_BYTES - 1);
    ck_assert_int_eq(verify_kept("shorter.bin", now, NULL), 1);
    j = out_json();
    ck_assert(checked(j, "E_TRUNCATED"));
    json_decref(j);
}
END_TEST

START_TEST(wrong_usage_exits_2_and_a_missing_file_1)
{
    const char *r = in_dir("report.bin"), *k = in_dir("vcek.der"), *a = in_dir("ask.der");

    ck_assert_int_eq(RUN("verify"), 2);
    ck_assert_int_eq(RUN("verify", "tdx"), 2);
    ck_assert_int_eq(RUN("judge", "snp"), 2);
    ck_assert_int_eq(RUN("verify", "snp"), 2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k), 1); /* no vendor's */
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "extra"), 2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--what"), 2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--anchor"), 2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--report", r, "--vek", k, "--anchor", a),
                     2);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--at", "yesterday"), 2);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--policy", "lax"), 1);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--set", "lax=true"), 2);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--set", "smt=maybe"), 2);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--report-data", "00"), 2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--anchor", a, "--federation",
                         in_dir("federation.json")),
                     2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--policy", "integrity",
                         "--federation", in_dir("federation.json")),
                     2);
    ck_assert_int_eq(RUN("show", "snp"), 2);
    ck_assert_int_eq(
        RUN("verify", "snp", "--report", in_dir("none"), "--vek", k, "--anchor", a, "--json"), 1);
    json_t *j = out_json();
    ck_assert_str_ne(text(j, "error"), "");
    json_decref(j);
}
END_TEST

/* What is given and would not be looked at, or compares with nothing. */
START_TEST(options_that_would_do_nothing_are_refused)
{
    const char *r = in_dir("report.bin"), *k = in_dir("vcek.der");

    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--policy", "strict",
                         "--federation", in_dir("federation.json")),
                     2);
    ck_assert_int_eq(RUN("verify", "snp", "--report", r, "--vek", k, "--policy", "strict",
                         "--policy-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                     2);
    ck_assert_int_eq(RUN("verify", "nvgpu", "--report", r, "--chain", r, "--nonce", ""), 2);
    ck_assert_int_eq(
        RUN("verify", "nvgpu", "--report", r, "--chain", r, "--nonce", "00", "--set", "gpus=8"), 2);
    ck_assert_int_eq(
        RUN("verify", "tpm", "--attest", r, "--sig", r, "--pcrs", r, "--ak", r, "--nonce", ""), 1);
    ck_assert_int_eq(RUN("verify", "azure", "--hcl", r, "--vek", k, "--nonce", "00"), 2);
    ck_assert_int_eq(RUN("verify", "azure", "--hcl", r, "--vek", k, "--eventlog", r), 2);
    ck_assert_int_eq(RUN("verify", "azure", "--hcl", r, "--vek", k, "--ak-issuer", r), 2);
    ck_assert_int_eq(
        RUN("verify", "tdx", "--quote", r, "--policy", "integrity", "--set", "evaluation_min=18"),
        2);
}
END_TEST

START_TEST(a_policy_without_rules_for_the_kind_judges_nothing)
{
    const char *r = in_dir("report.bin");

    ck_assert_int_eq(RUN("verify", "tpm", "--attest", r, "--sig", r, "--pcrs", r, "--ak", r,
                         "--nonce", "00", "--federation", in_dir("federation.json"), "--json"),
                     1);
    json_t *j = out_json();
    ck_assert(checked(j, "E_TEE_TYPE"));
    json_decref(j);
}
END_TEST

/* Any node's machine will do, by what that node's entry lists and nothing else. */
START_TEST(a_machine_is_one_of_some_node)
{
    static struct evidence_case c;
    static struct tally_verdict v;
    static const struct evidence_options o = {.federation = "f"};
    uint8_t key[TALLY_ID_KEY_BYTES] = {9};

    tally_verdict_init(&v);
    v.authentic = true;
    tally_verdict_window(&v, 1, 2);
    v.chip[0] = 7;
    c.options = &o;
    c.federation.nodes_n = 2;
    c.federation.nodes[0].id_keys_n = 1; /* an SNP node, by its id key */
    c.federation.nodes[0].id_keys[0][0] = 9;
    c.federation.nodes[1].chips_n = 1; /* a TDX node, by its chip */
    c.federation.nodes[1].chips[0][0] = 7;
    ck_assert_int_eq(evidence_case_machine(&c, NULL, TALLY_OK, &v), TALLY_OK);
    v.chip[0] = 8;
    ck_assert_int_eq(evidence_case_machine(&c, key, TALLY_OK, &v), TALLY_OK);
    key[0] = 8;
    ck_assert_int_eq(evidence_case_machine(&c, key, TALLY_OK, &v), TALLY_E_UNTRUSTED);
    ck_assert(v.failed_n == 1 && tally_reason() == TALLY_R_E_CHIP);
    c.federation.nodes_n = 1;
    ck_assert_int_eq(evidence_case_machine(&c, key, TALLY_OK, &v), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(v.failed[1].reason, TALLY_R_E_ID_BLOCK);
}
END_TEST

START_TEST(show_names_every_field_with_its_offset)
{
    ck_assert_int_eq(RUN("show", "snp", vector("turin_v5_oak/report.bin"), "--json"), 0);
    json_t *j = out_json(), *fields = json_object_get(j, "fields");
    int end = 0;
    size_t i;
    json_t *f;

    ck_assert_uint_eq(json_array_size(fields), 30);
    json_array_foreach(fields, i, f)
    {
        int at = (int)json_integer_value(json_object_get(f, "offset"));
        ck_assert_int_ge(at, end); /* in order, none over another */
        end = at + (int)json_integer_value(json_object_get(f, "size"));
        ck_assert_str_ne(text(f, "value"), "");
    }
    ck_assert_str_eq(text(json_array_get(fields, 17), "field"), "REPORTED_TCB");
    ck_assert_str_eq(text(json_array_get(fields, 17), "value"), "0001000200000047");
    json_decref(j);
    ck_assert_int_eq(RUN("show", "snp", vector("turin_v5_oak/report.bin")), 0);
    ck_assert_int_eq(RUN("show", "snp", vector("turin_v5_oak/vek.der")), 1);
}
END_TEST

static void write_kept_files(void)
{
    struct simulated s;
    static struct tally_verdict v;
    struct tally_federation *f = &federation;

    simulated_init(&s);
    ck_assert_msg(simulated_judge(&s, &v) == TALLY_OK, "%s", tally_why());
    write_file("report.bin", s.signed_report, sizeof s.signed_report);
    write_file("vcek.der", s.in.vek.at, s.in.vek.len);
    write_file("ask.der", s.in.issuer.at, s.in.issuer.len);
    write_file("crl.der", s.in.crls[0].at, s.in.crls[0].len);
    f->mode = TALLY_MODE_TEST;
    f->policy.snp = s.policy;
    f->policy.parts = TALLY_POLICY_SNP;
    f->anchors[0] = *simulated_anchor();
    f->anchors_n = 1;
    f->nodes_n = 2;
    memcpy(f->nodes[0].chips[0], s.chip[0], sizeof s.chip[0]);
    f->nodes[0].chips_n = 1;
    f->nodes[1].id_keys[0][0] = 9; /* another node is listed by its id key */
    f->nodes[1].id_keys_n = 1;
    memcpy(f->measurements[0].digest, s.measurement[0], sizeof s.measurement[0]);
    f->measurements_n = 1;
}

static void remove_files(void)
{
    static const char *const names[] = {"report.bin", "vcek.der",   "ask.der",     "crl.der",
                                        "longer.bin", "before.bin", "shorter.bin", "out"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)unlink(in_dir(names[i]));
    (void)rmdir(dir);
}

int main(void)
{
    tally_vectors_need();
    simulated_setup();
    if (mkdtemp(dir) == NULL) return EXIT_FAILURE;
    TCase *t = tcase_create("cmd_evidence");
    tcase_add_unchecked_fixture(t, write_kept_files, remove_files);

    tcase_add_test(t, a_real_report_is_trusted_for_its_integrity);
    tcase_add_test(t, strict_is_undecided_without_something_to_compare);
    tcase_add_test(t, a_failure_beats_what_is_missing);
    tcase_add_test(t, strict_with_everything_given_is_trusted);
    tcase_add_test(t, kept_evidence_is_judged_by_the_federation_alone);
    tcase_add_test(t, a_byte_round_the_report_is_refused);
    tcase_add_test(t, wrong_usage_exits_2_and_a_missing_file_1);
    tcase_add_test(t, options_that_would_do_nothing_are_refused);
    tcase_add_test(t, a_policy_without_rules_for_the_kind_judges_nothing);
    tcase_add_test(t, a_machine_is_one_of_some_node);
    tcase_add_test(t, show_names_every_field_with_its_offset);
    return tally_suite_run("agent/cmd_evidence", t);
}
