/* fuzz_hcl.c - HCL blobs and their JSON; what decodes encodes to the same bytes, and its
 * paravisor's layer is judged as if the hardware had vouched for it. */
#include "common/attest/sim_tpm.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_azure.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static enum tally_status vouch(void *ctx, const struct tally_hcl *hcl,
                               const uint8_t report_data[64], struct tally_verdict *v)
{
    (void)ctx;
    (void)hcl;
    (void)report_data;
    tally_verdict_init(v);
    v->authentic = true;
    tally_verdict_window(v, 1, 2);
    return tally_verdict_end(v);
}

static void check_again(struct tally_slice in, const struct tally_hcl *h)
{
    static uint8_t again[TALLY_HCL_BYTES_MAX];
    struct tally_wr w = tally_wr_to(again, sizeof again);
    struct tally_sim_hcl sim;

    if (h->json.len > TALLY_SIM_JSON_MAX) return;
    tally_sim_hcl_init(h->type, h->hardware, h->json, &sim);
    sim.version = h->version;
    sim.hash = 1U + (uint32_t)h->hash;
    sim.nv_bytes = in.len;
    tally_sim_hcl_encode(&sim, &w);
    TALLY_ASSERT(tally_slice_equal(in, tally_slice_of(again, w.used)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct tally_verdict v;
    struct tally_slice in = tally_slice_of(p, n);
    struct tally_tpm_policy policy;
    struct tally_hcl h = {0};
    const struct tally_azure_judge judge = {.hardware = vouch, .policy = &policy};
    const struct tally_expect expect = {.now_s = 1795000000};
    struct tally_azure_input azure = {.hcl = in};

    if (tally_hcl_json_read(in, &h) == TALLY_OK) TALLY_ASSERT(h.ak_n_len >= 256);
    if (tally_hcl_decode(in, &h) == TALLY_OK) {
        check_again(in, &h);
        azure.tdx = h.type == TALLY_HCL_TDX;
    }
    tally_tpm_policy_strict(&policy);
    enum tally_status s = tally_verify_azure_with(&azure, &judge, &expect, &v);
    TALLY_ASSERT(s != TALLY_OK); /* nothing to compare with */
    return 0;
}
