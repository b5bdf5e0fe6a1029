/* module.c - see module.h. */
#include "kernels/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum tally_status open_object(void **object, const char *name)
{
    *object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    const char *why = *object == NULL ? dlerror() : NULL;

    TALLY_ENSURE(*object != NULL, TALLY_E_UNDECIDED, "%s", why != NULL ? why : name);
    return TALLY_OK;
}

static enum tally_status check_module(const struct tally_backend_module *m, const char *library)
{
    TALLY_ENSURE(m != NULL, TALLY_E_LIB, "%s has no %s", library, TALLY_BACKEND_SYMBOL);
    TALLY_ENSURE(
        m->version == TALLY_BACKEND_VERSION && m->table_bytes == sizeof(struct tally_backend),
        TALLY_E_LIB, "%s is of another build: version %u, %u bytes, not %d and %zu", library,
        m->version, m->table_bytes, TALLY_BACKEND_VERSION, sizeof(struct tally_backend));
    const char *why = m->start();
    TALLY_ENSURE(why == NULL, TALLY_E_STATE, "%s: %s", library, why);
    return TALLY_OK;
}

enum tally_status tally_module_load(const struct tally_backend **out, const char *driver,
                                    const char *library)
{
    void *there = NULL;
    void *object = NULL;

    if (driver != NULL) TALLY_TRY(open_object(&there, driver));
    TALLY_TRY(open_object(&object, library));
    const struct tally_backend_module *m = dlsym(object, TALLY_BACKEND_SYMBOL);
    enum tally_status status = check_module(m, library);
    /* What has started a device is not unloaded again; what is no module is. */
    if (status == TALLY_E_LIB) (void)dlclose(object);
    if (status == TALLY_OK) *out = m->backend;
    return status;
}

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static const struct tally_backend *cuda;
static char why_not[256];

/* The program's own folder first: an installed program finds its own build. */
static void ask(void)
{
    char path[PATH_MAX + sizeof TALLY_CUDA_LIBRARY];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    const char *library = TALLY_CUDA_LIBRARY;

    if (slash != NULL) {
        memcpy(slash + 1, TALLY_CUDA_LIBRARY, sizeof TALLY_CUDA_LIBRARY);
        if (access(path, R_OK) == 0) library = path;
    }
    if (tally_module_load(&cuda, TALLY_CUDA_DRIVER, library) != TALLY_OK)
        (void)snprintf(why_not, sizeof why_not, "%s", tally_why_text());
}

const struct tally_backend *tally_module_cuda(void)
{
    (void)pthread_once(&asked, ask);
    return cuda;
}

const char *tally_module_why(void)
{
    (void)pthread_once(&asked, ask);
    return why_not;
}
