#include "agent/sweep/sweep.h"

#include "agent/money/price.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- before anything is asked ---- */

/* What would fail for every problem of the arm is said once, and before the sweep begins. */
static ws_status check_arm(const sweep_options *o, const sweep_arm *arm, model_access *m,
                           const price_table *prices, ws_err *err)
{
    loop_options l = o->l;
    model_wish wish = o->wish;
    wish.models = arm->model;
    if (arm->strategy && !strategy_find(arm->strategy)) {
        ws_buf names = {0};
        for (int i = 0; strategies[i]; i++)
            ws_buf_printf(&names, "%s%s", i ? ", " : "", strategies[i]->name);
        ws_fail(err, WS_EUSAGE, "no strategy is called '%s'", arm->strategy);
        ws_hint(err, "there are %s", ws_buf_z(&names));
        ws_buf_release(&names);
        return err->status;
    }
    if (!arm->model || o->replay)
        return WS_OK;
    if (model_access_resolve(m, &wish, &l, err))
        return err->status;
    bool priced = o->total.most.usd > 0 || o->l.budget.most.usd > 0;
    for (int i = 0; i < l.n_models && priced && !o->l.allow_unknown_price; i++) {
        price p;
        if (price_find(prices, l.model[i].provider, l.model[i].name, NULL, &p))
            continue;
        ws_fail(err, WS_EUSAGE, "--max-cost: the price of model '%s' is not known",
                l.model[i].name);
        return ws_hint(err, "give --prices FILE (LiteLLM's JSON), or --allow-unknown-price to let "
                            "its calls count as free");
    }
    return WS_OK;
}

static ws_status check_arms(const sweep_options *o, model_access *m, ws_err *err)
{
    price_table *prices = NULL;
    ws_status st = price_table_open(o->l.prices, &prices, err);
    for (int i = 0; i < o->n_arms && !st; i++)
        st = check_arm(o, &o->arm[i], m, prices, err);
    price_table_close(prices);
    return st;
}

/* ---- recordings ---- */

static const char *manifest(const char *dir, ws_arena *a)
{
    return ws_arena_printf(a, "%s/sweep.json", dir);
}

/* What was recorded says with which options, where none are given. */
static ws_status read_recording(sweep_options *o, ws_arena *a, ws_err *err)
{
    enum { MAX_BYTES = 1 << 20 };
    ws_buf text = {0};
    const char *own_replay = o->replay, *path = manifest(o->replay, a);
    if (!ws_file_exists(path)) {
        ws_fail(err, WS_EINPUT, "'%s' is no recording of a sweep: there is no '%s'", o->replay,
                path);
        return ws_hint(err,
                       "sweep --record DIR makes one; 'optimize --replay' takes a single file");
    }
    ws_status st = ws_read_file(path, MAX_BYTES, &text, err);
    if (!st)
        st = sweep_config_read(ws_buf_z(&text), a, o, err);
    if (!st && !o->l.seed) {
        cJSON *j = cJSON_Parse(ws_buf_z(&text));
        const char *seed = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "seed"));
        o->l.seed = seed ? (int64_t)strtoull(seed, NULL, 10) : 0;
        cJSON_Delete(j);
    }
    o->replay = own_replay;
    ws_buf_release(&text);
    return st;
}

static ws_status write_manifest(const sweep *w, ws_arena *a, ws_err *err)
{
    if (!w->o->record)
        return WS_OK;
    if (ws_make_dirs(w->o->record, err))
        return err->status;
    return ws_write_file(manifest(w->o->record, a), w->config, strlen(w->config), err);
}

/* ---- the end ---- */

static const sweep_row *first_failed(const sweep *w, int *count)
{
    const sweep_row *first = NULL;
    *count = 0;
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->row[i].p.status, "failed") == 0) {
            first = first ? first : &w->row[i];
            ++*count;
        }
    return first;
}

/* The status whose exit code a row has; a crash is a bug. */
static ws_status status_of(int exit_code)
{
    static const ws_status all[] = {WS_EUSAGE, WS_EENV, WS_EINPUT, WS_EREMOTE, WS_ELIMIT, WS_EBUG};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        if (ws_status_exit_code(all[i]) == exit_code)
            return all[i];
    return WS_EBUG;
}

static bool any_faster(const res_set *s)
{
    for (int i = 0; i < s->n; i++)
        for (int b = 0; b < s->problem[i].n_baselines; b++)
            if (b == 0 && s->problem[i].baseline[b].speedup > 1)
                return true;
    return false;
}

static ws_status exit_status(const sweep *w, const res_set *s, int *exit_code, ws_err *err)
{
    int failed;
    const sweep_row *r = first_failed(w, &failed);
    if (strcmp(w->status, "interrupted") == 0) {
        *exit_code = 130;
    } else if (r) {
        ws_fail(err, status_of(r->p.exit_code), "%d of %d problems failed, the first '%s': %s",
                failed, w->n, r->p.spec_name, r->p.error ? r->p.error : "");
        return ws_hint(err, "warpsmith sweep --resume %s --retry-failed --archive %s", w->w.name,
                       w->o->l.archive);
    } else if (strcmp(w->status, "limit") == 0) {
        *exit_code = ws_status_exit_code(WS_ELIMIT);
    } else {
        *exit_code = w->n && !w->o->l.no_model && !any_faster(s);
    }
    return WS_OK;
}

/* Problems that met a limit make the sweep one that did. */
static void note_limits(sweep *w)
{
    int met = 0;
    for (int i = 0; i < w->n; i++)
        met += strcmp(w->row[i].p.status, "limit") == 0;
    if (!met || strcmp(w->status, "done") != 0)
        return;
    w->status = "limit";
    w->stop = ws_arena_printf(&w->arena, "%d of %d problems met a limit", met, w->n);
}

/* Of the whole sweep as the archive has it. */
static ws_status report(sweep *w, int *exit_code, ws_err *err)
{
    db_archive *db = NULL;
    ws_arena a = {0};
    res_set s = {0};
    ws_buf text = {0};
    note_limits(w);
    ws_status st = db_open(w->o->l.archive, false, &db, err);
    if (!st)
        st = db_sweep_end(db, w->w.id, w->status, w->stop, err);
    if (!st)
        st = db_sweep_find(db, w->w.name, &w->arena, &w->w, err);
    if (!st)
        st = res_of_sweep(db, w->w.id, &a, &s, err);
    db_close(db);
    if (!st && w->o->given->common.json) {
        cJSON *o = sweep_json(&w->w, &s);
        puts(ws_json_text(o, &a));
        cJSON_Delete(o);
    } else if (!st) {
        sweep_table(&s, &text);
        printf("\n%s\nsweep %s: %s%s%s; archive %s\n", ws_buf_z(&text), w->w.name, w->status,
               w->stop && strcmp(w->stop, w->status) ? ", " : "",
               w->stop && strcmp(w->stop, w->status) ? w->stop : "", w->o->l.archive);
        if (strcmp(w->status, "done") != 0)
            printf("to go on: warpsmith sweep --resume %s%s --archive %s\n", w->w.name,
                   strcmp(w->status, "limit") ? "" : " --retry-failed, with more to spend,",
                   w->o->l.archive);
    }
    fflush(stdout);
    ws_buf_release(&text);
    if (!st)
        st = exit_status(w, &s, exit_code, err);
    ws_arena_release(&a);
    return st;
}

ws_status sweep_run(const sweep_options *given, model_access *m, char name[64], int *exit_code,
                    ws_err *err)
{
    sweep_options o = *given;
    sweep w = {.o = &o, .access = m, .lock_fd = -1, .status = "done"};
    ws_status st = WS_OK;
    if (o.resume) {
        db_archive *db = NULL;
        if (!(st = db_open(o.l.archive, true, &db, err)) &&
            !(st = db_sweep_find(db, o.resume, &w.arena, &w.w, err)))
            st = sweep_config_read(w.w.config_json, &w.arena, &o, err);
        o.resume = ws_arena_strdup(&w.arena, w.w.name); /* 'last' may be another one soon */
        db_close(db);
    } else if (o.replay) {
        st = read_recording(&o, &w.arena, err);
    }
    if (!st)
        st = check_arms(&o, m, err);
    if (!st)
        st = sweep_open(&w, err);
    w.start_ns = ws_now_ns();
    w.jobs = o.jobs > 0 ? (int)o.jobs : ws_cpu_count();
    w.jobs = w.jobs < SWEEP_MAX_JOBS ? w.jobs : SWEEP_MAX_JOBS;
    w.config = w.config ? w.config : sweep_config(&w, true);
    if (!st)
        st = write_manifest(&w, &w.arena, err);
    if (!st) {
        snprintf(cli_resume_hint, sizeof cli_resume_hint,
                 "warpsmith sweep --resume %s --archive %.200s", w.w.name, o.l.archive);
        snprintf(name, 64, "%s", w.w.name);
        sweep_show_begin(&w);
        st = sweep_work(&w, err);
        sweep_show_over(&w);
    }
    cli_resume_hint[0] = '\0';
    if (!st)
        st = report(&w, exit_code, err);
    if (w.lock_fd >= 0)
        close(w.lock_fd);
    free(w.config);
    free(w.row);
    ws_arena_release(&w.arena);
    return st;
}
