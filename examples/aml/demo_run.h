/* demo_run.h - the federation at work: the aggregator, an agent per bank and the cheat as
 * processes, from their start to the job's end. */
#pragma once

#include "examples/aml/demo_progress.h"
#include "examples/aml/demo_report.h"

/* Runs the job of d to its end. *status: the aggregator's last, for the caller to decref. Whatever
 * the result, no process is left. TALLY_E_STATE names the process that died, or the signal. */
TALLY_RESULT tally_demo_run(const struct tally_demo *d, struct tally_demo_progress *p,
                            json_t **status);
