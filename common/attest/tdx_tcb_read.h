/* tdx_tcb_read.h - what TCB info and QE identity have in common; for tdx_tcb_info.c and
 * tdx_qe_identity.c. Readers note in bits of *seen which keys they met. */
#pragma once

#include "common/attest/tdx_json.h"
#include "common/attest/tdx_tcb.h"

/* Fails unless all these bits were seen. */
void tally_tdx_read_met(struct tally_tdx_json *j, unsigned seen, unsigned all, const char *what);
/* "tcbDate", "tcbStatus", "advisoryIDs": bits 0, 1 and none; false if the key is another. */
bool tally_tdx_read_said(struct tally_tdx_json *j, struct tally_slice key,
                         struct tally_tdx_said *said, unsigned *seen);
/* The levels of a module or QE, appended to list[*list_n]. E_OVERSIZE. */
TALLY_RESULT tally_tdx_read_svn_levels(struct tally_tdx_json *j, struct tally_tdx_svn_level *list,
                                       uint16_t *list_n);

/* What both objects begin with: bits 0 to 4; *known is false if the key is another.
 * E_COLLATERAL_MISMATCH, E_VERSION. */
struct tally_tdx_head {
    const char *id, *what;
    uint32_t version;
    uint64_t *issue_s, *next_s;
    uint32_t *evaluation;
};
TALLY_RESULT tally_tdx_read_head(struct tally_tdx_json *j, const struct tally_tdx_head *h,
                                 struct tally_slice key, unsigned *seen, bool *known);
