/* suggest.c - see suggest.h. */
#include "common/suggest.h"

#include <string.h>

enum { WORD_MAX = 40, EDITS_MAX = 2 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance, neighbours swapped at most once; words of at most WORD_MAX. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    size_t an = strlen(a), bn = strlen(b);

    for (size_t j = 0; j <= bn; j++) last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= an; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned cost = a[i - 1] != b[j - 1];
            now[j] = least(least(now[j - 1], last[j]) + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[bn];
}

const char *tally_suggest(const char *word, const char *const *words, size_t n)
{
    size_t len = strlen(word);
    unsigned best = EDITS_MAX + 1;
    const char *found = NULL;

    if (len == 0 || len > WORD_MAX) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (words[i] == NULL || strlen(words[i]) > WORD_MAX) continue;
        unsigned d = distance(word, words[i]);
        if (len >= 3 && strncmp(word, words[i], len) == 0) d = least(d, 1);
        if (d < best && 2 * d < len) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
