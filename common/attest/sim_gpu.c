/* sim_gpu.c - simulated devices and their reports; see sim_gpu.h. */
#include "common/attest/sim_gpu.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/secret.h"
#include "common/text.h"

enum { LEAF, BROM, ICA, IDENTITY, ROOT, DAY_S = 86400 };
#define END_OF_9999 UINT64_C(253402300799)
static const char l1_crl[] = "http://crl.ndis.nvidia.com/crl/l1-root.crl";

/* How each chip's certificates spell what it is. */
static const struct {
    const char *stem, *chip, *ica, *identity, *l2_crl;
    uint8_t prefix; /* of the chip's number */
} kinds[] = {
    {"GH100 A01 GSP", "GH100", "NVIDIA GH100 Provisioner ICA 1",     "NVIDIA GH100 Identity",
     "http://crl.ndis.nvidia.com/crl/l2-gh100.crl", 0x41},
    {"GB100 A01 GSP", "GB100", "NVIDIA GB100 Provisioner ICA 00000", "NVIDIA GB100 Identity",
     "http://crl.ndis.nvidia.com/crl/l2-gb100.crl", 0x41},
    {"LS_10 A01 FSP", "LS_10", "NVIDIA LS_10 Provisioner ICA 1",     "NVIDIA GH100 Identity",
     "http://crl.ndis.nvidia.com/crl/l2-gh100.crl", 0x50},
};

static void upper_hex(struct tally_slice in, char *out)
{
    tally_hex(in, out);
    for (char *p = out; *p != '\0'; p++) {
        if (*p >= 'a') *p = (char)(*p - 'a' + 'A');
    }
}

static void random_serial(struct tally_sim_gpu_cert *says)
{
    randombytes_buf(says->serial, 16);
    says->serial[0] = (uint8_t)((says->serial[0] & 0x7f) | 0x40);
    says->serial_bytes = 16;
}

static struct tally_sim_gpu_cert ca_says(uint64_t now_s, const char *cn)
{
    struct tally_sim_gpu_cert c = {.not_before_s = now_s - DAY_S,
                                   .not_after_s = END_OF_9999,
                                   .ca = true,
                                   .usage = 0x06,
                                   .hash = "SHA384"};

    (void)snprintf(c.cn, sizeof c.cn, "%s", cn);
    random_serial(&c);
    return c;
}

static enum tally_status fill_root(struct tally_sim_gpu_root *r, uint64_t now_s, const char *cn)
{
    TALLY_ENSURE(now_s > DAY_S && sodium_init() >= 0, TALLY_E_CONFIG,
                 "no time to issue certificates at");
    r->says = ca_says(now_s, cn != NULL ? cn : "NVIDIA Device Identity CA");
    r->key = EVP_EC_gen("P-384");
    TALLY_ENSURE(r->key != NULL, TALLY_E_LIB, "making a key");
    const struct tally_sim_gpu_making m = {.at = ROOT,
                                           .says = &r->says,
                                           .issuer = &r->says,
                                           .key = r->key,
                                           .issuer_key = r->key,
                                           .signer = r->key};
    struct tally_wr w = tally_wr_to(r->der, sizeof r->der);
    TALLY_TRY(tally_sim_gpu_cert_make(&m, &w));
    r->der_bytes = w.used;
    return TALLY_OK;
}

enum tally_status tally_sim_gpu_root_new(uint64_t now_s, const char *cn,
                                         struct tally_sim_gpu_root **out)
{
    TALLY_CLEANUP(tally_sim_gpu_root_free) struct tally_sim_gpu_root *r = calloc(1, sizeof *r);

    TALLY_ENSURE(r != NULL, TALLY_E_NOMEM, "root of simulated GPUs");
    TALLY_TRY(fill_root(r, now_s, cn));
    *out = r;
    r = NULL;
    return TALLY_OK;
}

void tally_sim_gpu_root_free(struct tally_sim_gpu_root **r)
{
    if (*r == NULL) return;
    EVP_PKEY_free((*r)->key);
    free(*r);
    *r = NULL;
}

struct tally_slice tally_sim_gpu_root_der(const struct tally_sim_gpu_root *r)
{
    return tally_slice_of(r->der, r->der_bytes);
}

/* The leaf's number is its key's SHA-1 with the first bits of a positive number of 20 bytes. */
static void number_leaf(struct tally_sim_gpu *g)
{
    struct tally_sim_gpu_cert *leaf = &g->says[LEAF];
    uint8_t bits[97];
    size_t n = 0;

    TALLY_ASSERT(EVP_PKEY_get_octet_string_param(g->keys[LEAF], "encoded-pub-key", bits,
                                                 sizeof bits, &n) == 1 &&
                 EVP_Digest(bits, n, leaf->serial, NULL, EVP_sha1(), NULL) == 1);
    leaf->serial[0] = (uint8_t)((leaf->serial[0] & 0x7f) | 0x40);
    leaf->serial_bytes = sizeof leaf->serial;
    upper_hex(TALLY_SLICE(leaf->serial), leaf->number);
}

static void say(struct tally_sim_gpu *g, uint64_t now_s)
{
    struct tally_sim_gpu_cert *s = g->says;
    uint8_t device_id[TALLY_GPU_ID_BYTES];
    char hex[2 * TALLY_GPU_ID_BYTES + 1];

    for (size_t i = LEAF; i < ROOT; i++) s[i] = ca_says(now_s, "");
    (void)snprintf(s[LEAF].cn, sizeof s[LEAF].cn, "%s FMC LF", kinds[g->chip].stem);
    (void)snprintf(s[BROM].cn, sizeof s[BROM].cn, "%s BROM", kinds[g->chip].stem);
    (void)snprintf(s[ICA].cn, sizeof s[ICA].cn, "%s", kinds[g->chip].ica);
    (void)snprintf(s[IDENTITY].cn, sizeof s[IDENTITY].cn, "%s", kinds[g->chip].identity);
    randombytes_buf(device_id, sizeof device_id);
    upper_hex(TALLY_SLICE(device_id), hex);
    (void)snprintf(s[LEAF].san, sizeof s[LEAF].san, "NVIDIA:%s:%s", kinds[g->chip].chip, hex);
    s[LEAF].ca = false;
    s[LEAF].usage = 0x80;
    s[LEAF].fwid_style =
        g->chip == TALLY_GPU_GB100 ? TALLY_SIM_FWID_DICE : TALLY_SIM_FWID_COMPOSITE;
    randombytes_buf(s[LEAF].fwid, sizeof s[LEAF].fwid);
    s[BROM].usage = 0x04;
    s[BROM].ocsp = g->chip == TALLY_GPU_GB100;
    s[BROM].serial[0] = kinds[g->chip].prefix;
    memcpy(s[BROM].serial + 1, g->chip_id, sizeof g->chip_id);
    s[BROM].serial_bytes = 1 + sizeof g->chip_id;
    upper_hex(tally_slice_of(s[BROM].serial, s[BROM].serial_bytes), s[BROM].number);
    s[ICA].ocsp = s[IDENTITY].ocsp = true;
    s[ICA].crl_url = kinds[g->chip].l2_crl;
    s[IDENTITY].crl_url = l1_crl;
}

enum tally_status tally_sim_gpu_issue(struct tally_sim_gpu *g)
{
    number_leaf(g);
    for (size_t i = LEAF; i < ROOT; i++) {
        const struct tally_sim_gpu_making m = {.at = i,
                                               .says = &g->says[i],
                                               .issuer = &g->says[i + 1],
                                               .key = g->keys[i],
                                               .issuer_key = g->keys[i + 1],
                                               .signer = g->keys[i + 1]};
        struct tally_wr w = tally_wr_to(g->der[i], sizeof g->der[i]);
        TALLY_TRY(tally_sim_gpu_cert_make(&m, &w));
        g->der_bytes[i] = w.used;
    }
    return TALLY_OK;
}

enum tally_status tally_sim_gpu_new(const struct tally_sim_gpu_root *r, enum tally_gpu_chip chip,
                                    uint64_t now_s, struct tally_sim_gpu **out)
{
    TALLY_CLEANUP(tally_sim_gpu_free) struct tally_sim_gpu *g = calloc(1, sizeof *g);

    TALLY_ENSURE(g != NULL, TALLY_E_NOMEM, "simulated GPU");
    g->chip = chip;
    randombytes_buf(g->chip_id, sizeof g->chip_id);
    say(g, now_s);
    g->says[ROOT] = r->says;
    for (size_t i = LEAF; i < ROOT; i++) {
        g->keys[i] = EVP_EC_gen("P-384");
        TALLY_ENSURE(g->keys[i] != NULL, TALLY_E_LIB, "making a key");
    }
    TALLY_ASSERT(EVP_PKEY_up_ref(r->key) == 1);
    g->keys[ROOT] = r->key;
    memcpy(g->der[ROOT], r->der, r->der_bytes);
    g->der_bytes[ROOT] = r->der_bytes;
    TALLY_TRY(tally_sim_gpu_issue(g));
    *out = g;
    g = NULL;
    return TALLY_OK;
}

void tally_sim_gpu_free(struct tally_sim_gpu **g)
{
    if (*g == NULL) return;
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) EVP_PKEY_free((*g)->keys[i]);
    free(*g);
    *g = NULL;
}

struct tally_slice tally_sim_gpu_der(const struct tally_sim_gpu *g, size_t place)
{
    return tally_slice_of(g->der[place], g->der_bytes[place]);
}

void tally_sim_gpu_digest(const struct tally_sim_gpu *g, uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(g->keys[BROM], &der);

    TALLY_ASSERT(n > 0);
    TALLY_SHA256_OF(out, tally_slice_of(der, (size_t)n));
    OPENSSL_free(der);
}

void tally_sim_gpu_set(struct tally_sim_gpu_report *r, uint16_t type, struct tally_slice value)
{
    struct tally_gpu_report *g = &r->report;
    uint32_t i = 0;

    while (i < g->opaque_n && g->opaque[i].type != type) i++;
    if (value.at == NULL) {
        if (i == g->opaque_n) return;
        memmove(&g->opaque[i], &g->opaque[i + 1], (g->opaque_n - i - 1) * sizeof g->opaque[0]);
        g->opaque_n--;
        return;
    }
    TALLY_ASSERT(i < TALLY_GPU_OPAQUE_MAX && value.len <= sizeof r->opaque - r->opaque_used);
    uint8_t *store = r->opaque + r->opaque_used;
    if (value.len > 0) memcpy(store, value.at, value.len);
    r->opaque_used += value.len;
    g->opaque[i] = (struct tally_gpu_opaque){type, tally_slice_of(store, value.len)};
    if (i == g->opaque_n) g->opaque_n++;
}

static void set_gpu_fields(const struct tally_sim_gpu *g, struct tally_sim_gpu_report *r)
{
    static const uint8_t vbios[2][8] = {
        {0x00, 0x5e, 0x00, 0x96, 0x01},
        {0x00, 0x88, 0x00, 0x97, 0x0f}
    };
    static const uint8_t zero[256], off[] = {TALLY_GPU_OFF}, one[] = {1, 0};

    tally_sim_gpu_set(r, TALLY_GPU_VBIOS,
                      tally_slice_of(vbios[g->chip == TALLY_GPU_GB100], sizeof vbios[0]));
    tally_sim_gpu_set(r, 14, tally_slice_of("\xb1\x03\0\0", 4));
    tally_sim_gpu_set(r, TALLY_GPU_CHIP_SKU, tally_slice_of("882\0\0\0\0\0\0", 9));
    tally_sim_gpu_set(r, 16, tally_slice_of("0\0\0\0\0", 5));
    tally_sim_gpu_set(r, TALLY_GPU_PROJECT, tally_slice_of("1010", 5));
    tally_sim_gpu_set(r, TALLY_GPU_PROJECT_SKU, tally_slice_of("0200", 5));
    tally_sim_gpu_set(r, 19, tally_slice_of("\0\0", 2));
    tally_sim_gpu_set(r, TALLY_GPU_DRIVER, tally_slice_of("580.95.05", 10));
    tally_sim_gpu_set(r, 4, tally_slice_of("\x80\1\0\0\0\0\0\0", 8));
    tally_sim_gpu_set(r, 12, tally_slice_of(zero, sizeof zero));
    tally_sim_gpu_set(r, 13, tally_slice_of("\0\xc0\1\0", 4));
    tally_sim_gpu_set(r, TALLY_GPU_NVDEC0, TALLY_SLICE(off));
    tally_sim_gpu_set(r, TALLY_GPU_FWID, TALLY_SLICE(g->says[LEAF].fwid));
    tally_sim_gpu_set(r, TALLY_GPU_PPCIE, TALLY_SLICE(off));
    tally_sim_gpu_set(r, 34, TALLY_SLICE(one));
    tally_sim_gpu_set(r, TALLY_GPU_FEATURE, tally_slice_of(zero, 2));
}

static void set_switch_fields(const struct tally_sim_gpu *g, struct tally_sim_gpu_report *r)
{
    uint8_t peers[128];
    static const uint8_t zero[108];

    memset(peers, 0xff, sizeof peers);
    tally_sim_gpu_set(r, TALLY_GPU_VBIOS, tally_slice_str("96.10.73.00.01"));
    tally_sim_gpu_set(r, TALLY_GPU_SWITCHES, TALLY_SLICE(g->chip_id));
    tally_sim_gpu_set(r, 12, TALLY_SLICE(zero));
    tally_sim_gpu_set(r, TALLY_GPU_PEERS, TALLY_SLICE(peers));
    tally_sim_gpu_set(r, 23, tally_slice_of("\xec\0", 2));
    tally_sim_gpu_set(r, 24, tally_slice_of("\0\0", 2));
    tally_sim_gpu_set(r, 25, tally_slice_of("\1\0", 2));
}

/* Measurement i of a chip: the same whenever it is asked. */
static void measure(const struct tally_sim_gpu *g, uint8_t i, uint8_t out[TALLY_GPU_DIGEST_BYTES])
{
    static const char label[] = "tally/sim/gpu/v1";
    const struct tally_slice parts[] = {tally_slice_of(label, sizeof label), tally_slice_of(&i, 1),
                                        tally_slice_str(kinds[g->chip].chip)};

    tally_hash(TALLY_SHA384, parts, 3, out);
}

void tally_sim_gpu_report_init(const struct tally_sim_gpu *g,
                               const uint8_t nonce[TALLY_GPU_NONCE_BYTES],
                               struct tally_sim_gpu_report *r)
{
    struct tally_gpu_report *p = &r->report;
    bool nvswitch = g->chip == TALLY_GPU_LS10;

    memset(r, 0, sizeof *r);
    p->request.version = p->response.version = 0x11;
    p->request.code = 0xe0;
    p->request.param1 = 1;
    p->request.param2 = 0xff;
    p->response.code = 0x60;
    memcpy(p->request.nonce, nonce, TALLY_GPU_NONCE_BYTES);
    randombytes_buf(p->response.nonce, sizeof p->response.nonce);
    p->blocks_n = nvswitch ? TALLY_SWITCH_BLOCKS : TALLY_GPU_BLOCKS;
    for (uint8_t i = 0; i < p->blocks_n; i++) {
        p->types[i] = 1;
        measure(g, i, p->digests[i]);
    }
    if (nvswitch)
        set_switch_fields(g, r);
    else
        set_gpu_fields(g, r);
}

static void link_switch(struct tally_sim_gpu_report *r, const struct tally_sim_gpu *const *gpus,
                        size_t n)
{
    uint8_t peers[128];

    memset(peers, 0xff, sizeof peers);
    for (size_t i = 0; i < n && i < TALLY_GPU_PEERS_MAX; i++) {
        memcpy(peers + i * TALLY_GPU_ID_BYTES, gpus[i]->chip_id, TALLY_GPU_ID_BYTES);
        memset(peers + 96 + 4 * i, (int)i, 4); /* four of its ports */
    }
    tally_sim_gpu_set(r, TALLY_GPU_PEERS, TALLY_SLICE(peers));
}

void tally_sim_gpu_link(struct tally_sim_gpu_report *r, const struct tally_sim_gpu *const *others,
                        size_t n)
{
    enum { LINKS = 18 };
    static const uint8_t on[] = {TALLY_GPU_ON}, mode[] = {TALLY_GPU_PPCIE_MODE, 0};
    uint8_t ids[LINKS * TALLY_GPU_ID_BYTES];

    if (tally_gpu_is_switch(&r->report)) {
        link_switch(r, others, n);
        return;
    }
    TALLY_ASSERT(n > 0);
    for (size_t i = 0; i < sizeof ids; i++) {
        const struct tally_sim_gpu *s = others[i / TALLY_GPU_ID_BYTES % n];
        ids[i] = s->chip_id[TALLY_GPU_ID_BYTES - 1 - i % TALLY_GPU_ID_BYTES];
    }
    tally_sim_gpu_set(r, TALLY_GPU_PPCIE, TALLY_SLICE(on));
    tally_sim_gpu_set(r, TALLY_GPU_SWITCHES, TALLY_SLICE(ids));
    tally_sim_gpu_set(r, TALLY_GPU_FEATURE, TALLY_SLICE(mode));
}

enum tally_status tally_sim_gpu_sign(EVP_PKEY *key, struct tally_slice text,
                                     uint8_t r_s[TALLY_GPU_SIG_BYTES])
{
    enum { HALF = TALLY_GPU_SIG_BYTES / 2 };
    uint8_t der[128];
    const uint8_t *at = der;
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, der, &len, text.at, text.len) == 1;

    EVP_MD_CTX_free(ctx);
    ECDSA_SIG *sig = good ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
    good = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), r_s, HALF) == HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), r_s + HALF, HALF) == HALF;
    ECDSA_SIG_free(sig);
    TALLY_ENSURE(good, TALLY_E_LIB, "signing a report");
    return TALLY_OK;
}

enum tally_status tally_sim_gpu_report_sign(const struct tally_sim_gpu *g,
                                            struct tally_sim_gpu_report *r, struct tally_wr *out)
{
    size_t from = out->used;

    tally_gpu_report_encode_signed(&r->report, out);
    TALLY_ENSURE(!out->full, TALLY_E_LIMIT, "no room for a report");
    TALLY_TRY(tally_sim_gpu_sign(g->keys[LEAF], tally_slice_of(out->to + from, out->used - from),
                                 r->report.signature));
    tally_wr_put(out, r->report.signature, TALLY_GPU_SIG_BYTES);
    TALLY_ENSURE(!out->full, TALLY_E_LIMIT, "no room for a report");
    return TALLY_OK;
}
