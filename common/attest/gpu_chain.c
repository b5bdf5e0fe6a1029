/* gpu_chain.c - see gpu_chain.h. */
#include "common/attest/gpu_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/gpu_leaf.h"
#include "common/hash.h"
#include "common/secret.h"

static const char root_cn[] = "NVIDIA Device Identity CA";

static const struct {
    const char *cn, *identity_cn; /* as the chip's certificates and its identity CA spell it */
    const char *name, *architecture;
} chips[] = {
    {"GH100", "GH100", "GH100", "HOPPER"   },
    {"GB100", "GB100", "GB100", "BLACKWELL"},
    {"LS_10", "GH100", "LS10",  "LS10"     },
};

const char *tally_gpu_chip_name(enum tally_gpu_chip c)
{
    return chips[c].name;
}

const char *tally_gpu_architecture(enum tally_gpu_chip c)
{
    return chips[c].architecture;
}

void tally_gpu_chain_free(struct tally_gpu_chain *c)
{
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) tally_cert_free(&c->certs[i]);
}

enum tally_status tally_gpu_spki(const struct tally_cert *c, struct tally_wr *out)
{
    tally_wr_bytes(out, tally_cert_spki(c));
    TALLY_REFUSE_UNLESS(!out->full, TALLY_R_E_OVERSIZE, "a public key of %zu bytes",
                        tally_cert_spki(c).len);
    return TALLY_OK;
}

/* The stem is what stands before `end`: "GH100 A01 GSP" of "GH100 A01 GSP BROM". */
static bool split(char *cn, const char *end)
{
    size_t n = strlen(cn), k = strlen(end);

    if (n <= k || strcmp(cn + n - k, end) != 0) return false;
    cn[n - k] = '\0';
    return true;
}

static bool is_provisioner(const char *cn, const char *chip)
{
    char head[TALLY_CERT_CN_SIZE];
    int n = snprintf(head, sizeof head, "NVIDIA %s Provisioner ICA ", chip);
    const char *digits = cn + n;

    if (strncmp(cn, head, (size_t)n) != 0) return false;
    return *digits != '\0' && strspn(digits, "0123456789") == strlen(digits);
}

/* The chip by the leaf's name, then the same at every level. */
static enum tally_status check_names(struct tally_gpu_chain *c)
{
    char cn[TALLY_GPU_CERTS][TALLY_CERT_CN_SIZE], identity[TALLY_CERT_CN_SIZE];
    size_t chip = 0;

    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        TALLY_TRY(tally_cert_subject_cn(&c->certs[i], cn[i]));
    TALLY_REFUSE_UNLESS(
        split(cn[0], " FMC LF") && split(cn[1], " BROM") && strcmp(cn[0], cn[1]) == 0,
        TALLY_R_E_CERT_SHAPE, "the first two certificates are not of one device: \"%s\", \"%s\"",
        cn[0], cn[1]);
    size_t n = strcspn(cn[0], " ");
    while (chip < TALLY_GPU_CHIPS &&
           (strlen(chips[chip].cn) != n || strncmp(cn[0], chips[chip].cn, n) != 0))
        chip++;
    TALLY_REFUSE_UNLESS(chip < TALLY_GPU_CHIPS, TALLY_R_E_PRODUCT, "unknown product: \"%s\"",
                        cn[0]);
    c->chip = (enum tally_gpu_chip)chip;
    (void)snprintf(identity, sizeof identity, "NVIDIA %s Identity", chips[chip].identity_cn);
    TALLY_REFUSE_UNLESS(is_provisioner(cn[2], chips[chip].cn) && strcmp(cn[3], identity) == 0,
                        TALLY_R_E_CERT_SHAPE, "a %s under \"%s\" and \"%s\"", chips[chip].cn, cn[2],
                        cn[3]);
    return TALLY_OK;
}

static enum tally_status check_keys(const struct tally_gpu_chain *c)
{
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        TALLY_TRY(tally_cert_key_is(&c->certs[i], TALLY_KEY_P384));
    TALLY_TRY(tally_cert_is_leaf(&c->certs[0], TALLY_KU_SIGN));
    for (size_t i = 1; i < TALLY_GPU_CERTS; i++) {
        TALLY_TRY(tally_cert_is_ca(&c->certs[i], -1, TALLY_KU_CERT_SIGN));
        for (int below = 0; below < (int)i - 1; below++)
            TALLY_REFUSE_UNLESS(
                tally_cert_is_ca(&c->certs[i], below, TALLY_KU_CERT_SIGN) != TALLY_OK,
                TALLY_R_E_CERT_CONSTRAINT, "a path length that allows too few issuers below");
    }
    return TALLY_OK;
}

/* The root is pinned, so its own signature says nothing. */
static enum tally_status check_signatures(const struct tally_gpu_chain *c)
{
    for (size_t i = TALLY_GPU_CERTS - 1; i-- > 0;)
        TALLY_TRY(tally_cert_signed_by(&c->certs[i], &c->certs[i + 1], TALLY_ALG_ECDSA_SHA384));
    return TALLY_OK;
}

static enum tally_status read_device(struct tally_gpu_chain *c)
{
    struct tally_slice serial = tally_cert_serial(&c->certs[1]);

    TALLY_TRY(tally_gpu_leaf_device_id(&c->certs[0], chips[c->chip].cn, c->device_id));
    TALLY_TRY(tally_gpu_leaf_fwid(&c->certs[0], &c->has_fwid, c->fwid));
    TALLY_REFUSE_UNLESS(serial.len > TALLY_GPU_ID_BYTES, TALLY_R_E_CERT_SHAPE,
                        "the chip's certificate has a serial number of %zu bytes", serial.len);
    memcpy(c->chip_id, serial.at + serial.len - TALLY_GPU_ID_BYTES, TALLY_GPU_ID_BYTES);
    tally_cert_spki_digest(&c->certs[1], c->brom);
    return TALLY_OK;
}

/* One that is a root and no anchor is not trusted; one that is no root stands in the wrong
 * place. */
static enum tally_status check_root(struct tally_slice der, const struct tally_anchor *anchor,
                                    struct tally_gpu_chain *c)
{
    char cn[TALLY_CERT_CN_SIZE];
    struct tally_cert *root = &c->certs[TALLY_GPU_CERTS - 1];

    TALLY_TRY(tally_cert_parse(der, root));
    TALLY_TRY(tally_cert_subject_cn(root, cn));
    TALLY_REFUSE_UNLESS(tally_cert_names(root, root), TALLY_R_E_CERT_SHAPE,
                        "the last certificate, \"%s\", is not a root", cn);
    TALLY_REFUSE_UNLESS(anchor != NULL && strcmp(cn, root_cn) == 0, TALLY_R_E_ROOT_UNTRUSTED,
                        "\"%s\" is not a root of trust for devices", cn);
    c->trust = anchor->trust;
    return TALLY_OK;
}

static enum tally_status verify(const struct tally_slice *der, struct tally_gpu_chain *c)
{
    for (size_t i = 0; i + 1 < TALLY_GPU_CERTS; i++)
        TALLY_TRY(tally_cert_parse(der[i], &c->certs[i]));
    TALLY_TRY(check_names(c));
    TALLY_TRY(check_keys(c));
    TALLY_TRY(check_signatures(c));
    return read_device(c);
}

static void free_cached(void *value)
{
    struct tally_gpu_chain *c = value;

    tally_gpu_chain_free(c);
    free(c);
}

/* A second owner of the same certificates. */
static void share(const struct tally_gpu_chain *from, struct tally_gpu_chain *to)
{
    *to = *from;
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        if (from->certs[i].x509 != NULL) tally_cert_share(&from->certs[i], &to->certs[i]);
}

static void keep(struct tally_attest_cache *cache, const uint8_t digest[32],
                 const struct tally_gpu_chain *c)
{
    struct tally_gpu_chain *copy = cache == NULL ? NULL : malloc(sizeof *copy);

    if (copy == NULL) return;
    share(c, copy);
    tally_attest_cache_put(cache, digest, free_cached, copy);
}

static void digest_of(const struct tally_slice *der, uint8_t out[32])
{
    struct tally_hasher h;

    tally_hasher_init(&h, TALLY_SHA256);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) {
        uint8_t len[4];
        struct tally_wr w = tally_wr_to(len, sizeof len);
        tally_wr_be32(&w, (uint32_t)der[i].len);
        tally_hasher_add(&h, TALLY_SLICE(len));
        tally_hasher_add(&h, der[i]);
    }
    tally_hasher_end(&h, out);
}

/* Asked every time: a chain in the cache does not say who trusts its root. */
static const struct tally_anchor *anchor_of(struct tally_slice root,
                                            const struct tally_anchor *anchors, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (tally_slice_equal(anchors[i].root, root)) return &anchors[i];
    }
    return NULL;
}

enum tally_status tally_gpu_chain_verify(const struct tally_slice *der, uint32_t n,
                                         const struct tally_anchor *anchors, uint32_t anchors_n,
                                         struct tally_attest_cache *cache,
                                         struct tally_gpu_chain *out)
{
    TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain c = {0};
    uint8_t digest[32];

    TALLY_REFUSE_UNLESS(n == TALLY_GPU_CERTS, TALLY_R_E_CERT_SHAPE,
                        "a chain of %u certificates, not %d", n, TALLY_GPU_CERTS);
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        TALLY_REFUSE_UNLESS(der[i].len <= TALLY_CERT_BYTES_MAX, TALLY_R_E_OVERSIZE,
                            "certificate of %zu bytes", der[i].len);
    digest_of(der, digest);
    const struct tally_anchor *anchor = anchor_of(der[TALLY_GPU_CERTS - 1], anchors, anchors_n);
    const struct tally_gpu_chain *known =
        anchor == NULL ? NULL : tally_attest_cache_find(cache, digest, free_cached);
    if (known != NULL) {
        share(known, out);
        out->trust = anchor->trust;
        return TALLY_OK;
    }
    TALLY_TRY(check_root(der[TALLY_GPU_CERTS - 1], anchor, &c));
    TALLY_TRY(verify(der, &c));
    keep(cache, digest, &c);
    *out = c;
    c = (struct tally_gpu_chain){0};
    return TALLY_OK;
}
