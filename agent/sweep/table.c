/* The scores of a sweep, as tables in 80 columns and as JSON. */
#include "agent/sweep/sweep.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 20 };

/* ---- text ---- */

static void put_share(ws_buf *out, int width, int count, int of)
{
    if (of)
        ws_buf_printf(out, " %*.1f%%", width - 1, 100.0 * count / of);
    else
        ws_buf_printf(out, " %*s", width, "-");
}

static void put_pass(ws_buf *out, double pass)
{
    if (isfinite(pass))
        ws_buf_printf(out, " %6.1f%%", 100 * pass);
    else
        ws_buf_printf(out, " %7s", "-");
}

static void put_factor(ws_buf *out, double x)
{
    if (isfinite(x))
        ws_buf_printf(out, x < 1000 ? " %7.2fx" : " %7.0fx", x);
    else
        ws_buf_printf(out, " %8s", "-");
}

static void put_rates(ws_buf *out, const res_score *t)
{
    ws_buf_printf(out, " %5d", t->n);
    put_share(out, 8, t->compiled, t->n);
    put_share(out, 7, t->correct, t->n);
    for (int k = 0; k < RES_PASS; k++)
        put_pass(out, t->pass[k]);
    if (isnan(t->usd))
        ws_buf_printf(out, " %8s\n", "?");
    else
        ws_buf_printf(out, " %8.2f\n", t->usd);
}

static void put_fast(ws_buf *out, const res_score *t)
{
    for (int k = 0; k < RES_FAST; k++)
        put_share(out, 6, t->fast[k], t->n);
    put_factor(out, t->geomean);
    put_factor(out, t->median);
    ws_buf_addc(out, '\n');
}

typedef void (*put_score)(ws_buf *out, const res_score *t);

static void put_name(ws_buf *out, const char *name)
{
    size_t n = strlen(name);
    if (n > NAME)
        ws_buf_printf(out, "..%s", name + n - (NAME - 2));
    else
        ws_buf_printf(out, "%-*s", NAME, name);
}

/* One row, if it has problems. */
static bool put_row(ws_buf *out, const res_set *s, const char *name, res_filter f,
                    const char *baseline, put_score put)
{
    res_score t;
    res_score_of(s, &f, baseline, &t);
    if (!t.n)
        return false;
    put_name(out, name);
    put(out, &t);
    return true;
}

/* Groups, their sum when there are several, and apart from them the flawed ones. */
static void put_rows(ws_buf *out, const res_set *s, const res_arm *arm, const char *baseline,
                     put_score put)
{
    ws_arena a = {0};
    int n;
    const char **group = res_groups(s, &a, &n);
    for (int flawed = 0; flawed < 2; flawed++) {
        int rows = 0;
        for (int i = 0; i < n; i++) {
            const char *name = *group[i] ? group[i] : "others";
            if (flawed)
                name = ws_arena_printf(&a, "(%s)", name);
            rows += put_row(out, s, name, (res_filter){group[i], arm->model, arm->strategy, flawed},
                            baseline, put);
        }
        if (rows > 1)
            put_row(out, s, flawed ? "(all flawed)" : "all",
                    (res_filter){NULL, arm->model, arm->strategy, flawed}, baseline, put);
    }
    ws_arena_release(&a);
}

/* "modelled on h100", as far as all problems agree. */
static void put_kind(ws_buf *out, const res_set *s)
{
    const res_time *first = NULL;
    bool same = true;
    for (int i = 0; i < s->n; i++) {
        const res_time *t = &s->problem[i].best_time;
        if (!t->kind || !t->gpu)
            continue;
        first = first ? first : t;
        same = same && strcmp(t->kind, first->kind) == 0 && strcmp(t->gpu, first->gpu) == 0;
    }
    if (first && same)
        ws_buf_printf(out, ", times %s on %s", first->kind, first->gpu);
    else if (first)
        ws_buf_adds(out, ", times of several kinds");
}

/* A baseline without times has no table; some table there is. */
static bool has_times(const res_set *s, const char *baseline)
{
    bool any = false;
    for (int i = 0; i < s->n; i++)
        for (int b = 0; b < s->problem[i].n_baselines; b++) {
            const res_baseline *x = &s->problem[i].baseline[b];
            bool timed = !isnan(x->time.seconds);
            if (timed && strcmp(x->name, baseline) == 0)
                return true;
            any = any || timed;
        }
    return !any && strcmp(baseline, s->baseline[0]) == 0;
}

static bool any_flawed(const res_set *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->problem[i].flawed)
            return true;
    return false;
}

static void put_arm(ws_buf *out, const res_set *s, const res_arm *arm)
{
    if (*arm->model)
        ws_buf_printf(out, "model %s, strategy %s", arm->model, arm->strategy);
    else
        ws_buf_adds(out, "translations, no model asked");
    put_kind(out, s);
    ws_buf_printf(out, "\n%-*s %5s %8s %7s", NAME, "", "n", "compiled", "correct");
    for (int k = 0; k < RES_PASS; k++)
        ws_buf_printf(out, " %*s%d", res_pass_k[k] < 10 ? 6 : 5, "pass@", res_pass_k[k]);
    ws_buf_printf(out, " %8s\n", "USD");
    put_rows(out, s, arm, "translation", put_rates);
    for (int b = 0; b < s->n_baselines; b++) {
        char title[64];
        if (!has_times(s, s->baseline[b]))
            continue;
        snprintf(title, sizeof title, "than %.*s", NAME - 5, s->baseline[b]);
        ws_buf_printf(out, "%-*s fast_0 fast.5 fast.8 fast_1 fst1.5 fast_2  geomean   median\n",
                      NAME, title);
        put_rows(out, s, arm, s->baseline[b], put_fast);
    }
}

void sweep_table(const res_set *s, ws_buf *out)
{
    ws_arena a = {0};
    int n, unfinished = 0;
    res_arm *arm = res_arms(s, &a, &n);
    for (int i = 0; i < n; i++) {
        if (i)
            ws_buf_addc(out, '\n');
        put_arm(out, s, &arm[i]);
    }
    for (int i = 0; i < s->n; i++)
        unfinished += strcmp(s->problem[i].status, "waiting") == 0 ||
                      strcmp(s->problem[i].status, "running") == 0;
    if (unfinished)
        ws_buf_printf(out, "%d problem%s not worked on yet count%s as not correct\n", unfinished,
                      unfinished == 1 ? "" : "s", unfinished == 1 ? "s" : "");
    if (any_flawed(s))
        ws_buf_adds(out, "in parentheses: flawed specs, which something passes without the work\n");
    ws_arena_release(&a);
}

/* ---- JSON ---- */

static void add_number(cJSON *o, const char *key, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, key, v);
    else
        cJSON_AddNullToObject(o, key);
}

static cJSON *json_score(const res_set *s, const res_filter *f, const char *baseline)
{
    res_score t;
    char key[24];
    res_score_of(s, f, baseline, &t);
    if (!t.n)
        return NULL;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "group", f->group ? f->group : "all");
    cJSON_AddBoolToObject(o, "flawed", f->flawed);
    cJSON_AddStringToObject(o, "model", f->model);
    cJSON_AddStringToObject(o, "strategy", f->strategy);
    cJSON_AddStringToObject(o, "baseline", baseline);
    cJSON_AddNumberToObject(o, "n", t.n);
    cJSON_AddNumberToObject(o, "done", t.done);
    cJSON_AddNumberToObject(o, "failed", t.failed);
    cJSON_AddNumberToObject(o, "compiled", t.compiled);
    cJSON_AddNumberToObject(o, "correct", t.correct);
    cJSON *fast = cJSON_AddObjectToObject(o, "fast");
    for (int k = 0; k < RES_FAST; k++) {
        snprintf(key, sizeof key, "%g", res_fast_p[k]);
        cJSON_AddNumberToObject(fast, key, (double)t.fast[k] / t.n);
    }
    cJSON *pass = cJSON_AddObjectToObject(o, "pass_at");
    for (int k = 0; k < RES_PASS; k++) {
        snprintf(key, sizeof key, "%d", res_pass_k[k]);
        add_number(pass, key, t.pass[k]);
    }
    cJSON_AddNumberToObject(o, "compared", t.compared);
    add_number(o, "geomean_speedup", t.geomean);
    add_number(o, "geomean_speedup_of_faster", t.geomean_faster);
    add_number(o, "median_speedup", t.median);
    cJSON_AddNumberToObject(o, "attempts", t.attempts);
    ws_json_add_int(o, "tokens", t.tokens);
    add_number(o, "usd", t.usd);
    add_number(o, "seconds", t.seconds);
    return o;
}

static void add_scores(cJSON *list, const res_set *s)
{
    ws_arena a = {0};
    int n_groups, n_arms;
    const char **group = res_groups(s, &a, &n_groups);
    res_arm *arm = res_arms(s, &a, &n_arms);
    for (int m = 0; m < n_arms; m++)
        for (int b = 0; b < s->n_baselines; b++)
            for (int flawed = 0; flawed < 2; flawed++)
                for (int g = 0; g <= n_groups; g++) {
                    res_filter f = {g < n_groups ? group[g] : NULL, arm[m].model,
                                    arm[m].strategy, flawed};
                    cJSON *o = json_score(s, &f, s->baseline[b]);
                    if (o)
                        cJSON_AddItemToArray(list, o);
                }
    ws_arena_release(&a);
}

static void add_time(cJSON *o, const char *key, const res_time *t)
{
    if (isnan(t->seconds))
        return;
    cJSON *x = cJSON_AddObjectToObject(o, key);
    cJSON_AddNumberToObject(x, "seconds", t->seconds);
    cJSON_AddStringToObject(x, "kind", t->kind ? t->kind : "");
    cJSON_AddStringToObject(x, "gpu", t->gpu ? t->gpu : "");
}

static cJSON *json_problem(const res_problem *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "position", p->position);
    cJSON_AddStringToObject(o, "spec", p->spec_name);
    cJSON_AddStringToObject(o, "group", p->group);
    if (p->flawed)
        cJSON_AddStringToObject(o, "flaw", p->flaw);
    cJSON_AddStringToObject(o, "model", p->model);
    cJSON_AddStringToObject(o, "strategy", p->strategy);
    cJSON_AddStringToObject(o, "status", p->status);
    if (p->error)
        cJSON_AddStringToObject(o, "error", p->error);
    if (p->run_name)
        cJSON_AddStringToObject(o, "run", p->run_name);
    cJSON_AddBoolToObject(o, "scripted", p->scripted);
    cJSON_AddBoolToObject(o, "imported", p->imported);
    cJSON_AddNumberToObject(o, "attempts", p->attempts);
    cJSON_AddNumberToObject(o, "attempts_compiled", p->attempts_compiled);
    cJSON_AddNumberToObject(o, "attempts_correct", p->attempts_correct);
    cJSON_AddBoolToObject(o, "compiled", p->compiled);
    cJSON_AddBoolToObject(o, "correct", p->correct);
    if (p->best)
        ws_json_add_int(o, "best", p->best);
    add_time(o, "best_time", &p->best_time);
    cJSON *base = cJSON_AddArrayToObject(o, "baselines");
    for (int i = 0; i < p->n_baselines; i++) {
        cJSON *b = cJSON_CreateObject();
        cJSON_AddStringToObject(b, "name", p->baseline[i].name);
        add_time(b, "time", &p->baseline[i].time);
        add_number(b, "speedup", p->baseline[i].speedup);
        cJSON_AddItemToArray(base, b);
    }
    cJSON *failures = cJSON_AddObjectToObject(o, "failures");
    for (int i = 0; i < p->n_failures; i++)
        cJSON_AddNumberToObject(failures, p->failure[i].reason, p->failure[i].n);
    ws_json_add_int(o, "prompt_tokens", p->prompt_tokens);
    ws_json_add_int(o, "completion_tokens", p->completion_tokens);
    add_number(o, "usd", p->usd);
    add_number(o, "seconds", p->seconds);
    return o;
}

cJSON *sweep_json(const db_sweep *w, const res_set *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", "end");
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "sweep", w->name);
    cJSON_AddStringToObject(o, "suite", w->suite);
    cJSON_AddStringToObject(o, "status", w->status);
    cJSON_AddStringToObject(o, "stop_reason", w->stop_reason ? w->stop_reason : "");
    cJSON_AddNumberToObject(o, "shard", w->shard);
    cJSON_AddNumberToObject(o, "shards", w->shards);
    cJSON_AddNumberToObject(o, "problems_of_all_shards", w->problems);
    add_scores(cJSON_AddArrayToObject(o, "scores"), s);
    cJSON *rows = cJSON_AddArrayToObject(o, "problems");
    for (int i = 0; i < s->n; i++)
        cJSON_AddItemToArray(rows, json_problem(&s->problem[i]));
    return o;
}
