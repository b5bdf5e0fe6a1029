/* test_verify_tdx_sim_qe.c - common/attest/verify_tdx.c over simulated quotes: the quoting
 * enclave's report, the attestation key that it binds, and both signatures, each with one thing
 * changed and signed again (ATTESTATION.md D.2, D.4). */
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"

/* Where things are in the default quote: version 5, TD report 1.5. */
enum {
    SIG_AT = 54 + TALLY_TDX_BODY_15_BYTES + 4,
    QE_AT = SIG_AT + 128 + 6,
    QE_SIG_AT = QE_AT + TALLY_TDX_QE_REPORT_BYTES,
    QE_AUTH_AT = QE_SIG_AT + 64,
};

static const uint8_t long_auth[4096];

static struct simulated_tdx *new_case(void)
{
    struct simulated_tdx *s = malloc(sizeof *s);

    ck_assert_ptr_nonnull(s);
    simulated_tdx_init(s);
    return s;
}

#define HOOK(name, at_stage, ...)                                             \
    static void name(struct simulated_tdx *s, enum simulated_tdx_stage stage) \
    {                                                                         \
        if (stage == (at_stage)) {                                            \
            __VA_ARGS__;                                                      \
        }                                                                     \
    }

/* Auth data may have any length: the QE report binds it. */
START_TEST(auth_data_of_any_length_is_bound)
{
    static const uint16_t lengths[] = {0, 1, 31, 32, 33, 64, 4096};
    static struct tally_verdict v;
    struct simulated_tdx *s = new_case();

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        simulated_tdx_init(s);
        s->quote.auth = tally_slice_of(long_auth, lengths[i]);
        ck_assert_msg(simulated_tdx_judge(s, &v) == TALLY_OK, "%u: %s", lengths[i], tally_why());
        if (lengths[i] == 0) continue;
        s->bytes[QE_AUTH_AT + 2] ^= 1;
        ck_assert_int_ne(simulated_tdx_verify(s, &v), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_QE_BINDING);
    }
    free(s);
}
END_TEST

/* Another key's quote in this machine's wrapper: bound to the one, signed by the other. */
HOOK(swap_ak, SIM_TDX_BOUND, s->ak = simulated_tdx_key("other");
     tally_sim_tdx_point(s->ak, s->quote.ak))
/* The digest over a key that is none. */
static void rebind(struct simulated_tdx *s)
{
    TALLY_SHA256_OF(s->quote.qe.report_data, TALLY_SLICE(s->quote.ak), s->quote.auth);
}
/* p of P-256, big-endian: not a coordinate. */
static const uint8_t prime[32] = {0xff, 0xff,        0xff, 0xff, 0,    0,    0,
                                  1,    [20] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff,        0xff, 0xff, 0xff, 0xff};
/* clang-format off */
HOOK(ak_zero, SIM_TDX_BOUND, memset(s->quote.ak, 0, 64); rebind(s))
HOOK(ak_prime, SIM_TDX_BOUND, memcpy(s->quote.ak, prime, 32); rebind(s))
HOOK(ak_off_curve, SIM_TDX_BOUND, s->quote.ak[63] ^= 1; rebind(s))
HOOK(upper_half, SIM_TDX_BOUND, s->quote.qe.report_data[32] = 1)
HOOK(upper_half_last, SIM_TDX_BOUND, s->quote.qe.report_data[63] = 0x80)
HOOK(lower_half, SIM_TDX_BOUND, s->quote.qe.report_data[31] ^= 1)
HOOK(auth_changed, SIM_TDX_DONE, s->bytes[QE_AUTH_AT + 2 + 31] ^= 1)

#define QE(X)                                                                                     \
    X(ak_of_another, E_QE_BINDING, s->hook = swap_ak)                                             \
    X(ak_zero_point, E_KEY, s->hook = ak_zero)                                                    \
    X(ak_coordinate_p, E_KEY, s->hook = ak_prime)                                                 \
    X(ak_not_on_curve, E_KEY, s->hook = ak_off_curve)                                             \
    X(auth_data_changed, E_QE_BINDING, s->hook = auth_changed)                                    \
    X(qe_report_data_lower_half, E_QE_BINDING, s->hook = lower_half)                              \
    X(qe_report_data_upper_half, E_QE_BINDING, s->hook = upper_half)                              \
    X(qe_report_data_last_byte, E_QE_BINDING, s->hook = upper_half_last)                          \
    X(qe_signed_by_another, E_SIGNATURE, s->pck = simulated_tdx_key("other"))                     \
    X(qe_reserved_1, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){20, 1})              \
    X(qe_reserved_1_end, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){47, 1})          \
    X(qe_reserved_2, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){96, 1})              \
    X(qe_reserved_2_end, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){127, 1})         \
    X(qe_reserved_3, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){160, 1})             \
    X(qe_reserved_3_end, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){255, 1})         \
    X(qe_reserved_4, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){260, 1})             \
    X(qe_reserved_4_end, E_RESERVED_NONZERO, s->qe = (struct simulated_tdx_flip){319, 128})       \
    X(qe_debug, E_QE_IDENTITY, s->quote.qe.attributes[0] |= 2)                                    \
    X(qe_debug_outside_the_mask, E_QE_IDENTITY, s->quote.qe.attributes[0] |= 2;                   \
      s->spec.qe_identity.attributes_mask = "F9FFFFFFFFFFFFFF0000000000000000")                   \
    X(qe_not_initialised, E_QE_IDENTITY, s->quote.qe.attributes[0] = 0x14)                        \
    X(qe_attribute_outside_the_mask, NONE, s->quote.qe.attributes[0] ^= 4)                        \
    X(qe_attribute_byte_7, E_QE_IDENTITY, s->quote.qe.attributes[7] = 0x80)                       \
    X(qe_xfrm_outside_the_mask, NONE, s->quote.qe.attributes[8] = 3)                              \
    X(qe_misc_select, E_QE_IDENTITY, s->quote.qe.misc_select = 1)                                 \
    X(qe_misc_select_high, E_QE_IDENTITY, s->quote.qe.misc_select = 0x80000000)                   \
    X(qe_misc_outside_the_mask, NONE, s->quote.qe.misc_select = 0x100;                            \
      s->spec.qe_identity.miscselect_mask = "FF00FFFF")                                           \
    X(qe_misc_mask_is_bytewise, E_QE_IDENTITY, s->quote.qe.misc_select = 0x10000;                 \
      s->spec.qe_identity.miscselect_mask = "FF00FFFF")                                           \
    X(qe_mr_signer, E_QE_IDENTITY, s->quote.qe.mr_signer[31] ^= 1)                                \
    X(qe_mr_enclave_is_free, NONE, s->quote.qe.mr_enclave[0] ^= 1)                                \
    X(qe_prod_id_of_sgx, E_QE_IDENTITY, s->quote.qe.isv_prod_id = 1)                              \
    X(qe_svn_below_all, E_QE_IDENTITY, s->quote.qe.isv_svn = 3)                                   \
    X(qe_svn_0, E_QE_IDENTITY, s->quote.qe.isv_svn = 0)                                           \
    X(qe_svn_above, NONE, s->quote.qe.isv_svn = 65535)
/* clang-format on */
QE(SIM_TDX_CHANGE)
static const struct simulated_tdx_case qe[] = {QE(SIM_TDX_ROW)};

START_TEST(the_quoting_enclave_is_bound_and_intels)
{
    simulated_tdx_cases(qe, sizeof qe / sizeof qe[0]);
}
END_TEST

/* Order of P-256. */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

static void minus(uint8_t s[32])
{
    int borrow = 0;

    for (size_t i = 32; i-- > 0;) {
        int d = order[i] - s[i] - borrow;
        borrow = d < 0;
        s[i] = (uint8_t)(d + (borrow ? 256 : 0));
    }
}

/* r or s becomes 0, n, n + 1, all ones; the good value comes back. */
static void refuse_numbers(struct simulated_tdx *s, size_t at)
{
    static struct tally_verdict v;
    uint8_t good[32];

    memcpy(good, s->bytes + at, 32);
    for (int k = 0; k < 4; k++) {
        memcpy(s->bytes + at, order, 32);
        if (k == 0) memset(s->bytes + at, 0, 32);
        if (k == 2) s->bytes[at + 31]++;
        if (k == 3) memset(s->bytes + at, 0xff, 32);
        ck_assert_int_ne(simulated_tdx_verify(s, &v), TALLY_OK);
        ck_assert_msg(tally_reason() == TALLY_R_E_SIG_RANGE, "at %zu, form %d: %s", at, k,
                      tally_why());
        ck_assert(!v.authentic);
    }
    memcpy(s->bytes + at, order, 32);
    s->bytes[at + 31]--;
    ck_assert_int_ne(simulated_tdx_verify(s, &v), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    memcpy(s->bytes + at, good, 32);
}

START_TEST(r_and_s_at_their_limits)
{
    static const size_t places[] = {SIG_AT, QE_SIG_AT};
    static struct tally_verdict v;
    struct simulated_tdx *s = new_case();
    uint8_t swap[64];

    simulated_tdx_make(s);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *sig = s->bytes + places[i];
        refuse_numbers(s, places[i]);
        refuse_numbers(s, places[i] + 32);
        minus(sig + 32); /* signatures are malleable: it still verifies */
        ck_assert_msg(simulated_tdx_verify(s, &v) == TALLY_OK, "%s", tally_why());
        memcpy(swap, sig + 32, 32);
        memcpy(swap + 32, sig, 32);
        memcpy(sig, swap, 64);
        ck_assert_int_eq(simulated_tdx_verify(s, &v), TALLY_E_AUTH);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
        memcpy(sig, swap + 32, 32);
        memcpy(sig + 32, swap, 32);
    }
    ck_assert_int_eq(simulated_tdx_verify(s, &v), TALLY_OK);
    free(s);
}
END_TEST

int main(void)
{
    simulated_tdx_setup();
    TCase *t = tcase_create("verify_tdx_sim_qe");

    tcase_add_test(t, auth_data_of_any_length_is_bound);
    tcase_add_test(t, the_quoting_enclave_is_bound_and_intels);
    tcase_add_test(t, r_and_s_at_their_limits);
    return tally_suite_run("common/verify_tdx_sim_qe", t);
}
