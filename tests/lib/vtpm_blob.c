/* vtpm_blob.c - the paravisor's blob (ATTESTATION.md C4.1); see vtpm.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/simulated.h"
#include "tests/lib/vtpm.h"
#include "tests/lib/vtpm_relay.h"

enum { HEADER = 32, AREA = 1184, REQUEST = 20, SNP = 2, WITH_SHA256 = 1 };

/* As Azure writes it: a second key, the encryption one, and the machine's settings behind. */
static size_t runtime_data(struct tally_slice modulus, const uint8_t user_data[64], bool upper_case,
                           char *out, size_t cap)
{
    char n[512], text[2 * 64 + 1];

    (void)sodium_bin2base64(n, sizeof n, modulus.at, modulus.len,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    tally_hex(tally_slice_of(user_data, 64), text);
    for (char *c = text; upper_case && *c != '\0'; c++)
        if (*c >= 'a') *c = (char)(*c - 'a' + 'A');
    int len = snprintf(
        out, cap,
        "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":\"AQAB\","
        "\"n\":\"%s\"},{\"kid\":\"HCLEkPub\",\"key_ops\":[\"encrypt\"],\"kty\":\"RSA\","
        "\"e\":\"AQAB\",\"n\":\"%s\"}],\"vm-configuration\":{\"console-enabled\":false,"
        "\"secure-boot\":true,\"tpm-enabled\":true,\"vmUniqueId\":"
        "\"26F8BC30-774E-4290-8E7A-535F3B672AEE\"},\"user-data\":\"%s\"}",
        n, n, text);
    VTPM_NEED(len > 0);
    VTPM_NEED((size_t)len < cap);
    return (size_t)len;
}

void vtpm_blob(struct tally_slice modulus, const uint8_t user_data[64], bool upper_case,
               uint8_t out[VTPM_BLOB_BYTES])
{
    struct tally_wr w = tally_wr_to(out, VTPM_BLOB_BYTES);
    uint8_t report[TALLY_SNP_REPORT_BYTES];
    struct tally_snp_report r;
    char json[VTPM_BLOB_BYTES];
    size_t len = runtime_data(modulus, user_data, upper_case, json, sizeof json);

    tally_sim_report_init(simulated_chip(), &r);
    TALLY_SHA256_OF(r.report_data, tally_slice_of(json, len));
    memset(r.report_data + 32, 0, 32);
    VTPM_NEED(tally_sim_report_sign(simulated_chip(), &r, report) == TALLY_OK);
    memset(out, 0, VTPM_BLOB_BYTES);
    tally_wr_put(&w, "HCLA", 4);
    tally_wr_le32(&w, 1);
    tally_wr_le32(&w, (uint32_t)(HEADER + AREA + REQUEST + len));
    tally_wr_le32(&w, 2); /* request type and status as in genuine ones */
    for (int i = 0; i < 4; i++) tally_wr_le32(&w, 0);
    tally_wr_put(&w, report, sizeof report);
    tally_wr_le32(&w, (uint32_t)(REQUEST + len));
    tally_wr_le32(&w, 1);
    tally_wr_le32(&w, SNP);
    tally_wr_le32(&w, WITH_SHA256);
    tally_wr_le32(&w, (uint32_t)len);
    tally_wr_put(&w, json, len);
    VTPM_NEED(!w.full);
}
