/* evidence_show.c - see evidence_show.h. */
#include "agent/evidence_show.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "common/text.h"

enum field_kind { U32, U64, BYTES, U8, FIRMWARE, NUMBER };

#define AT(field)   offsetof(struct tally_snp_report, field)
#define SIZE(field) sizeof(((struct tally_snp_report *)0)->field)

/* clang-format off */
static const struct field {
    uint16_t offset, size; /* in the report */
    enum field_kind kind;
    size_t at; /* in the struct */
    const char *name, *meaning;
} fields[] = {
    {0x000, 4, U32, AT(version), "VERSION", "format of this report"},
    {0x004, 4, U32, AT(guest_svn), "GUEST_SVN", "security version of the guest, from its id block"},
    {0x008, 8, U64, AT(policy), "POLICY", "what the host may do to the guest"},
    {0x010, 16, BYTES, AT(family_id), "FAMILY_ID", "from the id block"},
    {0x020, 16, BYTES, AT(image_id), "IMAGE_ID", "from the id block"},
    {0x030, 4, U32, AT(vmpl), "VMPL", "privilege level of who asked; 0 is the highest"},
    {0x034, 4, U32, AT(signature_algo), "SIGNATURE_ALGO", "1: ECDSA P-384 with SHA-384"},
    {0x038, 8, BYTES, AT(current), "CURRENT_TCB", "firmware that runs"},
    {0x040, 8, U64, AT(platform_info), "PLATFORM_INFO", "state of the machine"},
    {0x048, 4, U32, AT(key_flags), "KEY_FLAGS", "author key, masked chip, signing key"},
    {0x050, 64, BYTES, AT(report_data), "REPORT_DATA", "what the guest bound to this report"},
    {0x090, 48, BYTES, AT(measurement), "MEASUREMENT", "digest of what was launched"},
    {0x0c0, 32, BYTES, AT(host_data), "HOST_DATA", "from the host, at launch"},
    {0x0e0, 48, BYTES, AT(id_key_digest), "ID_KEY_DIGEST", "who signed the id block"},
    {0x110, 48, BYTES, AT(author_key_digest), "AUTHOR_KEY_DIGEST", "who signed the id key"},
    {0x140, 32, BYTES, AT(report_id), "REPORT_ID", "of this guest instance"},
    {0x160, 32, BYTES, AT(report_id_ma), "REPORT_ID_MA", "of its migration agent; all ff: none"},
    {0x180, 8, BYTES, AT(reported), "REPORTED_TCB", "firmware that the signing key stands for"},
    {0x188, 1, U8, AT(cpuid_family), "CPUID_FAM_ID", "CPU family (version 3 and later)"},
    {0x189, 1, U8, AT(cpuid_model), "CPUID_MOD_ID", "CPU model"},
    {0x18a, 1, U8, AT(cpuid_step), "CPUID_STEP", "CPU stepping"},
    {0x1a0, 64, BYTES, AT(chip_id), "CHIP_ID", "of this chip; zero under a VLEK"},
    {0x1e0, 8, BYTES, AT(committed), "COMMITTED_TCB", "firmware that cannot be rolled back"},
    {0x1e8, 3, FIRMWARE, AT(current_fw), "CURRENT_VERSION", "SNP firmware that runs"},
    {0x1ec, 3, FIRMWARE, AT(committed_fw), "COMMITTED_VERSION", "SNP firmware, committed"},
    {0x1f0, 8, BYTES, AT(launch), "LAUNCH_TCB", "firmware when the guest was launched"},
    {0x1f8, 8, U64, AT(launch_mit), "LAUNCH_MIT_VECTOR", "mitigations at launch (version 5)"},
    {0x200, 8, U64, AT(current_mit), "CURRENT_MIT_VECTOR", "mitigations now (version 5)"},
    {0x2a0, 72, NUMBER, AT(r), "SIGNATURE_R", "little-endian"},
    {0x2e8, 72, NUMBER, AT(s), "SIGNATURE_S", "little-endian"},
};
/* clang-format on */
enum { FIELDS = sizeof fields / sizeof fields[0], TEXT = 160 };

static void firmware_text(const struct tally_snp_firmware *f, char out[TEXT])
{
    (void)snprintf(out, TEXT, "%u.%u.%u", f->major, f->minor, f->build);
}

static void field_text(const struct field *f, const struct tally_snp_report *r, char out[TEXT])
{
    const uint8_t *p = (const uint8_t *)r + f->at;
    struct tally_snp_firmware fw;
    uint32_t u32;
    uint64_t u64;

    switch (f->kind) {
    case U8: (void)snprintf(out, TEXT, "%u", *p); break;
    case U32:
        memcpy(&u32, p, sizeof u32);
        (void)snprintf(out, TEXT, "%" PRIu32, u32);
        break;
    case U64:
        memcpy(&u64, p, sizeof u64);
        (void)snprintf(out, TEXT, "0x%" PRIx64, u64);
        break;
    case FIRMWARE:
        memcpy(&fw, p, sizeof fw);
        firmware_text(&fw, out);
        break;
    case BYTES:
    case NUMBER: tally_hex(tally_slice_of(p, f->size), out); break;
    }
}

json_t *evidence_fields_json(const struct tally_snp_report *r)
{
    json_t *list = json_array();
    char text[TEXT];

    for (size_t i = 0; i < FIELDS; i++) {
        field_text(&fields[i], r, text);
        (void)json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:s}", "field",
                                                    fields[i].name, "offset", (int)fields[i].offset,
                                                    "size", (int)fields[i].size, "value", text,
                                                    "meaning", fields[i].meaning));
    }
    return list;
}

static void print_bits(FILE *to, const struct tally_snp_report *r)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } bits[] = {
        {TALLY_SNP_POLICY_SMT,           "SMT allowed"               },
        {TALLY_SNP_POLICY_MIGRATE_MA,    "migration allowed"         },
        {TALLY_SNP_POLICY_DEBUG,         "DEBUG allowed"             },
        {TALLY_SNP_POLICY_SINGLE_SOCKET, "one socket only"           },
        {TALLY_SNP_POLICY_CXL,           "CXL allowed"               },
        {TALLY_SNP_POLICY_AES_256_XTS,   "AES-256-XTS required"      },
        {TALLY_SNP_POLICY_RAPL_DISABLE,  "RAPL must be off"          },
        {TALLY_SNP_POLICY_CIPHERTEXT,    "ciphertext hiding required"},
        {TALLY_SNP_POLICY_SWAP_DISABLE,  "page swap must be off"     }
    };

    (void)fprintf(to, "policy: ABI %u.%u", (unsigned)(r->policy >> 8 & 0xff),
                  (unsigned)(r->policy & 0xff));
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (r->policy & bits[i].bit) (void)fprintf(to, ", %s", bits[i].name);
    }
    (void)fputc('\n', to);
}

void evidence_fields_print(FILE *to, const struct tally_snp_report *r)
{
    char text[TEXT];
    enum tally_snp_product p = tally_snp_product_of(r->cpuid_family, r->cpuid_model);

    for (size_t i = 0; i < FIELDS; i++) {
        field_text(&fields[i], r, text);
        (void)fprintf(to, "0x%03x %-18s %s\n%6s%s\n", fields[i].offset, fields[i].name, text, "",
                      fields[i].meaning);
    }
    (void)fprintf(to, "product: %s\n",
                  r->version >= 3 ? tally_snp_product_name(p) : "version 2 does not say");
    print_bits(to, r);
}

static void put_hex(json_t *o, const char *key, struct tally_slice s)
{
    char hex[TEXT];

    tally_hex(s, hex);
    (void)json_object_set_new(o, key, json_string(hex));
}

static void put_u64(json_t *o, const char *key, uint64_t v)
{
    char text[TEXT];

    (void)snprintf(text, sizeof text, "0x%" PRIx64, v);
    (void)json_object_set_new(o, key, json_string(text));
}

static void put_identity(json_t *o, const struct tally_snp_report *r, const struct tally_verdict *v)
{
    static const uint8_t none[TALLY_CHIP_DIGEST_BYTES];

    put_hex(o, "measurement", TALLY_SLICE(r->measurement));
    put_hex(o, "report_data", TALLY_SLICE(r->report_data));
    put_hex(o, "host_data", TALLY_SLICE(r->host_data));
    put_hex(o, "family_id", TALLY_SLICE(r->family_id));
    put_hex(o, "image_id", TALLY_SLICE(r->image_id));
    put_hex(o, "id_key_digest", TALLY_SLICE(r->id_key_digest));
    put_hex(o, "author_key_digest", TALLY_SLICE(r->author_key_digest));
    put_hex(o, "report_id", TALLY_SLICE(r->report_id));
    put_hex(o, "chip",
            tally_slice_of(v->chip, memcmp(v->chip, none, sizeof none) == 0 ? 0 : sizeof none));
}

json_t *evidence_claims_json(const struct tally_snp_report *r, const struct tally_verdict *v)
{
    char current[TEXT], committed[TEXT];
    bool vlek = TALLY_SNP_SIGNING_KEY(r->key_flags) == TALLY_SNP_KEY_VLEK;

    firmware_text(&r->current_fw, current);
    firmware_text(&r->committed_fw, committed);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i, s:I, s:b, s:b, s:b, s:s, s:s}", "tee", "snp",
        "trust", tally_trust_class_name(v->trust), "product", v->product, "version",
        (int)r->version, "signer", vlek ? "VLEK" : "VCEK", "family", (int)r->cpuid_family, "model",
        (int)r->cpuid_model, "stepping", (int)r->cpuid_step, "vmpl", (int)r->vmpl, "guest_svn",
        (json_int_t)r->guest_svn, "debug", (r->policy & TALLY_SNP_POLICY_DEBUG) != 0, "migration",
        (r->policy & TALLY_SNP_POLICY_MIGRATE_MA) != 0, "smt",
        (r->policy & TALLY_SNP_POLICY_SMT) != 0, "current_firmware", current, "committed_firmware",
        committed);
    put_u64(o, "policy", r->policy);
    put_u64(o, "platform_info", r->platform_info);
    put_u64(o, "launch_mit_vector", r->launch_mit);
    put_u64(o, "current_mit_vector", r->current_mit);
    put_identity(o, r, v);
    return o;
}

static json_t *parts(enum tally_snp_product p, const struct tally_snp_tcb *tcb)
{
    struct tally_snp_tcb_parts t = tally_snp_tcb_parts(p, tcb);

    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "fmc", (int)t.fmc, "boot_loader",
                     (int)t.boot_loader, "tee", (int)t.tee, "snp", (int)t.snp, "microcode",
                     (int)t.microcode);
}

json_t *evidence_tcb_json(const struct tally_snp_report *r, enum tally_snp_product p)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "reported", parts(p, &r->reported), "committed",
                     parts(p, &r->committed), "current", parts(p, &r->current), "launch",
                     parts(p, &r->launch));
}
