/* study.c - see study.h. */
#include "agent/study.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_START = 64, ROWS_TO_TELL = 100 };

static uint64_t fingerprint(struct tally_slice text)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t hash[crypto_shorthash_BYTES];

    (void)crypto_shorthash(hash, text.at, text.len, key);
    struct tally_rd r = tally_rd_from(TALLY_SLICE(hash));
    uint64_t f = tally_rd_le64(&r, "hash");
    return f != 0 ? f : 1;
}

static void put(struct tally_study_set *s, uint64_t f, bool *fresh)
{
    for (uint32_t i = (uint32_t)f;; i++) {
        uint64_t *slot = &s->slots[i & (s->slots_n - 1)];
        *fresh = *slot == 0;
        if (*slot != 0 && *slot != f) continue;
        *slot = f;
        s->size += *fresh;
        return;
    }
}

static TALLY_RESULT set_add(struct tally_study_set *s, uint64_t f, bool *fresh)
{
    if (s->size * 2 >= s->slots_n) {
        struct tally_study_set bigger = {.slots_n = s->slots_n > 0 ? s->slots_n * 2 : SLOTS_START};
        bigger.slots = calloc(bigger.slots_n, sizeof *bigger.slots);
        TALLY_ENSURE(bigger.slots != NULL, TALLY_E_NOMEM, "a set of %u values", s->size);
        for (uint32_t i = 0; i < s->slots_n; i++)
            if (s->slots[i] != 0) put(&bigger, s->slots[i], fresh);
        free(s->slots);
        *s = bigger;
    }
    put(s, f, fresh);
    return TALLY_OK;
}

static void set_clear(struct tally_study_set *s)
{
    free(s->slots);
    *s = (struct tally_study_set){0};
}

void tally_study_init(struct tally_study *s)
{
    *s = (struct tally_study){
        .numbers = true, .whole = true, .times = true, .texts_ok = true, .rising = true};
    s->min = (double)INFINITY;
    s->max = -(double)INFINITY;
}

void tally_study_free(struct tally_study *s)
{
    set_clear(&s->distinct);
    set_clear(&s->unique);
}

void tally_study_table(struct tally_study *s, char separator)
{
    s->mark = separator == ',' ? TALLY_MARK_POINT : TALLY_MARK_UNKNOWN;
    s->last = -(double)INFINITY;
    set_clear(&s->unique);
}

static void add_number(struct tally_study *s, struct tally_slice field)
{
    double x = 0;

    if (!s->numbers) return;
    if (tally_cell_number(field, &s->mark, &x) != TALLY_CELL_OK) {
        s->numbers = false;
        return;
    }
    bool whole = !(x < floor(x)) && !(x > floor(x));
    s->fractions |= !whole;
    s->whole &= whole;
    s->rising &= x > s->last;
    s->last = x;
    s->min = fmin(s->min, x);
    s->max = fmax(s->max, x);
    s->abs_sum += fabs(x);
}

/* Equal bytes are tried first: they are the rule, and numbers are dear to compare. */
static struct tally_study_value *find_value(struct tally_study *s, struct tally_slice field)
{
    for (uint32_t i = 0; i < s->values_n; i++)
        if (tally_slice_equal(tally_slice_str(s->values[i].text), field)) return &s->values[i];
    for (uint32_t i = 0; i < s->values_n; i++)
        if (tally_cell_same(tally_slice_str(s->values[i].text), field)) return &s->values[i];
    return NULL;
}

/* The few values of labels and codes, told apart by what they mean. */
static void add_value(struct tally_study *s, struct tally_slice field)
{
    struct tally_study_value *known = find_value(s, field);
    if (known != NULL) {
        known->rows++;
        return;
    }
    if (s->values_n == TALLY_STUDY_SPELLINGS_MAX || !tally_cell_text_ok(field)) {
        s->values_n = TALLY_STUDY_SPELLINGS_MAX + 1;
        return;
    }
    struct tally_study_value *v = &s->values[s->values_n++];
    memcpy(v->text, field.at, field.len);
    v->text[field.len] = '\0';
    v->rows = 1;
}

enum tally_status tally_study_add(struct tally_study *s, struct tally_slice field)
{
    double time_s = 0;
    bool fresh = false;

    s->rows++;
    if (tally_cell_missing(field)) {
        s->missing++;
        return TALLY_OK;
    }
    if (*s->example == '\0') (void)tally_cell_show(field, s->example, sizeof s->example);
    add_number(s, field);
    if (s->values_n <= TALLY_STUDY_SPELLINGS_MAX) add_value(s, field);
    if (s->times) s->times = tally_cell_time(field, &time_s) == TALLY_CELL_OK;
    if (s->texts_ok) s->texts_ok = tally_cell_text_ok(field);
    uint64_t f = fingerprint(field);
    if (s->distinct.size <= TALLY_STUDY_DISTINCT_MAX) TALLY_TRY(set_add(&s->distinct, f, &fresh));
    if (s->repeats || s->unique.size >= TALLY_STUDY_UNIQUE_MAX) return TALLY_OK;
    TALLY_TRY(set_add(&s->unique, f, &fresh));
    s->repeats = !fresh;
    return TALLY_OK;
}

bool tally_study_numeric(const struct tally_study *s)
{
    return s->numbers && s->rows > s->missing;
}

bool tally_study_spelt_variously(const struct tally_study *s)
{
    return s->values_n <= TALLY_STUDY_SPELLINGS_MAX && s->distinct.size > s->values_n;
}

bool tally_study_row_number(const struct tally_study *s)
{
    if (!tally_study_numeric(s) || !s->whole || s->repeats || s->rows < ROWS_TO_TELL) return false;
    return s->rising || s->max - s->min < 2 * (double)s->rows;
}
