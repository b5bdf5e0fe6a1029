/* demo_process.c - see demo_process.h. */
#include "examples/aml/demo_process.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_ = 400, TAIL_MAX = 4096, STEP_MS = 20, READ_MAX = 1 << 16, NOT_STARTED = 127 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void tally_process_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction a = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaction(numbers[i], &a, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

bool tally_process_interrupted(void)
{
    return interrupted != 0;
}

enum tally_status tally_process_go_on(void)
{
    TALLY_ENSURE(!interrupted, TALLY_E_STATE, "interrupted");
    return TALLY_OK;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

/* The last line of a log that says anything; "" if there is none. */
static void last_line(const char *log, char *out, size_t cap)
{
    char tail[TAIL_MAX + 1];
    int fd = open(log, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
    ssize_t n = fd < 0 ? 0 : pread(fd, tail, TAIL_MAX, from);

    *out = '\0';
    if (fd >= 0) (void)close(fd);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' ')) n--;
    if (n <= 0) return;
    tail[n] = '\0';
    const char *line = strrchr(tail, '\n');
    (void)snprintf(out, cap, "%.*s", (int)cap - 1, line != NULL ? line + 1 : tail);
}

/* ---- starting ---- */

/* In the child: between fork and exec nothing but system calls. */
__attribute__((noreturn)) static void become(const char *const *argv, int out, int err,
                                             pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);
    union {
        const char *const *from;
        char *const *to;
    } words = {argv};

    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
        (void)execv(argv[0], words.to);
    _exit(NOT_STARTED);
}

static enum tally_status start(const char *const *argv, int out, int err, pid_t *pid)
{
    pid_t parent = getpid();

    *pid = fork();
    TALLY_ENSURE(*pid >= 0, TALLY_E_IO, "%s cannot be started: %s", argv[0], strerror(errno));
    if (*pid == 0) become(argv, out, err, parent);
    return TALLY_OK;
}

enum tally_status tally_process_start(const char *const *argv, const char *log,
                                      struct tally_process *out)
{
    struct tally_process p = {0};
    int n = snprintf(p.log, sizeof p.log, "%s", log);

    TALLY_ENSURE(n > 0 && n < (int)sizeof p.log, TALLY_E_LIMIT, "%s: path too long", log);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    TALLY_ENSURE(fd >= 0, TALLY_E_IO, "%s: %s", log, strerror(errno));
    enum tally_status s = start(argv, fd, fd, &p.pid);
    (void)close(fd);
    TALLY_TRY(s);
    *out = p;
    return TALLY_OK;
}

/* ---- commands ---- */

/* Reads to the end of a command's output; TALLY_E_STATE when interrupted or out of time. */
static enum tally_status collect(int fd, char *text, size_t *len)
{
    uint64_t end = now_ms() + TALLY_PROCESS_WAIT_MS;

    for (*len = 0;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        TALLY_TRY(tally_process_go_on());
        TALLY_ENSURE(now_ms() < end, TALLY_E_STATE, "no end after %d s",
                     TALLY_PROCESS_WAIT_MS / 1000);
        if (poll(&p, 1, STEP_MS) <= 0) continue;
        size_t room = TALLY_PROCESS_OUTPUT_MAX - *len;
        TALLY_ENSURE(room > 0, TALLY_E_LIMIT, "its output is longer than %d bytes",
                     TALLY_PROCESS_OUTPUT_MAX);
        ssize_t n = read(fd, text + *len, room < READ_MAX ? room : READ_MAX);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        TALLY_ENSURE(n >= 0, TALLY_E_IO, "its output: %s", strerror(errno));
        if (n == 0) break;
        *len += (size_t)n;
    }
    text[*len] = '\0';
    return TALLY_OK;
}

static enum tally_status judge_end(const char *program, int status, const char *text,
                                   const char *log)
{
    char line[LINE_MAX_];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return TALLY_OK;
    json_t *j = json_loads(text, 0, NULL);
    const char *error = json_string_value(json_object_get(j, "error"));
    if (error != NULL)
        (void)snprintf(line, sizeof line, "%s", error);
    else
        last_line(log, line, sizeof line);
    json_decref(j);
    if (WIFSIGNALED(status))
        return TALLY_FAIL(TALLY_E_STATE, "%s was ended by signal %d; see %s", program,
                          WTERMSIG(status), log);
    TALLY_ENSURE(WEXITSTATUS(status) != NOT_STARTED || *line != '\0', TALLY_E_STATE,
                 "%s cannot be started", program);
    return TALLY_FAIL(TALLY_E_STATE, "%s: %s", program, line);
}

static enum tally_status run(const char *const *argv, const char *log, int pipe_fd[2], char *text)
{
    struct tally_process p = {0};
    size_t len;
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    TALLY_ENSURE(err >= 0, TALLY_E_IO, "%s: %s", log, strerror(errno));
    enum tally_status s = start(argv, pipe_fd[1], err, &p.pid);
    (void)close(err);
    (void)close(pipe_fd[1]);
    pipe_fd[1] = -1;
    TALLY_TRY(s);
    s = collect(pipe_fd[0], text, &len);
    if (s != TALLY_OK) {
        tally_process_stop_all(&p, 1);
        if (tally_process_interrupted()) return s;
        return TALLY_FAIL(s, "%s: %s", argv[0], tally_why_text());
    }
    while (waitpid(p.pid, &p.status, 0) < 0 && errno == EINTR) continue;
    return judge_end(argv[0], p.status, text, log);
}

enum tally_status tally_process_run(const char *const *argv, const char *log, char **out)
{
    int pipe_fd[2];
    char *text = malloc(TALLY_PROCESS_OUTPUT_MAX + 1);

    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "a command's output");
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
        free(text);
        return TALLY_FAIL(TALLY_E_IO, "pipe: %s", strerror(errno));
    }
    enum tally_status s = run(argv, log, pipe_fd, text);
    (void)close(pipe_fd[0]);
    if (pipe_fd[1] >= 0) (void)close(pipe_fd[1]);
    if (s == TALLY_OK)
        *out = text;
    else
        free(text);
    return s;
}

/* ---- daemons ---- */

bool tally_process_ended(struct tally_process *p)
{
    if (!p->ended && p->pid > 0 && waitpid(p->pid, &p->status, WNOHANG) == p->pid) p->ended = true;
    return p->ended;
}

void tally_process_last_words(const struct tally_process *p, char *out, size_t cap)
{
    char line[LINE_MAX_];

    last_line(p->log, line, sizeof line);
    if (WIFSIGNALED(p->status))
        (void)snprintf(out, cap, "ended by signal %d; see %s", WTERMSIG(p->status), p->log);
    else
        (void)snprintf(out, cap, "ended with %d: %s (%s)", WEXITSTATUS(p->status), line, p->log);
}

static bool all_ended(struct tally_process *list, size_t n)
{
    bool all = true;

    for (size_t i = 0; i < n; i++) all = (list[i].pid == 0 || tally_process_ended(&list[i])) && all;
    return all;
}

static void signal_all(struct tally_process *list, size_t n, int number)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].pid > 0 && !tally_process_ended(&list[i])) (void)kill(list[i].pid, number);
    }
}

void tally_process_stop_all(struct tally_process *list, size_t n)
{
    uint64_t end = now_ms() + TALLY_PROCESS_STOP_MS;

    signal_all(list, n, SIGTERM);
    while (!all_ended(list, n) && now_ms() < end) pause_ms(STEP_MS);
    signal_all(list, n, SIGKILL);
    while (!all_ended(list, n)) pause_ms(STEP_MS);
}
