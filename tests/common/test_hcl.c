/* test_hcl.c - common/attest/hcl.c over every published blob, and what is none (ATTESTATION.md
 * C4.1, D.6). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_tpm.h"
#include "common/attest/snp_report.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

static struct tally_hcl hcl;

static enum tally_status decode(const uint8_t *p, size_t n)
{
    uint8_t *exact = tpm_copy(tally_slice_of(p, n));
    enum tally_status s = tally_hcl_decode(tally_slice_of(exact, n), &hcl);

    free(exact);
    return s;
}

static void check_refused(const uint8_t *p, size_t n, enum tally_reason want)
{
    ck_assert_int_ne(decode(p, n), TALLY_OK);
    ck_assert_msg(tally_reason() == want, "%s, not %s: %s", tally_reason_name(tally_reason()),
                  tally_reason_name(want), tally_why());
}

START_TEST(every_real_blob_decodes_binds_and_encodes_to_the_same_bytes)
{
    size_t n, blobs = 0;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        struct tally_hcl h;
        struct tally_sim_hcl sim;
        uint8_t want[64], again[4096];
        struct tally_wr w = tally_wr_to(again, sizeof again);
        if (v[i].hcl.at == NULL) continue;
        ck_assert_msg(tally_hcl_decode(v[i].hcl, &h) == TALLY_OK, "%s", tally_why());
        ck_assert_uint_eq(h.type, v[i].report_type);
        ck_assert(tally_slice_equal(h.json, v[i].json));
        tally_hcl_report_data(&h, want);
        ck_assert(tally_slice_equal(h.report_data, TALLY_SLICE(want)));
        bool none = strcmp(v[i].user_data, "None") == 0;
        ck_assert_int_eq(h.has_user_data, !none);
        char hex[129];
        tally_hex(TALLY_SLICE(h.user_data), hex);
        ck_assert(none || strncmp(hex, v[i].user_data, strlen(v[i].user_data)) == 0);
        tally_sim_hcl_init(h.type, h.hardware, h.json, &sim);
        sim.version = h.version;
        sim.nv_bytes = v[i].hcl.len;
        tally_sim_hcl_encode(&sim, &w);
        ck_assert(tally_slice_equal(v[i].hcl, tally_slice_of(again, w.used)));
        blobs++;
    }
    ck_assert_uint_eq(blobs, 6);
}
END_TEST

START_TEST(what_the_real_blobs_say)
{
    struct tally_hcl h;

    ck_assert_int_eq(tally_hcl_decode(tpm_vector_named("azure_snp_milan_v1")->hcl, &h), TALLY_OK);
    ck_assert(h.config.secure_boot == TALLY_HCL_YES && h.config.console == TALLY_HCL_YES);
    ck_assert(h.ak_signs && h.config.tpm_persisted == TALLY_HCL_UNSAID);
    ck_assert_str_eq(h.config.vm_id, "911B0EF8-9DBA-48B0-B275-4E4DF2D39252");
    ck_assert_int_eq(tally_hcl_decode(tpm_vector_named("azure_snp_hcl_kinvolk")->hcl, &h),
                     TALLY_OK);
    ck_assert(!h.ak_signs && h.config.current_time_s == 1678652405);
    ck_assert_int_eq(tally_hcl_decode(tpm_vector_named("azure_tdx_hcl_kinvolk")->hcl, &h),
                     TALLY_OK);
    ck_assert_int_eq(h.config.secure_boot, TALLY_HCL_NO);
    ck_assert_int_eq(tally_hcl_decode(tpm_vector_named("azure_tdx_openpcc")->hcl, &h), TALLY_OK);
    ck_assert(h.config.filtered_vpci == TALLY_HCL_NO && h.config.root_thumbprint[0] == '\0');
}
END_TEST

START_TEST(every_prefix_is_refused_and_the_padding_is_zero)
{
    const struct tpm_vector *v = tpm_vector_named("azure_tdx_v1");
    size_t end = 1236 + v->json.len;
    uint8_t *b = tpm_copy(v->hcl), *big = calloc(1, TALLY_HCL_BYTES_MAX + 1);

    ck_assert_ptr_nonnull(big);
    for (size_t n = 0; n < end; n++) check_refused(b, n, TALLY_R_E_TRUNCATED);
    for (size_t n = end; n <= v->hcl.len; n++) ck_assert_int_eq(decode(b, n), TALLY_OK);
    for (size_t i = end; i < v->hcl.len; i++) {
        b[i] = 1;
        check_refused(b, v->hcl.len, TALLY_R_E_TRAILING);
        b[i] = 0;
    }
    memcpy(big, b, v->hcl.len);
    ck_assert_int_eq(decode(big, TALLY_HCL_BYTES_MAX), TALLY_OK);
    check_refused(big, TALLY_HCL_BYTES_MAX + 1, TALLY_R_E_OVERSIZE);
    free(big);
    free(b);
}
END_TEST

START_TEST(sizes_types_and_reserved_bytes_that_are_others_are_refused)
{
    const struct {
        const char *vector;
        size_t at;
        uint8_t value;
        enum tally_reason want;
    } cases[] = {
        {"azure_snp_milan_v1", 0,    'h',  TALLY_R_E_FORMAT          },
        {"azure_snp_milan_v1", 4,    0,    TALLY_R_E_VERSION         },
        {"azure_snp_milan_v1", 4,    3,    TALLY_R_E_VERSION         },
        {"azure_snp_milan_v1", 1220, 2,    TALLY_R_E_VERSION         },
        {"azure_snp_milan_v1", 8,    0x2b, TALLY_R_E_FORMAT          }, /* size */
        {"azure_snp_milan_v1", 8,    0x29, TALLY_R_E_FORMAT          },
        {"azure_snp_milan_v1", 11,   0x80, TALLY_R_E_FORMAT          },
        {"azure_snp_milan_v1", 12,   3,    TALLY_R_E_FORMAT          }, /* request */
        {"azure_snp_milan_v1", 16,   1,    TALLY_R_E_FORMAT          }, /* status */
        {"azure_snp_milan_v1", 20,   1,    TALLY_R_E_RESERVED_NONZERO},
        {"azure_snp_milan_v1", 31,   0x80, TALLY_R_E_RESERVED_NONZERO},
        {"azure_snp_milan_v1", 1216, 0x6b, TALLY_R_E_FORMAT          }, /* data size */
        {"azure_snp_milan_v1", 1224, 4,    TALLY_R_E_TEE_TYPE        }, /* SNP called TDX */
        {"azure_snp_milan_v1", 1224, 0,    TALLY_R_E_TEE_TYPE        },
        {"azure_snp_milan_v1", 1224, 3,    TALLY_R_E_TEE_TYPE        },
        {"azure_snp_milan_v1", 1228, 0,    TALLY_R_E_ALGORITHM       },
        {"azure_snp_milan_v1", 1228, 4,    TALLY_R_E_ALGORITHM       },
        {"azure_snp_milan_v1", 1232, 0x57, TALLY_R_E_FORMAT          }, /* JSON size */
        {"azure_snp_milan_v1", 1233, 0x03, TALLY_R_E_FORMAT          },
        {"azure_snp_milan_v1", 1233, 0x20, TALLY_R_E_TRUNCATED       }, /* beyond the blob */
        {"azure_snp_milan_v1", 1235, 0xff, TALLY_R_E_TRUNCATED       },
        {"azure_tdx_v1",       32,   0x80, TALLY_R_E_TEE_TYPE        }, /* TDREPORT's type */
        {"azure_tdx_v1",       33,   0x01, TALLY_R_E_TEE_TYPE        },
        {"azure_tdx_v1",       64,   0x01, TALLY_R_E_FORMAT          }, /* its hashes and parts */
        {"azure_tdx_v1",       544,  0x55, TALLY_R_E_FORMAT          },
        {"azure_tdx_v1",       1056, 0x01, TALLY_R_E_RESERVED_NONZERO},
        {"azure_tdx_v1",       1215, 0x01, TALLY_R_E_RESERVED_NONZERO}
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tally_slice s = tpm_vector_named(cases[i].vector)->hcl;
        uint8_t *b = tpm_copy(s);
        b[cases[i].at] = cases[i].value;
        check_refused(b, s.len, cases[i].want);
        free(b);
    }
}
END_TEST

/* A real TDREPORT of another machine, and one that is none. */
START_TEST(tdreports_stand_in_the_blob_and_nothing_else_does)
{
    struct tally_slice good = tpm_vector_file("tdx/extra/coco_tdreport_1024.bin");
    struct tally_slice none = tpm_vector_file("tdx/extra/google_tdreport_1024.bin");
    struct tally_sim_hcl sim;
    uint8_t b[4096], data[64] = {7}, made[TALLY_TDREPORT_BYTES];
    struct tally_wr w = tally_wr_to(b, sizeof b);

    tally_sim_hcl_init(TALLY_HCL_TDX, good, tpm_vector_named("azure_tdx_v1")->json, &sim);
    tally_sim_hcl_encode(&sim, &w);
    ck_assert_msg(decode(b, w.used) == TALLY_OK, "%s", tally_why());
    tally_sim_tdreport(data, made);
    sim.report = TALLY_SLICE(made);
    w = tally_wr_to(b, sizeof b);
    tally_sim_hcl_encode(&sim, &w);
    ck_assert_int_eq(tally_hcl_decode(tally_slice_of(b, w.used), &hcl), TALLY_OK);
    ck_assert_mem_eq(hcl.report_data.at, data, 64);
    sim.report = none; /* the bytes of its parts, without REPORTMACSTRUCT's type */
    w = tally_wr_to(b, sizeof b);
    tally_sim_hcl_encode(&sim, &w);
    check_refused(b, w.used, TALLY_R_E_TEE_TYPE);
}
END_TEST

/* The vector's JSON with the first `from` replaced by `to`, in a blob whose sizes are right. */
static void check_json(const char *from, const char *to, enum tally_reason want)
{
    struct tally_slice json = tpm_vector_named("azure_snp_milan_v1")->json;
    struct tally_slice report = {tpm_vector_named("azure_snp_milan_v1")->hcl.at + 32, 1184};
    uint8_t text[TALLY_SIM_JSON_MAX], b[8192];
    struct tally_wr t = tally_wr_to(text, sizeof text), w = tally_wr_to(b, sizeof b);
    const uint8_t *at = memmem(json.at, json.len, from, strlen(from));
    struct tally_sim_hcl sim;

    ck_assert_msg(at != NULL, "%s", from);
    size_t before = (size_t)(at - json.at), after = json.len - before - strlen(from);
    tally_wr_put(&t, json.at, before);
    tally_wr_bytes(&t, tally_slice_str(to));
    tally_wr_put(&t, at + strlen(from), after);
    ck_assert(!t.full);
    tally_sim_hcl_init(TALLY_HCL_SNP, report, tally_slice_of(text, t.used), &sim);
    tally_sim_hcl_encode(&sim, &w);
    ck_assert(!w.full);
    if (want == TALLY_R_NONE)
        ck_assert_msg(decode(b, w.used) == TALLY_OK, "%s", tally_why());
    else
        check_refused(b, w.used, want);
}

START_TEST(json_that_is_another_is_refused)
{
    static const struct {
        const char *from, *to;
        enum tally_reason want;
    } cases[] = {
        {"{\"keys\"",                "{ \"keys\"",                                 TALLY_R_NONE    },
        {"HCLEkPub",                 "HCLAkPub",                                   TALLY_R_E_KEY   },
        {"HCLAkPub",                 "HCLEkPub",                                   TALLY_R_E_KEY   },
        {"HCLAkPub",                 "hclakpub",                                   TALLY_R_E_FORMAT},
        {"\"kty\":\"RSA\"",          "\"kty\":\"EC\"",                             TALLY_R_E_FORMAT},
        {"\"e\":\"AQAB\"",           "\"e\":\"Aw\"",                               TALLY_R_E_KEY   },
        {"\"e\":\"AQAB\"",           "\"e\":\"AAEAAQ\"",                           TALLY_R_E_FORMAT},
        {"\"e\":\"AQAB\"",           "\"e\":\"AQAB\",\"e\":\"AQAB\"",              TALLY_R_E_FORMAT},
        {"\"n\":\"qR7L",             "\"n\":\"",                                   TALLY_R_E_KEY   },
        {"\"n\":\"qR7L",             "\"n\":\"AR7L",                               TALLY_R_E_KEY   },
        {"\"n\":\"qR7L",             "\"n\":\"qR7L=",                              TALLY_R_E_FORMAT},
        {"\"n\":\"qR7L",             "\"n\":\"q+7L",                               TALLY_R_E_FORMAT},
        {"[\"sign\"]",               "[\"sign\",\"encrypt\"]",                     TALLY_R_E_FORMAT},
        {"[\"sign\"]",               "[]",                                         TALLY_R_E_FORMAT},
        {"[\"sign\"]",               "[\"verify\"]",                               TALLY_R_E_FORMAT},
        {"\"kid\":\"HCLAkPub\",",    "",                                           TALLY_R_E_FORMAT},
        {"\"kid\":\"HCLAkPub\",",    "\"kid\":\"HCLAkPub\",\"alg\":\"\",",         TALLY_R_E_FORMAT},
        {"\"secure-boot\":true",     "\"secure-boot\":1",                          TALLY_R_E_FORMAT},
        {"\"secure-boot\":true,",    "",                                           TALLY_R_E_FORMAT},
        {"\"secure-boot\":true",     "\"secure-boot\":\"true\"",                   TALLY_R_E_FORMAT},
        {"\"console-enabled\":true", "\"debug-enabled\":true",                     TALLY_R_E_FORMAT},
        {"\"tpm-enabled\":true",     "\"tpm-enabled\":true,\"x\":true",            TALLY_R_E_FORMAT},
        {"\"tpm-enabled\":true",     "\"tpm-enabled\":true,\"ipmi-enabled\":true", TALLY_R_NONE    },
        {"\"vmUniqueId\":\"911B",    "\"vmUniqueId\":\"",                          TALLY_R_NONE    },
        {"\"user-data\":\"00",       "\"user-data\":\"",                           TALLY_R_E_FORMAT},
        {"\"user-data\":\"00",       "\"user-data\":\"0x",                         TALLY_R_E_FORMAT},
        {"\"user-data\":\"00",       "\"user-data\":\"Ff",                         TALLY_R_NONE    },
        {"\"user-data\":",           "\"user-date\":",                             TALLY_R_E_FORMAT},
        {"\"user-data\":",           "\"x\":1,\"user-data\":",                     TALLY_R_E_FORMAT},
        {"\"user-data\":\"0",        "\"user-data\":\"\\u0000",                    TALLY_R_E_FORMAT},
        {"{\"keys\"",                "[{\"keys\"",                                 TALLY_R_E_FORMAT},
        {"{\"keys\"",                "{\"keys\":[],\"keys\"",                      TALLY_R_E_FORMAT},
        {"{\"keys\":[",              "{\"keys\":[[[[[[[[[[[[[[[[[",                TALLY_R_E_FORMAT},
        {"{\"keys\":[",              "{\"keys\":{},\"key\":[",                     TALLY_R_E_FORMAT}
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_json(cases[i].from, cases[i].to, cases[i].want);
}
END_TEST

START_TEST(a_hash_of_another_kind_is_of_another_length)
{
    const struct tpm_vector *v = tpm_vector_named("azure_snp_milan_v1");
    uint8_t *b = tpm_copy(v->hcl), want[64];
    static const uint8_t zeros[32];
    struct tally_hcl h;

    for (uint8_t kind = 1; kind <= 3; kind++) {
        b[1228] = kind;
        ck_assert_int_eq(tally_hcl_decode(tally_slice_of(b, v->hcl.len), &h), TALLY_OK);
        tally_hcl_report_data(&h, want);
        ck_assert_int_eq(tally_slice_equal(h.report_data, TALLY_SLICE(want)), kind == 1);
        ck_assert_int_eq(memcmp(want + 32, zeros, 32) == 0, kind == 1);
        ck_assert_int_eq(memcmp(want + 48, zeros, 16) == 0, kind != 3);
    }
    free(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hcl");

    tally_vectors_need();
    tcase_add_test(t, every_real_blob_decodes_binds_and_encodes_to_the_same_bytes);
    tcase_add_test(t, what_the_real_blobs_say);
    tcase_add_test(t, every_prefix_is_refused_and_the_padding_is_zero);
    tcase_add_test(t, sizes_types_and_reserved_bytes_that_are_others_are_refused);
    tcase_add_test(t, tdreports_stand_in_the_blob_and_nothing_else_does);
    tcase_add_test(t, json_that_is_another_is_refused);
    tcase_add_test(t, a_hash_of_another_kind_is_of_another_length);
    return tally_suite_run("hcl", t);
}
