/* simulated_tdx.c - see simulated_tdx.h. */
#include "tests/lib/simulated_tdx.h"

#include <check.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/attest/cache.h"

static struct tally_sim_tdx_root *root;
static struct tally_sim_tdx_chip *chip;

void simulated_tdx_setup(void)
{
    if (tally_sim_tdx_root_new(SIM_TDX_NOW_S, &root) != TALLY_OK ||
        tally_sim_tdx_chip_new(root, SIM_TDX_NOW_S, &chip) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
}

struct tally_sim_tdx_root *simulated_tdx_root(void)
{
    return root;
}

struct tally_sim_tdx_chip *simulated_tdx_chip(void)
{
    return chip;
}

struct evp_pkey_st *simulated_tdx_key(const char *name)
{
    static struct {
        char name[24];
        EVP_PKEY *key;
    } kept[16];
    size_t i = 0;

    while (kept[i].key != NULL && strcmp(kept[i].name, name) != 0) i++;
    ck_assert_uint_lt(i, sizeof kept / sizeof kept[0] - 1);
    if (kept[i].key != NULL) return kept[i].key;
    (void)snprintf(kept[i].name, sizeof kept[i].name, "%s", name);
    if (strcmp(name, "p384") == 0)
        kept[i].key = EVP_EC_gen("P-384");
    else
        ck_assert_int_eq(tally_sim_tdx_key(tally_slice_str("test"), name, &kept[i].key), TALLY_OK);
    ck_assert_ptr_nonnull(kept[i].key);
    return kept[i].key;
}

void simulated_tdx_init(struct simulated_tdx *s)
{
    memset(s, 0, sizeof *s);
    s->ca = TALLY_SIM_TDX_PLATFORM;
    s->ak = chip->ak;
    s->pck = chip->pck_key;
    tally_sim_tdx_spec_init(root, &chip->pck, s->pck, s->ca, SIM_TDX_NOW_S, &s->spec);
    tally_sim_tdx_quote_init(&chip->pck, &s->quote);
    memset(s->report_data, 0x5a, sizeof s->report_data);
    memset(s->td.mrtd, 0x33, sizeof s->td.mrtd);
    s->td.rtmr_n = 4;
    memcpy(s->quote.report_data, s->report_data, sizeof s->report_data);
    memcpy(s->quote.mrtd, s->td.mrtd, sizeof s->td.mrtd);
    tally_sim_tdx_chip_digest(chip, s->chip[0]);
    tally_tdx_policy_strict(&s->policy);
    s->expect = (struct tally_expect){.now_s = SIM_TDX_NOW_S,
                                      .trust = TALLY_TRUST_TEST,
                                      .report_data = s->report_data,
                                      .td_measurements = &s->td,
                                      .td_measurements_n = 1,
                                      .chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])s->chip,
                                      .chips_n = 1};
}

void simulated_tdx_processor(struct simulated_tdx *s)
{
    struct tally_sim_tdx_pck pck = chip->pck;

    pck.platform = false;
    pck.sgx_type = 0;
    s->ca = TALLY_SIM_TDX_PROCESSOR;
    tally_sim_tdx_spec_init(root, &pck, s->pck, s->ca, SIM_TDX_NOW_S, &s->spec);
}

static void call(struct simulated_tdx *s, enum simulated_tdx_stage stage)
{
    if (s->hook != NULL) s->hook(s, stage);
}

static void make_chain(struct simulated_tdx *s)
{
    const enum tally_sim_tdx_role roles[] = {TALLY_SIM_TDX_PCK, s->ca, TALLY_SIM_TDX_ROOT};
    struct tally_wr w = tally_wr_to(s->pem.at, sizeof s->pem.at);

    for (size_t i = 0; i < 3; i++)
        tally_sim_tdx_pem(tally_slice_of(s->certs[roles[i]].at, s->certs[roles[i]].len), &w);
    ck_assert(!w.full);
    s->pem.len = w.used;
}

static struct tally_slice edited(struct tally_slice text, const struct simulated_tdx_edit *e,
                                 struct tally_wr *w)
{
    struct tally_slice out;
    const uint8_t *at = memmem(text.at, text.len, e->find, strlen(e->find));

    ck_assert_msg(at != NULL, "no %s", e->find);
    size_t before = (size_t)(at - text.at), skip = before + strlen(e->find);
    tally_wr_put(w, text.at, before);
    tally_wr_bytes(w, tally_slice_str(e->with));
    tally_wr_put(w, text.at + skip, text.len - skip);
    ck_assert_int_eq(tally_wr_end(w, &out), TALLY_OK);
    return out;
}

static void make_json(struct simulated_tdx *s, enum tally_sim_tdx_file f)
{
    static uint8_t text[TALLY_SIM_TDX_JSON_MAX], changed[TALLY_SIM_TDX_JSON_MAX];
    bool tcb = f == TALLY_SIM_TDX_TCB_INFO;
    const struct simulated_tdx_edit *e = tcb ? &s->tcb_info : &s->qe_identity;
    struct tally_wr w = tally_wr_to(text, sizeof text);
    struct tally_wr c = tally_wr_to(changed, sizeof changed);
    struct tally_wr out = tally_wr_to(s->files[f].at, sizeof s->files[f].at);
    struct tally_slice inner;

    if (tcb)
        tally_sim_tdx_tcb_info_write(&s->spec.tcb_info, &w);
    else
        tally_sim_tdx_qe_identity_write(&s->spec.qe_identity, &w);
    ck_assert_int_eq(tally_wr_end(&w, &inner), TALLY_OK);
    if (e->find != NULL) inner = edited(inner, e, &c);
    ck_assert_int_eq(tally_sim_tdx_response_write(tcb ? "tcbInfo" : "enclaveIdentity", inner,
                                                  s->spec.json_key, &out),
                     TALLY_OK);
    ck_assert(!out.full);
    s->files[f].len = out.used;
}

/* The part's bytes with the change to them, then signed. */
static void sign_part(struct tally_wr *w, const struct simulated_tdx_flip *flip, EVP_PKEY *key,
                      uint8_t sig[64])
{
    struct tally_slice part;

    ck_assert_uint_lt(flip->at, w->used);
    w->to[flip->at] ^= flip->x;
    ck_assert_int_eq(tally_wr_end(w, &part), TALLY_OK);
    ck_assert_int_eq(tally_sim_tdx_sign(key, part, sig), TALLY_OK);
}

static void make_quote(struct simulated_tdx *s)
{
    enum { QE_AFTER_BODY = 4 + TALLY_TDX_SIG_BYTES + TALLY_TDX_KEY_BYTES + 6 };
    uint8_t body[1024], qe[TALLY_TDX_QE_REPORT_BYTES];
    struct tally_wr b = tally_wr_to(body, sizeof body), q = tally_wr_to(qe, sizeof qe);
    struct tally_wr out = tally_wr_to(s->bytes, sizeof s->bytes);

    s->quote.pck_pem = tally_slice_of(s->pem.at, s->pem.len);
    tally_sim_tdx_quote_bind(&s->quote, s->ak);
    call(s, SIM_TDX_BOUND);
    tally_tdx_qe_encode(&s->quote.qe, &q);
    sign_part(&q, &s->qe, s->pck, s->quote.qe_signature);
    tally_tdx_signed_encode(&s->quote, &b);
    sign_part(&b, &s->body, s->ak, s->quote.signature);
    tally_tdx_quote_encode(&s->quote, &out);
    ck_assert(!out.full);
    memcpy(s->bytes, body, b.used);
    memcpy(s->bytes + b.used + QE_AFTER_BODY, qe, sizeof qe);
    s->bytes_n = out.used;
}

void simulated_tdx_make(struct simulated_tdx *s)
{
    ck_assert_msg(tally_sim_tdx_spec_certs(&s->spec, s->certs) == TALLY_OK, "%s", tally_why());
    call(s, SIM_TDX_CERTS);
    make_chain(s);
    call(s, SIM_TDX_CHAIN);
    ck_assert_msg(tally_sim_tdx_spec_files(&s->spec, s->certs, s->files) == TALLY_OK, "%s",
                  tally_why());
    make_json(s, TALLY_SIM_TDX_TCB_INFO);
    make_json(s, TALLY_SIM_TDX_QE_IDENTITY);
    call(s, SIM_TDX_FILES);
    make_quote(s);
    call(s, SIM_TDX_DONE);
}

/* Exactly as long as it is, so that a sanitizer sees one byte too far. */
static struct tally_slice exact(const uint8_t *at, size_t len, uint8_t **keep)
{
    *keep = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(*keep);
    memcpy(*keep, at, len);
    return tally_slice_of(*keep, len);
}

enum tally_status simulated_tdx_verify(struct simulated_tdx *s, struct tally_verdict *v)
{
    const struct tally_sim_bytes *r = &s->certs[TALLY_SIM_TDX_ROOT];
    const struct tally_anchor anchor = {TALLY_TRUST_TEST, "test", tally_slice_of(r->at, r->len)};
    uint8_t *keep[TALLY_SIM_TDX_FILES + 1] = {NULL};
    struct tally_tdx_input in = {.quote = exact(s->bytes, s->bytes_n, &keep[0])};
    enum tally_status taken = TALLY_OK;

    for (int i = 0; i < TALLY_SIM_TDX_FILES && taken == TALLY_OK; i++) {
        struct tally_slice name =
            tally_slice_str(tally_sim_tdx_file_name((enum tally_sim_tdx_file)i));
        if (s->absent[i]) continue;
        taken = tally_tdx_collateral_put(&in.collateral, name,
                                         exact(s->files[i].at, s->files[i].len, &keep[i + 1]));
    }
    enum tally_status judged =
        taken != TALLY_OK ? taken : tally_verify_tdx(&in, &anchor, 1, &s->policy, &s->expect, v);
    for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++) free(keep[i]);
    return judged;
}

enum tally_status simulated_tdx_judge(struct simulated_tdx *s, struct tally_verdict *v)
{
    simulated_tdx_make(s);
    return simulated_tdx_verify(s, v);
}

static enum tally_reason reason_of(enum tally_status s)
{
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

static bool as_expected(const struct simulated_tdx_case *c, enum tally_status got, const char *how)
{
    enum tally_reason why = reason_of(got);

    if ((got == TALLY_OK) == (c->reason == TALLY_R_NONE) && why == c->reason) return true;
    (void)fprintf(stderr, "%s%s: expected %s, got %s (%s)\n", c->name, how,
                  c->reason == TALLY_R_NONE ? "trusted" : tally_reason_name(c->reason),
                  got == TALLY_OK ? "trusted" : tally_reason_name(why),
                  got == TALLY_OK ? "" : tally_why());
    return false;
}

static void emit_file(const char *folder, const char *name, const uint8_t *at, size_t len)
{
    char path[512];

    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", folder, name), (int)sizeof path);
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL && fwrite(at, 1, len, f) == len && fclose(f) == 0, "%s", path);
}

/* DIR/<case>/ with quote.bin, root.der, the collateral and what must come of it. */
static void emit(const struct simulated_tdx_case *c, const struct simulated_tdx *s)
{
    const char *dir = getenv("TALLY_EMIT");
    const char *expected = c->reason == TALLY_R_NONE ? "trusted" : tally_reason_name(c->reason);
    const struct tally_sim_bytes *top = &s->certs[TALLY_SIM_TDX_ROOT];
    char folder[384];

    if (dir == NULL || *dir == '\0') return;
    ck_assert_int_lt(snprintf(folder, sizeof folder, "%s/%s", dir, c->name), (int)sizeof folder);
    ck_assert_msg(mkdir(folder, 0755) == 0 || errno == EEXIST, "%s", folder);
    emit_file(folder, "quote.bin", s->bytes, s->bytes_n);
    emit_file(folder, "root.der", top->at, top->len);
    emit_file(folder, "expected", (const uint8_t *)expected, strlen(expected));
    for (int i = 0; i < TALLY_SIM_TDX_FILES; i++) {
        if (s->absent[i]) continue;
        emit_file(folder, tally_sim_tdx_file_name((enum tally_sim_tdx_file)i), s->files[i].at,
                  s->files[i].len);
    }
}

/* What holds of every verdict. */
static void check_verdict(const struct simulated_tdx_case *c, const struct tally_verdict *v)
{
    if (!v->authentic)
        ck_assert_msg(v->claims_n == 0 && v->tcb.status == NULL,
                      "%s: content of a quote that is "
                      "not authentic",
                      c->name);
    if (c->reason != TALLY_R_NONE || v->failed_n != 0) return;
    ck_assert_msg(v->authentic && v->missing_n == 0 && v->not_before_s <= SIM_TDX_NOW_S &&
                      v->not_after_s >= SIM_TDX_NOW_S && v->trust == TALLY_TRUST_TEST,
                  "%s: trusted for no reason", c->name);
}

/* Without a cache, with an empty one, and with what that left in it. */
static bool case_holds(const struct simulated_tdx_case *c, struct simulated_tdx *s)
{
    static struct tally_verdict v;
    struct tally_attest_cache *cache = NULL;

    simulated_tdx_init(s);
    c->change(s);
    memset(&v, 0, sizeof v);
    bool good = as_expected(c, simulated_tdx_judge(s, &v), "");
    check_verdict(c, &v);
    emit(c, s);
    ck_assert_int_eq(tally_attest_cache_new(&cache), TALLY_OK);
    s->expect.cache = cache;
    good = as_expected(c, simulated_tdx_verify(s, &v), ", empty cache") && good;
    good = as_expected(c, simulated_tdx_verify(s, &v), ", warm cache") && good;
    tally_attest_cache_destroy(&cache);
    return good;
}

void simulated_tdx_cases(const struct simulated_tdx_case *cases, size_t n)
{
    struct simulated_tdx *s = malloc(sizeof *s);
    size_t wrong = 0;

    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < n; i++) wrong += !case_holds(&cases[i], s);
    free(s);
    ck_assert_msg(wrong == 0, "%zu of %zu cases", wrong, n);
}
