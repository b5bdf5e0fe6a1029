/* test_tdx_tcb.c - common/attest/tdx_tcb.c: every way in which Intel's words converge. */
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

static struct tally_tdx_tcb_info info;
static struct tally_tdx_qe_identity qe;

static struct tally_slice info_text(void)
{
    return tdx_bundle_named("2025-10_00806f05")->collateral.tcb_info;
}

static struct tally_slice qe_text(void)
{
    return tdx_bundle_named("2025-10_00806f05")->collateral.qe_identity;
}

/* A platform of two levels (SVN 5 and 3), a module TDX_01 of two (5 and 3), a QE of two (5, 3). */
struct platform {
    enum tally_tdx_status top, below;               /* of the platform */
    enum tally_tdx_status module_top, module_below; /* of the module */
    enum tally_tdx_status qe_top, qe_below;
    uint8_t sgx, tdx, module, module2, qe; /* what the machine has; module2 0: TD report 1.0 */
};

static struct tally_tdx_evaluation judge(const struct platform *p)
{
    struct tally_tdx_pck pck = {.pce_svn = 1};
    struct tally_tdx_quote q = {
        .body_type = p->module2 ? TALLY_TDX_TYPE_TD15 : TALLY_TDX_TYPE_TD10,
        .tee_tcb_svn = {p->module,  1, p->tdx},
        .tee_tcb_svn2 = {p->module2,    1, p->tdx},
        .qe = {.isv_svn = p->qe}
    };
    const enum tally_tdx_status of[3][2] = {
        {p->top,        p->below       },
        {p->module_top, p->module_below},
        {p->qe_top,     p->qe_below    }
    };

    memset(pck.svn, p->sgx, sizeof pck.svn);
    info = (struct tally_tdx_tcb_info){
        .levels_n = 2, .svn_levels_n = 2, .modules_n = 1, .modules = {{.id = 1, .n = 2}}};
    qe = (struct tally_tdx_qe_identity){.levels_n = 2};
    for (int i = 0; i < 2; i++) {
        uint8_t svn = i == 0 ? 5 : 3;
        memset(info.levels[i].sgx, svn, 16);
        info.levels[i].tdx[2] = svn;
        info.levels[i].said = (struct tally_tdx_said){of[0][i], 1000U + svn, {0}};
        info.svn_levels[i] = (struct tally_tdx_svn_level){
            svn, {of[1][i], 2000U + svn, {0}}
        };
        qe.levels[i] = (struct tally_tdx_svn_level){
            svn, {of[2][i], 3000U + svn, {0}}
        };
    }
    return tally_tdx_evaluate(&info, &qe, &pck, &q);
}

#define UTD TALLY_TDX_UP_TO_DATE
#define SWH TALLY_TDX_SW_HARDENING
#define CN  TALLY_TDX_CONFIGURATION
#define CSH TALLY_TDX_CONFIGURATION_SW_HARDENING
#define OOD TALLY_TDX_OUT_OF_DATE
#define OCN TALLY_TDX_OUT_OF_DATE_CONFIGURATION
#define REV TALLY_TDX_REVOKED
#define TRA TALLY_TDX_RELAUNCH
#define TRC TALLY_TDX_RELAUNCH_CONFIGURATION
#define NOT TALLY_TDX_NOT_SUPPORTED

/* clang-format off */
static const struct {
    struct platform p;
    enum tally_tdx_status status;
} evaluations[] = {
    /* everything at the top, everything old, and each of the three old */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, UTD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 3, 3, 3, 0, 3}, OOD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 3, 5, 5, 0, 5}, OOD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 3, 5, 0, 5}, OOD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 5}, OOD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 3}, OOD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 9, 9, 9, 0, 9}, UTD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 4, 4, 4, 0, 4}, OOD},
    /* below every level */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 2, 5, 5, 0, 5}, NOT},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 2, 5, 0, 5}, NOT},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 2, 0, 5}, NOT},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 2}, NOT},
    /* a part that is out of date, with each word of the platform */
    {{SWH, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, SWH},
    {{SWH, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 5}, OOD},
    {{SWH, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 3}, OOD},
    {{CN, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, CN},
    {{CN, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 5}, OCN},
    {{CN, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 3}, OCN},
    {{CSH, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, CSH},
    {{CSH, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 5}, OCN},
    {{CSH, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 3}, OCN},
    {{OCN, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 3}, OCN},
    {{OOD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 3}, OOD},
    /* what is revoked */
    {{REV, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, REV},
    {{UTD, OOD, REV, OOD, UTD, OOD, 5, 5, 5, 0, 5}, REV},
    {{UTD, OOD, UTD, OOD, REV, OOD, 5, 5, 5, 0, 5}, REV},
    {{REV, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 0, 3}, REV},
    {{UTD, REV, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5}, UTD},
    /* TD report 1.5: the module that runs now */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 5, 5}, UTD},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 5, 5}, TRA},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 9, 5}, TRA},
    {{SWH, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 5, 5}, TRA},
    {{CN, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 5, 5}, TRC},
    {{CSH, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 5, 5}, TRC},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 4, 5}, OOD}, /* not the newest */
    {{UTD, OOD, OOD, OOD, UTD, OOD, 5, 5, 3, 5, 5}, OOD}, /* the newest is old as well */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 3, 3, 5, 5}, OOD}, /* microcode is old too */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 3, 5, 3, 5, 5}, OOD}, /* so is the platform */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 3, 5, 3}, OOD}, /* so is the QE */
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 3, 5}, OOD}, /* older now than at launch */
    {{CN, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 3, 5}, OCN},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 2, 5}, NOT},
    {{UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 2, 5, 5}, NOT},
    {{UTD, OOD, UTD, REV, UTD, OOD, 5, 5, 3, 5, 5}, REV},
    {{UTD, OOD, UTD, REV, UTD, OOD, 5, 5, 5, 3, 5}, REV},
    {{UTD, OOD, UTD, OOD, UTD, REV, 5, 5, 3, 5, 3}, REV},
};
/* clang-format on */

START_TEST(words_converge_as_intel_has_them)
{
    struct tally_tdx_evaluation e = judge(&evaluations[_i].p);

    ck_assert_msg(e.status == evaluations[_i].status, "%s, not %s", tally_tdx_status_word(e.status),
                  tally_tdx_status_word(evaluations[_i].status));
    ck_assert_int_eq(e.qe_below, evaluations[_i].p.qe < 3);
    ck_assert_int_eq(e.platform != NULL, e.status != NOT);
    ck_assert_int_eq(e.has_svn2, evaluations[_i].p.module2 != 0);
    if (e.platform != NULL) ck_assert_uint_eq(e.date_s, e.platform->date_s);
}
END_TEST

START_TEST(a_module_without_id_is_judged_by_the_platform_levels)
{
    struct tally_tdx_pck pck = {.pce_svn = 1};
    struct tally_tdx_quote q = {
        .body_type = TALLY_TDX_TYPE_TD10, .tee_tcb_svn = {5,  0, 5},
             .qe = {.isv_svn = 5}
    };
    const struct platform p = {UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5};

    (void)judge(&p);
    memset(pck.svn, 5, sizeof pck.svn);
    info.levels[0].tdx[0] = 5;
    struct tally_tdx_evaluation e = tally_tdx_evaluate(&info, &qe, &pck, &q);
    ck_assert(e.status == UTD && e.module == NULL);
    q.tee_tcb_svn[0] = 4; /* compared here, where an id would have it compared elsewhere */
    e = tally_tdx_evaluate(&info, &qe, &pck, &q);
    ck_assert_int_eq(e.status, OOD);
    pck.pce_svn = 0;
    info.levels[0].pce_svn = info.levels[1].pce_svn = 1;
    ck_assert_int_eq(tally_tdx_evaluate(&info, &qe, &pck, &q).status, NOT);
}
END_TEST

START_TEST(a_component_counts_on_its_own)
{
    struct tally_tdx_pck pck = {.pce_svn = 1};
    struct tally_tdx_quote q = {
        .body_type = TALLY_TDX_TYPE_TD10, .tee_tcb_svn = {5,  1, 5},
             .qe = {.isv_svn = 5}
    };
    const struct platform p = {UTD, OOD, UTD, OOD, UTD, OOD, 5, 5, 5, 0, 5};

    (void)judge(&p);
    for (size_t i = 0; i < 16; i++) {
        memset(pck.svn, 0xff, sizeof pck.svn);
        pck.svn[i] = 4;
        ck_assert_int_eq(tally_tdx_evaluate(&info, &qe, &pck, &q).status, OOD);
        pck.svn[i] = 2;
        ck_assert_int_eq(tally_tdx_evaluate(&info, &qe, &pck, &q).status, NOT);
    }
    memset(pck.svn, 5, sizeof pck.svn);
    for (size_t i = 0; i < 16; i++) {
        info.levels[0].tdx[i]++; /* module minor and id are not compared with an id */
        enum tally_tdx_status s = tally_tdx_evaluate(&info, &qe, &pck, &q).status;
        ck_assert_int_eq(s, i < 2 ? UTD : OOD);
        info.levels[0].tdx[i]--;
    }
}
END_TEST

START_TEST(a_module_and_a_qe_are_known_by_signer_attributes_and_id)
{
    struct tally_tdx_quote q;

    ck_assert_int_eq(tally_tdx_tcb_info_read(info_text(), &info), TALLY_OK);
    ck_assert_int_eq(tally_tdx_qe_identity_read(qe_text(), &qe), TALLY_OK);
    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named("spr_v4_oak")->quote, &q), TALLY_OK);
    ck_assert_int_eq(tally_tdx_module_check(&info, &q), TALLY_OK);
    ck_assert_int_eq(tally_tdx_qe_check(&qe, &q.qe), TALLY_OK);
    for (int k = 0; k < 5; k++) {
        struct tally_tdx_quote w = q;
        if (k == 0) w.tee_tcb_svn[1] = 2;
        if (k == 1) w.mr_signer_seam[47] = 1;
        if (k == 2) w.seam_attributes = 1;
        if (k == 3) w.seam_attributes = UINT64_C(1) << 63;
        if (k == 4) w.body_type = TALLY_TDX_TYPE_TD15, w.tee_tcb_svn2[1] = 2;
        ck_assert_int_ne(tally_tdx_module_check(&info, &w), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_MODULE_IDENTITY);
    }
    for (int k = 0; k < 5; k++) {
        struct tally_tdx_qe_report w = q.qe;
        if (k == 0) w.misc_select = 1;
        if (k == 1) w.attributes[0] ^= 2;
        if (k == 2) w.attributes[7] ^= 0x80;
        if (k == 3) w.mr_signer[0] ^= 1;
        if (k == 4) w.isv_prod_id = 1;
        ck_assert_int_ne(tally_tdx_qe_check(&qe, &w), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_QE_IDENTITY);
    }
    q.qe.attributes[0] ^= 4; /* outside the mask */
    ck_assert_int_eq(tally_tdx_qe_check(&qe, &q.qe), TALLY_OK);
}
END_TEST

static void count(void *to, struct tally_slice name)
{
    ck_assert(name.len > 0);
    ++*(unsigned *)to;
}

START_TEST(an_advisory_is_named_once)
{
    const struct tally_tdx_said said[3] = {
        {UTD, 0, tally_slice_str("[\"A\", \"B\",\"A\"]")},
        {UTD, 0, {0}                                    },
        {UTD, 0, tally_slice_str("[\"B\",\"C\"]")       }
    };
    struct tally_tdx_evaluation e = {.platform = &said[0], .module = &said[1], .qe = &said[2]};
    unsigned n = 0;

    tally_tdx_advisories(&e, count, &n);
    ck_assert_uint_eq(n, 3);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_tcb");

    tcase_add_loop_test(t, words_converge_as_intel_has_them, 0,
                        (int)(sizeof evaluations / sizeof evaluations[0]));
    tcase_add_test(t, a_module_without_id_is_judged_by_the_platform_levels);
    tcase_add_test(t, a_component_counts_on_its_own);
    tcase_add_test(t, a_module_and_a_qe_are_known_by_signer_attributes_and_id);
    tcase_add_test(t, an_advisory_is_named_once);
    return tally_suite_run("common/tdx_tcb", t);
}
