/* attack_tdx.c - the wrong TD on a genuine (simulated) TDX machine: under debug, one that can be
 * migrated, another program, runtime measurements of its own, and another node's machine. */
#include "common/attest/tdx_quote.h"
#include "tests/attack/cases.h"
#include "tests/attack/duel.h"

static const struct tally_sim_td honest = {.attributes = TALLY_TDX_ATTR_SEPT_VE_DISABLE};

/* The td on the attacker's machine, or on that of `other`, is refused for this reason. */
static void wrong(const struct tally_sim_td *td, bool other, const char *reason)
{
    struct stage s;

    begin(&s);
    EXPECT(s.evil.machine != NULL && s.good.machine != NULL, "these are no TDX machines");
    struct tally_device *d = attacker_boot(other ? &s.good : &s.evil, td);
    s.evil.tricks.device = d;
    refused(&s, reason);
    end(&s);
    tally_device_close(&d);
}

static void tdx_debug_td(void)
{
    struct tally_sim_td td = honest;

    td.attributes |= TALLY_TDX_ATTR_DEBUG;
    wrong(&td, false, "E_POLICY_DEBUG");
}

static void tdx_migratable_td(void)
{
    struct tally_sim_td td = honest;

    td.attributes |= TALLY_TDX_ATTR_MIGRATABLE;
    wrong(&td, false, "E_POLICY_MIGRATION");
}

static void tdx_host_that_may_inject_exceptions(void)
{
    struct tally_sim_td td = honest;

    td.attributes &= ~TALLY_TDX_ATTR_SEPT_VE_DISABLE;
    wrong(&td, false, "E_POLICY_FLAG");
}

static void tdx_another_program(void)
{
    struct tally_sim_td td = honest;

    td.mrtd[47] ^= 1;
    wrong(&td, false, "E_MEASUREMENT");
}

static void tdx_a_leaked_session_key_on_another_machine(void)
{
    wrong(&honest, true, "E_CHIP");
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(tdx_debug_td), CASE(tdx_migratable_td), CASE(tdx_host_that_may_inject_exceptions),
        CASE(tdx_another_program), CASE(tdx_a_leaked_session_key_on_another_machine)};

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
