/* demo_progress.c - see demo_progress.h. */
#include "examples/aml/demo_progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 24, WIDTH_DEFAULT = 80, WIDTH_MIN = 40, WIDTH_MAX = 250, TEXT_MAX = 512 };

/* What a node's part of the round is worth in the bar, in percent. */
enum { AT_TRAINING = 5, AT_UPLOADING = 80, AT_ACCEPTED = 95, AT_VOTING = 98, AT_END = 100 };

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

static long long int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

void tally_demo_progress_init(struct tally_demo_progress *p, FILE *to, bool tty)
{
    struct winsize w = {0};
    uint32_t width = WIDTH_DEFAULT;

    if (tty && ioctl(fileno(to), TIOCGWINSZ, &w) == 0 && w.ws_col > 0) width = w.ws_col;
    if (width < WIDTH_MIN) width = WIDTH_MIN;
    if (width > WIDTH_MAX) width = WIDTH_MAX;
    *p = (struct tally_demo_progress){.to = to, .tty = tty, .width = width};
}

/* ---- lines ---- */

void tally_demo_progress_end(struct tally_demo_progress *p)
{
    if (p->open) (void)fputs("\r\033[K", p->to);
    p->open = false;
    (void)fflush(p->to);
}

/* The line that changes; nothing where lines cannot. */
static void change(struct tally_demo_progress *p, const char *line)
{
    if (!p->tty) return;
    (void)fprintf(p->to, "\r\033[K%.*s", (int)p->width - 1, line);
    (void)fflush(p->to);
    p->open = true;
}

static void bar(char out[BAR_CELLS + 3], uint32_t percent)
{
    uint32_t full = percent * BAR_CELLS / AT_END;

    out[0] = '[';
    for (uint32_t i = 0; i < BAR_CELLS; i++)
        out[i + 1] = (char)(i < full ? '=' : i == full ? '>' : ' ');
    out[BAR_CELLS + 1] = ']';
    out[BAR_CELLS + 2] = '\0';
}

void tally_demo_progress_work(struct tally_demo_progress *p, const char *what, uint32_t done,
                              uint32_t total)
{
    char cells[BAR_CELLS + 3], line[TEXT_MAX];

    bar(cells, total > 0 ? done * AT_END / total : AT_END);
    (void)snprintf(line, sizeof line, "%s %s %u/%u", what, cells, done, total);
    change(p, line);
}

/* ---- who connected, who was refused ---- */

static void show_node(struct tally_demo_progress *p, size_t i, const json_t *node)
{
    const char *name = text_of(node, "agent"), *reason = text_of(node, "reason");
    bool connected = json_is_true(json_object_get(node, "connected")), refused = *reason != '\0';

    if (connected && !p->connected[i]) {
        tally_demo_progress_end(p);
        (void)fprintf(p->to, "%s connected: its evidence is good\n", name);
    }
    if (refused && !p->refused[i]) {
        tally_demo_progress_end(p);
        (void)fprintf(p->to, "%s REFUSED: %s: %s\n", name, reason, text_of(node, "why"));
    }
    p->connected[i] = p->connected[i] || connected;
    p->refused[i] = p->refused[i] || refused;
}

/* ---- finished rounds ---- */

static void put_metrics(FILE *to, const json_t *base)
{
    if (!json_is_object(base)) return;
    (void)fprintf(to, "  base: AUC-PR %.4f  ROC-AUC %.4f  recall %.4f",
                  json_number_value(json_object_get(base, "auc_pr")),
                  json_number_value(json_object_get(base, "roc_auc")),
                  json_number_value(json_object_get(base, "recall_at_1pct_fpr")));
}

static void show_finished(struct tally_demo_progress *p, const json_t *round)
{
    const json_t *excluded = json_object_get(round, "excluded"), *item;
    bool abort = strcmp(text_of(round, "outcome"), "abort") == 0;
    char cells[BAR_CELLS + 3] = "";
    size_t i, absent = json_array_size(json_object_get(round, "absent"));

    tally_demo_progress_end(p);
    if (p->tty) bar(cells, abort ? 0 : AT_END);
    (void)fprintf(p->to, "round %3lld %-10s %s%s%zu accepted", int_of(round, "round"),
                  text_of(round, "kind"), cells, p->tty ? " " : "",
                  json_array_size(json_object_get(round, "accepted")));
    json_array_foreach(excluded, i, item)
    {
        (void)fprintf(p->to, ", %s %s", text_of(item, "agent"), text_of(item, "reason"));
    }
    if (absent > 0) (void)fprintf(p->to, ", %zu absent", absent);
    (void)fprintf(p->to, "%s  %.2f s", abort ? ", ABORTED" : "",
                  json_number_value(json_object_get(round, "seconds")));
    put_metrics(p->to, json_object_get(round, "base"));
    (void)fputc('\n', p->to);
}

/* ---- the open round ---- */

struct census {
    uint32_t away, idle, training, uploading, accepted, refused;
    uint32_t percent; /* of the whole round */
};

static uint32_t part(const json_t *node, uint32_t from, uint32_t to)
{
    long long done = int_of(node, "done"), total = int_of(node, "total");

    if (total <= 0 || done < 0 || done > total) return from;
    return from + (uint32_t)((double)(to - from) * (double)done / (double)total);
}

static bool has(const json_t *list, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *s = json_string_value(item);
        if (s != NULL && strcmp(s, name) == 0) return true;
    }
    return false;
}

static uint32_t count_node(struct census *c, const json_t *node, const json_t *accepted)
{
    const char *phase = text_of(node, "phase");

    if (has(accepted, text_of(node, "agent"))) {
        c->accepted++;
        return AT_ACCEPTED;
    }
    if (!json_is_true(json_object_get(node, "connected"))) {
        c->away++;
        return 0;
    }
    if (strcmp(phase, "training") == 0) {
        c->training++;
        return part(node, AT_TRAINING, AT_UPLOADING);
    }
    if (strcmp(phase, "uploading") == 0) {
        c->uploading++;
        return part(node, AT_UPLOADING, AT_ACCEPTED);
    }
    c->idle++;
    return 0;
}

static struct census count(const json_t *nodes, const json_t *job)
{
    struct census c = {0};
    const json_t *node, *accepted = json_object_get(job, "accepted");
    uint32_t n = 0, sum = 0;
    size_t i;

    json_array_foreach(nodes, i, node)
    {
        if (*text_of(node, "reason") != '\0') {
            c.refused++;
            continue;
        }
        sum += count_node(&c, node, accepted);
        n++;
    }
    c.percent = n > 0 ? sum / n : 0;
    if (strcmp(text_of(job, "state"), "COLLECTING") != 0) c.percent = AT_VOTING;
    return c;
}

static void add(char line[TEXT_MAX], uint32_t n, const char *what)
{
    size_t len = strlen(line);

    if (n > 0) (void)snprintf(line + len, TEXT_MAX - len, "  %u %s", n, what);
}

static void show_open(struct tally_demo_progress *p, const json_t *nodes, const json_t *job)
{
    struct census c = count(nodes, job);
    char cells[BAR_CELLS + 3], line[TEXT_MAX];
    const char *waiting = text_of(job, "waiting");

    bar(cells, c.percent);
    (void)snprintf(line, sizeof line, "round %3lld %-10s %s", int_of(job, "round"),
                   text_of(job, "kind"), cells);
    add(line, c.away, "away");
    add(line, c.idle, "ready");
    add(line, c.training, "training");
    add(line, c.uploading, "uploading");
    add(line, c.accepted, "accepted");
    add(line, c.refused, "refused");
    if (strcmp(text_of(job, "state"), "COLLECTING") != 0 && *waiting != '\0') {
        size_t len = strlen(line);
        (void)snprintf(line + len, sizeof line - len, "  %s", waiting);
    }
    change(p, line);
}

void tally_demo_progress_show(struct tally_demo_progress *p, const json_t *status)
{
    const json_t *nodes = json_object_get(status, "nodes"), *node;
    const json_t *job = json_array_get(json_object_get(status, "jobs"), 0);
    const json_t *history = json_object_get(job, "history");
    size_t i;

    json_array_foreach(nodes, i, node)
    {
        if (i < TALLY_NODES_MAX) show_node(p, i, node);
    }
    for (; p->rounds < json_array_size(history); p->rounds++)
        show_finished(p, json_array_get(history, p->rounds));
    if (job != NULL && !json_is_true(json_object_get(job, "done"))) show_open(p, nodes, job);
    (void)fflush(p->to);
}
