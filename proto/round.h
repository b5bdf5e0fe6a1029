/* round.h - the aggregator's side of one round, as a pure state machine: told what happened (an
 * event with the time) it answers what must be done now (effects). It owns no socket, file, clock
 * or key; whoever drives it makes each step durable before he reports it done.
 *
 * A round collects at most one update per site, freezes the set of what it will combine, has the
 * set voted on, and only with a quorum of organisations combines exactly that set (DESIGN.md, One
 * round). Sites are indexed in identity order: organisation, then node. */
#pragma once

#include "common/federation.h"
#include "common/sm.h"
#include "proto/payload.h"

enum { TALLY_ROUND_SITES_MAX = TALLY_NODES_MAX };

enum tally_round_state {
    TALLY_ROUND_IDLE,
    TALLY_ROUND_OPENING,    /* round.open is being made durable */
    TALLY_ROUND_COLLECTING, /* updates are coming in */
    TALLY_ROUND_FREEZING,   /* the set is being made durable */
    TALLY_ROUND_VOTING,     /* waiting for votes */
    TALLY_ROUND_WRAPPING,   /* voted on; a counted update's key must be wrapped again */
    TALLY_ROUND_COMBINING,
    TALLY_ROUND_PUBLISHING, /* the version is being made durable */
    TALLY_ROUND_PUBLISHED,
    TALLY_ROUND_ABORTED, /* the empty set was voted */
    TALLY_ROUND_STUCK,   /* SET_QUORUM: the votes can no longer reach the quorum */
    TALLY_ROUND_STATES,
};
extern const struct tally_sm_row tally_round_table[TALLY_ROUND_STATES];

enum tally_site_status {
    TALLY_SITE_WAITING,  /* nothing yet: becomes `absent` */
    TALLY_SITE_ACCEPTED, /* durable and acknowledged */
    TALLY_SITE_REFUSED,  /* becomes `excluded`, with the reason */
};

struct tally_round_site {
    uint32_t org; /* index of its organisation */
    enum tally_site_status status;
    enum tally_reason reason; /* REFUSED */
    uint8_t statement[32];    /* ACCEPTED: SHA-256(ST) */
    uint32_t examples;
    bool wrap_lost; /* ACCEPTED, but its wrap is for a key we no longer hold */
    bool voted, vote_refused;
};

enum tally_round_event_type {
    TALLY_ROUND_EV_OPEN,         /* number, kind, deadline_ms */
    TALLY_ROUND_EV_OPEN_STORED,  /* round.open is durable */
    TALLY_ROUND_EV_ACCEPTED,     /* site, statement, examples: an update is durable */
    TALLY_ROUND_EV_REFUSED,      /* site, reason: its session or update was refused */
    TALLY_ROUND_EV_RETURNED,     /* site: refused before, now in a verified session */
    TALLY_ROUND_EV_TICK,         /* only time passed */
    TALLY_ROUND_EV_SET_STORED,   /* the set is durable */
    TALLY_ROUND_EV_VOTE,         /* site: a verified vote for this set */
    TALLY_ROUND_EV_VOTE_REFUSED, /* site: it has voted for another set */
    TALLY_ROUND_EV_REWRAPPED,    /* site: its key is wrapped for us again */
    TALLY_ROUND_EV_COMBINED,     /* the new model is in a file */
    TALLY_ROUND_EV_PUBLISHED,    /* the version, or the abort, is durable */
    TALLY_ROUND_EVENTS,
};

struct tally_round_event {
    enum tally_round_event_type type;
    uint64_t now_ms;
    uint32_t site;
    const uint8_t *statement; /* 32 bytes */
    uint32_t examples;
    enum tally_reason reason;
    uint64_t number, deadline_ms;
    enum tally_payload_kind kind;
};

/* What must be done, in this order, before the next event. */
struct tally_round_effects {
    bool store_open; /* then OPEN_STORED */
    bool send_open;
    bool store_set; /* build, sign and keep the set; then SET_STORED */
    bool send_set;
    bool combine; /* then COMBINED */
    bool publish; /* sign and keep the version, or note the abort; then PUBLISHED */
    bool announce;
    bool stuck;
    uint64_t wake_ms; /* send TICK at this time; 0: no timer */
};

struct tally_round {
    unsigned state; /* enum tally_round_state */
    uint64_t number, deadline_ms;
    enum tally_payload_kind kind;
    bool abort; /* the set is the empty one */
    uint32_t sites_n, orgs_n, cohort_min, quorum;
    struct tally_round_site sites[TALLY_ROUND_SITES_MAX];
};

/* orgs[i] is the organisation's index of site i, ascending from 0 without gaps. cohort_min and
 * quorum count organisations. */
TALLY_RESULT tally_round_init(struct tally_round *r, const uint32_t *orgs, uint32_t sites_n,
                              uint32_t cohort_min, uint32_t quorum);

/* On failure (TALLY_E_STATE) the round is as it was and *out is empty. */
TALLY_RESULT tally_round_step(struct tally_round *r, const struct tally_round_event *ev,
                              struct tally_round_effects *out);

/* Takes up a round read back after a restart: `state` is COLLECTING (open durable), VOTING (set
 * durable) or PUBLISHED; site rows and votes have been filled in by the caller. The effects are
 * those that the state still owes. */
void tally_round_resume(struct tally_round *r, enum tally_round_state state, uint64_t now_ms,
                        struct tally_round_effects *out);

uint32_t tally_round_orgs_accepted(const struct tally_round *r); /* with a usable update */
uint32_t tally_round_orgs_voted(const struct tally_round *r);

/* 2 x quorum > organisations + tolerated, so that two different sets cannot both pass. */
bool tally_quorum_ok(uint32_t quorum, uint32_t organisations, uint32_t tolerated);
