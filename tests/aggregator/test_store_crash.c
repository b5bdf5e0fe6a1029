/* test_store_crash.c - the store when the process is killed or the disk is full: what was said to
 * be kept is there, once, and whole. */
#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/aggregator/store_fixture.h"

enum { NODES_MAX = 4096, KILLS = 25, HEAD_BYTES = 3000 };

static uint8_t head[HEAD_BYTES];
static bool held[NODES_MAX];
static unsigned held_n;

static enum tally_status add_nth(unsigned i)
{
    char org[16];
    struct tally_store_ack ack;

    (void)snprintf(org, sizeof org, "bank%u", i);
    struct tally_store_update u = update_of(org, 1, (uint8_t)i);
    u.head = TALLY_SLICE(head);
    return tally_store_update_add(store, &u, &ack);
}

static enum tally_status see(void *ctx, const struct tally_store_update *u)
{
    unsigned i = (unsigned)strtoul(u->key.org + strlen("bank"), NULL, 10);

    (void)ctx;
    ck_assert_uint_lt(i, NODES_MAX);
    ck_assert(!held[i]); /* never twice */
    held[i] = true;
    held_n++;
    ck_assert_uint_eq(u->head.len, sizeof head);
    ck_assert_mem_eq(u->head.at, head, sizeof head);
    ck_assert_uint_eq(u->st_digest[0], (uint8_t)i);
    return TALLY_OK;
}

static void read_held(void)
{
    memset(held, 0, sizeof held);
    held_n = 0;
    ck_assert_int_eq(tally_store_updates(store, job, 1, see, NULL), TALLY_OK);
}

/* In the child: adds from `first` on, group by group, and says each number when it is durable. */
static void add_until_killed(int say, unsigned first, unsigned group)
{
    if (tally_store_open(&store, dir, false)) _exit(1);
    for (unsigned i = first; i < NODES_MAX; i += group) {
        if (group > 1 && tally_store_begin(store)) _exit(2);
        for (unsigned k = 0; k < group; k++) {
            if (add_nth(i + k)) _exit(3);
        }
        if (group > 1 && tally_store_commit(store)) _exit(4);
        for (unsigned k = i; k < i + group; k++) {
            if (write(say, &k, sizeof k) != sizeof k) _exit(5);
        }
    }
    _exit(0);
}

START_TEST(nothing_acknowledged_is_lost_or_doubled_by_a_kill)
{
    const unsigned group = _i ? 3 : 1;
    bool said[NODES_MAX] = {false};
    unsigned next = 0, n;

    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    tally_store_close(&store);
    srand48(1);
    for (int kill_n = 0; kill_n < KILLS && next < NODES_MAX / 2; kill_n++) {
        int p[2];
        ck_assert_int_eq(pipe(p), 0);
        pid_t child = fork();
        if (child == 0) add_until_killed(p[1], next, group);
        ck_assert_int_eq(close(p[1]), 0);
        (void)usleep((unsigned)(5000 + lrand48() % 30000));
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
        while (read(p[0], &n, sizeof n) == sizeof n) said[n] = true;
        ck_assert_int_eq(close(p[0]), 0);
        ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
        read_held();
        for (unsigned i = 0; i < NODES_MAX; i++) ck_assert(held[i] || !said[i]);
        ck_assert_uint_eq(held_n % group, 0); /* a group is whole or not there */
        for (next = 0; held[next]; next++) continue;
        ck_assert_uint_eq(next, held_n);
        tally_store_close(&store);
    }
    ck_assert_uint_gt(next, 0);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
}
END_TEST

/* Adds until the store fails; everything that was said to be kept must be there afterwards. */
static unsigned fill(void)
{
    enum tally_status s = TALLY_OK;
    unsigned n = 0;

    for (; n < NODES_MAX && s == TALLY_OK; n++) s = add_nth(n);
    ck_assert_int_eq(s, TALLY_E_IO);
    ck_assert_int_eq(add_nth(NODES_MAX - 1), TALLY_E_IO); /* and takes nothing more */
    ck_assert_int_eq(tally_store_begin(store), TALLY_E_IO);
    return n - 1;
}

START_TEST(a_file_that_may_not_grow_is_fatal_and_loses_nothing)
{
    struct rlimit was, little;

    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    little = (struct rlimit){.rlim_cur = (rlim_t)(300 + 37 * _i) * 1024, .rlim_max = was.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    unsigned n = fill();
    ck_assert_uint_gt(n, 3);
    tally_store_close(&store);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
    read_held();
    ck_assert_uint_eq(held_n, n);
    ck_assert_int_eq(add_nth(n), TALLY_OK); /* goes on where it stopped */
}
END_TEST

START_TEST(a_commit_that_fails_keeps_none_of_its_group)
{
    struct rlimit was, little;
    enum tally_status s = TALLY_OK;

    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(add_nth(0), TALLY_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    little = (struct rlimit){.rlim_cur = 350 * 1024, .rlim_max = was.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    ck_assert_int_eq(tally_store_begin(store), TALLY_OK);
    for (unsigned i = 1; i < 300 && s == TALLY_OK; i++) s = add_nth(i);
    ck_assert_int_eq(s == TALLY_OK ? tally_store_commit(store) : s, TALLY_E_IO);
    tally_store_close(&store);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
    read_held();
    ck_assert_uint_eq(held_n, 1);
}
END_TEST

START_TEST(a_full_disk_is_fatal_and_loses_nothing)
{
    tally_store_close(&store);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=512k") != 0) {
        (void)fprintf(stderr, "full disk: skipped, mount: %s\n", strerror(errno));
        return;
    }
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
    put_instance(key_id);
    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    unsigned n = fill();
    ck_assert_uint_gt(n, 3);
    tally_store_close(&store);
    ck_assert_int_eq(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
    read_held();
    ck_assert_uint_eq(held_n, n);
    ck_assert_int_eq(add_nth(n), TALLY_OK);
    tally_store_close(&store);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("store_crash");

    memset(head, 0x5a, sizeof head);
    tcase_add_checked_fixture(t, store_up, store_down);
    tcase_add_loop_test(t, nothing_acknowledged_is_lost_or_doubled_by_a_kill, 0, 2);
    tcase_add_loop_test(t, a_file_that_may_not_grow_is_fatal_and_loses_nothing, 0, 5);
    tcase_add_test(t, a_commit_that_fails_keeps_none_of_its_group);
    tcase_add_test(t, a_full_disk_is_fatal_and_loses_nothing);
    return tally_suite_run("aggregator/store_crash", t);
}
