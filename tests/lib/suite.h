/* suite.h - the main() that every unit test shares. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* Runs one case of the suite `name`; returns main's exit code. */
static inline int tally_suite_run(const char *name, TCase *t)
{
    Suite *s = suite_create(name);
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 240);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
