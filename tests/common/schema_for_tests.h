/* schema_for_tests.h - a small schema with a column of each sort. */
#pragma once

#include <string.h>

#include "common/schema.h"

enum { TEST_COLUMNS = 4 };

/* amount numeric log1p, age numeric own, channel category open, country category listed. The
 * columns live in the caller's array; not for tally_schema_free. */
static inline struct tally_schema tally_test_schema(struct tally_column columns[TEST_COLUMNS])
{
    static char values[2][TALLY_CELL_TEXT_MAX + 1] = {"FR", "DE"};
    struct tally_schema s = {.label = "fraud",
                             .positive = "1",
                             .held_out_by = TALLY_HELD_OUT_HASH,
                             .held_out_permille = 300,
                             .bad_rows = TALLY_BAD_ROWS_REFUSE,
                             .columns = columns,
                             .columns_n = TEST_COLUMNS};

    memset(columns, 0, TEST_COLUMNS * sizeof *columns);
    columns[0] = (struct tally_column){.name = "amount",
                                       .kind = TALLY_COLUMN_NUMERIC,
                                       .missing = TALLY_MISSING_MEAN,
                                       .transform = TALLY_TRANSFORM_LOG1P};
    columns[1] = (struct tally_column){
        .name = "age", .kind = TALLY_COLUMN_NUMERIC, .missing = TALLY_MISSING_OWN};
    columns[2] = (struct tally_column){.name = "channel", .kind = TALLY_COLUMN_CATEGORY};
    columns[3] = (struct tally_column){
        .name = "country", .kind = TALLY_COLUMN_CATEGORY, .values = values, .values_n = 2};
    return s;
}
