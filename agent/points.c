/* points.c - see points.h. */
#include "agent/points.h"

#include <stdarg.h>
#include <stdio.h>

void tally_points_add(struct tally_points *p, bool note, const char *fix, const char *fmt, ...)
{
    struct tally_point *at = &p->list[p->n];
    va_list ap;

    if (p->n == TALLY_POINTS_MAX) {
        p->more++;
        return;
    }
    at->note = note;
    va_start(ap, fmt);
    (void)vsnprintf(at->what, sizeof at->what, fmt, ap);
    va_end(ap);
    (void)snprintf(at->fix, sizeof at->fix, "%s", fix);
    p->n++;
}

uint64_t tally_points_bad(const struct tally_points *p)
{
    uint64_t bad = 0;

    for (uint32_t i = 0; i < p->n; i++) bad += !p->list[i].note;
    return bad > 0 ? bad + p->more : 0;
}

enum tally_status tally_points_result(const struct tally_points *p)
{
    uint64_t bad = tally_points_bad(p);
    uint32_t i = 0;

    if (bad == 0) return TALLY_OK;
    while (p->list[i].note) i++;
    if (bad == 1) return TALLY_FAIL(TALLY_E_CONFIG, "%s", p->list[i].what);
    return TALLY_FAIL(TALLY_E_CONFIG, "%s (and %llu more)", p->list[i].what,
                      (unsigned long long)bad - 1);
}
