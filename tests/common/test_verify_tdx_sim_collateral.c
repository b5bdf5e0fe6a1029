/* test_verify_tdx_sim_collateral.c - common/attest/verify_tdx.c over simulated TCB info and QE
 * identity, each with one thing changed and signed again, or changed and not signed
 * (ATTESTATION.md C2.2, D.4). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

#define FILES(name, ...)                                                      \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == SIM_TDX_FILES) {                                         \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }
#define TCB_FILE (&s->files[TALLY_SIM_TDX_TCB_INFO])
#define QE_FILE  (&s->files[TALLY_SIM_TDX_QE_IDENTITY])

/* Text of a finished file, once. */
static void change(struct tally_sim_tdx_blob *b, const char *find, const char *with)
{
    size_t n = strlen(find), m = strlen(with);
    uint8_t *at = memmem(b->at, b->len, find, n);

    ck_assert_msg(at != NULL && b->len + m <= sizeof b->at, "no %s", find);
    memmove(at + m, at + n, b->len - (size_t)(at - b->at) - n);
    memcpy(at, with, m);
    b->len = b->len + m - n;
}

static void append(struct tally_sim_tdx_blob *b, const char *text)
{
    memcpy(b->at + b->len, text, strlen(text));
    b->len += strlen(text);
}

enum { SIG_HEX = 128, SIG_END = 2 };

static uint8_t *signature(struct tally_sim_tdx_blob *b)
{
    return b->at + b->len - SIG_END - SIG_HEX;
}

static void swap_signatures(struct simulated_tdx *s)
{
    uint8_t keep[SIG_HEX];

    memcpy(keep, signature(TCB_FILE), SIG_HEX);
    memcpy(signature(TCB_FILE), signature(QE_FILE), SIG_HEX);
    memcpy(signature(QE_FILE), keep, SIG_HEX);
}

/* "Identity" of an enclave of one's own, signed with a key of one's own. */
static void forge_identity(struct simulated_tdx *s)
{
    struct tally_sim_tdx_qe_identity q = s->spec.qe_identity;
    uint8_t text[2048];
    struct tally_wr w = tally_wr_to(text, sizeof text);
    struct tally_wr out = tally_wr_to(QE_FILE->at, sizeof QE_FILE->at);

    q.levels[0].isvsvn = 0;
    tally_sim_tdx_qe_identity_write(&q, &w);
    ck_assert_int_eq(tally_sim_tdx_response_write("enclaveIdentity", tally_slice_of(text, w.used),
                                                  simulated_tdx_key("forger"), &out),
                     TALLY_OK);
    QE_FILE->len = out.used;
}

static void zero_signature(struct tally_sim_tdx_blob *b)
{
    memset(signature(b), '0', SIG_HEX);
}

static void capitals(struct tally_sim_tdx_blob *b)
{
    for (uint8_t *p = signature(b); *p != '"'; p++) {
        if (*p >= 'a') *p = (uint8_t)(*p - 'a' + 'A');
    }
}

/* clang-format off */
FILES(tcb_digit, change(TCB_FILE, "\"isvsvn\":6", "\"isvsvn\":5"))
FILES(tcb_letter_case, change(TCB_FILE, "90C06F", "90c06f"))
FILES(tcb_space, change(TCB_FILE, ",\"version\"", ", \"version\""))
FILES(tcb_last_space, change(TCB_FILE, "]},\"signature\"", "] },\"signature\""))
FILES(tcb_space_outside, change(TCB_FILE, ":{\"id\"", ": {\"id\""))
FILES(tcb_newline_outside, append(TCB_FILE, "\n"))
FILES(tcb_other_order, change(TCB_FILE, "\"pceId\":\"0000\",\"tcbType\":0",
                              "\"tcbType\":0,\"pceId\":\"0000\""))
FILES(qe_digit, change(QE_FILE, "\"isvsvn\":4", "\"isvsvn\":3"))
FILES(qe_space, change(QE_FILE, ",\"version\"", ", \"version\""))
FILES(each_others, swap_signatures(s))
FILES(forged, forge_identity(s))
FILES(tcb_unsigned, zero_signature(TCB_FILE))
FILES(qe_unsigned, zero_signature(QE_FILE))
FILES(tcb_all_ones, memset(signature(TCB_FILE), 'f', SIG_HEX))
FILES(tcb_capitals, capitals(TCB_FILE))
FILES(tcb_no_hex, signature(TCB_FILE)[5] = 'g')
FILES(tcb_sig_short, change(TCB_FILE, "\"}", "}"); TCB_FILE->len -= 2; append(TCB_FILE, "\"}"))
FILES(tcb_sig_long, TCB_FILE->len -= 2; append(TCB_FILE, "00\"}"))
FILES(tcb_sig_none, TCB_FILE->len -= SIG_END + SIG_HEX; append(TCB_FILE, "\"}"))
FILES(tcb_sig_number, TCB_FILE->len -= SIG_END + SIG_HEX + 1; append(TCB_FILE, "0}"))
FILES(tcb_no_sig_key, change(TCB_FILE, ",\"signature\"", ",\"signatura\""))
FILES(tcb_no_sig_at_all, TCB_FILE->len -= SIG_END + SIG_HEX + 14; append(TCB_FILE, "}"))
FILES(tcb_two_signatures, TCB_FILE->len--; append(TCB_FILE, ",\"signature\":\"00\"}"))
FILES(tcb_two_objects, TCB_FILE->len--; append(TCB_FILE, ",\"tcbInfo\":{}}"))
FILES(tcb_more_keys, TCB_FILE->len--; append(TCB_FILE, ",\"more\":1}"))
FILES(tcb_text_behind, append(TCB_FILE, "text"))
FILES(tcb_nul_behind, append(TCB_FILE, " "); TCB_FILE->at[TCB_FILE->len - 1] = 0)
FILES(tcb_list, change(TCB_FILE, "{\"tcbInfo\":", "[{\"tcbInfo\":"); append(TCB_FILE, "]"))
FILES(tcb_key_name, change(TCB_FILE, "\"tcbInfo\"", "\"tcbinfo\""))
FILES(tcb_is_text, change(TCB_FILE, "\"tcbInfo\":{", "\"tcbInfo\":\"\",\"x\":{"))
FILES(tcb_cut, TCB_FILE->len--)
FILES(tcb_bom, change(TCB_FILE, "{\"tcbInfo\"", "\xef\xbb\xbf{\"tcbInfo\""))
FILES(tcb_as_qe, *QE_FILE = *TCB_FILE)
FILES(qe_response_in_tcb, *TCB_FILE = *QE_FILE)

#define SIGNED(X)                                                                                 \
    X(tcb_one_digit, E_COLLATERAL_SIG, s->hook = tcb_digit)                                       \
    X(tcb_hex_in_other_case, E_COLLATERAL_SIG, s->hook = tcb_letter_case)                         \
    X(tcb_spaced, E_COLLATERAL_SIG, s->hook = tcb_space)                                          \
    X(tcb_spaced_at_the_end, E_COLLATERAL_SIG, s->hook = tcb_last_space)                          \
    X(tcb_keys_reordered, E_COLLATERAL_SIG, s->hook = tcb_other_order)                            \
    X(space_round_the_object, NONE, s->hook = tcb_space_outside)                                  \
    X(newline_after_all, NONE, s->hook = tcb_newline_outside)                                     \
    X(qe_one_digit, E_COLLATERAL_SIG, s->hook = qe_digit)                                         \
    X(qe_spaced, E_COLLATERAL_SIG, s->hook = qe_space)                                            \
    X(signatures_swapped, E_COLLATERAL_SIG, s->hook = each_others)                                \
    X(forged_identity, E_COLLATERAL_SIG, s->hook = forged)                                        \
    X(unsigned_identity, E_COLLATERAL_SIG, s->hook = qe_unsigned)                                 \
    X(unsigned_tcb_info, E_COLLATERAL_SIG, s->hook = tcb_unsigned)                                \
    X(signature_all_ones, E_COLLATERAL_SIG, s->hook = tcb_all_ones)                               \
    X(both_signed_by_another, E_COLLATERAL_SIG, s->spec.json_key = simulated_tdx_key("other"))    \
    X(both_signed_by_the_pck, E_COLLATERAL_SIG, s->spec.json_key = s->pck)                        \
    X(both_signed_by_the_root, E_COLLATERAL_SIG,                                                  \
      s->spec.json_key = simulated_tdx_root()->keys[TALLY_SIM_TDX_ROOT])                          \
    X(signature_in_capitals, NONE, s->hook = tcb_capitals)                                        \
    X(signature_no_hex, E_FORMAT, s->hook = tcb_no_hex)                                           \
    X(signature_of_127, E_FORMAT, s->hook = tcb_sig_short)                                        \
    X(signature_of_130, E_FORMAT, s->hook = tcb_sig_long)                                         \
    X(signature_empty, E_FORMAT, s->hook = tcb_sig_none)                                          \
    X(signature_a_number, E_FORMAT, s->hook = tcb_sig_number)                                     \
    X(signature_under_another_key, E_FORMAT, s->hook = tcb_no_sig_key)                            \
    X(signature_left_out, E_FORMAT, s->hook = tcb_no_sig_at_all)                                  \
    X(signature_twice, E_FORMAT, s->hook = tcb_two_signatures)                                    \
    X(object_twice, E_FORMAT, s->hook = tcb_two_objects)                                          \
    X(outer_key_unknown, E_FORMAT, s->hook = tcb_more_keys)                                       \
    X(text_behind, E_FORMAT, s->hook = tcb_text_behind)                                           \
    X(nul_behind, E_FORMAT, s->hook = tcb_nul_behind)                                             \
    X(response_in_a_list, E_FORMAT, s->hook = tcb_list)                                           \
    X(object_under_another_key, E_FORMAT, s->hook = tcb_key_name)                                 \
    X(object_is_text, E_FORMAT, s->hook = tcb_is_text)                                            \
    X(response_cut, E_FORMAT, s->hook = tcb_cut)                                                  \
    X(response_with_bom, E_FORMAT, s->hook = tcb_bom)                                             \
    X(tcb_info_as_identity, E_FORMAT, s->hook = tcb_as_qe)                                        \
    X(identity_as_tcb_info, E_FORMAT, s->hook = qe_response_in_tcb)                               \
    X(no_tcb_info, E_COLLATERAL_MISSING, s->absent[TALLY_SIM_TDX_TCB_INFO] = true)                \
    X(no_qe_identity, E_COLLATERAL_MISSING, s->absent[TALLY_SIM_TDX_QE_IDENTITY] = true)
SIGNED(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case as_signed[] = {SIGNED(SIM_TDX_ROW)};

START_TEST(the_exact_bytes_are_signed)
{
    simulated_tdx_cases(as_signed, sizeof as_signed / sizeof as_signed[0]);
}
END_TEST

static void edit(struct simulated_tdx *s, const char *find, const char *with)
{
    s->tcb_info = (struct simulated_tdx_edit){find, with};
}

static void edit_qe(struct simulated_tdx *s, const char *find, const char *with)
{
    s->qe_identity = (struct simulated_tdx_edit){find, with};
}

/* A key that nobody knows, with 10 000 lists in one another. */
static void nest(struct simulated_tdx *s, char open, char close, size_t deep)
{
    static char text[32 * 1024];
    size_t n = strlen(strcpy(text, "{\"deep\":"));

    memset(text + n, open, deep);
    memset(text + n + deep, close, deep);
    (void)strcpy(text + n + 2 * deep, ",\"id\":");
    edit(s, "{\"id\":", text);
}

static void drop_identity(struct simulated_tdx *s, uint32_t keep)
{
    struct tally_sim_tdx_tcb_info *t = &s->spec.tcb_info;

    t->identities[0] = t->identities[keep];
    t->identities_n = 1;
}

static void launch(struct simulated_tdx *s, uint8_t minor, uint8_t module, uint8_t microcode)
{
    const uint8_t svn[3] = {minor, module, microcode};

    memcpy(s->quote.tee_tcb_svn, svn, sizeof svn);
    memcpy(s->quote.tee_tcb_svn2, svn, sizeof svn);
}

#define ONES_48                                        \
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF" \
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
#define TCB_INFO s->spec.tcb_info
#define QE_ID    s->spec.qe_identity

/* clang-format off */
#define MEANING(X)                                                                                \
    X(other_fmspc, E_COLLATERAL_MISMATCH, TCB_INFO.fmspc = "90C06F000001")                        \
    X(fmspc_in_lower_case, NONE, TCB_INFO.fmspc = "90c06f000000")                                 \
    X(other_pce_id, E_COLLATERAL_MISMATCH, TCB_INFO.pce_id = "0001")                              \
    X(other_pce_id_in_the_leaf, E_COLLATERAL_MISMATCH, s->spec.pck.pceid[1] = 1;                  \
      tally_sim_tdx_pck_add(&s->spec.pck, &s->spec.certs[TALLY_SIM_TDX_PCK].exts))                \
    X(id_sgx, E_COLLATERAL_MISMATCH, TCB_INFO.id = "SGX")                                         \
    X(id_in_lower_case, E_COLLATERAL_MISMATCH, TCB_INFO.id = "tdx")                               \
    X(tcb_version_2, E_VERSION, TCB_INFO.version = 2)                                             \
    X(tcb_version_4, E_VERSION, TCB_INFO.version = 4)                                             \
    X(tcb_evaluation_16, E_COLLATERAL_ROLLBACK, TCB_INFO.evaluation_number = 16)                  \
    X(tcb_evaluation_17, NONE, TCB_INFO.evaluation_number = 17)                                   \
    X(tcb_evaluation_below_the_policy, E_COLLATERAL_ROLLBACK, s->policy.evaluation_min = 19;      \
      QE_ID.evaluation_number = 19)                                                               \
    X(qe_id_of_sgx, E_COLLATERAL_MISMATCH, QE_ID.id = "QE")                                       \
    X(qe_version_1, E_VERSION, QE_ID.version = 1)                                                 \
    X(qe_version_3, E_VERSION, QE_ID.version = 3)                                                 \
    X(qe_evaluation_16, E_COLLATERAL_ROLLBACK, QE_ID.evaluation_number = 16)                      \
    X(qe_mr_signer_of_another, E_QE_IDENTITY,                                                     \
      QE_ID.mrsigner = "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C4")        \
    X(qe_prod_id_1, E_QE_IDENTITY, QE_ID.isvprodid = 1)                                           \
    X(qe_levels_above, E_QE_IDENTITY, QE_ID.levels[0].isvsvn = 5)                                 \
    X(module_identity_missing, E_MODULE_IDENTITY, drop_identity(s, 0))                            \
    X(module_identities_missing, E_MODULE_IDENTITY, TCB_INFO.identities_n = 0)                    \
    X(module_3_is_there, NONE, launch(s, 3, 3, 3))                                                \
    X(module_3_missing, E_MODULE_IDENTITY, launch(s, 3, 3, 3); drop_identity(s, 1))               \
    X(module_2_never_was, E_MODULE_IDENTITY, launch(s, 6, 2, 3))                                  \
    X(module_255, E_MODULE_IDENTITY, launch(s, 6, 255, 3))                                        \
    X(module_of_its_own_signer, NONE, TCB_INFO.module.mrsigner = ONES_48)                         \
    X(module_of_another_signer, E_MODULE_IDENTITY, TCB_INFO.identities[1].mrsigner = ONES_48)     \
    X(other_modules_signer, NONE, TCB_INFO.identities[0].mrsigner = ONES_48)                      \
    X(module_attributes, E_MODULE_IDENTITY,                                                       \
      TCB_INFO.identities[1].attributes = "0100000000000000")                                     \
    X(module_without_id, NONE, launch(s, 5, 0, 3))                                                \
    X(module_without_id_of_another, E_MODULE_IDENTITY, launch(s, 5, 0, 3);                        \
      TCB_INFO.module.mrsigner = ONES_48)                                                         \
    X(key_unknown, NONE, edit(s, "\"tcbType\":0", "\"tcbType\":0,\"more\":[{\"a\":null}]"))
MEANING(SIM_TDX_CHANGE)

#define SYNTAX(X)                                                                                 \
    X(key_twice, E_FORMAT, edit(s, "\"version\":3", "\"version\":3,\"version\":3"))               \
    X(key_twice_last_wins, E_FORMAT, edit(s, "\"fmspc\"", "\"fmspc\":\"000000000000\",\"fmspc\"")) \
    X(key_twice_deep, E_FORMAT, edit(s, "\"isvsvn\":6", "\"isvsvn\":0,\"isvsvn\":6"))             \
    X(key_twice_escaped, E_FORMAT, edit(s, "\"version\":3", "\"version\":3,\"\\u0076ersion\":4")) \
    X(qe_key_twice, E_FORMAT, edit_qe(s, "\"isvprodid\":2", "\"isvprodid\":1,\"isvprodid\":2"))   \
    X(components_15, E_FORMAT, TCB_INFO.levels[0].sgx_n = 15)                                     \
    X(components_17, E_FORMAT, TCB_INFO.levels[0].sgx_n = 17)                                     \
    X(components_0, E_FORMAT, TCB_INFO.levels[0].sgx_n = 0)                                       \
    X(tdx_components_15, E_FORMAT, TCB_INFO.levels[0].tdx_n = 15)                                 \
    X(tdx_components_17, E_FORMAT, TCB_INFO.levels[0].tdx_n = 17)                                 \
    X(svn_256, E_FORMAT, TCB_INFO.levels[0].sgx[5] = 256)                                         \
    X(tdx_svn_256, E_FORMAT, TCB_INFO.levels[0].tdx[15] = 256)                                    \
    X(pcesvn_65536, E_FORMAT, TCB_INFO.levels[0].pcesvn = 65536)                                  \
    X(isvsvn_65536, E_FORMAT, TCB_INFO.identities[1].levels[0].isvsvn = 65536)                    \
    X(isvprodid_65538, E_FORMAT, QE_ID.isvprodid = 65538)                                         \
    X(number_huge, E_FORMAT,                                                                      \
      edit(s, "\"version\":3", "\"version\":340282366920938463463374607431768211459"))            \
    X(number_wraps, E_FORMAT, edit(s, "\"version\":3", "\"version\":4294967299"))                 \
    X(number_negative, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":-1"))                       \
    X(number_fraction, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":13.0"))                     \
    X(number_exponent, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":13e0"))                     \
    X(number_leading_zero, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":013"))                  \
    X(number_hex, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":0xd"))                           \
    X(number_as_text, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":\"13\""))                    \
    X(number_null, E_FORMAT, edit(s, "\"pcesvn\":13", "\"pcesvn\":null"))                         \
    X(nested_10000_lists, E_FORMAT, nest(s, '[', ']', 10000))                                     \
    X(nested_lists_unclosed, E_FORMAT, nest(s, '[', '[', 10000))                                  \
    X(nested_9_lists, E_FORMAT, nest(s, '[', ']', 9))                                             \
    X(comma_too_many, E_FORMAT, edit(s, "\"tcbType\":0,", "\"tcbType\":0,,"))                     \
    X(comma_at_the_end, E_FORMAT,                                                                 \
      edit(s, "{\"svn\":0},{\"svn\":0}]", "{\"svn\":0},{\"svn\":0},]"))                           \
    X(comma_missing, E_FORMAT, edit(s, "\"tcbType\":0,", "\"tcbType\":0"))                        \
    X(colon_missing, E_FORMAT, edit(s, "\"tcbType\":0", "\"tcbType\" 0"))                         \
    X(comment, E_FORMAT, edit(s, "\"tcbType\":0", "/**/\"tcbType\":0"))                           \
    X(single_quotes, E_FORMAT, edit(s, "\"tcbType\":0", "'tcbType':0"))                           \
    X(control_character, E_FORMAT, edit(s, "\"UpToDate\"", "\"UpToDate\n\""))                     \
    X(tcb_type_1, E_FORMAT, TCB_INFO.tcb_type = 1)                                                \
    X(no_fmspc_key, E_FORMAT, edit(s, "\"fmspc\"", "\"fmspd\""))                                  \
    X(no_pce_id_key, E_FORMAT, edit(s, "\"pceId\"", "\"pceid\""))                                 \
    X(no_id_key, E_FORMAT, edit(s, "{\"id\":\"TDX\"", "{\"di\":\"TDX\""))                         \
    X(no_version_key, E_FORMAT, edit(s, "\"version\"", "\"Version\""))                            \
    X(no_issue_date, E_FORMAT, edit(s, "\"issueDate\"", "\"issuedate\""))                         \
    X(no_next_update, E_FORMAT, edit(s, "\"nextUpdate\"", "\"nextupdate\""))                      \
    X(no_evaluation_number, E_FORMAT, edit(s, "\"tcbEvaluationDataNumber\"", "\"number\""))       \
    X(no_pcesvn, E_FORMAT, edit(s, "\"pcesvn\"", "\"pcesvm\""))                                   \
    X(no_isvsvn, E_FORMAT, edit(s, "\"isvsvn\"", "\"isvsvm\""))                                   \
    X(no_sgx_components, E_FORMAT, edit(s, "\"sgxtcbcomponents\"", "\"components\""))             \
    X(no_tdx_components, E_FORMAT, edit(s, "\"tdxtcbcomponents\"", "\"components\""))             \
    X(no_svn, E_FORMAT, edit(s, "{\"svn\":0}", "{}"))                                             \
    X(no_status, E_FORMAT, edit(s, "\"tcbStatus\"", "\"status\""))                                \
    X(no_tcb_date, E_FORMAT, edit(s, "\"tcbDate\"", "\"date\""))                                  \
    X(no_module_mask, E_FORMAT, edit(s, "\"attributesMask\"", "\"mask\""))                        \
    X(qe_no_mr_signer, E_FORMAT, edit_qe(s, "\"mrsigner\"", "\"signer\""))                        \
    X(qe_no_prod_id, E_FORMAT, edit_qe(s, "\"isvprodid\"", "\"prodid\""))                         \
    X(qe_no_misc_mask, E_FORMAT, edit_qe(s, "\"miscselectMask\"", "\"mask\""))                    \
    X(qe_no_levels, E_FORMAT, edit_qe(s, "\"tcbLevels\"", "\"levels\""))                          \
    X(fmspc_of_5_bytes, E_FORMAT, TCB_INFO.fmspc = "90C06F0000")                                  \
    X(fmspc_of_7_bytes, E_FORMAT, TCB_INFO.fmspc = "90C06F00000000")                              \
    X(fmspc_no_hex, E_FORMAT, TCB_INFO.fmspc = "90C06F00000G")                                    \
    X(fmspc_escaped, E_FORMAT, TCB_INFO.fmspc = "\\u0039" "0C06F000000")                          \
    X(signer_of_47_bytes, E_FORMAT, TCB_INFO.module.mrsigner = &ONES_48[2])                       \
    X(qe_attributes_of_15_bytes, E_FORMAT, QE_ID.attributes = "110000000000000000000000000000")   \
    X(qe_mask_of_17_bytes, E_FORMAT, QE_ID.attributes_mask = "FBFFFFFFFFFFFFFF000000000000000000") \
    X(qe_signer_of_31_bytes, E_FORMAT,                                                            \
      QE_ID.mrsigner = "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8")          \
    X(module_id_short, E_FORMAT, TCB_INFO.identities[1].id = "TDX_1")                             \
    X(module_id_decimal, E_FORMAT, TCB_INFO.identities[1].id = "TDX_001")                         \
    X(status_unknown, E_FORMAT, TCB_INFO.levels[0].is.status = "Fine")                            \
    X(status_in_lower_case, E_FORMAT, TCB_INFO.levels[0].is.status = "uptodate")                  \
    X(status_of_converging, E_FORMAT, TCB_INFO.levels[0].is.status = "TDRelaunchAdvised")         \
    X(date_of_no_calendar, E_FORMAT,                                                              \
      edit(s, "\"tcbDate\":\"2024-11-13", "\"tcbDate\":\"2023-02-29"))                            \
    X(date_month_13, E_FORMAT, edit(s, "\"tcbDate\":\"2024-11", "\"tcbDate\":\"2024-13"))         \
    X(date_without_zone, E_FORMAT, edit(s, "T00:00:00Z", "T00:00:00"))                            \
    X(date_with_offset, E_FORMAT, edit(s, "T00:00:00Z", "T00:00:00+00:00"))
SYNTAX(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case meaning[] = {MEANING(SIM_TDX_ROW)};
static const struct simulated_tdx_case syntax[] = {SYNTAX(SIM_TDX_ROW)};

START_TEST(collateral_is_of_this_machine_and_of_today)
{
    simulated_tdx_cases(meaning, sizeof meaning / sizeof meaning[0]);
}
END_TEST

START_TEST(signed_json_is_read_strictly)
{
    simulated_tdx_cases(syntax, sizeof syntax / sizeof syntax[0]);
}
END_TEST

static int digit(int c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* s := n - s in hex. */
static void turn(uint8_t *hex)
{
    static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    int borrow = 0;

    for (size_t i = 64; i-- > 0;) {
        int d = digit(order[i]) - digit(hex[i]) - borrow;
        borrow = d < 0;
        hex[i] = (uint8_t) "0123456789abcdef"[d + (borrow ? 16 : 0)];
    }
}

START_TEST(signatures_over_collateral_are_malleable)
{
    static struct tally_verdict v;
    struct simulated_tdx *s = malloc(sizeof *s);

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    simulated_tdx_make(s);
    turn(signature(TCB_FILE) + 64);
    turn(signature(QE_FILE) + 64);
    ck_assert_msg(simulated_tdx_verify(s, &v) == TALLY_OK, "%s", tally_why());
    free(s);
}
END_TEST

/* Every flipped byte of the files is found, wherever it is, and no cache hides it. */
START_TEST(no_byte_of_collateral_is_free)
{
    static struct tally_verdict v;
    struct simulated_tdx *s = malloc(sizeof *s);
    struct tally_attest_cache *cache = NULL;
    size_t step = getenv("TALLY_LONG") ? 1 : 13;

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    simulated_tdx_make(s);
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    s->expect.cache = cache;
    ck_assert_int_eq(simulated_tdx_verify(s, &v), TALLY_OK);
    for (int f = TALLY_SIM_TDX_TCB_INFO; f <= TALLY_SIM_TDX_PCK_CRL; f++) {
        for (size_t i = 0; i < s->files[f].len; i += step) {
            s->files[f].at[i] ^= 2;
            ck_assert_msg(simulated_tdx_verify(s, &v) != TALLY_OK, "file %d byte %zu", f, i);
            s->files[f].at[i] ^= 2;
        }
    }
    ck_assert_int_eq(simulated_tdx_verify(s, &v), TALLY_OK);
    tally_attest_cache_destroy(&cache);
    free(s);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim_collateral");

    tcase_add_test(t, the_exact_bytes_are_signed);
    tcase_add_test(t, collateral_is_of_this_machine_and_of_today);
    tcase_add_test(t, signed_json_is_read_strictly);
    tcase_add_test(t, signatures_over_collateral_are_malleable);
    tcase_add_test(t, no_byte_of_collateral_is_free);
    return tally_suite_run("common/verify_tdx_sim_collateral", t);
}
