/* versions.c - see versions.h. */
#include "agent/versions.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/snp_report.h"
#include "common/dsse.h"
#include "common/hash.h"
#include "proto/set.h"

enum tally_status tally_lineage_object_decode(struct tally_slice in,
                                              struct tally_lineage_object *out)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_lineage_object o;

    o.envelope = tally_rd_vec(&r, TALLY_LINEAGE_TEXT_MAX, "lineage");
    o.key_block = tally_rd_vec(&r, TALLY_KEY_BLOCK_BYTES_MAX, "key block");
    o.ev = tally_rd_vec(&r, TALLY_EV_MAX, "evidence");
    o.endorsements = tally_rd_vec(&r, TALLY_ENDORSEMENTS_MAX, "endorsements");
    TALLY_TRY(tally_rd_end(&r));
    *out = o;
    return TALLY_OK;
}

static enum tally_status parse(const struct tally_lineage_object *o, enum tally_mode mode,
                               struct tally_dsse *d, struct tally_lineage *l)
{
    TALLY_TRY(tally_dsse_parse(o->envelope, TALLY_LINEAGE_BYTES_MAX, d));
    TALLY_REFUSE_UNLESS(strcmp(d->payload_type, tally_lineage_type(mode)) == 0,
                        TALLY_R_E_TRUST_CLASS, "a version of payload type %s", d->payload_type);
    return tally_lineage_decode(tally_slice_of(d->payload, d->payload_len), l);
}

enum tally_status tally_lineage_claimed(const struct tally_lineage_object *o, enum tally_mode mode,
                                        struct tally_lineage *out)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};

    return parse(o, mode, &d, out);
}

/* A key block of this federation, of a node in that role. */
static enum tally_status find_entry(const struct tally_lineage_question *q,
                                    struct tally_slice bytes, enum tally_role role,
                                    struct tally_key_block *kb, const struct tally_node **entry)
{
    const struct tally_federation *f = q->federation;

    TALLY_TRY(tally_key_block_decode(bytes, kb));
    *entry = tally_federation_node(f, kb->org, kb->node);
    TALLY_REFUSE_UNLESS(kb->mode == f->mode && memcmp(kb->federation_id, f->id, 32) == 0,
                        TALLY_R_E_FEDERATION, "a key block of another federation");
    TALLY_REFUSE_UNLESS(*entry != NULL && (*entry)->role == role && kb->role == role,
                        TALLY_R_E_IDENTITY, "%s/%s is no such node of the federation", kb->org,
                        kb->node);
    return TALLY_OK;
}

/* Evidence kept from that instance's start. */
static enum tally_status judge_evidence(const struct tally_lineage_question *q,
                                        const struct tally_lineage_object *o,
                                        const struct tally_node *entry)
{
    struct tally_peer_question ask = {.by = q->by,
                                      .federation = q->federation,
                                      .entry = entry,
                                      .revoked = q->revoked,
                                      .now_s = q->now_s};
    struct tally_verdict *v;

    TALLY_TRY(tally_own_expected(o->key_block, o->ev, ask.report_data, ask.gpu_nonce));
    v = calloc(1, sizeof *v);
    TALLY_ENSURE(v != NULL, TALLY_E_NOMEM, "verdict");
    enum tally_status s = tally_peer_judge(&ask, o->ev, o->endorsements, v);
    free(v);
    return s;
}

static enum tally_status judge_signer(const struct tally_lineage_question *q,
                                      const struct tally_lineage_object *o,
                                      const struct tally_dsse *d, const struct tally_lineage *l)
{
    struct tally_slice named = tally_slice_of(l->key_block, l->key_block_bytes);
    const struct tally_node *entry;
    struct tally_key_block kb;
    uint8_t evidence[32];

    TALLY_REFUSE_UNLESS(tally_slice_equal(named, o->key_block), TALLY_R_E_IDENTITY,
                        "the lineage names another instance than its object");
    TALLY_TRY(find_entry(q, named, TALLY_ROLE_AGGREGATOR, &kb, &entry));
    TALLY_REFUSE_UNLESS(tally_dsse_signed_by(d, kb.attested_key), TALLY_R_E_SIGNATURE,
                        "the lineage is not signed by its aggregator");
    if (q->key_block.len != 0 && tally_slice_equal(named, q->key_block)) return TALLY_OK;
    TALLY_SHA256_OF(evidence, o->ev);
    TALLY_REFUSE_UNLESS(memcmp(evidence, l->evidence, 32) == 0, TALLY_R_E_IDENTITY,
                        "the lineage names other evidence than its object has");
    return judge_evidence(q, o, entry);
}

/* The organisation, if this is a valid vote of one of the job's for that set; else NULL. */
static const char *voter(const struct tally_lineage_question *q, const struct tally_lineage *l,
                         const struct tally_lineage_vote *v)
{
    const struct tally_node *entry;
    struct tally_key_block kb;

    if (find_entry(q, tally_slice_of(v->key_block, v->key_block_bytes), TALLY_ROLE_AGENT, &kb,
                   &entry) != TALLY_OK ||
        strcmp(kb.org, v->org) != 0 || strcmp(kb.node, v->node) != 0 ||
        !tally_job_has(q->job, entry->org) ||
        tally_vote_verify(kb.attested_key, l->set, v->signature) != TALLY_OK)
        return NULL;
    return entry->org;
}

static enum tally_status judge_votes(const struct tally_lineage_question *q,
                                     const struct tally_lineage *l)
{
    const char *seen[TALLY_NODES_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->votes_n && n < TALLY_NODES_MAX; i++) {
        const char *org = voter(q, l, &l->votes[i]);
        uint32_t j = 0;
        if (org == NULL) continue;
        while (j < n && strcmp(seen[j], org) != 0) j++;
        if (j == n) seen[n++] = org;
    }
    TALLY_REFUSE_UNLESS(n >= q->federation->quorum, TALLY_R_SET_QUORUM,
                        "version of round %llu has the votes of %u organisations, not of %u",
                        (unsigned long long)l->round, n, q->federation->quorum);
    return TALLY_OK;
}

static enum tally_status judge_names(const struct tally_lineage_question *q,
                                     const struct tally_lineage *l)
{
    TALLY_REFUSE_UNLESS(memcmp(l->model, q->model, 32) == 0, TALLY_R_E_IDENTITY,
                        "the lineage is another version's");
    TALLY_REFUSE_UNLESS(memcmp(l->job, q->job->digest, 32) == 0, TALLY_R_E_IDENTITY,
                        "the version is of another job");
    /* A version made under an earlier document is this federation's by its key blocks. */
    TALLY_REFUSE_UNLESS(q->federation->version > 1 ||
                            memcmp(l->federation, q->federation->digest, 32) == 0,
                        TALLY_R_E_FEDERATION, "the version was made under another federation");
    return TALLY_OK;
}

enum tally_status tally_lineage_judge(const struct tally_lineage_question *q,
                                      struct tally_slice object, struct tally_lineage *out)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct tally_lineage_object o;
    struct tally_lineage l;

    TALLY_TRY(tally_lineage_object_decode(object, &o));
    TALLY_TRY(parse(&o, q->federation->mode, &d, &l));
    enum tally_status s = judge_names(q, &l);
    if (s == TALLY_OK) s = judge_signer(q, &o, &d, &l);
    if (s == TALLY_OK) s = judge_votes(q, &l);
    if (s != TALLY_OK) {
        tally_lineage_free(&l);
        return s;
    }
    *out = l;
    return TALLY_OK;
}
