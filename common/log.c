/* log.c - see log.h. */
#include "common/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"

struct budget {
    const char *event; /* NULL: free */
    uint64_t at_ms;    /* when the tokens were counted */
    uint64_t milli_tokens;
    uint64_t suppressed;
};

static struct {
    pthread_mutex_t lock;
    enum tally_log_format format;
    enum tally_log_level least;
    int fd;
    struct budget budgets[TALLY_LOG_EVENTS_MAX + 1]; /* the last one is everybody else's */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .least = TALLY_LOG_INFO, .fd = STDERR_FILENO};

struct line {
    char text[TALLY_LOG_LINE_MAX];
    size_t used;
    bool full;
};
enum { TAIL_ROOM = 64 }; /* kept for "suppressed", "cut" and the end */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void tally_log_setup(enum tally_log_format format, enum tally_log_level least, int fd)
{
    pthread_mutex_lock(&state.lock);
    state.format = format;
    state.least = least;
    state.fd = fd;
    pthread_mutex_unlock(&state.lock);
}

static uint64_t mono_ms(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct budget *budget_of(const char *event)
{
    for (size_t i = 0; i < TALLY_LOG_EVENTS_MAX; i++) {
        struct budget *b = &state.budgets[i];
        if (!b->event) {
            *b = (struct budget){.event = event, .milli_tokens = TALLY_LOG_BURST * 1000};
            b->at_ms = mono_ms();
        }
        if (b->event == event || strcmp(b->event, event) == 0) return b;
    }
    return &state.budgets[TALLY_LOG_EVENTS_MAX];
}

static bool spend(struct budget *b)
{
    const uint64_t now = mono_ms(), most = (uint64_t)TALLY_LOG_BURST * 1000;

    b->milli_tokens += (now - b->at_ms) * TALLY_LOG_PER_S;
    if (b->milli_tokens > most) b->milli_tokens = most;
    b->at_ms = now;
    if (b->milli_tokens < 1000) {
        b->suppressed++;
        return false;
    }
    b->milli_tokens -= 1000;
    return true;
}

static void add(struct line *l, const char *text, size_t n, size_t room)
{
    if (l->used + n > sizeof l->text - room) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->used, text, n);
    l->used += n;
}

static void add_str(struct line *l, const char *text)
{
    add(l, text, strlen(text), TAIL_ROOM);
}

/* ASCII that is safe in a terminal and in JSON; all else as \u00XX, one for each byte. */
static void add_escaped(struct line *l, struct tally_slice s)
{
    for (size_t i = 0; i < s.len && i < TALLY_LOG_VALUE_MAX; i++) {
        char out[8] = {(char)s.at[i]};
        if (s.at[i] == '"' || s.at[i] == '\\') {
            (void)snprintf(out, sizeof out, "\\%c", s.at[i]);
        } else if (s.at[i] < 0x20 || s.at[i] > 0x7e) {
            (void)snprintf(out, sizeof out, "\\u%04x", s.at[i]);
        }
        add_str(l, out);
    }
}

static void add_value(struct line *l, const struct tally_log_field *f, bool quote)
{
    char number[24], hex[2 * 32 + 1];

    if (f->kind == TALLY_LOG_NUM) {
        (void)snprintf(number, sizeof number, "%" PRIu64, f->number);
        add_str(l, number);
        return;
    }
    if (quote) add_str(l, "\"");
    if (f->kind == TALLY_LOG_HEX) {
        tally_hex(tally_slice_of(f->bytes.at, f->bytes.len < 32 ? f->bytes.len : 32), hex);
        add_str(l, hex);
    } else {
        add_escaped(l, f->bytes);
    }
    if (quote) add_str(l, "\"");
}

/* A text value stands bare where it is one plain word. */
static bool needs_quotes(const struct tally_log_field *f)
{
    if (f->kind != TALLY_LOG_STR) return false;
    for (size_t i = 0; i < f->bytes.len; i++) {
        uint8_t c = f->bytes.at[i];
        if (c <= 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '=') return true;
    }
    return f->bytes.len == 0;
}

static void add_field(struct line *l, const struct tally_log_field *f)
{
    const size_t before = l->used;

    if (l->full) return;
    if (state.format == TALLY_LOG_JSON) {
        add_str(l, ",\"");
        add_str(l, f->key);
        add_str(l, "\":");
        add_value(l, f, true);
    } else {
        add_str(l, " ");
        add_str(l, f->key);
        add_str(l, "=");
        add_value(l, f, needs_quotes(f));
    }
    if (l->full) l->used = before; /* a field is whole or not there */
}

static void add_head(struct line *l, enum tally_log_level level, const char *event)
{
    const bool json = state.format == TALLY_LOG_JSON;
    struct timespec t = {0};
    char when[TALLY_TIME_TEXT_SIZE], head[192];

    (void)clock_gettime(CLOCK_REALTIME, &t);
    tally_time_text((uint64_t)t.tv_sec, when);
    when[19] = '\0'; /* the fraction goes before the Z */
    (void)snprintf(head, sizeof head,
                   json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%.64s\""
                        : "%s.%03dZ %-5s %.64s",
                   when, (int)(t.tv_nsec / 1000000), level_names[level], event);
    add_str(l, head);
}

static void add_tail(struct line *l, uint64_t suppressed)
{
    const bool json = state.format == TALLY_LOG_JSON;
    char tail[TAIL_ROOM] = "";

    if (suppressed) {
        (void)snprintf(tail, sizeof tail,
                       json ? ",\"suppressed\":%" PRIu64 : " suppressed=%" PRIu64, suppressed);
        add(l, tail, strlen(tail), 0);
    }
    if (l->full) {
        const char *cut = json ? ",\"cut\":1" : " cut=1";
        add(l, cut, strlen(cut), 0);
    }
    add(l, json ? "}\n" : "\n", json ? 2 : 1, 0);
}

static void write_line(enum tally_log_level level, const char *event,
                       const struct tally_log_field *fields, size_t n)
{
    struct line l = {.used = 0};

    if (level < state.least) return;
    struct budget *b = budget_of(event);
    if (!spend(b)) return;
    add_head(&l, level, event);
    for (size_t i = 0; i < n; i++) add_field(&l, &fields[i]);
    add_tail(&l, b->suppressed);
    b->suppressed = 0;
    (void)!write(state.fd, l.text, l.used); /* nowhere to say that stderr is gone */
}

void tally_log_write(enum tally_log_level level, const char *event,
                     const struct tally_log_field *fields, size_t n)
{
    pthread_mutex_lock(&state.lock);
    write_line(level, event, fields, n);
    pthread_mutex_unlock(&state.lock);
}

void tally_log_setup_named(const char *level, const char *format)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum tally_log_level least = TALLY_LOG_INFO;

    for (int i = 0; i < 4; i++) {
        if (strcmp(level, levels[i]) == 0) least = (enum tally_log_level)i;
    }
    tally_log_setup(strcmp(format, "json") == 0 ? TALLY_LOG_JSON : TALLY_LOG_TEXT, least, 2);
}
