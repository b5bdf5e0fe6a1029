/* dictionary.h - the distinct texts of a column, numbered from 1 in the order they were met. */
#pragma once

#include "common/bytes.h"

struct tally_dictionary;

TALLY_RESULT tally_dictionary_new(struct tally_dictionary **out);
void tally_dictionary_free(struct tally_dictionary **d); /* idempotent */

uint32_t tally_dictionary_size(const struct tally_dictionary *d);
/* The text of a code, 1 to size; it lives until the next add. */
struct tally_slice tally_dictionary_text(const struct tally_dictionary *d, uint32_t code);

/* The code of a text, 0 if it has none. */
uint32_t tally_dictionary_find(const struct tally_dictionary *d, struct tally_slice text);
/* Gives a text that has none the next code. TALLY_E_LIMIT beyond `max` texts. */
TALLY_RESULT tally_dictionary_add(struct tally_dictionary *d, struct tally_slice text, uint32_t max,
                                  uint32_t *code);
