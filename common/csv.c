/* csv.c - see csv.h. */
#include "common/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK = 256 * 1024, /* of one read: stays in the second-level cache */
    ROOM = TALLY_CSV_LINE_MAX + BLOCK,
    PROBLEM_MAX = 160,
};

struct tally_csv {
    int fd;                    /* -1: over bytes */
    struct tally_slice source; /* what is left of the bytes */
    char *name;
    uint8_t *room; /* ROOM bytes; unread ones at [at, end) */
    size_t at, end;
    uint8_t *unquoted; /* fields with doubled quotes, of the row */
    size_t unquoted_used;
    bool eof, done;
    bool stops[256]; /* bytes that end the plain run of an unquoted field */
    char separator;
    enum tally_mark mark;
    uint64_t line; /* of the next byte */
    uint32_t columns_n;
    char (*columns)[TALLY_CELL_TEXT_MAX + 1];
    struct tally_csv_row row;
    char problem[PROBLEM_MAX];
    struct tally_slice fields[TALLY_CSV_FIELDS_MAX];
};

/* Where the scan of one row stands. */
struct scan {
    const uint8_t *p, *end; /* next byte; end of what is in the room */
    uint64_t newlines;      /* inside quotes */
    bool more;              /* the row goes on beyond the room's bytes */
    bool row_end;
};

static TALLY_RESULT fill(struct tally_csv *c)
{
    memmove(c->room, c->room + c->at, c->end - c->at);
    c->end -= c->at;
    c->at = 0;
    size_t want = ROOM - c->end < BLOCK ? ROOM - c->end : BLOCK;
    if (c->fd < 0) {
        size_t n = want < c->source.len ? want : c->source.len;
        if (n > 0) memcpy(c->room + c->end, c->source.at, n);
        c->source.at += n;
        c->source.len -= n;
        c->end += n;
        c->eof = n == 0;
        return TALLY_OK;
    }
    ssize_t got = 0;
    do {
        got = read(c->fd, c->room + c->end, want);
    } while (got < 0 && errno == EINTR);
    TALLY_ENSURE(got >= 0, TALLY_E_IO, "%s: cannot be read: %s", c->name, strerrordesc_np(errno));
    c->end += (size_t)got;
    c->eof = got == 0;
    return TALLY_OK;
}

static void problem(struct tally_csv *c, const char *text)
{
    if (c->row.problem != NULL) return;
    (void)snprintf(c->problem, sizeof c->problem, "%s", text);
    c->row.problem = c->problem;
    c->row.problem_field = c->row.fields_n;
}

/* After a field's text: consumes the separator or the line end. True if one of them, or the end
 * of the file, is there. */
static bool take_stop(struct tally_csv *c, struct scan *s)
{
    if (s->p == s->end) {
        s->more = !c->eof;
        s->row_end = true;
        return true;
    }
    if (*s->p == (uint8_t)c->separator) {
        s->p++;
        return true;
    }
    if (*s->p == '\r' && s->p + 1 == s->end && !c->eof) {
        s->more = true;
        return true;
    }
    bool cr = *s->p == '\r' && (s->p + 1 == s->end || s->p[1] == '\n');
    if (cr) s->p += s->p + 1 == s->end ? 1 : 2;
    if (!cr && *s->p != '\n') return false;
    s->p += !cr;
    s->row_end = true;
    return true;
}

static bool blank(const struct tally_csv *c, uint8_t b)
{
    return b == ' ' || (b == '\t' && c->separator != '\t');
}

/* The plain run from `from` on, to the field's stop. */
static struct tally_slice take_plain(struct tally_csv *c, struct scan *s, const uint8_t *from)
{
    for (;;) {
        while (s->p < s->end && !c->stops[*s->p]) s->p++;
        const uint8_t *to = s->p;
        if (take_stop(c, s)) {
            while (to > from && blank(c, to[-1])) to--;
            return tally_slice_of(from, (size_t)(to - from));
        }
        problem(c,
                *s->p == '\0' ? "holds a NUL byte" : "holds a carriage return that ends no line");
        s->p++;
    }
}

static void count_lines(struct tally_csv *c, struct scan *s, const uint8_t *from)
{
    for (const uint8_t *q = from; (q = memchr(q, '\n', (size_t)(s->p - q))) != NULL; q++)
        s->newlines++;
    if (memchr(from, '\0', (size_t)(s->p - from)) != NULL) problem(c, "holds a NUL byte");
}

/* What stands between the quotes, doubled ones made single; s->p is behind the opening one. */
static struct tally_slice take_quoted(struct tally_csv *c, struct scan *s)
{
    const uint8_t *from = s->p, *part = s->p;
    uint8_t *copy = c->unquoted + c->unquoted_used;
    size_t used = 0;

    for (;;) {
        const uint8_t *quote = s->p < s->end ? memchr(s->p, '"', (size_t)(s->end - s->p)) : NULL;
        if (quote == NULL || (quote + 1 == s->end && !c->eof)) {
            s->more = true; /* at the end of the file: a quote that is never closed */
            return (struct tally_slice){0};
        }
        s->p = quote + 1;
        if (s->p == s->end || *s->p != '"') break;
        memcpy(copy + used, part, (size_t)(s->p - part));
        used += (size_t)(s->p - part);
        part = ++s->p;
    }
    count_lines(c, s, from);
    size_t rest = (size_t)(s->p - 1 - part);
    if (part == from) return tally_cell_trim(tally_slice_of(from, rest));
    memcpy(copy + used, part, rest);
    c->unquoted_used += used + rest;
    return tally_cell_trim(tally_slice_of(copy, used + rest));
}

static void take_field(struct tally_csv *c, struct scan *s)
{
    struct tally_slice field = {0};

    while (s->p < s->end && blank(c, *s->p)) s->p++;
    if (s->p < s->end && *s->p == '"') {
        s->p++;
        field = take_quoted(c, s);
        while (!s->more && s->p < s->end && blank(c, *s->p)) s->p++;
        if (!s->more && !take_stop(c, s)) {
            problem(c, "has text after a closing quote");
            (void)take_plain(c, s, s->p);
        }
    } else {
        field = take_plain(c, s, s->p);
    }
    if (s->more) return;
    if (c->row.fields_n < TALLY_CSV_FIELDS_MAX)
        c->fields[c->row.fields_n++] = field;
    else
        problem(c, "has more fields than a row may have");
}

/* One row from the room's bytes; false: it does not end within them. */
static bool scan_row(struct tally_csv *c, struct scan *s)
{
    const uint8_t *from = c->room + c->at;

    *s = (struct scan){.p = from, .end = c->room + c->end};
    c->row = (struct tally_csv_row){.line = c->line, .fields = c->fields};
    c->unquoted_used = 0;
    while (!s->row_end && !s->more) take_field(c, s);
    if (s->more) return false;
    const uint8_t *to = s->p;
    if (to > from && to[-1] == '\n') to--;
    if (to > from && to[-1] == '\r') to--;
    c->row.raw = tally_slice_of(from, (size_t)(to - from));
    return true;
}

/* The row goes on beyond what is in the room. */
static TALLY_RESULT need_more(struct tally_csv *c)
{
    unsigned long long line = c->line;

    TALLY_ENSURE(!c->eof, TALLY_E_CONFIG, "%s:%llu: a quote opened in this row is not closed",
                 c->name, line);
    TALLY_ENSURE(c->end - c->at <= TALLY_CSV_LINE_MAX, TALLY_E_LIMIT,
                 "%s:%llu: a row of more than %d bytes (a quote that is not closed?)", c->name,
                 line, TALLY_CSV_LINE_MAX);
    return fill(c);
}

/* The next row, empty or not, to c->row; or c->done. */
static TALLY_RESULT take_row(struct tally_csv *c)
{
    struct scan s;

    if (c->at == c->end && !c->eof) TALLY_TRY(fill(c));
    c->done = c->at == c->end && c->eof;
    if (c->done) return TALLY_OK;
    while (!scan_row(c, &s)) TALLY_TRY(need_more(c));
    TALLY_ENSURE((size_t)(s.p - c->room) - c->at <= TALLY_CSV_LINE_MAX, TALLY_E_LIMIT,
                 "%s:%llu: a row of more than %d bytes", c->name, (unsigned long long)c->line,
                 TALLY_CSV_LINE_MAX);
    c->at = (size_t)(s.p - c->room);
    c->line += 1 + s.newlines;
    return TALLY_OK;
}

static TALLY_RESULT advance(struct tally_csv *c)
{
    do {
        TALLY_TRY(take_row(c));
    } while (!c->done && c->row.raw.len == 0);
    return TALLY_OK;
}

enum tally_status tally_csv_next(struct tally_csv *c, const struct tally_csv_row **row)
{
    enum tally_status s = c->done ? TALLY_OK : advance(c);

    if (s != TALLY_OK) {
        c->done = true;
        return s;
    }
    if (!c->done && c->row.problem == NULL && c->row.fields_n != c->columns_n) {
        (void)snprintf(c->problem, sizeof c->problem, "has %u fields; the header has %u",
                       c->row.fields_n, c->columns_n);
        c->row.problem = c->problem;
        c->row.problem_field = c->row.fields_n;
    }
    *row = c->done ? NULL : &c->row;
    return TALLY_OK;
}

static const char separators[] = {',', ';', '\t'};
enum { SEPARATORS = sizeof separators };

/* How often each separator stands in the header line, outside quotes. */
static TALLY_RESULT count_separators(struct tally_csv *c, size_t counts[SEPARATORS])
{
    bool quoted = false;

    for (size_t i = 0;; i++) {
        TALLY_ENSURE(i < TALLY_CSV_LINE_MAX, TALLY_E_LIMIT,
                     "%s:1: a header line of more than %d bytes", c->name, TALLY_CSV_LINE_MAX);
        if (c->at + i == c->end && !c->eof) TALLY_TRY(fill(c));
        if (c->at + i == c->end) return TALLY_OK;
        uint8_t b = c->room[c->at + i];
        quoted ^= b == '"';
        if (b == '\n' && !quoted) return TALLY_OK;
        for (size_t k = 0; k < SEPARATORS && !quoted; k++) counts[k] += b == (uint8_t)separators[k];
    }
}

/* The commonest decides. */
static TALLY_RESULT detect(struct tally_csv *c)
{
    size_t counts[SEPARATORS] = {0}, best = 0;

    TALLY_TRY(count_separators(c, counts));
    for (size_t k = 1; k < SEPARATORS; k++)
        if (counts[k] > counts[best]) best = k;
    for (size_t k = best + 1; k < SEPARATORS; k++)
        TALLY_ENSURE(
            counts[k] < counts[best] || counts[k] == 0, TALLY_E_CONFIG,
            "%s:1: the header has two separators equally often; expected one separator, and names "
            "that hold another one in quotes",
            c->name);
    c->separator = separators[best];
    return TALLY_OK;
}

/* A byte order mark is skipped; those of UTF-16 end here. */
static TALLY_RESULT skip_bom(struct tally_csv *c)
{
    while (!c->eof && c->end - c->at < 3) TALLY_TRY(fill(c));
    const uint8_t *b = c->room + c->at;
    size_t n = c->end - c->at;
    TALLY_ENSURE(!(n >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff))),
                 TALLY_E_CONFIG, "%s:1: is UTF-16; save the table as UTF-8", c->name);
    if (n >= 3 && memcmp(b, "\xef\xbb\xbf", 3) == 0) c->at += 3;
    return TALLY_OK;
}

static TALLY_RESULT take_name(struct tally_csv *c, uint32_t i)
{
    struct tally_slice f = c->fields[i];
    char shown[64];

    if (f.len == 0) { /* the unnamed row numbers of R and pandas */
        (void)snprintf(c->columns[i], sizeof c->columns[i], "#%u", i + 1);
        return TALLY_OK;
    }
    TALLY_ENSURE(tally_cell_text_ok(f), TALLY_E_CONFIG,
                 "%s:1: column %u: the name \"%s\" is not 1 to %d bytes of UTF-8 text "
                 "(save the table as UTF-8)",
                 c->name, i + 1, tally_cell_show(f, shown, sizeof shown), TALLY_CELL_TEXT_MAX);
    memcpy(c->columns[i], f.at, f.len);
    c->columns[i][f.len] = '\0';
    return TALLY_OK;
}

static TALLY_RESULT read_header(struct tally_csv *c)
{
    c->line = 1;
    TALLY_TRY(skip_bom(c));
    TALLY_TRY(detect(c));
    c->mark = c->separator == ',' ? TALLY_MARK_POINT : TALLY_MARK_UNKNOWN;
    c->stops['\n'] = c->stops['\r'] = c->stops[0] = c->stops[(uint8_t)c->separator] = true;
    TALLY_TRY(advance(c));
    TALLY_ENSURE(!c->done, TALLY_E_CONFIG, "%s: is empty; expected a header line", c->name);
    TALLY_ENSURE(c->row.problem == NULL, TALLY_E_CONFIG, "%s:%llu: the header, column %u: %s",
                 c->name, (unsigned long long)c->row.line, c->row.problem_field + 1,
                 c->row.problem);
    c->columns = calloc(c->row.fields_n, sizeof *c->columns);
    TALLY_ENSURE(c->columns != NULL, TALLY_E_NOMEM, "%s: the header", c->name);
    c->columns_n = c->row.fields_n;
    for (uint32_t i = 0; i < c->columns_n; i++) TALLY_TRY(take_name(c, i));
    return TALLY_OK;
}

static TALLY_RESULT start(int fd, struct tally_slice bytes, const char *name,
                          struct tally_csv **out)
{
    TALLY_CLEANUP(tally_csv_close) struct tally_csv *c = calloc(1, sizeof *c);

    if (c == NULL) {
        if (fd >= 0) (void)close(fd);
        return TALLY_FAIL(TALLY_E_NOMEM, "%s: the reader", name);
    }
    c->fd = fd;
    c->source = bytes;
    c->name = strdup(name);
    c->room = malloc(ROOM);
    c->unquoted = malloc(ROOM);
    TALLY_ENSURE(c->name != NULL && c->room != NULL && c->unquoted != NULL, TALLY_E_NOMEM,
                 "%s: the reader", name);
    TALLY_TRY(read_header(c));
    *out = c;
    c = NULL;
    return TALLY_OK;
}

enum tally_status tally_csv_open(const char *path, struct tally_csv **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    TALLY_ENSURE(fd >= 0, TALLY_E_IO, "%s: cannot be opened: %s", path, strerrordesc_np(errno));
    return start(fd, (struct tally_slice){0}, path, out);
}

enum tally_status tally_csv_over(struct tally_slice bytes, const char *name, struct tally_csv **out)
{
    return start(-1, bytes, name, out);
}

void tally_csv_close(struct tally_csv **c)
{
    if (*c == NULL) return;
    if ((*c)->fd >= 0) (void)close((*c)->fd);
    free((*c)->name);
    free((*c)->room);
    free((*c)->unquoted);
    free((*c)->columns);
    free(*c);
    *c = NULL;
}

uint32_t tally_csv_columns(const struct tally_csv *c)
{
    return c->columns_n;
}

const char *tally_csv_column(const struct tally_csv *c, uint32_t i)
{
    return i < c->columns_n ? c->columns[i] : "";
}

int tally_csv_find(const struct tally_csv *c, const char *name)
{
    int found = -1;

    for (uint32_t i = 0; i < c->columns_n; i++) {
        if (strcmp(c->columns[i], name) != 0) continue;
        if (found >= 0) return -2;
        found = (int)i;
    }
    return found;
}

const char *tally_csv_name(const struct tally_csv *c)
{
    return c->name;
}

char tally_csv_separator(const struct tally_csv *c)
{
    return c->separator;
}

enum tally_cell tally_csv_number(struct tally_csv *c, struct tally_slice field, double *out)
{
    enum tally_cell cell = tally_cell_number(field, &c->mark, out);

    /* "1,234" between commas may be thousands: that is no number, not another convention. */
    return cell == TALLY_CELL_OTHER_MARK && c->separator == ',' ? TALLY_CELL_BAD : cell;
}
