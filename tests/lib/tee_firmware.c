/* tee_firmware.c - see tee_firmware.h. */
#include "tests/lib/tee_firmware.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

enum { REPORT_BYTES = 1184, PAGE = 4096, INVALID_LEN = 1, INVALID_PARAMS = 0x16, IN_VAIN = 0x27 };

static uint64_t le64_at(const void *p, size_t at)
{
    uint64_t v;

    memcpy(&v, (const uint8_t *)p + at, sizeof v);
    return v;
}

static uint32_t le32_at(const void *p, size_t at)
{
    uint32_t v;

    memcpy(&v, (const uint8_t *)p + at, sizeof v);
    return v;
}

static void set_le32(void *p, size_t at, uint32_t v)
{
    memcpy((uint8_t *)p + at, &v, sizeof v);
}

static uint8_t *address(uint64_t v)
{
    uint8_t *p;

    memcpy(&p, &v, sizeof p);
    return p;
}

size_t tee_firmware_evidence(const struct tee_kernel *k, const uint8_t report_data[64],
                             uint32_t vmpl, uint8_t *out, size_t cap)
{
    struct tally_snp_report r = k->guest;

    if (k->captured.at != NULL) {
        if (k->captured.len + k->padded > cap) return 0;
        memcpy(out, k->captured.at, k->captured.len);
        if (k->report_data_at != 0) memcpy(out + k->report_data_at, report_data, 64);
        return k->captured.len;
    }
    if (k->chip == NULL || (int)vmpl < k->privlevel_floor) return 0;
    memcpy(r.report_data, report_data, sizeof r.report_data);
    r.vmpl = vmpl;
    if (tally_sim_report_sign(k->chip, &r, out) != TALLY_OK) return 0;
    return REPORT_BYTES;
}

void tee_firmware_host_error(void *arg, uint32_t fw_error, uint32_t vmm_error)
{
    set_le32(arg, 24, fw_error);
    set_le32(arg, 28, vmm_error);
}

int tee_firmware_report(const struct tee_kernel *k, void *arg, bool with_certs)
{
    static uint8_t evidence[64 * 1024];
    uint8_t *request = address(le64_at(arg, 8)), *response = address(le64_at(arg, 16));
    size_t table = (k->certs.len + PAGE - 1) / PAGE * PAGE;

    if (*(const uint8_t *)arg != 1) {
        errno = EINVAL;
        return -1;
    }
    if (with_certs && (le32_at(request, 104) < table || k->wants_certs_len != 0)) {
        set_le32(request, 104, k->wants_certs_len ? k->wants_certs_len : (uint32_t)table);
        tee_firmware_host_error(arg, 0, INVALID_LEN);
        errno = EIO;
        return -1;
    }
    memset(response, 0, 4000);
    size_t len = k->status ? 0
                           : tee_firmware_evidence(k, request, le32_at(request, 64), evidence,
                                                   sizeof evidence);
    set_le32(response, 0, k->status ? k->status : len ? 0 : INVALID_PARAMS);
    if (len == 0 || len > 4000 - 32) return 0;
    set_le32(response, 4, (uint32_t)len);
    memcpy(response + 32, evidence, len);
    if (with_certs && k->certs.len != 0)
        memcpy(address(le64_at(request, 96)), k->certs.at, k->certs.len);
    return 0;
}

/* What MSG_KEY_REQ mixes: the root, and the fields that the guest selected. */
static void derive(const struct tee_kernel *k, const uint8_t *request, uint8_t key[32])
{
    uint64_t select = le64_at(request, 8);
    uint32_t root = le32_at(request, 0), key_sel = root >> 1;
    bool vlek = key_sel == 2 || (key_sel == 0 && k->has_vlek);
    uint8_t vlek_seed[32] = {'v', 'l', 'e', 'k'}; /* the same on every machine of the provider */
    struct tally_slice seed =
        vlek ? TALLY_SLICE(vlek_seed) : tally_slice_of(k->chip->seed.at, k->chip->seed.len);
    struct tally_slice none = {0};

    TALLY_SHA256_OF(key, seed, tally_slice_of(request, 32),
                    select & 1 ? tally_slice_of(&k->guest.policy, 8) : none,
                    select & 8 ? TALLY_SLICE(k->guest.measurement) : none);
}

int tee_firmware_key(const struct tee_kernel *k, void *arg)
{
    const uint8_t *request = address(le64_at(arg, 8));
    uint8_t *response = address(le64_at(arg, 16));
    uint32_t root = le32_at(request, 0), status = k->status;

    if (root > 7 || root >> 1 == 3 || (root > 1 && !k->knows_vlek)) status = INVALID_PARAMS;
    if (root >> 1 == 2 && !k->has_vlek) status = IN_VAIN;
    if ((int)le32_at(request, 16) < k->privlevel_floor || le64_at(request, 8) >> 6 != 0 ||
        le32_at(request, 4) != 0)
        status = INVALID_PARAMS;
    memset(response, 0, 64);
    set_le32(response, 0, status);
    if (status == 0) derive(k, request, response + 32);
    return 0;
}

/* ---- certificates ---- */

size_t tee_kernel_certs(const struct tally_sim_chip *c, uint8_t out[TEE_CERTS_MAX])
{
    static const uint8_t guids[3][16] = {
        {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
         0xcd},
        {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
         0x82},
        {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
         0xae}
    };
    const struct tally_sim_bytes *list[3] = {&c->vcek, &c->ask, &c->ark};
    uint32_t at = 4 * 24;

    memset(out, 0, TEE_CERTS_MAX);
    for (size_t i = 0; i < 3; i++) {
        memcpy(out + i * 24, guids[i], 16);
        set_le32(out, i * 24 + 16, at);
        set_le32(out, i * 24 + 20, (uint32_t)list[i]->len);
        memcpy(out + at, list[i]->at, list[i]->len);
        at += (uint32_t)list[i]->len;
    }
    return at;
}
