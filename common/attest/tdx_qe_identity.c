/* tdx_qe_identity.c - QE identity from its JSON; see tdx_tcb.h. */
#include "common/attest/tdx_tcb_read.h"

static enum tally_status read_qe_key(struct tally_tdx_json *j, struct tally_slice key,
                                     struct tally_tdx_qe_identity *q, unsigned *seen)
{
    const struct {
        const char *key;
        uint8_t *to;
        size_t n;
        unsigned bit;
    } hex[] = {
        {"miscselect",     q->misc_select,      sizeof q->misc_select,      32 },
        {"miscselectMask", q->misc_select_mask, sizeof q->misc_select_mask, 64 },
        {"attributes",     q->attributes,       sizeof q->attributes,       128},
        {"attributesMask", q->attributes_mask,  sizeof q->attributes_mask,  256},
        {"mrsigner",       q->mr_signer,        sizeof q->mr_signer,        512},
    };

    for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
        if (!tally_tdx_json_is(key, hex[i].key)) continue;
        tally_tdx_json_hex(j, hex[i].to, hex[i].n);
        *seen |= hex[i].bit;
        return TALLY_OK;
    }
    if (tally_tdx_json_is(key, "isvprodid")) {
        q->isv_prod_id = (uint16_t)tally_tdx_json_uint(j, UINT16_MAX);
        *seen |= 1024;
    } else if (tally_tdx_json_is(key, "tcbLevels")) {
        TALLY_TRY(tally_tdx_read_svn_levels(j, q->levels, &q->levels_n));
        *seen |= 2048;
    } else {
        (void)tally_tdx_json_skip(j);
    }
    return TALLY_OK;
}

enum tally_status tally_tdx_qe_identity_read(struct tally_slice json,
                                             struct tally_tdx_qe_identity *out)
{
    enum { ALL = 4095 };
    struct tally_tdx_json j = tally_tdx_json_from(json);
    const struct tally_tdx_head h = {"TD_QE",       "QE identity", 2,
                                     &out->issue_s, &out->next_s,  &out->evaluation};
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;
    bool known = false;

    *out = (struct tally_tdx_qe_identity){0};
    tally_tdx_json_open(&j, &o);
    while (tally_tdx_json_next(&j, &o, &key)) {
        TALLY_TRY(tally_tdx_read_head(&j, &h, key, &seen, &known));
        if (!known) TALLY_TRY(read_qe_key(&j, key, out, &seen));
    }
    tally_tdx_read_met(&j, seen, ALL, "QE identity with all its parts");
    return tally_tdx_json_end(&j, "QE identity");
}
