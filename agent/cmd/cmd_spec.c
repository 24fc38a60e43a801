#include "agent/cli.h"
#include "agent/cmd/spec_lint.h"
#include "base/json.h"
#include "reference/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    bool all;
    int64_t seed;
    double seconds;
} options;

static const ws_opt option_table[] = {
    {.name = "all", .type = WS_OPT_FLAG, .offset = offsetof(options, all),
     .help = "lint: the whole catalogue"},
    {.name = "seed", .type = WS_OPT_INT, .offset = offsetof(options, seed), .fallback = "1",
     .arg = "N", .help = "lint: seed of the inputs"},
    {.name = "seconds", .type = WS_OPT_SECONDS, .offset = offsetof(options, seconds),
     .fallback = "5s", .arg = "TIME",
     .help = "lint: processor time for the trials of one spec, at most"},
    CLI_COMMON_OPTIONS};

typedef struct listing {
    bool json;
    cJSON *array;
    int failed;
} listing;

static void list_one(void *ud, const char *path)
{
    listing *l = ud;
    spec *s = NULL;
    ws_err err = {0};
    if (spec_load(path, &s, &err)) {
        fprintf(stderr, "warpsmith: %s\n", err.msg);
        l->failed++;
        return;
    }
    if (l->json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", s->name);
        cJSON_AddStringToObject(o, "title", s->title ? s->title : "");
        cJSON_AddNumberToObject(o, "check_shapes", s->n_checks);
        cJSON_AddItemToArray(l->array, o);
    } else {
        printf("%-32s %s\n", s->name, s->title ? s->title : "");
    }
    spec_free(s);
}

static ws_status list(bool json, ws_err *err)
{
    listing l = {json, json ? cJSON_CreateArray() : NULL, 0};
    ws_status st = spec_catalogue(list_one, &l, err);
    if (json)
        cli_print_json(l.array);
    if (!st && l.failed)
        return ws_fail(err, WS_EINPUT, "%d specs of the catalogue are not valid", l.failed);
    return st;
}

static ws_status show(const char *which, ws_err *err)
{
    spec *s = NULL;
    if (spec_find(which, &s, err))
        return err->status;
    ws_buf text = {0};
    ws_json_print(s->root, true, &text);
    puts(ws_buf_z(&text));
    ws_buf_release(&text);
    spec_free(s);
    return WS_OK;
}

/* The loader's checks, shape inference, and every shape bound. */
static ws_status check_one(const char *which, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_status st = spec_find(which, &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    for (int c = -1; !st && c < s->n_checks; c++) {
        ws_arena a = {0};
        ref_bound *b;
        ws_env env = spec_env(s, c);
        if ((st = ref_bind(g, &env, &a, &b, err)))
            c < 0 ? ws_wrap(err, "benchmark shape") : ws_wrap(err, "check[%d]", c);
        ws_arena_release(&a);
    }
    if (st && s)
        ws_wrap(err, "spec '%s'", s->name);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

/* Specs that are good, by suite. A spec without one belongs to its folder. */
typedef struct tally {
    struct {
        char suite[64];
        int valid;
    } row[32];
    int n_rows, valid, failed;
} tally;

static void tally_add(tally *t, const spec *s)
{
    char suite[64];
    snprintf(suite, sizeof suite, "%.*s", s->suite ? 63 : (int)strcspn(s->name, "/"),
             s->suite ? s->suite : s->name);
    int i = 0;
    while (i < t->n_rows && strcmp(t->row[i].suite, suite))
        i++;
    t->valid++;
    if (i == (int)WS_COUNT(t->row))
        return;
    if (i == t->n_rows)
        memcpy(t->row[t->n_rows++].suite, suite, sizeof suite);
    t->row[i].valid++;
}

static void check_listed(void *ud, const char *path)
{
    tally *t = ud;
    spec *s = NULL;
    ws_err err = {0};
    if (check_one(path, &err) || spec_load(path, &s, &err)) {
        fprintf(stderr, "warpsmith: %s\n", err.msg);
        t->failed++;
        return;
    }
    tally_add(t, s);
    spec_free(s);
}

static ws_status check_all(bool json, ws_err *err)
{
    tally t = {0};
    ws_status st = spec_catalogue(check_listed, &t, err);
    if (st)
        return st;
    cJSON *o = json ? cJSON_CreateObject() : NULL, *suites = NULL;
    if (json) {
        cJSON_AddNumberToObject(o, "schema", 1);
        cJSON_AddNumberToObject(o, "valid", t.valid);
        cJSON_AddNumberToObject(o, "failed", t.failed);
        suites = cJSON_AddObjectToObject(o, "suites");
    }
    for (int i = 0; i < t.n_rows; i++)
        if (json)
            cJSON_AddNumberToObject(suites, t.row[i].suite, t.row[i].valid);
        else
            printf("%-16s %4d\n", t.row[i].suite, t.row[i].valid);
    if (json)
        cli_print_json(o);
    else
        printf("%-16s %4d\n", "all", t.valid);
    if (t.failed)
        return ws_fail(err, WS_EINPUT, "%d specs of the catalogue are not valid", t.failed);
    return WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    if (strcmp(args[0], "lint") == 0) {
        const spec_lint_options lint = {o->all, o->common.json, o->seed, o->seconds};
        if ((nargs < 2) != o->all)
            return ws_fail(err, WS_EUSAGE, "spec lint takes SPEC... or --all");
        return spec_lint(&lint, args + 1, nargs - 1, exit_code, err);
    }
    bool lists = strcmp(args[0], "list") == 0, shows = strcmp(args[0], "show") == 0;
    if (!lists && !shows && strcmp(args[0], "check") != 0)
        return ws_fail(err, WS_EUSAGE,
                       "unknown subcommand 'spec %s'; there are list, show, check, lint", args[0]);
    if (nargs > (lists ? 1 : 2) && (lists || shows))
        return ws_fail(err, WS_EUSAGE, "spec %s takes %s", args[0],
                       lists ? "no argument" : "one SPEC");
    if (lists)
        return list(o->common.json, err);
    if (nargs < 2 && !shows)
        return check_all(o->common.json, err);
    if (nargs < 2)
        return ws_fail(err, WS_EUSAGE, "spec %s needs a SPEC", args[0]);
    if (shows)
        return show(args[1], err);
    for (int i = 1; i < nargs; i++) {
        if (check_one(args[i], err))
            return err->status;
        if (!o->common.json)
            printf("%s: ok\n", args[i]);
    }
    if (o->common.json) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddNumberToObject(j, "schema", 1);
        cJSON_AddNumberToObject(j, "valid", nargs - 1);
        cli_print_json(j);
    }
    return WS_OK;
}

const cli_command cmd_spec = {
    .doc = {.name = "spec",
            .summary = "list, show, check or examine specifications",
            .usage = "list | show SPEC | check [SPEC...] | lint SPEC... | lint --all",
            .details =
                "lint tries what costs nothing against the reference: zeros, a constant, a copy of "
                "an input, the answer for other inputs, an input, weight or op less, and inputs "
                "rounded to the next lower precision. Each that passes is a finding. Exit code 1: "
                "a named spec has findings.",
            .examples = "warpsmith spec list\nwarpsmith spec check\n"
                        "warpsmith spec check specs/basics/softmax.json\n"
                        "warpsmith spec lint softmax\nwarpsmith spec lint --all",
            .options = option_table,
            .min_args = 1,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
