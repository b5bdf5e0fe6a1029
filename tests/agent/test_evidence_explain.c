/* test_evidence_explain.c - agent/evidence_explain.c: no rule of any policy without a row, and each
 * row fails when its rule does and not when another of the same check does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/evidence_verdict.h"
#include "common/jsonread.h"
#include "common/secret.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { PATH = 600, TEXT = 1024, FILES = 10 };

#define Z12    "000000000000"
#define Z32    Z12 Z12 "00000000"
#define Z64    Z32 Z32
#define Z96    Z64 Z32
#define ONE_96 "1" Z64 Z12 Z12 "0000000"

/* ---- the table against the policies ---- */

static const struct {
    enum tally_policy_part part;
    const char *key;
    const char *more; /* keys that the strict policy leaves out */
} parts[] = {
    {TALLY_POLICY_SNP, "snp",
     "{\"csp\":[\"CN=a\"],\"family_ids\":[\"" Z32 "\"],\"image_ids\":[\"" Z32 "\"],"
     "\"host_data\":[\"" Z64 "\"],\"id_keys\":[\"" Z96 "\"],\"author_keys\":[\"" Z96 "\"],"
     "\"deny_keys\":[\"" Z64 "\"],\"deny_chips\":[\"" Z64 "\"]}"},
    {TALLY_POLICY_TDX, "tdx",
     "{\"advisories\":[],\"mr_seam\":[\"" Z96 "\"],\"mr_config_id\":\"" Z96 "\","
     "\"mr_owner\":\"" Z96 "\",\"mr_owner_config\":\"" Z96 "\",\"fmspc\":[\"" Z12 "\"],"
     "\"denied\":[\"" Z64 "\"]}"                                },
    {TALLY_POLICY_GPU, "nvgpu",
     "{\"drivers\":[\"1\"],\"vbioses\":[\"1\"],\"skus\":[\"1\"],\"driver_min\":\"1\",\"gpus\":1,"
     "\"switches\":0}"                                          },
    {TALLY_POLICY_TPM, "tpm",   "{}"                            },
};
enum { PARTS = sizeof parts / sizeof parts[0] };

/* The policy with the keys of `patch` in place of its own. */
static void change(struct tally_policy *p, const char *part, const char *patch)
{
    TALLY_CLEANUP(tally_json_free) json_t *o = tally_policy_to_json(p);
    TALLY_CLEANUP(tally_json_free) json_t *with = NULL;

    with = json_loads(patch, 0, NULL);
    ck_assert_msg(with != NULL, "%s", patch);
    ck_assert_int_eq(json_object_update(json_object_get(o, part), with), 0);
    ck_assert_msg(tally_policy_from_json(o, p) == TALLY_OK, "%s: %s", patch, tally_why());
}

START_TEST(every_key_of_every_policy_has_a_row)
{
    struct tally_policy *p = malloc(sizeof *p);
    size_t keys = 0;

    ck_assert_ptr_nonnull(p);
    tally_policy_strict(p);
    for (size_t i = 0; i < PARTS; i++) change(p, parts[i].key, parts[i].more);
    for (size_t i = 0; i < PARTS; i++) {
        TALLY_CLEANUP(tally_json_free) json_t *o = tally_policy_part_to_json(p, parts[i].part);
        const char *key;
        json_t *v;
        json_object_foreach(o, key, v)
        {
            ck_assert_msg(evidence_explains(parts[i].part, key), "%s.%s", parts[i].key, key);
            keys++;
        }
        ck_assert(!evidence_explains(parts[i].part, "no such rule"));
    }
    ck_assert_uint_gt(keys, 60);
    free(p);
}
END_TEST

/* ---- rows against verdicts on genuine evidence ---- */

/* One piece of evidence that is trusted, once `base` is in its policy. */
struct subject {
    enum evidence_kind kind;
    const char *at, *report_data, *measurement, *nonce;
    const char *report, *vek, *quote, *collateral, *chain, *hcl, *attest, *sig, *pcrs, *rims[2];
    const char *part, *base;
};

#define SNP_DIR "snp/genoa_v3_ccf/"
#define TDX_DIR "tdx/collateral/2026-02_90c06f"
#define GPU_DIR "nvgpu/reports/hopper_545_full_rim_match/"
#define AZ_DIR  "tpm/azure_snp_milan_v1/"
#define PCR_0   "f3a7e99a5f819a034386bce753a48a73cfdaa0bea0ecfc124bedbf5a8c4799be"

static const struct subject snp = {
    .kind = EVIDENCE_SNP,
    .at = "2025-06-01T00:00:00Z",
    .report_data = Z64 Z64,
    .measurement = "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2"
                   "fa0096903a0c23fca1",
    .report = SNP_DIR "report.bin",
    .vek = SNP_DIR "vek.der",
    .part = "snp",
    .base = "{}"};
static const struct subject tdx = {
    .kind = EVIDENCE_TDX,
    .at = "2026-03-01T00:00:00Z",
    .report_data = "945eaacf5abc1f719d8666a942fda03d1edcb4490277396093dc5a5289ab9f1e094aed63060cd4"
                   "a4933a4dd537ed1255c9c79ecb3ed82cd1b486233e31c25c3a",
    .measurement = "7348651a34b2d2d3462822e3a750ec6110125f36757c78480bbfc69cc0d21fb001a1ced3ee1974"
                   "7dda8f750c3bc8f876",
    .quote = "tdx/quotes/emr_v5_google.bin",
    .collateral = TDX_DIR,
    .part = "tdx",
    .base = "{}"};
static const struct subject gpu = {
    .kind = EVIDENCE_NVGPU,
    .at = "2024-06-01T00:00:00Z",
    .nonce = "4cff7f5380ead8fad8ec2c531c110aca4302a88f603792801a8ca29ee151af2e",
    .report = GPU_DIR "report.bin",
    .chain = GPU_DIR "cert_chain.pem",
    .rims = {"nvgpu/rims/Driver_RIM_test_no_gpu.swidtag",
             "nvgpu/rims/1010_0200_882_96005E0001_test_no_gpu.swidtag"},
    .part = "nvgpu",
    .base = "{\"fwid\":false}"
};
static const struct subject azure = {
    .kind = EVIDENCE_AZURE,
    .at = "2025-06-01T00:00:00Z",
    .report_data = Z64 Z64,
    .measurement = "9ac48fcac8a2d88aeeff8d427ad4f2be0e3917c748a18bdf52cc317e7fe20308b459d5ef1a12e0"
                   "c22944eb386d17c315",
    .nonce = "6368616c6c656e6765",
    .hcl = AZ_DIR "hcl_report.bin",
    .vek = "snp/milan_v2_azure_hcl/vek.der",
    .attest = AZ_DIR "quote.attest",
    .sig = AZ_DIR "quote.sig",
    .pcrs = AZ_DIR "pcrs_sha256.bin",
    .part = "tpm",
    .base = "{\"console\":true,\"values\":{\"0\":[\"" PCR_0 "\"]}}"};

/* An old machine that no strict policy takes. */
static const char azure_machine[] =
    "{\"products\":[\"milan\"],\"versions\":[2],\"provisional\":true,\"alias_check\":false,"
    "\"tcb\":[{\"family\":25,\"models\":[0,15],\"boot_loader\":0,\"tee\":0,\"snp\":0,"
    "\"microcode\":0}]}";

static const char *file(const char *name)
{
    static char paths[FILES][PATH];
    static size_t next;
    char below[256];

    if (name == NULL) return NULL;
    char *p = paths[next++ % FILES];
    (void)snprintf(below, sizeof below, "vectors/%.200s", name);
    (void)snprintf(p, PATH, "%.500s", tally_vectors_path(below));
    return p;
}

static void set_options(const struct subject *s, struct evidence_options *o)
{
    *o = (struct evidence_options){.at = s->at,
                                   .report_data = s->report_data,
                                   .measurement = s->measurement,
                                   .nonce = s->nonce,
                                   .report = file(s->report),
                                   .vek = file(s->vek),
                                   .quote = file(s->quote),
                                   .collateral = file(s->collateral),
                                   .chain = file(s->chain),
                                   .hcl = file(s->hcl),
                                   .attest = file(s->attest),
                                   .sig = file(s->sig),
                                   .pcrs = file(s->pcrs)};
    for (size_t i = 0; i < 2 && s->rims[i] != NULL; i++)
        o->rims.items[o->rims.n++] = file(s->rims[i]);
}

/* "smt, vmpl_max": the rules that are not well. */
static void failed_rules(json_t *rules, char out[TEXT])
{
    size_t i, used = 0;
    json_t *r;

    out[0] = '\0';
    json_array_foreach(rules, i, r)
    {
        ck_assert_ptr_nonnull(json_string_value(json_object_get(r, "check")));
        if (json_is_true(json_object_get(r, "ok"))) continue;
        used += (size_t)snprintf(out + used, TEXT - used, "%s%s", used == 0 ? "" : ", ",
                                 json_string_value(json_object_get(r, "rule")));
    }
    json_decref(rules);
}

/* Judges under the strict policy with these changes; the list of rules that failed is theirs. */
static void explained(const struct subject *s, const char *patch, const char *want)
{
    struct evidence_options o;
    struct evidence_case *c = calloc(1, sizeof *c);
    struct tally_verdict *v = calloc(1, sizeof *v);
    char got[TEXT];

    ck_assert(c != NULL && v != NULL);
    set_options(s, &o);
    c->kind = s->kind;
    c->options = &o;
    ck_assert_msg(evidence_case_values(c) == TALLY_OK, "%s", tally_why());
    ck_assert_msg(evidence_case_rules(c) == TALLY_OK, "%s", tally_why());
    if (s->kind == EVIDENCE_AZURE) change(&c->policy, "snp", azure_machine);
    change(&c->policy, s->part, s->base);
    change(&c->policy, s->part, patch);
    enum tally_status status = evidence_case_judge(c, v);
    failed_rules(evidence_explain(c, v), got);
    ck_assert_msg(strcmp(got, want) == 0, "%s %s: \"%s\", not \"%s\"", s->part, patch, got, want);
    ck_assert_msg((status == TALLY_OK) == (want[0] == '\0'), "%s %s", s->part, patch);
    free(v);
    free(c);
}

static const struct {
    const struct subject *of;
    const char *patch, *failed;
} cases[] = {
    {&snp,   "{}",                                                                                  ""                                     },
    {&snp,   "{\"products\":[\"turin\"]}",                                                          "products"                             },
    {&snp,   "{\"versions\":[5]}",                                                                  "versions"                             },
    {&snp,   "{\"crl_max_age_days\":1}",                                                            "crl"                                  },
    {&snp,   "{\"smt\":false}",                                                                     "smt"                                  },
    {&snp,   "{\"vcek\":false}",                                                                    "vcek"                                 },
    {&snp,   "{\"ciphertext_hiding\":true}",
     "ciphertext_hiding, platform_required, platform_forbidden"                                                                            },
    {&snp,   "{\"single_socket\":true}",                                                            "single_socket"                        },
    {&snp,   "{\"page_swap_disable\":true}",                                                        "page_swap_disable"                    },
    {&snp,   "{\"aes_256_xts\":true}",                                                              "aes_256_xts"                          },
    {&snp,   "{\"rapl_disable\":true}",                                                             "rapl_disable"                         },
    {&snp,   "{\"guest_svn_min\":3}",                                                               "guest_svn_min"                        },
    {&snp,   "{\"abi_min\":65535}",                                                                 "abi_min"                              },
    {&snp,   "{\"platform_required\":128}",                                                         "platform_required, platform_forbidden"},
    {&snp,   "{\"mit_vector\":1}",                                                                  "mit_vector"                           },
    {&snp,   "{\"family_ids\":[\"" Z32 "\"]}",                                                      "family_ids"                           },
    {&snp,   "{\"image_ids\":[\"" Z32 "\"]}",                                                       "image_ids"                            },
    {&snp,   "{\"id_keys\":[\"" Z96 "\"]}",                                                         "id_keys"                              },
    {&snp,   "{\"author_keys\":[\"" Z96 "\"]}",                                                     "author_keys"                          },
    {&snp,   "{\"host_data\":[\"" Z64 "\"]}",                                                       "host_data"                            },
    {&snp,
     "{\"deny_chips\":[\"ff2ad1d8a3e78225995c92d2899f1cbc7c9b30f904a40584f8f632e456ef8519"
     "\"]}",                                                                                        "deny_chips"                           },
    {&tdx,   "{}",                                                                                  ""                                     },
    {&tdx,   "{\"status\":[\"SWHardeningNeeded\"]}",                                                "status"                               },
    {&tdx,   "{\"evaluation_min\":19}",                                                             "evaluation_min"                       },
    {&tdx,   "{\"attributes_required\":\"0x50000000\"}",                                            "attributes_required"                  },
    {&tdx,   "{\"attributes_forbidden\":\"0xffffffffffffffff\"}",                                   "attributes_forbidden"                 },
    {&tdx,   "{\"xfam\":\"0x3\"}",                                                                  "xfam"                                 },
    {&tdx,   "{\"mr_seam\":[\"" Z96 "\"]}",                                                         "mr_seam"                              },
    {&tdx,   "{\"mr_config_id\":\"" ONE_96 "\"}",                                                   "mr_config_id"                         },
    {&tdx,   "{\"mr_owner\":\"" ONE_96 "\"}",                                                       "mr_owner"                             },
    {&tdx,   "{\"mr_owner_config\":\"" ONE_96 "\"}",                                                "mr_owner_config"                      },
    {&tdx,   "{\"smt\":false}",                                                                     "smt"                                  },
    {&tdx,   "{\"dynamic_platform\":false}",                                                        "dynamic_platform"                     },
    {&tdx,   "{\"fmspc\":[\"" Z12 "\"]}",                                                           "fmspc"                                },
    {&tdx,   "{\"denied\":[\"02a61fa7503819dacf6fe27d9da3b42e3acc5419548cb30785add852b8783b42\"]}",
     "denied"                                                                                                                              },
    {&gpu,   "{}",                                                                                  ""                                     },
    {&gpu,   "{\"fwid\":true}",                                                                     "fwid"                                 },
    {&gpu,   "{\"architectures\":[\"BLACKWELL\"]}",                                                 "architectures"                        },
    {&gpu,   "{\"modes\":[\"single\"]}",                                                            "modes"                                },
    {&gpu,   "{\"ocsp\":\"required\"}",                                                             "ocsp"                                 },
    {&gpu,   "{\"drivers\":[\"1\"]}",                                                               "drivers"                              },
    {&gpu,   "{\"driver_min\":\"600\"}",                                                            "driver_min"                           },
    {&gpu,   "{\"vbioses\":[\"1\"]}",                                                               "vbioses"                              },
    {&gpu,   "{\"skus\":[\"1\"]}",                                                                  "skus"                                 },
    {&gpu,   "{\"denied\":[\"64cef6236f1bc2cbc2c74b5de7a8fb50ad9edae1db9fa8825ea316f3cb3d0ec6\"]}",
     "denied"                                                                                                                              },
    {&azure, "{}",                                                                                  ""                                     },
    {&azure, "{\"console\":false}",                                                                 "console"                              },
    {&azure, "{\"values\":{\"0\":[\"" Z64 "\"]}}",                                                  "values"                               },
    {&azure, "{\"values\":{}}",                                                                     "values"                               },
    {&azure, "{\"pcrs\":[0]}",                                                                      "pcrs"                                 },
    {&azure, "{\"eventlog\":\"required\"}",                                                         "eventlog"                             },
};

START_TEST(a_rule_that_fails_is_the_one_that_is_named)
{
    explained(cases[_i].of, cases[_i].patch, cases[_i].failed);
}
END_TEST

START_TEST(what_was_not_given_is_not_well)
{
    struct subject s = snp;

    s.measurement = s.report_data = NULL;
    explained(&s, "{}", "measurement, report_data");
    s = gpu;
    s.rims[0] = NULL;
    explained(&s, "{}", "rim");
    s.nonce = NULL;
    explained(&s, "{}", "nonce, rim");
    s = azure;
    s.attest = s.sig = s.pcrs = NULL;
    explained(&s, "{\"values\":{}}", "quote");
    s = azure;
    s.report_data = s.nonce = NULL;
    explained(&s, "{}", "user_data, nonce");
}
END_TEST

START_TEST(integrity_explains_what_was_set_and_wants_nothing_else)
{
    struct evidence_options o;
    struct evidence_case *c = calloc(1, sizeof *c);
    struct tally_verdict *v = calloc(1, sizeof *v);
    char got[TEXT];

    ck_assert(c != NULL && v != NULL);
    set_options(&snp, &o);
    o.report = file("snp/milan_v2_google_debug/report.bin");
    o.vek = file("snp/milan_v2_google_debug/vek.der");
    o.report_data = o.measurement = NULL;
    o.policy = "integrity";
    o.sets.items[o.sets.n++] = "smt=false";
    o.sets.items[o.sets.n++] = "vmpl_max=0";
    c->options = &o;
    ck_assert_int_eq(evidence_case_values(c), TALLY_OK);
    ck_assert_int_eq(evidence_case_rules(c), TALLY_OK);
    ck_assert_int_eq(evidence_case_judge(c, v), TALLY_E_UNTRUSTED);
    json_t *rules = evidence_explain(c, v);
    ck_assert_uint_eq(json_array_size(rules), 9);
    for (size_t i = 2; i < 7; i++)
        ck_assert(json_is_null(json_object_get(json_array_get(rules, i), "wants")));
    failed_rules(rules, got);
    ck_assert_str_eq(got, "smt");
    free(v);
    free(c);
}
END_TEST

START_TEST(nothing_is_well_with_what_is_not_authentic)
{
    struct evidence_options o;
    struct evidence_case *c = calloc(1, sizeof *c);
    struct tally_verdict *v = calloc(1, sizeof *v);
    size_t i;
    json_t *r;

    ck_assert(c != NULL && v != NULL);
    set_options(&snp, &o);
    o.vek = file("snp/genoa_v5_oak/vek.der");
    c->options = &o;
    ck_assert_int_eq(evidence_case_values(c), TALLY_OK);
    ck_assert_int_eq(evidence_case_rules(c), TALLY_OK);
    ck_assert_int_eq(evidence_case_judge(c, v), TALLY_E_UNTRUSTED);
    json_t *rules = evidence_explain(c, v);
    ck_assert_uint_gt(json_array_size(rules), 20);
    json_array_foreach(rules, i, r)
    {
        ck_assert(json_is_false(json_object_get(r, "ok")));
    }
    json_decref(rules);
    free(v);
    free(c);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("evidence_explain");
    tcase_add_test(t, every_key_of_every_policy_has_a_row);
    tcase_add_loop_test(t, a_rule_that_fails_is_the_one_that_is_named, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(t, what_was_not_given_is_not_well);
    tcase_add_test(t, integrity_explains_what_was_set_and_wants_nothing_else);
    tcase_add_test(t, nothing_is_well_with_what_is_not_authentic);
    return tally_suite_run("agent/evidence_explain", t);
}
