/* inflate.c - see inflate.h. Codes are decoded bit by bit, counting codes of each length. */
#include "tests/lib/inflate.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { BITS_MAX = 15, SYMBOLS_MAX = 288 };

struct code {
    uint16_t count[BITS_MAX + 1], symbol[SYMBOLS_MAX];
};

struct state {
    struct tally_slice in;
    size_t bit, used, cap; /* next bit of in; bytes in out */
    uint8_t *out;
};

static unsigned bits(struct state *s, unsigned n)
{
    unsigned v = 0;

    for (unsigned i = 0; i < n; i++, s->bit++) {
        TALLY_ASSERT(s->bit / 8 < s->in.len);
        v |= (unsigned)(s->in.at[s->bit / 8] >> s->bit % 8 & 1) << i;
    }
    return v;
}

static void put(struct state *s, uint8_t v)
{
    TALLY_ASSERT(s->used < s->cap);
    s->out[s->used++] = v;
}

static void make_code(struct code *c, const uint8_t *lengths, unsigned n)
{
    uint16_t at[BITS_MAX + 2] = {0};

    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < n; i++) c->count[lengths[i]]++;
    c->count[0] = 0;
    for (unsigned i = 1; i <= BITS_MAX; i++) at[i + 1] = (uint16_t)(at[i] + c->count[i]);
    for (unsigned i = 0; i < n; i++) {
        if (lengths[i] != 0) c->symbol[at[lengths[i]]++] = (uint16_t)i;
    }
}

static unsigned symbol(struct state *s, const struct code *c)
{
    int code = 0, first = 0, index = 0;

    for (unsigned len = 1; len <= BITS_MAX; len++) {
        code |= (int)bits(s, 1);
        if (code - first < c->count[len]) return c->symbol[index + code - first];
        index += c->count[len];
        first = (first + c->count[len]) * 2;
        code *= 2;
    }
    TALLY_ASSERT(false);
    return 0;
}

static void copy_back(struct state *s, unsigned length_symbol, const struct code *distances)
{
    static const uint16_t length_of[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                         15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                         67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint16_t distance_of[] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    unsigned l = length_symbol - 257;
    TALLY_ASSERT(l < sizeof length_of / sizeof *length_of);
    unsigned length = length_of[l] + (l < 8 || l == 28 ? 0 : bits(s, l / 4 - 1));
    unsigned d = symbol(s, distances);
    TALLY_ASSERT(d < sizeof distance_of / sizeof *distance_of);
    size_t distance = distance_of[d] + (d < 4 ? 0 : bits(s, d / 2 - 1));
    TALLY_ASSERT(distance <= s->used);
    while (length-- > 0) put(s, s->out[s->used - distance]);
}

static void coded_block(struct state *s, const struct code *literals, const struct code *distances)
{
    for (unsigned v; (v = symbol(s, literals)) != 256;) {
        if (v < 256)
            put(s, (uint8_t)v);
        else
            copy_back(s, v, distances);
    }
}

static void stored_block(struct state *s)
{
    s->bit = (s->bit + 7) / 8 * 8;
    unsigned len = bits(s, 16);
    ck_assert_uint_eq(bits(s, 16), len ^ 0xffff);
    while (len-- > 0) put(s, (uint8_t)bits(s, 8));
}

static void read_lengths(struct state *s, const struct code *c, uint8_t *lengths, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        unsigned v = symbol(s, c), again = 1;
        uint8_t value = (uint8_t)v;
        if (v >= 16) {
            value = v == 16 && i > 0 ? lengths[i - 1] : 0;
            again = v == 16 ? 3 + bits(s, 2) : v == 17 ? 3 + bits(s, 3) : 11 + bits(s, 7);
        }
        TALLY_ASSERT(again <= n - i);
        memset(lengths + i, value, again);
        i += again;
    }
}

static void dynamic_block(struct state *s)
{
    static const uint8_t order[] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                    11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[320] = {0};
    struct code lengths_code, literals, distances;
    unsigned n = 257 + bits(s, 5), m = 1 + bits(s, 5), k = 4 + bits(s, 4);

    for (unsigned i = 0; i < k; i++) lengths[order[i]] = (uint8_t)bits(s, 3);
    make_code(&lengths_code, lengths, 19);
    memset(lengths, 0, sizeof lengths);
    read_lengths(s, &lengths_code, lengths, n + m);
    make_code(&literals, lengths, n);
    make_code(&distances, lengths + n, m);
    coded_block(s, &literals, &distances);
}

static void fixed_block(struct state *s)
{
    uint8_t lengths[288], thirty[30];
    struct code literals, distances;

    for (unsigned i = 0; i < 288; i++)
        lengths[i] = (uint8_t)(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
    memset(thirty, 5, sizeof thirty);
    make_code(&literals, lengths, 288);
    make_code(&distances, thirty, 30);
    coded_block(s, &literals, &distances);
}

uint8_t *tally_test_inflate(struct tally_slice zlib, size_t want)
{
    struct state s = {.in = zlib, .bit = 16, .cap = want, .out = malloc(want ? want : 1)};
    unsigned last = 0;

    ck_assert_ptr_nonnull(s.out);
    while (!last) {
        last = bits(&s, 1);
        switch (bits(&s, 2)) {
        case 0: stored_block(&s); break;
        case 1: fixed_block(&s); break;
        case 2: dynamic_block(&s); break;
        default: ck_abort_msg("not a block");
        }
    }
    ck_assert_uint_eq(s.used, want);
    return s.out;
}
