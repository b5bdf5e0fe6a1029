/* simulated.c - see simulated.h. */
#include "tests/lib/simulated.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tally_sim_root *root;
static struct tally_sim_chip *chip;

void simulated_setup(void)
{
    if (tally_sim_root_new(SIM_NOW_S, &root) != TALLY_OK ||
        tally_sim_chip_new(root, SIM_NOW_S, &chip) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
}

struct tally_sim_root *simulated_root(void)
{
    return root;
}

struct tally_sim_chip *simulated_chip(void)
{
    return chip;
}

const struct tally_anchor *simulated_anchor(void)
{
    static struct tally_anchor a = {.trust = TALLY_TRUST_TEST, .name = "test"};

    a.root = tally_slice_of(root->ark.at, root->ark.len);
    return &a;
}

void simulated_init(struct simulated *s)
{
    *s = (struct simulated){0};
    memset(s->report_data, 0x5a, sizeof s->report_data);
    memset(s->measurement, 0x33, sizeof s->measurement);
    tally_sim_chip_digest(chip, s->chip[0]);
    tally_sim_report_init(chip, &s->report);
    memcpy(s->report.report_data, s->report_data, sizeof s->report_data);
    memcpy(s->report.measurement, s->measurement, sizeof s->measurement);
    tally_snp_policy_strict(&s->policy);
    s->expect = (struct tally_expect){.now_s = SIM_NOW_S,
                                      .trust = TALLY_TRUST_TEST,
                                      .report_data = s->report_data,
                                      .measurements =
                                          (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])s->measurement,
                                      .measurements_n = 1,
                                      .chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])s->chip,
                                      .chips_n = 1};
    s->in = (struct tally_snp_input){.vek = tally_slice_of(chip->vcek.at, chip->vcek.len),
                                     .issuer = tally_slice_of(chip->ask.at, chip->ask.len),
                                     .crls = {tally_slice_of(chip->crl.at, chip->crl.len)},
                                     .crls_n = 1};
}

enum tally_status simulated_judge(struct simulated *s, struct tally_verdict *v)
{
    ck_assert_int_eq(tally_sim_report_sign(chip, &s->report, s->signed_report), TALLY_OK);
    s->in.report = TALLY_SLICE(s->signed_report);
    return tally_verify_snp(&s->in, simulated_anchor(), 1, &s->policy, &s->expect, v);
}

enum { DAY_S = 86400 };
static uint8_t der[SIM_SLOTS][2048];

void simulated_exts(struct tally_sim_exts *e)
{
    tally_sim_vcek_exts("Genoa", chip->chip_id, &chip->tcb, e);
}

struct tally_sim_cert simulated_vcek(const struct tally_sim_exts *e)
{
    return (struct tally_sim_cert){.subject = "SEV-VCEK",
                                   .issuer = "SEV-Genoa",
                                   .not_before_s = SIM_NOW_S - DAY_S,
                                   .not_after_s = SIM_NOW_S + DAY_S,
                                   .key = chip->vcek_key,
                                   .signer = root->ask_key,
                                   .exts = e->list,
                                   .exts_n = e->n};
}

struct tally_sim_cert simulated_ask(struct tally_sim_exts *e)
{
    tally_sim_ca_exts(root->ask_key, root->ark_key, "https://kdsintf.amd.com/vcek/v1/Genoa/crl", e);
    return (struct tally_sim_cert){.subject = "SEV-Genoa",
                                   .issuer = "ARK-Genoa",
                                   .serial = 0x20002,
                                   .not_before_s = SIM_NOW_S - DAY_S,
                                   .not_after_s = SIM_NOW_S + DAY_S,
                                   .key = root->ask_key,
                                   .signer = root->ark_key,
                                   .exts = e->list,
                                   .exts_n = e->n};
}

void simulated_ext_set(struct tally_sim_exts *e, const char *oid, struct tally_slice value)
{
    size_t i = 0;

    while (i < e->n && strcmp(e->list[i].oid, oid) != 0) i++;
    ck_assert_uint_lt(i, e->n);
    e->list[i].value = value;
}

struct tally_slice simulated_cert(int slot, const struct tally_sim_cert *c)
{
    struct tally_wr w = tally_wr_to(der[slot], sizeof der[slot]);
    struct tally_slice s;

    ck_assert_msg(tally_sim_cert_make(c, &w) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_wr_end(&w, &s), TALLY_OK);
    return s;
}

struct tally_slice simulated_crl(int slot, const struct tally_sim_crl *c)
{
    struct tally_wr w = tally_wr_to(der[slot], sizeof der[slot]);
    struct tally_slice s;

    ck_assert_msg(tally_sim_crl_make(c, &w) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_wr_end(&w, &s), TALLY_OK);
    return s;
}
