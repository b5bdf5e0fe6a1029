/* points.h - what is wrong or worth knowing about a table, each with its fix: `check` prints the
 * list, a run that cannot go on ends with its first entry. */
#pragma once

#include "common/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { TALLY_POINTS_MAX = 64, TALLY_POINT_TEXT_MAX = 320 };

struct tally_point {
    bool note; /* worth knowing; no obstacle */
    char what[TALLY_POINT_TEXT_MAX];
    char fix[TALLY_POINT_TEXT_MAX]; /* "": nothing to do */
};

struct tally_points {
    struct tally_point list[TALLY_POINTS_MAX];
    uint32_t n;
    uint64_t more; /* beyond the list's room */
};

/* Adds "what" and its fix; fmt describes what. */
void tally_points_add(struct tally_points *p, bool note, const char *fix, const char *fmt, ...)
    TALLY_PRINTF(4, 5);

/* How many are obstacles (those beyond the room too, if any is one). */
uint64_t tally_points_bad(const struct tally_points *p);

/* TALLY_OK without obstacles; else TALLY_E_CONFIG with the first one's text and the number. */
TALLY_RESULT tally_points_result(const struct tally_points *p);
