/* arena.c - see arena.h: folders, processes and logs. */
#include "tests/attack/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/attack/expect.h"

const char *arena_bin(void)
{
    const char *bin = getenv("TALLY_BIN");

    return bin != NULL ? bin : TALLY_BIN_DEFAULT;
}

static const char *template(void)
{
    const char *dir = getenv("TALLY_ARENA");

    return dir != NULL ? dir : TALLY_ARENA_DEFAULT;
}

void arena_path(const struct arena *ar, const char *file, char out[1024])
{
    (void)snprintf(out, 1024, "%s/%s", ar->dir, file);
}

/* Groups of processes that were started and not yet waited for: faketime has a child of its own. */
static pid_t running[8];

static void kill_running(void)
{
    for (size_t i = 0; i < sizeof running / sizeof running[0]; i++) {
        if (running[i] > 0) (void)kill(-running[i], SIGKILL);
    }
}

static void note(pid_t was, pid_t is)
{
    static bool registered;

    if (!registered) EXPECT(atexit(kill_running) == 0, "atexit");
    registered = true;
    for (size_t i = 0; i < sizeof running / sizeof running[0]; i++) {
        if (running[i] != was) continue;
        running[i] = is;
        return;
    }
}

/* The child ends with us, whatever ends us. */
static pid_t start(const char *dir, const char *output, char *const *words)
{
    pid_t parent = getpid(), child = fork();

    EXPECT(child >= 0, "%s", strerror(errno));
    if (child != 0) {
        (void)setpgid(child, child);
        note(0, child);
        return child;
    }
    (void)setpgid(0, 0);
    int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || chdir(dir) != 0 || fd < 0 ||
        dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    (void)execvp(words[0], words);
    _exit(127);
}

static int wait_for(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0) EXPECT(errno == EINTR, "%s", strerror(errno));
    note(child, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int arena_run(const struct arena *ar, const char *const *words)
{
    char log[1024], *argv[32];
    int n = 0;

    arena_path(ar, "commands.log", log);
    for (; words[n] != NULL && n < 31; n++) EXPECT((argv[n] = strdup(words[n])) != NULL, "memory");
    argv[n] = NULL;
    int code = wait_for(start(ar->dir, log, argv));
    while (n > 0) free(argv[--n]);
    return code;
}

void arena_open(struct arena *ar)
{
    const char *tmp = getenv("TMPDIR");
    char path[1024];

    *ar = (struct arena){0};
    (void)snprintf(ar->dir, sizeof ar->dir, "%s/tally-attack-XXXXXX", tmp != NULL ? tmp : "/tmp");
    EXPECT(mkdtemp(ar->dir) != NULL, "%s", strerror(errno));
    arena_path(ar, "log", ar->log);
    (void)snprintf(path, sizeof path, "%s/.", template());
    EXPECT(arena_run(ar, (const char *[]){"cp", "-a", path, ".", NULL}) == 0,
           "copying %s: make it with make_arena.sh", path);
    for (int i = 0; i < ARENA_BANKS; i++)
        (void)snprintf(ar->agent_log[i], sizeof ar->agent_log[i], "%s/agent-%d.log", ar->dir,
                       i + 1);
}

void arena_stop(struct arena *ar, int signal)
{
    if (ar->server == 0) return;
    (void)kill(-ar->server, signal);
    (void)wait_for(ar->server);
    ar->server = 0;
}

void arena_agent_stop(struct arena *ar, int bank, int signal)
{
    if (ar->agents[bank - 1] == 0) return;
    (void)kill(ar->agents[bank - 1], signal);
    (void)wait_for(ar->agents[bank - 1]);
    ar->agents[bank - 1] = 0;
}

void arena_close(struct arena *ar)
{
    char dir[512];

    for (int i = 1; i <= ARENA_BANKS; i++) arena_agent_stop(ar, i, SIGKILL);
    arena_stop(ar, SIGTERM);
    (void)snprintf(dir, sizeof dir, "%s", ar->dir);
    (void)snprintf(ar->dir, sizeof ar->dir, "/");
    char *words[] = {(char[]){"rm"}, (char[]){"-rf"}, dir, NULL};
    (void)wait_for(start("/", "/dev/null", words));
}

/* ---- the log ---- */

char *arena_text(const struct arena *ar, const char *file, size_t *len)
{
    char path[1024];
    struct stat st;

    arena_path(ar, file, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    char *text = malloc((size_t)st.st_size + 1);
    EXPECT(text != NULL && read(fd, text, (size_t)st.st_size) == st.st_size, "%s", path);
    text[st.st_size] = '\0';
    *len = (size_t)st.st_size;
    (void)close(fd);
    return text;
}

static bool scan(const char *path, long from, const char *a, const char *b, const char *c)
{
    char line[4096];
    bool found = false;
    FILE *f = fopen(path, "re");

    if (f == NULL) return false;
    (void)fseek(f, from, SEEK_SET);
    while (!found && fgets(line, sizeof line, f) != NULL) {
        found = strstr(line, a) != NULL && (b == NULL || strstr(line, b) != NULL) &&
                (c == NULL || strstr(line, c) != NULL);
    }
    (void)fclose(f);
    return found;
}

static bool scan_until(const char *path, long from, int wait_ms, const char *const *texts)
{
    for (int waited = 0;; waited += 2) {
        if (scan(path, from, texts[0], texts[1], texts[2])) return true;
        if (waited >= wait_ms) return false;
        (void)usleep(2000);
    }
}

bool arena_logged(const struct arena *ar, int wait_ms, const char *a, const char *b, const char *c)
{
    return scan_until(ar->log, ar->mark, wait_ms, (const char *[]){a, b, c});
}

bool arena_file_has(const char *path, int wait_ms, const char *a, const char *b)
{
    return scan_until(path, 0, wait_ms, (const char *[]){a, b, NULL});
}

void arena_mark(struct arena *ar)
{
    struct stat st;

    ar->mark = stat(ar->log, &st) == 0 ? (long)st.st_size : 0;
}

void arena_expect_refused(const struct arena *ar, const char *event, const char *reason)
{
    char e[64], r[64];

    (void)snprintf(e, sizeof e, "\"event\":\"%s\"", event);
    (void)snprintf(r, sizeof r, "\"reason\":\"%s\"", reason);
    EXPECT(arena_logged(ar, ARENA_LOG_MS, e, r, NULL), "no %s with %s in %s", event, reason,
           ar->log);
}

/* ---- processes ---- */

static void start_server(struct arena *ar)
{
    char program[1024];

    (void)snprintf(program, sizeof program, "%s/tally-aggregator", arena_bin());
    char serve[] = "serve", opt[] = "--dir", dir[] = "owner", fake[] = "faketime", f[] = "-f",
         by[64];
    char *plain[] = {program, serve, opt, dir, NULL};
    char *faked[] = {fake, f, by, program, serve, opt, dir, NULL};

    (void)snprintf(by, sizeof by, "%s", ar->faketime != NULL ? ar->faketime : "");
    arena_mark(ar);
    ar->server = start(ar->dir, ar->log, ar->faketime != NULL ? faked : plain);
}

static void read_port(struct arena *ar)
{
    size_t len;
    char *text = arena_text(ar, "log", &len);
    const char *at = strstr(text + ar->mark, "\"endpoint\":\"");

    EXPECT(at != NULL && (at = strstr(at, "]:")) != NULL, "no endpoint in %s", ar->log);
    ar->port = (unsigned)strtoul(at + 2, NULL, 10);
    free(text);
}

bool arena_try_serve(struct arena *ar)
{
    int status;

    start_server(ar);
    for (int waited_ms = 0; waited_ms < 30000; waited_ms += 20) {
        if (arena_logged(ar, 20, "\"event\":\"serving\"", NULL, NULL)) {
            read_port(ar);
            return true;
        }
        if (waitpid(ar->server, &status, WNOHANG) != ar->server) continue;
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 1, "it ended with %d: %s", status,
               ar->log);
        note(ar->server, 0);
        ar->server = 0;
        return false;
    }
    EXPECT(false, "it neither serves nor ends: %s", ar->log);
    return false;
}

void arena_serve(struct arena *ar)
{
    EXPECT(arena_try_serve(ar), "it does not serve: %s", ar->log);
}

void arena_fix_port(struct arena *ar)
{
    EXPECT(arena_run(ar, (const char *[]){"sh", "-c",
                                          "sed -i \"s#tcp://127.0.0.1:\\*#tcp://127.0.0.1:$(cat "
                                          "port)#\" owner/aggregator.yaml",
                                          NULL}) == 0,
           "sed");
}

bool arena_agent(struct arena *ar, int bank)
{
    char program[1024], folder[16], run[] = "run", help[] = "--help", opt[] = "--dir";

    (void)snprintf(program, sizeof program, "%s/tally-agent", arena_bin());
    (void)snprintf(folder, sizeof folder, "bank-%d", bank);
    if (arena_run(ar, (const char *[]){program, run, help, NULL}) != 0) return false;
    char *words[] = {program, run, opt, folder, NULL};
    ar->agents[bank - 1] = start(ar->dir, ar->agent_log[bank - 1], words);
    return true;
}

uint64_t arena_peak_kib(pid_t pid)
{
    char path[64], line[256];
    uint64_t kib = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    EXPECT(f != NULL, "%s", path);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoull(line + 6, NULL, 10);
    }
    (void)fclose(f);
    return kib;
}
