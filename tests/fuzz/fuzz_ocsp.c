/* fuzz_ocsp.c - OCSP responses against a chain of simulated certificates. An input that begins with
 * an odd byte is a response; any other is a list of changes (offset, bits to flip) to a good one,
 * so that what stands behind the match of certificates is reached: only what was signed may count.
 */
#include <string.h>

#include "common/attest/gpu_ocsp.h"
#include "common/attest/sim_gpu.h"

enum { NOW_S = 1795000000, DAY_S = 86400, EDIT = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct tally_gpu_chain chain;
static uint8_t good[TALLY_OCSP_BYTES_MAX];
static size_t good_len;

static void setup(void)
{
    struct tally_sim_gpu_root *root = NULL;
    struct tally_sim_gpu *gpu = NULL;
    struct tally_slice der[TALLY_GPU_CERTS];
    struct tally_wr w = tally_wr_to(good, sizeof good);
    const struct tally_sim_ocsp says = {.place = 1,
                                        .signer = TALLY_SIM_OCSP_DELEGATE,
                                        .this_update_s = NOW_S - DAY_S,
                                        .next_update_s = NOW_S + DAY_S,
                                        .signer_until_s = NOW_S + DAY_S,
                                        .id_hash = "SHA384"};

    TALLY_ASSERT(tally_sim_gpu_root_new(NOW_S, NULL, &root) == TALLY_OK &&
                 tally_sim_gpu_new(root, TALLY_GPU_GH100, NOW_S, &gpu) == TALLY_OK);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) der[i] = tally_sim_gpu_der(gpu, i);
    const struct tally_anchor anchor = {.trust = TALLY_TRUST_TEST, .root = der[4]};
    TALLY_ASSERT(tally_gpu_chain_verify(der, TALLY_GPU_CERTS, &anchor, 1, NULL, &chain) ==
                     TALLY_OK &&
                 tally_sim_gpu_ocsp(gpu, &says, &w) == TALLY_OK);
    good_len = w.used;
    tally_sim_gpu_free(&gpu);
    tally_sim_gpu_root_free(&root);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static uint8_t copy[TALLY_OCSP_BYTES_MAX];
    struct tally_gpu_ocsp sum = {.until_s = UINT64_MAX};
    struct tally_slice in = tally_slice_of(copy, good_len);

    if (good_len == 0) setup();
    in.len = good_len;
    memcpy(copy, good, good_len);
    for (size_t i = 1; n > 0 && i + EDIT <= n; i += EDIT)
        copy[((size_t)p[i] << 8 | p[i + 1]) % good_len] ^= p[i + 2];
    if (n > 0 && (p[0] & 1)) in = tally_slice_of(p + 1, n - 1);
    bool same = in.len == good_len && memcmp(in.at, good, good_len) == 0;
    enum tally_status s = tally_gpu_ocsp_check(in, &chain, NOW_S, &sum);
    TALLY_ASSERT((s == TALLY_OK) == same && sum.good[1] == same);
    return 0;
}
