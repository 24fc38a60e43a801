/* Verdicts of later verifiers on candidates that passed. The first verdict stays in table `verdict`
 * as it was; a candidate that fell has the reason and level of the judgement that felled it, until
 * a later one lifts it again. */
#include "results/db.h"

#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static ws_status read_standing(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_standing *c = item;
    const char *seed = db_text(s, 3, a);
    (void)err;
    *c = (db_standing){.candidate = db_int(s, 0, 0), .run = db_int(s, 1, 0),
                       .level = (int)db_int(s, 2, 0), .seed = seed ? strtoull(seed, NULL, 10) : 0,
                       .fell = db_int(s, 4, 0) != 0};
    return WS_OK;
}

ws_status db_standing_list(db_archive *db, int64_t run, int64_t rejudge, ws_arena *a,
                           db_standing **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT c.id, c.run, CASE WHEN c.reason = 'pass' THEN c.level"
                              "  ELSE v.level END, v.seed, c.reason <> 'pass' OR c.level < 2"
                              " FROM candidate c JOIN verdict v ON v.candidate = c.id"
                              " WHERE (?1 = 0 OR c.run = ?1) AND"
                              " ((c.reason = 'pass' AND c.level >= 2) OR"
                              "  (v.reason = 'pass' AND v.level >= 2 AND EXISTS (SELECT 1"
                              "   FROM judgement j WHERE j.candidate = c.id AND NOT j.holds)))"
                              " AND NOT EXISTS (SELECT 1 FROM judgement j"
                              "  WHERE j.rejudge = ?2 AND j.candidate = c.id)"
                              " ORDER BY c.run, c.id",
                              "ii", run, rejudge);
    return db_rows(db, st, s, read_standing, sizeof **out, a, out, n, err);
}

ws_status db_verdict_seed(db_archive *db, int64_t candidate, uint64_t *out, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st =
        db_prepare(db, &s, err, "SELECT seed FROM verdict WHERE candidate = ?", "i", candidate);
    if (!st)
        st = db_step(db, s, &row, err);
    const char *z = !st && row ? (const char *)sqlite3_column_text(s, 0) : NULL;
    *out = z ? strtoull(z, NULL, 10) : 0;
    sqlite3_finalize(s);
    return st;
}

ws_status db_rejudge_begin(db_archive *db, const char *tool, const char *options_json, int64_t *id,
                           ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT max(id) FROM rejudge"
                              " WHERE ended IS NULL AND tool = ? AND options = ?",
                              "ss", tool, options_json);
    if (!st)
        st = db_step(db, s, &row, err);
    *id = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    if (!st && !*id) {
        st = db_exec(db, err, "INSERT INTO rejudge (tool, options, started) VALUES (?, ?, ?)",
                     "sss", tool, options_json, now);
        *id = sqlite3_last_insert_rowid(db->handle);
    }
    return db_end(db, st, err);
}

ws_status db_rejudge_end(db_archive *db, int64_t id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    return db_end(db, db_exec(db, err, "UPDATE rejudge SET ended = ? WHERE id = ?", "si", now, id),
                  err);
}

/* The run's best is the best that stands. */
#define BEST                                                                                       \
    "(SELECT c.id FROM candidate c WHERE c.run = run.id"                                           \
    " AND c.reason = 'pass' AND c.level >= 2 AND coalesce(c.measured_s, c.modelled_s) IS NOT NULL" \
    " ORDER BY c.measured_s IS NULL, coalesce(c.measured_s, c.modelled_s), c.id LIMIT 1)"
#define MOVE_WINNER "UPDATE run SET best_candidate = " BEST " WHERE best_candidate = ?"

static ws_status demote(db_archive *db, int64_t candidate, const char *reason, int level,
                        ws_err *err)
{
    if (db_exec(db, err, "UPDATE candidate SET reason = ?, level = ? WHERE id = ?", "ski", reason,
                level, candidate))
        return err->status;
    if (strcmp(reason, hx_reason_name(HX_PASS)) == 0 && level >= VFY_EMULATED)
        return WS_OK;
    return db_exec(db, err, MOVE_WINNER, "i", candidate);
}

static ws_status lift(db_archive *db, int64_t candidate, int level, ws_err *err)
{
    if (db_exec(db, err, "UPDATE candidate SET reason = 'pass', level = ? WHERE id = ?", "ki",
                level, candidate))
        return err->status;
    return db_exec(db, err,
                   "UPDATE run SET best_candidate = ?1 WHERE id = (SELECT run FROM candidate"
                   " WHERE id = ?1) AND ?1 = " BEST,
                   "i", candidate);
}

ws_status db_rejudge_add(db_archive *db, int64_t id, int64_t candidate, const vfy_verdict *v,
                         bool holds, int lifted_to, ws_err *err)
{
    ws_buf json = {0};
    char now[WS_UTC_SIZE];
    cJSON *root = vfy_verdict_json(v);
    ws_json_print(root, false, &json);
    cJSON_Delete(root);
    ws_utc_now(now);
    ws_status st = db_begin(db, err);
    if (!st) {
        st = db_exec(db, err,
                     "INSERT INTO judgement (rejudge, candidate, holds, reason, level, json,"
                     " judged) VALUES (?, ?, ?, ?, ?, ?, ?)",
                     "iikskss", id, candidate, (int)holds, hx_reason_name(v->reason), (int)v->level,
                     ws_buf_z(&json), now);
        if (!st && !holds)
            st = demote(db, candidate, hx_reason_name(v->reason), v->level, err);
        if (!st && holds && lifted_to)
            st = lift(db, candidate, lifted_to, err);
        st = db_end(db, st, err);
    }
    ws_buf_release(&json);
    return st ? ws_wrap(err, "judgement of candidate #%" PRId64, candidate) : WS_OK;
}
