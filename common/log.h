/* log.h - one line for each event, to standard error, as text or as JSON lines. Only shells log:
 * library and core code returns a status, and whoever ends the error says it once.
 *
 * An event's name is a literal of ours (never from a peer); everything else goes into fields, whose
 * text is escaped and cut. Each event name has its own budget, TALLY_LOG_BURST lines at once and
 * TALLY_LOG_PER_S a second; what is over is counted and the next line says how many
 * ("suppressed"). So a flooding peer costs bounded log. Secrets never go in: there is no field
 * kind for raw bytes except tally_log_hex, which is for digests and cuts at 32 bytes.
 * Thread-safe; a line is one write(2). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

enum tally_log_level {
    TALLY_LOG_DEBUG,
    TALLY_LOG_INFO,
    TALLY_LOG_WARN,
    TALLY_LOG_ERROR,
};
enum tally_log_format { TALLY_LOG_TEXT, TALLY_LOG_JSON };

enum {
    TALLY_LOG_LINE_MAX = 2048,  /* bytes; fields that do not fit are left out, "cut" says so */
    TALLY_LOG_VALUE_MAX = 512,  /* bytes of one text value */
    TALLY_LOG_EVENTS_MAX = 256, /* names with a budget of their own; the rest share one */
    TALLY_LOG_BURST = 20,
    TALLY_LOG_PER_S = 5,
};

/* Until this is called: text, info, file descriptor 2. */
void tally_log_setup(enum tally_log_format format, enum tally_log_level least, int fd);

/* One field; made by the functions below. Points to what it was given. */
struct tally_log_field {
    const char *key; /* a literal: [a-z0-9_] */
    enum { TALLY_LOG_NONE, TALLY_LOG_STR, TALLY_LOG_NUM, TALLY_LOG_HEX } kind;
    struct tally_slice bytes;
    uint64_t number;
};

static inline struct tally_log_field tally_log_str(const char *key, const char *text)
{
    return (struct tally_log_field){key, TALLY_LOG_STR, tally_slice_str(text ? text : ""), 0};
}
static inline struct tally_log_field tally_log_u64(const char *key, uint64_t v)
{
    return (struct tally_log_field){key, TALLY_LOG_NUM, {0}, v};
}
static inline struct tally_log_field tally_log_hex(const char *key, const uint8_t *at, size_t len)
{
    return (struct tally_log_field){key, TALLY_LOG_HEX, tally_slice_of(at, len), 0};
}

void tally_log_write(enum tally_log_level level, const char *event,
                     const struct tally_log_field *fields, size_t n);

/* TALLY_LOG(TALLY_LOG_WARN, "update_refused", tally_log_str("peer", user), ...);
 * at least one field. */
#define TALLY_LOG(level, event, ...)                                                 \
    tally_log_write((level), (event), (const struct tally_log_field[]){__VA_ARGS__}, \
                    sizeof((const struct tally_log_field[]){__VA_ARGS__}) /          \
                        sizeof(struct tally_log_field))

/* The thread's last failure as fields: status, reason (if there is one) and why. */
#define TALLY_LOG_WHY(level, event, status, ...)                                    \
    TALLY_LOG((level), (event), tally_log_str("status", tally_status_name(status)), \
              tally_log_str("reason", tally_reason_name(tally_reason())),           \
              tally_log_str("why", tally_why()), __VA_ARGS__)

/* The same by the words of a configuration: "debug" "info" "warn" "error", "text" "json". Other
 * words leave the default. */
void tally_log_setup_named(const char *level, const char *format);
