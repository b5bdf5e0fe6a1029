/* test_version.c - kernels/version.c: a version reads back as written, and nothing else reads. */
#include "kernels/version.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"

enum { META = 6, TENSORS = 4 };

static struct tally_prep_column columns[2];
static char values[2][TALLY_CELL_TEXT_MAX + 1] = {"DE", "FR"};

/* Two columns, five features; the columns are not for tally_version_free. */
static struct tally_version sample(void)
{
    struct tally_version v = {.mode = TALLY_MODE_TEST, .round = 7};

    memset(v.federation, 0xf1, 32);
    memset(v.job, 0x0b, 32);
    columns[0] = (struct tally_prep_column){.name = "amount",
                                            .kind = TALLY_COLUMN_NUMERIC,
                                            .missing = TALLY_MISSING_OWN,
                                            .mean = 1.5,
                                            .sd = 0.1};
    columns[1] = (struct tally_prep_column){
        .name = "country", .kind = TALLY_COLUMN_CATEGORY, .values = values, .values_n = 2};
    memcpy(v.prep.job, v.job, 32);
    tally_prep_key(v.job, v.prep.key);
    v.prep.prior = 0.01;
    v.prep.columns = columns;
    v.prep.columns_n = 2;
    ck_assert_msg(tally_prep_lay_out(&v.prep) == TALLY_OK, "%s", tally_why());
    v.model = (struct tally_model){.inputs = v.prep.features, .hidden = {3}, .n = 1};
    return v;
}

/* Head and data in one exact block for the caller to free. */
static uint8_t *with_data(struct tally_safetensors_head *h, size_t *len)
{
    *len = h->len + (size_t)h->data_bytes;
    uint8_t *file = malloc(*len);

    ck_assert_ptr_nonnull(file);
    memcpy(file, h->bytes, h->len);
    for (size_t i = 0; i < h->data_bytes / 4; i++) {
        float x = (float)i / 8;
        memcpy(file + h->len + 4 * i, &x, 4);
    }
    tally_safetensors_head_free(h);
    return file;
}

static uint8_t *whole(const struct tally_version *v, size_t *len, size_t *head)
{
    struct tally_safetensors_head h;

    ck_assert_msg(tally_version_head(v, &h) == TALLY_OK, "%s", tally_why());
    *head = h.len;
    return with_data(&h, len);
}

static enum tally_status read_exact(const uint8_t *at, size_t len, struct tally_version *v)
{
    uint8_t *block = malloc(len + (len == 0));

    ck_assert_ptr_nonnull(block);
    if (len != 0) memcpy(block, at, len);
    enum tally_status s = tally_version_read(tally_slice_of(block, len), v);
    if (s == TALLY_OK) tally_version_free(v);
    free(block);
    return s;
}

START_TEST(a_version_reads_back_as_written)
{
    struct tally_version want = sample(), got;
    size_t len, head;
    char name[TALLY_FEATURE_NAME_MAX + 1];

    if (_i == 1) { /* logistic, of the longest numbers */
        want.model.n = 0;
        want.mode = TALLY_MODE_PRODUCTION;
        want.round = UINT64_MAX;
    }
    uint8_t *file = whole(&want, &len, &head);
    ck_assert_msg(tally_version_read(tally_slice_of(file, len), &got) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_int_eq((int)got.mode, (int)want.mode);
    ck_assert_mem_eq(got.federation, want.federation, 32);
    ck_assert_mem_eq(got.job, want.job, 32);
    ck_assert_uint_eq(got.round, want.round);
    ck_assert_uint_eq(got.model.inputs, 5);
    ck_assert_uint_eq(got.model.n, want.model.n);
    ck_assert_uint_eq(got.params_n, _i == 1 ? 6 : 3 * 5 + 3 + 3 + 1);
    ck_assert_ptr_eq(got.params, file + head);
    ck_assert_uint_eq(got.params_n * sizeof(float), len - head);
    ck_assert_uint_eq(got.prep.features, 5);
    ck_assert_mem_eq(&got.prep.columns[0].sd, &want.prep.columns[0].sd, sizeof(double));
    tally_prep_feature_name(&got.prep, 3, name);
    ck_assert_str_eq(name, "country=FR");
    tally_version_free(&got);
    tally_version_free(&got);
    free(file);
}
END_TEST

START_TEST(the_same_version_has_the_same_bytes)
{
    struct tally_version v = sample();
    size_t len[2], head;
    uint8_t *a = whole(&v, &len[0], &head), *b = whole(&v, &len[1], &head);

    ck_assert_uint_eq(len[0], len[1]);
    ck_assert_mem_eq(a, b, len[0]);
    v.round++;
    uint8_t *c = whole(&v, &len[1], &head);
    ck_assert(len[0] != len[1] || memcmp(a, c, len[0]) != 0);
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(every_prefix_and_one_byte_more_are_refused)
{
    struct tally_version v = sample(), got;
    size_t len, head;
    uint8_t *file = whole(&v, &len, &head);

    for (size_t n = 0; n < len; n++) {
        got = v;
        ck_assert_int_ne(read_exact(file, n, &got), TALLY_OK);
        ck_assert_ptr_null(got.params);
        ck_assert_ptr_null(got.prep.columns);
    }
    uint8_t *more = calloc(1, len + 1);
    ck_assert_ptr_nonnull(more);
    memcpy(more, file, len);
    ck_assert_int_eq(read_exact(more, len + 1, &got), TALLY_E_WIRE);
    free(more);
    free(file);
}
END_TEST

/* What is read of a changed head is a version still, inside its bytes: the sanitizer looks on. */
START_TEST(any_changed_byte_of_the_head_is_read_within_bounds)
{
    struct tally_version v = sample(), got;
    size_t len, head, refused = 0;
    uint8_t *file = whole(&v, &len, &head);

    for (size_t i = 0; i < head; i++) {
        uint8_t old = file[i];
        file[i] ^= (uint8_t)(1u << (i % 8));
        refused += read_exact(file, len, &got) != TALLY_OK;
        file[i] = old;
    }
    ck_assert_uint_gt(refused, head / 2);
    ck_assert_int_eq(read_exact(file, len, &got), TALLY_OK);
    free(file);
}
END_TEST

/* ---- files of other makers ---- */

struct made {
    struct tally_tensor t[TENSORS + 1];
    struct tally_metadata meta[META];
    uint32_t tensors_n, meta_n;
    char prep[4096];
};

/* The sample's parts as they would go into the writer. */
static void parts_of_sample(struct made *m)
{
    static const char f[] = "f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1";
    static const char j[] = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
    struct tally_version v = sample();
    char *text;

    ck_assert_int_eq(tally_prep_write(&v.prep, &text), TALLY_OK);
    (void)snprintf(m->prep, sizeof m->prep, "%s", text);
    free(text);
    m->t[0] = (struct tally_tensor){
        "layers.0.weight", TALLY_DTYPE_F32, 2, {3, 5},
           0, {0}
    };
    m->t[1] = (struct tally_tensor){"layers.0.bias", TALLY_DTYPE_F32, 1, {3}, 0, {0}};
    m->t[2] = (struct tally_tensor){
        "layers.1.weight", TALLY_DTYPE_F32, 2, {1, 3},
           0, {0}
    };
    m->t[3] = (struct tally_tensor){"layers.1.bias", TALLY_DTYPE_F32, 1, {1}, 0, {0}};
    m->tensors_n = TENSORS;
    m->meta[0] = (struct tally_metadata){"tally.mode", "T"};
    m->meta[1] = (struct tally_metadata){"tally.federation", f};
    m->meta[2] = (struct tally_metadata){"tally.job", j};
    m->meta[3] = (struct tally_metadata){"tally.round", "7"};
    m->meta[4] = (struct tally_metadata){"tally.model", "{\"kind\":\"mlp\",\"hidden\":[3]}"};
    m->meta[5] = (struct tally_metadata){"tally.prep", m->prep};
    m->meta_n = META;
}

static enum tally_status read_made(const struct made *m)
{
    struct tally_safetensors_head h;
    struct tally_version got;
    size_t len;

    ck_assert_msg(tally_safetensors_write(m->t, m->tensors_n, m->meta, m->meta_n, &h) == TALLY_OK,
                  "%s", tally_why());
    uint8_t *file = with_data(&h, &len);
    enum tally_status s = read_exact(file, len, &got);
    free(file);
    return s;
}

START_TEST(every_piece_of_metadata_is_needed)
{
    static struct made m;

    parts_of_sample(&m);
    ck_assert_msg(read_made(&m) == TALLY_OK, "%s", tally_why());
    m.meta[_i] = m.meta[META - 1];
    m.meta_n = META - 1;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
}
END_TEST

static const struct tally_metadata wrong[] = {
    {"tally.mode",       "X"                                                               },
    {"tally.mode",       "TT"                                                              },
    {"tally.mode",       ""                                                                },
    {"tally.federation", "f1"                                                              },
    {"tally.job",        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0x"},
    {"tally.job",        "0c0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"},
    {"tally.round",      ""                                                                },
    {"tally.round",      "-1"                                                              },
    {"tally.round",      " 7"                                                              },
    {"tally.round",      "07"                                                              },
    {"tally.round",      "7x"                                                              },
    {"tally.round",      "18446744073709551616"                                            },
    {"tally.round",      "99999999999999999999999999"                                      },
    {"tally.model",      ""                                                                },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[]}"                                },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[4]}"                               },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[3,3]}"                             },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[3.0]}"                             },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[0]}"                               },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[-3]}"                              },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[4294967299]}"                      },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":\"3\"}"                             },
    {"tally.model",      "{\"kind\":\"mlp\",\"hidden\":[3],\"x\":1}"                       },
    {"tally.model",      "{\"kind\":\"logistic\",\"hidden\":[3]}"                          },
    {"tally.model",      "{\"kind\":\"forest\",\"hidden\":[3]}"                            },
    {"tally.prep",       "{}"                                                              },
    {"tally.prep",       ""                                                                },
};

START_TEST(wrong_metadata_is_refused)
{
    static struct made m;

    parts_of_sample(&m);
    for (int i = 0; i < META; i++)
        if (strcmp(m.meta[i].key, wrong[_i].key) == 0) m.meta[i].value = wrong[_i].value;
    ck_assert_msg(read_made(&m) != TALLY_OK, "%s: %s", wrong[_i].key, wrong[_i].value);
}
END_TEST

START_TEST(tensors_of_another_name_shape_type_number_or_order_are_refused)
{
    static struct made m;

    parts_of_sample(&m);
    memcpy(m.t[1].name, "layers.0.biaz", 13);
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    m.t[0].dims[0] = 5;
    m.t[0].dims[1] = 3; /* the same bytes, transposed */
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    m.t[1].dims_n = 2;
    m.t[1].dims[1] = 1;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    for (int i = 0; i < TENSORS; i++) m.t[i].dtype = TALLY_DTYPE_I32;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    m.tensors_n--;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    m.t[TENSORS] = (struct tally_tensor){"more", TALLY_DTYPE_F32, 1, {1}, 0, {0}};
    m.tensors_n++;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
    parts_of_sample(&m);
    struct tally_tensor first = m.t[0];
    m.t[0] = m.t[2];
    m.t[2] = first;
    ck_assert_int_eq(read_made(&m), TALLY_E_WIRE);
}
END_TEST

START_TEST(a_model_of_no_possible_shape_has_no_head)
{
    struct tally_version v = sample();
    struct tally_safetensors_head h = {0};

    v.model.inputs = 0;
    ck_assert_int_eq(tally_version_head(&v, &h), TALLY_E_CONFIG);
    v = sample();
    v.model.hidden[0] = TALLY_WIDTH_MAX + 1;
    ck_assert_int_eq(tally_version_head(&v, &h), TALLY_E_CONFIG);
    ck_assert_ptr_null(h.bytes);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("version");

    tcase_add_loop_test(t, a_version_reads_back_as_written, 0, 2);
    tcase_add_test(t, the_same_version_has_the_same_bytes);
    tcase_add_test(t, every_prefix_and_one_byte_more_are_refused);
    tcase_add_test(t, any_changed_byte_of_the_head_is_read_within_bounds);
    tcase_add_loop_test(t, every_piece_of_metadata_is_needed, 0, META);
    tcase_add_loop_test(t, wrong_metadata_is_refused, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, tensors_of_another_name_shape_type_number_or_order_are_refused);
    tcase_add_test(t, a_model_of_no_possible_shape_has_no_head);
    return tally_suite_run("version", t);
}
