/* update_data.h - REPORT_DATA of an update from a node without devices. */
#pragma once

#include "common/attest/device.h"
#include "proto/roundframes.h"

static inline void update_data(struct tally_slice st, struct tally_slice key_block,
                               uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    uint8_t buf[TALLY_UPDATE_BODY_MAX];
    struct tally_slice body = tally_update_body(st, buf);

    tally_report_data(TALLY_QUOTE_UPDATE, &body, 1, key_block, out);
}
