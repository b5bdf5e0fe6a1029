/* sim_tdx_root.c - the authorities over simulated TDX machines; see sim_tdx.h. */
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_file.h"
#include "common/attest/sim_tdx.h"

static const char magic[] = "tally-sim-tdx-root/1 test\n";
enum { DAY_S = 86400, YEAR_S = 365 * DAY_S + DAY_S / 4, SEED = 32 };

static enum tally_status cert_bytes(const struct tally_sim_tdx_cert *c, struct tally_sim_bytes *out)
{
    struct tally_wr w = tally_wr_to(out->at, sizeof out->at);
    struct tally_slice s;

    TALLY_TRY(tally_sim_tdx_cert_make(c, &w));
    TALLY_TRY(tally_wr_end(&w, &s));
    out->len = s.len;
    return TALLY_OK;
}

static void spec_authority(struct evp_pkey_st *const *keys, enum tally_sim_tdx_role role,
                           uint64_t now_s, struct tally_sim_tdx_cert *c)
{
    static const uint8_t years[TALLY_SIM_TDX_PCK] = {25, 15, 15, 7};

    tally_sim_tdx_cert_init(c, role, keys[role], TALLY_SIM_TDX_ROOT, keys[TALLY_SIM_TDX_ROOT]);
    c->not_before_s = now_s - DAY_S;
    c->not_after_s = now_s + (uint64_t)years[role] * YEAR_S;
}

static enum tally_status derive_keys(struct tally_sim_tdx_root *r)
{
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++)
        TALLY_TRY(tally_sim_tdx_key(tally_slice_of(r->seed.at, r->seed.len),
                                    tally_sim_tdx_cn((enum tally_sim_tdx_role)i), &r->keys[i]));
    return TALLY_OK;
}

static enum tally_status new_root(struct tally_sim_tdx_root **out)
{
    struct tally_sim_tdx_root *r = calloc(1, sizeof *r);

    TALLY_ENSURE(r != NULL && sodium_init() >= 0, TALLY_E_NOMEM, "test root");
    *out = r;
    return tally_secret_new(&r->seed, SEED);
}

enum tally_status tally_sim_tdx_root_new(uint64_t now_s, struct tally_sim_tdx_root **out)
{
    TALLY_CLEANUP(tally_sim_tdx_root_free) struct tally_sim_tdx_root *r = NULL;
    struct tally_sim_tdx_cert c;

    TALLY_ENSURE(now_s > DAY_S, TALLY_E_CONFIG, "no time to issue certificates at");
    TALLY_TRY(new_root(&r));
    randombytes_buf(r->seed.at, SEED);
    TALLY_TRY(derive_keys(r));
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++) {
        spec_authority(r->keys, (enum tally_sim_tdx_role)i, now_s, &c);
        TALLY_TRY(cert_bytes(&c, &r->certs[i]));
    }
    *out = r;
    r = NULL;
    return TALLY_OK;
}

void tally_sim_tdx_root_free(struct tally_sim_tdx_root **r)
{
    if (*r == NULL) return;
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++) EVP_PKEY_free((*r)->keys[i]);
    tally_secret_free(&(*r)->seed);
    free(*r);
    *r = NULL;
}

enum tally_status tally_sim_tdx_root_save(const struct tally_sim_tdx_root *r, const char *path)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    struct tally_slice s;

    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    struct tally_wr w = tally_wr_to(buf.at, buf.len);
    tally_wr_bytes(&w, tally_slice_str(magic));
    tally_wr_put(&w, r->seed.at, SEED);
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++)
        tally_wr_vec(&w, tally_slice_of(r->certs[i].at, r->certs[i].len));
    TALLY_TRY(tally_wr_end(&w, &s));
    return tally_sim_file_write(path, s);
}

enum tally_status tally_sim_tdx_root_load(const char *path, struct tally_sim_tdx_root **out)
{
    TALLY_CLEANUP(tally_sim_tdx_root_free) struct tally_sim_tdx_root *r = NULL;
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_TRY(new_root(&r));
    TALLY_TRY(tally_sim_file_read(path, &file));
    struct tally_rd rd = tally_rd_from(tally_slice_of(file.at, file.len));
    struct tally_slice head = tally_rd_bytes(&rd, sizeof magic - 1, "kind of file");
    TALLY_ENSURE(tally_slice_equal(head, tally_slice_str(magic)), TALLY_E_CONFIG,
                 "%s is not the TDX root of a test federation", path);
    tally_rd_copy(&rd, r->seed.at, SEED, "seed");
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++) {
        struct tally_slice der = tally_rd_vec(&rd, sizeof r->certs[i].at, "certificate");
        if (der.len != 0) memcpy(r->certs[i].at, der.at, der.len);
        r->certs[i].len = der.len;
    }
    TALLY_TRY(tally_rd_end(&rd));
    TALLY_TRY(derive_keys(r));
    *out = r;
    r = NULL;
    return TALLY_OK;
}

static void spec_lists(const struct tally_sim_tdx_root *r, enum tally_sim_tdx_role ca,
                       uint64_t now_s, struct tally_sim_tdx_spec *s)
{
    tally_sim_tdx_crl_init(&s->root_crl, TALLY_SIM_TDX_ROOT, r->keys[TALLY_SIM_TDX_ROOT]);
    tally_sim_tdx_crl_init(&s->pck_crl, ca, r->keys[ca]);
    s->root_crl.this_update_s = s->pck_crl.this_update_s = now_s - DAY_S;
    s->root_crl.next_update_s = s->pck_crl.next_update_s = now_s + YEAR_S;
}

void tally_sim_tdx_spec_init(const struct tally_sim_tdx_root *r,
                             const struct tally_sim_tdx_pck *pck, EVP_PKEY *pck_key,
                             enum tally_sim_tdx_role ca, uint64_t now_s,
                             struct tally_sim_tdx_spec *s)
{
    struct tally_sim_tdx_cert *leaf = &s->certs[TALLY_SIM_TDX_PCK];
    struct tally_wr w = tally_wr_to(s->fmspc, sizeof s->fmspc);
    static const char digits[] = "0123456789ABCDEF";

    s->pck = *pck;
    s->json_key = r->keys[TALLY_SIM_TDX_TCB];
    for (size_t i = 0; i < sizeof pck->fmspc; i++) {
        tally_wr_u8(&w, (uint8_t)digits[pck->fmspc[i] >> 4]);
        tally_wr_u8(&w, (uint8_t)digits[pck->fmspc[i] & 15]);
    }
    tally_wr_u8(&w, 0);
    for (int i = 0; i < TALLY_SIM_TDX_PCK; i++)
        spec_authority(r->keys, (enum tally_sim_tdx_role)i, now_s, &s->certs[i]);
    tally_sim_tdx_cert_init(leaf, TALLY_SIM_TDX_PCK, pck_key, ca, r->keys[ca]);
    leaf->not_before_s = now_s - DAY_S;
    leaf->not_after_s = now_s + 7ULL * YEAR_S;
    tally_sim_tdx_pck_add(pck, &leaf->exts);
    spec_lists(r, ca, now_s, s);
    tally_sim_tdx_tcb_info_init(&s->tcb_info, s->fmspc, pck->components, pck->pcesvn, now_s - DAY_S,
                                now_s + YEAR_S);
    tally_sim_tdx_qe_identity_init(&s->qe_identity, now_s - DAY_S, now_s + YEAR_S);
}

static enum tally_status make_json(const struct tally_sim_tdx_spec *s, enum tally_sim_tdx_file f,
                                   struct tally_wr *out)
{
    static _Thread_local uint8_t text[TALLY_SIM_TDX_JSON_MAX];
    struct tally_wr w = tally_wr_to(text, sizeof text);
    struct tally_slice inner;
    bool tcb = f == TALLY_SIM_TDX_TCB_INFO;

    if (tcb)
        tally_sim_tdx_tcb_info_write(&s->tcb_info, &w);
    else
        tally_sim_tdx_qe_identity_write(&s->qe_identity, &w);
    TALLY_TRY(tally_wr_end(&w, &inner));
    return tally_sim_tdx_response_write(tcb ? "tcbInfo" : "enclaveIdentity", inner, s->json_key,
                                        out);
}

static enum tally_status make_file(const struct tally_sim_tdx_spec *s,
                                   const struct tally_sim_bytes *certs, enum tally_sim_tdx_file f,
                                   struct tally_wr *w)
{
    const struct tally_sim_bytes *tcb = &certs[TALLY_SIM_TDX_TCB];
    const struct tally_sim_bytes *root = &certs[TALLY_SIM_TDX_ROOT];

    switch (f) {
    case TALLY_SIM_TDX_TCB_INFO:
    case TALLY_SIM_TDX_QE_IDENTITY: return make_json(s, f, w);
    case TALLY_SIM_TDX_TCB_CHAIN:
        tally_sim_tdx_pem(tally_slice_of(tcb->at, tcb->len), w);
        tally_sim_tdx_pem(tally_slice_of(root->at, root->len), w);
        return TALLY_OK;
    case TALLY_SIM_TDX_ROOT_CRL: return tally_sim_tdx_crl_make(&s->root_crl, w);
    case TALLY_SIM_TDX_PCK_CRL: return tally_sim_tdx_crl_make(&s->pck_crl, w);
    case TALLY_SIM_TDX_FILES: break;
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "no such file of collateral");
}

enum tally_status tally_sim_tdx_spec_certs(const struct tally_sim_tdx_spec *s,
                                           struct tally_sim_bytes certs[TALLY_SIM_TDX_ROLES])
{
    for (int i = 0; i < TALLY_SIM_TDX_ROLES; i++) TALLY_TRY(cert_bytes(&s->certs[i], &certs[i]));
    return TALLY_OK;
}

enum tally_status tally_sim_tdx_spec_files(const struct tally_sim_tdx_spec *s,
                                           const struct tally_sim_bytes certs[TALLY_SIM_TDX_PCK],
                                           struct tally_sim_tdx_blob files[TALLY_SIM_TDX_FILES])
{
    struct tally_slice made;

    for (int i = 0; i < TALLY_SIM_TDX_FILES; i++) {
        struct tally_wr w = tally_wr_to(files[i].at, sizeof files[i].at);
        TALLY_TRY(make_file(s, certs, (enum tally_sim_tdx_file)i, &w));
        TALLY_TRY(tally_wr_end(&w, &made));
        files[i].len = made.len;
    }
    return TALLY_OK;
}
