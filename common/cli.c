/* cli.c - see cli.h. */
#include "common/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/suggest.h"

enum { WAY_MAX = 128, LINE_MAX_ = 1024, WORDS_MAX = 64 };

static const char *program_name;

static const char *name_of_program(void)
{
    return program_name != NULL ? program_name : program_invocation_short_name;
}

/* ---- results ---- */

int tally_cli_json(json_t *object)
{
    int bad = object == NULL || json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));

    json_decref(object);
    bad |= fputc('\n', stdout) == EOF;
    bad |= fflush(stdout) != 0;
    return bad ? TALLY_EXIT_FAILED : TALLY_EXIT_DONE;
}

static int fail_with(int code, bool json, const char *line, enum tally_reason reason)
{
    (void)fprintf(stderr, "%s: %s\n", name_of_program(), line);
    if (!json) return code;
    json_t *e = json_pack("{s:s}", "error", line);
    if (reason != TALLY_R_NONE)
        (void)json_object_set_new(e, "reason", json_string(tally_reason_name(reason)));
    (void)tally_cli_json(e);
    return code;
}

int tally_cli_fail(enum tally_status status, bool json, const char *what, const char *remedy)
{
    char line[LINE_MAX_];
    const char *why = tally_why_text();
    enum tally_reason reason = tally_reason();
    const char *name = tally_reason_name(reason);

    if (*why == '\0') why = tally_status_text(status);
    (void)snprintf(line, sizeof line, "%s: %s%s%s%s%s", what, name, *name != '\0' ? ": " : "", why,
                   remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
    return fail_with(status == TALLY_E_UNDECIDED ? TALLY_EXIT_UNDECIDED : TALLY_EXIT_FAILED, json,
                     line, reason);
}

void tally_cli_say(bool json, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vfprintf(json ? stderr : stdout, fmt, ap);
    va_end(ap);
    (void)fputc('\n', json ? stderr : stdout);
}

void tally_cli_warn(const char *fmt, ...)
{
    char line[LINE_MAX_];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "%s: warning: %s\n", name_of_program(), line);
}

TALLY_PRINTF(2, 3) static int usage(bool json, const char *fmt, ...)
{
    char line[LINE_MAX_];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return fail_with(TALLY_EXIT_USAGE, json, line, TALLY_R_NONE);
}

/* A usage error can come before the options are read; so the word itself is looked for. */
static bool asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) return true;
    }
    return false;
}

/* ---- commands ---- */

static void print_commands(const char *way, const char *about,
                           const struct tally_cli_command *commands, size_t n)
{
    size_t width = 0;

    (void)printf("%s: %s\n\nusage: %s COMMAND [--help]\n\n", way, about, way);
    for (size_t i = 0; i < n; i++)
        width = strlen(commands[i].name) > width ? strlen(commands[i].name) : width;
    for (size_t i = 0; i < n; i++)
        (void)printf("  %-*s  %s\n", (int)width, commands[i].name, commands[i].help);
}

static int no_command(bool json, const char *way, const char *word,
                      const struct tally_cli_command *commands, size_t n)
{
    const char *words[WORDS_MAX];

    if (word == NULL) return usage(json, "a command is missing; see %s --help", way);
    for (size_t i = 0; i < n && i < WORDS_MAX; i++) words[i] = commands[i].name;
    const char *near = tally_suggest(word, words, n < WORDS_MAX ? n : WORDS_MAX);
    if (near != NULL)
        return usage(json, "\"%.40s\" is no command of %s; did you mean \"%s\"?", word, way, near);
    return usage(json, "\"%.40s\" is no command of %s; see %s --help", word, way, way);
}

static const struct tally_cli_command *command_named(const struct tally_cli_command *commands,
                                                     size_t n, const char *word)
{
    for (size_t i = 0; word != NULL && i < n; i++) {
        if (strcmp(commands[i].name, word) == 0) return &commands[i];
    }
    return NULL;
}

static bool is_help(const char *word)
{
    return word != NULL &&
           (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0);
}

int tally_cli_main(const struct tally_cli_program *program, int argc, char **argv)
{
    const struct tally_cli_command *commands = program->commands;
    const char *about = program->about;
    size_t n = program->commands_n;
    char way[WAY_MAX];
    bool json = asks_json(argc, argv);

    program_name = program->name;
    (void)snprintf(way, sizeof way, "%s", program->name);
    for (int i = 1; i <= argc; i++) {
        const char *word = argv[i]; /* argv[argc] is NULL */
        if (is_help(word)) {
            print_commands(way, about, commands, n);
            return TALLY_EXIT_DONE;
        }
        const struct tally_cli_command *c = command_named(commands, n, word);
        if (c == NULL) return no_command(json, way, word, commands, n);
        size_t used = strlen(way);
        (void)snprintf(way + used, sizeof way - used, " %s", c->name);
        if (c->run != NULL) {
            argv[i] = way;
            return c->run(argc - i, argv + i);
        }
        about = c->help;
        commands = c->sub;
        n = c->sub_n;
    }
    return TALLY_EXIT_USAGE;
}

/* ---- options of one command ---- */

static void print_options(const char *way, const struct tally_cli_spec *spec)
{
    char left[64];

    (void)printf("%s\n\nusage: %s", spec->about, way);
    for (size_t i = 0; i < spec->options_n; i++) {
        const struct tally_cli_option *o = &spec->options[i];
        (void)printf(" %s--%s%s%s%s%s", o->required ? "" : "[", o->name, o->value ? " " : "",
                     o->value ? o->value : "", o->required ? "" : "]",
                     o->type == TALLY_CLI_LIST ? "..." : "");
    }
    (void)printf("%s%s\n\n", spec->operands ? " " : "", spec->operands ? spec->operands : "");
    for (size_t i = 0; i < spec->options_n; i++) {
        const struct tally_cli_option *o = &spec->options[i];
        (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                       o->value ? o->value : "");
        (void)printf("  %-28s  %s\n", left, o->help);
    }
    (void)printf("  %-28s  %s\n", "--help", "this text");
}

struct parse {
    const struct tally_cli_spec *spec;
    uint8_t *values;
    uint64_t seen; /* bit i: option i was given */
    bool json;
    const char *way;
};

static const struct tally_cli_option *option_named(const struct tally_cli_spec *spec,
                                                   const char *name, size_t len)
{
    for (size_t i = 0; i < spec->options_n; i++) {
        const struct tally_cli_option *o = &spec->options[i];
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) return o;
    }
    return NULL;
}

static int no_option(const struct parse *p, const char *name, size_t len)
{
    const char *words[WORDS_MAX];
    char word[WAY_MAX];
    size_t n = 0;

    (void)snprintf(word, sizeof word, "%.*s", (int)(len < 40 ? len : 40), name);
    for (; n < p->spec->options_n && n < WORDS_MAX; n++) words[n] = p->spec->options[n].name;
    const char *near = tally_suggest(word, words, n);
    if (near != NULL)
        return usage(p->json, "--%s is no option of %s; did you mean --%s?", word, p->way, near);
    return usage(p->json, "--%s is no option of %s; see %s --help", word, p->way, p->way);
}

static int store_int(struct parse *p, const struct tally_cli_option *o, const char *value)
{
    char *end = NULL;

    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || v < o->min || v > o->max)
        return usage(p->json, "--%s \"%.40s\": expected an integer from %lld to %lld", o->name,
                     value, (long long)o->min, (long long)o->max);
    int64_t stored = v;
    memcpy(p->values + o->at, &stored, sizeof stored);
    return TALLY_CLI_GO;
}

static int store(struct parse *p, const struct tally_cli_option *o, const char *value)
{
    uint64_t bit = UINT64_C(1) << (o - p->spec->options);

    if ((p->seen & bit) != 0 && o->type != TALLY_CLI_LIST)
        return usage(p->json, "--%s is given twice", o->name);
    p->seen |= bit;
    if (o->type == TALLY_CLI_INT) return store_int(p, o, value);
    if (o->type == TALLY_CLI_FLAG) {
        *(bool *)(void *)(p->values + o->at) = true;
    } else if (o->type == TALLY_CLI_TEXT) {
        memcpy(p->values + o->at, &value, sizeof value);
    } else {
        struct tally_cli_list *list = (void *)(p->values + o->at);
        if (list->n == TALLY_CLI_LIST_MAX)
            return usage(p->json, "--%s is given more than %d times", o->name, TALLY_CLI_LIST_MAX);
        list->items[list->n++] = value;
    }
    return TALLY_CLI_GO;
}

/* One "--name[=value]" at argv[*i]; takes the next word if it needs one. */
static int read_option(struct parse *p, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct tally_cli_option *o = option_named(p->spec, name, len);

    if (o == NULL) return no_option(p, name, len);
    if (o->type == TALLY_CLI_FLAG) {
        if (equals != NULL) return usage(p->json, "--%s takes no value", o->name);
        return store(p, o, NULL);
    }
    if (equals != NULL) return store(p, o, equals + 1);
    if (*i + 1 >= argc) return usage(p->json, "--%s needs a value: %s", o->name, o->value);
    *i += 1;
    return store(p, o, argv[*i]);
}

static int check_whole(const struct parse *p, size_t operands)
{
    for (size_t i = 0; i < p->spec->options_n; i++) {
        const struct tally_cli_option *o = &p->spec->options[i];
        if (o->required && (p->seen >> i & 1) == 0)
            return usage(p->json, "--%s %s is missing; see %s --help", o->name,
                         o->value != NULL ? o->value : "", p->way);
    }
    if (operands < p->spec->operands_min)
        return usage(p->json, "%s is missing; see %s --help", p->spec->operands, p->way);
    if (operands > p->spec->operands_max)
        return usage(p->json, "%s takes %s%zu operands; %zu are given", p->way,
                     p->spec->operands_min < p->spec->operands_max ? "at most " : "",
                     p->spec->operands_max, operands);
    return TALLY_CLI_GO;
}

int tally_cli_options(int argc, char **argv, const struct tally_cli_spec *spec, void *values,
                      size_t *operands_n)
{
    struct parse p = {
        .spec = spec, .values = values, .json = asks_json(argc, argv), .way = argv[0]};
    size_t operands = 0;
    bool only_operands = false;

    TALLY_ASSERT(spec->options_n <= 64);
    for (int i = 1; i < argc; i++) {
        bool option = !only_operands && argv[i][0] == '-' && argv[i][1] != '\0';
        if (option && is_help(argv[i])) {
            print_options(argv[0], spec);
            return TALLY_EXIT_DONE;
        }
        if (option && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (option) {
            if (argv[i][1] != '-')
                return usage(p.json, "\"%.40s\": options are written --name", argv[i]);
            int code = read_option(&p, argc, argv, &i);
            if (code != TALLY_CLI_GO) return code;
        } else {
            argv[++operands] = argv[i];
        }
    }
    if (operands + 1 < (size_t)argc) argv[operands + 1] = NULL;
    if (operands_n != NULL) *operands_n = operands;
    return check_whole(&p, operands);
}
