/* tdx_tcb_info.c - TCB info from its JSON; see tdx_tcb.h. Keys that are not known
 * are passed over: Intel has added some without a new version. */
#include <string.h>

#include "common/attest/tdx_tcb_read.h"

/* {"svn":7,...}: the rest is for people. */
static uint8_t read_component(struct tally_tdx_json *j, struct tally_tdx_json_object *o)
{
    struct tally_slice key;
    unsigned seen = 0;
    uint8_t svn = 0;

    tally_tdx_json_open(j, o);
    while (tally_tdx_json_next(j, o, &key)) {
        if (tally_tdx_json_is(key, "svn")) {
            svn = (uint8_t)tally_tdx_json_uint(j, UINT8_MAX);
            seen = 1;
        } else {
            (void)tally_tdx_json_skip(j);
        }
    }
    tally_tdx_read_met(j, seen, 1, "a component without svn");
    return svn;
}

static void read_components(struct tally_tdx_json *j, uint8_t out[16])
{
    struct tally_tdx_json_object o;
    unsigned n = 0;

    tally_tdx_json_list(j);
    while (tally_tdx_json_item(j, &n)) {
        uint8_t svn = read_component(j, &o);
        if (n <= 16) out[n - 1] = svn;
    }
    if (n != 16) tally_tdx_json_fail(j, "sixteen components");
}

static void read_tcb(struct tally_tdx_json *j, struct tally_tdx_level *l)
{
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;

    tally_tdx_json_open(j, &o);
    while (tally_tdx_json_next(j, &o, &key)) {
        if (tally_tdx_json_is(key, "sgxtcbcomponents")) {
            read_components(j, l->sgx);
            seen |= 1;
        } else if (tally_tdx_json_is(key, "tdxtcbcomponents")) {
            read_components(j, l->tdx);
            seen |= 2;
        } else if (tally_tdx_json_is(key, "pcesvn")) {
            l->pce_svn = (uint16_t)tally_tdx_json_uint(j, UINT16_MAX);
            seen |= 4;
        } else {
            (void)tally_tdx_json_skip(j);
        }
    }
    tally_tdx_read_met(j, seen, 7, "a tcb with all its parts");
}

static void read_level(struct tally_tdx_json *j, struct tally_tdx_level *l)
{
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;

    tally_tdx_json_open(j, &o);
    while (tally_tdx_json_next(j, &o, &key)) {
        if (tally_tdx_read_said(j, key, &l->said, &seen)) continue;
        if (tally_tdx_json_is(key, "tcb")) {
            read_tcb(j, l);
            seen |= 4;
        } else {
            (void)tally_tdx_json_skip(j);
        }
    }
    tally_tdx_read_met(j, seen, 7, "a level with all its parts");
}

static enum tally_status read_levels(struct tally_tdx_json *j, struct tally_tdx_tcb_info *t)
{
    unsigned n = 0;

    tally_tdx_json_list(j);
    while (tally_tdx_json_item(j, &n)) {
        TALLY_REFUSE_UNLESS(n <= TALLY_TDX_LEVELS_MAX, TALLY_R_E_OVERSIZE,
                            "TCB info: too many levels");
        read_level(j, &t->levels[t->levels_n++]);
    }
    return TALLY_OK;
}

/* "TDX_01" is 1. */
static uint8_t read_module_id(struct tally_tdx_json *j)
{
    struct tally_slice t = tally_tdx_json_text(j);
    unsigned id = 0;

    if (t.len != 6 || memcmp(t.at, "TDX_", 4) != 0) tally_tdx_json_fail(j, "a module's id");
    for (size_t i = 4; i < t.len && t.len == 6; i++) {
        uint8_t c = t.at[i];
        bool number = c >= '0' && c <= '9';
        if (!number && (c < 'A' || c > 'F')) tally_tdx_json_fail(j, "a module's id");
        id = id << 4 | (unsigned)(number ? c - '0' : c - 'A' + 10);
    }
    return (uint8_t)(id & 0xff);
}

/* What every module has: bits 0 to 2; false if the key is another. */
static bool read_module_hex(struct tally_tdx_json *j, struct tally_slice key,
                            struct tally_tdx_module *m, unsigned *seen)
{
    if (tally_tdx_json_is(key, "mrsigner")) {
        tally_tdx_json_hex(j, m->mr_signer, sizeof m->mr_signer);
        *seen |= 1;
    } else if (tally_tdx_json_is(key, "attributes")) {
        tally_tdx_json_hex(j, m->attributes, sizeof m->attributes);
        *seen |= 2;
    } else if (tally_tdx_json_is(key, "attributesMask")) {
        tally_tdx_json_hex(j, m->attributes_mask, sizeof m->attributes_mask);
        *seen |= 4;
    } else {
        return false;
    }
    return true;
}

/* What a module with an id has besides: bits 3 and 4. */
static enum tally_status read_module_key(struct tally_tdx_json *j, struct tally_slice key,
                                         struct tally_tdx_tcb_info *t, unsigned *seen)
{
    if (tally_tdx_json_is(key, "id")) {
        t->modules[t->modules_n - 1].id = read_module_id(j);
        *seen |= 8;
    } else if (tally_tdx_json_is(key, "tcbLevels")) {
        TALLY_TRY(tally_tdx_read_svn_levels(j, t->svn_levels, &t->svn_levels_n));
        *seen |= 16;
    } else {
        (void)tally_tdx_json_skip(j);
    }
    return TALLY_OK;
}

static enum tally_status read_module(struct tally_tdx_json *j, struct tally_tdx_tcb_info *t,
                                     bool named)
{
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;

    TALLY_REFUSE_UNLESS(t->modules_n < TALLY_TDX_MODULES_MAX, TALLY_R_E_OVERSIZE,
                        "TCB info: too many TDX modules");
    struct tally_tdx_module *m = &t->modules[t->modules_n++];
    m->first = t->svn_levels_n;
    tally_tdx_json_open(j, &o);
    while (tally_tdx_json_next(j, &o, &key)) {
        if (read_module_hex(j, key, m, &seen)) continue;
        if (named)
            TALLY_TRY(read_module_key(j, key, t, &seen));
        else
            (void)tally_tdx_json_skip(j);
    }
    tally_tdx_read_met(j, seen, named ? 31 : 7, "a module with all its parts");
    m->n = (uint16_t)(t->svn_levels_n - m->first);
    if (named && m->id == 0) tally_tdx_json_fail(j, "a module's id");
    return TALLY_OK;
}

static enum tally_status read_modules(struct tally_tdx_json *j, struct tally_tdx_tcb_info *t)
{
    unsigned n = 0;

    tally_tdx_json_list(j);
    while (tally_tdx_json_item(j, &n)) {
        TALLY_TRY(read_module(j, t, true));
        for (unsigned i = 0; i + 1 < t->modules_n; i++) {
            if (t->modules[i].id == t->modules[t->modules_n - 1].id)
                tally_tdx_json_fail(j, "a module that stands twice");
        }
    }
    return TALLY_OK;
}

static enum tally_status read_info_key(struct tally_tdx_json *j, struct tally_slice key,
                                       struct tally_tdx_tcb_info *t, unsigned *seen)
{
    if (tally_tdx_json_is(key, "fmspc")) {
        tally_tdx_json_hex(j, t->fmspc, sizeof t->fmspc);
        *seen |= 32;
    } else if (tally_tdx_json_is(key, "pceId")) {
        tally_tdx_json_hex(j, t->pce_id, sizeof t->pce_id);
        *seen |= 64;
    } else if (tally_tdx_json_is(key, "tcbType")) {
        if (tally_tdx_json_uint(j, UINT32_MAX) != 0) tally_tdx_json_fail(j, "tcbType 0");
        *seen |= 128;
    } else if (tally_tdx_json_is(key, "tdxModule")) {
        TALLY_TRY(read_module(j, t, false));
        *seen |= 256;
    } else if (tally_tdx_json_is(key, "tdxModuleIdentities")) {
        TALLY_TRY(read_modules(j, t));
    } else if (tally_tdx_json_is(key, "tcbLevels")) {
        TALLY_TRY(read_levels(j, t));
        *seen |= 512;
    } else {
        (void)tally_tdx_json_skip(j);
    }
    return TALLY_OK;
}

enum tally_status tally_tdx_tcb_info_read(struct tally_slice json, struct tally_tdx_tcb_info *out)
{
    enum { ALL = 1023 };
    struct tally_tdx_json j = tally_tdx_json_from(json);
    const struct tally_tdx_head h = {"TDX",         "TCB info",   3,
                                     &out->issue_s, &out->next_s, &out->evaluation};
    struct tally_tdx_json_object o;
    struct tally_slice key;
    unsigned seen = 0;
    bool known = false;

    *out = (struct tally_tdx_tcb_info){0};
    tally_tdx_json_open(&j, &o);
    while (tally_tdx_json_next(&j, &o, &key)) {
        TALLY_TRY(tally_tdx_read_head(&j, &h, key, &seen, &known));
        if (!known) TALLY_TRY(read_info_key(&j, key, out, &seen));
    }
    tally_tdx_read_met(&j, seen, ALL, "TCB info with all its parts");
    return tally_tdx_json_end(&j, "TCB info");
}
