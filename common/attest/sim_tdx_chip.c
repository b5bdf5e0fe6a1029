/* sim_tdx_chip.c - one simulated TDX machine and its file; see sim_tdx.h. */
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/evidence.h"
#include "common/attest/sim_file.h"
#include "common/attest/sim_tdx.h"

static const char magic[] = "tally-sim-tdx-chip/1 test\n";
enum { SEED = 32 };

/* clang-format off */
static const char *const names[TALLY_SIM_TDX_FILES] = {
    [TALLY_SIM_TDX_TCB_INFO] = "tcb_info_response.json",
    [TALLY_SIM_TDX_QE_IDENTITY] = "qe_identity_response.json",
    [TALLY_SIM_TDX_TCB_CHAIN] = "tcb_sign_chain.pem",
    [TALLY_SIM_TDX_ROOT_CRL] = "root_ca_crl.der",
    [TALLY_SIM_TDX_PCK_CRL] = "pck_crl.der",
};
/* clang-format on */

const char *tally_sim_tdx_file_name(enum tally_sim_tdx_file f)
{
    return names[f];
}

/* Emerald Rapids at TCB recovery 18. */
static const struct tally_sim_tdx_pck part = {
    .components = {4,  4, 2, 2, 4, 1, 0, 5},
    .cpusvn = {4, 4, 2, 2, 4, 1, 0, 5},
    .pcesvn = 13,
    .fmspc = {0x90,  0xc0,   0x6f  },
    .sgx_type = 1,
    .platform = true,
    .dynamic_platform = true,
    .cached_keys = true,
    .smt_enabled = true,
};

static enum tally_status derive_keys(struct tally_sim_tdx_chip *c)
{
    const struct tally_slice seed = tally_slice_of(c->seed.at, c->seed.len);

    TALLY_TRY(tally_sim_tdx_key(seed, "pck", &c->pck_key));
    return tally_sim_tdx_key(seed, "ak", &c->ak);
}

static enum tally_status new_chip(struct tally_sim_tdx_chip **out)
{
    struct tally_sim_tdx_chip *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL && sodium_init() >= 0, TALLY_E_NOMEM, "simulated machine");
    *out = c;
    return tally_secret_new(&c->seed, SEED);
}

static void free_spec(struct tally_sim_tdx_spec **s)
{
    free(*s);
}

enum tally_status tally_sim_tdx_chip_renew(struct tally_sim_tdx_chip *c,
                                           const struct tally_sim_tdx_root *r, uint64_t now_s)
{
    TALLY_CLEANUP(free_spec) struct tally_sim_tdx_spec *s = calloc(1, sizeof *s);
    struct tally_wr w = tally_wr_to(c->leaf.at, sizeof c->leaf.at);
    struct tally_slice der;

    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "simulated machine");
    tally_sim_tdx_spec_init(r, &c->pck, c->pck_key, TALLY_SIM_TDX_PLATFORM, now_s, s);
    TALLY_TRY(tally_sim_tdx_cert_make(&s->certs[TALLY_SIM_TDX_PCK], &w));
    TALLY_TRY(tally_wr_end(&w, &der));
    c->leaf.len = der.len;
    c->ca = r->certs[TALLY_SIM_TDX_PLATFORM];
    c->root = r->certs[TALLY_SIM_TDX_ROOT];
    return tally_sim_tdx_spec_files(s, r->certs, c->files);
}

enum tally_status tally_sim_tdx_chip_new(const struct tally_sim_tdx_root *r, uint64_t now_s,
                                         struct tally_sim_tdx_chip **out)
{
    TALLY_CLEANUP(tally_sim_tdx_chip_free) struct tally_sim_tdx_chip *c = NULL;

    TALLY_TRY(new_chip(&c));
    c->pck = part;
    randombytes_buf(c->seed.at, SEED);
    randombytes_buf(c->pck.ppid, sizeof c->pck.ppid);
    randombytes_buf(c->pck.instance_id, sizeof c->pck.instance_id);
    TALLY_TRY(derive_keys(c));
    TALLY_TRY(tally_sim_tdx_chip_renew(c, r, now_s));
    *out = c;
    c = NULL;
    return TALLY_OK;
}

void tally_sim_tdx_chip_free(struct tally_sim_tdx_chip **c)
{
    if (*c == NULL) return;
    tally_secret_free(&(*c)->seed);
    EVP_PKEY_free((*c)->pck_key);
    EVP_PKEY_free((*c)->ak);
    free(*c);
    *c = NULL;
}

void tally_sim_tdx_chip_digest(const struct tally_sim_tdx_chip *c,
                               uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    tally_chip_digest("tdx", TALLY_SLICE(c->pck.ppid), out);
}

static bool is_chip(struct tally_slice file)
{
    return file.len >= sizeof magic - 1 && memcmp(file.at, magic, sizeof magic - 1) == 0;
}

enum tally_status tally_sim_tdx_chip_is(const char *path, bool *is)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_TRY(tally_sim_file_read(path, &file));
    *is = is_chip(tally_slice_of(file.at, file.len));
    return TALLY_OK;
}

static void encode(const struct tally_sim_tdx_chip *c, struct tally_wr *w)
{
    tally_wr_bytes(w, tally_slice_str(magic));
    tally_wr_put(w, c->seed.at, SEED);
    tally_wr_bytes(w, TALLY_SLICE(c->pck.ppid));
    tally_wr_bytes(w, TALLY_SLICE(c->pck.components));
    tally_wr_be16(w, c->pck.pcesvn);
    tally_wr_bytes(w, TALLY_SLICE(c->pck.fmspc));
    tally_wr_bytes(w, TALLY_SLICE(c->pck.instance_id));
    tally_wr_vec(w, tally_slice_of(c->leaf.at, c->leaf.len));
    tally_wr_vec(w, tally_slice_of(c->ca.at, c->ca.len));
    tally_wr_vec(w, tally_slice_of(c->root.at, c->root.len));
    for (int i = 0; i < TALLY_SIM_TDX_FILES; i++)
        tally_wr_vec(w, tally_slice_of(c->files[i].at, c->files[i].len));
}

enum tally_status tally_sim_tdx_chip_save(const struct tally_sim_tdx_chip *c, const char *path)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    struct tally_slice s;

    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    struct tally_wr w = tally_wr_to(buf.at, buf.len);
    encode(c, &w);
    TALLY_TRY(tally_wr_end(&w, &s));
    return tally_sim_file_write(path, s);
}

static size_t get_vec(struct tally_rd *rd, uint8_t *to, size_t cap, const char *field)
{
    struct tally_slice s = tally_rd_vec(rd, cap, field);

    if (s.len != 0) memcpy(to, s.at, s.len);
    return s.len;
}

static enum tally_status decode(struct tally_slice file, struct tally_sim_tdx_chip *c)
{
    struct tally_sim_bytes *certs[] = {&c->leaf, &c->ca, &c->root};
    struct tally_rd rd = tally_rd_from(file);

    TALLY_ENSURE(is_chip(file), TALLY_E_CONFIG, "not a simulated TDX machine");
    (void)tally_rd_bytes(&rd, sizeof magic - 1, "kind of file");
    c->pck = part;
    tally_rd_copy(&rd, c->seed.at, SEED, "seed");
    tally_rd_copy(&rd, c->pck.ppid, sizeof c->pck.ppid, "PPID");
    tally_rd_copy(&rd, c->pck.components, sizeof c->pck.components, "components");
    memcpy(c->pck.cpusvn, c->pck.components, sizeof c->pck.cpusvn);
    c->pck.pcesvn = tally_rd_be16(&rd, "PCE SVN");
    tally_rd_copy(&rd, c->pck.fmspc, sizeof c->pck.fmspc, "FMSPC");
    tally_rd_copy(&rd, c->pck.instance_id, sizeof c->pck.instance_id, "instance id");
    for (size_t i = 0; i < 3; i++)
        certs[i]->len = get_vec(&rd, certs[i]->at, sizeof certs[i]->at, "certificate");
    for (int i = 0; i < TALLY_SIM_TDX_FILES; i++)
        c->files[i].len = get_vec(&rd, c->files[i].at, sizeof c->files[i].at, names[i]);
    return tally_rd_end(&rd);
}

enum tally_status tally_sim_tdx_chip_load(const char *path, struct tally_sim_tdx_chip **out)
{
    TALLY_CLEANUP(tally_sim_tdx_chip_free) struct tally_sim_tdx_chip *c = NULL;
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_TRY(new_chip(&c));
    TALLY_TRY(tally_sim_file_read(path, &file));
    enum tally_status s = decode(tally_slice_of(file.at, file.len), c);
    TALLY_ENSURE(s == TALLY_OK, TALLY_E_CONFIG, "%s is not a simulated TDX machine of this program",
                 path);
    TALLY_TRY(derive_keys(c));
    *out = c;
    c = NULL;
    return TALLY_OK;
}

void tally_sim_tdx_endorsements(const struct tally_sim_tdx_chip *c, struct tally_wr *w)
{
    for (int i = 0; i < TALLY_SIM_TDX_FILES; i++) {
        const struct tally_endorsement e = {TALLY_ENDORSEMENT_TDX_COLLATERAL,
                                            tally_slice_str(names[i]),
                                            tally_slice_of(c->files[i].at, c->files[i].len)};
        tally_endorsement_encode(w, &e);
    }
}
