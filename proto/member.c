/* member.c - see member.h. */
#include "proto/member.h"

#include <string.h>

enum {
    HAS_OPEN = 1,
    HAS_STATEMENT = 2,
    ACKED = 4,
    VOTED = 8,
    COMBINE = 16,
    SETTLED = 32,
    HAS_VERSION = 64
};

void tally_member_init(struct tally_member *m, const uint8_t job[32], const char *org,
                       const char *node)
{
    memset(m, 0, sizeof *m);
    memcpy(m->job, job, 32);
    TALLY_ASSERT(strlen(org) <= TALLY_NAME_MAX && strlen(node) <= TALLY_NAME_MAX);
    memcpy(m->org, org, strlen(org));
    memcpy(m->node, node, strlen(node));
}

void tally_member_encode(const struct tally_member *m, uint8_t out[TALLY_MEMBER_BYTES])
{
    struct tally_wr w = tally_wr_to(out, TALLY_MEMBER_BYTES);

    tally_wr_u8(&w, 1);
    tally_wr_put(&w, m->job, 32);
    tally_wr_put(&w, m->org, sizeof m->org);
    tally_wr_put(&w, m->node, sizeof m->node);
    tally_wr_be64(&w, (m->has_open ? HAS_OPEN : 0) | (m->has_statement ? HAS_STATEMENT : 0) |
                          (m->acked ? ACKED : 0) | (m->voted ? VOTED : 0) |
                          (m->voted_combine ? COMBINE : 0) | (m->settled ? SETTLED : 0) |
                          (m->has_version ? HAS_VERSION : 0));
    tally_wr_be64(&w, m->round);
    tally_wr_u8(&w, m->kind);
    tally_wr_put(&w, m->challenge, 32);
    tally_wr_put(&w, m->base, 32);
    tally_wr_put(&w, m->statement, 32);
    tally_wr_be32(&w, m->examples);
    tally_wr_put(&w, m->voted_set, 32);
    tally_wr_be64(&w, m->version_round);
    tally_wr_put(&w, m->version, 32);
    TALLY_ASSERT(!w.full && w.used == TALLY_MEMBER_BYTES);
}

static void read_name(struct tally_rd *r, char to[TALLY_NAME_MAX + 1], const char *field)
{
    tally_rd_copy(r, to, TALLY_NAME_MAX + 1, field);
    if (to[TALLY_NAME_MAX] != '\0' || !tally_name_ok(tally_slice_str(to))) tally_rd_fail(r, field);
}

enum tally_status tally_member_decode(struct tally_slice in, struct tally_member *m)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_member got = {0};

    if (tally_rd_u8(&r, "memory version") != 1) tally_rd_fail(&r, "memory version");
    tally_rd_copy(&r, got.job, 32, "job");
    read_name(&r, got.org, "organisation");
    if (r.bad == NULL) read_name(&r, got.node, "node");
    uint64_t flags = tally_rd_be64(&r, "flags");
    if (flags >= 2 * HAS_VERSION) tally_rd_fail(&r, "flags");
    got.has_open = flags & HAS_OPEN;
    got.has_statement = flags & HAS_STATEMENT;
    got.acked = flags & ACKED;
    got.voted = flags & VOTED;
    got.voted_combine = flags & COMBINE;
    got.settled = flags & SETTLED;
    got.has_version = flags & HAS_VERSION;
    got.round = tally_rd_be64(&r, "round");
    got.kind = tally_rd_u8(&r, "kind");
    tally_rd_copy(&r, got.challenge, 32, "challenge");
    tally_rd_copy(&r, got.base, 32, "base");
    tally_rd_copy(&r, got.statement, 32, "statement");
    got.examples = tally_rd_be32(&r, "examples");
    tally_rd_copy(&r, got.voted_set, 32, "set");
    got.version_round = tally_rd_be64(&r, "version round");
    tally_rd_copy(&r, got.version, 32, "version");
    TALLY_TRY(tally_rd_end(&r));
    *m = got;
    return TALLY_OK;
}

enum tally_status tally_member_open(struct tally_member *m, const struct tally_opening *o)
{
    static const uint8_t none[32];
    bool same = m->has_open && o->round == m->round;

    TALLY_REFUSE_UNLESS(!m->has_open || o->round >= m->round, TALLY_R_ROUND_REUSED,
                        "round %llu after round %llu", (unsigned long long)o->round,
                        (unsigned long long)m->round);
    if (same) {
        TALLY_REFUSE_UNLESS(memcmp(o->challenge, m->challenge, 32) == 0 &&
                                memcmp(o->base, m->base, 32) == 0 && (uint8_t)o->kind == m->kind,
                            TALLY_R_ROUND_REUSED,
                            "round %llu again, with another challenge or base",
                            (unsigned long long)o->round);
        return TALLY_OK;
    }
    TALLY_REFUSE_UNLESS(!m->voted_combine || m->settled, TALLY_R_SET_CONFLICT,
                        "round %llu is opened, but the set voted in round %llu has no outcome",
                        (unsigned long long)o->round, (unsigned long long)m->round);
    TALLY_REFUSE_UNLESS(memcmp(o->base, m->has_version ? m->version : none, 32) == 0,
                        TALLY_R_AGGREGATOR_ROLLED_BACK,
                        "round %llu builds on a version that is not our newest",
                        (unsigned long long)o->round);
    m->has_open = true;
    m->round = o->round;
    m->kind = (uint8_t)o->kind;
    memcpy(m->challenge, o->challenge, 32);
    memcpy(m->base, o->base, 32);
    m->has_statement = m->acked = m->voted = m->voted_combine = m->settled = false;
    m->examples = 0;
    memset(m->statement, 0, 32);
    memset(m->voted_set, 0, 32);
    return TALLY_OK;
}

enum tally_status tally_member_statement(struct tally_member *m, const uint8_t statement[32],
                                         uint32_t examples)
{
    TALLY_ENSURE(m->has_open && !m->voted, TALLY_E_STATE, "no open round to answer");
    TALLY_ENSURE(!m->has_statement || memcmp(m->statement, statement, 32) == 0, TALLY_E_STATE,
                 "a second statement for round %llu", (unsigned long long)m->round);
    m->has_statement = true;
    m->examples = examples;
    memcpy(m->statement, statement, 32);
    return TALLY_OK;
}

enum tally_status tally_member_acked(struct tally_member *m, const uint8_t statement[32])
{
    TALLY_ENSURE(m->has_statement && memcmp(m->statement, statement, 32) == 0, TALLY_E_STATE,
                 "an ack for a statement that is not ours");
    m->acked = true;
    return TALLY_OK;
}

/* Our own row says what we know. */
static enum tally_status check_own_row(const struct tally_member *m, const struct tally_set *s)
{
    const struct tally_set_row *own = tally_set_find(s, m->org, m->node);

    TALLY_REFUSE_UNLESS(own != NULL, TALLY_R_E_UPDATE, "the set has no row for us");
    if (own->status == TALLY_ROW_COUNTED) {
        TALLY_REFUSE_UNLESS(m->has_statement && memcmp(own->statement, m->statement, 32) == 0 &&
                                own->examples == m->examples,
                            TALLY_R_E_UPDATE, "the set counts an update that we did not make");
        return TALLY_OK;
    }
    TALLY_REFUSE_UNLESS(!m->acked ||
                            (own->status == TALLY_ROW_EXCLUDED && own->reason == TALLY_R_key_lost),
                        TALLY_R_E_UPDATE, "our acknowledged update is not in the set");
    return TALLY_OK;
}

enum tally_status tally_member_set(struct tally_member *m, const struct tally_set *s,
                                   const uint8_t digest[32], uint32_t share_cap_permille)
{
    TALLY_ENSURE(m->has_open, TALLY_E_STATE, "a set before any round");
    TALLY_REFUSE_UNLESS(s->round == m->round && memcmp(s->job, m->job, 32) == 0 &&
                            memcmp(s->challenge, m->challenge, 32) == 0 &&
                            memcmp(s->base, m->base, 32) == 0 && (uint8_t)s->kind == m->kind,
                        TALLY_R_ROUND_REUSED, "the set is of another round than %llu",
                        (unsigned long long)m->round);
    if (m->voted) {
        TALLY_REFUSE_UNLESS(memcmp(m->voted_set, digest, 32) == 0, TALLY_R_SET_CONFLICT,
                            "we voted for another set in round %llu", (unsigned long long)m->round);
        return TALLY_OK;
    }
    if (s->combine) {
        TALLY_TRY(check_own_row(m, s));
        TALLY_TRY(tally_set_check_weights(s, share_cap_permille));
        /* A set that counts our update acknowledges it: an ack may have been lost on the way. */
        if (tally_set_find(s, m->org, m->node)->status == TALLY_ROW_COUNTED) m->acked = true;
    }
    m->voted = true;
    m->voted_combine = s->combine;
    memcpy(m->voted_set, digest, 32);
    return TALLY_OK;
}

/* The lineage of the round we worked in says of us what the set may say. */
static enum tally_status check_own_site(const struct tally_member *m, const struct tally_lineage *l)
{
    const struct tally_lineage_site *own = NULL;

    for (uint32_t i = 0; i < l->sites_n; i++) {
        if (strcmp(l->sites[i].org, m->org) == 0 && strcmp(l->sites[i].node, m->node) == 0)
            own = &l->sites[i];
    }
    TALLY_REFUSE_UNLESS(
        !m->acked ||
            (own != NULL &&
             ((own->status == TALLY_LINEAGE_COUNTED &&
               memcmp(own->statement, m->statement, 32) == 0 && own->examples == m->examples) ||
              (own->status == TALLY_LINEAGE_EXCLUDED && strcmp(own->reason, "key_lost") == 0))),
        TALLY_R_AGGREGATOR_ROLLED_BACK,
        "our acknowledged update of round %llu is not in the version",
        (unsigned long long)m->round);
    return TALLY_OK;
}

enum tally_status tally_member_version(struct tally_member *m, const struct tally_lineage *l)
{
    TALLY_REFUSE_UNLESS(memcmp(l->job, m->job, 32) == 0, TALLY_R_E_IDENTITY,
                        "a version of another job");
    if (m->has_version && memcmp(m->version, l->model, 32) == 0 && m->version_round == l->round)
        return TALLY_OK;
    TALLY_REFUSE_UNLESS(!m->has_version || (l->round > m->version_round && l->has_parent &&
                                            memcmp(l->parent, m->version, 32) == 0),
                        TALLY_R_AGGREGATOR_ROLLED_BACK,
                        "version of round %llu does not descend from our newest, of round %llu",
                        (unsigned long long)l->round, (unsigned long long)m->version_round);
    if (m->has_open && l->round == m->round) {
        TALLY_REFUSE_UNLESS(!m->voted || memcmp(m->voted_set, l->set, 32) == 0,
                            TALLY_R_SET_CONFLICT, "round %llu was combined from another set",
                            (unsigned long long)l->round);
        TALLY_TRY(check_own_site(m, l));
        m->settled = true;
    }
    m->has_version = true;
    m->version_round = l->round;
    memcpy(m->version, l->model, 32);
    return TALLY_OK;
}
