/* test_safetensors.c - common/safetensors.c and safetensors_write.c: what the writer makes is read
 * back, and a file that lies is refused. */
#include "common/safetensors.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"

static void put_le64(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(v >> 8 * i);
}

/* A file of this header text, padded, and data_len bytes 0, 1, 2, ...; exact size. */
static uint8_t *file_of(const char *json, size_t data_len, size_t *len)
{
    size_t text = strlen(json), padded = (text + 7) / 8 * 8;
    uint8_t *p = malloc(8 + padded + data_len);

    put_le64(p, padded);
    memset(p + 8, ' ', padded);
    memcpy(p + 8, json, text);
    for (size_t i = 0; i < data_len; i++) p[8 + padded + i] = (uint8_t)i;
    *len = 8 + padded + data_len;
    return p;
}

static enum tally_status read_text(const char *json, size_t data_len)
{
    struct tally_safetensors s = {0};
    size_t len;
    uint8_t *p = file_of(json, data_len, &len);
    enum tally_status r = tally_safetensors_read(tally_slice_of(p, len), &s);

    if (r != TALLY_OK) ck_assert_ptr_null(s.tensors);
    tally_safetensors_free(&s);
    free(p);
    return r;
}

static struct tally_tensor tensor(const char *name, enum tally_dtype dtype, uint64_t rows,
                                  uint64_t columns)
{
    struct tally_tensor t = {
        .dtype = dtype, .dims_n = columns ? 2 : 1, .dims = {rows, columns}
    };

    (void)snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

/* The writer's file of two weights, a scalar and bytes, with data. */
static uint8_t *written(size_t *len)
{
    struct tally_tensor list[4] = {
        tensor("keys", TALLY_DTYPE_U64, 2, 0), tensor("scale", TALLY_DTYPE_F64, 1, 0),
        tensor("layer.0.weight", TALLY_DTYPE_F32, 2, 3), tensor("flags", TALLY_DTYPE_U8, 5, 0)};
    const struct tally_metadata meta[] = {
        {"format", "tally"},
        {"round",  "7"    }
    };
    struct tally_safetensors_head h;

    list[1].dims_n = 0;
    ck_assert_int_eq(tally_safetensors_write(list, 4, meta, 2, &h), TALLY_OK);
    ck_assert_uint_eq(h.len % 8, 0);
    ck_assert_uint_eq(h.data_bytes, 16 + 8 + 24 + 5);
    *len = h.len + h.data_bytes;
    uint8_t *p = malloc(*len);
    memcpy(p, h.bytes, h.len);
    for (size_t i = 0; i < h.data_bytes; i++) p[h.len + i] = (uint8_t)i;
    tally_safetensors_head_free(&h);
    tally_safetensors_head_free(&h);
    return p;
}

START_TEST(what_was_written_is_read_back)
{
    size_t len;
    uint8_t *p = written(&len);
    struct tally_safetensors s;
    const struct tally_tensor *t;
    const uint64_t shape[] = {2, 3};

    ck_assert_int_eq(tally_safetensors_read(tally_slice_of(p, len), &s), TALLY_OK);
    ck_assert_uint_eq(s.tensors_n, 4);
    ck_assert_str_eq(s.tensors[0].name, "keys");
    ck_assert_int_eq(tally_safetensors_need(&s, "layer.0.weight", TALLY_DTYPE_F32, shape, 2, &t),
                     TALLY_OK);
    ck_assert_uint_eq(t->elements, 6);
    ck_assert_uint_eq(t->data.len, 24);
    ck_assert_uint_eq(t->data.at[0], 24);
    ck_assert_uint_eq((size_t)(t->data.at - p) % 4, 0);
    ck_assert_int_eq(tally_safetensors_need(&s, "scale", TALLY_DTYPE_F64, NULL, 0, &t), TALLY_OK);
    ck_assert_uint_eq(t->elements, 1);
    ck_assert_uint_eq(tally_safetensors_find(&s, "flags")->data.len, 5);
    ck_assert_ptr_null(tally_safetensors_find(&s, "flag"));
    ck_assert_ptr_null(tally_safetensors_find(&s, "__metadata__"));
    ck_assert_str_eq(tally_safetensors_metadata(&s, "round"), "7");
    ck_assert_ptr_null(tally_safetensors_metadata(&s, "rounds"));
    tally_safetensors_free(&s);
    tally_safetensors_free(&s);
    free(p);
}
END_TEST

START_TEST(another_type_or_shape_is_not_what_is_needed)
{
    size_t len;
    uint8_t *p = written(&len);
    struct tally_safetensors s;
    const struct tally_tensor *t = NULL;
    const uint64_t shape[] = {2, 3, 1}, turned[] = {3, 2};

    ck_assert_int_eq(tally_safetensors_read(tally_slice_of(p, len), &s), TALLY_OK);
    ck_assert_int_eq(tally_safetensors_need(&s, "layer", TALLY_DTYPE_F32, shape, 2, &t),
                     TALLY_E_WIRE);
    ck_assert_int_eq(tally_safetensors_need(&s, "layer.0.weight", TALLY_DTYPE_F64, shape, 2, &t),
                     TALLY_E_WIRE);
    ck_assert_int_eq(tally_safetensors_need(&s, "layer.0.weight", TALLY_DTYPE_F32, shape, 3, &t),
                     TALLY_E_WIRE);
    ck_assert_int_eq(tally_safetensors_need(&s, "layer.0.weight", TALLY_DTYPE_F32, turned, 2, &t),
                     TALLY_E_WIRE);
    ck_assert_ptr_null(t);
    tally_safetensors_free(&s);
    free(p);
}
END_TEST

/* The bytes themselves: length, header in the caller's order, padding. */
START_TEST(the_header_is_these_bytes)
{
    static const char text[] =
        "{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],"
        "\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}";
    struct tally_tensor list[] = {tensor("w", TALLY_DTYPE_F32, 2, 1),
                                  tensor("b", TALLY_DTYPE_U8, 3, 0)};
    const struct tally_metadata meta[] = {
        {"a", "b"}
    };
    struct tally_safetensors_head h;
    size_t len;
    uint8_t *want = file_of(text, 0, &len);

    ck_assert_int_eq(tally_safetensors_write(list, 2, meta, 1, &h), TALLY_OK);
    ck_assert_uint_eq(h.len, len);
    ck_assert_mem_eq(h.bytes, want, len);
    tally_safetensors_head_free(&h);
    free(want);
}
END_TEST

START_TEST(every_prefix_and_any_byte_more_is_refused)
{
    size_t len;
    uint8_t *p = written(&len);
    struct tally_safetensors s;

    for (size_t n = 0; n <= len + 1; n++) {
        uint8_t *exact = calloc(1, n ? n : 1);
        memcpy(exact, p, n < len ? n : len);
        enum tally_status r = tally_safetensors_read(tally_slice_of(exact, n), &s);
        ck_assert((r == TALLY_OK) == (n == len));
        if (r == TALLY_OK) tally_safetensors_free(&s);
        free(exact);
    }
    free(p);
}
END_TEST

/* A change may give another good file (a name's letter), never one whose tensors lie outside. */
START_TEST(every_changed_header_bit_is_refused_or_stays_in_bounds)
{
    size_t len, refused = 0;
    uint8_t *p = written(&len);
    struct tally_safetensors s;

    for (size_t bit = 0; bit < 8 * (len - 53); bit++) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum tally_status r = tally_safetensors_read(tally_slice_of(p, len), &s);
        refused += r != TALLY_OK;
        for (uint32_t i = 0; r == TALLY_OK && i < s.tensors_n; i++) {
            const struct tally_slice d = s.tensors[i].data;
            ck_assert(d.at >= p && d.at + d.len <= p + len);
        }
        if (r == TALLY_OK) tally_safetensors_free(&s);
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_ge(refused, 1000);
    free(p);
}
END_TEST

static const struct {
    enum tally_status want;
    size_t data;
    const char *json;
} texts[] = {
    {TALLY_OK,      0,  "{}"                                                                     },
    {TALLY_OK,      8,  "{'a':{'d':'F32','s':[2],'o':[0,8]}}"                                    },
    {TALLY_OK,      16, "{'b':{'d':'F32','s':[2],'o':[8,16]},'a':{'d':'U64','s':[1],'o':[0,8]}}" },
    {TALLY_OK,      0,  "{'a':{'d':'F32','s':[0,5],'o':[0,0]}}"                                  },
    {TALLY_OK,      4,  "{'a':{'d':'F32','s':[0],'o':[4,4]},'b':{'d':'F32','s':[1],'o':[0,4]}}"  },
    {TALLY_OK,      4,  "{'a':{'d':'F32','s':[0],'o':[0,0]},'b':{'d':'F32','s':[1],'o':[0,4]}}"  },
    {TALLY_E_WIRE,  1,  "{} "                                                                    },
    {TALLY_E_WIRE,  0,  " {}"                                                                    },
    {TALLY_E_WIRE,  0,  "[]"                                                                     },
    {TALLY_E_WIRE,  0,  "{}{}"                                                                   },
    {TALLY_E_WIRE,  16, "{'a':{'d':'F32','s':[2],'o':[0,8]},'a':{'d':'F32','s':[2],'o':[8,16]}}" },
    {TALLY_E_WIRE,  8,  "{'':{'d':'F32','s':[2],'o':[0,8]}}"                                     },
    {TALLY_E_WIRE,  8,  "{'a\\u0000':{'d':'F32','s':[2],'o':[0,8]}}"                             },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F33','s':[2],'o':[0,8]}}"                                    },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'f32','s':[2],'o':[0,8]}}"                                    },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[3],'o':[0,8]}}"                                    },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[0,12]}}"                                   },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[8,0]}}"                                    },
    {TALLY_E_WIRE,  12, "{'a':{'d':'F32','s':[2],'o':[4,12]}}"                                   },
    {TALLY_E_WIRE,  12, "{'a':{'d':'F32','s':[2],'o':[0,8]}}"                                    },
    {TALLY_E_WIRE,  12, "{'a':{'d':'F32','s':[2],'o':[0,8]},'b':{'d':'F32','s':[2],'o':[4,12]}}" },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[0,8]},'b':{'d':'F32','s':[2],'o':[0,8]}}"  },
    {TALLY_E_WIRE,  20, "{'a':{'d':'F32','s':[2],'o':[0,8]},'b':{'d':'F32','s':[2],'o':[12,20]}}"},
    {TALLY_E_WIRE,  4,  "{'a':{'d':'F32','s':[0],'o':[2,2]},'b':{'d':'U8','s':[4],'o':[0,4]}}"   },
    {TALLY_E_WIRE,  6,  "{'a':{'d':'U8','s':[2],'o':[0,2]},'b':{'d':'F32','s':[1],'o':[2,6]}}"   },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2.0],'o':[0,8]}}"                                  },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[-2],'o':[0,8]}}"                                   },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[-8,0]}}"                                   },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':['2'],'o':[0,8]}}"                                  },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':2,'o':[0,8]}}"                                      },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[0,8,8]}}"                                  },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[1,1,1,1,1,1,1,1,2],'o':[0,8]}}"                    },
    {TALLY_E_LIMIT, 0,  "{'a':{'d':'F32','s':[4294967296,4294967296],'o':[0,0]}}"                },
    {TALLY_E_LIMIT, 0,  "{'a':{'d':'F32','s':[4611686018427387904],'o':[0,0]}}"                  },
    {TALLY_E_LIMIT, 8,  "{'a':{'d':'F32','s':[4611686018427387906],'o':[0,8]}}"                  },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[18446744073709551618],'o':[0,8]}}"                 },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[0,18446744073709551624]}}"                 },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2]}}"                                              },
    {TALLY_E_WIRE,  8,  "{'a':{'d':'F32','s':[2],'o':[0,8],'x':1}}"                              },
    {TALLY_E_WIRE,  0,  "{'a':[]}"                                                               },
    {TALLY_OK,      0,  "{'__metadata__':{'a':'b'}}"                                             },
    {TALLY_E_WIRE,  0,  "{'__metadata__':{'a':1}}"                                               },
    {TALLY_E_WIRE,  0,  "{'__metadata__':[]}"                                                    },
    {TALLY_E_WIRE,  0,  "{'__metadata__':{'a':'b','a':'c'}}"                                     },
};

/* Texts with ' for ", and d, s, o for dtype, shape and data_offsets. */
static char *spelled_out(const char *brief)
{
    char *json = calloc(1, 8 * strlen(brief) + 1);

    for (size_t n = 0; *brief != '\0'; n = strlen(json)) {
        bool key = strncmp(brief, "'d'", 3) == 0 || strncmp(brief, "'s'", 3) == 0 ||
                   strncmp(brief, "'o'", 3) == 0;
        const char *word = brief[1] == 'd' ? "dtype" : brief[1] == 's' ? "shape" : "data_offsets";
        if (key)
            (void)snprintf(json + n, 20, "\"%s\"", word);
        else
            json[n] = *brief == '\'' ? '"' : *brief;
        brief += key ? 3 : 1;
    }
    return json;
}

START_TEST(a_header_that_lies_is_refused)
{
    char *json = spelled_out(texts[_i].json);

    ck_assert_msg(read_text(json, texts[_i].data) == texts[_i].want, "%s: %s", json, tally_why());
    free(json);
}
END_TEST

START_TEST(a_lying_length_costs_nothing)
{
    static const uint64_t lengths[] = {
        0, 3, 8, 16, 17, 1 << 20, (1 << 20) + 8, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63};
    struct tally_safetensors s;
    size_t len;
    uint8_t *p = file_of("{}      ", 3, &len); /* 8 bytes of header, 3 of data */

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_le64(p, lengths[i]);
        enum tally_status want =
            lengths[i] > TALLY_SAFETENSORS_HEADER_MAX ? TALLY_E_LIMIT : TALLY_E_WIRE;
        ck_assert_int_eq(tally_safetensors_read(tally_slice_of(p, len), &s), want);
    }
    free(p);
}
END_TEST

#define T(name, dtype, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

START_TEST(too_many_tensors_and_too_long_names_are_refused)
{
    size_t cap = 80 * (TALLY_SAFETENSORS_TENSORS_MAX + 1), used = 0;
    char *json = malloc(cap), name[400];

    for (int i = 0; i <= TALLY_SAFETENSORS_TENSORS_MAX; i++)
        used += (size_t)snprintf(json + used, cap - used, "%c" T("%d", "U8", "[0]", "0", "0"),
                                 i ? ',' : '{', i);
    (void)snprintf(json + used, cap - used, "}");
    ck_assert_int_eq(read_text(json, 0), TALLY_E_LIMIT);
    free(json);
    (void)snprintf(name, sizeof name, "{" T("%0127d", "U8", "[0]", "0", "0") "}", 1);
    ck_assert_int_eq(read_text(name, 0), TALLY_OK);
    (void)snprintf(name, sizeof name, "{" T("%0128d", "U8", "[0]", "0", "0") "}", 1);
    ck_assert_int_eq(read_text(name, 0), TALLY_E_WIRE);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    size_t n = TALLY_SAFETENSORS_HEADER_MAX;
    char *json = malloc(n + 1);

    memset(json, '[', n);
    memcpy(json, "{\"a\":", 5);
    json[n] = '\0';
    ck_assert_int_eq(read_text(json, 0), TALLY_E_WIRE);
    free(json);
}
END_TEST

START_TEST(the_writer_refuses_what_the_reader_would)
{
    struct tally_tensor good = tensor("a", TALLY_DTYPE_F32, 2, 0), t[2] = {good, good};
    struct tally_safetensors_head h;
    const struct tally_metadata twice[] =
        {
            {"a", "b"},
            {"a", "c"}
    },
                                odd[] = {{"a", "\xff"}};

    ck_assert_int_eq(tally_safetensors_write(t, 2, NULL, 0, &h), TALLY_E_CONFIG); /* same name */
    (void)snprintf(t[0].name, sizeof t[0].name, "%s", "__metadata__");
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_CONFIG);
    t[0].name[0] = '\0';
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_CONFIG);
    (void)snprintf(t[0].name, sizeof t[0].name, "%s", "\xc3");
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_safetensors_write(&good, 1, twice, 2, &h), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_safetensors_write(&good, 1, odd, 1, &h), TALLY_E_CONFIG);
    t[0] = tensor("u", TALLY_DTYPE_U8, 3, 0);
    ck_assert_int_eq(tally_safetensors_write(t, 2, NULL, 0, &h), TALLY_E_CONFIG); /* unaligned */
    t[0] = tensor("u", TALLY_DTYPE_F64, UINT64_C(1) << 61, 0);
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_LIMIT);
    t[0] = tensor("u", TALLY_DTYPE_F64, UINT64_C(1) << 59, 0);
    t[1] = tensor("v", TALLY_DTYPE_F64, UINT64_C(1) << 59, 0);
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_OK);
    tally_safetensors_head_free(&h);
    ck_assert_int_eq(tally_safetensors_write(t, 2, NULL, 0, &h), TALLY_E_LIMIT);
    t[0] = tensor("u", TALLY_DTYPE_U8, 0, UINT64_MAX);
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_LIMIT);
    t[0].dims_n = TALLY_SAFETENSORS_DIMS_MAX + 1;
    ck_assert_int_eq(tally_safetensors_write(t, 1, NULL, 0, &h), TALLY_E_LIMIT);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("safetensors");

    tcase_add_test(t, what_was_written_is_read_back);
    tcase_add_test(t, another_type_or_shape_is_not_what_is_needed);
    tcase_add_test(t, the_header_is_these_bytes);
    tcase_add_test(t, every_prefix_and_any_byte_more_is_refused);
    tcase_add_test(t, every_changed_header_bit_is_refused_or_stays_in_bounds);
    tcase_add_loop_test(t, a_header_that_lies_is_refused, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_test(t, a_lying_length_costs_nothing);
    tcase_add_test(t, too_many_tensors_and_too_long_names_are_refused);
    tcase_add_test(t, deep_nesting_is_refused);
    tcase_add_test(t, the_writer_refuses_what_the_reader_would);
    return tally_suite_run("common/safetensors", t);
}
