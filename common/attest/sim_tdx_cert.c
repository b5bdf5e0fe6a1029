/* sim_tdx_cert.c - see sim_tdx_cert.h. */
#include "common/attest/sim_tdx_cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/attest/sim_x509.h"

/* clang-format off */
static const struct {
    const char *cn, *crl_url;
} roles[TALLY_SIM_TDX_ROLES] = {
    [TALLY_SIM_TDX_ROOT] = {"Intel SGX Root CA",
                            "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"},
    [TALLY_SIM_TDX_PLATFORM] = {"Intel SGX PCK Platform CA",
                                "https://api.trustedservices.intel.com/sgx/certification/v4/"
                                "pckcrl?ca=platform&encoding=der"},
    [TALLY_SIM_TDX_PROCESSOR] = {"Intel SGX PCK Processor CA",
                                 "https://api.trustedservices.intel.com/sgx/certification/v4/"
                                 "pckcrl?ca=processor&encoding=der"},
    [TALLY_SIM_TDX_TCB] = {"Intel SGX TCB Signing", NULL},
    [TALLY_SIM_TDX_PCK] = {"Intel SGX PCK Certificate", NULL},
};
/* clang-format on */

const char *tally_sim_tdx_cn(enum tally_sim_tdx_role role)
{
    return roles[role].cn;
}

static X509_NAME *name_of(const char *cn)
{
    /* Intel writes UTF8String everywhere but in the country. */
    const struct tally_sim_name_part parts[] = {
        {"CN", cn                 },
        {"O",  "Intel Corporation"},
        {"L",  "Santa Clara"      },
        {"ST", "CA"               },
        {"C",  "US"               }
    };
    X509_NAME *name = X509_NAME_new();

    if (name != NULL && tally_sim_set_name(name, parts, sizeof parts / sizeof parts[0]))
        return name;
    X509_NAME_free(name);
    return NULL;
}

static EVP_MD_CTX *signer(EVP_PKEY *key, const char *hash)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static bool fill_cert(X509 *x, const struct tally_sim_tdx_cert *c)
{
    X509_NAME *subject = name_of(c->subject), *issuer = name_of(c->issuer);
    bool good = subject != NULL && issuer != NULL &&
                tally_sim_cert_begin(x, c->not_before_s, c->not_after_s, c->key) &&
                tally_sim_set_serial(X509_get_serialNumber(x), TALLY_SLICE(c->serial)) &&
                X509_set_subject_name(x, subject) == 1 && X509_set_issuer_name(x, issuer) == 1;

    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    for (uint32_t i = 0; good && i < c->exts.n; i++) {
        const struct tally_sim_tdx_ext *e = &c->exts.list[i];
        good = tally_sim_cert_ext(x, e->oid, e->critical,
                                  tally_slice_of(c->exts.store + e->at, e->len));
    }
    EVP_MD_CTX *ctx = good ? signer(c->signer, c->hash) : NULL;
    good = ctx != NULL && X509_sign_ctx(x, ctx) > 0;
    EVP_MD_CTX_free(ctx);
    return good;
}

enum tally_status tally_sim_tdx_cert_make(const struct tally_sim_tdx_cert *c, struct tally_wr *der)
{
    X509 *x = X509_new();

    return tally_sim_cert_end(x, x != NULL && fill_cert(x, c), c->subject, der);
}

/* A PCK CA's reason is always the same, as Intel's is. */
static bool fill_crl(X509_CRL *crl, const struct tally_sim_tdx_crl *c)
{
    X509_NAME *name = name_of(c->issuer);
    uint8_t id[TALLY_SIM_TDX_KEY_ID_BYTES];

    tally_sim_tdx_key_id(c->issuer_key, id);
    bool good = name != NULL && X509_CRL_set_issuer_name(crl, name) == 1 &&
                tally_sim_crl_begin(crl, c->this_update_s, c->next_update_s) &&
                tally_sim_crl_number(crl, c->number) && tally_sim_crl_key_id(crl, id);
    for (size_t i = 0; good && i < c->revoked_n; i++)
        good = tally_sim_crl_revoke(crl, TALLY_SLICE(c->revoked[i]), c->this_update_s, true);
    EVP_MD_CTX *ctx = good ? signer(c->signer, c->hash) : NULL;
    good = ctx != NULL && X509_CRL_sign_ctx(crl, ctx) > 0;
    EVP_MD_CTX_free(ctx);
    X509_NAME_free(name);
    return good;
}

void tally_sim_tdx_crl_init(struct tally_sim_tdx_crl *c, enum tally_sim_tdx_role ca,
                            EVP_PKEY *ca_key)
{
    *c = (struct tally_sim_tdx_crl){.issuer = roles[ca].cn,
                                    .issuer_key = ca_key,
                                    .signer = ca_key,
                                    .hash = "SHA256",
                                    .number = 1};
}

enum tally_status tally_sim_tdx_crl_make(const struct tally_sim_tdx_crl *c, struct tally_wr *der)
{
    X509_CRL *crl = X509_CRL_new();

    return tally_sim_crl_end(crl, crl != NULL && fill_crl(crl, c), c->issuer, der);
}

static void add_crl_url(struct tally_sim_tdx_exts *e, const char *url)
{
    static const uint8_t tags[] = {0x30, 0x30, 0xa0, 0xa0, 0x86};
    uint8_t v[128], n = (uint8_t)strlen(url);
    struct tally_wr w = tally_wr_to(v, sizeof v);

    for (uint8_t i = 0; i < sizeof tags; i++) {
        tally_wr_u8(&w, tags[i]);
        tally_wr_u8(&w, (uint8_t)(n + 2 * (sizeof tags - 1 - i)));
    }
    tally_wr_bytes(&w, tally_slice_str(url));
    TALLY_ASSERT(!w.full && v[1] < 0x80);
    tally_sim_tdx_ext_add(e, "2.5.29.31", false, tally_slice_of(v, w.used));
}

static void add_exts(struct tally_sim_tdx_exts *e, enum tally_sim_tdx_role role, EVP_PKEY *key,
                     enum tally_sim_tdx_role ca, EVP_PKEY *ca_key)
{
    static const uint8_t ca_use[] = {3, 2, 1, 6}, leaf_use[] = {3, 2, 6, 0xc0};
    static const uint8_t no_ca[] = {0x30, 0};
    const uint8_t is_ca[] = {0x30, 6, 1, 1, 0xff, 2, 1, role == TALLY_SIM_TDX_ROOT};
    bool leaf = role == TALLY_SIM_TDX_TCB || role == TALLY_SIM_TDX_PCK;
    uint8_t ski[22] = {4, 20}, aki[24] = {0x30, 22, 0x80, 20};

    tally_sim_tdx_key_id(key, ski + 2);
    tally_sim_tdx_key_id(ca_key, aki + 4);
    tally_sim_tdx_ext_add(e, "2.5.29.35", false, TALLY_SLICE(aki));
    add_crl_url(e, roles[ca].crl_url);
    tally_sim_tdx_ext_add(e, "2.5.29.14", false, TALLY_SLICE(ski));
    tally_sim_tdx_ext_add(e, "2.5.29.15", true, leaf ? TALLY_SLICE(leaf_use) : TALLY_SLICE(ca_use));
    tally_sim_tdx_ext_add(e, "2.5.29.19", true, leaf ? TALLY_SLICE(no_ca) : TALLY_SLICE(is_ca));
}

void tally_sim_tdx_cert_init(struct tally_sim_tdx_cert *c, enum tally_sim_tdx_role role,
                             EVP_PKEY *key, enum tally_sim_tdx_role ca, EVP_PKEY *ca_key)
{
    TALLY_ASSERT(roles[ca].crl_url != NULL);
    *c = (struct tally_sim_tdx_cert){.subject = roles[role].cn,
                                     .issuer = roles[ca].cn,
                                     .key = key,
                                     .signer = ca_key,
                                     .hash = "SHA256"};
    tally_sim_tdx_key_id(key, c->serial);
    add_exts(&c->exts, role, key, ca, ca_key);
}
