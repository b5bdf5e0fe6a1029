/* fuzz_gpu_report.c - what decodes encodes to the same bytes; what a leaf's extensions say. */
#include <string.h>

#include "common/attest/gpu_leaf.h"
#include "common/attest/gpu_links.h"
#include "common/attest/gpu_report.h"
#include "common/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_leaf(struct tally_slice in)
{
    struct tally_cert c;
    uint8_t id[TALLY_GPU_ID_BYTES], fwid[TALLY_GPU_FWID_BYTES];
    bool has = false;

    if (tally_cert_parse(in, &c) != TALLY_OK) return;
    enum tally_status s = tally_gpu_leaf_device_id(&c, "GH100", id);
    s = tally_gpu_leaf_fwid(&c, &has, fwid);
    (void)s;
    tally_cert_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static uint8_t again[TALLY_GPU_REPORT_BYTES_MAX];
    struct tally_gpu_report r;
    struct tally_gpu_links links;
    char text[TALLY_GPU_TEXT_SIZE];
    struct tally_wr w = tally_wr_to(again, sizeof again);

    read_leaf(tally_slice_of(p, n));
    if (tally_gpu_report_decode(tally_slice_of(p, n), true, &r) != TALLY_OK) return 0;
    tally_gpu_report_encode(&r, &w);
    TALLY_ASSERT(!w.full && w.used <= n && memcmp(again, p, w.used) == 0);
    TALLY_ASSERT(r.signed_part.len + TALLY_GPU_SIG_BYTES == w.used);
    tally_gpu_vbios(&r, text);
    tally_gpu_sku(&r, text);
    tally_gpu_links(&r, &links);
    TALLY_ASSERT(links.n <= TALLY_GPU_LINKS_MAX && tally_gpu_mode(&r) <= TALLY_GPU_MODE_UNKNOWN);
    return 0;
}
