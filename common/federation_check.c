/* federation_check.c - what the fields of a federation document say of each other. */
#include <string.h>

#include "common/federation_parts.h"

static bool same_key(const uint8_t a[32], const uint8_t b[32])
{
    return memcmp(a, b, 32) == 0;
}

/* A document key signs documents and nothing else; a session key is one node's. */
static enum tally_status check_session_key(const struct tally_federation *f, uint32_t i)
{
    const struct tally_node *n = &f->nodes[i];

    for (uint32_t k = 0; k < i; k++)
        TALLY_ENSURE(!same_key(n->session_key, f->nodes[k].session_key), TALLY_E_CONFIG,
                     "parties: %s/%s and %s/%s have one session_key", f->nodes[k].org,
                     f->nodes[k].node, n->org, n->node);
    for (uint32_t k = 0; k < f->parties_n; k++)
        TALLY_ENSURE(!same_key(n->session_key, f->parties[k].document_key), TALLY_E_CONFIG,
                     "parties: the session_key of %s/%s is the document_key of %s", n->org, n->node,
                     f->parties[k].name);
    return TALLY_OK;
}

static enum tally_status check_curve_keys(const struct tally_federation *f, uint32_t i)
{
    const struct tally_node *n = &f->nodes[i];

    for (uint32_t k = 0; k < n->curve_keys_n; k++) {
        const struct tally_node *first = tally_federation_curve_key(f, n->curve_keys[k]);
        bool own_first = first == n;
        for (uint32_t j = 0; own_first && j < k; j++)
            own_first = strcmp(n->curve_keys[j], n->curve_keys[k]) != 0;
        TALLY_ENSURE(own_first, TALLY_E_CONFIG, "parties: a curve_key of %s/%s is listed twice",
                     n->org, n->node);
    }
    return TALLY_OK;
}

static enum tally_status check_keys(const struct tally_federation *f)
{
    for (uint32_t i = 0; i < f->parties_n; i++) {
        for (uint32_t k = 0; k < i; k++)
            TALLY_ENSURE(!same_key(f->parties[i].document_key, f->parties[k].document_key),
                         TALLY_E_CONFIG, "parties: %s and %s have one document_key",
                         f->parties[k].name, f->parties[i].name);
    }
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        TALLY_TRY(check_session_key(f, i));
        TALLY_TRY(check_curve_keys(f, i));
    }
    return TALLY_OK;
}

/* Evidence of a role that no measurement names could never be accepted. */
static enum tally_status check_measured(const struct tally_federation *f)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        uint32_t m = 0;
        while (m < f->measurements_n && f->measurements[m].role != f->nodes[i].role) m++;
        TALLY_ENSURE(m < f->measurements_n, TALLY_E_CONFIG,
                     "measurements: none for the role \"%s\" of %s/%s",
                     tally_role_name(f->nodes[i].role), f->nodes[i].org, f->nodes[i].node);
    }
    return TALLY_OK;
}

static enum tally_status check_votes(const struct tally_federation *f)
{
    TALLY_ENSURE(f->organisations >= 1, TALLY_E_CONFIG, "parties: none has an agent");
    TALLY_ENSURE(f->mode == TALLY_MODE_TEST || f->tolerated >= 1, TALLY_E_CONFIG,
                 "votes.tolerated: is 0; expected at least 1 outside test mode (one bank in league "
                 "with the owner)");
    TALLY_ENSURE(f->quorum <= f->organisations, TALLY_E_CONFIG,
                 "votes.quorum: is %u, and only %u organisations have agents", f->quorum,
                 f->organisations);
    TALLY_ENSURE(2 * f->quorum > f->organisations + f->tolerated, TALLY_E_CONFIG,
                 "votes.quorum: 2 x %u is not above %u organisations + %u tolerated", f->quorum,
                 f->organisations, f->tolerated);
    return TALLY_OK;
}

static enum tally_status check_needs(const struct tally_federation *f)
{
    for (uint32_t i = 0; i < f->needs_n; i++) {
        TALLY_ENSURE(tally_federation_party(f, f->needs[i]) != NULL, TALLY_E_CONFIG,
                     "changes.needs[%u]: \"%s\" is no party", i, f->needs[i]);
        for (uint32_t k = 0; k < i; k++)
            TALLY_ENSURE(strcmp(f->needs[i], f->needs[k]) != 0, TALLY_E_CONFIG,
                         "changes.needs[%u]: \"%s\" is listed twice", i, f->needs[i]);
    }
    return TALLY_OK;
}

enum tally_status tally_federation_check(const struct tally_federation *f)
{
    TALLY_TRY(check_keys(f));
    const struct tally_node *agg = tally_federation_aggregator(f);
    TALLY_ENSURE(agg != NULL, TALLY_E_CONFIG, "parties: no node has the role \"aggregator\"");
    for (uint32_t i = 0; i < f->nodes_n; i++)
        TALLY_ENSURE(f->nodes[i].role != TALLY_ROLE_AGGREGATOR ||
                         strcmp(f->nodes[i].org, agg->org) == 0,
                     TALLY_E_CONFIG, "parties: %s and %s both run an aggregator; one owner does",
                     agg->org, f->nodes[i].org);
    TALLY_TRY(check_measured(f));
    TALLY_TRY(check_votes(f));
    return check_needs(f);
}
