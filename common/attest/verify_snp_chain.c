/* verify_snp_chain.c - see verify_snp_chain.h. */
#include "common/attest/verify_snp_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/builtin.h"
#include "common/attest/cache.h"
#include "common/hash.h"
#include "common/secret.h"

enum { NAME_SIZE = 32 };

/* "genoa_ask" of "Genoa" and "ask". */
static struct tally_slice builtin(enum tally_snp_product p, const char *what)
{
    char name[NAME_SIZE];

    (void)snprintf(name, sizeof name, "%s_%s", tally_snp_product_name(p), what);
    name[0] = (char)(name[0] - 'A' + 'a');
    return tally_builtin(name);
}

static bool contains(struct tally_slice in, const char *text)
{
    return in.len > 0 && memmem(in.at, in.len, text, strlen(text)) != NULL;
}

/* SHA-256 over all that was given, each with its length; an issuer or CRL that is not given is the
 * built-in one of the VEK's product, so these bytes say which. */
static void digest_input(const struct tally_snp_input *in, uint8_t out[32])
{
    static const char label[] = "tally/snp/chain/v1";
    struct tally_slice parts[2 * (2 + TALLY_SNP_CRLS_MAX) + 1];
    uint8_t lengths[2 + TALLY_SNP_CRLS_MAX][8];
    size_t n = 0;

    parts[n++] = TALLY_SLICE(label);
    for (size_t i = 0; i < 2 + in->crls_n; i++) {
        struct tally_slice s = i == 0 ? in->vek : i == 1 ? in->issuer : in->crls[i - 2];
        struct tally_wr w = tally_wr_to(lengths[i], sizeof lengths[i]);
        if (s.at == NULL) s.len = 0;
        tally_wr_be64(&w, s.len);
        parts[n++] = TALLY_SLICE(lengths[i]);
        parts[n++] = s;
    }
    tally_hash(TALLY_SHA256, parts, n, out);
}

static void digest_chain(const uint8_t input[32], struct tally_slice root, uint8_t out[32])
{
    TALLY_SHA256_OF(out, tally_slice_of(input, 32), root);
}

struct tally_snp_chain *tally_snp_chain_kept(const struct tally_snp_input *in,
                                             const struct tally_anchor *anchors, uint32_t anchors_n,
                                             struct tally_attest_cache *cache,
                                             enum tally_trust_class *trust)
{
    uint8_t input[32], digest[32];
    struct tally_snp_chain *chain = NULL;

    if (cache == NULL || in->vek.at == NULL) return NULL;
    digest_input(in, input);
    for (uint32_t i = 0; i < anchors_n && chain == NULL; i++) {
        if (!contains(anchors[i].root, "ARK-")) continue;
        digest_chain(input, anchors[i].root, digest);
        chain = tally_attest_cache_find(cache, digest, tally_snp_chain_free);
        *trust = anchors[i].trust;
    }
    return chain;
}

enum tally_status tally_snp_chain_start(const struct tally_snp_input *in,
                                        struct tally_snp_chain **out)
{
    struct tally_snp_chain *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL, TALLY_E_NOMEM, "chain");
    *out = c;
    TALLY_TRY(tally_cert_parse(in->vek, &c->vek));
    return tally_snp_vek_decode(&c->vek, &c->says);
}

void tally_snp_chain_free(void *chain)
{
    struct tally_snp_chain *c = chain;

    if (c == NULL) return;
    tally_cert_free(&c->vek);
    tally_cert_free(&c->issuer);
    tally_cert_free(&c->root);
    free(c);
}

static enum tally_status check_root(const struct tally_cert *root)
{
    TALLY_TRY(tally_cert_key_is(root, TALLY_KEY_RSA4096));
    return tally_cert_is_ca(root, -1, TALLY_KU_CERT_SIGN | TALLY_KU_CRL_SIGN);
}

static enum tally_status check_issuer(const struct tally_snp_chain *c)
{
    char want[TALLY_CERT_CN_SIZE], cn[TALLY_CERT_CN_SIZE];
    const struct tally_cert *issuer = &c->issuer;

    (void)snprintf(want, sizeof want, c->says.vlek ? "SEV-VLEK-%s" : "SEV-%s",
                   tally_snp_product_name(c->says.product));
    TALLY_TRY(tally_cert_subject_cn(issuer, cn));
    TALLY_REFUSE_UNLESS(strcmp(cn, want) == 0, TALLY_R_E_CERT_SHAPE,
                        "the issuer is \"%s\", not \"%s\"", cn, want);
    TALLY_TRY(tally_cert_key_is(issuer, TALLY_KEY_RSA4096));
    TALLY_TRY(tally_cert_is_ca(issuer, 0, TALLY_KU_CERT_SIGN));
    TALLY_TRY(tally_cert_signed_by(issuer, &c->root, TALLY_ALG_PSS_SHA384));
    return tally_cert_signed_by(&c->vek, issuer, TALLY_ALG_PSS_SHA384);
}

/* The whole chain under this root, which is pinned: its own signature says nothing. */
static enum tally_status link_under(const struct tally_snp_input *in, struct tally_slice root,
                                    struct tally_snp_chain *c)
{
    struct tally_slice issuer = in->issuer;
    uint8_t input[32];

    TALLY_TRY(check_root(&c->root));
    c->vendor = tally_slice_equal(root, builtin(c->says.product, "ark"));
    if (issuer.at == NULL && c->vendor)
        issuer = builtin(c->says.product, c->says.vlek ? "asvk" : "ask");
    if (issuer.at == NULL) return TALLY_OK;
    TALLY_TRY(tally_cert_parse(issuer, &c->issuer));
    TALLY_TRY(check_issuer(c));
    digest_input(in, input);
    digest_chain(input, root, c->digest);
    return TALLY_OK;
}

/* Only an anchor that has the name among its bytes is parsed. */
static bool is_root(struct tally_slice der, const char *want, struct tally_cert *root)
{
    char cn[TALLY_CERT_CN_SIZE];

    if (!contains(der, want) || tally_cert_parse(der, root) != TALLY_OK) return false;
    if (tally_cert_subject_cn(root, cn) == TALLY_OK && strcmp(cn, want) == 0) return true;
    tally_cert_free(root);
    return false;
}

enum tally_status tally_snp_chain_link(const struct tally_snp_input *in,
                                       const struct tally_anchor *anchors, uint32_t anchors_n,
                                       struct tally_snp_chain *c, enum tally_trust_class *trust)
{
    const char *product = tally_snp_product_name(c->says.product);
    char want[NAME_SIZE];
    enum tally_status s = TALLY_OK;
    bool any = false;

    (void)snprintf(want, sizeof want, "ARK-%s", product);
    for (uint32_t i = 0; i < anchors_n; i++) {
        if (!is_root(anchors[i].root, want, &c->root)) continue;
        any = true;
        *trust = anchors[i].trust;
        s = link_under(in, anchors[i].root, c);
        if (s == TALLY_OK) return TALLY_OK;
        tally_cert_free(&c->root);
        tally_cert_free(&c->issuer);
    }
    if (any) return s;
    return TALLY_REFUSE(TALLY_R_E_ROOT_UNTRUSTED, "no root of trust for %s", product);
}

/* A CRL that bears the root's name: is it the root's, and does it clear the issuer? */
static enum tally_status take_crl(const struct tally_crl *crl, struct tally_snp_chain *c)
{
    TALLY_TRY(tally_crl_signed_by(crl, &c->root, TALLY_ALG_PSS_SHA384));
    TALLY_TRY(tally_crl_clears(crl, &c->issuer));
    c->crls[c->crls_n++] = (struct tally_snp_crl){crl->this_update_s, crl->next_update_s};
    return TALLY_OK;
}

static enum tally_status read_crl(struct tally_slice der, struct tally_snp_chain *c)
{
    TALLY_CLEANUP(tally_crl_free) struct tally_crl crl = {0};

    TALLY_TRY(tally_crl_parse(der, &crl));
    return tally_crl_names(&crl, &c->root) ? take_crl(&crl, c) : TALLY_OK;
}

enum tally_status tally_snp_chain_crls(const struct tally_snp_input *in, struct tally_snp_chain *c)
{
    for (uint32_t i = 0; i < in->crls_n; i++) TALLY_TRY(read_crl(in->crls[i], c));
    return TALLY_OK;
}

static bool in_force(const struct tally_snp_crl *crl, uint64_t now_s)
{
    return crl->this_update_s <= now_s && now_s <= crl->next_update_s;
}

enum tally_status tally_snp_chain_own_crl(struct tally_snp_chain *c, uint64_t now_s)
{
    TALLY_CLEANUP(tally_crl_free) struct tally_crl crl = {0};
    struct tally_slice der = builtin(c->says.product, "crl");

    if (!c->vendor || der.at == NULL || c->crls_n > 0) return TALLY_OK;
    if (c->own_seen && !in_force(&c->own, now_s)) return TALLY_OK;
    TALLY_TRY(tally_crl_parse(der, &crl));
    c->own = (struct tally_snp_crl){crl.this_update_s, crl.next_update_s};
    if (!in_force(&c->own, now_s)) {
        TALLY_TRY(tally_crl_clears(&crl, &c->issuer));
        c->own_seen = true; /* and it lists nothing: it need not be read again until it holds */
        return TALLY_OK;
    }
    return take_crl(&crl, c);
}

void tally_snp_chain_keep(struct tally_attest_cache *cache, struct tally_snp_chain *chain)
{
    tally_attest_cache_put(cache, chain->digest, tally_snp_chain_free, chain);
}
