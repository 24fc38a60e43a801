#include "agent/cli.h"
#include "results/archive.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *archive;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    CLI_COMMON_OPTIONS};

static ws_status list(db_archive *db, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_run *run;
    int n;
    if (db_run_list(db, &a, &run, &n, err))
        return err->status;
    cJSON *array = json ? cJSON_CreateArray() : NULL;
    for (int i = 0; i < n; i++) {
        if (json) {
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "name", run[i].name);
            cJSON_AddStringToObject(o, "spec", run[i].spec_name);
            cJSON_AddStringToObject(o, "status", run[i].status);
            cJSON_AddStringToObject(o, "model", run[i].model);
            cJSON_AddStringToObject(o, "started", run[i].started);
            cJSON_AddItemToArray(array, o);
        } else {
            printf("%-44s %-12s %-28s %s\n", run[i].name, run[i].status, run[i].spec_name,
                   run[i].model);
        }
    }
    if (json)
        cli_print_json(array);
    ws_arena_release(&a);
    return WS_OK;
}

static void print_candidate(const db_candidate *c, bool json, cJSON *array)
{
    double s = isnan(c->measured_s) ? c->modelled_s : c->measured_s;
    const char *kind = isnan(c->measured_s) ? "modelled" : "measured";
    if (!json) {
        printf("#%-5" PRId64 " round %-3d %-9s level %-2d %-20s", c->id, c->round, c->origin,
               c->level, c->reason);
        if (isfinite(s))
            printf(" %12.3f us %s", s * 1e6, kind);
        putchar('\n');
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)c->id);
    cJSON_AddNumberToObject(o, "parent", (double)c->parent);
    cJSON_AddNumberToObject(o, "round", c->round);
    cJSON_AddStringToObject(o, "origin", c->origin);
    cJSON_AddStringToObject(o, "reason", c->reason);
    cJSON_AddNumberToObject(o, "level", c->level);
    if (isfinite(s)) {
        cJSON_AddNumberToObject(o, "seconds", s);
        cJSON_AddStringToObject(o, "kind", kind);
    }
    cJSON_AddStringToObject(o, "source", c->source);
    cJSON_AddItemToArray(array, o);
}

static ws_status show(db_archive *db, const char *which, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_run run;
    db_candidate *c;
    int n;
    ws_status st = db_run_find(db, which, &a, &run, err);
    if (!st)
        st = db_candidate_list(db, run.id, &a, &c, &n, err);
    if (!st) {
        cJSON *array = json ? cJSON_CreateArray() : NULL;
        if (!json)
            printf("%s: %s, %s\n", run.name, run.spec_name, run.status);
        for (int i = 0; i < n; i++)
            print_candidate(&c[i], json, array);
        if (json)
            cli_print_json(array);
    }
    ws_arena_release(&a);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    db_archive *db = NULL;
    (void)exit_code;
    ws_status st = db_open(o->archive, true, &db, err);
    if (st)
        return st;
    if (strcmp(args[0], "list") == 0)
        st = list(db, o->common.json, err);
    else if (strcmp(args[0], "show") == 0)
        st = show(db, nargs > 1 ? args[1] : "last", o->common.json, err);
    else if (strcmp(args[0], "check") == 0) {
        if (!(st = db_check(db, err)))
            puts("ok");
    } else
        st = ws_fail(err, WS_EUSAGE, "unknown subcommand 'archive %s'; there are list, show, check",
                     args[0]);
    db_close(db);
    return st;
}

const cli_command cmd_archive = {
    .doc = {.name = "archive",
            .summary = "list runs, show a run's candidates, check the file",
            .usage = "list | show [RUN] | check",
            .options = option_table,
            .min_args = 1,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run,
};
