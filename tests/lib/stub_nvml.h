/* stub_nvml.h - for tests that load the driver's stand-in (tests/stub/libnvidia_ml.c) into their
 * own process. TALLY_STUB_NVML is its path, from CMake. */
#pragma once

#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* From then on the loader gives it to whoever asks for libnvidia-ml.so.1: it is loaded already.
 * Every test has a process of its own. */
static inline void stub_nvml_load(const char *path)
{
    ck_assert_msg(dlopen(path, RTLD_NOW | RTLD_GLOBAL) != NULL, "%s", dlerror());
}

static inline void stub_nvml_set(const char *name, const char *value)
{
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

/* The calls from now on, a line each. */
static char stub_nvml_file[64];
static inline void stub_nvml_calls_begin(void)
{
    (void)snprintf(stub_nvml_file, sizeof stub_nvml_file, "/tmp/tally_calls.%d", (int)getpid());
    (void)unlink(stub_nvml_file);
    stub_nvml_set("TALLY_STUB_CALLS", stub_nvml_file);
}
static inline void stub_nvml_calls_were(const char *want)
{
    char got[1024] = "";
    FILE *f = fopen(stub_nvml_file, "re");

    if (f != NULL) {
        got[fread(got, 1, sizeof got - 1, f)] = '\0';
        (void)fclose(f);
        (void)unlink(stub_nvml_file);
    }
    ck_assert_str_eq(got, want);
}
