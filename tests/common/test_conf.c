/* test_conf.c - common/conf.c: every mistake is refused in its own line, and what is written reads
 * back. */
#include "common/conf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/suite.h"

struct values {
    char mode[TALLY_CONF_TEXT_SIZE], org[TALLY_CONF_TEXT_SIZE], title[TALLY_CONF_TEXT_SIZE];
    char state_dir[TALLY_CONF_PATH_SIZE], chip[TALLY_CONF_PATH_SIZE];
    int64_t threads;
    bool quiet;
    struct tally_conf_list tags;
    char kind[TALLY_CONF_TEXT_SIZE];
};
#define AT(field) offsetof(struct values, field)

static const char *const modes[] = {"production", "test", NULL};
static const char *const kinds[] = {"simulated", NULL};
static const struct tally_conf_key keys[] = {
    TALLY_CONF_KEY("mode", TALLY_CONF_CHOICE, AT(mode), 0, 0, modes, "production",
                   "Which documents count."),
    TALLY_CONF_KEY("org", TALLY_CONF_NAME, AT(org), 0, 0, NULL, NULL, "This party."),
    TALLY_CONF_KEY("title", TALLY_CONF_STRING, AT(title), 0, 0, NULL, "", "For people."),
    TALLY_CONF_KEY("state_dir", TALLY_CONF_PATH, AT(state_dir), 0, 0, NULL, "state",
                   "What must survive."),
    TALLY_CONF_KEY("threads", TALLY_CONF_INT, AT(threads), 1, 64, NULL, "2", "For training."),
    TALLY_CONF_KEY("quiet", TALLY_CONF_BOOL, AT(quiet), 0, 0, NULL, "false", "No progress."),
    TALLY_CONF_KEY("tags", TALLY_CONF_LIST, AT(tags), 0, 3, NULL, "", "Any words."),
    TALLY_CONF_KEY("device.kind", TALLY_CONF_CHOICE, AT(kind), 0, 0, kinds, "simulated",
                   "The TEE."),
    TALLY_CONF_KEY("device.chip", TALLY_CONF_PATH, AT(chip), 0, 0, NULL, "", "Its chip."),
};
static const struct tally_conf_table table = {"A test.", keys, sizeof keys / sizeof keys[0],
                                              sizeof(struct values)};

static struct values v;

static enum tally_status parse(const char *text)
{
    size_t n = strlen(text);
    uint8_t *exact = malloc(n + (n == 0));

    memcpy(exact, text, n);
    enum tally_status s = tally_conf_parse(&table, "dir/a.yaml", tally_slice_of(exact, n), &v);
    free(exact);
    return s;
}

/* Rows as calls, which the formatter keeps within the page. */
#define ROW(...)    \
    {               \
        __VA_ARGS__ \
    }

START_TEST(what_is_given_is_read_and_the_rest_has_its_default)
{
    ck_assert_msg(parse("# a comment\nmode: test\norg: bank-1\ntitle: \"a \\\"b\\\" c\"\n"
                        "threads: 64\nquiet: true\ntags: [x, \"y z\"]\n"
                        "device:\n  chip: /abs/chip\n") == TALLY_OK,
                  "%s", tally_why());
    ck_assert_str_eq(v.mode, "test");
    ck_assert_str_eq(v.org, "bank-1");
    ck_assert_str_eq(v.title, "a \"b\" c");
    ck_assert_str_eq(v.state_dir, "state");
    ck_assert_int_eq(v.threads, 64);
    ck_assert(v.quiet);
    ck_assert_uint_eq(v.tags.n, 2);
    ck_assert_str_eq(v.tags.items[1], "y z");
    ck_assert_str_eq(v.chip, "/abs/chip");
    ck_assert_str_eq(v.kind, "simulated");
    ck_assert_int_eq(parse("org: b\nstate_dir: s\n"), TALLY_OK);
    ck_assert_str_eq(v.state_dir, "dir/s"); /* from the file's folder */
    ck_assert_str_eq(v.mode, "production");
    ck_assert_int_eq(v.threads, 2);
}
END_TEST

static const struct {
    const char *text, *why;
} wrong[] = {
    ROW("", "dir/a.yaml:1: is empty; expected keys and values"),
    ROW("# only a comment\n", "dir/a.yaml:1: is empty; expected keys and values"),
    ROW("- a\n", "dir/a.yaml:1: expected keys and values"),
    ROW("just words\n", "dir/a.yaml:1: expected keys and values"),
    ROW("mode: test\n\n",
        "dir/a.yaml:3: org: is missing; expected a name: 1 to 63 of a-z 0-9 . _ -"),
    ROW("org: b\nmdoe: test\n", "dir/a.yaml:2: mdoe: unknown key; did you mean \"mode\"?"),
    ROW("org: b\nfrobnicate: 1\n", "dir/a.yaml:2: frobnicate: unknown key"),
    ROW("org: b\ndevice:\n  knid: simulated\n",
        "dir/a.yaml:3: device.knid: unknown key; did you mean \"device.kind\"?"),
    ROW("org: b\ndevice.kind: simulated\n",
        "dir/a.yaml:2: device.kind: unknown key; keys of a map stand indented below its name"),
    ROW("org: b\nthreads: 2\n\nthreads: 3\n",
        "dir/a.yaml:4: threads: is there twice (first in line 2)"),
    ROW("org: b\ndevice:\n  chip: a\ndevice:\n  kind: simulated\n",
        "dir/a.yaml:4: device: is there twice"),
    ROW("org: b\ndevice: simulated\n", "dir/a.yaml:2: device: expected keys, indented below it"),
    ROW("org: b\nmode: prod\n", "dir/a.yaml:2: mode: expected production or test, not \"prod\""),
    ROW("org: B\n", "dir/a.yaml:1: org: expected a name: 1 to 63 of a-z 0-9 . _ -, not \"B\""),
    ROW("org: ~\n", "dir/a.yaml:1: org: expected a name: 1 to 63 of a-z 0-9 . _ -, not \"~\""),
    ROW("org:\nmode: test\n",
        "dir/a.yaml:1: org: expected a name: 1 to 63 of a-z 0-9 . _ -, not \"\""),
    ROW("org: b\nthreads: 65\n",
        "dir/a.yaml:2: threads: expected an integer from 1 to 64, not \"65\""),
    ROW("org: b\nthreads: 0\n",
        "dir/a.yaml:2: threads: expected an integer from 1 to 64, not \"0\""),
    ROW("org: b\nthreads: \"2\"\n",
        "dir/a.yaml:2: threads: expected an integer from 1 to 64, not \"2\""),
    ROW("org: b\nthreads: 2.0\n",
        "dir/a.yaml:2: threads: expected an integer from 1 to 64, not \"2.0\""),
    ROW("org: b\nthreads: 99999999999999999999\n",
        "dir/a.yaml:2: threads: expected an integer from 1 to 64, not \"99999999999999999999\""),
    ROW("org: b\nthreads: [2]\n", "dir/a.yaml:2: threads: expected an integer from 1 to 64"),
    ROW("org: b\nquiet: yes\n", "dir/a.yaml:2: quiet: expected true or false, not \"yes\""),
    ROW("org: b\nquiet: \"true\"\n", "dir/a.yaml:2: quiet: expected true or false, not \"true\""),
    ROW("org: b\nstate_dir: \"\"\n", "dir/a.yaml:2: state_dir: expected a path, not \"\""),
    ROW("org: b\ntitle: \"a\\nb\"\n",
        "dir/a.yaml:2: title: expected text, not \"(control characters)\""),
    ROW("org: b\ntitle: \"a\\0b\"\n", "dir/a.yaml:2: a zero byte: expected text"),
    ROW("org: b\ntitle:\n  x: y\n", "dir/a.yaml:3: title: expected text"),
    ROW("org: b\ntags: x\n", "dir/a.yaml:2: tags: expected a list of 0 to 3 texts"),
    ROW("org: b\ntags: [a, b, c, d]\n",
        "dir/a.yaml:2: tags: expected a list of 0 to 3 texts, not \"d\""),
    ROW("org: b\ntags:\n - a\n - [b]\n", "dir/a.yaml:4: tags: expected a list of texts"),
    ROW("org: &a b\ntitle: *a\n", "dir/a.yaml:1: an anchor (&): expected plain keys and values"),
    ROW("org: b\ntitle: *a\n", "dir/a.yaml:2: an alias (*): expected plain keys and values"),
    ROW("org: !!str b\n", "dir/a.yaml:1: a tag (!): expected plain keys and values"),
    ROW("org: b\ndevice: &d\n  kind: simulated\n",
        "dir/a.yaml:2: an anchor (&) or tag (!): expected plain keys and values"),
    ROW("org: b\ntags: !x [a]\n",
        "dir/a.yaml:2: an anchor (&) or tag (!): expected plain keys and values"),
    ROW("%YAML 1.1\n---\norg: b\n",
        "dir/a.yaml:1: a directive (%): expected plain keys and values"),
    ROW("org: b\n---\norg: c\n", "dir/a.yaml:2: a second document: expected one"),
    ROW("org: b\n? [x, y]\n: z\n", "dir/a.yaml:2: expected a key"),
    ROW("org: b\n<<: c\n", "dir/a.yaml:2: <<: unknown key"),
    ROW("org: b\n\ttitle: x\n",
        "dir/a.yaml:2: not YAML: found a tab character that violates indentation"),
    ROW("org: \"b\n", "dir/a.yaml:2: not YAML: found unexpected end of stream"),
    ROW("org: b\xff\n", "dir/a.yaml:1: not YAML: invalid leading UTF-8 octet"),
};
enum { WRONG = sizeof wrong / sizeof wrong[0] };

START_TEST(a_mistake_is_refused_with_file_line_and_what_was_expected)
{
    struct values before;

    memset(&v, 0x5a, sizeof v);
    memcpy(&before, &v, sizeof v);
    ck_assert_int_eq(parse(wrong[_i].text), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), wrong[_i].why);
    ck_assert_mem_eq(&v, &before, sizeof v); /* filled only on success */
}
END_TEST

START_TEST(texts_too_long_are_refused)
{
    char text[2048], fill[1100];

    memset(fill, 'a', sizeof fill - 1);
    fill[sizeof fill - 1] = '\0';
    (void)snprintf(text, sizeof text, "org: b\ntitle: %s\n", fill);
    ck_assert_int_eq(parse(text), TALLY_E_CONFIG);
    (void)snprintf(text, sizeof text, "org: b\nstate_dir: %s\n", fill);
    ck_assert_int_eq(parse(text), TALLY_E_CONFIG);
    (void)snprintf(text, sizeof text, "org: b\n%s: x\n", fill + 200);
    ck_assert_int_eq(parse(text), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "unknown key"));
    char *big = calloc(1, TALLY_CONF_BYTES_MAX + 2);
    memset(big, '\n', TALLY_CONF_BYTES_MAX + 1);
    ck_assert_int_eq(parse(big), TALLY_E_LIMIT);
    free(big);
}
END_TEST

START_TEST(what_is_written_reads_back_and_names_every_key)
{
    struct values in;
    char *text = NULL;

    tally_conf_defaults(&table, &in);
    (void)snprintf(in.org, sizeof in.org, "bank-1");
    (void)snprintf(in.title, sizeof in.title, "odd: \"x\" \\ # not a comment");
    (void)snprintf(in.chip, sizeof in.chip, "/a b/chip");
    (void)snprintf(in.mode, sizeof in.mode, "test");
    in.threads = 9;
    in.quiet = true;
    in.tags.n = 2;
    (void)snprintf(in.tags.items[0], TALLY_CONF_TEXT_SIZE, "a,b");
    (void)snprintf(in.tags.items[1], TALLY_CONF_TEXT_SIZE, "null");
    (void)snprintf(in.state_dir, sizeof in.state_dir, "/var/lib/tally");
    ck_assert_int_eq(tally_conf_text(&table, &in, &text), TALLY_OK);
    ck_assert_msg(parse(text) == TALLY_OK, "%s\n%s", tally_why(), text);
    ck_assert_mem_eq(&v, &in, sizeof v);
    ck_assert_ptr_nonnull(strstr(text, "# A test.\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "# For training.\n# Expected: an integer from 1 to 64. Default: 2.\n"
                     "threads: 9\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ndevice:\n  # The TEE.\n"));
    for (size_t i = 0; i < table.keys_n; i++) ck_assert_ptr_nonnull(strstr(text, keys[i].comment));
    free(text);
}
END_TEST

START_TEST(a_file_that_is_not_there_says_so)
{
    ck_assert_int_eq(tally_conf_load(&table, "/nonexistent/a.yaml", &v), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "/nonexistent/a.yaml"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("conf");

    tcase_add_test(t, what_is_given_is_read_and_the_rest_has_its_default);
    tcase_add_loop_test(t, a_mistake_is_refused_with_file_line_and_what_was_expected, 0, WRONG);
    tcase_add_test(t, texts_too_long_are_refused);
    tcase_add_test(t, what_is_written_reads_back_and_names_every_key);
    tcase_add_test(t, a_file_that_is_not_there_says_so);
    return tally_suite_run("common/conf", t);
}
