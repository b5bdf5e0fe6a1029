/* version.c - see version.h. */
#include "kernels/version.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/text.h"

enum { TENSORS_MAX = 2 * TALLY_LAYERS_MAX };

/* The tensors of a model, in file order. */
static enum tally_status tensors_of(const struct tally_model *m, struct tally_tensor *t,
                                    uint32_t *n, size_t *params)
{
    struct tally_layer layers[TALLY_LAYERS_MAX];

    TALLY_TRY(tally_model_layers(m, layers, params));
    *n = 2 * (m->n + 1);
    for (uint32_t i = 0; i <= m->n; i++) {
        struct tally_tensor *w = &t[2 * i], *b = &t[2 * i + 1];
        *w = (struct tally_tensor){
            .dtype = TALLY_DTYPE_F32, .dims_n = 2, .dims = {layers[i].out, layers[i].in}
        };
        *b = (struct tally_tensor){.dtype = TALLY_DTYPE_F32, .dims_n = 1, .dims = {layers[i].out}};
        (void)snprintf(w->name, sizeof w->name, "layers.%u.weight", i);
        (void)snprintf(b->name, sizeof b->name, "layers.%u.bias", i);
    }
    return TALLY_OK;
}

static void free_text(char **text)
{
    free(*text);
}

/* {"kind":"mlp","hidden":[64,32]} */
static enum tally_status model_text(const struct tally_model *m, char **text)
{
    json_t *hidden = json_array();
    bool ok = true;

    for (uint32_t i = 0; i < m->n; i++)
        ok = json_array_append_new(hidden, json_integer(m->hidden[i])) == 0 && ok;
    json_t *j = json_pack("{s:s, s:o}", "kind", m->n == 0 ? "logistic" : "mlp", "hidden", hidden);
    *text = ok && j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    TALLY_ENSURE(*text != NULL, TALLY_E_NOMEM, "model");
    return TALLY_OK;
}

enum tally_status tally_version_head(const struct tally_version *v,
                                     struct tally_safetensors_head *out)
{
    TALLY_CLEANUP(free_text) char *model = NULL;
    TALLY_CLEANUP(free_text) char *prep = NULL;
    struct tally_tensor *t = calloc(TENSORS_MAX, sizeof *t);
    char mode[2] = {(char)v->mode, '\0'}, federation[65], job[65], round[24];
    uint32_t n;
    size_t params;

    TALLY_ENSURE(t != NULL, TALLY_E_NOMEM, "version");
    enum tally_status s = tensors_of(&v->model, t, &n, &params);
    if (s == TALLY_OK) s = model_text(&v->model, &model);
    if (s == TALLY_OK) s = tally_prep_write(&v->prep, &prep);
    if (s == TALLY_OK) {
        tally_hex(TALLY_SLICE(v->federation), federation);
        tally_hex(TALLY_SLICE(v->job), job);
        (void)snprintf(round, sizeof round, "%llu", (unsigned long long)v->round);
        const struct tally_metadata meta[] = {
            {"tally.mode",       mode      },
            {"tally.federation", federation},
            {"tally.job",        job       },
            {"tally.round",      round     },
            {"tally.model",      model     },
            {"tally.prep",       prep      }
        };
        s = tally_safetensors_write(t, n, meta, sizeof meta / sizeof meta[0], out);
    }
    free(t);
    return s;
}

static enum tally_status read_model(const char *text, struct tally_model *m)
{
    json_error_t e;
    json_t *hidden, *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    const char *kind;
    bool ok = root != NULL &&
              json_unpack_ex(root, &e, 0, "{s:s, s:o !}", "kind", &kind, "hidden", &hidden) == 0 &&
              json_is_array(hidden) && json_array_size(hidden) <= TALLY_HIDDEN_MAX &&
              strcmp(kind, json_array_size(hidden) == 0 ? "logistic" : "mlp") == 0;

    m->n = ok ? (uint32_t)json_array_size(hidden) : 0;
    for (uint32_t i = 0; ok && i < m->n; i++) {
        json_int_t width = json_integer_value(json_array_get(hidden, i));
        ok = width >= 1 && width <= TALLY_WIDTH_MAX;
        m->hidden[i] = (uint32_t)width;
    }
    json_decref(root);
    TALLY_ENSURE(ok, TALLY_E_WIRE, "tally.model is no shape of ours");
    return TALLY_OK;
}

/* One spelling for each number: what the writer gives. */
static enum tally_status read_round(const char *text, uint64_t *round)
{
    char again[24];

    *round = strtoull(text, NULL, 10);
    (void)snprintf(again, sizeof again, "%llu", (unsigned long long)*round);
    TALLY_ENSURE(strcmp(again, text) == 0, TALLY_E_WIRE, "tally.round");
    return TALLY_OK;
}

static enum tally_status read_metadata(struct tally_version *v)
{
    const char *mode = tally_safetensors_metadata(&v->file, "tally.mode"),
               *federation = tally_safetensors_metadata(&v->file, "tally.federation"),
               *job = tally_safetensors_metadata(&v->file, "tally.job"),
               *round = tally_safetensors_metadata(&v->file, "tally.round"),
               *model = tally_safetensors_metadata(&v->file, "tally.model"),
               *prep = tally_safetensors_metadata(&v->file, "tally.prep");

    TALLY_ENSURE(mode && federation && job && round && model && prep, TALLY_E_WIRE,
                 "a version needs the metadata tally.mode, federation, job, round, model, prep");
    TALLY_ENSURE(strcmp(mode, "P") == 0 || strcmp(mode, "T") == 0, TALLY_E_WIRE, "tally.mode");
    v->mode = (enum tally_mode)mode[0];
    TALLY_TRY(tally_unhex(federation, v->federation, 32));
    TALLY_TRY(tally_unhex(job, v->job, 32));
    TALLY_TRY(read_round(round, &v->round));
    TALLY_TRY(read_model(model, &v->model));
    TALLY_TRY(tally_prep_parse(tally_slice_str(prep), &v->prep));
    TALLY_ENSURE(memcmp(v->prep.job, v->job, sizeof v->job) == 0, TALLY_E_WIRE,
                 "tally.prep is of another job than tally.job");
    v->model.inputs = v->prep.features;
    return TALLY_OK;
}

static enum tally_status read_tensors(struct tally_version *v)
{
    struct tally_tensor *want = calloc(TENSORS_MAX, sizeof *want);
    const struct tally_tensor *got;
    uint32_t n;

    TALLY_ENSURE(want != NULL, TALLY_E_NOMEM, "version");
    enum tally_status s = tensors_of(&v->model, want, &n, &v->params_n);
    if (s == TALLY_OK && v->file.tensors_n != n)
        s = TALLY_FAIL(TALLY_E_WIRE, "%u tensors, the model has %u", v->file.tensors_n, n);
    for (uint32_t i = 0; s == TALLY_OK && i < n; i++) {
        s = tally_safetensors_need(&v->file, want[i].name, TALLY_DTYPE_F32, want[i].dims,
                                   want[i].dims_n, &got);
        if (s == TALLY_OK && got != &v->file.tensors[i])
            s = TALLY_FAIL(TALLY_E_WIRE, "%s is not at its place", want[i].name);
    }
    free(want);
    TALLY_TRY(s);
    TALLY_ENSURE((uintptr_t)v->file.tensors[0].data.at % sizeof(float) == 0, TALLY_E_WIRE,
                 "the parameters are not aligned");
    v->params = (const float *)(const void *)v->file.tensors[0].data.at;
    return TALLY_OK;
}

enum tally_status tally_version_read(struct tally_slice file, struct tally_version *v)
{
    memset(v, 0, sizeof *v);
    TALLY_TRY(tally_safetensors_read(file, &v->file));
    enum tally_status s = read_metadata(v);
    if (s == TALLY_OK) s = read_tensors(v);
    if (s != TALLY_OK) tally_version_free(v);
    return s;
}

void tally_version_free(struct tally_version *v)
{
    tally_prep_free(&v->prep);
    tally_safetensors_free(&v->file);
    memset(v, 0, sizeof *v);
}
