#include "agent/cmd/archive_show.h"

#include "agent/cli.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double speedup(const db_overview *o)
{
    return o->first_s / o->best_s; /* NaN when one is not known */
}

static cJSON *overview_json(const db_overview *o)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "id", (double)o->id);
    cJSON_AddStringToObject(j, "name", o->name);
    cJSON_AddStringToObject(j, "spec", o->spec_name);
    cJSON_AddStringToObject(j, "status", o->status);
    cJSON_AddStringToObject(j, "stop_reason", o->stop_reason ? o->stop_reason : "");
    cJSON_AddStringToObject(j, "model", o->model ? o->model : "");
    cJSON_AddStringToObject(j, "strategy", o->strategy ? o->strategy : "");
    cJSON_AddStringToObject(j, "gpu", o->gpu ? o->gpu : "");
    cJSON_AddBoolToObject(j, "scripted", o->scripted);
    if (o->sweep)
        cJSON_AddStringToObject(j, "sweep", o->sweep);
    cJSON_AddStringToObject(j, "started", o->started);
    cJSON_AddStringToObject(j, "ended", o->ended ? o->ended : "");
    cJSON_AddNumberToObject(j, "candidates", o->candidates);
    cJSON_AddNumberToObject(j, "right", o->right);
    cJSON_AddNumberToObject(j, "best", (double)o->best);
    if (o->kind) {
        cJSON_AddNumberToObject(j, "seconds", o->best_s);
        cJSON_AddStringToObject(j, "kind", o->kind);
    }
    if (isfinite(speedup(o)))
        cJSON_AddNumberToObject(j, "speedup_over_generation_0", speedup(o));
    cJSON_AddNumberToObject(j, "calls", o->calls);
    ws_json_add_int(j, "tokens", o->tokens);
    if (!isnan(o->usd))
        cJSON_AddNumberToObject(j, "cost_usd", o->usd);
    return j;
}

/* ---- as a table ---- */

enum { COLUMNS = 9 };
static const char *const heading[COLUMNS] = {"run",  "status",   "spec", "model", "right",
                                             "best", "speed-up", "cost", "begun"};
static const bool is_number[COLUMNS] = {[4] = true, [5] = true, [6] = true, [7] = true};

static void put_cells(const db_overview *o, ws_arena *a, const char *cell[COLUMNS])
{
    const char *model = !o->model || !*o->model ? "-" : o->model;
    cell[0] = o->name;
    cell[1] = o->status;
    cell[2] = o->spec_name;
    cell[3] = o->scripted && !strstr(model, "scripted") ? ws_arena_printf(a, "%s (scripted)", model) : model;
    cell[4] = ws_arena_printf(a, "%d/%d", o->right, o->candidates);
    cell[5] = o->kind ? ws_arena_printf(a, "%.2f us %s", o->best_s * 1e6, o->kind) : "-";
    cell[6] = isfinite(speedup(o)) ? ws_arena_printf(a, "%.2fx", speedup(o)) : "-";
    cell[7] = !o->calls ? "-" : isnan(o->usd) ? "unknown" : ws_arena_printf(a, "%.4f", o->usd);
    cell[8] = ws_arena_printf(a, "%.10s %.5s", o->started,
                              strlen(o->started) > 16 ? o->started + 11 : "");
    for (int c = 0; c < COLUMNS; c++) {
        ws_buf safe = {0};
        ws_buf_add_foreign(&safe, cell[c], "");
        cell[c] = ws_arena_strdup(a, ws_buf_z(&safe));
        ws_buf_release(&safe);
    }
}

static void print_table(const db_overview *o, int n, ws_arena *a)
{
    const char *(*row)[COLUMNS] = ws_arena_alloc(a, sizeof *row * (size_t)(n + 1));
    int width[COLUMNS] = {0};
    memcpy(row[0], heading, sizeof heading);
    for (int i = 0; i < n; i++)
        put_cells(&o[i], a, row[i + 1]);
    for (int i = 0; i <= n; i++)
        for (int c = 0; c < COLUMNS; c++)
            if ((int)strlen(row[i][c]) > width[c])
                width[c] = (int)strlen(row[i][c]);
    for (int i = 0; i <= n; i++) {
        for (int c = 0; c < COLUMNS; c++)
            printf(is_number[c] ? "%*s%s" : "%-*s%s", c + 1 < COLUMNS ? width[c] : 0, row[i][c],
                   c + 1 < COLUMNS ? "  " : "\n");
    }
}

ws_status archive_list(db_archive *db, const db_overview_filter *f, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_overview *o = NULL;
    int n = 0;
    ws_status st = db_overview_list(db, f, &a, &o, &n, err);
    if (!st && json) {
        cJSON *array = cJSON_CreateArray();
        for (int i = 0; i < n; i++)
            cJSON_AddItemToArray(array, overview_json(&o[i]));
        cli_print_json(array);
    } else if (!st && n) {
        print_table(o, n, &a);
    } else if (!st) {
        puts(f->spec || f->model || f->gpu || f->status || f->since ? "no such run" : "no runs");
    }
    ws_arena_release(&a);
    return st;
}
