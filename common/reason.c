/* reason.c - see reason.h. */
#include "common/reason.h"

#include <string.h>

#define NAME_(name) #name,
static const char *const names[] = {TALLY_REASON_LIST(NAME_)};

const char *tally_reason_name(enum tally_reason r)
{
    return r == TALLY_R_NONE ? "" : names[r];
}

enum tally_reason tally_reason_named(const char *name)
{
    for (int i = TALLY_R_NONE + 1; i < TALLY_REASONS; i++) {
        if (strcmp(names[i], name) == 0) return (enum tally_reason)i;
    }
    return TALLY_R_NONE;
}
