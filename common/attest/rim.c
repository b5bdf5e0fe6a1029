/* rim.c - see rim.h: the steps in their order, and what is kept of them. */
#include "common/attest/rim.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "common/attest/rim_parts.h"
#include "common/attest/verdict.h"
#include "common/hash.h"
#include "common/secret.h"

/* A manifest whose chain and signature verified; what depends on the time and on the anchors is
 * asked anew each time. */
struct verified {
    struct tally_rim rim;
    uint64_t from_s[TALLY_RIM_CERTS], until_s[TALLY_RIM_CERTS];
    uint8_t root[TALLY_RIM_CERT_BYTES_MAX];
    size_t root_bytes;
};

static void free_verified(void *value)
{
    free(value);
}

/* One appraisal. */
struct job {
    struct tally_slice xml;
    const struct tally_rim_terms *terms;
    struct tally_verdict *v;
    struct tally_rim_file *file; /* owned scratch, where nothing was kept */
    struct tally_rim_chain chain;
    struct verified *fresh; /* owned until the cache takes it */
};

static void free_job(struct job *j)
{
    tally_rim_chain_free(&j->chain);
    free(j->file);
    free(j->fresh);
}

struct window {
    uint64_t from_s, until_s;
};

/* The window of the four certificates. */
static struct window window_of(const struct job *j, const struct verified *r)
{
    struct window w = {0, UINT64_MAX};

    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        bool ends = i > 0 || !j->terms->allow_expired;
        if (r->from_s[i] > w.from_s) w.from_s = r->from_s[i];
        if (ends && r->until_s[i] < w.until_s) w.until_s = r->until_s[i];
    }
    return w;
}

/* The first certificate out of its time is the reason. */
static enum tally_status check_dates(const struct job *j, const struct verified *r)
{
    uint64_t now_s = j->terms->expect->now_s;

    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        TALLY_REFUSE_UNLESS(now_s >= r->from_s[i], TALLY_R_E_CERT_NOT_YET_VALID,
                            "certificate %zu of the manifest begins later", i + 1);
        TALLY_REFUSE_UNLESS(now_s <= r->until_s[i] || (i == 0 && j->terms->allow_expired),
                            TALLY_R_E_RIM_EXPIRED, "certificate %zu of the manifest has expired",
                            i + 1);
    }
    return TALLY_OK;
}

static enum tally_status check_content(const struct tally_rim *r)
{
    bool active = false;

    TALLY_REFUSE_UNLESS(strcmp(r->name, r->product) == 0, TALLY_R_E_RIM_VERSION,
                        "the manifest is of \"%s\" and of \"%s\"", r->name, r->product);
    for (size_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) active |= r->measurements[i].active;
    TALLY_REFUSE_UNLESS(active, TALLY_R_E_RIM_EMPTY, "the manifest has no active measurement");
    return TALLY_OK;
}

/* What the chain gave, before the signature is known to be good. */
static void collect(struct job *j)
{
    enum { ROOT = TALLY_RIM_CERTS - 1 };
    struct verified *r = j->fresh;

    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        r->from_s[i] = j->chain.certs[i].not_before_s;
        r->until_s[i] = j->chain.certs[i].not_after_s;
    }
    r->root_bytes = j->file->der_bytes[ROOT];
    memcpy(r->root, j->file->der[ROOT], r->root_bytes);
}

static bool note(struct job *j, enum tally_status s)
{
    return tally_verdict_note(j->v, s);
}

static enum tally_status make_room(struct job *j)
{
    j->file = calloc(1, sizeof *j->file);
    j->fresh = calloc(1, sizeof *j->fresh);
    TALLY_ENSURE(j->file != NULL && j->fresh != NULL, TALLY_E_NOMEM, "verifying a manifest");
    j->file->claimed = &j->fresh->rim;
    return TALLY_OK;
}

/* What is asked each time, of a manifest whose signature verified. */
static bool judge_content(struct job *j, const struct verified *r, bool dated,
                          enum tally_trust_class trust, struct tally_rim *out)
{
    if (!note(j, check_content(&r->rim)) || !dated) return false;
    struct window w = window_of(j, r);
    *out = r->rim;
    out->trust = trust;
    out->not_before_s = w.from_s;
    out->not_after_s = w.until_s;
    return true;
}

static bool judge_dates(struct job *j, const struct verified *r)
{
    struct window w = window_of(j, r);

    tally_verdict_window(j->v, w.from_s, w.until_s);
    return note(j, check_dates(j, r));
}

/* Everything, from the bytes. */
static bool judge_anew(struct job *j, const uint8_t key[TALLY_SHA256_BYTES], struct tally_rim *out)
{
    if (!note(j, make_room(j)) || !note(j, tally_rim_parse(j->xml, j->file)) ||
        !note(j,
              tally_rim_chain_verify(j->file, j->terms->anchors, j->terms->anchors_n, &j->chain)))
        return false;
    collect(j);
    bool dated = judge_dates(j, j->fresh);
    if (!note(j, tally_rim_signature_verify(j->file, &j->chain.certs[0]))) return false;
    bool good = judge_content(j, j->fresh, dated, j->chain.trust, out);
    tally_attest_cache_put(j->terms->expect->cache, key, free_verified, j->fresh);
    j->fresh = NULL;
    return good;
}

static bool judge(struct job *j, struct tally_rim *out)
{
    uint8_t key[TALLY_SHA256_BYTES] = {0};
    enum tally_trust_class trust;

    if (j->terms->expect->cache != NULL && j->xml.len <= TALLY_RIM_BYTES_MAX) {
        TALLY_SHA256_OF(key, tally_slice_str("tally/rim/v1"), j->xml);
        const struct verified *r =
            tally_attest_cache_find(j->terms->expect->cache, key, free_verified);
        if (r != NULL && tally_rim_root(tally_slice_of(r->root, r->root_bytes), j->terms->anchors,
                                        j->terms->anchors_n, &trust) == TALLY_OK)
            return judge_content(j, r, judge_dates(j, r), trust, out);
    }
    return judge_anew(j, key, out);
}

bool tally_rim_appraise(struct tally_slice xml, const struct tally_rim_terms *terms,
                        struct tally_rim *out, struct tally_verdict *v)
{
    TALLY_CLEANUP(free_job) struct job j = {.xml = xml, .terms = terms, .v = v};

    return judge(&j, out);
}

enum tally_status tally_rim_verify(struct tally_slice xml, const struct tally_anchor *anchors,
                                   uint32_t anchors_n, const struct tally_expect *expect,
                                   bool allow_expired, struct tally_rim *out)
{
    const struct tally_rim_terms terms = {anchors, anchors_n, expect, allow_expired};
    struct tally_verdict v;

    tally_verdict_init(&v);
    if (tally_rim_appraise(xml, &terms, out, &v)) return TALLY_OK;
    return TALLY_REFUSE(v.failed[0].reason, "%s", v.failed[0].why);
}
