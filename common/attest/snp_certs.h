/* snp_certs.h - the certificate table that a host gives a guest beside its report: `auxblob` of
 * configfs-tsm, or what follows an extended report (ATTESTATION.md C1.2).
 *
 *   entries      guid[16] | offset u32 | length u32, little-endian, to one of 24 zero bytes
 *   contents     where the entries say, counted from the table's first byte; zeros may follow
 *
 * The host writes it: nothing in it is believed, and the ARK in it is never a root of trust. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_SNP_TABLE_MAX = 64 * 1024,
    TALLY_SNP_TABLE_ENTRIES_MAX = 32,
    TALLY_SNP_GUID_BYTES = 16,
};

/* As the table has them (RFC 4122 order). */
extern const uint8_t tally_snp_guid_vcek[TALLY_SNP_GUID_BYTES];
extern const uint8_t tally_snp_guid_vlek[TALLY_SNP_GUID_BYTES];
extern const uint8_t tally_snp_guid_issuer[TALLY_SNP_GUID_BYTES]; /* ASK or ASVK */
extern const uint8_t tally_snp_guid_ark[TALLY_SNP_GUID_BYTES];

/* The contents by kind, as they lie in the table, DER or PEM; at == NULL: not there. Entries of
 * other kinds are left out. */
struct tally_snp_table {
    struct tally_slice vcek, vlek, issuer, ark;
};

/* E_OVERSIZE (bytes or entries); E_TRUNCATED where no entry of zeros ends the list; E_FORMAT for
 * an entry that points into the list, past the end or into another entry's contents, of whatever
 * kind; E_CERT_SHAPE for two of one kind. */
TALLY_RESULT tally_snp_table_decode(struct tally_slice in, struct tally_snp_table *out);

/* One certificate of a table as DER: itself, or its one PEM block decoded into out. E_CERT_PARSE
 * (empty too), E_CERT_SHAPE for more than one block, E_OVERSIZE. */
TALLY_RESULT tally_snp_table_der(struct tally_slice content, uint8_t *out, size_t cap,
                                 struct tally_slice *der);
