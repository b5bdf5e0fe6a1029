/* test_frames.c - proto/frames.c: M1, M2, P, KB and the refusal are what they say, to the byte. */
#include <string.h>

#include "tests/lib/codec.h"
#include "tests/lib/suite.h"
#include "tests/proto/codecs.h"

enum {
    TYPE_AT = 0,
    VERSION_AT = 1,
    SUITE_AT = 2,
    MODE_AT = 4,
    /* M1 */
    ROLE_C_AT = 5,
    ROLE_S_AT = 6,
    RESERVED_AT = 7,
    M1_NAMES_AT = 208,
    /* M2 */
    M2_ROLE_AT = 5,
    M2_NAME_AT = 88,
    /* KB */
    KB_MODE_AT = 1,
    KB_ROLE_AT = 2,
    KB_KEM_AT = 4 + 32 + 16 + 32,
    KB_NAMES_AT = KB_KEM_AT + 2 + 32,
};

static uint8_t buf[CODEC_BYTES_MAX];

static struct tally_m1 an_m1(void)
{
    struct tally_m1 m = {.mode = TALLY_MODE_TEST,
                         .role_c = TALLY_ROLE_AGENT,
                         .role_s = TALLY_ROLE_AGGREGATOR,
                         .pin_size = 0x0102030405060708,
                         .org_c = "bank-1",
                         .node_c = "agent-1",
                         .org_s = "owner"};

    memset(m.federation, 1, 32);
    memset(m.job, 2, 32);
    memset(m.krp, 3, 32);
    memset(m.e_c, 4, 32);
    memset(m.nonce_c, 5, 32);
    memset(m.pin_root, 6, 32);
    return m;
}

static struct tally_slice m1_bytes(void)
{
    struct tally_m1 m = an_m1();
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    ck_assert_int_eq(tally_m1_encode(&m, &w, &out), TALLY_OK);
    return out;
}

static struct tally_slice m2_bytes(void)
{
    struct tally_m2 m = {.mode = TALLY_MODE_PRODUCTION, .role_s = TALLY_ROLE_KMS, .org_s = "owner"};
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    memset(m.e_s, 1, 32);
    memset(m.nonce_s, 2, 32);
    memset(m.instance_s, 3, 16);
    ck_assert_int_eq(tally_m2_encode(&m, &w, &out), TALLY_OK);
    return out;
}

static struct tally_key_block a_key_block(void)
{
    struct tally_key_block kb = {.mode = TALLY_MODE_TEST,
                                 .role = TALLY_ROLE_AUDITOR,
                                 .org = "bank-1",
                                 .node = "agent-1",
                                 .software = "1.0.0-rc.1+Build_7"};

    memset(kb.federation_id, 1, 32);
    memset(kb.instance, 2, 16);
    memset(kb.attested_key, 3, 32);
    memset(kb.kem_key, 4, 32);
    return kb;
}

static struct tally_slice key_block_bytes(void)
{
    struct tally_key_block kb = a_key_block();
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    ck_assert_int_eq(tally_key_block_encode(&kb, &w, &out), TALLY_OK);
    return out;
}

static struct tally_slice proof_bytes(void)
{
    struct tally_proof p = {.ev = tally_slice_str("evidence"),
                            .endorsements = tally_slice_str("endorsements"),
                            .key_block = tally_slice_str("key block")};
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    memset(p.sig, 9, sizeof p.sig);
    tally_proof_write(&p, &w);
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    return out;
}

START_TEST(m1_of_any_other_length_or_kind_is_refused)
{
    static const uint8_t modes[] = {'P', 'T'}, roles[] = {1, 2, 3, 4}, servers[] = {2, 3};
    struct tally_slice good = m1_bytes();

    codec_check_lengths(codec_m1, good);
    codec_check_byte(codec_m1, good, TYPE_AT, (const uint8_t[]){1}, 1);
    codec_check_byte(codec_m1, good, VERSION_AT, (const uint8_t[]){1}, 1);
    codec_check_byte(codec_m1, good, SUITE_AT, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_m1, good, SUITE_AT + 1, (const uint8_t[]){1}, 1);
    codec_check_byte(codec_m1, good, MODE_AT, modes, sizeof modes);
    codec_check_byte(codec_m1, good, ROLE_C_AT, roles, sizeof roles);
    codec_check_byte(codec_m1, good, ROLE_S_AT, servers, sizeof servers);
    codec_check_byte(codec_m1, good, RESERVED_AT, (const uint8_t[]){0}, 1);
    codec_check_length_lies(codec_m1, good, M1_NAMES_AT);
    codec_check_length_lies(codec_m1, good, M1_NAMES_AT + 4 + 6);
    codec_check_length_lies(codec_m1, good, M1_NAMES_AT + 4 + 6 + 4 + 7);
    ck_assert_uint_ge(codec_check_bits(codec_m1, good, good.len), 64);
}
END_TEST

START_TEST(m1_keeps_every_field)
{
    struct tally_m1 want = an_m1(), got;
    uint8_t *exact = malloc(TALLY_M1_BYTES_MAX);
    struct tally_slice good = m1_bytes();

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, good.at, good.len);
    ck_assert_int_eq(tally_m1_decode(tally_slice_of(exact, good.len), &got), TALLY_OK);
    ck_assert(got.mode == want.mode && got.role_c == want.role_c && got.role_s == want.role_s);
    ck_assert_mem_eq(got.federation, want.federation, 32);
    ck_assert_mem_eq(got.job, want.job, 32);
    ck_assert_mem_eq(got.krp, want.krp, 32);
    ck_assert_mem_eq(got.e_c, want.e_c, 32);
    ck_assert_mem_eq(got.nonce_c, want.nonce_c, 32);
    ck_assert_mem_eq(got.pin_root, want.pin_root, 32);
    ck_assert_uint_eq(got.pin_size, want.pin_size);
    ck_assert_str_eq(got.org_c, "bank-1");
    ck_assert_str_eq(got.node_c, "agent-1");
    ck_assert_str_eq(got.org_s, "owner");
    free(exact);
}
END_TEST

START_TEST(another_version_and_another_suite_have_their_own_names)
{
    struct tally_m1 m1;
    struct tally_m2 m2;
    struct tally_slice good = m1_bytes();

    buf[VERSION_AT] = 2;
    ck_assert_int_eq(tally_m1_decode(good, &m1), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_VERSION);
    buf[VERSION_AT] = 1;
    buf[SUITE_AT + 1] = 2;
    ck_assert_int_eq(tally_m1_decode(good, &m1), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
    good = m2_bytes();
    buf[VERSION_AT] = 0;
    ck_assert_int_eq(tally_m2_decode(good, &m2), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_VERSION);
    buf[VERSION_AT] = 1;
    buf[SUITE_AT] = 1;
    ck_assert_int_eq(tally_m2_decode(good, &m2), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
}
END_TEST

START_TEST(m1_and_m2_have_their_largest_sizes)
{
    struct tally_m1 m1 = an_m1();
    struct tally_m2 m2 = {.mode = TALLY_MODE_TEST, .role_s = TALLY_ROLE_AGGREGATOR};
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    memset(m1.org_c, 'a', TALLY_NAME_MAX);
    memset(m1.node_c, 'b', TALLY_NAME_MAX);
    memset(m1.org_s, 'c', TALLY_NAME_MAX);
    ck_assert_int_eq(tally_m1_encode(&m1, &w, &out), TALLY_OK);
    ck_assert_uint_eq(out.len, 409);
    codec_check_lengths(codec_m1, out);
    ck_assert_int_eq(tally_m1_decode(tally_slice_of(buf, 410), &m1), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    w = tally_wr_to(buf, sizeof buf);
    memset(m2.org_s, 'c', TALLY_NAME_MAX);
    ck_assert_int_eq(tally_m2_encode(&m2, &w, &out), TALLY_OK);
    ck_assert_uint_eq(out.len, 155);
    codec_check_lengths(codec_m2, out);
    ck_assert_int_eq(tally_m2_decode(tally_slice_of(buf, 156), &m2), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
}
END_TEST

START_TEST(a_frame_has_no_room_that_is_too_small)
{
    struct tally_m1 m = an_m1();
    struct tally_slice out = {0};
    size_t len = m1_bytes().len;

    for (size_t cap = 0; cap <= len; cap++) {
        uint8_t *room = malloc(cap ? cap : 1);
        ck_assert_ptr_nonnull(room);
        struct tally_wr w = tally_wr_to(room, cap);
        ck_assert_int_eq(tally_m1_encode(&m, &w, &out), cap < len ? TALLY_E_LIMIT : TALLY_OK);
        free(room);
    }
}
END_TEST

START_TEST(m2_of_any_other_length_or_kind_is_refused)
{
    static const uint8_t modes[] = {'P', 'T'}, servers[] = {2, 3};
    struct tally_slice good = m2_bytes();

    codec_check_lengths(codec_m2, good);
    codec_check_byte(codec_m2, good, TYPE_AT, (const uint8_t[]){2}, 1);
    codec_check_byte(codec_m2, good, VERSION_AT, (const uint8_t[]){1}, 1);
    codec_check_byte(codec_m2, good, SUITE_AT, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_m2, good, MODE_AT, modes, sizeof modes);
    codec_check_byte(codec_m2, good, M2_ROLE_AT, servers, sizeof servers);
    codec_check_byte(codec_m2, good, M2_ROLE_AT + 1, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_m2, good, M2_ROLE_AT + 2, (const uint8_t[]){0}, 1);
    codec_check_length_lies(codec_m2, good, M2_NAME_AT);
    ck_assert_uint_ge(codec_check_bits(codec_m2, good, good.len), 56);
}
END_TEST

START_TEST(a_key_block_of_any_other_length_or_kind_is_refused)
{
    static const uint8_t modes[] = {'P', 'T'}, roles[] = {1, 2, 3, 4};
    struct tally_slice good = key_block_bytes();
    struct tally_key_block want = a_key_block(), got;

    ck_assert_int_eq(tally_key_block_decode(good, &got), TALLY_OK);
    ck_assert(got.mode == want.mode && got.role == want.role);
    ck_assert_mem_eq(got.federation_id, want.federation_id, 32);
    ck_assert_mem_eq(got.instance, want.instance, 16);
    ck_assert_mem_eq(got.attested_key, want.attested_key, 32);
    ck_assert_mem_eq(got.kem_key, want.kem_key, 32);
    ck_assert_str_eq(got.org, "bank-1");
    ck_assert_str_eq(got.node, "agent-1");
    ck_assert_str_eq(got.software, want.software);
    codec_check_lengths(codec_key_block, good);
    codec_check_byte(codec_key_block, good, 0, (const uint8_t[]){1}, 1);
    codec_check_byte(codec_key_block, good, KB_MODE_AT, modes, sizeof modes);
    codec_check_byte(codec_key_block, good, KB_ROLE_AT, roles, sizeof roles);
    codec_check_byte(codec_key_block, good, KB_ROLE_AT + 1, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_key_block, good, KB_KEM_AT, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_key_block, good, KB_KEM_AT + 1, (const uint8_t[]){0x20}, 1);
    codec_check_length_lies(codec_key_block, good, KB_NAMES_AT);
    codec_check_length_lies(codec_key_block, good, KB_NAMES_AT + 4 + 6);
    codec_check_length_lies(codec_key_block, good, KB_NAMES_AT + 4 + 6 + 4 + 7);
    ck_assert_uint_ge(codec_check_bits(codec_key_block, good, good.len), 48);
}
END_TEST

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
static const char software_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

START_TEST(names_and_versions_hold_their_characters_alone)
{
    struct tally_slice good = m1_bytes();

    for (size_t at = M1_NAMES_AT + 5; at < M1_NAMES_AT + 10; at++)
        codec_check_byte(codec_m1, good, at, (const uint8_t *)name_chars, sizeof name_chars - 1);
    good = m2_bytes();
    codec_check_byte(codec_m2, good, M2_NAME_AT + 5, (const uint8_t *)name_chars,
                     sizeof name_chars - 1);
    good = key_block_bytes();
    codec_check_byte(codec_key_block, good, KB_NAMES_AT + 5, (const uint8_t *)name_chars,
                     sizeof name_chars - 1);
    codec_check_byte(codec_key_block, good, good.len - 1, (const uint8_t *)software_chars,
                     sizeof software_chars - 1);
}
END_TEST

START_TEST(a_key_block_has_its_largest_size)
{
    struct tally_key_block kb = a_key_block();
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    memset(kb.org, 'a', TALLY_NAME_MAX);
    memset(kb.node, 'b', TALLY_NAME_MAX);
    memset(kb.software, '9', TALLY_SOFTWARE_MAX);
    ck_assert_int_eq(tally_key_block_encode(&kb, &w, &out), TALLY_OK);
    ck_assert_uint_eq(out.len, 319);
    codec_check_lengths(codec_key_block, out);
}
END_TEST

START_TEST(what_no_peer_would_take_is_not_encoded)
{
    struct tally_key_block kb = a_key_block();
    struct tally_m1 m = an_m1();
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    struct tally_slice out;

    kb.software[0] = '\0';
    ck_assert_int_eq(tally_key_block_encode(&kb, &w, &out), TALLY_E_CONFIG);
    kb.software[0] = ' ';
    ck_assert_int_eq(tally_key_block_encode(&kb, &w, &out), TALLY_E_CONFIG);
    kb = a_key_block();
    kb.node[0] = '\0';
    ck_assert_int_ne(tally_key_block_encode(&kb, &w, &out), TALLY_OK);
    w = tally_wr_to(buf, sizeof buf);
    m.org_c[0] = 'A';
    ck_assert_int_ne(tally_m1_encode(&m, &w, &out), TALLY_OK);
}
END_TEST

START_TEST(a_proof_of_any_other_length_is_refused)
{
    struct tally_slice good = proof_bytes();

    codec_check_lengths(codec_proof, good);
    codec_check_length_lies(codec_proof, good, 0);
    codec_check_length_lies(codec_proof, good, 12);
    codec_check_length_lies(codec_proof, good, 28);
    codec_check_length_lies(codec_proof, good, good.len - 4); /* ledger proofs: none */
    ck_assert_uint_ge(codec_check_bits(codec_proof, good, good.len), 128);
}
END_TEST

/* A proof whose part `i` has `len` bytes. */
static enum tally_status proof_with(int i, size_t len)
{
    static uint8_t part[TALLY_EV_MAX + 1], bytes[CODEC_BYTES_MAX];
    struct tally_slice parts[3] = {{0}};
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_proof p;

    parts[i] = tally_slice_of(part, len);
    p = (struct tally_proof){.ev = parts[0], .endorsements = parts[1], .key_block = parts[2]};
    tally_proof_write(&p, &w);
    ck_assert(!w.full);
    return tally_proof_decode(tally_slice_of(bytes, w.used), &p);
}

START_TEST(each_part_of_a_proof_has_its_limit)
{
    static const size_t max[] = {TALLY_EV_MAX, TALLY_ENDORSEMENTS_MAX, TALLY_KEY_BLOCK_BYTES_MAX};

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(proof_with(i, max[i]), TALLY_OK);
        ck_assert_int_eq(proof_with(i, max[i] + 1), TALLY_E_WIRE);
    }
    ck_assert_uint_le(TALLY_EV_MAX + TALLY_ENDORSEMENTS_MAX + TALLY_KEY_BLOCK_BYTES_MAX + 100,
                      TALLY_SEALED_FRAME_BYTES_MAX);
}
END_TEST

START_TEST(a_refusal_has_three_bytes_and_one_of_six_codes)
{
    static const uint8_t codes[] = {1, 2, 3, 4, 5, 6};
    uint8_t frame[TALLY_REFUSAL_BYTES];

    for (int c = TALLY_REFUSED_VERSION; c <= TALLY_REFUSED_NAME; c++) {
        tally_refusal_encode((enum tally_refusal)c, frame);
        ck_assert_mem_eq(frame, ((uint8_t[]){6, 0, (uint8_t)c}), 3);
        codec_check_lengths(codec_refusal, TALLY_SLICE(frame));
        ck_assert_uint_gt(strlen(tally_refusal_text((enum tally_refusal)c)), 3);
    }
    codec_check_byte(codec_refusal, TALLY_SLICE(frame), 0, (const uint8_t[]){6}, 1);
    codec_check_byte(codec_refusal, TALLY_SLICE(frame), 1, (const uint8_t[]){0}, 1);
    codec_check_byte(codec_refusal, TALLY_SLICE(frame), 2, codes, sizeof codes);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("frames");

    tcase_add_test(t, m1_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, m1_keeps_every_field);
    tcase_add_test(t, another_version_and_another_suite_have_their_own_names);
    tcase_add_test(t, m1_and_m2_have_their_largest_sizes);
    tcase_add_test(t, a_frame_has_no_room_that_is_too_small);
    tcase_add_test(t, m2_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, a_key_block_of_any_other_length_or_kind_is_refused);
    tcase_add_test(t, names_and_versions_hold_their_characters_alone);
    tcase_add_test(t, a_key_block_has_its_largest_size);
    tcase_add_test(t, what_no_peer_would_take_is_not_encoded);
    tcase_add_test(t, a_proof_of_any_other_length_is_refused);
    tcase_add_test(t, each_part_of_a_proof_has_its_limit);
    tcase_add_test(t, a_refusal_has_three_bytes_and_one_of_six_codes);
    return tally_suite_run("proto/frames", t);
}
