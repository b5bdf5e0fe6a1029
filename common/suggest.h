/* suggest.h - "did you mean": the nearest of a few known words. */
#pragma once

#include <stddef.h>

/* The word of `words` (n, NULLs skipped) nearest to `word`: at most 2 edits away and less than half
 * of it (insertions, deletions, substitutions, swaps of neighbours), or that `word` begins. NULL if
 * none is near. */
const char *tally_suggest(const char *word, const char *const *words, size_t n);
