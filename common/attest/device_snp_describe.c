/* device_snp_describe.c - see device_snp_describe.h. */
#include "common/attest/device_snp_describe.h"

#include <stdio.h>
#include <string.h>

#include "common/attest/quote_sev_guest.h"
#include "common/text.h"

enum { LINE_SIZE = 512, URL_SIZE = 320 };

#define KEY_SERVER "https://kdsintf.amd.com"

static bool names_chip(const struct tally_snp_report *r)
{
    uint8_t any = 0;

    for (size_t i = 0; i < sizeof r->chip_id; i++) any |= r->chip_id[i];
    return any != 0;
}

static size_t chip_bytes(enum tally_snp_product p)
{
    return p == TALLY_SNP_TURIN ? TALLY_SNP_TURIN_ID_BYTES : TALLY_SNP_CHIP_ID_BYTES;
}

void tally_device_snp_chip(const struct tally_device_snp_self *me,
                           uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    memset(out, 0, TALLY_CHIP_DIGEST_BYTES);
    if (me->product == TALLY_SNP_UNKNOWN || !names_chip(&me->report)) return;
    tally_chip_digest(tally_snp_product_name(me->product),
                      tally_slice_of(me->report.chip_id, chip_bytes(me->product)), out);
}

static bool is_vlek(const struct tally_snp_report *r)
{
    return TALLY_SNP_SIGNING_KEY(r->key_flags) == TALLY_SNP_KEY_VLEK;
}

/* Where AMD gives this chip's certificate for this TCB. */
static void vcek_url(const struct tally_device_snp_self *me, char url[URL_SIZE])
{
    struct tally_snp_tcb_parts t = tally_snp_tcb_parts(me->product, &me->report.reported);
    char id[2 * TALLY_SNP_CHIP_ID_BYTES + 1], fmc[16] = "";

    tally_hex(tally_slice_of(me->report.chip_id, chip_bytes(me->product)), id);
    if (me->product == TALLY_SNP_TURIN) (void)snprintf(fmc, sizeof fmc, "fmcSPL=%02u&", t.fmc);
    (void)snprintf(url, URL_SIZE,
                   KEY_SERVER "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                   tally_snp_product_name(me->product), id, fmc, t.boot_loader, t.tee, t.snp,
                   t.microcode);
}

/* ---- line by line ---- */

static void describe_way(const struct tally_device_snp_self *me, const struct tally_describe *to)
{
    const struct tally_snp_report *r = &me->report;

    tally_describe_say(to, true, "", "the TEE is AMD SEV-SNP, through %s",
                       me->tsm ? "configfs-tsm (provider sev_guest)" : TALLY_SEV_GUEST_FILE);
    tally_describe_say(
        to, me->product != TALLY_SNP_UNKNOWN && r->version >= 3,
        r->version < 3
            ? "federations refuse version 2 by default: the host needs newer firmware"
            : "this program knows Milan, Genoa and Turin: see whether a newer one is out",
        "processor %s (family %02xh, model %02xh), report version %u, firmware %u.%u.%u",
        tally_snp_product_name(me->product), r->cpuid_family, r->cpuid_model, r->version,
        r->current_fw.major, r->current_fw.minor, r->current_fw.build);
}

static void describe_tcb(const struct tally_device_snp_self *me, const struct tally_describe *to)
{
    const struct tally_snp_report *r = &me->report;
    struct tally_snp_tcb_parts t = tally_snp_tcb_parts(me->product, &r->reported);
    bool committed = tally_snp_tcb_at_most(me->product, &r->current, &r->committed);

    tally_describe_say(to, true, "",
                       "TCB: boot loader %u, TEE %u, SNP %u, microcode %u; signed by its %s",
                       t.boot_loader, t.tee, t.snp, t.microcode, is_vlek(r) ? "VLEK" : "VCEK");
    tally_describe_say(
        to, committed, "federations refuse it by default: the host's operator must commit it",
        committed ? "the firmware is committed" : "the firmware is newer than what is committed");
}

static void describe_guest(const struct tally_device_snp_self *me, const struct tally_describe *to)
{
    const struct tally_snp_report *r = &me->report;
    bool migrates = (r->policy & TALLY_SNP_POLICY_MIGRATE_MA) != 0;
    bool alias = (r->platform_info & TALLY_SNP_PLATFORM_ALIAS) != 0;

    tally_describe_say(to, !migrates, "have it started with a policy without MIGRATE_MA",
                       "debugging off, migration %s, VMPL 0",
                       migrates ? "allowed: every federation refuses that" : "off");
    tally_describe_say(to, alias,
                       "federations demand it by default: the host needs newer firmware (BadRAM)",
                       alias ? "the memory was checked for aliases"
                             : "the memory was not checked for aliases at boot");
    tally_describe_say(to, true, "", "the machine runs %s SMT",
                       (r->platform_info & TALLY_SNP_PLATFORM_SMT) != 0 ? "with" : "without");
}

static void describe_self(const struct tally_device_snp_self *me, const struct tally_describe *to)
{
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES];
    char hex[2 * TALLY_MEASUREMENT_BYTES + 1];

    tally_device_snp_chip(me, chip);
    tally_hex(TALLY_SLICE(chip), hex);
    if (names_chip(&me->report))
        tally_describe_say(to, true, "", "chip for the federation document: %s", hex);
    else
        tally_describe_say(to, true, "",
                           "the report names no chip: the federation must list an id key");
    tally_hex(TALLY_SLICE(me->report.measurement), hex);
    tally_describe_say(to, true, "", "measurement for the federation document: %s", hex);
}

static void describe_vek(const struct tally_device_snp_self *me, const struct tally_describe *to)
{
    const struct tally_paper *p = &me->papers.vek;
    const char *from = p->from == TALLY_PAPER_HOST ? "the host's" : "the file's";
    char url[URL_SIZE], fix[LINE_SIZE];

    vcek_url(me, url);
    if (is_vlek(&me->report) || !names_chip(&me->report))
        (void)snprintf(fix, sizeof fix,
                       "ask the host's operator for it and name the file in device.vek");
    else
        (void)snprintf(fix, sizeof fix, "fetch %s and name the file in device.vek", url);
    if (p->from == TALLY_PAPER_NONE)
        tally_describe_say(to, false, fix,
                           "no certificate of this chip: the host gives none, no file is named");
    else
        tally_describe_say(to, me->papers.vek_fits, fix, "the chip's certificate: %s, %s", from,
                           me->papers.vek_fits ? "of this chip and TCB"
                                               : "of another chip or TCB than the report's");
}

static void describe_rest(const struct tally_device_snp_self *me, const char *unsealed,
                          const struct tally_describe *to)
{
    static const char *const from[] = {"the verifier's own", "the host's", "the file's"};

    tally_describe_say(to, true, "", "its issuer's certificate: %s; the revocation list: %s",
                       from[me->papers.issuer.from],
                       from[me->papers.crl_len != 0 ? TALLY_PAPER_FILE : 0]);
    tally_describe_say(to, *unsealed == '\0', unsealed,
                       *unsealed == '\0' ? "a sealing key: this instance outlives a restart"
                                         : "no sealing key");
}

void tally_device_snp_describe(const struct tally_device_snp_self *me, const char *unsealed,
                               const struct tally_describe *to)
{
    describe_way(me, to);
    describe_tcb(me, to);
    describe_guest(me, to);
    describe_self(me, to);
    describe_vek(me, to);
    describe_rest(me, unsealed, to);
}
