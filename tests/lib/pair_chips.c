/* pair_chips.c - see pair_chips.h. */
#include "tests/lib/pair_chips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned pair_chips_appraised;

static struct tally_sim_chip *client_chip, *strange_chip;

void pair_chips_setup(void)
{
    simulated_setup();
    if (tally_sim_chip_new(simulated_root(), SIM_NOW_S, &client_chip) != TALLY_OK ||
        tally_sim_chip_new(simulated_root(), SIM_NOW_S, &strange_chip) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
}

struct tally_sim_chip *pair_strange_chip(void)
{
    return strange_chip;
}

struct pair_guest *pair_guest(const struct pair_side *side)
{
    return side->chip;
}

static void quote(struct pair_side *side, const uint8_t report_data[TALLY_REPORT_DATA_BYTES])
{
    const struct pair_guest *g = pair_guest(side);
    struct tally_wr ev = tally_wr_to(side->ev_bytes, sizeof side->ev_bytes);
    struct tally_wr end = tally_wr_to(side->endorsement_bytes, sizeof side->endorsement_bytes);
    struct tally_snp_report r;
    uint8_t bytes[TALLY_SNP_REPORT_BYTES];

    tally_sim_report_init(g->chip, &r);
    r.policy |= g->policy;
    memset(r.measurement, g->measurement, sizeof r.measurement);
    memcpy(r.report_data, report_data, sizeof r.report_data);
    ck_assert_int_eq(tally_sim_report_sign(g->chip, &r, bytes), TALLY_OK);
    tally_evidence_encode(
        &ev, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(g->chip, &end);
    ck_assert_int_eq(tally_wr_end(&ev, &side->ev), TALLY_OK);
    ck_assert_int_eq(tally_wr_end(&end, &side->endorsements), TALLY_OK);
}

static enum tally_status appraise(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                                  const struct tally_federation *f,
                                  const struct tally_expect *expect, struct tally_verdict *v)
{
    pair_chips_appraised++;
    return tally_peer_appraise(ctx, ev, endorsements, f, expect, v);
}

void pair_chips_init(struct pair *p)
{
    static struct pair_guest server, client; /* alike in every pair */

    server = (struct pair_guest){simulated_chip(), 0, 0x33};
    client = (struct pair_guest){client_chip, 0, 0x44};
    pair_init(p);
    p->f.anchors[0] = *simulated_anchor();
    p->f.anchors_n = 1;
    tally_policy_strict(&p->f.policy);
    p->f.policy.parts = TALLY_POLICY_SNP;
    tally_sim_chip_digest(server.chip, p->s.node->chips[0]);
    tally_sim_chip_digest(client.chip, p->c.node->chips[0]);
    p->appraiser = (struct tally_appraiser){appraise, NULL};
    p->quote = quote;
    p->s.chip = &server;
    p->c.chip = &client;
    pair_chips_appraised = 0;
}
