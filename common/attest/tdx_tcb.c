/* tdx_tcb.c - see tdx_tcb.h: Intel's matching of levels and converging of words. */
#include "common/attest/tdx_tcb.h"

#include <string.h>

#include "common/attest/tdx_json.h"

#define WORD_(name, word) word,
static const char *const words[] = {TALLY_TDX_STATUS_LIST(WORD_)};
#undef WORD_

/* Places in TEE_TCB_SVN. */
enum { MINOR, MODULE, MICROCODE };

const char *tally_tdx_status_word(enum tally_tdx_status s)
{
    return words[s];
}

bool tally_tdx_status_named(struct tally_slice word, enum tally_tdx_status *out)
{
    for (int i = 0; i < TALLY_TDX_STATUSES; i++) {
        if (!tally_slice_equal(word, tally_slice_str(words[i]))) continue;
        *out = (enum tally_tdx_status)i;
        return true;
    }
    return false;
}

static bool masked_equal(const uint8_t *have, const uint8_t *mask, const uint8_t *want, size_t n)
{
    bool equal = true;

    for (size_t i = 0; i < n; i++) equal = equal && (have[i] & mask[i]) == want[i];
    return equal;
}

enum tally_status tally_tdx_qe_check(const struct tally_tdx_qe_identity *id,
                                     const struct tally_tdx_qe_report *qe)
{
    const uint8_t misc[4] = {
        (uint8_t)(qe->misc_select & 0xff), (uint8_t)(qe->misc_select >> 8 & 0xff),
        (uint8_t)(qe->misc_select >> 16 & 0xff), (uint8_t)(qe->misc_select >> 24)};

    TALLY_REFUSE_UNLESS(masked_equal(misc, id->misc_select_mask, id->misc_select, sizeof misc),
                        TALLY_R_E_QE_IDENTITY, "MISCSELECT is not the quoting enclave's");
    TALLY_REFUSE_UNLESS(
        masked_equal(qe->attributes, id->attributes_mask, id->attributes, sizeof qe->attributes),
        TALLY_R_E_QE_IDENTITY, "ATTRIBUTES are not the quoting enclave's");
    TALLY_REFUSE_UNLESS(memcmp(qe->mr_signer, id->mr_signer, sizeof qe->mr_signer) == 0,
                        TALLY_R_E_QE_IDENTITY, "MRSIGNER is not the quoting enclave's");
    TALLY_REFUSE_UNLESS(qe->isv_prod_id == id->isv_prod_id, TALLY_R_E_QE_IDENTITY,
                        "ISVPRODID %u is not the quoting enclave's %u", qe->isv_prod_id,
                        id->isv_prod_id);
    return TALLY_OK;
}

static const struct tally_tdx_module *find_module(const struct tally_tdx_tcb_info *info, uint8_t id)
{
    for (unsigned i = 0; i < info->modules_n; i++) {
        if (info->modules[i].id == id) return &info->modules[i];
    }
    return NULL;
}

static void le64(uint64_t v, uint8_t out[8])
{
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(v >> 8 * i & 0xff);
}

enum tally_status tally_tdx_module_check(const struct tally_tdx_tcb_info *info,
                                         const struct tally_tdx_quote *q)
{
    const struct tally_tdx_module *m = find_module(info, q->tee_tcb_svn[MODULE]);
    bool now = q->body_type == TALLY_TDX_TYPE_TD15;
    uint8_t attributes[8];

    TALLY_REFUSE_UNLESS(m != NULL, TALLY_R_E_MODULE_IDENTITY,
                        "the TCB info has no identity \"TDX_%02X\"", q->tee_tcb_svn[MODULE]);
    TALLY_REFUSE_UNLESS(!now || find_module(info, q->tee_tcb_svn2[MODULE]) != NULL,
                        TALLY_R_E_MODULE_IDENTITY, "the TCB info has no identity \"TDX_%02X\"",
                        q->tee_tcb_svn2[MODULE]);
    TALLY_REFUSE_UNLESS(memcmp(m->mr_signer, q->mr_signer_seam, sizeof m->mr_signer) == 0,
                        TALLY_R_E_MODULE_IDENTITY, "MRSIGNERSEAM is not the TDX module's");
    le64(q->seam_attributes, attributes);
    TALLY_REFUSE_UNLESS(masked_equal(attributes, m->attributes_mask, m->attributes, 8),
                        TALLY_R_E_MODULE_IDENTITY, "SEAMATTRIBUTES are not the TDX module's");
    return TALLY_OK;
}

static bool at_least(const uint8_t *have, const uint8_t *want, size_t from)
{
    bool enough = true;

    for (size_t i = from; i < TALLY_TDX_SVN_BYTES; i++) enough = enough && have[i] >= want[i];
    return enough;
}

/* The first level, in the order served, that the SGX side meets, and the first that TDX meets
 * too. A module with an id has its own levels, so its version is not compared here. */
struct match {
    const struct tally_tdx_level *sgx, *both;
};

static struct match match_platform(const struct tally_tdx_tcb_info *info,
                                   const struct tally_tdx_pck *pck, const uint8_t *svn)
{
    struct match m = {0};
    size_t from = svn[MODULE] > 0 ? MICROCODE : MINOR;

    for (unsigned i = 0; i < info->levels_n && m.both == NULL; i++) {
        const struct tally_tdx_level *l = &info->levels[i];
        if (!at_least(pck->svn, l->sgx, 0) || pck->pce_svn < l->pce_svn) continue;
        if (m.sgx == NULL) m.sgx = l;
        if (at_least(svn, l->tdx, from)) m.both = l;
    }
    return m;
}

static const struct tally_tdx_said *match_svn(const struct tally_tdx_svn_level *list, unsigned n,
                                              unsigned svn)
{
    for (unsigned i = 0; i < n; i++) {
        if (list[i].isv_svn <= svn) return &list[i].said;
    }
    return NULL;
}

/* What a part that is out of date makes of the whole. */
static enum tally_tdx_status aged(enum tally_tdx_status s)
{
    if (s == TALLY_TDX_UP_TO_DATE || s == TALLY_TDX_SW_HARDENING) return TALLY_TDX_OUT_OF_DATE;
    if (s == TALLY_TDX_CONFIGURATION || s == TALLY_TDX_CONFIGURATION_SW_HARDENING)
        return TALLY_TDX_OUT_OF_DATE_CONFIGURATION;
    return s;
}

static enum tally_tdx_status converge(enum tally_tdx_status whole, enum tally_tdx_status part)
{
    if (part == TALLY_TDX_REVOKED) return TALLY_TDX_REVOKED;
    return part == TALLY_TDX_OUT_OF_DATE ? aged(whole) : whole;
}

/* One TEE_TCB_SVN: platform and module, without the QE. */
struct side {
    enum tally_tdx_status status;
    const struct tally_tdx_level *sgx, *both;
    const struct tally_tdx_said *module; /* NULL: a module without id has no level of its own */
};

static struct side evaluate_svn(const struct tally_tdx_tcb_info *info,
                                const struct tally_tdx_pck *pck, const uint8_t *svn)
{
    struct match m = match_platform(info, pck, svn);
    struct side s = {TALLY_TDX_NOT_SUPPORTED, m.sgx, m.both, NULL};

    if (m.both == NULL) return s;
    s.status = m.both->said.status;
    if (svn[MODULE] == 0) return s;
    const struct tally_tdx_module *id = find_module(info, svn[MODULE]);
    if (id != NULL) s.module = match_svn(&info->svn_levels[id->first], id->n, svn[MINOR]);
    s.status = s.module == NULL ? TALLY_TDX_NOT_SUPPORTED : converge(s.status, s.module->status);
    return s;
}

static bool needs_configuration(enum tally_tdx_status s)
{
    return s == TALLY_TDX_CONFIGURATION || s == TALLY_TDX_CONFIGURATION_SW_HARDENING ||
           s == TALLY_TDX_OUT_OF_DATE_CONFIGURATION;
}

/* Does the module that runs now have the newest SVN there is? */
static bool is_newest(const struct tally_tdx_tcb_info *info, const uint8_t *svn)
{
    const struct tally_tdx_level *top = &info->levels[0];
    const struct tally_tdx_module *id = find_module(info, svn[MODULE]);

    if (svn[MICROCODE] < top->tdx[MICROCODE]) return false;
    if (svn[MODULE] == 0) return svn[MINOR] >= top->tdx[MINOR];
    return id != NULL && id->n > 0 && svn[MINOR] >= info->svn_levels[id->first].isv_svn;
}

/* The TD was launched under an old module on a machine that has a new one since: launching it anew
 * is all that it needs. */
static enum tally_tdx_status relaunch(const struct tally_tdx_tcb_info *info,
                                      const struct side *launch, const uint8_t *svn2)
{
    enum tally_tdx_status sgx = launch->sgx->said.status, s = launch->status;
    bool module_old = launch->module != NULL && launch->module->status == TALLY_TDX_OUT_OF_DATE;

    if ((s != TALLY_TDX_OUT_OF_DATE && s != TALLY_TDX_OUT_OF_DATE_CONFIGURATION) || !module_old ||
        sgx > TALLY_TDX_CONFIGURATION_SW_HARDENING || !is_newest(info, svn2))
        return s;
    return needs_configuration(sgx) || needs_configuration(s) ? TALLY_TDX_RELAUNCH_CONFIGURATION
                                                              : TALLY_TDX_RELAUNCH;
}

/* Both evaluations count: what the module that runs now lacks is lacking too. */
static enum tally_tdx_status with_current(enum tally_tdx_status launch, enum tally_tdx_status now)
{
    if (launch == TALLY_TDX_REVOKED || now == TALLY_TDX_REVOKED) return TALLY_TDX_REVOKED;
    if (launch == TALLY_TDX_NOT_SUPPORTED || now == TALLY_TDX_NOT_SUPPORTED)
        return TALLY_TDX_NOT_SUPPORTED;
    bool old = now == TALLY_TDX_OUT_OF_DATE || now == TALLY_TDX_OUT_OF_DATE_CONFIGURATION;
    return old ? aged(launch) : launch;
}

static void set_parts(struct tally_tdx_evaluation *e, const struct side *launch)
{
    e->platform = &launch->both->said;
    e->module = launch->module;
    e->date_s = e->platform->date_s;
    if (e->module != NULL && e->module->date_s < e->date_s) e->date_s = e->module->date_s;
    if (e->qe->date_s < e->date_s) e->date_s = e->qe->date_s;
}

struct tally_tdx_evaluation tally_tdx_evaluate(const struct tally_tdx_tcb_info *info,
                                               const struct tally_tdx_qe_identity *qe,
                                               const struct tally_tdx_pck *pck,
                                               const struct tally_tdx_quote *q)
{
    struct side launch = evaluate_svn(info, pck, q->tee_tcb_svn);
    const struct tally_tdx_said *of_qe = match_svn(qe->levels, qe->levels_n, q->qe.isv_svn);
    struct tally_tdx_evaluation e = {.status = launch.status, .qe_below = of_qe == NULL};

    if (q->body_type == TALLY_TDX_TYPE_TD15) {
        struct side now = evaluate_svn(info, pck, q->tee_tcb_svn2);
        e.has_svn2 = true;
        e.svn2 = now.status;
        if (launch.status != TALLY_TDX_NOT_SUPPORTED && of_qe != NULL &&
            of_qe->status == TALLY_TDX_UP_TO_DATE &&
            now.status <= TALLY_TDX_CONFIGURATION_SW_HARDENING)
            e.status = relaunch(info, &launch, q->tee_tcb_svn2);
        e.status = with_current(e.status, now.status);
    }
    if (of_qe == NULL && e.status != TALLY_TDX_REVOKED) e.status = TALLY_TDX_NOT_SUPPORTED;
    if (of_qe != NULL && e.status != TALLY_TDX_NOT_SUPPORTED)
        e.status = converge(e.status, of_qe->status);
    if (e.status == TALLY_TDX_NOT_SUPPORTED || launch.both == NULL || of_qe == NULL) return e;
    e.qe = of_qe;
    set_parts(&e, &launch);
    return e;
}

enum { LISTS = 3 };

/* Is this name in a list before this place? */
static bool named_before(const struct tally_slice lists[LISTS], size_t list, unsigned place,
                         struct tally_slice name)
{
    for (size_t i = 0; i <= list; i++) {
        if (lists[i].at == NULL) continue;
        struct tally_tdx_json j = tally_tdx_json_from(lists[i]);
        unsigned n = 0;
        tally_tdx_json_list(&j);
        while (tally_tdx_json_item(&j, &n) && (i < list || n < place)) {
            if (tally_slice_equal(tally_tdx_json_text(&j), name)) return true;
        }
    }
    return false;
}

void tally_tdx_advisories(const struct tally_tdx_evaluation *e,
                          void (*each)(void *to, struct tally_slice name), void *to)
{
    const struct tally_tdx_said *said[LISTS] = {e->platform, e->module, e->qe};
    struct tally_slice lists[LISTS] = {0};

    for (size_t i = 0; i < LISTS; i++) {
        if (said[i] == NULL || said[i]->advisories.at == NULL) continue;
        lists[i] = said[i]->advisories;
        struct tally_tdx_json j = tally_tdx_json_from(lists[i]);
        unsigned n = 0;
        tally_tdx_json_list(&j);
        while (tally_tdx_json_item(&j, &n)) {
            struct tally_slice name = tally_tdx_json_text(&j);
            if (!named_before(lists, i, n, name)) each(to, name);
        }
    }
}
