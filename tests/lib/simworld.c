/* simworld.c - see simworld.h. */
#include "tests/lib/simworld.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define AMD "1.3.6.1.4.1.3704.1"
enum { DAY_S = 86400, VEK = 0, ASK, ARK, CRL };

const struct sim_line sim_lines[SIM_LINES] = {
    {"Milan", 0x19, 0x01, {{4, 0, 0, 0, 0, 0, 0x18, 0xdb}}},
    {"Genoa", 0x19, 0x11, {{10, 0, 0, 0, 0, 0, 23, 0x54}} },
    {"Turin", 0x1a, 0x02, {{0, 1, 0, 2, 0, 0, 0, 0x47}}   },
};

void sim_exts_add_number(struct tally_sim_exts *e, const char *oid, uint8_t n)
{
    const uint8_t v[] = {2, 1, n};

    tally_sim_exts_add(e, oid, false, TALLY_SLICE(v)); /* below 128 */
}

static void turin_exts(const uint8_t *chip_id, const struct tally_snp_tcb *t,
                       struct tally_sim_exts *e)
{
    static const struct {
        const char *oid;
        int at;
    } parts[] = {
        {AMD ".3.1", 1},
        {AMD ".3.2", 2},
        {AMD ".3.3", 3},
        {AMD ".3.5", 4},
        {AMD ".3.6", 5},
        {AMD ".3.7", 6},
        {AMD ".3.8", 7},
        {AMD ".3.9", 0}
    };

    e->n = 0;
    sim_exts_add_number(e, AMD ".1", 1);
    tally_sim_exts_add(e, AMD ".2", false, tally_slice_of("\x16\x05Turin", 7));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        sim_exts_add_number(e, parts[i].oid, t->raw[parts[i].at]);
    tally_sim_exts_add(e, AMD ".4", false, tally_slice_of(chip_id, TALLY_SNP_TURIN_ID_BYTES));
}

static void make_certs(struct sim_world *w, const struct sim_line *l)
{
    struct tally_sim_root *r = simulated_root();

    tally_sim_ca_exts(r->ark_key, r->ark_key, "https://example.org/crl", &w->ark_exts);
    tally_sim_ca_exts(r->ask_key, r->ark_key, "https://example.org/crl", &w->ask_exts);
    w->ark = (struct tally_sim_cert){.subject = w->ark_cn,
                                     .issuer = w->ark_cn,
                                     .serial = 0x20000,
                                     .not_before_s = SIM_NOW_S - DAY_S,
                                     .not_after_s = SIM_NOW_S + DAY_S,
                                     .key = r->ark_key,
                                     .signer = r->ark_key,
                                     .exts = w->ark_exts.list,
                                     .exts_n = w->ark_exts.n};
    w->ask = w->ark;
    w->ask.subject = w->ask_cn;
    w->ask.serial = 0x20002;
    w->ask.key = r->ask_key;
    w->ask.exts = w->ask_exts.list;
    w->ask.exts_n = w->ask_exts.n;
    w->vek = simulated_vcek(&w->exts);
    w->vek.issuer = w->ask_cn;
    w->crl = (struct tally_sim_crl){.issuer = w->ark_cn,
                                    .signer = r->ark_key,
                                    .this_update_s = SIM_NOW_S - DAY_S,
                                    .next_update_s = SIM_NOW_S + DAY_S};
    (void)snprintf(w->ark_cn, sizeof w->ark_cn, "ARK-%s", l->name);
    (void)snprintf(w->ask_cn, sizeof w->ask_cn, "SEV-%s", l->name);
}

void sim_world(struct sim_world *w, int line)
{
    const struct sim_line *l = &sim_lines[line];
    struct tally_snp_report *r = &w->s.report;
    size_t id = line == SIM_TURIN ? TALLY_SNP_TURIN_ID_BYTES : TALLY_SNP_CHIP_ID_BYTES;

    simulated_init(&w->s);
    make_certs(w, l);
    memset(r->chip_id + id, 0, sizeof r->chip_id - id);
    if (line == SIM_TURIN)
        turin_exts(r->chip_id, &l->tcb, &w->exts);
    else
        tally_sim_vcek_exts(l->name, r->chip_id, &l->tcb, &w->exts);
    w->vek.exts_n = w->exts.n;
    r->cpuid_family = l->family;
    r->cpuid_model = l->model;
    r->reported = r->committed = r->current = r->launch = l->tcb;
    tally_chip_digest(l->name, tally_slice_of(r->chip_id, id), w->s.chip[0]);
    w->s.policy.products = TALLY_SNP_PRODUCTS_ALL;
    w->s.policy.floors[w->s.policy.floors_n++] = (struct tally_tcb_floor){
        .family = 0x19, .model_last = 0x0f, .boot_loader = 4, .snp = 0x18, .microcode = 0xdb};
}

void sim_exts_drop(struct tally_sim_exts *e, const char *oid)
{
    size_t k = 0;

    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->list[i].oid, oid) != 0) e->list[k++] = e->list[i];
    }
    ck_assert_uint_eq(k + 1, e->n);
    e->n = k;
}

void sim_world_vlek(struct sim_world *w, int line)
{
    static const uint8_t csp[] = "\x16\x09"
                                 "CN=cc.net";

    sim_world(w, line);
    (void)snprintf(w->ask_cn, sizeof w->ask_cn, "SEV-VLEK-%s", sim_lines[line].name);
    sim_exts_drop(&w->exts, AMD ".4");
    w->exts.list[w->exts.n++] =
        (struct tally_sim_ext){AMD ".5", false, tally_slice_of(csp, sizeof csp - 1)};
    w->vek.exts_n = w->exts.n;
    w->vek.subject = "SEV-VLEK";
    w->s.report.key_flags = TALLY_SNP_KEY_VLEK << 2;
    memset(w->s.report.chip_id, 0, sizeof w->s.report.chip_id);
    w->s.policy.allow_vlek = true;
    w->s.expect.chips_n = 0;
    w->s.expect.any_chip = true;
}

enum tally_reason sim_world_judge(struct sim_world *w, struct tally_verdict *v)
{
    struct tally_anchor a = {.trust = TALLY_TRUST_TEST, .name = "test"};
    struct simulated *s = &w->s;

    w->vek.exts_n = w->exts.n;
    a.root = simulated_cert(ARK, &w->ark);
    if (s->in.vek.at != NULL) s->in.vek = simulated_cert(VEK, &w->vek);
    if (s->in.issuer.at != NULL) s->in.issuer = simulated_cert(ASK, &w->ask);
    if (s->in.crls_n > 0) s->in.crls[0] = simulated_crl(CRL, &w->crl);
    ck_assert_int_eq(tally_sim_report_sign(simulated_chip(), &s->report, s->signed_report),
                     TALLY_OK);
    s->in.report = TALLY_SLICE(s->signed_report);
    return tally_verify_snp(&s->in, &a, 1, &s->policy, &s->expect, v) == TALLY_OK ? TALLY_R_NONE
                                                                                  : tally_reason();
}
