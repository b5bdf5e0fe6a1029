/* evidence_show_snp.c - see evidence_show.h. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/attest/snp_report.h"

enum field_kind { U32, U64, BYTES, U8, FIRMWARE, NUMBER, POLICY, MODEL };

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
    {0x008, 8, POLICY, AT(policy), "POLICY", "what the host may do to the guest"},
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
    {0x189, 1, MODEL, AT(cpuid_model), "CPUID_MOD_ID", "CPU model"},
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
enum { FIELDS = sizeof fields / sizeof fields[0] };

static void policy_text(uint64_t policy, char *text, size_t size)
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
    size_t used = (size_t)snprintf(text, size, "0x%" PRIx64 " (ABI %u.%u", policy,
                                   (unsigned)(policy >> 8 & 0xff), (unsigned)(policy & 0xff));

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (policy & bits[i].bit)
            used += (size_t)snprintf(text + used, size - used, ", %s", bits[i].name);
    }
    (void)snprintf(text + used, size - used, ")");
}

static void add(json_t *list, const struct field *f, const struct tally_snp_report *r)
{
    const uint8_t *p = (const uint8_t *)r + f->at;
    struct tally_snp_firmware fw;
    char text[256];
    uint32_t u32;
    uint64_t u64;

    switch (f->kind) {
    case U8: evidence_field(list, f->offset, f->size, f->name, f->meaning, "%u", *p); break;
    case POLICY:
        policy_text(r->policy, text, sizeof text);
        evidence_field(list, f->offset, f->size, f->name, f->meaning, "%s", text);
        break;
    case MODEL:
        evidence_field(list, f->offset, f->size, f->name, f->meaning, "%u (%s)", *p,
                       r->version < 3 ? "not said in version 2"
                                      : tally_snp_product_name(
                                            tally_snp_product_of(r->cpuid_family, r->cpuid_model)));
        break;
    case U32:
        memcpy(&u32, p, sizeof u32);
        evidence_field(list, f->offset, f->size, f->name, f->meaning, "%" PRIu32, u32);
        break;
    case U64:
        memcpy(&u64, p, sizeof u64);
        evidence_field(list, f->offset, f->size, f->name, f->meaning, "0x%" PRIx64, u64);
        break;
    case FIRMWARE:
        memcpy(&fw, p, sizeof fw);
        evidence_field(list, f->offset, f->size, f->name, f->meaning, "%u.%u.%u", fw.major,
                       fw.minor, fw.build);
        break;
    case BYTES:
    case NUMBER:
        evidence_field_hex(list, f->offset, f->name, f->meaning, tally_slice_of(p, f->size));
        break;
    }
}

enum tally_status evidence_show_snp(struct tally_slice file, json_t *list)
{
    struct tally_snp_report r;

    TALLY_TRY(tally_snp_report_decode(file, &r));
    for (size_t i = 0; i < FIELDS; i++) add(list, &fields[i], &r);
    return TALLY_OK;
}
