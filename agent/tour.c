/* tour.c - one tour of the agent (desk.h): load, run, put away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/desk.h"
#include "common/attest/cache.h"
#include "common/file.h"
#include "common/log.h"

enum { SECOND_MS = 1000, TICK_MS = 100 };

struct tally_desk *tally_desk_new(struct tally_agent_conf *conf, struct tally_held *held)
{
    struct tally_desk *d = calloc(1, sizeof *d);

    if (d == NULL) return NULL;
    d->conf = conf;
    d->held = held;
    tally_agent_place_of(conf, &d->place);
    d->in = malloc(TALLY_DESK_FRAME_MAX);
    d->out = malloc(TALLY_DESK_FRAME_MAX);
    if (d->in != NULL && d->out != NULL) return d;
    tally_desk_free(d);
    return NULL;
}

void tally_desk_free(struct tally_desk *d)
{
    free(d->in);
    free(d->out);
    free(d);
}

void tally_held_free(struct tally_held *h)
{
    tally_instance_held_free(&h->instance);
    tally_secret_free(&h->key);
}

void tally_desk_end(struct tally_desk *d, enum tally_outcome outcome)
{
    if (d->outcome == TALLY_OUTCOME_NONE || outcome >= TALLY_OUTCOME_STOP) d->outcome = outcome;
    tally_loop_stop(d->loop);
}

void tally_desk_fatal(struct tally_desk *d, const char *what, const char *why)
{
    if (d->outcome == TALLY_OUTCOME_FATAL) return;
    (void)snprintf(d->why, sizeof d->why, "%s: %s", what, why);
    TALLY_LOG(TALLY_LOG_ERROR, "stop", tally_log_str("why", d->why));
    tally_desk_end(d, TALLY_OUTCOME_FATAL);
}

uint64_t tally_desk_now_ms(const struct tally_desk *d)
{
    uint64_t now = tally_wall_ms();

    return now < d->clock_floor_ms ? d->clock_floor_ms : now;
}

/* The newest time this agent has seen, so that a clock set back is not believed. */
static void note_time(struct tally_desk *d)
{
    char path[TALLY_DESK_PATH_MAX], text[32];
    uint8_t *old = NULL;
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/clock", d->conf->state_dir);
    if (tally_file_exists(path) && tally_file_read(path, 32, &old, &len) == TALLY_OK) {
        uint64_t seen = strtoull((const char *)old, NULL, 10);
        if (seen > d->clock_floor_ms) d->clock_floor_ms = seen;
    }
    free(old);
    (void)snprintf(text, sizeof text, "%llu\n", (unsigned long long)tally_desk_now_ms(d));
    if (tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC) != TALLY_OK)
        tally_desk_fatal(d, "the time cannot be kept", tally_why_text());
}

static enum tally_status open_federation(struct tally_desk *d)
{
    const struct tally_federation *f;

    d->federation = calloc(1, sizeof *d->federation);
    d->revoked = calloc(1, sizeof *d->revoked);
    TALLY_ENSURE(d->federation != NULL && d->revoked != NULL, TALLY_E_NOMEM, "federation");
    TALLY_TRY(
        tally_fedstore_load(&d->place.store, tally_wall_ms() / 1000, d->federation, d->revoked));
    TALLY_TRY(tally_revocations_resolve(d->revoked, d->federation));
    f = d->federation;
    if (f->issued_s * 1000 > d->clock_floor_ms) d->clock_floor_ms = f->issued_s * 1000;
    d->self = tally_federation_node(f, d->place.store.org, d->place.node);
    TALLY_ENSURE(d->self != NULL && d->self->role == TALLY_ROLE_AGENT, TALLY_E_CONFIG,
                 "the federation lists no agent %s/%s", d->place.store.org, d->place.node);
    for (uint32_t i = 0; d->aggregator == NULL && i < f->nodes_n; i++) {
        if (f->nodes[i].role == TALLY_ROLE_AGGREGATOR) d->aggregator = &f->nodes[i];
    }
    TALLY_ENSURE(d->aggregator != NULL, TALLY_E_CONFIG, "the federation lists no aggregator");
    return TALLY_OK;
}

static enum tally_status open_instance(struct tally_desk *d)
{
    struct tally_seal_name *n = &d->seal_name;
    struct tally_key_block kb = {.mode = d->federation->mode, .role = TALLY_ROLE_AGENT};
    struct tally_wr w = tally_wr_to(d->kb, sizeof d->kb);
    char path[TALLY_DESK_PATH_MAX];
    struct tally_slice bytes;
    enum tally_instance_origin origin;

    *n = (struct tally_seal_name){.mode = (uint8_t)d->federation->mode,
                                  .role = TALLY_ROLE_AGENT,
                                  .org = tally_slice_str(d->self->org),
                                  .node = tally_slice_str(d->self->node)};
    memcpy(n->federation_id, d->federation->id, 32);
    TALLY_TRY(tally_device_conf_open(&d->conf->device, d->federation, &d->device));
    TALLY_TRY(tally_secret_new(&d->instance, sizeof(struct tally_instance)));
    (void)snprintf(path, sizeof path, "%s/instance.sealed", d->conf->state_dir);
    TALLY_TRY(tally_instance_open(path, d->device, n, &d->held->instance,
                                  (struct tally_instance *)(void *)d->instance.at, &origin));
    const struct tally_instance *i = tally_desk_instance(d);
    memcpy(kb.federation_id, d->federation->id, 32);
    memcpy(kb.instance, i->id, 16);
    memcpy(kb.attested_key, tally_sign_public(&i->attested), 32);
    memcpy(kb.kem_key, i->kem_public, 32);
    (void)snprintf(kb.org, sizeof kb.org, "%s", d->self->org);
    (void)snprintf(kb.node, sizeof kb.node, "%s", d->self->node);
    (void)snprintf(kb.software, sizeof kb.software, "%s", TALLY_SOFTWARE);
    TALLY_TRY(tally_key_block_encode(&kb, &w, &bytes));
    d->kb_len = bytes.len;
    if (origin == TALLY_INSTANCE_FRESH || origin == TALLY_INSTANCE_PASSING)
        TALLY_LOG(TALLY_LOG_INFO, "new_instance", tally_log_hex("id", i->id, 16),
                  tally_log_str("kept", origin == TALLY_INSTANCE_FRESH
                                            ? "sealed"
                                            : "no: no sealing key here, a restart is another one"));
    return TALLY_OK;
}

static void on_signal(void *desk, int signal)
{
    (void)signal;
    tally_desk_end(desk, TALLY_OUTCOME_STOP);
}

static void every_second(void *desk)
{
    tally_line_tick(desk);
    tally_papers_poll(desk);
}

static void every_tick(void *desk)
{
    tally_work_tick(desk);
}

static enum tally_status open_loop(struct tally_desk *d)
{
    struct tally_loop_timer second = {SECOND_MS, SECOND_MS, every_second, d},
                            tick = {TICK_MS, TICK_MS, every_tick, d};
    uint64_t id;

    TALLY_TRY(tally_loop_new(&d->loop));
    TALLY_TRY(tally_attest_cache_new(&d->verified));
    TALLY_TRY(tally_loop_signals(d->loop, on_signal, d));
    TALLY_TRY(tally_loop_timer(d->loop, &second, &id));
    TALLY_TRY(tally_loop_timer(d->loop, &tick, &id));
    TALLY_TRY(tally_mailbox_new(&d->work_box, d->loop, "work", TALLY_AGENT_TASKS_MAX));
    return tally_mailbox_new(&d->device_box, d->loop, "device", TALLY_AGENT_TASKS_MAX);
}

static enum tally_status open_client(struct tally_desk *d)
{
    TALLY_CLEANUP(tally_nodekeys_wipe) struct tally_nodekeys keys = {0};
    struct tally_client_config c = {.endpoint = d->aggregator->endpoint,
                                    .server_key = d->aggregator->curve_keys[0],
                                    .reconnect_min_ms = TALLY_HOLD_MIN_MS,
                                    .reconnect_max_ms = TALLY_HOLD_MAX_MS,
                                    .on_message = tally_line_bytes,
                                    .on_up = tally_line_up,
                                    .on_down = tally_line_down,
                                    .on_link = tally_line_report,
                                    .ctx = d};

    TALLY_TRY(
        tally_nodekeys_load(d->conf->keys_dir, d->federation->mode, d->federation->id, &keys));
    TALLY_TRY(tally_secret_new(&d->session_key, sizeof keys.session));
    memcpy(d->session_key.at, &keys.session, sizeof keys.session);
    c.curve_secret = keys.curve_secret;
    return tally_client_new(&d->client, d->loop, &c);
}

static enum tally_status open_all(struct tally_desk *d, const uint8_t *job)
{
    char path[TALLY_DESK_PATH_MAX];

    d->download = (struct tally_download){.draft = TALLY_FILE_DRAFT_EMPTY};
    d->upload.fd = -1;
    TALLY_TRY(open_federation(d));
    (void)snprintf(path, sizeof path, "%s/models", d->conf->state_dir);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    TALLY_TRY(open_loop(d));
    note_time(d);
    TALLY_TRY(open_instance(d));
    d->has_job = job != NULL;
    if (job != NULL) {
        TALLY_TRY(tally_papers_load(d, job));
        TALLY_TRY(
            tally_memory_open(&d->memory, d->conf->state_dir, job, d->self->org, d->self->node));
    }
    d->checked.began_ms = tally_loop_now_ms(d->loop);
    (void)snprintf(d->checked.endpoint, sizeof d->checked.endpoint, "%s", d->aggregator->endpoint);
    return open_client(d);
}

static void close_all(struct tally_desk *d)
{
    if (d->work != NULL) tally_work_cancel(d);
    if (d->client != NULL) tally_client_destroy(&d->client);
    tally_line_wipe(d);
    if (d->work_box != NULL) tally_mailbox_destroy(&d->work_box);
    if (d->device_box != NULL) tally_mailbox_destroy(&d->device_box);
    tally_rounds_lost(d);
    if (d->loop != NULL) tally_loop_destroy(&d->loop);
    tally_attest_cache_destroy(&d->verified);
    if (d->device != NULL) tally_device_close(&d->device);
    if (d->trainer != NULL) tally_trainer_free(d->trainer);
    free(d->trainer);
    tally_update_free(&d->update);
    tally_job_free(&d->job);
    tally_secret_free(&d->session_key);
    tally_secret_free(&d->instance);
    free(d->chain);
    free(d->federation);
    free(d->revoked);
}

enum tally_status tally_tour(struct tally_desk *d, const uint8_t *job)
{
    enum tally_status s = open_all(d, job);

    if (s == TALLY_OK && d->outcome == TALLY_OUTCOME_NONE) s = tally_loop_run(d->loop);
    if (s == TALLY_OK && d->outcome == TALLY_OUTCOME_FATAL)
        s = TALLY_FAIL(TALLY_E_IO, "%s", d->why);
    close_all(d);
    return s;
}
