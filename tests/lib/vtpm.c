/* vtpm.c - see vtpm.h: the two processes, and the TPM as its owner sets it up. */
#include "tests/lib/vtpm.h"

#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "common/attest/quote_tpm.h"
#include "tests/lib/vtpm_relay.h"

static struct {
    char dir[64], data[96], control[96], tcti[64];
    pid_t tpm, relay, owner;
    struct vtpm_play *play;
} v;

void vtpm_die(const char *what, int line)
{
    (void)fprintf(stderr, "vtpm: line %d: %s\n", line, what);
    exit(1);
}

const char *vtpm_tcti(void)
{
    return v.tcti;
}

struct vtpm_play *vtpm_play(void)
{
    return v.play;
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    VTPM_NEED(fd >= 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4) == 0) return fd;
    (void)close(fd);
    return -1;
}

/* tpm2-tss takes the control channel to be at the next port. */
static uint16_t two_ports(struct vtpm_ends *e)
{
    for (int i = 0; i < 100; i++) {
        struct sockaddr_in a;
        socklen_t len = sizeof a;
        e->data = listen_at(0);
        VTPM_NEED(getsockname(e->data, (struct sockaddr *)&a, &len) == 0);
        uint16_t port = ntohs(a.sin_port);
        e->control = port < UINT16_MAX ? listen_at((uint16_t)(port + 1)) : -1;
        if (e->control >= 0) return port;
        (void)close(e->data);
    }
    vtpm_die("no two ports side by side", __LINE__);
}

static void start_tpm(void)
{
    char state[96], server[128], control[128];

    (void)snprintf(state, sizeof state, "dir=%s", v.dir);
    (void)snprintf(server, sizeof server, "type=unixio,path=%s", v.data);
    (void)snprintf(control, sizeof control, "type=unixio,path=%s", v.control);
    v.tpm = fork();
    if (v.tpm == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* It tells of every client that leaves. */
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(127);
        (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
                     "--ctrl", control, "--flags", "not-need-init,startup-clear", (char *)NULL);
        _exit(127);
    }
    VTPM_NEED(v.tpm > 0);
    const struct timespec step = {.tv_nsec = 10 * 1000 * 1000};
    for (int i = 0, fd; i < 1000; i++) {
        if ((fd = vtpm_connect(v.control)) >= 0) {
            (void)close(fd);
            return;
        }
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
    }
    vtpm_die("swtpm does not come up", __LINE__);
}

/* The owner's own connection, for one thing at a time. */
struct owner {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

static struct owner own(void)
{
    struct owner o = {0};

    VTPM_NEED(Tss2_TctiLdr_Initialize(v.tcti, &o.tcti) == 0);
    VTPM_NEED(Esys_Initialize(&o.esys, o.tcti, NULL) == 0);
    return o;
}

static void disown(struct owner *o)
{
    Esys_Finalize(&o->esys);
    Tss2_TctiLdr_Finalize(&o->tcti);
}

static ESYS_TR find(struct owner *o, uint32_t handle)
{
    ESYS_TR tr = ESYS_TR_NONE;

    VTPM_NEED(
        Esys_TR_FromTPMPublic(o->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr) == 0);
    return tr;
}

void vtpm_remove_index(uint32_t index)
{
    struct owner o = own();

    VTPM_NEED(Esys_NV_UndefineSpace(o.esys, ESYS_TR_RH_OWNER, find(&o, index), ESYS_TR_PASSWORD,
                                    ESYS_TR_NONE, ESYS_TR_NONE) == 0);
    disown(&o);
}

void vtpm_define_index(uint32_t index, uint16_t bytes)
{
    const TPM2B_AUTH empty = {.size = 0};
    const TPM2B_NV_PUBLIC p = {
        .nvPublic = {.nvIndex = index,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHWRITE |
                                   TPMA_NV_AUTHREAD, .dataSize = bytes}
    };
    struct owner o = own();
    ESYS_TR tr;

    VTPM_NEED(Esys_NV_DefineSpace(o.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &empty, &p, &tr) == 0);
    for (uint16_t at = 0; at < bytes; at = (uint16_t)(at + 1024)) {
        TPM2B_MAX_NV_BUFFER zeros = {.size = (uint16_t)(bytes - at < 1024 ? bytes - at : 1024)};
        VTPM_NEED(Esys_NV_Write(o.esys, ESYS_TR_RH_OWNER, tr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, &zeros, at) == 0);
    }
    disown(&o);
}

void vtpm_remove_ak(void)
{
    struct owner o = own();
    ESYS_TR gone;

    VTPM_NEED(Esys_EvictControl(o.esys, ESYS_TR_RH_OWNER, find(&o, TALLY_VTPM_AK_HANDLE),
                                ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, TALLY_VTPM_AK_HANDLE,
                                &gone) == 0);
    disown(&o);
}

void vtpm_make_ak(bool with_scheme)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
    const TPM2B_DATA outside = {.size = 0};
    const TPML_PCR_SELECTION pcrs = {.count = 0};
    TPM2B_PUBLIC in = {
        .publicArea = {.type = TPM2_ALG_RSA,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT,
                       .parameters.rsaDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .keyBits = 2048}}
    };
    struct owner o = own();
    ESYS_TR key, kept;

    /* Only a key of one use may be restricted, and that is one with a scheme. */
    if (with_scheme) {
        in.publicArea.objectAttributes |= TPMA_OBJECT_RESTRICTED;
        in.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
        in.publicArea.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
    }
    VTPM_NEED(Esys_CreatePrimary(o.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &sensitive, &in, &outside, &pcrs, &key, NULL, NULL,
                                 NULL, NULL) == 0);
    VTPM_NEED(Esys_EvictControl(o.esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, TALLY_VTPM_AK_HANDLE, &kept) == 0);
    VTPM_NEED(Esys_FlushContext(o.esys, key) == 0);
    disown(&o);
}

static bool installed(void)
{
    const char *path = getenv("PATH");
    char file[4096];

    for (const char *at = path; at != NULL; at = strchr(at, ':')) {
        if (*at == ':') at++;
        (void)snprintf(file, sizeof file, "%.*s/swtpm", (int)strcspn(at, ":"), at);
        if (access(file, X_OK) == 0) return true;
    }
    return false;
}

void vtpm_start(void)
{
    struct vtpm_ends e = {.data_path = v.data, .control_path = v.control};

    if (!installed()) {
        (void)fprintf(stderr, "%s: swtpm is not installed\n", getenv("CI") ? "FAILED" : "skipped");
        exit(getenv("CI") ? 1 : 77);
    }
    (void)setenv("TSS2_LOG", "all+NONE", 0);
    v.owner = getpid();
    (void)snprintf(v.dir, sizeof v.dir, "/tmp/tally_vtpm.XXXXXX");
    VTPM_NEED(mkdtemp(v.dir) != NULL);
    (void)snprintf(v.data, sizeof v.data, "%s/data", v.dir);
    (void)snprintf(v.control, sizeof v.control, "%s/control", v.dir);
    v.play = mmap(NULL, sizeof *v.play, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    VTPM_NEED(v.play != MAP_FAILED);
    (void)atexit(vtpm_stop);
    start_tpm();
    uint16_t port = two_ports(&e);
    (void)snprintf(v.tcti, sizeof v.tcti, "swtpm:host=127.0.0.1,port=%u", port);
    v.relay = fork();
    if (v.relay == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        vtpm_relay(&e, v.play);
    }
    VTPM_NEED(v.relay > 0);
    (void)close(e.data);
    (void)close(e.control);
    vtpm_make_ak(true);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f)
{
    (void)s, (void)kind, (void)f;
    return remove(path);
}

static void end(pid_t *pid)
{
    if (*pid <= 0) return;
    (void)kill(*pid, SIGTERM);
    (void)waitpid(*pid, NULL, 0);
    *pid = 0;
}

void vtpm_stop(void)
{
    if (v.owner != getpid()) return; /* a test of the same program, in a process of its own */
    end(&v.relay);
    end(&v.tpm);
    (void)nftw(v.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    v.owner = 0;
}
