/* round.c - see round.h. */
#include "proto/round.h"

#include <string.h>

#define TO(s) TALLY_SM_TO(TALLY_ROUND_##s)
const struct tally_sm_row tally_round_table[TALLY_ROUND_STATES] = {
    [TALLY_ROUND_IDLE] = {"IDLE",       TO(OPENING) | TO(COLLECTING) | TO(VOTING) | TO(PUBLISHED)},
    [TALLY_ROUND_OPENING] = {"OPENING",    TO(COLLECTING)                                           },
    [TALLY_ROUND_COLLECTING] = {"COLLECTING", TO(FREEZING)                                             },
    [TALLY_ROUND_FREEZING] = {"FREEZING",   TO(VOTING)                                               },
    [TALLY_ROUND_VOTING] = {"VOTING",     TO(WRAPPING) | TO(COMBINING) | TO(PUBLISHING) | TO(STUCK)},
    [TALLY_ROUND_WRAPPING] = {"WRAPPING",   TO(COMBINING)                                            },
    [TALLY_ROUND_COMBINING] = {"COMBINING",  TO(PUBLISHING)                                           },
    [TALLY_ROUND_PUBLISHING] = {"PUBLISHING", TO(PUBLISHED) | TO(ABORTED)                              },
    [TALLY_ROUND_PUBLISHED] = {"PUBLISHED",  TO(OPENING)                                              },
    [TALLY_ROUND_ABORTED] = {"ABORTED",    TO(OPENING)                                              },
    [TALLY_ROUND_STUCK] = {"STUCK",      0                                                        },
};

static void move(struct tally_round *r, enum tally_round_state to)
{
    tally_sm_move(tally_round_table, &r->state, to);
}

bool tally_quorum_ok(uint32_t quorum, uint32_t organisations, uint32_t tolerated)
{
    return quorum >= 1 && quorum <= organisations &&
           2 * (uint64_t)quorum > (uint64_t)organisations + tolerated;
}

enum tally_status tally_round_init(struct tally_round *r, const uint32_t *orgs, uint32_t sites_n,
                                   uint32_t cohort_min, uint32_t quorum)
{
    TALLY_ENSURE(sites_n >= 1 && sites_n <= TALLY_ROUND_SITES_MAX, TALLY_E_LIMIT, "%u sites",
                 sites_n);
    memset(r, 0, sizeof *r);
    for (uint32_t i = 0; i < sites_n; i++) {
        uint32_t last = i == 0 ? 0 : orgs[i - 1];
        TALLY_ENSURE(orgs[i] == last || (i > 0 && orgs[i] == last + 1), TALLY_E_LIMIT,
                     "organisation %u after %u", orgs[i], last);
        r->sites[i].org = orgs[i];
    }
    r->sites_n = sites_n;
    r->orgs_n = orgs[sites_n - 1] + 1;
    TALLY_ENSURE(cohort_min >= 1 && cohort_min <= r->orgs_n, TALLY_E_LIMIT,
                 "cohort minimum %u of %u organisations", cohort_min, r->orgs_n);
    TALLY_ENSURE(quorum >= 1 && quorum <= r->orgs_n, TALLY_E_LIMIT, "quorum %u of %u organisations",
                 quorum, r->orgs_n);
    r->cohort_min = cohort_min;
    r->quorum = quorum;
    return TALLY_OK;
}

static bool usable(const struct tally_round_site *s)
{
    return s->status == TALLY_SITE_ACCEPTED && !s->wrap_lost;
}

static bool voted(const struct tally_round_site *s)
{
    return s->voted;
}

static bool may_vote(const struct tally_round_site *s)
{
    return !s->vote_refused;
}

/* How many organisations have a site that is so. */
static uint32_t orgs_with(const struct tally_round *r, bool (*is)(const struct tally_round_site *))
{
    uint32_t n = 0, last = UINT32_MAX;

    for (uint32_t i = 0; i < r->sites_n; i++) {
        if (!is(&r->sites[i]) || r->sites[i].org == last) continue;
        last = r->sites[i].org;
        n++;
    }
    return n;
}

uint32_t tally_round_orgs_accepted(const struct tally_round *r)
{
    return orgs_with(r, usable);
}

uint32_t tally_round_orgs_voted(const struct tally_round *r)
{
    return orgs_with(r, voted);
}

/* Everyone answered and enough of them, or time is up. */
static void close_if_due(struct tally_round *r, uint64_t now_ms, struct tally_round_effects *out)
{
    bool all = true, enough = tally_round_orgs_accepted(r) >= r->cohort_min;

    for (uint32_t i = 0; i < r->sites_n; i++)
        all = all && (usable(&r->sites[i]) || r->sites[i].status == TALLY_SITE_REFUSED);
    if (!(all && enough) && now_ms < r->deadline_ms) {
        out->wake_ms = r->deadline_ms;
        return;
    }
    r->abort = !enough;
    for (uint32_t i = 0; i < r->sites_n; i++) {
        struct tally_round_site *s = &r->sites[i];
        if (s->status != TALLY_SITE_ACCEPTED || !s->wrap_lost) continue;
        s->status = TALLY_SITE_REFUSED;
        s->reason = TALLY_R_key_lost;
    }
    out->store_set = true;
    move(r, TALLY_ROUND_FREEZING);
}

static void combine_if_wrapped(struct tally_round *r, struct tally_round_effects *out)
{
    for (uint32_t i = 0; i < r->sites_n; i++) {
        if (r->sites[i].status != TALLY_SITE_ACCEPTED || !r->sites[i].wrap_lost) continue;
        if (r->state == TALLY_ROUND_VOTING) move(r, TALLY_ROUND_WRAPPING);
        return;
    }
    out->combine = true;
    move(r, TALLY_ROUND_COMBINING);
}

static void count_votes(struct tally_round *r, struct tally_round_effects *out)
{
    if (tally_round_orgs_voted(r) >= r->quorum) {
        if (r->abort) {
            out->publish = true;
            move(r, TALLY_ROUND_PUBLISHING);
        } else {
            combine_if_wrapped(r, out);
        }
    } else if (orgs_with(r, may_vote) < r->quorum) {
        out->stuck = true;
        move(r, TALLY_ROUND_STUCK);
    }
}

static void open_round(struct tally_round *r, const struct tally_round_event *ev,
                       struct tally_round_effects *out)
{
    for (uint32_t i = 0; i < r->sites_n; i++)
        r->sites[i] = (struct tally_round_site){.org = r->sites[i].org};
    r->number = ev->number;
    r->kind = ev->kind;
    r->deadline_ms = ev->deadline_ms;
    r->abort = false;
    out->store_open = true;
    move(r, TALLY_ROUND_OPENING);
}

static enum tally_status site_event(struct tally_round *r, const struct tally_round_event *ev)
{
    TALLY_ENSURE(ev->site < r->sites_n, TALLY_E_STATE, "site %u of %u", ev->site, r->sites_n);
    struct tally_round_site *s = &r->sites[ev->site];

    switch ((int)ev->type) {
    case TALLY_ROUND_EV_ACCEPTED:
        TALLY_ENSURE(s->status != TALLY_SITE_ACCEPTED, TALLY_E_STATE, "site %u sent twice",
                     ev->site);
        s->status = TALLY_SITE_ACCEPTED;
        s->reason = TALLY_R_NONE;
        s->examples = ev->examples;
        memcpy(s->statement, ev->statement, sizeof s->statement);
        break;
    case TALLY_ROUND_EV_REFUSED: /* never takes back what was acknowledged */
        if (s->status == TALLY_SITE_ACCEPTED) break;
        s->status = TALLY_SITE_REFUSED;
        s->reason = ev->reason;
        break;
    case TALLY_ROUND_EV_RETURNED:
        if (s->status == TALLY_SITE_REFUSED) s->status = TALLY_SITE_WAITING;
        break;
    case TALLY_ROUND_EV_VOTE: s->voted = true; break;
    case TALLY_ROUND_EV_VOTE_REFUSED:
        if (!s->voted) s->vote_refused = true;
        break;
    default: s->wrap_lost = false; break;
    }
    return TALLY_OK;
}

/* In which states an event may come. */
static const uint32_t belongs_in[TALLY_ROUND_EVENTS] = {
    [TALLY_ROUND_EV_OPEN] = TO(IDLE) | TO(PUBLISHED) | TO(ABORTED),
    [TALLY_ROUND_EV_OPEN_STORED] = TO(OPENING),
    [TALLY_ROUND_EV_ACCEPTED] = TO(COLLECTING),
    [TALLY_ROUND_EV_REFUSED] = TO(COLLECTING),
    [TALLY_ROUND_EV_RETURNED] = TO(COLLECTING),
    [TALLY_ROUND_EV_TICK] = TO(COLLECTING),
    [TALLY_ROUND_EV_SET_STORED] = TO(FREEZING),
    [TALLY_ROUND_EV_VOTE] = TO(VOTING),
    [TALLY_ROUND_EV_VOTE_REFUSED] = TO(VOTING),
    [TALLY_ROUND_EV_REWRAPPED] = TO(COLLECTING) | TO(VOTING) | TO(WRAPPING),
    [TALLY_ROUND_EV_COMBINED] = TO(COMBINING),
    [TALLY_ROUND_EV_PUBLISHED] = TO(PUBLISHING),
};

enum tally_status tally_round_step(struct tally_round *r, const struct tally_round_event *ev,
                                   struct tally_round_effects *out)
{
    *out = (struct tally_round_effects){0};
    TALLY_ASSERT(ev->type < TALLY_ROUND_EVENTS);
    TALLY_ENSURE(belongs_in[ev->type] & TALLY_SM_TO(r->state), TALLY_E_STATE,
                 "event %u in state %s", ev->type, tally_round_table[r->state].name);

    switch (ev->type) {
    case TALLY_ROUND_EV_OPEN: open_round(r, ev, out); break;
    case TALLY_ROUND_EV_OPEN_STORED:
        out->send_open = true;
        move(r, TALLY_ROUND_COLLECTING);
        break;
    case TALLY_ROUND_EV_TICK: break;
    case TALLY_ROUND_EV_SET_STORED:
        out->send_set = true;
        move(r, TALLY_ROUND_VOTING);
        break;
    case TALLY_ROUND_EV_COMBINED:
        out->publish = true;
        move(r, TALLY_ROUND_PUBLISHING);
        break;
    case TALLY_ROUND_EV_PUBLISHED:
        out->announce = true;
        move(r, r->abort ? TALLY_ROUND_ABORTED : TALLY_ROUND_PUBLISHED);
        break;
    case TALLY_ROUND_EV_ACCEPTED:
    case TALLY_ROUND_EV_REFUSED:
    case TALLY_ROUND_EV_RETURNED:
    case TALLY_ROUND_EV_VOTE:
    case TALLY_ROUND_EV_VOTE_REFUSED:
    case TALLY_ROUND_EV_REWRAPPED: TALLY_TRY(site_event(r, ev)); break;
    case TALLY_ROUND_EVENTS: break;
    }
    if (r->state == TALLY_ROUND_COLLECTING) close_if_due(r, ev->now_ms, out);
    if (ev->type == TALLY_ROUND_EV_VOTE || ev->type == TALLY_ROUND_EV_VOTE_REFUSED)
        count_votes(r, out);
    if (r->state == TALLY_ROUND_WRAPPING) combine_if_wrapped(r, out);
    return TALLY_OK;
}

void tally_round_resume(struct tally_round *r, enum tally_round_state state, uint64_t now_ms,
                        struct tally_round_effects *out)
{
    *out = (struct tally_round_effects){0};
    move(r, state);
    if (state == TALLY_ROUND_COLLECTING) {
        close_if_due(r, now_ms, out);
    } else if (state == TALLY_ROUND_VOTING) {
        out->send_set = true;
        count_votes(r, out);
    }
}
