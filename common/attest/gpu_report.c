/* gpu_report.c - see gpu_report.h. */
#include "common/attest/gpu_report.h"

#include <stdio.h>
#include <string.h>

enum { SPDM_1_1 = 0x11, GET_MEASUREMENTS = 0xe0, MEASUREMENTS = 0x60, SIGNED = 1, ALL = 0xff };
enum { DMTF = 1, RAW = 0x80, VALUE_HEAD = 3 };

/* What a known field may look like; size 0: text of 1 to 31 bytes and padding. */
enum { GPU = 1, SWITCH = 2, NEEDED = 4 };
static const struct field {
    uint16_t type;
    unsigned on;
    uint16_t size, times_max; /* bytes: a multiple of size, up to times_max of it */
} fields[] = {
    {TALLY_GPU_DRIVER,      GPU | NEEDED,    0,                    0                  },
    {TALLY_GPU_VBIOS,       GPU | NEEDED,    8,                    1                  },
    {TALLY_GPU_VBIOS,       SWITCH | NEEDED, 0,                    0                  },
    {TALLY_GPU_NVDEC0,      GPU | SWITCH,    1,                    1                  },
    {TALLY_GPU_CHIP_SKU,    GPU | SWITCH,    0,                    0                  },
    {TALLY_GPU_PROJECT,     GPU | SWITCH,    0,                    0                  },
    {TALLY_GPU_PROJECT_SKU, GPU | SWITCH,    0,                    0                  },
    {TALLY_GPU_FWID,        GPU | SWITCH,    TALLY_GPU_FWID_BYTES, 1                  },
    {TALLY_GPU_PPCIE,       GPU | SWITCH,    1,                    1                  },
    {TALLY_GPU_SWITCHES,    GPU,             TALLY_GPU_ID_BYTES,   TALLY_GPU_LINKS_MAX},
    {TALLY_GPU_SWITCHES,    SWITCH | NEEDED, TALLY_GPU_ID_BYTES,   1                  },
    {TALLY_GPU_PEERS,       SWITCH | NEEDED, 128,                  1                  },
    {TALLY_GPU_FEATURE,     GPU | SWITCH,    2,                    1                  },
};
enum { FIELDS = sizeof fields / sizeof fields[0] };
/* Types up to this one, and 255, are named by the vendor; a second one of them is a lie. */
enum { KNOWN_MAX = 36 };

struct tally_slice tally_gpu_field(const struct tally_gpu_report *r, enum tally_gpu_field type)
{
    for (uint32_t i = 0; i < r->opaque_n; i++) {
        if (r->opaque[i].type == type) return r->opaque[i].value;
    }
    return (struct tally_slice){0};
}

/* Printable up to the first zero, zeros after it. */
static bool is_text(struct tally_slice v)
{
    size_t n = 0;

    while (n < v.len && v.at[n] > 0x20 && v.at[n] < 0x7f) n++;
    for (size_t i = n; i < v.len; i++) {
        if (v.at[i] != 0) return false;
    }
    return n > 0 && n < TALLY_GPU_TEXT_SIZE;
}

static bool good_value(const struct field *f, struct tally_slice v)
{
    if (f->type == TALLY_GPU_NVDEC0 || f->type == TALLY_GPU_PPCIE)
        return v.len == 1 && (v.at[0] == TALLY_GPU_ON || v.at[0] == TALLY_GPU_OFF);
    if (f->size == 0) return is_text(v);
    return v.len > 0 && v.len % f->size == 0 && v.len / f->size <= f->times_max;
}

static enum tally_status check_fields(const struct tally_gpu_report *r)
{
    unsigned kind = tally_gpu_is_switch(r) ? SWITCH : GPU;

    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        if (!(f->on & kind)) continue;
        struct tally_slice v = tally_gpu_field(r, (enum tally_gpu_field)f->type);
        TALLY_REFUSE_UNLESS(v.at != NULL || !(f->on & NEEDED), TALLY_R_E_FORMAT,
                            "opaque field %u is missing", f->type);
        TALLY_REFUSE_UNLESS(v.at == NULL || good_value(f, v), TALLY_R_E_FORMAT,
                            "opaque field %u has a value of another form", f->type);
    }
    return TALLY_OK;
}

static enum tally_status read_opaque(struct tally_slice in, struct tally_gpu_report *r)
{
    struct tally_rd rd = tally_rd_from(in);

    r->opaque_n = 0;
    while (rd.left > 0) {
        uint16_t type = tally_rd_le16(&rd, "type");
        struct tally_slice v = tally_rd_bytes(&rd, tally_rd_le16(&rd, "length"), "value");
        bool known = type <= KNOWN_MAX || type == TALLY_GPU_INVALID;
        TALLY_REFUSE_UNLESS(rd.bad == NULL, TALLY_R_E_FORMAT,
                            "an opaque field runs past the opaque data");
        TALLY_REFUSE_UNLESS(type != TALLY_GPU_INVALID, TALLY_R_E_FORMAT, "an invalid opaque field");
        TALLY_REFUSE_UNLESS(!known || tally_gpu_field(r, (enum tally_gpu_field)type).at == NULL,
                            TALLY_R_E_FORMAT, "opaque field %u stands twice", type);
        TALLY_REFUSE_UNLESS(r->opaque_n < TALLY_GPU_OPAQUE_MAX, TALLY_R_E_FORMAT,
                            "more than %d opaque fields", TALLY_GPU_OPAQUE_MAX);
        r->opaque[r->opaque_n++] = (struct tally_gpu_opaque){type, v};
    }
    return check_fields(r);
}

static enum tally_status read_blocks(struct tally_slice record, struct tally_gpu_report *r)
{
    struct tally_rd rd = tally_rd_from(record);

    TALLY_REFUSE_UNLESS(r->blocks_n == TALLY_GPU_BLOCKS || r->blocks_n == TALLY_SWITCH_BLOCKS,
                        TALLY_R_E_FORMAT, "%u measurements: neither a GPU's nor a switch's",
                        r->blocks_n);
    for (uint8_t i = 0; i < r->blocks_n; i++) {
        uint8_t index = tally_rd_u8(&rd, "index"), spec = tally_rd_u8(&rd, "specification");
        uint16_t size = tally_rd_le16(&rd, "size");
        r->types[i] = tally_rd_u8(&rd, "type");
        uint16_t value = tally_rd_le16(&rd, "value size");
        tally_rd_copy(&rd, r->digests[i], TALLY_GPU_DIGEST_BYTES, "value");
        TALLY_REFUSE_UNLESS(rd.bad == NULL && index == i + 1, TALLY_R_E_FORMAT,
                            "measurement %u is not where it belongs", i + 1U);
        TALLY_REFUSE_UNLESS(spec == DMTF && r->types[i] < RAW && value == TALLY_GPU_DIGEST_BYTES &&
                                size == VALUE_HEAD + value,
                            TALLY_R_E_FORMAT, "measurement %u is not a SHA-384 digest", i + 1U);
    }
    TALLY_REFUSE_UNLESS(rd.left == 0, TALLY_R_E_FORMAT, "more after the last measurement");
    return TALLY_OK;
}

static enum tally_status check_head(const struct tally_gpu_report *r)
{
    TALLY_REFUSE_UNLESS(r->request.version == SPDM_1_1 && r->response.version == SPDM_1_1,
                        TALLY_R_E_VERSION, "not SPDM 1.1");
    TALLY_REFUSE_UNLESS(r->request.code == GET_MEASUREMENTS && r->response.code == MEASUREMENTS,
                        TALLY_R_E_FORMAT, "not a request for measurements and its response");
    TALLY_REFUSE_UNLESS(r->request.param1 == SIGNED && r->request.param2 == ALL, TALLY_R_E_FORMAT,
                        "not a request for all measurements, signed");
    TALLY_REFUSE_UNLESS(r->request.slot == 0 && r->response.param2 == 0, TALLY_R_E_FORMAT,
                        "signed with another certificate slot than 0");
    TALLY_REFUSE_UNLESS(r->response.param1 == 0, TALLY_R_E_RESERVED_NONZERO,
                        "param1 of the response");
    return TALLY_OK;
}

static bool all_zero(const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i] != 0) return false;
    }
    return true;
}

static void read_head(struct tally_rd *rd, struct tally_gpu_report *r)
{
    r->request.version = tally_rd_u8(rd, "request");
    r->request.code = tally_rd_u8(rd, "request");
    r->request.param1 = tally_rd_u8(rd, "request");
    r->request.param2 = tally_rd_u8(rd, "request");
    tally_rd_copy(rd, r->request.nonce, TALLY_GPU_NONCE_BYTES, "nonce");
    r->request.slot = tally_rd_u8(rd, "slot");
    r->response.version = tally_rd_u8(rd, "response");
    r->response.code = tally_rd_u8(rd, "response");
    r->response.param1 = tally_rd_u8(rd, "response");
    r->response.param2 = tally_rd_u8(rd, "response");
    r->blocks_n = tally_rd_u8(rd, "number of measurements");
}

static enum tally_status whole(const struct tally_rd *rd)
{
    TALLY_REFUSE_UNLESS(rd->bad == NULL, TALLY_R_E_TRUNCATED, "the report ends within its %s",
                        rd->bad);
    return TALLY_OK;
}

/* Each part is checked once it is all there: a lie in it is not taken for an early end. */
static enum tally_status read_report(struct tally_slice in, bool padded, struct tally_gpu_report *r)
{
    struct tally_rd rd = tally_rd_from(in);
    uint8_t length[3] = {0};

    read_head(&rd, r);
    TALLY_TRY(whole(&rd));
    TALLY_TRY(check_head(r));
    tally_rd_copy(&rd, length, sizeof length, "length");
    size_t record_bytes = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16;
    struct tally_slice record = tally_rd_bytes(&rd, record_bytes, "measurements");
    TALLY_TRY(whole(&rd));
    TALLY_TRY(read_blocks(record, r));
    tally_rd_copy(&rd, r->response.nonce, TALLY_GPU_NONCE_BYTES, "nonce");
    struct tally_slice opaque = tally_rd_bytes(&rd, tally_rd_le16(&rd, "length"), "opaque data");
    r->signed_part = tally_slice_of(in.at, in.len - rd.left);
    TALLY_TRY(whole(&rd));
    TALLY_TRY(read_opaque(opaque, r));
    tally_rd_copy(&rd, r->signature, TALLY_GPU_SIG_BYTES, "signature");
    TALLY_TRY(whole(&rd));
    TALLY_REFUSE_UNLESS(rd.left == 0 || (padded && all_zero(rd.at, rd.left)), TALLY_R_E_TRAILING,
                        "%zu bytes after the report", rd.left);
    return TALLY_OK;
}

enum tally_status tally_gpu_report_decode(struct tally_slice in, bool padded,
                                          struct tally_gpu_report *out)
{
    struct tally_gpu_report r = {0};

    TALLY_REFUSE_UNLESS(in.len <= TALLY_GPU_REPORT_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "report of %zu bytes", in.len);
    TALLY_TRY(read_report(in, padded, &r));
    *out = r;
    return TALLY_OK;
}

static void le24(struct tally_wr *w, size_t v)
{
    tally_wr_u8(w, v & 0xff);
    tally_wr_u8(w, v >> 8 & 0xff);
    tally_wr_u8(w, v >> 16 & 0xff);
}

static void le16(struct tally_wr *w, size_t v)
{
    tally_wr_u8(w, v & 0xff);
    tally_wr_u8(w, v >> 8 & 0xff);
}

static void write_blocks(const struct tally_gpu_report *r, struct tally_wr *w)
{
    enum { BLOCK = 4 + VALUE_HEAD + TALLY_GPU_DIGEST_BYTES };
    uint8_t n = r->blocks_n < TALLY_GPU_BLOCKS ? r->blocks_n : TALLY_GPU_BLOCKS;

    tally_wr_u8(w, r->blocks_n);
    le24(w, (size_t)n * BLOCK);
    for (uint8_t i = 0; i < n; i++) {
        tally_wr_u8(w, (uint8_t)(i + 1));
        tally_wr_u8(w, DMTF);
        le16(w, VALUE_HEAD + TALLY_GPU_DIGEST_BYTES);
        tally_wr_u8(w, r->types[i]);
        le16(w, TALLY_GPU_DIGEST_BYTES);
        tally_wr_put(w, r->digests[i], TALLY_GPU_DIGEST_BYTES);
    }
}

void tally_gpu_report_encode_signed(const struct tally_gpu_report *r, struct tally_wr *w)
{
    size_t opaque_bytes = 0;

    tally_wr_u8(w, r->request.version);
    tally_wr_u8(w, r->request.code);
    tally_wr_u8(w, r->request.param1);
    tally_wr_u8(w, r->request.param2);
    tally_wr_put(w, r->request.nonce, TALLY_GPU_NONCE_BYTES);
    tally_wr_u8(w, r->request.slot);
    tally_wr_u8(w, r->response.version);
    tally_wr_u8(w, r->response.code);
    tally_wr_u8(w, r->response.param1);
    tally_wr_u8(w, r->response.param2);
    write_blocks(r, w);
    tally_wr_put(w, r->response.nonce, TALLY_GPU_NONCE_BYTES);
    for (uint32_t i = 0; i < r->opaque_n; i++) opaque_bytes += 4 + r->opaque[i].value.len;
    le16(w, opaque_bytes);
    for (uint32_t i = 0; i < r->opaque_n; i++) {
        le16(w, r->opaque[i].type);
        le16(w, r->opaque[i].value.len);
        tally_wr_bytes(w, r->opaque[i].value);
    }
}

void tally_gpu_report_encode(const struct tally_gpu_report *r, struct tally_wr *w)
{
    tally_gpu_report_encode_signed(r, w);
    tally_wr_put(w, r->signature, TALLY_GPU_SIG_BYTES);
}

struct tally_slice tally_gpu_text(const struct tally_gpu_report *r, enum tally_gpu_field type)
{
    struct tally_slice v = tally_gpu_field(r, type);

    while (v.len > 0 && v.at[v.len - 1] == 0) v.len--;
    return v;
}

/* A GPU writes 8 bytes, least first: the upper four are the version's last byte and three of
 * nothing, the lower four the rest of it. */
void tally_gpu_vbios(const struct tally_gpu_report *r, char out[TALLY_GPU_TEXT_SIZE])
{
    struct tally_slice v = tally_gpu_text(r, TALLY_GPU_VBIOS);

    if (tally_gpu_is_switch(r)) {
        (void)snprintf(out, TALLY_GPU_TEXT_SIZE, "%.*s", (int)v.len, (const char *)v.at);
        return;
    }
    const uint8_t *b = tally_gpu_field(r, TALLY_GPU_VBIOS).at;
    (void)snprintf(out, TALLY_GPU_TEXT_SIZE, "%02X.%02X.%02X.%02X.%02X", b[3], b[2], b[1], b[0],
                   b[4]);
}

void tally_gpu_sku(const struct tally_gpu_report *r, char out[TALLY_GPU_TEXT_SIZE])
{
    static const enum tally_gpu_field parts[] = {TALLY_GPU_PROJECT, TALLY_GPU_PROJECT_SKU,
                                                 TALLY_GPU_CHIP_SKU};
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct tally_slice t = tally_gpu_text(r, parts[i]);
        if (t.len == 0 || used + t.len + 2 > TALLY_GPU_TEXT_SIZE) {
            out[0] = '\0';
            return;
        }
        used += (size_t)snprintf(out + used, TALLY_GPU_TEXT_SIZE - used, "%s%.*s", i > 0 ? "_" : "",
                                 (int)t.len, (const char *)t.at);
    }
}

bool tally_gpu_is_on(const struct tally_gpu_report *r, enum tally_gpu_field type)
{
    struct tally_slice v = tally_gpu_field(r, type);

    return v.len == 1 && v.at[0] == TALLY_GPU_ON;
}

enum tally_gpu_mode tally_gpu_mode(const struct tally_gpu_report *r)
{
    struct tally_slice v = tally_gpu_field(r, TALLY_GPU_FEATURE);

    if (v.len != 2 || v.at[1] != 0 || v.at[0] >= TALLY_GPU_MODES) return TALLY_GPU_MODE_UNKNOWN;
    return (enum tally_gpu_mode)v.at[0];
}

const char *tally_gpu_mode_name(enum tally_gpu_mode m)
{
    static const char *const names[] = {"single", "multi", "ppcie", "unknown"};
    return names[m];
}
