#include "results/sweep.h"

#include "base/clock.h"
#include "results/db.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sweeps ---- */

#define SWEEP_COLUMNS                                                                              \
    "SELECT id, name, suite, config, status, stop_reason, shard, shards, problems, started, "      \
    "ended FROM sweep "

static ws_status insert_problem(db_archive *db, int64_t sweep, const db_problem *p, ws_err *err)
{
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, p->seed);
    return db_exec(db, err,
                   "INSERT INTO problem (sweep, position, spec, spec_name, spec_sha256, flaw,"
                   " model, strategy, seed, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
                   "iksssssss", sweep, p->position, p->spec, p->spec_name, p->spec_sha256, p->flaw,
                   p->model, p->strategy, seed);
}

ws_status db_sweep_begin(db_archive *db, const db_sweep *s, const db_problem *list, int n,
                         int64_t *id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(
        db, err,
        "INSERT INTO sweep (name, suite, config, status, shard, shards, problems, started)"
        " VALUES (?, ?, ?, 'running', ?, ?, ?, ?)",
        "ssskkks", s->name, s->suite, s->config_json, s->shard, s->shards, s->problems,
        s->started ? s->started : now);
    const int64_t made = sqlite3_last_insert_rowid(db->handle);
    for (int i = 0; i < n && !st; i++)
        st = insert_problem(db, made, &list[i], err);
    st = db_end(db, st, err);
    if (!st)
        *id = made;
    return st ? ws_wrap(err, "sweep '%s'", s->name) : WS_OK;
}

/* Runs one UPDATE of a row that must exist. */
static ws_status finish_update(db_archive *db, const char *what, int64_t id, ws_status st,
                               ws_err *err)
{
    if (!st && sqlite3_changes(db->handle) != 1)
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no %s %" PRId64, db->path, what, id);
    return db_end(db, st, err);
}

ws_status db_sweep_end(db_archive *db, int64_t id, const char *status, const char *stop_reason,
                       ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st =
        db_exec(db, err, "UPDATE sweep SET status = ?, stop_reason = ?, ended = ? WHERE id = ?",
                "sssi", status, stop_reason, now, id);
    return finish_update(db, "sweep", id, st, err);
}

ws_status db_sweep_reopen(db_archive *db, int64_t id, const char *config_json, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err,
                           "UPDATE sweep SET status = 'running', stop_reason = NULL, ended = NULL,"
                           " config = ? WHERE id = ?",
                           "si", config_json, id);
    return finish_update(db, "sweep", id, st, err);
}

ws_status db_sweep_remove(db_archive *db, int64_t id, ws_err *err)
{
    static const char *const sql[] = {
        "DELETE FROM sample WHERE problem IN (SELECT id FROM problem WHERE sweep = ?)",
        "DELETE FROM baseline WHERE problem IN (SELECT id FROM problem WHERE sweep = ?)",
        "DELETE FROM problem WHERE run IS NULL AND sweep = ?", "DELETE FROM sweep WHERE id = ?"};
    if (db_begin(db, err))
        return err->status;
    ws_status st = WS_OK;
    for (size_t i = 0; i < WS_COUNT(sql) && !st; i++)
        st = db_exec(db, err, sql[i], "i", id);
    return db_end(db, st, err);
}

static ws_status read_sweep(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_sweep *w = item;
    (void)err;
    *w = (db_sweep){.id = db_int(s, 0, 0),
                    .suite = db_text(s, 2, a),
                    .config_json = db_text(s, 3, a),
                    .status = db_text(s, 4, a),
                    .stop_reason = db_text(s, 5, a),
                    .shard = (int)db_int(s, 6, 1),
                    .shards = (int)db_int(s, 7, 1),
                    .problems = (int)db_int(s, 8, 0),
                    .started = db_text(s, 9, a),
                    .ended = db_text(s, 10, a)};
    snprintf(w->name, sizeof w->name, "%s", (const char *)sqlite3_column_text(s, 1));
    return WS_OK;
}

ws_status db_sweep_find(db_archive *db, const char *which, ws_arena *a, db_sweep *out, ws_err *err)
{
    /* From the most to the least exact reading of `which`. */
    static const char *const sql[] = {
        SWEEP_COLUMNS "WHERE name = ?1",
        SWEEP_COLUMNS "WHERE ?1 <> '' AND ?1 NOT GLOB '*[^0-9]*' AND id = CAST(?1 AS INTEGER)",
        SWEEP_COLUMNS "WHERE ?1 = 'last' AND id = (SELECT max(id) FROM sweep)",
        SWEEP_COLUMNS "WHERE ?1 <> '' AND substr(name, 1, length(?1)) = ?1 ORDER BY id",
    };
    for (size_t i = 0; i < WS_COUNT(sql); i++) {
        sqlite3_stmt *s;
        db_sweep *found;
        int n;
        ws_status st = db_prepare(db, &s, err, sql[i], "s", which);
        if ((st = db_rows(db, st, s, read_sweep, sizeof *found, a, &found, &n, err)))
            return st;
        if (n > 1) {
            ws_fail(err, WS_EINPUT, "'%s' begins the names of %d sweeps", which, n);
            return ws_hint(err, "among them '%s' and '%s'", found[0].name, found[1].name);
        }
        if (n == 1) {
            *out = found[0];
            return WS_OK;
        }
    }
    if (strcmp(which, "last") == 0)
        return ws_fail(err, WS_EINPUT, "archive '%s' has no sweeps", db->path);
    ws_fail(err, WS_EINPUT, "archive '%s' has no sweep '%s'", db->path, which);
    return ws_hint(err, "warpsmith sweep --list shows them");
}

ws_status db_sweep_list(db_archive *db, ws_arena *a, db_sweep **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err, SWEEP_COLUMNS "ORDER BY id", "");
    return db_rows(db, st, s, read_sweep, sizeof **out, a, out, n, err);
}

/* ---- problems ---- */

static ws_status read_problem(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    const char *seed = db_text(s, 9, a);
    (void)err;
    *(db_problem *)item = (db_problem){.id = db_int(s, 0, 0),
                                       .sweep = db_int(s, 1, 0),
                                       .position = (int)db_int(s, 2, 0),
                                       .spec = db_text(s, 3, a),
                                       .spec_name = db_text(s, 4, a),
                                       .spec_sha256 = db_text(s, 5, a),
                                       .flaw = db_text(s, 6, a),
                                       .model = db_text(s, 7, a),
                                       .strategy = db_text(s, 8, a),
                                       .seed = seed ? strtoull(seed, NULL, 10) : 0,
                                       .status = db_text(s, 10, a),
                                       .error = db_text(s, 11, a),
                                       .exit_code = (int)db_int(s, 12, -1),
                                       .run = db_int(s, 13, 0),
                                       .seconds = db_double(s, 14),
                                       .tokens = db_int(s, 15, 0),
                                       .requests = db_int(s, 16, 0),
                                       .usd = sqlite3_column_double(s, 17),
                                       .started = db_text(s, 18, a),
                                       .ended = db_text(s, 19, a)};
    return WS_OK;
}

ws_status db_problem_list(db_archive *db, int64_t sweep, ws_arena *a, db_problem **out, int *n,
                          ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT id, sweep, position, spec, spec_name, spec_sha256, flaw, model,"
                   " strategy, seed, status, error, exit_code, run, seconds, tokens,"
                   " requests, usd, started, ended FROM problem WHERE sweep = ? ORDER BY position",
                   "i", sweep);
    return db_rows(db, st, s, read_problem, sizeof **out, a, out, n, err);
}

ws_status db_problem_update(db_archive *db, const db_problem *p, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err,
                           "UPDATE problem SET status = ?, error = ?, exit_code = ?, run = ?,"
                           " seconds = ?, tokens = ?, requests = ?, usd = ?, started = ?, ended = ?"
                           " WHERE id = ?",
                           "ssnrdiidssi", p->status, p->error, (int64_t)p->exit_code, p->run,
                           p->seconds, p->tokens, p->requests, p->usd, p->started, p->ended,
                           p->id);
    st = finish_update(db, "problem", p->id, st, err);
    return st ? ws_wrap(err, "problem '%s'", p->spec_name) : WS_OK;
}

/* ---- baselines and samples from elsewhere ---- */

ws_status db_baseline_put(db_archive *db, const db_baseline *b, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    return db_end(db,
                  db_exec(db, err,
                          "INSERT OR REPLACE INTO baseline (problem, name, kind, gpu, seconds)"
                          " VALUES (?, ?, ?, ?, ?)",
                          "isssd", b->problem, b->name, b->kind, b->gpu, b->seconds),
                  err);
}

static ws_status read_baseline(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(db_baseline *)item = (db_baseline){.problem = db_int(s, 0, 0),
                                         .name = db_text(s, 1, a),
                                         .kind = db_text(s, 2, a),
                                         .gpu = db_text(s, 3, a),
                                         .seconds = db_double(s, 4)};
    return WS_OK;
}

ws_status db_baseline_list(db_archive *db, int64_t sweep, ws_arena *a, db_baseline **out, int *n,
                           ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT b.problem, b.name, b.kind, b.gpu, b.seconds FROM baseline b"
                              " JOIN problem p ON p.id = b.problem WHERE p.sweep = ?"
                              " ORDER BY b.problem, b.name",
                              "i", sweep);
    return db_rows(db, st, s, read_baseline, sizeof **out, a, out, n, err);
}

ws_status db_sample_put(db_archive *db, const db_sample *m, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    return db_end(
        db,
        db_exec(db, err,
                "INSERT OR REPLACE INTO sample (problem, sample, compiled, correct, seconds,"
                " gpu, source, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                "ikkkdsxs", m->problem, m->sample, (int)m->compiled, (int)m->correct, m->seconds,
                m->gpu, m->source, m->detail_json),
        err);
}

static ws_status read_sample(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(db_sample *)item = (db_sample){.problem = db_int(s, 0, 0),
                                     .sample = (int)db_int(s, 1, 0),
                                     .compiled = db_int(s, 2, 0) != 0,
                                     .correct = db_int(s, 3, 0) != 0,
                                     .seconds = db_double(s, 4),
                                     .gpu = db_text(s, 5, a),
                                     .source = db_text(s, 6, a),
                                     .detail_json = db_text(s, 7, a)};
    return WS_OK;
}

ws_status db_sample_list(db_archive *db, int64_t sweep, ws_arena *a, db_sample **out, int *n,
                         ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT m.problem, m.sample, m.compiled, m.correct, m.seconds, m.gpu, t.body,"
                   " m.detail FROM sample m JOIN problem p ON p.id = m.problem"
                   " LEFT JOIN text t ON t.sha256 = m.source WHERE p.sweep = ?"
                   " ORDER BY m.problem, m.sample",
                   "i", sweep);
    return db_rows(db, st, s, read_sample, sizeof **out, a, out, n, err);
}
