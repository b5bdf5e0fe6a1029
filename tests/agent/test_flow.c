/* test_flow.c - agent/flow.c: a receiver gets the pieces it gave credit for, in order, and no
 * others. */
#include "agent/flow.h"

#include "tests/lib/suite.h"

enum { PIECE = TALLY_PIECE_BYTES_MAX };

START_TEST(pieces_cover_the_file_in_order_without_a_gap)
{
    static const uint64_t sizes[] = {1, PIECE - 1, PIECE, PIECE + 1, 20 * (uint64_t)PIECE + 7};
    struct tally_flow_piece p;
    struct tally_flow f;
    uint64_t at = 0;
    uint32_t n = 0;

    ck_assert_int_eq(tally_flow_begin(&f, sizes[_i]), TALLY_OK);
    ck_assert(!tally_flow_take(&f, &p)); /* no credit yet */
    ck_assert_int_eq(tally_flow_go(&f, 0, 1), TALLY_OK);
    while (tally_flow_take(&f, &p)) {
        ck_assert_uint_eq(p.index, n++);
        ck_assert_uint_eq(p.offset, at);
        ck_assert(p.len >= 1 && p.len <= PIECE);
        at += p.len;
        ck_assert_int_eq(tally_flow_credit(&f, 1), TALLY_OK);
    }
    ck_assert_uint_eq(at, sizes[_i]);
    ck_assert_uint_eq(n, f.pieces);
    ck_assert_uint_eq(f.credit, 1); /* left over: the end stopped it, not the credit */
}
END_TEST

START_TEST(no_piece_goes_without_credit)
{
    struct tally_flow_piece p;
    struct tally_flow f;
    int sent = 0;

    ck_assert_int_eq(tally_flow_begin(&f, 100 * (uint64_t)PIECE), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, 3, TALLY_FLOW_WINDOW), TALLY_OK);
    while (tally_flow_take(&f, &p)) sent++;
    ck_assert_int_eq(sent, TALLY_FLOW_WINDOW);
    ck_assert_uint_eq(p.index, 3 + TALLY_FLOW_WINDOW - 1);
    ck_assert_int_eq(tally_flow_credit(&f, 2), TALLY_OK);
    ck_assert(tally_flow_take(&f, &p) && tally_flow_take(&f, &p) && !tally_flow_take(&f, &p));
}
END_TEST

START_TEST(a_new_go_begins_where_it_says_and_forgets_old_credit)
{
    struct tally_flow_piece p;
    struct tally_flow f;

    ck_assert_int_eq(tally_flow_begin(&f, 10 * (uint64_t)PIECE), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, 5, 8), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, 2, 1), TALLY_OK);
    ck_assert(tally_flow_take(&f, &p));
    ck_assert_uint_eq(p.index, 2);
    ck_assert(!tally_flow_take(&f, &p));
    ck_assert_int_eq(tally_flow_go(&f, 10, 8), TALLY_OK); /* has it all */
    ck_assert(!tally_flow_take(&f, &p));
}
END_TEST

START_TEST(what_no_receiver_may_ask_for_is_refused_and_changes_nothing)
{
    struct tally_flow f;

    ck_assert_int_eq(tally_flow_begin(&f, 10 * (uint64_t)PIECE), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, 4, 3), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, 11, 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_go(&f, UINT64_MAX, 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_go(&f, UINT64_C(1) << 32, 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_go(&f, 0, TALLY_FLOW_WINDOW + 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_credit(&f, TALLY_FLOW_WINDOW - 2), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_credit(&f, UINT64_MAX), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_credit(&f, UINT64_MAX - 2), TALLY_E_WIRE);
    ck_assert_uint_eq(f.next, 4);
    ck_assert_uint_eq(f.credit, 3);
    ck_assert_int_eq(tally_flow_credit(&f, TALLY_FLOW_WINDOW - 3), TALLY_OK);
}
END_TEST

START_TEST(files_of_no_byte_or_too_many_pieces_do_not_begin)
{
    struct tally_flow f = {0};
    struct tally_flow_piece p;

    ck_assert_int_eq(tally_flow_begin(&f, 0), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_flow_begin(&f, UINT64_MAX), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_flow_begin(&f, (uint64_t)PIECE * UINT32_MAX), TALLY_E_LIMIT);
    ck_assert(!tally_flow_take(&f, &p));
    ck_assert_int_eq(tally_flow_go(&f, 0, 1), TALLY_E_WIRE); /* nothing goes up */
    ck_assert_int_eq(tally_flow_credit(&f, 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_flow_begin(&f, (uint64_t)PIECE * (UINT32_MAX - 1)), TALLY_OK);
    ck_assert_int_eq(tally_flow_go(&f, f.pieces - 1, 1), TALLY_OK);
    ck_assert(tally_flow_take(&f, &p));
    ck_assert_uint_eq(p.offset, (uint64_t)PIECE * (UINT32_MAX - 2)); /* beyond 32 bits */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("flow");

    tcase_add_loop_test(t, pieces_cover_the_file_in_order_without_a_gap, 0, 5);
    tcase_add_test(t, no_piece_goes_without_credit);
    tcase_add_test(t, a_new_go_begins_where_it_says_and_forgets_old_credit);
    tcase_add_test(t, what_no_receiver_may_ask_for_is_refused_and_changes_nothing);
    tcase_add_test(t, files_of_no_byte_or_too_many_pieces_do_not_begin);
    return tally_suite_run("flow", t);
}
