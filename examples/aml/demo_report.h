/* demo_report.h - how the demo ends: one JSON object, or a table for people. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "examples/aml/demo.h"
#include "examples/aml/demo_judge.h"

struct tally_demo_outcome {
    struct tally_demo_judgement judgement;
    json_t *status;  /* the aggregator's last; owned */
    char digest[65]; /* of the last version, lower-case hex; the file has been hashed */
    uint64_t round;  /* that made it */
    char file[TALLY_DEMO_PATH_MAX];
    double seconds; /* of everything */
};
void tally_demo_outcome_free(struct tally_demo_outcome *o); /* idempotent */

/* {"banks":[{"name","rows":{"train","test","test_positives"},"alone":M,"federated":M,"pooled":M}],
 *  "mean":{"alone":M,"federated":M,"pooled":M},
 *  "lacking":{"positives","alone","federated","pooled"} (null where no truth is known),
 *  "refused":[{"agent","bank","reason","why"}],
 *  "rounds":[{"round","accepted":[],"excluded":[{"agent","reason"}],"seconds"}],
 *  "version":{"digest","round","file"},"seed","seconds"}
 * with M = {"auc_pr","roc_auc","recall_at_1pct_fpr"}, null where the rows are of one class. The
 * caller owns it; NULL: out of memory. */
json_t *tally_demo_report_json(const struct tally_demo *d, const struct tally_demo_outcome *o);

void tally_demo_report_print(const struct tally_demo *d, const struct tally_demo_outcome *o,
                             FILE *to);

/* TALLY_E_STATE unless every round published and the cheat, and nobody else, was refused for its
 * measurement. */
TALLY_RESULT tally_demo_report_check(const struct tally_demo *d, const json_t *status);
