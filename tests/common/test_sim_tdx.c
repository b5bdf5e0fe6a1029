/* test_sim_tdx.c - the simulated TDX machine: real quotes come out again of their decoded fields,
 * byte for byte, and what it quotes itself is trusted under its own root (ATTESTATION.md C7). */
#include <openssl/evp.h>
#include <string.h>

#include "tests/lib/simulated_tdx.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

static unsigned encode_again(const char *name, const struct tally_tdx_quote *q,
                             struct tally_slice bytes)
{
    static uint8_t out[TALLY_TDX_QUOTE_BYTES_MAX];
    struct tally_wr w = tally_wr_to(out, sizeof out);

    tally_tdx_quote_encode(q, &w);
    ck_assert_msg(!w.full && w.used + q->padding.len == bytes.len &&
                      memcmp(out, bytes.at, w.used) == 0,
                  "%s", name);
    return 1;
}

START_TEST(every_real_quote_encodes_to_its_own_bytes)
{
    ck_assert_uint_eq(tdx_each_quote(encode_again), 15);
}
END_TEST

static bool is_own_key(const char *label)
{
    EVP_PKEY *a = NULL, *b = NULL, *c = NULL;
    struct tally_slice seed = tally_slice_str("a seed"), other = tally_slice_str("b seed");

    ck_assert_int_eq(tally_sim_tdx_key(seed, label, &a), TALLY_OK);
    ck_assert_int_eq(tally_sim_tdx_key(seed, label, &b), TALLY_OK);
    ck_assert_int_eq(tally_sim_tdx_key(other, label, &c), TALLY_OK);
    bool own = EVP_PKEY_eq(a, b) == 1 && EVP_PKEY_eq(a, c) != 1 &&
               EVP_PKEY_eq(a, simulated_tdx_key("any")) != 1;
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    EVP_PKEY_free(c);
    return own;
}

START_TEST(keys_follow_from_seed_and_label_alone)
{
    ck_assert(is_own_key("pck"));
    ck_assert(is_own_key("ak"));
}
END_TEST

START_TEST(the_simulated_machine_is_trusted_under_its_own_root)
{
    static struct simulated_tdx s;
    static struct tally_verdict v;

    simulated_tdx_init(&s);
    ck_assert_msg(simulated_tdx_judge(&s, &v) == TALLY_OK, "%s: %s",
                  tally_reason_name(tally_reason()), tally_why());
    ck_assert(v.authentic && v.trust == TALLY_TRUST_TEST);
    ck_assert_str_eq(v.tcb.status, "UpToDate");
    ck_assert_mem_eq(v.measurement, s.td.mrtd, sizeof s.td.mrtd);
    ck_assert_mem_eq(v.chip, s.chip[0], sizeof s.chip[0]);
    ck_assert_uint_le(v.not_before_s, SIM_TDX_NOW_S);
    ck_assert_uint_ge(v.not_after_s, SIM_TDX_NOW_S);
}
END_TEST

START_TEST(every_kind_of_quote_is_trusted)
{
    static struct simulated_tdx s;
    static struct tally_verdict v;

    for (uint16_t version = 4; version <= 5; version++) {
        for (uint16_t type = TALLY_TDX_TYPE_TD10; type <= TALLY_TDX_TYPE_TD15; type++) {
            for (int processor = 0; processor < 2; processor++) {
                simulated_tdx_init(&s);
                if (processor) simulated_tdx_processor(&s);
                s.quote.version = version;
                s.quote.body_type = version == 4 ? TALLY_TDX_TYPE_TD10 : type;
                ck_assert_msg(simulated_tdx_judge(&s, &v) == TALLY_OK, "version %u type %u: %s",
                              version, type, tally_why());
            }
        }
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    simulated_tdx_setup();
    TCase *t = tcase_create("sim_tdx");

    tcase_add_test(t, every_real_quote_encodes_to_its_own_bytes);
    tcase_add_test(t, keys_follow_from_seed_and_label_alone);
    tcase_add_test(t, the_simulated_machine_is_trusted_under_its_own_root);
    tcase_add_test(t, every_kind_of_quote_is_trusted);
    return tally_suite_run("common/sim_tdx", t);
}
