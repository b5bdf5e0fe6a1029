/* test_tdx_tcb_info.c - common/attest/tdx_tcb_info.c: TCB info and QE identity as Intel writes them
 * and as nobody may. What is read here would have been signed; verify_tdx reads nothing else. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

static struct tally_tdx_tcb_info info;
static struct tally_tdx_qe_identity qe;

/* The text with `find` replaced once, as exact-size bytes. */
static struct tally_slice edit(struct tally_slice text, const char *find, const char *with)
{
    const uint8_t *at = memmem(text.at, text.len, find, strlen(find));
    uint8_t *out = malloc(text.len + strlen(with) + 1);

    ck_assert_msg(at != NULL && out != NULL, "%s", find);
    struct tally_wr w = tally_wr_to(out, text.len + strlen(with));
    size_t before = (size_t)(at - text.at), after = before + strlen(find);
    tally_wr_put(&w, text.at, before);
    tally_wr_put(&w, with, strlen(with));
    tally_wr_put(&w, text.at + after, text.len - after);
    struct tally_slice s = tdx_copy(tally_slice_of(out, w.used));
    free(out);
    return s;
}

static struct tally_slice info_text(void)
{
    return tdx_bundle_named("2025-10_00806f05")->collateral.tcb_info;
}

static struct tally_slice qe_text(void)
{
    return tdx_bundle_named("2025-10_00806f05")->collateral.qe_identity;
}

START_TEST(every_published_object_is_read)
{
    size_t n;
    const struct tdx_bundle *list = tdx_bundles(&n);

    ck_assert_uint_eq(n, 7);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(tally_tdx_tcb_info_read(list[i].collateral.tcb_info, &info) == TALLY_OK,
                      "%s: %s", list[i].name, tally_why());
        ck_assert_mem_eq(info.fmspc, list[i].fmspc, sizeof info.fmspc);
        ck_assert_uint_eq(info.evaluation, list[i].evaluation);
        ck_assert(info.levels_n > 0 && info.modules_n > 0 && info.issue_s < info.next_s);
        ck_assert_int_eq(tally_tdx_qe_identity_read(list[i].collateral.qe_identity, &qe), TALLY_OK);
        ck_assert(qe.levels_n > 0 && qe.isv_prod_id == 2 && qe.mr_signer[0] == 0xdc);
        ck_assert_uint_eq(qe.evaluation, list[i].evaluation);
    }
    ck_assert_int_eq(tally_tdx_tcb_info_read(info_text(), &info), TALLY_OK);
    ck_assert_uint_eq(info.modules_n, 3); /* tdxModule, TDX_03, TDX_01 */
    ck_assert(info.modules[0].id == 0 && info.modules[1].id == 3 && info.modules[2].id == 1);
    ck_assert_uint_eq(info.modules[2].n, 2);
    ck_assert(info.levels[0].sgx[0] == 7 && info.levels[0].tdx[2] == 7);
    ck_assert_uint_eq(info.levels[0].pce_svn, 11);
    ck_assert_uint_eq(info.levels[0].said.date_s, 1710288000);
}
END_TEST

#define R_(x) TALLY_R_E_##x
/* clang-format off */
static const struct {
    bool qe;
    const char *find, *with;
    enum tally_reason reason; /* NONE: read all the same */
} edits[] = {
    {false, "\"id\":\"TDX\"", "\"id\":\"SGX\"", R_(COLLATERAL_MISMATCH)},
    {false, "\"version\":3", "\"version\":4", R_(VERSION)},
    {false, "\"version\":3", "\"version\":2", R_(VERSION)},
    {false, "\"version\":3", "\"version\":3.0", R_(FORMAT)},
    {false, "\"version\":3", "\"version\":\"3\"", R_(FORMAT)},
    {false, "\"version\":3", "\"version\":3,\"version\":3", R_(FORMAT)},
    {false, "\"version\":3,", "", R_(FORMAT)},
    {false, "\"version\":3", "\"version\":99999999999999999999", R_(FORMAT)},
    {false, "\"tcbType\":0", "\"tcbType\":1", R_(FORMAT)},
    {false, "\"fmspc\":\"00806F050000\"", "\"fmspc\":\"00806f050000\"", TALLY_R_NONE},
    {false, "\"fmspc\":\"00806F050000\"", "\"fmspc\":\"00806F0500\"", R_(FORMAT)},
    {false, "\"fmspc\":\"00806F050000\",", "", R_(FORMAT)},
    {false, "\"pceId\":\"0000\",", "", R_(FORMAT)},
    {false, "\"issueDate\":\"2025-10-19T17:48:50Z\"", "\"issueDate\":\"2025-10-19\"", R_(FORMAT)},
    {false, "\"nextUpdate\":\"2025-11-18T17:48:50Z\",", "", R_(FORMAT)},
    {false, "{\"svn\":7,", "{\"svn\":256,", R_(FORMAT)},
    {false, "{\"svn\":7,", "{\"svn\":-1,", R_(FORMAT)},
    {false, "{\"svn\":7,", "{", R_(FORMAT)},
    {false, "{\"svn\":0},", "", R_(FORMAT)},                        /* 15 components */
    {false, "{\"svn\":0},", "{\"svn\":0},{\"svn\":0},", R_(FORMAT)}, /* 17 components */
    {false, "\"pcesvn\":11", "\"pcesvn\":65536", R_(FORMAT)},
    {false, "\"pcesvn\":11,", "", R_(FORMAT)},
    {false, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"Uptodate\"", R_(FORMAT)},
    {false, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"NotSupported\"", R_(FORMAT)},
    {false, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"SWHardeningNeeded\"", R_(FORMAT)},
    {false, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"Revoked\"", TALLY_R_NONE},
    {false, "\"tdxModule\":{", "\"tdxModul\":{", R_(FORMAT)},
    {false, "\"id\":\"TDX_03\"", "\"id\":\"TDX_3\"", R_(FORMAT)},
    {false, "\"id\":\"TDX_03\"", "\"id\":\"TDX_01\"", R_(FORMAT)},
    {false, "\"id\":\"TDX_03\"", "\"id\":\"TDX_00\"", R_(FORMAT)},
    {false, "\"id\":\"TDX_03\"", "\"id\":\"TDX_0G\"", R_(FORMAT)},
    {false, "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"", "\"attributesMask\":\"FF\"", R_(FORMAT)},
    {false, "\"isvsvn\":3", "\"isvsvn\":65536", R_(FORMAT)},
    {false, "\"tcbType\":0", "\"tcbType\":0,\"new\":{\"a\":[1,2,{\"b\":null}]}", TALLY_R_NONE},
    {false, "\"tcbType\":0", "\"tcbType\":0,\"new\":[[[[[[[[1]]]]]]]]", R_(FORMAT)},
    {false, "\"INTEL-SA-00960\"", "1", R_(FORMAT)},
    {true, "\"id\":\"TD_QE\"", "\"id\":\"QE\"", R_(COLLATERAL_MISMATCH)},
    {true, "\"version\":2", "\"version\":3", R_(VERSION)},
    {true, "\"isvprodid\":2,", "", R_(FORMAT)},
    {true, "\"isvprodid\":2", "\"isvprodid\":70000", R_(FORMAT)},
    {true, "\"miscselectMask\":\"FFFFFFFF\",", "", R_(FORMAT)},
    {true, "\"attributes\":\"11000000000000000000000000000000\"", "\"attributes\":\"11\"", R_(FORMAT)},
    {true, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"ConfigurationNeeded\"", R_(FORMAT)},
    {true, "\"tcbLevels\":[", "\"tcbLevels\":[1,", R_(FORMAT)},
    {true, "\"isvprodid\":2", "\"isvprodid\":2,\"isvprodid\":2", R_(FORMAT)},
};
/* clang-format on */

START_TEST(an_object_of_another_make_is_refused_by_name)
{
    struct tally_slice text = edits[_i].qe ? qe_text() : info_text();
    struct tally_slice now = edit(text, edits[_i].find, edits[_i].with);
    enum tally_status s =
        edits[_i].qe ? tally_tdx_qe_identity_read(now, &qe) : tally_tdx_tcb_info_read(now, &info);

    ck_assert_msg((s == TALLY_OK) == (edits[_i].reason == TALLY_R_NONE), "%s", edits[_i].with);
    if (s != TALLY_OK) ck_assert_msg(tally_reason() == edits[_i].reason, "%s", tally_why());
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    struct tally_slice text = info_text(), id = qe_text();

    for (size_t n = 0; n < text.len; n += 3)
        ck_assert_int_ne(tally_tdx_tcb_info_read(tdx_copy(tally_slice_of(text.at, n)), &info),
                         TALLY_OK);
    for (size_t n = 0; n < id.len; n++)
        ck_assert_int_ne(tally_tdx_qe_identity_read(tdx_copy(tally_slice_of(id.at, n)), &qe),
                         TALLY_OK);
}
END_TEST

START_TEST(too_many_levels_are_refused)
{
    static char text[64 * 1024];
    struct tally_wr w = tally_wr_to(text, sizeof text - 1);

    tally_wr_bytes(&w, tally_slice_str("\"tcbLevels\":["));
    for (int i = 0; i <= TALLY_TDX_SVN_LEVELS_MAX; i++)
        tally_wr_bytes(&w,
                       tally_slice_str("{\"tcb\":{\"isvsvn\":1},\"tcbDate\":"
                                       "\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"},"));
    ck_assert_int_ne(tally_tdx_qe_identity_read(edit(qe_text(), "\"tcbLevels\":[", text), &qe),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
}
END_TEST

/* Names are told apart by comparing each with all: a list has an end. */
START_TEST(too_many_advisories_are_refused)
{
    for (int n = TALLY_TDX_LEVEL_ADVISORIES_MAX; n <= TALLY_TDX_LEVEL_ADVISORIES_MAX + 1; n++) {
        char text[16 * 1024];
        struct tally_wr w = tally_wr_to(text, sizeof text - 1);
        tally_wr_bytes(&w, tally_slice_str("\"tcbLevels\":[{\"advisoryIDs\":["));
        for (int i = 0; i < n; i++)
            tally_wr_bytes(&w, tally_slice_str(i == 0 ? "\"a\"" : ",\"a\""));
        tally_wr_bytes(&w, tally_slice_str("],"));
        text[w.used] = '\0';
        const char *from = "\"tcbLevels\":[{";
        bool good = tally_tdx_qe_identity_read(edit(qe_text(), from, text), &qe) == TALLY_OK;
        ck_assert_msg(good == (n == TALLY_TDX_LEVEL_ADVISORIES_MAX), "%d: %s", n, tally_why());
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_tcb_info");

    tcase_add_test(t, every_published_object_is_read);
    tcase_add_loop_test(t, an_object_of_another_make_is_refused_by_name, 0,
                        (int)(sizeof edits / sizeof edits[0]));
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, too_many_levels_are_refused);
    tcase_add_test(t, too_many_advisories_are_refused);
    return tally_suite_run("common/tdx_tcb_info", t);
}
