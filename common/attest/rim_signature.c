/* rim_signature.c - who signed a manifest: four certificates and the signature under the first. */
#include <stdio.h>
#include <string.h>

#include "common/attest/rim_parts.h"

static const char root_cn[] = "NVIDIA CoRIM signing Root CA";

void tally_rim_chain_free(struct tally_rim_chain *c)
{
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) tally_cert_free(&c->certs[i]);
}

/* Every reason a certificate can be refused for becomes the chain's own. */
static enum tally_status in_chain(enum tally_status s, size_t i)
{
    char why[128];

    if (s == TALLY_OK) return s;
    (void)snprintf(why, sizeof why, "%s", tally_why_text());
    return TALLY_REFUSE(TALLY_R_E_RIM_CHAIN, "certificate %zu: %s", i + 1, why);
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Certificate i by its name: "HCC RIM L4 Signer" or "NVIDIA Reference Value L4 LS10", "NVIDIA
 * Reference Value L3 GH100 001", "NVIDIA Reference Value GH100 CA". The chip in a name binds
 * nothing: NVIDIA's signers for one serve others. */
static bool name_fits(size_t i, const char *cn)
{
    static const char reference[] = "NVIDIA Reference Value ";
    const char *rest = begins(cn, reference) ? cn + sizeof reference - 1 : NULL;

    switch (i) {
    case 0:
        return strcmp(cn, "RIM L4 Signer") == 0 || strcmp(cn, "HCC RIM L4 Signer") == 0 ||
               (rest != NULL && begins(rest, "L4 "));
    case 1: return rest != NULL && begins(rest, "L3 ");
    default: return rest != NULL && strstr(rest, " CA") != NULL;
    }
}

static enum tally_status check_name(const struct tally_cert *c, size_t i)
{
    char cn[TALLY_CERT_CN_SIZE];

    TALLY_TRY(tally_cert_subject_cn(c, cn));
    TALLY_REFUSE_UNLESS(name_fits(i, cn), TALLY_R_E_CERT_SHAPE, "\"%s\" does not belong here", cn);
    return TALLY_OK;
}

enum tally_status tally_rim_root(struct tally_slice der, const struct tally_anchor *anchors,
                                 uint32_t anchors_n, enum tally_trust_class *trust)
{
    for (uint32_t i = 0; i < anchors_n; i++) {
        if (!tally_slice_equal(der, anchors[i].root)) continue;
        *trust = anchors[i].trust;
        return TALLY_OK;
    }
    return TALLY_REFUSE(TALLY_R_E_ROOT_UNTRUSTED,
                        "the manifest's root certificate is no root of trust");
}

/* An anchor for something else, such as devices, does not do. */
static enum tally_status check_root_name(const struct tally_cert *c)
{
    char cn[TALLY_CERT_CN_SIZE];

    TALLY_REFUSE_UNLESS(tally_cert_subject_cn(c, cn) == TALLY_OK && strcmp(cn, root_cn) == 0,
                        TALLY_R_E_ROOT_UNTRUSTED, "the root is not \"%s\"", root_cn);
    return TALLY_OK;
}

static enum tally_status check_cert(const struct tally_cert *c, size_t i)
{
    TALLY_TRY(tally_cert_key_is(c, TALLY_KEY_P384));
    if (i == 0) return tally_cert_is_leaf(c, TALLY_KU_SIGN);
    TALLY_TRY(tally_cert_is_ca(c, i == 1 ? 0 : -1, TALLY_KU_CERT_SIGN));
    /* The second CA has one below it. */
    TALLY_REFUSE_UNLESS(i == 1 || tally_cert_is_ca(c, 0, 0) != TALLY_OK, TALLY_R_E_CERT_CONSTRAINT,
                        "its pathlen allows no certificate authority below it");
    return TALLY_OK;
}

enum tally_status tally_rim_chain_verify(const struct tally_rim_file *f,
                                         const struct tally_anchor *anchors, uint32_t anchors_n,
                                         struct tally_rim_chain *c)
{
    enum { ROOT = TALLY_RIM_CERTS - 1 };

    TALLY_REFUSE_UNLESS(f->certs_n == TALLY_RIM_CERTS, TALLY_R_E_RIM_CHAIN,
                        "%u certificates, not four", (unsigned)f->certs_n);
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++)
        TALLY_TRY(in_chain(
            tally_cert_parse(tally_slice_of(f->der[i], f->der_bytes[i]), &c->certs[i]), i));
    for (size_t i = 0; i < ROOT; i++) TALLY_TRY(in_chain(check_name(&c->certs[i], i), i));
    TALLY_TRY(tally_rim_root(tally_slice_of(f->der[ROOT], f->der_bytes[ROOT]), anchors, anchors_n,
                             &c->trust));
    TALLY_TRY(check_root_name(&c->certs[ROOT]));
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++)
        TALLY_TRY(in_chain(check_cert(&c->certs[i], i), i));
    for (size_t i = ROOT; i-- > 0;)
        TALLY_TRY(in_chain(
            tally_cert_signed_by(&c->certs[i], &c->certs[i + 1], TALLY_ALG_ECDSA_SHA384), i));
    return TALLY_OK;
}

enum tally_status tally_rim_signature_verify(const struct tally_rim_file *f,
                                             const struct tally_cert *leaf)
{
    TALLY_REFUSE_UNLESS(memcmp(f->digest, f->claimed_digest, sizeof f->digest) == 0,
                        TALLY_R_E_RIM_SIG, "the manifest's digest is not the signed one");
    enum tally_status s = tally_cert_ecdsa_verify(
        leaf, TALLY_KEY_P384, tally_slice_of(f->signed_info, f->signed_info_bytes),
        TALLY_SLICE(f->signature));
    TALLY_REFUSE_UNLESS(s == TALLY_OK, TALLY_R_E_RIM_SIG,
                        "the manifest's signature does not verify");
    return TALLY_OK;
}
