/* test_file.c - common/file.c on a real disk, its failures included: a folder without rights, a
 * file over its cap, a disk that is full (RLIMIT_FSIZE). */
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/suite.h"

static char folder[64], path[128];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "tally-file-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    (void)snprintf(path, sizeof path, "%s/file", folder);
}

/* Names in the folder; removes them all if told to. */
static unsigned entries(bool clear)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        n++;
        if (clear) ck_assert_int_eq(unlinkat(dirfd(d), e->d_name, 0), 0);
    }
    (void)closedir(d);
    return n;
}

static void drop_folder(void)
{
    (void)entries(true);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void holds(const char *want)
{
    uint8_t *bytes;
    size_t len;

    ck_assert_msg(tally_file_read(path, 1000, &bytes, &len) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_str_eq((const char *)bytes, want);
    free(bytes);
}

static mode_t mode_of(const char *p)
{
    struct stat st;

    ck_assert_int_eq(stat(p, &st), 0);
    return st.st_mode & 07777;
}

/* The message names the path and contains `word`. */
static void says(const char *word)
{
    ck_assert_msg(strstr(tally_why(), folder) != NULL && strstr(tally_why(), word) != NULL,
                  "\"%s\" lacks \"%s\"", tally_why(), word);
}

START_TEST(what_was_written_is_read_back_with_its_mode)
{
    (void)umask(077);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("one"), TALLY_FILE_MODE_PUBLIC),
                     TALLY_OK);
    holds("one");
    ck_assert_uint_eq(mode_of(path), 0644);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("second"), TALLY_FILE_MODE_SECRET),
                     TALLY_OK);
    holds("second");
    ck_assert_uint_eq(mode_of(path), 0600);
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(NULL, 0), TALLY_FILE_MODE_SECRET),
                     TALLY_OK);
    holds("");
    ck_assert_uint_eq(entries(false), 1);
}
END_TEST

START_TEST(a_file_over_its_cap_is_refused)
{
    uint8_t *bytes = NULL;
    size_t len = 99;
    struct tally_slice map = {0};

    ck_assert_int_eq(tally_file_write(path, tally_slice_str("0123456789"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_read(path, 9, &bytes, &len), TALLY_E_LIMIT);
    says("10 bytes");
    ck_assert_ptr_null(bytes);
    ck_assert_uint_eq(len, 99);
    ck_assert_int_eq(tally_file_map(path, 9, &map), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_file_read(path, 10, &bytes, &len), TALLY_OK);
    free(bytes);
}
END_TEST

START_TEST(exactly_the_bytes_of_a_secret)
{
    uint8_t secret[5], zeros[5] = {0};

    ck_assert_int_eq(tally_file_write(path, tally_slice_str("hello"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_read_exact(path, secret, 5), TALLY_OK);
    ck_assert_mem_eq(secret, "hello", 5);
    ck_assert_int_eq(tally_file_read_exact(path, secret, 4), TALLY_E_CONFIG);
    says("5 bytes, not 4");
    ck_assert_mem_eq(secret, zeros, 4);
}
END_TEST

START_TEST(only_regular_files_are_read)
{
    uint8_t *bytes;
    size_t len;
    struct tally_slice map;

    ck_assert_int_eq(tally_file_read(path, 10, &bytes, &len), TALLY_E_IO);
    says("check the path");
    ck_assert(!tally_file_exists(path));
    ck_assert_int_eq(tally_file_read(folder, 10, &bytes, &len), TALLY_E_IO);
    says("regular");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(tally_file_exists(path));
    ck_assert_int_eq(tally_file_read(path, 10, &bytes, &len), TALLY_E_IO);
    ck_assert_int_eq(tally_file_map(path, 10, &map), TALLY_E_IO);
    ck_assert_int_eq(tally_file_append(folder, tally_slice_str("x"), 0600), TALLY_E_IO);
}
END_TEST

START_TEST(a_folder_without_rights_is_named)
{
    char dir[160];

    ck_assert_int_eq(tally_file_write(path, tally_slice_str("old"), 0644), TALLY_OK);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("new"), 0644), TALLY_E_IO);
    says("give this user the right");
    ck_assert_int_eq(tally_file_append(path, tally_slice_str("new"), 0644),
                     geteuid() == 65534 ? TALLY_E_IO : TALLY_OK);
    ck_assert_int_eq(tally_file_remove(path), TALLY_E_IO);
    (void)snprintf(dir, sizeof dir, "%s/sub", folder);
    ck_assert_int_eq(tally_file_make_dirs(dir, 0700), TALLY_E_IO);
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_uint_eq(entries(false), 1);
}
END_TEST

static void limit_files_to(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* In a child, as Check itself writes files. */
static void on_a_full_disk(void (*act)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        limit_files_to(6);
        act();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d", status);
}

#define CHILD_NEEDS(cond)                       \
    do {                                        \
        if (!(cond)) _exit(__LINE__ % 200 + 1); \
    } while (0)

static void write_too_much(void)
{
    CHILD_NEEDS(tally_file_write(path, tally_slice_str("0123456789"), 0600) == TALLY_E_IO);
    CHILD_NEEDS(strstr(tally_why(), "raise the file size limit") != NULL);
    CHILD_NEEDS(strstr(tally_why(), path) != NULL);
}

static void append_too_much(void)
{
    CHILD_NEEDS(tally_file_append(path, tally_slice_str("0123456789"), 0600) == TALLY_E_IO);
}

START_TEST(a_full_disk_leaves_the_old_file)
{
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("old"), 0600), TALLY_OK);
    on_a_full_disk(write_too_much);
    holds("old");
    ck_assert_uint_eq(entries(false), 1);
    on_a_full_disk(append_too_much);
    holds("old");
}
END_TEST

START_TEST(a_draft_is_seen_once_committed)
{
    struct tally_file_draft d;

    ck_assert_int_eq(tally_file_draft_begin(&d, path, 0640), TALLY_OK);
    ck_assert_int_eq(tally_file_draft_add(&d, tally_slice_str("one ")), TALLY_OK);
    ck_assert_int_eq(tally_file_draft_add(&d, tally_slice_str("two")), TALLY_OK);
    ck_assert(!tally_file_exists(path));
    ck_assert_int_eq(tally_file_draft_commit(&d), TALLY_OK);
    holds("one two");
    ck_assert_uint_eq(mode_of(path), 0640);
    tally_file_draft_abandon(&d);
    ck_assert_int_eq(tally_file_draft_add(&d, tally_slice_str("x")), TALLY_E_STATE);
    ck_assert_int_eq(tally_file_draft_commit(&d), TALLY_E_STATE);
    holds("one two");
    ck_assert_int_eq(tally_file_draft_begin(&d, path, 0600), TALLY_OK);
    tally_file_draft_abandon(&d);
    tally_file_draft_abandon(&d);
    holds("one two");
    ck_assert_uint_eq(entries(false), 1);
}
END_TEST

START_TEST(a_draft_cannot_replace_a_folder)
{
    char dir[160];
    struct tally_file_draft d;

    (void)snprintf(dir, sizeof dir, "%s/sub", folder);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    ck_assert_int_eq(tally_file_draft_begin(&d, dir, 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_draft_commit(&d), TALLY_E_IO);
    says("sub");
    tally_file_draft_abandon(&d);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_uint_eq(entries(false), 0);
}
END_TEST

START_TEST(what_is_appended_comes_after)
{
    ck_assert_int_eq(tally_file_append(path, tally_slice_str("one\n"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_append(path, tally_slice_str("two\n"), 0644), TALLY_OK);
    holds("one\ntwo\n");
    ck_assert_uint_eq(mode_of(path), 0600);
}
END_TEST

START_TEST(folders_are_made_with_all_above_them)
{
    char deep[160], under[200];

    (void)snprintf(deep, sizeof deep, "%s/a/b//c/", folder);
    ck_assert_int_eq(tally_file_make_dirs(deep, 0700), TALLY_OK);
    ck_assert_int_eq(tally_file_make_dirs(deep, 0700), TALLY_OK);
    ck_assert_int_eq(tally_file_make_dirs("/", 0700), TALLY_OK);
    ck_assert_int_eq(tally_file_make_dirs("", 0700), TALLY_E_LIMIT);
    (void)snprintf(under, sizeof under, "%s/a/b/c", folder);
    ck_assert_uint_eq(mode_of(under), 0700);
    ck_assert_int_eq(rmdir(under), 0);
    ck_assert_int_eq(tally_file_write(under, tally_slice_str("x"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_make_dirs(deep, 0700), TALLY_E_IO);
    says("something else");
    (void)snprintf(deep, sizeof deep, "%s/a/b/c/d", folder);
    ck_assert_int_eq(tally_file_make_dirs(deep, 0700), TALLY_E_IO);
    ck_assert_int_eq(tally_file_remove(under), TALLY_OK);
    (void)snprintf(under, sizeof under, "%s/a/b", folder);
    ck_assert_int_eq(rmdir(under), 0);
    (void)snprintf(under, sizeof under, "%s/a", folder);
    ck_assert_int_eq(rmdir(under), 0);
}
END_TEST

START_TEST(removing_twice_is_fine)
{
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("x"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_remove(path), TALLY_OK);
    ck_assert(!tally_file_exists(path));
    ck_assert_int_eq(tally_file_remove(path), TALLY_OK);
    ck_assert_int_eq(tally_file_remove(folder), TALLY_E_IO);
}
END_TEST

START_TEST(a_map_is_the_file)
{
    struct tally_slice map;

    ck_assert_int_eq(tally_file_write(path, tally_slice_str("mapped"), 0600), TALLY_OK);
    ck_assert_int_eq(tally_file_map(path, 100, &map), TALLY_OK);
    ck_assert_uint_eq(map.len, 6);
    ck_assert_mem_eq(map.at, "mapped", 6);
    ck_assert_int_eq(tally_file_write(path, tally_slice_of(NULL, 0), 0600), TALLY_OK);
    ck_assert_mem_eq(map.at, "mapped", 6); /* replaced, not cut */
    tally_file_unmap(&map);
    tally_file_unmap(&map);
    ck_assert_int_eq(tally_file_map(path, 100, &map), TALLY_OK);
    ck_assert_uint_eq(map.len, 0);
    tally_file_unmap(&map);
}
END_TEST

START_TEST(a_path_too_long_is_refused)
{
    char *big = malloc(TALLY_FILE_PATH_MAX + 1);
    uint8_t *bytes;
    size_t len;

    memset(big, 'a', TALLY_FILE_PATH_MAX);
    big[TALLY_FILE_PATH_MAX] = '\0';
    ck_assert_int_eq(tally_file_write(big, tally_slice_str("x"), 0600), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_file_make_dirs(big, 0700), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_file_read(big, 1, &bytes, &len), TALLY_E_IO);
    ck_assert_int_eq(tally_file_append(big, tally_slice_str("x"), 0600), TALLY_E_IO);
    ck_assert_int_eq(tally_file_write("", tally_slice_str("x"), 0600), TALLY_E_LIMIT);
    free(big);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file");

    tcase_add_checked_fixture(t, make_folder, drop_folder);
    tcase_add_test(t, what_was_written_is_read_back_with_its_mode);
    tcase_add_test(t, a_file_over_its_cap_is_refused);
    tcase_add_test(t, exactly_the_bytes_of_a_secret);
    tcase_add_test(t, only_regular_files_are_read);
    tcase_add_test(t, a_folder_without_rights_is_named);
    tcase_add_test(t, a_full_disk_leaves_the_old_file);
    tcase_add_test(t, a_draft_is_seen_once_committed);
    tcase_add_test(t, a_draft_cannot_replace_a_folder);
    tcase_add_test(t, what_is_appended_comes_after);
    tcase_add_test(t, folders_are_made_with_all_above_them);
    tcase_add_test(t, removing_twice_is_fine);
    tcase_add_test(t, a_map_is_the_file);
    tcase_add_test(t, a_path_too_long_is_refused);
    return tally_suite_run("common/file", t);
}
