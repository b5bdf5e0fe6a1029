/* work.c - a round's work (desk.h): rows to payload to sealed file in the work actor, then its
 * statement and evidence in the device actor, then all of it durable; only then it goes up. */
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/desk.h"
#include "common/chunked.h"
#include "common/file.h"
#include "common/log.h"
#include "common/sealtree.h"
#include "kernels/module.h"

struct tally_work {
    struct tally_task task;
    struct tally_desk *desk; /* its job, federation and settings do not change in a tour */
    struct tally_opening opening;
    char base[TALLY_DESK_PATH_MAX], sealed[TALLY_MEMORY_PATH_MAX];
    struct tally_points points;
    atomic_bool cancel;
    atomic_uint_fast64_t done, total; /* steps of training */
    struct tally_update update;       /* what comes of it */
    uint8_t evaluation[TALLY_EVALUATION_BYTES_MAX];
    size_t evaluation_len;
    uint64_t training_ms, sealing_ms; /* for the log */
};

static void free_work(struct tally_work *w)
{
    tally_update_free(&w->update);
    sodium_memzero(w->evaluation, sizeof w->evaluation);
    free(w);
}

/* ---- in the work actor: payload and sealed file ---- */

static void progress(void *context, const struct tally_progress *p)
{
    struct tally_work *w = context;

    atomic_store(&w->total, p->steps);
    atomic_store(&w->done, p->step);
}

/* The GPU's backend where the configuration wants one and the machine has one; NULL is cpu. */
static const struct tally_backend *choose_backend(const struct tally_agent_conf *c)
{
    if (strcmp(c->compute, "auto") != 0) return NULL;
    const struct tally_backend *b = tally_module_cuda();
    TALLY_LOG(TALLY_LOG_INFO, "compute", tally_log_str("backend", b != NULL ? b->name : "cpu"),
              tally_log_str("why", tally_module_why()));
    return b;
}

static enum tally_status load_table(struct tally_work *w)
{
    struct tally_desk *d = w->desk;

    if (d->trainer != NULL) return TALLY_OK;
    struct tally_trainer *t = calloc(1, sizeof *t);
    TALLY_ENSURE(t != NULL, TALLY_E_NOMEM, "table");
    enum tally_status s = tally_trainer_load(&d->job, d->conf->data, &w->points, t);
    t->backend = choose_backend(d->conf);
    if (s == TALLY_OK)
        d->trainer = t;
    else
        free(t);
    return s;
}

/* The sealed file being written, with its seal digest. */
struct sealing {
    struct tally_file_draft draft;
    struct tally_sealtree tree;
    struct tally_chunked_writer *writer;
};

static enum tally_status put(void *to, struct tally_slice bytes)
{
    struct sealing *s = to;

    tally_sealtree_add(&s->tree, bytes);
    return tally_file_draft_add(&s->draft, bytes);
}

static enum tally_status begin_sealing(struct tally_work *w, struct sealing *s,
                                       struct tally_secret *room)
{
    struct tally_statement *st = &w->update.st;
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX], context[32], salt[TALLY_CHUNKED_SALT_BYTES];
    struct tally_wr wr = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_slice sh;

    tally_statement_header(st, &h);
    TALLY_TRY(tally_payload_header_encode(&h, &wr, &sh));
    TALLY_SHA256_OF(context, sh);
    TALLY_TRY(tally_secret_new(&w->update.key, TALLY_CHUNKED_KEY_BYTES));
    randombytes_buf(w->update.key.at, w->update.key.len);
    randombytes_buf(salt, sizeof salt);
    TALLY_TRY(tally_secret_new(room, sizeof *s->writer));
    s->writer = (struct tally_chunked_writer *)(void *)room->at;
    TALLY_TRY(tally_file_draft_begin(&s->draft, w->sealed, TALLY_FILE_MODE_SECRET));
    tally_sealtree_init(&s->tree, sh);
    return tally_chunked_writer_init(s->writer, w->update.key.at, TALLY_SLICE(context), salt,
                                     (struct tally_sink){put, s});
}

/* Head and values sealed to the file; fills the statement. */
static enum tally_status seal(struct tally_work *w, const struct tally_payload *p,
                              const float *values)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret room = {0};
    struct tally_statement *st = &w->update.st;
    struct sealing s = {.draft = TALLY_FILE_DRAFT_EMPTY};
    size_t cap = TALLY_PAYLOAD_HEAD_MAX + p->moments.len;
    uint8_t *head = malloc(cap);
    struct tally_wr wr = tally_wr_to(head, cap);
    struct tally_slice head_bytes;

    TALLY_ENSURE(head != NULL, TALLY_E_NOMEM, "payload");
    tally_payload_encode_head(&wr, p);
    enum tally_status status = tally_wr_end(&wr, &head_bytes);
    st->plaintext_bytes = head_bytes.len + 4 * p->values;
    st->sealed_bytes = tally_statement_sealed_bytes(st->plaintext_bytes);
    if (status == TALLY_OK) status = begin_sealing(w, &s, &room);
    if (status == TALLY_OK) status = tally_chunked_writer_add(s.writer, head_bytes);
    if (status == TALLY_OK && p->values != 0)
        status = tally_chunked_writer_add(
            s.writer, tally_slice_of(values, (size_t)p->values * sizeof *values));
    if (status == TALLY_OK) status = tally_chunked_writer_end(s.writer);
    if (s.writer != NULL) tally_chunked_writer_free(s.writer);
    sodium_memzero(head, cap);
    free(head);
    if (status == TALLY_OK) status = tally_file_draft_commit(&s.draft);
    tally_file_draft_abandon(&s.draft);
    if (status == TALLY_OK)
        tally_sealtree_end(&s.tree, st->seal_digest);
    else
        tally_sealtree_free(&s.tree);
    return status;
}

static enum tally_status do_moments(struct tally_work *w)
{
    struct tally_payload p = {.kind = TALLY_PAYLOAD_MOMENTS};
    uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_trainer_moments(w->desk->trainer, &bytes, &len, &w->update.st.examples));
    p.moments = tally_slice_of(bytes, len);
    enum tally_status s = seal(w, &p, NULL);
    sodium_memzero(bytes, len);
    free(bytes);
    return s;
}

static enum tally_status evaluate(struct tally_work *w, const struct tally_trainer_base *base,
                                  uint64_t *rows)
{
    struct tally_evaluation *e = calloc(1, sizeof *e);
    struct tally_wr wr = tally_wr_to(w->evaluation, sizeof w->evaluation);
    struct tally_slice out;

    TALLY_ENSURE(e != NULL, TALLY_E_NOMEM, "evaluation");
    enum tally_status s = tally_trainer_evaluate(w->desk->trainer, base, e);
    *rows = e->rows;
    if (s == TALLY_OK) {
        tally_evaluation_encode(&wr, e);
        s = tally_wr_end(&wr, &out);
        w->evaluation_len = out.len;
    }
    sodium_memzero(e, sizeof *e);
    free(e);
    return s;
}

static enum tally_status do_training(struct tally_work *w, const struct tally_trainer_base *base,
                                     size_t params)
{
    struct tally_payload p = {
        .kind = TALLY_PAYLOAD_DELTA,
        .evaluation = {w->evaluation, w->evaluation_len},
        .values = params
    };
    struct tally_watch watch = {
        .progress = progress, .context = w, .every = 16, .cancel = &w->cancel};
    float *delta = malloc(params * sizeof *delta);

    TALLY_ENSURE(delta != NULL, TALLY_E_NOMEM, "delta");
    uint64_t began_ms = tally_wall_ms();
    enum tally_status s = tally_trainer_delta(w->desk->trainer, base, w->opening.round, &watch,
                                              delta, &w->update.st.examples);
    uint64_t trained_ms = tally_wall_ms();
    if (s == TALLY_OK) s = seal(w, &p, delta);
    w->training_ms = trained_ms - began_ms;
    w->sealing_ms = tally_wall_ms() - trained_ms;
    sodium_memzero(delta, params * sizeof *delta);
    free(delta);
    return s;
}

static enum tally_status do_with_base(struct tally_work *w, const struct tally_version *v)
{
    struct tally_trainer_base base;
    uint64_t rows;

    TALLY_TRY(tally_trainer_base(w->desk->trainer, v, &base));
    TALLY_TRY(evaluate(w, &base, &rows));
    if (w->opening.kind == TALLY_PAYLOAD_DELTA) return do_training(w, &base, v->params_n);
    struct tally_payload p = {
        .kind = TALLY_PAYLOAD_EVALUATION, .evaluation = {w->evaluation, w->evaluation_len}
    };
    w->update.st.examples = rows == 0 ? 1 : (uint32_t)rows;
    return seal(w, &p, NULL);
}

static enum tally_status work_run(struct tally_task *task)
{
    struct tally_work *w = (struct tally_work *)task;
    struct tally_slice file = {0};
    struct tally_version v;
    uint8_t digest[32];

    TALLY_TRY(load_table(w));
    if (w->opening.kind == TALLY_PAYLOAD_MOMENTS) return do_moments(w);
    TALLY_TRY(tally_file_map(w->base, (size_t)TALLY_MODEL_BYTES_MAX, &file));
    TALLY_SHA256_OF(digest, file);
    bool same = memcmp(digest, w->opening.base, 32) == 0;
    if (!same) (void)unlink(w->base); /* else it would never be fetched again */
    enum tally_status s =
        same ? tally_version_read(file, &v)
             : TALLY_REFUSE(TALLY_R_E_UPDATE, "%s is not the version it was", w->base);
    if (s == TALLY_OK) {
        s = do_with_base(w, &v);
        tally_version_free(&v);
    }
    tally_file_unmap(&file);
    return s;
}

/* ---- in the device actor: statement, evidence, sealed key ---- */

/* Where the TEE has no sealing key the content key lives as long as the process: what is wrapped
 * for the aggregator stays good, and zeros open as nothing. */
static enum tally_status seal_key(const struct tally_desk *d, struct tally_update *u)
{
    enum tally_status s = tally_device_seal(d->device, &d->seal_name,
                                            tally_slice_of(u->key.at, u->key.len), u->sealed_key);

    if (s != TALLY_E_STATE) return s;
    memset(u->sealed_key, 0, sizeof u->sealed_key);
    return TALLY_OK;
}

static enum tally_status attest_run(struct tally_task *task)
{
    struct tally_work *w = (struct tally_work *)task;
    struct tally_desk *d = w->desk;
    struct tally_update *u = &w->update;
    const struct tally_instance *i = tally_desk_instance(d);
    uint8_t body_bytes[TALLY_UPDATE_BODY_MAX];
    struct tally_wr st = tally_wr_to(u->st_bytes, sizeof u->st_bytes);
    struct tally_slice st_slice, out;

    TALLY_TRY(tally_statement_encode(&u->st, &st, &st_slice));
    u->st_len = st_slice.len;
    TALLY_SHA256_OF(u->st_digest, st_slice);
    u->ev = malloc(TALLY_EV_MAX);
    u->endorsements = malloc(TALLY_ENDORSEMENTS_MAX);
    TALLY_ENSURE(u->ev != NULL && u->endorsements != NULL, TALLY_E_NOMEM, "evidence");
    struct tally_wr ev = tally_wr_to(u->ev, TALLY_EV_MAX);
    struct tally_wr endorsements = tally_wr_to(u->endorsements, TALLY_ENDORSEMENTS_MAX);
    const struct tally_quote_ask ask = {TALLY_QUOTE_UPDATE, tally_update_body(st_slice, body_bytes),
                                        u->st.challenge, tally_slice_of(d->kb, d->kb_len)};
    TALLY_TRY(tally_device_quote(d->device, &ask, &ev, &endorsements));
    TALLY_TRY(tally_wr_end(&endorsements, &out));
    u->endorsements_len = out.len;
    TALLY_TRY(tally_wr_end(&ev, &out));
    u->ev_len = out.len;
    TALLY_SHA256_OF(u->ev_digest, out);
    TALLY_TRY(tally_update_sign(&i->attested, st_slice, out, u->sig));
    memcpy(u->attested_key, tally_sign_public(&i->attested), sizeof u->attested_key);
    return seal_key(d, u);
}

/* ---- in the loop ---- */

/* A key that could not be sealed outlives the tour, if not the process. */
static enum tally_status hold_key(struct tally_desk *d, const struct tally_update *u)
{
    static const uint8_t none[sizeof u->sealed_key];
    struct tally_held *h = d->held;

    if (memcmp(u->sealed_key, none, sizeof none) != 0) return TALLY_OK;
    tally_secret_free(&h->key);
    TALLY_TRY(tally_secret_new(&h->key, u->key.len));
    memcpy(h->key.at, u->key.at, u->key.len);
    memcpy(h->key_statement, u->st_digest, sizeof h->key_statement);
    return TALLY_OK;
}

/* Everything durable, in the order that memory.h says; then it is the desk's update. */
static enum tally_status keep(struct tally_work *w)
{
    struct tally_desk *d = w->desk;
    struct tally_member next = d->memory.member;

    w->update.here = true;
    /* wrapped now where there is a session, so that it is kept once */
    if (d->line.established) TALLY_TRY(tally_upload_wrap(d, &w->update));
    TALLY_TRY(hold_key(d, &w->update));
    TALLY_TRY(tally_memory_keep(&d->memory, &w->update));
    TALLY_TRY(tally_member_statement(&next, w->update.st_digest, w->update.st.examples));
    TALLY_TRY(tally_memory_save(&d->memory, &next, d->memory.done));
    tally_update_free(&d->update);
    d->update = w->update;
    memset(&w->update, 0, sizeof w->update);
    return TALLY_OK;
}

/* Is this still the round's answer? */
static bool wanted(const struct tally_work *w)
{
    const struct tally_member *m = &w->desk->memory.member;

    return !atomic_load(&w->cancel) && m->has_open && m->round == w->opening.round &&
           !m->has_statement && !m->voted;
}

static void attest_done(struct tally_task *task)
{
    struct tally_work *w = (struct tally_work *)task;
    struct tally_desk *d = w->desk;

    d->work = NULL;
    if (task->status != TALLY_OK)
        tally_desk_fatal(d, "no evidence for the update", task->why);
    else if (wanted(w) && keep(w) != TALLY_OK)
        tally_desk_fatal(d, "the update cannot be kept", tally_why_text());
    free_work(w);
    tally_rounds_advance(d);
}

static void work_failed(struct tally_work *w)
{
    struct tally_desk *d = w->desk;
    uint8_t opening[32];

    for (uint32_t i = 0; i < w->points.n; i++)
        TALLY_LOG(w->points.list[i].note ? TALLY_LOG_INFO : TALLY_LOG_ERROR, "table",
                  tally_log_str("what", w->points.list[i].what),
                  tally_log_str("fix", w->points.list[i].fix));
    TALLY_LOG(TALLY_LOG_ERROR, "work_failed", tally_log_u64("round", w->opening.round),
              tally_log_str("why", w->task.why));
    d->work_failed = true;
    TALLY_SHA256_OF(opening, TALLY_SLICE(d->opening_bytes));
    (void)!TALLY_REFUSE(TALLY_R_E_UPDATE, "this site cannot do the round's work: its log says why");
    if (d->line.greeted) (void)tally_line_refuse(d, "round_refused", opening);
    tally_line_status(d, TALLY_PHASE_IDLE, 0, 0);
}

static void work_done(struct tally_task *task)
{
    struct tally_work *w = (struct tally_work *)task;
    struct tally_desk *d = w->desk;

    if (task->status == TALLY_OK && wanted(w)) {
        TALLY_LOG(TALLY_LOG_INFO, "trained", tally_log_u64("round", w->opening.round),
                  tally_log_u64("training_ms", w->training_ms),
                  tally_log_u64("sealing_ms", w->sealing_ms));
        w->task.run = attest_run;
        w->task.done = attest_done;
        struct tally_task *next = &w->task;
        if (tally_mailbox_post(d->device_box, &next) == TALLY_OK) return;
        tally_desk_fatal(d, "no evidence for the update", tally_why_text());
    }
    d->work = NULL;
    if (task->status == TALLY_E_IO)
        tally_desk_fatal(d, "the update cannot be written", task->why);
    else if (task->status != TALLY_OK && !atomic_load(&w->cancel))
        work_failed(w);
    free_work(w);
    tally_rounds_advance(d);
}

void tally_work_start(struct tally_desk *d)
{
    struct tally_work *w;
    struct tally_statement *st;

    if (d->work != NULL || d->work_failed) return;
    w = calloc(1, sizeof *w);
    if (w == NULL) {
        tally_desk_fatal(d, "work", "out of memory");
        return;
    }
    w->task.run = work_run;
    w->task.done = work_done;
    w->desk = d;
    w->opening = d->opening;
    memcpy(w->update.opening, d->opening_bytes, sizeof w->update.opening);
    memcpy(w->update.opening_sig, d->opening_sig, sizeof w->update.opening_sig);
    tally_model_path(d, d->opening.base, w->base);
    tally_memory_sealed_path(&d->memory, d->opening.round, w->sealed);
    st = &w->update.st;
    st->kind = d->opening.kind;
    st->mode = d->opening.mode;
    memcpy(st->federation, d->opening.federation, 32);
    memcpy(st->job, d->opening.job, 32);
    memcpy(st->krp, d->opening.krp, 32);
    st->round = d->opening.round;
    memcpy(st->challenge, d->opening.challenge, 32);
    memcpy(st->base, d->opening.base, 32);
    (void)snprintf(st->org, sizeof st->org, "%s", d->self->org);
    (void)snprintf(st->node, sizeof st->node, "%s", d->self->node);
    d->work = w;
    tally_line_status(d, TALLY_PHASE_TRAINING, 0, 1);
    struct tally_task *task = &w->task;
    if (tally_mailbox_post(d->work_box, &task) == TALLY_OK) return;
    d->work = NULL;
    free_work(w);
    tally_desk_fatal(d, "work", tally_why_text());
}

void tally_work_cancel(struct tally_desk *d)
{
    if (d->work != NULL) atomic_store(&d->work->cancel, true);
    d->work_failed = false;
}

void tally_work_tick(struct tally_desk *d)
{
    uint64_t now = tally_loop_now_ms(d->loop);

    if (d->work == NULL || now - d->said_ms < TALLY_STATUS_EVERY_MS) return;
    d->said_ms = now;
    uint64_t total = atomic_load(&d->work->total), done = atomic_load(&d->work->done);
    if (total != 0) tally_line_status(d, TALLY_PHASE_TRAINING, (uint32_t)done, (uint32_t)total);
}
