/* quote_sys.c - see quote_sys.h: the kernel's own calls. */
#include "common/attest/quote_sys.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int sys_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC);
}

static int sys_openat(int dir, const char *name, int flags)
{
    return openat(dir, name, flags | O_CLOEXEC);
}

static int sys_ioctl(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg);
}

static void sys_sleep_ms(uint32_t ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

static uint32_t sys_random(void)
{
    return randombytes_random();
}

const struct tally_quote_sys tally_quote_sys_kernel = {
    .open = sys_open,
    .openat = sys_openat,
    .mkdirat = mkdirat,
    .unlinkat = unlinkat,
    .read = read,
    .write = write,
    .ioctl = sys_ioctl,
    .close = close,
    .sleep_ms = sys_sleep_ms,
    .pid = getpid,
    .random = sys_random,
};
