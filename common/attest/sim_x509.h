/* sim_x509.h - what the simulated vendors' certificates and revocation lists are put together from,
 * each field as the caller says; for sim_*cert.c. Each answers whether it could. */
#pragma once

#include <openssl/x509.h>

#include "common/bytes.h"

/* In this order, as UTF8String; PrintableString where X.520 has it so (C, serialNumber). */
struct tally_sim_name_part {
    const char *field, *value;
};
bool tally_sim_set_name(X509_NAME *name, const struct tally_sim_name_part *parts, size_t n);
bool tally_sim_set_serial(ASN1_INTEGER *to, struct tally_slice serial);
/* Version 3, dates and the subject's key. */
bool tally_sim_cert_begin(X509 *x, uint64_t not_before_s, uint64_t not_after_s, EVP_PKEY *key);
/* Version 2 and dates; next 0: none. */
bool tally_sim_crl_begin(X509_CRL *crl, uint64_t this_update_s, uint64_t next_update_s);

bool tally_sim_cert_ext(X509 *x, const char *oid, bool critical, struct tally_slice value);
/* Critical, as RFC 5280 wants both: CA and path length (-1: none); the first byte of KeyUsage. */
bool tally_sim_cert_constraints(X509 *x, bool ca, int pathlen);
bool tally_sim_cert_usage(X509 *x, uint8_t usage);
bool tally_sim_crl_number(X509_CRL *crl, uint32_t number);
bool tally_sim_crl_key_id(X509_CRL *crl, const uint8_t id[20]);
/* keyCompromise, or no reason at all. */
bool tally_sim_crl_revoke(X509_CRL *crl, struct tally_slice serial, uint64_t when_s, bool reason);
/* SHA-1 of the key's bits: an identifier, not a signature (RFC 5280, 4.2.1.2). */
void tally_sim_key_id(EVP_PKEY *key, uint8_t out[20]);

/* Appends its DER if it is good, and frees it in either case; `cn` is for the message. */
TALLY_RESULT tally_sim_cert_end(X509 *x, bool good, const char *cn, struct tally_wr *der);
TALLY_RESULT tally_sim_crl_end(X509_CRL *crl, bool good, const char *cn, struct tally_wr *der);
