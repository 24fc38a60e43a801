/* Rows of a score, from the archive's tables. */
#include "results/score.h"

#include "harness/diag.h"
#include "results/db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRANSLATION "translation"
#define FUSED       "fused"

/* What a score needs to know of a candidate. */
typedef struct judged {
    int64_t id, call;
    const char *origin, *reason, *gpu;
    int level;
    double modelled_s, measured_s;
} judged;

static ws_status read_judged(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(judged *)item = (judged){db_int(s, 0, 0),       db_int(s, 1, 0),  db_text(s, 2, a),
                               db_text(s, 3, a),      db_text(s, 4, a), (int)db_int(s, 5, -1),
                               db_double(s, 6), db_double(s, 7)};
    return WS_OK;
}

static ws_status judged_of_run(db_archive *db, int64_t run, ws_arena *a, judged **out, int *n,
                               ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT id, call, origin, reason, gpu, level, modelled_s, measured_s"
                              " FROM candidate WHERE run = ? ORDER BY id",
                              "i", run);
    return db_rows(db, st, s, read_judged, sizeof **out, a, out, n, err);
}

static bool is_right(const judged *c)
{
    return strcmp(c->reason, hx_reason_name(HX_PASS)) == 0 && c->level >= VFY_EMULATED;
}

static bool is_emitted(const judged *c)
{
    return strcmp(c->origin, "emitted") == 0;
}

static bool is_tuned(const judged *c)
{
    return strcmp(c->origin, "tuned") == 0;
}

static res_time time_of(const judged *c, bool measured)
{
    double t = measured ? c->measured_s : c->modelled_s;
    if (isnan(t))
        return (res_time){.seconds = (double)NAN};
    return (res_time){t, measured ? "measured" : "modelled", c->gpu};
}

/* ---- attempts ---- */

static void add_failure(res_problem *p, const char *reason)
{
    int i = 0;
    if (!p->first_failure)
        p->first_failure = reason;
    while (i < p->n_failures && strcmp(p->failure[i].reason, reason) != 0)
        i++;
    if (i == p->n_failures)
        p->failure[p->n_failures++] = (res_failure){.reason = reason};
    p->failure[i].n++;
}

static int by_count(const void *a, const void *b)
{
    const res_failure *x = a, *y = b;
    return x->n != y->n ? y->n - x->n : strcmp(x->reason, y->reason);
}

/* Its points share a call with the kernel that was tuned, and add no attempt. */
static bool is_attempt(const res_problem *p, const judged *c)
{
    return !is_tuned(c) && (!is_emitted(c) || !*p->model);
}

/* The number, from 1, of the attempt that candidate `i` came from; 0: none. */
static int attempt_of(const res_problem *p, const judged *c, int n, int i)
{
    int count = 0, found = 0;
    for (int k = 0; k < n; k++)
        if (is_attempt(p, &c[k])) {
            count++;
            if (k == i || (is_tuned(&c[i]) && c[i].call && c[k].call == c[i].call))
                found = count;
        }
    return found;
}

static void take_attempts(res_problem *p, const judged *c, int n, ws_arena *a)
{
    p->failure = WS_ARENA_NEW(a, res_failure, HX_REASON_COUNT + 1);
    p->candidates = n;
    for (int i = 0; i < n; i++) {
        if (!is_attempt(p, &c[i]))
            continue;
        p->attempts++;
        p->attempts_compiled += c[i].level >= VFY_COMPILES;
        p->attempts_correct += is_right(&c[i]);
        if (!is_right(&c[i]))
            add_failure(p, c[i].reason);
    }
    p->compiled = p->attempts_compiled > 0;
    p->correct = p->attempts_correct > 0;
    if (p->n_failures)
        qsort(p->failure, (size_t)p->n_failures, sizeof *p->failure, by_count);
}

/* ---- times ---- */

/* Measured times go before modelled ones. */
static void take_best(res_problem *p, const judged *c, int n)
{
    for (int measured = 1; measured >= 0 && !p->best; measured--)
        for (int i = 0; i < n; i++) {
            res_time t = time_of(&c[i], measured);
            if ((*p->model && is_emitted(&c[i])) || !is_right(&c[i]) || isnan(t.seconds) ||
                (p->best && !(t.seconds < p->best_time.seconds)))
                continue;
            p->best = c[i].id;
            p->best_time = t;
            p->best_attempt = attempt_of(p, c, n, i);
        }
}

static void add_baseline(res_problem *p, const char *name, res_time t)
{
    p->baseline[p->n_baselines++] =
        (res_baseline){.name = name, .time = t, .speedup = res_speedup(&t, &p->best_time)};
}

/* The `which`-th translation of the run; of its two times the one that the best has. */
static res_time translation(const res_problem *p, const judged *c, int n, int which)
{
    bool measured = p->best_time.kind && strcmp(p->best_time.kind, "measured") == 0;
    for (int i = 0; i < n; i++) {
        if (!is_emitted(&c[i]) || which--)
            continue;
        res_time t = time_of(&c[i], measured);
        if (!is_right(&c[i]))
            break;
        return isnan(t.seconds) ? time_of(&c[i], !measured) : t;
    }
    return (res_time){.seconds = (double)NAN};
}

/* ---- a problem ---- */

static const char *group_of(ws_arena *a, const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? ws_arena_strndup(a, name, (size_t)(slash - name)) : "";
}

/* A row without attempts; `baselines`: room for so many. */
static void begin(res_problem *p, int baselines, ws_arena *a)
{
    p->group = group_of(a, p->spec_name);
    p->model = p->model ? p->model : "";
    p->strategy = p->strategy ? p->strategy : "";
    p->best_time.seconds = (double)NAN;
    p->baseline = WS_ARENA_NEW(a, res_baseline, baselines);
}

static ws_status take_run(db_archive *db, const db_run *r, ws_arena *a, res_problem *p, ws_err *err)
{
    judged *c;
    int n;
    db_totals t;
    if (judged_of_run(db, r->id, a, &c, &n, err) || db_run_totals(db, r->id, &t, err))
        return err->status;
    if (!*p->model && r->model) /* of a script, which the sweep did not name */
        p->model = r->model;
    if (!*p->model)
        p->strategy = "";
    p->run = r->id;
    p->run_name = ws_arena_strdup(a, r->name);
    p->scripted = r->scripted;
    take_attempts(p, c, n, a);
    take_best(p, c, n);
    add_baseline(p, TRANSLATION, translation(p, c, n, 0));
    res_time fused = translation(p, c, n, 1);
    if (!isnan(fused.seconds))
        add_baseline(p, FUSED, fused);
    p->calls = t.calls;
    p->requests = t.attempts;
    p->prompt_tokens = t.prompt_tokens;
    p->completion_tokens = t.completion_tokens;
    p->usd = t.calls && !t.cost_known ? (double)NAN : t.cost_usd;
    if (isnan(p->seconds))
        p->seconds = t.model_seconds + t.judge_seconds;
    return WS_OK;
}

/* ---- samples that another harness judged ---- */

static void take_samples(res_problem *p, const db_sample *m, int n)
{
    for (int i = 0; i < n; i++) {
        res_time t = {m[i].seconds, "measured", m[i].gpu};
        p->imported = true;
        p->usd = (double)NAN;
        p->attempts++;
        p->attempts_compiled += m[i].compiled;
        p->attempts_correct += m[i].correct;
        if (!m[i].correct)
            add_failure(p, hx_reason_name(m[i].compiled ? HX_WRONG_RESULT : HX_COMPILE_ERROR));
        if (!m[i].correct || !(t.seconds > 0) ||
            (p->best_attempt && !(t.seconds < p->best_time.seconds)))
            continue;
        p->best_time = t;
        p->best_attempt = p->attempts;
    }
    p->candidates = p->attempts;
    p->compiled = p->attempts_compiled > 0;
    p->correct = p->attempts_correct > 0;
    if (p->n_failures)
        qsort(p->failure, (size_t)p->n_failures, sizeof *p->failure, by_count);
}

/* ---- sets ---- */

static void name_baselines(res_set *s, ws_arena *a)
{
    int most = 1;
    for (int i = 0; i < s->n; i++)
        most += s->problem[i].n_baselines;
    s->baseline = WS_ARENA_NEW(a, const char *, most);
    s->baseline[s->n_baselines++] = TRANSLATION;
    for (int i = 0; i < s->n; i++)
        for (int b = 0; b < s->problem[i].n_baselines; b++) {
            const char *name = s->problem[i].baseline[b].name;
            int k = 0;
            while (k < s->n_baselines && strcmp(s->baseline[k], name) != 0)
                k++;
            if (k == s->n_baselines)
                s->baseline[s->n_baselines++] = name;
        }
}

static void take_row(const db_problem *row, res_problem *p)
{
    *p = (res_problem){.sweep = row->sweep,
                       .position = row->position,
                       .spec_name = row->spec_name,
                       .spec_sha256 = row->spec_sha256,
                       .flawed = row->flaw != NULL,
                       .flaw = row->flaw,
                       .model = row->model,
                       .strategy = row->strategy,
                       .status = row->status,
                       .error = row->error,
                       .seconds = row->seconds};
}

/* What stands in the archive for one problem: rows [from, to) of an ordered list. */
#define ROWS_OF(list, n, id, from, to)                                                             \
    do {                                                                                           \
        for ((from) = 0; (from) < (n) && (list)[from].problem != (id); (from)++)                   \
            ;                                                                                      \
        for ((to) = (from); (to) < (n) && (list)[to].problem == (id); (to)++)                      \
            ;                                                                                      \
    } while (0)

ws_status res_of_sweep(db_archive *db, int64_t sweep, ws_arena *a, res_set *out, ws_err *err)
{
    db_problem *row;
    db_baseline *base;
    db_sample *sample;
    db_run run;
    int n, n_base, n_samples, from, to;
    if (db_problem_list(db, sweep, a, &row, &n, err) ||
        db_baseline_list(db, sweep, a, &base, &n_base, err) ||
        db_sample_list(db, sweep, a, &sample, &n_samples, err))
        return err->status;
    res_set s = {.problem = WS_ARENA_NEW(a, res_problem, n + 1), .n = n};
    for (int i = 0; i < n; i++) {
        res_problem *p = &s.problem[i];
        take_row(&row[i], p);
        ROWS_OF(base, n_base, row[i].id, from, to);
        begin(p, to - from + 2, a);
        if (row[i].run) {
            if (db_run_find(db, ws_arena_printf(a, "%lld", (long long)row[i].run), a, &run, err) ||
                take_run(db, &run, a, p, err))
                return err->status;
        } else {
            int first, last;
            ROWS_OF(sample, n_samples, row[i].id, first, last);
            p->failure = WS_ARENA_NEW(a, res_failure, HX_REASON_COUNT + 1);
            take_samples(p, sample + first, last - first);
            add_baseline(p, TRANSLATION, (res_time){.seconds = (double)NAN});
        }
        for (; from < to; from++)
            add_baseline(p, base[from].name,
                         (res_time){base[from].seconds, base[from].kind, base[from].gpu});
    }
    name_baselines(&s, a);
    *out = s;
    return WS_OK;
}

ws_status res_of_runs(db_archive *db, const int64_t *run, int n, ws_arena *a, res_set *out,
                      ws_err *err)
{
    res_set s = {.problem = WS_ARENA_NEW(a, res_problem, n + 1), .n = n};
    for (int i = 0; i < n; i++) {
        db_run r;
        res_problem *p = &s.problem[i];
        if (db_run_find(db, ws_arena_printf(a, "%lld", (long long)run[i]), a, &r, err))
            return err->status;
        *p = (res_problem){.position = i + 1,
                           .spec_name = r.spec_name,
                           .spec_sha256 = r.spec_sha256,
                           .model = r.model,
                           .strategy = r.strategy,
                           .status = r.status,
                           .error = strcmp(r.status, "done") == 0 ? NULL : r.stop_reason,
                           .seconds = (double)NAN};
        begin(p, 2, a);
        if (take_run(db, &r, a, p, err))
            return err->status;
    }
    name_baselines(&s, a);
    *out = s;
    return WS_OK;
}
