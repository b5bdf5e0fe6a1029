/* snp_certs.c - see snp_certs.h. */
#include "common/attest/snp_certs.h"

#include <string.h>

#include "common/cert.h"

enum { ENTRY = 24 };

const uint8_t tally_snp_guid_vcek[] = {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                                       0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
const uint8_t tally_snp_guid_vlek[] = {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
                                       0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1};
const uint8_t tally_snp_guid_issuer[] = {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
                                         0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82};
const uint8_t tally_snp_guid_ark[] = {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
                                      0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae};

struct entry {
    uint8_t guid[TALLY_SNP_GUID_BYTES];
    struct tally_slice content;
};

/* One entry of the list in `table`, whose contents begin at `from` or later. */
static bool read_entry(struct tally_rd *r, struct tally_slice table, size_t from, struct entry *e)
{
    tally_rd_copy(r, e->guid, sizeof e->guid, "guid");
    uint32_t offset = tally_rd_le32(r, "offset"), length = tally_rd_le32(r, "length");

    if (r->bad != NULL || offset < from || offset > table.len || length > table.len - offset)
        return false;
    e->content = tally_slice_of(table.at + offset, length);
    return true;
}

/* How many entries there are before the one of zeros. */
static enum tally_status count(struct tally_slice table, size_t *n)
{
    static const uint8_t end[ENTRY];
    struct tally_rd r = tally_rd_from(table);

    for (*n = 0; *n <= TALLY_SNP_TABLE_ENTRIES_MAX; (*n)++) {
        struct tally_slice one = tally_rd_bytes(&r, ENTRY, "entry");
        TALLY_REFUSE_UNLESS(one.at != NULL, TALLY_R_E_TRUNCATED,
                            "the certificate table has no last entry");
        if (memcmp(one.at, end, ENTRY) == 0) return TALLY_OK;
    }
    return TALLY_REFUSE(TALLY_R_E_OVERSIZE, "more than %d entries in a certificate table",
                        TALLY_SNP_TABLE_ENTRIES_MAX);
}

static bool overlap(struct tally_slice a, struct tally_slice b)
{
    return a.len > 0 && b.len > 0 && a.at < b.at + b.len && b.at < a.at + a.len;
}

static enum tally_status put(const struct entry *e, struct tally_snp_table *out)
{
    const struct {
        const uint8_t *guid;
        struct tally_slice *to;
        const char *name;
    } kinds[] = {
        {tally_snp_guid_vcek,   &out->vcek,   "VCEK"  },
        {tally_snp_guid_vlek,   &out->vlek,   "VLEK"  },
        {tally_snp_guid_issuer, &out->issuer, "issuer"},
        {tally_snp_guid_ark,    &out->ark,    "ARK"   }
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (memcmp(e->guid, kinds[i].guid, sizeof e->guid) != 0) continue;
        TALLY_REFUSE_UNLESS(kinds[i].to->at == NULL, TALLY_R_E_CERT_SHAPE,
                            "two %s certificates in one table", kinds[i].name);
        *kinds[i].to = e->content;
    }
    return TALLY_OK;
}

enum tally_status tally_snp_table_decode(struct tally_slice in, struct tally_snp_table *out)
{
    struct entry entries[TALLY_SNP_TABLE_ENTRIES_MAX];
    struct tally_snp_table got = {0};
    struct tally_rd r = tally_rd_from(in);
    size_t n = 0;

    TALLY_REFUSE_UNLESS(in.len <= TALLY_SNP_TABLE_MAX, TALLY_R_E_OVERSIZE,
                        "certificate table of %zu bytes", in.len);
    TALLY_TRY(count(in, &n));
    for (size_t i = 0; i < n; i++) {
        TALLY_REFUSE_UNLESS(read_entry(&r, in, (n + 1) * ENTRY, &entries[i]), TALLY_R_E_FORMAT,
                            "entry %zu of the certificate table points outside it", i);
        for (size_t k = 0; k < i; k++)
            TALLY_REFUSE_UNLESS(!overlap(entries[i].content, entries[k].content), TALLY_R_E_FORMAT,
                                "entries %zu and %zu of the certificate table overlap", k, i);
        TALLY_TRY(put(&entries[i], &got));
    }
    *out = got;
    return TALLY_OK;
}

enum tally_status tally_snp_table_der(struct tally_slice content, uint8_t *out, size_t cap,
                                      struct tally_slice *der)
{
    static const char begin[] = "-----BEGIN";
    size_t n = 0;

    TALLY_REFUSE_UNLESS(content.len > 0, TALLY_R_E_CERT_PARSE, "an empty certificate");
    if (content.len < sizeof begin || memcmp(content.at, begin, sizeof begin - 1) != 0) {
        *der = content;
        return TALLY_OK;
    }
    return tally_pem_chain(content, out, cap, der, 1, &n);
}
