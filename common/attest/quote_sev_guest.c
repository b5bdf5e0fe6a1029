/* quote_sev_guest.c - see quote_sev_guest.h. The structures are the kernel's (its binary interface)
 * and the firmware's (AMD 56860, MSG_REPORT_REQ and MSG_KEY_REQ). */
#include "common/attest/quote_sev_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/secret.h"

struct guest_request {
    uint8_t msg_version;
    uint64_t req_data, resp_data; /* addresses */
    uint32_t fw_error, vmm_error;
};
struct report_request {
    uint8_t user_data[64];
    uint32_t vmpl;
    uint8_t reserved[28];
};
struct ext_report_request {
    struct report_request data;
    uint64_t certs_address;
    uint32_t certs_len; /* multiple of a page */
};
struct report_response {
    uint8_t data[4000]; /* status u32, report size u32, 24 reserved, report */
};
struct key_request {
    uint32_t root_key_select, reserved;
    uint64_t guest_field_select;
    uint32_t vmpl, guest_svn;
    uint64_t tcb_version;
};
struct key_response {
    uint8_t data[64]; /* status u32, 28 reserved, key */
};
_Static_assert(sizeof(struct guest_request) == 32 &&
                   offsetof(struct guest_request, req_data) == 8 &&
                   offsetof(struct guest_request, fw_error) == 24,
               "snp_guest_request_ioctl");
_Static_assert(sizeof(struct report_request) == 96 && offsetof(struct report_request, vmpl) == 64,
               "snp_report_req");
_Static_assert(sizeof(struct ext_report_request) == 112 &&
                   offsetof(struct ext_report_request, certs_address) == 96 &&
                   offsetof(struct ext_report_request, certs_len) == 104,
               "snp_ext_report_req");
_Static_assert(sizeof(struct key_request) == 32 &&
                   offsetof(struct key_request, guest_field_select) == 8 &&
                   offsetof(struct key_request, tcb_version) == 24,
               "snp_derived_key_req");
_Static_assert(sizeof(struct report_response) == 4000 && sizeof(struct key_response) == 64,
               "snp_report_resp, snp_derived_key_resp");

#define GET_REPORT     _IOWR('S', 0, struct guest_request)
#define GET_KEY        _IOWR('S', 1, struct guest_request)
#define GET_EXT_REPORT _IOWR('S', 2, struct guest_request)

enum {
    CLOSED = -1,
    MESSAGE_VERSION = 1,
    HOST_INVALID_LEN = 1, /* vmm_error */
    HOST_BUSY = 2,
    REPORT_AT = 0x20,
    KEY_AT = 0x20,
    STATUS_INVALID_PARAMS = 0x16,
    BACK_OFF_MS = 10,
    PAGE = 4096,
    CERTS_FIRST = 16 * 1024, /* as much as Linux passes on */
    ROOT_VCEK = 1 << 1,      /* KEY_SEL 1 */
    ROOT_DEFAULT = 0,        /* the VLEK where there is one, else the VCEK */
    MIX_POLICY = 1 << 0,
    MIX_MEASUREMENT = 1 << 3,
};

struct guest {
    const struct tally_quote_sys *sys;
    int fd;
};

static void close_guest(struct guest *g)
{
    if (g->fd != CLOSED) (void)g->sys->close(g->fd);
}

static enum tally_status open_guest(struct guest *g)
{
    g->fd = g->sys->open(TALLY_SEV_GUEST_FILE, O_RDWR);
    if (g->fd != CLOSED) return TALLY_OK;
    TALLY_ENSURE(errno != ENOENT && errno != ENXIO && errno != ENODEV, TALLY_E_STATE,
                 "no " TALLY_SEV_GUEST_FILE ": it needs a SEV-SNP guest with Linux 5.19 or later "
                 "and the module sev-guest; a container must be given the device");
    return TALLY_FAIL(TALLY_E_IO, TALLY_SEV_GUEST_FILE ": %s%s", strerror(errno),
                      errno == EACCES || errno == EPERM
                          ? ": run as root, or let this user read and write it"
                          : "");
}

enum tally_status tally_sev_guest_there(const struct tally_quote_sys *sys)
{
    TALLY_CLEANUP(close_guest) struct guest g = {sys, CLOSED};

    return open_guest(&g);
}

void tally_sev_guest_answer_free(struct tally_sev_guest_answer *a)
{
    free(a->certs);
    a->certs = NULL;
    a->certs_len = 0;
}

/* ---- one message ---- */

struct message {
    unsigned long kind;
    const char *name;
    void *request, *response;
    uint32_t vmm_error; /* of the answer */
};

static enum tally_status send_failed(const struct message *m, int number,
                                     const struct guest_request *r)
{
    const char *what = strerror(number);

    if (number == ENOTTY)
        what = "refused by the kernel: it is too old, or after an error it gave up its key to the "
               "firmware (dmesg says so) and the VM must be started anew";
    if (r->vmm_error == HOST_BUSY || number == EAGAIN || number == EBUSY || number == ETIMEDOUT)
        what = "the host is busy, each time: try later";
    else if (number == EINTR)
        what = "interrupted, each time";
    else if (number == EIO)
        what = "the firmware or the host failed: dmesg says more";
    return TALLY_FAIL(TALLY_E_IO, TALLY_SEV_GUEST_FILE ": %s: %s (firmware 0x%x, host %u)", m->name,
                      what, r->fw_error, r->vmm_error);
}

static bool may_pass(int number, const struct guest_request *r)
{
    return r->vmm_error == HOST_BUSY || number == EAGAIN || number == EBUSY || number == EINTR;
}

/* Sends until it is answered. A table of certificates that is too small is an answer. */
static enum tally_status send(const struct guest *g, struct message *m)
{
    for (int i = 0;; i++) {
        struct guest_request r = {.msg_version = MESSAGE_VERSION,
                                  .req_data = (uint64_t)(uintptr_t)m->request,
                                  .resp_data = (uint64_t)(uintptr_t)m->response};
        int rc = g->sys->ioctl(g->fd, m->kind, &r), number = errno;
        m->vmm_error = r.vmm_error;
        if (rc == 0) return TALLY_OK;
        if (m->kind == GET_EXT_REPORT && r.vmm_error == HOST_INVALID_LEN) return TALLY_OK;
        if (!may_pass(number, &r) || i + 1 == TALLY_SEV_GUEST_TRIES)
            return send_failed(m, number, &r);
        uint32_t ms = (uint32_t)BACK_OFF_MS << i;
        g->sys->sleep_ms(ms + g->sys->random() % ms);
    }
}

/* The firmware's own word, which the host cannot change. */
static uint32_t status_of(const uint8_t *response)
{
    struct tally_rd rd = tally_rd_from(tally_slice_of(response, 4));

    return tally_rd_le32(&rd, "status");
}

/* ---- reports ---- */

static enum tally_status take_report(const struct report_response *in,
                                     uint8_t report[TALLY_SNP_REPORT_BYTES])
{
    struct tally_rd rd = tally_rd_from(TALLY_SLICE(in->data));
    uint32_t status = tally_rd_le32(&rd, "status"), size = tally_rd_le32(&rd, "size");

    TALLY_ENSURE(status == 0, TALLY_E_IO,
                 TALLY_SEV_GUEST_FILE ": report: the firmware refused it, status 0x%x%s", status,
                 status == STATUS_INVALID_PARAMS ? ": a kernel above VMPL 0 cannot ask for VMPL 0's"
                                                 : "");
    TALLY_ENSURE(size == TALLY_SNP_REPORT_BYTES, TALLY_E_IO,
                 TALLY_SEV_GUEST_FILE ": report: %u bytes, not %d", size, TALLY_SNP_REPORT_BYTES);
    memcpy(report, in->data + REPORT_AT, TALLY_SNP_REPORT_BYTES);
    return TALLY_OK;
}

/* A report with room for `certs_len` bytes of certificates. *wanted: more room, 0 if it sufficed.
 */
static enum tally_status ext_report(const struct guest *g, const struct report_request *data,
                                    struct tally_sev_guest_answer *a, uint32_t certs_len,
                                    uint32_t *wanted)
{
    struct ext_report_request request = {.data = *data, .certs_len = certs_len};
    struct report_response response = {{0}};
    struct message m = {GET_EXT_REPORT, "report with certificates", &request, &response, 0};

    a->certs = aligned_alloc(PAGE, certs_len);
    TALLY_ENSURE(a->certs != NULL, TALLY_E_NOMEM, "certificates");
    memset(a->certs, 0, certs_len);
    a->certs_len = certs_len;
    request.certs_address = (uint64_t)(uintptr_t)a->certs;
    TALLY_TRY(send(g, &m));
    *wanted = m.vmm_error == HOST_INVALID_LEN ? request.certs_len : 0;
    if (m.vmm_error == HOST_INVALID_LEN) return TALLY_OK;
    return take_report(&response, a->report);
}

static enum tally_status plain_report(const struct guest *g, const struct report_request *data,
                                      struct tally_sev_guest_answer *a)
{
    struct report_request request = *data;
    struct report_response response = {{0}};
    struct message m = {GET_REPORT, "report", &request, &response, 0};

    TALLY_TRY(send(g, &m));
    return take_report(&response, a->report);
}

/* Twice at most: the host said how much room it needs. */
static bool with_certificates(const struct guest *g, const struct report_request *data,
                              struct tally_sev_guest_answer *a)
{
    uint32_t wanted = 0;

    enum tally_status s = ext_report(g, data, a, CERTS_FIRST, &wanted);
    if (s == TALLY_OK && wanted > CERTS_FIRST && wanted <= TALLY_SEV_GUEST_CERTS_MAX &&
        wanted % PAGE == 0) {
        tally_sev_guest_answer_free(a);
        s = ext_report(g, data, a, wanted, &wanted);
    }
    return s == TALLY_OK && wanted == 0;
}

enum tally_status tally_sev_guest_quote(const struct tally_quote_sys *sys,
                                        const uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                        struct tally_sev_guest_answer *out)
{
    TALLY_CLEANUP(close_guest) struct guest g = {sys, CLOSED};
    TALLY_CLEANUP(tally_sev_guest_answer_free) struct tally_sev_guest_answer a = {{0}, NULL, 0};
    struct report_request data = {.vmpl = 0};

    memcpy(data.user_data, report_data, sizeof data.user_data);
    TALLY_TRY(open_guest(&g));
    if (!with_certificates(&g, &data, &a)) {
        tally_sev_guest_answer_free(&a);
        TALLY_TRY(plain_report(&g, &data, &a));
    }
    *out = a;
    a.certs = NULL;
    return TALLY_OK;
}

/* ---- the key ---- */

static enum tally_status ask_key(const struct guest *g, uint32_t root, struct key_response *out)
{
    struct key_request request = {
        .root_key_select = root, .guest_field_select = MIX_POLICY | MIX_MEASUREMENT, .vmpl = 0};
    struct message m = {GET_KEY, "sealing key", &request, out, 0};

    memset(out, 0xff, sizeof *out); /* an answer that was not given is no success */
    return send(g, &m);
}

enum tally_status tally_sev_guest_key(const struct tally_quote_sys *sys,
                                      uint8_t key[TALLY_SEV_GUEST_KEY_BYTES])
{
    TALLY_CLEANUP(close_guest) struct guest g = {sys, CLOSED};
    struct key_response response = {{0}};

    TALLY_TRY(open_guest(&g));
    enum tally_status s = ask_key(&g, ROOT_VCEK, &response);
    if (s == TALLY_OK && status_of(response.data) == STATUS_INVALID_PARAMS)
        s = ask_key(&g, ROOT_DEFAULT, &response);
    uint32_t status = status_of(response.data);
    if (s == TALLY_OK && status != 0)
        s = TALLY_FAIL(TALLY_E_IO,
                       TALLY_SEV_GUEST_FILE ": sealing key: the firmware refused it, status 0x%x",
                       status);
    if (s == TALLY_OK) memcpy(key, response.data + KEY_AT, TALLY_SEV_GUEST_KEY_BYTES);
    sodium_memzero(&response, sizeof response);
    return s;
}
