/* federation_change.c - see federation_change.h. */
#include "common/federation_change.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- who signed ---- */

enum tally_status tally_federation_founded(const struct tally_federation *f,
                                           const struct tally_dsse *d)
{
    for (uint32_t i = 0; i < f->parties_n; i++)
        TALLY_REFUSE_UNLESS(tally_party_signed(f, NULL, f->parties[i].name, d, 0),
                            TALLY_R_E_SIGNATURE, "%s has not signed", f->parties[i].name);
    return TALLY_OK;
}

static bool same_document_key(const struct tally_federation *a, const struct tally_federation *b,
                              const char *party)
{
    const struct tally_party *x = tally_federation_party(a, party);
    const struct tally_party *y = tally_federation_party(b, party);

    return x != NULL && y != NULL && memcmp(x->document_key, y->document_key, 32) == 0;
}

static enum tally_status check_place(const struct tally_federation *prev,
                                     const struct tally_federation *next)
{
    TALLY_REFUSE_UNLESS(next->mode == prev->mode, TALLY_R_E_FEDERATION,
                        "it is of mode %s, the one in force of mode %s",
                        tally_mode_name(next->mode), tally_mode_name(prev->mode));
    TALLY_REFUSE_UNLESS(memcmp(next->id, prev->id, sizeof next->id) == 0, TALLY_R_E_FEDERATION,
                        "it belongs to another federation");
    TALLY_REFUSE_UNLESS(next->version == prev->version + 1, TALLY_R_E_FEDERATION,
                        "it is version %u; version %u comes next", next->version,
                        prev->version + 1);
    TALLY_REFUSE_UNLESS(memcmp(next->prev, prev->digest, sizeof next->prev) == 0,
                        TALLY_R_E_FEDERATION, "it follows another version %u", prev->version);
    TALLY_REFUSE_UNLESS(next->issued_s >= prev->issued_s, TALLY_R_E_FEDERATION,
                        "it was issued before version %u", prev->version);
    return TALLY_OK;
}

enum tally_status tally_federation_follows(const struct tally_federation *prev,
                                           const struct tally_federation *next,
                                           const struct tally_dsse *d,
                                           const struct tally_revocations *revoked, bool taking)
{
    uint64_t issued = taking ? UINT64_MAX : next->issued_s;
    uint32_t signers = 0;

    TALLY_TRY(check_place(prev, next));
    for (uint32_t i = 0; i < prev->needs_n; i++) {
        const char *name = prev->needs[i];
        const struct tally_party *p = tally_federation_party(prev, name);
        bool replaced = tally_revocations_document_key(revoked, p->document_key, issued) &&
                        !same_document_key(prev, next, name);
        if (replaced) continue;
        TALLY_REFUSE_UNLESS(tally_party_signed(prev, revoked, name, d, issued), TALLY_R_E_SIGNATURE,
                            "%s has not signed, and version %u needs it", name, prev->version);
        signers++;
    }
    TALLY_REFUSE_UNLESS(signers > 0, TALLY_R_E_SIGNATURE,
                        "nobody whose key still counts has signed");
    for (uint32_t i = 0; i < next->parties_n; i++) {
        const char *name = next->parties[i].name;
        TALLY_REFUSE_UNLESS(same_document_key(prev, next, name) ||
                                tally_party_signed(next, revoked, name, d, issued),
                            TALLY_R_E_SIGNATURE, "the new document key of %s has not signed", name);
    }
    return TALLY_OK;
}

static bool needs(const struct tally_federation *f, const char *party)
{
    uint32_t i = 0;

    while (i < f->needs_n && strcmp(f->needs[i], party) != 0) i++;
    return i < f->needs_n;
}

uint32_t tally_federation_missing(const struct tally_federation *prev,
                                  const struct tally_federation *next, const struct tally_dsse *d,
                                  const struct tally_revocations *revoked,
                                  const char *missing[2 * TALLY_PARTIES_MAX])
{
    uint32_t n = 0;

    for (uint32_t i = 0; prev != NULL && i < prev->parties_n; i++) {
        const struct tally_party *p = &prev->parties[i];
        if (needs(prev, p->name) &&
            !tally_revocations_document_key(revoked, p->document_key, UINT64_MAX) &&
            !tally_party_signed(prev, revoked, p->name, d, UINT64_MAX))
            missing[n++] = p->name;
    }
    uint32_t old_keys = n;
    for (uint32_t i = 0; i < next->parties_n; i++) {
        const char *name = next->parties[i].name;
        uint32_t k = 0;
        while (k < old_keys && strcmp(missing[k], name) != 0) k++;
        bool new_key = prev == NULL || !same_document_key(prev, next, name);
        if (k == old_keys && new_key && !tally_party_signed(next, revoked, name, d, UINT64_MAX))
            missing[n++] = name;
    }
    return n;
}

/* ---- what opens up ---- */

TALLY_PRINTF(2, 3) static bool wider(char what[TALLY_CHANGE_TEXT], const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, TALLY_CHANGE_TEXT, fmt, ap);
    va_end(ap);
    return true;
}

/* Is every item (of that size) of the list b in the list a? */
static bool within(const void *a, uint32_t an, const void *b, uint32_t bn, size_t size)
{
    for (uint32_t i = 0; i < bn; i++) {
        uint32_t k = 0;
        while (k < an &&
               memcmp((const uint8_t *)a + k * size, (const uint8_t *)b + i * size, size) != 0)
            k++;
        if (k == an) return false;
    }
    return true;
}

static bool node_widens(const struct tally_node *old, const struct tally_node *n, char *what)
{
    if (old == NULL) return wider(what, "the node %s/%s is new", n->org, n->node);
    if (old->role != n->role)
        return wider(what, "%s/%s becomes %s", n->org, n->node, tally_role_name(n->role));
    if (memcmp(old->session_key, n->session_key, sizeof n->session_key) != 0)
        return wider(what, "the session key of %s/%s is new", n->org, n->node);
    if (strcmp(old->endpoint, n->endpoint) != 0)
        return wider(what, "the endpoint of %s/%s is new", n->org, n->node);
    if (n->any_chip && !old->any_chip)
        return wider(what, "%s/%s may run on any machine", n->org, n->node);
    if (old->any_chip) return false;
    if (!within(old->chips, old->chips_n, n->chips, n->chips_n, sizeof n->chips[0]) ||
        !within(old->id_keys, old->id_keys_n, n->id_keys, n->id_keys_n, sizeof n->id_keys[0]))
        return wider(what, "a machine of %s/%s is new", n->org, n->node);
    return false;
}

static bool parties_widen(const struct tally_federation *prev, const struct tally_federation *next,
                          char *what)
{
    for (uint32_t i = 0; i < next->parties_n; i++) {
        const char *name = next->parties[i].name;
        if (!same_document_key(prev, next, name))
            return wider(what, "the document key of %s is new", name);
    }
    for (uint32_t i = 0; i < next->nodes_n; i++) {
        const struct tally_node *n = &next->nodes[i];
        if (node_widens(tally_federation_node(prev, n->org, n->node), n, what)) return true;
    }
    return false;
}

static bool measurements_widen(const struct tally_federation *prev,
                               const struct tally_federation *next, char *what)
{
    for (uint32_t i = 0; i < next->measurements_n; i++) {
        const struct tally_measurement *m = &next->measurements[i];
        uint32_t k = 0;
        while (k < prev->measurements_n && (prev->measurements[k].role != m->role ||
                                            !tally_measurement_same(&prev->measurements[k], m)))
            k++;
        if (k == prev->measurements_n)
            return wider(what, "a measurement for the role \"%s\" is new",
                         tally_role_name(m->role));
    }
    return false;
}

static bool roots_widen(const struct tally_federation *prev, const struct tally_federation *next,
                        char *what)
{
    for (uint32_t i = 0; i < next->anchors_n; i++) {
        uint32_t k = 0;
        while (k < prev->anchors_n &&
               !tally_slice_equal(prev->anchors[k].root, next->anchors[i].root))
            k++;
        if (k == prev->anchors_n)
            return wider(what, "the root of trust \"%s\" is new", next->anchors[i].name);
    }
    return false;
}

static bool thresholds_widen(const struct tally_federation *prev,
                             const struct tally_federation *next, char *what)
{
    if (next->quorum < prev->quorum)
        return wider(what, "the quorum falls from %u to %u", prev->quorum, next->quorum);
    if (next->tolerated < prev->tolerated)
        return wider(what, "the number of tolerated organisations falls from %u to %u",
                     prev->tolerated, next->tolerated);
    for (uint32_t i = 0; i < prev->needs_n; i++) {
        uint32_t k = 0;
        while (k < next->needs_n && strcmp(prev->needs[i], next->needs[k]) != 0) k++;
        if (k == next->needs_n) return wider(what, "changes no longer need %s", prev->needs[i]);
    }
    return false;
}

/* A part whose rules are not compared one by one: any change counts as wider. */
static bool part_changes(const struct tally_policy *prev, const struct tally_policy *next,
                         enum tally_policy_part part)
{
    json_t *was = tally_policy_part_to_json(prev, part);
    json_t *is = tally_policy_part_to_json(next, part);
    bool same = was != NULL && is != NULL && json_equal(was, is) == 1;

    json_decref(was);
    json_decref(is);
    return !same;
}

static bool policies_widen(const struct tally_policy *prev, const struct tally_policy *next,
                           char *what)
{
    const unsigned cpus = TALLY_POLICY_SNP | TALLY_POLICY_TDX;

    if ((next->parts & cpus & ~prev->parts) != 0)
        return wider(what, "evidence of another kind of TEE is accepted");
    if ((prev->parts & TALLY_POLICY_GPU) != 0 && (next->parts & TALLY_POLICY_GPU) == 0)
        return wider(what, "evidence of GPUs is no longer asked for");
    if ((next->parts & TALLY_POLICY_SNP) != 0 && !tally_snp_policy_within(&prev->snp, &next->snp))
        return wider(what, "the policy for SNP evidence is looser");
    if ((next->parts & TALLY_POLICY_TDX) != 0 && part_changes(prev, next, TALLY_POLICY_TDX))
        return wider(what, "the policy for TDX evidence is another");
    if ((prev->parts & next->parts & TALLY_POLICY_GPU) != 0 &&
        part_changes(prev, next, TALLY_POLICY_GPU))
        return wider(what, "the policy for GPU evidence is another");
    return false;
}

bool tally_federation_widens(const struct tally_federation *prev,
                             const struct tally_federation *next, char what[TALLY_CHANGE_TEXT])
{
    *what = '\0';
    if (parties_widen(prev, next, what) || measurements_widen(prev, next, what) ||
        roots_widen(prev, next, what) || thresholds_widen(prev, next, what))
        return true;
    return policies_widen(&prev->policy, &next->policy, what);
}

/* ---- policies ---- */

/* Yes-or-no knobs: one that allows may not appear, one that requires may not go. */
static const size_t allows[] = {
    offsetof(struct tally_snp_policy, allow_smt),
    offsetof(struct tally_snp_policy, allow_debug),
    offsetof(struct tally_snp_policy, allow_migration),
    offsetof(struct tally_snp_policy, allow_provisional),
    offsetof(struct tally_snp_policy, allow_vcek),
    offsetof(struct tally_snp_policy, allow_vlek),
    offsetof(struct tally_snp_policy, allow_masked_chip_id),
    offsetof(struct tally_snp_policy, allow_missing_crl),
    offsetof(struct tally_snp_policy, allow_cxl),
    offsetof(struct tally_snp_policy, integrity_only),
};
static const size_t requires[] = {
    offsetof(struct tally_snp_policy, require_alias_check),
    offsetof(struct tally_snp_policy, require_ciphertext_hiding),
    offsetof(struct tally_snp_policy, require_single_socket),
    offsetof(struct tally_snp_policy, require_page_swap_disable),
    offsetof(struct tally_snp_policy, require_aes_256_xts),
    offsetof(struct tally_snp_policy, require_rapl_disable),
    offsetof(struct tally_snp_policy, require_launch_tcb),
};
/* Lists that say what may be (none: anything), and lists of what may not. */
static const size_t allow_lists[] = {
    offsetof(struct tally_snp_policy, family_ids), offsetof(struct tally_snp_policy, image_ids),
    offsetof(struct tally_snp_policy, id_keys),    offsetof(struct tally_snp_policy, author_keys),
    offsetof(struct tally_snp_policy, host_data),  offsetof(struct tally_snp_policy, csp),
};
static const size_t deny_lists[] = {
    offsetof(struct tally_snp_policy, deny_keys),
    offsetof(struct tally_snp_policy, deny_chips),
};

static bool knob(const struct tally_snp_policy *p, size_t at)
{
    return *(const bool *)(const void *)((const char *)p + at);
}

static const struct tally_snp_list *list_at(const struct tally_snp_policy *p, size_t at)
{
    return (const struct tally_snp_list *)(const void *)((const char *)p + at);
}

static bool holds_all(const struct tally_snp_list *list, const struct tally_snp_list *of)
{
    return within(list->items, list->n, of->items, of->n, sizeof of->items[0]);
}

static bool lists_within(const struct tally_snp_policy *prev, const struct tally_snp_policy *next)
{
    for (size_t i = 0; i < sizeof allow_lists / sizeof allow_lists[0]; i++) {
        const struct tally_snp_list *old = list_at(prev, allow_lists[i]);
        const struct tally_snp_list *new = list_at(next, allow_lists[i]);
        if (old->n > 0 && (new->n == 0 || !holds_all(old, new))) return false;
    }
    for (size_t i = 0; i < sizeof deny_lists / sizeof deny_lists[0]; i++) {
        if (!holds_all(list_at(next, deny_lists[i]), list_at(prev, deny_lists[i]))) return false;
    }
    return true;
}

static bool floor_covers(const struct tally_tcb_floor *a, uint8_t family, unsigned model)
{
    return a->family == family && a->model_first <= model && model <= a->model_last;
}

static bool floor_at_least(const struct tally_tcb_floor *a, const struct tally_tcb_floor *b)
{
    return b->fmc >= a->fmc && b->boot_loader >= a->boot_loader && b->tee >= a->tee &&
           b->snp >= a->snp && b->microcode >= a->microcode;
}

/* Every model of floor f has a floor in p, and none that is higher than f. */
static bool floor_within(const struct tally_snp_policy *p, const struct tally_tcb_floor *f)
{
    for (unsigned model = f->model_first; model <= f->model_last; model++) {
        bool covered = false;
        for (uint32_t i = 0; i < p->floors_n; i++) {
            if (!floor_covers(&p->floors[i], f->family, model)) continue;
            if (!floor_at_least(&p->floors[i], f)) return false;
            covered = true;
        }
        if (!covered) return false;
    }
    return true;
}

bool tally_snp_policy_within(const struct tally_snp_policy *prev,
                             const struct tally_snp_policy *next)
{
    for (size_t i = 0; i < sizeof allows / sizeof allows[0]; i++) {
        if (knob(next, allows[i]) && !knob(prev, allows[i])) return false;
    }
    for (size_t i = 0; i < sizeof requires / sizeof requires[0]; i++) {
        if (knob(prev, requires[i]) && !knob(next, requires[i])) return false;
    }
    for (uint32_t i = 0; i < next->floors_n; i++) {
        if (!floor_within(prev, &next->floors[i])) return false;
    }
    if (prev->crl_max_age_days > 0 &&
        (next->crl_max_age_days == 0 || next->crl_max_age_days > prev->crl_max_age_days))
        return false;
    return lists_within(prev, next) && next->vmpl_max <= prev->vmpl_max &&
           next->abi_min >= prev->abi_min && next->guest_svn_min >= prev->guest_svn_min &&
           (next->products & ~prev->products) == 0 && (next->versions & ~prev->versions) == 0 &&
           (prev->platform_required & ~next->platform_required) == 0 &&
           (prev->platform_forbidden & ~next->platform_forbidden) == 0 &&
           (prev->mit_vector & ~next->mit_vector) == 0;
}
