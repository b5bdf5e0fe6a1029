/* test_verify_tdx_sim_dates.c - common/attest/verify_tdx.c over simulated revocation lists, each
 * with one thing changed and signed again, and every date to the second (ATTESTATION.md D.2, D.4).
 */
#include <stdlib.h>
#include <string.h>

#include "common/attest/cache.h"
#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

enum {
    ROOT = TALLY_SIM_TDX_ROOT,
    CA = TALLY_SIM_TDX_PLATFORM,
    TCB = TALLY_SIM_TDX_TCB,
    LEAF = TALLY_SIM_TDX_PCK
};

static struct simulated_tdx *new_case(void)
{
    struct simulated_tdx *s = malloc(sizeof *s);

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    return s;
}

/* Lists: of one certificate each, the one after a stranger's. */
static uint8_t serials[2][TALLY_SIM_TDX_SERIAL_BYTES];
static void revoke(struct simulated_tdx *s, struct tally_sim_tdx_crl *list, int role)
{
    memset(serials[0], 0x7a, sizeof serials[0]);
    if (role >= 0) memcpy(serials[1], s->spec.certs[role].serial, sizeof serials[1]);
    list->revoked = (const uint8_t(*)[TALLY_SIM_TDX_SERIAL_BYTES])serials;
    list->revoked_n = role >= 0 ? 2 : 1;
}

static void list_of(struct simulated_tdx *s, struct tally_sim_tdx_crl *list,
                    enum tally_sim_tdx_role ca)
{
    uint64_t from = list->this_update_s, until = list->next_update_s;

    (void)s;
    tally_sim_tdx_crl_init(list, ca, simulated_tdx_root()->keys[ca]);
    list->this_update_s = from;
    list->next_update_s = until;
}

static void swap_lists(struct simulated_tdx *s, enum simulated_tdx_stage stage)
{
    struct tally_sim_tdx_blob *a = &s->files[TALLY_SIM_TDX_ROOT_CRL];
    struct tally_sim_tdx_blob *b = &s->files[TALLY_SIM_TDX_PCK_CRL];
    struct tally_sim_tdx_blob *keep = stage == SIM_TDX_FILES ? malloc(sizeof *keep) : NULL;

    if (keep == NULL) return;
    *keep = *a;
    *a = *b;
    *b = *keep;
    free(keep);
}

#define FILES(name, ...)                                                      \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == SIM_TDX_FILES) {                                         \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }
/* The first certificate alone. */
static void first_block(struct tally_sim_tdx_blob *b)
{
    const uint8_t *at = memmem(b->at + 1, b->len - 1, "-----BEGIN", 10);

    ck_assert_ptr_nonnull(at);
    b->len = (size_t)(at - b->at);
}

#define FILE_OF(f) (&s->files[TALLY_SIM_TDX_##f])
/* clang-format off */
FILES(pck_list_trailing, FILE_OF(PCK_CRL)->at[FILE_OF(PCK_CRL)->len++] = 0)
FILES(pck_list_cut, FILE_OF(PCK_CRL)->len--)
FILES(pck_list_empty, FILE_OF(PCK_CRL)->len = 0)
FILES(root_list_flip, FILE_OF(ROOT_CRL)->at[FILE_OF(ROOT_CRL)->len - 1] ^= 1)
FILES(tcb_chain_alone, first_block(FILE_OF(TCB_CHAIN)))
FILES(tcb_chain_nothing, FILE_OF(TCB_CHAIN)->len = 0)

#define LISTS(X)                                                                                  \
    X(leaf_revoked, E_REVOKED, revoke(s, &s->spec.pck_crl, LEAF))                                 \
    X(other_leaf_revoked, NONE, revoke(s, &s->spec.pck_crl, -1))                                  \
    X(ca_revoked, E_REVOKED, revoke(s, &s->spec.root_crl, CA))                                    \
    X(other_ca_revoked, NONE, revoke(s, &s->spec.root_crl, TALLY_SIM_TDX_PROCESSOR))              \
    X(tcb_signing_revoked, E_REVOKED, revoke(s, &s->spec.root_crl, TCB))                          \
    X(leaf_in_the_root_list, NONE, revoke(s, &s->spec.root_crl, LEAF))                            \
    X(pck_list_of_the_other_ca, E_CRL_ISSUER,                                                     \
      list_of(s, &s->spec.pck_crl, TALLY_SIM_TDX_PROCESSOR))                                      \
    X(pck_list_of_the_root, E_CRL_ISSUER, list_of(s, &s->spec.pck_crl, TALLY_SIM_TDX_ROOT))       \
    X(processor_leaf_with_platform_list, E_CRL_ISSUER, simulated_tdx_processor(s);                \
      list_of(s, &s->spec.pck_crl, TALLY_SIM_TDX_PLATFORM))                                       \
    X(root_list_of_a_ca, E_CRL_ISSUER, list_of(s, &s->spec.root_crl, TALLY_SIM_TDX_PLATFORM))     \
    X(lists_swapped, E_CRL_ISSUER, s->hook = swap_lists)                                          \
    X(pck_list_signed_by_another, E_SIGNATURE,                                                    \
      s->spec.pck_crl.signer = simulated_tdx_key("other"))                                        \
    X(root_list_signed_by_a_ca, E_SIGNATURE,                                                      \
      s->spec.root_crl.signer = simulated_tdx_root()->keys[CA])                                   \
    X(root_list_changed, E_SIGNATURE, s->hook = root_list_flip)                                   \
    X(pck_list_sha_384, E_CERT_ALG, s->spec.pck_crl.hash = "SHA384")                              \
    X(pck_list_byte_behind, E_CERT_NONCANONICAL, s->hook = pck_list_trailing)                     \
    X(pck_list_one_byte_short, E_CERT_PARSE, s->hook = pck_list_cut)                              \
    X(pck_list_without_bytes, E_FORMAT, s->hook = pck_list_empty)                             \
    X(pck_list_missing, E_CRL_MISSING, s->absent[TALLY_SIM_TDX_PCK_CRL] = true)                   \
    X(root_list_missing, E_CRL_MISSING, s->absent[TALLY_SIM_TDX_ROOT_CRL] = true)                 \
    X(lists_optional, NONE, s->policy.allow_missing_crl = true;                                   \
      s->absent[TALLY_SIM_TDX_ROOT_CRL] = s->absent[TALLY_SIM_TDX_PCK_CRL] = true)                \
    X(optional_list_still_revokes, E_REVOKED, s->policy.allow_missing_crl = true;                 \
      revoke(s, &s->spec.pck_crl, LEAF))                                                          \
    X(tcb_chain_of_one, E_CERT_SHAPE, s->hook = tcb_chain_alone)                                  \
    X(tcb_chain_missing, E_COLLATERAL_MISSING, s->absent[TALLY_SIM_TDX_TCB_CHAIN] = true)         \
    X(tcb_chain_empty, E_FORMAT, s->hook = tcb_chain_nothing)
LISTS(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case lists[] = {LISTS(SIM_TDX_ROW)};

START_TEST(revocation_is_heard_from_the_right_list_alone)
{
    simulated_tdx_cases(lists, sizeof lists / sizeof lists[0]);
}
END_TEST

/* One end of one validity, set to the time of the appraisal. */
struct dated {
    const char *what;
    enum tally_reason reason;
    uint64_t *(*end)(struct simulated_tdx *s);
    bool first; /* the beginning; else the end */
};
#define END(name, place)                           \
    static uint64_t *name(struct simulated_tdx *s) \
    {                                              \
        return &s->spec.place;                     \
    }
/* clang-format off */
#define DATES(X)                                                                                  \
    X(leaf_from, E_CERT_NOT_YET_VALID, certs[LEAF].not_before_s, true)                            \
    X(leaf_until, E_CERT_EXPIRED, certs[LEAF].not_after_s, false)                                 \
    X(ca_from, E_CERT_NOT_YET_VALID, certs[CA].not_before_s, true)                                \
    X(ca_until, E_CERT_EXPIRED, certs[CA].not_after_s, false)                                     \
    X(root_from, E_CERT_NOT_YET_VALID, certs[ROOT].not_before_s, true)                            \
    X(root_until, E_CERT_EXPIRED, certs[ROOT].not_after_s, false)                                 \
    X(tcb_from, E_CERT_NOT_YET_VALID, certs[TCB].not_before_s, true)                              \
    X(tcb_until, E_CERT_EXPIRED, certs[TCB].not_after_s, false)                                   \
    X(root_list_from, E_CRL_EXPIRED, root_crl.this_update_s, true)                                \
    X(root_list_until, E_CRL_EXPIRED, root_crl.next_update_s, false)                              \
    X(pck_list_from, E_CRL_EXPIRED, pck_crl.this_update_s, true)                                  \
    X(pck_list_until, E_CRL_EXPIRED, pck_crl.next_update_s, false)                                \
    X(tcb_info_from, E_COLLATERAL_FUTURE, tcb_info.issue_s, true)                                 \
    X(tcb_info_until, E_COLLATERAL_EXPIRED, tcb_info.next_s, false)                               \
    X(qe_identity_from, E_COLLATERAL_FUTURE, qe_identity.issue_s, true)                           \
    X(qe_identity_until, E_COLLATERAL_EXPIRED, qe_identity.next_s, false)
#define DATE_END(name, reason, place, first) END(name, place)
#define DATE_ROW(name, reason, place, first) {#name, TALLY_R_##reason, name, first},
DATES(DATE_END)
/* clang-format on */
static const struct dated dates[] = {DATES(DATE_ROW)};

static void judge_second(struct simulated_tdx *s, const struct dated *d, int off)
{
    static struct tally_verdict v;
    bool good = d->first ? off >= 0 : off <= 0;

    s->expect.now_s = (uint64_t)(SIM_TDX_NOW_S + off);
    enum tally_status got = simulated_tdx_verify(s, &v);
    ck_assert_msg((got == TALLY_OK) == good && (good || tally_reason() == d->reason),
                  "%s %+d s: %s", d->what, off, got == TALLY_OK ? "trusted" : tally_why());
    ck_assert_uint_eq(d->first ? v.not_before_s : v.not_after_s, SIM_TDX_NOW_S);
    ck_assert_uint_eq(v.failed_n, !good);
}

START_TEST(every_date_holds_to_the_second)
{
    struct simulated_tdx *s = new_case();
    struct tally_attest_cache *cache = NULL;

    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        simulated_tdx_init(s);
        *dates[i].end(s) = SIM_TDX_NOW_S;
        simulated_tdx_make(s);
        for (int off = -1; off <= 1; off++) judge_second(s, &dates[i], off);
        /* What a cache keeps is asked for its dates again. */
        ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
        s->expect.cache = cache;
        for (int off = 1; off >= -1; off--) judge_second(s, &dates[i], off);
        for (int off = -1; off <= 1; off++) judge_second(s, &dates[i], off);
        tally_attest_cache_destroy(&cache);
    }
    free(s);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim_dates");

    tcase_add_test(t, revocation_is_heard_from_the_right_list_alone);
    tcase_add_test(t, every_date_holds_to_the_second);
    return tally_suite_run("common/verify_tdx_sim_dates", t);
}
