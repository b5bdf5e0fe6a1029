/* safetensors.h - model files: u64 LE header length, JSON header, raw little-endian data.
 *
 * The reader takes hostile bytes: it works on a slice, allocates for the header alone (capped), and
 * accepts only tensors that fill the data part in some order without hole or overlap, each aligned
 * to its element and of exactly dtype x shape bytes. Row-major. Values are not looked at: a NaN is
 * for whoever uses them. The writer makes the header for tensors in the caller's order; the same
 * tensors give the same bytes, so a file has one digest. The caller then streams the data. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_SAFETENSORS_HEADER_MAX = 1 << 20, /* bytes of JSON */
    TALLY_SAFETENSORS_TENSORS_MAX = 4096,   /* with __metadata__ */
    TALLY_SAFETENSORS_DIMS_MAX = 8,
    TALLY_SAFETENSORS_NAME_MAX = 127, /* bytes */
};

/* X(name as in the file, bytes of an element) */
#define TALLY_DTYPE_LIST(X)                                                                  \
    X(F64, 8)                                                                                \
    X(F32, 4)                                                                                \
    X(F16, 2)                                                                                \
    X(BF16, 2) X(I64, 8) X(I32, 4) X(I16, 2) X(I8, 1) X(U64, 8) X(U32, 4) X(U16, 2) X(U8, 1) \
        X(BOOL, 1)
#define TALLY_DTYPE_ENUM_(name, size) TALLY_DTYPE_##name,
enum tally_dtype { TALLY_DTYPE_LIST(TALLY_DTYPE_ENUM_) TALLY_DTYPES };
#undef TALLY_DTYPE_ENUM_

const char *tally_dtype_name(enum tally_dtype d); /* "F32" */
size_t tally_dtype_bytes(enum tally_dtype d);     /* of one element */

struct tally_tensor {
    char name[TALLY_SAFETENSORS_NAME_MAX + 1];
    enum tally_dtype dtype;
    uint32_t dims_n;                           /* 0: a scalar */
    uint64_t dims[TALLY_SAFETENSORS_DIMS_MAX]; /* outermost first */
    uint64_t elements;                         /* product of dims; filled by the reader */
    struct tally_slice data; /* reader: inside the file; aligned if the file's start is (8 bytes) */
};

struct tally_safetensors {
    struct tally_tensor *tensors; /* owned; in the order of their data */
    uint32_t tensors_n;
    void *metadata; /* owned; NULL without __metadata__ */
};

/* Reads a whole file; *out points into it. TALLY_E_WIRE for anything wrong, TALLY_E_LIMIT over a
 * limit above. */
TALLY_RESULT tally_safetensors_read(struct tally_slice file, struct tally_safetensors *out);
void tally_safetensors_free(struct tally_safetensors *s); /* idempotent */

/* NULL if there is none. */
const struct tally_tensor *tally_safetensors_find(const struct tally_safetensors *s,
                                                  const char *name);
/* Text of __metadata__; NULL if there is none. */
const char *tally_safetensors_metadata(const struct tally_safetensors *s, const char *key);

/* The same, and of that type and shape: TALLY_E_WIRE otherwise, saying what was found. */
TALLY_RESULT tally_safetensors_need(const struct tally_safetensors *s, const char *name,
                                    enum tally_dtype dtype, const uint64_t *dims, uint32_t dims_n,
                                    const struct tally_tensor **out);

/* Data bytes of a tensor by its dtype and dims; TALLY_E_LIMIT if they overflow. */
TALLY_RESULT tally_tensor_bytes(const struct tally_tensor *t, uint64_t *bytes);

struct tally_metadata {
    const char *key, *value;
};

/* Everything before the data (length included, padded to 8 bytes) for the caller to free; the data
 * of the n tensors follows in this order, data_bytes in all. name, dtype and dims are read.
 * TALLY_E_CONFIG for a name that is empty, repeated or no UTF-8, or an order that leaves a tensor
 * unaligned (put larger elements first); TALLY_E_LIMIT over a limit. */
struct tally_safetensors_head {
    uint8_t *bytes;
    size_t len;
    uint64_t data_bytes;
};
TALLY_RESULT tally_safetensors_write(const struct tally_tensor *tensors, uint32_t n,
                                     const struct tally_metadata *metadata, uint32_t metadata_n,
                                     struct tally_safetensors_head *out);
void tally_safetensors_head_free(struct tally_safetensors_head *h); /* idempotent */
