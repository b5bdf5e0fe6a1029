/* sim_rim_cert.c - the four certificates of a simulated signer of manifests; see sim_rim.h. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/attest/sim_rim.h"
#include "common/secret.h"

enum { DAY_S = 86400, YEAR_S = 365 * DAY_S, ROOT = TALLY_RIM_CERTS - 1 };

static bool set_name(X509_NAME *name, const char *cn)
{
    const struct {
        const char *field, *value;
    } parts[] = {
        {"C",  "US"                },
        {"O",  "NVIDIA Corporation"},
        {"CN", cn                  }
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int type = i == 0 ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
        if (X509_NAME_add_entry_by_txt(name, parts[i].field, type,
                                       (const unsigned char *)parts[i].value, -1, -1, 0) != 1)
            return false;
    }
    return true;
}

static bool add_constraints(X509 *x, const struct tally_sim_rim_cert *says)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *use = ASN1_BIT_STRING_new();
    bool good = bc != NULL && use != NULL;

    if (good) {
        bc->ca = says->ca ? 0xff : 0;
        if (says->pathlen >= 0) {
            bc->pathlen = ASN1_INTEGER_new();
            good = bc->pathlen != NULL && ASN1_INTEGER_set(bc->pathlen, says->pathlen) == 1;
        }
    }
    /* Bits of KeyUsage: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
    good = good && ASN1_BIT_STRING_set_bit(use, says->ca ? 5 : 0, 1) == 1 &&
           (!says->ca || ASN1_BIT_STRING_set_bit(use, 6, 1) == 1) &&
           X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1 &&
           X509_add1_ext_i2d(x, NID_key_usage, use, 1, X509V3_ADD_DEFAULT) == 1;
    ASN1_BIT_STRING_free(use);
    BASIC_CONSTRAINTS_free(bc);
    return good;
}

static bool fill(X509 *x, const struct tally_sim_rim_signer *s, size_t i)
{
    const struct tally_sim_rim_cert *says = &s->says[i];
    size_t issuer = i < ROOT ? i + 1 : i;

    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), i + 1) == 1 &&
           set_name(X509_get_subject_name(x), says->cn) &&
           set_name(X509_get_issuer_name(x), s->says[issuer].cn) &&
           ASN1_TIME_set(X509_getm_notBefore(x), (time_t)says->not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)says->not_after_s) != NULL &&
           X509_set_pubkey(x, s->keys[i]) == 1 && add_constraints(x, says) &&
           X509_sign(x, s->keys[issuer], EVP_get_digestbyname(says->hash)) > 0;
}

static enum tally_status make(struct tally_sim_rim_signer *s, size_t i)
{
    X509 *x = X509_new();
    uint8_t *bytes = NULL;
    int len = x != NULL && fill(x, s, i) ? i2d_X509(x, &bytes) : -1;
    struct tally_wr w = tally_wr_to(s->der[i], sizeof s->der[i]);

    if (len > 0) tally_wr_put(&w, bytes, (size_t)len);
    OPENSSL_free(bytes);
    X509_free(x);
    TALLY_ENSURE(len > 0 && !w.full, TALLY_E_LIB, "making a certificate for %s", s->says[i].cn);
    s->der_bytes[i] = w.used;
    return TALLY_OK;
}

enum tally_status tally_sim_rim_signer_issue(struct tally_sim_rim_signer *s)
{
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) {
        EVP_PKEY_free(s->keys[i]);
        s->keys[i] = EVP_EC_gen(s->says[i].curve);
        TALLY_ENSURE(s->keys[i] != NULL, TALLY_E_LIB, "making a key");
    }
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) TALLY_TRY(make(s, i));
    return TALLY_OK;
}

enum tally_status tally_sim_rim_signer_new(uint64_t now_s, struct tally_sim_rim_signer **out)
{
    static const struct {
        const char *cn;
        int pathlen;
        uint64_t years;
    } parts[TALLY_RIM_CERTS] = {
        {"HCC RIM L4 Signer",                   -1, 2 },
        {"NVIDIA Reference Value L3 GH100 001", 0,  4 },
        {"NVIDIA Reference Value GH100 CA",     -1, 10},
        {"NVIDIA CoRIM signing Root CA",        -1, 30}
    };
    TALLY_CLEANUP(tally_sim_rim_signer_free)
    struct tally_sim_rim_signer *s = calloc(1, sizeof *s);

    *out = NULL;
    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "signer of manifests");
    TALLY_ENSURE(now_s > DAY_S, TALLY_E_CONFIG, "no time to issue certificates at");
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++)
        s->says[i] = (struct tally_sim_rim_cert){
            .cn = parts[i].cn,
            .ca = i > 0,
            .pathlen = parts[i].pathlen,
            .curve = "P-384",
            .hash = "SHA384",
            .not_before_s = now_s - DAY_S,
            .not_after_s = now_s - DAY_S + parts[i].years * YEAR_S,
        };
    TALLY_TRY(tally_sim_rim_signer_issue(s));
    *out = s;
    s = NULL;
    return TALLY_OK;
}

void tally_sim_rim_signer_free(struct tally_sim_rim_signer **s)
{
    if (*s == NULL) return;
    for (size_t i = 0; i < TALLY_RIM_CERTS; i++) EVP_PKEY_free((*s)->keys[i]);
    free(*s);
    *s = NULL;
}

struct tally_slice tally_sim_rim_root(const struct tally_sim_rim_signer *s)
{
    return tally_slice_of(s->der[ROOT], s->der_bytes[ROOT]);
}
