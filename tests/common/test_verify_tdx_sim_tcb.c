/* test_verify_tdx_sim_tcb.c - common/attest/verify_tdx.c and Intel's evaluation of a TCB over
 * simulated levels: every combination of words of platform, module and QE, every component below
 * its level, the module that runs now (TEE_TCB_SVN2), and what a policy accepts of it
 * (ATTESTATION.md C2.3, 8 and 10 to 14; D.4). */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

enum { DAY_S = 86400, WORDS = 7 };
static const char *const words[WORDS] = {"UpToDate",
                                         "SWHardeningNeeded",
                                         "ConfigurationNeeded",
                                         "ConfigurationAndSWHardeningNeeded",
                                         "OutOfDate",
                                         "OutOfDateConfigurationNeeded",
                                         "Revoked"};

/* Intel gives modules and QEs the first, the fifth and the last alone. */
enum { PARTS = 3 };
static const char *const part_words[PARTS] = {"UpToDate", "OutOfDate", "Revoked"};

static struct tally_verdict verdict;

static struct simulated_tdx *new_case(void)
{
    struct simulated_tdx *s = malloc(sizeof *s);

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    return s;
}

#define PLATFORM     s->spec.tcb_info.levels[0]
#define MODULE_TDX_1 s->spec.tcb_info.identities[1]
#define QE_ID        s->spec.qe_identity

static void accept_all(struct simulated_tdx *s)
{
    s->policy.accepted = (1U << TALLY_TDX_STATUSES) - 1;
}

static void accept_only(struct simulated_tdx *s, enum tally_tdx_status status)
{
    s->policy.accepted = 1U << status;
}

static void launch(struct simulated_tdx *s, uint8_t minor, uint8_t module, uint8_t microcode)
{
    const uint8_t svn[3] = {minor, module, microcode};

    memcpy(s->quote.tee_tcb_svn, svn, sizeof svn);
}

static void now(struct simulated_tdx *s, uint8_t minor, uint8_t module, uint8_t microcode)
{
    const uint8_t svn[3] = {minor, module, microcode};

    memcpy(s->quote.tee_tcb_svn2, svn, sizeof svn);
}

static bool is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* C2.3, 12, said once more. */
static const char *converged(const char *platform, const char *module, const char *qe)
{
    if (is(platform, "Revoked") || is(module, "Revoked") || is(qe, "Revoked")) return "Revoked";
    if (!is(module, "OutOfDate") && !is(qe, "OutOfDate")) return platform;
    if (is(platform, "UpToDate") || is(platform, "SWHardeningNeeded")) return "OutOfDate";
    if (is(platform, "ConfigurationNeeded") || is(platform, "ConfigurationAndSWHardeningNeeded"))
        return "OutOfDateConfigurationNeeded";
    return platform;
}

/* As version 4, and as version 5 where the module at launch runs still. */
static void judge_words(struct simulated_tdx *s, const char *platform, const char *module,
                        const char *qe, uint16_t version)
{
    const char *want = converged(platform, module, qe);

    simulated_tdx_init(s);
    s->quote.version = version;
    if (version == 4) s->quote.body_type = TALLY_TDX_TYPE_TD10;
    PLATFORM.is.status = platform;
    MODULE_TDX_1.levels[0].is.status = module;
    QE_ID.levels[0].is.status = qe;
    accept_all(s);
    enum tally_status got = simulated_tdx_judge(s, &verdict);
    ck_assert_msg(verdict.tcb.status != NULL && is(verdict.tcb.status, want),
                  "version %u: %s, %s, %s: expected %s, got %s", version, platform, module, qe,
                  want, verdict.tcb.status ? verdict.tcb.status : "none");
    ck_assert_str_eq(verdict.tcb.platform, platform);
    ck_assert_str_eq(verdict.tcb.module, module);
    ck_assert_str_eq(verdict.tcb.qe, qe);
    ck_assert_int_eq(got == TALLY_OK, !is(want, "Revoked"));
    if (got != TALLY_OK) ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_STATUS);
}

static void judge_all_words(uint16_t version)
{
    struct simulated_tdx *s = new_case();

    for (size_t p = 0; p < WORDS; p++) {
        for (size_t m = 0; m < PARTS; m++) {
            for (size_t q = 0; q < PARTS; q++)
                judge_words(s, words[p], part_words[m], part_words[q], version);
        }
    }
    free(s);
}

START_TEST(every_combination_of_words_converges)
{
    judge_all_words(4);
}
END_TEST

START_TEST(a_module_that_runs_still_changes_no_word)
{
    judge_all_words(5);
}
END_TEST

START_TEST(other_words_of_a_module_or_a_qe_are_refused)
{
    struct simulated_tdx *s = new_case();

    for (size_t w = 0; w < WORDS; w++) {
        for (int qe = 0; qe < 2; qe++) {
            bool known = false;
            for (size_t p = 0; p < PARTS; p++) known |= is(words[w], part_words[p]);
            if (known) continue;
            simulated_tdx_init(s);
            *(qe ? &QE_ID.levels[0].is.status : &MODULE_TDX_1.levels[0].is.status) = words[w];
            accept_all(s);
            ck_assert_int_ne(simulated_tdx_judge(s, &verdict), TALLY_OK);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
        }
    }
    free(s);
}
END_TEST

START_TEST(a_policy_accepts_the_words_that_it_lists_alone)
{
    struct simulated_tdx *s = new_case();

    for (unsigned w = 0; w < WORDS; w++) {
        for (unsigned a = 0; a < TALLY_TDX_STATUSES; a++) {
            simulated_tdx_init(s);
            PLATFORM.is.status = words[w];
            accept_only(s, (enum tally_tdx_status)a);
            enum tally_status got = simulated_tdx_judge(s, &verdict);
            bool good = w == a && !is(words[w], "Revoked");
            ck_assert_msg((got == TALLY_OK) == good, "%s where %u is accepted", words[w], a);
            if (!good) ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_STATUS);
            ck_assert_uint_eq(verdict.failed_n, !good);
        }
    }
    free(s);
}
END_TEST

/* A second platform level, one below the first in everything, and OutOfDate. */
static void add_level(struct simulated_tdx *s)
{
    struct tally_sim_tdx_level *l = &s->spec.tcb_info.levels[1];

    *l = PLATFORM;
    l->is.status = "OutOfDate";
    s->spec.tcb_info.levels_n = 2;
}

static void judge_status(struct simulated_tdx *s, const char *what, unsigned i, const char *want)
{
    accept_all(s);
    s->policy.accepted &= ~(1U << TALLY_TDX_NOT_SUPPORTED);
    enum tally_status got = simulated_tdx_judge(s, &verdict);
    bool none = is(want, "NotSupported");
    ck_assert_msg(verdict.tcb.status != NULL && is(verdict.tcb.status, want), "%s %u: %s, not %s",
                  what, i, verdict.tcb.status, want);
    ck_assert_int_eq(got == TALLY_OK, !none);
    if (none) ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_NOT_SUPPORTED);
    if (none) ck_assert(verdict.tcb.platform == NULL && verdict.tcb.module == NULL);
}

START_TEST(every_sgx_component_counts)
{
    struct simulated_tdx *s = new_case();

    for (unsigned i = 0; i < 16; i++) {
        simulated_tdx_init(s);
        PLATFORM.sgx[i]++;
        judge_status(s, "component", i, "NotSupported");
        simulated_tdx_init(s);
        add_level(s);
        PLATFORM.sgx[i]++;
        judge_status(s, "component", i, "OutOfDate");
    }
    simulated_tdx_init(s);
    PLATFORM.pcesvn++;
    judge_status(s, "PCE SVN", 0, "NotSupported");
    simulated_tdx_init(s);
    add_level(s);
    PLATFORM.pcesvn++;
    judge_status(s, "PCE SVN", 1, "OutOfDate");
    free(s);
}
END_TEST

/* Of a module with an id the first two are its own level's affair. */
START_TEST(tdx_components_count_from_the_third_where_the_module_has_an_id)
{
    struct simulated_tdx *s = new_case();

    for (unsigned i = 0; i < 16; i++) {
        simulated_tdx_init(s);
        add_level(s);
        PLATFORM.tdx[i] = i < 3 ? 200 : 1;
        judge_status(s, "component", i, i < 2 ? "UpToDate" : "OutOfDate");
        simulated_tdx_init(s);
        add_level(s);
        launch(s, 5, 0, 3);
        now(s, 5, 0, 3);
        PLATFORM.tdx[i] = i < 3 ? 200 : 1;
        judge_status(s, "component without id", i, "OutOfDate");
    }
    free(s);
}
END_TEST

START_TEST(the_first_level_that_is_met_holds)
{
    struct simulated_tdx *s = new_case();

    add_level(s); /* two that are met: the first speaks */
    judge_status(s, "platform level", 0, "UpToDate");
    simulated_tdx_init(s);
    add_level(s);
    PLATFORM.is.status = "ConfigurationNeeded";
    s->spec.tcb_info.levels[1].is.status = "UpToDate";
    judge_status(s, "platform level", 1, "ConfigurationNeeded");
    free(s);
}
END_TEST

static void add_module_level(struct simulated_tdx *s, uint32_t isvsvn, const char *status)
{
    struct tally_sim_tdx_module *m = &MODULE_TDX_1;

    m->levels[m->levels_n] = m->levels[0];
    m->levels[m->levels_n].isvsvn = isvsvn;
    m->levels[m->levels_n++].is.status = status;
}

START_TEST(module_and_qe_levels_are_met_from_above)
{
    static const char *const want[] = {"NotSupported", "NotSupported", "Revoked",  "Revoked",
                                       "OutOfDate",    "OutOfDate",    "UpToDate", "UpToDate"};
    struct simulated_tdx *s = new_case();

    for (uint8_t svn = 0; svn < 8; svn++) {
        simulated_tdx_init(s);
        add_module_level(s, 4, "OutOfDate");
        add_module_level(s, 2, "Revoked");
        launch(s, svn, 1, 3);
        s->quote.version = 4;
        s->quote.body_type = TALLY_TDX_TYPE_TD10;
        accept_all(s);
        (void)!simulated_tdx_judge(s, &verdict);
        ck_assert_str_eq(verdict.tcb.status, want[svn]);
    }
    simulated_tdx_init(s);
    QE_ID.levels[1] = QE_ID.levels[0];
    QE_ID.levels[1].isvsvn = 2;
    QE_ID.levels[1].is.status = "OutOfDate";
    QE_ID.levels_n = 2;
    s->quote.qe.isv_svn = 3;
    judge_status(s, "QE level", 3, "OutOfDate");
    free(s);
}
END_TEST

/* Launched under TDX 1 of SVN 5, which is out of date; 6 is good. */
static void old_launch(struct simulated_tdx *s)
{
    add_module_level(s, 4, "OutOfDate");
    launch(s, 5, 1, 3);
    now(s, 6, 1, 3);
}

static void body_10(struct simulated_tdx *s)
{
    old_launch(s);
    s->quote.body_type = TALLY_TDX_TYPE_TD10;
}

static void also(struct simulated_tdx *s, enum tally_tdx_status status)
{
    s->policy.accepted |= 1U << status;
}

/* clang-format off */
#define NOW(X)                                                                                    \
    X(relaunch_is_not_accepted_unasked, E_TCB_STATUS, old_launch(s))                              \
    X(relaunch_is_accepted, NONE, old_launch(s); accept_only(s, TALLY_TDX_RELAUNCH))              \
    X(relaunch_under_a_newer_kind, NONE, old_launch(s); now(s, 3, 3, 3);                          \
      accept_only(s, TALLY_TDX_RELAUNCH))                                                         \
    X(relaunch_and_configuration, NONE, old_launch(s);                                            \
      PLATFORM.is.status = "ConfigurationNeeded";                                                 \
      accept_only(s, TALLY_TDX_RELAUNCH_CONFIGURATION))                                           \
    X(relaunch_is_not_out_of_date, E_TCB_STATUS,                                                  \
      old_launch(s); accept_only(s, TALLY_TDX_OUT_OF_DATE))                                       \
    X(no_relaunch_of_version_5_body_2, NONE, body_10(s); accept_only(s, TALLY_TDX_OUT_OF_DATE))   \
    X(no_relaunch_to_the_same, NONE, old_launch(s); now(s, 5, 1, 3);                              \
      accept_only(s, TALLY_TDX_OUT_OF_DATE))                                                      \
    X(no_relaunch_of_an_old_platform, NONE, old_launch(s); PLATFORM.is.status = "OutOfDate";      \
      accept_only(s, TALLY_TDX_OUT_OF_DATE))                                                      \
    X(no_relaunch_of_an_old_configured_platform, NONE, old_launch(s);                             \
      PLATFORM.is.status = "OutOfDateConfigurationNeeded";                                        \
      accept_only(s, TALLY_TDX_OUT_OF_DATE_CONFIGURATION))                                        \
    X(no_relaunch_under_an_old_qe, NONE, old_launch(s); QE_ID.levels[0].is.status = "OutOfDate";  \
      accept_only(s, TALLY_TDX_OUT_OF_DATE))                                                      \
    X(no_relaunch_where_the_newest_is_old, NONE, old_launch(s);                                   \
      MODULE_TDX_1.levels[0].is.status = "OutOfDate"; accept_only(s, TALLY_TDX_OUT_OF_DATE))      \
    X(revoked_at_launch, E_TCB_STATUS, old_launch(s);                                             \
      MODULE_TDX_1.levels[1].is.status = "Revoked"; accept_all(s))                                \
    X(revoked_now, E_TCB_STATUS, old_launch(s); launch(s, 6, 1, 3); now(s, 5, 1, 3);              \
      MODULE_TDX_1.levels[1].is.status = "Revoked"; accept_all(s))                                \
    X(now_below_all_levels, E_TCB_NOT_SUPPORTED, now(s, 5, 1, 3); accept_all(s))                  \
    X(launch_below_all_levels, E_TCB_NOT_SUPPORTED, launch(s, 5, 1, 3); accept_all(s))            \
    X(now_of_an_older_microcode, E_TCB_NOT_SUPPORTED, now(s, 6, 1, 2); accept_all(s))             \
    X(now_of_an_unknown_kind, E_MODULE_IDENTITY, now(s, 6, 2, 3); accept_all(s))                  \
    X(now_is_newer, NONE, now(s, 9, 1, 9))
NOW(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case running[] = {NOW(SIM_TDX_ROW)};

START_TEST(the_module_that_runs_now_is_judged_too)
{
    simulated_tdx_cases(running, sizeof running / sizeof running[0]);
}
END_TEST

static const char *const one[] = {"INTEL-SA-00837"}, *const two[] = {"INTEL-SA-00837",
                                                                     "INTEL-SA-01036"};
static const char *const other[] = {"INTEL-SA-01099"}, *const odd[] = {"INTEL-SA-0083"};

static void advise(struct tally_sim_tdx_standing *is, const char *const *list, uint32_t n)
{
    is->advisories = list;
    is->advisories_n = n;
}

static void allow(struct simulated_tdx *s, const char *const *list, uint32_t n)
{
    s->policy.has_advisories = true;
    s->policy.advisories_n = n;
    for (uint32_t i = 0; i < n; i++) memcpy(s->policy.advisories[i], list[i], strlen(list[i]) + 1);
}

static void hardening(struct simulated_tdx *s)
{
    PLATFORM.is.status = "SWHardeningNeeded";
    also(s, TALLY_TDX_SW_HARDENING);
    advise(&PLATFORM.is, one, 1);
}

/* Everything is of `days` ago, and the platform out of date. */
static void aged(struct simulated_tdx *s, uint64_t seconds_ago)
{
    uint64_t at = SIM_TDX_NOW_S - seconds_ago;

    PLATFORM.is.status = "OutOfDate";
    PLATFORM.is.date_s = MODULE_TDX_1.levels[0].is.date_s = QE_ID.levels[0].is.date_s = at;
    s->policy.grace_days = 10;
}

/* clang-format off */
#define POLICY(X)                                                                                 \
    X(advisory_unasked, NONE, hardening(s))                                                       \
    X(advisory_listed, NONE, hardening(s); allow(s, one, 1))                                      \
    X(advisory_listed_among_two, NONE, hardening(s); allow(s, two, 2))                            \
    X(advisory_not_listed, E_TCB_STATUS, hardening(s); allow(s, other, 1))                        \
    X(advisory_with_an_empty_list, E_TCB_STATUS, hardening(s); allow(s, NULL, 0))                 \
    X(advisory_listed_in_part, E_TCB_STATUS, hardening(s); allow(s, odd, 1))                      \
    X(second_advisory_not_listed, E_TCB_STATUS, hardening(s); allow(s, one, 1);                   \
      advise(&PLATFORM.is, two, 2))                                                               \
    X(no_advisory_with_an_empty_list, NONE, allow(s, NULL, 0))                                    \
    X(advisory_of_the_module, E_TCB_STATUS, hardening(s); allow(s, one, 1);                       \
      advise(&MODULE_TDX_1.levels[0].is, other, 1))                                               \
    X(advisory_of_the_qe, E_TCB_STATUS, hardening(s); allow(s, one, 1);                           \
      advise(&QE_ID.levels[0].is, other, 1))                                                      \
    X(advisory_of_another_level, NONE, hardening(s); allow(s, one, 1); add_level(s);              \
      advise(&s->spec.tcb_info.levels[1].is, other, 1))                                           \
    X(no_grace, E_TCB_STATUS, aged(s, DAY_S); s->policy.grace_days = 0)                           \
    X(within_grace, NONE, aged(s, DAY_S))                                                         \
    X(last_second_of_grace, NONE, aged(s, 10 * DAY_S))                                            \
    X(first_second_after_grace, E_TCB_STATUS, aged(s, 10 * DAY_S + 1))                            \
    X(grace_counts_from_the_oldest, E_TCB_STATUS, aged(s, DAY_S);                                 \
      QE_ID.levels[0].is.date_s -= 20 * DAY_S)                                                    \
    X(grace_of_the_module, NONE, aged(s, DAY_S); PLATFORM.is.status = "UpToDate";                 \
      s->quote.body_type = TALLY_TDX_TYPE_TD10;                                                   \
      MODULE_TDX_1.levels[0].is.status = "OutOfDate")                                             \
    X(grace_gives_no_configuration, E_TCB_STATUS, aged(s, DAY_S);                                 \
      PLATFORM.is.status = "OutOfDateConfigurationNeeded")                                        \
    X(grace_where_configuration_is_accepted, NONE, aged(s, DAY_S);                                \
      PLATFORM.is.status = "OutOfDateConfigurationNeeded"; also(s, TALLY_TDX_CONFIGURATION))      \
    X(no_grace_for_revoked, E_TCB_STATUS, aged(s, DAY_S); PLATFORM.is.status = "Revoked")         \
    X(no_grace_for_advisories, E_TCB_STATUS, aged(s, DAY_S); allow(s, one, 1);                    \
      advise(&PLATFORM.is, other, 1))
POLICY(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case policy[] = {POLICY(SIM_TDX_ROW)};

START_TEST(advisories_and_grace_are_the_policys)
{
    simulated_tdx_cases(policy, sizeof policy / sizeof policy[0]);
}
END_TEST

START_TEST(grace_bounds_the_verdict)
{
    struct simulated_tdx *s = new_case();

    aged(s, DAY_S);
    ck_assert_int_eq(simulated_tdx_judge(s, &verdict), TALLY_OK);
    ck_assert_uint_eq(verdict.not_after_s, SIM_TDX_NOW_S + 9 * DAY_S);
    ck_assert_str_eq(verdict.tcb.status, "OutOfDate");
    free(s);
}
END_TEST

static unsigned claims(const char *name, const char *text)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < verdict.claims_n; i++) {
        const struct tally_claim *c = &verdict.claims[i];
        n += is(c->name, name) && c->len == strlen(text) && memcmp(c->text, text, c->len) == 0;
    }
    return n;
}

START_TEST(advisories_are_one_list_and_the_date_the_earliest)
{
    struct simulated_tdx *s = new_case();

    hardening(s);
    advise(&MODULE_TDX_1.levels[0].is, two, 2);
    advise(&QE_ID.levels[0].is, other, 1);
    QE_ID.levels[0].is.date_s = 1700000000;
    ck_assert_int_eq(simulated_tdx_judge(s, &verdict), TALLY_OK);
    ck_assert_uint_eq(claims("advisory", one[0]), 1);
    ck_assert_uint_eq(claims("advisory", two[1]), 1);
    ck_assert_uint_eq(claims("advisory", other[0]), 1);
    ck_assert_uint_eq(claims("tcb_date", "2023-11-14T22:13:20Z"), 1);
    free(s);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim_tcb");

    tcase_add_test(t, every_combination_of_words_converges);
    tcase_add_test(t, a_module_that_runs_still_changes_no_word);
    tcase_add_test(t, other_words_of_a_module_or_a_qe_are_refused);
    tcase_add_test(t, a_policy_accepts_the_words_that_it_lists_alone);
    tcase_add_test(t, every_sgx_component_counts);
    tcase_add_test(t, tdx_components_count_from_the_third_where_the_module_has_an_id);
    tcase_add_test(t, the_first_level_that_is_met_holds);
    tcase_add_test(t, module_and_qe_levels_are_met_from_above);
    tcase_add_test(t, the_module_that_runs_now_is_judged_too);
    tcase_add_test(t, advisories_and_grace_are_the_policys);
    tcase_add_test(t, grace_bounds_the_verdict);
    tcase_add_test(t, advisories_are_one_list_and_the_date_the_earliest);
    return tally_suite_run("common/verify_tdx_sim_tcb", t);
}
