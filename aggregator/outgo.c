/* outgo.c - objects going down: the newest versions' model files and lineages, piece by piece
 * under the agent's credit (hub.h). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/hub.h"

enum { CREDIT_MAX = TALLY_WINDOW_MAX };

void tally_outgo_end(struct tally_session *l)
{
    if (l->outgo.fd >= 0) (void)close(l->outgo.fd);
    free(l->outgo.memory);
    l->outgo = (struct tally_outgo){.fd = -1};
}

/* Pieces while there is credit. The link may be gone afterwards. */
static void pump(struct tally_session *l)
{
    struct tally_outgo *o = &l->outgo;
    static uint8_t piece[TALLY_PIECE_BYTES_MAX];

    while (o->total != 0 && o->credit > 0) {
        uint64_t at = (uint64_t)o->next * TALLY_PIECE_BYTES_MAX;
        if (at >= o->total) {
            tally_outgo_end(l);
            return;
        }
        size_t n = o->total - at < sizeof piece ? (size_t)(o->total - at) : sizeof piece;
        struct tally_slice bytes = {piece, n};
        if (o->memory != NULL) {
            bytes.at = o->memory + at;
        } else if (pread(o->fd, piece, n, (off_t)at) != (ssize_t)n) {
            tally_session_end(l, "a model file cannot be read");
            return;
        }
        if (!tally_session_send_chunk(l, o->digest, o->next, bytes)) return;
        o->next++;
        o->credit--;
    }
}

static enum tally_status keep_path(void *ctx, const struct tally_store_version *v)
{
    (void)snprintf(ctx, TALLY_HUB_PATH_MAX, "%s", v->path);
    return TALLY_OK;
}

/* The read-only questions a fetch asks of the store go through its actor like all others. */
struct fetch_job {
    struct tally_task task;
    struct tally_hub *hub;
    uint64_t link;
    uint32_t kind, first, count;
    uint8_t digest[32];
    char path[TALLY_HUB_PATH_MAX];
    uint8_t *memory; /* the lineage object */
    size_t memory_len;
};

/* LP envelope | LP KB | LP EV | LP endorsements of the instance that signed it. */
static enum tally_status pack_instance(void *ctx, const struct tally_store_instance *i)
{
    struct tally_wr *w = ctx;

    tally_wr_vec(w, i->key_block);
    tally_wr_vec(w, i->ev);
    tally_wr_vec(w, i->endorsements);
    return TALLY_OK;
}

static enum tally_status pack_lineage(void *ctx, const struct tally_store_version *v)
{
    struct fetch_job *f = ctx;
    struct tally_dsse d = {0};
    struct tally_lineage l;
    uint8_t key_id[32];
    size_t cap = v->lineage.len + TALLY_EV_MAX + TALLY_ENDORSEMENTS_MAX + 4096;

    TALLY_TRY(tally_dsse_parse(v->lineage, TALLY_LINEAGE_BYTES_MAX, &d));
    enum tally_status s = tally_lineage_decode(tally_slice_of(d.payload, d.payload_len), &l);
    tally_dsse_free(&d);
    TALLY_TRY(s);
    tally_key_id(tally_slice_of(l.key_block, l.key_block_bytes), key_id);
    tally_lineage_free(&l);
    f->memory = malloc(cap);
    TALLY_ENSURE(f->memory != NULL, TALLY_E_NOMEM, "lineage object");
    struct tally_wr w = tally_wr_to(f->memory, cap);
    tally_wr_vec(&w, v->lineage);
    TALLY_TRY(tally_store_instances(f->hub->store, key_id, pack_instance, &w));
    struct tally_slice out;
    TALLY_TRY(tally_wr_end(&w, &out));
    f->memory_len = out.len;
    return TALLY_OK;
}

static enum tally_status fetch_run(struct tally_task *task)
{
    struct fetch_job *f = (struct fetch_job *)task;

    if (f->kind == TALLY_OBJECT_LINEAGE)
        return tally_store_version(f->hub->store, f->digest, pack_lineage, f);
    return tally_store_version(f->hub->store, f->digest, keep_path, f->path);
}

/* Opens what was found. TALLY_E_STATE: there is no such object. */
static enum tally_status open_object(struct tally_session *l, struct fetch_job *f)
{
    struct tally_outgo *o = &l->outgo;
    char path[2 * TALLY_HUB_PATH_MAX];
    struct stat st;

    tally_outgo_end(l);
    if (f->memory != NULL) {
        o->memory = f->memory;
        o->total = f->memory_len;
        f->memory = NULL;
    } else {
        TALLY_ENSURE(f->path[0] != '\0', TALLY_E_STATE, "no version with that digest");
        (void)snprintf(path, sizeof path, "%s/%s", l->hub->dir, f->path);
        o->fd = open(path, O_RDONLY | O_CLOEXEC);
        TALLY_ENSURE(o->fd >= 0 && fstat(o->fd, &st) == 0, TALLY_E_IO, "%s cannot be opened", path);
        o->total = (uint64_t)st.st_size;
    }
    memcpy(o->digest, f->digest, 32);
    o->next = f->first;
    o->credit = f->count;
    return TALLY_OK;
}

static void fetch_done(struct tally_task *task)
{
    struct fetch_job *f = (struct fetch_job *)task;
    struct tally_session *l = tally_session_by_id(f->hub, f->link);

    if (l != NULL) {
        l->asked--;
        struct tally_message m = {.type = TALLY_MSG_OBJECT, .kind = f->kind};
        memcpy(m.digest, f->digest, 32);
        if (task->status == TALLY_OK && open_object(l, f) == TALLY_OK) {
            m.total = l->outgo.total;
            if (tally_session_send(l, &m)) pump(l);
        } else {
            tally_session_refuse(l, f->digest);
        }
    }
    free(f->memory);
    free(f);
}

void tally_outgo_fetch(struct tally_session *l, const struct tally_message *m)
{
    struct fetch_job *f = calloc(1, sizeof *f);
    struct tally_task *task;

    if (f == NULL || m->count > CREDIT_MAX || l->asked == TALLY_ASKED_MAX ||
        (m->kind != TALLY_OBJECT_MODEL && m->kind != TALLY_OBJECT_LINEAGE)) {
        free(f);
        tally_session_end(l, "a fetch that makes no sense");
        return;
    }
    f->task.run = fetch_run;
    f->task.done = fetch_done;
    f->hub = l->hub;
    f->link = l->id;
    f->kind = m->kind;
    f->first = m->first;
    f->count = m->count;
    memcpy(f->digest, m->digest, 32);
    task = &f->task;
    l->asked++;
    if (tally_mailbox_post(l->hub->store_box, &task) != TALLY_OK) {
        free(f);
        tally_session_end(l, "too much to do");
    }
}

void tally_outgo_credit(struct tally_session *l, const struct tally_message *m)
{
    struct tally_outgo *o = &l->outgo;

    if (o->total == 0 || memcmp(o->digest, m->digest, 32) != 0) return; /* of one that is over */
    if (m->count > CREDIT_MAX - o->credit) {
        tally_session_end(l, "more credit than the window");
        return;
    }
    o->credit += m->count;
    pump(l);
}
