/* evidence_machine.c - a federation's machines beside the one that the evidence names; see
 * evidence_case.h. */
#include <string.h>

#include "agent/evidence_case.h"
#include "common/attest/verdict.h"

static bool listed(const uint8_t *what, size_t size, const void *list, uint32_t n)
{
    const uint8_t *at = list;

    for (uint32_t i = 0; what != NULL && i < n; i++) {
        if (memcmp(what, at + i * size, size) == 0) return true;
    }
    return false;
}

/* An entry lists chips, id keys, or says "any". */
static bool fits(const struct tally_node *n, const uint8_t *chip, const uint8_t *id_key)
{
    return n->any_chip || listed(chip, TALLY_CHIP_DIGEST_BYTES, n->chips, n->chips_n) ||
           listed(id_key, TALLY_ID_KEY_BYTES, n->id_keys, n->id_keys_n);
}

enum tally_status evidence_case_machine(const struct evidence_case *c, const uint8_t *id_key,
                                        enum tally_status s, struct tally_verdict *v)
{
    uint32_t by_key = 0;

    if (c->options->federation == NULL || !v->authentic) return s;
    for (uint32_t i = 0; i < c->federation.nodes_n; i++) {
        if (fits(&c->federation.nodes[i], v->chip, id_key)) return s;
        by_key += c->federation.nodes[i].id_keys_n > 0;
    }
    tally_verdict_fail(v, by_key == c->federation.nodes_n ? TALLY_R_E_ID_BLOCK : TALLY_R_E_CHIP,
                       "this machine is none of the federation's nodes'");
    return tally_verdict_end(v);
}
