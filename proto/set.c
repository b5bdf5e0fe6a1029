/* set.c - see set.h. */
#include "proto/set.h"

#include <string.h>

enum { VERSION = 1, ROW_BYTES_MIN = 5 + 5 + 1 + 32 + 4 + 4 + 4 };

static const uint8_t zeros[32];

static bool no_statement(const struct tally_set_row *row)
{
    return memcmp(row->statement, zeros, sizeof zeros) == 0;
}

/* What a row of each status may say; NULL if it is in order. */
static const char *row_fault(const struct tally_set_row *row)
{
    switch (row->status) {
    case TALLY_ROW_COUNTED:
        if (no_statement(row)) return "counted without a statement";
        if (row->examples == 0 || row->examples > TALLY_EXAMPLES_MAX) return "counted examples";
        if (row->weight > row->examples) return "weight above examples";
        return row->reason == TALLY_R_NONE ? NULL : "counted with a reason";
    case TALLY_ROW_EXCLUDED:
        if (row->reason == TALLY_R_NONE) return "excluded without a reason";
        if (row->examples > TALLY_EXAMPLES_MAX) return "excluded examples";
        if (no_statement(row) && row->examples != 0) return "examples without a statement";
        return row->weight == 0 ? NULL : "excluded with a weight";
    case TALLY_ROW_ABSENT:
        if (!no_statement(row) || row->examples != 0 || row->weight != 0) return "absent with more";
        return row->reason == TALLY_R_NONE ? NULL : "absent with a reason";
    }
    return "status";
}

/* Byte order of org, then node; names hold no zero byte, so strcmp is byte order. */
static int compare(const struct tally_set_row *row, const char *org, const char *node)
{
    int c = strcmp(row->org, org);

    return c != 0 ? c : strcmp(row->node, node);
}

static const char *set_fault(const struct tally_set *s)
{
    uint32_t counted = 0;

    if (s->rows_n > TALLY_SET_ROWS_MAX) return "too many rows";
    if ((memcmp(s->base, zeros, sizeof zeros) == 0) != (s->kind == TALLY_PAYLOAD_MOMENTS))
        return "base";
    for (uint32_t i = 0; i < s->rows_n; i++) {
        const struct tally_set_row *row = &s->rows[i];
        const char *fault = row_fault(row);
        if (fault != NULL) return fault;
        if (i > 0 && compare(&s->rows[i - 1], row->org, row->node) >= 0) return "rows out of order";
        counted += row->status == TALLY_ROW_COUNTED;
    }
    if (!s->combine) return s->rows_n == 0 ? NULL : "an abort with rows";
    return counted != 0 ? NULL : "nothing to combine";
}

static void write_row(struct tally_wr *w, const struct tally_set_row *row)
{
    tally_wr_name(w, row->org);
    tally_wr_name(w, row->node);
    tally_wr_u8(w, (uint8_t)row->status);
    tally_wr_bytes(w, TALLY_SLICE(row->statement));
    tally_wr_be32(w, row->examples);
    tally_wr_be32(w, row->weight);
    tally_wr_vec(w, tally_slice_str(tally_reason_name(row->reason)));
}

enum tally_status tally_set_encode(const struct tally_set *s, struct tally_wr *w,
                                   struct tally_slice *out)
{
    const char *fault = set_fault(s);
    struct tally_slice all;
    size_t from = w->used;

    TALLY_ENSURE(fault == NULL, TALLY_E_WIRE, "set: %s", fault);
    tally_wr_u8(w, VERSION);
    tally_wr_u8(w, (uint8_t)s->kind);
    tally_wr_u8(w, (uint8_t)s->mode);
    tally_wr_u8(w, s->combine ? 1 : 0);
    tally_wr_bytes(w, TALLY_SLICE(s->federation));
    tally_wr_bytes(w, TALLY_SLICE(s->job));
    tally_wr_be64(w, s->round);
    tally_wr_bytes(w, TALLY_SLICE(s->challenge));
    tally_wr_bytes(w, TALLY_SLICE(s->base));
    tally_wr_be32(w, s->rows_n);
    for (uint32_t i = 0; i < s->rows_n; i++) write_row(w, &s->rows[i]);
    TALLY_TRY(tally_wr_end(w, &all));
    *out = tally_slice_of(all.at + from, all.len - from);
    return TALLY_OK;
}

/* "" is no reason; any other name must be one that reason.h knows. */
static enum tally_reason read_reason(struct tally_rd *r)
{
    struct tally_slice s = tally_rd_vec(r, TALLY_REASON_NAME_MAX, "reason");
    char name[TALLY_REASON_NAME_MAX + 1] = {0};

    if (s.len == 0) return TALLY_R_NONE;
    memcpy(name, s.at, s.len);
    enum tally_reason reason = tally_reason_named(name);
    if (reason == TALLY_R_NONE || strlen(name) != s.len) tally_rd_fail(r, "reason");
    return reason;
}

static void read_row(struct tally_rd *r, struct tally_set_row *row)
{
    tally_rd_name(r, row->org, "org");
    tally_rd_name(r, row->node, "node");
    uint8_t status = tally_rd_u8(r, "status");
    if (status > TALLY_ROW_ABSENT) tally_rd_fail(r, "status");
    row->status = status > TALLY_ROW_ABSENT ? TALLY_ROW_ABSENT : (enum tally_row_status)status;
    tally_rd_copy(r, row->statement, sizeof row->statement, "statement");
    row->examples = tally_rd_be32(r, "examples");
    row->weight = tally_rd_be32(r, "weight");
    row->reason = read_reason(r);
}

static void read_head(struct tally_rd *r, struct tally_set *s)
{
    if (tally_rd_u8(r, "version") != VERSION) tally_rd_fail(r, "version");
    uint8_t kind = tally_rd_u8(r, "kind");
    if (kind < TALLY_PAYLOAD_MOMENTS || kind > TALLY_PAYLOAD_COUNTERS) tally_rd_fail(r, "kind");
    s->kind = r->bad == NULL ? (enum tally_payload_kind)kind : TALLY_PAYLOAD_MOMENTS;
    s->mode = tally_rd_mode(r);
    uint8_t decision = tally_rd_u8(r, "decision");
    if (decision > 1) tally_rd_fail(r, "decision");
    s->combine = decision == 1;
    tally_rd_copy(r, s->federation, sizeof s->federation, "federation");
    tally_rd_copy(r, s->job, sizeof s->job, "job");
    s->round = tally_rd_be64(r, "round");
    tally_rd_copy(r, s->challenge, sizeof s->challenge, "challenge");
    tally_rd_copy(r, s->base, sizeof s->base, "base");
}

enum tally_status tally_set_decode(struct tally_slice in, struct tally_set *s)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_set got = {0};

    read_head(&r, &got);
    got.rows_n = tally_rd_count(&r, TALLY_SET_ROWS_MAX, ROW_BYTES_MIN, "rows");
    for (uint32_t i = 0; i < got.rows_n; i++) read_row(&r, &got.rows[i]);
    TALLY_TRY(tally_rd_end(&r));
    const char *fault = set_fault(&got);
    TALLY_ENSURE(fault == NULL, TALLY_E_WIRE, "set: %s", fault);
    *s = got;
    return TALLY_OK;
}

const struct tally_set_row *tally_set_find(const struct tally_set *s, const char *org,
                                           const char *node)
{
    for (uint32_t i = 0; i < s->rows_n; i++) {
        if (compare(&s->rows[i], org, node) == 0) return &s->rows[i];
    }
    return NULL;
}

enum tally_status tally_vote_sign(const struct tally_sign_key *attested,
                                  const uint8_t set_digest[32], uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign(attested,
                      TALLY_SLICES(TALLY_SLICE("tally/set/v1"), tally_slice_of(set_digest, 32)), 2,
                      sig);
}

enum tally_status tally_vote_verify(const uint8_t attested[32], const uint8_t set_digest[32],
                                    const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    return tally_sign_verify(
        attested, TALLY_SLICES(TALLY_SLICE("tally/set/v1"), tally_slice_of(set_digest, 32)), 2,
        sig);
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ceil(1000 / N), or the job's cap where that is larger: below it no weights would exist. */
static uint64_t cap(uint32_t orgs, uint32_t share_cap_permille)
{
    uint64_t least = (TALLY_SHARE_CAP_MAX + orgs - 1) / orgs;

    return least > share_cap_permille ? least : share_cap_permille;
}

/* p x sum min(s, L) - 1000 L is concave in L and 0 at L = 0, so the L that satisfy it are an
 * interval from 0, and halving finds its end. Sums stay below 2^37 and products below 2^47. */
uint64_t tally_set_bound(const uint64_t *examples, uint32_t orgs, uint32_t share_cap_permille)
{
    TALLY_ASSERT(orgs >= 1 && share_cap_permille >= 1 && share_cap_permille <= TALLY_SHARE_CAP_MAX);
    uint64_t p = cap(orgs, share_cap_permille), low = 0, high = 0;

    for (uint32_t o = 0; o < orgs; o++) high += examples[o];
    while (low < high) {
        uint64_t mid = low + (high - low + 1) / 2, sum = 0;
        for (uint32_t o = 0; o < orgs; o++) sum += min(examples[o], mid);
        if (TALLY_SHARE_CAP_MAX * mid <= p * sum)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* Counted examples of each organisation, and for each row which organisation is its. */
struct shares {
    uint64_t examples[TALLY_SET_ROWS_MAX];
    uint32_t org_of[TALLY_SET_ROWS_MAX], orgs;
};

static void add_up(const struct tally_set *s, struct shares *sh)
{
    const char *last = NULL;

    *sh = (struct shares){0};
    for (uint32_t i = 0; i < s->rows_n; i++) {
        const struct tally_set_row *row = &s->rows[i];
        if (row->status != TALLY_ROW_COUNTED) continue;
        if (last == NULL || strcmp(last, row->org) != 0) sh->orgs++;
        last = row->org;
        sh->org_of[i] = sh->orgs - 1;
        sh->examples[sh->orgs - 1] += row->examples;
    }
}

/* floor(examples x min(s, L) / s): up to 2^29 x 2^36, so in 128 bits. */
static uint32_t weight_of(uint32_t examples, uint64_t of_org, uint64_t bound)
{
    __extension__ unsigned __int128 wide = examples;

    return (uint32_t)(wide * min(of_org, bound) / of_org);
}

static enum tally_status weigh(const struct tally_set *s, uint32_t share_cap_permille,
                               uint32_t weights[TALLY_SET_ROWS_MAX])
{
    struct shares sh;

    TALLY_ENSURE(share_cap_permille >= 1 && share_cap_permille <= TALLY_SHARE_CAP_MAX,
                 TALLY_E_CONFIG, "share cap of %u permille", share_cap_permille);
    TALLY_ENSURE(s->rows_n <= TALLY_SET_ROWS_MAX, TALLY_E_WIRE, "set: too many rows");
    for (uint32_t i = 0; i < s->rows_n; i++) {
        const struct tally_set_row *row = &s->rows[i];
        TALLY_ENSURE(row->status != TALLY_ROW_COUNTED ||
                         (row->examples >= 1 && row->examples <= TALLY_EXAMPLES_MAX),
                     TALLY_E_WIRE, "set: counted examples");
        TALLY_ENSURE(i == 0 || compare(&s->rows[i - 1], row->org, row->node) < 0, TALLY_E_WIRE,
                     "set: rows out of order");
    }
    add_up(s, &sh);
    TALLY_ENSURE(sh.orgs != 0, TALLY_E_WIRE, "set: nothing to combine");
    uint64_t bound = tally_set_bound(sh.examples, sh.orgs, share_cap_permille);
    for (uint32_t i = 0; i < s->rows_n; i++) {
        bool counted = s->rows[i].status == TALLY_ROW_COUNTED;
        weights[i] = counted ? weight_of(s->rows[i].examples, sh.examples[sh.org_of[i]], bound) : 0;
    }
    return TALLY_OK;
}

enum tally_status tally_set_weigh(struct tally_set *s, uint32_t share_cap_permille)
{
    uint32_t weights[TALLY_SET_ROWS_MAX];

    TALLY_TRY(weigh(s, share_cap_permille, weights));
    for (uint32_t i = 0; i < s->rows_n; i++) s->rows[i].weight = weights[i];
    return TALLY_OK;
}

enum tally_status tally_set_check_weights(const struct tally_set *s, uint32_t share_cap_permille)
{
    uint32_t weights[TALLY_SET_ROWS_MAX];

    TALLY_TRY(weigh(s, share_cap_permille, weights));
    for (uint32_t i = 0; i < s->rows_n; i++) {
        TALLY_REFUSE_UNLESS(s->rows[i].weight == weights[i], TALLY_R_E_UPDATE,
                            "%s/%s has weight %u, not %u", s->rows[i].org, s->rows[i].node,
                            s->rows[i].weight, weights[i]);
    }
    return TALLY_OK;
}
