/* test_quote_tpm.c - common/attest/quote_tpm.c against a software TPM behind a process that plays
 * Azure's paravisor (tests/lib/vtpm.h): evidence whose every link holds, and everything that the
 * TPM and the way to it can answer. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tpm2_types.h>

#include "common/attest/describe.h"
#include "tests/common/quote_tpm_fixture.h"

static struct tally_slice blob_json(void)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(e.hcl, e.hcl_len));

    (void)tally_rd_bytes(&r, 1232, "before");
    struct tally_slice json = tally_rd_bytes(&r, tally_rd_le32(&r, "size"), "JSON");
    ck_assert_ptr_null(r.bad);
    return json;
}

/* The key that the report vouches for, out of the report. */
static EVP_PKEY *key_of_report(void)
{
    static const char before[] =
        "\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":\"AQAB\","
        "\"n\":\"";
    struct tally_slice json = blob_json();
    const char *at = memmem(json.at, json.len, before, sizeof before - 1);
    uint8_t n[512];
    size_t len = 0;

    ck_assert_ptr_nonnull(at);
    at += sizeof before - 1;
    ck_assert_int_eq(sodium_base642bin(n, sizeof n, at, strcspn(at, "\""), NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    BIGNUM *modulus = BN_bin2bn(n, (int)len, NULL), *exponent = BN_new();
    ck_assert_int_eq(BN_set_word(exponent, 65537), 1);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    ck_assert_int_eq(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus), 1);
    ck_assert_int_eq(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static bool signature_holds(void)
{
    TPMT_SIGNATURE s;
    size_t at = 0;

    ck_assert_uint_eq(Tss2_MU_TPMT_SIGNATURE_Unmarshal(e.signature, e.signature_len, &at, &s), 0);
    ck_assert_uint_eq(at, e.signature_len);
    ck_assert_int_eq(s.sigAlg, TPM2_ALG_RSASSA);
    ck_assert_int_eq(s.signature.rsassa.hash, TPM2_ALG_SHA256);
    EVP_PKEY *key = key_of_report();
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key), 1);
    int good = EVP_DigestVerify(md, s.signature.rsassa.sig.buffer, s.signature.rsassa.sig.size,
                                e.attest, e.attest_len);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return good == 1;
}

/* Each link from the chip's report to the PCRs, by other code than the producer's. */
static void every_link_holds(const uint8_t want[TALLY_VTPM_REPORT_DATA_BYTES])
{
    struct tally_snp_report r;
    uint8_t hash[32], zeros[32] = {0};
    TPMS_ATTEST a;
    size_t at = 0;
    char hex[129];

    ck_assert_uint_eq(e.hcl_len, VTPM_BLOB_BYTES);
    ck_assert_int_eq(tally_snp_report_decode(tally_slice_of(e.hcl + 32, 1184), &r), TALLY_OK);
    TALLY_SHA256_OF(hash, blob_json());
    ck_assert_mem_eq(r.report_data, hash, 32);
    ck_assert_mem_eq(r.report_data + 32, zeros, 32);
    tally_hex(tally_slice_of(want, 64), hex);
    struct tally_slice json = blob_json();
    ck_assert_ptr_nonnull(memmem(json.at, json.len, hex, 128));
    ck_assert(signature_holds());
    ck_assert_uint_eq(Tss2_MU_TPMS_ATTEST_Unmarshal(e.attest, e.attest_len, &at, &a), 0);
    ck_assert_uint_eq(at, e.attest_len);
    ck_assert_int_eq(a.type, TPM2_ST_ATTEST_QUOTE);
    TALLY_SHA256_OF(hash, tally_slice_of(want, 64));
    ck_assert_uint_eq(a.extraData.size, 32);
    ck_assert_mem_eq(a.extraData.buffer, hash, 32);
    const TPMS_PCR_SELECTION *s = &a.attested.quote.pcrSelect.pcrSelections[0];
    ck_assert_uint_eq(a.attested.quote.pcrSelect.count, 1);
    ck_assert_int_eq(s->hash, TPM2_ALG_SHA256);
    ck_assert_mem_eq(s->pcrSelect, "\xff\xff\xff", 3);
    TALLY_SHA256_OF(hash, tally_slice_of(e.pcrs, sizeof e.pcrs));
    ck_assert_mem_eq(a.attested.quote.pcrDigest.buffer, hash, 32);
}

START_TEST(a_node_trusts_it_for_its_own_report_data_alone)
{
    static struct tally_verdict v;
    struct tally_vtpm *t = opened();
    uint8_t other[64];
    size_t held = 0;

    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    ck_assert_msg(judge(data, &v) == TALLY_OK, "%s", tally_why());
    for (size_t bit = 0; bit < 512; bit += 37) {
        memcpy(other, data, 64);
        other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_ne(judge(other, &v), TALLY_OK);
        ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_REPORT_DATA);
    }
    /* The blob of one time and the quote of another do not go together. */
    static struct tally_vtpm_evidence old;
    old = e;
    memcpy(other, data, 64);
    other[0] ^= 1;
    ck_assert_int_eq(tally_vtpm_collect(t, other, &e), TALLY_OK);
    ck_assert_int_eq(judge(other, &v), TALLY_OK);
    memcpy(e.hcl, old.hcl, old.hcl_len);
    ck_assert_int_ne(judge(other, &v), TALLY_OK);
    ck_assert_int_ne(judge(data, &v), TALLY_OK);
    /* Any bit of the quote, its signature or the values. */
    for (size_t at = 0; at < old.attest_len; at += 3, held++) {
        e = old;
        e.attest[at] ^= 1;
        ck_assert_int_ne(judge(data, &v), TALLY_OK);
    }
    for (size_t at = 0; at < sizeof e.pcrs; at += 29, held++) {
        e = old;
        e.pcrs[at / 32][at % 32] ^= 1;
        ck_assert_int_ne(judge(data, &v), TALLY_OK);
    }
    ck_assert_uint_gt(held, 40);
    e = old;
    ck_assert_int_eq(judge(data, &v), TALLY_OK);
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(evidence_holds_in_every_link)
{
    struct tally_vtpm *t = opened();
    uint8_t other[64];

    memcpy(other, data, 64);
    ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "%s", tally_why());
    every_link_holds(data);
    /* Again on the same index, over other data; and from a connection of its own. */
    other[10] ^= 1;
    ck_assert_int_eq(tally_vtpm_collect(t, other, &e), TALLY_OK);
    every_link_holds(other);
    tally_vtpm_close(&t);
    ck_assert_ptr_null(t);
    tally_vtpm_close(&t);
    t = opened();
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    every_link_holds(data);
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(pcrs_are_read_eight_at_a_time_and_the_blob_in_pieces)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();

    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    memset(p->commands, 0, sizeof p->commands);
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    ck_assert_uint_eq(p->commands[TPM2_CC_PCR_Read], 3);
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_Read], 6); /* 2600 bytes, before and after */
    ck_assert_uint_eq(p->commands[TPM2_CC_Quote], 1);
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_Write], 1);
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_DefineSpace], 0);
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(nothing_stays_loaded_in_the_tpm)
{
    for (int i = 0; i < 30; i++) {
        struct tally_vtpm *t = opened();
        ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "%s", tally_why());
        tally_vtpm_close(&t);
    }
}
END_TEST

START_TEST(the_index_for_user_data_is_made_when_missing_and_refused_when_odd)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();

    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    tally_vtpm_close(&t);
    vtpm_remove_index(TALLY_VTPM_USER_DATA_INDEX);
    memset(p->commands, 0, sizeof p->commands);
    t = opened();
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    every_link_holds(data);
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_DefineSpace], 1);
    tally_vtpm_close(&t);
    vtpm_remove_index(TALLY_VTPM_USER_DATA_INDEX);
    vtpm_define_index(TALLY_VTPM_USER_DATA_INDEX, 63);
    t = opened();
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "tpm2_nvundefine"));
    tally_vtpm_close(&t);
    vtpm_remove_index(TALLY_VTPM_USER_DATA_INDEX);
}
END_TEST

START_TEST(a_slow_paravisor_is_waited_for_and_a_deaf_one_given_up)
{
    struct tally_vtpm *t = opened();
    struct vtpm_play *p = vtpm_play();
    uint8_t fresh[64];

    memset(fresh, 0x5a + _i, sizeof fresh);
    slept = 0;
    p->late = 4; /* the reading before the writing finds nothing due; each poll is one command */
    p->upper_case = _i == 1;
    ck_assert_msg(tally_vtpm_collect(t, fresh, &e) == TALLY_OK, "%s", tally_why());
    ck_assert_int_ge(slept, 1);
    p->upper_case = false;
    fresh[0] ^= 0xff;
    p->frozen = true;
    slept = 0;
    ck_assert_int_eq(tally_vtpm_collect(t, fresh, &e), TALLY_E_IO);
    ck_assert_int_eq(slept, 50);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "ten seconds"));
    ck_assert_uint_eq(e.hcl_len + e.attest_len + e.signature_len, 0);
    p->frozen = false;
    tally_vtpm_close(&t);
}
END_TEST

START_TEST(a_machine_without_paravisor_key_or_tpm_is_told_apart)
{
    struct vtpm_play *p = vtpm_play();
    struct tally_vtpm *t = NULL;

    ck_assert_int_eq(tally_vtpm_open("device:/nowhere/tpm", &t), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "no TPM at /nowhere/tpm"));
    ck_assert_int_eq(tally_vtpm_open("no such way", &t), TALLY_E_IO);
    ck_assert_ptr_null(t);
    p->no_report = true;
    memset(p->commands, 0, sizeof p->commands);
    t = opened();
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "no report of a paravisor"));
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_Write] + p->commands[TPM2_CC_NV_DefineSpace], 0);
    tally_vtpm_close(&t);
    p->no_report = false;
    vtpm_remove_ak();
    t = opened();
    p->frozen = true;
    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_E_IO);
    p->frozen = false;
    uint8_t key[TALLY_VTPM_PUBLIC_MAX];
    size_t len;
    ck_assert_int_eq(tally_vtpm_ak_public(t, key, &len), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "no attestation key"));
    tally_vtpm_close(&t);
    vtpm_make_ak(true);
}
END_TEST

START_TEST(a_key_without_a_scheme_signs_by_the_usual_one)
{
    vtpm_remove_ak();
    vtpm_make_ak(false);
    struct tally_vtpm *t = opened();
    ck_assert_msg(tally_vtpm_collect(t, data, &e) == TALLY_OK, "%s", tally_why());
    every_link_holds(data);
    tally_vtpm_close(&t);
    vtpm_remove_ak();
    vtpm_make_ak(true);
}
END_TEST

START_TEST(an_index_larger_than_the_room_is_refused)
{
    struct tally_vtpm *t = opened();
    uint8_t small[VTPM_BLOB_BYTES];
    size_t len = 7;

    ck_assert_int_eq(tally_vtpm_nv_read(t, TALLY_VTPM_HCL_INDEX, small, sizeof small - 1, &len),
                     TALLY_E_LIMIT);
    ck_assert_uint_eq(len, 7);
    ck_assert_int_eq(tally_vtpm_nv_read(t, TALLY_VTPM_HCL_INDEX, small, sizeof small, &len),
                     TALLY_OK);
    ck_assert_uint_eq(len, sizeof small);
    ck_assert_int_eq(tally_vtpm_nv_read(t, TALLY_VTPM_AK_CERT_INDEX, small, sizeof small, &len),
                     TALLY_E_STATE);
    tally_vtpm_close(&t);
}
END_TEST

/* What was said, and how many of the lines were problems. */
struct said {
    char text[1024];
    int lines, bad;
};
static void hear(void *ctx, bool good, const char *what, const char *fix)
{
    struct said *s = ctx;

    (void)snprintf(s->text, sizeof s->text, "%s|%s", what, fix);
    ck_assert(good == (*fix == '\0'));
    s->lines++;
    s->bad += !good;
}
static void described(struct said *s, const char *tcti)
{
    const struct tally_describe to = {hear, s};

    memset(s, 0, sizeof *s);
    tally_tpm_describe(&to, tcti);
    ck_assert_int_eq(s->lines, 1);
}

START_TEST(check_tells_what_the_tpm_can_prove)
{
    struct vtpm_play *p = vtpm_play();
    struct tally_vtpm *t = opened();
    struct said s;

    ck_assert_int_eq(tally_vtpm_collect(t, data, &e), TALLY_OK);
    tally_vtpm_close(&t);
    described(&s, "device:/nowhere/tpm");
    ck_assert_int_eq(s.bad, 0);
    memset(p->commands, 0, sizeof p->commands);
    described(&s, vtpm_tcti());
    ck_assert_int_eq(s.bad, 0);
    ck_assert_ptr_nonnull(strstr(s.text, "vTPM by "));
    ck_assert_ptr_nonnull(strstr(s.text, "a SEV-SNP report is over its attestation key"));
    ck_assert_uint_eq(p->commands[TPM2_CC_NV_Write] + p->commands[TPM2_CC_Quote] +
                          p->commands[TPM2_CC_NV_DefineSpace],
                      0);
    p->cut_cc = TPM2_CC_NV_Read;
    described(&s, vtpm_tcti());
    p->cut_cc = 0;
    ck_assert_int_eq(s.bad, 1);
    p->cut_cc = TPM2_CC_GetCapability;
    described(&s, vtpm_tcti());
    p->cut_cc = 0;
    ck_assert_int_eq(s.bad, 1);
    p->no_report = true;
    described(&s, vtpm_tcti());
    ck_assert_int_eq(s.bad, 0);
    ck_assert_ptr_nonnull(strstr(s.text, "no paravisor"));
    p->no_report = false;
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quote_tpm");

    simulated_setup();
    vtpm_start();
    tcase_add_test(t, evidence_holds_in_every_link);
    tcase_add_test(t, a_node_trusts_it_for_its_own_report_data_alone);
    tcase_add_test(t, pcrs_are_read_eight_at_a_time_and_the_blob_in_pieces);
    tcase_add_test(t, nothing_stays_loaded_in_the_tpm);
    tcase_add_test(t, the_index_for_user_data_is_made_when_missing_and_refused_when_odd);
    tcase_add_loop_test(t, a_slow_paravisor_is_waited_for_and_a_deaf_one_given_up, 0, 2);
    tcase_add_test(t, a_machine_without_paravisor_key_or_tpm_is_told_apart);
    tcase_add_test(t, a_key_without_a_scheme_signs_by_the_usual_one);
    tcase_add_test(t, an_index_larger_than_the_room_is_refused);
    tcase_add_test(t, check_tells_what_the_tpm_can_prove);
    return tally_suite_run("quote_tpm", t);
}
