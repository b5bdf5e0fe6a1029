/* sim_tdx_json.c - see sim_tdx_json.h. */
#include "common/attest/sim_tdx_json.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/attest/sim_tdx_cert.h"
#include "common/text.h"

#define ZEROS_48                                       \
    "000000000000000000000000000000000000000000000000" \
    "000000000000000000000000000000000000000000000000"

static void put(struct tally_wr *w, const char *fmt, ...) TALLY_PRINTF(2, 3);
static void put(struct tally_wr *w, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    TALLY_ASSERT(n >= 0 && (size_t)n < sizeof text);
    tally_wr_put(w, text, (size_t)n);
}

static void put_date(struct tally_wr *w, const char *key, uint64_t s)
{
    char text[TALLY_TIME_TEXT_SIZE];

    tally_time_text(s, text);
    put(w, "\"%s\":\"%s\"", key, text);
}

static void put_standing(struct tally_wr *w, const struct tally_sim_tdx_standing *s)
{
    put_date(w, "tcbDate", s->date_s);
    put(w, ",\"tcbStatus\":\"%s\"", s->status);
    if (s->advisories == NULL) return;
    put(w, ",\"advisoryIDs\":[");
    for (uint32_t i = 0; i < s->advisories_n; i++)
        put(w, "%s\"%s\"", i ? "," : "", s->advisories[i]);
    put(w, "]");
}

static void put_svn_levels(struct tally_wr *w, const struct tally_sim_tdx_svn_level *l, uint32_t n)
{
    put(w, "\"tcbLevels\":[");
    for (uint32_t i = 0; i < n; i++) {
        put(w, "%s{\"tcb\":{\"isvsvn\":%u},", i ? "," : "", l[i].isvsvn);
        put_standing(w, &l[i].is);
        put(w, "}");
    }
    put(w, "]");
}

/* What Intel says a component is; NULL: nothing. */
struct component {
    const char *category, *type;
};
static const struct component sgx_names[TALLY_SIM_TDX_COMPONENTS_MAX] = {
    {"BIOS",   "Early Microcode Update"   },
    {"OS/VMM", "SGX Late Microcode Update"},
    {"OS/VMM", "TXT SINIT"                },
    {"BIOS",   NULL                       },
    {"BIOS",   NULL                       },
    {"BIOS",   NULL                       },
    {NULL,     NULL                       },
    {"OS/VMM", "SEAMLDR ACM"              }
};
static const struct component tdx_names[TALLY_SIM_TDX_COMPONENTS_MAX] = {
    {"OS/VMM", "TDX Module"               },
    {"OS/VMM", "TDX Module"               },
    {"OS/VMM", "TDX Late Microcode Update"}
};

static void put_components(struct tally_wr *w, const char *key, const uint32_t *svn, uint32_t n,
                           const struct component *names)
{
    put(w, "\"%s\":[", key);
    for (uint32_t i = 0; i < n; i++) {
        put(w, "%s{\"svn\":%u", i ? "," : "", svn[i]);
        if (names[i].category != NULL) put(w, ",\"category\":\"%s\"", names[i].category);
        if (names[i].type != NULL) put(w, ",\"type\":\"%s\"", names[i].type);
        put(w, "}");
    }
    put(w, "]");
}

static void put_level(struct tally_wr *w, const struct tally_sim_tdx_level *l)
{
    put(w, "{\"tcb\":{");
    put_components(w, "sgxtcbcomponents", l->sgx, l->sgx_n, sgx_names);
    put(w, ",\"pcesvn\":%u,", l->pcesvn);
    put_components(w, "tdxtcbcomponents", l->tdx, l->tdx_n, tdx_names);
    put(w, "},");
    put_standing(w, &l->is);
    put(w, "}");
}

static void put_module(struct tally_wr *w, const struct tally_sim_tdx_module *m)
{
    put(w, "\"mrsigner\":\"%s\",\"attributes\":\"%s\",\"attributesMask\":\"%s\"", m->mrsigner,
        m->attributes, m->attributes_mask);
}

static void put_identities(struct tally_wr *w, const struct tally_sim_tdx_tcb_info *t)
{
    put(w, "\"tdxModuleIdentities\":[");
    for (uint32_t i = 0; i < t->identities_n; i++) {
        put(w, "%s{\"id\":\"%s\",", i ? "," : "", t->identities[i].id);
        put_module(w, &t->identities[i]);
        put(w, ",");
        put_svn_levels(w, t->identities[i].levels, t->identities[i].levels_n);
        put(w, "}");
    }
    put(w, "],");
}

void tally_sim_tdx_tcb_info_write(const struct tally_sim_tdx_tcb_info *t, struct tally_wr *w)
{
    put(w, "{\"id\":\"%s\",\"version\":%u,", t->id, t->version);
    put_date(w, "issueDate", t->issue_s);
    put(w, ",");
    put_date(w, "nextUpdate", t->next_s);
    put(w, ",\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":%u,\"tcbEvaluationDataNumber\":%u,",
        t->fmspc, t->pce_id, t->tcb_type, t->evaluation_number);
    put(w, "\"tdxModule\":{");
    put_module(w, &t->module);
    put(w, "},");
    if (t->identities_n != 0) put_identities(w, t);
    put(w, "\"tcbLevels\":[");
    for (uint32_t i = 0; i < t->levels_n; i++) {
        if (i != 0) put(w, ",");
        put_level(w, &t->levels[i]);
    }
    put(w, "]}");
}

void tally_sim_tdx_qe_identity_write(const struct tally_sim_tdx_qe_identity *q, struct tally_wr *w)
{
    put(w, "{\"id\":\"%s\",\"version\":%u,", q->id, q->version);
    put_date(w, "issueDate", q->issue_s);
    put(w, ",");
    put_date(w, "nextUpdate", q->next_s);
    put(w, ",\"tcbEvaluationDataNumber\":%u,\"miscselect\":\"%s\",\"miscselectMask\":\"%s\",",
        q->evaluation_number, q->miscselect, q->miscselect_mask);
    put(w, "\"attributes\":\"%s\",\"attributesMask\":\"%s\",\"mrsigner\":\"%s\",\"isvprodid\":%u,",
        q->attributes, q->attributes_mask, q->mrsigner, q->isvprodid);
    put_svn_levels(w, q->levels, q->levels_n);
    put(w, "}");
}

enum tally_status tally_sim_tdx_response_write(const char *name, struct tally_slice inner,
                                               struct evp_pkey_st *key, struct tally_wr *w)
{
    uint8_t sig[64];
    char hex[2 * sizeof sig + 1];

    TALLY_TRY(tally_sim_tdx_sign(key, inner, sig));
    tally_hex(TALLY_SLICE(sig), hex);
    put(w, "{\"%s\":", name);
    tally_wr_bytes(w, inner);
    put(w, ",\"signature\":\"%s\"}", hex);
    return TALLY_OK;
}

/* Midnight of 13 November 2024: TCB recovery 18. */
enum { TCB_DATE_S = 1731456000, EVALUATION_NUMBER = 18 };

static struct tally_sim_tdx_svn_level good_svn(uint32_t isvsvn)
{
    return (struct tally_sim_tdx_svn_level){
        isvsvn, {TCB_DATE_S, "UpToDate", NULL, 0}
    };
}

void tally_sim_tdx_tcb_info_init(struct tally_sim_tdx_tcb_info *t, const char *fmspc,
                                 const uint8_t components[16], uint32_t pcesvn, uint64_t issue_s,
                                 uint64_t next_s)
{
    static const struct tally_sim_tdx_module module = {.mrsigner = ZEROS_48,
                                                       .attributes = "0000000000000000",
                                                       .attributes_mask = "FFFFFFFFFFFFFFFF"};

    *t = (struct tally_sim_tdx_tcb_info){
        .id = "TDX",
        .version = 3,
        .fmspc = fmspc,
        .pce_id = "0000",
        .evaluation_number = EVALUATION_NUMBER,
        .issue_s = issue_s,
        .next_s = next_s,
        .module = module,
        .identities = {module, module},
        .identities_n = 2,
        .levels_n = 1
    };
    t->identities[0].id = "TDX_03";
    t->identities[0].levels[t->identities[0].levels_n++] = good_svn(3);
    t->identities[1].id = "TDX_01";
    t->identities[1].levels[t->identities[1].levels_n++] = good_svn(6);
    struct tally_sim_tdx_level *l = &t->levels[0];
    *l = (struct tally_sim_tdx_level){
        .sgx_n = 16,
        .tdx = {5,           0,    3},
        .tdx_n = 16,
        .pcesvn = pcesvn,
        .is = { TCB_DATE_S, "UpToDate", NULL, 0}
    };
    for (size_t i = 0; i < 16; i++) l->sgx[i] = components[i];
}

void tally_sim_tdx_qe_identity_init(struct tally_sim_tdx_qe_identity *q, uint64_t issue_s,
                                    uint64_t next_s)
{
    *q = (struct tally_sim_tdx_qe_identity){
        .id = "TD_QE",
        .version = 2,
        .evaluation_number = EVALUATION_NUMBER,
        .isvprodid = 2,
        .issue_s = issue_s,
        .next_s = next_s,
        .miscselect = "00000000",
        .miscselect_mask = "FFFFFFFF",
        .attributes = "11000000000000000000000000000000",
        .attributes_mask = "FBFFFFFFFFFFFFFF0000000000000000",
        .mrsigner = "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5",
        .levels = {good_svn(4)},
        .levels_n = 1};
}
