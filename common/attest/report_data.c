/* report_data.c - REPORT_DATA as every quote and every verifier has it; see device.h. */
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/gpu_set.h"
#include "common/hash.h"

/* Labels end in their zero byte. */
static struct tally_slice label_of(enum tally_quote_label label)
{
    switch (label) {
    case TALLY_QUOTE_SESSION: return TALLY_SLICE("tally/rd/v1");
    case TALLY_QUOTE_UPDATE: return TALLY_SLICE("tally/up/v1");
    case TALLY_QUOTE_COLLECT: return TALLY_SLICE("tally/ev/v1");
    }
    TALLY_ASSERT(false);
    return TALLY_SLICE("");
}

void tally_report_data(enum tally_quote_label label, const struct tally_slice *body, size_t n,
                       struct tally_slice key_block, uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    struct tally_hasher h;

    tally_hasher_init(&h, TALLY_SHA256);
    tally_hasher_add(&h, label_of(label));
    for (size_t i = 0; i < n; i++) tally_hasher_add(&h, body[i]);
    tally_hasher_end(&h, out);
    TALLY_SHA256_OF(out + TALLY_SHA256_BYTES, TALLY_SLICE("tally/kb/v1"), key_block);
}

void tally_quote_data(const struct tally_quote_ask *ask,
                      const uint8_t set_hash[TALLY_GPU_SET_HASH_BYTES],
                      uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    struct tally_slice parts[] = {ask->body, tally_slice_of(set_hash, TALLY_GPU_SET_HASH_BYTES)};
    bool placed = ask->label != TALLY_QUOTE_COLLECT;

    TALLY_ASSERT(!placed || ask->body.len > TALLY_GPU_SET_HASH_BYTES);
    if (placed) parts[0].len -= TALLY_GPU_SET_HASH_BYTES;
    tally_report_data(ask->label, parts, placed ? 2 : 1, ask->key_block, out);
}

enum tally_status tally_devices_hash(const struct tally_device_evidence *devices, uint32_t n,
                                     uint8_t out[TALLY_GPU_SET_HASH_BYTES])
{
    struct tally_gpu_device list[TALLY_DEVICES_MAX];
    uint32_t certs = 0;

    memset(out, 0, TALLY_GPU_SET_HASH_BYTES);
    if (n == 0) return TALLY_OK;
    TALLY_ASSERT(n <= TALLY_DEVICES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (struct tally_gpu_device){.report = devices[i].report};
        TALLY_TRY(tally_chain_split(devices[i].chain, list[i].chain, TALLY_GPU_CERTS, &certs));
        TALLY_REFUSE_UNLESS(certs == TALLY_GPU_CERTS, TALLY_R_E_CERT_SHAPE,
                            "a device's chain of %u certificates, not %d", certs, TALLY_GPU_CERTS);
    }
    return tally_gpu_set_hash(list, n, out);
}

enum tally_status tally_quote_expected(const struct tally_quote_ask *ask, struct tally_slice ev,
                                       uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                       uint8_t gpu_nonce[32])
{
    struct tally_evidence e;
    uint8_t set_hash[TALLY_GPU_SET_HASH_BYTES];

    TALLY_TRY(tally_evidence_decode(ev, &e));
    TALLY_TRY(tally_devices_hash(e.devices, e.devices_n, set_hash));
    tally_quote_data(ask, set_hash, report_data);
    tally_gpu_nonce(ask->nonce, ask->key_block, gpu_nonce);
    return TALLY_OK;
}
