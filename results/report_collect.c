/* From names of sweeps and runs to the model of a report: sets, arms, scores, failures. */
#include "results/report.h"

#include "base/clock.h"
#include "results/db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known while a report is put together. */
typedef struct collector {
    db_archive *db;
    const rep_options *o;
    ws_arena *a;
    rep_report *r;
    ws_err *err;
} collector;

/* `text` as valid UTF-8 in which a path of this machine is its last part: ".../softmax.json". */
static const char *clean(ws_arena *a, const char *text)
{
    if (!text)
        return NULL;
    ws_buf t = {0};
    char *valid = ws_utf8_valid(text);
    for (const char *p = valid; *p;) {
        const bool begins = *p == '/' && (p == valid || strchr(" '\"=(:,@", p[-1]));
        const size_t n = begins ? strcspn(p, " '\"),;\n") : 0;
        const char *last = p;
        for (size_t i = 0; i < n; i++)
            if (p[i] == '/')
                last = p + i;
        if (last > p)
            ws_buf_printf(&t, "...%.*s", (int)(p + n - last), last);
        else
            ws_buf_add(&t, p, n ? n : 1);
        p += n ? n : 1;
    }
    free(valid);
    const char *out = ws_arena_strdup(a, ws_buf_z(&t));
    ws_buf_release(&t);
    return out;
}

/* ---- sets ---- */

static ws_status add_sweep(collector *c, const db_sweep *s)
{
    rep_set *set = &c->r->set[c->r->n_sets];
    *set = (rep_set){.name = ws_arena_strdup(c->a, s->name),
                     .kind = "sweep",
                     .suite = clean(c->a, s->suite),
                     .status = s->status,
                     .started = s->started,
                     .ended = s->ended,
                     .shard = s->shard,
                     .shards = s->shards};
    if (res_of_sweep(c->db, s->id, c->a, &set->rows, c->err))
        return c->err->status;
    c->r->n_sets++;
    return WS_OK;
}

/* All runs that were named are one set. */
static ws_status add_runs(collector *c, const db_run *run, int n)
{
    if (!n)
        return WS_OK;
    int64_t *id = WS_ARENA_NEW(c->a, int64_t, n);
    rep_set *set = &c->r->set[c->r->n_sets];
    *set = (rep_set){.kind = "runs", .shard = 1, .shards = 1};
    for (int i = 0; i < n; i++)
        id[i] = run[i].id;
    set->name = n == 1 ? ws_arena_strdup(c->a, run[0].name) : ws_arena_printf(c->a, "%d runs", n);
    set->started = run[0].started;
    if (n == 1) {
        set->status = run[0].status;
        set->ended = run[0].ended;
    }
    if (res_of_runs(c->db, id, n, c->a, &set->rows, c->err))
        return c->err->status;
    c->r->n_sets++;
    return WS_OK;
}

/* The sweep that a run belongs to, 0: none. */
static ws_status sweep_of(collector *c, int64_t run, int64_t *out)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st = db_prepare(c->db, &s, c->err,
                              "SELECT coalesce(max(sweep), 0) FROM problem WHERE run = ?", "i", run);
    if (!st)
        st = db_step(c->db, s, &row, c->err);
    *out = row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

/* The last sweep, unless a run outside of it began later. */
static ws_status add_last(collector *c)
{
    db_run run;
    db_sweep sweep;
    int64_t of = 0;
    ws_err none = {0};
    const bool has_sweep = !db_sweep_find(c->db, "last", c->a, &sweep, &none);
    const bool has_run = !db_run_find(c->db, "last", c->a, &run, has_sweep ? &none : c->err);
    if (!has_sweep && !has_run)
        return c->err->status;
    if (has_run && sweep_of(c, run.id, &of))
        return c->err->status;
    if (has_sweep && (!has_run || of || strcmp(run.started, sweep.started) < 0))
        return add_sweep(c, &sweep);
    return add_runs(c, &run, 1);
}

static ws_status add_named(collector *c, const char **which, int n)
{
    db_run *run = WS_ARENA_NEW(c->a, db_run, n + 1);
    int runs = 0;
    for (int i = 0; i < n; i++) {
        db_sweep sweep;
        ws_err no_sweep = {0};
        if (strcmp(which[i], "last") == 0) {
            if (add_last(c))
                return c->err->status;
        } else if (!db_sweep_find(c->db, which[i], c->a, &sweep, &no_sweep) &&
                   strcmp(which[i], sweep.name) == 0) {
            if (add_sweep(c, &sweep))
                return c->err->status;
        } else if (db_run_find(c->db, which[i], c->a, &run[runs], c->err)) {
            if (no_sweep.status) { /* neither, or the beginning of several */
                if (!strstr(c->err->msg, "has no run"))
                    return c->err->status;
                ws_fail(c->err, WS_EINPUT, "the archive has no sweep or run '%s'", which[i]);
                return ws_hint(c->err, "'warpsmith archive list' shows the runs, 'warpsmith sweep "
                                       "--list' the sweeps");
            }
            if (add_sweep(c, &sweep)) /* the beginning of its name, or its number */
                return c->err->status;
        } else {
            runs++;
        }
    }
    return add_runs(c, run, runs);
}

/* ---- arms and problems ---- */

static bool is_of_arm(const rep_arm *arm, int set, const res_problem *p)
{
    return arm->set == set && strcmp(arm->model, p->model) == 0 &&
           strcmp(arm->strategy, p->strategy) == 0;
}

static void count_problem(rep_arm *arm, const res_problem *p)
{
    const res_time *t = &p->best_time;
    const char *gpu = t->gpu ? t->gpu : p->baseline[0].time.gpu;
    arm->scripted |= p->scripted;
    arm->imported |= p->imported;
    arm->modelled += t->kind && strcmp(t->kind, "modelled") == 0;
    arm->measured += t->kind && strcmp(t->kind, "measured") == 0;
    if (gpu && !arm->gpu)
        arm->gpu = gpu;
    else if (gpu && strcmp(arm->gpu, gpu) != 0)
        arm->gpu = "";
}

static void name_arm(collector *c, rep_arm *arm)
{
    const rep_set *set = &c->r->set[arm->set];
    const bool translation = !*arm->model;
    ws_buf t = {0};
    if (c->r->n_sets > 1)
        ws_buf_printf(&t, "%s: ", set->name);
    if (translation)
        ws_buf_adds(&t, arm->imported ? "imported" : "translation");
    else
        ws_buf_printf(&t, "%s%s%s", arm->model, *arm->strategy ? ", " : "", arm->strategy);
    char *valid = ws_utf8_valid(ws_buf_z(&t));
    arm->label = ws_arena_strdup(c->a, valid);
    arm->gpu = arm->gpu ? arm->gpu : "";
    free(valid);
    ws_buf_release(&t);
}

static void find_arms(collector *c)
{
    rep_report *r = c->r;
    int total = 0, n = 0;
    for (int s = 0; s < r->n_sets; s++)
        total += r->set[s].rows.n;
    r->arm = WS_ARENA_NEW(c->a, rep_arm, total + 1);
    r->problem = WS_ARENA_NEW(c->a, rep_problem, total + 1);
    for (int s = 0; s < r->n_sets; s++) {
        const int first = r->n_arms;
        for (int i = 0; i < r->set[s].rows.n; i++) {
            const res_problem *p = &r->set[s].rows.problem[i];
            int k = first;
            while (k < r->n_arms && !is_of_arm(&r->arm[k], s, p))
                k++;
            if (k == r->n_arms)
                r->arm[r->n_arms++] =
                    (rep_arm){.set = s, .model = p->model, .strategy = p->strategy};
            count_problem(&r->arm[k], p);
            r->problem[n++] = (rep_problem){.row = p, .arm = k, .title = ""};
        }
    }
    r->n_problems = n;
    for (int k = 0; k < r->n_arms; k++)
        name_arm(c, &r->arm[k]);
}

/* ---- scores ---- */

static void add_score(collector *c, int arm, const char *baseline, const char *group, bool flawed)
{
    rep_report *r = c->r;
    const res_filter f = {.group = group, .model = r->arm[arm].model,
                          .strategy = r->arm[arm].strategy, .flawed = flawed};
    rep_score s = {.arm = arm, .baseline = baseline, .group = group, .flawed = flawed};
    res_score_of(&r->set[r->arm[arm].set].rows, &f, baseline, &s.score);
    if (s.score.n)
        r->score[r->n_scores++] = s;
}

/* For each baseline and arm: all, then each group where there are several; flawed ones apart. */
static void find_scores(collector *c)
{
    rep_report *r = c->r;
    int most = 0;
    for (int k = 0; k < r->n_arms; k++) {
        const res_set *s = &r->set[r->arm[k].set].rows;
        most += s->n_baselines * (s->n + 2);
    }
    r->score = WS_ARENA_NEW(c->a, rep_score, most + 1);
    for (int k = 0; k < r->n_arms; k++) {
        const res_set *s = &r->set[r->arm[k].set].rows;
        int groups;
        const char **group = res_groups(s, c->a, &groups);
        for (int b = 0; b < s->n_baselines; b++) {
            add_score(c, k, s->baseline[b], NULL, false);
            for (int g = 0; groups > 1 && g < groups; g++)
                add_score(c, k, s->baseline[b], group[g], false);
            add_score(c, k, s->baseline[b], NULL, true);
        }
    }
}

const rep_score *rep_headline(const rep_report *r, int arm)
{
    for (int i = 0; i < r->n_scores; i++)
        if (r->score[i].arm == arm && !r->score[i].group && !r->score[i].flawed &&
            strcmp(r->score[i].baseline, r->baseline) == 0)
            return &r->score[i];
    return NULL;
}

const res_baseline *rep_baseline_of(const rep_report *r, const rep_problem *p)
{
    for (int i = 0; i < p->row->n_baselines; i++)
        if (strcmp(p->row->baseline[i].name, r->baseline) == 0)
            return &p->row->baseline[i];
    return NULL;
}

static ws_status choose_baseline(collector *c)
{
    rep_report *r = c->r;
    ws_buf known = {0};
    r->baseline = c->o->baseline ? c->o->baseline : "translation";
    for (int s = 0; s < r->n_sets; s++)
        for (int b = 0; b < r->set[s].rows.n_baselines; b++) {
            const char *name = r->set[s].rows.baseline[b];
            if (strcmp(name, r->baseline) == 0) {
                ws_buf_release(&known);
                return WS_OK;
            }
            if (s == 0)
                ws_buf_printf(&known, "%s'%s'", known.n ? ", " : "", name);
        }
    ws_fail(c->err, WS_EINPUT, "no problem has a baseline '%s'", r->baseline);
    ws_hint(c->err, "there are %s", ws_buf_z(&known));
    ws_buf_release(&known);
    return c->err->status;
}

/* ---- failures ---- */

static int by_number(const void *a, const void *b)
{
    const rep_failure *x = a, *y = b;
    return x->n != y->n ? y->n - x->n : strcmp(x->reason, y->reason);
}

static const char *example_of(const rep_problem *p, const char *reason)
{
    for (int i = 0; i < p->n_attempts; i++)
        if (strcmp(p->attempt[i].reason, reason) == 0)
            return p->attempt[i].text;
    return "";
}

static void find_failures(collector *c)
{
    rep_report *r = c->r;
    r->failure = WS_ARENA_NEW(c->a, rep_failure, HX_REASON_COUNT + 1);
    for (int i = 0; i < r->n_problems; i++) {
        const rep_problem *p = &r->problem[i];
        for (int f = 0; f < p->row->n_failures; f++) {
            const res_failure *one = &p->row->failure[f];
            int k = 0;
            while (k < r->n_failures && strcmp(r->failure[k].reason, one->reason) != 0)
                k++;
            if (k == r->n_failures && k > HX_REASON_COUNT)
                continue;
            if (k == r->n_failures)
                r->failure[r->n_failures++] =
                    (rep_failure){.reason = one->reason, .example = example_of(p, one->reason)};
            r->failure[k].n += one->n;
            r->failure[k].problems++;
        }
    }
    if (r->n_failures)
        qsort(r->failure, (size_t)r->n_failures, sizeof *r->failure, by_number);
}

/* ---- details ---- */

static ws_status read_details(collector *c, rep_problem *p)
{
    rep_report *r = c->r;
    ws_arena scratch = {0};
    db_run run;
    if (!p->row->run)
        return WS_OK;
    ws_status st = rep_read_run(c->db, c->a, p, c->err);
    if (!st)
        st = rep_read_costs(c->db, p->row->run, c->a, r, c->err);
    if (!st)
        st = db_run_find(c->db, ws_arena_printf(&scratch, "%lld", (long long)p->row->run), &scratch,
                         &run, c->err);
    if (!st) {
        cJSON *s = cJSON_Parse(run.spec_json ? run.spec_json : "");
        const char *title = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s, "title"));
        char *valid = ws_utf8_valid(title ? title : "");
        p->title = ws_arena_strdup(c->a, valid);
        free(valid);
        cJSON_Delete(s);
        rep_weigh(p, run.spec_json, c->o, c->a);
    }
    for (int i = 0; i < p->n_attempts; i++)
        if (p->attempt[i].right && p->attempt[i].level <= VFY_ACCEPTED)
            r->at_level[p->attempt[i].level]++;
    ws_arena_release(&scratch);
    return st;
}

/* res_problem's strings come from the archive as they are. */
static void clean_rows(collector *c)
{
    for (int s = 0; s < c->r->n_sets; s++)
        for (int i = 0; i < c->r->set[s].rows.n; i++) {
            res_problem *p = &c->r->set[s].rows.problem[i];
            p->error = clean(c->a, p->error);
            p->spec_name = clean(c->a, p->spec_name);
            p->model = clean(c->a, p->model);
            p->strategy = clean(c->a, p->strategy);
            p->flaw = clean(c->a, p->flaw);
        }
}

static const char *title_of(const collector *c)
{
    const rep_report *r = c->r;
    const rep_set *s = &r->set[0];
    char *valid = c->o->title ? ws_utf8_valid(c->o->title) : NULL;
    const char *title = valid              ? ws_arena_strdup(c->a, valid)
                        : r->n_sets > 1    ? ws_arena_printf(c->a, "%d sweeps side by side", r->n_sets)
                        : r->n_problems == 1 ? r->problem[0].row->spec_name
                        : s->suite           ? s->suite
                                             : s->name;
    free(valid);
    return title;
}

ws_status rep_collect(db_archive *db, const char **which, int n, const rep_options *o, ws_arena *a,
                      rep_report *out, ws_err *err)
{
    rep_report r = {.tool = o->tool,
                    .traffic = o->traffic > 0 ? o->traffic : REP_TRAFFIC,
                    .traffic_given = o->traffic > 0};
    collector c = {db, o, a, &r, err};
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    r.generated = ws_arena_strdup(a, now);
    r.set = WS_ARENA_NEW(a, rep_set, n + 2);
    ws_status st = n ? add_named(&c, which, n) : add_last(&c);
    if (!st)
        st = choose_baseline(&c);
    if (st)
        return st;
    clean_rows(&c);
    find_arms(&c);
    for (int i = 0; i < r.n_problems && !st; i++)
        st = read_details(&c, &r.problem[i]);
    if (st)
        return st;
    find_scores(&c);
    find_failures(&c);
    r.title = title_of(&c);
    *out = r;
    return WS_OK;
}
