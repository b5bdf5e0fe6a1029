/* quote_sys.h - the few system calls that a producer of CPU evidence makes, as a table: the
 * kernel's own, or in a test a kernel that is played (its errors, its other writers, its odd
 * answers).
 *
 * Each has the meaning, result and errno of the call it is named after. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tally_quote_sys {
    int (*open)(const char *path, int flags);
    int (*openat)(int dir, const char *name, int flags);
    int (*mkdirat)(int dir, const char *name, mode_t mode);
    int (*unlinkat)(int dir, const char *name, int flags);
    ssize_t (*read)(int fd, void *to, size_t n);
    ssize_t (*write)(int fd, const void *from, size_t n);
    int (*ioctl)(int fd, unsigned long request, void *arg);
    int (*close)(int fd);
    void (*sleep_ms)(uint32_t ms);
    pid_t (*pid)(void);
    uint32_t (*random)(void); /* for names that nobody else chose; no secret */
};

extern const struct tally_quote_sys tally_quote_sys_kernel;
