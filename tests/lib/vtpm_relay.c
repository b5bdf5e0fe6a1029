/* vtpm_relay.c - the process that plays the paravisor, between its caller and the software TPM: one
 * command after another, and what vtpm.h says it does by the way. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include "common/attest/quote_tpm.h"
#include "common/hash.h"
#include "tests/lib/vtpm.h"
#include "tests/lib/vtpm_relay.h"

enum { HEADER = 10, MESSAGE = 8192, PCR = 23 };

struct message {
    uint8_t at[MESSAGE];
    size_t len;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "vtpm: %s: %s\n", what, strerror(errno));
    _exit(1);
}

int vtpm_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    if (fd >= 0) (void)close(fd);
    return -1;
}

static bool get(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t k = read(fd, to, n);
        if (k <= 0) return false;
        to += k;
        n -= (size_t)k;
    }
    return true;
}

static bool put(int fd, const uint8_t *from, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, from, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        from += k;
        n -= (size_t)k;
    }
    return true;
}

/* A command or response: tag, length of all, code. */
static bool receive(int fd, struct message *m)
{
    if (!get(fd, m->at, HEADER)) return false;
    struct tally_rd r = tally_rd_from(tally_slice_of(m->at + 2, 4));
    m->len = tally_rd_be32(&r, "length");
    return m->len >= HEADER && m->len <= MESSAGE && get(fd, m->at + HEADER, m->len - HEADER);
}

static uint32_t be32(const struct message *m, size_t at)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(m->at, m->len));

    (void)tally_rd_bytes(&r, at, "before");
    return tally_rd_be32(&r, "word");
}

/* Puts the length in and has it done. */
static uint32_t execute(int tpm, struct tally_wr *w, struct message *answer)
{
    struct tally_wr length = tally_wr_to(w->to + 2, 4);

    tally_wr_be32(&length, (uint32_t)w->used);
    if (w->full || !put(tpm, w->to, w->used) || !receive(tpm, answer)) die("swtpm");
    return be32(answer, 6);
}

static struct tally_wr command(struct message *m, bool sessions, uint32_t code)
{
    struct tally_wr w = tally_wr_to(m->at, sizeof m->at);

    tally_wr_be16(&w, sessions ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
    tally_wr_be32(&w, 0);
    tally_wr_be32(&w, code);
    return w;
}

/* The empty password. */
static void password(struct tally_wr *w)
{
    tally_wr_be32(w, 9);
    tally_wr_be32(w, TPM2_RS_PW);
    tally_wr_be16(w, 0);
    tally_wr_u8(w, 0);
    tally_wr_be16(w, 0);
}

/* The attestation key's modulus; none: no key yet. */
static struct tally_slice modulus(int tpm, TPM2B_PUBLIC *key)
{
    struct message m, answer;
    struct tally_wr w = command(&m, false, TPM2_CC_ReadPublic);
    size_t at = HEADER;

    tally_wr_be32(&w, TALLY_VTPM_AK_HANDLE);
    if (execute(tpm, &w, &answer) != 0 ||
        Tss2_MU_TPM2B_PUBLIC_Unmarshal(answer.at, answer.len, &at, key) != 0)
        return (struct tally_slice){0};
    return tally_slice_of(key->publicArea.unique.rsa.buffer, key->publicArea.unique.rsa.size);
}

static void extend_pcr(int tpm)
{
    struct message m, answer;
    struct tally_wr w = command(&m, true, TPM2_CC_PCR_Extend);
    const uint8_t digest[32] = {1};

    tally_wr_be32(&w, PCR);
    password(&w);
    tally_wr_be32(&w, 1);
    tally_wr_be16(&w, TPM2_ALG_SHA256);
    tally_wr_put(&w, digest, sizeof digest);
    if (execute(tpm, &w, &answer) != 0) die("PCR_Extend");
}

/* The report's index, and user data that is not yet in it. */
static struct {
    bool due;
    uint8_t user_data[64];
    uint8_t blob[VTPM_BLOB_BYTES];
} paravisor = {.due = true};

static void renew(int tpm, struct vtpm_play *p)
{
    TPM2B_PUBLIC key = {0};

    if (!paravisor.due || p->frozen) return;
    if (p->late > 0) {
        p->late--;
        return;
    }
    struct tally_slice n = modulus(tpm, &key);
    if (n.len > 0) vtpm_blob(n, paravisor.user_data, p->upper_case, paravisor.blob);
    paravisor.due = n.len == 0;
}

/* The 64 bytes of a write to the index for user data: behind the handles and the authorisation. */
static void take_user_data(const struct message *m)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(m->at, m->len));

    (void)tally_rd_bytes(&r, HEADER + 4, "header and authority");
    if (tally_rd_be32(&r, "index") != TALLY_VTPM_USER_DATA_INDEX) return;
    (void)tally_rd_bytes(&r, tally_rd_be32(&r, "size"), "authorisation");
    if (tally_rd_be16(&r, "bytes") != 64) return;
    tally_rd_copy(&r, paravisor.user_data, 64, "user data");
    (void)tally_rd_be16(&r, "offset");
    paravisor.due = tally_rd_end(&r) == TALLY_OK;
}

static void after(int tpm, struct vtpm_play *p, const struct message *m, uint32_t cc)
{
    if (cc == TPM2_CC_NV_Write) take_user_data(m);
    if (cc == TPM2_CC_Quote && p->moving_pcrs > 0) {
        p->moving_pcrs--;
        extend_pcr(tpm);
    }
}

/* An answer of a bare header. */
static void only_code(struct message *m, uint32_t rc)
{
    struct tally_wr w = tally_wr_to(m->at, sizeof m->at);

    tally_wr_be16(&w, TPM2_ST_NO_SESSIONS);
    tally_wr_be32(&w, HEADER);
    tally_wr_be32(&w, rc);
    m->len = HEADER;
}

/* Begins an answer; end_answer puts its length in. */
static struct tally_wr answer_to(struct message *m, bool sessions)
{
    struct tally_wr w = tally_wr_to(m->at, sizeof m->at);

    tally_wr_be16(&w, sessions ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
    tally_wr_be32(&w, 0);
    tally_wr_be32(&w, 0);
    return w;
}

static void end_answer(struct message *m, const struct tally_wr *w)
{
    struct tally_wr length = tally_wr_to(m->at + 2, 4);

    tally_wr_be32(&length, (uint32_t)w->used);
    m->len = w->used;
}

/* The paravisor's index has more bytes than a software TPM's may: it answers for that one itself.
 */
static void describe_index(struct message *out)
{
    uint8_t area[64], name[2 + 32];
    struct tally_wr w = tally_wr_to(area, sizeof area), n = tally_wr_to(name, sizeof name);

    tally_wr_be32(&w, TALLY_VTPM_HCL_INDEX);
    tally_wr_be16(&w, TPM2_ALG_SHA256);
    tally_wr_be32(&w, TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_PPWRITE | TPMA_NV_WRITTEN |
                          TPMA_NV_PLATFORMCREATE);
    tally_wr_be16(&w, 0);
    tally_wr_be16(&w, VTPM_BLOB_BYTES);
    tally_wr_be16(&n, TPM2_ALG_SHA256);
    TALLY_SHA256_OF(name + 2, tally_slice_of(area, w.used));
    struct tally_wr a = answer_to(out, false);
    tally_wr_be16(&a, (uint16_t)w.used);
    tally_wr_put(&a, area, w.used);
    tally_wr_be16(&a, sizeof name);
    tally_wr_put(&a, name, sizeof name);
    end_answer(out, &a);
}

static void read_index(int tpm, struct vtpm_play *p, const struct message *in, struct message *out)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(in->at, in->len));

    (void)tally_rd_bytes(&r, HEADER + 8, "header and handles");
    (void)tally_rd_bytes(&r, tally_rd_be32(&r, "size"), "authorisation");
    uint16_t size = tally_rd_be16(&r, "size"), at = tally_rd_be16(&r, "offset");
    if (tally_rd_end(&r) != TALLY_OK || size > 1024 || at + size > VTPM_BLOB_BYTES) {
        only_code(out, TPM2_RC_NV_RANGE);
        return;
    }
    if (at == 0) renew(tpm, p);
    struct tally_wr a = answer_to(out, true);
    tally_wr_be32(&a, 2u + size);
    tally_wr_be16(&a, size);
    tally_wr_put(&a, paravisor.blob + at, size);
    tally_wr_be16(&a, 0); /* the password's answer: no nonce, continue, no HMAC */
    tally_wr_u8(&a, 1);
    tally_wr_be16(&a, 0);
    end_answer(out, &a);
}

/* True if this command was about the paravisor's index. */
static bool own(int tpm, struct vtpm_play *p, uint32_t cc, const struct message *in,
                struct message *out)
{
    if (p->no_report) return false;
    if (cc == TPM2_CC_NV_ReadPublic && be32(in, HEADER) == TALLY_VTPM_HCL_INDEX)
        describe_index(out);
    else if (cc == TPM2_CC_NV_Read && be32(in, HEADER + 4) == TALLY_VTPM_HCL_INDEX)
        read_index(tpm, p, in, out);
    else
        return false;
    return true;
}

static void garbled(struct message *m, uint32_t cc, uint32_t n)
{
    struct tally_wr w = tally_wr_to(m->at, sizeof m->at);

    tally_wr_be16(&w, cc == TPM2_CC_Quote || cc == TPM2_CC_NV_Read ? TPM2_ST_SESSIONS
                                                                   : TPM2_ST_NO_SESSIONS);
    tally_wr_be32(&w, HEADER + n);
    tally_wr_be32(&w, 0);
    memset(m->at + HEADER, 0xff, n);
    m->len = HEADER + n;
}

/* One command; false: the caller is to be cut off. */
static bool serve(int client, int tpm, struct vtpm_play *p)
{
    static struct message in, out;

    if (!receive(client, &in)) return false;
    uint32_t cc = be32(&in, 6);
    if (cc < sizeof p->commands / sizeof p->commands[0]) p->commands[cc]++;
    if (p->cut_cc == cc) return false;
    if (p->fail_cc == cc && p->fail_times > 0) {
        p->fail_times--;
        only_code(&out, p->fail_rc);
        return put(client, out.at, out.len);
    }
    if (!own(tpm, p, cc, &in, &out)) {
        if (!put(tpm, in.at, in.len) || !receive(tpm, &out)) die("swtpm");
        if (be32(&out, 6) == 0) after(tpm, p, &in, cc);
    }
    if (p->garble_cc == cc) garbled(&out, cc, p->garble);
    return put(client, out.at, out.len);
}

/* The control channel, bytes as they are; false at its end. */
static bool copy(int from, int to)
{
    uint8_t bytes[1024];
    ssize_t n = read(from, bytes, sizeof bytes);

    return n > 0 && put(to, bytes, (size_t)n);
}

static void drop(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

void vtpm_relay(const struct vtpm_ends *e, struct vtpm_play *p)
{
    int client = -1, control = -1, upper = -1, tpm = vtpm_connect(e->data_path);

    if (tpm < 0) die(e->data_path);
    for (;;) {
        struct pollfd f[5] = {
            {.fd = e->data,    .events = POLLIN},
            {.fd = e->control, .events = POLLIN},
            {.fd = client,     .events = POLLIN},
            {.fd = control,    .events = POLLIN},
            {.fd = upper,      .events = POLLIN},
        };
        if (poll(f, 5, -1) < 0) die("poll");
        if (f[0].revents != 0) {
            drop(&client);
            client = accept(e->data, NULL, NULL);
        } else if (f[2].revents != 0 && !serve(client, tpm, p)) {
            drop(&client);
        }
        if (f[1].revents != 0) {
            drop(&control), drop(&upper);
            control = accept(e->control, NULL, NULL);
            upper = vtpm_connect(e->control_path);
        } else if ((f[3].revents != 0 && !copy(control, upper)) ||
                   (f[4].revents != 0 && !copy(upper, control))) {
            drop(&control), drop(&upper);
        }
    }
}
