/* aml-generate: writes the demo's tables. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "examples/aml/generate.h"

static const char usage[] =
    "usage: aml-generate --out DIR [--banks N] [--seed S] [--scale F] [--json]\n"
    "Writes one table of bank transactions per bank, the schema and the truth below DIR.\n"
    "  --banks N   2 to 20 (default 5)\n"
    "  --seed S    the same seed gives the same bytes (default 1)\n"
    "  --scale F   size of the world, 0.02 to 20 (default 1: about 400,000 training rows)\n"
    "  --json      print the summary as one JSON object\n";

struct options {
    struct tally_world_config config;
    const char *out;
    int json, help;
};

static enum tally_status whole(const char *name, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    TALLY_ENSURE(*text >= '0' && *text <= '9' && !*end && !errno, TALLY_E_CONFIG,
                 "--%s: '%s' is not a whole number", name, text);
    *out = v;
    return TALLY_OK;
}

static enum tally_status take(int option, const char *text, struct options *o)
{
    char *end;
    uint64_t n;
    switch (option) {
    case 'b':
        TALLY_TRY(whole("banks", text, &n));
        o->config.banks = n > TALLY_WORLD_BANKS_MAX ? UINT32_MAX : (uint32_t)n;
        return TALLY_OK;
    case 's': return whole("seed", text, &o->config.seed);
    case 'c':
        o->config.scale = strtod(text, &end);
        TALLY_ENSURE(end != text && !*end, TALLY_E_CONFIG, "--scale: '%s' is not a number", text);
        return TALLY_OK;
    case 'o': o->out = text; return TALLY_OK;
    case 'j': o->json = 1; return TALLY_OK;
    case 'h': o->help = 1; return TALLY_OK;
    default: return TALLY_FAIL(TALLY_E_CONFIG, "unknown or incomplete option");
    }
}

static enum tally_status parse(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"banks", required_argument, NULL, 'b'},
        {"seed",  required_argument, NULL, 's'},
        {"scale", required_argument, NULL, 'c'},
        {"out",   required_argument, NULL, 'o'},
        {"json",  no_argument,       NULL, 'j'},
        {"help",  no_argument,       NULL, 'h'},
        {NULL,    0,                 NULL, 0  }
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) // NOLINT: one thread
        TALLY_TRY(take(option, optarg, o));
    TALLY_ENSURE(optind == argc, TALLY_E_CONFIG, "unexpected '%s'", argv[optind]);
    TALLY_ENSURE(o->help || o->out, TALLY_E_CONFIG, "--out DIR is missing");
    return TALLY_OK;
}

static enum tally_status generate(const struct options *o)
{
    __attribute__((cleanup(tally_world_free))) struct tally_world w = {0};
    struct tally_generate_summary s;
    TALLY_TRY(tally_generate_world(&o->config, &w));
    TALLY_TRY(tally_generate_summarise(&w, &s));
    TALLY_TRY(tally_generate_write(&w, &s, o->out));
    tally_generate_print(&w, &s, o->json, stdout);
    TALLY_ENSURE(fflush(stdout) == 0, TALLY_E_IO, "stdout: %s", strerror(errno));
    return TALLY_OK;
}

int main(int argc, char **argv)
{
    struct options o = {
        .config = {.banks = 5, .seed = 1, .scale = 1}
    };
    if (parse(argc, argv, &o) != TALLY_OK) {
        (void)fprintf(stderr, "aml-generate: %s\n%s", tally_why_text(), usage);
        return 2;
    }
    if (o.help) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (generate(&o) == TALLY_OK) return 0;
    (void)fprintf(stderr, "aml-generate: %s\n", tally_why_text());
    return 1;
}
