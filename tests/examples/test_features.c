/* test_features.c - examples/aml/features.c: every window against a plain walk over the past. */
#include "examples/aml/features.h"

#include <stdlib.h>
#include <string.h>

#include "examples/aml/generate.h"
#include "tests/lib/suite.h"

enum { HOUR = 3600, DAY = 86400, EVERY = 23 };
enum side { PAID, GOT };

static struct tally_world world;

static void make_world(void)
{
    struct tally_world_config c = {.banks = 3, .seed = 11, .scale = 0.03};
    ck_assert_int_eq(tally_generate_world(&c, &world), TALLY_OK);
}

static void free_world(void)
{
    tally_world_free(&world);
}

/* What a bank saw of one side of an account from `from` (exclusive) to `to` (inclusive). */
struct past {
    int64_t n, cents, cash, near_limit, illicit, parties, last_s;
};

static struct past look(uint32_t bank, const struct tally_world_tx *now, uint32_t account,
                        enum side side, const int64_t range[2])
{
    struct past p = {.last_s = -1};
    char *met = calloc(world.accounts_n, 1);
    for (const struct tally_world_tx *t = world.tx; t < now; t++) {
        uint32_t self = side == PAID ? t->payer : t->payee;
        uint32_t other = side == PAID ? t->payee : t->payer;
        if (self != account || account == TALLY_WORLD_CASH_DESK || t->ts <= range[0] ||
            t->ts > range[1] || !tally_world_sees(&world, t, bank))
            continue;
        p.n++;
        p.cents += t->cents;
        p.cash += t->channel == TALLY_CHANNEL_CASH ? t->cents : 0;
        p.near_limit += (t->cents >= 90000 && t->cents < 100000) ||
                        (t->cents >= 270000 && t->cents < 300000) ||
                        (t->cents >= 900000 && t->cents < 1000000);
        p.illicit += t->pattern != 0;
        p.parties += !met[other];
        met[other] = 1;
        p.last_s = t->ts;
    }
    free(met);
    return p;
}

static struct past last(uint32_t bank, const struct tally_world_tx *now, uint32_t account,
                        enum side side, int64_t seconds)
{
    return look(bank, now, account, side, (int64_t[]){now->ts - seconds, now->ts});
}

static int64_t per_mille(double x, double max)
{
    return (int64_t)((x < max ? x : max) * 1000 + 0.5);
}

static void check_counts(uint32_t bank, const struct tally_features_row *row)
{
    const struct tally_world_tx *t = row->tx;
    const int64_t *v = row->v, window[] = {HOUR, DAY, 7 * DAY, 30 * DAY};
    for (int i = 0; i < 4; i++) {
        struct past out = last(bank, t, t->payer, PAID, window[i]);
        struct past in = last(bank, t, t->payee, GOT, window[i]);
        ck_assert_int_eq(v[TALLY_FEATURE_payer_out_n_1h + i], out.n);
        ck_assert_int_eq(v[TALLY_FEATURE_payee_in_n_1h + i], in.n);
        if (i == 0) continue;
        ck_assert_int_eq(v[TALLY_FEATURE_payer_out_sum_1d + i - 1], out.cents);
        ck_assert_int_eq(v[TALLY_FEATURE_payee_in_sum_1d + i - 1], in.cents);
    }
}

static void check_parties(uint32_t bank, const struct tally_features_row *row)
{
    const struct tally_world_tx *t = row->tx;
    const int64_t *v = row->v, week = 7 * DAY, month = 30 * DAY;
    struct past in = last(bank, t, t->payee, GOT, week);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_payees_7d], last(bank, t, t->payer, PAID, week).parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_payees_30d],
                     last(bank, t, t->payer, PAID, month).parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_payers_7d], in.parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_payers_30d],
                     last(bank, t, t->payee, GOT, month).parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_payers_7d], last(bank, t, t->payer, GOT, week).parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_payees_7d], last(bank, t, t->payee, PAID, week).parties);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_near_7d], in.near_limit);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_cash_7d], in.cash);
}

/* Own 30-day mean, money in and out, time since the last payment. */
static void check_flow(uint32_t bank, const struct tally_features_row *row)
{
    const struct tally_world_tx *t = row->tx;
    const int64_t *v = row->v;
    struct past out30 = last(bank, t, t->payer, PAID, 30 * DAY);
    struct past out3 = last(bank, t, t->payer, PAID, 3 * DAY);
    struct past in3 = last(bank, t, t->payer, GOT, 3 * DAY);
    struct past ever = last(bank, t, t->payer, PAID, t->ts);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_in_sum_3d], in3.cents);
    ck_assert_int_eq(v[TALLY_FEATURE_payee_out_sum_3d],
                     last(bank, t, t->payee, PAID, 3 * DAY).cents);
    double mean = (double)t->cents * (double)out30.n / (double)(out30.n ? out30.cents : 1);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_ratio], out30.n ? per_mille(mean, 100) : 1000);
    double pass = (double)(out3.cents + t->cents) / (double)(in3.n ? in3.cents : 1);
    ck_assert_int_eq(v[TALLY_FEATURE_payer_pass], in3.n ? per_mille(pass, 100) : 100000);
    int64_t gap = ever.n ? (t->ts - ever.last_s) * 100 / HOUR : 72000;
    ck_assert_int_eq(v[TALLY_FEATURE_payer_gap_h], gap < 72000 ? gap : 72000);
}

static void check_risk(uint32_t bank, const struct tally_features_row *row)
{
    const struct tally_world_tx *t = row->tx;
    const int64_t known[] = {t->ts - 37 * DAY, t->ts - 7 * DAY};
    const uint32_t party[] = {t->payer, t->payee};
    for (int i = 0; i < 2; i++) {
        struct past a = look(bank, t, party[i], PAID, known),
                    b = look(bank, t, party[i], GOT, known);
        double share = (double)(a.illicit + b.illicit) / (double)(a.n + b.n ? a.n + b.n : 1);
        ck_assert_int_eq(row->v[TALLY_FEATURE_payer_risk + i], per_mille(share, 1));
    }
}

static void check_pair(uint32_t bank, const struct tally_features_row *row)
{
    const struct tally_world_tx *now = row->tx;
    int64_t n = 0, back = 0, same = 0, match = 7200;
    for (const struct tally_world_tx *t = world.tx; t < now; t++) {
        if (!tally_world_sees(&world, t, bank)) continue;
        n += t->payer == now->payer && t->payee == now->payee;
        back |= t->payer == now->payee && t->payee == now->payer;
        same += t->payer == now->payer && now->payer != TALLY_WORLD_CASH_DESK &&
                t->ts > now->ts - 7 * DAY && t->cents == now->cents;
        double share = (double)now->cents / (double)t->cents;
        if (t->payee == now->payer && t->ts > now->ts - 3 * DAY && share >= 0.8 && share <= 1.3)
            match = (now->ts - t->ts) * 100 / HOUR;
    }
    ck_assert_int_eq(row->v[TALLY_FEATURE_pair_n], n);
    ck_assert_int_eq(row->v[TALLY_FEATURE_pair_back], back);
    ck_assert_int_eq(row->v[TALLY_FEATURE_payer_same_7d], same);
    ck_assert_int_eq(row->v[TALLY_FEATURE_payer_match_h], match);
}

START_TEST(every_window_equals_a_walk_over_the_past)
{
    uint32_t bank = (uint32_t)_i, rows = 0, checked = 0;
    struct tally_features f;
    struct tally_features_row row;
    ck_assert_int_eq(tally_features_init(&f, &world, bank), TALLY_OK);
    while (tally_features_next(&f, &row)) {
        if (rows++ % EVERY && !row.tx->pattern) continue;
        check_counts(bank, &row);
        check_parties(bank, &row);
        check_flow(bank, &row);
        check_risk(bank, &row);
        check_pair(bank, &row);
        checked++;
    }
    tally_features_free(&f);
    ck_assert_uint_gt(checked, 100);
}
END_TEST

START_TEST(plain_columns_say_what_the_transaction_is)
{
    struct tally_features f;
    struct tally_features_row row;
    ck_assert_int_eq(tally_features_init(&f, &world, 0), TALLY_OK);
    while (tally_features_next(&f, &row)) {
        const struct tally_world_account *from = &world.accounts[row.tx->payer],
                                         *to = &world.accounts[row.tx->payee];
        int card = row.tx->channel == TALLY_CHANNEL_CARD;
        ck_assert_int_eq(row.v[TALLY_FEATURE_amount], row.tx->cents);
        ck_assert_int_eq(row.v[TALLY_FEATURE_hour], row.tx->ts % DAY / HOUR);
        ck_assert_int_eq(row.v[TALLY_FEATURE_direction], from->bank == 0 && to->bank == 0 ? 2
                                                         : from->bank == 0                ? 0
                                                                                          : 1);
        if (from->bank != 0 && from->kind != TALLY_KIND_CASH)
            ck_assert_int_eq(row.v[TALLY_FEATURE_payer_kind], 4);
        ck_assert_int_eq(row.v[TALLY_FEATURE_trade], card ? 1 + to->trade : 0);
    }
    tally_features_free(&f);
}
END_TEST

/* A copy of a bank's features, row by row. */
static int64_t *snapshot(uint32_t bank, size_t *rows)
{
    struct tally_features f;
    struct tally_features_row row;
    int64_t *all = calloc(world.tx_n * TALLY_FEATURES, sizeof *all);
    ck_assert_int_eq(tally_features_init(&f, &world, bank), TALLY_OK);
    for (*rows = 0; tally_features_next(&f, &row); ++*rows)
        memcpy(all + *rows * TALLY_FEATURES, row.v, sizeof row.v);
    tally_features_free(&f);
    return all;
}

START_TEST(a_label_reaches_no_feature_for_seven_days)
{
    size_t rows, again, first = SIZE_MAX, i = 0;
    int64_t *before = snapshot(0, &rows), flipped_s = TALLY_WORLD_ROWS_START_S + 40 * DAY;
    for (size_t k = 0; k < world.tx_n; k++)
        if (world.tx[k].ts >= flipped_s) world.tx[k].pattern = !world.tx[k].pattern;
    int64_t *after = snapshot(0, &again);
    ck_assert_uint_eq(rows, again);
    for (size_t r = 0; r < rows && first == SIZE_MAX; r++)
        if (memcmp(before + r * TALLY_FEATURES, after + r * TALLY_FEATURES,
                   TALLY_FEATURES * sizeof *before) != 0)
            first = r;
    ck_assert_uint_ne(first, SIZE_MAX); /* labels do matter, later */
    for (size_t r = 0; i < world.tx_n; i++) {
        if (world.tx[i].ts < TALLY_WORLD_ROWS_START_S || !tally_world_sees(&world, &world.tx[i], 0))
            continue;
        if (r++ == first) break;
    }
    ck_assert_int_ge(world.tx[i].ts, flipped_s + 7 * DAY);
    free(before);
    free(after);
}
END_TEST

START_TEST(an_event_leaves_a_window_when_it_is_as_old_as_the_window)
{
    const int64_t length[] = {HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY, 37 * DAY};
    const struct tally_world_tx *t = world.tx;
    struct tally_windows v;
    while (!tally_world_sees(&world, t, 0)) t++;
    ck_assert_int_eq(tally_windows_init(&v, &world, 0), TALLY_OK);
    tally_windows_add(&v, t);
    const struct tally_window_side *in = &v.in[t->payee];
    for (int w = 0; w < TALLY_WINDOWS; w++) {
        tally_windows_advance(&v.in[t->payee], t->ts + length[w] - 1);
        ck_assert_uint_eq(tally_window_count(in, (enum tally_window)w), 1);
        ck_assert_int_eq(tally_window_cents(in, (enum tally_window)w), t->cents);
        tally_windows_advance(&v.in[t->payee], t->ts + length[w]);
        ck_assert_uint_eq(tally_window_count(in, (enum tally_window)w), 0);
        ck_assert_int_eq(tally_window_cents(in, (enum tally_window)w), 0);
    }
    ck_assert_uint_eq(in->distinct7 + in->distinct30, 0);
    tally_windows_free(&v);
}
END_TEST

START_TEST(amounts_just_below_a_limit_are_known)
{
    const int64_t below[] = {90000, 99999, 270000, 299999, 900000, 999999};
    const int64_t beside[] = {1, 89999, 100000, 269999, 300000, 899999, 1000000};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        ck_assert_int_eq(tally_window_near_limit(below[i]), 1);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        ck_assert_int_eq(tally_window_near_limit(beside[i]), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("features");
    tcase_add_checked_fixture(t, make_world, free_world);
    tcase_add_loop_test(t, every_window_equals_a_walk_over_the_past, 0, 3);
    tcase_add_test(t, plain_columns_say_what_the_transaction_is);
    tcase_add_test(t, a_label_reaches_no_feature_for_seven_days);
    tcase_add_test(t, an_event_leaves_a_window_when_it_is_as_old_as_the_window);
    tcase_add_test(t, amounts_just_below_a_limit_are_known);
    return tally_suite_run("features", t);
}
