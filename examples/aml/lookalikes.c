#include "examples/aml/traffic.h"

#include <math.h>

#include "examples/aml/shapes.h"

enum { ALL_DAYS = TALLY_WORLD_WARM_DAYS + TALLY_WORLD_DAYS, MONTH = 30, STAFF_MAX = 40 };

/* An honest occasion of each typology's shape: how many per million accounts and day, how
 * likely a member is an acquaintance, and the shape. Ranges overlap the criminal ones. */
struct occasion {
    double rate, familiar;
    enum tally_typology shape;
    struct tally_shape_spec spec;
};

/* clang-format off */
static const struct occasion occasions[] = {
    /* collections: 60 % are paid out to one payee, the rest kept */
    {360, 0.85, TALLY_TYPOLOGY_FAN_IN, {5, 20, 20, 700, 0.5, 6, 0.1, 3, 0.85, 1.0, 1, 12}},
    {240, 0.85, TALLY_TYPOLOGY_FAN_IN, {5, 20, 20, 700, 0.5, 6, 0, 0, 0, 0, 1, 12}},
    {16, 0.2, TALLY_TYPOLOGY_FAN_IN, {4, 12, 300, 3000, 0.5, 5, 0.1, 2, 0.85, 1.0, 1, 9}},
    /* refunds, prizes, contractors */
    {60, 0.5, TALLY_TYPOLOGY_FAN_OUT, {4, 15, 100, 1500, 0.1, 4, 0, 0, 0, 0, 1, 5}},
    {13, 0.2, TALLY_TYPOLOGY_FAN_OUT, {4, 14, 500, 3000, 0.1, 3, 0, 0, 0, 0, 1, 4}},
    /* relatives' remittances, sub-contractors */
    {8, 0.3, TALLY_TYPOLOGY_SCATTER_GATHER, {3, 8, 400, 8000, 0.1, 2, 0.2, 4, 0.80, 1.0, 1, 8}},
    /* club treasurers */
    {16, 0.4, TALLY_TYPOLOGY_GATHER_SCATTER, {3, 8, 200, 4000, 5, 18, 0.2, 8, 0.85, 1.0, 1, 28}},
    /* savings rings, invoices that net out */
    {10, 0.3, TALLY_TYPOLOGY_CYCLE, {3, 6, 1000, 12000, 0, 0, 0.1, 3, 0.85, 1.0, 1, 20}},
    /* house and car purchases through brokers */
    {26, 0.3, TALLY_TYPOLOGY_CHAIN, {2, 4, 1500, 20000, 0, 0, 0.003, 1, 0.85, 1.0, 1, 6}},
    /* seasonal takings of firms and markets, paid in under the counter's limit */
    {20, 0, TALLY_TYPOLOGY_STRUCTURING, {3, 12, 4000, 9990, 1, 8, 0, 0, 0, 0, 1, 9}},
    /* customers at a small shop's sale, several purchases each */
    {7, 0, TALLY_TYPOLOGY_MERCHANT, {2, 8, 0, 0, 3, 20, 0, 0, 0, 0, 1, 21}},
};
/* clang-format on */

static enum tally_status hold(struct tally_world *w, struct tally_rng *r, const struct occasion *o,
                              const double *share)
{
    double room = ALL_DAYS - o->spec.days_max;
    struct tally_shape s = {.world = w,
                            .rng = r,
                            .bank_share = share,
                            .familiar = o->familiar,
                            .start = TALLY_WORLD_START_S +
                                     (int64_t)(room * TALLY_WORLD_DAY_S * tally_rng_unit(r)),
                            .end = TALLY_WORLD_END_S};
    if (!tally_shape_draw(&s, o->shape, &o->spec)) return TALLY_OK;
    for (uint32_t i = 0; i < s.legs_n; i++) {
        const struct tally_shape_leg *leg = &s.leg[i];
        struct tally_world_tx tx = {.ts = leg->ts,
                                    .cents = leg->cents,
                                    .payer = leg->payer,
                                    .payee = leg->payee,
                                    .channel = leg->channel};
        TALLY_TRY(tally_world_push(w, &tx));
    }
    return TALLY_OK;
}

static enum tally_status pay_wages(struct tally_world *w, struct tally_rng *r,
                                   const struct tally_world_tx *wages, uint32_t n, uint32_t day)
{
    int64_t ts = tally_world_moment(r, day);
    for (uint32_t i = 0; i < n; i++) {
        struct tally_world_tx tx = wages[i];
        tx.ts = ts + i;
        TALLY_TRY(tally_traffic_pay(w, r, &tx));
    }
    return TALLY_OK;
}

/* Every month on the firm's own day, to the same people. */
static enum tally_status payroll(struct tally_world *w, uint32_t firm)
{
    struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_EVENT, firm);
    struct tally_world_tx wages[STAFF_MAX] = {{0}};
    uint32_t n = tally_rng_between(&r, 4, STAFF_MAX), day = tally_rng_between(&r, 22, 28);
    for (uint32_t i = 0; i < n; i++) {
        wages[i].payer = firm;
        wages[i].payee = tally_traffic_stranger(w, &r, firm);
        wages[i].cents = (int64_t)(100 * fmax(400, tally_rng_lognormal(&r, 2300, 0.4)));
    }
    for (; day < ALL_DAYS; day += MONTH) TALLY_TRY(pay_wages(w, &r, wages, n, day));
    return TALLY_OK;
}

static enum tally_status hold_all(struct tally_world *w, size_t k)
{
    struct tally_rng r = tally_rng_of(w->config.seed, TALLY_RNG_EVENT, UINT64_C(0x100000000) + k);
    double times = occasions[k].rate * ALL_DAYS * w->accounts_n / 1e6;
    for (uint32_t i = 0; i < (uint32_t)times; i++)
        TALLY_TRY(hold(w, &r, &occasions[k], w->bank_share));
    return TALLY_OK;
}

enum tally_status tally_lookalikes_add(struct tally_world *w)
{
    for (uint32_t i = 1; i < w->accounts_n; i++)
        if (w->accounts[i].kind == TALLY_KIND_BUSINESS && i % 2) TALLY_TRY(payroll(w, i));
    for (size_t k = 0; k < sizeof occasions / sizeof *occasions; k++) TALLY_TRY(hold_all(w, k));
    return TALLY_OK;
}
