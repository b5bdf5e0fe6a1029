/* sim_cert.c - see sim_cert.h. */
#include "common/attest/sim_cert.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/attest/sim_x509.h"
#include "common/secret.h"

#define AMD "1.3.6.1.4.1.3704.1"

static bool set_name(X509_NAME *name, const char *cn)
{
    /* AMD writes UTF8String everywhere but in the country. */
    const struct tally_sim_name_part parts[] = {
        {"OU", "Engineering"           },
        {"C",  "US"                    },
        {"L",  "Santa Clara"           },
        {"ST", "CA"                    },
        {"O",  "Advanced Micro Devices"},
        {"CN", cn                      }
    };

    return tally_sim_set_name(name, parts, sizeof parts / sizeof parts[0]);
}

static EVP_MD_CTX *signer(EVP_PKEY *key, const struct tally_sim_pss *pss)
{
    const char *hash = pss->hash ? pss->hash : "SHA384", *mgf1 = pss->mgf1 ? pss->mgf1 : hash;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;

    if (ctx != NULL && EVP_DigestSignInit_ex(ctx, &p, hash, NULL, NULL, key, NULL) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md_name(p, mgf1, NULL) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(p, pss->salt ? pss->salt : 48) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static bool fill_cert(X509 *x, const struct tally_sim_cert *c)
{
    bool good = tally_sim_cert_begin(x, c->not_before_s, c->not_after_s, c->key) &&
                ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), c->serial) == 1 &&
                set_name(X509_get_subject_name(x), c->subject) &&
                set_name(X509_get_issuer_name(x), c->issuer);

    for (size_t i = 0; good && i < c->exts_n; i++) {
        const struct tally_sim_ext *e = &c->exts[i];
        good = tally_sim_cert_ext(x, e->oid, e->critical, e->value);
    }
    EVP_MD_CTX *ctx = good ? signer(c->signer, &c->pss) : NULL;
    good = ctx != NULL && X509_sign_ctx(x, ctx) > 0;
    EVP_MD_CTX_free(ctx);
    return good;
}

enum tally_status tally_sim_cert_make(const struct tally_sim_cert *c, struct tally_wr *der)
{
    X509 *x = X509_new();

    return tally_sim_cert_end(x, x != NULL && fill_cert(x, c), c->subject, der);
}

static bool fill_crl(X509_CRL *crl, const struct tally_sim_crl *c)
{
    X509_NAME *name = X509_NAME_new();
    uint8_t id[20], serial[4];

    tally_sim_key_id(c->signer, id);
    bool good = name != NULL && set_name(name, c->issuer) &&
                X509_CRL_set_issuer_name(crl, name) == 1 &&
                tally_sim_crl_begin(crl, c->this_update_s, c->next_update_s) &&
                tally_sim_crl_key_id(crl, id) && tally_sim_crl_number(crl, c->number);
    for (size_t i = 0; good && i < c->revoked_n; i++) {
        struct tally_wr w = tally_wr_to(serial, sizeof serial);
        tally_wr_be32(&w, c->revoked[i]);
        good = tally_sim_crl_revoke(crl, TALLY_SLICE(serial), c->this_update_s, false);
    }
    EVP_MD_CTX *ctx = good ? signer(c->signer, &c->pss) : NULL;
    good = ctx != NULL && X509_CRL_sign_ctx(crl, ctx) > 0;
    EVP_MD_CTX_free(ctx);
    X509_NAME_free(name);
    return good;
}

enum tally_status tally_sim_crl_make(const struct tally_sim_crl *c, struct tally_wr *der)
{
    X509_CRL *crl = X509_CRL_new();

    return tally_sim_crl_end(crl, crl != NULL && fill_crl(crl, c), c->issuer, der);
}

void tally_sim_exts_add(struct tally_sim_exts *e, const char *oid, bool critical,
                        struct tally_slice value)
{
    TALLY_ASSERT(e->n < TALLY_SIM_EXTS_MAX && value.len <= TALLY_SIM_EXT_BYTES);
    uint8_t *store = e->store[e->n];
    if (value.len != 0) memcpy(store, value.at, value.len);
    e->list[e->n++] = (struct tally_sim_ext){oid, critical, tally_slice_of(store, value.len)};
}

static void add_integer(struct tally_sim_exts *e, const char *oid, uint8_t v)
{
    const uint8_t one[] = {2, 1, v}, two[] = {2, 2, 0, v};

    tally_sim_exts_add(e, oid, false, v < 0x80 ? TALLY_SLICE(one) : TALLY_SLICE(two));
}

void tally_sim_vcek_exts(const char *product, const uint8_t chip_id[TALLY_SNP_CHIP_ID_BYTES],
                         const struct tally_snp_tcb *tcb, struct tally_sim_exts *out)
{
    /* In the order of AMD's certificates; the byte of TCB_VERSION beside each. */
    static const struct {
        const char *oid;
        int at;
    } parts[] = {
        {AMD ".3.1", 0},
        {AMD ".3.2", 1},
        {AMD ".3.4", 2},
        {AMD ".3.5", 3},
        {AMD ".3.6", 4},
        {AMD ".3.7", 5},
        {AMD ".3.3", 6},
        {AMD ".3.8", 7}
    };
    uint8_t name[32];
    struct tally_wr w = tally_wr_to(name, sizeof name);

    out->n = 0;
    tally_wr_u8(&w, 0x16);
    tally_wr_u8(&w, (uint8_t)strlen(product));
    tally_wr_bytes(&w, tally_slice_str(product));
    TALLY_ASSERT(!w.full);
    add_integer(out, AMD ".1", 0);
    tally_sim_exts_add(out, AMD ".2", false, tally_slice_of(name, w.used));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        add_integer(out, parts[i].oid, tcb->raw[parts[i].at]);
    tally_sim_exts_add(out, AMD ".4", false, tally_slice_of(chip_id, TALLY_SNP_CHIP_ID_BYTES));
}

static void add_crl_url(struct tally_sim_exts *e, const char *url)
{
    uint8_t v[TALLY_SIM_EXT_BYTES];
    uint8_t n = (uint8_t)strlen(url);
    const uint8_t tags[] = {0x30, 0x30, 0xa0, 0xa0, 0x86};
    struct tally_wr w = tally_wr_to(v, sizeof v);

    for (uint8_t i = 0; i < sizeof tags; i++) {
        tally_wr_u8(&w, tags[i]);
        tally_wr_u8(&w, (uint8_t)(n + 2 * (sizeof tags - 1 - i)));
    }
    tally_wr_bytes(&w, tally_slice_str(url));
    TALLY_ASSERT(!w.full && n < 100);
    tally_sim_exts_add(e, "2.5.29.31", false, tally_slice_of(v, w.used));
}

void tally_sim_ca_exts(EVP_PKEY *key, EVP_PKEY *issuer, const char *crl_url,
                       struct tally_sim_exts *out)
{
    static const uint8_t root_use[] = {3, 2, 1, 6}, root_ca[] = {0x30, 3, 1, 1, 0xff};
    static const uint8_t use[] = {3, 2, 2, 4}, ca[] = {0x30, 6, 1, 1, 0xff, 2, 1, 0};
    uint8_t ski[22] = {4, 20}, aki[24] = {0x30, 22, 0x80, 20};
    bool root = key == issuer;

    out->n = 0;
    tally_sim_key_id(key, ski + 2);
    tally_sim_key_id(issuer, aki + 4);
    if (root) tally_sim_exts_add(out, "2.5.29.15", true, TALLY_SLICE(root_use));
    tally_sim_exts_add(out, "2.5.29.14", false, TALLY_SLICE(ski));
    if (!root) tally_sim_exts_add(out, "2.5.29.35", false, TALLY_SLICE(aki));
    tally_sim_exts_add(out, "2.5.29.19", true, root ? TALLY_SLICE(root_ca) : TALLY_SLICE(ca));
    if (!root) tally_sim_exts_add(out, "2.5.29.15", true, TALLY_SLICE(use));
    add_crl_url(out, crl_url);
}
