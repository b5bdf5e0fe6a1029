/* verify_tdx_content.c - see verify_tdx.h: what an authentic quote says (C2.3, 10 to 17). */
#include <string.h>

#include "common/attest/eventlog.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_tdx.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

static bool listed(const uint8_t *what, size_t size, const void *list, uint32_t n)
{
    const uint8_t *at = list;

    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(what, at + i * size, size) == 0) return true;
    }
    return false;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

/* Which advisories of the levels the policy does not allow. */
struct unlisted {
    const struct tally_tdx_policy *policy;
    struct tally_slice name; /* at == NULL: all are allowed */
};

static void look_up(void *to, struct tally_slice name)
{
    struct unlisted *u = to;

    for (uint32_t i = 0; i < u->policy->advisories_n; i++) {
        if (tally_slice_equal(name, tally_slice_str(u->policy->advisories[i]))) return;
    }
    u->name = name;
}

/* An old level in its grace is as good as the one it would be if it were not old. */
static bool accepted(const struct tally_tdx_evaluation *t, const struct tally_tdx_policy *p,
                     uint64_t now_s, uint64_t *until_s)
{
    enum { DAY_S = 86400 };
    enum tally_tdx_status young = t->status == TALLY_TDX_OUT_OF_DATE ? TALLY_TDX_UP_TO_DATE
                                  : t->status == TALLY_TDX_OUT_OF_DATE_CONFIGURATION
                                      ? TALLY_TDX_CONFIGURATION
                                      : TALLY_TDX_NOT_SUPPORTED;

    if (p->accepted & 1U << t->status) return true;
    if (p->grace_days == 0 || !(p->accepted & 1U << young)) return false;
    *until_s = t->date_s + (uint64_t)p->grace_days * DAY_S;
    return now_s <= *until_s;
}

/* Step 14. */
static void check_status(const struct tally_tdx_content *c, const struct tally_tdx_policy *p,
                         const struct tally_expect *e, struct tally_verdict *v)
{
    struct unlisted u = {.policy = p};
    uint64_t until_s = UINT64_MAX;

    if (c->tcb.status == TALLY_TDX_NOT_SUPPORTED) {
        if (!c->tcb.qe_below)
            tally_verdict_fail(v, R_(TCB_NOT_SUPPORTED), "no TCB level matches this platform");
        return;
    }
    if (!accepted(&c->tcb, p, e->now_s, &until_s)) {
        tally_verdict_fail(v, R_(TCB_STATUS), "the TCB is %s",
                           tally_tdx_status_word(c->tcb.status));
        return;
    }
    if (until_s != UINT64_MAX) tally_verdict_window(v, 0, until_s);
    if (!p->has_advisories) return;
    tally_tdx_advisories(&c->tcb, look_up, &u);
    if (u.name.at != NULL)
        tally_verdict_fail(v, R_(TCB_STATUS), "the policy does not list the advisory %.*s",
                           (int)u.name.len, (const char *)u.name.at);
}

/* Steps 8 (the SVN) and 10 to 14. What Intel revoked is accepted by no policy. */
static void check_tcb(const struct tally_tdx_content *c, const struct tally_tdx_policy *p,
                      const struct tally_expect *e, struct tally_verdict *v)
{
    if (c->info == NULL) return;
    if (c->tcb.qe_below)
        tally_verdict_fail(v, R_(QE_IDENTITY), "ISVSVN %u of the quoting enclave is below them all",
                           c->quote->qe.isv_svn);
    (void)tally_verdict_note(v, tally_tdx_module_check(c->info, c->quote));
    if (c->tcb.status == TALLY_TDX_REVOKED)
        tally_verdict_fail(v, R_(TCB_STATUS), "the TCB is Revoked");
    else if (!p->integrity_only)
        check_status(c, p, e, v);
}

/* Step 15: the module beyond its levels, and the platform. */
static void check_platform(const struct tally_tdx_content *c, const struct tally_tdx_policy *p,
                           struct tally_verdict *v)
{
    const struct tally_tdx_pck *pck = c->pck;

    if (c->quote->seam_attributes != 0)
        tally_verdict_fail(v, R_(MODULE_IDENTITY), "SEAMATTRIBUTES %llx: no production module",
                           (unsigned long long)c->quote->seam_attributes);
    if (p->seams_n > 0 && !listed(c->quote->mr_seam, TALLY_MEASUREMENT_BYTES, p->seams, p->seams_n))
        tally_verdict_fail(v, R_(MODULE_IDENTITY), "the policy does not list this TDX module");
    if (!p->allow_smt && (!pck->has_configuration || pck->smt))
        tally_verdict_fail(v, R_(POLICY_SMT), "the platform may run with SMT");
    if (!p->allow_dynamic_platform && (!pck->has_configuration || pck->dynamic_platform))
        tally_verdict_fail(v, R_(PLATFORM_FLAG), "the platform may change");
    if (p->fmspcs_n > 0 && !listed(pck->fmspc, sizeof pck->fmspc, p->fmspcs, p->fmspcs_n))
        tally_verdict_fail(v, R_(PRODUCT), "the policy does not list this platform family");
}

/* Step 15: the TD. */
static void check_attributes(const struct tally_tdx_quote *q, const struct tally_tdx_policy *p,
                             struct tally_verdict *v)
{
    enum { XFAM_FIXED = 3 }; /* x87 and SSE */
    uint64_t a = q->td_attributes, own = TALLY_TDX_ATTR_TUD | TALLY_TDX_ATTR_MIGRATABLE;

    if ((a & TALLY_TDX_ATTR_TUD) != 0 && !p->allow_debug)
        tally_verdict_fail(v, R_(POLICY_DEBUG), "the TD is under debug: TDATTRIBUTES %llx",
                           (unsigned long long)a);
    if ((a & TALLY_TDX_ATTR_MIGRATABLE) != 0 && !p->allow_migration)
        tally_verdict_fail(v, R_(POLICY_MIGRATION), "the TD may be migrated");
    if (!is_zero(q->mr_service_td, sizeof q->mr_service_td) && !p->allow_service_td)
        tally_verdict_fail(v, R_(POLICY_MIGRATION), "a service TD is bound");
    if ((a & p->attributes_required) != p->attributes_required)
        tally_verdict_fail(v, R_(POLICY_FLAG), "TDATTRIBUTES lacks %llx",
                           (unsigned long long)(p->attributes_required & ~a));
    if ((a & p->attributes_forbidden & ~own) != 0)
        tally_verdict_fail(v, R_(POLICY_FLAG), "TDATTRIBUTES has %llx",
                           (unsigned long long)(a & p->attributes_forbidden & ~own));
    if ((q->xfam & XFAM_FIXED) != XFAM_FIXED || (q->xfam & ~p->xfam & ~(uint64_t)XFAM_FIXED) != 0)
        tally_verdict_fail(v, R_(POLICY_FLAG), "XFAM %llx", (unsigned long long)q->xfam);
}

static void check_owner(const struct tally_tdx_quote *q, const struct tally_tdx_policy *p,
                        struct tally_verdict *v)
{
    const struct {
        bool has;
        const uint8_t *want, *have;
        const char *name;
    } rows[] = {
        {p->has_config_id,    p->config_id,    q->mr_config_id,    "MRCONFIGID"   },
        {p->has_owner,        p->owner,        q->mr_owner,        "MROWNER"      },
        {p->has_owner_config, p->owner_config, q->mr_owner_config, "MROWNERCONFIG"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].has && memcmp(rows[i].want, rows[i].have, TALLY_MEASUREMENT_BYTES) != 0)
            tally_verdict_fail(v, R_(ID_BLOCK), "%s is another", rows[i].name);
    }
}

/* Step 16: the log explains all four registers, or nothing. */
static void check_eventlog(const struct tally_tdx_content *c, struct tally_verdict *v)
{
    uint8_t rtmr[TALLY_RTMRS][TALLY_RTMR_BYTES];

    if (c->eventlog.at == NULL) return;
    if (!tally_verdict_note(v, tally_eventlog_ccel_replay(c->eventlog, rtmr))) return;
    for (size_t i = 0; i < TALLY_RTMRS; i++) {
        if (memcmp(rtmr[i], c->quote->rtmr[i], TALLY_RTMR_BYTES) != 0)
            tally_verdict_fail(v, R_(EVENTLOG), "the event log does not replay to RTMR%zu", i);
    }
}

/* Step 17. */
static bool measures(const struct tally_tdx_quote *q, const struct tally_td_measurement *m)
{
    return memcmp(q->mrtd, m->mrtd, sizeof q->mrtd) == 0 && m->rtmr_n <= TALLY_RTMRS &&
           memcmp(q->rtmr, m->rtmr, (size_t)m->rtmr_n * TALLY_RTMR_BYTES) == 0;
}

static void check_measurement(const struct tally_tdx_quote *q, const struct tally_expect *e,
                              bool needed, struct tally_verdict *v)
{
    if (listed(q->mrtd, TALLY_MEASUREMENT_BYTES, e->revoked_measurements,
               e->revoked_measurements_n))
        tally_verdict_fail(v, R_(REVOKED), "this program's measurement has been revoked");
    if (e->td_measurements_n == 0) {
        if (needed) tally_verdict_miss(v, R_(MEASUREMENT), "no MRTD and RTMRs to compare with");
        return;
    }
    for (uint32_t i = 0; i < e->td_measurements_n; i++) {
        if (measures(q, &e->td_measurements[i])) return;
    }
    tally_verdict_fail(v, R_(MEASUREMENT), "this program is not one that was agreed on");
}

static void check_machine(const struct tally_expect *e, bool needed, struct tally_verdict *v)
{
    if (e->chips_n > 0 && !listed(v->chip, TALLY_CHIP_DIGEST_BYTES, e->chips, e->chips_n))
        tally_verdict_fail(v, R_(CHIP), "this chip is not in the node's list");
    if (e->id_keys_n > 0)
        tally_verdict_fail(v, R_(ID_BLOCK), "a TDX quote has no id block to be in the node's list");
    if (e->chips_n == 0 && e->id_keys_n == 0 && !e->any_chip && needed)
        tally_verdict_miss(v, R_(CHIP), "no list of chips to compare with");
}

static void check_trust(const struct tally_expect *e, bool needed, struct tally_verdict *v)
{
    if (e->trust == 0) {
        if (needed) tally_verdict_miss(v, R_(TRUST_CLASS), "no class of trust was asked for");
    } else if (e->trust != v->trust) {
        tally_verdict_fail(v, R_(TRUST_CLASS), "the root is of another class of trust");
    }
}

void tally_verify_tdx_content(const struct tally_tdx_content *c,
                              const struct tally_tdx_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v)
{
    bool strict = !policy->integrity_only;

    check_tcb(c, policy, expect, v);
    if (strict) {
        check_platform(c, policy, v);
        check_attributes(c->quote, policy, v);
        check_owner(c->quote, policy, v);
    }
    check_eventlog(c, v);
    check_trust(expect, strict, v);
    tally_verdict_report_data(v, c->quote->report_data, expect, strict);
    check_measurement(c->quote, expect, strict, v);
    check_machine(expect, strict, v);
}
