/* sim_gpu_ocsp.c - OCSP responses about simulated devices; see sim_gpu.h. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/attest/sim_gpu.h"
#include "common/secret.h"

enum { DAY_S = 86400 };

/* Everything that one response takes, freed at once. */
struct work {
    X509 *subject, *issuer, *signer;
    EVP_PKEY *key; /* the signer's */
    OCSP_CERTID *id;
    OCSP_BASICRESP *basic;
    OCSP_RESPONSE *response;
    ASN1_TIME *from, *until;
};

static void free_work(struct work *w)
{
    X509_free(w->subject);
    X509_free(w->issuer);
    X509_free(w->signer);
    EVP_PKEY_free(w->key);
    OCSP_CERTID_free(w->id);
    OCSP_BASICRESP_free(w->basic);
    OCSP_RESPONSE_free(w->response);
    ASN1_TIME_free(w->from);
    ASN1_TIME_free(w->until);
}

static X509 *parse(const struct tally_sim_gpu *g, size_t place)
{
    const uint8_t *at = g->der[place];

    return d2i_X509(NULL, &at, (long)g->der_bytes[place]);
}

static bool add_text_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = e != NULL && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return good;
}

/* A responder's certificate by the issuer of the certificate in question, or by the root. */
static bool make_delegate(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o,
                          struct work *w)
{
    size_t by = o->signer == TALLY_SIM_OCSP_ELSEWHERE ? TALLY_GPU_CERTS - 1 : o->place + 1;
    X509 *issuer = parse(g, by), *x = X509_new();
    X509_NAME *name = X509_NAME_new();
    bool forged = o->signer == TALLY_SIM_OCSP_FORGED, ca = o->signer == TALLY_SIM_OCSP_CA;

    w->signer = x;
    w->key = EVP_EC_gen("P-384");
    bool good =
        issuer != NULL && x != NULL && name != NULL && w->key != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING,
                                   (const unsigned char *)"OCSP responder", -1, -1, 0) == 1 &&
        X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(x), 77) == 1 &&
        X509_set_subject_name(x, forged ? X509_get_subject_name(issuer) : name) == 1 &&
        X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(o->this_update_s - DAY_S)) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(x), (time_t)o->signer_until_s) != NULL &&
        X509_set_pubkey(x, w->key) == 1 &&
        add_text_ext(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
        add_text_ext(x, NID_key_usage, "critical,digitalSignature") &&
        (o->signer == TALLY_SIM_OCSP_NO_EKU ||
         add_text_ext(x, NID_ext_key_usage, "critical,OCSPSigning")) &&
        X509_sign(x, forged ? w->key : g->keys[by], EVP_sha384()) > 0;

    X509_NAME_free(name);
    X509_free(issuer);
    return good;
}

static bool choose_signer(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o,
                          struct work *w)
{
    if (o->signer != TALLY_SIM_OCSP_ISSUER) return make_delegate(g, o, w);
    w->signer = parse(g, o->place + 1);
    w->key = g->keys[o->place + 1];
    return w->signer != NULL && EVP_PKEY_up_ref(w->key) == 1;
}

static bool add_status(const struct tally_sim_ocsp *o, struct work *w)
{
    static const int statuses[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                                   V_OCSP_CERTSTATUS_REVOKED, V_OCSP_CERTSTATUS_UNKNOWN};
    bool revoked = statuses[o->status] == V_OCSP_CERTSTATUS_REVOKED;
    int reason = o->status == TALLY_SIM_OCSP_HOLD ? OCSP_REVOKED_STATUS_CERTIFICATEHOLD
                                                  : OCSP_REVOKED_STATUS_KEYCOMPROMISE;

    w->from = ASN1_GENERALIZEDTIME_set(NULL, (time_t)o->this_update_s);
    if (o->next_update_s != 0) w->until = ASN1_GENERALIZEDTIME_set(NULL, (time_t)o->next_update_s);
    return w->from != NULL &&
           OCSP_basic_add1_status(w->basic, w->id, statuses[o->status], reason,
                                  revoked ? w->from : NULL, w->from, w->until) != NULL;
}

static bool fill(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o, struct work *w)
{
    unsigned long flags = o->by_key ? OCSP_RESPID_KEY : 0;

    if (o->signer == TALLY_SIM_OCSP_ISSUER) flags |= OCSP_NOCERTS;
    w->subject = parse(g, o->place);
    w->issuer = parse(g, o->place + 1);
    w->basic = OCSP_BASICRESP_new();
    if (w->subject == NULL || w->issuer == NULL || w->basic == NULL) return false;
    w->id = OCSP_cert_to_id(EVP_get_digestbyname(o->id_hash), w->subject, w->issuer);
    if (w->id == NULL || !add_status(o, w) || !choose_signer(g, o, w) ||
        OCSP_basic_sign(w->basic, w->signer, w->key, EVP_sha384(), NULL, flags) != 1)
        return false;
    w->response = OCSP_response_create(o->response_status, w->basic);
    return w->response != NULL;
}

enum tally_status tally_sim_gpu_ocsp(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o,
                                     struct tally_wr *der)
{
    TALLY_CLEANUP(free_work) struct work w = {0};
    uint8_t *bytes = NULL;
    int len = fill(g, o, &w) ? i2d_OCSP_RESPONSE(w.response, &bytes) : -1;

    TALLY_ENSURE(len > 0, TALLY_E_LIB, "making an OCSP response");
    tally_wr_put(der, bytes, (size_t)len);
    OPENSSL_free(bytes);
    TALLY_ENSURE(!der->full, TALLY_E_LIMIT, "no room for an OCSP response");
    return TALLY_OK;
}
