/* test_set.c - proto/set.c: what a SET may say, votes on it, and weights against a count of every
 * possible bound. */
#include <stdio.h>
#include <string.h>

#include "tests/lib/codec.h"
#include "tests/lib/suite.h"
#include "tests/proto/codecs.h"

static uint8_t buf[CODEC_BYTES_MAX];
static struct tally_set s;

static struct tally_set_row *add(const char *org, const char *node, enum tally_row_status status)
{
    struct tally_set_row *row = &s.rows[s.rows_n++];

    ck_assert_uint_le(s.rows_n, TALLY_SET_ROWS_MAX);
    memset(row, 0, sizeof *row);
    memcpy(row->org, org, strlen(org));
    memcpy(row->node, node, strlen(node));
    row->status = status;
    if (status == TALLY_ROW_COUNTED) {
        memset(row->statement, 9, sizeof row->statement);
        row->examples = row->weight = 100;
    }
    if (status == TALLY_ROW_EXCLUDED) row->reason = TALLY_R_deadline;
    return row;
}

/* bank-1/a counted, bank-1/b excluded, bank-2/a absent, bank-3/a counted. */
static void a_set(void)
{
    memset(&s, 0, sizeof s);
    s.kind = TALLY_PAYLOAD_DELTA;
    s.mode = TALLY_MODE_TEST;
    s.combine = true;
    s.round = 7;
    memset(s.federation, 1, 32);
    memset(s.job, 2, 32);
    memset(s.challenge, 3, 32);
    memset(s.base, 4, 32);
    add("bank-1", "a", TALLY_ROW_COUNTED);
    add("bank-1", "b", TALLY_ROW_EXCLUDED);
    add("bank-2", "a", TALLY_ROW_ABSENT);
    add("bank-3", "a", TALLY_ROW_COUNTED);
}

static enum tally_status encode(struct tally_slice *out)
{
    struct tally_wr w = tally_wr_to(buf, sizeof buf);

    return tally_set_encode(&s, &w, out);
}

static struct tally_slice set_bytes(void)
{
    struct tally_slice out;

    ck_assert_msg(encode(&out) == TALLY_OK, "%s", tally_why());
    return out;
}

enum { HEAD = 140, ROWS_AT = HEAD, ROW_0 = HEAD + 4, ROW_BYTES = 4 + 6 + 4 + 1 + 1 + 32 + 4 + 4 };

START_TEST(a_set_of_any_other_length_or_kind_is_refused)
{
    static const uint8_t modes[] = {'P', 'T'}, kinds[] = {2, 3, 4, 5}, one[] = {1};

    a_set();
    struct tally_slice good = set_bytes();
    codec_check_lengths(codec_set, good);
    codec_check_byte(codec_set, good, 0, one, 1);
    codec_check_byte(codec_set, good, 1, kinds, sizeof kinds);
    codec_check_byte(codec_set, good, 2, modes, sizeof modes);
    codec_check_byte(codec_set, good, 3, one, 1); /* decision: with rows no abort */
    codec_check_length_lies(codec_set, good, ROWS_AT);
    codec_check_length_lies(codec_set, good, ROW_0);
    codec_check_length_lies(codec_set, good, ROW_0 + 4 + 6);
    codec_check_length_lies(codec_set, good, ROW_0 + ROW_BYTES); /* reason of a counted row */
    ck_assert_uint_ge(codec_check_bits(codec_set, good, good.len), 200);
}
END_TEST

START_TEST(a_set_keeps_every_field)
{
    static struct tally_set got;

    a_set();
    s.rows[3].weight = 55;
    ck_assert_int_eq(tally_set_decode(set_bytes(), &got), TALLY_OK);
    ck_assert(got.kind == s.kind && got.mode == s.mode && got.combine && got.round == 7);
    ck_assert_mem_eq(got.federation, s.federation, 32);
    ck_assert_mem_eq(got.job, s.job, 32);
    ck_assert_mem_eq(got.challenge, s.challenge, 32);
    ck_assert_mem_eq(got.base, s.base, 32);
    ck_assert_uint_eq(got.rows_n, 4);
    ck_assert_int_eq(got.rows[1].reason, TALLY_R_deadline);
    ck_assert_int_eq(got.rows[2].status, TALLY_ROW_ABSENT);
    const struct tally_set_row *row = tally_set_find(&got, "bank-3", "a");
    ck_assert_ptr_eq(row, &got.rows[3]);
    ck_assert(row->examples == 100 && row->weight == 55 && row->statement[31] == 9);
    ck_assert_ptr_null(tally_set_find(&got, "bank-3", "b"));
    ck_assert_ptr_null(tally_set_find(&got, "bank-4", "a"));
}
END_TEST

static void head_change(int i)
{
    switch (i) {
    case 0: s.kind = TALLY_PAYLOAD_MOMENTS; break; /* with a base */
    case 1: memset(s.base, 0, 32); break;          /* without, later */
    case 2: s.combine = false; break;              /* an abort with rows */
    case 3: s.rows_n = 0; break;                   /* nothing to combine */
    case 4:
        s.rows[0] = s.rows[1]; /* nobody counted */
        s.rows[3] = s.rows[2];
        memcpy(s.rows[0].node, "a", 2);
        memcpy(s.rows[3].org, "bank-3", 7);
        break;
    case 5: s.rows[1] = s.rows[0]; break;              /* twice the same */
    case 6: memcpy(s.rows[3].org, "bank-0", 7); break; /* out of order */
    case 7: memcpy(s.rows[0].node, "c", 2); break;     /* nodes out of order */
    case 8: s.rows[0].org[0] = '\0'; break;
    case 9: s.rows[0].org[0] = 'B'; break;
    default: s.rows_n = TALLY_SET_ROWS_MAX + 1; break;
    }
}
enum { HEAD_CHANGES = 11 };

START_TEST(a_set_that_breaks_the_rules_of_a_set_is_not_encoded)
{
    struct tally_slice out;

    a_set();
    head_change(_i);
    ck_assert_int_ne(encode(&out), TALLY_OK);
}
END_TEST

static void row_change(int i)
{
    struct tally_set_row *counted = &s.rows[0], *excluded = &s.rows[1], *absent = &s.rows[2];

    switch (i) {
    case 0: memset(counted->statement, 0, 32); break;
    case 1: counted->examples = counted->weight = 0; break;
    case 2: counted->examples = TALLY_EXAMPLES_MAX + 1; break;
    case 3: counted->weight = counted->examples + 1; break;
    case 4: counted->reason = TALLY_R_E_UPDATE; break;
    case 5: excluded->reason = TALLY_R_NONE; break;
    case 6: excluded->weight = 1; break;
    case 7: excluded->examples = 1; break; /* without a statement */
    case 8: absent->statement[0] = 1; break;
    case 9: absent->examples = 1; break;
    case 10: absent->weight = 1; break;
    case 11: absent->reason = TALLY_R_deadline; break;
    default: counted->status = (enum tally_row_status)3; break;
    }
}
enum { ROW_CHANGES = 13 };

START_TEST(a_row_that_breaks_its_rules_is_not_encoded)
{
    struct tally_slice out;

    a_set();
    row_change(_i);
    ck_assert_int_eq(encode(&out), TALLY_E_WIRE);
}
END_TEST

/* Where an encoder of one's own can be used to say it, the decoder refuses it too. */
START_TEST(a_row_that_breaks_its_rules_is_not_decoded)
{
    static struct tally_set got;
    enum { STATUS_AT = ROW_0 + 4 + 6 + 4 + 1, DIGEST_AT = STATUS_AT + 1 };
    enum { EXAMPLES_AT = DIGEST_AT + 32, WEIGHT_AT = EXAMPLES_AT + 4 };
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {
        {STATUS_AT,       1   },
        {STATUS_AT,       2   },
        {STATUS_AT,       3   },
        {WEIGHT_AT,       1   },
        {WEIGHT_AT + 3,   101 },
        {EXAMPLES_AT,     0x20},
        {EXAMPLES_AT + 3, 0   }
    };

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        a_set();
        struct tally_slice out = set_bytes();
        buf[lies[i].at] = lies[i].value;
        ck_assert_msg(tally_set_decode(out, &got) == TALLY_E_WIRE, "lie %zu", i);
    }
    a_set();
    struct tally_slice out = set_bytes();
    memset(buf + DIGEST_AT, 0, 32);
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_E_WIRE);
}
END_TEST

START_TEST(a_reason_is_a_name_that_is_known)
{
    static struct tally_set got;

    for (int r = TALLY_R_NONE + 1; r < TALLY_REASONS; r++) {
        a_set();
        s.rows[1].reason = (enum tally_reason)r;
        ck_assert_int_eq(tally_set_decode(set_bytes(), &got), TALLY_OK);
        ck_assert_int_eq(got.rows[1].reason, r);
    }
    a_set();
    struct tally_slice out = set_bytes();
    uint8_t *name = memmem(buf, out.len, "deadline", 8);
    ck_assert_ptr_nonnull(name);
    name[0] = 'D';
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_E_WIRE);
    memcpy(name, "key_lost", 8); /* of the same length, and known */
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_OK);
    name[7] = '\0';
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_E_WIRE);
}
END_TEST

START_TEST(an_abort_has_no_rows)
{
    static struct tally_set got;

    a_set();
    s.combine = false;
    s.rows_n = 0;
    struct tally_slice out = set_bytes();
    ck_assert_uint_eq(out.len, 144);
    codec_check_lengths(codec_set, out);
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_OK);
    ck_assert(!got.combine && got.rows_n == 0);
    codec_check_byte(codec_set, out, 3, (const uint8_t[]){0}, 1);
}
END_TEST

START_TEST(the_largest_set_fits_its_limit)
{
    char node[TALLY_NAME_MAX + 1] = {0}, org[TALLY_NAME_MAX + 1] = {0};
    static struct tally_set got;

    a_set();
    s.rows_n = 0;
    memset(org, 'a', TALLY_NAME_MAX);
    memset(node, 'b', TALLY_NAME_MAX);
    for (int i = 0; i < TALLY_SET_ROWS_MAX; i++) {
        (void)snprintf(node + TALLY_NAME_MAX - 3, 4, "%03d", i);
        add(org, node, i == 0 ? TALLY_ROW_COUNTED : TALLY_ROW_EXCLUDED)->reason =
            i == 0 ? TALLY_R_NONE : TALLY_R_AGGREGATOR_ROLLED_BACK;
    }
    struct tally_slice out = set_bytes();
    ck_assert_uint_le(out.len, TALLY_SET_BYTES_MAX);
    ck_assert_int_eq(tally_set_decode(out, &got), TALLY_OK);
    buf[ROWS_AT + 3]++; /* one more */
    ck_assert_int_eq(tally_set_decode(tally_slice_of(buf, out.len + ROW_BYTES + 200), &got),
                     TALLY_E_WIRE);
}
END_TEST

START_TEST(a_vote_is_for_one_set)
{
    struct tally_sign_key k, other;
    uint8_t sig[TALLY_SIGNATURE_BYTES], digest[32] = {1};

    tally_sign_key_from_seed(&k, (uint8_t[32]){1});
    tally_sign_key_from_seed(&other, (uint8_t[32]){2});
    ck_assert_int_eq(tally_vote_sign(&k, digest, sig), TALLY_OK);
    ck_assert_int_eq(tally_vote_verify(tally_sign_public(&k), digest, sig), TALLY_OK);
    ck_assert_int_eq(tally_vote_verify(tally_sign_public(&other), digest, sig), TALLY_E_AUTH);
    for (size_t bit = 0; bit < 256; bit++) {
        digest[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(tally_vote_verify(tally_sign_public(&k), digest, sig), TALLY_E_AUTH);
        digest[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

/* ---- weights ---- */

/* The definition itself: every L tried, from above. */
static uint64_t bound_by_trial(const uint64_t *examples, uint32_t orgs, uint32_t cap)
{
    uint64_t p = (1000 + orgs - 1) / orgs, sum = 0;

    if (cap > p) p = cap;
    for (uint32_t o = 0; o < orgs; o++) sum += examples[o];
    for (uint64_t l = sum;; l--) {
        uint64_t cut = 0;
        for (uint32_t o = 0; o < orgs; o++) cut += examples[o] < l ? examples[o] : l;
        if (1000 * l <= p * cut) return l;
    }
}

START_TEST(the_bound_is_the_largest_that_the_formula_allows)
{
    uint32_t seed = 1;

    for (int trial = 0; trial < 3000; trial++) {
        uint64_t examples[8];
        uint32_t orgs, cap;
        seed = seed * 1664525 + 1013904223;
        orgs = 1 + (seed >> 16) % 8;
        seed = seed * 1664525 + 1013904223;
        cap = 1 + (seed >> 8) % 1000;
        for (uint32_t o = 0; o < orgs; o++) {
            seed = seed * 1664525 + 1013904223;
            examples[o] = 1 + (seed >> 8) % (trial % 3 == 0 ? 5 : 400);
        }
        ck_assert_uint_eq(tally_set_bound(examples, orgs, cap),
                          bound_by_trial(examples, orgs, cap));
    }
}
END_TEST

START_TEST(the_bound_holds_at_the_extremes)
{
    static uint64_t examples[TALLY_SET_ROWS_MAX];
    const uint64_t most = TALLY_EXAMPLES_MAX;

    examples[0] = most;
    ck_assert_uint_eq(tally_set_bound(examples, 1, 1), most); /* alone: everything */
    examples[1] = 1;
    ck_assert_uint_eq(tally_set_bound(examples, 2, 1), 1); /* half each */
    ck_assert_uint_eq(tally_set_bound(examples, 2, 999), 999);
    ck_assert_uint_eq(tally_set_bound(examples, 2, 1000), most + 1); /* no cap */
    /* 128 alike: p = 8, and 1000 L <= 8 x 128 x most */
    for (int i = 0; i < TALLY_SET_ROWS_MAX; i++) examples[i] = most;
    ck_assert_uint_eq(tally_set_bound(examples, TALLY_SET_ROWS_MAX, 1), 1024 * most / 1000);
    memset(examples, 0, sizeof examples);
    for (int i = 0; i < TALLY_SET_ROWS_MAX; i++) examples[i] = 1;
    examples[5] = most * TALLY_SET_ROWS_MAX; /* one organisation with the largest nodes */
    /* p = 8: 1000 L <= 8 (127 + L) */
    ck_assert_uint_eq(tally_set_bound(examples, TALLY_SET_ROWS_MAX, 1), 8 * 127 / 992);
    /* p = 500: 1000 L <= 500 (127 + L) */
    ck_assert_uint_eq(tally_set_bound(examples, TALLY_SET_ROWS_MAX, 500), 127);
}
END_TEST

START_TEST(no_organisation_weighs_more_than_its_cap)
{
    a_set();
    s.rows[0].examples = 1000000;
    s.rows[3].examples = 3000;
    s.rows[1] =
        (struct tally_set_row){.org = "bank-1", .node = "b", .examples = 500000, .statement = {1}};
    s.rows[2] =
        (struct tally_set_row){.org = "bank-2", .node = "a", .examples = 2000, .statement = {1}};
    ck_assert_int_eq(tally_set_weigh(&s, 400), TALLY_OK);
    /* 1000 L <= 400 (L + 2000 + 3000): L = 3333, two fifths of 8333 */
    ck_assert_uint_eq(tally_set_bound((uint64_t[]){1500000, 2000, 3000}, 3, 400), 3333);
    ck_assert_uint_eq(s.rows[0].weight, 2222);
    ck_assert_uint_eq(s.rows[1].weight, 1111);
    ck_assert_uint_eq(s.rows[2].weight, 2000);
    ck_assert_uint_eq(s.rows[3].weight, 3000);
    ck_assert_int_eq(tally_set_check_weights(&s, 400), TALLY_OK);
    struct tally_slice out;
    ck_assert_int_eq(encode(&out), TALLY_OK);
}
END_TEST

START_TEST(nobody_who_is_not_counted_has_a_weight_or_a_say)
{
    a_set();
    s.rows[1].examples = 400000000; /* excluded, with its statement */
    s.rows[1].statement[0] = 1;
    s.rows[1].weight = 7;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
    ck_assert(s.rows[0].weight == 100 && s.rows[3].weight == 100);
    ck_assert(s.rows[1].weight == 0 && s.rows[2].weight == 0);
}
END_TEST

START_TEST(the_largest_numbers_do_not_overflow)
{
    char node[16];

    a_set();
    s.rows_n = 0;
    for (int i = 0; i < TALLY_SET_ROWS_MAX - 1; i++) {
        (void)snprintf(node, sizeof node, "n-%03d", i);
        add("bank-1", node, TALLY_ROW_COUNTED)->examples = TALLY_EXAMPLES_MAX;
    }
    add("bank-2", "n", TALLY_ROW_COUNTED)->examples = TALLY_EXAMPLES_MAX;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
    for (uint32_t i = 0; i < s.rows_n; i++) ck_assert_uint_eq(s.rows[i].weight, TALLY_EXAMPLES_MAX);
    ck_assert_int_eq(tally_set_weigh(&s, 500), TALLY_OK); /* 127 nodes share what one has */
    for (uint32_t i = 0; i + 1 < s.rows_n; i++)
        ck_assert_uint_eq(s.rows[i].weight, TALLY_EXAMPLES_MAX / 127);
    ck_assert_uint_eq(s.rows[s.rows_n - 1].weight, TALLY_EXAMPLES_MAX);
}
END_TEST

START_TEST(weights_that_are_not_the_formulas_are_found)
{
    a_set();
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
    ck_assert_int_eq(tally_set_check_weights(&s, 1000), TALLY_OK);
    for (uint32_t i = 0; i < s.rows_n; i++) {
        s.rows[i].weight ^= 1;
        ck_assert_int_ne(tally_set_check_weights(&s, 1000), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
        s.rows[i].weight ^= 1;
    }
    s.rows[3].examples = 1000; /* under another cap they would be others */
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
    ck_assert_int_ne(tally_set_check_weights(&s, 500), TALLY_OK);
}
END_TEST

START_TEST(what_cannot_be_weighed_is_refused)
{
    a_set();
    ck_assert_int_eq(tally_set_weigh(&s, 0), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_set_weigh(&s, 1001), TALLY_E_CONFIG);
    s.rows[0].examples = 0;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_E_WIRE);
    s.rows[0].examples = TALLY_EXAMPLES_MAX + 1;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_E_WIRE);
    a_set();
    memcpy(s.rows[3].org, "bank-1", 7); /* an organisation in two places */
    memcpy(s.rows[3].node, "z", 2);
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_E_WIRE);
    a_set();
    s.rows[0].status = s.rows[3].status = TALLY_ROW_ABSENT;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_E_WIRE);
    s.rows_n = TALLY_SET_ROWS_MAX + 1;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_E_WIRE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("set");

    tcase_add_test(t, a_set_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, a_set_keeps_every_field);
    tcase_add_loop_test(t, a_set_that_breaks_the_rules_of_a_set_is_not_encoded, 0, HEAD_CHANGES);
    tcase_add_loop_test(t, a_row_that_breaks_its_rules_is_not_encoded, 0, ROW_CHANGES);
    tcase_add_test(t, a_row_that_breaks_its_rules_is_not_decoded);
    tcase_add_test(t, a_reason_is_a_name_that_is_known);
    tcase_add_test(t, an_abort_has_no_rows);
    tcase_add_test(t, the_largest_set_fits_its_limit);
    tcase_add_test(t, a_vote_is_for_one_set);
    tcase_add_test(t, the_bound_is_the_largest_that_the_formula_allows);
    tcase_add_test(t, the_bound_holds_at_the_extremes);
    tcase_add_test(t, no_organisation_weighs_more_than_its_cap);
    tcase_add_test(t, nobody_who_is_not_counted_has_a_weight_or_a_say);
    tcase_add_test(t, the_largest_numbers_do_not_overflow);
    tcase_add_test(t, weights_that_are_not_the_formulas_are_found);
    tcase_add_test(t, what_cannot_be_weighed_is_refused);
    return tally_suite_run("proto/set", t);
}
