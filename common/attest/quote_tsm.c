/* quote_tsm.c - see quote_tsm.h. */
#include "common/attest/quote_tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

enum { NAME_SIZE = 48, PATH_SIZE = 96, TEXT_SIZE = 64, BACK_OFF_MS = 10, CLOSED = -1 };

/* One request: its folder, while it is there. */
struct request {
    const struct tally_quote_sys *sys;
    int base; /* the folder of requests, open */
    char name[NAME_SIZE];
    bool made;
    bool again; /* what failed may not fail the next time */
};

/* What the kernel's numbers mean here, and what to do (ATTESTATION.md C6.1). */
static const struct {
    int number;
    bool again;
    enum tally_status status;
    const char *text;
} errors[] = {
    {EINTR,     true,  TALLY_E_IO,    "interrupted, each time"                                           },
    {EBUSY,     true,  TALLY_E_IO,    "busy: too many ask at once, or the host answers slowly; try later"},
    {EAGAIN,    true,  TALLY_E_IO,    "busy: too many ask at once, or the host answers slowly; try later"},
    {EEXIST,    true,  TALLY_E_IO,    "somebody else uses every name that was tried"                     },
    {ENXIO,     false, TALLY_E_STATE,
     "no TEE has registered with this kernel: load its module (sev-guest or tdx-guest), and see "
     "that this is a confidential VM"                                                                    },
    {ENODEV,    false, TALLY_E_STATE,
     "no TEE has registered with this kernel: load its module (sev-guest or tdx-guest), and see "
     "that this is a confidential VM"                                                                    },
    {EACCES,    false, TALLY_E_IO,    "not allowed: run as root, with configfs mounted writable"         },
    {EPERM,     false, TALLY_E_IO,    "not allowed: run as root, with configfs mounted writable"         },
    {EROFS,     false, TALLY_E_IO,    "not allowed: run as root, with configfs mounted writable"         },
    {ETIMEDOUT, false, TALLY_E_IO,
     "the host did not answer in time: its operator must see to its quoting service"                     },
    {EIO,       false, TALLY_E_IO,    "the firmware or the host failed: dmesg says more"                 },
    {EINVAL,    false, TALLY_E_IO,
     "this kernel does not take such a request: it is of a version that this program does not know"      },
    {EFBIG,     false, TALLY_E_LIMIT, "more than this kernel has room for: a newer kernel has more"      },
    {ENOMEM,    false, TALLY_E_NOMEM, "the kernel has no memory left"                                    },
    {ENOENT,    false, TALLY_E_IO,    "this kernel has no such file, or somebody removed it"             },
};

static enum tally_status failed(struct request *r, const char *at, int number)
{
    enum tally_status status = TALLY_E_IO;
    const char *text = strerror(number);

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].number != number) continue;
        r->again = errors[i].again;
        status = errors[i].status;
        text = errors[i].text;
    }
    return TALLY_FAIL(status, "configfs-tsm: %s: %s", at, text);
}

const char *tally_tsm_provider_name(enum tally_tsm_provider p)
{
    return p == TALLY_TSM_SEV_GUEST ? "sev_guest" : "tdx_guest";
}

void tally_tsm_answer_free(struct tally_tsm_answer *a)
{
    free(a->out);
    free(a->aux);
    *a = (struct tally_tsm_answer){0};
}

/* ---- one file ---- */

struct file {
    const struct tally_quote_sys *sys;
    int fd;
};

static void close_file(struct file *f)
{
    if (f->fd != CLOSED) (void)f->sys->close(f->fd);
}

static int open_attribute(const struct request *r, const char *attribute, int flags)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", r->name, attribute);
    return r->sys->openat(r->base, path, flags);
}

/* From the start to the end in one open file: reading again from the start asks the TEE again.
 * *len = cap + 1: there is more. `there`: NULL unless the file may be missing. */
static enum tally_status get(struct request *r, const char *attribute, uint8_t *to, size_t cap,
                             size_t *len, bool *there)
{
    TALLY_CLEANUP(close_file)
    struct file f = {r->sys, open_attribute(r, attribute, O_RDONLY)};
    ssize_t n = 1;

    *len = 0;
    if (there != NULL) *there = f.fd != CLOSED || errno != ENOENT;
    if (there != NULL && !*there) return TALLY_OK;
    if (f.fd == CLOSED) return failed(r, attribute, errno);
    while (n > 0 && *len <= cap) {
        n = r->sys->read(f.fd, to + *len, cap + 1 - *len);
        if (n > 0) *len += (size_t)n;
    }
    /* SNP without certificates and TDX, which has none, both say that there is nothing. */
    if (n < 0 && there != NULL && (errno == ENXIO || errno == ENOENT)) {
        *there = false;
        return TALLY_OK;
    }
    if (n < 0) return failed(r, attribute, errno);
    TALLY_ENSURE(*len <= cap, TALLY_E_LIMIT, "configfs-tsm: %s: more than %zu bytes", attribute,
                 cap);
    return TALLY_OK;
}

/* One line, without its end; empty and *there false if the file may be missing and is. */
static enum tally_status get_text(struct request *r, const char *attribute, char text[TEXT_SIZE],
                                  bool *there)
{
    size_t len = 0;

    TALLY_TRY(get(r, attribute, (uint8_t *)text, TEXT_SIZE - 1, &len, there));
    if (len > 0 && text[len - 1] == '\n') len--;
    text[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        TALLY_ENSURE(text[i] > ' ' && text[i] < 0x7f, TALLY_E_IO,
                     "configfs-tsm: %s: text that no kernel known to this program writes",
                     attribute);
    }
    return TALLY_OK;
}

static enum tally_status get_number(struct request *r, const char *attribute, uint32_t *out,
                                    bool *there)
{
    char text[TEXT_SIZE], *end = text;

    TALLY_TRY(get_text(r, attribute, text, there));
    if (there != NULL && !*there) return TALLY_OK;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    TALLY_ENSURE(*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && v <= UINT32_MAX,
                 TALLY_E_IO, "configfs-tsm: %s: \"%s\" is no number", attribute, text);
    *out = (uint32_t)v;
    return TALLY_OK;
}

/* In one write, as these files want it. */
static enum tally_status put(struct request *r, const char *attribute, const void *bytes,
                             size_t len)
{
    TALLY_CLEANUP(close_file)
    struct file f = {r->sys, open_attribute(r, attribute, O_WRONLY)};

    if (f.fd == CLOSED) return failed(r, attribute, errno);
    ssize_t n = r->sys->write(f.fd, bytes, len);
    if (n < 0) return failed(r, attribute, errno);
    TALLY_ENSURE((size_t)n == len, TALLY_E_IO, "configfs-tsm: %s: %zd of %zu bytes were taken",
                 attribute, n, len);
    return TALLY_OK;
}

/* ---- one request ---- */

static void remove_folder(struct request *r)
{
    if (!r->made) return;
    for (int i = 0; i < TALLY_TSM_TRIES; i++) {
        if (r->sys->unlinkat(r->base, r->name, AT_REMOVEDIR) == 0 ||
            (errno != EINTR && errno != EBUSY))
            break;
    }
    r->made = false;
}

static enum tally_status make_folder(struct request *r, enum tally_tsm_provider *provider)
{
    char text[TEXT_SIZE];

    (void)snprintf(r->name, sizeof r->name, "tally-%ld-%08x", (long)r->sys->pid(),
                   r->sys->random());
    if (r->sys->mkdirat(r->base, r->name, 0700) != 0) return failed(r, "a new request", errno);
    r->made = true;
    TALLY_TRY(get_text(r, "provider", text, NULL));
    for (*provider = TALLY_TSM_SEV_GUEST; *provider <= TALLY_TSM_TDX_GUEST; (*provider)++) {
        if (strcmp(text, tally_tsm_provider_name(*provider)) == 0) return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_STATE,
                      "configfs-tsm: provider \"%s\": this program knows sev_guest and tdx_guest",
                      text);
}

/* The counter is where our own writes put it. */
static enum tally_status untouched(struct request *r, uint32_t expected)
{
    uint32_t now = 0;

    TALLY_TRY(get_number(r, "generation", &now, NULL));
    r->again = now != expected;
    TALLY_ENSURE(now == expected, TALLY_E_IO,
                 "configfs-tsm: generation %u, not %u: somebody else writes to our request, or a "
                 "write of ours was lost",
                 now, expected);
    return TALLY_OK;
}

/* A report of SNP is for VMPL 0, which a kernel above it cannot ask for. */
static enum tally_status set_level(struct request *r, uint32_t *generation)
{
    uint32_t least = 0;
    bool there = false;

    TALLY_TRY(get_number(r, "privlevel_floor", &least, &there));
    TALLY_ENSURE(
        !there || least == 0, TALLY_E_IO,
        "configfs-tsm: this kernel runs at VMPL %u, below it an SVSM or paravisor: evidence "
        "for VMPL 0 is not to be had here",
        least);
    if (!there) return TALLY_OK; /* such a kernel has no levels to choose from */
    TALLY_TRY(put(r, "privlevel", "0", 1));
    (*generation)++;
    return TALLY_OK;
}

static enum tally_status ask(struct request *r, const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                             struct tally_tsm_answer *a)
{
    uint32_t generation = 0;
    bool there = false;

    TALLY_TRY(make_folder(r, &a->provider));
    a->out = malloc(TALLY_TSM_OUT_MAX + 1);
    a->aux = malloc(TALLY_TSM_AUX_MAX + 1);
    TALLY_ENSURE(a->out != NULL && a->aux != NULL, TALLY_E_NOMEM, "evidence");
    TALLY_TRY(get_number(r, "generation", &generation, NULL));
    TALLY_TRY(put(r, "inblob", report_data, TALLY_REPORT_DATA_BYTES));
    generation++;
    if (a->provider == TALLY_TSM_SEV_GUEST) TALLY_TRY(set_level(r, &generation));
    TALLY_TRY(untouched(r, generation));
    TALLY_TRY(get(r, "outblob", a->out, TALLY_TSM_OUT_MAX, &a->out_len, NULL));
    TALLY_ENSURE(a->out_len != 0, TALLY_E_IO, "configfs-tsm: outblob: empty");
    TALLY_TRY(get(r, "auxblob", a->aux, TALLY_TSM_AUX_MAX, &a->aux_len, &there));
    if (a->aux_len == 0) {
        free(a->aux);
        a->aux = NULL;
    }
    return untouched(r, generation);
}

/* ---- all of them ---- */

static void close_base(struct request *r)
{
    remove_folder(r);
    if (r->base != CLOSED) (void)r->sys->close(r->base);
}

static enum tally_status open_base(struct request *r)
{
    r->base = r->sys->open(TALLY_TSM_FOLDER, O_RDONLY | O_DIRECTORY);
    if (r->base != CLOSED) return TALLY_OK;
    TALLY_ENSURE(errno != ENOENT && errno != ENOTDIR, TALLY_E_STATE,
                 "no " TALLY_TSM_FOLDER ": it needs Linux 6.7 with CONFIG_TSM_REPORTS, a TEE's "
                 "module, and configfs mounted");
    return failed(r, TALLY_TSM_FOLDER, errno);
}

static void back_off(const struct tally_quote_sys *sys, int tries)
{
    uint32_t ms = (uint32_t)BACK_OFF_MS << tries;

    sys->sleep_ms(ms + sys->random() % ms); /* two that collided part ways */
}

enum tally_status tally_tsm_provider(const struct tally_quote_sys *sys,
                                     enum tally_tsm_provider *out)
{
    TALLY_CLEANUP(close_base) struct request r = {.sys = sys, .base = CLOSED};
    enum tally_status s = open_base(&r);

    for (int i = 0; s == TALLY_OK; i++) {
        s = make_folder(&r, out);
        if (s == TALLY_OK || !r.again || i + 1 == TALLY_TSM_TRIES) break;
        remove_folder(&r);
        r.again = false;
        back_off(sys, i);
        s = TALLY_OK;
    }
    return s;
}

enum tally_status tally_tsm_quote(const struct tally_quote_sys *sys,
                                  const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                  struct tally_tsm_answer *out)
{
    TALLY_CLEANUP(close_base) struct request r = {.sys = sys, .base = CLOSED};
    struct tally_tsm_answer a = {0};
    enum tally_status s = open_base(&r);

    for (int i = 0; s == TALLY_OK; i++) {
        s = ask(&r, report_data, &a);
        if (s == TALLY_OK) break;
        tally_tsm_answer_free(&a);
        if (!r.again || i + 1 == TALLY_TSM_TRIES) break;
        remove_folder(&r);
        r.again = false;
        back_off(sys, i);
        s = TALLY_OK;
    }
    if (s == TALLY_OK) *out = a;
    return s;
}
