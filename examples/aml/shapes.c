#include "examples/aml/shapes.h"

#include <math.h>

/* Mules and victims are mostly accounts with little traffic of their own. */
static const double quiet_day = 0.1;

const char *tally_typology_name(enum tally_typology t)
{
#define NAME(id, name) name,
    static const char *const names[] = {TALLY_TYPOLOGY_LIST(NAME)};
#undef NAME
    TALLY_ASSERT(t < TALLY_TYPOLOGIES);
    return names[t];
}

const char *tally_phase_name(enum tally_phase p)
{
    static const char *const names[] = {"gather", "scatter", "hop", "deposit", "purchase"};
    TALLY_ASSERT(p < TALLY_PHASES);
    return names[p];
}

static double between(struct tally_shape *s, double lo, double hi)
{
    return tally_rng_range(s->rng, lo, hi);
}

static int64_t days(double d)
{
    return (int64_t)(d * TALLY_WORLD_DAY_S);
}

static uint32_t bank_of(const struct tally_shape *s, uint32_t account)
{
    return s->world->accounts[account].bank;
}

static uint32_t draw_bank(struct tally_shape *s)
{
    uint32_t b = 0;
    double u = tally_rng_unit(s->rng) * s->bank_share[s->world->institutions - 1];
    while (s->bank_share[b] <= u) b++;
    return b;
}

static uint32_t draw_account(struct tally_shape *s, uint32_t bank)
{
    const struct tally_world *w = s->world;
    if (s->members_n && tally_rng_chance(s->rng, s->familiar)) {
        uint32_t c = tally_rng_below(s->rng, TALLY_WORLD_CONTACTS);
        return w->accounts[s->member[0]].contact[c];
    }
    return tally_rng_between(s->rng, w->first[bank], w->first[bank + 1] - 1);
}

static int known(const struct tally_shape *s, uint32_t account)
{
    for (uint32_t i = 0; i < s->members_n; i++)
        if (s->member[i] == account) return 1;
    return 0;
}

/* A new member: a person, seldom a firm. `not_bank`: an institution to avoid. */
static uint32_t join(struct tally_shape *s, uint32_t not_bank)
{
    for (int tries = 0; tries < 200 && s->members_n < TALLY_SHAPE_MEMBERS_MAX; tries++) {
        uint32_t a = draw_account(s, draw_bank(s));
        int person = s->world->accounts[a].kind == TALLY_KIND_PERSON;
        if (known(s, a) || bank_of(s, a) == not_bank) continue;
        if (!person && !tally_rng_chance(s->rng, 0.3)) continue;
        if (s->criminal && s->world->accounts[a].transfers_day > quiet_day &&
            !tally_rng_chance(s->rng, 0.08))
            continue;
        return s->member[s->members_n++] = a;
    }
    s->bad = 1;
    return s->members_n ? s->member[0] : 1;
}

static uint32_t join_any(struct tally_shape *s)
{
    return join(s, TALLY_WORLD_INSTITUTIONS);
}

/* Adds a leg at `ts` or, in waking hours, near it, never before `earliest`. */
static int64_t add(struct tally_shape *s, struct tally_shape_leg leg, int64_t earliest)
{
    leg.ts = tally_world_daylight(s->rng, leg.ts, earliest);
    if (leg.ts < s->start || leg.ts >= s->end || s->legs_n == TALLY_SHAPE_LEGS_MAX ||
        leg.payer == leg.payee) {
        s->bad = 1;
        return leg.ts;
    }
    s->leg[s->legs_n++] = leg;
    return leg.ts;
}

static uint8_t wire(struct tally_shape *s)
{
    return tally_rng_chance(s->rng, 0.35) ? TALLY_CHANNEL_INSTANT : TALLY_CHANNEL_TRANSFER;
}

/* A payment within the first `span` days. Every draw is a statement of its own, here and below:
 * in which order an initialiser's parts are evaluated is the compiler's choice. */
static struct tally_shape_leg payment(struct tally_shape *s, const struct tally_shape_spec *spec,
                                      double span)
{
    struct tally_shape_leg leg = {.ts = s->start};
    leg.ts += days(span * tally_rng_unit(s->rng));
    leg.cents = tally_world_cents(s->rng, between(s, spec->units_lo, spec->units_hi));
    leg.channel = wire(s);
    return leg;
}

/* n payers pay `hub` within the first part; returns the total, last moment in *last. */
static double gather(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t hub,
                     uint32_t n, int64_t *last)
{
    double span = between(s, spec->span_lo, spec->span_hi), sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct tally_shape_leg leg = payment(s, spec, span);
        leg.payer = join_any(s);
        leg.payee = hub;
        leg.phase = TALLY_PHASE_GATHER;
        int64_t ts = add(s, leg, s->start);
        if (ts > *last) *last = ts;
        sum += (double)leg.cents / 100;
    }
    return sum;
}

/* One payment of the share that is passed on. */
static void pass_on(struct tally_shape *s, const struct tally_shape_spec *spec,
                    struct tally_shape_leg leg, double units)
{
    int64_t earliest = leg.ts + 60;
    leg.ts += days(between(s, spec->wait_lo, spec->wait_hi));
    leg.cents = tally_world_cents(s->rng, units * between(s, spec->keep_lo, spec->keep_hi));
    leg.channel = wire(s);
    add(s, leg, earliest);
}

static void fan_in(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t hub = join_any(s), out;
    int64_t last = s->start;
    double sum = gather(s, spec, hub, n, &last);
    out = join_any(s);
    if (spec->keep_hi <= 0) return;
    pass_on(s, spec,
            (struct tally_shape_leg){
                .ts = last, .payer = hub, .payee = out, .phase = TALLY_PHASE_SCATTER},
            sum);
}

static void fan_out(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t hub = join_any(s);
    double span = between(s, spec->span_lo, spec->span_hi);
    for (uint32_t i = 0; i < n; i++) {
        struct tally_shape_leg leg = payment(s, spec, span);
        leg.payer = hub;
        leg.payee = join_any(s);
        leg.phase = TALLY_PHASE_SCATTER;
        add(s, leg, s->start);
    }
}

static void scatter_gather(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t from = join_any(s), to = join_any(s);
    double span = between(s, spec->span_lo, spec->span_hi);
    for (uint32_t i = 0; i < n; i++) {
        struct tally_shape_leg leg = payment(s, spec, span);
        leg.payer = from;
        leg.payee = join_any(s);
        leg.phase = TALLY_PHASE_SCATTER;
        leg.ts = add(s, leg, s->start);
        leg.payer = leg.payee;
        leg.payee = to;
        leg.phase = TALLY_PHASE_GATHER;
        pass_on(s, spec, leg, (double)leg.cents / 100);
    }
}

static void gather_scatter(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t hub = join_any(s), outs = tally_rng_between(s->rng, spec->n_lo, spec->n_hi);
    int64_t last = s->start;
    double sum = gather(s, spec, hub, n, &last), share[TALLY_SHAPE_MEMBERS_MAX], all = 0;
    for (uint32_t i = 0; i < outs; i++) all += share[i] = between(s, 0.5, 1.5);
    for (uint32_t i = 0; i < outs; i++)
        pass_on(s, spec,
                (struct tally_shape_leg){
                    .ts = last, .payer = hub, .payee = join_any(s), .phase = TALLY_PHASE_SCATTER},
                sum * share[i] / all);
}

/* n hops; a cycle comes back to where it started. */
static void hops(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n, int cycle)
{
    uint32_t from = join_any(s), first = from;
    double units = between(s, spec->units_lo, spec->units_hi);
    int64_t ts = s->start;
    for (uint32_t i = 0; i < n; i++) {
        int strict = s->criminal && !cycle;
        uint32_t avoid = strict ? bank_of(s, from) : TALLY_WORLD_INSTITUTIONS;
        uint32_t to = cycle && i + 1 == n ? first : join(s, avoid);
        struct tally_shape_leg leg = {
            .ts = ts, .payer = from, .payee = to, .phase = TALLY_PHASE_HOP};
        leg.cents = tally_world_cents(s->rng, units);
        leg.channel = wire(s);
        int64_t sent = add(s, leg, ts);
        double wait = between(s, spec->wait_lo, spec->wait_hi);
        ts = sent + 60 + days(wait);
        units *= between(s, spec->keep_lo, spec->keep_hi);
        from = to;
    }
}

/* One customer with an account in each of several banks. */
static void structuring(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t accounts = spec->banks_min + tally_rng_below(s->rng, 2);
    double span = between(s, spec->span_lo, spec->span_hi);
    for (uint32_t i = 0; i < accounts; i++) join_any(s);
    for (uint32_t i = 0; i < n && !s->bad; i++) {
        double units = between(s, spec->units_lo, spec->units_hi);
        if (tally_rng_chance(s->rng, 0.4)) units = floor(units / 100) * 100;
        add(s,
            (struct tally_shape_leg){.ts = s->start + days(span * tally_rng_unit(s->rng)),
                                     .cents = (int64_t)floor(units * 100),
                                     .payer = TALLY_WORLD_CASH_DESK,
                                     .payee = s->member[i % s->members_n],
                                     .channel = TALLY_CHANNEL_CASH,
                                     .phase = TALLY_PHASE_DEPOSIT},
            s->start);
    }
}

/* The least visited of four: card readers are tampered with where few look. */
static uint32_t small_shop(struct tally_shape *s)
{
    const struct tally_world *w = s->world;
    uint32_t best = 0;
    double least = 1e9;
    for (int i = 0; i < 4; i++) {
        uint32_t m = tally_rng_below(s->rng, w->merchants_n);
        double visits = w->merchant_popularity[m] - (m ? w->merchant_popularity[m - 1] : 0);
        if (visits >= least) continue;
        least = visits;
        best = w->merchants[m];
    }
    return best;
}

/* A stolen card is used three to five times within the hour where it was stolen, like its owner
 * would, but a third of the amounts are five times larger. */
static void use_card(struct tally_shape *s, uint32_t victim, uint32_t shop, int64_t ts)
{
    double usual = 0.35 * s->world->accounts[victim].median;
    for (uint32_t i = tally_rng_between(s->rng, 3, 5); i > 0; i--) {
        double units = tally_rng_lognormal(s->rng, usual, 0.8);
        if (tally_rng_chance(s->rng, 1.0 / 3)) units *= 5;
        struct tally_shape_leg leg = {.ts = ts,
                                      .cents = tally_world_cents(s->rng, units),
                                      .payer = victim,
                                      .payee = shop,
                                      .channel = TALLY_CHANNEL_CARD,
                                      .phase = TALLY_PHASE_PURCHASE};
        if (ts >= s->end || s->legs_n == TALLY_SHAPE_LEGS_MAX)
            s->bad = 1;
        else
            s->leg[s->legs_n++] = leg;
        ts += tally_rng_between(s->rng, 120, 1500);
    }
}

static void merchant(struct tally_shape *s, const struct tally_shape_spec *spec, uint32_t n)
{
    uint32_t bank = draw_bank(s), shop = small_shop(s);
    for (int i = 0; i < 400 && bank_of(s, shop) != bank; i++) {
        bank = draw_bank(s);
        shop = small_shop(s);
    }
    double span = between(s, spec->span_lo, spec->span_hi);
    s->bad |= bank_of(s, shop) != bank;
    s->member[s->members_n++] = shop;
    for (uint32_t i = 0; i < n && !s->bad; i++) {
        uint32_t victim = join_any(s);
        int64_t ts = s->start + days(span * tally_rng_unit(s->rng));
        use_card(s, victim, shop, tally_world_daylight(s->rng, ts, s->start));
    }
}

/* Enough institutions, and no cycle mostly inside one. */
static int banks_fit(const struct tally_shape *s, enum tally_typology t, uint32_t banks_min)
{
    uint32_t seen[TALLY_WORLD_INSTITUTIONS] = {0}, distinct = 0, inside = 0;
    for (uint32_t i = 0; i < s->members_n; i++) distinct += !seen[bank_of(s, s->member[i])]++;
    for (uint32_t i = 0; i < s->legs_n; i++)
        inside +=
            t == TALLY_TYPOLOGY_CYCLE && bank_of(s, s->leg[i].payer) == bank_of(s, s->leg[i].payee);
    return distinct >= banks_min && (!s->criminal || 2 * inside <= s->legs_n);
}

int tally_shape_draw(struct tally_shape *s, enum tally_typology t,
                     const struct tally_shape_spec *spec)
{
    s->members_n = s->legs_n = 0;
    s->bad = 0;
    uint32_t n = tally_rng_between(s->rng, spec->n_lo, spec->n_hi);
    switch (t) {
    case TALLY_TYPOLOGY_FAN_IN: fan_in(s, spec, n); break;
    case TALLY_TYPOLOGY_FAN_OUT: fan_out(s, spec, n); break;
    case TALLY_TYPOLOGY_SCATTER_GATHER: scatter_gather(s, spec, n); break;
    case TALLY_TYPOLOGY_GATHER_SCATTER: gather_scatter(s, spec, n); break;
    case TALLY_TYPOLOGY_CYCLE: hops(s, spec, n, 1); break;
    case TALLY_TYPOLOGY_CHAIN: hops(s, spec, n, 0); break;
    case TALLY_TYPOLOGY_STRUCTURING: structuring(s, spec, n); break;
    case TALLY_TYPOLOGY_MERCHANT: merchant(s, spec, n); break;
    case TALLY_TYPOLOGIES: TALLY_ASSERT(t < TALLY_TYPOLOGIES); break;
    }
    return !s->bad && banks_fit(s, t, spec->banks_min);
}
