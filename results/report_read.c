/* What a report shows of one run: its judged kernels, the winner's source and its change, samples of
 * times, and what its calls cost. Prompts and replies stay in the archive. */
#include "results/report.h"

#include "base/diff.h"
#include "base/json.h"
#include "harness/timing/pairs.h"
#include "results/db.h"
#include "results/overview.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 3, MOST_SAMPLES = 200, MOST_SITTINGS = 4 };

/* Text of a model, a compiler or a spec, for documents that hold only UTF-8. */
static const char *foreign(sqlite3_stmt *s, int column, ws_arena *a)
{
    const char *raw = db_text(s, column, a);
    if (!raw)
        return NULL;
    char *valid = ws_utf8_valid(raw);
    const char *out = ws_arena_strdup(a, valid);
    free(valid);
    return out;
}

/* {"BLOCK":256,"VEC":4} as "BLOCK=256 VEC=4" */
static const char *tune_text(const char *json, ws_arena *a)
{
    cJSON *o = json ? cJSON_Parse(json) : NULL;
    const cJSON *v;
    ws_buf t = {0};
    cJSON_ArrayForEach(v, o)
        ws_buf_printf(&t, "%s%s=%.10g", t.n ? " " : "", v->string, v->valuedouble);
    char *valid = ws_utf8_valid(ws_buf_z(&t));
    const char *out = t.n ? ws_arena_strdup(a, valid) : NULL;
    free(valid);
    cJSON_Delete(o);
    ws_buf_release(&t);
    return out;
}

/* ---- attempts ---- */

/* The verdict that stands: of one that fell, that of its judgement (as db_verdict_json). */
#define ATTEMPT_SQL                                                                                \
    "WITH seen AS (SELECT c.*, coalesce((SELECT CASE WHEN j.holds THEN NULL ELSE j.json END FROM " \
    "judgement j WHERE j.candidate = c.id ORDER BY j.rejudge DESC LIMIT 1), v.json) AS verdict "   \
    "FROM candidate c LEFT JOIN verdict v ON v.candidate = c.id WHERE c.run = ?1)"                 \
    "SELECT c.id, c.parent, c.round, c.origin, c.reason, c.level, c.modelled_s, c.measured_s, "    \
    "c.gpu, c.tune, c.note, json_extract(c.verdict, '$.text'),"                                    \
    " json_extract(c.verdict, '$.place.file'), json_extract(c.verdict, '$.place.line'),"           \
    " json_extract(c.verdict, '$.modelled.bound'),"                                                \
    " json_extract(c.verdict, '$.modelled.floor_seconds'),"                                        \
    " (julianday(c.created) - julianday(r.started)) * 86400, k.purpose, k.model,"                  \
    " (SELECT CASE WHEN count(*) = count(cost_usd) THEN total(cost_usd) END FROM call"             \
    "  WHERE run = c.run AND ended <= c.created) "                                                 \
    "FROM seen c JOIN run r ON r.id = c.run LEFT JOIN call k ON k.id = c.call ORDER BY c.id"

static res_time time_of(double modelled, double measured, const char *gpu)
{
    if (isfinite(measured))
        return (res_time){measured, "measured", gpu};
    if (isfinite(modelled))
        return (res_time){modelled, "modelled", gpu};
    return (res_time){.seconds = (double)NAN};
}

static ws_status read_attempt(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    rep_attempt *t = item;
    const int64_t line = db_int(s, 13, 0);
    const char *file = foreign(s, 12, a);
    (void)err;
    *t = (rep_attempt){
        .id = db_int(s, 0, 0),
        .parent = db_int(s, 1, 0),
        .round = (int)db_int(s, 2, 0),
        .origin = foreign(s, 3, a),
        .reason = foreign(s, 4, a),
        .level = (int)db_int(s, 5, VFY_NONE),
        .time = time_of(db_double(s, 6), db_double(s, 7), db_text(s, 8, a)),
        .tune = tune_text(db_text(s, 9, a), a),
        .note = foreign(s, 10, a),
        .text = foreign(s, 11, a),
        .place = line > 0 ? ws_arena_printf(a, "%s:%" PRId64, file ? file : "line", line) : NULL,
        .bound = foreign(s, 14, a),
        .floor_s = db_double(s, 15),
        .at_s = fmax(db_double(s, 16), 0),
        .purpose = foreign(s, 17, a),
        .model = foreign(s, 18, a),
        .usd = db_double(s, 19),
    };
    t->text = t->text ? t->text : "";
    t->right = t->level >= VFY_EMULATED && strcmp(t->reason, hx_reason_name(HX_PASS)) == 0;
    return WS_OK;
}

double rep_best_after(const rep_problem *p, int i)
{
    double best = (double)NAN;
    const char *kind = p->row->best_time.kind ? p->row->best_time.kind : "modelled";
    for (int k = 0; k <= i; k++) {
        const rep_attempt *t = &p->attempt[k];
        if (t->right && t->time.kind && strcmp(t->time.kind, kind) == 0)
            best = fmin(best, t->time.seconds); /* fmin drops NaN */
    }
    return best;
}

/* ---- the winner and its change ---- */

static const char *valid_copy(const char *z, ws_arena *a)
{
    char *valid = ws_utf8_valid(z);
    const char *out = ws_arena_strdup(a, valid);
    free(valid);
    return out;
}

static ws_status read_winner(db_archive *db, ws_arena *a, rep_problem *p, ws_err *err)
{
    db_candidate c, before;
    bool found;
    if (!p->row->best)
        return WS_OK;
    if (db_candidate_get(db, p->row->best, a, &c, err) ||
        db_candidate_before(db, &c, a, &before, &found, err))
        return err->status;
    p->winner = c.id;
    p->source = valid_copy(c.source, a);
    if (found) {
        ws_buf d = {0};
        p->parent = before.id;
        ws_diff_unified(valid_copy(before.source, a), p->source,
                        ws_arena_printf(a, "#%" PRId64, before.id),
                        ws_arena_printf(a, "#%" PRId64, c.id), CONTEXT, &d);
        p->diff = ws_arena_strdup(a, ws_buf_z(&d));
        ws_buf_release(&d);
    }
    return WS_OK;
}

/* ---- samples ---- */

typedef struct timing_list {
    rep_timing *v;
    int n, cap;
} timing_list;

static void add_timing(timing_list *l, rep_timing t)
{
    WS_GROW(l->v, l->n, l->cap);
    l->v[l->n++] = t;
}

static ws_status add_own(db_archive *db, int64_t candidate, ws_arena *a, timing_list *l,
                         ws_err *err)
{
    db_timing *t;
    int n;
    if (db_timing_list(db, candidate, a, &t, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        const int keep = t[i].n_samples < MOST_SAMPLES ? t[i].n_samples : MOST_SAMPLES;
        double *v = WS_ARENA_NEW(a, double, keep + 1);
        for (int k = 0; k < keep; k++) /* evenly over all of them */
            v[k] = t[i].sample[(int64_t)k * t[i].n_samples / keep];
        add_timing(l, (rep_timing){.candidate = candidate, .kind = t[i].kind, .gpu = t[i].gpu,
                                   .shape = t[i].shape, .ratio = (double)NAN,
                                   .ratio_lo = (double)NAN, .ratio_hi = (double)NAN, .sample = v,
                                   .n = keep});
    }
    return WS_OK;
}

static ws_status read_comparison(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    tim_pairs pairs = {0};
    const char *text = (const char *)sqlite3_column_text(s, 9);
    cJSON *json = cJSON_Parse(text ? text : "");
    if (tim_pairs_from_json(json, &pairs, err)) {
        cJSON_Delete(json);
        return ws_wrap(err, "samples of a sitting");
    }
    /* In a confirmation the candidate sat in the baseline's place. */
    const char *role = db_text(s, 3, a);
    const bool swapped = role && strcmp(role, "confirmation") == 0;
    const int keep = pairs.n < MOST_SAMPLES ? pairs.n : MOST_SAMPLES;
    double *one = WS_ARENA_NEW(a, double, keep + 1), *other = WS_ARENA_NEW(a, double, keep + 1);
    for (int k = 0; k < keep; k++) {
        const tim_pair *v = &pairs.v[(int64_t)k * pairs.n / keep];
        one[k] = swapped ? v->a_s : v->b_s;
        other[k] = swapped ? v->b_s : v->a_s;
    }
    *(rep_timing *)item = (rep_timing){.kind = db_text(s, 0, a),
                                       .gpu = db_text(s, 1, a),
                                       .shape = foreign(s, 2, a),
                                       .role = role,
                                       .name = foreign(s, 4, a),
                                       .verdict = db_text(s, 5, a),
                                       .ratio = db_double(s, 6),
                                       .ratio_lo = db_double(s, 7),
                                       .ratio_hi = db_double(s, 8),
                                       .sample = one,
                                       .baseline = other,
                                       .n = keep};
    tim_pairs_release(&pairs);
    cJSON_Delete(json);
    return WS_OK;
}

/* Of the last sittings of the spec. */
static ws_status add_sittings(db_archive *db, const char *spec_sha256, ws_arena *a, timing_list *l,
                              ws_err *err)
{
    sqlite3_stmt *s = NULL;
    rep_timing *t;
    int n;
    ws_status st = db_prepare(
        db, &s, err,
        "SELECT i.kind, i.gpu, i.shape, c.role, c.name, c.verdict, c.ratio, c.ratio_lo, c.ratio_hi,"
        " c.samples FROM comparison c JOIN sitting i ON i.id = c.sitting WHERE i.id IN"
        " (SELECT id FROM sitting WHERE spec_sha256 = ? ORDER BY id DESC LIMIT ?) ORDER BY c.id",
        "sk", spec_sha256, (int)MOST_SITTINGS);
    if ((st = db_rows(db, st, s, read_comparison, sizeof *t, a, &t, &n, err)))
        return st;
    for (int i = 0; i < n; i++)
        add_timing(l, t[i]);
    return WS_OK;
}

/* Those of generation 0 and of the winner, then sittings. */
static ws_status read_timings(db_archive *db, ws_arena *a, rep_problem *p, ws_err *err)
{
    timing_list l = {0};
    ws_status st = WS_OK;
    const int64_t first = p->n_attempts ? p->attempt[0].id : 0;
    if (first && first != p->winner)
        st = add_own(db, first, a, &l, err);
    if (!st && p->winner)
        st = add_own(db, p->winner, a, &l, err);
    if (!st)
        st = add_sittings(db, p->row->spec_sha256, a, &l, err);
    if (!st && l.n) {
        p->timing = WS_ARENA_NEW(a, rep_timing, l.n);
        memcpy(p->timing, l.v, (size_t)l.n * sizeof *l.v);
        p->n_timings = l.n;
    }
    free(l.v);
    return st;
}

ws_status rep_read_run(db_archive *db, ws_arena *a, rep_problem *p, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    ws_status st = db_prepare(db, &s, err, ATTEMPT_SQL, "i", p->row->run);
    st = db_rows(db, st, s, read_attempt, sizeof *p->attempt, a, &p->attempt, &p->n_attempts, err);
    if (!st)
        st = read_winner(db, a, p, err);
    return st ? st : read_timings(db, a, p, err);
}

/* ---- costs ---- */

static ws_status read_stage(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(rep_stage *)item = (rep_stage){.purpose = foreign(s, 0, a),
                                     .model = foreign(s, 1, a),
                                     .calls = (int)db_int(s, 2, 0),
                                     .requests = (int)db_int(s, 3, 0),
                                     .prompt_tokens = db_int(s, 4, 0),
                                     .completion_tokens = db_int(s, 5, 0),
                                     .usd = db_double(s, 6),
                                     .unpriced = (int)db_int(s, 7, 0),
                                     .seconds = db_double(s, 8)};
    return WS_OK;
}

static void add_stage(rep_report *r, const rep_stage *more, ws_arena *a)
{
    int i = 0;
    while (i < r->n_stages && (strcmp(r->stage[i].purpose, more->purpose) != 0 ||
                               strcmp(r->stage[i].model, more->model) != 0))
        i++;
    if (i == r->n_stages) {
        rep_stage *grown = WS_ARENA_NEW(a, rep_stage, r->n_stages + 1);
        if (r->n_stages)
            memcpy(grown, r->stage, (size_t)r->n_stages * sizeof *grown);
        r->stage = grown;
        r->stage[r->n_stages++] = *more;
        return;
    }
    rep_stage *t = &r->stage[i];
    t->calls += more->calls;
    t->requests += more->requests;
    t->prompt_tokens += more->prompt_tokens;
    t->completion_tokens += more->completion_tokens;
    t->usd += more->usd;
    t->unpriced += more->unpriced;
    t->seconds += more->seconds;
}

static ws_status read_judges(db_archive *db, int64_t run, ws_arena *a, rep_report *r, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT total(k.seconds), total(v.run_seconds), total(v.total_seconds),"
                   " max(k.compiler) FROM candidate c LEFT JOIN compile k ON k.candidate = c.id"
                   " LEFT JOIN verdict v ON v.candidate = c.id WHERE c.run = ?",
                   "i", run);
    if (!st && !(st = db_step(db, s, &row, err)) && row) {
        r->compile_seconds += db_double(s, 0);
        r->run_seconds += db_double(s, 1);
        r->judge_seconds += db_double(s, 2);
        const char *compiler = foreign(s, 3, a);
        bool known = !compiler || !*compiler;
        for (int i = 0; !known && i < r->n_compilers; i++)
            known = strcmp(r->compilers[i], compiler) == 0;
        if (!known) {
            const char **grown = WS_ARENA_NEW(a, const char *, r->n_compilers + 1);
            for (int i = 0; i < r->n_compilers; i++)
                grown[i] = r->compilers[i];
            grown[r->n_compilers++] = compiler;
            r->compilers = grown;
        }
    }
    sqlite3_finalize(s);
    return st;
}

ws_status rep_read_costs(db_archive *db, int64_t run, ws_arena *a, rep_report *r, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    rep_stage *stage;
    int n;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT coalesce(purpose, ''), coalesce(model, ''), count(*),"
                   " total(CASE state WHEN 'done' THEN coalesce(json_array_length(attempts), 1)"
                   " ELSE 1 END), total(prompt_tokens), total(completion_tokens), total(cost_usd),"
                   " count(*) - count(cost_usd), total(seconds) FROM call WHERE run = ?"
                   " GROUP BY 1, 2 ORDER BY min(turn)",
                   "i", run);
    if ((st = db_rows(db, st, s, read_stage, sizeof *stage, a, &stage, &n, err)))
        return st;
    for (int i = 0; i < n; i++)
        add_stage(r, &stage[i], a);
    return read_judges(db, run, a, r, err);
}
