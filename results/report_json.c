/* The model of a report as JSON. Numbers that are not known are null; a break-even that never comes
 * is "never". */
#include "results/report.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>

static void add_text(cJSON *o, const char *key, const char *z)
{
    if (z)
        cJSON_AddStringToObject(o, key, z);
    else
        cJSON_AddNullToObject(o, key);
}

static void add_number(cJSON *o, const char *key, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, key, v);
    else
        cJSON_AddNullToObject(o, key);
}

static void add_time(cJSON *o, const char *key, const res_time *t)
{
    if (!t->kind || !isfinite(t->seconds)) {
        cJSON_AddNullToObject(o, key);
        return;
    }
    cJSON *v = cJSON_AddObjectToObject(o, key);
    cJSON_AddNumberToObject(v, "seconds", t->seconds);
    cJSON_AddStringToObject(v, "kind", t->kind);
    add_text(v, "gpu", t->gpu);
}

static cJSON *set_json(const rep_set *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", s->name);
    cJSON_AddStringToObject(o, "kind", s->kind);
    add_text(o, "suite", s->suite);
    add_text(o, "status", s->status);
    add_text(o, "started", s->started);
    add_text(o, "ended", s->ended);
    if (s->shards > 1) {
        cJSON_AddNumberToObject(o, "shard", s->shard);
        cJSON_AddNumberToObject(o, "shards", s->shards);
    }
    return o;
}

static cJSON *arm_json(const rep_arm *m)
{
    ws_buf label = {0};
    cJSON *o = cJSON_CreateObject();
    rep_time_label(m, &label);
    cJSON_AddNumberToObject(o, "set", m->set);
    cJSON_AddStringToObject(o, "label", m->label);
    cJSON_AddStringToObject(o, "model", m->model);
    cJSON_AddStringToObject(o, "strategy", m->strategy);
    cJSON_AddBoolToObject(o, "scripted", m->scripted);
    cJSON_AddBoolToObject(o, "imported", m->imported);
    cJSON_AddStringToObject(o, "gpu", m->gpu);
    cJSON_AddStringToObject(o, "times", ws_buf_z(&label));
    cJSON_AddNumberToObject(o, "modelled", m->modelled);
    cJSON_AddNumberToObject(o, "measured", m->measured);
    ws_buf_release(&label);
    return o;
}

static cJSON *score_json(const rep_score *s)
{
    const res_score *t = &s->score;
    char key[16];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "arm", s->arm);
    cJSON_AddStringToObject(o, "baseline", s->baseline);
    add_text(o, "group", s->group);
    cJSON_AddBoolToObject(o, "flawed", s->flawed);
    cJSON_AddNumberToObject(o, "problems", t->n);
    cJSON_AddNumberToObject(o, "done", t->done);
    cJSON_AddNumberToObject(o, "failed", t->failed);
    cJSON_AddNumberToObject(o, "compiled", t->compiled);
    cJSON_AddNumberToObject(o, "correct", t->correct);
    cJSON *fast = cJSON_AddObjectToObject(o, "fast_p");
    for (int i = 0; i < RES_FAST; i++) {
        snprintf(key, sizeof key, "%g", res_fast_p[i]);
        cJSON_AddNumberToObject(fast, key, t->n ? (double)t->fast[i] / t->n : 0);
    }
    cJSON *pass = cJSON_AddObjectToObject(o, "pass_at");
    for (int i = 0; i < RES_PASS; i++) {
        snprintf(key, sizeof key, "%d", res_pass_k[i]);
        add_number(pass, key, t->pass[i]);
    }
    cJSON_AddNumberToObject(o, "compared", t->compared);
    add_number(o, "geomean_speedup", t->geomean);
    add_number(o, "median_speedup", t->median);
    add_number(o, "geomean_speedup_of_faster", t->geomean_faster);
    cJSON_AddNumberToObject(o, "attempts", t->attempts);
    cJSON_AddNumberToObject(o, "calls", t->calls);
    ws_json_add_int(o, "tokens", t->tokens);
    add_number(o, "usd", t->usd);
    add_number(o, "seconds", t->seconds);
    return o;
}

static cJSON *attempt_json(const rep_attempt *t)
{
    cJSON *o = cJSON_CreateObject();
    ws_json_add_int(o, "id", t->id);
    ws_json_add_int(o, "parent", t->parent);
    cJSON_AddNumberToObject(o, "round", t->round);
    cJSON_AddStringToObject(o, "origin", t->origin);
    cJSON_AddStringToObject(o, "reason", t->reason);
    cJSON_AddNumberToObject(o, "level", t->level);
    cJSON_AddBoolToObject(o, "right", t->right);
    cJSON_AddStringToObject(o, "text", t->text);
    add_time(o, "time", &t->time);
    cJSON_AddNumberToObject(o, "at_seconds", t->at_s);
    add_number(o, "spent_usd", t->usd);
    if (t->place)
        cJSON_AddStringToObject(o, "place", t->place);
    if (t->tune)
        cJSON_AddStringToObject(o, "tune", t->tune);
    if (t->note)
        cJSON_AddStringToObject(o, "note", t->note);
    if (t->purpose)
        cJSON_AddStringToObject(o, "purpose", t->purpose);
    if (t->model)
        cJSON_AddStringToObject(o, "model", t->model);
    if (t->bound)
        cJSON_AddStringToObject(o, "bound", t->bound);
    if (isfinite(t->floor_s))
        cJSON_AddNumberToObject(o, "floor_seconds", t->floor_s);
    return o;
}

static cJSON *samples_json(const double *v, int n)
{
    cJSON *array = cJSON_CreateArray();
    char text[32];
    for (int i = 0; i < n; i++) { /* seven digits tell samples apart */
        snprintf(text, sizeof text, "%.7g", v[i]);
        cJSON_AddItemToArray(array, cJSON_CreateRaw(text));
    }
    return array;
}

static cJSON *timing_json(const rep_timing *t)
{
    cJSON *o = cJSON_CreateObject();
    if (t->role) {
        cJSON_AddStringToObject(o, "role", t->role);
        add_text(o, "name", t->name);
        add_text(o, "verdict", t->verdict);
        add_number(o, "ratio", t->ratio);
        add_number(o, "ratio_lo", t->ratio_lo);
        add_number(o, "ratio_hi", t->ratio_hi);
    } else {
        ws_json_add_int(o, "candidate", t->candidate);
    }
    cJSON_AddStringToObject(o, "kind", t->kind);
    add_text(o, "gpu", t->gpu);
    add_text(o, "shape", t->shape);
    cJSON_AddItemToObject(o, "seconds", samples_json(t->sample, t->n));
    if (t->baseline)
        cJSON_AddItemToObject(o, "baseline_seconds", samples_json(t->baseline, t->n));
    return o;
}

static cJSON *worth_json(const rep_worth *w)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", w->model);
    cJSON_AddStringToObject(o, "phase", w->phase);
    cJSON_AddNumberToObject(o, "tokens_per_call", w->tokens);
    cJSON_AddNumberToObject(o, "calls_per_pass", w->calls);
    add_text(o, "gpu", w->gpu);
    add_number(o, "usd_per_gpu_hour", w->usd_per_hour);
    add_text(o, "price_source", w->price_source);
    add_number(o, "before_usd_per_million_tokens", w->before_usd);
    add_number(o, "after_usd_per_million_tokens", w->after_usd);
    cJSON_AddNumberToObject(o, "traffic_tokens_per_second", w->traffic);
    add_number(o, "saved_usd_per_month", w->saved_usd_per_month);
    add_number(o, "spent_usd", w->spent_usd);
    if (isinf(w->break_even_tokens))
        cJSON_AddStringToObject(o, "break_even_tokens", "never");
    else
        add_number(o, "break_even_tokens", w->break_even_tokens);
    return o;
}

static void add_row(cJSON *o, const res_problem *row)
{
    cJSON_AddStringToObject(o, "spec", row->spec_name);
    cJSON_AddStringToObject(o, "group", row->group);
    cJSON_AddBoolToObject(o, "flawed", row->flawed);
    add_text(o, "flaw", row->flaw);
    cJSON_AddStringToObject(o, "status", row->status);
    add_text(o, "error", row->error);
    add_text(o, "run", row->run_name);
    cJSON_AddBoolToObject(o, "scripted", row->scripted);
    cJSON_AddBoolToObject(o, "imported", row->imported);
    cJSON_AddBoolToObject(o, "compiled", row->compiled);
    cJSON_AddBoolToObject(o, "correct", row->correct);
    cJSON_AddNumberToObject(o, "attempts", row->attempts);
    cJSON_AddNumberToObject(o, "attempts_compiled", row->attempts_compiled);
    cJSON_AddNumberToObject(o, "attempts_correct", row->attempts_correct);
    cJSON_AddNumberToObject(o, "best_attempt", row->best_attempt);
    add_time(o, "best", &row->best_time);
    cJSON *list = cJSON_AddArrayToObject(o, "baselines");
    for (int i = 0; i < row->n_baselines; i++) {
        cJSON *b = cJSON_CreateObject();
        cJSON_AddStringToObject(b, "name", row->baseline[i].name);
        add_time(b, "time", &row->baseline[i].time);
        add_number(b, "speedup", row->baseline[i].speedup);
        cJSON_AddItemToArray(list, b);
    }
    add_text(o, "first_failure", row->first_failure);
    cJSON *failures = cJSON_AddObjectToObject(o, "failures");
    for (int i = 0; i < row->n_failures; i++)
        cJSON_AddNumberToObject(failures, row->failure[i].reason, row->failure[i].n);
    cJSON_AddNumberToObject(o, "calls", row->calls);
    cJSON_AddNumberToObject(o, "requests", row->requests);
    ws_json_add_int(o, "prompt_tokens", row->prompt_tokens);
    ws_json_add_int(o, "completion_tokens", row->completion_tokens);
    add_number(o, "usd", row->usd);
    add_number(o, "seconds", row->seconds);
}

static cJSON *problem_json(const rep_problem *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "arm", p->arm);
    cJSON_AddStringToObject(o, "title", p->title);
    add_row(o, p->row);
    ws_json_add_int(o, "winner", p->winner);
    ws_json_add_int(o, "winner_parent", p->parent);
    add_text(o, "winner_source", p->source);
    add_text(o, "winner_diff", p->diff);
    cJSON *list = cJSON_AddArrayToObject(o, "candidates");
    for (int i = 0; i < p->n_attempts; i++)
        cJSON_AddItemToArray(list, attempt_json(&p->attempt[i]));
    list = cJSON_AddArrayToObject(o, "timings");
    for (int i = 0; i < p->n_timings; i++)
        cJSON_AddItemToArray(list, timing_json(&p->timing[i]));
    if (p->worth)
        cJSON_AddItemToObject(o, "economics", worth_json(p->worth));
    return o;
}

static cJSON *stage_json(const rep_stage *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "purpose", t->purpose);
    cJSON_AddStringToObject(o, "model", t->model);
    cJSON_AddNumberToObject(o, "calls", t->calls);
    cJSON_AddNumberToObject(o, "requests", t->requests);
    ws_json_add_int(o, "prompt_tokens", t->prompt_tokens);
    ws_json_add_int(o, "completion_tokens", t->completion_tokens);
    cJSON_AddNumberToObject(o, "usd", t->usd);
    cJSON_AddNumberToObject(o, "calls_without_price", t->unpriced);
    cJSON_AddNumberToObject(o, "seconds", t->seconds);
    return o;
}

static cJSON *failure_json(const rep_failure *f)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "reason", f->reason);
    cJSON_AddNumberToObject(o, "attempts", f->n);
    cJSON_AddNumberToObject(o, "problems", f->problems);
    cJSON_AddStringToObject(o, "example", f->example);
    return o;
}

static void add_method(cJSON *o, const rep_report *r)
{
    cJSON *m = cJSON_AddObjectToObject(o, "method");
    cJSON *list = cJSON_AddArrayToObject(m, "compilers");
    for (int i = 0; i < r->n_compilers; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(r->compilers[i]));
    cJSON *levels = cJSON_AddObjectToObject(m, "right_candidates_by_level");
    for (int i = 0; i <= VFY_ACCEPTED; i++)
        if (r->at_level[i])
            cJSON_AddNumberToObject(levels, vfy_level_name((vfy_level)i), r->at_level[i]);
    cJSON_AddNumberToObject(m, "compile_seconds", r->compile_seconds);
    cJSON_AddNumberToObject(m, "run_seconds", r->run_seconds);
    cJSON_AddNumberToObject(m, "judge_seconds", r->judge_seconds);
}

cJSON *rep_json(const rep_report *r)
{
    cJSON *o = cJSON_CreateObject(), *list;
    cJSON_AddNumberToObject(o, "schema", REP_SCHEMA);
    cJSON_AddStringToObject(o, "kind", "warpsmith report");
    cJSON_AddStringToObject(o, "tool", r->tool);
    cJSON_AddStringToObject(o, "generated", r->generated);
    cJSON_AddStringToObject(o, "title", r->title);
    cJSON_AddStringToObject(o, "baseline", r->baseline);
#define LIST(key, field, count, f)                                                                 \
    list = cJSON_AddArrayToObject(o, key);                                                         \
    for (int i = 0; i < r->count; i++)                                                             \
        cJSON_AddItemToArray(list, f(&r->field[i]))
    LIST("sets", set, n_sets, set_json);
    LIST("arms", arm, n_arms, arm_json);
    LIST("scores", score, n_scores, score_json);
    LIST("problems", problem, n_problems, problem_json);
    LIST("stages", stage, n_stages, stage_json);
    LIST("failures", failure, n_failures, failure_json);
#undef LIST
    add_method(o, r);
    return o;
}
