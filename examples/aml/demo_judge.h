/* demo_judge.h - what the federation was worth: each bank's own model, the federated one and the
 * one over all rows, judged on the bank's own held-out rows. Nobody but the demo, which has all
 * tables, could do this.
 *
 * All three come of the agent's loader and trainer, the job's model and rounds x local_epochs
 * epochs. "Alone" standardises by the bank's own moments, "pooled" by those of all banks merged
 * as the aggregator merges them. Scores are exact (kernels/metrics.h), recall at 1 % false
 * positives. */
#pragma once

#include "common/bytes.h"
#include "common/job.h"

enum { TALLY_DEMO_ALONE, TALLY_DEMO_FEDERATED, TALLY_DEMO_POOLED, TALLY_DEMO_MODELS };
extern const char *const tally_demo_model_names[TALLY_DEMO_MODELS]; /* "alone", ... */

#define TALLY_DEMO_FPR 0.01

/* NaN where a bank's held-out rows are all of one class. */
struct tally_demo_scores {
    double auc_pr, roc_auc, recall;
};

struct tally_demo_bank {
    uint64_t train, test, test_positives; /* rows */
    struct tally_demo_scores of[TALLY_DEMO_MODELS];
};

/* Held-out crimes of kinds that their bank had none of in training. */
struct tally_demo_lacking {
    uint64_t positives;
    double recall[TALLY_DEMO_MODELS];
};

struct tally_demo_judgement {
    struct tally_demo_bank bank[TALLY_PARTIES_MAX]; /* in the order of the tables */
    uint32_t banks_n;
    struct tally_demo_scores mean[TALLY_DEMO_MODELS]; /* over the banks that have scores */
    struct tally_demo_lacking lacking;                /* positives 0: not known */
};

struct tally_demo_case {
    const struct tally_job *job;   /* as the banks signed it */
    const char *const *tables;     /* banks_n paths */
    const uint8_t *const *unknown; /* per bank (rows): 1 on crimes of kinds it lacks; or NULL */
    const uint64_t *unknown_n;     /* rows of each */
    uint32_t banks_n;
    struct tally_slice version;                                     /* the federated model's file */
    void (*progress)(void *context, uint32_t done, uint32_t total); /* of trainings; may be NULL */
    void *context;
};

/* Two trainings at a time. */
TALLY_RESULT tally_demo_judge(const struct tally_demo_case *c, struct tally_demo_judgement *out);
