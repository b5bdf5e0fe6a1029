/* features.h - the columns of a bank's table, each computed from what that bank has seen before.
 *
 * A row is a transaction that touches one of the bank's customers. The other party may be
 * another bank's: then its velocities count only what passed through this bank. The label never
 * enters a feature of its own row; confirmed crimes enter the two risk columns 7 days later, as
 * shares over the 30 days before that. */
#pragma once

#include "examples/aml/windows.h"

/* X(name, decimals, kind, transform): kind N numeric, C category (the value is an index into
 * the column's words); transform L: log1p, P: plain. */
#define TALLY_FEATURE_LIST(X)                                                               \
    X(amount, 2, N, L)  /* currency units */                                                \
    X(hour, 0, N, P)    /* UTC, 0..23 */                                                    \
    X(weekend, 0, N, P) /* 0/1 */                                                           \
    X(night, 0, N, P)   /* 0/1: before 06:00 or from 22:00 */                               \
    X(channel, 0, C, P)                                                                     \
    X(direction, 0, C, P)  /* as this bank sees it */                                       \
    X(payer_kind, 0, C, P) /* own customers' kind, else "outside" */                        \
    X(payee_kind, 0, C, P)                                                                  \
    X(trade, 0, C, P)          /* merchant category of card payments, else "none" */        \
    X(roundness, 0, N, P)      /* 3: multiple of 1,000, 2: of 100, 1: of 10, 0 */           \
    X(near_limit, 0, N, P)     /* 0/1: within a tenth below 1,000, 3,000, 10,000 */         \
    X(payer_out_n_1h, 0, N, L) /* payments by the payer before this one */                  \
    X(payer_out_n_1d, 0, N, L)                                                              \
    X(payer_out_n_7d, 0, N, L)                                                              \
    X(payer_out_n_30d, 0, N, L)                                                             \
    X(payer_out_sum_1d, 2, N, L)                                                            \
    X(payer_out_sum_7d, 2, N, L)                                                            \
    X(payer_out_sum_30d, 2, N, L)                                                           \
    X(payee_in_n_1h, 0, N, L) /* payments to the payee before this one */                   \
    X(payee_in_n_1d, 0, N, L)                                                               \
    X(payee_in_n_7d, 0, N, L)                                                               \
    X(payee_in_n_30d, 0, N, L)                                                              \
    X(payee_in_sum_1d, 2, N, L)                                                             \
    X(payee_in_sum_7d, 2, N, L)                                                             \
    X(payee_in_sum_30d, 2, N, L)                                                            \
    X(payer_in_sum_3d, 2, N, L)                                                             \
    X(payee_out_sum_3d, 2, N, L)                                                            \
    X(payer_ratio, 3, N, L)     /* amount to the payer's 30-day mean, <= 100; 1: no mean */ \
    X(payee_ratio, 3, N, L)     /* the same of the payee's credits */                       \
    X(payer_gap_h, 2, N, L)     /* hours since the payer last paid, <= 720 */               \
    X(payee_gap_h, 2, N, L)     /* hours since the payee was last paid, <= 720 */           \
    X(pair_n, 0, N, L)          /* earlier payments of this pair; 0: new */                 \
    X(pair_back, 0, N, P)       /* 0/1: has the payee ever paid the payer? */               \
    X(payer_payees_7d, 0, N, L) /* distinct parties */                                      \
    X(payer_payees_30d, 0, N, L)                                                            \
    X(payee_payers_7d, 0, N, L)                                                             \
    X(payee_payers_30d, 0, N, L)                                                            \
    X(payer_payers_7d, 0, N, L)                                                             \
    X(payee_payees_7d, 0, N, L)                                                             \
    X(payer_pass, 3, N, L)    /* out to in over 3 days, this one included, <= 100 */        \
    X(payer_match_h, 2, N, L) /* hours since a credit that this is .8-1.3 of, <= 72 */      \
    X(payer_same_7d, 0, N, L) /* payments of exactly this amount */                         \
    X(payee_near_7d, 0, N, L) /* credits just below a limit */                              \
    X(payee_cash_7d, 2, N, L) /* cash paid in */                                            \
    X(payer_risk, 3, N, P)    /* share of confirmed crimes */                               \
    X(payee_risk, 3, N, P)

#define TALLY_FEATURE_ENUM_(name, decimals, kind, transform) TALLY_FEATURE_##name,
enum tally_feature { TALLY_FEATURE_LIST(TALLY_FEATURE_ENUM_) TALLY_FEATURES };
#undef TALLY_FEATURE_ENUM_

struct tally_feature_column {
    const char *name;
    int decimals;             /* of the value as printed */
    int log1p;                /* 1: the schema takes log1p of it */
    const char *const *words; /* NULL: numeric; else the category's words, NULL at the end */
};
const struct tally_feature_column *tally_feature_column(enum tally_feature f);

struct tally_features_row {
    const struct tally_world_tx *tx;
    int64_t v[TALLY_FEATURES]; /* value * 10^decimals, or index of the word */
};

/* Walks one bank's table in order of time. The world is sorted and outlives this. */
struct tally_features {
    const struct tally_world *world;
    struct tally_windows windows;
    size_t next;
    uint32_t bank;
};
TALLY_RESULT tally_features_init(struct tally_features *f, const struct tally_world *w,
                                 uint32_t bank);
void tally_features_free(struct tally_features *f);

/* The next row; 0 when there is none. Transactions of the warm-up fill windows and are no rows. */
int tally_features_next(struct tally_features *f, struct tally_features_row *row);
