/* test_verify_tdx_sim.c - common/attest/verify_tdx.c over simulated quotes, each with one field
 * changed and signed again (ATTESTATION.md D.4): what no flipped bit of a real quote can show.
 * Collateral, certificates and TCB levels are in test_verify_tdx_sim_*.c.
 *
 * What dcap-qvl 0.7.0 accepts or cannot tell apart (ATTESTATION.md C2.4), and the case that refuses
 * it; with TALLY_EMIT=DIR the tests leave every case there as files, for other verifiers:
 *
 *   what                                         case                        refused as
 *   text after the quote                         text_after_the_quote        E_TRAILING
 *   DEBUG is told as a failure of the TCB        every_bit_of_tdattributes   E_POLICY_DEBUG
 *   SEPT_VE_DISABLE=0 is told so too             sept_ve_disable_clear       E_POLICY_FLAG
 *   a reserved bit of TDATTRIBUTES (20)          reserved_attribute_20       E_POLICY_FLAG
 *   XFAM 0                                       xfam_zero                   E_POLICY_FLAG
 *   upper half of the QE's REPORTDATA            qe_report_data_upper_half   E_QE_BINDING
 *   reserved bytes of the QE report              qe_reserved_1 to _4_end     E_RESERVED_NONZERO
 *   another pceId                                other_pce_id                E_COLLATERAL_MISMATCH
 *   an SGX quote where a TD is expected          sgx_quote, sgx_version      E_TEE_TYPE
 *
 * What it does check is here too: SVN2 (relaunch_..., now_...), module identity (module_...) and
 * vendor id (vendor_...). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

/* Where things are in the default quote: version 5, TD report 1.5. */
enum {
    BODY_TYPE_AT = 48,
    BODY_SIZE_AT = 50,
    SIGNED_END = 54 + TALLY_TDX_BODY_15_BYTES,
    AUTH_SIZE_AT = SIGNED_END,
    SIG_AT = AUTH_SIZE_AT + 4,
    TYPE_AT = SIG_AT + 128,
    QE_AT = TYPE_AT + 6,
    QE_SIG_AT = QE_AT + TALLY_TDX_QE_REPORT_BYTES,
    QE_AUTH_AT = QE_SIG_AT + 64,
    INNER_TYPE_AT = QE_AUTH_AT + 2 + 32,
};

static struct simulated_tdx *new_case(void)
{
    struct simulated_tdx *s = malloc(sizeof *s);

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    return s;
}

/* Little-endian, of n bytes. */
static void put_le(struct simulated_tdx *s, size_t at, size_t n, uint64_t v)
{
    for (size_t i = 0; i < n; i++) s->bytes[at + i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_le32(const struct simulated_tdx *s, size_t at)
{
    return s->bytes[at] | (uint32_t)s->bytes[at + 1] << 8 | (uint32_t)s->bytes[at + 2] << 16 |
           (uint32_t)s->bytes[at + 3] << 24;
}

#define HOOK(name, at_stage, ...)                                             \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == (at_stage)) {                                            \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }

/* clang-format off */
/* Bytes of the finished quote. */
HOOK(outer_longer, SIM_TDX_DONE, put_le(s, AUTH_SIZE_AT, 4, get_le32(s, AUTH_SIZE_AT) + 1))
HOOK(outer_shorter, SIM_TDX_DONE, put_le(s, AUTH_SIZE_AT, 4, get_le32(s, AUTH_SIZE_AT) - 1))
HOOK(outer_zero, SIM_TDX_DONE, put_le(s, AUTH_SIZE_AT, 4, 0))
HOOK(outer_huge, SIM_TDX_DONE, put_le(s, AUTH_SIZE_AT, 4, 0xffffffff))
HOOK(type_6_longer, SIM_TDX_DONE, put_le(s, TYPE_AT + 2, 4, get_le32(s, TYPE_AT + 2) + 1))
HOOK(type_6_shorter, SIM_TDX_DONE, put_le(s, TYPE_AT + 2, 4, get_le32(s, TYPE_AT + 2) - 1))
HOOK(type_6_huge, SIM_TDX_DONE, put_le(s, TYPE_AT + 2, 4, 0xffffffff))
HOOK(outer_type_5, SIM_TDX_DONE, put_le(s, TYPE_AT, 2, 5))
HOOK(auth_says_0, SIM_TDX_DONE, put_le(s, QE_AUTH_AT, 2, 0))
HOOK(auth_says_31, SIM_TDX_DONE, put_le(s, QE_AUTH_AT, 2, 31))
HOOK(auth_says_33, SIM_TDX_DONE, put_le(s, QE_AUTH_AT, 2, 33))
HOOK(auth_says_65535, SIM_TDX_DONE, put_le(s, QE_AUTH_AT, 2, 65535))
HOOK(inner_0, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 0))
HOOK(inner_1, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 1))
HOOK(inner_2, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 2))
HOOK(inner_3, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 3))
HOOK(inner_4, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 4))
HOOK(inner_6, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 6))
HOOK(inner_7, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT, 2, 7))
HOOK(inner_longer, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT + 2, 4, s->pem.len + 1))
HOOK(inner_huge, SIM_TDX_DONE, put_le(s, INNER_TYPE_AT + 2, 4, 0xffffffff))
HOOK(text_behind, SIM_TDX_DONE, memcpy(s->bytes + s->bytes_n, "text", 4); s->bytes_n += 4)
HOOK(zeros_behind, SIM_TDX_DONE, memset(s->bytes + s->bytes_n, 0, 70); s->bytes_n += 70)
HOOK(too_much_behind, SIM_TDX_DONE, memset(s->bytes + s->bytes_n, 0, 16384); s->bytes_n = 16385)

/* clang-format on */

/* A body of type 4, 885 bytes: MRSERVICETD, then vmid, TDID, device info and the rest of it. */
static void body_type_4(struct simulated_tdx *s, enum simulated_tdx_stage stage)
{
    enum { EXTRA = 885 - TALLY_TDX_BODY_15_BYTES };

    if (stage != SIM_TDX_DONE) return;
    memmove(s->bytes + SIGNED_END + EXTRA, s->bytes + SIGNED_END, s->bytes_n - SIGNED_END);
    memset(s->bytes + SIGNED_END, 0, EXTRA);
    put_le(s, BODY_TYPE_AT, 2, TALLY_TDX_TYPE_TD15_EXT);
    put_le(s, BODY_SIZE_AT, 4, 885);
    s->bytes_n += EXTRA;
    ck_assert_int_eq(tally_sim_tdx_sign(s->ak, tally_slice_of(s->bytes, SIGNED_END + EXTRA),
                                        s->bytes + SIG_AT + EXTRA),
                     TALLY_OK);
}

static const uint8_t long_auth[65535];

/* clang-format off */
#define STRUCTURE(X)                                                                              \
    X(version_0, E_VERSION, s->quote.version = 0)                                                 \
    X(version_6, E_VERSION, s->quote.version = 6)                                                 \
    X(sgx_version, E_TEE_TYPE, s->quote.version = 3)                                              \
    X(sgx_quote, E_TEE_TYPE, s->quote.tee_type = TALLY_TDX_TEE_SGX)                               \
    X(tee_type_0x82, E_TEE_TYPE, s->quote.tee_type = 0x82)                                        \
    X(key_type_0, E_ALGORITHM, s->quote.key_type = 0)                                             \
    X(key_type_1, E_ALGORITHM, s->quote.key_type = 1)                                             \
    X(key_type_3_p384, E_ALGORITHM, s->quote.key_type = 3)                                        \
    X(vendor_first_byte, E_VENDOR, s->quote.vendor[0] ^= 1)                                       \
    X(vendor_last_byte, E_VENDOR, s->quote.vendor[15] ^= 0x80)                                    \
    X(type_0, E_VERSION, s->body = (struct simulated_tdx_flip){BODY_TYPE_AT, 3 ^ 0})              \
    X(type_1_sgx, E_TEE_TYPE, s->body = (struct simulated_tdx_flip){BODY_TYPE_AT, 3 ^ 1})         \
    X(type_4_in_full, E_VERSION, s->hook = body_type_4)                                           \
    X(type_5, E_VERSION, s->body = (struct simulated_tdx_flip){BODY_TYPE_AT, 3 ^ 5})              \
    X(type_2_with_size_648, E_FORMAT, s->body = (struct simulated_tdx_flip){BODY_TYPE_AT, 3 ^ 2}) \
    X(type_3_with_size_584, E_FORMAT, s->quote.body_type = 2;                                     \
      s->body = (struct simulated_tdx_flip){BODY_TYPE_AT, 2 ^ 3})                                 \
    X(size_649, E_FORMAT, s->body = (struct simulated_tdx_flip){BODY_SIZE_AT, 1})                 \
    X(size_with_high_bit, E_FORMAT, s->body = (struct simulated_tdx_flip){BODY_SIZE_AT + 3, 128}) \
    X(signature_data_longer, E_TRUNCATED, s->hook = outer_longer)                                 \
    X(signature_data_shorter, E_FORMAT, s->hook = outer_shorter)                                  \
    X(signature_data_zero, E_FORMAT, s->hook = outer_zero)                                        \
    X(signature_data_huge, E_TRUNCATED, s->hook = outer_huge)                                     \
    X(certification_longer, E_FORMAT, s->hook = type_6_longer)                                    \
    X(certification_shorter, E_FORMAT, s->hook = type_6_shorter)                                  \
    X(certification_huge, E_FORMAT, s->hook = type_6_huge)                                        \
    X(certification_type_5, E_FORMAT, s->hook = outer_type_5)                                     \
    X(auth_length_lies_0, E_FORMAT, s->hook = auth_says_0)                                        \
    X(auth_length_lies_31, E_FORMAT, s->hook = auth_says_31)                                      \
    X(auth_length_lies_33, E_FORMAT, s->hook = auth_says_33)                                      \
    X(auth_length_lies_65535, E_FORMAT, s->hook = auth_says_65535)                                \
    X(auth_of_65535_bytes, E_OVERSIZE, s->quote.auth = TALLY_SLICE(long_auth))                    \
    X(inner_type_0, E_FORMAT, s->hook = inner_0)                                                  \
    X(inner_type_1_ppid, E_FORMAT, s->hook = inner_1)                                             \
    X(inner_type_2_ppid_rsa_2048, E_FORMAT, s->hook = inner_2)                                    \
    X(inner_type_3_ppid_rsa_3072, E_FORMAT, s->hook = inner_3)                                    \
    X(inner_type_4_pck_leaf, E_FORMAT, s->hook = inner_4)                                         \
    X(inner_type_6_nested, E_FORMAT, s->hook = inner_6)                                           \
    X(inner_type_7_manifest, E_FORMAT, s->hook = inner_7)                                         \
    X(chain_longer, E_FORMAT, s->hook = inner_longer)                                             \
    X(chain_huge, E_FORMAT, s->hook = inner_huge)                                                 \
    X(text_after_the_quote, E_TRAILING, s->hook = text_behind)                                    \
    X(text_after_the_quote_padded, E_TRAILING, s->hook = text_behind; s->expect.padded = true)    \
    X(zeros_after_the_quote, E_TRAILING, s->hook = zeros_behind)                                  \
    X(zeros_that_are_allowed, NONE, s->hook = zeros_behind; s->expect.padded = true)              \
    X(oversize, E_OVERSIZE, s->hook = too_much_behind; s->expect.padded = true)
/* clang-format on */
STRUCTURE(SIM_TDX_CHANGE)
static const struct simulated_tdx_case structure[] = {STRUCTURE(SIM_TDX_ROW)};

START_TEST(structure_is_refused_by_its_class)
{
    simulated_tdx_cases(structure, sizeof structure / sizeof structure[0]);
}
END_TEST

static enum tally_reason attribute_reason(unsigned bit)
{
    if (bit < 8) return TALLY_R_E_POLICY_DEBUG;
    if (bit == 29) return TALLY_R_E_POLICY_MIGRATION;
    if (bit == 16 || bit == 27 || bit == 28 || bit == 30 || bit == 31 || bit == 62)
        return TALLY_R_NONE;
    return TALLY_R_E_POLICY_FLAG; /* PERFMON, and everything reserved */
}

static void judge_word(struct simulated_tdx *s, const char *what, unsigned bit,
                       enum tally_reason want)
{
    static struct tally_verdict v;
    enum tally_status got = simulated_tdx_judge(s, &v);
    enum tally_reason why = got == TALLY_OK ? TALLY_R_NONE : tally_reason();

    ck_assert_msg(why == want && (got == TALLY_OK) == (want == TALLY_R_NONE),
                  "%s bit %u: expected %s, got %s", what, bit, tally_reason_name(want),
                  tally_reason_name(why));
    ck_assert_uint_eq(v.failed_n, want != TALLY_R_NONE);
    ck_assert(v.authentic);
}

START_TEST(every_bit_of_tdattributes)
{
    struct simulated_tdx *s = new_case();

    for (unsigned bit = 0; bit < 64; bit++) {
        simulated_tdx_init(s);
        s->quote.td_attributes |= UINT64_C(1) << bit;
        judge_word(s, "TDATTRIBUTES", bit, attribute_reason(bit));
    }
    free(s);
}
END_TEST

START_TEST(every_bit_of_xfam)
{
    const uint64_t known = 0x6dbe7;
    struct simulated_tdx *s = new_case();

    for (unsigned bit = 0; bit < 64; bit++) {
        simulated_tdx_init(s);
        s->quote.xfam |= UINT64_C(1) << bit;
        judge_word(s, "XFAM", bit, known >> bit & 1 ? TALLY_R_NONE : TALLY_R_E_POLICY_FLAG);
    }
    free(s);
}
END_TEST

static uint8_t other[1][TALLY_CHIP_DIGEST_BYTES];
static uint8_t program[1][TALLY_MEASUREMENT_BYTES];

static void deny(struct simulated_tdx *s)
{
    memcpy(s->policy.denied[0], s->chip[0], TALLY_CHIP_DIGEST_BYTES);
    s->policy.denied_n = 1;
}

static void revoke_program(struct simulated_tdx *s)
{
    memcpy(program[0], s->td.mrtd, TALLY_MEASUREMENT_BYTES);
    s->expect.revoked_measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])program;
    s->expect.revoked_measurements_n = 1;
}

static void only_other_chip(struct simulated_tdx *s)
{
    s->expect.chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])other;
}

static void seams(struct simulated_tdx *s, uint8_t first)
{
    memset(s->policy.seams[0], first, TALLY_MEASUREMENT_BYTES);
    s->policy.seams_n = 1;
}

/* clang-format off */
#define CONTENT(X)                                                                                \
    X(nothing_changed, NONE, (void)s)                                                             \
    X(reserved_attribute_20, E_POLICY_FLAG, s->quote.td_attributes |= 1U << 20)                   \
    X(sept_ve_disable_clear, E_POLICY_FLAG, s->quote.td_attributes = 0)                           \
    X(sept_ve_disable_not_asked, NONE, s->quote.td_attributes = 0;                                \
      s->policy.attributes_required = 0)                                                          \
    X(perfmon_allowed, NONE, s->quote.td_attributes |= TALLY_TDX_ATTR_PERFMON;                    \
      s->policy.attributes_forbidden &= ~TALLY_TDX_ATTR_PERFMON)                                  \
    X(xfam_zero, E_POLICY_FLAG, s->quote.xfam = 0)                                                \
    X(xfam_without_x87, E_POLICY_FLAG, s->quote.xfam &= ~UINT64_C(1))                             \
    X(xfam_without_sse, E_POLICY_FLAG, s->quote.xfam &= ~UINT64_C(2))                             \
    X(xfam_not_in_the_mask, E_POLICY_FLAG, s->policy.xfam = 0xe7)                                 \
    X(service_td, E_POLICY_MIGRATION, s->quote.mr_service_td[47] = 1)                             \
    X(service_td_allowed, NONE, s->quote.mr_service_td[47] = 1;                                   \
      s->policy.allow_service_td = true)                                                          \
    X(seam_signer, E_MODULE_IDENTITY, s->quote.mr_signer_seam[0] = 1)                             \
    X(seam_signer_last_byte, E_MODULE_IDENTITY, s->quote.mr_signer_seam[47] = 1)                  \
    X(seam_attributes, E_MODULE_IDENTITY, s->quote.seam_attributes = 1)                           \
    X(seam_attributes_high, E_MODULE_IDENTITY, s->quote.seam_attributes = UINT64_C(1) << 63)      \
    X(seam_attributes_unmasked, E_MODULE_IDENTITY, s->quote.seam_attributes = 1;                  \
      s->spec.tcb_info.identities[1].attributes_mask = "0000000000000000")                        \
    X(seam_listed, NONE, seams(s, 0x5e))                                                          \
    X(seam_not_listed, E_MODULE_IDENTITY, seams(s, 0x5f))                                         \
    X(config_id_any, NONE, s->quote.mr_config_id[0] = 1)                                          \
    X(config_id_other, E_ID_BLOCK, s->quote.mr_config_id[0] = 1; s->policy.has_config_id = true)  \
    X(owner_other, E_ID_BLOCK, s->quote.mr_owner[47] = 1; s->policy.has_owner = true)             \
    X(owner_config_other, E_ID_BLOCK, s->quote.mr_owner_config[0] = 1;                            \
      s->policy.has_owner_config = true)                                                          \
    X(smt, E_POLICY_SMT, s->policy.allow_smt = false)                                             \
    X(smt_not_told, E_POLICY_SMT, simulated_tdx_processor(s); s->policy.allow_smt = false)        \
    X(dynamic, E_PLATFORM_FLAG, s->policy.allow_dynamic_platform = false)                         \
    X(dynamic_not_told, E_PLATFORM_FLAG, simulated_tdx_processor(s);                              \
      s->policy.allow_dynamic_platform = false)                                                   \
    X(fmspc_not_listed, E_PRODUCT, s->policy.fmspcs_n = 1)                                        \
    X(fmspc_listed, NONE, memcpy(s->policy.fmspcs[0], s->spec.pck.fmspc, 6);                      \
      s->policy.fmspcs_n = 1)                                                                     \
    X(machine_denied, E_DENYLIST, deny(s))                                                        \
    X(machine_revoked, E_DENYLIST, s->expect.revoked_chips = s->expect.chips;                     \
      s->expect.revoked_chips_n = 1)                                                              \
    X(machine_not_listed, E_CHIP, only_other_chip(s))                                             \
    X(any_machine, NONE, s->expect.chips_n = 0; s->expect.any_chip = true)                        \
    X(hardware_expected, E_TRUST_CLASS, s->expect.trust = TALLY_TRUST_HARDWARE)                   \
    X(mrtd_other, E_MEASUREMENT, s->quote.mrtd[0] ^= 1)                                           \
    X(rtmr_0_other, E_MEASUREMENT, s->quote.rtmr[0][0] = 1)                                       \
    X(rtmr_3_other, E_MEASUREMENT, s->quote.rtmr[3][47] = 1)                                      \
    X(rtmr_3_not_compared, NONE, s->quote.rtmr[3][47] = 1; s->td.rtmr_n = 3)                      \
    X(program_revoked, E_REVOKED, revoke_program(s))                                              \
    X(report_data_first_half, E_CHANNEL_BINDING, s->quote.report_data[0] ^= 1)                    \
    X(report_data_second_half, E_REPORT_DATA, s->quote.report_data[63] ^= 1)
/* clang-format on */
CONTENT(SIM_TDX_CHANGE)
static const struct simulated_tdx_case content[] = {CONTENT(SIM_TDX_ROW)};

START_TEST(content_is_judged_by_its_class)
{
    simulated_tdx_cases(content, sizeof content / sizeof content[0]);
}
END_TEST

/* A debug bit with a module that is out of date: neither hides the other. */
START_TEST(debug_is_told_apart_from_the_tcb)
{
    static struct tally_verdict v;
    struct simulated_tdx *s = new_case();

    s->quote.td_attributes |= TALLY_TDX_ATTR_DEBUG;
    s->spec.tcb_info.levels[0].is.status = "OutOfDate";
    ck_assert_int_ne(simulated_tdx_judge(s, &v), TALLY_OK);
    ck_assert_uint_eq(v.failed_n, 2);
    ck_assert_int_eq(v.failed[0].reason, TALLY_R_E_TCB_STATUS);
    ck_assert_int_eq(v.failed[1].reason, TALLY_R_E_POLICY_DEBUG);
    free(s);
}
END_TEST

START_TEST(what_is_not_there_to_compare_leaves_it_undecided)
{
    static struct tally_verdict v;
    struct simulated_tdx *s = new_case();

    for (int k = 0; k < 3; k++) {
        const enum tally_reason want[] = {TALLY_R_E_REPORT_DATA, TALLY_R_E_MEASUREMENT,
                                          TALLY_R_E_CHIP};
        simulated_tdx_init(s);
        if (k == 0) s->expect.report_data = NULL;
        if (k == 1) s->expect.td_measurements_n = 0;
        if (k == 2) s->expect.chips_n = 0;
        ck_assert_int_eq(simulated_tdx_judge(s, &v), TALLY_E_UNDECIDED);
        ck_assert_msg(tally_reason() == want[k], "%d: %s", k, tally_why());
        ck_assert(v.undecided && v.missing_n == 1);
    }
    free(s);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim");

    tcase_add_test(t, structure_is_refused_by_its_class);
    tcase_add_test(t, every_bit_of_tdattributes);
    tcase_add_test(t, every_bit_of_xfam);
    tcase_add_test(t, content_is_judged_by_its_class);
    tcase_add_test(t, debug_is_told_apart_from_the_tcb);
    tcase_add_test(t, what_is_not_there_to_compare_leaves_it_undecided);
    return tally_suite_run("common/verify_tdx_sim", t);
}
