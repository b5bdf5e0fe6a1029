/* eventlog.c - see eventlog.h. */
#include "common/attest/eventlog.h"

#include <string.h>

#include "common/hash.h"

enum { ALGS_MAX = 8, DIGEST_MAX = 64, SHA256 = 0x000b, SHA384 = 0x000c };

/* One log being read. */
struct reading {
    struct tally_rd r;
    size_t total;
    struct {
        uint16_t alg, bytes;
    } algs[ALGS_MAX];
    uint32_t algs_n;
    enum tally_eventlog_kind kind;
};

#define REFUSE_UNLESS(cond, ...) TALLY_REFUSE_UNLESS(cond, TALLY_R_E_EVENTLOG, __VA_ARGS__)

static uint16_t bank(enum tally_eventlog_kind kind)
{
    return kind == TALLY_EVENTLOG_CCEL ? SHA384 : SHA256;
}

static int alg_at(const struct reading *l, uint16_t alg)
{
    for (uint32_t i = 0; i < l->algs_n; i++) {
        if (l->algs[i].alg == alg) return (int)i;
    }
    return -1;
}

static enum tally_status read_algs(struct reading *l, struct tally_rd *r)
{
    uint32_t n = tally_rd_le32(r, "hashes");

    REFUSE_UNLESS(r->bad == NULL && n >= 1 && n <= ALGS_MAX, "a log of %u hashes", n);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t alg = tally_rd_le16(r, "hash"), bytes = tally_rd_le16(r, "digest size");
        REFUSE_UNLESS(r->bad == NULL && bytes >= 1 && bytes <= DIGEST_MAX && alg_at(l, alg) < 0,
                      "the log's list of hashes");
        REFUSE_UNLESS((alg != SHA256 || bytes == TALLY_SHA256_BYTES) &&
                          (alg != SHA384 || bytes == TALLY_SHA384_BYTES),
                      "a hash of another size");
        l->algs[i].alg = alg;
        l->algs[i].bytes = bytes;
        l->algs_n = i + 1;
    }
    return TALLY_OK;
}

/* The first event, in the old form, names the hashes of all others (TCG_EfiSpecIDEvent). */
static enum tally_status open_log(struct tally_slice log, struct reading *l)
{
    static const char name[16] = "Spec ID Event03"; /* with its zero */
    enum { SHA1_BYTES = 20, MAJOR = 2 };

    *l = (struct reading){.r = tally_rd_from(log), .total = log.len};
    REFUSE_UNLESS(log.len <= TALLY_EVENTLOG_BYTES_MAX, "an event log of %zu bytes", log.len);
    uint32_t index = tally_rd_le32(&l->r, "index"), type = tally_rd_le32(&l->r, "type");
    tally_rd_zero(&l->r, SHA1_BYTES, "digest");
    uint32_t size = tally_rd_le32(&l->r, "size");
    struct tally_slice data = tally_rd_bytes(&l->r, size, "data");
    REFUSE_UNLESS(l->r.bad == NULL && index <= TALLY_RTMRS && type == TALLY_EV_NO_ACTION,
                  "no event log: the first event is no header");
    struct tally_rd r = tally_rd_from(data);
    struct tally_slice found = tally_rd_bytes(&r, sizeof name, "name");
    (void)tally_rd_le32(&r, "platform class");
    (void)tally_rd_u8(&r, "minor");
    uint8_t major = tally_rd_u8(&r, "major");
    (void)tally_rd_le16(&r, "errata and size of a native integer");
    REFUSE_UNLESS(tally_slice_equal(found, TALLY_SLICE(name)) && r.bad == NULL && major == MAJOR,
                  "no event log in the crypto-agile form, version 2");
    TALLY_TRY(read_algs(l, &r));
    uint8_t vendor = tally_rd_u8(&r, "vendor information");
    (void)tally_rd_bytes(&r, vendor, "vendor information");
    REFUSE_UNLESS(r.bad == NULL && r.left == 0, "the log's header is of another length");
    return TALLY_OK;
}

static enum tally_status open_as(struct tally_slice log, enum tally_eventlog_kind kind,
                                 struct reading *l)
{
    TALLY_TRY(open_log(log, l));
    l->kind = kind;
    REFUSE_UNLESS(alg_at(l, bank(kind)) >= 0, "the log has no %s digests",
                  kind == TALLY_EVENTLOG_CCEL ? "SHA-384" : "SHA-256");
    return TALLY_OK;
}

/* Index 0xffffffff ends a log, with nothing but ones behind it; but TCG's platform names have that
 * index too, as events of no action. */
static enum tally_status at_end(const struct reading *l, bool *end)
{
    struct tally_rd r = l->r;
    uint8_t all = 0xff;

    *end = r.left == 0;
    if (*end || tally_rd_le32(&r, "index") != UINT32_MAX) return TALLY_OK;
    if (tally_rd_le32(&r, "type") == TALLY_EV_NO_ACTION) return TALLY_OK;
    for (size_t i = 0; i < l->r.left; i++) all &= l->r.at[i];
    REFUSE_UNLESS(all == 0xff, "bytes behind the end of the log");
    *end = true;
    return TALLY_OK;
}

/* A digest of every hash that the header lists, once each. */
static enum tally_status read_digests(struct reading *l, struct tally_event *e)
{
    uint32_t seen = 0, n = tally_rd_le32(&l->r, "digests");

    REFUSE_UNLESS(n == l->algs_n, "an event with %u digests", n);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t alg = tally_rd_le16(&l->r, "hash");
        int at = alg_at(l, alg);
        REFUSE_UNLESS(at >= 0 && !(seen & 1U << at), "an event with a digest of another hash");
        seen |= 1U << at;
        struct tally_slice digest = tally_rd_bytes(&l->r, l->algs[at].bytes, "digest");
        if (alg == bank(l->kind)) e->digest = digest;
    }
    return TALLY_OK;
}

static bool hashes_to(const struct tally_event *e, struct tally_slice data)
{
    uint8_t out[TALLY_SHA384_BYTES];

    tally_hash(e->digest.len == TALLY_SHA384_BYTES ? TALLY_SHA384 : TALLY_SHA256, &data, 1, out);
    return memcmp(out, e->digest.at, e->digest.len) == 0;
}

static struct tally_slice from(struct tally_slice s, size_t skip, size_t drop)
{
    return tally_slice_of(s.at + skip, s.len - skip - drop);
}

/* The value inside UEFI_VARIABLE_DATA: guid, two lengths, name (UTF-16), value. */
static struct tally_slice variable_value(struct tally_slice data)
{
    enum { GUID = 16 };
    struct tally_rd r = tally_rd_from(data);

    (void)tally_rd_bytes(&r, GUID, "guid");
    uint64_t name = tally_rd_le64(&r, "name length"), value = tally_rd_le64(&r, "value length");
    if (name > r.left / 2) tally_rd_fail(&r, "name");
    (void)tally_rd_bytes(&r, 2 * (size_t)name, "name");
    if (value != r.left) tally_rd_fail(&r, "value");
    return tally_rd_bytes(&r, (size_t)value, "value");
}

/* What GRUB measured of the text that it logs: all behind the prefix, without the final zero.
 * at == NULL for a text that is not GRUB's. */
static struct tally_slice grub_text(struct tally_slice data)
{
    static const char *const prefixes[] = {"grub_cmd: ", "kernel_cmdline: ", "module_cmdline: "};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i]);
        if (data.len <= n || memcmp(data.at, prefixes[i], n) != 0) continue;
        return from(data, n, data.at[data.len - 1] == 0);
    }
    return (struct tally_slice){0};
}

/* Is the digest over the data? *must: by definition of the type it has to be. */
static bool is_over_data(const struct tally_event *e, bool *must)
{
    struct tally_slice part;

    *must = false;
    switch (e->type) {
    case TALLY_EV_SEPARATOR:
    case TALLY_EV_ACTION:
    case TALLY_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case TALLY_EV_EFI_GPT_EVENT:
    case TALLY_EV_EFI_ACTION:
    case TALLY_EV_EFI_VARIABLE_BOOT2: *must = true; break;
    case TALLY_EV_EFI_VARIABLE_BOOT: /* EDK2 measures the value alone */
        *must = true;
        part = variable_value(e->data);
        if (part.at != NULL && hashes_to(e, part)) return true;
        break;
    case TALLY_EV_EFI_VARIABLE_AUTHORITY: /* older shims log one byte more than they measure */
        *must = true;
        if (e->data.len > 0 && hashes_to(e, from(e->data, 0, 1))) return true;
        break;
    case TALLY_EV_IPL:
        part = grub_text(e->data);
        *must = part.at != NULL;
        if (*must) return hashes_to(e, part);
        break;
    default: break;
    }
    return hashes_to(e, e->data);
}

/* One event, the cursor not being at the end. */
static enum tally_status read_event(struct reading *l, struct tally_event *e)
{
    bool must = false;

    *e = (struct tally_event){.at = l->total - l->r.left};
    e->index = tally_rd_le32(&l->r, "index");
    e->type = tally_rd_le32(&l->r, "type");
    bool nowhere = e->type == TALLY_EV_NO_ACTION && e->index == UINT32_MAX;
    uint32_t last = l->kind == TALLY_EVENTLOG_CCEL ? TALLY_RTMRS : TALLY_PCRS - 1;
    REFUSE_UNLESS(l->r.bad == NULL && (e->index <= last || nowhere),
                  "an event for register %u at byte %zu", e->index, e->at);
    TALLY_TRY(read_digests(l, e));
    uint32_t size = tally_rd_le32(&l->r, "size");
    e->data = tally_rd_bytes(&l->r, size, "data");
    REFUSE_UNLESS(l->r.bad == NULL, "the event at byte %zu goes beyond the log", e->at);
    e->size = l->total - l->r.left - e->at;
    if (e->type == TALLY_EV_NO_ACTION) return TALLY_OK;
    e->vouched = is_over_data(e, &must);
    REFUSE_UNLESS(e->vouched || !must, "the data of the %s at byte %zu is not what was measured",
                  tally_event_type_name(e->type), e->at);
    return TALLY_OK;
}

enum tally_status tally_eventlog_walk(struct tally_slice log, enum tally_eventlog_kind kind,
                                      void (*each)(void *ctx, const struct tally_event *e),
                                      void *ctx)
{
    struct reading l;
    struct tally_event e;
    bool end = false;

    TALLY_TRY(open_as(log, kind, &l));
    for (;;) {
        TALLY_TRY(at_end(&l, &end));
        if (end) return TALLY_OK;
        TALLY_TRY(read_event(&l, &e));
        each(ctx, &e);
    }
}

enum tally_status tally_eventlog_kind_of(struct tally_slice log, enum tally_eventlog_kind *kind)
{
    struct reading l;

    TALLY_TRY(open_log(log, &l));
    bool tpm = alg_at(&l, SHA256) >= 0;
    REFUSE_UNLESS(tpm || alg_at(&l, SHA384) >= 0, "a log without SHA-256 or SHA-384 digests");
    *kind = tpm ? TALLY_EVENTLOG_TPM : TALLY_EVENTLOG_CCEL;
    return TALLY_OK;
}

/* The registers as they grow; the first fault stays. */
struct replay {
    uint8_t (*rtmr)[TALLY_RTMR_BYTES]; /* one of the two is NULL */
    uint8_t (*pcr)[TALLY_PCR_BYTES];
    bool extended0, located; /* PCR 0 was extended, its locality was said */
    const char *fault;
};

/* TCG_EfiStartupLocalityEvent: where TPM2_Startup came from stands in PCR 0 from the start. */
static void set_locality(struct replay *p, struct tally_slice data)
{
    static const char name[16] = "StartupLocality";
    enum { HCRTM = 4 };

    if (data.len < sizeof name || memcmp(data.at, name, sizeof name) != 0) return;
    uint8_t locality = data.len == sizeof name + 1 ? data.at[sizeof name] : UINT8_MAX;
    if (p->located || p->extended0 || locality > HCRTM) {
        p->fault = "the startup locality stands twice, too late or is none";
        return;
    }
    p->located = true;
    p->pcr[0][TALLY_PCR_BYTES - 1] = locality;
}

static void extend(void *ctx, const struct tally_event *e)
{
    struct replay *p = ctx;
    bool ccel = p->rtmr != NULL;

    if (p->fault != NULL) return;
    if (e->type == TALLY_EV_NO_ACTION) {
        if (!ccel && e->index == 0) set_locality(p, e->data);
        return;
    }
    if (ccel && e->index == 0) {
        p->fault = "an event for MRTD, which is not extended at run time";
        return;
    }
    if (e->index == 0) p->extended0 = true;
    uint8_t *reg = ccel ? p->rtmr[e->index - 1] : p->pcr[e->index];
    size_t bytes = ccel ? TALLY_RTMR_BYTES : TALLY_PCR_BYTES;
    const struct tally_slice parts[] = {tally_slice_of(reg, bytes), e->digest};
    tally_hash(ccel ? TALLY_SHA384 : TALLY_SHA256, parts, 2, reg);
}

enum tally_status tally_eventlog_ccel_replay(struct tally_slice log,
                                             uint8_t rtmr[TALLY_RTMRS][TALLY_RTMR_BYTES])
{
    uint8_t value[TALLY_RTMRS][TALLY_RTMR_BYTES] = {0};
    struct replay p = {.rtmr = value};

    TALLY_TRY(tally_eventlog_walk(log, TALLY_EVENTLOG_CCEL, extend, &p));
    REFUSE_UNLESS(p.fault == NULL, "%s", p.fault);
    memcpy(rtmr, value, sizeof value);
    return TALLY_OK;
}

enum tally_status tally_eventlog_tpm_replay(struct tally_slice log,
                                            uint8_t pcr[TALLY_PCRS][TALLY_PCR_BYTES])
{
    enum { DYNAMIC_FIRST = 17, DYNAMIC_LAST = 22 };
    uint8_t value[TALLY_PCRS][TALLY_PCR_BYTES] = {0};
    struct replay p = {.pcr = value};

    for (int i = DYNAMIC_FIRST; i <= DYNAMIC_LAST; i++) memset(value[i], 0xff, sizeof value[i]);
    TALLY_TRY(tally_eventlog_walk(log, TALLY_EVENTLOG_TPM, extend, &p));
    REFUSE_UNLESS(p.fault == NULL, "%s", p.fault);
    memcpy(pcr, value, sizeof value);
    return TALLY_OK;
}

const char *tally_event_type_name(uint32_t type)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {
        {0,                                   "EV_PREBOOT_CERT"                 },
        {1,                                   "EV_POST_CODE"                    },
        {TALLY_EV_NO_ACTION,                  "EV_NO_ACTION"                    },
        {TALLY_EV_SEPARATOR,                  "EV_SEPARATOR"                    },
        {TALLY_EV_ACTION,                     "EV_ACTION"                       },
        {6,                                   "EV_EVENT_TAG"                    },
        {7,                                   "EV_S_CRTM_CONTENTS"              },
        {8,                                   "EV_S_CRTM_VERSION"               },
        {9,                                   "EV_CPU_MICROCODE"                },
        {10,                                  "EV_PLATFORM_CONFIG_FLAGS"        },
        {11,                                  "EV_TABLE_OF_DEVICES"             },
        {12,                                  "EV_COMPACT_HASH"                 },
        {TALLY_EV_IPL,                        "EV_IPL"                          },
        {14,                                  "EV_IPL_PARTITION_DATA"           },
        {15,                                  "EV_NONHOST_CODE"                 },
        {16,                                  "EV_NONHOST_CONFIG"               },
        {17,                                  "EV_NONHOST_INFO"                 },
        {18,                                  "EV_OMIT_BOOT_DEVICE_EVENTS"      },
        {TALLY_EV_EFI_VARIABLE_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG"   },
        {TALLY_EV_EFI_VARIABLE_BOOT,          "EV_EFI_VARIABLE_BOOT"            },
        {UINT32_C(0x80000003),                "EV_EFI_BOOT_SERVICES_APPLICATION"},
        {UINT32_C(0x80000004),                "EV_EFI_BOOT_SERVICES_DRIVER"     },
        {UINT32_C(0x80000005),                "EV_EFI_RUNTIME_SERVICES_DRIVER"  },
        {TALLY_EV_EFI_GPT_EVENT,              "EV_EFI_GPT_EVENT"                },
        {TALLY_EV_EFI_ACTION,                 "EV_EFI_ACTION"                   },
        {UINT32_C(0x80000008),                "EV_EFI_PLATFORM_FIRMWARE_BLOB"   },
        {UINT32_C(0x80000009),                "EV_EFI_HANDOFF_TABLES"           },
        {UINT32_C(0x8000000a),                "EV_EFI_PLATFORM_FIRMWARE_BLOB2"  },
        {UINT32_C(0x8000000b),                "EV_EFI_HANDOFF_TABLES2"          },
        {TALLY_EV_EFI_VARIABLE_BOOT2,         "EV_EFI_VARIABLE_BOOT2"           },
        {UINT32_C(0x80000010),                "EV_EFI_HCRTM_EVENT"              },
        {TALLY_EV_EFI_VARIABLE_AUTHORITY,     "EV_EFI_VARIABLE_AUTHORITY"       },
        {UINT32_C(0x800000e1),                "EV_EFI_SPDM_FIRMWARE_BLOB"       },
        {UINT32_C(0x800000e2),                "EV_EFI_SPDM_FIRMWARE_CONFIG"     }
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type) return names[i].name;
    }
    return "EV_?";
}
