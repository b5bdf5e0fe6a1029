/* frames.c - see frames.h. */
#include "proto/frames.h"

#include <string.h>

/* The modes and roles of structs are enums; only the known ones go on the wire or come off it. */
static bool mode_ok(unsigned mode)
{
    return mode == TALLY_MODE_PRODUCTION || mode == TALLY_MODE_TEST;
}

static bool role_ok(unsigned role)
{
    return role >= TALLY_ROLE_AGENT && role <= TALLY_ROLE_AUDITOR;
}

static bool server_role_ok(unsigned role)
{
    return role == TALLY_ROLE_AGGREGATOR || role == TALLY_ROLE_KMS;
}

enum tally_mode tally_rd_mode(struct tally_rd *r)
{
    uint8_t mode = tally_rd_u8(r, "mode");

    if (!mode_ok(mode)) tally_rd_fail(r, "mode");
    return mode_ok(mode) ? (enum tally_mode)mode : TALLY_MODE_PRODUCTION;
}

static enum tally_role read_role(struct tally_rd *r, const char *field)
{
    uint8_t role = tally_rd_u8(r, field);

    if (!role_ok(role)) tally_rd_fail(r, field);
    return role_ok(role) ? (enum tally_role)role : TALLY_ROLE_AGENT;
}

static enum tally_role read_server_role(struct tally_rd *r)
{
    enum tally_role role = read_role(r, "role_s");

    if (!server_role_ok(role)) tally_rd_fail(r, "role_s");
    return role;
}

static void read_text(struct tally_rd *r, char to[TALLY_NAME_MAX + 1], struct tally_slice s)
{
    memset(to, 0, TALLY_NAME_MAX + 1);
    if (r->bad == NULL && s.len != 0) memcpy(to, s.at, s.len);
}

void tally_rd_name(struct tally_rd *r, char to[TALLY_NAME_MAX + 1], const char *field)
{
    struct tally_slice s = tally_rd_vec(r, TALLY_NAME_MAX, field);

    if (!tally_name_ok(s)) tally_rd_fail(r, field);
    read_text(r, to, s);
}

/* A name that is not one would be refused by every peer: the encoder gives nothing. */
void tally_wr_name(struct tally_wr *w, const char *name)
{
    struct tally_slice s = tally_slice_of(name, strnlen(name, TALLY_NAME_MAX + 1));

    if (!tally_name_ok(s)) w->full = true;
    tally_wr_vec(w, s);
}

static bool software_ok(struct tally_slice s)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == 0 || strchr(allowed, s.at[i]) == NULL) return false;
    }
    return s.len >= 1 && s.len <= TALLY_SOFTWARE_MAX;
}

static void write_reserved(struct tally_wr *w, size_t n)
{
    static const uint8_t zeros[4];

    tally_wr_put(w, zeros, n);
}

/* type | ver | suite. Told apart from other damage, so that the peer can be told why. */
static enum tally_status read_start(struct tally_rd *r, uint8_t type)
{
    TALLY_ENSURE(tally_rd_u8(r, "type") == type, TALLY_E_WIRE, "not a frame of type %u", type);
    uint8_t version = tally_rd_u8(r, "version");
    uint16_t suite = tally_rd_be16(r, "suite");
    TALLY_ENSURE(r->bad == NULL, TALLY_E_WIRE, "bad field: %s", r->bad);
    TALLY_REFUSE_UNLESS(version == TALLY_FRAME_VERSION, TALLY_R_E_VERSION, "version %u", version);
    TALLY_REFUSE_UNLESS(suite == TALLY_SUITE, TALLY_R_E_ALGORITHM, "suite %u", suite);
    return TALLY_OK;
}

static void write_start(struct tally_wr *w, uint8_t type)
{
    tally_wr_u8(w, type);
    tally_wr_u8(w, TALLY_FRAME_VERSION);
    tally_wr_be16(w, TALLY_SUITE);
}

/* What was written since `from`. */
static enum tally_status written(const struct tally_wr *w, size_t from, struct tally_slice *out)
{
    struct tally_slice all;

    TALLY_TRY(tally_wr_end(w, &all));
    *out = tally_slice_of(all.at + from, all.len - from);
    return TALLY_OK;
}

enum tally_status tally_m1_encode(const struct tally_m1 *m, struct tally_wr *w,
                                  struct tally_slice *frame)
{
    size_t from = w->used;

    TALLY_ASSERT(mode_ok(m->mode) && role_ok(m->role_c) && server_role_ok(m->role_s));
    write_start(w, TALLY_FRAME_M1);
    tally_wr_u8(w, (uint8_t)m->mode);
    tally_wr_u8(w, (uint8_t)m->role_c);
    tally_wr_u8(w, (uint8_t)m->role_s);
    write_reserved(w, 1);
    tally_wr_bytes(w, TALLY_SLICE(m->federation));
    tally_wr_bytes(w, TALLY_SLICE(m->job));
    tally_wr_bytes(w, TALLY_SLICE(m->krp));
    tally_wr_bytes(w, TALLY_SLICE(m->e_c));
    tally_wr_bytes(w, TALLY_SLICE(m->nonce_c));
    tally_wr_be64(w, m->pin_size);
    tally_wr_bytes(w, TALLY_SLICE(m->pin_root));
    tally_wr_name(w, m->org_c);
    tally_wr_name(w, m->node_c);
    tally_wr_name(w, m->org_s);
    return written(w, from, frame);
}

enum tally_status tally_m1_decode(struct tally_slice frame, struct tally_m1 *m)
{
    struct tally_rd r = tally_rd_from(frame);
    struct tally_m1 got = {0};

    TALLY_REFUSE_UNLESS(frame.len <= TALLY_M1_BYTES_MAX, TALLY_R_E_OVERSIZE, "M1 of %zu bytes",
                        frame.len);
    TALLY_TRY(read_start(&r, TALLY_FRAME_M1));
    got.mode = tally_rd_mode(&r);
    got.role_c = read_role(&r, "role_c");
    got.role_s = read_server_role(&r);
    tally_rd_zero(&r, 1, "reserved");
    tally_rd_copy(&r, got.federation, sizeof got.federation, "federation");
    tally_rd_copy(&r, got.job, sizeof got.job, "job");
    tally_rd_copy(&r, got.krp, sizeof got.krp, "krp");
    tally_rd_copy(&r, got.e_c, sizeof got.e_c, "e_c");
    tally_rd_copy(&r, got.nonce_c, sizeof got.nonce_c, "nonce_c");
    got.pin_size = tally_rd_be64(&r, "pin_size");
    tally_rd_copy(&r, got.pin_root, sizeof got.pin_root, "pin_root");
    tally_rd_name(&r, got.org_c, "org_c");
    tally_rd_name(&r, got.node_c, "node_c");
    tally_rd_name(&r, got.org_s, "org_s");
    TALLY_TRY(tally_rd_end(&r));
    *m = got;
    return TALLY_OK;
}

enum tally_status tally_m2_encode(const struct tally_m2 *m, struct tally_wr *w,
                                  struct tally_slice *frame)
{
    size_t from = w->used;

    TALLY_ASSERT(mode_ok(m->mode) && server_role_ok(m->role_s));
    write_start(w, TALLY_FRAME_M2);
    tally_wr_u8(w, (uint8_t)m->mode);
    tally_wr_u8(w, (uint8_t)m->role_s);
    write_reserved(w, 2);
    tally_wr_bytes(w, TALLY_SLICE(m->e_s));
    tally_wr_bytes(w, TALLY_SLICE(m->nonce_s));
    tally_wr_bytes(w, TALLY_SLICE(m->instance_s));
    tally_wr_name(w, m->org_s);
    return written(w, from, frame);
}

enum tally_status tally_m2_decode(struct tally_slice frame, struct tally_m2 *m)
{
    struct tally_rd r = tally_rd_from(frame);
    struct tally_m2 got = {0};

    TALLY_REFUSE_UNLESS(frame.len <= TALLY_M2_BYTES_MAX, TALLY_R_E_OVERSIZE, "M2 of %zu bytes",
                        frame.len);
    TALLY_TRY(read_start(&r, TALLY_FRAME_M2));
    got.mode = tally_rd_mode(&r);
    got.role_s = read_server_role(&r);
    tally_rd_zero(&r, 2, "reserved");
    tally_rd_copy(&r, got.e_s, sizeof got.e_s, "e_s");
    tally_rd_copy(&r, got.nonce_s, sizeof got.nonce_s, "nonce_s");
    tally_rd_copy(&r, got.instance_s, sizeof got.instance_s, "instance_s");
    tally_rd_name(&r, got.org_s, "org_s");
    TALLY_TRY(tally_rd_end(&r));
    *m = got;
    return TALLY_OK;
}

enum tally_status tally_key_block_encode(const struct tally_key_block *kb, struct tally_wr *w,
                                         struct tally_slice *bytes)
{
    size_t from = w->used;
    struct tally_slice software =
        tally_slice_of(kb->software, strnlen(kb->software, TALLY_SOFTWARE_MAX + 1));

    TALLY_ASSERT(mode_ok(kb->mode) && role_ok(kb->role));
    TALLY_ENSURE(software_ok(software), TALLY_E_CONFIG, "software version of a key block");
    tally_wr_u8(w, TALLY_FRAME_VERSION);
    tally_wr_u8(w, (uint8_t)kb->mode);
    tally_wr_u8(w, (uint8_t)kb->role);
    write_reserved(w, 1);
    tally_wr_bytes(w, TALLY_SLICE(kb->federation_id));
    tally_wr_bytes(w, TALLY_SLICE(kb->instance));
    tally_wr_bytes(w, TALLY_SLICE(kb->attested_key));
    tally_wr_be16(w, TALLY_KEM_X25519);
    tally_wr_bytes(w, TALLY_SLICE(kb->kem_key));
    tally_wr_name(w, kb->org);
    tally_wr_name(w, kb->node);
    tally_wr_vec(w, software);
    return written(w, from, bytes);
}

enum tally_status tally_key_block_decode(struct tally_slice bytes, struct tally_key_block *kb)
{
    struct tally_rd r = tally_rd_from(bytes);
    struct tally_key_block got = {0};

    if (tally_rd_u8(&r, "version") != TALLY_FRAME_VERSION) tally_rd_fail(&r, "version");
    got.mode = tally_rd_mode(&r);
    got.role = read_role(&r, "role");
    tally_rd_zero(&r, 1, "reserved");
    tally_rd_copy(&r, got.federation_id, sizeof got.federation_id, "federation id");
    tally_rd_copy(&r, got.instance, sizeof got.instance, "instance");
    tally_rd_copy(&r, got.attested_key, sizeof got.attested_key, "attested key");
    if (tally_rd_be16(&r, "KEM id") != TALLY_KEM_X25519) tally_rd_fail(&r, "KEM id");
    tally_rd_copy(&r, got.kem_key, sizeof got.kem_key, "KEM key");
    tally_rd_name(&r, got.org, "org");
    tally_rd_name(&r, got.node, "node");
    struct tally_slice software = tally_rd_vec(&r, TALLY_SOFTWARE_MAX, "software");
    if (!software_ok(software)) tally_rd_fail(&r, "software");
    read_text(&r, got.software, software);
    TALLY_TRY(tally_rd_end(&r));
    *kb = got;
    return TALLY_OK;
}

void tally_proof_write(const struct tally_proof *p, struct tally_wr *w)
{
    tally_wr_vec(w, p->ev);
    tally_wr_vec(w, p->endorsements);
    tally_wr_vec(w, p->key_block);
    tally_wr_bytes(w, TALLY_SLICE(p->sig));
    tally_wr_be32(w, 0); /* ledger proofs */
}

enum tally_status tally_proof_decode(struct tally_slice bytes, struct tally_proof *p)
{
    struct tally_rd r = tally_rd_from(bytes);
    struct tally_proof got = {0};

    got.ev = tally_rd_vec(&r, TALLY_EV_MAX, "evidence");
    got.endorsements = tally_rd_vec(&r, TALLY_ENDORSEMENTS_MAX, "endorsements");
    got.key_block = tally_rd_vec(&r, TALLY_KEY_BLOCK_BYTES_MAX, "key block");
    tally_rd_copy(&r, got.sig, sizeof got.sig, "signature");
    (void)tally_rd_vec(&r, 0, "ledger proofs");
    TALLY_TRY(tally_rd_end(&r));
    *p = got;
    return TALLY_OK;
}

void tally_refusal_encode(enum tally_refusal code, uint8_t frame[TALLY_REFUSAL_BYTES])
{
    TALLY_ASSERT(code >= TALLY_REFUSED_VERSION && code <= TALLY_REFUSED_NAME);
    frame[0] = TALLY_FRAME_REFUSAL;
    frame[1] = 0;
    frame[2] = (uint8_t)code;
}

enum tally_status tally_refusal_decode(struct tally_slice frame, enum tally_refusal *code)
{
    struct tally_rd r = tally_rd_from(frame);

    if (tally_rd_u8(&r, "type") != TALLY_FRAME_REFUSAL) tally_rd_fail(&r, "type");
    uint16_t got = tally_rd_be16(&r, "code");
    if (got < TALLY_REFUSED_VERSION || got > TALLY_REFUSED_NAME) tally_rd_fail(&r, "code");
    TALLY_TRY(tally_rd_end(&r));
    *code = (enum tally_refusal)got;
    return TALLY_OK;
}

const char *tally_refusal_text(enum tally_refusal code)
{
    switch (code) {
    case TALLY_REFUSED_NOT: return "not refused";
    case TALLY_REFUSED_VERSION: return "another protocol version or suite";
    case TALLY_REFUSED_MODE: return "another mode (production or test)";
    case TALLY_REFUSED_FEDERATION: return "another federation document in force";
    case TALLY_REFUSED_ROLE: return "another role";
    case TALLY_REFUSED_BUSY: return "busy";
    case TALLY_REFUSED_NAME: return "another name";
    }
    return "";
}
