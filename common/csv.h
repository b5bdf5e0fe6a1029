/* csv.h - a streaming reader of the tables that banks export (RFC 4180 and its relatives).
 *
 * Understood: a UTF-8 byte order mark; lines ended by LF or CR LF, the last one by nothing;
 * `,` `;` or tab between fields, found in the header line; quoted fields with separators, line
 * ends and doubled quotes inside; spaces round fields (removed, inside quotes too). Wholly empty
 * lines are passed over. A quote inside an unquoted field is text.
 *
 * Memory is one fixed buffer: a row of more than TALLY_CSV_LINE_MAX bytes ends the reading. A row
 * that is malformed but can be left behind is handed out with its `problem`, so that the caller
 * decides (schema.bad_rows); what cannot be left behind is an error. Messages name the file and
 * the line. */
#pragma once

#include "common/cell.h"
#include "common/secret.h"

enum {
    TALLY_CSV_LINE_MAX = 1 << 20, /* bytes of a row with its line ends */
    TALLY_CSV_FIELDS_MAX = 4096,
};

struct tally_csv; /* owns the open file */

struct tally_csv_row {
    uint64_t line;                    /* where the row begins; the header is line 1 */
    const struct tally_slice *fields; /* fields_n of them, unquoted and trimmed */
    uint32_t fields_n;
    struct tally_slice raw; /* the row as it stands in the file, without its line end */
    const char *problem;    /* NULL: well formed, and as many fields as the header has */
    uint32_t problem_field; /* the column of the problem, from 0 */
};

/* Opens a file and reads its header line. TALLY_E_IO: cannot be opened or read; TALLY_E_CONFIG:
 * empty, no separator can be told, a name is empty, too long or not UTF-8, NUL bytes. */
TALLY_RESULT tally_csv_open(const char *path, struct tally_csv **out);
/* The same over bytes that outlive the reader; `name` stands for the file in messages. */
TALLY_RESULT tally_csv_over(struct tally_slice bytes, const char *name, struct tally_csv **out);
void tally_csv_close(struct tally_csv **c); /* idempotent; for TALLY_CLEANUP */

/* The header's names, zero-terminated, in the file's order; they live as long as the reader. */
uint32_t tally_csv_columns(const struct tally_csv *c);
const char *tally_csv_column(const struct tally_csv *c, uint32_t i);
/* Index of the column of that name; -1: none, -2: more than one. */
int tally_csv_find(const struct tally_csv *c, const char *name);

const char *tally_csv_name(const struct tally_csv *c); /* the file, for messages */
char tally_csv_separator(const struct tally_csv *c);

/* The next row, or *row = NULL at the end. It lives until the next call. After an error the
 * reader gives nothing more. */
TALLY_RESULT tally_csv_next(struct tally_csv *c, const struct tally_csv_row **row);

/* A field as a number by this table's decimal mark (tally_cell_number): the comma is one only
 * where it is not the separator. */
enum tally_cell tally_csv_number(struct tally_csv *c, struct tally_slice field, double *out);
