/* sim_gpu_cert.c - the certificates of a simulated device; see sim_gpu.h. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/attest/sim_gpu.h"
#include "common/attest/sim_x509.h"
#include "common/secret.h"

enum { LEAF, BROM, ICA, IDENTITY, ROOT };
static const char ocsp_url[] = "http://ocsp.ndis.nvidia.com";

static bool set_name(X509_NAME *name, size_t at, const struct tally_sim_gpu_cert *says)
{
    const struct tally_sim_name_part device[] = {
        {"serialNumber", says->number        },
        {"C",            "US"                },
        {"O",            "NVIDIA Corporation"},
        {"CN",           says->cn            }
    };
    const struct tally_sim_name_part ca[] = {
        {"CN", says->cn                                    },
        {"O",  at == ROOT ? "NVIDIA" : "NVIDIA Corporation"},
        {"C",  "US"                                        }
    };
    const struct tally_sim_name_part *parts = at <= BROM ? device : ca;
    size_t n = at <= BROM ? 4 : at == ICA ? 3 : 2;

    return tally_sim_set_name(name, parts, n);
}

/* The bytes of the key in its BIT STRING. */
static struct tally_slice key_bits(EVP_PKEY *key, uint8_t store[97])
{
    size_t n = 0;

    TALLY_ASSERT(EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", store, 97, &n) == 1);
    return tally_slice_of(store, n);
}

static bool add_key_ids(X509 *x, const struct tally_sim_gpu_making *m)
{
    uint8_t ski[22] = {4, 20}, aki[24] = {0x30, 22, 0x80, 20};

    tally_sim_key_id(m->key, ski + 2);
    tally_sim_key_id(m->issuer_key, aki + 4);
    return tally_sim_cert_ext(x, "2.5.29.14", false, TALLY_SLICE(ski)) &&
           tally_sim_cert_ext(x, "2.5.29.35", false, TALLY_SLICE(aki));
}

/* Nested tags, each holding the next, round a text. */
static bool add_nested(X509 *x, const char *oid, struct tally_slice head, const char *text)
{
    uint8_t v[128];
    struct tally_wr w = tally_wr_to(v, sizeof v);
    size_t n = strlen(text);

    for (size_t i = 0; i < head.len; i++) {
        tally_wr_u8(&w, head.at[i]);
        tally_wr_u8(&w, (uint8_t)(n + 2 * (head.len - 1 - i)));
    }
    tally_wr_bytes(&w, tally_slice_str(text));
    return !w.full && n < 100 && tally_sim_cert_ext(x, oid, false, tally_slice_of(v, w.used));
}

static bool add_ocsp_url(X509 *x)
{
    static const uint8_t head[] = {0x30, 0x29, 0x30, 0x27, 0x06, 0x08, 0x2b, 0x06,
                                   0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x86, 0x1b};
    uint8_t v[sizeof head + sizeof ocsp_url - 1];

    memcpy(v, head, sizeof head);
    memcpy(v + sizeof head, ocsp_url, sizeof ocsp_url - 1);
    return tally_sim_cert_ext(x, "1.3.6.1.5.5.7.1.1", false, TALLY_SLICE(v));
}

static bool add_san(X509 *x, const char *san)
{
    uint8_t n = (uint8_t)strlen(san), v[64];
    const uint8_t head[] = {0x30, (uint8_t)(n + 18),
                            0xa0, (uint8_t)(n + 16),
                            0x06, 10,
                            0x2b, 6,
                            1,    4,
                            1,    0x83,
                            0x1c, 0x82,
                            0x12, 1,
                            0xa0, (uint8_t)(n + 2),
                            0x0c, n};
    struct tally_wr w = tally_wr_to(v, sizeof v);

    tally_wr_put(&w, head, sizeof head);
    tally_wr_bytes(&w, tally_slice_str(san));
    return !w.full && tally_sim_cert_ext(x, "2.5.29.17", false, tally_slice_of(v, w.used));
}

static const uint8_t digest_head[] = {0x30, 0x3d, 6, 9, 0x60, 0x86, 0x48, 1,
                                      0x65, 3,    4, 2, 2,    4,    0x30};

static bool add_composite(X509 *x, const struct tally_sim_gpu_making *m)
{
    static const uint8_t head[] = {0x30, 0x81, 0xba, 2,    1,    1,    0x30, 0x76, 0x30, 0x10,
                                   6,    7,    0x2a, 0x86, 0x48, 0xce, 0x3d, 2,    1,    6,
                                   5,    0x2b, 0x81, 4,    0,    0x22, 3,    0x62, 0};
    uint8_t v[256], bits[97];
    struct tally_wr w = tally_wr_to(v, sizeof v);

    tally_wr_put(&w, head, sizeof head);
    tally_wr_bytes(&w, key_bits(m->issuer_key, bits));
    tally_wr_put(&w, digest_head, sizeof digest_head);
    tally_wr_put(&w, m->says->fwid, TALLY_GPU_FWID_BYTES);
    return !w.full && tally_sim_cert_ext(x, "2.23.133.5.4.1", false, tally_slice_of(v, w.used));
}

/* DiceTcbInfo: vendor, model (the common name without what it is), version, svn, layer, index,
 * two digests of which the second is empty, flags, vendor's own, type. */
static bool add_dice(X509 *x, const struct tally_sim_gpu_making *m)
{
    static const uint8_t vendor[] = {0x80, 6, 'N', 'V', 'I', 'D', 'I', 'A'};
    static const uint8_t middle[] = {0x82, 2, '0',  '1', 0x83, 1,    1,   0x84,
                                     1,    0, 0x85, 1,   0,    0xa6, 0x7e};
    static const uint8_t end[] = {0x87, 5, 0, 0x80, 0, 0, 1, 0x88, 1, 0xc0, 0x89, 1, 0};
    static const uint8_t zero[TALLY_GPU_FWID_BYTES];
    uint8_t body[256], v[256], model = (uint8_t)strcspn(m->says->cn, "F");
    struct tally_wr b = tally_wr_to(body, sizeof body), w = tally_wr_to(v, sizeof v);

    if (model > 0 && m->says->cn[model - 1] == ' ') model--;
    tally_wr_put(&b, vendor, sizeof vendor);
    tally_wr_u8(&b, 0x81);
    tally_wr_u8(&b, model);
    tally_wr_put(&b, m->says->cn, model);
    tally_wr_put(&b, middle, sizeof middle);
    tally_wr_put(&b, digest_head, sizeof digest_head);
    tally_wr_put(&b, m->says->fwid, TALLY_GPU_FWID_BYTES);
    tally_wr_put(&b, digest_head, sizeof digest_head);
    tally_wr_put(&b, zero, sizeof zero);
    tally_wr_put(&b, end, sizeof end);
    tally_wr_u8(&w, 0x30);
    tally_wr_u8(&w, 0x81);
    tally_wr_u8(&w, (uint8_t)b.used);
    tally_wr_put(&w, body, b.used);
    return !w.full && b.used >= 0x80 &&
           tally_sim_cert_ext(x, "2.23.133.5.4.1.1", false, tally_slice_of(v, w.used));
}

static bool add_leaf_exts(X509 *x, const struct tally_sim_gpu_making *m)
{
    const struct tally_sim_gpu_cert *says = m->says;
    bool good = (!says->ca || tally_sim_cert_constraints(x, true, -1)) &&
                tally_sim_cert_usage(x, says->usage) && add_key_ids(x, m) &&
                (says->san[0] == '\0' || add_san(x, says->san));

    if (says->fwid_style == TALLY_SIM_FWID_COMPOSITE) good = good && add_composite(x, m);
    if (says->fwid_style == TALLY_SIM_FWID_DICE) good = good && add_dice(x, m);
    return good;
}

static bool add_ca_exts(X509 *x, const struct tally_sim_gpu_making *m)
{
    static const uint8_t url[] = {0x30, 0x30, 0xa0, 0xa0, 0x86};
    const struct tally_sim_gpu_cert *says = m->says;

    return tally_sim_cert_constraints(x, says->ca || says->last_ca, says->last_ca ? 0 : -1) &&
           tally_sim_cert_usage(x, says->usage) &&
           (says->crl_url == NULL || add_nested(x, "2.5.29.31", TALLY_SLICE(url), says->crl_url)) &&
           (!says->ocsp || add_ocsp_url(x)) && add_key_ids(x, m);
}

static bool fill(X509 *x, const struct tally_sim_gpu_making *m)
{
    const struct tally_sim_gpu_cert *says = m->says;
    size_t above = m->at < ROOT ? m->at + 1 : m->at;

    return tally_sim_cert_begin(x, says->not_before_s, says->not_after_s, m->key) &&
           tally_sim_set_serial(X509_get_serialNumber(x),
                                tally_slice_of(says->serial, says->serial_bytes)) &&
           set_name(X509_get_subject_name(x), m->at, says) &&
           set_name(X509_get_issuer_name(x), above, m->issuer) &&
           (m->at == LEAF ? add_leaf_exts(x, m) : add_ca_exts(x, m)) &&
           (says->critical_oid == NULL ||
            tally_sim_cert_ext(x, says->critical_oid, true, tally_slice_of("\x05", 2))) &&
           X509_sign(x, m->signer, EVP_get_digestbyname(says->hash)) > 0;
}

enum tally_status tally_sim_gpu_cert_make(const struct tally_sim_gpu_making *m,
                                          struct tally_wr *der)
{
    X509 *x = X509_new();

    return tally_sim_cert_end(x, x != NULL && fill(x, m), m->says->cn, der);
}
