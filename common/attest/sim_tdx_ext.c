/* sim_tdx_ext.c - extensions, the PCK leaf's own among them, and PEM; see sim_tdx_cert.h. */
#include <openssl/evp.h>
#include <string.h>

#include "common/attest/sim_tdx_cert.h"

void tally_sim_tdx_ext_add(struct tally_sim_tdx_exts *e, const char *oid, bool critical,
                           struct tally_slice value)
{
    TALLY_ASSERT(e->n < TALLY_SIM_TDX_EXTS_MAX && e->used + value.len <= TALLY_SIM_TDX_EXT_BYTES);
    e->list[e->n++] = (struct tally_sim_tdx_ext){oid, critical, e->used, (uint16_t)value.len};
    if (value.len != 0) memcpy(e->store + e->used, value.at, value.len);
    e->used = (uint16_t)(e->used + value.len);
}

static uint32_t find(const struct tally_sim_tdx_exts *e, const char *oid)
{
    uint32_t i = 0;

    while (i < e->n && strcmp(e->list[i].oid, oid) != 0) i++;
    return i;
}

void tally_sim_tdx_ext_set(struct tally_sim_tdx_exts *e, const char *oid, bool critical,
                           struct tally_slice value)
{
    uint32_t i = find(e, oid);
    bool known = i < e->n;

    tally_sim_tdx_ext_add(e, oid, critical, value);
    if (known) e->list[i] = e->list[--e->n];
}

void tally_sim_tdx_ext_drop(struct tally_sim_tdx_exts *e, const char *oid)
{
    uint32_t i = find(e, oid);

    if (i == e->n) return;
    memmove(&e->list[i], &e->list[i + 1], (e->n - i - 1) * sizeof e->list[0]);
    e->n--;
}

static void put_tlv(struct tally_wr *w, uint8_t tag, struct tally_slice content)
{
    tally_wr_u8(w, tag);
    if (content.len >= 0x100) {
        tally_wr_u8(w, 0x82);
        tally_wr_be16(w, (uint16_t)content.len);
    } else {
        if (content.len >= 0x80) tally_wr_u8(w, 0x81);
        tally_wr_u8(w, (uint8_t)content.len);
    }
    tally_wr_bytes(w, content);
}

static bool has(uint32_t without, unsigned part)
{
    return (without >> part & 1) == 0;
}

/* SEQUENCE { 1.2.840.113741.1.13.1.<tail>, value }; tails of 0 end it. */
static void put_field(struct tally_wr *w, uint8_t tail, uint8_t sub, uint8_t tag,
                      struct tally_slice value)
{
    const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1, tail, sub};
    uint8_t body[512];
    struct tally_wr b = tally_wr_to(body, sizeof body);

    put_tlv(&b, 6, tally_slice_of(oid, sub != 0 ? sizeof oid : sizeof oid - 1));
    put_tlv(&b, tag, value);
    TALLY_ASSERT(!b.full);
    put_tlv(w, 0x30, tally_slice_of(body, b.used));
}

static void put_integer(struct tally_wr *w, uint8_t sub, uint16_t v)
{
    const uint8_t bytes[] = {0, (uint8_t)(v >> 8), (uint8_t)v};
    size_t skip = v >= 0x8000 ? 0 : v >= 0x80 ? 1 : 2;

    put_field(w, 2, sub, 2, tally_slice_of(bytes + skip, sizeof bytes - skip));
}

static void put_tcb(struct tally_wr *w, const struct tally_sim_tdx_pck *p)
{
    uint8_t body[512];
    struct tally_wr b = tally_wr_to(body, sizeof body);

    for (uint8_t i = 0; i < sizeof p->components; i++)
        if (has(p->tcb_without, i + 1U)) put_integer(&b, (uint8_t)(i + 1), p->components[i]);
    if (has(p->tcb_without, 17)) put_integer(&b, 17, p->pcesvn);
    if (has(p->tcb_without, 18)) put_field(&b, 2, 18, 4, TALLY_SLICE(p->cpusvn));
    TALLY_ASSERT(!b.full);
    put_field(w, 2, 0, 0x30, tally_slice_of(body, b.used));
}

static void put_configuration(struct tally_wr *w, const struct tally_sim_tdx_pck *p)
{
    const bool flags[] = {p->dynamic_platform, p->cached_keys, p->smt_enabled};
    uint8_t body[96];
    struct tally_wr b = tally_wr_to(body, sizeof body);

    for (uint8_t i = 0; i < 3; i++) {
        const uint8_t v = flags[i] ? 0xff : 0;
        put_field(&b, 7, (uint8_t)(i + 1), 1, tally_slice_of(&v, 1));
    }
    TALLY_ASSERT(!b.full);
    put_field(w, 7, 0, 0x30, tally_slice_of(body, b.used));
}

void tally_sim_tdx_pck_encode(const struct tally_sim_tdx_pck *p, struct tally_wr *w)
{
    uint8_t body[1024];
    struct tally_wr b = tally_wr_to(body, sizeof body);

    if (has(p->without, 1)) put_field(&b, 1, 0, 4, TALLY_SLICE(p->ppid));
    if (has(p->without, 2)) put_tcb(&b, p);
    if (has(p->without, 3)) put_field(&b, 3, 0, 4, TALLY_SLICE(p->pceid));
    if (has(p->without, 4)) put_field(&b, 4, 0, 4, TALLY_SLICE(p->fmspc));
    if (has(p->without, 5)) put_field(&b, 5, 0, 10, tally_slice_of(&p->sgx_type, 1));
    if (p->platform && has(p->without, 6)) put_field(&b, 6, 0, 4, TALLY_SLICE(p->instance_id));
    if (p->platform && has(p->without, 7)) put_configuration(&b, p);
    TALLY_ASSERT(!b.full);
    put_tlv(w, 0x30, tally_slice_of(body, b.used));
}

void tally_sim_tdx_pck_add(const struct tally_sim_tdx_pck *p, struct tally_sim_tdx_exts *e)
{
    uint8_t v[1024];
    struct tally_wr w = tally_wr_to(v, sizeof v);

    tally_sim_tdx_pck_encode(p, &w);
    TALLY_ASSERT(!w.full);
    tally_sim_tdx_ext_set(e, TALLY_SIM_TDX_PCK_OID, false, tally_slice_of(v, w.used));
}

void tally_sim_tdx_pem(struct tally_slice der, struct tally_wr *w)
{
    enum { LINE = 48 };
    uint8_t line[LINE / 3 * 4 + 1];

    tally_wr_bytes(w, tally_slice_str("-----BEGIN CERTIFICATE-----\n"));
    while (der.len != 0) {
        size_t n = der.len < LINE ? der.len : LINE;
        int len = EVP_EncodeBlock(line, der.at, (int)n);
        tally_wr_put(w, line, (size_t)len);
        tally_wr_u8(w, '\n');
        der = tally_slice_of(der.at + n, der.len - n);
    }
    tally_wr_bytes(w, tally_slice_str("-----END CERTIFICATE-----\n"));
}
