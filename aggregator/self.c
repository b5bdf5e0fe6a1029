/* self.c - the evidence over our own key block, kept so that what this instance signs verifies when
 * it is gone (hub.h). A lineage names its evidence by digest, so an instance that starts again
 * keeps the evidence that it made first, for as long as that can be verified. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"

/* Large, and wanted for a moment. */
struct kept {
    const struct tally_hub *hub;
    bool found;
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    size_t ev_len, endorsements_len;
    struct tally_verdict verdict;
};

static void free_kept(struct kept **k)
{
    free(*k);
}

static enum tally_status quote(struct tally_hub *h)
{
    uint8_t nonce[32];
    struct tally_slice kb = {h->kb, h->kb_len}, ev, endorsements;
    const struct tally_quote_ask ask = {TALLY_QUOTE_COLLECT, TALLY_SLICE(nonce), nonce, kb};

    TALLY_SHA256_OF(nonce, kb);
    h->own_ev = malloc(TALLY_EV_MAX);
    h->own_endorsements = malloc(TALLY_ENDORSEMENTS_MAX);
    TALLY_ENSURE(h->own_ev != NULL && h->own_endorsements != NULL, TALLY_E_NOMEM, "evidence");
    struct tally_wr we = tally_wr_to(h->own_ev, TALLY_EV_MAX);
    struct tally_wr wn = tally_wr_to(h->own_endorsements, TALLY_ENDORSEMENTS_MAX);
    TALLY_TRY(tally_device_quote(h->device, &ask, &we, &wn));
    TALLY_TRY(tally_wr_end(&we, &ev));
    TALLY_TRY(tally_wr_end(&wn, &endorsements));
    h->own_ev_len = ev.len;
    h->own_endorsements_len = endorsements.len;
    return TALLY_OK;
}

static enum tally_status take_kept(void *ctx, const struct tally_store_instance *i)
{
    struct kept *k = ctx;

    if (!tally_slice_equal(i->key_block, tally_slice_of(k->hub->kb, k->hub->kb_len)) ||
        i->ev.len > sizeof k->ev || i->endorsements.len > sizeof k->endorsements)
        return TALLY_OK; /* no row that we wrote */
    memcpy(k->ev, i->ev.at, k->ev_len = i->ev.len);
    memcpy(k->endorsements, i->endorsements.at, k->endorsements_len = i->endorsements.len);
    k->found = true;
    return TALLY_OK;
}

/* Would an agent take the kept evidence with these? */
static bool good_with(struct kept *k, struct tally_slice endorsements)
{
    const struct tally_hub *h = k->hub;
    struct tally_slice ev = {k->ev, k->ev_len};
    struct tally_peer_question q = {
        .by = {tally_peer_appraise, NULL},
        .federation = h->federation,
        .entry = h->self,
        .revoked = h->documents,
        .now_s = tally_hub_now_ms(h) / 1000
    };

    return k->found &&
           tally_own_expected(tally_slice_of(h->kb, h->kb_len), ev, q.report_data, q.gpu_nonce) ==
               TALLY_OK &&
           tally_peer_judge(&q, ev, endorsements, &k->verdict) == TALLY_OK;
}

enum tally_status tally_self_keep(struct tally_hub *h)
{
    TALLY_CLEANUP(free_kept) struct kept *k = calloc(1, sizeof *k);
    struct tally_store_instance row = {
        .key_block = {h->kb, h->kb_len},
          .created_ms = tally_hub_now_ms(h)
    };

    TALLY_ENSURE(k != NULL, TALLY_E_NOMEM, "evidence");
    k->hub = h;
    TALLY_TRY(quote(h));
    TALLY_TRY(tally_store_instances(h->store, h->key_id, take_kept, k));
    struct tally_slice fresh = {h->own_endorsements, h->own_endorsements_len};
    struct tally_slice old = {k->endorsements, k->endorsements_len};
    bool with_fresh = good_with(k, fresh);
    bool stays = with_fresh || good_with(k, old);
    if (stays) memcpy(h->own_ev, k->ev, h->own_ev_len = k->ev_len);
    row.ev = tally_slice_of(h->own_ev, h->own_ev_len);
    row.endorsements = stays && !with_fresh ? old : fresh;
    memcpy(row.key_id, h->key_id, sizeof row.key_id);
    return tally_store_instance_put(h->store, &row);
}
