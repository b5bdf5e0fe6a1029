/* quote_nvml_describe.c - see describe.h. */
#include <stdio.h>

#include "common/attest/describe.h"
#include "common/attest/nvml_abi.h"
#include "common/attest/quote_nvml.h"
#include "common/secret.h"

enum { LINE = 512 };

static void say(const struct tally_describe *to, bool good, const char *what, const char *fix)
{
    to->say(to->ctx, good, what, fix);
}

static void say_gpu(const struct tally_describe *to, struct tally_nvml *n, uint32_t i)
{
    struct tally_nvml_gpu g;
    char line[LINE];

    if (tally_nvml_gpu(n, i, &g) != TALLY_OK) {
        (void)snprintf(line, sizeof line, "GPU %u: %s", i, tally_why_text());
        say(to, false, line, "");
        return;
    }
    (void)snprintf(line, sizeof line, "GPU %u: %s, VBIOS %s, %s", i, g.architecture, g.vbios,
                   g.uuid);
    say(to, true, line, "");
}

static const char *multi_gpu(uint32_t mode)
{
    if (mode == NVML_MULTI_GPU_PROTECTED_PCIE) return ", protected PCIe";
    return mode == NVML_MULTI_GPU_NVLINK_ENCRYPTION ? ", NVLink encryption" : "";
}

static void say_state(const struct tally_describe *to, struct tally_nvml *n)
{
    struct tally_nvml_state s;
    char line[LINE];

    if (tally_nvml_state(n, &s) != TALLY_OK) {
        (void)snprintf(line, sizeof line, "the GPUs can prove nothing: %s", tally_why_text());
        say(to, false, line,
            "use a GPU of the Hopper or Blackwell line and a driver of 550 or newer");
        return;
    }
    struct tally_nvml_trouble t = tally_nvml_trouble(&s);
    if (t.reason == TALLY_R_E_GPU_COUNT) {
        (void)snprintf(line, sizeof line, "NVIDIA driver %s sees no GPU", s.driver);
        say(to, true, line, "");
        return;
    }
    for (uint32_t i = 0; i < s.gpus; i++) say_gpu(to, n, i);
    if (t.reason != TALLY_R_NONE) {
        say(to, false, t.what, t.fix);
        return;
    }
    (void)snprintf(
        line, sizeof line,
        "%u GPU%s under NVIDIA driver %s can be proved: confidential computing is on%s; %s", s.gpus,
        s.gpus == 1 ? "" : "s", s.driver, multi_gpu(s.multi_gpu),
        s.ready ? "they take work" : "they take work once they are verified");
    say(to, true, line, "");
}

void tally_nvml_describe(const struct tally_describe *to)
{
    TALLY_CLEANUP(tally_nvml_close) struct tally_nvml *n = NULL;
    char line[LINE];
    enum tally_status s = tally_nvml_open(&n);

    if (s == TALLY_OK) {
        say_state(to, n);
        return;
    }
    (void)snprintf(line, sizeof line, "%s", tally_why_text());
    say(to, s == TALLY_E_STATE, line, s == TALLY_E_STATE ? "" : "mend the NVIDIA driver");
}
