/* tee_kernel.c - see tee_kernel.h. */
#include "tests/lib/tee_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hash.h"
#include "tests/lib/tee_firmware.h"

enum { FILES = 64, FOLDERS = 16, BLOB_MAX = 256 * 1024, BASE = -2, DEVICE = -3, IN_BYTES = 64 };

static struct tee_kernel kernel;

struct folder {
    bool used;
    char name[64];
    uint8_t in[IN_BYTES];
    size_t in_len;
    uint32_t privlevel, written, read; /* generations */
    uint8_t *out;                      /* of generation `read` */
    size_t out_len;
    bool spoiled; /* somebody else has written */
};
static struct folder folders[FOLDERS];

struct file {
    bool used, loaded, dirty;
    int fd, folder; /* folder: an index, BASE or DEVICE */
    char attribute[32];
    uint8_t *bytes;
    size_t len, at;
};
static struct file files[FILES];

static int fail(int number)
{
    errno = number;
    return -1;
}

/* Does this step fail now? */
static bool hit(const char *step)
{
    for (int i = 0; i < TEE_FAULTS_MAX; i++) {
        struct tee_fault *f = &kernel.faults[i];
        if (f->times == 0 || strcmp(f->step, step) != 0) continue;
        if (f->times > 0) f->times--;
        errno = f->number;
        return true;
    }
    return false;
}

void tee_kernel_fault(const char *step, int number, int times)
{
    for (int i = 0; i < TEE_FAULTS_MAX; i++) {
        struct tee_fault *f = &kernel.faults[i];
        if (f->times != 0) continue;
        (void)snprintf(f->step, sizeof f->step, "%s", step);
        f->number = number;
        f->times = times;
        return;
    }
    abort();
}

struct tee_kernel *tee_kernel(void)
{
    return &kernel;
}

/* ---- files ---- */

static struct file *file_of(int fd)
{
    for (int i = 0; i < FILES; i++) {
        if (files[i].used && files[i].fd == fd) return &files[i];
    }
    return NULL;
}

bool tee_kernel_fd(int fd)
{
    return fd >= 0 && file_of(fd) != NULL;
}

bool tee_kernel_path(const char *path)
{
    return strcmp(path, "/sys/kernel/config/tsm/report") == 0 ||
           strcmp(path, "/dev/sev-guest") == 0;
}

/* A number of a file that nobody else has. */
static int new_file(int folder, const char *attribute)
{
    for (int i = 0; i < FILES; i++) {
        struct file *f = &files[i];
        if (f->used) continue;
        *f = (struct file){.used = true, .folder = folder};
        f->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (f->fd < 0) abort();
        (void)snprintf(f->attribute, sizeof f->attribute, "%s", attribute);
        kernel.files_open++;
        return f->fd;
    }
    return fail(EMFILE);
}

static int play_open(const char *path, int flags)
{
    (void)flags;
    bool base = strcmp(path, "/dev/sev-guest") != 0;
    if (!tee_kernel_path(path) || (base ? !kernel.tsm : !kernel.sev_guest)) return fail(ENOENT);
    if (hit(base ? "base" : "dev")) return -1;
    return new_file(base ? BASE : DEVICE, "");
}

static struct folder *folder_named(const char *name, size_t len)
{
    for (int i = 0; i < FOLDERS; i++) {
        if (folders[i].used && strlen(folders[i].name) == len &&
            memcmp(folders[i].name, name, len) == 0)
            return &folders[i];
    }
    return NULL;
}

static int play_mkdirat(int dir, const char *name, mode_t mode)
{
    struct file *base = file_of(dir);

    (void)mode;
    if (base == NULL || base->folder != BASE) return fail(EBADF);
    if (hit("mkdir")) return -1;
    if (folder_named(name, strlen(name)) != NULL) return fail(EEXIST);
    for (int i = 0; i < FOLDERS; i++) {
        if (folders[i].used) continue;
        folders[i] = (struct folder){.used = true};
        (void)snprintf(folders[i].name, sizeof folders[i].name, "%s", name);
        kernel.folders++;
        kernel.requests++;
        return 0;
    }
    return fail(ENOSPC);
}

static int play_unlinkat(int dir, const char *name, int flags)
{
    struct file *base = file_of(dir);
    struct folder *f = folder_named(name, strlen(name));

    if (base == NULL || base->folder != BASE || flags != AT_REMOVEDIR) return fail(EPERM);
    if (f == NULL) return fail(ENOENT);
    if (hit("rmdir")) return -1;
    for (int i = 0; i < FILES; i++) {
        if (files[i].used && files[i].folder == (int)(f - folders)) return fail(EBUSY);
    }
    free(f->out);
    *f = (struct folder){0};
    kernel.folders--;
    return 0;
}

static bool attribute_there(const char *a, int flags)
{
    static const struct {
        const char *name;
        bool writes;
    } known[] = {
        {"inblob",          true },
        {"privlevel",       true },
        {"privlevel_floor", false},
        {"provider",        false},
        {"generation",      false},
        {"outblob",         false},
        {"auxblob",         false},
    };

    if (kernel.no_auxblob && strcmp(a, "auxblob") == 0) return false;
    if (kernel.privlevel_floor < 0 && strncmp(a, "privlevel", 9) == 0) return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, a) == 0)
            return known[i].writes == ((flags & O_ACCMODE) == O_WRONLY);
    }
    return false;
}

static int play_openat(int dir, const char *name, int flags)
{
    struct file *base = file_of(dir);
    const char *slash = strchr(name, '/');
    char step[40];

    if (base == NULL || base->folder != BASE) return fail(EBADF);
    struct folder *f = slash ? folder_named(name, (size_t)(slash - name)) : NULL;
    if (f == NULL || !attribute_there(slash + 1, flags)) return fail(ENOENT);
    (void)snprintf(step, sizeof step, "%s.open", slash + 1);
    if (hit(step)) return -1;
    return new_file((int)(f - folders), slash + 1);
}

/* ---- attributes ---- */

/* The TEE is asked when the request changed since, never without a request. */
static bool refresh(struct folder *f)
{
    if (f->in_len != IN_BYTES) {
        errno = EINVAL;
        return false;
    }
    if (f->out != NULL && f->read == f->written) return true;
    free(f->out);
    f->out = calloc(1, BLOB_MAX);
    if (f->out == NULL) abort();
    f->out_len = tee_firmware_evidence(&kernel, f->in, f->privlevel, f->out, BLOB_MAX);
    f->out_len += kernel.padded;
    f->read = f->written;
    kernel.reports++;
    if (f->out_len == 0) errno = EIO;
    return f->out_len != 0;
}

static void text_of(const struct file *f, char text[80])
{
    const struct folder *d = &folders[f->folder];

    if (strcmp(f->attribute, "provider") == 0)
        (void)snprintf(text, 80, "%s\n", kernel.provider);
    else if (strcmp(f->attribute, "privlevel_floor") == 0)
        (void)snprintf(text, 80, "%d\n", kernel.privlevel_floor);
    else if (kernel.odd_number[0] != '\0')
        (void)snprintf(text, 80, "%s\n", kernel.odd_number);
    else
        (void)snprintf(text, 80, "%u\n", d->written);
}

static bool load(struct file *f)
{
    struct folder *d = &folders[f->folder];
    char text[80];

    if (f->loaded) return true;
    if (hit(f->attribute)) return false;
    if (strcmp(f->attribute, "outblob") == 0 || strcmp(f->attribute, "auxblob") == 0) {
        if (!refresh(d)) return false;
        bool out = f->attribute[0] == 'o';
        struct tally_slice b = out ? tally_slice_of(d->out, d->out_len) : kernel.certs;
        f->bytes = malloc(b.len ? b.len : 1);
        if (f->bytes == NULL) abort();
        if (b.len != 0) memcpy(f->bytes, b.at, b.len);
        f->len = b.len;
        if (out && !d->spoiled && kernel.other_writers != 0) {
            if (kernel.other_writers > 0) kernel.other_writers--;
            d->spoiled = true;
            d->written++;
        }
    } else {
        text_of(f, text);
        f->len = strlen(text);
        f->bytes = malloc(f->len);
        if (f->bytes == NULL) abort();
        memcpy(f->bytes, text, f->len);
    }
    f->loaded = true;
    return true;
}

static ssize_t play_read(int fd, void *to, size_t n)
{
    struct file *f = file_of(fd);

    if (f == NULL || f->folder < 0) return fail(EBADF);
    if (!load(f)) return -1;
    if (kernel.read_max != 0 && n > kernel.read_max) n = kernel.read_max;
    if (kernel.endless && strcmp(f->attribute, "outblob") == 0) {
        memset(to, 1, n);
        return (ssize_t)n;
    }
    if (n > f->len - f->at) n = f->len - f->at;
    memcpy(to, f->bytes + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static ssize_t play_write(int fd, const void *from, size_t n)
{
    struct file *f = file_of(fd);

    if (f == NULL || f->folder < 0) return fail(EBADF);
    if (hit(f->attribute)) return errno == 0 ? (ssize_t)(n / 2) : -1; /* 0: half of it */
    if (strcmp(f->attribute, "privlevel") == 0) {
        int level = n == 1 ? *(const char *)from - '0' : -1;
        if (level < kernel.privlevel_floor || level > 3) return fail(EINVAL);
        folders[f->folder].privlevel = (uint32_t)level;
        folders[f->folder].written++;
        return (ssize_t)n;
    }
    if (n > IN_BYTES || f->dirty) return fail(EINVAL);
    f->bytes = malloc(n ? n : 1);
    if (f->bytes == NULL) abort();
    memcpy(f->bytes, from, n);
    f->len = n;
    f->dirty = true;
    return (ssize_t)n;
}

static int play_close(int fd)
{
    struct file *f = file_of(fd);

    if (f == NULL) return fail(EBADF);
    if (f->dirty && !hit("inblob.close")) { /* a binary file is taken in now */
        struct folder *d = &folders[f->folder];
        memcpy(d->in, f->bytes, f->len);
        d->in_len = f->len;
        d->written++;
    }
    free(f->bytes);
    (void)close(f->fd);
    f->used = false;
    kernel.files_open--;
    return 0;
}

void tee_kernel_reset(void)
{
    for (int i = 0; i < FILES; i++) {
        if (files[i].used) (void)play_close(files[i].fd);
    }
    for (int i = 0; i < FOLDERS; i++) free(folders[i].out);
    memset(folders, 0, sizeof folders);
    memset(&kernel, 0, sizeof kernel);
}

/* ---- the device ---- */

static int play_ioctl(int fd, unsigned long request, void *arg)
{
    static const char *const steps[] = {"report", "key", "ext"};
    const struct file *f = file_of(fd);

    if (f == NULL || f->folder != DEVICE) return fail(EBADF);
    if (request < TEE_GET_REPORT || request > TEE_GET_REPORT + 2) return fail(ENOTTY);
    if (hit(steps[request - TEE_GET_REPORT])) {
        int number = errno;
        tee_firmware_host_error(arg, kernel.fw_error, kernel.vmm_error);
        return fail(number);
    }
    if (request == TEE_GET_REPORT + 1) return tee_firmware_key(&kernel, arg);
    kernel.reports++;
    return tee_firmware_report(&kernel, arg, request == TEE_GET_REPORT + 2);
}

static void play_sleep_ms(uint32_t ms)
{
    kernel.slept_ms += ms;
}

static pid_t play_pid(void)
{
    return 4711;
}

static uint32_t play_random(void)
{
    static uint32_t n;

    return n += 2654435769U;
}

const struct tally_quote_sys tee_kernel_sys = {
    .open = play_open,
    .openat = play_openat,
    .mkdirat = play_mkdirat,
    .unlinkat = play_unlinkat,
    .read = play_read,
    .write = play_write,
    .ioctl = play_ioctl,
    .close = play_close,
    .sleep_ms = play_sleep_ms,
    .pid = play_pid,
    .random = play_random,
};
