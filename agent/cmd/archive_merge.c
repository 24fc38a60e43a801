#include "agent/cmd/archive_merge.h"

#include "agent/cli.h"
#include "base/file.h"
#include "results/merge.h"

#include <stdio.h>

static void add(cJSON *o, const char *name, const db_merged *m)
{
    cJSON *c = cJSON_CreateObject();
    cJSON_AddStringToObject(c, "archive", name);
    cJSON_AddNumberToObject(c, "sweeps", m->sweeps);
    cJSON_AddNumberToObject(c, "problems", m->problems);
    cJSON_AddNumberToObject(c, "runs", m->runs);
    cJSON_AddNumberToObject(c, "calls", m->calls);
    cJSON_AddNumberToObject(c, "candidates", m->candidates);
    cJSON_AddNumberToObject(c, "lessons", m->lessons);
    cJSON_AddNumberToObject(c, "sittings", m->sittings);
    cJSON_AddItemToArray(o, c);
}

static void print(const char *name, const db_merged *m)
{
    if (!m->sweeps && !m->problems && !m->runs && !m->calls && !m->candidates && !m->sittings)
        printf("%s: nothing new\n", name);
    else
        printf("%s: %d problems, %d runs, %d calls, %d candidates, %d lessons, %d sittings\n", name,
               m->problems, m->runs, m->calls, m->candidates, m->lessons, m->sittings);
    fflush(stdout);
}

ws_status archive_merge(const char **args, int n, bool json, ws_err *err)
{
    db_archive *db = NULL;
    if (n < 2) {
        ws_fail(err, WS_EUSAGE, "archive merge takes a target and at least one archive");
        return ws_hint(err, "warpsmith archive merge all.db shard-*.db");
    }
    for (int i = 1; i < n; i++)
        if (!ws_file_exists(args[i])) /* before the target is made */
            return ws_fail(err, WS_EINPUT, "there is no archive '%s'", args[i]);
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    ws_status st = db_open(args[0], false, &db, err);
    for (int i = 1; i < n && !st; i++) {
        db_merged m = {0};
        if (!(st = db_merge(db, args[i], &m, err)))
            json ? add(list, args[i], &m) : print(args[i], &m);
    }
    db_close(db);
    if (!st && json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "schema", 1);
        cJSON_AddItemToObject(o, "merged", list);
        cli_print_json(o);
    } else {
        cJSON_Delete(list);
    }
    return st;
}

ws_status archive_digest(const char *archive, const char *what, bool json, ws_err *err)
{
    db_archive *db = NULL;
    db_digest d;
    ws_status st = db_open(archive, true, &db, err);
    if (!st)
        st = db_digest_of(db, what, &d, err);
    db_close(db);
    if (st)
        return st;
    if (!json) {
        printf("%s  %d sweeps, %d problems, %d runs, %d calls, %d candidates\n", d.sha256, d.sweeps,
               d.problems, d.runs, d.calls, d.candidates);
        return WS_OK;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "sha256", d.sha256);
    cJSON_AddNumberToObject(o, "sweeps", d.sweeps);
    cJSON_AddNumberToObject(o, "problems", d.problems);
    cJSON_AddNumberToObject(o, "runs", d.runs);
    cJSON_AddNumberToObject(o, "calls", d.calls);
    cJSON_AddNumberToObject(o, "candidates", d.candidates);
    cli_print_json(o);
    return WS_OK;
}
