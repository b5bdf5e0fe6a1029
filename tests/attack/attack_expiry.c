/* attack_expiry.c - certificates and revocation lists past their time, and clocks that lie: the
 * aggregator runs under faketime. Skipped, saying so, where faketime is missing. */
#include <signal.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/attack/arena.h"
#include "tests/attack/cases.h"

static void need_faketime(const struct arena *ar)
{
    if (arena_run(ar, (const char *[]){"faketime", "-f", "+0", "true", NULL}) == 0) return;
    (void)printf("skipped: no faketime here\n");
    exit(ATTACK_SKIPPED);
}

enum { DAY_S = 86400 };

/* bank-1's chip with endorsements that are good today and 200 days from now no more. */
static void age(const struct arena *ar, struct attacker *a, bool crl)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    uint64_t now_s = tally_wall_ms() / 1000;
    struct tally_snp_tcb tcb = a->chip->tcb;
    char path[1024];

    arena_path(ar, "owner/test-root.key", path);
    EXPECT_OK(tally_sim_root_load(path, &root));
    if (crl) {
        EXPECT_OK(tally_sim_root_renew_crl(root, now_s - 250 * DAY_S, NULL, 0)); /* for a year */
        a->chip->crl = root->crl;
    } else {
        EXPECT_OK(tally_sim_chip_set_tcb(a->chip, root, &tcb,
                                         now_s - (7 * UINT64_C(365) - 100) * DAY_S)); /* for 7 */
    }
}

static void good_today_and_not_later(bool crl, const char *reason)
{
    struct arena ar;
    struct attacker a;
    char dir[1024];

    arena_open(&ar);
    need_faketime(&ar);
    arena_serve(&ar);
    arena_path(&ar, "bank-1", dir);
    attacker_load(&a, dir, "bank-1", "agent-1");
    age(&ar, &a, crl);
    attacker_connect(&a, ar.port);
    attacker_handshake(&a);
    arena_stop(&ar, SIGTERM);
    ar.faketime = "+200d";
    arena_serve(&ar);
    attacker_connect(&a, ar.port);
    enum tally_refusal r;
    EXPECT(attacker_hello(&a, &r), "M1 was refused: %s", tally_refusal_text(r));
    attacker_prove(&a);
    arena_expect_refused(&ar, "refused", reason);
    EXPECT(!attacker_established(&a, ATTACKER_QUIET_MS), "a session nevertheless");
    attacker_free(&a);
    arena_close(&ar);
}

static void an_expired_crl(void)
{
    good_today_and_not_later(true, "E_CRL_EXPIRED");
}

static void an_expired_certificate(void)
{
    good_today_and_not_later(false, "E_CERT_EXPIRED");
}

/* The host sets the clock forward past the document's end: it does not serve. */
static void an_expired_document(void)
{
    struct arena ar;

    arena_open(&ar);
    need_faketime(&ar);
    ar.faketime = "+400d";
    EXPECT(!arena_try_serve(&ar), "it serves under an expired document");
    EXPECT(arena_logged(&ar, 0, "expired", NULL, NULL), "it does not say why: %s", ar.log);
    arena_close(&ar);
}

/* And backwards: time is never before what signed documents show, so nothing becomes valid again.
 */
static void a_clock_set_back(void)
{
    struct arena ar;
    struct attacker crowd[ARENA_BANKS];

    arena_open(&ar);
    need_faketime(&ar);
    ar.faketime = "-400d";
    arena_serve(&ar);
    arena_crowd(&ar, crowd);
    attacker_handshake(&crowd[0]);
    arena_crowd_free(crowd);
    arena_close(&ar);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(an_expired_crl),
        CASE(an_expired_certificate),
        CASE(an_expired_document),
        CASE(a_clock_set_back),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
