/* shapes.h - the eight shapes that money takes on its way, as drafts of transactions. Criminal
 * patterns and legitimate look-alikes use the same shapes; what differs is who takes part, the
 * amounts and the times. */
#pragma once

#include "examples/aml/world.h"

#define TALLY_TYPOLOGY_LIST(X)          \
    X(FAN_IN, "fan-in")                 \
    X(FAN_OUT, "fan-out")               \
    X(SCATTER_GATHER, "scatter-gather") \
    X(GATHER_SCATTER, "gather-scatter") \
    X(CYCLE, "cycle")                   \
    X(CHAIN, "chain")                   \
    X(STRUCTURING, "structuring")       \
    X(MERCHANT, "compromised-merchant")

#define TALLY_TYPOLOGY_ENUM_(id, name) TALLY_TYPOLOGY_##id,
enum tally_typology { TALLY_TYPOLOGY_LIST(TALLY_TYPOLOGY_ENUM_) TALLY_TYPOLOGIES };
#undef TALLY_TYPOLOGY_ENUM_

/* What a transaction does in its pattern. */
enum tally_phase {
    TALLY_PHASE_GATHER,
    TALLY_PHASE_SCATTER,
    TALLY_PHASE_HOP,
    TALLY_PHASE_DEPOSIT,
    TALLY_PHASE_PURCHASE,
    TALLY_PHASES
};

const char *tally_typology_name(enum tally_typology t);
const char *tally_phase_name(enum tally_phase p);

enum { TALLY_SHAPE_LEGS_MAX = 64, TALLY_SHAPE_MEMBERS_MAX = 64 };

/* How a shape is filled. Days are real numbers; every range is lo .. hi. */
struct tally_shape_spec {
    uint32_t n_lo, n_hi;       /* parties on the wide side, hops, deposits or purchases */
    double units_lo, units_hi; /* amount of one payment (structuring: of one deposit) */
    double span_lo, span_hi;   /* days of the first part */
    double wait_lo, wait_hi;   /* days before the next part or hop */
    double keep_lo, keep_hi;   /* share of the money that is passed on */
    uint32_t banks_min;        /* institutions that must take part */
    double days_max;           /* the whole shape is over by then */
};

struct tally_shape_leg {
    int64_t ts, cents;
    uint32_t payer, payee;
    uint8_t channel, phase;
};

struct tally_shape {
    const struct tally_world *world;
    struct tally_rng *rng;
    const double *bank_share; /* cumulative over the institutions: where members come from */
    double familiar;          /* chance that a member is a contact of the first member */
    int criminal; /* quiet accounts; hops to other banks, at most half of a cycle inside one */
    int64_t start, end; /* all legs fall in [start, end) */
    uint32_t member[TALLY_SHAPE_MEMBERS_MAX], members_n;
    struct tally_shape_leg leg[TALLY_SHAPE_LEGS_MAX];
    uint32_t legs_n;
    int bad; /* a leg fell outside, or members could not be found: draw again */
};

/* Fills s->member and s->leg with a draft of typology t. world, rng, bank_share, familiar,
 * criminal, start and end are set before. Returns 1, or 0 when this draw did not fit. */
int tally_shape_draw(struct tally_shape *s, enum tally_typology t,
                     const struct tally_shape_spec *spec);
