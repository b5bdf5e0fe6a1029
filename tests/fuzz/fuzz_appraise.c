/* fuzz_appraise.c - a chip with a GPU, judged as one: EV and endorsements as they travel, with the
 * cache that a program keeps. An input that begins with an odd byte is an EV, its length before it,
 * and endorsements; any other is a list of changes (offset, bits to flip) to good ones. Whatever is
 * believed is what was signed. */
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/device_ops.h"
#include "common/attest/evidence.h"
#include "common/attest/gpu_set.h"
#include "common/attest/policy.h"
#include "common/attest/sim_chip.h"
#include "common/attest/sim_gpu.h"

enum { NOW_S = 1795000000, EDIT = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct tally_anchor anchors[2];
static struct tally_attest_cache *cache;
static uint8_t good[64 * 1024];
static size_t ev_len, all_len;
static const uint8_t nonce[32] = {1}, key_block[] = "keys";
static struct tally_quote_ask ask = {.label = TALLY_QUOTE_COLLECT, .nonce = nonce};

/* Keeps what the anchor points into. */
static void make_gpu(const uint8_t gpu_nonce[32], struct tally_device_evidence *out)
{
    static struct tally_sim_gpu_root *root;
    static struct tally_sim_gpu *gpu;
    static struct tally_sim_gpu_report r;
    static uint8_t report[TALLY_GPU_REPORT_BYTES_MAX], chain[TALLY_DEVICE_CHAIN_MAX];
    struct tally_wr w = tally_wr_to(report, sizeof report);
    struct tally_wr c = tally_wr_to(chain, sizeof chain);

    TALLY_ASSERT(tally_sim_gpu_root_new(NOW_S, NULL, &root) == TALLY_OK &&
                 tally_sim_gpu_new(root, TALLY_GPU_GH100, NOW_S, &gpu) == TALLY_OK);
    tally_sim_gpu_report_init(gpu, gpu_nonce, &r);
    TALLY_ASSERT(tally_sim_gpu_report_sign(gpu, &r, &w) == TALLY_OK);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) tally_wr_bytes(&c, tally_sim_gpu_der(gpu, i));
    anchors[1] =
        (struct tally_anchor){.trust = TALLY_TRUST_TEST, .root = tally_sim_gpu_root_der(root)};
    *out = (struct tally_device_evidence){TALLY_DEVICE_GPU, tally_slice_of(report, w.used),
                                          tally_slice_of(chain, c.used)};
}

static void setup(void)
{
    static struct tally_sim_root *root;
    static struct tally_sim_chip *chip;
    struct tally_device_evidence gpu;
    struct tally_snp_report r;
    uint8_t gpu_nonce[32], set_hash[TALLY_GPU_SET_HASH_BYTES], bytes[TALLY_SNP_REPORT_BYTES];
    struct tally_wr ev = tally_wr_to(good, sizeof good);

    TALLY_ASSERT(tally_sim_root_new(NOW_S, &root) == TALLY_OK &&
                 tally_sim_chip_new(root, NOW_S, &chip) == TALLY_OK &&
                 tally_attest_cache_new(&cache) == TALLY_OK);
    ask.body = TALLY_SLICE(nonce);
    ask.key_block = TALLY_SLICE(key_block);
    anchors[0] = (struct tally_anchor){.trust = TALLY_TRUST_TEST,
                                       .root = tally_slice_of(root->ark.at, root->ark.len)};
    tally_gpu_nonce(ask.nonce, ask.key_block, gpu_nonce);
    make_gpu(gpu_nonce, &gpu);
    tally_sim_report_init(chip, &r);
    TALLY_ASSERT(tally_devices_hash(&gpu, 1, set_hash) == TALLY_OK);
    tally_quote_data(&ask, set_hash, r.report_data);
    TALLY_ASSERT(tally_sim_report_sign(chip, &r, bytes) == TALLY_OK);
    tally_evidence_encode(
        &ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_evidence_add_devices(&ev, &gpu, 1);
    ev_len = ev.used;
    tally_sim_endorsements(chip, &ev);
    TALLY_ASSERT(!ev.full);
    all_len = ev.used;
}

/* The names that endorsements travel under are all that nobody signed. */
static bool same_endorsements(struct tally_slice a, struct tally_slice b)
{
    static struct tally_endorsements x, y;

    if (tally_endorsements_decode(a, &x) != TALLY_OK ||
        tally_endorsements_decode(b, &y) != TALLY_OK || x.n != y.n)
        return false;
    for (uint32_t i = 0; i < x.n; i++) {
        if (x.items[i].kind != y.items[i].kind ||
            !tally_slice_equal(x.items[i].bytes, y.items[i].bytes))
            return false;
    }
    return true;
}

static enum tally_status judge(struct tally_slice ev, struct tally_slice endorsements, bool strict)
{
    static struct tally_verdict v;
    static const uint8_t measurement[1][TALLY_MEASUREMENT_BYTES];
    struct tally_policy policy;
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], gpu_nonce[32];

    if (strict)
        tally_policy_strict(&policy);
    else
        tally_policy_integrity(&policy);
    policy.gpu.require_rim = false;
    TALLY_TRY(tally_quote_expected(&ask, ev, report_data, gpu_nonce));
    const struct tally_expect expect = {.now_s = NOW_S,
                                        .trust = strict ? TALLY_TRUST_TEST : 0,
                                        .report_data = report_data,
                                        .nonce = TALLY_SLICE(gpu_nonce),
                                        .measurements = measurement,
                                        .measurements_n = 1,
                                        .any_chip = true,
                                        .cache = cache};
    enum tally_status s = tally_appraise(ev, endorsements, anchors, 2, &policy, &expect, &v);
    TALLY_ASSERT((s == TALLY_OK) == (v.failed_n == 0 && v.missing_n == 0));
    TALLY_ASSERT((s == TALLY_E_UNDECIDED) == v.undecided);
    TALLY_ASSERT(s != TALLY_OK ||
                 (v.authentic && v.not_before_s <= NOW_S && v.not_after_s >= NOW_S));
    return s;
}

static void judge_raw(const uint8_t *p, size_t n)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(p, n));
    struct tally_slice ev = tally_rd_vec(&r, TALLY_EV_MAX, "EV");

    TALLY_ASSERT(judge(ev, tally_slice_of(r.at, r.left), false) != TALLY_OK ||
                 tally_slice_equal(ev, tally_slice_of(good, ev_len)));
}

/* Keys take seconds: not the first input's. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static uint8_t copy[sizeof good];

    if (n > 0 && (p[0] & 1)) {
        judge_raw(p + 1, n - 1);
        return 0;
    }
    memcpy(copy, good, all_len);
    for (size_t i = 1; i + EDIT <= n; i += EDIT)
        copy[((size_t)p[i] << 16 | (size_t)p[i + 1] << 8 | p[i + 2]) % all_len] ^= p[i + 3];
    bool same = memcmp(copy, good, ev_len) == 0 &&
                same_endorsements(tally_slice_of(copy + ev_len, all_len - ev_len),
                                  tally_slice_of(good + ev_len, all_len - ev_len));
    enum tally_status s =
        judge(tally_slice_of(copy, ev_len), tally_slice_of(copy + ev_len, all_len - ev_len),
              n > 0 && (p[0] & 2));
    TALLY_ASSERT((s == TALLY_OK) == same);
    return 0;
}
