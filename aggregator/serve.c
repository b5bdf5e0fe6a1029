/* serve.c - `tally-aggregator serve`: start, clock, stop (hub.h). */
#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/hub.h"
#include "common/attest/cache.h"
#include "common/cli.h"
#include "common/file.h"
#include "common/log.h"

enum {
    STORE_TASKS_MAX = 65536,
    WORK_TASKS_MAX = 1024,
    DEVICE_TASKS_MAX = 256,
    SECOND_MS = 1000,
    TICK_MS = 100,
};
#define SPOOL_TOTAL_MAX (UINT64_C(256) << 30)
#define SPOOL_NODE_MAX  (UINT64_C(40) << 30)

uint64_t tally_hub_now_ms(const struct tally_hub *h)
{
    uint64_t now = tally_wall_ms();

    return now < h->clock_floor_ms ? h->clock_floor_ms : now;
}

void tally_hub_fatal(struct tally_hub *h, const char *what, const char *why)
{
    if (h->fatal[0] != '\0') return;
    (void)snprintf(h->fatal, sizeof h->fatal, "%s: %s", what, why);
    TALLY_LOG(TALLY_LOG_ERROR, "stop", tally_log_str("why", h->fatal));
    tally_loop_stop(h->loop);
}

/* ---- parts of the start, in order ---- */

static enum tally_status open_federation(struct tally_hub *h, const struct tally_place *place)
{
    uint64_t now_s = tally_wall_ms() / 1000;

    h->federation = calloc(1, sizeof *h->federation);
    h->documents = calloc(1, sizeof *h->documents);
    TALLY_ENSURE(h->federation != NULL && h->documents != NULL, TALLY_E_NOMEM, "federation");
    TALLY_TRY(tally_fedstore_load(&place->store, now_s, h->federation, h->documents));
    TALLY_TRY(tally_revocations_resolve(h->documents, h->federation));
    h->clock_floor_ms = h->federation->issued_s * 1000;
    h->self = tally_federation_node(h->federation, place->store.org, place->node);
    TALLY_ENSURE(h->self != NULL && h->self->role == TALLY_ROLE_AGGREGATOR, TALLY_E_CONFIG,
                 "the federation lists no aggregator %s/%s", place->store.org, place->node);
    h->guests = calloc(h->federation->nodes_n, sizeof *h->guests);
    TALLY_ENSURE(h->guests != NULL, TALLY_E_NOMEM, "federation");
    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        h->guests[i].node = &h->federation->nodes[i];
        h->guests[i].knocks = TALLY_KNOCKS_BURST;
    }
    return TALLY_OK;
}

static enum tally_status open_keys(struct tally_hub *h, const struct tally_aggregator_conf *conf,
                                   struct tally_nodekeys *keys)
{
    struct tally_seal_name name = {.mode = (uint8_t)h->federation->mode,
                                   .role = TALLY_ROLE_AGGREGATOR,
                                   .org = tally_slice_str(h->self->org),
                                   .node = tally_slice_str(h->self->node)};
    struct tally_key_block kb = {.mode = h->federation->mode, .role = TALLY_ROLE_AGGREGATOR};
    struct tally_wr w = tally_wr_to(h->kb, sizeof h->kb);
    char path[TALLY_HUB_PATH_MAX + 32];
    struct tally_slice bytes;
    enum tally_instance_origin origin;

    memcpy(name.federation_id, h->federation->id, 32);
    TALLY_TRY(tally_nodekeys_load(conf->keys_dir, h->federation->mode, h->federation->id, keys));
    TALLY_TRY(tally_secret_new(&h->session_key, sizeof keys->session));
    memcpy(h->session_key.at, &keys->session, sizeof keys->session);
    TALLY_TRY(tally_device_conf_open(&conf->device, h->federation, &h->device));
    TALLY_TRY(tally_secret_new(&h->instance, sizeof(struct tally_instance)));
    (void)snprintf(path, sizeof path, "%s/instance.sealed", h->dir);
    TALLY_TRY(tally_instance_open(path, h->device, &name, h->held,
                                  (struct tally_instance *)(void *)h->instance.at, &origin));
    const struct tally_instance *i = tally_hub_instance(h);
    memcpy(kb.federation_id, h->federation->id, 32);
    memcpy(kb.instance, i->id, 16);
    memcpy(kb.attested_key, tally_sign_public(&i->attested), 32);
    memcpy(kb.kem_key, i->kem_public, 32);
    (void)snprintf(kb.org, sizeof kb.org, "%s", h->self->org);
    (void)snprintf(kb.node, sizeof kb.node, "%s", h->self->node);
    (void)snprintf(kb.software, sizeof kb.software, "%s", TALLY_SOFTWARE);
    TALLY_TRY(tally_key_block_encode(&kb, &w, &bytes));
    h->kb_len = bytes.len;
    tally_key_id(bytes, h->key_id);
    bool before = origin == TALLY_INSTANCE_KEPT || origin == TALLY_INSTANCE_HELD;
    bool sealed = origin == TALLY_INSTANCE_KEPT || origin == TALLY_INSTANCE_FRESH;
    TALLY_LOG(TALLY_LOG_INFO, before ? "instance" : "new_instance",
              tally_log_hex("key_id", h->key_id, 8),
              tally_log_str("kept", sealed ? "sealed"
                                           : "no: no sealing key here, a restart is another one"));
    return TALLY_OK;
}

static enum tally_status open_store(struct tally_hub *h)
{
    char models[TALLY_HUB_PATH_MAX + 32];
    uint64_t mark;

    TALLY_TRY(tally_store_open(&h->store, h->dir, false));
    TALLY_TRY(tally_spool_open(&h->spool, h->dir,
                               (struct tally_spool_caps){SPOOL_TOTAL_MAX, SPOOL_NODE_MAX}));
    (void)snprintf(models, sizeof models, "%s/models", h->dir);
    TALLY_TRY(tally_file_make_dirs(models, TALLY_FILE_DIR_MODE_PRIVATE));
    TALLY_TRY(tally_store_mark(h->store, "clock_ms", &mark));
    if (mark > h->clock_floor_ms) h->clock_floor_ms = mark;
    TALLY_TRY(tally_store_mark_raise(h->store, "clock_ms", tally_hub_now_ms(h)));
    return tally_self_keep(h);
}

static enum tally_status open_server(struct tally_hub *h, const struct tally_aggregator_conf *conf,
                                     const struct tally_nodekeys *keys)
{
    struct tally_curve_entry *entries =
        calloc(h->federation->nodes_n * TALLY_CURVE_KEYS_MAX + 1, sizeof *entries);
    size_t n = 0;

    TALLY_ENSURE(entries != NULL, TALLY_E_NOMEM, "server");
    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        const struct tally_node *node = &h->federation->nodes[i];
        if (node == h->self) continue;
        for (uint32_t k = 0; k < node->curve_keys_n; k++, n++) {
            (void)snprintf(entries[n].key, sizeof entries[n].key, "%s", node->curve_keys[k]);
            (void)snprintf(entries[n].user, sizeof entries[n].user, "%s/%s", node->org, node->node);
        }
    }
    struct tally_server_config config = {.endpoint = conf->bind,
                                         .curve_secret = keys->curve_secret,
                                         .keys = entries,
                                         .keys_n = n,
                                         .window = TALLY_SERVER_WINDOW,
                                         .on_message = tally_session_arrival,
                                         .on_gone = tally_session_gone,
                                         .on_link = tally_session_report,
                                         .ctx = h};
    enum tally_status s = tally_server_new(&h->server, h->loop, &config);
    free(entries);
    return s;
}

/* What is in force: the current document and the revocations that were taken. When this changes,
 * every session ends and all is loaded again: a revocation acts at once. */
static void in_force(const struct tally_hub *h, uint8_t digest[32])
{
    char path[TALLY_HUB_PATH_MAX + 300];
    uint8_t *current = NULL, sum[32] = {0}, name[32];
    size_t len = 0;
    struct dirent *entry;

    (void)snprintf(path, sizeof path, "%s/revocations", h->dir);
    DIR *list = opendir(path);
    while (list != NULL && (entry = readdir(list)) != NULL) { /* in any order */
        TALLY_SHA256_OF(name, tally_slice_str(entry->d_name));
        for (int i = 0; i < 32; i++) sum[i] ^= name[i];
    }
    if (list != NULL) (void)closedir(list);
    (void)snprintf(path, sizeof path, "%s/federation/current", h->dir);
    if (tally_file_read(path, 256, &current, &len) != TALLY_OK) len = 0;
    TALLY_SHA256_OF(digest, tally_slice_of(current, len), TALLY_SLICE(sum));
    free(current);
}

/* ---- the loop's own events ---- */

static void on_signal(void *hub, int signal)
{
    struct tally_hub *h = hub;

    (void)signal;
    tally_loop_stop(h->loop);
}

static void every_second(void *hub)
{
    struct tally_hub *h = hub;
    uint8_t now[32];

    tally_session_sweep(h);
    tally_papers_poll(h);
    in_force(h, now);
    if (memcmp(now, h->in_force, 32) == 0) return;
    TALLY_LOG(TALLY_LOG_INFO, "documents_changed", tally_log_str("dir", h->dir));
    h->reload = true;
    tally_loop_stop(h->loop);
}

static void every_tick(void *hub)
{
    tally_course_tick(hub);
}

static enum tally_status open_loop(struct tally_hub *h)
{
    struct tally_loop_timer second = {SECOND_MS, SECOND_MS, every_second, h},
                            tick = {TICK_MS, TICK_MS, every_tick, h};
    uint64_t id;

    TALLY_TRY(tally_loop_new(&h->loop));
    TALLY_TRY(tally_attest_cache_new(&h->verified));
    TALLY_TRY(tally_loop_signals(h->loop, on_signal, h));
    TALLY_TRY(tally_loop_timer(h->loop, &second, &id));
    TALLY_TRY(tally_loop_timer(h->loop, &tick, &id));
    TALLY_TRY(tally_mailbox_new(&h->store_box, h->loop, "store", STORE_TASKS_MAX));
    TALLY_TRY(tally_mailbox_new(&h->work_box, h->loop, "work", WORK_TASKS_MAX));
    return tally_mailbox_new(&h->device_box, h->loop, "device", DEVICE_TASKS_MAX);
}

static enum tally_status open_all(struct tally_hub *h, const struct tally_aggregator_conf *conf)
{
    TALLY_CLEANUP(tally_nodekeys_wipe) struct tally_nodekeys keys = {0};
    struct tally_place place;
    uint64_t files;

    tally_aggregator_place_of(conf, &place);
    h->documents_at = place.store;
    (void)snprintf(h->dir, sizeof h->dir, "%s", conf->state_dir);
    h->threads = (uint32_t)conf->threads;
    h->in = malloc(TALLY_HUB_FRAME_MAX);
    h->out = malloc(TALLY_HUB_FRAME_MAX);
    TALLY_ENSURE(h->in != NULL && h->out != NULL, TALLY_E_NOMEM, "frames");
    TALLY_TRY(tally_transport_start(&files));
    TALLY_TRY(tally_secret_setup());
    in_force(h, h->in_force);
    TALLY_TRY(open_federation(h, &place));
    TALLY_TRY(open_loop(h));
    TALLY_TRY(open_keys(h, conf, &keys));
    TALLY_TRY(open_store(h));
    TALLY_TRY(open_server(h, conf, &keys));
    TALLY_TRY(tally_report_open(h, conf->status_socket));
    tally_papers_poll(h);
    TALLY_LOG(TALLY_LOG_INFO, "serving",
              tally_log_str("endpoint", tally_server_endpoint(h->server)),
              tally_log_str("federation", h->federation->name),
              tally_log_u64("version", h->federation->version));
    return TALLY_OK;
}

static void close_all(struct tally_hub *h)
{
    if (h->loop != NULL) tally_report_close(h);
    for (uint32_t i = 0; h->guests != NULL && i < h->federation->nodes_n; i++) {
        if (h->guests[i].live != NULL) tally_session_end(h->guests[i].live, "stopping");
        for (int p = 0; p < TALLY_PENDING_PER_NODE_MAX; p++) {
            if (h->guests[i].pending[p] != NULL)
                tally_session_end(h->guests[i].pending[p], "stopping");
        }
    }
    if (h->device_box != NULL) tally_mailbox_destroy(&h->device_box);
    if (h->work_box != NULL) tally_mailbox_destroy(&h->work_box);
    if (h->store_box != NULL) tally_mailbox_destroy(&h->store_box);
    if (h->server != NULL) tally_server_destroy(&h->server);
    if (h->spool != NULL) tally_spool_close(&h->spool);
    if (h->store != NULL) tally_store_close(&h->store);
    if (h->loop != NULL) tally_loop_destroy(&h->loop);
    tally_attest_cache_destroy(&h->verified);
    tally_transport_stop();
    for (uint32_t i = 0; i < h->courses_n; i++) tally_course_free(&h->courses[i]);
    if (h->device != NULL) tally_device_close(&h->device);
    tally_secret_free(&h->session_key);
    tally_secret_free(&h->instance);
    free(h->guests);
    free(h->federation);
    free(h->documents);
    free(h->own_ev);
    free(h->own_endorsements);
    free(h->in);
    free(h->out);
}

/* Serves until a signal, a fatal error, or *again: the documents in force have changed. */
static enum tally_status serve_once(const struct tally_aggregator_conf *conf,
                                    struct tally_instance_held *held, bool *again)
{
    struct tally_hub *h = calloc(1, sizeof *h);

    TALLY_ENSURE(h != NULL, TALLY_E_NOMEM, "serve");
    h->held = held;
    enum tally_status s = open_all(h, conf);
    if (s == TALLY_OK) s = tally_loop_run(h->loop);
    if (s == TALLY_OK && h->fatal[0] != '\0') s = TALLY_FAIL(TALLY_E_IO, "%s", h->fatal);
    *again = h->reload;
    close_all(h);
    free(h);
    return s;
}

struct options {
    const char *dir;
};

int tally_cmd_serve(int argc, char **argv)
{
    static const struct tally_cli_option options[] = {
        {.name = "dir",
         .value = "DIR",
         .type = TALLY_CLI_TEXT,
         .at = offsetof(struct options, dir),
         .help = "the aggregator's folder (default: here)"}
    };
    static const struct tally_cli_spec spec = {
        .about = "Serve the federation's agents until stopped (SIGTERM, Ctrl-C).",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    struct options o = {.dir = "."};
    struct tally_instance_held held = {.of = {0}};
    struct tally_aggregator_conf *conf = calloc(1, sizeof *conf);
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code == TALLY_CLI_GO) {
        TALLY_ASSERT(conf != NULL);
        enum tally_status s = tally_aggregator_conf_load(o.dir, conf);
        if (s == TALLY_OK) tally_log_setup_named(conf->log_level, conf->log_format);
        for (bool again = true; s == TALLY_OK && again;) s = serve_once(conf, &held, &again);
        tally_instance_held_free(&held);
        code = s == TALLY_OK ? TALLY_EXIT_DONE
                             : tally_cli_fail(s, false, "serve",
                                              "what was acknowledged is kept; start again when "
                                              "this is mended");
    }
    free(conf);
    return code;
}
