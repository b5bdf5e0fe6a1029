/* status.h - the one way this code base reports failure.
 *
 * TALLY_OK means "done, and safe to go on"; every other value means nothing
 * happened that the caller may rely on. The last failure of a thread keeps a
 * one-line reason in a fixed buffer, read once by whoever handles it (actor
 * loop, HTTP handler, CLI main, test); nobody in between logs. */
#pragma once

#include "common/reason.h"

/* Starts every prototype that can fail; ignoring its result is a warning. */
#define TALLY_RESULT       __attribute__((warn_unused_result)) enum tally_status
#define TALLY_PRINTF(f, a) __attribute__((format(printf, f, a)))

#define TALLY_STATUS_LIST(X)                                     \
    X(TALLY_OK, "ok")                                            \
    X(TALLY_E_WIRE, "malformed bytes from a peer")               \
    X(TALLY_E_LIMIT, "a fixed limit was reached")                \
    X(TALLY_E_STATE, "not allowed in this state")                \
    X(TALLY_E_AUTH, "signature or tag did not verify")           \
    X(TALLY_E_UNTRUSTED, "evidence did not meet the policy")     \
    X(TALLY_E_UNDECIDED, "something needed to judge is missing") \
    X(TALLY_E_CONFIG, "a document, setting or table is wrong")   \
    X(TALLY_E_NOMEM, "out of memory")                            \
    X(TALLY_E_IO, "operating system call failed")                \
    X(TALLY_E_LIB, "a library call failed")

/* Our own type, so that TALLY_TRY can refuse a plain int at compile time
 * (OpenSSL's "1 is success", libc's -1). */
#define TALLY_STATUS_ENUM_(id, text) id,
enum tally_status { TALLY_STATUS_LIST(TALLY_STATUS_ENUM_) };
#undef TALLY_STATUS_ENUM_

/* Records why and returns `code`:  return TALLY_FAIL(TALLY_E_WIRE, "tag %u", t); */
#define TALLY_FAIL(code, ...) tally_fail_((code), __FILE__, __LINE__, __VA_ARGS__)

/* The only two macros that hide a return. */
#define TALLY_TRY(expr)                                                                   \
    do {                                                                                  \
        _Static_assert(__builtin_types_compatible_p(__typeof__(expr), enum tally_status), \
                       "TALLY_TRY wants an enum tally_status");                           \
        enum tally_status tally_s_ = (expr);                                              \
        if (tally_s_ != TALLY_OK) return tally_s_;                                        \
    } while (0)
#define TALLY_ENSURE(cond, code, ...)                        \
    do {                                                     \
        if (!(cond)) return TALLY_FAIL((code), __VA_ARGS__); \
    } while (0)

/* A broken invariant is a bug here, never a peer's doing: stop at once, in
 * every build. */
#define TALLY_ASSERT(cond) ((cond) ? (void)0 : tally_die_(#cond, __FILE__, __LINE__))

/* Refuses something from outside for a named reason:
 * return TALLY_REFUSE(TALLY_R_E_CHIP, "chip %s is not in the node's list", id); */
#define TALLY_REFUSE(reason, ...) tally_refuse_((reason), __FILE__, __LINE__, __VA_ARGS__)
#define TALLY_REFUSE_UNLESS(cond, reason, ...)                   \
    do {                                                         \
        if (!(cond)) return TALLY_REFUSE((reason), __VA_ARGS__); \
    } while (0)

const char *tally_status_name(enum tally_status s); /* "TALLY_E_WIRE" */
const char *tally_status_text(enum tally_status s); /* "malformed bytes ..." */
const char *tally_why(void);          /* "wire.c:41: tag 9", "" if none; this thread's */
const char *tally_why_text(void);     /* the same without file and line, for people */
enum tally_reason tally_reason(void); /* of the last failure of this thread; NONE if unnamed */

TALLY_RESULT tally_fail_(enum tally_status code, const char *file, int line, const char *fmt, ...)
    TALLY_PRINTF(4, 5);
/* TALLY_E_AUTH for E_AUTH and E_SIGNATURE, else TALLY_E_UNTRUSTED. */
TALLY_RESULT tally_refuse_(enum tally_reason reason, const char *file, int line, const char *fmt,
                           ...) TALLY_PRINTF(4, 5);
__attribute__((noreturn)) void tally_die_(const char *cond, const char *file, int line);
