/* device_snp_papers.c - see device_snp_papers.h. */
#include "common/attest/device_snp_papers.h"

#include <stdlib.h>
#include <string.h>

#include "common/attest/snp_certs.h"
#include "common/file.h"
#include "common/secret.h"

enum { FILE_MAX = 2 * TALLY_CRL_BYTES_MAX }; /* as PEM */

static void free_bytes(uint8_t **p)
{
    free(*p);
}

/* ---- does it fit? ---- */

static bool all_zero(const uint8_t *at, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) any |= at[i];
    return any == 0;
}

static enum tally_snp_product product_of(const struct tally_snp_report *r)
{
    if (r->version < 3) return TALLY_SNP_UNKNOWN;
    return tally_snp_product_of(r->cpuid_family, r->cpuid_model);
}

static bool vek_fits(const struct tally_snp_report *r, struct tally_slice der,
                     enum tally_snp_product *product)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
    struct tally_snp_vek v;

    if (tally_cert_parse(der, &c) != TALLY_OK || tally_snp_vek_decode(&c, &v) != TALLY_OK)
        return false;
    if (v.vlek != (TALLY_SNP_SIGNING_KEY(r->key_flags) == TALLY_SNP_KEY_VLEK) ||
        (product_of(r) != TALLY_SNP_UNKNOWN && v.product != product_of(r)) ||
        memcmp(v.tcb.raw, r->reported.raw, sizeof v.tcb.raw) != 0)
        return false;
    *product = v.product;
    /* a report may hide its chip */
    return v.vlek || all_zero(r->chip_id, sizeof r->chip_id) ||
           memcmp(v.hwid, r->chip_id, sizeof v.hwid) == 0;
}

static bool is_issuer_of(struct tally_slice issuer_der, struct tally_slice vek_der)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert issuer = {0};
    TALLY_CLEANUP(tally_cert_free) struct tally_cert vek = {0};

    return tally_cert_parse(issuer_der, &issuer) == TALLY_OK &&
           tally_cert_parse(vek_der, &vek) == TALLY_OK && tally_cert_names(&vek, &issuer);
}

/* ---- where it comes from ---- */

static struct tally_slice der_of(const struct tally_paper *p)
{
    return tally_slice_of(p->der, p->len);
}

static bool is_certificate(const struct tally_paper *p)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};

    return tally_cert_parse(der_of(p), &c) == TALLY_OK;
}

/* A certificate of the host's; what is none is left out. */
static void from_host(struct tally_slice content, struct tally_paper *out)
{
    struct tally_slice der;

    *out = (struct tally_paper){0};
    if (content.at == NULL ||
        tally_snp_table_der(content, out->der, sizeof out->der, &der) != TALLY_OK ||
        der.len > sizeof out->der)
        return;
    memmove(out->der, der.at, der.len);
    out->len = der.len;
    if (is_certificate(out))
        out->from = TALLY_PAPER_HOST;
    else
        out->len = 0;
}

static enum tally_status read_file(const char *path, const char *label, uint8_t *out, size_t cap,
                                   size_t *len)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    size_t n = 0;

    TALLY_TRY(tally_file_read(path, FILE_MAX, &bytes, &n));
    enum tally_status s = tally_cert_from_file(tally_slice_of(bytes, n), label, out, cap, len);
    TALLY_ENSURE(s == TALLY_OK && *len != 0, TALLY_E_CONFIG, "%s: not one %s, DER or PEM", path,
                 label);
    return TALLY_OK;
}

static enum tally_status from_file(const char *path, struct tally_paper *out)
{
    *out = (struct tally_paper){0};
    if (*path == '\0') return TALLY_OK;
    TALLY_TRY(read_file(path, "CERTIFICATE", out->der, sizeof out->der, &out->len));
    if (!is_certificate(out)) return TALLY_FAIL(TALLY_E_CONFIG, "%s: %s", path, tally_why_text());
    out->from = TALLY_PAPER_FILE;
    return TALLY_OK;
}

static enum tally_status choose_vek(const struct tally_snp_report *r, struct tally_slice host,
                                    const char *path, struct tally_snp_papers *p)
{
    struct tally_paper file;

    from_host(host, &p->vek);
    p->vek_fits = p->vek.from != TALLY_PAPER_NONE && vek_fits(r, der_of(&p->vek), &p->product);
    if (p->vek_fits) return TALLY_OK;
    TALLY_TRY(from_file(path, &file));
    if (file.from == TALLY_PAPER_NONE) return TALLY_OK;
    p->vek_fits = vek_fits(r, der_of(&file), &p->product);
    if (p->vek_fits || p->vek.from == TALLY_PAPER_NONE) p->vek = file;
    return TALLY_OK;
}

static enum tally_status choose_issuer(struct tally_slice host, const char *path,
                                       struct tally_snp_papers *p)
{
    if (p->vek.from == TALLY_PAPER_NONE) return TALLY_OK;
    from_host(host, &p->issuer);
    if (p->issuer.from != TALLY_PAPER_NONE && is_issuer_of(der_of(&p->issuer), der_of(&p->vek)))
        return TALLY_OK;
    TALLY_TRY(from_file(path, &p->issuer));
    if (p->issuer.from != TALLY_PAPER_NONE && !is_issuer_of(der_of(&p->issuer), der_of(&p->vek)))
        return TALLY_FAIL(TALLY_E_CONFIG, "%s: did not issue this chip's certificate", path);
    return TALLY_OK;
}

enum tally_status tally_snp_papers_choose(const struct tally_snp_report *r, struct tally_slice host,
                                          const struct tally_device_paths *paths,
                                          struct tally_snp_papers *out)
{
    struct tally_snp_table table = {0};

    memset(out, 0, sizeof *out);
    /* A table that cannot be read is no table: the report is as good without. */
    if (host.len == 0 || tally_snp_table_decode(host, &table) != TALLY_OK)
        table = (struct tally_snp_table){0};
    bool vlek = TALLY_SNP_SIGNING_KEY(r->key_flags) == TALLY_SNP_KEY_VLEK;
    TALLY_TRY(choose_vek(r, vlek ? table.vlek : table.vcek, paths->vek, out));
    TALLY_TRY(choose_issuer(table.issuer, paths->issuer, out));
    if (*paths->crl == '\0') return TALLY_OK;
    return read_file(paths->crl, "X509 CRL", out->crl, sizeof out->crl, &out->crl_len);
}

static void put(struct tally_wr *w, enum tally_endorsement_kind kind, const char *name,
                struct tally_slice bytes)
{
    const struct tally_endorsement e = {kind, tally_slice_str(name), bytes};

    if (bytes.len != 0) tally_endorsement_encode(w, &e);
}

void tally_snp_papers_encode(const struct tally_snp_papers *p, struct tally_wr *w)
{
    put(w, TALLY_ENDORSEMENT_VEK, "vek.der", der_of(&p->vek));
    put(w, TALLY_ENDORSEMENT_ISSUER, "issuer.der", der_of(&p->issuer));
    put(w, TALLY_ENDORSEMENT_CRL, "crl.der", tally_slice_of(p->crl, p->crl_len));
}
