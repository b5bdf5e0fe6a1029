/* fuzz_csv.c - any bytes as a table: rows stay within the input, reading ends. */
#include <stdlib.h>

#include "common/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tally_csv *c = NULL;
    const struct tally_csv_row *row = NULL;
    uint64_t line = 1;

    if (tally_csv_over(tally_slice_of(data, size), "fuzz", &c) != TALLY_OK) return 0;
    while (tally_csv_next(c, &row) == TALLY_OK && row != NULL) {
        if (row->line <= line || row->raw.len > size) abort();
        if (row->problem == NULL && row->fields_n != tally_csv_columns(c)) abort();
        line = row->line;
        for (uint32_t i = 0; i < row->fields_n; i++) {
            double x = 0;
            if (row->fields[i].len > row->raw.len) abort();
            (void)tally_csv_number(c, row->fields[i], &x);
            (void)tally_cell_time(row->fields[i], &x);
            (void)tally_cell_text_ok(row->fields[i]);
        }
    }
    tally_csv_close(&c);
    return 0;
}
