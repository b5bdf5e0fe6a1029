/* tdx_tcb_read.c - see tdx_tcb_read.h. */
#include "common/attest/tdx_tcb_read.h"

void tally_tdx_read_met(struct tally_tdx_json *j, unsigned seen, unsigned all, const char *what)
{
    if ((seen & all) != all) tally_tdx_json_fail(j, what);
}

static enum tally_tdx_status read_status(struct tally_tdx_json *j, enum tally_tdx_status last)
{
    enum tally_tdx_status s = TALLY_TDX_NOT_SUPPORTED;

    if (!tally_tdx_status_named(tally_tdx_json_text(j), &s) || s > last)
        tally_tdx_json_fail(j, "a status");
    return s;
}

bool tally_tdx_read_said(struct tally_tdx_json *j, struct tally_slice key,
                         struct tally_tdx_said *said, unsigned *seen)
{
    if (tally_tdx_json_is(key, "tcbDate")) {
        said->date_s = tally_tdx_json_time(j);
        *seen |= 1;
    } else if (tally_tdx_json_is(key, "tcbStatus")) {
        said->status = read_status(j, TALLY_TDX_REVOKED);
        *seen |= 2;
    } else if (tally_tdx_json_is(key, "advisoryIDs")) {
        struct tally_tdx_json at = *j;
        unsigned n = 0;
        said->advisories = tally_tdx_json_skip(j);
        tally_tdx_json_list(&at);
        while (tally_tdx_json_item(&at, &n)) (void)tally_tdx_json_text(&at);
        if (at.r.bad != NULL || n > TALLY_TDX_LEVEL_ADVISORIES_MAX)
            tally_tdx_json_fail(j, "advisories, and not too many");
    } else {
        return false;
    }
    return true;
}

/* {"isvsvn":4} */
static uint16_t read_isv_svn(struct tally_tdx_json *j)
{
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;
    uint16_t svn = 0;

    tally_tdx_json_open(j, &o);
    while (tally_tdx_json_next(j, &o, &key)) {
        if (tally_tdx_json_is(key, "isvsvn")) {
            svn = (uint16_t)tally_tdx_json_uint(j, UINT16_MAX);
            seen = 1;
        } else {
            (void)tally_tdx_json_skip(j);
        }
    }
    tally_tdx_read_met(j, seen, 1, "a tcb with isvsvn");
    return svn;
}

/* A module or QE is up to date, out of date or revoked: how another word would converge is not said
 * anywhere, so there is none. */
static void read_svn_level(struct tally_tdx_json *j, struct tally_tdx_svn_level *l)
{
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;

    *l = (struct tally_tdx_svn_level){0};
    tally_tdx_json_open(j, &o);
    while (tally_tdx_json_next(j, &o, &key)) {
        if (tally_tdx_read_said(j, key, &l->said, &seen)) continue;
        if (tally_tdx_json_is(key, "tcb")) {
            l->isv_svn = read_isv_svn(j);
            seen |= 4;
        } else {
            (void)tally_tdx_json_skip(j);
        }
    }
    tally_tdx_read_met(j, seen, 7, "a level with all its parts");
    enum tally_tdx_status s = l->said.status;
    if (s != TALLY_TDX_UP_TO_DATE && s != TALLY_TDX_OUT_OF_DATE && s != TALLY_TDX_REVOKED)
        tally_tdx_json_fail(j, "a status of module or QE");
}

enum tally_status tally_tdx_read_svn_levels(struct tally_tdx_json *j,
                                            struct tally_tdx_svn_level *list, uint16_t *list_n)
{
    unsigned n = 0;

    tally_tdx_json_list(j);
    while (tally_tdx_json_item(j, &n)) {
        TALLY_REFUSE_UNLESS(*list_n < TALLY_TDX_SVN_LEVELS_MAX, TALLY_R_E_OVERSIZE,
                            "more than %d levels of module or QE", TALLY_TDX_SVN_LEVELS_MAX);
        read_svn_level(j, &list[(*list_n)++]);
    }
    return TALLY_OK;
}

enum tally_status tally_tdx_read_head(struct tally_tdx_json *j, const struct tally_tdx_head *h,
                                      struct tally_slice key, unsigned *seen, bool *known)
{
    *known = true;
    if (tally_tdx_json_is(key, "id")) {
        struct tally_slice id = tally_tdx_json_text(j);
        TALLY_REFUSE_UNLESS(tally_tdx_json_is(id, h->id), TALLY_R_E_COLLATERAL_MISMATCH,
                            "%s is not of \"%s\"", h->what, h->id);
        *seen |= 1;
    } else if (tally_tdx_json_is(key, "version")) {
        uint32_t version = tally_tdx_json_uint(j, UINT32_MAX);
        TALLY_REFUSE_UNLESS(j->r.bad != NULL || version == h->version, TALLY_R_E_VERSION,
                            "%s of version %u, not %u", h->what, version, h->version);
        *seen |= 2;
    } else if (tally_tdx_json_is(key, "issueDate")) {
        *h->issue_s = tally_tdx_json_time(j);
        *seen |= 4;
    } else if (tally_tdx_json_is(key, "nextUpdate")) {
        *h->next_s = tally_tdx_json_time(j);
        *seen |= 8;
    } else if (tally_tdx_json_is(key, "tcbEvaluationDataNumber")) {
        *h->evaluation = tally_tdx_json_uint(j, UINT32_MAX);
        *seen |= 16;
    } else {
        *known = false;
    }
    return TALLY_OK;
}
