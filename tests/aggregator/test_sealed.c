/* test_sealed.c - aggregator/sealed.c: an update as an agent seals it opens with its key for its
 * statement, and for nothing else. */
#include "aggregator/sealed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/hpke.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { VALUES = 70000 }; /* more than one slice, many chunks */

static struct tally_statement st;
static struct tally_secret key;
static char path[128];
static float values[VALUES];

static void fill_statement(enum tally_payload_kind kind, uint64_t plain)
{
    st = (struct tally_statement){.kind = kind,
                                  .mode = TALLY_MODE_TEST,
                                  .round = kind == TALLY_PAYLOAD_MOMENTS ? 0 : 3,
                                  .plaintext_bytes = plain,
                                  .sealed_bytes = tally_statement_sealed_bytes(plain),
                                  .examples = 5,
                                  .org = "bank-1",
                                  .node = "agent-1"};
    memset(st.job, 7, 32);
    if (st.round != 0) memset(st.base, 9, 32);
}

/* Seals these plain bytes for `st` as agents do: the context is the digest of SH. */
static void seal_plain(struct tally_slice plain)
{
    static const uint8_t salt[TALLY_CHUNKED_SALT_BYTES] = {1, 2, 3};
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX], context[32];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_slice sh;
    uint8_t *file = malloc((size_t)st.sealed_bytes);

    ck_assert_ptr_nonnull(file);
    tally_statement_header(&st, &h);
    ck_assert_int_eq(tally_payload_header_encode(&h, &w, &sh), TALLY_OK);
    TALLY_SHA256_OF(context, sh);
    ck_assert_int_eq(tally_chunked_seal(key.at, TALLY_SLICE(context), salt, plain, file), TALLY_OK);
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(file, (size_t)st.sealed_bytes), 0600),
                     TALLY_OK);
    free(file);
}

/* A payload of these parts and `values`, in a sealed file at `path`. */
static void make(const struct tally_payload *p)
{
    size_t cap = 64 + p->evaluation.len + p->moments.len + 4 * (size_t)p->values;
    uint8_t *plain = malloc(cap);
    struct tally_wr w = tally_wr_to(plain, cap);
    struct tally_slice out;

    ck_assert_ptr_nonnull(plain);
    tally_payload_encode_head(&w, p);
    tally_wr_put(&w, values, 4 * (size_t)p->values);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    fill_statement(p->kind, out.len);
    seal_plain(out);
    free(plain);
}

static struct tally_slice evaluation(uint64_t positives)
{
    static struct tally_evaluation e;
    static uint8_t bytes[TALLY_EVALUATION_BYTES_MAX];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice out;

    memset(&e, 0, sizeof e);
    e.negative[100] = 90;
    e.positive[4000] = 10;
    e.rows = 100;
    e.positives = positives;
    tally_evaluation_encode(&w, &e);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    return out;
}

static void make_delta(uint64_t positives)
{
    struct tally_payload p = {
        .kind = TALLY_PAYLOAD_DELTA, .evaluation = evaluation(positives), .values = VALUES};

    make(&p);
}

static void set_up(void)
{
    (void)snprintf(path, sizeof path, "%s/update", tally_test_dir());
    ck_assert_int_eq(tally_secret_new(&key, TALLY_CHUNKED_KEY_BYTES), TALLY_OK);
    memset(key.at, 0x42, key.len);
    for (int i = 0; i < VALUES; i++) values[i] = (float)(i % 1000) / 512 - 1;
}

static void tear_down(void)
{
    tally_secret_free(&key);
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

/* Opens and checks all; closed again. */
static enum tally_status open_and_check(void)
{
    struct tally_sealed s;
    enum tally_status status = tally_sealed_open(path, &key, &st, &s);

    if (status != TALLY_OK) {
        ck_assert_ptr_null(s.file.at);
        ck_assert_ptr_null(s.head.at);
        ck_assert_int_eq(s.fd, -1);
        return status;
    }
    status = tally_sealed_check(&s);
    tally_sealed_close(&s);
    tally_sealed_close(&s);
    return status;
}

START_TEST(a_delta_opens_whole_and_by_range)
{
    static float got[TALLY_SEALED_SLICE];
    struct tally_sealed s;

    make_delta(10);
    ck_assert_msg(tally_sealed_open(path, &key, &st, &s) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq((int)s.parts.kind, TALLY_PAYLOAD_DELTA);
    ck_assert_uint_eq(s.parts.values, VALUES);
    ck_assert(tally_slice_equal(s.parts.evaluation, evaluation(10)));
    ck_assert_msg(tally_sealed_check(&s) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_sealed_values(&s, 0, TALLY_SEALED_SLICE, got), TALLY_OK);
    ck_assert_mem_eq(got, values, sizeof got);
    ck_assert_int_eq(tally_sealed_values(&s, 4095, 3, got), TALLY_OK); /* across chunks */
    ck_assert_mem_eq(got, values + 4095, 3 * sizeof *got);
    ck_assert_int_eq(tally_sealed_values(&s, VALUES - 1, 1, got), TALLY_OK);
    ck_assert_mem_eq(got, values + VALUES - 1, sizeof *got);
    ck_assert_int_eq(tally_sealed_values(&s, VALUES, 0, got), TALLY_OK);
    ck_assert_int_eq(tally_sealed_values(&s, VALUES, 1, got), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_sealed_values(&s, UINT64_MAX / 4, 1, got), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_sealed_values(&s, (UINT64_C(1) << 62) + 1, 1, got), TALLY_E_LIMIT);
    tally_sealed_close(&s);
}
END_TEST

START_TEST(moments_and_evaluations_open_too)
{
    struct tally_payload p = {.kind = TALLY_PAYLOAD_EVALUATION, .evaluation = evaluation(10)};
    size_t len = 200000;
    uint8_t *moments = malloc(len);
    struct tally_sealed s;

    ck_assert_ptr_nonnull(moments);
    make(&p);
    ck_assert_msg(open_and_check() == TALLY_OK, "%s", tally_why());
    memset(moments, 0x77, len);
    p = (struct tally_payload){
        .kind = TALLY_PAYLOAD_MOMENTS, .moments = {moments, len}
    };
    make(&p);
    ck_assert_msg(open_and_check() == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_sealed_open(path, &key, &st, &s), TALLY_OK);
    ck_assert(tally_slice_equal(s.parts.moments, p.moments));
    ck_assert_uint_eq(s.parts.values, 0);
    tally_sealed_close(&s);
    free(moments);
}
END_TEST

START_TEST(another_key_does_not_open_it)
{
    make_delta(10);
    key.at[31] ^= 1;
    ck_assert_int_eq(open_and_check(), TALLY_E_AUTH);
}
END_TEST

/* Each changes one field that is in SH, or the sizes. */
START_TEST(another_statement_does_not_open_it)
{
    make_delta(10);
    switch (_i) {
    case 0: st.round++; break;
    case 1: st.base[0] ^= 1; break;
    case 2: st.job[0] ^= 1; break;
    case 3: st.federation[31] ^= 1; break;
    case 4: memcpy(st.org, "bank-2", 7); break;
    case 5: memcpy(st.node, "agent-2", 8); break;
    case 6: st.mode = TALLY_MODE_PRODUCTION; break;
    case 7: st.kind = TALLY_PAYLOAD_EVALUATION; break;
    case 8: st.plaintext_bytes -= 4; break;
    case 9: st.sealed_bytes--; break;
    default: st.sealed_bytes++; break;
    }
    enum tally_status s = open_and_check();
    ck_assert_msg(s == TALLY_E_AUTH || s == TALLY_E_UNTRUSTED, "%d: %s", _i, tally_why());
}
END_TEST

/* The agent is attested, yet its payload may still not be what its statement says. */
START_TEST(a_payload_of_another_kind_or_count_than_stated_is_refused)
{
    struct tally_payload p = {.kind = TALLY_PAYLOAD_EVALUATION, .evaluation = evaluation(10)};
    uint8_t plain[4096] = {0};
    struct tally_wr w = tally_wr_to(plain, sizeof plain);

    tally_payload_encode_head(&w, &p);
    fill_statement(TALLY_PAYLOAD_DELTA, w.used);
    seal_plain(tally_slice_of(plain, w.used));
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    fill_statement(TALLY_PAYLOAD_EVALUATION, w.used + 4); /* a value more than it counts */
    seal_plain(tally_slice_of(plain, w.used + 4));
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    for (size_t n = 0; n < w.used; n++) {
        fill_statement(TALLY_PAYLOAD_EVALUATION, n);
        seal_plain(tally_slice_of(plain, n));
        ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    }
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_refused_wherever_it_is)
{
    static const int at[] = {0, TALLY_SEALED_SLICE - 1, TALLY_SEALED_SLICE, VALUES - 1};

    values[at[_i]] = _i % 2 ? (float)INFINITY : (float)NAN;
    make_delta(10);
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
    char want[64];
    (void)snprintf(want, sizeof want, "value %d of", at[_i]);
    ck_assert_ptr_nonnull(strstr(tally_why(), want));
}
END_TEST

START_TEST(an_evaluation_that_does_not_add_up_is_refused)
{
    make_delta(11);
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
}
END_TEST

START_TEST(a_file_that_is_cut_longer_or_gone_is_refused)
{
    make_delta(10);
    off_t whole = (off_t)st.sealed_bytes;
    static const off_t less[] = {1, 16, TALLY_CHUNK_SEALED_BYTES, 100000, 279000};
    for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
        ck_assert_int_eq(truncate(path, whole - less[i]), 0);
        ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
        /* and where the statement itself says the shorter size */
        st.sealed_bytes = (uint64_t)(whole - less[i]);
        ck_assert_int_ne(open_and_check(), TALLY_OK);
        make_delta(10);
    }
    ck_assert_int_eq(truncate(path, whole + 1), 0);
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_int_eq(open_and_check(), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(open_and_check(), TALLY_E_IO);
}
END_TEST

START_TEST(a_changed_byte_anywhere_is_found)
{
    uint8_t *file;
    size_t len;

    make_delta(10);
    ck_assert_int_eq(tally_file_read(path, SIZE_MAX, &file, &len), TALLY_OK);
    for (size_t at = 0; at < len; at += at < 64 ? 7 : 12007) {
        file[at] ^= 0x10;
        ck_assert_int_eq(tally_file_write(path, tally_slice_of(file, len), 0600), TALLY_OK);
        ck_assert_int_eq(open_and_check(), TALLY_E_AUTH);
        file[at] ^= 0x10;
    }
    free(file);
}
END_TEST

START_TEST(the_content_key_is_only_for_whom_it_was_wrapped)
{
    uint8_t secret[32] = {0x10}, other[32] = {0x20}, public_key[32], ephemeral[32] = {7};
    uint8_t id[32] = {6}, seal[32] = {5}, wrap[TALLY_WRAP_BYTES], info[TALLY_WRAP_INFO_BYTES];
    struct tally_secret got = {0};

    tally_kex_public(secret, public_key);
    tally_wrap_info(id, info);
    ck_assert_int_eq(tally_hpke_seal(public_key, ephemeral, TALLY_SLICE(info), TALLY_SLICE(seal),
                                     tally_slice_of(key.at, key.len), wrap),
                     TALLY_OK);
    ck_assert_int_eq(tally_sealed_key(secret, id, wrap, seal, &got), TALLY_OK);
    ck_assert(tally_secret_equal(tally_slice_of(got.at, got.len), tally_slice_of(key.at, key.len)));
    tally_secret_free(&got);
    ck_assert_int_eq(tally_sealed_key(other, id, wrap, seal, &got), TALLY_E_AUTH);
    ck_assert_ptr_null(got.at);
    id[0] ^= 1;
    ck_assert_int_eq(tally_sealed_key(secret, id, wrap, seal, &got), TALLY_E_AUTH);
    id[0] ^= 1;
    seal[0] ^= 1;
    ck_assert_int_eq(tally_sealed_key(secret, id, wrap, seal, &got), TALLY_E_AUTH);
    seal[0] ^= 1;
    for (size_t i = 0; i < sizeof wrap; i++) {
        wrap[i] ^= 1;
        ck_assert_int_eq(tally_sealed_key(secret, id, wrap, seal, &got), TALLY_E_AUTH);
        wrap[i] ^= 1;
    }
    ck_assert_ptr_null(got.at);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sealed");

    if (tally_secret_setup() != TALLY_OK) return EXIT_FAILURE;
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_delta_opens_whole_and_by_range);
    tcase_add_test(t, moments_and_evaluations_open_too);
    tcase_add_test(t, another_key_does_not_open_it);
    tcase_add_loop_test(t, another_statement_does_not_open_it, 0, 11);
    tcase_add_test(t, a_payload_of_another_kind_or_count_than_stated_is_refused);
    tcase_add_loop_test(t, a_value_that_is_not_finite_is_refused_wherever_it_is, 0, 4);
    tcase_add_test(t, an_evaluation_that_does_not_add_up_is_refused);
    tcase_add_test(t, a_file_that_is_cut_longer_or_gone_is_refused);
    tcase_add_test(t, a_changed_byte_anywhere_is_found);
    tcase_add_test(t, the_content_key_is_only_for_whom_it_was_wrapped);
    return tally_suite_run("sealed", t);
}
