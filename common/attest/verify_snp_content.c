/* verify_snp_content.c - see verify_snp.h: what an authentic report says (C1.3, 11 to 18). */
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_snp.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

static bool zero_reserved(enum tally_snp_product p, const struct tally_snp_report *r)
{
    return tally_snp_tcb_parts(p, &r->reported).reserved_zero &&
           tally_snp_tcb_parts(p, &r->committed).reserved_zero &&
           tally_snp_tcb_parts(p, &r->current).reserved_zero &&
           tally_snp_tcb_parts(p, &r->launch).reserved_zero;
}

static unsigned firmware(const struct tally_snp_firmware *f)
{
    return (unsigned)f->major << 16 | (unsigned)f->minor << 8 | f->build;
}

/* Step 11. */
static void check_order(const struct tally_snp_content *c, bool allow_provisional,
                        struct tally_verdict *v)
{
    const struct tally_snp_report *r = c->report;
    unsigned current = firmware(&r->current_fw), committed = firmware(&r->committed_fw);

    if (!zero_reserved(c->vek->product, r))
        tally_verdict_fail(v, R_(RESERVED_NONZERO), "reserved bytes of a TCB are not zero");
    if (!tally_snp_tcb_at_most(c->vek->product, &r->reported, &r->committed))
        tally_verdict_fail(v, R_(TCB_ORDER), "REPORTED_TCB is above COMMITTED_TCB");
    if (!tally_snp_tcb_at_most(c->vek->product, &r->committed, &r->current) || committed > current)
        tally_verdict_fail(v, R_(TCB_ORDER), "what is committed is above what is current");
    if (!tally_snp_tcb_at_most(c->vek->product, &r->launch, &r->current))
        tally_verdict_fail(v, R_(TCB_ORDER), "LAUNCH_TCB is above CURRENT_TCB");
    bool provisional =
        !tally_snp_tcb_at_most(c->vek->product, &r->current, &r->committed) || current > committed;
    if (provisional && !allow_provisional)
        tally_verdict_fail(v, R_(TCB_ORDER), "the firmware is provisional: not committed");
}

static bool meets(const struct tally_snp_tcb_parts *t, const struct tally_tcb_floor *f)
{
    return t->fmc >= f->fmc && t->boot_loader >= f->boot_loader && t->tee >= f->tee &&
           t->snp >= f->snp && t->microcode >= f->microcode;
}

/* Could the report's machine be one that this floor is for? A version 2 report names no model,
 * so there it is any of the product's. */
static bool concerns(const struct tally_tcb_floor *f, const struct tally_snp_content *c)
{
    uint8_t family, range[2];

    if (c->report->version >= 3)
        return f->family == c->report->cpuid_family && c->report->cpuid_model >= f->model_first &&
               c->report->cpuid_model <= f->model_last;
    for (int i = 0; tally_snp_product_models(c->vek->product, i, &family, range); i++) {
        if (f->family == family && f->model_first <= range[1] && f->model_last >= range[0])
            return true;
    }
    return false;
}

/* Step 12. */
static void check_floors(const struct tally_snp_content *c, const struct tally_snp_policy *policy,
                         struct tally_verdict *v)
{
    struct tally_snp_tcb_parts reported =
        tally_snp_tcb_parts(c->vek->product, &c->report->reported);
    struct tally_snp_tcb_parts committed =
        tally_snp_tcb_parts(c->vek->product, &c->report->committed);
    struct tally_snp_tcb_parts launch = tally_snp_tcb_parts(c->vek->product, &c->report->launch);
    bool any = false, below = false, old_launch = false;

    if (policy->integrity_only && policy->floors_n == 0) return;

    for (uint32_t i = 0; i < policy->floors_n; i++) {
        if (!concerns(&policy->floors[i], c)) continue;
        any = true;
        below = below || !meets(&reported, &policy->floors[i]) ||
                !meets(&committed, &policy->floors[i]);
        old_launch = old_launch || !meets(&launch, &policy->floors[i]);
    }
    if (!any)
        tally_verdict_fail(v, R_(TCB_MIN), "the policy accepts no machine of this model");
    else if (below)
        tally_verdict_fail(v, R_(TCB_MIN), "the TCB is below the policy's floor for this model");
    else if (old_launch && policy->require_launch_tcb)
        tally_verdict_fail(v, R_(TCB_MIN), "LAUNCH_TCB is below the policy's floor for this model");
}

/* Step 13. */
static void check_guest(const struct tally_snp_report *r, const struct tally_snp_policy *p,
                        struct tally_verdict *v)
{
    const struct {
        bool want;
        uint64_t bit;
        const char *name;
    } need[] = {
        {p->require_single_socket,     TALLY_SNP_POLICY_SINGLE_SOCKET, "SINGLE_SOCKET"    },
        {p->require_aes_256_xts,       TALLY_SNP_POLICY_AES_256_XTS,   "MEM_AES_256_XTS"  },
        {p->require_rapl_disable,      TALLY_SNP_POLICY_RAPL_DISABLE,  "RAPL_DIS"         },
        {p->require_ciphertext_hiding, TALLY_SNP_POLICY_CIPHERTEXT,    "CIPHERTEXT_HIDING"},
        {p->require_page_swap_disable, TALLY_SNP_POLICY_SWAP_DISABLE,  "PAGE_SWAP_DISABLE"}
    };

    if ((r->policy & TALLY_SNP_POLICY_DEBUG) && !p->allow_debug)
        tally_verdict_fail(v, R_(POLICY_DEBUG), "the guest may be debugged");
    if ((r->policy & TALLY_SNP_POLICY_MIGRATE_MA) && !p->allow_migration)
        tally_verdict_fail(v, R_(POLICY_MIGRATION), "the guest may be migrated");
    if ((r->policy & TALLY_SNP_POLICY_SMT) && !p->allow_smt)
        tally_verdict_fail(v, R_(POLICY_SMT), "the guest may run with SMT");
    if ((r->policy & TALLY_SNP_POLICY_CXL) && !p->allow_cxl)
        tally_verdict_fail(v, R_(POLICY_FLAG), "the guest may use CXL");
    for (size_t i = 0; i < sizeof need / sizeof need[0]; i++) {
        if (need[i].want && !(r->policy & need[i].bit))
            tally_verdict_fail(v, R_(POLICY_FLAG), "POLICY lacks %s", need[i].name);
    }
    if ((r->policy & 0xffff) < p->abi_min)
        tally_verdict_fail(v, R_(POLICY_FLAG), "POLICY allows ABI %u.%u",
                           (unsigned)(r->policy >> 8 & 0xff), (unsigned)(r->policy & 0xff));
}

/* Step 14. */
static void check_platform(const struct tally_snp_report *r, const struct tally_snp_policy *p,
                           struct tally_verdict *v)
{
    uint64_t info = r->platform_info, need = p->platform_required;

    if (p->require_ciphertext_hiding) need |= TALLY_SNP_PLATFORM_CIPHERTEXT;
    if (!p->integrity_only && (info & TALLY_SNP_PLATFORM_SMT) &&
        !(r->policy & TALLY_SNP_POLICY_SMT))
        tally_verdict_fail(v, R_(PLATFORM_FLAG), "SMT is on and the guest's policy forbids it");
    if (p->require_alias_check && !(info & TALLY_SNP_PLATFORM_ALIAS))
        tally_verdict_fail(v, R_(PLATFORM_FLAG), "ALIAS_CHECK_COMPLETE is not set");
    if ((info & need) != need || (info & p->platform_forbidden) != 0)
        tally_verdict_fail(v, R_(PLATFORM_FLAG), "PLATFORM_INFO %llx", (unsigned long long)info);
}

static bool in_list(const struct tally_snp_list *list, struct tally_slice item)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (memcmp(list->items[i], item.at, item.len) == 0) return true;
    }
    return false;
}

/* Who launched the guest, and what they wrote into it. */
static void check_launcher(const struct tally_snp_report *r, const struct tally_snp_policy *p,
                           struct tally_verdict *v)
{
    const struct {
        const struct tally_snp_list *list;
        struct tally_slice value;
        enum tally_reason reason;
        const char *name;
    } rows[] = {
        {&p->family_ids,  TALLY_SLICE(r->family_id),         R_(ID_BLOCK),  "FAMILY_ID"        },
        {&p->image_ids,   TALLY_SLICE(r->image_id),          R_(ID_BLOCK),  "IMAGE_ID"         },
        {&p->id_keys,     TALLY_SLICE(r->id_key_digest),     R_(ID_BLOCK),  "ID_KEY_DIGEST"    },
        {&p->author_keys, TALLY_SLICE(r->author_key_digest), R_(ID_BLOCK),  "AUTHOR_KEY_DIGEST"},
        {&p->host_data,   TALLY_SLICE(r->host_data),         R_(HOST_DATA), "HOST_DATA"        }
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool there = rows[i].list != &p->author_keys || TALLY_SNP_AUTHOR_KEY_EN(r->key_flags);
        if (rows[i].list->n > 0 && !(there && in_list(rows[i].list, rows[i].value)))
            tally_verdict_fail(v, rows[i].reason, "%s is none of the policy's", rows[i].name);
    }
}

/* Step 15, and who may be asked at all. */
static void check_rules(const struct tally_snp_content *c, const struct tally_snp_policy *p,
                        struct tally_verdict *v)
{
    const struct tally_snp_report *r = c->report;

    if (!(p->products & 1U << c->vek->product))
        tally_verdict_fail(v, R_(PRODUCT), "the policy takes no %s", v->product);
    check_floors(c, p, v);
    check_guest(r, p, v);
    check_platform(r, p, v);
    if (r->vmpl > p->vmpl_max)
        tally_verdict_fail(v, R_(VMPL), "the report is from VMPL %u", r->vmpl);
    if (r->guest_svn < p->guest_svn_min)
        tally_verdict_fail(v, R_(SVN), "GUEST_SVN %u is below %u", r->guest_svn, p->guest_svn_min);
    if ((r->current_mit & p->mit_vector) != p->mit_vector ||
        (r->launch_mit & p->mit_vector) != p->mit_vector)
        tally_verdict_fail(v, R_(MIT_VECTOR), "a mitigation that the policy asks for is missing");
    check_launcher(r, p, v);
}

static bool listed(const uint8_t *what, size_t size, const void *list, uint32_t n)
{
    const uint8_t *at = list;

    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(what, at + i * size, size) == 0) return true;
    }
    return false;
}

/* Step 17. */
static void check_measurement(const struct tally_snp_report *r, const struct tally_expect *e,
                              bool needed, struct tally_verdict *v)
{
    if (listed(r->measurement, TALLY_MEASUREMENT_BYTES, e->revoked_measurements,
               e->revoked_measurements_n))
        tally_verdict_fail(v, R_(REVOKED), "this program's measurement has been revoked");
    if (e->measurements_n == 0) {
        if (needed) tally_verdict_miss(v, R_(MEASUREMENT), "no measurement to compare with");
    } else if (!listed(r->measurement, TALLY_MEASUREMENT_BYTES, e->measurements,
                       e->measurements_n)) {
        tally_verdict_fail(v, R_(MEASUREMENT), "this program is not one that was agreed on");
    }
}

/* Step 18. A VLEK or a masked id names no chip, so no list of chips can hold it. */
static void check_machine(const struct tally_snp_content *c, const struct tally_expect *e,
                          bool needed, struct tally_verdict *v)
{
    static const uint8_t zero[TALLY_SNP_CHIP_ID_BYTES];
    bool named = !c->vek->vlek && memcmp(c->report->chip_id, zero, sizeof zero) != 0;

    if (!named) memset(v->chip, 0, sizeof v->chip);
    if (e->chips_n > 0 &&
        (!named || !listed(v->chip, TALLY_CHIP_DIGEST_BYTES, e->chips, e->chips_n)))
        tally_verdict_fail(v, R_(CHIP), "this chip is not in the node's list");
    if (e->id_keys_n > 0 &&
        !listed(c->report->id_key_digest, TALLY_ID_KEY_BYTES, e->id_keys, e->id_keys_n))
        tally_verdict_fail(v, R_(ID_BLOCK), "no id block under a key in the node's list");
    if (e->chips_n == 0 && e->id_keys_n == 0 && !e->any_chip && needed)
        tally_verdict_miss(v, R_(CHIP), "no list of chips or id keys to compare with");
}

static void check_trust(const struct tally_expect *e, bool needed, struct tally_verdict *v)
{
    if (e->trust == 0) {
        if (needed) tally_verdict_miss(v, R_(TRUST_CLASS), "no class of trust was asked for");
    } else if (e->trust != v->trust) {
        tally_verdict_fail(v, R_(TRUST_CLASS), "the root is of another class of trust");
    }
}

void tally_verify_snp_content(const struct tally_snp_content *c,
                              const struct tally_snp_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v)
{
    const struct tally_snp_report *r = c->report;
    bool strict = !policy->integrity_only;

    check_order(c, policy->allow_provisional, v);
    for (size_t i = 0; !(r->policy & TALLY_SNP_POLICY_MIGRATE_MA) && i < sizeof r->report_id_ma;
         i++) {
        if (r->report_id_ma[i] == 0xff) continue;
        tally_verdict_fail(v, R_(POLICY_MIGRATION), "a migration agent without MIGRATE_MA");
        break;
    }
    check_rules(c, policy, v);
    if (expect->host_data != NULL &&
        memcmp(r->host_data, expect->host_data, sizeof r->host_data) != 0)
        tally_verdict_fail(v, R_(HOST_DATA), "HOST_DATA is another");
    check_trust(expect, strict, v);
    tally_verdict_report_data(v, r->report_data, expect, strict);
    check_measurement(r, expect, strict, v);
    check_machine(c, expect, strict, v);
}
