/* fuzz_tdx_collateral.c - responses, TCB info and QE identity, and what is evaluated by them. */
#include "common/attest/tdx_collateral.h"
#include "common/attest/tdx_json.h"
#include "common/attest/tdx_tcb.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void count(void *to, struct tally_slice name)
{
    *(size_t *)to += name.len;
}

static void put(struct tally_slice in, const char *name)
{
    struct tally_tdx_collateral c = {0};

    if (tally_tdx_collateral_put(&c, tally_slice_str(name), in) != TALLY_OK) return;
    TALLY_ASSERT(c.tcb_info.len + c.tcb_info_sig.len < in.len + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct tally_tdx_tcb_info info;
    static struct tally_tdx_qe_identity qe;
    struct tally_slice in = tally_slice_of(p, n);
    struct tally_tdx_json j = tally_tdx_json_from(in);
    size_t names = 0;

    (void)tally_tdx_json_skip(&j);
    put(in, "tcb_info_response.json");
    put(in, "qe_identity_response.json");
    bool read = tally_tdx_tcb_info_read(in, &info) == TALLY_OK;
    bool read_qe = tally_tdx_qe_identity_read(in, &qe) == TALLY_OK;
    if (!read && !read_qe) return 0;
    const struct tally_tdx_pck pck = {
        .svn = {9, 9, 9, 9, 9, 9, 9, 9},
          .pce_svn = 20
    };
    const struct tally_tdx_quote q = {
        .body_type = TALLY_TDX_TYPE_TD15,
        .tee_tcb_svn = {n & 0xff, 1, 9},
        .tee_tcb_svn2 = {9,       3, 9},
        .qe = {.isv_svn = 9       }
    };
    struct tally_tdx_evaluation e = tally_tdx_evaluate(&info, &qe, &pck, &q);
    tally_tdx_advisories(&e, count, &names);
    enum tally_status s = tally_tdx_module_check(&info, &q);
    TALLY_ASSERT(s == TALLY_OK || tally_reason() == TALLY_R_E_MODULE_IDENTITY);
    return 0;
}
