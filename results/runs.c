#include "results/sweep.h"

#include "results/db.h"

#include "base/clock.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#define RUN_COLUMNS                                                                                \
    "SELECT r.id, r.name, r.spec_name, r.spec_sha256, t.body, r.model, r.base_url, r.strategy, "   \
    "r.gpu, r.arch, r.device, r.config, r.status, r.stop_reason, r.started, r.ended, "             \
    "r.best_candidate, r.scripted FROM run r JOIN text t ON t.sha256 = r.spec "

ws_status db_run_name(const char *spec_name, char out[64], ws_err *err)
{
    char when[16];
    time_t now = time(NULL);
    struct tm tm;
    uint16_t unique;
    const char *slash = strrchr(spec_name, '/');
    if (ws_random(&unique, sizeof unique, err))
        return err->status;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    snprintf(out, 64, "%.30s-%.15s-%04x", slash ? slash + 1 : spec_name, when, unique);
    return WS_OK;
}

ws_status db_run_begin(db_archive *db, const db_run *r, int64_t *id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err,
                           "INSERT INTO run (name, spec_name, spec_sha256, spec, model, base_url, "
                           "strategy, gpu, arch, device,"
                           " config, scripted, status, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
                           "?, ?, ?, 'running', ?)",
                           "sssxsssssssks", r->name, r->spec_name, r->spec_sha256, r->spec_json,
                           r->model, r->base_url, r->strategy, r->gpu, r->arch, r->device,
                           r->config_json, (int)r->scripted, r->started ? r->started : now);
    int64_t made = sqlite3_last_insert_rowid(db->handle);
    st = db_end(db, st, err);
    if (!st)
        *id = made;
    return st ? ws_wrap(err, "run '%s'", r->name) : WS_OK;
}

/* Runs one UPDATE of a run that must exist. */
static ws_status finish_update(db_archive *db, int64_t id, ws_status st, ws_err *err)
{
    if (!st && sqlite3_changes(db->handle) != 1)
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no run %lld", db->path, (long long)id);
    return db_end(db, st, err);
}

ws_status db_run_end(db_archive *db, int64_t id, const char *status, const char *stop_reason,
                     int64_t best, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(
        db, err,
        "UPDATE run SET status = ?, stop_reason = ?, best_candidate = ?, ended = ? WHERE id = ?",
        "ssrsi", status, stop_reason, best, now, id);
    return finish_update(db, id, st, err);
}

ws_status db_run_reopen(db_archive *db, int64_t id, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(
        db, err, "UPDATE run SET status = 'running', stop_reason = NULL, ended = NULL WHERE id = ?",
        "i", id);
    return finish_update(db, id, st, err);
}

ws_status db_run_configure(db_archive *db, int64_t id, const char *config_json, const char *model,
                           const char *base_url, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st =
        db_exec(db, err, "UPDATE run SET config = ?, model = ?, base_url = ? WHERE id = ?", "sssi",
                config_json, model, base_url, id);
    return finish_update(db, id, st, err);
}

/* A byte-range lock of the open file description, far behind SQLite's own locks and the data. */
static ws_status lock_byte(const char *path, int64_t at, const char *what, int *fd, ws_err *err)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ((off_t)1 << 60) + at, .l_len = 1};
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return ws_fail_errno(err, WS_EENV, "cannot open archive '%s'", path);
    if (fcntl(*fd, F_OFD_SETLK, &lock) == 0)
        return WS_OK;
    return errno == EAGAIN || errno == EACCES
               ? ws_fail(err, WS_EENV, "another process works on this %s", what)
               : ws_fail_errno(err, WS_EENV, "cannot lock archive '%s'", path);
}

ws_status db_run_lock(db_archive *db, int64_t id, ws_err *err)
{
    int fd;
    ws_status st = lock_byte(db->path, id, "run", &fd, err);
    if (fd >= 0)
        db->lock_fd = fd; /* also when it is not locked, closed with the archive: see db_close */
    return st;
}

ws_status db_sweep_lock(const char *path, int64_t id, int *fd, ws_err *err)
{
    ws_status st = lock_byte(path, ((int64_t)1 << 40) + id, "sweep", fd, err); /* behind the runs */
    if (st && *fd >= 0)
        close(*fd); /* no connection of this process may be open: see db_close */
    return st;
}

static ws_status read_run(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_run *r = item;
    (void)err;
    *r = (db_run){
        .id = db_int(s, 0, 0),
        .spec_name = db_text(s, 2, a),
        .spec_sha256 = db_text(s, 3, a),
        .spec_json = db_text(s, 4, a),
        .model = db_text(s, 5, a),
        .base_url = db_text(s, 6, a),
        .strategy = db_text(s, 7, a),
        .gpu = db_text(s, 8, a),
        .arch = db_text(s, 9, a),
        .device = db_text(s, 10, a),
        .config_json = db_text(s, 11, a),
        .status = db_text(s, 12, a),
        .stop_reason = db_text(s, 13, a),
        .started = db_text(s, 14, a),
        .ended = db_text(s, 15, a),
        .best_candidate = db_int(s, 16, 0),
        .scripted = db_int(s, 17, 0) != 0,
    };
    snprintf(r->name, sizeof r->name, "%s", (const char *)sqlite3_column_text(s, 1));
    return WS_OK;
}

static ws_status ambiguous(const char *which, const db_run *r, int n, ws_err *err)
{
    ws_fail(err, WS_EINPUT, "'%s' begins the names of %d runs", which, n);
    return ws_hint(err, "among them '%s' and '%s'", r[0].name, r[1].name);
}

ws_status db_run_find(db_archive *db, const char *which, ws_arena *a, db_run *out, ws_err *err)
{
    /* From the most to the least exact reading of `which`. */
    static const char *const sql[] = {
        RUN_COLUMNS "WHERE r.name = ?1",
        RUN_COLUMNS "WHERE ?1 <> '' AND ?1 NOT GLOB '*[^0-9]*' AND r.id = CAST(?1 AS INTEGER)",
        RUN_COLUMNS "WHERE ?1 = 'last' AND r.id = (SELECT max(id) FROM run)",
        RUN_COLUMNS "WHERE ?1 <> '' AND substr(r.name, 1, length(?1)) = ?1 ORDER BY r.id",
    };
    for (size_t i = 0; i < WS_COUNT(sql); i++) {
        sqlite3_stmt *s;
        db_run *found;
        int n;
        ws_status st = db_prepare(db, &s, err, sql[i], "s", which);
        if ((st = db_rows(db, st, s, read_run, sizeof *found, a, &found, &n, err)))
            return st;
        if (n > 1)
            return ambiguous(which, found, n, err);
        if (n == 1) {
            *out = found[0];
            return WS_OK;
        }
    }
    if (strcmp(which, "last") == 0)
        return ws_fail(err, WS_EINPUT, "archive '%s' has no runs", db->path);
    ws_fail(err, WS_EINPUT, "archive '%s' has no run '%s'", db->path, which);
    return ws_hint(err, "warpsmith archive list shows them");
}

ws_status db_run_list(db_archive *db, ws_arena *a, db_run **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err, RUN_COLUMNS "ORDER BY r.id", "");
    return db_rows(db, st, s, read_run, sizeof **out, a, out, n, err);
}

static ws_status sum_calls(db_archive *db, int64_t run, db_totals *t, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT count(*), total(CASE state WHEN 'done' THEN "
                   "coalesce(json_array_length(attempts), 1)"
                   " ELSE 1 END), total(prompt_tokens), total(completion_tokens), total(cost_usd),"
                   " count(*) = count(cost_usd), total(seconds) FROM call WHERE run = ?",
                   "i", run);
    if (!st && !(st = db_step(db, s, &row, err)) && row) {
        t->calls = (int)db_int(s, 0, 0);
        t->attempts = (int)db_int(s, 1, 0);
        t->prompt_tokens = db_int(s, 2, 0);
        t->completion_tokens = db_int(s, 3, 0);
        t->cost_usd = db_double(s, 4);
        t->cost_known = db_int(s, 5, 0) != 0;
        t->model_seconds = db_double(s, 6);
    }
    sqlite3_finalize(s);
    return st;
}

static ws_status sum_candidates(db_archive *db, int64_t run, db_totals *t, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st = db_prepare(
        db, &s, err,
        "SELECT count(*), total(c.reason = 'pass'), total(v.total_seconds) FROM candidate c"
        " LEFT JOIN verdict v ON v.candidate = c.id WHERE c.run = ?",
        "i", run);
    if (!st && !(st = db_step(db, s, &row, err)) && row) {
        t->candidates = (int)db_int(s, 0, 0);
        t->passed = (int)db_int(s, 1, 0);
        t->judge_seconds = db_double(s, 2);
    }
    sqlite3_finalize(s);
    return st;
}

ws_status db_run_totals(db_archive *db, int64_t run, db_totals *out, ws_err *err)
{
    db_totals t = {0};
    if (sum_calls(db, run, &t, err) || sum_candidates(db, run, &t, err))
        return err->status;
    *out = t;
    return WS_OK;
}
