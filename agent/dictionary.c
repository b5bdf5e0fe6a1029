/* dictionary.c - see dictionary.h. Open addressing, at most half full. */
#include "agent/dictionary.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_START = 64, BYTES_START = 1024 };

struct tally_dictionary {
    uint32_t *slots; /* codes; 0: free */
    uint32_t slots_n, size;
    uint8_t *bytes; /* the texts, one behind the other */
    size_t used, cap;
    size_t *ends; /* of text code - 1 in bytes; room for slots_n / 2 */
};

static TALLY_RESULT rehash(struct tally_dictionary *d, uint32_t slots_n);

/* The slot of the text, or the free one where it belongs. */
static uint32_t *slot(const struct tally_dictionary *d, struct tally_slice text)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t hash[crypto_shorthash_BYTES];

    (void)crypto_shorthash(hash, text.at, text.len, key);
    struct tally_rd r = tally_rd_from(TALLY_SLICE(hash));
    for (uint32_t i = tally_rd_le32(&r, "hash");; i++) {
        uint32_t *s = &d->slots[i & (d->slots_n - 1)];
        if (*s == 0 || tally_slice_equal(tally_dictionary_text(d, *s), text)) return s;
    }
}

enum tally_status tally_dictionary_new(struct tally_dictionary **out)
{
    struct tally_dictionary *d = calloc(1, sizeof *d);

    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "a dictionary");
    d->bytes = malloc(BYTES_START);
    d->cap = BYTES_START;
    if (d->bytes == NULL || rehash(d, SLOTS_START) != TALLY_OK) {
        tally_dictionary_free(&d);
        return TALLY_FAIL(TALLY_E_NOMEM, "a dictionary");
    }
    *out = d;
    return TALLY_OK;
}

void tally_dictionary_free(struct tally_dictionary **d)
{
    if (*d == NULL) return;
    free((*d)->slots);
    free((*d)->bytes);
    free((*d)->ends);
    free(*d);
    *d = NULL;
}

uint32_t tally_dictionary_size(const struct tally_dictionary *d)
{
    return d->size;
}

struct tally_slice tally_dictionary_text(const struct tally_dictionary *d, uint32_t code)
{
    size_t from = code > 1 ? d->ends[code - 2] : 0;

    return tally_slice_of(d->bytes + from, d->ends[code - 1] - from);
}

uint32_t tally_dictionary_find(const struct tally_dictionary *d, struct tally_slice text)
{
    return *slot(d, text);
}

static TALLY_RESULT rehash(struct tally_dictionary *d, uint32_t slots_n)
{
    uint32_t *slots = calloc(slots_n, sizeof *slots);
    size_t *ends = realloc(d->ends, slots_n / 2 * sizeof *ends);

    if (ends != NULL) d->ends = ends;
    if (slots == NULL || ends == NULL) {
        free(slots);
        return TALLY_FAIL(TALLY_E_NOMEM, "a dictionary of %u texts", d->size);
    }
    free(d->slots);
    d->slots = slots;
    d->slots_n = slots_n;
    for (uint32_t code = 1; code <= d->size; code++)
        *slot(d, tally_dictionary_text(d, code)) = code;
    return TALLY_OK;
}

enum tally_status tally_dictionary_add(struct tally_dictionary *d, struct tally_slice text,
                                       uint32_t max, uint32_t *code)
{
    TALLY_ENSURE(d->size < max, TALLY_E_LIMIT, "more than %u distinct values", max);
    if (d->size == d->slots_n / 2) TALLY_TRY(rehash(d, d->slots_n * 2));
    if (text.len > d->cap - d->used) {
        size_t cap = (d->cap + text.len) * 2;
        uint8_t *bytes = realloc(d->bytes, cap);
        TALLY_ENSURE(bytes != NULL, TALLY_E_NOMEM, "a dictionary of %u texts", d->size);
        d->bytes = bytes;
        d->cap = cap;
    }
    uint32_t *free_slot = slot(d, text);
    memcpy(d->bytes + d->used, text.at, text.len);
    d->used += text.len;
    d->ends[d->size++] = d->used;
    *free_slot = *code = d->size;
    return TALLY_OK;
}
