/* The text forms of generate.h: a bank's table, the schema and the summary. */
#include <string.h>

#include "examples/aml/generate.h"

enum { ROW_MAX = 2048, NUMBER_MAX = 24 };

struct line {
    char text[ROW_MAX];
    size_t n;
};

static void put_text(struct line *l, const char *s)
{
    size_t n = strlen(s);
    TALLY_ASSERT(l->n + n < ROW_MAX);
    memcpy(l->text + l->n, s, n);
    l->n += n;
}

/* v / 10^decimals, without trailing zeros: printf is too slow for tens of millions of cells. */
static void put_fixed(struct line *l, int64_t v, int decimals)
{
    char digits[NUMBER_MAX];
    int at = NUMBER_MAX;
    TALLY_ASSERT(v >= 0 && decimals < 10);
    for (; decimals > 0 && v % 10 == 0; decimals--) v /= 10;
    for (int d = 0; v > 0 || d <= decimals; d++, v /= 10) {
        if (d == decimals && d > 0) digits[--at] = '.';
        digits[--at] = (char)('0' + v % 10);
    }
    TALLY_ASSERT(l->n + NUMBER_MAX < ROW_MAX);
    memcpy(l->text + l->n, digits + at, (size_t)(NUMBER_MAX - at));
    l->n += (size_t)(NUMBER_MAX - at);
}

static void put_row(struct line *l, const struct tally_features_row *row)
{
    l->n = 0;
    put_fixed(l, row->tx->ts, 0);
    put_text(l, ",");
    put_fixed(l, row->tx->id, 0);
    for (uint32_t f = 0; f < TALLY_FEATURES; f++) {
        const struct tally_feature_column *c = tally_feature_column((enum tally_feature)f);
        put_text(l, ",");
        if (c->words)
            put_text(l, c->words[row->v[f]]);
        else
            put_fixed(l, row->v[f], c->decimals);
    }
    put_text(l, row->tx->pattern ? ",1\n" : ",0\n");
}

enum tally_status tally_generate_table(const struct tally_world *w, uint32_t bank, FILE *to)
{
    __attribute__((cleanup(tally_features_free))) struct tally_features f;
    struct tally_features_row row;
    struct line l;
    TALLY_TRY(tally_features_init(&f, w, bank));
    (void)fputs("ts,tx_id", to);
    for (uint32_t i = 0; i < TALLY_FEATURES; i++)
        (void)fprintf(to, ",%s", tally_feature_column((enum tally_feature)i)->name);
    (void)fputs(",label\n", to);
    while (tally_features_next(&f, &row)) {
        put_row(&l, &row);
        TALLY_ENSURE(fwrite(l.text, 1, l.n, to) == l.n, TALLY_E_IO, "a table cannot be written");
    }
    return TALLY_OK;
}

static void put_column(const struct tally_feature_column *c, FILE *to)
{
    (void)fprintf(to, "    { \"name\": \"%s\", ", c->name);
    if (!c->words) {
        (void)fprintf(to, "\"kind\": \"numeric\", \"missing\": \"mean\"%s }",
                      c->log1p ? ", \"transform\": \"log1p\"" : "");
        return;
    }
    (void)fputs("\"kind\": \"category\", \"values\": [", to);
    for (size_t i = 0; c->words[i]; i++) (void)fprintf(to, "%s\"%s\"", i ? ", " : "", c->words[i]);
    (void)fputs("] }", to);
}

enum tally_status tally_generate_schema(FILE *to)
{
    (void)fprintf(to,
                  "{ \"label\": { \"column\": \"label\", \"positive\": \"1\" }, \"time\": \"ts\", "
                  "\"ignore\": [\"tx_id\"],\n"
                  "  \"held_out\": { \"by\": \"time\", \"permille\": %d }, \"bad_rows\": "
                  "\"refuse\",\n  \"columns\": [\n",
                  TALLY_GENERATE_HELD_OUT_PERMILLE);
    for (uint32_t i = 0; i < TALLY_FEATURES; i++) {
        put_column(tally_feature_column((enum tally_feature)i), to);
        (void)fputs(i + 1 < TALLY_FEATURES ? ",\n" : "\n", to);
    }
    (void)fputs("  ] }\n", to);
    TALLY_ENSURE(!ferror(to), TALLY_E_IO, "the schema cannot be written");
    return TALLY_OK;
}

static void print_part(const char *name, const struct tally_generate_part *p, FILE *to)
{
    (void)fprintf(to, "\"%s\":{\"rows\":%zu,\"positives\":%zu,\"typologies\":{", name, p->rows,
                  p->positives);
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++)
        (void)fprintf(to, "%s\"%s\":%zu", t ? "," : "", tally_typology_name((enum tally_typology)t),
                      p->of[t]);
    (void)fputs("}}", to);
}

static void print_json(const struct tally_world *w, const struct tally_generate_summary *s,
                       FILE *to)
{
    (void)fprintf(to, "{\"transactions\":%zu,\"lacking_positives\":%zu,\"banks\":[",
                  s->transactions, s->lacking_positives);
    for (uint32_t b = 0; b < w->config.banks; b++) {
        (void)fprintf(to, "%s{\"name\":\"bank-%u\",\"cut\":%lld,", b ? "," : "", b + 1,
                      (long long)s->bank[b].cut_s);
        print_part("train", &s->bank[b].train, to);
        (void)fputc(',', to);
        print_part("test", &s->bank[b].test, to);
        (void)fputs(",\"lacking\":[", to);
        const char *comma = "";
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
            if (!tally_generate_lacking(&s->bank[b], (enum tally_typology)t)) continue;
            (void)fprintf(to, "%s\"%s\"", comma, tally_typology_name((enum tally_typology)t));
            comma = ",";
        }
        (void)fputs("]}", to);
    }
    (void)fputs("]}\n", to);
}

void tally_generate_print(const struct tally_world *w, const struct tally_generate_summary *s,
                          int json, FILE *to)
{
    if (json) {
        print_json(w, s, to);
        return;
    }
    (void)fprintf(to,
                  "%zu transactions; illicit rows in training / held out, - where a bank "
                  "lacks a typology in training\n%-22s",
                  s->transactions, "");
    for (uint32_t b = 0; b < w->config.banks; b++) (void)fprintf(to, "      bank-%-3u", b + 1);
    (void)fprintf(to, "\n%-22s", "rows");
    for (uint32_t b = 0; b < w->config.banks; b++)
        (void)fprintf(to, " %6zu/%-6zu", s->bank[b].train.rows, s->bank[b].test.rows);
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
        (void)fprintf(to, "\n%-22s", tally_typology_name((enum tally_typology)t));
        for (uint32_t b = 0; b < w->config.banks; b++) {
            const struct tally_generate_bank *k = &s->bank[b];
            if (tally_generate_lacking(k, (enum tally_typology)t))
                (void)fprintf(to, " %6s/%-6zu", "-", k->test.of[t]);
            else
                (void)fprintf(to, " %6zu/%-6zu", k->train.of[t], k->test.of[t]);
        }
    }
    (void)fprintf(to, "\nheld-out rows of lacking pairs: %zu\n", s->lacking_positives);
}
