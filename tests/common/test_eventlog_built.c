/* test_eventlog_built.c - common/attest/eventlog.c over logs made here: what no real log shows. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/eventlog.h"
#include "common/hash.h"
#include "tests/lib/suite.h"

/* Appends one SHA-256 event to a log whose header lists SHA-256 alone. */
static void put_event(struct tally_wr *w, uint32_t index, uint32_t type, struct tally_slice data)
{
    uint8_t digest[32] = {0};

    if (type != TALLY_EV_NO_ACTION) TALLY_SHA256_OF(digest, data);
    tally_wr_le32(w, index);
    tally_wr_le32(w, type);
    tally_wr_le32(w, 1);
    tally_wr_put(w, "\x0b\x00", 2);
    tally_wr_put(w, digest, sizeof digest);
    tally_wr_le32(w, (uint32_t)data.len);
    tally_wr_bytes(w, data);
}

static struct tally_wr begin(uint8_t *buf, size_t cap)
{
    struct tally_wr w = tally_wr_to(buf, cap);
    const uint8_t zero[20] = {0};

    tally_wr_le32(&w, 0);
    tally_wr_le32(&w, TALLY_EV_NO_ACTION);
    tally_wr_put(&w, zero, sizeof zero);
    tally_wr_le32(&w, 16 + 8 + 4 + 4 + 1);
    tally_wr_put(&w, "Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0b\0\x20\0\0", 33);
    return w;
}

/* What it replays to; false with E_EVENTLOG. */
static bool built(const struct tally_wr *w, uint8_t pcr[768])
{
    ck_assert(!w->full);
    uint8_t *exact = malloc(w->used);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, w->to, w->used);
    enum tally_status s =
        tally_eventlog_tpm_replay(tally_slice_of(exact, w->used), (uint8_t(*)[TALLY_PCR_BYTES])pcr);
    free(exact);
    if (s != TALLY_OK) ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    return s == TALLY_OK;
}

START_TEST(the_startup_locality_is_the_first_value_of_pcr_0)
{
    static const uint8_t zeros[4];
    const struct tally_slice local3 = {(const uint8_t *)"StartupLocality\0\3", 17};
    const struct tally_slice local5 = {(const uint8_t *)"StartupLocality\0\5", 17};
    const struct tally_slice cut = {(const uint8_t *)"StartupLocality", 16};
    uint8_t buf[1024], pcr[768], want[32] = {0}, digest[32];

    struct tally_wr w = begin(buf, sizeof buf);
    put_event(&w, 0, TALLY_EV_NO_ACTION, local3);
    ck_assert(built(&w, pcr));
    want[31] = 3;
    ck_assert_mem_eq(pcr, want, 32);
    put_event(&w, 0, TALLY_EV_SEPARATOR, TALLY_SLICE(zeros));
    ck_assert(built(&w, pcr));
    TALLY_SHA256_OF(digest, TALLY_SLICE(zeros));
    TALLY_SHA256_OF(want, TALLY_SLICE(want), TALLY_SLICE(digest));
    ck_assert_mem_eq(pcr, want, 32);
    ck_assert_uint_eq(pcr[17 * 32], 0xff);
    ck_assert_uint_eq(pcr[23 * 32], 0);
    put_event(&w, 0, TALLY_EV_NO_ACTION, local3); /* twice, and after PCR 0 was extended */
    ck_assert(!built(&w, pcr));
    w = begin(buf, sizeof buf);
    put_event(&w, 0, TALLY_EV_SEPARATOR, TALLY_SLICE(zeros));
    put_event(&w, 0, TALLY_EV_NO_ACTION, local3);
    ck_assert(!built(&w, pcr));
    w = begin(buf, sizeof buf);
    put_event(&w, 0, TALLY_EV_NO_ACTION, local5);
    ck_assert(!built(&w, pcr));
    w = begin(buf, sizeof buf);
    put_event(&w, 0, TALLY_EV_NO_ACTION, cut);
    ck_assert(!built(&w, pcr));
}
END_TEST

START_TEST(an_index_beyond_the_registers_is_refused_even_without_action)
{
    static const uint8_t zeros[4];
    const uint32_t bad[] = {24, 25, 0x7fffffff, 0x80000000, 0xfffffffe};
    uint8_t buf[1024], pcr[768];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tally_wr w = begin(buf, sizeof buf);
        put_event(&w, bad[i], TALLY_EV_SEPARATOR, TALLY_SLICE(zeros));
        ck_assert(!built(&w, pcr));
        w = begin(buf, sizeof buf);
        put_event(&w, bad[i], TALLY_EV_NO_ACTION, TALLY_SLICE(zeros));
        ck_assert(!built(&w, pcr));
    }
    struct tally_wr w = begin(buf, sizeof buf); /* a platform's name is for no register */
    put_event(&w, UINT32_MAX, TALLY_EV_NO_ACTION, TALLY_SLICE(zeros));
    ck_assert(built(&w, pcr));
    put_event(&w, UINT32_MAX, TALLY_EV_SEPARATOR, TALLY_SLICE(zeros));
    ck_assert(!built(&w, pcr));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("eventlog_built");

    tcase_add_test(t, the_startup_locality_is_the_first_value_of_pcr_0);
    tcase_add_test(t, an_index_beyond_the_registers_is_refused_even_without_action);
    return tally_suite_run("eventlog_built", t);
}
