/* transport.c - see transport.h: the process's settings and the reports of links. */
#include "common/transport.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>

#include "common/transport_link.h"
#include "common/transport_wire.h"

static enum tally_status raise_files(uint64_t *files)
{
    struct rlimit r;

    TALLY_ENSURE(getrlimit(RLIMIT_NOFILE, &r) == 0, TALLY_E_IO, "getrlimit: %s", strerror(errno));
    struct rlimit more = {.rlim_cur = TALLY_FILES_WANTED, .rlim_max = r.rlim_max};
    if (more.rlim_max < TALLY_FILES_WANTED) more.rlim_max = TALLY_FILES_WANTED;
    if (r.rlim_cur < TALLY_FILES_WANTED && setrlimit(RLIMIT_NOFILE, &more) != 0) {
        more = (struct rlimit){.rlim_cur = r.rlim_max, .rlim_max = r.rlim_max};
        TALLY_ENSURE(setrlimit(RLIMIT_NOFILE, &more) == 0, TALLY_E_IO, "setrlimit: %s",
                     strerror(errno));
    }
    TALLY_ENSURE(getrlimit(RLIMIT_NOFILE, &r) == 0, TALLY_E_IO, "getrlimit: %s", strerror(errno));
    *files = r.rlim_cur;
    return TALLY_OK;
}

enum tally_status tally_transport_start(uint64_t *files)
{
    TALLY_ENSURE(sodium_init() >= 0, TALLY_E_LIB, "sodium_init");
    /* Else each chunk is a fresh mapping whose pages fault one by one: five times slower. Another
     * allocator may refuse, and nothing but speed hangs on it. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_ARENA_MAX, 2);
    TALLY_TRY(raise_files(files));
    return tally_wire_start();
}

void tally_transport_stop(void)
{
    tally_wire_stop();
}

void tally_curve_keypair(uint8_t public_key[TALLY_CURVE_KEY_BYTES],
                         uint8_t secret[TALLY_CURVE_KEY_BYTES])
{
    TALLY_ASSERT(crypto_box_keypair(public_key, secret) == 0);
}

const char *tally_link_name(enum tally_link link)
{
    static const char *const names[TALLY_LINKS] = {
        [TALLY_LINK_UP] = "up",
        [TALLY_LINK_DOWN] = "down",
        [TALLY_LINK_AUTH_FAILED] = "auth_failed",
        [TALLY_LINK_PROTOCOL_FAILED] = "protocol_failed",
        [TALLY_LINK_FAILED] = "failed",
        [TALLY_LINK_NO_USER] = "no_user",
        [TALLY_LINK_SHAPE] = "shape",
        [TALLY_LINK_EMPTY] = "empty",
        [TALLY_LINK_FLOOD] = "flood",
    };

    return names[link];
}

void tally_link_tell(struct tally_link_out *out, uint64_t now_ms, struct tally_link_report report)
{
    const uint64_t most = (uint64_t)TALLY_LINK_BURST * 1000;
    uint64_t *tokens = &out->budgets[report.link].milli_tokens;
    uint64_t *at_ms = &out->budgets[report.link].at_ms;

    if (!out->fn) return;
    *tokens += (now_ms - *at_ms) * TALLY_LINK_PER_S;
    if (!out->budgets[report.link].begun || *tokens > most) *tokens = most;
    out->budgets[report.link].begun = true;
    *at_ms = now_ms;
    if (*tokens < 1000) {
        out->budgets[report.link].suppressed++;
        return;
    }
    *tokens -= 1000;
    report.suppressed = out->budgets[report.link].suppressed;
    out->budgets[report.link].suppressed = 0;
    out->fn(out->ctx, &report);
}
