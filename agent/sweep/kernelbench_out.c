#include "agent/sweep/kernelbench.h"

#include "base/file.h"
#include "base/json.h"
#include "results/export.h"
#include "results/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    ws_arena arena;
    db_archive *db;
    const char *dir;       /* of the level at hand */
    comp_service *comp;    /* NULL: no sources */
    int level;
    cJSON *results;
    kb_written *count;
} writer;

/* "kernelbench/level1/019_relu": level 1, problem 19; false: none of KernelBench's. */
static bool numbers_of(const char *name, int *level, int *problem)
{
    return sscanf(name, "kernelbench/level%d/%d_", level, problem) == 2;
}

static double seconds_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static bool is_right(const db_candidate *c)
{
    return strcmp(c->reason, hx_reason_name(HX_PASS)) == 0 && c->level >= VFY_EMULATED;
}

/* ---- one sample ---- */

/* The fastest right one of an attempt: the kernel itself, or a point of its tune space. */
static const db_candidate *best_of(const db_candidate *c, int n, int attempt)
{
    const db_candidate *best = &c[attempt];
    for (int i = 0; i < n; i++) {
        bool point = i == attempt || (strcmp(c[i].origin, "tuned") == 0 && c[i].call &&
                                      c[i].call == c[attempt].call);
        if (point && is_right(&c[i]) &&
            (!is_right(best) || seconds_of(&c[i]) < seconds_of(best)))
            best = &c[i];
    }
    return best;
}

/* The record, as eval_from_generations.py writes it. */
static void add_record(cJSON *list, int sample, const db_candidate *c, const char *flaw)
{
    cJSON *o = cJSON_CreateObject();
    bool measured = !isnan(c->measured_s);
    cJSON_AddNumberToObject(o, "sample_id", sample);
    cJSON_AddBoolToObject(o, "compiled", c->level >= VFY_COMPILES);
    cJSON_AddBoolToObject(o, "correctness", is_right(c));
    cJSON *meta = cJSON_AddObjectToObject(o, "metadata");
    cJSON_AddStringToObject(meta, "judge", "warpsmith");
    cJSON_AddStringToObject(meta, "hardware", c->gpu ? c->gpu : "");
    cJSON_AddStringToObject(meta, "timing", measured ? "measured" : "modelled");
    cJSON_AddStringToObject(meta, "verdict", c->reason);
    if (flaw)
        cJSON_AddStringToObject(meta, "flaw", flaw);
    if (!measured && isfinite(c->modelled_s))
        cJSON_AddNumberToObject(meta, "modelled_runtime_ms", c->modelled_s * 1e3);
    cJSON_AddNumberToObject(o, "runtime", measured ? c->measured_s * 1e3 : -1);
    cJSON_AddItemToObject(o, "runtime_stats", cJSON_CreateObject());
    cJSON_AddItemToArray(list, o);
}

/* The source with class ModelNew. That there can be none is counted, and is no error. */
static ws_status put_source(writer *w, const db_run *r, const db_candidate *c, int problem,
                            int sample, ws_err *err)
{
    spec *s = NULL;
    const char *verdict = NULL;
    ws_buf text = {.max = EXP_MAX_BYTES};
    ws_err why = {0};
    const char *path = ws_arena_printf(&w->arena, "%s/level_%d_problem_%d_sample_%d_kernel.py",
                                       w->dir, w->level, problem, sample);
    ws_status st = db_verdict_json(w->db, c->id, &w->arena, &verdict, err);
    if (!st)
        st = spec_from_text(r->spec_json, strlen(r->spec_json), r->spec_name, &s, err);
    exp_input in = {.spec = s, .candidate = c, .run = r, .verdict_json = verdict,
                    .compiler = w->comp};
    if (!st && exp_text(exp_format_named("kernelbench"), &in, &text, &why)) {
        if (!w->count->refused++)
            snprintf(w->count->why, sizeof w->count->why, "%.255s", why.msg);
    } else if (!st && !(st = ws_write_file(path, text.p, text.n, err))) {
        w->count->sources++;
    }
    spec_free(s);
    ws_buf_release(&text);
    return st;
}

/* ---- one problem ---- */

static ws_status put_problem(writer *w, const res_problem *p, ws_err *err)
{
    int level, problem, n = 0, samples = 0;
    char key[16];
    db_run r;
    db_candidate *c = NULL;
    if (!numbers_of(p->spec_name, &level, &problem) || level != w->level)
        return WS_OK;
    snprintf(key, sizeof key, "%d", problem);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(w->results, key);
    list = list ? list : cJSON_AddArrayToObject(w->results, key);
    samples = cJSON_GetArraySize(list);
    w->count->problems++;
    if (!p->run_name)
        return WS_OK;
    if (db_run_find(w->db, p->run_name, &w->arena, &r, err) ||
        db_candidate_list(w->db, r.id, &w->arena, &c, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        bool emitted = strcmp(c[i].origin, "emitted") == 0;
        if (strcmp(c[i].origin, "tuned") == 0 || (emitted && *p->model))
            continue;
        const db_candidate *best = best_of(c, n, i);
        add_record(list, samples, best, p->flaw);
        w->count->samples++;
        if (w->comp && is_right(best) && put_source(w, &r, best, problem, samples, err))
            return err->status;
        samples++;
    }
    return WS_OK;
}

static ws_status put_level(writer *w, const res_set *s, int level, bool alone, const char *dir,
                           ws_err *err)
{
    ws_buf text = {.max = SIZE_MAX};
    w->level = level;
    w->dir = alone ? dir : ws_arena_printf(&w->arena, "%s/level%d", dir, level);
    w->results = cJSON_CreateObject();
    ws_status st = ws_make_dirs(w->dir, err);
    for (int i = 0; i < s->n && !st; i++)
        st = put_problem(w, &s->problem[i], err);
    if (!st) {
        ws_json_print(w->results, true, &text);
        st = ws_write_file(ws_arena_printf(&w->arena, "%s/eval_results.json", w->dir), text.p,
                           text.n, err);
    }
    cJSON_Delete(w->results);
    ws_buf_release(&text);
    return st;
}

/* Which levels there are, a bit each. */
static unsigned levels_of(const res_set *s)
{
    unsigned levels = 0;
    for (int i = 0; i < s->n; i++) {
        int level, problem;
        if (numbers_of(s->problem[i].spec_name, &level, &problem) && level > 0 && level < 32)
            levels |= 1u << level;
    }
    return levels;
}

ws_status kb_write(const char *archive, const char *sweep, const char *dir, bool no_sources,
                   kb_written *out, ws_err *err)
{
    kb_written count = {0};
    writer w = {.count = &count};
    db_sweep found;
    res_set s = {0};
    ws_status st = db_open(archive, true, &w.db, err);
    if (!st)
        st = db_sweep_find(w.db, sweep, &w.arena, &found, err);
    if (!st)
        st = res_of_sweep(w.db, found.id, &w.arena, &s, err);
    unsigned levels = st ? 0 : levels_of(&s);
    if (!st && !levels)
        st = ws_fail(err, WS_EINPUT, "sweep '%s' has no problem of KernelBench", found.name);
    if (!st && !no_sources)
        st = comp_service_open(&(comp_service_options){0}, &w.comp, err);
    for (int level = 1; level < 32 && !st; level++)
        if (levels >> level & 1)
            st = put_level(&w, &s, level, !(levels & (levels - 1)), dir, err);
    comp_service_close(w.comp);
    db_close(w.db);
    ws_arena_release(&w.arena);
    *out = count;
    return st;
}
