/* tsm_shim.c - an LD_PRELOAD library that puts the played kernel of tests/lib/tee_kernel.h under a
 * program: configfs-tsm at /sys/kernel/config/tsm/report and /dev/sev-guest. Everything else goes
 * to the real kernel. Built for tests alone.
 *
 *   TALLY_SHIM_TSM        "sev_guest" or "tdx_guest" (or any text): configfs-tsm is there
 *   TALLY_SHIM_DEV        not empty: /dev/sev-guest is there
 *   TALLY_SHIM_CHIP       a simulated chip's file: reports are signed by it; the guest's
 *                         measurement is the running program's SHA-384
 *   TALLY_SHIM_POLICY     the guest's policy (hex)
 *   TALLY_SHIM_EVIDENCE   or a file of captured evidence, with
 *   TALLY_SHIM_DATA_AT    where it takes REPORT_DATA (0: it does not)
 *   TALLY_SHIM_CERTS      a file: the host's certificate table; "chip": of the simulated chip
 *   TALLY_SHIM_FAIL       step:errno[:times],... (tee_kernel.h; errno as a number, times -1:
 * always) TALLY_SHIM_ODD        words: short, padded, endless, other, no_auxblob, vmpl1, no_levels
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "tests/lib/tee_kernel.h"

enum { FDS = 4096, FILE_MAX = 256 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool inside; /* our own calls go to the real kernel */
static atomic_bool ours[FDS];
static bool ready;

/* The next definition of a call, looked up once. */
#define REAL(name)                              \
    static __typeof__(&name) real_##name;       \
    if (real_##name == NULL) {                  \
        void *at_ = dlsym(RTLD_NEXT, #name);    \
        if (at_ == NULL) abort();               \
        memcpy(&real_##name, &at_, sizeof at_); \
    }

/* ---- the environment ---- */

static struct tally_slice file_named(const char *path)
{
    static uint8_t store[4][FILE_MAX];
    static int used;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 && used < 4 ? read(fd, store[used], FILE_MAX) : -1;

    if (n < 0) {
        (void)fprintf(stderr, "tsm_shim: %s: %s\n", path, strerror(errno));
        abort();
    }
    (void)close(fd);
    return tally_slice_of(store[used++], (size_t)n);
}

static void measure(uint8_t out[48])
{
    static uint8_t piece[64 * 1024];
    struct tally_hasher h = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    tally_hasher_init(&h, TALLY_SHA384);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        tally_hasher_add(&h, tally_slice_of(piece, (size_t)n));
    (void)close(fd);
    tally_hasher_end(&h, out);
}

static void set_chip(struct tee_kernel *k, const char *path)
{
    static uint8_t certs[TEE_CERTS_MAX];
    struct tally_sim_chip *chip = NULL;
    const char *policy = getenv("TALLY_SHIM_POLICY"), *table = getenv("TALLY_SHIM_CERTS");

    if (tally_sim_chip_load(path, &chip) != TALLY_OK) {
        (void)fprintf(stderr, "tsm_shim: %s\n", tally_why());
        abort();
    }
    k->chip = chip;
    tally_sim_report_init(chip, &k->guest);
    memset(k->guest.report_id, 7, sizeof k->guest.report_id);
    measure(k->guest.measurement);
    if (policy != NULL) k->guest.policy = strtoull(policy, NULL, 16);
    if (table != NULL && strcmp(table, "chip") == 0)
        k->certs = tally_slice_of(certs, tee_kernel_certs(chip, certs));
}

static void set_faults(const char *text)
{
    char step[24];
    int number = 0, times = 0;

    while (text != NULL && *text != '\0') {
        times = -1;
        if (sscanf(text, "%23[^:]:%d:%d", step, &number, &times) < 2) abort();
        tee_kernel_fault(step, number, times);
        text = strchr(text, ',');
        if (text != NULL) text++;
    }
}

static void set_odd(struct tee_kernel *k, const char *words)
{
    if (strstr(words, "short") != NULL) k->read_max = 7;
    if (strstr(words, "padded") != NULL) k->padded = 1000;
    k->endless = strstr(words, "endless") != NULL;
    k->no_auxblob = strstr(words, "no_auxblob") != NULL;
    if (strstr(words, "other") != NULL) k->other_writers = -1;
    if (strstr(words, "vmpl1") != NULL) k->privlevel_floor = 1;
    if (strstr(words, "no_levels") != NULL) k->privlevel_floor = -1;
}

static void set_up(void)
{
    struct tee_kernel *k = tee_kernel();
    const char *tsm = getenv("TALLY_SHIM_TSM"), *chip = getenv("TALLY_SHIM_CHIP");
    const char *dev = getenv("TALLY_SHIM_DEV");
    const char *evidence = getenv("TALLY_SHIM_EVIDENCE"), *at = getenv("TALLY_SHIM_DATA_AT");
    const char *certs = getenv("TALLY_SHIM_CERTS"), *odd = getenv("TALLY_SHIM_ODD");

    ready = true;
    k->tsm = tsm != NULL;
    if (tsm != NULL) (void)snprintf(k->provider, sizeof k->provider, "%s", tsm);
    k->sev_guest = dev != NULL && *dev != '\0';
    k->knows_vlek = true;
    if (chip != NULL) set_chip(k, chip);
    if (evidence != NULL) k->captured = file_named(evidence);
    if (at != NULL) k->report_data_at = strtoul(at, NULL, 0);
    if (certs != NULL && strcmp(certs, "chip") != 0) k->certs = file_named(certs);
    if (odd != NULL) set_odd(k, odd);
    set_faults(getenv("TALLY_SHIM_FAIL"));
}

/* ---- the calls ---- */

static void enter(void)
{
    (void)pthread_mutex_lock(&lock);
    inside = true;
    if (!ready) set_up();
}

static void leave(void)
{
    int number = errno;

    inside = false;
    (void)pthread_mutex_unlock(&lock);
    errno = number;
}

static bool is_ours(int fd)
{
    return !inside && fd >= 0 && fd < FDS && atomic_load(&ours[fd]);
}

static int claim(int fd)
{
    if (fd >= FDS) abort();
    if (fd >= 0) atomic_store(&ours[fd], true);
    return fd;
}

static bool play_path(const char *path)
{
    return !inside && tee_kernel_path(path);
}

#define SHOWN __attribute__((visibility("default")))

SHOWN int open(const char *path, int flags, ...)
{
    REAL(open)
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) mode = va_arg(ap, mode_t);
    va_end(ap);
    if (!play_path(path)) return real_open(path, flags, mode);
    enter();
    int fd = claim(tee_kernel_sys.open(path, flags));
    leave();
    return fd;
}

SHOWN int openat(int dir, const char *path, int flags, ...)
{
    REAL(openat)
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) mode = va_arg(ap, mode_t);
    va_end(ap);
    if (!is_ours(dir)) return real_openat(dir, path, flags, mode);
    enter();
    int fd = claim(tee_kernel_sys.openat(dir, path, flags));
    leave();
    return fd;
}

SHOWN int mkdirat(int dir, const char *path, mode_t mode)
{
    REAL(mkdirat)
    if (!is_ours(dir)) return real_mkdirat(dir, path, mode);
    enter();
    int rc = tee_kernel_sys.mkdirat(dir, path, mode);
    leave();
    return rc;
}

SHOWN int unlinkat(int dir, const char *path, int flags)
{
    REAL(unlinkat)
    if (!is_ours(dir)) return real_unlinkat(dir, path, flags);
    enter();
    int rc = tee_kernel_sys.unlinkat(dir, path, flags);
    leave();
    return rc;
}

SHOWN ssize_t read(int fd, void *to, size_t n)
{
    REAL(read)
    if (!is_ours(fd)) return real_read(fd, to, n);
    enter();
    ssize_t got = tee_kernel_sys.read(fd, to, n);
    leave();
    return got;
}

SHOWN ssize_t write(int fd, const void *from, size_t n)
{
    REAL(write)
    if (!is_ours(fd)) return real_write(fd, from, n);
    enter();
    ssize_t put = tee_kernel_sys.write(fd, from, n);
    leave();
    return put;
}

SHOWN int ioctl(int fd, unsigned long request, ...)
{
    REAL(ioctl)
    va_list ap;

    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (!is_ours(fd)) return real_ioctl(fd, request, arg);
    enter();
    int rc = tee_kernel_sys.ioctl(fd, request, arg);
    leave();
    return rc;
}

SHOWN int close(int fd)
{
    REAL(close)
    if (!is_ours(fd)) return real_close(fd);
    enter();
    atomic_store(&ours[fd], false);
    int rc = tee_kernel_sys.close(fd);
    leave();
    return rc;
}

/* What a fortified program calls instead. */
SHOWN int __open_2(const char *path, int flags);
SHOWN int __openat_2(int dir, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __openat_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags);
}
