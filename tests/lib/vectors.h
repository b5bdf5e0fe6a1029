/* vectors.h - published vectors and data beside the source tree. TALLY_SHARED says where
 * (default: ../shared from the source root). Without the folder a test is skipped and says
 * so; with CI set that is a failure. */
#pragma once

#include <jansson.h>

#include "common/bytes.h"

/* Exits 77 (skipped), or 1 with CI set, when the folder is missing. First line of main(). */
void tally_vectors_need(void);

/* The file's path below the shared folder, in a static buffer. */
const char *tally_vectors_path(const char *name);

/* A whole JSON file or byte file; aborts the test when it cannot be read. The caller frees
 * with json_decref or free. */
json_t *tally_vectors_json(const char *name);
uint8_t *tally_vectors_bytes(const char *name, size_t *len);

/* Hex text to fresh exact-size heap bytes, so a sanitizer sees one byte too far. */
uint8_t *tally_test_unhex(const char *hex, size_t *len);
