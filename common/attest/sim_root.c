/* sim_root.c - the root of a test federation; see sim_chip.h. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_cert.h"
#include "common/attest/sim_chip.h"
#include "common/attest/sim_file.h"

static const char magic[] = "tally-sim-root/1 test\n";
static const char crl_url[] = "https://kdsintf.amd.com/vcek/v1/Genoa/crl";
enum { DAY_S = 86400, YEAR_S = 365 * DAY_S + DAY_S / 4, RSA_BITS = 4096 };
/* AMD's for Genoa. */
enum { ARK_SERIAL = 0x20000, ASK_SERIAL = 0x20002 };

static enum tally_status make_cert(const struct tally_sim_cert *c, struct tally_sim_bytes *out)
{
    struct tally_wr w = tally_wr_to(out->at, sizeof out->at);
    struct tally_slice s;

    TALLY_TRY(tally_sim_cert_make(c, &w));
    TALLY_TRY(tally_wr_end(&w, &s));
    out->len = s.len;
    return TALLY_OK;
}

enum tally_status tally_sim_root_renew_crl(struct tally_sim_root *r, uint64_t now_s,
                                           const uint32_t *revoked, size_t revoked_n)
{
    const struct tally_sim_crl crl = {.issuer = "ARK-Genoa",
                                      .signer = r->ark_key,
                                      .this_update_s = now_s - DAY_S,
                                      .next_update_s = now_s + YEAR_S,
                                      .number = 1,
                                      .revoked = revoked,
                                      .revoked_n = revoked_n};
    struct tally_wr w = tally_wr_to(r->crl.at, sizeof r->crl.at);
    struct tally_slice s;

    TALLY_TRY(tally_sim_crl_make(&crl, &w));
    TALLY_TRY(tally_wr_end(&w, &s));
    r->crl.len = s.len;
    return TALLY_OK;
}

static enum tally_status fill(struct tally_sim_root *r, uint64_t now_s)
{
    struct tally_sim_exts ark_exts, ask_exts;

    TALLY_ENSURE(now_s > DAY_S, TALLY_E_CONFIG, "no time to issue certificates at");
    r->ark_key = EVP_RSA_gen(RSA_BITS);
    r->ask_key = EVP_RSA_gen(RSA_BITS);
    TALLY_ENSURE(r->ark_key != NULL && r->ask_key != NULL, TALLY_E_LIB, "making RSA keys");
    tally_sim_ca_exts(r->ark_key, r->ark_key, crl_url, &ark_exts);
    tally_sim_ca_exts(r->ask_key, r->ark_key, crl_url, &ask_exts);
    struct tally_sim_cert c = {.subject = "ARK-Genoa",
                               .issuer = "ARK-Genoa",
                               .serial = ARK_SERIAL,
                               .not_before_s = now_s - DAY_S,
                               .not_after_s = now_s + 25ULL * YEAR_S,
                               .key = r->ark_key,
                               .signer = r->ark_key,
                               .exts = ark_exts.list,
                               .exts_n = ark_exts.n};
    TALLY_TRY(make_cert(&c, &r->ark));
    c.subject = "SEV-Genoa";
    c.serial = ASK_SERIAL;
    c.key = r->ask_key;
    c.exts = ask_exts.list;
    c.exts_n = ask_exts.n;
    TALLY_TRY(make_cert(&c, &r->ask));
    return tally_sim_root_renew_crl(r, now_s, NULL, 0);
}

enum tally_status tally_sim_root_new(uint64_t now_s, struct tally_sim_root **out)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *r = calloc(1, sizeof *r);

    TALLY_ENSURE(r != NULL, TALLY_E_NOMEM, "test root");
    TALLY_TRY(fill(r, now_s));
    *out = r;
    r = NULL;
    return TALLY_OK;
}

void tally_sim_root_free(struct tally_sim_root **r)
{
    if (*r == NULL) return;
    EVP_PKEY_free((*r)->ark_key);
    EVP_PKEY_free((*r)->ask_key);
    free(*r);
    *r = NULL;
}

static void put_key(struct tally_wr *w, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    int n = i2d_PrivateKey(key, &der);

    if (n <= 0)
        w->full = true;
    else
        tally_wr_vec(w, tally_slice_of(der, (size_t)n));
    OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
}

static void put_bytes(struct tally_wr *w, const struct tally_sim_bytes *b)
{
    tally_wr_vec(w, tally_slice_of(b->at, b->len));
}

enum tally_status tally_sim_root_save(const struct tally_sim_root *r, const char *path)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    struct tally_slice s;

    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    struct tally_wr w = tally_wr_to(buf.at, buf.len);
    tally_wr_bytes(&w, tally_slice_str(magic));
    put_key(&w, r->ark_key);
    put_key(&w, r->ask_key);
    put_bytes(&w, &r->ark);
    put_bytes(&w, &r->ask);
    put_bytes(&w, &r->crl);
    TALLY_TRY(tally_wr_end(&w, &s));
    return tally_sim_file_write(path, s);
}

static EVP_PKEY *get_key(struct tally_rd *rd, const char *field)
{
    struct tally_slice der = tally_rd_vec(rd, 8192, field);
    const uint8_t *at = der.at;
    EVP_PKEY *key = der.len == 0 ? NULL : d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, (long)der.len);

    if (key == NULL) tally_rd_fail(rd, field);
    return key;
}

static void get_bytes(struct tally_rd *rd, struct tally_sim_bytes *b, const char *field)
{
    struct tally_slice s = tally_rd_vec(rd, sizeof b->at, field);

    if (s.len != 0) memcpy(b->at, s.at, s.len);
    b->len = s.len;
}

enum tally_status tally_sim_root_load(const char *path, struct tally_sim_root **out)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *r = calloc(1, sizeof *r);
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_ENSURE(r != NULL, TALLY_E_NOMEM, "test root");
    TALLY_TRY(tally_sim_file_read(path, &file));
    struct tally_rd rd = tally_rd_from(tally_slice_of(file.at, file.len));
    struct tally_slice head = tally_rd_bytes(&rd, sizeof magic - 1, "kind of file");
    TALLY_ENSURE(tally_slice_equal(head, tally_slice_str(magic)), TALLY_E_CONFIG,
                 "%s is not the root of a test federation", path);
    r->ark_key = get_key(&rd, "ARK key");
    r->ask_key = get_key(&rd, "ASK key");
    get_bytes(&rd, &r->ark, "ARK");
    get_bytes(&rd, &r->ask, "ASK");
    get_bytes(&rd, &r->crl, "CRL");
    TALLY_TRY(tally_rd_end(&rd));
    *out = r;
    r = NULL;
    return TALLY_OK;
}
