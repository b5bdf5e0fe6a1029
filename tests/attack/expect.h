/* expect.h - how an attack program fails: at once, saying where and what, with exit 1. Processes
 * that it started end with it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "common/status.h"

#define EXPECT(cond, ...)                                                    \
    do {                                                                     \
        if (!(cond)) {                                                       \
            (void)fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond); \
            (void)fprintf(stderr, __VA_ARGS__);                              \
            (void)fputc('\n', stderr);                                       \
            exit(EXIT_FAILURE);                                              \
        }                                                                    \
    } while (0)

#define EXPECT_OK(call) EXPECT((call) == TALLY_OK, "%s", tally_why())

enum { ATTACK_SKIPPED = 77 };
