/* test_gpu_chain_sim.c - common/attest/gpu_chain.c and gpu_leaf.c over chains of our own in which
 * one thing is another (ATTESTATION.md C3.2, D.5), and the simulator over every published
 * certificate. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/gpu_chain.h"
#include "common/secret.h"
#include "common/text.h"
#include "tests/lib/gpu_vectors.h"
#include "tests/lib/simulated_gpu.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { NOW = SIM_GPU_NOW_S };

/* The reason of the refusal; NONE if it was good. */
static enum tally_reason judge(const struct tally_slice *der)
{
    TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain c = {0};
    uint32_t n;
    const struct tally_anchor *anchors = simulated_gpu_anchors(&n);

    return tally_gpu_chain_verify(der, TALLY_GPU_CERTS, anchors, n, NULL, &c) == TALLY_OK
               ? TALLY_R_NONE
               : tally_reason();
}

/* Chains of our own: `change` is made before the certificates are signed. */
static void cn(struct tally_sim_gpu *g, size_t at, const char *text)
{
    (void)snprintf(g->says[at].cn, sizeof g->says[at].cn, "%s", text);
}
static void curve(struct tally_sim_gpu *g, size_t at, const char *name)
{
    EVP_PKEY_free(g->keys[at]);
    g->keys[at] = EVP_EC_gen(name);
}
static void no_change(struct tally_sim_gpu *g)
{
    (void)g;
}
static void leaf_of_two(struct tally_sim_gpu *g)
{
    cn(g, 0, "GB100 A01 GSP FMC LF");
}
static void other_stepping(struct tally_sim_gpu *g)
{
    cn(g, 1, "GH100 A02 GSP BROM");
}
static void unknown_chip(struct tally_sim_gpu *g)
{
    cn(g, 0, "GX900 A01 GSP FMC LF");
    cn(g, 1, "GX900 A01 GSP BROM");
}
static void longer_chip(struct tally_sim_gpu *g)
{
    cn(g, 0, "GH100X A01 GSP FMC LF");
    cn(g, 1, "GH100X A01 GSP BROM");
}
static void other_ica(struct tally_sim_gpu *g)
{
    cn(g, 2, "NVIDIA GB100 Provisioner ICA 1");
}
static void ica_without_number(struct tally_sim_gpu *g)
{
    cn(g, 2, "NVIDIA GH100 Provisioner ICA ");
}
static void ica_with_more(struct tally_sim_gpu *g)
{
    cn(g, 2, "NVIDIA GH100 Provisioner ICA 1x");
}
static void other_identity(struct tally_sim_gpu *g)
{
    cn(g, 3, "NVIDIA GB100 Identity");
}
static void leaf_is_ca(struct tally_sim_gpu *g)
{
    g->says[0].ca = true;
}
static void leaf_may_not_sign(struct tally_sim_gpu *g)
{
    g->says[0].usage = 0x04;
}
static void brom_is_no_ca(struct tally_sim_gpu *g)
{
    g->says[1].ca = false;
}
static void brom_may_not_certify(struct tally_sim_gpu *g)
{
    g->says[1].usage = 0x80;
}
static void identity_is_no_ca(struct tally_sim_gpu *g)
{
    g->says[3].ca = false;
}
static void brom_is_the_last_ca(struct tally_sim_gpu *g)
{
    g->says[1].last_ca = true; /* as it is */
}
static void ica_is_the_last_ca(struct tally_sim_gpu *g)
{
    g->says[2].last_ca = true;
}
static void leaf_of_p256(struct tally_sim_gpu *g)
{
    curve(g, 0, "P-256");
}
static void ica_of_p256(struct tally_sim_gpu *g)
{
    curve(g, 2, "P-256");
}
static void sha256(struct tally_sim_gpu *g)
{
    g->says[1].hash = "SHA256";
}
static void sha512(struct tally_sim_gpu *g)
{
    g->says[0].hash = "SHA512";
}
static void critical(struct tally_sim_gpu *g)
{
    g->says[2].critical_oid = "1.2.3.4";
}
static void no_name(struct tally_sim_gpu *g)
{
    g->says[0].san[0] = '\0';
}
static void name_of_another(struct tally_sim_gpu *g)
{
    (void)snprintf(g->says[0].san, sizeof g->says[0].san, "NVIDIA:GB100:0123456789ABCDEF");
}
static void name_in_lower_case(struct tally_sim_gpu *g)
{
    (void)snprintf(g->says[0].san, sizeof g->says[0].san, "NVIDIA:GH100:0123456789abcdef");
}
static void short_serial(struct tally_sim_gpu *g)
{
    g->says[1].serial_bytes = 8;
    g->says[1].serial[0] = 0x41;
}
static void no_fwid(struct tally_sim_gpu *g)
{
    g->says[0].fwid_style = TALLY_SIM_FWID_NONE;
}
static void blackwell_fwid(struct tally_sim_gpu *g)
{
    g->says[0].fwid_style = TALLY_SIM_FWID_DICE;
}

/* clang-format off */
static const struct {
    void (*change)(struct tally_sim_gpu *g);
    enum tally_reason reason;
} changes[] = {
    {no_change, TALLY_R_NONE}, {no_fwid, TALLY_R_NONE}, {blackwell_fwid, TALLY_R_NONE},
    {leaf_of_two, TALLY_R_E_CERT_SHAPE}, {other_stepping, TALLY_R_E_CERT_SHAPE},
    {unknown_chip, TALLY_R_E_PRODUCT}, {longer_chip, TALLY_R_E_PRODUCT},
    {other_ica, TALLY_R_E_CERT_SHAPE}, {ica_without_number, TALLY_R_E_CERT_SHAPE},
    {ica_with_more, TALLY_R_E_CERT_SHAPE}, {other_identity, TALLY_R_E_CERT_SHAPE},
    {leaf_is_ca, TALLY_R_E_CERT_CONSTRAINT}, {leaf_may_not_sign, TALLY_R_E_CERT_CONSTRAINT},
    {brom_is_no_ca, TALLY_R_E_CERT_CONSTRAINT},
    {brom_may_not_certify, TALLY_R_E_CERT_CONSTRAINT},
    {brom_is_the_last_ca, TALLY_R_NONE}, {ica_is_the_last_ca, TALLY_R_E_CERT_CONSTRAINT},
    {identity_is_no_ca, TALLY_R_E_CERT_CONSTRAINT}, {leaf_of_p256, TALLY_R_E_KEY},
    {ica_of_p256, TALLY_R_E_KEY}, {sha256, TALLY_R_E_CERT_ALG}, {sha512, TALLY_R_E_CERT_ALG},
    {critical, TALLY_R_E_CERT_CRITICAL_EXT}, {no_name, TALLY_R_E_CERT_EXT_MISSING},
    {name_of_another, TALLY_R_E_CERT_SHAPE}, {name_in_lower_case, TALLY_R_E_CERT_PARSE},
    {short_serial, TALLY_R_E_CERT_SHAPE},
};
/* clang-format on */

static void free_gpu(struct tally_sim_gpu **g)
{
    tally_sim_gpu_free(g);
}

START_TEST(a_chain_of_our_own_is_refused_for_what_it_says)
{
    TALLY_CLEANUP(free_gpu) struct tally_sim_gpu *g = NULL;
    struct tally_slice der[5];

    ck_assert_int_eq(tally_sim_gpu_new(simulated_gpu_root(), TALLY_GPU_GH100, NOW, &g), TALLY_OK);
    changes[_i].change(g);
    ck_assert_msg(tally_sim_gpu_issue(g) == TALLY_OK, "%s", tally_why());
    for (size_t i = 0; i < 5; i++) der[i] = tally_sim_gpu_der(g, i);
    enum tally_reason r = judge(der);
    ck_assert_msg(r == changes[_i].reason, "%s, not %s: %s", tally_reason_name(r),
                  tally_reason_name(changes[_i].reason), tally_why());
}
END_TEST

/* A signature by a key that is not the issuer's; a root of another name that is an anchor. */
START_TEST(a_forged_link_or_root_is_refused)
{
    TALLY_CLEANUP(free_gpu) struct tally_sim_gpu *g = NULL;
    struct tally_sim_gpu_root *other = NULL;
    struct tally_slice der[5];

    for (size_t place = 0; place < 4; place++) {
        struct tally_sim_gpu *a = simulated_gpu(0);
        uint8_t forged[TALLY_SIM_GPU_CERT_BYTES_MAX];
        struct tally_wr w = tally_wr_to(forged, sizeof forged);
        const struct tally_sim_gpu_making m = {.at = place,
                                               .says = &a->says[place],
                                               .issuer = &a->says[place + 1],
                                               .key = a->keys[place],
                                               .issuer_key = a->keys[place + 1],
                                               .signer = simulated_gpu(1)->keys[1]};
        ck_assert_int_eq(tally_sim_gpu_cert_make(&m, &w), TALLY_OK);
        for (size_t i = 0; i < 5; i++) der[i] = tally_sim_gpu_der(a, i);
        der[place] = tally_slice_of(forged, w.used);
        ck_assert_int_eq(judge(der), TALLY_R_E_SIGNATURE);
    }
    ck_assert_int_eq(tally_sim_gpu_root_new(NOW, "NVIDIA CoRIM signing Root CA", &other), TALLY_OK);
    ck_assert_int_eq(tally_sim_gpu_new(other, TALLY_GPU_GH100, NOW, &g), TALLY_OK);
    for (size_t i = 0; i < 5; i++) der[i] = tally_sim_gpu_der(g, i);
    const struct tally_anchor anchor = {.trust = TALLY_TRUST_TEST, .root = der[4]};
    struct tally_gpu_chain out = {0};
    ck_assert_int_ne(tally_gpu_chain_verify(der, 5, &anchor, 1, NULL, &out), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ROOT_UNTRUSTED);
    tally_sim_gpu_root_free(&other);
}
END_TEST

static X509 *parse(struct tally_slice der)
{
    X509 *x = d2i_X509(NULL, &der.at, (long)der.len);

    ck_assert_ptr_nonnull(x);
    return x;
}

static void free_x509(X509 **x)
{
    X509_free(*x);
}

static uint64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;

    ck_assert_int_eq(ASN1_TIME_to_tm(t, &tm), 1);
    return (uint64_t)timegm(&tm);
}

static void name_part(X509 *x, int nid, char *out, int size)
{
    out[0] = '\0';
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(x), nid, out, size);
}

/* What a real certificate says, as the simulator takes it. */
static void read_says(X509 *x, size_t at, const struct tally_gpu_chain *c,
                      struct tally_sim_gpu_cert *says)
{
    static const char *const l2[] = {"http://crl.ndis.nvidia.com/crl/l2-gh100.crl",
                                     "http://crl.ndis.nvidia.com/crl/l2-gb100.crl",
                                     "http://crl.ndis.nvidia.com/crl/l2-gh100.crl"};
    static const char *const spelt[] = {"GH100", "GB100", "LS_10"};
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    char id[2 * TALLY_GPU_ID_BYTES + 1];

    *says = (struct tally_sim_gpu_cert){.ca = at > 0,
                                        .usage = at == 0   ? 0x80
                                                 : at == 1 ? 0x04
                                                           : 0x06,
                                        .ocsp = X509_get_ext_by_NID(x, NID_info_access, -1) >= 0,
                                        .crl_url =
                                            at == 2   ? l2[c->chip]
                                            : at == 3 ? "http://crl.ndis.nvidia.com/crl/l1-root.crl"
                                                      : NULL,
                                        .hash = "SHA384",
                                        .serial_bytes = (size_t)ASN1_STRING_length(serial),
                                        .not_before_s = seconds(X509_get0_notBefore(x)),
                                        .not_after_s = seconds(X509_get0_notAfter(x))};
    memcpy(says->serial, ASN1_STRING_get0_data(serial), says->serial_bytes);
    name_part(x, NID_commonName, says->cn, sizeof says->cn);
    name_part(x, NID_serialNumber, says->number, sizeof says->number);
    if (at != 0) return;
    tally_hex(TALLY_SLICE(c->device_id), id);
    for (char *p = id; *p != '\0'; p++) *p = *p >= 'a' ? (char)(*p - 'a' + 'A') : *p;
    (void)snprintf(says->san, sizeof says->san, "NVIDIA:%s:%s", spelt[c->chip], id);
    says->fwid_style = c->chip == TALLY_GPU_GB100 ? TALLY_SIM_FWID_DICE : TALLY_SIM_FWID_COMPOSITE;
    memcpy(says->fwid, c->fwid, sizeof says->fwid);
}

/* Made again from what was decoded, every real certificate's signed part is the same bytes. */
START_TEST(the_simulator_makes_every_real_certificate_again)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);
    uint32_t anchors_n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&anchors_n);
    EVP_PKEY *signer = EVP_EC_gen("P-384");

    for (size_t i = 0; i < n; i++) {
        TALLY_CLEANUP(tally_gpu_chain_free) struct tally_gpu_chain c = {0};
        ck_assert_int_eq(tally_gpu_chain_verify(v[i].in.chain, 5, anchors, anchors_n, NULL, &c),
                         TALLY_OK);
        for (size_t at = 0; at < 5; at++) {
            TALLY_CLEANUP(free_x509) X509 *x = parse(v[i].in.chain[at]);
            TALLY_CLEANUP(free_x509) X509 *up = parse(v[i].in.chain[at < 4 ? at + 1 : at]);
            struct tally_sim_gpu_cert says, issuer;
            uint8_t made[TALLY_SIM_GPU_CERT_BYTES_MAX], *a = NULL, *b = NULL;
            struct tally_wr w = tally_wr_to(made, sizeof made);
            read_says(x, at, &c, &says);
            read_says(up, at + 1, &c, &issuer);
            const struct tally_sim_gpu_making m = {
                at, &says, &issuer, X509_get0_pubkey(x), X509_get0_pubkey(up), signer};
            ck_assert_int_eq(tally_sim_gpu_cert_make(&m, &w), TALLY_OK);
            TALLY_CLEANUP(free_x509) X509 *again = parse(tally_slice_of(made, w.used));
            int a_len = i2d_re_X509_tbs(x, &a), b_len = i2d_re_X509_tbs(again, &b);
            ck_assert_msg(a_len > 0 && a_len == b_len && memcmp(a, b, (size_t)a_len) == 0,
                          "%s: certificate %zu", v[i].name, at);
            OPENSSL_free(a);
            OPENSSL_free(b);
        }
    }
    EVP_PKEY_free(signer);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_gpu_setup();
    TCase *t = tcase_create("gpu_chain_sim");

    tcase_add_loop_test(t, a_chain_of_our_own_is_refused_for_what_it_says, 0,
                        (int)(sizeof changes / sizeof changes[0]));
    tcase_add_test(t, a_forged_link_or_root_is_refused);
    tcase_add_test(t, the_simulator_makes_every_real_certificate_again);
    return tally_suite_run("common/gpu_chain_sim", t);
}
