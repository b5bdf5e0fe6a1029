/* cmd_evidence.c - see cmd_evidence.h. */
#include "agent/cmd_evidence.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/evidence_case.h"
#include "agent/evidence_show.h"
#include "common/attest/ear.h"
#include "common/secret.h"
#include "common/text.h"

enum { TRUSTED, REFUSED, USAGE, UNDECIDED };

static const char usage_text[] =
    "usage: evidence verify snp --report F --vek F [--issuer F] [--crl F]...\n"
    "                       (--federation F | --anchor F) [--at 2026-01-31T00:00:00Z]\n"
    "                       [--policy strict|integrity] [--measurement HEX] [--report-data HEX]\n"
    "                       [--json]\n"
    "       evidence show snp FILE [--json]\n";

static int usage(const char *why)
{
    (void)fprintf(stderr, "evidence: %s\n%s", why, usage_text);
    return USAGE;
}

static void free_case(struct evidence_case **c)
{
    free(*c);
}

/* NULL, or what is wrong with the options together. */
static const char *wrong(const struct evidence_options *o)
{
    if (o->report == NULL || o->vek == NULL) return "--report and --vek are needed";
    if ((o->federation == NULL) == (o->anchor == NULL))
        return "give one of --federation and --anchor";
    if (o->policy == NULL) return NULL;
    if (strcmp(o->policy, "strict") != 0 && strcmp(o->policy, "integrity") != 0)
        return "--policy is strict or integrity";
    if (o->federation != NULL && strcmp(o->policy, "strict") != 0)
        return "a federation judges by its own policy, never by integrity alone";
    return NULL;
}

static const char *parse(int argc, char **argv, struct evidence_options *o)
{
    enum { REPORT = 256, VEK, ISSUER, CRL, FEDERATION, ANCHOR, AT, POLICY, MEASURED, DATA, JSON };
    static const struct option longs[] = {
        {"report",           required_argument, NULL, REPORT},
        {"vek",              required_argument, NULL, VEK},
        {"issuer",                  required_argument, NULL, ISSUER},
        {"crl",required_argument, NULL, CRL},
        {"federation",               required_argument, NULL, FEDERATION},
        {"anchor",           required_argument, NULL, ANCHOR},
        {"at",              required_argument, NULL, AT},
        {"policy",                  required_argument, NULL, POLICY},
        {"measurement",              required_argument, NULL, MEASURED},
        {"report-data",               required_argument, NULL, DATA},
        {"json",       no_argument, NULL, JSON},
        {0             }
    };
    const char **to[] = {&o->report,      &o->vek,        &o->issuer, NULL,
                         &o->federation,  &o->anchor,     &o->at,     &o->policy,
                         &o->measurement, &o->report_data};

    optind = 0; /* glibc: begin anew, whoever parsed before */
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "+", longs, NULL)) != -1;) {
        if (c == JSON) {
            o->json = true;
        } else if (c == CRL) {
            if (o->crls_n == TALLY_SNP_CRLS_MAX) return "too many --crl";
            o->crls[o->crls_n++] = optarg;
        } else if (c >= REPORT && c <= DATA) {
            if (*to[c - REPORT] != NULL) return "an option is given twice";
            *to[c - REPORT] = optarg;
        } else {
            return "unknown option, or one without its value";
        }
    }
    return optind == argc ? wrong(o) : "unexpected argument";
}

static void put_time(json_t *o, const char *key, uint64_t s)
{
    char text[TALLY_TIME_TEXT_SIZE];

    tally_time_text(s, text);
    (void)json_object_set_new(o, key, s == 0 ? json_null() : json_string(text));
}

static json_t *reasons(const struct tally_failure *list, uint32_t n)
{
    json_t *out = json_array();

    for (uint32_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_pack("{s:s, s:s}", "check",
                                                   tally_reason_name(list[i].reason), "why",
                                                   list[i].why));
    return out;
}

static const char *const words[] = {
    [TRUSTED] = "trusted", [REFUSED] = "refused", [USAGE] = "", [UNDECIDED] = "undecided"};

static json_t *tcb_json(const struct tally_tcb_status *t)
{
    if (t->status == NULL) return json_null();
    return json_pack("{s:s?, s:s?, s:s?, s:s}", "platform", t->platform, "module", t->module, "qe",
                     t->qe, "status", t->status);
}

static json_t *verdict_json(int rc, const struct tally_verdict *v)
{
    json_t *o = json_object(), *valid = json_object();

    (void)json_object_set_new(o, "verdict", json_string(words[rc]));
    (void)json_object_set_new(o, "failed",
                              v->undecided ? reasons(v->missing, v->missing_n)
                                           : reasons(v->failed, v->failed_n));
    (void)json_object_set_new(o, "claims", tally_claims_json(v));
    (void)json_object_set_new(o, "tcb", tcb_json(&v->tcb));
    put_time(valid, "from", v->not_before_s);
    put_time(valid, "until", v->not_after_s);
    (void)json_object_set_new(o, "valid", valid);
    return o;
}

static int print_json(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    int bad = text == NULL || printf("%s\n", text) < 0 || fflush(stdout) != 0;

    free(text);
    json_decref(o);
    return bad;
}

/* Nothing was judged: a file is missing or is none. */
static int failed(bool json, const char *check)
{
    (void)fprintf(stderr, "evidence: %s%s%s\n", check, *check ? ": " : "", tally_why_text());
    if (json) (void)print_json(json_pack("{s:s, s:s}", "error", tally_why_text(), "check", check));
    return REFUSED;
}

static int print_text(int rc, const struct tally_verdict *v)
{
    char from[TALLY_TIME_TEXT_SIZE], until[TALLY_TIME_TEXT_SIZE];
    const struct tally_failure *list = v->undecided ? v->missing : v->failed;
    uint32_t n = v->undecided ? v->missing_n : v->failed_n;

    (void)printf("%s\n", words[rc]);
    for (uint32_t i = 0; i < n; i++)
        (void)printf("  %s: %s\n", tally_reason_name(list[i].reason), list[i].why);
    if (v->authentic)
        (void)printf("  signed by a %s chip under a root of class \"%s\"\n", v->product,
                     tally_trust_class_name(v->trust));
    if (v->not_after_s != 0) {
        tally_time_text(v->not_before_s, from);
        tally_time_text(v->not_after_s, until);
        (void)printf("  holds from %s until %s\n", from, until);
    }
    return fflush(stdout) != 0;
}

static int verify(int argc, char **argv)
{
    struct evidence_options o = {0};
    TALLY_CLEANUP(free_case) struct evidence_case *c = calloc(1, sizeof *c);
    static struct tally_verdict v;
    const char *bad = parse(argc, argv, &o);

    if (bad != NULL) return usage(bad);
    if (c == NULL) return REFUSED;
    if (evidence_case_values(c, &o) != TALLY_OK) return usage(tally_why_text());
    if (evidence_case_load(c, &o) != TALLY_OK) return failed(o.json, "");
    enum tally_status s =
        tally_verify_snp(&c->in, c->anchors, c->anchors_n, &c->policy, &c->expect, &v);
    int rc = s == TALLY_OK ? TRUSTED : s == TALLY_E_UNDECIDED ? UNDECIDED : REFUSED;
    int lost = o.json ? print_json(verdict_json(rc, &v)) : print_text(rc, &v);
    return lost && rc == TRUSTED ? REFUSED : rc;
}

static int print_fields(json_t *fields)
{
    size_t i;
    json_t *f;

    json_array_foreach(fields, i, f)
    {
        (void)printf("0x%04x %-20s %s\n%7s%s\n",
                     (unsigned)json_integer_value(json_object_get(f, "offset")),
                     json_string_value(json_object_get(f, "field")),
                     json_string_value(json_object_get(f, "value")), "",
                     json_string_value(json_object_get(f, "meaning")));
    }
    json_decref(fields);
    return fflush(stdout) != 0;
}

static int show(int argc, char **argv)
{
    static uint8_t bytes[EVIDENCE_REPORT_MAX];
    size_t len = 0;
    const char *file = NULL;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-' || file != NULL)
            return usage("unexpected argument");
        else
            file = argv[i];
    }
    if (file == NULL) return usage("which file?");
    if (evidence_read_file(file, bytes, sizeof bytes, &len) != TALLY_OK) return failed(json, "");
    json_t *fields = json_array();
    if (evidence_show_snp(tally_slice_of(bytes, len), fields) != TALLY_OK) {
        json_decref(fields);
        return failed(json, tally_reason_name(tally_reason()));
    }
    return json ? print_json(json_pack("{s:o}", "fields", fields)) : print_fields(fields);
}

int tally_cmd_evidence(int argc, char **argv)
{
    if (argc < 3) return usage("verify or show what?");
    if (strcmp(argv[2], "snp") != 0) return usage("the only kind of evidence yet is snp");
    if (strcmp(argv[1], "verify") == 0) return verify(argc - 2, argv + 2);
    if (strcmp(argv[1], "show") == 0) return show(argc - 2, argv + 2);
    return usage("verify or show what?");
}
