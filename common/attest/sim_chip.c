/* sim_chip.c - see sim_chip.h. */
#include "common/attest/sim_chip.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_cert.h"
#include "common/attest/sim_file.h"
#include "common/hash.h"

static const char magic[] = "tally-sim-chip/1 test\n";
enum { DAY_S = 86400, YEARS_7_S = 7 * 365 * DAY_S, SEED = 32 };
/* A Genoa part: family 19h, model 11h, stepping 1, firmware 1.55.40. */
enum { FAMILY = 0x19, MODEL = 0x11, STEPPING = 1, PLATFORM_INFO = 0x25 };
static const struct tally_snp_tcb tcb_now = {
    {10, 0, 0, 0, 0, 0, 23, 84}
};
static const struct tally_snp_firmware firmware = {.build = 40, .minor = 55, .major = 1};

/* 64 uniform bytes of the seed for one use. */
static void derive(const struct tally_sim_chip *c, uint8_t out[64])
{
    static const char label[] = "tally/sim/vcek/v1";
    uint8_t info[128], prk[TALLY_SHA384_BYTES];
    struct tally_wr w = tally_wr_to(info, sizeof info);

    tally_wr_put(&w, label, sizeof label);
    tally_wr_vec(&w, tally_slice_str(tally_snp_product_name(c->product)));
    tally_wr_vec(&w, TALLY_SLICE(c->chip_id));
    tally_wr_vec(&w, TALLY_SLICE(c->tcb.raw));
    TALLY_ASSERT(!w.full);
    tally_hkdf_extract(TALLY_SHA384, (struct tally_slice){0}, tally_slice_of(c->seed.at, SEED),
                       prk);
    tally_hkdf_expand(TALLY_SHA384, TALLY_SLICE(prk), tally_slice_of(info, w.used), out, 64);
    sodium_memzero(prk, sizeof prk);
}

struct scalar {
    EC_GROUP *group;
    EC_POINT *point;
    BIGNUM *d, *limit;
    BN_CTX *ctx;
    OSSL_PARAM_BLD *build;
    OSSL_PARAM *params;
    EVP_PKEY_CTX *import;
};

static void free_scalar(struct scalar *s)
{
    EC_GROUP_free(s->group);
    EC_POINT_free(s->point);
    BN_clear_free(s->d);
    BN_free(s->limit);
    BN_CTX_free(s->ctx);
    OSSL_PARAM_BLD_free(s->build);
    OSSL_PARAM_free(s->params);
    EVP_PKEY_CTX_free(s->import);
}

/* d = (bytes mod (n - 1)) + 1 (FIPS 186-5, A.2.1), and its point. */
static bool multiply(struct scalar *s, const uint8_t bytes[64], uint8_t point[97])
{
    s->group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    s->ctx = BN_CTX_new();
    s->d = BN_bin2bn(bytes, 64, NULL);
    if (s->group == NULL || s->ctx == NULL || s->d == NULL) return false;
    s->limit = BN_dup(EC_GROUP_get0_order(s->group));
    s->point = EC_POINT_new(s->group);
    return s->limit != NULL && s->point != NULL && BN_sub_word(s->limit, 1) == 1 &&
           BN_mod(s->d, s->d, s->limit, s->ctx) == 1 && BN_add_word(s->d, 1) == 1 &&
           EC_POINT_mul(s->group, s->point, s->d, NULL, NULL, s->ctx) == 1 &&
           EC_POINT_point2oct(s->group, s->point, POINT_CONVERSION_UNCOMPRESSED, point, 97,
                              s->ctx) == 97;
}

static EVP_PKEY *import(struct scalar *s, const uint8_t point[97])
{
    EVP_PKEY *key = NULL;

    s->build = OSSL_PARAM_BLD_new();
    s->import = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (s->build == NULL || s->import == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(s->build, OSSL_PKEY_PARAM_GROUP_NAME, "secp384r1", 0) !=
            1 ||
        OSSL_PARAM_BLD_push_octet_string(s->build, OSSL_PKEY_PARAM_PUB_KEY, point, 97) != 1 ||
        OSSL_PARAM_BLD_push_BN(s->build, OSSL_PKEY_PARAM_PRIV_KEY, s->d) != 1 ||
        (s->params = OSSL_PARAM_BLD_to_param(s->build)) == NULL ||
        EVP_PKEY_fromdata_init(s->import) != 1 ||
        EVP_PKEY_fromdata(s->import, &key, EVP_PKEY_KEYPAIR, s->params) != 1)
        return NULL;
    return key;
}

/* The VCEK key follows from seed, product, chip id and TCB: nothing else is kept of it. */
static enum tally_status set_key(struct tally_sim_chip *c)
{
    TALLY_CLEANUP(free_scalar) struct scalar s = {0};
    uint8_t bytes[64], point[97];

    derive(c, bytes);
    bool good = multiply(&s, bytes, point);
    sodium_memzero(bytes, sizeof bytes);
    EVP_PKEY *key = good ? import(&s, point) : NULL;
    TALLY_ENSURE(key != NULL, TALLY_E_LIB, "deriving a VCEK");
    EVP_PKEY_free(c->vcek_key);
    c->vcek_key = key;
    return TALLY_OK;
}

enum tally_status tally_sim_chip_set_tcb(struct tally_sim_chip *c, const struct tally_sim_root *r,
                                         const struct tally_snp_tcb *tcb, uint64_t now_s)
{
    struct tally_sim_exts exts;
    struct tally_slice der;

    c->tcb = *tcb;
    TALLY_TRY(set_key(c));
    tally_sim_vcek_exts(tally_snp_product_name(c->product), c->chip_id, tcb, &exts);
    const struct tally_sim_cert cert = {.subject = "SEV-VCEK",
                                        .issuer = "SEV-Genoa",
                                        .not_before_s = now_s - DAY_S,
                                        .not_after_s = now_s + YEARS_7_S,
                                        .key = c->vcek_key,
                                        .signer = r->ask_key,
                                        .exts = exts.list,
                                        .exts_n = exts.n};
    struct tally_wr w = tally_wr_to(c->vcek.at, sizeof c->vcek.at);
    TALLY_TRY(tally_sim_cert_make(&cert, &w));
    TALLY_TRY(tally_wr_end(&w, &der));
    c->vcek.len = der.len;
    c->ask = r->ask;
    c->crl = r->crl;
    c->ark = r->ark;
    return TALLY_OK;
}

static enum tally_status new_chip(struct tally_sim_chip **out)
{
    struct tally_sim_chip *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL && sodium_init() >= 0, TALLY_E_NOMEM, "simulated chip");
    *out = c;
    return tally_secret_new(&c->seed, SEED);
}

enum tally_status tally_sim_chip_new(const struct tally_sim_root *r, uint64_t now_s,
                                     struct tally_sim_chip **out)
{
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *c = NULL;

    TALLY_TRY(new_chip(&c));
    c->product = TALLY_SNP_GENOA;
    randombytes_buf(c->chip_id, sizeof c->chip_id);
    randombytes_buf(c->seed.at, SEED);
    TALLY_TRY(tally_sim_chip_set_tcb(c, r, &tcb_now, now_s));
    *out = c;
    c = NULL;
    return TALLY_OK;
}

void tally_sim_chip_free(struct tally_sim_chip **c)
{
    if (*c == NULL) return;
    tally_secret_free(&(*c)->seed);
    EVP_PKEY_free((*c)->vcek_key);
    free(*c);
    *c = NULL;
}

void tally_sim_chip_digest(const struct tally_sim_chip *c, uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    tally_chip_digest(tally_snp_product_name(c->product), TALLY_SLICE(c->chip_id), out);
}

static struct tally_slice slice(const struct tally_sim_bytes *b)
{
    return tally_slice_of(b->at, b->len);
}

enum tally_status tally_sim_chip_save(const struct tally_sim_chip *c, const char *path)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    struct tally_slice s;

    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    struct tally_wr w = tally_wr_to(buf.at, buf.len);
    tally_wr_bytes(&w, tally_slice_str(magic));
    tally_wr_vec(&w, tally_slice_str(tally_snp_product_name(c->product)));
    tally_wr_bytes(&w, TALLY_SLICE(c->chip_id));
    tally_wr_put(&w, c->seed.at, SEED);
    tally_wr_bytes(&w, TALLY_SLICE(c->tcb.raw));
    tally_wr_vec(&w, slice(&c->vcek));
    tally_wr_vec(&w, slice(&c->ask));
    tally_wr_vec(&w, slice(&c->crl));
    tally_wr_vec(&w, slice(&c->ark));
    TALLY_TRY(tally_wr_end(&w, &s));
    return tally_sim_file_write(path, s);
}

static void get_bytes(struct tally_rd *rd, struct tally_sim_bytes *b, const char *field)
{
    struct tally_slice s = tally_rd_vec(rd, sizeof b->at, field);

    if (s.len != 0) memcpy(b->at, s.at, s.len);
    b->len = s.len;
}

static enum tally_status decode(struct tally_slice file, struct tally_sim_chip *c)
{
    struct tally_rd rd = tally_rd_from(file);
    struct tally_slice head = tally_rd_bytes(&rd, sizeof magic - 1, "kind of file");
    struct tally_slice product = tally_rd_vec(&rd, 16, "product");

    TALLY_ENSURE(tally_slice_equal(head, tally_slice_str(magic)) &&
                     tally_slice_equal(product, tally_slice_str("Genoa")),
                 TALLY_E_CONFIG, "not a simulated Genoa chip");
    c->product = TALLY_SNP_GENOA;
    tally_rd_copy(&rd, c->chip_id, sizeof c->chip_id, "chip id");
    tally_rd_copy(&rd, c->seed.at, SEED, "seed");
    tally_rd_copy(&rd, c->tcb.raw, sizeof c->tcb.raw, "TCB");
    get_bytes(&rd, &c->vcek, "VCEK");
    get_bytes(&rd, &c->ask, "ASK");
    get_bytes(&rd, &c->crl, "CRL");
    get_bytes(&rd, &c->ark, "ARK");
    return tally_rd_end(&rd);
}

enum tally_status tally_sim_chip_load(const char *path, struct tally_sim_chip **out)
{
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *c = NULL;
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_TRY(new_chip(&c));
    TALLY_TRY(tally_sim_file_read(path, &file));
    enum tally_status s = decode(tally_slice_of(file.at, file.len), c);
    TALLY_ENSURE(s == TALLY_OK, TALLY_E_CONFIG, "%s is not a simulated chip of this program", path);
    TALLY_TRY(set_key(c));
    *out = c;
    c = NULL;
    return TALLY_OK;
}

void tally_sim_report_init(const struct tally_sim_chip *c, struct tally_snp_report *r)
{
    *r = (struct tally_snp_report){.version = 3,
                                   .policy = TALLY_SIM_GUEST_POLICY,
                                   .signature_algo = 1,
                                   .platform_info = PLATFORM_INFO,
                                   .cpuid_family = FAMILY,
                                   .cpuid_model = MODEL,
                                   .cpuid_step = STEPPING,
                                   .current_fw = firmware,
                                   .committed_fw = firmware};
    r->current = r->reported = r->committed = r->launch = c->tcb;
    randombytes_buf(r->report_id, sizeof r->report_id);
    memset(r->report_id_ma, 0xff, sizeof r->report_id_ma);
    memcpy(r->chip_id, c->chip_id, sizeof r->chip_id);
}

/* Reports hold numbers in 72 bytes, least byte first. */
static bool put_number(const BIGNUM *n, uint8_t out[TALLY_SNP_NUMBER_BYTES])
{
    memset(out, 0, TALLY_SNP_NUMBER_BYTES);
    return BN_bn2lebinpad(n, out, 48) == 48;
}

enum tally_status tally_sim_report_sign(const struct tally_sim_chip *c,
                                        const struct tally_snp_report *r,
                                        uint8_t out[TALLY_SNP_REPORT_BYTES])
{
    struct tally_snp_report signed_r = *r;
    uint8_t der[128];
    const uint8_t *at = der;
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    tally_snp_report_encode(r, out);
    bool good = ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, c->vcek_key) == 1 &&
                EVP_DigestSign(ctx, der, &len, out, TALLY_SNP_SIGNED_BYTES) == 1;
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG *sig = good ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
    good = sig != NULL && put_number(ECDSA_SIG_get0_r(sig), signed_r.r) &&
           put_number(ECDSA_SIG_get0_s(sig), signed_r.s);
    ECDSA_SIG_free(sig);
    TALLY_ENSURE(good, TALLY_E_LIB, "signing a report");
    tally_snp_report_encode(&signed_r, out);
    return TALLY_OK;
}

void tally_sim_endorsements(const struct tally_sim_chip *c, struct tally_wr *w)
{
    const struct tally_endorsement list[] = {
        {TALLY_ENDORSEMENT_VEK,    tally_slice_str("vcek.der"), slice(&c->vcek)},
        {TALLY_ENDORSEMENT_ISSUER, tally_slice_str("ask.der"),  slice(&c->ask) },
        {TALLY_ENDORSEMENT_CRL,    tally_slice_str("crl.der"),  slice(&c->crl) }
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) tally_endorsement_encode(w, &list[i]);
}
