/* Option tables: values, precedence, errors with hints, help. */
#include "base/opt.h"
#include "tests/tap.h"

#include <stddef.h>
#include <stdlib.h>

typedef struct values {
    bool fast;
    const char *out, *mode;
    int64_t count;
    double limit;
    ws_opt_list define;
} values;

static const ws_opt table[] = {
    {.name = "fast", .letter = 'f', .type = WS_OPT_FLAG, .offset = offsetof(values, fast),
     .help = "go"},
    {.name = "out", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(values, out),
     .fallback = "-", .arg = "FILE", .help = "where", .env = "WS_TEST_OUT"},
    {.name = "count", .letter = 'n', .type = WS_OPT_INT, .offset = offsetof(values, count),
     .fallback = "3", .arg = "N", .help = "how many", .group = "Budget", .min = 0, .max = 5000},
    {.name = "limit", .type = WS_OPT_SECONDS, .offset = offsetof(values, limit), .arg = "TIME",
     .help = "how long", .group = "Budget"},
    {.name = "mode", .type = WS_OPT_CHOICE, .offset = offsetof(values, mode),
     .choices = "auto|on|off",
     .fallback = "auto", .arg = "MODE", .help = "how"},
    {.name = "define", .letter = 'D', .type = WS_OPT_LIST, .offset = offsetof(values, define),
     .arg = "X", .help = "more"},
    {0}};
static const ws_command_doc doc = {.name = "try", .summary = "tries", .usage = "FILE [options]",
                                   .examples = "warpsmith try x", .options = table, .min_args = 1,
                                   .max_args = 2};

static ws_opt_result parse(const char *line, values *v, const char **args, int *nargs, ws_err *err)
{
    static char copy[256], *argv[32];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = strtok(copy, " "); p && argc < 31; p = strtok(NULL, " "))
        argv[argc++] = p;
    *v = (values){0};
    *err = (ws_err){0};
    return ws_opt_parse(&doc, argc, argv, v, args, nargs, err);
}

static void test_values(void)
{
    values v;
    const char *args[32];
    int n;
    ws_err err;
    ok(parse("try a", &v, args, &n, &err) == WS_OPT_RUN && n == 1, "one argument");
    is_str(v.out, "-", "default");
    is_int(v.count, 3, "default number");
    parse("try -fn2k -oX --limit=250ms a --mode on -D a -Db -- --b", &v, args, &n, &err);
    ok(v.fast && v.count == 2000, "clustered letters with a value");
    is_str(v.out, "X", "attached value");
    is_close(v.limit, 0.25, 1e-12, "a time");
    is_str(v.mode, "on", "a choice");
    is_int((long long)v.define.n, 2, "a repeated option");
    is_int(n, 2, "-- ends the options");
    parse("try --fast --no-fast a", &v, args, &n, &err);
    ok(!v.fast, "--no-fast");
    setenv("WS_TEST_OUT", "E", 1);
    parse("try a", &v, args, &n, &err);
    is_str(v.out, "E", "environment over default");
    parse("try a -o F", &v, args, &n, &err);
    is_str(v.out, "F", "flag over environment");
}

static void test_errors(void)
{
    static const char *const cases[][2] = {
        {"try", "too few arguments"},          {"try a b c", "too many arguments"},
        {"try a --cuont 3", "unknown option '--cuont'"}, {"try a --count", "--count needs N"},
        {"try a --count x", "--count 'x': expected a whole number from 0 to 5000"},
        {"try a -n 9k", "expected a whole number"}, {"try a --limit 3y", "expected a time"},
        {"try a --mode maybe", "expected auto|on|off"}, {"try a --fast=1", "--fast takes no value"},
        {"try a -z", "unknown option '-z'"},
    };
    values v;
    const char *args[32];
    int n;
    ws_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ok(parse(cases[i][0], &v, args, &n, &err) == WS_OPT_BAD && err.status == WS_EUSAGE, "%s",
           cases[i][0]);
        has_str(err.msg, cases[i][1], cases[i][1]);
    }
    parse("try a --cuont 3", &v, args, &n, &err);
    has_str(err.hint, "--count", "the nearest option is the hint");
}

int main(void)
{
    test_values();
    test_errors();
    ws_buf help = {0};
    ws_opt_help(&doc, true, &help);
    has_str(ws_buf_z(&help), "usage: warpsmith try FILE [options]", "help has the usage");
    has_str(ws_buf_z(&help), "Budget:\n  -n, --count N", "help groups options");
    ws_buf_release(&help);
    ws_opt_man(&doc, &help);
    has_str(ws_buf_z(&help), "\\fB\\-\\-count\\fR \\fIN\\fR", "the man page too");
    ws_buf_release(&help);
    return tap_done();
}
