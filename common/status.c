/* status.c - see status.h. */
#include "common/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_MAX = 512 };

static _Thread_local char why[WHY_MAX];
static _Thread_local size_t text_at; /* where the text begins in why */
static _Thread_local enum tally_reason reason_of;

#define ROW_(id, text) [id] = {#id, text},
static const struct {
    const char *name, *text;
} rows[] = {TALLY_STATUS_LIST(ROW_)};

const char *tally_status_name(enum tally_status s)
{
    return rows[s].name;
}

const char *tally_status_text(enum tally_status s)
{
    return rows[s].text;
}

const char *tally_why(void)
{
    return why;
}

const char *tally_why_text(void)
{
    return why + text_at;
}

enum tally_reason tally_reason(void)
{
    return reason_of;
}

TALLY_PRINTF(3, 0) static void record(const char *file, int line, const char *fmt, va_list ap)
{
    char text[WHY_MAX]; /* the arguments may point into `why` */
    const char *slash = strrchr(file, '/');

    (void)vsnprintf(text, sizeof text, fmt, ap);
    int used = snprintf(why, sizeof why, "%s:%d: ", slash ? slash + 1 : file, line);
    text_at = used > 0 && used < WHY_MAX ? (size_t)used : 0;
    (void)snprintf(why + text_at, sizeof why - text_at, "%s", text);
}

enum tally_status tally_fail_(enum tally_status code, const char *file, int line, const char *fmt,
                              ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(file, line, fmt, ap);
    va_end(ap);
    reason_of = TALLY_R_NONE;
    return code;
}

enum tally_status tally_refuse_(enum tally_reason reason, const char *file, int line,
                                const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(file, line, fmt, ap);
    va_end(ap);
    reason_of = reason;
    return reason == TALLY_R_E_AUTH || reason == TALLY_R_E_SIGNATURE ? TALLY_E_AUTH
                                                                     : TALLY_E_UNTRUSTED;
}

void tally_die_(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, cond);
    abort();
}
