/* test_pack.c - common/pack.c: msgpack-c reads what we write and the reverse; lies are refused. */
#include <msgpack.h>
#include <string.h>

#include "common/pack.h"
#include "tests/lib/suite.h"

static size_t sample(uint8_t *buf, size_t cap)
{
    struct tally_wr w = tally_wr_to(buf, cap);
    struct tally_slice out;

    tally_pack_array(&w, 5);
    tally_pack_uint(&w, 7);
    tally_pack_uint(&w, UINT64_C(1) << 40);
    tally_pack_bool(&w, true);
    tally_pack_bin(&w, tally_slice_str("abc"));
    tally_pack_str(&w, tally_slice_str("name"));
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    return out.len;
}

static enum tally_status read_sample(const uint8_t *at, size_t len)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(at, len));

    tally_unpack_array(&r, 5, "message");
    (void)tally_unpack_uint(&r, 100, "small");
    (void)tally_unpack_uint(&r, UINT64_MAX, "large");
    (void)tally_unpack_bool(&r, "flag");
    (void)tally_unpack_bin(&r, 3, "bin");
    (void)tally_unpack_str(&r, 10, "str");
    return tally_rd_end(&r);
}

START_TEST(msgpack_c_reads_what_we_write)
{
    uint8_t buf[64];
    size_t len = sample(buf, sizeof buf), off = 0;
    msgpack_unpacked u;

    msgpack_unpacked_init(&u);
    ck_assert_int_eq(msgpack_unpack_next(&u, (const char *)buf, len, &off), MSGPACK_UNPACK_SUCCESS);
    ck_assert_uint_eq(off, len);
    ck_assert_int_eq(u.data.type, MSGPACK_OBJECT_ARRAY);
    ck_assert_uint_eq(u.data.via.array.size, 5);
    ck_assert_uint_eq(u.data.via.array.ptr[1].via.u64, UINT64_C(1) << 40);
    ck_assert_mem_eq(u.data.via.array.ptr[3].via.bin.ptr, "abc", 3);
    msgpack_unpacked_destroy(&u);
}
END_TEST

START_TEST(every_prefix_and_every_extension_is_refused)
{
    uint8_t buf[64];
    size_t len = sample(buf, sizeof buf);

    ck_assert_int_eq(read_sample(buf, len), TALLY_OK);
    for (size_t n = 0; n < len; n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, buf, n);
        ck_assert_int_eq(read_sample(exact, n), TALLY_E_WIRE);
        free(exact);
    }
    buf[len] = 0;
    ck_assert_int_eq(read_sample(buf, len + 1), TALLY_E_WIRE);
}
END_TEST

START_TEST(a_changed_byte_is_read_or_refused_never_past_the_end)
{
    uint8_t buf[64];
    size_t len = sample(buf, sizeof buf);

    for (size_t i = 0; i < len; i++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t *exact = malloc(len);
            memcpy(exact, buf, len);
            exact[i] = (uint8_t)v;
            enum tally_status s = read_sample(exact, len);
            ck_assert(s == TALLY_OK || s == TALLY_E_WIRE);
            free(exact);
        }
    }
}
END_TEST

START_TEST(counts_and_lengths_that_lie_are_refused)
{
    static const uint8_t list[] = {0xdd, 0xff, 0xff, 0xff, 0xff, 1};
    static const uint8_t bin[] = {0xc6, 0xff, 0xff, 0xff, 0xff, 1};
    static const uint8_t negative[] = {0xff};
    struct tally_rd r = tally_rd_from(TALLY_SLICE(list));

    ck_assert_uint_eq(tally_unpack_list(&r, UINT32_MAX, "list"), 0);
    ck_assert_int_eq(tally_rd_end(&r), TALLY_E_WIRE);
    r = tally_rd_from(TALLY_SLICE(bin));
    ck_assert_uint_eq(tally_unpack_bin(&r, SIZE_MAX, "bin").len, 0);
    ck_assert_int_eq(tally_rd_end(&r), TALLY_E_WIRE);
    r = tally_rd_from(TALLY_SLICE(negative));
    (void)tally_unpack_uint(&r, UINT64_MAX, "n");
    ck_assert_int_eq(tally_rd_end(&r), TALLY_E_WIRE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pack");

    tcase_add_test(t, msgpack_c_reads_what_we_write);
    tcase_add_test(t, every_prefix_and_every_extension_is_refused);
    tcase_add_test(t, a_changed_byte_is_read_or_refused_never_past_the_end);
    tcase_add_test(t, counts_and_lengths_that_lie_are_refused);
    return tally_suite_run("common/pack", t);
}
