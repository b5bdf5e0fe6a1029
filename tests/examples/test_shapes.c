/* test_shapes.c - examples/aml/shapes.c: each typology has the shape its name says. */
#include "examples/aml/shapes.h"

#include <stdlib.h>

#include "tests/lib/suite.h"

enum { DRAWS = 200, SPAN_S = 20 * 86400 };

static struct tally_world world;

static void make_world(void)
{
    struct tally_world_config c = {.banks = 4, .seed = 5, .scale = 0.1};
    ck_assert_int_eq(tally_world_build(&c, &world), TALLY_OK);
}

static void free_world(void)
{
    tally_world_free(&world);
}

static uint32_t bank_of(uint32_t account)
{
    return world.accounts[account].bank;
}

static void check_wide(const struct tally_shape *s, enum tally_typology t)
{
    double in = 0, out = 0;
    uint32_t hub = t == TALLY_TYPOLOGY_FAN_IN ? s->leg[0].payee : s->leg[0].payer;
    for (uint32_t i = 0; i < s->legs_n; i++) {
        const struct tally_shape_leg *l = &s->leg[i];
        int gather = l->phase == TALLY_PHASE_GATHER;
        if (t == TALLY_TYPOLOGY_FAN_IN || t == TALLY_TYPOLOGY_GATHER_SCATTER)
            ck_assert_uint_eq(gather ? l->payee : l->payer, s->member[0]);
        if (t == TALLY_TYPOLOGY_FAN_OUT) ck_assert_uint_eq(l->payer, hub);
        if (t == TALLY_TYPOLOGY_SCATTER_GATHER)
            ck_assert_uint_eq(gather ? l->payee : l->payer, s->member[gather ? 1 : 0]);
        *(gather ? &in : &out) += (double)l->cents;
    }
    if (t == TALLY_TYPOLOGY_GATHER_SCATTER) ck_assert_double_lt(out, 1.1 * in);
    if (t == TALLY_TYPOLOGY_SCATTER_GATHER) ck_assert_double_lt(in, 1.1 * out);
}

static void check_hops(const struct tally_shape *s, enum tally_typology t)
{
    for (uint32_t i = 1; i < s->legs_n; i++) {
        ck_assert_uint_eq(s->leg[i].payer, s->leg[i - 1].payee);
        ck_assert_int_gt(s->leg[i].ts, s->leg[i - 1].ts);
    }
    int closed = s->leg[s->legs_n - 1].payee == s->leg[0].payer;
    ck_assert_int_eq(closed, t == TALLY_TYPOLOGY_CYCLE);
    for (uint32_t i = 0; i < s->legs_n && t == TALLY_TYPOLOGY_CHAIN; i++)
        ck_assert_uint_ne(bank_of(s->leg[i].payer), bank_of(s->leg[i].payee));
}

static void check_points(const struct tally_shape *s, enum tally_typology t)
{
    for (uint32_t i = 0; i < s->legs_n; i++) {
        const struct tally_shape_leg *l = &s->leg[i];
        if (t == TALLY_TYPOLOGY_STRUCTURING) {
            ck_assert_uint_eq(l->payer, TALLY_WORLD_CASH_DESK);
            ck_assert(l->cents >= 750000 && l->cents <= 999000);
        } else {
            ck_assert_uint_eq(l->payee, s->member[0]);
            ck_assert_uint_eq(world.accounts[l->payee].kind, TALLY_KIND_MERCHANT);
        }
    }
}

START_TEST(a_typology_has_its_shape_its_banks_and_its_time)
{
    enum tally_typology t = (enum tally_typology)_i;
    double units = t == TALLY_TYPOLOGY_STRUCTURING ? 7500 : 2000;
    const struct tally_shape_spec spec = {5,   8, units, units + 2490, 1, 4,
                                          0.1, 1, 0.9,   0.98,         3, 20};
    struct tally_rng r = tally_rng_of(1, TALLY_RNG_PATTERN, (uint64_t)t);
    int good = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t seen = 0, banks = 0;
        struct tally_shape s = {.world = &world,
                                .rng = &r,
                                .bank_share = world.bank_share,
                                .criminal = 1,
                                .start = TALLY_WORLD_ROWS_START_S,
                                .end = TALLY_WORLD_ROWS_START_S + SPAN_S};
        if (!tally_shape_draw(&s, t, &spec)) continue;
        good++;
        for (uint32_t k = 0; k < s.members_n; k++) seen |= UINT32_C(1) << bank_of(s.member[k]);
        for (; seen; seen &= seen - 1) banks++;
        ck_assert_uint_ge(banks, 3);
        for (uint32_t k = 0; k < s.legs_n; k++) {
            ck_assert(s.leg[k].ts >= s.start && s.leg[k].ts < s.end);
            ck_assert_uint_ne(s.leg[k].payer, s.leg[k].payee);
        }
        if (t <= TALLY_TYPOLOGY_GATHER_SCATTER) check_wide(&s, t);
        if (t == TALLY_TYPOLOGY_CYCLE || t == TALLY_TYPOLOGY_CHAIN) check_hops(&s, t);
        if (t >= TALLY_TYPOLOGY_STRUCTURING) check_points(&s, t);
    }
    ck_assert_int_gt(good, DRAWS / 4);
}
END_TEST

START_TEST(a_shape_without_room_is_not_drawn)
{
    const struct tally_shape_spec spec = {5, 8, 2000, 3000, 1, 4, 0.1, 1, 0.9, 0.98, 3, 20};
    struct tally_rng r = tally_rng_of(1, TALLY_RNG_PATTERN, 0);
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
        struct tally_shape s = {.world = &world,
                                .rng = &r,
                                .bank_share = world.bank_share,
                                .start = TALLY_WORLD_ROWS_START_S,
                                .end = TALLY_WORLD_ROWS_START_S + 1};
        ck_assert_int_eq(tally_shape_draw(&s, (enum tally_typology)t, &spec), 0);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("shapes");
    tcase_add_checked_fixture(t, make_world, free_world);
    tcase_add_loop_test(t, a_typology_has_its_shape_its_banks_and_its_time, 0, TALLY_TYPOLOGIES);
    tcase_add_test(t, a_shape_without_room_is_not_drawn);
    return tally_suite_run("shapes", t);
}
