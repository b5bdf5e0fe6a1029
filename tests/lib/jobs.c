/* jobs.c - see jobs.h. */
#include "tests/lib/jobs.h"

#include <check.h>

#include "common/text.h"

json_t *tally_test_job(const uint8_t federation_id[32], unsigned banks, uint64_t issued_s)
{
    json_t *participants = json_array();
    char id[65];

    tally_hex(tally_slice_of(federation_id, 32), id);
    for (unsigned i = 1; i <= banks; i++)
        json_array_append_new(participants, json_sprintf("bank-%u", i));
    json_t *schema =
        json_pack("{s:{s:s,s:s}, s:[s], s:{s:s,s:i}, s:s, s:s, s:[{s:s,s:s,s:s}]}", "label",
                  "column", "fraud", "positive", "1", "ignore", "id", "held_out", "by", "time",
                  "permille", 300, "time", "ts", "bad_rows", "refuse", "columns", "name", "amount",
                  "kind", "numeric", "missing", "mean");
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:o, s:i, s:i, s:i, s:i, s:o, s:{s:s,s:[i]}, "
                  "s:{s:s,s:s,s:f,s:i,s:i,s:i}, s:{s:s}}",
                  "type", "job", "name", "cards", "federation", id, "federation_version", 1,
                  "issued", (json_int_t)issued_s, "expires", (json_int_t)issued_s + 86400,
                  "participants", participants, "cohort_min", 2, "share_cap_permille", 600,
                  "rounds", 4, "round_seconds", 60, "schema", schema, "model", "kind", "mlp",
                  "hidden", 8, "training", "rule", "fedavg", "optimizer", "adam", "learning_rate",
                  0.001, "batch", 64, "local_epochs", 1, "seed", 7, "combine", "rule", "mean");
    ck_assert_ptr_nonnull(j);
    return j;
}
