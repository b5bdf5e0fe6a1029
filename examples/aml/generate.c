#include "examples/aml/generate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "examples/aml/traffic.h"

enum tally_status tally_generate_world(const struct tally_world_config *c, struct tally_world *w)
{
    TALLY_TRY(tally_world_build(c, w));
    TALLY_TRY(tally_traffic_add(w));
    TALLY_TRY(tally_lookalikes_add(w));
    TALLY_TRY(tally_patterns_add(w));
    return tally_world_sort(w);
}

/* Time of the first held-out row: the last 300 of 1,000 rows in order of time. */
static int64_t cut_of(const struct tally_world *w, uint32_t bank, size_t rows)
{
    size_t skip = rows - rows * TALLY_GENERATE_HELD_OUT_PERMILLE / 1000, i = 0;
    for (; i < w->tx_n; i++) {
        if (w->tx[i].ts < TALLY_WORLD_ROWS_START_S || !tally_world_sees(w, &w->tx[i], bank))
            continue;
        if (skip-- == 0) break;
    }
    TALLY_ASSERT(i < w->tx_n);
    return w->tx[i].ts;
}

static void count(const struct tally_world *w, uint32_t bank, struct tally_generate_bank *b)
{
    for (size_t i = 0; i < w->tx_n; i++) {
        const struct tally_world_tx *tx = &w->tx[i];
        if (tx->ts < TALLY_WORLD_ROWS_START_S || !tally_world_sees(w, tx, bank)) continue;
        struct tally_generate_part *p = tx->ts < b->cut_s ? &b->train : &b->test;
        p->rows++;
        p->positives += tx->pattern != 0;
        p->of[tx->typology] += tx->pattern != 0;
    }
}

enum tally_status tally_generate_summarise(const struct tally_world *w,
                                           struct tally_generate_summary *s)
{
    struct tally_generate_summary sum = {0};
    for (size_t i = 0; i < w->tx_n; i++)
        sum.transactions += w->tx[i].ts >= TALLY_WORLD_ROWS_START_S;
    for (uint32_t b = 0; b < w->config.banks; b++) {
        struct tally_generate_bank *bank = &sum.bank[b], all = {.cut_s = INT64_MAX};
        count(w, b, &all);
        bank->cut_s = cut_of(w, b, all.train.rows);
        TALLY_ENSURE(bank->cut_s >= tally_patterns_end_s(0) &&
                         bank->cut_s < tally_patterns_start_s(1),
                     TALLY_E_STATE,
                     "bank %u: its last 30 %% begin outside the gap between training and test; "
                     "choose a larger scale",
                     b + 1);
        count(w, b, bank);
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++)
            if (tally_generate_lacking(bank, (enum tally_typology)t))
                sum.lacking_positives += bank->test.of[t];
    }
    *s = sum;
    return TALLY_OK;
}

struct output {
    const struct tally_world *world;
    const struct tally_generate_summary *summary;
    const char *dir;
    uint32_t bank; /* whose table is written */
};

static void close_file(FILE **f)
{
    if (*f) (void)fclose(*f);
}

/* A file below the folder, filled by `fill` and closed without error. */
static enum tally_status write_file(const struct output *o, const char *name,
                                    enum tally_status (*fill)(const struct output *o, FILE *to))
{
    char path[TALLY_GENERATE_PATH_MAX];
    __attribute__((cleanup(close_file))) FILE *f = NULL;
    int n = snprintf(path, sizeof path, "%s/%s", o->dir, name);
    TALLY_ENSURE(n > 0 && n < (int)sizeof path, TALLY_E_LIMIT, "%s: path too long", o->dir);
    f = fopen(path, "w");
    TALLY_ENSURE(f, TALLY_E_IO, "%s: %s", path, strerror(errno));
    TALLY_TRY(fill(o, f));
    int bad = ferror(f);
    bad |= fclose(f);
    f = NULL;
    TALLY_ENSURE(!bad, TALLY_E_IO, "%s: %s", path, strerror(errno));
    return TALLY_OK;
}

static enum tally_status make_dir(const char *dir, const char *name)
{
    char path[TALLY_GENERATE_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s", dir, name);
    TALLY_ENSURE(n > 0 && n < (int)sizeof path, TALLY_E_LIMIT, "%s: path too long", dir);
    TALLY_ENSURE(mkdir(path, 0777) == 0 || errno == EEXIST, TALLY_E_IO, "%s: %s", path,
                 strerror(errno));
    return TALLY_OK;
}

static enum tally_status fill_table(const struct output *o, FILE *to)
{
    return tally_generate_table(o->world, o->bank, to);
}

static enum tally_status fill_schema(const struct output *o, FILE *to)
{
    (void)o;
    return tally_generate_schema(to);
}

static void put_truth(const struct output *o, const struct tally_world_tx *tx, uint32_t bank,
                      FILE *to)
{
    const struct tally_world_account *accounts = o->world->accounts;
    int pays = accounts[tx->payer].bank == bank, gets = accounts[tx->payee].bank == bank;
    (void)fprintf(to, "%u,bank-%u,%u,%s,%s,%s,%s\n", tx->id, bank + 1, tx->pattern,
                  tally_typology_name((enum tally_typology)tx->typology),
                  tally_phase_name((enum tally_phase)tx->phase),
                  pays && gets ? "both"
                  : pays       ? "payer"
                               : "payee",
                  tx->ts < o->summary->bank[bank].cut_s ? "train" : "test");
}

static enum tally_status fill_truth(const struct output *o, FILE *to)
{
    const struct tally_world *w = o->world;
    (void)fputs("tx_id,bank,pattern,typology,phase,role,part\n", to);
    for (size_t i = 0; i < w->tx_n; i++) {
        if (!w->tx[i].pattern) continue;
        for (uint32_t b = 0; b < w->config.banks; b++)
            if (tally_world_sees(w, &w->tx[i], b)) put_truth(o, &w->tx[i], b, to);
    }
    return TALLY_OK;
}

static enum tally_status fill_lacking(const struct output *o, FILE *to)
{
    (void)fputs("bank,typology,train_rows,test_rows,lacking\n", to);
    for (uint32_t b = 0; b < o->world->config.banks; b++)
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
            const struct tally_generate_bank *k = &o->summary->bank[b];
            (void)fprintf(to, "bank-%u,%s,%zu,%zu,%d\n", b + 1,
                          tally_typology_name((enum tally_typology)t), k->train.of[t],
                          k->test.of[t], tally_generate_lacking(k, (enum tally_typology)t));
        }
    return TALLY_OK;
}

enum tally_status tally_generate_write(const struct tally_world *w,
                                       const struct tally_generate_summary *s, const char *dir)
{
    struct output o = {.world = w, .summary = s, .dir = dir};
    char name[32];
    TALLY_TRY(make_dir(dir, ""));
    TALLY_TRY(make_dir(dir, "/truth"));
    for (; o.bank < w->config.banks; o.bank++) {
        (void)snprintf(name, sizeof name, "bank-%u.csv", o.bank + 1);
        TALLY_TRY(write_file(&o, name, fill_table));
    }
    TALLY_TRY(write_file(&o, "schema.json", fill_schema));
    TALLY_TRY(write_file(&o, "truth/truth.csv", fill_truth));
    return write_file(&o, "truth/lacking.csv", fill_lacking);
}
