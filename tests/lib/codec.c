/* codec.c - see codec.h. */
#include "tests/lib/codec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* On the heap at its exact size, so that a sanitizer sees one byte too far. */
static enum tally_status on_heap(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                                 struct tally_slice in, struct tally_wr *w)
{
    uint8_t *exact = malloc(in.len ? in.len : 1);

    ck_assert_ptr_nonnull(exact);
    if (in.len != 0) memcpy(exact, in.at, in.len);
    enum tally_status s = again(tally_slice_of(exact, in.len), w);
    free(exact);
    return s;
}

/* Accepted is only what comes out as it went in. */
static bool accepts(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                    struct tally_slice in)
{
    static uint8_t out[CODEC_BYTES_MAX];
    struct tally_wr w = tally_wr_to(out, sizeof out);

    if (on_heap(again, in, &w) != TALLY_OK) return false;
    ck_assert(!w.full);
    ck_assert_uint_eq(w.used, in.len);
    ck_assert_mem_eq(out, in.at, in.len);
    return true;
}

static uint8_t *copy_of(struct tally_slice s, size_t more)
{
    uint8_t *p = calloc(1, s.len + more);

    ck_assert_ptr_nonnull(p);
    memcpy(p, s.at, s.len);
    return p;
}

void codec_check_lengths(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                         struct tally_slice good)
{
    uint8_t *p = copy_of(good, 1);

    ck_assert_msg(accepts(again, good), "%s", tally_why());
    for (size_t n = 0; n < good.len; n++)
        ck_assert_msg(!accepts(again, tally_slice_of(p, n)), "the first %zu bytes", n);
    ck_assert(!accepts(again, tally_slice_of(p, good.len + 1)));
    p[good.len] = 1;
    ck_assert(!accepts(again, tally_slice_of(p, good.len + 1)));
    free(p);
}

unsigned codec_check_bits(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                          struct tally_slice good, size_t bytes)
{
    uint8_t *p = copy_of(good, 0);
    unsigned refused = 0;

    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        p[bit / 8] ^= (uint8_t)(1U << bit % 8);
        refused += !accepts(again, tally_slice_of(p, good.len));
        p[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(p);
    return refused;
}

void codec_check_byte(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                      struct tally_slice good, size_t at, const uint8_t *allowed, size_t n)
{
    uint8_t *p = copy_of(good, 0);

    for (unsigned v = 0; v < 256; v++) {
        p[at] = (uint8_t)v;
        ck_assert_msg(accepts(again, tally_slice_of(p, good.len)) ==
                          (n != 0 && memchr(allowed, (int)v, n) != NULL),
                      "byte %zu of value %u", at, v);
    }
    free(p);
}

void codec_check_length_lies(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                             struct tally_slice good, size_t at)
{
    static const uint32_t lies[] = {0,   1,    63,     64,         65,         255,
                                    256, 1024, 524288, 0x7fffffff, 0x80000000, 0xffffffff};
    uint8_t *p = copy_of(good, 0);
    struct tally_rd r = tally_rd_from(tally_slice_of(good.at + at, 4));
    uint32_t truth = tally_rd_be32(&r, "length");

    for (size_t i = 0; i < sizeof lies / sizeof *lies + 2; i++) {
        uint32_t lie = i < sizeof lies / sizeof *lies    ? lies[i]
                       : i == sizeof lies / sizeof *lies ? truth + 1
                                                         : truth - 1;
        struct tally_wr w = tally_wr_to(p + at, 4);
        tally_wr_be32(&w, lie);
        if (lie != truth) ck_assert(!accepts(again, tally_slice_of(p, good.len)));
    }
    free(p);
}
