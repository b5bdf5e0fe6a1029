/* snp_vek.c - see snp_vek.h. */
#include "common/attest/snp_vek.h"

#include <stdio.h>
#include <string.h>

#include "common/der.h"

#define AMD "1.3.6.1.4.1.3704.1"

/* Contents of 1.3.6.1.4.1.3704.1 in DER; what comes behind it names the extension. */
static const uint8_t amd[] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01};

/* Which certificates carry an extension. */
enum { ZEN3 = 1, ZEN5 = 2, VCEK = 4, VLEK = 8, BOTH = ZEN3 | ZEN5 };

/* One row per extension; `at` is the component's byte in TCB_VERSION, -1: not a component. The
 * certificate carries it if it has both the line's bit and the key's. */
static const struct {
    const char *oid;
    uint8_t tail[2], tail_bytes;
    unsigned on;
    int at_zen3, at_zen5;
} exts[] = {
    {AMD ".1",   {1},    1, BOTH | VCEK | VLEK, -1, -1},
    {AMD ".2",   {2},    1, BOTH | VCEK | VLEK, -1, -1},
    {AMD ".3.1", {3, 1}, 2, BOTH | VCEK | VLEK, 0,  1 },
    {AMD ".3.2", {3, 2}, 2, BOTH | VCEK | VLEK, 1,  2 },
    {AMD ".3.3", {3, 3}, 2, BOTH | VCEK | VLEK, 6,  3 },
    {AMD ".3.4", {3, 4}, 2, ZEN3 | VCEK | VLEK, 2,  -1},
    {AMD ".3.5", {3, 5}, 2, BOTH | VCEK | VLEK, 3,  4 },
    {AMD ".3.6", {3, 6}, 2, BOTH | VCEK | VLEK, 4,  5 },
    {AMD ".3.7", {3, 7}, 2, BOTH | VCEK | VLEK, 5,  6 },
    {AMD ".3.8", {3, 8}, 2, BOTH | VCEK | VLEK, 7,  7 },
    {AMD ".3.9", {3, 9}, 2, ZEN5 | VCEK | VLEK, -1, 0 },
    {AMD ".4",   {4},    1, BOTH | VCEK,        -1, -1},
    {AMD ".5",   {5},    1, BOTH | VLEK,        -1, -1},
};
enum { EXTS = sizeof exts / sizeof exts[0], NAME = 1, HWID = 11, CSP = 12 };

/* The values by row; at == NULL: not there. */
struct values {
    struct tally_slice of[EXTS];
};

static bool carries(size_t i, const struct tally_snp_vek *v)
{
    unsigned line = v->product == TALLY_SNP_TURIN ? ZEN5 : ZEN3, key = v->vlek ? VLEK : VCEK;

    return (exts[i].on & line) != 0 && (exts[i].on & key) != 0;
}

/* The row of an OID; EXTS for one of AMD's that is none, -1 for anything else. */
static int row_of(struct tally_slice oid)
{
    if (oid.len < sizeof amd || memcmp(oid.at, amd, sizeof amd) != 0) return -1;
    for (int i = 0; i < EXTS; i++) {
        if (tally_slice_equal(tally_slice_of(oid.at + sizeof amd, oid.len - sizeof amd),
                              tally_slice_of(exts[i].tail, exts[i].tail_bytes)))
            return i;
    }
    return EXTS;
}

static enum tally_status read_set(const struct tally_cert *c, const struct tally_snp_vek *v,
                                  struct values *out)
{
    struct tally_cert_ext e;
    int strange = -1;

    *out = (struct values){0};
    for (int n = 0; tally_cert_ext_at(c, n, &e); n++) {
        int i = row_of(e.oid);
        if (i >= 0 && i < EXTS) out->of[i] = e.value;
        if (i == EXTS || (i >= 0 && !carries((size_t)i, v))) strange = i;
    }
    for (size_t i = 0; i < EXTS; i++)
        TALLY_REFUSE_UNLESS(!carries(i, v) || out->of[i].at != NULL, TALLY_R_E_CERT_EXT_MISSING,
                            "extension %s is missing", exts[i].oid);
    TALLY_REFUSE_UNLESS(strange < 0, TALLY_R_E_CERT_EXT_MISSING,
                        "extension %s does not belong to this product",
                        strange == EXTS ? AMD ".?" : exts[strange].oid);
    return TALLY_OK;
}

/* INTEGER 0..255. */
static enum tally_status component(struct tally_slice ext, const char *oid, uint8_t *out)
{
    const uint8_t *p = ext.at;

    TALLY_REFUSE_UNLESS(ext.len >= 3 && p[0] == 2 && p[1] == ext.len - 2, TALLY_R_E_CERT_PARSE,
                        "extension %s is not an INTEGER", oid);
    TALLY_REFUSE_UNLESS(ext.len == 3 || p[2] != 0 || p[3] >= 0x80, TALLY_R_E_CERT_NONCANONICAL,
                        "extension %s is not minimal", oid);
    TALLY_REFUSE_UNLESS((ext.len == 3 && p[2] < 0x80) || (ext.len == 4 && p[2] == 0),
                        TALLY_R_E_CERT_PARSE, "extension %s is not 0 to 255", oid);
    *out = p[ext.len - 1];
    return TALLY_OK;
}

static enum tally_status read_tcb(const struct values *x, struct tally_snp_vek *v)
{
    for (size_t i = 0; i < EXTS; i++) {
        int at = v->product == TALLY_SNP_TURIN ? exts[i].at_zen5 : exts[i].at_zen3;
        if (at < 0 || !carries(i, v)) continue;
        TALLY_TRY(component(x->of[i], exts[i].oid, &v->tcb.raw[at]));
    }
    return TALLY_OK;
}

/* IA5String "Milan-B0", "Genoa", "Turin": the part before the stepping. */
static enum tally_status check_product(struct tally_slice e, const struct tally_snp_vek *v)
{
    const char *name = tally_snp_product_name(v->product);
    size_t n = strlen(name);

    TALLY_REFUSE_UNLESS(e.len >= 2 && e.at[0] == 0x16 && e.at[1] == e.len - 2, TALLY_R_E_CERT_PARSE,
                        "productName is not an IA5String");
    TALLY_REFUSE_UNLESS(e.len - 2 >= n && memcmp(e.at + 2, name, n) == 0 &&
                            (e.len - 2 == n || e.at[2 + n] == '-'),
                        TALLY_R_E_PRODUCT, "productName is not %s", name);
    return TALLY_OK;
}

/* Raw bytes, or an OCTET STRING of as many: told apart by length alone, since a raw id may begin
 * like one. */
static enum tally_status read_hwid(struct tally_slice e, struct tally_snp_vek *v)
{
    size_t n = v->product == TALLY_SNP_TURIN ? TALLY_SNP_TURIN_ID_BYTES : TALLY_SNP_CHIP_ID_BYTES;

    if (e.len == n + 2 && e.at[0] == 4 && e.at[1] == n) {
        e.at += 2;
        e.len -= 2;
    }
    TALLY_REFUSE_UNLESS(e.len == n, TALLY_R_E_CERT_PARSE, "hwID of %zu bytes, not %zu", e.len, n);
    memcpy(v->hwid, e.at, n);
    return TALLY_OK;
}

/* IA5String or UTF8String of printable ASCII: whose VLEK it is. */
static enum tally_status read_csp(struct tally_slice e, struct tally_snp_vek *v)
{
    TALLY_REFUSE_UNLESS(e.len > 2 && (e.at[0] == TALLY_DER_IA5 || e.at[0] == TALLY_DER_UTF8) &&
                            e.at[1] == e.len - 2 && e.len - 2 < sizeof v->csp,
                        TALLY_R_E_CERT_PARSE, "cspID is not a text of 1 to 63 bytes");
    for (size_t i = 2; i < e.len; i++)
        TALLY_REFUSE_UNLESS(e.at[i] >= 0x20 && e.at[i] < 0x7f, TALLY_R_E_CERT_PARSE,
                            "cspID is not ASCII");
    memcpy(v->csp, e.at + 2, e.len - 2);
    return TALLY_OK;
}

static enum tally_status read_names(const struct tally_cert *c, struct tally_snp_vek *v)
{
    char subject[TALLY_CERT_CN_SIZE], issuer[TALLY_CERT_CN_SIZE], want[TALLY_CERT_CN_SIZE];

    TALLY_TRY(tally_cert_subject_cn(c, subject));
    TALLY_TRY(tally_cert_issuer_cn(c, issuer));
    v->vlek = strcmp(subject, "SEV-VLEK") == 0;
    TALLY_REFUSE_UNLESS(v->vlek || strcmp(subject, "SEV-VCEK") == 0, TALLY_R_E_CERT_SHAPE,
                        "\"%s\" is neither a VCEK nor a VLEK", subject);
    for (int p = TALLY_SNP_MILAN; p <= TALLY_SNP_TURIN; p++) {
        v->product = (enum tally_snp_product)p;
        const char *name = tally_snp_product_name(v->product);
        (void)snprintf(want, sizeof want, v->vlek ? "SEV-VLEK-%s" : "SEV-%s", name);
        if (strcmp(issuer, want) == 0) return TALLY_OK;
        (void)snprintf(want, sizeof want, v->vlek ? "SEV-%s" : "SEV-VLEK-%s", name);
        TALLY_REFUSE_UNLESS(strcmp(issuer, want) != 0, TALLY_R_E_CERT_TYPE, "a %s issued by \"%s\"",
                            subject, issuer);
    }
    return TALLY_REFUSE(strncmp(issuer, "SEV-", 4) == 0 ? TALLY_R_E_PRODUCT : TALLY_R_E_CERT_SHAPE,
                        "issued by \"%s\"", issuer);
}

enum tally_status tally_snp_vek_decode(const struct tally_cert *c, struct tally_snp_vek *out)
{
    struct tally_snp_vek v = {0};
    struct values x;

    TALLY_TRY(read_names(c, &v));
    TALLY_TRY(tally_cert_key_is(c, TALLY_KEY_P384));
    TALLY_TRY(read_set(c, &v, &x));
    TALLY_TRY(check_product(x.of[NAME], &v));
    TALLY_TRY(read_tcb(&x, &v));
    TALLY_TRY(v.vlek ? read_csp(x.of[CSP], &v) : read_hwid(x.of[HWID], &v));
    *out = v;
    return TALLY_OK;
}
