/* tdx_rows.h - the published TDX quotes and bundles of collateral with their independent verdicts
 * (vectors/tdx/expected.json), as verifier input. Loaded once, kept to the end; every file is a
 * fresh heap block of exact size. */
#pragma once

#include "common/attest/verify_tdx.h"

enum { TDX_ROWS_MAX = 32, TDX_RESULTS_MAX = 4, TDX_BUNDLES_MAX = 16 };

struct tdx_bundle {
    char name[32];
    struct tally_tdx_collateral collateral; /* put from all its files */
    uint8_t fmspc[6];
    uint32_t evaluation;
};

struct tdx_result {
    const struct tdx_bundle *bundle;
    const char *final, *platform, *module, *qe, *svn2; /* Intel's words; NULL: none */
    const json_t *advisories;                          /* list of text */
    const char *tcb_date;
    uint64_t from_s, until_s; /* of the collateral and its signer */
    bool pck_in_window;
};

struct tdx_row {
    char name[64];
    struct tally_slice quote; /* the file */
    size_t quote_len;         /* without what follows it */
    bool text_follows;        /* something else than zeros */
    unsigned version;
    struct tdx_result results[TDX_RESULTS_MAX];
    size_t results_n;
};

const struct tdx_row *tdx_rows(size_t *n);
const struct tdx_row *tdx_row_named(const char *name);
/* Every TD's quote, decoded; the sum of what is answered. */
unsigned tdx_each_quote(unsigned (*each)(const char *name, const struct tally_tdx_quote *q,
                                         struct tally_slice bytes));
const struct tdx_bundle *tdx_bundles(size_t *n);
const struct tdx_bundle *tdx_bundle_named(const char *name);
/* A file below vectors/tdx. */
struct tally_slice tdx_file(const char *below_tdx);
/* A copy in a fresh exact-size heap block, kept to the end of the process. */
struct tally_slice tdx_copy(struct tally_slice s);

/* Failure or missing list holds this reason. */
bool tdx_failed(const struct tally_verdict *v, enum tally_reason r);
bool tdx_missing(const struct tally_verdict *v, enum tally_reason r);
