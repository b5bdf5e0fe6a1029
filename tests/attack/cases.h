/* cases.h - main of an attack program: PROGRAM CASE [--long] runs that case, PROGRAM alone all. */
#pragma once

#include <string.h>

#include "common/secret.h"
#include "tests/attack/expect.h"

struct attack_case {
    const char *name;
    void (*run)(void);
};

static bool attack_long; /* the form that takes minutes */

static inline int attack_main(int argc, char **argv, const struct attack_case *cases, size_t n)
{
    const char *only = NULL;
    size_t ran = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--long") == 0)
            attack_long = true;
        else
            only = argv[i];
    }
    EXPECT_OK(tally_secret_setup());
    for (size_t i = 0; i < n; i++) {
        if (only != NULL && strcmp(only, cases[i].name) != 0) continue;
        cases[i].run();
        (void)printf("%s: refused as it must be\n", cases[i].name);
        ran++;
    }
    EXPECT(ran > 0, "no case %s", only);
    return EXIT_SUCCESS;
}
#define CASE(f) \
    {           \
#f, f   \
    }
