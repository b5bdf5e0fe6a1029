/* test_memory.c - agent/memory.c: what a crash, a full disk or another machine leaves of it. */
#include "agent/memory.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/sealtree.h"
#include "tests/lib/documents.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"

enum { PLAIN = 1000, EV = 700, ENDORSEMENTS = 900, ROUND = 4 };

static char dir[64], chip_file[96], other_file[96];
static const uint8_t job[32] = {7}, other_job[32] = {8};
static const struct tally_seal_name name = {
    .mode = 'T',
    .role = 1,
    .org = {(const uint8_t *)"bank-1", 6},
    .node = {(const uint8_t *)"a",      1}
};
static struct tally_memory m;
static struct tally_device *device;
static struct tally_update u;

static struct tally_device *boot(const char *chip, uint8_t program)
{
    struct tally_sim_guest g = {.policy = TALLY_SIM_GUEST_POLICY, .measurement = {program}};
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_boot(chip, &g, &d) == TALLY_OK, "%s", tally_why());
    return d;
}

static enum tally_status open_memory(void)
{
    return tally_memory_open(&m, dir, job, "bank-1", "a");
}

static void open_good(void)
{
    ck_assert_msg(open_memory() == TALLY_OK, "%s", tally_why());
}

static void set_up(void)
{
    (void)snprintf(dir, sizeof dir, "%s", tally_test_dir());
    device = boot(chip_file, 1);
    open_good();
}

static void remove_all(const char *sub)
{
    char path[512];
    const struct dirent *e;

    (void)snprintf(path, sizeof path, "%s/%s", dir, sub);
    DIR *d = opendir(path);
    if (d == NULL) return;
    while ((e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s/%s", dir, sub, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    (void)snprintf(path, sizeof path, "%s/%s", dir, sub);
    (void)rmdir(path);
}

static void tear_down(void)
{
    tally_update_free(&u);
    tally_device_close(&device);
    remove_all("memory");
    remove_all("updates");
    (void)rmdir(dir);
}

static const char *file_of(const char *what)
{
    static char path[TALLY_MEMORY_PATH_MAX];
    char *dot;

    if (strcmp(what, "member") == 0) {
        (void)snprintf(path, sizeof path, "%s/memory/07%062d.member", dir, 0);
    } else {
        tally_memory_sealed_path(&m, m.member.round, path);
        dot = strrchr(path, '.') + 1;
        (void)snprintf(dot, sizeof path - (size_t)(dot - path), "%s", what);
    }
    return path;
}

/* The member with round ROUND opened, durable. */
static void open_round(void)
{
    struct tally_member next = m.member;
    struct tally_opening o = {.kind = TALLY_PAYLOAD_MOMENTS, .mode = TALLY_MODE_TEST};

    memcpy(o.job, job, 32);
    memset(o.challenge, 0xc0, 32);
    ck_assert_msg(tally_member_open(&next, &o) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_memory_save(&m, &next, false), TALLY_OK);
}

/* The sealed file of u.st: what is in it does not matter here, its digest does. */
static void write_sealed(void)
{
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_slice sh;
    uint8_t *sealed = malloc((size_t)u.st.sealed_bytes);

    ck_assert_ptr_nonnull(sealed);
    memset(sealed, 0x5e, (size_t)u.st.sealed_bytes);
    tally_statement_header(&u.st, &h);
    ck_assert_int_eq(tally_payload_header_encode(&h, &w, &sh), TALLY_OK);
    struct tally_slice file = tally_slice_of(sealed, (size_t)u.st.sealed_bytes);
    tally_sealtree_digest(sh, file, u.st.seal_digest);
    ck_assert_int_eq(tally_file_write(file_of("sealed"), file, 0600), TALLY_OK);
    free(sealed);
}

/* Statement, evidence, signature and sealed key for the sealed file. */
static void state(void)
{
    struct tally_sign_key k = tally_test_document_key(1);
    struct tally_wr w = tally_wr_to(u.st_bytes, sizeof u.st_bytes);
    struct tally_slice st;

    ck_assert_msg(tally_statement_encode(&u.st, &w, &st) == TALLY_OK, "%s", tally_why());
    u.st_len = st.len;
    u.ev = malloc(EV);
    u.endorsements = malloc(ENDORSEMENTS);
    ck_assert(u.ev != NULL && u.endorsements != NULL);
    memset(u.ev, 0xe1, EV);
    memset(u.endorsements, 0xe2, ENDORSEMENTS);
    u.ev_len = EV;
    u.endorsements_len = ENDORSEMENTS;
    TALLY_SHA256_OF(u.st_digest, st);
    TALLY_SHA256_OF(u.ev_digest, tally_slice_of(u.ev, EV));
    ck_assert_int_eq(tally_update_sign(&k, st, tally_slice_of(u.ev, EV), u.sig), TALLY_OK);
    memcpy(u.attested_key, tally_sign_public(&k), 32);
    memset(u.wrap, 0x11, sizeof u.wrap);
    memset(u.wrap_key_id, 0x12, sizeof u.wrap_key_id);
    memset(u.opening, 0x13, sizeof u.opening);
    ck_assert_int_eq(tally_secret_new(&u.key, 32), TALLY_OK);
    memset(u.key.at, 0x42, 32);
    ck_assert_int_eq(tally_device_seal(device, &name, tally_slice_of(u.key.at, 32), u.sealed_key),
                     TALLY_OK);
    u.here = true;
}

/* An update for the open round in `u`, its sealed file and its head on disk. */
static void keep_update(void)
{
    tally_update_free(&u);
    u.st = (struct tally_statement){.kind = (enum tally_payload_kind)m.member.kind,
                                    .mode = TALLY_MODE_TEST,
                                    .round = m.member.round,
                                    .plaintext_bytes = PLAIN,
                                    .sealed_bytes = tally_statement_sealed_bytes(PLAIN),
                                    .examples = 5,
                                    .org = "bank-1",
                                    .node = "a"};
    memcpy(u.st.job, job, 32);
    memcpy(u.st.challenge, m.member.challenge, 32);
    memcpy(u.st.base, m.member.base, 32);
    write_sealed();
    state();
    ck_assert_msg(tally_memory_keep(&m, &u) == TALLY_OK, "%s", tally_why());
}

static void save_statement(const uint8_t digest[32])
{
    struct tally_member next = m.member;

    ck_assert_int_eq(tally_member_statement(&next, digest, 5), TALLY_OK);
    ck_assert_int_eq(tally_memory_save(&m, &next, false), TALLY_OK);
}

/* What a start finds; it is empty unless all is well. */
static enum tally_status find(struct tally_device *d)
{
    static const struct tally_update empty;
    struct tally_update got;

    memset(&got, 0x99, sizeof got);
    enum tally_status s = tally_memory_update(&m, d, &name, &got);
    if (s != TALLY_OK) {
        ck_assert_int_eq(memcmp(&got, &empty, sizeof got), 0);
        return s;
    }
    ck_assert(got.here);
    ck_assert_uint_eq(got.st.round, u.st.round);
    ck_assert_mem_eq(got.st_digest, u.st_digest, 32);
    ck_assert_mem_eq(got.ev_digest, u.ev_digest, 32);
    ck_assert_mem_eq(got.st_bytes, u.st_bytes, u.st_len);
    ck_assert(tally_slice_equal(tally_slice_of(got.ev, got.ev_len), tally_slice_of(u.ev, EV)));
    ck_assert_uint_eq(got.endorsements_len, ENDORSEMENTS);
    ck_assert_mem_eq(got.wrap, u.wrap, sizeof u.wrap);
    ck_assert_mem_eq(got.opening, u.opening, sizeof u.opening);
    if (d == device)
        ck_assert_mem_eq(got.key.at, u.key.at, 32);
    else
        ck_assert_ptr_null(got.key.at);
    tally_update_free(&got);
    tally_update_free(&got);
    return TALLY_OK;
}

/* ---- the member ---- */

START_TEST(a_fresh_member_becomes_what_was_saved)
{
    ck_assert(!m.member.has_open && !m.done);
    open_round();
    struct tally_member want = m.member;
    ck_assert_int_eq(tally_memory_save(&m, &want, true), TALLY_OK);
    memset(&m, 0, sizeof m);
    open_good();
    ck_assert_mem_eq(&m.member, &want, sizeof want);
    ck_assert(m.done);
    ck_assert_str_eq(m.dir, dir);
}
END_TEST

START_TEST(a_member_file_that_is_cut_changed_or_longer_is_refused)
{
    uint8_t *file, more[512] = {0};
    char path[TALLY_MEMORY_PATH_MAX];
    struct tally_memory before;
    size_t len;

    open_round();
    (void)snprintf(path, sizeof path, "%s", file_of("member"));
    ck_assert_int_eq(tally_file_read(path, SIZE_MAX, &file, &len), TALLY_OK);
    before = m;
    for (size_t n = 0; n < len; n += 1 + n / 16) {
        ck_assert_int_eq(truncate(path, 0), 0);
        ck_assert_int_eq(tally_file_append(path, tally_slice_of(file, n), 0600), TALLY_OK);
        ck_assert_int_eq(open_memory(), TALLY_E_STATE);
    }
    for (size_t i = 0; i < len; i += 3) {
        file[i] ^= 0x20;
        ck_assert_int_eq(tally_file_write(path, tally_slice_of(file, len), 0600), TALLY_OK);
        ck_assert_int_eq(open_memory(), TALLY_E_STATE);
        file[i] ^= 0x20;
    }
    memcpy(more, file, len);
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(more, len + 1), 0600), TALLY_OK);
    ck_assert_int_eq(open_memory(), TALLY_E_STATE);
    ck_assert_ptr_nonnull(strstr(tally_why(), path));
    ck_assert_mem_eq(&m, &before, sizeof m);
    free(file);
}
END_TEST

START_TEST(a_member_file_of_another_job_or_node_is_refused)
{
    char path[TALLY_MEMORY_PATH_MAX], of_other[TALLY_MEMORY_PATH_MAX];
    struct tally_memory other;

    open_round();
    (void)snprintf(path, sizeof path, "%s", file_of("member"));
    ck_assert_int_eq(tally_memory_open(&other, dir, job, "bank-2", "a"), TALLY_E_STATE);
    ck_assert_int_eq(tally_memory_open(&other, dir, job, "bank-1", "b"), TALLY_E_STATE);
    (void)snprintf(of_other, sizeof of_other, "%s/memory/08%062d.member", dir, 0);
    ck_assert_int_eq(rename(path, of_other), 0);
    ck_assert_int_eq(tally_memory_open(&other, dir, other_job, "bank-1", "a"), TALLY_E_STATE);
    ck_assert_int_eq(unlink(of_other), 0);
    ck_assert_int_eq(tally_memory_open(&other, dir, other_job, "bank-1", "a"), TALLY_OK);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
    char long_dir[TALLY_MEMORY_DIR_MAX + 1];

    memset(long_dir, 'x', sizeof long_dir);
    long_dir[TALLY_MEMORY_DIR_MAX] = '\0';
    ck_assert_int_eq(tally_memory_open(&m, long_dir, job, "bank-1", "a"), TALLY_E_LIMIT);
}
END_TEST

/* ---- crash points, in the order of memory.h ---- */

START_TEST(without_an_open_round_there_is_no_update)
{
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}
END_TEST

START_TEST(a_sealed_file_without_its_head_is_nothing)
{
    open_round();
    keep_update();
    ck_assert_int_eq(unlink(file_of("head")), 0);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
    keep_update(); /* made again */
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why());
}
END_TEST

START_TEST(a_head_whose_statement_the_member_does_not_have_yet_is_taken_up)
{
    open_round();
    keep_update();
    open_good();
    ck_assert(!m.member.has_statement);
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why());
    save_statement(u.st_digest);
    open_good();
    ck_assert(m.member.has_statement);
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why());
}
END_TEST

START_TEST(a_head_without_its_sealed_file_is_refused)
{
    open_round();
    keep_update();
    ck_assert_int_eq(unlink(file_of("sealed")), 0);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}
END_TEST

START_TEST(an_ack_that_was_lost_leaves_the_update_to_send_again)
{
    uint8_t ack[TALLY_SIGNATURE_BYTES] = {3}, *file;
    size_t len;

    open_round();
    keep_update();
    save_statement(u.st_digest);
    ck_assert_int_eq(tally_memory_keep_ack(&m, &u, u.wrap_key_id, ack), TALLY_OK);
    open_good(); /* the ack is there, the member does not know of it */
    ck_assert(!m.member.acked);
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_file_read(file_of("ack"), 1000, &file, &len), TALLY_OK);
    ck_assert_uint_eq(len, 96 + 64);
    ck_assert_mem_eq(file, u.st_digest, 32);
    ck_assert_mem_eq(file + 96, ack, 64);
    free(file);
}
END_TEST

START_TEST(an_update_other_than_the_one_stated_is_refused)
{
    uint8_t digest[32] = {1};

    open_round();
    keep_update();
    save_statement(digest);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}
END_TEST

START_TEST(an_update_of_another_opening_is_refused)
{
    open_round();
    keep_update();
    m.member.challenge[0] ^= 1;
    ck_assert_int_eq(find(device), TALLY_E_STATE);
    m.member.challenge[0] ^= 1;
    m.member.kind = TALLY_PAYLOAD_DELTA;
    ck_assert_int_eq(find(device), TALLY_E_STATE);
    m.member.kind = TALLY_PAYLOAD_MOMENTS;
    m.member.base[5] ^= 1;
    ck_assert_int_eq(find(device), TALLY_E_STATE);
    m.member.base[5] ^= 1;
    memcpy(m.member.org, "bank-2", 7);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
    memcpy(m.member.org, "bank-1", 7);
    ck_assert_int_eq(find(device), TALLY_OK);
    m.member.round++; /* and a head under another round's name */
    char to[TALLY_MEMORY_PATH_MAX];
    (void)snprintf(to, sizeof to, "%s", file_of("head"));
    m.member.round--;
    ck_assert_int_eq(rename(file_of("head"), to), 0);
    m.member.round++;
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}
END_TEST

/* Writes `file` as what is kept and looks what is found. */
static void refused_as(const char *what, struct tally_slice file)
{
    ck_assert_int_eq(tally_file_write(file_of(what), file, 0600), TALLY_OK);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}

START_TEST(a_head_that_is_cut_or_changed_is_refused)
{
    uint8_t *file;
    size_t len;

    open_round();
    keep_update();
    ck_assert_int_eq(tally_file_read(file_of("head"), SIZE_MAX, &file, &len), TALLY_OK);
    for (size_t n = 0; n < len; n += 1 + n / 20) refused_as("head", tally_slice_of(file, n));
    for (size_t i = 0; i < len; i += 41) {
        file[i] ^= 4;
        refused_as("head", tally_slice_of(file, len));
        file[i] ^= 4;
    }
    free(file);
}
END_TEST

START_TEST(a_head_far_too_long_is_refused)
{
    size_t len = 400 * 1024;
    uint8_t *file = calloc(1, len);

    ck_assert_ptr_nonnull(file);
    open_round();
    keep_update();
    refused_as("head", tally_slice_of(file, len));
    free(file);
}
END_TEST

START_TEST(a_sealed_file_that_is_cut_longer_or_changed_is_refused)
{
    uint8_t file[2048];
    size_t len;

    open_round();
    keep_update();
    len = (size_t)u.st.sealed_bytes;
    ck_assert_uint_lt(len, sizeof file);
    memset(file, 0x5e, sizeof file);
    refused_as("sealed", tally_slice_of(file, 0));
    refused_as("sealed", tally_slice_of(file, len - 1));
    refused_as("sealed", tally_slice_of(file, len + 1));
    file[len / 2] ^= 1;
    refused_as("sealed", tally_slice_of(file, len));
}
END_TEST

/* A checksum anyone can make; the signature is the instance's. */
START_TEST(a_head_whose_signature_does_not_verify_is_refused)
{
    open_round();
    keep_update();
    u.sig[3] ^= 1;
    ck_assert_int_eq(tally_memory_keep(&m, &u), TALLY_OK);
    ck_assert_int_eq(find(device), TALLY_E_STATE);
}
END_TEST

START_TEST(the_content_key_unseals_on_its_own_chip_and_program_alone)
{
    struct tally_device *chip = boot(other_file, 1), *program = boot(chip_file, 2);

    open_round();
    keep_update();
    ck_assert_msg(find(chip) == TALLY_OK, "%s", tally_why());
    ck_assert_msg(find(program) == TALLY_OK, "%s", tally_why());
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why());
    tally_device_close(&chip);
    tally_device_close(&program);
}
END_TEST

/* ---- forgetting, and a full disk ---- */

static void touch(const char *file)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/updates/%s", dir, file);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("x"), 0600), TALLY_OK);
}

static bool there(const char *file)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/updates/%s", dir, file);
    return tally_file_exists(path);
}

START_TEST(forgetting_keeps_the_current_round_and_what_is_not_ours)
{
    static const char *const old[] = {"0.sealed", "1.head", "3.ack", "3.sealed.tmp", "2.x"};
    static const char *const kept[] = {"4.sealed", "4.head",     "5.head", "10.ack",
                                       "notes",    "18446744.x", "3",      "2x.head"};
    char file[128];

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < 5; i++) {
            (void)snprintf(file, sizeof file, "07%062d-%s", 0, old[i]);
            pass == 0 ? touch(file) : ck_assert_msg(!there(file), "%s", file);
            (void)snprintf(file, sizeof file, "08%062d-%s", 0, old[i]);
            pass == 0 ? touch(file) : ck_assert_msg(there(file), "%s", file);
        }
        for (size_t i = 0; i < 8; i++) {
            (void)snprintf(file, sizeof file, "07%062d-%s", 0, kept[i]);
            pass == 0 ? touch(file) : ck_assert_msg(there(file), "%s", file);
        }
        if (pass == 0) ck_assert_int_eq(tally_memory_forget(&m, ROUND), TALLY_OK);
    }
    ck_assert_int_eq(tally_memory_forget(&m, UINT64_MAX), TALLY_OK);
    (void)snprintf(file, sizeof file, "07%062d-10.ack", 0);
    ck_assert(!there(file));
}
END_TEST

START_TEST(a_full_disk_is_reported_and_the_old_memory_stays)
{
    struct rlimit small = {.rlim_cur = 64, .rlim_max = RLIM_INFINITY}, room;
    struct tally_member next, old;

    (void)signal(SIGXFSZ, SIG_IGN);
    open_round();
    keep_update();
    save_statement(u.st_digest);
    old = next = m.member;
    ck_assert_int_eq(tally_member_acked(&next, u.st_digest), TALLY_OK);
    uint8_t wrap = u.wrap[0];
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &room), 0);
    small.rlim_max = room.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum tally_status saved = tally_memory_save(&m, &next, true);
    u.wrap[0] ^= 1;
    enum tally_status kept = tally_memory_keep(&m, &u);
    enum tally_status acked = tally_memory_keep_ack(&m, &u, u.wrap_key_id, u.sig);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    u.wrap[0] = wrap;
    ck_assert_int_eq(saved, TALLY_E_IO);
    ck_assert_int_eq(kept, TALLY_E_IO);
    ck_assert_int_eq(acked, TALLY_E_IO);
    ck_assert_mem_eq(&m.member, &old, sizeof old);
    ck_assert(!m.done);
    open_good();
    ck_assert_mem_eq(&m.member, &old, sizeof old);
    ck_assert_msg(find(device) == TALLY_OK, "%s", tally_why()); /* with the old wrap */
    ck_assert(!tally_file_exists(file_of("ack")));
    ck_assert_int_eq(tally_memory_save(&m, &next, false), TALLY_OK);
    open_good();
    ck_assert(m.member.acked);
}
END_TEST

static void make_chips(void)
{
    static char at[] = "/tmp/tally-test-XXXXXX";
    struct tally_sim_chip *other = NULL;

    simulated_setup();
    if (mkdtemp(at) == NULL) exit(EXIT_FAILURE);
    (void)snprintf(chip_file, sizeof chip_file, "%s/chip", at);
    (void)snprintf(other_file, sizeof other_file, "%s/other", at);
    if (tally_sim_chip_new(simulated_root(), SIM_NOW_S, &other) != TALLY_OK ||
        tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK ||
        tally_sim_chip_save(other, other_file) != TALLY_OK)
        exit(EXIT_FAILURE);
    tally_sim_chip_free(&other);
}

int main(void)
{
    TCase *t = tcase_create("memory");

    if (tally_secret_setup() != TALLY_OK) return EXIT_FAILURE;
    make_chips();
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_fresh_member_becomes_what_was_saved);
    tcase_add_test(t, a_member_file_that_is_cut_changed_or_longer_is_refused);
    tcase_add_test(t, a_member_file_of_another_job_or_node_is_refused);
    tcase_add_test(t, a_path_that_is_too_long_is_refused);
    tcase_add_test(t, without_an_open_round_there_is_no_update);
    tcase_add_test(t, a_sealed_file_without_its_head_is_nothing);
    tcase_add_test(t, a_head_whose_statement_the_member_does_not_have_yet_is_taken_up);
    tcase_add_test(t, a_head_without_its_sealed_file_is_refused);
    tcase_add_test(t, an_ack_that_was_lost_leaves_the_update_to_send_again);
    tcase_add_test(t, an_update_other_than_the_one_stated_is_refused);
    tcase_add_test(t, an_update_of_another_opening_is_refused);
    tcase_add_test(t, a_head_that_is_cut_or_changed_is_refused);
    tcase_add_test(t, a_head_far_too_long_is_refused);
    tcase_add_test(t, a_sealed_file_that_is_cut_longer_or_changed_is_refused);
    tcase_add_test(t, a_head_whose_signature_does_not_verify_is_refused);
    tcase_add_test(t, the_content_key_unseals_on_its_own_chip_and_program_alone);
    tcase_add_test(t, forgetting_keeps_the_current_round_and_what_is_not_ours);
    tcase_add_test(t, a_full_disk_is_reported_and_the_old_memory_stays);
    int failed = tally_suite_run("memory", t);
    (void)unlink(chip_file);
    (void)unlink(other_file);
    *strrchr(chip_file, '/') = '\0';
    (void)rmdir(chip_file);
    return failed;
}
