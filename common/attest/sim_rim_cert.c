/* sim_rim_cert.c - the four certificates of a simulated signer of manifests; see sim_rim.h. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "common/attest/sim_rim.h"
#include "common/attest/sim_x509.h"
#include "common/secret.h"

enum { DAY_S = 86400, YEAR_S = 365 * DAY_S, ROOT = TALLY_RIM_CERTS - 1 };

static bool set_name(X509_NAME *name, const char *cn)
{
    const struct tally_sim_name_part parts[] = {
        {"C",  "US"                },
        {"O",  "NVIDIA Corporation"},
        {"CN", cn                  }
    };

    return tally_sim_set_name(name, parts, sizeof parts / sizeof parts[0]);
}

static bool fill(X509 *x, const struct tally_sim_rim_signer *s, size_t i)
{
    const struct tally_sim_rim_cert *says = &s->says[i];
    enum { SIGNS = 0x80, CA_USAGE = 0x06 }; /* keyCertSign, cRLSign */
    size_t issuer = i < ROOT ? i + 1 : i;

    return tally_sim_cert_begin(x, says->not_before_s, says->not_after_s, s->keys[i]) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), i + 1) == 1 &&
           set_name(X509_get_subject_name(x), says->cn) &&
           set_name(X509_get_issuer_name(x), s->says[issuer].cn) &&
           tally_sim_cert_constraints(x, says->ca, says->pathlen) &&
           tally_sim_cert_usage(x, says->ca ? CA_USAGE : SIGNS) &&
           X509_sign(x, s->keys[issuer], EVP_get_digestbyname(says->hash)) > 0;
}

static enum tally_status make(struct tally_sim_rim_signer *s, size_t i)
{
    X509 *x = X509_new();
    struct tally_wr w = tally_wr_to(s->der[i], sizeof s->der[i]);

    TALLY_TRY(tally_sim_cert_end(x, x != NULL && fill(x, s, i), s->says[i].cn, &w));
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
