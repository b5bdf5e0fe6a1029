/* federation_show.h - a federation document for people: what it says, line by line, and what is
 * different from the version before. */
#pragma once

#include <jansson.h>

#include "common/federation.h"

/* Lines of text, each complete in itself. The caller frees *text. */
TALLY_RESULT tally_federation_text(const struct tally_federation *f, char **text);

/* Lists of strings; the caller owns them. NULL when out of memory.
 * changes: the lines that only `next` ("+ ...") or only `prev` ("- ...") has, version and dates
 * aside. warnings: what every program repeats: nodes that may run on any machine. */
json_t *tally_federation_changes(const struct tally_federation *prev,
                                 const struct tally_federation *next);
json_t *tally_federation_warnings(const struct tally_federation *f);
