/* report_data.c - REPORT_DATA as every quote and every verifier has it; see device.h. */
#include "common/attest/device.h"
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
