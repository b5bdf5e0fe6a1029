/* test_spool.c - aggregator/spool.c: uploads in order, within the caps, resumed after a restart. */
#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "aggregator/spool.h"
#include "tests/aggregator/store_fixture.h"

enum { PIECE = TALLY_SPOOL_PIECE };

static struct tally_spool *spool;
static struct tally_spool_caps caps = {.total_bytes = 10 * PIECE, .node_bytes = 6 * PIECE};
static uint8_t piece[PIECE], back[PIECE];
static const uint8_t d1[32] = {1}, d2[32] = {2}, d3[32] = {3};
static uint64_t have;
static char path[TALLY_SPOOL_PATH_SIZE];

static void spool_up(void)
{
    new_folder();
    for (size_t i = 0; i < sizeof piece; i++) piece[i] = (uint8_t)(i * 31 + i / 251);
    ck_assert_int_eq(tally_spool_open(&spool, dir, caps), TALLY_OK);
}

static void spool_down(void)
{
    tally_spool_close(&spool);
    ck_assert_ptr_null(spool);
    remove_folder();
}

static void respool(void)
{
    tally_spool_close(&spool);
    ck_assert_int_eq(tally_spool_open(&spool, dir, caps), TALLY_OK);
}

static enum tally_status begin(const uint8_t *digest, const char *owner, uint64_t bytes)
{
    return tally_spool_begin(spool, digest, owner, bytes, &have);
}

static enum tally_status append(const uint8_t *digest, uint64_t offset, size_t n)
{
    return tally_spool_append(spool, digest, offset, tally_slice_of(piece, n));
}

static const char *full_path(const char *relative)
{
    static char full[256];

    (void)snprintf(full, sizeof full, "%s/%s", dir, relative);
    return full;
}

static int64_t size_of(const char *relative)
{
    struct stat st;

    return stat(full_path(relative), &st) == 0 ? (int64_t)st.st_size : -1;
}

static void see(void *ctx, const struct tally_spool_part *p)
{
    (void)p;
    ++*(int *)ctx;
}

static int parts(void)
{
    int n = 0;

    tally_spool_parts(spool, see, &n);
    return n;
}

START_TEST(an_upload_becomes_a_sealed_file)
{
    ck_assert_int_eq(begin(d1, "a/n", PIECE + 100), TALLY_OK);
    ck_assert_uint_eq(have, 0);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_OK);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, PIECE, 100), TALLY_OK);
    ck_assert_int_eq(tally_spool_read(spool, d1, PIECE - 10, back, 110), TALLY_OK);
    ck_assert_mem_eq(back, piece + PIECE - 10, 10);
    ck_assert_mem_eq(back + 10, piece, 100);
    ck_assert_int_eq(tally_spool_read(spool, d1, PIECE, back, 101), TALLY_E_STATE);
    ck_assert_int_eq(tally_spool_read(spool, d1, UINT64_MAX, back, 2), TALLY_E_STATE);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
    ck_assert_int_eq(size_of(path), PIECE + 100);
    ck_assert_int_eq(parts(), 0);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_E_STATE);
    ck_assert_int_eq(tally_spool_remove_sealed(spool, d1), TALLY_OK);
    ck_assert_int_eq(tally_spool_remove_sealed(spool, d1), TALLY_OK);
    ck_assert_int_eq(size_of(path), -1);
}
END_TEST

START_TEST(only_the_next_piece_is_taken)
{
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_E_STATE); /* not begun */
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE + 5), TALLY_OK);
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 0, PIECE - 1), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 0, 0), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_OK);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_E_STATE); /* again */
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_OK);
    ck_assert_int_eq(append(d1, 2 * PIECE, 6), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 2 * PIECE, 4), TALLY_E_STATE);
    ck_assert_int_eq(append(d1, 2 * PIECE, 5), TALLY_OK);
    ck_assert_int_eq(append(d1, 2 * PIECE + 5, 0), TALLY_E_STATE); /* complete */
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
}
END_TEST

START_TEST(after_a_restart_whole_pieces_count)
{
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE + 5), TALLY_OK);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_OK);
    respool();
    ck_assert_int_eq(parts(), 1);
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_E_STATE); /* begin first */
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE + 5), TALLY_OK);
    ck_assert_uint_eq(have, PIECE);
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_OK);
    ck_assert_int_eq(append(d1, 2 * PIECE, 5), TALLY_OK);
    respool(); /* the last, short piece does not count */
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE + 5), TALLY_OK);
    ck_assert_uint_eq(have, 2 * PIECE);
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE + 5), TALLY_OK); /* again: the same */
    ck_assert_uint_eq(have, 2 * PIECE);
    ck_assert_int_eq(append(d1, 2 * PIECE, 5), TALLY_OK);
    ck_assert_int_eq(tally_spool_read(spool, d1, PIECE, back, PIECE), TALLY_OK);
    ck_assert_mem_eq(back, piece, PIECE);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
    ck_assert_int_eq(size_of(path), 2 * PIECE + 5);
}
END_TEST

START_TEST(a_complete_upload_of_whole_pieces_stays_complete)
{
    ck_assert_int_eq(begin(d1, "a/n", PIECE), TALLY_OK);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_OK);
    respool();
    ck_assert_int_eq(begin(d1, "a/n", PIECE), TALLY_OK);
    ck_assert_uint_eq(have, PIECE);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
}
END_TEST

START_TEST(a_part_found_longer_than_announced_begins_anew)
{
    ck_assert_int_eq(begin(d1, "a/n", 3 * PIECE), TALLY_OK);
    for (uint64_t i = 0; i < 3; i++) ck_assert_int_eq(append(d1, i * PIECE, PIECE), TALLY_OK);
    respool();
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE), TALLY_OK);
    ck_assert_uint_eq(have, 0);
}
END_TEST

START_TEST(an_upload_has_one_owner_and_one_size)
{
    ck_assert_int_eq(begin(d1, "a/n", PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d1, "b/n", PIECE), TALLY_E_STATE);
    ck_assert_int_eq(begin(d1, "a/n", PIECE + 1), TALLY_E_STATE);
    ck_assert_int_eq(begin(d2, "a/n", 0), TALLY_E_LIMIT);
    ck_assert_int_eq(begin(d2, "a/n", UINT64_MAX), TALLY_E_LIMIT);
    ck_assert_int_eq(begin(d2, "", PIECE), TALLY_E_LIMIT);
    ck_assert_int_eq(parts(), 1);
}
END_TEST

START_TEST(what_is_announced_counts_against_the_caps)
{
    ck_assert_int_eq(begin(d1, "a/n", 4 * PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d2, "a/n", 3 * PIECE), TALLY_E_LIMIT); /* the node's cap is 6 */
    ck_assert_int_eq(begin(d2, "b/n", 6 * PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d3, "c/n", 1), TALLY_E_LIMIT); /* the total is 10 */
    ck_assert_int_eq(tally_spool_drop(spool, d2), TALLY_OK);
    ck_assert_int_eq(tally_spool_drop(spool, d2), TALLY_OK);
    ck_assert_int_eq(begin(d3, "c/n", 6 * PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d2, "b/n", UINT64_C(1) << 62), TALLY_E_LIMIT);
    ck_assert_int_eq(parts(), 2);
}
END_TEST

START_TEST(parts_without_an_owner_give_way_the_oldest_first)
{
    ck_assert_int_eq(begin(d1, "a/n", 5 * PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d2, "b/n", 5 * PIECE), TALLY_OK);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(append(d1, i * PIECE, PIECE), TALLY_OK);
        (void)usleep(5000);
        ck_assert_int_eq(append(d2, i * PIECE, PIECE), TALLY_OK);
    }
    respool(); /* four and four, nobody's */
    ck_assert_int_eq(begin(d3, "c/n", 5 * PIECE), TALLY_OK);
    ck_assert_int_eq(parts(), 2);
    ck_assert_int_eq(begin(d2, "b/n", 5 * PIECE), TALLY_OK);
    ck_assert_uint_eq(have, 4 * PIECE);                       /* the younger one stayed */
    ck_assert_int_eq(begin(d1, "a/n", PIECE), TALLY_E_LIMIT); /* and owners never give way */
}
END_TEST

START_TEST(more_uploads_than_there_is_room_for_are_refused)
{
    uint8_t d[32] = {0};

    caps = (struct tally_spool_caps){.total_bytes = PIECE, .node_bytes = PIECE};
    respool();
    for (int i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        d[0] = (uint8_t)i;
        d[1] = (uint8_t)(i >> 8);
        ck_assert_int_eq(begin(d, "a/n", 1), TALLY_OK);
    }
    d[2] = 1;
    ck_assert_int_eq(begin(d, "a/n", 1), TALLY_E_LIMIT);
    ck_assert_int_eq(parts(), TALLY_SPOOL_PARTS_MAX);
}
END_TEST

START_TEST(what_is_no_part_is_removed)
{
    static const char good[] =
        "spool/00000000000000000000000000000000000000000000000000000000000000aa.part";
    static const char *const bad[] = {
        "spool/junk",
        "spool/00000000000000000000000000000000000000000000000000000000000000AA.part",
        "spool/00000000000000000000000000000000000000000000000000000000000000aa.tmp",
        "spool/000000000000000000000000000000000000000000000000000000000000000g.part",
    };

    put_file(good, PIECE + 7);
    for (size_t i = 0; i < 4; i++) put_file(bad[i], 10);
    respool();
    ck_assert_int_eq(parts(), 1);
    ck_assert_int_eq(size_of(good), PIECE + 7);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(size_of(bad[i]), -1);
    const uint8_t digest[32] = {[31] = 0xaa};
    ck_assert_int_eq(begin(digest, "a/n", 2 * PIECE), TALLY_OK);
    ck_assert_uint_eq(have, PIECE);
    ck_assert_int_eq(size_of(good), PIECE); /* the half piece is cut off */
}
END_TEST

START_TEST(a_file_that_may_not_grow_stops_that_upload_alone)
{
    const struct rlimit little = {.rlim_cur = PIECE + PIECE / 2, .rlim_max = RLIM_INFINITY};
    const struct rlimit much = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(begin(d1, "a/n", 2 * PIECE), TALLY_OK);
    ck_assert_int_eq(append(d1, 0, PIECE), TALLY_OK);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_E_LIMIT); /* half of it is on disk */
    ck_assert_int_eq(begin(d2, "b/n", PIECE), TALLY_OK);
    ck_assert_int_eq(append(d2, 0, PIECE), TALLY_OK);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &much), 0);
    ck_assert_int_eq(append(d1, PIECE, PIECE), TALLY_OK); /* the same place again */
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
    ck_assert_int_eq(size_of(path), 2 * PIECE);
}
END_TEST

START_TEST(a_full_disk_is_met_when_an_upload_begins)
{
    tally_spool_close(&spool);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m") != 0) {
        (void)fprintf(stderr, "full disk: skipped, mount: %s\n", strerror(errno));
        return;
    }
    ck_assert_int_eq(tally_spool_open(&spool, dir, caps), TALLY_OK);
    ck_assert_int_eq(begin(d1, "a/n", 4 * PIECE), TALLY_OK);
    ck_assert_int_eq(begin(d2, "b/n", 4 * PIECE), TALLY_E_LIMIT);
    ck_assert_int_eq(parts(), 1);
    for (uint64_t i = 0; i < 4; i++) ck_assert_int_eq(append(d1, i * PIECE, PIECE), TALLY_OK);
    ck_assert_int_eq(tally_spool_finish(spool, d1, path), TALLY_OK);
    tally_spool_close(&spool);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("spool");

    tcase_add_checked_fixture(t, spool_up, spool_down);
    tcase_add_test(t, an_upload_becomes_a_sealed_file);
    tcase_add_test(t, only_the_next_piece_is_taken);
    tcase_add_test(t, after_a_restart_whole_pieces_count);
    tcase_add_test(t, a_complete_upload_of_whole_pieces_stays_complete);
    tcase_add_test(t, a_part_found_longer_than_announced_begins_anew);
    tcase_add_test(t, an_upload_has_one_owner_and_one_size);
    tcase_add_test(t, what_is_announced_counts_against_the_caps);
    tcase_add_test(t, parts_without_an_owner_give_way_the_oldest_first);
    tcase_add_test(t, more_uploads_than_there_is_room_for_are_refused);
    tcase_add_test(t, what_is_no_part_is_removed);
    tcase_add_test(t, a_file_that_may_not_grow_stops_that_upload_alone);
    tcase_add_test(t, a_full_disk_is_met_when_an_upload_begins);
    return tally_suite_run("aggregator/spool", t);
}
