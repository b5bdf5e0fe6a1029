/* safetensors.c - see safetensors.h: the reader; safetensors_write.c has the writer. */
#include "common/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

static const char metadata_key[] = "__metadata__";

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
#define ROW(name, size) {#name, size},
    TALLY_DTYPE_LIST(ROW)
#undef ROW
};

const char *tally_dtype_name(enum tally_dtype d)
{
    TALLY_ASSERT(d < TALLY_DTYPES);
    return dtypes[d].name;
}

size_t tally_dtype_bytes(enum tally_dtype d)
{
    TALLY_ASSERT(d < TALLY_DTYPES);
    return dtypes[d].bytes;
}

static enum tally_status count_elements(const struct tally_tensor *t, uint64_t *elements)
{
    uint64_t n = 1;

    for (uint32_t i = 0; i < t->dims_n; i++) {
        TALLY_ENSURE(t->dims[i] <= INT64_MAX && !__builtin_mul_overflow(n, t->dims[i], &n),
                     TALLY_E_LIMIT, "tensor %s: its shape overflows", t->name);
    }
    *elements = n;
    return TALLY_OK;
}

enum tally_status tally_tensor_bytes(const struct tally_tensor *t, uint64_t *bytes)
{
    uint64_t n = 0;

    TALLY_ENSURE(t->dims_n <= TALLY_SAFETENSORS_DIMS_MAX, TALLY_E_LIMIT,
                 "tensor %s: more than %d dimensions", t->name, TALLY_SAFETENSORS_DIMS_MAX);
    TALLY_TRY(count_elements(t, &n));
    TALLY_ENSURE(!__builtin_mul_overflow(n, tally_dtype_bytes(t->dtype), bytes), TALLY_E_LIMIT,
                 "tensor %s: its shape overflows", t->name);
    return TALLY_OK;
}

static void free_json(json_t **j)
{
    json_decref(*j);
}

static enum tally_status read_u64(const json_t *j, const char *name, uint64_t *v)
{
    TALLY_ENSURE(json_is_integer(j) && json_integer_value(j) >= 0, TALLY_E_WIRE,
                 "tensor %s: a size or offset is not a whole number", name);
    *v = (uint64_t)json_integer_value(j);
    return TALLY_OK;
}

static enum tally_status read_dtype(const json_t *j, struct tally_tensor *t)
{
    const char *name = json_string_value(j);

    for (unsigned d = 0; name != NULL && d < TALLY_DTYPES; d++) {
        if (strcmp(name, dtypes[d].name) != 0) continue;
        t->dtype = (enum tally_dtype)d;
        return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_WIRE, "tensor %s: unknown dtype", t->name);
}

static enum tally_status read_shape(const json_t *j, struct tally_tensor *t)
{
    TALLY_ENSURE(json_is_array(j) && json_array_size(j) <= TALLY_SAFETENSORS_DIMS_MAX, TALLY_E_WIRE,
                 "tensor %s: shape is not a list of at most %d sizes", t->name,
                 TALLY_SAFETENSORS_DIMS_MAX);
    t->dims_n = (uint32_t)json_array_size(j);
    for (uint32_t i = 0; i < t->dims_n; i++)
        TALLY_TRY(read_u64(json_array_get(j, i), t->name, &t->dims[i]));
    return count_elements(t, &t->elements);
}

static enum tally_status read_offsets(const json_t *j, const char *name, uint64_t *begin,
                                      uint64_t *end)
{
    TALLY_ENSURE(json_is_array(j) && json_array_size(j) == 2, TALLY_E_WIRE,
                 "tensor %s: data_offsets is not a pair", name);
    TALLY_TRY(read_u64(json_array_get(j, 0), name, begin));
    return read_u64(json_array_get(j, 1), name, end);
}

/* Bounds, element alignment and dtype x shape; that tensors neither overlap nor leave holes is seen
 * once all are known. */
static enum tally_status read_place(const json_t *j, struct tally_slice data,
                                    struct tally_tensor *t)
{
    uint64_t begin = 0, end = 0, bytes = 0;
    struct tally_rd r = tally_rd_from(data);

    TALLY_TRY(read_offsets(j, t->name, &begin, &end));
    TALLY_ENSURE(begin <= end && end <= data.len, TALLY_E_WIRE, "tensor %s: outside the file",
                 t->name);
    TALLY_ENSURE(begin % tally_dtype_bytes(t->dtype) == 0, TALLY_E_WIRE, "tensor %s: unaligned",
                 t->name);
    TALLY_TRY(tally_tensor_bytes(t, &bytes));
    TALLY_ENSURE(end - begin == bytes, TALLY_E_WIRE,
                 "tensor %s: %llu bytes, but its shape wants %llu", t->name,
                 (unsigned long long)(end - begin), (unsigned long long)bytes);
    (void)tally_rd_bytes(&r, begin, "offset");
    t->data = tally_rd_bytes(&r, bytes, "data");
    return TALLY_OK;
}

static enum tally_status read_tensor(const char *name, const json_t *j, struct tally_slice data,
                                     struct tally_tensor *t)
{
    size_t len = strlen(name);

    TALLY_ENSURE(len >= 1 && len <= TALLY_SAFETENSORS_NAME_MAX, TALLY_E_WIRE,
                 "a tensor's name has %zu bytes", len);
    memcpy(t->name, name, len + 1);
    TALLY_ENSURE(json_is_object(j) && json_object_size(j) == 3, TALLY_E_WIRE,
                 "tensor %s: not exactly dtype, shape and data_offsets", name);
    TALLY_TRY(read_dtype(json_object_get(j, "dtype"), t));
    TALLY_TRY(read_shape(json_object_get(j, "shape"), t));
    return read_place(json_object_get(j, "data_offsets"), data, t);
}

static enum tally_status read_metadata(json_t *j, struct tally_safetensors *s)
{
    const char *key;
    json_t *value;

    TALLY_ENSURE(json_is_object(j), TALLY_E_WIRE, "%s is not an object", metadata_key);
    json_object_foreach(j, key, value)
    {
        TALLY_ENSURE(json_is_string(value), TALLY_E_WIRE, "%s: %.64s is not text", metadata_key,
                     key);
    }
    s->metadata = json_incref(j);
    return TALLY_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct tally_tensor *x = a, *y = b;

    if (x->data.at != y->data.at) return x->data.at < y->data.at ? -1 : 1;
    return (x->data.len > y->data.len) - (x->data.len < y->data.len);
}

/* In the order of their data, each must begin where the one before it ended. */
static enum tally_status check_cover(const struct tally_safetensors *s, struct tally_slice data)
{
    struct tally_rd r = tally_rd_from(data);

    for (uint32_t i = 0; i < s->tensors_n; i++) {
        const struct tally_tensor *t = &s->tensors[i];
        TALLY_ENSURE(tally_rd_bytes(&r, t->data.len, "data").at == t->data.at && r.bad == NULL,
                     TALLY_E_WIRE, "tensor %s: a hole or an overlap before it", t->name);
    }
    TALLY_ENSURE(r.left == 0, TALLY_E_WIRE, "%zu bytes belong to no tensor", r.left);
    return TALLY_OK;
}

static enum tally_status read_entry(const char *key, json_t *value, struct tally_slice data,
                                    struct tally_safetensors *s)
{
    if (strcmp(key, metadata_key) == 0) return read_metadata(value, s);
    return read_tensor(key, value, data, &s->tensors[s->tensors_n++]);
}

static enum tally_status read_tensors(json_t *header, struct tally_slice data,
                                      struct tally_safetensors *s)
{
    size_t n = json_object_size(header);
    const char *key;
    json_t *value;

    TALLY_ENSURE(n <= TALLY_SAFETENSORS_TENSORS_MAX, TALLY_E_LIMIT, "%zu tensors", n);
    s->tensors = calloc(n + 1, sizeof *s->tensors);
    TALLY_ENSURE(s->tensors != NULL, TALLY_E_NOMEM, "%zu tensors", n);
    json_object_foreach(header, key, value)
    {
        TALLY_TRY(read_entry(key, value, data, s));
    }
    qsort(s->tensors, s->tensors_n, sizeof *s->tensors, by_place);
    return check_cover(s, data);
}

static enum tally_status split(struct tally_slice file, struct tally_slice *text,
                               struct tally_slice *data)
{
    struct tally_rd r = tally_rd_from(file);

    uint64_t len = tally_rd_le64(&r, "header length");
    TALLY_ENSURE(len <= TALLY_SAFETENSORS_HEADER_MAX, TALLY_E_LIMIT,
                 "a header of %llu bytes, more than %d", (unsigned long long)len,
                 TALLY_SAFETENSORS_HEADER_MAX);
    *text = tally_rd_bytes(&r, len, "header");
    TALLY_ENSURE(r.bad == NULL, TALLY_E_WIRE, "cut short: %s", r.bad);
    TALLY_ENSURE(len > 0 && text->at[0] == '{' && len % 8 == 0, TALLY_E_WIRE,
                 "the header is not an object padded to 8 bytes");
    *data = tally_rd_bytes(&r, r.left, "data");
    return TALLY_OK;
}

enum tally_status tally_safetensors_read(struct tally_slice file, struct tally_safetensors *out)
{
    TALLY_CLEANUP(tally_safetensors_free) struct tally_safetensors s = {0};
    struct tally_slice text = {0}, data = {0};
    json_error_t why;

    TALLY_TRY(split(file, &text, &data));
    TALLY_CLEANUP(free_json)
    json_t *header = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, &why);
    TALLY_ENSURE(header != NULL, TALLY_E_WIRE, "the header at byte %d: %s", why.position, why.text);
    TALLY_TRY(read_tensors(header, data, &s));
    *out = s;
    s = (struct tally_safetensors){0};
    return TALLY_OK;
}

void tally_safetensors_free(struct tally_safetensors *s)
{
    free(s->tensors);
    json_decref(s->metadata);
    *s = (struct tally_safetensors){0};
}

const struct tally_tensor *tally_safetensors_find(const struct tally_safetensors *s,
                                                  const char *name)
{
    for (uint32_t i = 0; i < s->tensors_n; i++) {
        if (strcmp(s->tensors[i].name, name) == 0) return &s->tensors[i];
    }
    return NULL;
}

const char *tally_safetensors_metadata(const struct tally_safetensors *s, const char *key)
{
    return json_string_value(json_object_get(s->metadata, key));
}

enum tally_status tally_safetensors_need(const struct tally_safetensors *s, const char *name,
                                         enum tally_dtype dtype, const uint64_t *dims,
                                         uint32_t dims_n, const struct tally_tensor **out)
{
    const struct tally_tensor *t = tally_safetensors_find(s, name);

    TALLY_ENSURE(t != NULL, TALLY_E_WIRE, "there is no tensor %s", name);
    TALLY_ENSURE(t->dtype == dtype, TALLY_E_WIRE, "tensor %s is %s, not %s", name,
                 tally_dtype_name(t->dtype), tally_dtype_name(dtype));
    TALLY_ENSURE(t->dims_n == dims_n, TALLY_E_WIRE, "tensor %s has %u dimensions, not %u", name,
                 t->dims_n, dims_n);
    for (uint32_t i = 0; i < dims_n; i++) {
        TALLY_ENSURE(t->dims[i] == dims[i], TALLY_E_WIRE,
                     "tensor %s: dimension %u is %llu, not %llu", name, i,
                     (unsigned long long)t->dims[i], (unsigned long long)dims[i]);
    }
    *out = t;
    return TALLY_OK;
}
