/* test_verify_tdx_sim_chain.c - common/attest/verify_tdx.c over simulated chains, each with one
 * thing changed and signed again: the PCK chain that the quote carries and the TCB signing
 * certificate (ATTESTATION.md D.4). */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

enum {
    ROOT = TALLY_SIM_TDX_ROOT,
    CA = TALLY_SIM_TDX_PLATFORM,
    TCB = TALLY_SIM_TDX_TCB,
    LEAF = TALLY_SIM_TDX_PCK
};

/* The chain's text: blocks in another order, or other text. */
static void chain_of(struct simulated_tdx *s, const int *roles, size_t n)
{
    struct tally_wr w = tally_wr_to(s->pem.at, sizeof s->pem.at);

    for (size_t i = 0; i < n; i++)
        tally_sim_tdx_pem(tally_slice_of(s->certs[roles[i]].at, s->certs[roles[i]].len), &w);
    ck_assert(!w.full);
    s->pem.len = w.used;
}

static void insert(struct simulated_tdx *s, size_t at, const char *text, size_t n)
{
    memmove(s->pem.at + at + n, s->pem.at + at, s->pem.len - at);
    memcpy(s->pem.at + at, text, n);
    s->pem.len += n;
}

/* Where the second block begins. */
static size_t second(const struct simulated_tdx *s)
{
    const uint8_t *at = memmem(s->pem.at + 1, s->pem.len - 1, "-----BEGIN", 10);

    return (size_t)(at - s->pem.at);
}

static void crlf(struct simulated_tdx *s)
{
    for (size_t i = 0; i < s->pem.len; i++) {
        if (s->pem.at[i] == '\n') insert(s, i++, "\r", 1);
    }
}

#define ORDER(...) \
    chain_of(s, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define CHAIN(name, ...)                                                      \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == SIM_TDX_CHAIN) {                                         \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }

/* clang-format off */
CHAIN(no_root, ORDER(LEAF, CA))
CHAIN(leaf_only, ORDER(LEAF))
CHAIN(four, ORDER(LEAF, CA, ROOT, ROOT))
CHAIN(two_cas, ORDER(LEAF, CA, TALLY_SIM_TDX_PROCESSOR, ROOT))
CHAIN(reversed, ORDER(ROOT, CA, LEAF))
CHAIN(swapped, ORDER(LEAF, ROOT, CA))
CHAIN(leaf_twice, ORDER(LEAF, LEAF, ROOT))
CHAIN(tcb_for_ca, ORDER(LEAF, TCB, ROOT))
CHAIN(tcb_for_leaf, ORDER(TCB, CA, ROOT))
CHAIN(other_ca, ORDER(LEAF, TALLY_SIM_TDX_PROCESSOR, ROOT))
CHAIN(nothing, s->pem.len = 0)
CHAIN(text_before, insert(s, 0, "text\n", 5))
CHAIN(text_between, insert(s, second(s), "text\n", 5))
CHAIN(line_between, insert(s, second(s), "\n\n", 2))
CHAIN(nul_between, insert(s, second(s), "\0", 1))
CHAIN(nul_inside, s->pem.at[100] = 0)
CHAIN(bad_letter, s->pem.at[100] = '!')
CHAIN(windows_lines, crlf(s))
CHAIN(text_behind, insert(s, s->pem.len, "text", 4))
CHAIN(nul_behind, insert(s, s->pem.len, "\0", 1))
CHAIN(two_nuls_behind, insert(s, s->pem.len, "\0\0", 2))
CHAIN(nul_and_more, insert(s, s->pem.len, "\0\n", 2))
CHAIN(cut, s->pem.len -= 10)
CHAIN(other_label, memcpy(s->pem.at + 11, "CERTIFICATX", 11))

#define TEXT(X)                                                                                   \
    X(chain_of_one, E_CERT_SHAPE, s->hook = leaf_only)                                            \
    X(chain_of_two, E_CERT_SHAPE, s->hook = no_root)                                              \
    X(chain_of_four, E_CERT_SHAPE, s->hook = four)                                                \
    X(chain_with_both_cas, E_CERT_SHAPE, s->hook = two_cas)                                       \
    X(chain_root_first, E_CERT_SHAPE, s->hook = reversed)                                         \
    X(chain_swapped, E_CERT_SHAPE, s->hook = swapped)                                             \
    X(chain_leaf_twice, E_CERT_SHAPE, s->hook = leaf_twice)                                       \
    X(chain_tcb_signing_as_ca, E_CERT_SHAPE, s->hook = tcb_for_ca)                                \
    X(chain_tcb_signing_as_leaf, E_CERT_SHAPE, s->hook = tcb_for_leaf)                            \
    X(chain_ca_that_did_not_issue, E_CERT_SHAPE, s->hook = other_ca)                              \
    X(chain_empty, E_CERT_SHAPE, s->hook = nothing)                                               \
    X(chain_text_before, E_CERT_PARSE, s->hook = text_before)                                     \
    X(chain_text_between, E_CERT_PARSE, s->hook = text_between)                                   \
    X(chain_lines_between, E_CERT_PARSE, s->hook = line_between)                                  \
    X(chain_nul_between, E_CERT_PARSE, s->hook = nul_between)                                     \
    X(chain_nul_inside, E_CERT_PARSE, s->hook = nul_inside)                                       \
    X(chain_bad_letter, E_CERT_PARSE, s->hook = bad_letter)                                       \
    X(chain_crlf, E_CERT_PARSE, s->hook = windows_lines)                                          \
    X(chain_text_behind, E_CERT_SHAPE, s->hook = text_behind)                                     \
    X(chain_one_nul_behind, NONE, s->hook = nul_behind)                                           \
    X(chain_two_nuls_behind, E_CERT_SHAPE, s->hook = two_nuls_behind)                             \
    X(chain_more_after_the_nul, E_CERT_SHAPE, s->hook = nul_and_more)                             \
    X(chain_cut, E_CERT_PARSE, s->hook = cut)                                                     \
    X(chain_other_label, E_CERT_PARSE, s->hook = other_label)
TEXT(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case text[] = {TEXT(SIM_TDX_ROW)};

START_TEST(the_chain_is_three_certificates_and_nothing_else)
{
    simulated_tdx_cases(text, sizeof text / sizeof text[0]);
}
END_TEST

/* One more byte inside the certificate's DER: the outer length in three bytes where two do. */
static void long_length(struct tally_sim_bytes *c)
{
    memmove(c->at + 5, c->at + 4, c->len - 4);
    c->at[4] = c->at[3];
    c->at[3] = c->at[2];
    c->at[2] = 0;
    c->at[1] = 0x83;
    c->len++;
}

/* The outer SEQUENCE without a length, ended by two zero bytes. */
static void indefinite(struct tally_sim_bytes *c)
{
    memmove(c->at + 2, c->at + 4, c->len - 4);
    c->at[1] = 0x80;
    c->at[c->len - 2] = c->at[c->len - 1] = 0;
}

#define CERTS(name, ...)                                                      \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == SIM_TDX_CERTS) {                                         \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }
/* clang-format off */
CERTS(leaf_long, long_length(&s->certs[LEAF]))
CERTS(leaf_indefinite, indefinite(&s->certs[LEAF]))
CERTS(leaf_trailing, s->certs[LEAF].at[s->certs[LEAF].len++] = 0)
CERTS(leaf_cut, s->certs[LEAF].len--)
CERTS(ca_long, long_length(&s->certs[CA]))
CERTS(ca_trailing, s->certs[CA].at[s->certs[CA].len++] = 0)
CERTS(tcb_long, long_length(&s->certs[TCB]))
CERTS(tcb_indefinite, indefinite(&s->certs[TCB]))
/* clang-format on */

/* The signed part changed, then signed again by the CA: 8 bytes of headers before it all, the
 * version's 5 after them. */
enum { TBS = 4, VERSION = 12, SERIAL = 13 };
static const uint8_t ecdsa_sha256[] = {0x30, 10,   6,    8,    0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

static void set_length(uint8_t *header, size_t len)
{
    header[2] = (uint8_t)(len >> 8);
    header[3] = (uint8_t)len;
}

static void sign_again(struct tally_sim_bytes *c, size_t tbs_len)
{
    uint8_t sig[80], *at = c->at + TBS + 4 + tbs_len;
    size_t sig_len = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    set_length(c->at + TBS, tbs_len);
    ck_assert_int_eq(
        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, simulated_tdx_root()->keys[CA]), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, sig, &sig_len, c->at + TBS, 4 + tbs_len), 1);
    EVP_MD_CTX_free(ctx);
    memcpy(at, ecdsa_sha256, sizeof ecdsa_sha256);
    at += sizeof ecdsa_sha256;
    *at++ = 3;
    *at++ = (uint8_t)(sig_len + 1);
    *at++ = 0;
    memcpy(at, sig, sig_len);
    c->len = (size_t)(at - c->at) + sig_len;
    set_length(c->at, c->len - 4);
}

static size_t tbs_bytes(const struct tally_sim_bytes *c)
{
    ck_assert(c->at[1] == 0x82 && c->at[TBS + 1] == 0x82);
    return (size_t)c->at[TBS + 2] << 8 | c->at[TBS + 3];
}

static void change_tbs(struct simulated_tdx *s, size_t at, uint8_t v)
{
    struct tally_sim_bytes *c = &s->certs[LEAF];

    c->at[at] = v;
    sign_again(c, tbs_bytes(c));
}

/* A zero byte more in front of the serial number. */
static void long_serial(struct simulated_tdx *s)
{
    struct tally_sim_bytes *c = &s->certs[LEAF];
    size_t n = tbs_bytes(c);

    memmove(c->at + SERIAL + 3, c->at + SERIAL + 2, c->len - SERIAL - 2);
    c->at[SERIAL + 2] = 0;
    c->at[SERIAL + 1]++;
    sign_again(c, n + 1);
}

/* TRUE of a critical extension as 1. */
static void loose_true(struct simulated_tdx *s)
{
    static const uint8_t usage[] = {0x55, 0x1d, 0x0f, 1, 1, 0xff};
    struct tally_sim_bytes *c = &s->certs[LEAF];
    uint8_t *at = memmem(c->at, c->len, usage, sizeof usage);

    ck_assert_ptr_nonnull(at);
    change_tbs(s, (size_t)(at - c->at) + 5, 1);
}

/* The algorithm inside says SHA-384, the one outside SHA-256. */
static void two_algorithms(struct simulated_tdx *s)
{
    struct tally_sim_bytes *c = &s->certs[LEAF];
    uint8_t *at = memmem(c->at, c->len, ecdsa_sha256, sizeof ecdsa_sha256);

    ck_assert_ptr_nonnull(at);
    change_tbs(s, (size_t)(at - c->at) + sizeof ecdsa_sha256 - 1, 3);
}

/* The leaf's key in another encoding. */
static void encode_key(struct simulated_tdx *s, const char *param, const char *value)
{
    static EVP_PKEY *key;

    EVP_PKEY_free(key);
    key = EVP_PKEY_dup(s->pck);
    ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(key, param, value), 1);
    s->spec.certs[LEAF].key = key;
}

/* clang-format off */
CERTS(leaf_long_serial, long_serial(s))
CERTS(leaf_loose_true, loose_true(s))
CERTS(leaf_two_algorithms, two_algorithms(s))
CERTS(leaf_version_2, change_tbs(s, VERSION, 1))
CERTS(leaf_version_4, change_tbs(s, VERSION, 3))
/* clang-format on */

/* Another root of the same name: in the chain, while the anchor stays. */
static struct tally_sim_bytes foreign_root(void)
{
    struct tally_sim_tdx_cert c;
    struct tally_sim_bytes out;
    struct tally_wr w = tally_wr_to(out.at, sizeof out.at);
    struct evp_pkey_st *key = simulated_tdx_key("foreign root");

    tally_sim_tdx_cert_init(&c, TALLY_SIM_TDX_ROOT, key, TALLY_SIM_TDX_ROOT, key);
    c.not_before_s = SIM_TDX_NOW_S - 1;
    c.not_after_s = SIM_TDX_NOW_S + 1;
    ck_assert_int_eq(tally_sim_tdx_cert_make(&c, &w), TALLY_OK);
    out.len = w.used;
    return out;
}

static void with_foreign_root(struct simulated_tdx *s, enum simulated_tdx_stage stage)
{
    struct tally_sim_bytes kept = s->certs[ROOT];

    if (stage != SIM_TDX_CHAIN) return;
    s->certs[ROOT] = foreign_root();
    ORDER(LEAF, CA, ROOT);
    s->certs[ROOT] = kept;
}

/* The anchor's own certificate signed once more: the same key, other bytes. */
static void with_root_signed_again(struct simulated_tdx *s, enum simulated_tdx_stage stage)
{
    struct tally_sim_bytes kept = s->certs[ROOT];
    struct tally_wr w = tally_wr_to(s->certs[ROOT].at, sizeof s->certs[ROOT].at);

    if (stage != SIM_TDX_CHAIN) return;
    ck_assert_int_eq(tally_sim_tdx_cert_make(&s->spec.certs[ROOT], &w), TALLY_OK);
    s->certs[ROOT].len = w.used;
    ORDER(LEAF, CA, ROOT);
    s->certs[ROOT] = kept;
}

static const uint8_t ku_sign[] = {3, 2, 6, 0xc0}, ku_ca[] = {3, 2, 1, 6}, ku_crl[] = {3, 2, 1, 2};
static const uint8_t ku_cert[] = {3, 2, 2, 4}, ku_other[] = {3, 2, 5, 0x20};
static const uint8_t bc_ca[] = {0x30, 3, 1, 1, 0xff}, bc_none[] = {0x30, 0};
static const uint8_t bc_0[] = {0x30, 6, 1, 1, 0xff, 2, 1, 0}, null[] = {5, 0};
#define KU(role, v) \
    tally_sim_tdx_ext_set(&s->spec.certs[role].exts, "2.5.29.15", true, TALLY_SLICE(v))
#define BC(role, v) \
    tally_sim_tdx_ext_set(&s->spec.certs[role].exts, "2.5.29.19", true, TALLY_SLICE(v))
#define UNKNOWN(role, critical) \
    tally_sim_tdx_ext_add(&s->spec.certs[role].exts, "1.2.3.4.5", critical, TALLY_SLICE(null))
#define TWICE(role, oid, v) \
    tally_sim_tdx_ext_add(&s->spec.certs[role].exts, oid, true, TALLY_SLICE(v))
#define DROP(role, oid) tally_sim_tdx_ext_drop(&s->spec.certs[role].exts, oid)

/* The CA under another name, and the leaf and the list that follow it. */
static void rename_ca(struct simulated_tdx *s, const char *cn)
{
    s->spec.certs[CA].subject = s->spec.certs[LEAF].issuer = s->spec.pck_crl.issuer = cn;
}

static void set_leaf_key(struct simulated_tdx *s, struct evp_pkey_st *key)
{
    s->spec.certs[LEAF].key = key;
}

static void pck(struct simulated_tdx *s)
{
    tally_sim_tdx_pck_add(&s->spec.pck, &s->spec.certs[LEAF].exts);
}

/* The extension with one byte changed where the pattern stands. */
static void pck_patch(struct simulated_tdx *s, const uint8_t *find, size_t n, size_t at, uint8_t v)
{
    uint8_t bytes[1024];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);

    tally_sim_tdx_pck_encode(&s->spec.pck, &w);
    uint8_t *hit = memmem(bytes, w.used, find, n);
    ck_assert_ptr_nonnull(hit);
    hit[at] = v;
    tally_sim_tdx_ext_set(&s->spec.certs[LEAF].exts, TALLY_SIM_TDX_PCK_OID, false,
                          tally_slice_of(bytes, w.used));
}
static const uint8_t instance_oid[] = {0x4d, 1, 13, 1, 6}, fmspc_oid[] = {0x4d, 1, 13, 1, 4};
static const uint8_t comp_3_oid[] = {0x4d, 1, 13, 1, 2, 3}, pce_oid[] = {0x4d, 1, 13, 1, 3};
#define PCK(oid, at, v) pck_patch(s, oid, sizeof oid, at, v)

/* clang-format off */
#define CHAIN_CASES(X)                                                                            \
    X(processor_ca, NONE, simulated_tdx_processor(s))                                             \
    X(unknown_ca_name, E_CERT_SHAPE, rename_ca(s, "Intel SGX PCK Package CA"))                    \
    X(ca_name_with_more, E_CERT_SHAPE, rename_ca(s, "Intel SGX PCK Platform CA "))                \
    X(ca_name_in_other_case, E_CERT_SHAPE, rename_ca(s, "Intel SGX PCK platform CA"))             \
    X(leaf_name, E_CERT_SHAPE, s->spec.certs[LEAF].subject = "Intel SGX PCK Certificate 2")       \
    X(leaf_issuer_name, E_CERT_SHAPE, s->spec.certs[LEAF].issuer = "Intel SGX PCK Processor CA")  \
    X(ca_issuer_name, E_CERT_SHAPE, s->spec.certs[CA].issuer = "Intel SGX Root CB")               \
    X(tcb_name, E_CERT_SHAPE, s->spec.certs[TCB].subject = "Intel SGX TCB Signin")                \
    X(tcb_issuer_name, E_CERT_SHAPE, s->spec.certs[TCB].issuer = "Intel SGX PCK Platform CA")     \
    X(root_of_another, E_ROOT_UNTRUSTED, s->hook = with_foreign_root)                             \
    X(root_signed_again, E_ROOT_UNTRUSTED, s->hook = with_root_signed_again)                      \
    X(leaf_signed_by_another, E_SIGNATURE,                                                        \
      s->spec.certs[LEAF].signer = simulated_tdx_key("other"))                                    \
    X(leaf_signed_by_the_root, E_SIGNATURE,                                                       \
      s->spec.certs[LEAF].signer = simulated_tdx_root()->keys[ROOT])                              \
    X(ca_signed_by_another, E_SIGNATURE, s->spec.certs[CA].signer = simulated_tdx_key("other"))   \
    X(tcb_signed_by_another, E_SIGNATURE, s->spec.certs[TCB].signer = simulated_tdx_key("other")) \
    X(tcb_signed_by_a_pck_ca, E_SIGNATURE,                                                        \
      s->spec.certs[TCB].signer = simulated_tdx_root()->keys[CA])                                 \
    X(leaf_sha_384, E_CERT_ALG, s->spec.certs[LEAF].hash = "SHA384")                              \
    X(ca_sha_384, E_CERT_ALG, s->spec.certs[CA].hash = "SHA384")                                  \
    X(tcb_sha_384, E_CERT_ALG, s->spec.certs[TCB].hash = "SHA384")                                \
    X(leaf_sha_1, E_CERT_ALG, s->spec.certs[LEAF].hash = "SHA1")                                  \
    X(leaf_p384, E_KEY, set_leaf_key(s, simulated_tdx_key("p384")))                               \
    X(ca_p384, E_KEY, s->spec.certs[CA].key = simulated_tdx_key("p384"))                          \
    X(tcb_p384, E_KEY, s->spec.certs[TCB].key = simulated_tdx_key("p384"))                        \
    X(leaf_unknown_critical, E_CERT_CRITICAL_EXT, UNKNOWN(LEAF, true))                            \
    X(ca_unknown_critical, E_CERT_CRITICAL_EXT, UNKNOWN(CA, true))                                \
    X(tcb_unknown_critical, E_CERT_CRITICAL_EXT, UNKNOWN(TCB, true))                              \
    X(leaf_unknown, NONE, UNKNOWN(LEAF, false))                                                   \
    X(leaf_usage_twice, E_CERT_EXT_DUP, TWICE(LEAF, "2.5.29.15", ku_sign))                        \
    X(ca_constraints_twice, E_CERT_EXT_DUP, TWICE(CA, "2.5.29.19", bc_0))                         \
    X(leaf_is_ca, E_CERT_CONSTRAINT, BC(LEAF, bc_ca))                                             \
    X(leaf_without_constraints, NONE, DROP(LEAF, "2.5.29.19"))                                    \
    X(leaf_usage_cert_sign, E_CERT_CONSTRAINT, KU(LEAF, ku_ca))                                   \
    X(leaf_usage_other, E_CERT_CONSTRAINT, KU(LEAF, ku_other))                                    \
    X(leaf_without_usage, E_CERT_CONSTRAINT, DROP(LEAF, "2.5.29.15"))                             \
    X(ca_is_no_ca, E_CERT_CONSTRAINT, BC(CA, bc_none))                                            \
    X(ca_without_constraints, E_CERT_CONSTRAINT, DROP(CA, "2.5.29.19"))                           \
    X(ca_without_path_length, E_CERT_CONSTRAINT, BC(CA, bc_ca))                                   \
    X(ca_usage_without_cert_sign, E_CERT_CONSTRAINT, KU(CA, ku_crl))                              \
    X(ca_usage_without_crl_sign, E_CERT_CONSTRAINT, KU(CA, ku_cert))                              \
    X(ca_usage_sign, E_CERT_CONSTRAINT, KU(CA, ku_sign))                                          \
    X(ca_without_usage, E_CERT_CONSTRAINT, DROP(CA, "2.5.29.15"))                                 \
    X(tcb_is_ca, E_CERT_CONSTRAINT, BC(TCB, bc_ca))                                               \
    X(tcb_usage, E_CERT_CONSTRAINT, KU(TCB, ku_ca))                                               \
    X(leaf_length_not_minimal, E_CERT_NONCANONICAL, s->hook = leaf_long)                          \
    X(leaf_ber, E_CERT_NONCANONICAL, s->hook = leaf_indefinite)                                   \
    X(leaf_byte_behind, E_CERT_NONCANONICAL, s->hook = leaf_trailing)                             \
    X(leaf_one_byte_short, E_CERT_PARSE, s->hook = leaf_cut)                                      \
    X(leaf_serial_not_minimal, E_CERT_NONCANONICAL, s->hook = leaf_long_serial)                   \
    X(leaf_true_is_1, E_CERT_NONCANONICAL, s->hook = leaf_loose_true)                             \
    X(leaf_algorithms_differ, E_CERT_ALG, s->hook = leaf_two_algorithms)                          \
    X(leaf_x509_version_2, E_CERT_SHAPE, s->hook = leaf_version_2)                                \
    X(leaf_x509_version_4, E_CERT_SHAPE, s->hook = leaf_version_4)                                \
    X(leaf_compressed_point, E_KEY,                                                               \
      encode_key(s, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"))                    \
    X(leaf_hybrid_point, E_KEY,                                                                   \
      encode_key(s, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "hybrid"))                        \
    X(leaf_explicit_curve, E_KEY, encode_key(s, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"))         \
    X(ca_length_not_minimal, E_CERT_NONCANONICAL, s->hook = ca_long)                              \
    X(ca_byte_behind, E_CERT_NONCANONICAL, s->hook = ca_trailing)                                 \
    X(tcb_length_not_minimal, E_CERT_NONCANONICAL, s->hook = tcb_long)                            \
    X(tcb_ber, E_CERT_NONCANONICAL, s->hook = tcb_indefinite)                                     \
    X(no_sgx_extension, E_CERT_EXT_MISSING, DROP(LEAF, TALLY_SIM_TDX_PCK_OID))                    \
    X(sgx_extension_twice, E_CERT_EXT_DUP,                                                        \
      tally_sim_tdx_ext_add(&s->spec.certs[LEAF].exts, TALLY_SIM_TDX_PCK_OID, false,              \
                            TALLY_SLICE(null)))                                                   \
    X(sgx_extension_no_sequence, E_CERT_PARSE,                                                    \
      tally_sim_tdx_ext_set(&s->spec.certs[LEAF].exts, TALLY_SIM_TDX_PCK_OID, false,              \
                            TALLY_SLICE(null)))                                                   \
    X(no_ppid, E_CERT_EXT_MISSING, s->spec.pck.without = 1U << 1; pck(s))                         \
    X(no_tcb, E_CERT_EXT_MISSING, s->spec.pck.without = 1U << 2; pck(s))                          \
    X(no_pceid, E_CERT_EXT_MISSING, s->spec.pck.without = 1U << 3; pck(s))                        \
    X(no_fmspc, E_CERT_EXT_MISSING, s->spec.pck.without = 1U << 4; pck(s))                        \
    X(no_sgx_type, E_CERT_EXT_MISSING, s->spec.pck.without = 1U << 5; pck(s))                     \
    X(no_component_3, E_CERT_EXT_MISSING, s->spec.pck.tcb_without = 1U << 3; pck(s))              \
    X(no_component_16, E_CERT_EXT_MISSING, s->spec.pck.tcb_without = 1U << 16; pck(s))            \
    X(no_pcesvn, E_CERT_EXT_MISSING, s->spec.pck.tcb_without = 1U << 17; pck(s))                  \
    X(no_cpusvn, E_CERT_EXT_MISSING, s->spec.pck.tcb_without = 1U << 18; pck(s))                  \
    X(unknown_part, E_CERT_PARSE, PCK(fmspc_oid, 4, 9))                                           \
    X(unknown_tcb_part, E_CERT_PARSE, PCK(comp_3_oid, 5, 30))                                     \
    X(ppid_twice, E_CERT_EXT_DUP, PCK(instance_oid, 4, 1))                                        \
    X(component_twice, E_CERT_EXT_DUP, PCK(comp_3_oid, 5, 2))                                     \
    X(fmspc_of_two_bytes, E_CERT_PARSE, s->spec.pck.without = 1U << 4; PCK(pce_oid, 4, 4))        \
    X(component_negative, E_CERT_PARSE, PCK(comp_3_oid, 8, 0x80))                                 \
    X(component_no_integer, E_CERT_PARSE, PCK(comp_3_oid, 6, 4))                                  \
    X(cpusvn_is_not_the_components, E_CERT_PARSE, s->spec.pck.cpusvn[0] ^= 1; pck(s))
CHAIN_CASES(SIM_TDX_CHANGE)
/* clang-format on */
static const struct simulated_tdx_case chain[] = {CHAIN_CASES(SIM_TDX_ROW)};

START_TEST(every_certificate_is_what_intel_issues)
{
    simulated_tdx_cases(chain, sizeof chain / sizeof chain[0]);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim_chain");

    tcase_add_test(t, the_chain_is_three_certificates_and_nothing_else);
    tcase_add_test(t, every_certificate_is_what_intel_issues);
    return tally_suite_run("common/verify_tdx_sim_chain", t);
}
