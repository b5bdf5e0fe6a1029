/* check_device.c - see check_device.h. */
#include "agent/check_device.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "common/secret.h"
#include "proto/peer.h"

enum { LINE_SIZE = 400 };

struct bytes {
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    struct tally_verdict verdict;
};

static void free_bytes(struct bytes **b)
{
    free(*b);
}

/* Evidence over a nonce of our own, under the label that no session or update takes. */
static enum tally_status judge(const struct tally_check_device *c, struct tally_device *d,
                               struct bytes *b)
{
    uint8_t nonce[32];
    const struct tally_quote_ask ask = {TALLY_QUOTE_COLLECT, TALLY_SLICE(nonce), nonce, {0}};
    struct tally_wr ev = tally_wr_to(b->ev, sizeof b->ev);
    struct tally_wr endorsements = tally_wr_to(b->endorsements, sizeof b->endorsements);
    struct tally_peer_question q = {
        .by = {tally_peer_appraise, NULL},
        .federation = c->federation,
        .entry = c->self,
        .revoked = c->revoked,
        .now_s = tally_wall_ms() / 1000
    };

    randombytes_buf(nonce, sizeof nonce);
    TALLY_TRY(tally_device_quote(d, &ask, &ev, &endorsements));
    TALLY_TRY(tally_quote_expected(&ask, tally_slice_of(b->ev, ev.used), q.report_data,
                                   q.gpu_nonce));
    return tally_peer_judge(&q, tally_slice_of(b->ev, ev.used),
                            tally_slice_of(b->endorsements, endorsements.used), &b->verdict);
}

static void say_verdict(enum tally_status s, const struct tally_verdict *v,
                        const struct tally_describe *to)
{
    static const char fix[] = "peers refuse this node for it";
    char line[LINE_SIZE];

    if (s == TALLY_OK) {
        to->say(to->ctx, true, "this node's evidence is what the federation asks for", "");
        return;
    }
    for (uint32_t i = 0; i < v->failed_n; i++) {
        (void)snprintf(line, sizeof line, "this node's evidence: %s: %s",
                       tally_reason_name(v->failed[i].reason), v->failed[i].why);
        to->say(to->ctx, false, line, fix);
    }
    for (uint32_t i = 0; v->failed_n == 0 && i < v->missing_n; i++) {
        (void)snprintf(line, sizeof line, "this node's evidence cannot be judged: %s: %s",
                       tally_reason_name(v->missing[i].reason), v->missing[i].why);
        to->say(to->ctx, false, line, fix);
    }
    if (v->failed_n + v->missing_n != 0) return;
    (void)snprintf(line, sizeof line, "this node's evidence: %s %s",
                   tally_reason_name(tally_reason()), tally_why_text());
    to->say(to->ctx, false, line, fix);
}

void tally_check_device(const struct tally_check_device *c, const struct tally_describe *to)
{
    TALLY_CLEANUP(tally_device_close) struct tally_device *d = NULL;
    TALLY_CLEANUP(free_bytes) struct bytes *b = calloc(1, sizeof *b);

    if (strcmp(c->conf->device.kind, "hardware") == 0) {
        tally_nvml_describe(to);
        tally_tpm_describe(to, NULL);
    }
    if (b == NULL || tally_device_conf_open(&c->conf->device, c->federation, &d) != TALLY_OK) {
        to->say(to->ctx, false, b ? tally_why_text() : "out of memory",
                "without a TEE this node can prove nothing");
        return;
    }
    tally_device_describe(d, to);
    if (c->self == NULL) return;
    enum tally_status s = judge(c, d, b);
    say_verdict(s, &b->verdict, to);
}
