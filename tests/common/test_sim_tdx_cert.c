/* test_sim_tdx_cert.c - every real certificate, chain and revocation list of Intel's is made again
 * of its names, dates and keys: the signed part comes out the same byte for byte. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

/* A file of the bundle. */
static struct tally_slice bundle_file(const struct tdx_bundle *b, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "collateral/%s/%s", b->name, name);
    return tdx_file(path);
}

static uint64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;

    ck_assert_int_eq(ASN1_TIME_to_tm(t, &tm), 1);
    return (uint64_t)timegm(&tm);
}

static const char *cn_of(const X509_NAME *name, char out[64])
{
    ck_assert_int_gt(X509_NAME_get_text_by_NID(name, NID_commonName, out, 64), 0);
    return out;
}

static void serial_of(const ASN1_INTEGER *n, uint8_t out[TALLY_SIM_TDX_SERIAL_BYTES])
{
    BIGNUM *b = ASN1_INTEGER_to_BN(n, NULL);

    ck_assert_int_eq(BN_bn2binpad(b, out, TALLY_SIM_TDX_SERIAL_BYTES), TALLY_SIM_TDX_SERIAL_BYTES);
    BN_free(b);
}

static enum tally_sim_tdx_role role_of(const char *cn)
{
    int i = 0;

    while (i < TALLY_SIM_TDX_ROLES && strcmp(cn, tally_sim_tdx_cn((enum tally_sim_tdx_role)i)) != 0)
        i++;
    ck_assert_int_lt(i, TALLY_SIM_TDX_ROLES);
    return (enum tally_sim_tdx_role)i;
}

/* The value after the OID 1.2.840.113741.1.13.1.<tail>. */
static struct tally_slice pck_field(struct tally_slice ext, const uint8_t *tail, uint8_t n)
{
    uint8_t oid[16] = {6, (uint8_t)(9 + n), 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1};

    memcpy(oid + 11, tail, n);
    const uint8_t *at = memmem(ext.at, ext.len, oid, 11U + n);
    if (at == NULL) return (struct tally_slice){0};
    at += 11 + n;
    return tally_slice_of(at + 2, at[1]);
}

static void copy_field(struct tally_slice ext, uint8_t tail, uint8_t *to, size_t len)
{
    struct tally_slice v = pck_field(ext, &tail, 1);

    ck_assert_uint_eq(v.len, len);
    memcpy(to, v.at, len);
}

static bool flag(struct tally_slice ext, uint8_t sub)
{
    struct tally_slice v = pck_field(ext, (const uint8_t[]){7, sub}, 2);

    ck_assert_uint_eq(v.len, 1);
    return v.at[0] != 0;
}

static void read_pck(struct tally_slice ext, struct tally_sim_tdx_pck *p)
{
    *p = (struct tally_sim_tdx_pck){0};
    copy_field(ext, 1, p->ppid, sizeof p->ppid);
    for (uint8_t i = 0; i < 16; i++) {
        struct tally_slice v = pck_field(ext, (const uint8_t[]){2, (uint8_t)(i + 1)}, 2);
        p->components[i] = v.at[v.len - 1];
    }
    struct tally_slice v = pck_field(ext, (const uint8_t[]){2, 17}, 2);
    for (size_t i = 0; i < v.len; i++) p->pcesvn = (uint16_t)(p->pcesvn << 8 | v.at[i]);
    v = pck_field(ext, (const uint8_t[]){2, 18}, 2);
    memcpy(p->cpusvn, v.at, sizeof p->cpusvn);
    copy_field(ext, 3, p->pceid, sizeof p->pceid);
    copy_field(ext, 4, p->fmspc, sizeof p->fmspc);
    copy_field(ext, 5, &p->sgx_type, 1);
    p->platform = pck_field(ext, (const uint8_t[]){6}, 1).at != NULL;
    if (!p->platform) return;
    copy_field(ext, 6, p->instance_id, sizeof p->instance_id);
    p->dynamic_platform = flag(ext, 1);
    p->cached_keys = flag(ext, 2);
    p->smt_enabled = flag(ext, 3);
}

static void add_pck(const X509 *x, struct tally_sim_tdx_cert *c)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(TALLY_SIM_TDX_PCK_OID, 1);
    int at = X509_get_ext_by_OBJ(x, oid, -1);
    struct tally_sim_tdx_pck p;

    ck_assert_int_ge(at, 0);
    const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(X509_get_ext(x, at));
    read_pck(tally_slice_of(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)), &p);
    tally_sim_tdx_pck_add(&p, &c->exts);
    ASN1_OBJECT_free(oid);
}

/* Older leaves name the list of version 3 of Intel's service, newer ones of version 4: the one
 * letter is the real one's. */
static void set_url_version(const X509 *x, struct tally_sim_tdx_cert *c)
{
    const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(
        X509_get_ext(x, X509_get_ext_by_NID(x, NID_crl_distribution_points, -1)));
    const char *real =
        memmem(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v), "certification/v", 15);
    char *mine = memmem(c->exts.store, c->exts.used, "certification/v", 15);

    ck_assert(real != NULL && mine != NULL && (real[15] == '3' || real[15] == '4'));
    mine[15] = real[15];
}

static void same_signed_part(X509 *a, struct tally_slice der, const char *what)
{
    const uint8_t *at = der.at;
    X509 *b = d2i_X509(NULL, &at, (long)der.len);
    uint8_t *x = NULL, *y = NULL;
    int n = i2d_re_X509_tbs(a, &x), m = i2d_re_X509_tbs(b, &y);

    ck_assert_msg(n > 0 && n == m && memcmp(x, y, (size_t)n) == 0, "%s", what);
    OPENSSL_free(x);
    OPENSSL_free(y);
    X509_free(b);
}

/* The real certificate's names, dates, serial and key, issued here. */
static void make_again(X509 *x, X509 *issuer)
{
    struct tally_sim_tdx_cert c;
    char subject[64], by[64];
    uint8_t der[2048];
    struct tally_wr w = tally_wr_to(der, sizeof der);
    enum tally_sim_tdx_role role = role_of(cn_of(X509_get_subject_name(x), subject));
    enum tally_sim_tdx_role ca = role_of(cn_of(X509_get_issuer_name(x), by));

    tally_sim_tdx_cert_init(&c, role, X509_get0_pubkey(x), ca, X509_get0_pubkey(issuer));
    c.signer = simulated_tdx_key("any");
    c.not_before_s = seconds(X509_get0_notBefore(x));
    c.not_after_s = seconds(X509_get0_notAfter(x));
    if (role == TALLY_SIM_TDX_PCK) {
        serial_of(X509_get0_serialNumber(x), c.serial);
        add_pck(x, &c);
        set_url_version(x, &c);
    }
    ck_assert_msg(tally_sim_tdx_cert_make(&c, &w) == TALLY_OK, "%s", tally_why());
    same_signed_part(x, tally_slice_of(der, w.used), subject);
}

/* A chain, each issued by the next, the last by itself. */
static unsigned make_chain_again(struct tally_slice pem)
{
    BIO *in = BIO_new_mem_buf(pem.at, (int)pem.len);
    X509 *chain[4] = {NULL};
    unsigned n = 0;

    while (n < 4 && (chain[n] = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) n++;
    for (unsigned i = 0; i < n; i++) make_again(chain[i], chain[i + 1 < n ? i + 1 : i]);
    for (unsigned i = 0; i < n; i++) X509_free(chain[i]);
    BIO_free(in);
    return n;
}

static unsigned chain_of_quote(const char *name, const struct tally_tdx_quote *q,
                               struct tally_slice bytes)
{
    (void)name;
    (void)bytes;
    return make_chain_again(q->pck_pem);
}

START_TEST(every_real_certificate_is_made_again_byte_for_byte)
{
    ck_assert_uint_eq(tdx_each_quote(chain_of_quote), 15 * 3);
    size_t n;
    const struct tdx_bundle *b = tdx_bundles(&n);
    ck_assert_uint_eq(n, 7);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(make_chain_again(bundle_file(&b[i], "tcb_sign_chain.pem")), 2);
}
END_TEST

/* The PEM text too. */
static unsigned pem_again(const char *name, const struct tally_tdx_quote *q,
                          struct tally_slice bytes)
{
    static uint8_t text[8192];
    struct tally_wr w = tally_wr_to(text, sizeof text);
    BIO *in = BIO_new_mem_buf(q->pck_pem.at, (int)q->pck_pem.len);
    X509 *x;

    (void)bytes;
    while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        uint8_t *der = NULL;
        int n = i2d_X509(x, &der);
        tally_sim_tdx_pem(tally_slice_of(der, (size_t)n), &w);
        OPENSSL_free(der);
        X509_free(x);
    }
    ck_assert_msg(w.used <= q->pck_pem.len && q->pck_pem.len - w.used <= 1 &&
                      memcmp(text, q->pck_pem.at, w.used) == 0,
                  "%s", name);
    BIO_free(in);
    return 1;
}

START_TEST(every_real_chain_is_written_again_byte_for_byte)
{
    ck_assert_uint_eq(tdx_each_quote(pem_again), 15);
}
END_TEST

/* The list's issuer, by what it is called and by its key: of the quote or bundle it came with. */
static EVP_PKEY *issuer_key(const char *cn)
{
    static EVP_PKEY *keys[TALLY_SIM_TDX_ROLES];
    enum tally_sim_tdx_role role = role_of(cn);
    struct tally_tdx_quote q;

    if (keys[role] != NULL) return keys[role];
    ck_assert_int_eq(tally_tdx_quote_decode(tdx_row_named("emr_v5_google")->quote, &q), TALLY_OK);
    BIO *in = BIO_new_mem_buf(q.pck_pem.at, (int)q.pck_pem.len);
    X509 *x;
    while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        char subject[64];
        enum tally_sim_tdx_role r = role_of(cn_of(X509_get_subject_name(x), subject));
        if (keys[r] == NULL) keys[r] = X509_get_pubkey(x);
        X509_free(x);
    }
    BIO_free(in);
    ck_assert_ptr_nonnull(keys[role]);
    return keys[role];
}

static void make_list_again(struct tally_slice der)
{
    static uint8_t serials[256][TALLY_SIM_TDX_SERIAL_BYTES], out[32 * 1024];
    const uint8_t *at = der.at;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(crl);
    struct tally_sim_tdx_crl c;
    struct tally_wr w = tally_wr_to(out, sizeof out);
    char cn[64];
    const char *issuer = cn_of(X509_CRL_get_issuer(crl), cn);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);

    tally_sim_tdx_crl_init(&c, role_of(issuer), issuer_key(issuer));
    c.signer = simulated_tdx_key("any");
    c.this_update_s = seconds(X509_CRL_get0_lastUpdate(crl));
    c.next_update_s = seconds(X509_CRL_get0_nextUpdate(crl));
    c.number = (uint32_t)ASN1_INTEGER_get(number);
    for (int i = 0; i < sk_X509_REVOKED_num(rows); i++)
        serial_of(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(rows, i)),
                  serials[c.revoked_n++]);
    c.revoked = (const uint8_t(*)[TALLY_SIM_TDX_SERIAL_BYTES])serials;
    ck_assert_int_eq(tally_sim_tdx_crl_make(&c, &w), TALLY_OK);
    /* Outer header, then the signed part, of two bytes of length in both. */
    size_t head = der.at[1] == 0x82 ? 4 : 3, mine = out[1] == 0x82 ? 4 : 3;
    ck_assert_uint_eq(der.at[head + 1], out[mine + 1]);
    size_t len = der.at[head + 1] == 0x82 ? 4U + der.at[head + 2] * 256U + der.at[head + 3]
                                          : 3U + der.at[head + 2];
    ck_assert_uint_le(mine + len, w.used);
    ck_assert_mem_eq(out + mine, der.at + head, len);
    ASN1_INTEGER_free(number);
    X509_CRL_free(crl);
}

START_TEST(every_real_revocation_list_is_made_again_byte_for_byte)
{
    size_t n;
    const struct tdx_bundle *b = tdx_bundles(&n);

    ck_assert_uint_eq(n, 7);
    for (size_t i = 0; i < n; i++) {
        make_list_again(bundle_file(&b[i], "root_ca_crl.der"));
        make_list_again(bundle_file(&b[i], "pck_crl.der"));
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("sim_tdx_cert");

    tcase_add_test(t, every_real_certificate_is_made_again_byte_for_byte);
    tcase_add_test(t, every_real_chain_is_written_again_byte_for_byte);
    tcase_add_test(t, every_real_revocation_list_is_made_again_byte_for_byte);
    return tally_suite_run("common/sim_tdx_cert", t);
}
