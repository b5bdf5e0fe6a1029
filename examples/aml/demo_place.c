/* demo_place.c - where the demo's files are (demo.h). */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "examples/aml/demo.h"

enum { FRESH_MAX = 1000000 };

enum tally_status tally_demo_path(char out[TALLY_DEMO_PATH_MAX], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(out, TALLY_DEMO_PATH_MAX, fmt, args);
    va_end(args);
    TALLY_ENSURE(n > 0 && n < TALLY_DEMO_PATH_MAX, TALLY_E_LIMIT,
                 "a path of more than %d bytes; choose a shorter --keep", TALLY_DEMO_PATH_MAX - 1);
    return TALLY_OK;
}

void tally_demo_free(struct tally_demo *d)
{
    for (uint32_t i = 0; i < d->banks_n; i++) free(d->bank[i].unknown);
    tally_job_free(&d->job);
}

/* The build tree: the folder above this program's. */
static enum tally_status find_programs(struct tally_demo *d)
{
    char self[TALLY_DEMO_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    TALLY_ENSURE(n > 0, TALLY_E_IO, "/proc/self/exe: %s", strerror(errno));
    self[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        TALLY_ENSURE(slash != NULL, TALLY_E_STATE, "%s is in no build tree", self);
        *slash = '\0';
    }
    TALLY_TRY(tally_demo_path(d->build, "%s", self));
    TALLY_TRY(tally_demo_path(d->agent, "%s/tally-agent", self));
    TALLY_TRY(tally_demo_path(d->aggregator, "%s/tally-aggregator", self));
    TALLY_ENSURE(access(d->agent, X_OK) == 0 && access(d->aggregator, X_OK) == 0, TALLY_E_CONFIG,
                 "%s has no tally-agent and tally-aggregator: build them first", self);
    return TALLY_OK;
}

static enum tally_status check_empty(const char *dir)
{
    DIR *f = opendir(dir);
    uint32_t n = 0;

    TALLY_ENSURE(f != NULL, TALLY_E_IO, "--keep %s: %s", dir, strerror(errno));
    for (const struct dirent *e; (e = readdir(f)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    (void)closedir(f);
    TALLY_ENSURE(n == 0, TALLY_E_CONFIG, "--keep %s: the folder is not empty; name another", dir);
    return TALLY_OK;
}

static enum tally_status use_keep(struct tally_demo *d)
{
    TALLY_TRY(tally_file_make_dirs(d->options.keep, TALLY_FILE_DIR_MODE_PRIVATE));
    char *real = realpath(d->options.keep, NULL);
    TALLY_ENSURE(real != NULL, TALLY_E_IO, "--keep %s: %s", d->options.keep, strerror(errno));
    enum tally_status s = tally_demo_path(d->root, "%s", real);
    free(real);
    TALLY_TRY(s);
    return check_empty(d->root);
}

/* build/demo/1, 2, ...: the first that nobody has. */
static enum tally_status use_fresh(struct tally_demo *d)
{
    TALLY_TRY(tally_demo_path(d->root, "%s/demo", d->build));
    TALLY_TRY(tally_file_make_dirs(d->root, TALLY_FILE_DIR_MODE_PRIVATE));
    for (int i = 1; i < FRESH_MAX; i++) {
        TALLY_TRY(tally_demo_path(d->root, "%s/demo/%d", d->build, i));
        if (mkdir(d->root, TALLY_FILE_DIR_MODE_PRIVATE) == 0) return TALLY_OK;
        TALLY_ENSURE(errno == EEXIST, TALLY_E_IO, "%s: %s", d->root, strerror(errno));
    }
    return TALLY_FAIL(TALLY_E_LIMIT, "%s/demo is full", d->build);
}

enum tally_status tally_demo_places(struct tally_demo *d)
{
    char logs[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(find_programs(d));
    TALLY_TRY(d->options.keep != NULL ? use_keep(d) : use_fresh(d));
    TALLY_TRY(tally_demo_path(d->owner, "%s/owner", d->root));
    TALLY_TRY(tally_demo_path(logs, "%s/logs", d->root));
    return tally_file_make_dirs(logs, TALLY_FILE_DIR_MODE_PRIVATE);
}
