/* combine.c - the counted updates of a voted set into a model file, slice by slice in site order,
 * in the work actor (hub.h). */
#include "aggregator/combine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "kernels/combine.h"
#include "kernels/version.h"

/* ---- in the work actor ---- */

static enum tally_status open_site(struct tally_combining *t, struct tally_contribution *s)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret key = {0};
    const struct tally_hub *h = t->course->hub;

    TALLY_TRY(tally_sealed_key(tally_hub_instance(h)->kem_secret, h->key_id, s->wrap,
                               s->st.seal_digest, &key));
    return tally_sealed_open(s->path, &key, &s->st, &s->sealed);
}

static enum tally_status take_evaluation(struct tally_combining *t, struct tally_contribution *s)
{
    struct tally_evaluation *e;

    if (s->sealed.parts.evaluation.len == 0) return TALLY_OK;
    e = malloc(sizeof *e);
    TALLY_ENSURE(e != NULL, TALLY_E_NOMEM, "evaluation");
    enum tally_status status = tally_evaluation_decode(s->sealed.parts.evaluation, e);
    if (status == TALLY_OK) {
        s->rows = e->rows;
        s->positives = e->positives;
        t->evaluated_n++;
        if (e->positives >= TALLY_LINEAGE_POSITIVES_MIN) s->histogram = json_array();
        for (uint32_t b = 0; b < TALLY_EVALUATION_BINS; b++) {
            t->sum.neg[b] += e->negative[b];
            t->sum.pos[b] += e->positive[b];
            if (s->histogram == NULL || (e->negative[b] | e->positive[b]) == 0) continue;
            (void)json_array_append_new(s->histogram, json_integer(b));
            (void)json_array_append_new(s->histogram, json_integer(e->negative[b]));
            (void)json_array_append_new(s->histogram, json_integer(e->positive[b]));
        }
    }
    free(e);
    return status;
}

/* A model file being written, with its digest. */
struct model_out {
    struct tally_file_draft draft;
    struct tally_hasher hasher;
    uint64_t bytes;
};

static enum tally_status put(struct model_out *o, struct tally_slice bytes)
{
    tally_hasher_add(&o->hasher, bytes);
    o->bytes += bytes.len;
    return tally_file_draft_add(&o->draft, bytes);
}

static enum tally_status begin_model(struct tally_combining *t, const struct tally_version *v,
                                     struct model_out *o)
{
    struct tally_safetensors_head head;

    t->model = v->model;
    TALLY_TRY(tally_model_layers(&v->model, NULL, &t->params));
    TALLY_TRY(tally_version_head(v, &head));
    enum tally_status s = tally_file_draft_begin(&o->draft, t->full, TALLY_FILE_MODE_PUBLIC);
    if (s == TALLY_OK) s = put(o, tally_slice_of(head.bytes, head.len));
    tally_safetensors_head_free(&head);
    return s;
}

static void describe(const struct tally_combining *t, struct tally_version *v)
{
    v->mode = t->course->hub->federation->mode;
    memcpy(v->federation, t->course->hub->federation->digest, 32);
    memcpy(v->job, t->course->job.digest, 32);
    v->round = t->round;
}

/* Round 0: merged moments make the preprocessing, and that the first model. */
static enum tally_status first_model(struct tally_combining *t, struct model_out *o)
{
    const struct tally_job *job = &t->course->job;
    struct tally_moments all, one;
    struct tally_version v = {0};
    float *params = NULL;
    size_t n = 0;

    TALLY_TRY(tally_moments_init(&job->schema, &all));
    enum tally_status s = TALLY_OK;
    for (uint32_t i = 0; s == TALLY_OK && i < t->sites_n; i++) {
        s = tally_moments_decode(t->sites[i].sealed.parts.moments, &job->schema, &one);
        if (s != TALLY_OK) break;
        s = tally_moments_merge(&all, &one);
        tally_moments_free(&one);
    }
    if (s == TALLY_OK) s = tally_prep_make(&job->schema, &all, job->digest, &v.prep);
    if (s == TALLY_OK) {
        describe(t, &v);
        v.model.inputs = v.prep.features;
        v.model.n = job->model.hidden_n;
        memcpy(v.model.hidden, job->model.hidden, job->model.hidden_n * sizeof(uint32_t));
        s = tally_model_layers(&v.model, NULL, &n);
    }
    if (s == TALLY_OK && (params = malloc(n * sizeof *params)) == NULL)
        s = TALLY_FAIL(TALLY_E_NOMEM, "the first model");
    if (s == TALLY_OK) s = tally_model_init(params, &v.model, v.prep.prior, job->training.seed);
    if (s == TALLY_OK) s = begin_model(t, &v, o);
    if (s == TALLY_OK) s = put(o, tally_slice_of(params, n * sizeof *params));
    free(params);
    tally_prep_free(&v.prep);
    tally_moments_free(&all);
    return s;
}

/* One slice: the same coordinates of every update, reduced in site order onto the base. */
static enum tally_status combine_slice(struct tally_combining *t, struct tally_combine *c,
                                       uint64_t first, size_t n, float *out)
{
    uint32_t bad;

    for (uint32_t i = 0; i < t->sites_n; i++)
        TALLY_TRY(tally_sealed_values(&t->sites[i].sealed, first, n, t->sites[i].slice));
    return tally_combine_mean(out, &bad, c, n);
}

static enum tally_status combine_all(struct tally_combining *t, const struct tally_version *base,
                                     struct model_out *o)
{
    const float *deltas[TALLY_ROUND_SITES_MAX];
    uint32_t weights[TALLY_ROUND_SITES_MAX];
    float *out = malloc(TALLY_SEALED_SLICE * sizeof *out);
    enum tally_status s = out != NULL ? TALLY_OK : TALLY_FAIL(TALLY_E_NOMEM, "combining");

    for (uint32_t i = 0; i < t->sites_n; i++) {
        deltas[i] = t->sites[i].slice;
        weights[i] = t->sites[i].weight;
    }
    for (uint64_t at = 0; s == TALLY_OK && at < base->params_n; at += TALLY_SEALED_SLICE) {
        uint64_t left = base->params_n - at;
        size_t n = left < TALLY_SEALED_SLICE ? (size_t)left : TALLY_SEALED_SLICE;
        struct tally_combine c = {.backend = tally_backend_named("cpu"),
                                  .deltas = deltas,
                                  .weights = weights,
                                  .sites = t->sites_n,
                                  .base = base->params + at,
                                  .threads = t->course->hub->threads};
        s = combine_slice(t, &c, at, n, out);
        if (s == TALLY_OK) s = put(o, tally_slice_of(out, n * sizeof *out));
    }
    free(out);
    return s;
}

static enum tally_status next_model(struct tally_combining *t, struct model_out *o)
{
    struct tally_slice file = {0};
    struct tally_version base;
    uint8_t found[32];

    TALLY_TRY(tally_file_map(t->base, SIZE_MAX, &file));
    TALLY_SHA256_OF(found, file);
    enum tally_status s = memcmp(found, t->base_digest, sizeof found) == 0
                              ? tally_version_read(file, &base)
                              : TALLY_FAIL(TALLY_E_STATE, "%s is not the version it was", t->base);
    if (s == TALLY_OK) {
        describe(t, &base);
        s = begin_model(t, &base, o);
        if (s == TALLY_OK && t->kind == TALLY_PAYLOAD_DELTA)
            s = combine_all(t, &base, o);
        else if (s == TALLY_OK)
            s = put(o, tally_slice_of(base.params, base.params_n * sizeof(float)));
        tally_version_free(&base);
    }
    tally_file_unmap(&file);
    return s;
}

static enum tally_status combine_open(struct tally_combining *t, struct tally_secret *room)
{
    TALLY_TRY(tally_secret_new(room, t->sites_n * TALLY_SEALED_SLICE * sizeof(float)));
    for (uint32_t i = 0; i < t->sites_n; i++) {
        struct tally_contribution *s = &t->sites[i];
        s->slice = (float *)(void *)room->at + (size_t)i * TALLY_SEALED_SLICE;
        if (open_site(t, s) != TALLY_OK)
            return TALLY_FAIL(TALLY_E_STATE, "the update of %s/%s on this disk does not open: %s",
                              s->st.org, s->st.node, tally_why_text());
        TALLY_TRY(take_evaluation(t, s));
    }
    return TALLY_OK;
}

static enum tally_status combine_run(struct tally_task *task)
{
    struct tally_combining *t = (struct tally_combining *)task;
    TALLY_CLEANUP(tally_secret_free) struct tally_secret room = {0};
    struct model_out o = {.draft = TALLY_FILE_DRAFT_EMPTY};

    tally_hasher_init(&o.hasher, TALLY_SHA256);
    enum tally_status s = combine_open(t, &room);
    if (s == TALLY_OK)
        s = t->kind == TALLY_PAYLOAD_MOMENTS ? first_model(t, &o) : next_model(t, &o);
    if (s == TALLY_OK) s = tally_file_draft_commit(&o.draft);
    tally_file_draft_abandon(&o.draft);
    tally_hasher_end(&o.hasher, t->digest);
    t->bytes = o.bytes;
    for (uint32_t i = 0; i < t->sites_n; i++) tally_sealed_close(&t->sites[i].sealed);
    return s;
}

/* ---- in the loop ---- */

void tally_combining_free(struct tally_combining *t)
{
    for (uint32_t i = 0; i < t->sites_n; i++) json_decref(t->sites[i].histogram);
    free(t->sites);
    free(t);
}

/* The course keeps what the lineage needs until the version is durable. */
static void combine_done(struct tally_task *task)
{
    struct tally_combining *t = (struct tally_combining *)task;
    struct tally_course *c = t->course;

    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(c->hub, "a model cannot be written", task->why);
        tally_combining_free(t);
    } else if (task->status != TALLY_OK) {
        tally_course_stop(c, task->why);
        tally_combining_free(t);
    } else {
        c->combined = t;
        tally_course_event(c, (struct tally_round_event){.type = TALLY_ROUND_EV_COMBINED});
    }
}

static enum tally_status contribute(struct tally_course *c, uint32_t site,
                                    struct tally_contribution *out)
{
    const struct tally_accepted *a = &c->accepted[site];
    const struct tally_set_row *row = &c->set.rows[site];

    TALLY_TRY(tally_statement_decode(tally_slice_of(a->st, a->st_len), &out->st));
    out->site = site;
    out->weight = row->weight;
    out->sealed = TALLY_SEALED_EMPTY;
    memcpy(out->wrap, a->wrap, sizeof out->wrap);
    (void)snprintf(out->path, sizeof out->path, "%s/%s", c->hub->dir, a->path);
    return TALLY_OK;
}

static enum tally_status fill(struct tally_course *c, struct tally_combining *t)
{
    char hex[65];

    t->course = c;
    t->kind = c->round.kind;
    t->round = c->round.number;
    tally_hex(tally_slice_of(c->job.digest, 8), hex);
    (void)snprintf(t->path, sizeof t->path, "models/%s-r%05llu.safetensors", hex,
                   (unsigned long long)t->round);
    (void)snprintf(t->full, sizeof t->full, "%s/%s", c->hub->dir, t->path);
    (void)snprintf(t->base, sizeof t->base, "%s/%s", c->hub->dir, c->version_path);
    memcpy(t->base_digest, c->version, sizeof t->base_digest);
    t->sites = calloc(c->sites_n, sizeof *t->sites);
    TALLY_ENSURE(t->sites != NULL, TALLY_E_NOMEM, "combining");
    for (uint32_t i = 0; i < c->sites_n; i++) {
        if (c->set.rows[i].status != TALLY_ROW_COUNTED) continue;
        TALLY_TRY(contribute(c, i, &t->sites[t->sites_n]));
        t->sites_n++;
    }
    return TALLY_OK;
}

void tally_combine_start(struct tally_course *c)
{
    if (c->hub->work_box == NULL) return; /* stopping: the next start combines */
    struct tally_combining *t = calloc(1, sizeof *t);

    if (t == NULL || fill(c, t) != TALLY_OK) {
        tally_course_stop(c, "a round cannot be combined: out of memory");
        if (t != NULL) tally_combining_free(t);
        return;
    }
    t->task.run = combine_run;
    t->task.done = combine_done;
    struct tally_task *task = &t->task;
    if (tally_mailbox_post(c->hub->work_box, &task) == TALLY_OK) return;
    tally_course_stop(c, tally_why());
    tally_combining_free(t);
}
