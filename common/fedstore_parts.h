/* fedstore_parts.h - what fedstore.c (taking) and fedstore_load.c (reading back) share. */
#pragma once

#include "common/dsse.h"
#include "common/fedstore.h"

void tally_fedstore_free_bytes(uint8_t **p);
void tally_fedstore_free_federation(struct tally_federation **p);
TALLY_RESULT tally_fedstore_new_federation(struct tally_federation **out);

/* "<dir>/<folder>/<version>-<digest>.json" */
void tally_fedstore_document_path(const struct tally_fedstore *s, const char *folder,
                                  uint32_t version, const uint8_t digest[32], char *out);
void tally_fedstore_current_path(const struct tally_fedstore *s, char *out);

/* An envelope of this program's mode, decoded; nothing is said of its signatures. */
TALLY_RESULT tally_fedstore_open(const struct tally_fedstore *s, struct tally_slice envelope,
                                 struct tally_dsse *d, struct tally_federation *f);

TALLY_RESULT tally_fedstore_check_expiry(const struct tally_federation *f, uint64_t now_s);
