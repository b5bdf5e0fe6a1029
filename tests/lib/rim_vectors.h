/* rim_vectors.h - the published reference manifests and what is expected of them (vectors/nvgpu).
 */
#pragma once

#include <jansson.h>

#include "common/attest/rim.h"

/* A checked fixture: the table and the vendors' anchors. */
void rim_vectors_setup(void);
void rim_vectors_teardown(void);
extern struct tally_anchor rim_vector_anchors[TALLY_ANCHORS_MAX];
extern uint32_t rim_vector_anchors_n;

/* The table's "rims" or "rows" (reports). */
json_t *rim_vectors_table(const char *key);

/* A file below vectors/nvgpu or vectors/nvgpu/rims, in an exact-size heap block. */
struct tally_slice rim_vector_load(const char *name);
struct tally_slice rim_vector(const char *name);
void rim_vector_drop(struct tally_slice s);

uint64_t rim_vector_time(const char *text);
/* A time at which the signing certificate of this row holds. */
uint64_t rim_vector_in_force(const json_t *row);
/* Under all vendors' anchors. */
TALLY_RESULT rim_vector_verify(struct tally_slice xml, uint64_t now_s, struct tally_rim *out);
