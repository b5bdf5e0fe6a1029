/* attack_disk.c - rows and files edited by the aggregator's host while the program is down (A34):
 * it refuses to start, or the job stops, both saying why, or the very version comes out that would
 * have without the edit. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/attack/cases.h"
#include "tests/attack/seized.h"

/* The content key again, for the key of a new instance. */
static void rewrap(struct stage *s, int bank)
{
    const struct attacker_update *u = &s->updates[bank];
    struct attacker *a = &s->crowd[bank];
    struct tally_message m = {.type = TALLY_MSG_REWRAP};

    memcpy(m.digest, u->st_digest, 32);
    memcpy(m.key_id, a->server_key_id, 32);
    attacker_wrap(a, u->key, u->st.seal_digest, m.wrap);
    attacker_send_message(a, &m);
}

/* What an honest bank does after a restart: the same bytes again where they are wanted, and its
 * vote. False: its session ended. */
static bool carry_on(struct stage *s, int bank)
{
    struct attacker *a = &s->crowd[bank];
    struct tally_message m, vote = {.type = TALLY_MSG_VOTE};
    enum tally_refusal r;

    attacker_connect(a, s->arena.port);
    a->wait_ms = 1000;
    memcpy(a->job, s->job.digest, 32);
    if (!attacker_hello(a, &r)) return false;
    attacker_prove(a);
    if (!attacker_established(a, 1000)) return false;
    struct tally_message hello = {.type = TALLY_MSG_HELLO, .time_ms = tally_wall_ms()};
    if (!attacker_await(a, TALLY_MSG_HELLO, &m, 500)) return false;
    attacker_send_message(a, &hello);
    if (!attacker_await(a, TALLY_MSG_OPEN, &m, 500)) return false;
    attacker_update_head(a, &s->updates[bank]);
    if (memcmp(a->server_key_id, s->key_id, 32) != 0) rewrap(s, bank);
    for (int step = 0; step < 4; step++) {
        if (!attacker_await_any(a,
                                ATTACKER_TYPE(TALLY_MSG_GO) | ATTACKER_TYPE(TALLY_MSG_SET) |
                                    ATTACKER_TYPE(TALLY_MSG_ACK) | ATTACKER_TYPE(TALLY_MSG_REFUSED),
                                &m, bank == ARENA_BANKS - 1 || step == 0 ? 500 : 100))
            return true;
        if (m.type == TALLY_MSG_GO) attacker_send_pieces(a, &s->updates[bank], &m);
        if (m.type != TALLY_MSG_SET) continue;
        TALLY_SHA256_OF(vote.digest, m.body);
        EXPECT_OK(tally_vote_sign(&a->attested, vote.digest, vote.signature));
        attacker_send_message(a, &vote);
        return true;
    }
    return true;
}

/* A set that was frozen after everyone had joined. */
static void vote_late(struct stage *s)
{
    struct tally_message m, vote = {.type = TALLY_MSG_VOTE};

    for (int i = 0; i < ARENA_BANKS; i++) {
        struct attacker *a = &s->crowd[i];
        if (!attacker_await(a, TALLY_MSG_SET, &m, 200)) continue;
        TALLY_SHA256_OF(vote.digest, m.body);
        EXPECT_OK(tally_vote_sign(&a->attested, vote.digest, vote.signature));
        attacker_send_message(a, &vote);
    }
}

enum end { STARTS_NOT, STOPPED, WENT_ON };

/* Starts on the disk as it is. The program refuses to start, or the job stops saying why, or the
 * version comes out that would have without the edit. Anything else ends the test. */
static enum end outcome(struct stage *s, const char *what)
{
    char version[96];

    (void)snprintf(version, sizeof version, "\"version\":\"%s\"", s->version);
    if (!arena_try_serve(&s->arena)) {
        EXPECT(arena_logged(&s->arena, 0, "tally-aggregator: ", NULL, NULL),
               "%s: it does not start and does not say why", what);
        return STARTS_NOT;
    }
    for (int step = 0; step < 600; step++) {
        if (arena_logged(&s->arena, 10, "\"event\":\"job_stopped\"", "\"why\":\"", NULL) ||
            arena_logged(&s->arena, 0, "\"event\":\"job_ignored\"", "\"why\":\"", NULL))
            return STOPPED;
        if (arena_logged(&s->arena, 0, "\"event\":\"stop\"", "\"why\":\"", NULL)) return STARTS_NOT;
        if (arena_logged(&s->arena, 0, "\"event\":\"round_published\"", "\"round\":1,", version))
            return WENT_ON;
        for (int i = 0; step == 4 && i < ARENA_BANKS; i++) (void)carry_on(s, i);
        if (step >= 20 && step % 20 == 0) vote_late(s);
    }
    EXPECT(false, "%s: no version %s, and no reason: %s", what, s->version, s->arena.log);
    return STOPPED;
}

/* The version of an unchanged disk. */
static void learn_version(struct stage *s)
{
    size_t len;

    arena_serve(&s->arena);
    for (int i = 0; i < ARENA_BANKS; i++) (void)carry_on(s, i);
    EXPECT(arena_logged(&s->arena, 3000, "\"event\":\"round_published\"", "\"round\":1,", NULL),
           "an unchanged disk does not go on: %s", s->arena.log);
    char *text = arena_text(&s->arena, "log", &len);
    const char *at = strstr(text + s->arena.mark, "\"event\":\"round_published\"");
    at = at != NULL ? strstr(at, "\"version\":\"") : NULL;
    EXPECT(at != NULL, "no version");
    (void)snprintf(s->version, sizeof s->version, "%s", at + 11);
    free(text);
}

/* ---- A34: rows ---- */

/* One value of the newest row of a table, changed a little. */
static int edit(const struct stage *s, const char *table, const char *column)
{
    sqlite3 *db = open_store(s);
    char text[4096];

    (void)snprintf(
        text, sizeof text,
        "UPDATE %.40s SET %.40s = CASE typeof(%.40s) WHEN 'integer' THEN %.40s + 1"
        " WHEN 'text' THEN 'x' || substr(%.40s, 2)"
        " WHEN 'blob' THEN CAST(substr(%.40s, 1, length(%.40s) / 2) || CASE WHEN substr(%.40s, length(%.40s) / 2"
        " + 1, 1) = X'5a' THEN X'a5' ELSE X'5a' END || substr(%.40s, length(%.40s) / 2 + 2) AS BLOB)"
        " ELSE %.40s END WHERE rowid = (SELECT max(rowid) FROM %.40s)",
        table, column, column, column, column, column, column, column, column, column, column,
        column, table);
    int changed = sql(db, text);
    (void)sqlite3_close(db);
    return changed;
}

static void columns_are_edited(const char *const *tables, size_t tables_n)
{
    unsigned counts[3] = {0};
    struct stage s;

    begin(&s, true);
    learn_version(&s);
    for (size_t t = 0; t < tables_n; t++) {
        char text[4096], columns[32][64];
        sqlite3_stmt *q;
        int n = 0;
        restore(&s);
        sqlite3 *db = open_store(&s);
        (void)snprintf(text, sizeof text, "SELECT name FROM pragma_table_info('%.40s')", tables[t]);
        EXPECT(sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
        while (sqlite3_step(q) == SQLITE_ROW && n < 32)
            (void)snprintf(columns[n++], sizeof columns[0], "%s",
                           (const char *)sqlite3_column_text(q, 0));
        (void)sqlite3_finalize(q);
        (void)sqlite3_close(db);
        EXPECT(n > 0, "no table %s", tables[t]);
        for (int i = 0; i < n; i++) {
            (void)snprintf(text, sizeof text, "%.40s.%.40s", tables[t], columns[i]);
            restore(&s);
            if (edit(&s, tables[t], columns[i]) == 0) break; /* no rows here */
            enum end e = outcome(&s, text);
            counts[e]++;
            (void)printf("%s: %s\n", text,
                         e == STARTS_NOT ? "does not start"
                         : e == STOPPED  ? "stops, saying why"
                                         : "goes on");
        }
    }
    (void)printf(
        "columns edited: %u starts refused, %u jobs stopped, %u went on to the same version\n",
        counts[STARTS_NOT], counts[STOPPED], counts[WENT_ON]);
    EXPECT(counts[STOPPED] + counts[STARTS_NOT] >= 1 && counts[WENT_ON] >= 1,
           "the edits did not arrive");
    end(&s);
}

static void every_column_of_rounds_is_edited(void)
{
    columns_are_edited((const char *const[]){"rounds", "opens", "instances"}, 3);
}

static void every_column_of_updates_is_edited(void)
{
    columns_are_edited((const char *const[]){"updates"}, 1);
}

static void every_other_column_is_edited(void)
{
    columns_are_edited(
        (const char *const[]){"votes", "versions", "marks", "documents", "nodes", "refusals"}, 6);
}

/* Changes that lie where it counts have these ends and no other. */
static void a_weight_a_vote_and_a_deleted_update(void)
{
    static const struct {
        const char *sql, *event, *text;
    } all[] = {
        {"UPDATE updates SET examples = 100000 WHERE org = 'bank-1'",         "kept_update_refused",
         "E_UPDATE"                                                                                      },
        {"DELETE FROM updates WHERE org = 'bank-1' AND round = 1",            "job_stopped",
         "is not on this disk any more"                                                                  },
        {"UPDATE updates SET wrap = zeroblob(80) WHERE org = 'bank-1'",       "job_stopped",
         "does not open"                                                                                 },
        {"UPDATE rounds SET set_record = zeroblob(length(set_record))",       "job_stopped",
         "is not ours"                                                                                   },
        {"UPDATE rounds SET open = zeroblob(length(open)) WHERE outcome = 0", "job_stopped",
         "is not ours"                                                                                   },
        {"UPDATE versions SET lineage = X'7b7d'",                             "job_stopped",         NULL},
    };
    struct stage s;

    begin(&s, true);
    learn_version(&s);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        restore(&s);
        sqlite3 *db = open_store(&s);
        EXPECT(sql(db, all[i].sql) > 0, "%s changes nothing", all[i].sql);
        (void)sqlite3_close(db);
        EXPECT(outcome(&s, all[i].sql) == STOPPED, "%s: it does not stop", all[i].sql);
        EXPECT(arena_logged(&s.arena, 500, all[i].event, all[i].text, NULL), "%s: no %s",
               all[i].sql, all[i].event);
    }
    restore(&s); /* a forged vote is none */
    sqlite3 *db = open_store(&s);
    EXPECT(sql(db, "INSERT INTO votes SELECT job, round, 'bank-2', node, set_digest, signature,"
                   " key_block, ev, at_ms FROM votes WHERE org = 'bank-1' AND round = 1") == 1,
           "no vote to copy");
    (void)sqlite3_close(db);
    arena_serve(&s.arena);
    EXPECT(!arena_logged(&s.arena, 700, "round_published", NULL, NULL), "a forged vote counts");
    EXPECT(!arena_logged(&s.arena, 0, "job_stopped", NULL, NULL), "a forged vote stops the job");
    end(&s);
}

/* ---- A34: files ---- */

static void flip_file(const char *path)
{
    struct stat st;
    uint8_t b;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    EXPECT(fd >= 0 && fstat(fd, &st) == 0 && pread(fd, &b, 1, st.st_size / 2) == 1, "%s", path);
    b ^= 1;
    EXPECT(pwrite(fd, &b, 1, st.st_size / 2) == 1 && close(fd) == 0, "%s", path);
}

static void every_file_is_changed(void)
{
    static const char *const folders[] = {"", "/sealed", "/models", "/jobs", "/federation"};
    struct stage s;

    begin(&s, true);
    learn_version(&s);
    for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
        char dir[1024], path[2048];
        struct dirent *e;
        (void)snprintf(path, sizeof path, "state.good%s", folders[f]);
        arena_path(&s.arena, path, dir);
        DIR *d = opendir(dir);
        EXPECT(d != NULL, "%s", dir);
        while ((e = readdir(d)) != NULL) {
            struct stat st;
            (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) continue;
            restore(&s);
            (void)snprintf(path, sizeof path, "%s/owner/state%s/%s", s.arena.dir, folders[f],
                           e->d_name);
            flip_file(path);
            static const char *const says[] = {"does not start", "stops, saying why", "goes on"};
            (void)printf("%s/%s: %s\n", folders[f], e->d_name, says[outcome(&s, e->d_name)]);
        }
        (void)closedir(d);
    }
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(every_column_of_rounds_is_edited),
        CASE(every_column_of_updates_is_edited),
        CASE(every_other_column_is_edited),
        CASE(a_weight_a_vote_and_a_deleted_update),
        CASE(every_file_is_changed),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
