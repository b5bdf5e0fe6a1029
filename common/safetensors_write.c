/* safetensors_write.c - the writer of safetensors.h. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/safetensors.h"
#include "common/secret.h"

static void free_json(json_t **j)
{
    json_decref(*j);
}

static void free_text(char **p)
{
    free(*p);
}

/* A key that jansson refuses is a name that is no UTF-8. */
static enum tally_status put(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key) != NULL) {
        json_decref(value);
        return TALLY_FAIL(TALLY_E_CONFIG, "the name %.128s is there twice", key);
    }
    TALLY_ENSURE(json_object_set_new(object, key, value) == 0, TALLY_E_CONFIG,
                 "a name or text in a model's header is no UTF-8");
    return TALLY_OK;
}

static json_t *shape_json(const struct tally_tensor *t)
{
    json_t *shape = json_array();

    for (uint32_t i = 0; i < t->dims_n; i++)
        (void)json_array_append_new(shape, json_integer((json_int_t)t->dims[i]));
    return shape;
}

static enum tally_status check_name(const struct tally_tensor *t)
{
    TALLY_ENSURE(t->name[0] != '\0' && memchr(t->name, '\0', sizeof t->name) != NULL &&
                     strcmp(t->name, "__metadata__") != 0,
                 TALLY_E_CONFIG, "a tensor's name is empty, reserved or too long");
    return TALLY_OK;
}

static enum tally_status put_tensor(json_t *header, const struct tally_tensor *t, uint64_t *offset)
{
    uint64_t bytes = 0, end = 0;

    TALLY_TRY(check_name(t));
    TALLY_TRY(tally_tensor_bytes(t, &bytes));
    TALLY_ENSURE(!__builtin_add_overflow(*offset, bytes, &end) && end <= INT64_MAX, TALLY_E_LIMIT,
                 "tensor %s: the file would be too large", t->name);
    TALLY_ENSURE(*offset % tally_dtype_bytes(t->dtype) == 0, TALLY_E_CONFIG,
                 "tensor %s would be unaligned: put larger elements first", t->name);
    json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", tally_dtype_name(t->dtype), "shape",
                              shape_json(t), "data_offsets", (json_int_t)*offset, (json_int_t)end);
    TALLY_ENSURE(entry != NULL, TALLY_E_NOMEM, "model header");
    *offset = end;
    return put(header, t->name, entry);
}

static enum tally_status put_metadata(json_t *header, const struct tally_metadata *m, uint32_t n)
{
    json_t *map = json_object();

    TALLY_ENSURE(map != NULL, TALLY_E_NOMEM, "model header");
    TALLY_TRY(put(header, "__metadata__", map));
    for (uint32_t i = 0; i < n; i++) TALLY_TRY(put(map, m[i].key, json_string(m[i].value)));
    return TALLY_OK;
}

static enum tally_status put_tensors(json_t *header, const struct tally_tensor *t, uint32_t n,
                                     uint64_t *data_bytes)
{
    TALLY_ENSURE(n < TALLY_SAFETENSORS_TENSORS_MAX, TALLY_E_LIMIT, "%u tensors", n);
    for (uint32_t i = 0; i < n; i++) TALLY_TRY(put_tensor(header, &t[i], data_bytes));
    return TALLY_OK;
}

/* Length, text, spaces up to a multiple of 8. */
static enum tally_status frame(const char *text, struct tally_safetensors_head *out)
{
    size_t len = strlen(text), padded = (len + 7) / 8 * 8;
    struct tally_slice all;

    TALLY_ENSURE(padded <= TALLY_SAFETENSORS_HEADER_MAX, TALLY_E_LIMIT,
                 "a header of %zu bytes, more than %d", padded, TALLY_SAFETENSORS_HEADER_MAX);
    uint8_t *bytes = malloc(8 + padded);
    TALLY_ENSURE(bytes != NULL, TALLY_E_NOMEM, "model header");
    struct tally_wr w = tally_wr_to(bytes, 8 + padded);
    tally_wr_le64(&w, padded);
    tally_wr_put(&w, text, len);
    while (w.used < w.cap) tally_wr_u8(&w, ' ');
    TALLY_ASSERT(tally_wr_end(&w, &all) == TALLY_OK);
    out->bytes = bytes;
    out->len = all.len;
    return TALLY_OK;
}

enum tally_status tally_safetensors_write(const struct tally_tensor *tensors, uint32_t n,
                                          const struct tally_metadata *metadata,
                                          uint32_t metadata_n, struct tally_safetensors_head *out)
{
    TALLY_CLEANUP(free_json) json_t *header = json_object();
    TALLY_CLEANUP(free_text) char *text = NULL;
    uint64_t offset = 0;

    TALLY_ENSURE(header != NULL, TALLY_E_NOMEM, "model header");
    if (metadata_n != 0) TALLY_TRY(put_metadata(header, metadata, metadata_n));
    TALLY_TRY(put_tensors(header, tensors, n, &offset));
    text = json_dumps(header, JSON_COMPACT);
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "model header");
    TALLY_TRY(frame(text, out));
    out->data_bytes = offset;
    return TALLY_OK;
}

void tally_safetensors_head_free(struct tally_safetensors_head *h)
{
    free(h->bytes);
    *h = (struct tally_safetensors_head){0};
}
